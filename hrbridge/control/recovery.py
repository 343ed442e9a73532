"""Has the heart rate dropped enough in this walk break?

[M] measured on 64 walk breaks in 14 public recordings of real runs: the median
drop is 7.6 / 13.4 / 21.1 / 24.3 bpm at 30 / 45 / 60 / 90 s, and at 60 s three
quarters of the breaks reach 12 bpm.
"""

from __future__ import annotations

from collections import deque
from math import inf
from statistics import median

from hrbridge.config import Control, Runner
from hrbridge.control.forecast import (
    LINE_OVER_S,
    PEAK_FROM_S,
    PEAK_TO_S,
    forecast,
    recovery_ratio,
    walking_bpm,
)

__all__ = ["HeartRateHistory", "Recovery", "WalkingBase", "forecast", "ready_line_bpm", "required_drop_bpm", "share"]

# g(t): the share of the full drop that a walk must have brought after t seconds. [M: with smaller shares,
# walks judged "recovered" early lose it again]
SHARE_AT_S = ((30.0, 0.6), (45.0, 0.8), (60.0, 1.0), (90.0, 1.15), (120.0, 1.25))
AMPLITUDE_SHARE = 0.35
MOST_OF_AMPLITUDE = 0.7
SMALL_AMPLITUDE_BPM = 8.0
NO_JUDGEMENT_BEFORE_S = 30.0
HOLD_S = 5.0
# [M] where heart rate fell, its last peak came within 10 s (p90) of the cue; in other athletes 16-28 s.
REFERENCE_TO_S = 20.0
MEAN_OVER_S = 5.0
BASE_FROM_LAST_S = 60.0
BASE_FROM_AT_LEAST_S = 28.0
DRIFT_BPM_PER_S = 3.0 / 600.0
BASE_AT_MOST_HRR = 0.5
NO_FORECAST_BEFORE_S = 15.0
# Beyond this nobody is told how long it will still take.
READY_WITHIN_S = 120
READY_STEP_S = 5


def share(walked_s: float) -> float:
    """g(t), linear between its corners: 0.6 until 30 s, 1 at 60 s, 1.25 from 120 s."""
    before_s, before = SHARE_AT_S[0]
    if walked_s <= before_s:
        return before
    for corner_s, value in SHARE_AT_S[1:]:
        if walked_s <= corner_s:
            return before + (value - before) * (walked_s - before_s) / (corner_s - before_s)
        before_s, before = corner_s, value
    return before


def required_drop_bpm(walked_s: float, amplitude_bpm: float | None, settings: Control) -> float:
    """How far heart rate must have dropped after ``walked_s``.

    ``amplitude_bpm`` is the reference above the walking base of the warm-up,
    None when that is unknown.
    """
    full_bpm, most_bpm = full_drop_bpm(amplitude_bpm, settings)
    return min(share(walked_s) * full_bpm, most_bpm)


def full_drop_bpm(amplitude_bpm: float | None, settings: Control) -> tuple[float, float]:
    """The drop of which ``share`` is asked for, and the most that is ever asked for."""
    if amplitude_bpm is None:
        return settings.unknown_amplitude_drop_bpm, inf
    if amplitude_bpm < SMALL_AMPLITUDE_BPM:
        return 0.0, 0.0
    full_bpm = min(max(AMPLITUDE_SHARE * amplitude_bpm, settings.min_drop_bpm), settings.max_drop_bpm)
    return full_bpm, MOST_OF_AMPLITUDE * amplitude_bpm


def ready_line_bpm(runner: Runner, settings: Control) -> float:
    """At or below this heart rate a runner is ready, however little it fell."""
    return runner.resting_bpm + settings.ready_hrr * runner.reserve_bpm


