"""The walk budget: what a runner with a goal time may still walk, what is said of it, and that it keeps its promise."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrbridge import bridge, timeline, wiring
from hrbridge.config import Block, Control, Plan, PlanTable, PolicyName, Runner, Segment
from hrbridge.control import budget
from hrbridge.control import plan as plans
from hrbridge.control.budget import Budget, Goal
from hrbridge.control.controller import Controller
from hrbridge.decisions import REASONS, CueKind, Phase, Reason, Step
from hrbridge.errors import ConfigError
from hrbridge.events import Action, Command, Event, Sample, Speed, Tick

from .conftest import Heart, recovering

MILE_M = 1609.344
RUNNER = Runner(max_heart_rate_bpm=180, resting_heart_rate_bpm=60)

# Running 5:00 and walking 10:00 per kilometre: a second of walking loses half a second.
FIVE_K = Goal(1600.0, 5000.0, 1000 / 300, 1000 / 600)
SPEED_M_S = {Phase.RUN: 1000 / 300, Phase.WALK: 1000 / 600}


class Race:
    """A controller, a runner with a foot pod, and one step per second; ``speed`` sees the last step."""

    def __init__(
        self, plan: Plan, speed: Callable[[Step], float | None] | None = None, heart: Heart | None = None
    ) -> None:
        self.controller = Controller(plan, RUNNER, Control(tips=False, rpe_prompts=False))
        self.speed = speed or (lambda step: SPEED_M_S.get(step.phase, 0.0))
        self.heart = heart
        self.distance_m = 0.0
        self.now_s = 0
        self.steps: list[Step] = []
        self.tell(Command(0.0, Action.START))

    def tell(self, event: Event) -> Step:
        step = self.controller.step(event)
        self.steps.append(step)
        return step

    def command(self, action: Action) -> Step:
        return self.tell(Command(float(self.now_s), action))

    def go(self, seconds: int) -> Race:
        for _ in range(seconds):
            last = self.steps[-1]
            self.now_s += 1
            at_s = float(self.now_s)
            speed_m_s = self.speed(last)
            if speed_m_s is not None:
                self.distance_m += speed_m_s
                # A real pod sends its distance in decimetres.
                self.tell(Speed(at_s, speed_m_s, distance_m=round(self.distance_m, 1)))
            if self.heart is not None:
                bpm = self.heart(last.phase, at_s - last.at_s + last.phase_elapsed_s)
                self.tell(Sample(at_s, round(bpm or 0) + self.now_s % 2))
            self.tell(Tick(at_s))
        return self

    @property
    def heard(self) -> list[tuple[float, str]]:
        """What was said of the budget, and when."""
        return [(step.at_s, cue.say) for step in self.steps for cue in step.cues if cue.kind is CueKind.BUDGET]


def race_plan(run_s: float = 300, walk_s: float = 60, **keys: object) -> Plan:
    """Five kilometres in 26:40 at 5:00 per kilometre: 200 s may be walked."""
    segments = (Segment("run", for_s=run_s), Segment("walk", for_s=walk_s))
    given = {"goal_time_s": 1600.0, "distance_m": 5000.0, "run_pace_s_per_km": 300.0, "walk_pace_s_per_km": 600.0}
    return Plan(**{"name": "paper", "purpose": "race", "block": (Block(segments=segments),), **given, **keys})


# -- the sum --


def test_walking_covers_ground_so_more_may_be_walked_than_there_is_to_spare() -> None:
    assert FIVE_K.slack_s(0, 0) == pytest.approx(100)
    assert FIVE_K.allowed_s(0, 0) == pytest.approx(200)


def test_walking_spends_it_second_by_second() -> None:
    assert FIVE_K.allowed_s(60, 60 / 0.6) == pytest.approx(140)


def test_running_at_the_run_pace_leaves_it_alone() -> None:
    assert FIVE_K.allowed_s(600, 2000) == pytest.approx(200)


def test_running_slower_spends_it() -> None:
    assert FIVE_K.allowed_s(310, 1000) == pytest.approx(180)


def test_running_faster_refills_it() -> None:
    assert FIVE_K.allowed_s(290, 1000) == pytest.approx(220)


def test_who_is_late_may_walk_no_more() -> None:
    assert FIVE_K.allowed_s(900, 2000) == 0


def test_nobody_may_walk_more_than_the_rest_of_the_way() -> None:
    assert FIVE_K.allowed_s(1000, 4900) == pytest.approx(60)


goals = st.builds(
    lambda run, share, metres, spare: Goal(metres / run * spare, metres, run, run * share),
    st.floats(1.2, 6.0),
    st.floats(0.2, 0.93),
    st.floats(800, 200_000),
    st.floats(0.9, 2.0),
)


@given(goals, st.floats(0, 1.5), st.floats(0, 1))
@settings(max_examples=300)
def test_whoever_walks_what_is_allowed_and_runs_the_rest_makes_it(goal: Goal, time: float, way: float) -> None:
    elapsed_s, distance_m = goal.time_s * time, goal.distance_m * way
    walk_s = goal.allowed_s(elapsed_s, distance_m)
    left_m = goal.distance_m - distance_m - walk_s * goal.walk_m_s
    if walk_s > 0:
        assert elapsed_s + walk_s + left_m / goal.run_m_s <= goal.time_s + 1e-6


@given(goals, st.floats(0, 1.5), st.floats(0, 0.99))
@settings(max_examples=300)
def test_one_second_more_would_be_too_long(goal: Goal, time: float, way: float) -> None:
    elapsed_s, distance_m = goal.time_s * time, goal.distance_m * way
    walk_s = goal.allowed_s(elapsed_s, distance_m) + 1
    left_m = goal.distance_m - distance_m - walk_s * goal.walk_m_s
    if left_m > 0:
        assert elapsed_s + walk_s + left_m / goal.run_m_s > goal.time_s


# -- the promise --


def finish_s(chance: random.Random, goal: Goal, error: float) -> tuple[float, float]:
    """The finish of a runner who does as they like until they hear that nothing is left, and what was over-measured.

    Runs and walks faster and slower than said and stands about, while a
    sensor measures up to ``error`` wrong. From "No walking time left" on the
    run pace is held; where no word says so there is still something left.
    """
    teller = Budget(goal)
    elapsed_s = true_m = measured_m = 0.0
    walk, walking, leg_ends_s, speed_m_s, none_left = 0, False, 0.0, goal.run_m_s, False
    while true_m < goal.distance_m:
        if none_left:
            walking, speed_m_s = False, goal.run_m_s
        elif elapsed_s >= leg_ends_s:
            walking = not walking and goal.distance_m - true_m > budget.LAST_S * goal.run_m_s
            walk += walking
            leg_ends_s = elapsed_s + chance.uniform(5, 60 if walking else 200)
            walk_m_s, run_m_s = (
                chance.choice([0, 0.8, 1, 1.1]) * goal.walk_m_s,
                chance.uniform(0.97, 1.1) * goal.run_m_s,
            )
            speed_m_s = walk_m_s if walking else run_m_s
        step_s = 3.0 if walking else 10.0
        if speed_m_s > 0:
            step_s = min(step_s, (goal.distance_m - true_m) / speed_m_s)
        elapsed_s += step_s
        true_m += speed_m_s * step_s
        measured_m += speed_m_s * step_s * (1 + chance.uniform(-error, error))
        due = teller.due(elapsed_s, measured_m, walk if walking else None, begun=True)
        if due is not None:
            teller.told(due[1], walk)
            none_left = due[1] == 0
    return elapsed_s, max(0.0, measured_m - true_m)


def some_goal(chance: random.Random) -> Goal:
    run_m_s, metres = chance.uniform(1.8, 5.0), chance.uniform(800, 2000)
    return Goal(metres / run_m_s * chance.uniform(1.03, 1.3), metres, run_m_s, run_m_s * chance.uniform(0.3, 0.7))


def test_ten_thousand_runners_who_stop_walking_when_told_finish_in_time() -> None:
    chance = random.Random(29)
    late_s = []
    for _ in range(10_000):
        goal = some_goal(chance)
        late_s.append(finish_s(chance, goal, error=0.0)[0] - goal.time_s)
    assert max(late_s) <= 1e-6


def test_a_sensor_that_measures_too_much_makes_nobody_later_than_its_metres_take() -> None:
    chance = random.Random(3)
    later_s = []
    for _ in range(1000):
        goal = some_goal(chance)
        elapsed_s, over_m = finish_s(chance, goal, error=0.05)
        later_s.append(elapsed_s - goal.time_s - over_m / goal.run_m_s)
    assert max(later_s) <= 1e-6


# -- the marathon of the articles --

# Goal 3:25:00. With five miles left 2:30 of walking were allowed, with just over a mile left about a minute, both were
# walked, and the finish came after 3:24:31. The articles give neither paces nor splits; these make it one race:
# - The walk is the quick end of a brisk one, 15:00 per mile (the articles: 24 to 15).
# - Up to five miles left the run was even and without a walk. That 2:30 were allowed then means that a run at this pace
#   with nothing but those 150 s of walking would have filled the goal to the second:
#   (42 195 m - 150 s x walk speed) / run speed + 150 s = 12 300 s, so 4:49.8 per kilometre (7:46 per mile).
# - Of those 2:30 nothing is left when they are walked. That there was a minute again 1.1 miles before the end means
#   that the run between was a little faster than that: 4:45 per kilometre.
# - After that minute the run pace would have filled the goal again; the last mile won 29 s (4:32 per kilometre).
GOAL_S, MARATHON_M = 12_300.0, 42_195.0
FINISH_S = 12_271.0
FIRST_WALK_S, SECOND_WALK_S = 150.0, 60.0
WALK_M_S = MILE_M / 900
RUN_M_S = (MARATHON_M - FIRST_WALK_S * WALK_M_S) / (GOAL_S - FIRST_WALK_S)
AT_FIRST_M, AT_SECOND_M = MARATHON_M - 5 * MILE_M, MARATHON_M - 1.1 * MILE_M
AT_FIRST_S = AT_FIRST_M / RUN_M_S
AT_SECOND_S = GOAL_S - SECOND_WALK_S - (1.1 * MILE_M - SECOND_WALK_S * WALK_M_S) / RUN_M_S
BETWEEN_M_S = (AT_SECOND_M - AT_FIRST_M - FIRST_WALK_S * WALK_M_S) / (AT_SECOND_S - AT_FIRST_S - FIRST_WALK_S)
LAST_M_S = (1.1 * MILE_M - SECOND_WALK_S * WALK_M_S) / (FINISH_S - AT_SECOND_S - SECOND_WALK_S)
MARATHON = Goal(GOAL_S, MARATHON_M, RUN_M_S, WALK_M_S)


@pytest.fixture(scope="module", name="marathon")
def _marathon() -> Race:
    """The whole of it, with a foot pod; the runner says when the walks begin and end."""
    pace = {"run_pace_s_per_km": 1000 / RUN_M_S, "walk_pace_s_per_km": 1000 / WALK_M_S}
    plan = Plan(name="free", goal_time_s=GOAL_S, goal_distance_m=MARATHON_M, **pace)
    now_m_s = [RUN_M_S]
    race = Race(plan, lambda _: now_m_s[0])
    for until_s, action, then_m_s in (
        (AT_FIRST_S, Action.WALK, WALK_M_S),
        (AT_FIRST_S + FIRST_WALK_S, Action.RUN, BETWEEN_M_S),
        (AT_SECOND_S, Action.WALK, WALK_M_S),
        (AT_SECOND_S + SECOND_WALK_S, Action.RUN, LAST_M_S),
        (FINISH_S, Action.STOP, 0.0),
    ):
        race.go(round(until_s) - race.now_s)
        race.command(action)
        now_m_s[0] = then_m_s
    return race


def test_the_paces_are_those_of_one_and_the_same_runner() -> None:
    assert [round(1000 / m_s) for m_s in (RUN_M_S, BETWEEN_M_S, LAST_M_S)] == [290, 285, 272]


def test_with_five_miles_left_two_and_a_half_minutes_are_allowed() -> None:
    assert MARATHON.allowed_s(AT_FIRST_S, AT_FIRST_M) == pytest.approx(150)


def test_with_just_over_a_mile_left_it_is_about_a_minute() -> None:
    assert MARATHON.allowed_s(AT_SECOND_S, AT_SECOND_M) == pytest.approx(60)


@pytest.mark.parametrize(
    ("walk", "at_s", "says"),
    [
        (0, AT_FIRST_S + 8, "You can walk two minutes fifteen and still make it."),
        (1, AT_FIRST_S + 140, "No walking time left. Run on, or take a later finish."),
        (2, AT_SECOND_S + 8, "You can walk forty-five seconds and still make it."),
        (3, AT_SECOND_S + 50, "No walking time left. Run on, or take a later finish."),
    ],
)
def test_in_each_walk_the_runner_hears_what_is_left_and_when_to_run_on(
    marathon: Race, walk: int, at_s: float, says: str
) -> None:
    heard_s, said = marathon.heard[walk]
    assert said == says
    assert heard_s == pytest.approx(at_s, abs=2)


def test_in_a_marathon_with_two_walks_nothing_else_is_said_of_it(marathon: Race) -> None:
    assert len(marathon.heard) == 4


def test_the_marathon_ends_twenty_nine_seconds_inside(marathon: Race) -> None:
    assert marathon.distance_m == pytest.approx(MARATHON_M, abs=3)
    assert GOAL_S - marathon.steps[-1].at_s == 29


def test_less_than_two_percent_of_the_marathon_was_walked(marathon: Race) -> None:
    walked_s = sum(now.at_s - before.at_s for before, now in pairwise(marathon.steps) if before.phase is Phase.WALK)
    assert walked_s == 210
    assert round(100 * walked_s / FINISH_S, 2) == 1.71


# -- what is heard in a race --


def slower_after(at_s: float, share: float) -> Callable[[Step], float]:
    """From then on the runner runs at a share of the run pace's speed."""
    return lambda step: SPEED_M_S.get(step.phase, 0.0) * (share if step.phase is Phase.RUN and step.at_s > at_s else 1)


