"""Simple ways to rest, for comparison: by a fixed heart rate, or for a fixed time. None of them has a ceiling.

``gate`` is what many watches offer: walk until heart rate is down at 65 % of
the maximum. ``rest51`` and ``rest118`` rest after every run for as long as
runners did in two studies that let them choose: 51 +- 15 s between runs of
30 s (McEwan et al. 2018, 12 x 30 s), 118 +- 23 s between runs of 4 min (Seiler
and Hetlelid 2005, 6 x 4 min).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from hrbridge.config import Control, Plan, Runner
from hrbridge.control import words
from hrbridge.control.adaptation import (
    COUNTING_DOWN_S,
    EARLY_NOTICE_S,
    RETEST_BEFORE_END_S,
    TOLD_BEFORE_END_S,
    Fixed,
    Move,
    Now,
)
from hrbridge.control.plan import Stretch
from hrbridge.control.recovery import HeartRateHistory
from hrbridge.decisions import CueKind, Phase, Reason

GATE_OF_MAXIMUM = 0.65
SHORTEST_WALK_S, LONGEST_WALK_S = 30.0, 180.0
# A walk that has not come down is made longer by so much at a time: five times at most are announced.
GATE_EXTENSION_S = 30.0


class Gate(Fixed):
    """A walk before a run lasts until heart rate is at 65 % of the maximum: 30 s at least, 180 s at most.

    Where the plan has longer walks, their length is the most. It is announced
    as planned and then made longer, 30 s at a time, or ended. Without a trusted
    heart rate, and in the first two minutes, the plan by the clock.
    """

    def __init__(self, runner: Runner, plan: Plan, settings: Control, history: HeartRateHistory) -> None:
        super().__init__(runner, plan, settings, history)
        self._gate_bpm = GATE_OF_MAXIMUM * runner.maximum_bpm

    def length(self, stretch: Stretch) -> float:
        if stretch.phase is Phase.WALK and stretch.cycle_run_s:
            return max(1.0, SHORTEST_WALK_S / stretch.planned_s)
        return 1.0

    def during(self, now: Now) -> Iterator[Move]:
        hr_bpm = now.heart_rate_bpm
        if self.walk is None or not now.before_run or not now.judge or hr_bpm is None:
            return
        if hr_bpm <= self._gate_bpm:
            if now.elapsed_s >= SHORTEST_WALK_S - EARLY_NOTICE_S and now.remaining_s > TOLD_BEFORE_END_S:
                yield Move(CueKind.COUNTDOWN, Reason.RECOVERED, for_s=EARLY_NOTICE_S)
        elif COUNTING_DOWN_S < now.remaining_s <= RETEST_BEFORE_END_S and not self._at_cap(now):
            for_s = min(GATE_EXTENSION_S, LONGEST_WALK_S - now.length_s)
            more = words.sentence(f"{words.number(round(for_s))} more seconds")
            yield Move(CueKind.EXTEND_WALK, Reason.NOT_RECOVERED, f"Still {round(hr_bpm)}. {more}", for_s)

    def may_announce_end(self, now: Now) -> bool:
        if self.walk is None or not now.before_run or not now.judge or now.heart_rate_bpm is None:
            return True
        return now.heart_rate_bpm <= self._gate_bpm or self._at_cap(now) or now.remaining_s <= COUNTING_DOWN_S

    def end_reason(self, now: Now) -> Reason | None:
        if self.walk is None or not now.before_run or not now.judge or now.heart_rate_bpm is None:
            return Reason.PLANNED
        if now.heart_rate_bpm <= self._gate_bpm:
            return Reason.RECOVERED
        return Reason.WALK_CAP if self._at_cap(now) else Reason.PLANNED

    @staticmethod
    def _at_cap(now: Now) -> bool:
        return LONGEST_WALK_S - now.length_s < 1


class Rest(Fixed):
    """Every walk after a run lasts ``rest_s``, whatever the plan and the heart rate say."""

    rest_s: ClassVar[float]

    def length(self, stretch: Stretch) -> float:
        if stretch.phase is Phase.WALK and stretch.cycle_run_s:
            return self.rest_s / stretch.planned_s
        return 1.0

    def ratio_s(self, stretch: Stretch | None) -> tuple[float, float]:
        run_s, walk_s = super().ratio_s(stretch)
        return run_s, self.rest_s if run_s and walk_s else walk_s


class Rest51(Rest):
    rest_s = 51.0


class Rest118(Rest):
    rest_s = 118.0
