"""The steps of a session as runs, walks and other phases, each with where it really began and ended.

Three things stand between a step and its phase. In the plan ``free`` a change
is noticed some seconds late: the end is looked up in the last minute. A pause
belongs to no phase. And a command may be undone: what it began is forgotten,
and a stretch counts only once nothing can take it back.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from hrbridge.config import Plan
from hrbridge.control.movement import Movement
from hrbridge.control.plan import gait_change_m_s
from hrbridge.control.progress import ACTIVE
from hrbridge.decisions import Cue, CueKind, Estimate, Phase, Ratio, Reason, Step, Trust
from hrbridge.events import Action, Command, Sample, Speed

# Twice what the slowest recordings take to show a change of gait.
NOTICED_WITHIN_S = 60.0
# Twice what the controller allows for an undo.
SETTLED_AFTER_S = 10.0
# Times are written to the millisecond.
SAME_MOMENT_S = 0.01
# What is asked for after 30 s is read within these seconds of it, or not at all.
READ_WITHIN_S = 2.0
# The peak that a walk is measured from is looked for until so long after the cue.
PEAK_WITHIN_S = 20.0
# From here on a slope shows in the heart rate, and two walks are not to be compared.
HILL_PERCENT = 4.0
# Commands that end a stretch before its time.
WILL = (Action.SKIP, Action.WALK, Action.RUN, Action.STOP)
# Advice to be content with today: who stops then has done what was right.
ADVISED_END = {(CueKind.TIP, Reason.EASY_FINISH), (CueKind.WARNING, Reason.SAFETY)}


def trusted_bpm(estimate: Estimate) -> float | None:
    """The heart rate where it can be believed."""
    return estimate.heart_rate_bpm if estimate.trust is Trust.GOOD else None


class Mark(NamedTuple):
    """How things stood after a step; ``good_since_s`` is infinite while the heart rate is not trusted."""

    at_s: float
    metres: float
    estimate: Estimate
    good_since_s: float


@dataclass(slots=True)
class Stretch:
    """One phase without its pauses. What is measured in a walk counts only as far as the walk really went.

    ``willed``: a command began it; ``cues`` were given as it began. ``end``
    shows how things stood at its end. ``ran_until_s``: when the runner was last
    seen running on after the cue to walk, None without a source of speed.
    """

    phase: Phase
    block: int
    repeat: int
    started_s: float
    from_m: float
    willed: bool
    cues: tuple[Cue, ...]
    ratio: Ratio
    end: Mark
    elapsed_s: float = 0.0
    seen_s: float = 0.0  # when elapsed_s was true
    ended_s: float = inf
    paused: bool = False
    advised_end: bool = False
    hill_s: float = 0.0
    peak_bpm: float | None = None
    drop_30_bpm: float | None = None
    drop_60_bpm: float | None = None
    ready_after_s: float | None = None
    ran_until_s: float | None = None
    walking: bool = False

    @property
    def for_s(self) -> float:
        return max(0.0, round(self.elapsed_s + self.ended_s - self.seen_s, 3))

    @property
    def metres(self) -> float:
        return max(0.0, self.end.metres - self.from_m)

    def trusted_from(self, since_s: float) -> bool:
        """Whether the heart rate was good from then to the end."""
        return self.end.good_since_s <= since_s


class Stretches:
    """Follows the steps of a session; ``metres`` since the start, ``measured`` once anything tells them."""

    def __init__(self, plan: Plan) -> None:
        self.metres = 0.0
        self.measured = False
        self.good_since_s = inf
        self.movement = Movement(gait_change_m_s(plan))
        self._sensed_m = 0.0
        self._away = False  # in a pause, and the sensor has not been heard since it began
        self._incline_percent: float | None = None
        self._last: Step | None = None
        self._marks: deque[Mark] = deque()
        self._recent: list[Stretch] = []

    @property
    def now(self) -> Stretch | None:
        """The stretch that goes on, or is paused."""
        return self._recent[-1] if self._recent else None

    def take(self, step: Step) -> list[Stretch]:
        """Follow a step; gives the stretches that nothing can change any more, in order."""
        self._move(step)
        if trusted_bpm(step.estimate) is None:
            self.good_since_s = inf
        else:
            self.good_since_s = min(self.good_since_s, step.at_s)
        if step.phase is Phase.PAUSED:
            self._pause(step)
        else:
            if step.phase is not Phase.WAITING:
                self._follow(step)
            self._marks.append(self._mark(step))
            while self._marks[0].at_s < step.at_s - NOTICED_WITHIN_S:
                self._marks.popleft()
        self._last = step
        settled: list[Stretch] = []
        while len(self._recent) > 1 and self._recent[0].ended_s < step.at_s - SETTLED_AFTER_S:
            settled.append(self._recent.pop(0))
        return settled

    def rest(self) -> list[Stretch]:
        """What ``take`` has not given: those that an undo may change, the last one as far as it has gone."""
        if self._recent and self._last is not None:
            last = self._recent[-1]
            self._close(last.seen_s if self._last.phase is Phase.PAUSED else self._last.at_s)
        return self._recent

    def _mark(self, step: Step) -> Mark:
        return Mark(step.at_s, self.metres, step.estimate, self.good_since_s)

    def _marked(self, at_s: float) -> Mark:
        """How things stood then; never after the step before this one."""
        return next((mark for mark in reversed(self._marks) if mark.at_s <= at_s), self._marks[0])

    def _move(self, step: Step) -> None:
        """Distance and slope; what was covered in a pause counts nowhere."""
        event, last = step.event, self._last
        if last is not None and last.phase in ACTIVE and (self._incline_percent or 0.0) >= HILL_PERCENT:
            self._recent[-1].hill_s += step.at_s - last.at_s
        if step.phase is Phase.PAUSED and last is not None and last.phase is not Phase.PAUSED:
            self._away = True
        if not isinstance(event, Speed):
            if not isinstance(event, Sample):
                self.movement.expire(step.at_s)
            return
        self.movement.update(event)
        self._incline_percent = event.incline_percent
        moved_m = self.movement.distance_m - self._sensed_m
        self._sensed_m += moved_m
        if step.phase in ACTIVE:
            self.measured |= event.distance_m is not None or event.speed_m_s is not None
            self.metres += 0.0 if self._away else moved_m
        self._away = False

    def _pause(self, step: Step) -> None:
        if not self._recent:  # its beginning was lost
            return
        stretch = self._recent[-1]
        if self._last is not None and self._last.phase is not Phase.PAUSED:
            paused_s = step.at_s - step.phase_elapsed_s
            stretch.elapsed_s += paused_s - stretch.seen_s
            stretch.seen_s = paused_s
        stretch.paused = True

    def _follow(self, step: Step) -> None:
        started_s, recent = step.at_s - step.phase_elapsed_s, self._recent
        while len(recent) > 1 and started_s < recent[-2].ended_s - SAME_MOMENT_S:
            recent.pop()  # undone
        if (
            not recent
            or step.phase is not recent[-1].phase
            or step.phase_elapsed_s < recent[-1].elapsed_s - SAME_MOMENT_S
        ):
            self._open(step, started_s)
        stretch = recent[-1]
        stretch.elapsed_s, stretch.seen_s = step.phase_elapsed_s, step.at_s
        stretch.ratio = step.ratio
        if any((cue.kind, cue.reason) in ADVISED_END for cue in step.cues):
            stretch.advised_end = True
        if step.phase is Phase.WALK:
            self._follow_walk(stretch, step)

    def _open(self, step: Step, started_s: float) -> None:
        from_m = self.metres
        if self._recent:
            paused = self._last is not None and self._last.phase is Phase.PAUSED
            self._close(self._recent[-1].seen_s if paused else started_s)
            from_m = self._recent[-1].end.metres
        self._recent.append(
            Stretch(
                phase=step.phase,
                block=step.block,
                repeat=step.repeat,
                started_s=started_s,
                from_m=from_m,
                willed=isinstance(step.event, Command) and step.event.action in WILL,
                cues=step.cues,
                ratio=step.ratio,
                end=self._mark(step),
            )
        )

    def _close(self, ended_s: float) -> None:
        stretch = self._recent[-1]
        stretch.ended_s = ended_s
        stretch.end = self._marked(ended_s)

    def _follow_walk(self, walk: Stretch, step: Step) -> None:
        running = self.movement.running
        if running is not None and walk.ran_until_s is None:
            walk.ran_until_s = walk.started_s
        walk.walking |= running is False
        if isinstance(step.event, Speed) and self.movement.gait_now and not walk.walking:
            walk.ran_until_s = step.at_s
        estimate, walked_s = step.estimate, step.phase_elapsed_s
        bpm, drop_bpm = estimate.heart_rate_bpm, estimate.drop_bpm
        if bpm is None or drop_bpm is None or self.good_since_s > walk.started_s + SAME_MOMENT_S:
            return
        if walked_s >= PEAK_WITHIN_S:
            walk.peak_bpm = bpm + drop_bpm
        if estimate.recovered is None:
            return
        if walk.drop_30_bpm is None and 30 <= walked_s < 30 + READ_WITHIN_S:
            walk.drop_30_bpm = drop_bpm
        if walk.drop_60_bpm is None and 60 <= walked_s < 60 + READ_WITHIN_S:
            walk.drop_60_bpm = drop_bpm
        if walk.ready_after_s is None and estimate.recovered:
            walk.ready_after_s = walked_s
