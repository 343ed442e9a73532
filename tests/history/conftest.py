"""What the tests of past runs share: a season of the articles in a journal, stepped once."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import twelve_weeks

from hrbridge.cli import main


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


Hrbridge = Callable[..., Ended]


@pytest.fixture
def hrbridge(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Hrbridge]:
    """The console script with these words; in this process, for a new one takes half a second."""
    handlers, level = logging.root.handlers[:], logging.root.level

    def run(*words: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["hrbridge", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Ended(int(ended.value.code or 0), said.out, said.err)

    yield run
    logging.root.handlers[:], logging.root.level = handlers, level


@pytest.fixture(scope="session")
def season_journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of the twelve weeks of article 003; to be read, never changed."""
    path = tmp_path_factory.mktemp("season") / "journal.sqlite3"
    twelve_weeks.fill(path)
    return path
