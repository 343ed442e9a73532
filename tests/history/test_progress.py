"""What runs add up to: the weeks of the articles, bests of one's own, and the way from walking to running."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from hrbridge import trace
from hrbridge.config import Control, Runner
from hrbridge.control import plan as plans
from hrbridge.control.plan import METRES_PER_MILE
from hrbridge.dates import iso
from hrbridge.history import progress
from hrbridge.history.figures import WalkFigures, figures
from hrbridge.history.progress import Stage
from hrbridge.history.runs import Run, runs
from hrbridge.journal import End, Journal, Kind, Note, Session

NOTHING = figures(trace.Header(runner=Runner(age_years=40), plan=plans.load("4:1"), control=Control()), [])
NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
ONE_TWO, ONE_ONE, FOUR_ONE = (60.0, 120.0), (60.0, 60.0), (240.0, 60.0)


def ran(
    day: int | None, *, plan: str = "4:1", ended: End = End.FINISHED, rpe: float | None = None, **known: Any
) -> Run:
    """A run on this day, counted from 1; twenty minutes unless told otherwise. Its number is its day."""
    header = trace.Header(runner=Runner(age_years=40), plan=plans.load(plan), control=Control())
    started_at = None if day is None else iso((NOON + timedelta(days=day - 1)).timestamp())
    session = Session(day or 0, "alex", Kind.LIVE, "strap", header, 0.0, started_at, False, "", 0.0, ended)
    usual = {"elapsed_s": 1200.0, "main_s": 1200.0, "planned_ratio": FOUR_ONE}
    return Run(session, replace(NOTHING, **{**usual, **known}), Note(rpe=rpe))


def walk(**known: Any) -> WalkFigures:
    """A minute of walking that brought recovery."""
    recovered = WalkFigures(0.0, 60.0, 60.0, 150.0, 130.0, 10.0, 20.0, 20.0, 14.0, 40.0, True, True, None, False)
    return replace(recovered, **known)


# -- the table of the articles --


def test_the_four_rows_of_the_articles_come_out_of_the_journal(season_journal: Path):
    with Journal(season_journal) as journal:
        table = {week.week: week for week in progress.weeks(runs(journal, "alex"))}
    rows = [
        (
            number,
            table[number].ratio,
            table[number].total_s / 60,
            round((table[number].distance_m or 0.0) / METRES_PER_MILE, 1),
            round(table[number].mean_heart_rate_bpm or 0.0),
            table[number].rpe,
        )
        for number in (1, 4, 8, 12)
    ]
    assert rows == [
        (1, "1:2", 20, 1.5, 145, 5),
        (4, "1:1", 30, 2.5, 148, 5),
        (8, "2:1", 40, 4.0, 150, 6),
        (12, "4:1", 50, 5.5, 152, 6),
    ]


def test_the_effort_was_held_for_all_of_the_twelve_weeks(season_journal: Path):
    with Journal(season_journal) as journal:
        table = progress.weeks(runs(journal, "alex"))
    assert [week.effort_held for week in table] == [None] + 11 * [True]


def test_a_week_is_seven_days_from_the_first_run():
    table = progress.weeks([ran(15), ran(8), ran(7), ran(1)])
    assert [(week.week, week.days) for week in table] == [(1, 2), (2, 1), (3, 1)]


def test_a_week_without_a_run_has_no_line_but_keeps_its_number():
    assert [week.week for week in progress.weeks([ran(22), ran(1)])] == [1, 4]


def test_more_than_eight_weeks_without_a_run_begin_a_new_count():
    assert [week.week for week in progress.weeks([ran(79), ran(65), ran(8), ran(1)])] == [1, 2, 1, 3]


def test_eight_weeks_without_a_run_are_within_the_count():
    assert [week.week for week in progress.weeks([ran(57), ran(1)])] == [1, 9]


def test_effort_is_held_against_the_first_week_of_the_same_count():
    newest = [ran(80, main_s=1500.0, mean_heart_rate_bpm=150.0, rpe=5.0), ran(73, mean_heart_rate_bpm=145.0, rpe=5.0)]
    table = progress.weeks([*newest, ran(1, mean_heart_rate_bpm=120.0, rpe=5.0)])
    assert [week.effort_held for week in table] == [None, None, True]


def test_two_runs_on_one_day_are_one_day():
    assert [week.days for week in progress.weeks([ran(3), ran(3), ran(1)])] == [2]


def test_the_row_is_that_of_the_ratio_planned_most():
    week = [ran(5, planned_ratio=ONE_ONE, main_s=600.0), ran(3, main_s=1500.0), ran(1, main_s=1700.0)]
    assert [(row.ratio, row.total_s) for row in progress.weeks(week)] == [("4:1", 1600.0)]


def test_of_ratios_planned_equally_often_it_is_the_newest():
    assert progress.weeks([ran(3), ran(1, planned_ratio=ONE_ONE)])[0].ratio == "4:1"


def test_medians_pass_over_what_was_not_measured():
    week = [ran(5, mean_heart_rate_bpm=150.0), ran(3), ran(1, mean_heart_rate_bpm=140.0)]
    assert progress.weeks(week)[0].mean_heart_rate_bpm == 145.0


def test_what_was_never_measured_stays_unknown():
    row = progress.weeks([ran(1)])[0]
    assert (row.mean_heart_rate_bpm, row.distance_m, row.pace_s_per_km, row.rpe, row.load) == (None,) * 5


def test_the_load_of_a_week_is_minutes_times_effort():
    assert progress.weeks([ran(5), ran(3, rpe=6.0), ran(1, rpe=5.0)])[0].load == 20 * 6 + 20 * 5


def test_the_newest_weeks_keep_their_numbers():
    assert [week.week for week in progress.weeks([ran(29), ran(22), ran(15), ran(1)], 2)] == [4, 5]


def test_a_run_broken_off_at_once_counts_for_nothing():
    assert progress.weeks([ran(1, ended=End.STOPPED, main_s=120.0)]) == []


def test_a_run_without_a_date_is_in_no_week():
    assert [week.days for week in progress.weeks([ran(1), ran(None)])] == [1]


def test_a_last_walk_beyond_the_planned_time_is_cool_down():
    assert progress.total_s(ran(1, main_s=1860.0)) == 1800.0


def test_pace_is_that_of_runs_and_walks_together():
    assert progress.pace_s_per_km(ran(1, run_distance_m=2000.0, walk_distance_m=1000.0)) == 400.0


# -- the effort held --


@pytest.mark.parametrize(
    ("first", "now", "held"),
    [
        ({}, {"main_s": 1500.0, "mean_heart_rate_bpm": 152.0, "rpe": 6.0}, True),
        ({}, {"main_s": 1500.0, "mean_heart_rate_bpm": 153.0, "rpe": 5.0}, False),
        ({}, {"main_s": 1500.0, "mean_heart_rate_bpm": 145.0, "rpe": 6.5}, False),
        ({}, {"mean_heart_rate_bpm": 145.0, "rpe": 5.0}, False),
        ({"planned_ratio": ONE_TWO}, {"mean_heart_rate_bpm": 145.0, "rpe": 5.0}, True),
        ({}, {"main_s": 1500.0, "rpe": 5.0}, None),
        ({}, {"main_s": 1500.0, "mean_heart_rate_bpm": 145.0}, None),
    ],
    ids=["more time", "heart rate", "effort", "the same", "a harder ratio", "no heart rate", "no effort"],
)
def test_the_effort_is_held(first: dict[str, Any], now: dict[str, Any], held: bool | None):
    before = ran(1, **{"mean_heart_rate_bpm": 145.0, "rpe": 5.0, **first})
    assert progress.weeks([ran(8, **now), before])[1].effort_held is held


# -- ratios and stages --


@pytest.mark.parametrize(
    ("planned", "name"),
    [
        (ONE_TWO, "1:2"),
        ((120.0, 30.0), "4:1"),
        ((90.0, 60.0), "90/60s"),
        ((0.0, 1800.0), "walk"),
        ((1800.0, 0.0), "run"),
        (None, None),
    ],
)
def test_a_ratio_has_a_name(planned: tuple[float, float] | None, name: str | None):
    assert progress.ratio(ran(1, planned_ratio=planned)) == name


@pytest.mark.parametrize(
    ("planned", "stage"),
    [
        ((0.0, 1800.0), Stage.WALK),
        (ONE_TWO, Stage.WALK_RUN),
        (ONE_ONE, Stage.WALK_RUN),
        (FOUR_ONE, Stage.RUN_WALK),
        ((1800.0, 0.0), Stage.RUN),
    ],
)
def test_there_are_four_stages_from_walking_to_running(planned: tuple[float, float], stage: Stage):
    assert progress.stage(ran(1, planned_ratio=planned)) is stage


def test_the_stage_is_that_of_what_was_run():
    assert progress.stage(ran(1, planned_ratio=FOUR_ONE, run_s=800.0, walk_s=1600.0)) is Stage.WALK_RUN


def test_without_a_plan_the_stage_is_what_was_done():
    assert progress.stage(ran(1, planned_ratio=None, run_s=1800.0, walk_s=0.0)) is Stage.RUN


@pytest.mark.parametrize(
    ("plan", "planned"),
    [("4:1", (1440.0, 360.0)), ("beginner-1-2", (420.0, 840.0)), ("race-miles", None), ("free", None)],
)
def test_what_a_plan_asks_for_in_all(plan: str, planned: tuple[float, float] | None):
    assert progress.planned_s(plans.load(plan)) == planned


def test_a_plan_without_an_end_asks_for_nothing_in_all():
    endless = replace(plans.load("4:1"), total_s=None)
    assert progress.planned_s(endless) is None


# -- bests --


def test_the_longest_run_so_far():
    best = progress.records([ran(3, elapsed_s=1300.0), ran(2, elapsed_s=1500.0), ran(1)])
    assert best.elapsed_s == progress.Best(run_id=2, value=1500.0)


def test_of_equal_runs_the_first_holds_the_record():
    best = progress.records([ran(2, distance_m=5000.0), ran(1, distance_m=5000.0)])
    assert best.distance_m == progress.Best(run_id=1, value=5000.0)


def test_the_soonest_recovery_is_the_shortest_time():
    slow, quick = (walk(ready_after_s=50.0),) * 3, (walk(ready_after_s=35.0),) * 3
    best = progress.records([ran(2, walks=slow), ran(1, walks=quick)])
    assert best.ready_after_s == progress.Best(run_id=1, value=35.0)


def test_the_largest_drop_is_no_single_lucky_walk():
    lucky, steady = (walk(drop_60_bpm=40.0), walk()), (walk(drop_60_bpm=22.0),) * 3
    best = progress.records([ran(2, walks=lucky), ran(1, walks=steady)])
    assert best.drop_60_bpm == progress.Best(run_id=1, value=22.0)


def test_without_a_distance_there_is_no_longest_one():
    assert progress.records([ran(1)]).distance_m is None


def test_a_run_broken_off_at_once_holds_no_record():
    assert progress.records([ran(1, ended=End.STOPPED, main_s=120.0)]).elapsed_s is None


# -- habits --


def test_weeks_in_a_row_end_where_one_had_no_run():
    assert progress.weeks_in_a_row(progress.weeks([ran(29), ran(22), ran(8), ran(1)])) == 2


def test_a_week_of_rest_is_noticed():
    assert progress.days_before([ran(15), ran(8), ran(2), ran(1)]) == {15: 7}


def test_running_and_walking_are_shared_by_time_and_by_distance():
    tenk = ran(1, run_s=3000.0, walk_s=1200.0, run_distance_m=8000.0, walk_distance_m=2000.0)
    assert progress.share([tenk]) == progress.Share(run_s=3000.0, walk_s=1200.0, run_m=8000.0, walk_m=2000.0)


def test_runs_without_a_distance_add_time_alone():
    known = ran(2, run_s=600.0, walk_s=300.0, run_distance_m=1500.0, walk_distance_m=400.0)
    share = progress.share([known, ran(1, run_s=600.0, walk_s=300.0)])
    assert share == progress.Share(run_s=1200.0, walk_s=600.0, run_m=1500.0, walk_m=400.0)


def test_without_any_distance_shares_are_of_time():
    assert progress.share([ran(1)]).run_m is None
