"""The list of runs: newest first, worked out once, with what the runner said."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import pytest

from hrbridge import trace
from hrbridge.config import Control, Plan
from hrbridge.dates import Moment
from hrbridge.decisions import Phase
from hrbridge.history.figures import VERSION, figures
from hrbridge.history.runs import Run, runs
from hrbridge.journal import End, Journal, Kind, Note, Session
from tests.control.conftest import PaperRun, recovering, run_walk

NOW = Moment(unix_s=1_795_000_000.0, right=True, boot_id="b", boot_s=100.0)
EASY = run_walk(60, 60, repeats=3, cooldown=30.0)
ONE = PaperRun(EASY, recovering()).until(Phase.FINISHED)
SHORT = PaperRun(EASY, recovering()).until(Phase.WALK)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite3", create=True) as opened:
        yield opened


def keep(
    journal: Journal,
    run: PaperRun = ONE,
    plan: Plan = EASY,
    *,
    kind: Kind = Kind.LIVE,
    ended: End | None = End.FINISHED,
    started_at: str | None = "2026-11-20T07:00:00Z",
) -> int:
    header = trace.Header(runner=run.runner, plan=plan, control=Control(), started_at=started_at)
    with journal.transaction():
        session_id = journal.begin(header, kind, "strap", began_at_s=0.0, now=NOW, started_at=started_at)
        journal.append(session_id, 0, [trace.encode(step) for step in run.steps])
        if ended is not None:
            journal.end(session_id, ended)
    return session_id


def note(journal: Journal, session_id: int, note: Note) -> None:
    with journal.transaction():
        journal.put_note(session_id, note)


def only(journal: Journal) -> Run:
    (run,) = runs(journal, ONE.runner.id)
    return run


def test_the_newest_run_comes_first(journal: Journal) -> None:
    for day in (19, 21, 20):
        keep(journal, started_at=f"2026-11-{day}T07:00:00Z")
    assert [run.day for run in runs(journal, ONE.runner.id)] == [date(2026, 11, day) for day in (21, 20, 19)]


def test_other_people_s_runs_are_not_mine(journal: Journal) -> None:
    keep(journal)
    assert runs(journal, "somebody-else") == []


def test_a_run_is_what_its_steps_add_up_to(journal: Journal) -> None:
    keep(journal)
    assert only(journal).figures == figures(trace.Header(runner=ONE.runner, plan=EASY, control=Control()), ONE.steps)


def test_it_is_worked_out_once(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(journal)
    first = only(journal)
    monkeypatch.setattr(journal, "steps", lambda _id: pytest.fail("asked for its steps again"))
    assert only(journal) == first


def test_how_far_it_is_can_be_followed(journal: Journal) -> None:
    known = keep(journal)
    runs(journal, ONE.runner.id)
    new = keep(journal)
    given: list[list[int]] = []

    def track(sessions: Sequence[Session]) -> Sequence[Session]:
        given.append([session.id for session in sessions])
        return sessions

    assert {run.session.id for run in runs(journal, ONE.runner.id, track)} == {known, new}
    assert given == [[new]]


def test_what_an_older_arithmetic_left_is_worked_out_anew(journal: Journal) -> None:
    session_id = keep(journal)
    with journal.transaction():
        journal.put_figures(session_id, VERSION - 1, b"{}")
    assert only(journal).figures.elapsed_s == 510


def test_what_cannot_be_read_of_it_is_worked_out_anew(journal: Journal) -> None:
    session_id = keep(journal)
    with journal.transaction():
        journal.put_figures(session_id, VERSION, b'{"steps":')
    assert only(journal).figures.elapsed_s == 510


def test_a_damaged_run_is_told_and_hides_no_other(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    whole, damaged = keep(journal), keep(journal)
    journal._db.execute("UPDATE steps SET lines = ? WHERE session_id = ?", (b"{", damaged))
    assert [run.session.id for run in runs(journal, ONE.runner.id)] == [whole]
    assert [record.getMessage() for record in caplog.records] == [
        f"{journal.path}: run {damaged}: a step cannot be read: Input data was truncated; it is left out"
    ]


def test_a_session_without_an_end_is_listed_and_worked_out_each_time(journal: Journal) -> None:
    keep(journal, SHORT, ended=None)
    assert only(journal).figures.run_s == 60
    assert journal.figures(VERSION) == {}


def test_a_journal_that_may_only_be_read_is_read(tmp_path: Path, journal: Journal) -> None:
    keep(journal)
    journal.close()
    with Journal(tmp_path / "journal.sqlite3") as locked:
        locked.writable = False
        assert only(locked).figures.elapsed_s == 510
        assert locked.figures(VERSION) == {}


def test_a_disk_that_takes_nothing_more_hides_no_run(journal: Journal) -> None:
    keep(journal)
    journal._db.execute("PRAGMA query_only = 1")
    assert only(journal).figures.elapsed_s == 510


@pytest.fixture
def auckland() -> Iterator[None]:
    """Thirteen hours ahead of UTC in November."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Pacific/Auckland"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.usefixtures("auckland")
