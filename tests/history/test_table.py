"""Runs as CSV: a line a second with units in the names, and readable by replay."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from exported_runs import Run, exported, stepped
from simulated_runs import simulated_run

from hrbridge.events import Action, Command, Event, Sample, Speed
from hrbridge.history.export import table
from hrbridge.sensors import activity_files


@pytest.fixture(scope="module")
def demo() -> Run:
    return simulated_run('plan.use="demo"', 'sensor.runner="typical"')


def written(path: Path, run: Run, **changes: Any) -> list[dict[str, str]]:
    table.write(path, exported(run, **changes))
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def run_of(seconds: int, *events: Event) -> Run:
    return stepped([*(Sample(s, 120, (0.5, 0.501)) for s in range(seconds + 1)), *events])


def test_every_second_is_a_line(tmp_path: Path) -> None:
    rows = written(tmp_path / "run.csv", run_of(30))
    assert [row["at_s"] for row in rows] == [str(second) for second in range(31)]


def test_a_line_says_what_was_known_in_its_second(tmp_path: Path) -> None:
    moved = Speed(8.0, speed_m_s=2.5, cadence_spm=165, distance_m=20.0, incline_percent=1.5)
    rows = written(tmp_path / "run.csv", run_of(30, Speed(7.0, distance_m=17.5), moved))
    assert rows[8] == {
        "at_s": "8",
        "time": "2026-11-22T07:00:08Z",
        "heart_rate_bpm": "120",
        "rr_s": "0.5 0.501",
        "speed_m_s": "2.5",
        "cadence_spm": "165.0",
        "distance_m": "2.5",
        "incline_percent": "1.5",
        "phase": "run",
        "required_drop_bpm": "",
        "cue": "run",
        "reason": "planned",
    }


def test_a_speed_that_is_fifteen_seconds_old_is_none_any_more(tmp_path: Path) -> None:
    rows = written(tmp_path / "run.csv", run_of(30, Speed(5.0, speed_m_s=2.5)))
    assert [row["speed_m_s"] for row in rows] == [""] * 5 + ["2.5"] * 16 + [""] * 10


def test_a_run_without_a_date_has_no_column_of_dates(tmp_path: Path) -> None:
    assert "time" not in written(tmp_path / "run.csv", run_of(30), started_at=None)[0]


def test_a_pause_has_no_lines(tmp_path: Path) -> None:
    rows = written(tmp_path / "run.csv", run_of(60, Command(10.0, Action.PAUSE), Command(40.0, Action.RESUME)))
    assert [int(row["at_s"]) for row in rows] == [*range(11), *range(40, 61)]


@pytest.mark.parametrize("started_at", ["2026-11-22T07:00:00Z", None])
def test_replay_of_the_file_sees_the_same_run(tmp_path: Path, demo: Run, started_at: str | None) -> None:
    written(tmp_path / "run.csv", demo, started_at=started_at)
    again = activity_files.read(tmp_path / "run.csv")
    events = [step.event for step in demo[1] if isinstance(step.event, Sample | Speed) and step.at_s > 0]
    told = [
        (e.at_s, e.heart_rate_bpm, e.rr_s) if isinstance(e, Sample) else (e.at_s, e.speed_m_s, e.distance_m)
        for e in events
    ]
    read = [
        (e.at_s, e.heart_rate_bpm, e.rr_s) if isinstance(e, Sample) else (e.at_s, e.speed_m_s, e.distance_m)
        for e in again.events
        if isinstance(e, Sample | Speed) and e.at_s > 0
    ]
    assert read == told
    assert again.started_at == started_at
