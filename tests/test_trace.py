"""A run written down and read again: nothing is lost, nothing is invented, and damage is named by its line."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from hrbridge import bridge, trace
from hrbridge.config import Block, Control, Plan, Runner, Segment
from hrbridge.control.controller import Controller
from hrbridge.decisions import Step
from hrbridge.errors import InputFileError, OutputError
from hrbridge.events import Action, Command, Event, Rpe, Sample, SignalBack, SignalLost, Speed, Tick

RUNNER = Runner(id="alex", max_heart_rate_bpm=182.0, resting_heart_rate_bpm=58.0)
PLAN = Plan(
    name="paper",
    warmup_s=2.0,
    repeats=1,
    block=(Block(segments=(Segment(kind="run", for_s=4.0), Segment(kind="walk", for_s=4.0))),),
)
HEADER = trace.Header(started_at="2026-11-22T07:00:00Z", runner=RUNNER, plan=PLAN, control=Control())
EVENTS: list[Event] = [
    Sample(0, 101, (0.59, 0.594), True, 12, 96, "strap"),
    Command(0, Action.START),
    Speed(1, 2.5, 164, 2.5, 1.0, "treadmill"),
    Tick(1),
    SignalLost(1.25, "out of range"),
    SignalBack(1.5),
    Sample(2, 120),
    Command(2, Action.EXTEND),
    Tick(2),
    Rpe(3, 4),
    Sample(4),
    Tick(12),
]
STEPS = list(bridge.follow(Controller(PLAN, RUNNER, Control()), EVENTS))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def written(path: Path) -> list[bytes]:
    """The lines of a whole trace, each with its newline."""
    trace.write(path, HEADER, STEPS)
    return path.read_bytes().splitlines(keepends=True)


# -- there and back --


def test_the_header_comes_back(path: Path) -> None:
    trace.write(path, HEADER, STEPS)
    assert trace.read(path).header == HEADER


def test_every_step_comes_back(path: Path) -> None:
    trace.write(path, HEADER, STEPS)
    assert trace.read(path).steps == STEPS


def test_header_and_steps_can_be_taken_apart(path: Path) -> None:
    trace.write(path, HEADER, STEPS)
    header, steps = trace.read(path)
    assert (header, steps) == (HEADER, STEPS)


def test_what_is_read_is_written_again_byte_for_byte(path: Path) -> None:
    before = written(path)
    trace.write(path, *trace.read(path))
    assert path.read_bytes().splitlines(keepends=True) == before


def test_a_trace_of_nothing_but_its_header_has_no_steps(path: Path) -> None:
    trace.write(path, HEADER, [])
    assert trace.read(path).steps == []


def test_a_refused_command_keeps_its_why(path: Path) -> None:
    trace.write(path, HEADER, STEPS)
    (refused,) = [step.refused for step in trace.read(path).steps if step.refused is not None]
    assert refused == "only a walk can be longer"


# -- the lines, as other programs see them --


def test_the_first_line_says_what_this_is(path: Path) -> None:
    first = json.loads(written(path)[0])
    assert list(first) == ["format", "version", "started_at", "runner", "plan", "control"]
    assert (first["format"], first["version"]) == ("hrbridge-trace", 1)


def test_a_simulated_run_has_no_date(path: Path) -> None:
    trace.write(path, trace.Header(runner=RUNNER, plan=PLAN, control=Control()), [])
    assert json.loads(path.read_bytes())["started_at"] is None


def test_a_step_carries_its_time_first_and_once(path: Path) -> None:
    line = json.loads(written(path)[1])
    assert next(iter(line)) == "at_s"
    assert "at_s" not in line["event"]


def test_a_step_has_the_fields_of_the_manual(path: Path) -> None:
    fields = {
        "at_s",
        "event",
        "phase",
        "phase_elapsed_s",
        "phase_remaining_s",
        "block",
        "repeat",
        "estimate",
        "ratio",
        "cues",
    }
    assert [set(json.loads(line)) >= fields for line in written(path)[1:]] == [True] * len(STEPS)


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        (Tick(1), {"type": "tick"}),
        (Sample(1, 148), {"type": "sample", "heart_rate_bpm": 148}),
        (
            Sample(1, 148, (0.405, 0.407), True),
            {"type": "sample", "heart_rate_bpm": 148, "rr_s": [0.405, 0.407], "contact": True},
        ),
        (Sample(1), {"type": "sample"}),
        (SignalLost(1, "gone"), {"type": "signal_lost", "why": "gone"}),
        (SignalBack(1), {"type": "signal_back"}),
        (Speed(1, 2.5), {"type": "speed", "speed_m_s": 2.5}),
        (Rpe(1, 7), {"type": "rpe", "rpe": 7.0}),
        (Command(1, Action.ADAPT_OFF), {"type": "command", "action": "adapt-off"}),
    ],
)
def test_what_an_event_does_not_know_is_left_out(event: Event, fields: dict[str, object]) -> None:
    step = Controller(PLAN, RUNNER, Control()).step(event)
    assert json.loads(trace.encode(step))["event"] == fields


def test_the_fingerprint_runs_over_every_byte(path: Path) -> None:
    fingerprint = trace.write(path, HEADER, STEPS)
    assert fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()


def test_without_a_file_there_is_still_a_fingerprint(path: Path) -> None:
    with trace.Writer(None, HEADER) as writer:
        for step in STEPS:
            writer.take(step)
    assert writer.sha256 == trace.write(path, HEADER, STEPS)


# -- a power cut --


def test_cut_at_any_byte_every_whole_line_is_still_read(path: Path, tmp_path: Path) -> None:
    lines = written(path)[:5]
    whole = b"".join(lines)
    cut = tmp_path / "cut.jsonl"
    lost = []
    for length in range(len(lines[0]), len(whole)):
        cut.write_bytes(whole[:length])
        ends = whole[:length].count(b"\n") - 1
        read = trace.read(cut)
        if (read.steps, read.dropped_lines) != (STEPS[:ends], int(not whole[:length].endswith(b"\n"))):
            lost.append(length)
    assert lost == []


def test_a_trace_cut_in_its_header_is_none(path: Path) -> None:
    header = written(path)[0]
    path.write_bytes(header[:-1])
    with pytest.raises(InputFileError, match=r"run\.jsonl: line 1: .*cut off"):
        trace.read(path)


# -- damage --


def damaged(path: Path, number: int, line: bytes) -> Path:
    """A trace with one line (counted from 1) replaced."""
    lines = written(path)
    lines[number - 1] = line + b"\n"
    path.write_bytes(b"".join(lines))
    return path


GOOD = trace.encode(STEPS[3]).rstrip()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        GOOD[:-1],
        GOOD + b"}",
        GOOD.replace(b'"warmup"', b'"w\xffrmup"'),
        GOOD.replace(b'"warmup"', b'"somewhere"'),
        GOOD.replace(b'"tick"', b'"tock"'),
        GOOD.replace(b'"event"', b'"happening"'),
        GOOD.replace(b'"at_s"', b'"at"'),
        GOOD.replace(b'"at_s":1.0', b'"at_s":"one"'),
        GOOD.replace(b'"block"', b'"chunk"'),
    ],
    ids=lambda line: repr(line[:40]),
)
def test_a_broken_line_in_the_middle_is_named(path: Path, line: bytes) -> None:
    with pytest.raises(InputFileError, match=r"run\.jsonl: line 5: "):
        trace.read(damaged(path, 5, line))


def test_time_does_not_run_back(path: Path) -> None:
    with pytest.raises(InputFileError, match=r"line 10: at_s runs back from 2\.0 to 1\.0"):
        trace.read(damaged(path, 10, GOOD))


@pytest.mark.parametrize("version", [b"2", b"0", b'"1"', b"null"])
def test_another_version_is_refused(path: Path, version: bytes) -> None:
    header = written(path)[0].rstrip().replace(b'"version":1', b'"version":' + version)
    with pytest.raises(InputFileError, match=r"line 1: trace version .* reads 1"):
        trace.read(damaged(path, 1, header))


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b'{"format":"gpx"}', b"\xff", b"[" * 100_000, b"nonsense"])
def test_a_file_without_our_first_line_is_no_trace(path: Path, line: bytes) -> None:
    with pytest.raises(InputFileError, match=r"run\.jsonl: line 1: not a trace"):
        trace.read(damaged(path, 1, line))


def test_a_header_with_a_wrong_number_names_it(path: Path) -> None:
    header = written(path)[0].rstrip().replace(b'"min_drop_bpm":10.0', b'"min_drop_bpm":-1')
    with pytest.raises(InputFileError, match=r"line 1: .*control\.min_drop_bpm"):
        trace.read(damaged(path, 1, header))


def test_a_missing_file_is_named(path: Path) -> None:
    with pytest.raises(InputFileError, match=r"run\.jsonl: no such file"):
        trace.read(path)


def test_a_folder_is_no_trace(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="cannot be read"):
        trace.read(tmp_path)


# -- a file that cannot be written --


def test_a_folder_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"nowhere/run\.jsonl: cannot write the trace"):
        trace.write(tmp_path / "nowhere" / "run.jsonl", HEADER, STEPS)


FULL = Path("/dev/full")
full_disk = pytest.mark.skipif(not FULL.exists(), reason="/dev/full is not there: no full disk to write to")


@full_disk
def test_a_full_disk_is_told() -> None:
    with pytest.raises(OutputError, match="the trace is incomplete: No space left on device"):
        trace.write(FULL, HEADER, STEPS)


@full_disk
def test_a_full_disk_is_told_even_when_nearly_nothing_was_written() -> None:
    with pytest.raises(OutputError, match="the trace is incomplete: No space left on device"):
        trace.write(FULL, HEADER, [])


@full_disk
def test_a_full_disk_is_told_while_the_run_goes_on() -> None:
    with trace.Writer(FULL, HEADER) as writer, pytest.raises(OutputError, match="incomplete"):
        take_until_it_fails(writer, STEPS * 100)


@full_disk
def test_what_was_told_is_not_told_again() -> None:
    writer = trace.Writer(FULL, HEADER)
    with pytest.raises(OutputError):
        take_until_it_fails(writer, STEPS * 100)
    take_until_it_fails(writer, STEPS * 100)
    writer.close()


def take_until_it_fails(writer: trace.Writer, steps: list[Step]) -> None:
    for step in steps:
        writer.take(step)
