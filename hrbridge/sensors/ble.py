"""Holds one heart-rate strap over Bluetooth: finds it, listens to it, and finds it again whenever it is lost.

Nothing but leaving the ``async with`` or a configuration that cannot be meant
(two straps in range and none named) ends it. No adapter, no bluetoothd, no
strap in range, a link that dies: all are waited out, told once in words. That
a link is dead is concluded from silence, never from ``is_connected``: after a
crash of bluetoothd Bleak goes on saying True.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Coroutine, Iterator
from statistics import median
from typing import Any, Self, TypeVar

from bleak import BleakAdapter, BleakClient, BleakScanner
from bleak.backends.characteristic import BleakGATTCharacteristic
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

from hrbridge.config import Sensor
from hrbridge.errors import MalformedPacket, SensorError
from hrbridge.events import Event, Sample, SignalBack, SignalLost
from hrbridge.ports import Clock
from hrbridge.sensors.gatt import (
    BATTERY_LEVEL,
    HEART_RATE_MEASUREMENT,
    HEART_RATE_SERVICE,
    HeartRateMeasurement,
    decode_battery_level,
    decode_heart_rate_measurement,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

# Four minutes of a strap. When the reader is slower than that the oldest event is dropped: what counts is the newest.
EVENTS_KEPT = 256
# A minute of a strap, between its callback and us. When full the oldest is dropped, for the same reason.
PACKETS_KEPT = 64
# What a strap may send for "no reading": 0 by the specification, 255 is the largest value of one byte.
NO_READING_BPM = (0, 255)
MALFORMED_IN_A_ROW = 10
ABANDON_S = 1.0  # for a cancelled call to end; it has no more to do than to hang up
# A strap that drops every 15 s and is asked back after ever longer pauses is heard less and less: once it gives heart
# rate the next pause is at most 2 s (measured over seven drops: gaps of 3 s growing to 12 s and more without this).
FAILURES_OF_A_LIVE_STRAP = 2
# How much stronger than all others an unnamed strap must be heard to be the runner's own, and how often.
OWN_STRAP_LEAD_DB = 10
OWN_STRAP_ADVERTISEMENTS = 3
# BlueZ reports any change of a device during a scan; without a signal strength it was not an advertisement.
NOT_HEARD_DBM = -127


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
    disconnect_s: float = 4.0  # a live link takes 1.8 to 2.7 s, one whose bluetoothd was replaced never answers
    retry_first_s: float = 0.5
    radio_retry_max_s: float = 5.0  # no adapter, no bluetoothd: asking is cheap, but may start bluetoothd each time
    strap_retry_max_s: float = 30.0  # a strap that refuses again and again
    settled_s: float = 30.0  # of heart rate, and earlier failures are forgotten; Polar H7 was seen to drop at 30 s


class Trouble(SensorError):
    """Something that may pass: told, and tried again."""


class BleSensor:
    """The strap named by ``settings.address`` or ``settings.name`` (its beginning), else the only one in range.

    Gives Sample for every packet, stamped with ``clock`` on arrival,
    SignalLost when the link or the heart rate is gone, SignalBack with the
    first packet after that. Raises SensorError from the iteration when it
    would have to guess between straps, or the named device has no heart rate.
    """

    def __init__(self, settings: Sensor, clock: Clock, timings: Timings | None = None) -> None:
        self._address = settings.address.upper()
        self._name = settings.name.casefold()
        self._clock = clock
        self._timings = timings or Timings()
        self._events: asyncio.Queue[Event | BaseException] = asyncio.Queue(EVENTS_KEPT)
        self._mine: BLEDevice | None = None  # once heard it is never exchanged for another in the same run
        self._without_heart_rate: set[str] = set()  # addresses that announce the service and do not have it
        self._perhaps_connected = True  # left connected by a process that was killed, and so not advertising
        self._signal: bool | None = None  # None: there has not been any yet
        self._battery_percent: int | None = None  # newly read, for the next sample
        self._failures = 0
        self._restarted_for_garbage = False
        self._told = ""
        self._keeper: asyncio.Task[None]
        self._goodbye: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep(), name="strap")
        self._keeper.add_done_callback(self._keeper_ended)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._keeper.cancel()
        await asyncio.wait({self._keeper})
        if self._goodbye is not None:
            await asyncio.wait({self._goodbye})

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        event = await self._events.get()
        if isinstance(event, BaseException):
            raise event
        return event

    def _keeper_ended(self, keeper: asyncio.Task[None]) -> None:
        if not keeper.cancelled() and (error := keeper.exception()):
            _put(self._events, error)

    async def _keep(self) -> None:
        """Find the strap, listen, and again; waits between failures, longer each time."""
        timings = self._timings
        radio_failures = 0
        while True:
            try:
                strap = await self._find()
            except Trouble as trouble:
                self._tell(str(trouble))
                await self._pause(radio_failures, timings.radio_retry_max_s)
                radio_failures += 1
                continue
            radio_failures = 0
            if strap is None:
                self._tell(f"{self._wanted()} not heard: worn, wet, not connected to a phone or watch? Still looking")
                continue  # the scan was the wait
            try:
                why = await self._listen(strap)
            except Trouble as trouble:
                why = str(trouble)
                self._tell(why)
            self._lose(why)
            await self._pause(self._failures, timings.strap_retry_max_s)
            self._failures += 1

    async def _pause(self, failures: int, longest_s: float) -> None:
        pause_s = min(longest_s, self._timings.retry_first_s * 2 ** min(failures, 10))
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311  many bridges may start at once

    # finding

    async def _find(self) -> BLEDevice | None:
        """The strap, or None when a whole scan did not hear it. Raises Trouble and SensorError."""
        connected: list[BLEDevice] = []
        if self._perhaps_connected:
            connected = await bounded("look for connected straps", _connected_straps(), self._timings.scan_call_s)
        for device in connected:
            if self._is_mine(device):
                self._perhaps_connected = False  # if it does not work scan next time: what Bleak remembers may be stale
                log.info("%s is still connected: taking it over", _called(device))
                return device
        found = await self._scan([device for device in connected if self._may_be_mine(device, device.name)])
        self._perhaps_connected = found is None
        return found

    async def _scan(self, connected: list[BLEDevice]) -> BLEDevice | None:
        """Listen to advertisements until the strap is certain, or for a while and then choose."""
        timings = self._timings
        candidates = {device.address: Candidate(device, []) for device in connected}
        certain: list[BLEDevice] = []
        heard_candidate, heard_mine = asyncio.Event(), asyncio.Event()

        def advertised(device: BLEDevice, data: AdvertisementData) -> None:
            if data.rssi == NOT_HEARD_DBM:
                return
            if self._is_mine(device):
                certain.append(device)
                heard_mine.set()
                heard_candidate.set()
            elif self._may_be_mine(device, data.local_name or device.name):
                if device.address not in candidates:
                    log.info("heard %s, %d dBm", _called(device), data.rssi)
                    candidates[device.address] = Candidate(device, [])
                candidates[device.address].rssi_dbm.append(data.rssi)
                heard_candidate.set()

        address_known = bool(self._address or self._mine)
        scanner = BleakScanner(
            advertised,
            # Not every strap advertises the service; one that is named is recognised without.
            service_uuids=None if address_known or self._name else [HEART_RATE_SERVICE],
            # Choosing counts every advertisement; BlueZ by itself reports the first and large changes.
            bluez={"filters": {"DuplicateData": not address_known}},
        )
        await bounded("scan", scanner.start(), timings.scan_call_s)
        try:
            if not connected:
                await _wait(heard_candidate, timings.scan_s)
            if connected or heard_candidate.is_set():
                await _wait(heard_mine, timings.choose_s)
        finally:
            try:
                await bounded("stop the scan", scanner.stop(), timings.scan_call_s)
            except Trouble as trouble:  # switched off meanwhile; what was heard was heard
                log.debug("%s", trouble)
        if certain:
            return certain[-1]
        if not candidates or (self._mine and len(candidates) > 1):
            return None
        return choose(list(candidates.values()))

    def _is_mine(self, device: BLEDevice) -> bool:
        address = self._mine.address if self._mine else self._address
        return device.address.upper() == address.upper()

    def _may_be_mine(self, device: BLEDevice, name: str | None) -> bool:
        """Whether a device whose address is not the right one is a candidate."""
        if self._address or device.address in self._without_heart_rate:
            return False
        if self._mine:
            return name == self._mine.name and _changes_address(device) and _changes_address(self._mine)
        return (name or "").casefold().startswith(self._name)

    def _wanted(self) -> str:
        if self._mine:
            return _called(self._mine)
        return self._address or self._name or "a heart-rate strap"

    # listening

    async def _listen(self, strap: BLEDevice) -> str:
        """Connect and pass on what comes until the link is of no use; returns why. Raises Trouble and SensorError."""
        timings = self._timings
        # Each connection has its own queue: what an old one still delivers, nobody reads.
        packets: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue(PACKETS_KEPT)

        def arrived(_char: BleakGATTCharacteristic, data: bytearray) -> None:
            _put(packets, (self._clock.now_s(), bytes(data)))

        client = BleakClient(strap, lambda _client: _put(packets, None), timeout=timings.connect_s)
        try:
            # Bleak keeps the limit itself and then hangs up; ours is for when that hangs.
            await bounded(f"connect to {_called(strap)}", client.connect(), timings.connect_s + timings.disconnect_s)
            with _translated(f"connect to {_called(strap)}"):  # the link may be gone again
                chars = client.services.characteristics.values()
            measurement = next((char for char in chars if char.uuid == HEART_RATE_MEASUREMENT), None)
            if measurement is None:
                raise self._no_heart_rate(strap)
            await bounded(
                f"subscribe to {_called(strap)}", client.start_notify(measurement, arrived), timings.subscribe_s
            )
            self._mine = strap
            heard = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                battery = group.create_task(self._watch_battery(client, heard), name="battery")
                try:
                    why = await self._pass_on(strap, packets, heard)
                finally:
                    battery.cancel()
            if not heard.is_set():
                raise Trouble(f"{_called(strap)}: connected, then {why}: is it worn, and wet?")
            return why
        finally:
            await self._disconnect(client)

    def _no_heart_rate(self, strap: BLEDevice) -> SensorError:
        """A device without heart rate: an error if it was asked for, else left aside from now on."""
        if (self._address or self._name) and self._mine is None:
            return SensorError(
                f"{_called(strap)} measures no heart rate; on a watch switch on heart-rate broadcast, "
                "else correct [sensor] address or name (hrbridge scan lists the straps)"
            )
        if self._mine is None:
            self._without_heart_rate.add(strap.address)
        return Trouble(f"{_called(strap)} shows no heart rate")

    async def _pass_on(
        self, strap: BLEDevice, packets: asyncio.Queue[tuple[float, bytes] | None], heard: asyncio.Event
    ) -> str:
        """Turn packets into events; returns why the link is of no more use."""
        timings = self._timings
        connected_s = sensible_s = self._clock.now_s()  # sensible_s: of the last packet that could be read
        malformed = 0
        while True:
            silent_s = self._clock.now_s() - sensible_s if packets.empty() else 0.0
            if silent_s >= timings.reconnect_after_s:
                return f"silent for {timings.reconnect_after_s:g} s"
            if silent_s >= timings.lost_after_s:
                self._lose(f"silent for {timings.lost_after_s:g} s")
            limit_s = timings.lost_after_s if silent_s < timings.lost_after_s else timings.reconnect_after_s
            try:
                async with asyncio.timeout(limit_s - silent_s):
                    packet = await packets.get()
            except TimeoutError:
                continue
            if packet is None:
                return "disconnected"
            at_s, data = packet
            try:
                measurement = decode_heart_rate_measurement(data)
            except MalformedPacket as error:
                log.debug("%s", error)
                malformed += 1
                if malformed >= MALFORMED_IN_A_ROW and not self._restarted_for_garbage:
                    self._restarted_for_garbage = True  # once; from there on the silence decides
                    return f"{malformed} packets in a row make no sense"
                continue
            malformed, sensible_s, self._restarted_for_garbage = 0, at_s, False
            if not heard.is_set():
                self._failures = min(self._failures, FAILURES_OF_A_LIVE_STRAP)
                log.info("%s: heart rate arrives", _called(strap))
                self._told = ""
                heard.set()
            if at_s - connected_s >= timings.settled_s:
                self._failures = 0
            self._hear(at_s, measurement, strap.address)

    async def _watch_battery(self, client: BleakClient, heard: asyncio.Event) -> None:
        """Read the battery now and then, first when heart rate is there: that must not wait for it."""
        await heard.wait()
        while True:
            try:
                level = await bounded("read the battery", client.read_gatt_char(BATTERY_LEVEL), self._timings.battery_s)
                self._battery_percent = decode_battery_level(bytes(level))
            except (Trouble, MalformedPacket) as error:
                log.debug("%s", error)
            await asyncio.sleep(self._timings.battery_every_s)

    async def _disconnect(self, client: BleakClient) -> None:
        """To be called after every connection, also one that is lost already.

        Only this closes the D-Bus connection of a Bleak client; one left open
        makes every packet of the next connection arrive twice. It runs as a
        task of its own so that leaving the sensor does not break it off: a
        link that is left open keeps the strap from advertising.
        """
        self._goodbye = asyncio.create_task(self._hang_up(client), name="goodbye")
        await asyncio.wait({self._goodbye})

    async def _hang_up(self, client: BleakClient) -> None:
        try:
            await bounded("disconnect", client.disconnect(), self._timings.disconnect_s)
        except Trouble as trouble:  # the link is lost either way
            log.debug("%s", trouble)

    # telling

    def _hear(self, at_s: float, measurement: HeartRateMeasurement, source: str) -> None:
        if self._signal is False:
            _put(self._events, SignalBack(at_s))
        self._signal = True
        bpm = measurement.heart_rate_bpm
        sample = Sample(
            at_s,
            heart_rate_bpm=None if bpm in NO_READING_BPM else bpm,
            rr_s=measurement.rr_s,
            contact=measurement.contact,
            energy_kj=measurement.energy_kj,
            battery_percent=self._battery_percent,
            source=source,
        )
        self._battery_percent = None
        log.debug("%s", sample)
        _put(self._events, sample)

    def _lose(self, why: str) -> None:
        if self._signal:
            self._signal = False
            log.info("heart rate lost: %s", why)
            _put(self._events, SignalLost(self._clock.now_s(), why=why))

    def _tell(self, words: str) -> None:
        """The same trouble is told once, however often it comes."""
        log.log(logging.DEBUG if words == self._told else logging.WARNING, "%s", words)
        self._told = words


class Candidate(Struct, frozen=True):
    """A strap in range and how strongly it was heard, one value per advertisement; none for one already connected."""

    device: BLEDevice
    rssi_dbm: list[int]

    @property
    def strength_dbm(self) -> float | None:
        return median(self.rssi_dbm) if self.rssi_dbm else None

    def __str__(self) -> str:
        strength = "connected already" if self.strength_dbm is None else f"{self.strength_dbm:.0f} dBm"
        return f"{_called(self.device)} {strength}"


def choose(candidates: list[Candidate]) -> BLEDevice:
    """The only candidate, or one that is so much stronger that it must be worn here.

    Never a guess: raises SensorError that lists them all.
    """
    if len(candidates) == 1:
        return candidates[0].device
    strength_dbm = [candidate.strength_dbm for candidate in candidates]
    known_dbm = sorted(strength for strength in strength_dbm if strength is not None)
    if len(known_dbm) == len(candidates) and known_dbm[-1] - known_dbm[-2] >= OWN_STRAP_LEAD_DB:
        strongest = candidates[strength_dbm.index(known_dbm[-1])]
        if len(strongest.rssi_dbm) >= OWN_STRAP_ADVERTISEMENTS:
            return strongest.device
    raise SensorError(
        f"{len(candidates)} straps in range: {', '.join(map(str, candidates))}; "
        f'name yours, for example [sensor] address = "{candidates[0].device.address}"'
    )


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
        with _translated(what):
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
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except FOREIGN as error:
        raise Trouble(f"{what}: {in_words(error)}") from error


NOT_ALLOWED = "not allowed to use Bluetooth: add the user to group bluetooth, log in again"
PAIR = "it wants to be paired: bluetoothctl pair ADDRESS"


def in_words(error: BaseException) -> str:
    """What a runner can do about it."""
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
            if kind == "AccessDenied":
                return NOT_ALLOWED
            if kind in ("NotPaired", "NotAuthorized", "AuthenticationFailed", "AuthenticationRejected"):
                return PAIR
        case BleakGATTProtocolError(
            code=BleakGATTProtocolErrorCode.INSUFFICIENT_AUTHENTICATION
            | BleakGATTProtocolErrorCode.INSUFFICIENT_AUTHORIZATION
            | BleakGATTProtocolErrorCode.INSUFFICIENT_ENCRYPTION
        ):
            return PAIR
        case FileNotFoundError() | ConnectionRefusedError():
            return "no D-Bus: sudo systemctl start dbus"
        case TimeoutError():
            return "no answer"
    return str(error) or type(error).__name__


async def _connected_straps() -> list[BLEDevice]:
    adapter = await BleakAdapter.get()
    return await adapter.get_connected_devices([HEART_RATE_SERVICE])


async def _wait(event: asyncio.Event, limit_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await event.wait()


def _put(queue: asyncio.Queue[T], item: T) -> None:
    """Never waits: the oldest makes room."""
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(item)


def _changes_address(device: BLEDevice) -> bool:
    """Whether it is a watch or phone with a private address, new every quarter of an hour or so.

    The two highest bits of a random address are 11 when it stays (Bluetooth
    Core, volume 6, part B, section 1.3.2).
    """
    properties = device.details.get("props", {}) if isinstance(device.details, dict) else {}
    return properties.get("AddressType") == "random" and int(device.address[:2], 16) < 0b11000000


def _called(device: BLEDevice) -> str:
    return f"{device.name} ({device.address})" if device.name else device.address
