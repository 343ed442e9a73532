"""FIT, the format of most watches (flexible and interoperable data transfer), written with its makers' own encoder.

Beside what watches write, two things of ours stand in records (developer
fields): what was said and why, and the drop that a walk should have brought.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hrbridge import __version__
from hrbridge.decisions import Phase
from hrbridge.errors import UsageError
from hrbridge.history.export import whole_file
from hrbridge.history.export.activity import Activity, Lap, Record
from hrbridge.journal import Energy

Message = tuple[str, dict[str, Any]]

EPOCH_UNIX_S = 631_065_600  # 1989-12-31T00:00:00Z, FIT protocol, type date_time
DATES_S = (0x10000000, 0xFFFFFFFE)  # smaller ones count from power-on, the highest means none
# What fits: the highest value of each field in its own unit, all bits set being none (FIT profile 21).
# The encoder would keep the lowest bits of anything higher.
HIGHEST_SPEED_M_S = 0xFFFFFFFE / 1000
HIGHEST_DISTANCE_M = 0xFFFFFFFE / 100
HIGHEST_STRIDES_PER_MIN = 254.0
HIGHEST_GRADE_PERCENT = 327.66
HIGHEST_RR_S = 65.534
NO_BEAT_S = 65.535  # fills a message of beats
BEATS_PER_MESSAGE = 5  # as watches do it
LONGEST_TEXT = 60  # characters; a field holds 255 bytes
INTENSITIES = {
    Phase.WARMUP: "warmup",
    Phase.RUN: "active",
    Phase.SURGE: "interval",
    Phase.WALK: "recovery",
    Phase.COOLDOWN: "cooldown",
}
# Watches ask "how did you feel": 0 very weak, 25 weak, 50 normal, 75 strong, 100 very strong.
FEELINGS = {Energy.LOW: 25, Energy.OK: 50, Energy.HIGH: 75}

# Random, once: by this a reader knows the fields below for those of hrbridge.
APPLICATION_ID = bytes.fromhex("9d1f8a64c30b4e6fb2750ad16c83e94a")
CUE, REASON, REQUIRED_DROP = range(3)
DEVELOPER_FIELDS: dict[int, dict[str, Any]] = {
    CUE: {"field_name": "cue", "fit_base_type_id": 7},  # string
    REASON: {"field_name": "reason", "fit_base_type_id": 7},
    REQUIRED_DROP: {"field_name": "required_drop", "fit_base_type_id": 136, "units": "bpm"},  # float32
}


def write(out: Path, activity: Activity) -> None:
    """Raises OutputError; UsageError for a date that FIT cannot tell, or without the extra."""
    try:
        from garmin_fit_sdk import Encoder, Profile
    except ImportError as error:
        raise UsageError(f"{out}: FIT files need an extra: pip install 'hrbridge[files]'") from error
    started_s = round(activity.started_unix_s) - EPOCH_UNIX_S
    if not DATES_S[0] <= started_s <= DATES_S[1] - activity.end_s:
        raise UsageError(f"{out}: FIT knows the years 1998 to 2126; --csv writes this run")
    developer: Any = {"developer_data_index": 0, "application_id": list(APPLICATION_ID)}
    fields: Any = {
        number: {"developer_data_index": 0, "field_definition_number": number, **field}
        for number, field in DEVELOPER_FIELDS.items()
    }
    encoder = Encoder()
    for number, field in fields.items():
        encoder.add_developer_field(number, developer, field)
    messages = [
        *_who(activity, started_s),
        ("DEVELOPER_DATA_ID", developer),
        *(("FIELD_DESCRIPTION", field) for field in fields.values()),
        *_course(activity, started_s),
        *_sums(activity, started_s),
    ]
    for name, message in messages:
        encoder.on_mesg(Profile["mesg_num"][name], message)
    whole_file.write(out, [bytes(encoder.close())])


def _who(activity: Activity, started_s: int) -> Iterator[Message]:
    """The file, hrbridge and the strap."""
    major, minor, *_ = __version__.split(".")
    hrbridge = {"manufacturer": "development", "product_name": "hrbridge"}
    yield (
        "FILE_ID",
        {"type": "activity", **hrbridge, "product": 0, "serial_number": activity.run_id, "time_created": started_s},
    )
    version = int(major) + int(minor) / 100
    yield "DEVICE_INFO", {"timestamp": started_s, "device_index": "creator", **hrbridge, "software_version": version}
    if activity.sensor or activity.battery_percent is not None:
        strap = {"product_name": activity.sensor[:LONGEST_TEXT] or None, "battery_level": activity.battery_percent}
        yield "DEVICE_INFO", {"timestamp": started_s, "device_index": 1, **strap}
    yield "SPORT", {"sport": "running", "sub_sport": "generic", "name": activity.plan[:LONGEST_TEXT]}


def _course(activity: Activity, started_s: int) -> Iterator[Message]:
    """Records, laps and the timer in the order in which they came to be."""

    def timer(at_s: float, event_type: str) -> Message:
        return "EVENT", {"timestamp": started_s + round(at_s), "event": "timer", "event_type": event_type}

    # At one moment: the lap that ends there, the timer that starts, the record, the timer that stops.
    rank_lap, rank_start, rank_record, rank_stop, rank_end = range(5)
    told: list[tuple[float, int, list[Message]]] = [
        (0.0, rank_start, [timer(0.0, "start")]),
        *((stopped_s, rank_stop, [timer(stopped_s, "stop")]) for stopped_s, _ in activity.pauses),
        *((again_s, rank_start, [timer(again_s, "start")]) for _, again_s in activity.pauses),
        *((r.at_s, rank_record, [_record(r, started_s), *_beats(r)]) for r in activity.records),
        *((lap.end_s, rank_lap, [_lap(lap, n, started_s, "time")]) for n, lap in enumerate(activity.laps[:-1])),
    ]
    last = _lap(activity.laps[-1], len(activity.laps) - 1, started_s, "session_end")
    told.append((activity.end_s, rank_end, [timer(activity.end_s, "stop_all"), last]))
    for _, _, messages in sorted(told, key=lambda entry: entry[:2]):
        yield from messages


def _record(record: Record, started_s: int) -> Message:
    strides = None if record.cadence_spm is None else _within(record.cadence_spm / 2, HIGHEST_STRIDES_PER_MIN)
    grade = record.incline_percent
    ours = {
        CUE: ",".join(cue.kind for cue in record.cues)[:LONGEST_TEXT],
        REASON: ",".join(cue.reason for cue in record.cues)[:LONGEST_TEXT],
        REQUIRED_DROP: record.required_drop_bpm,
    }
    return "RECORD", {
        "timestamp": started_s + record.at_s,
        "heart_rate": record.heart_rate_bpm,
        "enhanced_speed": _within(record.speed_m_s, HIGHEST_SPEED_M_S),
        "cadence": None if strides is None else int(strides),
        "fractional_cadence": None if strides is None else strides % 1,
        "distance": _within(record.distance_m, HIGHEST_DISTANCE_M),
        "grade": grade if grade is None or abs(grade) <= HIGHEST_GRADE_PERCENT else None,
        "developer_fields": {number: value for number, value in ours.items() if value not in ("", None)},
    }


def _beats(record: Record) -> Iterator[Message]:
    beats_s = [rr_s for rr_s in record.rr_s if 0 < rr_s <= HIGHEST_RR_S]
    for first in range(0, len(beats_s), BEATS_PER_MESSAGE):
        some_s = beats_s[first : first + BEATS_PER_MESSAGE]
        yield "HRV", {"time": some_s + [NO_BEAT_S] * (BEATS_PER_MESSAGE - len(some_s))}


def _lap(lap: Lap, number: int, started_s: int, trigger: str) -> Message:
    return "LAP", {
        "message_index": number,
        "timestamp": started_s + round(lap.end_s),
        "start_time": started_s + round(lap.start_s),
        "event": "lap",
        "event_type": "stop",
        "total_elapsed_time": lap.end_s - lap.start_s,
        **_totals(lap.timer_s, lap.distance_m, lap.heart_rates_bpm),
        "intensity": INTENSITIES[lap.phase],
        "lap_trigger": trigger,
        "sport": "running",
    }


def _sums(activity: Activity, started_s: int) -> Iterator[Message]:
    ended_s = started_s + round(activity.end_s)
    heart_rates_bpm = [bpm for lap in activity.laps for bpm in lap.heart_rates_bpm]
    yield (
        "SESSION",
        {
            "message_index": 0,
            "timestamp": ended_s,
            "start_time": started_s,
            "event": "session",
            "event_type": "stop",
            "sport": "running",
            "sub_sport": "generic",
            "total_elapsed_time": activity.end_s,
            **_totals(activity.timer_s, activity.distance_m, heart_rates_bpm),
            "first_lap_index": 0,
            "num_laps": len(activity.laps),
            "trigger": "activity_end",
            "workout_rpe": None if activity.rpe is None else round(10 * activity.rpe),
            "workout_feel": None if activity.energy is None else FEELINGS[activity.energy],
        },
    )
    yield (
        "ACTIVITY",
        {
            "timestamp": ended_s,
            "total_timer_time": activity.timer_s,
            "num_sessions": 1,
            "type": "manual",
            "event": "activity",
            "event_type": "stop",
        },
    )


def _totals(timer_s: float, distance_m: float | None, heart_rates_bpm: list[int]) -> dict[str, float | None]:
    distance_m = _within(distance_m, HIGHEST_DISTANCE_M)
    speed_m_s = distance_m / timer_s if distance_m is not None and timer_s > 0 else None
    return {
        "total_timer_time": timer_s,
        "total_distance": distance_m,
        "enhanced_avg_speed": _within(speed_m_s, HIGHEST_SPEED_M_S),
        "avg_heart_rate": round(sum(heart_rates_bpm) / len(heart_rates_bpm)) if heart_rates_bpm else None,
        "max_heart_rate": max(heart_rates_bpm, default=None),
    }


def _within(value: float | None, highest: float) -> float | None:
    """The value, or None for one that the field cannot hold."""
    return value if value is not None and 0 <= value <= highest else None