def test_eight_seconds_into_a_walk_the_runner_hears_what_may_be_walked() -> None:
    race = Race(race_plan()).go(350)
    assert race.heard == [(308, "You can walk three minutes five and still make it.")]


def test_with_little_left_every_walk_says_it_once() -> None:
    race = Race(race_plan(240, 45)).go(900)
    assert race.heard == [
        (248, "You can walk three minutes five and still make it."),
        (533, "You can walk two minutes twenty and still make it."),
        (818, "You can walk one minute thirty-five and still make it."),
    ]


def test_with_plenty_left_every_third_walk_says_it() -> None:
    race = Race(race_plan(240, 60, distance_m=42_195.0, goal_time_s=13_600.0)).go(2500)
    assert [round((s - 248) / 300) + 1 for s, _ in race.heard] == [2, 5, 8]


def test_plenty_is_told_in_whole_minutes() -> None:
    race = Race(race_plan(240, 60, distance_m=42_195.0, goal_time_s=12_960.0)).go(600)
    assert race.heard[0][1] == "You can walk eight minutes and still make it."


def test_who_wins_back_what_was_walked_does_not_hear_the_same_again() -> None:
    race = Race(race_plan(300, 60), slower_after(0, 1.1)).go(1100)
    assert len(race.heard) == 1


