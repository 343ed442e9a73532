"""A simulated runner described on the command line: whose heart beats, and what the coach believes of it."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import pytest

from hrbridge import wiring
from hrbridge.control.adaptation import ceiling_bpm
from hrbridge.decisions import Phase, Step
from hrbridge.errors import ConfigError
from hrbridge.events import Rpe, Sample
from hrbridge.sensors.simulated import Simulated

MAXIMUM_190 = "sensor.max_heart_rate_bpm=190"
RESTING_52 = "sensor.resting_heart_rate_bpm=52"
THIRTY_THIRTY = (
    'plan={name="30/30", warmup_s=300, total_s=1500, '
    'block=[{segments=[{kind="run", for_s=30}, {kind="walk", for_s=30}]}]}'
)


def body_bpm(session: wiring.Session) -> tuple[float, float]:
    """Maximum and resting heart rate of the simulated body."""
    assert isinstance(session.source, Simulated)
    return session.source.max_heart_rate_bpm, session.source.resting_heart_rate_bpm


def believed_bpm(session: wiring.Session) -> tuple[float, float]:
    """Maximum and resting heart rate as the coach has them."""
    return session.config.runner.maximum_bpm, session.config.runner.resting_bpm


def simulate(*settings: str) -> list[Step]:
    return list(wiring.steps(wiring.simulated_session(None, settings)))


def heard_bpm(steps: list[Step], from_s: float, until_s: float) -> float:
    return mean(
        step.event.heart_rate_bpm
        for step in steps
        if isinstance(step.event, Sample) and step.event.heart_rate_bpm and from_s <= step.event.at_s < until_s
    )


def test_the_coach_knows_the_body_that_is_described():
    session = wiring.simulated_session(None, [MAXIMUM_190, RESTING_52])
    assert body_bpm(session) == (190, 52)
    assert believed_bpm(session) == (190, 52)


def test_the_coach_can_be_wrong_about_the_body():
    session = wiring.simulated_session(None, ["runner.max_heart_rate_bpm=165", MAXIMUM_190])
    assert body_bpm(session) == (190, 60)
    assert believed_bpm(session) == (165, 60)


def test_with_a_configuration_the_coach_knows_what_stands_there(tmp_path: Path):
    file = tmp_path / "my.toml"
    file.write_text("[runner]\nmax_heart_rate_bpm = 170\nresting_heart_rate_bpm = 66\n", encoding="utf-8")
    session = wiring.simulated_session(file, [MAXIMUM_190])
    assert body_bpm(session) == (190, 60)
    assert believed_bpm(session) == (170, 66)


def test_a_body_without_room_is_refused_as_a_body():
    with pytest.raises(ConfigError, match=r"^\[sensor\] max_heart_rate_bpm: 100 is not allowed"):
        wiring.simulated_session(None, ["sensor.runner=novice", "sensor.max_heart_rate_bpm=100"])


def test_the_free_runner_can_be_described_too():
    session = wiring.simulated_session(None, ["plan.use=free", MAXIMUM_190])
    assert body_bpm(session) == (190, 60)


def test_seven_of_ten_can_be_reported_with_a_fine_heart_rate():
    settings = ["plan.use=easy-4-1", "sensor.run_speed_m_s=1.7", "sensor.rpe_offset=3", "sensor.seed=8"]
    session = wiring.simulated_session(None, settings)
    steps = list(wiring.steps(session))
    reports = [step.event.rpe for step in steps if isinstance(step.event, Rpe)]
    highest_bpm = max(step.estimate.heart_rate_bpm or 0 for step in steps if step.phase is Phase.RUN)
    assert mean(reports) == pytest.approx(7, abs=0.8)
    assert highest_bpm < ceiling_bpm(session.config.runner, session.plan, session.config.control)


def test_thirty_thirty_drifts_up():
    steps = simulate(THIRTY_THIRTY, "control.policy=fixed", "sensor.vo2max_ml_kg_min=38", "sensor.run_speed_m_s=2.5")
    assert heard_bpm(steps, 1620, 1740) > heard_bpm(steps, 540, 660) + 6
