"""What stands before a run in which faults strike: a D-Bus for all of them, a broker and a small disk for each."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from brokers import Mosquitto
from fake_bluez import private_bus

from .live_run import Stage

MEMORY = Path("/dev/shm")  # how fast the disk is, is not asked here


@pytest.fixture(scope="module")
def bus(needs_tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Its address, and the pid of its daemon."""
    folder = tmp_path_factory.mktemp("bus")
    with private_bus(needs_tool("dbus-daemon"), folder) as daemon:
        yield f"unix:path={folder}/bus", daemon.pid


@pytest.fixture(scope="module")
def stages(needs_tool: Callable[[str], str], bus: tuple[str, int]) -> Callable[[], AbstractContextManager[Stage]]:
    @contextlib.contextmanager
    def stage() -> Iterator[Stage]:
        with (
            tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder,
            small_disk(Path(folder) / "disk") as disk,
            Mosquitto(needs_tool, Path(folder)) as broker,
        ):
            yield Stage(disk, *bus, broker)

    return stage


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 32 MB that can be filled; for whoever may not mount one, a folder."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", folder], capture_output=True)
    try:
        yield folder
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "-l", folder], check=True)
