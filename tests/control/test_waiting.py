"""Before the start, without a screen: the strap is found, the start is told, and when it is off that is told too."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrbridge.config import Block, Control, Plan, Runner, Segment
from hrbridge.control.controller import Controller
from hrbridge.control.why import explain
from hrbridge.decisions import REASONS, Cue, CueKind, Phase, Reason, Step
from hrbridge.events import Action, Command, Sample, Tick

RUNNER = Runner(max_heart_rate_bpm=180, resting_heart_rate_bpm=60)
PLAN = Plan(
    warmup_s=300, repeats=1, block=(Block(segments=(Segment(kind="run", for_s=60), Segment(kind="walk", for_s=60))),)
)
STRAP = "A0:9E:1A:11:22:33"
Strap = Callable[[int], Sample | None]


def wait(strap: Strap, for_s: int = 100, **settings: float) -> list[Step]:
    """What the strap sends 0.3 s after each second, and the ticks, up to the start."""
    controller = Controller(PLAN, RUNNER, Control(**settings))
    steps: list[Step] = []
    for second in range(for_s):
        sample = strap(second)
        steps += [controller.step(event) for event in (sample, Tick(second + 1)) if event is not None]
    return steps


def worn(second: int, bpm: int = 104) -> Sample:
    return Sample(second + 0.3, bpm + second % 2, contact=True, source=STRAP)


def loose(second: int) -> Sample:
    return Sample(second + 0.3, 104 + second % 2, contact=False, source=STRAP)


def not_worn(second: int) -> Sample:
    return Sample(second + 0.3, None, source=STRAP)


def not_there(_second: int) -> None:
    return None


def between(from_s: int, until_s: int, strap: Strap, else_strap: Strap) -> Strap:
    return lambda second: strap(second) if from_s <= second < until_s else else_strap(second)


def told(steps: list[Step]) -> list[tuple[float, str]]:
    return [(step.at_s, cue.say) for step in steps for cue in step.cues]


def cues(steps: list[Step]) -> list[Cue]:
    return [cue for step in steps for cue in step.cues]


def test_the_first_trusted_pulse_is_told_and_when_it_starts() -> None:
    assert told(wait(worn, start_after_s=20)) == [
        (1.0, "One hundred and four. Starting in twenty seconds."),
        (21.0, "Warm-up: walk five minutes."),
    ]


def test_a_strap_that_is_put_on_later_is_told_of_then() -> None:
    assert told(wait(between(40, 99, worn, not_there), for_s=45)) == [
        (41.0, "One hundred and four. Starting in twenty seconds.")
    ]


def test_who_starts_by_a_button_is_told_that_all_is_ready() -> None:
    assert told(wait(worn, start_after_s=0)) == [(1.0, "One hundred and four. Ready to start.")]


def test_a_start_that_comes_at_once_needs_no_words() -> None:
    assert told(wait(worn, start_after_s=2, for_s=2)) == [(1.0, "One hundred and four.")]


def test_a_long_wait_is_told_in_minutes() -> None:
    assert told(wait(worn, start_after_s=300, for_s=9)) == [(1.0, "One hundred and four. Starting in five minutes.")]


@pytest.mark.parametrize(
    ("strap", "say"),
    [
        (not_there, "No strap yet. Start runs by the clock."),
        (not_worn, "No heart rate. Start runs by the clock."),
        (loose, "Check the strap. Start runs by the clock."),
    ],
)
def test_after_a_minute_it_is_told_what_is_missing_and_never_again(strap: Strap, say: str) -> None:
    assert told(wait(strap, for_s=3600)) == [(60.0, say)]


def test_a_strap_that_comes_after_that_is_told_of_as_back() -> None:
    steps = wait(between(100, 200, worn, not_there), for_s=110)
    assert [(cue.kind, cue.reason, cue.say) for cue in cues(steps)] == [
        (CueKind.SIGNAL_LOST, Reason.NO_SIGNAL, "No strap yet. Start runs by the clock."),
        (CueKind.SIGNAL_BACK, Reason.RECOVERED, "One hundred and five. Starting in fifteen seconds."),
    ]


def test_a_start_that_was_promised_and_is_off_is_taken_back() -> None:
    steps = wait(between(0, 8, worn, not_there), for_s=100)
    assert told(steps)[1:] == [(18.0, "No heart rate. Waiting.")]


def test_a_strap_that_slips_is_told_of_and_the_start_told_anew() -> None:
    steps = wait(between(8, 30, loose, worn), for_s=52)
    assert told(steps)[1:] == [
        (17.0, "Check the strap. Waiting."),
        (36.0, "One hundred and five. Starting in fifteen seconds."),
        (51.0, "Warm-up: walk five minutes."),
    ]


def test_a_short_slip_is_not_worth_a_word() -> None:
    assert len(told(wait(between(8, 13, loose, worn), for_s=30))) == 1


def test_a_loose_strap_is_told_of_once_a_minute_at_most() -> None:
    steps = wait(lambda second: loose(second) if second % 20 < 12 else worn(second), for_s=600)
    lost_s = [step.at_s for step in steps for cue in step.cues if cue.kind is CueKind.SIGNAL_LOST]
    assert min(later - sooner for sooner, later in pairwise(lost_s)) >= 60


def test_nothing_of_it_is_told_once_the_run_goes_on() -> None:
    controller = Controller(PLAN, RUNNER, Control())
    controller.step(Command(0.0, Action.START))
    steps = [controller.step(event) for second in range(60) for event in (worn(second), Tick(second + 1))]
    assert cues(steps) == []


def test_who_started_without_a_strap_is_still_told_that_the_clock_leads() -> None:
    controller = Controller(PLAN, RUNNER, Control())
    steps = [controller.step(Tick(second)) for second in range(1, 70)]
    steps.append(controller.step(Command(70.0, Action.START)))
    steps += [controller.step(Tick(second)) for second in range(71, 90)]
    assert told(steps)[-1][1] == "No heart rate. Using the clock."


@given(st.lists(st.sampled_from([worn, loose, not_worn, not_there]), max_size=200))
def test_whatever_the_strap_does_lost_and_back_take_turns(straps: list[Strap]) -> None:
    steps = wait(lambda second: straps[second](second), for_s=len(straps), start_after_s=0)
    kinds = [cue.kind for cue in cues(steps)]
    assert {(cue.kind, cue.reason) for cue in cues(steps)} <= {(k, r) for k, rs in REASONS.items() for r in rs}
    assert all(now is not before for before, now in pairwise(kinds))


def test_it_can_be_explained() -> None:
    steps = wait(worn, start_after_s=20, for_s=10)
    lines = explain(steps, 1, PLAN, RUNNER, Control())
    assert "Rule: The first trusted heart rate is told, and when the session begins by itself." in lines


def test_it_is_the_same_every_time() -> None:
    strap = between(8, 30, loose, worn)
    assert wait(strap) == wait(strap)
    assert wait(strap)[-1].phase is Phase.WARMUP
