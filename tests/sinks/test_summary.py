"""The sum of a run: seconds run and walked, what was said and why, and every walk break with its judgement."""

from __future__ import annotations

import json

import msgspec
import pytest

from hrbridge.config import Plan
from hrbridge.control import plan as plans
from hrbridge.decisions import Phase
from hrbridge.events import Action, Sample, Speed, Tick
from hrbridge.sinks.summary import Summary, Tally
from tests.control.conftest import Heart, PaperRun, recovering, run_walk, stubborn

EASY = run_walk(60, 60, repeats=3, cooldown=30.0)
LONG = run_walk(240, 60, total_s=3000)


def summed(run: PaperRun, plan: Plan = EASY) -> Summary:
    tally = Tally(plan)
    for step in run.steps:
        tally.take(step)
    return tally.summary("f" * 64)


def run_through(plan: Plan = EASY, heart: Heart | None = None) -> PaperRun:
    return PaperRun(plan, heart or recovering()).until(Phase.FINISHED)


# -- seconds --


def test_seconds_of_running_and_walking_are_those_of_the_plan() -> None:
    summary = summed(run_through())
    assert (summary.run_s, summary.walk_s) == (180, 180)


def test_warm_up_and_cool_down_count_in_all() -> None:
    assert summed(run_through()).elapsed_s == 120 + 360 + 30


def test_a_surge_is_running() -> None:
    plan = plans.load("surge")
    assert summed(run_through(plan), plan).run_s == 10 * (30 + 90)


def test_waiting_for_the_start_does_not_count() -> None:
    run = PaperRun(EASY, recovering())
    waiting = msgspec.structs.replace(run.steps[0], event=Tick(0), phase=Phase.WAITING)
    late = [msgspec.structs.replace(step, event=msgspec.structs.replace(step.event, at_s=99)) for step in run.steps]
    run.steps = [waiting, *late]
    assert summed(run).elapsed_s == 0


def test_what_comes_after_the_end_does_not_count() -> None:
    run = run_through()
    run.go(60)
    assert summed(run).elapsed_s == 510


def test_the_number_of_steps_is_that_of_the_events() -> None:
    run = run_through()
    assert summed(run).steps == len(run.steps)


def test_the_seconds_of_trust_add_up_to_all() -> None:
    run = PaperRun(EASY, recovering()).until(Phase.WALK)
    run.heart = lambda _phase, _elapsed_s: None
    summary = summed(run.go(60))
    assert sum(summary.trust_s.values()) == summary.elapsed_s


def test_a_lost_strap_shows_in_the_seconds_of_trust() -> None:
    run = PaperRun(EASY, recovering()).until(Phase.WALK)
    good_s = run.now_s
    run.heart = lambda _phase, _elapsed_s: None
    assert summed(run.go(60)).trust_s["good"] < good_s + 15


# -- what was said --


def test_every_cue_counts_once_by_kind_and_once_by_reason() -> None:
    run = run_through()
    summary = summed(run)
    assert sum(summary.cues.values()) == sum(summary.reasons.values()) == len(run.cues)


def test_cues_are_counted_by_their_kind() -> None:
    assert {kind: n for kind, n in summed(run_through()).cues.items() if kind in ("run", "walk", "finish")} == {
        "run": 3,
        "walk": 3,
        "finish": 1,
    }


def test_reasons_are_counted() -> None:
    assert summed(run_through(LONG, stubborn()), LONG).reasons["not_recovered"] >= 1


# -- walk breaks --


def test_every_walk_break_has_its_line() -> None:
    walks = summed(run_through()).walks
    assert [(walk.at_s, walk.planned_s, walk.for_s) for walk in walks] == [(180, 60, 60), (300, 60, 60), (420, 60, 60)]


def test_a_walk_that_did_its_work_is_recovered() -> None:
    assert [walk.recovered for walk in summed(run_through()).walks] == [True] * 3


def test_what_heart_rate_fell_by_stands_beside_what_it_should_have() -> None:
    for walk in summed(run_through()).walks:
        assert walk.drop_bpm is not None
        assert walk.required_drop_bpm is not None
        assert walk.drop_bpm >= walk.required_drop_bpm > 0


def test_a_walk_that_did_not_is_longer_and_not_recovered() -> None:
    walk = summed(PaperRun(LONG, stubborn()).until(Phase.WALK).until(Phase.RUN), LONG).walks[0]
    assert walk.recovered is False
    assert walk.for_s > walk.planned_s


def test_without_a_source_of_speed_nobody_says_whether_it_was_walked() -> None:
    assert [walk.walked for walk in summed(run_through()).walks] == [None] * 3


