"""Polar HRM: sections of text ("Polar HRM2 file format description", version 1.4, 2009)."""

from __future__ import annotations

import math
import re
import statistics
from pathlib import Path

from hrbridge.errors import InputFileError
from hrbridge.sensors.activity_files import values
from hrbridge.sensors.activity_files.recording import PAUSE_AFTER_S, Reading, Record
from hrbridge.sensors.activity_files.values import finite

KM_H_M_S, MPH_M_S = 1 / 3.6, 0.44704
AT_LAPS, BEATS = 204, 238  # intervals that stand for "only at lap times" and for RR in milliseconds

Rows = list[tuple[int, str]]  # lines with their numbers


def read(path: str | Path, data: bytes) -> Reading:
    text = values.text(data)
    last_line = len(text.splitlines())
    sections = _sections(text)
    if "hrdata" not in sections:
        raise InputFileError(f"{path}: line {last_line}: no [HRData] up to here: not Polar HRM, or cut off")
    rows = sections["hrdata"]
    pairs = (line.partition("=") for _, line in sections.get("params", []))
    params = {name.strip().lower(): value.strip() for name, _, value in pairs}
    reading = Reading(device=f"Polar (monitor {params['monitor']})" if "monitor" in params else "Polar")
    try:
        start_s = values.seconds(params.get("date", "")) + (_clock_s(params.get("starttime", "")) or 0.0)
    except ValueError:
        start_s, reading.dated = 0.0, False
    first_column = [number for _, row in rows if (number := finite(row.split()[0])) is not None]
    interval_s = finite(params.get("interval"))
    if interval_s is None:  # no heart rate is above 255, hardly a beat below 255 ms
        interval_s = BEATS if first_column and statistics.median(first_column) > 255 else 1.0
    if not 0 < interval_s <= 3600:
        raise InputFileError(
            f"{path}: Interval={params['interval']} is none that Polar wrote: 1, 5, 15, 60, {AT_LAPS} or {BEATS}"
        )
    if interval_s == AT_LAPS:
        reading.records = _at_laps(start_s, sections.get("inttimes", []))
        reading.notes.append("heart rate only at the lap times")
        return reading
    lasts_s = sum(first_column) / 1000 if interval_s == BEATS else len(rows) * interval_s
    length_s = _clock_s(params.get("length", "")) or 0.0
    short_s = length_s - lasts_s
    if rows and not text.endswith(("\n", "\r")) and short_s > (2.0 if interval_s == BEATS else interval_s):
        reading.damage.append(f"line {rows.pop()[0]}: the file is cut off")
    elif short_s > 0.1 * length_s:
        reading.damage.append(f"line {last_line}: the file is cut off after {lasts_s:.0f} of {length_s:.0f} s")
    if interval_s == BEATS:
        reading.records = _beats(start_s, rows, reading.damage)
        if short_s > 2.0 and reading.records:
            reading.records.pop()  # the last beats of its second may be cut off
    else:
        reading.records = _samples(start_s, interval_s, rows, params, reading.damage)
    return reading


def _sections(text: str) -> dict[str, Rows]:
    """Lines by the lower-case name of their section."""
    sections: dict[str, Rows] = {}
    rows: Rows = []
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        if line.startswith("[") and line.endswith("]"):
            rows = sections.setdefault(line[1:-1].lower(), [])
        elif line:
            rows.append((number, line))
    return sections


def _clock_s(text: str) -> float | None:
    """Seconds of hh:mm:ss.d."""
    found = re.fullmatch(r"(\d{1,4}):(\d\d):(\d\d(?:\.\d+)?)", text)
    return None if found is None else int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])


def _samples(start_s: float, interval_s: float, rows: Rows, params: dict[str, str], damage: list[str]) -> list[Record]:
    """One row per interval: heart rate, then the columns that SMode (from version 106) or Mode announces.

    SMode: speed, cadence, altitude, power, balance, pedalling, heart rate only
    or not, miles; Mode: cadence (0) or altitude (1), cycling data or not,
    miles. Speed in 0.1 km/h or 0.1 mph.
    """
    smode, mode = params.get("smode", ""), params.get("mode", "")
    has_speed = (smode[:1] or mode[1:2]) == "1"
    has_cadence = smode[1:2] == "1" or (not smode and mode[:2] == "01")
    in_miles = (smode[7:8] if smode else mode[2:3]) == "1"
    records = []
    for index, (line, row) in enumerate(rows):
        record = Record(start_s + index * interval_s)
        records.append(record)  # an unreadable row still takes its time
        cells = row.split()
        numbers = [number for cell in cells if (number := finite(cell)) is not None]
        if len(numbers) < len(cells):
            damage.append(f"line {line}: {row[:40]!r} is not a row of numbers")
            continue
        columns = iter(numbers)
        record.heart_rate_bpm = next(columns)
        if has_speed and (speed := next(columns, None)) is not None:
            record.speed_m_s = 0.1 * speed * (MPH_M_S if in_miles else KM_H_M_S)
        if has_cadence:
            record.cadence = next(columns, None)
    return records


def _beats(start_s: float, rows: Rows, damage: list[str]) -> list[Record]:
    """RR in milliseconds, one per row: a record for each second, with the beats that end in it."""
    records: list[Record] = []
    end_ms = 0.0
    for line, row in rows:
        rr_ms = finite(row.split()[0])
        if rr_ms is None or not 0 < rr_ms < 10_000_000:
            damage.append(f"line {line}: {row[:40]!r} is no RR interval in ms")
            continue
        end_ms += rr_ms
        time_s = start_s + math.ceil(end_ms / 1000)
        if records and rr_ms <= 1000 * PAUSE_AFTER_S:
            while records[-1].time_s < time_s - 1:
                records.append(Record(records[-1].time_s + 1))
        if not records or records[-1].time_s < time_s:
            records.append(Record(time_s))
        records[-1].rr_s += (rr_ms / 1000,)
    return records


def _at_laps(start_s: float, rows: Rows) -> list[Record]:
    """Every lap begins with a row of its time and the heart rate at it."""
    laps = [(_clock_s(cells[0]), cells[1]) for _, row in rows if len(cells := row.split()) > 1]
    return [Record(start_s + clock_s, finite(rate)) for clock_s, rate in laps if clock_s is not None]
