"""The policies: how long each run and walk is to be, and what changes that.

``Fixed`` follows the clock. ``Adaptive`` is the ladder: ease the walk, lengthen
it, shorten the next run, once more, then an easy finish; and back to the plan
when recovery is good. Every rung is a ``Move`` with its reason.

A policy is told when a stretch begins and ends and is asked at every event in
between. It never changes the phase itself: the controller does, and safety has
the last word.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from math import ceil
from statistics import median
from typing import Protocol

from msgspec import Struct

from hrbridge.config import Block, Control, Plan, Purpose, Runner, SegmentKind
from hrbridge.control import words
from hrbridge.control.forecast import LINE_OVER_S, running_bpm, session_scale
from hrbridge.control.plan import Stretch, is_free
from hrbridge.control.recovery import (
    BASE_FROM_LAST_S,
    DRIFT_BPM_PER_S,
    HeartRateHistory,
    Recovery,
    WalkingBase,
    ready_line_bpm,
)
from hrbridge.decisions import CueKind, Phase, Reason

# Of heart-rate reserve. First plans are those that walk longer than they run. In a race an effort of 7 to 8 is wanted,
# which no heart reaches under 0.86 of its reserve (runner_model: RPE = 0.5 + 8.5 x share ** 1.8).
EASY_CEILING_HRR = 0.75
FIRST_CEILING_HRR = 0.70
CEILING_HRR = {Purpose.RETURN: 0.70, Purpose.RACE: 0.90}

# Running: when heart rate comes near the ceiling, and when it stands above it.
EASE_BELOW_CEILING_BPM = 8.0
ABOVE_CEILING_FOR_S = 10.0
NO_WALK_BEFORE_S = 15.0  # long enough for a steep rise to be told from the start that every run has
HOLE_S = 10.0
# How far ahead the rise of heart rate may call for a walk: further, and each second that it keeps below the ceiling
# costs more running. And for a slower run, which takes longer to help.
CUT_AHEAD_S = 10.0
EASE_RUN_AHEAD_S = 30.0
# A slower run needs some time to bring anything.
EASE_RUN_BEFORE_END_S = 15.0
# "Three, two, one" has been said: the run ends as announced.
TOO_LATE_TO_CUT_S = 3.0
# Walking: the tests before its end, the steps of an extension, and the cap.
EASE_WALK_FROM_S = 30.0
EASE_WALK_DROP_BPM = 3.0
EASE_WALK_SHARE = 0.8
FALLING_BPM = 3.0
JUDGED_FROM_PLANNED_S = 45.0
TEST_BEFORE_END_S = 12.0
RETEST_BEFORE_END_S = 4.0
COUNTING_DOWN_S = 3.0
CLEAR_MARGIN_BPM = 2.0
EXTENSION_S = 15.0
LONGEST_EXTENSION_S = 45.0
SPOKEN_STEP_S = 5.0
MAX_ANNOUNCEMENTS = 2
RUN_BELOW_CEILING_BPM = 5.0
EARLY_NOTICE_S = 4.0
# "Run in ten seconds" has been said: to take four of them back gains nothing.
TOLD_BEFORE_END_S = 10.0
# After a run that the ceiling cut short, or that is shorter for its sake.
CUT_NOTICE_S = 5.0
CUT_BELOW_CEILING_BPM = 10.0
CUT_AT_LEAST = 0.25
CUT_WALK_AT_LEAST_S = 30.0
CUTS_IN_A_ROW = 3
# The rungs.
SHORTER = 0.80
SHORTEST_RUN_S = 20.0
# Whoever meets the ceiling sooner than after half of the plan had better know how long to run than be cut short.
SHORTEST_SHARE = 0.3
FAILURES_PER_RUNG = 2
RUNGS = 2
CAPS_TO_EASY_FINISH = 2
# The way back.
GOOD_CYCLES = 2
RUN_END_BELOW_CEILING_BPM = 6.0  # a run that is a tenth longer ends higher
RESTORE_RUN_SHARE = 0.10
# Walks too short to judge singly: medians of three walk-ends against cycles 3 to 5.
TREND_SKIPS = 2
TREND_OF = 3
TREND_BPM = 5.0
# A walk 15 s shorter ends higher: there must be room for that before it is given back.
TREND_ROOM_BPM = 12.0
# Effort.
RPE_EXTENSION_S = 15.0
RPE_MOST_EXTENSION_S = 30.0
RPE_EXTEND_BEFORE_END_S = 10.0
RPE_FAR_OVER = 2.0
RPE_LIMIT_OVER = 4.0
RPE_LIMIT = 9.0


def ceiling_bpm(runner: Runner, plan: Plan, settings: Control) -> float:
    """The heart rate that running should stay below; in a second workout not above the mean of the day's first."""
    share = settings.heart_rate_ceiling_hrr
    if share is None:
        share = CEILING_HRR.get(plan.purpose, EASY_CEILING_HRR)
        if plan.block and _walks_longer(plan.block[0]):
            share = min(share, FIRST_CEILING_HRR)
    own_bpm = settings.heart_rate_ceiling_bpm or runner.resting_bpm + share * runner.reserve_bpm
    return min(own_bpm, settings.first_workout_mean_bpm or own_bpm)


