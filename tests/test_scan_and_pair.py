"""``hrbridge scan`` and ``hrbridge pair`` as a runner types them, with a BlueZ whose straps have a pulse."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import resource
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fake_bluez import FakeBluez, Strap, heart_rate_services, treadmill_services, uuid

from hrbridge import config

ROOT = Path(__file__).parent.parent
# Fake straps advertise fifty times as often as real ones.
PROGRAM = (
    "from hrbridge.sensors import survey; survey.HEAR_FIRST_S = 0.1; survey.ASK_AGAIN_S = 0.1; "
    "from hrbridge.cli import main; main()"
)
IN_TIME_S = 20.0
MINE = "A0:9E:1A:11:22:33"
OTHER = "C4:00:00:00:00:02"


@pytest.fixture
def mine() -> Strap:
    return Strap(MINE, "Polar H10 1234ABCD", services=heart_rate_services(20))


@pytest.fixture
def other() -> Strap:
    return Strap(OTHER, "HRM-Dual", rssi_dbm=-70)


@pytest.fixture
def treadmill() -> Strap:
    return Strap("11:22:33:44:55:66", "FitRun", advertised=[uuid(0x1826)], services=treadmill_services())


@pytest.fixture
def strap(mine: Strap) -> Strap:
    return mine


@pytest.fixture
def alex(tmp_path: Path) -> Path:
    path = tmp_path / "alex.toml"
    path.write_text((ROOT / "configs" / "pi.toml").read_text())
    return path


@contextlib.asynccontextmanager
async def hrbridge(*words: str | Path, **streams: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """hrbridge in a process of its own, killed at the end if it still runs."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", PROGRAM),
        *map(str, words),
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"},
        **{"stdin": asyncio.subprocess.DEVNULL, "stdout": pipe, "stderr": pipe, **streams},
    )
    try:
        async with asyncio.timeout(IN_TIME_S):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    """Its exit code, and what it said on both streams."""
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


class Terminal:
    """What a person at the keyboard of a process sees and types."""

    def __init__(self) -> None:
        self._master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        self.shown = ""
        self._news = asyncio.Event()

    def __enter__(self) -> Terminal:
        asyncio.get_running_loop().add_reader(self._master, self._read)
        return self

    def __exit__(self, *exc: object) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self.slave)
        os.close(self._master)

    def _read(self) -> None:
        self.shown += os.read(self._master, 65536).decode()
        self._news.set()

    async def shows(self, words: str) -> None:
        """Wait until these words come, and forget all that came before."""
        while words not in self.shown:
            self._news.clear()
            await self._news.wait()
        self.shown = self.shown.partition(words)[2]

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    @property
    def streams(self) -> dict[str, int]:
        return {"stdin": self.slave, "stdout": self.slave, "stderr": self.slave}


async def beats(bluez: FakeBluez, strap: Strap, bpm: int) -> None:
    """The strap shows this pulse to whoever calls."""
    await bluez.subscribed(strap, within_s=IN_TIME_S)
    await bluez.notify(strap, f"00 {bpm:02x}")


# scan


async def test_scan_lists_what_is_in_range_the_strongest_first(
    bluez: FakeBluez, mine: Strap, other: Strap, treadmill: Strap
) -> None:
    bluez.straps[:] = [treadmill, other, mine]
    async with hrbridge("scan", "--for", "1.5") as process:
        await beats(bluez, mine, 120)
        await beats(bluez, other, 65)
        code, said, complaints = await ended(process)
    assert (code, complaints) == (0, "")
    assert [line.split("  ") for line in said.splitlines()] == [
        line.split("  ")
        for line in (
            "bpm  dBm  battery  name                address            what",
            "  -  -60        -  FitRun              11:22:33:44:55:66  treadmill or other machine",
            "120  -60     20 %  Polar H10 1234ABCD  A0:9E:1A:11:22:33  heart rate",
            " 65  -70     87 %  HRM-Dual            C4:00:00:00:00:02  heart rate",
            "What tells speed goes into [sensor] speed_address.",
        )
    ]
    assert not bluez.connected(mine)


async def test_scan_ends_well_when_stopped_and_lets_go_of_the_straps(bluez: FakeBluez, mine: Strap) -> None:
    async with hrbridge("scan", "--json") as process:
        await beats(bluez, mine, 120)
        process.send_signal(signal.SIGTERM)
        code, said, complaints = await ended(process)
    assert (code, complaints) == (0, "")
    assert [(found["address"], found["kinds"]) for found in json.loads(said)] == [(MINE, ["heart_rate"])]
    assert not bluez.connected(mine)


