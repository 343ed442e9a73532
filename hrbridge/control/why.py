"""Why was that said, or not said? One second of a session explained: the rule, its numbers, what would have changed it.

What would have changed a decision is tried, not derived: the events are stepped
again with one number moved, and the smallest whole change that leads to another
decision is named. With one bpm (half a point of effort) less of that change the
decision is the same.

Heart rate is moved over the run or walk that was judged, up to the decision: in
a run from its start, in a walk from the time on in which its reference is
settled, and reached within ten seconds, as a heart could. All before stays as
it was, so what follows from it does too. In a run that is the same as moving
the ceiling the other way.
"""

from __future__ import annotations

import copy
from bisect import bisect_left
from collections.abc import Callable, Sequence
from enum import Enum
from math import floor

from msgspec.structs import replace

from hrbridge.config import Control, Plan, PolicyName, Runner
from hrbridge.control import adaptation, baselines, controller, effort, progress, recovery, signal, speech, waiting
from hrbridge.control.controller import Controller
from hrbridge.control.forecast import Forecast, around, running_bpm
from hrbridge.control.progress import RUNNING
from hrbridge.control.words import NOUN
from hrbridge.decisions import CueKind, Phase, Reason, Step, Trust
from hrbridge.events import Action, Command, Event, Rpe, Sample

RUN_AHEAD_S = adaptation.CUT_AHEAD_S
# 1, 2, 4, ... are tried, then what lies between the last two by halves: at most eleven times the events of one stretch.
MOST_BPM = 48
# The heart rate that is tried out leaves the recorded one over this time: a jump would be doubted.
LEAVES_WITHIN_S = 10.0


K, R = CueKind, Reason
# What stands at the beginning of a phase was decided at the end of the one before.
BEGINNINGS = (K.RUN, K.SURGE, K.WALK, K.COOLDOWN)


class Change(Enum):
    """The number that is moved to see what would have changed a decision."""

    LESS = "bpm less"
    MORE = "bpm more"
    EFFORT = "effort"


# Cues of one kind whose reasons stand together are the same decision: either way the run is cut short.
BY_CEILING = frozenset({R.HEART_RATE_CEILING, R.FORECAST_CEILING})
BY_EFFORT = frozenset({R.RPE_HIGH, R.RPE_LIMIT})
BY_RECOVERY = frozenset({R.NOT_RECOVERED, R.WALK_CAP})

COMMANDED = ("A command asked for it.", "No rule stands behind it: the command alone would have changed it.")
PLAN_TIME = "Its time in the plan had come"
UNTRUSTED = "Without a trusted heart rate the clock alone leads."
TRUSTED = "A trusted heart rate would have had its say."
KEPT_BELOW = "After a run that the ceiling cut short, or that is shorter for its sake,"
NOTICE = "A change is announced once it is sure to come"
NOT_JUDGED = "a pause came in between, or another sensor, or the start of the walk is not known"