def _walks_longer(block: Block) -> bool:
    """Whether a cycle has running in it, and more walking than that."""
    walk_s = sum(segment.for_s or 0.0 for segment in block.segments if segment.kind == SegmentKind.WALK)
    runs = [segment.for_s for segment in block.segments if segment.kind != SegmentKind.WALK]
    return bool(runs) and None not in runs and sum(s or 0.0 for s in runs) < walk_s


def walk_cap_s(planned_s: float) -> float:
    """The longest a walk may become by itself."""
    return max(planned_s + 30, min(planned_s + 90, max(2 * planned_s, planned_s + 45), 210))


class Now(Struct, frozen=True):
    """What a policy is shown.

    ``judge`` is true when the heart rate may change something: trusted, past
    the first two minutes, adaptation on, the stretch neither interrupted nor
    spent in the wrong gait. ``unsure`` when only the signal is missing for
    that, and not for so long that the clock drives. ``ran``: it is a walk, and
    the runner has been running in it. ``ends_s`` is when the
    stretch ends as things stand, None when that is open, and ``remaining_s``
    then infinite; ``before_run`` tells whether a run follows.
    """

    at_s: float
    elapsed_s: float
    remaining_s: float
    ends_s: float | None
    heart_rate_bpm: float | None
    judge: bool
    unsure: bool
    ran: bool
    before_run: bool
    ceiling_bpm: float

    @property
    def length_s(self) -> float:
        """Of the whole stretch, as things stand."""
        return self.elapsed_s + self.remaining_s


class Move(Struct, frozen=True):
    """One thing a policy wants: a cue of this kind, and what goes with it.

    WALK and RUN change the phase; EXTEND_WALK adds ``for_s``; COUNTDOWN ends
    the walk in ``for_s``; COOLDOWN begins the easy finish; the rest is said.
    """

    kind: CueKind
    reason: Reason
    say: str = ""
    for_s: float | None = None


class Policy(Protocol):
    """What the controller asks of any policy."""

    walk: Recovery | None

    def length(self, stretch: Stretch) -> float:
        """The share of its planned length that a stretch gets now; for walks may be over 1."""
        ...

    def ratio_s(self, stretch: Stretch | None) -> tuple[float, float]:
        """Present run and walk seconds of the cycle of ``stretch``."""
        ...

    def learn_base(self, from_s: float, at_s: float) -> None:
        """The walking of the warm-up, which began at ``from_s``, ends."""
        ...

    def begin(self, stretch: Stretch, at_s: float) -> None: ...

    def during(self, now: Now) -> Iterator[Move]: ...

    def may_announce_end(self, now: Now) -> bool:
        """Whether a countdown to the end of this stretch would tell the truth."""
        ...

    def end_reason(self, now: Now) -> Reason | None:
        """Why the walk may end now; None: walk on."""
        ...

    def end(self, stretch: Stretch, now: Now, because: Reason) -> Iterator[Move]: ...

    def report(self, rpe: float, now: Now, phase: Phase) -> Iterator[Move]: ...


class Fixed:
    """The plan by the clock; recovery is measured and shown, nothing follows from it."""

    def __init__(self, runner: Runner, plan: Plan, settings: Control, history: HeartRateHistory) -> None:
        self.walk: Recovery | None = None
        self._settings = settings
        self._history = history
        self._base = WalkingBase(runner)
        self._ready_bpm = ready_line_bpm(runner, settings)
        # How the last breaks of this session went, against the curve of many people.
        self._ratios: deque[float] = deque(maxlen=6)

    def length(self, stretch: Stretch) -> float:
        return 1.0

    def ratio_s(self, stretch: Stretch | None) -> tuple[float, float]:
        return (0.0, 0.0) if stretch is None else (stretch.cycle_run_s, stretch.cycle_walk_s)

    def learn_base(self, from_s: float, at_s: float) -> None:
        median_bpm = self._history.median_bpm(max(from_s, at_s - BASE_FROM_LAST_S))
        self._base.learn(at_s, median_bpm, self._history.source)

    def begin(self, stretch: Stretch, at_s: float) -> None:
        self.walk = None
        if stretch.phase is Phase.WALK:
            base_bpm, scale = self._base.at(at_s, self._history.source), session_scale(self._ratios)
            self.walk = Recovery(at_s, self._history, base_bpm, self._ready_bpm, self._settings, scale)

    def during(self, now: Now) -> Iterator[Move]:
        yield from ()

    def may_announce_end(self, now: Now) -> bool:
        return True

    def end_reason(self, now: Now) -> Reason | None:
        return Reason.PLANNED

    def end(self, stretch: Stretch, now: Now, because: Reason) -> Iterator[Move]:
        if self.walk is not None and now.judge and now.heart_rate_bpm is not None:
            ratio = self.walk.ratio(now.at_s, now.heart_rate_bpm)
            if ratio is not None:
                self._ratios.append(ratio)
        yield from ()

    def report(self, rpe: float, now: Now, phase: Phase) -> Iterator[Move]:
        yield from ()


