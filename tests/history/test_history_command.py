"""hrbridge history as a runner types it: the runs day by day, the weeks, one's own bests, and kind words."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import twelve_weeks
from msgspec.structs import replace

from hrbridge import timeline, trace
from hrbridge.config import Block, Segment, SegmentKind
from hrbridge.control import plan as plans
from hrbridge.control.controller import Controller
from hrbridge.dates import Moment, from_iso, iso
from hrbridge.events import Action, Command, Sample
from hrbridge.history import overview, season
from hrbridge.history.runs import runs
from hrbridge.journal import End, Journal, Kind, Note, pack
from hrbridge.sinks.journal import recording_alone
from tests.conftest import Hrbridge

SUNDAY = from_iso("2026-11-22T18:00:00Z")
NOW = Moment(SUNDAY, right=True, boot_id="", boot_s=0.0)
SIX_MINUTES = twelve_weeks.plan(season.dose("1:1", 6))
DAY_S = twelve_weeks.DAY_S


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Days and times are those of the runner; here of one in UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Three short runs: two in one week, and one after nine days of rest."""
    path = tmp_path / "journal.sqlite3"
    packed = twelve_weeks.packed_run(SIX_MINUTES, 800.0, 145.0, 5.0)
    with Journal(path, create=True) as opened, opened.transaction():
        for day in (-14, -11, -2):
            twelve_weeks.add(opened, SIX_MINUTES, packed, SUNDAY + day * DAY_S)
    return path


def text(path: Path, *, weeks: int | None = 12, now: Moment = NOW, encoding: str = "utf-8", **changes: Any) -> str:
    with Journal(path) as journal:
        found = runs(journal, "alex")
    return overview.as_text(found, None, newest_weeks=weeks, now=now, encoding=encoding, **changes)


def add(path: Path, *days: int, minutes: int = 6) -> None:
    """Finished runs, so many days from the newest Sunday."""
    plan = twelve_weeks.plan(season.dose("1:1", minutes))
    packed = twelve_weeks.packed_run(plan, 130.0 * minutes, 145.0, 5.0)
    with Journal(path) as opened, opened.transaction():
        for day in days:
            twelve_weeks.add(opened, plan, packed, SUNDAY + day * DAY_S)


def uncounted(path: Path) -> None:
    """Years before the others, and of heart rate alone: nothing ran and nothing walked."""
    with Journal(path) as opened, opened.transaction():
        plan = plans.load("free")
        header = trace.Header(runner=twelve_weeks.RUNNER, plan=plan, control=twelve_weeks.CONTROL)
        controller = Controller(plan, header.runner, header.control)
        events = [Command(0.0, Action.START), *(Sample(s, heart_rate_bpm=100) for s in range(1, 700))]
        steps = [controller.step(event) for event in timeline.merge(events)]
        began = iso(SUNDAY - 6000 * DAY_S)
        number = opened.begin(header, Kind.IMPORTED, "old.hrm", began_at_s=0.0, started_at=began, now=NOW)
        opened.append_packed(number, 0, pack(map(trace.encode, steps)))
        opened.end(number, End.FINISHED)


def ends(path: Path, ended: str | None) -> None:
    """The newest run ends so."""
    with sqlite3.connect(path) as database:
        database.execute("UPDATE session SET ended = ? WHERE id = 3", (ended,))


# -- the season of the articles --


def test_the_four_rows_of_the_articles_are_shown_in_miles(hrbridge: Hrbridge, season_journal: Path):
    shown = [line.split() for line in hrbridge("history", "--journal", season_journal).out.splitlines()]
    rows = [
        [row[0], *row[3:6], *row[7:9]] for row in shown if row[:1] in (["1"], ["4"], ["8"], ["12"]) and "-" in row[1]
    ]
    assert rows == [
        ["1", "1:2", "20", "1.5", "145", "5"],
        ["4", "1:1", "30", "2.5", "148", "5"],
        ["8", "2:1", "40", "4", "150", "6"],
        ["12", "4:1", "50", "5.5", "152", "6"],
    ]


