"""Composition root: configuration and command line in, connected objects out; the only place that chooses siblings.

Imports of sensors and sinks stand in the functions that need them: a Pi that
only reads a strap never loads the readers of recordings.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from math import floor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from hrbridge import bridge, config, timeline, trace, unfinished
from hrbridge.config import Config, Plan, PlanTable, Protocol, SensorKind
from hrbridge.control import plan as plans
from hrbridge.control.adaptation import ceiling_bpm
from hrbridge.control.controller import Controller
from hrbridge.decisions import Step
from hrbridge.errors import ConfigError, UsageError
from hrbridge.events import Action, Command, Event, Speed
from hrbridge.journal import End, Kind, default_path
from hrbridge.messages import ControlSet, RpeSet, Topic
from hrbridge.ports import Clock, LiveSensor, Sink, Source
from hrbridge.sinks.summary import Summary, Tally

if TYPE_CHECKING:
    from hrbridge.sensors.activity_files import Recording
    from hrbridge.sensors.survey import Found
    from hrbridge.sinks.journal import JournalSink
    from hrbridge.sinks.mqtt import MqttSink
    from hrbridge.sinks.systemd import Systemd
    from hrbridge.unfinished import CutOff

log = logging.getLogger(__name__)

# Commands and efforts that wait for the next event: more come from a stuck button, and are refused as "busy".
MAX_WISHES = 32


@dataclass(frozen=True)
class Session:
    """One run before its first event. ``source`` is None for a live sensor."""

    config: Config
    plan: Plan
    started_at: str | None
    source: Source | None
    sensor: str
    kind: Kind

    @property
    def header(self) -> trace.Header:
        return trace.Header(
            started_at=self.started_at, runner=self.config.runner, plan=self.plan, control=self.config.control
        )

    def controller(self) -> Controller:
        return Controller(self.plan, self.config.runner, self.config.control)


# -- from the command line to a session --


def demo() -> Path:
    """The configuration of ``hrbridge run`` without one."""
    return plans.folder().parent / "demo.toml"


def overrides_for(
    given: Sequence[str], *, plan: str | None = None, sensor: str | None = None, url: str | None = None
) -> list[str]:
    """What the command line puts over a configuration, as ``table.key=value``; raises UsageError."""
    overrides = list(given)
    if plan is not None:
        plans.load(plan)  # whose mistake a wrong name is can be told only here
        use = str(Path(plan).absolute()) if plans.is_path(plan) else plan
        # In place of the whole table, whose blocks belong to another plan; --set may still change a key of it.
        overrides.insert(0, f"plan={{{setting('use', use)}}}")
    if url is not None:
        overrides.append(setting("mqtt.url", url))
    if sensor is not None:
        kind, _, file = sensor.partition(":")
        if kind not in [*SensorKind] or (kind == SensorKind.REPLAY) != bool(file):
            raise UsageError(f"--sensor {sensor}: allowed: ble, simulated, replay:FILE")
        overrides.append(setting("sensor.kind", kind))
        if file:
            overrides.append(setting("sensor.file", file))
    return overrides


def setting(key: str, value: str) -> str:
    """A key and its value as ``--set`` takes them."""
    return f"{key}={msgspec.json.encode(value).decode()}"  # a JSON string is a TOML string


def session(path: Path | None, overrides: Sequence[str], *, sensor: str | None) -> Session:
    """The session of ``hrbridge run``; without a configuration the demo, or a recording as ``replay`` takes it."""
    if path is None and sensor is not None and sensor.startswith(SensorKind.REPLAY):
        return replay_session(Path(sensor.partition(":")[2]), None, overrides)
    settings = config.load(path or demo(), overrides)
    match settings.sensor.kind:
        case SensorKind.REPLAY:
            if not settings.sensor.file:
                raise UsageError('[sensor] kind = "replay" needs file, or --sensor replay:FILE')
            # Named in the configuration, it starts where that lies; on the command line, where one stands.
            file = Path(settings.sensor.file) if sensor or path is None else path.parent / settings.sensor.file
            return replay_session(file, path, overrides)
        case SensorKind.SIMULATED:
            return simulated_session(path or demo(), overrides)
        case SensorKind.BLE:
            return Session(settings, _plan(settings, path), timeline.utc_now(), None, "heart-rate strap", Kind.LIVE)


def replay_session(file: Path, path: Path | None, overrides: Sequence[str], *, lenient: bool = False) -> Session:
    """A recording or trace, and what it is to be stepped with.

    Without a configuration a trace brings its own, and a recording the highest
    heart rate that was held in it for a minute. Unless the overrides ask for
    a plan, a trace keeps its own and a recording that knows the runner's speed
    is followed as the runner ran it: plan ``free``.
    """
    from hrbridge.sensors import activity_files

    recording = activity_files.read(file, lenient=lenient)
    for note in recording.notes:
        log.warning("%s: %s", file, note)
    return replayed(recording, path, overrides)


def replayed(recording: Recording, path: Path | None, overrides: Sequence[str]) -> Session:
    """What ``replay_session`` makes of a file that was read."""
    from hrbridge.sensors.replay import Replay, sustained_maximum_bpm

    header = recording.header
    if path is not None:
        settings = config.load(path, overrides)
    elif header is not None:
        settings = config.override(Config(runner=header.runner, control=header.control), overrides)
    else:
        settings = config.load(None, [*_assumptions(sustained_maximum_bpm(recording), overrides), *overrides])
    if header is not None and path is None and not settings.plan.use:
        plan = plans.amend(header.plan, settings.plan)
    elif any(text.strip().startswith(("plan.", "plan=")) for text in overrides):
        plan = _plan(settings, path)
    elif header is not None:
        plan = header.plan
    elif any(isinstance(event, Speed) for event in recording.events):
        plan = plans.load("free")
    else:
        plan = _plan(settings, path)
    source = Replay(recording)
    return Session(settings, plan, recording.started_at, source, recording.device or "recording", Kind.REPLAYED)


def _plan(settings: Config, path: Path | None) -> Plan:
    """The plan of the configuration in ``path``; raises ConfigError with its name."""
    try:
        return plans.resolve(settings.plan, path.parent if path is not None else None)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}" if path is not None else str(error)) from None


def _assumptions(sustained_bpm: float | None, overrides: Sequence[str]) -> list[str]:
    """A maximum for a recording that comes without a configuration: what was held for a minute is surely possible."""
    if any(text.startswith(("runner.max_heart_rate_bpm", "runner.age_years")) for text in overrides):
        return []
    usual_bpm = config.Runner(age_years=config.ASSUMED_AGE_YEARS).maximum_bpm
    if sustained_bpm is None or sustained_bpm <= usual_bpm:
        return []
    log.warning("assuming max_heart_rate_bpm = %.0f, which was held for a minute in this recording", sustained_bpm)
    return [f"runner.max_heart_rate_bpm={sustained_bpm:.0f}"]


def simulated_session(path: Path | None, overrides: Sequence[str]) -> Session:
    """The simulated runner of ``[sensor]``, coached by what ``[runner]`` says.

    Without a configuration the coach knows that runner's own age, maximum and
    resting heart rate, and for a goal time the paces. ``runner.max_heart_rate_bpm`` changes only what the
    coach believes; ``sensor.max_heart_rate_bpm`` is the body's.
    """
    from hrbridge.sensors.simulated import Simulated, described

    if path is None:
        who = described(
            config.load(None, ["runner.age_years=40", "runner.resting_heart_rate_bpm=60", *overrides]).sensor
        )
        known = [
            f"runner.age_years={who.age_years}",
            f"runner.max_heart_rate_bpm={who.max_heart_rate_bpm}",
            f"runner.resting_heart_rate_bpm={who.resting_heart_rate_bpm}",
        ]
        settings = config.load(None, [*known, *overrides])
        if settings.plan.goal_time_s is not None:
            settings = replace(settings, plan=_with_paces(settings.plan, who.run_speed_m_s, who.walk_speed_m_s))
    else:
        settings = config.load(path, overrides)
    sensor = settings.sensor
    plan = _plan(settings, path)
    free = plans.is_free(plan)  # nobody tells this runner when to run
    source = Simulated.of(sensor, own_rhythm_s=(240, 60), max_s=1800) if free else Simulated.of(sensor)
    return Session(settings, plan, None, source, f"simulated runner {sensor.runner}", Kind.SIMULATED)


def _with_paces(table: PlanTable, run_m_s: float, walk_m_s: float) -> PlanTable:
    """The paces that a goal is reckoned with, where the plan has none."""
    plan = plans.resolve(replace(table, goal_time_s=None, goal_distance_m=None))
    run_s_per_km = plan.run_pace_s_per_km or round(1000 / run_m_s, 1)
    walk_s_per_km = plan.walk_pace_s_per_km or round(1000 / walk_m_s, 1)
    return replace(table, run_pace_s_per_km=run_s_per_km, walk_pace_s_per_km=walk_s_per_km)


# -- sessions without a clock --


def steps(session: Session) -> Iterator[Step]:
    """Every step of a recording or a simulation, as fast as it can be computed."""
    source = session.source
    if source is None:
        raise UsageError("a live sensor cannot be stepped without a clock")
    for step in bridge.follow(session.controller(), timeline.merge(source.events())):
        if isinstance(source, Sink):
            source.take(step)
        yield step


def coach_at_once(session: Session, trace_path: Path | None, sinks: Sequence[Sink]) -> Summary:
    """Step a recording or a simulation to its end; raises OutputError when the trace cannot be written."""
    tally = Tally(session.plan)
    with trace.Writer(trace_path, session.header) as writer:
        for step in steps(session):
            writer.take(step)
            tally.take(step)
            for sink in sinks:
                sink.take(step)
    return tally.summary(writer.sha256)


def why(session: Session, at_s: float) -> list[str]:
    """One second of a recording or a simulation explained (``control.why``); raises UsageError for one outside it."""
    from hrbridge.control.why import explain

    stepped = list(steps(session))
    first_s, last_s = floor(stepped[0].at_s), stepped[-1].at_s
    if not first_s <= at_s <= last_s:
        raise UsageError(f"--why {at_s:g}: this session has the seconds {first_s} to {last_s:.0f}")
    return explain(stepped, at_s, session.plan, session.config.runner, session.config.control)


# -- sessions in time --


async def coach(
    session: Session,
    *,
    speed: float,
    trace_path: Path | None,
    journal_path: Path | None,
    once: bool,
    sinks: Sequence[Sink],
) -> Summary:
    """``hrbridge run``: coach one session, or as a service one after the other, until SIGINT or SIGTERM.

    A live run enters the journal; a simulated or replayed one only that of
    ``journal_path``. One that was cut off there is taken up again, paused.
    Returns the sum of the last session that began. Raises ConfigError, SensorError,
    OutputError, and BrokerError where the embedded broker cannot start.
    """
    _admit(session.config)
    clock = timeline.MonotonicClock()
    wishes: asyncio.Queue[Action | float] = asyncio.Queue(MAX_WISHES)
    interrupted = _interruption()
    configured = session
    async with contextlib.AsyncExitStack() as stack:
        sensor = await _open_sensor(stack, session, clock)  # first: it looks for the strap while the rest is loaded
        journal, cut_off = _record(stack, session, journal_path)
        mqtt = await _connect(stack, session, clock, wishes)
        if journal is not None and mqtt is not None:
            mqtt.acks = journal.acks
        systemd = _service(stack)
        number, rests = 1, False
        earlier: Summary | None = None
        while True:
            controller, tally = session.controller(), Tally(session.plan)
            header = cut_off.header if cut_off is not None else session.header
            with trace.Writer(_numbered(trace_path, number) if not rests else None, header) as writer:
                if mqtt is not None:
                    mqtt.begin(secrets.token_hex(4), session.plan)
                pause = None
                if cut_off is not None:
                    hearing = [writer.take, tally.take, *([mqtt.recall] if mqtt is not None else [])]
                    pause = cut_off.catch_up(controller, hearing)
                    log.warning("%s", cut_off.in_words)
                elif journal is not None:
                    journal.begin(header, session.kind, session.sensor)
                all_of_them = (writer, tally, *sinks, journal, mqtt, systemd)
                listening: list[Sink] = [each for each in all_of_them if each is not None]
                if isinstance(session.source, Sink):
                    listening.insert(0, session.source)
                events = _events(session, sensor, clock, speed, wishes, pause, rests=rests)
                running = asyncio.create_task(_run(controller, events, listening), name="bridge")
                await asyncio.wait({running, interrupted}, return_when=asyncio.FIRST_COMPLETED)
                if not running.done():
                    running.cancel()
                    await asyncio.gather(running, return_exceptions=True)
                else:
                    running.result()
                if journal is not None:
                    journal.end(End.STOPPED)
            summary = tally.summary(writer.sha256)
            if earlier is None or summary.elapsed_s > 0:  # else it was only waited for
                earlier = summary
            if once or session.source is not None or interrupted.done():
                return earlier
            number += rests
            rests = not rests
            cut_off = None
            session = dataclasses.replace(configured, started_at=timeline.utc_now())
            if rests:
                session = _on_command(session)


def _on_command(session: Session) -> Session:
    """The same, but it does not begin by itself."""
    settings = replace(session.config, control=replace(session.config.control, start_after_s=0.0))
    return dataclasses.replace(session, config=settings)


def _admit(settings: Config) -> None:
    """Say which given keys have no effect in this version."""
    if settings.runner.units != "metric":
        log.warning("[runner] units has no effect on what is spoken yet in this version")


async def _run(
    controller: Controller, events: AbstractAsyncContextManager[AsyncIterator[Event]], sinks: list[Sink]
) -> None:
    async with events as stream:
        await bridge.run(controller, stream, sinks)


@contextlib.asynccontextmanager
async def _events(
    session: Session,
    sensor: LiveSensor | None,
    clock: Clock,
    speed: float,
    wishes: asyncio.Queue[Action | float],
    pause: Command | None,
    *,
    rests: bool,
) -> AsyncIterator[AsyncIterator[Event]]:
    """The events of a session; after ``pause``, of one that is taken up again; of the rest after a run."""
    from_s = pause.at_s if pause is not None else 0.0
    async with contextlib.AsyncExitStack() as stack:
        if session.source is not None:
            source = timeline.merge(session.source.events(from_s), from_s)
            events = timeline.paced(source, clock, speed, wishes, from_s)
        elif sensor is not None:
            events = aiter(await stack.enter_async_context(timeline.Live(aiter(sensor), clock, wishes, from_s)))
        if rests:
            events = timeline.between_runs(events, wishes)
        yield events if pause is None else timeline.taken_up(pause, events)


# -- the journal of a session in time --


def _record(
    stack: contextlib.AsyncExitStack, session: Session, given: Path | None
) -> tuple[JournalSink | None, CutOff | None]:
    """The journal this session enters, and the one that was cut off there and fits."""
    from hrbridge.sinks.journal import JournalSink, recording_alone

    if given is None and session.kind is not Kind.LIVE:
        return None, None
    path = given or journal_path_of(session.config)
    runner_id = session.config.runner.id
    if not stack.enter_context(recording_alone(path, runner_id)):
        log.error("%s: another hrbridge records the runs of %s there; this one is not recorded", path, runner_id)
        return None, None
    cut_off = unfinished.find(path, session.header, session.kind, timeline.moment())
    journal = stack.enter_context(JournalSink(path, live=session.kind is Kind.LIVE, now=timeline.moment))
    if cut_off is not None:
        journal.resume(cut_off.session, cut_off.lines)
    return journal, cut_off


def journal_path_of(settings: Config | None) -> Path:
    """Where this configuration keeps its runs."""
    named = settings.journal.path if settings is not None else ""
    return Path(named) if named else default_path()


def _interruption() -> asyncio.Task[None]:
    """Done when somebody wants us to stop: Ctrl-C, SIGTERM, or a terminal that has gone."""
    wanted = asyncio.Event()
    loop = asyncio.get_running_loop()
    hang_up = getattr(signal, "SIGHUP", None)
    hung_up = (hang_up,) if hang_up and signal.getsignal(hang_up) is signal.SIG_DFL else ()  # nohup ignores it
    for number in (signal.SIGINT, signal.SIGTERM, *hung_up):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C ends asyncio.run itself
            loop.add_signal_handler(number, wanted.set)

    async def wait() -> None:
        await wanted.wait()

    return asyncio.create_task(wait(), name="interruption")


def _numbered(path: Path | None, number: int) -> Path | None:
    """``run.jsonl``, then ``run-2.jsonl``: a service writes one trace per run."""
    return path if path is None or number == 1 else path.with_stem(f"{path.stem}-{number}")


def _service(stack: contextlib.AsyncExitStack) -> Systemd | None:
    """Whoever started this wants to hear whether it lives; last of all sinks, when the others have had their step."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return None
    from hrbridge.sinks.systemd import Systemd

    return stack.enter_context(Systemd(address))


