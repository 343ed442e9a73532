"""Runs as FIT files: what the official decoder and fitdecode read in them is what the journal holds."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from exported_runs import ALEX, STARTED_AT, Run, exported, fit_frames, fit_messages, stepped
from fitdecode import FitDataMessage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulated_runs import simulated_run

from hrbridge import trace
from hrbridge.config import Control
from hrbridge.control import plan as plans
from hrbridge.control.progress import ACTIVE
from hrbridge.decisions import Estimate, Phase, Ratio, Step, Trust
from hrbridge.errors import OutputError, UsageError
from hrbridge.events import Action, Command, Event, Rpe, Sample, Speed, Tick
from hrbridge.history.export import fit
from hrbridge.history.figures import Figures, figures
from hrbridge.journal import Energy, Kind, Note
from hrbridge.sensors import activity_files

DEMO = ('plan.use="demo"', 'sensor.runner="typical"')
T0 = datetime.fromisoformat(STARTED_AT)
Written = Callable[..., dict[str, list[dict[str, Any]]]]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """A run written and read back by the official decoder."""

    def write(run: Run, note: Note | None = None, **changes: Any) -> dict[str, list[dict[str, Any]]]:
        fit.write(tmp_path / "run.fit", exported(run, note, **changes))
        return fit_messages(tmp_path / "run.fit")

    return write


def run_of(seconds: int, *events: Event, bpm: int | None = 120) -> Run:
    """So many seconds of the plan ``demo``: 8 s warm-up, 20 s run, 15 s walk, ..."""
    return stepped([*(Sample(s, bpm) for s in range(seconds + 1)), *events])


def at(message: dict[str, Any], name: str = "timestamp") -> float:
    return (message[name] - T0) / timedelta(seconds=1)


def ours(record: dict[str, Any]) -> dict[int, Any]:
    return record.get("developer_fields", {})


# -- laps and totals --


@pytest.fixture(scope="module")
def demo() -> Run:
    return simulated_run(*DEMO)


@pytest.fixture(scope="module")
def added_up(demo: Run) -> Figures:
    return figures(*demo)


def test_every_phase_is_a_lap_with_its_intensity(written: Written, demo: Run) -> None:
    intensities = [lap["intensity"] for lap in written(demo)["lap_mesgs"]]
    assert intensities == ["warmup", *["active", "recovery"] * 3, "cooldown"]


def test_a_surge_is_an_interval(written: Written) -> None:
    laps = written(simulated_run('plan.use="surge"'))["lap_mesgs"]
    assert "interval" in {lap["intensity"] for lap in laps}


@pytest.mark.parametrize(
    ("intensities", "figure"),
    [
        (("active", "interval"), "run_s"),
        (("recovery",), "walk_s"),
        (("warmup",), "warmup_s"),
        (("cooldown",), "cooldown_s"),
    ],
)
def test_the_time_of_laps_is_that_of_the_journal(
    written: Written, demo: Run, added_up: Figures, intensities: tuple[str, ...], figure: str
) -> None:
    laps = written(demo)["lap_mesgs"]
    lap_s = sum(lap["total_timer_time"] for lap in laps if lap["intensity"] in intensities)
    assert lap_s == pytest.approx(getattr(added_up, figure), abs=0.001)


def test_the_walks_are_those_of_the_journal(written: Written, demo: Run, added_up: Figures) -> None:
    laps = written(demo)["lap_mesgs"]
    walks = [(at(lap, "start_time"), lap["total_timer_time"]) for lap in laps if lap["intensity"] == "recovery"]
    assert walks == [(walk.at_s, walk.for_s) for walk in added_up.walks]


def test_the_totals_are_those_of_the_journal(written: Written, demo: Run, added_up: Figures) -> None:
    (session,) = written(demo)["session_mesgs"]
    assert session["total_timer_time"] == added_up.elapsed_s
    assert session["total_distance"] == added_up.distance_m


def test_the_laps_add_up_to_the_run(written: Written, demo: Run) -> None:
    messages = written(demo)
    (session,), laps = messages["session_mesgs"], messages["lap_mesgs"]
    assert session["num_laps"] == len(laps)
    for name in ("total_timer_time", "total_elapsed_time", "total_distance"):
        assert sum(lap[name] for lap in laps) == pytest.approx(session[name], abs=0.1)


def test_a_lap_has_the_mean_and_the_highest_heart_rate_of_its_records(written: Written) -> None:
    rising = stepped([Sample(s, 100 + s) for s in range(20)])
    warm_up, run = written(rising)["lap_mesgs"]
    assert (warm_up["avg_heart_rate"], warm_up["max_heart_rate"]) == (104, 107)  # 100 to 107 in 8 s
    assert (run["avg_heart_rate"], run["max_heart_rate"]) == (114, 119)


def test_laps_say_all_that_we_gave_them(written: Written, demo: Run) -> None:
    """The encoder drops what it does not know without a word."""
    lap = written(demo)["lap_mesgs"][1]
    assert lap == lap | {"event": "lap", "event_type": "stop", "lap_trigger": "time", "sport": "running"}
    assert {"message_index", "start_time", "total_elapsed_time", "enhanced_avg_speed"} <= lap.keys()


def test_the_session_says_all_that_we_gave_it(written: Written, demo: Run) -> None:
    messages = written(demo)
    (session,), (activity,) = messages["session_mesgs"], messages["activity_mesgs"]
    assert session == session | {"sport": "running", "sub_sport": "generic", "trigger": "activity_end"}
    assert {"start_time", "avg_heart_rate", "max_heart_rate", "enhanced_avg_speed", "first_lap_index"} <= session.keys()
    assert activity == activity | {"num_sessions": 1, "type": "manual", "event": "activity", "event_type": "stop"}
    assert activity["total_timer_time"] == session["total_timer_time"]


def test_in_the_plan_free_a_lap_begins_where_the_runner_did(written: Written) -> None:
    """The controller notices a walk after ten seconds of it."""
    speeds = [Speed(s, speed_m_s=2.8 if 60 <= s < 180 else 1.4) for s in range(240)]
    laps = written(stepped([*speeds, *(Sample(s, 130) for s in range(240))], "free"))["lap_mesgs"]
    assert [(at(lap, "start_time"), lap["intensity"]) for lap in laps] == [
        (0, "warmup"),
        (60, "active"),
        (180, "recovery"),
    ]


def test_what_was_undone_is_no_lap(written: Written) -> None:
    laps = written(run_of(20, Command(12.5, Action.SKIP), Command(15.5, Action.UNDO)))["lap_mesgs"]
    assert [lap["total_timer_time"] for lap in laps] == [8, 12]


# -- pauses --


def test_in_a_pause_the_timer_stands(written: Written) -> None:
    paused = run_of(60, Command(10.0, Action.PAUSE), Command(40.0, Action.RESUME))
    events = [(at(event), event["event_type"]) for event in written(paused)["event_mesgs"]]
    assert events == [(0, "start"), (10, "stop"), (40, "start"), (60, "stop_all")]


def test_a_pause_is_no_time_of_its_lap(written: Written) -> None:
    paused = run_of(60, Command(10.0, Action.PAUSE), Command(40.0, Action.RESUME))
    _, run, _ = written(paused)["lap_mesgs"]
    assert (run["total_timer_time"], run["total_elapsed_time"]) == (20, 50)


def test_nothing_is_recorded_in_a_pause(written: Written) -> None:
    paused = run_of(60, Command(10.0, Action.PAUSE), Command(40.0, Action.RESUME))
    seconds = [at(record) for record in written(paused)["record_mesgs"]]
    assert seconds == [*range(11), *range(40, 61)]


def test_a_run_that_ends_in_a_pause_ends_where_it_was_paused(written: Written) -> None:
    (session,) = written(run_of(60, Command(30.0, Action.PAUSE)))["session_mesgs"]
    assert (session["total_timer_time"], session["total_elapsed_time"]) == (30, 30)


def test_replay_sees_the_pause_again(written: Written, tmp_path: Path) -> None:
    written(run_of(60, Command(10.0, Action.PAUSE), Command(25.0, Action.RESUME)))
    again = activity_files.read(tmp_path / "run.fit")
    assert [e for e in again.events if isinstance(e, Command)] == [
        Command(10.0, Action.PAUSE),
        Command(25.0, Action.RESUME),
    ]


def test_the_way_of_a_pause_is_no_distance(written: Written) -> None:
    counted = [Speed(s, distance_m=2.0 * s) for s in range(61)]
    run = run_of(60, *counted, Command(10.0, Action.PAUSE), Command(40.0, Action.RESUME))
    (session,) = written(run)["session_mesgs"]
    assert session["total_distance"] == pytest.approx(60.0, abs=2.0)  # of 120; the first second after it counts or not


# -- records --


def test_every_second_has_a_record_with_what_the_sensors_said(written: Written) -> None:
    speeds = [Speed(s, speed_m_s=2.5, cadence_spm=165, distance_m=2.5 * s, incline_percent=1.5) for s in range(31)]
    record = written(run_of(30, *speeds))["record_mesgs"][20]
    expected = {"heart_rate": 120, "enhanced_speed": 2.5, "distance": 50.0, "grade": 1.5}
    assert record == record | expected | {"timestamp": T0 + timedelta(seconds=20)}
    assert (record["cadence"], record["fractional_cadence"]) == (82, 0.5)  # strides: two steps each


def test_a_second_without_a_reading_has_no_heart_rate(written: Written) -> None:
    records = written(stepped([Sample(0, 120), Sample(1, None), Sample(2, 0), Sample(3, 255), Sample(4, 254)]))
    assert [record.get("heart_rate") for record in records["record_mesgs"]] == [120, None, None, None, 254]


def test_a_slow_sensor_is_held_until_it_is_not_believed(written: Written) -> None:
    run = stepped([*(Sample(s, 120) for s in range(0, 31, 3)), Command(90.0, Action.STOP)])
    rates = [record.get("heart_rate") for record in written(run)["record_mesgs"]]
    assert rates[:31] == [120] * 31
    assert rates[45:] == [None] * 46


def test_the_wait_before_the_start_is_no_part_of_the_run(written: Written) -> None:
    header, steps = run_of(30)
    later = tuple(trace.decode(trace.encode(step)) for step in steps)
    shifted = tuple(Step(_later(step.event, 600.0), *_rest(step)) for step in later)
    waited = Step(Tick(600.0), Phase.WAITING, 600.0, None, 0, 0, Estimate(), Ratio(0, 0, 0, 0))
    messages = written((header, (waited, *shifted)), began_at_s=600.0)
    assert at(messages["record_mesgs"][0]) == 0
    assert at(messages["session_mesgs"][0]) == 30


def _later(event: Event, by_s: float) -> Event:
    return type(event)(**{name: getattr(event, name) for name in event.__struct_fields__} | {"at_s": event.at_s + by_s})


def _rest(step: Step) -> list[Any]:
    return [getattr(step, name) for name in step.__struct_fields__[1:]]


@pytest.mark.parametrize("cadence_spm", [600.0, -2.0])
def test_what_a_field_cannot_hold_is_left_out(written: Written, cadence_spm: float) -> None:
    run = run_of(5, Speed(1.0, speed_m_s=-1.0, cadence_spm=cadence_spm, incline_percent=4000.0))
    record = written(run)["record_mesgs"][1]
    assert record.keys() & {"cadence", "fractional_cadence", "enhanced_speed", "grade"} == set()


def test_without_a_speed_there_is_no_distance(written: Written) -> None:
    messages = written(run_of(30))
    assert "total_distance" not in messages["session_mesgs"][0]
    assert "distance" not in messages["record_mesgs"][9]


def beats(messages: dict[str, list[dict[str, Any]]]) -> list[float]:
    return [beat for hrv in messages.get("hrv_mesgs", []) for beat in hrv["time"] if beat is not None]


def test_every_beat_is_there_in_its_order(written: Written) -> None:
    rr_s = [tuple(0.4 + 0.001 * (7 * s + n) for n in range(s % 8)) for s in range(31)]
    run = stepped([Sample(s, 120, rr) for s, rr in enumerate(rr_s)])
    assert beats(written(run)) == [round(beat, 3) for rr in rr_s[1:] for beat in rr]  # the first came before the start


def test_a_beat_that_took_three_seconds_is_one_too(written: Written) -> None:
    assert beats(written(run_of(9, Sample(4.5, 20, (3.0, 65.534, 70.0))))) == [3.0, 65.534]


# -- what was said, and what is ours --


def test_records_tell_what_was_said_and_why(written: Written) -> None:
    messages = written(run_of(60))
    assert [field["field_name"] for field in messages["field_description_mesgs"]] == ["cue", "reason", "required_drop"]
    said = {at(record): ours(record) for record in messages["record_mesgs"] if 0 in ours(record)}
    assert (said[8.0][0], said[8.0][1]) == ("run", "planned")


def test_both_words_of_one_second_are_there(written: Written, demo: Run) -> None:
    said = [ours(record)[0] for record in written(demo)["record_mesgs"] if 0 in ours(record)]
    cues = [cue.kind.value for step in demo[1] for cue in step.cues]
    assert ",".join(said).split(",") == cues


def test_fitdecode_reads_the_fields_by_their_names(written: Written, demo: Run, tmp_path: Path) -> None:
    written(demo)
    frames = [frame for frame in fit_frames(tmp_path / "run.fit") if isinstance(frame, FitDataMessage)]
    assert "planned" in {frame.get_value("reason") for frame in frames if frame.has_field("reason")}
    assert "bpm" in {frame.get_field("required_drop").units for frame in frames if frame.has_field("required_drop")}


def test_the_required_drop_stands_in_walks_alone(written: Written, demo: Run) -> None:
    messages = written(demo)
    walks = [lap for lap in messages["lap_mesgs"] if lap["intensity"] == "recovery"]
    seconds = [at(record) for record in messages["record_mesgs"] if 2 in ours(record)]
    in_walks = [s for s in seconds if any(at(walk, "start_time") <= s <= at(walk) for walk in walks)]
    assert len(seconds) > 30
    assert seconds == in_walks


def test_the_effort_said_afterwards_counts(written: Written) -> None:
    note = Note(rpe=6.5, energy=Energy.HIGH)
    (session,) = written(run_of(30, Rpe(20.0, 3)), note)["session_mesgs"]
    assert (session["workout_rpe"], session["workout_feel"]) == (65, 75)


def test_else_the_mean_of_what_was_said_on_the_way(written: Written) -> None:
    (session,) = written(run_of(30, Rpe(10.0, 5), Rpe(20.0, 6)))["session_mesgs"]
    assert session["workout_rpe"] == 55


def test_who_said_nothing_has_no_effort(written: Written) -> None:
    (session,) = written(run_of(30))["session_mesgs"]
    assert session.keys() & {"workout_rpe", "workout_feel"} == set()


def test_the_strap_and_its_battery_are_told(written: Written) -> None:
    messages = written(run_of(30, Sample(9.5, 120, battery_percent=77)))
    hrbridge, strap = messages["device_info_mesgs"]
    assert (hrbridge["device_index"], hrbridge["product_name"]) == ("creator", "hrbridge")
    assert (strap["product_name"], strap["battery_level"]) == ("Polar H10", 77)


def test_the_name_of_an_imported_file_stays_at_home(written: Written, tmp_path: Path) -> None:
    messages = written(run_of(30), kind=Kind.IMPORTED, source="with-ex-at-the-lake.fit")
    assert len(messages["device_info_mesgs"]) == 1
    assert b"lake" not in (tmp_path / "run.fit").read_bytes()


def test_the_plan_is_the_name_of_the_sport(written: Written) -> None:
    (sport,) = written(run_of(30))["sport_mesgs"]
    assert (sport["sport"], sport["name"]) == ("running", "demo")


# -- dates --


def test_a_run_without_a_date_is_of_the_year_2000(written: Written) -> None:
    (file_id,) = written(run_of(30), started_at=None)["file_id_mesgs"]
    assert file_id["time_created"] == datetime(2000, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("started_at", ["1997-05-01T07:00:00Z", "2126-05-01T07:00:00Z"])
def test_a_date_that_fit_cannot_tell_is_refused(tmp_path: Path, started_at: str) -> None:
    with pytest.raises(UsageError, match="1998 to 2126; --csv"):
        fit.write(tmp_path / "run.fit", exported(run_of(30), started_at=started_at))


def test_a_run_that_was_never_started_is_refused() -> None:
    with pytest.raises(UsageError, match="run 12: it was never started"):
        exported((run_of(30)[0], ()))


# -- the file --


def test_a_full_disk_leaves_the_old_file_and_no_half_one(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path, run = tmp_path / "run.fit", exported(run_of(60))
    path.write_bytes(b"the old one")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))  # bytes that any file may have
    try:
        with pytest.raises(OutputError) as caught:
            fit.write(path, run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(caught.value) == f"{path}: cannot be written: File too large"
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"run.fit": b"the old one"}


def test_a_pipe_stays_one(tmp_path: Path) -> None:
    """Never tried on a device: where this failed, a file would stand in its place."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        fit.write(pipe, exported(run_of(30)))
        assert os.read(reader, 14)[8:12] == b".FIT"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_link_stays_one(tmp_path: Path) -> None:
    link, target = tmp_path / "link.fit", tmp_path / "run.fit"
    link.symlink_to(target)
    fit.write(link, exported(run_of(30)))
    assert link.is_symlink()
    assert len(fit_messages(target)["record_mesgs"]) == 31


