"""What is said without changing anything: countdowns, prompts, tips, reminders and the budget.

Everything else is said by whoever decides it; all of it passes through ``Cues``,
which keeps the quiet times.
"""

from __future__ import annotations

from math import inf

from hrbridge.config import Control, Plan, Runner, Units
from hrbridge.control import words
from hrbridge.control.adaptation import Now, Policy
from hrbridge.control.budget import Budget
from hrbridge.control.course import Course
from hrbridge.control.cues import QUIET_AFTER_CHANGE_S, Cues
from hrbridge.control.effort import ASK_EVERY_WALKS, Effort
from hrbridge.control.movement import STALE_S, Movement
from hrbridge.control.plan import Stretch, goal, is_free
from hrbridge.control.progress import MAIN, NO_ADAPTATION_BEFORE_S, RUNNING, Progress
from hrbridge.control.safety import Safety
from hrbridge.control.signal import NEVER_S, SignalMonitor
from hrbridge.control.walk_pace import WalkPace
from hrbridge.decisions import Cue, CueKind, Phase, Reason, Trust

# Countdowns: 3-2-1 before every change; ten seconds before it in segments long enough. In short ones (under 90 s) at
# most one thing is said per cycle beside the changes and their 3-2-1: 25 cues in ten minutes of 60 s segments.
COUNTDOWN_S = 3.0
NOTICE_S = 10.0
NOTICE_IN_WALKS_FROM_S = 45.0
NOTICE_IN_RUNS_FROM_S = 90.0
SHORT_SEGMENT_S = 90.0
MIN_NOTICE_S = 6.0
SAME_END_S = 5.0
PROMPT_AT_S = 15.0
TIP_FROM_WALK_S = 60.0
# How long after the start of a walk (in "free" it is noticed late) what may be walked is worth saying.
BUDGET_WITHIN_S = 30.0
IGNORED_AFTER_S = 20.0
IGNORED_IN_ROW_AT_MOST = 2
# Low: time for a new cell before one of the next runs. Nearly empty: it may not last to the end of this one.
LOW_BATTERY_PERCENT, EMPTY_BATTERY_PERCENT = 20, 10
# The sensors hand over after 5 s of silence and give back after 10 s without: a loose strap could be told of eight
# times in a minute. Once in each direction is what a short cycle can bear.
GUIDE_AGAIN_AFTER_S = 60.0
# Who guides besides the strap, and what tells of it.
SECOND, CLOCK = "second sensor", "clock"
GUIDE_CUES = (
    (CueKind.SIGNAL_LOST, Reason.NO_SIGNAL),
    (CueKind.WARNING, Reason.NO_SIGNAL),
    (CueKind.SIGNAL_BACK, Reason.RECOVERED),
)
# The warm-up is not nagged about: only a heart rate this far above the ceiling, for this long, after two minutes.
WARMUP_ALLOWANCE_BPM = 15.0
WARMUP_ABOVE_FOR_S = 10.0


