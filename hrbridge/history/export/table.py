"""CSV, a line a second, for spreadsheets and one's own programs; hrbridge replay reads it again."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from hrbridge.dates import iso
from hrbridge.history.export import whole_file
from hrbridge.history.export.activity import Activity, Lap, Record

COLUMNS = (
    "at_s",
    "time",
    "heart_rate_bpm",
    "rr_s",
    "speed_m_s",
    "cadence_spm",
    "distance_m",
    "incline_percent",
    "phase",
    "required_drop_bpm",
    "cue",
    "reason",
)


def write(out: Path, activity: Activity) -> None:
    """Raises OutputError."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, [name for name in COLUMNS if activity.dated or name != "time"], extrasaction="ignore")
    table.writeheader()
    for lap in activity.laps:
        table.writerows(_row(record, lap, activity) for record in lap.records)
    whole_file.write(out, [text.getvalue().encode()])


def _row(record: Record, lap: Lap, activity: Activity) -> dict[str, object]:
    """What is None stays empty; several in one second stand behind one another."""
    return {
        "at_s": record.at_s,
        "time": iso(activity.started_unix_s + record.at_s),
        "heart_rate_bpm": record.heart_rate_bpm,
        "rr_s": " ".join(map(str, record.rr_s)),
        "speed_m_s": record.speed_m_s,
        "cadence_spm": record.cadence_spm,
        "distance_m": record.distance_m,
        "incline_percent": record.incline_percent,
        "phase": lap.phase,
        "required_drop_bpm": record.required_drop_bpm,
        "cue": " ".join(cue.kind for cue in record.cues),
        "reason": " ".join(cue.reason for cue in record.cues),
    }
