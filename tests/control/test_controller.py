"""A session from start to finish: phases, countdowns, commands, signal, safety and the plan ``free``."""

from __future__ import annotations

import re

import pytest

from hrbridge.config import Block, Control, Plan, Purpose, Runner, Segment
from hrbridge.control.controller import Controller
from hrbridge.decisions import CueKind, Phase, Reason, Trust
from hrbridge.events import Action, Command, Sample, SignalLost, Speed, Tick

from .conftest import PaperRun, recovering, run_walk, stubborn


def easy(**keys: object) -> Plan:
    return run_walk(60, 60, **{"repeats": 3, "cooldown": 30.0, **keys})


# -- one event --


def test_who_describes_only_what_is_said_reads_the_same_steps() -> None:
    plan, settings = run_walk(60, 60, total_s=3000), Control()
    run = PaperRun(plan, stubborn(), settings=settings).go(900)
    run.effort(9)
    run.go(60)
    controller = Controller(plan, run.runner, settings)
    described = [controller.describe() for step in run.steps if controller.take(step.event)]
    assert described == [step for step in run.steps if step.cues]


# -- phases and countdowns --


def test_a_session_goes_through_its_phases() -> None:
    run = PaperRun(easy(), recovering()).go(600)
    phases = [
        step.phase for before, step in zip(run.steps, run.steps[1:], strict=False) if step.phase is not before.phase
    ]
    assert phases == [Phase.RUN, Phase.WALK] * 3 + [Phase.COOLDOWN, Phase.FINISHED]


def test_each_change_has_its_cue_at_its_second() -> None:
    run = PaperRun(easy(), recovering()).go(600)
    changes = [(s, c.kind) for s, c in run.cues if c.kind in (CueKind.RUN, CueKind.WALK)]
    assert changes == [(120 + 60 * n, CueKind.WALK if n % 2 else CueKind.RUN) for n in range(6)]


def test_three_two_one_comes_three_seconds_before_a_change() -> None:
    run = PaperRun(easy(), recovering()).go(200)
    assert [s for s, c in run.said(CueKind.COUNTDOWN) if c.for_s == 3] == [117, 177]


def test_the_countdown_says_what_comes() -> None:
    run = PaperRun(easy(), recovering()).go(200)
    assert [c.say for _, c in run.said(CueKind.COUNTDOWN)][:3] == [
        "Run in ten seconds.",
        "Run in three, two, one.",
        "Walk in three, two, one.",
    ]


def test_ten_seconds_before_the_end_of_a_longer_segment_there_is_a_notice() -> None:
    run = PaperRun(run_walk(240, 60, total_s=900), recovering()).go(400)
    assert [s for s, c in run.said(CueKind.COUNTDOWN) if c.for_s == 10] == [110, 350]


@pytest.mark.parametrize(("key", "for_s"), [("countdown", 3), ("notice", 10)])
def test_countdowns_can_be_switched_off(key: str, for_s: float) -> None:
    run = PaperRun(easy(), recovering(), settings=Control(**{key: False})).go(600)
    assert [c for _, c in run.said(CueKind.COUNTDOWN) if c.for_s == for_s] == []


def test_no_countdown_to_a_run_that_does_not_come() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), stubborn(run_bpm=149)).until(Phase.WALK).go(200)
    assert run.said(CueKind.COUNTDOWN)[-1][0] < run.now_s - 200


def test_sixty_second_segments_are_not_chatty() -> None:
    run = PaperRun(run_walk(60, 60, total_s=3000), recovering(), settings=Control()).go(1320)
    heard = [s for s, _ in run.cues if 720 <= s < 1320]
    assert len(heard) <= 25


def test_nothing_but_safety_is_said_in_the_first_eight_seconds_of_a_phase() -> None:
    run = PaperRun(run_walk(60, 60, total_s=3000), stubborn(), settings=Control()).go(2000)
    early = [
        cue.kind
        for step in run.steps
        for cue in step.cues
        if 1 <= step.phase_elapsed_s < 8 and step.phase in (Phase.RUN, Phase.WALK)
    ]
    assert set(early) <= {CueKind.WARNING}


