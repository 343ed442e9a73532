"""How far heart rate must fall in a walk break, and from what."""

from __future__ import annotations

from math import inf

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


# -- the numbers of the runner's own settings --


@pytest.mark.parametrize(
    ("settings", "amplitude_bpm", "expected_bpm"),
    [
        (Control(min_drop_bpm=12), 20.0, 12.0),
        (Control(max_drop_bpm=20), 60.0, 20.0),
        (Control(unknown_amplitude_drop_bpm=9), None, 9.0),
        (Control(), 8.0, 5.6),  # eight beats above walking are the least that is asked about
        (Control(), 7.9, 0.0),
    ],
)
def test_what_is_asked_for_can_be_set(settings: Control, amplitude_bpm: float | None, expected_bpm: float) -> None:
    assert required_drop_bpm(60.0, amplitude_bpm, settings) == pytest.approx(expected_bpm)


@pytest.mark.parametrize(("walked_s", "expected_bpm"), [(30, 7.2), (60, 12), (90, 13.8), (120, 15)])
def test_what_is_asked_for_grows_with_the_walk(walked_s: float, expected_bpm: float) -> None:
    assert required_drop_bpm(walked_s, None, SETTINGS) == pytest.approx(expected_bpm)


def test_however_long_the_walk_no_more_than_seven_tenths_of_the_way_is_asked_for() -> None:
    assert required_drop_bpm(120.0, 12.0, SETTINGS) == pytest.approx(8.4)


def test_a_run_that_was_hardly_more_than_walking_is_nothing_to_recover_from() -> None:
    assert walk([132.0] * 10, [132.0] * 40, base_bpm=126.0).recovered is True


@pytest.mark.parametrize(("bpm", "recovered"), [(125.0, True), (126.0, False)])
def test_the_ready_line_itself_is_low_enough(bpm: float, recovered: bool) -> None:
    assert walk([130.0] * 10, [bpm] * 40, base_bpm=80).recovered is recovered


@pytest.mark.parametrize(("bpm", "recovered"), [(150.0, True), (151.0, False)])
def test_the_ceiling_itself_is_low_enough_after_a_good_drop(bpm: float, recovered: bool) -> None:
    assert walk([175.0] * 10, [bpm] * 60).recovered is recovered


@pytest.mark.parametrize(("held_s", "recovered"), [(5, False), (6, True)])
def test_recovery_must_have_held_for_five_seconds(held_s: int, recovered: bool) -> None:
    assert walk([148.0] * 10, [148.0] * 32 + [130.0] * held_s).recovered is recovered


def test_recovery_can_be_lost_again() -> None:
    recovery = walk([148.0] * 10, [130.0] * 40 + [146.0] * 3)
    assert (recovery.recovered, recovery.once_recovered) == (False, True)


def test_a_peak_long_before_the_cue_does_not_count() -> None:
    recovery = walk([170.0] * 10 + [145.0] * 11, [140.0] * 30)
    assert recovery.reference_bpm == pytest.approx(145.0)


def test_the_reference_is_a_mean_of_five_seconds_and_no_single_beat() -> None:
    recovery = walk([145.0] * 20, [145.0] * 10 + [155.0] + [145.0] * 20)
    assert recovery.reference_bpm == pytest.approx(147.0)


def test_the_walking_base_is_the_middle_of_the_last_minute() -> None:
    made = history(*[130.0] * 20, *[100.0] * 31, *[104.0] * 30)
    assert made.median_bpm(20.0) == pytest.approx(100.0)


def test_half_a_minute_of_walking_is_too_little_for_a_base() -> None:
    assert history(*[100.0] * 28).median_bpm(0.0) is None


def test_the_walking_base_never_drifts_beyond_half_a_reserve() -> None:
    base = WalkingBase(Runner(max_heart_rate_bpm=180, resting_heart_rate_bpm=60))
    base.learn(0.0, 118.0)
    assert base.at(7200.0) == 120.0


# -- how long it will still take --


def test_who_has_recovered_is_ready_now() -> None:
    recovery = walk([148.0] * 10, [130.0] * 40)
    assert recovery.ready_in_s(40.0, 130.0, CEILING_BPM) == 0


def test_nobody_is_ready_before_half_a_minute() -> None:
    recovery = walk([148.0] * 10, [120.0] * 20)
    assert recovery.ready_in_s(20.0, 120.0, CEILING_BPM) == 10


def test_what_would_take_more_than_two_minutes_is_not_told() -> None:
    recovery = walk([190.0] * 10, [190.0] * 60)
    assert recovery.ready_in_s(60.0, 190.0, 130.0) is None


def test_the_lower_the_heart_the_sooner_it_is_ready() -> None:
    """At the same moment, having come down evenly."""

    def wait_s(drop_bpm: float) -> float:
        recovery = walk([148.0] * 10, [148.0 - n * drop_bpm / 40 for n in range(40)])
        ready_in_s = recovery.ready_in_s(40.0, 148.0 - drop_bpm, CEILING_BPM)
        return inf if ready_in_s is None else ready_in_s

    assert 0 < wait_s(9) < wait_s(5) < wait_s(1)
