"""Recorded activities as events: FIT, TCX, GPX, Polar HRM, CSV and our own traces, told apart by their content.

Every format is read into the same list of records with the places where the
file is damaged; one pipeline then joins the time line, works out speed and
cadence, and turns records into events.
"""

from __future__ import annotations

import csv
import io
import math
import re
import statistics
import zlib
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.parsers import expat

import msgspec

from hrbridge import trace
from hrbridge.decisions import Step
from hrbridge.errors import InputFileError, UsageError
from hrbridge.events import Action, Command, Event, Sample, Speed, Tick

PAUSE_AFTER_S = 30.0  # a longer gap between records is a pause of the recording (CONTROLLER.md, section 1)
LAP_HOLE_S = 15.0  # between two laps; smart recording leaves about 10 s between records at the most
TRACK_HOLE_S = 1.0  # between two activities, tracks or segments; some programs begin a new one without a stop
LEAP_S = 86_400.0  # nobody runs on after a day: the clock was set
FASTEST_RUN_M_S = 12.0  # the fastest sprint ever measured is 12.4
FASTEST_RIDE_M_S = 40.0
WHEELS_M_S = 7.0  # who is faster than this a tenth of the time has wheels, if the file does not say
MOST_STRIDES_PER_MIN = 125.0  # more than this with one foot is not running: the file counts both
CHORD_S = 3.0  # speed from places: over at least this long, so that metres of noise weigh little,
CHORDS_S = 7.0  # and the median of the chords of this long, so that one wrong place weighs nothing
BEAT_S = (0.24, 2.0)  # 250 to 30 bpm: beats outside make no heart rate
BEATS_KEPT_S = 6.0  # a heart rate from beats older than this is none
LARGEST_BYTES = 256_000_000  # far more than a day of any watch

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIT_EPOCH_S = 631_065_600  # 1989-12-31T00:00:00Z, FIT protocol, type date_time
FIT_DATED_S = 0x10000000  # smaller FIT times count from power-on
DEGREES_PER_SEMICIRCLE = 180 / 2**31
EARTH_M = 6_371_000.0
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
KM_H_M_S, MPH_M_S = 1 / 3.6, 0.44704