def test_the_day_is_that_of_the_place(journal: Journal) -> None:
    keep(journal, started_at="2026-11-20T18:30:00Z")
    run = only(journal)
    assert run.day == date(2026, 11, 21)
    assert run.started is not None
    assert run.started.isoformat() == "2026-11-21T07:30:00+13:00"


def test_a_run_without_a_date_has_no_day(journal: Journal) -> None:
    keep(journal, kind=Kind.IMPORTED, started_at=None)
    assert (only(journal).started, only(journal).day) == (None, None)


def test_without_a_word_on_effort_there_is_no_load(journal: Journal) -> None:
    keep(journal)
    assert (only(journal).rpe, only(journal).load) == (None, None)


def test_effort_said_in_the_run_is_that_of_the_run(journal: Journal) -> None:
    run = PaperRun(EASY, recovering()).until(Phase.WALK)
    run.effort(4)
    keep(journal, run.until(Phase.FINISHED))
    assert (only(journal).rpe, only(journal).load) == (4, 8.5 * 4)


def test_what_is_said_afterwards_has_the_last_word(journal: Journal) -> None:
    run = PaperRun(EASY, recovering()).until(Phase.WALK)
    run.effort(4)
    session_id = keep(journal, run.until(Phase.FINISHED))
    note(journal, session_id, Note(rpe=0))
    assert (only(journal).rpe, only(journal).load) == (0, 0)


def test_the_note_comes_with_the_run(journal: Journal) -> None:
    said = Note(text="sunny", stronger=True)
    note(journal, keep(journal), said)
    assert only(journal).note == said


@pytest.mark.parametrize("kind", list(Kind))
def test_whatever_somebody_put_there_counts(journal: Journal, kind: Kind) -> None:
    keep(journal, kind=kind)
    assert only(journal).counts


@pytest.mark.parametrize("ended", [End.STOPPED, End.INTERRUPTED, None])
def test_a_run_broken_off_in_its_first_minutes_does_not_count(journal: Journal, ended: End | None) -> None:
    keep(journal, SHORT, ended=ended)
    assert not only(journal).counts


def test_a_run_broken_off_later_counts(journal: Journal) -> None:
    keep(journal, PaperRun(EASY, recovering()).go(120 + 301), ended=End.INTERRUPTED)
    assert only(journal).counts


def test_a_short_plan_that_was_finished_counts(journal: Journal) -> None:
    plan = run_walk(60, 60, repeats=1)
    keep(journal, PaperRun(plan, recovering()).until(Phase.FINISHED), plan)
    assert only(journal).counts


def test_a_warm_up_alone_does_not_count(journal: Journal) -> None:
    keep(journal, PaperRun(EASY, recovering()).go(60))
    assert not only(journal).counts
