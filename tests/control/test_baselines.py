"""Simple ways to rest, live: until heart rate is at 65 % of the maximum, or for as long as others rested."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from hrbridge.config import Control, PolicyName
from hrbridge.decisions import CueKind, Phase, Reason
from hrbridge.events import Action, Rpe
from tests.control.conftest import Heart, PaperRun, recovering, rising, run_walk, stubborn

QUIET = Control(tips=False, rpe_prompts=False)
GATE, REST51, REST118 = (
    replace(QUIET, policy=name) for name in (PolicyName.GATE, PolicyName.REST51, PolicyName.REST118)
)


def falling(bpm_s: float, to_bpm: float = 100, run_bpm: float = 160) -> Heart:
    """Falls by so much a second, to a point; the maximum of the runner on paper is 180, the gate at 117."""

    def heart(phase: Phase, elapsed_s: float) -> float:
        if phase is Phase.WALK:
            return max(to_bpm, run_bpm - bpm_s * elapsed_s)
        return 100.0 if phase is Phase.WARMUP else rising(117, run_bpm, elapsed_s)

    return heart


def second_walk(run: PaperRun) -> PaperRun:
    """To the end of the second walk."""
    for _ in range(3):
        run.until(Phase.RUN)
    return run


def plan(run_s: float = 120, walk_s: float = 60, total_s: float = 1800):
    return run_walk(run_s, walk_s, total_s=total_s)


# -- gate --


def test_a_gated_walk_ends_when_heart_rate_is_down_at_65_percent_of_the_maximum() -> None:
    # 160 to 117 at 0.5 bpm/s takes 86 s, the median of 5 s lags 2 s; with four seconds of notice.
    run = second_walk(PaperRun(plan(), falling(0.5), settings=GATE))
    assert run.lengths_s(Phase.WALK)[1] == pytest.approx(93, abs=2)
    assert run.said(CueKind.RUN)[2][1].reason is Reason.RECOVERED


def test_a_gated_walk_is_made_longer_in_time_and_told_so() -> None:
    run = second_walk(PaperRun(plan(), falling(0.5), settings=GATE))
    begun_s = run.said(CueKind.WALK)[1][0]
    (at_s, cue), *_ = [(s, cue) for s, cue in run.said(CueKind.EXTEND_WALK) if s > begun_s]
    assert at_s == begun_s + 56
    assert (cue.for_s, cue.reason) == (30, Reason.NOT_RECOVERED)
    assert cue.say.startswith("Still 13")
    assert cue.say.endswith("Thirty more seconds.")


def test_a_gated_walk_that_is_down_soon_ends_before_the_plan_says() -> None:
    run = second_walk(PaperRun(plan(walk_s=90), falling(1.2), settings=GATE))
    assert run.lengths_s(Phase.WALK)[1] == pytest.approx(43, abs=2)
    told = [cue for _, cue in run.said(CueKind.COUNTDOWN, Reason.RECOVERED)]
    assert told[0].say == "Recovered, 117. Run in four seconds."


def test_a_gated_walk_lasts_thirty_seconds_at_least() -> None:
    run = second_walk(PaperRun(plan(walk_s=90), falling(5), settings=GATE))
    assert run.lengths_s(Phase.WALK)[1] == 30


def test_walks_planned_shorter_than_thirty_seconds_become_as_long() -> None:
    run = second_walk(PaperRun(plan(walk_s=20), falling(5), settings=GATE))
    assert run.lengths_s(Phase.WALK)[1] == 30


def test_a_gated_walk_lasts_three_minutes_at_most() -> None:
    run = second_walk(PaperRun(plan(), falling(1, to_bpm=130), settings=GATE))
    assert run.lengths_s(Phase.WALK)[1] == 180
    assert run.said(CueKind.RUN)[2][1].reason is Reason.WALK_CAP


def test_where_the_plan_has_longer_walks_they_are_the_most() -> None:
    run = second_walk(PaperRun(plan(walk_s=240), falling(1, to_bpm=130), settings=GATE))
    assert run.lengths_s(Phase.WALK)[1] == 240
    assert run.said(CueKind.EXTEND_WALK) == []


def test_three_two_one_is_said_only_of_ends_that_come() -> None:
    run = second_walk(PaperRun(plan(), falling(0.5), settings=GATE))
    for at_s, cue in run.said(CueKind.COUNTDOWN):
        if "Run in" in cue.say:
            assert [s for s, _ in run.said(CueKind.RUN) if abs(s - at_s - (cue.for_s or 0)) <= 1] != []


def test_without_heart_rate_the_gate_is_the_plan_by_the_clock() -> None:
    run = PaperRun(plan(), lambda phase, elapsed_s: None, settings=GATE)
    assert second_walk(run).lengths_s(Phase.WALK) == [60, 60]


def test_with_adapting_off_the_gate_is_the_plan_by_the_clock() -> None:
    run = PaperRun(plan(), falling(1, to_bpm=130), settings=GATE)
    run.command(Action.ADAPT_OFF)
    assert second_walk(run).lengths_s(Phase.WALK) == [60, 60]


def test_the_last_walk_is_not_gated() -> None:
    run = PaperRun(plan(total_s=480), falling(1, to_bpm=130), settings=GATE)
    run.go(1000)
    assert run.lengths_s(Phase.WALK)[-1] == 60


# -- rests --


@pytest.mark.parametrize(("settings", "rest_s"), [(REST51, 51.0), (REST118, 118.0)])
@pytest.mark.parametrize("heart", [recovering(), stubborn()])
def test_every_walk_after_a_run_is_as_long_as_others_rested(settings: Control, rest_s: float, heart: Heart) -> None:
    run = second_walk(PaperRun(plan(), heart, settings=settings))
    assert run.lengths_s(Phase.WALK) == [rest_s, rest_s]
    assert run.lengths_s(Phase.RUN) == [120, 120]


@pytest.mark.parametrize(("settings", "ratio"), [(REST51, (120, 51)), (REST118, (120, 118))])
def test_the_ratio_tells_of_the_rest(settings: Control, ratio: tuple[float, float]) -> None:
    run = PaperRun(plan(), recovering(), settings=settings).until(Phase.RUN)
    assert run.ratio == ratio
    assert run.steps[-1].ratio.planned_walk_s == 60


def test_a_rest_is_announced_with_its_length_and_counted_down() -> None:
    run = second_walk(PaperRun(plan(), recovering(), settings=REST118))
    assert run.said(CueKind.WALK)[0][1].say == "Walk two minutes."
    ends_s = run.said(CueKind.RUN)[1][0]
    counted = [(ends_s - s, cue.say) for s, cue in run.said(CueKind.COUNTDOWN) if 0 < ends_s - s < 15]
    assert counted == [(10, "Run in ten seconds."), (3, "Run in three, two, one.")]


def test_a_workout_of_walking_has_no_rests() -> None:
    walking = run_walk(0.0, 60.0)
    only = replace(walking, block=(replace(walking.block[0], segments=walking.block[0].segments[1:]),), total_s=300.0)
    run = PaperRun(only, recovering(), settings=REST51)
    run.go(300)
    assert run.lengths_s(Phase.WALK)[0] == 60


# -- all of them --


@pytest.mark.parametrize("settings", [GATE, REST51, REST118])
def test_runs_are_the_plan_s_whatever_heart_rate_and_effort_say(settings: Control) -> None:
    run = PaperRun(plan(), falling(1, to_bpm=130), settings=settings)
    run.until(Phase.RUN)
    run.tell(Rpe(float(run.now_s), 9))
    second_walk(run)
    assert set(run.lengths_s(Phase.RUN)) == {120}
    assert run.said(CueKind.RATIO) == []


@pytest.mark.parametrize("settings", [GATE, REST51, REST118])
def test_safety_has_the_last_word(settings: Control) -> None:
    # 95 % of 180 is 171.
    run = PaperRun(plan(run_s=300), stubborn(176), settings=settings).until(Phase.WALK)
    assert run.said(CueKind.WALK)[0][1].reason is Reason.SAFETY
