"""How far the runner has come since the start: by the sensor, and while that is silent by the plan's pace."""

from __future__ import annotations

from hrbridge.config import Plan
from hrbridge.control.movement import Movement
from hrbridge.control.plan import speed_m_s


class Course:
    """Adds up; ``distance_m`` counts from ``begin``, ``measured`` tells whether a sensor speaks."""

    def __init__(self, plan: Plan, movement: Movement) -> None:
        self.distance_m = 0.0
        self.measured = True
        self._run_m_s, self._walk_m_s = speed_m_s(plan, walking=False), speed_m_s(plan, walking=True)
        self._movement = movement
        self._at_s = 0.0
        self._sensed_m = 0.0

    def begin(self, at_s: float) -> None:
        """The start: what was walked before it is nobody's course."""
        self._at_s = at_s
        self._sensed_m = self._movement.distance_m

    def follow(self, at_s: float, *, running: bool | None) -> None:
        """Time has gone on to ``at_s``; ``running`` is None while paused, when only a sensor counts."""
        sensed_m = self._movement.distance_m
        measured = self._movement.measures(at_s)
        if measured and self.measured:
            self.distance_m += sensed_m - self._sensed_m
        elif running is not None:
            self.distance_m += (at_s - self._at_s) * (self._run_m_s if running else self._walk_m_s)
        self._at_s, self._sensed_m, self.measured = at_s, sensed_m, measured
