"""The commands: arguments in, exit codes out. What they do lies in wiring.py."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from hrbridge import __version__, cli_clients, cli_history, cli_service, cli_studies
from hrbridge.errors import HrbridgeError, OutputError, SensorError, UsageError
from hrbridge.events import Action

if TYPE_CHECKING:
    from typer.models import CommandInfo

    from hrbridge.sensors.survey import Found

log = logging.getLogger(__name__)

APPEARANCE: dict[str, Any] = {
    "name": "hrbridge",
    "help": "Live heart-rate coach for run-walk training.",
    "no_args_is_help": True,
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
}
app = typer.Typer(**APPEARANCE)
plan_app = typer.Typer(help="The shipped plans, and a check for your own.", no_args_is_help=True)
config_app = typer.Typer(help="Check a configuration.", no_args_is_help=True)
app.add_typer(plan_app, name="plan")
app.add_typer(config_app, name="config")
app.add_typer(cli_history.app)
app.add_typer(cli_clients.app)
app.add_typer(cli_service.app)
app.add_typer(cli_studies.app)

ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Configuration (TOML).")]
PlanName = Annotated[
    str | None, typer.Option("--plan", metavar="P", help="A shipped plan, a ratio like 4:1 or 60/120s, or a path.")
]
Broker = Annotated[
    str | None, typer.Option("--mqtt", metavar="URL", help="mqtt://, mqtts://, ws://, wss://, embedded or none.")
]
TraceFile = Annotated[Path | None, typer.Option("--trace", metavar="OUT", help="Write every step to this file.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="table.key=value over the configuration.")
]


def _second(text: str) -> float:
    """``612``, ``612.4``, ``10:12`` or ``1:02:05``, in seconds."""
    match = re.fullmatch(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d*)?)", text)
    if match is None:
        raise typer.BadParameter(f"'{text}' is not a time in a run; give seconds (612) or minutes and seconds (10:12)")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return 3600 * hours + 60 * minutes + seconds


Why = Annotated[
    float | None,
    typer.Option("--why", metavar="SECONDS", parser=_second, help="Only: why was that said, or not, at 612 or 10:12?"),
]
Json = Annotated[bool, typer.Option("--json", help="Print only a summary, as JSON.")]
RunnerId = Annotated[str | None, typer.Option("--runner", metavar="ID", help="Whose bridge; else as configured.")]


@app.command()
def run(
    path: Annotated[Path | None, typer.Argument(metavar="[CONFIG]", help="Configuration; none: the demo.")] = None,
    plan: PlanName = None,
    sensor: Annotated[str | None, typer.Option("--sensor", metavar="S", help="ble, simulated or replay:FILE.")] = None,
    mqtt: Broker = None,
    speed: Annotated[
        float | None, typer.Option("--speed", metavar="X", help="Times as fast; recordings and simulations only.")
    ] = None,
    trace: TraceFile = None,
    journal: Annotated[
        Path | None, typer.Option("--journal", metavar="PATH", help="Where the run is kept; simulations only if given.")
    ] = None,
    json: Json = False,
    once: Annotated[bool, typer.Option("--once", help="Leave after one session.")] = False,
    settings: Settings = None,
) -> None:
    """Coach a run, live."""
    from hrbridge import wiring
    from hrbridge.sinks.console import Console, summary_lines

    _log_to_stderr(logging.INFO)
    if speed is not None and not 0.01 <= speed <= 100_000:
        raise UsageError(f"--speed {speed:g}: allowed: 0.01 to 100000")
    overrides = wiring.overrides_for(settings or (), plan=plan, sensor=sensor, url=mqtt)
    session = wiring.session(path, overrides, sensor=sensor)
    if speed is not None and session.source is None:
        raise UsageError("--speed: a live sensor has its own time; use --sensor simulated or replay:FILE")
    sinks = [] if json else [Console(sys.stdout)]
    coaching = wiring.coach(session, speed=speed or 1.0, trace_path=trace, journal_path=journal, once=once, sinks=sinks)
    summary = asyncio.run(coaching)
    print(msgspec.json.encode(summary).decode() if json else f"\n{summary_lines(summary)}")


@app.command()
def replay(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE|ID", help="A recording (FIT, TCX, GPX, HRM, CSV), a trace, or a run: 12, last."),
    ],
    config: ConfigFile = None,
    plan: PlanName = None,
    trace: TraceFile = None,
    json: Json = False,
    journal: cli_history.JournalFile = None,
    lenient: Annotated[bool, typer.Option("--lenient", help="Use what a damaged file still gives.")] = False,
    why: Why = None,
    settings: Settings = None,
) -> None:
    """What would it have told me? Step through a recording.

    As fast as it can be read; or a run of hrbridge history, by its number or
    last: unless there is a file of that name.
    """
    from hrbridge import past, wiring

    overrides = wiring.overrides_for(settings or (), plan=plan)
    if (str(file) == "last" or str(file).isdecimal()) and not file.exists():
        session = past.replay_session(str(file), journal, config, overrides)
    else:
        session = wiring.replay_session(file, config, overrides, lenient=lenient)
    if why is not None:
        _explain(session, why, trace, json=json)
        return
    if not json:
        runner = session.config.runner
        print(
            f"{file.name}: {session.sensor}; plan {session.plan.name}; "
            f"maximum {runner.maximum_bpm:.0f}, resting {runner.resting_bpm:.0f}.\n"
            "Open loop: whoever ran this did not hear these cues.\n"
        )
    _coach_at_once(session, trace, json=json)


@app.command()
def simulate(
    config: ConfigFile = None,
    plan: PlanName = None,
    runner: Annotated[
        str | None,
        typer.Option("--runner", metavar="NAME|FILE", help="novice, typical, fit, unfit, or a file of hrbridge fit."),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", min=0)] = None,
    fault: Annotated[
        list[str] | None, typer.Option("--fault", metavar="SPEC", help="NAME@T[+FOR] in seconds; may be repeated.")
    ] = None,
    trace: TraceFile = None,
    json: Json = False,
    why: Why = None,
    settings: Settings = None,
) -> None:
    """Coach a simulated runner, who hears the cues.

    Closed loop, as fast as it can be computed.
    """
    from hrbridge import wiring

    overrides = wiring.overrides_for(settings or (), plan=plan)
    for key, value in (("runner", runner), ("seed", seed), ("faults", fault)):
        if value is not None:
            overrides.append(f"sensor.{key}={msgspec.json.encode(value).decode()}")
    session = wiring.simulated_session(config, overrides)
    if why is not None:
        _explain(session, why, trace, json=json)
        return
    if not json:
        print(f"{session.sensor}; plan {session.plan.name}.\n")
    _coach_at_once(session, trace, json=json)


def _coach_at_once(session: Any, trace: Path | None, *, json: bool) -> None:
    from hrbridge import wiring
    from hrbridge.sinks.console import Console, summary_lines

    summary = wiring.coach_at_once(session, trace, [] if json else [Console(sys.stdout)])
    print(msgspec.json.encode(summary).decode() if json else f"\n{summary_lines(summary)}")


def _explain(session: Any, at_s: float, trace: Path | None, *, json: bool) -> None:
    from hrbridge import wiring
    from hrbridge.sinks.console import clock

    if trace is not None or json:
        raise UsageError("--why: explains one second in words; without --trace and --json")
    first, *lines = wiring.why(session, at_s)
    print("\n".join([f"{clock(at_s)}  {first}", *lines]))


@app.command()
def expect(
    trace: Annotated[Path, typer.Argument(metavar="TRACE", help="A trace that hrbridge wrote.")],
) -> None:
    """Step a trace again and compare.

    Exit code 1 at the first difference.
    """
    from hrbridge.sinks.console import difference_lines
    from hrbridge.wiring import first_difference

    difference, compared, dropped = first_difference(trace)
    if difference is not None:
        print(difference_lines(str(trace), difference))
        raise typer.Exit(1)
    note = f"; {dropped} cut-off line dropped" if dropped else ""
    print(f"{trace}: {compared} steps, all as expected{note}")


# When nobody watches: for every strap to be heard, and a handful to be called.
LOOK_S = 15.0

LookFor = Annotated[float | None, typer.Option("--for", metavar="SECONDS", min=0.1, max=3600, help="How long to look.")]


@app.command()
def scan(
    limit_s: LookFor = None, json: Annotated[bool, typer.Option("--json", help="Print a list, as JSON.")] = False
) -> None:
    """Which straps are in range, and what do they show?

    Heart-rate straps with live pulse, signal strength (dBm, stronger towards
    0) and battery; treadmills and foot pods too. On a terminal the list stays
    up to date until Ctrl-C, else it is printed once, after 15 seconds.

    To see a pulse hrbridge connects to the straps meanwhile, to five at most.
    What is in use by something else is listed and left alone.
    """
    from hrbridge import wiring
    from hrbridge.strap_list import as_text

    in_place = sys.stdout.isatty() and not json
    seen = asyncio.run(wiring.survey(limit_s or (None if in_place else LOOK_S), in_place=in_place))
    found = sorted(seen.found, key=lambda each: each.rssi_dbm or -999, reverse=True)
    if json:
        print(msgspec.json.encode(found).decode())
    elif found and not in_place:
        print(as_text(found))
    if not any(each.is_strap for each in found) and not seen.interrupted:
        raise _no_strap(seen.radio_works)


@app.command()
def pair(
    path: Annotated[
        Path | None, typer.Argument(metavar="[CONFIG]", help="Where to write it; none: print what to write.")
    ] = None,
    pulse: Annotated[
        float | None, typer.Option("--pulse", metavar="BPM", min=30, max=240, help="The one within 6 bpm of this.")
    ] = None,
    address: Annotated[str, typer.Option("--address", metavar="ADDRESS", help="This one.")] = "",
    limit_s: LookFor = None,
    yes: Annotated[bool, typer.Option("--yes", help="The only one in range, without asking.")] = False,
) -> None:
    """Remember the strap that shows my pulse.

    Put it on, count your pulse at the neck for 15 seconds, times four, and
    choose the strap that shows it from the list. Without a terminal, or to
    have it chosen: --pulse, --address or --yes; that takes 15 seconds.

    In CONFIG only kind, address and name of [sensor] change. All else stays
    as it is, your comments too.
    """
    from hrbridge import pairing, wiring
    from hrbridge.strap_list import as_text

    if (pulse is not None) + bool(address) + yes > 1:
        raise UsageError("pair: takes one of --pulse, --address and --yes")
    if address and not re.fullmatch(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f-]{36}", address):
        raise UsageError(f"--address {address}: expected one like C0:FF:EE:00:00:01 (hrbridge scan lists them)")
    asks = pulse is None and not address and not yes
    in_place = sys.stdout.isatty()
    if asks and not (in_place and sys.stdin.isatty()):
        raise UsageError("pair: no terminal to ask on: say which strap is yours with --pulse BPM or --address ADDRESS")
    if path is not None:
        pairing.check(path, wiring.demo().parent)
    limit_s = limit_s or (None if asks else LOOK_S)
    seen = asyncio.run(wiring.survey(limit_s, in_place=in_place, asks=asks, address=address))
    if seen.interrupted or (asks and seen.found and seen.choice is None):
        raise SensorError("no strap chosen: nothing is remembered")
    if not seen.found:
        raise _no_strap(seen.radio_works)
    try:
        mine = seen.choice or pairing.choose(seen.found, pulse, address)
    except SensorError:
        if not in_place:
            print(as_text(seen.found))
        raise
    _remember(mine, path)


@app.command()
def doctor(
    path: Annotated[
        Path | None, typer.Argument(metavar="[CONFIG]", help="What is to be run; none: what most have.")
    ] = None,
    config: ConfigFile = None,
    mqtt: Broker = None,
    runner: RunnerId = None,
    limit_s: LookFor = None,
    json: Annotated[bool, typer.Option("--json", help="Print all findings, as JSON.")] = False,
    speak: Annotated[bool, typer.Option("--speak", help="Have it spoken by the headset, too.")] = False,
) -> None:
    """Would a run go well? Each thing, with its remedy.

    Takes about ten seconds, with the strap on. Exit code 1 when a run would
    fail.
    """
    from hrbridge import doctor as checks
    from hrbridge import wiring

    if path is not None and config is not None:
        raise UsageError("doctor: takes one configuration")
    overrides = wiring.overrides_for((), url=mqtt)
    if runner is not None:
        overrides.append(wiring.setting("runner.id", runner))
    found: list[checks.Finding] = []

    def tell(finding: checks.Finding) -> None:
        found.append(finding)
        if not json:
            print(f"{finding.result:<6} {finding.check:<14} {finding.say}", flush=True)

    ready = asyncio.run(checks.examine(path or config, overrides, limit_s, tell, speak=speak))
    if json:
        print(msgspec.json.encode({"ready": ready, "checks": found}).decode())
    else:
        print(checks.in_words(found))
    if not ready:
        raise typer.Exit(1)


def _no_strap(radio_works: bool) -> Exception:
    from hrbridge.strap_list import REMEDY

    return SensorError(f"no strap heard: {REMEDY}") if radio_works else typer.Exit(1)  # the radio has said why


def _remember(mine: Found, path: Path | None) -> None:
    from hrbridge import pairing

    for warning in pairing.warnings(mine):
        log.warning("%s", warning)
    if path is None:
        print(f"# {pairing.in_words(mine)}\n{pairing.lines(mine)}")
        return
    try:
        pairing.remember(path, mine)
    except OutputError:
        print(pairing.lines(mine))
        raise
    print(f"{path} remembers {pairing.in_words(mine)}.")


@plan_app.command("list")
def plan_list() -> None:
    """The shipped plans."""
    from hrbridge.control import plan as plans

    for name in plans.names():
        print(f"{name:<17} {plans.describe(plans.load(name))}")
    print(f"ladder, from easy to hard (rung = -1 or 1: one step): {plans.ladder()}")


@plan_app.command("show")
def plan_show(name: Annotated[str, typer.Argument(metavar="NAME", help="A shipped plan, a ratio or a path.")]) -> None:
    """One plan, block by block."""
    from hrbridge.control import plan as plans

    print(plans.describe_in_full(plans.load(name)))


@plan_app.command("check")
def plan_check(file: Annotated[Path, typer.Argument(metavar="FILE", help="A plan file (TOML).")]) -> None:
    """Is this plan file right?"""
    from hrbridge.control import plan as plans

    plan = plans.load(file if file.suffix == ".toml" or "/" in str(file) else Path.cwd() / file)
    print(f"{file}: fine. {plans.describe(plan)}")


@config_app.command("check")
def config_check(file: Annotated[Path, typer.Argument(metavar="FILE", help="A configuration (TOML).")]) -> None:
    """Is this configuration right?"""
    from hrbridge import config, wiring

    settings = config.load(file)
    print(f"{file}: fine. {wiring.in_words(settings, file)}")


@app.command()
def schema(
    asyncapi: Annotated[
        bool, typer.Option("--asyncapi", help="Topics, QoS and payloads instead, as one AsyncAPI 3 document.")
    ] = False,
) -> None:
    """What other programs read and write, as JSON Schemas.

    JSON Schemas (2020-12) of every MQTT payload by its topic (mqtt), of a
    configuration (config), of a plan file (plan) and of the lines of a trace
    (trace). Each needs none of the others: hrbridge schema | jq .mqtt.cue
    """
    from hrbridge import schema as contract

    document = contract.asyncapi() if asyncapi else contract.json_schemas()
    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


@app.command()
def rpe(
    value: Annotated[str, typer.Argument(metavar="N", help="Perceived exertion, 0 to 10 in halves.")],
    config: ConfigFile = None,
    mqtt: Broker = None,
    runner: RunnerId = None,
) -> None:
    """Tell the running session how hard it feels."""
    from hrbridge import messages, wiring

    try:
        number = messages.decode_rpe(value.encode())
    except messages.RefusedInputError as error:
        raise UsageError(f"rpe {value}: {error}") from None
    wiring.send(config, mqtt, runner, messages.RPE_SET, messages.RpeSet(rpe=number))


@app.command()
def control(
    action: Annotated[Action, typer.Argument(metavar="ACTION", help=", ".join(Action))],
    config: ConfigFile = None,
    mqtt: Broker = None,
    runner: RunnerId = None,
) -> None:
    """Tell the running session what to do."""
    from hrbridge import messages, wiring

    message = messages.ControlSet(action=action, id=secrets.token_hex(4), confirm=action is Action.STOP)
    wiring.send(config, mqtt, runner, messages.CONTROL_SET, message)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"hrbridge {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True)] = False,
) -> None:
    _log_to_stderr(logging.WARNING)


def _log_to_stderr(level: int) -> None:
    # On a Pi the system journal is the user interface, and it stamps the time itself.
    logging.basicConfig(level=level, format="%(message)s", stream=sys.stderr, force=True)
    # Libraries speak of what hrbridge says in its own words.
    for noisy in ("amqtt", "transitions", "bleak", "dbus_fast", "asyncio", "aiomqtt", "mqtt"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)


def _asked_for(words: list[str]) -> typer.Typer:
    """All commands, or only the one that is meant: Typer reads the signature of each, half a second of them on a Pi."""
    apps = [app, *(each.typer_instance for each in app.registered_groups if each.typer_instance and not each.name)]
    meant = [each for one in apps for each in one.registered_commands if words == [_name(each)]]
    if not meant:
        return app
    only = typer.Typer(**APPEARANCE)
    only.registered_callback, only.registered_commands = app.registered_callback, meant
    return only


def _name(command: CommandInfo) -> str:
    return command.name or getattr(command.callback, "__name__", "").replace("_", "-")


def main() -> None:
    """The console script: every error is one line, and its kind decides the exit code."""
    try:
        code = _asked_for(sys.argv[1:2])(prog_name="hrbridge", standalone_mode=False) or 0
    except typer.TyperException as error:
        message = error.format_message()
        if message.startswith("Usage:"):  # a group of commands without one
            print(message)
            code = error.exit_code
        else:
            code = _fail(_plain(message.replace("\n", " ")), error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        code = 0
    except HrbridgeError as error:
        left = isinstance(error.__cause__, BrokenPipeError)  # whoever read our output: no complaint
        code = 0 if left else _fail(str(error), error.exit_code)
    except BaseExceptionGroup as group:
        ours = _ours(group)
        if ours is None:
            raise
        code = _fail(str(ours), ours.exit_code)
    except SystemExit:
        code = 0  # what Typer makes of a broken pipe
    except OSError as error:
        code = _fail(f"standard output: {error.strerror}", OutputError.exit_code)
    except Exception as error:
        # Ours to mend: one line for the user, the whole story for whoever mends it.
        if os.environ.get("HRBRIDGE_DEBUG"):
            raise
        code = _fail(f"a mistake in hrbridge: {error!r}; HRBRIDGE_DEBUG=1 shows where", 1)
    sys.exit(_flush(code))


def _plain(message: str) -> str:
    """Typer speaks of types to people who think of numbers."""
    message = re.sub(r"not a valid int(eger)?( range)?\b", "not a whole number", message)
    return re.sub(r"not a valid float( range)?\b", "not a number", message)


def _flush(code: int) -> int:
    """The exit code once everything is printed; what cannot be goes nowhere, or Python would complain at the end."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if code == 0 and not isinstance(error, BrokenPipeError):
            return _fail(f"standard output: {error.strerror}", OutputError.exit_code)
    return code


def _ours(group: BaseExceptionGroup[BaseException]) -> HrbridgeError | None:
    """The first error of a group of tasks that is meant for the user."""
    for error in group.exceptions:
        found = _ours(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(found, HrbridgeError):
            return found
    return None


def _fail(message: str, code: int) -> int:
    print(f"hrbridge: {message}", file=sys.stderr)
    return code
