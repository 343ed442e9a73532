"""A twin of one's own: the simulated runner whose heart follows speed as it did in one's recordings.

Found is what is most likely both by the recordings and by the population that
``runner_model`` draws from (maximum a posteriori): what the recordings do not
tell stays as it is in most people. Cost of moving and VO2max cannot be told apart
and are one number here. Residuals count by the logarithm of a Cauchy
distribution, so that a stretch of nonsense weighs little, and one of them
counts for half a minute: neighbours say the same.

How good it is, is told on parts left out: a twin of each half of a recording
foretells the other half from speed alone, and so does one pole: heart rate
heads for a level linear in the cost of moving, with one time constant, by
least squares. Both are told the heart rate of the first 10 seconds and nothing
else, run from there through the whole recording, pauses standing, and count
only in the half they have not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import Struct

from hrbridge.runner_file import DRAWN, LIMITS, Body, Kinetics, RunnerFile, Spread
from hrbridge.runner_model import (
    RESTING_VO2,
    RUNNING_GRADE_VO2,
    RUNNING_VO2,
    WALKING_GRADE_VO2,
    WALKING_VO2,
    Array,
)
from hrbridge.studies.search import SLOPE_SHARE, Mask, Parameter, Problem, Search
from hrbridge.studies.track import CELL_S, Track

# Most recordings have settled by then; what still moves after it foretells no better.
ROUNDS = 14
# Of its usual spread: what stays wider than this has not been told by the recordings.
UNTOLD = 0.9
# The usual paces of a run-walk, where the recordings hold none.
USUAL_RUN_M_S, USUAL_WALK_M_S = 2.2, 1.5
# Satellites and air pressure know a good part of a hill, not all of it.
USUAL_SLOPE_SHARE = 0.7
BASELINE_TAUS_S = np.geomspace(5, 400, 40)
# Beyond it a half was not foretold at all, and that says nothing about days.
WIDEST_DAY_BPM = 30.0


class Heart(Struct, frozen=True):
    """What is known beforehand; an sd of 0: it is known for certain. ``held_bpm``: the maximum is not below."""

    max_heart_rate_bpm: float
    max_sd_bpm: float
    resting_heart_rate_bpm: float
    resting_sd_bpm: float
    held_bpm: float = 0.0
    age_years: float | None = None


class Error(Struct, frozen=True):
    """Root of the mean square, and mean of the absolute values, of what was foretold wrongly, in bpm."""

    rmse_bpm: float
    mae_bpm: float


class LeftOut(Struct, frozen=True):
    """How well the halves of a recording foretold one another; ``in_sample``: the twin of all on what it has seen."""

    recording: str
    minutes: float
    twin: Error
    one_pole: Error
    in_sample: Error


@dataclass(frozen=True)
class Fitted:
    """The twin, how good such twins are, and what the recordings did not tell (names of parameters)."""

    file: RunnerFile
    left_out: tuple[LeftOut, ...]
    untold: tuple[str, ...]
    usual_speeds: tuple[str, ...]


def parameters(heart: Heart) -> tuple[Parameter, ...]:
    """The population of ``runner_model``, around this heart; in the order of ``runner_file.DRAWN``."""

    def one(name: str, usual: float, sd: float, *, log: bool = False) -> Parameter:
        lowest, highest = LIMITS[name]
        if name == "max_heart_rate_bpm":
            lowest = max(lowest, heart.held_bpm)
        if name in ("exponent", "fast_share"):  # what no recording has shown
            lowest, highest = max(lowest, 0.35), min(highest, 1.1)
        if log:
            lowest, highest = float(np.log(lowest)), float(np.log(highest))
        return Parameter(name, usual, sd, lowest, highest, log)

    return (
        one("max_heart_rate_bpm", heart.max_heart_rate_bpm, heart.max_sd_bpm),
        one("resting_heart_rate_bpm", heart.resting_heart_rate_bpm, heart.resting_sd_bpm),
        # 40 +- 8, and economy +- 7 % in it.
        one("vo2max_ml_kg_min", float(np.log(40)), 0.22, log=True),
        one("exponent", 0.80, 0.10),
        one("delay_s", 5.0, 2.0),
        one("tau_on_s", float(np.log(13)), 0.25, log=True),
        one("tau_off_s", float(np.log(26)), 0.30, log=True),
        one("tau_slow_s", 240.0, 60.0),
        one("fast_share", 0.72, 0.08),
        one("drift_bpm_per_10_min", 3.0, 2.0),
        Parameter(SLOPE_SHARE, USUAL_SLOPE_SHARE, 0.3, 0.0, 1.2),
    )


def fit(
    tracks: Sequence[Track], hearts: Sequence[Heart], heart: Heart, advance: Callable[[], None] = lambda: None
) -> Fitted:
    """The twin of all recordings together, and of each by itself the error on parts left out.

    ``hearts`` are what is known from each recording, ``heart`` from all of
    them. ``advance`` is called after each round.
    """
    halves = [
        Problem((each,), (seen,), parameters(own))
        for each, own in zip(tracks, hearts, strict=True)
        for seen in (each.first_half, ~each.first_half)
    ]
    everything = tuple(np.ones(len(each.heard_s), dtype=np.bool_) for each in tracks)
    whole = Problem(tuple(tracks), everything, parameters(heart))
    search = Search([*halves, whole])
    for _ in range(ROUNDS):
        search.round()
        advance()
        if search.settled:
            break
    left_out, biases_bpm = [], []
    for n, each in enumerate(tracks):
        wrong = [search.points[2 * n + half].foretold_bpm[0] - each.heard_bpm for half in (0, 1)]
        poles = [one_pole(each, part) - each.heard_bpm for part in (each.first_half, ~each.first_half)]
        unseen = [~each.first_half, each.first_half]
        twin, pole = (np.concatenate([e[m] for e, m in zip(of, unseen, strict=True)]) for of in (wrong, poles))
        biases_bpm += [float(np.mean(e[m])) for e, m in zip(wrong, unseen, strict=True)]
        seen = _error(search.points[-1].foretold_bpm[n] - each.heard_bpm)
        minutes = round(len(each.heard_s) * CELL_S / 60, 1)
        left_out.append(LeftOut(each.name, minutes, _error(twin), _error(pole), seen))
    values, covariance = search.found(len(halves))
    return _fitted(tracks, heart, whole.searched, values, covariance, left_out, biases_bpm)


def one_pole(track: Track, seen: Mask) -> Array:
    """What the baseline foretells at every heard_s when it has seen those of the mask, shape (cells,)."""
    share = USUAL_SLOPE_SHARE * track.grade
    per_m_s = np.where(track.running, RUNNING_VO2 + RUNNING_GRADE_VO2 * share, WALKING_VO2 + WALKING_GRADE_VO2 * share)
    cost = RESTING_VO2 + per_m_s * track.speed_m_s
    best_error, best = np.inf, track.heard_bpm
    kept = np.exp(-1 / BASELINE_TAUS_S)
    followed = np.zeros((len(cost), len(kept)))
    state = np.zeros(len(kept))
    for second, each in enumerate(cost):
        state = kept * state + (1 - kept) * each
        followed[second] = state
    for n, tau_kept in enumerate(kept):
        forgotten = 1 - tau_kept ** (track.heard_s + 1)
        columns = np.column_stack([forgotten, followed[track.heard_s, n]])
        start_bpm = track.start_bpm * (1 - forgotten)
        levels, *_ = np.linalg.lstsq(columns[seen], (track.heard_bpm - start_bpm)[seen], rcond=None)
        foretold_bpm = columns @ levels + start_bpm
        error = float(np.square(foretold_bpm - track.heard_bpm)[seen].sum())
        if error < best_error:
            best_error, best = error, foretold_bpm
    return best


def _error(wrong_bpm: Array) -> Error:
    return Error(round(float(np.sqrt(np.mean(np.square(wrong_bpm)))), 2), round(float(np.mean(np.abs(wrong_bpm))), 2))


def _fitted(
    tracks: Sequence[Track],
    heart: Heart,
    searched: Sequence[Parameter],
    values: Array,
    covariance: Array,
    left_out: Sequence[LeftOut],
    biases_bpm: Sequence[float],
) -> Fitted:
    found = dict(zip((each.name for each in searched), values.tolist(), strict=True))
    own = [n for n, each in enumerate(searched) if each.name in DRAWN]
    covariance = covariance[np.ix_(own, own)]
    sd = np.sqrt(np.diag(covariance))
    scale = np.where(sd > 0, sd, 1.0)
    correlation = np.clip(covariance / np.outer(scale, scale), -1, 1)
    runs = [speed for each in tracks if (speed := each.run_speed_m_s) is not None]
    walks = [speed for each in tracks if (speed := each.walk_speed_m_s) is not None]
    body = Body(
        max_heart_rate_bpm=_digits(found["max_heart_rate_bpm"]),
        resting_heart_rate_bpm=_digits(found["resting_heart_rate_bpm"]),
        run_speed_m_s=_within(np.median(runs) if runs else USUAL_RUN_M_S, *LIMITS["run_speed_m_s"]),
        walk_speed_m_s=_within(np.median(walks) if walks else USUAL_WALK_M_S, *LIMITS["walk_speed_m_s"]),
        age_years=heart.age_years,
    )
    day_bpm = _within(float(np.sqrt(np.mean(np.square(biases_bpm)))), 0.0, WIDEST_DAY_BPM)
    spread = Spread(**{name: _digits(sd[n]) for n, name in enumerate(DRAWN)}, day_bpm=day_bpm)
    file = RunnerFile(
        runner=body,
        model=Kinetics(**{name: _digits(found[name]) for name in Kinetics.__struct_fields__}),
        sd=spread,
        correlation={
            name: tuple(round(float(x), 2) for x in correlation[n, :n]) for n, name in enumerate(DRAWN) if n and sd[n]
        },
    )
    usual_sd = {each.name: each.sd * (found[each.name] if each.log else 1.0) for each in searched}
    untold = tuple(name for n, name in enumerate(DRAWN) if sd[n] > UNTOLD * usual_sd[name])
    speeds = tuple(name for name, seen in (("run_speed_m_s", runs), ("walk_speed_m_s", walks)) if not seen)
    return Fitted(file, tuple(left_out), untold, speeds)


def _digits(value: float) -> float:
    """As the file has it."""
    return float(f"{value:.4g}")


def _within(value: float, lowest: float, highest: float) -> float:
    return _digits(min(max(float(value), lowest), highest))
