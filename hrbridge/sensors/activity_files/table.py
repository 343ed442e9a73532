"""CSV with named columns: what a spreadsheet or a program of one's own can write."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from hrbridge.errors import InputFileError
from hrbridge.sensors.activity_files import values
from hrbridge.sensors.activity_files.recording import Reading, Record
from hrbridge.sensors.activity_files.values import count, finite

# Every column, with the range of its numbers; ``time`` is ISO 8601, ``rr_s`` blank-separated seconds.
COLUMNS: dict[str, tuple[float, float] | None] = {
    "at_s": (-1e9, 1e9),
    "time": None,
    "heart_rate_bpm": (0, 255),
    "rr_s": (0.001, 10),
    "contact": None,
    "speed_m_s": (0, 100),
    "cadence_spm": (0, 400),
    "distance_m": (0, 1e7),
    "incline_percent": (-100, 100),
    # What hrbridge export adds; passed over, for decisions are made anew.
    "phase": None,
    "required_drop_bpm": None,
    "cue": None,
    "reason": None,
}
CONTACT = {"": None, "true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def read(path: str | Path, data: bytes) -> Reading:
    header, *lines = values.text(data).splitlines()
    delimiter = next((mark for mark in ",;\t" if mark in header), ",")
    names = [name.strip().strip('"') for name in header.split(delimiter)]
    allowed = f"allowed are {', '.join(COLUMNS)}"
    for name in names:
        if name not in COLUMNS:
            raise InputFileError(f"{path}: line 1: unknown column {name[:40]!r}; {allowed}")
    if len(set(names)) < len(names) or not {"at_s", "time"} & set(names):
        raise InputFileError(f"{path}: line 1: needs each column once, and at_s or time; {allowed}")
    reading = Reading(dated="time" in names, both_feet=True)
    start_s, last_s = 0.0, -math.inf
    disorders = 0
    for line, text in enumerate(lines, start=2):
        try:
            cells = [cell.strip() for cell in next(csv.reader([text], delimiter=delimiter))]
            if not any(cells):
                continue
            if len(cells) != len(names):
                raise ValueError(f"{count(len(cells), 'cell')} under {count(len(names), 'column')}")
            row = dict(zip(names, cells, strict=True))
            record = _record(row)
            if not reading.records and {"at_s", "time"} <= row.keys():
                start_s = values.seconds(row["time"]) - record.time_s
        except (ValueError, csv.Error) as error:
            reading.damage.append(f"line {line}: {error}")
            continue
        record.time_s += start_s
        if record.time_s < last_s:
            reading.damage.append(f"line {line}: the time runs back by {last_s - record.time_s:g} s")
            disorders += 1
        last_s = max(last_s, record.time_s)
        reading.records.append(record)
    if disorders:
        reading.records.sort(key=lambda record: record.time_s)
        reading.notes.append(f"{count(disorders, 'row')} out of order: sorted")
    return reading


def _record(row: dict[str, str]) -> Record:
    """Raises ValueError in words for the user."""
    time_s = _number(row, "at_s") if "at_s" in row else values.seconds(row["time"])
    if time_s is None:
        raise ValueError("at_s is empty")
    contact = row.get("contact", "").lower()
    if contact not in CONTACT:
        raise ValueError(f"contact {contact[:40]!r} is neither true nor false")
    beats = (_number({"rr_s": beat}, "rr_s") for beat in row.get("rr_s", "").split())
    return Record(
        time_s,
        _number(row, "heart_rate_bpm"),
        tuple(beat for beat in beats if beat is not None),
        CONTACT[contact],
        _number(row, "speed_m_s"),
        _number(row, "cadence_spm"),
        _number(row, "distance_m"),
        _number(row, "incline_percent"),
    )


def _number(row: dict[str, str], name: str) -> float | None:
    text = row.get(name, "")
    if not text:
        return None
    number, bounds = finite(text), COLUMNS[name]
    if number is None:
        raise ValueError(f"{name} {text[:40]!r} is not a number")
    if bounds is not None and not bounds[0] <= number <= bounds[1]:
        raise ValueError(f"{name} {text[:40]} is not within {bounds[0]:g} to {bounds[1]:g}")
    return number
