"""Runs to be exported: sessions of the journal, made of events of one's own, and what foreign readers make of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import fitdecode
from garmin_fit_sdk import Decoder, Stream

from hrbridge import timeline, trace
from hrbridge.config import Control, Runner
from hrbridge.control import plan as plans
from hrbridge.control.controller import Controller
from hrbridge.dates import Moment
from hrbridge.decisions import Step
from hrbridge.events import Action, Command, Event, order
from hrbridge.history.export.activity import Activity, activity
from hrbridge.journal import End, Journal, Kind, Note, Session, pack

STARTED_AT = "2026-11-22T07:00:00Z"
ALEX = Runner(id="alex", max_heart_rate_bpm=190, resting_heart_rate_bpm=60)
NOW = Moment(1_795_000_000.0, right=True, boot_id="", boot_s=0.0)
Run = tuple[trace.Header, tuple[Step, ...]]


def stepped(events: Iterable[Event], plan: str = "demo") -> Run:
    """What the controller makes of these events, begun by a start at 0."""
    header = trace.Header(started_at=STARTED_AT, runner=ALEX, plan=plans.load(plan), control=Control())
    controller = Controller(header.plan, header.runner, header.control)
    in_order = sorted([Command(0.0, Action.START), *events], key=order)
    return header, tuple(map(controller.step, timeline.merge(in_order)))


def session(header: trace.Header, **changes: Any) -> Session:
    known: dict[str, Any] = {
        "id": 12,
        "runner_id": header.runner.id,
        "kind": Kind.LIVE,
        "source": "Polar H10",
        "header": header,
        "began_at_s": 0.0,
        "started_at": STARTED_AT,
        "date_estimated": False,
        "boot_id": "",
        "boot_s": 0.0,
        "ended": End.FINISHED,
    }
    return Session(**known | changes)


def exported(run: Run, note: Note | None = None, **changes: Any) -> Activity:
    header, steps = run
    return activity(session(header, **changes), header, steps, note)


def keep(path: Path, run: Run, *, began_at_s: float = 0.0, started_at: str | None = STARTED_AT) -> int:
    """Put a run into the journal; returns its number."""
    header, steps = run
    with Journal(path, create=True) as journal, journal.transaction():
        number = journal.begin(header, Kind.LIVE, "Polar H10", began_at_s=began_at_s, started_at=started_at, now=NOW)
        journal.append_packed(number, 0, pack(map(trace.encode, steps)))
        journal.end(number, End.FINISHED)
    return number


def fit_messages(path: Path) -> dict[str, list[dict[str, Any]]]:
    """By the decoder of the format's makers, which must find nothing wrong."""
    data = path.read_bytes()
    assert Decoder(Stream.from_byte_array(bytearray(data))).check_integrity()
    messages, errors = Decoder(Stream.from_byte_array(bytearray(data))).read()
    assert errors == []
    return messages


def fit_frames(path: Path) -> list[Any]:
    """By fitdecode, which raises at the first thing that is wrong."""
    strict = {"check_crc": fitdecode.CrcCheck.RAISE, "error_handling": fitdecode.ErrorHandling.RAISE}
    with fitdecode.FitReader(path, **strict) as reader:
        return list(reader)
