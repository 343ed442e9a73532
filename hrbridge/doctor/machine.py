"""What the machine itself must have: a journal and room for it, the date, sound, enough power."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hrbridge import timeline
from hrbridge.config import Headset
from hrbridge.dates import Moment
from hrbridge.doctor.finding import Finding, fails, hint, ok
from hrbridge.errors import DamagedJournal, HrbridgeError, JournalError
from hrbridge.journal import WAL_LIMIT_BYTES, Journal
from hrbridge.sinks.journal import recording_alone

# What an hour of a run comes to, packed [measured: 200 kB], and what is written beside it meanwhile.
BYTES_PER_HOUR = 200_000
BESIDE_BYTES = 2 * WAL_LIMIT_BYTES
ENOUGH_HOURS = 20.0
MANY_HOURS = 1000.0
# More than one page of any file system.
PROBE_BYTES = 65_536
VCGENCMD_TAKES_S = 2.0
UNDER_VOLTAGE_NOW, UNDER_VOLTAGE_BEFORE = 1 << 0, 1 << 16  # vcgencmd get_throttled, documentation of Raspberry Pi OS
HWMON = Path("/sys/class/hwmon")
POWER_REMEDY = "use the supply that was made for this board, and a short cable"


# the journal


def journal(path: Path, runner_id: str) -> Iterator[Finding]:
    """Opens, may be written, has room, and is written by nobody else."""
    yield _opens(path)
    folder = next(each for each in path.absolute().parents if each.is_dir())
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(PROBE_BYTES))
            os.fsync(probe.fileno())
    except OSError as error:
        yield fails("disk", f"{folder}: cannot be written: {error.strerror}: free some space, or check owner and card")
        return
    yield room(shutil.disk_usage(folder).free, folder)
    if path.parent.is_dir():
        with recording_alone(path, runner_id) as alone:
            if not alone:
                yield hint(
                    "recording", f"another hrbridge records the runs of {runner_id}: a second one would not be kept"
                )


def _opens(path: Path) -> Finding:
    if not path.exists():
        return ok("journal", f"{path} will be begun with the first run")
    try:
        with Journal(path) as opened:
            if not opened.writable:
                return fails("journal", f"{path}: may only be read: check its owner")
            return ok("journal", f"{path}: {len(opened.sessions())} runs")
    except DamagedJournal as error:
        return hint("journal", f"{error}; a run would set it aside and begin a new one")
    except JournalError as error:
        return fails("journal", str(error))


def room(free_bytes: int, folder: Path) -> Finding:
    hours = max(0.0, free_bytes - BESIDE_BYTES) / BYTES_PER_HOUR
    if hours < 1:
        return fails("disk", f"{folder}: {free_bytes / 1e6:.0f} MB are free, not enough for a run: free some space")
    if hours < ENOUGH_HOURS:
        return hint("disk", f"{folder}: room for {hours:.0f} hours of running: free some space soon")
    return ok("disk", f"{folder}: room for {f'{hours:.0f}' if hours < MANY_HOURS else 'more than a thousand'} hours")


# date, sound, power


def date(now: Moment) -> Finding:
    if now.right:
        return ok("date", "right, as far as this machine can tell")
    return hint("date", "not known yet, for nobody has told this board: runs are dated as soon as a network does")


def sound(settings: Headset) -> Finding | None:
    """Only where a headset could run."""
    if importlib.util.find_spec("miniaudio") is None:
        return None
    from hrbridge.clients.player import Track, open_output

    try:
        open_output("auto", Track(), timeline.MonotonicClock().now_s(), device=settings.device).close()
    except HrbridgeError as error:
        return hint("sound", f"{error}; no matter where the headset is another machine")
    if not settings.command and shutil.which("espeak-ng") is None:
        return hint("sound", "tones, but no words: sudo apt install espeak-ng")
    return ok("sound", "a headset on this machine would be heard")


def power(hwmon: Path = HWMON) -> Finding | None:
    """Only on a Raspberry Pi: Bluetooth is among the first things that a weak supply breaks."""
    now, before = _throttled()
    alarms = [name.parent / "in0_lcrit_alarm" for name in sorted(hwmon.glob("*/name")) if _read(name) == "rpi_volt"]
    if not alarms and now is None:
        return None
    if now or any(_read(alarm) == "1" for alarm in alarms):
        return hint("power", f"too weak at this moment (under-voltage): {POWER_REMEDY}")
    if before:
        return hint("power", f"was too weak since this machine was switched on (under-voltage): {POWER_REMEDY}")
    return ok("power", "enough")


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _throttled() -> tuple[bool | None, bool | None]:
    """Whether there is under-voltage now, and was before; None where nobody tells."""
    program = shutil.which("vcgencmd")
    if program is None:
        return None, None
    try:
        said = subprocess.run([program, "get_throttled"], capture_output=True, text=True, timeout=VCGENCMD_TAKES_S)  # noqa: S603 - of the system
        bits = int(said.stdout.strip().partition("=")[2], 16)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None, None
    return bool(bits & UNDER_VOLTAGE_NOW), bool(bits & UNDER_VOLTAGE_BEFORE)