def test_who_may_walk_the_rest_of_the_way_hears_so() -> None:
    race = Race(race_plan(300, 300, distance_m=1500.0, goal_time_s=900.0)).go(400)
    assert race.heard == [(308, "You can walk all the way and still make it.")]


def test_the_moment_that_a_walk_has_used_it_up_is_told() -> None:
    race = Race(race_plan(300, 240)).go(540)
    assert race.heard[1:] == [(pytest.approx(300 + 190, abs=2), budget.NONE_LEFT)]


def test_the_walk_itself_stays_as_long_as_the_plan_has_it() -> None:
    race = Race(race_plan(300, 240)).go(545)
    assert next(step.at_s for step in race.steps if step.repeat == 2) == 540


def test_a_slower_run_that_uses_it_up_is_told_once() -> None:
    race = Race(race_plan(1200, 60), slower_after(0, 0.9)).go(1200)
    assert [say for _, say in race.heard] == [budget.NONE_LEFT]


def test_nothing_more_is_said_of_a_goal_that_is_gone() -> None:
    race = Race(race_plan(200, 60, distance_m=20_000.0, goal_time_s=6100.0)).go(3000)
    assert [say for _, say in race.heard][-1] == budget.NONE_LEFT
    assert race.heard[-1][0] < 1000


