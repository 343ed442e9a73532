"""TCX, the older format of Garmin (training centre XML).

Read with the standard library's expat: for TCX there is no reader as well
kept as fitdecode or gpxpy.
"""

from __future__ import annotations

from pathlib import Path
from xml.parsers import expat

from hrbridge.sensors.activity_files.markup import FIELDS, TrackPoints, walk
from hrbridge.sensors.activity_files.recording import TRACK_HOLE_S, Reading

LAP_HOLE_S = 15.0  # between two laps; smart recording leaves about 10 s between records at the most


def read(path: str | Path, data: bytes) -> Reading:
    elements = _Elements()
    _, damage = walk(path, data, elements.parser)
    device = elements.names.get("creator") or elements.names.get("author", "")
    return elements.points.close(device, damage)


class _Elements:
    """What expat calls at every element; names count without namespace."""

    def __init__(self) -> None:
        self.points = TrackPoints()
        self.names: dict[str, str] = {}  # of the watch (creator) and the program (author)
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self._named = ""
        self._text = ""
        self._fields: dict[str, str] = {}  # of the track point we are in

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        element = name.rpartition(":")[2].lower()
        self._text = ""
        if element == "trackpoint":
            self._fields = {}
        elif element == "activity":
            self.points.begin_activity(attributes.get("Sport", ""))
        elif element in ("creator", "author"):
            self._named = element

    def _characters(self, text: str) -> None:
        self._text += text

    def _end(self, name: str) -> None:
        element = name.rpartition(":")[2].lower()
        if element == "value":  # its text is that of the element around it
            return
        text, self._text = self._text.strip(), ""
        if element == "trackpoint":
            self.points.add(self._fields, f"line {self.parser.CurrentLineNumber}")
        elif element == "track":
            self.points.pause_after_s = TRACK_HOLE_S
        elif element == "lap":
            self.points.pause_after_s = LAP_HOLE_S
        elif element == "name":
            self.names.setdefault(self._named, text)
        elif text and element in FIELDS:
            self._fields.setdefault(FIELDS[element], text)
