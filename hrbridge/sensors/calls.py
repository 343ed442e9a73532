"""Calls to Bleak: none without a limit, and every error in words a runner can act on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from bleak import BleakClient
from bleak.backends.device import BLEDevice
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakError,
    BleakGATTProtocolError,
    BleakGATTProtocolErrorCode,
)

from hrbridge.errors import SensorError

log = logging.getLogger(__name__)

T = TypeVar("T")

# For a cancelled call to end; it has no more to do than to hang up. Twice, as Bleak's own clean-up waits too.
ABANDON_S = 0.5


class Trouble(SensorError):
    """Something that may pass: told, and tried again."""


class NotBondedError(Trouble):
    """A device that answers only to those whose keys it knows."""


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


async def hang_up(client: BleakClient, limit_s: float, goodbyes: set[asyncio.Task[None]]) -> None:
    """To be called after every connection, also one that is lost already.

    Only this closes the D-Bus connection of a Bleak client; one left open
    makes every packet of the next connection arrive twice. It runs as a task
    of its own, among ``goodbyes`` until it has ended, so that leaving does not
    break it off: a link that is left open keeps the strap from advertising.
    """
    goodbye = asyncio.create_task(_disconnect(client, limit_s), name="goodbye")
    goodbyes.add(goodbye)
    goodbye.add_done_callback(goodbyes.discard)
    await asyncio.wait({goodbye})


async def _disconnect(client: BleakClient, limit_s: float) -> None:
    try:
        await bounded("disconnect", client.disconnect(), limit_s)
    except Trouble as trouble:  # the link is lost either way
        log.debug("%s", trouble)


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
                return "the adapter is busy, or hangs: does another program scan, or a second hrbridge run?"
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


def properties(device: BLEDevice) -> dict[str, Any]:
    """What BlueZ knows of a device; nothing elsewhere."""
    return device.details.get("props", {}) if isinstance(device.details, dict) else {}


def changes_address(device: BLEDevice) -> bool:
    """Whether it is a watch or phone with a private address, new every quarter of an hour or so.

    The two highest bits of a random address are 11 when it stays (Bluetooth
    Core, volume 6, part B, section 1.3.2).
    """
    return properties(device).get("AddressType") == "random" and int(device.address[:2], 16) < 0b11000000


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


def tell(logger: logging.Logger, words: str, told: set[str]) -> None:
    """The same trouble is told once, however often it comes; ``told`` remembers it."""
    logger.log(logging.DEBUG if words in told else logging.WARNING, "%s", words)
    told.add(words)