def test_effort_is_asked_every_third_walk() -> None:
    run = PaperRun(run_walk(60, 60, total_s=3000), recovering(run_bpm=138), settings=Control()).go(1600)
    asked = [round((s - 180) // 120) + 1 for s, _ in run.said(CueKind.RPE_PROMPT)]
    assert asked == [3, 6, 9, 12]


def test_a_plan_without_warm_up_begins_with_its_first_run() -> None:
    run = PaperRun(easy(warmup_s=0.0), recovering())
    assert run.steps[-1].phase is Phase.RUN


def test_half_way_the_second_block_begins_with_one_word_about_it() -> None:
    blocks = (
        Block(until="50%", segments=(Segment(kind="run", for_s=120), Segment(kind="walk", for_s=60))),
        Block(segments=(Segment(kind="run", for_s=60), Segment(kind="walk", for_s=60))),
    )
    run = PaperRun(run_walk(60, block=blocks, total_s=720), recovering()).go(1200)
    first = next(step for step in run.steps if step.block == 2)
    assert first.at_s == 120 + 360
    assert [c.say for _, c in run.said(CueKind.NEXT)] == ["From here: run one minute, walk one minute."]


def test_the_last_run_takes_what_is_left_of_the_time() -> None:
    run = PaperRun(run_walk(60, 60, total_s=270), recovering()).go(600)
    assert run.lengths_s(Phase.RUN) == [60, 60, 30]


def test_the_finisher_is_forty_five_seconds_per_mile() -> None:
    run = PaperRun(run_walk(600, 60, repeats=1, cooldown="finisher"), recovering())
    run.running = True
    run.go(800)
    miles = 2.6 * 780 / 1609.344
    assert run.said(CueKind.COOLDOWN)[0][1].for_s == pytest.approx(45 * miles, rel=0.02)


def test_a_run_by_distance_ends_at_its_metre() -> None:
    block = Block(segments=(Segment(kind="run", for_m=400), Segment(kind="walk", for_s=45)))
    run = PaperRun(run_walk(60, block=(block,), repeats=2), recovering())
    run.running = True
    run.until(Phase.WALK)
    assert run.lengths_s(Phase.RUN)[0] == pytest.approx(400 / 2.6, abs=1.5)


def test_without_a_source_of_distance_the_pace_stands_in_and_that_is_said() -> None:
    block = Block(segments=(Segment(kind="run", for_m=400), Segment(kind="walk", for_s=45)))
    run = PaperRun(run_walk(60, block=(block,), repeats=2, run_pace_s_per_km=400.0), recovering()).until(Phase.WALK)
    assert run.lengths_s(Phase.RUN)[0] == pytest.approx(160, abs=1.5)
    assert [c.say for _, c in run.said(CueKind.WARNING)] == ["No distance. Using your pace."]


def test_a_distance_plan_ends_on_its_metre() -> None:
    run = PaperRun(run_walk(60, 60, distance_m=1000.0), recovering())
    run.running = True
    run.until(Phase.FINISHED)
    assert run.now_s == pytest.approx(120 + 1000 / 2.6, abs=2)


# -- the runner's will --


def test_a_good_signal_starts_the_session_by_itself() -> None:
    controller = Controller(easy(), PaperRun(easy(), recovering()).runner, Control(start_after_s=20))
    phases = [controller.step(Sample(float(n), 80 + n % 2)).phase for n in range(25)]
    assert phases.index(Phase.WARMUP) == 20


def test_start_after_zero_waits_for_the_command() -> None:
    controller = Controller(easy(), PaperRun(easy(), recovering()).runner, Control(start_after_s=0))
    assert {controller.step(Sample(float(n), 80 + n % 2)).phase for n in range(100)} == {Phase.WAITING}


def test_pause_and_resume_come_back_with_the_time_left() -> None:
    run = PaperRun(easy(), recovering()).until(Phase.RUN).go(20)
    run.command(Action.PAUSE)
    run.go(300)
    step = run.command(Action.RESUME)
    assert (step.phase, step.phase_remaining_s) == (Phase.RUN, 40)


def test_an_interrupted_walk_is_not_judged() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), stubborn()).until(Phase.WALK).go(20)
    run.command(Action.PAUSE)
    run.go(60)
    run.command(Action.RESUME)
    run.until(Phase.RUN)
    assert run.lengths_s(Phase.WALK)[-1] == 60  # its planned length, the pause left out
    assert run.said(CueKind.EXTEND_WALK) == []


def test_skip_goes_to_the_next_segment() -> None:
    run = PaperRun(easy(), recovering()).until(Phase.RUN).go(10)
    assert run.command(Action.SKIP).phase is Phase.WALK


def test_stop_finishes() -> None:
    run = PaperRun(easy(), recovering()).go(200)
    assert run.command(Action.STOP).phase is Phase.FINISHED


def test_extend_adds_fifteen_seconds_to_a_walk() -> None:
    run = PaperRun(easy(), recovering()).until(Phase.WALK).go(10)
    assert run.command(Action.EXTEND).phase_remaining_s == 65


def test_extend_stops_at_the_cap() -> None:
    run = PaperRun(easy(), recovering()).until(Phase.WALK)
    refused = [run.command(Action.EXTEND).refused for _ in range(5)]
    assert refused == [None] * 4 + ["this walk is as long as it may be"]


def test_extend_is_refused_in_a_run() -> None:
    run = PaperRun(easy(), recovering()).until(Phase.RUN)
    assert run.command(Action.EXTEND).refused == "only a walk can be longer"


def test_undo_takes_a_skip_back() -> None:
    run = PaperRun(easy(), recovering()).until(Phase.RUN).go(10)
    run.command(Action.SKIP)
    run.go(3)
    step = run.command(Action.UNDO)
    assert (step.phase, step.phase_elapsed_s) == (Phase.RUN, 13)


def test_undo_comes_too_late_after_five_seconds() -> None:
    run = PaperRun(easy(), recovering()).until(Phase.RUN).go(10)
    run.command(Action.SKIP)
    run.go(6)
    assert run.command(Action.UNDO).refused == "nothing to undo within 5 s"


