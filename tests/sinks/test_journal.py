"""The journal as a run goes on: every second on the disk, and nothing lost whatever the disk does."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from simulated_runs import simulated_run

from hrbridge import trace
from hrbridge.dates import Moment, from_iso
from hrbridge.decisions import Phase, Step
from hrbridge.events import Action, Command, Tick
from hrbridge.journal import End, Journal, Kind
from hrbridge.messages import AckResult, CueAck
from hrbridge.sinks import journal as journals
from hrbridge.sinks.journal import JournalSink, recording_alone

NOW = Moment(from_iso("2026-11-22T07:00:00Z"), right=True, boot_id="this-boot", boot_s=1000.0)
HEADER, STEPS = simulated_run("plan.use=demo")
LINES = [trace.encode(step) for step in STEPS]
HEADER_OF_A_DAY = replace(HEADER, started_at="2026-11-22T07:00:00Z")


def sink_at(path: Path, now: Callable[[], Moment] = lambda: NOW, *, live: bool = True) -> JournalSink:
    return JournalSink(path, live=live, now=now)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def sink(file: Path) -> JournalSink:
    """A journal that is written when a test says so, without a thread."""
    begun = sink_at(file)
    begun.begin(HEADER_OF_A_DAY, Kind.LIVE, "Polar H10")
    return begun


def take(sink: JournalSink, steps: tuple[Step, ...]) -> None:
    for step in steps:
        sink.take(step)


def on_disk(file: Path, number: str = "last") -> list[bytes]:
    with Journal(file) as journal:
        return list(journal.lines(journal.session(number).id))


def sessions(file: Path) -> list[tuple[str | None, End | None]]:
    with Journal(file) as journal:
        return [(session.started_at, session.ended) for session in journal.sessions()]


# -- a run that goes well --


def test_every_step_is_on_the_disk_after_the_commit_of_its_second(sink: JournalSink, file: Path):
    take(sink, STEPS[:50])
    sink.commit()
    assert on_disk(file) == LINES[:50]


def test_a_run_of_many_seconds_is_whole(sink: JournalSink, file: Path):
    for first in range(0, len(STEPS), 7):
        take(sink, STEPS[first : first + 7])
        sink.commit()
    assert on_disk(file) == LINES


def test_long_runs_are_packed(sink: JournalSink, file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(journals, "PACK_STEPS", 100)
    for first in range(0, len(STEPS), 7):
        take(sink, STEPS[first : first + 7])
        sink.commit()
    assert on_disk(file) == LINES
    assert file.stat().st_size < sum(map(len, LINES)) / 2


def test_a_run_that_is_finished_has_an_end(sink: JournalSink, file: Path):
    assert STEPS[-1].phase is Phase.FINISHED
    take(sink, STEPS)
    sink.commit()
    assert sessions(file) == [("2026-11-22T07:00:00Z", End.FINISHED)]


def test_a_run_that_goes_on_has_none(sink: JournalSink, file: Path):
    take(sink, STEPS[:50])
    sink.commit()
    assert sessions(file) == [("2026-11-22T07:00:00Z", None)]


def test_a_run_that_the_runner_ends_is_stopped(sink: JournalSink, file: Path):
    take(sink, STEPS[:50])
    sink.end(End.STOPPED)
    sink.commit()
    assert sessions(file) == [("2026-11-22T07:00:00Z", End.STOPPED)]


def test_stopping_after_the_finish_changes_nothing(sink: JournalSink, file: Path):
    take(sink, STEPS)
    sink.end(End.STOPPED)
    sink.commit()
    assert sessions(file) == [("2026-11-22T07:00:00Z", End.FINISHED)]


def test_waiting_for_the_runner_is_no_run(sink: JournalSink, file: Path):
    waiting = replace(STEPS[0], event=Tick(1), phase=Phase.WAITING)
    take(sink, (waiting,))
    sink.end(End.STOPPED)
    sink.commit()
    assert sessions(file) == []


def test_a_run_begins_when_the_runner_does_and_keeps_the_wait_before(sink: JournalSink, file: Path):
    waiting = tuple(replace(STEPS[0], event=Tick(second), phase=Phase.WAITING) for second in range(1, 61))
    started = replace(STEPS[1], event=Command(61, Action.START), phase=Phase.WARMUP)
    take(sink, (*waiting, started))
    sink.commit()
    assert sessions(file) == [("2026-11-22T07:01:01Z", None)]
    assert len(on_disk(file)) == 61


def test_of_a_long_wait_only_the_last_half_hour_is_kept(sink: JournalSink, file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(journals, "MAX_STEPS_BEFORE_START", 10)
    take(sink, tuple(replace(STEPS[0], event=Tick(second), phase=Phase.WAITING) for second in range(1, 61)))
    take(sink, (replace(STEPS[1], event=Command(61, Action.START), phase=Phase.WARMUP),))
    sink.commit()
    assert [trace.decode(line).at_s for line in on_disk(file)] == [*range(51, 61), 61]


def test_a_service_keeps_one_run_after_the_other(sink: JournalSink, file: Path):
    take(sink, STEPS)
    sink.begin(replace(HEADER, started_at="2026-11-23T07:00:00Z"), Kind.LIVE, "Polar H10")
    take(sink, STEPS[:50])
    sink.commit()
    assert sessions(file) == [("2026-11-23T07:00:00Z", None), ("2026-11-22T07:00:00Z", End.FINISHED)]
    assert (on_disk(file, "1"), on_disk(file, "2")) == (LINES, LINES[:50])


def test_what_the_headset_did_with_a_cue_stands_beside_the_run(sink: JournalSink, file: Path):
    ack = CueAck(client="headset", sid="ab", seq=1, result=AckResult.DROPPED, why="late", age_ms=6000)
    take(sink, STEPS[:50])
    sink.acks.append(ack)
    sink.commit()
    with Journal(file) as journal:
        assert journal.acks(1) == [ack]


def test_nothing_new_writes_nothing(sink: JournalSink, file: Path):
    take(sink, STEPS[:50])
    sink.commit()
    wal = file.with_name(f"{file.name}-wal")
    before = wal.read_bytes()
    sink.commit()
    assert wal.read_bytes() == before


# -- in its own thread --


def test_leaving_writes_the_last_second(file: Path):
    with sink_at(file) as sink:
        sink.begin(HEADER_OF_A_DAY, Kind.LIVE, "Polar H10")
        take(sink, STEPS)
    assert on_disk(file) == LINES


def test_a_simulation_a_thousand_times_as_fast_waits_for_the_disk(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(journals, "MAX_WAITING_STEPS", 8)
    with sink_at(file, live=False) as sink:
        sink.begin(HEADER, Kind.SIMULATED, "typical")
        take(sink, STEPS)
    assert on_disk(file) == LINES


def test_a_live_run_never_waits_for_a_disk_that_hangs(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(journals, "MAX_WAITING_STEPS", 8)
    sink = sink_at(file)  # nobody commits
    sink.begin(HEADER_OF_A_DAY, Kind.LIVE, "Polar H10")
    take(sink, STEPS)  # would stand still here


# -- dates --


def test_the_date_is_mended_as_soon_as_the_network_tells_it(file: Path):
    moments = iter(
        [
            Moment(from_iso("2020-01-01T00:00:00Z"), right=False, boot_id="this-boot", boot_s=30.0),
            Moment(from_iso("2020-01-01T00:00:01Z"), right=False, boot_id="this-boot", boot_s=31.0),
            Moment(from_iso("2026-11-22T07:10:00Z"), right=True, boot_id="this-boot", boot_s=630.0),
        ]
    )
    sink = sink_at(file, lambda: next(moments))
    sink.begin(replace(HEADER, started_at="2020-01-01T00:00:00Z"), Kind.LIVE, "Polar H10")
    take(sink, STEPS[:50])
    sink.commit()
    take(sink, STEPS[50:60])
    sink.commit()
    assert sessions(file) == [("2026-11-22T07:00:00Z", None)]


# -- a disk that is full, read-only, or damaged --


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB; needs the rights of root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("no rights to mount a small file system: run as root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def retry(sink: JournalSink) -> None:
    for _ in range(journals.RETRY_AFTER_COMMITS + 1):
        sink.commit()


def test_a_full_disk_is_told_once_and_everything_is_written_when_there_is_room(
    small_disk: Path, caplog: pytest.LogCaptureFixture
):
    file = small_disk / "journal.sqlite3"
    sink = sink_at(file)
    sink.begin(HEADER_OF_A_DAY, Kind.LIVE, "Polar H10")
    take(sink, STEPS[:30])
    sink.commit()
    ballast = small_disk / "ballast"
    fill(ballast)
    for first in range(30, len(STEPS), 3):
        take(sink, STEPS[first : first + 3])
        sink.commit()
    assert [record.getMessage() for record in caplog.records] == [
        f"{file}: the disk is full: free some space; the run goes on and is kept in memory"
    ]
    ballast.unlink()
    caplog.clear()
    retry(sink)
    assert [record.getMessage() for record in caplog.records] == [
        f"{file} is written again; nothing of this run is missing"
    ]
    assert on_disk(file) == LINES


def fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096):
                pass
        except OSError:
            return


def test_a_folder_that_is_no_folder_is_told_once_and_the_run_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "state").write_text("a file")
    sink = sink_at(tmp_path / "state" / "journal.sqlite3")
    sink.begin(HEADER_OF_A_DAY, Kind.LIVE, "Polar H10")
    take(sink, STEPS)
    retry(sink)
    retry(sink)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "the run goes on and is kept in memory" in caplog.text


def test_a_disk_in_trouble_is_left_in_peace_for_a_while(tmp_path: Path):
    folder = tmp_path / "state"
    folder.write_text("a file")
    sink = sink_at(folder / "journal.sqlite3")
    sink.begin(HEADER_OF_A_DAY, Kind.LIVE, "Polar H10")
    take(sink, STEPS)
    sink.commit()
    folder.unlink()
    for _ in range(journals.RETRY_AFTER_COMMITS):
        sink.commit()
    assert not folder.exists()
    sink.commit()
    assert on_disk(folder / "journal.sqlite3") == LINES


def test_a_damaged_journal_is_set_aside_unchanged_and_a_new_one_begun(file: Path, caplog: pytest.LogCaptureFixture):
    file.write_bytes(b"no database" * 1000)
    sink = sink_at(file)
    sink.begin(HEADER_OF_A_DAY, Kind.LIVE, "Polar H10")
    take(sink, STEPS)
    sink.commit()
    sink.commit()
    assert on_disk(file) == LINES
    (aside,) = file.parent.glob("*.damaged-*")
    assert aside.read_bytes() == b"no database" * 1000
    assert [record.getMessage() for record in caplog.records] == [
        f"{file}: damaged, or no journal: file is not a database; it is kept as {aside.name}, and a new one begun"
    ]


def test_a_journal_damaged_in_mid_run_loses_nothing_of_it(
    sink: JournalSink, file: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(journals, "PACK_STEPS", 100)
    take(sink, STEPS[:250])
    sink.commit()
    sink._shut()  # so that what is damaged below is what is read next
    file.write_bytes(b"\xff" * 20_000)
    take(sink, STEPS[250:])
    sink.commit()
    sink.commit()
    assert on_disk(file) == LINES


def test_a_journal_of_a_newer_hrbridge_is_left_alone(file: Path, caplog: pytest.LogCaptureFixture):
    Journal(file, create=True).close()
    with sqlite3.connect(file) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    sink = sink_at(file)
    sink.begin(HEADER_OF_A_DAY, Kind.LIVE, "Polar H10")
    take(sink, STEPS)
    retry(sink)
    assert "written by a newer hrbridge" in caplog.text
    assert [each.name for each in file.parent.iterdir() if "damaged" in each.name] == []


def test_a_disk_that_is_broken_for_days_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(journals, "PACK_STEPS", 10)
    monkeypatch.setattr(journals, "MAX_PACKED_BYTES", 5_000)
    folder = tmp_path / "state"
    folder.write_text("a file")
    sink = sink_at(folder / "journal.sqlite3")
    sink.begin(HEADER_OF_A_DAY, Kind.LIVE, "Polar H10")
    take(sink, STEPS)
    sink.commit()
    folder.unlink()
    retry(sink)
    kept = on_disk(folder / "journal.sqlite3")
    assert kept == LINES[-len(kept) :]
    assert f"{len(LINES) - len(kept)} steps are missing" in caplog.text


def test_a_journal_that_is_deleted_in_mid_run_is_begun_anew_with_all_of_the_run(
    sink: JournalSink, file: Path, caplog: pytest.LogCaptureFixture
):
    take(sink, STEPS[:250])
    sink.commit()
    for each in file.parent.glob("journal.sqlite3*"):
        each.unlink()
    take(sink, STEPS[250:])
    sink.commit()
    assert on_disk(file) == LINES
    assert caplog.messages == [f"{file} has been taken away; it is begun anew with this run"]


def test_a_run_that_no_journal_would_take_lies_elsewhere_for_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    (tmp_path / "state").write_text("a file")
    with sink_at(tmp_path / "state" / "journal.sqlite3") as sink:
        sink.begin(HEADER_OF_A_DAY, Kind.LIVE, "Polar H10")
        take(sink, STEPS)
    (rescued,) = elsewhere.iterdir()
    assert list(trace.read(rescued).steps) == list(STEPS)
    assert rescued.stat().st_mode & 0o077 == 0
    assert f"could not be kept there; it is {rescued}: hrbridge import it" in caplog.text


# -- a run that is taken up again --


def test_a_run_that_is_taken_up_again_goes_on_in_its_own_row(sink: JournalSink, file: Path):
    for first in range(0, 60, 7):
        take(sink, STEPS[first : first + 7])
        sink.commit()
    again = sink_at(file)
    with Journal(file) as journal:
        again.resume(journal.session("last"), journal.lines(1))
    kept = len(on_disk(file))
    for first in range(kept, len(STEPS), 7):
        take(again, STEPS[first : first + 7])
        again.commit()
    assert on_disk(file) == LINES
    assert sessions(file) == [("2026-11-22T07:00:00Z", End.FINISHED)]


# -- one writer --


def test_two_hrbridge_do_not_record_the_same_runner(file: Path):
    with recording_alone(file, "alex") as first, recording_alone(file, "alex") as second:
        assert (first, second) == (True, False)


def test_two_runners_share_a_journal(file: Path):
    with recording_alone(file, "alex") as first, recording_alone(file, "kim") as second:
        assert (first, second) == (True, True)


def test_two_runners_write_into_one_file(file: Path):
    both = [sink_at(file), sink_at(file)]
    for sink, runner in zip(both, ("alex", "kim"), strict=True):
        header = replace(HEADER_OF_A_DAY, runner=replace(HEADER.runner, id=runner))
        sink.begin(header, Kind.LIVE, "Polar H10")
    for first in range(0, len(STEPS), 50):
        for sink in both:
            take(sink, STEPS[first : first + 50])
            sink.commit()
    assert (on_disk(file, "1"), on_disk(file, "2")) == (LINES, LINES)


def test_whoever_has_gone_does_not_stand_in_the_way(file: Path):
    with recording_alone(file, "alex"):
        pass
    with recording_alone(file, "alex") as again:
        assert again


def test_nobody_else_may_read_what_lies_beside_it(file: Path, sink: JournalSink):
    take(sink, STEPS[:50])
    sink.commit()
    assert {each.stat().st_mode & 0o077 for each in file.parent.glob("journal.sqlite3*")} == {0}