# What a CSV file may hold, with the range of each number; ``time`` is ISO 8601, ``rr_s`` blank-separated seconds.
CSV_COLUMNS: dict[str, tuple[float, float] | None] = {
    "at_s": (-1e9, 1e9),
    "time": None,
    "heart_rate_bpm": (0, 255),
    "rr_s": (0.001, 10),
    "contact": None,
    "speed_m_s": (0, 100),
    "cadence_spm": (0, 400),
    "distance_m": (0, 1e7),
    "incline_percent": (-100, 100),
}
CSV_CONTACT = {"": None, "true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

# Elements of a TCX Trackpoint or a GPX trkpt, in lower case and without namespace, and what they are to us.
XML_FIELDS = {
    "time": "time",
    "latitudedegrees": "latitude",
    "longitudedegrees": "longitude",
    "distancemeters": "distance",
    "heartratebpm": "heart rate",
    "heartrate": "heart rate",
    "hr": "heart rate",
    "cadence": "cadence",
    "runcadence": "cadence",
    "cad": "cadence",
    "speed": "speed",
}


@dataclass(frozen=True)
class Recording:
    """An activity, whatever its format.

    ``events`` stand in order of time, at_s = 0 at the first record: one Sample
    per record, a Speed where the file tells one, pause and resume where the
    timer stood still; of a trace, all its events but the ticks. ``started_at``
    is the time of the first record, ISO 8601 UTC, None where the file has no
    date. ``notes`` say in words what was left out, repaired or is not there.
    ``header`` is that of a trace.
    """

    events: tuple[Event, ...]
    started_at: str | None
    device: str
    notes: tuple[str, ...] = ()
    header: trace.Header | None = None


@dataclass(slots=True)
class _Record:
    """One moment of a recording as its file tells it; ``cadence`` per minute, of one foot or both."""

    time_s: float
    heart_rate_bpm: float | None = None
    rr_s: tuple[float, ...] = ()
    contact: bool | None = None
    speed_m_s: float | None = None
    cadence: float | None = None
    distance_m: float | None = None
    incline_percent: float | None = None
    latitude: float | None = None
    longitude: float | None = None
    sport: str = ""
    pause_after_s: float = PAUSE_AFTER_S  # a longer gap before this record is a pause
    while_stopped: bool = False  # recorded although the timer stood still


@dataclass(slots=True)
class _Reading:
    """What one file gave: its records, and each place that cannot be read ("line 7: ...")."""

    records: list[_Record] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    device: str = ""
    dated: bool = True
    both_feet: bool = False  # cadence counts both feet


def read(path: str | Path, *, lenient: bool = False) -> Recording:
    """Read a recorded activity or a trace; gzip around it is seen through.

    Raises InputFileError with the place and the remedy; with ``lenient``, what
    a damaged file still gives is used, and a note says how much. Raises
    UsageError when the format needs an extra that is not installed.
    """
    data, damage = _load(path)
    kind = _kind(path, data)
    if kind == "trace":
        return _read_trace(path, data, lenient)
    reading = _READERS[kind](path, data)
    reading.damage = damage + reading.damage
    return _recording(path, reading, lenient)


def _load(path: str | Path) -> tuple[bytes, list[str]]:
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise InputFileError(f"{path}: no such file") from None
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # a NUL in the name
        raise InputFileError(f"{path!r}: cannot be read: {error}") from None
    damage: list[str] = []
    if data.startswith(b"\x1f\x8b"):
        unpacker = zlib.decompressobj(wbits=31)
        packed_bytes = len(data)
        try:
            data = unpacker.decompress(data, LARGEST_BYTES + 1)
        except zlib.error as error:
            raise InputFileError(f"{path}: the gzip around it is damaged: {error}") from None
        if not unpacker.eof:
            damage.append(f"byte {packed_bytes}: the gzip around it is cut off")
    if not data:
        raise InputFileError(f"{path}: empty file")
    if len(data) > LARGEST_BYTES:
        raise InputFileError(f"{path}: larger than {LARGEST_BYTES // 1_000_000} MB: not an activity")
    return data, damage


def _kind(path: str | Path, data: bytes) -> str:
    """The format by its content, or else by its name."""
    if data[8:12] == b".FIT":
        return "fit"
    encoding = "utf-16" if data.startswith(UTF_16_MARKS) else "utf-8-sig"
    head = data[:4096].decode(encoding, errors="replace").lstrip()
    if head.startswith("<"):
        return "xml"
    if head.startswith("{"):
        return "trace"
    if head[:8].lower() == "[params]":
        return "hrm"
    if "heart_rate_bpm" in head.partition("\n")[0]:
        return "csv"
    name = str(path).lower().removesuffix(".gz")
    for suffix, kind in ((".fit", "fit"), (".tcx", "xml"), (".gpx", "xml"), (".hrm", "hrm"), (".csv", "csv")):
        if name.endswith(suffix):
            return kind
    raise InputFileError(f"{path}: not a recording: expected FIT, TCX, GPX, Polar HRM, CSV or a trace of hrbridge")


def _text(data: bytes) -> str:
    """Text of any sort; what is not Unicode is Western European, as old software on Windows wrote it."""
    if data.startswith(UTF_16_MARKS):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _finite(value: object) -> float | None:
    """A number that a decoder or a text gave; None for all else, also for nan and infinities."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _bpm(value: float | None) -> float | None:
    """A heart rate; sensors and watches write 0 or 255 for none."""
    return value if value is not None and 0 < value < 255 else None


def _seconds(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 time, UTC where no zone is given; raises ValueError."""
    moment = datetime.fromisoformat(text.strip().upper())
    if not 1971 <= moment.year <= 2999:
        raise ValueError(f"the year {moment.year}")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - EPOCH) / timedelta(seconds=1)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _iso(time_s: float) -> str:
    moment = EPOCH + timedelta(seconds=round(time_s, 3))
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")


# From records to events


def _recording(path: str | Path, reading: _Reading, lenient: bool) -> Recording:
    records, notes = _one_time_line(reading.records)
    _heart_rate_from_beats(records)
    bpm_known = sum(record.heart_rate_bpm is not None for record in records)
    damage = reading.damage[0] if reading.damage else ""
    if len(reading.damage) > 1:
        damage += f", and {_count(len(reading.damage) - 1, 'more place')}"
    if damage and not (lenient and bpm_known):
        remedy = f"; --lenient uses the {_count(len(records), 'record')} that can be read" if bpm_known else ""
        raise InputFileError(f"{path}: {damage}{remedy}")
    if not records:
        raise InputFileError(f"{path}: no record in it" + "".join(f"; {note}" for note in reading.notes))
    if not bpm_known:
        raise InputFileError(f"{path}: no heart rate in its {_count(len(records), 'record')}: was a strap connected?")
    notes = reading.notes + notes
    if damage:
        used_min = (records[-1].time_s - records[0].time_s) / 60
        notes.insert(0, f"damaged at {damage}: used {_count(len(records), 'record')}, {used_min:.1f} min")
    if bpm_known < 0.95 * len(records):
        notes.append(f"heart rate in {100 * bpm_known / len(records):.0f} % of {len(records)} records")
    if not any(record.rr_s for record in records):
        notes.append("no RR intervals")
    _count_distance_up(records)
    if any(record.speed_m_s is None for record in records) and _speed_from_places(records):
        notes.append("speed worked out from distance or positions")
    _keep_what_feet_can(records, reading.both_feet)
    started_at = _iso(records[0].time_s) if reading.dated else None
    return Recording(tuple(_events(records)), started_at, reading.device, tuple(notes))