def test_adapt_off_gives_the_plan_as_written() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), stubborn()).go(200)
    run.command(Action.ADAPT_OFF)
    run.go(800)
    assert set(run.lengths_s(Phase.WALK)) == {60.0}


def test_walk_and_run_at_will() -> None:
    run = PaperRun(easy(), recovering()).until(Phase.RUN).go(10)
    assert run.command(Action.WALK).phase is Phase.WALK
    assert run.command(Action.RUN).phase is Phase.RUN


@pytest.mark.parametrize("action", [Action.PAUSE, Action.SKIP, Action.EXTEND, Action.STOP, Action.RESUME])
def test_before_the_start_commands_are_refused(action: Action) -> None:
    controller = Controller(easy(), PaperRun(easy(), recovering()).runner, Control())
    assert controller.step(Command(1.0, action)).refused is not None


# -- signal --


def dying_at(second: float):
    alive = recovering()

    def heart(phase: Phase, elapsed_s: float, now=[0]) -> float | None:  # noqa: B006
        now[0] += 1
        return alive(phase, elapsed_s) if now[0] < second else None

    return heart


def test_a_dead_strap_is_said_once_and_the_clock_goes_on() -> None:
    run = PaperRun(easy(), dying_at(150)).go(600)
    assert [c.say for _, c in run.said(CueKind.SIGNAL_LOST)] == ["No heart rate. Using the clock."]
    assert run.lengths_s(Phase.RUN) == [60.0, 60.0, 60.0]


def test_a_strap_that_comes_back_is_said_once_after_twenty_good_seconds() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), recovering()).go(200)
    run.heart = lambda *_: None
    run.go(50)
    run.heart = recovering()
    run.go(200)
    assert [s for s, _ in run.said(CueKind.SIGNAL_BACK)] == [271]


def test_no_walk_is_judged_without_a_signal() -> None:
    run = PaperRun(easy(), dying_at(150)).until(Phase.WALK).go(50)
    assert run.steps[-1].estimate.recovered is None


def test_what_the_sensor_says_of_its_link_is_kept_in_the_step() -> None:
    run = PaperRun(easy(), recovering()).go(150)
    assert run.tell(SignalLost(150.5, "strap out of range")).event.why == "strap out of range"


def test_a_strap_that_dies_in_a_walk_leaves_it_its_length_and_its_countdown() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), stubborn()).until(Phase.WALK).go(20)
    run.heart = lambda *_: None
    run.tell(SignalLost(run.now_s + 5.0, "silent"))
    run.until(Phase.RUN)
    assert run.lengths_s(Phase.WALK) == [60]
    assert run.said(CueKind.COUNTDOWN)[-1][1].say == "Run in three, two, one."


def test_a_strap_that_is_away_for_ten_minutes_costs_no_second_of_the_plan() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), recovering()).until(Phase.RUN).go(100)
    run.heart = lambda *_: None
    for _ in range(600):
        run.tell(SignalLost(run.now_s + 0.5, "silent"))  # whatever the sensors make of it
        run.go(1)
    assert run.lengths_s(Phase.RUN) == [240, 240]
    assert run.lengths_s(Phase.WALK) == [60, 60]
    assert len(run.said(CueKind.SIGNAL_LOST)) == 1


# -- the battery --


def battery(run: PaperRun, *percents: int, every_s: int = 60) -> list[str]:
    """What is said of these readings of the strap's battery, one after the other."""
    for percent in percents:
        run.tell(Sample(float(run.now_s), 100, battery_percent=percent))
        run.go(every_s)
    return [cue.say for _, cue in run.said(CueKind.BATTERY)]


def not_started() -> PaperRun:
    run = PaperRun(easy(), recovering())
    run.controller = Controller(easy(), run.runner, Control(start_after_s=0))
    run.steps = [run.controller.step(Tick(0.0))]
    return run


def test_a_low_battery_is_said_once() -> None:
    assert battery(PaperRun(easy(), recovering()), 12, 12, 11, 12) == ["Strap battery 12 percent."]


@pytest.mark.parametrize(("percent", "said"), [(21, []), (20, ["Strap battery 20 percent."])])
def test_a_battery_is_low_at_twenty_percent(percent: int, said: list[str]) -> None:
    assert battery(PaperRun(easy(), recovering()), percent) == said


@pytest.mark.parametrize(("percent", "times"), [(10, 1), (9, 2)])
def test_a_battery_below_ten_percent_is_said_once_more(percent: int, times: int) -> None:
    assert len(battery(PaperRun(easy(), recovering()), 20, percent, percent)) == times


def test_a_battery_that_is_nearly_empty_from_the_start_is_said_once() -> None:
    assert battery(PaperRun(easy(), recovering()), 8, 7, 1) == ["Strap battery 8 percent."]


def test_a_low_battery_is_told_before_the_runner_leaves() -> None:
    run = not_started()
    assert battery(run, 15) == ["Strap battery 15 percent."]
    assert run.steps[-1].phase is Phase.WAITING


