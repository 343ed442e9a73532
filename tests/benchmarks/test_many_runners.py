"""One runner, twenty, a club of a hundred on one mosquitto: how late a reading and a state come, and what it costs.

Beside the same messages published with aiomqtt alone, in the same run. This process is the subscriber; the publishers
are one process (publishers.py), so what is compared is hrbridge's way of publishing, not a hundred interpreters.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import aiomqtt
import numpy as np
import pytest
from benchmarks.conftest import Ledger
from brokers import Mosquitto
from paho.mqtt.subscribeoptions import SubscribeOptions

HERE = Path(__file__).parent
SECONDS = 15
NO_RETAINED = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
# The sink adds a queue, properties of MQTT 5 and a few checks to each message. Of CPU time: latency is the machine's.
MOST_TIMES_THE_CPU = 4.0


async def listen(client: aiomqtt.Client, came: dict[tuple[str, str, int], int]) -> None:
    """When the reading or the state of a runner's second came."""
    async for message in client.messages:
        at = time.monotonic_ns()
        _, runner, name = str(message.topic).split("/")
        payload = json.loads(bytes(message.payload))
        second = payload["phase_elapsed_s"] if name == "state" else 1000 * payload["rr_s"][0]
        came[runner, name, round(second)] = at


async def measure(broker: Mosquitto, how: str, count: int) -> tuple[dict[str, list[float]], float, float]:
    """How long each took in ms, by topic; CPU of the publishers and of the broker, in percent of one core."""
    came: dict[tuple[str, str, int], int] = {}
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe("hrbridge/+/state", options=NO_RETAINED)
        await client.subscribe("hrbridge/+/heart_rate")
        listening = asyncio.create_task(listen(client, came))
        broker_s = broker.cpu_s()
        publishers = await asyncio.create_subprocess_exec(
            sys.executable,
            str(HERE / "publishers.py"),
            how,
            str(broker.port),
            str(count),
            str(SECONDS),
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(HERE.parents[1])},
        )
        printed, _ = await publishers.communicate()
        broker_s = broker.cpu_s() - broker_s
        listening.cancel()
    done = json.loads(printed)
    took_ms: dict[str, list[float]] = {"heart_rate": [], "state": []}
    for (runner, name, second), at in came.items():
        if 1 <= second <= SECONDS:
            took_ms[name].append((at - done["handed_over"][runner][second - 1]) / 1e6)
    return took_ms, 100 * done["cpu_s"] / SECONDS, 100 * broker_s / SECONDS


@pytest.mark.parametrize("count", [1, 20, 100])
async def test_runners_on_one_broker(
    needs_tool: Callable[[str], str], tmp_path: Path, count: int, ledger: Ledger
) -> None:
    cpu = {}
    header = f"{'runners':>7} {'way':<10} {'topic':<11} {'came':>6} {'p50 ms':>7} {'p99 ms':>7} {'CPU %':>6}"
    print(f"\n{header} {'broker %':>8}")
    for how in ("bare", "hrbridge"):
        with Mosquitto(needs_tool, tmp_path) as broker:
            took_ms, cpu[how], broker_percent = await measure(broker, how, count)
        for topic, values in took_ms.items():
            p50, p99 = np.percentile(values, (50, 99))
            print(
                f"{count:>7} {how:<10} {topic:<11} {len(values):>6} {p50:>7.2f} {p99:>7.2f} "
                f"{cpu[how]:>6.1f} {broker_percent:>8.1f}"
            )
            assert len(values) == count * SECONDS
    what = f"publishing of {count} runner{'s' if count > 1 else ''}"
    ledger(what, cpu["hrbridge"], "% CPU", cpu["bare"], "the same messages with aiomqtt alone")
    assert cpu["hrbridge"] <= MOST_TIMES_THE_CPU * cpu["bare"]
