"""The plan of a session: found by name or path, and walked through segment by segment."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from hrbridge import config
from hrbridge.config import Block, Plan, PlanTable, SegmentKind
from hrbridge.control import words
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
    """A shipped plan by name, or a plan file by path; raises ConfigError."""
    text = str(name_or_path)
    if is_path(text):
        path = Path(text)
    else:
        path = folder() / f"{text}.toml"
        if not path.is_file():
            raise ConfigError(f'plan "{text}": no such plan; allowed: {", ".join(names())}, or the path of a plan file')
    return _checked(config.convert(config.read_toml(path), Plan, str(path)), str(path))


def is_path(name_or_path: str) -> bool:
    """Whether this names a plan file rather than a shipped plan."""
    return "/" in name_or_path or name_or_path.endswith(".toml")


def resolve(table: PlanTable, directory: Path | None = None) -> Plan:
    """The plan of a ``[plan]`` table: the one named in ``use``, with every other key given there in place of its own.

    Without ``use`` the blocks given there, or else the usual plan. A relative
    path in ``use`` starts at ``directory``. Raises ConfigError.
    """
    if not table.use and table.block is not None:
        return _checked(Plan(**table.given), "[plan]")
    named = table.use or USUAL
    if directory is not None and is_path(named):
        named = str(directory / named)
    try:
        plan = load(named)
    except ConfigError as error:
        raise ConfigError(f"[plan] use: {error}") from None
    return amend(plan, table)


def amend(plan: Plan, table: PlanTable) -> Plan:
    """``plan`` with the keys of a ``[plan]`` table put in place of its own; raises ConfigError."""
    given = table.given
    if given.keys() & ENDS.keys():
        given = {**ENDS, **given}
    return _checked(replace(plan, **given), "[plan]")


def _checked(plan: Plan, place: str) -> Plan:
    """Refuse what no single key can show to be wrong."""
    endless = plan.total_s is None and plan.repeats is None and plan.distance_m is None
    for number, block in enumerate(plan.block, start=1):
        if block.until is not None and block.until.endswith("%") and endless:
            raise ConfigError(f"{place}: [block {number}] until: a percentage needs total_s, repeats or distance_m")
    return plan


def is_free(plan: Plan) -> bool:
    """True when the phases are the runner's own: a plan without blocks."""
    return not plan.block


def needs_distance(plan: Plan) -> bool:
    """True when the plan cannot be followed by the clock alone."""
    return (
        plan.distance_m is not None
        or any(segment.for_m is not None for block in plan.block for segment in block.segments)
        or any(block.until is not None and block.until.endswith("m") for block in plan.block)
    )


class Stretch(Struct, frozen=True):
    """One segment as it comes up, with the cycle it belongs to: the runs up to a walk, and that walk.

    ``most_s`` is what the total time leaves for it. ``planned_s`` and the two
    sums of the cycle count segments by distance at the plan's pace.
    """

    phase: Phase
    planned_s: float
    planned_m: float | None
    block: int
    repeat: int
    cycle_run_s: float
    cycle_walk_s: float
    most_s: float = float("inf")


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
        if plan.distance_m is not None and distance_m >= plan.distance_m:
            return None
        return self._stretch(elapsed_s)

    def peek(self, elapsed_s: float, distance_m: float) -> Stretch | None:
        """What ``next`` would give, without moving."""
        return copy.copy(self).next(elapsed_s, distance_m)

    def _stretch(self, elapsed_s: float) -> Stretch | None:
        block = self._plan.block[self._block]
        segment = block.segments[self._segment]
        planned_s = self._seconds(segment)
        most_s = float("inf")
        if self._plan.total_s is not None:
            left_s = self._plan.total_s - elapsed_s
            if left_s <= 0:
                return None
            if segment.kind != SegmentKind.WALK and segment.for_s is not None and left_s < planned_s:
                # The last run takes what is left of the time; a stump of a run is left out.
                if left_s < min(MIN_RUN_S, planned_s):
                    return None
                most_s = left_s
        run_s, walk_s = self._cycle_s(block)
        return Stretch(
            PHASE_OF[segment.kind],
            planned_s,
            segment.for_m,
            self._block + 1,
            self._cycles_in_block + 1,
            run_s,
            walk_s,
            most_s,
        )

    def _cycle_s(self, block: Block) -> tuple[float, float]:
        """Seconds of the runs before the walk that this segment leads to (or is), and of that walk."""
        first = last = self._segment
        while first > 0 and block.segments[first - 1].kind != SegmentKind.WALK:
            first -= 1
        while last < len(block.segments) - 1 and block.segments[last].kind != SegmentKind.WALK:
            last += 1
        cycle = block.segments[first : last + 1]
        run_s = sum((self._seconds(s) for s in cycle if s.kind != SegmentKind.WALK), 0.0)
        return run_s, sum((self._seconds(s) for s in cycle if s.kind == SegmentKind.WALK), 0.0)

    def _seconds(self, segment: config.Segment) -> float:
        """Length in seconds; of a distance, at the plan's pace."""
        if segment.for_s is not None:
            return segment.for_s
        return (segment.for_m or 0.0) / speed_m_s(self._plan, walking=segment.kind == SegmentKind.WALK)

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
        return f"{plan.purpose}; walk and run as you like"
    blocks = ", then ".join(_cycle(block) for block in plan.block)
    return f"{plan.purpose}; {blocks}; {_how_long(plan)}"


def describe_in_full(plan: Plan) -> str:
    """A plan as a table, one line per part."""
    lower, upper = plan.rpe_target
    lines = [f"{plan.name}: {describe(plan)}", f"  effort     {lower:g} to {upper:g} of 10"]
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
    return " / ".join(
        f"{segment.kind} {segment.for_s:g} s"
        if segment.for_s is not None
        else f"{segment.kind} {words.distance(segment.for_m or 0)}"
        for segment in block.segments
    )


def _how_long(plan: Plan) -> str:
    if plan.total_s is not None:
        return f"{round(plan.total_s / 60, 1):g} min"
    if plan.repeats is not None:
        return f"{plan.repeats} times"
    if plan.distance_m is not None:
        return f"{plan.distance_m / 1000:g} km"
    return "until you stop"