# Every pair of decisions.REASONS: the rule in words, and the number to move, or in words what would have changed it.
RULES: dict[tuple[CueKind, Reason], tuple[str, Change | str]] = {
    (K.WARMUP, R.PLANNED): (
        "The session begins by itself after {settings.start_after_s:g} s of good heart rate.",
        "With control.start_after_s = 0 it would have waited for a command.",
    ),
    (K.WARMUP, R.COMMAND): COMMANDED,
    (K.RUN, R.PLANNED): (f"{PLAN_TIME}, and nothing spoke for more walking.", Change.MORE),
    (K.RUN, R.RECOVERED): ("Heart rate had come down enough for the next run.", Change.MORE),
    (K.RUN, R.WALK_CAP): (
        "The walk was as long as a walk may become, and heart rate was "
        f"{adaptation.RUN_BELOW_CEILING_BPM:g} bpm or more below the ceiling.",
        Change.MORE,
    ),
    (K.RUN, R.NO_SIGNAL): (UNTRUSTED, TRUSTED),
    (K.RUN, R.CUE_IGNORED): (
        f"Speed or cadence looked like walking {speech.IGNORED_AFTER_S:g} s into a run; it is said once more.",
        "Running seen by then would have kept it silent.",
    ),
    (K.RUN, R.HEART_RATE_CEILING): (
        f"{KEPT_BELOW} a walk may end once heart rate is {adaptation.CUT_BELOW_CEILING_BPM:g} bpm below it.",
        Change.MORE,
    ),
    (K.RUN, R.COMMAND): COMMANDED,
    (K.SURGE, R.PLANNED): (f"{PLAN_TIME}, and nothing spoke for more walking.", Change.MORE),
    (K.SURGE, R.COMMAND): COMMANDED,
    (K.WALK, R.PLANNED): (f"{PLAN_TIME}, and heart rate did not ask for it sooner.", Change.MORE),
    (K.WALK, R.HEART_RATE_CEILING): (
        f"A walk is due when heart rate has stood above the ceiling for {adaptation.ABOVE_CEILING_FOR_S:g} s.",
        Change.LESS,
    ),
    (K.WALK, R.FORECAST_CEILING): (
        f"A walk is due when the forecast {adaptation.CUT_AHEAD_S:g} s ahead is above the ceiling by more than "
        "control.ceiling_forecast_margin_bpm = {settings.ceiling_forecast_margin_bpm:g}.",
        Change.LESS,
    ),
    (K.WALK, R.RPE_LIMIT): (
        f"An effort of {adaptation.RPE_LIMIT:g}, or {adaptation.RPE_LIMIT_OVER:g} above the plan's band, "
        "calls for a walk now.",
        Change.EFFORT,
    ),
    (K.WALK, R.CUE_IGNORED): (
        f"Speed or cadence looked like running {speech.IGNORED_AFTER_S:g} s into a walk; it is said once more.",
        "Walking seen by then would have kept it silent.",
    ),
    (K.WALK, R.NO_SIGNAL): (UNTRUSTED, TRUSTED),
    (K.WALK, R.SAFETY): (
        "Heart rate was higher than the strap or the maximum of this runner allows for: walking is right either way.",
        Change.LESS,
    ),
    (K.WALK, R.COMMAND): COMMANDED,
    (K.EASE_RUN, R.HEART_RATE_CEILING): (
        f"Said once per run, when heart rate is within {adaptation.EASE_BELOW_CEILING_BPM:g} bpm of the ceiling.",
        Change.LESS,
    ),
    (K.EASE_RUN, R.FORECAST_CEILING): (
        f"Said once per run, when the forecast {adaptation.EASE_RUN_AHEAD_S:g} s ahead is above the ceiling.",
        Change.LESS,
    ),
    (K.EASE_WALK, R.NOT_RECOVERED): (
        f"Said once per walk, when heart rate is down by less than {adaptation.EASE_WALK_DROP_BPM:g} bpm after "
        f"{adaptation.EASE_WALK_FROM_S:g} s, or is forecast to fall far short.",
        Change.LESS,
    ),
    (K.EASE_WALK, R.HEART_RATE_CEILING): (
        f"In the warm-up heart rate was {speech.WARMUP_ALLOWANCE_BPM:g} bpm above the ceiling.",
        Change.LESS,
    ),
    (K.EXTEND_WALK, R.NOT_RECOVERED): (
        f"{adaptation.TEST_BEFORE_END_S:g} s before its end, and if that is close {adaptation.RETEST_BEFORE_END_S:g} s "
        "before it, a walk is tested: is heart rate forecast to be down enough?",
        Change.LESS,
    ),
    (K.EXTEND_WALK, R.HEART_RATE_CEILING): (
        f"No run begins with heart rate less than {adaptation.RUN_BELOW_CEILING_BPM:g} bpm below the ceiling.",
        Change.LESS,
    ),
    (K.EXTEND_WALK, R.RPE_HIGH): ("An effort above the plan's band makes the walk longer.", Change.EFFORT),
    (K.EXTEND_WALK, R.RPE_LIMIT): ("An effort far above the plan's band makes the walk longer.", Change.EFFORT),
    (K.EXTEND_WALK, R.COMMAND): COMMANDED,
    (K.COUNTDOWN, R.PLANNED): (f"{NOTICE}: here by the plan.", Change.MORE),
    (K.COUNTDOWN, R.RECOVERED): (f"{NOTICE}: heart rate had come down enough.", Change.MORE),
    (K.COUNTDOWN, R.WALK_CAP): (f"{NOTICE}: the walk was as long as a walk may become.", Change.MORE),
    (K.COUNTDOWN, R.HEART_RATE_CEILING): (
        f"{NOTICE}: after a run that the ceiling made shorter, heart rate was far enough below it.",
        Change.MORE,
    ),
    (K.COUNTDOWN, R.NO_SIGNAL): (UNTRUSTED, TRUSTED),
    (K.NEXT, R.PLANNED): ("The plan goes on with other lengths.", "Only another plan would have changed it."),
    (K.RPE_PROMPT, R.PLANNED): (
        f"Effort is asked for in every {effort.ASK_EVERY_WALKS}rd walk, and sooner after one above the band.",
        "With control.rpe_prompts = false it is never asked for.",
    ),
    (K.SIGNAL_LOST, R.NO_SIGNAL): (
        "After {settings.clock_after_s:g} s without a trusted heart rate the clock alone leads.",
        "A good signal before that would have kept it silent.",
    ),
    (K.SIGNAL_BACK, R.RECOVERED): (
        f"Heart rate had been good again for {controller.SIGNAL_BACK_AFTER_S:g} s, or came from the strap again.",
        "A shorter stretch of good signal would have kept it silent.",
    ),
    (K.WARNING, R.SAFETY): (
        "Heart rate was higher, or fell less, than the strap or the maximum of this runner allows for.",
        Change.LESS,
    ),
    (K.WARNING, R.NO_SIGNAL): (
        "The strap gave no heart rate any more, and another sensor did.",
        "A heart rate from the strap would have kept it silent.",
    ),
    (K.WARNING, R.PLANNED): (
        "The distance sensor was silent, so the pace of the plan stands in for it.",
        "A distance from the sensor would have kept it silent.",
    ),
    (K.RATIO, R.NOT_RECOVERED): (
        f"{adaptation.FAILURES_PER_RUNG} walks in a row needed more time: the walk keeps it, and runs become shorter.",
        Change.LESS,
    ),
    (K.RATIO, R.WALK_CAP): (
        "The longest walk was not long enough: the walk keeps its length, and runs become shorter.",
        Change.LESS,
    ),
    (K.RATIO, R.HEART_RATE_CEILING): (
        f"{adaptation.CUTS_IN_A_ROW} runs in a row were cut short by the ceiling: runs take the length of the shortest "
        f"of them, though not less than {adaptation.SHORTEST_SHARE:g} of the plan or {adaptation.SHORTEST_RUN_S:g} s.",
        Change.LESS,
    ),
    (K.RATIO, R.RPE_HIGH): ("An effort above the plan's band means more walking or shorter runs.", Change.EFFORT),
    (K.RATIO, R.RPE_LIMIT): ("An effort far above the plan's band means more walking and shorter runs.", Change.EFFORT),
    (K.RATIO, R.TREND): (
        f"Heart rate at the end of the last {adaptation.TREND_OF} walks was {adaptation.TREND_BPM:g} bpm above the "
        "first ones, or too near the ceiling.",
        Change.LESS,
    ),
    (K.RATIO, R.RESTORED): (
        f"{adaptation.GOOD_CYCLES} cycles in a row went well: one step back towards the plan.",
        Change.MORE,
    ),
    (K.RATIO, R.PLANNED): ("The plan goes on with other lengths.", "Only another plan would have changed it."),
    (K.BUDGET, R.BUDGET): (
        "What the goal time leaves for walking, from the time and the distance so far.",
        "Another goal_time_s, or more distance by then, would have changed it.",
    ),
    (K.TIP, R.PLANNED): (
        "A tip at a quiet moment.",
        "Tips on form come with control.tips, tips on walking pace with walk_speed_m_s of the plan.",
    ),
    (K.TIP, R.EASY_FINISH): (
        "The walk was as long as a walk may become, and heart rate was still too near the ceiling for a run.",
        Change.LESS,
    ),
    (K.TIP, R.HEART_RATE_CEILING): (
        "Runs of the shortest length still ended at the ceiling; said once.",
        Change.LESS,
    ),
    (K.COOLDOWN, R.PLANNED): ("The main part of the plan is done.", "Only another plan would have changed it."),
    (K.COOLDOWN, R.EASY_FINISH): (
        "Longer walks and shorter runs have not been enough today: the rest is an easy walk.",
        Change.LESS,
    ),
    (K.COOLDOWN, R.COMMAND): COMMANDED,
    (K.COOLDOWN, R.SAFETY): (
        "The plan's limit on the whole time, or on running without a trusted heart rate, was reached.",
        "A larger max_total_s or max_without_heart_rate_s in the plan, or a good signal.",
    ),
    (K.BATTERY, R.BATTERY): (
        f"Said once when the strap reports {speech.LOW_BATTERY_PERCENT} percent or less, and once more below "
        f"{speech.EMPTY_BATTERY_PERCENT}.",
        "A fuller battery would have kept it silent.",
    ),
    (K.PAUSE, R.COMMAND): COMMANDED,
    (K.RESUME, R.COMMAND): COMMANDED,
    (K.FINISH, R.PLANNED): ("The plan is done.", "Only another plan would have changed it."),
    (K.FINISH, R.COMMAND): COMMANDED,
    (K.FINISH, R.SAFETY): (
        "The plan's limit on the whole time, or on running without a trusted heart rate, was reached.",
        "A larger max_total_s or max_without_heart_rate_s in the plan, or a good signal.",
    ),
}
# The same pairs while the session waits for its start.
BEFORE_START: dict[tuple[CueKind, Reason], tuple[str, Change | str]] = {
    (K.NEXT, R.PLANNED): (
        "The first trusted heart rate is told, and when the session begins by itself.",
        "With control.start_after_s = 0 it would have waited for a command.",
    ),
    (K.SIGNAL_LOST, R.NO_SIGNAL): (
        f"Told after {waiting.NO_STRAP_AFTER_S:g} s of waiting without a trusted heart rate, "
        f"and {waiting.LOST_AFTER_S:g} s after one that had been told was lost.",
        "A good signal before that would have kept it silent.",
    ),
    (K.SIGNAL_BACK, R.RECOVERED): (
        f"Heart rate had been good for {waiting.STEADY_S:g} s, and the runner counted on none.",
        "A shorter stretch of good signal would have kept it silent.",
    ),
}
# The same pairs under the policy gate.
GATE = f"{baselines.GATE_OF_MAXIMUM:g} of the maximum"
GATE_OPENS = (
    f"Under the policy gate a walk ends once heart rate is down at {GATE}, "
    f"after {baselines.SHORTEST_WALK_S:g} s at least.",
    Change.MORE,
)
GATE_LASTS = (
    f"Under the policy gate a walk lasts {baselines.LONGEST_WALK_S:g} s at most, or as long as in the plan.",
    "A lower heart rate would have ended it sooner.",
)
GATED: dict[tuple[CueKind, Reason], tuple[str, Change | str]] = {
    (K.RUN, R.RECOVERED): GATE_OPENS,
    (K.RUN, R.WALK_CAP): GATE_LASTS,
    (K.EXTEND_WALK, R.NOT_RECOVERED): (
        f"Under the policy gate a walk goes on while heart rate is above {GATE}.",
        Change.LESS,
    ),
    (K.COUNTDOWN, R.RECOVERED): GATE_OPENS,
    (K.COUNTDOWN, R.WALK_CAP): GATE_LASTS,
}


