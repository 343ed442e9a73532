"""The least that brings a strap to MQTT: a script of Bleak and aiomqtt, beside which hrbridge is measured.

It publishes the same JSON in the same way and does nothing else: it decides
nothing and has no way back from any loss. With a file named last it keeps
what it publishes, on the disk every second, as somebody would who wants a run
to survive a power cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import sqlite3
import struct
import sys
import threading
import time

import aiomqtt
from bleak import BleakClient, BleakScanner

HEART_RATE_MEASUREMENT = "00002a37-0000-1000-8000-00805f9b34fb"
NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def keep(path: str, readings: list[str]) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE reading (line TEXT)")
    while True:
        time.sleep(1)
        with database:
            while readings:
                database.execute("INSERT INTO reading VALUES (?)", (readings.pop(0),))


async def bridge(address: str, port: int, topic: str, path: str = "") -> None:
    readings: list[str] = []
    if path:
        threading.Thread(target=keep, args=(path, readings), daemon=True).start()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    strap = await BleakScanner.find_device_by_address(address)
    packets: asyncio.Queue[bytes] = asyncio.Queue()
    async with (
        aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5, socket_options=[NO_DELAY]) as broker,
        BleakClient(strap) as client,
    ):
        await client.start_notify(HEART_RATE_MEASUREMENT, lambda _char, packet: packets.put_nowait(bytes(packet)))
        while True:
            packet = await packets.get()
            reading = {
                "v": 1,
                "sid": "00000000",
                "ts_ms": time.monotonic_ns() // 1_000_000 % 100_000,
                "heart_rate_bpm": packet[1],
                "rr_s": [round(raw / 1024, 3) for (raw,) in struct.iter_unpack("<H", packet[2:])],
                "contact": True,
                "trust": "good",
            }
            line = json.dumps(reading, separators=(",", ":"))
            await broker.publish(topic, line)
            if path:
                readings.append(line)


with contextlib.suppress(asyncio.CancelledError):
    asyncio.run(bridge(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
