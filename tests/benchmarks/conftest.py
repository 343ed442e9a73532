"""The table that ``make bench`` ends with: each figure beside its floor, which the same run has measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest


class Row(NamedTuple):
    """``ours`` and ``floor`` in ``unit``; ``aim`` is what the ratio is to be at most, None where there is none."""

    what: str
    ours: float
    unit: str
    floor: float
    floor_is: str
    aim: float | None = None


Ledger = Callable[..., None]
ROWS = pytest.StashKey[list[Row]]()


@pytest.fixture
def ledger(pytestconfig: pytest.Config) -> Ledger:
    """Enters a line: the fields of a Row."""
    rows = pytestconfig.stash.setdefault(ROWS, [])
    return lambda *fields: rows.append(Row(*fields))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash.get(ROWS, [])
    if not rows:
        return
    width = max(len(row.what) for row in rows)
    terminalreporter.write_line(f"\n{'':<{width}} {'hrbridge':>15} {'floor':>15} {'ratio':>6} {'aim':>5}  the floor is")
    for row in rows:
        ours, floor = (f"{value:,.4g} {row.unit}" for value in (row.ours, row.floor))
        aim = "" if row.aim is None else f"{row.aim:g}"
        terminalreporter.write_line(
            f"{row.what:<{width}} {ours:>15} {floor:>15} {row.ours / row.floor:>6.2f} {aim:>5}  {row.floor_is}"
        )