def explain(steps: Sequence[Step], at_s: float, plan: Plan, runner: Runner, settings: Control) -> list[str]:
    """At most ten lines on what was said in the second of ``at_s`` or last before it, and on what was not.

    ``steps`` are the session from its first event on, as a Controller of
    ``plan``, ``runner`` and ``settings`` made them, at least one of them by
    then; they may go on after ``at_s``. Takes about as long as stepping the
    session once more.
    """
    second = floor(at_s)
    past = bisect_left(steps, float(second + 1), key=_at_s)
    now = steps[past - 1]
    said = next((n for n in range(past - 1, -1, -1) if steps[n].cues), None)
    lines = [_header(now)]
    if said is None or steps[said].at_s < second:
        lines += [
            f"Now: {_numbers(now, _ahead(now))}",
            f"Nothing is said now: {_silence(steps[:past], runner, settings)}",
        ]
    if said is None:
        return lines
    decision = Decision(steps, said)
    cue = decision.cue
    rules = BEFORE_START if decision.said.phase is Phase.WAITING else {}
    if settings.policy is PolicyName.GATE:
        rules = rules | GATED
    rule, change = (RULES | rules)[cue.kind, cue.reason]
    ago_s = second - floor(steps[said].at_s)
    ago = f" {ago_s} s before" if ago_s else ""
    lines += [
        f'Said{ago}: "{cue.say}" ({cue.kind}, {cue.reason})',
        f"Rule: {rule.format(settings=settings)}",
        f"{decision.when}: {_numbers(decision.shown, decision.ahead)}",
        *_against_plan(decision.said, plan),
    ]
    if isinstance(change, Change):
        change = _tried(decision, change, plan, runner, settings)
    return [*lines, f"Change: {change}"]


