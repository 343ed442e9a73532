"""One heartbeat all the way: a strap on a fake BlueZ, unmodified Bleak, the coach, a real mosquitto, a subscriber."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from brokers import Mosquitto
from fake_bluez import FakeBluez, Strap

from hrbridge import bridge, timeline
from hrbridge.config import Control, Mqtt, Runner, Sensor
from hrbridge.control import plan as plans
from hrbridge.control.controller import Controller
from hrbridge.events import SignalBack, SignalLost
from hrbridge.sensors.ble import BleSensor
from hrbridge.sensors.radio import Timings
from hrbridge.sinks.mqtt import MqttSink

MINE = "A0:9E:1A:11:22:33"
RUNNER = Runner(id="alex", age_years=40, resting_heart_rate_bpm=60)
FAST = Timings(scan_s=0.3, choose_s=0.08, connect_s=0.5, disconnect_s=0.2, retry_first_s=0.01, strap_retry_max_s=0.02)


class Heard:
    """What passed through the loop: a sink beside the real ones."""

    def __init__(self) -> None:
        self.events: list[object] = []

    def take(self, step: Any) -> None:
        self.events.append(step.event)


@pytest.fixture
def mosquitto(needs_tool: Callable[[str], str], tmp_path: Path) -> Any:
    with Mosquitto(needs_tool, tmp_path) as broker:
        yield broker


@asynccontextmanager
async def coaching(mosquitto: Mosquitto, heard: Heard) -> AsyncIterator[None]:
    """hrbridge as `run` wires it, with a sensor that is quicker to look again."""
    clock = timeline.MonotonicClock()
    wishes: asyncio.Queue[Any] = asyncio.Queue(32)
    plan = plans.load("easy-4-1")
    controller = Controller(plan, RUNNER, Control(start_after_s=0, doubt_after_s=1, clock_after_s=2))
    settings = Mqtt(url=mosquitto.url)
    async with (
        MqttSink(settings, RUNNER, clock, wishes, sensor="strap") as mqtt,
        BleSensor(Sensor(address=MINE), clock, FAST) as sensor,
        timeline.Live(aiter(sensor), clock, wishes) as events,
    ):
        mqtt.begin("run-1", plan)
        running = asyncio.create_task(bridge.run(controller, events, [heard, mqtt]))
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def beat(bluez: FakeBluez, strap: Strap) -> None:
    """A heart at 120, ten times as fast as real ones so that a test does not take long."""
    n = 0
    while True:
        if bluez.connected(strap):
            await bluez.notify(strap, f"16 {120 + n % 3:02x} 00 02")
            n += 1
        await asyncio.sleep(0.1)


async def until(client: aiomqtt.Client, topic: str, wanted: Callable[[Any], bool], within_s: float = 8.0) -> Any:
    """The first message of a topic that is as wanted."""
    async with asyncio.timeout(within_s):
        async for message in client.messages:
            if str(message.topic).endswith(topic):
                payload = json.loads(bytes(message.payload))
                if wanted(payload):
                    return payload
    raise AssertionError("the broker has gone")


async def test_a_heartbeat_becomes_state_and_a_dropped_strap_comes_back(
    bluez: FakeBluez, strap: Strap, mosquitto: Mosquitto
) -> None:
    heard = Heard()
    heart = asyncio.create_task(beat(bluez, strap))
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client, coaching(mosquitto, heard):
        await client.subscribe("hrbridge/alex/#")
        good = await until(client, "/state", lambda state: state["trust"] == "good")
        assert 120 <= good["heart_rate_bpm"] <= 122
        await client.publish("hrbridge/alex/control/set", '{"v":1,"action":"start","id":"1"}', qos=1)
        cue = await until(client, "/cue", lambda cue: cue["kind"] == "warmup")
        assert cue["say"] == "Warm-up: walk five minutes."
        assert await until(client, "/control/result", lambda result: result["id"] == "1") == {
            "v": 1,
            "id": "1",
            "ok": True,
            "error": None,
        }

        heart.cancel()
        bluez.drop(strap)
        lost = await until(client, "/state", lambda state: state["trust"] == "none")
        assert lost["heart_rate_bpm"] is None
        heart = asyncio.create_task(beat(bluez, strap))
        back = await until(client, "/state", lambda state: state["trust"] == "good")
        assert back["phase"] == "warmup"
    heart.cancel()
    links = [type(event) for event in heard.events if isinstance(event, SignalLost | SignalBack)]
    assert links == [SignalLost, SignalBack]
