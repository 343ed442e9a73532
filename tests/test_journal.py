"""The journal: what went in comes out, nothing is written over, and whatever is wrong with the file is one line."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from simulated_runs import simulated_run

from hrbridge import journal as journals
from hrbridge import trace
from hrbridge.dates import Moment, from_iso
from hrbridge.errors import DamagedJournal, JournalError
from hrbridge.journal import Day, End, Journal, Kind, Note, Soreness, default_path, pack, set_aside
from hrbridge.messages import AckResult, CueAck

MORNING = Moment(from_iso("2026-11-22T07:00:00Z"), right=True, boot_id="this-boot", boot_s=1000.0)
HEADER, STEPS = simulated_run("plan.use=demo")
LINES = [trace.encode(step) for step in STEPS]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite3", create=True) as opened:
        yield opened


def add(journal: Journal, *, runner: str = "alex", now: Moment = MORNING, started_at: str = "2026-11-22T07:00:00Z"):
    header = replace(HEADER, runner=replace(HEADER.runner, id=runner))
    with journal.transaction():
        return journal.begin(header, Kind.LIVE, "strap", began_at_s=5.0, started_at=started_at, now=now)


# -- what goes in comes out --


def test_a_run_comes_back_with_all_that_was_said_of_it(journal: Journal):
    number = add(journal)
    session = journal.session(str(number))
    assert (session.runner_id, session.kind, session.source, session.began_at_s) == ("alex", Kind.LIVE, "strap", 5.0)
    assert (session.started_at, session.date_estimated, session.ended) == ("2026-11-22T07:00:00Z", False, None)


def test_its_steps_are_the_lines_of_a_trace(journal: Journal):
    number = add(journal)
    with journal.transaction():
        journal.append(number, 0, LINES[:3])
        journal.append(number, 3, LINES[3:])
    assert list(journal.lines(number)) == LINES
    assert list(journal.steps(number)) == list(STEPS)


def test_packed_lines_take_the_place_of_those_from_there_on(journal: Journal):
    number = add(journal)
    with journal.transaction():
        journal.append(number, 0, LINES[:10])
        journal.append(number, 10, LINES[10:20])
        journal.append(number, 20, LINES[20:21])
        journal.append_packed(number, 10, pack(LINES[10:]))
    assert list(journal.lines(number)) == LINES


def test_what_is_not_committed_has_never_been(journal: Journal):
    number = add(journal)

    def break_off() -> None:
        with journal.transaction():
            journal.append(number, 0, LINES)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert list(journal.lines(number)) == []


def test_acknowledgements_are_kept_in_order(journal: Journal):
    number = add(journal)
    acks = [CueAck(client="headset", sid="ab", seq=seq, result=AckResult.PLAYED, age_ms=40) for seq in (1, 2)]
    with journal.transaction():
        journal.acknowledge(number, acks)
    assert journal.acks(number) == acks


def test_notes_and_days_are_kept(journal: Journal):
    number = add(journal)
    with journal.transaction():
        journal.put_note(number, Note(rpe=5.5, soreness=Soreness.MILD))
        journal.put_day("alex", "2026-11-22", Day(steps=7200))
    assert journal.notes() == {number: Note(rpe=5.5, soreness=Soreness.MILD)}
    assert journal.days("alex") == {"2026-11-22": Day(steps=7200)}
    assert journal.days("kim") == {}


def test_figures_of_another_arithmetic_are_not_taken(journal: Journal):
    number = add(journal)
    with journal.transaction():
        journal.put_figures(number, 1, b"{}")
    assert journal.figures(1) == {number: b"{}"}
    assert journal.figures(2) == {}


# -- finding runs --


def test_the_newest_run_is_the_last_by_its_date_not_by_its_number(journal: Journal):
    today = add(journal)
    add(journal, started_at="2024-01-01T07:00:00Z")
    assert journal.session("last").id == today


def test_everybody_has_a_last_run_of_their_own(journal: Journal):
    mine = add(journal, runner="alex")
    add(journal, runner="kim", started_at="2026-11-23T07:00:00Z")
    assert journal.session("last", "alex").id == mine
    assert journal.runner_ids() == ["alex", "kim"]


@pytest.mark.parametrize("wanted", ["7", "first", "-1", "", "9" * 30, "9" * 5000])
def test_a_run_that_is_not_there_is_answered_with_those_that_are(journal: Journal, wanted: str):
    add(journal)
    with pytest.raises(JournalError, match=rf"no run {wanted}; the newest is 1$"):
        journal.session(wanted)


def test_a_number_belongs_to_one_runner_alone(journal: Journal):
    number = str(add(journal, runner="kim"))
    assert journal.session(number).runner_id == journal.session(number, "kim").runner_id == "kim"
    with pytest.raises(JournalError, match=r"no run 1 of alex; there are runs of kim$"):
        journal.session(number, "alex")


def test_an_empty_journal_says_so(journal: Journal):
    with pytest.raises(JournalError, match=r"no last run; the journal is empty$"):
        journal.session("last")


# -- dates --


def unsynchronised(boot_s: float, boot_id: str = "this-boot") -> Moment:
    return Moment(from_iso("2020-01-01T00:00:00Z"), right=False, boot_id=boot_id, boot_s=boot_s)


def test_a_date_without_a_network_is_an_estimate(journal: Journal):
    add(journal, now=unsynchronised(1000.0))
    assert journal.session("last").date_estimated


def test_once_the_date_is_known_it_is_mended(journal: Journal):
    add(journal, now=unsynchronised(1000.0))
    with journal.transaction():
        journal.repair_dates(replace_moment(MORNING, boot_s=4600.0))
    session = journal.session("last")
    assert (session.started_at, session.date_estimated) == ("2026-11-22T06:00:00Z", False)


def test_the_trace_of_a_mended_run_carries_the_true_date(journal: Journal):
    live = replace(HEADER, started_at="2020-01-01T00:00:00Z")
    with journal.transaction():
        journal.begin(
            live, Kind.LIVE, "strap", began_at_s=60.0, started_at="2020-01-01T00:01:00Z", now=unsynchronised(1000.0)
        )
        journal.repair_dates(replace_moment(MORNING, boot_s=1000.0))
    assert journal.header(journal.session("last")).started_at == "2026-11-22T06:59:00Z"


def test_a_date_that_was_right_stays_as_it_was_written(journal: Journal):
    live = replace(HEADER, started_at="2026-11-22T06:59:00Z")
    with journal.transaction():
        journal.begin(live, Kind.LIVE, "strap", began_at_s=60.4, started_at="2026-11-22T07:00:00Z", now=MORNING)
    assert journal.header(journal.session("last")) == live


@pytest.mark.parametrize(
    ("then", "now"),
    [
        pytest.param("a", Moment(MORNING.unix_s, right=False, boot_id="a", boot_s=2000.0), id="it is not right yet"),
        pytest.param("a", Moment(MORNING.unix_s, right=True, boot_id="b", boot_s=2000.0), id="it was off meanwhile"),
        pytest.param("", Moment(MORNING.unix_s, right=True, boot_id="", boot_s=2000.0), id="boots are all alike"),
    ],
)
def test_a_date_stays_an_estimate_where_nobody_can_know(journal: Journal, then: str, now: Moment):
    add(journal, now=unsynchronised(1000.0, boot_id=then))
    with journal.transaction():
        journal.repair_dates(now)
    assert journal.session("last").date_estimated


def replace_moment(moment: Moment, *, boot_s: float) -> Moment:
    return Moment(moment.unix_s, moment.right, moment.boot_id, boot_s)


# -- privacy --


def test_nobody_else_may_read_it(journal: Journal):
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600


def test_a_deleted_run_is_gone_with_its_bytes(journal: Journal):
    number = add(journal)
    with journal.transaction():
        journal.append(number, 0, [b'{"private":"heartbeat"}\n'])
    journal.delete(number)
    beside = journal.path.parent.glob("journal.sqlite3*")
    assert sum(file.read_bytes().count(b"heartbeat") for file in beside) == 0


def test_it_lies_where_the_system_keeps_the_state_of_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "hrbridge" / "journal.sqlite3"


# -- a file that is not as it should be --


def test_no_journal_yet_says_how_one_begins(tmp_path: Path):
    with pytest.raises(JournalError, match=r"no journal yet; a live run or hrbridge import begins one$"):
        Journal(tmp_path / "journal.sqlite3")


def test_looking_does_not_create_one(tmp_path: Path):
    with pytest.raises(JournalError):
        Journal(tmp_path / "journal.sqlite3")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"not a database at all " * 100, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_file_that_is_no_database_is_damaged_and_left_as_it_is(tmp_path: Path, content: bytes):
    file = tmp_path / "journal.sqlite3"
    file.write_bytes(content)
    with pytest.raises(DamagedJournal, match=r"damaged"):
        Journal(file, create=True)
    assert file.read_bytes() == content


@pytest.mark.parametrize("version", [0, 1])
def test_the_database_of_another_program_is_not_taken_for_ours(tmp_path: Path, version: int):
    file = tmp_path / "journal.sqlite3"
    with sqlite3.connect(file) as other:
        other.execute("CREATE TABLE bookmark (url TEXT)")
        other.execute(f"PRAGMA user_version = {version}")
    other.close()
    before = file.read_bytes()
    with pytest.raises(JournalError, match=r"an SQLite file, but no journal of hrbridge: name another file$"):
        Journal(file, create=True)
    assert file.read_bytes() == before


def test_a_journal_of_a_newer_hrbridge_is_refused_and_left_alone(tmp_path: Path):
    file = tmp_path / "journal.sqlite3"
    Journal(file, create=True).close()
    with sqlite3.connect(file) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(JournalError, match=r"written by a newer hrbridge \(schema 99\): use that one$"):
        Journal(file)


def test_a_journal_of_an_older_hrbridge_is_brought_forward_with_all_its_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with Journal(tmp_path / "journal.sqlite3", create=True) as older:
        add(older)
    shoes = "CREATE TABLE shoe (name TEXT); INSERT INTO shoe SELECT source FROM session"
    monkeypatch.setattr(journals, "MIGRATIONS", (*journals.MIGRATIONS, shoes))
    with Journal(tmp_path / "journal.sqlite3") as newer:
        assert [session.runner_id for session in newer.sessions()] == ["alex"]
    with sqlite3.connect(tmp_path / "journal.sqlite3") as database:
        assert database.execute("SELECT name FROM shoe").fetchall() == [("strap",)]
        assert database.execute("PRAGMA user_version").fetchone() == (len(journals.MIGRATIONS),)


def test_a_migration_that_breaks_off_has_never_been(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with Journal(tmp_path / "journal.sqlite3", create=True) as older:
        add(older)
    monkeypatch.setattr(journals, "MIGRATIONS", (*journals.MIGRATIONS, "CREATE TABLE shoe (name TEXT); NONSENSE"))
    with pytest.raises(JournalError):
        Journal(tmp_path / "journal.sqlite3")
    monkeypatch.undo()
    with Journal(tmp_path / "journal.sqlite3") as same:
        assert len(same.sessions()) == 1


def rewrite(journal: Journal, statement: str, *values: object) -> None:
    """What a failing card does to a row."""
    with sqlite3.connect(journal.path) as other:
        other.execute(statement, values)
    other.close()


@pytest.mark.parametrize(
    ("column", "value"),
    [("header", b'{"format":"hrbr'), ("kind", "dreamt"), ("ended", "somehow"), ("started_at", "soon")],
)
def test_a_run_that_cannot_be_read_is_told_and_leaves_the_others(
    journal: Journal, caplog: pytest.LogCaptureFixture, column: str, value: object
):
    whole, damaged = add(journal), add(journal)
    rewrite(journal, f"UPDATE session SET {column} = ? WHERE id = ?", value, damaged)
    assert [session.id for session in journal.sessions()] == [whole]
    assert [session.id for session in journal.unfinished("alex")] == [whole]
    assert journal.session("last").id == whole
    assert f"run {damaged} cannot be read" in caplog.text
    with pytest.raises(DamagedJournal, match=rf"run {damaged} cannot be read"):
        journal.session(str(damaged))


def test_what_was_said_and_cannot_be_read_leaves_the_rest(journal: Journal, caplog: pytest.LogCaptureFixture):
    first, second = add(journal), add(journal)
    with journal.transaction():
        for number in (first, second):
            journal.put_note(number, Note(rpe=5))
            journal.put_day("alex", f"2026-11-{number:02}", Day(steps=8000))
    rewrite(journal, "UPDATE note SET json = ? WHERE session_id = ?", b'{"rpe":', first)
    rewrite(journal, "UPDATE day SET json = ? WHERE date = '2026-11-01'", b'{"steps":"many"}')
    assert journal.notes() == {second: Note(rpe=5)}
    assert journal.days("alex") == {"2026-11-02": Day(steps=8000)}
    assert "what was said of run 1 cannot be read" in caplog.text
    assert "what was said of 2026-11-01 cannot be read" in caplog.text


def test_a_damaged_page_is_told_when_it_is_read(tmp_path: Path):
    file = tmp_path / "journal.sqlite3"
    with Journal(file, create=True) as journal:
        number = add(journal)
        with journal.transaction():
            journal.append(number, 0, LINES)
    content = bytearray(file.read_bytes())
    content[3 * 4096 :] = b"\xa5" * (len(content) - 3 * 4096)
    file.write_bytes(content)
    with pytest.raises(DamagedJournal, match=r"damaged|cannot be read"), Journal(file) as journal:
        list(journal.steps(journal.session("last").id))


def test_a_damaged_file_is_set_aside_with_all_that_belongs_to_it(tmp_path: Path):
    for tail in ("", "-wal", "-shm"):
        (tmp_path / f"journal.sqlite3{tail}").write_text(f"content{tail}")
    aside = set_aside(tmp_path / "journal.sqlite3", MORNING)
    assert sorted(file.name for file in tmp_path.iterdir()) == [aside.name, f"{aside.name}-shm", f"{aside.name}-wal"]
    assert aside.read_text() == "content"


def test_two_damaged_files_of_one_second_are_both_kept(tmp_path: Path):
    names = set()
    for content in ("first", "second"):
        (tmp_path / "journal.sqlite3").write_text(content)
        names.add(set_aside(tmp_path / "journal.sqlite3", MORNING))
    assert {name.read_text() for name in names} == {"first", "second"}


def test_a_journal_that_is_written_meanwhile_can_be_read(journal: Journal):
    number = add(journal)
    with Journal(journal.path) as reader, journal.transaction():
        journal.append(number, 0, LINES)
        assert list(reader.lines(number)) == []


def test_a_file_that_may_only_be_read_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with Journal(tmp_path / "journal.sqlite3", create=True) as journal:
        add(journal)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with Journal(tmp_path / "journal.sqlite3") as reader:
        assert [session.runner_id for session in reader.sessions()] == ["alex"]
        with (
            pytest.raises(JournalError, match=r"may only be read: check its owner and the disk$"),
            reader.transaction(),
        ):
            reader.end(1, End.FINISHED)
