"""A season as a page: weeks, load, heart rate at the same ratio, recovery, the ladder, one's own bests."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from itertools import groupby
from math import ceil
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from msgspec import Struct

from hrbridge.config import Units
from hrbridge.control import words
from hrbridge.control.plan import LADDER, METRES_PER_MILE
from hrbridge.errors import JournalError
from hrbridge.history import page, plot, progress
from hrbridge.history.export import whole_file
from hrbridge.history.page import MONTHS, WEEKDAYS, Column, Section, Tile, clock
from hrbridge.history.plot import EASY, GRID, MUTED, PAPER, RUN, WALK, Key, Sheet
from hrbridge.history.progress import Best, Week
from hrbridge.history.recovery import in_words, recovery, trend
from hrbridge.history.runs import Run
from hrbridge.journal import Journal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What a calendar shows side by side: a year, on a phone the half of it.
CALENDAR_WEEKS, CALENDAR_WEEKS_NARROW = 53, 26
# Half a year: more rows nobody reads.
TABLE_WEEKS = 26
# Beyond two years nobody counts in weeks.
MOST_WEEKS = 104
# Bars of so many weeks, and then of so many years of months, are still wider than a hair on a phone.
BY_WEEK_DAYS, BY_MONTH_DAYS = 7 * 60, 366 * 8
# A line through the middle of so many runs in a row is calm enough to be read, and young enough to move.
SMOOTHED_OVER = 5
# One point is no line.
LEAST_RUNS = 2


def write(journal: Journal, ran: Sequence[Run], out: Path) -> str:
    """All runs of one runner in a journal to a file; returns its first line.

    Raises JournalError where there is none, OutputError, and UsageError without
    matplotlib.
    """
    plot.require()
    if not ran:
        raise JournalError(f"{journal.path}: no runs yet; a live run or hrbridge import begins the history")
    whole_file.write(out, [report(ran).encode()])
    return first_line(ran)


def report(ran: Sequence[Run]) -> str:
    """The page as HTML, of one runner's runs, newest first, at least one; needs matplotlib."""
    runner = ran[0].session.header.runner
    imperial = runner.units is Units.IMPERIAL
    dated = sorted(
        ((run.day, run) for run in ran if run.counts and run.day is not None),
        key=lambda each: (each[0], each[1].session.id),
    )
    table = progress.weeks(ran)
    sections = [
        *_over_time(dated),
        *_alike(dated),
        *_recovery(dated, ran),
        _ladder(dated),
        _calendar(dated),
        _bests(ran, imperial=imperial),
        _weeks(table, imperial=imperial),
    ]
    if not dated:
        text = "They begin with a dated run that comes to its end, or has five minutes of running and walk breaks."
        sections = [Section("Weeks", text)]
    title = f"{_span(ran)} · {runner.id}"
    return page.page(title, title, first_line(ran), _tiles(ran, table, imperial=imperial), "", sections)


def first_line(ran: Sequence[Run]) -> str:
    """ "Thirty-four runs in twelve weeks, 19 hours." """
    table = progress.weeks(ran)
    count, hours = len(ran), sum(run.minutes for run in ran) / 60
    time = f"{hours:.0f} hours" if hours >= 2 else f"{hours * 60:.0f} minutes"
    first, last = (date.fromisoformat(table[n].begins) for n in (0, -1)) if table else (date.max, date.max)
    weeks = (last - first).days // 7 + 1 if table else 0
    within = f" in {words.number(weeks)} week{'s' if weeks != 1 else ''}" if weeks else ""
    if weeks > MOST_WEEKS:
        within = f" in {words.number(round(weeks * 7 / 365.25))} years"
    said = f"{words.number(count)} run{'s' if count != 1 else ''}{within}, {time}."
    return f"{said[:1].upper()}{said[1:]}"


def _span(ran: Sequence[Run]) -> str:
    days = [run.day for run in ran if run.day is not None]
    if not days:
        return "Runs without a date"
    first, last = min(days), max(days)
    estimated = sum(run.session.date_estimated for run in ran if run.day is not None)
    note = f" · {estimated} date{'s' if estimated != 1 else ''} estimated" if estimated else ""
    return f"{_day(first)} to {_day(last)}{note}" if first != last else f"{_day(first)}{note}"


