"""One run as it is drawn: its steps thinned to one point a second, its phases, what was said, what was foretold."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from hrbridge.config import Plan
from hrbridge.control.progress import MAIN
from hrbridge.decisions import Cue, Phase, Ratio, Step, Trust
from hrbridge.events import Rpe, Tick
from hrbridge.stretches import SAME_MOMENT_S, Stretch, Stretches

# How far ahead ``estimate.forecast_bpm`` looks (decisions.Estimate).
AHEAD_S = {Phase.WALK: 30.0, Phase.RUN: 10.0, Phase.SURGE: 10.0}
# A longer silence between two steps is a hole: a power cut, or a pause of the recording.
HOLE_S = 5.0


class Point(Struct, frozen=True):
    """One second of heart rate; ``bpm`` is null where there was none, ``span`` counts those of the course."""

    at_s: float
    bpm: float | None
    trust: Trust
    ceiling_bpm: float | None
    span: int


class Span(Struct):
    """One phase as it is drawn, from, to: a pause parts it in two, and is one itself."""

    phase: Phase
    from_s: float
    to_s: float
    walked: bool | None = None


class Cycle(Struct):
    """The runs up to a walk and that walk, without pauses, and the ratio as it stood at their end."""

    ratio: Ratio
    run_s: float = 0.0
    walk_s: float = 0.0


class Said(Struct, frozen=True):
    """A cue, and when; ``bpm`` is the heart rate that was shown then."""

    at_s: float
    cue: Cue
    bpm: float | None


class Foretold(Struct, frozen=True):
    """A forecast for ``at_s``, made in a walk or a run, and what came."""

    at_s: float
    phase: Phase
    forecast_bpm: float
    low_bpm: float
    high_bpm: float
    came_bpm: float


class Course(Struct, frozen=True):
    """All of it, in seconds since the runner began; ``efforts`` are (when, RPE)."""

    points: list[Point]
    spans: list[Span]
    cycles: list[Cycle]
    said: list[Said]
    foretold: list[Foretold]
    efforts: list[tuple[float, float]]

    @property
    def end_s(self) -> float:
        return max((span.to_s for span in self.spans), default=0.0)

    def of(self, phase: Phase) -> list[tuple[float, float]]:
        """From, to."""
        return [(span.from_s, span.to_s) for span in self.spans if span.phase is phase and span.to_s > span.from_s]


def course(plan: Plan, steps: Iterable[Step], began_at_s: float) -> Course:
    """The steps of a session in order; ``began_at_s`` on their clock becomes 0."""
    points: list[Point] = []
    spans: list[Span] = []
    said: list[Said] = []
    efforts: list[tuple[float, float]] = []
    forecasts: list[tuple[Point, Step]] = []
    following, stretches = Stretches(plan), list[Stretch]()
    before: Step | None = None
    for step in steps:
        stretches += following.take(step)
        at_s = step.at_s - began_at_s
        said += (Said(at_s, cue, step.estimate.heart_rate_bpm) for cue in step.cues)
        if isinstance(step.event, Rpe):
            efforts.append((at_s, step.event.rpe))
        if step.phase is Phase.WAITING or step.phase is Phase.FINISHED:
            if spans and before is not None and before.phase is not step.phase:
                spans[-1].to_s = at_s
            before = step
            continue
        if before is None or _is_new(before, step):
            _begin(spans, before, step, at_s)
        spans[-1].to_s = at_s
        if step.estimate.walked is not None:
            spans[-1].walked = step.estimate.walked
        if isinstance(step.event, Tick):
            e = step.estimate
            points.append(Point(at_s, e.heart_rate_bpm, e.trust, e.ceiling_bpm, len(spans) - 1))
            if e.forecast_bpm is not None and e.trust is Trust.GOOD:
                forecasts.append((points[-1], step))
        before = step
    stretches += following.rest()
    return Course(points, spans, _cycles(stretches), said, _foretold(points, spans, forecasts), efforts)


def _is_new(before: Step, step: Step) -> bool:
    return step.phase is not before.phase or step.phase_elapsed_s < before.phase_elapsed_s - SAME_MOMENT_S


def _begin(spans: list[Span], before: Step | None, step: Step, at_s: float) -> None:
    """In the plan ``free`` a change is noticed some seconds late; behind a pause the phase goes on where it was."""
    from_s = at_s if before is None or before.phase is Phase.PAUSED else at_s - step.phase_elapsed_s
    if spans:
        from_s = max(from_s, spans[-1].from_s)  # what was undone shrinks to nothing
        spans[-1].to_s = from_s
    spans.append(Span(step.phase, from_s, at_s))


def _foretold(points: list[Point], spans: list[Span], forecasts: list[tuple[Point, Step]]) -> list[Foretold]:
    """Forecasts that can be held against what came: the same walk or run still went on, with a trusted strap."""
    by_second = {round(point.at_s): point for point in points if point.trust is Trust.GOOD}
    found = []
    for made, step in forecasts:
        e = step.estimate
        ahead_s = AHEAD_S.get(step.phase)
        if ahead_s is None or e.forecast_bpm is None or spans[made.span].walked is False:
            continue
        came = by_second.get(round(made.at_s + ahead_s))
        if came is None or came.bpm is None or came.span != made.span:
            continue
        low_bpm = e.forecast_bpm if e.forecast_low_bpm is None else e.forecast_low_bpm
        high_bpm = e.forecast_bpm if e.forecast_high_bpm is None else e.forecast_high_bpm
        found.append(Foretold(came.at_s, step.phase, e.forecast_bpm, low_bpm, high_bpm, came.bpm))
    return found


def _cycles(stretches: Iterable[Stretch]) -> list[Cycle]:
    """Those of the main part that have a run, in order."""
    found: dict[tuple[int, int], Cycle] = {}
    for stretch in stretches:
        if stretch.phase not in MAIN:
            continue
        cycle = found.setdefault((stretch.block, stretch.repeat), Cycle(stretch.ratio))
        cycle.ratio = stretch.ratio
        if stretch.phase is Phase.WALK:
            cycle.walk_s += stretch.for_s
        else:
            cycle.run_s += stretch.for_s
    return [cycle for cycle in found.values() if cycle.run_s > 0]
