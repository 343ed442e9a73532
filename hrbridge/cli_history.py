"""The commands about past runs: history, export, report, log, next, import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

JournalFile = Annotated[
    Path | None, typer.Option("--journal", metavar="PATH", help="Where runs are kept; else as configured.")
]
ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Configuration (TOML).")]
RunnerId = Annotated[str | None, typer.Option("--runner", metavar="ID", help="Whose runs; else as configured.")]
RunId = Annotated[str, typer.Argument(metavar="ID", help="A number of hrbridge history, or last.")]

app = typer.Typer()
