"""The journal: every run of its runners in one SQLite file, which a power cut at any byte leaves whole.

A session row says who ran when, with what; its steps are the lines of its
trace, a second of them per transaction, packed (zlib) five minutes at a time.
What is worked out from them (``figure``) can be thrown away. WAL mode with
``synchronous=FULL``: a transaction that was committed is on the disk, one that
was not has never been. A file of a newer hrbridge is refused, one that is
damaged is for its owner to set aside: nothing is ever written over.

Times: ``started_at`` is UTC; ``date_estimated`` while no network had told the
machine the time. Then ``boot_id`` and ``boot_s`` (seconds since it was switched
on) say when it was, as soon as the date of the same boot is right.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hrbridge import trace
from hrbridge.dates import Moment, from_iso, iso
from hrbridge.decisions import Step
from hrbridge.errors import DamagedJournal, JournalError
from hrbridge.messages import CueAck
from hrbridge.trace import Header

log = logging.getLogger(__name__)

APPLICATION_ID = 0x68726272  # "hrbr": file(1) and we ourselves know it by that
# Each brings the schema one version on; never changed once released.
MIGRATIONS = (
    """
    CREATE TABLE session (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        runner_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        source TEXT NOT NULL,
        source_sha256 TEXT UNIQUE,
        header BLOB NOT NULL,
        began_at_s REAL NOT NULL,
        started_at TEXT,
        date_estimated INTEGER NOT NULL,
        boot_id TEXT NOT NULL,
        boot_s REAL NOT NULL,
        ended TEXT
    );
    CREATE INDEX session_of_runner ON session (runner_id, started_at);
    CREATE TABLE steps (
        session_id INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
        first_step INTEGER NOT NULL,
        packed INTEGER NOT NULL,
        lines BLOB NOT NULL,
        UNIQUE (session_id, first_step)
    );
    CREATE TABLE ack (
        session_id INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
        json BLOB NOT NULL
    );
    CREATE INDEX ack_of_session ON ack (session_id);
    CREATE TABLE figure (
        session_id INTEGER PRIMARY KEY REFERENCES session (id) ON DELETE CASCADE,
        version INTEGER NOT NULL,
        json BLOB NOT NULL
    );
    CREATE TABLE note (
        session_id INTEGER PRIMARY KEY REFERENCES session (id) ON DELETE CASCADE,
        json BLOB NOT NULL
    );
    CREATE TABLE day (
        runner_id TEXT NOT NULL,
        date TEXT NOT NULL,
        json BLOB NOT NULL,
        PRIMARY KEY (runner_id, date)
    );
    """,
)
BUSY_TIMEOUT_S = 5.0  # another process commits within milliseconds
# A megabyte, five minutes of a run: what a slow card has to copy at once, and a reader to search.
WAL_PAGES = 256
WAL_LIMIT_BYTES = 1_200_000
SAME_DATE_S = 2.0  # dates are written to the second
MOST_DIGITS = 18  # of a number that SQLite knows


class Kind(StrEnum):
    """Where the heart rate of a session came from."""

    LIVE = "live"
    SIMULATED = "simulated"
    REPLAYED = "replayed"
    IMPORTED = "imported"


class End(StrEnum):
    """How a session ended: as planned, by the runner, or never (power cut, crash) and not taken up again."""

    FINISHED = "finished"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"


class Session(Struct, frozen=True):
    """One row. ``ended`` is None while it goes on, or since a power cut.

    ``started_at`` is when the runner began, ``began_at_s`` the same on the
    clock of the steps (which begins when hrbridge begins to wait for a start);
    None for a simulated run without a date. ``source`` names the sensor or file.
    """

    id: int
    runner_id: str
    kind: Kind
    source: str
    header: Header
    began_at_s: float
    started_at: str | None
    date_estimated: bool
    boot_id: str
    boot_s: float
    ended: End | None


class Soreness(StrEnum):
    NONE = "none"
    MILD = "mild"
    STRONG = "strong"


class Symptoms(StrEnum):
    """Of an injury one returns from, against the run before."""

    NONE = "none"
    SAME = "same"
    WORSE = "worse"


class Energy(StrEnum):
    LOW = "low"
    OK = "ok"
    HIGH = "high"


class Note(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the runner says after a run; None where nothing was said. ``rpe`` 0-10, of the whole run."""

    rpe: float | None = None
    soreness: Soreness | None = None
    symptoms: Symptoms | None = None
    energy: Energy | None = None
    stronger: bool | None = None
    more_energy: bool | None = None
    text: str = ""


