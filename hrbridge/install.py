"""Puts hrbridge into the care of systemd and takes it out again, as a list of acts that can be read before.

The bridge is a unit of the system, one instance for each configuration in
/etc/hrbridge. Headset and display are units of a user: only those reach the
sound of that user.
"""

from __future__ import annotations

import getpass
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hrbridge import config
from hrbridge.errors import ConfigError, OutputError, UsageError

USER = "hrbridge"
BOOTED = Path("/run/systemd/system")  # there where systemd is what the machine was started with: sd_booted(3)
UNITS = Path("/etc/systemd/system")
SYSUSERS = Path("/etc/sysusers.d/hrbridge.conf")
RULES = Path("/etc/polkit-1/rules.d/hrbridge.rules")
CONFIGURATIONS = Path("/etc/hrbridge")
LINGERING = Path("/var/lib/systemd/linger")
# What ProtectHome= hides from the service.
HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
# As the shipped units have them.
SHIPPED_PROGRAM = "/opt/hrbridge/bin/hrbridge"
SHIPPED_CONFIGURATION = "%E/hrbridge/hrbridge.toml"

BRIDGE = "hrbridge@.service"
# The clients, the library that each needs, and what it does.
CLIENTS = {
    "hrbridge-headset.service": ("miniaudio", "speaks the cues", "headset"),
    "hrbridge-display.service": ("aiohttp", "serves the display to browsers", "web"),
}