# -- whatever is run --

COMMANDS = (Action.PAUSE, Action.RESUME, Action.SKIP, Action.EXTEND, Action.UNDO, Action.WALK, Action.RUN, Action.STOP)
RATES_BPM = st.sampled_from([None, 0, 1, 60, 120, 180, 254, 255, 300])
BEATS_S = st.lists(st.sampled_from([0.0, 0.3, 0.5, 1.0, 3.0, 65.534, 65.535, 80.0]), max_size=7).map(tuple)
SPEEDS = st.sampled_from([(None, None), (2.5, None), (None, 3.0), (1.4, 3.0), (70.0, 60.0), (-1.0, None)])


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """Seconds of any sensor, with the will of the runner in between."""
    seconds = draw(st.integers(0, 170))
    late_s = draw(st.sampled_from([0.0, 0.25, 0.999]))
    rates, rr_s = draw(st.lists(RATES_BPM, min_size=1)), draw(st.lists(BEATS_S, min_size=1))
    speed_m_s, way_m = draw(SPEEDS)
    willed = draw(st.lists(st.tuples(st.integers(0, 1700), st.sampled_from(COMMANDS)), max_size=8))
    events: list[Event] = [Command(tenths / 10, action) for tenths, action in willed if tenths / 10 <= seconds]
    for second in range(seconds):
        n = second % 7
        events.append(Sample(second + late_s, rates[second % len(rates)], rr_s[second % len(rr_s)] if n else ()))
        if (speed_m_s, way_m) != (None, None) and n:
            metres = None if way_m is None else way_m * second
            events.append(
                Speed(second, speed_m_s, cadence_spm=draw(st.sampled_from([None, 0, 165, 700])), distance_m=metres)
            )
    return stepped(events, draw(st.sampled_from(["demo", "free", "surge"])))