class HeartRateHistory:
    """The medians of the last minute and a half: one per event with a heart rate, in order of time.

    All of one sensor, ``source``, that is heard since ``since_s``.
    """

    KEEP_S = 90.0

    def __init__(self) -> None:
        self._points: deque[tuple[float, float]] = deque()
        self.source: str | None = None
        self.since_s = float("-inf")

    def turn_to(self, source: str | None, at_s: float) -> None:
        """The sensor that is heard now; what another one said before is forgotten."""
        if self.source not in (None, source):
            self._points.clear()
            self.since_s = at_s
        self.source = source

    def add(self, at_s: float, heart_rate_bpm: float) -> None:
        if self._points and self._points[-1][0] >= at_s:
            return
        self._points.append((at_s, heart_rate_bpm))
        while self._points[0][0] < at_s - self.KEEP_S:
            self._points.popleft()

    def at(self, at_s: float) -> float | None:
        """The last median at or before ``at_s``."""
        return next((bpm for point_s, bpm in reversed(self._points) if point_s <= at_s), None)

    def mean_bpm(self, at_s: float) -> float | None:
        """The mean of the 5 s up to ``at_s``."""
        total, count = 0.0, 0
        for point_s, bpm in reversed(self._points):
            if point_s <= at_s - MEAN_OVER_S:
                break
            if point_s <= at_s:
                total, count = total + bpm, count + 1
        return total / count if count else None

    def change_bpm_s(self) -> float:
        """How fast heart rate has changed over the last 10 s, in bpm per second; 0 where that is not known."""
        if not self._points:
            return 0.0
        last_s, last_bpm = self._points[-1]
        first_s = last_s - LINE_OVER_S
        for point_s, bpm in reversed(self._points):
            if point_s <= first_s:
                return (last_bpm - bpm) / (last_s - point_s)
        return 0.0

    def times_s(self, from_s: float) -> list[float]:
        return [point_s for point_s, _ in self._points if point_s >= from_s]

    def median_bpm(self, from_s: float) -> float | None:
        """Of all points since; None when they span less than half a minute."""
        times = self.times_s(from_s)
        if not times or times[-1] - times[0] < BASE_FROM_AT_LEAST_S:
            return None
        return median(bpm for point_s, bpm in self._points if point_s >= from_s)


class WalkingBase:
    """The heart rate of easy walking, learned in the warm-up; unknown when there was none.

    Drifts upward with the run, at most 3 bpm in 10 min, never above half of the reserve.
    Holds for the sensor that it was learned from.
    """

    def __init__(self, runner: Runner) -> None:
        self._most_bpm = runner.resting_bpm + BASE_AT_MOST_HRR * runner.reserve_bpm
        self._learned_bpm: float | None = None
        self._learned_s = 0.0
        self._source: str | None = None

    def learn(self, at_s: float, heart_rate_bpm: float | None, source: str | None = None) -> None:
        """The median of the last minute of walking in the warm-up."""
        if heart_rate_bpm is not None:
            self._learned_bpm = heart_rate_bpm
            self._learned_s = at_s
            self._source = source

    def at(self, at_s: float, source: str | None = None) -> float | None:
        """The base in bpm at ``at_s``."""
        if self._learned_bpm is None or source != self._source:
            return None
        return min(self._learned_bpm + DRIFT_BPM_PER_S * (at_s - self._learned_s), self._most_bpm)