def _one_time_line(records: Iterable[_Record]) -> tuple[list[_Record], list[str]]:
    """Records whose times only grow: a clock that was set is held, a moment told twice becomes one."""
    kept: list[_Record] = []
    shift_s = 0.0
    jumps = doubles = 0
    for record in records:
        time_s = record.time_s + shift_s
        if kept:
            last_s = kept[-1].time_s
            if time_s == last_s:
                _add_missing(kept[-1], record)
                doubles += 1
                continue
            if not 0 < time_s - last_s <= LEAP_S:
                shift_s += last_s + 1.0 - time_s
                time_s = last_s + 1.0
                jumps += 1
                if record.pause_after_s <= TRACK_HOLE_S:  # not the clock: another track, of another day
                    record.pause_after_s = 0.0
        record.time_s = time_s
        kept.append(record)
    notes = []
    if jumps:
        notes.append(f"the clock of the recording jumps {_count(jumps, 'time')}: held together")
    if doubles:
        notes.append(f"{_count(doubles, 'record')} told twice for the same time: the first counts")
    return kept, notes


def _add_missing(record: _Record, double: _Record) -> None:
    """Some watches write heart rate and position of one second as two records."""
    for name in ("heart_rate_bpm", "contact", "speed_m_s", "cadence", "distance_m", "incline_percent"):
        if getattr(record, name) is None:
            setattr(record, name, getattr(double, name))
    if record.latitude is None:
        record.latitude, record.longitude = double.latitude, double.longitude
    record.rr_s = record.rr_s or double.rr_s


def _heart_rate_from_beats(records: list[_Record]) -> None:
    """Where a file holds only RR: the rate of the median of the last five plausible beats."""
    if any(record.heart_rate_bpm is not None for record in records):
        return
    beats: deque[tuple[float, float]] = deque(maxlen=5)
    for record in records:
        beats.extend((record.time_s, rr_s) for rr_s in record.rr_s if BEAT_S[0] <= rr_s <= BEAT_S[1])
        while beats and record.time_s - beats[0][0] > BEATS_KEPT_S:
            beats.popleft()
        if beats:
            record.heart_rate_bpm = 60 / statistics.median(rr_s for _, rr_s in beats)


def _count_distance_up(records: list[_Record]) -> None:
    """Distance that only grows, through laps or activities that begin again at nought."""
    before_m = raw_m = last_m = 0.0
    for record in records:
        if record.distance_m is None:
            continue
        if record.distance_m < raw_m / 2:
            before_m = last_m
        raw_m = record.distance_m
        last_m = record.distance_m = max(last_m, before_m + raw_m)


def _speed_from_places(records: list[_Record]) -> bool:
    """Give each record without a speed that of its last ten seconds; only what lies behind it is used.

    Chords of 3 s or more, by distance where the file has it and else from place
    to place; their median over 7 s. True when any record got one.
    """
    found = False
    chords: deque[tuple[float, float]] = deque()
    behind = 0
    for here, record in enumerate(records):
        if here and _timer_stood_still(records[here - 1], record):
            chords.clear()
            behind = here
        while behind + 1 < here and record.time_s - records[behind + 1].time_s >= CHORD_S:
            behind += 1
        chord_s = record.time_s - records[behind].time_s
        if chord_s >= CHORD_S:
            chord_m = _metres_between(records[behind], record)
            if chord_m is not None and chord_m <= FASTEST_RIDE_M_S * chord_s:
                chords.append((record.time_s, chord_m / chord_s))
        while chords and record.time_s - chords[0][0] >= CHORDS_S:
            chords.popleft()
        if chords and record.speed_m_s is None:
            record.speed_m_s = statistics.median(speed_m_s for _, speed_m_s in chords)
            found = True
    return found


def _metres_between(a: _Record, b: _Record) -> float | None:
    if a.distance_m is not None and b.distance_m is not None:
        return b.distance_m - a.distance_m
    if a.latitude is None or a.longitude is None or b.latitude is None or b.longitude is None:
        return None
    east = math.radians(b.longitude - a.longitude) * math.cos(math.radians((a.latitude + b.latitude) / 2))
    return EARTH_M * math.hypot(east, math.radians(b.latitude - a.latitude))


def _keep_what_feet_can(records: list[_Record], both_feet: bool) -> None:
    """Cadence in steps per minute; none where no feet step, and no speed that no feet can reach."""
    counted = [record.cadence for record in records if record.cadence]
    steps = 1 if both_feet or (counted and _tenth_highest(counted) > MOST_STRIDES_PER_MIN) else 2
    moving: dict[str, list[float]] = {}
    for record in records:
        moving.setdefault(record.sport, [])
        if record.speed_m_s:
            moving[record.sport].append(record.speed_m_s)
    on_foot = {sport: _on_foot(sport, speeds_m_s) for sport, speeds_m_s in moving.items()}
    for record in records:
        if not on_foot[record.sport]:
            record.cadence = None
        elif record.cadence is not None:
            record.cadence *= steps
        fastest_m_s = FASTEST_RUN_M_S if on_foot[record.sport] else FASTEST_RIDE_M_S
        if record.speed_m_s is not None and not 0 <= record.speed_m_s <= fastest_m_s:
            record.speed_m_s = None


