"""Pull the plug at any byte: the journal opens, what was committed is there, and the run is offered again, paused.

What a disk may hold after a power cut is made of what really stood on it before
and after a commit: of the write-ahead log any part of what was being written,
in whole sectors or cut off; while SQLite copies the log into the database, any
mixture of old and new sectors there, for the log is synchronised before.
"""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import pytest
from brokers import Mosquitto
from simulated_runs import simulated_run

from hrbridge import trace, unfinished
from hrbridge.control.controller import Controller
from hrbridge.dates import Moment
from hrbridge.decisions import Phase, Step
from hrbridge.journal import Journal, Kind
from hrbridge.sinks import journal as journals
from hrbridge.sinks.journal import JournalSink

POINTS = 1000
SECTOR_BYTES = 512
SEED = 6
BEFORE = Moment(1.8e9, right=True, boot_id="before", boot_s=1000.0)
AFTER = Moment(1.8e9 + 60, right=True, boot_id="after", boot_s=20.0)
HEADER, STEPS = simulated_run("plan.use=easy-4-1", "sensor.runner=novice")
LINES = [trace.encode(step) for step in STEPS]


@dataclass(frozen=True)
class Disk:
    """The bytes of the database and of its log, and how many steps had been committed when they stood so."""

    database: bytes
    log: bytes
    steps: int


def disks(folder: Path, seconds: int) -> Iterator[tuple[Disk, Disk]]:
    """Before and after the commit of each second of a run."""
    file = folder / "journal.sqlite3"
    sink = JournalSink(file, live=False, now=lambda: BEFORE)
    sink.begin(HEADER, Kind.LIVE, "Polar H10")
    sink.commit()  # opens the file
    before = as_it_stands(file, 0)
    taken = 0
    for second in range(seconds):
        while STEPS[taken].at_s <= second:
            sink.take(STEPS[taken])
            taken += 1
        sink.commit()
        after = as_it_stands(file, taken)
        yield before, after
        before = after


def as_it_stands(file: Path, steps: int) -> Disk:
    return Disk(file.read_bytes(), file.with_name(f"{file.name}-wal").read_bytes(), steps)


def mixed(old: bytes, new: bytes, chance: random.Random) -> bytes:
    """Each sector the old or the new one."""
    whole = bytearray(new if len(new) >= len(old) else new + old[len(new) :])
    for first in range(0, len(old), SECTOR_BYTES):
        if chance.random() < 0.5:
            whole[first : first + SECTOR_BYTES] = old[first : first + SECTOR_BYTES]
    return bytes(whole)


def cut(before: Disk, after: Disk, chance: random.Random) -> tuple[bytes, bytes]:
    """One of the states in which the plug may have been pulled between the two: database and log."""
    if after.database != before.database:
        return mixed(before.database, after.database, chance), after.log
    if chance.random() < 0.5:
        grown = max(len(after.log) - len(before.log), 0)
        return before.database, after.log[: len(after.log) - chance.randint(0, grown)]
    zeroed = before.log + b"\0" * (len(after.log) - len(before.log))
    return before.database, mixed(zeroed, after.log, chance)


@dataclass
class Findings:
    """What was found at all those moments; the lists should be empty."""

    moments: int = 0
    rare: int = 0
    lost: list[tuple[int, int, int]] = field(default_factory=list)
    unsound: list[str] = field(default_factory=list)
    elsewhere: list[tuple[int, Phase]] = field(default_factory=list)


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """The plug pulled at a thousand moments of a run, the journal opened after each."""
    chance = random.Random(SEED)
    found = Findings()
    wreck = tmp_path_factory.mktemp("wreck")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journals, "PACK_STEPS", 256)
        for before, after in disks(tmp_path_factory.mktemp("run"), seconds=400):
            # The rare moments in which the log is copied into the database, or begun anew, are where things may break.
            rare = after.database != before.database or len(after.log) < len(before.log)
            for _ in range(110 if rare else 1):
                file = put(wreck, *cut(before, after, chance))
                found.moments += 1
                found.rare += rare
                look(file, before.steps, after.steps, found)
    return found


