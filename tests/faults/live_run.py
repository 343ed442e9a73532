"""A run as it really is, from the strap to the headset, in a time that stands still while anybody works.

Every part is the real one: the Bluetooth sensor over D-Bus, the controller,
the journal on a disk, MQTT over mosquitto, a headset behind it. Only the heart
is arithmetic, and BlueZ is that of the tests. The journal is committed each
second by the run itself: its thread would have a clock of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterator, MutableSequence
from dataclasses import dataclass, field
from math import floor
from pathlib import Path

import fake_bluez
import paho.mqtt.client
import pytest
from aiomqtt import ProtocolVersion
from brokers import Mosquitto, Relay
from fake_bluez import FakeBluez, Strap, foot_pod_services, uuid
from msgspec.structs import replace
from standing_clock import Loop

from hrbridge import bridge, timeline
from hrbridge.broker import connection, locate
from hrbridge.clients.follower import Cued, Follower, Happening
from hrbridge.config import Block, Control, Mqtt, Plan, Runner, Segment, Sensor
from hrbridge.control.controller import Controller
from hrbridge.dates import Moment
from hrbridge.decisions import Step
from hrbridge.events import Action, Sample, Speed, Tick
from hrbridge.journal import Kind
from hrbridge.ports import Clock
from hrbridge.sensors.ble import BleSensor
from hrbridge.sensors.simulated import Simulated
from hrbridge.sinks.journal import JournalSink
from hrbridge.sinks.mqtt import MqttSink
from hrbridge.trace import Header

RUNNER = Runner(id="alex", max_heart_rate_bpm=173, resting_heart_rate_bpm=75)
CYCLE = (Segment("run", for_s=120.0), Segment("walk", for_s=90.0))
PLAN = Plan(name="faults", warmup_s=140.0, cooldown=150.0, repeats=3, block=(Block(segments=CYCLE),))
CONTROL = Control(start_after_s=0.0)
SID = "run-1"
OTHER_BPM = 61  # below the heart rate at rest of the runner
MINE, OTHER, POD = "A0:9E:1A:11:22:33", "C4:00:00:00:00:02", "C8:00:00:00:00:03"
# Real straps advertise about once a second.
ADVERTISING_INTERVAL_S = 0.5
# When within a second the strap sends and the disk is written: never together with a tick, nothing is left to chance.
BEAT_AT_S, COMMIT_AT_S = 0.4, 0.9
HEADSET_IS_AHEAD_S = 37.0


class Body:
    """The simulated runner on the way from one second to the next; hears what the coach says, by its own clock."""

    def __init__(self, seed: int = 1) -> None:
        self._runner = Simulated("novice", seed)
        self._events = (event for event in self._runner.events() if isinstance(event, Sample | Speed))
        self.at_s = 0.0
        self.has_gone = False

    def beat(self) -> tuple[Sample, Speed] | None:
        """What strap and foot pod would say after one more second; None when the runner has gone home."""
        sample, speed = next(self._events, None), next(self._events, None)
        if not (isinstance(sample, Sample) and isinstance(speed, Speed)):
            self.has_gone = True
            return None
        self.at_s = sample.at_s
        return sample, speed

    def take(self, step: Step) -> None:
        self._runner.take(replace(step, event=Tick(self.at_s)))


def heart_rate_packet(sample: Sample) -> bytes:
    """As a strap with electrodes sends it (characteristic 2A37)."""
    flags = 0x04 | 0x02 * bool(sample.contact) | 0x10 * bool(sample.rr_s)
    intervals = b"".join(round(rr_s * 1024).to_bytes(2, "little") for rr_s in sample.rr_s)
    return bytes([flags, sample.heart_rate_bpm or 0]) + intervals


def speed_packet(speed: Speed) -> bytes:
    """As a foot pod sends it (characteristic 2A53)."""
    steps_spm = int(speed.cadence_spm or 0)
    return (
        bytes([0x04 * (steps_spm > 140)])
        + round((speed.speed_m_s or 0) * 256).to_bytes(2, "little")
        + bytes([steps_spm])
    )


@dataclass
class Stage:
    """What stands before the run begins: a disk for the journal, a D-Bus and its daemon, a broker."""

    disk: Path
    bus: str
    bus_pid: int
    broker: Mosquitto


class OtherClock:
    """That of the headset's machine."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now_s(self) -> float:
        return self._clock.now_s() + HEADSET_IS_AHEAD_S


@dataclass(frozen=True)
class HeardCue:
    """What reached the headset, when, and how old it truly was."""

    at_s: float
    age_s: float
    cued: Cued