class Recovery:
    """One walk break: its reference, the drop since, and whether that is enough."""

    def __init__(
        self,
        started_s: float,
        history: HeartRateHistory,
        base_bpm: float | None,
        ready_bpm: float,
        settings: Control,
        scale: float = 1.0,
    ) -> None:
        """``scale``: how this runner recovered in earlier breaks, against the curve (``forecast.session_scale``)."""
        self.started_s = started_s
        self.drop_bpm: float | None = None
        self.recovered = False
        self.once_recovered = False
        self._history = history
        self._base_bpm = base_bpm
        self._ready_bpm = ready_bpm
        self._settings = settings
        self._refer_to(None)
        self._scale = scale
        self._peak_s = started_s
        self._peak_bpm = float("-inf")
        self._met_since_s: float | None = None
        self._sensor_since_s = history.since_s
        for point_s in history.times_s(started_s + PEAK_FROM_S):
            self._raise_reference(point_s)

    @property
    def across_sensors(self) -> bool:
        """True when the walk began on another sensor than the present one."""
        return self._history.since_s > self.started_s

    def keep_to_one_sensor(self) -> None:
        """A drop measured across two sensors is none: on another one only the ready line and the ceiling are left."""
        if self._sensor_since_s != self._history.since_s:
            self._sensor_since_s = self._history.since_s
            self._refer_to(None)
            self.drop_bpm = self._met_since_s = None
            self.recovered = False

    def update(self, at_s: float, heart_rate_bpm: float, ceiling_bpm: float) -> None:
        """Take the median at ``at_s``; ``recovered`` is true once a test has held for 5 s."""
        if at_s - self.started_s <= PEAK_TO_S:
            self._raise_reference(at_s)
        if self.reference_bpm is not None:
            self.drop_bpm = self.reference_bpm - heart_rate_bpm
        walked_s = at_s - self.started_s
        if self.margin_bpm(walked_s, heart_rate_bpm, ceiling_bpm) < 0:
            self._met_since_s = None
        elif self._met_since_s is None:
            self._met_since_s = at_s
        self.recovered = (
            walked_s >= NO_JUDGEMENT_BEFORE_S and self._met_since_s is not None and at_s - self._met_since_s >= HOLD_S
        )
        self.once_recovered |= self.recovered

    def required_bpm(self, walked_s: float) -> float:
        """The drop that is asked for after ``walked_s``."""
        return min(share(walked_s) * self._full_drop_bpm, self._most_drop_bpm)

    def margin_bpm(self, walked_s: float, heart_rate_bpm: float, ceiling_bpm: float) -> float:
        """How far ``heart_rate_bpm`` after ``walked_s`` would be on the good side; negative: not recovered.

        Either the drop is large enough or heart rate is down at the ready
        line; never while it is above the ceiling.
        """
        by_drop = -inf  # without a trusted value around the cue nobody knows from where it fell
        if self.reference_bpm is not None:
            by_drop = self.reference_bpm - heart_rate_bpm - self.required_bpm(walked_s)
        by_ready_line = self._ready_bpm - heart_rate_bpm
        return min(max(by_drop, by_ready_line), ceiling_bpm - heart_rate_bpm)

    def ahead_bpm(self, at_s: float, heart_rate_bpm: float, ahead_s: float) -> float:
        """Heart rate ``ahead_s`` from now, if the walk goes on."""
        change_bpm_s = self._history.change_bpm_s()
        return walking_bpm(heart_rate_bpm, change_bpm_s, at_s - self._peak_s, ahead_s, self._scale)

    def ready_in_s(self, at_s: float, heart_rate_bpm: float, ceiling_bpm: float) -> float | None:
        """How many more seconds of walking until this is recovery enough; None: not within two minutes."""
        if self.recovered:
            return 0.0
        walked_s, change_bpm_s = at_s - self.started_s, self._history.change_bpm_s()
        since_peak_s = at_s - self._peak_s
        first_s = max(0.0, NO_JUDGEMENT_BEFORE_S - walked_s)
        if self._met_since_s is None:
            first_s = max(first_s, HOLD_S)
        for more_s in range(0, READY_WITHIN_S, READY_STEP_S):
            ahead_s = first_s + more_s
            bpm = round(walking_bpm(heart_rate_bpm, change_bpm_s, since_peak_s, ahead_s, self._scale), 1)
            if self.margin_bpm(walked_s + ahead_s, bpm, ceiling_bpm) >= 0:
                return float(round(ahead_s))
        return None

    def ratio(self, at_s: float, heart_rate_bpm: float) -> float | None:
        """What this break says about the next ones (``forecast.recovery_ratio``)."""
        if self.reference_bpm is None:
            return None
        return recovery_ratio(self.reference_bpm - heart_rate_bpm, at_s - self._peak_s)

    def well_recovered(self, walked_s: float, heart_rate_bpm: float) -> bool:
        """Good enough to give something back to the plan: a quarter more than required, or down at the ready line."""
        if self.drop_bpm is None:
            return False
        return self.drop_bpm >= 1.25 * self.required_bpm(walked_s) or heart_rate_bpm <= self._ready_bpm

    def _raise_reference(self, at_s: float) -> None:
        mean_bpm = self._history.mean_bpm(at_s)
        if mean_bpm is None or self.across_sensors:
            return
        if mean_bpm >= self._peak_bpm:
            self._peak_s, self._peak_bpm = max(at_s, self.started_s), mean_bpm
        if at_s - self.started_s <= REFERENCE_TO_S and (self.reference_bpm is None or mean_bpm > self.reference_bpm):
            self._refer_to(mean_bpm)

    def _refer_to(self, reference_bpm: float | None) -> None:
        """What heart rate fell from, and so what is asked for."""
        self.reference_bpm = reference_bpm
        amplitude_bpm = None
        if self._base_bpm is not None and reference_bpm is not None:
            amplitude_bpm = reference_bpm - self._base_bpm
        self._full_drop_bpm, self._most_drop_bpm = full_drop_bpm(amplitude_bpm, self._settings)
