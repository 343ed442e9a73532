"""Which ratio keeps a runner under the ceiling: the answer, its uncertainty and its words."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from msgspec.structs import replace

from hrbridge.config import Block, Control, Plan, PolicyName, Runner, Segment, SegmentKind
from hrbridge.control.controller import Controller
from hrbridge.decisions import CueKind
from hrbridge.events import Action, Command, Sample, Tick
from hrbridge.runner_file import Body, Kinetics, RunnerFile, Spread
from hrbridge.studies.advise import HOUR_S, LIKELY, REACTION_S, RUNNERS, WARMUP_S, Advice, advise, in_words, is_running

SOMEBODY = RunnerFile(
    runner=Body(max_heart_rate_bpm=180, resting_heart_rate_bpm=60, run_speed_m_s=1.8, walk_speed_m_s=1.4),
    model=Kinetics(
        vo2max_ml_kg_min=38,
        exponent=0.8,
        delay_s=5,
        tau_on_s=13,
        tau_off_s=30,
        tau_slow_s=240,
        fast_share=0.72,
        drift_bpm_per_10_min=3,
    ),
    sd=Spread(vo2max_ml_kg_min=1.0, tau_off_s=3, day_bpm=3),
)
FAST = replace(SOMEBODY, runner=replace(SOMEBODY.runner, run_speed_m_s=2.4))


@cache
def advised(ceiling_bpm: float, who: str = "somebody", seed: int = 1) -> Advice:
    return advise({"somebody": SOMEBODY, "fast": FAST}[who], ceiling_bpm, seed)


def said(advice: Advice) -> str:
    return "\n".join(in_words(advice, lambda speed_m_s: f"{speed_m_s:.2f} m/s"))


@pytest.mark.parametrize(("run_s", "walk_s"), [(120, 60), (30, 90)])
def test_the_clock_tells_what_the_controller_would(run_s: int, walk_s: int) -> None:
    segments = (Segment(kind=SegmentKind.RUN, for_s=run_s), Segment(kind=SegmentKind.WALK, for_s=walk_s))
    plan = Plan(name="p", warmup_s=WARMUP_S, total_s=HOUR_S - WARMUP_S, block=(Block(segments=segments),))
    runner = Runner(max_heart_rate_bpm=180, resting_heart_rate_bpm=60)
    controller = Controller(plan, runner, Control(policy=PolicyName.FIXED, rpe_prompts=False))
    controller.step(Command(0, Action.START))
    running, heard = False, np.zeros(HOUR_S, dtype=bool)
    turns: dict[int, bool] = {}
    for at_s in range(1, HOUR_S):
        for step in (controller.step(Sample(at_s, 120 + 20 * running)), controller.step(Tick(at_s))):
            for cue in step.cues:
                if cue.kind in (CueKind.RUN, CueKind.WALK):
                    turns[at_s + REACTION_S] = cue.kind is CueKind.RUN
        running = turns.get(at_s, running)
        heard[at_s] = running
    # The last walk before the end may differ: the controller does not begin a stump of a run.
    until_s = HOUR_S - run_s - walk_s
    assert np.array_equal(heard[:until_s], is_running(run_s, walk_s)[:until_s])


def test_the_answer_is_the_likely_ratio_with_the_least_walking() -> None:
    advice = advised(150)
    assert advice.best is not None
    assert advice.best.holds >= LIKELY
    assert max(each.running for each in advice.ratios if each.holds >= LIKELY) == advice.best.running


def test_a_lower_ceiling_means_more_walking() -> None:
    shares = [best.running for ceiling in (140, 150, 179) if (best := advised(ceiling).best) is not None]
    assert len(shares) == 3
    assert shares == sorted(shares)
    assert shares[0] < shares[2]


def test_a_longer_run_is_kept_in_fewer_hours() -> None:
    holds = {(each.run_s, each.walk_s): each.holds for each in advised(150).ratios}
    assert holds[(30, 60)] >= holds[(60, 60)] >= holds[(900, 60)]
    assert holds[(30, 60)] >= holds[(30, 30)] > holds[(300, 30)]


def test_the_range_holds_the_median() -> None:
    assert all(each.low_s <= each.above_s <= each.high_s for each in advised(150).ratios)


def test_the_neighbours_are_one_step_of_the_watch_away() -> None:
    advice = advised(150)
    assert advice.best == advice.shown
    assert 1 < len(advice.neighbours) <= 4
    for each in advice.neighbours:
        assert (each.run_s == advice.shown.run_s) is not (each.walk_s == advice.shown.walk_s)


def test_who_is_sure_of_a_day_is_surer_of_the_answer() -> None:
    sure = replace(SOMEBODY, sd=Spread())
    assert {each.holds for each in advise(sure, 150).ratios} <= {0.0, 1.0}


def test_who_is_sure_of_all_but_the_day_is_unsure_by_the_day() -> None:
    advice = advise(replace(SOMEBODY, sd=Spread(day_bpm=8)), 150)
    assert len({each.holds for each in advice.ratios}) > 3
    low_bpm, _, high_bpm = advice.heart_rate_bpm
    assert high_bpm[60] - low_bpm[60] == pytest.approx(2 * 1.28 * 8, rel=0.05)


def test_the_same_seed_gives_the_same_answer() -> None:
    first, again = advised(150), advise(SOMEBODY, 150, 1)
    assert again.ratios == first.ratios
    assert np.array_equal(again.heart_rate_bpm, first.heart_rate_bpm)


def test_another_seed_gives_other_days() -> None:
    assert advised(150, seed=2).ratios != advised(150).ratios


def test_the_hour_that_is_shown_has_every_second_and_a_band() -> None:
    low_bpm, median_bpm, high_bpm = advised(150).heart_rate_bpm
    assert len(median_bpm) == HOUR_S + 1
    assert (low_bpm <= median_bpm).all()
    assert (median_bpm <= high_bpm).all()


def test_the_words_name_the_ratio_the_seconds_and_how_sure_it_is() -> None:
    best = advised(140).best
    assert best is not None
    assert (best.run_s, best.walk_s) == (30, 60)
    assert said(advised(140)).startswith(
        f"Run 30 s, walk 1 min: 140 is passed for {best.above_s} s ({best.low_s} to {best.high_s}) in an hour, "
        f"and kept in {round(RUNNERS * best.holds)} of 100 such hours."
    )


def test_a_high_ceiling_needs_no_walking() -> None:
    assert said(advised(179)) == (
        "Run without a break: 179 is passed for 0 s (0 to 0) in an hour, and kept in 100 of 100 such hours."
    )


def test_where_this_pace_is_too_fast_a_slower_one_is_told() -> None:
    advice = advised(140, "fast")
    assert advice.best is None
    assert advice.slower_m_s is not None
    assert 1.6 <= advice.slower_m_s < 2.4
    assert advice.shown == advice.slower
    assert advice.shown in advice.ratios
    assert advice.shown_m_s == advice.slower_m_s
    assert said(advice).startswith(
        f"At 2.40 m/s no ratio is likely to stay under 140 for an hour.\n"
        f"Slower running helps. At {advice.slower_m_s:.2f} m/s, run"
    )


def test_where_walking_alone_reaches_the_ceiling_it_is_said_kindly() -> None:
    advice = advised(95)
    assert advice.walking.holds < LIKELY
    assert said(advice).endswith("A higher ceiling, or a slower walk, leaves room for running.")


def test_where_there_is_hardly_room_for_running_walking_is_praised() -> None:
    advice = advised(125)
    assert advice.best is None
    assert advice.slower is None
    assert "What helps is brisk walking with a little running on days that feel easy, or a higher ceiling." in said(
        advice
    )


@pytest.mark.parametrize("ceiling_bpm", [95, 125, 140, 150, 179])
def test_no_word_is_negative(ceiling_bpm: float) -> None:
    text = said(advised(ceiling_bpm)).lower()
    assert not any(word in text for word in ("too ", "fail", "bad", "cannot", "impossible", "danger", "wrong", "never"))
