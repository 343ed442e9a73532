"""What takes a real clock to show: how soon a cue is heard, and a headset in a network that breaks."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiomqtt
import numpy as np
import pytest
from brokers import Mosquitto
from conversation import BASE, RUNNER
from listening import Listening

from hrbridge import bridge, timeline, wiring
from hrbridge.clients.tones import Tone
from hrbridge.config import Mqtt
from hrbridge.ports import Sink
from hrbridge.sinks.mqtt import MqttSink

pytestmark = pytest.mark.proof

# Runs and walks of so many seconds, two of each, after a warm-up of ten.
SEGMENT_S = 20
PLAN = (
    'plan={name="short",warmup_s=10,repeats=2,cooldown=5,block=[{segments='
    f'[{{kind="run",for_s={SEGMENT_S}}},{{kind="walk",for_s={SEGMENT_S}}}]}}]}}'
)
PRIMER_S = 0.7
SOON_S = 0.15


class WrongClock:
    """37 s ahead of everybody else's."""

    def __init__(self, clock: timeline.MonotonicClock) -> None:
        self._clock = clock

    def now_s(self) -> float:
        return self._clock.now_s() + 37.0


class Outing:
    """A simulated runner in real time, a headset with a wrong clock that plays into a file, and who hears the cues."""

    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        self.broker = broker
        self.clock = timeline.MonotonicClock()
        self.listening = Listening(folder)
        self.arrived: list[tuple[float, dict[str, Any]]] = []
        self.acks: list[dict[str, Any]] = []

    @contextlib.asynccontextmanager
    async def begun(self) -> AsyncIterator[asyncio.Task[None]]:
        """Yields the run, once it goes."""
        session = wiring.simulated_session(None, [PLAN])
        assert session.source is not None
        wishes: asyncio.Queue[Any] = asyncio.Queue(32)
        settings = Mqtt(url=self.broker.url)
        async with (
            MqttSink(settings, RUNNER, self.clock, wishes, sensor="simulated") as sink,
            self.listening.to(self.broker.port, WrongClock(self.clock)),
        ):
            self.opened_s = self.clock.now_s()
            overhearing = asyncio.create_task(self._overhear())
            sink.begin("run-1", session.plan)
            self.began_s = self.clock.now_s()
            events = timeline.paced(timeline.merge(session.source.events()), self.clock, 1.0, wishes)
            sinks: list[Sink] = [sink]
            if isinstance(session.source, Sink):
                sinks.insert(0, session.source)
            running = asyncio.create_task(bridge.run(session.controller(), events, sinks))
            try:
                yield running
            finally:
                for task in (running, overhearing):
                    task.cancel()
                await asyncio.gather(running, overhearing, return_exceptions=True)

    async def until(self, at_s: float) -> None:
        """So far into the run."""
        await asyncio.sleep(self.began_s + at_s - self.clock.now_s())

    async def _overhear(self) -> None:
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                async with aiomqtt.Client("127.0.0.1", self.broker.port, timeout=2) as client:
                    await client.subscribe(f"{BASE}/cue/#", qos=1)
                    async for message in client.messages:
                        said = json.loads(bytes(message.payload))
                        if "result" in said:
                            self.acks.append(said)
                        else:
                            self.arrived.append((self.clock.now_s() - self.began_s, said))
            await asyncio.sleep(0.1)

    @property
    def heard(self) -> list[tuple[float, float, str]]:
        """In seconds of the run."""
        ahead_s = self.opened_s - self.began_s
        return [(begin_s + ahead_s, end_s + ahead_s, what) for begin_s, end_s, what in self.listening.labels]

    def moments(self, what: str) -> list[float]:
        return [begin_s for begin_s, _, heard in self.heard if heard == what]


@pytest.fixture
def outing(needs_tool: Callable[[str], str], tmp_path: Path) -> Any:
    needs_tool("espeak-ng")
    with Mosquitto(needs_tool, tmp_path) as broker:
        yield Outing(tmp_path, broker)


def never_two_at_once(outing: Outing) -> bool:
    return all(end_s <= begin_s + 0.002 for (_, end_s, _), (begin_s, _, _) in pairwise(outing.heard))


async def test_every_cue_is_heard_as_soon_as_it_comes(outing: Outing):
    """A headset that sleeps begins as soon, with its primer; those before a change have been woken for it."""
    async with outing.begun() as running:
        await running
        await asyncio.sleep(3)
    delays_s, asleep_s, words_s = [], [], []
    primers = [end_s for _, end_s, what in outing.heard if what == "primer"]
    for arrived_s, cue in outing.arrived:
        tone_s = min(begin_s for begin_s in outing.moments(cue["tone"]) if begin_s >= arrived_s - 0.05)
        primed = any(abs(end_s - tone_s) < 0.01 for end_s in primers)
        (asleep_s if primed else delays_s).append(tone_s - arrived_s)
        words_s.append(min(begin_s for begin_s in outing.moments(cue["say"]) if begin_s >= tone_s) - tone_s)
    print(f"\ncues {len(outing.arrived)}; awake {len(delays_s)}: ", np.percentile(delays_s, [50, 99]).round(4))
    print(f"asleep {len(asleep_s)}: ", np.round(asleep_s, 3), "; words after tone ", np.percentile(words_s, [50, 99]))
    assert max(delays_s) < SOON_S
    assert max(asleep_s, default=0.0) < SOON_S + PRIMER_S
    assert len(delays_s) >= 8
    assert never_two_at_once(outing)
    assert {ack["result"] for ack in outing.acks} == {"played"}


async def test_in_a_black_hole_the_runner_is_told_and_the_end_of_the_run_is_beeped(outing: Outing):
    async with outing.begun():
        await outing.until(16.6)
        outing.broker.freeze()
        await outing.until(36)
        outing.broker.thaw()
        await outing.until(48)
    print("\n", outing.heard, outing.acks)
    lost_s = outing.moments(Tone.LINK_LOST)
    assert len(lost_s) == 1
    assert 23 <= lost_s[0] <= 26
    assert outing.moments("Walk.") == [pytest.approx(10 + SEGMENT_S + 0.4, abs=1.0)]
    back = [(begin_s, what) for begin_s, _, what in outing.heard if what.startswith("Connected again.")]
    assert len(back) == 1
    assert back[0][1].startswith("Connected again. Walking.")
    assert back[0][0] < 36 + 10
    assert outing.moments("Walk twenty seconds.") == []
    assert never_two_at_once(outing)


async def test_a_broker_started_anew_costs_no_more_than_the_cues_of_its_absence(outing: Outing):
    async with outing.begun():
        await outing.until(16.6)
        outing.broker.kill()
        await outing.until(18)
        outing.broker.start()
        await outing.until(34)
    print("\n", outing.heard)
    back = [what for _, _, what in outing.heard if what.startswith("Connected again.")]
    assert len(back) == 1
    assert back[0].startswith("Connected again. Running.")
    assert outing.moments("Walk twenty seconds.") == [pytest.approx(10 + SEGMENT_S + 0.41, abs=0.3)]
    assert outing.moments(Tone.LINK_LOST) == []
    assert never_two_at_once(outing)
