"""The simulated runner hears, obeys, tires and answers like a person, and each of its faults can be seen in the stream.

The coach of these tests is a list of what it says and when; the real one has tests of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import groupby, pairwise
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrbridge.config import Sensor, load
from hrbridge.decisions import REASONS, Cue, CueKind, Estimate, Phase, Ratio, Step
from hrbridge.errors import ConfigError
from hrbridge.events import Action, Command, Event, Rpe, Sample, Speed, Tick, order
from hrbridge.runner_model import NAMED, RunnerModel
from hrbridge.sensors.simulated import Fault, FaultName, Simulated, described, parse_fault
from hrbridge.timeline import merge

PHASES = {
    CueKind.WARMUP: Phase.WARMUP,
    CueKind.RUN: Phase.RUN,
    CueKind.SURGE: Phase.SURGE,
    CueKind.WALK: Phase.WALK,
    CueKind.COOLDOWN: Phase.COOLDOWN,
    CueKind.PAUSE: Phase.PAUSED,
    CueKind.FINISH: Phase.FINISHED,
}
W, R = CueKind.WALK, CueKind.RUN
SESSION = [(0, CueKind.WARMUP), (120, R), (300, W), (390, R), (430, CueKind.FINISH)]
LONGER = [*SESSION[:4], (570, W), (660, R), (840, CueKind.FINISH)]


def coached(
    runner: Simulated, said: Iterable[tuple[float, CueKind]] = SESSION, shown: Iterable[tuple[float, Phase]] = ()
) -> list[Event]:
    """All events of a run in which each cue of ``said`` falls at the tick of its second.

    The phase follows the cues, and changes without a word where ``shown`` says so.
    """
    cues, phases = dict(said), dict(shown)
    phase = Phase.WAITING
    events = []
    for event in merge(runner.events()):
        events.append(event)
        now: tuple[Cue, ...] = ()
        if (isinstance(event, Tick) or event == Command(0.0, Action.START)) and event.at_s in cues:
            kind = cues[event.at_s]
            phase = PHASES.get(kind, phase)
            now = (Cue(1, kind, min(REASONS[kind]), "", 5.0),)
        if isinstance(event, Tick):
            phase = phases.get(event.at_s, phase)
        runner.take(Step(event, phase, 0.0, None, 0, 0, Estimate(), Ratio(0, 0, 0, 0), now))
    return events


def samples(events: Iterable[Event]) -> list[Sample]:
    return [event for event in events if isinstance(event, Sample)]


def between(events: Iterable[Event], from_s: float, until_s: float) -> list[Event]:
    return [event for event in events if from_s <= event.at_s < until_s]


def bpm(events: Iterable[Event], from_s: float = 0, until_s: float = 1e9) -> list[int]:
    return [s.heart_rate_bpm for s in samples(between(events, from_s, until_s)) if s.heart_rate_bpm is not None]


def speeds(events: Iterable[Event], from_s: float = 0, until_s: float = 1e9) -> list[Speed]:
    return [event for event in between(events, from_s, until_s) if isinstance(event, Speed)]


def mean_speed_m_s(events: Iterable[Event], from_s: float, until_s: float) -> float:
    return mean(speed.speed_m_s for speed in speeds(events, from_s, until_s))


def runs(events: Iterable[Event], from_s: float, until_s: float) -> bool:
    """By the steps: nobody walks at 140 or runs below it."""
    cadences = [speed.cadence_spm for speed in speeds(events, from_s, until_s)]
    seen = {cadence > 140 for cadence in cadences}
    assert len(seen) == 1, f"neither one nor the other from {from_s} to {until_s} s"
    return seen.pop()


def simulated(name: str = "typical", seed: int = 1, faults: Iterable[str] = (), **options: object) -> Simulated:
    return Simulated(name, seed, tuple(faults), **options)


@cache
def clean() -> list[Event]:
    """The usual session of a typical runner with nothing wrong."""
    return coached(simulated("typical"))


# The stream


def test_every_second_brings_a_heartbeat_and_a_pace():
    counted = Counter((type(event), event.at_s) for event in clean() if isinstance(event, Sample | Speed))
    assert set(counted.values()) == {1}
    assert {at_s for _, at_s in counted} == set(range(436))


def test_the_runner_starts_the_run():
    events = clean()
    assert [event for event in events if isinstance(event, Command)] == [Command(0.0, Action.START)]


def test_events_come_in_order():
    events = coached(simulated(), [*SESSION, (200, CueKind.RPE_PROMPT)])
    assert events == sorted(events, key=order)


def test_the_run_ends_a_few_seconds_after_the_finish():
    assert clean()[-1].at_s == pytest.approx(435, abs=1)


def test_without_a_finish_the_run_ends_at_its_limit():
    assert coached(simulated(max_s=50.0), [])[-1].at_s == 50


@pytest.mark.parametrize("name", ["novice", "typical", "fit", "unfit"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_clean_strap_gives_no_reason_for_doubt(name, seed):
    events = coached(simulated(name, seed), LONGER)
    heard = samples(events)
    assert max(abs(b - a) for a, b in pairwise(bpm(events))) <= 8
    assert all(sample.contact for sample in heard)
    assert max(len(list(flat)) for _, flat in groupby(bpm(events))) < 41
    for start in range(10, 840, 10):
        rr_s = [rr for sample in heard[start : start + 10] for rr in sample.rr_s]
        assert 60 / mean(rr_s) == pytest.approx(mean(bpm(events, start, start + 10)), rel=0.05)


def test_the_beats_fill_the_time():
    events = clean()
    assert sum(rr for sample in samples(events) for rr in sample.rr_s) == pytest.approx(435, abs=1.5)


def test_the_battery_is_told_now_and_then():
    told = [sample for sample in samples(clean()) if sample.battery_percent]
    assert [sample.at_s for sample in told] == [0, 300]


def test_the_way_adds_up():
    events = clean()
    assert speeds(events)[-1].distance_m == pytest.approx(sum(s.speed_m_s for s in speeds(events)), rel=0.01)


def test_the_heart_follows_runs_and_walks():
    events = clean()
    assert mean(bpm(events, 290, 300)) > mean(bpm(events, 110, 120)) + 30
    assert mean(bpm(events, 380, 390)) < mean(bpm(events, 290, 300)) - 20


def test_the_same_seed_is_the_same_run():
    said = [*SESSION, (200, CueKind.RPE_PROMPT)]
    assert coached(simulated(seed=7), said) == coached(simulated(seed=7), said)


def test_another_seed_is_another_run():
    standing = [samples(coached(simulated(seed=seed, max_s=60.0), [])) for seed in (7, 8)]
    assert [s.heart_rate_bpm for s in standing[0]] != [s.heart_rate_bpm for s in standing[1]]


# Obedience


def test_a_cue_is_done_within_a_few_seconds():
    events = clean()
    assert not runs(events, 100, 121)
    assert runs(events, 126, 301)
    assert not runs(events, 306, 391)


def test_reaction_times_are_those_of_a_person():
    late_s = []
    for seed in range(20):
        events = coached(simulated(seed=seed), [(0, CueKind.WARMUP), (30, R), (40, CueKind.FINISH)])
        late_s.append(next(s.at_s for s in speeds(events) if s.cadence_spm > 140) - 30)
    assert min(late_s) >= 2
    assert max(late_s) <= 5
    assert len(set(late_s)) > 1


def test_a_late_runner_obeys_late():
    events = coached(simulated(reaction_s=15.0))
    assert not runs(events, 100, 130)
    assert runs(events, 140, 301)


def test_a_surge_is_faster_than_a_run():
    events = coached(simulated(), [(0, CueKind.WARMUP), (20, R), (60, CueKind.SURGE), (100, CueKind.FINISH)])
    assert mean_speed_m_s(events, 70, 100) == pytest.approx(1.15 * mean_speed_m_s(events, 30, 60), rel=0.02)


def test_an_eased_run_is_slower_until_the_next_run():
    said = [(0, R), (60, CueKind.EASE_RUN), (120, W), (180, R), (240, CueKind.FINISH)]
    events = coached(simulated(), said)
    assert mean_speed_m_s(events, 70, 120) == pytest.approx(0.92 * mean_speed_m_s(events, 10, 60), rel=0.02)
    assert mean_speed_m_s(events, 190, 240) == pytest.approx(mean_speed_m_s(events, 10, 60), rel=0.02)


def test_who_does_not_ease_runs_on_as_before():
    said = [(0, R), (60, CueKind.EASE_RUN), (120, W), (180, CueKind.EASE_WALK), (240, CueKind.FINISH)]
    events = coached(simulated(obeys_ease_run=False), said)
    assert mean_speed_m_s(events, 70, 120) == pytest.approx(mean_speed_m_s(events, 10, 60), rel=0.02)
    assert mean_speed_m_s(events, 190, 240) < 0.9 * mean_speed_m_s(events, 130, 180)


def test_an_eased_walk_is_slower():
    events = coached(simulated(), [(0, W), (60, CueKind.EASE_WALK), (120, CueKind.FINISH)])
    assert mean_speed_m_s(events, 70, 120) < 0.9 * mean_speed_m_s(events, 10, 60)


def test_the_last_cue_wins_however_slow_the_first():
    for seed in range(20):
        events = coached(simulated(seed=seed), [(0, CueKind.WARMUP), (20, R), (21, W), (40, CueKind.FINISH)])
        assert not runs(events, 30, 40)


def test_advice_for_a_run_that_is_over_changes_nothing():
    events = coached(simulated(), [(0, R), (60, W), (61, CueKind.EASE_RUN), (120, CueKind.FINISH)])
    assert mean_speed_m_s(events, 70, 120) == pytest.approx(1.5, rel=0.02)


def test_in_a_pause_the_runner_stands_and_then_goes_on():
    events = coached(simulated(), [(0, R), (60, CueKind.PAUSE), (120, CueKind.FINISH)], shown=[(90, Phase.RUN)])
    assert mean_speed_m_s(events, 70, 90) == 0
    assert {speed.cadence_spm for speed in speeds(events, 70, 90)} == {0}
    assert runs(events, 96, 120)


def test_the_cool_down_is_an_easy_walk():
    events = coached(simulated(), [(0, W), (60, CueKind.COOLDOWN), (120, CueKind.FINISH)])
    assert mean_speed_m_s(events, 70, 120) < mean_speed_m_s(events, 10, 60)


def test_who_misses_the_words_sees_the_phase():
    shown = [(10, Phase.RUN), (70, Phase.WALK), (130, Phase.PAUSED), (150, Phase.FINISHED)]
    events = coached(simulated(), [], shown)
    assert runs(events, 16, 71)
    assert not runs(events, 76, 131)
    assert mean_speed_m_s(events, 140, 150) == 0
    assert events[-1].at_s < 160


def test_before_the_start_the_runner_stands():
    assert mean_speed_m_s(coached(simulated(), [(30, CueKind.WARMUP), (40, CueKind.FINISH)]), 0, 31) == 0


def test_who_never_obeys_never_runs():
    assert not runs(coached(simulated(obedience=0.0)), 5, 430)


def test_who_half_obeys_can_be_told_again():
    said = [(0, CueKind.WARMUP), (20, R), *((60 + 20 * again, W) for again in range(12)), (320, CueKind.FINISH)]
    walked = []
    for seed in range(10):
        events = coached(simulated(seed=seed, obedience=0.5), said)
        walked.append([s.cadence_spm < 140 for s in speeds(events, 70, 80)][-1])
        assert not runs(events, 310, 320)
    assert len(set(walked)) == 2


def test_with_a_rhythm_of_their_own_runners_mind_no_run_or_walk():
    events = coached(simulated(own_rhythm_s=(100, 50)), [(5, R), (120, R), (200, W), (300, CueKind.FINISH)])
    assert runs(events, 10, 100)
    assert not runs(events, 101, 150)
    assert runs(events, 151, 250)


def test_with_a_rhythm_of_their_own_runners_mind_start_pause_and_finish():
    said = [(5, R), (40, CueKind.PAUSE), (80, CueKind.FINISH)]
    events = coached(simulated(own_rhythm_s=(100, 50)), said)
    assert mean_speed_m_s(events, 0, 5) == 0
    assert mean_speed_m_s(events, 50, 80) == 0
    assert events[-1].at_s < 90


def test_with_a_rhythm_of_their_own_runners_take_advice_on_pace():
    said = [(0, R), (50, CueKind.EASE_RUN), (280, CueKind.FINISH)]
    events = coached(simulated(own_rhythm_s=(100, 50)), said)
    assert mean_speed_m_s(events, 60, 100) == pytest.approx(0.92 * mean_speed_m_s(events, 10, 50), rel=0.02)
    assert mean_speed_m_s(events, 160, 250) == pytest.approx(mean_speed_m_s(events, 10, 50), rel=0.02)


def test_speeds_can_be_chosen():
    events = coached(simulated(run_speed_m_s=3.1, walk_speed_m_s=1.9))
    assert mean_speed_m_s(events, 130, 300) == pytest.approx(3.1, rel=0.01)
    assert mean_speed_m_s(events, 310, 390) == pytest.approx(1.9, rel=0.01)


def test_a_brisk_walk_holds_the_heart_rate_up():
    fallen_bpm = {}
    for walk_speed_m_s in (1.5, 1.8):
        events = coached(simulated(walk_speed_m_s=walk_speed_m_s))
        fallen_bpm[walk_speed_m_s] = mean(bpm(events, 290, 300)) - mean(bpm(events, 380, 390))
    assert fallen_bpm[1.8] < fallen_bpm[1.5] - 3


def test_a_model_of_one_runner_can_wear_the_strap():
    runner = Simulated(RunnerModel.population(1, seed=3), seed=1)
    assert runner.max_heart_rate_bpm == RunnerModel.population(1, seed=3).traits.max_heart_rate_bpm
    assert runs(coached(runner), 130, 300)


def test_a_model_of_two_runners_cannot():
    with pytest.raises(ValueError, match="1 runner, not 2"):
        Simulated(RunnerModel.population(2, seed=3))


# Exertion


def test_a_prompt_is_answered_after_some_seconds():
    events = coached(simulated(), [*SESSION, (200, CueKind.RPE_PROMPT)])
    (answer,) = [event for event in events if isinstance(event, Rpe)]
    assert 205 <= answer.at_s <= 210
    assert answer.rpe * 2 == round(answer.rpe * 2)


def test_every_prompt_has_one_answer():
    events = coached(
        simulated(), [*SESSION, (200, CueKind.RPE_PROMPT), (202, CueKind.RPE_PROMPT), (300, CueKind.RPE_PROMPT)]
    )
    assert len([event for event in events if isinstance(event, Rpe)]) == 2


def test_a_hard_pace_is_reported_hard():
    reports = {}
    for speed_m_s in (1.8, 3.2):
        runner = simulated(run_speed_m_s=speed_m_s)
        events = coached(runner, [(0, R), (400, CueKind.RPE_PROMPT), (420, CueKind.FINISH)])
        reports[speed_m_s] = next(event.rpe for event in events if isinstance(event, Rpe))
    assert reports[3.2] > reports[1.8] + 2


def answers(events: Iterable[Event]) -> list[float]:
    return [event.rpe for event in events if isinstance(event, Rpe)]


def test_an_easy_run_with_a_fine_heart_rate_can_be_reported_hard():
    said = [*SESSION, (200, CueKind.RPE_PROMPT)]
    honest, complaining = (coached(Simulated.of(Sensor(rpe_offset=offset)), said) for offset in (0.0, 2.5))
    assert answers(complaining) == [answer + 2.5 for answer in answers(honest)]
    assert bpm(complaining) == bpm(honest)


def test_nobody_answers_unasked():
    assert not [event for event in clean() if isinstance(event, Rpe)]


# Hills and heat of a whole run


def rounds(**options: object) -> list[Event]:
    """A quarter of an hour of 10 s of running and 10 s of walking, told once to start."""
    return coached(simulated(own_rhythm_s=(10, 10), max_s=900.0, **options), [(0, R)])


def uphill_percent(events: Iterable[Event]) -> list[float | None]:
    """The slope of each of the walks of ``rounds``; None: flat."""
    walks = [speeds(events, from_s + 2, from_s + 10) for from_s in range(10, 890, 20)]
    slopes = [{speed.incline_percent for speed in walk} for walk in walks]
    assert {len(slope) for slope in slopes} == {1}, "a walk with two slopes"
    return [slope.pop() for slope in slopes]


def test_on_a_hilly_route_every_seventh_walk_goes_uphill():
    shares = [mean(slope is not None for slope in uphill_percent(rounds(hilly_walks=0.15, seed=s))) for s in range(6)]
    assert mean(shares) == pytest.approx(0.15, abs=0.045)


def test_walks_uphill_rise_by_4_to_10_percent():
    slopes = [slope for slope in uphill_percent(rounds(hilly_walks=1.0)) if slope is not None]
    assert len(slopes) == 44
    assert 4 <= min(slopes) < 5
    assert 9 < max(slopes) <= 10


def test_a_walk_that_is_uphill_stays_so_on_a_hillier_route():
    some, more = (uphill_percent(rounds(hilly_walks=share)) for share in (0.3, 0.6))
    steep = [(slope, again) for slope, again in zip(some, more, strict=True) if slope is not None]
    assert len(steep) > 5
    assert all(slope == again for slope, again in steep)


def test_runs_and_the_warm_up_are_flat():
    events = coached(simulated(hilly_walks=1.0))
    assert {speed.incline_percent for speed in speeds(events, 0, 301)} == {None}
    assert {speed.incline_percent for speed in speeds(events, 306, 390)} != {None}
    assert {speed.incline_percent for speed in speeds(events, 396, 430)} == {None}


def test_a_walk_uphill_stays_uphill_over_a_pause():
    said = [(0, R), (60, W), (80, CueKind.PAUSE), (120, CueKind.FINISH)]
    events = coached(simulated(hilly_walks=1.0), said, shown=[(100, Phase.WALK)])
    slopes = {speed.incline_percent for speed in speeds(events, 66, 120)}
    assert len(slopes) == 1
    assert None not in slopes


def test_a_walk_uphill_is_felt():
    flat, steep = (coached(simulated(hilly_walks=share)) for share in (0.0, 1.0))
    assert mean(bpm(steep, 380, 390)) > mean(bpm(flat, 380, 390)) + 5


def test_hills_change_neither_pace_nor_obedience():
    def gaits(events: list[Event]) -> list[tuple[float | None, float | None]]:
        return [(speed.speed_m_s, speed.cadence_spm) for speed in speeds(events)]

    assert gaits(coached(simulated(hilly_walks=1.0))) == gaits(clean())


def test_a_hot_day_is_felt():
    assert mean(bpm(coached(simulated(temperature_c=30.0)), 290, 300)) > mean(bpm(clean(), 290, 300)) + 3


def test_a_fault_of_heat_does_not_cool_a_hotter_day():
    assert coached(simulated(temperature_c=40.0, faults=["heat@0"])) == coached(simulated(temperature_c=40.0))


# Faults, each from 200 s (in a run) to 350 s (in a walk)


@cache
def faulty(name: str) -> list[Event]:
    return coached(simulated(faults=[f"{name}@200+150"]))


@pytest.mark.parametrize(
    "name", [name for name in FaultName if name not in ("no_recovery", "ignore_walk", "ignore_run")]
)
def test_before_a_fault_the_run_is_as_without_it(name):
    assert between(faulty(name), 0, 200) == between(clean(), 0, 200)


@pytest.mark.parametrize("name", ["spike", "dry_start", "stuck_high", "wrong_strap"])
def test_the_same_seed_is_the_same_fault(name):
    assert faulty(name) == coached(simulated(faults=[f"{name}@200+150"]))


# What is wrong with the strap alone.
STRAP_FAULTS = (
    "dropout",
    "zero",
    "frozen",
    "spike",
    "cadence_lock",
    "dry_start",
    "stuck_high",
    "contact_off",
    "wrong_strap",
)


@pytest.mark.parametrize("name", STRAP_FAULTS)
def test_what_a_strap_says_changes_nothing_in_the_body(name):
    events = faulty(name)
    assert speeds(events) == speeds(clean())
    assert bpm(events, 350) == bpm(clean(), 350)


@settings(max_examples=15)
@given(
    seed=st.integers(0, 10_000),
    name=st.sampled_from(STRAP_FAULTS),
    from_s=st.integers(0, 70),
    for_s=st.integers(1, 40),
)
def test_whenever_a_strap_fails_the_body_does_not(seed, name, from_s, for_s):
    said = [(0, CueKind.WARMUP), (10, R), (40, W), (50, CueKind.RPE_PROMPT), (75, CueKind.FINISH)]
    whole, failing = (
        coached(simulated(seed=seed, faults=faults), said) for faults in ((), [f"{name}@{from_s}+{for_s}"])
    )
    assert [event for event in failing if not isinstance(event, Sample)] == [
        event for event in whole if not isinstance(event, Sample)
    ]
    assert bpm(failing, 0, from_s) == bpm(whole, 0, from_s)
    assert bpm(failing, from_s + for_s) == bpm(whole, from_s + for_s)


@settings(max_examples=15)
@given(
    described_by=st.builds(
        Sensor,
        runner=st.sampled_from(sorted(NAMED)),
        seed=st.integers(0, 10_000),
        faults=st.lists(
            st.sampled_from([f"{name}@{at_s}+15" for name in FaultName for at_s in (0, 20, 45)]), max_size=3
        ),
        vo2max_ml_kg_min=st.none() | st.floats(15, 90),
        run_speed_m_s=st.none() | st.floats(1, 7),
        obedience=st.sampled_from([0.5, 1.0]),
        reaction_s=st.floats(1, 12),
        hilly_walks=st.sampled_from([0.0, 0.5, 1.0]),
        temperature_c=st.floats(-20, 45),
    )
)
def test_whoever_runs_the_same_seed_is_the_same_run(described_by):
    said = [(0, CueKind.WARMUP), (10, R), (30, CueKind.EASE_RUN), (40, W), (60, CueKind.RPE_PROMPT)]
    assert coached(Simulated.of(described_by, max_s=75.0), said) == coached(
        Simulated.of(described_by, max_s=75.0), said
    )


def test_dropout_sends_nothing():
    events = faulty("dropout")
    assert samples(between(events, 200, 350)) == []
    assert len(speeds(events, 200, 350)) == 150


def test_the_beats_of_a_dropout_are_not_sent_later():
    (first,) = samples(between(faulty("dropout"), 350, 351))
    assert len(first.rr_s) <= 3


def test_zero_is_a_strap_without_a_reading():
    sent = samples(between(faulty("zero"), 200, 350))
    assert {(sample.heart_rate_bpm, sample.rr_s, sample.contact) for sample in sent} == {(None, (), True)}


def test_frozen_repeats_the_last_value_without_beats():
    events = faulty("frozen")
    sent = samples(between(events, 200, 350))
    assert {(sample.heart_rate_bpm, sample.rr_s) for sample in sent} == {(bpm(events, 199, 200)[0], ())}


def test_a_strap_frozen_from_the_start_shows_one_value():
    events = coached(simulated(faults=["frozen@0"], max_s=60.0), [(0, R)])
    assert set(bpm(events)) == set(bpm(clean(), 0, 1))


def test_spikes_are_short_and_20_to_60_too_high():
    events = faulty("spike")
    above_bpm = [wrong - right for wrong, right in zip(bpm(events, 200, 350), bpm(clean(), 200, 350), strict=True)]
    spikes = [(size, len(list(several))) for size, several in groupby(above_bpm) if size]
    assert above_bpm[0] != 0
    assert len(spikes) >= 8
    assert all(20 <= size <= 60 for size, _ in spikes)
    assert {length for _, length in spikes} == {1, 2, 3}


def test_cadence_lock_counts_steps():
    events = faulty("cadence_lock")
    steps = [speed.cadence_spm for speed in speeds(events, 200, 350)]
    assert bpm(events, 200, 350) == steps
    assert {sample.contact for sample in samples(events)} == {True}


@pytest.mark.parametrize("name", ["cadence_lock", "stuck_high", "wrong_strap"])
def test_a_wrong_heart_rate_has_wrong_beats(name):
    sent = samples(between(faulty(name), 210, 300))
    assert 60 / mean(rr for sample in sent for rr in sample.rr_s) == pytest.approx(
        mean(sample.heart_rate_bpm for sample in sent), rel=0.02
    )


@cache
def dry() -> list[Event]:
    return coached(simulated(faults=["dry_start@0"]))


def test_dry_electrodes_read_near_the_maximum_and_lose_contact():
    sent = samples(between(dry(), 0, 180))
    assert min(sample.heart_rate_bpm for sample in sent) >= 160
    assert max(sample.heart_rate_bpm for sample in sent) <= 180
    changes = [a.contact != b.contact for a, b in pairwise(sent)]
    assert sum(changes) > 20


def test_dry_electrodes_get_wet_after_three_minutes():
    events = dry()
    assert bpm(events, 180) == bpm(clean(), 180)
    assert {sample.contact for sample in samples(between(events, 180, 430))} == {True}


def test_stuck_high_is_steady_far_above_the_maximum():
    stuck_bpm = bpm(faulty("stuck_high"), 200, 350)
    assert set(stuck_bpm) == {214, 215, 216}


def test_without_recovery_the_heart_does_not_fall_in_walks():
    events = coached(simulated(faults=["no_recovery@200"]))
    assert not runs(events, 306, 390)
    assert mean(bpm(events, 380, 390)) > mean(bpm(events, 290, 300)) - 5


def test_contact_off_is_told_by_the_strap_alone():
    events = faulty("contact_off")
    assert {sample.contact for sample in samples(between(events, 200, 350))} == {False}
    assert bpm(events) == bpm(clean())


def test_the_wrong_strap_knows_nothing_of_our_walks():
    other_bpm = bpm(faulty("wrong_strap"), 200, 350)
    assert max(other_bpm) - min(other_bpm) < 15
    assert other_bpm[0] - bpm(clean(), 199, 200)[0] not in range(-3, 4)


def test_who_ignores_walk_runs_on():
    events = coached(simulated(faults=["ignore_walk@250+100"]), LONGER)
    assert runs(events, 126, 571)
    assert not runs(events, 576, 661)


def test_a_walk_told_again_after_the_fault_is_heard():
    events = coached(simulated(faults=["ignore_walk@250+60"]), [*SESSION, (320, W)])
    assert runs(events, 126, 321)
    assert not runs(events, 326, 390)


def test_who_ignores_run_walks_on():
    events = coached(simulated(faults=["ignore_run@380+20"]), LONGER)
    assert not runs(events, 306, 661)
    assert runs(events, 666, 840)


def test_who_ignores_run_at_the_start_walks():
    events = coached(simulated(faults=["ignore_run@0"]), [(0, R), (100, CueKind.FINISH)])
    assert mean_speed_m_s(events, 10, 100) == pytest.approx(1.5, rel=0.02)
    assert not runs(events, 6, 100)


def test_a_hill_is_told_and_felt():
    events = faulty("hill")
    assert {speed.incline_percent for speed in speeds(events, 200, 350)} == {6.0}
    assert {speed.incline_percent for speed in speeds(events, 350)} == {None}
    assert mean(bpm(events, 290, 300)) > mean(bpm(clean(), 290, 300)) + 6


def test_heat_is_felt():
    events = coached(simulated(faults=["heat@0"]))
    assert mean(bpm(events, 290, 300)) > mean(bpm(clean(), 290, 300)) + 4


def test_while_the_machine_sleeps_nothing_is_told():
    events = faulty("clock_jump")
    assert [event for event in between(events, 200, 350) if not isinstance(event, Tick)] == []
    assert [event.at_s for event in events if isinstance(event, Tick)] == list(range(1, 436))


def test_the_runner_runs_on_while_the_machine_sleeps():
    jumped_m = speeds(faulty("clock_jump"), 350)[0].distance_m - speeds(clean(), 199, 200)[0].distance_m
    assert jumped_m == pytest.approx(151 * 2.2, rel=0.02)


def test_a_cue_of_the_sleep_is_heard_after_it():
    events = faulty("clock_jump")
    assert runs(events, 350, 351)
    assert not runs(events, 353, 391)


def test_an_answer_that_falls_into_the_sleep_comes_after_it():
    runner = simulated(faults=["clock_jump@202+20"])
    events = coached(runner, [*SESSION, (200, CueKind.RPE_PROMPT)])
    assert [event.at_s for event in events if isinstance(event, Rpe)] == [222.0]


def test_who_sleeps_at_the_start_starts_later():
    events = coached(simulated(faults=["clock_jump@0+10"]), [(20, R), (30, CueKind.FINISH)])
    assert [event for event in events if isinstance(event, Command)] == [Command(10.0, Action.START)]


def test_two_faults_can_hold_at_once():
    events = coached(simulated(faults=["hill@200+100", "contact_off@250+100"]))
    both = between(events, 250, 300)
    assert {sample.contact for sample in samples(both)} == {False}
    assert {speed.incline_percent for speed in speeds(both)} == {6.0}


# What is written in the configuration


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ("dropout@300+20", Fault(FaultName.DROPOUT, 300.0, 320.0)),
        ("ignore_walk@600", Fault(FaultName.IGNORE_WALK, 600.0, float("inf"))),
        ("spike@0.5+1.5", Fault(FaultName.SPIKE, 0.5, 2.0)),
        ("dry_start@0", Fault(FaultName.DRY_START, 0.0, 180.0)),
        ("clock_jump@100", Fault(FaultName.CLOCK_JUMP, 100.0, 160.0)),
        (" hill@10+5 ", Fault(FaultName.HILL, 10.0, 15.0)),
    ],
)
def test_a_fault_is_a_name_a_time_and_a_length(spec, fault):
    assert parse_fault(spec) == fault


@pytest.mark.parametrize(
    "spec", ["dropuot@300", "dropout", "dropout@", "@300", "dropout@-5", "dropout@5+", "dropout@5m", "dropout@nan", ""]
)
def test_a_misspelt_fault_is_answered_with_those_there_are(spec):
    with pytest.raises(ConfigError) as refused:
        Simulated("typical", 1, [spec])
    assert f'[sensor] faults: "{spec}"' in str(refused.value)
    assert "dropout, zero, frozen, spike" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_fault_must_last():
    with pytest.raises(ConfigError, match="lasts 0 s"):
        parse_fault("dropout@300+0")


def test_a_misspelt_runner_is_answered_with_those_there_are():
    with pytest.raises(ConfigError, match='"novize" is not allowed; allowed: "novice"'):
        Simulated("novize", 1)


EVERYTHING_SAID = [
    (0, CueKind.WARMUP),
    (10, R),
    (40, CueKind.EASE_RUN),
    (60, CueKind.RPE_PROMPT),
    (70, W),
    (90, CueKind.EASE_WALK),
    (110, CueKind.SURGE),
    (130, CueKind.COOLDOWN),
    (150, CueKind.FINISH),
]


def test_who_is_not_described_is_the_named_runner():
    assert described(Sensor(runner="novice")) == NAMED["novice"]
    assert coached(Simulated.of(Sensor(runner="fit", seed=3)), EVERYTHING_SAID) == coached(
        simulated("fit", 3), EVERYTHING_SAID
    )


def test_a_body_can_be_described():
    own = Sensor(max_heart_rate_bpm=173, resting_heart_rate_bpm=75, vo2max_ml_kg_min=28)
    traits = Simulated.of(own).model.traits
    assert traits.max_heart_rate_bpm == 173
    assert traits.resting_heart_rate_bpm == 75
    assert traits.vo2max_ml_kg_min == 28
    assert traits.age_years == NAMED["typical"].age_years


def test_a_novice_can_be_described_by_hand():
    own = Sensor(
        max_heart_rate_bpm=173, resting_heart_rate_bpm=75, vo2max_ml_kg_min=28, run_speed_m_s=1.7, walk_speed_m_s=1.3
    )
    assert coached(Simulated.of(own)) == coached(simulated("novice"))


# Each with a value unlike that of the typical runner.
SIMULATED_KEYS = {
    "seed": 2,
    "runner": "fit",
    "faults": ("hill@0",),
    "max_heart_rate_bpm": 190,
    "resting_heart_rate_bpm": 52,
    "vo2max_ml_kg_min": 38,
    "run_speed_m_s": 2.5,
    "walk_speed_m_s": 1.8,
    "rpe_offset": 2.0,
    "obedience": 0.3,
    "obeys_ease_run": False,
    "reaction_s": 12.0,
    "hilly_walks": 1.0,
    "temperature_c": 30.0,
}
OF_OTHER_SENSORS = {"kind", "address", "name", "fallback_address", "fallback_name", "speed_address", "speed_name"}
OF_OTHER_SENSORS |= {"bond", "recovery_command", "file"}


@cache
def typical_told_everything() -> list[Event]:
    return coached(simulated("typical"), EVERYTHING_SAID)


def test_every_key_of_a_sensor_is_one_of_the_simulated_runner_or_of_another():
    assert set(Sensor.__struct_fields__) - OF_OTHER_SENSORS == set(SIMULATED_KEYS)


@pytest.mark.parametrize(("key", "value"), SIMULATED_KEYS.items())
def test_every_key_makes_another_run(key, value):
    assert coached(Simulated.of(Sensor(**{key: value})), EVERYTHING_SAID) != typical_told_everything()


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ("max_heart_rate_bpm=300", "300 is not allowed; allowed: a number from 100 to 240"),
        ("resting_heart_rate_bpm=10", "10 is not allowed; allowed: a number from 25 to 120"),
        ("vo2max_ml_kg_min=5", "5 is not allowed; allowed: a number from 15 to 90"),
        ("run_speed_m_s=9", "9 is not allowed; allowed: a number from 1 to 7"),
        ("walk_speed_m_s=0", "0 is not allowed; allowed: a number from 0.5 to 2.5"),
        ("rpe_offset=7", "7 is not allowed; allowed: a number from -5 to 5"),
        ("obedience=80", "80 is not allowed; allowed: a number from 0 to 1"),
        ("obeys_ease_run=8", "8 is not allowed; allowed: true or false"),
        ("reaction_s=0", "0 is not allowed; allowed: a number from 1 to 60"),
        ("hilly_walks=15", "15 is not allowed; allowed: a number from 0 to 1"),
        ("temperature_c=90", "90 is not allowed; allowed: a number from -20 to 45"),
    ],
)
def test_what_no_runner_is_like_is_answered_with_what_is_allowed(given, answer):
    with pytest.raises(ConfigError) as refused:
        load(None, [f"sensor.{given}"])
    assert str(refused.value) == f"defaults: [sensor] {given.partition('=')[0]}: {answer}"


def test_a_heart_needs_room_to_beat():
    with pytest.raises(ConfigError) as refused:
        Simulated.of(Sensor(runner="novice", max_heart_rate_bpm=104))
    assert str(refused.value) == (
        "[sensor] max_heart_rate_bpm: 104 is not allowed; allowed: at least 30 above resting_heart_rate_bpm, 75"
    )


def test_an_unknown_runner_is_refused_by_name():
    with pytest.raises(ConfigError, match='"nobody" is not allowed'):
        described(Sensor(runner="nobody"))
