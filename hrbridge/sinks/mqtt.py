"""The steps of a session as MQTT messages, and the runner's wishes coming back.

``take`` only fills slots and returns; one task, the supervisor, connects,
publishes and listens, and comes back for ever after every loss. What comes in
goes to ``wishes`` and ``listeners``. State is a
slot in which the latest wins: nobody wants an old one. Cues and readings wait
in queues; the oldest and the expired are dropped, because a cue that comes
late is worse than none. Readings that come at once go out one by one: each
has beats of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections import deque
from collections.abc import Iterator
from typing import Self

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from hrbridge import __version__, home_assistant, messages
from hrbridge.broker import (
    KEEPALIVE_S,
    Attempts,
    BrokerTrouble,
    Client,
    Will,
    connection,
    locate,
    properties,
    protocols,
)
from hrbridge.config import Mqtt, Plan, Runner
from hrbridge.decisions import Cue, Phase, Step, Trust
from hrbridge.errors import BrokerError
from hrbridge.events import Action, Command, Sample, Speed
from hrbridge.messages import ControlResult, ControlSet, Topic
from hrbridge.ports import Clock
from hrbridge.sinks.listeners import Listeners
from hrbridge.sinks.summary import Tally
from hrbridge.sinks.wishes import Answer, Wishes

log = logging.getLogger(__name__)

MAX_CUES = 8
# A strap sends one reading a second, some up to four, and each is worth five seconds.
MAX_READINGS = 32
# What the network side has to say besides, to Home Assistant or against an old will.
MAX_NOTES = 8
# Between two commits of a journal a handful come; without one the oldest go.
MAX_ACKS = 256
STATE_EVERY_S = 5.0
PUBLISH_TIMEOUT_S = 2.0
GOODBYE_TIMEOUT_S = 2.0
WILL_DELAY_S = 5
# What we publish comes back to us within milliseconds.
ECHO_WITHIN_S = 3.0
# Sessions of our own whose info may still be on its way back to us.
MAX_SIDS = 8
# What a packet holds beside topic, payload and correlation data.
PACKET_OVERHEAD_BYTES = 24
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
        self._attempts = Attempts(protocols(settings.protocol))
        self._base_topic = settings.base_topic
        self._base = f"{settings.base_topic}/{runner.id}"
        self._client_id = f"hrbridge-{runner.id}-{secrets.token_hex(4)}"
        self._runner = runner
        self._clock = clock
        self._wishes = Wishes(self._base, clock, wishes)
        self._listeners = Listeners(self._base, clock)
        # A broker inside this program is for whoever sits before its screen.
        self._misses_headsets = not settings.url.startswith("embedded")
        self._sensor = sensor
        self._sid = ""
        self._info: messages.Info | None = None
        self._info_waits = False
        self._discovers = settings.home_assistant_discovery
        self._discovery = home_assistant.discovery(settings.base_topic, runner.id)
        self._discovery_waits = False
        self._tally = Tally(Plan())
        # What waits to be published.
        self._state: messages.State | None = None
        self._state_waits = False
        self._readings: deque[tuple[float, messages.HeartRate]] = deque(maxlen=MAX_READINGS)
        self._summary: messages.Summary | None = None
        self._cues: deque[tuple[float, messages.CueMessage]] = deque(maxlen=MAX_CUES)
        self._notes: deque[Outgoing] = deque(maxlen=MAX_NOTES)
        self._wake = asyncio.Event()
        # What the last steps said.
        self._seq = 0
        self._shown: tuple[object, ...] | None = None
        self._shown_s = float("-inf")
        self._last_cue: messages.LastCue | None = None
        self._battery_percent: int | None = None
        self._distance_m: float | None = None
        # What came back; the acknowledgements are for whoever keeps a journal.
        self.acks: deque[messages.CueAck] = deque(maxlen=MAX_ACKS)
        self._sids: deque[str] = deque(maxlen=MAX_SIDS)
        self._echo = asyncio.Event()
        self._rivals: deque[str] = deque(maxlen=MAX_SIDS)
        self._stopping = asyncio.Event()
        self._told: str | None = None
        self._complaints: set[str] = set()
        self._supervisor: asyncio.Task[None] | None = None

    # -- the run side --

    def begin(self, sid: str, plan: Plan) -> None:
        """A new session begins: ``sid`` names it, so that receivers know old cues from new."""
        self._sid = sid
        self._sids.append(sid)
        self._listeners.begin()
        self._tally = Tally(plan)
        self._last_cue = None
        self._state = self._shown = None
        self._info = messages.Info(
            sid=sid, version=__version__, sensor=self._sensor, plan=plan.name, capabilities=tuple(Action)
        )
        self._info_waits = True
        self._wake.set()

    def recall(self, step: Step) -> None:
        """A step of the same session before it was cut off: it counts, and nothing of it goes out again."""
        self._tally.take(step)
        event = step.event
        if isinstance(event, Sample) and event.battery_percent is not None:
            self._battery_percent = event.battery_percent
        elif isinstance(event, Speed) and event.distance_m is not None:
            self._distance_m = event.distance_m

    def take(self, step: Step) -> None:
        self.recall(step)
        event = step.event
        if isinstance(event, Sample):
            self._take_reading(event, step.estimate.trust)
        elif isinstance(event, Command):
            self._wishes.settle(event.action, step.refused)
        for cue in step.cues:
            self._take_cue(cue, step)
        if self._misses_headsets:
            self._listeners.watch()
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
            tone=messages.tone(cue.kind, waiting=step.phase is Phase.WAITING),
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
            len(self._listeners),
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
            headsets=len(self._listeners),
            elapsed_s=self._tally.elapsed_s,
            run_s=self._tally.run_s,
            walk_s=self._tally.walk_s,
            distance_m=self._distance_m,
            ceiling_bpm=estimate.ceiling_bpm,
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
                waiting = self._cues[0]
                yield _outgoing(messages.CUE, waiting[1], max(1, round(waiting[1].ttl_s)))
                # Only now: one that a breaking connection has swallowed goes out again, if it is still worth it.
                # Whoever did hear it knows it by its seq.
                if self._cues and self._cues[0] is waiting:
                    self._cues.popleft()
            elif self._info_waits and self._info is not None:
                self._info_waits = False
                yield _outgoing(messages.INFO, self._info)
            elif self._discovery_waits:
                self._discovery_waits = False
                yield _outgoing(messages.DISCOVERY, self._discovery)
            elif self._state_waits and self._state is not None:
                self._state_waits = False
                yield _outgoing(messages.STATE, self._state)
            elif self._wishes.answers:
                yield from _answers(self._wishes.answers.popleft())
            elif self._notes:
                yield self._notes.popleft()
            elif self._readings:
                _, reading = self._readings.popleft()
                yield _outgoing(messages.HEART_RATE, reading)
            elif self._summary is not None:
                summary = self._summary
                yield _outgoing(messages.SUMMARY, summary)
                if self._summary is summary:
                    self._summary = None
            else:
                return

    # -- the network side --

    async def __aenter__(self) -> Self:
        self._supervisor = asyncio.create_task(self._supervise(), name="mqtt")
        self._supervisor.add_done_callback(_report)
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Publish what is left, the sum of a session that was cut off, and ``offline``, within two seconds."""
        if self._state is not None and self._state.phase is not Phase.FINISHED:
            self._summary = self._summed()
        self._stopping.set()
        self._wake.set()
        if self._supervisor is not None:
            await asyncio.wait({self._supervisor}, timeout=GOODBYE_TIMEOUT_S)
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)

    async def _supervise(self) -> None:
        will = Will(f"{self._base}/{messages.STATUS.name}", messages.OFFLINE.decode(), WILL_DELAY_S)
        attempts = self._attempts
        while not self._stopping.is_set():
            connected_s: float | None = None
            try:
                async with connection(
                    self._broker, self._client_id, attempts.version, will, modest=attempts.modest
                ) as client:
                    connected_s = self._clock.now_s()
                    attempts.succeeded()
                    if self._told is not None and not attempts.drops:
                        log.info("MQTT broker %s: connected", self._broker)
                    await self._converse(client)
                    continue  # only when we stop
            except BrokerTrouble as error:
                lasted_s = self._clock.now_s() - connected_s if connected_s is not None else None
                trouble, wait_s = attempts.failed(error, lasted_s)
            if lasted_s is not None and not attempts.drops:
                self._told = None
            if trouble is not None:
                self._tell(trouble)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._stopping.wait()

    def _tell(self, trouble: BrokerTrouble) -> None:
        """Each trouble is said once, until the broker is back."""
        if str(trouble) != self._told:
            self._told = str(trouble)
            log.warning("%s; the run goes on without it, and hrbridge keeps trying", trouble)

    def _complain(self, about: str, complaint: str) -> None:
        """What a broker that is there does not do for us; said once about each thing."""
        if about not in self._complaints:
            self._complaints.add(about)
            log.warning("MQTT broker %s %s", self._broker, complaint)

    async def _converse(self, client: Client) -> None:
        """Publish and listen until the connection is lost or the end has come."""
        self._listeners.connected()
        self._echo.clear()
        self._know_limits(client)
        await self._greet(client)
        echo = asyncio.create_task(self._expect_echo())
        tasks = [asyncio.create_task(self._publish(client)), asyncio.create_task(self._listen(client))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._listeners.disconnected()
            for task in (*tasks, echo):
                task.cancel()
            results = await asyncio.gather(*tasks, echo, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _greet(self, client: Client) -> None:
        """Who we are and where the run stands; whoever hears "online" is heard already."""
        for topic in (messages.RPE_SET, messages.CONTROL_SET, messages.CLIENT_STATUS, messages.CUE_ACK, messages.INFO):
            await self._subscribe(client, topic)
        await self._send(client, Outgoing(messages.STATUS, messages.ONLINE))
        if self._info is not None:
            self._info_waits = False
            await self._send(client, _outgoing(messages.INFO, self._info))
        await self._greet_home_assistant(client)
        if self._state is not None:
            self._state_waits = False  # before it is sent: meanwhile there may be a newer one
            await self._send(client, _outgoing(messages.STATE, self._state))
        await self._subscribe(client, messages.STATUS)

    async def _greet_home_assistant(self, client: Client) -> None:
        """The device of this runner; where nobody wants one, only ask whether one of ours was left behind."""
        if self._discovers:
            await self._subscribe(client, messages.HOME_ASSISTANT_STATUS)
            await self._send(client, _outgoing(messages.DISCOVERY, self._discovery))
        else:
            # Without a complaint: a broker that does not let us look keeps nothing of ours either.
            await client.subscribe(self._whole(messages.DISCOVERY), qos=messages.DISCOVERY.qos)

    def _whole(self, topic: Topic) -> str:
        return topic.under(self._base_topic, self._runner.id)

    async def _subscribe(self, client: Client, topic: Topic) -> None:
        name = self._whole(topic)
        if client.v5:
            # What must not be kept comes with the flag it was sent with: a command that was sent to be kept is known
            # as such even when it comes at once. With the others the flag tells what the broker kept from what is new.
            options = SubscribeOptions(qos=topic.qos, retainAsPublished=not topic.retain)
            granted = await client.subscribe(name, options=options)
        else:
            granted = await client.subscribe(name, qos=topic.qos)
        for reason in granted:
            if isinstance(reason, ReasonCode) and reason.is_failure:
                self._complain("read", f"does not let us subscribe to {name} ({reason}); {self._allow(topic)}")

    async def _publish(self, client: Client) -> None:
        while True:
            self._wake.clear()
            for message in self._next():
                await self._send(client, message)
            if self._stopping.is_set():
                await self._send(client, Outgoing(messages.STATUS, messages.OFFLINE))
                return
            await self._wake.wait()

    async def _send(self, client: Client, message: Outgoing) -> None:
        topic = message.topic
        name = message.response_topic or self._whole(topic)
        limit_bytes = client.limits.packet_bytes
        size_bytes = len(name) + len(message.payload) + len(message.correlation or b"") + PACKET_OVERHEAD_BYTES
        if limit_bytes is not None and size_bytes > limit_bytes:
            self._complain("size", f"takes no packets over {limit_bytes} bytes: {topic.name} does not go out, for one")
            return
        client.refusal = None
        await client.publish(
            name,
            message.payload,
            qos=min(topic.qos, client.limits.qos),
            retain=topic.retain and client.limits.retain and message.response_topic is None,
            properties=self._properties(message) if client.v5 else None,
            timeout=PUBLISH_TIMEOUT_S,
        )
        if client.refusal is not None and message.response_topic is None:
            self._complain("write", f"refuses what goes out on {name} ({client.refusal}); {self._allow(topic)}")
        if topic is messages.CUE:
            self._listeners.sent_cue()

    def _properties(self, message: Outgoing) -> Properties:
        wanted: dict[str, object] = {}
        if message.expiry_s is not None:
            wanted["MessageExpiryInterval"] = message.expiry_s
        if message.correlation is not None:
            wanted["CorrelationData"] = message.correlation
        return properties(PacketTypes.PUBLISH, **wanted)

    def _know_limits(self, client: Client) -> None:
        """Say what is lost with a broker that can do less."""
        limits = client.limits
        if limits.qos < 1:
            self._complain("qos", "takes no QoS 1: a message that gets lost on the way is lost unnoticed")
        if not limits.retain:
            self._complain("retain", "keeps no messages: whoever comes late waits for the next state, 5 s at most")
        if limits.keepalive_s > KEEPALIVE_S:
            told_s = 1.5 * limits.keepalive_s
            self._complain("keepalive", f"would tell the others only after {told_s:g} s that hrbridge has died")

    async def _expect_echo(self) -> None:
        """A broker may grant every subscription and deliver nothing: what we say of ourselves must come back.

        Unless there is another complaint that explains it.
        """
        try:
            async with asyncio.timeout(ECHO_WITHIN_S):
                await self._echo.wait()
        except TimeoutError:
            if self._info is not None and not self._complaints & {"read", "write", "size"}:
                name = self._whole(messages.INFO)
                self._complain("echo", f"delivers nothing of what goes out on {name}; {self._allow(messages.INFO)}")

    def _allow(self, topic: Topic) -> str:
        user = f'user "{self._broker.username}"' if self._broker.username else "clients without a name"
        where = self._whole(topic) if topic.whole else f"{self._base}/#"
        return f"its access list must let {user} read and write {where}"

    # -- what comes in --

    async def _listen(self, client: Client) -> None:
        async for message in client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else str(message.payload).encode()
            name = str(message.topic).removeprefix(f"{self._base}/")
            self._hear(name, payload, retained=bool(message.retain), given=message.properties)

    def _hear(self, name: str, payload: bytes, *, retained: bool, given: Properties | None) -> None:
        """Act on one message; whatever it holds, nothing raises."""
        match name.split("/"):
            case ["status"]:
                self._hear_status(payload)
            case ["bridge", "info"]:
                self._hear_info(payload, retained=retained)
            case ["client", client, "status"]:
                self._listeners.hear_status(client, payload, kept=retained)
            case ["cue", "ack"] if not retained:
                ack = self._listeners.hear_ack(payload)
                if ack is not None and ack.sid == self._sid:
                    self.acks.append(ack)
            case ["rpe", "set"]:
                self._wishes.hear(messages.RPE_SET, payload, retained=retained, given=given)
            case ["control", "set"]:
                self._wishes.hear(messages.CONTROL_SET, payload, retained=retained, given=given)
            case ["homeassistant", *_]:
                self._hear_home_assistant(name, payload, retained=retained)
        self._wake.set()

    def _hear_status(self, payload: bytes) -> None:
        """The will of a bridge that died before us; or of another one for this runner, which has gone."""
        if payload == messages.OFFLINE and not self._stopping.is_set():
            self._notes.append(Outgoing(messages.STATUS, messages.ONLINE))

    def _hear_info(self, payload: bytes, *, retained: bool) -> None:
        """Our own comes back; that of another bridge says that two coach one runner."""
        try:
            other = msgspec.json.decode(payload, type=messages.Info)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        if other.sid in self._sids:
            self._echo.set()
        elif not retained and other.sid not in self._rivals:
            if not self._rivals:
                log.warning(
                    "another hrbridge (%.40r) coaches runner %s on MQTT broker %s as well: headsets hear both; "
                    "stop one, or give it another [runner] id",
                    other.sensor,
                    self._runner.id,
                    self._broker,
                )
            self._rivals.append(other.sid)
            self._info_waits = True  # so that it hears of us

    def _hear_home_assistant(self, name: str, payload: bytes, *, retained: bool) -> None:
        """Its birth, after which it wants to be told everything again; or a device of ours that is no longer wanted."""
        if name == messages.HOME_ASSISTANT_STATUS.name:
            if payload == messages.ONLINE:
                self._discovery_waits = self._state_waits = True
        # A bridge of another base topic may coach somebody of the same name: its device stays.
        elif retained and f'"{self._whole(messages.STATUS)}"'.encode() in payload:
            self._notes.append(Outgoing(messages.DISCOVERY, b""))


def _report(supervisor: asyncio.Task[None]) -> None:
    """A mistake of ours must not end MQTT in silence."""
    if not supervisor.cancelled() and (error := supervisor.exception()) is not None:
        log.error("MQTT has stopped, the run goes on: %r", error)


def _answers(answer: Answer) -> Iterator[Outgoing]:
    result = _outgoing(messages.CONTROL_RESULT, answer.result)
    yield result
    if answer.reply_to.topic is not None:
        yield replace(result, response_topic=answer.reply_to.topic, correlation=answer.reply_to.correlation)


def _outgoing(topic: Topic, message: messages.Payload | messages.Discovery, expiry_s: int | None = None) -> Outgoing:
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


async def _ask(client: Client, base: str, topic: Topic, message: messages.RpeSet | ControlSet) -> None:
    wants_answer = isinstance(message, ControlSet) and message.id is not None
    if wants_answer:
        await client.subscribe(f"{base}/{messages.CONTROL_RESULT.name}", qos=1)
    await client.publish(
        f"{base}/{topic.name}",
        msgspec.json.encode(message),
        qos=min(topic.qos, client.limits.qos),
        properties=client.expiring(topic.expiry_s),
        timeout=PUBLISH_TIMEOUT_S,
    )
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
