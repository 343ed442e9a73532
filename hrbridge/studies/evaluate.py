"""How well a policy coaches: the figures of each runner's hour, their means over a population, and how sure they are.

Heart rate is here the true one, without noise; where the rules speak of medians
and means over seconds, it goes through the same.

The intervals hold 95 % of what comes out when as many runners are drawn again,
with repeats, out of those there are (the percentile bootstrap: Efron and
Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13): for a mean, a
percentile and a quotient of totals alike. A runner keeps company with himself:
what is compared with ``fixed`` is drawn in pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from itertools import pairwise
from math import nan

import numpy as np
from msgspec import Struct
from msgspec.structs import astuple

from hrbridge.config import PolicyName
from hrbridge.control.adaptation import ceiling_bpm
from hrbridge.control.forecast import PEAK_FROM_S
from hrbridge.control.recovery import (
    BASE_FROM_AT_LEAST_S,
    BASE_FROM_LAST_S,
    MEAN_OVER_S,
    NO_JUDGEMENT_BEFORE_S,
    REFERENCE_TO_S,
    WalkingBase,
    ready_line_bpm,
    required_drop_bpm,
)
from hrbridge.decisions import Cue, CueKind, Phase, Reason
from hrbridge.runner_model import Array
from hrbridge.studies.population import Diary, Work, follow

# So far from the line it is no matter of noise (1.6 bpm) any more.
CLEAR_BPM = 1.5
MEDIAN_OVER_S = 5
OVERSHOOT_PERCENT = 95
RESAMPLES = 1000
INTERVAL_PERCENT = (2.5, 97.5)
# Runners to a task: enough that what is computed for all at once costs little, few enough to share out evenly.
CHUNK = 25

CEILING_CUTS = (Reason.HEART_RATE_CEILING, Reason.FORECAST_CEILING)
# Who feels it hard, or asks for it, walks on whatever heart rate says.
WISHED = (Reason.RPE_HIGH, Reason.RPE_LIMIT, Reason.COMMAND)


class Walk(Struct, frozen=True):
    """A walk of at least 30 s before a run, or before an easy finish in place of a run.

    ``due_s`` is when it was to end before heart rate made it longer; where
    nothing did (``extended`` is false), when it ended.
    """

    started_s: float
    due_s: float
    ended_s: float
    extended: bool


class Hour(Struct, frozen=True):
    """The figures of one runner; nan where there is nothing to count, shares are 0 to 1.

    ``seconds_above_ceiling``: walking and running. ``overshoot_bpm``: the
    largest 5 s median above the ceiling, 0 when there is none.
    ``running_s``: in which the runner ran.

    Of all walks (``Walk``): ``recovered``, those at whose end heart rate met
    the requirement of ``control.recovery``; ``false_extensions``, those that
    were made longer for heart rate although it met the requirement, by more
    than 1.5 bpm, when they were to end; ``missed_non_recoveries``, those that
    were not, and missed it by more than 1.5 bpm; also those that a policy ends
    early on purpose. The two ``..._at_all`` are without the 1.5.

    ``changes_per_cycle``: how often the ratio of one stretch differs from that
    of the one before, by the number of runs. ``runs_cut``: the share of the
    ``runs`` that the ceiling ended. ``back_to_plan_s``: from the first stretch
    with less running or more walking than planned to the first one as planned
    again.
    """

    seconds_above_ceiling: float
    overshoot_bpm: float
    running_s: float
    recovered: float
    false_extensions: float
    false_extensions_at_all: float
    missed_non_recoveries: float
    missed_non_recoveries_at_all: float
    changes_per_cycle: float
    runs: float
    runs_cut: float
    cues_per_10_min: float
    back_to_plan_s: float


def hour(diary: Diary, work: Work) -> Hour:
    """What the diary of one runner adds up to."""
    cues = [(step.at_s, cue) for step in diary.told for cue in step.cues]
    runs = sum(cue.kind is CueKind.RUN for _, cue in cues)
    cut = sum(cue.kind is CueKind.WALK and cue.reason in CEILING_CUTS for _, cue in cues)
    requirement = Requirement(diary, work)
    judged = list(walks(cues))
    due_bpm = np.array([requirement.margin_bpm(walk, walk.due_s) for walk in judged])
    end_bpm = np.array([requirement.margin_bpm(walk, walk.ended_s) for walk in judged])
    extended = np.array([walk.extended for walk in judged], dtype=np.bool_)
    changes, back_s = _ratios(diary)
    return Hour(
        seconds_above_ceiling=float(np.count_nonzero(diary.true_bpm[1:] > requirement.ceiling_bpm)),
        overshoot_bpm=max(0.0, float(requirement.median_bpm.max()) - requirement.ceiling_bpm),
        running_s=float(np.count_nonzero(diary.running)),
        recovered=_mean(end_bpm >= 0),
        false_extensions=_mean(extended & (due_bpm > CLEAR_BPM)),
        false_extensions_at_all=_mean(extended & (due_bpm > 0)),
        missed_non_recoveries=_mean(~extended & (due_bpm < -CLEAR_BPM)),
        missed_non_recoveries_at_all=_mean(~extended & (due_bpm < 0)),
        changes_per_cycle=changes / runs if runs else nan,
        runs=float(runs),
        runs_cut=cut / runs if runs else nan,
        cues_per_10_min=600 * len(cues) / work.total_s,
        back_to_plan_s=back_s,
    )


class Requirement:
    """What ``control.recovery`` asks of a walk, applied to the true heart rate of one runner."""

    def __init__(self, diary: Diary, work: Work) -> None:
        self.median_bpm = medians_bpm(diary.true_bpm)
        self.ceiling_bpm = ceiling_bpm(diary.runner, work.plan(), work.control)
        self._ready_bpm = ready_line_bpm(diary.runner, work.control)
        self._settings = work.control
        self._base = WalkingBase(diary.runner)
        if work.warmup_s >= BASE_FROM_AT_LEAST_S:
            until = round(work.warmup_s)
            last_minute_bpm = self.median_bpm[max(0, until - round(BASE_FROM_LAST_S)) : until + 1]
            self._base.learn(work.warmup_s, float(np.median(last_minute_bpm)))

    def margin_bpm(self, walk: Walk, at_s: float) -> float:
        """How far heart rate at ``at_s`` was on the good side; negative: not recovered."""
        around_cue = slice(
            max(0, round(walk.started_s + PEAK_FROM_S - MEAN_OVER_S) + 1), round(walk.started_s + REFERENCE_TO_S) + 1
        )
        weights = np.full(round(MEAN_OVER_S), 1 / MEAN_OVER_S)
        reference_bpm = float(np.convolve(self.median_bpm[around_cue], weights, "valid").max())
        base_bpm = self._base.at(walk.started_s)
        amplitude_bpm = None if base_bpm is None else reference_bpm - base_bpm
        required_bpm = required_drop_bpm(at_s - walk.started_s, amplitude_bpm, self._settings)
        now_bpm = float(self.median_bpm[round(at_s)])
        by_drop_bpm = reference_bpm - now_bpm - required_bpm
        return min(max(by_drop_bpm, self._ready_bpm - now_bpm), self.ceiling_bpm - now_bpm)


def medians_bpm(true_bpm: Array) -> Array:
    """The median of the last 5 s at each second, of fewer at the start."""
    before = np.full(MEDIAN_OVER_S - 1, true_bpm[0])
    windows = np.lib.stride_tricks.sliding_window_view(np.concatenate([before, true_bpm]), MEDIAN_OVER_S)
    medians: Array = np.sort(windows, axis=1)[:, MEDIAN_OVER_S // 2]
    return medians


def walks(cues: Iterable[tuple[float, Cue]]) -> Iterator[Walk]:
    """The walks that there is something to say about, out of what was said when."""
    started_s = due_s = nan
    extended = walking = False
    for at_s, cue in cues:
        match cue.kind:
            case CueKind.WALK:
                walking, extended = True, False
                started_s, due_s = at_s, at_s + (cue.for_s or 0.0)
            case CueKind.EXTEND_WALK if cue.reason in WISHED:
                due_s += 0.0 if extended else cue.for_s or 0.0
            case CueKind.EXTEND_WALK:
                extended = True
            case CueKind.RUN | CueKind.COOLDOWN | CueKind.FINISH if walking:
                walking = False
                before_run = cue.kind is CueKind.RUN or cue.reason is Reason.EASY_FINISH
                if before_run and at_s - started_s >= NO_JUDGEMENT_BEFORE_S:
                    held = at_s > due_s + 1  # without a word: no run began yet
                    yield Walk(started_s, due_s if extended or held else at_s, at_s, extended or held)


def _ratios(diary: Diary) -> tuple[int, float]:
    """How often the ratio changed from stretch to stretch; how long until it was the plan's again, or nan."""
    begun = [
        (step.at_s, step.ratio)
        for step in diary.told
        if step.phase in (Phase.RUN, Phase.WALK) and step.phase_elapsed_s < 1
    ]
    changes = sum((a.run_s, a.walk_s) != (b.run_s, b.walk_s) for (_, a), (_, b) in pairwise(begun))
    tightened_s = None
    for at_s, ratio in begun:
        tight = ratio.run_s < ratio.planned_run_s or ratio.walk_s > ratio.planned_walk_s
        if tight and tightened_s is None:
            tightened_s = at_s
        elif not tight and tightened_s is not None:
            return changes, at_s - tightened_s
    return changes, nan


