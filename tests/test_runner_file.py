"""A runner in a file: read strictly, written so that it can be read again, and drawn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from hrbridge import config, runner_file
from hrbridge.errors import ConfigError, OutputError
from hrbridge.runner_file import DRAWN, Body, Kinetics, RunnerFile, Spread
from hrbridge.runner_model import NAMED, RunnerModel, person

BODY = Body(max_heart_rate_bpm=181, resting_heart_rate_bpm=57.5, run_speed_m_s=2.4, walk_speed_m_s=1.45, age_years=41)
MODEL = Kinetics(
    vo2max_ml_kg_min=39.5,
    exponent=0.78,
    delay_s=4.5,
    tau_on_s=12.25,
    tau_off_s=31,
    tau_slow_s=260,
    fast_share=0.7,
    drift_bpm_per_10_min=3.5,
)
SURE = RunnerFile(runner=BODY, model=MODEL)
UNSURE = RunnerFile(
    runner=BODY,
    model=MODEL,
    sd=Spread(vo2max_ml_kg_min=2.0, exponent=0.05, tau_off_s=4.0, day_bpm=3.5),
    correlation={"exponent": (0.0, 0.0, 0.8)},
)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    runner_file.write(path, UNSURE)
    return path


@pytest.mark.parametrize("written", [SURE, UNSURE])
def test_what_is_written_is_read_again(tmp_path: Path, written: RunnerFile) -> None:
    runner_file.write(tmp_path / "a.toml", written)
    assert runner_file.read(tmp_path / "a.toml") == written


def test_a_file_is_a_runner_like_the_named_ones(mine: Path) -> None:
    who = person(str(mine))
    assert (who.age_years, who.max_heart_rate_bpm, who.run_speed_m_s) == (41, 181, 2.4)
    assert (who.tau_off_s, who.exponent) == (31, 0.78)


def test_the_model_has_the_traits_of_the_file(mine: Path) -> None:
    traits = RunnerModel.of(person(str(mine))).traits
    told = {**{name: getattr(BODY, name) for name in DRAWN[:2]}, **{name: getattr(MODEL, name) for name in DRAWN[2:]}}
    assert {name: getattr(traits, name).item() for name in DRAWN} == told


def test_without_an_age_it_is_that_of_forty(tmp_path: Path) -> None:
    runner_file.write(tmp_path / "a.toml", RunnerFile(runner=replace(BODY, age_years=None), model=MODEL))
    assert person(str(tmp_path / "a.toml")).age_years == 40


def test_the_named_runners_stay_what_they_are() -> None:
    assert person("novice") == NAMED["novice"]


def test_a_configuration_names_the_file_beside_it(mine: Path) -> None:
    settings = mine.parent / "own.toml"
    settings.write_text('[runner]\nage_years = 41\n[sensor]\nkind = "simulated"\nrunner = "mine.toml"\n')
    assert config.load(settings).sensor.runner == str(mine)


def test_a_configuration_still_knows_the_names(tmp_path: Path) -> None:
    settings = tmp_path / "own.toml"
    settings.write_text('[runner]\nage_years = 41\n[sensor]\nrunner = "novice"\n')
    assert config.load(settings).sensor.runner == "novice"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("exponent = 0.78", "exponent = 7", "[model] exponent: 7 is not allowed; allowed: a number from 0.3 to 1.2"),
        ("exponent = 0.78", "exponent = nan", "[model] exponent"),
        ("delay_s = 4.5", "delays_s = 4.5", "[model] delays_s: unknown key; did you mean delay_s?"),
        ("tau_on_s = 12.25\n", "", "[model] tau_on_s: missing"),
        ("[model]", "[control]", "no [model]: not a runner's file; hrbridge fit RECORDING --out FILE writes one"),
        ("[runner]", "[body]", "[body]: unknown table"),
        ("max_heart_rate_bpm = 181", "max_heart_rate_bpm = 101", "resting_heart_rate_bpm"),
        ("max_heart_rate_bpm = 181", "max_heart_rate_bpm =", "not valid TOML"),
        ("resting_heart_rate_bpm = 57.5", "resting_heart_rate_bpm = 88\nname = 'A'", "[runner] name: unknown key"),
        ("exponent = [0.00, 0.00, 0.80]", "exponent = [0.8]", "exponent needs 3 numbers, has 1"),
        ("exponent = [0.00, 0.00, 0.80]", "exponents = [0.8]", "exponents is not allowed; allowed: resting_heart"),
        (
            "exponent = [0.00, 0.00, 0.80]",
            "exponent = [0, 0, 1.8]",
            "exponent is not allowed; allowed: each from -1 to 1",
        ),
    ],
)
def test_a_wrong_file_is_refused_in_a_line(mine: Path, before: str, after: str, told: str) -> None:
    text = mine.read_text()
    assert before in text
    if before.startswith("max"):
        text = text.replace("57.5", "77.5")
    mine.write_text(text.replace(before, after, 1))
    with pytest.raises(ConfigError) as refused:
        runner_file.read(mine)
    assert str(refused.value).startswith(f"{mine}: ")
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a\.toml: no such file"):
        person(str(tmp_path / "a.toml"))


def test_where_nothing_can_be_written_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        runner_file.write(tmp_path / "nowhere" / "a.toml", SURE)


# -- runners like the one of the file --


def test_who_is_known_for_certain_is_always_the_same() -> None:
    traits = RunnerModel.like(SURE, 3, seed=1).traits
    assert traits.tau_off_s.tolist() == [31, 31, 31]


def test_draws_have_the_spread_and_the_correlation_of_the_file() -> None:
    traits = RunnerModel.like(UNSURE, 1000, seed=1).traits
    assert traits.vo2max_ml_kg_min.mean() == pytest.approx(39.5, abs=0.2)
    assert traits.vo2max_ml_kg_min.std() == pytest.approx(2.0, rel=0.1)
    assert np.corrcoef(traits.vo2max_ml_kg_min, traits.exponent)[0, 1] == pytest.approx(0.8, abs=0.05)
    assert np.corrcoef(traits.vo2max_ml_kg_min, traits.tau_off_s)[0, 1] == pytest.approx(0.0, abs=0.1)


def test_draws_stay_within_what_a_file_may_say() -> None:
    wild = RunnerFile(runner=BODY, model=MODEL, sd=Spread(tau_off_s=100, max_heart_rate_bpm=100))
    traits = RunnerModel.like(wild, 200, seed=1).traits
    assert traits.tau_off_s.min() == 5
    assert traits.reserve_bpm.min() >= 30


def test_a_draw_is_the_same_in_any_company() -> None:
    all_of_them, last = RunnerModel.like(UNSURE, 5, seed=2), RunnerModel.like(UNSURE, 1, seed=2, first=4)
    assert last.traits.tau_off_s[0] == all_of_them.traits.tau_off_s[4]
    assert last.step(2.4, True)[0] == all_of_them.step(2.4, True)[4]


def test_who_begins_at_a_heart_rate_stays_near_it_at_that_effort() -> None:
    model = RunnerModel.of(person("typical"))
    steady_bpm = model.steady_heart_rate_bpm(1.5, False)
    model.begin_at(steady_bpm)
    assert model.heart_rate_bpm.item() == pytest.approx(steady_bpm.item())
    for _ in range(30):
        bpm = model.step(1.5, False)
    assert bpm.item() == pytest.approx(steady_bpm.item(), abs=0.2)