def test_what_was_said_of_the_battery_before_the_start_is_not_said_again_after_it() -> None:
    run = not_started()
    battery(run, 15)
    run.command(Action.START)
    assert battery(run, 15, 14) == ["Strap battery 15 percent."]


def test_a_battery_that_is_read_in_a_pause_is_told_of_after_it() -> None:
    run = PaperRun(easy(), recovering()).go(30)
    run.command(Action.PAUSE)
    paused = battery(run, 15)
    run.command(Action.RESUME)
    assert (paused, battery(run, 15)) == ([], ["Strap battery 15 percent."])


# -- what speed says --


def test_a_walk_that_was_run_through_is_not_judged() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), stubborn())
    run.running = True
    run.go(600)
    assert run.said(CueKind.EXTEND_WALK) == []
    assert run.steps[-1].ratio.run_s == 240


def test_a_cue_that_is_not_followed_is_repeated_once() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), recovering())
    run.running = True
    run.until(Phase.WALK).until(Phase.RUN)
    assert [c.say for _, c in run.said(CueKind.WALK, Reason.CUE_IGNORED)] == ["Walk now."]


def test_nobody_is_accused_without_a_source_of_speed() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), stubborn()).go(1200)
    assert [c for _, c in run.cues if c.reason is Reason.CUE_IGNORED] == []


# -- safety --


def hot(bpm: float):
    return lambda phase, elapsed_s: min(bpm, 140 + elapsed_s * 3) if phase is Phase.RUN else max(110, bpm - elapsed_s)


def test_above_the_maximum_for_fifteen_seconds_means_walk() -> None:
    settings = Control(policy="fixed")
    run = PaperRun(run_walk(240, 60, total_s=3000), hot(188), settings=settings).until(Phase.WALK)
    assert run.said(CueKind.WALK)[0][1].reason is Reason.SAFETY


def test_near_the_maximum_for_ninety_seconds_means_walk_in_an_easy_plan() -> None:
    settings = Control(policy="fixed")
    run = PaperRun(run_walk(240, 60, total_s=3000), hot(173), settings=settings).until(Phase.WALK)
    assert run.said(CueKind.WALK)[0][1].reason is Reason.SAFETY


def test_near_the_maximum_is_allowed_in_a_tempo_plan() -> None:
    settings = Control(policy="fixed")
    plan = run_walk(240, 60, total_s=3000, purpose=Purpose.TEMPO)
    run = PaperRun(plan, hot(173), settings=settings).until(Phase.WALK)
    assert run.said(CueKind.WALK)[0][1].reason is Reason.PLANNED


def test_no_run_begins_until_twenty_seconds_are_clean() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), hot(188), settings=Control(policy="fixed")).until(Phase.WALK)
    run.heart = lambda *_: 187
    run.go(120)
    assert run.steps[-1].phase is Phase.WALK
    run.heart = lambda *_: 120
    run.until(Phase.RUN, 60)
    assert run.said(CueKind.COUNTDOWN)[-1][0] == run.now_s - 3


def test_adapt_off_leaves_safety_on() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), hot(188)).go(60)
    run.command(Action.ADAPT_OFF)
    run.until(Phase.WALK)
    assert run.said(CueKind.WALK)[0][1].reason is Reason.SAFETY


def test_a_strap_far_above_the_maximum_means_walk_and_check_it() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), recovering()).until(Phase.RUN).go(60)
    run.heart = lambda *_: 210
    run.go(20)
    assert run.steps[-1].phase is Phase.WALK
    assert run.said(CueKind.WALK)[-1][1].say == "Walk now. Check the strap or your maximum."


def test_a_heart_rate_that_stays_up_for_two_minutes_of_walking_ends_the_day() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), stubborn(run_bpm=149)).until(Phase.WALK).go(130)
    assert [c.reason for _, c in run.said(CueKind.WARNING)] == [Reason.SAFETY]


def test_the_longest_total_time_is_a_limit() -> None:
    run = PaperRun(run_walk(60, 60, max_total_s=600.0, cooldown=60.0), recovering()).go(700)
    assert run.said(CueKind.COOLDOWN)[0][1].reason is Reason.SAFETY


def test_an_hour_blind_is_a_limit() -> None:
    run = PaperRun(run_walk(60, 60, max_without_heart_rate_s=600.0, cooldown=60.0), dying_at(130)).go(900)
    assert run.said(CueKind.COOLDOWN)[0][1].reason is Reason.SAFETY


# -- the plan "free" --


def free_run(heart=None) -> PaperRun:
    run = PaperRun(Plan(name="free"), heart or recovering())
    run.running = False
    run.go(130)
    run.running = True
    return run.go(200)


def test_free_follows_the_runner_into_running() -> None:
    run = free_run()
    began = next(step for step in run.steps if step.phase is Phase.RUN)
    assert began.at_s - began.phase_elapsed_s == 131


def test_free_tells_when_the_runner_is_ready_and_only_once() -> None:
    run = free_run()
    run.running = False
    run.go(120)
    assert [c.reason for _, c in run.said(CueKind.RUN)] == [Reason.RECOVERED]
    assert run.steps[-1].phase is Phase.WALK


