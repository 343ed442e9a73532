"""The ladder, in the words of a runner: what makes a walk longer, a run shorter, and what brings the plan back."""

from __future__ import annotations

import pytest

from hrbridge.config import Block, Control, PolicyName, Purpose, Runner, Segment
from hrbridge.control.adaptation import ceiling_bpm, walk_cap_s
from hrbridge.decisions import CueKind, Phase, Reason

from .conftest import Heart, PaperRun, recovering, rising, run_walk, stubborn

CHANGES = (CueKind.RUN, CueKind.WALK, CueKind.EASE_WALK, CueKind.EXTEND_WALK, CueKind.RATIO, CueKind.COOLDOWN)


def four_one(**keys: object) -> object:
    return run_walk(240, 60, total_s=3000, **keys)


# -- good recovery --


def test_who_recovers_gets_the_plan_unchanged() -> None:
    run = PaperRun(four_one(), recovering()).go(3200)
    assert set(run.lengths_s(Phase.RUN)) == {240.0}
    assert set(run.lengths_s(Phase.WALK)) == {60.0}


def test_who_recovers_hears_nothing_but_the_plan() -> None:
    run = PaperRun(four_one(), recovering(run_bpm=140)).go(3200)
    assert {cue.reason for _, cue in run.cues if cue.kind is not CueKind.WARMUP} == {Reason.PLANNED}


def test_early_recovery_does_not_end_a_walk_early() -> None:
    run = PaperRun(four_one(), recovering(walk_bpm=90)).go(500)
    assert run.lengths_s(Phase.WALK) == [60.0]


# -- one bad walk --


def test_rungs_come_in_order_and_each_has_its_reason() -> None:
    run = PaperRun(four_one(), stubborn()).go(700)
    assert run.reasons(*CHANGES) == [
        (CueKind.RUN, Reason.PLANNED),
        (CueKind.WALK, Reason.PLANNED),
        (CueKind.EASE_WALK, Reason.NOT_RECOVERED),
        (CueKind.EXTEND_WALK, Reason.NOT_RECOVERED),
        (CueKind.EXTEND_WALK, Reason.NOT_RECOVERED),
        (CueKind.RUN, Reason.WALK_CAP),
        (CueKind.RATIO, Reason.WALK_CAP),
        (CueKind.WALK, Reason.PLANNED),
    ]


def test_first_extension_is_fifteen_seconds_twelve_before_the_end() -> None:
    run = PaperRun(four_one(), stubborn()).go(470)
    at_s, cue = run.said(CueKind.EXTEND_WALK)[0]
    assert (at_s, cue.for_s) == (120 + 240 + 48, 15)


def test_second_extension_goes_to_the_cap() -> None:
    run = PaperRun(four_one(), stubborn()).go(600)
    assert run.lengths_s(Phase.WALK) == [walk_cap_s(60)]


def test_an_extension_says_how_high_the_heart_still_is() -> None:
    run = PaperRun(four_one(), stubborn()).go(470)
    assert run.said(CueKind.EXTEND_WALK)[0][1].say == "Still 144. Fifteen more seconds."


def test_at_the_cap_and_well_below_the_ceiling_the_run_comes() -> None:
    run = PaperRun(four_one(), stubborn(run_bpm=144)).go(600)
    assert run.said(CueKind.RUN)[1][1].reason is Reason.WALK_CAP


def test_at_the_cap_near_the_ceiling_the_walk_goes_on() -> None:
    run = PaperRun(four_one(), stubborn(run_bpm=148)).go(600)
    assert run.lengths_s(Phase.RUN) == [240.0]
    assert run.steps[-1].phase is Phase.WALK


def test_a_walk_held_at_its_cap_offers_an_easy_finish() -> None:
    run = PaperRun(four_one(), stubborn(run_bpm=152, drop_bpm=6)).go(600)
    assert [cue.say for _, cue in run.said(CueKind.TIP, Reason.EASY_FINISH)] == [
        "Keep walking. An easy finish is fine today."
    ]


def test_a_walk_held_at_its_cap_ends_once_recovered() -> None:
    run = PaperRun(four_one(), stubborn(run_bpm=152, drop_bpm=6)).until(Phase.WALK).go(140)
    run.heart = lambda phase, _: 120 if phase is Phase.WALK else 140
    run.until(Phase.RUN, 60)
    assert run.said(CueKind.RUN)[-1][1].reason is Reason.RECOVERED


def test_a_held_walk_becomes_an_easy_finish_after_five_minutes() -> None:
    run = PaperRun(four_one(), stubborn(run_bpm=148)).go(800)
    assert run.said(CueKind.COOLDOWN)[0][1].reason is Reason.EASY_FINISH


