"""Is the broker there, does it let through what a run needs, does hrbridge run already, and who listens?

Where no hrbridge runs for this runner, the doctor speaks in its place: it says
that nobody is online, and publishes an info, a reading and a cue that are no
part of the contract's version, so that whoever hears them passes them over. A
headset answers even that.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Coroutine
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from paho.mqtt.reasoncodes import ReasonCode

from hrbridge import __version__, messages
from hrbridge.broker import BrokerTrouble, Client, connection, locate, protocols
from hrbridge.config import Config
from hrbridge.decisions import CueKind, Reason, Trust
from hrbridge.doctor.finding import Finding, Tell, fails, hint, ok
from hrbridge.errors import HrbridgeError
from hrbridge.messages import AckResult, CueMessage, HeartRate, Info, Payload, State, Topic
from hrbridge.ports import Clock

# What the broker keeps comes within milliseconds of the subscription; over a mobile network within a second.
KEPT_WITHIN_S = 1.0
# What goes out comes back, and headsets answer, as fast.
ANSWERS_WITHIN_S = 3.0
PUBLISH_TIMEOUT_S = 2.0
# A headset plays nothing of a bridge that it does not know; two messages in their rhythm make it known.
RHYTHM_S = 0.6
# Until the words begin; a headset renders them first, and may be asleep.
PLAYED_WITHIN_S = 6.0
SPOKEN_TTL_S = 20.0
NO_VERSION = 0
HEARD = (messages.STATUS, messages.INFO, messages.STATE, messages.CLIENT_STATUS, messages.CUE_ACK)
WISHES = (messages.RPE_SET, messages.CONTROL_SET)


T = TypeVar("T")


class Bridge(Struct, frozen=True):
    """An hrbridge that runs for this runner; ``state`` is what it told last."""

    state: State | None = None

    def __str__(self) -> str:
        state = self.state
        if state is None:
            return "and has told nothing yet"
        if state.heart_rate_bpm is None:
            return f"{state.phase}, without a heart rate"
        return f"{state.phase}, {state.heart_rate_bpm:.0f} bpm, trust {state.trust}"


async def look(settings: Config, tell: Tell) -> Bridge | None:
    """The hrbridge that runs already, if one does."""
    url = settings.mqtt.url
    if url == "none":
        tell(hint("broker", "[mqtt] url is none: no headset and no display hears of the run"))
        return None
    if url.startswith("embedded"):
        tell(await _embedded(url))
        return None
    conversation = Conversation(settings)
    try:
        return await _talk(settings, lambda client: conversation.hold(client, tell))
    except HrbridgeError as trouble:
        tell(fails("broker", str(trouble)))
        return None


async def _talk(settings: Config, talk: Callable[[Client], Coroutine[None, None, T]]) -> T:
    """In the first version of MQTT that the broker speaks; raises BrokerTrouble, ConfigError."""
    broker, name = locate(settings.mqtt), f"hrbridge-doctor-{secrets.token_hex(4)}"
    *others, last = protocols(settings.mqtt.protocol)
    for version in others:
        try:
            async with connection(broker, name, version) as client:
                return await talk(client)
        except BrokerTrouble as trouble:
            if not trouble.protocol:
                raise
    async with connection(broker, name, last) as client:
        return await talk(client)


async def _embedded(url: str) -> Finding:
    from hrbridge.sinks.embedded import DEFAULT_PORT, EmbeddedBroker

    try:
        async with EmbeddedBroker(int(url.partition(":")[2] or DEFAULT_PORT)) as broker:
            return ok("broker", f"the one inside hrbridge can be opened at {broker.url}")
    except HrbridgeError as error:
        return fails("broker", str(error))


class Conversation:
    """What is asked of a broker, and what it says."""

    def __init__(self, settings: Config) -> None:
        self._mqtt, self._runner_id = settings.mqtt, settings.runner.id
        self._sid = secrets.token_hex(4)
        self._online = False
        self._state: State | None = None
        self._listening: set[str] = set()
        self._answered: set[str] = set()
        self._played: set[str] = set()
        self._echoed = False
        self._news = asyncio.Event()

    def _whole(self, topic: Topic) -> str:
        return topic.under(self._mqtt.base_topic, self._runner_id)

    async def hold(self, client: Client, tell: Tell) -> Bridge | None:
        listening = asyncio.create_task(self._listen(client))
        try:
            refused = await self._subscribe(client)
            await asyncio.sleep(KEPT_WITHIN_S)
            bridge = Bridge(self._state) if self._online else None
            if bridge is None:
                refused = refused or await self._publish(client)
            tell(refused or ok("broker", f"{locate(self._mqtt)} lets {self._who} in, and their messages through"))
            if bridge is not None:
                unit = f"hrbridge@{self._runner_id}"
                tell(
                    hint(
                        "bridge",
                        f"hrbridge runs for {self._runner_id} already: {bridge}; to run by hand, "
                        f"first sudo systemctl stop {unit}",
                    )
                )
            tell(self._listeners(asked=bridge is None and refused is None))
            return bridge
        finally:
            listening.cancel()

    async def speak(self, client: Client, say: str, clock: Clock) -> set[str]:
        """Returns who has played it."""
        listening = asyncio.create_task(self._listen(client))
        try:
            await self._subscribe(client)
            for _ in range(2):
                await self._say(client, messages.HEART_RATE, no_reading(self._sid, _ms(clock)))
                await asyncio.sleep(RHYTHM_S)
            await self._say(client, messages.CUE, cue(self._sid, say, _ms(clock)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PLAYED_WITHIN_S):
                    while not self._played:
                        self._news.clear()
                        await self._news.wait()
            return self._played
        finally:
            listening.cancel()

    async def _say(self, client: Client, topic: Topic, message: Payload | None) -> None:
        """One message as the bridge would send it, but kept only where it says that nobody is online."""
        await client.publish(
            self._whole(topic),
            messages.OFFLINE if message is None else msgspec.json.encode(message),
            qos=min(topic.qos, client.limits.qos),
            retain=message is None and client.limits.retain,
            timeout=PUBLISH_TIMEOUT_S,
        )

    async def _subscribe(self, client: Client) -> Finding | None:
        for topic in (*HEARD, *WISHES):
            for reason in await client.subscribe(self._whole(topic), qos=topic.qos):
                refused = reason.is_failure if isinstance(reason, ReasonCode) else reason >= 128
                if refused:
                    return self._denied(f"does not let us subscribe to {self._whole(topic)} ({reason})")
        return None

    async def _publish(self, client: Client) -> Finding | None:
        """All that a bridge must be able to say; what comes back of it."""
        info = Info(sid=self._sid, version=__version__, sensor="doctor", plan="", capabilities=())
        for topic, message in (
            (messages.STATUS, None),
            (messages.INFO, replace(info, v=NO_VERSION)),
            (messages.HEART_RATE, replace(no_reading(self._sid, 0), v=NO_VERSION)),
            (messages.CUE, replace(cue(self._sid, "", 0), v=NO_VERSION)),
        ):
            client.refusal = None
            await self._say(client, topic, message)
            if client.refusal is not None:
                return self._denied(f"refuses what goes out on {self._whole(topic)} ({client.refusal})")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                while not (self._echoed and self._answered >= self._listening):
                    self._news.clear()
                    await self._news.wait()
        if not self._echoed:
            return self._denied(f"delivers nothing of what goes out on {self._whole(messages.INFO)}")
        return None

    @property
    def _who(self) -> str:
        return f'user "{self._mqtt.username}"' if self._mqtt.username else "clients without a name"

    def _denied(self, what: str) -> Finding:
        base = f"{self._mqtt.base_topic}/{self._runner_id}/#"
        return fails(
            "broker",
            f"MQTT broker {locate(self._mqtt)} {what}; its access list must let {self._who} read and write {base}",
        )

    def _listeners(self, *, asked: bool) -> Finding:
        cues = self._whole(messages.CUE)
        if self._answered:
            return ok("headset", f"{', '.join(sorted(self._answered))} answers")
        if self._listening and asked:
            names = ", ".join(sorted(self._listening))
            return hint(
                "headset", f"{names} should listen, but does not answer: is it still there? A display is silent"
            )
        if self._listening:
            return ok("headset", f"{', '.join(sorted(self._listening))} listens")
        return hint("headset", f"none listens to {cues}: nobody would hear the cues; start hrbridge headset")

    async def _listen(self, client: Client) -> None:
        base = f"{self._mqtt.base_topic}/{self._runner_id}/"
        async for message in client.messages:
            payload = bytes(message.payload)
            with contextlib.suppress(
                msgspec.MsgspecError, UnicodeDecodeError, RecursionError, messages.RefusedInputError
            ):
                self._hear(str(message.topic).removeprefix(base).split("/"), payload)

    def _hear(self, name: list[str], payload: bytes) -> None:
        self._news.set()
        match name:
            case ["status"]:
                self._online = payload == messages.ONLINE
            case ["state"]:
                self._state = msgspec.json.decode(payload, type=State)
            case ["bridge", "info"] if msgspec.json.decode(payload, type=Info).sid == self._sid:
                self._echoed = True
            case ["client", client, "status"]:
                (self._listening.add if payload == messages.ONLINE else self._listening.discard)(client)
            case ["cue", "ack"]:
                ack = messages.decode_ack(payload)
                if ack.sid == self._sid:
                    self._answered.add(ack.client)
                    if ack.result is AckResult.PLAYED:
                        self._played.add(ack.client)


def no_reading(sid: str, ts_ms: int) -> HeartRate:
    return HeartRate(sid=sid, ts_ms=ts_ms, heart_rate_bpm=None, rr_s=(), contact=None, trust=Trust.NONE)


def cue(sid: str, say: str, ts_ms: int) -> CueMessage:
    return CueMessage(
        sid=sid,
        seq=1,
        ts_ms=ts_ms,
        ttl_s=SPOKEN_TTL_S,
        kind=CueKind.TIP,
        reason=Reason.PLANNED,
        say=say,
        tone=messages.tone(CueKind.TIP),
        for_s=None,
        heart_rate_bpm=None,
    )


def _ms(clock: Clock) -> int:
    return round(1000 * clock.now_s())


async def speak(settings: Config, say: str, clock: Clock) -> Finding:
    """Have it spoken by whoever listens; only where no hrbridge runs, for it alone gives the cues of a run."""
    conversation = Conversation(settings)
    try:
        played = await _talk(settings, lambda client: conversation.speak(client, say, clock))
    except HrbridgeError as trouble:
        return fails("spoken", str(trouble))
    if not played:
        return hint("spoken", f'nobody says that "{say}" was played: is a headset switched on, its sound up?')
    return ok("spoken", f'{", ".join(sorted(played))} played "{say}"')
