"""The hard limits: second by second, and what they do in a session whatever a policy thinks."""

from __future__ import annotations

import pytest

from hrbridge.config import Control, Plan, PolicyName, Purpose, Runner
from hrbridge.control.safety import Safety
from hrbridge.decisions import CueKind, Phase, Reason, Trust
from hrbridge.events import Action

from .conftest import Heart, PaperRun, recovering, run_walk, stubborn

RUNNER = Runner(max_heart_rate_bpm=180, resting_heart_rate_bpm=60)
READY_BPM = 138.0  # 0.65 of reserve
FIXED = Control(policy=PolicyName.FIXED, tips=False, rpe_prompts=False)


class Watch:
    """Safety with a clock: the same heart rate for some seconds."""

    def __init__(self, purpose: Purpose = Purpose.EASY, plan: Plan | None = None) -> None:
        self.safety = Safety(RUNNER, plan or run_walk(60, 60, purpose=purpose))
        self.now_s = 0.0
        self.alarms_s: list[float] = []

    def sees(self, bpm: float | None, for_s: int, *, too_high: bool = False, unsure: bool = False) -> Watch:
        for _ in range(for_s):
            if self.safety.update(self.now_s, bpm, too_high, unsure=unsure):
                self.alarms_s.append(self.now_s)
            self.now_s += 1
        return self


# -- alarms --


def test_five_beats_above_the_maximum_are_still_believed() -> None:
    assert Watch(Purpose.RACE).sees(185, 300).alarms_s == []


def test_more_than_five_beats_above_the_maximum_are_an_alarm_after_fifteen_seconds() -> None:
    assert Watch(Purpose.RACE).sees(186, 60).alarms_s == [15]


def test_fourteen_seconds_above_the_maximum_are_none() -> None:
    assert Watch(Purpose.RACE).sees(186, 15).sees(150, 60).alarms_s == []


def test_ninety_five_percent_of_the_maximum_is_still_easy_enough() -> None:
    assert Watch().sees(171, 300).alarms_s == []


def test_more_than_that_for_ninety_seconds_is_an_alarm() -> None:
    assert Watch().sees(172, 200).alarms_s == [90]


@pytest.mark.parametrize("purpose", [Purpose.EASY, Purpose.LONG, Purpose.RECOVERY, Purpose.RETURN])
def test_easy_plans_are_not_run_near_the_maximum(purpose: Purpose) -> None:
    assert Watch(purpose).sees(175, 120).alarms_s == [90]


@pytest.mark.parametrize("purpose", [Purpose.TEMPO, Purpose.RACE])
def test_hard_plans_may_be(purpose: Purpose) -> None:
    assert Watch(purpose).sees(175, 600).alarms_s == []


def test_who_runs_free_may_be_near_the_maximum() -> None:
    assert Watch(plan=Plan(name="free")).sees(175, 600).alarms_s == []


def test_a_steady_signal_above_any_heart_is_an_alarm_at_once() -> None:
    assert Watch().sees(None, 30, too_high=True).alarms_s == [0]


def test_an_alarm_begins_once() -> None:
    assert Watch().sees(190, 600).alarms_s == [15]


def test_some_seconds_of_doubt_do_not_begin_the_count_anew() -> None:
    assert Watch().sees(172, 50).sees(None, 5, unsure=True).sees(172, 60).alarms_s == [90]


def test_a_lost_signal_does() -> None:
    assert Watch().sees(172, 50).sees(None, 5).sees(172, 80).alarms_s == []


@pytest.mark.parametrize(("clean_s", "forbidden"), [(20, True), (21, False)])
def test_running_is_forbidden_until_twenty_seconds_are_clean(clean_s: int, forbidden: bool) -> None:
    assert Watch().sees(190, 30).sees(150, clean_s).safety.forbids_running is forbidden


