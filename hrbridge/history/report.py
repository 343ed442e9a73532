"""One run as a page: how it went, what hrbridge did about it, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from math import ceil, floor
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from hrbridge.config import Plan, SegmentKind, Units
from hrbridge.control import plan as plans
from hrbridge.control import words
from hrbridge.control.progress import RUNNING
from hrbridge.decisions import CueKind, Phase, Reason, Trust
from hrbridge.history import page, plot, progress, said
from hrbridge.history.course import HOLE_S, Course, Foretold, Said, course
from hrbridge.history.export import whole_file
from hrbridge.history.figures import REACTION_S, Figures, WalkFigures
from hrbridge.history.figures import figures as figures_of
from hrbridge.history.page import Column, Section, Tile, clock
from hrbridge.history.plot import EASY, GRID, INK, MUTED, PAPER, RUN, SURGE, WALK, Key, Sheet
from hrbridge.history.runs import Run, coached
from hrbridge.journal import End, Journal, Kind, Note, Session

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAND = {
    Phase.WARMUP: EASY,
    Phase.COOLDOWN: EASY,
    Phase.RUN: RUN,
    Phase.SURGE: SURGE,
    Phase.WALK: WALK,
    Phase.PAUSED: GRID,
}
# A shorter doubt is a stumble of the strap, and would be a hair on the page.
DOUBT_AT_LEAST_S = 5.0
# More points than this are closer together than a line is wide.
MOST_POINTS = 2500
# More than this many times make a cell of a table a page of its own.
MOST_TIMES = 8
# So long heart rate must stay low enough for a walk to count as recovered.
HOLD_S = 5

K, R = CueKind, Reason
# What a reason means to the runner; never a fault, never a diagnosis.
MEANING: dict[Reason, str] = {
    R.PLANNED: "As the plan says.",
    R.RECOVERED: "Heart rate had come down for what follows, or the strap was back.",
    R.NOT_RECOVERED: "Heart rate was still on its way down, so the walk got easier or longer.",
    R.WALK_CAP: "The walk was as long as a walk may become.",
    R.HEART_RATE_CEILING: "Heart rate was at the ceiling or close to it: easier, or walking first.",
    R.FORECAST_CEILING: "Heart rate was about to reach the ceiling: easier, or walking just before it.",
    R.RPE_HIGH: "Your effort was above the target of the plan, so there was more walking.",
    R.RPE_LIMIT: "Your effort was far above the target of the plan, so a walk came at once.",
    R.TREND: "Heart rate at the end of the walks had crept up, so there was more walking.",
    R.RESTORED: "Cycles had gone well: one step back towards the plan.",
    R.EASY_FINISH: "An easy walk was the better end for this day.",
    R.NO_SIGNAL: "Without a heart rate to rely on, the clock led.",
    R.CUE_IGNORED: "The pace had not changed yet, so it was said once more.",
    R.BUDGET: "What the goal time leaves for walking.",
    R.BATTERY: "The battery of the strap was low.",
    R.SAFETY: "Heart rate was outside what the strap or your maximum allows for; walking is right either way.",
    R.COMMAND: "You asked for it.",
}
# What a cue did, beside its time.
DID: dict[CueKind, str] = {
    K.EXTEND_WALK: "longer walk",
    K.EASE_RUN: "easier run",
    K.EASE_WALK: "slower walk",
    K.RATIO: "new ratio",
    K.SIGNAL_LOST: "strap silent",
    K.SIGNAL_BACK: "strap back",
    K.COUNTDOWN: "countdown",
    K.RPE_PROMPT: "effort asked",
}
MARKS: tuple[tuple[str, str, str, frozenset[CueKind]], ...] = (
    ("^", "▲", "longer walk", frozenset({K.EXTEND_WALK})),
    ("v", "▼", "“a little slower”", frozenset({K.EASE_RUN, K.EASE_WALK})),
    ("D", "◆", "early walk", frozenset({K.WALK})),
    ("s", "■", "new ratio, or an easy finish", frozenset({K.RATIO, K.COOLDOWN})),
    ("x", "×", "strap, battery or safety", frozenset({K.SIGNAL_LOST, K.SIGNAL_BACK, K.WARNING, K.BATTERY})),
)
AS_EXPECTED = (R.PLANNED, R.COMMAND, R.NO_SIGNAL)
UNHEARD = ": hrbridge was not there, the cues are what it would have said"


def write(journal: Journal, session: Session, out: Path) -> str:
    """One run of a journal to a file; returns its first line.

    Raises JournalError, OutputError, and UsageError without matplotlib.
    """
    plot.require()
    # Read twice: all steps of a day and a night at once are more than a Pi has room for.
    figures = figures_of(session.header, journal.steps(session.id))
    way = course(session.header.plan, journal.steps(session.id), session.began_at_s)
    run = Run(session, figures, journal.notes().get(session.id, Note()))
    whole_file.write(out, [report(run, way).encode()])
    return first_line(run, way)


def report(run: Run, way: Course) -> str:
    """The page as HTML; needs matplotlib."""
    session, figures = run.session, run.figures
    plan, runner = session.header.plan, session.header.runner
    when = page.day_and_time(run.started, estimated=session.date_estimated)
    sections = [
        _heart_rate(run, way),
        *_ratio(run, way),
        *_walks(figures),
        *_forecast(way),
        *_effort(plan, way, run),
        *_reasons(run, way),
        *_walk_table(run, way),
    ]
    above = f"{when} · plan {plan.name} · {runner.id}{_kind(session)}"
    tiles = _tiles(run, imperial=runner.units is Units.IMPERIAL)
    return page.page(f"{plan.name}, {when}", above, first_line(run, way), tiles, run.note.text, sections)


def _kind(session: Session) -> str:
    match session.kind:
        case Kind.SIMULATED:
            return f" · {session.source or 'simulated runner'}"
        case Kind.REPLAYED:
            return f" · a recording, replayed{'' if coached(session) else UNHEARD}"
        case Kind.IMPORTED:
            return f" · from {session.source}{'' if coached(session) else UNHEARD}"
        case Kind.LIVE:
            return ""


def _untold(run: Run) -> bool:
    """Whether nothing tells running from walking: a recording of heart rate alone."""
    free = plans.is_free(run.session.header.plan)
    return free and run.figures.distance_m is None and not (run.figures.run_s or run.figures.walk_s)


def first_line(run: Run, way: Course) -> str:
    """ "Six of six cycles of 4:1, 47 minutes, effort 5. Recovered in 12 of 14 walks." """
    figures, plan = run.figures, run.session.header.plan
    done = len(way.cycles)
    minutes = f"{figures.elapsed_s / 60:.0f} minutes" if figures.elapsed_s >= 90 else f"{figures.elapsed_s:.0f} s"
    if _untold(run):
        said = f"{minutes} of heart rate"
    elif plans.is_free(plan):
        breaks = len(figures.walks)
        how = f"{words.number(breaks)} walk break{'s' if breaks != 1 else ''}" if breaks else "a run"
        said = f"{how} at your own pace, {minutes}"
    elif done:
        of = f" of {words.number(plan.repeats)}" if plan.repeats is not None else ""
        count = plan.repeats if plan.repeats is not None else done
        said = f"{words.number(done)}{of} cycle{'s' if count != 1 else ''}{_ratio_name(run)}, {minutes}"
    else:
        said = f"{plan.name}, {minutes}{' of warm-up' if figures.warmup_s >= 1 and not figures.main_s else ''}"
    effort = f", effort {run.rpe:.2g}" if run.rpe is not None else ""
    so_far = " so far" if run.session.ended in (None, End.INTERRUPTED) else ""
    judged = figures.walks_judged
    recovered = f" Recovered in {figures.walks_recovered} of {judged} walk{'s' if judged != 1 else ''}."
    return f"{said[:1].upper()}{said[1:]}{so_far}{effort}.{recovered if judged else ''}"


def _ratio_name(run: Run) -> str:
    """ " of 4:1" where the plan is one run and one walk, else of its name; planned, where it came otherwise."""
    plan, figures = run.session.header.plan, run.figures
    is_plain = len(plan.block) == 1 and len(plan.block[0].segments) == 2
    ratio = progress.ratio(run) if is_plain else None
    if ratio is None:
        return f" of {plan.name}"
    as_planned = figures.last_ratio == figures.planned_ratio and not (figures.runs_cut or figures.walks_extended)
    return f" of {ratio}" if as_planned else f", {ratio} planned"


def _tiles(run: Run, *, imperial: bool) -> list[Tile]:
    figures = run.figures
    tiles = [Tile("in all", clock(figures.elapsed_s))]
    if not _untold(run):
        tiles += [Tile("running", clock(figures.run_s)), Tile("walk breaks", clock(figures.walk_s))]
    if figures.distance_m is not None:
        tiles.append(Tile("distance", *page.length(figures.distance_m, imperial=imperial)))
    if figures.mean_heart_rate_bpm is not None:
        tiles.append(Tile("average", f"{figures.mean_heart_rate_bpm:.0f}", "bpm"))
    if figures.peak_heart_rate_bpm is not None:
        tiles.append(Tile("highest", f"{figures.peak_heart_rate_bpm:.0f}", "bpm"))
    if run.rpe is not None:
        tiles.append(Tile("effort", f"{run.rpe:.2g}", "of 10"))
    if figures.completion is not None:
        tiles.append(Tile("of the plan", f"{figures.completion * 100:.0f}", "%"))
    return tiles


# -- heart rate over the phases --


def _heart_rate(run: Run, way: Course) -> Section:
    title, figures, told = "Heart rate", run.figures, not _untold(run)
    known = [point for point in way.points if point.bpm is not None and point.trust is not Trust.NONE]
    if not known:
        return Section(title, "No heart rate came in this run; the clock led it.", "")
    ceilings = [point.ceiling_bpm for point in way.points if point.ceiling_bpm is not None]
    top_bpm = max(point.bpm or 0.0 for point in known)
    bottom_bpm = min(point.bpm or 0.0 for point in known)
    if ceilings:
        top_bpm = max(top_bpm, *ceilings)
    unheard = "" if coached(run.session) else ", unheard"
    marks = [(sign, shape, f"{means}{unheard}", _at_of(way.said, kinds)) for shape, sign, means, kinds in MARKS]
    marks = [mark for mark in marks if mark[3]]

    def draw(sheet: Sheet) -> None:
        axes = sheet.axes
        rows = len(marks)
        span_bpm = max(top_bpm - bottom_bpm, 20)
        axes.set_ylim(bottom_bpm - 0.12 * span_bpm, top_bpm + (0.06 + 0.055 * rows) * span_bpm)
        _time_axis(sheet, way.end_s)
        if told:
            _phase_bands(sheet, way)
        _doubt(axes, way)
        _line(sheet, way)
        _ceiling_line(axes, way)
        for row, (_, shape, _, at_s) in enumerate(marks):
            y_bpm = top_bpm + (0.06 + 0.055 * row) * span_bpm
            axes.plot(
                [s / 60 for s in at_s],
                [y_bpm] * len(at_s),
                shape,
                color=INK,
                markersize=4 if sheet.narrow else 5.5,
                markeredgewidth=1.2,
            )

    spoken = [f"Peak {figures.peak_heart_rate_bpm:.0f} bpm" if figures.peak_heart_rate_bpm is not None else ""]
    if figures.mean_heart_rate_bpm is not None:
        spoken.append(f"mean {figures.mean_heart_rate_bpm:.0f} bpm over runs and walk breaks")
    elif not told:
        spoken.append(f"mean {fmean(point.bpm or 0.0 for point in known):.0f} bpm")
    numbers = ", ".join(part for part in spoken if part)
    above = _above(figures.above_ceiling_s, bool(ceilings))
    text = f"{numbers}. {above}" if numbers else above
    if not told:
        text += " Nothing tells when it was running and when walking."
    doubtful = any(True for _ in _doubtful(way))
    keys = _phase_keys(way) if told else []
    if ceilings:
        keys.append(Key("– –", "muted", "ceiling"))
    if doubtful:
        keys.append(Key("▒", "easy", "heart rate in doubt: nothing was changed"))
    keys += (Key(sign, "ink", means) for sign, _, means, _ in marks)
    drawn = plot.drawing("heart-rate", f"Heart rate over the run. {text}", draw, height_pt=320, unit="bpm", keys=keys)
    return Section(title, text, drawn)


def _above(above_s: float, has_ceiling: bool) -> str:
    if not has_ceiling:
        return "No ceiling was set."
    return f"Above the ceiling for {clock(above_s)}." if above_s >= 1 else "Below the ceiling all the way."


def _at_of(said: Sequence[Said], kinds: frozenset[CueKind]) -> list[float]:
    """When cues of these kinds changed something."""
    always = kinds.isdisjoint({K.WALK, K.COOLDOWN})
    return [
        each.at_s
        for each in said
        if each.cue.kind in kinds
        and (always or each.cue.kind is K.RATIO or each.cue.reason not in (*AS_EXPECTED, R.CUE_IGNORED))
    ]


def _phase_keys(way: Course) -> list[Key]:
    there = {span.phase for span in way.spans}
    keys = [Key("■", "run", "run"), Key("■", "surge", "surge"), Key("■", "walk", "walk")]
    keys = [key for key in keys if Phase(key.means) in there]
    easy = [words.NOUN[phase] for phase in (Phase.WARMUP, Phase.COOLDOWN) if phase in there]
    keys += [Key("■", "easy", " and ".join(easy))] if easy else []
    return keys + ([Key("□", "muted", words.NOUN[Phase.PAUSED])] if Phase.PAUSED in there else [])


def _time_axis(sheet: Sheet, end_s: float) -> None:
    """Minutes, hours from two hours on; as many numbers as have room."""
    axes = sheet.axes
    unit_s, unit = (3600.0, "h") if end_s > 7200 else (60.0, "min")
    most = max(int(sheet.width_pt / 70), 2)
    each = next((n for n in (1, 2, 5, 10, 15, 20, 30) if end_s / unit_s / n <= most), ceil(end_s / unit_s / most))
    ticks = [n * each for n in range(int(end_s / unit_s / each) + 1)]
    axes.set_xlim(0, max(end_s / 60, 0.1))
    axes.set_xticks(
        [tick * unit_s / 60 for tick in ticks], [f"{tick}" for tick in ticks[:-1]] + [f"{ticks[-1]} {unit}"]
    )


def _phase_bands(sheet: Sheet, way: Course) -> None:
    """A ribbon of the phases at the foot, and the walks as a breath of colour over the whole height."""
    axes = sheet.axes
    bottom, top = axes.get_ylim()
    foot = bottom + 0.03 * (top - bottom)
    for phase, colour in BAND.items():
        spans = [(from_s / 60, to_s / 60) for from_s, to_s in way.of(phase)]
        tint = {Phase.RUN: 0.05, Phase.PAUSED: 0.5}.get(phase, 0.13)
        style: dict[str, Any] = {"facecolor": colour, "linewidth": 0}
        plot.boxes(axes, [(left, right, bottom, foot) for left, right in spans], **style)
        plot.boxes(axes, [(left, right, foot, top) for left, right in spans], alpha=tint, zorder=0.5, **style)


def _doubtful(way: Course) -> Iterable[tuple[float, float]]:
    """From, to in seconds; what a pause was like nobody asks."""
    paused = {n for n, span in enumerate(way.spans) if span.phase is Phase.PAUSED}
    for doubt, points in groupby(
        way.points, key=lambda point: point.trust is not Trust.GOOD and point.span not in paused
    ):
        stretch = list(points)
        if doubt and stretch[-1].at_s - stretch[0].at_s >= DOUBT_AT_LEAST_S:
            yield stretch[0].at_s, stretch[-1].at_s


def _doubt(axes: Axes, way: Course) -> None:
    bottom, top = axes.get_ylim()
    spans = [(from_s / 60, to_s / 60, bottom, top) for from_s, to_s in _doubtful(way)]
    plot.boxes(axes, spans, facecolor=EASY, alpha=0.28, linewidth=0, zorder=0.6)


def _line(sheet: Sheet, way: Course, *, doubtful: bool = True) -> None:
    """Trusted heart rate in ink, doubtful in grey; a hole where there was none."""
    every = max(len(way.points) // MOST_POINTS, 1)
    thinned = way.points[::every]
    for good in (True, False) if doubtful else (True,):
        x: list[float] = []
        y: list[float] = []
        for before, point in pairwise([thinned[0], *thinned]):
            shown = point.bpm is not None and point.trust is not Trust.NONE and (point.trust is Trust.GOOD) is good
            hole = point.at_s - before.at_s > HOLE_S + every
            x += [point.at_s / 60] * (2 if hole else 1)
            y += ([float("nan")] if hole else []) + [point.bpm if shown and point.bpm is not None else float("nan")]
        sheet.axes.plot(
            x, y, color=INK if good else EASY, linewidth=(1.1 if sheet.narrow else 1.5) if good else 1.0, zorder=3
        )


def _ceiling_line(axes: Axes, way: Course) -> None:
    levels = [(point.at_s / 60, point.ceiling_bpm) for point in way.points if point.ceiling_bpm is not None]
    if not levels:
        return
    turns = [levels[0]]
    for before, level in pairwise(levels):
        if level[1] != before[1]:
            turns += [(level[0], before[1]), level]
    turns.append(levels[-1])
    axes.plot([at for at, _ in turns], [bpm for _, bpm in turns], color=MUTED, linewidth=1.2, dashes=(5, 3), zorder=2)
    axes.annotate(
        f"ceiling {levels[0][1]:.0f}",
        turns[0],
        (4, 5),
        textcoords="offset points",
        color=MUTED,
        bbox=plot.CLEAR,
        zorder=4,
    )


# -- planned against adapted --


def _ratio(run: Run, way: Course) -> list[Section]:
    title, plan = "Planned and adapted", run.session.header.plan
    if plans.is_free(plan):
        return []
    if all(segment.kind is SegmentKind.WALK for block in plan.block for segment in block.segments):
        return [Section(title, "This plan has no runs, so there is no ratio of running and walking.")]
    if not way.cycles:
        return []

    def draw(sheet: Sheet) -> None:
        axes = sheet.axes
        at = list(enumerate(way.cycles, start=1))
        bar: dict[str, Any] = {"linewidth": 0, "alpha": 0.85}
        plot.boxes(axes, [(n - 0.36, n + 0.36, 0, c.run_s / 60) for n, c in at], facecolor=RUN, **bar)
        plot.boxes(axes, [(n - 0.36, n + 0.36, -c.walk_s / 60, 0) for n, c in at], facecolor=WALK, **bar)
        planned = [(n, s) for n, c in at for s in (c.ratio.planned_run_s / 60, -c.ratio.planned_walk_s / 60)]
        plot.strokes(axes, [(n - 0.5, y, n + 0.5, y) for n, y in planned], color=INK, linewidth=1.6, zorder=3)
        moved = [(n, c.ratio.run_s / 60) for n, c in at if c.ratio.run_s != c.ratio.planned_run_s]
        moved += [(n, -c.ratio.walk_s / 60) for n, c in at if c.ratio.walk_s != c.ratio.planned_walk_s]
        axes.plot(
            [n for n, _ in moved],
            [y for _, y in moved],
            "o",
            markersize=_dot_pt(sheet, len(way.cycles), 5),
            markerfacecolor=PAPER,
            markeredgecolor=INK,
            markeredgewidth=1.2,
            zorder=4,
        )
        axes.axhline(0, color=PAPER, linewidth=2, zorder=3)
        plot.count_axis(sheet, len(way.cycles), "cycle")
        low, high = axes.get_ylim()
        most = max(high, -low)
        step = next((n for n in (0.25, 0.5, 1, 2, 5, 10, 20, 30, 60) if most / n <= 5), 120)
        ticks = [n * step for n in range(floor(low / step), ceil(high / step) + 1)]
        axes.set_ylim(ticks[0], ticks[-1])
        axes.set_yticks(ticks, [f"{abs(tick):g}" if step >= 1 else clock(60 * abs(tick)) for tick in ticks])

    text = " ".join(part for part in (_set(run.figures, way), _counted(run)) if part)
    keys = [
        Key("■", "run", "minutes run"),
        Key("■", "walk", "minutes walked"),
        Key("—", "ink", "planned"),
        Key("○", "ink", "set by hrbridge"),
    ]
    drawn = plot.drawing("ratio", f"Running and walking by cycle. {text}", draw, unit="min", keys=keys)
    return [Section(title, text, drawn)]


def _set(figures: Figures, way: Course) -> str:
    """What the ratio was, what it became, and what was done."""
    if figures.planned_ratio is None or figures.last_ratio is None:
        return ""
    planned, last = (
        f"{clock(run_s)} running, {clock(walk_s)} walking"
        for run_s, walk_s in (figures.planned_ratio, figures.last_ratio)
    )
    came = "So it stayed to the end." if last == planned else f"Set by hrbridge for the last cycle: {last}."
    run_s, walk_s = median(c.run_s for c in way.cycles), median(c.walk_s for c in way.cycles)
    return f"Planned: {planned}. {came} Done in a usual cycle: {clock(run_s)} running, {clock(walk_s)} walking."


def _counted(run: Run) -> str:
    """How often hrbridge gave more walking."""
    cut, longer = run.figures.runs_cut, run.figures.walks_extended
    if not (cut or longer):
        return ""
    if not coached(run.session):
        return f"hrbridge would have called {cut} walk{'s' if cut != 1 else ''} early and made {longer} longer."
    parts = [f"{cut} walk{'s' if cut != 1 else ''} came early"] if cut else []
    parts += [f"{longer} {'were' if longer != 1 else 'was'} made longer"] if longer else []
    said = " and ".join(parts)
    return f"{said}." if cut else f"{longer} walk{'s' if longer != 1 else ''} became longer."


def _dot_pt(sheet: Sheet, count: int, most_pt: float) -> float:
    """How large dots may be that stand side by side."""
    return min(most_pt, max(0.7 * sheet.width_pt / max(count, 1), 2.5))


# -- the walks --


def _judged(walk: WalkFigures, ceiling_bpm: float | None) -> str:
    """Where the drop alone does not tell, with what did."""
    if walk.walked is False:
        return "you ran on"
    if walk.recovered is None:
        return "left open"
    enough = walk.drop_bpm is None or round(walk.drop_bpm) >= round(walk.required_drop_bpm or 0.0)
    if walk.recovered:
        return "recovered" if enough else f"recovered: low enough at {_whole(walk.end_bpm)}"
    if not enough:
        return "still coming down"
    above = walk.end_bpm is not None and ceiling_bpm is not None and walk.end_bpm > ceiling_bpm
    return "above the ceiling" if above else f"not yet for {HOLD_S} s"


def _walks(figures: Figures) -> list[Section]:
    title = "Each walk's drop"
    shown = [
        (number, walk)
        for number, walk in enumerate(figures.walks, start=1)
        if walk.drop_bpm is not None and walk.required_drop_bpm is not None and walk.recovered is not None
    ]
    if not shown:
        return []

    def draw(sheet: Sheet) -> None:
        axes = sheet.axes
        drop = {number: max(walk.drop_bpm or 0.0, 0.0) for number, walk in shown}
        size_pt = _dot_pt(sheet, len(figures.walks), 8)
        plot.strokes(axes, [(n, 0, n, y) for n, y in drop.items()], color=WALK, linewidth=size_pt / 4)
        for recovered in (True, False):
            some = [number for number, walk in shown if walk.recovered is recovered]
            axes.plot(
                some,
                [drop[number] for number in some],
                "o",
                markersize=size_pt,
                markerfacecolor=WALK if recovered else PAPER,
                markeredgecolor=WALK,
                markeredgewidth=size_pt / 4,
                zorder=3,
            )
        asked = [(number, walk.required_drop_bpm or 0.0) for number, walk in shown]
        plot.strokes(axes, [(n - 0.35, y, n + 0.35, y) for n, y in asked], color=INK, linewidth=1.6, zorder=4)
        axes.set_ylim(0, None)
        plot.count_axis(sheet, len(figures.walks), "walk")

    drops = [walk.drop_bpm or 0.0 for _, walk in shown]
    text = (
        f"Heart rate came down by {fmean(drops):.0f} bpm in a walk on average, {max(drops):.0f} at most; "
        f"recovered in {figures.walks_recovered} of {figures.walks_judged}."
    )
    if figures.finisher_drop_60_bpm is not None:
        text += f" In the minute after the last run it came down by {figures.finisher_drop_60_bpm:.0f} bpm."
    keys = [
        Key("●", "walk", "drop at the end of the walk: recovered, by it or by being low enough"),
        Key("○", "walk", "still coming down"),
        Key("—", "ink", "what was asked for by then"),
    ]
    drawn = plot.drawing("drops", text, draw, unit="bpm", keys=keys)
    return [Section(title, text, drawn)]


# -- forecast --


def _forecast(way: Course) -> list[Section]:
    title = "Foretold and come true"
    ways = {
        "walks, 30 s ahead": [f for f in way.foretold if f.phase is Phase.WALK],
        "runs, 10 s ahead": [f for f in way.foretold if f.phase in RUNNING],
    }
    known = [(name, found) for name, found in ways.items() if found]
    if not known:
        return []
    said = " and ".join(f"{mean_error_bpm(found):.1f} bpm in {name}" for name, found in known)
    within = sum(f.low_bpm <= f.came_bpm <= f.high_bpm for f in way.foretold) / len(way.foretold)
    text = (
        f"On average the forecast was off by {said}. "
        f"{within * 100:.0f} % of what came lay in the range it gave; it aims at 80 %."
    )

    def draw(sheet: Sheet) -> None:
        axes = sheet.axes
        least_s = way.end_s / sheet.width_pt * 4
        axes.set_ylim(*_range_of(way.foretold))
        _time_axis(sheet, way.end_s)
        _line(sheet, way, doubtful=False)
        for colour, group in ((WALK, known_of(Phase.WALK)), (RUN, known_of(*RUNNING))):
            some = _spaced(group, least_s)
            at = [f.at_s / 60 for f in some]
            ranges = [(f.at_s / 60, f.low_bpm, f.at_s / 60, f.high_bpm) for f in some]
            plot.strokes(axes, ranges, color=colour, alpha=0.25, linewidth=2.5)
            axes.plot(at, [f.forecast_bpm for f in some], "o", color=colour, markersize=3.2, zorder=4)

    def known_of(*phases: Phase) -> list[Foretold]:
        return [f for f in way.foretold if f.phase in phases]

    keys = [Key("—", "ink", "what came")]
    if known_of(Phase.WALK):
        keys.append(Key("●", "walk", "foretold 30 s before, walking, with its range"))
    if known_of(*RUNNING):
        keys.append(Key("●", "run", "foretold 10 s before, running, with its range"))
    drawn = plot.drawing("forecast", f"Forecast and heart rate. {text}", draw, height_pt=280, unit="bpm", keys=keys)
    return [Section(title, text, drawn)]


def mean_error_bpm(found: Sequence[Foretold]) -> float:
    """How far off, on average, either way."""
    return fmean(abs(each.forecast_bpm - each.came_bpm) for each in found)


def _range_of(found: Sequence[Foretold]) -> tuple[float, float]:
    """Round what came and what was foretold; one wild range must not flatten the rest."""
    lows = [min(f.forecast_bpm, f.came_bpm) for f in found]
    highs = [max(f.forecast_bpm, f.came_bpm) for f in found]
    return min(lows) - 6, max(highs) + 6


def _spaced(found: Sequence[Foretold], least_s: float) -> list[Foretold]:
    """As many as have room side by side."""
    kept: list[Foretold] = []
    for each in found:
        if not kept or each.at_s - kept[-1].at_s >= least_s:
            kept.append(each)
    return kept


# -- effort --


def _effort(plan: Plan, way: Course, run: Run) -> list[Section]:
    title, after_rpe = "Effort", run.note.rpe
    low, high = plan.rpe_target
    note = replace(run.note, text="")  # it stands above
    after = f"Afterwards you said: {said.in_words(note)}." if note != Note() else ""
    if not way.efforts and after_rpe is None:
        return [Section("How it was", after)] if after else []

    def draw(sheet: Sheet) -> None:
        axes = sheet.axes
        axes.axhspan(low, high, color=EASY, alpha=0.18, linewidth=0)
        axes.annotate(
            f"target {low:g} to {high:g}",
            (0, low),
            (6, 3),
            color=MUTED,
            textcoords="offset points",
        )
        axes.plot(
            [at_s / 60 for at_s, _ in way.efforts],
            [n for _, n in way.efforts],
            "-o",
            color=INK,
            markersize=6,
            linewidth=1,
            markeredgecolor=PAPER,
        )
        least_s, last_s = way.end_s / sheet.width_pt * 24, float("-inf")
        for at_s, n in way.efforts:
            if at_s - last_s >= least_s:
                axes.annotate(f"{n:g}", (at_s / 60, n), (0, 8), textcoords="offset points", ha="center", color=INK)
                last_s = at_s
        if after_rpe is not None:
            at = way.end_s / 60, after_rpe
            axes.plot(*at, "o", markersize=7, color=PAPER, markeredgecolor=INK, markeredgewidth=1.4, clip_on=False)
            axes.annotate(f"{after_rpe:g}", at, (0, 8), textcoords="offset points", ha="right", color=INK)
        axes.set_ylim(0, 10.5)
        axes.set_yticks([0, 2, 4, 6, 8, 10])
        _time_axis(sheet, way.end_s)

    inside = sum(low <= n <= high for _, n in way.efforts)
    count = len(way.efforts)
    on_the_way = f"{inside} of {count} report{'s' if count != 1 else ''} in the target of {low:g} to {high:g}."
    text = " ".join(part for part in (on_the_way if count else "", after) if part)
    keys = [Key("●", "ink", "on the way")] if count and after_rpe is not None else []
    keys += [Key("○", "ink", "afterwards, of the whole run")] if after_rpe is not None else []
    told = f"Reported effort over the run. {text}"
    drawn = plot.drawing("effort", told, draw, height_pt=200, unit="of 10", keys=keys)
    return [Section(title, text, drawn)]


# -- tables --


def _reasons(run: Run, way: Course) -> list[Section]:
    """The start of a recording is no cue, and the start of a run that ended at once no table."""
    heard = coached(run.session)
    reasons = {R(reason): n for reason, n in run.figures.reasons.items() if heard or reason != R.COMMAND}
    if not reasons.keys() - {R.COMMAND}:
        return []
    when: defaultdict[Reason, list[str]] = defaultdict(list)
    for each in way.said:
        did = DID.get(each.cue.kind, words.NOUN.get(Phase(each.cue.kind), "") if each.cue.kind in [*Phase] else "")
        when[each.cue.reason].append(f"{clock(each.at_s)} {did or each.cue.kind.replace('_', ' ')}")
    rows = [
        (
            reason.replace("_", " "),
            MEANING[reason],
            f"{count}",
            "throughout" if reason is R.PLANNED else _times(when[reason]),
        )
        for reason, count in sorted(reasons.items(), key=lambda item: -item[1])
    ]
    title = "Why"
    own = sum(count for reason, count in reasons.items() if reason not in (R.PLANNED, R.COMMAND))
    total = sum(reasons.values())
    text = f"{total} cue{'s' if total != 1 else ''}, {own} of them for a reason of the day. Each has one reason."
    if not heard:
        text = f"What hrbridge would have said: {text}"
    columns = [
        Column("Reason", words=True, extra=True),
        Column("What it means", words=True),
        Column("Cues"),
        Column("When", words=True),
    ]
    return [Section(title, text, page.table("Reasons", columns, rows))]


def _times(when: Sequence[str]) -> str:
    more = len(when) - MOST_TIMES
    return ", ".join(when[:MOST_TIMES]) + (f" and {more} more" if more > 0 else "")


def _walk_table(run: Run, way: Course) -> list[Section]:
    title, figures, began_at_s = "The walk breaks", run.figures, run.session.began_at_s
    if not figures.walks:
        return []
    columns = [
        Column("#"),
        Column("At"),
        Column("Walked"),
        Column("Planned", extra=True),
        Column("Peak", extra=True),
        Column("Drop"),
        Column("Asked for"),
        Column("Drop at 60 s", extra=True),
        Column("Ready after"),
        Column("", words=True),
    ]
    ceiling_bpm = {round(point.at_s): point.ceiling_bpm for point in way.points}
    runner, control, heard = run.session.header.runner, run.session.header.control, coached(run.session)
    ready_bpm = runner.resting_bpm + control.ready_hrr * runner.reserve_bpm
    rows = [
        (
            f"{number}",
            clock(walk.at_s - began_at_s),
            clock(walk.for_s),
            "–" if walk.planned_s is None else clock(walk.planned_s),
            _whole(walk.peak_bpm),
            _whole(walk.drop_bpm),
            _whole(walk.required_drop_bpm),
            _whole(walk.drop_60_bpm),
            "–" if walk.ready_after_s is None else f"{walk.ready_after_s:.0f} s",
            _judged(walk, ceiling_bpm.get(round(walk.at_s + walk.for_s - began_at_s)))
            + (", hill" if walk.hill else "")
            + (
                f", begun {REACTION_S + walk.overrun_s:.0f} s after the cue"
                if heard and walk.walked and walk.overrun_s
                else ""
            ),
        )
        for number, walk in enumerate(figures.walks, start=1)
    ]
    text = (
        "Heart rate in bpm; a dash where it could not be relied on, or where the walk was too short to tell. "
        f"Recovered: down by what was asked for, or at {ready_bpm:.0f} bpm or less, for {HOLD_S} s, and not above the "
        "ceiling."
    )
    return [Section(title, text, page.table(title, columns, rows))]


def _whole(number: float | None) -> str:
    return "–" if number is None else f"{number:.0f}".replace("-", "−")