async def _open_sensor(stack: contextlib.AsyncExitStack, session: Session, clock: Clock) -> LiveSensor | None:
    if session.source is not None:
        return None
    from hrbridge.sensors.ble import BleSensor

    return await stack.enter_async_context(BleSensor(session.config.sensor, clock))


async def _connect(
    stack: contextlib.AsyncExitStack, session: Session, clock: Clock, wishes: asyncio.Queue[Action | float]
) -> MqttSink | None:
    settings = session.config.mqtt
    if settings.url == "none":
        return None
    from hrbridge.sinks.mqtt import MqttSink

    url = settings.url
    if url.startswith("embedded"):
        from hrbridge.sinks.embedded import DEFAULT_PORT, EmbeddedBroker

        port = url.partition(":")[2]
        broker = await stack.enter_async_context(EmbeddedBroker(int(port) if port else DEFAULT_PORT))
        url = broker.url
        settings = replace(settings, protocol=Protocol.V311)  # amqtt knows no other
        log.info("MQTT broker inside hrbridge: %s", url)
    runner = session.config.runner
    sink = MqttSink(settings, runner, clock, wishes, sensor=session.sensor, url=url)
    mqtt = await stack.enter_async_context(sink)
    if session.config.display.beside_run and session.config.mqtt.url.startswith("embedded"):
        await _show_beside(stack, session.config, replace(settings, url=url), clock)
    return mqtt


