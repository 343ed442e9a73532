"""How far heart rate must fall in a walk break, and from what."""

from __future__ import annotations

import pytest

from hrbridge.config import Control, Runner
from hrbridge.control.recovery import HeartRateHistory, Recovery, WalkingBase, required_drop_bpm, share

SETTINGS = Control()
CEILING_BPM = 150.0


def walk(before_bpm: list[float], since_bpm: list[float], *, base_bpm: float | None = None) -> Recovery:
    """A walk break at t = 0 with one value per second before and since."""
    history = HeartRateHistory()
    for n, bpm in enumerate(before_bpm):
        history.add(float(n - len(before_bpm) + 1), bpm)
    recovery = Recovery(0.0, history, base_bpm, 125.0, SETTINGS)
    for n, bpm in enumerate(since_bpm, start=1):
        history.add(float(n), bpm)
        recovery.update(float(n), bpm, CEILING_BPM)
    return recovery


@pytest.mark.parametrize(
    ("walked_s", "expected"),
    [(10, 0.6), (30, 0.6), (37.5, 0.7), (45, 0.8), (60, 1.0), (90, 1.15), (120, 1.25), (300, 1.25)],
)
def test_the_longer_the_walk_the_more_is_asked(walked_s: float, expected: float) -> None:
    assert share(walked_s) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("amplitude_bpm", "expected_bpm"),
    [
        (None, 12.0),  # no walking heart rate known
        (7.0, 0.0),  # hardly above walking: nothing to recover from
        (10.0, 7.0),  # never more than 70 % of what there is
        (20.0, 10.0),  # at least min_drop_bpm
        (36.0, 12.6),  # 35 %
        (60.0, 15.0),  # at most max_drop_bpm
    ],
)
def test_the_required_drop_at_one_minute(amplitude_bpm: float | None, expected_bpm: float) -> None:
    assert required_drop_bpm(60.0, amplitude_bpm, SETTINGS) == pytest.approx(expected_bpm)


def test_the_reference_is_the_peak_after_the_cue() -> None:
    recovery = walk([140.0] * 20, [140 + n for n in range(1, 11)] + [150.0] * 5 + [140.0] * 20)
    assert recovery.reference_bpm == pytest.approx(150.0)


def test_a_peak_after_twenty_seconds_does_not_count() -> None:
    recovery = walk([145.0] * 20, [145.0] * 22 + [149.0] * 10)
    assert recovery.reference_bpm == pytest.approx(145.0)


def test_the_run_just_before_the_cue_counts() -> None:
    recovery = walk([130.0] * 10 + [148.0] * 8, [140.0] * 30)
    assert recovery.reference_bpm == pytest.approx(148.0)


def test_no_judgement_before_half_a_minute() -> None:
    assert walk([148.0] * 10, [120.0] * 29).recovered is False


def test_a_good_drop_that_holds_for_five_seconds_is_recovery() -> None:
    assert walk([148.0] * 10, [148.0] * 24 + [130.0] * 12).recovered is True


def test_a_dip_shorter_than_five_seconds_is_not() -> None:
    assert walk([148.0] * 10, [148.0] * 32 + [130.0] * 4).recovered is False


def test_down_at_the_ready_line_is_recovery_however_small_the_drop() -> None:
    assert walk([128.0] * 10, [124.0] * 40, base_bpm=80).recovered is True


def test_never_recovered_above_the_ceiling() -> None:
    assert walk([175.0] * 10, [152.0] * 60).recovered is False


def test_half_a_reserve_bounds_the_walking_base() -> None:
    base = WalkingBase(Runner(max_heart_rate_bpm=180, resting_heart_rate_bpm=60))
    base.learn(0.0, 135.0)
    assert base.at(0.0) == 120.0


def test_the_walking_base_drifts_three_beats_in_ten_minutes() -> None:
    base = WalkingBase(Runner(max_heart_rate_bpm=180, resting_heart_rate_bpm=60))
    base.learn(0.0, 95.0)
    assert base.at(600.0) == pytest.approx(98.0)


def test_without_a_warm_up_the_base_is_unknown() -> None:
    base = WalkingBase(Runner(max_heart_rate_bpm=180, resting_heart_rate_bpm=60))
    assert base.at(600.0) is None


def history(*values_bpm: float) -> HeartRateHistory:
    made = HeartRateHistory()
    for n, bpm in enumerate(values_bpm):
        made.add(float(n), bpm)
    return made


def test_three_beats_in_ten_seconds_are_a_third_of_a_beat_per_second() -> None:
    assert history(*[148.0] * 5, *[147.0] * 3, *[145.0] * 4).change_bpm_s() == pytest.approx(-0.3)


def test_what_was_more_than_ten_seconds_ago_does_not_count() -> None:
    assert history(*[170.0] * 5, *[146.0] * 11).change_bpm_s() == 0.0


def test_a_heart_that_has_just_begun_to_be_heard_is_taken_to_stand_still() -> None:
    assert history(150.0, 140.0).change_bpm_s() == 0.0


def test_without_a_value_around_the_cue_nobody_knows_from_where_it_fell() -> None:
    recovery = Recovery(0.0, HeartRateHistory(), None, 125.0, SETTINGS)
    for n in range(30, 60):
        recovery.update(float(n), 140.0, CEILING_BPM)
    assert (recovery.drop_bpm, recovery.recovered) == (None, False)