async def test_no_strap_is_told_in_one_line(bluez: FakeBluez, mine: Strap) -> None:
    mine.advertises = False
    async with hrbridge("scan", "--for", "0.3") as process:
        code, said, complaints = await ended(process)
    assert (code, said) == (1, "")
    assert complaints.startswith("hrbridge: no strap heard: worn, wet, not connected to a phone or watch? A watch must")
    assert complaints.count("\n") == 1


@pytest.mark.parametrize("words", ["scan --json", "pair --yes"])
async def test_a_radio_switched_off_is_told_once(bluez: FakeBluez, words: str) -> None:
    bluez.power(False)
    async with hrbridge(*words.split(), "--for", "1.5") as process:
        code, said, complaints = await ended(process)
    assert (code, said) == (1, "[]\n" if "--json" in words else "")
    assert complaints.endswith(
        "Bluetooth is switched off: bluetoothctl power on; if that fails rfkill unblock bluetooth\n"
    )
    assert complaints.count("\n") == 1


async def test_scan_on_a_terminal_stays_up_to_date_until_it_is_stopped(bluez: FakeBluez, mine: Strap) -> None:
    with Terminal() as terminal:
        async with hrbridge("scan", **terminal.streams) as process:
            await terminal.shows("Looking for straps: worn, wet")
            await beats(bluez, mine, 120)
            await terminal.shows("120  -60     20 %  Polar H10 1234ABCD")
            await bluez.notify(mine, "00 7b")
            await terminal.shows("123  -60     20 %  Polar H10 1234ABCD")
            process.send_signal(signal.SIGINT)
            await process.wait()
            await terminal.shows("\x1b[?25h")  # the cursor is back
    assert process.returncode == 0
    assert not bluez.connected(mine)


# pair


def text(path: Path) -> str:
    return path.read_text()


def sensor(path: Path) -> tuple[str, str]:
    settings = config.load(path).sensor
    return settings.address, settings.name


async def test_of_two_straps_the_one_with_my_pulse_is_remembered(
    bluez: FakeBluez, mine: Strap, other: Strap, alex: Path
) -> None:
    bluez.straps.append(other)
    async with hrbridge("pair", alex, "--pulse", "118", "--for", "2") as process:
        await beats(bluez, mine, 120)
        await beats(bluez, other, 65)
        code, said, complaints = await ended(process)
    assert (code, said) == (
        0,
        f"{alex} remembers Polar H10 1234ABCD (A0:9E:1A:11:22:33), 120 bpm, -60 dBm, battery 20 %.\n",
    )
    assert complaints == "Its battery is at 20 %: change it before a long run.\n"
    assert sensor(alex) == (MINE, "")


async def test_a_pulse_that_nobody_shows_chooses_nobody_and_lists_them(
    bluez: FakeBluez, mine: Strap, alex: Path
) -> None:
    before = text(alex)
    async with hrbridge("pair", alex, "--pulse", "150", "--for", "1.5") as process:
        await beats(bluez, mine, 120)
        code, said, complaints = await ended(process)
    assert code == 1
    assert "120  -60     20 %  Polar H10 1234ABCD" in said
    assert complaints == (
        "hrbridge: no strap shows 150 bpm, give or take 6: count again, or name yours with --address\n"
    )
    assert text(alex) == before


async def test_a_strap_in_use_can_be_named_and_is_not_disturbed(bluez: FakeBluez, mine: Strap, alex: Path) -> None:
    bluez.link(mine)
    async with hrbridge("pair", alex, "--address", MINE.lower(), "--for", "60") as process:
        code, said, _ = await ended(process)
    assert (code, said) == (
        0,
        f"{alex} remembers Polar H10 1234ABCD (A0:9E:1A:11:22:33), in use by another program.\n",
    )
    assert sensor(alex) == (MINE, "")
    assert bluez.connected(mine)


async def test_a_watch_that_changes_its_address_is_remembered_by_its_name(
    bluez: FakeBluez, mine: Strap, alex: Path
) -> None:
    bluez.straps[:] = [watch := Strap("5B:00:00:00:00:07", "Forerunner 255", address_type="random")]
    async with hrbridge("pair", alex, "--address", watch.address, "--for", "60") as process:
        await beats(bluez, watch, 120)
        code, _, complaints = await ended(process)
    assert (code, complaints) == (0, "It changes its address now and then, so it is remembered by its name.\n")
    assert sensor(alex) == ("", "Forerunner 255")


