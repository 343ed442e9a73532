"""Holds one Bluetooth device: finds it, listens to it, and finds it again whenever it is lost.

Nothing but a configuration that cannot be meant (two straps in range and none
named), or another process that holds the same device, ends it. That a link is
dead is concluded from silence, or from the end of bluetoothd, never from
``is_connected``: after a crash Bleak goes on saying True.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Mapping
from enum import StrEnum
from statistics import median
from typing import NamedTuple

from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.device import BLEDevice
from msgspec import Struct
from msgspec.structs import replace

from hrbridge.errors import MalformedPacket, SensorError
from hrbridge.events import Event, Sample, SignalLost
from hrbridge.ports import Clock
from hrbridge.sensors.calls import (
    NotBondedError,
    Trouble,
    bounded,
    called,
    changes_address,
    hang_up,
    jittered,
    put,
    tell,
    translated,
)
from hrbridge.sensors.claim import claimed
from hrbridge.sensors.gatt import BATTERY_LEVEL, HEART_RATE_SERVICE, decode_battery_level
from hrbridge.sensors.radio import Heard, Radio, Timings

log = logging.getLogger(__name__)

# A minute of a strap, between its callback and us. When full the oldest is dropped, for the same reason.
PACKETS_KEPT = 64
MALFORMED_IN_A_ROW = 10
# A strap that drops every 15 s and is asked back after ever longer pauses is heard less and less: once it gives heart
# rate the next pause is at most 2 s (measured over seven drops: gaps of 3 s growing to 12 s and more without this).
FAILURES_OF_A_LIVE_STRAP = 2
# How much stronger than all others an unnamed strap must be heard to be the runner's own, and how often.
OWN_STRAP_LEAD_DB = 10
OWN_STRAP_ADVERTISEMENTS = 3
# So many links in a row that lasted equally long were ended by a rule, not by the air. Seen: a Polar H7 after 30 s, H10
# and H9 after 150 s, where strap and adapter disagree on the connection parameters.
EQUAL_LIVES, EQUAL_WITHIN, SHORTEST_LIFE_S = 3, 0.1, 5.0
PARAMETERS_HINT = (
    "strap and adapter may disagree on the connection; what helped others: in /etc/bluetooth/main.conf, under [LE], "
    "MinConnectionInterval=6, MaxConnectionInterval=3200, ConnectionSupervisionTimeout=1000, and restart bluetooth"
)

Read = Callable[[float, bytes, str], Event | None]


class Role(StrEnum):
    """What a device is here for."""

    FIRST = "heart rate"
    SECOND = "second heart rate"
    SPEED = "speed"


class News(NamedTuple):
    """What a link has to tell: an event, or the error that ended it."""

    role: Role
    event: Event | BaseException


class Wanted(Struct, frozen=True, kw_only=True):
    """Which device: by address, or by the beginning of its name, else the only one in range that has ``service``.

    What ``others`` name more closely, by an address or a longer name, is not it.
    """

    role: Role
    service: str = HEART_RATE_SERVICE
    address: str = ""
    name: str = ""
    others: tuple[Wanted, ...] = ()
    bond: bool = False

    def means(self, heard: Heard) -> bool:
        """Whether this may be it, by what is heard of it."""
        return self.fits(heard.device.address, heard.name, heard.services)

    def fits(self, address: str, name: str, services: tuple[str, ...]) -> bool:
        """The same of a device that was heard before."""
        if self.address:
            return address.upper() == self.address.upper()
        closer = (other for other in self.others if other.address or len(other.name) > len(self.name))
        if any(other.fits(address, name, services) for other in closer):
            return False
        if self.name:  # not every strap advertises the service; one that is named is recognised without
            return name.casefold().startswith(self.name.casefold())
        return self.service in services

    def __str__(self) -> str:
        return self.address or self.name or "a heart-rate strap"


class Link:
    """One wanted device. As long as ``keep`` runs, ``news`` gets the events of its packets, and SignalLost in silence.

    ``readers`` turn the packets of a characteristic into events; of several
    that a device has, the first is listened to.
    """

    def __init__(
        self,
        wanted: Wanted,
        readers: Mapping[str, Read],
        radio: Radio,
        clock: Clock,
        timings: Timings,
        news: asyncio.Queue[News],
    ) -> None:
        self.role = wanted.role
        self._wanted = wanted
        self._readers = readers
        self._radio = radio
        self._clock = clock
        self._timings = timings
        self._news = news
        self._mine: BLEDevice | None = None  # once heard it is never exchanged for another in the same run
        self._source = ""  # its first address: one that changes makes no other sensor of it
        self._of_no_use: set[str] = set()  # addresses that announce the service and do not have it
        self._adopts = True  # a device left connected by a process that was killed is taken over
        self._alive = False
        self._mute = False  # gave heart rate and fell silent, and was neither heard nor cured since
        self._refusals = 0  # calls in a row that came to nothing
        self._battery_percent: int | None = None  # newly read, for the next sample
        self._failures = 0
        self._lives_s: deque[float] = deque(maxlen=EQUAL_LIVES)
        self._restarted_for_garbage = False
        self._told: set[str] = set()
        self._bonds = wanted.bond  # the next call asks for a bond
        self._claims = contextlib.ExitStack()
        self._goodbyes: set[asyncio.Task[None]] = set()

    async def keep(self) -> None:
        """Find the device, listen, and again; waits between failures, longer each time. Raises SensorError."""
        with self._claims:
            try:
                while True:
                    await self._keep_once()
            finally:
                if self._goodbyes:
                    await asyncio.wait(self._goodbyes)

    async def _keep_once(self) -> None:
        timings = self._timings
        device = await self._find()
        if device is None:
            if self._radio.works:
                tell(log, self._not_heard(), self._told)
            if self.role is not Role.FIRST:  # the run goes on without it: no scan without end
                await self._pause(self._failures, timings.strap_retry_max_s)
                self._failures += 1
            return
        longest_s = timings.strap_retry_max_s
        try:
            await self._listen(device)
        except Trouble as trouble:
            tell(log, str(trouble), self._told)
            self._refusals += 1
            if self._mute and self._refusals > 1:  # one alone is everyday: seen in 7 of 25 calls
                await self._cure(device)
            self._bonds = self._wanted.bond
            if isinstance(trouble, NotBondedError):
                longest_s = timings.bond_retry_s
        await self._pause(self._failures, longest_s)
        self._failures += 1

    async def _pause(self, failures: int, longest_s: float) -> None:
        await asyncio.sleep(jittered(failures, self._timings.retry_first_s, longest_s))

    async def _cure(self, device: BLEDevice) -> None:
        """Once per silence: what has not helped is no hung adapter, but a strap that was taken off."""
        if await self._radio.power_cycle(device):
            self._mute = False

    # finding

    async def _find(self) -> BLEDevice | None:
        """The device, or None when it was not heard for a while. Raises SensorError."""
        candidates: dict[str, Candidate] = {}
        address_known = bool(self._wanted.address or self._mine)
        found: BLEDevice | None = None
        # Choosing counts every advertisement; BlueZ by itself reports the first and large changes.
        with self._radio.listening(every=not address_known) as ear, contextlib.suppress(TimeoutError):
            if self._mute and self._mine:
                try:
                    async with asyncio.timeout(self._timings.mute_s):
                        found = await self._hear_mine(ear, candidates, or_any=False)
                except TimeoutError:
                    await self._cure(self._mine)
            if found is None:
                # While the adapter hangs it refuses to be switched off: to be asked again soon.
                async with asyncio.timeout(self._timings.mute_s if self._mute else self._timings.scan_s):
                    found = await self._hear_mine(ear, candidates, or_any=True)
            if found is None:
                async with asyncio.timeout(self._timings.choose_s):
                    found = await self._hear_mine(ear, candidates, or_any=False)
        if found is None and candidates and not (self._mine and len(candidates) > 1):
            found = choose(list(candidates.values()))
        self._adopts = found is None  # if what is taken over does not work scan next time: Bleak's memory may be stale
        return found

    async def _hear_mine(
        self, ear: asyncio.Queue[Heard], candidates: dict[str, Candidate], *, or_any: bool
    ) -> BLEDevice | None:
        """Listen until the device is certain; None with the first candidate, if ``or_any`` will do."""
        while True:
            heard = await ear.get()
            device = heard.device
            if heard.rssi_dbm is None and not self._adopts:
                continue
            if self._is_mine(device):
                if heard.rssi_dbm is None:
                    log.info("%s is still connected: taking it over", called(device))
                return device
            if self._may_be_mine(heard):
                if device.address not in candidates:
                    log.info("heard %s", Candidate(device, [] if heard.rssi_dbm is None else [heard.rssi_dbm]))
                candidate = candidates.setdefault(device.address, Candidate(device, []))
                if heard.rssi_dbm is not None:
                    candidate.rssi_dbm.append(heard.rssi_dbm)
                if or_any:
                    return None

    def _is_mine(self, device: BLEDevice) -> bool:
        address = self._mine.address if self._mine else self._wanted.address
        return device.address.upper() == address.upper()

    def _may_be_mine(self, heard: Heard) -> bool:
        """Whether a device whose address is not the right one is a candidate."""
        device, wanted = heard.device, self._wanted
        if self._radio.taken.get(device.address, self) is not self:
            return False
        if self._mine:  # without a name it could be any telephone
            same_name = bool(device.name) and device.name == self._mine.name
            return same_name and changes_address(device) and changes_address(self._mine)
        return not wanted.address and device.address not in self._of_no_use and wanted.means(heard)

    def _not_heard(self) -> str:
        if self.role is Role.SPEED:
            return f"{self._wanted} not heard: switched on, and not connected to something else? Still looking"
        if self._mine:
            return (
                f"{called(self._mine)} not heard any more: worn, wet, not connected to a phone or watch? "
                "If it is a watch: does it still broadcast? Still looking"
            )
        return f"{self._wanted} not heard: worn, wet, not connected to a phone or watch? Still looking"

    # listening

    def _claim(self, device: BLEDevice) -> None:
        """Nobody else may have it, neither in this process nor in another. Raises Trouble and SensorError."""
        taken = self._radio.taken
        if device.address not in taken:
            self._claims.enter_context(claimed(device.address))
            taken[device.address] = self
            self._claims.callback(taken.pop, device.address)
        if taken[device.address] is not self:
            raise Trouble(f"{called(device)} is listened to already")

    async def _listen(self, device: BLEDevice) -> None:
        """Connect and pass on what comes until the link is of no use. Raises Trouble and SensorError."""
        timings = self._timings
        self._claim(device)
        # Each connection has its own queue: what an old one still delivers, nobody reads. A text: why it is over.
        packets: asyncio.Queue[tuple[float, bytes] | str] = asyncio.Queue(PACKETS_KEPT)

        def arrived(_char: BleakGATTCharacteristic, data: bytearray) -> None:
            put(packets, (self._clock.now_s(), bytes(data)))

        client = BleakClient(
            device,
            lambda _client: put(packets, "disconnected"),
            timeout=timings.connect_s,
            pair=self._bonds,
        )
        try:
            try:
                async with self._radio.calling():
                    # Bleak keeps the limit itself and then hangs up; ours is for when that hangs.
                    limit_s = timings.connect_s + timings.disconnect_s
                    await bounded(f"connect to {called(device)}", client.connect(), limit_s)
            except NotBondedError:
                if not self._bonds:
                    raise
                self._bonds = False  # it may know no bonds at all: the next call goes without
                log.info("%s refuses to be bonded: trying without", called(device))
                return
            while not packets.empty():  # Bleak tries again by itself when Wi-Fi disturbs, and tells of each failure
                packets.get_nowait()
            with translated(f"connect to {called(device)}"):  # the link may be gone again
                chars = {char.uuid: char for char in client.services.characteristics.values()}
            uuid = next((uuid for uuid in self._readers if uuid in chars), None)
            if uuid is None:
                raise self._no_use(device)
            await bounded(
                f"subscribe to {called(device)}", client.start_notify(chars[uuid], arrived), timings.subscribe_s
            )
            if self._mine is None:
                self._source = device.address
                self._warn_of_changing_address(device)
            self._mine = device
            first = asyncio.Event()
            battery = asyncio.create_task(self._watch_battery(client, first), name="battery")
            try:
                with self._radio.bluetoothd.alarming(lambda why: put(packets, why)):
                    why = await self._pass_on(device, self._readers[uuid], packets, first)
                self._lose(why)  # before hanging up, which may take seconds
            finally:
                battery.cancel()
                await asyncio.wait({battery})
            if not first.is_set():
                worn = "" if self.role is Role.SPEED else ": is it worn, and wet?"
                raise Trouble(f"{called(device)}: connected, then {why}{worn}")
        finally:
            await hang_up(client, timings.disconnect_s, self._goodbyes)

    def _no_use(self, device: BLEDevice) -> SensorError:
        """A device that lacks what it is wanted for: an error if it was asked for, else left aside from now on."""
        wanted = self._wanted
        if self._mine is None and wanted.role is Role.SPEED:
            return SensorError(
                f"{called(device)} tells no speed: neither treadmill (FTMS) nor foot pod (RSC); "
                "correct [sensor] speed_address (hrbridge scan lists what is in range)"
            )
        if self._mine is None and (wanted.address or wanted.name):
            return SensorError(
                f"{called(device)} measures no heart rate; on a watch switch on heart-rate broadcast, "
                "else correct [sensor] address or name (hrbridge scan lists the straps)"
            )
        if self._mine is None:
            self._of_no_use.add(device.address)
        return Trouble(f"{called(device)} shows no {wanted.role}")

    def _warn_of_changing_address(self, device: BLEDevice) -> None:
        if self._wanted.address and changes_address(device) and device.name:
            log.warning(
                "%s changes its address now and then: let the configuration say name = %r instead",
                called(device),
                device.name,
            )

    async def _pass_on(
        self, device: BLEDevice, read: Read, packets: asyncio.Queue[tuple[float, bytes] | str], first: asyncio.Event
    ) -> str:
        """Turn packets into events; returns why the link is of no more use."""
        timings = self._timings
        connected_s = sensible_s = self._clock.now_s()  # sensible_s: of the last packet that could be read
        malformed = 0
        while True:
            silent_s = self._clock.now_s() - sensible_s if packets.empty() else 0.0
            if silent_s >= timings.reconnect_after_s:
                # A foot pod that stands still and a strap that was never worn are silent without a hung adapter.
                self._mute |= first.is_set() and self.role is not Role.SPEED
                return f"silent for {timings.reconnect_after_s:g} s"
            if silent_s >= timings.lost_after_s:
                self._lose(f"silent for {timings.lost_after_s:g} s")
            limit_s = timings.lost_after_s if silent_s < timings.lost_after_s else timings.reconnect_after_s
            try:
                async with asyncio.timeout(limit_s - silent_s):
                    packet = await packets.get()
            except TimeoutError:
                continue
            if isinstance(packet, str):
                if first.is_set() and packet == "disconnected":
                    self._suspect_parameters(device, self._clock.now_s() - connected_s)
                return packet
            at_s, data = packet
            try:
                event = read(at_s, data, self._source)
            except MalformedPacket as error:
                log.debug("%s", error)
                malformed += 1
                if malformed >= MALFORMED_IN_A_ROW and not self._restarted_for_garbage:
                    self._restarted_for_garbage = True  # once; from there on the silence decides
                    return f"{malformed} packets in a row make no sense"
                continue
            malformed, sensible_s, self._restarted_for_garbage, self._mute = 0, at_s, False, False
            if not first.is_set():
                self._failures = min(self._failures, FAILURES_OF_A_LIVE_STRAP)
                log.info("%s: %s arrives", called(device), self.role)
                self._told.clear()
                self._refusals = 0
                first.set()
            if at_s - connected_s >= timings.settled_s:
                self._failures = 0
            if event is not None:
                self._pass(event)

    def _suspect_parameters(self, device: BLEDevice, life_s: float) -> None:
        self._lives_s.append(life_s)
        lives_s = self._lives_s
        mean_s = sum(lives_s) / len(lives_s)
        if (
            len(lives_s) == EQUAL_LIVES
            and min(lives_s) >= max(SHORTEST_LIFE_S, mean_s * (1 - EQUAL_WITHIN))
            and max(lives_s) <= mean_s * (1 + EQUAL_WITHIN)
        ):
            log.warning("%s ends the connection every %.0f s: %s", called(device), mean_s, PARAMETERS_HINT)
            lives_s.clear()

    async def _watch_battery(self, client: BleakClient, first: asyncio.Event) -> None:
        """Read the battery now and then, but not before the first packet: nothing must wait for it."""
        await first.wait()
        while True:
            try:
                level = await bounded("read the battery", client.read_gatt_char(BATTERY_LEVEL), self._timings.battery_s)
                self._battery_percent = decode_battery_level(bytes(level))
            except (Trouble, MalformedPacket) as error:
                log.debug("%s", error)
            await asyncio.sleep(self._timings.battery_every_s)

    # telling

    def _pass(self, event: Event) -> None:
        self._alive = True
        if isinstance(event, Sample) and self._battery_percent is not None:
            event, self._battery_percent = replace(event, battery_percent=self._battery_percent), None
        log.debug("%s", event)
        put(self._news, News(self.role, event))

    def _lose(self, why: str) -> None:
        if self._alive:
            self._alive = False
            log.info("%s lost: %s", self.role, why)
            put(self._news, News(self.role, SignalLost(self._clock.now_s(), why=why)))


class Candidate(Struct, frozen=True):
    """A device in range and how strongly it was heard, one value per advertisement; none for one already connected."""

    device: BLEDevice
    rssi_dbm: list[int]

    @property
    def strength_dbm(self) -> float | None:
        return median(self.rssi_dbm) if self.rssi_dbm else None

    def __str__(self) -> str:
        strength = "connected already" if self.strength_dbm is None else f"{self.strength_dbm:.0f} dBm"
        return f"{called(self.device)} {strength}"


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
        f'name yours, for example [sensor] address = "{candidates[0].device.address}" (hrbridge pair does it)'
    )
