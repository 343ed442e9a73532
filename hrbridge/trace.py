"""The trace: one JSON line per step, so that a run can be stepped again and compared, byte for byte.

Line 1 is the header (who, which plan, which numbers of the controller), every
further line one step. ``at_s`` stands once, at the front of the line; inside
the program it belongs to the event.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import msgspec
from msgspec import Struct

from hrbridge.config import Control, Plan, Runner
from hrbridge.dates import from_iso
from hrbridge.decisions import Step
from hrbridge.errors import InputFileError, OutputError

FORMAT = "hrbridge-trace"
VERSION = 1
# What bytes that are not a line of JSON can raise.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Header(Struct, frozen=True, kw_only=True):
    """The first line: everything beside the events that decisions depend on.

    ``started_at`` is UTC in ISO 8601; None for a simulated run; of a replayed
    one, the first time in the recording.
    """

    format: str = FORMAT
    version: int = VERSION
    started_at: str | None = None
    runner: Runner
    plan: Plan
    control: Control

    def __post_init__(self) -> None:
        if self.started_at is not None:
            from_iso(self.started_at)


@dataclass(frozen=True)
class Trace:
    """A trace in memory; ``dropped_lines`` counts a last line cut off by a crash or a power cut."""

    header: Header
    steps: list[Step]
    dropped_lines: int = 0

    def __iter__(self) -> Iterator[Any]:
        """Lets ``header, steps = trace.read(path)`` be written."""
        return iter((self.header, self.steps))


def encode(step: Step) -> bytes:
    """One line of a trace, with its newline."""
    fields: dict[str, Any] = msgspec.to_builtins(step)
    event = fields.pop("event")
    refused = fields.pop("refused")
    line = {"at_s": event.pop("at_s"), "event": event, **fields}
    if refused is not None:
        line["refused"] = refused
    return msgspec.json.encode(line) + b"\n"


def decode(line: bytes) -> Step:
    """The step of one line; raises msgspec.DecodeError or its child ValidationError."""
    fields = msgspec.json.decode(line, type=dict[str, Any])
    event = fields.get("event")
    if not isinstance(event, dict):
        raise msgspec.ValidationError("Object missing required field `event`")
    if "at_s" not in fields:
        raise msgspec.ValidationError("Object missing required field `at_s`")
    fields["event"] = {**event, "at_s": fields.pop("at_s")}
    return msgspec.convert(fields, Step)


class Writer:
    """Writes a trace line by line and keeps its SHA-256; without a path it only counts and hashes.

    A sink of steps. Raises OutputError when the file cannot be written.
    """

    def __init__(self, path: str | Path | None, header: Header) -> None:
        self.path = path
        self._hash = hashlib.sha256()
        self._file: BinaryIO | None = None
        if path is not None:
            try:
                self._file = Path(path).open("wb")  # noqa: SIM115 - closed by close()
            except OSError as error:
                raise OutputError(f"{path}: cannot write the trace: {error.strerror}") from error
        self._write(msgspec.json.encode(header) + b"\n")

    @property
    def sha256(self) -> str:
        """Hexadecimal, over every byte written so far."""
        return self._hash.hexdigest()

    def take(self, step: Step) -> None:
        self._write(encode(step))

    def close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            try:
                file.close()
            except OSError as error:
                raise OutputError(f"{self.path}: the trace is incomplete: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, line: bytes) -> None:
        self._hash.update(line)
        if self._file is not None:
            try:
                self._file.write(line)
            except OSError as error:
                # Told once: closing would only fail again.
                with suppress(OSError):
                    self._file.close()
                self._file = None
                raise OutputError(f"{self.path}: the trace is incomplete: {error.strerror}") from error


def write(path: str | Path, header: Header, steps: Iterable[Step]) -> str:
    """Write a whole trace; returns its SHA-256 in hexadecimal. Raises OutputError."""
    with Writer(path, header) as writer:
        for step in steps:
            writer.take(step)
    return writer.sha256


def read(path: str | Path) -> Trace:
    """Read a trace; raises InputFileError with the line that is wrong.

    Only the last line may be cut off: it is dropped and counted.
    """
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except FileNotFoundError:
        raise InputFileError(f"{path}: no such file") from None
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read: {error.strerror}") from None
    tail = lines.pop()
    dropped = 1 if tail else 0
    if not lines:
        raise InputFileError(f"{path}: line 1: not a trace: the header line is missing or cut off")
    header = _read_header(path, lines[0])
    steps: list[Step] = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            steps.append(decode(line))
        except UNREADABLE as error:
            raise InputFileError(f"{path}: line {number}: {error}") from None
        if len(steps) > 1 and steps[-1].at_s < steps[-2].at_s:
            raise InputFileError(f"{path}: line {number}: at_s runs back from {steps[-2].at_s} to {steps[-1].at_s}")
    return Trace(header, steps, dropped)


def _read_header(path: str | Path, line: bytes) -> Header:
    try:
        fields = msgspec.json.decode(line)
    except UNREADABLE:
        fields = None
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise InputFileError(f'{path}: line 1: not a trace: expected {{"format":"{FORMAT}",...}}')
    if fields.get("version") != VERSION:
        raise InputFileError(
            f"{path}: line 1: trace version {fields.get('version')}; this hrbridge reads {VERSION}: use a newer one"
        )
    try:
        return msgspec.convert(fields, Header)
    except msgspec.ValidationError as error:
        raise InputFileError(f"{path}: line 1: {error}") from None
