"""What a command loads before it begins: only what it needs, and never the other commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from hrbridge import cli

ROOT = Path(__file__).parent.parent
LOADED = "import sys; from hrbridge.cli import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
# For a table, for changing a configuration, for reading and writing files, for those who listen, for plots.
NEVER = (
    "rich",
    "tomlkit",
    "fitdecode",
    "gpxpy",
    "garmin_fit_sdk",
    "amqtt",
    "aiohttp",
    "textual",
    "miniaudio",
    "matplotlib",
)
COMMANDS = sorted(typer.main.get_command(cli.app).commands)


def test_a_run_loads_nothing_that_it_does_not_need() -> None:
    words = ("run", "--plan", "demo", "--mqtt", "none", "--speed", "100000", "--json")
    ended = subprocess.run([sys.executable, "-c", LOADED, *words], capture_output=True, text=True, cwd=ROOT, check=True)
    loaded = ended.stderr.splitlines()[-1].split()
    assert "hrbridge.wiring" in loaded
    assert [name for name in loaded if name.partition(".")[0] in NEVER] == []
    assert [
        name for name in loaded if name.startswith(("hrbridge.history", "hrbridge.clients", "hrbridge.doctor"))
    ] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_alone_is_the_same_as_among_all(name: str) -> None:
    alone, among_all = (typer.main.get_command(each).commands[name] for each in (cli._asked_for([name]), cli.app))
    assert described(alone) == described(among_all)


def described(command: typer.core.TyperCommand) -> list[object]:
    """Its words, with those of the commands below it."""
    words = [(each.name, each.opts, each.required, each.nargs, type(each.type).__name__) for each in command.params]
    return [command.help, words, *(described(each) for each in getattr(command, "commands", {}).values())]


def test_a_command_alone_leaves_the_others_out() -> None:
    assert list(typer.main.get_command(cli._asked_for(["run"])).commands) == ["run"]
    assert sorted(typer.main.get_command(cli._asked_for(["rnu"])).commands) == COMMANDS