def test_recovery_within_an_extension_ends_the_walk_with_a_countdown() -> None:
    run = PaperRun(four_one(), stubborn()).go(425)
    run.heart = lambda phase, _: 120 if phase is Phase.WALK else 140
    run.until(Phase.RUN, 60)
    assert [c.reason for _, c in run.cues[-2:]] == [Reason.RECOVERED, Reason.RECOVERED]


def test_ease_walk_is_said_once_per_walk() -> None:
    run = PaperRun(four_one(), stubborn()).go(470)
    assert len(run.said(CueKind.EASE_WALK)) == 1


def test_nothing_is_adapted_in_the_first_two_minutes() -> None:
    run = PaperRun(run_walk(40, 60, warmup_s=0), stubborn(run_bpm=160)).go(119)
    assert {cue.reason for _, cue in run.cues} <= {Reason.PLANNED, Reason.COMMAND}


# -- more bad walks --


def test_after_a_walk_at_its_cap_the_next_run_is_a_fifth_shorter() -> None:
    run = PaperRun(four_one(), stubborn()).go(700)
    assert run.lengths_s(Phase.RUN)[1] == 192.0


def test_the_walk_keeps_its_extension() -> None:
    run = PaperRun(four_one(), stubborn()).go(500)
    assert run.ratio == (192.0, 120.0)


def test_two_failed_walks_below_the_cap_shorten_the_run() -> None:
    run = PaperRun(four_one(), stubborn())
    for _ in range(2):
        run.until(Phase.WALK).go(65)
        run.heart = lambda phase, elapsed_s: 146 if phase is Phase.RUN else 146 - max(0, elapsed_s - 64)
        run.until(Phase.RUN)
        run.heart = stubborn()
    # The walk keeps what the last of them needed: twenty-five seconds.
    assert run.ratio == (192.0, 85.0)


def test_one_failed_walk_below_the_cap_changes_no_ratio() -> None:
    run = PaperRun(four_one(), stubborn()).until(Phase.WALK).go(50)
    run.heart = lambda phase, elapsed_s: 146 if phase is Phase.RUN else 146 - max(0, elapsed_s - 49) * 3
    run.until(Phase.RUN)
    assert run.ratio == (240.0, 60.0)


def test_the_ladder_ends_in_an_easy_finish() -> None:
    run = PaperRun(four_one(cooldown=60), stubborn()).go(3000)
    assert run.lengths_s(Phase.RUN) == [240.0, 192.0, 192.0, 153.6, 153.6]
    assert run.said(CueKind.COOLDOWN)[0][1].reason is Reason.EASY_FINISH


def test_the_ladder_makes_no_run_shorter_than_twenty_seconds() -> None:
    by_drop = Control(tips=False, rpe_prompts=False, ready_hrr=0.3)
    run = PaperRun(run_walk(30, 60, total_s=3000), stubborn(run_bpm=140), settings=by_drop).go(3000)
    assert min(run.lengths_s(Phase.RUN)) == 20.0


def test_good_recovery_brings_back_first_the_walk_then_the_run() -> None:
    run = PaperRun(four_one(), stubborn()).go(500)
    run.heart = recovering(run_bpm=140)
    ratios = []
    for _ in range(7):
        run.until(Phase.RUN)
        if not ratios or ratios[-1] != run.ratio:
            ratios.append(run.ratio)
    assert ratios[:4] == [(192.0, 120.0), (192.0, 105.0), (192.0, 90.0), (192.0, 75.0)]


def test_the_plan_comes_back_whole() -> None:
    run = PaperRun(run_walk(240, 60, total_s=9000), stubborn()).go(500)
    run.heart = recovering(run_bpm=140)
    run.go(7000)
    assert run.ratio == (240.0, 60.0)


def test_a_restored_plan_says_why() -> None:
    run = PaperRun(four_one(), stubborn()).go(500)
    run.heart = recovering(run_bpm=140)
    run.go(800)
    assert run.said(CueKind.RATIO)[-1][1].reason is Reason.RESTORED


def test_a_runner_on_the_edge_is_not_hunted() -> None:
    """Alternately just enough and just not: the ratio may change at most once in four cycles."""
    flip = [0]

    def edge(phase: Phase, elapsed_s: float) -> float:
        if phase is not Phase.WALK:
            flip[0] += elapsed_s == 1
            return min(146, 115 + elapsed_s)
        return 146 - min(elapsed_s / 4, 14.0 + flip[0] % 2 * 2)

    run = PaperRun(run_walk(240, 60, total_s=7200), edge).go(7200)
    cycles = len(run.lengths_s(Phase.WALK))
    assert len(run.said(CueKind.RATIO)) <= cycles / 4


