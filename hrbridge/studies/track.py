"""A recording as the model needs it: speed, gait and slope of every second, and the heart rate that can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from hrbridge.config import Control, Runner
from hrbridge.control.movement import CHANGE_M_S, RUNNING_CADENCE_SPM, WALKING_CADENCE_SPM
from hrbridge.control.signal import MAX_STEP_BPM_S, SignalMonitor
from hrbridge.decisions import Trust
from hrbridge.errors import InputFileError
from hrbridge.events import Action, Command, Event, Sample, Speed
from hrbridge.runner_model import Array

# Heart rate is compared in means of this long: some watches record every 4 to 6 s.
CELL_S = 5
# A recording begins with the heart rate of its first seconds; what is compared comes after them.
START_S = 15
# Less than this of believable heart rate on foot tells more of one hill than of a runner.
LEAST_S = 480
# The speed of satellites trembles from second to second, a heart does not follow that.
SMOOTHED_SPEED_S = 9
# Slopes from altitude: over so many metres before and behind, so that 2 m of error make little of a hill.
SLOPE_OVER_M = 75.0
SMOOTHED_ALTITUDE_S = 21
STEEPEST_DOWN, STEEPEST_UP = -0.15, 0.20
# A speed or cadence older than this is none: some watches record every 10 s.
STALE_S = 15.0
# Slower than this nobody walks: who stands has no walking pace.
SLOWEST_WALK_M_S = 0.8
LONGEST_S = 86_400.0


@dataclass(frozen=True)
class Track:
    """One recording on foot, from its first second to its last.

    ``speed_m_s``, ``running`` and ``grade`` (seconds,): in a pause of the
    recording the runner is taken to stand. ``heard_s`` and ``heard_bpm``
    (cells,): where heart rate could be believed, the middle of each 5 s and
    their mean. ``start_bpm`` is that of the first 10 s.
    """

    name: str
    speed_m_s: Array
    running: NDArray[np.bool_]
    grade: Array
    heard_s: NDArray[np.intp]
    heard_bpm: Array
    start_bpm: float

    @property
    def first_half(self) -> NDArray[np.bool_]:
        """Which of ``heard_bpm`` belong to the first half of the time in which there is any, shape (cells,)."""
        first: NDArray[np.bool_] = self.heard_s < (self.heard_s[0] + self.heard_s[-1]) / 2
        return first

    @property
    def run_speed_m_s(self) -> float | None:
        """The usual speed of running, None where there was none for a minute."""
        return _usual(self.speed_m_s[self.running])

    @property
    def walk_speed_m_s(self) -> float | None:
        """The usual speed of walking, None where there was none for a minute."""
        return _usual(self.speed_m_s[~self.running & (self.speed_m_s >= SLOWEST_WALK_M_S)])


def track(name: str, events: Sequence[Event], altitudes_m: Sequence[tuple[float, float]], runner: Runner) -> Track:
    """``events`` of a recording, and pairs of at_s and metres; ``name`` for the words of errors.

    Raises InputFileError where there is no speed, or too little heart rate that
    can be believed.
    """
    moving = [event for event in events if isinstance(event, Speed) and event.speed_m_s is not None]
    if not any(event.speed_m_s for event in moving):
        raise InputFileError(f"{name}: it tells no speed, as indoors without a foot pod: nothing to learn from")
    last_s = events[-1].at_s
    if last_s > LONGEST_S:
        raise InputFileError(f"{name}: it is longer than a day: cut it into runs")
    pauses = _pauses(events)
    at_s, bpm = _believed(events, pauses, runner)
    second = np.arange(floor(last_s) + 1, dtype=np.float64)
    speed_m_s, running = _movement(second, moving, pauses)
    cells, inverse = np.unique((at_s // CELL_S).astype(np.intp), return_inverse=True)
    heard_bpm = np.bincount(inverse, bpm) / np.bincount(inverse) if len(cells) else bpm
    heard_s = np.minimum(cells * CELL_S + CELL_S // 2, len(second) - 1)
    later = heard_s > (at_s[0] if len(at_s) else 0) + START_S
    heard_s, heard_bpm = heard_s[later], heard_bpm[later]
    if len(heard_s) * CELL_S < LEAST_S:
        minutes = len(heard_s) * CELL_S / 60
        raise InputFileError(
            f"{name}: {minutes:.0f} min of heart rate that can be believed: at least {LEAST_S // 60} are needed"
        )
    start_bpm = float(np.median(bpm[at_s <= at_s[0] + 10]))
    grade = _grade(second, speed_m_s, moving, altitudes_m)
    return Track(name, speed_m_s, running, grade, heard_s, heard_bpm, start_bpm)


def _pauses(events: Sequence[Event]) -> list[tuple[float, float]]:
    """When the timer stood still, from and to."""
    pauses: list[tuple[float, float]] = []
    since_s: float | None = None
    for event in events:
        if isinstance(event, Command) and event.action is Action.PAUSE and since_s is None:
            since_s = event.at_s
        elif isinstance(event, Command) and event.action is Action.RESUME and since_s is not None:
            pauses.append((since_s, event.at_s))
            since_s = None
    return pauses if since_s is None else [*pauses, (since_s, events[-1].at_s)]


def _believed(events: Sequence[Event], pauses: Sequence[tuple[float, float]], runner: Runner) -> tuple[Array, Array]:
    """Times and values of the samples that the coach would have believed: no spikes, nothing frozen or doubtful."""
    monitor = SignalMonitor(runner, Control())
    heard: list[tuple[float, int]] = []
    cadence_spm = None
    ends_s = [until_s for _, until_s in pauses]
    for event in events:
        while ends_s and event.at_s >= ends_s[0]:
            monitor.resume(ends_s.pop(0))
        if isinstance(event, Speed):
            cadence_spm = event.cadence_spm
        if not isinstance(event, Sample):
            continue
        monitor.hear(event, cadence_spm)
        monitor.update(event.at_s)
        bpm, median_bpm = event.heart_rate_bpm, monitor.heart_rate_bpm
        if monitor.trust is Trust.GOOD and bpm is not None and abs(bpm - (median_bpm or 0)) <= MAX_STEP_BPM_S:
            heard.append((event.at_s, bpm))
    at_s, values_bpm = np.array(heard, dtype=np.float64).reshape(-1, 2).T
    for since_s, until_s in pauses:
        running_timer = (at_s <= since_s) | (at_s >= until_s)
        at_s, values_bpm = at_s[running_timer], values_bpm[running_timer]
    return at_s, values_bpm


def _movement(
    second: Array, moving: Sequence[Speed], pauses: Sequence[tuple[float, float]]
) -> tuple[Array, NDArray[np.bool_]]:
    """Speed, and whether it is running: by cadence where that is clear, else by speed."""
    at_s = np.array([event.at_s for event in moving])
    told_m_s = np.array([event.speed_m_s for event in moving], dtype=np.float64)
    cadence_spm = np.array([event.cadence_spm or np.nan for event in moving], dtype=np.float64)
    latest = np.clip(np.searchsorted(at_s, second, side="right") - 1, 0, len(at_s) - 1)
    speed_m_s = np.interp(second, at_s, told_m_s)
    for since_s, until_s in pauses:
        speed_m_s[ceil(since_s) + 1 : floor(until_s) + 1] = 0.0
    speed_m_s = _smooth(speed_m_s, SMOOTHED_SPEED_S)
    steps_spm = np.where(second - at_s[latest] <= STALE_S, cadence_spm[latest], np.nan)
    told = steps_spm > 0
    # Between the steps of walking and those of running nothing is certain but speed.
    certain = told & ((steps_spm >= RUNNING_CADENCE_SPM) | (steps_spm <= WALKING_CADENCE_SPM))
    running = np.where(certain, steps_spm >= RUNNING_CADENCE_SPM, speed_m_s >= CHANGE_M_S)
    return speed_m_s, running


def _grade(
    second: Array, speed_m_s: Array, moving: Sequence[Speed], altitudes_m: Sequence[tuple[float, float]]
) -> Array:
    """Rise over run: as the recording tells it, else from altitude; 0 where neither is known."""
    told = [(event.at_s, event.incline_percent / 100) for event in moving if event.incline_percent is not None]
    if told:
        at_s, grades = np.array(told).T
        grade: Array = np.interp(second, at_s, grades)
        return np.clip(grade, STEEPEST_DOWN, STEEPEST_UP)
    if len(altitudes_m) < 2:
        return np.zeros(len(second))
    at_s, metres = np.array(altitudes_m, dtype=np.float64).T
    altitude_m = _smooth(np.interp(second, at_s, metres), SMOOTHED_ALTITUDE_S)
    # Who stands still goes on by a millimetre a second: distances must rise.
    here_m = np.cumsum(speed_m_s + 0.001)
    behind_m = np.maximum(here_m - SLOPE_OVER_M, here_m[0])
    ahead_m = np.minimum(here_m + SLOPE_OVER_M, here_m[-1])
    rise_m = np.interp(ahead_m, here_m, altitude_m) - np.interp(behind_m, here_m, altitude_m)
    slope: Array = rise_m / np.maximum(ahead_m - behind_m, SLOPE_OVER_M)
    return np.clip(slope, STEEPEST_DOWN, STEEPEST_UP)


def _smooth(values: Array, over_s: int) -> Array:
    """The mean of ``over_s`` seconds around each, of fewer at the ends."""
    window = np.ones(min(over_s, len(values)))
    smoothed: Array = np.convolve(values, window, "same") / np.convolve(np.ones(len(values)), window, "same")
    return smoothed


def _usual(speeds_m_s: Array) -> float | None:
    return float(np.median(speeds_m_s)) if len(speeds_m_s) >= 60 else None
