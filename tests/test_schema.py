"""What `hrbridge schema` promises to other programs is what they get, on the wire and in files."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import aiomqtt
import msgspec
import pytest
from brokers import Mosquitto
from jsonschema import Draft7Validator, Draft202012Validator
from npm_packages import installed
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from hrbridge import messages, schema, trace
from hrbridge.config import Mqtt, Plan, Runner
from hrbridge.messages import Direction, RefusedInputError
from hrbridge.sinks.mqtt import MqttSink

ROOT = Path(__file__).parent.parent
TRACES = ROOT / "tests" / "traces"
PLANS = [*(ROOT / "configs" / "plans").glob("*.toml"), *(TRACES / "plans").glob("*.toml")]
RUNNER = Runner(id="alex", max_heart_rate_bpm=180, resting_heart_rate_bpm=60)
FROM_BRIDGE = [topic.name for topic in messages.TOPICS if topic.direction is Direction.FROM_BRIDGE]
NAMES = {topic.under("hrbridge", "alex"): topic.name for topic in messages.TOPICS}
ADDRESSES = {topic.under("hrbridge", "{runner}"): topic.name for topic in messages.TOPICS}

SCHEMAS = schema.json_schemas()
MQTT = {name: Draft202012Validator(each) for name, each in SCHEMAS["mqtt"].items()}
CONFIG, PLAN = Draft202012Validator(SCHEMAS["config"]), Draft202012Validator(SCHEMAS["plan"])
TRACE_HEADER, TRACE_STEP = (Draft202012Validator(SCHEMAS["trace"][line]) for line in ("header", "step"))
ASYNCAPI = schema.asyncapi()


def complaints(schema: Draft7Validator | Draft202012Validator, value: Any) -> list[str]:
    """What a program that knows only the schema says of a value: where, and what."""
    return [f"{error.json_path}: {error.message}" for error in schema.iter_errors(value)]


def as_read(payload: bytes) -> Any:
    """A payload as a foreign program takes it: JSON, or else the bare word."""
    try:
        return json.loads(payload)
    except ValueError:
        return payload.decode()


# -- on the wire --


class Heard(NamedTuple):
    """One message of the bridge, as a subscriber with MQTT 5 has it."""

    payload: bytes
    qos: int
    retain: bool
    expiry_s: int | None


class HandClock:
    """Nothing grows old in this session."""

    def now_s(self) -> float:
        return 100.0


@pytest.fixture(scope="module")
def heard(
    needs_tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, list[Heard]]]:
    """Every message of a session in which the strap fell silent, by topic."""
    with Mosquitto(needs_tool, tmp_path_factory.mktemp("mosquitto")) as broker:
        yield asyncio.run(asyncio.wait_for(whole_session(broker), 30))


async def whole_session(broker: Mosquitto) -> dict[str, list[Heard]]:
    messages_heard: dict[str, list[Heard]] = {}
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        for topics in ("hrbridge/alex/#", "homeassistant/#"):
            await client.subscribe(topics, options=SubscribeOptions(qos=1, retainAsPublished=True))

        async def hear(name: str) -> None:
            """Take down what comes, up to the next message of a topic."""
            async for message in client.messages:
                heard_name = NAMES.get(str(message.topic), str(message.topic))
                expiry_s = getattr(message.properties, "MessageExpiryInterval", None)
                payload = bytes(message.payload)
                messages_heard.setdefault(heard_name, []).append(Heard(payload, message.qos, message.retain, expiry_s))
                if heard_name == name:
                    return

        settings = Mqtt(url=broker.url, home_assistant_discovery=True)
        async with MqttSink(settings, RUNNER, HandClock(), asyncio.Queue(), sensor="Polar H10") as bridge:
            bridge.begin("run-1", Plan(name="two-rounds"))
            await client.publish("hrbridge/alex/client/ear/status", "online", qos=1, retain=True)
            for step in trace.read(TRACES / "dropout.jsonl").steps:
                bridge.take(step)
                for _ in step.cues:
                    await hear("cue")
            await hear("session/summary")
            await client.publish("hrbridge/alex/rpe/set", "11", qos=1)
            await hear("control/result")
        await hear("status")
    return messages_heard


@pytest.mark.parametrize("name", FROM_BRIDGE)
def test_every_message_of_a_session_is_as_its_schema_says(heard: dict[str, list[Heard]], name: str) -> None:
    assert list(chain.from_iterable(complaints(MQTT[name], as_read(each.payload)) for each in heard[name])) == []


def test_every_cue_of_the_session_was_looked_at(heard: dict[str, list[Heard]]) -> None:
    said = [cue.seq for step in trace.read(TRACES / "dropout.jsonl").steps for cue in step.cues]
    assert [json.loads(each.payload)["seq"] for each in heard["cue"]] == said


def binding(name: str) -> dict[str, Any]:
    """What the AsyncAPI document says of QoS, retain and expiry of a topic."""
    (found,) = (
        operation["bindings"]["mqtt"]
        for operation in ASYNCAPI["operations"].values()
        if ADDRESSES.get(ASYNCAPI["channels"][operation["channel"]["$ref"].split("/")[-1]]["address"]) == name
    )
    return dict(found)


@pytest.mark.parametrize("name", FROM_BRIDGE)
def test_qos_and_retain_are_as_the_document_says(heard: dict[str, list[Heard]], name: str) -> None:
    promised = binding(name)
    assert {(each.qos, each.retain) for each in heard[name]} == {(promised["qos"], promised["retain"])}


@pytest.mark.parametrize("name", [name for name in FROM_BRIDGE if name != "cue"])
def test_messages_expire_as_the_document_says(heard: dict[str, list[Heard]], name: str) -> None:
    # A broker counts down what it hands on; the longest has just come in.
    longest_s = max((each.expiry_s for each in heard[name] if each.expiry_s is not None), default=None)
    assert longest_s == binding(name).get("messageExpiryInterval")


def test_a_cue_expires_with_its_own_ttl() -> None:
    assert binding("cue")["messageExpiryInterval"]["description"] == "`ttl_s` of the cue"


async def test_the_bridge_connects_as_the_document_says() -> None:
    packets: asyncio.Queue[bytes] = asyncio.Queue()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A broker that reads the first packet and hangs up."""
        _, length = await reader.readexactly(2)
        await packets.put(await reader.readexactly(length))
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        url = f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with MqttSink(Mqtt(url=url), RUNNER, HandClock(), asyncio.Queue(), sensor="Polar H10"):
            connect = await asyncio.wait_for(packets.get(), 5)
    assert as_asyncapi(connect) == ASYNCAPI["servers"]["broker"]["bindings"]["mqtt"]


