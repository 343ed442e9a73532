"""Down the ladder and back over many cycles: what it takes, what it does not, and nobody is hunted up and down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hrbridge import bridge, timeline
from hrbridge.config import Block, Control, Plan, PolicyName, Runner, Segment
from hrbridge.control.controller import Controller
from hrbridge.decisions import CueKind, Phase, Reason, Step
from hrbridge.sensors.simulated import Simulated

from .conftest import Heart, PaperRun, recovering, rising, run_walk, stubborn

# The ready line out of the way: only the drop decides. No ceiling in reach.
BY_DROP = Control(tips=False, rpe_prompts=False, ready_hrr=0.3, heart_rate_ceiling_bpm=170)


@dataclass(frozen=True)
class Drop:
    """So many beats, in half a minute from ``after_s`` on."""

    bpm: float
    after_s: float = 0


GOOD, TOO_LITTLE = Drop(30), Drop(0)
ENOUGH = Drop(19)  # in two minutes of walking, where 16 to 18 are asked for
LATE = Drop(30, after_s=50)  # in the first extension


def drops(*walks: Drop, run_bpm: float = 146) -> Heart:
    """One walk after the other, the last again and again."""
    walk = [-1]

    def heart(phase: Phase, elapsed_s: float) -> float:
        if phase is Phase.WARMUP:
            return 105
        if phase is not Phase.WALK:
            return rising(120, run_bpm, elapsed_s)
        walk[0] += elapsed_s <= 1
        drop = walks[min(walk[0], len(walks) - 1)]
        return run_bpm - drop.bpm * min(max(elapsed_s - drop.after_s, 0) / 30, 1)

    return heart


def cycles(n: int, heart: Heart, plan: Plan | None = None, settings: Control = BY_DROP) -> PaperRun:
    """So many runs with their walks, and the first step of the next run."""
    run = PaperRun(plan or run_walk(120, 60, total_s=20_000), heart, settings=settings)
    for _ in range(n + 1):
        run.until(Phase.RUN)
    return run


def ratios(run: PaperRun) -> list[tuple[float, float]]:
    """The ratio at the beginning of each run."""
    first = [
        now
        for before, now in zip(run.steps, run.steps[1:], strict=False)
        if now.phase is Phase.RUN and before.phase is not Phase.RUN
    ]
    return [(step.ratio.run_s, step.ratio.walk_s) for step in first]


# -- down --


def test_the_first_walk_at_its_cap_is_a_rung_and_then_it_takes_two() -> None:
    """In the third walk as long as the cap, the run is shortened again; there is no third time."""
    runs_s = [run_s for run_s, _ in ratios(cycles(4, drops(TOO_LITTLE)))]
    assert runs_s == pytest.approx([120, 96, 96, 76.8, 76.8])


def test_a_good_walk_between_two_failed_ones_begins_the_count_anew() -> None:
    run = cycles(4, drops(LATE, GOOD, LATE, GOOD))
    assert len(run.said(CueKind.EXTEND_WALK)) == 2
    assert run.ratio == (120, 60)


def test_two_failed_walks_in_a_row_below_their_cap_are_a_rung() -> None:
    run = cycles(2, drops(LATE, LATE, GOOD))
    assert run.ratio[0] == 96
    assert run.lengths_s(Phase.WALK)[1] < 120


def test_the_walk_keeps_its_extension_as_its_present_length() -> None:
    run = cycles(2, drops(LATE, LATE, GOOD))
    assert run.ratio[1] == 60 + run.said(CueKind.EXTEND_WALK)[-1][1].for_s


def test_a_rung_that_changes_nothing_is_neither_said_nor_used() -> None:
    """A run of twenty seconds cannot be shorter, and the walk is at its cap from the first rung on."""
    run = cycles(8, drops(TOO_LITTLE), run_walk(20, 60, total_s=20_000))
    assert [cue.reason for _, cue in run.said(CueKind.RATIO)] == [Reason.WALK_CAP]
    assert run.said(CueKind.COOLDOWN) == []


@pytest.mark.parametrize(("run_s", "floor_s"), [(20, 20), (30, 20), (60, 20), (70, 21), (120, 36)])
def test_no_run_is_shorter_than_three_tenths_of_planned_and_twenty_seconds(run_s: float, floor_s: float) -> None:
    run = PaperRun(run_walk(run_s, 60, total_s=20_000), drops(TOO_LITTLE), settings=BY_DROP)
    for _ in range(6):
        run.until(Phase.WALK).go(20)
        run.effort(9)
    assert run.until(Phase.RUN).ratio[0] == floor_s


def test_below_the_last_rung_two_walks_at_their_cap_are_an_easy_finish_said_kindly() -> None:
    run = PaperRun(run_walk(120, 60, total_s=3000), drops(TOO_LITTLE), settings=BY_DROP).until(Phase.COOLDOWN)
    assert len(run.lengths_s(Phase.WALK)) == 5
    assert run.said(CueKind.COOLDOWN)[0][1].say.startswith("Enough running for today. Easy walk to finish")


def test_an_easy_finish_is_walked_to_the_end_of_the_plan() -> None:
    run = PaperRun(run_walk(120, 60, total_s=3000), drops(TOO_LITTLE), settings=BY_DROP).until(Phase.FINISHED)
    assert run.now_s == 120 + 3000


def test_surge_and_run_are_shortened_alike() -> None:
    segments = (Segment("surge", for_s=60), Segment("run", for_s=120), Segment("walk", for_s=60))
    plan = run_walk(60, block=(Block(segments=segments),), total_s=3000)
    run = PaperRun(plan, drops(TOO_LITTLE), settings=BY_DROP)
    for _ in range(2):
        run.until(Phase.WALK)
    assert (run.lengths_s(Phase.SURGE), run.lengths_s(Phase.RUN)) == ([60, 48], [120, 96])


def test_a_run_by_distance_is_shortened_on_its_metres() -> None:
    block = Block(segments=(Segment("run", for_m=400), Segment("walk", for_s=60)))
    run = PaperRun(run_walk(60, block=(block,), total_s=3000), drops(TOO_LITTLE), settings=BY_DROP)
    run.running = True
    begun_m = []
    for _ in range(2):
        run.until(Phase.RUN)
        run.running = True
        run.until(Phase.WALK)
        run.running = False
        begun_m.append(run.lengths_s(Phase.RUN)[-1] * 2.6)
    assert begun_m == pytest.approx([400, 320], abs=6)


def test_a_walk_of_another_length_keeps_its_own_cap() -> None:
    """What a walk of a minute needed does not make one of half a minute longer than its cap of 75 s."""
    run = PaperRun(run_walk(60, 60, 60, 30, total_s=3000), drops(TOO_LITTLE), settings=BY_DROP).go(600)
    longest_s = max(step.ratio.walk_s for step in run.steps if step.ratio.planned_walk_s == 30)
    assert longest_s == 75


def test_surge_and_run_show_the_same_ratio() -> None:
    """At their floor both are three tenths of planned: 9 and 27 s."""
    segments = (Segment("surge", for_s=30), Segment("run", for_s=90), Segment("walk", for_s=60))
    run = PaperRun(run_walk(60, block=(Block(segments=segments),), total_s=3000), recovering(), settings=BY_DROP)
    for _ in range(6):
        run.until(Phase.WALK).go(20)
        run.effort(9)
    surge = run.until(Phase.SURGE).ratio
    assert run.until(Phase.RUN).ratio == surge
    assert (run.lengths_s(Phase.SURGE)[-1], surge[0]) == (9, 36)


def test_effort_and_the_ceiling_together_change_a_cycle_once() -> None:
    settings = Control(tips=False, rpe_prompts=False, ceiling_forecast_margin_bpm=20)

    def too_high(phase: Phase, elapsed_s: float) -> float:
        return 110 if phase is not Phase.RUN else 156 if elapsed_s > 140 else 130

    run = PaperRun(run_walk(240, 60, total_s=6000), too_high, settings=settings)
    for _ in range(3):
        run.until(Phase.RUN)
    run.go(30).effort(8)
    by_effort = run.ratio
    assert run.until(Phase.RUN).ratio[0] == by_effort[0]


# -- and back --

DOWN = (TOO_LITTLE,)  # one walk at its cap: 96 to 120


def test_it_takes_two_good_cycles_to_give_something_back() -> None:
    assert ratios(cycles(4, drops(*DOWN, GOOD))) == [(120, 60), (96, 120), (96, 120), (96, 105), (96, 105)]


def test_walks_come_back_first_and_then_the_run_and_never_past_the_plan() -> None:
    back = ratios(cycles(17, drops(*DOWN, GOOD)))[1::2]
    expected = [(96, 120), (96, 105), (96, 90), (96, 75), (96, 60), (108, 60), (120, 60), (120, 60), (120, 60)]
    assert back == [pytest.approx(ratio) for ratio in expected]


def test_walks_that_are_only_just_enough_give_nothing_back() -> None:
    """What is asked for and not a quarter more."""
    assert cycles(5, drops(*DOWN, ENOUGH)).ratio == (96, 120)


def test_good_and_just_enough_in_turn_give_nothing_back() -> None:
    assert cycles(5, drops(*DOWN, *(GOOD, ENOUGH) * 2)).ratio == (96, 120)


@pytest.mark.parametrize(("run_bpm", "ratio"), [(143, (96, 75)), (144, (96, 120))])
def test_a_run_that_ends_less_than_six_below_the_ceiling_gives_nothing_back(
    run_bpm: float, ratio: tuple[float, float]
) -> None:
    """Half of the beats on paper are one higher, so that it ends at 143.5 and 144.5; the ceiling is 150."""
    settings = Control(tips=False, rpe_prompts=False, ready_hrr=0.3)
    run = cycles(1, stubborn(144), settings=settings)
    run.heart = recovering(run_bpm)
    for _ in range(6):
        run.until(Phase.RUN)
    assert run.ratio == ratio


def test_down_at_the_ready_line_is_good_enough_to_come_back() -> None:
    """A drop of eight beats is no recovery by itself."""
    settings = Control(tips=False, rpe_prompts=False, heart_rate_ceiling_bpm=170)
    run = cycles(1, drops(TOO_LITTLE), settings=settings)
    run.heart = drops(Drop(8), run_bpm=144)
    for _ in range(2):
        run.until(Phase.RUN)
    assert run.ratio == (96, 105)


def test_short_walks_that_no_longer_drift_give_the_doubled_walk_back() -> None:
    cycle = [0]

    def heart(phase: Phase, elapsed_s: float) -> float:
        cycle[0] += phase is Phase.RUN and elapsed_s == 1
        return 110 + (2.5 * cycle[0] if cycle[0] < 9 else 0) + (12 if phase is Phase.RUN else 0)

    run = cycles(20, heart, run_walk(30, 30, total_s=20_000))
    reasons = [cue.reason for _, cue in run.said(CueKind.RATIO)]
    assert reasons == [Reason.TREND, Reason.RESTORED]


def test_short_walks_that_go_on_drifting_make_the_run_shorter_once_the_walk_is_doubled() -> None:
    cycle = [0]

    def heart(phase: Phase, elapsed_s: float) -> float:
        cycle[0] += phase is Phase.RUN and elapsed_s == 1
        return 100 + 2.5 * cycle[0] + (12 if phase is Phase.RUN else 0)

    assert cycles(11, heart, run_walk(30, 30, total_s=20_000)).ratio == (24, 60)


def test_a_drift_that_everybody_has_is_no_failure() -> None:
    """Three beats in ten minutes."""
    now = [0]

    def heart(phase: Phase, elapsed_s: float) -> float:
        now[0] += 1
        return 110 + now[0] * 3 / 600 + (12 if phase is Phase.RUN else 0)

    assert cycles(26, heart, run_walk(30, 30, total_s=20_000)).said(CueKind.RATIO) == []


# -- nobody is hunted --


@pytest.mark.parametrize(
    "walks",
    [
        (Drop(13), Drop(15)),
        (Drop(13), Drop(19)),
        (Drop(12), Drop(12), Drop(16), Drop(16)),
        (TOO_LITTLE, GOOD),
        (LATE, GOOD),
        (ENOUGH, Drop(24)),
        (Drop(17), Drop(19)),
    ],
)
def test_a_runner_on_the_edge_has_one_change_in_four_cycles_at_most(walks: tuple[Drop, ...]) -> None:
    run = PaperRun(run_walk(120, 60, total_s=20_000), drops(*walks * 40), settings=BY_DROP).go(2600)
    assert len(run.said(CueKind.RATIO)) <= len(run.lengths_s(Phase.WALK)) / 4


@pytest.mark.parametrize("good", [2, 4])
def test_two_bad_walks_and_then_good_ones_again_and_again_are_a_change_in_every_other_cycle_at_most(good: int) -> None:
    """Not on the edge but really up and down: hysteresis still takes two cycles for each step."""
    walks = (LATE, LATE, *[GOOD] * good) * 10
    run = PaperRun(run_walk(120, 60, total_s=20_000), drops(*walks), settings=BY_DROP).go(2600)
    assert len(run.said(CueKind.RATIO)) <= len(run.lengths_s(Phase.WALK)) / 2


def simulated(
    runner: str, seed: int, plan: Plan, settings: Control | None = None, faults: tuple[str, ...] = ()
) -> list[Step]:
    """A closed loop: the simulated runner hears the cues and does as they say."""
    who = Simulated(runner, seed, faults)
    heart = Runner(max_heart_rate_bpm=who.max_heart_rate_bpm, resting_heart_rate_bpm=who.resting_heart_rate_bpm)
    controller = Controller(plan, heart, settings or Control(tips=False))
    made = []
    for step in bridge.follow(controller, timeline.merge(who.events())):
        who.take(step)
        made.append(step)
    return made


def count(made: list[Step], wanted: Callable[[Step], bool]) -> int:
    return sum(wanted(step) for step in made)


@pytest.mark.parametrize(("runner", "seed"), [("novice", 1), ("unfit", 2), ("typical", 3)])
def test_a_simulated_runner_is_not_hunted(runner: str, seed: int) -> None:
    made = simulated(runner, seed, run_walk(120, 60, total_s=1800))
    walks = count(made, lambda step: any(cue.kind is CueKind.WALK for cue in step.cues))
    changes = count(made, lambda step: any(cue.kind is CueKind.RATIO for cue in step.cues))
    assert changes <= walks / 4


LADDER = (CueKind.EASE_WALK, CueKind.EXTEND_WALK, CueKind.RATIO, CueKind.COOLDOWN)


def test_a_simulated_runner_who_does_not_recover_goes_down_the_ladder_in_order() -> None:
    # Far above what this run brings, so that only recovery decides.
    settings = Control(tips=False, rpe_prompts=False, heart_rate_ceiling_hrr=0.95)
    made = simulated("fit", 1, run_walk(120, 60, total_s=3000), settings, ("no_recovery@120",))
    said = [(cue.kind, cue.reason) for step in made for cue in step.cues if cue.kind in LADDER]
    first = dict.fromkeys(said)
    assert list(first) == [
        (CueKind.EASE_WALK, Reason.NOT_RECOVERED),
        (CueKind.EXTEND_WALK, Reason.NOT_RECOVERED),
        (CueKind.RATIO, Reason.WALK_CAP),
        (CueKind.COOLDOWN, Reason.EASY_FINISH),
    ]


def test_the_fixed_policy_has_no_ladder() -> None:
    fixed = Control(tips=False, policy=PolicyName.FIXED)
    run = cycles(6, drops(TOO_LITTLE), settings=fixed)
    assert set(ratios(run)) == {(120, 60)}
