"""Recorded activities: files of every format written here or by other programs, and what they become."""

from __future__ import annotations

import gzip
import re
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import gpxpy.gpx
import pytest
from garmin_fit_sdk import Encoder, Profile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hrbridge import trace
from hrbridge.config import Control, Plan, Runner
from hrbridge.decisions import Estimate, Phase, Ratio, Step
from hrbridge.errors import HrbridgeError, InputFileError, UsageError
from hrbridge.events import Action, Command, Event, Rpe, Sample, Speed, Tick
from hrbridge.sensors import activity_files
from hrbridge.sensors.activity_files import Recording

T0 = datetime(2026, 5, 1, 7, 0, tzinfo=UTC)
Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Writes a file of the name given; returns its path."""

    def write(name: str, content: bytes | str) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def samples(recording: Recording) -> list[Sample]:
    return [event for event in recording.events if isinstance(event, Sample)]


def speeds(recording: Recording) -> list[Speed]:
    return [event for event in recording.events if isinstance(event, Speed)]


def commands(recording: Recording) -> list[tuple[float, str]]:
    return [(event.at_s, event.action.value) for event in recording.events if isinstance(event, Command)]


def beats_per_min(recording: Recording) -> list[int | None]:
    return [sample.heart_rate_bpm for sample in samples(recording)]


def refusal(path: Path, **options: bool) -> str:
    """The one line a user sees."""
    with pytest.raises(InputFileError) as caught:
        activity_files.read(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# FIT, written by the encoder of the format's makers


def fit(messages: Iterable[tuple[str, dict[str, Any]]], **encoder: Any) -> bytes:
    written = Encoder(**encoder)
    written.on_mesg(
        Profile["mesg_num"]["FILE_ID"],
        {"type": "activity", "manufacturer": "garmin", "product": 3113, "serial_number": 7, "time_created": T0},
    )
    for kind, fields in messages:
        written.on_mesg(Profile["mesg_num"][kind], fields)
    return bytes(written.close())


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def record(seconds: int, bpm: int | None = 140, **fields: Any) -> tuple[str, dict[str, Any]]:
    heart_rate = {} if bpm is None else {"heart_rate": bpm}
    return "RECORD", {"timestamp": at(seconds), **heart_rate, **fields}


def timer(seconds: float, kind: str) -> tuple[str, dict[str, Any]]:
    return "EVENT", {"timestamp": at(seconds), "event": "timer", "event_type": kind}


def session(sport: str) -> tuple[str, dict[str, Any]]:
    return "SESSION", {"timestamp": T0, "start_time": T0, "sport": sport}


def test_each_fit_record_is_a_sample_and_a_speed(save: Save) -> None:
    path = save("run.fit", fit([record(0, 120, enhanced_speed=2.5, distance=0.0), record(2, 121, distance=5.0)]))
    assert activity_files.read(path).events[:2] == (Sample(0, 120), Speed(0, speed_m_s=2.5, distance_m=0))
    assert activity_files.read(path).events[2:] == (Sample(2, 121), Speed(2, distance_m=5))


def test_a_fit_file_tells_its_start_and_its_watch(save: Save) -> None:
    recording = activity_files.read(save("run.fit", fit([record(3), record(4)])))
    assert recording.started_at == "2026-05-01T07:00:03Z"
    assert recording.device == "garmin fr945"


def test_zero_beats_per_minute_are_none(save: Save) -> None:
    path = save("run.fit", fit([record(0, 0), record(1, None), record(2, 130)]))
    assert beats_per_min(activity_files.read(path)) == [None, None, 130]


def test_strides_of_a_run_are_two_steps_each(save: Save) -> None:
    messages = [record(0, cadence=82, fractional_cadence=0.5), session("running")]
    assert speeds(activity_files.read(save("run.fit", fit(messages)))) == [Speed(0, cadence_spm=165)]


def test_a_file_that_already_counts_both_feet_is_believed(save: Save) -> None:
    messages = [record(i, cadence=spm) for i, spm in enumerate((110, 164, 165, 166))]
    cadences = [speed.cadence_spm for speed in speeds(activity_files.read(save("run.fit", fit(messages))))]
    assert cadences == [110, 164, 165, 166]


def test_turns_of_a_pedal_are_not_steps(save: Save) -> None:
    messages = [record(0, cadence=80, enhanced_speed=13.0), session("cycling")]
    assert speeds(activity_files.read(save("ride.fit", fit(messages)))) == [Speed(0, speed_m_s=13)]


def test_who_is_as_fast_as_a_bicycle_rides_one(save: Save) -> None:
    messages = [record(i, cadence=80, enhanced_speed=8.5) for i in range(20)]
    assert {s.cadence_spm for s in speeds(activity_files.read(save("x.fit", fit(messages))))} == {None}


def test_after_the_ride_the_run_has_steps_again(save: Save) -> None:
    ride, run = ("SPORT", {"sport": "cycling"}), ("SPORT", {"sport": "running"})
    messages = [ride, record(0, cadence=80, distance=0.0), run, record(1, cadence=80)]
    cadences = [speed.cadence_spm for speed in speeds(activity_files.read(save("x.fit", fit(messages))))]
    assert cadences == [None, 160]


def test_the_finer_speed_of_a_record_counts(save: Save) -> None:
    path = save("run.fit", fit([record(0, speed=2.0, enhanced_speed=3.0)]))
    assert speeds(activity_files.read(path)) == [Speed(0, speed_m_s=3)]


def test_nobody_runs_thirteen_metres_a_second(save: Save) -> None:
    messages = [record(0, enhanced_speed=3.0), record(1, enhanced_speed=13.0, distance=3.0), session("running")]
    assert [s.speed_m_s for s in speeds(activity_files.read(save("run.fit", fit(messages))))] == [3, None]


def test_without_speed_distance_tells_it(save: Save) -> None:
    path = save("run.fit", fit([record(i, distance=2.5 * i) for i in range(20)]))
    assert {s.speed_m_s for s in speeds(activity_files.read(path))} == {None, 2.5}


def test_speed_is_worked_out_only_where_the_watch_has_none(save: Save) -> None:
    told = {3: {"enhanced_speed": 4.0}}
    path = save("run.fit", fit([record(i, distance=2.5 * i, **told.get(i, {})) for i in range(6)]))
    assert [s.speed_m_s for s in speeds(activity_files.read(path))] == [None, None, None, 4.0, 2.5, 2.5]


def test_fields_of_developers_do_not_pass_for_the_watch(save: Save) -> None:
    described = {
        "developer_data_id_mesg": {"developer_data_index": 0, "application_id": list(range(16))},
        "field_description_mesg": {
            "developer_data_index": 0,
            "field_definition_number": 0,
            "fit_base_type_id": Profile["types"]["fit_base_type"] and 2,
            "field_name": "heart_rate",
            "units": "bpm",
        },
    }
    messages = [
        ("DEVELOPER_DATA_ID", described["developer_data_id_mesg"]),
        ("FIELD_DESCRIPTION", described["field_description_mesg"]),
        record(0, 120, developer_fields={"x": 99}),
    ]
    path = save("run.fit", fit(messages, field_descriptions={"x": described}))
    assert b"heart_rate" in path.read_bytes()
    assert beats_per_min(activity_files.read(path)) == [120]


def test_beats_written_behind_a_record_belong_to_it(save: Save) -> None:
    messages = [record(0), record(1), ("HRV", {"time": [0.41, 0.42]}), record(2), ("HRV", {"time": [0.43]})]
    found = [sample.rr_s for sample in samples(activity_files.read(save("run.fit", fit(messages))))]
    assert found == [(), (0.41, 0.42), (0.43,)]


def test_beats_of_seconds_without_a_record_wait_for_the_next(save: Save) -> None:
    messages = [record(0), *(("HRV", {"time": [0.4 + i / 100]}) for i in range(4)), record(4)]
    found = [sample.rr_s for sample in samples(activity_files.read(save("run.fit", fit(messages))))]
    assert found == [(0.4,), (0.41, 0.42, 0.43)]


def test_beats_written_before_each_record_are_kept_in_order(save: Save) -> None:
    messages = [message for i in range(5) for message in (("HRV", {"time": [0.4 + i / 100]}), record(i))]
    found = [rr_s for sample in samples(activity_files.read(save("run.fit", fit(messages)))) for rr_s in sample.rr_s]
    assert found == [0.4, 0.41, 0.42, 0.43, 0.44]


def test_the_padding_of_beats_is_no_beat(save: Save) -> None:
    messages = [record(0), ("HRV", {"time": [0.4, 65.535, 65.535]})]
    assert samples(activity_files.read(save("run.fit", fit(messages))))[0].rr_s == (0.4,)


def test_a_stopped_timer_is_a_pause_from_the_last_record_to_the_next(save: Save) -> None:
    messages = [
        timer(0, "start"),
        record(0),
        record(5),
        timer(6, "stop_all"),
        timer(15, "start"),
        record(17),
        record(18),
    ]
    recording = activity_files.read(save("run.fit", fit(messages)))
    assert commands(recording) == [(5, "pause"), (17, "resume")]


def test_records_of_a_stopped_timer_do_not_end_the_pause(save: Save) -> None:
    messages = [record(0), timer(0, "stop"), record(1), record(2), timer(3, "start"), record(3), record(4)]
    assert commands(activity_files.read(save("run.fit", fit(messages)))) == [(0, "pause"), (3, "resume")]


def test_timer_events_may_stand_before_all_records(save: Save) -> None:
    messages = [timer(0, "start"), timer(6, "stop_all"), timer(15, "start"), record(0), record(5), record(17)]
    assert commands(activity_files.read(save("run.fit", fit(messages)))) == [(5, "pause"), (17, "resume")]


def test_a_timer_stopped_before_the_run_is_no_pause(save: Save) -> None:
    messages = [timer(0, "start"), timer(5, "stop"), timer(9, "start"), record(7), record(8), record(9), record(10)]
    assert commands(activity_files.read(save("run.fit", fit(messages)))) == []


def test_the_end_of_the_run_is_no_pause(save: Save) -> None:
    messages = [record(0), record(1), timer(1, "stop_all"), record(2), session("running")]
    assert commands(activity_files.read(save("run.fit", fit(messages)))) == []


@pytest.mark.parametrize(("gap_s", "found"), [(30, []), (31, [(1, "pause"), (32, "resume")])])
def test_more_than_thirty_seconds_without_a_record_are_a_pause(
    save: Save, gap_s: int, found: list[tuple[float, str]]
) -> None:
    messages = [record(0), record(1), record(1 + gap_s), record(2 + gap_s)]
    assert commands(activity_files.read(save("run.fit", fit(messages)))) == found


def test_the_signal_of_a_second_stands_before_its_command(save: Save) -> None:
    recording = activity_files.read(save("run.fit", fit([record(0), record(60)])))
    assert recording.events == (Sample(0, 140), Command(0, Action.PAUSE), Sample(60, 140), Command(60, Action.RESUME))


def test_a_clock_set_back_goes_on_a_second_later(save: Save) -> None:
    path = save("run.fit", fit([record(100), record(104), record(50), record(54)]))
    assert [sample.at_s for sample in samples(activity_files.read(path))] == [0, 4, 5, 9]


def test_a_clock_set_forward_by_days_goes_on_a_second_later(save: Save) -> None:
    path = save("run.fit", fit([record(0), record(4), record(200_000), record(200_004)]))
    recording = activity_files.read(path)
    assert [sample.at_s for sample in samples(recording)] == [0, 4, 5, 9]
    assert "jumps 1 time" in recording.notes[0]


def test_of_two_records_for_one_second_the_first_counts(save: Save) -> None:
    messages = [
        record(0, 120, distance=1.0),
        record(1, None, distance=3.0),
        record(1, 122),
        record(1, 125, distance=4.0),
    ]
    assert activity_files.read(save("run.fit", fit(messages))).events == (
        Sample(0, 120),
        Speed(0, distance_m=1),
        Sample(1, 122),
        Speed(1, distance_m=3),
    )


def test_distance_grows_through_activities_that_begin_at_nought(save: Save) -> None:
    path = save("run.fit", fit([record(i, distance=d) for i, d in enumerate((0, 100, 99, 0, 50))]))
    assert [speed.distance_m for speed in speeds(activity_files.read(path))] == [0, 100, 100, 100, 150]


LONG_RUN = fit([*(record(i, 120 + i % 40, enhanced_speed=2.5) for i in range(300)), session("running")])


def test_a_cut_fit_file_names_the_byte_and_the_remedy(save: Save) -> None:
    line = refusal(save("run.fit", LONG_RUN[:2000]))
    assert re.search(r"run\.fit: byte 2000: the file is cut off; --lenient uses the \d+ records", line)


def test_a_cut_fit_file_still_gives_its_beginning(save: Save) -> None:
    whole = activity_files.read(save("whole.fit", LONG_RUN))
    cut = activity_files.read(save("cut.fit", LONG_RUN[:2000]), lenient=True)
    assert cut.events == whole.events[: len(cut.events)]
    assert re.fullmatch(r"damaged at byte 2000: the file is cut off: used \d+ records, 3\.\d min", cut.notes[0])


def test_a_changed_byte_in_a_fit_file_is_noticed(save: Save) -> None:
    place = LONG_RUN.rindex(bytes([120 + 299 % 40]))
    changed = save("run.fit", LONG_RUN[:place] + b"\x80" + LONG_RUN[place + 1 :])
    assert "the checksum is wrong" in refusal(changed)
    assert len(samples(activity_files.read(changed, lenient=True))) == 300


def test_a_recording_that_was_never_closed_can_be_used(save: Save) -> None:
    path = save("crash.fit", LONG_RUN[:4] + bytes(4) + LONG_RUN[8:2000])
    assert "never closed" in refusal(path)
    assert len(samples(activity_files.read(path, lenient=True))) > 190


def test_padding_behind_a_fit_file_does_no_harm(save: Save) -> None:
    recording = activity_files.read(save("run.fit", LONG_RUN + bytes(40)))
    assert "40 bytes behind its end ignored" in recording.notes
    assert len(samples(recording)) == 300


def test_two_fit_files_in_a_row_are_one_recording(save: Save) -> None:
    path = save("run.fit", fit([record(0), record(1)]) + fit([record(5), record(6)]))
    assert [sample.at_s for sample in samples(activity_files.read(path))] == [0, 1, 5, 6]


def test_a_run_without_a_strap_is_refused(save: Save) -> None:
    line = refusal(save("run.fit", fit([record(0, None, distance=0.0), record(1, None, distance=2.0)])))
    assert line.endswith("run.fit: no heart rate in its 2 records: was a strap connected?")


def test_a_fit_file_without_records_is_refused(save: Save) -> None:
    assert refusal(save("settings.fit", fit([]))).endswith("settings.fit: no record in it")


def test_without_the_extra_the_command_is_named(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fitdecode", None)
    with pytest.raises(UsageError, match=re.escape("pip install 'hrbridge[files]'")):
        activity_files.read(save("run.fit", LONG_RUN))


# TCX


def tcx_point(seconds: float, bpm: int | None = 140, more: str = "", time: str = "") -> str:
    pulse = "" if bpm is None else f"<HeartRateBpm><Value>{bpm}</Value></HeartRateBpm>"
    return f"<Trackpoint><Time>{time or at(seconds).isoformat()}</Time>{pulse}{more}</Trackpoint>\n"


def tcx(*laps: str, sport: str = "Running") -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<TrainingCenterDatabase xmlns="http://www.garmin.com/xmlschemas/'
        'TrainingCenterDatabase/v2" xmlns:ns3="http://www.garmin.com/xmlschemas/ActivityExtension/v2">\n<Activities>\n'
        f'<Activity Sport="{sport}"><Id>x</Id>\n{"".join(laps)}'
        "<Creator><Name>Forerunner 99</Name></Creator></Activity>\n</Activities>"
        "<Author><Name>Some Program</Name></Author></TrainingCenterDatabase>\n"
    )


def lap(*tracks: str) -> str:
    return f"<Lap>\n{''.join(f'<Track>{track}</Track>' for track in tracks)}<Cadence>71</Cadence></Lap>\n"


def minute(start_s: int = 0, every_s: int = 1, count: int = 5) -> str:
    return "".join(tcx_point(start_s + i * every_s) for i in range(count))


@pytest.mark.parametrize("prefix", ["ns3:", "", "undeclared:"])
def test_tcx_extensions_count_under_any_prefix(save: Save, prefix: str) -> None:
    inner = f"<{prefix}TPX><{prefix}Speed>2.75</{prefix}Speed><{prefix}RunCadence>84</{prefix}RunCadence></{prefix}TPX>"
    point = tcx_point(0, 150, f"<DistanceMeters>12.5</DistanceMeters><Extensions>{inner}</Extensions>")
    recording = activity_files.read(save("run.tcx", tcx(lap(point))))
    assert recording.events == (Sample(0, 150), Speed(0, speed_m_s=2.75, cadence_spm=168, distance_m=12.5))


def test_a_plain_cadence_of_a_run_is_of_one_foot(save: Save) -> None:
    path = save("run.tcx", tcx(lap(tcx_point(0, 150, "<Cadence>80</Cadence>"))))
    assert speeds(activity_files.read(path)) == [Speed(0, cadence_spm=160)]


def test_a_tcx_ride_has_no_steps(save: Save) -> None:
    point = tcx_point(0, 150, "<DistanceMeters>1</DistanceMeters><Cadence>80</Cadence>")
    path = save("ride.tcx", tcx(lap(point), sport="Biking"))
    assert speeds(activity_files.read(path)) == [Speed(0, distance_m=1)]


def test_tcx_names_its_watch(save: Save) -> None:
    assert activity_files.read(save("run.tcx", tcx(lap(minute())))).device == "Forerunner 99"


def test_without_a_watch_tcx_names_its_program(save: Save) -> None:
    text = tcx(lap(minute())).replace("<Name>Forerunner 99</Name>", "<Name/>")
    assert activity_files.read(save("run.tcx", text)).device == "Some Program"


@pytest.mark.parametrize(
    ("written", "started_at"),
    [
        ("2026-05-01T07:00:00Z", "2026-05-01T07:00:00Z"),
        ("2026-05-01T07:00:00", "2026-05-01T07:00:00Z"),
        ("2026-05-01T09:00:00+02:00", "2026-05-01T07:00:00Z"),
        ("2026-05-01T07:00:00.250Z", "2026-05-01T07:00:00.250Z"),
        ("2026-05-01t07:00:00z", "2026-05-01T07:00:00Z"),
        (" 2026-05-01 07:00:00.2504999Z\n", "2026-05-01T07:00:00.250Z"),
    ],
)
def test_times_of_all_zones_and_fractions_are_read(save: Save, written: str, started_at: str) -> None:
    path = save("run.tcx", tcx(lap(tcx_point(0, time=written) + tcx_point(60))))
    assert activity_files.read(path).started_at == started_at


@pytest.mark.parametrize("before", ["\n   \n", "\ufeff", "\ufeff\r\n "])
def test_blanks_and_marks_before_the_declaration_are_forgiven(save: Save, before: str) -> None:
    assert len(samples(activity_files.read(save("run.tcx", before + tcx(lap(minute())))))) == 5


def test_tcx_in_sixteen_bit_letters_is_read(save: Save) -> None:
    text = tcx(lap(minute())).replace("UTF-8", "UTF-16")
    assert len(samples(activity_files.read(save("run", text.encode("utf-16"))))) == 5


def test_a_second_track_in_a_lap_is_a_timer_stop(save: Save) -> None:
    path = save("run.tcx", tcx(lap(minute(0), minute(12))))
    assert commands(activity_files.read(path)) == [(4, "pause"), (12, "resume")]


def test_a_second_track_that_follows_at_once_is_none(save: Save) -> None:
    assert commands(activity_files.read(save("run.tcx", tcx(lap(minute(0), minute(5)))))) == []


def test_a_new_lap_is_no_pause(save: Save) -> None:
    path = save("run.tcx", tcx(lap(minute(0, every_s=6)), lap(minute(33, every_s=6))))
    assert commands(activity_files.read(path)) == []


def test_a_hole_between_laps_is_a_pause(save: Save) -> None:
    path = save("run.tcx", tcx(lap(minute(0)), lap(minute(24))))
    assert commands(activity_files.read(path)) == [(4, "pause"), (24, "resume")]


def test_activities_in_one_tcx_are_read_in_order_of_time(save: Save) -> None:
    late, early = tcx(lap(minute(100))), tcx(lap(minute(0)))
    first, last = late.index("<Activity "), late.index("</Activities>")
    both = late[:last] + early[first : early.index("</Activities>")] + late[last:]
    recording = activity_files.read(save("week.tcx", both))
    assert [sample.at_s for sample in samples(recording)] == [0, 1, 2, 3, 4, 100, 101, 102, 103, 104]
    assert commands(recording) == [(4, "pause"), (100, "resume")]


def test_activities_of_two_days_are_joined_with_a_pause(save: Save) -> None:
    first, second = tcx(lap(minute(0))), tcx(lap(minute(200_000)))
    activity = second[second.index("<Activity ") : second.index("</Activities>")]
    recording = activity_files.read(save("days.tcx", first.replace("</Activities>", activity + "</Activities>")))
    assert commands(recording) == [(4, "pause"), (5, "resume")]


def test_a_point_with_nothing_but_a_time_is_a_sample_without_a_rate(save: Save) -> None:
    path = save("run.tcx", tcx(lap(tcx_point(0) + tcx_point(1, None))))
    assert activity_files.read(path).events == (Sample(0, 140), Sample(1))


def test_a_missing_distance_is_bridged_by_the_next(save: Save) -> None:
    points = [tcx_point(i, 140, f"<DistanceMeters>{2 * i}</DistanceMeters>" if i % 3 else "") for i in range(20)]
    recording = activity_files.read(save("run.tcx", tcx(lap("".join(points)))))
    assert {speed.speed_m_s for speed in speeds(recording)} == {None, 2.0}


def test_a_number_that_is_none_is_named_with_its_line(save: Save) -> None:
    path = save("run.tcx", tcx(lap(minute() + tcx_point(9).replace("140", "1a0"))))
    assert re.search(
        r"run\.tcx: line 11: heart rate '1a0' is not a number; --lenient uses the 6 records", refusal(path)
    )
    assert beats_per_min(activity_files.read(path, lenient=True)) == [140] * 5 + [None]


def test_a_speed_of_not_a_number_is_none(save: Save) -> None:
    path = save("run.tcx", tcx(lap(tcx_point(0, 140, "<Speed>NaN</Speed>"))))
    assert activity_files.read(path).events == (Sample(0, 140),)


def test_a_time_that_is_none_is_named_with_its_line(save: Save) -> None:
    path = save("run.tcx", tcx(lap(minute() + tcx_point(9, time="yesterday"))))
    assert "line 11: 'yesterday' is no time in ISO 8601" in refusal(path)


def test_a_cut_tcx_names_the_line_and_the_remedy(save: Save) -> None:
    text = tcx(lap(minute(count=50)))
    line = refusal(save("run.tcx", text[: text.index("07:00:30")]))
    assert line.endswith("run.tcx: line 36: the file is cut off; --lenient uses the 30 records that can be read")


def test_lines_are_counted_from_the_top_of_the_file(save: Save) -> None:
    text = "\n\n" + tcx(lap(minute(count=50)))
    assert "run.tcx: line 38: the file is cut off" in refusal(save("run.tcx", text[: text.index("07:00:30")]))


def test_a_cut_tcx_still_gives_its_beginning(save: Save) -> None:
    text = tcx(lap(minute(count=50)))
    cut = activity_files.read(save("run.tcx", text[: text.index("07:00:30")]), lenient=True)
    assert cut.events == tuple(Sample(i, 140) for i in range(30))


def test_an_xml_with_entities_is_refused_at_once(save: Save) -> None:
    bomb = '<?xml version="1.0"?>\n<!DOCTYPE bomb [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True)
    )
    path = save("run.tcx", bomb + "]><TrainingCenterDatabase>&j;</TrainingCenterDatabase>")
    assert refusal(path, lenient=True).endswith("line 2: DOCTYPE bomb is refused: expected TCX or GPX")


def test_a_web_page_saved_as_tcx_is_told_apart(save: Save) -> None:
    assert refusal(save("run.tcx", "<html><body>Sign in</body></html>")).endswith(
        "line 1: <html> is not an activity: expected TCX or GPX"
    )


# GPX, written by gpxpy


def gpx(*segments: list[tuple[float, float]], kind: str | None = "running", time: bool = True) -> gpxpy.gpx.GPX:
    """Points (second, metres to the east) at the equator, with 140 bpm."""
    file = gpxpy.gpx.GPX()
    file.creator = "Some App"
    file.nsmap["gpxtpx"] = "http://www.garmin.com/xmlschemas/TrackPointExtension/v1"
    track = gpxpy.gpx.GPXTrack()
    track.type = kind
    file.tracks.append(track)
    for segment in segments:
        track.segments.append(gpxpy.gpx.GPXTrackSegment())
        for seconds, metres in segment:
            point = gpxpy.gpx.GPXTrackPoint(0.0, metres / 111_194.93, time=at(seconds) if time else None)
            extension = Element("{http://www.garmin.com/xmlschemas/TrackPointExtension/v1}hr")
            extension.text = "140"
            point.extensions.append(extension)
            track.segments[-1].points.append(point)
    return file


def steady(start_s: int = 0, count: int = 60, speed_m_s: float = 3.0) -> list[tuple[float, float]]:
    return [(start_s + i, speed_m_s * (start_s + i)) for i in range(count)]


def test_a_gpx_of_another_program_is_read(save: Save) -> None:
    recording = activity_files.read(save("run.gpx", gpx(steady()).to_xml()))
    assert beats_per_min(recording) == [140] * 60
    assert (recording.started_at, recording.device) == ("2026-05-01T07:00:00Z", "Some App")


@pytest.mark.parametrize("element", ["ns3:hr", "gpxtpx:hr", "hr", "gpxdata:hr", "heartrate"])
def test_heart_rate_in_gpx_counts_under_any_prefix(save: Save, element: str) -> None:
    point = f"<extensions><e><{element}>151</{element}></e></extensions><time>2026-05-01T07:00:00Z</time>"
    path = save("run.gpx", f'<gpx><trk><trkseg><trkpt lat="1" lon="2">{point}</trkpt></trkseg></trk></gpx>')
    assert activity_files.read(path).events == (Sample(0, 151),)


def test_cadence_in_gpx_is_of_one_foot(save: Save) -> None:
    point = "<time>2026-05-01T07:00:00Z</time><extensions><hr>150</hr><cad>81</cad></extensions>"
    path = save("run.gpx", f'<gpx><trk><trkseg><trkpt lat="1" lon="2">{point}</trkpt></trkseg></trk></gpx>')
    assert speeds(activity_files.read(path)) == [Speed(0, cadence_spm=162)]


def test_a_gpx_of_the_older_version_may_have_heart_rates(save: Save) -> None:
    text = gpx(steady(count=3)).to_xml().replace("GPX/1/1", "GPX/1/0").replace('version="1.1"', 'version="1.0"')
    assert beats_per_min(activity_files.read(save("run.gpx", text))) == [140] * 3


def test_a_gpx_whose_every_element_has_a_prefix_is_read(save: Save) -> None:
    text = re.sub(r"<(/?)(?=\w+[\s>])", r"<\1any:", gpx(steady(count=3)).to_xml()).replace("xmlns=", "xmlns:any=")
    assert beats_per_min(activity_files.read(save("run.gpx", text))) == [140] * 3


def test_a_treadmill_in_gpx_has_no_places(save: Save) -> None:
    text = re.sub(r"<trkpt[^>]*>", "<trkpt>", gpx(steady()).to_xml())
    assert activity_files.read(save("run.gpx", text)).events == tuple(Sample(i, 140) for i in range(60))


def test_an_odd_value_that_nobody_needs_does_no_harm(save: Save) -> None:
    text = gpx(steady(count=3)).to_xml().replace("<time>", "<ele>n/a</ele><fix>gps</fix><sat>7.0</sat><time>")
    assert beats_per_min(activity_files.read(save("run.gpx", text))) == [140] * 3


def test_a_number_that_is_none_is_named_with_its_point(save: Save) -> None:
    path = save("run.gpx", gpx(steady()).to_xml().replace(">140<", ">1a0<", 1))
    assert "track point of 2026-05-01 07:00:00+00:00: heart rate '1a0' is not a number; --lenient" in refusal(path)
    assert beats_per_min(activity_files.read(path, lenient=True)) == [None] + [140] * 59


def test_a_place_that_is_none_is_refused(save: Save) -> None:
    text = gpx(steady(count=3)).to_xml().replace('lat="0', 'lat="x0', 1)
    assert "run.gpx: not readable as GPX: Invalid value" in refusal(save("run.gpx", text), lenient=True)


def test_a_cut_gpx_names_the_line_and_the_remedy(save: Save) -> None:
    text = gpx(steady(0, 40), steady(60, 40)).to_xml()
    text = text[: text.index("07:01:10")]
    line = f"line {text.count(chr(10)) + 1}: the file is cut off; --lenient uses the 50 records that can be read"
    assert refusal(save("run.gpx", text)).endswith(f"run.gpx: {line}")


@pytest.mark.parametrize("broken_at", ["07:00:30", "07:01:10"])
def test_a_broken_gpx_still_gives_its_beginning_and_says_how_much(save: Save, broken_at: str) -> None:
    text = gpx(steady(0, 40), steady(60, 40)).to_xml()
    whole = activity_files.read(save("whole.gpx", text))
    path = save("broken.gpx", text.replace(f"{broken_at}Z</time>", f"{broken_at}Z</tine>"))
    recording = activity_files.read(path, lenient=True)
    last_s = [sample.at_s for sample in samples(recording)][-1]
    assert at(last_s + 1).strftime("%H:%M:%S") == broken_at
    assert recording.events == whole.events[: len(recording.events)]
    assert re.fullmatch(
        rf"damaged at line \d+: not readable as XML: mismatched tag: used {len(samples(recording))} records, .* min",
        recording.notes[0],
    )


def test_a_gpx_broken_before_its_first_point_is_refused(save: Save) -> None:
    text = gpx(steady(count=3)).to_xml()
    path = save("run.gpx", text[: text.index("<trkpt") + 20])
    assert re.search(r"run\.gpx: line \d+: the file is cut off$", refusal(path, lenient=True))


def test_gpx_in_sixteen_bit_letters_is_read(save: Save) -> None:
    text = gpx(steady(count=3)).to_xml().replace("UTF-8", "UTF-16")
    assert len(samples(activity_files.read(save("run", text.encode("utf-16"))))) == 3


def test_a_gpx_with_a_doctype_is_refused_at_once(save: Save) -> None:
    text = '<?xml version="1.0"?>\n<!DOCTYPE gpx [<!ENTITY a "b">]>\n<gpx><trk>&a;</trk></gpx>'
    assert refusal(save("run.gpx", text), lenient=True).endswith("line 2: DOCTYPE gpx is refused: expected TCX or GPX")


def test_a_gpx_nested_without_end_is_refused(save: Save) -> None:
    inner = f"<extensions>{'<a>' * 100_000}{'</a>' * 100_000}</extensions>"
    path = save("run.gpx", f'<gpx><trk><trkseg><trkpt lat="1" lon="2">{inner}</trkpt></trkseg></trk></gpx>')
    assert refusal(path).endswith("line 1: <a> is nested too deeply for GPX")


def test_without_the_extra_gpx_names_the_command_too(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save("run.gpx", gpx(steady(count=3)).to_xml())
    monkeypatch.setitem(sys.modules, "gpxpy", None)
    with pytest.raises(UsageError, match=re.escape("pip install 'hrbridge[files]'")):
        activity_files.read(path)


def test_positions_tell_the_speed(save: Save) -> None:
    found = speeds(activity_files.read(save("run.gpx", gpx(steady()).to_xml())))
    assert [speed.speed_m_s for speed in found] == [pytest.approx(3.0, abs=0.05)] * 57


def test_speed_from_positions_follows_within_ten_seconds(save: Save) -> None:
    run, walk = steady(0, 60, 3.0), [(60 + i, 177 + 1.2 * i) for i in range(60)]
    by_second = {s.at_s: s.speed_m_s for s in speeds(activity_files.read(save("x.gpx", gpx(run + walk).to_xml())))}
    assert by_second[70] == pytest.approx(1.2, abs=0.05)


def test_one_wrong_position_changes_no_speed(save: Save) -> None:
    points = steady()
    points[30] = (30, points[30][1] + 60)
    found = speeds(activity_files.read(save("run.gpx", gpx(points).to_xml())))
    assert [speed.speed_m_s for speed in found] == [pytest.approx(3.0, abs=0.05)] * 57


def test_speed_does_not_know_the_future(save: Save) -> None:
    points = steady(0, 40) + [(40 + i, 117 + 1.0 * i) for i in range(40)]
    whole = activity_files.read(save("whole.gpx", gpx(points).to_xml()))
    begun = activity_files.read(save("begun.gpx", gpx(points[:45]).to_xml()))
    assert begun.events == whole.events[: len(begun.events)]


def test_a_new_segment_after_a_hole_is_a_pause(save: Save) -> None:
    recording = activity_files.read(save("run.gpx", gpx(steady(0, 20), steady(40, 20)).to_xml()))
    assert commands(recording) == [(19, "pause"), (40, "resume")]


def test_no_speed_is_worked_out_across_a_pause(save: Save) -> None:
    recording = activity_files.read(save("run.gpx", gpx(steady(0, 20), [(40, 60), (41, 63), (42, 66)]).to_xml()))
    assert [speed.at_s for speed in speeds(recording) if speed.at_s > 19] == []


def test_gpx_without_times_is_refused(save: Save) -> None:
    assert refusal(save("route.gpx", gpx(steady(count=3), time=False).to_xml())).endswith(
        "route.gpx: no record in it; 3 records dropped: no time"
    )


def test_two_tracks_in_one_gpx_are_read_in_order_of_time(save: Save) -> None:
    late, early = gpx(steady(100, 3)), gpx(steady(0, 3))
    late.tracks += early.tracks
    recording = activity_files.read(save("both.gpx", late.to_xml()))
    assert [sample.at_s for sample in samples(recording)] == [0, 1, 2, 100, 101, 102]


def test_a_track_for_each_lap_is_no_pause(save: Save) -> None:
    first, second = gpx(steady(0, 20)), gpx(steady(20, 20))
    first.tracks += second.tracks
    assert commands(activity_files.read(save("laps.gpx", first.to_xml()))) == []


# Polar HRM


def hrm(rows: str, interval: int | str = 1, mode: str = "SMode=000000000", more: str = "") -> str:
    params = f"Version=106\nMonitor=12\n{mode}\nDate=20260501\nStartTime=07:00:00.0\nInterval={interval}\n{more}"
    return f"[Params]\n{params}\n[Note]\nan easy run\n\n[HRData]\n{rows}\n".replace("\n", "\r\n")


@pytest.mark.parametrize("interval_s", [1, 5, 15, 60])
def test_a_row_of_hrm_stands_for_its_interval(save: Save, interval_s: int) -> None:
    recording = activity_files.read(save("run.hrm", hrm("120\n0\n124", interval_s)))
    assert samples(recording) == [Sample(0, 120), Sample(interval_s), Sample(2 * interval_s, 124)]
    assert (recording.started_at, recording.device) == ("2026-05-01T07:00:00Z", "Polar (monitor 12)")


@pytest.mark.parametrize(
    ("mode", "row", "speed"),
    [
        ("SMode=000000000", "120", None),
        ("SMode=100000100", "120\t90", Speed(0, speed_m_s=2.5)),
        ("SMode=110000100", "120\t90\t81", Speed(0, speed_m_s=2.5, cadence_spm=162)),
        ("SMode=111000100", "120\t90\t81\t240", Speed(0, speed_m_s=2.5, cadence_spm=162)),
        ("SMode=011000000", "120\t81\t240", Speed(0, cadence_spm=162)),
        ("SMode=00100000", "120\t240", None),
        ("SMode=10000011", "120\t60", Speed(0, speed_m_s=2.682)),
        ("Mode=010", "120\t90\t81", Speed(0, speed_m_s=2.5, cadence_spm=162)),
        ("Mode=110", "120\t90\t240", Speed(0, speed_m_s=2.5)),
        ("Mode=011", "120\t60\t81", Speed(0, speed_m_s=2.682, cadence_spm=162)),
        ("Mode=000", "120", None),
    ],
)
def test_the_mode_of_hrm_names_its_columns(save: Save, mode: str, row: str, speed: Speed | None) -> None:
    recording = activity_files.read(save("run.hrm", hrm(row, mode=mode)))
    assert recording.events == tuple(event for event in (Sample(0, 120), speed) if event is not None)


def test_beats_in_milliseconds_become_a_sample_per_second(save: Save) -> None:
    recording = activity_files.read(save("run.hrm", hrm("\n".join(["500"] * 10), 238)))
    assert recording.events == tuple(Sample(i, 120, rr_s=(0.5, 0.5)) for i in range(5))
    assert recording.started_at == "2026-05-01T07:00:01Z"


def test_one_wrong_beat_makes_no_heart_rate_but_stays(save: Save) -> None:
    found = samples(activity_files.read(save("run.hrm", hrm("600\n600\n600\n150\n2400\n600\n600", 238))))
    assert {sample.heart_rate_bpm for sample in found} == {100}
    assert [rr_s for sample in found for rr_s in sample.rr_s] == [0.6, 0.6, 0.6, 0.15, 2.4, 0.6, 0.6]


def test_one_early_beat_hardly_moves_the_heart_rate(save: Save) -> None:
    found = samples(activity_files.read(save("run.hrm", hrm("600\n600\n600\n600\n400\n600\n600", 238))))
    assert {sample.heart_rate_bpm for sample in found} == {100}


def test_a_second_without_a_beat_keeps_the_rate_but_no_longer_than_six(save: Save) -> None:
    found = samples(activity_files.read(save("run.hrm", hrm("1000\n1000\n9000\n1000", 238))))
    assert [sample.heart_rate_bpm for sample in found] == [60] * 8 + [None] * 3 + [60]


def test_beats_are_known_by_their_size_where_the_interval_is_missing(save: Save) -> None:
    text = hrm("500\n500\n500\n500").replace("Interval=1\r\n", "")
    assert samples(activity_files.read(save("run.hrm", text)))[0] == Sample(0, 120, rr_s=(0.5, 0.5))


def test_an_hrm_of_lap_times_gives_a_rate_at_each(save: Save) -> None:
    laps = "[IntTimes]\n00:05:00.0\t150\t90\t140\t155\n0\t0\t0\n00:06:00.5\t120\t110\t130\t150\n0\t0\t0\n"
    text = hrm("", 204).replace("[HRData]", laps + "[HRData]")
    assert samples(activity_files.read(save("run.hrm", text))) == [Sample(0, 150), Sample(60.5, 120)]


def test_an_hrm_without_a_date_has_no_start(save: Save) -> None:
    text = hrm("120\n121").replace("Date=20260501", "Date=")
    assert activity_files.read(save("run.hrm", text)).started_at is None


def test_an_hrm_cut_in_a_row_leaves_the_row_out(save: Save) -> None:
    path = save("run.hrm", hrm("120\n121\n122\n13", 5, more="Length=00:10:00.0").rstrip())
    assert "line 16: the file is cut off; --lenient uses the 3 records" in refusal(path)
    assert beats_per_min(activity_files.read(path, lenient=True)) == [120, 121, 122]


def test_an_hrm_that_lost_its_end_is_noticed(save: Save) -> None:
    path = save("run.hrm", hrm("120\n121\n122", 5, more="Length=00:10:00.0"))
    assert "cut off after 15 of 600 s" in refusal(path)


def test_an_hrm_need_not_end_its_last_line(save: Save) -> None:
    path = save("run.hrm", hrm("120\n121\n122", 5, more="Length=00:00:15.3").rstrip())
    assert beats_per_min(activity_files.read(path)) == [120, 121, 122]


def test_a_row_of_hrm_that_is_no_number_is_named_and_keeps_its_time(save: Save) -> None:
    path = save("run.hrm", hrm("120\nx\n122"))
    assert "line 14: 'x' is not a row of numbers; --lenient uses the 3 records" in refusal(path)
    assert beats_per_min(activity_files.read(path, lenient=True)) == [120, None, 122]


def test_an_hrm_without_data_is_refused(save: Save) -> None:
    assert refusal(save("run.hrm", "[Params]\nVersion=106\n")).endswith(
        "run.hrm: line 2: no [HRData] up to here: not Polar HRM, or cut off"
    )


def test_an_interval_that_polar_never_wrote_is_refused(save: Save) -> None:
    assert "Interval=-5 is none that Polar wrote" in refusal(save("run.hrm", hrm("120", -5)))


# CSV


def test_a_csv_may_hold_every_column(save: Save) -> None:
    text = (
        "at_s,heart_rate_bpm,rr_s,contact,speed_m_s,cadence_spm,distance_m,incline_percent\n"
        "10,140,0.43 0.425,true,2.5,160,100,1.5\n11.5,141,,no,,,,\n\n12,,,,,,,\n"
    )
    assert activity_files.read(save("run.csv", text)).events == (
        Sample(0, 140, rr_s=(0.43, 0.425), contact=True),
        Speed(0, 2.5, 160, 100, 1.5),
        Sample(1.5, 141, contact=False),
        Sample(2),
    )


def test_a_csv_of_seconds_has_no_date(save: Save) -> None:
    assert activity_files.read(save("run.csv", "at_s,heart_rate_bpm\n0,140\n")).started_at is None


def test_a_csv_of_times_has_a_date(save: Save) -> None:
    text = "time;heart_rate_bpm\n2026-05-01T09:00:00+02:00;140\n2026-05-01T09:00:02.5+02:00;141\n"
    recording = activity_files.read(save("run.csv", text))
    assert (recording.started_at, samples(recording)[1].at_s) == ("2026-05-01T07:00:00Z", 2.5)


def test_a_csv_of_both_counts_by_seconds_from_its_first_time(save: Save) -> None:
    text = "at_s,time,heart_rate_bpm\n5,2026-05-01T07:00:00Z,140\n5.4,2026-05-01T07:00:00Z,141\n"
    recording = activity_files.read(save("run.csv", text))
    assert (recording.started_at, samples(recording)[1].at_s) == ("2026-05-01T07:00:00Z", 0.4)


def test_a_csv_of_beats_alone_gives_heart_rates(save: Save) -> None:
    path = save("run.csv", "at_s,rr_s\n0,0.5 0.5\n1,0.5 0.5\n")
    assert beats_per_min(activity_files.read(path)) == [120, 120]


def test_cadence_in_csv_counts_both_feet(save: Save) -> None:
    path = save("run.csv", "at_s,heart_rate_bpm,cadence_spm\n0,140,100\n")
    assert speeds(activity_files.read(path)) == [Speed(0, cadence_spm=100)]


def test_an_unknown_column_is_answered_with_the_known_ones(save: Save) -> None:
    line = refusal(save("run.csv", "at_s,heart_rate_bpm,power\n0,140,200\n"), lenient=True)
    assert "line 1: unknown column 'power'; allowed are at_s, time, heart_rate_bpm, rr_s, contact, speed_m_s," in line


@pytest.mark.parametrize("header", ["heart_rate_bpm", "at_s,heart_rate_bpm,at_s"])
def test_a_csv_needs_a_time_and_each_column_once(save: Save, header: str) -> None:
    assert "needs each column once, and at_s or time" in refusal(save("run.csv", f"{header}\n1\n"))


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("2,14o,,", "heart_rate_bpm '14o' is not a number"),
        ("2,nan,,", "heart_rate_bpm 'nan' is not a number"),
        ("2,300,,", "heart_rate_bpm 300 is not within 0 to 255"),
        ("2,140,405,", "rr_s 405 is not within 0.001 to 10"),
        ("2,140,,maybe", "contact 'maybe' is neither true nor false"),
        (",140,,", "at_s is empty"),
        ("2,14", "2 cells under 4 columns"),
        ("0.5,140,,", "the time runs back by 0.5 s"),
    ],
)
def test_a_wrong_row_of_csv_is_named_with_its_line(save: Save, row: str, complaint: str) -> None:
    path = save("run.csv", f"at_s,heart_rate_bpm,rr_s,contact\n0,140,,\n1,141,,\n{row}\n4,142,,\n")
    assert f"run.csv: line 4: {complaint}; --lenient uses the " in refusal(path)


def test_lenient_leaves_wrong_rows_out_and_goes_on(save: Save) -> None:
    path = save("run.csv", "at_s,heart_rate_bpm\n0,140\n1,x\n2,y\n3,143\n")
    recording = activity_files.read(path, lenient=True)
    assert recording.events == (Sample(0, 140), Sample(3, 143))
    assert "and 1 more place: used 2 records" in recording.notes[0]


def test_lenient_sorts_rows_and_counts_them(save: Save) -> None:
    path = save("run.csv", "at_s,heart_rate_bpm\n0,140\n2,142\n1,141\n3,143\n")
    recording = activity_files.read(path, lenient=True)
    assert beats_per_min(recording) == [140, 141, 142, 143]
    assert "1 row out of order: sorted" in recording.notes


# Traces


def step(event: Event) -> Step:
    return Step(event, Phase.WAITING, 0.0, None, 0, 0, Estimate(), Ratio(60, 60, 60, 60))


@pytest.fixture
def own_trace(tmp_path: Path) -> Path:
    header = trace.Header(
        started_at="2026-05-01T07:00:00Z", runner=Runner(age_years=40), plan=Plan(name="free"), control=Control()
    )
    events = (Sample(0, 120), Command(0, Action.START), Tick(1), Sample(1.5, 121), Rpe(2, rpe=5), Tick(2))
    path = tmp_path / "run.jsonl"
    trace.write(path, header, map(step, events))
    return path


def test_a_trace_gives_its_events_without_ticks(own_trace: Path) -> None:
    recording = activity_files.read(own_trace)
    assert recording.events == (Sample(0, 120), Command(0, Action.START), Sample(1.5, 121), Rpe(2, rpe=5))


def test_a_trace_brings_its_header(own_trace: Path) -> None:
    recording = activity_files.read(own_trace)
    assert recording.header == trace.read(own_trace).header
    assert recording.started_at == "2026-05-01T07:00:00Z"


def test_a_trace_cut_in_its_last_line_is_used_and_says_so(own_trace: Path) -> None:
    own_trace.write_bytes(own_trace.read_bytes()[:-9])
    assert activity_files.read(own_trace).notes == ("the last line is cut off: dropped",)


def test_a_trace_broken_in_the_middle_still_gives_its_beginning(own_trace: Path) -> None:
    lines = own_trace.read_bytes().split(b"\n")
    own_trace.write_bytes(b"\n".join([*lines[:4], b"{}", *lines[5:]]))
    assert re.search(r"line 5: .*; --lenient uses the 3 steps before it", refusal(own_trace))
    assert activity_files.read(own_trace, lenient=True).events == (Sample(0, 120), Command(0, Action.START))


def test_a_trace_whose_times_run_back_still_gives_its_beginning(own_trace: Path) -> None:
    lines = own_trace.read_bytes().split(b"\n")
    own_trace.write_bytes(b"\n".join([*lines[:5], lines[1], *lines[5:]]))
    assert re.search(r"line 6: at_s runs back .*; --lenient uses the 4 steps before it", refusal(own_trace))
    assert activity_files.read(own_trace, lenient=True).events[-1] == Sample(1.5, 121)


def test_a_trace_of_a_newer_hrbridge_is_refused_whatever_is_asked(own_trace: Path) -> None:
    own_trace.write_bytes(own_trace.read_bytes().replace(b'"version":1', b'"version":2', 1))
    assert "line 1: trace version 2" in refusal(own_trace, lenient=True)


def test_a_packed_trace_must_be_unpacked(own_trace: Path, save: Save) -> None:
    assert "gunzip" in refusal(save("run.jsonl.gz", gzip.compress(own_trace.read_bytes())))


# Any file


@pytest.mark.parametrize(
    ("name", "content"),
    [("run.fit", LONG_RUN), ("run.tcx", tcx(lap(minute())).encode()), ("run.csv", b"at_s,heart_rate_bpm\n0,140\n")],
)
def test_packed_files_are_read_like_plain_ones(save: Save, name: str, content: bytes) -> None:
    plain, packed = save(name, content), save(f"{name}.gz", gzip.compress(content))
    assert activity_files.read(packed) == activity_files.read(plain)


def test_a_cut_packed_file_says_so(save: Save) -> None:
    packed = gzip.compress("".join(f"{i},{120 + i * i % 60}\n" for i in range(500)).encode())
    head = gzip.compress(b"at_s,heart_rate_bpm\n")
    path = save("run.csv.gz", gzip.compress(gzip.decompress(head) + gzip.decompress(packed))[:-200])
    assert "the gzip around it is cut off" in refusal(path)
    assert len(samples(activity_files.read(path, lenient=True))) > 50


@pytest.mark.parametrize("name", ["run.FIT", "run.xml", "run"])
def test_the_content_tells_the_format_whatever_the_name(save: Save, name: str) -> None:
    assert len(samples(activity_files.read(save(name, LONG_RUN)))) == 300


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.fit").endswith("none.fit: no such file")


def test_a_directory_is_no_recording(tmp_path: Path) -> None:
    assert refusal(tmp_path).endswith("cannot be read: Is a directory")


@pytest.mark.parametrize("name", ["run.fit", "run.tcx", "run.hrm", "run.csv", "run.jsonl"])
def test_an_empty_file_is_called_empty(save: Save, name: str) -> None:
    assert refusal(save(name, b"")).endswith(f"{name}: empty file")


def test_garbage_is_answered_with_what_is_expected(save: Save) -> None:
    line = refusal(save("run.bin", bytes(range(128, 256))))
    assert line.endswith("expected FIT, TCX, GPX, Polar HRM, CSV or a trace of hrbridge")


def test_garbage_under_the_name_of_a_format_is_refused_at_its_place(save: Save) -> None:
    assert "run.fit: byte 12: not readable as FIT" in refusal(save("run.fit", bytes(range(128, 256))))


BEGINNINGS = {
    "x.fit": LONG_RUN[:300],
    "x.tcx": tcx(lap(minute())).encode()[:900],
    "x.gpx": gpx(steady(count=3)).to_xml().encode(),
    "x.hrm": hrm("120\n121", 238).encode(),
    "x.csv": b"at_s,heart_rate_bpm,rr_s,contact\n0,140,0.4,1\n",
    "x.jsonl": b'{"format":"hrbridge-trace","version":1}\n',
    "x": b"",
}


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(BEGINNINGS)),
    keep=st.integers(0, 1500),
    tail=st.binary(max_size=200),
    edits=st.lists(st.tuples(st.integers(0, 1499), st.integers(0, 255)), max_size=4),
    lenient=st.booleans(),
)
@example(name="x.hrm", keep=1000, tail=b"9" * 5000 + b"\n1e308\n1e308\n", edits=[], lenient=True)
@example(name="x.csv", keep=1000, tail=b"1e9,140,0.4,1\n-1e9,1,,\n", edits=[], lenient=True)
@example(name="x.csv", keep=34, tail=b"\x00,1,,\n" + b'"' * 140_000, edits=[], lenient=True)
@example(name="x", keep=0, tail=b'<?xml version="1.0" encoding="utf-32"?><gpx/>', edits=[], lenient=True)
@example(name="x.jsonl", keep=0, tail=b'{"a":' * 100_000, edits=[], lenient=True)
@example(name="x", keep=0, tail=b"\x1f\x8b\x08garbage", edits=[], lenient=True)
def test_no_bytes_whatever_end_in_a_traceback(
    save: Save, name: str, keep: int, tail: bytes, edits: list[tuple[int, int]], lenient: bool
) -> None:
    content = bytearray(BEGINNINGS[name][:keep] + tail)
    for place, value in edits:
        if place < len(content):
            content[place] = value
    line, times_s = "", []
    try:
        times_s = [event.at_s for event in activity_files.read(save(name, bytes(content)), lenient=lenient).events]
    except HrbridgeError as error:
        line = str(error)
    assert "\n" not in line
    assert times_s == sorted(times_s)


# Real recordings


def real_files(traces: Path) -> list[Path]:
    return sorted(path for path in traces.iterdir() if path.suffix in {".fit", ".tcx", ".gpx", ".hrm", ".csv"})


@cache
def whole(path: Path) -> Recording:
    return activity_files.read(path)


def provenance(traces: Path) -> dict[str, str]:
    """What is known of each file from other decoders, by its name."""
    text = (traces / "PROVENANCE.md").read_text()
    return dict(re.findall(r"^## (\S+)\n(?:.*\n)*?- decoded: (.*)$", text, re.MULTILINE))


def known(pattern: str, facts: dict[str, str]) -> dict[str, tuple[float, ...]]:
    found = ((name, re.search(pattern, fact)) for name, fact in facts.items())
    return {name: tuple(float(group) for group in match.groups()) for name, match in found if match}


def test_every_real_file_is_read(traces: Path) -> None:
    assert [path.name for path in real_files(traces) if not samples(whole(path))] == []


def test_every_record_of_a_real_file_is_a_sample_or_a_noted_double(traces: Path) -> None:
    expected = known(r"(\d+) records", provenance(traces))
    found = {}
    for name in expected:
        recording = whole(traces / name)
        doubles = re.search(r"(\d+) records? told twice", " ".join(recording.notes))
        found[name] = (len(samples(recording)) + (int(doubles[1]) if doubles else 0),)
    assert found == expected


def test_real_heart_rates_span_what_other_decoders_found(traces: Path) -> None:
    expected = known(r"HR (\d+)-(\d+) ", provenance(traces))
    rates = {name: [bpm for bpm in beats_per_min(whole(traces / name)) if bpm] for name in expected}
    assert {name: (min(bpm), max(bpm)) for name, bpm in rates.items()} == expected


def test_real_heart_rates_are_present_as_often(traces: Path) -> None:
    expected = known(r"present (\d+) %", provenance(traces))
    rates = {name: beats_per_min(whole(traces / name)) for name in expected}
    shares = {name: (round(100 * sum(bpm is not None for bpm in found) / len(found)),) for name, found in rates.items()}
    assert shares == expected


def test_real_gaps_stay_gaps(traces: Path) -> None:
    expected = known(r"gaps>10 s: (\d+)", provenance(traces))
    times_s = {name: [sample.at_s for sample in samples(whole(traces / name))] for name in expected}
    assert {n: (sum(b - a > 10 for a, b in pairwise(t)),) for n, t in times_s.items()} == expected


def test_real_beats_are_all_kept(traces: Path) -> None:
    expected = {name: count for name, (count,) in known(r"RR (\d+);", provenance(traces)).items()}
    assert {name: sum(len(s.rr_s) for s in samples(whole(traces / name))) for name in expected} == expected


def test_real_speeds_are_those_of_other_decoders(traces: Path) -> None:
    for name, (median_m_s, fast_m_s) in known(r"p50/p95 ([\d.]+)/([\d.]+) m/s", provenance(traces)).items():
        found = sorted(s.speed_m_s for s in speeds(whole(traces / name)) if s.speed_m_s is not None)
        assert found[len(found) // 2] == pytest.approx(median_m_s, abs=0.1), name
        assert found[int(0.95 * len(found))] == pytest.approx(fast_m_s, abs=0.15), name


def cut_and_read(path: Path, places: Iterable[int], folder: Path) -> None:
    """What lenient gives of a cut file is a beginning of the whole, and what it refuses, it refuses in one line."""
    data = path.read_bytes()
    cut = folder / path.name
    for place in places:
        cut.write_bytes(data[:place])
        line, events = "", ()
        try:
            events = activity_files.read(cut, lenient=True).events
        except InputFileError as error:
            line = str(error)
        assert "\n" not in line, (path.name, place)
        assert events == whole(path).events[: len(events)], (path.name, place)


def test_a_real_gpx_tells_what_gpxpy_alone_tells(traces: Path) -> None:
    for path in sorted(traces.glob("*.gpx")):
        points = [point for point, *_ in gpxpy.parse(path.read_text()).walk()]
        rates = [int(e.text) for point in points for x in point.extensions for e in x if e.tag.endswith("}hr")]
        found = [bpm for bpm in beats_per_min(whole(path)) if bpm is not None]
        assert (found, len(samples(whole(path)))) == (rates, len(points)), path.name


def test_real_files_cut_near_their_beginning(traces: Path, tmp_path: Path) -> None:
    for path in real_files(traces):
        cut_and_read(path, range(400, 5000, 401), tmp_path)


@pytest.mark.proof
def test_real_files_cut_in_fifty_places(traces: Path, tmp_path: Path) -> None:
    for path in real_files(traces):
        size = path.stat().st_size
        cut_and_read(path, (size * i // 50 - 3 * (i % 2) for i in range(1, 50)), tmp_path)


# -- altitude, for the twin of a runner --

ELEVATIONS = """<gpx version="1.1" creator="w"><trk><trkseg>
<trkpt lat="50" lon="8"><ele>{}</ele><time>2026-11-22T07:00:00Z</time><extensions><hr>120</hr></extensions></trkpt>
<trkpt lat="50" lon="8"><ele>102.5</ele><time>2026-11-22T07:00:01Z</time><extensions><hr>121</hr></extensions></trkpt>
</trkseg></trk></gpx>"""


def test_the_altitude_of_a_gpx_is_kept(tmp_path):
    (tmp_path / "a.gpx").write_text(ELEVATIONS.format("100"))
    assert activity_files.read(tmp_path / "a.gpx").altitudes_m == ((0.0, 100.0), (1.0, 102.5))


def test_an_odd_altitude_is_no_damage(tmp_path):
    (tmp_path / "a.gpx").write_text(ELEVATIONS.format("high"))
    assert activity_files.read(tmp_path / "a.gpx").altitudes_m == ((1.0, 102.5),)


def test_the_altitude_of_a_watch_is_kept(traces):
    altitudes_m = activity_files.read(traces / "run_fenix2.fit").altitudes_m
    assert len(altitudes_m) == 2809
    assert 30 < min(metres for _, metres in altitudes_m) < max(metres for _, metres in altitudes_m) < 150


def test_the_altitude_of_a_tcx_is_kept(traces):
    assert len(activity_files.read(traces / "run_workout_fr945.tcx").altitudes_m) == 1040
