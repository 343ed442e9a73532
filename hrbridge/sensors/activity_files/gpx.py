"""GPX, the format of maps and phones, read with gpxpy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from xml.parsers import expat

from hrbridge.errors import InputFileError, UsageError
from hrbridge.sensors.activity_files.markup import FIELDS, TrackPoints, walk
from hrbridge.sensors.activity_files.recording import TRACK_HOLE_S, Reading

if TYPE_CHECKING:
    from gpxpy.gpx import GPXTrackPoint

# gpxpy wants every prefix declared, and GPX itself without one: names alone are enough for us.
NAMESPACES = re.compile(r"""(</?)[\w.-]+:|\s(?:xmlns|[\w.-]+:[\w.-]+)\s*=\s*(?:"[^"<]*"|'[^'<]*')""")
# For one odd value in these gpxpy refuses the whole file; only the altitude is of use to us, where it is a number.
UNUSED = re.compile(
    r"<(magvar|geoidheight|fix|sat|[hvp]dop|ageofdgpsdata|dgpsid|number)>[^<]*</\1>"
    r"|<ele>(?!\s*-?\d+(\.\d+)?\s*<)[^<]*</ele>"
)
DEEPEST = 50  # elements in one another; gpxpy copies extensions by recursion, which thousands would crash


def read(path: str | Path, data: bytes) -> Reading:
    try:
        import gpxpy
        from gpxpy.gpx import GPX, GPXException
    except ImportError as error:
        raise UsageError(f"{path}: GPX files need an extra: pip install 'hrbridge[files]'") from error
    text, damage = walk(path, data, _parser(path))
    text = UNUSED.sub("", NAMESPACES.sub(r"\1", text))
    # Indoors some programs leave the place out, which neither GPX nor gpxpy allows.
    text = text.replace("<trkpt>", '<trkpt lat="nan" lon="nan">')
    if damage:
        text = text.rpartition("</trkpt>")[0] + "</trkpt></trkseg></trk></gpx>"  # up to the last whole point
    try:
        gpx = gpxpy.parse(text, version="1.1")  # 1.0 knows no extensions, yet programs that write 1.0 do
    except GPXException as error:
        gpx, damage = GPX(), damage or f"not readable as GPX: {' '.join(str(error).split())[:80]}"
    points = TrackPoints()
    for track in gpx.tracks:
        points.begin_activity(track.type or "")
        for segment in track.segments:
            points.pause_after_s = TRACK_HOLE_S
            for point in segment.points:
                points.add(_fields(point), f"track point of {point.time}")
    return points.close(gpx.creator or "", damage)


def _fields(point: GPXTrackPoint) -> dict[str, str]:
    """What a track point and its extensions tell, by the names of ``FIELDS``."""
    fields = {"latitude": str(point.latitude), "longitude": str(point.longitude)}
    if point.elevation is not None:
        fields["altitude_m"] = str(point.elevation)
    if point.time is not None:
        fields["time_s"] = point.time.isoformat()
    for element in (inner for extension in point.extensions for inner in extension.iter()):
        name, text = FIELDS.get(str(element.tag).lower()), (element.text or "").strip()
        if name is not None and text:
            fields.setdefault(name, text)
    return fields


def _parser(path: str | Path) -> expat.XMLParserType:
    parser = expat.ParserCreate()
    depth = 0

    def start(name: str, _attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise InputFileError(f"{path}: line {parser.CurrentLineNumber}: <{name[:40]}> is nested too deeply for GPX")

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    parser.StartElementHandler, parser.EndElementHandler = start, end
    return parser
