"""A service coaches one run after the other: the second begins when it is asked for, or with a strap put on anew."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiomqtt
import msgspec
from brokers import Mosquitto
from fake_bluez import FakeBluez

from hrbridge import wiring
from hrbridge.decisions import Phase, Step
from hrbridge.journal import End, Journal
from hrbridge.messages import ControlResult
from hrbridge.sinks.summary import Summary

IN_TIME_S = 15.0
CONFIGURED = """
[runner]
id = "alex"
age_years = 40
[sensor]
address = "A0:9E:1A:11:22:33"
[plan]
name = "short"
repeats = 1
block = [{segments = [{kind = "run", for_s = 1}]}]
[control]
start_after_s = 0.5
"""


class Heard:
    """A sink that tells when the session is in a phase."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._news = asyncio.Event()

    def take(self, step: Step) -> None:
        self.steps.append(step)
        self._news.set()

    async def phase(self, phase: Phase) -> None:
        while not self.steps or self.steps[-1].phase is not phase:
            self._news.clear()
            await self._news.wait()

    async def says(self, words: str) -> None:
        while not any(say.endswith(words) for say in self.said):
            self._news.clear()
            await self._news.wait()

    @property
    def said(self) -> list[str]:
        return [cue.say for step in self.steps for cue in step.cues]


async def beat(bluez: FakeBluez) -> None:
    """A heart at 104, five times as often as real straps tell."""
    (strap,) = bluez.straps
    n = 0
    while True:
        if bluez.connected(strap):
            n += 1
            await bluez.notify(strap, f"06 {104 + n % 2:02x}")
        await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def service(folder: Path, broker: Mosquitto, heard: Heard) -> AsyncIterator[asyncio.Task[Summary]]:
    config = folder / "alex.toml"
    config.write_text(CONFIGURED)
    session = wiring.session(config, [f'mqtt.url="{broker.url}"'], sensor=None)
    coaching = wiring.coach(
        session,
        speed=1.0,
        trace_path=folder / "run.jsonl",
        journal_path=folder / "j.sqlite3",
        once=False,
        sinks=[heard],
    )
    running = asyncio.create_task(coaching)
    try:
        async with asyncio.timeout(IN_TIME_S):
            yield running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def start_by_mqtt(broker: Mosquitto) -> ControlResult:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe("hrbridge/alex/control/result")
        await client.publish("hrbridge/alex/control/set", '{"v":1,"action":"start","id":"again"}', qos=1)
        answer = await anext(aiter(client.messages))
    return msgspec.json.decode(bytes(answer.payload), type=ControlResult)


def traces(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.jsonl"))


async def test_one_run_begins_by_itself_and_the_next_when_it_is_asked_for(
    needs_tool: Callable[[str], str], tmp_path: Path, bluez: FakeBluez
) -> None:
    heard, heart = Heard(), asyncio.create_task(beat(bluez))
    with Mosquitto(needs_tool, tmp_path) as broker:
        async with service(tmp_path, broker, heard):
            for times in (1, 2):
                await heard.phase(Phase.FINISHED)
                assert heard.said.count("Done. Well run.") == times
                await heard.phase(Phase.WAITING)
                if times == 1:
                    await heard.says("Ready to start.")
                    answer = await start_by_mqtt(broker)
    heart.cancel()
    assert answer == ControlResult(id="again", ok=True, error=None)
    with Journal(tmp_path / "j.sqlite3") as journal:
        assert [session.ended for session in journal.sessions("alex")] == [End.FINISHED, End.FINISHED]
        assert {session.header.control.start_after_s for session in journal.sessions("alex")} == {0.5}
    assert traces(tmp_path) == ["run-2.jsonl", "run.jsonl"]


async def test_who_leaves_after_a_run_sees_what_it_came_to(
    needs_tool: Callable[[str], str], tmp_path: Path, bluez: FakeBluez
) -> None:
    heard, heart = Heard(), asyncio.create_task(beat(bluez))
    with Mosquitto(needs_tool, tmp_path) as broker:
        async with service(tmp_path, broker, heard) as running:
            await heard.phase(Phase.FINISHED)
            await heard.phase(Phase.WAITING)
            os.kill(os.getpid(), signal.SIGTERM)
            summary = await running
    heart.cancel()
    assert summary.run_s >= 1
