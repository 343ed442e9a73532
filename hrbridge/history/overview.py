"""What ``hrbridge history`` shows: the runs day by day, the weekly table, one's own bests; or all of it as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from itertools import groupby, pairwise
from statistics import median
from textwrap import wrap
from typing import NamedTuple

from msgspec import Struct

from hrbridge.config import Config, Season, Units
from hrbridge.control.plan import METRES_PER_MILE
from hrbridge.dates import Moment
from hrbridge.history import progress
from hrbridge.history.progress import Records, Share, Stage, Week
from hrbridge.history.recovery import in_words, recovery, trend
from hrbridge.history.runs import Run
from hrbridge.journal import End

# A season of the articles, and at three runs a week what one can still look over.
SHOWN_WEEKS = 12
# However long ago they were.
SHOWN_RUNS = 10
COLUMNS = 80
# What is left of 80 columns.
SPARK_COLUMNS = 18
PLAN_COLUMNS = 12
INDENT = "    "
# Of fewer walks the minutes tell more.
WALKS_TO_DRAW = 3
# Less between the lowest and the highest mark would make mountains of a few beats.
LEAST_SPAN_BPM = 40.0
BLOCKS, DIGITS = "▁▂▃▄▅▆▇█", "12345678"

_STAGE = {
    Stage.WALK: "stage 1 of 4, walking",
    Stage.WALK_RUN: "stage 2 of 4, walking with some running",
    Stage.RUN_WALK: "stage 3 of 4, running with some walking",
    Stage.RUN: "stage 4 of 4, running all the way",
}


class Row(Struct, frozen=True):
    """One run, as a script may want it; the names are those of Figures, Note and Session.

    ``planned_run_s`` and ``planned_walk_s`` are those of the whole plan, null where it goes by distance or has no end;
    ``days_before`` those since the run before, where they were seven or more; ``overrun_s`` of all walks, null without
    a source of speed. ``rpe``, ``load`` (minutes times RPE)
    and what follows ``ready_after_s`` are null where the runner said nothing. ``load`` counts the minutes of all of
    ``elapsed_s``.
    """

    id: int
    started_at: str | None
    date_estimated: bool
    kind: str
    source: str
    plan: str
    purpose: str
    ended: str | None
    elapsed_s: float
    run_s: float
    walk_s: float
    planned_run_s: float | None
    planned_walk_s: float | None
    distance_m: float | None
    run_distance_m: float | None
    walk_distance_m: float | None
    mean_heart_rate_bpm: float | None
    peak_heart_rate_bpm: float | None
    ratio: str | None
    stage: Stage
    completion: float | None
    days_before: int | None
    walks: int
    walks_judged: int
    walks_recovered: int
    walks_extended: int
    runs_cut: int
    overrun_s: float | None
    drift_bpm_per_10_min: float | None
    finisher_drop_60_bpm: float | None
    drop_60_bpm: float | None
    ready_after_s: float | None
    rpe: float | None
    load: float | None
    soreness: str | None
    symptoms: str | None
    energy: str | None
    stronger: bool | None
    more_energy: bool | None
    text: str


class Overview(Struct, frozen=True):
    """``history --json``: runs newest first, weeks oldest first."""

    runs: list[Row]
    weeks: list[Week]
    records: Records


def overview(runs: Sequence[Run], newest_weeks: int | None = None) -> Overview:
    """All of it, or the runs and weeks of the newest weeks; records are of all runs."""
    breaks = progress.days_before(runs)
    rows = [_row(run, breaks.get(run.session.id)) for run in _of_weeks(runs, newest_weeks)]
    return Overview(rows, progress.weeks(runs, newest_weeks), progress.records(runs))


def _of_weeks(runs: Sequence[Run], newest: int | None) -> list[Run]:
    """The runs of the newest weeks, also those that no week counts, and those without a date."""
    since = progress.first_day(_weeks_begin(runs), newest)
    return [run for run in runs if run.day is None or run.day >= since]


def _weeks_begin(runs: Sequence[Run]) -> list[date]:
    """Where no run counts, each begins its week."""
    counted = [date.fromisoformat(week.begins) for week in progress.weeks(runs)]
    return counted or [run.day for run in runs if run.day is not None]


def _enough_weeks(runs: Sequence[Run]) -> int:
    """A season, and of runs that are rarer as many weeks as the newest ten need."""
    some = [run.day for run in runs[:SHOWN_RUNS] if run.day is not None]
    days = (max(_weeks_begin(runs)) - min(some)).days if some else 0
    return max(SHOWN_WEEKS, -(-days // 7) + 1)


def _row(run: Run, days_before: int | None) -> Row:
    session, figures, note = run.session, run.figures, run.note
    recovered = recovery(figures)
    overruns_s = [walk.overrun_s for walk in figures.walks if walk.overrun_s is not None]
    planned_run_s, planned_walk_s = progress.planned_s(session.header.plan) or (None, None)
    return Row(
        id=session.id,
        started_at=session.started_at,
        date_estimated=session.date_estimated,
        kind=session.kind.value,
        source=session.source,
        plan=session.header.plan.name,
        purpose=session.header.plan.purpose.value,
        ended=session.ended,
        elapsed_s=figures.elapsed_s,
        run_s=figures.run_s,
        walk_s=figures.walk_s,
        planned_run_s=planned_run_s,
        planned_walk_s=planned_walk_s,
        distance_m=run.distance_m,
        run_distance_m=figures.run_distance_m,
        walk_distance_m=figures.walk_distance_m,
        mean_heart_rate_bpm=figures.mean_heart_rate_bpm,
        peak_heart_rate_bpm=figures.peak_heart_rate_bpm,
        ratio=progress.ratio(run),
        stage=progress.stage(run),
        completion=figures.completion,
        days_before=days_before,
        walks=len(figures.walks),
        walks_judged=figures.walks_judged,
        walks_recovered=figures.walks_recovered,
        walks_extended=figures.walks_extended,
        runs_cut=figures.runs_cut,
        overrun_s=round(sum(overruns_s), 3) if overruns_s else None,
        drift_bpm_per_10_min=figures.drift_bpm_per_10_min,
        finisher_drop_60_bpm=figures.finisher_drop_60_bpm,
        drop_60_bpm=recovered.drop_60_bpm,
        ready_after_s=recovered.ready_after_s,
        rpe=run.rpe,
        load=run.load,
        soreness=note.soreness,
        symptoms=note.symptoms,
        energy=note.energy,
        stronger=note.stronger,
        more_energy=note.more_energy,
        text=note.text,
    )


# -- for people --


def as_text(
    runs: Sequence[Run],
    config: Config | None,
    *,
    newest_weeks: int | None,
    now: Moment,
    encoding: str,
    columns: int = COLUMNS,
    goes_on: bool = False,
) -> str:
    """Everything in 80 columns, or in fewer; ``encoding`` is that of the terminal.

    Without a configuration three runs a week, in the units of the newest run;
    without ``newest_weeks`` a season, and at least ten runs. ``goes_on``: an
    hrbridge is writing the run that has no end yet.
    """
    newest_weeks = newest_weeks or _enough_weeks(runs)
    columns = min(columns, COLUMNS)
    units = (config or runs[0].session.header).runner.units
    per_week = (config.season if config is not None else Season()).runs_per_week
    table = progress.weeks(runs, newest_weeks)
    shown = _of_weeks(runs, newest_weeks)
    marks = BLOCKS if _can_show(BLOCKS, encoding) else DIGITS
    parts = [_run_lines(shown, marks, columns, goes_on=goes_on), _legend(shown, marks, columns)]
    if len(shown) < len(runs):
        parts[1] += _wrapped(columns, f"Before these: {_runs(len(runs) - len(shown))}; --weeks N goes further back.")
    if table:
        parts += [
            _week_lines(table, units, per_week, columns),
            _wrapped(columns, *_record_lines(runs, units, columns)),
            _wrapped(columns, *_sentences(runs, shown, table, per_week, now)),
        ]
    text = "\n\n".join("\n".join(lines) for lines in parts if lines)
    return text.encode(encoding, "replace").decode(encoding)


def _can_show(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _wrapped(columns: int, *texts: str) -> list[str]:
    """One thought to a line; of what is too long for it the rest stands below."""
    return [
        line for text in texts if text for line in wrap(text, columns - 1, subsequent_indent=INDENT * (text[0] == " "))
    ]


def _runs(count: int) -> str:
    return f"{count} run{'s' if count != 1 else ''}"


class _Cell(NamedTuple):
    """Of a table: numbers stand right, words left; the first to go where there is no room has the highest ``spare``."""

    title: str
    width: int
    spare: int = 0
    words: bool = False


def _fitting(cells: Sequence[_Cell], gap: str, columns: int) -> list[_Cell]:
    """As many as have room, the most important ones."""
    kept = list(cells)
    while sum(cell.width + len(gap) for cell in kept) > columns + len(gap) and any(cell.spare for cell in kept):
        kept.remove(max(kept, key=lambda cell: cell.spare))
    return kept


def _line(cells: Sequence[_Cell], kept: Sequence[_Cell], gap: str, values: Sequence[str]) -> str:
    shown = [
        f"{value:<{cell.width}}" if cell.words else f"{value:>{cell.width}}"
        for cell, value in zip(cells, values, strict=True)
        if cell in kept
    ]
    return gap.join(shown).rstrip()


RUN_CELLS = (
    _Cell("id", 4),
    _Cell("start", 6),
    _Cell("plan", PLAN_COLUMNS, words=True),
    _Cell("all", 3),
    _Cell("heart rate", SPARK_COLUMNS, spare=3, words=True),
    _Cell("ran", 6),
    _Cell("plan", 6, spare=2),
    _Cell("walks", 5, spare=1),
    _Cell("RPE", 3),
    _Cell("done", 7),
)


def _run_lines(runs: Sequence[Run], marks: str, columns: int, *, goes_on: bool) -> list[str]:
    low_bpm, high_bpm = _span_bpm(runs)
    kept = _fitting(RUN_CELLS, " ", columns)
    lines = [_line(RUN_CELLS, kept, " ", [cell.title for cell in RUN_CELLS])]
    for day, on_day in groupby(runs, key=lambda run: run.day):
        lines.append(f"{day:%a} {day.day} {day:%b %Y}" if day is not None else "without a date")
        for run in on_day:
            spark = _spark(_curve(run), low_bpm, high_bpm, marks)
            lines.append(_line(RUN_CELLS, kept, " ", _values(run, spark, goes_on=goes_on)))
    return lines


def _span_bpm(runs: Iterable[Run]) -> tuple[float, float]:
    """Of all marks, the lowest and the highest; 0 where there are none."""
    known = [bpm for run in runs for bpm in _curve(run) if bpm is not None]
    high_bpm = max(known, default=0.0)
    return min(*known, high_bpm - LEAST_SPAN_BPM) if known else 0.0, high_bpm


def _legend(runs: Sequence[Run], marks: str, columns: int) -> list[str]:
    low_bpm, high_bpm = _span_bpm(runs)
    span = f"{marks[0]} {low_bpm:.0f} to {marks[-1]} {high_bpm:.0f} bpm"
    drawn = high_bpm > 0 and RUN_CELLS[4] in _fitting(RUN_CELLS, " ", columns)
    estimated = any(run.session.date_estimated for run in runs)
    return _wrapped(
        columns,
        f"Heart rate, {span}: up in each run, down in the walk after it." if drawn else "",
        "all: minutes with warm-up and cool-down. ran and plan: minutes of running/walking. walks: recovered/judged.",
        "~ the date is estimated, until hrbridge hears it from a network." if estimated else "",
    )


def _values(run: Run, spark: str, *, goes_on: bool) -> list[str]:
    session, figures = run.session, run.figures
    start = "" if run.started is None else f"{'~' if session.date_estimated else ''}{run.started:%H:%M}"
    planned = progress.planned_s(session.header.plan)
    return [
        f"{session.id}",
        start,
        "".join(c if c.isprintable() else "?" for c in session.header.plan.name)[:PLAN_COLUMNS],
        f"{run.minutes:.0f}",
        spark,
        _minutes(figures.run_s, figures.walk_s) if figures.run_s or figures.walk_s else "-",
        "-" if planned is None else _minutes(*planned),
        f"{figures.walks_recovered}/{figures.walks_judged}" if figures.walks_judged else "-",
        _or_dash(run.rpe),
        _done(run, goes_on=goes_on),
    ]


def _done(run: Run, *, goes_on: bool) -> str:
    """Of the plan; what has no end has no share yet."""
    if run.session.ended is None:
        return "goes on" if goes_on else "cut off"
    if run.session.ended is End.INTERRUPTED:
        return "cut off"
    return "-" if run.figures.completion is None else f"{100 * run.figures.completion:.0f} %"


def _minutes(run_s: float, walk_s: float) -> str:
    return f"{run_s / 60:.0f}/{walk_s / 60:.0f}"


def _or_dash(value: float | None) -> str:
    """Whole where it is whole, else to a tenth."""
    return "-" if value is None else f"{round(value, 1):g}"


def _curve(run: Run) -> list[float | None]:
    """How heart rate rose and fell: at the top of each run and the end of its walk; without walks, minute by minute."""
    walks = run.figures.walks
    tops, ends = [walk.peak_bpm for walk in walks], [walk.end_bpm for walk in walks]
    if len(walks) < WALKS_TO_DRAW:
        return _thinned(run.figures.minute_bpm, SPARK_COLUMNS)
    columns = zip(_thinned(tops, SPARK_COLUMNS // 2), _thinned(ends, SPARK_COLUMNS // 2), strict=True)
    return [bpm for pair in columns for bpm in pair]


def _thinned(values: Sequence[float | None], columns: int) -> list[float | None]:
    """No more than so many, each the median of its share."""
    count = min(columns, len(values))
    edges = [n * len(values) // count for n in range(count + 1)] if count else []
    return [_median(values[first:after]) for first, after in pairwise(edges)]


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _spark(curve: Iterable[float | None], low_bpm: float, high_bpm: float, marks: str) -> str:
    per_mark_bpm = (high_bpm - low_bpm) / (len(marks) - 1)
    return "".join(" " if bpm is None else marks[round((bpm - low_bpm) / per_mark_bpm)] for bpm in curve)


def _week_lines(table: Sequence[Week], units: Units, per_week: int, columns: int) -> list[str]:
    imperial = units is Units.IMPERIAL
    cells = (
        _Cell("week", 4),
        _Cell("from", 10, words=True),
        _Cell("runs", 4),
        _Cell("ratio", 7),
        _Cell("min", 3),
        _Cell("miles" if imperial else "km", 5, spare=1),
        _Cell("min/mi" if imperial else "min/km", 6, spare=3),
        _Cell("bpm", 3),
        _Cell("RPE", 3),
        _Cell("load", 5, spare=2),
        _Cell("effort", 6, spare=4, words=True),
    )
    kept = _fitting(cells, "  ", columns)
    lines = [_line(cells, kept, "  ", [cell.title for cell in cells])]
    for week in table:
        values = [
            f"{week.week}",
            week.begins,
            f"{week.days}/{per_week}" if week.days <= per_week else f"{week.days}",
            week.ratio or "free",
            f"{week.total_s / 60:.0f}",
            _or_dash(_length(week.distance_m, units)),
            _pace(week.pace_s_per_km, units),
            _whole(week.mean_heart_rate_bpm),
            _or_dash(week.rpe),
            _whole(week.load),
            "held" if week.effort_held else "",
        ]
        lines.append(_line(cells, kept, "  ", values))
    text = "min to RPE: the runs and walk breaks of a usual run of the week."
    if any(week.load is not None for week in table) and cells[9] in kept:
        text += " load: RPE times the minutes of all runs, warm-up and cool-down with them."
    return [*lines, *_wrapped(columns, text)]


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _length(metres: float | None, units: Units) -> float | None:
    """In miles or kilometres."""
    return None if metres is None else metres / (METRES_PER_MILE if units is Units.IMPERIAL else 1000)


def _pace(s_per_km: float | None, units: Units) -> str:
    if s_per_km is None:
        return "-"
    minutes, seconds = divmod(round(s_per_km * (METRES_PER_MILE / 1000 if units is Units.IMPERIAL else 1)), 60)
    return f"{minutes}:{seconds:02}"


def _record_lines(runs: Sequence[Run], units: Units, columns: int) -> list[str]:
    """The bests; those of the newest run are named as new."""
    best = progress.records(runs)
    counted = [run.session.id for run in runs if run.counts]
    noun = "miles" if units is Units.IMPERIAL else "km"
    held = (
        ("longest time", best.elapsed_s, lambda s: f"{s / 60:.0f} min"),
        ("longest distance", best.distance_m, lambda m: f"{_or_dash(_length(m, units))} {noun}"),
        ("longest run without a walk", best.longest_run_s, clock),
        ("soonest ready to run again", best.ready_after_s, lambda s: f"{s:.0f} s of walking"),
        ("largest drop in a minute of walking", best.drop_60_bpm, lambda bpm: f"{bpm:.0f} bpm"),
    )
    lines = ["Your bests"]
    for name, record, told in held:
        if record is not None:
            new = ", new" if len(counted) > 1 and record.run_id == counted[0] else ""
            named = f"{name:<36}" if columns == COLUMNS else f"{name}: "
            lines.append(f"  {named}{told(record.value)} (run {record.run_id}{new})")
    return lines


def clock(seconds: float) -> str:
    """ "4:00", minutes and seconds."""
    return f"{seconds // 60:.0f}:{seconds % 60:02.0f}"


def _sentences(
    runs: Sequence[Run], shown: Sequence[Run], table: Sequence[Week], per_week: int, now: Moment
) -> list[str]:
    """What a coach would say of it; wrapped, one thought to a line."""
    newest = next(run for run in runs if run.counts and run.day is not None)
    today = datetime.fromtimestamp(now.unix_s, UTC).astimezone().date() if now.right else None
    return [
        _consistency(runs, newest, table, per_week, today),
        _way(newest),
        _effort(table),
        in_words(trend(runs)),
        _totals(shown),
    ]


def _consistency(runs: Sequence[Run], newest: Run, table: Sequence[Week], per_week: int, today: date | None) -> str:
    week, in_a_row = table[-1], progress.weeks_in_a_row(progress.weeks(runs))
    done = f"{week.days} of {per_week} runs" if week.days <= per_week else _runs(week.days)
    text = f"Week {week.week}: {done} done"
    text += f", {in_a_row} weeks in a row." if in_a_row > 1 else "."
    ago = 0 if today is None or newest.day is None else (today - newest.day).days
    if ago >= progress.GAP_DAYS:
        return f"{text} Your newest run is {ago} days old: an easy one today brings you back into it."
    rest = progress.days_before(runs).get(newest.session.id)
    return text if rest is None else f"{text} You came back after {rest} days of rest: well done."


def _way(newest: Run) -> str:
    return f"You are at {_STAGE[progress.stage(newest)]}. The newest run: {_shares(progress.share([newest]))}."


def _shares(share: Share) -> str:
    """ "running/walking 80/20 by distance, 67/33 by time"."""
    by = []
    if share.run_m is not None and share.walk_m is not None and share.run_m + share.walk_m > 0:
        by.append(f"{_percent(share.run_m, share.walk_m)} by distance")
    if share.run_s + share.walk_s > 0:
        by.append(f"{_percent(share.run_s, share.walk_s)} by time")
    return f"running/walking {', '.join(by)}"


def _percent(running: float, walking: float) -> str:
    percent = round(100 * running / (running + walking))
    return f"{percent}/{100 - percent}"


def _effort(table: Sequence[Week]) -> str:
    first, now = progress.newest_count(table)[0], table[-1]
    if not now.effort_held:
        return ""
    minutes = (now.total_s - first.total_s) / 60
    more = [f"{minutes:.0f} minutes more"] if minutes >= 1 else []
    more += [f"{now.ratio} in place of {first.ratio}"] if (now.run_share or 0.0) > (first.run_share or 1.0) else []
    beats = (now.mean_heart_rate_bpm or 0.0) - (first.mean_heart_rate_bpm or 0.0)
    harder = (now.rpe or 0.0) - (first.rpe or 0.0)
    effort = f"{beats:+.0f} bpm, RPE {round(harder, 1):+g}"
    return f"Since week {first.week}: {', '.join(more)}, for about the same effort ({effort})."


def _totals(shown: Sequence[Run]) -> str:
    share = progress.share(shown)
    felt = [run.note.stronger for run in shown if run.note.stronger is not None]
    lively = [run.note.more_energy for run in shown if run.note.more_energy is not None]
    text = f"{_runs(len(shown))} here: {_hours(share.run_s)} of running and {_hours(share.walk_s)} of walk breaks."
    if any(felt):
        text += f" Legs stronger: after {sum(felt)} of {len(felt)}."
    if any(lively):
        text += f" More energy in the day: after {sum(lively)} of {len(lively)}."
    return text


def _hours(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"
