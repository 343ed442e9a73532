"""Past runs: whose journal is opened, what comes into it, and what leaves it.

A second composition root, for the commands of ``cli_history``: above ``wiring``,
whose sessions are stepped here too, and like there each choice is made once.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import msgspec
from msgspec.structs import replace

from hrbridge import config, timeline, trace, wiring
from hrbridge.config import Config
from hrbridge.dates import Moment, from_iso, iso
from hrbridge.decisions import Phase, Step
from hrbridge.errors import InputFileError, UsageError
from hrbridge.journal import End, Journal, Kind, Session, pack

log = logging.getLogger(__name__)

# Without a plan of the user's only what was really run counts, up to two days of it as in plan ultra: nobody
# followed the plan of the configuration.
AS_IT_WAS_RUN = 'plan={use="free",max_total_s=172800}'
# No watch that kept recordings is older. One whose clock has stopped begins at 1970, 1980 or 1989.
EARLIEST_UNIX_S = from_iso("1990-01-01")
# A recording may tell the time of its own place, and not of which.
ZONES_S = 86_400.0


@dataclass(frozen=True)
class Past:
    """An open journal. ``config`` and ``named``, the runner that was asked for: None where there was none."""

    journal: Journal
    named: str | None
    config: Config | None

    @property
    def runner_id(self) -> str:
        """Whose runs: as named, else of the only runner there is; raises UsageError where there are several."""
        if self.named is not None:
            return self.named
        known = self.journal.runner_ids()
        if len(known) > 1:
            raise UsageError(f"{self.journal.path}: runs of {', '.join(known)}: say whose with --runner ID")
        return known[0] if known else config.Runner(age_years=config.ASSUMED_AGE_YEARS).id

    def session(self, wanted: str) -> Session:
        """A run by its number, which belongs to one runner only, or ``last``; raises JournalError, UsageError."""
        return self.journal.session(wanted, self.named if wanted.isdecimal() else self.runner_id)


@contextlib.contextmanager
def opened(
    journal_path: Path | None, config_path: Path | None = None, runner_id: str | None = None, *, create: bool = False
) -> Iterator[Past]:
    """The journal of ``--journal``, else of the configuration, else the usual one, and whose runs are looked at."""
    settings = config.load(config_path) if config_path is not None else None
    with Journal(journal_path or wiring.journal_path_of(settings), create=create) as journal:
        yield Past(journal, runner_id or (settings.runner.id if settings is not None else None), settings)


def replay_session(
    wanted: str, journal_path: Path | None, path: Path | None, overrides: Sequence[str]
) -> wiring.Session:
    """A run by its number or ``last``, to be stepped again as its trace would be."""
    from hrbridge.sensors.activity_files import own_trace

    with opened(journal_path, path) as past:
        run = past.session(wanted)
        recording = own_trace.of_steps(past.journal.header(run), list(past.journal.steps(run.id)), run.source)
    return wiring.replayed(recording, path, overrides)


def goes_on(past: Past, session: Session) -> bool:
    """Whether an hrbridge is writing this run."""
    from hrbridge.sinks.journal import recording_alone

    if session.ended is not None:
        return False
    with recording_alone(past.journal.path, session.runner_id) as alone:
        return not alone


def import_run(
    past: Past, file: Path, path: Path | None, overrides: Sequence[str], *, lenient: bool = False
) -> tuple[int, bool]:
    """Put a past recording into the journal; returns the number of its run, and whether that is new.

    Stepped as ``replay_session`` steps it; a trace keeps its plan and its steps
    as they are, for they are what happened. A ride is no run, unless ``lenient``.
    Raises InputFileError, UsageError where this one cannot be read, JournalError
    where none can be written.
    """
    from hrbridge.history.figures import VERSION, figures
    from hrbridge.sensors import activity_files
    from hrbridge.sinks.journal import PACK_STEPS

    try:
        with file.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    except IsADirectoryError:
        raise InputFileError(f"{file}: is a folder: name the files in it: {file}/*") from None
    except FileNotFoundError:
        raise InputFileError(f"{file}: no such file") from None
    except OSError as error:
        raise InputFileError(f"{file}: cannot be read: {error.strerror}") from None
    known = past.journal.imported(sha256)
    if known is not None:
        return known, False
    recording, runner_id = activity_files.read(file, lenient=lenient), wiring.setting("runner.id", past.runner_id)
    if not (recording.on_foot or lenient):
        what = f"its sport is {recording.sport}" if recording.sport else "nobody runs as fast"
        raise InputFileError(f"{file}: is no run: {what}; --lenient takes it all the same")
    for note in recording.notes if lenient else ():
        log.warning("%s: %s", file, note)
    if recording.header is not None:
        was = recording.header
        if any(step.block > len(was.plan.block) for step in recording.steps):
            raise InputFileError(f"{file}: its steps are not those of its plan")
        header = replace(was, runner=config.override(Config(runner=was.runner), [runner_id]).runner)
        run: Iterable[Step] = recording.steps
    else:
        replayed = wiring.replayed(recording, path, [*(overrides or [AS_IT_WAS_RUN]), runner_id])
        header, run = replayed.header, wiring.steps(replayed)
    now = timeline.moment()
    if header.started_at is not None and not _may_be(header.started_at, now):
        remedy = "it comes without a date, and hrbridge log ID --started-at gives it one"
        log.warning("%s: begins at %s, which cannot be: %s", file, header.started_at, remedy)
        header = replace(header, started_at=None)
    packing = _Packing(PACK_STEPS)
    worked_out = figures(header, map(packing.take, run))
    began_at_s = packing.began_at_s
    if began_at_s is None:
        raise InputFileError(f"{file}: the run in it was never started")
    opened_at = header.started_at
    journal = past.journal
    with journal.transaction():
        number = journal.begin(
            header,
            Kind.IMPORTED,
            file.name,
            began_at_s=began_at_s,
            started_at=None if opened_at is None else iso(from_iso(opened_at) + began_at_s),
            now=now,
            source_sha256=sha256,
        )
        for first, lines in packing.packed():
            journal.append_packed(number, first, lines)
        journal.end(number, End.FINISHED)
        journal.put_figures(number, VERSION, msgspec.json.encode(worked_out))
    return number, True


def _may_be(started_at: str, now: Moment) -> bool:
    """Whether a run can have begun then; what the future is tells only a clock that is right."""
    unix_s = from_iso(started_at)
    return unix_s >= EARLIEST_UNIX_S and (unix_s <= now.unix_s + ZONES_S or not now.right)


class _Packing:
    """Packs the steps that pass through it, so that a day of them fits into little memory."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._packed: list[bytes] = []
        self._tail: list[bytes] = []
        self.began_at_s: float | None = None

    def take(self, step: Step) -> Step:
        if self.began_at_s is None and step.phase is not Phase.WAITING:
            self.began_at_s = step.at_s
        self._tail.append(trace.encode(step))
        if len(self._tail) == self._at_once:
            self._packed.append(pack(self._tail))
            self._tail.clear()
        return step

    def packed(self) -> Iterator[tuple[int, bytes]]:
        """Number of the first step, and the lines from there on."""
        tail = [pack(self._tail)] if self._tail else []
        return ((number * self._at_once, lines) for number, lines in enumerate([*self._packed, *tail]))


def export_run(past: Past, wanted: str, form: str, out: Path) -> str:
    """Write a run for other programs, as ``fit``, ``tcx``, ``csv`` or ``trace``; returns what is in the file.

    Raises JournalError, OutputError, and UsageError where this run cannot be
    written so.
    """
    from hrbridge.history.export import activity, fit, table, tcx, whole_file

    journal = past.journal
    session = past.session(wanted)
    header = journal.header(session)
    if form == "trace":
        first = msgspec.json.encode(header) + b"\n"
        return f"{whole_file.write(out, chain([first], journal.lines(session.id))) - 1} steps"
    run = activity.activity(session, header, journal.steps(session.id), journal.notes().get(session.id))
    {"fit": fit.write, "tcx": tcx.write, "csv": table.write}[form](out, run)
    if not run.dated and form != "csv":
        log.warning("run %d has no date: %s dates it 2000-01-01", session.id, out)
    elif session.date_estimated:
        log.warning("the date of run %d is an estimate: this machine did not know the time", session.id)
    return f"{len(run.laps)} laps, {len(run.records)} records"
