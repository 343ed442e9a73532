"""Lines a person can read: the cues as they come, the table at the end, and where two traces part."""

from __future__ import annotations

import errno
import io

import pytest
from msgspec.structs import replace

from hrbridge.decisions import Cue, CueKind, Estimate, Phase, Ratio, Reason, Step, Trust
from hrbridge.errors import OutputError
from hrbridge.events import Action, Command, Sample
from hrbridge.sinks.console import Console, clock, cue_line, difference_lines, summary_lines, walk_table
from hrbridge.sinks.summary import Summary, Walk

EXTEND = Cue(17, CueKind.EXTEND_WALK, Reason.NOT_RECOVERED, "Still 148. Fifteen more seconds.", 5.0, 15.0)
STEP = Step(
    event=Sample(724, 148),
    phase=Phase.WALK,
    phase_elapsed_s=48.0,
    phase_remaining_s=27.0,
    block=1,
    repeat=3,
    estimate=Estimate(148.0, Trust.GOOD, 9.0, 14.0),
    ratio=Ratio(240.0, 60.0, 240.0, 75.0),
    cues=(EXTEND,),
)
WALK = Walk(720.0, 60.0, 75.0, 9.4, 13.6, False, True)
SUMMARY = Summary(
    steps=7000,
    elapsed_s=2400.0,
    run_s=1800.0,
    walk_s=375.0,
    cues={},
    reasons={},
    walks=[WALK],
    trust_s={"good": 2310.0, "doubtful": 60.0, "none": 30.0},
    trace_sha256="",
)


def printed(*steps: Step) -> list[str]:
    out = io.StringIO()
    console = Console(out)
    for step in steps:
        console.take(step)
    return out.getvalue().splitlines()


# -- as it comes --


def test_a_cue_comes_with_its_time_phase_heart_rate_and_reason() -> None:
    assert printed(STEP) == ["12:04  walk     148   Still 148. Fifteen more seconds.  (not_recovered)"]


def test_what_was_planned_needs_no_reason() -> None:
    cue = Cue(1, CueKind.WALK, Reason.PLANNED, "Walk one minute.", 5.0)
    assert cue_line(STEP, cue) == "12:04  walk     148   Walk one minute."


@pytest.mark.parametrize(
    ("estimate", "shown"),
    [
        (Estimate(148.4, Trust.GOOD), "148 "),
        (Estimate(98.0, Trust.GOOD), " 98 "),
        (Estimate(148.0, Trust.DOUBTFUL), "148?"),
        (Estimate(None, Trust.NONE), "  - "),
    ],
)
def test_a_doubtful_heart_rate_is_shown_as_one(estimate: Estimate, shown: str) -> None:
    assert cue_line(replace(STEP, estimate=estimate), EXTEND)[16:20] == shown


def test_a_step_without_words_prints_nothing() -> None:
    assert printed(replace(STEP, cues=())) == []


def test_a_command_that_cannot_be_obeyed_is_answered() -> None:
    step = replace(STEP, event=Command(724, Action.RESUME), cues=(), refused="the session is not paused")
    assert printed(step) == ["12:04  not done: the session is not paused"]


def test_every_line_goes_out_at_once() -> None:
    class Pipe(io.StringIO):
        flushed = 0

        def flush(self) -> None:
            self.flushed += 1

    pipe = Pipe()
    Console(pipe).take(STEP)
    assert pipe.flushed == 1


def test_a_console_that_cannot_be_written_is_an_output_that_is_lost() -> None:
    class FullDisk(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match=r"^standard output: No space left on device$"):
        Console(FullDisk()).take(STEP)


@pytest.mark.parametrize(
    ("at_s", "shown"), [(0, "00:00"), (59.999, "00:59"), (724, "12:04"), (3600, "1:00:00"), (36_061, "10:01:01")]
)
def test_a_clock_that_runners_know(at_s: float, shown: str) -> None:
    assert clock(at_s) == shown


# -- the end --


def test_a_walk_in_the_table() -> None:
    assert walk_table([WALK]).splitlines() == [
        "walk at  planned  walked for  drop  required  judged",
        "  12:00     60 s        75 s     9        14  not recovered",
    ]


@pytest.mark.parametrize(
    ("walk", "judged"),
    [
        (replace(WALK, recovered=True), "recovered"),
        (replace(WALK, recovered=False), "not recovered"),
        (replace(WALK, recovered=None), "not judged"),
        (replace(WALK, recovered=None, walked=None), "not judged"),
        (replace(WALK, recovered=None, walked=False), "not walked"),
    ],
)
def test_a_walk_is_judged_in_words(walk: Walk, judged: str) -> None:
    assert walk_table([walk]).splitlines()[1].endswith(f"  {judged}")


def test_what_is_not_known_is_a_dash() -> None:
    walk = replace(WALK, planned_s=None, drop_bpm=None, required_drop_bpm=None)
    assert walk_table([walk]).splitlines()[1].split()[1:6] == ["-", "75", "s", "-", "-"]


def test_a_drop_of_nothing_has_no_sign() -> None:
    walk = replace(WALK, drop_bpm=-0.3)
    assert walk_table([walk]).splitlines()[1].split()[5] == "0"


def test_the_end_begins_with_the_times() -> None:
    assert summary_lines(SUMMARY).splitlines()[0] == (
        "40:00 in all: 30:00 running, 06:15 in walk breaks; heart rate trusted for 38:30."
    )


def test_the_walks_stand_below() -> None:
    assert summary_lines(SUMMARY).endswith(f"\n\n{walk_table([WALK])}")


def test_without_walks_there_is_no_table() -> None:
    assert summary_lines(replace(SUMMARY, walks=[])).count("\n") == 0


# -- where a trace and the present controller part --


NOW = replace(
    STEP,
    estimate=replace(STEP.estimate, drop_bpm=14.5),
    cues=(replace(EXTEND, kind=CueKind.COUNTDOWN, reason=Reason.RECOVERED, say="Recovered, 148."),),
)


def test_a_difference_is_shown_with_its_inputs_and_both_reasons() -> None:
    assert difference_lines("run.jsonl", (STEP, NOW)).splitlines() == [
        "run.jsonl: at 724.0 s the trace and this hrbridge differ",
        '  event   {"type":"sample","at_s":724.0,"heart_rate_bpm":148}',
        "  cues.0.kind: trace extend_walk, now countdown",
        "  cues.0.reason: trace not_recovered, now recovered",
        "  cues.0.say: trace Still 148. Fifteen more seconds., now Recovered, 148.",
        "  estimate.drop_bpm: trace 9.0, now 14.5",
        '  trace   walk for 48.0 s, extend_walk because not_recovered: "Still 148. Fifteen more seconds."',
        '  now     walk for 48.0 s, countdown because recovered: "Recovered, 148."',
    ]


def test_a_cue_that_is_missing_is_shown_as_none() -> None:
    lines = difference_lines("run.jsonl", (STEP, replace(STEP, cues=()))).splitlines()
    assert "  cues.0.kind: trace extend_walk, now None" in lines
    assert lines[-1] == "  now     walk for 48.0 s, says nothing"
