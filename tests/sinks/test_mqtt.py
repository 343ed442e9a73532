"""What a foreign program sees of a session on real brokers, and what it may ask for."""

from __future__ import annotations

import asyncio
import contextlib
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
import pytest
from brokers import Mosquitto, free_port
from conversation import PLAN, RUNNER, HandClock, cue, step

from hrbridge import messages
from hrbridge.config import Mqtt, Protocol
from hrbridge.decisions import CueKind, Estimate, Phase, Trust
from hrbridge.errors import BrokerError, ConfigError
from hrbridge.events import Action, Command, Sample
from hrbridge.messages import ControlSet
from hrbridge.sinks import mqtt
from hrbridge.sinks.embedded import EmbeddedBroker
from hrbridge.sinks.listeners import MAX_UNANSWERED
from hrbridge.sinks.mqtt import MqttSink, publish_command

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
        "nothing listens there: start the broker, or the run that brings one; "
        "the run goes on without it, and hrbridge keeps trying"
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
        mosquitto.start()
        async with foreign(settings) as client:
            bridge.take(step(phase=Phase.WALK, cues=(cue(2),)))
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


async def test_the_strap_that_was_waited_for_has_a_tone_of_its_own() -> None:
    bridge = MqttSink(Mqtt(), RUNNER, HandClock(), asyncio.Queue(), sensor="")
    bridge.begin("run-1", PLAN)
    bridge.take(step(phase=Phase.WAITING, cues=(cue(1, kind=CueKind.NEXT),)))
    told = [json.loads(out.payload)["tone"] for out in bridge._next() if out.topic is messages.CUE]
    assert told == ["ready"]


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


async def test_a_cue_that_a_breaking_connection_swallows_goes_out_again() -> None:
    bridge = MqttSink(Mqtt(), RUNNER, HandClock(), asyncio.Queue(), sensor="")
    bridge.begin("run-1", PLAN)
    bridge.take(step(cues=(cue(1),)))
    swallowed = next(bridge._next())
    assert next(bridge._next()) == swallowed


async def test_the_summary_of_a_run_that_ends_in_a_black_hole_goes_out_in_the_end() -> None:
    bridge = MqttSink(Mqtt(), RUNNER, HandClock(), asyncio.Queue(), sensor="")
    bridge.begin("run-1", PLAN)
    bridge.take(step(phase=Phase.FINISHED))
    for sending in bridge._next():
        if sending.topic is messages.SUMMARY:
            break
    assert [sending.topic.name for sending in bridge._next()] == ["session/summary"]


# -- what comes in --


async def ask(client: aiomqtt.Client, name: str, payload: str | bytes, **keys: Any) -> None:
    await client.publish(f"hrbridge/alex/{name}", payload, qos=1, **keys)


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


async def test_a_refusal_carries_the_id_it_answers(mosquitto: Mosquitto) -> None:
    result = await refusal(mosquitto, ("control/set", '{"action":"jump","id":"x1"}'))
    assert result["id"] == "x1"


@pytest.mark.parametrize("payload", ["11", "-1", "6.3", "hard", "", '{"rpe":null}'])
async def test_an_effort_that_is_none_is_refused_with_a_reason(mosquitto: Mosquitto, payload: str) -> None:
    result = await refusal(mosquitto, ("rpe/set", payload))
    assert result["error"] == "rpe is a number from 0 to 10 in halves"


async def test_a_headset_that_was_there_before_the_bridge_stays_when_it_answers(mosquitto: Mosquitto) -> None:
    settings = Mqtt(url=mosquitto.url)
    async with foreign(settings) as client:
        await ask(client, "client/ear/status", "online", retain=True)
        await ask(client, "client/ghost/status", "online", retain=True)
        async with sink(settings) as bridge:
            for n in range(MAX_UNANSWERED + 1):
                bridge.take(step(cues=(cue(n),)))
                heard = await hear_json(client, "cue")
                ack = {"v": 1, "client": "ear", "sid": "run-1", "seq": heard["seq"], "result": "played", "age_ms": 3}
                await ask(client, "cue/ack", json.dumps(ack))
            bridge.take(step(phase=Phase.COOLDOWN))
            assert (await hear_json(client, "state", phase="cooldown"))["headsets"] == 1