class Decision:
    """A cue, the step that said it, and the step whose numbers decided."""

    def __init__(self, steps: Sequence[Step], number: int) -> None:
        self.steps = steps
        self.number = number
        self.said = steps[number]
        self.cue = next((cue for cue in self.said.cues if cue.reason is not R.PLANNED), self.said.cues[0])
        self.begins = (
            self.cue.kind in BEGINNINGS
            and self.said.phase.value == self.cue.kind.value
            and self.said.phase_elapsed_s <= 1
        )
        self.reported = max((n for n in range(number + 1) if isinstance(steps[n].event, Rpe)), default=None)
        self.judged = self.shown = steps[self._judged_number()]
        self.when, self.ahead = "Numbers", _ahead(self.shown)
        if self.cue.reason in BY_CEILING and self.cue.kind in (K.WALK, K.EASE_RUN):
            self.shown = self.said
            self.ahead = self._run_ahead(adaptation.EASE_RUN_AHEAD_S if self.cue.kind is K.EASE_RUN else RUN_AHEAD_S)
        elif self.judged is not self.said:
            at_end = f"at the end of that {_noun(self.judged)}"
            self.when += " at the report" if self.cue.reason in BY_EFFORT else f" {at_end}"

    def _judged_number(self) -> int:
        """Of the first cue of a run or walk, and of what is said after one: the last step of the one before."""
        cue, said = self.cue, self.said
        if cue.reason in BY_EFFORT and self.reported is not None:
            return self.reported
        if self.begins or cue.kind is K.RATIO or (cue.kind, cue.reason) == (K.TIP, R.HEART_RATE_CEILING):
            began_s = _began_s(said)
            for n in range(self.number - 1, -1, -1):
                step = self.steps[n]
                if step.at_s <= began_s and (step.phase is not said.phase or _began_s(step) < began_s - 1):
                    return n
        return self.number

    def _run_ahead(self, ahead_s: float) -> tuple[float, Forecast] | None:
        """The forecast of the run at the very event of the cue, whose step may be that of the walk already."""
        history, before = recovery.HeartRateHistory(), self.steps[max(self.number - 1, 0)]
        first = bisect_left(self.steps, self.said.at_s - history.KEEP_S, key=_at_s)
        for step in self.steps[first : self.number + 1]:
            if isinstance(step.event, Sample) and signal.has_reading(step.event):
                history.turn_to(step.event.source or history.source, step.at_s)
            if step.estimate.heart_rate_bpm is not None and step.estimate.trust is Trust.GOOD:
                history.add(step.at_s, step.estimate.heart_rate_bpm)
        hr_bpm = history.at(self.said.at_s)
        if before.phase_remaining_s is not None:
            ahead_s = min(ahead_s, before.phase_remaining_s - (self.said.at_s - before.at_s))
        return (
            None if hr_bpm is None else (ahead_s, around(running_bpm(hr_bpm, history.change_bpm_s(), ahead_s), ahead_s))
        )


