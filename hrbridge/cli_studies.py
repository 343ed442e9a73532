"""The commands about simulated people: evaluate, fit."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec import Struct

from hrbridge import config
from hrbridge.config import Control, PolicyName
from hrbridge.errors import UsageError

app = typer.Typer()


@app.command()
def evaluate(
    runners: Annotated[int, typer.Option("--runners", metavar="N", min=1, max=1_000_000, help="How many.")] = 100,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Another population, other noise.")] = 1,
    policy: Annotated[
        str, typer.Option("--policy", metavar="P,P", help="Some of adaptive, fixed, gate, rest51, rest118.")
    ] = ",".join(PolicyName),
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", min=1, max=1024, help="Processes; else one for each core."),
    ] = None,
    cluster: Annotated[
        str | None, typer.Option("--cluster", metavar="URL", help="tcp://HOST:PORT of a Dask scheduler.")
    ] = None,
    effort: Annotated[
        float, typer.Option("--effort", metavar="X", min=0.3, max=0.9, help="Of running, as a share of VO2 reserve.")
    ] = 0.55,
    warmup: Annotated[
        int, typer.Option("--warmup", metavar="SECONDS", min=0, max=1800, help="Of walking, part of the hour.")
    ] = 300,
    obey: Annotated[bool, typer.Option("--obey", help='"A little slower." is done: 8 % slower.')] = False,
    rpe: Annotated[bool, typer.Option("--rpe", help="Effort is asked for, and answered.")] = False,
    slow_recovery: Annotated[
        bool, typer.Option("--slow-recovery", help="Hearts take 1.6 times as long to fall: more like real ones.")
    ] = False,
    runner: Annotated[
        str | None,
        typer.Option("--runner", metavar="FILE", help="Of hrbridge fit: all could be this one, at its paces."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print only the figures, as JSON.")] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="control.key=value over the defaults.")
    ] = None,
) -> None:
    """How well does it coach? Simulated runners find out.

    The same ones run an hour under each policy, and under fixed in any case:
    the others are compared with it. The same seed gives the same figures,
    whoever computes them.
    """
    import msgspec
    from rich.console import Console
    from rich.progress import Progress

    from hrbridge import runner_file
    from hrbridge.studies import evaluate as study
    from hrbridge.studies import workers as crew
    from hrbridge.studies.population import SLOW_RECOVERY, Work
    from hrbridge.studies.table import table

    policies = _policies(policy)
    if workers is not None and cluster is not None:
        raise UsageError("--workers: not with --cluster, whose workers there are already")
    work = Work(
        effort=effort,
        warmup_s=float(warmup),
        obeys_ease_run=obey,
        answers_rpe=rpe,
        recovery=SLOW_RECOVERY if slow_recovery else 1.0,
        control=_control(settings or ()),
        like=runner_file.read(runner) if runner is not None else None,
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    terminal, done = Console(stderr=True), None
    with (
        suppress(KeyboardInterrupt),
        crew.cluster(cluster) if cluster is not None else crew.processes(workers or crew.cores()) as executor,
        Progress(console=terminal, transient=True, disable=not terminal.is_terminal) as bar,
    ):
        hours = runners * len({*policies, PolicyName.FIXED})
        task = bar.add_task(f"Running {hours} hours", total=hours)
        done = study.evaluate(executor, work, policies, runners, seed, advance=lambda more: bar.advance(task, more))
    if done is not None:
        typer.echo(msgspec.json.encode(done).decode() if json else table(done, work, seed))


@app.command()
def fit(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Recordings of one person's runs.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="RUNNER.toml", help="Keep the runner here.")] = None,
    advise: Annotated[
        bool, typer.Option("--advise", help="Which ratio keeps this runner under the ceiling with the least walking?")
    ] = False,
    ceiling: Annotated[
        float | None, typer.Option("--ceiling", metavar="BPM", help="For --advise; else 75 % of the reserve.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="OUT.png", help="For --advise: the same as a picture.")
    ] = None,
    path: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Configuration; its [runner] says what is known.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="For --advise: other days.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print only what was found, as JSON.")] = False,
    lenient: Annotated[bool, typer.Option("--lenient", help="Use what a damaged file still gives.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="runner.max_heart_rate_bpm=182 and the like."),
    ] = None,
) -> None:
    """A simulated runner like me, fitted to recordings.

    They need heart rate and speed. Tells how well it foretells what it has not seen, half by half of each
    recording. The file of --out is a runner for simulate and for [sensor].
    """
    import msgspec
    from rich.console import Console
    from rich.progress import Progress

    from hrbridge import twin as twins
    from hrbridge.studies import advice_plot
    from hrbridge.studies.advise import MOST_PACES, in_words
    from hrbridge.studies.fit import ROUNDS

    for option, value in (("--ceiling", ceiling), ("--plot", plot)):
        if value is not None and not advise:
            raise UsageError(f"{option}: only with --advise")
    if plot is not None:
        advice_plot.require()
    if out is not None and not out.name.endswith(".toml"):
        raise UsageError(f"--out {out}: a runner file ends in .toml")
    terminal = Console(stderr=True)
    with Progress(console=terminal, transient=True, disable=not terminal.is_terminal) as bar:
        task = bar.add_task("Fitting", total=ROUNDS)
        twin = twins.of_recordings(files, path, settings or (), lenient=lenient, advance=lambda: bar.advance(task))
        if out is not None:
            twins.write(out, twin)
        advice = None
        if advise:
            bar.update(task, description="Running hours", completed=0, total=MOST_PACES)
            advice = twins.advise(twin, ceiling, seed, lambda: bar.advance(task))
    pace = partial(twins.pace, units=twin.units)
    if plot is not None and advice is not None:
        advice_plot.draw(advice, plot, pace)
    if json:
        typer.echo(msgspec.json.encode(twins.found(twin, advice)).decode())
        return
    parts = [twins.left_out_lines(twin.fitted.left_out), ["This runner:", *twins.numbers_lines(twin)]]
    if advice is not None:
        parts += [in_words(advice, pace), twins.beside_lines(advice, twin.units)]
    kept = [f"{made} is written." for made in (out, plot) if made is not None]
    if out is not None:
        kept.append(f"Try it: hrbridge simulate --runner {out}")
    elif not advise:
        kept.append("To keep this runner: --out mine.toml; then hrbridge simulate --runner mine.toml")
    typer.echo("\n\n".join("\n".join(part) for part in [*parts, kept] if part))


def _policies(text: str) -> list[PolicyName]:
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in list(PolicyName)]
    if unknown:
        raise UsageError(f'--policy: "{unknown[0]}" is not allowed; allowed, with commas: {", ".join(PolicyName)}')
    return [PolicyName(name) for name in names]


def _control(overrides: Iterable[str]) -> Control:
    """The defaults with these; only [control] counts for people who are simulated."""
    raw: dict[str, Any] = {}
    for override in overrides:
        config.apply_override(raw, override)
        if raw.keys() != {"control"}:
            raise UsageError(f"--set {override}: here only control.key=value counts")
    if "policy" in raw.get("control", {}):
        raise UsageError("--set control.policy: here it is --policy")
    return config.convert(raw, ControlOnly, "--set").control


class ControlOnly(Struct, frozen=True, forbid_unknown_fields=True):
    """What --set may speak of here."""

    control: Control = Control()
