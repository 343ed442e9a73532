"""How well the walk breaks bring heart rate down, run by run, and how that changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import inf
from statistics import median

from msgspec import Struct

from hrbridge.history.figures import Figures, WalkFigures
from hrbridge.history.runs import Run

# The newest runs against those before them: three, so that one bad night does not make a trend.
NEWEST = 3
BEFORE_AT_LEAST = 3
BEFORE_AT_MOST = 10
# Smaller changes are the day's, the strap's and the weather's.
SAME_WITHIN_BPM = 2.0


class RunRecovery(Struct, frozen=True):
    """The medians of one run over its comparable walks; null where it has none.

    Comparable: walked, trusted, not on a hill, and planned at least as long as
    what is measured (an extended walk is long because it brought little).
    ``ready_after_s`` counts a walk that did not bring recovery as longer than
    any; null where that is the median. ``recovered_share``: 0 to 1, of the
    ``judged`` walks.
    """

    drop_30_bpm: float | None
    drop_60_bpm: float | None
    ready_after_s: float | None
    finisher_drop_60_bpm: float | None
    drift_bpm_per_10_min: float | None
    recovered_share: float | None
    judged: int


class Change(Struct, frozen=True):
    """The median of the newest runs, and of those before."""

    newest: float
    before: float

    @property
    def by(self) -> float:
        return round(self.newest - self.before, 1)


class Trend(Struct, frozen=True):
    """How recovery changed over the last runs; null where there are not enough runs to compare (3 and 3)."""

    drop_30_bpm: Change | None
    drop_60_bpm: Change | None
    ready_after_s: Change | None
    finisher_drop_60_bpm: Change | None
    drift_bpm_per_10_min: Change | None
    recovered_share: Change | None


def recovery(figures: Figures) -> RunRecovery:
    """What the walk breaks of one run brought."""
    flat = [walk for walk in figures.walks if not walk.hill]
    judged = [walk for walk in flat if walk.recovered is not None]
    ready_after_s = _median(
        inf if walk.ready_after_s is None else walk.ready_after_s for walk in judged if _planned(walk, 60)
    )
    return RunRecovery(
        drop_30_bpm=_median(walk.drop_30_bpm for walk in flat if _planned(walk, 30)),
        drop_60_bpm=_median(walk.drop_60_bpm for walk in flat if _planned(walk, 60)),
        ready_after_s=ready_after_s if ready_after_s != inf else None,
        finisher_drop_60_bpm=figures.finisher_drop_60_bpm,
        drift_bpm_per_10_min=figures.drift_bpm_per_10_min,
        recovered_share=round(sum(walk.recovered is True for walk in judged) / len(judged), 3) if judged else None,
        judged=len(judged),
    )


def trend(runs: Sequence[Run]) -> Trend:
    """Of one runner's runs, newest first; those that do not count (``Run.counts``) are passed over."""
    each = [recovery(run.figures) for run in runs if run.counts]
    return Trend(
        drop_30_bpm=_change(each, lambda run: run.drop_30_bpm),
        drop_60_bpm=_change(each, lambda run: run.drop_60_bpm),
        ready_after_s=_change(each, lambda run: run.ready_after_s),
        finisher_drop_60_bpm=_change(each, lambda run: run.finisher_drop_60_bpm),
        drift_bpm_per_10_min=_change(each, lambda run: run.drift_bpm_per_10_min),
        recovered_share=_change(each, lambda run: run.recovered_share),
    )


def in_words(changes: Trend) -> str:
    """One sentence for a runner; empty where there is nothing to compare yet."""
    change, after = changes.drop_60_bpm, "a minute"
    if change is None:
        change, after = changes.drop_30_bpm, "half a minute"
    if change is None:
        return ""
    falls = f"In your last {NEWEST} runs heart rate fell by {change.newest:.0f} beats in {after} of walking"
    if change.by > SAME_WITHIN_BPM:
        return f"{falls}, before that by {change.before:.0f}: you recover faster."
    if change.by < -SAME_WITHIN_BPM:
        return f"{falls}, before that by {change.before:.0f}: easy days bring it back."
    return f"{falls}, as before."


def _planned(walk: WalkFigures, at_least_s: float) -> bool:
    """Whether it was to be so long; in the plan ``free``, whether it was."""
    return (walk.for_s if walk.planned_s is None else walk.planned_s) >= at_least_s


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(median(known), 1) if known else None


def _change(each: Sequence[RunRecovery], value: Callable[[RunRecovery], float | None]) -> Change | None:
    known = [number for run in each if (number := value(run)) is not None]
    before = known[NEWEST : NEWEST + BEFORE_AT_MOST]
    if len(before) < BEFORE_AT_LEAST:
        return None
    return Change(round(median(known[:NEWEST]), 3), round(median(before), 3))
