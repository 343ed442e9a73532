"""One walk break: what is tested twelve and four seconds before its end, and what follows for length and cues."""

from __future__ import annotations

from functools import cache
from math import ceil

import pytest

from hrbridge.config import Control
from hrbridge.control.adaptation import walk_cap_s
from hrbridge.decisions import CueKind, Phase, Reason
from hrbridge.events import Action, Sample

from .conftest import Heart, PaperRun, recovering, rising, run_walk, stubborn

RUN_S, WALK_S = 60, 60
BEGINS_S = 120 + RUN_S
# Ready line and ceiling out of the way: only the drop decides.
FAR = {"tips": False, "rpe_prompts": False, "ready_hrr": 0.3, "heart_rate_ceiling_bpm": 175}
BY_DROP = Control(**FAR)
NEAR = Control(tips=False, rpe_prompts=False)
# So much of a drop that no forecast comes near it, and so little that it is sure to come.
ASKS_MUCH = Control(**FAR, min_drop_bpm=28, max_drop_bpm=28)
ASKS_LITTLE = Control(**FAR, min_drop_bpm=10, max_drop_bpm=10)


def falls(*corners: tuple[float, float], run_bpm: float = 147) -> Heart:
    """In the walk: so many beats below the run after so many seconds, in straight lines between."""

    def heart(phase: Phase, elapsed_s: float) -> float:
        if phase is Phase.WARMUP:
            return 105
        if phase is not Phase.WALK:
            return rising(120, run_bpm, elapsed_s)
        at_s, fallen_bpm = 0.0, 0.0
        for corner_s, corner_bpm in corners:
            if elapsed_s <= corner_s:
                share = (elapsed_s - at_s) / (corner_s - at_s)
                return run_bpm - fallen_bpm - share * (corner_bpm - fallen_bpm)
            at_s, fallen_bpm = corner_s, corner_bpm
        return run_bpm - fallen_bpm

    return heart


def flat(drop_bpm: float) -> Heart:
    """So many beats down in the first quarter of a minute, and no more."""
    return falls((15, drop_bpm))


def walk(heart: Heart, walked_s: int = WALK_S, *, settings: Control = BY_DROP, planned_s: float = WALK_S) -> PaperRun:
    """One run and so many seconds of the first walk."""
    plan = run_walk(RUN_S, planned_s, total_s=3000)
    return PaperRun(plan, heart, settings=settings).until(Phase.WALK).go(walked_s)


def told(run: PaperRun, *kinds: CueKind) -> list[tuple[float, CueKind]]:
    """What was said in the walk, with its seconds."""
    return [(s - BEGINS_S, cue.kind) for s, cue in run.cues if s > BEGINS_S and cue.kind in kinds]


# -- twelve and four seconds before the end --

EXTEND = CueKind.EXTEND_WALK
ENDINGS = (CueKind.COUNTDOWN, CueKind.EXTEND_WALK, CueKind.RUN)
CLEAR = [(50, CueKind.COUNTDOWN), (57, CueKind.COUNTDOWN), (60, CueKind.RUN)]
NOT_AT_ALL = [(48, CueKind.EXTEND_WALK)]
NOT_QUITE = [(56, CueKind.EXTEND_WALK)]
AFTER_ALL = [(57, CueKind.COUNTDOWN), (60, CueKind.RUN)]


@cache
def ending(drop_bpm: int) -> list[tuple[float, CueKind]]:
    return told(walk(flat(drop_bpm)), *ENDINGS)


@cache
def unclear_drop_bpm() -> int:
    """The smallest drop, stood still at, that is neither clearly enough nor clearly not; where it lies is no rule."""
    return next(drop_bpm for drop_bpm in range(40) if ending(drop_bpm) != NOT_AT_ALL)


def test_clearly_recovered_there_is_a_notice_a_countdown_and_the_run() -> None:
    assert ending(30) == CLEAR


def test_clearly_not_recovered_the_extension_takes_the_place_of_the_countdown() -> None:
    assert ending(0) == NOT_AT_ALL


def test_in_between_nothing_is_said_until_four_seconds_before_the_end() -> None:
    assert ending(unclear_drop_bpm()) == NOT_QUITE


def test_in_between_and_better_in_the_last_seconds_three_two_one_comes_alone() -> None:
    drop_bpm = unclear_drop_bpm()
    run = walk(falls((15, drop_bpm), (49, drop_bpm), (54, drop_bpm + 8)))
    assert told(run, *ENDINGS) == AFTER_ALL


