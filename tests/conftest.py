"""What every test may ask for: the console script, a strap in the air, recordings, tools that must be there in CI."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest
from fake_bluez import FakeBluez, Strap, private_bus

from hrbridge.cli import main

# The same examples every time: a suite that passes must pass again.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.load_profile("same")

IN_CI = os.environ.get("CI") == "true"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="simulate the golden runs anew (see tests/test_golden.py)")


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, object]:
        (line,) = self.out.splitlines()
        return json.loads(line)


Hrbridge = Callable[..., Ended]


@pytest.fixture
def hrbridge(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Hrbridge]:
    """The console script with these words; in this process, for a new one takes half a second."""
    handlers, level = logging.root.handlers[:], logging.root.level

    def run(*words: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["hrbridge", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Ended(int(ended.value.code or 0), said.out, said.err)

    yield run
    logging.root.handlers[:], logging.root.level = handlers, level


@pytest.fixture(scope="session")
def traces() -> Path:
    """The folder of real recordings; they are not ours to publish, so it is named by HRBRIDGE_TRACES."""
    folder = os.environ.get("HRBRIDGE_TRACES", "")
    if not folder:
        pytest.skip("HRBRIDGE_TRACES is not set: no real recordings to test with")
    return Path(folder)


@pytest.fixture(scope="session")
def needs_tool() -> Callable[[str], str]:
    """The path of a program; without it the test is skipped, in CI it fails."""

    def find(name: str) -> str:
        path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
        if path is None:
            message = f"{name} is not installed"
            if IN_CI:
                pytest.fail(message)
            pytest.skip(message)
        return path

    return find


@pytest.fixture
def bus(needs_tool: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a D-Bus that takes the place of the system's."""
    address = f"unix:path={tmp_path}/bus"
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    with private_bus(needs_tool("dbus-daemon"), tmp_path):
        yield address


@pytest.fixture
def strap() -> Strap:
    return Strap()


@pytest.fixture
async def bluez(bus: str, strap: Strap) -> AsyncIterator[FakeBluez]:
    """A bluetoothd there, with this strap in the air."""
    async with FakeBluez(bus, strap) as bluez:
        yield bluez
