"""Recorded activities as events: FIT, TCX, GPX, Polar HRM, CSV and our own traces, told apart by their content."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from pathlib import Path

from hrbridge.errors import InputFileError
from hrbridge.sensors.activity_files import fit, gpx, hrm, own_trace, table, tcx, values
from hrbridge.sensors.activity_files.recording import Reading, Recording, recording

__all__ = ["Recording", "read"]

LARGEST_BYTES = 256_000_000  # far more than a day of any watch

# Every format: the end of its name, how its text begins, and its reader. The content decides, or else the name.
FORMATS: tuple[tuple[str, str, Callable[[str | Path, bytes], Reading]], ...] = (
    (".fit", r".{0,8}\.FIT", fit.read),
    (".tcx", r"<(.*<)?([\w.-]+:)?TrainingCenterDatabase\b", tcx.read),
    (".gpx", r"<(.*<)?([\w.-]+:)?gpx\b", gpx.read),
    (".hrm", r"(?i)\[params\]", hrm.read),
    (".csv", r"[^\n]*heart_rate_bpm", table.read),
)


def read(path: str | Path, *, lenient: bool = False) -> Recording:
    """Read a recorded activity or a trace; gzip around it is seen through.

    Raises InputFileError with the place and the remedy; with ``lenient``, what
    a damaged file still gives is used, and a note says how much. Raises
    UsageError when the format needs an extra that is not installed.
    """
    data, damage = _load(path)
    head = values.text(data[:4096]).lstrip()
    if head.startswith("{"):
        return own_trace.read(path, data, lenient)
    name = str(path).lower().removesuffix(".gz")
    readers = [reader for _, beginning, reader in FORMATS if re.match(beginning, head, re.DOTALL)]
    readers += [reader for suffix, _, reader in FORMATS if name.endswith(suffix)]
    if not readers:
        raise InputFileError(f"{path}: not a recording: expected FIT, TCX, GPX, Polar HRM, CSV or a trace of hrbridge")
    reading = readers[0](path, data)
    reading.damage[:0] = damage
    return recording(path, reading, lenient)


def _load(path: str | Path) -> tuple[bytes, list[str]]:
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise InputFileError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InputFileError(f"{path}: cannot be read: {getattr(error, 'strerror', error)}") from None
    damage: list[str] = []
    if data.startswith(b"\x1f\x8b"):
        unpacker, packed_bytes = zlib.decompressobj(wbits=31), len(data)
        try:
            data = unpacker.decompress(data, LARGEST_BYTES + 1)
        except zlib.error as error:
            raise InputFileError(f"{path}: the gzip around it is damaged: {error}") from None
        if not unpacker.eof:
            damage = [f"byte {packed_bytes}: the gzip around it is cut off"]
    if not data:
        raise InputFileError(f"{path}: empty file")
    if len(data) > LARGEST_BYTES:
        raise InputFileError(f"{path}: larger than {LARGEST_BYTES // 1_000_000} MB: not an activity")
    return data, damage
