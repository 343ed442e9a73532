"""What holds for every sequence of events whatsoever."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from hrbridge import bridge, timeline, trace
from hrbridge.config import Block, Control, Plan, PolicyName, Runner, Segment
from hrbridge.control.adaptation import walk_cap_s
from hrbridge.control.controller import Controller
from hrbridge.decisions import REASONS, CueKind, Phase, Reason, Step, Trust
from hrbridge.events import Action, Command, Event, Rpe, Sample, SignalBack, SignalLost, Speed, Tick

RUNNER = Runner(max_heart_rate_bpm=180, resting_heart_rate_bpm=60)
RUNNING = (Phase.RUN, Phase.SURGE)
# Only a trusted heart rate may be the cause of these.
FROM_HEART_RATE = (
    Reason.NOT_RECOVERED,
    Reason.WALK_CAP,
    Reason.HEART_RATE_CEILING,
    Reason.FORECAST_CEILING,
    Reason.TREND,
    Reason.RESTORED,
)

segments = st.builds(
    Segment,
    kind=st.sampled_from(["run", "surge", "walk"]),
    for_s=st.sampled_from([10.0, 20.0, 30.0, 45.0, 60.0, 120.0]),
)
blocks = st.lists(segments, min_size=1, max_size=3).map(lambda parts: (Block(segments=tuple(parts)),))
plans = st.one_of(
    st.builds(
        Plan,
        block=blocks,
        warmup_s=st.sampled_from([0.0, 20.0, 120.0]),
        cooldown=st.sampled_from([0.0, 30.0, "finisher"]),
        total_s=st.sampled_from([None, 300.0, 1200.0]),
    ),
    st.just(Plan(name="free")),
)


@st.composite
def stretches(draw: st.DrawFn) -> tuple[Event, ...]:
    """A whole day of trouble: stretches of seconds in which the heart, the strap and the runner do as they like."""
    events: list[Event] = [Command(0.0, Action.START)]
    at_s, bpm = 0.0, draw(st.integers(60, 170))
    for _ in range(draw(st.integers(1, 12))):
        slope = draw(st.sampled_from([-1.5, -0.4, 0.0, 0.4, 1.5]))
        strap = draw(st.sampled_from(["good", "good", "good", "silent", "zero", "spikes", "off", "lost"]))
        gait = draw(st.sampled_from([None, None, 1.4, 2.6]))
        source, by_bpm = draw(st.sampled_from([("strap", 0), ("strap", 0), ("watch", 15), ("watch", -15)]))
        for _ in range(draw(st.integers(1, 90))):
            at_s += 1
            bpm = min(215, max(40, bpm + slope))
            jitter = round(at_s) % 2
            if strap == "good":
                events.append(Sample(at_s, round(bpm) + by_bpm + jitter, source=source))
            elif strap == "zero":
                events.append(Sample(at_s, 0))
            elif strap == "spikes":
                events.append(Sample(at_s, round(bpm) + 60 * (round(at_s) % 3 == 0)))
            elif strap == "off":
                events.append(Sample(at_s, round(bpm), contact=False))
            if gait is not None:
                events.append(Speed(at_s, gait))
        if strap == "lost":
            events += [SignalLost(at_s, "out of range"), SignalBack(at_s)]
        wish = draw(st.one_of(st.none(), st.none(), st.sampled_from(Action), st.integers(0, 20)))
        if isinstance(wish, Action):
            events.append(Command(at_s, wish))
        elif wish is not None:
            events.append(Rpe(at_s, wish / 2))
    return tuple(timeline.merge(events))


@st.composite
def disorder(draw: st.DrawFn) -> tuple[Event, ...]:
    """Events in no order and with any value that a sensor could make."""
    times = st.floats(0, 4000, allow_nan=False)
    numbers = st.one_of(st.none(), st.floats(0, 50, allow_nan=False))
    one = st.one_of(
        st.builds(
            Sample,
            times,
            st.one_of(st.none(), st.integers(0, 65_535)),
            st.lists(st.floats(0, 64, allow_nan=False), max_size=3).map(tuple),
            st.sampled_from([None, True, False]),
            battery_percent=st.one_of(st.none(), st.integers(0, 255)),
            source=st.sampled_from([None, "strap", "watch"]),
        ),
        st.builds(Speed, times, numbers, st.one_of(st.none(), st.floats(0, 300, allow_nan=False)), numbers),
        st.builds(Tick, times),
        st.builds(SignalLost, times),
        st.builds(SignalBack, times),
        st.builds(Rpe, times, st.floats(0, 10, allow_nan=False)),
        st.builds(Command, times, st.sampled_from(Action)),
    )
    return tuple(draw(st.lists(one, max_size=60)))


def steps(plan: Plan, events: tuple[Event, ...], policy: PolicyName = PolicyName.ADAPTIVE) -> list[Step]:
    controller = Controller(plan, RUNNER, Control(policy=policy))
    return list(bridge.follow(controller, events))


def finished(made: list[Step]) -> Iterator[tuple[Step, float, bool]]:
    """The first step of each stretch, how long it was, and whether the runner's own will touched it."""
    first = 0
    for n in range(1, len(made)):
        before, now = made[n - 1], made[n]
        if now.phase is not before.phase or now.phase_elapsed_s < before.phase_elapsed_s:
            length_s = round(before.phase_elapsed_s + now.at_s - before.at_s - now.phase_elapsed_s, 3)
            willed = any(isinstance(step.event, Command) for step in made[first : n + 1])
            yield made[first], length_s, willed
            first = n


