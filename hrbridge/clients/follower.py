"""Follows a runner over MQTT, as any stranger could: what the bridge tells, guarded against what comes late.

One connection for as long as the program lives, with a birth and a will of its
own; lost, it comes back. Everything that happens is one stream, in order::

    async with Follower(settings, "alex", "headset", clock) as follower:
        async for happened in follower:
            match happened:
                case Cued(cue=cue, verdict=verdict) if verdict.play: ...
                case Told(state=state, present=True): ...  # say this phase once: the listener is new, or was cut off
                case Silent(): ...  # no state for 8 s

``runner_id`` "+" follows all runners of a broker, without a birth: a board is
no headset. With ``judges=False`` messages are Heard as they come, and neither
their age nor silence is judged here: a page has one more network before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets
from collections import defaultdict
from types import TracebackType
from typing import Any, Self

import aiomqtt
import msgspec
from aiomqtt import ProtocolVersion
from msgspec import Struct
from msgspec.structs import replace

from hrbridge import messages
from hrbridge.broker import Attempts, BrokerTrouble, Client, Will, connection, locate, protocols
from hrbridge.clients.guard import CueGuard, Verdict
from hrbridge.config import Mqtt, Protocol
from hrbridge.errors import BrokerError, UsageError
from hrbridge.events import Action
from hrbridge.messages import AckResult, ControlResult, CueAck, CueMessage, HeartRate, Info, State, Summary, Topic
from hrbridge.ports import Clock

log = logging.getLogger(__name__)

EVERYBODY = "+"
# As config.py has it; anybody may write to a broker, and under any name.
RUNNER_ID = re.compile(r"[a-z0-9_-]{1,32}")
# A state comes every 5 s: after 8 one was certainly missed, and a runner cannot hear a headset fall silent.
LINK_LOST_S = 8.0
# A state is sent anew after so long: an older one is no longer the present.
PRESENT_S = 5.0
# What a broker has kept of a thousand runners, told at once; a program that stands still has other troubles, and the
# oldest go.
MAX_HAPPENINGS = 4096
# What a broker has kept comes with the answer to the subscription; a slow link has its time on the way, and some more.
KEPT_WITHIN_S = 0.5
PUBLISH_TIMEOUT_S = 2.0
GOODBYE_TIMEOUT_S = 1.0
# Leaving takes milliseconds, or the good-bye to a broker that does not answer.
CANCEL_AGAIN_S = 1.0


class Joined(Struct, frozen=True):
    """The broker has let us in."""


class Left(Struct, frozen=True):
    """The broker is gone or refuses; ``why`` in words. It is tried again."""

    why: str


class Silent(Struct, frozen=True):
    """No state has come for 8 s."""


class Status(Struct, frozen=True):
    """The bridge of a runner came or went."""

    runner_id: str
    online: bool


class About(Struct, frozen=True):
    """Who the bridge is: its plan, its sensor."""

    runner_id: str
    info: Info


class Told(Struct, frozen=True):
    """Where the run stands. ``present``: this is now, and the listener has been told nothing since it joined.

    ``kept``: by the broker, nobody knows for how long. ``age_s`` when it came;
    None for one that is not of now, or not yet known to be.
    """

    runner_id: str
    state: State
    present: bool
    kept: bool = False
    age_s: float | None = None


class Beat(Struct, frozen=True):
    """One reading."""

    runner_id: str
    heart_rate: HeartRate


class Cued(Struct, frozen=True):
    """A cue, and whether it may still be played."""

    runner_id: str
    cue: CueMessage
    verdict: Verdict


class Answered(Struct, frozen=True):
    """What became of a wish."""

    runner_id: str
    result: ControlResult


class Summed(Struct, frozen=True):
    """The last session of a runner."""

    runner_id: str
    summary: Summary


class Heard(Struct, frozen=True):
    """A message as it came, for whoever judges it further on; ``name`` is relative to the runner's base."""

    runner_id: str
    name: str
    payload: bytes
    retained: bool


Happening = Joined | Left | Silent | Status | About | Told | Beat | Cued | Answered | Summed | Heard
# QoS 1 for all: what the bridge sends with less comes with less.
FOLLOWED = (
    messages.STATUS,
    messages.INFO,
    messages.STATE,
    messages.HEART_RATE,
    messages.CUE,
    messages.CONTROL_RESULT,
    messages.SUMMARY,
)


class _Ear:
    """What is known of one runner's messages: their lag, and whether the present phase has been told."""

    def __init__(self) -> None:
        self.cues = CueGuard()
        self.states = CueGuard()
        self.behind = True


