"""The MQTT contract as every foreign program finds it, whatever the broker: one suite, four ways to meet the bridge."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiomqtt
import pytest
from aiomqtt import ProtocolVersion
from brokers import Mosquitto, Relay
from conversation import BASE, HandClock, coaching, cue, hear, hear_json, hear_until, step
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from hrbridge import messages
from hrbridge.config import Mqtt, Protocol
from hrbridge.decisions import Phase
from hrbridge.events import Action, Command, Sample
from hrbridge.messages import Direction, Topic
from hrbridge.sinks.embedded import EmbeddedBroker

SITE_BRIDGE = Path(__file__).parent.parent / "configs" / "mosquitto" / "site-bridge.conf"

# What a bridge says of itself without being asked to do more; Home Assistant's device is off by default.
SAID = [topic for topic in messages.TOPICS if topic.direction is Direction.FROM_BRIDGE and not topic.whole]


NO_PROPERTIES = "MQTT 3.1.1 has no properties"
NO_FLAG = "MQTT 3.1.1 tells the retain flag only of what was kept before one subscribed"
POURS_OUT = "amqtt 0.12 sends a newcomer what is kept for every subscription of others, too"
RAISES_QOS = "amqtt 0.12 delivers with the QoS that was asked for, not with the lower one of the two"


class Way(NamedTuple):
    """How the bridge and the others meet.

    ``carries``: the topics that get through. ``lacks``: what cannot be there,
    and why. ``breaks``: what should be there and is not, and why.
    """

    protocol: Protocol
    carries: tuple[Topic, ...] = messages.TOPICS
    lacks: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()


WAYS = {
    "mosquitto-5": Way(Protocol.V5),
    "mosquitto-3.1.1": Way(Protocol.V311, lacks=(NO_PROPERTIES, NO_FLAG)),
    "embedded": Way(Protocol.V311, lacks=(NO_PROPERTIES, NO_FLAG), breaks=(POURS_OUT, RAISES_QOS)),
    # The bridge at one mosquitto, the others at another one, and configs/mosquitto/site-bridge.conf in between.
    "two-sites": Way(Protocol.V5, carries=(messages.STATUS, messages.STATE, messages.SUMMARY)),
}


def ways(*carrying: Topic, without: str = "") -> list[Any]:
    """The ways that carry some topics and do not lack something; where it is broken, the test must fail."""
    return [
        pytest.param(name, marks=[pytest.mark.xfail(reason=without)] if without in way.breaks else [])
        for name, way in WAYS.items()
        if {*carrying} <= {*way.carries} and without not in way.lacks
    ]


class Meeting(NamedTuple):
    """``settings`` lead the bridge to its broker, over a relay; ``port`` is where the others listen."""

    way: Way
    settings: Mqtt
    relay: Relay
    port: int

    @property
    def version(self) -> ProtocolVersion:
        return ProtocolVersion.V5 if self.way.protocol is Protocol.V5 else ProtocolVersion.V311

    @asynccontextmanager
    async def other(self, *topics: str) -> AsyncIterator[aiomqtt.Client]:
        """A foreign program that hears some topics, or all of the runner."""
        async with aiomqtt.Client("127.0.0.1", self.port, protocol=self.version) as client:
            for topic in topics or (f"{BASE}/#",):
                if NO_FLAG in self.way.lacks:
                    await client.subscribe(topic, qos=1)
                else:
                    await client.subscribe(topic, options=SubscribeOptions(qos=1, retainAsPublished=True))
            yield client


@asynccontextmanager
async def met(name: str, needs_tool: Callable[[str], str], folder: Path) -> AsyncIterator[Meeting]:
    """Brokers of one's own for one of the ways."""
    async with contextlib.AsyncExitStack() as stack:
        if name == "embedded":
            near = far = (await stack.enter_async_context(EmbeddedBroker(0))).port
        else:
            near = far = stack.enter_context(Mosquitto(needs_tool, folder)).port
        if name == "two-sites":
            near = stack.enter_context(Mosquitto(needs_tool, folder, handing_over(far))).port
            async with aiomqtt.Client("127.0.0.1", far) as client:
                await client.subscribe("hrbridge-site/north")
                await hear(client, "hrbridge-site/north")
        relay = await stack.enter_async_context(Relay(near))
        way = WAYS[name]
        yield Meeting(way, Mqtt(url=f"mqtt://127.0.0.1:{relay.port}", protocol=way.protocol), relay, far)