def as_asyncapi(connect: bytes) -> dict[str, Any]:
    """A CONNECT packet of MQTT 5 (section 3.1), without its fixed header, as a server binding."""
    flags, rest = connect[7], connect[10:]
    properties, size = Properties(PacketTypes.CONNECT).unpack(rest)
    _, rest = text(rest[size:])
    _, size = Properties(PacketTypes.WILLMESSAGE).unpack(rest)
    topic, rest = text(rest[size:])
    message, _ = text(rest)
    return {
        "cleanSession": bool(flags & 0x02),
        "keepAlive": int.from_bytes(connect[8:10]),
        "sessionExpiryInterval": properties.SessionExpiryInterval,
        "lastWill": {
            "topic": topic.replace("alex", "{runner}"),
            "qos": flags >> 3 & 3,
            "retain": bool(flags & 0x20),
            "message": message,
        },
        "bindingVersion": "0.2.0",
    }


def text(data: bytes) -> tuple[str, bytes]:
    """A string of MQTT at the front of ``data``, and what follows it."""
    end = 2 + int.from_bytes(data[:2])
    return data[2:end].decode(), data[end:]


# -- in files --


@pytest.mark.parametrize("name", ["dropout", "effort"])
def test_every_line_of_a_trace_is_as_its_schema_says(name: str) -> None:
    header, *lines = (TRACES / f"{name}.jsonl").read_bytes().splitlines()
    steps = chain.from_iterable(complaints(TRACE_STEP, json.loads(line)) for line in lines)
    assert [*complaints(TRACE_HEADER, json.loads(header)), *steps] == []


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_configuration_is_as_its_schema_says(path: Path) -> None:
    assert complaints(CONFIG, tomllib.loads(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", sorted(PLANS), ids=lambda path: path.stem)
def test_every_plan_is_as_its_schema_says(path: Path) -> None:
    assert complaints(PLAN, tomllib.loads(path.read_text(encoding="utf-8"))) == []


# -- what is wrong --


def example(name: str, **wrong: Any) -> Any:
    """A good message of a topic, with something wrong in it."""
    return {**json.loads(msgspec.json.encode(schema.EXAMPLES[name])), **wrong}


def trace_line(**wrong: Any) -> Any:
    """The first line of a trace that says something, with something wrong in it."""
    lines = (TRACES / "dropout.jsonl").read_bytes().splitlines()[1:]
    return {**next(line for line in map(json.loads, lines) if line["cues"]), **wrong}


BATTERY_FOR_NO_REASON = {"seq": 1, "kind": "battery", "reason": "planned", "say": "Strap battery low.", "ttl_s": 5}
NO_SUCH_REASON = "'planned' is not one of ['battery']"


@pytest.mark.parametrize(
    ("schema_of", "value", "complaint"),
    [
        (MQTT["cue"], example("cue", kind="battery", reason="planned"), f"$.reason: {NO_SUCH_REASON}"),
        (
            MQTT["state"],
            example("state", last_cue={"seq": 1, "kind": "battery", "reason": "planned", "say": ""}),
            "$.last_cue: ",
        ),
        (TRACE_STEP, trace_line(cues=[BATTERY_FOR_NO_REASON]), f"$.cues[0].reason: {NO_SUCH_REASON}"),
        (MQTT["state"], example("state", phase="sprint"), "$.phase: 'sprint' is not one of"),
        (TRACE_STEP, trace_line(phase="sprint"), "$.phase: 'sprint' is not one of"),
        (TRACE_STEP, {key: value for key, value in trace_line().items() if key != "at_s"}, "$: 'at_s' is a required"),
        (MQTT["cue"], example("cue", v=2), "$.v: 1 was expected"),
        (MQTT["control/result"], {"v": 1, "id": "x", "ok": True}, "$: 'error' is a required property"),
        (MQTT["status"], "away", "$: 'away' is not one of ['online', 'offline']"),
        (CONFIG, {"runner": {}, "mqtt": {"password": "x"}}, "$.mqtt: Additional properties are not allowed"),
        (PLAN, {"block": [{"segments": [{"kind": "jog", "for_s": 60}]}]}, "$.block[0].segments[0].kind: 'jog' is not"),
    ],
    ids=[
        "cue-reason",
        "last-cue-reason",
        "trace-cue-reason",
        "state-phase",
        "trace-phase",
        "trace-time",
        "version",
        "missing-field",
        "status",
        "config-key",
        "plan-kind",
    ],
)
def test_what_is_wrong_is_refused(schema_of: Draft202012Validator, value: Any, complaint: str) -> None:
    (said,) = complaints(schema_of, value)
    assert said.startswith(complaint)


WISHES = {"rpe/set": messages.decode_rpe, "control/set": messages.decode_control}
GOOD = {
    "rpe/set": [b"7", b"7.5", b'{"rpe":7}', b'{"v":1,"rpe":0,"id":"a","more":true}'],
    "control/set": [b"pause", b'"pause"', b'{"action":"stop","confirm":true}'],
}
WRONG = {
    "rpe/set": [b"11", b"-1", b"7.3", b"hard", b"null", b"[7]", b'{"rpe":"7"}', b'{"v":2,"rpe":7}', b"{}"],
    "control/set": [b"jump", b"7", b'{"action":"jump"}', b'{"v":2,"action":"pause"}', b'{"id":"a"}'],
}


@pytest.mark.parametrize(("name", "payload"), [(name, payload) for name in GOOD for payload in GOOD[name]])
def test_what_the_schema_allows_the_bridge_takes(name: str, payload: bytes) -> None:
    WISHES[name](payload)
    assert complaints(MQTT[name], as_read(payload)) == []


@pytest.mark.parametrize(("name", "payload"), [(name, payload) for name in WRONG for payload in WRONG[name]])
def test_what_the_schema_refuses_the_bridge_refuses(name: str, payload: bytes) -> None:
    with pytest.raises(RefusedInputError):
        WISHES[name](payload)
    assert complaints(MQTT[name], as_read(payload)) != []


# -- the documents --


@pytest.mark.parametrize(
    "document",
    [*SCHEMAS["mqtt"].values(), SCHEMAS["config"], SCHEMAS["plan"], *SCHEMAS["trace"].values()],
    ids=[*SCHEMAS["mqtt"], "config", "plan", *SCHEMAS["trace"]],
)
def test_every_schema_is_one(document: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(document)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("name", ASYNCAPI["components"]["messages"])
def test_every_example_is_as_its_payload_says(name: str) -> None:
    """In the dialect of AsyncAPI, which is older."""
    components = ASYNCAPI["components"]
    payload = Draft7Validator({"$ref": f"#/components/messages/{name}/payload", "components": components})
    (given,) = components["messages"][name]["examples"]
    assert complaints(payload, given["payload"]) == []


@pytest.mark.parametrize("name", ASYNCAPI["channels"])
def test_every_parameter_of_an_address_is_explained(name: str) -> None:
    channel = ASYNCAPI["channels"][name]
    assert re.findall(r"{(\w+)}", channel["address"]) == list(channel["parameters"])


def test_every_field_of_a_payload_explains_itself_or_is_explained() -> None:
    """By its own words, by those of its payload, or by its unit."""
    payloads = {topic.name: topic.payload for topic in messages.TOPICS if topic.payload is not None}
    unexplained = [
        f"{name}: {field}"
        for name, payload in payloads.items()
        for field, kind in ASYNCAPI["components"]["schemas"][payload.__name__]["properties"].items()
        if "description" not in kind
        and "$ref" not in kind
        and f"`{field}`" not in ASYNCAPI["components"]["schemas"][payload.__name__]["description"]
        and not field.endswith("_s")
    ]
    assert unexplained == []


@pytest.mark.parametrize(("words", "document"), [([], SCHEMAS), (["--asyncapi"], ASYNCAPI)], ids=["schema", "asyncapi"])
def test_the_command_prints_the_document(words: list[str], document: dict[str, Any]) -> None:
    program = "import sys; from hrbridge.cli import main; main()"
    told = subprocess.run([sys.executable, "-c", program, "schema", *words], capture_output=True, check=True)
    assert json.loads(told.stdout) == json.loads(msgspec.json.encode(document))


# -- the parser of the AsyncAPI project, which runs in Node --

PARSER = "@asyncapi/parser@3.6.3"
PARSE = """
const { Parser } = require("@asyncapi/parser");
new Parser().parse(require("fs").readFileSync(0, "utf8"))
  .then(({ document, diagnostics }) => console.log(JSON.stringify({ parsed: document !== undefined, diagnostics })));
"""


@pytest.fixture(scope="session")
def parse(needs_tool: Callable[[str], str]) -> Callable[[Any], list[str]]:
    """What the parser says of a document that is wrong, each with its place."""
    node, packages = needs_tool("node"), installed(needs_tool, PARSER)  # 170 of them, 55 MB, 12 s

    def run(document: Any) -> list[str]:
        done = subprocess.run(
            [node, "-e", PARSE],
            input=json.dumps(document),
            env={**os.environ, "NODE_PATH": str(packages)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        said = json.loads(done.stdout)
        found = [each for each in said["diagnostics"] if each["severity"] < 2]
        assert said["parsed"] is not any(each["severity"] == 0 for each in found)
        return [f"{'.'.join(map(str, each['path']))}: {each['message']}" for each in found]

    return run


def test_the_official_parser_has_nothing_to_complain_of(parse: Callable[[Any], list[str]]) -> None:
    assert parse(ASYNCAPI) == []


def test_the_official_parser_knows_the_bindings_of_mqtt(parse: Callable[[Any], list[str]]) -> None:
    wrong = json.loads(json.dumps(ASYNCAPI))
    wrong["operations"]["send_cue"]["bindings"]["mqtt"]["qos"] = 3
    assert parse(wrong)[-1].startswith("operations.send_cue.bindings.mqtt.qos: ")
