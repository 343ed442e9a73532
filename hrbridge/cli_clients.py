"""The commands of whoever listens: headset and display."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace

from hrbridge.errors import UsageError

app = typer.Typer()

ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Configuration (TOML).")]
Broker = Annotated[str | None, typer.Option("--mqtt", metavar="URL", help="mqtt://, mqtts://, ws:// or wss://.")]
RunnerId = Annotated[
    str | None, typer.Option("--runner", metavar="ID", help="Whom to follow; else as configured, or whoever is there.")
]


@app.command()
def headset(
    config: ConfigFile = None,
    mqtt: Broker = None,
    runner: RunnerId = None,
    output: Annotated[
        str,
        typer.Option(
            "--output", metavar="auto|null|FILE.wav", help="Sound card, nobody, or a file of what would be heard."
        ),
    ] = "auto",
) -> None:
    """Speak the cues of a run, and play its tones."""
    from hrbridge import wiring

    logging.getLogger("hrbridge").setLevel(logging.INFO)
    settings = wiring.client_settings(config, mqtt, runner)
    asyncio.run(wiring.headset(settings, output, anybody=config is None and runner is None))


@app.command()
def display(
    config: ConfigFile = None,
    mqtt: Broker = None,
    runner: RunnerId = None,
    everybody: Annotated[bool, typer.Option("--all", help="A board of every runner on the broker.")] = False,
    web: Annotated[bool, typer.Option("--web", help="In the browser; prints the address.")] = False,
    port: Annotated[
        int | None, typer.Option("--port", metavar="N", min=0, max=65_535, help="With --web; 0: any that is free.")
    ] = None,
) -> None:
    """Show a run, as large as the screen.

    \b
    space   pause, and go on        +   15 seconds more walk
    n       next run or walk        s   start; twice within 5 seconds: stop
    0-9, t  effort, t is ten        u   take back, within 5 seconds
    w       why was that said?      q   leave

    Piped, or in a terminal that cannot be drawn on: a line for each change.
    """
    from hrbridge import wiring

    if port is not None and not web:
        raise UsageError("--port: only with --web")
    if everybody and runner is not None:
        raise UsageError("--runner: --all shows every runner")
    settings = wiring.client_settings(config, mqtt, runner)
    if port is not None:
        settings = replace(settings, display=replace(settings.display, port=port))
    if web:
        logging.getLogger("hrbridge").setLevel(logging.INFO)
    anybody = config is None and runner is None
    asyncio.run(wiring.display(settings, everybody=everybody, anybody=anybody, web=web))