def test_in_between_the_walk_grows_by_fifteen_seconds() -> None:
    assert walk(flat(unclear_drop_bpm())).said(CueKind.EXTEND_WALK)[0][1].for_s == 15


def test_the_more_the_heart_has_fallen_the_later_and_the_less_is_added() -> None:
    order = [NOT_AT_ALL, NOT_QUITE, CLEAR]
    found = [order.index(ending(drop_bpm)) for drop_bpm in range(0, 40, 2)]
    assert found == sorted(found)


def test_a_walk_that_is_clearly_enough_at_twelve_seconds_is_not_tested_again() -> None:
    """It has been counted down; what the last seconds bring is for the next walk."""
    run = walk(falls((15, 30), (50, 30), (60, 24)))
    assert told(run, *ENDINGS) == CLEAR


@pytest.mark.parametrize("drop_bpm", [0, 30])
def test_a_walk_without_a_trusted_value_around_its_cue_ends_by_the_clock(drop_bpm: int) -> None:
    """From where it fell nobody knows."""
    heart = flat(drop_bpm)
    plan = run_walk(RUN_S, WALK_S, total_s=3000)
    run = PaperRun(plan, heart, settings=BY_DROP).until(Phase.RUN).go(30)
    run.heart = lambda *_: None
    run.until(Phase.WALK).go(32)
    run.heart = heart
    assert told(run.go(28), CueKind.EXTEND_WALK, CueKind.RUN) == [(60, CueKind.RUN)]


# -- how much longer --


@pytest.mark.parametrize("drop_bpm", range(0, 8, 2))
def test_an_extension_is_as_long_as_the_heart_needs_between_fifteen_and_forty_five_seconds(drop_bpm: int) -> None:
    run = walk(falls((20, drop_bpm / 2), (45, drop_bpm)), 48)
    extended = next(s for s in run.steps if s.cues and s.cues[0].kind is CueKind.EXTEND_WALK)
    lacking_s = 5 * ceil(((extended.estimate.ready_in_s or 120) - 12) / 5)
    assert extended.cues[0].for_s == min(max(lacking_s, 15), 45)


def test_the_slower_a_heart_the_longer_the_first_extension() -> None:
    asked = [Control(**FAR, min_drop_bpm=bpm, max_drop_bpm=bpm) for bpm in (10, 15, 25)]
    lengths = [walk(flat(0), settings=settings).said(CueKind.EXTEND_WALK)[0][1].for_s for settings in asked]
    assert lengths[0] < lengths[2]
    assert lengths == sorted(lengths)


def test_when_nobody_can_say_how_long_it_takes_the_first_extension_is_forty_five_seconds() -> None:
    hopeless = Control(**FAR, min_drop_bpm=40, max_drop_bpm=60)
    assert walk(flat(0), settings=hopeless).said(CueKind.EXTEND_WALK)[0][1].for_s == 45


@pytest.mark.parametrize("planned_s", [60, 120])
def test_a_walk_is_extended_twice_at_most(planned_s: float) -> None:
    run = walk(flat(6), round(walk_cap_s(planned_s)) - 1, planned_s=planned_s, settings=ASKS_LITTLE)
    assert len(run.said(CueKind.EXTEND_WALK)) == 2


def test_the_second_announcement_is_twelve_seconds_before_the_new_end_and_goes_to_the_cap() -> None:
    run = walk(flat(0), 119, settings=ASKS_LITTLE)
    (_, first), (second_s, second) = run.said(CueKind.EXTEND_WALK)
    assert second_s - BEGINS_S == 60 + first.for_s - 12
    assert 60 + first.for_s + second.for_s == walk_cap_s(60)


def test_the_second_announcement_goes_to_the_cap_though_little_is_missing() -> None:
    first, second = (cue.for_s for _, cue in walk(falls((48, 0), (60, 8)), 119, settings=ASKS_LITTLE).said(EXTEND))
    assert 60 + first + second == walk_cap_s(60)


def test_an_extended_walk_never_passes_its_cap_though_the_runner_made_it_longer_too() -> None:
    run = walk(flat(0), 30)
    for _ in range(3):
        run.command(Action.EXTEND)
    run.go(89)
    ends = {s.at_s + s.phase_remaining_s for s in run.steps if s.phase is Phase.WALK and s.phase_remaining_s}
    assert max(ends) - BEGINS_S == walk_cap_s(60)


# -- at the cap --