def test_free_has_something_to_say_after_a_walk_that_was_too_short() -> None:
    run = free_run(stubborn())
    run.running = False
    run.go(60)
    run.running = True
    run.go(60)
    run.running = False
    run.go(60)
    run.running = True
    run.go(60)
    assert [c.reason for _, c in run.said(CueKind.RATIO)] == [Reason.NOT_RECOVERED]


def test_free_without_speed_obeys_commands() -> None:
    run = PaperRun(Plan(name="free"), recovering()).go(130)
    run.command(Action.RUN)
    run.go(100)
    assert run.command(Action.WALK).phase is Phase.WALK


# -- the step --


def test_trust_and_heart_rate_stand_in_the_estimate() -> None:
    estimate = PaperRun(easy(), recovering()).go(30).steps[-1].estimate
    assert (estimate.trust, estimate.heart_rate_bpm) == (Trust.GOOD, 105)


def test_the_ratio_shows_the_extension_while_it_lasts() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), stubborn()).until(Phase.WALK).go(50)
    assert (run.steps[-1].ratio.planned_walk_s, run.steps[-1].ratio.walk_s) == (60, 75)


def test_time_never_runs_back() -> None:
    controller = PaperRun(easy(), recovering()).go(10).controller
    assert controller.step(Tick(3.0)).at_s == 10


def test_speed_alone_moves_nothing_in_a_plan() -> None:
    run = PaperRun(easy(), recovering()).until(Phase.RUN)
    assert run.tell(Speed(run.now_s + 0.5, 0.0)).phase is Phase.RUN


# -- what a second look found --


def test_no_run_begins_from_the_warm_up_while_an_alarm_is_on() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), lambda *_: 190).go(400)
    assert {step.phase for step in run.steps} == {Phase.WARMUP}


def test_the_countdown_waits_until_safety_lets_the_run_come() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), hot(188)).until(Phase.WALK)
    run.heart = lambda *_: 187
    run.go(120)
    run.heart = lambda *_: 119
    before = len(run.said(CueKind.COUNTDOWN))
    run.until(Phase.RUN, 60)
    assert len(run.said(CueKind.COUNTDOWN)) == before + 1


def test_one_bad_second_does_not_end_a_walk_that_is_held_back() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), stubborn(run_bpm=158)).until(Phase.WALK).go(100)
    while (run.steps[-1].phase_remaining_s or 0) > 1:
        run.go(1)
    good, run.heart = run.heart, lambda *_: 240
    run.go(1)
    run.heart = good
    run.go(20)
    assert run.steps[-1].phase is Phase.WALK


def test_a_spike_now_and_then_does_not_switch_the_ceiling_off() -> None:
    def spiky(phase: Phase, elapsed_s: float) -> float:
        return 198 if elapsed_s % 8 == 0 else 158 if phase is Phase.RUN else 110

    run = PaperRun(run_walk(240, 60, total_s=3000), spiky).until(Phase.WALK)
    assert run.lengths_s(Phase.RUN)[0] <= 30


def test_after_the_advice_to_walk_home_no_run_comes_without_recovery() -> None:
    run = PaperRun(run_walk(240, 180, total_s=3000), stubborn(run_bpm=144)).until(Phase.WALK).go(240)
    assert run.steps[-1].phase is Phase.WALK


def test_a_foot_pod_that_dies_does_not_make_a_run_endless() -> None:
    block = Block(segments=(Segment(kind="run", for_m=1609.344), Segment(kind="walk", for_s=45)))
    run = PaperRun(run_walk(60, block=(block,), repeats=2), recovering())
    run.running = True
    run.go(300)
    run.running = None
    run.until(Phase.WALK, 900)
    assert [c.say for _, c in run.said(CueKind.WARNING)] == ["No distance. Using your pace."]


def test_a_run_by_distance_counts_down_once() -> None:
    block = Block(segments=(Segment(kind="run", for_m=800), Segment(kind="walk", for_s=45)))
    run = PaperRun(run_walk(60, block=(block,), repeats=2), recovering())
    run.running = True
    run.until(Phase.WALK)
    told = [c.say for s, c in run.said(CueKind.COUNTDOWN) if s > 120]
    assert told == ["Walk in ten seconds.", "Walk in three, two, one."]


def test_undo_leaves_the_history_of_the_heart_alone() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), recovering()).until(Phase.WALK).go(20)
    run.command(Action.SKIP)
    run.command(Action.UNDO)
    assert run.controller._policy.walk._history is run.controller._history


def test_a_refused_command_is_nothing_to_undo() -> None:
    run = PaperRun(easy(), recovering()).until(Phase.RUN)
    run.command(Action.EXTEND)
    assert run.command(Action.UNDO).refused == "nothing to undo within 5 s"


def test_a_pause_in_a_held_walk_does_not_strand_the_runner() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), stubborn(run_bpm=149)).until(Phase.WALK).go(150)
    run.command(Action.PAUSE)
    run.heart = recovering()
    run.go(400)
    run.command(Action.RESUME)
    run.until(Phase.RUN, 30)


