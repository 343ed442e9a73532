"""The Bluetooth adapter: one scan for all who look for a device, one call to a device at a time, and errors in words.

No adapter, one that is switched off or busy, no bluetoothd, no D-Bus: all are
waited out, told once. A second scan in one process is refused by BlueZ, a
second call may break off the first; so both pass through here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, NamedTuple, TypeVar

from bleak import BleakAdapter, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakError,
    BleakGATTProtocolError,
    BleakGATTProtocolErrorCode,
)
from msgspec import Struct

from hrbridge.errors import SensorError
from hrbridge.ports import Clock
from hrbridge.sensors.gatt import FITNESS_MACHINE_SERVICE, HEART_RATE_SERVICE, RUNNING_SPEED_SERVICE

log = logging.getLogger(__name__)

T = TypeVar("T")

# Between the radio and who looks for a device. When full the oldest is dropped: devices advertise again.
HEARD_KEPT = 256
# BlueZ reports any change of a device during a scan; without a signal strength it was not an advertisement.
NOT_HEARD_DBM = -127
# For a cancelled call to end; it has no more to do than to hang up. Twice, as Bleak's own clean-up waits too.
ABANDON_S = 0.5
# The adapter is reset by the runner's own command only when it has not worked for so long, and then not all the time.
RECOVER_AFTER_S, RECOVER_EVERY_S, RECOVERY_TAKES_S = 60.0, 300.0, 30.0


class Timings(Struct, frozen=True, kw_only=True):
    """How long each thing may take. Measured values are of BlueZ 5.66 on a virtual radio."""

    lost_after_s: float = 5.0  # straps send once per second; five missing are no radio noise
    reconnect_after_s: float = 8.0  # a link silent for that long does not come back by itself
    scan_s: float = 15.0  # one scan; renewed, because a scan dies silently when the adapter is switched off and on
    choose_s: float = 5.0  # for rivals to be heard; straps advertise at least once per second
    scan_call_s: float = 5.0  # start or stop a scan; answered in ms
    connect_s: float = 20.0  # 0.4 s, 5.4 s with a strap that takes 0.5 s per answer
    subscribe_s: float = 10.0  # 3.0 s with that strap
    battery_s: float = 3.0  # a read that BlueZ answers "in progress" is repeated without end by Bleak
    battery_every_s: float = 600.0
    disconnect_s: float = 3.0  # a live link takes 1.8 to 2.7 s, one whose bluetoothd was replaced never answers
    leave_s: float = 4.0  # for everything, when we are asked to go
    retry_first_s: float = 0.5
    radio_retry_max_s: float = 5.0  # no adapter, no bluetoothd: asking is cheap, but may start bluetoothd each time
    strap_retry_max_s: float = 30.0  # a strap that refuses again and again
    bond_retry_s: float = 60.0  # a device that wants to be bonded wants a person first
    settled_s: float = 30.0  # of heart rate, and earlier failures are forgotten; Polar H7 was seen to drop at 30 s
    give_back_s: float = 10.0  # of heart rate from the first sensor, before the second one is left again
    first_choice_s: float = 30.0  # at the start, for the first sensor to be found before the second one is heard


class Trouble(SensorError):
    """Something that may pass: told, and tried again."""


class NotBondedError(Trouble):
    """A device that answers only to those whose keys it knows."""


class Heard(NamedTuple):
    """One advertisement, or (``rssi_dbm`` None) a device that is connected already and so does not advertise."""

    device: BLEDevice
    name: str
    services: tuple[str, ...]
    rssi_dbm: int | None


class Radio:
    """The default adapter, in use as long as ``keep`` runs."""

    def __init__(self, clock: Clock, timings: Timings, recovery_command: tuple[str, ...] = ()) -> None:
        self._clock = clock
        self._timings = timings
        self._recovery_command = recovery_command
        self._ears: dict[asyncio.Queue[Heard], bool] = {}  # and whether it wants every advertisement
        self._wanted = asyncio.Event()  # somebody looks for something
        self._news = asyncio.Event()  # the present scan is no longer what is wanted
        self._air = asyncio.Lock()  # some controllers cannot scan and call at the same time
        self._alarms: set[Callable[[str], None]] = set()
        self._bluetoothd_came = asyncio.Event()
        self._told = ""
        self.works = False  # the last scan could be started

    async def keep(self) -> None:
        """Scan whenever somebody listens, and watch bluetoothd come and go."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._scan_when_wanted(), name="scan")
            if sys.platform == "linux":
                group.create_task(self._watch_bluetoothd(), name="bluetoothd")

    @contextlib.contextmanager
    def listening(self, *, every: bool) -> Iterator[asyncio.Queue[Heard]]:
        """What is heard meanwhile. ``every`` advertisement, or only news: the first, and large changes of strength."""
        ear: asyncio.Queue[Heard] = asyncio.Queue(HEARD_KEPT)
        self._ears[ear] = every
        self._wanted.set()
        self._news.set()  # also for who joins: a new scan reports again what the present one has reported
        try:
            yield ear
        finally:
            del self._ears[ear]
            if not self._ears:
                self._wanted.clear()
                self._news.set()

    @contextlib.asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        """To be held while connecting: nobody scans or connects meanwhile."""
        self._news.set()
        async with self._air:
            yield

    @contextlib.contextmanager
    def alarming(self, alarm: Callable[[str], None]) -> Iterator[None]:
        """``alarm`` hears when every link is dead, and why; Bleak may never say so."""
        self._alarms.add(alarm)
        try:
            yield
        finally:
            self._alarms.discard(alarm)

    # scanning

    async def _scan_when_wanted(self) -> None:
        failures = 0
        recover_at_s = 0.0
        while True:
            await self._wanted.wait()
            try:
                async with self._air:
                    await self._scan()
                failures = 0
                continue
            except Trouble as trouble:
                self.works = False
                tell(log, str(trouble), self._told)
                self._told = str(trouble)
            if not failures:
                recover_at_s = max(recover_at_s, self._clock.now_s() + RECOVER_AFTER_S)
            if self._recovery_command and self._clock.now_s() >= recover_at_s:
                recover_at_s = self._clock.now_s() + RECOVER_EVERY_S
                await self._recover()
            self._bluetoothd_came.clear()
            await wait(
                self._bluetoothd_came,
                jittered(failures, self._timings.retry_first_s, self._timings.radio_retry_max_s),
            )
            failures = 0 if self._bluetoothd_came.is_set() else failures + 1  # it has its adapters a moment later

    async def _scan(self) -> None:
        """Listen until somebody wants something else, or for a while. Raises Trouble."""
        limit_s = self._timings.scan_call_s
        self._news.clear()
        scanner = BleakScanner(self._advertised, bluez={"filters": {"DuplicateData": any(self._ears.values())}})
        for device in await bounded("look for sensors", _connected(), limit_s):
            self._hear(Heard(device, device.name or "", tuple(_properties(device).get("UUIDs", ())), None))
        await bounded("look for sensors", scanner.start(), limit_s)
        self.works, self._told = True, ""
        try:
            await wait(self._news, self._timings.scan_s)
        finally:
            try:
                await bounded("stop the scan", scanner.stop(), limit_s)
            except Trouble as trouble:  # switched off meanwhile; what was heard was heard
                log.debug("%s", trouble)

    def _advertised(self, device: BLEDevice, data: AdvertisementData) -> None:
        if data.rssi != NOT_HEARD_DBM:
            self._hear(Heard(device, data.local_name or device.name or "", tuple(data.service_uuids), data.rssi))

    def _hear(self, heard: Heard) -> None:
        for ear in self._ears:
            put(ear, heard)

    async def _recover(self) -> None:
        """The runner's own command, for an adapter that nothing else brings back."""
        log.warning("Bluetooth does not come back: running %s", self._recovery_command[0])
        try:
            process = await asyncio.create_subprocess_exec(*self._recovery_command, stdin=asyncio.subprocess.DEVNULL)
            async with asyncio.timeout(RECOVERY_TAKES_S):
                code = await process.wait()
        except OSError as error:
            log.error("[sensor] recovery_command: %s: %s", self._recovery_command[0], error.strerror)
        except TimeoutError:
            process.kill()
            log.error("[sensor] recovery_command: not done within %g s", RECOVERY_TAKES_S)
        else:
            log.log(logging.ERROR if code else logging.INFO, "[sensor] recovery_command ended with %d", code)

    # bluetoothd

    async def _watch_bluetoothd(self) -> None:
        """After a crash of bluetoothd Bleak goes on saying "connected"; the bus knows at once."""
        from dbus_fast import BusType, Message
        from dbus_fast.aio import MessageBus

        failures = 0
        while True:
            bus = MessageBus(bus_type=BusType.SYSTEM)
            try:
                await bus.connect()
                bus.add_message_handler(self._owner_changed)
                rule = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.bluez'"
                await bus.call(
                    Message(
                        destination="org.freedesktop.DBus",
                        path="/org/freedesktop/DBus",
                        interface="org.freedesktop.DBus",
                        member="AddMatch",
                        signature="s",
                        body=[rule],
                    )
                )
                failures = 0
                await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
            except FOREIGN as error:
                log.debug("watch bluetoothd: %s", in_words(error))
            finally:
                bus.disconnect()
            await asyncio.sleep(jittered(failures, self._timings.retry_first_s, self._timings.radio_retry_max_s))
            failures += 1

    def _owner_changed(self, message: Any) -> None:
        if message.member == "NameOwnerChanged" and message.body[0] == "org.bluez":
            if message.body[2]:
                self._bluetoothd_came.set()
            else:
                for alarm in tuple(self._alarms):
                    alarm("bluetoothd ended")


