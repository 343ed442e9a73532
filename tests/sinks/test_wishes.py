"""Ten thousand messages from outside, by the same seed every time: only good wishes act, and nothing grows."""

from __future__ import annotations

import asyncio
import json
import random
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiomqtt
import pytest
from brokers import Mosquitto
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from hrbridge.config import Mqtt, Plan, Runner
from hrbridge.events import Action
from hrbridge.sinks.mqtt import MqttSink

RUNNER = Runner(id="alex", max_heart_rate_bpm=180, resting_heart_rate_bpm=60)
BASE = "hrbridge/alex/"
TOPICS = ("rpe/set", "control/set", "cue/ack", "client/ear/status", "status", "bridge/info")
# Ours to publish: whoever asks for an answer there asks us to lie.
OURS = ("status", "state", "cue", "heart_rate", "bridge/info", "session/summary", "rpe/set", "control/set")


class HandClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.at_s = 100.0

    def now_s(self) -> float:
        return self.at_s


def wanted(topic: str, payload: bytes, *, retained: bool, given: Any) -> Action | float | None:
    """What a message asks for by the words of the contract, read with another JSON."""
    answer = getattr(given, "ResponseTopic", "")
    asks_much = isinstance(answer, str) and answer and len(answer) + len(getattr(given, "CorrelationData", b"")) > 1024
    if retained or topic not in ("rpe/set", "control/set") or len(payload) > 1024 or asks_much:
        return None
    try:
        text = payload.decode().strip()
        value = json.loads(text)
    except UnicodeDecodeError:
        return None
    except (ValueError, RecursionError):
        value = text
    field = "rpe" if topic == "rpe/set" else "action"
    fields = value if isinstance(value, dict) else {field: value}
    wish, version, confirm = fields.get(field), fields.get("v", 1), fields.get("confirm", False)
    if version != 1 or isinstance(version, bool) or not isinstance(fields.get("id"), str | None):
        return None
    if field == "rpe":
        number = isinstance(wish, int | float) and not isinstance(wish, bool)
        return float(wish) if number and 0 <= wish <= 10 and wish * 2 == int(wish * 2) else None
    if not isinstance(confirm, bool) or wish not in list(Action) or (wish == Action.STOP and not confirm):
        return None
    return Action(wish)


def scalar(chance: random.Random) -> Any:
    return chance.choice(
        [
            None,
            True,
            False,
            -1,
            0,
            7,
            7.5,
            6.3,
            10,
            11,
            1e308,
            "",
            "7",
            "pause",
            "stop",
            "\x00",
            "\u202e",
            "x" * 40,
            [],
            {},
        ]
    )


def payload(chance: random.Random) -> bytes:
    """Sense, nearly sense, and nonsense, a third each."""
    kind = chance.randrange(6)
    if kind == 0:
        return chance.choice([*Action, "7", "0", "10", "9.5", '"pause"']).encode()
    if kind == 1:
        good = {"v": 1, "action": chance.choice(list(Action)), "id": str(chance.random()), "rpe": chance.randrange(11)}
        return json.dumps({**good, "confirm": True}).encode()
    if kind in (2, 3):
        keys = ("v", "action", "id", "confirm", "rpe", "client", "sid", "seq", "result", "age_ms", "sensor")
        odd = {key: scalar(chance) for key in chance.sample(keys, chance.randrange(len(keys)))}
        whole = json.dumps({"action": "pause", "rpe": 7, **odd}).encode()
        return whole[: chance.choice([len(whole), len(whole), chance.randrange(len(whole) + 1)])]
    if kind == 4:
        return chance.choice([b"[" * 900, b'{"a":' * 900, b"online", b"offline", b"", b"9" * 1024, b" " * 70_000])
    return chance.randbytes(chance.choice([1, 2, 20, 1024, 1025, 5000]))


def properties(chance: random.Random) -> Any:
    """Those of MQTT 5, or none."""
    topics = ["my/answers", "", "#", "a/+", "$SYS/x", "\0", "\ufeff", "x" * 2000, *(BASE + name for name in OURS)]
    odd = {"ResponseTopic": [*topics, 7, b"x"], "CorrelationData": [b"", b"abc", b"x" * 70_000]}
    given = {key: chance.choice(values) for key, values in odd.items() if chance.random() < 0.5}
    return SimpleNamespace(**given) if chance.random() < 0.5 else None


