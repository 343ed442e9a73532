"""Running under a ceiling: how high it is, what brings the walk early, and what a run that was cut short changes."""

from __future__ import annotations

import pytest

from hrbridge.config import Block, Control, Plan, PolicyName, Purpose, Runner, Segment
from hrbridge.control.adaptation import ceiling_bpm
from hrbridge.decisions import CueKind, Phase, Reason
from hrbridge.events import Action

from .conftest import Heart, PaperRun, recovering, rising, run_walk, stubborn

RUNNER = Runner(max_heart_rate_bpm=180, resting_heart_rate_bpm=60)
# Only what stands above the ceiling counts, not what is foreseen; and the ready line below what walks bring here.
STANDING = Control(tips=False, rpe_prompts=False, ceiling_forecast_margin_bpm=20, ready_hrr=0.5)


def surges(surge_s: float, run_s: float, walk_s: float, **keys: object) -> Plan:
    kinds = {"surge": surge_s, "run": run_s, "walk": walk_s}
    segments = tuple(Segment(kind, for_s=for_s) for kind, for_s in kinds.items())
    return run_walk(60, block=(Block(segments=segments),), **{"total_s": 4000, **keys})


# -- how high --


@pytest.mark.parametrize(
    ("purpose", "run_s", "walk_s", "expected_bpm"),
    [
        (Purpose.EASY, 240, 60, 150),  # 60 + 0.75 x 120
        (Purpose.LONG, 240, 60, 150),
        (Purpose.RECOVERY, 240, 60, 150),
        (Purpose.TEMPO, 240, 60, 150),
        (Purpose.RETURN, 240, 60, 144),  # 0.70
        (Purpose.RACE, 240, 60, 168),  # 0.90
        (Purpose.EASY, 60, 60, 150),
        (Purpose.EASY, 60, 120, 144),  # a first plan: more walking than running
        (Purpose.RACE, 60, 120, 144),
    ],
)
def test_each_purpose_has_its_ceiling(purpose: Purpose, run_s: float, walk_s: float, expected_bpm: float) -> None:
    assert ceiling_bpm(RUNNER, run_walk(run_s, walk_s, purpose=purpose), Control()) == pytest.approx(expected_bpm)


@pytest.mark.parametrize("settings", [Control(heart_rate_ceiling_bpm=160), Control(heart_rate_ceiling_hrr=10 / 12)])
def test_a_ceiling_of_ones_own_counts_more_than_the_purpose(settings: Control) -> None:
    assert ceiling_bpm(RUNNER, run_walk(60, 120, purpose=Purpose.RETURN), settings) == pytest.approx(160)


def test_the_ceiling_is_ten_higher_in_a_surge_and_for_half_a_minute_after_it() -> None:
    run = PaperRun(surges(60, 120, 60), recovering()).until(Phase.WALK)
    seen = {s.at_s - 120: s.estimate.ceiling_bpm for s in run.steps if s.phase in (Phase.SURGE, Phase.RUN)}
    assert [seen[s] for s in (30, 59, 61, 90, 91, 150)] == [160, 160, 160, 160, 150, 150]


def test_what_a_surge_leaves_behind_is_no_reason_to_walk_for_half_a_minute() -> None:
    """At 156 from the surge on: above the ceiling of the run, below that of the surge."""
    run = PaperRun(surges(60, 120, 60), lambda phase, _: 156 if phase is not Phase.WALK else 120, settings=STANDING)
    run.until(Phase.WALK)
    # Thirty seconds of allowance, ten above the ceiling, and one to notice the first of them.
    assert run.lengths_s(Phase.RUN)[0] == 41


# -- "A little slower." --


@pytest.mark.parametrize(("bpm", "times"), [(140, 0), (142, 1), (148, 1)])
def test_eight_below_the_ceiling_the_runner_is_asked_to_slow_down(bpm: float, times: int) -> None:
    run = PaperRun(run_walk(240, 60), lambda phase, t: rising(110, bpm, t) if phase is Phase.RUN else 110)
    run.until(Phase.RUN).go(200)
    assert len(run.said(CueKind.EASE_RUN)) == times


def test_in_a_surge_the_runner_is_asked_eight_below_its_own_ceiling() -> None:
    run = PaperRun(surges(120, 60, 60), lambda phase, _: 149 if phase is Phase.SURGE else 110).until(Phase.SURGE)
    assert run.go(110).said(CueKind.EASE_RUN) == []


