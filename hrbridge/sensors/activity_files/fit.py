"""FIT, the format of most watches (flexible and interoperable data transfer), read with fitdecode."""

from __future__ import annotations

import io
from bisect import bisect_left, bisect_right
from itertools import takewhile
from pathlib import Path
from typing import Any

from hrbridge.errors import UsageError
from hrbridge.sensors.activity_files.recording import Reading, Record
from hrbridge.sensors.activity_files.values import count, finite

EPOCH_S = 631_065_600  # 1989-12-31T00:00:00Z, FIT protocol, type date_time
DATED_S = 0x10000000  # smaller FIT times count from power-on
DEGREES_PER_SEMICIRCLE = 180 / 2**31


def read(path: str | Path, data: bytes) -> Reading:
    try:
        import fitdecode
    except ImportError as error:
        raise UsageError(f"{path}: FIT files need an extra: pip install 'hrbridge[files]'") from error
    messages = _Messages()
    reading = messages.reading
    if data[8:12] == b".FIT" and data[4:8] == bytes(4) and len(data) > data[0] + 2:
        reading.damage.append("byte 4: the length is 0: the recording was never closed")
        data = data[:4] + (len(data) - data[0]).to_bytes(4, "little") + data[8:]
    stream = io.BytesIO(data)
    frames = iter(
        fitdecode.FitReader(  # type: ignore[no-untyped-call]
            stream,
            processor=None,  # times stay plain seconds, which is faster
            check_crc=fitdecode.CrcCheck.READONLY,
            error_handling=fitdecode.ErrorHandling.IGNORE,
        )
    )
    end_byte = 0  # of the last FIT file that is whole; several may stand in a row
    whole = False
    while True:
        try:
            frame = next(frames, None)
        except Exception as error:  # fitdecode answers garbage with whatever it stumbles over, not only FitError
            if whole:
                reading.notes.append(f"{count(len(data) - end_byte, 'byte')} behind its end ignored")
            else:
                cut_off = isinstance(error, fitdecode.FitEOFError) or "truncated" in str(error)
                what = "the file is cut off" if cut_off else f"not readable as FIT ({type(error).__name__})"
                reading.damage.append(f"byte {stream.tell()}: {what}")
            break
        if frame is None:
            break
        if frame.frame_type == fitdecode.FIT_FRAME_DATA:
            messages.take(frame.name, _fields(frame))
        elif frame.frame_type == fitdecode.FIT_FRAME_CRC:
            whole, end_byte = True, stream.tell()
            if not frame.matched:
                reading.damage.append(f"byte {end_byte - 2}: the checksum is wrong: some bytes before it have changed")
        elif frame.frame_type == fitdecode.FIT_FRAME_HEADER:
            whole = False
    return messages.close(whole)


def _fields(frame: Any) -> dict[str, Any]:
    """The values of one message by their names in the FIT profile, without developer fields and absent ones."""
    fields: dict[str, Any] = {}
    for data in frame.fields:
        if data.value is None or data.field is None:
            continue
        if data.field_def is None:  # worked out by fitdecode from a coarser field
            fields.setdefault(data.field.name, data.value)
        elif not data.field_def.is_dev:
            fields[data.field.name] = data.value
    return fields


class _Messages:
    """Gathers records from FIT messages, which come in the order of the recording."""

    def __init__(self) -> None:
        self.reading = Reading()
        self._records = self.reading.records
        self._waiting_rr_s: tuple[float, ...] = ()
        self._sport = ""
        self._timer_events: list[tuple[float, str]] = []

    def take(self, name: str, fields: dict[str, Any]) -> None:
        sport = str(fields.get("sport", ""))
        match name:
            case "record":
                self._record({name: finite(value) for name, value in fields.items()})
            case "hrv":
                self._beats(fields.get("time"))
            case "event" if fields.get("event") == "timer" and (time_s := finite(fields.get("timestamp"))) is not None:
                self._timer_events.append((time_s + EPOCH_S, str(fields.get("event_type"))))
            case "sport":  # newer watches name it before its records, all watches behind its laps
                self._sport = sport
            case "lap" | "session":
                for record in takewhile(lambda record: not record.sport, reversed(self._records)):
                    record.sport = sport
            case "file_id" if not self.reading.device:
                product = fields.get("product_name") or fields.get("garmin_product") or ""
                self.reading.device = f"{fields.get('manufacturer', '')} {product}".strip()

    def close(self, whole: bool) -> Reading:
        """The file is read; ``whole`` up to its checksum."""
        if self._records and self._waiting_rr_s:
            self._records[-1].rr_s += self._waiting_rr_s
        if not whole and any(record.rr_s for record in self._records):
            self._records.pop()  # its beats are cut off
        self._mark_pauses()
        return self.reading

    def _record(self, numbers: dict[str, float | None]) -> None:
        time_s = numbers.get("timestamp")
        if time_s is None or not 0 <= time_s < 2**32:
            self.reading.untimed += 1
            return
        if not self._records:
            self.reading.dated = time_s >= DATED_S
        cadence = numbers.get("cadence")
        latitude, longitude = numbers.get("position_lat"), numbers.get("position_long")
        record = Record(
            time_s + EPOCH_S,
            numbers.get("heart_rate"),
            speed_m_s=numbers.get("enhanced_speed", numbers.get("speed")),
            cadence=None if cadence is None else cadence + (numbers.get("fractional_cadence") or 0.0),
            distance_m=numbers.get("distance"),
            incline_percent=numbers.get("grade"),
            latitude=None if latitude is None else latitude * DEGREES_PER_SEMICIRCLE,
            longitude=None if longitude is None else longitude * DEGREES_PER_SEMICIRCLE,
            altitude_m=numbers.get("enhanced_altitude", numbers.get("altitude")),
            sport=self._sport,
        )
        if not self._records or self._records[-1].time_s != record.time_s:
            record.rr_s, self._waiting_rr_s = self._waiting_rr_s, ()
        self._records.append(record)

    def _beats(self, times_s: object) -> None:
        """Watches write the beats of a second behind its record; a record that has its own leaves them to the next."""
        numbers = map(finite, times_s if isinstance(times_s, tuple) else (times_s,))
        rr_s = tuple(number for number in numbers if number)
        if self._records and not self._records[-1].rr_s and not self._waiting_rr_s:
            self._records[-1].rr_s = rr_s
        else:
            self._waiting_rr_s += rr_s

    def _mark_pauses(self) -> None:
        """Last, for some watches write all timer events before all records."""
        times_s = [record.time_s for record in self._records]
        stopped_s: float | None = None
        for time_s, kind in self._timer_events:
            if kind.startswith("stop") and stopped_s is None:
                stopped_s = time_s
            elif kind == "start" and stopped_s is not None:
                first = bisect_right(times_s, stopped_s)
                again = max(first, bisect_left(times_s, time_s))
                stopped_s = None
                if first > 0:  # else it stopped before the run
                    for record in self._records[first:again]:
                        record.while_stopped = True
                    for record in self._records[again : again + 1]:
                        record.pause_after_s = 0.0