def look(file: Path, certain: int, at_most: int, found: Findings) -> None:
    """Open what is left; at every 20th moment bring the run back too."""
    with Journal(file) as journal:
        kept = list(journal.lines(1)) if journal.sessions() else []
    if not certain <= len(kept) <= at_most or kept != LINES[: len(kept)]:
        found.lost.append((certain, len(kept), at_most))
    if found.moments % 20 == 0 and certain > 0:
        connection = sqlite3.connect(file)
        found.unsound += [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
        connection.close()
        controller = Controller(HEADER.plan, HEADER.runner, HEADER.control)
        offered = unfinished.find(file, HEADER, Kind.LIVE, AFTER)
        seen: list[Step] = []
        paused = controller.step(offered.catch_up(controller, [seen.append])) if offered is not None else None
        if paused is None or paused.phase is not Phase.PAUSED or seen[-1].phase is not STEPS[len(seen) - 1].phase:
            found.elsewhere.append((certain, paused.phase if paused is not None else Phase.WAITING))


def put(folder: Path, database: bytes, log: bytes) -> Path:
    file = folder / "journal.sqlite3"
    for each in folder.iterdir():
        each.unlink()
    file.write_bytes(database)
    file.with_name(f"{file.name}-wal").write_bytes(log)
    return file


def test_there_are_enough_moments_of_every_kind(findings: Findings):
    assert findings.moments >= POINTS
    assert findings.rare >= POINTS / 3


def test_whenever_the_plug_is_pulled_all_but_the_last_second_is_there(findings: Findings):
    assert findings.lost == []


def test_whenever_the_plug_is_pulled_the_file_is_sound(findings: Findings):
    assert findings.unsound == []


def test_whenever_the_plug_is_pulled_the_run_comes_back_paused_in_its_phase(findings: Findings):
    assert findings.elsewhere == []


# -- the program itself, killed --

SPEED = 200


def hrbridge(journal: Path, url: str = "none") -> subprocess.Popen[str]:
    words = ["run", "--sensor", "simulated", "--plan", "easy-4-1", "--mqtt", url, "--speed", str(SPEED)]
    program = "import sys; from hrbridge.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", program, *words, "--journal", str(journal)], stdout=subprocess.PIPE, text=True
    )


def lines_until(process: subprocess.Popen[str], number: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline() for _ in range(number)]


def seconds(line: str) -> int:
    minutes, rest = line.split()[0].split(":")
    return 60 * int(minutes) + int(rest)


def kill_and_come_back(journal: Path, after_cues: int) -> tuple[str, str]:
    """The last cue before the program was killed, and the first when it is started again."""
    running = hrbridge(journal)
    last = lines_until(running, after_cues)[-1]
    running.kill()
    running.communicate()
    again = hrbridge(journal)
    (first,) = lines_until(again, 1)
    again.send_signal(signal.SIGINT)
    again.communicate()
    return last, first


@pytest.mark.parametrize("after_cues", [3, 9])
def test_a_killed_program_offers_the_run_again(tmp_path: Path, after_cues: int):
    last, first = kill_and_come_back(tmp_path / "journal.sqlite3", after_cues)
    assert re.search(r"paused .* Interrupted\. Resume to go on\.", first) is not None
    assert seconds(first) >= seconds(last) - SPEED * (journals.COMMIT_EVERY_S + 0.5)


async def until(client: aiomqtt.Client, *, paused: bool) -> dict[str, Any]:
    """The next state that is paused, or is not; what the broker keeps of the time before does not count."""
    async with asyncio.timeout(20):
        async for message in client.messages:
            state = msgspec.json.decode(bytes(message.payload))
            if not message.retain and (state["phase"] == Phase.PAUSED) == paused:
                return dict(state)
    raise AssertionError("the broker has gone")


async def test_over_mqtt_the_run_is_seen_paused_and_goes_on_when_asked(
    needs_tool: Callable[[str], str], tmp_path: Path
):
    file = tmp_path / "journal.sqlite3"
    with Mosquitto(needs_tool, tmp_path) as broker:
        running = hrbridge(file, broker.url)
        lines_until(running, 6)
        running.kill()
        running.communicate()
        with Journal(file) as journal:
            *_, last = journal.steps(1)
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.subscribe("hrbridge/demo/state")
            again = hrbridge(file, broker.url)
            paused = await until(client, paused=True)
            ack = {"client": "headset", "sid": paused["sid"], "seq": paused["last_cue"]["seq"], "result": "played"}
            await client.publish("hrbridge/demo/cue/ack", msgspec.json.encode(ack))
            await client.publish("hrbridge/demo/control/set", "resume", qos=1)
            going_on = await until(client, paused=False)
            again.send_signal(signal.SIGINT)
            again.communicate()
    assert (going_on["phase"], going_on["sid"]) == (last.phase, paused["sid"])
    assert going_on["run_s"] >= paused["run_s"] > 0
    with Journal(file) as journal:
        assert [each.seq for each in journal.acks(1)] == [ack["seq"]]


@pytest.mark.proof
def test_twenty_kills_lose_at_most_a_second_each(tmp_path: Path):
    chance = random.Random(SEED)
    lost_s = []
    for number in range(20):
        journal = tmp_path / str(number) / "journal.sqlite3"
        last, first = kill_and_come_back(journal, chance.randint(1, 25))
        lost_s.append((seconds(last) - seconds(first)) / SPEED)
        shutil.rmtree(journal.parent)
    print(f"\nreal seconds lost by SIGKILL, at {SPEED} times the speed: {sorted(round(each, 2) for each in lost_s)}")
    assert max(lost_s) <= journals.COMMIT_EVERY_S + 0.1
