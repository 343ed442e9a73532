"""Where the heart rate will be: in a walk break half a minute ahead, in a run ten seconds.

What the last ten seconds did goes on, but dies away. A run has nothing else; a
walk mostly follows the recovery curve of many people, from the last peak of
this one, scaled to how this runner recovered in earlier breaks of the session.
Nothing here is fitted to a break before that break is over.

Mean absolute error in bpm, 15 / 20 / 30 / 45 s into a walk and 30 s ahead, and
30 s into it and 15 s ahead, as ``make bench`` prints it with much beside::

                                 20 breaks of 5 recordings    480 of 48 simulated runners
    last value                   12.7  12.4  11.6   7.9  6.2  12.2  12.0  10.9   8.3  5.6
    clamped line                  7.1   6.5   6.6   5.4  3.3   7.8   4.7   3.8   4.5  1.9
    median curve [M] from here    5.8   6.2   6.2   3.7  3.6   4.1   3.6   3.2   2.2  1.9
    two poles, with priors [M]    6.6   7.0   5.6   4.0  3.5   3.9   3.4   2.8   3.1  1.7
    fitted to the other files     6.0   7.3   6.9   4.8  5.1   2.0   1.8   2.0   2.0  1.3
    this, as in a first break     5.5   6.0   5.6   4.1  3.5   3.7   3.2   2.8   2.3  1.7
    this                          4.9   5.7   5.7   4.1  3.3   2.8   2.2   2.1   2.1  1.4
    of them in the range, %        85    85    85    88   90    97    99   100    99   99

While heart rate rises in the first two minutes of a run it is off by 2.3 / 4.2
bpm 10 / 30 s ahead (simulated 1.8 / 3.7), the last value by 2.7 / 6.6 (2.6 /
6.3); later in a run a rise of ten seconds foretells hardly anything, and the
last value is a little nearer (2.8 / 6.2 against 3.7 / 7.4).

Twenty breaks tell nothing of half a beat. The curve comes from the medians
[M]; the other constants are round numbers, chosen in view of both tables,
where every neighbour (shares of 0.1 to 0.3, time constants a quarter more or
less) does as well within 0.3 bpm.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from math import exp, inf
from statistics import median

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike

# The curve: two equal poles after a delay, through the medians [M] 7.6 / 13.4 / 21.1 / 24.3 bpm at 30 / 45 / 60 / 90 s
# of a walk, whose last peak comes a few seconds after its start.
CURVE_BPM = 27.0
CURVE_DELAY_S = 6.0
CURVE_TAU_S = 19.0
# The change of the last ten seconds: how fast it dies away, and the steepest that a heart is trusted to keep up.
LINE_OVER_S = 10.0
LINE_TAU_S = 20.0
STEEPEST_BPM_S = 0.6
# What of a walk is told by that change, the rest by the curve.
LINE_SHARE = 0.2
# The people behind the curve count for as much as two breaks of this runner: a single odd one must not turn it over.
CURVE_COUNTS_BREAKS = 2
SCALE_FROM, SCALE_TO = 0.0, 2.0
# A break says something about the next once it should have come this far down the curve.
SCALE_AFTER_FALL_BPM = 10.0
# The last peak comes late in some people: up to 25 s after the cue.
PEAK_FROM_S, PEAK_TO_S = -5.0, 25.0
SMOOTH_OVER_S = 5.0
# Half of an 80 % range: at once, and per second ahead. Wider than the recordings at hand ask for, which are few people.
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
    negative the runner still runs. A heart rate that is 0 or no number is a
    sample missing. ``earlier`` are the same pairs of earlier breaks of this
    session, each whole. Raises ValueError for unequal shapes, times out of
    order, no heart rate at all, and an ``ahead_s`` that is negative or not
    finite.
    """
    if not 0 <= ahead_s < inf:
        raise ValueError(f"ahead_s must be 0 or more and finite, not {ahead_s}")
    times_s, bpm = _known(at_s, heart_rate_bpm)
    if not times_s:
        raise ValueError("a forecast needs at least one heart rate")
    ratios = [ratio for pair in earlier if (ratio := _recovery_ratio(*_known(*pair))) is not None]
    now_s, now_bpm = times_s[-1], _median_bpm(times_s, bpm, times_s[-1])
    before = bisect_right(times_s, now_s - LINE_OVER_S) - 1
    change_bpm_s = 0.0
    if before >= 0:
        change_bpm_s = (now_bpm - _median_bpm(times_s, bpm, times_s[before])) / (now_s - times_s[before])
    if now_s < 0:
        return around(running_bpm(now_bpm, change_bpm_s, ahead_s), ahead_s)
    since_peak_s = now_s - _peak_s(times_s, bpm)
    return around(walking_bpm(now_bpm, change_bpm_s, since_peak_s, ahead_s, session_scale(ratios)), ahead_s)


