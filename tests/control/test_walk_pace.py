"""A brisk walk: told to go faster or slower where speed is known, once in each, and never while the heart recovers."""

from __future__ import annotations

import pytest

from hrbridge.config import Block, Control, Plan, Runner, Segment
from hrbridge.control.controller import Controller
from hrbridge.control.walk_pace import WalkPace
from hrbridge.decisions import CueKind, Phase, Reason, Step
from hrbridge.events import Action, Command, Sample, Speed, Tick

MPH = 0.44704
BAND = (1.12, 1.79)
FASTER, SLOWER = "A little brisker.", "Ease off a little."


def advised(*speeds_m_s: float | None) -> list[tuple[int, str]]:
    """What is said, and when, to somebody with these speeds second by second."""
    pace = WalkPace(*BAND)
    said = [(second, pace.advice(float(second), speed)) for second, speed in enumerate(speeds_m_s)]
    return [(second, say) for second, say in said if say is not None]


@pytest.mark.parametrize(("mph", "say"), [(2.4, [(15, FASTER)]), (2.6, []), (3.9, []), (4.1, [(15, SLOWER)])])
def test_a_brisk_walk_is_two_and_a_half_to_four_miles_an_hour(mph: float, say: list[tuple[int, str]]) -> None:
    assert advised(*[mph * MPH] * 60) == say


def test_fifteen_seconds_outside_the_band_are_needed() -> None:
    assert advised(*[1.0] * 15, *[1.4] * 60) == []


def test_one_good_reading_of_a_restless_foot_pod_does_not_hide_a_slow_walk() -> None:
    assert advised(*[1.0] * 12, 1.2, *[1.0] * 30) == [(15, FASTER)]


def test_one_slow_reading_does_not_make_a_slow_walk() -> None:
    assert advised(*[1.3] * 20, 1.0, *[1.3] * 20) == []


def test_a_slow_walk_that_has_become_brisk_is_left_alone() -> None:
    assert advised(*[0.6] * 12, *[1.2] * 60) == []


def test_where_nothing_measures_speed_nothing_is_said() -> None:
    assert advised(*[None] * 60) == []


def test_after_a_hole_the_seconds_are_counted_anew() -> None:
    assert advised(*[1.0] * 10, *[None] * 10, *[1.0] * 30) == [(35, FASTER)]


def test_it_is_said_once_in_a_walk_and_again_in_the_next() -> None:
    pace = WalkPace(*BAND)
    first = [pace.advice(float(second), 1.0) for second in range(60)]
    pace.begin()
    second = [pace.advice(60.0 + second, 2.0) for second in range(60)]
    assert [say for say in (*first, *second) if say is not None] == [FASTER, SLOWER]


# -- in a session --


def walked(
    plan: Plan, speed_m_s: float, heart_rate_bpm: int | None = 100, at_most_s: int = 1500
) -> list[tuple[Phase, float, str]]:
    """The tips of a session, with the phase and the seconds in it; runs are run at 2.6 m/s."""
    runner = Runner(max_heart_rate_bpm=180, resting_heart_rate_bpm=60)
    controller = Controller(plan, runner, Control(rpe_prompts=False, policy="fixed"))
    steps: list[Step] = [controller.step(Command(0.0, Action.START))]
    for second in range(1, at_most_s):
        running = steps[-1].phase in (Phase.RUN, Phase.SURGE)
        at_s = float(second)
        if heart_rate_bpm is not None:
            steps.append(controller.step(Sample(at_s, heart_rate_bpm + second % 2)))
        steps.append(controller.step(Speed(at_s, 2.6 if running else speed_m_s)))
        steps.append(controller.step(Tick(at_s)))
    return [
        (step.phase, step.phase_elapsed_s, cue.say)
        for step in steps
        for cue in step.cues
        if (cue.kind, cue.reason) == (CueKind.TIP, Reason.PLANNED)
    ]


def walks(*for_s: float, **keys: object) -> Plan:
    block = Block(segments=tuple(Segment(kind="walk", for_s=s) for s in for_s))
    return Plan(**{"block": (block,), "repeats": 1, "walk_speed_m_s": BAND, **keys})


def run_and_walk(walk_s: float) -> Plan:
    block = Block(segments=(Segment(kind="run", for_s=240), Segment(kind="walk", for_s=walk_s)))
    return Plan(block=(block,), repeats=2, walk_speed_m_s=BAND)


def test_a_slow_walk_is_told_once_and_not_right_after_the_change() -> None:
    assert walked(walks(180, 120), 1.0) == [(Phase.WALK, 23, FASTER), (Phase.WALK, 23, FASTER)]


def test_a_fast_walk_is_eased() -> None:
    assert walked(walks(180), 1.85) == [(Phase.WALK, 23, SLOWER)]


def test_a_walk_without_a_band_may_have_any_pace_and_hears_of_its_form() -> None:
    assert walked(walks(180, walk_speed_m_s=None), 1.0) == [(Phase.WALK, 15, "Stand tall, eyes up.")]


def test_warm_up_and_cool_down_may_have_any_pace() -> None:
    assert walked(walks(20, warmup_s=300.0, cooldown=300.0), 1.0) == []


def test_a_walk_too_short_for_a_quiet_moment_is_left_alone() -> None:
    assert walked(walks(34, 34), 1.0) == []


@pytest.mark.parametrize(("heart_rate_bpm", "times"), [(130, 2), (145, 0), (None, 0)])
def test_a_walk_between_runs_is_for_the_heart_until_that_has_come_down(heart_rate_bpm: int | None, times: int) -> None:
    """Ready at 60 + 0.65 x 120 = 138."""
    assert len(walked(run_and_walk(120), 1.0, heart_rate_bpm)) == times


def test_a_walk_of_a_walking_workout_has_its_pace_whatever_the_heart_does() -> None:
    assert walked(walks(180), 1.0, 145) == [(Phase.WALK, 23, FASTER)]


def test_who_runs_in_a_walk_is_not_told_to_ease_it() -> None:
    assert walked(walks(180), 2.6) == []