# -- what would have changed it --


def _tried(decision: Decision, change: Change, plan: Plan, runner: Runner, settings: Control) -> str:
    """What would have changed a decision, in words."""
    again = _Again(decision, change, Controller(plan, runner, settings))
    if change is Change.EFFORT:
        if decision.reported is None:
            return "An effort that was never reported."
        report = decision.steps[decision.reported].event
        rpe = report.rpe if isinstance(report, Rpe) else 0.0
        halves = again.smallest(decision.reported, int(2 * rpe), lambda event, n: _easier(event, report, n / 2))
        if halves is None:
            return "A lower effort in this report alone would not have changed it."
        return f"With an effort of {rpe - halves / 2:g} instead of {rpe:g}, {_otherwise(decision, change)}."
    judged, sign = decision.judged, 1 if change is Change.MORE else -1
    from_s, where = _began_s(judged), f"in that {_noun(judged)}"
    if judged.phase in RUNNING and judged.phase_elapsed_s < 2 * LEAVES_WITHIN_S:
        from_s, where = from_s - LEAVES_WITHIN_S, f"as that {_noun(judged)} began"
    if judged.phase is Phase.WALK and judged.phase_elapsed_s >= recovery.NO_JUDGEMENT_BEFORE_S:
        from_s += recovery.REFERENCE_TO_S
        where = "by then" if judged is decision.said else f"at the end of that {_noun(judged)}"
    first = bisect_left(decision.steps, from_s, key=_at_s)
    bpm = again.smallest(first, MOST_BPM, lambda event, n: _moved(event, sign * n, from_s))
    if bpm is None:
        return f"{MOST_BPM} {change.value} {where}, reached within {LEAVES_WITHIN_S:g} s, would not have changed it."
    text = f"With {bpm} {change.value} {where}"
    cut = decision.cue.kind is K.WALK and decision.cue.reason in BY_CEILING
    if cut and settings.first_workout_mean_bpm is None:
        ceiling_bpm = adaptation.ceiling_bpm(runner, plan, settings) + bpm
        text += f", or the ceiling {bpm} bpm higher there (control.heart_rate_ceiling_bpm = {ceiling_bpm:g})"
    return f"{text}, {_otherwise(decision, change)}."