async def test_a_stranger_who_breaks_our_library_is_rid_of_us_for_a_moment_only(mosquitto: Mosquitto) -> None:
    """paho takes a mark of byte order in a topic for a broken packet, and mosquitto passes it on."""
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    wishes: asyncio.Queue[Any] = asyncio.Queue(32)
    broken = Properties(PacketTypes.PUBLISH)
    broken.ResponseTopic = "\ufeff"
    async with aiomqtt.Client("127.0.0.1", mosquitto.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe("hrbridge/alex/status")
        async with sink(Mqtt(url=mosquitto.url), wishes):
            await hear(client, "status")
            await ask(client, "control/set", "pause", properties=broken)
            # What is asked while it is away is lost, as it should be: until somebody asks again.
            while wishes.empty():
                await ask(client, "control/set", "resume")
                with contextlib.suppress(TimeoutError):
                    await hear(client, "status", within_s=1.0)
            assert await wishes.get() is Action.RESUME


# -- two bridges --


def of_others(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was said of another bridge. amqtt 0.12 may lose a client while another subscribes; that is said as well."""
    return [message for message in caplog.messages if message.startswith("another hrbridge")]


@pytest.fixture
def rivals(settings: Mqtt, caplog: pytest.LogCaptureFixture, warned: asyncio.Event) -> Any:
    """Runs two bridges for one runner and returns what they say of each other."""

    async def run() -> list[str]:
        async with sink(settings) as first, foreign(settings) as client:
            await hear(client, "bridge/info")
            other = MqttSink(settings, RUNNER, HandClock(), asyncio.Queue(32), sensor="Garmin HRM")
            async with other:
                other.begin("run-2", PLAN)
                async with asyncio.timeout(8):
                    while len(of_others(caplog)) < 2:
                        warned.clear()
                        await warned.wait()
                # Another session of one of them, and a heartbeat of the other, are no news.
                other.begin("run-3", PLAN)
                await hear_json(client, "bridge/info", sid="run-3")
                first.take(step(phase=Phase.COOLDOWN))
                await hear_json(client, "state", phase="cooldown")
        return of_others(caplog)

    return run


async def test_two_bridges_for_one_runner_both_say_so_once(rivals: Any) -> None:
    said = await rivals()
    assert sorted(message.split(" on MQTT broker")[0] for message in said) == [
        "another hrbridge ('Garmin HRM') coaches runner alex",
        "another hrbridge ('Polar H10') coaches runner alex",
    ]


async def test_the_bridge_that_ran_before_us_is_no_other(settings: Mqtt, caplog: pytest.LogCaptureFixture) -> None:
    for sid in ("run-2", "run-3"):
        async with sink(settings) as bridge, foreign(settings) as client:
            bridge.begin(sid, PLAN)
            await hear_json(client, "bridge/info", sid=sid)
            bridge.take(step())
            await hear(client, "state")
    assert of_others(caplog) == []


# -- a broker that is there and does less --


REFUSED = "refuses what goes out on hrbridge/alex/status (Not authorized)"
SILENT = "delivers nothing of what goes out on hrbridge/alex/bridge/info"


@pytest.mark.parametrize(
    ("access", "protocol", "says"),
    [
        ("readwrite elsewhere/#", Protocol.V5, REFUSED),
        ("read hrbridge/alex/#", Protocol.V5, REFUSED),
        ("write hrbridge/alex/#", Protocol.V5, SILENT),
        ("readwrite elsewhere/#", Protocol.V311, SILENT),
        ("read hrbridge/alex/#", Protocol.V311, SILENT),
        ("write hrbridge/alex/#", Protocol.V311, SILENT),
    ],
)
async def test_an_access_list_without_us_is_said_once(
    needs_tool: Callable[[str], str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    warned: asyncio.Event,
    monkeypatch: pytest.MonkeyPatch,
    access: str,
    protocol: Protocol,
    says: str,
) -> None:
    """mosquitto grants every subscription, and acknowledges to MQTT 3.1.1 whatever it drops."""
    monkeypatch.setattr(mqtt, "ECHO_WITHIN_S", 0.3)
    (tmp_path / "acl").write_text(f"topic {access}\n")
    with Mosquitto(needs_tool, tmp_path, [f"acl_file {tmp_path}/acl"]) as broker:
        async with sink(Mqtt(url=broker.url, protocol=protocol)) as bridge:
            await asyncio.wait_for(warned.wait(), 5)
            bridge.take(step(cues=(cue(1),)))
    assert caplog.messages == [
        f"MQTT broker localhost:{broker.port} {says}; "
        "its access list must let clients without a name read and write hrbridge/alex/#"
    ]


async def test_a_broker_that_lets_us_do_everything_is_not_complained_of(
    mosquitto: Mosquitto, warned: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "ECHO_WITHIN_S", 0.1)
    settings = Mqtt(url=mosquitto.url)
    async with sink(settings), foreign(settings) as client:
        await hear(client, "bridge/info")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(warned.wait(), 0.3)


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ("max_qos 0", "takes no QoS 1"),
        ("retain_available false", "keeps no messages"),
        ("max_packet_size 300", "takes no packets over 300 bytes: state does not go out"),
    ],
    ids=["qos", "retain", "packets"],
)
async def test_a_broker_that_can_do_less_is_served_all_the_same(
    needs_tool: Callable[[str], str], tmp_path: Path, caplog: pytest.LogCaptureFixture, limit: str, says: str
) -> None:
    with Mosquitto(needs_tool, tmp_path, [limit]) as broker:
        settings = Mqtt(url=broker.url)
        async with foreign(settings) as client, sink(settings) as bridge:
            assert (await hear(client, "status")).payload == b"online"
            bridge.take(step(cues=(cue(1),)))
            assert (await hear_json(client, "cue"))["seq"] == 1
    assert [says in message for message in caplog.messages] == [True]


async def test_a_broker_with_a_full_disk_loses_nothing_of_ours(
    needs_tool: Callable[[str], str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """mosquitto goes on in its memory and tells nobody: there is nothing to be said."""
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
    if subprocess.run([needs_tool("mount"), *options], check=False, capture_output=True).returncode:
        pytest.skip("only root may make a disk that is full")
    try:
        with contextlib.suppress(OSError):
            (disk / "full").write_bytes(b"x" * 100_000)
        keeps = ["persistence true", f"persistence_location {disk}/", "autosave_on_changes true", "autosave_interval 1"]
        with Mosquitto(needs_tool, tmp_path, keeps) as broker:
            async with sink(Mqtt(url=broker.url)) as bridge:
                for kill in (lambda: None, broker.kill, lambda: None):
                    kill()
                    if kill == broker.kill:
                        broker.start()
                    async with foreign(Mqtt(url=broker.url)) as client:
                        bridge.take(step())
                        await hear(client, "state")
    finally:
        subprocess.run([needs_tool("umount"), "--lazy", str(disk)], check=True)


async def test_a_runner_whom_nobody_hears_is_told(mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture) -> None:
    clock = HandClock()
    settings = Mqtt(url=mosquitto.url)
    async with foreign(settings) as client, sink(settings, clock=clock) as bridge:
        bridge.take(step())
        await hear(client, "state")
        clock.at_s += 6
        bridge.take(step(phase=Phase.WALK))
        await ask(client, "client/ear/status", "online", retain=True)
        await ask(client, "control/set", "dance")
        await hear(client, "control/result")  # whoever answers this has heard what came before it
        bridge.take(step(phase=Phase.WALK))
        await hear_json(client, "state", headsets=1)
    told = [message.split(":")[0] for message in caplog.messages if "headset" in message]
    assert told == ["no headset is listening to hrbridge/alex/cue"]


async def test_whoever_sits_before_the_screen_needs_no_headset(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    clock = HandClock()
    own = MqttSink(Mqtt(url="embedded"), RUNNER, clock, asyncio.Queue(32), sensor="strap", url=mosquitto.url)
    own.begin("run-1", PLAN)
    async with foreign(Mqtt(url=mosquitto.url)) as client, own:
        own.take(step())
        await hear(client, "state")
        clock.at_s += 6
        own.take(step(phase=Phase.WALK))
        await hear_json(client, "state", phase="walk")
    assert caplog.messages == []


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
