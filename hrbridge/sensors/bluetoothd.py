"""The daemon beneath Bleak, asked directly: does it run, and can its adapter be switched off and on?

Only on Linux; elsewhere it always seems to run.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from hrbridge.sensors.calls import FOREIGN, Trouble, bounded, in_words, jittered

if TYPE_CHECKING:
    from dbus_fast import Message
    from dbus_fast.aio import MessageBus

log = logging.getLogger(__name__)

CALL_TAKES_S = 5.0  # most are answered in ms; a firmware that hangs is given up after two seconds
RETRY_FIRST_S, RETRY_MAX_S = 0.5, 5.0
SWITCH_ON_TRIES = 5
PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECTS = "org.freedesktop.DBus.ObjectManager"
RULE = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.bluez'"


class Bluetoothd:
    """What is known of it as long as ``watch`` runs."""

    def __init__(self) -> None:
        self.runs = True  # as far as is known
        self.came = asyncio.Event()
        self._alarms: set[Callable[[str], None]] = set()
        self._bus: MessageBus | None = None

    @contextlib.contextmanager
    def alarming(self, alarm: Callable[[str], None]) -> Iterator[None]:
        """``alarm`` hears when every link is dead, and why; after a crash Bleak goes on saying "connected"."""
        self._alarms.add(alarm)
        try:
            yield
        finally:
            self._alarms.discard(alarm)

    async def watch(self) -> None:
        """The bus knows at once who has left it."""
        if sys.platform != "linux":
            return
        from dbus_fast import BusType, Message
        from dbus_fast.aio import MessageBus

        failures = 0
        while True:
            bus = MessageBus(bus_type=BusType.SYSTEM)
            try:
                await bus.connect()
                bus.add_message_handler(self._owner_changed)
                await bus.call(
                    Message(
                        destination="org.freedesktop.DBus",
                        path="/org/freedesktop/DBus",
                        interface="org.freedesktop.DBus",
                        member="AddMatch",
                        signature="s",
                        body=[RULE],
                    )
                )
                self._bus, failures = bus, 0
                self.runs = True  # it may have come while nobody told us; if not, the next call says so
                await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
            except FOREIGN as error:
                log.debug("watch bluetoothd: %s", in_words(error))
            finally:
                self._bus = None
                bus.disconnect()
            await asyncio.sleep(jittered(failures, RETRY_FIRST_S, RETRY_MAX_S))
            failures += 1

    def _owner_changed(self, message: Message) -> None:
        if message.member == "NameOwnerChanged" and message.body[0] == "org.bluez":
            self.runs = bool(message.body[2])
            if self.runs:
                self.came.set()
                return
            for alarm in tuple(self._alarms):
                alarm("bluetoothd ended")

    async def connected(self) -> set[str]:
        """The D-Bus paths of the devices that are connected now; Bleak may remember those of a dead daemon.

        Raises Trouble.
        """
        (objects,) = await self._call("/", OBJECTS, "GetManagedObjects")
        devices = {path: each["org.bluez.Device1"] for path, each in objects.items() if "org.bluez.Device1" in each}
        return {path for path, device in devices.items() if device["Connected"].value}

    async def power_cycle(self, adapter: str) -> bool:
        """Switch an adapter (its D-Bus path) off and on, unless something is connected to it. Raises Trouble."""
        if any(path.startswith(f"{adapter}/") for path in await self.connected()):
            return False
        from dbus_fast import Variant

        switch = ("org.bluez.Adapter1", "Powered")
        try:
            await self._call(adapter, PROPERTIES, "Set", "ssv", *switch, Variant("b", False))
        finally:
            for tries_left in reversed(range(SWITCH_ON_TRIES)):  # nobody else would switch it on again
                try:
                    await self._call(adapter, PROPERTIES, "Set", "ssv", *switch, Variant("b", True))
                    break
                except Trouble:
                    if not tries_left:
                        raise
                    await asyncio.sleep(RETRY_FIRST_S)
        return True

    async def _call(self, path: str, interface: str, member: str, signature: str = "", *arguments: Any) -> list[Any]:
        from dbus_fast import Message, MessageType

        if self._bus is None:
            raise Trouble("no D-Bus")
        message = Message(
            destination="org.bluez",
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(arguments),
        )
        reply = await bounded(f"ask BlueZ to {member}", self._bus.call(message), CALL_TAKES_S)
        if reply is None or reply.message_type is MessageType.ERROR:
            raise Trouble(f"BlueZ refuses to {member}: {reply and reply.error_name}")
        return list(reply.body)