def test_the_season_is_told_in_words(season_journal: Path):
    told = " ".join(text(season_journal).split())
    assert "Week 12: 3 of 3 runs done, 12 weeks in a row." in told
    assert "You are at stage 3 of 4, running with some walking." in told
    assert "running/walking 90/10 by distance, 80/20 by time" in told
    assert "Since week 1: 30 minutes more, 4:1 in place of 1:2, for about the same effort (+7 bpm, RPE +1)." in told


def test_nothing_is_wider_than_eighty_columns(season_journal: Path):
    assert max(map(len, text(season_journal).splitlines())) <= 80


@pytest.mark.parametrize("columns", [70, 60, 50])
def test_a_narrow_terminal_gets_fewer_columns(season_journal: Path, columns: int):
    assert max(map(len, text(season_journal, columns=columns).splitlines())) <= columns


def test_what_a_narrow_terminal_loses_first_are_the_curves(season_journal: Path):
    lines = text(season_journal, columns=60).splitlines()
    assert lines[2] == "  36  07:00 4:1           50  40/10  40/10 10/10   6   100 %"


def test_the_terminal_tells_how_wide_it_is(hrbridge: Hrbridge, season_journal: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "60")
    shown = hrbridge("history", "--journal", season_journal).out
    assert max(map(len, shown.splitlines())) <= 60


def test_a_run_is_one_line_under_its_day(season_journal: Path):
    lines = text(season_journal).splitlines()
    assert lines[1] == "Fri 20 Nov 2026"
    assert lines[2] == "  36  07:00 4:1           50 █▅█▅█▅█▅█▅█▅█▅█▅█▅  40/10  40/10 10/10   6   100 %"


def test_more_walks_than_columns_are_thinned(season_journal: Path):
    line = next(line for line in text(season_journal).splitlines() if line.startswith("  10 "))
    assert line.endswith(f"{9 * '▇▄'}  15/15  15/15 15/15   5   100 %")


def test_a_run_without_walks_is_drawn_minute_by_minute(journal: Path):
    steady = replace(SIX_MINUTES, block=(Block(segments=(Segment(SegmentKind.RUN, for_s=360.0),)),))
    packed = twelve_weeks.packed_run(steady, 1000.0, 145.0, 5.0)
    with Journal(journal) as opened, opened.transaction():
        twelve_weeks.add(opened, steady, packed, SUNDAY)
    assert text(journal).splitlines()[2].startswith("   4  18:00 1:1            6 ▅▆▆▇▇█  ")


def test_a_terminal_without_blocks_gets_digits(season_journal: Path):
    shown = text(season_journal, encoding="ascii")
    assert " 858585858585858585 " in shown
    assert "Heart rate, 1 121 to 8 161 bpm: up in each run" in shown


def test_who_runs_in_kilometres_reads_kilometres(hrbridge: Hrbridge, season_journal: Path, tmp_path: Path):
    config = tmp_path / "alex.toml"
    config.write_text('[runner]\nid = "alex"\nage_years = 40\nresting_heart_rate_bpm = 60\n')
    shown = hrbridge("history", "--journal", season_journal, "--config", config).out
    assert "longest distance                    8.8 km" in shown
    assert "min/km" in shown


def test_the_runs_a_week_are_those_one_wants(hrbridge: Hrbridge, season_journal: Path, tmp_path: Path):
    config = tmp_path / "alex.toml"
    config.write_text(
        '[runner]\nid = "alex"\nage_years = 40\nresting_heart_rate_bpm = 60\n[season]\nruns_per_week = 4\n'
    )
    assert "Week 12: 3 of 4 runs done" in hrbridge("history", "--journal", season_journal, "--config", config).out


# -- days of rest, records, words --


def test_a_break_is_met_with_a_welcome(journal: Path):
    assert "Week 2: 1 of 3 runs done, 2 weeks in a row. You came back after 9 days of" in text(journal)


def test_a_break_that_goes_on_is_an_invitation(journal: Path):
    later = Moment(SUNDAY + 8 * DAY_S, right=True, boot_id="", boot_s=0.0)
    assert "Your newest run is 10 days old: an easy one today brings you back into it." in " ".join(
        text(journal, now=later).split()
    )


def test_without_a_clock_nobody_is_told_how_long_ago_it_was(journal: Path):
    later = Moment(SUNDAY + 8 * DAY_S, right=False, boot_id="", boot_s=0.0)
    assert "days old" not in text(journal, now=later)


