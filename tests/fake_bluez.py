"""A BlueZ for tests on a private D-Bus: unmodified Bleak talks to it, and its straps misbehave on cue.

``private_bus()`` runs a dbus-daemon of its own; ``FakeBluez`` is bluetoothd,
adapter and straps in one. What it does beyond answering calls follows what
bluetoothd 5.66 was seen to do: devices are only announced while somebody
scans, GATT objects outlive the link, and a subscription belongs to the D-Bus
connection that made it, survives a lost link and is served once each; a
client that does not clean up hears everything twice.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from dbus_fast import BusType, Message, MessageFlag, MessageType, Variant
from dbus_fast.aio import MessageBus

ADAPTER = "org.bluez.Adapter1"
DEVICE = "org.bluez.Device1"
SERVICE = "org.bluez.GattService1"
CHARACTERISTIC = "org.bluez.GattCharacteristic1"
DESCRIPTOR = "org.bluez.GattDescriptor1"
PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECTS = "org.freedesktop.DBus.ObjectManager"

ADAPTER_PATH = "/org/bluez/hci0"
ADVERTISING_INTERVAL_S = 0.02

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>custom</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


@contextmanager
def private_bus(dbus_daemon: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A dbus-daemon listening on ``folder/bus``; it dies with this process, however that ends."""
    config = folder / "bus.conf"
    config.write_text(BUS_CONFIG.format(socket=folder / "bus"))
    ready, ready_in_daemon = os.pipe()
    daemon = subprocess.Popen(
        [dbus_daemon, f"--config-file={config}", "--nofork", "--nopidfile", f"--print-address={ready_in_daemon}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[ready_in_daemon],
        preexec_fn=_die_with_parent,
    )
    os.close(ready_in_daemon)
    os.read(ready, 4096)  # comes when it listens
    os.close(ready)
    try:
        yield daemon
    finally:
        daemon.terminate()
        daemon.wait()


def _die_with_parent() -> None:
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG, prctl(2)
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def uuid(short: int) -> str:
    """The full form of a 16-bit UUID."""
    return f"{short:08x}-0000-1000-8000-00805f9b34fb"


@dataclass
class Char:
    """A characteristic and what it answers to a read: a value, a D-Bus error, or (None) nothing at all."""

    uuid: str
    flags: list[str]
    value: bytes | tuple[str, str] | None = b""
    path: str = ""


def heart_rate_services(battery_percent: int = 87) -> dict[str, list[Char]]:
    return {
        uuid(0x180D): [Char(uuid(0x2A37), ["notify"]), Char(uuid(0x2A38), ["read"], b"\x01")],
        uuid(0x180F): [Char(uuid(0x2A19), ["read", "notify"], bytes([battery_percent]))],
    }


def treadmill_services() -> dict[str, list[Char]]:
    return {uuid(0x1826): [Char(uuid(0x2ACC), ["read"]), Char(uuid(0x2ACD), ["notify"])]}


def foot_pod_services() -> dict[str, list[Char]]:
    return {uuid(0x1814): [Char(uuid(0x2A53), ["notify"])]}


@dataclass(eq=False)
class Strap:
    """A device in the air, and how it misbehaves."""

    address: str = "A0:9E:1A:11:22:33"
    name: str = "Polar H10 1234ABCD"
    address_type: str = "public"
    advertised: list[str] = field(default_factory=lambda: [uuid(0x180D)])
    services: dict[str, list[Char]] = field(default_factory=heart_rate_services)
    rssi_dbm: int = -60
    advertises: bool = True
    answers: bool = True  # when somebody calls to connect
    connect_errors: list[tuple[str, str]] = field(default_factory=list)  # one is used up per attempt
    subscribe_error: tuple[str, str] | None = None
    wants_bond: bool = False  # answers a subscription only to who is paired
    pair_error: tuple[str, str] | None = None
    disconnect_hangs: bool = False  # as long as the link lasts
    adapter: str = ADAPTER_PATH

    @property
    def path(self) -> str:
        return f"{self.adapter}/dev_{self.address.replace(':', '_')}"

    def char(self, short: int) -> Char:
        return next(char for chars in self.services.values() for char in chars if char.uuid == uuid(short))


class _Refused(Exception):
    """A D-Bus error to answer with: name and text."""


class FakeBluez:
    """bluetoothd with one adapter; ``async with`` puts it on the bus."""

    def __init__(self, address: str, *straps: Strap) -> None:
        self._address = address
        self.straps = list(straps)
        self.calls: list[str] = []  # the methods called, in order: "Connect", "StartNotify", ...
        self.clients: set[str] = set()  # who has called and is still on the bus
        self.discovery_errors: list[tuple[str, str]] = []  # one is used up per attempt to scan
        self.powered: list[bool] = []  # what the adapter was told over D-Bus
        self.refuses_power_off = False
        self.power_on_errors: list[tuple[str, str]] = []  # one is used up per attempt to switch it on
        self.when_powered_on: Callable[[], object] = lambda: None
        self.called_at_once = 0  # the most connections that were being made at one time
        self.called_while_scanning = False
        self._objects: dict[str, dict[str, dict[str, Variant]]] = {}
        self._scanning: set[str] = set()
        self._sessions: dict[str, set[str]] = {}  # characteristic -> subscribed D-Bus connections
        self._pending: dict[str, asyncio.Future[None]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.crash()

    async def start(self) -> None:
        """Come (back) onto the bus, knowing no device."""
        self._bus = await MessageBus(bus_address=self._address, bus_type=BusType.SYSTEM).connect()
        self._bus.add_message_handler(self._on_message)
        await self._ask_bus("AddMatch", "type='signal',interface='org.freedesktop.DBus',member='NameOwnerChanged'")
        await self._bus.request_name("org.bluez")
        self.plug_in()

    def plug_in(self, path: str = ADAPTER_PATH) -> None:
        """The adapter is there, and on."""
        self._add(
            path,
            ADAPTER,
            Address=Variant("s", "AA:BB:CC:00:00:01"),
            Name=Variant("s", "fake"),
            Alias=Variant("s", "fake"),
            Powered=Variant("b", True),
            Discovering=Variant("b", False),
            Roles=Variant("as", ["central"]),
            UUIDs=Variant("as", []),
        )

    async def crash(self) -> None:
        """Leave the bus at once and say nothing, as after SIGKILL."""
        for timer in self._timers.values():
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        for state in (self._objects, self._scanning, self._sessions, self._pending, self._timers):
            state.clear()
        self._bus.disconnect()
        await self._bus.wait_for_disconnect()

    # what happens in the air

    async def notify(self, strap: Strap, *packets: str, short: int = 0x2A37) -> None:
        """The strap sends packets, written in hex; paced: dbus-fast gives a full socket up for dead."""
        char = strap.char(short)
        for packet in packets:
            for _session in self._sessions.get(char.path, ()) if self.connected(strap) else ():
                self._set(char.path, CHARACTERISTIC, Value=Variant("ay", bytes.fromhex(packet)))
                await self._ask_bus("GetId")  # the answer comes when the bus has taken the packet

    def drop(self, strap: Strap) -> None:
        """The link is lost; the strap may advertise again."""
        if self.connected(strap):
            self._set(strap.path, DEVICE, ServicesResolved=Variant("b", False))
            self._set(strap.path, DEVICE, Connected=Variant("b", False))

    def forget(self, strap: Strap) -> None:
        """The device disappears from BlueZ without a word about its link."""
        for path in [path for path in self._objects if path.startswith(strap.path + "/")]:
            self._remove(path)
        self._remove(strap.path)

    def link(self, strap: Strap) -> None:
        """Connected by somebody who is gone."""
        self._announce(strap)
        self._connect(strap)

    def power(self, on: bool) -> None:
        if not on:
            for strap in self.straps:
                self.drop(strap)
            self._scanning.clear()
        self._set(ADAPTER_PATH, ADAPTER, Powered=Variant("b", on))

    def unplug(self) -> None:
        """The adapter is gone."""
        self.power(False)
        for strap in self.straps:
            self.forget(strap)
        self._remove(ADAPTER_PATH)

    async def until(self, condition: Callable[[], object], within_s: float = 3.0) -> None:
        """Wait until something that BlueZ sees has come true."""
        async with asyncio.timeout(within_s):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def subscribed(self, strap: Strap, short: int = 0x2A37, within_s: float = 3.0) -> None:
        """Wait until somebody listens."""
        await self.until(lambda: self.connected(strap) and self._sessions.get(strap.char(short).path), within_s)

    def connected(self, strap: Strap) -> bool:
        device = self._objects.get(strap.path)
        return device is not None and bool(device[DEVICE]["Connected"].value)

    def _advertise(self, strap: Strap) -> None:
        if strap.advertises and not self.connected(strap):
            if self._scanning:
                self._announce(strap)
            pending = self._pending.get(strap.path)
            if pending is not None and strap.answers and not pending.done():
                pending.set_result(None)
        loop = asyncio.get_running_loop()
        self._timers[strap.address] = loop.call_later(ADVERTISING_INTERVAL_S, self._advertise, strap)

    def _announce(self, strap: Strap) -> None:
        if strap.path in self._objects:
            self._set(strap.path, DEVICE, RSSI=Variant("n", strap.rssi_dbm))
            return
        self._add(
            strap.path,
            DEVICE,
            Address=Variant("s", strap.address),
            AddressType=Variant("s", strap.address_type),
            Name=Variant("s", strap.name),
            Alias=Variant("s", strap.name),
            Adapter=Variant("o", strap.adapter),
            Paired=Variant("b", False),
            Bonded=Variant("b", False),
            Trusted=Variant("b", False),
            Connected=Variant("b", False),
            ServicesResolved=Variant("b", False),
            UUIDs=Variant("as", strap.advertised),
            RSSI=Variant("n", strap.rssi_dbm),
        )

    def _connect(self, strap: Strap) -> None:
        self._set(strap.path, DEVICE, Connected=Variant("b", True))
        if not any(path.startswith(strap.path + "/") for path in self._objects):
            self._show_services(strap)
        uuids = Variant("as", [*strap.advertised, *strap.services])
        self._set(strap.path, DEVICE, UUIDs=uuids, ServicesResolved=Variant("b", True))

    def _show_services(self, strap: Strap) -> None:
        # Bleak cuts 21 characters off a characteristic's path to find its device, and reads the handle from the last 4.
        handle = 0x0A
        for service_uuid, chars in strap.services.items():
            service_path = f"{strap.path}/service{handle:04x}"
            self._add(
                service_path,
                SERVICE,
                UUID=Variant("s", service_uuid),
                Device=Variant("o", strap.path),
                Primary=Variant("b", True),
            )
            for char in chars:
                handle += 1
                char.path = f"{service_path}/char{handle:04x}"
                self._add(
                    char.path,
                    CHARACTERISTIC,
                    UUID=Variant("s", char.uuid),
                    Service=Variant("o", service_path),
                    Flags=Variant("as", char.flags),
                    Value=Variant("ay", b""),
                    MTU=Variant("q", 247),
                    Notifying=Variant("b", False),
                )
                if "notify" in char.flags:
                    handle += 1
                    self._add(
                        f"{char.path}/desc{handle:04x}",
                        DESCRIPTOR,
                        UUID=Variant("s", uuid(0x2902)),
                        Characteristic=Variant("o", char.path),
                        Flags=Variant("as", ["read", "write"]),
                        Value=Variant("ay", b""),
                    )
            handle += 1

    # the tree of D-Bus objects

    def _add(self, path: str, interface: str, **properties: Variant) -> None:
        self._objects.setdefault(path, {})[interface] = properties
        self._signal("/", OBJECTS, "InterfacesAdded", "oa{sa{sv}}", [path, {interface: properties}])

    def _remove(self, path: str) -> None:
        interfaces = self._objects.pop(path, None)
        if interfaces is not None:
            self._signal("/", OBJECTS, "InterfacesRemoved", "oas", [path, list(interfaces)])

    def _set(self, path: str, interface: str, **properties: Variant) -> None:
        self._objects[path][interface].update(properties)
        self._signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, properties, []])

    def _signal(self, path: str, interface: str, member: str, signature: str, body: list[Any]) -> None:
        self._news.set()
        self._bus.send(
            Message(
                message_type=MessageType.SIGNAL,
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=body,
            )
        )

    async def _ask_bus(self, member: str, *arguments: str) -> None:
        await self._bus.call(
            Message(
                destination="org.freedesktop.DBus",
                path="/org/freedesktop/DBus",
                interface="org.freedesktop.DBus",
                member=member,
                signature="s" * len(arguments),
                body=list(arguments),
            )
        )

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # calls from the bus

    def _on_message(self, message: Message) -> Message | bool | None:
        if message.message_type is MessageType.SIGNAL and message.member == "NameOwnerChanged":
            name, _old, new = message.body
            if not new:
                self._client_left(name)
            return None
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        self.clients.add(message.sender)
        self.calls.append(message.member)
        self._news.set()
        self._start(self._reply(message))
        return True

    async def _reply(self, message: Message) -> None:
        try:
            answer = await self._answer(message)
            reply = Message.new_method_return(message, *answer)
        except _Refused as refused:
            name, text = refused.args
            reply = Message.new_error(message, name, text)
        if not message.flags & MessageFlag.NO_REPLY_EXPECTED:
            self._bus.send(reply)
        self._news.set()

    async def _answer(self, message: Message) -> tuple[()] | tuple[str, list[Any]]:
        path, member = message.path, message.member
        if member == "GetManagedObjects":
            return "a{oa{sa{sv}}}", [self._objects]
        if path not in self._objects:
            raise _Refused("org.freedesktop.DBus.Error.UnknownObject", f"no object at {path}")
        match message.interface:
            case "org.bluez.Adapter1":
                return self._adapter_call(member, message.sender)
            case "org.bluez.Device1":
                return await self._device_call(member, next(s for s in self.straps if s.path == path))
            case "org.freedesktop.DBus.Properties" if member == "Set":
                interface, name, value = message.body
                if name == "Powered":
                    return self._switch(on=value.value)
                self._set(path, interface, **{name: value})
                return ()
            case "org.bluez.GattCharacteristic1":
                return await self._characteristic_call(member, path, message.sender)
        raise _Refused("org.freedesktop.DBus.Error.UnknownMethod", f"{message.interface}.{member}")

    def _switch(self, *, on: bool) -> tuple[()]:
        if self.refuses_power_off and not on:
            raise _Refused("org.bluez.Error.Failed", "Authentication Failed")
        if on and self.power_on_errors:
            raise _Refused(*self.power_on_errors.pop(0))
        self.powered.append(on)
        self.power(on)
        if on:
            self.when_powered_on()
        return ()

    def _adapter_call(self, member: str, sender: str) -> tuple[()]:
        if not self._objects[ADAPTER_PATH][ADAPTER]["Powered"].value:
            raise _Refused("org.bluez.Error.NotReady", "Resource Not Ready")
        match member:
            case "StartDiscovery":
                if self.discovery_errors:
                    raise _Refused(*self.discovery_errors.pop(0))
                if sender in self._scanning:
                    raise _Refused("org.bluez.Error.InProgress", "Operation already in progress")
                self._scanning.add(sender)
                self._air()
            case "StopDiscovery":
                if sender not in self._scanning:
                    raise _Refused("org.bluez.Error.Failed", "No discovery started")
                self._scanning.discard(sender)
        return ()

    def _air(self) -> None:
        """Give every strap its timer; its first packet comes after the answer to the call under way."""
        loop = asyncio.get_running_loop()
        for strap in self.straps:
            if strap.address not in self._timers:
                self._timers[strap.address] = loop.call_later(0.001, self._advertise, strap)

    async def _device_call(self, member: str, strap: Strap) -> tuple[()]:
        match member:
            case "Connect" | "Pair":
                if member == "Pair" and strap.pair_error is not None:
                    raise _Refused(*strap.pair_error)
                if strap.connect_errors:
                    refused = strap.connect_errors.pop(0)
                    if refused[1] == "le-connection-abort-by-local":  # BlueZ was connected, for a moment
                        self._set(strap.path, DEVICE, Connected=Variant("b", True))
                        asyncio.get_running_loop().call_later(0.01, self.drop, strap)
                    raise _Refused(*refused)
                self._air()
                pending = self._pending[strap.path] = asyncio.get_running_loop().create_future()
                self.called_at_once = max(self.called_at_once, len(self._pending))
                self.called_while_scanning |= bool(self._scanning)
                try:
                    await pending
                finally:
                    self._pending.pop(strap.path, None)
                if member == "Pair":
                    self._set(strap.path, DEVICE, Paired=Variant("b", True), Bonded=Variant("b", True))
                self._connect(strap)
            case "Disconnect":
                pending = self._pending.get(strap.path)
                if pending is not None and not pending.done():
                    pending.set_exception(_Refused("org.bluez.Error.Failed", "le-connection-canceled"))
                await self.until(lambda: not (strap.disconnect_hangs and self.connected(strap)), within_s=60.0)
                self.drop(strap)
        return ()

    async def _characteristic_call(self, member: str, path: str, sender: str) -> tuple[()] | tuple[str, list[Any]]:
        strap, char = next(
            (strap, char)
            for strap in self.straps
            for chars in strap.services.values()
            for char in chars
            if char.path == path
        )
        if not self.connected(strap):
            raise _Refused("org.bluez.Error.Failed", "Not connected")
        match member:
            case "ReadValue":
                if char.value is None:
                    await asyncio.get_running_loop().create_future()
                if isinstance(char.value, tuple):
                    raise _Refused(*char.value)
                return "ay", [char.value]
            case "StartNotify":
                if strap.subscribe_error is not None:
                    raise _Refused(*strap.subscribe_error)
                if strap.wants_bond and not self._objects[strap.path][DEVICE]["Paired"].value:
                    raise _Refused("org.bluez.Error.NotPaired", "Not Paired")
                self._sessions.setdefault(path, set()).add(sender)
            case "StopNotify":
                self._sessions.get(path, set()).discard(sender)
        return ()

    def _client_left(self, name: str) -> None:
        self.clients.discard(name)
        self._scanning.discard(name)
        for sessions in self._sessions.values():
            sessions.discard(name)
        self._news.set()
