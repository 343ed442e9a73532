"""Our own traces as recordings: the events of a run that hrbridge was there for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from hrbridge import trace
from hrbridge.decisions import Step
from hrbridge.errors import InputFileError
from hrbridge.events import Tick
from hrbridge.sensors.activity_files.recording import Recording
from hrbridge.sensors.activity_files.values import count


def read(path: str | Path, data: bytes, lenient: bool) -> Recording:
    """All its events but the ticks; with ``lenient`` those before the first line that is wrong."""
    if str(path).lower().endswith(".gz"):
        raise InputFileError(f"{path}: unpack the trace first: gunzip {path}")
    try:
        whole = trace.read(path)
        header, steps = whole.header, whole.steps
        notes = ["the last line is cut off: dropped"] if whole.dropped_lines else []
    except InputFileError as error:
        begun, steps = _beginning(data)
        if begun is None or not steps:
            raise
        used = count(len(steps), "step")
        if not lenient:
            raise InputFileError(f"{error}; --lenient uses the {used} before it") from None
        header = begun
        notes = [f"damaged ({error}): used {used}, {steps[-1].at_s / 60:.1f} min"]
    if not steps:
        raise InputFileError(f"{path}: no step in it")
    return of_steps(header, steps, "hrbridge", notes)


def of_steps(header: trace.Header, steps: Sequence[Step], device: str, notes: Sequence[str] = ()) -> Recording:
    """The recording of a run, from a trace or the journal."""
    events = tuple(step.event for step in steps if not isinstance(step.event, Tick))
    return Recording(events, header.started_at, device, tuple(notes), header, tuple(steps))


def _beginning(data: bytes) -> tuple[trace.Header | None, list[Step]]:
    """The header and the steps before the first line that is wrong; None for a header that is wrong itself."""
    first, *lines = data.split(b"\n")
    header: trace.Header | None = None
    steps: list[Step] = []
    with suppress(*trace.UNREADABLE):
        header = msgspec.json.decode(first, type=trace.Header)
        if (header.format, header.version) != (trace.FORMAT, trace.VERSION):
            return None, []
        for step in map(trace.decode, lines):
            if steps and step.at_s < steps[-1].at_s:
                break
            steps.append(step)
    return header, steps
