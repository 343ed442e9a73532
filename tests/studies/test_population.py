"""Simulated runners hear the real controller and do what it says."""

from __future__ import annotations

import numpy as np
import pytest

from hrbridge.config import Control, PolicyName
from hrbridge.decisions import Cue, CueKind, Phase, Reason
from hrbridge.runner_model import EASED_RUN, RunnerModel
from hrbridge.studies.population import REACTION_S, WALK_SPEED_M_S, Diary, Work, follow

SEED = 5
SHORT = Work(warmup_s=120.0, total_s=660)
# Running that is too hard to go on with.
HARD = Work(effort=0.8, warmup_s=120.0, total_s=660)


def cues(diary: Diary) -> list[tuple[float, Cue]]:
    return [(step.at_s, cue) for step in diary.told for cue in step.cues]


def of_kind(diary: Diary, kind: CueKind) -> list[float]:
    return [at_s for at_s, cue in cues(diary) if cue.kind is kind]


def same(a: Diary, b: Diary) -> bool:
    return np.array_equal(a.true_bpm, b.true_bpm) and a.told == b.told


def test_a_runner_runs_two_seconds_after_the_cue_and_walks_two_seconds_after_the_next() -> None:
    (diary,) = follow(SHORT, PolicyName.FIXED, SEED, 0, 1)
    seconds = np.flatnonzero(diary.running)
    assert of_kind(diary, CueKind.RUN)[0] == 120
    assert seconds[0] == 120 + REACTION_S
    assert list(diary.running[238:246]) == [True] * 4 + [False] * 4


def test_fixed_keeps_to_the_plan() -> None:
    (diary,) = follow(SHORT, PolicyName.FIXED, SEED, 0, 1)
    assert of_kind(diary, CueKind.RUN) == [120, 300, 480]
    assert of_kind(diary, CueKind.WALK) == [240, 420, 600]
    assert of_kind(diary, CueKind.FINISH) == [660]


def test_runners_are_the_same_in_any_company() -> None:
    work = Work(effort=0.75, warmup_s=60.0, total_s=900, answers_rpe=True)
    together = follow(work, PolicyName.ADAPTIVE, SEED, 0, 4)
    apart = [*follow(work, PolicyName.ADAPTIVE, SEED, 0, 1), *follow(work, PolicyName.ADAPTIVE, SEED, 1, 3)]
    assert all(same(a, b) for a, b in zip(together, apart, strict=True))


def test_another_seed_is_another_population() -> None:
    work = Work(warmup_s=0.0, total_s=60)
    (one,), (other,) = (follow(work, PolicyName.FIXED, seed, 0, 1) for seed in (SEED, SEED + 1))
    assert not same(one, other)


def test_the_controller_knows_the_runner_s_maximum_and_resting_heart_rate() -> None:
    traits = RunnerModel.population(2, SEED).traits
    for number, diary in enumerate(follow(Work(warmup_s=0.0, total_s=5), PolicyName.FIXED, SEED, 0, 2)):
        assert diary.runner.max_heart_rate_bpm == traits.max_heart_rate_bpm[number]
        assert diary.runner.resting_heart_rate_bpm == traits.resting_heart_rate_bpm[number]


def test_true_heart_rate_is_without_noise_and_begins_at_rest() -> None:
    (diary,) = follow(SHORT, PolicyName.FIXED, SEED, 0, 1)
    assert diary.true_bpm.shape == (661,)
    assert diary.true_bpm[0] == diary.runner.resting_heart_rate_bpm
    # Two minutes of walking to settle: nothing jumps any more.
    assert np.abs(np.diff(diary.true_bpm[60:120])).max() < 0.5


def test_who_obeys_runs_slower_and_keeps_a_lower_heart_rate() -> None:
    free, obeying = (
        follow(Work(effort=0.6, warmup_s=120.0, total_s=360, obeys_ease_run=obeys), PolicyName.ADAPTIVE, SEED, 0, 6)
        for obeys in (False, True)
    )
    eased = [n for n, diary in enumerate(free) if of_kind(diary, CueKind.EASE_RUN)]
    assert eased
    for n in eased:
        until = int(of_kind(free[n], CueKind.EASE_RUN)[0]) + REACTION_S
        assert np.array_equal(free[n].true_bpm[: until + 1], obeying[n].true_bpm[: until + 1])
        assert obeying[n].true_bpm[until + 20] < free[n].true_bpm[until + 20]


def test_who_has_run_slower_begins_the_next_run_at_the_own_pace_again() -> None:
    work = Work(effort=0.6, warmup_s=120.0, total_s=660, obeys_ease_run=True)
    (diary,) = follow(work, PolicyName.ADAPTIVE, SEED, 0, 1)
    done = {at_s + REACTION_S for at_s in of_kind(diary, CueKind.EASE_RUN)}
    model, pace, expected_bpm = work.people(SEED, 0, 1), 1.0, []
    for at_s, running in enumerate(diary.running):
        pace = 1.0 if not running else EASED_RUN if at_s in done else pace
        speed_m_s = model.self_paced_speed_m_s(0.6) * pace if running else WALK_SPEED_M_S
        model.step(speed_m_s, running)
        expected_bpm.append(model.heart_rate_bpm.item())
    assert len(done) >= 2
    assert list(diary.true_bpm[1:]) == expected_bpm


def test_eased_means_eight_percent_slower() -> None:
    assert EASED_RUN == 0.92


def test_effort_is_asked_for_and_counts_only_when_it_is_answered() -> None:
    silent, answering = (
        follow(Work(effort=0.8, warmup_s=120.0, total_s=660, answers_rpe=answers), PolicyName.FIXED, SEED, 0, 1)[0]
        for answers in (False, True)
    )
    assert of_kind(silent, CueKind.RPE_PROMPT) == []
    assert len(of_kind(answering, CueKind.RPE_PROMPT)) == 1
    asked_s = of_kind(answering, CueKind.RPE_PROMPT)[0]
    known = [step.estimate.rpe for step in answering.told if step.at_s > asked_s + 10]
    assert None not in known


def test_too_hard_a_run_is_cut_by_the_real_controller() -> None:
    (diary,) = follow(HARD, PolicyName.ADAPTIVE, SEED, 0, 1)
    why = {cue.reason for _, cue in cues(diary) if cue.kind is CueKind.WALK}
    assert why & {Reason.HEART_RATE_CEILING, Reason.FORECAST_CEILING}


def test_settings_of_the_controller_count() -> None:
    hot = Work(effort=0.8, warmup_s=120.0, total_s=660, control=Control(heart_rate_ceiling_hrr=1.0))
    (diary,) = follow(hot, PolicyName.ADAPTIVE, SEED, 0, 1)
    assert of_kind(diary, CueKind.EASE_RUN) == []


def test_slow_recovery_brings_less_drop_in_the_same_walk() -> None:
    usual, slow = (
        follow(Work(warmup_s=120.0, total_s=300, recovery=recovery), PolicyName.FIXED, SEED, 0, 1)[0]
        for recovery in (1.0, 1.6)
    )
    assert slow.true_bpm[242] == pytest.approx(usual.true_bpm[242], abs=0.5)
    assert slow.true_bpm[300] > usual.true_bpm[300] + 2


def test_without_a_warm_up_the_first_run_begins_at_once() -> None:
    (diary,) = follow(Work(warmup_s=0.0, total_s=30), PolicyName.FIXED, SEED, 0, 1)
    assert diary.told[0].phase is Phase.RUN
    assert np.flatnonzero(diary.running)[0] == REACTION_S
