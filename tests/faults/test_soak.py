"""A day and a night without a break: one service, run after run, and something is always broken.

    HRBRIDGE_SOAK_H=24 pytest -s -m proof tests/faults/test_soak.py

The whole program as ``hrbridge run`` puts it together, in a time that stands
still while anybody works; only the thread of the journal commits once per real
second. Every few minutes a fault of another layer begins, sometimes several at
once. What it may never do is forget a second, conclude anything from a heart
rate that is not trusted, or grow.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import random
import signal
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import standing_clock
from brokers import Relay
from fake_bluez import FakeBluez, Strap, foot_pod_services, uuid
from standing_clock import Loop

from hrbridge import timeline, wiring
from hrbridge.broker import BrokerTrouble
from hrbridge.control import plan as plans
from hrbridge.decisions import CueKind, Phase, Step
from hrbridge.events import Action, Tick
from hrbridge.journal import Journal

from .catalogue import DAMAGED, DELETED, FAULTS, STANDS_STILL_S, Fault, Layer
from .live_run import MINE, OTHER, POD, Body, LiveRun, Stage, standing
from .promises import rash_cues

pytestmark = pytest.mark.proof

SOAK_S = 3600.0 * float(os.environ.get("HRBRIDGE_SOAK_H", "24"))
SEED = 10
# What has settled by then has been allocated once; what grows after it grows for ever.
SETTLED_S = min(7200.0, SOAK_S / 4)
# The journal of a day in memory is some 100 kB per run, and Python's own pools breathe.
MOST_GROWTH_BYTES = 6_000_000
MOST_MORE_FILES = 4
QUIET_S = (30.0, 240.0)
# The thread of the journal looks once a real second, after trouble every ten, and that is an hour here.
DISK_SLOWER = 60
CALM_S = 3600.0
# All but those after which the journal rightly knows nothing of the runs before.
IN_THE_SOAK = [fault for fault in FAULTS if fault.strikes is not None and fault.name not in (DELETED, DAMAGED)]
CONFIGURED = f"""
[runner]
id = "alex"
max_heart_rate_bpm = 173
resting_heart_rate_bpm = 75
[sensor]
address = "{MINE}"
speed_address = "{POD}"
[plan]
name = "soak"
warmup_s = 120
total_s = 1500
cooldown = 120
block = [{{segments = [{{kind = "run", for_s = 120}}, {{kind = "walk", for_s = 90}}]}}]
"""


@dataclass
class Watch:
    """A sink that forgets everything but what is wrong, and the figures."""

    run: LiveRun
    began_s: float = 0.0
    last: Step | None = None
    ticked: int = 0
    excused_until_s: float = 0.0
    sessions: int = 0
    # Of sessions that have begun: what the journal must have.
    steps: int = 0
    waited: int = 0
    seconds: Counter[Phase] = field(default_factory=Counter)
    cues: Counter[CueKind] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def take(self, step: Step) -> None:
        before, self.last = self.last, step
        now_s = self.run.loop.now_s()
        if before is None or step.at_s < before.at_s:
            self.began_s, self.ticked, self.waited = now_s - step.at_s, 0, 0
        self._count(step)
        if now_s < self.excused_until_s:  # the first tick of a session may be the one that comes late
            self.began_s = min(self.began_s, now_s - step.at_s)
        else:
            if isinstance(step.event, Tick) and step.at_s != self.ticked + 1:
                self.wrong.append(f"{self.ticked} s, then {step.at_s} s")
            if abs(now_s - self.began_s - step.at_s) > 0.01:
                self.wrong.append(f"{step.at_s} s at {now_s - self.began_s} s")
        if isinstance(step.event, Tick):
            self.ticked = int(step.at_s)
        self.wrong += [f"{step.at_s} s, {step.estimate.trust}: {cue.kind} {cue.reason}" for cue in rash_cues(step)]
        self.run.take(step)

    def _count(self, step: Step) -> None:
        if step.phase is Phase.WAITING:
            self.waited += 1
        else:
            self.sessions += self.waited > 0
            self.steps += 1 + self.waited
            self.waited = 0
        self.seconds[step.phase] += isinstance(step.event, Tick)
        self.cues.update(cue.kind for cue in step.cues)


async def live_on(run: LiveRun, chance: random.Random) -> None:
    """Run after run; in between the strap is taken off."""
    while True:
        await asyncio.sleep(1.0)
        if run.body.has_gone:
            await asyncio.sleep(chance.uniform(30, 300))
            run.body = Body(chance.randrange(1000))


async def trouble(run: LiveRun, watch: Watch, faults: list[Fault], chance: random.Random, struck: Counter[str]) -> None:
    """One fault of a layer after the other; the last hour is calm, so that all of them end."""
    slower = DISK_SLOWER if faults[0].layer is Layer.DISK else 1
    while run.loop.now_s() < SOAK_S - CALM_S:
        await asyncio.sleep(slower * chance.uniform(*QUIET_S))
        fault = chance.choice(faults)
        assert fault.strikes is not None
        struck[fault.name] += 1
        if fault.layer is Layer.CLOCK:
            watch.excused_until_s = run.loop.now_s() + 2 * STANDS_STILL_S
        async with fault.strikes(run):
            await asyncio.sleep(slower * fault.for_s * chance.uniform(0.1, 2.0))


async def wish(run: LiveRun, chance: random.Random) -> None:
    """A runner who cannot leave the buttons alone; a pause is ended by whoever comes first."""
    while True:
        await asyncio.sleep(chance.uniform(20, 400))
        action = chance.choice([action for action in Action if action not in (Action.START, Action.STOP)])
        with contextlib.suppress(BrokerTrouble):
            await run.publish("control/set", action.value.encode())
            await asyncio.sleep(chance.uniform(1, 90))
            await run.publish("control/set", b"resume")


@dataclass(frozen=True)
class Size:
    """Of this process: memory in use, and open files."""

    bytes: int
    files: int


def size() -> Size:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Size(pages * os.sysconf("SC_PAGE_SIZE"), len([*Path("/proc/self/fd").iterdir()]))


def test_a_day_and_a_night(
    stages: Callable[[], AbstractContextManager[Stage]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "alex.toml"
    config.write_text(CONFIGURED)
    chance = random.Random(SEED)
    struck: Counter[str] = Counter()
    sizes: dict[int, Size] = {}
    raised: list[logging.LogRecord] = []
    listener = logging.Handler()
    listener.emit = lambda record: raised.append(record) if record.exc_info else None  # type: ignore[method-assign]

    async def soak(loop: Loop) -> Watch:
        bluez = FakeBluez(stage.bus, Strap(MINE), Strap(OTHER, "Polar H10 ABCD4321", advertises=False), pod())
        async with Relay(stage.broker.port) as relay, Relay(stage.broker.port) as far, bluez:
            run = LiveRun(loop, stage, relay, far, bluez, *bluez.straps, asyncio.Queue(32), plans.load("easy-4-1"))
            run.steps, run.cues, run.happened = deque(maxlen=1), deque(maxlen=1), deque(maxlen=1)
            watch = Watch(run)
            session = wiring.session(config, [f'mqtt.url="mqtt://127.0.0.1:{relay.port}"'], sensor=None)
            file = stage.disk / "journal.sqlite3"
            coaching = wiring.coach(session, speed=1.0, trace_path=None, journal_path=file, once=False, sinks=[watch])
            run.switch_headset(on=True)
            layers = [[fault for fault in IN_THE_SOAK if fault.layer is layer] for layer in Layer]
            going_on = [
                asyncio.create_task(each)
                for each in (
                    run.live(),
                    live_on(run, chance),
                    wish(run, chance),
                    *(trouble(run, watch, faults, chance, struck) for faults in layers if faults),
                )
            ]
            service = asyncio.create_task(coaching)
            while loop.now_s() < SOAK_S and not service.done():
                await asyncio.sleep(600.0)
                sizes[round(loop.now_s())] = size()
                run.bluez.calls.clear()
                ended = [task for task in going_on if task.done()]
                assert [task.exception() for task in ended] == [None] * len(ended)
            for task in going_on:
                task.cancel()
            await asyncio.gather(*going_on, return_exceptions=True)
            run.switch_headset(on=False)
            os.kill(os.getpid(), signal.SIGTERM)
            await service
            return watch

    ours = logging.getLogger("hrbridge")
    ours.addHandler(listener)
    ours.propagate = False  # pytest would keep every line
    began_s = time.monotonic()
    with stages() as stage, pytest.MonkeyPatch.context() as patch:

        async def main(loop: Loop) -> Watch:
            patch.setattr(timeline, "MonotonicClock", lambda: loop)
            with standing(loop, stage):
                return await soak(loop)

        watch, loop = standing_clock.run(main)
        with Journal(stage.disk / "journal.sqlite3") as journal:
            stored = sum(sum(1 for _ in journal.lines(each.id)) for each in journal.sessions("alex"))
    ours.removeHandler(listener)
    ours.propagate = True

    settled, last = next(sizes[at_s] for at_s in sizes if at_s >= SETTLED_S), sizes[max(sizes)]
    with capsys.disabled():
        print(
            f"\n{SOAK_S / 3600:g} h in {time.monotonic() - began_s:.0f} s: {watch.sessions} runs, {watch.steps} steps"
        )
        print(f"seconds: {dict(watch.seconds)}; cues: {dict(watch.cues)}")
        print(f"faults: {dict(struck)}")
        for at_s in [*sizes][:: max(1, len(sizes) // 12)]:
            print(f"{at_s / 3600:5.1f} h: {sizes[at_s].bytes / 1e6:.1f} MB, {sizes[at_s].files} files")
    assert watch.wrong == []
    assert loop.troubles == []
    assert raised == []
    assert stored == watch.steps
    assert last.bytes - settled.bytes <= MOST_GROWTH_BYTES
    assert last.files - settled.files <= MOST_MORE_FILES


def pod() -> Strap:
    return Strap(POD, "Stryd", advertised=[uuid(0x1814)], services=foot_pod_services())