async def _show_beside(stack: contextlib.AsyncExitStack, settings: Config, mqtt: config.Mqtt, clock: Clock) -> None:
    """The page of the runner, for whoever sits before this screen; a run does well without it."""
    try:
        from hrbridge.clients import web_server
    except ImportError:
        log.info("no display in the browser, which needs aiohttp: pip install 'hrbridge[web]'")
        return
    await stack.enter_async_context(web_server.beside(settings.display, mqtt, settings.runner.id, clock))


# -- which strap --


@dataclass(frozen=True)
class Sighting:
    """What was in range, whether the radio worked in the end, and whether somebody wanted us to stop."""

    found: list[Found]
    radio_works: bool
    interrupted: bool
    choice: Found | None = None


async def survey(limit_s: float | None, *, in_place: bool, asks: bool = False, address: str = "") -> Sighting:
    """Look for straps for so long (None: until SIGINT or SIGTERM), on a terminal with the list ``in_place``.

    ``asks``: until one was chosen from the list. ``address``: until that one
    was heard and its pulse is known.
    """
    from hrbridge.pairing import settled
    from hrbridge.sensors.survey import Survey
    from hrbridge.strap_list import Screen

    def enough(found: list[Found]) -> bool:
        if screen is not None:
            screen.show(found)
        return settled(found, address)

    interrupted = _interruption()
    async with Survey(timeline.MonotonicClock(), address=address) as survey:
        with contextlib.ExitStack() as stack:
            screen = stack.enter_context(Screen(asks=asks)) if in_place else None
            looking = asyncio.create_task(survey.until(enough, limit_s), name="looking")
            ends: set[asyncio.Task[Any]] = {looking, interrupted}
            if screen is not None:
                ends.add(asyncio.create_task(screen.answered.wait(), name="answer"))
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if looking.done():
                looking.result()
            looking.cancel()
        choice = screen.choice if screen is not None else None
        return Sighting(survey.found(), survey.radio_works, interrupted.done(), choice)