@dataclass(frozen=True)
class Write:
    """A file that is to be there, readable for ``group`` and by ``mode``; one that is there already is left alone."""

    path: Path
    text: str
    why: str
    mode: int = 0o644
    group: str = ""

    def __str__(self) -> str:
        return f"write  {self.path}: {self.why}"

    def do(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = self.path.with_name(f"{self.path.name}.new")
            new.touch(mode=0o600)
            new.write_text(self.text, encoding="utf-8")
            if self.group:
                shutil.chown(new, group=self.group)
            new.chmod(self.mode)
            new.replace(self.path)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written: {error.strerror}") from error


@dataclass(frozen=True)
class Delete:
    """A file that is to be gone."""

    path: Path

    def __str__(self) -> str:
        return f"delete {self.path}"

    def do(self) -> None:
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be deleted: {error.strerror}") from error


@dataclass(frozen=True)
class Run:
    """A command; one that fails ends the whole, with its own words."""

    words: tuple[str, ...]
    why: str

    def __str__(self) -> str:
        return f"run    {' '.join(self.words)}: {self.why}"

    def do(self) -> None:
        try:
            done = subprocess.run(self.words, capture_output=True, text=True, check=False)  # noqa: S603 - ours
        except OSError as error:
            raise OutputError(f"{self.words[0]} cannot be run: {error.strerror}") from error
        if done.returncode != 0:
            said = " ".join((done.stderr or done.stdout).split()) or f"exit {done.returncode}"
            raise OutputError(f"{' '.join(self.words)}: {said}")


Act = Write | Delete | Run


def shipped() -> Path:
    """The folder of the units."""
    from hrbridge.control import plan as plans

    return plans.folder().parent.parent / "systemd"


def program(python: Path) -> Path:
    """The hrbridge beside this interpreter; raises UsageError."""
    path = python.parent / "hrbridge"
    if not path.is_file():
        raise UsageError(f"{path}: no such program: install hrbridge into an environment, not beside a checkout")
    return path


# -- the bridge, of the system --


def bridge(program: Path, python: Path, given: Path | None) -> list[Act]:
    """What makes hrbridge a service of the system; ``given``: a configuration that is to be one of its instances.

    Raises ConfigError where that is wrong, UsageError where a service could not run.
    """
    for path in (program, python.resolve()):
        if any(path.is_relative_to(home) for home in HOMES):
            raise UsageError(
                f"{path} lies in a home directory, where the service must not look; install hrbridge under /opt: "
                "sudo python3 -m venv /opt/hrbridge && sudo /opt/hrbridge/bin/pip install '.[headset,web]'"
            )
    recovery = {path.stem: _recovery_command(path) for path in CONFIGURATIONS.glob("*.toml")}
    configurations = []
    if given is not None:
        settings = config.load(given)
        name = settings.runner.id
        recovery[name] = settings.sensor.recovery_command
        configurations.append(
            Write(
                CONFIGURATIONS / f"{name}.toml", _read(given), f"a copy of {given}; only {USER} reads it", 0o640, USER
            )
        )
    if not recovery:
        raise UsageError(f"no configuration in {CONFIGURATIONS} yet; name yours: --config FILE")
    user = _unless_there(Write(SYSUSERS, _shipped("hrbridge.sysusers"), "the user that the service runs as"))
    unit = Write(UNITS / BRIDGE, _rendered(BRIDGE, program), "the service; it reads a configuration, and needs no root")
    written = [*_unless_there(unit), *(act for each in configurations for act in _unless_there(each))]
    services = tuple(f"hrbridge@{name}.service" for name in sorted(recovery))
    return [
        *user,
        Run(("systemd-sysusers", str(SYSUSERS)), f"make the user {USER}, if there is none"),
        *written,
        *(
            Run((str(program), "config", "check", str(CONFIGURATIONS / f"{name}.toml")), "can it be used there?")
            for name in sorted(recovery)
        ),
        *_leave_to_restart_bluetooth(recovery.values()),
        Run(("systemctl", "daemon-reload"), "let systemd read what is new"),
        Run(("systemctl", "enable", *services), "start with the machine"),
        _start(("systemctl",), services, anew=bool(written)),
    ]


def without_bridge() -> list[Act]:
    """What undoes that; configurations, runs and the user to whom they belong stay."""
    wanted = UNITS.glob("*.wants/hrbridge@*.service")
    services = tuple(sorted({path.name for path in wanted}))
    files = [Delete(path) for path in (UNITS / BRIDGE, SYSUSERS, RULES) if _is_there(path)]
    disable = [Run(("systemctl", "disable", "--now", *services), "stop, and start no more")] if services else []
    if not files and not disable:
        return []
    return [*disable, *files, Run(("systemctl", "daemon-reload"), "let systemd forget it")]


def _recovery_command(path: Path) -> tuple[str, ...]:
    """Empty where the configuration is wrong: its check, which is run before this is made use of, tells."""
    try:
        return config.load(path).sensor.recovery_command
    except ConfigError:
        return ()


def _leave_to_restart_bluetooth(recovery_commands: Iterable[tuple[str, ...]]) -> Sequence[Act]:
    # NoNewPrivileges= leaves the service no sudo. polkit reads a rule as soon as it is there.
    bluetooth = {"bluetooth", "bluetooth.service"}
    if not any("restart" in command and bluetooth & {*command} for command in recovery_commands):
        return [Delete(RULES)] if _is_there(RULES) else []
    if not RULES.parent.is_dir():
        raise UsageError("[sensor] recovery_command: only polkit can let the service do that: sudo apt install polkitd")
    why = f"{USER} may restart Bluetooth, for recovery_command, and nothing else"
    return _unless_there(Write(RULES, _shipped("hrbridge.rules"), why))


def _is_there(path: Path) -> bool:
    # Path.exists() raises where only root may look, as into the folder of the rules.
    return os.access(path, os.F_OK)


# -- headset and display, of a user --


def clients(program: Path, given: Path | None) -> list[Act]:
    """What makes headset and display, as far as their libraries are installed, services of this user.

    Raises ConfigError where the configuration ``given`` is wrong, UsageError where there is none, or nothing to start.
    """
    path = given or user_configurations() / "hrbridge" / "hrbridge.toml"
    if given is None and not path.is_file():
        raise UsageError(f"no configuration {path} yet; name yours: --config FILE")
    config.load(path)
    units = tuple(unit for unit in CLIENTS if _has_library(unit))
    if not units:
        raise UsageError("neither headset nor display is installed: pip install 'hrbridge[headset,web]'")
    written = [
        act
        for unit in units
        for act in _unless_there(Write(user_units() / unit, _rendered(unit, program, path), CLIENTS[unit][1]))
    ]
    name = getpass.getuser()
    linger = Run(("loginctl", "enable-linger", name), "your services start with the machine, not with a login")
    systemctl = ("systemctl", "--user")
    return [
        *([] if (LINGERING / name).exists() else [linger]),
        *written,
        Run((*systemctl, "daemon-reload"), "let systemd read what is new"),
        Run((*systemctl, "enable", *units), "start with this user"),
        _start(systemctl, units, anew=bool(written)),
    ]


def without_clients() -> list[Act]:
    """What undoes that; whether this user's services start without a login stays as it is."""
    units = tuple(unit for unit in CLIENTS if (user_units() / unit).exists())
    if not units:
        return []
    systemctl = ("systemctl", "--user")
    return [
        Run((*systemctl, "disable", "--now", *units), "stop, and start no more"),
        *(Delete(user_units() / unit) for unit in units),
        Run((*systemctl, "daemon-reload"), "let systemd forget them"),
    ]


def missing_clients() -> list[str]:
    """In words, the clients whose libraries are not installed."""
    return [
        f"not {unit.removesuffix('.service')}, which needs {library}: pip install 'hrbridge[{extra}]'"
        for unit, (library, _, extra) in CLIENTS.items()
        if not _has_library(unit)
    ]


def user_configurations() -> Path:
    """$XDG_CONFIG_HOME, which systemd calls %E."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


def user_units() -> Path:
    return user_configurations() / "systemd" / "user"


def _has_library(unit: str) -> bool:
    return importlib.util.find_spec(CLIENTS[unit][0]) is not None


# -- both --


def refuse(*, user: bool, again: str) -> None:
    """Raises UsageError where nothing can be installed; ``again``: the same command for root."""
    if not BOOTED.is_dir():
        raise UsageError("install-service: this machine does not run systemd; start `hrbridge run` by its own means")
    if user and os.geteuid() == 0 and "SUDO_USER" in os.environ:
        raise UsageError("install-service --user: as yourself, without sudo; it is your own headset")
    if not user and os.geteuid() != 0:
        raise UsageError(f"install-service: only root may; run: {again}")


def _start(systemctl: Sequence[str], services: Sequence[str], *, anew: bool) -> Run:
    # A run that goes on is left alone unless there is something new to read.
    verb, why = ("restart", "start, with what is new") if anew else ("start", "start, unless it runs")
    return Run((*systemctl, verb, *services), why)


def _unless_there(write: Write) -> list[Write]:
    try:
        there = write.path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        there = None
    return [] if there == write.text else [write]


def _rendered(unit: str, program: Path, configuration: Path | None = None) -> str:
    """A shipped unit for this program and this configuration."""
    text = _shipped(unit).replace(SHIPPED_PROGRAM, _quoted(program))
    return text if configuration is None else text.replace(SHIPPED_CONFIGURATION, _quoted(configuration.absolute()))


def _quoted(path: Path) -> str:
    """A path as one word of ExecStart=, systemd.service(5)."""
    text = str(path).replace("%", "%%")
    if re.fullmatch(r"[\w%+,./:@-]+", text, re.ASCII):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$") + '"'


def _shipped(name: str) -> str:
    return (shipped() / name).read_text(encoding="utf-8")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
