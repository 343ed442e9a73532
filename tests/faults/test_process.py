"""The program itself is killed, or asked to go, in the middle of a live run; takes real seconds."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

import aiomqtt
import pytest
from fake_bluez import FakeBluez, Strap

from hrbridge.decisions import Phase, Trust
from hrbridge.events import Sample
from hrbridge.journal import End, Journal

from .catalogue import FAULTS, Layer
from .live_run import MINE, Stage

pytestmark = pytest.mark.proof

(KILLED,) = (fault for fault in FAULTS if fault.layer is Layer.PROCESS)
BEATS_PER_S = 4
BASE = "hrbridge/alex/"
PROGRAM = "import sys; from hrbridge.cli import main; main()"
CONFIGURED = f"""
[runner]
id = "alex"
age_years = 40
[sensor]
address = "{MINE}"
[plan]
name = "short"
repeats = 9
block = [{{segments = [{{kind = "run", for_s = 20}}, {{kind = "walk", for_s = 20}}]}}]
[control]
start_after_s = 1
"""


class Ear:
    """What comes over MQTT, with the time of arrival, s."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, str, Any]] = []
        self._news = asyncio.Event()

    async def listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            name, text = str(message.topic).removeprefix(BASE), bytes(message.payload).decode()
            self.heard.append((time.monotonic(), name, json.loads(text) if text.startswith("{") else text))
            self._news.set()

    async def until(self, name: str, condition: Callable[[Any], object], since: int = 0) -> float:
        """When it came."""
        async with asyncio.timeout(30):
            while True:
                for at_s, topic, said in self.heard[since:]:
                    if topic == name and condition(said):
                        return at_s
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def world(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[FakeBluez, Ear, aiomqtt.Client]]:
    """A strap on a heart, a broker, and somebody who listens."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", stage.bus)
    ear = Ear()
    async with FakeBluez(stage.bus, Strap(MINE)) as bluez, aiomqtt.Client("127.0.0.1", stage.broker.port) as client:
        await client.subscribe(f"{BASE}#")

        # The strap beats on, whoever listens.
        async def beat() -> None:
            (strap,), number = bluez.straps, 0
            while True:
                await asyncio.sleep(1 / BEATS_PER_S)
                number += 1
                await bluez.notify(strap, f"06 {120 + number % 2:02x}")

        tasks = [asyncio.create_task(beat()), asyncio.create_task(ear.listen(client))]
        try:
            yield bluez, ear, client
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def hrbridge(stage: Stage) -> AsyncIterator[asyncio.subprocess.Process]:
    config = stage.disk / "alex.toml"
    config.write_text(CONFIGURED)
    words = ["run", config, "--mqtt", stage.broker.url, "--journal", stage.disk / "journal.sqlite3"]
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, *map(str, words))
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def is_run(state: Any) -> bool:
    return bool(state["phase"] == Phase.RUN)


def is_trusted(state: Any) -> bool:
    return bool(state["trust"] == Trust.GOOD)


async def test_who_is_killed_loses_a_second_and_comes_back_paused(
    stages: Callable[[], AbstractContextManager[Stage]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with stages() as stage:
        async with world(stage, monkeypatch) as (_, ear, client):
            async with hrbridge(stage):
                await ear.until("state", is_run)
                await asyncio.sleep(5.3)
            told = sum(name == "heart_rate" for _, name, _ in ear.heard)
            with Journal(stage.disk / "journal.sqlite3") as journal:
                kept = sum(isinstance(step.event, Sample) for step in journal.steps(1))
            mark, again_s = len(ear.heard), time.monotonic()
            async with hrbridge(stage) as again:
                await ear.until("cue", lambda cue: cue["say"] in KILLED.hears, mark)
                await ear.until("state", lambda state: state["phase"] == Phase.PAUSED, mark)
                back_s = await ear.until("state", is_trusted, mark) - again_s
                await client.publish(f"{BASE}control/set", "resume", qos=1)
                await ear.until("state", is_run, mark)
                again.send_signal(signal.SIGTERM)
                code = await again.wait()
    print(f"\nof {told} readings {kept} kept; heart rate back {back_s:.1f} s after the start")
    assert told - kept <= BEATS_PER_S + 1
    assert KILLED.back_s is not None
    assert back_s <= KILLED.back_s
    assert code == 0


async def test_who_is_asked_to_go_says_good_bye_to_everybody(
    stages: Callable[[], AbstractContextManager[Stage]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with stages() as stage:
        async with world(stage, monkeypatch) as (bluez, ear, _):
            async with hrbridge(stage) as process:
                await ear.until("state", is_run)
                await asyncio.sleep(3.0)
                mark = len(ear.heard)
                process.send_signal(signal.SIGTERM)
                code = await process.wait()
            await ear.until("status", lambda status: status == "offline", mark)
            told = sum(name == "heart_rate" for _, name, _ in ear.heard)
            free = not bluez.connected(bluez.straps[0])
        with Journal(stage.disk / "journal.sqlite3") as journal:
            (session,) = journal.sessions("alex")
            kept = sum(isinstance(step.event, Sample) for step in journal.steps(session.id))
    assert (code, free, session.ended) == (0, True, End.STOPPED)
    assert kept >= told