def told_beats(steps: tuple[Step, ...]) -> list[float]:
    """Those that came while the timer ran, and that FIT can hold."""
    running = [False, *(step.phase in ACTIVE for step in steps)]
    samples = [step.event for step, runs in zip(steps, running, strict=False) if runs]
    return [beat for event in samples if isinstance(event, Sample) for beat in event.rr_s if 0 < beat < 65.535]


@given(run=runs())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_whatever_is_run_both_readers_agree_with_the_journal(tmp_path: Path, run: Run) -> None:
    path, total = tmp_path / "any.fit", figures(*run)
    fit.write(path, exported(run))
    messages = fit_messages(path)
    fit_frames(path)
    laps, (session,) = messages["lap_mesgs"], messages["session_mesgs"]
    assert session["total_timer_time"] == pytest.approx(total.elapsed_s, abs=0.001)
    assert session.get("total_distance") == pytest.approx(total.distance_m, abs=0.1)
    assert sum(lap["total_timer_time"] for lap in laps) == pytest.approx(total.elapsed_s, abs=0.01)
    assert beats(messages) == told_beats(run[1])
    seconds = [at(record) for record in messages["record_mesgs"]]
    assert seconds == sorted(set(seconds))
    sent = {step.event.heart_rate_bpm for step in run[1] if isinstance(step.event, Sample)}
    assert {record.get("heart_rate") for record in messages["record_mesgs"]} <= {*sent, None} - {0, 255, 300}