def _day(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _tiles(ran: Sequence[Run], table: Sequence[Week], *, imperial: bool) -> list[Tile]:
    minutes, run_s = sum(run.minutes for run in ran), progress.share(ran).run_s
    metres = [run.distance_m for run in ran if run.distance_m is not None]
    tiles = [
        Tile("runs", f"{len(ran)}"),
        Tile("on your feet", _hours(minutes), "h"),
    ]
    if metres:
        tiles.append(Tile("distance", *page.length(sum(metres), imperial=imperial)))
    if run_s:
        tiles.append(Tile("of it running", f"{run_s / 60 / minutes * 100:.0f}", "%"))
    if table:
        tiles.append(Tile("weeks in a row", f"{progress.weeks_in_a_row(table)}"))
        tiles.append(Tile("running days a week", f"{sum(row.days for row in table) / len(table):.1f}"))
    return tiles


def _hours(minutes: float) -> str:
    return f"{int(minutes) // 60}:{int(minutes) % 60:02}"


# -- weeks --


class _Sum(Struct, frozen=True):
    """What the runs of a week, a month or a year add up to; ``load`` is None where none was rated."""

    begins: date
    days: int
    run_min: float
    walk_min: float
    load: float | None


def _sums(dated: Sequence[tuple[date, Run]]) -> tuple[str, list[_Sum]]:
    """By week from the first run on, of many weeks by month, of many years by year; and which of them."""
    first, days = dated[0][0], (dated[-1][0] - dated[0][0]).days
    unit = "week" if days < BY_WEEK_DAYS else "month" if days < BY_MONTH_DAYS else "year"

    def begin(day: date) -> date:
        if unit == "week":
            return day - timedelta(days=(day - first).days % 7)
        return day.replace(day=1) if unit == "month" else day.replace(month=1, day=1)

    def length(begins: date) -> int:
        if unit == "week":
            return 7
        after = begins + timedelta(days=31 if unit == "month" else 366)
        return (begin(after) - begins).days

    found = []
    for begins, some in groupby(dated, key=lambda each: begin(each[0])):
        ran = [run for _, run in some]
        share, loads = progress.share(ran), [run.load for run in ran if run.load is not None]
        load = sum(loads) if loads else None
        found.append(_Sum(begins, length(begins), share.run_s / 60, share.walk_s / 60, load))
    return unit, found


def _over_time(dated: Sequence[tuple[date, Run]]) -> list[Section]:
    if not dated:
        return []
    unit, sums = _sums(dated)
    return [_minutes(unit, sums), _load(unit, sums)]


def _bars(sheet: Sheet, sums: Sequence[_Sum], minutes: Sequence[float], below: Sequence[float], colour: str) -> None:
    at = [each.begins.toordinal() + each.days / 2 for each in sums]
    sheet.axes.bar(
        at, minutes, [0.72 * each.days for each in sums], bottom=below, color=colour, alpha=0.85, linewidth=0
    )
    _date_axis(sheet, sums[0].begins, sums[-1].begins + timedelta(days=sums[-1].days))


def _minutes(unit: str, sums: Sequence[_Sum]) -> Section:
    title = f"Minutes by {unit}"

    def draw(sheet: Sheet) -> None:
        ran, walked = [each.run_min for each in sums], [each.walk_min for each in sums]
        _bars(sheet, sums, walked, [0.0] * len(sums), WALK)
        _bars(sheet, sums, ran, walked, RUN)
        days = (sums[-1].begins - sums[0].begins).days + sums[-1].days
        if days / min(each.days for each in sums) <= sheet.width_pt / 34:
            for each in sums:
                at = each.begins.toordinal() + each.days / 2, each.run_min + each.walk_min
                sheet.axes.annotate(f"{at[1]:.0f}", at, (0, 4), textcoords="offset points", ha="center", color=MUTED)

    totals = [each.run_min + each.walk_min for each in sums]
    usual, most = median(totals), max(totals)
    text = f"{usual:.0f} minutes of running and walk breaks in a usual {unit}, {most:.0f} in the longest."
    keys = [Key("■", "run", "running"), Key("■", "walk", "walk breaks")]
    drawn = plot.drawing("minutes", f"{title}. {text}", draw, unit="min", keys=keys)
    return Section(title, text, drawn)


def _load(unit: str, sums: Sequence[_Sum]) -> Section:
    title = f"Load by {unit}"
    loads = [each.load for each in sums if each.load is not None]
    if not loads:
        return Section(title, "Say after a run how hard it was (hrbridge log), and its load appears here.")

    def draw(sheet: Sheet) -> None:
        _bars(sheet, sums, [each.load or 0.0 for each in sums], [0.0] * len(sums), EASY)

    text = f"Effort times minutes, warm-up and cool-down with them. A usual {unit} has {median(loads):.0f}."
    drawn = plot.drawing("load", f"{title}. {text}", draw, height_pt=180, unit="min × effort")
    return Section(title, text, drawn)


def _weeks(table: Sequence[Week], *, imperial: bool) -> Section:
    title = "Week by week"
    if not table:
        return Section(title, "No run with a date so far.")
    per_m, unit = (METRES_PER_MILE, "mi") if imperial else (1000.0, "km")
    columns = [
        Column("Week"),
        Column("Begins", words=True, extra=True),
        Column("Ratio"),
        Column("Total"),
        Column(unit, extra=True),
        Column(f"Pace /{unit}", extra=True),
        Column("bpm"),
        Column("Effort"),
        Column("Days"),
        Column("", words=True),
    ]
    rows = [
        (
            f"{row.week}",
            row.begins,
            row.ratio or "free",
            clock(row.total_s),
            "–" if row.distance_m is None else f"{row.distance_m / per_m:.2f}",
            "–" if row.pace_s_per_km is None else clock(row.pace_s_per_km * per_m / 1000),
            "–" if row.mean_heart_rate_bpm is None else f"{row.mean_heart_rate_bpm:.0f}",
            "–" if row.rpe is None else f"{row.rpe:.2g}",
            f"{row.days}",
            "more, as easy" if row.effort_held else "",
        )
        for row in table[-TABLE_WEEKS:]
    ]
    text = (
        "What a usual run of the week was, without warm-up and cool-down. “More, as easy”: longer or with more running "
        f"than in the first week of its count, at most {progress.HELD_BPM:g} bpm and {progress.HELD_RPE:g} of effort "
        "above it."
    )
    if len(table) > TABLE_WEEKS:
        text += f" These are the newest {TABLE_WEEKS} of {len(table)} weeks with a run."
    return Section(title, text, page.table(title, columns, rows))


# -- the same ratio, run by run --


def _alike(dated: Sequence[tuple[date, Run]]) -> list[Section]:
    """Heart rate and effort over the runs with the ratio that was run most."""
    names = Counter(name for _, run in dated if (name := progress.ratio(run)) is not None)
    if not names:
        return []
    name = names.most_common(1)[0][0]
    alike = [(day, run) for day, run in dated if progress.ratio(run) == name]
    return [
        _dots(f"Heart rate at {name}", "alike-heart-rate", "bpm", alike, lambda run: run.figures.mean_heart_rate_bpm),
        _dots(f"Effort at {name}", "alike-effort", "of 10", alike, lambda run: run.rpe, span=(0, 10)),
    ]


def _recovery(dated: Sequence[tuple[date, Run]], ran: Sequence[Run]) -> list[Section]:
    said = in_words(trend(ran))
    return [
        _dots(
            "Recovery in walk breaks",
            "drop",
            "bpm",
            dated,
            lambda run: recovery(run.figures).drop_60_bpm,
            more=f"How far heart rate comes down in a minute of walking. {said}",
        ),
        _dots(
            "Time to ready",
            "ready",
            "s",
            dated,
            lambda run: recovery(run.figures).ready_after_s,
            more="How long a walk takes until heart rate is down enough.",
        ),
    ]


def _dots(
    title: str,
    name: str,
    unit: str,
    dated: Sequence[tuple[date, Run]],
    value: Callable[[Run], float | None],
    *,
    span: tuple[float, float] | None = None,
    more: str = "",
) -> Section:
    """A dot for each run that has this number, and a line through the middle of the runs around it."""
    known = [(day, number) for day, run in dated if (number := value(run)) is not None]
    if len(known) < LEAST_RUNS:
        return Section(title, f"{more} It takes two runs with this number to draw it.".strip())
    numbers = [number for _, number in known]
    middle = [median(numbers[max(n - SMOOTHED_OVER // 2, 0) : n + SMOOTHED_OVER // 2 + 1]) for n in range(len(numbers))]

    def draw(sheet: Sheet) -> None:
        axes, at = sheet.axes, [day.toordinal() for day, _ in known]
        axes.plot(at, numbers, "o", color=WALK, alpha=0.55, markersize=4 if sheet.narrow else 5, markeredgewidth=0)
        axes.plot(at, middle, color=WALK, linewidth=2.2)
        low, high = span or _room(numbers)
        axes.set_ylim(low, high)
        axes.locator_params("y", nbins=5, integer=True)
        _date_axis(sheet, known[0][0], known[-1][0])

    change = f"{middle[0]:.3g} {unit} at first, {middle[-1]:.3g} {unit} now."
    text = f"{more} {change}".strip()
    keys = [Key("●", "walk", "a run"), Key("—", "walk", f"the middle of {SMOOTHED_OVER} runs")]
    return Section(title, text, plot.drawing(name, f"{title}. {text}", draw, height_pt=190, unit=unit, keys=keys))


def _room(numbers: Sequence[float]) -> tuple[float, float]:
    """Some air above and below, so that a beat more or less does not look like a mountain."""
    air = max(0.25 * (max(numbers) - min(numbers)), 4.0)
    return max(min(numbers) - air, 0), max(numbers) + air


def _date_axis(sheet: Sheet, first: date, last: date) -> None:
    """The first of months, or of every few, with their years; days where it is only some weeks, else years."""
    axes = sheet.axes
    days = max((last - first).days, 1)
    axes.set_xlim(first.toordinal() - 0.03 * days, last.toordinal() + 0.03 * days)
    most = max(int(sheet.width_pt / 60), 2)
    if days <= 70:
        each = 7 * max(ceil(days / 7 / most), 1) if days >= 14 else max(ceil(days / most), 1)
        ticks = [first + timedelta(days=n) for n in range(0, days + 1, each)]
        labels = [f"{tick.day} {MONTHS[tick.month - 1][:3]}" for tick in ticks]
    elif days >= BY_MONTH_DAYS:
        each = ceil((last.year - first.year) / most)
        ticks = [date(year, 1, 1) for year in range(first.year, last.year + 1, each) if first <= date(year, 1, 1)]
        labels = [f"{tick.year}" for tick in ticks]
    else:
        months = [
            (year, month)
            for year in range(first.year, last.year + 1)
            for month in range(1, 13)
            if first <= date(year, month, 1) <= last
        ]
        ticks = [date(year, month, 1) for year, month in months[:: ceil(len(months) * 75 / sheet.width_pt)]]
        years = [None, *(tick.year for tick in ticks)]
        labels = [
            f"{MONTHS[tick.month - 1][:3]}{f' {tick.year}' if tick.year != before else ''}"
            for before, tick in zip(years, ticks, strict=False)
        ]
    axes.set_xticks([tick.toordinal() for tick in ticks], labels)


# -- the ladder --


def _ladder(dated: Sequence[tuple[date, Run]]) -> Section:
    title = "Up the ladder"
    names = [f"{run}:{walk}" for run, walk in LADDER]
    climbed = [(day, names.index(name)) for day, run in dated if (name := progress.ratio(run)) in names]
    if len(climbed) < LEAST_RUNS:
        return Section(title, "Plans with one run and one walk stand on the ladder; it takes two runs to draw it.")
    low, high = min(rung for _, rung in climbed), max(rung for _, rung in climbed)

    def draw(sheet: Sheet) -> None:
        axes, at = sheet.axes, [day.toordinal() for day, _ in climbed]
        axes.step(at, [rung for _, rung in climbed], where="post", color=RUN, linewidth=1.8)
        axes.plot(at, [rung for _, rung in climbed], "o", color=RUN, markersize=4, markeredgewidth=0)
        rungs = range(max(low - 1, 0), min(high + 1, len(LADDER) - 1) + 1)
        axes.set_ylim(rungs[0] - 0.4, rungs[-1] + 0.4)
        axes.set_yticks(list(rungs), [names[rung] for rung in rungs])
        _date_axis(sheet, climbed[0][0], climbed[-1][0])

    first, last = names[climbed[0][1]], names[climbed[-1][1]]
    highest = f"; the highest rung was {names[high]}" if high != climbed[-1][1] else ""
    text = f"Began at {first}, now at {last}{highest}."
    return Section(title, text, plot.drawing("ladder", f"{title}. {text}", draw, height_pt=200, unit="run:walk"))


# -- days --


def _calendar(dated: Sequence[tuple[date, Run]]) -> Section:
    title = "Days"
    if not dated:
        return Section(title, "No run with a date so far.")
    minutes: defaultdict[date, float] = defaultdict(float)
    estimated: set[date] = set()
    for day, run in dated:
        minutes[day] += run.minutes
        if run.session.date_estimated:
            estimated.add(day)
    monday, newest = (day - timedelta(days=day.weekday()) for day in (dated[0][0], dated[-1][0]))
    longest = max(minutes.values())

    def draw(sheet: Sheet) -> None:
        axes = sheet.axes
        most = CALENDAR_WEEKS_NARROW if sheet.narrow else CALENDAR_WEEKS
        first = max(monday, newest - timedelta(weeks=most - 1))
        begins = [first + timedelta(weeks=n) for n in range((newest - first).days // 7 + 1)]
        side_pt = min(sheet.width_pt / max(len(begins), 12), sheet.height_pt / 7)
        axes.set_xlim(-0.5, sheet.width_pt / side_pt - 0.5)
        axes.set_ylim(6.5, 6.5 - sheet.height_pt / side_pt)
        axes.grid(visible=False)
        axes.spines["bottom"].set_visible(False)
        for week, begin in enumerate(begins):
            for weekday in range(7):
                draw_day(axes, week, weekday, begin + timedelta(days=weekday))
        axes.set_yticks(range(0, 7, 2), [WEEKDAYS[n][:2] for n in range(0, 7, 2)])
        months = [week for week, begin in enumerate(begins) if begin.day <= 7] or [0]
        months = months[:: ceil(len(months) * 34 / (len(begins) * side_pt))]
        axes.set_xticks(months, [MONTHS[begins[week].month - 1][:3] for week in months])
        axes.tick_params(length=0)

    def draw_day(axes: Axes, week: int, weekday: int, day: date) -> None:
        from matplotlib.patches import FancyBboxPatch

        ran = minutes.get(day)
        square = FancyBboxPatch((week - 0.4, weekday - 0.4), 0.8, 0.8, "round,pad=0,rounding_size=0.15", linewidth=0)
        square.set_facecolor(GRID if ran is None else RUN)
        square.set_alpha(0.55 if ran is None else 0.3 + 0.7 * ran / longest)
        axes.add_patch(square)
        if day in estimated:
            axes.plot(week, weekday, "o", color=PAPER, markersize=3, markeredgewidth=0)

    often = Counter(day.weekday() for day in minutes)
    favourite = WEEKDAYS[often.most_common(1)[0][0]]
    text = f"{len(minutes)} day{'s' if len(minutes) != 1 else ''} with a run, most often a {favourite}. "
    text += "The stronger the colour, the longer."
    weeks = (newest - monday).days // 7 + 1
    if weeks > CALENDAR_WEEKS:
        text += f" Drawn are the newest {CALENDAR_WEEKS} weeks of {weeks}, on a phone {CALENDAR_WEEKS_NARROW}."
    elif weeks > CALENDAR_WEEKS_NARROW:
        text += f" On a phone the newest {CALENDAR_WEEKS_NARROW} weeks of {weeks} are drawn."
    keys = [Key("•", "muted", "with a dot: the date is estimated")] if estimated else []
    drawn = plot.drawing("calendar", f"Calendar. {text}", draw, height_pt=170, keys=keys)
    return Section(title, text, drawn)


# -- one's own bests --


def _bests(ran: Sequence[Run], *, imperial: bool) -> Section:
    title = "Your own bests"
    best = progress.records(ran)
    by_id = {run.session.id: run for run in ran}

    def row(name: str, held: Best | None, shown: Callable[[float], str]) -> list[tuple[str, str, str]]:
        if held is None:
            return []
        run = by_id[held.run_id]
        when = "without a date" if run.day is None else _day(run.day)
        return [(name, shown(held.value), f"{when}{' (estimated)' if run.session.date_estimated else ''}")]

    rows = [
        *row("Longest time", best.elapsed_s, clock),
        *row("Farthest", best.distance_m, lambda metres: " ".join(page.length(metres, imperial=imperial))),
        *row("Longest run without a walk", best.longest_run_s, clock),
        *row("Fastest recovery", best.ready_after_s, lambda seconds: f"{seconds:.0f} s"),
        *row("Largest drop in a minute", best.drop_60_bpm, lambda bpm: f"{bpm:.0f} bpm"),
    ]
    if not rows:
        return Section(title, "They begin with your next run.")
    columns = [Column("Best", words=True), Column("", words=False), Column("When", words=True)]
    return Section(title, "Against yourself, nobody else.", page.table(title, columns, rows))
