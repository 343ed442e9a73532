"""Where runs, walks and other phases really began and ended."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hrbridge.control import plan as plans
from hrbridge.decisions import Phase, Step
from hrbridge.events import Action, Command
from hrbridge.stretches import Stretch, Stretches
from tests.control.conftest import PaperRun, recovering, run_walk

EASY = run_walk(60, 60, repeats=2, cooldown=30.0)


def followed(steps: list[Step], name: str = "") -> list[Stretch]:
    stretches = Stretches(plans.load(name) if name else EASY)
    settled = [stretch for step in steps for stretch in stretches.take(step)]
    return settled + stretches.rest()


def test_every_phase_once_and_in_order() -> None:
    found = followed(PaperRun(EASY, recovering()).until(Phase.FINISHED).go(5).steps)
    assert [(stretch.phase.value, stretch.for_s) for stretch in found] == [
        ("warmup", 120),
        ("run", 60),
        ("walk", 60),
        ("run", 60),
        ("walk", 60),
        ("cooldown", 30),
        ("finished", 5),
    ]


def test_each_ends_where_the_next_begins_even_where_it_is_noticed_late() -> None:
    run = PaperRun(plans.load("free"), recovering())
    for running, for_s in ((False, 30), (True, 200), (False, 70), (True, 60)):
        run.running = running
        run.go(for_s)
    found = followed(run.steps, "free")
    assert [after.started_s - before.ended_s for before, after in pairwise(found)] == [0, 0, 0]
    assert [stretch.for_s for stretch in found] == [31, 200, 70, 59]


def test_a_stretch_counts_only_when_it_cannot_be_undone_any_more() -> None:
    run = PaperRun(EASY, recovering()).until(Phase.RUN)
    stretches = Stretches(EASY)
    assert [stretch for step in run.steps for stretch in stretches.take(step)] == []
    later = run.go(11).steps[-22:]
    assert [stretch.phase for step in later for stretch in stretches.take(step)] == [Phase.WARMUP]


@pytest.mark.parametrize("again", [Action.SKIP, Action.WALK, Action.STOP, Action.PAUSE])
def test_what_was_undone_leaves_no_stretch(again: Action) -> None:
    run = PaperRun(EASY, recovering()).until(Phase.RUN).go(30)
    run.command(again)
    run.go(3)
    run.command(Action.UNDO)
    found = followed(run.go(5).steps)
    assert [(stretch.phase, stretch.for_s) for stretch in found] == [(Phase.WARMUP, 120), (Phase.RUN, 38)]


def test_the_end_of_a_walk_that_was_stopped_in_a_long_pause_is_how_things_stood_before_it() -> None:
    run = PaperRun(EASY, recovering()).until(Phase.WALK).go(40)
    before = run.steps[-1].estimate
    run.command(Action.PAUSE)
    run.go(300)
    run.command(Action.STOP)
    (walk,) = [stretch for stretch in followed(run.steps) if stretch.phase is Phase.WALK]
    assert walk.end.estimate == before


def test_a_run_whose_beginning_was_lost_goes_on_behind_its_pause() -> None:
    run = PaperRun(EASY, recovering()).until(Phase.RUN).go(30)
    run.command(Action.PAUSE)
    paused = len(run.steps)
    run.go(20)
    run.command(Action.RESUME)
    found = followed(run.go(10).steps[paused:])
    assert [(stretch.phase, stretch.for_s) for stretch in found] == [(Phase.RUN, 40)]


def test_a_pause_moves_no_beginning() -> None:
    run = PaperRun(EASY, recovering()).until(Phase.WALK).go(20)
    run.command(Action.PAUSE)
    run.go(50)
    run.command(Action.RESUME)
    (walk,) = [stretch for stretch in followed(run.until(Phase.RUN).steps) if stretch.phase is Phase.WALK]
    assert (walk.started_s, walk.ended_s, walk.for_s) == (180, 290, 60)


@pytest.mark.parametrize("thousandths", range(1, 1000, 37))
def test_a_pause_between_two_beats_leaves_one_run(thousandths: int) -> None:
    run = PaperRun(EASY, recovering()).until(Phase.RUN).go(30)
    for action, at_s in ((Action.PAUSE, run.now_s), (Action.RESUME, run.now_s + 20)):
        run.go(at_s - run.now_s)
        run.tell(Command(at_s + thousandths / 1000, action))
    found = followed(run.until(Phase.WALK).steps)
    assert [stretch.for_s for stretch in found if stretch.phase is Phase.RUN] == [pytest.approx(60, abs=0.01)]


def test_a_pause_is_no_part_of_a_stretch_though_it_breaks_off_there() -> None:
    run = PaperRun(EASY, recovering()).until(Phase.RUN).go(30)
    run.command(Action.PAUSE)
    last = followed(run.go(50).steps)[-1]
    assert (last.phase, last.for_s, last.paused) == (Phase.RUN, 30, True)