# calls to Bleak


async def bounded(what: str, call: Coroutine[Any, Any, T], limit_s: float) -> T:
    """Await a call of Bleak for at most ``limit_s``. Raises Trouble in words, whatever went wrong.

    A call that hangs even when cancelled is left behind: Bleak's own clean-up
    may wait for an answer that bluetoothd never gives.
    """
    task = asyncio.create_task(call, name=what)
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # one left behind ends unheard
    try:
        await asyncio.wait({task}, timeout=limit_s)
        if not task.done():
            raise Trouble(f"{what}: no answer within {limit_s:g} s")
        with translated(what):
            return task.result()
    finally:
        for _again in range(2):  # the first starts the clean-up, the second ends that too
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=ABANDON_S)


# What Bleak lets through: besides its own, no D-Bus socket or a timeout (OSError), a bus that died (EOFError), refused
# authentication (ValueError), and its memory of BlueZ's objects when one vanishes in between (LookupError, assertions).
FOREIGN = (BleakError, OSError, EOFError, ValueError, LookupError, AssertionError)


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """Errors of Bleak as Trouble in words; ``what`` was being done."""
    try:
        yield
    except FOREIGN as error:
        kind = NotBondedError if _wants_bond(error) else Trouble
        raise kind(f"{what}: {in_words(error)}") from error