def test_clean_means_twenty_seconds_in_a_row() -> None:
    assert Watch().sees(190, 30).sees(150, 15).sees(190, 1).sees(150, 15).safety.forbids_running is True


def test_no_signal_is_not_clean() -> None:
    assert Watch().sees(190, 30).sees(None, 300).safety.forbids_running is True


# -- a walk that brings nothing --


@pytest.mark.parametrize(
    ("walked_s", "drop_bpm", "heart_rate_bpm", "stuck"),
    [
        (119, 4.9, 145, False),
        (120, 4.9, 145, True),
        (120, 5.0, 145, False),
        (120, 0.0, READY_BPM, False),  # down at the ready line nothing is wrong
        (179, 20, 163, False),
        (180, 20, 163, True),
        (180, 20, 162, False),  # 85 % of reserve
    ],
)
def test_a_walk_that_brings_too_little_should_end_the_day(
    walked_s: float, drop_bpm: float, heart_rate_bpm: float, stuck: bool
) -> None:
    safety = Watch().safety
    assert safety.stuck_in_walk(walked_s, drop_bpm, heart_rate_bpm, READY_BPM) is stuck


HOME = "Heart rate stays up. Walk home easy today."


def warnings(run: PaperRun) -> list[str]:
    return [cue.say for _, cue in run.said(CueKind.WARNING)]


def long_walk(heart: Heart, purpose: Purpose = Purpose.EASY) -> PaperRun:
    return PaperRun(run_walk(120, 300, total_s=3000, purpose=purpose), heart, settings=FIXED).until(Phase.WALK)


def test_the_advice_to_walk_home_comes_after_two_minutes_of_walking_and_once() -> None:
    run = long_walk(stubborn(145)).go(300)
    began_s = run.said(CueKind.WALK)[0][0]
    assert [s - began_s for s, _ in run.said(CueKind.WARNING)] == [120]
    assert warnings(run) == [HOME]


def test_far_up_after_three_minutes_of_walking_the_advice_comes_though_it_fell() -> None:
    run = long_walk(lambda phase, t: 178 if phase is Phase.RUN else max(164, 178 - t), Purpose.TEMPO).go(240)
    began_s = run.said(CueKind.WALK)[0][0]
    assert [s - began_s for s, _ in run.said(CueKind.WARNING)] == [180]


def test_a_small_drop_from_an_easy_run_is_nothing_to_walk_home_for() -> None:
    assert warnings(long_walk(stubborn(137)).go(290)) == []


def test_who_once_recovered_in_this_walk_is_not_sent_home() -> None:
    def up_again(phase: Phase, elapsed_s: float) -> float:
        return 145 if phase is Phase.RUN or elapsed_s > 60 else max(125, 145 - elapsed_s)

    assert warnings(long_walk(up_again).go(290)) == []


def test_who_runs_through_the_walk_is_not_sent_home() -> None:
    run = PaperRun(run_walk(120, 300, total_s=3000), stubborn(145), settings=FIXED)
    run.running = True
    assert HOME not in warnings(run.go(500))


def test_a_doubtful_signal_only_says_to_check_the_strap() -> None:
    run = long_walk(stubborn(145)).go(20)
    run.heart = lambda *_: 145 - run.now_s % 2  # the same value to the ear of the strap: frozen
    run.go(270)
    said = {cue.say for _, cue in run.cues if cue.kind in (CueKind.WARNING, CueKind.SIGNAL_LOST)}
    assert run.steps[-1].estimate.trust is Trust.DOUBTFUL
    assert said == {"Check the strap. Using the clock."}


def sent_home(run: PaperRun) -> list[CueKind]:
    """What is said of running from the advice to walk home on."""
    home_s = next(s for s, cue in run.cues if cue.say == HOME)
    return [cue.kind for s, cue in run.cues if s > home_s and cue.kind in (CueKind.COUNTDOWN, CueKind.RUN)]