def test_the_runner_is_asked_once_for_a_surge_and_the_run_after_it() -> None:
    run = PaperRun(surges(60, 60, 60), lambda phase, _: 154 if phase is Phase.SURGE else 146).until(Phase.SURGE)
    assert len(run.go(118).said(CueKind.EASE_RUN)) == 1


# -- the walk comes early --


def steady(bpm: float) -> Heart:
    return lambda phase, _: bpm if phase is not Phase.WALK else 110


@pytest.mark.parametrize(("bpm", "cut"), [(149, False), (151, True)])
def test_a_run_may_stand_at_the_ceiling_and_not_above_it(bpm: float, cut: bool) -> None:
    run = PaperRun(run_walk(240, 60), steady(bpm), settings=STANDING).until(Phase.WALK)
    assert (run.lengths_s(Phase.RUN)[0] < 240) is cut


def up_and_down(above_s: float) -> Heart:
    """So long above the ceiling, once in the run."""
    return lambda phase, t: (156 if 60 < t <= 60 + above_s else 148) if phase is Phase.RUN else 110


@pytest.mark.parametrize(("above_s", "cut"), [(9, False), (13, True)])
def test_ten_seconds_above_are_needed(above_s: float, cut: bool) -> None:
    run = PaperRun(run_walk(240, 60), up_and_down(above_s), settings=STANDING).until(Phase.WALK)
    assert (run.lengths_s(Phase.RUN)[0] < 240) is cut


@pytest.mark.parametrize(("margin_bpm", "reason"), [(0, Reason.FORECAST_CEILING), (20, Reason.PLANNED)])
def test_the_margin_says_how_early(margin_bpm: float, reason: Reason) -> None:
    settings = Control(tips=False, ceiling_forecast_margin_bpm=margin_bpm)

    def rises(phase: Phase, elapsed_s: float) -> float:
        """To the ceiling within four minutes and no farther."""
        return min(149, 120 + elapsed_s / 6) if phase is Phase.RUN else 110

    run = PaperRun(run_walk(240, 60), rises, settings=settings).until(Phase.WALK)
    assert run.said(CueKind.WALK)[0][1].reason is reason


@pytest.mark.parametrize(("settings", "most_bpm"), [(Control(), 150), (Control(ceiling_forecast_margin_bpm=3), 153)])
def test_the_walk_comes_when_the_forecast_that_is_told_is_above_the_ceiling_and_not_before(
    settings: Control, most_bpm: float
) -> None:
    def rises(phase: Phase, elapsed_s: float) -> float:
        return 120 + elapsed_s / 3 if phase is Phase.RUN else 110

    cut_s = PaperRun(run_walk(240, 60), rises, settings=settings).until(Phase.WALK).lengths_s(Phase.RUN)[0]
    uncut = PaperRun(run_walk(240, 60), rises, settings=STANDING).until(Phase.RUN).go(100)
    told = {step.phase_elapsed_s: step.estimate.forecast_bpm for step in uncut.steps if step.phase is Phase.RUN}
    assert cut_s == min(s for s, bpm in told.items() if bpm > most_bpm)


def test_a_larger_margin_never_makes_a_run_shorter() -> None:
    def rises(phase: Phase, elapsed_s: float) -> float:
        return 120 + elapsed_s / 4 if phase is Phase.RUN else 110

    lengths = []
    for margin_bpm in (0, 2, 5, 10, 20):
        settings = Control(tips=False, ceiling_forecast_margin_bpm=margin_bpm)
        lengths.append(PaperRun(run_walk(240, 60), rises, settings=settings).until(Phase.WALK).lengths_s(Phase.RUN)[0])
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]


def test_a_run_that_has_been_counted_down_ends_as_counted() -> None:
    """Ten seconds above the ceiling are over two seconds before the end."""
    run = PaperRun(
        run_walk(120, 60), lambda phase, t: 160 if phase is Phase.RUN and t > 102 else 110, settings=STANDING
    )
    assert run.until(Phase.WALK).said(CueKind.WALK)[0][1].reason is Reason.PLANNED


def test_the_walk_of_a_run_that_was_cut_short_says_why() -> None:
    run = PaperRun(run_walk(240, 60), steady(156), settings=STANDING).until(Phase.WALK)
    assert run.said(CueKind.WALK)[0][1].say == "High enough. Walk one minute."


