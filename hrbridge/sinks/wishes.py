"""What the runner asks for over MQTT: read, limited, handed on to the session, and answered."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from msgspec import Struct
from paho.mqtt.properties import Properties

from hrbridge import messages
from hrbridge.events import Action
from hrbridge.messages import MAX_INPUT_BYTES, ControlResult, ControlSet, RefusedInputError, Topic
from hrbridge.ports import Clock

log = logging.getLogger(__name__)

MAX_COMMANDS_PER_S = 5
# Commands that wait for their steps, and answers that wait to be published; of more the oldest go unanswered.
MAX_ANSWERS = 8
# Somebody who sends nonsense all day must not fill the card of a Pi.
LOG_EVERY_S = 1.0


class ReplyTo(Struct, frozen=True):
    """Where an answer goes besides ``control/result`` (MQTT 5)."""

    topic: str | None = None
    correlation: bytes | None = None


class Answer(Struct, frozen=True):
    """What became of a wish, and who else is to hear it."""

    result: ControlResult
    reply_to: ReplyTo


class _Asked(Struct, frozen=True):
    """A command that waits for its step, to be answered."""

    action: Action
    id: str | None
    reply_to: ReplyTo


class Wishes:
    """Between the topics ``rpe/set`` and ``control/set`` and ``session``, a queue of commands and efforts.

    ``answers`` are to be published; whatever comes in, nothing raises.
    """

    def __init__(self, base: str, clock: Clock, session: asyncio.Queue[Action | float]) -> None:
        self._base = base
        self._clock = clock
        self._session = session
        self.answers: deque[Answer] = deque(maxlen=MAX_ANSWERS)
        self._asked: deque[_Asked] = deque(maxlen=MAX_ANSWERS)
        self._commands_s: deque[float] = deque(maxlen=MAX_COMMANDS_PER_S)
        self._stop_asked_s = float("-inf")
        self._logged_s = float("-inf")

    def hear(self, topic: Topic, payload: bytes, *, retained: bool, given: Properties | None) -> None:
        """One message of RPE_SET or CONTROL_SET."""
        if retained:
            self._log(topic, "the message was retained: what somebody wanted then is not wanted now")
            return
        reply_to = ReplyTo()
        try:
            reply_to = self._reply_to(given)
            if topic == messages.RPE_SET:
                self._hand_on(messages.decode_rpe(payload))
            else:
                self._command(messages.decode_control(payload), reply_to)
        except RefusedInputError as refusal:
            result = ControlResult(id=refusal.message_id, ok=False, error=str(refusal))
            self.answers.append(Answer(result, reply_to))
            self._log(topic, str(refusal))

    def settle(self, action: Action, refused: str | None) -> None:
        """The step of a command has come by; whoever asked for it is answered."""
        asked = next((asked for asked in self._asked if asked.action == action), None)
        if asked is not None:
            self._asked.remove(asked)
            result = ControlResult(id=asked.id, ok=refused is None, error=refused)
            self.answers.append(Answer(result, asked.reply_to))

    def _command(self, command: ControlSet, reply_to: ReplyTo) -> None:
        try:
            self._limit_rate()
            self._confirm_stop(command)
            self._hand_on(command.action)
        except RefusedInputError as refusal:
            raise RefusedInputError(str(refusal), command.id) from None
        self._asked.append(_Asked(command.action, command.id, reply_to))

    def _reply_to(self, given: Properties | None) -> ReplyTo:
        """Where a client wants its answer: a topic one can publish to, and none of those that only the bridge has."""
        topic = getattr(given, "ResponseTopic", None)
        correlation = getattr(given, "CorrelationData", None)
        if not isinstance(topic, str) or not topic:
            return ReplyTo()
        if len(topic.encode(errors="replace")) + len(correlation or b"") > MAX_INPUT_BYTES:
            raise RefusedInputError(f"response topic and correlation data over {MAX_INPUT_BYTES} bytes")
        ours = topic.startswith(f"{self._base}/") and not topic.startswith(f"{self._base}/client/")
        if ours or topic.startswith("$") or any(sign in topic for sign in "+#\0"):
            self._log(messages.CONTROL_RESULT, f"no answer to response topic {topic!r}: it is not a client's own")
            return ReplyTo()
        return ReplyTo(topic, correlation)

    def _limit_rate(self) -> None:
        now_s = self._clock.now_s()
        if len(self._commands_s) == MAX_COMMANDS_PER_S and now_s - self._commands_s[0] < 1:
            raise RefusedInputError(f"more than {MAX_COMMANDS_PER_S} commands a second")
        self._commands_s.append(now_s)

    def _confirm_stop(self, wish: ControlSet) -> None:
        """A stuck button must not end a run."""
        if wish.action != Action.STOP or wish.confirm:
            return
        now_s = self._clock.now_s()
        before_s, self._stop_asked_s = self._stop_asked_s, now_s
        if now_s - before_s > messages.STOP_CONFIRM_S:
            raise RefusedInputError(f'stop again within {messages.STOP_CONFIRM_S:g} s, or send "confirm": true')

    def _hand_on(self, wish: Action | float) -> None:
        try:
            self._session.put_nowait(wish)
        except asyncio.QueueFull:
            raise RefusedInputError("busy") from None

    def _log(self, topic: Topic, why: str) -> None:
        now_s = self._clock.now_s()
        if now_s - self._logged_s >= LOG_EVERY_S:
            self._logged_s = now_s
            log.warning("%s/%s: not done: %s", self._base, topic.name, why)
