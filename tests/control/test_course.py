"""How far: from the start line on, by the sensor, and by one's own pace while that is silent."""

from __future__ import annotations

import pytest

from hrbridge.config import Plan
from hrbridge.control.course import Course
from hrbridge.control.movement import Movement
from hrbridge.events import Speed

PLAN = Plan(run_pace_s_per_km=400, walk_pace_s_per_km=800)  # 2.5 and 1.25 m/s


def followed(seconds: int, *, pod_m_s: float | None, running: bool | None, wait_s: int = 0) -> Course:
    """``wait_s`` at the start line with the pod on, then ``seconds`` of the course."""
    movement = Movement()
    course = Course(PLAN, movement)
    for at_s in range(wait_s + seconds + 1):
        if pod_m_s is not None:
            movement.update(Speed(float(at_s), speed_m_s=pod_m_s, distance_m=at_s * pod_m_s))
        if at_s == wait_s:
            course.begin(float(at_s))
        elif at_s > wait_s:
            course.follow(float(at_s), running=running)
    return course


def test_a_foot_pod_measures_the_course() -> None:
    assert followed(100, pod_m_s=3.0, running=True).distance_m == pytest.approx(300)


def test_without_a_foot_pod_the_run_goes_at_its_pace() -> None:
    assert followed(100, pod_m_s=None, running=True).distance_m == pytest.approx(250)


def test_without_a_foot_pod_the_walk_goes_at_its_pace() -> None:
    assert followed(100, pod_m_s=None, running=False).distance_m == pytest.approx(125)


def test_without_a_foot_pod_a_pause_stands_still() -> None:
    assert followed(100, pod_m_s=None, running=None).distance_m == 0


def test_what_was_walked_before_the_start_does_not_count() -> None:
    assert followed(100, pod_m_s=3.0, running=True, wait_s=600).distance_m == pytest.approx(300)


def test_who_measures_is_told() -> None:
    measured = followed(100, pod_m_s=3.0, running=True).measured, followed(100, pod_m_s=None, running=True).measured
    assert measured == (True, False)