class Follower:
    """See the head of this file. ``kind`` begins the name in ``client/NAME/status``; raises ConfigError."""

    def __init__(self, settings: Mqtt, runner_id: str, kind: str, clock: Clock, *, judges: bool = True) -> None:
        self.name = f"{kind}-{secrets.token_hex(3)}"
        self.runner_id = runner_id
        self._settings = settings
        self._broker = locate(settings)
        self._attempts = Attempts(protocols(settings.protocol))
        self._base_topic = settings.base_topic
        self._clock = clock
        self._judges = judges
        self._happenings: asyncio.Queue[Happening] = asyncio.Queue(MAX_HAPPENINGS)
        self._ears: defaultdict[str, _Ear] = defaultdict(_Ear)
        self._client: Client | None = None
        self._task: asyncio.Task[None] | None = None
        # When no further state is one too many; from the start on, for a bridge that never was is silent too.
        self._silent_at_s = clock.now_s() + LINK_LOST_S if judges else float("inf")

    @property
    def settings(self) -> Mqtt:
        """With the version of MQTT that was answered: one that falls silent at the other costs seconds each time."""
        v5 = self._attempts.version is ProtocolVersion.V5
        return replace(self._settings, protocol=Protocol.V5 if v5 else Protocol.V311)

    # -- what happens --

    async def join(self) -> None:
        """Wait until the broker has let us in; raises BrokerError where it does not at the first attempt."""
        async for happened in self:
            match happened:
                case Joined():
                    return
                case Left(why=why):
                    raise BrokerError(why)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Happening:
        if self._task is not None and self._task.done():
            self._task.result()
        alone = self.runner_id != EVERYBODY and self._silent_at_s != float("inf")
        try:
            async with asyncio.timeout(max(0.0, self._silent_at_s - self._clock.now_s()) if alone else None):
                return await self._happenings.get()
        except TimeoutError:
            self._silent_at_s = float("inf")
            for ear in self._ears.values():
                ear.behind = True
            return Silent()

    def _happened(self, happening: Happening) -> None:
        if self._happenings.full():
            self._happenings.get_nowait()
        self._happenings.put_nowait(happening)

    def _hear(self, message: aiomqtt.Message) -> None:
        """One message; what cannot be read is passed over."""
        runner_id, _, name = str(message.topic).removeprefix(f"{self._base_topic}/").partition("/")
        if not self._judges:
            self._happened(Heard(runner_id, name, bytes(message.payload), bool(message.retain)))
            return
        try:
            self._sort(runner_id, name, bytes(message.payload), retained=bool(message.retain))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            log.debug("%s: passed over: %s", message.topic, error)

    def _sort(self, runner_id: str, name: str, payload: bytes, *, retained: bool) -> None:
        match name:
            case messages.STATUS.name:
                self._happened(Status(runner_id, payload == messages.ONLINE))
            case messages.INFO.name:
                self._happened(About(runner_id, msgspec.json.decode(payload, type=Info)))
            case messages.STATE.name:
                self._hear_state(runner_id, payload, retained=retained)
            case messages.HEART_RATE.name:
                beat = msgspec.json.decode(payload, type=HeartRate)
                self._observe(runner_id, beat.sid, beat.ts_ms)
                self._happened(Beat(runner_id, beat))
            case messages.CUE.name:
                self._hear_cue(runner_id, payload, retained=retained)
            case messages.CONTROL_RESULT.name if not retained:
                self._happened(Answered(runner_id, msgspec.json.decode(payload, type=ControlResult)))
            case messages.SUMMARY.name if payload:
                self._happened(Summed(runner_id, msgspec.json.decode(payload, type=Summary)))

    def _observe(self, runner_id: str, sid: str, ts_ms: int) -> None:
        now_s = self._clock.now_s()
        self._ears[runner_id].cues.observe(sid, ts_ms, now_s)
        self._ears[runner_id].states.observe(sid, ts_ms, now_s)

    def _hear_state(self, runner_id: str, payload: bytes, *, retained: bool) -> None:
        if not payload:  # a broker's way to say that what it kept has expired
            return
        state = msgspec.json.decode(payload, type=State)
        ear, now_s = self._ears[runner_id], self._clock.now_s()
        ear.cues.observe(state.sid, state.ts_ms, now_s)
        judged = {"sid": state.sid, "seq": state.seq, "ts_ms": state.ts_ms, "ttl_s": PRESENT_S}
        verdict = ear.states.accept(judged, now_s, retained)
        present = verdict.play and ear.behind
        if present:
            ear.behind = False
        if not retained:
            self._silent_at_s = now_s + LINK_LOST_S
        self._happened(Told(runner_id, state, present, retained, verdict.age_s if verdict.play else None))

    def _hear_cue(self, runner_id: str, payload: bytes, *, retained: bool) -> None:
        now_s = self._clock.now_s()
        fields: dict[str, Any] = msgspec.json.decode(payload, type=dict[str, Any])
        verdict = self._ears[runner_id].cues.accept(fields, now_s, retained)
        cue = msgspec.convert(fields, CueMessage)
        self._ears[runner_id].states.observe(cue.sid, cue.ts_ms, now_s)
        self._happened(Cued(runner_id, cue, verdict))

    # -- what is said back; False when there is no connection: a wish that comes late is worse than none --

    async def acknowledge(self, cued: Cued, *, played: bool, why: str = "") -> bool:
        """What became of a cue."""
        cue, verdict = cued.cue, cued.verdict
        ack = CueAck(
            client=self.name,
            sid=cue.sid,
            seq=cue.seq,
            result=AckResult.PLAYED if played else AckResult.DROPPED,
            why=why or ("" if played else verdict.why),
            age_ms=round(1000 * verdict.age_s),
        )
        return await self.publish(cued.runner_id, messages.CUE_ACK, msgspec.json.encode(ack))

    async def ask(self, action: Action, *, message_id: str | None = None) -> bool:
        """A command; ``stop`` is meant as it is said: ask twice before, if at all."""
        wish = messages.ControlSet(action=action, id=message_id, confirm=action is Action.STOP)
        return await self.publish(self.runner_id, messages.CONTROL_SET, msgspec.json.encode(wish))

    async def report(self, rpe: float, *, message_id: str | None = None) -> bool:
        """Perceived exertion, 0 to 10 in halves."""
        wish = messages.RpeSet(rpe=rpe, id=message_id)
        return await self.publish(self.runner_id, messages.RPE_SET, msgspec.json.encode(wish))

    async def publish(self, runner_id: str, topic: Topic, payload: bytes) -> bool:
        """A message of the contract, by whoever has made it."""
        client = self._client
        if client is None:
            return False
        try:
            await client.publish(
                topic.under(self._base_topic, runner_id),
                payload,
                qos=min(topic.qos, client.limits.qos),
                properties=client.expiring(topic.expiry_s),
                timeout=PUBLISH_TIMEOUT_S,
            )
        except aiomqtt.MqttError:
            return False
        return True

    # -- the connection --

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._stay_connected(), name=self.name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._client is not None and self.runner_id != EVERYBODY:
            with contextlib.suppress(aiomqtt.MqttError):
                await self._say(self._client, messages.OFFLINE, GOODBYE_TIMEOUT_S)
        if self._task is not None:
            while not self._task.done():  # wait_for of Python 3.11 loses one that comes together with what it waits for
                self._task.cancel()
                await asyncio.wait({self._task}, timeout=CANCEL_AGAIN_S)
            await asyncio.gather(self._task, return_exceptions=True)

    async def _stay_connected(self) -> None:
        while True:
            joined_s = None
            try:
                async with connection(
                    self._broker, self.name, self._attempts.version, self._will(), modest=self._attempts.modest
                ) as client:
                    joined_s = self._clock.now_s()
                    self._attempts.succeeded()
                    await self._join(client)
                    async for message in client.messages:
                        self._hear(message)
            except BrokerTrouble as trouble:
                lasted_s = None if joined_s is None else self._clock.now_s() - joined_s
                told, wait_s = self._attempts.failed(trouble, lasted_s)
                if told is not None:
                    self._happened(Left(str(told)))
            finally:
                self._client = None
            await asyncio.sleep(wait_s)

    async def _join(self, client: Client) -> None:
        for topic in FOLLOWED:
            await client.subscribe(topic.under(self._base_topic, self.runner_id), qos=1)
        for ear in self._ears.values():
            ear.behind = True
        self._client = client  # before the birth: whoever leaves meanwhile takes it back
        if self.runner_id != EVERYBODY:
            await self._say(client, messages.ONLINE, PUBLISH_TIMEOUT_S)
        self._happened(Joined())

    def _will(self) -> Will | None:
        if self.runner_id == EVERYBODY:
            return None
        return Will(self._status_topic(), messages.OFFLINE.decode(), delay_s=0)

    async def _say(self, client: Client, status: bytes, timeout_s: float) -> None:
        retain = client.limits.retain and not self._attempts.modest
        await client.publish(self._status_topic(), status, qos=client.limits.qos, retain=retain, timeout=timeout_s)

    def _status_topic(self) -> str:
        return messages.CLIENT_STATUS.under(self._base_topic, self.runner_id).replace("+", self.name)


async def find_runner(settings: Mqtt, clock: Clock) -> tuple[str, Mqtt]:
    """The one runner whose bridge is on the broker, waited for if need be; and how this broker is spoken to.

    Raises UsageError that names them where there are several, and BrokerError.
    """
    there: set[str] = set()

    async def note_next() -> None:
        match await anext(follower):
            case Status(runner_id, online) if RUNNER_ID.fullmatch(runner_id):
                (there.add if online else there.discard)(runner_id)

    async with Follower(settings, EVERYBODY, "finder", clock) as follower:
        await follower.join()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KEPT_WITHIN_S):
                while True:
                    await note_next()
        if not there:
            log.warning("nobody is on the broker yet; the first who comes is followed")
        while not there:
            await note_next()
    if len(there) > 1:
        raise UsageError(f"--runner ID says whom to follow; on this broker are {', '.join(sorted(there))}")
    return there.pop(), follower.settings