def test_effort_after_the_end_changes_nothing() -> None:
    run = PaperRun(easy(), recovering()).go(700)
    assert run.effort(9).cues == ()


def test_a_walk_before_the_cool_down_is_not_extended() -> None:
    run = PaperRun(run_walk(120, 60, repeats=1, cooldown=60.0), stubborn()).go(400)
    assert run.said(CueKind.EXTEND_WALK) == []


# -- the start, the course, the end --


def test_waiting_at_the_start_line_is_no_part_of_the_course() -> None:
    plan = Plan(
        name="mile", block=(Block(segments=(Segment(kind="run", for_m=1609.344), Segment(kind="walk", for_s=45))),)
    )
    coach = Controller(plan, Runner(max_heart_rate_bpm=180, resting_heart_rate_bpm=60), Control(start_after_s=0))
    for at_s in range(1, 601):
        coach.step(Tick(float(at_s)))
    started = coach.step(Command(600.5, Action.START))
    assert started.phase_remaining_s == pytest.approx(1609.344 / 2.2, abs=1)


def test_without_ticks_every_sample_is_an_occasion_to_decide() -> None:
    plan = run_walk(60, 60, warmup_s=0)
    coach = Controller(plan, Runner(max_heart_rate_bpm=180, resting_heart_rate_bpm=60), Control())
    coach.step(Command(0.0, Action.START))
    steps = [coach.step(Sample(at_s + 0.5, 120 + at_s % 3)) for at_s in range(70)]
    assert [step.at_s for step in steps if step.cues and step.cues[0].kind is CueKind.COUNTDOWN] == [57.5]
    assert next(step.at_s for step in steps if step.phase is Phase.WALK) == 60.5


def test_no_run_is_begun_above_the_ceiling_by_who_ran_through_the_walk() -> None:
    run = PaperRun(run_walk(60, 60, total_s=3000), lambda *_: 156)
    run.running = True
    run.go(900)
    begun = [step for step in run.steps for cue in step.cues if cue.kind is CueKind.RUN and step.at_s > 200]
    assert begun == []


def test_who_ran_through_the_walk_is_asked_for_it_twice_more_and_then_left_in_peace() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), lambda phase, _: 156)
    run.running = True
    run.until(Phase.WALK).go(600)
    asked = [cue.say for _, cue in run.said(CueKind.WALK, Reason.HEART_RATE_CEILING)]
    assert asked == ["High enough. Walk one minute."] * 3


def test_who_ran_through_the_walk_runs_on_once_below_the_ceiling() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), lambda phase, _: 156)
    run.running = True
    run.until(Phase.WALK).go(400)
    run.heart = lambda *_: 146
    run.until(Phase.RUN, 30)


def test_a_longer_walk_that_the_runner_asked_for_is_not_taken_back() -> None:
    def heart(phase: Phase, elapsed_s: float) -> float:
        return 130 + elapsed_s / 4 if phase is Phase.RUN else max(100, 150 - elapsed_s)

    run = PaperRun(run_walk(240, 60, total_s=3000), heart).until(Phase.WALK).go(20)
    run.command(Action.EXTEND)
    run.until(Phase.RUN)
    assert run.lengths_s(Phase.WALK) == [75.0]


def test_where_no_run_comes_next_none_can_be_asked_for() -> None:
    walks = Plan(name="walks", repeats=3, block=(Block(segments=(Segment(kind="walk", for_s=120),)),))
    run = PaperRun(walks, recovering()).go(30)
    assert run.command(Action.RUN).refused == "no run comes next"


def test_told_to_walk_home_the_runner_hears_no_more_of_longer_walks() -> None:
    run = PaperRun(run_walk(240, 180, total_s=3000), stubborn(run_bpm=149)).until(Phase.WALK).go(400)
    home_s = run.said(CueKind.WARNING)[0][0]
    assert [cue.say for at_s, cue in run.cues if at_s > home_s and cue.kind is not CueKind.COOLDOWN] == []


def test_in_free_every_run_above_the_ceiling_is_told_of() -> None:
    run = PaperRun(Plan(name="free"), lambda phase, t: 156 if phase is Phase.RUN else 110)
    run.running = False
    run.go(130)
    for _ in range(5):
        run.running = True
        run.go(120)
        run.running = False
        run.go(60)
    assert len(run.said(CueKind.WALK)) == 5


def test_a_pause_begins_the_count_of_an_alarm_anew() -> None:
    never_cut = Control(heart_rate_ceiling_bpm=200, tips=False, rpe_prompts=False)
    run = PaperRun(run_walk(1200, 60, total_s=3000), recovering(), settings=never_cut).until(Phase.RUN)
    run.heart = lambda *_: 172
    run.go(95)
    run.command(Action.PAUSE)
    run.go(30)
    run.command(Action.RESUME)
    assert run.go(60).said(CueKind.WALK) == []


def test_during_an_alarm_the_clock_is_not_spoken_of() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), recovering()).until(Phase.RUN).go(60)
    run.heart = lambda *_: 215
    run.go(90)
    run.heart = recovering()
    run.go(60)
    assert run.said(CueKind.SIGNAL_LOST) == []