def walking_bpm(now_bpm: float, change_bpm_s: float, since_peak_s: float, ahead_s: float, scale: float = 1.0) -> float:
    """Heart rate ``ahead_s`` later in the walk; ``change_bpm_s`` is that of the last ten seconds, falling: negative."""
    by_curve_bpm = scale * (fall_bpm(since_peak_s) - fall_bpm(since_peak_s + ahead_s))
    return now_bpm + (1 - LINE_SHARE) * by_curve_bpm + LINE_SHARE * _still_to_come_bpm(change_bpm_s, ahead_s)


def running_bpm(now_bpm: float, change_bpm_s: float, ahead_s: float) -> float:
    """Heart rate ``ahead_s`` later in the run; a heart that falls is not followed."""
    return now_bpm + _still_to_come_bpm(change_bpm_s, ahead_s) if change_bpm_s > 0 else now_bpm


def fall_bpm(since_peak_s: float) -> float:
    """How far heart rate has come down so long after its last peak, in the middle of many people."""
    x = max(since_peak_s - CURVE_DELAY_S, 0.0) / CURVE_TAU_S
    return CURVE_BPM * (1 - (1 + x) * exp(-x))


def recovery_ratio(fallen_bpm: float, since_peak_s: float) -> float | None:
    """What a finished break says: fallen so far, against the curve; None when it was too short to say anything."""
    usual_bpm = fall_bpm(since_peak_s)
    return fallen_bpm / usual_bpm if usual_bpm >= SCALE_AFTER_FALL_BPM else None


def session_scale(ratios: Sequence[float]) -> float:
    """The scale of the curve after the breaks of this session so far."""
    if not ratios:
        return 1.0
    own = min(max(median(ratios), SCALE_FROM), SCALE_TO)
    return (CURVE_COUNTS_BREAKS + own * len(ratios)) / (CURVE_COUNTS_BREAKS + len(ratios))


def around(heart_rate_bpm: float, ahead_s: float) -> Forecast:
    """With its range, to 0.1 bpm: what is compared is what is shown."""
    half_bpm = RANGE_BPM + RANGE_BPM_S * ahead_s
    return Forecast(round(heart_rate_bpm, 1), round(heart_rate_bpm - half_bpm, 1), round(heart_rate_bpm + half_bpm, 1))


def _still_to_come_bpm(change_bpm_s: float, ahead_s: float) -> float:
    """What a change that is dying away still brings."""
    change_bpm_s = min(max(change_bpm_s, -STEEPEST_BPM_S), STEEPEST_BPM_S)
    return change_bpm_s * LINE_TAU_S * (1 - exp(-ahead_s / LINE_TAU_S))


def _known(at_s: ArrayLike, heart_rate_bpm: ArrayLike) -> tuple[list[float], list[float]]:
    """The samples there are, as lists: for a minute of them plain Python is quicker than numpy."""
    times_s, bpm = np.asarray(at_s, dtype=np.float64), np.asarray(heart_rate_bpm, dtype=np.float64)
    if times_s.ndim != 1 or times_s.shape != bpm.shape:
        raise ValueError(f"at_s and heart_rate_bpm must both have shape (n,), not {times_s.shape} and {bpm.shape}")
    known = np.isfinite(times_s) & np.isfinite(bpm) & (bpm > 0)
    times_s, bpm = times_s[known], bpm[known]
    if (times_s[1:] < times_s[:-1]).any():
        raise ValueError("at_s must be in order of time")
    return times_s.tolist(), bpm.tolist()


def _median_bpm(times_s: list[float], bpm: list[float], at_s: float) -> float:
    """The median of the 5 s up to ``at_s``, or the nearest sample before."""
    last = bisect_right(times_s, at_s)
    return median(bpm[min(bisect_right(times_s, at_s - SMOOTH_OVER_S), last - 1) : last])


def _peak_s(times_s: list[float], bpm: list[float]) -> float:
    """When heart rate last stood highest around the cue, as a mean of 5 s; 0 where nothing is known of that time."""
    peak_s, peak_bpm = 0.0, 0.0
    for n in range(bisect_left(times_s, PEAK_FROM_S), bisect_right(times_s, PEAK_TO_S)):
        window = bpm[bisect_right(times_s, times_s[n] - SMOOTH_OVER_S) : n + 1]
        mean_bpm = sum(window) / len(window)
        if mean_bpm >= peak_bpm:
            peak_s, peak_bpm = times_s[n], mean_bpm
    return max(peak_s, 0.0)


def _recovery_ratio(times_s: list[float], bpm: list[float]) -> float | None:
    if not times_s or times_s[0] > PEAK_TO_S:
        return None  # from where it fell nobody knows
    peak_s, end_s = _peak_s(times_s, bpm), times_s[-1]
    fallen_bpm = _median_bpm(times_s, bpm, max(peak_s, times_s[0])) - _median_bpm(times_s, bpm, end_s)
    return recovery_ratio(fallen_bpm, end_s - peak_s)
