"""What a run adds up to: counted again from the lines of its trace, and in the small for every case by itself."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrbridge import trace, wiring
from hrbridge.config import Block, Control, Plan, Segment
from hrbridge.control import plan as plans
from hrbridge.control.controller import Controller
from hrbridge.decisions import CueKind, Phase, Reason
from hrbridge.events import Action, Command, Speed, Tick
from hrbridge.history.figures import Figures, WalkFigures, figures
from tests.control.conftest import Heart, PaperRun, recovering, run_walk, stubborn

EASY = run_walk(60, 60, repeats=3, cooldown=30.0)
LONG = run_walk(240, 60, total_s=3000)
MAIN = ("run", "surge", "walk")
FROM_HEART_RATE = (
    "peak_bpm",
    "end_bpm",
    "drop_30_bpm",
    "drop_60_bpm",
    "drop_bpm",
    "required_drop_bpm",
    "ready_after_s",
    "recovered",
)


def header(plan: Plan, run: PaperRun) -> trace.Header:
    return trace.Header(runner=run.runner, plan=plan, control=Control())


def summed(run: PaperRun, plan: Plan = EASY) -> Figures:
    return figures(header(plan, run), run.steps)


def run_through(plan: Plan = EASY, heart: Heart | None = None) -> PaperRun:
    return PaperRun(plan, heart or recovering()).until(Phase.FINISHED)


def from_heart_rate(walk: WalkFigures) -> set[Any]:
    return {getattr(walk, name) for name in FROM_HEART_RATE}


def no_strap(_phase: Phase, _elapsed_s: float) -> None:
    return None


# -- a whole simulated run, counted again from its lines --


@pytest.fixture(scope="module")
def simulated() -> tuple[Figures, list[dict[str, Any]]]:
    """Half an hour, in which the strap falls silent for 40 s."""
    overrides = ['plan.use="easy-4-1"', "plan.total_s=1500", 'sensor.faults=["dropout@850+40"]']
    overrides.append("control.heart_rate_ceiling_bpm=140")
    session = wiring.simulated_session(None, overrides)
    steps = list(wiring.steps(session))
    return figures(session.header, steps), [json.loads(trace.encode(step)) for step in steps]


def seconds(lines: list[dict[str, Any]], *phases: str, only: str = "") -> float:
    return sum(
        after["at_s"] - line["at_s"]
        for line, after in pairwise(lines)
        if line["phase"] in phases and only in ("", line["estimate"]["trust"])
    )


def walk_lines(lines: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    walks: list[list[dict[str, Any]]] = []
    for before, line in pairwise(lines):
        if line["phase"] == "walk":
            if before["phase"] != "walk":
                walks.append([])
            walks[-1].append(line)
    return walks


def test_the_seconds_are_those_of_the_trace(simulated: tuple[Figures, list[dict[str, Any]]]) -> None:
    found, lines = simulated
    assert (found.warmup_s, found.run_s, found.walk_s, found.cooldown_s) == pytest.approx(
        (seconds(lines, "warmup"), seconds(lines, "run"), seconds(lines, "walk"), seconds(lines, "cooldown")), abs=1
    )
    assert found.main_s == found.run_s + found.walk_s
    assert found.elapsed_s == lines[-1]["at_s"]


def test_trusted_heart_rate_is_that_of_the_trace(simulated: tuple[Figures, list[dict[str, Any]]]) -> None:
    found, lines = simulated
    trusted_s = seconds(lines, *MAIN, "warmup", "cooldown", only="good")
    beats = sum(
        (after["at_s"] - line["at_s"]) * line["estimate"]["heart_rate_bpm"]
        for line, after in pairwise(lines)
        if line["phase"] in MAIN and line["estimate"]["trust"] == "good"
    )
    good = [line["estimate"]["heart_rate_bpm"] for line in lines if line["estimate"]["trust"] == "good"]
    assert found.trusted_s == pytest.approx(trusted_s)
    assert found.trusted_s < found.elapsed_s - 25
    assert found.mean_heart_rate_bpm == pytest.approx(beats / seconds(lines, *MAIN, only="good"), abs=0.05)
    assert found.peak_heart_rate_bpm == max(good)


def test_seconds_above_the_ceiling_are_those_of_the_trace(simulated: tuple[Figures, list[dict[str, Any]]]) -> None:
    found, lines = simulated
    above_s = sum(
        after["at_s"] - line["at_s"]
        for line, after in pairwise(lines)
        if line["phase"] in MAIN
        and line["estimate"]["trust"] == "good"
        and line["estimate"]["heart_rate_bpm"] > line["estimate"]["ceiling_bpm"]
    )
    assert found.above_ceiling_s == pytest.approx(above_s)
    assert above_s > 0


def test_metres_are_those_of_the_trace(simulated: tuple[Figures, list[dict[str, Any]]]) -> None:
    found, lines = simulated
    told = [(line["phase"], line["event"]["distance_m"]) for line in lines if line["event"]["type"] == "speed"]
    by_phase: defaultdict[str, float] = defaultdict(float)
    for (_, before_m), (phase, now_m) in pairwise(told):
        by_phase[phase] += now_m - before_m
    assert found.distance_m == pytest.approx(told[-1][1] - told[0][1], abs=0.1)
    # A change of phase stands a second off the metre that was told last.
    assert found.run_distance_m == pytest.approx(by_phase["run"], abs=3 * len(found.walks))
    assert found.walk_distance_m == pytest.approx(by_phase["walk"], abs=3 * len(found.walks))


def test_every_walk_is_that_of_the_trace(simulated: tuple[Figures, list[dict[str, Any]]]) -> None:
    found, lines = simulated
    counted = []
    for walk in walk_lines(lines):
        trusted = all(line["estimate"]["trust"] == "good" for line in walk)
        end = walk[-1]["estimate"]
        counted.append((walk[0]["at_s"] - walk[0]["phase_elapsed_s"], end["drop_bpm"] if trusted else None))
    assert [(walk.at_s, walk.drop_bpm) for walk in found.walks] == counted


def test_the_drops_at_30_and_60_s_are_those_of_the_trace(simulated: tuple[Figures, list[dict[str, Any]]]) -> None:
    found, lines = simulated
    for mark_s in (30, 60):
        counted = []
        for walk in walk_lines(lines):
            until = [line for line in walk if line["phase_elapsed_s"] < mark_s]
            after = [line for line in walk if line["phase_elapsed_s"] >= mark_s]
            there = after[:1] if all(line["estimate"]["trust"] == "good" for line in [*until, *after[:1]]) else []
            counted.append(there[0]["estimate"]["drop_bpm"] if there else None)
        assert [getattr(walk, f"drop_{mark_s}_bpm") for walk in found.walks] == counted
        assert None in counted
        assert any(counted)


def test_what_was_said_is_counted_by_kind_and_reason(simulated: tuple[Figures, list[dict[str, Any]]]) -> None:
    found, lines = simulated
    kinds, reasons = defaultdict(int), defaultdict(int)
    for line in lines:
        for cue in line["cues"]:
            kinds[cue["kind"]] += 1
            reasons[cue["reason"]] += 1
    assert (found.cues, found.reasons, found.steps) == (kinds, reasons, len(lines))


# -- walks, and what can be trusted of them --


def test_a_walk_that_did_its_work() -> None:
    for walk in summed(run_through()).walks:
        assert (walk.planned_s, walk.for_s, walk.recovered, walk.hill) == (60, 60, True, False)
        assert walk.drop_60_bpm == walk.drop_bpm > walk.required_drop_bpm
        assert walk.peak_bpm - walk.end_bpm == pytest.approx(walk.drop_bpm)


def test_time_to_ready_is_when_the_judgement_turned() -> None:
    run = run_through()
    judged = [step for step in run.steps if step.phase is Phase.WALK and step.estimate.recovered]
    assert summed(run).walks[0].ready_after_s == judged[0].phase_elapsed_s


def test_a_walk_that_brought_nothing_was_never_ready() -> None:
    run = PaperRun(LONG, stubborn()).until(Phase.WALK).until(Phase.RUN)
    (walk,) = summed(run, LONG).walks
    assert (walk.recovered, walk.ready_after_s) == (False, None)


def test_a_walk_too_short_for_a_minute_has_no_drop_after_one() -> None:
    plan = run_walk(60, 45, repeats=2)
    assert {walk.drop_60_bpm for walk in summed(run_through(plan), plan).walks} == {None}


def test_nothing_is_said_of_a_walk_in_which_the_strap_was_lost_at_once() -> None:
    run = PaperRun(EASY, recovering()).until(Phase.WALK)
    heart, run.heart = run.heart, no_strap
    run.go(15)
    run.heart = heart
    assert from_heart_rate(summed(run.until(Phase.RUN)).walks[0]) == {None}


def test_what_was_seen_before_the_strap_was_lost_counts() -> None:
    run = PaperRun(EASY, recovering()).until(Phase.WALK).go(40)
    run.heart = no_strap
    walk = summed(run.until(Phase.RUN)).walks[0]
    assert walk.drop_30_bpm is not None
    assert (walk.drop_60_bpm, walk.drop_bpm, walk.end_bpm, walk.recovered) == (None, None, None, None)


@pytest.mark.parametrize("walk_s", [25, 60])
def test_a_walk_that_was_run_through_is_not_compared(walk_s: float) -> None:
    plan = run_walk(60, walk_s, repeats=2)
    run = PaperRun(plan, recovering())
    run.running = True
    walk = summed(run.until(Phase.WALK).until(Phase.RUN), plan).walks[0]
    assert walk.walked is False
    assert from_heart_rate(walk) == {None}


def test_a_walk_with_a_pause_in_it_is_not_compared_and_the_pause_no_part_of_it() -> None:
    run = PaperRun(EASY, recovering()).until(Phase.WALK).go(35)
    run.command(Action.PAUSE)
    run.go(100)
    run.command(Action.RESUME)
    found = summed(run.until(Phase.FINISHED))
    assert found.walks[0].for_s == 60
    assert from_heart_rate(found.walks[0]) == {None}
    assert (found.paused_s, found.elapsed_s) == (100, 510)


def test_waiting_for_a_start_that_never_came_is_no_pause() -> None:
    run = PaperRun(EASY, recovering())
    waiting = Controller(EASY, run.runner, Control())
    found = figures(header(EASY, run), map(waiting.step, (Tick(0.0), Tick(60.0))))
    assert (found.steps, found.elapsed_s, found.paused_s) == (2, 0, 0)


def test_a_pause_in_the_warm_up_is_one_too() -> None:
    run = PaperRun(EASY, recovering()).go(30)
    run.command(Action.PAUSE)
    run.go(100)
    run.command(Action.RESUME)
    found = summed(run.until(Phase.FINISHED))
    assert (found.paused_s, found.elapsed_s) == (100, 510)


def test_a_run_that_is_stopped_in_a_pause_ended_where_the_pause_began() -> None:
    run = PaperRun(EASY, recovering()).until(Phase.WALK).go(20)
    run.command(Action.PAUSE)
    run.go(100)
    run.command(Action.STOP)
    found = summed(run)
    assert (found.walk_s, found.paused_s) == (20, 100)


def test_standing_about_after_a_pause_is_no_walk_to_compare() -> None:
    plan = plans.load("free")
    run = PaperRun(plan, recovering())
    run.running = True
    run.go(200)
    run.command(Action.PAUSE)
    run.go(20)
    run.command(Action.RESUME)
    run.running = False
    run.go(70)
    run.running = True
    (walk,) = summed(run.go(30), plan).walks
    assert walk.for_s >= 60
    assert from_heart_rate(walk) == {None}


def test_walks_that_were_longer_than_planned_are_counted() -> None:
    run = PaperRun(EASY, recovering()).until(Phase.WALK).go(10)
    run.command(Action.EXTEND)
    found = summed(run.until(Phase.FINISHED))
    assert (found.walks_extended, found.walks_judged, found.walks_recovered) == (1, 3, 3)


def test_a_walk_uphill_is_marked_and_so_is_a_hilly_run() -> None:
    run = PaperRun(EASY, recovering()).until(Phase.WALK)
    for _ in range(60):
        run.tell(Speed(float(run.now_s), 1.2, incline_percent=4.0))
        run.go(1)
    run.tell(Speed(float(run.now_s), 1.2, incline_percent=0.0))
    found = summed(run.until(Phase.FINISHED))
    assert [walk.hill for walk in found.walks] == [True, False, False]
    assert found.hilly


def test_less_than_four_percent_is_no_hill() -> None:
    run = PaperRun(EASY, recovering()).until(Phase.WALK)
    for _ in range(60):
        run.tell(Speed(float(run.now_s), 1.2, incline_percent=3.9))
        run.go(1)
    assert not summed(run.until(Phase.FINISHED)).walks[0].hill


def late(by_s: int) -> float | None:
    """The overrun of a runner who runs on for so long after the cue."""
    run = PaperRun(EASY, recovering())
    run.running = True
    run.until(Phase.WALK).go(by_s)
    run.running = False
    return summed(run.until(Phase.RUN)).walks[0].overrun_s


def test_who_runs_on_for_25_s_after_the_cue_overruns_by_15() -> None:
    assert late(25) == 15


def test_a_reaction_is_no_overrun() -> None:
    assert late(8) == 0


def test_without_a_source_of_speed_nobody_knows_who_ran_on() -> None:
    assert summed(run_through()).walks[0].overrun_s is None


# -- the plan free: changes are noticed late --


def free_run(*parts: tuple[bool, int]) -> Figures:
    plan = plans.load("free")
    run = PaperRun(plan, recovering())
    for running, for_s in parts:
        run.running = running
        run.go(for_s)
    return summed(run, plan)


def test_runs_and_walks_begin_where_they_were_first_seen() -> None:
    found = free_run((True, 200), (False, 70), (True, 60), (False, 90), (True, 30))
    assert [(walk.at_s, walk.planned_s, walk.for_s) for walk in found.walks] == [(201, None, 70), (331, None, 90)]
    assert (found.run_s, found.walk_s, found.longest_run_s) == (289, 160, 200)


def test_metres_belong_to_the_runs_and_walks_as_they_really_were() -> None:
    found = free_run((True, 200), (False, 70), (True, 60))
    assert found.walk_distance_m == pytest.approx(70 * 1.4, abs=3)
    assert found.run_distance_m == pytest.approx(259 * 2.6, abs=3)


def test_a_drop_that_was_read_after_the_walk_had_really_ended_does_not_count() -> None:
    (walk,) = free_run((True, 200), (False, 55), (True, 60)).walks
    assert walk.drop_30_bpm is not None
    assert walk.drop_60_bpm is None


def test_there_is_no_plan_to_have_done() -> None:
    found = free_run((True, 200), (False, 55), (True, 60))
    assert (found.completion, found.planned_ratio, found.last_ratio, found.walks[0].overrun_s) == (None,) * 4


# -- metres --


def with_distance(*told_m: float) -> Figures:
    """One distance a second, from the start of the run on."""
    plan = run_walk(600, 60, repeats=1, warmup_s=0.0)
    run = PaperRun(plan, recovering())
    for second, metres in enumerate(told_m):
        run.tell(Speed(float(second), 2.5, distance_m=metres))
    return summed(run, plan)


def test_a_counter_that_begins_again_takes_nothing_away() -> None:
    assert with_distance(100, 103, 106, 1, 4).distance_m == 9


def test_without_a_counter_speed_adds_up() -> None:
    run = PaperRun(EASY, recovering())
    run.running = False
    assert summed(run.go(100)).distance_m == pytest.approx(99 * 1.4, abs=0.1)


def test_without_a_source_there_are_no_metres() -> None:
    found = summed(run_through())
    assert (found.distance_m, found.run_distance_m, found.walk_distance_m) == (None, None, None)


def test_what_is_covered_in_a_pause_does_not_count() -> None:
    run = PaperRun(EASY, recovering())
    run.running = False
    run.go(50)
    run.command(Action.PAUSE)
    run.go(50)
    run.command(Action.RESUME)
    assert summed(run.go(50)).distance_m == pytest.approx(99 * 1.4, abs=0.1)


def test_a_counter_that_went_on_while_the_recording_stood_still_adds_nothing() -> None:
    plan = run_walk(600, 60, repeats=1, warmup_s=0.0)
    run = PaperRun(plan, recovering())
    run.tell(Speed(0.0, distance_m=0.0))
    run.tell(Speed(2.0, distance_m=5.0))
    run.tell(Command(2.0, Action.PAUSE))
    run.tell(Command(400.0, Action.RESUME))
    run.tell(Speed(400.0, distance_m=900.0))
    run.tell(Speed(402.0, distance_m=905.0))
    assert summed(run, plan).distance_m == 10


# -- what the runner takes back, and what breaks off --


def test_a_skip_that_was_undone_has_never_been() -> None:
    run = PaperRun(EASY, recovering()).until(Phase.RUN).go(30)
    run.command(Action.SKIP)
    run.go(3)
    run.command(Action.UNDO)
    found = summed(run.until(Phase.FINISHED))
    assert [walk.for_s for walk in found.walks] == [60, 60, 60]
    assert (found.run_s, found.elapsed_s, found.completion) == (180, 510, 1.0)


def test_after_a_stop_that_was_undone_the_run_goes_on() -> None:
    run = PaperRun(EASY, recovering()).until(Phase.RUN).go(30)
    run.command(Action.STOP)
    run.go(3)
    run.command(Action.UNDO)
    found = summed(run.until(Phase.FINISHED))
    assert (found.run_s, found.completion) == (180, 1.0)


def test_a_pause_that_was_undone_is_time_of_the_run() -> None:
    run = PaperRun(EASY, recovering()).until(Phase.RUN).go(30)
    run.command(Action.PAUSE)
    run.go(3)
    run.command(Action.UNDO)
    found = summed(run.until(Phase.FINISHED))
    assert (found.run_s, found.paused_s) == (180, 0)


def test_a_run_that_breaks_off_anywhere_adds_up_to_where_it_did() -> None:
    run = PaperRun(EASY, recovering()).until(Phase.WALK).go(20)
    run.command(Action.PAUSE)
    run.go(30)
    run.command(Action.RESUME)
    run.until(Phase.FINISHED).go(5)
    ended_s = next(step.at_s for step in run.steps if step.phase is Phase.FINISHED)
    for count in range(1, len(run.steps), 7):
        found = figures(header(EASY, run), run.steps[:count])
        assert found.elapsed_s + found.paused_s == pytest.approx(min(run.steps[count - 1].at_s, ended_s))


def test_a_session_of_nothing_is_figures_of_nothing() -> None:
    found = figures(header(EASY, PaperRun(EASY, recovering())), [])
    assert (found.steps, found.elapsed_s, found.completion, found.walks) == (0, 0, 0.0, ())


def test_waiting_and_what_comes_after_the_end_do_not_count() -> None:
    run = run_through()
    run.go(60)
    waiting = [msgspec.structs.replace(run.steps[0], event=Tick(0), phase=Phase.WAITING, cues=())]
    later = [
        msgspec.structs.replace(step, event=msgspec.structs.replace(step.event, at_s=step.at_s + 99))
        for step in run.steps
    ]
    found = figures(header(EASY, run), waiting + later)
    assert (found.elapsed_s, found.paused_s, found.trusted_s) == pytest.approx((510, 0, 505), abs=5)


# -- how much of the plan was done --


def stopped_after(plan: Plan, for_s: int, heart: Heart | None = None) -> float | None:
    run = PaperRun(plan, heart or recovering()).go(for_s)
    run.command(Action.STOP)
    return summed(run, plan).completion


def test_a_plan_that_was_finished_is_done() -> None:
    assert summed(run_through()).completion == 1.0


def test_longer_walks_and_shorter_runs_take_nothing_away() -> None:
    plan = run_walk(120, 60, repeats=6)
    found = summed(run_through(plan, stubborn(160, 14)), plan)
    assert (found.completion, found.runs_cut > 0, found.walks_extended > 0) == (1.0, True, True)


def test_an_easy_finish_that_was_advised_is_done() -> None:
    found = summed(run_through(LONG, stubborn()), LONG)
    assert found.reasons["easy_finish"] >= 1
    assert found.completion == 1.0


@pytest.mark.parametrize(
    ("heart", "kind", "reason"),
    [
        (stubborn(160, 8), CueKind.TIP, Reason.EASY_FINISH),
        (stubborn(160, 2), CueKind.WARNING, Reason.SAFETY),
    ],
)
def test_who_stops_when_told_to_be_content_has_done_what_was_right(heart: Heart, kind: CueKind, reason: Reason) -> None:
    run = PaperRun(LONG, heart).go(265)
    assert run.said(kind, reason)
    run.go(5)
    run.command(Action.STOP)
    assert summed(run, LONG).completion == 1.0


def test_half_the_cycles_are_half_the_plan() -> None:
    assert stopped_after(run_walk(60, 60, repeats=4), 120 + 240) == 0.5


def test_a_part_of_a_cycle_counts() -> None:
    assert stopped_after(run_walk(60, 60, repeats=4), 120 + 240 + 30) == 0.562


def test_half_the_time_is_half_the_plan_without_the_warm_up() -> None:
    assert stopped_after(run_walk(60, 60, total_s=1200), 120 + 600) == 0.5


def test_half_the_distance_is_half_the_plan() -> None:
    plan = Plan(
        distance_m=1000, block=(Block(segments=(Segment(kind="run", for_m=500), Segment(kind="walk", for_s=60))),)
    )
    run = PaperRun(plan, recovering())
    run.running = True
    run.go(192)
    run.command(Action.STOP)
    assert summed(run, plan).completion == pytest.approx(0.5, abs=0.01)


def test_what_a_walk_for_the_heart_s_sake_passes_over_counts_as_done() -> None:
    plan = plans.load("surge")
    run = PaperRun(plan, lambda phase, _elapsed_s: 175 if phase is Phase.SURGE else 100)
    run.until(Phase.WALK)
    assert not run.said(CueKind.RUN)
    run.until(Phase.SURGE)
    run.command(Action.STOP)
    assert summed(run, plan).completion == 0.1


def test_blocks_that_are_counted_make_a_plan_with_an_end() -> None:
    segments = (Segment(kind="run", for_s=60), Segment(kind="walk", for_s=60))
    plan = Plan(block=(Block(segments=segments, repeats=1), Block(segments=segments, repeats=3)))
    assert stopped_after(plan, 240) == 0.5


def test_what_was_skipped_was_not_done() -> None:
    run = PaperRun(EASY, recovering())
    for _ in range(7):
        run.command(Action.SKIP)
    assert summed(run.until(Phase.FINISHED)).completion == 0.0


def test_a_plan_without_an_end_cannot_be_done() -> None:
    assert stopped_after(run_walk(60, 60), 600) is None


@settings(max_examples=20)
@given(
    by_repeats=st.booleans(),
    extended=st.lists(st.integers(min_value=0, max_value=4), min_size=1, max_size=3, unique=True),
    last_part_s=st.integers(min_value=1, max_value=55),
)
def test_a_longer_walk_never_lowers_it(by_repeats: bool, extended: list[int], last_part_s: int) -> None:
    """Both stop at the same place of the plan: in the sixth run or in its walk."""
    plan = run_walk(60, 60, **({"repeats": 8} if by_repeats else {"total_s": 960}))

    def completion(longer: list[int]) -> float:
        run = PaperRun(plan, recovering()).until(Phase.RUN)
        for number in range(5):
            run.until(Phase.WALK)
            if number in longer:
                run.command(Action.EXTEND)
            run.until(Phase.RUN)
        run.go(last_part_s)
        run.command(Action.STOP)
        done = summed(run, plan).completion
        assert done is not None
        return done

    assert completion(extended) >= completion([])


# -- the rest --


def test_runs_that_the_ceiling_ended_are_counted() -> None:
    run = run_through(LONG, stubborn(160, 30))
    cut = [reason for kind, reason in run.reasons(CueKind.WALK) if reason.value.endswith("ceiling")]
    assert summed(run, LONG).runs_cut == len(cut) > 0


def test_the_ratio_as_planned_and_as_it_stood_at_the_end() -> None:
    run = PaperRun(LONG, stubborn(146, 9)).go(1500)
    found = summed(run, LONG)
    assert found.planned_ratio == (240, 60)
    assert found.last_ratio == run.ratio != (240, 60)


def test_effort_is_the_mean_of_what_was_said() -> None:
    run = PaperRun(EASY, recovering()).until(Phase.WALK)
    run.effort(4)
    run.go(20)
    run.effort(5)
    assert summed(run).rpe == 4.5


def test_a_surge_belongs_to_the_run_after_it() -> None:
    plan = plans.load("surge")
    assert summed(run_through(plan), plan).longest_run_s == 120


def cooling(drop_bpm: float) -> Heart:
    """Falls by so much within the first minute after a run, wherever that is spent."""

    def heart(phase: Phase, elapsed_s: float) -> float:
        if phase in (Phase.RUN, Phase.SURGE):
            return 140.0
        return 140 - drop_bpm * min(1.0, elapsed_s / 50) if phase is Phase.COOLDOWN else 110.0

    return heart


ENDS_RUNNING = run_walk(60, 60, 60, repeats=1, cooldown=90.0)


def test_the_finisher_is_the_first_minute_after_the_last_run() -> None:
    assert summed(run_through(ENDS_RUNNING, cooling(28)), ENDS_RUNNING).finisher_drop_60_bpm == pytest.approx(28, abs=1)


def test_a_finisher_under_a_minute_is_none() -> None:
    plan = run_walk(60, 60, 60, repeats=1, cooldown=50.0)
    assert summed(run_through(plan, cooling(28)), plan).finisher_drop_60_bpm is None


def test_after_a_stump_of_a_run_there_is_nothing_to_recover_from() -> None:
    plan = run_walk(60, 60, 25, repeats=1, cooldown=90.0)
    assert summed(run_through(plan, cooling(28)), plan).finisher_drop_60_bpm is None


def test_without_a_cool_down_there_is_no_finisher() -> None:
    run = PaperRun(EASY, recovering()).until(Phase.WALK).until(Phase.RUN).until(Phase.WALK)
    run.command(Action.EXTEND)
    run.go(65)
    run.command(Action.STOP)
    assert summed(run).finisher_drop_60_bpm is None


def test_without_the_strap_nothing_is_said_of_the_finisher() -> None:
    run = PaperRun(ENDS_RUNNING, cooling(28)).until(Phase.COOLDOWN).go(10)
    heart, run.heart = run.heart, no_strap
    run.go(15)
    run.heart = heart
    assert summed(run.until(Phase.FINISHED), ENDS_RUNNING).finisher_drop_60_bpm is None


def drifting(bpm_per_10_min: float, plan: Plan) -> Figures:
    run = PaperRun(plan, recovering())
    run.heart = lambda phase, elapsed_s: recovering(135 + bpm_per_10_min * run.now_s / 600)(phase, elapsed_s)
    return summed(run.until(Phase.FINISHED), plan)


def test_heart_rate_that_drifts_is_noticed() -> None:
    assert drifting(6, run_walk(120, 60, total_s=1800)).drift_bpm_per_10_min == pytest.approx(6, abs=0.5)


def test_a_run_that_was_broken_off_says_nothing_of_drift() -> None:
    plan = run_walk(120, 60, total_s=1800)
    run = PaperRun(plan, recovering())
    run.heart = lambda phase, elapsed_s: recovering(130 + run.now_s / 200)(phase, elapsed_s)
    run.go(120 + 9 * 180 + 20)
    run.command(Action.STOP)
    assert summed(run, plan).drift_bpm_per_10_min == pytest.approx(3, abs=0.5)


def test_a_run_too_short_for_it_says_nothing_of_drift() -> None:
    assert drifting(6, run_walk(120, 60, total_s=900)).drift_bpm_per_10_min is None


# -- real recordings --


def test_the_known_walk_breaks_of_a_real_run(traces: Path) -> None:
    session = wiring.replay_session(traces / "runwalk_person_A_day1.tcx", None, ())
    found = figures(session.header, wiring.steps(session))
    long = [walk for walk in found.walks if walk.for_s >= 45][:5]
    assert [round(walk.at_s) for walk in long] == [1083, 1699, 1941, 2155, 2307]
    assert [walk.recovered for walk in long] == [False] * 5
    assert all(walk.drop_30_bpm is not None for walk in long)


def test_the_distance_of_a_recording_is_that_of_its_counter(traces: Path) -> None:
    session = wiring.replay_session(traces / "run_fenix2.fit", None, ())
    steps = list(wiring.steps(session))
    counted = [step.event.distance_m for step in steps if isinstance(step.event, Speed)]
    assert figures(session.header, steps).distance_m == pytest.approx(counted[-1] - counted[0], abs=0.1)


def test_no_second_of_a_recording_is_lost(traces: Path) -> None:
    for name in ("runwalk_fr110_smartrec.fit", "trail_polarv800.tcx"):
        session = wiring.replay_session(traces / name, None, ())
        steps = list(wiring.steps(session))
        found = figures(session.header, steps)
        assert found.elapsed_s + found.paused_s == pytest.approx(steps[-1].at_s, abs=0.01)
