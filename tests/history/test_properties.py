"""What holds for every run and every season whatsoever."""

from __future__ import annotations

import msgspec
import pytest
from exported_runs import session
from hypothesis import given, settings
from hypothesis import strategies as st

from hrbridge import config
from hrbridge.config import Config, Control, Plan, Purpose, SeasonGoal
from hrbridge.control import plan as shipped
from hrbridge.control.plan import LADDER
from hrbridge.dates import Moment, from_iso
from hrbridge.decisions import Step
from hrbridge.events import order
from hrbridge.history import advice, ladder, overview
from hrbridge.history.course import course
from hrbridge.history.export.activity import activity
from hrbridge.history.figures import figures
from hrbridge.history.runs import Run
from hrbridge.journal import Day, Energy, Kind, Note, Soreness, Symptoms
from hrbridge.sinks.summary import Tally
from hrbridge.trace import Header
from tests.control.test_properties import RUNNER, disorder, plans, steps, stretches
from tests.history.past_runs import TODAY, past

NOW = Moment(from_iso(f"{TODAY}T18:00:00Z"), right=True, boot_id="", boot_s=0.0)


# A journal, like a trace, never runs back.
events_in_order = st.one_of(stretches(), disorder().map(lambda events: tuple(sorted(events, key=order))))


def header(plan: Plan) -> Header:
    return Header(runner=RUNNER, plan=plan, control=Control())


def tallied(plan: Plan, ran: list[Step]) -> Tally:
    tally = Tally(plan)
    for step in ran:
        tally.take(step)
    return tally


# -- one run --


@settings(max_examples=60)
@given(plans, events_in_order)
def test_the_parts_of_a_run_are_the_whole(plan, events):
    sums = figures(header(plan), steps(plan, events))
    parts_s = sums.warmup_s + sums.run_s + sums.walk_s + sums.cooldown_s
    assert sums.elapsed_s == pytest.approx(parts_s, abs=0.01)
    assert sums.main_s == pytest.approx(sums.run_s + sums.walk_s, abs=0.01)
    assert sums.walk_s == pytest.approx(sum(walk.for_s for walk in sums.walks), abs=0.01)
    assert sums.longest_run_s <= sums.run_s + 0.01
    assert 0 <= sums.walks_recovered <= sums.walks_judged <= len(sums.walks)
    assert 0 <= (sums.completion or 0.0) <= 1
    assert min(sums.paused_s, sums.trusted_s, sums.above_ceiling_s, *(walk.for_s for walk in sums.walks)) >= 0


@settings(max_examples=60)
@given(plans, stretches())
def test_the_sum_at_the_end_and_the_figures_say_the_same(plan, events):
    ran = steps(plan, events)
    sums, summary = figures(header(plan), ran), tallied(plan, ran).summary("")
    assert (summary.run_s, summary.walk_s) == (sums.run_s, sums.walk_s)
    assert [(walk.at_s, walk.for_s) for walk in summary.walks] == [(walk.at_s, walk.for_s) for walk in sums.walks]
    assert summary.elapsed_s == pytest.approx(sums.elapsed_s + sums.paused_s, abs=0.01)


@settings(max_examples=40)
@given(plans, stretches())
def test_other_programs_are_told_the_same_times(plan, events):
    ran = steps(plan, events)
    known = header(plan)
    told, sums = activity(session(known), known, ran), figures(known, ran)
    assert told.timer_s == pytest.approx(sums.elapsed_s, abs=0.01)
    assert [lap.start_s for lap in told.laps[1:]] == [lap.end_s for lap in told.laps[:-1]]
    assert [record.at_s for record in told.records] == sorted({record.at_s for record in told.records})


@settings(max_examples=40)
@given(plans, events_in_order)
def test_a_run_is_drawn_from_its_beginning_to_its_end(plan, events):
    drawn = course(plan, steps(plan, events), 0.0)
    assert all(span.from_s <= span.to_s for span in drawn.spans)
    assert [before.to_s for before in drawn.spans[:-1]] == [after.from_s for after in drawn.spans[1:]]


# -- a season --

notes = st.builds(
    Note,
    rpe=st.sampled_from([None, 0.0, 4.5, 8.0, 10.0]),
    soreness=st.sampled_from([None, *Soreness]),
    symptoms=st.sampled_from([None, *Symptoms]),
    energy=st.sampled_from([None, *Energy]),
)
ran_before = st.lists(
    st.builds(
        past,
        st.sampled_from([f"{run}:{walk}" for run, walk in LADDER]),
        st.sampled_from([1, 20, 45, 600]),
        # None: without a date; below zero: on a machine whose clock has been set back since.
        days_ago=st.sampled_from([None, -40, -1, 0, 1, 2, 3, 7, 28, 400]),
        purpose=st.sampled_from(Purpose),
        kind=st.sampled_from(Kind),
        note=notes,
        completion=st.sampled_from([None, 0.0, 0.5, 1.0]),
        walks_recovered=st.integers(0, 10),
        mean_heart_rate_bpm=st.sampled_from([None, 140.0]),
        hilly=st.booleans(),
        reasons=st.sampled_from([{}, {"easy_finish": 1}]),
    ),
    max_size=12,
)
goals = st.builds(
    config.Season,
    goal=st.sampled_from(SeasonGoal),
    runs_per_week=st.integers(2, 5),
    begin=st.sampled_from([None, TODAY]),
)
days = st.dictionaries(
    st.sampled_from(["2026-11-22", "2026-11-20", "2020-01-01"]),
    st.builds(Day, steps=st.sampled_from([None, 0, 200_000]), walk_m=st.sampled_from([None, 0.0, 100_000.0])),
)


@settings(max_examples=150)
@given(ran_before, goals, st.builds(advice.Said, *map(st.sampled_from, ([None, *Energy], [None, *Soreness]))), days)
def test_every_advice_can_be_run(runs: list[Run], goal: config.Season, said: advice.Said, known: dict[str, Day]):
    today = advice.advise(runs, goal, TODAY, said, known)
    asked = config.override(Config(runner=RUNNER), [f'plan={{use="{today.ratio}"}}', *today.overrides])
    assert shipped.resolve(asked.plan).total_s == 60 * today.minutes
    assert ladder.rung_named(today.ratio) in range(len(LADDER))
    assert 1 <= today.minutes <= 600


@settings(max_examples=80)
@given(ran_before, st.sampled_from([None, 1, 12]))
def test_every_season_can_be_shown(runs: list[Run], newest_weeks: int | None):
    shown = overview.overview(runs, newest_weeks)
    assert msgspec.json.decode(msgspec.json.encode(shown), type=overview.Overview) == shown
    assert all(week.run_share is None or 0 <= week.run_share <= 1 for week in shown.weeks)
    assert sum(week.days for week in shown.weeks) <= len(runs)


@settings(max_examples=60)
@given(ran_before.filter(bool), st.sampled_from(["utf-8", "ascii", "latin-1"]))
def test_no_line_of_a_season_is_wider_than_a_terminal(runs: list[Run], encoding: str):
    runner = Config(runner=runs[0].session.header.runner)
    text = overview.as_text(runs, runner, newest_weeks=12, now=NOW, encoding=encoding)
    assert max(map(len, text.splitlines())) <= 80
    assert text.encode(encoding).decode(encoding) == text
