"""A recording run again: what comes first, and the highest heart rate that was really held."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrbridge.events import Action, Command, Event, Sample, Speed, order
from hrbridge.sensors import activity_files
from hrbridge.sensors.activity_files import Recording
from hrbridge.sensors.replay import Replay, sustained_maximum_bpm
from hrbridge.timeline import merge

START = Command(0, Action.START)


def recording(*events: Event) -> Recording:
    return Recording(events, None, "")


def rates(*held: tuple[int | None, int], every_s: float = 1) -> Recording:
    """Each rate for so many samples."""
    bpm = [rate for rate, count in held for _ in range(count)]
    return recording(*(Sample(i * every_s, rate) for i, rate in enumerate(bpm)))


def test_the_start_stands_behind_the_first_signals() -> None:
    events = (Sample(0, 120), Speed(0, 2.0), Sample(1, 121))
    assert list(Replay(recording(*events)).events()) == [events[0], events[1], START, events[2]]


def test_the_start_stands_before_other_commands() -> None:
    pause = Command(0, Action.PAUSE)
    assert list(Replay(recording(Sample(0, 120), pause)).events()) == [Sample(0, 120), START, pause]


def test_a_trace_keeps_its_own_start() -> None:
    events = (Sample(0, 120), Command(20, Action.START), Sample(21, 121))
    assert list(Replay(recording(*events)).events()) == list(events)


def test_a_recording_of_one_moment_is_started_too() -> None:
    assert list(Replay(recording(Sample(0, 120))).events()) == [Sample(0, 120), START]


def test_a_replay_can_be_run_twice() -> None:
    replay = Replay(recording(Sample(0, 120), Sample(1, 121)))
    assert list(replay.events()) == list(replay.events())


def test_a_real_run_merges_with_ticks_in_order(traces: Path) -> None:
    run = activity_files.read(traces / "runwalk_person_A_day1.tcx")
    merged = list(merge(Replay(run).events()))
    assert merged == sorted(merged, key=order)


def test_the_lowest_rate_of_a_held_minute_counts() -> None:
    assert sustained_maximum_bpm(rates((120, 100), (170, 30), (168, 31), (120, 100))) == 168


def test_less_than_a_minute_is_not_held() -> None:
    assert sustained_maximum_bpm(rates((120, 100), (170, 60), (120, 100))) == 120


def test_a_spike_of_a_dry_strap_is_no_maximum() -> None:
    assert sustained_maximum_bpm(rates((150, 100), (201, 20), (150, 100))) == 150


@pytest.mark.parametrize("wrong", [None, 225, 20])
def test_single_missing_or_implausible_values_are_passed_over(wrong: int | None) -> None:
    assert sustained_maximum_bpm(rates((170, 40), (wrong, 3), (170, 40))) == 170


def test_an_implausible_rate_is_no_maximum_however_long_it_lasts() -> None:
    assert sustained_maximum_bpm(rates((150, 100), (225, 100))) == 150


def test_a_hole_ends_the_held_minute() -> None:
    assert sustained_maximum_bpm(rates((170, 40), (None, 20), (170, 40))) is None


def test_sparse_recording_is_enough() -> None:
    assert sustained_maximum_bpm(rates((170, 13), every_s=6)) == 170


def test_a_short_recording_has_no_maximum() -> None:
    assert sustained_maximum_bpm(rates((170, 59))) is None


def test_real_spikes_do_not_make_the_maximum(traces: Path) -> None:
    run = activity_files.read(traces / "run_310xt_hr_spikes.tcx")
    assert sustained_maximum_bpm(run) <= 205