def test_walking_time_won_back_is_told_again() -> None:
    pace = {"share": 0.9}
    race = Race(race_plan(600, 60), lambda step: SPEED_M_S.get(step.phase, 0.0) * pace["share"]).go(870)
    pace["share"] = 1.3
    race.go(400)
    assert [say for _, say in race.heard] == [
        "You can walk one minute five and still make it.",
        budget.NONE_LEFT,
        "You can walk three minutes fifteen and still make it.",
    ]


def test_what_was_won_back_and_lost_again_within_one_run_is_told_again() -> None:
    pace = {"share": 0.9}
    race = Race(race_plan(1500, 60), lambda step: SPEED_M_S[Phase.RUN] * pace["share"]).go(950)
    pace["share"] = 1.5
    race.go(100)
    pace["share"] = 0.8
    race.go(300)
    assert [say for _, say in race.heard] == [budget.NONE_LEFT] * 2


def test_a_goal_without_time_to_walk_is_told_at_the_start() -> None:
    race = Race(race_plan(goal_time_s=1400.0), heart=recovering()).go(600)
    assert race.heard == [(8, budget.NONE_AT_ALL)]


def test_in_the_last_seconds_of_the_race_nobody_hears_that_nothing_is_left() -> None:
    race = Race(race_plan(1600, 60, goal_time_s=1520.0), slower_after(1475, 0.5)).go(1510)
    assert race.heard == []