@pytest.mark.parametrize(
    ("run_bpm", "phase"),
    [
        (144, Phase.RUN),  # five below the ceiling of 150
        (146, Phase.WALK),
        (149, Phase.WALK),
        (158, Phase.WALK),
    ],
)
def test_at_the_cap_the_run_comes_only_well_below_the_ceiling(run_bpm: float, phase: Phase) -> None:
    assert walk(stubborn(run_bpm, drop_bpm=0), 121, settings=NEAR).steps[-1].phase is phase


def test_a_run_at_the_cap_is_counted_down_with_its_reason() -> None:
    run = walk(stubborn(143), 121)
    told_s = {(cue.kind, cue.reason) for s, cue in run.cues if s > BEGINS_S + 100}
    assert told_s == {(CueKind.COUNTDOWN, Reason.WALK_CAP), (CueKind.RUN, Reason.WALK_CAP)}


def test_no_run_cue_comes_above_the_ceiling_however_long_the_walk() -> None:
    run = walk(stubborn(158), 400, settings=NEAR)
    assert told(run, CueKind.RUN, CueKind.COUNTDOWN) == []


# -- down at the ready line --


@pytest.mark.parametrize(("walking_bpm", "extensions"), [(137, 0), (143, 1)])
def test_at_the_ready_line_however_small_the_drop_the_run_comes(walking_bpm: float, extensions: int) -> None:
    """65 % of reserve are 138 here."""
    run = walk(falls((10, 4), run_bpm=walking_bpm + 4), settings=NEAR)
    assert len(run.said(CueKind.EXTEND_WALK)) == extensions


# -- what is asked for depends on what is known of walking --


def required_bpm(run: PaperRun) -> float | None:
    return run.steps[-1].estimate.required_drop_bpm


def test_after_a_warm_up_walk_a_third_of_the_way_back_is_asked_for() -> None:
    run = walk(falls((10, 0), run_bpm=141))  # 36 above the 105 of walking
    assert required_bpm(run) == pytest.approx(0.35 * 36.5, abs=0.3)


def test_without_a_warm_up_twelve_beats_are_asked_for() -> None:
    plan = run_walk(130, WALK_S, warmup_s=0, total_s=3000)
    run = PaperRun(plan, flat(30), settings=BY_DROP).until(Phase.WALK).go(59)
    assert required_bpm(run) == pytest.approx(12, abs=0.2)


def test_a_warm_up_without_a_strap_is_as_none() -> None:
    run = PaperRun(run_walk(RUN_S, WALK_S, total_s=3000), lambda *_: None, settings=BY_DROP).until(Phase.RUN)
    run.heart = flat(30)
    assert required_bpm(run.until(Phase.WALK).go(59)) == pytest.approx(12, abs=0.2)


def test_a_warm_up_that_was_run_is_as_none() -> None:
    run = PaperRun(run_walk(RUN_S, WALK_S, total_s=3000), flat(30), settings=BY_DROP)
    run.running = True
    run.until(Phase.RUN)
    run.running = None
    assert required_bpm(run.until(Phase.WALK).go(59)) == pytest.approx(12, abs=0.2)


# -- "Slower walk." --

SLOWER = CueKind.EASE_WALK


def test_hardly_any_drop_at_thirty_seconds_asks_for_a_slower_walk() -> None:
    assert told(walk(stubborn(146)), SLOWER) == [(30, SLOWER)]


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [(ASKS_MUCH, [30]), (ASKS_LITTLE, [])],
)
def test_a_drop_that_will_be_far_too_small_at_the_end_asks_for_it_too(settings: Control, seconds: list[int]) -> None:
    assert [s for s, _ in told(walk(flat(6), 50, settings=settings), SLOWER)] == seconds


COMING_DOWN, AT_A_STAND = falls((10, 2), (30, 10), (60, 22)), falls((10, 10), (60, 12))


@pytest.mark.parametrize(("heart", "seconds"), [(COMING_DOWN, []), (AT_A_STAND, [30])])
def test_a_heart_that_is_coming_down_is_left_alone(heart: Heart, seconds: list[int]) -> None:
    """Ten beats at half a minute, and far from what is asked for; one of them still falls by four in ten seconds."""
    assert [s for s, _ in told(walk(heart, 50, settings=ASKS_MUCH), SLOWER)] == seconds


def test_a_walk_that_has_recovered_once_is_not_eased() -> None:
    assert told(walk(falls((10, 20), (40, 20), (45, 0))), SLOWER) == []


def test_what_is_said_in_the_last_twelve_seconds_is_how_long_not_how_fast() -> None:
    assert told(walk(stubborn(146), planned_s=42), SLOWER) == []


# -- early --