# -- the ceiling --


@pytest.mark.parametrize(
    ("purpose", "settings", "expected"),
    [
        (Purpose.EASY, Control(), 150.0),
        (Purpose.RETURN, Control(), 144.0),
        (Purpose.EASY, Control(heart_rate_ceiling_hrr=0.8), 156.0),
        (Purpose.EASY, Control(heart_rate_ceiling_bpm=147), 147.0),
    ],
)
def test_the_ceiling_is_a_share_of_reserve_or_as_set(purpose: Purpose, settings: Control, expected: float) -> None:
    runner = Runner(max_heart_rate_bpm=180, resting_heart_rate_bpm=60)
    assert ceiling_bpm(runner, run_walk(60, 60, purpose=purpose), settings) == expected


# With this much of a margin only what stands above the ceiling counts, not what is foreseen.
NO_FORECAST = Control(tips=False, rpe_prompts=False, ceiling_forecast_margin_bpm=20)


def above_after(seconds: float, bpm: float = 156):
    def heart(phase: Phase, elapsed_s: float) -> float:
        if phase in (Phase.RUN, Phase.SURGE):
            return bpm if elapsed_s > seconds else rising(100, bpm - 10, elapsed_s)
        return max(100, bpm - elapsed_s)

    return heart


def test_ten_seconds_above_the_ceiling_end_the_run() -> None:
    run = PaperRun(four_one(), above_after(100), settings=NO_FORECAST).until(Phase.WALK)
    assert run.said(CueKind.WALK)[0][1].reason is Reason.HEART_RATE_CEILING
    # The jump itself takes five seconds to be believed, the median two or three more.
    assert 110 <= run.lengths_s(Phase.RUN)[0] <= 120


def test_a_rise_that_will_pass_the_ceiling_ends_the_run_before_it_does() -> None:
    """One beat in four seconds: at 149 it will be 151 in ten seconds."""
    run = PaperRun(four_one(), lambda phase, t: 120 + t / 4 if phase is Phase.RUN else max(100, 150 - t))
    run.until(Phase.WALK)
    assert run.said(CueKind.WALK)[0][1].reason is Reason.FORECAST_CEILING
    assert run.steps[-1].estimate.heart_rate_bpm <= 151


def test_a_run_that_ends_anyway_before_the_ceiling_is_reached_is_left_alone() -> None:
    run = PaperRun(run_walk(110, 60, total_s=600), lambda phase, t: 120 + t / 4 if phase is Phase.RUN else 110)
    run.until(Phase.WALK)
    assert run.said(CueKind.WALK)[0][1].reason is Reason.PLANNED


def test_a_rise_towards_the_ceiling_asks_for_a_slower_run_half_a_minute_ahead() -> None:
    run = PaperRun(four_one(), lambda phase, t: 90 + 0.6 * t if phase is Phase.RUN else 90).until(Phase.RUN).go(99)
    at_s, cue = run.said(CueKind.EASE_RUN)[0]
    eased = next(step for step in run.steps if step.cues and step.at_s == at_s)
    assert cue.reason is Reason.FORECAST_CEILING
    assert eased.estimate.heart_rate_bpm < 142


def test_the_steep_first_seconds_of_a_run_foretell_nothing() -> None:
    run = PaperRun(four_one(), lambda phase, t: min(144, 105 + 4 * t) if phase is Phase.RUN else 105).until(Phase.RUN)
    assert not run.go(14).said(CueKind.EASE_RUN)
    assert run.go(1).said(CueKind.EASE_RUN)


@pytest.mark.parametrize("heart", [lambda *_: 156, lambda phase, t: 110 + 3 * t if phase is Phase.RUN else 110])
def test_a_run_has_at_least_fifteen_seconds(heart: Heart) -> None:
    """Above the ceiling from the start, or rising so steeply that it will be: cut at fifteen and not before."""
    run = PaperRun(four_one(), heart).until(Phase.WALK)
    assert run.lengths_s(Phase.RUN)[0] == 15.0


def test_near_the_ceiling_the_runner_is_asked_once_to_slow_down() -> None:
    run = PaperRun(four_one(), lambda phase, _: 145 if phase is Phase.RUN else 110).go(400)
    assert [(c.kind, c.say) for _, c in run.said(CueKind.EASE_RUN)] == [(CueKind.EASE_RUN, "A little slower.")]


