"""The search for a twin: Levenberg and Marquardt's steps for several problems at once, on many model runners.

Derivatives are differences. As the model runs many runners at once, each round
tries three lengths of the step for every problem, with all derivatives, in one
pass over the recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hrbridge.runner_model import Array, RunnerModel, Traits
from hrbridge.studies.track import CELL_S, Track

Mask = NDArray[np.bool_]

# One residual per so many seconds counts: the noise of the model is forgotten in half a minute (0.97 per second).
SPEAKS_FOR_S = 30.0
# Where a Cauchy distribution is 95 % as good as least squares if all is normal (Holland and Welsch 1977).
ROBUST_FROM = 2.385
# The spread of residuals, in which they are counted: a strap and a day differ at least by the first.
LEAST_SPREAD_BPM, WIDEST_SPREAD_BPM = 2.5, 12.0
# Median absolute deviation to standard deviation, where all is normal.
SD_PER_MAD = 1.48
# Of the cost, where 1 is what one standard deviation makes likely or unlikely.
CLOSE_ENOUGH = 0.01
# The first guesses, in standard deviations of VO2max: from a slow walker to a champion.
GUESSED, FIRST_GUESSES = "vo2max_ml_kg_min", (-2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
# For derivatives, in standard deviations: little beside the spread, much beside the rounding of single precision.
DIFFERENCE_SD = 0.05
# Times the damping: steps tried in each round, and all of them after a round in vain; from the last on it has arrived.
SHORTER, LONGER, MUCH_SHORTER, SHORTEST = 8.0, 0.2, 40.0, 1e6
# How far the altitude of a recording is believed.
SLOPE_SHARE = "slope_share"
# What no heart rate tells.
SAME_FOR_ALL = {"age_years": 40.0, "economy": 1.0, "noise_bpm": 0.0, "rpe_offset": 0.0}


class Parameter(Struct, frozen=True):
    """What is searched: usual value and standard deviation, of the logarithm where ``log``, and the range.

    With an sd of 0 it is known, and stays.
    """

    name: str
    usual: float
    sd: float
    lowest: float
    highest: float
    log: bool = False


@dataclass(frozen=True)
class Problem:
    """Some recordings, which of their cells count, and what is searched: traits of the model, and the slope share."""

    tracks: tuple[Track, ...]
    seen: tuple[Mask, ...]
    searched: tuple[Parameter, ...]

    @cached_property
    def free(self) -> Mask:
        return self._column("sd") > 0

    @cached_property
    def limits(self) -> Array:
        """Lowest and highest, in standard deviations from the usual, shape (2, parameters); 0 for what is known."""
        usual, sd = self._column("usual"), np.where(self.free, self._column("sd"), np.inf)
        limits: Array = (np.array([self._column("lowest"), self._column("highest")]) - usual) / sd
        return limits

    def values(self, z: Array) -> Array:
        """Of standard deviations from the usual, shape (..., parameters)."""
        values = self._column("usual") + self._column("sd") * z
        return np.where(self.log, np.exp(np.where(self.log, values, 0.0)), values)

    @cached_property
    def log(self) -> Mask:
        return np.array([each.log for each in self.searched])

    def scale(self, z: Array) -> Array:
        """By how much a value changes with one standard deviation there, shape (parameters,)."""
        scale: Array = self._column("sd") * np.where(self.log, self.values(z), 1.0)
        return scale

    def steps(self, z: Array) -> Array:
        """The differences for derivatives, one for each free parameter; inwards at the limits."""
        inwards = z + DIFFERENCE_SD > self.limits[1]
        steps: Array = np.where(inwards, -DIFFERENCE_SD, DIFFERENCE_SD)[self.free]
        return steps

    def around(self, z: Array) -> Array:
        """The place itself and one step along each free parameter, shape (1 + free, parameters)."""
        places = np.tile(z, (1 + int(self.free.sum()), 1))
        places[1:, self.free] += np.diag(self.steps(z))
        return places

    def _column(self, name: str) -> Array:
        return np.array([getattr(each, name) for each in self.searched], dtype=np.float64)


@dataclass
class Point:
    """Where the search of a problem stands; ``foretold_bpm`` of each recording at every heard_s, seen or not."""

    z: Array
    foretold_bpm: list[Array]
    residual_bpm: Array
    slopes_bpm: Array
    damping: float

    @cached_property
    def spread_bpm(self) -> float:
        spread_bpm = SD_PER_MAD * np.median(np.abs(self.residual_bpm))
        return float(np.clip(spread_bpm, LEAST_SPREAD_BPM, WIDEST_SPREAD_BPM))

    def cost(self, spread_bpm: float) -> float:
        """Twice the negative logarithm of how likely it is, but for a constant."""
        unlikely = ROBUST_FROM**2 * np.log1p((self.residual_bpm / spread_bpm / ROBUST_FROM) ** 2)
        return float(CELL_S / SPEAKS_FOR_S * unlikely.sum() + np.square(self.z).sum())

    def curvature(self, free: Mask) -> tuple[Array, Array]:
        """Of half the cost by the free parameters: second derivatives, nearly, and the gradient."""
        weight = CELL_S / SPEAKS_FOR_S / self.spread_bpm**2
        weights = weight / (1 + (self.residual_bpm / self.spread_bpm / ROBUST_FROM) ** 2)
        matrix = self.slopes_bpm.T @ (weights[:, None] * self.slopes_bpm) + np.eye(int(free.sum()))
        return matrix, self.slopes_bpm.T @ (weights * self.residual_bpm) + self.z[free]


class Search:
    """Several problems, all moved on by each ``round`` until they are ``settled``; the first round is done at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self._problems = problems
        self.settled = False
        guesses = [
            (problem, np.clip(z * (np.array([p.name for p in problem.searched]) == GUESSED), *problem.limits), 1.0)
            for problem in problems
            for z in FIRST_GUESSES
        ]
        tried = _try(guesses)
        every = len(FIRST_GUESSES)
        self.points = [
            min(tried[n : n + every], key=lambda point: point.cost(WIDEST_SPREAD_BPM))
            for n in range(0, len(tried), every)
        ]

    def round(self) -> None:
        """One step of every problem that has not arrived: the best of three lengths, if it is better than none."""
        trials = [
            (number, *trial)
            for number, (problem, point) in enumerate(zip(self._problems, self.points, strict=True))
            if point.damping < SHORTEST
            for trial in _steps(problem, point)
        ]
        tried = _try([(self._problems[number], z, damping) for number, z, damping in trials])
        moved = False
        for number, here in enumerate(self.points):
            theirs = [point for (of, *_), point in zip(trials, tried, strict=True) if of == number]
            if not theirs:
                continue
            best = min(theirs, key=lambda point: point.cost(here.spread_bpm))
            gain = here.cost(here.spread_bpm) - best.cost(here.spread_bpm)
            if gain > 0:
                self.points[number] = best
                moved |= gain > CLOSE_ENOUGH
            else:
                here.damping *= MUCH_SHORTER
                moved |= here.damping < SHORTEST
        self.settled = not moved

    def found(self, number: int) -> tuple[Array, Array]:
        """The most likely values of a problem and their covariance (Laplace's approximation), 0 for what is known."""
        problem, point = self._problems[number], self.points[number]
        matrix, _ = point.curvature(problem.free)
        covariance = np.zeros((len(problem.searched), len(problem.searched)))
        covariance[np.ix_(problem.free, problem.free)] = np.linalg.inv(matrix)
        scale = problem.scale(point.z)
        return problem.values(point.z), covariance * np.outer(scale, scale)


