"""What the coach promises on any day: whatever the heart, the strap, the legs and the wishes do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import exp

import hypothesis
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from hrbridge.config import Block, Control, Plan, Runner, Segment
from hrbridge.control.adaptation import walk_cap_s
from hrbridge.control.controller import Controller
from hrbridge.decisions import REASONS, Cue, CueKind, Phase, Reason, Step, Trust
from hrbridge.events import Action, Command, Rpe, Sample, Speed, Tick

RUNNER = Runner(max_heart_rate_bpm=180, resting_heart_rate_bpm=60)
RUNNING = (Phase.RUN, Phase.SURGE)
LASTS_S = 660
NEVER_S = float("-inf")
# Two minutes in which nothing is adapted, and a countdown that began in them.
BEGINS_TO_JUDGE_S = 125
WARMING_UP = (100, 15)
DAYS = 70


@dataclass(frozen=True)
class Day:
    """``hearts``: for one stretch after the other where heart rate is heading, and how fast it gets there."""

    plan: Plan
    hearts: tuple[tuple[int, int], ...]
    gait: str
    troubles: tuple[tuple[int, int, str], ...]
    wishes: tuple[tuple[int, Action | float], ...]


run_s = st.sampled_from([20.0, 30.0, 60.0, 120.0, 240.0])
walk_s = st.sampled_from([15.0, 30.0, 45.0, 60.0, 90.0])
cycles = st.one_of(
    st.tuples(run_s, walk_s).map(lambda s: (Segment("run", for_s=s[0]), Segment("walk", for_s=s[1]))),
    st.tuples(run_s, run_s, walk_s).map(
        lambda s: (Segment("surge", for_s=s[0]), Segment("run", for_s=s[1]), Segment("walk", for_s=s[2]))
    ),
)
plans = st.builds(
    Plan,
    block=cycles.map(lambda segments: (Block(segments=segments),)),
    warmup_s=st.sampled_from([0.0, 60.0, 120.0]),
    cooldown=st.sampled_from([0.0, 30.0]),
    total_s=st.sampled_from([None, 600.0]),
)
hearts = st.lists(
    st.tuples(st.one_of(st.integers(100, 185), st.integers(132, 156)), st.sampled_from([5, 15, 30, 60])),
    min_size=2,
    max_size=7,
)
troubles = st.lists(
    st.tuples(
        st.integers(120, LASTS_S), st.integers(1, 60), st.sampled_from(["silent", "spikes", "off", "frozen", "high"])
    ),
    max_size=2,
)
# Reports are the runner's opinion; the other wishes are the runner's will and come on few days.
reports = st.tuples(st.integers(120, LASTS_S), st.integers(0, 20).map(lambda n: n / 2))
orders = st.tuples(
    st.integers(120, LASTS_S), st.sampled_from([a for a in Action if a not in (Action.START, Action.STOP)])
)
days = st.builds(
    Day,
    plans,
    hearts.map(tuple),
    st.sampled_from(["unknown", "unknown", "obeys", "late", "runs"]),
    troubles.map(tuple),
    st.one_of(
        st.just(()),
        st.lists(reports, max_size=4).map(tuple),
        st.lists(st.one_of(reports, orders), max_size=4).map(tuple),
    ),
)


def sample(day: Day, now_s: int, bpm: float) -> Sample | None:
    kind = next((kind for from_s, for_s, kind in day.troubles if from_s <= now_s < from_s + for_s), "good")
    wiggle = now_s % 2
    match kind:
        case "silent":
            return None
        case "spikes":
            return Sample(now_s, round(bpm) + 50 * (now_s % 3 == 0))
        case "off":
            return Sample(now_s, round(bpm) + wiggle, contact=False)
        case "frozen":
            return Sample(now_s, 140)
        case "high":
            return Sample(now_s, 205 + wiggle)
    return Sample(now_s, round(bpm) + wiggle)


def speed(day: Day, now_s: int, last: Step) -> Speed | None:
    running = last.phase in RUNNING
    match day.gait:
        case "unknown":
            return None
        case "late":
            running = running is (last.phase_elapsed_s >= 12)
        case "runs":
            running = True
    return Speed(now_s, 2.6 if running else 1.4)


@cache
def lived(day: Day) -> tuple[Step, ...]:
    """The steps in which something is decided: ticks and wishes."""
    controller = Controller(day.plan, RUNNER, Control(tips=False))
    made = [controller.step(Command(0, Action.START))]
    wishes = sorted(day.wishes, key=lambda wish: wish[0])
    bpm, stretch, last = 95.0, 0, made[0]
    for now_s in range(1, LASTS_S):
        heading, tau_s = WARMING_UP if last.phase is Phase.WARMUP else day.hearts[stretch % len(day.hearts)]
        bpm = heading + (bpm - heading) * exp(-1 / tau_s)
        for event in (sample(day, now_s, bpm), speed(day, now_s, last)):
            if event is not None:
                controller.step(event)
        while wishes and wishes[0][0] == now_s:
            wish = wishes.pop(0)[1]
            made.append(controller.step(Command(now_s, wish) if isinstance(wish, Action) else Rpe(now_s, wish)))
        now = controller.step(Tick(now_s))
        made.append(now)
        stretch += begins(last, now)
        last = now
    return tuple(made)


def begins(before: Step, now: Step) -> bool:
    """Whether a phase, or a stretch of the same phase, begins with this step."""
    return now.phase is not before.phase or now.phase_elapsed_s < before.phase_elapsed_s


def stretches(day: Day) -> Iterator[list[Step]]:
    """The steps of one stretch after the other."""
    made = [lived(day)[0]]
    for step in lived(day)[1:]:
        if begins(made[-1], step):
            yield made
            made = []
        made.append(step)
    yield made


def cues(day: Day) -> Iterator[tuple[Step, Cue]]:
    return ((step, cue) for step in lived(day) for cue in step.cues)


def ordered(day: Day) -> bool:
    """Whether the runner asked for something: no promise binds the runner's own will."""
    return any(isinstance(wish, Action) for _, wish in day.wishes)