def test_a_low_heart_rate_never_makes_a_run_longer() -> None:
    run = PaperRun(run_walk(60, 60, total_s=2000), lambda *_: 90).go(2000)
    assert max(run.lengths_s(Phase.RUN)) == 60


# -- the walk after a run that was cut short --


def too_high_after(seconds: float, walk: Heart | None = None) -> Heart:
    """Low enough for so long, then well above the ceiling; ``walk`` is the heart of the walks."""

    def heart(phase: Phase, elapsed_s: float) -> float | None:
        if phase is Phase.WALK:
            return walk(phase, elapsed_s) if walk is not None else max(100, 156 - 2 * elapsed_s)
        return 156 if phase is not Phase.WARMUP and elapsed_s > seconds else 110

    return heart


def cut(after_s: float, plan: Plan, walk: Heart | None = None, settings: Control = STANDING) -> PaperRun:
    """One run that is cut short about twenty seconds after ``after_s``, and its walk."""
    return PaperRun(plan, too_high_after(after_s, walk), settings=settings).until(Phase.WALK).until(Phase.RUN)


def test_after_a_cut_run_the_recovered_walk_may_end_early() -> None:
    assert cut(100, run_walk(240, 90)).lengths_s(Phase.WALK)[0] < 60


def test_it_ends_with_five_seconds_of_notice() -> None:
    run = cut(100, run_walk(240, 90))
    early_s, notice = run.said(CueKind.COUNTDOWN)[-1]
    assert (run.said(CueKind.RUN)[-1][0] - early_s, notice.for_s) == (5, 5)
    assert notice.say.endswith("Run in five seconds.")


@pytest.mark.parametrize("after_s", [100, 130, 160, 190])
def test_it_has_the_planned_share_of_walking_for_the_run_that_was_done(after_s: float) -> None:
    run = cut(after_s, run_walk(240, 120))
    assert run.lengths_s(Phase.WALK)[0] == pytest.approx(run.lengths_s(Phase.RUN)[0] / 240 * 120, abs=1)


def test_it_has_thirty_seconds_at_least() -> None:
    run = cut(60, run_walk(240, 60), lambda _, t: max(100, 156 - 4 * t))
    assert run.lengths_s(Phase.RUN)[0] / 240 * 60 < 25
    assert run.lengths_s(Phase.WALK)[0] == 30


@pytest.mark.parametrize(("after_s", "early"), [(20, False), (60, True)])
def test_it_needs_a_quarter_of_the_planned_run(after_s: float, early: bool) -> None:
    run = cut(after_s, run_walk(240, 60))
    assert (run.lengths_s(Phase.RUN)[0] >= 60) is early
    assert (run.lengths_s(Phase.WALK)[0] < 60) is early


@pytest.mark.parametrize(("walk_s", "early"), [(90, True), (120, False), (180, False)])
def test_it_is_only_for_plans_that_run_longer_than_they_walk(walk_s: float, early: bool) -> None:
    plan = run_walk(120, walk_s, purpose=Purpose.EASY)
    settings = Control(tips=False, ceiling_forecast_margin_bpm=20, heart_rate_ceiling_bpm=150)
    assert (cut(60, plan, settings=settings).lengths_s(Phase.WALK)[0] < walk_s) is early


@pytest.mark.parametrize(("walking_bpm", "early"), [(140, [Reason.HEART_RATE_CEILING]), (141, [])])
def test_not_recovered_it_ends_early_only_ten_below_the_ceiling(walking_bpm: float, early: list[Reason]) -> None:
    """So much of a drop is asked for that nobody recovers."""
    settings = Control(tips=False, ceiling_forecast_margin_bpm=20, ready_hrr=0.4, min_drop_bpm=35, max_drop_bpm=35)
    run = PaperRun(run_walk(240, 60), too_high_after(100, lambda *_: walking_bpm), settings=settings).until(Phase.WALK)
    run.go(60)
    assert [cue.reason for _, cue in run.said(CueKind.COUNTDOWN) if cue.for_s == 5] == early


def test_in_a_surge_cycle_surge_and_run_count_together() -> None:
    run = cut(60, surges(60, 180, 120))
    done_s = run.lengths_s(Phase.SURGE)[0] + run.lengths_s(Phase.RUN)[0]
    assert run.lengths_s(Phase.WALK)[0] == pytest.approx(done_s / 240 * 120, abs=1)