async def test_without_a_configuration_the_lines_for_it_are_printed(bluez: FakeBluez, mine: Strap) -> None:
    async with hrbridge("pair", "--yes", "--for", "1.5") as process:
        await beats(bluez, mine, 120)
        code, said, _ = await ended(process)
    assert code == 0
    assert said.splitlines() == [
        "# Polar H10 1234ABCD (A0:9E:1A:11:22:33), 120 bpm, -60 dBm, battery 20 %",
        "[sensor]",
        'kind = "ble"',
        'address = "A0:9E:1A:11:22:33"',
    ]


async def test_a_configuration_that_cannot_be_written_is_left_to_the_hand(
    bluez: FakeBluez, mine: Strap, alex: Path
) -> None:
    before = text(alex)

    def fill_the_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    async with hrbridge("pair", alex, "--address", MINE, "--for", "60", preexec_fn=fill_the_disk) as process:
        await beats(bluez, mine, 120)
        code, said, complaints = await ended(process)
    assert (code, said) == (1, '[sensor]\nkind = "ble"\naddress = "A0:9E:1A:11:22:33"\n')
    assert complaints.endswith(f"hrbridge: {alex}: cannot be written: File too large; put these lines in by hand\n")
    assert text(alex) == before


async def test_on_a_terminal_the_number_of_mine_is_asked_for(
    bluez: FakeBluez, mine: Strap, other: Strap, treadmill: Strap, alex: Path
) -> None:
    bluez.straps[:] = [treadmill, other, mine]
    with Terminal() as terminal:
        async with hrbridge("pair", alex, **terminal.streams) as process:
            await beats(bluez, other, 65)
            await beats(bluez, mine, 120)
            await terminal.shows("\n2   65  -70     87 %  HRM-Dual")
            await terminal.shows("\n3  120  -60     20 %  Polar H10 1234ABCD")
            terminal.type("1\r")  # the treadmill: asked again
            terminal.type("42\x7f\x7f3")
            await terminal.shows("Number of the one that shows your pulse, then Enter: 3")
            terminal.type("\r")
            await process.wait()
            await terminal.shows("remembers Polar H10 1234ABCD")
    assert process.returncode == 0
    assert sensor(alex) == (MINE, "")


@pytest.mark.parametrize(
    ("keys", "code", "said", "address"),
    [
        ("\r", 0, "remembers Polar H10", MINE),
        ("n\r", 1, "no strap chosen: nothing is remembered", "C0:FF:EE:00:00:01"),
        ("\x04", 1, "no strap chosen: nothing is remembered", "C0:FF:EE:00:00:01"),
    ],
)
async def test_on_a_terminal_a_single_strap_is_asked_after(
    bluez: FakeBluez, mine: Strap, alex: Path, keys: str, code: int, said: str, address: str
) -> None:
    with Terminal() as terminal:
        async with hrbridge("pair", alex, **terminal.streams) as process:
            await terminal.shows("Is Polar H10 1234ABCD (A0:9E:1A:11:22:33) yours? [Y/n]")
            terminal.type(keys)
            await process.wait()
            await terminal.shows(said)
    assert process.returncode == code
    assert sensor(alex) == (address, "")


async def test_who_is_stopped_before_the_time_is_over_chooses_nobody(bluez: FakeBluez, mine: Strap, alex: Path) -> None:
    before = text(alex)
    async with hrbridge("pair", alex, "--yes") as process:
        await beats(bluez, mine, 120)
        process.send_signal(signal.SIGTERM)
        code, said, complaints = await ended(process)
    assert (code, said, complaints) == (1, "", "hrbridge: no strap chosen: nothing is remembered\n")
    assert text(alex) == before


async def test_who_leaves_without_choosing_changes_nothing(bluez: FakeBluez, mine: Strap, alex: Path) -> None:
    before = text(alex)
    with Terminal() as terminal:
        async with hrbridge("pair", alex, **terminal.streams) as process:
            await beats(bluez, mine, 120)
            await terminal.shows("120  -60     20 %")
            process.send_signal(signal.SIGINT)
            await process.wait()
            await terminal.shows("hrbridge: no strap chosen: nothing is remembered")
            echoes = termios.tcgetattr(terminal.slave)[3] & termios.ECHO
    assert process.returncode == 1
    assert echoes
    assert text(alex) == before
    assert not bluez.connected(mine)