def test_without_a_goal_nothing_is_said() -> None:
    race = Race(race_plan(goal_time_s=None)).go(700)
    assert race.heard == []


def test_the_clock_of_the_goal_starts_after_the_warm_up() -> None:
    race = Race(race_plan(warmup_s=600.0)).go(950)
    assert race.heard == [(908, "You can walk three minutes five and still make it.")]


def test_the_clock_of_a_race_runs_on_through_a_pause() -> None:
    race = Race(race_plan()).go(100)
    race.command(Action.PAUSE)
    race.go(60)
    race.command(Action.RESUME)
    race.go(250)
    assert race.heard == [(368, "You can walk one minute five and still make it.")]


def test_without_a_source_of_distance_the_pace_stands_in_and_that_is_said() -> None:
    race = Race(race_plan(), lambda _: None).go(350)
    assert [c.say for step in race.steps for c in step.cues if c.kind is CueKind.WARNING] == [
        "No distance. Using your pace."
    ]
    assert race.heard == [(308, "You can walk three minutes five and still make it.")]


def test_a_walk_that_heart_rate_asked_for_is_not_cut_short_with_words() -> None:
    plan = race_plan(600, 60, goal_time_s=1525.0, purpose="easy")
    hot = Race(plan, heart=lambda phase, s: min(158, 100 + s / 2) if phase is Phase.RUN else 158 - s).go(400)
    walk = next(cue for step in hot.steps for cue in step.cues if cue.kind is CueKind.WALK)
    assert walk.reason in (Reason.HEART_RATE_CEILING, Reason.FORECAST_CEILING)
    assert {step.phase for step in hot.steps for cue in step.cues if cue.say == budget.NONE_LEFT} == {Phase.RUN}


def test_who_runs_on_because_nothing_is_left_is_not_sent_walking_again() -> None:
    race = Race(race_plan(300, 240, goal_time_s=1510.0), heart=recovering(run_bpm=140))
    race.speed = lambda step: SPEED_M_S[Phase.WALK if 300 <= step.at_s < 312 else Phase.RUN]
    race.go(400)
    assert race.heard == [(311, budget.NONE_LEFT)]
    assert [c for step in race.steps for c in step.cues if c.reason is Reason.CUE_IGNORED] == []


def test_a_runner_who_does_as_told_finishes_in_time() -> None:
    """Closed loop: walks with the plan until nothing is left, then runs through every walk."""
    race = Race(race_plan(120, 60), heart=recovering(run_bpm=140))
    while race.steps[-1].phase is not Phase.FINISHED:
        race.go(1)
        none_left = bool(race.heard) and race.heard[-1][1] == budget.NONE_LEFT
        if none_left and race.steps[-1].phase is Phase.WALK:
            race.command(Action.RUN)
    assert 1580 <= race.now_s <= 1600


@st.composite
def seconds(draw: st.DrawFn) -> tuple[Event, ...]:
    """A race in which runner, pod and heart do as they like."""
    events: list[Event] = [Command(0.0, Action.START)]
    at_s = 0.0
    for _ in range(draw(st.integers(1, 6))):
        speed_m_s = draw(st.sampled_from([None, 0.0, 1.5, 2.5, 3.5, 8.0]))
        bpm = draw(st.sampled_from([None, 110, 150, 185]))
        for _ in range(draw(st.integers(1, 90))):
            at_s += 1
            if bpm is not None:
                events.append(Sample(at_s, bpm + round(at_s) % 2))
            if speed_m_s is not None:
                events.append(Speed(at_s, speed_m_s))
        wish = draw(st.one_of(st.none(), st.sampled_from(Action)))
        if wish is not None:
            events.append(Command(at_s, wish))
    return tuple(timeline.merge(events))


