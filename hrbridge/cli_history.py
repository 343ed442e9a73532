"""The commands about past runs: history, export, report, log, next, import."""

from __future__ import annotations

import contextlib
import logging
import shutil
import sys
from collections.abc import Iterator, Sequence
from math import isnan
from pathlib import Path
from typing import Annotated

import typer

from hrbridge.config import Purpose, SeasonGoal
from hrbridge.errors import InputFileError, UsageError
from hrbridge.journal import Energy, Session, Soreness, Symptoms

JournalFile = Annotated[
    Path | None, typer.Option("--journal", metavar="PATH", help="Where runs are kept; else as configured.")
]
ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Configuration (TOML).")]
RunnerId = Annotated[str | None, typer.Option("--runner", metavar="ID", help="Whose runs; else as configured.")]
RunId = Annotated[str, typer.Argument(metavar="ID", help="A number of hrbridge history, or last.")]

app = typer.Typer()
history_app = typer.Typer(invoke_without_command=True)
app.add_typer(history_app, name="history")


def _adding_up(sessions: Sequence[Session]) -> Iterator[Session]:
    """One by one, with a bar on a terminal: after an update a thousand runs take a minute."""
    from rich.console import Console
    from rich.progress import Progress

    terminal = Console(stderr=True)
    if not sessions or not terminal.is_terminal:
        yield from sessions
        return
    with Progress(console=terminal, transient=True) as bar:
        yield from bar.track(sessions, description=f"Adding up {len(sessions)} run{'s' if len(sessions) != 1 else ''}")


def _is_a_file(option: str, out: Path) -> None:
    """Raises UsageError for what stands for standard output: there it is said what is in the file."""
    if str(out) in ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
        raise UsageError(f"{option} {out}: needs a file to write")


