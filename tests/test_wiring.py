"""A simulated runner described on the command line: whose heart beats, and what the coach believes of it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import msgspec
import pytest

from hrbridge import config, wiring
from hrbridge.control.adaptation import ceiling_bpm
from hrbridge.decisions import Phase, Step
from hrbridge.errors import ConfigError
from hrbridge.events import Action, Rpe, Sample
from hrbridge.journal import End, Journal, Kind
from hrbridge.ports import Sink
from hrbridge.sensors.simulated import Simulated
from hrbridge.sinks.journal import recording_alone
from hrbridge.sinks.summary import Summary

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


# -- a run and the journal --


def coach(file: Path | None, *words: str, sinks: Sequence[Sink] = ()) -> Summary:
    session = wiring.session(None, ["mqtt.url=none", *words], sensor="simulated")
    return asyncio.run(wiring.coach(session, speed=100_000, trace_path=None, journal_path=file, once=True, sinks=sinks))


def test_a_simulated_run_enters_the_journal_that_was_named(tmp_path: Path):
    summary = coach(tmp_path / "journal.sqlite3")
    with Journal(tmp_path / "journal.sqlite3") as journal:
        (session,) = journal.sessions()
        lines = [msgspec.json.encode(session.header) + b"\n", *journal.lines(session.id)]
    assert (session.kind, session.ended) == (Kind.SIMULATED, End.FINISHED)
    assert hashlib.sha256(b"".join(lines)).hexdigest() == summary.trace_sha256


def test_a_simulated_run_enters_no_journal_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    coach(None)
    assert list(tmp_path.iterdir()) == []


def test_a_recording_that_is_replayed_keeps_its_own_date(tmp_path: Path):
    recorded = tmp_path / "run.csv"
    recorded.write_text("time,heart_rate_bpm\n" + "".join(f"2025-05-01T08:00:{n:02}Z,120\n" for n in range(60)))
    session = wiring.session(None, ["mqtt.url=none"], sensor=f"replay:{recorded}")
    file = tmp_path / "journal.sqlite3"
    asyncio.run(wiring.coach(session, speed=100_000, trace_path=None, journal_path=file, once=True, sinks=[]))
    with Journal(file) as journal:
        (kept,) = journal.sessions()
    assert (kept.kind, kept.started_at, kept.date_estimated) == (Kind.REPLAYED, "2025-05-01T08:00:00Z", False)


class CutTheCable(Exception):
    """Power is gone."""


class Cable:
    """A sink that breaks everything at the first step of the second walk."""

    def take(self, step: Step) -> None:
        if step.phase is Phase.WALK and step.repeat == 2:
            raise CutTheCable


class Heard:
    """Keeps what came live."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def take(self, step: Step) -> None:
        self.steps.append(step)


def test_a_run_that_broke_off_comes_back_paused_where_it_was(tmp_path: Path):
    with pytest.raises(CutTheCable):
        coach(tmp_path / "journal.sqlite3", sinks=[Cable()])
    heard = Heard()
    coach(tmp_path / "journal.sqlite3", sinks=[heard])
    assert heard.steps[0].phase is Phase.PAUSED
    assert (heard.steps[0].repeat, heard.steps[0].cues[0].say) == (2, "Interrupted. Resume to go on.")


def test_a_run_that_nobody_takes_up_is_kept_as_it_is_and_stopped(tmp_path: Path):
    with pytest.raises(CutTheCable):
        coach(tmp_path / "journal.sqlite3", sinks=[Cable()])
    coach(tmp_path / "journal.sqlite3")
    with Journal(tmp_path / "journal.sqlite3") as journal:
        (session,) = journal.sessions()
        steps = list(journal.steps(session.id))
    assert session.ended is End.STOPPED
    assert steps[-1].event.action is Action.STOP
    assert [step.at_s for step in steps] == sorted(step.at_s for step in steps)


def test_another_hrbridge_that_records_the_same_runner_is_told_and_not_recorded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with recording_alone(tmp_path / "journal.sqlite3", "demo"):
        coach(tmp_path / "journal.sqlite3")
    assert "another hrbridge records the runs of demo there; this one is not recorded" in caplog.text
    assert not (tmp_path / "journal.sqlite3").exists()


def test_the_journal_of_a_configuration_lies_beside_it(tmp_path: Path):
    (tmp_path / "my.toml").write_text('[runner]\nage_years = 40\n[journal]\npath = "runs.sqlite3"\n')
    assert wiring.journal_path_of(config.load(tmp_path / "my.toml")) == tmp_path / "runs.sqlite3"