def _on_foot(sport: str, moving_m_s: list[float]) -> bool:
    """By the name the file gives its sport, in whatever words, and else by how fast it is."""
    if re.search(r"run|walk|hik|jog|treadmill", sport, re.IGNORECASE):
        return True
    if re.search(r"bik|cycl|ride|swim|row|ski|skat|paddl|sail|^1$", sport, re.IGNORECASE):  # 1: a ride, to Strava
        return False
    return not moving_m_s or _tenth_highest(moving_m_s) <= WHEELS_M_S


def _tenth_highest(values: list[float]) -> float:
    return sorted(values)[int(0.9 * len(values))]


def _timer_stood_still(before: _Record, record: _Record) -> bool:
    return record.while_stopped or record.time_s - before.time_s > record.pause_after_s


def _events(records: list[_Record]) -> Iterator[Event]:
    paused = False
    before = records[0]
    for record in records:
        if not paused and record is not before and _timer_stood_still(before, record):
            yield Command(before.time_s - records[0].time_s, Action.PAUSE)
            paused = True
        at_s = record.time_s - records[0].time_s
        bpm = None if record.heart_rate_bpm is None else round(record.heart_rate_bpm)
        yield Sample(at_s, heart_rate_bpm=bpm, rr_s=record.rr_s, contact=record.contact)
        movement = (record.speed_m_s, record.cadence, record.distance_m, record.incline_percent)
        if movement != (None, None, None, None):
            yield Speed(at_s, *movement)
        if paused and not record.while_stopped:
            yield Command(at_s, Action.RESUME)
            paused = False
        before = record


# FIT: flexible and interoperable data transfer protocol, read with fitdecode


def _read_fit(path: str | Path, data: bytes) -> _Reading:
    try:
        import fitdecode
    except ImportError as error:
        raise UsageError(f"{path}: FIT files need an extra: pip install 'hrbridge[files]'") from error
    fit = _FitMessages()
    damage = fit.reading.damage
    if data[8:12] == b".FIT" and data[4:8] == bytes(4) and len(data) > data[0] + 2:
        damage.append("byte 4: the length is 0: the recording was never closed")
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
                fit.reading.notes.append(f"{_count(len(data) - end_byte, 'byte')} behind its end ignored")
            else:
                cut_off = isinstance(error, fitdecode.FitEOFError) or "truncated" in str(error)
                what = "the file is cut off" if cut_off else f"not readable as FIT ({type(error).__name__})"
                damage.append(f"byte {stream.tell()}: {what}")
            break
        if frame is None:
            break
        if frame.frame_type == fitdecode.FIT_FRAME_DATA:
            take = fit.takers.get(frame.name)
            if take is not None:
                take(_fit_fields(frame))
        elif frame.frame_type == fitdecode.FIT_FRAME_CRC:
            whole, end_byte = True, stream.tell()
            if not frame.matched:
                damage.append(f"byte {end_byte - 2}: the checksum is wrong: some bytes before it have changed")
        elif frame.frame_type == fitdecode.FIT_FRAME_HEADER:
            whole = False
    return fit.finish(whole)


def _fit_fields(frame: Any) -> dict[str, Any]:
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


