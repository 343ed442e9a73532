"""The plan of a session: found by name or path, and walked through segment by segment."""

from __future__ import annotations

import copy
import re
from itertools import pairwise
from math import inf, isclose
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hrbridge import config
from hrbridge.config import Block, Plan, PlanTable, Segment, SegmentKind, WalkInstead
from hrbridge.control import words
from hrbridge.control.budget import Goal
from hrbridge.control.movement import CHANGE_M_S
from hrbridge.decisions import Phase
from hrbridge.errors import ConfigError

METRES_PER_MILE = 1609.344
# Paces for a segment by distance when neither a sensor nor the plan knows better: 7:30 and 11:10 min/km.
DEFAULT_RUN_M_S = 2.2
DEFAULT_WALK_M_S = 1.5
# The finisher of the articles: 30 to 60 s of walking per mile covered.
FINISHER_S_PER_MILE = 45.0
FINISHER_WITHOUT_DISTANCE_S = 120.0
# A last run shorter than this is not worth starting.
MIN_RUN_S = 20.0
# A mark so near has just been walked through: two walks with a stump of a run between them help nobody.
MIN_RUN_TO_MARK_S = 60.0
# Sums of distances differ by less.
SAME_PLACE_M = 0.01
# Brisk walking in the articles: 2.5 to 4 mph, and an effort in which one can still talk.
BRISK_M_S = (1.12, 1.79)
BRISK_RPE = (3.0, 5.0)
# In the articles 15 minutes of walking stand for 5 of running.
WALK_FOR_RUN = 3.0
# Ratios of running to walking, from easy to hard: those of the articles, with 1:4 and 1:3 for the return from injury
# and 9:1 and 10:1 for long runs.
LADDER = ((1, 4), (1, 3), (1, 2), (1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (9, 1), (10, 1))
# A plan given as a ratio: three times 30 minutes a week are the articles' habit.
RATIO_TOTAL_S = 1800.0
RATIO = re.compile(r"([\d.]+):([\d.]+)|([\d.]+)(s|m|min|)/([\d.]+)(s|m|min|)")

USUAL = "easy-4-1"
# A session has one end: whoever gives another replaces the plan's own.
ENDS: dict[str, Any] = dict.fromkeys(("total_s", "repeats", "distance_m"))

PHASE_OF = {SegmentKind.RUN: Phase.RUN, SegmentKind.SURGE: Phase.SURGE, SegmentKind.WALK: Phase.WALK}


def folder() -> Path:
    """Where the shipped plans lie: inside the installed package, or beside it in a checkout."""
    installed = Path(config.__file__).parent / "configs" / "plans"
    return installed if installed.is_dir() else Path(config.__file__).parent.parent / "configs" / "plans"


def names() -> list[str]:
    """The names of the shipped plans, in alphabetical order."""
    return sorted(path.stem for path in folder().glob("*.toml"))


def load(name_or_path: str | Path) -> Plan:
    """A shipped plan by name, a plan file by path, or the plan of a ratio (see ``ratio_s``); raises ConfigError."""
    return _worked_out(_read(str(name_or_path)), str(name_or_path))


def _read(text: str) -> Plan:
    """The plan as it is written."""
    if (ratio := ratio_s(text)) is not None:
        return _valid(_of_ratio(*ratio), f'plan "{text}"')
    path = Path(text) if is_path(text) else folder() / f"{text}.toml"
    if not is_path(text) and not path.is_file():
        raise ConfigError(
            f'plan "{text}": no such plan; allowed: {", ".join(names())}, '
            'a ratio like "4:1" or "60/120s", or the path of a plan file'
        )
    raw = config.read_toml(path)
    if "runner" in raw:
        raise ConfigError(f"{path}: not a plan: it has a [runner]; for a configuration: hrbridge config check {path}")
    return _checked(config.convert(raw, Plan, str(path)), str(path))


def is_path(name_or_path: str) -> bool:
    """Whether this names a plan file rather than a shipped plan or a ratio."""
    return ratio_s(name_or_path) is None and ("/" in name_or_path or name_or_path.endswith(".toml"))


def ratio_s(text: str) -> tuple[float, float] | None:
    """Seconds of running and of walking in a ratio: "4:1" counts minutes, "60/120" seconds. None for other text."""
    match = RATIO.fullmatch(text)
    if match is None:
        return None
    run, walk, run_part, run_unit, walk_part, walk_unit = match.groups()
    per_run = per_walk = 60.0
    if run is None:
        run, walk = run_part, walk_part
        per_run, per_walk = (60.0 if u.startswith("m") else 1.0 for u in (run_unit or walk_unit, walk_unit or run_unit))
    try:
        return float(run) * per_run, float(walk) * per_walk
    except ValueError:  # "1.2.3"
        return None


def _of_ratio(run_s: float, walk_s: float) -> Plan:
    """An easy half hour in this ratio, named after it."""
    usual = _read(USUAL)
    total_s = max(RATIO_TOTAL_S, run_s + walk_s)
    return replace(usual, name=_ratio_name(run_s, walk_s), total_s=total_s, block=(_run_walk(run_s, walk_s),))


def _run_walk(run_s: float, walk_s: float) -> Block:
    return Block(segments=(Segment(SegmentKind.RUN, for_s=run_s), Segment(SegmentKind.WALK, for_s=walk_s)))


def _ratio_name(run_s: float, walk_s: float) -> str:
    """ "4:1" in whole minutes, else "90/30s"."""
    if run_s % 60 == 0 and walk_s % 60 == 0:
        return f"{run_s / 60:g}:{walk_s / 60:g}"
    return f"{run_s:g}/{walk_s:g}s"


def resolve(table: PlanTable, directory: Path | None = None) -> Plan:
    """The plan of a ``[plan]`` table: the one named in ``use``, with every other key given there in place of its own.

    Without ``use`` the blocks given there, or else the usual plan. A relative
    path in ``use`` starts at ``directory``. Raises ConfigError.
    """
    if not table.use and table.block is not None:
        return _worked_out(_checked(Plan(**table.given), "[plan]"), "[plan]")
    named = table.use or USUAL
    if directory is not None and is_path(named):
        named = str(directory / named)
    try:
        plan = _read(named)
    except ConfigError as error:
        raise ConfigError(f"[plan] use: {error}") from None
    return amend(plan, table)


def amend(plan: Plan, table: PlanTable) -> Plan:
    """``plan`` with the keys of a ``[plan]`` table put in place of its own; raises ConfigError."""
    given = table.given
    if given.keys() & ENDS.keys():
        given = {**ENDS, **given}
    return _worked_out(_checked(replace(plan, **given), "[plan]"), "[plan]")


def _checked(plan: Plan, place: str) -> Plan:
    """Refuse what no single key can show to be wrong."""
    for number, block in enumerate(plan.block, start=1):
        if block.until is not None and block.until.endswith("%") and _endless(plan):
            raise ConfigError(f"{place}: [block {number}] until: a percentage needs total_s, repeats or distance_m")
        last_m = max((segment.at_m[-1] for segment in block.segments if segment.at_m is not None), default=0.0)
        if plan.distance_m is not None and last_m > plan.distance_m:
            beyond = f"{last_m:g} lies beyond distance_m = {plan.distance_m:g}"
            raise ConfigError(f"{place}: [block {number}] at_m: {beyond}")
    _check_goal(plan, place)
    return plan


def _check_goal(plan: Plan, place: str) -> None:
    """A goal that cannot be reached is no mistake; one that cannot be reckoned is."""
    if plan.goal_time_s is None:
        if plan.goal_distance_m is not None:
            raise ConfigError(f"{place}: goal_distance_m: has no effect without goal_time_s")
        return
    if plan.goal_distance_m is None and plan.distance_m is None:
        raise ConfigError(f"{place}: goal_time_s: needs goal_distance_m, or distance_m")
    if plan.run_pace_s_per_km is None:
        raise ConfigError(f"{place}: goal_time_s: needs run_pace_s_per_km, the pace you can hold to the end")
    if goal(plan) is None:
        walk_s_per_km = round(1000 / speed_m_s(plan, walking=True))
        raise ConfigError(
            f"{place}: run_pace_s_per_km: {plan.run_pace_s_per_km:g} is not allowed with goal_time_s; "
            f"allowed: less than walk_pace_s_per_km, {walk_s_per_km}"
        )


def goal(plan: Plan) -> Goal | None:
    """What the walk budget is reckoned from; None without a goal, or when running is no faster than walking.

    Without ``goal_distance_m`` over ``distance_m``; without ``walk_pace_s_per_km`` at a usual walk.
    """
    distance_m = plan.goal_distance_m if plan.goal_distance_m is not None else plan.distance_m
    run_m_s, walk_m_s = speed_m_s(plan, walking=False), speed_m_s(plan, walking=True)
    if plan.goal_time_s is None or distance_m is None or run_m_s <= walk_m_s:
        return None
    return Goal(plan.goal_time_s, distance_m, run_m_s, walk_m_s)


# -- another plan made of this one --


def _worked_out(plan: Plan, place: str) -> Plan:
    """``rung``, ``scale`` and ``walk_instead`` put into the seconds of the plan, and spent; raises ConfigError."""
    if not (plan.rung or plan.scale != 1 or plan.walk_instead):
        return plan
    spent = replace(plan, rung=0, scale=1.0, walk_instead=None)
    if plan.rung:
        spent = _stepped(spent, plan.rung, place)
    if plan.scale != 1:
        spent = _scaled(spent, plan.scale, place)
    if plan.walk_instead is not None:
        spent = _walked(spent, plan.walk_instead, place)
    return _valid(spent, place)


def _valid(plan: Plan, place: str) -> Plan:
    """Refuse what arithmetic has made too long or too short, as if it had been written so."""
    return config.convert(msgspec.to_builtins(plan), Plan, place)


def rung(plan: Plan) -> int | None:
    """Where on the ladder a plan stands: one run and one walk by time in one of its ratios, with an end."""
    if len(plan.block) != 1 or _endless(plan):
        return None
    segments = plan.block[0].segments
    run_s, walk_s = segments[0].for_s, segments[-1].for_s
    if [s.kind for s in segments] != [SegmentKind.RUN, SegmentKind.WALK] or run_s is None or walk_s is None:
        return None
    return next((n for n, (run, walk) in enumerate(LADDER) if isclose(run_s * walk, walk_s * run)), None)


def ladder() -> str:
    """The ratios from easy to hard, in one line."""
    return ", ".join(f"{run}:{walk}" for run, walk in LADDER)


def _endless(plan: Plan) -> bool:
    return plan.total_s is None and plan.repeats is None and plan.distance_m is None


def _stepped(plan: Plan, by: int, place: str) -> Plan:
    """The next ratio of the ladder; at its ends the same."""
    here = rung(plan)
    if here is None:
        raise ConfigError(
            f"{place}: rung: {plan.name} is not on the ladder; allowed: plans with an end, "
            f"of one run and one walk in {ladder()}"
        )
    there = min(max(here + by, 0), len(LADDER) - 1)
    if there == here:
        return plan
    old, (run, walk) = plan.block[0], LADDER[there]
    unit_s = (old.segments[0].for_s or 0.0) / LADDER[here][0]
    new = replace(old, segments=_run_walk(run * unit_s, walk * unit_s).segments)
    return replace(plan, name=_ratio_name(run * unit_s, walk * unit_s), block=(new,))


def _scaled(plan: Plan, by: float, place: str) -> Plan:
    """Every segment by time, times ``by``."""
    if all(segment.for_s is None for block in plan.block for segment in block.segments):
        raise ConfigError(f"{place}: scale: {plan.name} has no segment by time")
    return replace(
        plan,
        block=tuple(
            replace(
                block,
                segments=tuple(s if s.for_s is None else replace(s, for_s=s.for_s * by) for s in block.segments),
            )
            for block in plan.block
        ),
    )


def _walked(plan: Plan, how: WalkInstead, place: str) -> Plan:
    """A brisk walk in place of a run: three times its running, or as long as the whole of it."""
    last = plan.block[-1] if plan.block else None
    ends = not _endless(plan) or (last is not None and (last.until is not None or last.repeats is not None))
    if is_free(plan) or needs_distance(plan) or not ends:
        raise ConfigError(
            f"{place}: walk_instead: {plan.name} has no length in time; allowed: plans by time with an end"
        )
    run_s = whole_s = 0.0
    cursor = Cursor(plan)
    while (stretch := cursor.next(whole_s, 0.0)) is not None:
        length_s = min(stretch.planned_s, stretch.most_s)
        whole_s += length_s
        run_s += 0.0 if stretch.phase is Phase.WALK else length_s
    if run_s == 0:
        raise ConfigError(f"{place}: walk_instead: {plan.name} is a walk already")
    length_s = WALK_FOR_RUN * run_s if how == WalkInstead.RATIO else whole_s
    return replace(
        plan,
        name=f"{plan.name}-walk",
        rpe_target=BRISK_RPE,
        **{**ENDS, "repeats": 1},
        walk_speed_m_s=plan.walk_speed_m_s or BRISK_M_S,
        block=(Block(segments=(Segment(SegmentKind.WALK, for_s=length_s),)),),
    )


def is_free(plan: Plan) -> bool:
    """True when the phases are the runner's own: a plan without blocks."""
    return not plan.block


def needs_distance(plan: Plan) -> bool:
    """True when the plan cannot be followed by the clock alone."""
    return (
        plan.distance_m is not None
        or any(segment.for_s is None for block in plan.block for segment in block.segments)
        or any(block.until is not None and block.until.endswith("m") for block in plan.block)
    )


def as_second_workout(plan: Plan) -> Plan:
    """For the second workout of a day, easier than the first: the effort may reach one less."""
    lower, upper = plan.rpe_target
    return replace(plan, rpe_target=(lower, max(lower, upper - 1)))


class Stretch(Struct, frozen=True):
    """One segment as it comes up, with the cycle it belongs to: the runs up to a walk, and that walk.

    ``planned_s`` and ``planned_m`` (None where the segment goes by time) are
    its whole length, up to a mark from the mark before; ``most_s`` and
    ``most_m`` what the total time, the next mark and the end of the course
    leave of it. ``mark`` is what a run by distance leads to, in words. Lengths
    by distance are counted in seconds at the plan's pace.
    """

    phase: Phase
    planned_s: float
    planned_m: float | None
    block: int
    repeat: int
    cycle_run_s: float
    cycle_walk_s: float
    most_s: float = inf
    most_m: float = inf
    mark: str = ""
    segment: Segment | None = None

    def metres(self, share: float) -> float | None:
        """Its length by distance when it gets this share of the planned one; None where it goes by time."""
        return None if self.planned_m is None else min(self.planned_m * share, self.most_m)


class Cursor:
    """Walks through the blocks of a plan; asked for the next stretch whenever one ends."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._block = 0
        self._segment = -1
        self._cycles_in_block = 0
        self._cycles = 0

    def next(self, elapsed_s: float, distance_m: float) -> Stretch | None:
        """The stretch that follows after ``elapsed_s`` and ``distance_m`` of the main part; None at its end."""
        plan = self._plan
        self._segment += 1
        if self._segment == len(plan.block[self._block].segments):
            self._segment = 0
            self._cycles += 1
            self._cycles_in_block += 1
            if plan.repeats is not None and self._cycles >= plan.repeats:
                return None
            if self._block_done(plan.block[self._block], elapsed_s, distance_m):
                self._block += 1
                self._cycles_in_block = 0
                if self._block == len(plan.block):
                    return None
        if plan.distance_m is not None and distance_m >= plan.distance_m - SAME_PLACE_M:
            return None
        return self._stretch(elapsed_s, distance_m)

    def peek(self, elapsed_s: float, distance_m: float) -> Stretch | None:
        """What ``next`` would give, without moving."""
        return copy.copy(self).next(elapsed_s, distance_m)

    def _stretch(self, elapsed_s: float, distance_m: float) -> Stretch | None:
        plan = self._plan
        block = plan.block[self._block]
        segment = block.segments[self._segment]
        walking = segment.kind == SegmentKind.WALK
        planned_s, planned_m = self._length(segment, elapsed_s, distance_m)
        most_s = most_m = inf
        mark = ""
        if plan.total_s is not None:
            left_s = plan.total_s - elapsed_s
            if left_s <= 0:
                return None
            if not walking and planned_m is None and left_s < planned_s:
                # The last run takes what is left of the time; a stump of a run is left out.
                if left_s < min(MIN_RUN_S, planned_s):
                    return None
                most_s = left_s
        if segment.marked:
            mark = words.END if planned_m is None else words.mark(segment.every_m)
        if planned_m is not None and not walking:
            if segment.marked:
                most_m = self._leg(segment, distance_m)[1] - distance_m
                planned_m = max(planned_m, most_m)
            if plan.distance_m is not None and (left_m := plan.distance_m - distance_m) <= min(planned_m, most_m):
                most_m, mark = left_m, words.FINISH
            most_s = most_m / speed_m_s(plan, walking=False)
        run_s, walk_s = self._cycle_s(block, elapsed_s, distance_m)
        return Stretch(
            PHASE_OF[segment.kind],
            planned_s,
            planned_m,
            self._block + 1,
            self._cycles_in_block + 1,
            run_s,
            walk_s,
            most_s,
            most_m,
            mark,
            segment,
        )

    def _cycle_s(self, block: Block, elapsed_s: float, distance_m: float) -> tuple[float, float]:
        """Seconds of the runs before the walk that this segment leads to (or is), and of that walk."""
        first = last = self._segment
        while first > 0 and block.segments[first - 1].kind != SegmentKind.WALK:
            first -= 1
        while last < len(block.segments) - 1 and block.segments[last].kind != SegmentKind.WALK:
            last += 1
        run_s = walk_s = 0.0
        for segment in block.segments[first : last + 1]:
            length_s, _ = self._length(segment, elapsed_s, distance_m)
            if segment.kind == SegmentKind.WALK:
                walk_s += length_s
            else:
                run_s += length_s
        return run_s, walk_s

    def _length(self, segment: Segment, elapsed_s: float, distance_m: float) -> tuple[float, float | None]:
        """Planned seconds and metres; of a distance, seconds at the plan's pace, and of a time no metres."""
        if segment.for_s is not None:
            return segment.for_s, None
        length_m = segment.for_m
        if length_m is None:
            from_m, to_m = self._leg(segment, distance_m)
            if to_m == inf:  # past the last mark of a plan without a distance: until its time is up
                whole_s = self._plan.total_s if self._plan.total_s is not None else self._plan.max_total_s
                return max(whole_s - elapsed_s, MIN_RUN_S), None
            length_m = to_m - from_m
        return length_m / speed_m_s(self._plan, walking=segment.kind == SegmentKind.WALK), length_m

    def _leg(self, segment: Segment, distance_m: float) -> tuple[float, float]:
        """The marks behind and ahead, in metres of the course; infinite ahead of the last one without a finish.

        A mark that is only a stump of a run away counts as passed.
        """
        passed_m = distance_m + MIN_RUN_TO_MARK_S * speed_m_s(self._plan, walking=False)
        if segment.every_m is not None:
            behind_m = passed_m // segment.every_m * segment.every_m
            return behind_m, behind_m + segment.every_m
        last_m = self._plan.distance_m if self._plan.distance_m is not None else inf
        marks = (0.0, *(segment.at_m or ()), last_m)
        return next((leg for leg in pairwise(marks) if leg[1] > passed_m), (marks[-2], marks[-1]))

    def _block_done(self, block: Block, elapsed_s: float, distance_m: float) -> bool:
        plan = self._plan
        if block.repeats is not None:
            return self._cycles_in_block >= block.repeats
        if block.until is None:
            return False
        unit = block.until.lstrip("0123456789.")
        value = float(block.until.removesuffix(unit))
        if unit == "%":
            if plan.total_s is not None:
                return elapsed_s >= plan.total_s * value / 100
            if plan.repeats is not None:
                return self._cycles >= plan.repeats * value / 100
            return distance_m >= (plan.distance_m or 0.0) * value / 100
        if unit in ("min", "s"):
            return elapsed_s >= value * (60 if unit == "min" else 1)
        return distance_m >= value * (1000 if unit == "km" else 1)


def speed_m_s(plan: Plan, *, walking: bool) -> float:
    """The plan's own pace as a speed, or a usual one."""
    pace_s_per_km = plan.walk_pace_s_per_km if walking else plan.run_pace_s_per_km
    if pace_s_per_km is not None:
        return 1000 / pace_s_per_km
    return DEFAULT_WALK_M_S if walking else DEFAULT_RUN_M_S


def gait_change_m_s(plan: Plan) -> float:
    """The speed between walking and running: half way between the plan's own paces, or a usual one."""
    if plan.run_pace_s_per_km is None or plan.walk_pace_s_per_km is None:
        return CHANGE_M_S
    return (1000 / plan.run_pace_s_per_km + 1000 / plan.walk_pace_s_per_km) / 2


def cooldown_s(plan: Plan, distance_m: float) -> float:
    """The length of the cool-down after ``distance_m`` of running and walking."""
    if plan.cooldown != "finisher":
        return float(plan.cooldown)
    if distance_m <= 0:
        return FINISHER_WITHOUT_DISTANCE_S
    return max(30.0, FINISHER_S_PER_MILE * distance_m / METRES_PER_MILE)


def describe(plan: Plan) -> str:
    """One line: the purpose, the cycle of each block, how long."""
    if is_free(plan):
        return f"{plan.purpose}; walk and run as you like{_goal_in_words(plan)}"
    blocks = ", then ".join(_cycle(block) for block in plan.block)
    return f"{plan.purpose}; {blocks}; {_how_long(plan)}{_goal_in_words(plan)}"


def _goal_in_words(plan: Plan) -> str:
    aim = goal(plan)
    return "" if aim is None else f"; {aim.in_words}"


def describe_in_full(plan: Plan) -> str:
    """A plan as a table, one line per part."""
    lower, upper = plan.rpe_target
    lines = [f"{plan.name}: {describe(plan)}", f"  effort     {lower:g} to {upper:g} of 10"]
    if plan.walk_speed_m_s is not None:
        lower, upper = plan.walk_speed_m_s
        mph = f"{lower / METRES_PER_MILE * 3600:.1f} to {upper / METRES_PER_MILE * 3600:.1f} mph"
        lines.append(f"  walking    {lower:g} to {upper:g} m/s ({mph})")
    if (here := rung(plan)) is not None:
        around = [f"{run}:{walk}" for run, walk in LADDER[max(here - 1, 0) : here + 2]]
        lines.append(f"  ladder     {' < '.join(around)}")
    if plan.warmup_s:
        lines.append(f"  warm-up    {plan.warmup_s:g} s walk")
    for number, block in enumerate(plan.block, start=1):
        until = f" until {block.until}" if block.until else f" x {block.repeats}" if block.repeats else ""
        lines.append(f"  block {number}    {_cycle(block)}{until}")
    cooldown = "30 to 60 s of walking per mile covered" if plan.cooldown == "finisher" else f"{plan.cooldown:g} s walk"
    lines.append(f"  cool-down  {cooldown}")
    return "\n".join(lines)


def _cycle(block: Block) -> str:
    """ "run 240 s / walk 60 s"."""
    return " / ".join(_segment(segment) for segment in block.segments)


def _segment(segment: Segment) -> str:
    """ "run 240 s", "run to every mile", "run to 3 and 6 km", "walk 180 s at 4 %"."""
    how_long = f"{segment.for_s:g} s" if segment.for_s is not None else words.distance(segment.for_m or 0)
    if segment.every_m is not None:
        how_long = f"to every {words.distance(segment.every_m).removeprefix('one ')}"
    if segment.at_m is not None:
        *before, last = (f"{mark_m / 1000:g}" for mark_m in segment.at_m)
        how_long = f"to {', '.join(before)}{' and ' if before else ''}{last} km"
    at = [f"{segment.incline_percent:g} %"] if segment.incline_percent is not None else []
    at += [f"{segment.speed_m_s:g} m/s"] if segment.speed_m_s is not None else []
    return f"{segment.kind} {how_long}{' at ' if at else ''}{' and '.join(at)}"


def _how_long(plan: Plan) -> str:
    if plan.total_s is not None:
        return f"{round(plan.total_s / 60, 1):g} min"
    if plan.repeats is not None:
        return f"{plan.repeats} times" if plan.repeats > 1 else "once"
    if plan.distance_m is not None:
        return f"{plan.distance_m / 1000:g} km"
    return "until you stop"
