"""How hard it feels: what a report of effort changes, beside what the heart says, and when it is asked for."""

from __future__ import annotations

import pytest

from hrbridge.config import Control
from hrbridge.decisions import CueKind, Phase, Reason

from .conftest import Heart, PaperRun, recovering, run_walk, stubborn

# What heart rate allows: nothing ever comes near a ceiling here.
COOL = recovering(run_bpm=135)
ASKS = Control(tips=False)


def four_one(heart: Heart = COOL, **keys: object) -> PaperRun:
    return PaperRun(run_walk(240, 60, total_s=4000, **keys), heart)


def reported(rpe: float, heart: Heart = COOL, *, after_s: int = 20, **keys: object) -> PaperRun:
    """A report in the first walk, and then on to the next run."""
    run = four_one(heart, **keys).until(Phase.WALK).go(after_s)
    run.effort(rpe)
    return run.until(Phase.RUN)


# -- heart rate and effort together --

HIGH, FINE = stubborn(144), COOL


@pytest.mark.parametrize(
    ("heart", "rpe", "walk_s", "next_run_s"),
    [
        (FINE, 5, 60, 240),  # neither: the plan
        (HIGH, 5, 120, 192),  # heart rate alone: the walk grows to its cap, and the ladder has its rung
        (FINE, 8, 75, 192),  # effort alone: the runner is believed
        (HIGH, 8, 120, 192),  # both
    ],
)
def test_heart_rate_and_effort_decide_together(heart: Heart, rpe: float, walk_s: float, next_run_s: float) -> None:
    run = reported(rpe, heart)
    assert (run.lengths_s(Phase.WALK)[0], run.ratio[0]) == (walk_s, next_run_s)


def high_until(walked_s: float) -> Heart:
    """Late to come down, but it does."""

    def heart(phase: Phase, elapsed_s: float) -> float | None:
        return stubborn(146)(phase, elapsed_s) if phase is not Phase.WALK or elapsed_s < walked_s else 128

    return heart


def test_a_high_heart_rate_that_feels_fine_makes_this_walk_longer_and_changes_no_ratio() -> None:
    run = reported(5, high_until(52))
    assert run.lengths_s(Phase.WALK)[0] > 60
    assert run.ratio == (240, 60)


def test_a_high_heart_rate_that_feels_fine_is_not_talked_about() -> None:
    run = reported(5, high_until(52)).go(30)
    assert run.said(CueKind.RATIO) == []


def test_a_fine_heart_rate_that_feels_hard_is_no_reason_to_doubt_the_runner() -> None:
    run = reported(7)
    assert [(cue.reason, cue.for_s) for _, cue in run.said(CueKind.EXTEND_WALK)] == [(Reason.RPE_HIGH, 15)]


def test_both_high_make_the_walk_longer_and_the_next_run_shorter() -> None:
    run = reported(7, high_until(70))  # the fifteen seconds for the effort were not enough
    assert run.lengths_s(Phase.WALK)[0] > 75
    assert run.ratio[0] == 192


def test_a_heart_rate_that_needs_no_longer_walk_does_not_shorten_a_run_that_felt_one_too_hard() -> None:
    assert reported(7).ratio == (240, 75)


# -- how far over target --


@pytest.mark.parametrize("rpe", [0, 2.5, 4, 6])
def test_up_to_the_upper_end_of_the_target_the_plan_stays(rpe: float) -> None:
    run = reported(rpe)
    assert (run.lengths_s(Phase.WALK), run.ratio) == ([60], (240, 60))


@pytest.mark.parametrize(
    ("rpe", "ratio"),
    [(6.5, (240, 75)), (7, (240, 75)), (7.5, (240, 75)), (8, (192, 75)), (8.5, (192, 75)), (9, (192, 75))],
)
def test_one_over_lengthens_the_walk_and_two_over_shorten_the_run_too(rpe: float, ratio: tuple[float, float]) -> None:
    assert reported(rpe).ratio == ratio


@pytest.mark.parametrize(
    ("target", "rpe", "reason"),
    [
        ((4, 6), 8.5, Reason.RPE_HIGH),
        ((4, 6), 9, Reason.RPE_LIMIT),  # nine is nine
        ((2, 4), 7.5, Reason.RPE_HIGH),
        ((2, 4), 8, Reason.RPE_LIMIT),  # four over
        ((7, 8), 8.5, Reason.RPE_HIGH),
        ((7, 8), 9, Reason.RPE_LIMIT),
    ],
)
def test_nine_or_four_over_is_the_limit(target: tuple[float, float], rpe: float, reason: Reason) -> None:
    run = reported(rpe, rpe_target=target)
    assert run.said(CueKind.EXTEND_WALK)[0][1].reason is reason


@pytest.mark.parametrize(("rpe", "phase"), [(8.5, Phase.RUN), (9, Phase.WALK)])
def test_in_a_run_only_the_limit_brings_the_walk_at_once(rpe: float, phase: Phase) -> None:
    run = four_one().until(Phase.RUN).go(50)
    assert run.effort(rpe).phase is phase


def test_a_report_in_a_run_makes_the_coming_walk_longer() -> None:
    run = four_one().until(Phase.RUN).go(50)
    run.effort(7)
    run.until(Phase.WALK).until(Phase.RUN)
    assert (run.lengths_s(Phase.RUN)[0], run.lengths_s(Phase.WALK)[0]) == (240, 75)


