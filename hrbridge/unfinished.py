"""A session that a power cut or a crash has ended: found in the journal, and brought back to where it stood.

The controller is deterministic: its events, stepped again, bring it into the
state it was in, with all it had learned of this runner today. How long the
machine was off nobody knows without a clock, so the session comes back paused,
in its phase, and its own time goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from hrbridge import trace
from hrbridge.control import words
from hrbridge.control.controller import Controller
from hrbridge.dates import Moment, from_iso
from hrbridge.decisions import Phase, Step
from hrbridge.errors import DamagedJournal, JournalError
from hrbridge.events import Action, Command
from hrbridge.journal import End, Journal, Kind, Session

log = logging.getLogger(__name__)

# Who comes back later has another run in mind.
TAKEN_UP_WITHIN_S = 6 * 3600.0
# Nothing else happens within the same millisecond.
NEXT_S = 0.001


@dataclass(frozen=True)
class CutOff:
    """A session without an end, as the journal has it: its row, header and lines. ``why`` in words."""

    session: Session
    header: trace.Header
    lines: list[bytes]
    why: str

    def catch_up(self, controller: Controller, hearing: Iterable[Callable[[Step], None]]) -> Command:
        """Bring a fresh controller to where the session stood; returns the pause with which it goes on."""
        listening = list(hearing)
        at_s = 0.0
        for line in self.lines:
            step = controller.step(trace.decode(line).event)
            at_s = step.at_s
            for hear in listening:
                hear(step)
        return Command(at_s + NEXT_S, Action.PAUSE, self.why)

    @property
    def in_words(self) -> str:
        last = trace.decode(self.lines[-1])
        return (
            f"{self.why} The run is back at {_clock(last.at_s)}, in the {words.NOUN.get(last.phase, last.phase)}, "
            "paused: resume to go on, stop to end it."
        )


def find(path: Path, header: trace.Header, kind: Kind, now: Moment) -> CutOff | None:
    """The last session of this runner without an end, if it has the same plan and numbers; all others are closed.

    None also where the journal cannot be read: that is told when it is written.
    """
    offered = None
    with contextlib.suppress(JournalError), Journal(path) as journal:
        for session in journal.unfinished(header.runner.id):
            last: Step | None = None
            try:
                last = next(iter(deque(journal.steps(session.id), maxlen=1)), None)
            except DamagedJournal as error:
                log.warning("%s; it is not taken up again", error)
            ran_out = last is not None and last.phase is Phase.FINISHED
            if offered is None and last is not None and not ran_out and _fits(session, header, kind, now):
                why = "Interrupted." if session.boot_id == now.boot_id else "Power was lost."
                offered = CutOff(session, journal.header(session), list(journal.lines(session.id)), why)
                continue
            if last is not None and not ran_out:
                log.warning(
                    "run %d (%s) was cut off at %s and stays in the history",
                    session.id,
                    session.header.plan.name,
                    _clock(last.at_s),
                )
            with journal.transaction():
                journal.end(session.id, End.FINISHED if ran_out else End.INTERRUPTED)
    return offered


def _clock(at_s: float) -> str:
    minutes, seconds = divmod(int(at_s), 60)
    return f"{minutes:02}:{seconds:02}"


def _fits(session: Session, header: trace.Header, kind: Kind, now: Moment) -> bool:
    """Whether who starts this now would go on with that."""
    before = session.header
    if session.kind is not kind or (before.runner, before.plan, before.control) != (
        header.runner,
        header.plan,
        header.control,
    ):
        return False
    if session.boot_id == now.boot_id:
        return now.boot_s - session.boot_s < TAKEN_UP_WITHIN_S
    if session.date_estimated or not now.right or session.started_at is None or kind is Kind.REPLAYED:
        return True  # nobody knows how long ago it was
    return now.unix_s - from_iso(session.started_at) < TAKEN_UP_WITHIN_S
