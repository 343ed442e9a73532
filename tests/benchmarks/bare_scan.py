"""The least that can be called a start: a script that imports what hrbridge rests on, and scans."""

from __future__ import annotations

import asyncio

import aiomqtt  # noqa: F401 - what is measured is the import
import numpy as np  # noqa: F401
from bleak import BleakScanner


async def scan() -> None:
    async with BleakScanner():
        await asyncio.Event().wait()


asyncio.run(scan())