def test_two_of_three_runs_are_said(journal: Path):
    with Journal(journal) as opened:
        first_two = runs(opened, "alex")[1:]
    shown = overview.as_text(first_two, None, newest_weeks=12, now=NOW, encoding="utf-8")
    assert "Week 1: 2 of 3 runs done." in shown


def test_a_record_of_the_newest_run_is_new(journal: Path):
    longer = twelve_weeks.plan(season.dose("1:1", 8))
    packed = twelve_weeks.packed_run(longer, 1200.0, 145.0, 5.0)
    with Journal(journal) as opened, opened.transaction():
        twelve_weeks.add(opened, longer, packed, SUNDAY)
    shown = text(journal)
    assert "longest time                        8 min (run 4, new)" in shown
    assert "longest distance                    0.7 miles (run 4, new)" in shown


def test_an_estimated_date_is_marked(journal: Path):
    with sqlite3.connect(journal) as database:
        database.execute("UPDATE session SET date_estimated = 1 WHERE id = 3")
    shown = text(journal)
    assert "   3 ~18:00 " in shown
    assert "~ the date is estimated" in shown


def test_a_run_without_a_date_comes_at_the_end(journal: Path):
    with sqlite3.connect(journal) as database:
        database.execute("UPDATE session SET started_at = NULL WHERE id = 3")
    lines = text(journal).splitlines()
    assert lines[lines.index("without a date") + 1].startswith("   3        1:1 ")


def test_what_a_plan_is_called_cannot_steer_the_terminal(journal: Path):
    with sqlite3.connect(journal) as database:
        database.execute("""UPDATE session SET header = replace(header, '"1:1"', '"1\\u001b[31m"')""")
    assert "\x1b" not in text(journal)


def test_how_it_felt_is_told_when_somebody_said_so(journal: Path):
    with Journal(journal) as opened, opened.transaction():
        opened.put_note(1, Note(stronger=True, more_energy=True))
        opened.put_note(2, Note(stronger=False))
    assert "Legs stronger: after 1 of 2. More energy in the day: after 1 of 1." in " ".join(text(journal).split())


def test_what_was_said_after_a_run_counts_more_than_during_it(hrbridge: Hrbridge, journal: Path):
    with Journal(journal) as opened, opened.transaction():
        opened.put_note(3, Note(rpe=7.0))
    newest = json.loads(hrbridge("history", "--journal", journal, "--json").out)["runs"][0]
    assert (newest["rpe"], newest["load"]) == (7.0, pytest.approx(42.0))


def test_earlier_weeks_are_a_word_away(hrbridge: Hrbridge, journal: Path):
    shown = hrbridge("history", "--journal", journal, "--weeks", "1").out
    assert "Before these: 2 runs; --weeks N goes further back." in shown
    assert "\n   1 " not in shown


def test_ten_runs_are_shown_however_old_they_are(journal: Path):
    add(journal, *(-400 * n for n in range(1, 9)))
    shown = text(journal, weeks=None)
    assert [f"\n{number:>4}  18:00 " in shown for number in range(1, 12)] == 10 * [True] + [False]
    assert "Before these: 1 run; --weeks N goes further back." in shown


def test_runs_that_no_week_counts_are_shown_when_asked(journal: Path):
    uncounted(journal)
    assert "\n   4  18:00 " in text(journal, weeks=5000)


def test_however_many_weeks_are_asked_for(journal: Path):
    assert "\n   1  18:00 " in text(journal, weeks=10**9)


def test_after_a_long_break_the_weeks_count_from_one(journal: Path):
    add(journal, -4000)
    assert "Week 2: 1 of 3 runs done, 2 weeks in a row." in text(journal)


def test_one_run_is_one_run(hrbridge: Hrbridge, journal: Path):
    shown = " ".join(hrbridge("history", "--journal", journal, "--weeks", "1").out.split())
    assert "1 run here: 3 min of running" in shown