@history_app.callback()
def history(
    context: typer.Context,
    journal: JournalFile = None,
    config: ConfigFile = None,
    runner: RunnerId = None,
    weeks: Annotated[
        int | None,
        typer.Option("--weeks", metavar="N", min=1, help="How many weeks back; else 12 or ten runs, and all as JSON."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON instead.")] = False,
) -> None:
    """Past runs, and what they add up to week by week.

    Each run with its heart rate, up at the end of a run and down at that of
    its walk. The table of weeks shows the ratio that was planned most and the
    medians of its runs: time, distance, heart rate and effort of runs and walk
    breaks. A week is seven days from the day of the first run, and after more
    than eight weeks without one they count from 1 again. load: minutes, with
    warm-up and cool-down, times RPE. held: more than in the first week shown,
    at a heart rate at most 7 bpm and an effort at most 1 higher.
    """
    if context.invoked_subcommand is not None:
        return
    import msgspec

    from hrbridge import past, timeline
    from hrbridge.history import overview
    from hrbridge.history.runs import runs

    with past.opened(journal, config, runner) as kept:
        found = runs(kept.journal, kept.runner_id, _adding_up)
        if json:
            typer.echo(msgspec.json.encode(overview.overview(found, weeks)).decode())
        elif not found:
            others = ", ".join(kept.journal.runner_ids())
            begin = f"there are runs of {others}" if others else "a live run or hrbridge import begins the history"
            typer.echo(f"{kept.journal.path}: no runs yet; {begin}.")
        else:
            text = overview.as_text(
                found,
                kept.config,
                newest_weeks=weeks,
                now=timeline.moment(),
                encoding=sys.stdout.encoding,
                columns=shutil.get_terminal_size().columns,
                goes_on=any(past.goes_on(kept, run.session) for run in found),
            )
            typer.echo(text)


@history_app.command("delete")
def history_delete(
    context: typer.Context,
    wanted: RunId,
    journal: JournalFile = None,
    config: ConfigFile = None,
    runner: RunnerId = None,
    yes: Annotated[bool, typer.Option("--yes", help="Without asking.")] = False,
) -> None:
    """Take one run out of the journal, for good.

    With all that was said and worked out of it.
    """
    from hrbridge import past

    before = context.parent.params if context.parent is not None else {}  # options of history itself
    journal, config = journal or before.get("journal"), config or before.get("config")
    with past.opened(journal, config, runner or before.get("runner")) as kept:
        session = kept.session(wanted)
        if past.goes_on(kept, session):
            raise UsageError(f"{kept.journal.path}: run {session.id} goes on: stop it first")
        what = f"run {session.id} of {session.started_at or 'no date'}, plan {session.header.plan.name}"
        if not yes:
            if not sys.stdin.isatty():
                raise UsageError(f"history delete: no terminal to ask on; --yes deletes {what}")
            if not typer.confirm(f"Delete {what}, for good?"):
                typer.echo("Nothing deleted.")
                return
        kept.journal.delete(session.id)
        typer.echo(f"{kept.journal.path}: deleted {what}.")


@app.command()
def export(
    wanted: RunId,
    fit: Annotated[Path | None, typer.Option("--fit", metavar="OUT", help="For watches and platforms.")] = None,
    tcx: Annotated[Path | None, typer.Option("--tcx", metavar="OUT", help="For platforms that know no FIT.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="OUT", help="For spreadsheets: a line a second.")] = None,
    trace: Annotated[Path | None, typer.Option("--trace", metavar="OUT", help="For hrbridge: every step.")] = None,
    journal: JournalFile = None,
    config: ConfigFile = None,
    runner: RunnerId = None,
) -> None:
    """Write a run for other programs.

    FIT has all that they know: laps of runs and walks, heart rate, beats (RR),
    speed, effort, and what was said and why in fields of its own.
    """
    from hrbridge import past

    given = {"fit": fit, "tcx": tcx, "csv": csv, "trace": trace}
    chosen = [(form, out) for form, out in given.items() if out is not None]
    if len(chosen) != 1:
        raise UsageError("export: takes one of --fit, --tcx, --csv and --trace, with the file to write")
    ((form, out),) = chosen
    _is_a_file(f"export --{form}", out)
    with past.opened(journal, config, runner) as kept:
        typer.echo(f"{out}: {past.export_run(kept, wanted, form, out)}")


@app.command()
def report(
    wanted: Annotated[
        str, typer.Argument(metavar="[ID]", show_default=False, help="A number of hrbridge history; none: the last.")
    ] = "",
    out: Annotated[Path | None, typer.Argument(metavar="OUT.html", help="The file to write.")] = None,
    season: Annotated[bool, typer.Option("--season", help="All runs, week by week, instead of one.")] = False,
    journal: JournalFile = None,
    config: ConfigFile = None,
    runner: RunnerId = None,
) -> None:
    """A page with plots: how a run went, and why.

    What hrbridge did about it too, walk by walk. One file that any browser
    opens, and prints; it needs no network and holds nothing but this run. With
    --season: progress over the weeks.
    """
    from rich.console import Console

    from hrbridge import past
    from hrbridge.history import plot, season_report
    from hrbridge.history import report as run_report
    from hrbridge.history.runs import runs

    if season and out is not None:
        raise UsageError(f"report --season: takes only the file to write: hrbridge report --season {out}")
    example = "hrbridge report --season season.html" if season else "hrbridge report last run.html"
    if out is None and (not wanted or wanted == "last" or wanted.isdecimal()):
        raise UsageError(f"report: needs the file to write: {example}")
    chosen, file = (wanted, out) if out is not None else ("last", Path(wanted))
    _is_a_file("report", file)
    if file.suffix.lower() not in (".html", ".htm"):  # a word mistyped, or a file that is to stay what it is
        raise UsageError(f"report {file}: the file to write ends in .html: {example}")
    plot.require()
    drawing = Console(stderr=True).status("Drawing ...")  # seen on a terminal only
    with past.opened(journal, config, runner) as kept:
        if season:
            found = runs(kept.journal, kept.runner_id, _adding_up)
            with drawing:
                said = season_report.write(kept.journal, found, file)
        else:
            with drawing:
                said = run_report.write(kept.journal, kept.session(chosen), file)
    typer.echo(f"{file}: {said}")


@contextlib.contextmanager
def _each_said_once() -> Iterator[None]:
    """What is assumed of a runner is assumed of every file alike."""
    said: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        new = text not in said
        said.add(text)
        return new

    handlers = logging.getLogger().handlers
    for handler in handlers:
        handler.addFilter(is_new)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(is_new)


@app.command("import")
def import_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Recordings (FIT, TCX, GPX, HRM, CSV) and traces.")
    ],
    journal: JournalFile = None,
    config: ConfigFile = None,
    runner: RunnerId = None,
    plan: Annotated[
        str | None, typer.Option("--plan", metavar="P", help="As replay takes it; a trace keeps its own.")
    ] = None,
    lenient: Annotated[bool, typer.Option("--lenient", help="Use what a damaged file still gives.")] = False,
) -> None:
    """Past recordings into the journal, each once."""
    from rich.console import Console
    from rich.progress import Progress

    from hrbridge import past, wiring

    overrides = wiring.overrides_for((), plan=plan)
    code = 0
    terminal = Console(stderr=True)
    bar = Progress(
        console=terminal, transient=True, disable=not terminal.is_terminal, redirect_stdout=sys.stdout.isatty()
    )
    with past.opened(journal, config, runner, create=True) as kept, bar, _each_said_once():
        for file in bar.track(files, description=f"Importing {len(files)} file{'s' if len(files) != 1 else ''}"):
            try:
                number, is_new = past.import_run(kept, file, config, overrides, lenient=lenient)
            except (InputFileError, UsageError) as error:
                typer.echo(f"hrbridge: {error}", err=True)
                code = error.exit_code
            else:
                typer.echo(f"{file}: run {number}" if is_new else f"{file}: is run {number} already")
    if code:
        raise typer.Exit(code)


Energies = Annotated[Energy | None, typer.Option("--energy", help="Today.", show_choices=True)]
Sore = Annotated[Soreness | None, typer.Option("--soreness", show_choices=True)]
Injury = Annotated[
    Symptoms | None, typer.Option("--symptoms", help="Of an injury, against the run before.", show_choices=True)
]


@app.command("next")
def next_run(
    energy: Energies = None,
    soreness: Sore = None,
    symptoms: Injury = None,
    goal: Annotated[SeasonGoal | None, typer.Option("--goal", help="In place of the configured one.")] = None,
    purpose: Annotated[
        Purpose | None, typer.Option("--purpose", help="Of today's run; else as the last days ask.")
    ] = None,
    journal: JournalFile = None,
    config: ConfigFile = None,
    runner: RunnerId = None,
    weeks: Annotated[bool, typer.Option("--weeks", help="Show all weeks of the goal instead.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print only the advice, as JSON.")] = False,
) -> None:
    """What to run today, and why.

    Three good runs (done as planned, effort on target, walks recovered, not on
    hills) are one rung up the ladder of ratios, two hard ones one down. A goal
    in [season], or --goal, leads over weeks; return goes by symptoms alone.
    Low energy, strong soreness, a week without a run or a second run today make
    it a rung easier, and no longer than usual; a week far above the usual makes
    it shorter. After two days of running a rest or a walk comes first.
    """
    import shlex

    import msgspec

    from hrbridge import past, timeline, wiring
    from hrbridge.config import Season, Units, load
    from hrbridge.history import advice, habits, season
    from hrbridge.history.runs import runs
    from hrbridge.history.said import local_day

    settings = load(config) if config is not None else None
    goals = settings.season if settings is not None else Season()
    if goal is not None and goal is not goals.goal:
        goals = Season(goal=goal, runs_per_week=goals.runs_per_week)
    if weeks:
        table = season.as_table(season.of(goals))
        typer.echo("\n".join(table or [f"{goals.goal}: no weeks; {season.GOALS[goals.goal].words}."]))
        return
    whose = runner or (settings.runner.id if settings is not None else None)
    path = journal or wiring.journal_path_of(settings)
    found, days = [], {}
    if path.exists():  # before the first run there is none
        with past.opened(path, None, whose) as kept:
            known = kept.journal.runner_ids()
            if runner is not None and known and runner not in known:
                raise UsageError(f"{path}: no run of {runner}; there are runs of {', '.join(known)}")
            found, days = runs(kept.journal, kept.runner_id, _adding_up), kept.journal.days(kept.runner_id)
    imperial = settings is not None and settings.runner.units is Units.IMPERIAL
    today = local_day(timeline.moment().unix_s)
    said = advice.Said(energy, soreness, symptoms, purpose)
    named = str(config) if config is not None else "CONFIG"
    answer = advice.advise(found, goals, today, said, days, config_path=named, imperial=imperial)
    if json:
        typer.echo(msgspec.json.encode(answer).decode())
        return
    typer.echo("\n".join([*advice.lines(answer), *habits.lines(days, today, imperial=imperial)]))
    if config is None:
        typer.echo("CONFIG: your configuration; with --config FILE it stands there.")
    as_given = {"--config": config, "--journal": journal, "--runner": runner}
    options = [part for option, value in as_given.items() if value is not None for part in (option, str(value))]
    typer.echo(f"Afterwards: {shlex.join(['hrbridge', 'log', *options])}")


@app.command("log")
def log_run(
    wanted: RunId = "last",
    rpe: Annotated[str | None, typer.Option("--rpe", metavar="N", help="How hard it was, 0 to 10 in halves.")] = None,
    soreness: Sore = None,
    symptoms: Injury = None,
    energy: Annotated[Energy | None, typer.Option("--energy", help="After the run.")] = None,
    stronger: Annotated[
        bool | None, typer.Option("--stronger/--no-stronger", help="Do the legs feel stronger?")
    ] = None,
    more_energy: Annotated[
        bool | None, typer.Option("--more-energy/--no-more-energy", help="More energy in the day?")
    ] = None,
    text: Annotated[str | None, typer.Option("--text", metavar="T", help="Anything else.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", metavar="N", min=0, max=200_000, help="Of a day.")] = None,
    walk_m: Annotated[
        float | None, typer.Option("--walk-m", metavar="M", min=0, max=100_000, help="Metres walked after a run.")
    ] = None,
    on: Annotated[
        str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="The day of --steps and --walk-m; else today.")
    ] = None,
    started_at: Annotated[
        str | None,
        typer.Option("--started-at", metavar="TIME", help="When the run began: 2026-11-22T07:30, local time."),
    ] = None,
    journal: JournalFile = None,
    config: ConfigFile = None,
    runner: RunnerId = None,
) -> None:
    """What you say after a run: effort, soreness, energy.

    Without options it asks, and Enter skips a question. What was said before
    stays, unless it is said anew. hrbridge next listens to it.
    """
    from hrbridge import past, timeline
    from hrbridge.config import Units
    from hrbridge.history import habits, said
    from hrbridge.journal import Day, Note

    now_unix_s = timeline.moment().unix_s
    today = said.local_day(now_unix_s)
    answers = {
        "rpe": said.effort(rpe) if rpe is not None else None,
        "soreness": soreness,
        "symptoms": symptoms,
        "energy": energy,
        "stronger": stronger,
        "more_energy": more_energy,
        "text": text.encode(errors="replace").decode() if text is not None else None,  # of a terminal that is not UTF-8
    }
    if walk_m is not None and isnan(walk_m):
        raise UsageError("--walk-m nan: expected metres")
    of_day = {"steps": steps, "walk_m": walk_m}
    day_said = any(value is not None for value in of_day.values())
    if on is not None and not day_said:
        raise UsageError("--date: goes with --steps or --walk-m; --started-at gives a run its date")
    day = said.day_of(on, today) if on is not None else today
    began = said.start_of(started_at, now_unix_s) if started_at is not None else None
    of_run = began is not None or any(value is not None for value in answers.values())
    with past.opened(journal, config, runner, create=day_said) as kept:
        if of_run or not day_said:
            session = kept.session(wanted)
            note = kept.journal.notes().get(session.id, Note())
            if not of_run and sys.stdin.isatty() and sys.stdout.isatty():
                answers = said.asked(lambda question: str(typer.prompt(question, "", show_default=False)), typer.echo)
            if (together := said.together(note, answers)) != note:
                note = together
                with kept.journal.transaction():
                    kept.journal.put_note(session.id, note)
            if began is not None:
                with kept.journal.transaction():
                    kept.journal.set_date(session.id, began)
            session = kept.session(str(session.id))
            typer.echo(f"Run {session.id}, {said.when(session)}: {said.in_words(note)}.")
        if day_said:
            days = kept.journal.days(kept.runner_id)
            known = said.together(days.get(day.isoformat(), Day()), of_day)
            with kept.journal.transaction():
                kept.journal.put_day(kept.runner_id, day.isoformat(), known)
            typer.echo(f"{day.isoformat()}: {said.day_in_words(known)}.")
            imperial = kept.config is not None and kept.config.runner.units is Units.IMPERIAL
            typer.echo("\n".join(habits.lines({**days, day.isoformat(): known}, today, imperial=imperial)))