class _FitMessages:
    """Gathers records from FIT messages, which come in the order of the recording."""

    def __init__(self) -> None:
        self.reading = _Reading()
        self.takers: dict[str, Callable[[dict[str, Any]], None]] = {
            "record": self.record,
            "hrv": self.beats,
            "event": self.event,
            "sport": self.sport,
            "lap": self.sport_so_far,
            "session": self.sport_so_far,
            "file_id": self.device,
        }
        self._records = self.reading.records
        self._waiting_rr_s: tuple[float, ...] = ()
        self._untimed = 0
        self._sport = ""
        self._named = 0
        self._stopped_s: float | None = None
        self._stops_s: list[tuple[float, float]] = []

    def record(self, fields: dict[str, Any]) -> None:
        get = fields.get
        time_s = _finite(get("timestamp"))
        if time_s is None or not 0 <= time_s < 2**32:
            self._untimed += 1
            return
        if not self._records:
            self.reading.dated = time_s >= FIT_DATED_S
        speed_m_s = _finite(get("enhanced_speed"))
        cadence = _finite(get("cadence"))
        latitude, longitude = _finite(get("position_lat")), _finite(get("position_long"))
        record = _Record(
            time_s + FIT_EPOCH_S,
            _bpm(_finite(get("heart_rate"))),
            speed_m_s=speed_m_s if speed_m_s is not None else _finite(get("speed")),
            cadence=None if cadence is None else cadence + (_finite(get("fractional_cadence")) or 0.0),
            distance_m=_finite(get("distance")),
            incline_percent=_finite(get("grade")),
            sport=self._sport,
        )
        if latitude is not None and longitude is not None:
            record.latitude = latitude * DEGREES_PER_SEMICIRCLE
            record.longitude = longitude * DEGREES_PER_SEMICIRCLE
        if not self._records or self._records[-1].time_s != record.time_s:
            record.rr_s, self._waiting_rr_s = self._waiting_rr_s, ()
        self._records.append(record)

    def beats(self, fields: dict[str, Any]) -> None:
        """Watches write the beats of a second behind its record; a record that has its own leaves them to the next."""
        values = fields.get("time", ())
        numbers = (_finite(value) for value in (values if isinstance(values, tuple) else (values,)))
        rr_s = tuple(number for number in numbers if number)
        if self._records and not self._records[-1].rr_s and not self._waiting_rr_s:
            self._records[-1].rr_s = rr_s
        else:
            self._waiting_rr_s += rr_s

    def event(self, fields: dict[str, Any]) -> None:
        time_s = _finite(fields.get("timestamp"))
        if fields.get("event") != "timer" or time_s is None:
            return
        kind = str(fields.get("event_type"))
        if kind.startswith("stop"):
            self._stopped_s = time_s if self._stopped_s is None else self._stopped_s
        elif kind == "start" and self._stopped_s is not None:
            self._stops_s.append((self._stopped_s + FIT_EPOCH_S, time_s + FIT_EPOCH_S))
            self._stopped_s = None

    def sport(self, fields: dict[str, Any]) -> None:
        """Newer watches name the sport before its records."""
        self._sport = str(fields.get("sport", ""))

    def sport_so_far(self, fields: dict[str, Any]) -> None:
        """All watches name the sport behind its laps."""
        for record in self._records[self._named :]:
            record.sport = record.sport or str(fields.get("sport", ""))
        self._named = len(self._records)

    def device(self, fields: dict[str, Any]) -> None:
        if not self.reading.device:
            product = fields.get("product_name") or fields.get("garmin_product") or ""
            self.reading.device = f"{fields.get('manufacturer', '')} {product}".strip()

    def finish(self, whole: bool) -> _Reading:
        reading = self.reading
        if self._untimed:
            reading.notes.append(f"{_count(self._untimed, 'record')} dropped: no time")
        if self._records and self._waiting_rr_s:
            self._records[-1].rr_s += self._waiting_rr_s
        if not whole and any(record.rr_s for record in self._records):
            self._records.pop()  # its beats are cut off
        times_s = [record.time_s for record in self._records]
        for stop_s, start_s in self._stops_s:
            first = bisect_right(times_s, stop_s)
            again = max(first, bisect_left(times_s, start_s))
            if first == 0:
                continue
            for record in self._records[first:again]:
                record.while_stopped = True
            if again < len(times_s):
                self._records[again].pause_after_s = 0.0
        return reading


# TCX and GPX: the same walk through an XML text, by names without namespace


def _read_xml(path: str | Path, data: bytes) -> _Reading:
    body = data.lstrip(b" \t\r\n")  # some programs put blanks before the declaration, which XML forbids
    if body.startswith(b"\xef\xbb\xbf"):
        body = body[3:].lstrip(b" \t\r\n")
    points = _TrackPoints(path, lines_before=data[: len(data) - len(body)].count(b"\n"))
    points.parse(body)
    return points.finish()


