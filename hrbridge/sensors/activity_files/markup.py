"""What TCX and GPX share: XML up to the place where it breaks, and track points that become records."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.parsers import expat

from hrbridge.errors import InputFileError
from hrbridge.sensors.activity_files import values
from hrbridge.sensors.activity_files.recording import PAUSE_AFTER_S, TRACK_HOLE_S, Reading, Record

# Elements of a track point, in lower case and without namespace, as fields of a record.
FIELDS = {
    "time": "time_s",
    "latitudedegrees": "latitude",
    "longitudedegrees": "longitude",
    "distancemeters": "distance_m",
    "heartratebpm": "heart_rate_bpm",
    "heartrate": "heart_rate_bpm",
    "hr": "heart_rate_bpm",
    "cadence": "cadence",
    "runcadence": "cadence",
    "cad": "cadence",
    "speed": "speed_m_s",
    "altitudemeters": "altitude_m",
    "ele": "altitude_m",
}
# Some programs put blanks before the declaration, which XML forbids; the encoding it names is not that of a str.
DECLARATION = re.compile(r"[\s\ufeff]*(<\?xml\s.*?\?>)?", re.DOTALL)
ROOT = re.compile(r"<([\w.-]+:)?(TrainingCenterDatabase|gpx)\b")


def walk(path: str | Path, data: bytes, parser: expat.XMLParserType) -> tuple[str, str]:
    """Have the parser walk through a file; returns its text without the declaration, and no damage.

    Where the text breaks: what stands before this place, and "line 7: ...".
    Raises InputFileError for what is no activity, and for a DOCTYPE: no
    activity has one, and entities declared in it can grow without bounds.
    """
    text = DECLARATION.sub(lambda found: "\n" * found[0].count("\n"), values.text(data), count=1)
    foreign, why = re.search(r"<!(DOCTYPE\s*\S{,40})", text), "is refused"
    if foreign is None and not ROOT.search(text):
        foreign, why = re.search(r"(<[\w:.-]{1,40}>?)", text), "is not an activity"
    if foreign is not None:
        line = text.count("\n", 0, foreign.start()) + 1
        raise InputFileError(f"{path}: line {line}: {' '.join(foreign[1].split())} {why}: expected TCX or GPX")
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        cut_off = what in (expat.errors.XML_ERROR_NO_ELEMENTS, expat.errors.XML_ERROR_UNCLOSED_TOKEN)
        damage = f"line {error.lineno}: {'the file is cut off' if cut_off else f'not readable as XML: {what}'}"
        return text.encode()[: parser.ErrorByteIndex].decode(errors="ignore"), damage
    return text, ""


class TrackPoints:
    """Gathers the records of track points, activity by activity."""

    def __init__(self) -> None:
        self.pause_after_s = TRACK_HOLE_S  # of the next record
        self._reading = Reading()
        self._sport = ""
        self._activities: list[list[Record]] = [[]]

    def begin_activity(self, sport: str) -> None:
        self._sport = sport
        self._activities.append([])
        self.pause_after_s = TRACK_HOLE_S

    def add(self, fields: dict[str, str], place: str) -> None:
        """One track point, its texts by the names in ``FIELDS``; ``place`` is where to look for what is wrong in it."""
        if "time_s" not in fields:
            self._reading.untimed += 1
            return
        try:
            time_s = values.seconds(fields.pop("time_s"))
        except ValueError as error:
            self._reading.damage.append(f"{place}: {error}")
            return
        numbers: dict[str, Any] = {name: values.finite(text) for name, text in fields.items()}
        for name, number in numbers.items():
            # Some programs write NaN for none; any other text is damage, but for the altitude, which few need.
            if (
                number is None
                and name != "altitude_m"
                and fields[name].lower().strip("-") not in ("nan", "inf", "infinity")
            ):
                words = name.removesuffix("_bpm").replace("_", " ")
                self._reading.damage.append(f"{place}: {words} {fields[name][:40]!r} is not a number")
        record = Record(time_s, **numbers, sport=self._sport, pause_after_s=self.pause_after_s)
        if record.cadence is not None and record.cadence >= 255:
            record.cadence = None
        self.pause_after_s = PAUSE_AFTER_S
        self._activities[-1].append(record)

    def close(self, device: str, damage: str) -> Reading:
        """All records; some programs write the last activity first."""
        activities = sorted(filter(None, self._activities), key=lambda records: records[0].time_s)
        self._reading.records = [record for records in activities for record in records]
        self._reading.device = device
        self._reading.damage += [damage] if damage else []
        return self._reading
