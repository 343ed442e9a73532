"""Where the heart rate will be: in a walk break half a minute ahead, in a run a quarter of one.

A walk follows the recovery curve of many people, from the last peak of this
one, scaled to how this runner recovered in earlier breaks of the session, and
bent towards what the last ten seconds did. A run goes on rising, ever more
slowly. Nothing here is fitted to a break before that break is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import exp, inf

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

# The curve: two equal poles after a delay, through the medians [M] 7.6 / 13.4 / 21.1 / 24.3 bpm at 30 / 45 / 60 / 90 s.
CURVE_BPM = 27.0
CURVE_DELAY_S = 6.0
CURVE_TAU_S = 19.0
# How far the last ten seconds are followed beside the curve, and at most how steeply.
LINE_SHARE = 0.3
LINE_OVER_S = 10.0
STEEPEST_FALL_BPM_S = 0.6
STEEPEST_RISE_BPM_S = 0.1
# What three earlier breaks say counts for half; a single odd one must not turn the curve over.
SESSION_SHARE = 0.5
SESSION_BREAKS = 3
SESSION_FROM, SESSION_TO = 0.2, 2.0
# A break says something about the next once it has come this far down the curve.
SESSION_FROM_FALL_BPM = 10.0
# The last peak comes late in some people: up to 25 s after the cue.
PEAK_FROM_S, PEAK_TO_S = -5.0, 25.0
SMOOTH_OVER_S = 5.0
# Running: the rise of the last ten seconds dies away with this time constant.
RISE_TAU_S = 30.0
# Half of an 80 % range: at once, and per second ahead.
RANGE_BPM, RANGE_BPM_S = 1.5, 0.22


class Forecast(Struct, frozen=True):
    """Heart rate at one moment ahead, and where four in five will lie; in bpm."""

    heart_rate_bpm: float
    low_bpm: float
    high_bpm: float


def forecast(
    at_s: ArrayLike, heart_rate_bpm: ArrayLike, *, ahead_s: float, earlier: Iterable[tuple[ArrayLike, ArrayLike]] = ()
) -> Forecast:
    """Heart rate ``ahead_s`` seconds after the last sample.

    ``at_s``, ``heart_rate_bpm``: shape (n,), n >= 1, in order of time; 0 s is
    the start of the walk, negative times the running before it. Where all are
    negative the runner still runs. ``earlier`` are the same pairs of earlier
    breaks of this session, each whole. Raises ValueError for empty or unequal
    shapes and for an ``ahead_s`` that is negative or not finite.
    """
    times_s, bpm = _checked(at_s, heart_rate_bpm)
    if not 0 <= ahead_s < inf:
        raise ValueError(f"ahead_s must be 0 or more and finite, not {ahead_s}")
    now_s = float(times_s[-1])
    now_bpm = _median_bpm(times_s, bpm, now_s)
    before_s = max(now_s - LINE_OVER_S, float(times_s[0]))
    change_bpm_s = (now_bpm - _median_bpm(times_s, bpm, before_s)) / (now_s - before_s) if now_s > before_s else 0.0
    if now_s < 0:
        return around(running_bpm(now_bpm, change_bpm_s, ahead_s), ahead_s)
    ratios = [ratio for pair in earlier if (ratio := _recovery_ratio(*_checked(*pair))) is not None]
    since_peak_s = now_s - _peak_s(times_s, bpm)
    return around(walking_bpm(now_bpm, change_bpm_s, since_peak_s, ahead_s, session_scale(ratios)), ahead_s)


def walking_bpm(now_bpm: float, change_bpm_s: float, since_peak_s: float, ahead_s: float, scale: float = 1.0) -> float:
    """Heart rate ``ahead_s`` later in the walk; ``change_bpm_s`` is that of the last ten seconds (falling: negative)."""
    by_curve = scale * (fall_bpm(since_peak_s + ahead_s) - fall_bpm(since_peak_s))
    by_line = ahead_s * min(max(-change_bpm_s, -STEEPEST_RISE_BPM_S), STEEPEST_FALL_BPM_S)
    return now_bpm - (1 - LINE_SHARE) * by_curve - LINE_SHARE * by_line


def running_bpm(now_bpm: float, change_bpm_s: float, ahead_s: float) -> float:
    """Heart rate ``ahead_s`` later in the run; a heart that falls is not followed."""
    return now_bpm + max(change_bpm_s, 0.0) * RISE_TAU_S * (1 - exp(-ahead_s / RISE_TAU_S))


def fall_bpm(since_peak_s: float) -> float:
    """How far heart rate has come down so long after its last peak, in the middle of many people."""
    x = max(since_peak_s - CURVE_DELAY_S, 0.0) / CURVE_TAU_S
    return CURVE_BPM * (1 - (1 + x) * exp(-x))


def recovery_ratio(fallen_bpm: float, since_peak_s: float) -> float | None:
    """What a finished break says: fallen so far, against the curve; None when it was too short to say anything."""
    usual_bpm = fall_bpm(since_peak_s)
    return fallen_bpm / usual_bpm if usual_bpm >= SESSION_FROM_FALL_BPM else None


def session_scale(ratios: Sequence[float]) -> float:
    """The scale of the curve after the breaks of this session so far."""
    if not ratios:
        return 1.0
    mean = min(max(sum(ratios) / len(ratios), SESSION_FROM), SESSION_TO)
    return 1 + SESSION_SHARE * (mean - 1) * min(len(ratios), SESSION_BREAKS) / SESSION_BREAKS


def around(heart_rate_bpm: float, ahead_s: float) -> Forecast:
    """With its range, to 0.1 bpm: what is compared is what is shown."""
    half_bpm = RANGE_BPM + RANGE_BPM_S * ahead_s
    return Forecast(round(heart_rate_bpm, 1), round(heart_rate_bpm - half_bpm, 1), round(heart_rate_bpm + half_bpm, 1))


def _checked(at_s: ArrayLike, heart_rate_bpm: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    times_s, bpm = np.asarray(at_s, dtype=np.float64), np.asarray(heart_rate_bpm, dtype=np.float64)
    if times_s.ndim != 1 or times_s.shape != bpm.shape:
        raise ValueError(f"at_s and heart_rate_bpm must both have shape (n,), not {times_s.shape} and {bpm.shape}")
    known = np.isfinite(times_s) & np.isfinite(bpm)
    if not known.any():
        raise ValueError("a forecast needs at least one heart rate")
    return times_s[known], bpm[known]


def _median_bpm(times_s: NDArray[np.float64], bpm: NDArray[np.float64], at_s: float) -> float:
    """The median of the 5 s up to ``at_s``, or of the nearest sample before."""
    last = int(np.searchsorted(times_s, at_s, side="right"))
    first = min(int(np.searchsorted(times_s, at_s - SMOOTH_OVER_S, side="right")), last - 1)
    return float(np.median(bpm[first:last]))


def _peak_s(times_s: NDArray[np.float64], bpm: NDArray[np.float64]) -> float:
    """When heart rate last stood highest around the cue, as a mean of 5 s; 0 where nothing is known of that time."""
    around_cue = times_s[(times_s >= PEAK_FROM_S) & (times_s <= PEAK_TO_S)]
    if not len(around_cue):
        return 0.0
    sums = np.concatenate([[0.0], np.cumsum(bpm)])
    last = np.searchsorted(times_s, around_cue, side="right")
    first = np.searchsorted(times_s, around_cue - SMOOTH_OVER_S, side="right")
    means = (sums[last] - sums[first]) / (last - first)
    return max(float(around_cue[np.flatnonzero(means >= means.max())[-1]]), 0.0)


def _recovery_ratio(times_s: NDArray[np.float64], bpm: NDArray[np.float64]) -> float | None:
    peak_s, end_s = _peak_s(times_s, bpm), float(times_s[-1])
    fallen_bpm = _median_bpm(times_s, bpm, max(peak_s, float(times_s[0]))) - _median_bpm(times_s, bpm, end_s)
    return recovery_ratio(fallen_bpm, end_s - peak_s)