class _TrackPoints:
    """Gathers the track points of a TCX or GPX text while expat walks through it, up to where it breaks."""

    def __init__(self, path: str | Path, lines_before: int) -> None:
        self._path = path
        self._lines_before = lines_before
        self._reading = _Reading()
        self._activities: list[list[_Record]] = []
        self._open: list[str] = []  # the elements around us
        self._text = ""
        self._fields: dict[str, str] | None = None  # of the track point we are in
        self._sport = ""
        self._author = ""
        self._tracks = 0  # begun in this lap
        self._pause_after_s = PAUSE_AFTER_S  # of the next record
        self._untimed = 0
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters

    def parse(self, body: bytes) -> None:
        try:
            self._parser.Parse(body, True)
        except expat.ExpatError as error:
            cut_off = error.code in (
                expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS],
                expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN],
                expat.errors.codes[expat.errors.XML_ERROR_PARTIAL_CHAR],
                expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION],
            )
            what = "the file is cut off" if cut_off else f"not readable as XML: {expat.ErrorString(error.code)}"
            self._reading.damage.append(f"line {error.lineno + self._lines_before}: {what}")
        except (LookupError, ValueError) as error:  # an encoding that Python does not know
            self._reading.damage.append(f"line {1 + self._lines_before}: not readable as XML: {error}")

    def finish(self) -> _Reading:
        reading = self._reading
        if self._untimed:
            reading.notes.append(f"{_count(self._untimed, 'record')} dropped: no time")
        activities = sorted((activity for activity in self._activities if activity), key=lambda a: a[0].time_s)
        reading.records = [record for activity in activities for record in activity]
        reading.device = reading.device or self._author
        return reading

    def _line(self) -> int:
        return self._parser.CurrentLineNumber + self._lines_before

    def _doctype(self, name: str, *_: object) -> None:
        """No activity has one, and entities declared in it can grow without bounds."""
        raise InputFileError(f"{self._path}: line {self._line()}: DOCTYPE {name} is refused: expected TCX or GPX")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        element = name.rpartition(":")[2].lower()
        if not self._open:
            if element not in ("trainingcenterdatabase", "gpx"):
                raise InputFileError(
                    f"{self._path}: line {self._line()}: <{name}> is not an activity: expected TCX or GPX"
                )
            self._reading.device = attributes.get("creator", "")
        self._open.append(element)
        self._text = ""
        if element in ("trackpoint", "trkpt"):
            self._fields = {}
            if "lat" in attributes and "lon" in attributes:
                self._fields = {"latitude": attributes["lat"], "longitude": attributes["lon"]}
        elif element in ("activity", "trk"):
            self._activities.append([])
            self._sport = attributes.get("Sport", "")
            self._tracks = 0
            self._pause_after_s = TRACK_HOLE_S
        elif element == "lap":
            self._tracks = 0
            self._pause_after_s = min(self._pause_after_s, LAP_HOLE_S)
        elif element in ("track", "trkseg"):
            if self._tracks:
                self._pause_after_s = min(self._pause_after_s, TRACK_HOLE_S)
            self._tracks += 1

    def _characters(self, text: str) -> None:
        self._text += text

    def _end(self, _name: str) -> None:
        element = self._open.pop()
        around = self._open[-1] if self._open else ""
        text, self._text = self._text.strip(), ""
        if self._fields is not None:
            if element in ("trackpoint", "trkpt"):
                self._track_point(self._fields)
                self._fields = None
            elif text:
                name = XML_FIELDS.get(around if element == "value" else element)
                if name is not None:
                    self._fields.setdefault(name, text)
        elif element == "name" and around == "creator":
            self._reading.device = text
        elif element == "name" and around == "author":
            self._author = text
        elif element == "type" and around == "trk":
            self._sport = text

    def _track_point(self, fields: dict[str, str]) -> None:
        if "time" not in fields:
            self._untimed += 1
            return
        try:
            time_s = _seconds(fields["time"])
        except ValueError:
            self._reading.damage.append(f"line {self._line()}: {fields['time'][:40]!r} is no time in ISO 8601")
            return
        record = _Record(
            time_s,
            _bpm(self._number(fields, "heart rate")),
            speed_m_s=self._number(fields, "speed"),
            cadence=self._number(fields, "cadence"),
            distance_m=self._number(fields, "distance"),
            latitude=self._number(fields, "latitude"),
            longitude=self._number(fields, "longitude"),
            sport=self._sport,
            pause_after_s=self._pause_after_s,
        )
        if record.cadence is not None and record.cadence >= 255:
            record.cadence = None
        self._pause_after_s = PAUSE_AFTER_S
        if not self._activities:
            self._activities.append([])
        self._activities[-1].append(record)

    def _number(self, fields: dict[str, str], name: str) -> float | None:
        """Some programs write NaN for none; any other text is damage."""
        text = fields.get(name)
        if text is None:
            return None
        number = _finite(text)
        if number is None and text.lower() not in ("nan", "inf", "-inf", "infinity", "-infinity"):
            self._reading.damage.append(f"line {self._line()}: {name} {text[:40]!r} is not a number")
        return number


# Polar HRM: sections of text; "Polar HRM2 file format description", version 1.4, 2009


def _read_hrm(path: str | Path, data: bytes) -> _Reading:
    text = _text(data)
    sections = _hrm_sections(text)
    params = dict(line.partition("=")[::2] for _, line in sections.get("params", ()))
    params = {name.strip().lower(): value.strip() for name, value in params.items()}
    if "hrdata" not in sections:
        raise InputFileError(f"{path}: line {_last_line(text)}: no [HRData] up to here: not Polar HRM, or cut off")
    reading = _Reading(device=f"Polar (monitor {params['monitor']})" if "monitor" in params else "Polar")
    start_s = _hrm_start_s(params)
    reading.dated = start_s is not None
    rows, interval_s = sections["hrdata"], _finite(params.get("interval", ""))
    first_column = [number for _, row in rows if (number := _finite((row.split() or [""])[0])) is not None]
    if interval_s is None:  # no heart rate is above 255, hardly a beat below 255 ms
        interval_s = 238.0 if first_column and statistics.median(first_column) > 255 else 1.0
    if interval_s == 204:
        reading.records = list(_hrm_laps(start_s or 0.0, sections.get("inttimes", ())))
        reading.notes.append("heart rate only at the lap times")
        return reading
    if not 0 < interval_s <= 3600:
        raise InputFileError(
            f"{path}: Interval={params['interval']} is none that Polar wrote: 1, 5, 15, 60, 204 or 238"
        )
    length_s = _clock_s(params.get("length", "")) or 0.0
    lasts_s = sum(first_column) / 1000 if interval_s == 238 else len(rows) * interval_s
    short_s = length_s - lasts_s
    if rows and not text.endswith(("\n", "\r")) and short_s > (2.0 if interval_s == 238 else interval_s):
        reading.damage.append(f"line {rows[-1][0]}: the file is cut off")
        rows = rows[:-1]
    elif short_s > 0.1 * length_s:
        reading.damage.append(f"line {_last_line(text)}: the file is cut off after {lasts_s:.0f} of {length_s:.0f} s")
    if interval_s == 238:
        reading.records = _hrm_beats(start_s or 0.0, rows, reading)
        if short_s > 2.0 and reading.records:
            reading.records.pop()  # the last beats of its second may be cut off
    else:
        reading.records = _hrm_samples(start_s or 0.0, interval_s, rows, params, reading)
    return reading


