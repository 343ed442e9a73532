"""The command that makes hrbridge a service."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from hrbridge.errors import UsageError

app = typer.Typer()


@app.command("install-service")
def install_service(
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Configuration to start with the machine.")
    ] = None,
    user: Annotated[bool, typer.Option("--user", help="Headset and display, as services of yourself.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; else it is only told.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Undo it.")] = False,
) -> None:
    """Start hrbridge with the machine, as services.

    Tells what it would do, and does it with --yes. The bridge becomes a
    service of the system, for each configuration in /etc/hrbridge; --config
    puts one there, named after its runner. Headset and display become services
    of yourself with --user, and read FILE where it lies.
    """
    from hrbridge import install

    if remove and config is not None:
        raise UsageError("--config: not with --remove, which leaves every configuration where it is")
    python = Path(sys.executable)
    if yes:
        install.refuse(user=user, again=shlex.join(["sudo", str(python.parent / "hrbridge"), *sys.argv[1:]]))
    if remove:
        acts = install.without_clients() if user else install.without_bridge()
    elif user:
        acts = install.clients(install.program(python), config)
        typer.echo("".join(f"{line}\n" for line in install.missing_clients()), nl=False)
    else:
        acts = install.bridge(install.program(python), python, config)
    for act in acts:
        typer.echo(str(act))
        if yes:
            act.do()
    typer.echo(_afterwards(done=yes, remove=remove, user=user, nothing=not acts))


def _afterwards(*, done: bool, remove: bool, user: bool, nothing: bool) -> str:
    if nothing:
        return "There is nothing to remove."
    if not done:
        return "Nothing is done yet; --yes does it."
    if remove and user:
        return "Removed. To start none of your services without a login: loginctl disable-linger"
    if remove:
        return "Removed. /etc/hrbridge, your runs in /var/lib/hrbridge and their user hrbridge stay."
    log = "journalctl --user -u 'hrbridge-*'" if user else "journalctl -u 'hrbridge@*'"
    return f"Done; {log} shows the log."
