"""Past runs: whose journal is opened, and which run is meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from exported_runs import keep, stepped
from msgspec.structs import replace

from hrbridge import past
from hrbridge.errors import JournalError, UsageError

HEADER, STEPS = stepped([])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A journal of two: run 1 is Alex's, run 2 Kim's."""
    path = tmp_path / "journal.sqlite3"
    for runner in ("alex", "kim"):
        keep(path, (replace(HEADER, runner=replace(HEADER.runner, id=runner)), STEPS))
    return path


@pytest.fixture
def configured(tmp_path: Path, file: Path) -> Path:
    path = tmp_path / "kim.toml"
    path.write_text(f'[runner]\nid = "kim"\nage_years = 40\n[journal]\npath = "{file.name}"\n', encoding="utf-8")
    return path


def test_whose_runs_is_asked_where_there_are_several(file: Path) -> None:
    with past.opened(file) as kept, pytest.raises(UsageError, match=r"runs of alex, kim: say whose with --runner ID$"):
        kept.session("last")


def test_the_only_runner_needs_no_name(tmp_path: Path) -> None:
    keep(tmp_path / "mine.sqlite3", (HEADER, STEPS))
    with past.opened(tmp_path / "mine.sqlite3") as kept:
        assert (kept.runner_id, kept.session("last").id) == ("alex", 1)


def test_a_number_tells_whose_run_it_is(file: Path) -> None:
    with past.opened(file) as kept:
        assert kept.session("2").runner_id == "kim"


def test_whoever_is_named_sees_no_run_of_another(file: Path) -> None:
    with past.opened(file, runner_id="kim") as kept:
        assert kept.session("last").id == 2
        with pytest.raises(JournalError, match=r"no run 1 of kim; the newest is 2$"):
            kept.session("1")


def test_a_configuration_names_the_journal_and_the_runner(configured: Path) -> None:
    with past.opened(None, configured) as kept:
        assert (kept.runner_id, kept.session("last").id) == ("kim", 2)


def test_the_name_on_the_command_line_counts_more(configured: Path) -> None:
    with past.opened(None, configured, "alex") as kept:
        assert kept.runner_id == "alex"


def test_a_run_is_stepped_again_as_it_was(file: Path) -> None:
    session = past.replay_session("2", file, None, ())
    assert (session.config.runner.id, session.plan) == ("kim", HEADER.plan)