@dataclass
class LiveRun:
    """The run and all that can be broken in it; times are seconds since the opening."""

    loop: Loop
    stage: Stage
    relay: Relay
    headset_relay: Relay
    bluez: FakeBluez
    strap: Strap
    other_strap: Strap
    pod: Strap
    wishes: asyncio.Queue[Action | float]
    plan: Plan
    journal: JournalSink | None = None
    body: Body = field(default_factory=Body)
    # What the strap makes of a beat: the packets that it sends.
    says: Callable[[Sample], list[bytes]] = lambda sample: [heart_rate_packet(sample)]
    date_s: float = 1.8e9
    steps: MutableSequence[tuple[float, Step]] = field(default_factory=list)
    cues: MutableSequence[HeardCue] = field(default_factory=list)
    happened: MutableSequence[tuple[float, Happening]] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _listening: asyncio.Task[None] | None = None

    @property
    def now(self) -> Step:
        return self.steps[-1][1]

    def take(self, step: Step) -> None:
        self.steps.append((self.loop.now_s(), step))
        self.body.take(step)
        self._news.set()

    async def until(self, condition: Callable[[Step], object], within_s: float = 900.0) -> None:
        """A step of which it holds; whoever waits goes on in the same moment."""
        async with asyncio.timeout(within_s):
            while not self.steps or not condition(self.now):
                self._news.clear()
                await self._news.wait()

    # -- what others do to it --

    def start_broker(self) -> None:
        self.stage.broker.start()
        self.loop.wait_for_peer(self.stage.broker.pid)

    async def publish(self, name: str, payload: bytes, *, retain: bool = False) -> None:
        """Somebody says something under the runner's base; raises BrokerTrouble."""
        broker = locate(Mqtt(url=self.stage.broker.url))
        async with connection(broker, f"stranger-{random.random()}", ProtocolVersion.V5) as stranger:
            await stranger.publish(f"hrbridge/{RUNNER.id}/{name}", payload, qos=1, retain=retain)

    def switch_headset(self, *, on: bool) -> None:
        if self._listening is not None:
            self._listening.cancel()
        self._listening = asyncio.create_task(self._listen()) if on else None

    # -- what goes on meanwhile --

    async def live(self) -> None:
        """A heart, and the legs under it."""
        while True:
            await asyncio.sleep(_until_next(self.loop, BEAT_AT_S))
            beat = self.body.beat()
            if beat is None:
                continue
            sample, speed = beat
            packets = self.says(sample)
            with contextlib.suppress(EOFError):  # bluetoothd goes in the middle of it
                if self.bluez.connected(self.strap):
                    await self.bluez.notify(self.strap, *[each.hex() for each in packets])
                if self.bluez.connected(self.other_strap):
                    await self.bluez.notify(self.other_strap, f"06 {OTHER_BPM:02x}")
                if self.bluez.connected(self.pod):
                    await self.bluez.notify(self.pod, speed_packet(speed).hex(), short=0x2A53)

    async def _listen(self) -> None:
        mqtt = Mqtt(url=f"mqtt://127.0.0.1:{self.headset_relay.port}")
        async with Follower(mqtt, RUNNER.id, "headset", OtherClock(self.loop)) as headset:
            async for happening in headset:
                now_s = self.loop.now_s()
                self.happened.append((now_s, happening))
                if isinstance(happening, Cued):
                    self.cues.append(HeardCue(now_s, now_s - happening.cue.ts_ms / 1000, happening))
                    await headset.acknowledge(happening, played=happening.verdict.play)


async def commit(loop: Loop, journal: JournalSink) -> None:
    """As its thread would, once a second."""
    while True:
        await asyncio.sleep(_until_next(loop, COMMIT_AT_S))
        journal.commit()


def _until_next(loop: Loop, place_s: float) -> float:
    """How long to the next time at which a second is so old."""
    since_s = loop.now_s() - place_s
    return floor(since_s + 0.001) + 1 - since_s


@contextlib.contextmanager
def standing(loop: Loop, stage: Stage) -> Iterator[None]:
    """Whoever has a clock of their own, or tosses coins, goes by that of the loop, and always alike."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paho.mqtt.client, "time_func", loop.now_s)
        patch.setattr(fake_bluez, "ADVERTISING_INTERVAL_S", ADVERTISING_INTERVAL_S)
        patch.setenv("DBUS_SYSTEM_BUS_ADDRESS", stage.bus)
        patch.setenv("PATH", "")  # Bleak asks bluetoothctl for its version, and waits as long as that takes
        random.seed(10)
        for pid in (stage.bus_pid, stage.broker.pid):
            loop.wait_for_peer(pid)
        yield


@contextlib.asynccontextmanager
async def coached(loop: Loop, stage: Stage, plan: Plan = PLAN) -> AsyncIterator[LiveRun]:
    """A run that waits for its start."""
    strap, other = Strap(MINE), Strap(OTHER, "Polar H10 ABCD4321", advertises=False)
    pod = Strap(POD, "Stryd", advertised=[uuid(0x1814)], services=foot_pod_services())
    wishes: asyncio.Queue[Action | float] = asyncio.Queue(32)

    def moment() -> Moment:
        return Moment(run.date_s + loop.now_s(), right=True, boot_id="this-boot", boot_s=loop.now_s())

    journal = JournalSink(stage.disk / "journal.sqlite3", live=True, now=moment)
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        relay, far = await enter(Relay(stage.broker.port)), await enter(Relay(stage.broker.port))
        bluez = await enter(FakeBluez(stage.bus, strap, other, pod))
        run = LiveRun(loop, stage, relay, far, bluez, strap, other, pod, wishes, plan, journal)
        sensor = await enter(BleSensor(Sensor(address=MINE, speed_address=POD), loop))
        mqtt = Mqtt(url=f"mqtt://127.0.0.1:{relay.port}")
        sink = await enter(MqttSink(mqtt, RUNNER, loop, wishes, sensor="Polar H10"))
        sink.acks = journal.acks
        header = Header(started_at="2026-11-22T07:00:00Z", runner=RUNNER, plan=plan, control=CONTROL)
        journal.begin(header, Kind.LIVE, "Polar H10")
        sink.begin(SID, plan)
        events = aiter(await enter(timeline.Live(aiter(sensor), loop, wishes)))
        coaching = bridge.run(Controller(plan, RUNNER, CONTROL), events, [run, journal, sink])
        run.switch_headset(on=True)
        tasks = [asyncio.create_task(each) for each in (run.live(), commit(loop, journal), coaching)]
        try:
            yield run
        finally:
            run.switch_headset(on=False)
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(ended, Exception):
                    raise ended
            journal.commit()
