"""hrbridge import and export: past recordings into the journal, and out of it again."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from exported_runs import STARTED_AT, fit_messages, keep, stepped
from msgspec.structs import replace
from simulated_runs import simulated_run

from hrbridge import trace
from hrbridge.decisions import Phase
from hrbridge.events import Sample, Speed
from hrbridge.journal import End, Journal, Kind, Note, Session
from tests.conftest import Hrbridge


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Three minutes of a watch: a minute of running, one of walking, one of running."""
    path = tmp_path / "run.csv"
    rows = ["time,heart_rate_bpm,speed_m_s"]
    for s in range(181):
        walking = 60 <= s < 120
        rows.append(f"2026-05-01T07:{s // 60:02}:{s % 60:02}Z,{120 if walking else 140},{1.4 if walking else 2.8}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def ride(tmp_path: Path) -> Path:
    path = tmp_path / "ride.tcx"
    points = (
        f"<Trackpoint><Time>2026-05-01T07:{s // 60:02}:{s % 60:02}Z</Time>"
        "<HeartRateBpm><Value>120</Value></HeartRateBpm></Trackpoint>"
        for s in range(120)
    )
    path.write_text(
        '<TrainingCenterDatabase xmlns="http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2"><Activities>'
        f'<Activity Sport="Biking"><Lap StartTime="2026-05-01T07:00:00Z"><Track>{"".join(points)}</Track></Lap>'
        "</Activity></Activities></TrainingCenterDatabase>"
    )
    return path


@pytest.fixture
def own_trace(tmp_path: Path) -> Path:
    path = tmp_path / "own.jsonl"
    trace.write(path, *simulated_run('plan.use="demo"', 'sensor.runner="typical"'))
    return path


def sessions(journal: Path) -> list[Session]:
    with Journal(journal) as opened:
        return opened.sessions()


def lines(journal: Path, number: int) -> list[bytes]:
    with Journal(journal) as opened:
        return list(opened.lines(number))


def dated(path: Path, started_at: str) -> Path:
    """A trace of this date."""
    header, steps = simulated_run('plan.use="demo"', 'sensor.runner="typical"')
    trace.write(path, replace(header, started_at=started_at), steps)
    return path


# -- import --


def test_a_recording_becomes_a_run(hrbridge: Hrbridge, journal: Path, recording: Path) -> None:
    ended = hrbridge("import", recording, "--journal", journal)
    assert (ended.code, ended.out) == (0, f"{recording}: run 1\n")
    (run,) = sessions(journal)
    assert (run.kind, run.ended, run.source) == (Kind.IMPORTED, End.FINISHED, "run.csv")
    assert (run.started_at, run.date_estimated) == ("2026-05-01T07:00:00Z", False)


def test_it_is_stepped_as_replay_does(hrbridge: Hrbridge, journal: Path, recording: Path, tmp_path: Path) -> None:
    hrbridge("import", recording, "--journal", journal, "--plan", "one-one")
    hrbridge("replay", recording, "--plan", "one-one", "--trace", tmp_path / "replayed.jsonl")
    assert lines(journal, 1) == (tmp_path / "replayed.jsonl").read_bytes().splitlines(keepends=True)[1:]


def test_without_a_plan_the_phases_are_the_runners_own(hrbridge: Hrbridge, journal: Path, recording: Path) -> None:
    hrbridge("import", recording, "--journal", journal)
    assert sessions(journal)[0].header.plan.name == "free"


def test_however_long_it_was_all_of_it_is_kept(hrbridge: Hrbridge, journal: Path, tmp_path: Path) -> None:
    path = tmp_path / "ultra.csv"
    rows = (f"{s},{130 + s % 3},{2.6 if s % 600 < 500 else 1.4}" for s in range(0, 7 * 3600 + 1, 10))
    path.write_text("at_s,heart_rate_bpm,speed_m_s\n" + "\n".join(rows) + "\n", encoding="utf-8")
    hrbridge("import", path, "--journal", journal)
    assert trace.decode(lines(journal, 1)[-1]).phase is not Phase.FINISHED
    assert trace.decode(lines(journal, 1)[-1]).at_s == 7 * 3600


def test_the_same_file_is_imported_once(hrbridge: Hrbridge, journal: Path, recording: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.csv"
    copy.write_bytes(recording.read_bytes())
    ended = hrbridge("import", recording, copy, "--journal", journal)
    assert (ended.code, ended.out) == (0, f"{recording}: run 1\n{copy}: is run 1 already\n")
    assert len(sessions(journal)) == 1


@pytest.mark.parametrize("whole", ["run.csv", "own.jsonl"])
def test_it_belongs_to_the_runner_asked_for(
    hrbridge: Hrbridge, journal: Path, recording: Path, own_trace: Path, whole: str
) -> None:
    hrbridge("import", recording.with_name(whole), "--journal", journal, "--runner", "sam")
    (run,) = sessions(journal)
    assert (run.runner_id, run.header.runner.id) == ("sam", "sam")


def test_a_configuration_tells_whose_heart_it_is(
    hrbridge: Hrbridge, journal: Path, recording: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "alex.toml"
    settings.write_text('[runner]\nid = "alex"\nmax_heart_rate_bpm = 201\nresting_heart_rate_bpm = 51\n')
    hrbridge("import", recording, "--journal", journal, "--config", settings)
    runner = sessions(journal)[0].header.runner
    assert (runner.id, runner.max_heart_rate_bpm, runner.resting_heart_rate_bpm) == ("alex", 201, 51)


def test_a_trace_keeps_its_plan_and_its_steps(hrbridge: Hrbridge, journal: Path, own_trace: Path) -> None:
    ended = hrbridge("import", own_trace, "--journal", journal, "--plan", "one-one")
    assert ended.code == 0
    assert sessions(journal)[0].header.plan.name == "demo"
    assert lines(journal, 1) == own_trace.read_bytes().splitlines(keepends=True)[1:]


def test_the_wait_before_a_start_is_known(hrbridge: Hrbridge, journal: Path, tmp_path: Path) -> None:
    header, steps = stepped([Sample(s, 120) for s in range(40)])
    waits = [step for step in steps if step.at_s == 0]
    path = tmp_path / "waited.jsonl"
    trace.write(path, header, [waits[0], *(step for step in steps if step.at_s >= 9)])
    hrbridge("import", path, "--journal", journal)
    (run,) = sessions(journal)
    assert (run.began_at_s, run.started_at) == (9, "2026-11-22T07:00:09Z")


def test_what_cannot_be_read_stops_no_other(hrbridge: Hrbridge, journal: Path, recording: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text("time,heart_rate_bpm\nyesterday,120\n")
    ended = hrbridge("import", broken, tmp_path / "none.fit", recording, "--journal", journal)
    assert (ended.code, ended.out) == (2, f"{recording}: run 1\n")
    told = [line for line in ended.err.splitlines() if line.startswith("hrbridge: ")]
    assert [line.partition(": ")[2].partition(":")[0] for line in told] == [str(broken), str(tmp_path / "none.fit")]


def test_a_folder_is_met_with_how_its_files_are_named(hrbridge: Hrbridge, journal: Path, tmp_path: Path) -> None:
    ended = hrbridge("import", tmp_path, "--journal", journal)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"hrbridge: {tmp_path}: is a folder: name the files in it: {tmp_path}/*\n"


def test_a_ride_is_no_run(hrbridge: Hrbridge, journal: Path, ride: Path) -> None:
    ended = hrbridge("import", ride, "--journal", journal)
    assert (ended.code, ended.out, sessions(journal)) == (2, "", [])
    assert f"hrbridge: {ride}: is no run: its sport is Biking; --lenient takes it all the same\n" in ended.err


def test_who_is_faster_than_any_runner_rides(hrbridge: Hrbridge, journal: Path, recording: Path) -> None:
    recording.write_text(recording.read_text().replace(",2.8", ",9.5"))
    assert "nobody runs as fast; --lenient takes it" in hrbridge("import", recording, "--journal", journal).err


def test_a_ride_is_taken_when_asked(hrbridge: Hrbridge, journal: Path, ride: Path) -> None:
    assert hrbridge("import", ride, "--journal", journal, "--lenient").out == f"{ride}: run 1\n"


def test_a_damaged_one_is_read_as_far_as_it_goes_when_asked(hrbridge: Hrbridge, journal: Path, recording: Path) -> None:
    recording.write_bytes(gzip.compress(recording.read_bytes())[:-20])
    assert hrbridge("import", recording, "--journal", journal).code == 2
    ended = hrbridge("import", recording, "--journal", journal, "--lenient")
    assert (ended.code, ended.out) == (0, f"{recording}: run 1\n")
    assert "damaged at" in ended.err


@pytest.mark.parametrize("started_at", ["0001-01-01T00:00:00Z", "1970-01-01T00:00:12Z", "2200-01-01T00:00:00Z"])
def test_a_date_that_cannot_be_is_told_and_left_out(
    hrbridge: Hrbridge, journal: Path, tmp_path: Path, started_at: str
) -> None:
    ended = hrbridge("import", dated(tmp_path / "stopped.jsonl", started_at), "--journal", journal)
    assert (ended.code, sessions(journal)[0].started_at) == (0, None)
    assert f"begins at {started_at}, which cannot be: it comes without a date" in ended.err


def test_a_date_that_is_none_is_one_line(hrbridge: Hrbridge, journal: Path, own_trace: Path) -> None:
    own_trace.write_text(own_trace.read_text().replace('"runner":', '"started_at":"soon","runner":', 1))
    ended = hrbridge("import", own_trace, "--journal", journal)
    assert ended.code == 2
    assert ended.err == f"hrbridge: {own_trace}: line 1: Invalid isoformat string: 'soon'\n"


def test_a_trace_whose_steps_are_of_another_plan_is_one_line(
    hrbridge: Hrbridge, journal: Path, own_trace: Path
) -> None:
    own_trace.write_text(own_trace.read_text().replace('"block":1', '"block":9'))
    ended = hrbridge("import", own_trace, "--journal", journal)
    assert (ended.code, ended.err) == (2, f"hrbridge: {own_trace}: its steps are not those of its plan\n")


def test_a_journal_that_is_none_is_one_line(hrbridge: Hrbridge, tmp_path: Path, recording: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a journal, but long enough to look like a file of some sort" * 20)
    ended = hrbridge("import", recording, "--journal", tmp_path / "notes.txt")
    assert ended.code == 2
    assert ended.err.splitlines()[-1].startswith(f"hrbridge: {tmp_path / 'notes.txt'}: damaged")


# -- export --


@pytest.fixture
def two_minutes(journal: Path) -> Path:
    """A journal with one run."""
    events = [each for s in range(121) for each in (Sample(s, 120, (0.5,)), Speed(s, 2.5, distance_m=2.5 * s))]
    keep(journal, stepped(events))
    return journal


@pytest.mark.parametrize("form", ["fit", "tcx", "csv"])
def test_a_run_is_written_and_what_is_in_it_said(
    hrbridge: Hrbridge, two_minutes: Path, tmp_path: Path, form: str
) -> None:
    out = tmp_path / f"run.{form}"
    ended = hrbridge("export", "last", f"--{form}", out, "--journal", two_minutes)
    assert (ended.code, ended.out, ended.err) == (0, f"{out}: 7 laps, 121 records\n", "")
    again = hrbridge("import", out, "--journal", two_minutes)
    assert (again.code, again.out) == (0, f"{out}: run 2\n")


def test_an_exported_trace_is_as_expected(hrbridge: Hrbridge, two_minutes: Path, tmp_path: Path) -> None:
    out = tmp_path / "run.jsonl"
    ended = hrbridge("export", "1", "--trace", out, "--journal", two_minutes)
    steps = len(lines(two_minutes, 1))
    assert ended.out == f"{out}: {steps} steps\n"
    assert out.read_bytes().splitlines(keepends=True)[1:] == lines(two_minutes, 1)
    assert hrbridge("expect", out).out == f"{out}: {steps} steps, all as expected\n"


def test_an_exported_trace_has_the_date_of_the_run(hrbridge: Hrbridge, two_minutes: Path, tmp_path: Path) -> None:
    hrbridge("export", "1", "--trace", tmp_path / "run.jsonl", "--journal", two_minutes)
    assert trace.read(tmp_path / "run.jsonl").header.started_at == STARTED_AT


def test_what_the_runner_said_afterwards_goes_with_it(hrbridge: Hrbridge, two_minutes: Path, tmp_path: Path) -> None:
    with Journal(two_minutes) as opened, opened.transaction():
        opened.put_note(1, Note(rpe=7))
    hrbridge("export", "1", "--fit", tmp_path / "run.fit", "--journal", two_minutes)
    assert fit_messages(tmp_path / "run.fit")["session_mesgs"][0]["workout_rpe"] == 70


def test_that_a_run_has_no_date_is_said(hrbridge: Hrbridge, journal: Path, own_trace: Path, tmp_path: Path) -> None:
    hrbridge("import", own_trace, "--journal", journal)
    ended = hrbridge("export", "1", "--fit", tmp_path / "run.fit", "--journal", journal)
    assert ended.code == 0
    assert ended.err == f"run 1 has no date: {tmp_path / 'run.fit'} dates it 2000-01-01\n"


def test_a_table_needs_no_date(hrbridge: Hrbridge, journal: Path, own_trace: Path, tmp_path: Path) -> None:
    hrbridge("import", own_trace, "--journal", journal)
    assert hrbridge("export", "1", "--csv", tmp_path / "run.csv", "--journal", journal).err == ""


@pytest.mark.parametrize("wanted", [(), ("--fit", "a.fit", "--tcx", "a.tcx")])
def test_one_format_at_a_time(hrbridge: Hrbridge, two_minutes: Path, wanted: tuple[str, ...]) -> None:
    ended = hrbridge("export", "1", *wanted, "--journal", two_minutes)
    assert ended.code == 2
    assert ended.err == "hrbridge: export: takes one of --fit, --tcx, --csv and --trace, with the file to write\n"


@pytest.mark.parametrize("form", ["--fit", "--tcx", "--csv", "--trace"])
def test_a_file_that_cannot_be_written_is_one_line(
    hrbridge: Hrbridge, two_minutes: Path, tmp_path: Path, form: str
) -> None:
    out = tmp_path / "nowhere" / "run"
    ended = hrbridge("export", "1", form, out, "--journal", two_minutes)
    assert ended.code == 1
    assert ended.err == f"hrbridge: {out}: cannot be written: no folder {out.parent}\n"


@pytest.mark.parametrize("out", ["-", "/dev/stdout"])
def test_a_file_is_not_mixed_with_what_is_said_of_it(hrbridge: Hrbridge, two_minutes: Path, out: str) -> None:
    ended = hrbridge("export", "1", "--csv", out, "--journal", two_minutes)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"hrbridge: export --csv {out}: needs a file to write\n"


def test_a_file_that_is_not_there_is_one_line(hrbridge: Hrbridge, tmp_path: Path) -> None:
    ended = hrbridge("import", tmp_path / "run.fit", "--journal", tmp_path / "new.sqlite3")
    assert (ended.code, ended.err) == (2, f"hrbridge: {tmp_path / 'run.fit'}: no such file\n")


def test_a_run_that_is_not_there_is_one_line(hrbridge: Hrbridge, two_minutes: Path, tmp_path: Path) -> None:
    ended = hrbridge("export", "7", "--fit", tmp_path / "run.fit", "--journal", two_minutes)
    assert ended.err == f"hrbridge: {two_minutes}: no run 7; the newest is 1\n"


def test_real_recordings_come_in_and_go_out(hrbridge: Hrbridge, traces: Path, journal: Path, tmp_path: Path) -> None:
    recordings = [path for path in traces.iterdir() if path.suffix in (".fit", ".hrm") and "bike" not in path.name]
    chosen = sorted(recordings, key=lambda path: path.stat().st_size)[:4]  # the others take longer and tell no more
    assert hrbridge("import", *chosen, "--journal", journal).code == 0
    for run in sessions(journal):
        hrbridge("export", str(run.id), "--fit", tmp_path / "run.fit", "--journal", journal)
        (told,) = fit_messages(tmp_path / "run.fit")["session_mesgs"]
        assert told["num_laps"] > 0
