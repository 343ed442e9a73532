"""The coach: takes one event after the other and says what follows.

The phases of a session and how one leads to the next::

    waiting --start--> warmup --> run/surge <--> walk --> cooldown --> finished
                          any of them <--pause/resume--> paused
                          any of them --stop--> finished

With the plan ``free`` the runner's own gait moves the session between run and
walk; with every other plan the cursor of the plan does, and the policy may
lengthen a walk or end a run. Safety is asked last: it may turn a run into a
walk, never the reverse. ``skip``, ``walk``, ``run`` and ``stop`` are the
runner's will and bind everybody.

Pure: no clock, no input or output. Time stands in the event.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from math import inf

from msgspec.structs import replace

from hrbridge.config import Control, Plan, PolicyName, Runner
from hrbridge.control import words
from hrbridge.control.adaptation import CUT_AHEAD_S, Adaptive, Fixed, Move, Now, Policy, ceiling_bpm, walk_cap_s
from hrbridge.control.baselines import Gate, Rest51, Rest118
from hrbridge.control.course import Course
from hrbridge.control.cues import Cues
from hrbridge.control.effort import Effort
from hrbridge.control.forecast import Forecast, around, running_bpm
from hrbridge.control.movement import Movement
from hrbridge.control.plan import (
    Cursor,
    Stretch,
    as_second_workout,
    cooldown_s,
    gait_change_m_s,
    is_free,
    speed_m_s,
)
from hrbridge.control.progress import ACTIVE, BEFORE_COOLDOWN, MAIN, NO_ADAPTATION_BEFORE_S, RUNNING, Progress
from hrbridge.control.recovery import (
    NO_FORECAST_BEFORE_S,
    NO_JUDGEMENT_BEFORE_S,
    HeartRateHistory,
    Recovery,
    ready_line_bpm,
)
from hrbridge.control.safety import Safety
from hrbridge.control.signal import SignalMonitor
from hrbridge.control.speech import NOTICE_S, Speech
from hrbridge.control.waiting import Waiting
from hrbridge.decisions import REASONS, Cue, CueKind, Estimate, Phase, Ratio, Reason, Step, Trust
from hrbridge.events import Action, Command, Event, Rpe, Sample, Speed, Tick

SURGE_ALLOWANCE_AFTER_S = 30.0
SIGNAL_BACK_AFTER_S = 20.0
UNDO_WITHIN_S = 5.0
RUNNER_EXTENSION_S = 15.0
WALK_AHEAD_S = 30.0
# A walk counts as not walked when the runner is seen running this long after its start.
NOT_WALKED_FROM_S = 20.0
WHY_COOLDOWN = {Reason.EASY_FINISH: "Enough running for today. ", Reason.SAFETY: "Long enough for today. "}
# A walk that was run through, with the heart above the ceiling at its end, is asked for again so often.
ASK_AGAIN_AT_MOST = 2
RELEASE_NOTICE_S = 4.0
# In the plan "free" the last run and walk stand for the plan, in round numbers.
HABIT_STEP_S = 15.0
NOT_A_BREAK_AFTER_PAUSE_S = 30.0
# Five minutes of walking on without recovery: the rest of the session is an easy walk.
HOLD_AT_MOST_S = 300.0
REMIND_EVERY_S = 120.0

POLICIES: dict[PolicyName, Callable[[Runner, Plan, Control, HeartRateHistory], Policy]] = {
    PolicyName.ADAPTIVE: Adaptive,
    PolicyName.FIXED: Fixed,
    PolicyName.GATE: Gate,
    PolicyName.REST51: Rest51,
    PolicyName.REST118: Rest118,
}


class Controller:
    """One session of one runner."""

    def __init__(self, plan: Plan, runner: Runner, settings: Control) -> None:
        if settings.first_workout_mean_bpm is not None:
            plan = as_second_workout(plan)
        self._plan = plan
        self._settings = settings
        self._free = is_free(plan)
        self._ceiling_bpm = ceiling_bpm(runner, plan, settings)
        self._ready_bpm = ready_line_bpm(runner, settings)
        self._signal = SignalMonitor(runner, settings)
        self._movement = Movement(gait_change_m_s(plan))
        self._history = HeartRateHistory()
        self._safety = Safety(runner, plan)
        self._cues = Cues()
        self._policy = POLICIES[settings.policy](runner, plan, settings, self._history)
        self._progress = Progress(cursor=None if self._free else Cursor(plan))
        self._adapting = True
        self._at_s = 0.0
        self._effort = Effort(plan.rpe_target[1])
        self._course = Course(plan, self._movement)
        self._speech = Speech(
            plan,
            runner,
            settings,
            self._cues,
            self._signal,
            self._movement,
            self._safety,
            self._course,
            ceiling_bpm=self._ceiling_bpm,
            ready_bpm=self._ready_bpm,
        )
        self._waiting = Waiting(self._cues, self._signal, settings.start_after_s)
        self._first = None if self._free else Cursor(plan).next(0.0, 0.0)
        self._by_clock = False
        self._undo: tuple[float, Progress, Policy] | None = None
        self._judged_s = float("-inf")
        self._ticked = False
        self._ahead: Forecast | None = None
        self._ready_in_s: float | None = None
        self._event: Event = Tick(0.0)
        self._said: tuple[Cue, ...] = ()
        self._refused: str | None = None
        # None: to be worked out by ``describe``, the forecast together with the ratio.
        self._estimate: Estimate | None = Estimate()
        self._ratio: Ratio | None = self._present_ratio()

    # -- one event --

    def step(self, event: Event) -> Step:
        """Take the next event; total over any sequence of valid events, and time never runs back."""
        self.take(event)
        return self.describe()

    def take(self, event: Event) -> tuple[Cue, ...]:
        """The same without the description, which is half of the work: returns only what is to be said.

        For a study of many runners: it calls ``describe`` where something is
        said, and has the very step that ``step`` would have given.
        """
        if event.at_s < self._at_s:
            event = replace(event, at_s=self._at_s)
        self._event, self._at_s = event, event.at_s
        self._said, self._refused = (), None
        # Sensors only inform; it is decided once a second, at the tick, and whenever the runner speaks.
        match event:
            case Sample():
                self._hear(event)
                if self._ticked:
                    return ()
            case Tick():
                self._ticked = True
            case Speed():
                self._follow(event)
                if self._ticked:
                    return ()
        # A tick right after the sample of the same moment brings nothing new about the heart.
        if self._at_s > self._judged_s:
            self._judge()
        self._decide(event)
        return self._said

    def _hear(self, sample: Sample) -> None:
        self._signal.hear(sample, self._movement.cadence_spm)
        if self._signal.source != self._history.source:
            self._history.turn_to(self._signal.source, self._at_s)
        if sample.battery_percent is not None:
            self._speech.hear_battery(sample.battery_percent)
        self._judge()

    def _follow(self, speed: Speed) -> None:
        if self._movement.update(speed):
            self._signal.changed_gait(self._movement.since_s)

    def _judge(self) -> None:
        """What this moment tells of the heart."""
        self._judged_s = self._at_s
        self._estimate = None
        self._signal.update(self._at_s)
        if self._signal.trusted_bpm is not None:
            self._history.add(self._at_s, self._signal.trusted_bpm)
        if self._policy.walk is not None:
            self._update_walk(self._policy.walk)

    def _decide(self, event: Event) -> None:
        self._estimate = self._ratio = None
        self._movement.expire(self._at_s)
        match event:
            case Command():
                self._refused = self._obey(event.action, event.why)
            case Rpe():
                self._hear_rpe(event.rpe)
        self._advance()
        self._said = self._collect_cues()

    # -- what the runner wants --

    def _obey(self, action: Action, why: str) -> str | None:
        """Do what the runner asks; returns why not, in words."""
        p = self._progress
        if action is Action.UNDO:
            return self._take_back()
        if p.phase is Phase.FINISHED:
            return "the session is finished"
        if action is Action.START:
            if p.phase is not Phase.WAITING:
                return "the session has begun already"
            self._start(Reason.COMMAND)
            return None
        if action in (Action.ADAPT_OFF, Action.ADAPT_ON):
            self._adapting = action is Action.ADAPT_ON
            return None
        if p.phase is Phase.WAITING:
            return "the session has not begun: start first"
        if action is Action.RESUME:
            if p.phase is not Phase.PAUSED:
                return "the session is not paused"
            self._resume()
            return None
        if p.phase is Phase.PAUSED and action is not Action.STOP:
            return "the session is paused: resume first"
        # The history of the heart is nobody's to take back.
        before = copy.deepcopy((p, self._policy), {id(self._history): self._history})
        refused = self._obey_in_session(action, why)
        if refused is None:
            self._undo = (self._at_s, *before)
        return refused

    def _obey_in_session(self, action: Action, why: str) -> str | None:
        match action:
            case Action.PAUSE:
                self._pause(why)
            case Action.STOP:
                self._finish(Reason.COMMAND)
            case Action.SKIP:
                self._skip()
            case Action.EXTEND:
                return self._extend()
            case Action.WALK:
                return self._walk_now()
            case Action.RUN:
                return self._run_now()
        return None

    def _take_back(self) -> str | None:
        if self._undo is None or self._at_s - self._undo[0] > UNDO_WITHIN_S:
            return f"nothing to undo within {UNDO_WITHIN_S:g} s"
        _, self._progress, self._policy = self._undo
        self._undo = None
        noun = words.NOUN.get(self._progress.phase, self._progress.phase.value)
        self._cues.say_now(CueKind.RESUME, Reason.COMMAND, f"Back to the {noun}.")
        return None

    def _start(self, reason: Reason) -> None:
        p = self._progress
        p.session_started_s = self._at_s
        self._course.begin(self._at_s)
        if self._free:
            self._enter_phase(Phase.WARMUP, None)
            self._cues.say_now(CueKind.WARMUP, reason, "Run and walk as you like.")
        elif self._plan.warmup_s > 0:
            self._enter_phase(Phase.WARMUP, self._at_s + self._plan.warmup_s)
            say = f"Warm-up: walk {words.duration(self._plan.warmup_s)}."
            self._cues.say_now(CueKind.WARMUP, reason, say, self._plan.warmup_s)
            p.next_phase = self._first.phase if self._first is not None else Phase.COOLDOWN
        else:
            self._begin_main(reason)

    def _pause(self, why: str) -> None:
        p = self._progress
        p.paused_phase, p.paused_s = p.phase, self._at_s
        p.phase = Phase.PAUSED
        self._cues.say_now(CueKind.PAUSE, Reason.COMMAND, f"{why} Resume to go on." if why else "Paused.")

    def _resume(self) -> None:
        """Back to the same phase with the time left; a walk that was interrupted is not judged."""
        p = self._progress
        away_s = self._at_s - p.paused_s
        p.started_s += away_s
        p.session_started_s += away_s
        p.surge_ended_s += away_s
        if p.held_since_s is not None:
            p.held_since_s += away_s
        if p.ends_s is not None:
            p.ends_s += away_s
        if p.main_started_s is not None:
            p.main_started_s += away_s
        p.phase = p.paused_phase or Phase.WARMUP
        p.interrupted = p.phase is Phase.WALK
        p.resumed_s = self._at_s
        self._signal.resume(self._at_s)
        self._safety.resume()
        left = f" {words.sentence(words.duration(p.ends_s - self._at_s) + ' left')}" if p.ends_s is not None else ""
        noun = words.NOUN.get(p.phase, p.phase.value)
        self._cues.say_now(CueKind.RESUME, Reason.COMMAND, f"Going on: {noun}.{left}")

    def _skip(self) -> None:
        p = self._progress
        if self._free:
            self._enter_free(running=p.phase not in RUNNING, since_s=self._at_s)
        elif p.phase is Phase.WARMUP:
            self._begin_main(Reason.COMMAND)
        elif p.phase is Phase.COOLDOWN:
            self._finish(Reason.COMMAND)
        else:
            self._next_stretch(Reason.COMMAND)

    def _extend(self) -> str | None:
        p = self._progress
        if p.phase is not Phase.WALK or p.stretch is None:
            return "only a walk can be longer"
        if p.ends_s is None:
            return "this walk goes on as long as it takes"
        for_s = min(RUNNER_EXTENSION_S, walk_cap_s(p.stretch.planned_s) - (p.ends_s - p.started_s))
        if for_s < 1:
            return "this walk is as long as it may be"
        p.ends_s += for_s
        p.extended = True
        self._foresee()
        say = words.sentence(f"{words.number(round(for_s))} more seconds")
        self._cues.say_now(CueKind.EXTEND_WALK, Reason.COMMAND, say, for_s)
        return None

    def _walk_now(self) -> str | None:
        p = self._progress
        if p.phase not in RUNNING and not (self._free and p.phase is Phase.WARMUP):
            return "already walking"
        if self._free:
            self._enter_free(running=False, since_s=self._at_s)
        else:
            self._to_walk(Reason.COMMAND)
        return None

    def _run_now(self) -> str | None:
        p = self._progress
        if p.phase in RUNNING:
            return "already running"
        if p.phase is Phase.COOLDOWN:
            return "the session is in its cool-down"
        if p.phase is Phase.WALK and p.next_phase not in (*RUNNING, None):
            return "no run comes next"
        if self._free:
            self._enter_free(running=True, since_s=self._at_s)
        elif p.phase is Phase.WARMUP:
            self._begin_main(Reason.COMMAND)
        else:
            self._next_stretch(Reason.COMMAND)
        return None

    def _hear_rpe(self, rpe: float) -> None:
        self._effort.report(rpe)
        if self._adapting and self._progress.phase in MAIN:
            self._do_all(self._policy.report(rpe, self._now(), self._progress.phase))

    # -- time goes on --

    def _advance(self) -> None:
        p = self._progress
        if p.phase not in ACTIVE:
            if p.phase is Phase.WAITING:
                self._wait()
            else:
                self._course.follow(self._at_s, running=None)
            return
        self._course.follow(self._at_s, running=p.phase in RUNNING)
        self._tell_signal()
        self._heed_alarm()
        if self._free:
            self._follow_gait()
        elif p.ends_at_m is not None:
            self._follow_distance(p.ends_at_m)
        if p.phase in MAIN:
            self._do_all(self._policy.during(self._now()))
        self._end_what_is_over()
        self._keep_limits()
        if p.phase in ACTIVE:
            if p.ends_s is not None and p.ends_s - self._at_s <= NOTICE_S:
                self._speech.announce_end(p, self._policy, self._now())
            self._speech.advise(self._at_s, p, self._effort)
            self._speech.tell_budget(self._at_s, p)

    def _wait(self) -> None:
        after_s = self._settings.start_after_s
        if after_s > 0 and self._signal.good_for_s(self._at_s) >= after_s:
            self._start(Reason.PLANNED)
        elif self._ticked:
            self._waiting.tell(self._at_s)

    def _now(self) -> Now:
        p = self._progress
        may = (
            self._adapting
            and self._at_s - p.session_started_s >= NO_ADAPTATION_BEFORE_S
            and not p.interrupted
            and not p.not_walked
            and not self._by_clock
        )
        good = self._signal.trusted_bpm is not None
        return Now(
            self._at_s,
            self._at_s - p.started_s,
            inf if p.ends_s is None else p.ends_s - self._at_s,
            p.ends_s,
            self._signal.heart_rate_bpm,
            judge=may and good,
            unsure=may and not good and not self._signal.clock_drives(self._at_s),
            ran=p.not_walked and good and self._adapting,
            before_run=p.next_phase in RUNNING,
            ceiling_bpm=self._present_ceiling_bpm(),
        )

    def _present_ceiling_bpm(self) -> float:
        p = self._progress
        if p.phase is Phase.SURGE or self._at_s - p.surge_ended_s <= SURGE_ALLOWANCE_AFTER_S:
            surge_bpm = self._ceiling_bpm + self._settings.surge_allowance_bpm
            return min(surge_bpm, self._settings.first_workout_mean_bpm or surge_bpm)
        return self._ceiling_bpm

    def _update_walk(self, walk: Recovery) -> None:
        """Feed the judgement of the present walk."""
        p, hr_bpm = self._progress, self._signal.trusted_bpm
        if p.phase is not Phase.WALK:
            return
        if self._movement.gait_now and self._at_s - p.started_s >= NOT_WALKED_FROM_S and not self._free:
            p.not_walked = True
        walk.keep_to_one_sensor()
        if hr_bpm is not None:
            walk.update(self._at_s, hr_bpm, self._present_ceiling_bpm())

    def _tell_signal(self) -> None:
        """The clock takes over, or heart rate is back and has been good for a while."""
        if self._safety.forbids_running:
            return  # "check the strap" has been said already
        if not self._by_clock:
            self._by_clock = self._signal.clock_drives(self._at_s)
        elif self._signal.good_for_s(self._at_s) >= SIGNAL_BACK_AFTER_S:
            self._by_clock = False
        self._speech.tell_guide(self._at_s, by_clock=self._by_clock)

    def _do_all(self, moves: Iterable[Move]) -> None:
        """Carry out what the policy wants; after a change of phase the rest is void."""
        p = self._progress
        for move in moves:
            before = p.phase, p.started_s
            self._do(move)
            if (p.phase, p.started_s) != before:
                break

    def _do(self, move: Move) -> None:
        p = self._progress
        match move.kind:
            case CueKind.WALK if not self._free:
                self._to_walk(move.reason)
            case CueKind.WALK if move.reason is Reason.RPE_LIMIT:
                self._cues.say_now(move.kind, move.reason, "Time for a walk.")
            case CueKind.WALK:
                if not p.advised_walk:
                    p.advised_walk = True
                    self._cues.forget(CueKind.EASE_RUN)
                    self._cues.say_when_quiet(self._at_s, CueKind.WALK, move.reason, "Time for a walk.")
            case CueKind.EXTEND_WALK if p.ends_s is not None and move.for_s is not None:
                p.ends_s += move.for_s
                self._foresee()
                if not p.told_home(self._policy.walk):
                    self._cues.say_now(move.kind, move.reason, move.say, move.for_s)
            case CueKind.COUNTDOWN if self._safety.forbids_running or p.extended or p.told_home(self._policy.walk):
                pass  # the walk goes on, whatever the policy thinks
            case CueKind.COUNTDOWN if move.for_s is not None:
                p.ends_s = p.counted_end_s = p.noticed_end_s = self._at_s + move.for_s
                self._speech.countdown(p, f"{words.number(round(move.for_s))} seconds", move.for_s, move.reason)
            case CueKind.COOLDOWN:
                self._begin_cooldown(move.reason)
            case CueKind.RUN:
                self._cues.say_now(move.kind, move.reason, move.say)
            case _:
                self._cues.say_when_quiet(self._at_s, move.kind, move.reason, move.say, move.for_s)

    # -- phases --

    def _enter_phase(self, phase: Phase, ends_s: float | None, started_s: float | None = None) -> None:
        p = self._progress
        if p.phase is Phase.SURGE:
            p.surge_ended_s = self._at_s
        new_cycle = phase is not Phase.WALK and p.phase not in RUNNING
        p.phase = phase
        p.started_s = self._at_s if started_s is None else started_s
        p.ends_s = ends_s
        p.ends_at_m = None
        p.interrupted = p.not_walked = p.prompted = p.repeated = p.advised_walk = p.held_by_safety = p.willed = False
        p.heart_first = p.extended = False
        p.asked_again = 0
        p.held_since_s = None
        p.noticed_end_s = p.counted_end_s = None
        self._cues.change(self._at_s, new_cycle=new_cycle)
        if self._movement.running is None:
            self._signal.changed_gait(self._at_s)

    def _due_s(self) -> float:
        """When the phase that ends now was to end: the next begins there, so that no second is lost on the way."""
        ends_s = self._progress.ends_s
        return ends_s if ends_s is not None and 0 <= self._at_s - ends_s <= 1 else self._at_s

    def _begin_main(self, reason: Reason) -> None:
        """The warm-up is over, or there was none."""
        p = self._progress
        if p.phase is Phase.WARMUP and self._movement.running is not True:
            self._policy.learn_base(p.session_started_s, self._at_s)
        p.main_started_s = p.gun_s = self._due_s()
        p.main_started_m = self._course.distance_m
        self._enter_stretch(self._next_from_cursor(), reason)

    def _next_from_cursor(self) -> Stretch | None:
        p = self._progress
        if p.cursor is None:
            return None
        return p.cursor.next(self._main_elapsed_s(), self._course.distance_m - p.main_started_m)

    def _main_elapsed_s(self) -> float:
        p = self._progress
        return 0.0 if p.main_started_s is None else self._due_s() - p.main_started_s

    def _next_stretch(self, because: Reason) -> None:
        """The present stretch is over."""
        self._end_stretch(because)
        if self._progress.phase is not Phase.COOLDOWN:
            self._enter_stretch(self._next_from_cursor(), because)

    def _to_walk(self, because: Reason) -> None:
        """From a run or surge to the walk of this cycle, past whatever runs stand before it."""
        self._end_stretch(because)
        stretch = self._next_from_cursor()
        while stretch is not None and stretch.phase is not Phase.WALK:
            passed, stretch = stretch, self._next_from_cursor()
            if stretch is not None and stretch.phase is not Phase.WALK and stretch.repeat != passed.repeat:
                # A plan without walks: one minute of walking is put in.
                stretch = replace(passed, phase=Phase.WALK, planned_s=60.0, planned_m=None, mark="", segment=None)
        self._enter_stretch(stretch, because)

    def _end_stretch(self, because: Reason, ended_s: float | None = None) -> None:
        """Let the policy draw its conclusions; ``ended_s`` where the end is only noticed now."""
        p = self._progress
        if p.stretch is None:
            return
        now = self._now()
        if ended_s is not None:
            hr_bpm = self._history.at(ended_s)
            remaining_s = now.remaining_s + now.at_s - ended_s
            elapsed_s = ended_s - p.started_s
            now = replace(now, at_s=ended_s, elapsed_s=elapsed_s, remaining_s=remaining_s, heart_rate_bpm=hr_bpm)
        self._do_all(self._policy.end(p.stretch, now, because))

    def _enter_stretch(self, stretch: Stretch | None, because: Reason) -> None:
        p = self._progress
        if stretch is None:
            self._begin_cooldown(because)
            return
        before = p.stretch
        started_s = self._due_s()
        share = self._policy.length(stretch) if self._adapting else 1.0
        length_s = min(stretch.planned_s * share, stretch.most_s)
        length_m = stretch.metres(share) if stretch.phase is not Phase.WALK else None
        self._enter_phase(stretch.phase, started_s + length_s, started_s)
        p.stretch = stretch
        p.willed = because is Reason.COMMAND
        p.heart_first = because not in (Reason.PLANNED, Reason.COMMAND)
        self._policy.begin(stretch, started_s)
        if length_m is not None:
            p.ends_at_m = self._course.distance_m + length_m
        if stretch.phase is Phase.WALK:
            p.walks += 1
            self._effort.walk_begins(p.walks)
            self._speech.walk_begins()
        self._foresee()
        kind = CueKind(stretch.phase.value)
        reason = because if because in REASONS[kind] else Reason.PLANNED
        self._cues.say_now(kind, reason, self._speech.change(stretch, length_s, length_m, because), length_s)
        if before is not None and stretch.block != before.block and stretch.planned_m is None and stretch.cycle_run_s:
            run_s, walk_s = self._ratio_s(stretch)
            run, walk = words.duration(run_s), words.duration(walk_s)
            say = f"From here: run {run}, walk {walk}."
            self._cues.say_when_quiet(self._at_s, CueKind.NEXT, Reason.PLANNED, say)

    def _foresee(self) -> None:
        """What comes after this stretch, as things stand."""
        p = self._progress
        if p.cursor is None or p.main_started_s is None or p.ends_s is None:
            p.next_phase = None
            return
        distance_m = (p.ends_at_m or self._course.distance_m) - p.main_started_m
        after = p.cursor.peek(p.ends_s - p.main_started_s, distance_m)
        if after is not None:
            p.next_phase = after.phase
        else:
            p.next_phase = Phase.COOLDOWN if cooldown_s(self._plan, distance_m) > 0 else Phase.FINISHED

    def _end_what_is_over(self) -> None:
        """The phase has reached its end: what comes next?"""
        p = self._progress
        goal_m = self._plan.distance_m
        if goal_m is not None and p.phase in MAIN and self._course.distance_m - p.main_started_m >= goal_m:
            self._end_stretch(Reason.PLANNED)
            self._begin_cooldown(Reason.PLANNED)
            return
        if p.ends_s is None:
            self._release()
            return
        if self._at_s < p.ends_s:
            return
        match p.phase:
            case Phase.WARMUP if self._safety.forbids_running and p.next_phase in RUNNING:
                p.ends_s, p.held_by_safety, p.held_since_s = None, True, self._at_s
            case Phase.WARMUP:
                self._begin_main(Reason.PLANNED)
            case Phase.RUN | Phase.SURGE:
                self._next_stretch(Reason.PLANNED)
            case Phase.WALK:
                self._end_walk()
            case Phase.COOLDOWN:
                self._finish(Reason.PLANNED)

    def _end_walk(self) -> None:
        """The next stretch, or a hold: nobody runs against safety, or before the walk has done its work."""
        p = self._progress
        reason = self._policy.end_reason(self._now())
        if reason is None and p.counted_end_s == p.ends_s:
            reason = Reason.PLANNED  # "three, two, one" has been said: only safety takes that back
        if reason is None and p.not_walked and p.asked_again < ASK_AGAIN_AT_MOST and p.stretch is not None:
            again = p.asked_again + 1
            self._enter_stretch(p.stretch, Reason.HEART_RATE_CEILING)
            p.asked_again = again
            return
        if p.next_phase in RUNNING and (
            reason is None or p.told_home(self._policy.walk) or self._safety.forbids_running
        ):
            p.ends_s = None
            p.held_by_safety = self._safety.forbids_running
            if p.held_since_s is None:
                p.held_since_s = p.reminded_s = self._at_s
                if reason is None and not p.told_home(self._policy.walk) and not p.not_walked:
                    say = "Keep walking. An easy finish is fine today."
                    self._cues.say_when_quiet(self._at_s, CueKind.TIP, Reason.EASY_FINISH, say)
            return
        self._next_stretch(reason or Reason.PLANNED)

    def _release(self) -> None:
        """A stretch that is held gets an end again: nothing stands against a run any more, or enough is enough."""
        p = self._progress
        if self._free or p.held_since_s is None:
            return
        now = self._now()
        if p.not_walked and not self._safety.forbids_running:
            if self._policy.end_reason(now) is not None:
                self._next_stretch(Reason.PLANNED)
        elif self._at_s - p.held_since_s >= HOLD_AT_MOST_S:
            self._begin_cooldown(Reason.EASY_FINISH)
        elif self._safety.forbids_running:
            if self._at_s - p.reminded_s >= REMIND_EVERY_S:
                p.reminded_s = self._at_s
                say = "Check the strap or your maximum."
                self._cues.say_when_quiet(self._at_s, CueKind.WARNING, Reason.SAFETY, say)
        elif p.held_by_safety or not (now.judge or now.unsure):
            p.held_by_safety = False
            p.ends_s = self._at_s + RELEASE_NOTICE_S

    def _begin_cooldown(self, reason: Reason) -> None:
        p = self._progress
        length_s = cooldown_s(self._plan, self._course.distance_m)
        if reason is Reason.EASY_FINISH and self._plan.total_s is not None:
            length_s += max(0.0, self._plan.total_s - self._main_elapsed_s())
        if length_s <= 0:
            self._finish(reason)
            return
        started_s = self._due_s()
        self._enter_phase(Phase.COOLDOWN, started_s + length_s, started_s)
        self._policy.walk = None
        p.next_phase = Phase.FINISHED
        kind_reason = reason if reason in REASONS[CueKind.COOLDOWN] else Reason.PLANNED
        say = f"{WHY_COOLDOWN.get(reason, '')}Easy walk to finish, {words.duration(length_s)}."
        self._cues.say_now(CueKind.COOLDOWN, kind_reason, say, length_s)
        if self._plan.cooldown == "finisher" and self._settings.tips:
            self._cues.say_when_quiet(self._at_s, CueKind.TIP, Reason.PLANNED, "Drink something, and eat soon.")

    def _finish(self, reason: Reason) -> None:
        self._enter_phase(Phase.FINISHED, None)
        self._policy.walk = None
        self._progress.next_phase = None
        kind_reason = reason if reason in REASONS[CueKind.FINISH] else Reason.PLANNED
        self._cues.say_now(CueKind.FINISH, kind_reason, "Done. Well run.")

    def _follow_distance(self, ends_at_m: float) -> None:
        """A run by distance ends at its metre; until then its end in time is a guess from the present speed."""
        p = self._progress
        left_m = ends_at_m - self._course.distance_m
        self._speech.miss_distance(self._at_s, p)
        sensed = self._movement.speed_m_s if self._course.measured else None
        speed = sensed if sensed is not None else speed_m_s(self._plan, walking=False)
        p.ends_s = self._at_s if left_m <= 0 else self._at_s + left_m / max(speed, 0.5)

    def _follow_gait(self) -> None:
        """Plan ``free``: the runner decides, speed or cadence tell."""
        p, running = self._progress, self._movement.running
        if running is None:
            return
        seen_since_s = max(self._movement.since_s, p.started_s)
        if p.phase is Phase.WARMUP:
            if running:
                self._enter_free(running=True, since_s=seen_since_s)
        elif max(self._movement.since_s, p.resumed_s) > p.started_s and running is not (p.phase in RUNNING):
            self._enter_free(running=running, since_s=seen_since_s)

    def _enter_free(self, *, running: bool, since_s: float) -> None:
        """The runner has begun to run or walk at ``since_s``."""
        p = self._progress
        repeat = (p.stretch.repeat if p.stretch is not None else 0) + (1 if running else 0)
        if p.stretch is None:
            self._policy.learn_base(p.session_started_s, since_s)
            p.main_started_s = since_s
            # Noticed late: time and distance count from here.
            p.gun_s, p.main_started_m = self._at_s, self._course.distance_m
        else:
            if not p.interrupted:
                length_s = HABIT_STEP_S * round((since_s - p.started_s) / HABIT_STEP_S)
                habit = {"cycle_run_s" if p.phase in RUNNING else "cycle_walk_s": length_s}
                p.stretch = replace(p.stretch, **habit)
            self._end_stretch(Reason.PLANNED, since_s)
        phase = Phase.RUN if running else Phase.WALK
        advised = p.advised_walk
        self._enter_phase(phase, None, since_s)
        p.heart_first = advised
        run_s, walk_s = (p.stretch.cycle_run_s, p.stretch.cycle_walk_s) if p.stretch is not None else (0.0, 0.0)
        p.stretch = Stretch(phase, 0.0, None, 1, repeat, run_s, walk_s)
        p.walks += 0 if running else 1
        # Standing about after a pause is no break of a run.
        p.interrupted = since_s - p.resumed_s < NOT_A_BREAK_AFTER_PAUSE_S
        self._policy.begin(p.stretch, since_s)

    # -- safety --

    def _heed_alarm(self) -> None:
        """An alarm turns a run into a walk at once; until it is over no run begins (see ``_end_walk``)."""
        p, trusted_bpm = self._progress, self._signal.trusted_bpm
        begins = self._safety.update(
            self._at_s,
            trusted_bpm,
            self._signal.too_high,
            unsure=trusted_bpm is None and self._signal.bad_for_s(self._at_s) < self._settings.doubt_after_s,
        )
        running = p.phase in RUNNING
        if running and not self._free and (begins or (self._safety.forbids_running and not p.willed)):
            self._to_walk(Reason.SAFETY)
        elif begins:
            lead = "Walk now. " if running else ""
            self._cues.say_now(CueKind.WARNING, Reason.SAFETY, f"{lead}Check the strap or your maximum.")

    def _keep_limits(self) -> None:
        """The last word over any policy, and only ever a gentler one."""
        p = self._progress
        hr_bpm = self._signal.trusted_bpm
        walk = self._policy.walk
        if (
            walk is not None
            and p.phase is Phase.WALK
            and walk.drop_bpm is not None
            and hr_bpm is not None
            and not walk.once_recovered
            and p.advised_end_walk == 0
            and not p.not_walked
            and self._movement.running is not True
            and self._safety.stuck_in_walk(self._at_s - p.started_s, walk.drop_bpm, hr_bpm, self._ready_bpm)
        ):
            p.advised_end_walk = p.walks
            self._cues.forget(CueKind.TIP)
            self._cues.say_now(CueKind.WARNING, Reason.SAFETY, "Heart rate stays up. Walk home easy today.")
        if p.phase in BEFORE_COOLDOWN:
            too_long = self._at_s - p.session_started_s >= self._plan.max_total_s
            blind = p.phase in RUNNING and self._signal.bad_for_s(self._at_s) >= self._plan.max_without_heart_rate_s
            if too_long or (blind and not self._free):
                self._end_stretch(Reason.SAFETY)
                self._begin_cooldown(Reason.SAFETY)

    # -- the step --

    def _collect_cues(self) -> tuple[Cue, ...]:
        p = self._progress
        next_change_s = p.ends_s if p.phase in ACTIVE else None
        # Before the start too: what is said of the battery then can still be heeded.
        listening = p.phase in ACTIVE or p.phase is Phase.WAITING
        if listening:
            self._speech.tell_battery(self._at_s)
        cues = self._cues.collect(
            self._at_s, next_change_s, trusted=self._signal.trust is Trust.GOOD, listening=listening
        )
        if cues:
            self._speech.heard(self._at_s, p, cues)
        return cues

    def describe(self) -> Step:
        """All that follows from the last event that was taken."""
        p = self._progress
        if self._ratio is None:
            self._look_ahead()
            self._ratio = self._present_ratio()
        if self._estimate is None:
            self._estimate = self._present_estimate()
        since_s = p.paused_s if p.phase is Phase.PAUSED else p.started_s
        remaining_s: float | None = None
        if p.ends_s is not None:
            until_s = p.paused_s if p.phase is Phase.PAUSED else self._at_s
            remaining_s = round(max(0.0, p.ends_s - until_s), 3)
        return Step(
            self._event,
            p.phase,
            round(self._at_s - since_s, 3),
            remaining_s,
            p.stretch.block if p.stretch is not None else 0,
            p.stretch.repeat if p.stretch is not None else 0,
            self._estimate,
            self._ratio,
            self._said,
            p.next_phase,
            self._refused,
        )

    def _look_ahead(self) -> None:
        """The forecast of this second, for whoever wants to know; what is decided on it is the policy's own."""
        p, walk, hr_bpm = self._progress, self._policy.walk, self._signal.trusted_bpm
        self._ahead, self._ready_in_s = None, None
        if hr_bpm is None:
            return
        if p.phase in RUNNING:
            self._ahead = around(running_bpm(hr_bpm, self._history.change_bpm_s(), CUT_AHEAD_S), CUT_AHEAD_S)
        elif (
            p.phase is Phase.WALK
            and walk is not None
            and walk.drop_bpm is not None
            and self._at_s - p.started_s >= NO_FORECAST_BEFORE_S
            and not p.interrupted
            and not p.not_walked
        ):
            self._ahead = around(walk.ahead_bpm(self._at_s, hr_bpm, WALK_AHEAD_S), WALK_AHEAD_S)
            self._ready_in_s = walk.ready_in_s(self._at_s, hr_bpm, self._present_ceiling_bpm())

    def _present_estimate(self) -> Estimate:
        p, walk, ahead = self._progress, self._policy.walk, self._ahead
        drop_bpm = required_bpm = recovered = walked = None
        if p.phase is Phase.WALK and walk is not None and walk.drop_bpm is not None:
            walked_s = self._at_s - p.started_s
            drop_bpm = round(walk.drop_bpm, 1)
            required_bpm = round(walk.required_bpm(walked_s), 1)
            judged = self._signal.trust is Trust.GOOD and not p.interrupted and not p.not_walked
            if judged and walked_s >= NO_JUDGEMENT_BEFORE_S:
                recovered = walk.recovered
        if p.phase is Phase.WALK and (p.not_walked or self._movement.running is not None):
            walked = not p.not_walked
        return Estimate(
            self._signal.heart_rate_bpm,
            self._signal.trust,
            drop_bpm,
            required_bpm,
            ahead.heart_rate_bpm if ahead is not None else None,
            self._ready_in_s,
            round(self._present_ceiling_bpm(), 1),
            recovered,
            walked,
            self._effort.rpe,
            ahead.low_bpm if ahead is not None else None,
            ahead.high_bpm if ahead is not None else None,
        )

    def _ratio_s(self, stretch: Stretch) -> tuple[float, float]:
        planned = stretch.cycle_run_s, stretch.cycle_walk_s
        return self._policy.ratio_s(stretch) if self._adapting else planned

    def _present_ratio(self) -> Ratio:
        p = self._progress
        stretch = p.stretch or self._first
        if stretch is None:
            return Ratio(0.0, 0.0, 0.0, 0.0)
        run_s, walk_s = self._ratio_s(stretch)
        if p.phase is Phase.WALK and p.ends_s is not None:
            extended_s = p.ends_s - p.started_s - stretch.planned_s
            walk_s = max(walk_s, stretch.cycle_walk_s + extended_s)
        return Ratio(round(stretch.cycle_run_s, 3), round(stretch.cycle_walk_s, 3), round(run_s, 3), round(walk_s, 3))