class _Again:
    """The session up to a decision, stepped again and again with other numbers."""

    def __init__(self, decision: Decision, change: Change, coach: Controller) -> None:
        self._decision = decision
        self._change = change
        self._coach = coach

    def smallest(self, first: int, most: int, moved: Callable[[Event, int], Event]) -> int | None:
        """The smallest change, 1 to ``most``, of the events from ``first`` on that one less does not come up to.

        None where neither ``most`` nor 1, 2, 4, ... leads to another decision.
        """
        for step in self._decision.steps[:first]:
            self._coach.step(step.event)
        same, other = 0, min(1, most)
        while self._decides(first, moved, other):
            if other == most:
                return None
            same, other = other, min(2 * other, most)
        while other - same > 1:
            middle = (same + other) // 2
            if self._decides(first, moved, middle):
                same = middle
            else:
                other = middle
        return other

    def _decides(self, first: int, moved: Callable[[Event, int], Event], change: int) -> bool:
        """Whether the decision is still taken."""
        decision, more = self._decision, self._change is Change.MORE
        reason = decision.cue.reason
        alike = next((group for group in (BY_CEILING, BY_EFFORT, BY_RECOVERY) if reason in group), {reason})
        coach = copy.deepcopy(self._coach)
        again = [coach.step(moved(step.event, change)) for step in decision.steps[first : self._until()]]
        # With more the same may come sooner, which is a change; with less it could only come later, or never.
        where = again[decision.number - first :] if more else again
        cues = [cue for step in where for cue in step.cues if cue.kind is decision.cue.kind]
        return any(more or cue.reason in alike for cue in cues)

    def _until(self) -> int:
        """A walk that is not made longer at the first test may be so until it ends, where the events go on so far."""
        decision = self._decision
        if decision.cue.kind is not K.EXTEND_WALK or self._change is not Change.LESS:
            return decision.number + 1
        before = decision.steps[decision.number - 1]
        end_s = before.at_s + (before.phase_remaining_s or 0.0)
        return max(bisect_left(decision.steps, end_s, key=_at_s), decision.number) + 1


def _moved(event: Event, bpm: float, from_s: float) -> Event:
    """The same beats at another heart rate, reached ``LEAVES_WITHIN_S`` after ``from_s``."""
    if not isinstance(event, Sample) or event.heart_rate_bpm is None or event.heart_rate_bpm <= signal.LOWEST_BPM:
        return event
    by_bpm = bpm * min(max(event.at_s - from_s, 0.0) / LEAVES_WITHIN_S, 1.0)
    moved_bpm = max(event.heart_rate_bpm + by_bpm, signal.LOWEST_BPM + 1)
    share = event.heart_rate_bpm / moved_bpm
    return replace(event, heart_rate_bpm=round(moved_bpm), rr_s=tuple(rr_s * share for rr_s in event.rr_s))


def _easier(event: Event, report: Event, by: float) -> Event:
    return replace(event, rpe=event.rpe - by) if isinstance(event, Rpe) and event is report else event


def _otherwise(decision: Decision, change: Change) -> str:
    """What another decision means; no more than was seen when the session was stepped again."""
    match decision.cue.kind:
        case K.WALK if decision.begins and change is Change.MORE:
            return "the walk would have come sooner"
        case K.WALK if decision.begins:
            return "the run would have gone on"
        case K.RUN | K.SURGE if decision.begins and decision.judged.phase is Phase.WALK:
            return "the walk would have gone on"
        case K.EXTEND_WALK if change is Change.LESS:
            return "heart rate would not have made that walk longer"
        case K.RATIO:
            return "run and walk would have kept their lengths"
        case _:
            return "this would not have been said"


# -- numbers in words --


def _at_s(step: Step) -> float:
    return step.at_s


def _noun(step: Step) -> str:
    return NOUN.get(step.phase, step.phase.value)


def _began_s(step: Step) -> float:
    return step.at_s - step.phase_elapsed_s


def _header(step: Step) -> str:
    left = "" if step.phase_remaining_s is None else f", {step.phase_remaining_s:.0f} s left"
    return f"{_noun(step).capitalize()} for {step.phase_elapsed_s:.0f} s{left}."


def _ahead(step: Step) -> tuple[float, Forecast] | None:
    """The forecast in a step, with how far ahead it looks."""
    e = step.estimate
    if e.forecast_bpm is None or e.forecast_low_bpm is None or e.forecast_high_bpm is None:
        return None
    ahead_s = controller.WALK_AHEAD_S if step.phase is Phase.WALK else RUN_AHEAD_S
    return ahead_s, Forecast(e.forecast_bpm, e.forecast_low_bpm, e.forecast_high_bpm)


