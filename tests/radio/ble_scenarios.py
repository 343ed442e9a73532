"""Listens to a strap for a while and prints every event as one JSON line: to see the sensor beside a real bluetoothd.

By hand, in the virtual machine that `make radio` boots (bluetoothd 5.66, kernel and link layer are real, only the
waves are not), or beside a real strap:

    python tests/radio/ble_scenarios.py --seconds 30 --address C0:FF:EE:00:00:00 >events.jsonl

While it runs, faults come from outside: a strap that drops the link or falls silent, `kill -KILL` for bluetoothd or
for this program, which is then started again. The last line is the summary: samples, and each gap between heart rates
of more than two seconds as [from_s, length_s]. Times are CLOCK_MONOTONIC, comparable with the log of the virtual
strap and across restarts. What happens to the connection is logged to stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import logging
import signal
import time

import msgspec

from hrbridge.config import Sensor
from hrbridge.events import Sample
from hrbridge.sensors.ble import BleSensor


class BootClock:
    """Seconds since the machine started."""

    def now_s(self) -> float:
        return time.monotonic()


async def listen(settings: Sensor, seconds: float) -> None:
    heart_rate_s: list[float] = []
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, asyncio.current_task().cancel)
    try:
        async with BleSensor(settings, BootClock()) as sensor, asyncio.timeout(seconds):
            async for event in sensor:
                print(msgspec.json.encode(event).decode(), flush=True)
                if isinstance(event, Sample) and event.heart_rate_bpm is not None:
                    heart_rate_s.append(event.at_s)
    except (TimeoutError, asyncio.CancelledError):
        pass
    pairs = itertools.pairwise(heart_rate_s)
    gaps = [[at_s, round(next_s - at_s, 2)] for at_s, next_s in pairs if next_s - at_s > 2]
    print(json.dumps({"samples": len(heart_rate_s), "gaps_s": gaps, "left_s": round(time.monotonic(), 3)}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--address", default="")
    parser.add_argument("--name", default="")
    parser.add_argument("--debug", action="store_true")
    asked = parser.parse_args()
    logging.basicConfig(
        level=logging.DEBUG if asked.debug else logging.INFO, format="%(relativeCreated)6d ms %(levelname)s %(message)s"
    )
    logging.getLogger("bleak").setLevel(logging.WARNING)
    asyncio.run(listen(Sensor(address=asked.address, name=asked.name), asked.seconds))


if __name__ == "__main__":
    main()
