"""What is in range: straps with their live pulse, treadmills and foot pods. For choosing one, not for a run.

Straps are called one after the other, the strongest first, and listened to
until the survey ends. What another hrbridge or another program holds is listed
and left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Any, Self

from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.device import BLEDevice
from msgspec import Struct
from msgspec.structs import replace

from hrbridge.errors import MalformedPacket, SensorError
from hrbridge.ports import Clock
from hrbridge.sensors.ble import read_heart_rate
from hrbridge.sensors.calls import (
    NotBondedError,
    Trouble,
    bounded,
    changes_address,
    hang_up,
    jittered,
    put,
    translated,
)
from hrbridge.sensors.claim import claimed
from hrbridge.sensors.gatt import (
    BATTERY_LEVEL,
    FITNESS_MACHINE_SERVICE,
    HEART_RATE_MEASUREMENT,
    HEART_RATE_SERVICE,
    RUNNING_SPEED_SERVICE,
    decode_battery_level,
)
from hrbridge.sensors.radio import Heard, Radio, Timings

# Links that are open at once: adapters hold about seven, and the strap in question is among the strongest.
MOST_LINKS = 5
# Before the first call, so that it goes to the strongest: straps advertise at least once per second.
HEAR_FIRST_S = 1.0
# A strap that takes 0.5 s per answer is connected in 5.4 s; one that does not answer holds up the others.
SURVEYING = Timings(connect_s=8.0)
# What is in use may be free again.
ASK_AGAIN_S = 5.0
# A quarter of a minute, between Bleak's callback and us. When full the oldest is dropped: the newest pulse counts.
PACKETS_KEPT = 16

NOT_CALLED = "not called yet"
TOO_MANY = f"not called: {MOST_LINKS} others are"
SILENT = "connected, but silent: worn, and wet?"
NO_PULSE = "connected, but without a pulse: worn, and wet?"
NO_HEART_RATE = "measures no heart rate; on a watch switch on heart-rate broadcast"


class Kind(StrEnum):
    """What a device announces; any fitness machine looks like a treadmill from here."""

    HEART_RATE = "heart_rate"
    TREADMILL = "treadmill"
    FOOT_POD = "foot_pod"


_KINDS = {
    HEART_RATE_SERVICE: Kind.HEART_RATE,
    FITNESS_MACHINE_SERVICE: Kind.TREADMILL,
    RUNNING_SPEED_SERVICE: Kind.FOOT_POD,
}


class Found(Struct, frozen=True, kw_only=True):
    """One device in range.

    ``rssi_dbm`` is None for a device that was connected before we came.
    ``heart_rate_bpm`` is that of the last seconds; None without one, and for
    a strap ``why`` says why, in words. ``contact`` with the skin: None where it does
    not tell. ``in_use``: held by another hrbridge or
    another program.
    """

    address: str
    name: str
    kinds: tuple[Kind, ...]
    rssi_dbm: int | None = None
    heart_rate_bpm: int | None = None
    battery_percent: int | None = None
    contact: bool | None = None
    in_use: bool = False
    changes_address: bool = False
    why: str = ""

    def __str__(self) -> str:
        return f"{plain(self.name)} ({self.address})" if self.name else self.address

    @property
    def is_strap(self) -> bool:
        return Kind.HEART_RATE in self.kinds


def plain(text: str) -> str:
    """What a stranger calls a device must not steer our terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


class InUse(SensorError):
    """Somebody else's, and not to be disturbed."""


@dataclass
class Call:
    """Our side of one device."""

    device: BLEDevice
    link: asyncio.Task[None] | None = None
    failures: int = 0
    again_s: float = 0.0  # not to be called before; inf: never
    why_not: str = NOT_CALLED


