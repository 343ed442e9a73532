"""How tests listen to the Bluetooth sensors on a BlueZ that can be told to misbehave."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec.structs import replace

from hrbridge.config import Sensor
from hrbridge.events import Sample
from hrbridge.sensors.ble import BleSensor
from hrbridge.sensors.radio import Timings
from hrbridge.timeline import MonotonicClock

MINE = "A0:9E:1A:11:22:33"
OTHER = "C4:00:00:00:00:02"
SWITCHED_OFF = "Bluetooth is switched off: bluetoothctl power on; if that fails rfkill unblock bluetooth"
BEAT = "16 78 00 02"  # 120 bpm, contact, one RR of 0.5 s
FAST = Timings(
    scan_s=0.3,
    choose_s=0.08,
    connect_s=0.3,
    connect_other_s=0.3,
    subscribe_s=0.5,
    battery_s=0.1,
    disconnect_s=0.2,
    retry_first_s=0.01,
    radio_retry_max_s=0.02,
    strap_retry_max_s=0.02,
)
IMPATIENT = replace(FAST, lost_after_s=0.2, reconnect_after_s=0.4)


def sensor(timings=FAST, **settings):
    return BleSensor(Sensor(**settings), MonotonicClock(), timings)


async def next_event(ble, kind, within_s=3.0):
    """The next event of a kind; others before it are passed over."""
    return (await events_until(ble, kind, within_s))[-1]


async def events_until(ble, kind, within_s=3.0):
    """All events up to and with the first of a kind."""
    events = []
    async with asyncio.timeout(within_s):
        while not events or not isinstance(events[-1], kind):
            events.append(await anext(ble))
    return events


async def hear(ble, bluez, strap, packet=BEAT, within_s=3.0):
    """One heartbeat from the strap to the sensor."""
    async with asyncio.timeout(within_s):
        await bluez.subscribed(strap)
        await bluez.notify(strap, packet)
        return await next_event(ble, Sample)


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


@asynccontextmanager
async def listening(bluez, strap, timings=FAST, **settings):
    """A sensor that has heard its first beat."""
    async with sensor(timings, **(settings or {"address": strap.address})) as ble:
        await hear(ble, bluez, strap)
        yield ble


def warnings(caplog):
    """What hrbridge warned of; Bleak has warnings of its own."""
    ours = [record for record in caplog.records if record.name.startswith("hrbridge")]
    return [record.message for record in ours if record.levelno >= logging.WARNING]


def send_each_tenth_of_a_second(bluez, strap, packets):
    """Returns the list that what has been sent is added to."""
    sent = []

    def send(packet):
        sent.append(asyncio.ensure_future(bluez.notify(strap, packet)))

    for number, packet in enumerate(packets):
        asyncio.get_running_loop().call_later(number / 10, send, packet)
    return sent


async def told(words, within_s=3.0, level=logging.WARNING):
    """Wait for a line in the log that ends with these words."""
    heard = asyncio.Event()
    listener = logging.Handler()
    listener.addFilter(lambda record: record.getMessage().endswith(words) and heard.set())
    ble_log = logging.getLogger("hrbridge.sensors")
    before = ble_log.level
    ble_log.setLevel(min(level, ble_log.getEffectiveLevel()))
    ble_log.addHandler(listener)
    try:
        async with asyncio.timeout(within_s):
            await heard.wait()
    finally:
        ble_log.removeHandler(listener)
        ble_log.setLevel(before)
