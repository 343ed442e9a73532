"""A run that was cut off: offered again to whoever would go on with it, and to nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from simulated_runs import simulated_run

from hrbridge import trace, unfinished
from hrbridge.control import plan as plans
from hrbridge.control.controller import Controller
from hrbridge.dates import Moment, from_iso
from hrbridge.decisions import CueKind, Phase
from hrbridge.events import Action, Command, Tick
from hrbridge.journal import End, Journal, Kind
from hrbridge.trace import Header

RAN_AT = "2026-11-22T07:00:00Z"
RAN = Moment(from_iso(RAN_AT), right=True, boot_id="before", boot_s=1000.0)
SOON = Moment(RAN.unix_s + 300, right=True, boot_id="after", boot_s=20.0)
HEADER, STEPS = simulated_run("plan.use=demo")
HALF = next(number for number, step in enumerate(STEPS) if step.phase is Phase.WALK) + 10
LINES = [trace.encode(step) for step in STEPS]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


def record(
    file: Path,
    *,
    header: Header = HEADER,
    kind: Kind = Kind.LIVE,
    now: Moment = RAN,
    steps: int = HALF,
    end: End | None = None,
) -> None:
    with Journal(file, create=True) as journal, journal.transaction():
        number = journal.begin(header, kind, "strap", began_at_s=0.0, started_at=RAN_AT, now=now)
        if steps:
            journal.append(number, 0, LINES[:steps])
        if end is not None:
            journal.end(number, end)


def find(file: Path, header: Header = HEADER, kind: Kind = Kind.LIVE, now: Moment = SOON) -> unfinished.CutOff | None:
    return unfinished.find(file, header, kind, now)


def ends(file: Path) -> list[End | None]:
    with Journal(file) as journal:
        return [session.ended for session in reversed(journal.sessions())]


# -- who is offered what --


def test_a_run_without_an_end_is_offered_again(file: Path):
    record(file)
    offered = find(file)
    assert offered is not None
    assert offered.lines == LINES[:HALF]
    assert ends(file) == [None]


def test_after_a_power_cut_it_says_so(file: Path):
    record(file)
    assert find(file).why == "Power was lost."


def test_in_the_same_life_of_the_machine_power_was_not_lost(file: Path):
    record(file)
    assert find(file, now=Moment(SOON.unix_s, right=True, boot_id="before", boot_s=1300.0)).why == "Interrupted."


def test_one_that_is_damaged_is_told_and_closed_and_the_one_before_it_offered(
    file: Path, caplog: pytest.LogCaptureFixture
):
    record(file)
    record(file)
    with Journal(file) as journal, journal.transaction():
        journal.append(2, HALF, [b'{"at_s":\n'])
    assert find(file).session.id == 1
    assert "run 2: a step cannot be read" in caplog.text
    assert ends(file) == [None, End.INTERRUPTED]


def test_a_run_that_has_ended_is_not_offered(file: Path):
    record(file, end=End.STOPPED)
    assert find(file) is None


def test_a_run_cut_off_after_its_finish_is_finished(file: Path):
    record(file, steps=len(STEPS))
    assert find(file) is None
    assert ends(file) == [End.FINISHED]


def test_a_run_of_which_nothing_was_written_is_closed(file: Path):
    record(file, steps=0)
    assert find(file) is None
    assert ends(file) == [End.INTERRUPTED]


def test_another_plan_is_another_run_and_closes_the_old_one(file: Path):
    record(file)
    assert find(file, replace(HEADER, plan=plans.load("surge"))) is None
    assert ends(file) == [End.INTERRUPTED]


def test_other_numbers_are_another_run(file: Path):
    record(file)
    assert find(file, replace(HEADER, control=replace(HEADER.control, min_drop_bpm=8.0))) is None


def test_a_simulation_is_not_offered_to_a_runner(file: Path):
    record(file, kind=Kind.SIMULATED)
    assert find(file) is None


def test_the_run_of_somebody_else_is_left_as_it_is(file: Path):
    record(file, header=replace(HEADER, runner=replace(HEADER.runner, id="kim")))
    assert find(file) is None
    assert ends(file) == [None]


def test_of_two_the_newer_is_offered_and_the_older_closed(file: Path):
    record(file)
    record(file)
    assert find(file).session.id == 2
    assert ends(file) == [End.INTERRUPTED, None]


def test_the_next_day_it_is_a_new_run(file: Path):
    record(file)
    assert find(file, now=Moment(RAN.unix_s + 86_400, right=True, boot_id="after", boot_s=20.0)) is None
    assert ends(file) == [End.INTERRUPTED]


def test_hours_later_in_the_same_life_of_the_machine_it_is_a_new_run(file: Path):
    record(file)
    later = Moment(RAN.unix_s, right=False, boot_id="before", boot_s=RAN.boot_s + 7 * 3600)
    assert find(file, now=later) is None


@pytest.mark.parametrize(
    ("ran_right", "now_right"), [(False, True), (True, False)], ids=["no date then", "no date now"]
)
def test_where_nobody_knows_how_long_ago_it_was_it_is_offered(file: Path, ran_right: bool, now_right: bool):
    record(file, now=Moment(RAN.unix_s, ran_right, "before", 1000.0))
    assert find(file, now=Moment(RAN.unix_s + 86_400, now_right, "after", 20.0)) is not None


def test_without_a_journal_nothing_is_offered_and_none_is_made(file: Path):
    assert find(file) is None
    assert not file.exists()


def test_a_damaged_journal_offers_nothing_and_stays_as_it_is(file: Path):
    file.write_bytes(b"no database" * 100)
    assert find(file) is None
    assert file.read_bytes() == b"no database" * 100


# -- back where it stood --


def taken_up(file: Path) -> tuple[Controller, Command]:
    record(file)
    controller = Controller(HEADER.plan, HEADER.runner, HEADER.control)
    return controller, find(file).catch_up(controller, [])


def test_it_comes_back_paused_and_says_why(file: Path):
    controller, pause = taken_up(file)
    step = controller.step(pause)
    assert step.phase is Phase.PAUSED
    assert [(cue.kind, cue.say) for cue in step.cues] == [(CueKind.PAUSE, "Power was lost. Resume to go on.")]


def test_it_goes_on_in_the_phase_and_second_in_which_it_stopped(file: Path):
    controller, pause = taken_up(file)
    controller.step(pause)
    step = controller.step(Command(pause.at_s + 60, Action.RESUME))
    before = STEPS[HALF - 1]
    assert (step.phase, step.block, step.repeat) == (before.phase, before.block, before.repeat)
    assert step.phase_remaining_s == pytest.approx(before.phase_remaining_s, abs=0.01)


def test_the_cues_count_on(file: Path):
    controller, pause = taken_up(file)
    (cue,) = controller.step(pause).cues
    assert cue.seq == max(cue.seq for step in STEPS[:HALF] for cue in step.cues) + 1


def test_every_step_before_is_heard_again(file: Path):
    record(file)
    heard = []
    find(file).catch_up(Controller(HEADER.plan, HEADER.runner, HEADER.control), [heard.append])
    assert heard == list(STEPS[:HALF])


def test_time_never_runs_back(file: Path):
    controller, pause = taken_up(file)
    assert pause.at_s > STEPS[HALF - 1].at_s
    assert controller.step(Tick(pause.at_s + 0.5)).at_s > pause.at_s


def test_it_tells_where_it_stands(file: Path):
    record(file)
    assert find(file).in_words == (
        "Power was lost. The run is back at 00:31, in the walk, paused: resume to go on, stop to end it."
    )


def test_a_run_that_is_not_taken_up_is_told_of(file: Path, caplog: pytest.LogCaptureFixture):
    record(file)
    find(file, replace(HEADER, plan=plans.load("surge")))
    assert caplog.messages == ["run 1 (demo) was cut off at 00:31 and stays in the history"]