@given(plans, stretches(), st.sampled_from(PolicyName))
@settings(max_examples=150, deadline=None)
def test_no_run_is_longer_than_planned(plan: Plan, events: tuple[Event, ...], policy: PolicyName) -> None:
    longest_s = max((s.for_s or 0 for b in plan.block for s in b.segments if s.kind != "walk"), default=float("inf"))
    for first, length_s, willed in finished(steps(plan, events, policy)):
        if first.phase in RUNNING and not willed:
            assert length_s <= longest_s + 1


@given(plans, stretches())
@settings(max_examples=150, deadline=None)
def test_no_walk_is_extended_beyond_its_cap(plan: Plan, events: tuple[Event, ...]) -> None:
    made = steps(plan, events)
    # A minute of walking is put in where the plan has none.
    planned_s = [60.0, *(s.for_s or 0 for b in plan.block for s in b.segments if s.kind == "walk")]
    longest_s = max(map(walk_cap_s, planned_s))
    for step in made:
        if step.phase is Phase.WALK and step.phase_remaining_s is not None:
            held = any(c.reason in (Reason.RECOVERED, Reason.SAFETY, Reason.NO_SIGNAL) for c in step.cues)
            if step.phase_elapsed_s <= longest_s and not held:
                assert step.phase_elapsed_s + step.phase_remaining_s <= longest_s + 5


@given(plans, stretches())
@settings(max_examples=150, deadline=None)
def test_no_walk_after_a_full_run_is_shorter_than_planned(plan: Plan, events: tuple[Event, ...]) -> None:
    shortest_s = min((s.for_s or 0 for b in plan.block for s in b.segments if s.kind == "walk"), default=0)
    cut = False
    made = steps(plan, events)
    for first, length_s, willed in finished(made):
        if first.phase is Phase.WALK and not willed and not cut and plan.distance_m is None:
            assert length_s >= shortest_s - 1
        cut = first.phase in RUNNING and (
            willed or length_s < first.phase_elapsed_s + (first.phase_remaining_s or 0) - 1
        )


@given(plans, stretches(), st.sampled_from(PolicyName))
@settings(max_examples=200, deadline=None)
def test_only_a_trusted_heart_rate_changes_anything(plan: Plan, events: tuple[Event, ...], policy: PolicyName) -> None:
    changing = (CueKind.EXTEND_WALK, CueKind.EASE_WALK, CueKind.EASE_RUN, CueKind.WALK)
    for step in steps(plan, events, policy):
        for cue in step.cues:
            if cue.kind in changing and cue.reason in FROM_HEART_RATE:
                assert step.estimate.trust is Trust.GOOD


@given(plans, stretches(), st.sampled_from(PolicyName))
@settings(max_examples=100, deadline=None)
def test_every_cue_has_one_of_the_reasons_its_kind_may_have(
    plan: Plan, events: tuple[Event, ...], policy: PolicyName
) -> None:
    for step in steps(plan, events, policy):
        for cue in step.cues:
            assert cue.reason in REASONS[cue.kind]


@given(plans, st.one_of(stretches(), disorder()), st.sampled_from(PolicyName))
@settings(max_examples=200, deadline=None)
def test_step_never_raises_and_time_never_runs_back(plan: Plan, events: tuple[Event, ...], policy: PolicyName) -> None:
    times = [step.at_s for step in steps(plan, events, policy)]
    assert times == sorted(times)


@given(plans, st.one_of(stretches(), disorder()))
@settings(max_examples=100, deadline=None)
def test_cues_are_numbered_one_after_the_other(plan: Plan, events: tuple[Event, ...]) -> None:
    numbers = [cue.seq for step in steps(plan, events) for cue in step.cues]
    assert numbers == list(range(1, len(numbers) + 1))


@given(plans, st.one_of(stretches(), disorder()), st.sampled_from(PolicyName))
@settings(max_examples=100, deadline=None)
def test_the_same_events_give_the_same_bytes(plan: Plan, events: tuple[Event, ...], policy: PolicyName) -> None:
    first, second = (b"".join(map(trace.encode, steps(plan, events, policy))) for _ in range(2))
    assert first == second


@given(plans, stretches())
@settings(max_examples=60, deadline=None)
def test_a_step_survives_its_line_in_a_trace(plan: Plan, events: tuple[Event, ...]) -> None:
    for step in steps(plan, events):
        assert trace.decode(trace.encode(step)) == step
