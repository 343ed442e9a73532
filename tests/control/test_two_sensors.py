"""A strap, and a second sensor for when it is silent: what the runner hears of it, and that no beat of one is held
against the other."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hrbridge.config import Block, Control, Plan, Segment
from hrbridge.control.controller import Controller
from hrbridge.control.recovery import share
from hrbridge.decisions import CueKind, Phase, Reason, Trust
from hrbridge.events import Action, SignalBack, SignalLost, Tick

from .conftest import Heart, PaperRun, recovering, run_walk

STRAP, WATCH, OTHER_WATCH = "C0:FF:EE:00:00:01", "C0:FF:EE:00:00:02", "C0:FF:EE:00:00:03"
NEWS = (CueKind.SIGNAL_LOST, CueKind.SIGNAL_BACK, CueKind.WARNING)
SECOND, BACK = "Strap silent. Using the second sensor.", "Back on the strap."
# No ready line within reach: what counts is the drop.
BY_DROP = Control(tips=False, rpe_prompts=False, ready_hrr=0.4)


class TwoSensors(PaperRun):
    """A runner with a strap and a watch; ``beats`` is the heart, ``heart`` what the sensor in use makes of it."""

    def __init__(self, plan: Plan, beats: Heart, settings: Control = BY_DROP) -> None:
        super().__init__(plan, beats, settings=settings)
        self.beats = beats
        self.source = STRAP

    def silent(self, seconds: int) -> TwoSensors:
        """Nothing comes, and after five seconds the sensors say so."""
        self.heart = lambda *_: None
        self.go(seconds)
        self.tell(SignalLost(float(self.now_s), "silent"))
        return self

    def on(self, source: str, by_bpm: float = 0) -> TwoSensors:
        """From now on this sensor is heard, which reads so many beats more."""
        self.tell(SignalBack(float(self.now_s)))
        self.source = source
        self.heart = lambda phase, s: (self.beats(phase, s) or 0) + by_bpm
        return self

    def to_watch(self, by_bpm: float = 0) -> TwoSensors:
        return self.silent(5).on(WATCH, by_bpm)

    @property
    def news(self) -> list[str]:
        return [cue.say for _, cue in self.cues if cue.kind in NEWS]


def four_one(**keys: object) -> Plan:
    return run_walk(240, 60, total_s=3000, **keys)


def in_run(beats: Heart | None = None, seconds: int = 60) -> TwoSensors:
    """So far into the first run."""
    run = TwoSensors(four_one(), beats or recovering())
    run.until(Phase.RUN).go(seconds)
    return run


def in_walk(beats: Heart, seconds: int = 15, **keys: object) -> TwoSensors:
    """So far into the first walk."""
    run = TwoSensors(four_one(), beats, **keys)
    run.until(Phase.WALK).go(seconds)
    return run


def falling(run_bpm: float, drop_bpm: float) -> Heart:
    """Comes down by so much in half a minute of walking, and stays there."""

    def heart(phase: Phase, elapsed_s: float) -> float:
        return {Phase.RUN: run_bpm, Phase.WALK: run_bpm - drop_bpm * min(1, elapsed_s / 30)}.get(phase, 105)

    return heart


# -- what is said --


def test_that_the_second_sensor_has_taken_over_is_said_once() -> None:
    assert in_run().to_watch().go(600).news == [SECOND]


def test_that_the_strap_is_back_is_said_once() -> None:
    run = in_run().to_watch().go(60)
    assert run.on(STRAP).go(600).news == [SECOND, BACK]


def test_heart_rate_that_goes_on_is_no_signal_lost() -> None:
    run = in_run().to_watch().go(60)
    run.on(STRAP).go(60)
    assert run.reasons(*NEWS) == [(CueKind.WARNING, Reason.NO_SIGNAL), (CueKind.SIGNAL_BACK, Reason.RECOVERED)]


def test_the_change_waits_for_a_quiet_moment() -> None:
    run = TwoSensors(four_one(), recovering())
    run.until(Phase.RUN)
    began_s = run.now_s
    run.to_watch().go(20)
    assert [s - began_s for s, _ in run.said(CueKind.WARNING)] == [8]


def test_one_sensor_from_start_to_finish_is_not_talked_about() -> None:
    assert in_run(seconds=900).news == []


def test_a_third_sensor_is_the_second_one_too() -> None:
    run = in_run().to_watch().go(120).silent(5).on(OTHER_WATCH)
    assert run.go(120).news == [SECOND]


def test_a_packet_without_a_heart_rate_takes_nothing_over() -> None:
    run = in_run().silent(5).on(WATCH)
    run.heart = lambda *_: 0
    run.go(10)
    assert run.on(STRAP).go(30).news == []


def test_a_loose_strap_is_told_of_once_a_minute_in_each_direction() -> None:
    run = in_run()
    for _ in range(40):
        run.to_watch().go(10)
        run.on(STRAP).go(1)
    for kind in (CueKind.WARNING, CueKind.SIGNAL_BACK):
        times_s = [s for s, _ in run.said(kind)]
        assert min(b - a for a, b in pairwise(times_s)) >= 60


def test_a_loose_strap_is_not_passed_over_either() -> None:
    run = in_run()
    for _ in range(40):
        run.to_watch().go(10)
        run.on(STRAP).go(1)
    assert len(run.said(CueKind.WARNING)) >= 5


def test_after_the_minute_is_said_what_is_so_then() -> None:
    run = in_run().to_watch().go(10)
    run.on(STRAP).go(10)
    first_s = run.said(CueKind.WARNING)[0][0]
    run.to_watch().go(100)
    assert [s - first_s for s, _ in run.said(CueKind.WARNING)] == [0, 60]


def test_what_is_over_before_a_quiet_moment_is_not_said() -> None:
    run = in_run(seconds=234).to_watch()
    assert run.go(3).steps[-1].phase is Phase.WALK
    run.on(STRAP)
    assert run.go(60).news == []


def test_when_the_second_one_is_silent_as_well_the_clock_leads() -> None:
    run = in_run().to_watch().go(60)
    assert run.silent(60).news == [SECOND, "No heart rate. Using the clock."]


def test_after_the_clock_is_said_who_is_back() -> None:
    run = in_run().silent(60).on(WATCH).go(60)
    assert run.news == ["No heart rate. Using the clock.", "Heart rate is back. Using the second sensor."]


def test_after_the_clock_the_strap_needs_no_other_word() -> None:
    run = in_run().to_watch().go(60).silent(60).on(STRAP).go(60)
    assert run.news[2:] == ["Heart rate is back."]


def test_a_strap_that_wakes_up_while_the_watch_is_heard_is_not_called_silent() -> None:
    run = TwoSensors(four_one(), recovering())
    run.source = WATCH
    run.until(Phase.RUN).go(60)
    assert run.on(STRAP).go(60).news == [BACK]


def test_in_a_pause_nothing_is_said_of_it_and_afterwards_it_is() -> None:
    run = in_run()
    run.command(Action.PAUSE)
    run.to_watch().go(60)
    before = run.news
    run.command(Action.RESUME)
    assert (before, run.go(30).news) == ([], [SECOND])


def waiting(*sources: tuple[str, float]) -> TwoSensors:
    """Not started yet; each of these sensors is heard for ten seconds after so much silence."""
    run = TwoSensors(four_one(), recovering())
    run.controller = Controller(four_one(), run.runner, BY_DROP)
    run.steps = [run.controller.step(Tick(0.0))]
    for source, silent_s in sources:
        run.heart = lambda *_: None
        run.go(int(silent_s))
        run.on(source).go(10)
    return run


def test_a_strap_that_is_put_on_after_the_watch_is_the_strap() -> None:
    run = waiting((WATCH, 0), (STRAP, 0))
    run.command(Action.START)
    assert run.go(60).news == []


def test_a_strap_that_falls_silent_before_the_start_is_told_of_after_it() -> None:
    run = waiting((STRAP, 0), (WATCH, 5))
    before = run.news
    run.command(Action.START)
    assert (before, run.go(60).news) == ([], [SECOND])


def test_a_warning_about_something_else_is_not_pushed_aside() -> None:
    block = Block(segments=(Segment(kind="run", for_m=400), Segment(kind="walk", for_s=45)))
    run = TwoSensors(run_walk(60, block=(block,), repeats=2, warmup_s=0.0, run_pace_s_per_km=400.0), recovering())
    run.go(10).to_watch().go(20)
    assert sorted(run.news) == ["No distance. Using your pace.", SECOND]


# -- in a walk --


@pytest.mark.parametrize("by_bpm", [-15, 15])
def test_a_drop_across_two_sensors_is_no_drop(by_bpm: int) -> None:
    run = in_walk(falling(145, 20)).to_watch(by_bpm)
    run.go(1)
    first = len(run.steps)
    run.until(Phase.RUN)
    assert {step.estimate.drop_bpm for step in run.steps[first:-1]} == {None}


@pytest.mark.parametrize("by_bpm", [-15, 0, 15])
def test_a_walk_across_two_sensors_is_not_judged(by_bpm: int) -> None:
    run = in_walk(falling(145, 20)).to_watch(by_bpm)
    run.go(1)
    first = len(run.steps)
    run.until(Phase.RUN)
    assert {step.estimate.recovered for step in run.steps[first:-1]} == {None}


@pytest.mark.parametrize("by_bpm", [-15, 0, 15])
@pytest.mark.parametrize("drop_bpm", [2, 20])
def test_a_walk_across_two_sensors_has_the_length_of_the_plan(drop_bpm: float, by_bpm: int) -> None:
    """Below the ceiling on either of them."""
    run = in_walk(falling(134, drop_bpm)).to_watch(by_bpm)
    assert run.until(Phase.RUN).lengths_s(Phase.WALK) == [60]


@pytest.mark.parametrize("by_bpm", [-15, 15])
def test_nothing_follows_from_a_walk_across_two_sensors(by_bpm: int) -> None:
    run = in_walk(falling(134, 2)).to_watch(by_bpm)
    run.until(Phase.RUN)
    said = [kind for s, kind in [(s, cue.kind) for s, cue in run.cues] if s > 380]
    assert set(said) <= {CueKind.WARNING, CueKind.COUNTDOWN, CueKind.RUN}


def test_a_rung_is_not_taken_for_a_walk_across_two_sensors() -> None:
    """It had been made longer already, to its cap, which alone would shorten the next run."""
    run = in_walk(falling(140, 2), seconds=100).to_watch()
    assert run.until(Phase.RUN).ratio == (240, 60)


@pytest.mark.parametrize("by_bpm", [-15, 15])
def test_the_next_walk_is_judged_by_the_second_sensor_alone(by_bpm: int) -> None:
    run = in_walk(falling(134, 20)).to_watch(by_bpm)
    run.until(Phase.WALK).go(55)
    assert run.steps[-1].estimate.drop_bpm == pytest.approx(20, abs=1)


def test_a_change_just_before_a_walk_leaves_it_whole() -> None:
    run = in_run(falling(134, 20), seconds=227).to_watch(-15)
    run.until(Phase.WALK).go(55)
    assert run.steps[-1].estimate.drop_bpm == pytest.approx(20, abs=1)


def test_a_walk_that_was_in_the_balance_ends_with_its_countdown() -> None:
    """Twelve seconds before its end it was not clear, and there is no second test across two sensors."""
    run = in_walk(falling(134, 6), seconds=49)
    run.on(WATCH).until(Phase.RUN)
    assert run.said(CueKind.COUNTDOWN)[-1][1].say == "Run in three, two, one."
    assert run.said(CueKind.COUNTDOWN)[-1][0] == 417


def test_the_forecast_of_a_walk_across_two_sensors_is_not_told() -> None:
    run = in_walk(falling(145, 20)).to_watch(15)
    run.go(20)
    assert (run.steps[-1].estimate.forecast_bpm, run.steps[-1].estimate.ready_in_s) == (None, None)


def test_a_walk_that_is_held_back_is_not_let_go_by_another_sensor() -> None:
    """At its cap and too near the ceiling: what the watch reads is as near."""
    settings = Control(tips=False, rpe_prompts=False, ready_hrr=0.4, heart_rate_ceiling_bpm=140)
    run = in_walk(falling(147, 9), seconds=170, settings=settings)
    assert run.steps[-1].phase_remaining_s is None
    run.to_watch().go(60)
    assert run.lengths_s(Phase.WALK) == []


def test_no_run_begins_above_the_ceiling_of_the_second_sensor() -> None:
    run = in_walk(falling(145, 2)).to_watch(15)
    run.go(90)
    assert run.lengths_s(Phase.WALK) == []


def test_a_run_that_one_sensor_has_cut_short_does_not_let_the_other_end_the_walk() -> None:
    run = in_run(lambda phase, s: 156 if phase is Phase.RUN and s > 100 else 146)
    run.until(Phase.WALK).go(10)
    run.to_watch(-15)
    assert run.until(Phase.RUN).lengths_s(Phase.WALK) == [60]


def test_undo_does_not_bring_the_other_sensors_drop_back() -> None:
    run = in_walk(falling(145, 20), seconds=30)
    run.command(Action.EXTEND)
    run.on(WATCH, -15).go(3)
    run.command(Action.UNDO)
    assert run.go(10).steps[-1].estimate.drop_bpm is None


def test_in_free_a_walk_that_is_noticed_after_the_change_is_not_judged() -> None:
    run = TwoSensors(Plan(name="free"), recovering())
    run.running = False
    run.go(130)
    run.running = True
    run.go(200)
    run.running = False
    run.go(5)
    run.on(WATCH, -15).go(40)
    assert (run.steps[-1].phase, run.steps[-1].estimate.drop_bpm) == (Phase.WALK, None)


def required_bpm(*sensors: str) -> list[float | None]:
    """Shortly before the end of one walk after the other, each on one of these sensors; the watch reads 30 less."""
    required, run = [], TwoSensors(four_one(), falling(145, 30))
    for sensor in sensors:
        run.until(Phase.RUN).go(60)
        run.on(sensor, -30 if sensor == WATCH else 0).until(Phase.WALK).go(58)
        required.append(run.steps[-1].estimate.required_drop_bpm)
    return required


def test_the_walking_heart_rate_of_the_warm_up_counts_on_its_sensor() -> None:
    strap, watch, strap_again = required_bpm(STRAP, WATCH, STRAP)
    always_strap = required_bpm(STRAP, STRAP, STRAP)
    assert (strap, strap_again) == (always_strap[0], always_strap[2])
    assert (watch, strap > watch + 1) == (round(12 * share(58), 1), True)  # as where there was no warm-up


def test_a_trend_is_not_seen_between_two_sensors() -> None:
    run = TwoSensors(run_walk(60, 30, total_s=3000), falling(134, 10))
    run.until(Phase.RUN).go(5 * 90)
    run.to_watch(8).go(900)
    assert run.said(CueKind.RATIO) == []


# -- in a run --


@pytest.mark.parametrize("by_bpm", [-15, 10])
def test_a_run_is_not_cut_for_a_rise_between_two_sensors(by_bpm: int) -> None:
    """138 on the strap, 148 on the watch: both are below the ceiling of 150."""
    run = in_run(falling(138, 20)).to_watch(by_bpm)
    assert run.until(Phase.WALK).lengths_s(Phase.RUN) == [240]


def test_the_forecast_of_a_run_does_not_rise_with_the_second_sensor() -> None:
    run = in_run(falling(138, 20)).to_watch(10)
    first = len(run.steps)
    run.go(60)
    forecasts = [s.estimate.forecast_bpm for s in run.steps[first:] if s.estimate.forecast_bpm is not None]
    assert max(forecasts) <= 149


def test_seconds_above_the_ceiling_are_counted_by_one_sensor() -> None:
    run = TwoSensors(four_one(), lambda *_: 146, Control(tips=False, ceiling_forecast_margin_bpm=20))
    run.until(Phase.RUN).go(60)
    run.beats = run.heart = lambda *_: 151
    run.go(7)
    run.to_watch()
    turned_s = run.now_s + 1
    run.until(Phase.WALK)
    assert run.now_s - turned_s == 15


def test_what_stands_above_the_ceiling_of_the_second_sensor_ends_the_run() -> None:
    run = in_run(falling(140, 20)).to_watch(15)
    run.until(Phase.WALK, at_most_s=20)
    assert run.said(CueKind.WALK)[-1][1].reason is Reason.FORECAST_CEILING


def test_an_alarm_needs_no_sensor_of_its_own() -> None:
    """Both say so: a strap that comes and goes must not keep a runner near the maximum for longer."""
    run = TwoSensors(four_one(), recovering(), Control(policy="fixed"))
    run.until(Phase.RUN)
    run.beats = run.heart = lambda *_: 173
    began_s = run.now_s
    run.go(60)
    run.to_watch().until(Phase.WALK)
    assert run.now_s - began_s == pytest.approx(90, abs=8)


# -- trust --


def test_the_second_sensor_is_shown_at_once_and_believed_after_five_seconds() -> None:
    run = in_run(lambda *_: 140).to_watch(-15)
    first = len(run.steps)
    run.go(7)
    ticks = [step.estimate for step in run.steps[first:] if isinstance(step.event, Tick)]
    assert [e.trust for e in ticks] == [Trust.DOUBTFUL] * 5 + [Trust.GOOD] * 2
    assert all(124 <= e.heart_rate_bpm <= 126 for e in ticks)


def test_sensors_that_do_not_tell_their_name_are_one() -> None:
    run = in_run()
    run.source = None
    assert run.go(60).steps[-1].estimate.trust is Trust.GOOD
    assert run.news == []