class Speech:
    """Asked once a second, after everything has been decided."""

    def __init__(
        self,
        plan: Plan,
        runner: Runner,
        settings: Control,
        cues: Cues,
        signal: SignalMonitor,
        movement: Movement,
        safety: Safety,
        course: Course,
        *,
        ceiling_bpm: float,
        ready_bpm: float,
    ) -> None:
        self._free = is_free(plan)
        self._imperial = runner.units is Units.IMPERIAL
        self._settings = settings
        self._cues = cues
        self._signal = signal
        self._movement = movement
        self._safety = safety
        self._course = course
        self._ceiling_bpm = ceiling_bpm
        self._ready_bpm = ready_bpm
        self._walk_pace = WalkPace(*plan.walk_speed_m_s) if plan.walk_speed_m_s is not None else None
        aim = goal(plan)
        self._budget = Budget(aim) if aim is not None else None
        self._ignored_in_row = 0
        self._battery_percent = 100
        self._battery_warnings = self._battery_told = 0
        self._guide: str | None = None
        self._guide_told: str | None = None
        self._guide_told_s = {CueKind.WARNING: NEVER_S, CueKind.SIGNAL_BACK: NEVER_S}
        self._distance_missed_said = False

    # -- changes and their countdowns --

    def change(self, stretch: Stretch, length_s: float, length_m: float | None, because: Reason) -> str:
        """How a new stretch is told: "Run four minutes."."""
        if stretch.mark and length_m in (None, stretch.most_m):
            how_long = words.to_mark(stretch.mark, length_m, imperial=self._imperial)
        elif length_m is None:
            how_long = words.duration(length_s)
        elif length_m == stretch.planned_m:
            how_long = words.distance(length_m)
        else:
            how_long = words.about(length_m, imperial=self._imperial)
        say = f"{stretch.phase.value.capitalize()} {how_long}."
        if (segment := stretch.segment) is not None:
            say += words.treadmill(segment.incline_percent, segment.speed_m_s, imperial=self._imperial)
        if stretch.phase is Phase.WALK and because is Reason.SAFETY:
            return "Walk now. Check the strap or your maximum."
        if stretch.phase is Phase.WALK and because in (Reason.HEART_RATE_CEILING, Reason.FORECAST_CEILING):
            return f"High enough. {say}"
        return say

    def walk_begins(self) -> None:
        if self._walk_pace is not None:
            self._walk_pace.begin()

    def announce_end(self, p: Progress, policy: Policy, now: Now) -> None:
        """Ten seconds before a change, and three, two, one: only of changes that will come."""
        if p.ends_s is None or p.phase is Phase.COOLDOWN or not 0 < now.remaining_s <= NOTICE_S:
            return
        if p.next_phase in RUNNING and (self._safety.forbids_running or p.told_home(policy.walk)):
            return
        if now.remaining_s <= COUNTDOWN_S:
            if self._settings.countdown and not _told(p, p.counted_end_s) and _will_end(p, policy, now):
                p.counted_end_s = p.ends_s
                self.countdown(p, "three, two, one", now.remaining_s, _why_it_ends(p, policy, now))
            return
        length_s = p.ends_s - p.started_s
        from_s = NOTICE_IN_RUNS_FROM_S if p.phase in RUNNING else NOTICE_IN_WALKS_FROM_S
        if (
            self._settings.notice
            and length_s >= from_s
            and now.remaining_s >= MIN_NOTICE_S
            and not _told(p, p.noticed_end_s)
            and (length_s >= SHORT_SEGMENT_S or self._cues.said_in_cycle == 0)
            and _will_end(p, policy, now)
        ):
            p.noticed_end_s = p.ends_s
            how_long = f"{words.number(round(now.remaining_s))} seconds"
            self.countdown(p, how_long, now.remaining_s, _why_it_ends(p, policy, now))

    def countdown(self, p: Progress, how_long: str, remaining_s: float, reason: Reason) -> None:
        """ "Recovered, 126. Run in four seconds."."""
        hr_bpm = self._signal.heart_rate_bpm
        lead = f"Recovered, {round(hr_bpm)}. " if reason is Reason.RECOVERED and hr_bpm is not None else ""
        noun = words.NOUN.get(p.next_phase or Phase.RUN, "run")
        noun = f"Next {noun}" if p.next_phase is p.phase else noun.capitalize()
        self._cues.say_now(CueKind.COUNTDOWN, reason, f"{lead}{noun} in {how_long}.", remaining_s)

    # -- advice --

    def advise(self, at_s: float, p: Progress, effort: Effort) -> None:
        """Prompts, tips and one repeat of a cue that was not followed."""
        if p.phase not in MAIN:
            if p.phase is Phase.WARMUP:
                self._ease_warmup(at_s, p)
            return
        if self._free or p.stretch is None:
            return
        elapsed_s = at_s - p.started_s
        remaining_s = inf if p.ends_s is None else p.ends_s - at_s
        if at_s - max(p.started_s, p.resumed_s) >= IGNORED_AFTER_S and remaining_s >= NOTICE_S:
            self._repeat_ignored(at_s, p)
        if p.phase in RUNNING or remaining_s < NOTICE_S + 2:
            return
        if elapsed_s >= PROMPT_AT_S and not p.prompted:
            p.prompted = True
            if p.stretch.planned_s >= SHORT_SEGMENT_S or self._cues.said_in_cycle == 0:
                self._prompt_or_tip(at_s, p, p.stretch, effort)
        if elapsed_s >= QUIET_AFTER_CHANGE_S:
            self._advise_walk_pace(at_s, p, p.stretch)

    def _prompt_or_tip(self, at_s: float, p: Progress, walk: Stretch, effort: Effort) -> None:
        if self._settings.rpe_prompts and effort.is_due(p.walks):
            effort.asked(p.walks)
            self._cues.say_when_quiet(at_s, CueKind.RPE_PROMPT, Reason.PLANNED, "Effort, zero to ten?")
        elif self._walk_pace is not None and self._movement.speed_m_s is not None:
            pass  # one tip in a walk, and here it is for the pace
        elif self._settings.tips and p.walks % ASK_EVERY_WALKS == 1 and walk.planned_s >= TIP_FROM_WALK_S:
            say = words.TIPS[p.walks // ASK_EVERY_WALKS % len(words.TIPS)]
            self._cues.say_when_quiet(at_s, CueKind.TIP, Reason.PLANNED, say)

    def _advise_walk_pace(self, at_s: float, p: Progress, walk: Stretch) -> None:
        """A brisk walk is to be brisk; but one between runs is for the heart, until that has come down."""
        if self._walk_pace is None or self._movement.gait_now or p.not_walked:
            return
        hr_bpm = self._signal.trusted_bpm
        for_recovery = walk.cycle_run_s > 0 or p.next_phase in RUNNING
        if for_recovery and (hr_bpm is None or hr_bpm > self._ready_bpm):
            return
        say = self._walk_pace.advice(at_s, self._movement.speed_m_s)
        if say is not None:
            self._cues.say_when_quiet(at_s, CueKind.TIP, Reason.PLANNED, say)

    def _ease_warmup(self, at_s: float, p: Progress) -> None:
        hr_bpm = self._signal.heart_rate_bpm
        if (
            not p.advised_walk
            and not self._free
            and self._signal.good_for_s(at_s) >= WARMUP_ABOVE_FOR_S
            and hr_bpm is not None
            and at_s - p.session_started_s >= NO_ADAPTATION_BEFORE_S
            and hr_bpm > self._ceiling_bpm + WARMUP_ALLOWANCE_BPM
        ):
            p.advised_walk = True
            say = "Easier. This is the warm-up."
            self._cues.say_when_quiet(at_s, CueKind.EASE_WALK, Reason.HEART_RATE_CEILING, say)

    def _repeat_ignored(self, at_s: float, p: Progress) -> None:
        """Only where speed or cadence says so; once; and after two in a row no more, until one is followed."""
        running = self._movement.gait_now
        if running is None or p.repeated:
            return
        p.repeated = True
        if running is (p.phase in RUNNING):
            self._ignored_in_row = 0
            return
        self._ignored_in_row += 1
        if self._ignored_in_row > IGNORED_IN_ROW_AT_MOST:
            return
        kind, say = (CueKind.WALK, "Walk now.") if p.phase is Phase.WALK else (CueKind.RUN, "Run when you are ready.")
        self._cues.say_when_quiet(at_s, kind, Reason.CUE_IGNORED, say)

    # -- what sensors lack --

    def hear_battery(self, percent: int) -> None:
        """What the strap says of it now and then."""
        self._battery_percent = percent
        self._battery_warnings = (percent <= LOW_BATTERY_PERCENT) + (percent < EMPTY_BATTERY_PERCENT)

    def tell_battery(self, at_s: float) -> None:
        """Once when it is low, and once more when it is nearly empty."""
        if self._battery_warnings > self._battery_told:
            say = f"Strap battery {self._battery_percent} percent."
            self._cues.say_when_quiet(at_s, CueKind.BATTERY, Reason.BATTERY, say)

    def tell_guide(self, at_s: float, *, by_clock: bool) -> None:
        """Which sensor is heard, or that the clock leads; what is no longer so is not said."""
        source, strap = self._signal.source, self._signal.strap
        guide = CLOCK if by_clock else strap if source == strap else SECOND
        if guide != self._guide:
            self._guide = guide
            for kind, reason in GUIDE_CUES:
                self._cues.forget(kind, reason)
        if self._guide_told is None:
            self._guide_told = strap  # until something else is said, everybody counts on it
        told = self._guide_told
        if guide == told:
            return
        kind, reason = CueKind.SIGNAL_BACK, Reason.RECOVERED
        if guide == CLOCK:
            kind, reason = CueKind.SIGNAL_LOST, Reason.NO_SIGNAL
            say = f"{'No heart rate' if self._signal.trust is Trust.NONE else 'Check the strap'}. Using the clock."
        elif told == CLOCK:
            say = "Heart rate is back." if guide == strap else "Heart rate is back. Using the second sensor."
        elif guide == strap:
            say = "Back on the strap."
        else:
            # Heart rate goes on: not "signal lost", which a headset may show for as long as nothing is back.
            kind, reason, say = CueKind.WARNING, Reason.NO_SIGNAL, "Strap silent. Using the second sensor."
        if CLOCK in (guide, told) or at_s - self._guide_told_s[kind] >= GUIDE_AGAIN_AFTER_S:
            self._cues.say_when_quiet(at_s, kind, reason, say)

    def miss_distance(self, at_s: float, p: Progress) -> None:
        """Said once, when a distance is wanted and no sensor gives one."""
        if not self._course.measured and not self._distance_missed_said and at_s - p.session_started_s >= STALE_S:
            self._distance_missed_said = True
            say = "No distance. Using your pace."
            self._cues.say_when_quiet(at_s, CueKind.WARNING, Reason.PLANNED, say)

    # -- the walk budget --

    def tell_budget(self, at_s: float, p: Progress) -> None:
        """What may still be walked. Only told: no walk is made shorter for a goal, the runner has the choice."""
        budget = self._budget
        if budget is None or p.gun_s is None or p.phase not in MAIN:
            return
        self.miss_distance(at_s, p)
        walk = p.walks if p.phase is Phase.WALK else None
        begun = at_s - p.started_s <= BUDGET_WITHIN_S
        due = budget.due(at_s - p.gun_s, self._course.distance_m - p.main_started_m, walk, begun=begun)
        self._cues.forget(CueKind.BUDGET)  # a number that waited is an old one
        if due is not None and not (due[1] == 0 and walk is not None and self._heart_wants_walk(p)):
            self._cues.say_when_quiet(at_s, CueKind.BUDGET, Reason.BUDGET, *due)

    def _heart_wants_walk(self, p: Progress) -> bool:
        """This walk is more than the plan's: nobody is told to run on."""
        longer = p.stretch is not None and (p.ends_s is None or p.ends_s - p.started_s >= p.stretch.planned_s + 1)
        return p.heart_first or self._safety.forbids_running or (longer and not self._free)

    def heard(self, at_s: float, p: Progress, cues: tuple[Cue, ...]) -> None:
        """What has been told; who runs on because of the budget does not ignore the walk."""
        for cue in cues:
            if cue.kind is CueKind.BUDGET and cue.for_s is not None and self._budget is not None:
                self._budget.told(cue.for_s, p.walks)
                p.repeated |= cue.for_s == 0
            elif cue.kind is CueKind.BATTERY:
                self._battery_told = self._battery_warnings
            elif (cue.kind, cue.reason) in GUIDE_CUES:
                self._guide_told = self._guide
                self._guide_told_s[cue.kind] = at_s


def _told(p: Progress, told_end_s: float | None) -> bool:
    """The end of a run by distance wanders by seconds; only one that moves well away is told of again."""
    return told_end_s is not None and p.ends_s is not None and p.ends_s - told_end_s <= SAME_END_S


def _will_end(p: Progress, policy: Policy, now: Now) -> bool:
    return p.phase is Phase.WARMUP or policy.may_announce_end(now)


def _why_it_ends(p: Progress, policy: Policy, now: Now) -> Reason:
    return (policy.end_reason(now) if p.phase is Phase.WALK else None) or Reason.PLANNED
