"""The least that brings a strap to MQTT: a script of Bleak and aiomqtt, beside which hrbridge is measured.

It publishes the same JSON in the same way and does nothing else: it decides
nothing, keeps nothing, and has no way back from any loss.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import struct
import sys
import time

import aiomqtt
from bleak import BleakClient, BleakScanner

HEART_RATE_MEASUREMENT = "00002a37-0000-1000-8000-00805f9b34fb"
NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def bridge(address: str, port: int, topic: str) -> None:
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
            await broker.publish(topic, json.dumps(reading, separators=(",", ":")))


with contextlib.suppress(asyncio.CancelledError):
    asyncio.run(bridge(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