class Day(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What belongs to a day and no run: its steps, and metres walked as a habit after a run."""

    steps: int | None = None
    walk_m: float | None = None


T = TypeVar("T", Note, Day, CueAck)


class Journal:
    """An open journal; a context manager. One thread at a time; several processes may hold the same file.

    Raises DamagedJournal where the file is none (any more), JournalError where
    it is of a newer hrbridge, cannot be read or is not there; every writing
    method raises JournalError where it cannot be written.
    """

    def __init__(self, path: str | Path, *, create: bool = False) -> None:
        self.path = Path(path)
        if not create and not self.path.exists():
            raise JournalError(f"{path}: no journal yet; a live run or hrbridge import begins one")
        with self._told():
            if create and not self.path.exists():
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))  # heart rate is nobody else's
            self.writable = os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)
            self._db = sqlite3.connect(
                self.path if self.writable else self._to_read_only(),
                uri=not self.writable,
                timeout=BUSY_TIMEOUT_S,
                isolation_level=None,
                check_same_thread=False,
            )
        try:
            with self._told():
                self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _to_read_only(self) -> str:
        """A file that may only be read: as it stands, where no writer has left anything beside it."""
        alone = not self.path.with_name(f"{self.path.name}-wal").exists()
        return f"{self.path.absolute().as_uri()}?mode=ro{'&immutable=1' if alone else ''}"

    def _prepare(self) -> None:
        version: int = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise JournalError(f"{self.path}: written by a newer hrbridge (schema {version}): use that one")
        self._identity = self._identity_now()
        stamp: int = self._db.execute("PRAGMA application_id").fetchone()[0]
        # Of another program, which is to find it again as it was.
        if stamp != APPLICATION_ID and self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            raise JournalError(f"{self.path}: an SQLite file, but no journal of hrbridge: name another file")
        if not self.writable:
            if version < len(MIGRATIONS):
                raise JournalError(
                    f"{self.path}: of an older hrbridge, and may only be read: open it where it is yours"
                )
            return
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        self._db.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
        if version < len(MIGRATIONS):
            self._migrate()

    def _migrate(self) -> None:
        with self.transaction():
            version: int = self._db.execute("PRAGMA user_version").fetchone()[0]  # another process may have been first
            for migration in MIGRATIONS[version:]:
                for statement in migration.split(";"):
                    self._db.execute(statement)
            self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _identity_now(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    @property
    def is_there(self) -> bool:
        """Whether what is written still goes into the file of this name: a deleted one takes it all, and is no more."""
        return self._identity_now() == self._identity

    def close(self) -> None:
        with self._told():
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What SQLite and the system say, in words."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", None) or 0
            if code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                what = "damaged" if code & 0xFF == sqlite3.SQLITE_CORRUPT else "damaged, or no journal"
                raise DamagedJournal(f"{self.path}: {what}: {error}") from error
            raise JournalError(f"{self.path}: {_in_words(code, str(error))}") from error
        except OSError as error:
            raise JournalError(f"{self.path}: {error.strerror}") from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing, and on the disk when this ends."""
        with self._told():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # a full disk has rolled back already
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    # -- one session, as it goes on; to be called inside a transaction --

    def begin(
        self,
        header: Header,
        kind: Kind,
        source: str,
        *,
        began_at_s: float,
        started_at: str | None,
        now: Moment,
        source_sha256: str | None = None,
    ) -> int:
        """A new session; returns its id. ``now``: when it began, on this machine."""
        estimated = kind not in (Kind.REPLAYED, Kind.IMPORTED) and not now.right
        row = (
            header.runner.id,
            kind.value,
            source,
            source_sha256,
            msgspec.json.encode(header),
            began_at_s,
            started_at,
            estimated,
            now.boot_id,
            now.boot_s,
        )
        columns = (
            "runner_id, kind, source, source_sha256, header, began_at_s, started_at, date_estimated, boot_id, boot_s"
        )
        marks = ", ".join("?" * len(row))
        added = self._db.execute(f"INSERT INTO session ({columns}) VALUES ({marks})", row)  # noqa: S608 - our own names
        return int(added.lastrowid or 0)

    def append(self, session_id: int, first_step: int, lines: Sequence[bytes]) -> None:
        """Steps from number ``first_step`` (0 is the first) on, as lines of a trace."""
        self._put(session_id, first_step, b"".join(lines), packed=False)

    def append_packed(self, session_id: int, first_step: int, packed: bytes) -> None:
        """The same, packed by ``pack``, in place of all that stands there from ``first_step`` on."""
        self._db.execute("DELETE FROM steps WHERE session_id = ? AND first_step >= ?", (session_id, first_step))
        self._put(session_id, first_step, packed, packed=True)

    def _put(self, session_id: int, first_step: int, lines: bytes, *, packed: bool) -> None:
        self._db.execute("INSERT INTO steps VALUES (?, ?, ?, ?)", (session_id, first_step, packed, lines))

    def clear(self, session_id: int) -> None:
        """Take all its steps out, to be written anew in the same transaction."""
        self._db.execute("DELETE FROM steps WHERE session_id = ?", (session_id,))

    def acknowledge(self, session_id: int, acks: Iterable[CueAck]) -> None:
        """What headsets and displays did with the cues."""
        rows = ((session_id, msgspec.json.encode(ack)) for ack in acks)
        self._db.executemany("INSERT INTO ack VALUES (?, ?)", rows)

    def end(self, session_id: int, end: End) -> None:
        self._db.execute("UPDATE session SET ended = ? WHERE id = ?", (end.value, session_id))

    def repair_dates(self, now: Moment) -> int:
        """Give every session of this boot its true date, now that it is known; returns how many were mended."""
        if not now.right or not now.boot_id:
            return 0
        rows = self._db.execute(
            "SELECT id, boot_s FROM session WHERE date_estimated AND boot_id = ?", (now.boot_id,)
        ).fetchall()
        for session_id, boot_s in rows:
            self.set_date(session_id, iso(now.unix_s - (now.boot_s - boot_s)))
        return len(rows)

    def set_date(self, session_id: int, started_at: str) -> None:
        """The true start of a session, UTC in ISO 8601."""
        self._db.execute("UPDATE session SET started_at = ?, date_estimated = 0 WHERE id = ?", (started_at, session_id))

    # -- what is there --

    def runner_ids(self) -> list[str]:
        with self._told():
            return [row[0] for row in self._db.execute("SELECT DISTINCT runner_id FROM session ORDER BY runner_id")]

    def sessions(self, runner_id: str | None = None) -> list[Session]:
        """All sessions, or those of one runner, newest first; one that is damaged is told and left out."""
        chosen, values = ("WHERE runner_id = ?", (runner_id,)) if runner_id is not None else ("", ())
        return self._sessions(f"{chosen} ORDER BY started_at DESC, id DESC", values)

    def session(self, wanted: str, runner_id: str | None = None) -> Session:
        """One session, of this runner, by its number or ``last``; raises JournalError with the numbers there are."""
        known = self.sessions(runner_id) if wanted == "last" else []
        if known:
            return known[0]
        if wanted.isdecimal() and len(wanted) <= MOST_DIGITS:
            for row in self._rows("WHERE id = ?", (int(wanted),)):
                session = self._session(*row)
                if runner_id in (None, session.runner_id):
                    return session
        ids, runners = [str(each.id) for each in self.sessions(runner_id)], self.runner_ids()
        if ids:
            there = f"the newest {'are' if len(ids) > 1 else 'is'} {', '.join(ids[:5])}"
        else:
            there = f"there are runs of {', '.join(runners)}" if runners else "the journal is empty"
        whose = f" of {runner_id}" if runner_id is not None and runners else ""
        run = "last run" if wanted == "last" else f"run {wanted}"
        raise JournalError(f"{self.path}: no {run}{whose}; {there}")

    def unfinished(self, runner_id: str) -> list[Session]:
        """Sessions of a runner that have no end, newest first."""
        return self._sessions("WHERE runner_id = ? AND ended IS NULL ORDER BY id DESC", (runner_id,))

    def imported(self, source_sha256: str) -> int | None:
        """The id of the session that was made of this file; None where none was."""
        with self._told():
            row = self._db.execute("SELECT id FROM session WHERE source_sha256 = ?", (source_sha256,)).fetchone()
            return None if row is None else int(row[0])

    def _sessions(self, where: str, values: Sequence[Any]) -> list[Session]:
        found: list[Session] = []
        for row in self._rows(where, values):
            try:
                found.append(self._session(*row))
            except DamagedJournal as error:  # the others are no worse for it
                log.warning("%s; it is left out", error)
        return found

    def _rows(self, where: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        columns = "id, runner_id, kind, source, header, began_at_s, started_at, date_estimated, boot_id, boot_s, ended"
        with self._told():
            return self._db.execute(f"SELECT {columns} FROM session {where}", values).fetchall()  # noqa: S608 - our words

    def _session(self, *row: Any) -> Session:
        session_id, runner_id, kind, source, header, *rest, ended = row
        began_at_s, started_at, date_estimated, boot_id, boot_s = rest
        try:
            if started_at is not None:
                from_iso(started_at)
            return Session(
                session_id,
                runner_id,
                Kind(kind),
                source,
                msgspec.json.decode(header, type=Header),
                began_at_s,
                started_at,
                bool(date_estimated),
                boot_id,
                boot_s,
                End(ended) if ended is not None else None,
            )
        except (*trace.UNREADABLE, ValueError) as error:
            raise DamagedJournal(f"{self.path}: run {session_id} cannot be read: {error}") from error

    def lines(self, session_id: int) -> Iterator[bytes]:
        """The lines of a trace, without its header, in order; each ends with a newline."""
        with self._told():
            chunks = self._db.execute(
                "SELECT packed, lines FROM steps WHERE session_id = ? ORDER BY first_step", (session_id,)
            )
            for packed, lines in chunks:
                try:
                    text = zlib.decompress(lines) if packed else bytes(lines)
                except zlib.error as error:
                    raise DamagedJournal(f"{self.path}: run {session_id}: its steps cannot be read: {error}") from error
                yield from text.splitlines(keepends=True)

    def steps(self, session_id: int) -> Iterator[Step]:
        """The steps of a session, in order."""
        for line in self.lines(session_id):
            try:
                yield trace.decode(line)
            except trace.UNREADABLE as error:
                raise DamagedJournal(f"{self.path}: run {session_id}: a step cannot be read: {error}") from error

    def header(self, session: Session) -> Header:
        """The header of its trace: as it was written, or with the date that was repaired since."""
        written = session.header.started_at
        if written is None or session.started_at is None:
            return session.header
        opened_unix_s = from_iso(session.started_at) - session.began_at_s
        if abs(opened_unix_s - from_iso(written)) < SAME_DATE_S:
            return session.header
        return replace(session.header, started_at=iso(opened_unix_s))

    def acks(self, session_id: int) -> list[CueAck]:
        with self._told():
            rows = self._db.execute("SELECT json FROM ack WHERE session_id = ? ORDER BY rowid", (session_id,))
            return [ack for row in rows if (ack := self._read(row[0], CueAck, f"run {session_id}")) is not None]

    def delete(self, session_id: int) -> None:
        """Take a session out, and its bytes off the disk."""
        with self._told():
            self._db.execute("PRAGMA secure_delete = ON")
        with self.transaction():
            self._db.execute("DELETE FROM session WHERE id = ?", (session_id,))
        with self._told():
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    # -- what was worked out, and what the runner said --

    def figures(self, version: int) -> dict[int, bytes]:
        """What was worked out by this version of the arithmetic: JSON by session id."""
        with self._told():
            rows = self._db.execute("SELECT session_id, json FROM figure WHERE version = ?", (version,))
            return {row[0]: bytes(row[1]) for row in rows}

    def put_figures(self, session_id: int, version: int, figures: bytes) -> None:
        """Keep what was worked out; inside a transaction."""
        self._db.execute("INSERT OR REPLACE INTO figure VALUES (?, ?, ?)", (session_id, version, figures))

    def notes(self) -> dict[int, Note]:
        """What the runner said, by session id; what cannot be read is told and left out."""
        with self._told():
            rows = self._db.execute("SELECT session_id, json FROM note").fetchall()
        read = ((number, self._read(json, Note, f"run {number}")) for number, json in rows)
        return {number: note for number, note in read if note is not None}

    def put_note(self, session_id: int, note: Note) -> None:
        """Inside a transaction."""
        self._db.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (session_id, msgspec.json.encode(note)))

    def days(self, runner_id: str) -> dict[str, Day]:
        """What was said of days, by date (ISO 8601); what cannot be read is told and left out."""
        with self._told():
            rows = self._db.execute(
                "SELECT date, json FROM day WHERE runner_id = ? ORDER BY date", (runner_id,)
            ).fetchall()
        read = ((date, self._read(json, Day, date)) for date, json in rows)
        return {date: day for date, day in read if day is not None}

    def _read(self, json: bytes, kind: type[T], of: str) -> T | None:
        try:
            return msgspec.json.decode(json, type=kind)
        except trace.UNREADABLE as error:
            log.warning("%s: what was said of %s cannot be read, and is left out: %s", self.path, of, error)
            return None

    def put_day(self, runner_id: str, date: str, day: Day) -> None:
        """Inside a transaction."""
        self._db.execute("INSERT OR REPLACE INTO day VALUES (?, ?, ?)", (runner_id, date, msgspec.json.encode(day)))


def pack(lines: Iterable[bytes]) -> bytes:
    """Lines of a trace, a thirtieth of their size."""
    return zlib.compress(b"".join(lines))


def default_path() -> Path:
    """``$XDG_STATE_HOME/hrbridge/journal.sqlite3``, in ``~/.local/state`` where that is not set."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "hrbridge" / "journal.sqlite3"


def set_aside(path: Path, now: Moment) -> Path:
    """Rename a damaged journal and what belongs to it; returns its new name. Raises JournalError."""
    mark = iso(now.unix_s).replace(":", "")
    aside = path.with_name(f"{path.name}.damaged-{mark}")
    number = 2
    while aside.exists():
        aside = path.with_name(f"{path.name}.damaged-{mark}-{number}")
        number += 1
    try:
        for tail in ("-wal", "-shm", ""):
            beside = path.with_name(path.name + tail)
            if beside.exists():
                beside.rename(aside.with_name(aside.name + tail))
    except OSError as error:
        raise JournalError(f"{path}: damaged, and cannot be set aside: {error.strerror}") from error
    return aside


def _in_words(code: int, text: str) -> str:
    """What a code of SQLite means for whoever owns the disk."""
    match code & 0xFF:
        case sqlite3.SQLITE_FULL:
            return "the disk is full: free some space"
        case sqlite3.SQLITE_READONLY:
            return "may only be read: check its owner and the disk"
        case sqlite3.SQLITE_CANTOPEN:
            return "cannot be opened: check its folder and owner"
        case sqlite3.SQLITE_IOERR:
            return f"the disk fails ({text}): check the card and its free space"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "another program holds it: close that one"
        case _:
            return text
