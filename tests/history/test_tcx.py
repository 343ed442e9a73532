"""Runs as TCX files: right by the schema of its makers, and the same run for whoever reads them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
import xmlschema
from conftest import IN_CI
from exported_runs import Run, exported, stepped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulated_runs import simulated_run

from hrbridge.events import Action, Command, Event, Sample, Speed
from hrbridge.history.export import tcx
from hrbridge.history.figures import figures
from hrbridge.journal import Note
from hrbridge.sensors import activity_files

NAMESPACE = "{http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2}"
EXTENSION = "{http://www.garmin.com/xmlschemas/ActivityExtension/v2}"
# The order of the elements of schema TrainingCenterDatabasev2, of those that we write.
ORDER = {
    "Activity": ["Id", "Lap", "Notes", "Creator"],
    "Lap": [
        "TotalTimeSeconds",
        "DistanceMeters",
        "Calories",
        "AverageHeartRateBpm",
        "MaximumHeartRateBpm",
        "Intensity",
        "TriggerMethod",
        "Track",
        "Notes",
    ],
    "Trackpoint": ["Time", "DistanceMeters", "HeartRateBpm", "Extensions"],
    "Creator": ["Name", "UnitId", "ProductID", "Version"],
}
REQUIRED = {
    "Activity": {"Id", "Lap"},
    "Lap": {"TotalTimeSeconds", "DistanceMeters", "Calories", "Intensity", "TriggerMethod"},
    "Trackpoint": {"Time"},
    "Creator": {"Name", "UnitId", "ProductID", "Version"},
}


@pytest.fixture(scope="module")
def demo() -> Run:
    return simulated_run('plan.use="demo"', 'sensor.runner="typical"')


@pytest.fixture(scope="module")
def schema(needs_tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """TrainingCenterDatabasev2.xsd is not ours to publish: the Debian package of pytrainer has it, 0.3 MB."""
    folder = tmp_path_factory.mktemp("schema")
    # Package lists that are there already may do.
    for words in (["download", "pytrainer"], ["update"], ["download", "pytrainer"]):
        fetched = subprocess.run([needs_tool("apt-get"), *words], cwd=folder, capture_output=True, text=True)
        packages = list(folder.glob("pytrainer_*.deb"))
        if packages:
            break
    else:
        message = f"no schema to validate TCX with: apt-get download pytrainer: {fetched.stderr.strip()}"
        if IN_CI:
            pytest.fail(message)
        pytest.skip(message)
    subprocess.run([needs_tool("dpkg-deb"), "-x", packages[0], folder], check=True)
    return xmlschema.XMLSchema(next(folder.rglob("GarminTrainingCenterDatabase_v2.xsd")))


def written(path: Path, run: Run, note: Note | None = None, **changes: Any) -> Element:
    tcx.write(path, exported(run, note, **changes))
    return ElementTree.parse(path).getroot()


def found(element: Element, name: str) -> list[Element]:
    return list(element.iter(f"{NAMESPACE}{name}"))


def texts(element: Element, name: str) -> list[str | None]:
    return [each.text for each in found(element, name)]


def names(element: Element) -> list[str]:
    return [child.tag.removeprefix(NAMESPACE) for child in element]


def run_of(seconds: int, *events: Event, bpm: int | None = 120) -> Run:
    return stepped([*(Sample(s, bpm) for s in range(seconds + 1)), *events])


PAUSED = (Command(10.0, Action.PAUSE), Command(40.0, Action.RESUME))
RUNS = {
    "the demo": lambda: simulated_run('plan.use="demo"', 'sensor.runner="typical"'),
    "a surge": lambda: simulated_run('plan.use="surge"'),
    "no heart rate": lambda: run_of(30, bpm=None),
    "a pause": lambda: run_of(60, *PAUSED),
    "one second": lambda: run_of(0),
    "a fast one": lambda: run_of(5, Speed(1.0, speed_m_s=80.0, cadence_spm=700.0, distance_m=1e9)),
}


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS.keys())
def test_it_is_right_by_the_schema_of_its_makers(tmp_path: Path, schema: Any, run: Any) -> None:
    note = Note(rpe=6.5, text="Wind & <rain>, 5 °C \x0b\ud800")
    written(tmp_path / "run.tcx", run(), note)
    assert [str(error) for error in schema.iter_errors(tmp_path / "run.tcx")] == []


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS.keys())
def test_every_element_stands_where_the_schema_wants_it(tmp_path: Path, run: Any) -> None:
    root = written(tmp_path / "run.tcx", run())
    for kind, order in ORDER.items():
        for element in found(root, kind):
            assert names(element) == sorted(names(element), key=order.index)
            assert set(names(element)) >= REQUIRED[kind]


def test_the_laps_are_those_of_the_journal(tmp_path: Path, demo: Run) -> None:
    root, total = written(tmp_path / "run.tcx", demo), figures(*demo)
    lap_s = dict.fromkeys(("warmup", "run", "walk", "cooldown"), 0.0)
    for lap in found(root, "Lap"):
        lap_s[lap.findtext(f"{NAMESPACE}Notes", "")] += float(lap.findtext(f"{NAMESPACE}TotalTimeSeconds", ""))
    assert lap_s == {
        "warmup": total.warmup_s,
        "run": total.run_s,
        "walk": total.walk_s,
        "cooldown": total.cooldown_s,
    }


def test_walks_and_the_cool_down_are_resting(tmp_path: Path, demo: Run) -> None:
    intensities = texts(written(tmp_path / "run.tcx", demo), "Intensity")
    assert intensities == ["Active", *["Active", "Resting"] * 3, "Resting"]


def test_the_way_of_the_laps_is_that_of_the_journal(tmp_path: Path, demo: Run) -> None:
    laps = found(written(tmp_path / "run.tcx", demo), "Lap")
    metres = sum(float(lap.findtext(f"{NAMESPACE}DistanceMeters", "")) for lap in laps)
    assert metres == pytest.approx(figures(*demo).distance_m, abs=0.1)


def test_a_lap_begins_where_the_last_one_ended(tmp_path: Path) -> None:
    starts = [lap.get("StartTime") for lap in found(written(tmp_path / "run.tcx", run_of(40)), "Lap")]
    assert starts == ["2026-11-22T07:00:00Z", "2026-11-22T07:00:08Z", "2026-11-22T07:00:28Z"]


def test_a_lap_has_its_mean_and_highest_heart_rate(tmp_path: Path) -> None:
    lap = found(written(tmp_path / "run.tcx", stepped([Sample(s, 100 + s) for s in range(8)])), "Lap")[0]
    assert texts(found(lap, "AverageHeartRateBpm")[0], "Value") == ["104"]
    assert texts(found(lap, "MaximumHeartRateBpm")[0], "Value") == ["107"]


def test_without_a_heart_rate_none_is_claimed(tmp_path: Path) -> None:
    root = written(tmp_path / "run.tcx", run_of(30, bpm=None))
    assert texts(root, "Value") == []


@pytest.mark.parametrize(("cadence_spm", "strides"), [(165.0, ["82"]), (700.0, []), (-2.0, [])])
def test_a_cadence_counts_strides_and_fits_in_a_byte(tmp_path: Path, cadence_spm: float, strides: list[str]) -> None:
    root = written(tmp_path / "run.tcx", run_of(0, Speed(0.0, cadence_spm=cadence_spm)))
    assert [each.text for each in root.iter(f"{EXTENSION}RunCadence")] == strides


def test_after_a_pause_another_track_begins(tmp_path: Path) -> None:
    lap = found(written(tmp_path / "run.tcx", run_of(60, *PAUSED)), "Lap")[1]
    assert [len(found(track, "Trackpoint")) for track in found(lap, "Track")] == [3, 18]
    assert lap.findtext(f"{NAMESPACE}TotalTimeSeconds") == "20.000"


def test_the_notes_say_plan_and_effort_and_what_the_runner_wrote(tmp_path: Path) -> None:
    root = written(tmp_path / "run.tcx", run_of(30), Note(rpe=6.5, text="Wind.\x00"))
    assert texts(root, "Notes")[-1] == "hrbridge, plan demo. RPE 6.5 of 10. Wind."


def test_a_run_without_a_date_is_of_the_year_2000(tmp_path: Path) -> None:
    assert texts(written(tmp_path / "run.tcx", run_of(30), started_at=None), "Id") == ["2000-01-01T00:00:00Z"]


def test_replay_of_the_file_sees_the_same_run(tmp_path: Path, demo: Run) -> None:
    written(tmp_path / "run.tcx", demo)
    again = activity_files.read(tmp_path / "run.tcx")
    sent = {(e.at_s, e.heart_rate_bpm) for step in demo[1] if isinstance(e := step.event, Sample)}
    assert {(e.at_s, e.heart_rate_bpm) for e in again.events if isinstance(e, Sample)} == sent
    speeds = {(e.at_s, e.speed_m_s, e.distance_m) for step in demo[1] if isinstance(e := step.event, Speed)}
    assert {(e.at_s, e.speed_m_s, e.distance_m) for e in again.events if isinstance(e, Speed) and e.at_s > 0} == {
        speed for speed in speeds if speed[0] > 0
    }


@given(text=st.text(), bpm=st.sampled_from([None, 0, 1, 254, 255, 300]), speed_m_s=st.floats(-1e9, 1e9))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_noted_the_file_can_be_read(tmp_path: Path, text: str, bpm: int | None, speed_m_s: float) -> None:
    root = written(tmp_path / "run.tcx", run_of(3, Speed(1.0, speed_m_s=speed_m_s), bpm=bpm), Note(text=text))
    assert texts(root, "Notes")[-1].startswith("hrbridge, plan demo.")