def trusted(step: Step) -> bool:
    return step.estimate.trust is Trust.GOOD


def planned_s(day: Day, first: Step) -> float:
    """The length of a stretch as it stands in the plan."""
    return next(s.for_s or 0.0 for s in day.plan.block[0].segments if s.kind == first.phase.value)


def three_two_one(cue: Cue) -> bool:
    return cue.kind is CueKind.COUNTDOWN and "three, two, one" in cue.say


def on_any_day(promise: Callable[[Day], None]) -> Callable[[], None]:
    """Every promise is looked at on the same days, so that each is lived once. To shrink one would take minutes."""
    return seed(20)(settings(max_examples=DAYS, phases=[hypothesis.Phase.generate])(given(days)(promise)))


@on_any_day
def test_no_run_is_counted_down_above_the_ceiling(day: Day) -> None:
    """But by the clock, in the first two minutes or without trust."""
    for step, cue in () if ordered(day) else cues(day):
        to_run = step.phase is Phase.WALK and step.next_phase in RUNNING and cue.kind is CueKind.COUNTDOWN
        if to_run and step.at_s > BEGINS_TO_JUDGE_S and trusted(step):
            assert step.estimate.heart_rate_bpm <= step.estimate.ceiling_bpm


@on_any_day
def test_a_run_begins_below_the_ceiling_or_after_its_countdown(day: Day) -> None:
    counted_s = NEVER_S
    for before, step in () if ordered(day) else pairwise(lived(day)):
        counted_s = max([counted_s, *(step.at_s for cue in step.cues if cue.kind is CueKind.COUNTDOWN)])
        runs = begins(before, step) and before.phase is Phase.WALK and step.phase in RUNNING
        if runs and step.at_s > BEGINS_TO_JUDGE_S and trusted(before) and trusted(step):
            e = step.estimate
            assert e.heart_rate_bpm <= e.ceiling_bpm or step.at_s - counted_s <= 5