def messages(count: int, seed: int = 1) -> Iterator[tuple[str, bytes, bool, Any]]:
    chance = random.Random(seed)
    for _ in range(count):
        strange = (
            "client//status",
            "client/" + "x" * 500 + "/status",
            "nowhere",
            "",
            "homeassistant/status",
            "a/b/c/d",
        )
        topic = chance.choice(TOPICS) if chance.random() < 0.8 else chance.choice(strange)
        yield topic, payload(chance), chance.random() < 0.1, properties(chance)


@pytest.fixture
def session() -> asyncio.Queue[Any]:
    return asyncio.Queue(32)


def bridge(session: asyncio.Queue[Any], clock: HandClock) -> MqttSink:
    made = MqttSink(Mqtt(), RUNNER, clock, session, sensor="Polar H10")
    made.begin("run-1", Plan(name="easy-4-1"))
    return made


async def test_of_ten_thousand_messages_exactly_the_good_ones_act(session: asyncio.Queue[Any]) -> None:
    clock = HandClock()
    sink = bridge(session, clock)
    acted, ought = [], []
    for topic, said, retained, given in messages(10_000):
        clock.at_s += 6  # neither too many in a second nor a second stop in time
        wish = wanted(topic, said, retained=retained, given=given)
        ought += [wish] if wish is not None else []
        sink._hear(topic, said, retained=retained, given=given)
        while not session.empty():
            acted.append(session.get_nowait())
        list(sink._next())
    assert acted == ought
    assert len(acted) > 500


async def test_no_answer_goes_where_only_the_bridge_speaks(session: asyncio.Queue[Any]) -> None:
    clock = HandClock()
    sink = bridge(session, clock)
    answered = set()
    for topic, said, retained, given in messages(10_000):
        clock.at_s += 6
        sink._hear(topic, said, retained=retained, given=given)
        answered |= {out.response_topic for out in sink._next()}
        while not session.empty():
            sink._wishes.settle(session.get_nowait(), None)
    assert answered == {None, "my/answers", "\ufeff"}


async def test_a_flood_that_nobody_reads_fills_no_memory(session: asyncio.Queue[Any]) -> None:
    """Answers, wishes, clients: 10,000 messages in one moment, and nobody publishes or runs."""
    sink = bridge(session, HandClock())
    flood = list(messages(10_000))
    tracemalloc.start()
    for topic, said, retained, given in flood:
        sink._hear(topic, said, retained=retained, given=given)
    grown_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown_bytes < 100_000


async def test_a_flood_is_said_once_a_second(session: asyncio.Queue[Any], caplog: pytest.LogCaptureFixture) -> None:
    clock = HandClock()
    sink = bridge(session, clock)
    for _ in range(3):
        clock.at_s += 1
        for _ in range(1000):
            sink._hear("rpe/set", b"hard", retained=False, given=None)
    assert len(caplog.messages) == 3


async def test_a_broker_delivers_hundreds_and_the_bridge_still_obeys(
    session: asyncio.Queue[Any], needs_tool: Callable[[str], str], tmp_path: Path
) -> None:
    """The same over a wire; what no client may send, mosquitto keeps from us."""
    with Mosquitto(needs_tool, tmp_path) as broker:
        settings = Mqtt(url=broker.url)
        async with (
            MqttSink(settings, RUNNER, HandClock(), session, sensor="Polar H10") as sink,
            aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as stranger,
        ):
            sink.begin("run-1", Plan(name="easy-4-1"))
            await stranger.subscribe(BASE + "bridge/info")
            await asyncio.wait_for(anext(stranger.messages), 5)
            for topic, said, retained, given in messages(500, seed=2):
                if not topic or "homeassistant" in topic:
                    continue
                made = Properties(PacketTypes.PUBLISH)
                if getattr(given, "ResponseTopic", None) in ("my/answers", BASE + "cue", "x" * 2000):
                    made.ResponseTopic = given.ResponseTopic
                    made.CorrelationData = getattr(given, "CorrelationData", b"")[:60_000]
                await stranger.publish(BASE + topic, said, qos=1, retain=retained, properties=made)
            while not session.empty():
                session.get_nowait()
            await stranger.publish(BASE + "rpe/set", "6.5", qos=1)
            async with asyncio.timeout(5):
                while await session.get() != 6.5:
                    pass
