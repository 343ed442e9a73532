"""The display without a screen: lines for a pipe."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest
from brokers import Mosquitto
from conversation import HandClock, coaching, cue, step
from scenes import told

from hrbridge.clients import lines
from hrbridge.clients.follower import EVERYBODY, Follower, Joined
from hrbridge.config import Mqtt
from hrbridge.decisions import CueKind, Phase
from hrbridge.errors import OutputError
from hrbridge.events import Sample


@pytest.fixture
def mosquitto(needs_tool: Callable[[str], str], tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(needs_tool, tmp_path) as broker:
        yield broker


class Paper(StringIO):
    """What was written, and a word when there is more."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def flush(self) -> None:
        self._more.set()

    async def shows(self, text: str) -> None:
        async with asyncio.timeout(5):
            while text not in self.getvalue():
                self._more.clear()
                await self._more.wait()


async def test_each_change_is_a_line_without_escape_codes(mosquitto: Mosquitto) -> None:
    clock, out = HandClock(), Paper()
    settings = Mqtt(url=mosquitto.url)
    async with coaching(settings, clock=clock) as bridge, Follower(settings, "alex", "display", clock) as follower:
        assert isinstance(await anext(follower), Joined)
        writing = asyncio.create_task(lines.write(follower, clock, out))
        bridge.take(step(Sample(12.0, 141), next_phase=Phase.WALK))
        await out.shows("RUN")
        bridge.take(step(Sample(13.0, 141), Phase.WALK, (cue(7, CueKind.WALK),)))
        await out.shows("WALK  ")
        writing.cancel()
    assert "RUN  3:48  141 bpm  next walk  4:00/1:00" in out.getvalue()
    assert "\x1b" not in out.getvalue()


async def test_when_nobody_reads_it_ends(mosquitto: Mosquitto) -> None:
    clock = HandClock()
    reading, writing = os.pipe()
    os.close(reading)
    async with Follower(Mqtt(url=mosquitto.url), EVERYBODY, "board", clock) as follower:
        assert isinstance(await anext(follower), Joined)
        out = os.fdopen(writing, "w", buffering=1)
        with pytest.raises(OutputError):
            await lines.write(follower, clock, out)
        with contextlib.suppress(BrokenPipeError):
            out.close()


def test_what_does_not_change_is_no_change() -> None:
    runner = lines.RunnerLines("alex")
    for happening in (Joined(), told()):
        runner.take(happening, 500.0)
    before, _ = runner.now(501.0)
    assert runner.now(502.0)[0] == before
    runner.take(told(62.0, phase=Phase.WALK), 502.0)
    assert runner.now(502.0)[0] != before


def test_a_board_in_lines_names_who_needs_a_look() -> None:
    board = lines.BoardLines()
    for happening in (Joined(), told(), told(runner_id="kim", zone=5)):
        board.take(happening, 500.0)
    assert board.now(500.0)[1] == "2 runners  kim: zone 5"


def test_a_board_in_lines_when_all_is_well() -> None:
    board = lines.BoardLines()
    for happening in (Joined(), told()):
        board.take(happening, 500.0)
    assert board.now(500.0)[1] == "1 runner  all well"


def test_a_board_in_lines_without_anybody() -> None:
    board = lines.BoardLines()
    board.take(Joined(), 500.0)
    assert board.now(500.0)[1] == "0 runners  nobody is here yet"
