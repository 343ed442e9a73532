"""The table of faults: what may happen on a run, what the runner hears of it, and how soon heart rate is back.

The tests of this folder play every row in every phase; README shows the same
rows (``readme_table``).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import Enum

import msgspec

from hrbridge.config import Mqtt
from hrbridge.decisions import Estimate, Phase, Ratio, Step
from hrbridge.events import Sample, Tick
from hrbridge.sinks.mqtt import MqttSink

from .live_run import RUNNER, LiveRun, heart_rate_packet

CLOCK = "No heart rate. Using the clock."
CHECK = "Check the strap. Using the clock."
BACK = "Heart rate is back."
MAXIMUM = "Check the strap or your maximum."
# What a headset says by itself when nothing has come for 8 s.
LINK_LOST = "Connection lost."
STANDS_STILL_S = 40.0
# After these the journal knows nothing of earlier runs.
DELETED, DAMAGED = "the journal is deleted", "the journal is damaged"


class Layer(Enum):
    SIGNAL = "the signal"
    RADIO = "Bluetooth"
    BROKER = "MQTT"
    DISK = "the disk"
    CLOCK = "the clock"
    RUNNER = "the runner"
    PROCESS = "hrbridge"


@dataclass(frozen=True)
class Fault:
    """``hears``: the words about it, of coach and headset, when it strikes in a run, a walk, or on the way home.

    ``back_s``: how long after its end heart rate is trusted again, at most, s;
    None where it was never in doubt. ``strikes`` does it to a live run;
    ``spec`` is its name for ``hrbridge simulate --fault``. ``away_s``: how long
    after its end the headset may still miss cues; None where it misses none.
    """

    name: str
    layer: Layer
    for_s: float
    hears: tuple[str, ...] = ()
    back_s: float | None = None
    strikes: Callable[[LiveRun], AbstractAsyncContextManager[None]] | None = None
    spec: str = ""
    away_s: float | None = None

    def __str__(self) -> str:
        return self.name


# -- what happens to the strap and its radio --


@asynccontextmanager
async def drops(run: LiveRun) -> AsyncIterator[None]:
    run.strap.advertises = False
    run.bluez.drop(run.strap)
    yield
    run.strap.advertises = True


@asynccontextmanager
async def drops_beside_another(run: LiveRun) -> AsyncIterator[None]:
    run.other_strap.advertises = True
    async with drops(run):
        yield
    run.other_strap.advertises = False


def says(packets: Callable[[Sample], list[bytes]]) -> Callable[[LiveRun], AbstractAsyncContextManager[None]]:
    """The strap says something else."""

    @asynccontextmanager
    async def strikes(run: LiveRun) -> AsyncIterator[None]:
        before, run.says = run.says, packets
        yield
        run.says = before

    return strikes


def nonsense(sample: Sample) -> list[bytes]:
    return [(b"", b"\x00", b"\x01\x50")[int(sample.at_s) % 3]]


def now_and_then(sample: Sample) -> list[bytes]:
    return [heart_rate_packet(sample)] if sample.at_s % 4 == 0 else []


def beats_of_another(sample: Sample) -> list[bytes]:
    """RR intervals of half the heart rate."""
    return [heart_rate_packet(msgspec.structs.replace(sample, rr_s=tuple(2 * rr_s for rr_s in sample.rr_s)))]


@asynccontextmanager
async def taken_off(run: LiveRun) -> AsyncIterator[None]:
    """Off the skin for some seconds, then in the hand, then on again."""
    async with says(lambda sample: [heart_rate_packet(msgspec.structs.replace(sample, rr_s=(), contact=False))])(run):
        await asyncio.sleep(5.0)
        async with drops(run):
            yield


@asynccontextmanager
async def switched_off(run: LiveRun) -> AsyncIterator[None]:
    run.bluez.power(False)
    yield
    run.bluez.power(True)


@asynccontextmanager
async def pulled_out(run: LiveRun) -> AsyncIterator[None]:
    run.bluez.unplug()
    yield
    run.bluez.plug_in()


@asynccontextmanager
async def bluetoothd_killed(run: LiveRun) -> AsyncIterator[None]:
    await run.bluez.crash()
    yield
    await run.bluez.start()


# -- to the broker and on it --


@asynccontextmanager
async def broker_stopped(run: LiveRun) -> AsyncIterator[None]:
    run.stage.broker.kill()
    yield
    run.start_broker()


@asynccontextmanager
async def broker_frozen(run: LiveRun) -> AsyncIterator[None]:
    run.stage.broker.freeze()
    yield
    run.stage.broker.thaw()


def at_once(happens: Callable[[LiveRun], Awaitable[None]]) -> Callable[[LiveRun], AbstractAsyncContextManager[None]]:
    """Something that takes no time."""

    @asynccontextmanager
    async def strikes(run: LiveRun) -> AsyncIterator[None]:
        await happens(run)
        yield

    return strikes


async def broker_restarted(run: LiveRun) -> None:
    run.stage.broker.kill()
    run.start_broker()


async def connection_reset(run: LiveRun) -> None:
    run.relay.cut()


async def kept_commands(run: LiveRun) -> None:
    """Of yesterday; and the broker tells them once more to whoever comes."""
    await run.publish("control/set", b'{"v":1,"action":"stop","confirm":true}', retain=True)
    await run.publish("rpe/set", b"10", retain=True)
    run.relay.cut()


async def rubbish(run: LiveRun) -> None:
    for name in ("control/set", "rpe/set", "cue/ack", "client/x/status", "status", "bridge/info"):
        for payload in (
            b"",
            b"\xff\xfe",
            b"{",
            b"[" * 100_000,
            b"null",
            b"1e999",
            b'{"v":1,"action":"fly"}',
            b"x" * 65_000,
        ):
            await run.publish(name, payload)


async def said_twice(run: LiveRun) -> None:
    for _ in range(2):
        await run.publish("control/set", b'{"v":1,"action":"adapt-on","id":"once"}')


@asynccontextmanager
async def effort_told_to_nobody(run: LiveRun) -> AsyncIterator[None]:
    """hrbridge is cut off from the broker; what is said there meanwhile is no news when it is back."""
    run.relay.cut(let_through=False)
    await run.publish("rpe/set", b"9")
    yield
    run.relay.let_through()


@asynccontextmanager
async def second_bridge(run: LiveRun) -> AsyncIterator[None]:
    """Another hrbridge for the same runner: it waits for a strap, and says so every second."""
    mqtt = Mqtt(url=run.stage.broker.url)
    async with MqttSink(mqtt, RUNNER, run.loop, asyncio.Queue(32), sensor="another strap") as rival:
        rival.begin(f"rival-{run.now.at_s}", run.plan)

        async def wait() -> None:
            while True:
                rival.take(Step(Tick(run.loop.now_s()), Phase.WAITING, 0.0, None, 0, 0, Estimate(), Ratio(0, 0, 0, 0)))
                await asyncio.sleep(1.0)

        waiting = asyncio.create_task(wait())
        yield
        waiting.cancel()
        await asyncio.wait({waiting})


@asynccontextmanager
async def headset_off(run: LiveRun) -> AsyncIterator[None]:
    run.switch_headset(on=False)
    yield
    run.switch_headset(on=True)


@asynccontextmanager
async def way_stalls(run: LiveRun) -> AsyncIterator[None]:
    """A Wi-Fi that swallows nothing and brings everything late."""
    run.headset_relay.stall()
    yield
    run.headset_relay.flow()


# -- to the disk --


async def journal_deleted(run: LiveRun) -> None:
    for file in run.stage.disk.glob("journal*"):
        file.unlink()


async def journal_damaged(run: LiveRun) -> None:
    assert run.journal is not None
    run.journal._shut()  # so that what is damaged is what is read next: SQLite remembers much
    if run.journal.path.exists():
        run.journal.path.write_bytes(b"no database" * 2000)


@asynccontextmanager
async def card_full(run: LiveRun) -> AsyncIterator[None]:
    """And read-only, as soon as it is left in peace."""
    ballast = run.stage.disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0" * 4096):
            pass
    yield
    ballast.unlink()


# -- to the clock --


@asynccontextmanager
async def date_jumps(run: LiveRun) -> AsyncIterator[None]:
    run.date_s -= 86_400.0
    yield
    run.date_s += 86_400.0


async def stands_still(run: LiveRun) -> None:
    run.loop.leap(STANDS_STILL_S)


# Bounds of ``back_s`` are what was measured, rounded up to the next second, and one more.
FAULTS = (
    Fault("the strap finds no heart rate for 60 s", Layer.SIGNAL, 60, (CLOCK, BACK), 6, spec="zero"),
    Fault("the strap repeats its last value for 60 s", Layer.SIGNAL, 60, (CHECK, BACK), 6, spec="frozen"),
    Fault("single values 20 to 60 bpm too high", Layer.SIGNAL, 60, (), None, spec="spike"),
    Fault("the strap counts steps for 60 s", Layer.SIGNAL, 60, (CHECK, BACK), 20, spec="cadence_lock"),
    Fault("dry electrodes for 60 s", Layer.SIGNAL, 60, (CHECK, BACK), 25, spec="dry_start"),
    Fault(
        "a steady 35 bpm above your maximum for 60 s", Layer.SIGNAL, 60, (f"Walk now. {MAXIMUM}",), 8, spec="stuck_high"
    ),
    Fault("no contact with the skin for 60 s", Layer.SIGNAL, 60, (CHECK, BACK), 3, spec="contact_off"),
    Fault(
        "the beats say another heart rate than the strap for 60 s",
        Layer.RADIO,
        60,
        (CHECK, BACK),
        8,
        says(beats_of_another),
    ),
    Fault("the strap drops the link for 3 s", Layer.RADIO, 3, (), 3, drops),
    Fault("the strap is out of range for 40 s", Layer.RADIO, 40, (CLOCK, BACK), 3, drops),
    Fault("it is, and another strap is near", Layer.RADIO, 40, (CLOCK, BACK), 3, drops_beside_another),
    Fault("the strap is silent for 40 s", Layer.RADIO, 40, (CLOCK, BACK), 3, says(lambda _: [])),
    Fault("it sends nonsense for 40 s", Layer.RADIO, 40, (CLOCK, BACK), 3, says(nonsense)),
    Fault("it is taken off and put on again", Layer.RADIO, 40, (CLOCK, BACK), 3, taken_off),
    Fault("bluetoothd is killed for 40 s", Layer.RADIO, 40, (CLOCK, BACK), 3, bluetoothd_killed),
    Fault("Bluetooth is switched off for 40 s", Layer.RADIO, 40, (CLOCK, BACK), 6, switched_off),
    Fault("the adapter is pulled out for 40 s", Layer.RADIO, 40, (CLOCK, BACK), 6, pulled_out),
    Fault("every packet comes twice", Layer.RADIO, 40, (), None, says(lambda beat: 2 * [heart_rate_packet(beat)])),
    Fault("one packet in four seconds", Layer.RADIO, 40, (), None, says(now_and_then)),
    Fault("the strap is another runner's", Layer.SIGNAL, 60, (), None, spec="wrong_strap"),
    Fault("the broker is stopped for 40 s", Layer.BROKER, 40, (LINK_LOST,), None, broker_stopped, away_s=6),
    Fault("it hangs for 40 s", Layer.BROKER, 40, (LINK_LOST,), None, broker_frozen, away_s=6),
    Fault(
        "hrbridge is cut off from it for 40 s", Layer.BROKER, 40, (LINK_LOST,), None, effort_told_to_nobody, away_s=6
    ),
    Fault("the way to the headset stalls for 7 s", Layer.BROKER, 7, (LINK_LOST,), None, way_stalls, away_s=6),
    Fault("the broker is killed and started again", Layer.BROKER, 1, (), None, at_once(broker_restarted), away_s=6),
    Fault("the connection to it is reset", Layer.BROKER, 1, (), None, at_once(connection_reset), away_s=6),
    Fault("it has kept old commands", Layer.BROKER, 1, (), None, at_once(kept_commands), away_s=6),
    Fault("nonsense and far too much comes over MQTT", Layer.BROKER, 1, (), None, at_once(rubbish)),
    Fault("a command comes twice", Layer.BROKER, 1, (), None, at_once(said_twice)),
    Fault("the headset is away for 40 s", Layer.BROKER, 40, (), None, headset_off, away_s=10),
    # A headset follows whoever began last, and the log names them both.
    Fault("a second hrbridge has the same runner", Layer.BROKER, 40, (), None, second_bridge, away_s=20),
    Fault(DELETED, Layer.DISK, 1, (), None, at_once(journal_deleted)),
    Fault(DAMAGED, Layer.DISK, 1, (), None, at_once(journal_damaged)),
    Fault("the disk is full for 40 s", Layer.DISK, 40, (), None, card_full),
    Fault("the date jumps by a day, and back", Layer.CLOCK, 40, (), None, date_jumps),
    Fault(
        "the machine stands still for 40 s",
        Layer.CLOCK,
        1,
        (CLOCK, BACK, LINK_LOST),
        3,
        at_once(stands_still),
        away_s=6,
    ),
    Fault("you run on when it is time to walk", Layer.RUNNER, 60, ("Walk now.",), None, spec="ignore_walk"),
    Fault(
        "you walk on when it is time to run", Layer.RUNNER, 60, ("Run when you are ready.",), None, spec="ignore_run"
    ),
    Fault("hrbridge is killed and started again", Layer.PROCESS, 0, ("Interrupted. Resume to go on.",), 3),
)


def readme_table() -> str:
    """The rows of README: faults of which the same is heard, and after which heart rate is back as soon."""
    same: dict[tuple[Layer, str, str], list[str]] = {}
    for fault in FAULTS:
        heard = " ".join(fault.hears) or "nothing"
        back = "never away" if fault.back_s is None else f"{fault.back_s:g} s"
        same.setdefault((fault.layer, heard, back), []).append(fault.name)
    rows = [f"| {'; '.join(names)} | {heard} | {back} |" for (_, heard, back), names in same.items()]
    return "\n".join(["| what happens | what you hear | heart rate is back within |", "|---|---|---|", *rows])