@given(st.floats(100, 2000), st.sampled_from([50.0, 800.0, 5000.0]), st.booleans(), seconds())
@settings(max_examples=40)
def test_in_no_walk_is_it_said_twice(goal_s: float, metres: float, free: bool, events: tuple[Event, ...]) -> None:
    plan = race_plan(60, 45, goal_time_s=goal_s, distance_m=None, goal_distance_m=metres)
    if free:
        plan = Plan(name="free", goal_time_s=goal_s, goal_distance_m=metres, run_pace_s_per_km=300.0)
    steps = list(bridge.follow(Controller(plan, RUNNER, Control(policy=PolicyName.ADAPTIVE)), events))
    told: list[tuple[int, float | None]] = []
    walks = 0
    for before, now in pairwise(steps):
        begins = now.phase is Phase.WALK and before.phase not in (Phase.WALK, Phase.PAUSED)
        walks += begins
        told += [(walks, bool(cue.for_s)) for cue in now.cues if cue.kind is CueKind.BUDGET and cue.for_s]
    assert len(told) == len(set(told))
    assert {cue.reason for step in steps for cue in step.cues if cue.kind is CueKind.BUDGET} <= REASONS[CueKind.BUDGET]


# -- the keys of the plan --


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"goal_time_s": 1600.0}, "goal_time_s: needs goal_distance_m, or distance_m"),
        (
            {"goal_time_s": 1600.0, "distance_m": 5000.0},
            "goal_time_s: needs run_pace_s_per_km, the pace you can hold to the end",
        ),
        ({"goal_distance_m": 5000.0}, "goal_distance_m: has no effect without goal_time_s"),
        (
            {"goal_time_s": 1600.0, "distance_m": 5000.0, "run_pace_s_per_km": 620.0, "walk_pace_s_per_km": 600.0},
            "run_pace_s_per_km: 620 is not allowed with goal_time_s; allowed: less than walk_pace_s_per_km, 600",
        ),
        (
            {"goal_time_s": 1600.0, "distance_m": 5000.0, "run_pace_s_per_km": 700.0},
            "run_pace_s_per_km: 700 is not allowed with goal_time_s; allowed: less than walk_pace_s_per_km, 667",
        ),
    ],
)
def test_a_goal_that_cannot_be_reckoned_is_refused_with_what_is_missing(keys: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        plans.resolve(PlanTable(use="race-miles", **keys))
    assert str(refused.value) == f"[plan]: {message}"


def test_the_distance_of_the_goal_may_be_another_than_that_of_the_plan() -> None:
    aim = plans.goal(race_plan(distance_m=6000.0, goal_distance_m=5000.0))
    assert aim is not None
    assert aim.distance_m == 5000


def test_without_a_walking_pace_a_usual_walk_is_reckoned_with() -> None:
    aim = plans.goal(race_plan(walk_pace_s_per_km=None))
    assert aim is not None
    assert aim.walk_m_s == 1.5


def test_a_plan_tells_how_much_its_goal_leaves_to_walk() -> None:
    assert plans.describe(race_plan()).endswith("; goal 0:26:40 with three minutes twenty to walk")


def test_a_goal_beyond_the_run_pace_is_allowed_and_said() -> None:
    assert plans.describe(race_plan(goal_time_s=1440.0)).endswith(
        "; goal 0:24:00, one minute faster than running all the way"
    )


# -- out of the box --


def test_the_simulated_runner_brings_the_paces_of_a_goal() -> None:
    overrides = wiring.overrides_for(["plan.goal_time_s=3900", "plan.distance_m=10000"], plan="race-miles")
    plan = wiring.simulated_session(None, [*overrides, 'sensor.runner="fit"']).plan
    assert (plan.run_pace_s_per_km, plan.walk_pace_s_per_km) == (357.1, 625.0)


def test_paces_that_are_given_are_kept() -> None:
    given_paces = ["plan.run_pace_s_per_km=400", "plan.walk_pace_s_per_km=700"]
    goal_keys = ["plan.goal_time_s=4900", "plan.distance_m=10000"]
    plan = wiring.simulated_session(None, wiring.overrides_for([*goal_keys, *given_paces], plan="race-miles")).plan
    assert (plan.run_pace_s_per_km, plan.walk_pace_s_per_km) == (400, 700)


def test_a_simulated_race_is_told_its_budget_without_nagging() -> None:
    goal_keys = ["plan.goal_time_s=2000", "plan.distance_m=5000", "control.heart_rate_ceiling_hrr=0.9"]
    overrides = wiring.overrides_for([*goal_keys, 'sensor.runner="fit"'], plan="race-miles")
    summary = wiring.coach_at_once(wiring.simulated_session(None, overrides), None, [])
    assert 1 <= summary.cues["budget"] <= len(summary.walks)