def _last_line(text: str) -> int:
    return len(text.splitlines())


def _hrm_sections(text: str) -> dict[str, list[tuple[int, str]]]:
    """Lines with their numbers, by the lower-case name of their section."""
    sections: dict[str, list[tuple[int, str]]] = {}
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            lines = sections.setdefault(line[1:-1].lower(), [])
        elif line:
            lines.append((number, line))
    return sections


def _hrm_start_s(params: dict[str, str]) -> float | None:
    date = params.get("date", "")
    clock_s = _clock_s(params.get("starttime", ""))
    try:
        return _seconds(f"{date[:4]}-{date[4:6]}-{date[6:]}") + (clock_s or 0.0)
    except ValueError:
        return None


def _clock_s(text: str) -> float | None:
    """Seconds of hh:mm:ss.d."""
    found = re.fullmatch(r"(\d{1,4}):(\d\d):(\d\d(?:\.\d+)?)", text)
    return None if found is None else int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])


def _hrm_samples(
    start_s: float, interval_s: float, rows: list[tuple[int, str]], params: dict[str, str], reading: _Reading
) -> list[_Record]:
    """One row per interval: heart rate, then the columns that SMode (from version 106) or Mode announces.

    SMode: speed, cadence, altitude, power, balance, pedalling, heart rate only
    or not, miles; Mode: cadence (0) or altitude (1), cycling data or not,
    miles. Speed in 0.1 km/h or 0.1 mph.
    """
    smode, mode = params.get("smode", ""), params.get("mode", "")
    if smode:
        has_speed, has_cadence, in_miles = smode[:1] == "1", smode[1:2] == "1", smode[7:8] == "1"
    else:
        has_speed, has_cadence, in_miles = mode[1:2] == "1", mode[:2] == "01", mode[2:3] == "1"
    unit_m_s = 0.1 * (MPH_M_S if in_miles else KM_H_M_S)
    records = []
    for index, (line, row) in enumerate(rows):
        record = _Record(start_s + index * interval_s)
        records.append(record)  # an unreadable row still takes its time
        numbers = [_finite(cell) for cell in row.split()]
        if None in numbers:
            reading.damage.append(f"line {line}: {row[:40]!r} is not a row of numbers")
            continue
        columns = iter(numbers)
        record.heart_rate_bpm = _bpm(next(columns, None))
        speed = next(columns, None) if has_speed else None
        record.speed_m_s = None if speed is None else speed * unit_m_s
        record.cadence = next(columns, None) if has_cadence else None
    return records


def _hrm_beats(start_s: float, rows: list[tuple[int, str]], reading: _Reading) -> list[_Record]:
    """RR in milliseconds, one per row: a record for each second, with the beats that end in it."""
    records: list[_Record] = []
    end_ms = 0.0
    for line, row in rows:
        rr_ms = _finite(row.split()[0])
        if rr_ms is None or not 0 < rr_ms < 10_000_000:
            reading.damage.append(f"line {line}: {row[:40]!r} is no RR interval in ms")
            continue
        end_ms += rr_ms
        time_s = start_s + math.ceil(end_ms / 1000)
        if records and rr_ms <= 1000 * PAUSE_AFTER_S:
            while records[-1].time_s < time_s - 1:
                records.append(_Record(records[-1].time_s + 1))
        if not records or records[-1].time_s < time_s:
            records.append(_Record(time_s))
        records[-1].rr_s += (rr_ms / 1000,)
    return records


def _hrm_laps(start_s: float, rows: Iterable[tuple[int, str]]) -> Iterator[_Record]:
    for _, row in rows:
        cells = row.split()
        clock_s = _clock_s(cells[0])
        if clock_s is not None and len(cells) > 1:
            yield _Record(start_s + clock_s, _bpm(_finite(cells[1])))


# CSV


