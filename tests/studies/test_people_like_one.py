"""A population of people who could all be the runner of one file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from hrbridge import runner_file
from hrbridge.config import PolicyName
from hrbridge.runner_model import RunnerModel
from hrbridge.studies.population import Work, follow
from hrbridge.studies.table import described
from tests.conftest import Hrbridge
from tests.studies.test_advise import SOMEBODY

WORK = Work(like=SOMEBODY, total_s=600, warmup_s=120)


def test_they_are_drawn_from_what_the_file_is_unsure_of() -> None:
    people, alike = WORK.people(3, 0, 4), RunnerModel.like(SOMEBODY, 4, 3)
    assert people.traits.vo2max_ml_kg_min.tolist() == alike.traits.vo2max_ml_kg_min.tolist()
    assert people.traits.exponent.tolist() == [0.8] * 4


def test_their_hearts_may_take_longer_to_fall() -> None:
    people, slow = WORK.people(3, 0, 2), replace(WORK, recovery=1.6).people(3, 0, 2)
    assert slow.traits.tau_off_s == pytest.approx(1.6 * people.traits.tau_off_s)


def test_they_run_and_walk_at_the_speeds_of_the_file() -> None:
    sure = replace(WORK, like=replace(SOMEBODY, sd=runner_file.Spread()))
    (diary,) = follow(sure, PolicyName.FIXED, 1, 0, 1)
    alone = RunnerModel.like(sure.like or SOMEBODY, 1, 1)
    for running in diary.running:
        alone.step(np.where(running, 1.8, 1.4), np.array([running]))
    assert diary.true_bpm[-1] == pytest.approx(alone.heart_rate_bpm.item())


def test_a_runner_is_the_same_in_any_company() -> None:
    *_, last = follow(WORK, PolicyName.FIXED, 1, 0, 3)
    (alone,) = follow(WORK, PolicyName.FIXED, 1, 2, 1)
    assert np.array_equal(last.true_bpm, alone.true_bpm)


def test_the_words_below_the_table_say_who_they_are() -> None:
    words = described(4, WORK, 1)
    assert "at 1.8 m/s" in words
    assert "at 1.4 m/s" in words
    assert "the runner of the file" in " ".join(words.split())


def test_a_file_that_is_none_is_one_line(hrbridge: Hrbridge, tmp_path: Path) -> None:
    said = hrbridge("evaluate", "--runner", tmp_path / "a.toml")
    assert (said.code, said.err) == (2, f"hrbridge: {tmp_path}/a.toml: no such file\n")