# -- small commands --


def first_difference(path: Path) -> tuple[tuple[Step, Step] | None, int, int]:
    """Step a trace again: the first (recorded, new) pair that differs or None, the steps compared, lines dropped."""
    recorded = trace.read(path)
    header = recorded.header
    controller = Controller(header.plan, header.runner, header.control)
    for number, before in enumerate(recorded.steps, start=1):
        now = controller.step(before.event)
        if trace.encode(now) != trace.encode(before):
            return (before, now), number, recorded.dropped_lines
    return None, len(recorded.steps), recorded.dropped_lines


def in_words(settings: Config, path: Path) -> str:
    """What the configuration in ``path`` amounts to; raises ConfigError where its parts do not fit."""
    plan = _plan(settings, path)
    runner = settings.runner
    ceiling = ceiling_bpm(runner, plan, settings.control)
    if settings.mqtt.url != "none" and not settings.mqtt.url.startswith("embedded"):
        from hrbridge.broker import locate

        try:
            locate(settings.mqtt)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None
    return (
        f"Runner {runner.id}, maximum {runner.maximum_bpm:.0f}, resting {runner.resting_bpm:.0f}, "
        f"ceiling {ceiling:.0f} bpm; plan {plan.name}; sensor {settings.sensor.kind}; MQTT {settings.mqtt.url}."
    )