EARLY = Control(**FAR, allow_early_run=True)


def test_who_allows_it_runs_as_soon_as_recovered() -> None:
    run = walk(recovering(walk_bpm=95), settings=EARLY)
    # Thirty seconds, for a recovery of which five have held, and four of notice.
    assert run.lengths_s(Phase.WALK) == [34]


def test_an_early_run_has_its_reason_and_its_notice() -> None:
    run = walk(recovering(walk_bpm=95), 40, settings=EARLY)
    said = [(s - BEGINS_S, cue.reason, cue.for_s) for s, cue in run.said(CueKind.COUNTDOWN) if s > BEGINS_S]
    assert said == [(30, Reason.RECOVERED, 4)]


def test_who_does_not_allow_it_walks_the_whole_walk() -> None:
    assert walk(recovering(walk_bpm=95), 61).lengths_s(Phase.WALK) == [60]


def test_an_early_run_needs_recovery_like_any_other() -> None:
    assert walk(stubborn(146), settings=EARLY).lengths_s(Phase.WALK) == []


# -- walks too short to judge singly --


def test_near_the_ceiling_a_short_walk_goes_on_in_steps_of_fifteen_seconds_to_its_cap() -> None:
    run = walk(lambda *_: 148, 120, planned_s=30, settings=NEAR)
    said = [(s - BEGINS_S, cue.for_s) for s, cue in run.said(CueKind.EXTEND_WALK)]
    assert said == [(26, 15), (41, 15), (56, 15)]


@pytest.mark.parametrize(("bpm", "extensions"), [(144, 0), (146, 1)])
def test_near_means_less_than_five_beats_below(bpm: float, extensions: int) -> None:
    assert len(walk(lambda *_: bpm, 30, planned_s=30, settings=NEAR).said(CueKind.EXTEND_WALK)) == extensions


def test_a_short_walk_that_brings_nothing_but_is_low_enough_ends_as_planned() -> None:
    assert walk(stubborn(140, drop_bpm=0), 31, planned_s=30).lengths_s(Phase.WALK) == [30]


def test_a_walk_of_forty_five_seconds_is_judged() -> None:
    run = walk(stubborn(140, drop_bpm=0), 46, planned_s=45)
    assert run.said(CueKind.EXTEND_WALK)[0][1].reason is Reason.NOT_RECOVERED


def test_a_short_walk_that_has_been_counted_down_is_not_extended_any_more() -> None:
    """Its end is the moment from which on anything is adapted at all: two minutes."""
    plan = run_walk(30, 30, warmup_s=0, total_s=3000)
    run = PaperRun(plan, lambda *_: 148, settings=NEAR).go(121)
    assert [cue.kind for s, cue in run.cues if s >= 117] == [CueKind.COUNTDOWN, CueKind.RUN]


# -- what is shown --


def test_before_fifteen_seconds_of_walking_nothing_is_foreseen() -> None:
    run = walk(flat(10), 40)
    first = next(s for s in run.steps if s.phase is Phase.WALK and s.estimate.forecast_bpm is not None)
    assert first.phase_elapsed_s == 15


def test_in_a_run_the_next_ten_seconds_are_foreseen() -> None:
    """Half a beat a second, dying away over 20 s, brings 3.9 bpm in ten seconds: 0.5 x 20 x (1 - exp(-10 / 20))."""
    run = PaperRun(run_walk(240, 60, total_s=3000), lambda phase, t: 100 + t // 2 if phase is Phase.RUN else 100)
    e = run.until(Phase.RUN).go(40).steps[-1].estimate
    assert e.forecast_bpm - e.heart_rate_bpm == pytest.approx(3.9)
    assert e.forecast_high_bpm - e.forecast_bpm == pytest.approx(3.7)  # the range: 1.5, and 0.22 for each second
    assert e.ready_in_s is None


def test_without_trust_nothing_is_foreseen() -> None:
    run = walk(flat(10), 20)
    run.tell(Sample(float(run.now_s), 137, contact=False))
    estimate = run.go(12).steps[-1].estimate
    assert (estimate.forecast_bpm, estimate.ready_in_s, estimate.recovered) == (None, None, None)


def test_an_interrupted_walk_foresees_nothing() -> None:
    run = walk(flat(10), 20)
    run.command(Action.PAUSE)
    run.go(5)
    run.command(Action.RESUME)
    assert run.go(10).steps[-1].estimate.forecast_bpm is None


def test_once_recovered_it_is_ready() -> None:
    assert walk(flat(30), 40).steps[-1].estimate.ready_in_s == 0
