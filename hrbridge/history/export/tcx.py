"""TCX, the older format of Garmin (training centre XML), which most platforms read; schema TrainingCenterDatabasev2."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from math import inf
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from hrbridge import __version__
from hrbridge.dates import iso
from hrbridge.decisions import Phase
from hrbridge.history.export import whole_file
from hrbridge.history.export.activity import Activity, Lap, Record

NAMESPACES = {
    "xmlns": "http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2",
    "xmlns:x": "http://www.garmin.com/xmlschemas/ActivityExtension/v2",
    "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
}
RESTING = (Phase.WALK, Phase.COOLDOWN)
HIGHEST_STRIDES_PER_MIN = 254  # type CadenceValue_t
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2


def write(out: Path, activity: Activity) -> None:
    """Raises OutputError."""
    root = Element("TrainingCenterDatabase", NAMESPACES)
    element = SubElement(SubElement(root, "Activities"), "Activity", Sport="Running")
    _add(element, "Id", iso(activity.started_unix_s))
    for lap in activity.laps:
        _add_lap(element, lap, activity)
    _add(element, "Notes", _notes(activity))
    creator = SubElement(element, "Creator", {"xsi:type": "Device_t"})
    major, minor, *_ = __version__.split(".")
    for name, text in (("Name", "hrbridge"), ("UnitId", str(activity.run_id)), ("ProductID", "0")):
        _add(creator, name, text)
    version = SubElement(creator, "Version")
    _add(version, "VersionMajor", major)
    _add(version, "VersionMinor", minor)
    ElementTree.indent(root, " ")
    whole_file.write(out, [ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True), b"\n"])


def _add_lap(element: Element, lap: Lap, activity: Activity) -> None:
    lap_element = SubElement(element, "Lap", StartTime=_time(activity, lap.start_s))
    _add(lap_element, "TotalTimeSeconds", f"{lap.timer_s:.3f}")
    _add(lap_element, "DistanceMeters", f"{lap.distance_m or 0.0:.2f}")
    _add(lap_element, "Calories", "0")  # not known, and the schema wants a number
    heart_rates_bpm = lap.heart_rates_bpm
    if heart_rates_bpm:
        _add_rate(lap_element, "AverageHeartRateBpm", round(sum(heart_rates_bpm) / len(heart_rates_bpm)))
        _add_rate(lap_element, "MaximumHeartRateBpm", max(heart_rates_bpm))
    _add(lap_element, "Intensity", "Resting" if lap.phase in RESTING else "Active")
    _add(lap_element, "TriggerMethod", "Time")
    for records in _tracks(lap, activity):
        track = SubElement(lap_element, "Track")
        for record in records:
            _add_point(track, record, activity)
    _add(lap_element, "Notes", lap.phase.value)


def _tracks(lap: Lap, activity: Activity) -> Iterator[list[Record]]:
    """The records between two pauses."""
    cuts_s = [-inf, *(again_s for _, again_s in activity.pauses), inf]
    for from_s, to_s in pairwise(cuts_s):
        records = [record for record in lap.records if from_s <= record.at_s < to_s]
        if records:
            yield records


def _add_point(track: Element, record: Record, activity: Activity) -> None:
    point = SubElement(track, "Trackpoint")
    _add(point, "Time", _time(activity, record.at_s))
    if record.distance_m is not None:
        _add(point, "DistanceMeters", f"{record.distance_m:.1f}")
    if record.heart_rate_bpm is not None:
        _add_rate(point, "HeartRateBpm", record.heart_rate_bpm)
    strides = None if record.cadence_spm is None else round(record.cadence_spm / 2)
    is_cadence = strides is not None and 0 <= strides <= HIGHEST_STRIDES_PER_MIN
    if record.speed_m_s is not None or is_cadence:
        more = SubElement(SubElement(point, "Extensions"), "x:TPX")
        if record.speed_m_s is not None:
            _add(more, "x:Speed", f"{record.speed_m_s:.3f}")
        if is_cadence:
            _add(more, "x:RunCadence", str(strides))


def _add_rate(element: Element, name: str, bpm: int) -> None:
    _add(SubElement(element, name), "Value", str(bpm))


def _add(element: Element, name: str, text: str) -> None:
    SubElement(element, name).text = text


def _time(activity: Activity, at_s: float) -> str:
    return iso(round(activity.started_unix_s + at_s))


def _notes(activity: Activity) -> str:
    rpe = "" if activity.rpe is None else f" RPE {activity.rpe:.3g} of 10."
    return NOT_XML.sub("", f"hrbridge, plan {activity.plan}.{rpe} {activity.text}".strip())
