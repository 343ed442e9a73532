"""Where my heart rate will be, in the words of the one it belongs to."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrbridge.control import recovery
from hrbridge.control.forecast import fall_bpm, forecast, recovery_ratio, running_bpm, session_scale, walking_bpm

Pair = tuple[np.ndarray, np.ndarray]


def walk(
    until_s: float, *, scale: float = 1.0, peak_s: float = 0.0, peak_bpm: float = 170.0, every_s: float = 1.0
) -> Pair:
    """A minute of running at one heart rate, which then falls as in many people: ``scale`` times as far."""
    at_s = np.arange(-60.0, until_s + 0.5, every_s)
    return at_s, peak_bpm - scale * np.array([fall_bpm(s - peak_s) for s in at_s])


def said(pair: Pair, ahead_s: float = 30.0, earlier: list[Pair] | None = None) -> float:
    return forecast(*pair, ahead_s=ahead_s, earlier=earlier or []).heart_rate_bpm


# A heart, whole beats per minute, once a second from half a minute before the cue on.
hearts = st.lists(st.integers(60, 200), min_size=1, max_size=90)


def pair_of(bpm: list[int]) -> Pair:
    return np.arange(len(bpm)) - 30.0, np.array(bpm, dtype=float)


# -- one break --


@pytest.mark.parametrize(("walked_s", "median_bpm"), [(30, 7.6), (45, 13.4), (60, 21.1), (90, 24.3)])
def test_the_curve_is_that_of_64_recorded_breaks_whose_peak_came_soon_after_the_cue(
    walked_s: float, median_bpm: float
) -> None:
    assert fall_bpm(walked_s - 4) == pytest.approx(median_bpm, abs=2.0)


def test_a_heart_that_falls_as_in_many_people_goes_on_like_them() -> None:
    assert said(walk(30)) == pytest.approx(170 - fall_bpm(60), abs=2.0)


def test_a_heart_that_stands_still_after_the_cue_will_still_fall_but_later() -> None:
    standing, falling = (np.arange(-60.0, 26), np.full(86, 170.0)), walk(25)
    assert 170 - said(standing, 15) < falling[1][-1] - said(falling, 15)


def test_a_heart_that_peaks_late_falls_from_its_peak_on() -> None:
    at_s, bpm = walk(35, peak_s=15)
    late = bpm + 0.2 * np.minimum(at_s - 15, 0)
    assert said((at_s, late)) == said((at_s - 15, late))


def test_a_heart_that_falls_faster_than_usual_is_followed_a_little() -> None:
    assert walking_bpm(150, -0.5, 30, 30) < walking_bpm(150, -0.2, 30, 30)


def test_no_heart_keeps_up_the_steepest_fall() -> None:
    assert walking_bpm(150, -5.0, 30, 30) == walking_bpm(150, -0.6, 30, 30)


def test_one_wild_sample_does_not_move_it() -> None:
    at_s, bpm = walk(30)
    wild = bpm.copy()
    wild[-1] += 40
    assert said((at_s, wild)) == pytest.approx(said((at_s, bpm)), abs=1.0)


def test_how_i_ran_a_minute_ago_is_forgotten() -> None:
    at_s, bpm = walk(30)
    faster = np.where(at_s < -20, bpm + 20, bpm)
    assert said((at_s, faster)) == said((at_s, bpm))


# -- a session --


def test_a_strap_that_was_away_around_the_cue_still_tells_how_far_the_heart_fell() -> None:
    at_s, bpm = walk(90, scale=1.5)
    away = np.where((at_s > -10) & (at_s < 27), math.nan, bpm)
    assert said(walk(30), 30, [(at_s, away)]) == pytest.approx(said(walk(30), 30, [(at_s, bpm)]), abs=0.5)


def test_without_earlier_breaks_i_am_everybody() -> None:
    assert session_scale([]) == 1.0


@pytest.mark.parametrize("scale", [0.5, 1.6])
def test_a_heart_that_falls_as_in_earlier_breaks_is_known_better(scale: float) -> None:
    now, earlier, truth_bpm = walk(30, scale=scale), [walk(60, scale=scale)] * 3, 170 - scale * fall_bpm(60)
    assert abs(said(now, 30, earlier) - truth_bpm) < abs(said(now) - truth_bpm) - 1.0


def test_what_an_earlier_break_did_is_measured_against_the_curve() -> None:
    assert recovery_ratio(1.5 * fall_bpm(60), 60) == pytest.approx(1.5)


def test_one_odd_break_among_five_changes_little() -> None:
    assert session_scale([1.0, 1.0, -3.0, 1.0, 1.0]) == 1.0


def test_a_session_in_which_nothing_ever_fell_expects_no_rise() -> None:
    assert session_scale([-1.0] * 50) >= 0


@pytest.mark.parametrize(
    "nothing",
    [walk(15), (np.arange(40.0, 90), np.full(50, 150.0)), (np.arange(-9.0, 60), np.full(69, np.nan)), ([], [])],
    ids=["too short", "begins in the middle", "no heart rate", "empty"],
)
def test_an_earlier_break_that_tells_nothing_changes_nothing(nothing: Pair) -> None:
    assert said(walk(30), 30, [nothing]) == said(walk(30))


# -- running --


def test_a_heart_that_stands_still_in_a_run_stays_there() -> None:
    assert said((np.arange(-60.0, 0), np.full(60, 150.0))) == 150.0


def test_a_rising_heart_goes_on_rising_but_ever_more_slowly() -> None:
    ahead = [running_bpm(150, 0.4, ahead_s) for ahead_s in (0, 15, 30, 45)]
    rises = [after - before for before, after in pairwise(ahead)]
    assert 6 > rises[0] > rises[1] > rises[2] > 0


def test_a_rise_in_the_run_is_seen_in_its_samples() -> None:
    at_s = np.arange(-60.0, 0)
    assert said((at_s, 170 + 0.3 * at_s), 15) == pytest.approx(running_bpm(169, 0.3, 15), abs=0.2)


def test_a_heart_that_falls_in_a_run_is_not_followed() -> None:
    assert running_bpm(150, -0.5, 15) == 150


# -- what straps and watches do --


def test_one_sample_is_enough() -> None:
    assert said((np.array([0.0]), np.array([150.0])), 0) == 150.0


@pytest.mark.parametrize("every_s", [4.0, 6.0])
def test_a_watch_that_writes_every_few_seconds_says_nearly_the_same(every_s: float) -> None:
    assert said(walk(30, every_s=every_s)) == pytest.approx(said(walk(30)), abs=2.0)


@pytest.mark.parametrize("missing", [math.nan, math.inf, 0.0])
def test_a_missing_heart_rate_is_as_if_nothing_was_written(missing: float) -> None:
    at_s, bpm = walk(30)
    there = np.arange(len(at_s)) % 3 > 0
    assert said((at_s, np.where(there, bpm, missing))) == said((at_s[there], bpm[there]))


@pytest.mark.parametrize(
    ("at_s", "bpm", "why"),
    [
        ([0, 1], [150], "shape"),
        ([[0, 1]], [[150, 150]], "shape"),
        (0, 150, "shape"),
        ([0, 2, 1], [150, 150, 150], "order"),
        ([], [], "at least one"),
        ([0, 1], [math.nan, math.nan], "at least one"),
    ],
)
def test_what_is_no_heart_rate_is_refused(at_s: object, bpm: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        forecast(at_s, bpm, ahead_s=30)


@pytest.mark.parametrize("ahead_s", [-1, math.nan, math.inf])
def test_looking_back_or_forever_is_refused(ahead_s: float) -> None:
    with pytest.raises(ValueError, match="ahead_s"):
        forecast(*walk(30), ahead_s=ahead_s)


# -- always --


@given(bpm=hearts, ahead_s=st.floats(0, 180))
def test_the_range_holds_the_forecast(bpm: list[int], ahead_s: float) -> None:
    f = forecast(*pair_of(bpm), ahead_s=ahead_s)
    assert f.low_bpm < f.heart_rate_bpm < f.high_bpm


@given(bpm=hearts, ahead_s=st.integers(0, 120))
def test_the_farther_ahead_the_wider_the_range(bpm: list[int], ahead_s: int) -> None:
    near, far = (forecast(*pair_of(bpm), ahead_s=s) for s in (ahead_s, ahead_s + 5))
    assert far.high_bpm - far.low_bpm > near.high_bpm - near.low_bpm


@given(bpm=hearts, later=hearts)
def test_what_has_not_been_heard_yet_changes_nothing(bpm: list[int], later: list[int]) -> None:
    at_s, known = pair_of(bpm + later)
    known[len(bpm) :] = math.nan
    assert forecast(at_s, known, ahead_s=30) == forecast(*pair_of(bpm), ahead_s=30)


@given(bpm=hearts, higher_bpm=st.integers(1, 20))
def test_a_heart_that_beats_faster_throughout_falls_as_far(bpm: list[int], higher_bpm: int) -> None:
    at_s, low = pair_of(bpm)
    assert said((at_s, low + higher_bpm)) == pytest.approx(said((at_s, low)) + higher_bpm, abs=0.11)


@given(since_peak_s=st.floats(-30, 600), more_s=st.floats(0, 60))
def test_the_curve_never_rises(since_peak_s: float, more_s: float) -> None:
    assert fall_bpm(since_peak_s + more_s) >= fall_bpm(since_peak_s)


@given(change_bpm_s=st.floats(-2, 0), since_peak_s=st.floats(0, 120), ahead_s=st.floats(0, 120))
def test_a_falling_heart_is_lower_the_farther_ahead(change_bpm_s: float, since_peak_s: float, ahead_s: float) -> None:
    near, far = (walking_bpm(170, change_bpm_s, since_peak_s, s) for s in (ahead_s, ahead_s + 1))
    assert far <= near


@given(ratios=st.lists(st.floats(-1, 4), min_size=1, max_size=12), better=st.floats(0, 2))
def test_the_better_i_recovered_the_farther_i_will_fall(ratios: list[float], better: float) -> None:
    assert session_scale([ratio + better for ratio in ratios]) >= session_scale(ratios)


def test_it_is_found_beside_the_judgement_of_the_walk() -> None:
    assert recovery.forecast is forecast
