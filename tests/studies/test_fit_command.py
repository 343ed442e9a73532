"""``hrbridge fit`` as it is typed, and what becomes of its file."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.conftest import Hrbridge
from tests.studies.imagined_runs import VARIED, as_csv, run


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return as_csv(tmp_path_factory.mktemp("runs") / "sunday.csv", run(VARIED[:5]))


@pytest.fixture
def silent(tmp_path: Path) -> Path:
    """A recording that knows no speed."""
    return as_csv(tmp_path / "silent.csv", run(VARIED[:5]), speed=False)


def test_it_tells_the_error_and_the_runner(hrbridge: Hrbridge, recording: Path) -> None:
    said = hrbridge("fit", recording, "--set", "runner.max_heart_rate_bpm=178")
    assert said.code == 0
    assert re.search(r"^sunday\.csv +\d+ +\d+\.\d +\d+\.\d +\d+\.\d +\d+\.\d$", said.out, re.MULTILINE)
    assert re.search(r"^maximum heart rate +178 bpm +as given$", said.out, re.MULTILINE)
    assert re.search(r"^resting heart rate +\d+ ± \d+ bpm", said.out, re.MULTILINE)
    assert "runs at " in said.out


def test_what_the_recordings_do_not_tell_is_said(hrbridge: Hrbridge, tmp_path: Path) -> None:
    said = hrbridge("fit", as_csv(tmp_path / "steady.csv", run([(700, 2.3)])))
    falling = next(line for line in said.out.splitlines() if line.startswith("falling"))
    assert falling.endswith("as in most people: the recordings hardly tell")
    assert "a usual one: too little of it in the recordings" in said.out


def test_the_file_is_a_runner_to_simulate(hrbridge: Hrbridge, recording: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    assert hrbridge("fit", recording, "--out", mine).code == 0
    simulated = hrbridge("simulate", "--runner", mine, "--plan", "one-one")
    assert (simulated.code, simulated.err) == (0, "")
    (tmp_path / "own.toml").write_text(
        '[runner]\nage_years = 44\nresting_heart_rate_bpm = 58\n[sensor]\nkind = "simulated"\nrunner = "mine.toml"\n'
    )
    assert hrbridge("simulate", "--config", tmp_path / "own.toml", "--plan", "one-one").code == 0


def test_nothing_but_the_body_is_in_the_file(hrbridge: Hrbridge, recording: Path, tmp_path: Path) -> None:
    hrbridge("fit", recording, "--out", tmp_path / "mine.toml")
    text = (tmp_path / "mine.toml").read_text()
    assert "sunday" not in text
    assert str(recording.parent) not in text
    assert not re.search(r"\d{4}-\d\d-\d\d", text)


def test_json_holds_the_same(hrbridge: Hrbridge, recording: Path) -> None:
    said = hrbridge("fit", recording, "--json").json
    assert list(said) == ["recordings", "runner", "model", "sd", "not_told", "advice"]
    assert said["advice"] is None


def test_advice_and_its_picture(hrbridge: Hrbridge, recording: Path, tmp_path: Path) -> None:
    picture = tmp_path / "a.svg"
    said = hrbridge("fit", recording, "--advise", "--ceiling", "150", "--plot", picture)
    assert said.code == 0
    assert "150" in said.out
    assert "Beside it, running at " in said.out
    assert "150 in an hour (in brackets: in 8 hours of 10):" in said.out
    assert picture.stat().st_size > 10_000


def test_a_recording_without_speed_is_named(hrbridge: Hrbridge, silent: Path) -> None:
    said = hrbridge("fit", silent)
    assert said.code == 2
    assert said.err == f"hrbridge: {silent}: it tells no speed, as indoors without a foot pod: nothing to learn from\n"


def test_of_several_the_ones_that_tell_something_are_used(hrbridge: Hrbridge, silent: Path, recording: Path) -> None:
    said = hrbridge("fit", silent, recording)
    assert said.code == 0
    assert "sunday.csv" in said.out
    assert f"left out: {silent}: it tells no speed" in said.err


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("broken.fit", b"\x0e\x10\x00\x00\x10\x00\x00\x00.FIT\x00\x00 and no more", "broken.fit: "),
        ("torn.csv", b"at_s,heart_rate_bpm,speed_m_s\n0,90,2\nx,91,2\n", "torn.csv: line 3: at_s 'x' is not a number"),
        ("empty.gpx", b"", "empty.gpx: "),
    ],
)
def test_a_broken_file_is_one_line(hrbridge: Hrbridge, tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    said = hrbridge("fit", tmp_path / name)
    assert said.code == 2
    assert told in said.err
    assert said.err.count("\n") == 1


def test_a_file_that_is_not_there_is_one_line(hrbridge: Hrbridge, tmp_path: Path) -> None:
    said = hrbridge("fit", tmp_path / "a.fit")
    assert (said.code, said.err) == (2, f"hrbridge: {tmp_path}/a.fit: no such file\n")


def test_too_short_a_recording_is_one_line(hrbridge: Hrbridge, tmp_path: Path) -> None:
    said = hrbridge("fit", as_csv(tmp_path / "short.csv", run([(200, 2.0)])))
    assert said.code == 2
    assert said.err.endswith("short.csv: 3 min of heart rate that can be believed: at least 8 are needed\n")


def test_a_ride_is_refused(hrbridge: Hrbridge, traces: Path) -> None:
    said = hrbridge("fit", traces / "bike_intervals_rr.fit")
    assert (said.code, said.out) == (2, "")
    assert said.err.endswith("is no run: its sport is cycling\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--ceiling", "150"], "--ceiling: only with --advise"),
        (["--plot", "a.png"], "--plot: only with --advise"),
        (["--out", "mine"], "--out mine: a runner file ends in .toml"),
        (["--advise", "--ceiling", "400"], "--ceiling 400: allowed for this runner: "),
        (["--advise", "--ceiling", "0"], "--ceiling 0: allowed for this runner: "),
        (["--set", "runner.age_years=4"], "[runner] age_years: 4 is not allowed"),
        (["--config", "none.toml"], "none.toml: no such file"),
    ],
)
def test_what_cannot_be_asked_is_one_line(hrbridge: Hrbridge, recording: Path, words: list[str], told: str) -> None:
    said = hrbridge("fit", recording, *words)
    assert said.code == 2
    assert told in said.err
    assert said.err.count(os.linesep) == 1


def test_a_runner_that_is_none_is_one_line(hrbridge: Hrbridge, tmp_path: Path) -> None:
    said = hrbridge("simulate", "--runner", tmp_path / "a.toml")
    assert (said.code, said.err) == (2, f"hrbridge: {tmp_path}/a.toml: no such file\n")
