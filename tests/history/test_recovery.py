"""How well walk breaks bring heart rate down from run to run, and what is said about it."""

from __future__ import annotations

from functools import cache

import pytest
from msgspec.structs import replace

from hrbridge import trace
from hrbridge.config import Control
from hrbridge.decisions import Phase
from hrbridge.events import Action
from hrbridge.history.figures import Figures, figures
from hrbridge.history.recovery import Change, in_words, recovery, trend
from hrbridge.history.runs import Run
from hrbridge.journal import End, Kind, Note, Session
from tests.control.conftest import Heart, PaperRun, run_walk

PLAN = run_walk(60, 60, repeats=3, cooldown=90.0)


def falling(drop_60_bpm: float, from_bpm: float = 140) -> Heart:
    """Falls by so much in a minute of walking, evenly."""

    def heart(phase: Phase, elapsed_s: float) -> float:
        if phase is Phase.RUN:
            return from_bpm
        return from_bpm - drop_60_bpm * min(1.0, elapsed_s / 60) if phase is not Phase.WARMUP else 100.0

    return heart


@cache
def ran(drop_60_bpm: float) -> Figures:
    """A run whose walks bring so much in a minute."""
    return of(PaperRun(PLAN, falling(drop_60_bpm)).until(Phase.FINISHED))


def of(run: PaperRun) -> Figures:
    return figures(trace.Header(runner=run.runner, plan=PLAN, control=Control()), run.steps)


def past(*drops_bpm: float, ended: End = End.FINISHED) -> list[Run]:
    """One run each, newest first."""
    header = trace.Header(runner=PaperRun(PLAN, falling(20)).runner, plan=PLAN, control=Control())
    return [
        Run(Session(n, "alex", Kind.LIVE, "strap", header, 0.0, None, False, "", 0.0, ended), ran(drop_bpm), Note())
        for n, drop_bpm in enumerate(drops_bpm)
    ]


# -- one run --


def test_a_run_is_the_median_of_its_walks() -> None:
    found = recovery(ran(24))
    assert found.drop_60_bpm == pytest.approx(24, abs=2)
    assert found.drop_30_bpm == pytest.approx(12, abs=2)


def test_walks_that_did_their_work_are_the_share_recovered() -> None:
    assert (recovery(ran(24)).recovered_share, recovery(ran(24)).judged) == (1.0, 3)


def test_time_to_ready_is_that_of_the_walks() -> None:
    fast, slow = (of(PaperRun(PLAN, falling(drop_bpm, 146)).until(Phase.FINISHED)) for drop_bpm in (30, 12))
    assert recovery(fast).ready_after_s == 30
    # Down by 8 bpm to the line at which everybody is ready, and there for 5 s.
    assert recovery(slow).ready_after_s == pytest.approx(60 * 8 / 12 + 5, abs=5)


def test_where_most_walks_brought_too_little_there_is_no_time_to_ready() -> None:
    found = recovery(replace(ran(24), walks=(*ran(2).walks, ran(24).walks[0])))
    assert found.recovered_share < 0.5
    assert found.ready_after_s is None


def test_a_walk_uphill_is_left_out() -> None:
    uphill = tuple(replace(walk, hill=True) for walk in ran(2).walks)
    assert recovery(replace(ran(24), walks=(*uphill, *ran(24).walks))) == recovery(ran(24))


def test_a_walk_with_a_pause_in_it_is_left_out() -> None:
    run = PaperRun(PLAN, falling(24)).until(Phase.WALK).go(20)
    run.command(Action.PAUSE)
    run.go(5)
    run.command(Action.RESUME)
    assert recovery(of(run.until(Phase.FINISHED))).judged == 2


def test_a_short_walk_that_was_made_longer_says_nothing_about_a_minute() -> None:
    short = tuple(replace(walk, planned_s=45.0) for walk in ran(24).walks)
    found = recovery(replace(ran(24), walks=short))
    assert found.drop_30_bpm is not None
    assert (found.drop_60_bpm, found.ready_after_s) == (None, None)


def test_in_the_plan_free_a_walk_is_as_long_as_it_was() -> None:
    own = tuple(replace(walk, planned_s=None) for walk in ran(24).walks)
    assert recovery(replace(ran(24), walks=own)).drop_60_bpm == recovery(ran(24)).drop_60_bpm


def test_a_run_without_walks_says_nothing() -> None:
    found = recovery(replace(ran(24), walks=()))
    assert (found.drop_60_bpm, found.drop_30_bpm, found.ready_after_s, found.recovered_share) == (None,) * 4


# -- from run to run --


def test_the_last_three_runs_are_held_against_those_before() -> None:
    change = trend(past(30, 30, 30, 20, 20, 20)).drop_60_bpm
    assert change is not None
    assert change.by == pytest.approx(10, abs=1)


def test_one_bad_night_is_no_trend() -> None:
    change = trend(past(10, 20, 20, 20, 20, 20)).drop_60_bpm
    assert change is not None
    assert change.by == 0


def test_five_runs_are_too_few() -> None:
    assert trend(past(30, 30, 30, 20, 20)).drop_60_bpm is None


def test_runs_of_long_ago_do_not_matter() -> None:
    recent = [20.0] * 13
    assert trend(past(*recent, *[40.0] * 12)) == trend(past(*recent))


def test_a_run_that_says_nothing_of_it_is_passed_over() -> None:
    silent = [Run(run.session, replace(run.figures, walks=()), run.note) for run in past(30)]
    assert trend(silent + past(30, 30, 30, 20, 20, 20)).drop_60_bpm == trend(past(30, 30, 30, 20, 20, 20)).drop_60_bpm


def test_a_run_that_was_broken_off_does_not_count() -> None:
    broken = [Run(run.session, replace(run.figures, main_s=299.0), run.note) for run in past(2, ended=End.STOPPED)]
    assert trend(broken * 3 + past(20, 20, 20)).drop_60_bpm is None


# -- in words --


def words(newest_bpm: float, before_bpm: float) -> str:
    return in_words(trend(past(*[newest_bpm] * 3, *[before_bpm] * 3)))


def test_who_recovers_faster_is_told_so() -> None:
    text = words(30, 20)
    assert text.startswith("In your last 3 runs heart rate fell by ")
    assert text.endswith(": you recover faster.")


def test_who_recovers_slower_hears_what_helps() -> None:
    assert words(20, 30).endswith(": easy days bring it back.")


def test_a_small_change_is_none() -> None:
    assert words(20, 21).endswith(" beats in a minute of walking, as before.")


def test_with_short_walks_it_is_half_a_minute() -> None:
    changes = replace(trend(past(20, 20, 20, 20, 20, 20)), drop_60_bpm=None, drop_30_bpm=Change(12.0, 12.4))
    assert (
        in_words(changes) == "In your last 3 runs heart rate fell by 12 beats in half a minute of walking, as before."
    )


def test_too_few_runs_leave_nothing_to_say() -> None:
    assert in_words(trend(past(30, 30))) == ""


@pytest.mark.parametrize("newest_bpm", [2, 10, 20, 30])
@pytest.mark.parametrize("before_bpm", [2, 10, 20, 30])
def test_the_words_are_never_negative(newest_bpm: float, before_bpm: float) -> None:
    said = words(newest_bpm, before_bpm).lower()
    assert not {"bad", "worse", "poor", "slow", "fail", "problem", "warning", "ill", "tired"} & set(said.split())
