"""What runs add up to over weeks: the table of the articles, consistency, one's own bests, the stage on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from enum import StrEnum
from itertools import pairwise
from math import isclose
from statistics import median

from msgspec import Struct
from msgspec.structs import replace

from hrbridge.config import Plan
from hrbridge.control import plan as plans
from hrbridge.decisions import Phase
from hrbridge.history.recovery import recovery
from hrbridge.history.runs import Run

# From here on the articles speak of a break, not of a rest.
GAP_DAYS = 7
# What the articles call a similar effort: over their twelve weeks 145 becomes 152 bpm, and RPE 5 becomes 6.
HELD_BPM = 7.0
HELD_RPE = 1.0
# One walk break can be luck, or a shoe lace: a record of recovery is that of a run, the median of at least as many.
WALKS_FOR_RECOVERY = 3
# After a longer break nobody counts on from before it: a new start, like a new plan.
NEW_COUNT_WEEKS = 8


class Week(Struct, frozen=True):
    """Seven days, counted from the day of the first run: so the first week is whole, and week 12 the twelfth of a plan.

    After more than eight weeks without a run the next one begins a new week 1.
    ``ratio`` is the one that was planned most, as in "4:1", the newest of several, and ``run_share`` its share of
    running (0 to 1); null where none was planned. The
    numbers from ``total_s`` to ``rpe`` are medians of the runs with that ratio, of their runs and walk breaks (what
    the plan calls its total). ``effort_held``: more time or a harder ratio than in the first week of the table that
    belongs to the same count, at a heart rate at most 7 bpm and an effort at most 1 higher; null where that cannot be
    said. ``days`` with a run, and the sums of all runs: ``load`` is minutes times RPE, warm-up and cool-down with
    them, over those that were rated.
    """

    week: int
    begins: str
    ratio: str | None
    run_share: float | None
    total_s: float
    distance_m: float | None
    pace_s_per_km: float | None
    mean_heart_rate_bpm: float | None
    rpe: float | None
    effort_held: bool | None
    days: int
    run_s: float
    walk_s: float
    load: float | None


class Best(Struct, frozen=True):
    """The run that holds a record, the first of equals, and its value."""

    run_id: int
    value: float


class Records(Struct, frozen=True):
    """One's own bests; null where nothing was measured. The last two are medians of a run (``recovery``)."""

    elapsed_s: Best | None = None
    distance_m: Best | None = None
    longest_run_s: Best | None = None
    ready_after_s: Best | None = None
    drop_60_bpm: Best | None = None


class Stage(StrEnum):
    """The four stages of the articles, from walking to running."""

    WALK = "walk"
    WALK_RUN = "walk_run"
    RUN_WALK = "run_walk"
    RUN = "run"


class Share(Struct, frozen=True):
    """Running and walking of some runs, without warm-up and cool-down; metres null without a source."""

    run_s: float
    walk_s: float
    run_m: float | None
    walk_m: float | None


def weeks(runs: Iterable[Run], newest: int | None = None) -> list[Week]:
    """The weeks with a run, oldest first; only the ``newest`` of them, counted back from the week of the newest run."""
    by_week: dict[tuple[int, date], list[Run]] = {}
    first = before = None
    for day, run in _oldest_first(runs):
        if first is None or before is None or day - before > timedelta(weeks=NEW_COUNT_WEEKS):
            first = day
        number, before = (day - first).days // 7 + 1, day
        by_week.setdefault((number, first + timedelta(weeks=number - 1)), []).append(run)
    since = first_day([begins for _, begins in by_week], newest)
    table = [_week(number, begins, ran) for (number, begins), ran in by_week.items() if begins >= since]
    count_begins = [n for n, row in enumerate(table) if n == 0 or row.week == 1]
    firsts = [table[max(begins for begins in count_begins if begins <= n)] for n in range(len(table))]
    return [replace(row, effort_held=_held(first, row)) for first, row in zip(firsts, table, strict=True)]


def first_day(days: Iterable[date], newest: int | None) -> date:
    """Of the ``newest`` weeks up to the last of these days, each the first of its week; of all weeks the first ever."""
    last = max(days, default=date.min)
    return date.min if newest is None else date.fromordinal(max(1, last.toordinal() - 7 * (newest - 1)))


def newest_count(table: Sequence[Week]) -> Sequence[Week]:
    """The weeks since the last break of more than eight weeks."""
    return table[max((n for n, row in enumerate(table) if row.week == 1), default=0) :]


def _oldest_first(runs: Iterable[Run]) -> list[tuple[date, Run]]:
    """The runs that count and whose day is known."""
    dated = [(run.day, run) for run in runs if run.counts and run.day is not None]
    return sorted(dated, key=lambda each: (each[0], each[1].session.id))


def _week(number: int, begins: date, ran: Sequence[Run]) -> Week:
    names = [ratio(run) for run in ran]
    often = Counter(names)
    # Of several ratios that were planned equally often the newest: it is where the runner has come to.
    usual = max(reversed(names), key=lambda name: often[name])
    typical = [run for run, name in zip(ran, names, strict=True) if name == usual]
    rated = [run.load for run in ran if run.load is not None]
    return Week(
        week=number,
        begins=begins.isoformat(),
        ratio=usual,
        run_share=run_share(typical[-1]),
        total_s=median(total_s(run) for run in typical),
        distance_m=_median(main_m(run) for run in typical),
        pace_s_per_km=_median(pace_s_per_km(run) for run in typical),
        mean_heart_rate_bpm=_median(run.figures.mean_heart_rate_bpm for run in typical),
        rpe=_median(run.rpe for run in typical),
        effort_held=None,
        days=len({run.day for run in ran}),
        run_s=sum(run.figures.run_s for run in ran),
        walk_s=sum(run.figures.walk_s for run in ran),
        load=sum(rated) if rated else None,
    )


