"""What a runner says after a run: asked in one line each, put to what was said before, and told back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, TypeVar

from msgspec.structs import replace

from hrbridge import messages
from hrbridge.dates import from_iso, iso
from hrbridge.errors import UsageError
from hrbridge.journal import Day, Energy, Note, Session, Soreness, Symptoms

E = TypeVar("E", bound=StrEnum)


def effort(text: str) -> float:
    """RPE, 0 to 10 in halves; raises UsageError."""
    try:
        return messages.decode_rpe(text.encode())
    except messages.RefusedInputError as error:
        raise UsageError(f"rpe {text}: {error}") from None


def _one_of(words: type[E]) -> Callable[[str], E]:
    def read(text: str) -> E:
        found = [word for word in words if text and word.startswith(text.lower())]
        if len(found) != 1:
            raise UsageError(f"{text}: one of {', '.join(words)}")
        return found[0]

    return read


def _yes_or_no(text: str) -> bool:
    if text.lower() not in ("y", "yes", "n", "no"):
        raise UsageError(f"{text}: yes or no")
    return text.lower().startswith("y")


# The field of a note, the question, and how the answer is read.
QUESTIONS: tuple[tuple[str, str, Callable[[str], Any]], ...] = (
    ("rpe", "How hard was it, 0 to 10", effort),
    ("soreness", "Soreness: none, mild or strong", _one_of(Soreness)),
    ("symptoms", "Of an injury, against the run before: none, same or worse", _one_of(Symptoms)),
    ("energy", "Energy: low, ok or high", _one_of(Energy)),
    ("stronger", "Do the legs feel stronger, yes or no", _yes_or_no),
    ("more_energy", "More energy in the day, yes or no", _yes_or_no),
    ("text", "Anything else", str),
)


def asked(ask: Callable[[str], str], tell: Callable[[str], None]) -> dict[str, Any]:
    """The answers to all questions by field; an empty one skips, one that cannot be read is asked again."""
    said: dict[str, Any] = {}
    for field, question, read in QUESTIONS:
        while answer := ask(question).strip():
            try:
                said[field] = read(answer)
            except UsageError as error:
                tell(str(error))
                continue
            break
    return said


T = TypeVar("T", Note, Day)


def together(before: T, said: dict[str, Any]) -> T:
    """What was said before, with what is said now in its place; None says nothing."""
    return replace(before, **{field: value for field, value in said.items() if value is not None})


def in_words(note: Note) -> str:
    """ "RPE 6, soreness mild, legs stronger: yes"; "nothing said yet"."""
    yes = {True: "yes", False: "not yet"}
    parts = [
        f"RPE {note.rpe:g}" if note.rpe is not None else "",
        f"soreness {note.soreness}" if note.soreness is not None else "",
        f"symptoms {note.symptoms}" if note.symptoms is not None else "",
        f"energy {note.energy}" if note.energy is not None else "",
        f"legs stronger: {yes[note.stronger]}" if note.stronger is not None else "",
        f"more energy: {yes[note.more_energy]}" if note.more_energy is not None else "",
        f'"{note.text}"' if note.text else "",
    ]
    return ", ".join(part for part in parts if part) or "nothing said yet"


def day_in_words(day: Day) -> str:
    """ "8,000 steps, 46 m walked"."""
    parts = [
        f"{day.steps:,} steps" if day.steps is not None else "",
        f"{day.walk_m:,.0f} m walked" if day.walk_m is not None else "",
    ]
    return ", ".join(part for part in parts if part)


def local_day(unix_s: float) -> date:
    return datetime.fromtimestamp(unix_s, UTC).astimezone().date()


def day_of(text: str, today: date) -> date:
    """The day of "2026-11-22", not after ``today``; raises UsageError."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--date {text}: expected a day like {today.isoformat()}") from None
    if day > today:
        raise UsageError(f"--date {text}: is still to come; today is {today.isoformat()}")
    return day


def start_of(text: str, now_unix_s: float) -> str:
    """UTC in ISO 8601 of a time, without a zone in local time, not after now; raises UsageError."""
    try:
        start = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"--started-at {text}: expected a time like 2026-11-22T07:30") from None
    if start.timestamp() > now_unix_s:
        raise UsageError(f"--started-at {text}: is still to come")
    return iso(start.timestamp())


def when(session: Session) -> str:
    """ "2026-11-22 07:30" in local time; says so where it is only estimated."""
    if session.started_at is None:
        return "no date"
    start = datetime.fromtimestamp(from_iso(session.started_at), UTC).astimezone()
    note = " (estimated: --started-at gives it its true date)" if session.date_estimated else ""
    return f"{start:%Y-%m-%d %H:%M}{note}"