# -- the first minutes --


@pytest.mark.parametrize(("bpm", "said"), [(164, []), (167, ["Easier. This is the warm-up."])])
def test_in_the_warm_up_only_a_heart_far_above_the_ceiling_is_talked_to(bpm: float, said: list[str]) -> None:
    """Fifteen above the ceiling of 150, and not in the first two minutes."""
    run = PaperRun(run_walk(240, 60, warmup_s=300.0, total_s=3000), lambda *_: bpm).go(290)
    assert [cue.say for _, cue in run.said(CueKind.EASE_WALK)] == said


def test_in_the_first_two_minutes_the_warm_up_is_left_alone() -> None:
    run = PaperRun(run_walk(240, 60, warmup_s=300.0, total_s=3000), lambda *_: 167).go(200)
    assert run.said(CueKind.EASE_WALK)[0][0] == 120


def test_without_a_warm_up_the_ceiling_counts_after_two_minutes() -> None:
    run = PaperRun(run_walk(240, 60, warmup_s=0.0, total_s=3000), lambda *_: 158).until(Phase.WALK)
    assert run.now_s == 120


# -- the clock drives --


def shortened() -> PaperRun:
    """One walk at its cap: 192 s of running and two minutes of walking from then on."""
    run = PaperRun(run_walk(240, 60, total_s=4000), stubborn()).until(Phase.WALK).until(Phase.RUN)
    assert run.ratio == (192, 120)
    return run


def test_the_clock_goes_on_with_the_present_ratio() -> None:
    run = shortened()
    run.heart = lambda *_: None
    run.until(Phase.WALK).until(Phase.RUN).until(Phase.WALK)
    assert (run.lengths_s(Phase.RUN)[1:], run.lengths_s(Phase.WALK)[1:]) == ([192, 192], [120])


@pytest.mark.parametrize("bpm", [None, 0, 160])
def test_without_a_trusted_heart_rate_nothing_is_decided(bpm: int | None) -> None:
    """No strap, a strap without skin, one that is frozen: above the ceiling, and nobody believes it."""
    run = shortened().go(20)
    run.heart = lambda *_: bpm if bpm is None else bpm - run.now_s % 2
    run.go(100)
    since_s = run.now_s
    run.go(1000)
    assert {cue.reason for s, cue in run.cues if s > since_s} <= {Reason.PLANNED, Reason.NO_SIGNAL}


def test_a_strap_that_has_lost_contact_ends_no_run() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), lambda phase, _: 120).until(Phase.RUN).go(60)
    run.tell(Sample(float(run.now_s), 120, contact=False))
    run.go(5)
    run.heart = lambda *_: 160
    assert run.go(25).steps[-1].phase is Phase.RUN


def test_a_strap_that_is_away_for_less_than_half_a_minute_is_not_talked_about() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), recovering()).go(200)
    run.heart = lambda *_: None
    run.go(28)
    run.heart = recovering()
    assert run.go(100).said(CueKind.SIGNAL_LOST) == []


def test_a_walk_that_is_held_back_ends_by_the_clock_half_a_minute_after_the_strap_died() -> None:
    """Too near the ceiling for a run, and not so high that the day should end."""
    settings = Control(tips=False, rpe_prompts=False, heart_rate_ceiling_bpm=140, ready_hrr=0.5)
    heart = {Phase.WARMUP: 105, Phase.RUN: 147, Phase.WALK: 138}
    run = PaperRun(run_walk(240, 60, total_s=3000), lambda phase, _: heart[phase], settings=settings)
    run.until(Phase.WALK).go(150)
    run.heart = lambda *_: None
    before_s = run.now_s
    run.until(Phase.RUN, 60)
    assert 30 <= run.now_s - before_s <= 35


def test_a_strap_that_comes_and_goes_is_said_each_time_it_was_really_away() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), recovering()).go(200)
    for _ in range(2):
        run.heart = lambda *_: None
        run.go(45)
        run.heart = recovering()
        run.go(60)
    kinds = (CueKind.SIGNAL_LOST, CueKind.SIGNAL_BACK)
    assert [kind for kind, _ in run.reasons(*kinds)] == [*kinds, *kinds]


# -- cues that are not followed --


def test_a_cue_is_called_ignored_after_twenty_seconds() -> None:
    run = PaperRun(run_walk(240, 90, total_s=3000), recovering())
    run.running = True
    run.until(Phase.WALK)
    began_s = run.now_s
    assert [s - began_s for s, _ in run.go(80).said(CueKind.WALK, Reason.CUE_IGNORED)] == [20]


def test_who_does_not_run_is_asked_once() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), recovering())
    run.running = False
    run.until(Phase.RUN).until(Phase.WALK)
    assert [c.say for _, c in run.said(CueKind.RUN, Reason.CUE_IGNORED)] == ["Run when you are ready."]


def test_after_two_cues_in_a_row_that_were_ignored_nobody_is_asked_again() -> None:
    run = PaperRun(run_walk(60, 60, total_s=3000), recovering())
    for _ in range(5):
        run.running = False
        run.until(Phase.RUN)
        run.running = False
        run.until(Phase.WALK)
        run.running = True
        run.go(50)
    assert len([c for _, c in run.cues if c.reason is Reason.CUE_IGNORED]) == 2