def send(path: Path | None, url: str | None, runner: str | None, topic: Topic, message: RpeSet | ControlSet) -> None:
    """Publish one command to the session of a runner; raises BrokerError."""
    from hrbridge.sinks.mqtt import publish_command

    settings = client_settings(path, url, runner)
    asyncio.run(publish_command(settings.mqtt, settings.runner.id, topic, message))


def client_settings(path: Path | None, url: str | None, runner: str | None) -> Config:
    """The configuration of whoever only listens or asks; raises ConfigError."""
    overrides = overrides_for((), url=url)
    if runner is not None:
        overrides.append(setting("runner.id", runner))
    if path is None:
        overrides += [
            "runner.age_years=40",
            "runner.resting_heart_rate_bpm=60",
        ]  # no heart here: only the broker counts
    settings = config.load(path, overrides)
    if settings.mqtt.url.startswith("embedded"):
        settings = replace(settings, mqtt=replace(settings.mqtt, protocol=Protocol.V311))  # amqtt knows no other
    return settings


async def headset(settings: Config, output: str, *, anybody: bool) -> None:
    """Tones and words for one runner until SIGINT or SIGTERM; ``anybody``: for the one who is there.

    Raises BrokerError when the broker cannot be reached at the start, OutputError, UsageError.
    """
    await _until_interrupted(_speak(settings, output, anybody=anybody))


