"""The runs of one runner, newest first: what each adds up to, what was said of it, what it cost."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import msgspec

from hrbridge.dates import from_iso
from hrbridge.errors import DamagedJournal, JournalError
from hrbridge.history.figures import VERSION, Figures, figures
from hrbridge.journal import End, Journal, Kind, Note, Session

log = logging.getLogger(__name__)

# What hrbridge --trace writes.
TRACE = ".jsonl"
# A run that was broken off before this tells nothing about the plan or the runner.
COUNTS_FROM_S = 300.0


@dataclass(frozen=True)
class Run:
    """One run; ``minutes`` are those from start to end, without pauses."""

    session: Session
    figures: Figures
    note: Note

    @property
    def started(self) -> datetime | None:
        """In local time; None for a run without a date."""
        if self.session.started_at is None:
            return None
        return datetime.fromtimestamp(from_iso(self.session.started_at), UTC).astimezone()

    @property
    def day(self) -> date | None:
        """The local day on which it began."""
        return None if self.started is None else self.started.date()

    @property
    def minutes(self) -> float:
        return self.figures.elapsed_s / 60

    @property
    def rpe(self) -> float | None:
        """0-10: what was said of the whole run afterwards, else the mean of what was said during it."""
        return self.note.rpe if self.note.rpe is not None else self.figures.rpe

    @property
    def load(self) -> float | None:
        """Minutes times RPE; None where nothing was said."""
        return None if self.rpe is None else self.minutes * self.rpe

    @property
    def distance_m(self) -> float | None:
        return self.figures.distance_m

    @property
    def counts(self) -> bool:
        """Whether progress may be drawn from it: all that came to its end, of the rest what has five minutes to show.

        Simulated and replayed runs too: they are in a journal only because somebody put them there.
        """
        came_to_its_end = self.session.ended is End.FINISHED and self.figures.main_s > 0
        return came_to_its_end or self.figures.main_s >= COUNTS_FROM_S


def coached(session: Session) -> bool:
    """Whether the runner may have heard the cues: of recordings only in a trace, whose steps are those of the run."""
    return session.kind not in (Kind.IMPORTED, Kind.REPLAYED) or session.source.endswith(TRACE)


Track = Callable[[Sequence[Session]], Iterable[Session]]


def runs(journal: Journal, runner_id: str, track: Track = iter) -> list[Run]:
    """Newest first. What has not been worked out yet is, and kept where the journal may be written.

    That may take a minute after an update: ``track`` is given those sessions
    and gives them back one by one, to show how far it is.

    A session without an end may still go on: it is worked out each time. One
    that is damaged is told and left out. Raises JournalError.
    """
    kept, notes, sessions = journal.figures(VERSION), journal.notes(), journal.sessions(runner_id)
    known = {each.id: sums for each in sessions if (sums := _known(kept.get(each.id))) is not None}
    new: dict[int, bytes] = {}
    for session in track([each for each in sessions if each.id not in known]):
        try:
            known[session.id] = figures(journal.header(session), journal.steps(session.id))
        except DamagedJournal as error:
            log.warning("%s; it is left out", error)
            continue
        if session.ended is not None:
            new[session.id] = msgspec.json.encode(known[session.id])
    if new and journal.writable:
        # Where the disk is full they are shown all the same, and worked out again next time.
        with contextlib.suppress(JournalError), journal.transaction():
            for session_id, worked_out in new.items():
                journal.put_figures(session_id, VERSION, worked_out)
    return [Run(each, known[each.id], notes.get(each.id, Note())) for each in sessions if each.id in known]


def _known(kept: bytes | None) -> Figures | None:
    """What the journal keeps; None where it keeps nothing, or nothing of this shape."""
    if kept is None:
        return None
    try:
        return msgspec.json.decode(kept, type=Figures)
    except msgspec.DecodeError:
        return None