def _mean(values: Array | np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float:
    """Of those that are there; nan when there are none."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else nan


# -- a population --


class Summary(Struct, frozen=True):
    """Means over runners; None where there is nothing to tell. ``ci95``: [lower, upper] of each figure.

    Beside the figures of ``Hour``: ``overshoot_p95_bpm``, the 95th percentile
    of their overshoots. ``above_ceiling_against_fixed``, the change of all
    seconds above the ceiling as a share of those under ``fixed``, and the
    price, ``running_lost_per_second_avoided``: all running seconds lost by all
    seconds above the ceiling avoided. ``runs_cut_of_all_runs`` is a quotient of
    totals too: who is cut short often has more runs in the hour, and counts
    for more than in the mean. ``back_to_plan_s`` is the mean of those who came
    back.
    """

    seconds_above_ceiling: float | None
    overshoot_p95_bpm: float | None
    running_s: float | None
    above_ceiling_against_fixed: float | None
    running_lost_per_second_avoided: float | None
    recovered: float | None
    false_extensions: float | None
    false_extensions_at_all: float | None
    missed_non_recoveries: float | None
    missed_non_recoveries_at_all: float | None
    changes_per_cycle: float | None
    runs_cut: float | None
    runs_cut_of_all_runs: float | None
    cues_per_10_min: float | None
    back_to_plan_s: float | None
    ci95: dict[str, tuple[float, float] | None]


class Evaluation(Struct, frozen=True):
    """What ``hrbridge evaluate --json`` prints; ``seconds`` of the run of each."""

    runners: int
    seconds: int
    policies: dict[PolicyName, Summary]


COLUMN = {name: n for n, name in enumerate(Hour.__struct_fields__)}
FIGURES = tuple(name for name in Summary.__struct_fields__ if name != "ci95")


def summary(hours: Array, fixed: Array | None, seed: int) -> Summary:
    """``hours`` (runners, figures of Hour), ``fixed`` the same runners under the policy fixed; None: it is that."""
    rng = np.random.default_rng(seed)
    drawn = [
        _figures(hours[chosen], None if fixed is None else fixed[chosen])
        for chosen in (rng.integers(len(hours), size=len(hours)) for _ in range(RESAMPLES))
    ]
    ci95: dict[str, tuple[float, float] | None] = {}
    for name, values in zip(FIGURES, np.array(drawn).T, strict=True):
        there = values[~np.isnan(values)]
        low, high = np.percentile(there, INTERVAL_PERCENT) if len(there) else (nan, nan)
        ci95[name] = None if np.isnan(low) else (_rounded(low), _rounded(high))
    figures = zip(FIGURES, _figures(hours, fixed), strict=True)
    return Summary(**{name: None if np.isnan(value) else _rounded(value) for name, value in figures}, ci95=ci95)


def _figures(hours: Array, fixed: Array | None) -> list[float]:
    """In the order of FIGURES."""
    means = {name: _mean(hours[:, n]) for name, n in COLUMN.items()}
    means["overshoot_p95_bpm"] = float(np.percentile(hours[:, COLUMN["overshoot_bpm"]], OVERSHOOT_PERCENT))
    runs, cut = hours[:, COLUMN["runs"]], hours[:, COLUMN["runs_cut"]]
    means["runs_cut_of_all_runs"] = float(np.nansum(runs * cut) / runs.sum()) if runs.any() else nan
    means["above_ceiling_against_fixed"] = means["running_lost_per_second_avoided"] = nan
    if fixed is not None:
        above_s, running_s = (
            (hours[:, COLUMN[name]].sum(), fixed[:, COLUMN[name]].sum())
            for name in ("seconds_above_ceiling", "running_s")
        )
        if above_s[1] > 0:
            means["above_ceiling_against_fixed"] = above_s[0] / above_s[1] - 1
        if above_s[0] != above_s[1]:
            price = (running_s[1] - running_s[0]) / (above_s[1] - above_s[0])
            means["running_lost_per_second_avoided"] = price
    return [means[name] for name in FIGURES]


def _rounded(value: float) -> float:
    """To six digits: the rest is no figure any more."""
    return float(f"{value:.6g}")


def hours(work: Work, policy: PolicyName, seed: int, first: int, runners: int) -> list[tuple[float, ...]]:
    """The figures of runners number ``first``, ``first + 1``, ...: one task of many."""
    return [astuple(hour(diary, work)) for diary in follow(work, policy, seed, first, runners)]


def evaluate(
    executor: Executor,
    work: Work,
    policies: Sequence[PolicyName],
    runners: int,
    seed: int,
    *,
    chunk: int = CHUNK,
    advance: Callable[[int], None] = lambda runners: None,
) -> Evaluation:
    """Let the same runners do the work under each of the policies; ``advance`` is told of every part that is done.

    ``fixed`` is done too where it is not among them: others are compared with it.
    """
    asked = dict.fromkeys([*policies, PolicyName.FIXED])
    tasks = {
        executor.submit(hours, work, policy, seed, first, min(chunk, runners - first)): (policy, first)
        for first in range(0, runners, chunk)
        for policy in asked
    }
    parts = {}
    for task in as_completed(tasks):
        parts[tasks[task]] = task.result()
        advance(len(parts[tasks[task]]))
    tables = {policy: _table(parts, policy) for policy in asked}
    fixed = tables[PolicyName.FIXED]
    return Evaluation(
        runners,
        work.total_s,
        {
            policy: summary(tables[policy], None if policy is PolicyName.FIXED else fixed, seed)
            for policy in dict.fromkeys(policies)
        },
    )


def _table(parts: Mapping[tuple[PolicyName, int], list[tuple[float, ...]]], policy: PolicyName) -> Array:
    """All runners of one policy in order, whenever their part came."""
    return np.array([row for (of, _), rows in sorted(parts.items()) if of is policy for row in rows])