def test_a_surge_that_is_cut_short_leads_to_the_walk_and_not_to_its_run() -> None:
    run = PaperRun(surges(120, 120, 60), lambda phase, _: 165 if phase is Phase.SURGE else 110, settings=STANDING)
    run.until(Phase.WALK)
    assert run.lengths_s(Phase.RUN) == []


def test_effort_keeps_the_walk_of_a_cut_run_whole() -> None:
    run = PaperRun(run_walk(240, 60), too_high_after(100), settings=STANDING).until(Phase.WALK).go(10)
    run.effort(7)
    assert run.until(Phase.RUN).lengths_s(Phase.WALK) == [75]


# -- the walk after a run that is shorter for the ceiling's sake --

# Nobody recovers, so the walk can only end early at ten below the ceiling.
NEVER_RECOVERED = Control(tips=False, rpe_prompts=False, ready_hrr=0.4, min_drop_bpm=35, max_drop_bpm=35)


def shortened(heart: Heart, settings: Control) -> PaperRun:
    """Three runs of four minutes cut short; from the third walk on another heart, to the end of the next whole run."""
    run = PaperRun(run_walk(240, 60, total_s=9000), too_high_after(140), settings=settings)
    for _ in range(3):
        run.until(Phase.WALK)
    run.heart = heart
    run.until(Phase.RUN).until(Phase.WALK)
    assert run.lengths_s(Phase.RUN)[-1] == run.ratio[0] < 240
    return run


@pytest.mark.parametrize(
    ("walking_bpm", "settings", "walk_s"),
    [(100, STANDING, 39), (140, NEVER_RECOVERED, 37), (141, NEVER_RECOVERED, 120)],
)
def test_the_walk_after_a_run_that_is_shorter_for_the_ceiling_may_end_early(
    walking_bpm: float, settings: Control, walk_s: float
) -> None:
    """Recovered after 155 s of four minutes (38.75 s), ten below the ceiling after 145 (36.25), or not."""
    run = shortened(lambda phase, t: walking_bpm if phase is Phase.WALK else rising(110, 140, t), settings)
    assert run.until(Phase.RUN).lengths_s(Phase.WALK)[-1] == walk_s


def test_it_says_that_it_ends_for_the_ceiling() -> None:
    run = shortened(lambda phase, t: 139 if phase is Phase.WALK else rising(110, 140, t), NEVER_RECOVERED)
    said = [run.until(Phase.RUN).said(kind)[-1][1].reason for kind in (CueKind.COUNTDOWN, CueKind.RUN)]
    assert said == [Reason.HEART_RATE_CEILING, Reason.HEART_RATE_CEILING]


@pytest.mark.parametrize(("from_run_s", "walk_s"), [(227, 40), (240, 60)])
def test_it_may_not_once_the_run_is_back_at_the_plan(from_run_s: float, walk_s: float) -> None:
    """The runner walks after 160 s: two thirds of the plan, and of its minute while the ceiling keeps runs short."""
    run = shortened(recovering(140, 100), STANDING)
    while run.ratio[0] < from_run_s:
        run.until(Phase.RUN)
    run.go(160).command(Action.WALK)
    assert run.until(Phase.RUN).lengths_s(Phase.WALK)[-1] == walk_s


def test_the_walk_after_a_run_that_is_shorter_for_recovery_is_whole() -> None:
    run = PaperRun(run_walk(240, 60, total_s=6000), stubborn()).until(Phase.WALK).until(Phase.RUN)
    run.heart = recovering(135, 100)
    run.until(Phase.WALK).until(Phase.RUN)
    assert (run.lengths_s(Phase.RUN), run.lengths_s(Phase.WALK)) == ([240, 192], [120, 120])


def test_it_is_whole_for_recovery_also_after_the_ceiling_has_had_its_turn() -> None:
    run = shortened(recovering(140, 100), STANDING)
    while run.ratio[0] < 240:
        run.until(Phase.RUN)
    run.heart = stubborn()
    run.until(Phase.WALK).until(Phase.RUN)
    run.heart = recovering(135, 100)
    run.until(Phase.WALK).until(Phase.RUN)
    assert (run.lengths_s(Phase.RUN)[-1], run.lengths_s(Phase.WALK)[-1]) == (192, 120)


# -- three runs cut short --


def cycles(n: int, heart: Heart, plan: Plan | None = None) -> PaperRun:
    """So many runs with their walks, and the first step of the next run."""
    run = PaperRun(plan or run_walk(240, 60, total_s=6000), heart, settings=STANDING)
    for _ in range(n + 1):
        run.until(Phase.RUN)
    return run


