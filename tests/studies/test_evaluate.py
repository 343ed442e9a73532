"""What each figure counts, on walks made by hand; and that it makes no difference who computes."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from math import isnan, nan
from multiprocessing import get_context

import msgspec
import numpy as np
import pytest

from hrbridge.config import PolicyName, Runner
from hrbridge.decisions import Cue, CueKind, Estimate, Phase, Ratio, Reason, Step
from hrbridge.events import Tick
from hrbridge.studies.evaluate import FIGURES, Evaluation, Hour, evaluate, hour, medians_bpm, summary, walks
from hrbridge.studies.population import Diary, Work

# Ceiling 150, ready line 138; without a warm-up a walk must bring 12 bpm at 60 s, 13.8 at 90 s.
RUNNER = Runner(max_heart_rate_bpm=180, resting_heart_rate_bpm=60)
WORK = Work(warmup_s=0.0, total_s=600)
PLANNED = Ratio(120, 60, 120, 60)
TIGHTER = Ratio(120, 60, 95, 60)
FIXED, ADAPTIVE = PolicyName.FIXED, PolicyName.ADAPTIVE
SMALL = Work(warmup_s=60.0, total_s=420, effort=0.7)


def cue(kind: CueKind, reason: Reason = Reason.PLANNED, for_s: float | None = None) -> Cue:
    return Cue(1, kind, reason, "", 5.0, for_s)


def told(at_s: float, cue: Cue, ratio: Ratio = PLANNED) -> Step:
    phase = {CueKind.WALK: Phase.WALK, CueKind.EXTEND_WALK: Phase.WALK}.get(cue.kind, Phase.RUN)
    elapsed_s = 50.0 if cue.kind is CueKind.EXTEND_WALK else 0.0
    return Step(Tick(at_s), phase, elapsed_s, 60.0, 1, 1, Estimate(), ratio, (cue,))


def walk(at_s: float = 120, *, ended_s: float = 180, extended_s: float = 0.0, cut: bool = False) -> list[Step]:
    """Run, walk as planned for a minute, made longer 12 s before its end or not, run."""
    steps = [told(at_s - 120, cue(CueKind.RUN))]
    steps += [told(at_s, cue(CueKind.WALK, Reason.HEART_RATE_CEILING if cut else Reason.PLANNED, 60.0))]
    if extended_s:
        steps += [told(at_s + 48, cue(CueKind.EXTEND_WALK, Reason.NOT_RECOVERED, extended_s))]
    return [*steps, told(ended_s, cue(CueKind.RUN, Reason.PLANNED))]


def heart(run_bpm: float, *points: tuple[float, float]) -> np.ndarray:
    """``run_bpm`` until the walk begins at 120 s, then straight from point to point (second, bpm)."""
    at_s, bpm = zip((0, run_bpm), (120, run_bpm), *points, strict=True)
    return np.interp(np.arange(601), at_s, bpm)


def figures(bpm: np.ndarray, steps: list[Step], running: np.ndarray | None = None) -> Hour:
    running = np.zeros(600, dtype=bool) if running is None else running
    return hour(Diary(RUNNER, bpm, running, tuple(steps)), WORK)


# -- above the ceiling --


def test_seconds_above_the_ceiling_are_counted_walking_or_running() -> None:
    bpm = np.full(601, 150.0)
    bpm[100:110] = 150.1
    assert figures(bpm, walk()).seconds_above_ceiling == 10


def test_overshoot_is_the_largest_median_of_five_seconds() -> None:
    bpm = np.full(601, 120.0)
    bpm[100:102] = 190  # two seconds are gone in the median
    bpm[300:310] = 157
    assert figures(bpm, walk()).overshoot_bpm == 7


def test_who_stays_below_has_no_overshoot() -> None:
    assert figures(np.full(601, 120.0), walk()).overshoot_bpm == 0


def test_the_median_is_of_the_last_five_seconds() -> None:
    assert list(medians_bpm(np.array([1.0, 1, 1, 9, 9, 9, 9]))) == [1, 1, 1, 1, 1, 9, 9]


def test_running_seconds_are_those_in_which_the_runner_runs() -> None:
    running = np.zeros(600, dtype=bool)
    running[10:130] = True
    assert figures(np.full(601, 120.0), walk(), running).running_s == 120


# -- walks --


@pytest.mark.parametrize(
    ("at_60_s", "recovered", "missed", "missed_at_all"),
    [(126.0, 1, 0, 0), (135.0, 1, 0, 0), (139.5, 0, 0, 1), (141.0, 0, 1, 1)],
)
def test_a_walk_of_the_planned_length_is_judged_at_its_end(
    at_60_s: float, recovered: float, missed: float, missed_at_all: float
) -> None:
    found = figures(heart(148, (175, at_60_s), (600, at_60_s)), walk())
    assert found.recovered == recovered
    assert found.missed_non_recoveries == missed
    assert found.missed_non_recoveries_at_all == missed_at_all
    assert found.false_extensions_at_all == 0


def test_a_drop_of_twelve_is_enough_above_the_ready_line() -> None:
    assert figures(heart(158, (175, 145.9), (600, 145.9)), walk()).recovered == 1
    assert figures(heart(158, (175, 146.1), (600, 146.1)), walk()).recovered == 0


def test_no_drop_is_enough_above_the_ceiling() -> None:
    assert figures(heart(178, (175, 151), (600, 151)), walk()).recovered == 0


@pytest.mark.parametrize(("at_60_s", "false", "false_at_all"), [(136.0, 1, 1), (137.0, 0, 1), (139.0, 0, 0)])
def test_an_extended_walk_is_judged_where_it_was_to_end(at_60_s: float, false: float, false_at_all: float) -> None:
    found = figures(
        heart(148, (175, at_60_s), (185, at_60_s), (205, 100), (600, 100)), walk(ended_s=210, extended_s=30)
    )
    assert found.false_extensions == false
    assert found.false_extensions_at_all == false_at_all
    assert found.missed_non_recoveries_at_all == 0
    assert found.recovered == 1


def test_recovered_is_judged_at_the_very_end_of_an_extended_walk() -> None:
    found = figures(heart(148, (175, 130), (180, 130), (200, 145), (600, 145)), walk(ended_s=210, extended_s=30))
    assert found.recovered == 0
    assert found.false_extensions == 1


def test_after_a_warm_up_the_requirement_goes_by_the_walking_heart_rate() -> None:
    # 30 bpm above the walking of the warm-up 10.3 are enough, where 12 are asked of strangers.
    bpm = np.interp(np.arange(601), [0, 60, 61, 180, 235, 600], [120, 120, 150, 150, 139, 139])
    known, unknown = (
        hour(Diary(RUNNER, bpm, np.zeros(600, dtype=bool), tuple(walk(180, ended_s=240))), work)
        for work in (Work(warmup_s=60.0, total_s=600), WORK)
    )
    assert known.recovered == 1
    assert unknown.recovered == 0


def test_the_share_is_of_all_walks() -> None:
    steps = [*walk(), *walk(300, ended_s=390, extended_s=30)]
    found = figures(heart(148, (175, 120), (600, 120)), steps)
    assert found.false_extensions == 0.5
    assert found.recovered == 1


def test_what_a_report_of_effort_adds_is_no_extension_for_heart_rate() -> None:
    wished = cue(CueKind.EXTEND_WALK, Reason.RPE_HIGH, 15.0)
    one = next(walks([(0, cue(CueKind.WALK, for_s=60.0)), (20, wished), (75, cue(CueKind.RUN))]))
    assert (one.due_s, one.ended_s, one.extended) == (75, 75, False)


def test_a_walk_that_is_held_without_a_word_was_made_longer() -> None:
    one = next(walks([(0, cue(CueKind.WALK, for_s=60.0)), (100, cue(CueKind.RUN, Reason.RECOVERED))]))
    assert (one.due_s, one.ended_s, one.extended) == (60, 100, True)


def test_a_walk_that_ends_early_is_judged_when_it_ends() -> None:
    one = next(walks([(0, cue(CueKind.WALK, for_s=60.0)), (40, cue(CueKind.RUN, Reason.RECOVERED))]))
    assert (one.due_s, one.ended_s, one.extended) == (40, 40, False)


def test_a_walk_before_an_easy_finish_counts_and_the_last_of_the_plan_does_not() -> None:
    begins = (0.0, cue(CueKind.WALK, for_s=60.0))
    assert len(list(walks([begins, (90, cue(CueKind.COOLDOWN, Reason.EASY_FINISH))]))) == 1
    assert list(walks([begins, (60, cue(CueKind.COOLDOWN))])) == []
    assert list(walks([begins, (60, cue(CueKind.FINISH))])) == []


def test_walks_under_thirty_seconds_are_not_judged() -> None:
    assert list(walks([(0, cue(CueKind.WALK, for_s=20.0)), (20, cue(CueKind.RUN))])) == []


def test_without_walks_there_are_no_shares() -> None:
    assert isnan(figures(np.full(601, 100.0), [told(0, cue(CueKind.RUN))]).recovered)


# -- runs, cues, ratios --


def test_runs_cut_are_those_that_the_ceiling_ends() -> None:
    steps = [*walk(cut=True), *walk(300, ended_s=360)[1:]]
    assert figures(np.full(601, 100.0), steps).runs_cut == pytest.approx(1 / 3)


def test_of_all_runs_those_who_run_more_often_count_for_more() -> None:
    found = summary(rows({"runs": 30, "runs_cut": 1.0}, {"runs": 10, "runs_cut": 0.0}, {"runs_cut": nan}), None, 1)
    assert found.runs_cut == 0.5
    assert found.runs_cut_of_all_runs == 0.75


def test_cues_are_counted_by_ten_minutes() -> None:
    assert figures(np.full(601, 100.0), walk()).cues_per_10_min == 3


def test_changes_are_counted_from_stretch_to_stretch() -> None:
    run, stroll = cue(CueKind.RUN), cue(CueKind.WALK, for_s=60.0)
    steps = [told(0, run), told(120, stroll), told(180, run, TIGHTER), told(275, stroll, TIGHTER), told(335, run)]
    assert figures(np.full(601, 100.0), steps).changes_per_cycle == pytest.approx(2 / 3)


def test_back_to_plan_counts_from_the_first_tighter_stretch() -> None:
    run, stroll = cue(CueKind.RUN), cue(CueKind.WALK, for_s=60.0)
    steps = [told(0, run), told(180, run, TIGHTER), told(275, stroll, TIGHTER), told(335, run), told(400, run, TIGHTER)]
    assert figures(np.full(601, 100.0), steps).back_to_plan_s == 155


def test_who_does_not_come_back_has_no_time_for_it() -> None:
    steps = [told(0, cue(CueKind.RUN)), told(180, cue(CueKind.RUN), TIGHTER)]
    assert isnan(figures(np.full(601, 100.0), steps).back_to_plan_s)


# -- many --


def rows(*values: dict[str, float]) -> np.ndarray:
    return np.array([[value.get(name, 0.0) for name in Hour.__struct_fields__] for value in values])


def test_price_is_of_totals_not_a_mean_of_prices() -> None:
    fixed = rows({"seconds_above_ceiling": 100, "running_s": 2000}, {"seconds_above_ceiling": 900, "running_s": 2000})
    other = rows({"seconds_above_ceiling": 0, "running_s": 1900}, {"seconds_above_ceiling": 200, "running_s": 1700})
    found = summary(other, fixed, 1)
    assert found.running_lost_per_second_avoided == 0.5
    assert found.above_ceiling_against_fixed == -0.8


def test_fixed_has_no_price() -> None:
    found = summary(rows({}, {}), None, 1)
    assert found.running_lost_per_second_avoided is None
    assert found.ci95["running_lost_per_second_avoided"] is None


def test_what_nobody_has_is_left_out_of_the_mean() -> None:
    found = summary(rows({"back_to_plan_s": 300}, {"back_to_plan_s": nan}, {"back_to_plan_s": 500}), None, 1)
    assert found.back_to_plan_s == 400
    assert summary(rows({"back_to_plan_s": nan}), None, 1).back_to_plan_s is None


def test_overshoot_is_the_95th_percentile_over_runners() -> None:
    found = summary(rows(*({"overshoot_bpm": bpm} for bpm in range(101))), None, 1)
    assert found.overshoot_p95_bpm == 95


def test_the_interval_of_a_mean_is_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(3).normal(100, 10, 400)
    low, high = summary(rows(*({"running_s": value} for value in values)), None, 1).ci95["running_s"] or (0, 0)
    assert low == pytest.approx(values.mean() - 1.96 * 10 / 20, abs=0.25)
    assert high == pytest.approx(values.mean() + 1.96 * 10 / 20, abs=0.25)


def test_the_same_runners_are_drawn_for_both_policies() -> None:
    # Each loses half a second of running by second avoided: drawn in pairs, there is nothing unsure about that.
    above = np.arange(100.0, 200.0)
    fixed = rows(*({"seconds_above_ceiling": s, "running_s": 2000 + 7 * s} for s in above))
    other = rows(*({"seconds_above_ceiling": s / 2, "running_s": 2000 + 7 * s - s / 4} for s in above))
    assert summary(other, fixed, 1).ci95["running_lost_per_second_avoided"] == (0.5, 0.5)


# -- whoever computes --


@pytest.fixture(scope="module")
def alone() -> bytes:
    with ThreadPoolExecutor(1) as executor:
        return msgspec.json.encode(evaluate(executor, SMALL, [ADAPTIVE, FIXED], 7, 1))


def test_chunks_make_no_difference(alone: bytes) -> None:
    with ThreadPoolExecutor(1) as executor:
        assert msgspec.json.encode(evaluate(executor, SMALL, [ADAPTIVE, FIXED], 7, 1, chunk=2)) == alone


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_make_no_difference(workers: int, alone: bytes) -> None:
    with ProcessPoolExecutor(workers, get_context("spawn")) as executor:
        assert msgspec.json.encode(evaluate(executor, SMALL, [ADAPTIVE, FIXED], 7, 1, chunk=3)) == alone


def test_fixed_is_computed_for_comparison_and_not_told(alone: bytes) -> None:
    with ThreadPoolExecutor(1) as executor:
        told = evaluate(executor, SMALL, [ADAPTIVE], 7, 1)
    assert told.policies == {ADAPTIVE: msgspec.json.decode(alone, type=Evaluation).policies[ADAPTIVE]}


def test_every_part_that_is_done_is_told() -> None:
    done: list[int] = []
    with ThreadPoolExecutor(1) as executor:
        evaluate(executor, Work(warmup_s=0, total_s=5), [FIXED], 5, 1, chunk=2, advance=done.append)
    assert sorted(done) == [1, 2, 2]


def test_the_shape_of_json_is_the_contract(alone: bytes) -> None:
    told = msgspec.json.decode(alone)
    assert told.keys() == {"runners", "seconds", "policies"}
    assert (told["runners"], told["seconds"]) == (7, 420)
    assert list(told["policies"]) == ["adaptive", "fixed"]
    contract = {
        "seconds_above_ceiling",
        "overshoot_p95_bpm",
        "running_s",
        "running_lost_per_second_avoided",
        "recovered",
        "false_extensions",
        "missed_non_recoveries",
        "changes_per_cycle",
        "back_to_plan_s",
        "ci95",
    }
    for policy in told["policies"].values():
        assert contract - policy.keys() == set()
        assert list(policy["ci95"]) == list(FIGURES)
    assert told["policies"]["fixed"]["running_lost_per_second_avoided"] is None


def test_each_figure_lies_in_its_interval(alone: bytes) -> None:
    for policy in msgspec.json.decode(alone)["policies"].values():
        for name, interval in policy["ci95"].items():
            if interval is not None:
                assert interval[0] <= policy[name] <= interval[1]
