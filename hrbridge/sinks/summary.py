"""The sum of a session: how long run and walked, what was said and why, and every walk break judged."""

from __future__ import annotations

from collections import Counter, defaultdict

from msgspec import Struct

from hrbridge.config import Plan
from hrbridge.control.plan import is_free
from hrbridge.control.progress import RUNNING
from hrbridge.decisions import Phase, Step, Trust
from hrbridge.stretches import Stretch, Stretches


class Walk(Struct, frozen=True):
    """One walk break. ``recovered`` is null where it was not judged, ``walked`` where nothing told."""

    at_s: float
    planned_s: float | None
    for_s: float
    drop_bpm: float | None
    required_drop_bpm: float | None
    recovered: bool | None
    walked: bool | None


class Summary(Struct, frozen=True):
    """What ``--json`` prints at the end of a run."""

    steps: int
    elapsed_s: float
    run_s: float
    walk_s: float
    cues: dict[str, int]
    reasons: dict[str, int]
    walks: list[Walk]
    trust_s: dict[str, float]
    trace_sha256: str


class Tally:
    """A sink that adds up; what it says may be asked at any time."""

    def __init__(self, plan: Plan) -> None:
        self._free = is_free(plan)
        self._steps = 0
        self._last: Step | None = None
        self._stretches = Stretches(plan)
        # Of what nothing can take back any more.
        self._seconds: defaultdict[Phase, float] = defaultdict(float)
        self._walks: list[Walk] = []
        self._trust_s: defaultdict[Trust, float] = defaultdict(float)
        self._after_s: defaultdict[Trust, float] = defaultdict(float)  # the end, which an undo may make none
        self._cues: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()

    def take(self, step: Step) -> None:
        self._steps += 1
        if self._last is not None and self._last.phase is not Phase.WAITING:
            seconds = self._after_s if self._last.phase is Phase.FINISHED else self._trust_s
            seconds[self._last.estimate.trust] += step.at_s - self._last.at_s
        if step.phase is not Phase.FINISHED:
            for trust, passed_s in self._after_s.items():
                self._trust_s[trust] += passed_s
            self._after_s.clear()
        for stretch in self._stretches.take(step):
            self._seconds[stretch.phase] += stretch.for_s
            if stretch.phase is Phase.WALK:
                self._walks.append(self._walk(stretch))
        for cue in step.cues:
            self._cues[cue.kind] += 1
            self._reasons[cue.reason] += 1
        self._last = step

    def _walk(self, walk: Stretch) -> Walk:
        estimate = walk.end.estimate
        return Walk(
            at_s=round(walk.started_s, 3),
            planned_s=None if self._free else walk.ratio.planned_walk_s,
            for_s=walk.for_s,
            drop_bpm=estimate.drop_bpm,
            required_drop_bpm=estimate.required_drop_bpm,
            recovered=estimate.recovered,
            walked=estimate.walked,
        )

    @property
    def elapsed_s(self) -> float:
        """Of the session, pauses included."""
        return round(sum(self._trust_s.values()), 3)

    @property
    def run_s(self) -> float:
        return self._in(*RUNNING)

    @property
    def walk_s(self) -> float:
        return self._in(Phase.WALK)

    def _in(self, *phases: Phase) -> float:
        rest_s = sum(stretch.for_s for stretch in self._stretches.rest() if stretch.phase in phases)
        return round(sum(self._seconds[phase] for phase in phases) + rest_s, 3)

    def summary(self, trace_sha256: str) -> Summary:
        """The sum so far; a walk that is still going on counts as it stands."""
        unsettled = [self._walk(stretch) for stretch in self._stretches.rest() if stretch.phase is Phase.WALK]
        return Summary(
            steps=self._steps,
            elapsed_s=self.elapsed_s,
            run_s=self.run_s,
            walk_s=self.walk_s,
            cues=dict(sorted(self._cues.items())),
            reasons=dict(sorted(self._reasons.items())),
            walks=[*self._walks, *unsettled],
            trust_s={trust.value: round(self._trust_s[trust], 3) for trust in Trust},
            trace_sha256=trace_sha256,
        )
