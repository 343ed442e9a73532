"""Four hours of a FIT file replayed, beside fitdecode alone reading the same file in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import fitdecode
from benchmarks.conftest import Ledger

from hrbridge import wiring
from hrbridge.dates import Moment
from hrbridge.history.export import fit
from hrbridge.history.export.activity import activity
from hrbridge.journal import Kind, Session

FOUR_HOURS = ("plan.use=easy-4-1", "plan.total_s=14400", "sensor.runner=fit")
BEGAN = "2026-11-22T07:00:00Z"
ROUNDS = 3
MOST_TIMES_THE_FLOOR = 4.0


def cpu_s(work: Callable[[], object]) -> float:
    """The least of some rounds: the others were disturbed."""
    took_s = []
    for _ in range(ROUNDS):
        began_s = time.process_time()
        work()
        took_s.append(time.process_time() - began_s)
    return min(took_s)


def decode(file: Path) -> int:
    with fitdecode.FitReader(file) as frames:
        return sum(1 for _ in frames)


def replay(file: Path) -> None:
    wiring.coach_at_once(wiring.replay_session(file, None, ["plan.use=easy-4-1"]), None, [])


def test_four_hours_of_a_watch(tmp_path: Path, ledger: Ledger) -> None:
    session = wiring.simulated_session(None, FOUR_HOURS)
    steps = list(wiring.steps(session))
    now = Moment(0.0, right=True, boot_id="", boot_s=0.0)
    stored = Session(1, "alex", Kind.LIVE, "strap", session.header, 0.0, BEGAN, False, now.boot_id, now.boot_s, None)
    file = tmp_path / "four-hours.fit"
    fit.write(file, activity(stored, session.header, steps))
    assert steps[-1].at_s >= 4 * 3600
    ours_s, floor_s = cpu_s(lambda: replay(file)), cpu_s(lambda: decode(file))
    ledger("replay of 4 h of FIT", ours_s, "s", floor_s, "fitdecode reading the file")
    assert ours_s < MOST_TIMES_THE_FLOOR * floor_s