def test_two_runs_cut_short_change_nothing() -> None:
    assert cycles(2, too_high_after(140)).ratio[0] == 240


def test_three_make_the_run_what_it_really_was_in_steps_of_five_seconds() -> None:
    run = cycles(3, too_high_after(140))
    assert run.lengths_s(Phase.RUN) == [156, 156, 156]
    assert run.ratio[0] == 155


def test_it_is_the_shortest_of_the_three_that_counts() -> None:
    number = [-1]

    def heart(phase: Phase, elapsed_s: float) -> float | None:
        number[0] += phase is Phase.RUN and elapsed_s == 1
        return too_high_after((190, 130, 160)[number[0] % 3])(phase, elapsed_s)

    run = cycles(3, heart)
    assert run.lengths_s(Phase.RUN) == [206, 146, 176]
    assert run.ratio[0] == 145


def test_a_full_run_between_begins_the_count_anew() -> None:
    number = [0]

    def heart(phase: Phase, elapsed_s: float) -> float | None:
        number[0] += phase is Phase.RUN and elapsed_s == 1
        return too_high_after(400 if number[0] == 3 else 140)(phase, elapsed_s)

    assert cycles(5, heart).ratio[0] == 240


def test_the_honest_ratio_is_said_once_with_its_reason() -> None:
    run = cycles(6, too_high_after(140))
    assert [cue.reason for _, cue in run.said(CueKind.RATIO)] == [Reason.HEART_RATE_CEILING]


@pytest.mark.parametrize(("after_s", "run_s"), [(30, 72), (60, 75)])
def test_the_honest_ratio_has_the_floor_of_every_run(after_s: float, run_s: float) -> None:
    """Three tenths of four minutes; what is just above stays as it was."""
    assert cycles(3, too_high_after(after_s)).ratio[0] == run_s


def test_what_helps_at_the_floor_is_said_once() -> None:
    run = cycles(12, too_high_after(20))
    assert [cue.say for _, cue in run.said(CueKind.TIP)] == ["Jog slower."]


def test_a_surge_cycle_cut_three_times_becomes_honest_as_a_whole() -> None:
    run = PaperRun(surges(60, 180, 60), too_high_after(60), settings=STANDING)
    for _ in range(4):
        run.until(Phase.SURGE)
    done_s = [s + r for s, r in zip(run.lengths_s(Phase.SURGE), run.lengths_s(Phase.RUN), strict=True)]
    assert run.ratio[0] == 5 * (min(done_s) // 5)


def test_nothing_comes_back_after_a_run_that_was_cut_short() -> None:
    """Foreseen, and so cut well below the ceiling: run-end and recovery are good, twelve times."""

    def heart(phase: Phase, elapsed_s: float) -> float:
        if phase is Phase.WALK:
            return max(100, 146 - 2 * elapsed_s)
        return 110 + 0.6 * max(elapsed_s - 40, 0) if phase is Phase.RUN else 110

    run = PaperRun(run_walk(240, 60, total_s=6000), heart, settings=Control(tips=False, rpe_prompts=False))
    for _ in range(13):
        run.until(Phase.RUN)
    assert [cue.reason for _, cue in run.said(CueKind.RATIO)] == [Reason.HEART_RATE_CEILING]


def test_a_cut_run_and_a_walk_that_fails_change_a_cycle_once() -> None:
    """Three runs cut short, and every walk of them comes down too late and too little."""

    def late(_: Phase, elapsed_s: float) -> float:
        return max(143, 152 - 2 * max(elapsed_s - 106, 0))

    run = PaperRun(run_walk(240, 60, total_s=6000), too_high_after(140, late), settings=STANDING)
    changes = []
    for _ in range(4):
        run.until(Phase.RUN)
        first = len(run.steps)
        run.until(Phase.WALK).go(119)
        changes.append(len({step.ratio.run_s for step in run.steps[first:]}) - 1)
    run.until(Phase.RUN)
    assert max(changes) == 1


# -- the fixed policy --


def test_the_fixed_policy_has_no_ceiling() -> None:
    fixed = Control(policy=PolicyName.FIXED, tips=False)
    assert PaperRun(run_walk(240, 60), steady(165), settings=fixed).until(Phase.WALK).lengths_s(Phase.RUN) == [240]
