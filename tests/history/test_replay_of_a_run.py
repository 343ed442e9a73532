"""hrbridge replay ID: a run of the journal stepped again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from exported_runs import keep
from simulated_runs import simulated_run

from hrbridge import trace
from hrbridge.journal import Journal
from tests.conftest import Hrbridge


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Two runs of the plan ``demo``; the newest by the typical runner."""
    path = tmp_path / "journal.sqlite3"
    keep(path, simulated_run('plan.use="demo"', 'sensor.runner="novice"'), started_at="2026-11-20T07:00:00Z")
    keep(path, simulated_run('plan.use="demo"', 'sensor.runner="typical"'), started_at="2026-11-22T07:00:00Z")
    return path


def test_the_steps_are_the_same_again(hrbridge: Hrbridge, journal: Path, tmp_path: Path) -> None:
    hrbridge("replay", "2", "--journal", journal, "--trace", tmp_path / "again.jsonl")
    with Journal(journal) as opened:
        assert (tmp_path / "again.jsonl").read_bytes().splitlines(keepends=True)[1:] == list(opened.lines(2))


def test_the_last_one_needs_no_number(hrbridge: Hrbridge, journal: Path) -> None:
    last = hrbridge("replay", "last", "--journal", journal, "--json")
    second = hrbridge("replay", "2", "--journal", journal, "--json")
    first = hrbridge("replay", "1", "--journal", journal, "--json")
    assert last.out == second.out
    assert last.out != first.out


def test_another_plan_makes_another_run(hrbridge: Hrbridge, journal: Path, tmp_path: Path) -> None:
    hrbridge("replay", "2", "--journal", journal, "--plan", "one-one", "--trace", tmp_path / "again.jsonl")
    assert trace.read(tmp_path / "again.jsonl").header.plan.name == "one-one"


def test_another_setting_too(hrbridge: Hrbridge, journal: Path, tmp_path: Path) -> None:
    setting = ("--set", "control.min_drop_bpm=9")
    hrbridge("replay", "2", "--journal", journal, *setting, "--trace", tmp_path / "again.jsonl")
    assert trace.read(tmp_path / "again.jsonl").header.control.min_drop_bpm == 9


def test_it_is_told_with_its_sensor_and_plan(hrbridge: Hrbridge, journal: Path) -> None:
    assert hrbridge("replay", "2", "--journal", journal).out.startswith("2: Polar H10; plan demo;")


def test_one_second_is_explained(hrbridge: Hrbridge, journal: Path) -> None:
    assert "(run, planned)" in hrbridge("replay", "2", "--journal", journal, "--why", "8").out


def test_a_file_of_that_name_wins(
    hrbridge: Hrbridge, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"{second},120" for second in range(20)]
    Path("2").write_text("\n".join(["at_s,heart_rate_bpm", *rows]) + "\n", encoding="utf-8")
    steps = json.loads(hrbridge("replay", "2", "--journal", journal, "--json").out)["steps"]
    assert steps == 20 + 19 + 1  # samples, ticks and the start


def test_a_run_that_is_not_there_is_one_line(hrbridge: Hrbridge, journal: Path) -> None:
    ended = hrbridge("replay", "7", "--journal", journal)
    assert (ended.code, ended.err) == (1, f"hrbridge: {journal}: no run 7; the newest are 2, 1\n")


def test_the_configuration_says_where_the_journal_is(hrbridge: Hrbridge, journal: Path, tmp_path: Path) -> None:
    settings = tmp_path / "me.toml"
    settings.write_text(
        f'[runner]\nid = "runner"\nage_years = 40\nresting_heart_rate_bpm = 60\n[journal]\npath = "{journal}"\n'
    )
    assert hrbridge("replay", "last", "--config", settings, "--json").code == 0
