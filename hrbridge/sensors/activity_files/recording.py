"""The recording of an activity: records as any file tells them, and the way from records to events."""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hrbridge import trace
from hrbridge.decisions import Step
from hrbridge.errors import InputFileError
from hrbridge.events import Action, Command, Event, Sample, Speed
from hrbridge.sensors.activity_files.values import count, iso

PAUSE_AFTER_S = 30.0  # a longer gap between records is a pause of the recording
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
EARTH_M = 6_371_000.0


@dataclass(frozen=True)
class Recording:
    """An activity, whatever its format.

    ``events`` stand in order of time, at_s = 0 at the first record: one Sample
    per record, a Speed where the file tells one, pause and resume where the
    timer stood still; of a trace, all its events but the ticks. ``started_at``
    is the time of the first record, ISO 8601 UTC, None where the file has no
    date. ``notes`` say in words what was left out, repaired or is not there.
    ``header`` and ``steps`` are those of a trace. ``altitudes_m`` are pairs of
    at_s and metres above the sea, where the file knows them. ``sport`` is that of most
    records as the file names it, empty where it names none; ``on_foot`` is
    judged by it, or else by the speed.
    """

    events: tuple[Event, ...]
    started_at: str | None
    device: str
    notes: tuple[str, ...] = ()
    header: trace.Header | None = None
    steps: tuple[Step, ...] = ()
    sport: str = ""
    on_foot: bool = True
    altitudes_m: tuple[tuple[float, float], ...] = ()


@dataclass(slots=True)
class Record:
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
    altitude_m: float | None = None
    sport: str = ""
    pause_after_s: float = PAUSE_AFTER_S  # a longer gap before this record is a pause
    while_stopped: bool = False  # recorded although the timer stood still


@dataclass(slots=True)
class Reading:
    """What one file gave: its records, and each place that cannot be read ("line 7: ...")."""

    records: list[Record] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    untimed: int = 0  # records left out because they have no time
    device: str = ""
    dated: bool = True
    both_feet: bool = False  # cadence counts both feet


def recording(path: str | Path, reading: Reading, lenient: bool) -> Recording:
    """Turn what a reader gave into events; raises InputFileError for damage, or where there is no heart rate."""
    if reading.untimed:
        reading.notes.append(f"{count(reading.untimed, 'record')} dropped: no time")
    _hold_together(reading)
    records, notes = reading.records, reading.notes
    _heart_rate_from_beats(records)
    bpm_known = sum(record.heart_rate_bpm is not None for record in records)
    number = count(len(records), "record")
    if reading.damage:
        damage, *more = reading.damage
        damage += f", and {count(len(more), 'more place')}" if more else ""
        if not (lenient and bpm_known):
            remedy = f"; --lenient uses the {number} that can be read" if bpm_known else ""
            raise InputFileError(f"{path}: {damage}{remedy}")
        used_min = (records[-1].time_s - records[0].time_s) / 60
        notes.insert(0, f"damaged at {damage}: used {number}, {used_min:.1f} min")
    if not records:
        raise InputFileError(f"{path}: no record in it" + "".join(f"; {note}" for note in notes))
    if not bpm_known:
        raise InputFileError(f"{path}: no heart rate in its {number}: was a strap connected?")
    if bpm_known < 0.95 * len(records):
        notes.append(f"heart rate in {100 * bpm_known / len(records):.0f} % of {number}")
    if not any(record.rr_s for record in records):
        notes.append("no RR intervals")
    _count_distance_up(records)
    if _speed_from_places(records):
        notes.append("speed worked out from distance or positions")
    sport = Counter(record.sport for record in records).most_common(1)[0][0]
    on_foot = _on_foot(sport, [record.speed_m_s for record in records if record.sport == sport and record.speed_m_s])
    _keep_what_feet_can(records, reading.both_feet)
    started_at = iso(records[0].time_s) if reading.dated else None
    events = tuple(_events(records))
    altitudes_m = tuple(
        (round(record.time_s - records[0].time_s, 3), record.altitude_m)
        for record in records
        if record.altitude_m is not None
    )
    return Recording(
        events, started_at, reading.device, tuple(notes), sport=sport, on_foot=on_foot, altitudes_m=altitudes_m
    )


