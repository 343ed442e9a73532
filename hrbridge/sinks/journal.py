"""A sink that keeps every step in the journal: a commit per second in a thread of its own, and a copy in memory.

The copy is packed and small (200 kB an hour): whatever happens to the disk -
full, read-only, a damaged file that was set aside - the session can be written
whole as soon as it can be written at all. Trouble is said once, and once when
it is over; the run goes on.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import secrets
import sys
import tempfile
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgspec

from hrbridge import trace
from hrbridge.dates import Moment, from_iso, iso
from hrbridge.decisions import CueKind, Phase, Reason, Step
from hrbridge.errors import DamagedJournal, JournalError, OutputError
from hrbridge.journal import End, Journal, Kind, Session, pack, set_aside
from hrbridge.messages import CueAck
from hrbridge.trace import Header

log = logging.getLogger(__name__)

COMMIT_EVERY_S = 1.0
# Five minutes of a live run, so packed, are a thirtieth of their size; larger packs gain nothing more.
PACK_STEPS = 1024
# What a thread that is stuck in a dying card leaves waiting: half an hour of a live run.
MAX_WAITING_STEPS = 4096
# Half an hour before the start: the wait of a service for its runner is not the run.
MAX_STEPS_BEFORE_START = 4096
# Some days of running: only a disk that has been broken for so long makes the oldest go.
MAX_PACKED_BYTES = 16_000_000
# After trouble with the disk; sooner would only wear it.
RETRY_AFTER_COMMITS = 10
# A last commit may have to wait for a slow card.
LAST_COMMIT_TIMEOUT_S = 3.0


@dataclass
class _Recording:
    """One session in memory, and how much of it the disk has: ``stored`` steps, ``packed_stored`` of them packed."""

    header: Header
    kind: Kind
    source: str
    began: Moment | None = None
    began_at_s: float = 0.0
    session_id: int | None = None
    steps: int = 0
    packed: deque[tuple[int, bytes]] = field(default_factory=deque)
    tail: deque[bytes] = field(default_factory=deque)
    stored: int = 0
    packed_stored: int = 0
    ended: End | None = None
    end_stored: bool = False

    @property
    def is_stored(self) -> bool:
        return self.began is None or (self.stored == self.steps and self.end_stored == (self.ended is not None))

    @property
    def packed_bytes(self) -> int:
        return sum(len(lines) for _, lines in self.packed)

    def add(self, step: Step, now: Moment | None) -> None:
        """One more step; ``now`` with the first one of the run itself."""
        if now is not None and self.began is None:
            self.began, self.began_at_s = now, step.at_s
        self.tail.append(trace.encode(step))
        self.steps += 1
        if self.began is None and len(self.tail) > MAX_STEPS_BEFORE_START:
            self.tail.popleft()
            self.steps -= 1
        if self.began is not None:
            self._pack()
        if step.phase is Phase.FINISHED:
            self.ended = _end(step)

    def add_stored(self, line: bytes) -> None:
        """One more line of a session that is taken up again."""
        self.tail.append(line)
        self.steps += 1
        self._pack()

    def _pack(self) -> None:
        if len(self.tail) >= PACK_STEPS:
            self.packed.append((self.steps - len(self.tail), pack(self.tail)))
            self.tail.clear()

    def store(self, journal: Journal) -> int:
        """Put into the journal what it lacks; inside a transaction. Returns the id."""
        if self.began is None:
            raise ValueError("a session that has not begun is not stored")
        session_id = self.session_id
        if session_id is None:
            session_id = journal.begin(
                self.header,
                self.kind,
                self.source,
                began_at_s=self.began_at_s,
                started_at=self._started_at(self.began),
                now=self.began,
            )
        elif self.stored == 0:
            journal.clear(session_id)  # of a session taken up again: written anew, packed
        for first_step, lines in self.packed:
            if first_step >= self.packed_stored:
                journal.append_packed(session_id, first_step, lines)
        unstored = min(len(self.tail), self.steps - self.stored)
        if unstored:
            journal.append(session_id, self.steps - unstored, list(self.tail)[-unstored:])
        if self.ended is not None:
            journal.end(session_id, self.ended)
        return session_id

    def _started_at(self, began: Moment) -> str:
        """A live and a replayed run have their own time; a simulated one is dated when it was simulated."""
        opened_at = self.header.started_at
        return iso(began.unix_s) if opened_at is None else iso(from_iso(opened_at) + self.began_at_s)

    def trace(self) -> Iterator[bytes]:
        """All that is in memory of it, as a file that can be imported."""
        yield msgspec.json.encode(self.header) + b"\n"
        for _, lines in self.packed:
            yield zlib.decompress(lines)
        yield from self.tail

    def committed(self, session_id: int) -> None:
        """What ``store`` did is on the disk."""
        self.session_id = session_id
        self.stored = self.steps
        self.packed_stored = self.steps - len(self.tail)
        self.end_stored = self.ended is not None

    def start_over(self) -> None:
        """The file that held it is gone."""
        self.session_id = None
        self.stored = self.packed_stored = 0
        self.end_stored = False


class JournalSink:
    """Keeps the sessions of one runner in the journal at ``path``, one after the other.

    Opened with ``with``: from then on a thread commits once a second; without
    it nothing is written until ``commit`` is called. ``live``: a run that
    cannot wait for the disk. ``now`` tells the moment.
    """

    def __init__(self, path: Path, *, live: bool, now: Callable[[], Moment]) -> None:
        self.path = path
        self.acks: deque[CueAck] = deque(maxlen=256)  # filled by whoever hears them; the oldest go
        self._live = live
        self._now = now
        # Live, a full queue loses its oldest step, and that is said; else the runner waits for the disk.
        self._waiting: queue.Queue[Step | _Recording | End] = queue.Queue(MAX_WAITING_STEPS)
        self._active = False
        self._recordings: deque[_Recording] = deque()
        self._journal: Journal | None = None
        self._trouble: str | None = None
        self._rests = 0
        self._lost_steps = 0
        self._moments: deque[Moment] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._commit_until_closed, name="journal", daemon=True)
        self._broken: BaseException | None = None

    # -- the run side --

    def begin(self, header: Header, kind: Kind, source: str) -> None:
        """A new session; it enters the journal when the runner starts."""
        self._active = False
        self._put(_Recording(header, kind, source))

    def resume(self, session: Session, lines: Iterable[bytes]) -> None:
        """Go on with a session that was cut off; ``lines`` are what the journal has of it."""
        began = Moment(0.0, right=not session.date_estimated, boot_id=session.boot_id, boot_s=session.boot_s)
        recording = _Recording(session.header, session.kind, session.source, began, session.began_at_s, session.id)
        for line in lines:
            recording.add_stored(line)
        self._active = True
        self._put(recording)

    def take(self, step: Step) -> None:
        """Raises OutputError when the thread that writes has broken down."""
        if self._broken is not None:
            raise OutputError(f"{self.path}: the journal is not written any more: {self._broken!r}")
        if not self._active and step.phase is not Phase.WAITING:
            self._active = True
            self._moments.append(self._now())
        self._put(step)

    def end(self, how: End) -> None:
        """The present session is over, if it was not already."""
        self._put(how)

    def _put(self, item: Step | _Recording | End) -> None:
        if self._waiting.qsize() >= MAX_WAITING_STEPS // 2:
            self._wake.set()
        while True:
            try:
                self._waiting.put(item, block=not self._live, timeout=COMMIT_EVERY_S)
            except queue.Full:
                if self._live:
                    with contextlib.suppress(queue.Empty):
                        self._waiting.get_nowait()
                    self._lost_steps += 1
                elif not self._thread.is_alive():
                    self.commit()
            else:
                return

    # -- the disk side --

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """One last commit; what cannot be written by then is told."""
        self._closing = True
        self._wake.set()
        self._thread.join(LAST_COMMIT_TIMEOUT_S)
        if self._broken is not None:
            log.error("%s: not written to the end: %r", self.path, self._broken)
        for recording in self._recordings:
            if not recording.is_stored:
                self._rescue(recording)

    def _rescue(self, recording: _Recording) -> None:
        """The journal takes no more: the run goes where there may still be room."""
        place = Path(tempfile.gettempdir()) / f"hrbridge-{recording.header.runner.id}-{secrets.token_hex(4)}.jsonl"
        try:
            with os.fdopen(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                file.writelines(recording.trace())
        except OSError as error:
            log.error("%s: this run could not be kept, neither there nor as %s: %s", self.path, place, error.strerror)
        else:
            log.error("%s: this run could not be kept there; it is %s: hrbridge import it", self.path, place)

    def _commit_until_closed(self) -> None:
        try:
            while not self._closing:
                self._wake.wait(COMMIT_EVERY_S)
                self._wake.clear()
                self.commit()
            self._rests = 0
            self.commit()
            if self._journal is not None:
                self._journal.close()
        except Exception as error:
            self._broken = error  # told by whoever gives the next step, or at the end

    def commit(self) -> None:
        """Write what has come since the last time; trouble is said once and tried again later."""
        self._sort_in()
        if self._rests > 0:
            self._rests -= 1
            return
        try:
            self._store()
        except DamagedJournal as error:
            self._set_aside(error)
        except JournalError as error:
            self._tell(error)
        else:
            if self._trouble is not None:
                missing = f"{self._lost_steps} steps are" if self._lost_steps else "nothing of this run is"
                log.warning("%s is written again; %s missing", self.path, missing)
                self._trouble = None

    def _sort_in(self) -> None:
        while True:
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                break
            if isinstance(item, _Recording):
                self._recordings.append(item)
            elif self._recordings:
                recording = self._recordings[-1]
                if isinstance(item, Step):
                    begins = recording.began is None and item.phase is not Phase.WAITING
                    recording.add(item, self._moments.popleft() if begins else None)
                elif recording.ended is None and recording.began is not None:
                    recording.ended = item
        while len(self._recordings) > 1 and self._recordings[0].is_stored:
            self._recordings.popleft()
        self._bound_memory()

    def _bound_memory(self) -> None:
        while sum(recording.packed_bytes for recording in self._recordings) > MAX_PACKED_BYTES:
            oldest = next(recording for recording in self._recordings if recording.packed)
            first_step, _ = oldest.packed.popleft()
            if first_step >= oldest.packed_stored:
                self._lost_steps += PACK_STEPS

    def _store(self) -> None:
        if self._journal is not None and not self._journal.is_there:
            log.warning("%s has been taken away; it is begun anew with this run", self.path)
            self._shut()
            for recording in self._recordings:
                recording.start_over()
        wanting = [recording for recording in self._recordings if not recording.is_stored]
        if not wanting and self._journal is not None:
            return
        if self._journal is None:
            self._journal = Journal(self.path, create=True)
        heard = list(self.acks) if wanting else []
        with self._journal.transaction():
            ids = [recording.store(self._journal) for recording in wanting]
            if heard:
                self._journal.acknowledge(ids[-1], heard)
            self._journal.repair_dates(self._now())
        for recording, session_id in zip(wanting, ids, strict=True):
            recording.committed(session_id)
        for _ in heard:
            self.acks.popleft()

    def _shut(self) -> None:
        if self._journal is not None:
            with contextlib.suppress(JournalError):
                self._journal.close()
            self._journal = None

    def _tell(self, error: JournalError) -> None:
        self._shut()
        self._rests = RETRY_AFTER_COMMITS
        if self._trouble is None:
            log.error("%s; the run goes on and is kept in memory", error)
            self._trouble = str(error)

    def _set_aside(self, error: DamagedJournal) -> None:
        """Nothing is ever written over: what can be saved of the old file, its owner may save."""
        self._shut()
        try:
            aside = set_aside(self.path, self._now())
        except JournalError as trouble:
            self._tell(trouble)
            return
        log.error("%s; it is kept as %s, and a new one begun", error, aside.name)
        for recording in self._recordings:
            recording.start_over()


def _end(last: Step) -> End:
    """How the controller ended a session."""
    by_command = any(cue.kind is CueKind.FINISH and cue.reason is Reason.COMMAND for cue in last.cues)
    return End.STOPPED if by_command else End.FINISHED


@contextlib.contextmanager
def recording_alone(path: Path, runner_id: str) -> Iterator[bool]:
    """Be the only process that records this runner in this journal; False while another one is.

    A lock on a file beside it, which ends with its process, however that ends.
    """
    if sys.platform == "win32":
        yield True
        return
    import fcntl

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = path.with_name(f"{path.name}-{runner_id}.lock").open("w")
    except OSError:  # where no lock can be written, no journal can: that is said when it is tried
        yield True
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
