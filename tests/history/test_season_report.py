"""The page of a season: the numbers of its runs, weeks and bests, for one run as for a hundred."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from hrbridge.dates import from_iso, iso
from hrbridge.history import progress, season_report
from hrbridge.history.runs import Run, runs
from hrbridge.journal import End, Journal, Note
from tests.conftest import Hrbridge
from tests.history.test_report import Written

DAY_S = 86_400


@pytest.fixture(autouse=True, scope="module")
def in_utc() -> Iterator[None]:
    """Days are those of the runner; here of one in UTC."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture(scope="module")
def ran(season_journal: Path) -> list[Run]:
    with Journal(season_journal) as journal:
        return runs(journal, "alex")


@pytest.fixture(scope="module")
def html(ran: list[Run]) -> str:
    return season_report.report(ran)


@pytest.fixture(scope="module")
def page(html: str) -> Written:
    return Written(html)


def moved(run: Run, days: int, **changed: object) -> Run:
    """The same run on another day."""
    started_at = iso(from_iso(run.session.started_at or "") + days * DAY_S)
    return Run(replace(run.session, started_at=started_at, **changed), run.figures, run.note)


# -- the numbers are those of the runs --


def test_the_first_line_counts_runs_weeks_and_hours(ran: list[Run], page: Written) -> None:
    hours = sum(run.figures.elapsed_s for run in ran) / 3600
    assert next(iter(page.sections)) == f"Thirty-six runs in twelve weeks, {hours:.0f} hours."


def test_the_weeks_stand_there_one_by_one(ran: list[Run], page: Written) -> None:
    rows = [(int(row[0]), row[1], row[2], int(row[6]), int(row[8])) for row in page.tables["Week by week"][1:]]
    assert rows == [(w.week, w.begins, w.ratio, round(w.mean_heart_rate_bpm or 0), w.days) for w in progress.weeks(ran)]


def test_more_for_the_same_effort_is_said(ran: list[Run], page: Written) -> None:
    held = [row[-1] == "more, as easy" for row in page.tables["Week by week"][1:]]
    assert held == [bool(week.effort_held) for week in progress.weeks(ran)]


def test_the_longest_week_is_named(ran: list[Run], page: Written) -> None:
    longest = max((week.run_s + week.walk_s) / 60 for week in progress.weeks(ran))
    assert f"{longest:.0f} in the longest." in page.sections["Minutes by week"]


def test_ones_own_bests_with_their_days(ran: list[Run], page: Written) -> None:
    best = progress.records(ran).elapsed_s
    assert best is not None
    held = next(run for run in ran if run.session.id == best.run_id)
    assert held.day is not None
    row = page.tables["Your own bests"][1]
    assert (row[0], row[2]) == ("Longest time", f"{held.day.day} November 2026")


def test_the_way_up_the_ladder(page: Written) -> None:
    assert "Began at 1:2, now at 4:1." in page.sections["Up the ladder"]


def test_days_with_a_run_are_counted(page: Written) -> None:
    assert "36 days with a run" in page.sections["Days"]


def test_miles_for_who_counts_in_miles(ran: list[Run], html: str) -> None:
    miles = sum(run.distance_m or 0 for run in ran) / 1609.344
    assert f"<dd>{miles:.2f} <small>mi</small>" in html


def test_every_plot_is_there_for_desk_and_phone(page: Written) -> None:
    assert {title: len(told) for title, told in page.drawn.items()} == {
        "Minutes by week": 2,
        "Load by week": 2,
        "Heart rate at 1:1": 2,
        "Effort at 1:1": 2,
        "Recovery in walk breaks": 2,
        "Time to ready": 2,
        "Up the ladder": 2,
        "Days": 2,
    }


def test_nothing_leads_elsewhere(html: str) -> None:
    assert re.findall(r"""(?:src|href)=["']?(?!["']?(?:#|data:,))|url\((?!#)|@import|https?:|<script""", html) == []


# -- every kind of season --


def test_one_run_is_a_season(ran: list[Run]) -> None:
    page = Written(season_report.report(ran[:1]))
    assert next(iter(page.sections)) == "One run in one week, 50 minutes."


def test_one_run_is_no_line(ran: list[Run]) -> None:
    page = Written(season_report.report(ran[:1]))
    assert "It takes two runs with this number to draw it." in page.sections["Recovery in walk breaks"]


def test_runs_without_a_date_have_a_page(ran: list[Run]) -> None:
    undated = [Run(replace(run.session, started_at=None), run.figures, Note()) for run in ran[:3]]
    assert "Three runs, " in season_report.report(undated)