def _numbers(step: Step, ahead: tuple[float, Forecast] | None) -> str:
    e = step.estimate
    if e.heart_rate_bpm is None:
        return f"no heart rate (trust {e.trust})."
    parts = [f"heart rate {e.heart_rate_bpm:g} bpm (trust {e.trust})"]
    if e.ceiling_bpm is not None:
        parts.append(f"ceiling {e.ceiling_bpm:g}")
    if e.drop_bpm is not None and e.required_drop_bpm is not None:
        parts.append(f"down {e.drop_bpm:g} of {e.required_drop_bpm:g}")
    if ahead is not None:
        ahead_s, f = ahead
        parts.append(f"forecast {f.heart_rate_bpm:g} in {ahead_s:g} s ({f.low_bpm:g} to {f.high_bpm:g})")
        if step.phase is Phase.WALK and e.forecast_bpm is not None:
            ready = "not ready within two minutes" if e.ready_in_s is None else f"ready in {e.ready_in_s:g} s"
            parts.append(ready)
    return ", ".join(parts) + "."


def _against_plan(step: Step, plan: Plan) -> list[str]:
    """Run and walk where they differ from the plan, and the effort that still counts."""
    ratio, parts = step.ratio, []
    if ratio.run_s != ratio.planned_run_s:
        parts.append(f"run {ratio.planned_run_s:g} -> {ratio.run_s:g} s")
    if ratio.walk_s != ratio.planned_walk_s:
        parts.append(f"walk {ratio.planned_walk_s:g} -> {ratio.walk_s:g} s")
    if step.estimate.rpe is not None:
        low, high = plan.rpe_target
        parts.append(f"effort {step.estimate.rpe:g}, for {low:g} to {high:g}")
    return [f"Planned -> now: {'; '.join(parts)}."] if parts else []


# -- why nothing is said --


def _silence(steps: Sequence[Step], runner: Runner, settings: Control) -> str:
    """What a runner may have waited for in the last of these steps, and why it did not come."""
    step = steps[-1]
    match step.phase:
        case Phase.WAITING:
            return "the session waits for its start."
        case Phase.PAUSED:
            return "the session is paused."
        case Phase.FINISHED:
            return "the session is over."
        case Phase.WARMUP | Phase.COOLDOWN:
            return f"nothing is judged in the {NOUN[step.phase]}."
    undecided = _undecided(steps, settings)
    if undecided:
        return f"heart rate decides nothing here: {undecided}."
    if step.phase is not Phase.WALK:
        return _run_silence(steps, settings)
    if step.next_phase is not None and step.next_phase not in RUNNING:
        return "no run follows that this walk would have to prepare."
    if settings.policy is PolicyName.GATE:
        return _gate_silence(step, runner)
    return _walk_silence(steps, settings)


def _undecided(steps: Sequence[Step], settings: Control) -> str:
    """Why the heart rate changes nothing at this time; empty when it may."""
    step = steps[-1]
    e, began_s = step.estimate, next(step.at_s for step in steps if step.phase is not Phase.WAITING)
    gated = settings.policy is PolicyName.GATE and step.phase is Phase.WALK
    if settings.policy is not PolicyName.ADAPTIVE and not gated:
        return f"the policy is {settings.policy}"
    if _adapt_off(steps):
        return "adapting is switched off"
    if e.trust is not Trust.GOOD:
        return f"its trust is {e.trust}"
    if step.at_s - began_s < progress.NO_ADAPTATION_BEFORE_S:
        return f"the first {progress.NO_ADAPTATION_BEFORE_S:g} s are left alone"
    if step.phase is not Phase.WALK:
        least_s = adaptation.NO_WALK_BEFORE_S
        return "" if step.phase_elapsed_s >= least_s else f"no run is cut short in its first {least_s:g} s"
    if e.walked is False:
        return "speed or cadence look like running"
    if _is_short(step):
        return ""
    if step.phase_elapsed_s < recovery.NO_JUDGEMENT_BEFORE_S:
        return "" if gated else f"a walk is judged from {recovery.NO_JUDGEMENT_BEFORE_S:g} s on"
    return NOT_JUDGED if e.recovered is None else ""


def _is_short(walk: Step) -> bool:
    """Too short to be judged; only its end is looked at."""
    return walk.phase_remaining_s is not None and walk.ratio.planned_walk_s < adaptation.JUDGED_FROM_PLANNED_S