class Survey:
    """All that is in range as long as the ``async with`` lasts.

    ``address``: a device that is listed and called even if it does not say
    that it measures heart rate, as some watches do.
    """

    def __init__(self, clock: Clock, timings: Timings = SURVEYING, *, address: str = "") -> None:
        self._clock = clock
        self._timings = timings
        self._address = address.upper()
        self._radio = Radio(clock, timings)
        self._found: dict[str, Found] = {}
        self._calls: dict[str, Call] = {}
        self._news = asyncio.Event()  # something in the list is different
        self._tasks: list[asyncio.Task[None]] = []
        self._goodbyes: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        for name, work in (("radio", self._radio.keep()), ("survey", self._hear_and_call())):
            self._tasks.append(task := asyncio.create_task(work, name=name))
            task.add_done_callback(lambda _ended: self._news.set())
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        # What hangs longer is left behind: with us go our D-Bus connections, and all that BlueZ does for them.
        await asyncio.wait({*self._tasks, *self._goodbyes}, timeout=self._timings.leave_s)

    @property
    def radio_works(self) -> bool:
        return self._radio.works

    def found(self) -> list[Found]:
        """Everything heard so far, in the order in which it was first heard."""
        return list(self._found.values())

    async def until(self, enough: Callable[[list[Found]], bool], limit_s: float | None) -> None:
        """Go on until what is found is enough, asked whenever it changes, or for ``limit_s``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while not enough(self.found()):
                    self._news.clear()
                    await self._news.wait()
                    for task in self._tasks:
                        if task.done():  # none ends by itself: ours to mend
                            task.result()

    def _put(self, found: Found) -> None:
        if self._found.get(found.address) != found:
            self._found[found.address] = found
            self._news.set()

    def _change(self, address: str, **what: Any) -> None:
        self._put(replace(self._found[address], **what))

    # hearing

    async def _hear_and_call(self) -> None:
        async with asyncio.TaskGroup() as links:
            with self._radio.listening(every=True) as ear:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEAR_FIRST_S):
                        while True:
                            self._note(await ear.get())
                for found in sorted(self._found.values(), key=lambda found: found.rssi_dbm or 0, reverse=True):
                    self._call(found.address, links)
                while True:
                    heard = await ear.get()
                    self._note(heard)
                    self._call(heard.device.address.upper(), links)

    def _note(self, heard: Heard) -> None:
        address = heard.device.address.upper()
        kinds = tuple(kind for service, kind in _KINDS.items() if service in heard.services)
        if not kinds and address not in self._found and address != self._address:
            return
        call = self._calls.setdefault(address, Call(heard.device))
        call.device = heard.device
        if call.link is not None:  # connected by us, or about to be
            return
        before = self._found.get(address, Found(address=address, name="", kinds=(), why=NOT_CALLED))
        found = replace(
            before,
            name=heard.name or before.name,
            kinds=tuple(dict.fromkeys((*before.kinds, *kinds))),
            changes_address=changes_address(heard.device),
        )
        if heard.rssi_dbm is None:
            found = replace(found, in_use=True, why="in use by another program")
        elif before.in_use and self._clock.now_s() < call.again_s:
            found = replace(found, rssi_dbm=heard.rssi_dbm)
        else:
            why = call.why_not if self._calls_it(found) else ""
            found = replace(found, rssi_dbm=heard.rssi_dbm, in_use=False, why=why)
        self._put(found)

    def _calls_it(self, found: Found) -> bool:
        return found.is_strap or (not found.kinds and found.address == self._address)

    # calling

    def _call(self, address: str, links: asyncio.TaskGroup) -> None:
        """Call a strap, if it is one, can be called, and its turn has come."""
        found, call = self._found.get(address), self._calls.get(address)
        if found is None or call is None or not self._calls_it(found) or found.in_use or found.rssi_dbm is None:
            return
        if call.link is not None or self._clock.now_s() < call.again_s:
            return
        if sum(each.link is not None for each in self._calls.values()) < MOST_LINKS:
            call.link = links.create_task(self._keep(address, call), name=address)
        else:
            call.why_not = TOO_MANY

    async def _keep(self, address: str, call: Call) -> None:
        """Listen to a strap as long as it can be listened to; in the end say why no more."""
        try:
            await self._listen(address, call)
        except InUse as held:
            call.again_s = self._clock.now_s() + ASK_AGAIN_S
            self._change(address, in_use=True, heart_rate_bpm=None, why=str(held))
        except Trouble as trouble:
            timings = self._timings
            pause_s = jittered(call.failures, timings.retry_first_s, timings.strap_retry_max_s)
            if isinstance(trouble, NotBondedError):
                pause_s = timings.bond_retry_s
            call.again_s = max(call.again_s, self._clock.now_s() + pause_s)
            call.failures += 1
            call.why_not = str(trouble)
            self._change(address, heart_rate_bpm=None, why=call.why_not)
        finally:
            call.link = None

    async def _listen(self, address: str, call: Call) -> None:
        """Raises InUse and Trouble; does not end otherwise."""
        timings = self._timings
        packets: asyncio.Queue[bytes | str] = asyncio.Queue(PACKETS_KEPT)  # a text: why it is over

        def arrived(_char: BleakGATTCharacteristic, data: bytearray) -> None:
            put(packets, bytes(data))

        with contextlib.ExitStack() as claim:
            try:
                claim.enter_context(claimed(address))
            except SensorError:
                raise InUse("in use by another hrbridge") from None
            client: BleakClient | None = None
            try:
                async with self._radio.calling():
                    # Whoever is connected by now was heard before: only then is this link ours to end.
                    if await self._is_connected(call.device):
                        raise InUse("in use by another program")
                    self._change(address, why="calling")
                    client = BleakClient(call.device, lambda _: put(packets, "disconnected"), timeout=timings.connect_s)
                    # Bleak keeps the limit itself and then hangs up; ours is for when that hangs.
                    await bounded("connect", client.connect(), timings.connect_s + timings.disconnect_s)
                with translated("connect"):  # the link may be gone again
                    char = client.services.get_characteristic(HEART_RATE_MEASUREMENT)
                if char is None:
                    call.again_s = inf
                    raise Trouble(NO_HEART_RATE)
                await bounded("subscribe", client.start_notify(char, arrived), timings.subscribe_s)
                self._change(address, kinds=tuple(dict.fromkeys((*self._found[address].kinds, Kind.HEART_RATE))))
                with self._radio.bluetoothd.alarming(lambda why: put(packets, why)):
                    await self._show_pulse(address, client, packets)
            finally:
                if client is not None:
                    await hang_up(client, timings.disconnect_s, self._goodbyes)

    async def _show_pulse(self, address: str, client: BleakClient, packets: asyncio.Queue[bytes | str]) -> None:
        battery_percent: int | None = None
        first = True
        while True:
            try:
                async with asyncio.timeout(self._timings.lost_after_s):
                    packet = await packets.get()
            except TimeoutError:
                self._change(address, heart_rate_bpm=None, why=SILENT)
                continue
            if isinstance(packet, str):
                raise Trouble(packet)
            try:
                sample = read_heart_rate(0.0, packet, address)
            except MalformedPacket:
                continue
            if first:  # not before the first packet, for some straps answer nothing until then
                first = False
                battery_percent = await self._battery_percent(client)
            bpm = sample.heart_rate_bpm
            why = NO_PULSE if bpm is None else ""
            self._change(address, heart_rate_bpm=bpm, contact=sample.contact, battery_percent=battery_percent, why=why)

    async def _battery_percent(self, client: BleakClient) -> int | None:
        try:
            level = await bounded("read the battery", client.read_gatt_char(BATTERY_LEVEL), self._timings.battery_s)
            return decode_battery_level(bytes(level))
        except (Trouble, MalformedPacket):  # not every strap tells
            return None

    async def _is_connected(self, device: BLEDevice) -> bool:
        if sys.platform != "linux":
            return False
        return device.details["path"] in await self._radio.bluetoothd.connected()
