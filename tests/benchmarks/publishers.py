"""Runners who publish once a second, all in this process: through hrbridge's sink, or with aiomqtt alone.

    python publishers.py hrbridge|bare PORT RUNNERS SECONDS

Each second of a runner is a reading (QoS 0) and a state (QoS 1, retained) of the same size either way. At the end one
JSON line: when each was handed over (ns of the monotonic clock, by runner and second), and the CPU time that took.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
import time
from contextlib import AsyncExitStack

import aiomqtt
import msgspec

from hrbridge import messages
from hrbridge.config import Mqtt, Runner
from hrbridge.control import plan as plans
from hrbridge.decisions import Estimate, Phase, Ratio, Step, Trust
from hrbridge.events import Sample
from hrbridge.sinks.mqtt import MqttSink
from hrbridge.timeline import MonotonicClock

NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def step(second: int) -> Step:
    """A second of a run; its number stands in the reading and in the state, and each second is another phase."""
    return Step(
        event=Sample(second, heart_rate_bpm=140, rr_s=(second / 1000,), contact=True),
        phase=(Phase.RUN, Phase.WALK)[second % 2],
        phase_elapsed_s=float(second),
        phase_remaining_s=30.0,
        block=1,
        repeat=1,
        estimate=Estimate(heart_rate_bpm=140.0, trust=Trust.GOOD),
        ratio=Ratio(60.0, 60.0, 60.0, 60.0),
    )


def names(count: int) -> list[str]:
    return [f"r{number}" for number in range(count)]


class Bare:
    """The same two messages with aiomqtt, made beforehand: nothing but the publishing is left."""

    def __init__(self, client: aiomqtt.Client, runner: str, state: messages.State, reading: messages.HeartRate) -> None:
        self._client, self._runner = client, runner
        self._state, self._reading = (msgspec.to_builtins(each) for each in (state, reading))

    async def publish(self, second: int) -> None:
        state = self._state | {"phase_elapsed_s": float(second)}
        reading = self._reading | {"rr_s": [second / 1000]}
        await self._client.publish(f"hrbridge/{self._runner}/state", json.dumps(state), qos=1, retain=True)
        await self._client.publish(f"hrbridge/{self._runner}/heart_rate", json.dumps(reading))


async def main(how: str, port: int, count: int, seconds: int) -> None:
    clock = MonotonicClock()
    plan = plans.load("easy-4-1")
    handed_over: dict[str, list[int]] = {name: [] for name in names(count)}
    async with AsyncExitStack() as stack:
        sinks: dict[str, MqttSink] = {}
        bare: dict[str, Bare] = {}
        for name in handed_over:
            if how == "hrbridge":
                runner = Runner(id=name, age_years=40, resting_heart_rate_bpm=60)
                settings = Mqtt(url=f"mqtt://127.0.0.1:{port}")
                sinks[name] = await stack.enter_async_context(
                    MqttSink(settings, runner, clock, asyncio.Queue(32), sensor="strap")
                )
                sinks[name].begin("run-1", plan)
            else:
                client = await stack.enter_async_context(
                    aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5, socket_options=[NO_DELAY])
                )
                bare[name] = Bare(client, name, *EXAMPLES)
        await asyncio.sleep(2.0)  # all are connected
        begun_s, cpu_s = asyncio.get_running_loop().time(), time.process_time()

        async def run(name: str, place: float) -> None:
            for second in range(1, seconds + 1):
                await asyncio.sleep(begun_s + second + place - asyncio.get_running_loop().time())
                handed_over[name].append(time.monotonic_ns())
                if name in sinks:
                    sinks[name].take(step(second))
                else:
                    await bare[name].publish(second)

        async with asyncio.TaskGroup() as group:
            for number, name in enumerate(handed_over):
                group.create_task(run(name, number / count))
        cpu_s = time.process_time() - cpu_s
        await asyncio.sleep(1.0)
    print(json.dumps({"handed_over": handed_over, "cpu_s": cpu_s}), flush=True)


EXAMPLES = (
    messages.State(
        sid="run-1",
        seq=1,
        ts_ms=60_000,
        phase=Phase.RUN,
        phase_elapsed_s=1.0,
        phase_remaining_s=30.0,
        next_phase=Phase.WALK,
        heart_rate_bpm=140.0,
        trust=Trust.GOOD,
        zone=3,
        battery_percent=87,
        rpe=None,
        ratio=Ratio(60.0, 60.0, 60.0, 60.0),
        last_cue=None,
        headsets=0,
        elapsed_s=60.0,
        run_s=30.0,
        walk_s=30.0,
        distance_m=None,
    ),
    messages.HeartRate(sid="run-1", ts_ms=60_000, heart_rate_bpm=140, rr_s=(0.428,), contact=True, trust=Trust.GOOD),
)

if __name__ == "__main__":
    logging.disable()  # nobody listens to these runners, and each sink says so
    asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