def test_after_the_advice_to_walk_home_no_run_is_counted_down() -> None:
    plan = run_walk(240, 180, total_s=3000)
    run = PaperRun(plan, stubborn(144), settings=Control(tips=False)).until(Phase.WALK).go(300)
    assert sent_home(run) == []


def test_after_the_advice_to_walk_home_the_clock_counts_none_down_either() -> None:
    plan = run_walk(240, 180, total_s=3000)
    run = PaperRun(plan, stubborn(144), settings=Control(tips=False)).until(Phase.WALK).go(150)
    run.heart = lambda *_: None
    assert sent_home(run.go(150)) == []


# -- in a session --


def hot(phase: Phase, elapsed_s: float) -> float:
    return min(188, 140 + elapsed_s * 3) if phase is Phase.RUN else 120


def test_an_alarm_in_a_run_says_to_walk_and_to_check() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), hot, settings=FIXED).until(Phase.WALK)
    assert run.said(CueKind.WALK)[0][1].say == "Walk now. Check the strap or your maximum."


def test_an_alarm_in_a_walk_only_says_to_check() -> None:
    run = PaperRun(run_walk(60, 300, total_s=3000), recovering(), settings=FIXED).until(Phase.WALK).go(60)
    run.heart = lambda *_: 188
    run.go(60)
    assert warnings(run) == ["Check the strap or your maximum."]


def test_a_signal_above_any_heart_lets_no_run_begin_until_twenty_seconds_are_clean() -> None:
    run = PaperRun(run_walk(120, 60, total_s=3000), recovering(), settings=FIXED).until(Phase.WALK).go(30)
    run.heart = lambda *_: 210
    run.go(90)
    assert run.steps[-1].phase is Phase.WALK
    back_s = run.now_s
    run.heart = lambda *_: 120
    run.until(Phase.RUN, 60)
    assert run.now_s - back_s >= 20


def test_three_two_one_is_taken_back_by_safety_alone() -> None:
    """The strap goes mad in the last seconds: the alarm comes between the countdown and the run."""
    run = PaperRun(run_walk(120, 60, total_s=3000), recovering()).until(Phase.WALK).go(43)
    run.heart = lambda *_: 210
    run.go(17)
    assert [cue.say for _, cue in run.cues[-2:]] == ["Run in three, two, one.", "Check the strap or your maximum."]
    assert run.steps[-1].phase is Phase.WALK


def test_safety_is_there_in_the_cool_down() -> None:
    run = PaperRun(run_walk(60, 60, repeats=1, cooldown=300.0), recovering(), settings=FIXED).until(Phase.COOLDOWN)
    run.heart = lambda *_: 190
    assert warnings(run.go(60)) == ["Check the strap or your maximum."]


def test_who_runs_by_command_is_warned_and_not_stopped() -> None:
    run = PaperRun(run_walk(240, 60, total_s=3000), hot, settings=FIXED).until(Phase.WALK)
    run.heart = lambda *_: 190
    run.go(10)
    run.command(Action.RUN)
    assert run.go(30).steps[-1].phase is Phase.RUN


# -- limits of the plan --


@pytest.mark.parametrize(("limit_s", "phase"), [(599, Phase.COOLDOWN), (700, Phase.RUN)])
def test_the_longest_total_time_counts_from_the_start(limit_s: float, phase: Phase) -> None:
    plan = run_walk(240, 60, max_total_s=limit_s, cooldown=300.0)
    assert PaperRun(plan, recovering()).go(600).steps[-1].phase is phase


def test_a_run_without_a_trusted_heart_rate_ends_at_its_limit() -> None:
    plan = run_walk(3000, 60, max_without_heart_rate_s=300.0, cooldown=300.0)
    run = PaperRun(plan, recovering()).go(200)
    run.heart = lambda *_: None
    run.until(Phase.COOLDOWN)
    assert run.now_s == 500
    assert run.said(CueKind.COOLDOWN)[0][1].reason is Reason.SAFETY