@pytest.mark.parametrize(("remaining_s", "this_walk_s", "next_walk_s"), [(10, 75, 75), (9, 60, 75)])
def test_with_ten_seconds_left_a_walk_can_still_grow(remaining_s: int, this_walk_s: float, next_walk_s: float) -> None:
    run = reported(7, after_s=60 - remaining_s).until(Phase.WALK).until(Phase.RUN)
    assert run.lengths_s(Phase.WALK) == [this_walk_s, next_walk_s]


def test_effort_adds_fifteen_seconds_twice_and_no_more() -> None:
    run = four_one()
    ratios = []
    for _ in range(4):
        run.until(Phase.WALK).go(20)
        run.effort(6.5)
        ratios.append(run.ratio[1])
    assert ratios == [75, 90, 90, 90]


def test_effort_alone_shortens_no_run_below_three_tenths_of_planned() -> None:
    run = four_one()
    for _ in range(6):
        run.until(Phase.WALK).go(20)
        run.effort(9)
    assert run.ratio[0] == 72


# -- one report after the other --


def after_reports(*reports: float) -> PaperRun:
    """One report in each walk, and to the end of the last."""
    run = four_one()
    for rpe in reports:
        run.until(Phase.WALK).go(20)
        run.effort(rpe)
    return run.until(Phase.RUN)


@pytest.mark.parametrize(
    ("reports", "run_s"),
    [
        ((7,), 240),
        ((7, 7), 192),  # two in a row
        ((7, 5, 7), 192),  # two of the last three
        ((7, 5, 5, 7), 240),  # one of the last three
        ((7, 7, 7), 192),  # once
        ((7, 7, 7, 7), 192),
        ((7, 7, 5, 7), 153.6),  # and again only after one on target
    ],
)
def test_two_reports_over_target_shorten_the_run_once_until_one_is_on_target(
    reports: tuple[float, ...], run_s: float
) -> None:
    # Heart rate is not so good that anything would come back in between.
    run = four_one(recovering(run_bpm=148))
    for rpe in reports:
        run.until(Phase.WALK).go(20)
        run.effort(rpe)
    assert run.ratio[0] == run_s


def test_nothing_comes_back_while_the_last_report_was_over_target() -> None:
    run = after_reports(8)
    run.go(1500)
    assert run.ratio == (192, 75)


def test_one_report_on_target_lets_the_plan_come_back() -> None:
    run = after_reports(8, 5)
    run.go(2700)
    assert run.ratio == (240, 60)


def test_a_report_on_target_alone_gives_nothing_back() -> None:
    """Both must be good: with this heart rate at the end of the run nothing is restored."""
    run = four_one(recovering(run_bpm=148))
    for rpe in (8, 5):
        run.until(Phase.WALK).go(20)
        run.effort(rpe)
    assert run.go(1500).ratio == (192, 75)


# -- when it is asked for --


def asked_in(reports: dict[int, float], heart: Heart = COOL, walks: int = 14) -> list[int]:
    """In which walks the effort is asked for; ``reports`` are given 20 s after the question, by walk."""
    run = PaperRun(run_walk(60, 60, total_s=60 * 2 * walks), heart, settings=ASKS)
    asked = []
    for walk in range(1, walks):
        before = len(run.said(CueKind.RPE_PROMPT))
        run.until(Phase.WALK).go(35)
        asked += [walk] * (len(run.said(CueKind.RPE_PROMPT)) - before)
        if walk in reports:
            run.effort(reports[walk])
    return asked


def test_effort_is_asked_for_in_every_third_walk() -> None:
    assert asked_in({3: 5, 6: 5, 9: 5}) == [3, 6, 9, 12]


def test_silence_is_skipping_the_question() -> None:
    assert asked_in({}) == [3, 6, 9, 12]


def test_after_a_report_over_target_the_next_walk_asks_again() -> None:
    assert asked_in({3: 7, 4: 5}) == [3, 4, 7, 10, 13]


def test_after_two_over_target_in_a_row_every_third_walk_asks_again() -> None:
    assert asked_in({3: 7, 4: 7}) == [3, 4, 7, 10, 13]


def test_the_question_comes_well_away_from_every_change() -> None:
    run = PaperRun(run_walk(60, 60, total_s=2400), COOL, settings=ASKS).go(2400)
    changes = [s for s, cue in run.cues if cue.kind in (CueKind.RUN, CueKind.WALK)]
    nearest_s = min(abs(asked_s - s) for asked_s, _ in run.said(CueKind.RPE_PROMPT) for s in changes)
    assert nearest_s >= 10


def test_nobody_is_asked_for_effort_who_does_not_want_to_be() -> None:
    run = PaperRun(run_walk(60, 60, total_s=2400), COOL).go(2400)
    assert run.said(CueKind.RPE_PROMPT) == []


def test_a_report_counts_until_one_cycle_after_the_next_question() -> None:
    run = PaperRun(run_walk(60, 60, total_s=3000), COOL, settings=ASKS)
    for _ in range(3):
        run.until(Phase.WALK)
    run.go(30)
    run.effort(5)
    counts = []
    for _ in range(6):
        run.until(Phase.WALK)
        counts.append(run.go(30).steps[-1].estimate.rpe)
    # Reported in the third walk, asked again in the sixth, forgotten from the eighth on.
    assert counts == [5, 5, 5, 5, None, None]