NOT_ALLOWED = "not allowed to use Bluetooth: add the user to group bluetooth, log in again"
BOND = "it wants to be bonded: set [sensor] bond = true; if it is, bluetoothctl remove ADDRESS and start again"


def in_words(error: BaseException) -> str:
    """What a runner can do about it."""
    if _wants_bond(error):
        return BOND
    match error:
        case BleakBluetoothNotAvailableError(reason=BleakBluetoothNotAvailableReason.POWERED_OFF):
            return "Bluetooth is switched off: bluetoothctl power on; if that fails rfkill unblock bluetooth"
        case BleakBluetoothNotAvailableError(reason=BleakBluetoothNotAvailableReason.NO_BLUETOOTH):
            return "no Bluetooth adapter: is the dongle plugged in?"
        case BleakBluetoothNotAvailableError():
            return NOT_ALLOWED
        case BleakDBusError(dbus_error=name):
            kind = name.rpartition(".")[2]
            if kind in ("ServiceUnknown", "NameHasNoOwner", "NoReply", "Disconnected") or ".Spawn." in name:
                return "bluetoothd does not answer: sudo systemctl start bluetooth"
            if kind == "InProgress":
                return "the adapter is busy: does another program scan, or a second hrbridge run?"
            if kind in ("UnknownObject", "UnknownMethod"):
                return "the adapter is not ready yet"
            if kind == "AccessDenied":
                return NOT_ALLOWED
        case FileNotFoundError() | ConnectionRefusedError():
            return "no D-Bus: sudo systemctl start dbus"
        case TimeoutError():
            return "no answer"
    return " ".join(str(error).split()) or type(error).__name__  # BlueZ ends some with a new line


_BOND_ERRORS = (
    "NotPaired",
    "NotAuthorized",
    "AuthenticationFailed",
    "AuthenticationRejected",
    "AuthenticationCanceled",
    "AuthenticationTimeout",
)


def _wants_bond(error: BaseException) -> bool:
    match error:
        case BleakDBusError(dbus_error=name):
            return name.rpartition(".")[2] in _BOND_ERRORS
        case BleakGATTProtocolError(
            code=BleakGATTProtocolErrorCode.INSUFFICIENT_AUTHENTICATION
            | BleakGATTProtocolErrorCode.INSUFFICIENT_AUTHORIZATION
            | BleakGATTProtocolErrorCode.INSUFFICIENT_ENCRYPTION
        ):
            return True
    return False


async def _connected() -> list[BLEDevice]:
    adapter = await BleakAdapter.get()
    return await adapter.get_connected_devices([HEART_RATE_SERVICE, FITNESS_MACHINE_SERVICE, RUNNING_SPEED_SERVICE])


def _properties(device: BLEDevice) -> dict[str, Any]:
    """What BlueZ knows of a device; nothing elsewhere."""
    return device.details.get("props", {}) if isinstance(device.details, dict) else {}


def changes_address(device: BLEDevice) -> bool:
    """Whether it is a watch or phone with a private address, new every quarter of an hour or so.

    The two highest bits of a random address are 11 when it stays (Bluetooth
    Core, volume 6, part B, section 1.3.2).
    """
    return _properties(device).get("AddressType") == "random" and int(device.address[:2], 16) < 0b11000000


def called(device: BLEDevice) -> str:
    """A device in the words of a log."""
    return f"{device.name} ({device.address})" if device.name else device.address


# small words of asyncio


async def wait(event: asyncio.Event, limit_s: float) -> None:
    """Until the event, or for ``limit_s``."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await event.wait()


def put(queue: asyncio.Queue[T], item: T) -> None:
    """Never waits: the oldest makes room."""
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(item)


def jittered(failures: int, first_s: float, longest_s: float) -> float:
    """How long to wait after so many failures: twice as long each time, and never quite the same for two bridges."""
    pause_s: float = min(longest_s, first_s * 2 ** min(failures, 10))
    return pause_s * random.uniform(0.5, 1.0)  # noqa: S311


def tell(logger: logging.Logger, words: str, told: str) -> None:
    """The same trouble is told once, however often it comes."""
    logger.log(logging.DEBUG if words == told else logging.WARNING, "%s", words)
