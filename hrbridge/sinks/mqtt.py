"""The steps of a session as MQTT messages, and the runner's wishes coming back.

``take`` only fills slots and returns; one task, the supervisor, connects,
publishes and listens, and comes back for ever after every loss. State is a
slot in which the latest wins: nobody wants an old one. Cues and readings wait
in queues; the oldest and the expired are dropped, because a cue that comes
late is worse than none. Readings that come at once go out one by one: each
has beats of its own.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections import deque
from collections.abc import Iterator
from typing import Self

import aiomqtt
import msgspec
from aiomqtt import ProtocolVersion
from msgspec import Struct
from msgspec.structs import replace
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from hrbridge import __version__, messages
from hrbridge.broker import BrokerTrouble, Will, connection, locate, properties, protocols
from hrbridge.config import Mqtt, Plan, Runner
from hrbridge.decisions import Cue, Phase, Step, Trust
from hrbridge.errors import BrokerError
from hrbridge.events import Action, Command, Sample, Speed
from hrbridge.messages import ControlResult, ControlSet, RefusedInputError, Topic
from hrbridge.ports import Clock
from hrbridge.sinks.summary import Tally

log = logging.getLogger(__name__)

MAX_CUES = 8
# A strap sends one reading a second, some up to four, and each is worth five seconds.
MAX_READINGS = 32
MAX_ANSWERS = 8
STATE_EVERY_S = 5.0
PUBLISH_TIMEOUT_S = 2.0
GOODBYE_TIMEOUT_S = 2.0
WILL_DELAY_S = 5
BACKOFF_S = (0.5, 1.0, 2.0, 5.0)
LASTING_BACKOFF_S = 30.0
MAX_COMMANDS_PER_S = 5
ANSWER_WITHIN_S = 2.0
# Zones of heart-rate reserve: 1 below 60 %, then one every 10 %.
ZONES = (0.6, 0.7, 0.8, 0.9)


class Outgoing(Struct, frozen=True):
    """One message on its way out; ``name`` is relative to the runner's base, or a whole response topic."""

    topic: Topic
    payload: bytes | str
    expiry_s: int | None = None
    response_topic: str | None = None
    correlation: bytes | None = None


class ReplyTo(Struct, frozen=True):
    """Where an answer goes besides ``control/result`` (MQTT 5)."""

    topic: str | None
    correlation: bytes | None


class Asked(Struct, frozen=True):
    """A command that waits for its step, to be answered."""

    action: Action
    id: str | None
    reply_to: ReplyTo


