"""What it costs to have each second of a run on the disk, beside a bare commit of SQLite that is as safe."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from benchmarks.conftest import Ledger

from hrbridge import timeline, trace, wiring
from hrbridge.journal import Kind
from hrbridge.sinks.journal import JournalSink

SECONDS = 300
MOST_TIMES_THE_FLOOR = 6.0


def test_a_second_of_a_run_in_the_journal(tmp_path: Path, ledger: Ledger) -> None:
    """Processor time, with what the kernel works for the disk; steps are taken and encoded outside the bare one."""
    session = wiring.simulated_session(None, ["plan.use=one-one"])
    steps = [step for step in wiring.steps(session) if step.at_s <= SECONDS]
    by_second = [[step for step in steps if second - 1 < step.at_s <= second] for second in range(SECONDS + 1)]

    sink = JournalSink(tmp_path / "journal.sqlite3", live=True, now=timeline.moment)
    sink.begin(session.header, Kind.SIMULATED, "bench")
    began_s = time.process_time()
    for each in by_second:
        for step in each:
            sink.take(step)
        sink.commit()
    ours_ms = 1000 * (time.process_time() - began_s) / SECONDS

    lines = [b"".join(map(trace.encode, each)) for each in by_second]
    database = sqlite3.connect(tmp_path / "bare.sqlite3", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE line (text BLOB)")
    began_s = time.process_time()
    for line in lines:
        database.execute("INSERT INTO line VALUES (?)", (line,))
    floor_ms = 1000 * (time.process_time() - began_s) / SECONDS
    database.close()

    ledger("journal: a second of a run", ours_ms, "ms CPU", floor_ms, "a commit of the same bytes, synchronous = FULL")
    assert ours_ms < MOST_TIMES_THE_FLOOR * floor_ms
