"""What takes a real clock to show: a broker that dies fifty times, and a network that swallows everything."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import aiomqtt
import pytest
from brokers import Mosquitto, free_port

from hrbridge import bridge, timeline, trace, wiring
from hrbridge.clients.guard import CueGuard
from hrbridge.config import Mqtt, Plan, Runner
from hrbridge.decisions import Cue, CueKind, Estimate, Phase, Ratio, Reason, Step, Trust
from hrbridge.events import Sample, Tick
from hrbridge.sinks.mqtt import MqttSink

pytestmark = pytest.mark.proof

RUNNER = Runner(id="alex", max_heart_rate_bpm=180, resting_heart_rate_bpm=60)
BASE = "hrbridge/alex/"
DEATHS = 50
RIGHT_WITHIN_S = 6.0
FAR_HEADSET = Path(__file__).parent.parent / "far_headset.py"


class Present:
    """Where the run stands now: a sink beside the real ones."""

    def __init__(self) -> None:
        self.phase: Phase | None = None
        self.cue_seq: int | None = None

    def take(self, step: Step) -> None:
        self.phase = step.phase
        self.cue_seq = step.cues[-1].seq if step.cues else self.cue_seq

    def is_told_by(self, state: dict[str, Any]) -> bool:
        said = state["last_cue"]
        return (state["phase"], said and said["seq"]) == (self.phase, self.cue_seq)


class Haste:
    """A clock for the pace of a recording: real, until nobody needs to wait for the rest any more."""

    def __init__(self) -> None:
        self._clock = timeline.MonotonicClock()
        self.skipped_s = 0.0

    def now_s(self) -> float:
        return self._clock.now_s() + self.skipped_s


class Ear:
    """A headset that comes back for ever, with the true age of every cue it plays, s."""

    def __init__(self, port: int, clock: timeline.MonotonicClock) -> None:
        self._port = port
        self._clock = clock
        self._guard = CueGuard()
        self.played: list[tuple[float, float]] = []  # true age, ttl
        self.dropped: list[str] = []

    async def listen(self) -> None:
        while True:
            try:
                async with aiomqtt.Client("127.0.0.1", self._port, keepalive=5, timeout=1) as client:
                    for name in ("cue", "state", "heart_rate"):
                        await client.subscribe(BASE + name, qos=1)
                    async for message in client.messages:
                        self._hear(message)
            except aiomqtt.MqttError:
                await asyncio.sleep(0.05)

    def _hear(self, message: aiomqtt.Message) -> None:
        now_s = self._clock.now_s()
        said = json.loads(bytes(message.payload))
        if str(message.topic) != BASE + "cue":
            self._guard.observe(said["sid"], said["ts_ms"], now_s + 37)
            return
        verdict = self._guard.accept(said, now_s + 37, message.retain)
        if verdict.play:
            self.played.append((now_s - said["ts_ms"] / 1000, said["ttl_s"]))
        else:
            self.dropped.append(verdict.why)


async def right_again_s(port: int, present: Present) -> float:
    """How long after its return the broker tells where the run stands."""
    began_s = time.monotonic()
    async with asyncio.timeout(RIGHT_WITHIN_S), aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(BASE + "state", qos=1)
        async for message in client.messages:
            if present.is_told_by(json.loads(bytes(message.payload))):
                break
    return time.monotonic() - began_s


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def test_a_broker_that_dies_fifty_times_changes_nothing_and_lets_no_old_cue_through(
    needs_tool: Callable[[str], str], tmp_path: Path
) -> None:
    """A recorded run at ten times its speed; when the broker dies and how long it stays away is left to chance."""
    recorded, alone, together = (tmp_path / f"{name}.jsonl" for name in ("recorded", "alone", "together"))
    wiring.coach_at_once(wiring.simulated_session(None, ["plan.use='long-9-1'"]), recorded, [])
    wiring.coach_at_once(wiring.replay_session(recorded, None, []), alone, [])

    chance = random.Random(5)
    session = wiring.replay_session(recorded, None, [])
    assert session.source is not None
    clock, pace, present = timeline.MonotonicClock(), Haste(), Present()
    wishes: asyncio.Queue[Any] = asyncio.Queue(32)
    broker = Mosquitto(needs_tool, tmp_path)
    back_s: list[float] = []
    events = timeline.paced(timeline.merge(session.source.events()), pace, 10.0, wishes)
    with broker, trace.Writer(together, session.header) as writer:
        ear = Ear(broker.port, clock)
        async with MqttSink(Mqtt(url=broker.url), RUNNER, clock, wishes, sensor="recording") as sink:
            sink.begin("run-1", session.plan)
            running = asyncio.create_task(bridge.run(session.controller(), events, [writer, present, sink]))
            listening = asyncio.create_task(ear.listen())
            for _ in range(DEATHS):
                await asyncio.sleep(chance.uniform(0.0, 4.0))
                broker.kill()
                await asyncio.sleep(chance.choice([0.0, chance.uniform(0.0, 2.0)]))
                broker.start()
                back_s.append(await right_again_s(broker.port, present))
            assert not running.done()
            pace.skipped_s = 1e6
            await running
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    oldest_s = max(age_s for age_s, _ in ear.played)
    print(
        f"\n{DEATHS} deaths: state right after {median(back_s):.2f} s (median), {max(back_s):.2f} s (longest); "
        f"{len(ear.played)} cues played, the oldest {oldest_s:.3f} s old; not played: {Counter(ear.dropped)}"
    )
    assert sha256(together) == sha256(alone)
    assert max(back_s) <= RIGHT_WITHIN_S
    assert [played for played in ear.played if played[0] > played[1]] == []
    assert len(ear.played) > DEATHS / 2


# -- black holes --


@contextmanager
def far_away(needs_tool: Callable[[str], str], number: int) -> Iterator[tuple[str, str, Callable[[bool], None]]]:
    """A network namespace at the end of a cable: its name, our address, and a switch that swallows every packet."""
    ip = needs_tool("ip")
    name, here, there = (
        f"hrb-{os.getpid()}-{number}",
        f"hrb{os.getpid()}x{number}"[-15:],
        f"hrb{os.getpid()}y{number}"[-15:],
    )
    ours, theirs = f"10.213.{number}.1", f"10.213.{number}.2"
    inside = [ip, "-n", name]

    def run(*words: str) -> str:
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    try:
        run(ip, "netns", "add", name)
    except subprocess.CalledProcessError:
        pytest.skip("only root may make a network to be lost in")
    try:
        run(ip, "link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
        run(ip, "addr", "add", f"{ours}/30", "dev", here)
        run(*inside, "addr", "add", f"{theirs}/30", "dev", there)
        run(ip, "link", "set", here, "up")
        run(*inside, "link", "set", there, "up")
        mac_here = json.loads(run(ip, "-j", "link", "show", here))[0]["address"]
        mac_there = json.loads(run(*inside, "-j", "link", "show", there))[0]["address"]

        def swallow(hole: bool) -> None:
            # Sent to a card that is not there: the cable stays up, and no packet arrives, either way.
            to_there, to_here = ("02:00:00:00:00:fe",) * 2 if hole else (mac_there, mac_here)
            run(ip, "neigh", "replace", theirs, "lladdr", to_there, "dev", here, "nud", "permanent")
            run(*inside, "neigh", "replace", ours, "lladdr", to_here, "dev", there, "nud", "permanent")

        swallow(False)
        yield name, ours, swallow
    finally:
        run(ip, "netns", "del", name)


@asynccontextmanager
async def headset(ip: str, network: str, host: str, port: int, keepalive_s: int, step_s: int) -> AsyncIterator[Any]:
    """The far headset: the process, and the lines it has said."""
    words = ["netns", "exec", network, sys.executable, str(FAR_HEADSET), host, str(port), str(keepalive_s), str(step_s)]
    process = await asyncio.create_subprocess_exec(ip, *words, stdout=asyncio.subprocess.PIPE)
    said: list[dict[str, Any]] = []
    listens = asyncio.Event()

    async def read() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            heard = json.loads(line)
            if heard["what"] == "listening":
                listens.set()
            else:
                said.append(heard)

    reading = asyncio.create_task(read())
    try:
        await asyncio.wait_for(listens.wait(), 20)
        yield process, said
    finally:
        process.kill()
        await process.wait()
        await reading


def spoken(at_s: int, phase: Phase) -> Step:
    """A second of a run: a reading, and every other second a cue that is worth two."""
    cues = (Cue(at_s, CueKind.TIP, Reason.PLANNED, f"Second {at_s}.", 2.0, None),) if at_s % 2 else ()
    estimate = Estimate(heart_rate_bpm=141.0, trust=Trust.GOOD, ceiling_bpm=150.0)
    event = Sample(float(at_s), 141) if at_s % 2 else Tick(float(at_s))
    return Step(event, phase, float(at_s), 60.0, 1, 1, estimate, Ratio(240, 60, 240, 60), cues)


SETTLED_S, AFTERWARDS_S = 6, 12
STATE_TTL_S = 5  # as in far_headset.py
# Keepalive and the step of the clock in mid-hole, s; a clock that leaps ahead plays nothing more in this run.
KINDS = {"patient": (60, 0), "brisk": (5, 0), "clock-goes-back": (5, -20), "clock-leaps-ahead": (60, 20)}


async def through_a_hole(
    needs_tool: Callable[[str], str], folder: Path, hole_s: int
) -> dict[str, list[dict[str, Any]]]:
    """What each kind of headset says, with the true age of it; the phase changes in the middle of the hole."""
    clock = timeline.MonotonicClock()
    began_s = time.monotonic() - clock.now_s()
    with far_away(needs_tool, hole_s) as (network, ours, swallow):
        port = free_port()
        with Mosquitto(needs_tool, folder, [f"listener {port} {ours}"]) as broker:
            async with contextlib.AsyncExitStack() as stack:
                sink = await stack.enter_async_context(
                    MqttSink(Mqtt(url=broker.url), RUNNER, clock, asyncio.Queue(32), sensor="Polar H10")
                )
                sink.begin("run-1", Plan(name="easy-4-1"))
                far = {
                    kind: await stack.enter_async_context(headset(needs_tool("ip"), network, ours, port, *how))
                    for kind, how in KINDS.items()
                }
                start_s = time.monotonic()
                for at_s in range(SETTLED_S + hole_s + AFTERWARDS_S):
                    if at_s == SETTLED_S:
                        swallow(True)
                    elif at_s == SETTLED_S + hole_s // 2:
                        for process, _ in far.values():
                            process.send_signal(signal.SIGUSR1)
                    elif at_s == SETTLED_S + hole_s:
                        swallow(False)
                    sink.take(spoken(at_s, Phase.RUN if at_s < SETTLED_S + hole_s // 2 else Phase.WALK))
                    await asyncio.sleep(max(0.0, start_s + at_s + 1 - time.monotonic()))
                for _, lines in far.values():
                    for line in lines:
                        line["age_s"] = line["heard_s"] - began_s - line["ts_ms"] / 1000
                        line["after_hole"] = line["heard_s"] - start_s > SETTLED_S + hole_s
                return {kind: lines for kind, (_, lines) in far.items()}


async def test_out_of_a_black_hole_come_no_late_cues_and_the_present_phase_once(
    needs_tool: Callable[[str], str], tmp_path: Path
) -> None:
    """12 s and 20 s between broker and headset, whose clock is 37 s wrong."""
    (tmp_path / "12").mkdir()
    (tmp_path / "20").mkdir()
    both = await asyncio.gather(*(through_a_hole(needs_tool, tmp_path / str(hole_s), hole_s) for hole_s in (12, 20)))
    said = {
        (hole_s, kind): lines for hole_s, kinds in zip((12, 20), both, strict=True) for kind, lines in kinds.items()
    }
    for (hole_s, kind), lines in said.items():
        cues = [line for line in lines if line["what"] == "cue"]
        late = [line["age_s"] for line in cues if line["age_s"] > 2]
        played = [line["age_s"] for line in cues if line["played"] and line["after_hole"]]
        phases = [(line["phase"], round(line["age_s"], 1)) for line in lines if line["what"] == "phase"]
        print(
            f"\nhole {hole_s} s, {kind}: {len(late)} late cues came, up to {max(late, default=0):.1f} s old; "
            f"{len(played)} cues played after it, up to {max(played, default=0):.1f} s old; phases {phases}",
            end="",
        )
    print()
    every = [line for lines in said.values() for line in lines]
    assert max(line["age_s"] for line in every) > 15  # so the network did bring late ones
    assert [line for line in every if line["what"] == "cue" and line["played"] and line["age_s"] > 2] == []
    assert [line for line in every if line["what"] == "phase" and line["age_s"] > STATE_TTL_S] == []
    for (_, kind), lines in said.items():
        if kind != "clock-leaps-ahead":
            assert [line["phase"] for line in lines if line["what"] == "phase"] == ["run", "walk"], kind
            assert [line for line in lines if line["what"] == "cue" and line["played"] and line["after_hole"]] != [], (
                kind
            )
