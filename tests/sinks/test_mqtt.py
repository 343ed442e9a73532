"""What a foreign program sees of a session on real brokers, and what it may ask for."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import pytest
from brokers import Mosquitto, free_port

from hrbridge import messages
from hrbridge.config import Mqtt, Plan, Protocol, Runner
from hrbridge.decisions import Cue, CueKind, Estimate, Phase, Ratio, Reason, Step, Trust
from hrbridge.errors import BrokerError, ConfigError
from hrbridge.events import Action, Command, Sample, Tick
from hrbridge.messages import ControlSet
from hrbridge.sinks.embedded import EmbeddedBroker
from hrbridge.sinks.mqtt import MqttSink, publish_command

RUNNER = Runner(id="alex", max_heart_rate_bpm=180, resting_heart_rate_bpm=60)
PLAN = Plan(name="easy-4-1")


class HandClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.at_s = 100.0

    def now_s(self) -> float:
        return self.at_s


def step(event: Any = None, phase: Phase = Phase.RUN, cues: tuple[Cue, ...] = (), **keys: Any) -> Step:
    """A step as the controller makes them."""
    estimate = Estimate(heart_rate_bpm=141.0, trust=Trust.GOOD, ceiling_bpm=150.0)
    return Step(
        event or Tick(12.0),
        phase,
        12.0,
        228.0,
        1,
        1,
        keys.pop("estimate", estimate),
        Ratio(240, 60, 240, 60),
        cues,
        **keys,
    )


def cue(seq: int, kind: CueKind = CueKind.RUN, ttl_s: float = 5.0) -> Cue:
    return Cue(seq, kind, Reason.PLANNED, "Run four minutes.", ttl_s, 240.0)


# -- brokers --


@pytest.fixture
def mosquitto(needs_tool: Callable[[str], str], tmp_path: Path) -> Any:
    with Mosquitto(needs_tool, tmp_path) as broker:
        yield broker


@pytest.fixture(params=["mosquitto-5", "mosquitto-3.1.1", "embedded"])
async def settings(request: pytest.FixtureRequest) -> AsyncIterator[Mqtt]:
    """One broker after the other, with the protocol it is spoken to."""
    name, _, protocol = request.param.partition("-")
    if name == "embedded":
        async with EmbeddedBroker(0) as broker:
            yield Mqtt(url=broker.url, protocol=Protocol.V311)
    else:
        yield Mqtt(url=request.getfixturevalue("mosquitto").url, protocol=Protocol(protocol))


def port_of(settings: Mqtt) -> int:
    return int(settings.url.rpartition(":")[2])


@asynccontextmanager
async def sink(settings: Mqtt, wishes: asyncio.Queue[Any] | None = None, clock: Any = None) -> AsyncIterator[MqttSink]:
    """A bridge in its first session."""
    made = MqttSink(settings, RUNNER, clock or HandClock(), wishes or asyncio.Queue(32), sensor="Polar H10")
    async with made:
        made.begin("run-1", PLAN)
        yield made


@asynccontextmanager
async def foreign(settings: Mqtt) -> AsyncIterator[aiomqtt.Client]:
    """A program that knows only MQTT 3.1.1 and the topics."""
    async with aiomqtt.Client("127.0.0.1", port_of(settings)) as client:
        await client.subscribe("hrbridge/alex/#", qos=1)
        yield client


async def hear(client: aiomqtt.Client, name: str, within_s: float = 8.0) -> aiomqtt.Message:
    """The next message of a topic."""
    async with asyncio.timeout(within_s):
        async for message in client.messages:
            if str(message.topic) == f"hrbridge/alex/{name}":
                return message
    raise AssertionError("the broker has gone")


async def hear_json(client: aiomqtt.Client, name: str, **wanted: Any) -> dict[str, Any]:
    """The next message of a topic with these values in it."""
    while True:
        payload = json.loads(bytes((await hear(client, name)).payload))
        if wanted.items() <= payload.items():
            return payload


@pytest.fixture
def warned() -> Iterator[asyncio.Event]:
    """Set once the sink has said something in the log."""
    said = asyncio.Event()
    ear = logging.Handler()
    ear.emit = lambda _: said.set()  # type: ignore[method-assign]
    log = logging.getLogger("hrbridge.sinks.mqtt")
    log.addHandler(ear)
    yield said
    log.removeHandler(ear)


# -- what goes out --


async def test_a_foreign_program_hears_that_the_bridge_is_there(settings: Mqtt) -> None:
    async with foreign(settings) as client, sink(settings):
        assert (await hear(client, "status")).payload == b"online"


@pytest.mark.parametrize(
    ("topic", "made"),
    [
        (messages.INFO, step()),
        (messages.STATE, step()),
        (messages.CUE, step(cues=(cue(1),))),
        (messages.HEART_RATE, step(Sample(12.0, 141, (0.42, 0.43), True))),
        (messages.SUMMARY, step(phase=Phase.FINISHED)),
    ],
    ids=lambda value: value.name if isinstance(value, messages.Topic) else "",
)
async def test_every_payload_is_what_its_struct_says(settings: Mqtt, topic: messages.Topic, made: Step) -> None:
    async with foreign(settings) as client, sink(settings) as bridge:
        await hear(client, "status")
        bridge.take(made)
        message = await hear(client, topic.name)
    payload = json.loads(bytes(message.payload))
    assert payload.keys() == set(topic.payload.__struct_fields__)
    msgspec.convert(payload, topic.payload)


async def test_state_waits_for_whoever_comes_late_and_cues_do_not(settings: Mqtt) -> None:
    async with sink(settings) as bridge:
        async with foreign(settings) as early:
            await hear(early, "status")
            bridge.take(step(cues=(cue(1),)))
            await hear(early, "cue")
        async with foreign(settings) as late:
            kept = await hear(late, "state")
            bridge.take(step(cues=(cue(2),)))
            fresh = await hear_json(late, "cue")
    assert (kept.retain, fresh["seq"]) == (True, 2)


async def test_a_clean_end_says_offline(settings: Mqtt) -> None:
    async with foreign(settings) as client:
        async with sink(settings):
            await hear(client, "status")
        assert (await hear(client, "status")).payload == b"offline"


async def test_a_bridge_that_is_killed_is_offline_by_its_will(mosquitto: Mosquitto) -> None:
    """3.1.1 has no delay of wills; with MQTT 5 the same takes five seconds (make proof)."""
    settings = Mqtt(url=mosquitto.url)
    program = "import sys; from hrbridge.cli import main; main()"
    words = ["run", "--mqtt", mosquitto.url, "--set", "mqtt.protocol='3.1.1'", "--set", "runner.id='alex'"]
    async with foreign(settings) as client:
        with subprocess.Popen([sys.executable, "-c", program, *words], stdout=subprocess.DEVNULL) as process:
            await hear(client, "status", within_s=20)
            process.send_signal(signal.SIGKILL)
            assert (await hear(client, "status")).payload == b"offline"


@pytest.mark.proof
async def test_the_will_of_mqtt_5_comes_after_its_delay(mosquitto: Mosquitto) -> None:
    settings = Mqtt(url=mosquitto.url)
    program = "import sys; from hrbridge.cli import main; main()"
    words = ["run", "--mqtt", mosquitto.url, "--set", "runner.id='alex'"]
    async with foreign(settings) as client:
        with subprocess.Popen([sys.executable, "-c", program, *words], stdout=subprocess.DEVNULL) as process:
            await hear(client, "status", within_s=20)
            process.send_signal(signal.SIGKILL)
            assert (await hear(client, "status", within_s=12)).payload == b"offline"


@pytest.mark.parametrize("version", ["5", "311"])
async def test_mosquitto_sub_prints_what_we_say(
    mosquitto: Mosquitto, needs_tool: Callable[[str], str], version: str
) -> None:
    words = ["-h", "127.0.0.1", "-p", str(mosquitto.port), "-V", version, "-t", "hrbridge/alex/state", "-C", "1"]
    other = await asyncio.create_subprocess_exec(needs_tool("mosquitto_sub"), *words, stdout=subprocess.PIPE)
    async with sink(Mqtt(url=mosquitto.url)) as bridge:
        bridge.take(step())
        said, _ = await asyncio.wait_for(other.communicate(), 5)
    assert json.loads(said)["heart_rate_bpm"] == 141.0


async def test_properties_of_mqtt_5_carry_the_expiry_of_the_table(mosquitto: Mosquitto) -> None:
    async with aiomqtt.Client("127.0.0.1", mosquitto.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe("hrbridge/alex/#", qos=1)
        async with sink(Mqtt(url=mosquitto.url)) as bridge:
            await hear(client, "status")
            bridge.take(step(Sample(12.0, 141), cues=(cue(1, ttl_s=7.0),)))
            seen = {}
            while not {"cue", "state", "heart_rate"} <= seen.keys():
                message = await asyncio.wait_for(anext(client.messages), 5)
                seen[str(message.topic).split("/")[-1]] = getattr(message.properties, "MessageExpiryInterval", None)
    assert (seen["cue"], seen["state"], seen["heart_rate"]) == (7, 15, 5)


async def test_no_heart_rate_goes_out_that_is_not_trusted(settings: Mqtt) -> None:
    async with foreign(settings) as client, sink(settings) as bridge:
        await hear(client, "status")
        bridge.take(step(estimate=Estimate(heart_rate_bpm=141.0, trust=Trust.NONE)))
        assert (await hear_json(client, "state"))["heart_rate_bpm"] is None


# -- a broker that is not there --


async def test_without_a_broker_steps_are_taken_all_the_same(
    caplog: pytest.LogCaptureFixture, warned: asyncio.Event
) -> None:
    async with sink(Mqtt(url=f"mqtt://127.0.0.1:{free_port()}")) as bridge:
        for n in range(1000):
            bridge.take(step(cues=(cue(n),)))
        await asyncio.wait_for(warned.wait(), 5)
    assert caplog.messages[0].endswith(
        "nothing listens there; is the broker running?; the run goes on without it, and hrbridge keeps trying"
    )


async def test_a_broker_that_comes_late_hears_the_present_state(
    needs_tool: Callable[[str], str], tmp_path: Path
) -> None:
    broker = Mosquitto(needs_tool, tmp_path)
    async with sink(Mqtt(url=broker.url)) as bridge:
        bridge.take(step(phase=Phase.WARMUP))
        bridge.take(step(phase=Phase.WALK))
        with broker:
            async with foreign(Mqtt(url=broker.url)) as client:
                assert (await hear_json(client, "state"))["phase"] == "walk"


async def test_a_broker_that_is_killed_and_comes_back_hears_state_and_no_old_cue(mosquitto: Mosquitto) -> None:
    clock = HandClock()
    settings = Mqtt(url=mosquitto.url)
    async with sink(settings, clock=clock) as bridge:
        async with foreign(settings) as client:
            await hear(client, "status")
        mosquitto.kill()
        bridge.take(step(cues=(cue(1),)))
        clock.at_s += 6
        bridge.take(step(phase=Phase.WALK, cues=(cue(2),)))
        mosquitto.start()
        async with foreign(settings) as client:
            assert (await hear_json(client, "cue"))["seq"] == 2
            bridge.take(step(phase=Phase.WALK, cues=(cue(3),)))
            assert (await hear_json(client, "state", phase="walk"))["last_cue"]["seq"] in (2, 3)


async def test_of_many_cues_only_the_newest_eight_wait() -> None:
    bridge = MqttSink(Mqtt(), RUNNER, HandClock(), asyncio.Queue(), sensor="")
    bridge.begin("run-1", PLAN)
    for n in range(20):
        bridge.take(step(cues=(cue(n),)))
    waiting = [json.loads(out.payload)["seq"] for out in bridge._next() if out.topic is messages.CUE]
    assert waiting == list(range(12, 20))


async def test_two_readings_that_come_at_once_both_go_out(settings: Mqtt) -> None:
    async with foreign(settings) as client, sink(settings) as bridge:
        bridge.take(step(Sample(12.0, heart_rate_bpm=141, rr_s=(0.425,))))
        bridge.take(step(Sample(12.0, heart_rate_bpm=142, rr_s=(0.422,))))
        assert (await hear_json(client, "heart_rate"))["rr_s"] == [0.425]
        assert (await hear_json(client, "heart_rate"))["rr_s"] == [0.422]


async def test_a_reading_that_has_waited_longer_than_it_lives_is_dropped() -> None:
    clock = HandClock()
    bridge = MqttSink(Mqtt(), RUNNER, clock, asyncio.Queue(), sensor="")
    bridge.begin("run-1", PLAN)
    bridge.take(step(Sample(12.0, heart_rate_bpm=141)))
    clock.at_s += 5.1
    bridge.take(step(Sample(17.1, heart_rate_bpm=142)))
    waiting = [json.loads(out.payload) for out in bridge._next() if out.topic is messages.HEART_RATE]
    assert [reading["heart_rate_bpm"] for reading in waiting] == [142]


async def test_a_cue_that_has_waited_longer_than_it_lives_is_dropped() -> None:
    clock = HandClock()
    bridge = MqttSink(Mqtt(), RUNNER, clock, asyncio.Queue(), sensor="")
    bridge.begin("run-1", PLAN)
    bridge.take(step(cues=(cue(1, ttl_s=5.0),)))
    clock.at_s += 5.1
    assert [out for out in bridge._next() if out.topic is messages.CUE] == []


# -- what comes in --


async def ask(client: aiomqtt.Client, name: str, payload: str | bytes, **keys: Any) -> None:
    await client.publish(f"hrbridge/alex/{name}", payload, qos=1, **keys)


async def test_a_command_becomes_a_wish_and_its_step_the_answer(settings: Mqtt) -> None:
    wishes: asyncio.Queue[Any] = asyncio.Queue(32)
    async with foreign(settings) as client, sink(settings, wishes) as bridge:
        await hear(client, "status")
        bridge.take(step())
        await hear(client, "state")
        await ask(client, "control/set", '{"v":1,"action":"extend","id":"42"}')
        assert await asyncio.wait_for(wishes.get(), 5) is Action.EXTEND
        bridge.take(step(Command(13.0, Action.EXTEND), refused="only a walk can be longer"))
        result = await hear_json(client, "control/result")
    assert result == {"v": 1, "id": "42", "ok": False, "error": "only a walk can be longer"}


@pytest.mark.parametrize(("payload", "rpe"), [("7", 7.0), ("7.5", 7.5), ('{"v":1,"rpe":3}', 3.0)])
async def test_effort_comes_in_as_a_number(mosquitto: Mosquitto, payload: str, rpe: float) -> None:
    wishes: asyncio.Queue[Any] = asyncio.Queue(32)
    settings = Mqtt(url=mosquitto.url)
    async with foreign(settings) as client, sink(settings, wishes) as bridge:
        bridge.take(step())
        await hear(client, "state")
        await ask(client, "rpe/set", payload)
        assert await asyncio.wait_for(wishes.get(), 5) == rpe


async def test_mqtt_5_answers_where_the_asker_wants_it(mosquitto: Mosquitto) -> None:
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    wishes: asyncio.Queue[Any] = asyncio.Queue(32)
    asked = Properties(PacketTypes.PUBLISH)
    asked.ResponseTopic, asked.CorrelationData = "my/answers", b"abc"
    async with aiomqtt.Client("127.0.0.1", mosquitto.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe("my/answers")
        await client.subscribe("hrbridge/alex/state")
        async with sink(Mqtt(url=mosquitto.url), wishes) as bridge:
            bridge.take(step())
            await hear(client, "state")
            await ask(client, "control/set", "pause", properties=asked)
            bridge.take(step(Command(13.0, await asyncio.wait_for(wishes.get(), 5))))
            answer = await asyncio.wait_for(anext(client.messages), 5)
    assert answer.properties.CorrelationData == b"abc"
    assert json.loads(bytes(answer.payload))["ok"] is True


@pytest.mark.parametrize("topic", ["#", "hrbridge/alex/cue"])
async def test_an_answer_goes_to_no_topic_that_is_not_the_askers_own(mosquitto: Mosquitto, topic: str) -> None:
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    wishes: asyncio.Queue[Any] = asyncio.Queue(32)
    asked = Properties(PacketTypes.PUBLISH)
    asked.ResponseTopic = topic
    said: list[str] = []
    async with aiomqtt.Client("127.0.0.1", mosquitto.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe("hrbridge/#", qos=1)
        async with sink(Mqtt(url=mosquitto.url), wishes) as bridge:
            bridge.take(step())
            await hear(client, "state")
            await ask(client, "control/set", "pause", properties=asked)
            bridge.take(step(Command(13.0, await asyncio.wait_for(wishes.get(), 5))))
            await hear(client, "control/result")
            bridge.take(step(phase=Phase.WALK))
            async with asyncio.timeout(5):
                async for message in client.messages:
                    said.append(str(message.topic))
                    if said[-1] == "hrbridge/alex/state":
                        break
    assert said == ["hrbridge/alex/state"]


async def test_a_bridge_that_is_alive_contradicts_an_old_will(settings: Mqtt) -> None:
    async with foreign(settings) as client, sink(settings) as bridge:
        bridge.take(step())
        await hear(client, "state")
        await client.publish("hrbridge/alex/status", "offline", qos=1, retain=True)
        await hear(client, "status")
        assert (await hear(client, "status")).payload == b"online"


async def test_a_bridge_comes_back_under_its_own_name_so_that_its_old_will_is_dropped() -> None:
    names: asyncio.Queue[bytes] = asyncio.Queue()

    async def lose(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A broker that lets in whoever comes, and hangs up."""
        _, length = await reader.readexactly(2)
        packet = await reader.readexactly(length)
        size = int.from_bytes(packet[10:12])
        await names.put(packet[12 : 12 + size])
        writer.write(bytes([0x20, 2, 0, 0]))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(lose, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with sink(Mqtt(url=f"mqtt://127.0.0.1:{port}", protocol=Protocol.V311)), asyncio.timeout(8):
            first, second = await names.get(), await names.get()
    assert first == second


async def refusal(mosquitto: Mosquitto, *asked: tuple[str, str | bytes], **keys: Any) -> dict[str, Any]:
    """Ask, and hear why not; nothing must have reached the session."""
    wishes: asyncio.Queue[Any] = asyncio.Queue(32)
    settings = Mqtt(url=mosquitto.url)
    async with foreign(settings) as client, sink(settings, wishes) as bridge:
        bridge.take(step())
        await hear(client, "state")
        for name, payload in asked:
            await ask(client, name, payload, **keys)
        result = await hear_json(client, "control/result", ok=False)
    assert wishes.empty()
    return result


async def test_an_unknown_action_is_refused_with_the_list(mosquitto: Mosquitto) -> None:
    result = await refusal(mosquitto, ("control/set", "jump"))
    assert result["error"].startswith("action is one of start, pause, resume")


async def test_a_refusal_carries_the_id_it_answers(mosquitto: Mosquitto) -> None:
    result = await refusal(mosquitto, ("control/set", '{"action":"jump","id":"x1"}'))
    assert result["id"] == "x1"


@pytest.mark.parametrize("payload", ["11", "-1", "6.3", "hard", "", '{"rpe":null}'])
async def test_an_effort_that_is_none_is_refused_with_a_reason(mosquitto: Mosquitto, payload: str) -> None:
    result = await refusal(mosquitto, ("rpe/set", payload))
    assert result["error"] == "rpe is a number from 0 to 10 in halves"


async def test_over_a_kilobyte_is_refused(mosquitto: Mosquitto) -> None:
    assert (await refusal(mosquitto, ("control/set", b"x" * 1025)))["error"] == "over 1024 bytes"


async def test_one_stop_is_not_enough(mosquitto: Mosquitto) -> None:
    result = await refusal(mosquitto, ("control/set", "stop"))
    assert result["error"] == 'stop again within 5 s, or send "confirm": true'


@pytest.mark.parametrize("stops", [["stop", "stop"], ['{"action":"stop","confirm":true}']])
async def test_two_stops_or_a_confirmed_one_are(mosquitto: Mosquitto, stops: list[str]) -> None:
    wishes: asyncio.Queue[Any] = asyncio.Queue(32)
    settings = Mqtt(url=mosquitto.url)
    async with foreign(settings) as client, sink(settings, wishes) as bridge:
        bridge.take(step())
        await hear(client, "state")
        for stop in stops:
            await ask(client, "control/set", stop)
        assert await asyncio.wait_for(wishes.get(), 5) is Action.STOP


async def test_a_retained_command_is_old_and_ignored(mosquitto: Mosquitto) -> None:
    wishes: asyncio.Queue[Any] = asyncio.Queue(32)
    settings = Mqtt(url=mosquitto.url)
    async with foreign(settings) as client:
        await ask(client, "control/set", "skip", retain=True)
        async with sink(settings, wishes) as bridge:
            bridge.take(step())
            await hear(client, "state")
            await ask(client, "control/set", "pause")
            assert await asyncio.wait_for(wishes.get(), 5) is Action.PAUSE


async def test_a_command_that_was_sent_to_be_retained_is_ignored_at_once(mosquitto: Mosquitto) -> None:
    wishes: asyncio.Queue[Any] = asyncio.Queue(32)
    settings = Mqtt(url=mosquitto.url)
    async with foreign(settings) as client, sink(settings, wishes) as bridge:
        bridge.take(step())
        await hear(client, "state")
        await ask(client, "control/set", "skip", retain=True)
        await ask(client, "control/set", "pause")
        assert await asyncio.wait_for(wishes.get(), 5) is Action.PAUSE


async def test_a_stuck_button_gets_five_commands_a_second(mosquitto: Mosquitto) -> None:
    wishes: asyncio.Queue[Any] = asyncio.Queue(32)
    settings = Mqtt(url=mosquitto.url)
    async with foreign(settings) as client, sink(settings, wishes) as bridge:
        bridge.take(step())
        await hear(client, "state")
        for _ in range(9):
            await ask(client, "control/set", "extend")
        result = await hear_json(client, "control/result", ok=False)
    assert (result["error"], wishes.qsize()) == ("more than 5 commands a second", 5)


async def test_headsets_are_counted_by_their_births_and_wills(mosquitto: Mosquitto) -> None:
    settings = Mqtt(url=mosquitto.url)
    async with foreign(settings) as client, sink(settings) as bridge:
        bridge.take(step())
        await hear(client, "state")
        for status, headsets in (("online", 1), ("offline", 0)):
            await ask(client, "client/ear/status", status, retain=True)
            async with asyncio.timeout(5):
                while True:
                    bridge.take(step(phase=Phase.WALK))
                    if (await hear_json(client, "state"))["headsets"] == headsets:
                        break
                    await asyncio.sleep(0)


# -- the commands of the command line --


async def test_a_command_hears_why_not(mosquitto: Mosquitto) -> None:
    wishes: asyncio.Queue[Any] = asyncio.Queue(32)
    settings = Mqtt(url=mosquitto.url)
    async with foreign(settings) as client, sink(settings, wishes) as bridge:
        bridge.take(step())
        await hear(client, "state")
        asking = asyncio.create_task(
            publish_command(settings, "alex", messages.CONTROL_SET, ControlSet(action=Action.EXTEND, id="9"))
        )
        action = await asyncio.wait_for(wishes.get(), 5)
        bridge.take(step(Command(14.0, action), refused="only a walk can be longer"))
        with pytest.raises(BrokerError, match="not done: only a walk can be longer"):
            await asking


async def test_a_command_for_nobody_says_so(mosquitto: Mosquitto) -> None:
    settings = Mqtt(url=mosquitto.url)
    with pytest.raises(BrokerError, match="nobody answers for hrbridge/alex"):
        await publish_command(settings, "alex", messages.CONTROL_SET, ControlSet(action=Action.PAUSE, id="9"))


# -- settings that cannot work --


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (Mqtt(url="mqtt://broker.example"), "insecure = true"),
        (Mqtt(url="mqtt://me:secret@localhost"), "use username and password_file"),
        (Mqtt(url="mqtt://localhost:99999"), "the port must be a number up to 65535"),
        (Mqtt(password_file="/nowhere/password"), "[mqtt] password_file: /nowhere/password: no such file"),
        (Mqtt(url="mqtts://localhost", ca_file="/nowhere/ca.pem"), "[mqtt] ca_file: /nowhere/ca.pem: no such file"),
    ],
    ids=["in-the-open", "password-in-the-url", "port", "password-file", "ca-file"],
)
async def test_settings_that_cannot_work_are_one_line(settings: Mqtt, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        MqttSink(settings, RUNNER, HandClock(), asyncio.Queue(), sensor="")
    assert says in str(refused.value)
    assert "secret" not in str(refused.value)


async def test_commands_find_the_embedded_broker_by_its_own_word() -> None:
    async with EmbeddedBroker(0) as broker, foreign(Mqtt(url=broker.url)) as client:
        await publish_command(Mqtt(url=f"embedded:{broker.port}"), "alex", messages.RPE_SET, messages.RpeSet(rpe=7))
        assert json.loads(bytes((await hear(client, "rpe/set")).payload))["rpe"] == 7


async def test_an_embedded_broker_on_any_port_is_not_to_be_found_by_that_word() -> None:
    with pytest.raises(ConfigError, match="give the URL that run printed"):
        await publish_command(Mqtt(url="embedded:0"), "alex", messages.RPE_SET, messages.RpeSet(rpe=7))


async def test_a_wrong_password_is_said_and_never_shown(
    needs_tool: Callable[[str], str], tmp_path: Path, caplog: pytest.LogCaptureFixture, warned: asyncio.Event
) -> None:
    accounts = tmp_path / "accounts"
    subprocess.run([needs_tool("mosquitto_passwd"), "-c", "-b", str(accounts), "alex", "right"], check=True)
    password = tmp_path / "password"
    password.write_text("wrong-one\n")
    with Mosquitto(needs_tool, tmp_path, [f"password_file {accounts}"], anonymous=False) as broker:
        settings = Mqtt(url=broker.url, username="alex", password_file=str(password))
        async with sink(settings):
            await asyncio.wait_for(warned.wait(), 5)
        password.write_text("right\n")
        mine = aiomqtt.Client("127.0.0.1", broker.port, username="alex", password="right")
        async with mine as client, sink(settings):
            await client.subscribe("hrbridge/alex/status")
            assert (await hear(client, "status")).payload == b"online"
    assert 'does not let in user "alex"' in caplog.messages[0]
    assert "wrong-one" not in caplog.text


async def test_a_command_over_the_embedded_broker_is_answered() -> None:
    wishes: asyncio.Queue[Any] = asyncio.Queue(32)
    async with EmbeddedBroker(0) as broker:
        settings = Mqtt(url=broker.url, protocol=Protocol.V311)
        async with foreign(settings) as client, sink(settings, wishes) as bridge:
            await hear(client, "status")
            bridge.take(step())
            await hear(client, "state")
            pause = ControlSet(action=Action.PAUSE, id="9")
            asking = asyncio.create_task(publish_command(settings, "alex", messages.CONTROL_SET, pause))
            bridge.take(step(Command(14.0, await asyncio.wait_for(wishes.get(), 5))))
            await asking