def handing_over(port: int) -> list[str]:
    """The configuration of a bridge between brokers, to one on this machine without TLS."""
    lines = SITE_BRIDGE.read_text(encoding="utf-8").splitlines()
    plain = [line for line in lines if not re.match(r"bridge_(ca|cert|key)file ", line)]
    return [re.sub(r"^address .*", f"address 127.0.0.1:{port}", line) for line in plain]


@pytest.fixture
async def meeting(
    request: pytest.FixtureRequest, needs_tool: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[Meeting]:
    async with met(request.param, needs_tool, tmp_path) as meeting:
        yield meeting


def over(*carrying: Topic, without: str = "") -> pytest.MarkDecorator:
    """Run a test over every way that carries these topics."""
    return pytest.mark.parametrize("meeting", ways(*carrying, without=without), indirect=True)


# -- what a whole session says --


class Heard(NamedTuple):
    """One message as it reaches a foreign program."""

    payload: bytes
    qos: int
    retain: bool
    expiry_s: int | None


class Session(NamedTuple):
    """What was heard of a session: ``live``, in order, and by somebody who came ``late``."""

    way: Way
    live: dict[str, list[Heard]]
    late: dict[str, list[Heard]]


def sorted_by_topic(heard: list[aiomqtt.Message]) -> dict[str, list[Heard]]:
    found: dict[str, list[Heard]] = {}
    for message in heard:
        expiry_s = getattr(message.properties, "MessageExpiryInterval", None)
        name = str(message.topic).removeprefix(f"{BASE}/")
        found.setdefault(name, []).append(Heard(bytes(message.payload), message.qos, bool(message.retain), expiry_s))
    return found


async def whole_session(name: str, needs_tool: Callable[[str], str], folder: Path) -> Session:
    async with met(name, needs_tool, folder) as meeting, meeting.other() as listener:
        async with coaching(meeting.settings) as bridge, asyncio.timeout(20):
            live = [await hear(listener, f"{BASE}/status")]
            bridge.take(step(Sample(12.0, 141, (0.42, 0.43), True), cues=(cue(1, ttl_s=7.0),)))
            if messages.RPE_SET in meeting.way.carries:
                await listener.publish(f"{BASE}/rpe/set", "11", qos=1)
                live += await hear_through(listener, f"{BASE}/control/result")
            bridge.take(step(phase=Phase.FINISHED))
            live += await hear_through(listener, f"{BASE}/session/summary")
            async with meeting.other(f"{BASE}/#", "end") as late:
                await late.publish("end", qos=1)
                kept = await hear_until(late, "end")
        live += await hear_through(listener, f"{BASE}/status")
    return Session(meeting.way, sorted_by_topic(live), sorted_by_topic(kept))


async def hear_through(client: aiomqtt.Client, topic: str) -> list[aiomqtt.Message]:
    """Everything up to the next message of a whole topic, with that."""
    heard = []
    async with asyncio.timeout(8):
        async for message in client.messages:
            heard.append(message)
            if str(message.topic) == topic:
                break
    return heard


@pytest.fixture(scope="module", params=WAYS)
def session(
    request: pytest.FixtureRequest, needs_tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Session:
    return asyncio.run(whole_session(request.param, needs_tool, tmp_path_factory.mktemp("brokers")))


def ours(session: Session) -> list[Topic]:
    """The rows of the table of which something is heard this way."""
    return [topic for topic in SAID if topic in session.way.carries]


def test_every_topic_of_the_table_is_heard_and_no_other(session: Session) -> None:
    assert session.live.keys() - {"rpe/set"} == {topic.name for topic in ours(session)}


@pytest.mark.parametrize("session", ways(without=RAISES_QOS), indirect=True)
def test_every_message_comes_with_the_qos_of_its_topic(session: Session) -> None:
    heard = {topic.name: {each.qos for each in session.live[topic.name]} for topic in ours(session)}
    assert heard == {topic.name: {topic.qos} for topic in ours(session)}


def test_every_message_says_whether_it_is_to_be_kept(session: Session) -> None:
    tells = NO_FLAG not in session.way.lacks
    heard = {topic.name: {each.retain for each in session.live[topic.name]} for topic in ours(session)}
    assert heard == {topic.name: {topic.retain and tells} for topic in ours(session)}


def test_every_message_says_how_long_it_is_worth_anything(session: Session) -> None:
    """A cue as long as its own ttl_s."""
    tells = NO_PROPERTIES not in session.way.lacks
    table = {topic.name: topic.expiry_s for topic in ours(session)} | {"cue": 7}
    late_s = {
        topic.name: [(table[topic.name] or 0) - each.expiry_s for each in session.live[topic.name] if each.expiry_s]
        for topic in ours(session)
    }
    # mosquitto counts whole seconds: one may pass at each of two brokers.
    told = {name for name, each_s in late_s.items() if each_s and set(each_s) <= {0, 1, 2}}
    assert told == {topic.name for topic in ours(session) if tells and table[topic.name]}


def test_what_is_kept_waits_for_whoever_comes_late_and_nothing_else_does(session: Session) -> None:
    kept = {name for name, heard in session.late.items() if heard[0].retain}
    assert kept == session.late.keys()
    assert kept == {topic.name for topic in ours(session) if topic.retain}


@pytest.mark.parametrize("session", ways(without=POURS_OUT), indirect=True)
def test_of_what_is_kept_there_is_one_each(session: Session) -> None:
    assert {len(heard) for heard in session.late.values()} == {1}


def test_a_cue_is_never_kept(session: Session) -> None:
    assert "cue" not in session.late


# What a receiver needs to know one run, one message and one moment from another.
STAMPS = {
    "bridge/info": {"v", "sid"},
    "state": {"v", "sid", "seq", "ts_ms"},
    "heart_rate": {"v", "sid", "ts_ms"},
    "cue": {"v", "sid", "seq", "ts_ms"},
    "control/result": {"v"},
    "session/summary": {"v", "sid"},
}


def test_every_payload_has_its_stamps(session: Session) -> None:
    payloads = {name: json.loads(heard[-1].payload) for name, heard in session.live.items() if name in STAMPS}
    assert {name: STAMPS[name] - payload.keys() for name, payload in payloads.items()} == {
        name: set() for name in payloads
    }


def test_every_payload_has_the_fields_of_its_struct(session: Session) -> None:
    structs = {topic.name: topic.payload for topic in ours(session) if topic.payload is not None}
    fields = {name: json.loads(session.live[name][-1].payload).keys() for name in structs}
    assert fields == {name: set(struct.__struct_fields__) for name, struct in structs.items()}


def test_a_bridge_is_online_and_after_a_clean_end_offline(session: Session) -> None:
    assert [each.payload for each in session.live["status"]] == [b"online", b"offline"]


# -- the bridge and its broker --


@pytest.mark.parametrize(
    "meeting",
    [
        *(name for name, way in WAYS.items() if NO_PROPERTIES in way.lacks),
        # The will of MQTT 5 has a delay of five seconds.
        *(pytest.param(name, marks=pytest.mark.proof) for name, way in WAYS.items() if not way.lacks),
    ],
    indirect=True,
)
async def test_a_bridge_that_vanishes_is_offline_by_its_will(meeting: Meeting) -> None:
    async with meeting.other(f"{BASE}/status") as listener, coaching(meeting.settings):
        await hear(listener, f"{BASE}/status")
        meeting.relay.close()
        assert (await hear(listener, f"{BASE}/status", within_s=15)).payload == b"offline"


@over()
async def test_a_bridge_that_is_back_says_so_then_who_it_is_then_where_the_run_stands(meeting: Meeting) -> None:
    told = [topic.name for topic in (messages.STATUS, messages.INFO, messages.STATE) if topic in meeting.way.carries]
    clock = HandClock()
    async with meeting.other() as listener, coaching(meeting.settings, clock=clock) as bridge:
        for phase in (Phase.RUN, Phase.WALK):  # until it has greeted and publishes
            bridge.take(step(phase=phase))
            await hear_json(listener, f"{BASE}/state", phase=phase)
        clock.at_s += 60
        meeting.relay.cut()
        after = sorted_by_topic(await hear_through(listener, f"{BASE}/state"))
    assert [name for name in after if after[name][-1].payload != b"offline"] == told


@over(messages.STATE)
async def test_state_comes_at_every_change_and_every_five_seconds(meeting: Meeting) -> None:
    clock = HandClock()
    async with meeting.other(f"{BASE}/state") as listener, coaching(meeting.settings, clock=clock) as bridge:
        heard = []
        for after_s, phase in ((0, Phase.RUN), (4.9, Phase.RUN), (0.1, Phase.RUN), (0.1, Phase.WALK)):
            clock.at_s += after_s
            bridge.take(step(phase=phase))
            bridge.take(step(phase=phase))
            if after_s != 4.9:
                heard.append(await hear_json(listener, f"{BASE}/state"))
    assert [(state["ts_ms"], state["seq"]) for state in heard] == [(100_000, 1), (105_000, 2), (105_100, 3)]


@pytest.mark.proof
@pytest.mark.parametrize("meeting", ["mosquitto-5"], indirect=True)
async def test_an_old_listener_is_not_told_a_state_of_the_past(meeting: Meeting) -> None:
    """3.1.1 does not tell the expiry, but the broker obeys it."""
    old = {"hostname": "127.0.0.1", "port": meeting.port, "protocol": ProtocolVersion.V311}
    async with coaching(meeting.settings) as bridge, meeting.other(f"{BASE}/state") as listener:
        bridge.take(step())
        await hear(listener, f"{BASE}/state")
    began_s, kept = time.monotonic(), True
    while kept:
        async with aiomqtt.Client(**old) as late:
            await late.subscribe(f"{BASE}/#", qos=1)
            await late.publish(f"{BASE}/end", qos=1)
            kept = f"{BASE}/state" in {str(message.topic) for message in await hear_until(late, f"{BASE}/end")}
    assert 13 < time.monotonic() - began_s < 18


@over(messages.CONTROL_SET, without=POURS_OUT)
async def test_nobody_hears_what_he_has_not_asked_for(meeting: Meeting) -> None:
    async with meeting.other() as listener, coaching(meeting.settings) as bridge:
        bridge.take(step())
        await hear(listener, f"{BASE}/state")
        async with meeting.other("mine") as newcomer:
            await newcomer.publish("mine", qos=1)
            assert await hear_until(newcomer, "mine") == []


# -- what the others may ask for --


class Asking(NamedTuple):
    """A session that is under way, and somebody who asks it for something."""

    client: aiomqtt.Client
    bridge: Any
    wishes: asyncio.Queue[Any]

    async def ask(self, name: str, payload: str | bytes, **keys: Any) -> None:
        await self.client.publish(f"{BASE}/{name}", payload, qos=1, **keys)

    async def wish(self) -> Any:
        """The next wish that reaches the session."""
        return await asyncio.wait_for(self.wishes.get(), 8)

    async def result(self, **wanted: Any) -> dict[str, Any]:
        return await hear_json(self.client, f"{BASE}/control/result", **wanted)


@asynccontextmanager
async def asking(meeting: Meeting) -> AsyncIterator[Asking]:
    wishes: asyncio.Queue[Any] = asyncio.Queue(32)
    async with meeting.other() as client, coaching(meeting.settings, wishes) as bridge:
        bridge.take(step())
        await hear(client, f"{BASE}/state")
        yield Asking(client, bridge, wishes)


@over(messages.CONTROL_SET)
@pytest.mark.parametrize("payload", ["pause", '{"v":1,"action":"pause"}'])
async def test_a_command_is_a_word_or_an_object(meeting: Meeting, payload: str) -> None:
    async with asking(meeting) as talk:
        await talk.ask("control/set", payload)
        assert await talk.wish() is Action.PAUSE


@over(messages.RPE_SET)
@pytest.mark.parametrize(("payload", "rpe"), [("7", 7.0), ("7.5", 7.5), ('{"v":1,"rpe":3}', 3.0)])
async def test_an_effort_is_a_number_or_an_object(meeting: Meeting, payload: str, rpe: float) -> None:
    async with asking(meeting) as talk:
        await talk.ask("rpe/set", payload)
        assert await talk.wish() == rpe


@over(messages.CONTROL_SET)
@pytest.mark.parametrize("refused", [None, "only a walk can be longer"])
async def test_a_command_is_answered_by_what_became_of_it(meeting: Meeting, refused: str | None) -> None:
    async with asking(meeting) as talk:
        await talk.ask("control/set", '{"v":1,"action":"extend","id":"42"}')
        talk.bridge.take(step(Command(13.0, await talk.wish()), refused=refused))
        assert await talk.result() == {"v": 1, "id": "42", "ok": refused is None, "error": refused}


@over(messages.CONTROL_SET, without=NO_PROPERTIES)
async def test_an_answer_goes_where_the_asker_wants_it(meeting: Meeting) -> None:
    wanted = Properties(PacketTypes.PUBLISH)
    wanted.ResponseTopic, wanted.CorrelationData = "my/answers", b"abc"
    async with asking(meeting) as talk:
        await talk.client.subscribe("my/answers", qos=1)
        await talk.ask("control/set", "pause", properties=wanted)
        talk.bridge.take(step(Command(13.0, await talk.wish())))
        answer = await hear(talk.client, "my/answers")
    assert (answer.properties.CorrelationData, json.loads(bytes(answer.payload))["ok"]) == (b"abc", True)


@over(messages.CONTROL_SET)
async def test_a_command_that_was_kept_from_before_is_ignored(meeting: Meeting) -> None:
    async with meeting.other("mine") as earlier:
        await earlier.publish(f"{BASE}/control/set", "skip", qos=1, retain=True)
    async with asking(meeting) as talk:
        await talk.ask("control/set", "pause")
        assert await talk.wish() is Action.PAUSE


@over(messages.CONTROL_SET, without=NO_FLAG)
async def test_a_command_that_is_to_be_kept_is_ignored_at_once(meeting: Meeting) -> None:
    async with asking(meeting) as talk:
        await talk.ask("control/set", "skip", retain=True)
        await talk.ask("control/set", "pause")
        assert await talk.wish() is Action.PAUSE


REFUSALS = [
    ("control/set", "jump", "action is one of start, pause, resume"),
    ("control/set", "stop", 'stop again within 5 s, or send "confirm": true'),
    ("control/set", b"x" * 1025, "over 1024 bytes"),
    ("rpe/set", b"7" + b" " * 1024, "over 1024 bytes"),
    ("rpe/set", "11", "rpe is a number from 0 to 10 in halves"),
    ("rpe/set", "6.3", "rpe is a number from 0 to 10 in halves"),
    ("rpe/set", "hard", "rpe is a number from 0 to 10 in halves"),
]


@over(messages.CONTROL_SET)
@pytest.mark.parametrize(("name", "payload", "why"), REFUSALS, ids=lambda value: str(value)[:10])
async def test_what_cannot_be_done_is_refused_with_a_reason(
    meeting: Meeting, name: str, payload: str | bytes, why: str
) -> None:
    async with asking(meeting) as talk:
        await talk.ask(name, payload)
        assert (await talk.result(ok=False))["error"].startswith(why)
        assert talk.wishes.empty()


@over(messages.CONTROL_SET)
@pytest.mark.parametrize("stops", [["stop", "stop"], ['{"action":"stop","confirm":true}']], ids=["two", "confirmed"])
async def test_a_run_ends_at_the_second_stop_or_a_confirmed_one(meeting: Meeting, stops: list[str]) -> None:
    async with asking(meeting) as talk:
        for stop in stops:
            await talk.ask("control/set", stop)
        assert await talk.wish() is Action.STOP


@over(messages.CONTROL_SET)
async def test_a_stuck_button_gets_five_commands_a_second(meeting: Meeting) -> None:
    async with asking(meeting) as talk:
        for _ in range(6):
            await talk.ask("control/set", "extend")
        result = await talk.result(ok=False)
        assert (result["error"], talk.wishes.qsize()) == ("more than 5 commands a second", 5)


@over(messages.CLIENT_STATUS)
async def test_headsets_are_counted_by_their_births_and_wills(meeting: Meeting) -> None:
    async with asking(meeting) as talk:
        counts = []
        for status in ("online", "offline"):
            await talk.ask("client/ear/status", status, retain=True)
            await talk.ask("control/set", "jump")  # answered after the status was heard
            await talk.result(ok=False)
            talk.bridge.take(step(phase=Phase.WALK))
            counts.append((await hear_json(talk.client, f"{BASE}/state"))["headsets"])
    assert counts == [1, 0]
