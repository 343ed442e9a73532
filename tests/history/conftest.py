"""What the tests of past runs share: a season of the articles in a journal, stepped once."""

from __future__ import annotations

from pathlib import Path

import pytest
import twelve_weeks


@pytest.fixture(scope="session")
def season_journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of the twelve weeks of article 003; to be read, never changed."""
    path = tmp_path_factory.mktemp("season") / "journal.sqlite3"
    twelve_weeks.fill(path)
    return path
