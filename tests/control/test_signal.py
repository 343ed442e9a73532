"""Which heart rates are believed: one fault per test, as straps really behave."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hrbridge.config import Control, Runner
from hrbridge.control.signal import SignalMonitor
from hrbridge.decisions import Trust
from hrbridge.events import Sample

RUNNER = Runner(max_heart_rate_bpm=180, resting_heart_rate_bpm=60)


class Strap:
    """Feeds a monitor one sample per ``every_s``; ``wear`` gives bpm (or a whole Sample) at a time."""

    def __init__(self, every_s: float = 1.0, runner: Runner = RUNNER) -> None:
        self.monitor = SignalMonitor(runner, Control())
        self.every_s = every_s
        self.now_s = 0.0
        self.trusts: list[Trust] = []

    def wear(
        self, seconds: float, bpm: Callable[[float], int | None], *, cadence_spm: float | None = None, **keys: object
    ) -> Strap:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += self.every_s
            self.monitor.hear(Sample(self.now_s, bpm(self.now_s), **keys), cadence_spm)
            self.monitor.update(self.now_s)
            self.trusts.append(self.monitor.trust)
        return self

    def silence(self, seconds: float) -> Strap:
        for _ in range(round(seconds)):
            self.now_s += 1
            self.monitor.update(self.now_s)
        return self

    @property
    def trust(self) -> Trust:
        return self.monitor.trust


def alive(at_s: float) -> int:
    return 140 + round(at_s) % 3


def test_a_steady_heart_is_good() -> None:
    assert Strap().wear(60, alive).trust is Trust.GOOD


def test_the_heart_rate_is_the_median_of_five_seconds() -> None:
    strap = Strap().wear(10, lambda _: 140).wear(3, lambda _: 144)
    assert strap.monitor.heart_rate_bpm == 144


def test_nothing_heard_yet_is_no_signal() -> None:
    assert Strap().silence(3).trust is Trust.NONE


def test_zero_and_255_are_no_reading() -> None:
    strap = Strap().wear(20, alive).wear(12, lambda at_s: 0 if at_s % 2 else 255)
    assert strap.trust is Trust.NONE


def test_nine_seconds_of_silence_are_forgiven() -> None:
    assert Strap().wear(20, alive).silence(9).trust is Trust.GOOD


def test_ten_seconds_of_silence_are_not() -> None:
    assert Strap().wear(20, alive).silence(10).trust is Trust.NONE


def test_after_half_a_minute_the_clock_drives() -> None:
    strap = Strap().wear(20, alive).silence(29)
    before = strap.monitor.clock_drives(strap.now_s)
    strap.silence(1)
    assert (before, strap.monitor.clock_drives(strap.now_s)) == (False, True)


def test_a_watch_that_records_every_six_seconds_has_more_time() -> None:
    assert Strap(every_s=6).wear(120, lambda at_s: 140 + round(at_s / 6) % 3).silence(17).trust is Trust.GOOD


def test_a_single_spike_is_passed_over() -> None:
    strap = Strap().wear(20, alive).wear(1, lambda _: 178)
    assert strap.monitor.heart_rate_bpm < 145


def test_a_jump_is_believed_after_five_seconds() -> None:
    strap = Strap().wear(20, alive).wear(5, lambda _: 170)
    before = strap.monitor.heart_rate_bpm
    strap.wear(1, lambda _: 171)
    assert (before < 145, strap.monitor.heart_rate_bpm >= 170) == (True, True)


def test_eight_beats_a_second_are_a_heart() -> None:
    strap = Strap().wear(20, lambda _: 100).wear(5, lambda at_s: 100 + 8 * round(at_s - 20))
    assert strap.monitor.heart_rate_bpm == 124


def test_the_same_value_for_a_minute_is_frozen() -> None:
    assert Strap().wear(59, lambda _: 140).trust is Trust.GOOD
    assert Strap().wear(62, lambda _: 140).trust is Trust.DOUBTFUL


def test_a_frozen_value_whose_beats_stopped_is_doubted_earlier() -> None:
    strap = Strap().wear(20, alive, rr_s=(0.43,)).wear(22, lambda _: 140)
    assert strap.monitor.doubt == "frozen"


def test_a_value_that_stays_flat_over_a_change_of_gait_is_frozen() -> None:
    strap = Strap().wear(20, alive).wear(10, lambda _: 142)
    strap.monitor.changed_gait(strap.now_s)
    assert strap.wear(22, lambda _: 142).monitor.doubt == "frozen"


def test_a_value_that_moves_again_is_believed_again() -> None:
    assert Strap().wear(70, lambda _: 140).wear(2, alive).trust is Trust.GOOD


def test_lost_contact_is_doubtful_after_three_seconds() -> None:
    strap = Strap().wear(20, alive).wear(3, alive, contact=False)
    before = strap.trust
    strap.wear(1, alive, contact=False)
    assert (before, strap.trust) == (Trust.GOOD, Trust.DOUBTFUL)


def test_a_strap_that_never_tells_its_contact_is_believed() -> None:
    assert Strap().wear(60, alive, contact=None).trust is Trust.GOOD


def test_steps_taken_for_beats_are_doubted() -> None:
    strap = Strap().wear(30, alive, cadence_spm=165)
    strap.wear(45, lambda at_s: 165 + round(at_s) % 2, cadence_spm=165)
    assert strap.monitor.doubt == "cadence"


def test_a_heart_that_happens_to_beat_in_step_is_believed() -> None:
    # It came there slowly: no jump, no lock.
    strap = Strap().wear(60, lambda at_s: 140 + round(at_s / 3), cadence_spm=165)
    strap.wear(60, lambda at_s: 164 + round(at_s) % 2, cadence_spm=165)
    assert strap.trust is Trust.GOOD


def test_beats_that_disagree_with_the_rate_are_doubted() -> None:
    assert Strap().wear(20, alive, rr_s=(0.33,)).monitor.doubt == "RR intervals disagree"


def test_beats_that_agree_are_believed() -> None:
    assert Strap().wear(20, alive, rr_s=(0.425,)).trust is Trust.GOOD


def test_a_bogus_extra_beat_is_no_disagreement() -> None:
    # A known strap adds one of about 50 ms to each packet.
    assert Strap().wear(20, alive, rr_s=(0.425, 0.052)).trust is Trust.GOOD


def test_a_steady_signal_above_any_maximum_is_too_high() -> None:
    assert Strap().wear(20, alive).wear(16, lambda at_s: 205 + round(at_s) % 2).monitor.too_high is True


def test_a_short_spike_above_any_maximum_is_not() -> None:
    assert Strap().wear(20, alive).wear(3, lambda _: 210).silence(20).monitor.too_high is False


def test_a_pause_is_not_silence() -> None:
    strap = Strap().wear(20, alive)
    strap.now_s += 300
    strap.monitor.resume(strap.now_s)
    strap.wear(3, alive)
    assert (strap.trust, strap.monitor.bad_for_s(strap.now_s)) == (Trust.GOOD, 0.0)


def test_steps_taken_for_beats_are_doubted_though_cadence_is_never_quite_steady() -> None:
    strap = Strap().wear(30, alive, cadence_spm=165)
    strap.wear(60, lambda at_s: 165 + (3 if round(at_s) % 20 == 0 else round(at_s) % 2), cadence_spm=165)
    assert strap.monitor.doubt == "cadence"


def test_one_sample_above_the_range_is_a_spike_and_no_doubt() -> None:
    assert Strap().wear(20, alive).wear(1, lambda _: 210).trust is Trust.GOOD


def test_a_lock_holds_though_a_third_of_the_samples_miss_the_cadence() -> None:
    strap = Strap().wear(30, alive, cadence_spm=165)
    strap.wear(45, lambda at_s: 165 + round(at_s) % 2, cadence_spm=165)
    strap.wear(60, lambda at_s: 165 + (4 if round(at_s) % 3 == 0 else 0), cadence_spm=165)
    assert strap.monitor.doubt == "cadence"


def test_a_lock_is_over_when_most_samples_differ_from_the_cadence() -> None:
    strap = Strap().wear(30, alive, cadence_spm=165)
    strap.wear(45, lambda at_s: 165 + round(at_s) % 2, cadence_spm=165)
    strap.wear(40, alive, cadence_spm=165)
    assert strap.monitor.doubt != "cadence"


def test_contact_that_comes_and_goes_is_doubted() -> None:
    strap = Strap().wear(20, alive)
    for _ in range(3):
        strap.wear(2, alive, contact=False).wear(3, alive, contact=True)
    assert strap.monitor.doubt == "no contact"


def test_contact_that_has_held_for_half_a_minute_is_believed() -> None:
    strap = Strap().wear(20, alive)
    for _ in range(3):
        strap.wear(2, alive, contact=False).wear(3, alive, contact=True)
    assert strap.wear(30, alive, contact=True).trust is Trust.GOOD


# -- the limits one by one --


@pytest.mark.parametrize(("bpm", "heard"), [(35, False), (36, True), (195, True), (196, False)])
def test_a_heart_rate_lies_above_thirty_five_and_up_to_fifteen_above_the_maximum(bpm: int, heard: bool) -> None:
    assert (Strap().wear(3, lambda _: bpm).monitor.heart_rate_bpm == bpm) is heard


@pytest.mark.parametrize(("bpm", "heard"), [(220, True), (221, False)])
def test_no_heart_beats_faster_than_220(bpm: int, heard: bool) -> None:
    strap = Strap(runner=Runner(max_heart_rate_bpm=215, resting_heart_rate_bpm=60))
    assert (strap.wear(3, lambda _: bpm).monitor.heart_rate_bpm == bpm) is heard


@pytest.mark.parametrize(("step_bpm", "heard"), [(8, True), (9, False)])
def test_more_than_eight_beats_in_a_second_are_refused(step_bpm: int, heard: bool) -> None:
    strap = Strap().wear(20, lambda _: 140).wear(3, lambda _: 140 + step_bpm)
    assert (strap.monitor.heart_rate_bpm > 140) is heard


@pytest.mark.parametrize(("step_bpm", "heard"), [(32, True), (34, False)])
def test_a_watch_that_records_every_four_seconds_may_step_four_times_as_far(step_bpm: int, heard: bool) -> None:
    strap = Strap(every_s=4).wear(40, lambda at_s: 130 + round(at_s / 4) % 2)
    level_bpm = strap.monitor.heart_rate_bpm
    strap.wear(4, lambda _: round(level_bpm) + step_bpm)
    assert (strap.monitor.heart_rate_bpm > level_bpm) is heard


def test_a_jump_that_falls_back_was_none() -> None:
    strap = Strap().wear(20, alive).wear(4, lambda _: 170).wear(3, alive)
    assert strap.monitor.heart_rate_bpm < 145


@pytest.mark.parametrize(("seconds", "too_high"), [(15, False), (16, True)])
def test_too_high_for_fifteen_seconds_is_a_matter_of_safety(seconds: int, too_high: bool) -> None:
    strap = Strap().wear(20, alive).wear(seconds, lambda at_s: 205 + round(at_s) % 2)
    assert strap.monitor.too_high is too_high


def test_wild_values_above_any_heart_are_no_steady_signal() -> None:
    strap = Strap().wear(20, alive).wear(40, lambda at_s: 200 + 15 * (round(at_s) % 3))
    assert strap.monitor.too_high is False


def test_clean_recordings_stay_flat_for_forty_one_seconds_and_are_believed() -> None:
    assert Strap().wear(20, alive).wear(41, lambda _: 140).trust is Trust.GOOD


def test_a_flat_value_whose_beats_go_on_is_believed_for_a_minute() -> None:
    assert Strap().wear(20, alive, rr_s=(0.43,)).wear(40, lambda _: 140, rr_s=(0.43,)).trust is Trust.GOOD


def test_contact_that_comes_back_is_believed_at_once() -> None:
    strap = Strap().wear(20, alive, contact=True).wear(10, alive, contact=False).wear(1, alive, contact=True)
    assert strap.trust is Trust.GOOD


@pytest.mark.parametrize(("from_bpm", "doubt"), [(149, "cadence"), (153, "")])
def test_a_lock_begins_with_a_jump_of_fifteen_beats(from_bpm: int, doubt: str) -> None:
    strap = Strap().wear(30, lambda at_s: from_bpm - round(at_s) % 2, cadence_spm=165)
    strap.wear(45, lambda at_s: 165 + round(at_s) % 2, cadence_spm=165)
    assert strap.monitor.doubt == doubt


@pytest.mark.parametrize(("away_spm", "doubt"), [(1, "cadence"), (3, "")])
def test_a_lock_stays_within_two_beats_of_the_steps(away_spm: int, doubt: str) -> None:
    strap = Strap().wear(30, alive, cadence_spm=165)
    strap.wear(45, lambda at_s: 165 + away_spm + round(at_s) % 2, cadence_spm=165)
    assert strap.monitor.doubt == doubt


def test_steps_and_beats_may_agree_for_less_than_half_a_minute() -> None:
    strap = Strap().wear(30, alive, cadence_spm=165)
    assert strap.wear(25, lambda at_s: 165 + round(at_s) % 2, cadence_spm=165).trust is Trust.GOOD


@pytest.mark.parametrize(
    ("rr_s", "doubt"), [(0.46, ""), (0.48, "RR intervals disagree"), (0.38, "RR intervals disagree")]
)
def test_beats_may_disagree_by_a_tenth(rr_s: float, doubt: str) -> None:
    assert Strap().wear(20, alive, rr_s=(rr_s,)).monitor.doubt == doubt


def test_the_clock_takes_over_after_three_intervals_of_a_slow_watch() -> None:
    strap = Strap(every_s=12).wear(240, lambda at_s: 140 + round(at_s / 12) % 3).silence(35)
    before = strap.monitor.clock_drives(strap.now_s)
    strap.silence(1)
    assert (before, strap.monitor.clock_drives(strap.now_s)) == (False, True)


def test_how_long_it_has_been_good_begins_anew_after_a_doubt() -> None:
    strap = Strap().wear(20, alive).wear(5, alive, contact=False).wear(8, alive, contact=True)
    assert strap.monitor.good_for_s(strap.now_s) == 7


# -- another sensor --


def test_the_first_sensor_is_believed_at_once() -> None:
    assert Strap().wear(1, alive, source="strap").trust is Trust.GOOD


@pytest.mark.parametrize(("seconds", "doubt"), [(5, "another sensor"), (6, "")])
def test_another_sensor_is_believed_after_five_seconds_of_its_own(seconds: int, doubt: str) -> None:
    strap = Strap().wear(20, alive, source="strap").silence(5)
    assert strap.wear(seconds, alive, source="watch").monitor.doubt == doubt


def test_back_on_the_first_one_it_is_another_sensor_again() -> None:
    strap = Strap().wear(20, alive, source="strap").wear(20, alive, source="watch")
    assert strap.wear(3, alive, source="strap").monitor.doubt == "another sensor"


@pytest.mark.parametrize("by_bpm", [-15, 15])
def test_no_median_is_made_of_two_sensors(by_bpm: int) -> None:
    strap = Strap().wear(20, lambda _: 140, source="strap").wear(1, lambda _: 140 + by_bpm, source="watch")
    assert strap.monitor.heart_rate_bpm == 140 + by_bpm


def test_a_wild_first_value_of_another_sensor_is_not_believed() -> None:
    strap = Strap().wear(20, alive, source="strap").wear(1, lambda _: 188, source="watch")
    strap.trusts.clear()
    strap.wear(6, alive, source="watch")
    assert (set(strap.trusts[:-1]), strap.trust) == ({Trust.DOUBTFUL}, Trust.GOOD)
    assert strap.monitor.heart_rate_bpm < 145


@pytest.mark.parametrize("bpm", [None, 0, 255, 35])
def test_another_sensor_without_a_heart_rate_is_not_heard(bpm: int | None) -> None:
    strap = Strap().wear(20, alive, source="strap")
    strap.wear(5, lambda _: bpm, source="watch", contact=False, rr_s=(0.9,) * 3)
    assert strap.wear(1, alive, source="strap").trust is Trust.GOOD
    assert strap.monitor.source == "strap"


TROUBLES = {
    "no contact": ({"contact": False}, alive, 5),
    "frozen": ({}, lambda _: 140, 65),
    "frozen beats": ({"rr_s": (0.43,)}, alive, 30),
    "RR intervals disagree": ({"rr_s": (0.33,)}, alive, 20),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_was_wrong_with_one_sensor_is_not_held_against_the_other(trouble: str) -> None:
    keys, bpm, seconds = TROUBLES[trouble]
    strap = Strap().wear(seconds, bpm, source="strap", **keys)
    # As flat as a watch can be, without contact or beats to tell of.
    strap.wear(25, lambda _: 140, source="watch")
    assert strap.trust is Trust.GOOD


def test_seconds_that_are_too_high_are_counted_for_each_sensor() -> None:
    strap = Strap().wear(20, alive, source="strap")
    for source in ("strap", "watch"):
        strap.wear(10, lambda at_s: 205 + round(at_s) % 2, source=source)
    assert strap.monitor.too_high is False


def test_contact_lost_and_found_is_counted_for_each_sensor() -> None:
    strap = Strap()
    for source in ("strap", "strap", "watch"):
        strap.wear(2, alive, contact=False, source=source).wear(3, alive, contact=True, source=source)
    assert strap.wear(1, alive, contact=True, source="watch").trust is Trust.GOOD


def test_a_second_sensor_that_reads_as_fast_as_the_steps_has_not_jumped_there() -> None:
    strap = Strap().wear(30, alive, cadence_spm=165, source="strap")
    strap.wear(45, lambda at_s: 165 + round(at_s) % 2, cadence_spm=165, source="watch")
    assert strap.trust is Trust.GOOD


def test_a_lock_of_one_sensor_is_none_of_the_other() -> None:
    strap = Strap().wear(30, alive, cadence_spm=165, source="strap")
    strap.wear(45, lambda at_s: 165 + round(at_s) % 2, cadence_spm=165, source="strap")
    assert strap.wear(6, lambda at_s: 165 + round(at_s) % 2, cadence_spm=165, source="watch").trust is Trust.GOOD


def test_a_slow_watch_does_not_make_the_strap_slow() -> None:
    strap = Strap(every_s=6).wear(120, lambda at_s: 140 + round(at_s / 6) % 3, source="watch")
    strap.every_s = 1.0
    assert strap.wear(7, alive, source="strap").silence(10).trust is Trust.NONE


@pytest.mark.parametrize(("silent_s", "strap"), [(5, "first"), (0, "second")])
def test_who_speaks_while_the_other_is_not_silent_is_the_strap(silent_s: float, strap: str) -> None:
    """The second sensor is only heard when the first is silent."""
    worn = Strap().wear(20, alive, source="first").silence(silent_s).wear(1, alive, source="second")
    assert worn.monitor.strap == strap
