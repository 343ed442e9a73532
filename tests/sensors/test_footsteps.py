"""What a runner hears of a treadmill and of a foot pod: one speed, the steps of both feet, metres that only grow."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from hrbridge.config import Control, Runner
from hrbridge.control.controller import Controller
from hrbridge.decisions import Trust
from hrbridge.errors import MalformedPacket
from hrbridge.events import Action, Command, Sample, Speed, Tick
from hrbridge.sensors import activity_files
from hrbridge.sensors.footsteps import FootPod, Odometer, Treadmill
from tests.control.conftest import run_walk


def belt(speed_m_s: float, distance_m: int | None = None) -> bytes:
    """A record of a treadmill in one packet."""
    speed = round(speed_m_s * 360).to_bytes(2, "little")
    if distance_m is None:
        return b"\0\0" + speed
    return b"\4\0" + speed + distance_m.to_bytes(3, "little")


def pod(speed_m_s: float, count_per_min: int, distance_m: float | None = None) -> bytes:
    packet = round(speed_m_s * 256).to_bytes(2, "little") + bytes([count_per_min])
    if distance_m is None:
        return b"\0" + packet
    return b"\2" + packet + round(distance_m * 10).to_bytes(4, "little")


def told(reader: Treadmill | FootPod, packets: Iterable[bytes], from_s: int = 0) -> list[Speed | None]:
    """One packet per second."""
    return [reader.read(float(at_s), packet, "hall") for at_s, packet in enumerate(packets, from_s)]


def cadences_spm(*stretches: tuple[int, float, int]) -> list[float | None]:
    """Of a pod that says for so many seconds so many metres per second and counts per minute."""
    packets = [pod(speed_m_s, count) for for_s, speed_m_s, count in stretches for _ in range(for_s)]
    return [speed and speed.cadence_spm for speed in told(FootPod(), packets)]


# -- a treadmill --


def test_a_treadmill_tells_speed_and_incline_but_no_steps() -> None:
    packet = bytes.fromhex("0800 e803 0f00 0900")
    assert Treadmill().read(7.5, packet, "hall") == Speed(7.5, 2.778, incline_percent=1.5, source="hall")


def test_a_treadmill_tells_the_metres_since_it_was_first_heard() -> None:
    assert told(Treadmill(), [belt(2.5, 1200), belt(2.5, 1203)])[-1] == Speed(1, 2.5, distance_m=3, source="hall")


def test_a_record_in_two_packets_is_told_once() -> None:
    treadmill = Treadmill()
    packets = [bytes.fromhex("0900 ecff 0000"), bytes.fromhex("0000 e803")]
    assert told(treadmill, packets) == [None, Speed(1, 2.778, incline_percent=-2, source="hall")]


def test_a_record_whose_end_was_lost_is_not_told_with_the_next() -> None:
    lost, *whole = bytes.fromhex("0d00 140000 1400 0000"), bytes.fromhex("0500 140000"), bytes.fromhex("0000 e803")
    assert told(Treadmill(), [lost, *whole])[-1] == Speed(2, 2.778, source="hall")


def test_a_treadmill_that_never_ends_a_record_says_nothing() -> None:
    assert set(told(Treadmill(), [bytes.fromhex("0500 140000")] * 100)) == {None}


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        pytest.param("0800 e803 ff7f ff7f", Speed(0, 2.778, source="hall"), id="incline-not-available"),
        pytest.param("0800 e803 e803 0000", Speed(0, 2.778, source="hall"), id="no-belt-is-as-steep-as-a-ladder"),
        pytest.param("0000 e010", Speed(0, 12, source="hall"), id="as-fast-as-a-sprinter"),
        pytest.param("0000 e110", None, id="faster-than-a-sprinter"),
        pytest.param("0000 ffff", None, id="speed-not-available"),
        pytest.param("0105 96 1e00", None, id="heart-rate-and-time-alone"),
        pytest.param("0104 1e00", None, id="time-alone"),
    ],
)
def test_what_no_belt_does_is_not_told(packet: str, expected: Speed | None) -> None:
    assert Treadmill().read(0.0, bytes.fromhex(packet), "hall") == expected


@pytest.mark.parametrize("reader", [Treadmill, FootPod])
def test_bytes_that_mean_nothing_are_refused(reader: type[Treadmill | FootPod]) -> None:
    with pytest.raises(MalformedPacket):
        reader().read(0.0, b"\0", "hall")


# -- the feet --


@pytest.mark.parametrize(
    ("speed_m_s", "spm"),
    [
        (0, 0),
        (0.5, 60),
        (1.4, 110),
        (1.9, 108),
        (2.0, 128),
        (2.7, 115),
        (1.5, 170),
        (1.67, 150),
        (2.6, 162),
        (4.5, 180),
        (8.5, 245),
        (2.6, 0),
    ],
    ids=str,
)
def test_the_steps_of_both_feet_are_told_as_they_are(speed_m_s: float, spm: int) -> None:
    assert set(cadences_spm((60, speed_m_s, spm))) == {spm}


@pytest.mark.parametrize(
    ("speed_m_s", "count"), [(1.1, 52), (1.4, 56), (1.67, 78), (2.6, 81), (4.5, 90), (7.0, 105)], ids=str
)
def test_who_makes_giant_steps_has_a_pod_that_counts_one_foot(speed_m_s: float, count: int) -> None:
    assert cadences_spm((60, speed_m_s, count))[-1] == 2 * count


def test_it_takes_ten_seconds_to_be_certain_and_until_then_no_steps_are_told() -> None:
    assert cadences_spm((12, 2.6, 81)) == [None] * 10 + [162, 162]


@pytest.mark.parametrize(
    ("speed_m_s", "count"), [(0.0, 0), (0.0, 40), (0.6, 40), (1.2, 55), (1.4, 78), (6.5, 120), (2.6, 0)], ids=str
)
def test_once_known_it_holds_at_any_pace(speed_m_s: float, count: int) -> None:
    assert set(cadences_spm((11, 2.6, 81), (60, speed_m_s, count))[11:]) == {2 * count}


def test_one_odd_packet_is_left_out_and_changes_nothing() -> None:
    assert cadences_spm((5, 2.6, 162), (1, 2.6, 81), (5, 2.6, 162)) == [162] * 5 + [None] + [162] * 5


def test_odd_packets_now_and_then_never_add_up() -> None:
    assert cadences_spm(*[(3, 2.6, 81), (1, 2.6, 162)] * 20)[-1] == 162


def test_odd_packets_with_a_silence_between_do_not_speak_for_the_silence() -> None:
    reader = FootPod()
    read = [reader.read(at_s, pod(2.6, 81), "pod") for at_s in (0.0, 60.0, 120.0)]
    assert [speed and speed.cadence_spm for speed in read] == [None] * 3


def test_who_stops_while_the_speed_lags_behind_has_two_feet() -> None:
    lag = [(1, speed_m_s, 20) for speed_m_s in (2.6, 2.2, 1.7, 1.2, 0.7, 0.3)]
    assert cadences_spm((30, 2.6, 162), *lag, (5, 0, 0), (5, 2.6, 162))[-5:] == [162] * 5


def test_a_pod_taken_for_one_foot_by_mistake_is_found_out() -> None:
    counted = cadences_spm((11, 2.6, 81), (15, 2.6, 162))[11:]
    assert counted == [None] * 9 + [162] * 6


def test_steps_that_neither_foot_nor_feet_make_are_no_proof() -> None:
    assert cadences_spm((60, 5.0, 20), (1, 2.6, 162)) == [None] * 60 + [162]


def test_what_no_runner_does_is_not_told() -> None:
    assert told(FootPod(), [pod(255, 255), pod(255, 160), pod(2.5, 255)]) == [
        None,
        Speed(1, cadence_spm=160, source="hall"),
        Speed(2, 2.5, source="hall"),
    ]


@pytest.mark.parametrize("feet", [1, 2])
@pytest.mark.parametrize(
    "name", ["slowjog_stryd.fit", "run_fenix2.fit", "run_workout_fr945.tcx", "trail_polarv800.tcx"]
)
def test_the_steps_of_real_runs_are_found_whichever_feet_are_counted(traces: Path, name: str, feet: int) -> None:
    run = [event for event in activity_files.read(traces / name).events if isinstance(event, Speed)]
    run = [event for event in run if event.speed_m_s is not None and event.cadence_spm is not None]
    reader = FootPod()
    counted = [(e, reader.read(e.at_s, pod(e.speed_m_s, round(e.cadence_spm * feet / 2)), "pod")) for e in run]
    minute = [(e.cadence_spm, read.cadence_spm) for e, read in counted if e.at_s > run[0].at_s + 60]
    right = sum(told_spm is not None and abs(told_spm - spm) <= 1 for spm, told_spm in minute)
    wrong = sum(told_spm is not None and abs(told_spm - spm) > 1 for spm, told_spm in minute)
    assert wrong == 0
    assert right / len(minute) > 0.98


# -- the metres --


def metres(*counted: tuple[float, float]) -> list[float | None]:
    odometer = Odometer()
    return [odometer.read(at_s, counted_m) for at_s, counted_m in counted]


def test_a_pod_with_the_metres_of_its_whole_life_begins_at_nought() -> None:
    read = told(FootPod(), [pod(2.5, 160, 1_684_275.1), pod(2.5, 160, 1_684_277.6), pod(2.5, 160, 1_684_280.1)])
    assert [speed.distance_m for speed in read] == [None, 2.5, 5]


def test_a_counter_that_never_moves_is_none() -> None:
    assert [speed.distance_m for speed in told(Treadmill(), [belt(2.5, 0)] * 600)] == [None] * 600


def test_who_stands_comes_no_further() -> None:
    assert metres((0, 100), (1, 102), (2, 102), (300, 102)) == [None, 2, 2, 2]


def test_a_belt_that_begins_again_at_nought_takes_nothing_back_and_goes_on() -> None:
    assert metres((0, 100), (1, 110), (2, 0), (3, 5)) == [None, 10, 10, 15]


def test_one_nought_in_between_adds_no_kilometres() -> None:
    assert metres((0, 3000), (1, 3003), (2, 0), (3, 3008), (4, 3011)) == [None, 3, 3, 3, 6]


def test_the_metres_of_a_lost_link_are_counted() -> None:
    assert metres((0, 500), (1, 503), (61, 653)) == [None, 3, 153]


def test_nobody_runs_ten_kilometres_while_the_link_is_lost_for_a_minute() -> None:
    assert metres((0, 500), (1, 503), (61, 10_500), (62, 10_503)) == [None, 3, 3, 6]


def test_a_belt_that_counts_in_hundredths_of_a_mile_is_believed() -> None:
    assert metres((0, 0), (1, 16), (7, 32), (13, 48)) == [None, 16, 32, 48]


def test_two_packets_that_arrive_at_once_are_both_counted() -> None:
    assert metres((0, 0), (1, 3), (4, 9), (4, 12)) == [None, 3, 9, 12]


# -- what the coach makes of it; distance plans and walks that are run through: tests/control --


def test_a_pod_on_one_foot_finds_out_the_strap_that_counts_steps() -> None:
    coach = Controller(run_walk(600, 60), Runner(max_heart_rate_bpm=190, resting_heart_rate_bpm=60), Control())
    coach.step(Command(0.0, Action.START))
    reader, trusts = FootPod(), []
    for at_s in range(1, 200):
        coach.step(reader.read(float(at_s), pod(2.6, 81), "pod"))
        coach.step(Sample(float(at_s), (135 if at_s < 100 else 162) + at_s % 2))
        trusts.append(coach.step(Tick(float(at_s))).estimate.trust)
    assert (trusts[90], trusts[-1]) == (Trust.GOOD, Trust.DOUBTFUL)