async def display(settings: Config, *, everybody: bool, anybody: bool, web: bool = False) -> None:
    """One runner or a board of all: in this terminal, as lines, or in browsers; until it is left.

    ``anybody``: the runner who is there. Raises BrokerError when the broker
    cannot be reached at the start, UsageError.
    """
    show = _show_in_browsers if web else _show_here
    await _until_interrupted(show(settings, everybody=everybody, anybody=anybody))


async def _until_interrupted(doing: Coroutine[Any, Any, None]) -> None:
    interrupted = _interruption()
    task = asyncio.create_task(doing, name="client")
    await asyncio.wait({task, interrupted}, return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
    # Good-byes are said, and the terminal is given back as it was.
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


async def _whom(settings: Config, clock: Clock, *, anybody: bool) -> tuple[str, config.Mqtt]:
    """The runner to follow, and on which broker."""
    from hrbridge.clients.follower import find_runner

    return await find_runner(settings.mqtt, clock) if anybody else (settings.runner.id, settings.mqtt)


async def _speak(settings: Config, output: str, *, anybody: bool) -> None:
    from hrbridge.clients.follower import Follower
    from hrbridge.clients.headset import Headset, listen
    from hrbridge.clients.player import Player, Track, open_output
    from hrbridge.clients.voice import Voice

    clock, track, sound = timeline.MonotonicClock(), Track(), settings.headset
    with Voice(sound) as voice:
        outlet = open_output(output, track, clock.now_s(), device=sound.device)
        player = Player(outlet, track, volume_percent=sound.volume_percent, primer_s=sound.primer_s)
        try:
            whom, mqtt = await _whom(settings, clock, anybody=anybody)
            async with Follower(mqtt, whom, "headset", clock) as follower:
                await listen(follower, Headset(sound), voice, player, clock)
        finally:
            player.close(clock.now_s())


async def _show_here(settings: Config, *, everybody: bool, anybody: bool) -> None:
    from hrbridge.clients import lines
    from hrbridge.clients.follower import EVERYBODY, Follower

    clock = timeline.MonotonicClock()
    on_screen = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    whom, mqtt = (EVERYBODY, settings.mqtt) if everybody else await _whom(settings, clock, anybody=anybody)
    async with Follower(mqtt, whom, "board" if everybody else "display", clock) as follower:
        await follower.join()
        if not on_screen or os.environ.get("TERM", "dumb") == "dumb":
            await lines.write(follower, clock, sys.stdout)
            return
        try:
            from hrbridge.clients import terminal
        except ImportError as error:
            raise UsageError("a display needs textual: pip install 'hrbridge[display]'") from error
        await terminal.show(follower, clock, imperial=settings.runner.units is config.Units.IMPERIAL)


async def _show_in_browsers(settings: Config, *, everybody: bool, anybody: bool) -> None:
    from hrbridge.clients.follower import EVERYBODY

    try:
        from hrbridge.clients import web_server
    except ImportError as error:
        raise UsageError("a display in the browser needs aiohttp: pip install 'hrbridge[web]'") from error
    clock = timeline.MonotonicClock()
    settings = replace(settings, mqtt=await web_server.reach(settings.mqtt, clock))
    whom, mqtt = (EVERYBODY, settings.mqtt) if everybody else await _whom(settings, clock, anybody=anybody)
    async with web_server.WebDisplay(settings.display, mqtt, whom, clock) as page:
        sys.stdout.write(f"{page.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()