def test_a_walk_that_was_run_through_is_no_rung_and_no_blame() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), stubborn(run_bpm=146))
    run.running = True
    run.until(Phase.RUN).until(Phase.RUN).until(Phase.RUN)
    assert run.said(CueKind.RATIO) == []
    assert run.said(CueKind.EASE_WALK) == []


def test_a_walk_that_was_run_through_is_shown_as_such() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), recovering())
    run.running = True
    estimate = run.until(Phase.WALK).go(40).steps[-1].estimate
    assert (estimate.walked, estimate.recovered) == (False, None)


# -- pauses, wishes, the cool-down --


def test_a_paused_walk_comes_back_with_the_time_it_had_left() -> None:
    run = PaperRun(easy(), recovering()).until(Phase.WALK).go(25)
    run.command(Action.PAUSE)
    run.go(120)
    step = run.command(Action.RESUME)
    assert (step.phase, step.phase_elapsed_s, step.phase_remaining_s) == (Phase.WALK, 25, 35)


def test_an_interrupted_walk_is_no_rung() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), stubborn()).until(Phase.WALK).go(55)
    run.command(Action.PAUSE)
    run.go(10)
    run.command(Action.RESUME)
    assert run.until(Phase.RUN).ratio[0] == 240


def test_who_skips_a_walk_is_not_judged_by_it() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), stubborn()).until(Phase.WALK).go(115)
    run.command(Action.SKIP)
    assert run.go(20).ratio == (240, 60)


def test_adapt_off_puts_the_plan_back_as_written_at_once() -> None:
    run = shortened()
    run.command(Action.ADAPT_OFF)
    assert run.ratio == (240, 60)


def test_adapt_on_takes_up_where_it_was() -> None:
    run = shortened()
    run.command(Action.ADAPT_OFF)
    run.go(10)
    run.command(Action.ADAPT_ON)
    assert run.ratio == (192, 120)


def test_adapt_off_hears_an_effort_and_changes_nothing() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), recovering()).until(Phase.WALK).go(20)
    run.command(Action.ADAPT_OFF)
    step = run.effort(9)
    assert (step.cues, step.estimate.rpe) == ((), 9)


def test_in_the_cool_down_only_signal_and_safety_have_a_say() -> None:
    plan = run_walk(60, 60, repeats=1, cooldown=600.0)
    run = PaperRun(plan, recovering(), settings=Control()).until(Phase.COOLDOWN).go(5)
    run.heart = lambda *_: 160
    run.go(100)
    run.effort(9)
    run.heart = lambda *_: None
    run.go(100)
    said = {cue.kind for s, cue in run.cues if s > run.said(CueKind.COOLDOWN)[0][0]}
    assert said == {CueKind.SIGNAL_LOST}


# -- what a whole hour sounds like --


def test_a_walk_has_one_tip_at_most() -> None:
    run = PaperRun(run_walk(90, 90, total_s=3600), recovering(), settings=Control()).go(3700)
    walks = [(s - 210) // 180 for s, _ in run.said(CueKind.TIP)]
    assert walks == sorted(set(walks))


UNKIND = re.compile(r"\b(bad|fail\w*|wrong|must|not|never|don't|sorry|poor|weak|worse|too|hurry)\b", re.IGNORECASE)


def everything_said() -> set[str]:
    hearts = recovering(), stubborn(), stubborn(run_bpm=149), hot(188), dying_at(300)
    runs = [PaperRun(run_walk(60, 60, total_s=1500), heart, settings=Control()).go(1600) for heart in hearts]
    hard = PaperRun(run_walk(240, 60, total_s=3600), recovering(), settings=Control())
    for rpe in (7, 8, 9, 5):
        hard.until(Phase.WALK).go(20)
        hard.effort(rpe)
    ignored = PaperRun(run_walk(60, 60, total_s=1200), recovering())
    ignored.running = False
    return {cue.say for run in (*runs, hard.go(300), ignored.go(900)) for _, cue in run.cues}


def test_nothing_that_is_said_is_unkind_or_long() -> None:
    said = everything_said()
    assert [say for say in said if UNKIND.search(say)] == []
    assert max(map(len, said)) <= 80


def test_in_short_segments_other_advice_takes_the_place_of_the_ten_second_notice() -> None:
    run = PaperRun(run_walk(60, 60, total_s=3000), recovering(run_bpm=147)).go(239)
    assert [cue.kind for s, cue in run.cues if s > 120 and cue.for_s not in (3, 60)] == [CueKind.EASE_RUN]


def test_in_longer_segments_it_comes_all_the_same() -> None:
    run = PaperRun(run_walk(240, 90, total_s=3000), recovering(run_bpm=147)).go(449)
    assert [cue.say for s, cue in run.said(CueKind.COUNTDOWN) if s > 120 and cue.for_s == 10] == [
        "Walk in ten seconds.",
        "Run in ten seconds.",
    ]