def _read_csv(path: str | Path, data: bytes) -> _Reading:
    text = _text(data)
    header = text.partition("\n")[0]
    delimiter = next((mark for mark in ",;\t" if mark in header), ",")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    reading = _Reading(both_feet=True)
    allowed = f"allowed are {', '.join(CSV_COLUMNS)}"
    try:
        names = [name.strip() for name in next(rows, [])]
    except csv.Error as error:
        raise InputFileError(f"{path}: line 1: not readable as CSV: {error}; {allowed}") from None
    for name in names:
        if name not in CSV_COLUMNS:
            raise InputFileError(f"{path}: line 1: unknown column {name[:40]!r}; {allowed}")
    if len(set(names)) < len(names) or not {"at_s", "time"} & set(names):
        raise InputFileError(f"{path}: line 1: needs each column once, and at_s or time; {allowed}")
    reading.dated = "time" in names
    start_s = 0.0
    last_s = -math.inf
    disorders = 0
    while True:
        try:
            cells = next(rows, None)
            if cells is None:
                break
            if not any(cell.strip() for cell in cells):
                continue
            record = _csv_record(names, cells)
            if not reading.records and {"at_s", "time"} <= set(names):
                start_s = _csv_time_s(cells[names.index("time")]) - record.time_s
        except (ValueError, csv.Error) as error:
            reading.damage.append(f"line {rows.line_num}: {error}")
            continue
        record.time_s += start_s
        if record.time_s < last_s:
            reading.damage.append(f"line {rows.line_num}: the time runs back by {last_s - record.time_s:g} s")
            disorders += 1
        last_s = max(last_s, record.time_s)
        reading.records.append(record)
    if disorders:
        reading.records.sort(key=lambda record: record.time_s)
        reading.notes.append(f"{_count(disorders, 'row')} out of order: sorted")
    return reading


def _csv_record(names: list[str], cells: list[str]) -> _Record:
    """Raises ValueError in words for the reader."""
    if len(cells) != len(names):
        raise ValueError(f"{_count(len(cells), 'cell')} under {_count(len(names), 'column')}")
    row = dict(zip(names, (cell.strip() for cell in cells), strict=True))
    numbers = {
        name: _csv_number(name, row.get(name, "")) for name in CSV_COLUMNS if name not in ("time", "contact", "rr_s")
    }
    time_s = numbers["at_s"] if "at_s" in row else _csv_time_s(row["time"])
    if time_s is None:
        raise ValueError("at_s is empty")
    contact = row.get("contact", "").lower()
    if contact not in CSV_CONTACT:
        raise ValueError(f"contact {contact[:40]!r} is neither true nor false")
    beats = (_csv_number("rr_s", beat) for beat in row.get("rr_s", "").split())
    return _Record(
        time_s,
        _bpm(numbers["heart_rate_bpm"]),
        tuple(beat for beat in beats if beat is not None),
        CSV_CONTACT[contact],
        numbers["speed_m_s"],
        numbers["cadence_spm"],
        numbers["distance_m"],
        numbers["incline_percent"],
    )


def _csv_time_s(text: str) -> float:
    try:
        return _seconds(text)
    except ValueError:
        raise ValueError(f"time {text[:40]!r} is no time in ISO 8601") from None


def _csv_number(name: str, text: str) -> float | None:
    if not text:
        return None
    number, bounds = _finite(text), CSV_COLUMNS[name]
    if number is None:
        raise ValueError(f"{name} {text[:40]!r} is not a number")
    if bounds is not None and not bounds[0] <= number <= bounds[1]:
        raise ValueError(f"{name} {text[:40]} is not within {bounds[0]:g} to {bounds[1]:g}")
    return number


_READERS: dict[str, Callable[[str | Path, bytes], _Reading]] = {
    "fit": _read_fit,
    "xml": _read_xml,
    "hrm": _read_hrm,
    "csv": _read_csv,
}


# Our own traces

NOT_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)  # what msgspec raises on bytes that are none


def _read_trace(path: str | Path, data: bytes, lenient: bool) -> Recording:
    if str(path).lower().endswith(".gz"):
        raise InputFileError(f"{path}: unpack the trace first: gunzip {path}")
    notes = []
    try:
        whole = trace.read(path)
        header, steps = whole.header, whole.steps
        if whole.dropped_lines:
            notes.append("the last line is cut off: dropped")
    except (InputFileError, *NOT_JSON) as error:
        begun, steps = _readable_steps(data)
        line = (
            str(error) if isinstance(error, InputFileError) else f"{path}: line {len(steps) + 2}: not readable as JSON"
        )
        if begun is None or not steps:
            raise InputFileError(line) from None
        if not lenient:
            raise InputFileError(f"{line}; --lenient uses the {_count(len(steps), 'step')} before it") from None
        header = begun
        notes.append(f"damaged ({line}): used {_count(len(steps), 'step')}, {steps[-1].at_s / 60:.1f} min")
    if not steps:
        raise InputFileError(f"{path}: no step in it")
    events = tuple(step.event for step in steps if not isinstance(step.event, Tick))
    return Recording(events, header.started_at, "hrbridge", tuple(notes), header)


def _readable_steps(data: bytes) -> tuple[trace.Header | None, list[Step]]:
    """The header and the steps before the first line that is wrong."""
    first, *lines = data.split(b"\n")
    steps: list[Step] = []
    try:
        header = msgspec.json.decode(first, type=trace.Header)
    except NOT_JSON:
        return None, steps
    if (header.format, header.version) != (trace.FORMAT, trace.VERSION):
        return None, steps
    for line in lines:
        try:
            step = trace.decode(line)
        except NOT_JSON:
            break
        if steps and step.at_s < steps[-1].at_s:
            break
        steps.append(step)
    return header, steps