def _held(first: Week, now: Week) -> bool | None:
    """Whether more was done than in the first week, for about the effort of then."""
    if now is first or None in (first.mean_heart_rate_bpm, now.mean_heart_rate_bpm, first.rpe, now.rpe):
        return None
    harder_ratio = first.run_share is not None and now.run_share is not None and now.run_share > first.run_share
    more = now.total_s > first.total_s or harder_ratio
    beats_more = (now.mean_heart_rate_bpm or 0.0) - (first.mean_heart_rate_bpm or 0.0)
    harder = (now.rpe or 0.0) - (first.rpe or 0.0)
    return more and beats_more <= HELD_BPM and harder <= HELD_RPE


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


# -- one run --


def ratio(run: Run) -> str | None:
    """The planned ratio, as on the ladder of plans ("4:1", whatever its unit), else "90/30s"; None in plan free."""
    planned = run.figures.planned_ratio
    if planned is None:
        return None
    run_s, walk_s = planned
    if run_s == 0 or walk_s == 0:
        return "run" if run_s else "walk"
    rung = next((f"{r}:{w}" for r, w in plans.LADDER if isclose(run_s * w, walk_s * r)), None)
    return rung or f"{run_s:.0f}/{walk_s:.0f}s"


def total_s(run: Run) -> float:
    """Runs and walk breaks; where the plan has a total time, what a last walk goes on beyond it is cool-down."""
    planned_s = run.session.header.plan.total_s
    return run.figures.main_s if planned_s is None else min(run.figures.main_s, planned_s)


def main_m(run: Run) -> float | None:
    """Metres of runs and walk breaks; None without a source."""
    run_m, walk_m = run.figures.run_distance_m, run.figures.walk_distance_m
    return None if run_m is None or walk_m is None else run_m + walk_m


def pace_s_per_km(run: Run) -> float | None:
    """Of runs and walk breaks together; None without a source."""
    metres = main_m(run)
    return 1000 * run.figures.main_s / metres if metres else None


def planned_s(plan: Plan) -> tuple[float, float] | None:
    """Seconds of running and of walking in a whole plan; None where it goes by distance or has no end."""
    if plans.is_free(plan) or plans.needs_distance(plan):
        return None
    spent_s = {True: 0.0, False: 0.0}
    cursor = plans.Cursor(plan)
    while (stretch := cursor.next(sum(spent_s.values()), 0.0)) is not None:
        if sum(spent_s.values()) > plan.max_total_s:  # nobody runs on: it has no end
            return None
        spent_s[stretch.phase is Phase.WALK] += min(stretch.planned_s, stretch.most_s)
    return spent_s[False], spent_s[True]


def stage(run: Run) -> Stage:
    """By what was run and walked; where neither was, by the planned ratio."""
    run_s, walk_s = run.figures.run_s, run.figures.walk_s
    if not run_s and not walk_s:
        run_s, walk_s = run.figures.planned_ratio or (0.0, 0.0)
    if run_s == 0:
        return Stage.WALK
    if walk_s == 0:
        return Stage.RUN
    return Stage.RUN_WALK if run_s > walk_s else Stage.WALK_RUN


def run_share(run: Run) -> float | None:
    """Of the planned ratio, 0 to 1; None in plan free."""
    if run.figures.planned_ratio is None:
        return None
    run_s, walk_s = run.figures.planned_ratio
    return run_s / (run_s + walk_s) if run_s + walk_s else None


# -- all of them --


def records(runs: Iterable[Run]) -> Records:
    """The best of each kind among those that count."""
    ran = sorted((run for run in runs if run.counts), key=lambda run: (run.session.started_at or "", run.session.id))
    recoveries = [(run, recovery(run.figures)) for run in ran]
    sure = [(run, each) for run, each in recoveries if each.judged >= WALKS_FOR_RECOVERY]
    return Records(
        elapsed_s=_best((run, run.figures.elapsed_s) for run in ran),
        distance_m=_best((run, run.distance_m) for run in ran),
        longest_run_s=_best((run, run.figures.longest_run_s or None) for run in ran),
        ready_after_s=_best(((run, each.ready_after_s) for run, each in sure), smallest=True),
        drop_60_bpm=_best((run, each.drop_60_bpm) for run, each in sure),
    )


def _best(values: Iterable[tuple[Run, float | None]], *, smallest: bool = False) -> Best | None:
    known = [(run, value) for run, value in values if value is not None]
    if not known:
        return None
    run, value = (min if smallest else max)(known, key=lambda each: each[1])
    return Best(run.session.id, value)


def share(runs: Iterable[Run]) -> Share:
    """What they ran and walked; the metres of those that have both."""
    ran = list(runs)
    measured = [run.figures for run in ran if main_m(run) is not None]
    return Share(
        run_s=sum(run.figures.run_s for run in ran),
        walk_s=sum(run.figures.walk_s for run in ran),
        run_m=sum(each.run_distance_m or 0.0 for each in measured) if measured else None,
        walk_m=sum(each.walk_distance_m or 0.0 for each in measured) if measured else None,
    )


def weeks_in_a_row(table: Sequence[Week]) -> int:
    """How many weeks up to the newest each had a run."""
    numbers = [row.week for row in table]
    return sum(1 for back, number in enumerate(reversed(numbers)) if number == numbers[-1] - back)


def days_before(runs: Iterable[Run]) -> dict[int, int]:
    """Days since the run before, by session id, where they were seven or more."""
    dated = _oldest_first(runs)
    pairs = pairwise(dated)
    return {run.session.id: rest for (before, _), (day, run) in pairs if (rest := (day - before).days) >= GAP_DAYS}