def test_ten_hours_are_ten_hours(written: Written) -> None:
    header = trace.Header(started_at=STARTED_AT, runner=ALEX, plan=plans.load("ultra"), control=Control())
    estimate, ratio = Estimate(heart_rate_bpm=120.0, trust=Trust.GOOD), Ratio(300, 60, 300, 60)
    steps = tuple(
        Step(
            Sample(s, 120),
            Phase.WALK if s % 3600 >= 3000 else Phase.RUN,
            s % 3600 % 3000,
            None,
            1,
            s // 3600,
            estimate,
            ratio,
        )
        for s in range(36_001)
    )
    messages = written((header, steps))
    assert len(messages["record_mesgs"]) == 36_001
    assert messages["session_mesgs"][0]["total_timer_time"] == 36_000


# -- and back --


def test_replay_of_the_file_sees_the_same_run(written: Written, demo: Run, tmp_path: Path) -> None:
    written(demo)
    sent = {
        (e.at_s, e.heart_rate_bpm, e.rr_s) for step in demo[1] if isinstance(e := step.event, Sample) and e.at_s > 0
    }
    again = activity_files.read(tmp_path / "run.fit")
    assert {(e.at_s, e.heart_rate_bpm, e.rr_s) for e in again.events if isinstance(e, Sample) and e.at_s > 0} == sent