def _steps(problem: Problem, point: Point) -> list[tuple[Array, float]]:
    matrix, gradient = point.curvature(problem.free)
    steps = []
    for damping in (point.damping * LONGER, point.damping, point.damping * SHORTER):
        z = point.z.copy()
        z[problem.free] -= np.linalg.solve(matrix + damping * np.diag(np.diag(matrix)), gradient)
        steps.append((np.clip(z, *problem.limits), damping))
    return steps


def _try(trials: Sequence[tuple[Problem, Array, float]]) -> list[Point]:
    """The points at these places, with their derivatives; all in one pass."""
    tracks: list[Track] = []
    values: list[Array] = []
    for problem, z, _ in trials:
        around = problem.values(problem.around(z))
        for track in problem.tracks:
            tracks += [track] * len(around)
            values.append(around)
    if not tracks:
        return []
    names = [each.name for each in trials[0][0].searched]
    foretold = _foretold(tracks, dict(zip(names, np.concatenate(values).T, strict=True)))
    points, at = [], 0
    for problem, z, damping in trials:
        steps = problem.steps(z)
        own, residuals, slopes = [], [], []
        for track, seen in zip(problem.tracks, problem.seen, strict=True):
            block = foretold[track.heard_s // CELL_S, at : at + 1 + len(steps)].astype(np.float64)
            own.append(block[:, 0])
            residuals.append((block[:, 0] - track.heard_bpm)[seen])
            slopes.append(((block[:, 1:] - block[:, :1]) / steps)[seen])
            at += 1 + len(steps)
        points.append(Point(z, own, np.concatenate(residuals), np.concatenate(slopes), damping))
    return points


def _foretold(tracks: Sequence[Track], values: dict[str, Array]) -> NDArray[np.float32]:
    """The heart rate of runner n on ``tracks[n]``, from speed alone, in the middle of each 5 s: (cells, runners)."""
    runners = len(tracks)
    traits = {name: own.copy() for name, own in values.items() if name != SLOPE_SHARE}
    slope_share = values[SLOPE_SHARE]
    model = RunnerModel(Traits(**traits, **{name: np.full(runners, value) for name, value in SAME_FOR_ALL.items()}))
    model.begin_at(np.array([each.start_bpm for each in tracks]))
    different = list({id(each): each for each in tracks}.values())
    numbers = {id(each): n for n, each in enumerate(different)}
    of = np.array([numbers[id(each)] for each in tracks])
    cells = max(len(each.speed_m_s) for each in different) // CELL_S + 1
    speed_m_s, grade = np.zeros((2, cells * CELL_S, len(different)))
    running = np.zeros((cells * CELL_S, len(different)), dtype=np.bool_)
    for n, each in enumerate(different):
        seconds = len(each.speed_m_s)
        speed_m_s[:seconds, n], running[:seconds, n], grade[:seconds, n] = each.speed_m_s, each.running, each.grade
    foretold = np.empty((cells, runners), dtype=np.float32)  # of many runners: half the memory
    for second in range(cells * CELL_S):
        bpm = model.step(speed_m_s[second, of], running[second, of], grade=grade[second, of] * slope_share)
        if second % CELL_S == CELL_S // 2:
            foretold[second // CELL_S] = bpm
    return foretold