def test_the_same_advice_in_two_runs_falls_silent_for_three() -> None:
    run = PaperRun(four_one(), recovering()).go(1700)
    advised = [round((at_s - 120) // 300) for at_s, _ in run.said(CueKind.EASE_RUN)]
    assert advised == [0, 1, 5]


def test_a_surge_may_go_ten_beats_higher() -> None:
    surge = run_walk(60, 60, block=(Block(segments=(Segment(kind="surge", for_s=60), Segment(kind="walk", for_s=60))),))
    run = PaperRun(surge, above_after(30), settings=NO_FORECAST).until(Phase.WALK)
    assert run.said(CueKind.WALK)[0][1].reason is Reason.PLANNED


def test_three_runs_cut_short_make_the_plan_honest() -> None:
    run = PaperRun(four_one(), above_after(140)).go(900)
    assert run.said(CueKind.RATIO)[0][1].reason is Reason.HEART_RATE_CEILING
    assert run.ratio[0] % 5 == 0


def test_runs_cut_at_their_floor_are_told_once_what_helps() -> None:
    run = PaperRun(four_one(), above_after(40)).go(2500)
    assert [c.say for _, c in run.said(CueKind.TIP)] == ["Jog slower."]


def test_after_a_cut_run_the_walk_may_be_shorter_when_recovered() -> None:
    run = PaperRun(four_one(), above_after(100)).until(Phase.WALK).until(Phase.RUN)
    assert 30 <= run.lengths_s(Phase.WALK)[0] < 60


def test_after_a_full_run_the_walk_is_never_shorter_than_planned() -> None:
    run = PaperRun(four_one(), above_after(400)).go(1500)
    assert min(run.lengths_s(Phase.WALK)) == 60.0


# -- walks too short to judge singly --


def drifting(per_cycle_bpm: float, from_bpm: float = 110):
    cycle = [0]

    def heart(phase: Phase, elapsed_s: float) -> float:
        cycle[0] += phase is Phase.RUN and elapsed_s == 1
        return from_bpm + per_cycle_bpm * cycle[0] + (12 if phase is Phase.RUN else 0)

    return heart


def test_short_walks_that_drift_up_are_doubled() -> None:
    run = PaperRun(run_walk(30, 30, total_s=3000), drifting(2.5)).go(620)
    assert run.ratio == (30.0, 60.0)
    assert run.said(CueKind.RATIO)[0][1].reason is Reason.TREND


def test_steady_short_walks_stay_as_planned() -> None:
    run = PaperRun(run_walk(30, 30, total_s=3000), drifting(0)).go(2000)
    assert run.ratio == (30.0, 30.0)


def test_no_short_walk_ends_near_the_ceiling() -> None:
    run = PaperRun(run_walk(30, 30, total_s=3000), lambda *_: 148).go(240)
    assert run.said(CueKind.EXTEND_WALK)[0][1].reason is Reason.HEART_RATE_CEILING


def test_short_walks_that_had_to_be_longer_twice_stay_longer() -> None:
    run = PaperRun(run_walk(30, 30, total_s=3000), lambda phase, t: 142 if phase is Phase.RUN else 152 - t / 5)
    run.until(Phase.WALK).until(Phase.WALK).until(Phase.RUN)
    assert [cue.for_s for _, cue in run.said(CueKind.EXTEND_WALK)] == [15.0, 15.0]
    assert run.ratio == (30.0, 45.0)


def test_short_walks_come_back_only_where_there_is_room_below_the_ceiling() -> None:
    """Walks that end at 143 with a ceiling of 150 are not made shorter, however steady they are."""
    run = PaperRun(run_walk(30, 30, total_s=6000), lambda phase, t: 142 if phase is Phase.RUN else 152 - t / 5)
    run.until(Phase.WALK).until(Phase.WALK).until(Phase.RUN)
    assert run.ratio == (30.0, 45.0)
    run.heart = lambda *_: 142
    assert run.go(1500).ratio == (30.0, 45.0)


# -- the cap --


@pytest.mark.parametrize(
    ("planned_s", "cap_s"), [(30, 75), (45, 90), (60, 120), (90, 180), (120, 210), (180, 210), (240, 270)]
)
def test_the_cap_grows_with_the_planned_walk(planned_s: float, cap_s: float) -> None:
    assert walk_cap_s(planned_s) == cap_s


# -- effort --


def in_walk(run: PaperRun, after_s: int = 20) -> PaperRun:
    return run.until(Phase.WALK).go(after_s)


def test_effort_on_target_changes_nothing() -> None:
    run = in_walk(PaperRun(four_one(), recovering()))
    run.effort(6)
    run.until(Phase.RUN)
    assert run.lengths_s(Phase.WALK) == [60.0]


def test_one_over_in_a_walk_makes_it_fifteen_seconds_longer() -> None:
    run = in_walk(PaperRun(four_one(), recovering()))
    step = run.effort(7)
    assert [(c.kind, c.reason, c.for_s) for c in step.cues] == [(CueKind.EXTEND_WALK, Reason.RPE_HIGH, 15)]
    run.until(Phase.RUN)
    assert run.lengths_s(Phase.WALK) == [75.0]


def test_one_over_late_in_a_walk_counts_for_the_next() -> None:
    run = in_walk(PaperRun(four_one(), recovering()), 55)
    run.effort(7)
    run.until(Phase.WALK).until(Phase.RUN)
    assert run.lengths_s(Phase.WALK) == [60.0, 75.0]


def test_effort_adds_thirty_seconds_at_most() -> None:
    run = PaperRun(four_one(), recovering(run_bpm=149))
    for _ in range(5):
        in_walk(run).effort(7)
    assert run.ratio[1] == 90.0


def test_two_over_also_shortens_the_run() -> None:
    run = in_walk(PaperRun(four_one(), recovering()))
    run.effort(8)
    assert run.ratio == (192.0, 75.0)


def test_effort_nine_while_running_gives_a_walk_at_once() -> None:
    run = PaperRun(four_one(), recovering()).until(Phase.RUN).go(50)
    step = run.effort(9)
    assert step.phase is Phase.WALK
    assert [c.reason for c in step.cues] == [Reason.RPE_LIMIT]


def test_effort_nine_in_a_walk_extends_it_and_shortens_the_next_run() -> None:
    run = in_walk(PaperRun(four_one(), recovering()))
    step = run.effort(9)
    assert step.cues[0].reason is Reason.RPE_LIMIT
    assert run.ratio == (192.0, 75.0)


def test_two_reports_in_a_row_over_target_shorten_once_more_and_only_once() -> None:
    run = PaperRun(four_one(), recovering(run_bpm=140))
    for _ in range(3):
        in_walk(run).effort(7)
    assert run.ratio[0] == 192.0


def test_hard_plans_may_feel_hard() -> None:
    run = in_walk(PaperRun(four_one(rpe_target=(7.0, 8.0)), recovering()))
    run.effort(7)
    assert run.ratio == (240.0, 60.0)


def test_after_effort_over_target_nothing_is_restored_without_a_new_report() -> None:
    run = in_walk(PaperRun(four_one(), recovering(run_bpm=140)))
    run.effort(7)
    run.go(1200)
    assert run.ratio[1] == 75.0


def test_after_a_report_on_target_the_plan_comes_back() -> None:
    run = in_walk(PaperRun(four_one(), recovering(run_bpm=140)))
    run.effort(7)
    run.until(Phase.RUN)
    run.effort(5)
    run.go(1200)
    assert run.ratio == (240.0, 60.0)


def test_high_heart_rate_and_high_effort_extend_and_shorten() -> None:
    run = in_walk(PaperRun(four_one(), stubborn()), 20)
    run.effort(8)
    run.until(Phase.RUN)
    assert run.lengths_s(Phase.WALK)[0] > 75
    assert run.ratio[0] < 240


# -- no adaptation --


def test_the_fixed_policy_follows_the_clock_whatever_the_heart_does() -> None:
    settings = Control(policy=PolicyName.FIXED, tips=False, rpe_prompts=False)
    run = PaperRun(four_one(), stubborn(run_bpm=160), settings=settings).go(1400)
    assert set(run.lengths_s(Phase.RUN)) == {240.0}
    assert set(run.lengths_s(Phase.WALK)) == {60.0}


def test_the_fixed_policy_still_measures_recovery() -> None:
    settings = Control(policy=PolicyName.FIXED)
    run = PaperRun(four_one(), recovering(), settings=settings).until(Phase.WALK).go(50)
    assert run.steps[-1].estimate.recovered is True


def test_effort_nine_shortens_hard_plans_too() -> None:
    run = in_walk(PaperRun(four_one(rpe_target=(7.0, 8.0)), recovering()))
    run.effort(9)
    assert run.ratio[0] == 192.0


def test_effort_shortens_the_run_once_per_cycle() -> None:
    run = in_walk(PaperRun(four_one(), recovering()))
    run.effort(8)
    run.go(3)
    run.effort(8)
    assert run.ratio[0] == 192.0