class Adaptive(Fixed):
    """The ladder."""

    def __init__(self, runner: Runner, plan: Plan, settings: Control, history: HeartRateHistory) -> None:
        super().__init__(runner, plan, settings, history)
        self._rpe_target = plan.rpe_target
        self._free = is_free(plan)
        # What holds now, against the plan: runs as a share, walks in seconds more.
        self._run_share = 1.0
        self._walk_extra_s = 0.0
        self._rpe_extra_s = 0.0
        # The ladder.
        self._failed_in_row = 0
        self._caps_in_row = 0
        self._rung = 0
        self._good_in_row = 0
        self._changed_this_cycle = False
        self._stretch: Stretch | None = None
        # The present run.
        self._eased = False
        self._above_since_s: float | None = None
        self._seen_s = 0.0
        self._last_run: Stretch | None = None
        self._run_s = 0.0  # of this cycle, over all its runs and surges
        self._last_run_cut = False
        self._shorter_for_ceiling = False
        self._cuts_s: deque[float] = deque(maxlen=CUTS_IN_A_ROW)
        self._said_jog_slower = False
        # The present walk.
        self._planned_s, self._cap_s = 0.0, walk_cap_s(0.0)
        self._begun_s = 0.0
        self._holds = False
        self._own_extension_s = 0.0
        self._announcements = 0
        self._tested_end_s: float | None = None
        self._unclear = False
        self._said_ready = False
        # Short walks.
        self._walk_ends: list[tuple[float, float]] = []
        self._doubled = False
        # Effort.
        self._rpe_over: deque[bool] = deque(maxlen=3)
        self._rpe_shortened = False
        self._over_this_cycle = False

    # -- lengths --

    def length(self, stretch: Stretch) -> float:
        if stretch.phase is Phase.WALK:
            cap_s = walk_cap_s(stretch.planned_s)
            return min(stretch.planned_s + self._walk_extra_s, cap_s) / stretch.planned_s
        return max(self._run_share, self._floor_share(stretch))

    def ratio_s(self, stretch: Stretch | None) -> tuple[float, float]:
        if stretch is None:
            return 0.0, 0.0
        run_s = stretch.cycle_run_s * max(self._run_share, self._floor_share(stretch))
        walk_s = min(stretch.cycle_walk_s + self._walk_extra_s, walk_cap_s(stretch.cycle_walk_s))
        return run_s, walk_s if stretch.cycle_walk_s else 0.0

    @staticmethod
    def _floor_share(stretch: Stretch) -> float:
        """The shortest that the running of a cycle may become: 0.3 of planned, not under 20 s."""
        planned_s = stretch.cycle_run_s or stretch.planned_s
        if planned_s <= SHORTEST_RUN_S:
            return 1.0
        return max(SHORTEST_SHARE, SHORTEST_RUN_S / planned_s)

    # -- what happens in a stretch --

    def begin(self, stretch: Stretch, at_s: float) -> None:
        new_cycle = stretch.phase is not Phase.WALK and (self.walk is not None or self._stretch is None)
        super().begin(stretch, at_s)
        self._stretch = stretch
        if new_cycle or stretch.phase is Phase.WALK:
            self._eased = False
        if stretch.phase is not Phase.WALK:
            self._above_since_s = None
            if new_cycle:
                self._run_s = 0.0
                self._changed_this_cycle = self._over_this_cycle = False
            return
        self._planned_s, self._cap_s = stretch.planned_s, walk_cap_s(stretch.planned_s)
        self._begun_s = stretch.planned_s * self.length(stretch) if stretch.planned_s else 0.0
        self._holds = False
        self._own_extension_s = 0.0
        self._announcements = 0
        self._tested_end_s = None
        self._unclear = False
        self._said_ready = False

    def during(self, now: Now) -> Iterator[Move]:
        return self._during_run(now) if self.walk is None else self._during_walk(now, self.walk)

    def _during_run(self, now: Now) -> Iterator[Move]:
        hr_bpm = now.heart_rate_bpm
        # A hole in the events (a pause, a sleeping machine) is not time spent above the ceiling.
        # A moment of doubt stops the count, it does not begin it anew.
        if not (now.judge or now.unsure) or now.at_s - self._seen_s > HOLE_S:
            self._above_since_s = None
        self._seen_s = now.at_s
        if not now.judge or hr_bpm is None:
            return
        if hr_bpm <= now.ceiling_bpm:
            self._above_since_s = None
        elif self._above_since_s is None or self._above_since_s < self._history.since_s:
            self._above_since_s = now.at_s
        above_s = 0.0 if self._above_since_s is None else now.at_s - self._above_since_s
        if now.remaining_s <= TOO_LATE_TO_CUT_S:
            return
        if now.elapsed_s < NO_WALK_BEFORE_S:
            return  # in the first seconds every heart rises steeply: that says nothing yet about where it will end
        above = above_s >= ABOVE_CEILING_FOR_S
        too_high_bpm = now.ceiling_bpm + self._settings.ceiling_forecast_margin_bpm
        change_bpm_s = self._history.change_bpm_s()
        if above or _running_bpm(now, hr_bpm, change_bpm_s, CUT_AHEAD_S) > too_high_bpm:
            self._above_since_s = None
            self._eased = True
            yield Move(CueKind.WALK, Reason.HEART_RATE_CEILING if above else Reason.FORECAST_CEILING)
        elif self._eased or now.remaining_s < EASE_RUN_BEFORE_END_S:
            return
        elif hr_bpm >= now.ceiling_bpm - EASE_BELOW_CEILING_BPM:
            self._eased = True
            yield Move(CueKind.EASE_RUN, Reason.HEART_RATE_CEILING, "A little slower.")
        elif _running_bpm(now, hr_bpm, change_bpm_s, EASE_RUN_AHEAD_S) > now.ceiling_bpm:
            self._eased = True
            yield Move(CueKind.EASE_RUN, Reason.FORECAST_CEILING, "A little slower.")

    def _during_walk(self, now: Now, walk: Recovery) -> Iterator[Move]:
        hr_bpm = now.heart_rate_bpm
        if not now.judge or hr_bpm is None:
            return
        self._holds = self._judged_end(now, walk, now.elapsed_s, hr_bpm) is None
        if self._ease_walk_helps(now, walk, hr_bpm):
            self._eased = True
            yield Move(CueKind.EASE_WALK, Reason.NOT_RECOVERED, "Slower walk.")
        if self._free:
            if walk.recovered and not self._said_ready:
                self._said_ready = True
                yield Move(CueKind.RUN, Reason.RECOVERED, f"Recovered, {round(hr_bpm)}. Run when you like.")
        elif not now.before_run:
            return  # no run follows that this walk would have to prepare
        elif self._may_end_early(now, walk, hr_bpm):
            yield self._end_early(now, walk)
        elif self._planned_s < JUDGED_FROM_PLANNED_S:
            yield from self._test_short_walk(now, hr_bpm)
        else:
            yield from self._test_walk(now, walk, hr_bpm)

    def _ease_walk_helps(self, now: Now, walk: Recovery, hr_bpm: float) -> bool:
        """[M] under 3 bpm of drop at 30 s foretells a poor recovery; brisk walking is often what holds it up."""
        if (
            self._eased
            or now.elapsed_s < EASE_WALK_FROM_S
            or now.remaining_s <= TEST_BEFORE_END_S  # what is said then is how much longer the walk gets
            or walk.once_recovered
            or walk.reference_bpm is None
            or self._history.change_bpm_s() * LINE_OVER_S <= -FALLING_BPM
            or walk.margin_bpm(now.elapsed_s, hr_bpm, now.ceiling_bpm) >= 0
        ):
            return False
        if walk.reference_bpm - hr_bpm < EASE_WALK_DROP_BPM:
            return True
        if now.ends_s is None:
            return False
        at_end_bpm = _at_end_bpm(now, walk, hr_bpm)
        enough_bpm = EASE_WALK_SHARE * walk.required_bpm(now.length_s)
        return at_end_bpm > self._ready_bpm and walk.reference_bpm - at_end_bpm < enough_bpm

    def _may_end_early(self, now: Now, walk: Recovery, hr_bpm: float) -> bool:
        """A held or extended walk ends when recovered; so may the walk after a run that the ceiling cut short."""
        if now.ends_s is None or (self._own_extension_s > 0 and now.elapsed_s >= self._begun_s):
            return walk.recovered and now.remaining_s > TOLD_BEFORE_END_S
        if self._settings.allow_early_run and walk.recovered and now.remaining_s > TOLD_BEFORE_END_S:
            return True
        run = self._last_run
        if not self._kept_below_ceiling or run is None or now.remaining_s <= TOLD_BEFORE_END_S or self._rpe_extra_s > 0:
            return False
        if walk.across_sensors:  # one has cut the run short, another one would end the walk
            return False
        share = self._run_s / run.cycle_run_s
        enough_s = max(CUT_WALK_AT_LEAST_S, share * self._begun_s) - CUT_NOTICE_S
        return (
            share >= CUT_AT_LEAST
            and run.cycle_run_s > self._planned_s
            and now.elapsed_s >= enough_s
            and (walk.recovered or hr_bpm <= now.ceiling_bpm - CUT_BELOW_CEILING_BPM)
        )

    def _end_early(self, now: Now, walk: Recovery) -> Move:
        self._unclear = False
        reason = Reason.RECOVERED if walk.recovered else Reason.HEART_RATE_CEILING
        notice_s = CUT_NOTICE_S if self._kept_below_ceiling and self._own_extension_s == 0 else EARLY_NOTICE_S
        self._tested_end_s = now.at_s + notice_s
        return Move(CueKind.COUNTDOWN, reason, for_s=notice_s)

    @property
    def _kept_below_ceiling(self) -> bool:
        """The run before this walk was shorter than planned, so that heart rate stays below the ceiling."""
        return self._last_run_cut or self._shorter_for_ceiling

    def _test_short_walk(self, now: Now, hr_bpm: float) -> Iterator[Move]:
        """Too short to judge singly; but nobody is sent running near the ceiling."""
        if not COUNTING_DOWN_S < now.remaining_s <= RETEST_BEFORE_END_S or self._tested_end_s == now.ends_s:
            return
        self._tested_end_s = now.ends_s
        if hr_bpm > now.ceiling_bpm - RUN_BELOW_CEILING_BPM:
            yield from self._extend(now, EXTENSION_S, hr_bpm, Reason.HEART_RATE_CEILING)

    def _test_walk(self, now: Now, walk: Recovery, hr_bpm: float) -> Iterator[Move]:
        """12 s before the end, and where that is not clear once more at 4 s: will this walk have done its work?"""
        if not COUNTING_DOWN_S < now.remaining_s <= TEST_BEFORE_END_S:
            return
        if walk.reference_bpm is None:
            self._unclear = False
            return
        at_end_bpm = _at_end_bpm(now, walk, hr_bpm)
        to_spare_bpm = walk.margin_bpm(now.length_s, at_end_bpm, now.ceiling_bpm)
        if self._tested_end_s != now.ends_s:
            self._tested_end_s = now.ends_s
            self._unclear = abs(to_spare_bpm) < CLEAR_MARGIN_BPM
            if to_spare_bpm <= -CLEAR_MARGIN_BPM:
                yield from self._extend(now, self._extension_s(now, walk, hr_bpm), hr_bpm, Reason.NOT_RECOVERED)
        elif self._unclear and now.remaining_s <= RETEST_BEFORE_END_S:
            self._unclear = False
            if to_spare_bpm < 0:
                for move in self._extend(now, EXTENSION_S, hr_bpm, Reason.NOT_RECOVERED):
                    # So close, it is not asked again before the last moment of what was added.
                    self._tested_end_s = (now.ends_s or now.at_s) + (move.for_s or 0.0)
                    self._unclear = not self._at_cap(now)
                    yield move

    @staticmethod
    def _extension_s(now: Now, walk: Recovery, hr_bpm: float) -> float:
        """15 to 45 s: until heart rate will be ready, in steps of 5 s."""
        ready_in_s = walk.ready_in_s(now.at_s, hr_bpm, now.ceiling_bpm)
        if ready_in_s is None:
            return LONGEST_EXTENSION_S
        lacking_s = SPOKEN_STEP_S * ceil((ready_in_s - now.remaining_s) / SPOKEN_STEP_S)
        return min(max(lacking_s, EXTENSION_S), LONGEST_EXTENSION_S)

    def _extend(self, now: Now, for_s: float, hr_bpm: float, reason: Reason) -> Iterator[Move]:
        """A longer walk, up to the cap; the second announcement of a judged walk goes all the way."""
        left_s = self._cap_s - now.length_s
        judged = self._planned_s >= JUDGED_FROM_PLANNED_S
        if left_s < 1 or (judged and self._announcements == MAX_ANNOUNCEMENTS):
            return
        last = judged and self._announcements == MAX_ANNOUNCEMENTS - 1
        for_s = left_s if last else min(for_s, left_s)
        self._announcements += 1
        self._own_extension_s += for_s
        yield Move(
            CueKind.EXTEND_WALK,
            reason,
            f"Still {round(hr_bpm)}. {words.sentence(words.number(round(for_s)) + ' more seconds')}",
            for_s,
        )

    def _at_cap(self, now: Now) -> bool:
        return self._cap_s - now.length_s < 1 or self._announcements == MAX_ANNOUNCEMENTS

    # -- how a stretch ends --

    def may_announce_end(self, now: Now) -> bool:
        return not (now.judge and self._unclear) and self.end_reason(now) is not None

    def end_reason(self, now: Now) -> Reason | None:
        if self.walk is None or not now.before_run:
            return Reason.PLANNED
        if now.judge and now.heart_rate_bpm is not None:
            if now.ends_s is None:
                return self._judged_end(now, self.walk, now.elapsed_s, now.heart_rate_bpm)
            at_end_bpm = _at_end_bpm(now, self.walk, now.heart_rate_bpm)
            return self._judged_end(now, self.walk, now.length_s, at_end_bpm)
        if now.ran and now.heart_rate_bpm is not None and now.heart_rate_bpm > now.ceiling_bpm:
            return None
        # What held the walk back a moment ago still does; the clock alone, or no adaptation, lets it end.
        return None if now.unsure and self._holds else Reason.PLANNED

    def _judged_end(self, now: Now, walk: Recovery, walked_s: float, hr_bpm: float) -> Reason | None:
        """Why a run may follow a walk of ``walked_s`` that ends at ``hr_bpm``."""
        if self._planned_s < JUDGED_FROM_PLANNED_S:
            return Reason.PLANNED if hr_bpm <= now.ceiling_bpm - RUN_BELOW_CEILING_BPM else None
        if hr_bpm > now.ceiling_bpm:
            return None
        if walk.margin_bpm(walked_s, hr_bpm, now.ceiling_bpm) >= 0:
            return Reason.RECOVERED if self._own_extension_s > 0 else Reason.PLANNED
        if self._kept_below_ceiling and hr_bpm <= now.ceiling_bpm - CUT_BELOW_CEILING_BPM:
            return Reason.HEART_RATE_CEILING
        if hr_bpm <= now.ceiling_bpm - RUN_BELOW_CEILING_BPM:
            return Reason.WALK_CAP if self._at_cap(now) else Reason.PLANNED
        return None if self._at_cap(now) else Reason.PLANNED

    def end(self, stretch: Stretch, now: Now, because: Reason) -> Iterator[Move]:
        yield from super().end(stretch, now, because)
        if self.walk is None:
            yield from self._end_run(stretch, now, because)
        elif now.judge and now.heart_rate_bpm is not None and because is not Reason.COMMAND:
            yield from self._end_walk(stretch, now, self.walk, now.heart_rate_bpm)

    def _end_run(self, stretch: Stretch, now: Now, because: Reason) -> Iterator[Move]:
        self._last_run = stretch
        self._run_s += now.elapsed_s
        self._last_run_cut = because in (Reason.HEART_RATE_CEILING, Reason.FORECAST_CEILING)
        if not self._last_run_cut:
            if stretch.phase is Phase.RUN:  # the end of a surge says nothing about the run after it
                self._cuts_s.clear()
            return
        self._cuts_s.append(self._run_s)
        if len(self._cuts_s) < CUTS_IN_A_ROW or self._changed_this_cycle:
            return
        floor_share = self._floor_share(stretch)
        share = max(SPOKEN_STEP_S * (min(self._cuts_s) // SPOKEN_STEP_S) / stretch.cycle_run_s, floor_share)
        self._cuts_s.clear()
        if share < self._run_share:
            self._run_share = share
            self._changed_this_cycle = self._shorter_for_ceiling = True
            yield self._ratio(stretch, Reason.HEART_RATE_CEILING)
        elif not self._said_jog_slower:
            self._said_jog_slower = True
            yield Move(CueKind.TIP, Reason.HEART_RATE_CEILING, "Jog slower.")

    def _end_walk(self, stretch: Stretch, now: Now, walk: Recovery, hr_bpm: float) -> Iterator[Move]:
        if not self._free and self._planned_s < JUDGED_FROM_PLANNED_S:
            yield from self._follow_trend(stretch, now, hr_bpm)
            return
        if now.elapsed_s < EASE_WALK_FROM_S or walk.reference_bpm is None or not (now.before_run or self._free):
            return
        met = walk.margin_bpm(now.elapsed_s, hr_bpm, now.ceiling_bpm) >= 0
        capped = not self._free and self._at_cap(now) and not met
        failed = self._own_extension_s > 0 or capped or (self._free and not met)
        if failed:
            self._good_in_row = 0
            self._failed_in_row += 1
            self._caps_in_row = self._caps_in_row + 1 if capped else 0
            if self._over_this_cycle and not self._changed_this_cycle and self._shorten(stretch):
                # Heart rate and effort are both high: not only a longer walk, but a shorter run as well.
                self._changed_this_cycle = True
                yield self._ratio(stretch, Reason.RPE_HIGH)
            elif self._failed_in_row >= FAILURES_PER_RUNG or (capped and self._rung == 0):
                yield from self._step_down(stretch, Reason.WALK_CAP if capped else Reason.NOT_RECOVERED)
            return
        self._failed_in_row = 0
        self._caps_in_row = 0
        if self._is_good(now, walk, hr_bpm):
            self._good_in_row += 1
            if self._good_in_row >= GOOD_CYCLES:
                yield from self._restore(stretch)
        else:
            self._good_in_row = 0

    def _step_down(self, stretch: Stretch, reason: Reason) -> Iterator[Move]:
        """One rung: the walk keeps its extension, the next run is shorter; below the last rung, an easy finish."""
        if self._changed_this_cycle:
            return
        if self._rung >= RUNGS:
            if self._caps_in_row >= CAPS_TO_EASY_FINISH:
                yield Move(CueKind.COOLDOWN, Reason.EASY_FINISH)
            return
        longer = self._lengthen(EXTENSION_S if self._free else self._own_extension_s)
        shorter = self._shorten(stretch)
        if longer or shorter:
            self._rung += 1
            self._failed_in_row = self._caps_in_row = 0
            self._changed_this_cycle = True
            yield self._ratio(stretch, reason)

    def _lengthen(self, by_s: float) -> bool:
        """Coming walks longer; False when they are at their cap already."""
        extra_s = min(self._walk_extra_s + by_s, self._cap_s - self._planned_s)
        if extra_s <= self._walk_extra_s:
            return False
        self._walk_extra_s = extra_s
        return True

    def _shorten(self, stretch: Stretch) -> bool:
        """The next run x 0.80; False when it is at its floor already."""
        share = max(self._run_share * SHORTER, self._floor_share(self._last_run or stretch))
        if share >= self._run_share:
            return False
        self._run_share = share
        return True

    def _is_good(self, now: Now, walk: Recovery, hr_bpm: float) -> bool:
        run_end_bpm = walk.reference_bpm if walk.reference_bpm is not None else hr_bpm
        return (
            walk.well_recovered(now.elapsed_s, hr_bpm)
            and not self._last_run_cut
            and run_end_bpm <= now.ceiling_bpm - RUN_END_BELOW_CEILING_BPM
            and not (self._rpe_over and self._rpe_over[-1])
        )

    def _restore(self, stretch: Stretch) -> Iterator[Move]:
        """Back towards the plan: first the walk, then the run."""
        if self._changed_this_cycle:
            return
        if self._walk_extra_s > 0:
            self._walk_extra_s = max(0.0, self._walk_extra_s - EXTENSION_S)
            self._rpe_extra_s = min(self._rpe_extra_s, self._walk_extra_s)
        elif self._run_share < 1:
            self._run_share = min(1.0, self._run_share + RESTORE_RUN_SHARE)
        else:
            return
        if self._run_share == 1:
            self._shorter_for_ceiling = False
            if self._walk_extra_s == 0:
                self._rung = 0
        self._good_in_row = 0
        self._changed_this_cycle = True
        yield self._ratio(stretch, Reason.RESTORED)

    def _follow_trend(self, stretch: Stretch, now: Now, hr_bpm: float) -> Iterator[Move]:
        """Medians of three walk-ends without overlap, against those of cycles 3 to 5; all of one sensor."""
        self._walk_ends = [end for end in self._walk_ends if end[0] >= self._history.since_s]
        self._walk_ends.append((now.at_s, hr_bpm))
        self._failed_in_row = self._failed_in_row + 1 if self._own_extension_s > 0 else 0
        if self._failed_in_row >= FAILURES_PER_RUNG and not self._changed_this_cycle:
            # Asked for walk after walk, it is the plan that is too short.
            self._failed_in_row = self._good_in_row = 0
            if self._lengthen(self._own_extension_s):
                self._changed_this_cycle = True
                yield self._ratio(stretch, Reason.TREND)
                return
        first = self._walk_ends[TREND_SKIPS : TREND_SKIPS + TREND_OF]
        later = len(self._walk_ends) - TREND_SKIPS - TREND_OF
        if later <= 0 or later % TREND_OF != 0 or self._changed_this_cycle:
            return
        last = self._walk_ends[-TREND_OF:]
        drift_bpm = DRIFT_BPM_PER_S * (last[1][0] - first[1][0])
        level_bpm = median(bpm for _, bpm in last)
        risen_bpm = level_bpm - median(bpm for _, bpm in first) - drift_bpm
        if risen_bpm >= TREND_BPM or level_bpm > now.ceiling_bpm - RUN_BELOW_CEILING_BPM:
            self._good_in_row = 0
            if not self._doubled:
                self._doubled = True
                self._lengthen(self._planned_s)
            elif not self._shorten(stretch):
                return
            self._changed_this_cycle = True
            yield self._ratio(stretch, Reason.TREND)
        elif (
            risen_bpm <= 0
            and level_bpm <= now.ceiling_bpm - TREND_ROOM_BPM
            and not (self._rpe_over and self._rpe_over[-1])
        ):
            self._good_in_row += 1
            if self._good_in_row >= GOOD_CYCLES:
                yield from self._restore(stretch)

    def _ratio(self, stretch: Stretch, reason: Reason) -> Move:
        run_s, walk_s = self.ratio_s(stretch)
        if self._planned_s:
            walk_s = stretch.cycle_walk_s + self._walk_extra_s
        if reason is Reason.RESTORED:
            say = f"Good recovery. Run {words.duration(run_s)}, walk {words.duration(walk_s)}."
        elif self._free and run_s > 0 and walk_s > 0:
            run_s, walk_s = 5 * round(run_s / 5), 5 * round(walk_s / 5)
            say = f"Next time: run {words.duration(run_s)}, walk {words.duration(walk_s)}."
        elif run_s > 0 and walk_s > 0 and (self._last_run or stretch).planned_m is None:
            say = f"For now: run {words.duration(run_s)}, walk {words.duration(walk_s)}."
        else:
            say = "A little more walking for now."
        return Move(CueKind.RATIO, reason, say, run_s)

    # -- effort --

    def report(self, rpe: float, now: Now, phase: Phase) -> Iterator[Move]:
        """Heart rate may be fine: the runner is believed all the same."""
        over = rpe - self._rpe_target[1]
        self._rpe_over.append(over > 0)
        if over <= 0:
            self._rpe_shortened = False
            return
        stretch = self._stretch
        if stretch is None or not (stretch.cycle_run_s or self._free):
            return  # a walk of its own is as hard as the runner makes it
        self._good_in_row = 0
        self._over_this_cycle = True
        limit = rpe >= RPE_LIMIT or over >= RPE_LIMIT_OVER
        reason = Reason.RPE_LIMIT if limit else Reason.RPE_HIGH
        extended = yield from self._lengthen_for_effort(now, reason)
        changed = extended is False
        twice = sum(self._rpe_over) >= 2 and not self._rpe_shortened
        if (limit or over >= RPE_FAR_OVER or twice) and not self._changed_this_cycle and self._shorten(stretch):
            self._changed_this_cycle = changed = True
            self._rpe_shortened |= twice
        if changed and not (self._free and not (stretch.cycle_run_s and stretch.cycle_walk_s)):
            yield self._ratio(stretch, reason)
        if limit and phase in (Phase.RUN, Phase.SURGE):
            yield Move(CueKind.WALK, Reason.RPE_LIMIT)

    def _lengthen_for_effort(self, now: Now, reason: Reason) -> Generator[Move, None, bool | None]:
        """15 s more, 30 s in all, until restored. True: in this walk; False: from the next one on; None: no more."""
        by_s = min(RPE_EXTENSION_S, RPE_MOST_EXTENSION_S - self._rpe_extra_s)
        if by_s <= 0 or not self._lengthen(by_s):
            return None
        self._rpe_extra_s += by_s
        if self.walk is None or now.remaining_s < RPE_EXTEND_BEFORE_END_S or self._free:
            return False
        by_s = min(by_s, self._cap_s - now.length_s)
        if by_s < 1:
            return False
        yield Move(
            CueKind.EXTEND_WALK, reason, words.sentence(words.number(round(by_s)) + " more seconds of walking"), by_s
        )
        return True


def _running_bpm(now: Now, hr_bpm: float, change_bpm_s: float, ahead_s: float) -> float:
    """Heart rate so far ahead, or at the end of the run where that is nearer."""
    return round(running_bpm(hr_bpm, change_bpm_s, min(ahead_s, now.remaining_s)), 1)


def _at_end_bpm(now: Now, walk: Recovery, hr_bpm: float) -> float:
    """Heart rate at the end of this walk, as things stand."""
    return round(walk.ahead_bpm(now.at_s, hr_bpm, max(now.remaining_s, 0.0)), 1)