def test_estimated_dates_are_counted_and_marked(ran: list[Run]) -> None:
    html = season_report.report([*ran[:5], moved(ran[5], 0, date_estimated=True)])
    assert ("1 date estimated" in html, "with a dot: the date is estimated" in html) == (True, True)


def test_runs_nobody_rated_ask_for_a_rating(ran: list[Run]) -> None:
    unrated = [Run(run.session, replace(run.figures, rpe=None), Note()) for run in ran[:4]]
    assert "hrbridge log" in Written(season_report.report(unrated)).sections["Load by week"]


def test_runs_without_a_plan_have_no_ladder(ran: list[Run]) -> None:
    free = [Run(run.session, replace(run.figures, planned_ratio=None), Note()) for run in ran[:4]]
    page = Written(season_report.report(free))
    assert "Up the ladder" not in page.drawn


def test_three_years_of_runs_fit_on_a_page(ran: list[Run]) -> None:
    years = [moved(run, -84 * block) for block in range(13) for run in ran]
    assert len(season_report.report(years).encode()) < 1_000_000


def day_by_day(runs: list[Run], days: int, count: int) -> list[Run]:
    """So many runs, newest first, each so many days before the next."""
    first = Run(replace(runs[0].session, started_at="2026-11-20T07:00:00Z"), runs[0].figures, runs[0].note)
    return [moved(first, -days * n) for n in range(count)]


@pytest.mark.parametrize(
    ("days", "count", "unit"), [(7, 59, "week"), (7, 70, "month"), (28, 100, "month"), (60, 60, "year")]
)
def test_long_seasons_have_wider_bars(ran: list[Run], days: int, count: int, unit: str) -> None:
    page = Written(season_report.report(day_by_day(ran, days, count)))
    assert (f"Minutes by {unit}" in page.drawn, f"Load by {unit}" in page.drawn) == (True, True)
    assert f"in a usual {unit}, " in page.sections[f"Minutes by {unit}"]


def test_many_weeks_are_years(ran: list[Run]) -> None:
    assert season_report.first_line(day_by_day(ran, 70, 60)).startswith("Sixty runs in eleven years, ")


def test_months_are_told_with_their_years(ran: list[Run]) -> None:
    html = season_report.report(day_by_day(ran, 7, 300))
    assert {f"{year}" for year in (2022, 2023, 2024, 2025, 2026)} <= {
        *re.findall(r">[A-Z][a-z]{2} (\d{4})</text>", html)
    }


def test_of_many_weeks_the_newest_stand_in_the_table_and_that_is_said(ran: list[Run]) -> None:
    page = Written(season_report.report(day_by_day(ran, 7, 40)))
    assert [row[0] for row in page.tables["Week by week"][1:]] == [f"{n}" for n in range(15, 41)]
    assert "These are the newest 26 of 40 weeks with a run" in page.sections["Week by week"]


@pytest.mark.parametrize(
    ("weeks", "told"),
    [
        (60, "Drawn are the newest 53 weeks of 60, on a phone 26."),
        (30, "On a phone the newest 26 weeks of 30 are drawn."),
    ],
)
def test_days_that_are_not_drawn_are_told(ran: list[Run], weeks: int, told: str) -> None:
    assert told in Written(season_report.report(day_by_day(ran, 7, weeks))).sections["Days"]


def test_short_runs_with_a_date_have_a_date(ran: list[Run]) -> None:
    short = [
        Run(run.session, replace(run.figures, elapsed_s=130.0, main_s=10.0, run_s=10.0, walk_s=0.0), run.note)
        for run in (moved(each, 0, ended=End.STOPPED) for each in ran[:5])
    ]
    html = season_report.report(short)
    page = Written(html)
    assert "Runs without a date" not in html
    assert list(page.sections)[1:] == ["Weeks"]
    assert re.findall(r"<dt>of it running</dt><dd>(\d+)", html) == ["8"]


# -- hrbridge report --season --


def test_a_season_is_written(hrbridge: Hrbridge, season_journal: Path, tmp_path: Path) -> None:
    out = tmp_path / "season.html"
    said = hrbridge("report", "--season", out, "--journal", season_journal)
    assert (said.out, out.exists()) == (f"{out}: Thirty-six runs in twelve weeks, 21 hours.\n", True)


def test_an_empty_journal_has_no_season(hrbridge: Hrbridge, tmp_path: Path) -> None:
    Journal(tmp_path / "empty.sqlite3", create=True).close()
    said = hrbridge("report", "--season", tmp_path / "x.html", "--journal", tmp_path / "empty.sqlite3")
    assert (said.code, "no runs yet" in said.err, (tmp_path / "x.html").exists()) == (1, True, False)
