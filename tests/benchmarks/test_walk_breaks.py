"""Every walk break of the recordings, as the plan ``free`` judges it: measured, required, forecast, said.

A judgement is false where "recovered" was said and at the end of the walk the
drop is no longer there; it is missed where the drop is there at the end and
nothing was said. 1.5 bpm either way are nobody's fault: a strap rounds.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from hrbridge import wiring
from hrbridge.config import Control
from hrbridge.decisions import CueKind, Phase, Step
from hrbridge.sinks.console import clock

NOBODYS_FAULT_BPM = 1.5
FORECAST_AT_S, FORECAST_AHEAD_S = 30.0, 30.0
RECORDINGS = ("*.fit", "*.tcx", "*.gpx")


class Break(Struct):
    """One walk break, from its cue to the next run."""

    file: str
    steps: list[Step]
    ready_bpm: float
    ended_s: float

    @property
    def started_s(self) -> float:
        return self.steps[0].at_s - self.steps[0].phase_elapsed_s

    @property
    def last(self) -> Step:
        """What stood at its end: in ``free`` that is noticed some seconds late."""
        return next((s for s in reversed(self.steps) if s.at_s <= self.ended_s), self.steps[0])

    @property
    def margin_bpm(self) -> float | None:
        """How much more than required heart rate has dropped at the end, or is under the ceiling; None: not judged."""
        e = self.last.estimate
        if e.recovered is None or e.drop_bpm is None or e.required_drop_bpm is None or e.heart_rate_bpm is None:
            return None
        by_drop_or_line = max(e.drop_bpm - e.required_drop_bpm, self.ready_bpm - e.heart_rate_bpm)
        return by_drop_or_line if e.ceiling_bpm is None else min(by_drop_or_line, e.ceiling_bpm - e.heart_rate_bpm)

    @property
    def said(self) -> list[str]:
        return [
            f"{cue.kind}@{s.at_s - self.started_s:.0f}" for s in self.steps for cue in s.cues if s.at_s <= self.ended_s
        ]

    @property
    def told(self) -> bool:
        return any(c.kind is CueKind.RUN for s in self.steps for c in s.cues if s.at_s <= self.ended_s)

    @property
    def verdict(self) -> str:
        margin_bpm = self.margin_bpm
        if margin_bpm is None:
            return "not judged"
        if self.told and margin_bpm < -NOBODYS_FAULT_BPM:
            return "FALSE"
        if not self.told and margin_bpm > NOBODYS_FAULT_BPM:
            return "MISSED"
        return "right"

    def at(self, walked_s: float) -> Step | None:
        return next((s for s in self.steps if s.at_s - self.started_s >= walked_s and s.at_s <= self.ended_s), None)


def breaks(file: Path) -> list[Break]:
    """Driven through the controller, for its own eyes decide what a walk break is."""
    session = wiring.replay_session(file, None, ["plan.use=free"])
    runner = session.config.runner
    ready_bpm = runner.resting_bpm + Control().ready_hrr * runner.reserve_bpm
    found: list[Break] = []
    walking: list[Step] = []
    for step in wiring.steps(session):
        if walking and step.phase in (Phase.RUN, Phase.FINISHED):
            found.append(Break(file.name, walking, ready_bpm, step.at_s - step.phase_elapsed_s))
            walking = []
        if step.phase is Phase.WALK:
            walking.append(step)
    return found


def row(one: Break) -> str:
    e = one.last.estimate
    begun, then = one.at(FORECAST_AT_S), one.at(FORECAST_AT_S + FORECAST_AHEAD_S)
    ahead = begun.estimate.forecast_bpm if begun is not None else None
    came = then.estimate.heart_rate_bpm if then is not None else None
    shown = [f"{x:.0f}" if x is not None else "-" for x in (e.drop_bpm, e.required_drop_bpm, ahead, came)]
    return (
        f"{one.file[:30]:<30} {clock(one.started_s):>8} {one.ended_s - one.started_s:5.0f} s "
        f"{shown[0]:>5} {shown[1]:>8} {shown[2]:>9} {shown[3]:>5}  {one.verdict:<10}  {' '.join(one.said)}"
    )


def test_every_walk_break_of_the_recordings(traces: Path) -> None:
    files = sorted(file for pattern in RECORDINGS for file in traces.glob(pattern) if "bike" not in file.name)
    found = [one for file in files for one in breaks(file)]
    print(
        f"\n{'recording':<30} {'walk at':>8} {'for':>7} {'drop':>5} {'required':>8} {'fc 30>60':>9} {'came':>5}  judged"
    )
    for one in found:
        print(row(one))
    judged = [one for one in found if one.margin_bpm is not None]
    false = sum(one.verdict == "FALSE" for one in judged)
    missed = sum(one.verdict == "MISSED" for one in judged)
    print(f"{len(found)} walk breaks, {len(judged)} judged: {false} false, {missed} missed")
    assert len(judged) >= len(found) / 4
    assert false + missed <= len(judged) / 5