def _hold_together(reading: Reading) -> None:
    """Times only grow: a clock that was set is held, a moment told twice becomes one record."""
    kept: list[Record] = []
    shift_s = 0.0
    jumps = doubles = 0
    for record in reading.records:
        if not 0 < (record.heart_rate_bpm or 0) < 255:  # sensors and watches write 0 or 255 for none
            record.heart_rate_bpm = None
        record.time_s += shift_s
        since_s = record.time_s - kept[-1].time_s if kept else 1.0
        if since_s == 0:
            doubles += 1
            for name in Record.__slots__:  # some watches write heart rate and position of a second as two records
                if getattr(kept[-1], name) in (None, ()):
                    setattr(kept[-1], name, getattr(record, name))
            continue
        if not 0 < since_s <= LEAP_S:
            jumps += 1
            shift_s += 1.0 - since_s
            record.time_s = kept[-1].time_s + 1.0
            if record.pause_after_s <= TRACK_HOLE_S:  # not the clock: another track, of another day
                record.pause_after_s = 0.0
        kept.append(record)
    reading.records = kept
    if jumps:
        reading.notes.append(f"the clock of the recording jumps {count(jumps, 'time')}: held together")
    if doubles:
        reading.notes.append(f"{count(doubles, 'record')} told twice for the same time: the first counts")


def _heart_rate_from_beats(records: list[Record]) -> None:
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


def _count_distance_up(records: list[Record]) -> None:
    """Distance that only grows, through laps or activities that begin again at nought."""
    before_m = raw_m = last_m = 0.0
    for record in records:
        if record.distance_m is None:
            continue
        if record.distance_m < raw_m / 2:
            before_m = last_m
        raw_m = record.distance_m
        last_m = record.distance_m = max(last_m, before_m + raw_m)


def _speed_from_places(records: list[Record]) -> bool:
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


def _metres_between(a: Record, b: Record) -> float | None:
    if a.distance_m is not None and b.distance_m is not None:
        return b.distance_m - a.distance_m
    if a.latitude is None or a.longitude is None or b.latitude is None or b.longitude is None:
        return None
    east = math.radians(b.longitude - a.longitude) * math.cos(math.radians((a.latitude + b.latitude) / 2))
    return EARTH_M * math.hypot(east, math.radians(b.latitude - a.latitude))


def _keep_what_feet_can(records: list[Record], both_feet: bool) -> None:
    """Cadence in steps per minute; none where no feet step, and no speed that no feet can reach."""
    counted = [record.cadence for record in records if record.cadence]
    steps = 1 if both_feet or (counted and _tenth_highest(counted) > MOST_STRIDES_PER_MIN) else 2
    for sport in {record.sport for record in records}:
        alike = [record for record in records if record.sport == sport]
        on_foot = _on_foot(sport, [record.speed_m_s for record in alike if record.speed_m_s])
        fastest_m_s = FASTEST_RUN_M_S if on_foot else FASTEST_RIDE_M_S
        for record in alike:
            if record.cadence is not None:
                record.cadence = record.cadence * steps if on_foot else None
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


def _timer_stood_still(before: Record, record: Record) -> bool:
    return record.while_stopped or record.time_s - before.time_s > record.pause_after_s


def _events(records: list[Record]) -> Iterator[Event]:
    paused = False
    first = before = records[0]
    for record in records:
        if not paused and record is not first and _timer_stood_still(before, record):
            yield Command(before.time_s - first.time_s, Action.PAUSE)
            paused = True
        at_s = record.time_s - first.time_s
        bpm = None if record.heart_rate_bpm is None else round(record.heart_rate_bpm)
        yield Sample(at_s, heart_rate_bpm=bpm, rr_s=record.rr_s, contact=record.contact)
        movement = (record.speed_m_s, record.cadence, record.distance_m, record.incline_percent)
        if movement != (None, None, None, None):
            yield Speed(at_s, *movement)
        if paused and not record.while_stopped:
            yield Command(at_s, Action.RESUME)
            paused = False
        before = record
