"""The sum of a session: how long run and walked, what was said and why, and every walk break judged."""

from __future__ import annotations

from collections import Counter, defaultdict, deque

from msgspec import Struct

from hrbridge.config import Plan
from hrbridge.control.plan import is_free
from hrbridge.control.progress import RUNNING
from hrbridge.decisions import Phase, Step, Trust


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
    """A sink that adds up."""

    def __init__(self, plan: Plan) -> None:
        self._free = is_free(plan)
        self._steps = 0
        self._last: Step | None = None
        # The latest steps of the walk that is going on; enough to look back over a change noticed late.
        self._walk: deque[Step] = deque(maxlen=60)
        self._seconds: defaultdict[Phase, float] = defaultdict(float)
        self._trust_s: defaultdict[Trust, float] = defaultdict(float)
        self._cues: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._walks: list[Walk] = []

    def take(self, step: Step) -> None:
        self._steps += 1
        if self._last is not None:
            passed_s = step.at_s - self._last.at_s
            if self._last.phase not in (Phase.WAITING, Phase.FINISHED):
                self._seconds[self._last.phase] += passed_s
                self._trust_s[self._last.estimate.trust] += passed_s
        self._follow_walk(step)
        for cue in step.cues:
            self._cues[cue.kind] += 1
            self._reasons[cue.reason] += 1
        self._last = step

    def _follow_walk(self, step: Step) -> None:
        """A pause does not end a walk; in the plan ``free`` its end is noticed some seconds late."""
        walk = self._walk[-1] if self._walk else None
        left = step.phase not in (Phase.WALK, Phase.PAUSED)
        if walk is not None and (left or (step.phase is Phase.WALK and step.phase_elapsed_s < walk.phase_elapsed_s)):
            ended_s = step.at_s - step.phase_elapsed_s if self._last is walk else walk.at_s
            self._close(ended_s)
        if step.phase is Phase.WALK:
            self._walk.append(step)

    def _close(self, ended_s: float) -> None:
        last = self._walk[-1]
        judged = next((step for step in reversed(self._walk) if step.at_s <= ended_s), last)
        estimate = judged.estimate
        self._walks.append(
            Walk(
                at_s=round(last.at_s - last.phase_elapsed_s, 3),
                planned_s=None if self._free else last.ratio.planned_walk_s,
                for_s=round(last.phase_elapsed_s + ended_s - last.at_s, 3),
                drop_bpm=estimate.drop_bpm,
                required_drop_bpm=estimate.required_drop_bpm,
                recovered=estimate.recovered,
                walked=estimate.walked,
            )
        )
        self._walk.clear()

    @property
    def elapsed_s(self) -> float:
        """Of the session, pauses included."""
        return round(sum(self._seconds.values()), 3)

    @property
    def run_s(self) -> float:
        return round(sum(self._seconds[phase] for phase in RUNNING), 3)

    @property
    def walk_s(self) -> float:
        return round(self._seconds[Phase.WALK], 3)

    def summary(self, trace_sha256: str) -> Summary:
        """The sum so far; a walk that is still going on counts as it stands."""
        if self._walk:
            self._close(self._walk[-1].at_s)
        return Summary(
            steps=self._steps,
            elapsed_s=self.elapsed_s,
            run_s=self.run_s,
            walk_s=self.walk_s,
            cues=dict(sorted(self._cues.items())),
            reasons=dict(sorted(self._reasons.items())),
            walks=self._walks,
            trust_s={trust.value: round(self._trust_s[trust], 3) for trust in Trust},
            trace_sha256=trace_sha256,
        )
