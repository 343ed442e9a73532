"""A session over a real broker, for the tests: the bridge in it, and the foreign programs that hear it and ask."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt

from hrbridge.config import Mqtt, Plan, Runner
from hrbridge.decisions import Cue, CueKind, Estimate, Phase, Ratio, Reason, Step, Trust
from hrbridge.events import Tick
from hrbridge.sinks.mqtt import MqttSink

RUNNER = Runner(id="alex", max_heart_rate_bpm=180, resting_heart_rate_bpm=60)
PLAN = Plan(name="easy-4-1")
BASE = "hrbridge/alex"


class HandClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.at_s = 100.0

    def now_s(self) -> float:
        return self.at_s


def step(event: Any = None, phase: Phase = Phase.RUN, cues: tuple[Cue, ...] = (), **keys: Any) -> Step:
    """A step as the controller makes them."""
    estimate = keys.pop("estimate", Estimate(heart_rate_bpm=141.0, trust=Trust.GOOD, ceiling_bpm=150.0))
    ratio = Ratio(planned_run_s=240, planned_walk_s=60, run_s=240, walk_s=60)
    return Step(event or Tick(12.0), phase, 12.0, 228.0, 1, 1, estimate, ratio, cues, **keys)


def cue(seq: int, kind: CueKind = CueKind.RUN, ttl_s: float = 5.0) -> Cue:
    return Cue(seq, kind, Reason.PLANNED, "Run four minutes.", ttl_s, 240.0)


@asynccontextmanager
async def coaching(
    settings: Mqtt, wishes: asyncio.Queue[Any] | None = None, clock: HandClock | None = None
) -> AsyncIterator[MqttSink]:
    """A bridge in its first session."""
    async with MqttSink(
        settings, RUNNER, clock or HandClock(), wishes or asyncio.Queue(32), sensor="Polar H10"
    ) as bridge:
        bridge.begin("run-1", PLAN)
        yield bridge


async def hear(client: aiomqtt.Client, topic: str, within_s: float = 8.0) -> aiomqtt.Message:
    """The next message of a whole topic."""
    async with asyncio.timeout(within_s):
        async for message in client.messages:
            if str(message.topic) == topic:
                return message
    raise AssertionError("the broker has gone")


async def hear_json(client: aiomqtt.Client, topic: str, **wanted: Any) -> dict[str, Any]:
    """The next message of a whole topic with these values in it."""
    while True:
        payload = json.loads(bytes((await hear(client, topic)).payload))
        if wanted.items() <= payload.items():
            return payload


async def hear_until(client: aiomqtt.Client, topic: str, within_s: float = 8.0) -> list[aiomqtt.Message]:
    """Everything that comes before the next message of a whole topic."""
    before = []
    async with asyncio.timeout(within_s):
        async for message in client.messages:
            if str(message.topic) == topic:
                return before
            before.append(message)
    raise AssertionError("the broker has gone")