def test_a_walk_that_was_run_through_is_not_walked_and_not_judged() -> None:
    run = PaperRun(EASY, recovering())
    run.running = True
    walk = summed(run.until(Phase.WALK).until(Phase.RUN)).walks[0]
    assert (walk.walked, walk.recovered) == (False, None)


def test_a_pause_is_no_part_of_a_walk() -> None:
    run = PaperRun(EASY, recovering()).until(Phase.WALK).go(20)
    run.command(Action.PAUSE)
    run.go(100)
    run.command(Action.RESUME)
    assert [(walk.for_s, walk.recovered) for walk in summed(run.until(Phase.RUN)).walks] == [(60, None)]


def test_a_run_that_is_stopped_in_a_pause_ends_its_walk_where_the_pause_began() -> None:
    run = PaperRun(EASY, recovering()).until(Phase.WALK).go(20)
    run.command(Action.PAUSE)
    run.go(100)
    run.command(Action.STOP)
    assert [walk.for_s for walk in summed(run).walks] == [20]


def test_two_walks_in_a_row_are_two() -> None:
    plan = plans.load("walk-workout")
    walks = summed(run_through(plan, lambda _phase, _elapsed_s: 110), plan).walks
    assert [walk.for_s for walk in walks] == [180, 120] * 6


def test_a_walk_that_still_goes_on_counts_as_it_stands() -> None:
    assert [walk.for_s for walk in summed(PaperRun(EASY, recovering()).until(Phase.WALK).go(25)).walks] == [25]


def test_in_the_plan_free_a_walk_begins_where_it_was_first_seen() -> None:
    plan = plans.load("free")
    run = PaperRun(plan, recovering())
    for running, for_s in ((True, 200), (False, 70), (True, 60)):
        run.running = running
        run.go(for_s)
    (walk,) = summed(run, plan).walks
    assert (walk.at_s, walk.planned_s, walk.for_s) == (201, None, 70)


def test_in_the_plan_free_what_was_run_ends_where_the_walk_was_first_seen() -> None:
    plan = plans.load("free")
    run = PaperRun(plan, recovering())
    for running, for_s in ((True, 200), (False, 70), (True, 60)):
        run.running = running
        run.go(for_s)
    summary = summed(run, plan)
    assert (summary.run_s, summary.walk_s) == (259, 70)


@pytest.mark.parametrize("again", [Action.SKIP, Action.WALK, Action.STOP])
def test_what_was_undone_counts_as_what_it_was_taken_back_to(again: Action) -> None:
    run = PaperRun(EASY, recovering()).until(Phase.RUN).go(30)
    run.command(again)
    run.go(3)
    run.command(Action.UNDO)
    summary = summed(run.until(Phase.FINISHED))
    assert [(walk.at_s, walk.for_s) for walk in summary.walks] == [(180, 60), (300, 60), (420, 60)]
    assert (summary.run_s, summary.walk_s, summary.elapsed_s) == (180, 180, 510)


def test_the_sum_may_be_asked_for_again_and_again() -> None:
    run, tally = run_through(), Tally(EASY)
    for step in run.steps:
        tally.take(step)
        asked = tally.summary("f" * 64)
    assert asked == summed(run)


# -- as JSON --


def test_the_summary_has_the_shape_of_the_manual() -> None:
    summary = json.loads(msgspec.json.encode(summed(run_through())))
    assert list(summary) == [
        "steps",
        "elapsed_s",
        "run_s",
        "walk_s",
        "cues",
        "reasons",
        "walks",
        "trust_s",
        "trace_sha256",
    ]


def test_a_walk_has_the_shape_of_the_manual() -> None:
    walk = json.loads(msgspec.json.encode(summed(run_through())))["walks"][0]
    assert list(walk) == ["at_s", "planned_s", "for_s", "drop_bpm", "required_drop_bpm", "recovered", "walked"]


def test_every_degree_of_trust_is_there_even_when_it_never_was() -> None:
    summary = summed(run_through())
    assert list(summary.trust_s) == ["good", "doubtful", "none"]
    assert summary.trust_s["doubtful"] == 0


def test_the_fingerprint_is_that_of_the_trace() -> None:
    assert summed(run_through()).trace_sha256 == "f" * 64


def test_a_run_of_nothing_is_a_summary_of_nothing() -> None:
    assert Tally(EASY).summary("").elapsed_s == 0


def test_times_are_rounded_to_the_millisecond() -> None:
    run = PaperRun(EASY, recovering())
    for tenth in range(1, 8):
        run.tell(Sample(tenth / 10, 100))
        run.tell(Speed(tenth / 10, 1.4))
    assert summed(run).elapsed_s == pytest.approx(0.7, abs=0)