@pytest.mark.parametrize(
    ("ended", "goes_on", "told"), [(None, True, "goes on"), (None, False, "cut off"), ("interrupted", False, "cut off")]
)
def test_what_has_no_end_has_no_share(journal: Path, ended: str | None, goes_on: bool, told: str):
    ends(journal, ended)
    assert text(journal, goes_on=goes_on).splitlines()[2].endswith(f" - {told}")


def test_a_run_that_hrbridge_is_writing_goes_on(hrbridge: Hrbridge, journal: Path):
    ends(journal, None)
    with recording_alone(journal, "alex"):
        shown = hrbridge("history", "--journal", journal).out
    assert (" goes on" in shown, " cut off" in shown) == (True, False)


def test_every_column_of_minutes_says_which(journal: Path):
    with Journal(journal) as opened, opened.transaction():
        opened.put_note(3, Note(rpe=7.0))
    shown = " ".join(text(journal).split())
    assert "all: minutes with warm-up and cool-down. ran and plan: minutes of running/walking." in shown
    assert "min to RPE: the runs and walk breaks of a usual run of the week." in shown
    assert "load: RPE times the minutes of all runs, warm-up and cool-down with them." in shown


def test_who_ran_and_who_walked_is_not_said_of_heart_rate_alone(journal: Path):
    uncounted(journal)
    line = next(line for line in text(journal, weeks=5000).splitlines() if line.startswith("   4 "))
    assert line.split()[-5:] == ["-", "-", "-", "-", "-"]


# -- for scripts --


def test_json_holds_every_run_also_those_that_no_week_counts(hrbridge: Hrbridge, journal: Path):
    uncounted(journal)
    shown = json.loads(hrbridge("history", "--journal", journal, "--json").out)
    assert [run["id"] for run in shown["runs"]] == [3, 2, 1, 4]


def test_json_holds_runs_newest_first_and_weeks_oldest_first(hrbridge: Hrbridge, journal: Path):
    shown = json.loads(hrbridge("history", "--journal", journal, "--json").out)
    assert [run["id"] for run in shown["runs"]] == [3, 2, 1]
    assert [week["week"] for week in shown["weeks"]] == [1, 2]
    assert shown["records"]["elapsed_s"] == {"run_id": 1, "value": 360.0}


def test_json_tells_a_run_in_numbers(hrbridge: Hrbridge, journal: Path):
    run = json.loads(hrbridge("history", "--journal", journal, "--json").out)["runs"][0]
    told = {
        "started_at",
        "date_estimated",
        "kind",
        "source",
        "plan",
        "purpose",
        "ended",
        "elapsed_s",
        "run_s",
        "walk_s",
    }
    told |= {"distance_m", "mean_heart_rate_bpm", "peak_heart_rate_bpm", "rpe", "load", "completion", "walks"}
    told |= {"walks_recovered", "drop_60_bpm", "ready_after_s", "days_before", "stage"}
    told |= {"overrun_s", "finisher_drop_60_bpm", "drift_bpm_per_10_min"}
    assert told <= run.keys()
    assert (run["started_at"], run["plan"], run["ended"]) == ("2026-11-20T18:00:00Z", "1:1", "finished")
    assert (run["run_s"], run["walk_s"], run["planned_run_s"], run["planned_walk_s"]) == (180.0, 180.0, 180.0, 180.0)
    assert (run["stage"], run["days_before"], run["completion"]) == ("walk_run", 9, 1.0)


# -- whose, where, and what can be the matter --


def test_a_journal_without_runs_says_so(hrbridge: Hrbridge, tmp_path: Path):
    path = tmp_path / "empty.sqlite3"
    Journal(path, create=True).close()
    ended = hrbridge("history", "--journal", path)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"{path}: no runs yet; a live run or hrbridge import begins the history.\n"


def test_a_journal_without_runs_is_empty_json(hrbridge: Hrbridge, tmp_path: Path):
    path = tmp_path / "empty.sqlite3"
    Journal(path, create=True).close()
    shown = json.loads(hrbridge("history", "--journal", path, "--json").out)
    assert (shown["runs"], shown["weeks"]) == ([], [])


def test_no_journal_is_one_line(hrbridge: Hrbridge, tmp_path: Path):
    ended = hrbridge("history", "--journal", tmp_path / "none.sqlite3")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == f"hrbridge: {tmp_path}/none.sqlite3: no journal yet; a live run or hrbridge import begins one\n"