def _adapt_off(steps: Sequence[Step]) -> bool:
    switches = (Action.ADAPT_OFF, Action.ADAPT_ON)
    said = (step.event.action for step in reversed(steps) if isinstance(step.event, Command))
    return next((action for action in said if action in switches), None) is Action.ADAPT_OFF


def _run_silence(steps: Sequence[Step], settings: Control) -> str:
    step = steps[-1]
    e, began_s = step.estimate, _began_s(step)
    if step.phase_remaining_s is not None and step.phase_remaining_s <= adaptation.TOO_LATE_TO_CUT_S:
        return "the run ends as announced."
    if any(cue.kind is K.WALK for step in steps if step.at_s > began_s for cue in step.cues):
        return "a walk has been advised once in this run; the choice is the runner's."
    hr_bpm, ceiling_bpm = e.heart_rate_bpm or 0.0, e.ceiling_bpm or 0.0
    spare_bpm = ceiling_bpm + settings.ceiling_forecast_margin_bpm - (e.forecast_bpm or hr_bpm)
    if hr_bpm > ceiling_bpm:
        return f'no "walk" yet: above the ceiling, but not for {adaptation.ABOVE_CEILING_FOR_S:g} s.'
    if spare_bpm < 0:
        return "the run ends before the forecast would come true."
    return (
        f'no "walk": heart rate is {ceiling_bpm - hr_bpm:g} bpm below the ceiling, '
        f"the forecast {spare_bpm:g} bpm below what would end the run."
    )


def _gate_silence(step: Step, runner: Runner) -> str:
    hr_bpm, gate_bpm = step.estimate.heart_rate_bpm or 0.0, baselines.GATE_OF_MAXIMUM * runner.maximum_bpm
    if hr_bpm > gate_bpm:
        return f'no "run" yet: heart rate is {hr_bpm - gate_bpm:g} bpm above {gate_bpm:g}, {GATE}.'
    if step.phase_elapsed_s < baselines.SHORTEST_WALK_S - adaptation.EARLY_NOTICE_S:
        return f"heart rate is down at {GATE}, and a walk lasts {baselines.SHORTEST_WALK_S:g} s at least."
    return "the walk ends as announced."


def _walk_silence(steps: Sequence[Step], settings: Control) -> str:
    step = steps[-1]
    e, left_s = step.estimate, step.phase_remaining_s
    if left_s is None and e.recovered:
        return "heart rate is down enough, a run may begin."
    if left_s is None and (e.heart_rate_bpm or 0.0) > (e.ceiling_bpm or 0.0):
        return 'no "run" yet: heart rate is above the ceiling.'
    if left_s is None:
        missing_bpm = (e.required_drop_bpm or 0.0) - (e.drop_bpm or 0.0)
        missing = f"{missing_bpm:.1f} bpm are missing" if missing_bpm > 0 else f"not for {recovery.HOLD_S:g} s so far"
        return f'no "run" yet: {missing}.'
    low_bpm = (e.ceiling_bpm or 0.0) - adaptation.CUT_BELOW_CEILING_BPM
    low_enough = e.recovered or (e.heart_rate_bpm or 0.0) <= low_bpm
    if low_enough and left_s > adaptation.TOLD_BEFORE_END_S and _is_kept_below_ceiling(steps):
        return "heart rate is down enough, and the walk lasts at least its share of the run before it."
    if e.recovered:
        early = "" if settings.allow_early_run else " (control.allow_early_run = false)"
        return f"heart rate is down enough, and the walk keeps its time{early}."
    first_test_s = adaptation.RETEST_BEFORE_END_S if _is_short(step) else adaptation.TEST_BEFORE_END_S
    for test_s in (first_test_s, adaptation.RETEST_BEFORE_END_S):
        if left_s > test_s:
            return f"whether this walk needs more time is tested {test_s:g} s before its end."
    return "the walk has been tested and ends now."


def _is_kept_below_ceiling(steps: Sequence[Step]) -> bool:
    """Whether the run before this walk was cut short, or is shorter than planned, for the ceiling's sake."""
    walk = [step for step in steps if step.at_s > _began_s(steps[-1]) - 1]
    if any(cue.kind is K.WALK and cue.reason in BY_CEILING for step in walk for cue in step.cues):
        return True
    for step in reversed(steps):
        if step.ratio.run_s == step.ratio.planned_run_s:
            return False
        if any((cue.kind, cue.reason) == (K.RATIO, R.HEART_RATE_CEILING) for cue in step.cues):
            return True
    return False
