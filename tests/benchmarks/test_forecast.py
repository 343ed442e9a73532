"""How far off the forecast is: on every walk break of real recordings and of simulated runners, beside simpler ones.

All stand at the same moments with what a strap had said until then; the truth
is the median that the controller has later. What is fitted to breaks is
fitted without those of the file (or runner) that it is judged on.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from benchmarks.conftest import Ledger

from hrbridge import wiring
from hrbridge.control.forecast import fall_bpm, forecast, recovery_ratio, session_scale, walking_bpm
from hrbridge.decisions import Phase, Step, Trust
from hrbridge.events import Sample, Tick
from hrbridge.runner_model import RunnerModel

Array = np.ndarray
KINDS = (".fit", ".tcx", ".gpx", ".hrm")
# Seconds into the walk, and how far ahead from there.
MOMENTS = ((15, 30), (20, 30), (30, 30), (45, 30), (30, 15))
WALK_AT_LEAST_S, RUN_AT_LEAST_S, GAP_AT_MOST_S = 60.0, 45.0, 10.0
BEFORE_S = 60.0
FEWEST_BREAKS = 10
MOST_OF_LAST_VALUE, MOST_OF_LAST_VALUE_RISING = 0.7, 0.8
LEAST_COVERAGE = 0.65

RUNNERS, CYCLES, SEED = 48, 10, 31
RUN_S, WALK_S, WALKED_ON_S, WALK_M_S = 120, 60, 15, 1.45

RISING_FROM_S, RISING_EVERY_S, RISING_BPM_S = 15, 10, 0.1
MOST_TIMES_THE_MEDIAN = 20.0


@dataclass(frozen=True)
class Heart:
    """What a strap said, and the median of 5 s that the controller made of it; 0 s is the start of a walk or run."""

    at_s: Array
    bpm: Array
    median_at_s: Array
    median_bpm: Array

    def between(self, from_s: float, to_s: float) -> Heart:
        said = (self.at_s >= from_s) & (self.at_s <= to_s)
        made = (self.median_at_s >= from_s) & (self.median_at_s <= to_s)
        return Heart(self.at_s[said], self.bpm[said], self.median_at_s[made], self.median_bpm[made])

    def since(self, zero_s: float) -> Heart:
        return Heart(self.at_s - zero_s, self.bpm, self.median_at_s - zero_s, self.median_bpm)

    def median_then(self, at_s: float) -> float:
        return float(self.median_bpm[np.searchsorted(self.median_at_s, at_s, side="right") - 1])

    def is_whole(self, from_s: float, to_s: float) -> bool:
        inside = self.between(from_s, to_s).median_at_s
        return bool(np.diff(np.concatenate([[from_s], inside, [to_s]])).max() <= GAP_AT_MOST_S)


@dataclass(frozen=True)
class Break:
    """One walk break; ``earlier`` are those of the same session before it."""

    who: str
    heart: Heart
    ends_s: float
    earlier: tuple[Heart, ...]


@dataclass(frozen=True)
class View:
    """A break as it is known at one moment, and what came of it."""

    who: str
    heart: Heart
    ahead_s: float
    earlier: tuple[Heart, ...]
    truth_bpm: float

    @property
    def now_s(self) -> float:
        return float(self.heart.at_s[-1])

    @property
    def last_bpm(self) -> float:
        return float(self.heart.bpm[-1])

    def bpm(self, at_s: float) -> float:
        """The median of the 5 s of samples up to ``at_s``, or the last sample before."""
        inside = self.heart.bpm[(self.heart.at_s > at_s - 5) & (self.heart.at_s <= at_s)]
        last = max(int(np.searchsorted(self.heart.at_s, at_s, side="right")) - 1, 0)
        return float(np.median(inside)) if len(inside) else float(self.heart.bpm[last])

    @property
    def change_bpm_s(self) -> float:
        return (self.bpm(self.now_s) - self.bpm(self.now_s - 10)) / 10


# -- the recordings --


def recorded(path: Path) -> tuple[Heart, list[tuple[Phase, float, float]]]:
    """The heart rate of a recording, and its phases as the controller saw them: what, from, to."""
    session = wiring.replay_session(path, None, wiring.overrides_for((), plan="free"))
    said: list[tuple[float, float]] = []
    made: list[tuple[float, float]] = []
    phases: list[tuple[Phase, float]] = []
    step: Step | None = None
    for step in wiring.steps(session):
        if isinstance(step.event, Sample) and step.event.heart_rate_bpm:
            said.append((step.at_s, step.event.heart_rate_bpm))
        hr_bpm = step.estimate.heart_rate_bpm
        if isinstance(step.event, Tick) and hr_bpm is not None and step.estimate.trust is Trust.GOOD:
            made.append((step.at_s, hr_bpm))
        began = (step.phase, round(step.at_s - step.phase_elapsed_s, 2))
        if not phases or phases[-1] != began:
            phases.append(began)
    assert step is not None
    ends_s = [from_s for _, from_s in phases[1:]] + [step.at_s]
    spans = [(phase, from_s, to_s) for (phase, from_s), to_s in zip(phases, ends_s, strict=True)]
    columns = (np.array(pairs, dtype=float).reshape(-1, 2).T for pairs in (said, made))
    return Heart(*(column for pair in columns for column in pair)), spans


def breaks_of(who: str, heart: Heart, spans: list[tuple[Phase, float, float]]) -> Iterator[Break]:
    earlier: list[Heart] = []
    for (before, run_s, _), (phase, from_s, to_s) in pairwise(spans):
        long_enough = to_s - from_s >= WALK_AT_LEAST_S and from_s - run_s >= RUN_AT_LEAST_S
        if before is Phase.RUN and phase is Phase.WALK and long_enough:
            walk = heart.since(from_s).between(-BEFORE_S, to_s - from_s)
            if walk.is_whole(-10, WALK_AT_LEAST_S):
                yield Break(who, walk, to_s - from_s, tuple(earlier))
                earlier.append(walk)


@pytest.fixture(scope="module")
def recordings(traces: Path) -> list[tuple[str, Heart, list[tuple[Phase, float, float]]]]:
    logging.disable(logging.WARNING)
    paths = sorted(path for path in traces.iterdir() if path.suffix.lower() in KINDS)
    found = [(path.name, *recorded(path)) for path in paths]
    logging.disable(logging.NOTSET)
    return found


# -- the simulated runners --


def smoothed(at_s: Array, bpm: Array) -> Heart:
    medians = [np.median(bpm[max(n - 4, 0) : n + 1]) for n in range(len(bpm))]
    return Heart(at_s, bpm, at_s, np.array(medians))


@pytest.fixture(scope="module")
def simulated() -> list[list[Heart]]:
    """Per runner, every cycle as measured: its run, its walk, and what 15 s more of walking would have brought."""
    model = RunnerModel.population(RUNNERS, SEED)
    run_m_s = model.self_paced_speed_m_s(np.linspace(0.55, 0.62, RUNNERS))
    for _ in range(300):
        model.step(WALK_M_S, False)
    sessions: list[list[Heart]] = [[] for _ in range(RUNNERS)]
    at_s = np.arange(RUN_S + WALK_S + WALKED_ON_S, dtype=float) - (RUN_S - 1)
    for _ in range(CYCLES):
        run = [model.step(run_m_s, True) for _ in range(RUN_S)]
        walk = [model.step(WALK_M_S, False) for _ in range(WALK_S)]
        walked_on = copy.deepcopy(model)
        more = [walked_on.step(WALK_M_S, False) for _ in range(WALKED_ON_S)]
        for session, bpm in zip(sessions, np.array([*run, *walk, *more]).T, strict=True):
            session.append(smoothed(at_s, bpm))
    return sessions


def simulated_breaks(sessions: list[list[Heart]]) -> Iterator[Break]:
    for runner, cycles in enumerate(sessions):
        walks = [heart.between(-BEFORE_S, WALK_S) for heart in cycles]
        for n, heart in enumerate(cycles):
            yield Break(str(runner), heart.between(-BEFORE_S, np.inf), WALK_S + WALKED_ON_S, tuple(walks[:n]))


# -- forecasts to compare with; M: rests on the medians of 64 recorded breaks; fitted: without the judged file --

MEDIAN_FALL_AT_S, MEDIAN_FALL_BPM = (0, 5, 30, 45, 60, 90), (0, 0, 7.6, 13.4, 21.1, 24.3)
TAUS_S = np.geomspace(9, 45, 24)


def last_value(view: View) -> float:
    return view.last_bpm


def clamped_line(view: View) -> float:
    return view.bpm(view.now_s) + view.ahead_s * min(max(view.change_bpm_s, -0.6), 0.1)


def median_curve(view: View) -> float:
    """Down the median curve from the cue, as far above or below it as now."""
    now, then = np.interp((view.now_s, view.now_s + view.ahead_s), MEDIAN_FALL_AT_S, MEDIAN_FALL_BPM)
    return view.bpm(view.now_s) - float(then - now)


def two_poles(view: View) -> float:
    """Least squares over amplitude and time constant from the cue on, with 27 +- 10 bpm and 19 s x or / 1.4 before."""
    since = view.heart.between(0, np.inf)
    x_s, fallen = since.at_s - 6, view.bpm(0) - since.bpm
    best = (np.inf, 0.0)
    for tau_s in TAUS_S:
        shape = two_pole_share(x_s, tau_s)
        weight = 1 / (6 * 2.5**2)  # neighbouring samples tell the same
        amplitude_bpm = (weight * shape @ fallen + 27 / 10**2) / (weight * shape @ shape + 1 / 10**2)
        off = weight * np.sum(np.square(fallen - amplitude_bpm * shape))
        off += ((amplitude_bpm - 27) / 10) ** 2 + (np.log(tau_s / 19) / np.log(1.4)) ** 2
        now, then = two_pole_share(np.array([view.now_s, view.now_s + view.ahead_s]) - 6, tau_s)
        best = min(best, (float(off), float(amplitude_bpm * (then - now))))
    return view.bpm(view.now_s) - best[1]


def two_pole_share(x_s: Array, tau_s: float) -> Array:
    x = np.maximum(x_s, 0) / tau_s
    return 1 - (1 + x) * np.exp(-x)


def ours(view: View) -> float:
    return ours_with_range(view)[1]


def ours_with_range(view: View) -> tuple[float, float, float]:
    earlier = [(heart.at_s, heart.bpm) for heart in view.earlier]
    said = forecast(view.heart.at_s, view.heart.bpm, ahead_s=view.ahead_s, earlier=earlier)
    return said.low_bpm, said.heart_rate_bpm, said.high_bpm


def ours_first_break(view: View) -> float:
    return forecast(view.heart.at_s, view.heart.bpm, ahead_s=view.ahead_s).heart_rate_bpm


def constant(view: View) -> list[float]:
    return [1.0]


def curve_line_session(view: View) -> list[float]:
    """What the curve, the line, and the recovery in earlier breaks expect of the fall: to be weighed."""
    by_curve_bpm = fall_bpm(view.now_s + view.ahead_s) - fall_bpm(view.now_s)
    drops = [(heart.bpm[heart.at_s <= 0][-1] - heart.bpm[-1], heart.at_s[-1]) for heart in view.earlier]
    ratios = [ratio for fallen_bpm, s in drops if (ratio := recovery_ratio(float(fallen_bpm), float(s))) is not None]
    return [by_curve_bpm, -view.ahead_s * view.change_bpm_s, by_curve_bpm * (session_scale(ratios) - 1)]


def fitted(columns: Callable[[View], list[float]], views: list[View]) -> Array:
    """Forecasts with weights that make the squares of all other files least."""
    said = np.empty(len(views))
    shape = np.array([columns(view) for view in views])
    fall_bpm = np.array([view.last_bpm - view.truth_bpm for view in views])
    who = np.array([view.who for view in views])
    for one in np.unique(who):
        weights = np.linalg.lstsq(shape[who != one], fall_bpm[who != one], rcond=None)[0]
        said[who == one] = [view.last_bpm for view in views if view.who == one] - shape[who == one] @ weights
    return said


def each(method: Callable[[View], float]) -> Callable[[list[View]], Array]:
    return lambda views: np.array([method(view) for view in views])


METHODS: dict[str, Callable[[list[View]], Array]] = {
    "last value": each(last_value),
    "last value less the mean fall (fitted)": lambda views: fitted(constant, views),
    "clamped line": each(clamped_line),
    "median curve from here (M)": each(median_curve),
    "two poles, least squares with priors (M)": each(two_poles),
    "curve, line, session (fitted)": lambda views: fitted(curve_line_session, views),
    "ours, as in a first break (M)": each(ours_first_break),
    "ours (M)": each(ours),
}


# -- the tables --


def views_at(breaks: list[Break], walked_s: float, ahead_s: float) -> list[View]:
    return [
        View(b.who, b.heart.between(-BEFORE_S, walked_s), ahead_s, b.earlier, b.heart.median_then(walked_s + ahead_s))
        for b in breaks
        if b.ends_s >= walked_s + ahead_s and b.heart.is_whole(-10, walked_s + ahead_s)
    ]


def judge(title: str, breaks: list[Break], ledger: Ledger) -> None:
    """Print the table; hold the forecast against the last value."""
    at_moments = {moment: views_at(breaks, *moment) for moment in MOMENTS}
    columns = [views for views in at_moments.values() if views]
    truths = [np.array([view.truth_bpm for view in views]) for views in columns]
    print(f"\n{title}: {len(breaks)} breaks of {len({b.who for b in breaks})}; mean absolute error (bias) in bpm")
    print(
        " " * 42 + "".join(f"{f'{walked} s, +{ahead} s':>15}" for (walked, ahead), views in at_moments.items() if views)
    )
    errors = {}
    for name, method in METHODS.items():
        off = [method(views) - truth for views, truth in zip(columns, truths, strict=True)]
        errors[name] = [float(np.abs(one).mean()) for one in off]
        print(f"{name:42}" + "".join(f"{np.abs(one).mean():8.1f} ({one.mean():+4.1f})" for one in off))
    ranges = [np.array([ours_with_range(view) for view in views]).T for views in columns]
    inside = [(low <= truth) & (truth <= high) for (low, _, high), truth in zip(ranges, truths, strict=True)]
    print(f"{'in our range of 80 %':42}" + "".join(f"{one.mean():13.0%}  " for one in inside))
    print(f"{'breaks':42}" + "".join(f"{len(one):11d}    " for one in inside))
    ledger(f"forecast error, {title}", errors["ours (M)"][2], "bpm", errors["last value"][2], "the last value, 30 s on")
    ratio = sum(errors["ours (M)"]) / sum(errors["last value"])
    assert ratio < MOST_OF_LAST_VALUE
    assert np.concatenate(inside).mean() > LEAST_COVERAGE


def judge_rises(title: str, runs: list[tuple[Heart, float]]) -> None:
    """The same for runs, each with its length, wherever heart rate rises; held in their first two minutes."""
    print(f"\n{title}: mean absolute error (bias) in bpm while heart rate rises in a run")
    heads = ("last value", "line", "ours", "in our range", "moments")
    print(" " * 42 + "".join(f"{head:>15}" for head in heads))
    errors: dict[str, list[tuple[float, float]]] = {}
    for part, from_s, to_s in (("first two minutes", RISING_FROM_S, RUN_S), ("later", RUN_S, np.inf)):
        for ahead_s in (10, 30):
            moments = [
                (view, ours_with_range(view))
                for heart, length_s in runs
                for view in rises(heart, from_s, min(to_s, length_s), ahead_s)
            ]
            if not moments:
                continue
            truth = np.array([view.truth_bpm for view, _ in moments])
            low, said, high = np.array([our for _, our in moments]).T
            last = np.array([view.last_bpm for view, _ in moments])
            line = np.array([view.bpm(view.now_s) + ahead_s * view.change_bpm_s for view, _ in moments])
            off = [one - truth for one in (last, line, said)]
            words = "".join(f"{np.abs(one).mean():8.1f} ({one.mean():+4.1f})" for one in off)
            covered = ((low <= truth) & (truth <= high)).mean()
            print(f"{f'{part}, +{ahead_s} s':42}{words}{covered:13.0%}  {len(moments):11d}")
            errors.setdefault(part, []).append((float(np.abs(off[2]).mean()), float(np.abs(off[0]).mean())))
    ours, last_values = map(sum, zip(*errors["first two minutes"], strict=True))
    assert ours / last_values < MOST_OF_LAST_VALUE_RISING


def rises(heart: Heart, from_s: float, to_s: float, ahead_s: float) -> Iterator[View]:
    """The moments of a run at which heart rate has been rising; 0 s is the start of the run."""
    for now_s in np.arange(from_s, to_s - ahead_s + 0.5, RISING_EVERY_S):
        if heart.is_whole(now_s - 20, now_s + ahead_s):
            known = heart.between(now_s - 30, now_s).since(to_s)  # its walk has not begun
            view = View("", known, ahead_s, (), heart.median_then(now_s + ahead_s))
            if view.change_bpm_s > RISING_BPM_S:
                yield view


def test_walk_breaks_of_real_runs(
    recordings: list[tuple[str, Heart, list[tuple[Phase, float, float]]]], ledger: Ledger
) -> None:
    breaks = [found for one in recordings for found in breaks_of(*one)]
    if len(breaks) < FEWEST_BREAKS:
        pytest.skip(f"HRBRIDGE_TRACES holds {len(breaks)} walk breaks of a minute: too few to judge by")
    judge("recordings", breaks, ledger)


def test_rises_of_real_runs(recordings: list[tuple[str, Heart, list[tuple[Phase, float, float]]]]) -> None:
    runs = [
        (heart.since(from_s), to_s - from_s)
        for _, heart, spans in recordings
        for phase, from_s, to_s in spans
        if phase is Phase.RUN and to_s - from_s >= WALK_AT_LEAST_S
    ]
    if not runs:
        pytest.skip("HRBRIDGE_TRACES holds no run of a minute")
    judge_rises("recordings", runs)


def test_walk_breaks_of_simulated_runners(simulated: list[list[Heart]], ledger: Ledger) -> None:
    judge("simulated runners", list(simulated_breaks(simulated)), ledger)


def test_rises_of_simulated_runners(simulated: list[list[Heart]]) -> None:
    runs = [(heart.since(1 - RUN_S), RUN_S - 1.0) for session in simulated for heart in session]
    judge_rises("simulated runners", runs)


def cpu_s(work: Callable[[], object], times: int = 500) -> float:
    """The median of a few goes, per call."""
    goes = []
    for _ in range(5):
        started_s = time.process_time()
        for _ in range(times):
            work()
        goes.append((time.process_time() - started_s) / times)
    return median(goes)


def test_what_a_forecast_costs(simulated: list[list[Heart]]) -> None:
    first, second, now = (heart.between(-BEFORE_S, WALK_S) for heart in simulated[0][:3])
    earlier = [(heart.at_s, heart.bpm) for heart in (first, second)]
    floor_s = cpu_s(lambda: np.median(now.bpm))
    whole_s = cpu_s(lambda: forecast(now.at_s, now.bpm, ahead_s=30, earlier=earlier))
    core_s = cpu_s(lambda: walking_bpm(150.0, -0.3, 20.0, 30.0, 1.1))
    print(f"\nforecast of {len(now.bpm)} samples after two breaks: {whole_s * 1e3:.3f} ms of CPU; its core", end=" ")
    print(f"{core_s * 1e3:.4f} ms; np.median of the same samples {floor_s * 1e3:.3f} ms (allowed: 0.2 ms per second)")
    assert whole_s < MOST_TIMES_THE_MEDIAN * floor_s
    assert core_s < floor_s