@on_any_day
def test_three_two_one_is_followed_by_the_change_unless_safety_or_the_runner_takes_it_back(day: Day) -> None:
    made = lived(day)
    for n, step in enumerate(made):
        if any(map(three_two_one, step.cues)):
            soon = [later for later in made[n:] if later.at_s <= step.at_s + 4]
            came = any(begins(a, b) and b.phase is step.next_phase for a, b in pairwise(soon))
            safety = any(cue.reason is Reason.SAFETY for later in soon for cue in later.cues)
            asked = any(isinstance(later.event, Command) for later in soon)
            assert came or safety or asked or made[-1].at_s < step.at_s + 4


@on_any_day
def test_no_run_is_longer_than_the_plan_has_it(day: Day) -> None:
    for run in stretches(day):
        if run[0].phase in RUNNING and not ordered(day):
            assert run[-1].phase_elapsed_s <= planned_s(day, run[0])


@on_any_day
def test_no_walk_is_longer_than_its_cap_unless_it_is_held(day: Day) -> None:
    for walk in stretches(day):
        held = any(step.phase_remaining_s is None for step in walk)
        if walk[0].phase is Phase.WALK and not held:
            assert walk[-1].phase_elapsed_s <= walk_cap_s(planned_s(day, walk[0]))


@on_any_day
def test_the_ratio_stays_between_its_floor_and_the_plan_and_between_the_plan_and_its_cap(day: Day) -> None:
    for stretch in stretches(day):
        held = any(step.phase_remaining_s is None for step in stretch)
        for step in stretch:
            ratio = step.ratio
            floor_s = max(0.3 * ratio.planned_run_s, min(ratio.planned_run_s, 20))
            assert floor_s <= ratio.run_s <= ratio.planned_run_s
            assert held or ratio.planned_walk_s <= ratio.walk_s <= walk_cap_s(ratio.planned_walk_s)


@on_any_day
def test_without_trust_nothing_is_foreseen_and_nothing_judged(day: Day) -> None:
    for step in lived(day):
        e = step.estimate
        if e.trust is not Trust.GOOD:
            assert (e.forecast_bpm, e.forecast_low_bpm, e.forecast_high_bpm, e.ready_in_s) == (None,) * 4
            assert e.recovered is None


@on_any_day
def test_a_walk_that_is_run_through_is_neither_judged_nor_extended(day: Day) -> None:
    for step in lived(day):
        if step.estimate.walked is False:
            assert (step.estimate.recovered, step.estimate.forecast_bpm) == (None, None)
            assert {cue.reason for cue in step.cues} & {Reason.NOT_RECOVERED, Reason.WALK_CAP} == set()


@on_any_day
def test_every_cue_has_a_reason_that_its_kind_may_have(day: Day) -> None:
    for _, cue in cues(day):
        assert cue.reason in REASONS[cue.kind]


AT_ONCE = (*map(CueKind, RUNNING), CueKind.WALK, CueKind.COUNTDOWN, CueKind.WARNING, CueKind.COOLDOWN, CueKind.FINISH)


@on_any_day
def test_for_eight_seconds_after_a_change_only_changes_and_safety_have_a_say(day: Day) -> None:
    """In a walk of fifteen seconds the first test comes eleven after the change."""
    for step, cue in cues(day):
        answers = isinstance(step.event, (Rpe, Command))
        if step.phase in (*RUNNING, Phase.WALK) and 0 < step.phase_elapsed_s < 8 and not answers:
            assert cue.kind in AT_ONCE


@on_any_day
def test_heart_rate_changes_the_ratio_once_in_a_cycle_at_most(day: Day) -> None:
    changed = 0
    for before, step in () if day.wishes else pairwise(lived(day)):
        if begins(before, step) and step.phase in RUNNING and before.phase not in RUNNING:
            changed = 0
        changed += before.ratio.run_s != step.ratio.run_s
        assert changed <= 1