def test_a_damaged_journal_is_one_line_and_left_alone(hrbridge: Hrbridge, tmp_path: Path):
    path = tmp_path / "journal.sqlite3"
    path.write_bytes(b"not a journal at all, nor anything else" * 100)
    before = path.read_bytes()
    ended = hrbridge("history", "--journal", path)
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert str(path) in ended.err
    assert path.read_bytes() == before


def test_a_journal_that_may_only_be_read_is_read(hrbridge: Hrbridge, journal: Path, tmp_path: Path):
    folder = tmp_path / "shelf"
    folder.mkdir()
    kept = shutil.copy(journal, folder / "journal.sqlite3")
    kept.chmod(0o400)
    assert hrbridge("history", "--journal", kept).code == 0


def test_no_matplotlib_is_loaded_for_a_table(journal: Path):
    look = "import sys; from hrbridge.cli import main; sys.argv = ['hrbridge', 'history', '--journal', sys.argv[1]]\n"
    look += "try: main()\nexcept SystemExit: print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    shown = subprocess.run([sys.executable, "-c", look, journal], capture_output=True, text=True, check=True).stdout
    loaded = set(shown.splitlines()[-1].split())
    assert loaded & {"matplotlib", "garmin_fit_sdk", "fitdecode", "gpxpy", "aiohttp", "textual", "bleak"} == set()


# -- delete --


def test_a_run_is_deleted_with_all_that_was_said_of_it(hrbridge: Hrbridge, journal: Path):
    hrbridge("history", "--journal", journal)
    with Journal(journal) as opened, opened.transaction():
        opened.put_note(2, Note(rpe=7.0))
    ended = hrbridge("history", "delete", "2", "--journal", journal, "--yes")
    assert ended.out == f"{journal}: deleted run 2 of 2026-11-11T18:00:00Z, plan 1:1.\n"
    with sqlite3.connect(journal) as database:
        left = [
            database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("session", "figure", "note")
        ]
    assert left == [2, 2, 0]


def test_the_options_of_history_hold_for_delete_too(hrbridge: Hrbridge, journal: Path):
    assert hrbridge("history", "--journal", journal, "delete", "last", "--yes").code == 0
    with Journal(journal) as opened:
        assert [session.id for session in opened.sessions()] == [2, 1]


def test_without_a_terminal_delete_wants_a_yes(hrbridge: Hrbridge, journal: Path):
    ended = hrbridge("history", "delete", "2", "--journal", journal)
    assert ended.code == 2
    assert ended.err == (
        "hrbridge: history delete: no terminal to ask on; --yes deletes run 2 of 2026-11-11T18:00:00Z, plan 1:1\n"
    )
    with Journal(journal) as opened:
        assert len(opened.sessions()) == 3


@pytest.mark.parametrize(("answer", "left"), [(b"y\n", 2), (b"n\n", 3)])
def test_on_a_terminal_delete_asks(journal: Path, answer: bytes, left: int):
    ours, terminal = os.openpty()
    os.write(ours, answer)
    program = [sys.executable, "-c", "from hrbridge.cli import main; main()"]
    ended = subprocess.run(
        [*program, "history", "delete", "2", "--journal", journal], stdin=terminal, capture_output=True, text=True
    )
    os.close(terminal)
    os.close(ours)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("Delete run 2 of 2026-11-11T18:00:00Z, plan 1:1, for good? [y/N]: ")
    assert ("Nothing deleted." in ended.stdout) is (left == 3)
    with Journal(journal) as opened:
        assert len(opened.sessions()) == left


def test_who_has_no_run_yet_is_told_whose_there_are(hrbridge: Hrbridge, journal: Path):
    ended = hrbridge("history", "--runner", "kim", "--journal", journal)
    assert ended.out == f"{journal}: no runs yet; there are runs of alex.\n"


def test_who_wants_an_unknown_run_deleted_is_told_which_there_are(hrbridge: Hrbridge, journal: Path):
    ended = hrbridge("history", "delete", "9", "--journal", journal, "--yes")
    assert ended.err == f"hrbridge: {journal}: no run 9; the newest are 3, 2, 1\n"
