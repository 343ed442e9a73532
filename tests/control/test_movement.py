"""Running or walking: what feet and belts tell, how long it takes to be certain, and when nothing is known."""

from __future__ import annotations

import pytest

from hrbridge.config import Plan
from hrbridge.control.movement import Movement
from hrbridge.control.plan import gait_change_m_s
from hrbridge.events import Speed

RUN = {"speed_m_s": 2.6, "cadence_spm": 162}
WALK = {"speed_m_s": 1.4, "cadence_spm": 112}


def moved(*stretches: tuple[int, dict[str, float]], every_s: float = 1.0) -> Movement:
    """Each gait for so many seconds, told every so often, from second 0 on."""
    movement, at_s, ends_s = Movement(), 0.0, 0.0
    for for_s, gait in stretches:
        ends_s += for_s
        while at_s < ends_s:
            movement.update(Speed(at_s, **gait))
            at_s += every_s
    return movement


# -- which gait --


@pytest.mark.parametrize(
    ("gait", "running"),
    [
        ({"speed_m_s": 2.6, "cadence_spm": 162}, True),
        ({"speed_m_s": 1.4, "cadence_spm": 112}, False),
        ({"speed_m_s": 1.7, "cadence_spm": 158}, True),  # a slow jog
        ({"speed_m_s": 2.1, "cadence_spm": 128}, False),  # a brisk walk
        ({"speed_m_s": 2.6, "cadence_spm": 136}, True),  # steps that say nothing: the speed decides
        ({"speed_m_s": 1.4, "cadence_spm": 136}, False),
        ({"speed_m_s": 2.6, "cadence_spm": 0}, True),  # a belt that knows of no steps
        ({"speed_m_s": 0.0, "cadence_spm": 0}, False),  # standing is no running
        ({"speed_m_s": 2.6}, True),
        ({"speed_m_s": 1.4}, False),
        ({"cadence_spm": 162}, True),
        ({"cadence_spm": 112}, False),
        ({"speed_m_s": 1.9}, None),
        ({}, None),
    ],
)
def test_steps_are_asked_before_speed(gait: dict[str, float], running: bool | None) -> None:
    assert moved((30, gait)).running is running


@pytest.mark.parametrize("between", [{"speed_m_s": 1.9}, {"cadence_spm": 136}, {"distance_m": 5.0}], ids=str)
@pytest.mark.parametrize(("before", "running"), [(RUN, True), (WALK, False)])
def test_between_walking_and_running_it_stays_what_it_was(
    before: dict[str, float], running: bool, between: dict[str, float]
) -> None:
    movement = moved((20, before), (11, between))
    assert (movement.running, movement.gait_now) == (running, running)


# -- how certain --


def test_it_takes_ten_seconds_to_be_certain() -> None:
    assert [moved((for_s, RUN)).running for for_s in (10, 11)] == [None, True]


def test_the_change_counts_from_where_it_was_first_seen() -> None:
    assert moved((30, WALK), (30, RUN)).since_s == 30


def test_the_moment_of_certainty_is_told_once() -> None:
    movement = Movement()
    assert [at_s for at_s in range(40) if movement.update(Speed(at_s, **RUN))] == [10]


def test_a_glance_at_the_watch_is_no_walk_break() -> None:
    assert moved((60, RUN), (9, WALK), (1, RUN)).running is True


def test_after_a_glance_the_ten_seconds_begin_anew() -> None:
    assert moved((60, RUN), (9, WALK), (1, RUN), (9, WALK)).running is True


def test_the_gait_of_now_needs_no_sign_of_the_other() -> None:
    assert [moved((60, RUN), (for_s, WALK)).gait_now for for_s in (0, 1)] == [True, None]


def test_who_walks_walks_now() -> None:
    assert moved((60, WALK)).gait_now is False


def test_a_watch_that_tells_every_six_seconds_is_enough() -> None:
    assert moved((60, WALK), (18, RUN), every_s=6).running is True


# -- silence --


@pytest.mark.parametrize(("silent_s", "running"), [(15, True), (15.1, None)])
def test_silence_forgets(silent_s: float, running: bool | None) -> None:
    movement = moved((60, RUN))
    movement.expire(59 + silent_s)
    assert movement.running is running


def test_silence_forgets_speed_and_steps() -> None:
    movement = moved((60, RUN))
    movement.expire(100)
    assert (movement.speed_m_s, movement.cadence_spm) == (None, None)


def test_who_tells_every_ten_seconds_may_be_silent_for_thirty() -> None:
    movement = moved((60, RUN), every_s=10)
    movement.expire(80)
    assert movement.running is True


def test_after_silence_it_takes_ten_seconds_again() -> None:
    movement = moved((60, RUN))
    movement.expire(100)
    movement.update(Speed(101, **RUN))
    movement.update(Speed(105, **RUN))
    assert movement.running is None


def test_a_source_measures_until_it_falls_silent() -> None:
    movement = moved((1, RUN))
    assert [movement.measures(at_s) for at_s in (15, 16)] == [True, False]


def test_without_a_source_nothing_is_measured() -> None:
    movement = Movement()
    movement.expire(100)
    assert (movement.measures(100), movement.running) == (False, None)


# -- how far --


def test_distance_is_what_the_source_counted_since_it_was_first_heard() -> None:
    movement = Movement()
    for at_s, distance_m in enumerate((1000.0, 1002.5, 1005.0)):
        movement.update(Speed(at_s, 9.0, distance_m=distance_m))
    assert movement.distance_m == 5


def test_a_belt_that_begins_again_at_nought_takes_nothing_back() -> None:
    movement = Movement()
    for at_s, distance_m in enumerate((100.0, 110.0, 0.0, 5.0)):
        movement.update(Speed(at_s, distance_m=distance_m))
    assert movement.distance_m == 15


def test_without_a_counter_speed_is_added_up() -> None:
    assert moved((61, {"speed_m_s": 2.5})).distance_m == pytest.approx(150)


def test_metres_are_counted_once_though_the_counter_is_told_only_now_and_then() -> None:
    movement = Movement()
    for at_s in range(61):
        movement.update(Speed(at_s, 2.5, distance_m=2.5 * at_s if at_s % 3 == 0 else None))
    assert movement.distance_m == pytest.approx(150)


def test_a_hole_in_the_speed_is_not_filled() -> None:
    movement = Movement()
    movement.update(Speed(0, 2.5))
    movement.update(Speed(60, 2.5))
    assert movement.distance_m == 0


def test_steps_alone_make_no_distance() -> None:
    assert moved((60, {"cadence_spm": 162})).distance_m == 0


def test_a_slow_jog_on_a_treadmill_is_running_for_who_has_set_both_paces() -> None:
    jog_m_s = 1.67  # 6 km/h, as a treadmill without cadence tells it
    plan = Plan(run_pace_s_per_km=600, walk_pace_s_per_km=760)
    usual, own = Movement(), Movement(gait_change_m_s(plan))
    for at_s in range(20):
        usual.update(Speed(float(at_s), speed_m_s=jog_m_s))
        own.update(Speed(float(at_s), speed_m_s=jog_m_s))
    assert (usual.running, own.running) == (False, True)