class MqttSink:
    """A sink of steps; open it with ``async with``.

    ``wishes`` receives commands and efforts. ``url`` replaces the one of the
    settings (the embedded broker's). Raises ConfigError when made, if the
    settings cannot work; a broker that cannot be reached is said in the log,
    once, and tried again for ever.
    """

    def __init__(
        self,
        settings: Mqtt,
        runner: Runner,
        clock: Clock,
        wishes: asyncio.Queue[Action | float],
        *,
        sensor: str,
        url: str | None = None,
    ) -> None:
        self._broker = locate(settings, url)
        self._versions = protocols(settings.protocol)
        self._base = f"{settings.base_topic}/{runner.id}"
        self._client_id = f"hrbridge-{runner.id}-{secrets.token_hex(4)}"
        self._runner = runner
        self._clock = clock
        self._wishes = wishes
        self._sensor = sensor
        self._sid = ""
        self._info: messages.Info | None = None
        self._info_waits = False
        self._tally = Tally(Plan())
        # What waits to be published.
        self._state: messages.State | None = None
        self._state_waits = False
        self._readings: deque[tuple[float, messages.HeartRate]] = deque(maxlen=MAX_READINGS)
        self._summary: messages.Summary | None = None
        self._cues: deque[tuple[float, messages.CueMessage]] = deque(maxlen=MAX_CUES)
        self._answers: deque[Outgoing] = deque(maxlen=MAX_ANSWERS)
        self._wake = asyncio.Event()
        # What the last steps said.
        self._seq = 0
        self._shown: tuple[object, ...] | None = None
        self._shown_s = float("-inf")
        self._last_cue: messages.LastCue | None = None
        self._battery_percent: int | None = None
        self._distance_m: float | None = None
        # What came in.
        self._asked: deque[Asked] = deque(maxlen=MAX_ANSWERS)
        self._commands_s: deque[float] = deque(maxlen=MAX_COMMANDS_PER_S)
        self._stop_asked_s = float("-inf")
        self._clients: set[str] = set()
        self._stopping = False
        self._told: str | None = None
        self._supervisor: asyncio.Task[None] | None = None

    # -- the run side --

    def begin(self, sid: str, plan: Plan) -> None:
        """A new session begins: ``sid`` names it, so that receivers know old cues from new."""
        self._sid = sid
        self._tally = Tally(plan)
        self._last_cue = None
        self._state = self._shown = None
        self._info = messages.Info(
            sid=sid, version=__version__, sensor=self._sensor, plan=plan.name, capabilities=tuple(Action)
        )
        self._info_waits = True
        self._wake.set()

    def take(self, step: Step) -> None:
        self._tally.take(step)
        event = step.event
        if isinstance(event, Sample):
            if event.battery_percent is not None:
                self._battery_percent = event.battery_percent
            self._take_reading(event, step.estimate.trust)
        elif isinstance(event, Speed):
            self._distance_m = event.distance_m if event.distance_m is not None else self._distance_m
        elif isinstance(event, Command):
            self._answer(event.action, step.refused)
        for cue in step.cues:
            self._take_cue(cue, step)
        self._show(step)
        if step.phase is Phase.FINISHED:
            self._summary = self._summed()
        self._wake.set()

    def _take_reading(self, sample: Sample, trust: Trust) -> None:
        message = messages.HeartRate(
            sid=self._sid,
            ts_ms=self._now_ms(),
            heart_rate_bpm=sample.heart_rate_bpm,
            rr_s=sample.rr_s,
            contact=sample.contact,
            trust=trust,
        )
        self._readings.append((self._clock.now_s() + (messages.HEART_RATE.expiry_s or 0), message))

    def _take_cue(self, cue: Cue, step: Step) -> None:
        self._last_cue = messages.LastCue(seq=cue.seq, kind=cue.kind, reason=cue.reason, say=cue.say)
        message = messages.CueMessage(
            sid=self._sid,
            seq=cue.seq,
            ts_ms=self._now_ms(),
            ttl_s=cue.ttl_s,
            kind=cue.kind,
            reason=cue.reason,
            say=cue.say,
            tone=messages.tone(cue.kind),
            for_s=cue.for_s,
            heart_rate_bpm=step.estimate.heart_rate_bpm,
        )
        self._cues.append((self._clock.now_s() + cue.ttl_s, message))

    def _show(self, step: Step) -> None:
        """State goes out on every change and every five seconds."""
        estimate = step.estimate
        shown = (
            step.phase,
            estimate.trust,
            estimate.rpe,
            step.ratio,
            step.next_phase,
            self._last_cue,
            len(self._clients),
        )
        now_s = self._clock.now_s()
        if shown == self._shown and now_s - self._shown_s < STATE_EVERY_S:
            return
        self._shown, self._shown_s = shown, now_s
        self._seq += 1
        usable = estimate.trust is not Trust.NONE
        self._state_waits = True
        self._state = messages.State(
            sid=self._sid,
            seq=self._seq,
            ts_ms=self._now_ms(),
            phase=step.phase,
            phase_elapsed_s=step.phase_elapsed_s,
            phase_remaining_s=step.phase_remaining_s,
            next_phase=step.next_phase,
            heart_rate_bpm=estimate.heart_rate_bpm if usable else None,
            trust=estimate.trust,
            zone=self._zone(estimate.heart_rate_bpm) if usable else None,
            battery_percent=self._battery_percent,
            rpe=estimate.rpe,
            ratio=step.ratio,
            last_cue=self._last_cue,
            headsets=len(self._clients),
            elapsed_s=self._tally.elapsed_s,
            run_s=self._tally.run_s,
            walk_s=self._tally.walk_s,
            distance_m=self._distance_m,
        )

    def _zone(self, heart_rate_bpm: float | None) -> int | None:
        if heart_rate_bpm is None:
            return None
        share = (heart_rate_bpm - self._runner.resting_bpm) / self._runner.reserve_bpm
        return 1 + sum(share >= border for border in ZONES)

    def _summed(self) -> messages.Summary:
        summary = self._tally.summary("")
        return messages.Summary(
            sid=self._sid,
            plan=self._info.plan if self._info is not None else "",
            elapsed_s=summary.elapsed_s,
            run_s=summary.run_s,
            walk_s=summary.walk_s,
            walks=len(summary.walks),
            walks_recovered=sum(walk.recovered is True for walk in summary.walks),
            distance_m=self._distance_m,
        )

    def _answer(self, action: Action, refused: str | None) -> None:
        """The step of a command that somebody asked for has come by."""
        asked = next((asked for asked in self._asked if asked.action == action), None)
        if asked is not None:
            self._asked.remove(asked)
            self._reply(ControlResult(id=asked.id, ok=refused is None, error=refused), asked.reply_to)

    def _reply(self, result: ControlResult, reply_to: ReplyTo) -> None:
        answer = _outgoing(messages.CONTROL_RESULT, result)
        self._answers.append(answer)
        if reply_to.topic is not None:
            self._answers.append(replace(answer, response_topic=reply_to.topic, correlation=reply_to.correlation))
        self._wake.set()

    def _now_ms(self) -> int:
        return round(1000 * self._clock.now_s())

    def _next(self) -> Iterator[Outgoing]:
        """What is to be published, most urgent first, until nothing is left."""
        while True:
            now_s = self._clock.now_s()
            while self._cues and self._cues[0][0] < now_s:
                self._cues.popleft()
            while self._readings and self._readings[0][0] < now_s:
                self._readings.popleft()
            if self._cues:
                _, cue = self._cues.popleft()
                yield _outgoing(messages.CUE, cue, max(1, round(cue.ttl_s)))
            elif self._info_waits and self._info is not None:
                self._info_waits = False
                yield _outgoing(messages.INFO, self._info)
            elif self._state_waits and self._state is not None:
                self._state_waits = False
                yield _outgoing(messages.STATE, self._state)
            elif self._answers:
                yield self._answers.popleft()
            elif self._readings:
                _, reading = self._readings.popleft()
                yield _outgoing(messages.HEART_RATE, reading)
            elif self._summary is not None:
                summary, self._summary = self._summary, None
                yield _outgoing(messages.SUMMARY, summary)
            else:
                return

    # -- the network side --

    async def __aenter__(self) -> Self:
        self._supervisor = asyncio.create_task(self._supervise(), name="mqtt")
        self._supervisor.add_done_callback(_complain)
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Publish what is left, the sum of a session that was cut off, and ``offline``, within two seconds."""
        if self._state is not None and self._state.phase is not Phase.FINISHED:
            self._summary = self._summed()
        self._stopping = True
        self._wake.set()
        if self._supervisor is not None:
            await asyncio.wait({self._supervisor}, timeout=GOODBYE_TIMEOUT_S)
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)

    async def _supervise(self) -> None:
        failures = 0
        while not self._stopping:
            connected = False
            wait_s = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
            failures += 1
            try:
                will = Will(f"{self._base}/{messages.STATUS.name}", "offline", WILL_DELAY_S)
                async with connection(self._broker, self._client_id, self._versions[0], will) as client:
                    if self._told is not None:
                        log.info("MQTT broker %s: connected", self._broker)
                    connected, self._told, failures = True, None, 0
                    await self._converse(client)
            except BrokerTrouble as trouble:
                if trouble.protocol and not connected:
                    # And back again when neither is answered: a dead network says nothing about the broker.
                    self._versions = self._versions[::-1]
                    if len(self._versions) > 1 and failures % 2:
                        continue
                self._tell(trouble)
                wait_s = LASTING_BACKOFF_S if trouble.lasting else wait_s
            if not self._stopping:
                await asyncio.sleep(wait_s * random.uniform(0.8, 1.2))  # noqa: S311 - so that a club does not come at once

    def _tell(self, trouble: BrokerTrouble) -> None:
        """Each trouble is said once, until the broker is back."""
        if str(trouble) != self._told:
            self._told = str(trouble)
            log.warning("%s; the run goes on without it, and hrbridge keeps trying", trouble)

    async def _converse(self, client: aiomqtt.Client) -> None:
        """Publish and listen until the connection is lost or the end has come."""
        self._clients.clear()
        await self._greet(client)
        tasks = [asyncio.create_task(self._publish(client)), asyncio.create_task(self._listen(client))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _greet(self, client: aiomqtt.Client) -> None:
        """Who we are and where the run stands; whoever hears "online" is heard already."""
        for topic in (messages.RPE_SET, messages.CONTROL_SET, messages.CLIENT_STATUS):
            await self._subscribe(client, topic)
        await self._send(client, Outgoing(messages.STATUS, "online"))
        if self._info is not None:
            await self._send(client, _outgoing(messages.INFO, self._info))
            self._info_waits = False
        if self._state is not None:
            await self._send(client, _outgoing(messages.STATE, self._state))
            self._state_waits = False
        await self._subscribe(client, messages.STATUS)

    async def _subscribe(self, client: aiomqtt.Client, topic: Topic) -> None:
        name = f"{self._base}/{topic.name}"
        if self._versions[0] is ProtocolVersion.V5:
            # Retain as published: a command that was sent to be kept is known as such even when it comes at once.
            await client.subscribe(name, options=SubscribeOptions(qos=topic.qos, retainAsPublished=True))
        else:
            await client.subscribe(name, qos=topic.qos)

    async def _publish(self, client: aiomqtt.Client) -> None:
        while True:
            self._wake.clear()
            for message in self._next():
                await self._send(client, message)
            if self._stopping:
                await self._send(client, Outgoing(messages.STATUS, "offline"))
                return
            await self._wake.wait()

    async def _send(self, client: aiomqtt.Client, message: Outgoing) -> None:
        topic = message.topic
        await client.publish(
            message.response_topic or f"{self._base}/{topic.name}",
            message.payload,
            qos=topic.qos,
            retain=topic.retain and message.response_topic is None,
            properties=self._properties(message),
            timeout=PUBLISH_TIMEOUT_S,
        )

    def _properties(self, message: Outgoing) -> Properties | None:
        if self._versions[0] is not ProtocolVersion.V5:
            return None
        wanted: dict[str, object] = {}
        if message.expiry_s is not None:
            wanted["MessageExpiryInterval"] = message.expiry_s
        if message.correlation is not None:
            wanted["CorrelationData"] = message.correlation
        return properties(PacketTypes.PUBLISH, **wanted)

    # -- what comes in --

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else str(message.payload).encode()
            name = str(message.topic).removeprefix(f"{self._base}/")
            try:
                self._hear(name, payload, retained=bool(message.retain), given=message.properties)
            except RefusedInputError as refusal:
                log.warning("%s/%s: not done: %s", self._base, name, refusal)

    def _hear(self, name: str, payload: bytes, *, retained: bool, given: Properties | None) -> None:
        """Act on one message; raises RefusedInputError, and has then answered it."""
        if name == messages.STATUS.name:
            # The will of a bridge that died before us; or of another one for this runner, which has gone.
            if payload == b"offline" and not self._stopping:
                self._answers.append(Outgoing(messages.STATUS, "online"))
                self._wake.set()
            return
        if name.startswith("client/"):
            self._hear_client(name.split("/")[1], payload)
            return
        if retained:
            raise RefusedInputError("the message was retained: what somebody wanted then is not wanted now")
        reply_to = ReplyTo(self._response_topic(given), getattr(given, "CorrelationData", None))
        try:
            if name == messages.RPE_SET.name:
                self._wish(messages.decode_rpe(payload))
            else:
                self._hear_command(messages.decode_control(payload), reply_to)
        except RefusedInputError as refusal:
            self._reply(ControlResult(id=refusal.message_id, ok=False, error=str(refusal)), reply_to)
            raise

    def _hear_command(self, command: ControlSet, reply_to: ReplyTo) -> None:
        try:
            self._limit_rate()
            self._confirm_stop(command)
            self._wish(command.action)
        except RefusedInputError as refusal:
            raise RefusedInputError(str(refusal), command.id) from None
        self._asked.append(Asked(command.action, command.id, reply_to))

    def _response_topic(self, given: Properties | None) -> str | None:
        """Where a client wants its answer: a topic one can publish to, and none of those that only the bridge has."""
        topic = getattr(given, "ResponseTopic", None)
        if not isinstance(topic, str) or not topic:
            return None
        ours = topic.startswith(f"{self._base}/") and not topic.startswith(f"{self._base}/client/")
        if ours or topic.startswith("$") or any(sign in topic for sign in "+#\0"):
            log.warning("%s: no answer to response topic %r: it is not a client's own", self._base, topic)
            return None
        return topic

    def _hear_client(self, client: str, payload: bytes) -> None:
        """Births and wills of headsets and displays."""
        if payload == b"online":
            self._clients.add(client)
        else:
            self._clients.discard(client)

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

    def _wish(self, wish: Action | float) -> None:
        try:
            self._wishes.put_nowait(wish)
        except asyncio.QueueFull:
            raise RefusedInputError("busy") from None


def _complain(supervisor: asyncio.Task[None]) -> None:
    """A mistake of ours must not end MQTT in silence."""
    if not supervisor.cancelled() and (error := supervisor.exception()) is not None:
        log.error("MQTT has stopped, the run goes on: %r", error)


def _outgoing(topic: Topic, message: messages.Payload, expiry_s: int | None = None) -> Outgoing:
    return Outgoing(topic, msgspec.json.encode(message), expiry_s if expiry_s is not None else topic.expiry_s)


async def publish_command(settings: Mqtt, runner_id: str, topic: Topic, message: messages.RpeSet | ControlSet) -> None:
    """Publish one wish for the session of a runner; a command waits for its answer.

    Raises BrokerError when the broker cannot be reached, when nobody answers,
    and when the command is refused.
    """
    base = f"{settings.base_topic}/{runner_id}"
    broker = locate(settings)
    for version in protocols(settings.protocol):
        try:
            async with connection(broker, f"hrbridge-command-{secrets.token_hex(4)}", version) as client:
                await _ask(client, base, topic, message)
                return
        except BrokerTrouble as trouble:
            if not trouble.protocol:
                raise
    raise BrokerError(f"MQTT broker {broker} speaks neither MQTT 5 nor 3.1.1")


async def _ask(client: aiomqtt.Client, base: str, topic: Topic, message: messages.RpeSet | ControlSet) -> None:
    wants_answer = isinstance(message, ControlSet) and message.id is not None
    if wants_answer:
        await client.subscribe(f"{base}/{messages.CONTROL_RESULT.name}", qos=1)
    await client.publish(f"{base}/{topic.name}", msgspec.json.encode(message), qos=topic.qos, timeout=PUBLISH_TIMEOUT_S)
    if not wants_answer:
        return
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            async for answer in client.messages:
                # amqtt sends a newcomer what others have subscribed to.
                if answer.retain or not str(answer.topic).endswith(messages.CONTROL_RESULT.name):
                    continue
                result = msgspec.json.decode(bytes(answer.payload), type=ControlResult)
                if result.id == message.id:
                    break
    except TimeoutError:
        raise BrokerError(f"nobody answers for {base}: is hrbridge running with this broker and runner id?") from None
    except msgspec.MsgspecError as error:
        raise BrokerError(f"{base}: the answer cannot be read: {error}") from error
    if not result.ok:
        raise BrokerError(f"not done: {result.error}")
