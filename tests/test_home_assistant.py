"""Home Assistant makes a device of a runner: what the document promises is what the bridge says and obeys.

By the light schema below in every run; by Home Assistant itself in ``make
proof``, where HRBRIDGE_HOME_ASSISTANT names a Python 3.13 that has it (466 MB;
pip alone does not find its way through what Home Assistant asks for)::

    python3.13 -m venv ha && ha/bin/pip install --no-deps homeassistant==2025.4.4
    ha/bin/pip install --only-binary :all: voluptuous voluptuous-serialize voluptuous-openapi aiohttp attrs \\
      awesomeversion PyYAML jinja2 orjson ciso8601 python-slugify ulid-transform yarl cryptography certifi lru-dict \\
      typing_extensions async-interrupt atomicwrites-homeassistant bcrypt httpx PyJWT ifaddr packaging requests \\
      aiohttp_cors aiohttp-fast-zlib aiohttp-asyncmdnsresolver fnv-hash-fast propcache psutil-home-assistant \\
      SQLAlchemy paho-mqtt annotatedyaml aiozoneinfo astral
    ha/bin/pip install --no-deps webrtc-models mashumaro hass-nabucasa==0.94.0 async-timeout boto3 botocore \\
      s3transfer python-dateutil jmespath pycognito envs snitun acme josepy pyOpenSSL pyrfc3339 \\
      aiohasupervisor==0.3.0 securetar==2025.2.1 cronsim==2.6
    HRBRIDGE_HOME_ASSISTANT=ha/bin/python make proof
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import pytest
import yaml
from brokers import Mosquitto
from conversation import PLAN, RUNNER, HandClock, coaching, hear, hear_until, step
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jsonschema import Draft202012Validator

from hrbridge import config, home_assistant, messages, schema, trace
from hrbridge.config import Mqtt, Protocol
from hrbridge.decisions import Cue, CueKind, Estimate, Phase, Reason, Trust
from hrbridge.events import Action
from hrbridge.sinks.mqtt import MqttSink

TESTS = Path(__file__).parent
CONFIGS = TESTS.parent / "configs" / "home-assistant"
DEVICE = "homeassistant/device/hrbridge_alex/config"
BIRTH = "homeassistant/status"


def document(base_topic: str = "hrbridge", runner_id: str = "alex") -> dict[str, Any]:
    """The document as Home Assistant reads it."""
    return dict(json.loads(msgspec.json.encode(home_assistant.discovery(base_topic, runner_id))))


DOCUMENT = document()
COMPONENTS: dict[str, dict[str, Any]] = DOCUMENT["components"]
BUTTONS = [key for key, component in COMPONENTS.items() if component["platform"] == "button"]
ENTITIES = [
    "sensor.hrbridge_alex_heart_rate",
    "sensor.hrbridge_alex_phase",
    "sensor.hrbridge_alex_phase_remaining",
    "sensor.hrbridge_alex_trust",
    "sensor.hrbridge_alex_strap_battery",
    "event.hrbridge_alex_cue",
    "number.hrbridge_alex_rpe",
    "sensor.hrbridge_alex_last_session",
    "button.hrbridge_alex_start",
    "button.hrbridge_alex_pause",
    "button.hrbridge_alex_resume",
    "button.hrbridge_alex_skip",
    "button.hrbridge_alex_extend",
    "button.hrbridge_alex_walk",
    "button.hrbridge_alex_run",
    "button.hrbridge_alex_stop",
]


# -- the document --

TEXT = {"type": "string", "minLength": 1}
TOPIC = {"type": "string", "pattern": r"^[^+#]+$"}
WORDS = {"type": "array", "items": TEXT, "minItems": 1, "uniqueItems": True}
COMMON = {
    "platform": TEXT,
    "name": TEXT,
    "unique_id": {"pattern": r"^hrbridge_[a-z0-9_-]+$"},
    "default_entity_id": {"pattern": r"^(sensor|event|number|button)\.[a-z0-9_]+$"},
    "icon": {"pattern": r"^mdi:[a-z-]+$"},
    "availability": {"maxItems": 0},
}
NAMED = ["platform", "name", "unique_id", "default_entity_id"]
READ = {"state_topic": TOPIC, "value_template": TEXT}
PLATFORMS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "sensor": (
        {
            **READ,
            "device_class": {"enum": ["enum", "battery", "duration"]},
            "state_class": {"const": "measurement"},
            "unit_of_measurement": {"enum": ["bpm", "s", "min", "%"]},
            "options": WORDS,
            "expire_after": {"type": "integer", "exclusiveMinimum": 0},
            "suggested_display_precision": {"type": "integer", "minimum": 0},
            "entity_category": {"const": "diagnostic"},
            "json_attributes_topic": TOPIC,
        },
        ["state_topic", "value_template"],
    ),
    "event": ({**READ, "event_types": WORDS}, ["state_topic", "value_template", "event_types"]),
    "number": (
        {**READ, "command_topic": TOPIC, **{key: {"type": "number"} for key in ("min", "max", "step")}},
        ["command_topic", "state_topic", "min", "max", "step"],
    ),
    "button": ({"command_topic": TOPIC, "payload_press": TEXT}, ["command_topic", "payload_press"]),
}
# A list of words and the device class "enum" belong together; what has words has no unit.
ENUM_HAS_OPTIONS = {
    "if": {"properties": {"device_class": {"const": "enum"}}, "required": ["device_class"]},
    "then": {"required": ["options"], "not": {"anyOf": [{"required": ["unit_of_measurement"]}]}},
    "else": {"not": {"required": ["options"]}},
}
LIGHT = Draft202012Validator(
    {
        "type": "object",
        "required": ["device", "origin", "components", "availability"],
        "additionalProperties": False,
        "properties": {
            "device": {"type": "object", "required": ["identifiers", "name"], "properties": {"identifiers": WORDS}},
            "origin": {"type": "object", "required": ["name"]},
            "availability": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "object", "required": ["topic"], "properties": {"topic": TOPIC}},
            },
            "qos": {"enum": [0, 1, 2]},
            "components": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {
                    "type": "object",
                    "required": NAMED,
                    "properties": {"platform": {"enum": list(PLATFORMS)}},
                    "allOf": [
                        ENUM_HAS_OPTIONS,
                        *(
                            {
                                "if": {"properties": {"platform": {"const": platform}}},
                                "then": {
                                    "properties": COMMON | options,
                                    "required": required,
                                    "additionalProperties": False,
                                },
                            }
                            for platform, (options, required) in PLATFORMS.items()
                        ),
                    ],
                },
            },
        },
    }
)


def spoilt(*path: str, value: Any = None) -> dict[str, Any]:
    """The document with one thing replaced, or left out."""
    wrong = document()
    place = wrong
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return wrong


WRONG = {
    "no-origin": (spoilt("origin"), "origin"),
    "no-device-class-for-heart-rate": (
        spoilt("components", "heart_rate", "device_class", value="heart_rate"),
        "heart_rate",
    ),
    "an-event-of-no-type": (spoilt("components", "cue", "event_types"), "event_types"),
    "a-button-for-nothing": (spoilt("components", "skip", "command_topic"), "command_topic"),
    "words-without-enum": (spoilt("components", "phase", "device_class"), "phase"),
    "a-sensor-of-nothing": (spoilt("components", "trust", "state_topic"), "state_topic"),
    "a-device-without-identity": (spoilt("device", "identifiers", value=[]), "identifiers"),
}


def test_the_document_is_one() -> None:
    assert [error.message for error in LIGHT.iter_errors(DOCUMENT)] == []


@pytest.mark.parametrize(("wrong", "place"), WRONG.values(), ids=WRONG)
def test_what_home_assistant_would_refuse_the_light_schema_refuses(wrong: dict[str, Any], place: str) -> None:
    (error,) = LIGHT.iter_errors(wrong)
    assert place in f"{error.json_path} {error.message}"


def test_a_component_without_a_name_in_the_registry_is_refused() -> None:
    assert list(LIGHT.iter_errors(spoilt("components", "rpe", "unique_id"))) != []


def test_the_entities_are_those_one_can_write_into_a_card() -> None:
    assert [component["default_entity_id"] for component in COMPONENTS.values()] == ENTITIES


@pytest.mark.parametrize("runner_id", ["alex", "alex-2", "a--b_c", "-x_"])
def test_an_older_home_assistant_makes_the_same_entity_ids_of_the_names(runner_id: str) -> None:
    """Before 2025.10 it knows no default_entity_id and joins the names of device and component."""
    made = document(runner_id=runner_id)
    joined = [
        f"{component['platform']}.{'_'.join(re.findall('[a-z0-9]+', name.lower()))}"
        for component in made["components"].values()
        for name in [f"{made['device']['name']} {component['name']}"]
    ]
    assert [component["default_entity_id"] for component in made["components"].values()] == joined


def test_two_runners_share_no_identity() -> None:
    made = [document(), document(runner_id="bo")]
    ids = {component["unique_id"] for each in made for component in each["components"].values()}
    assert len(ids) == 2 * len(ENTITIES)
    assert made[0]["device"]["identifiers"] != made[1]["device"]["identifiers"]


def test_another_base_topic_is_in_every_topic() -> None:
    text = json.dumps(document("club/north"))
    assert set(re.findall(r'topic": "(.*?)alex/', text)) == {"club/north/"}


def test_the_longest_runner_id_still_makes_a_message_that_a_careful_broker_takes() -> None:
    assert len(msgspec.json.encode(home_assistant.discovery("hrbridge", "x" * 32))) < 8192


# -- what it promises --


@pytest.fixture(scope="module")
def broker(needs_tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with Mosquitto(needs_tool, tmp_path_factory.mktemp("mosquitto")) as broker:
        yield broker


@pytest.fixture(scope="module")
def heard(broker: Mosquitto) -> dict[str, list[bytes]]:
    """Every message of a session with reports of effort, by topic."""
    return asyncio.run(asyncio.wait_for(whole_session(broker), 30))


async def whole_session(broker: Mosquitto) -> dict[str, list[bytes]]:
    said: dict[str, list[bytes]] = {}
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe("hrbridge/alex/#", qos=1)

        async def take_down(topic: str) -> None:
            """What comes, up to the next message of a topic."""
            async for message in client.messages:
                said.setdefault(str(message.topic), []).append(bytes(message.payload))
                if str(message.topic) == topic:
                    return

        async with coaching(Mqtt(url=broker.url)) as bridge:
            for each in trace.read(TESTS / "traces" / "effort.jsonl").steps:
                bridge.take(each)
                for _ in each.cues:
                    await take_down("hrbridge/alex/cue")
        await take_down("hrbridge/alex/session/summary")
    return said


def rendered(key: str, payload: bytes) -> str:
    """What Home Assistant makes of a payload; its templates are those of Jinja in the same sandbox."""
    template = ImmutableSandboxedEnvironment().from_string(COMPONENTS[key]["value_template"])
    return template.render(value=payload.decode(), value_json=json.loads(payload))


def topics(option: str) -> set[str]:
    return {component[option] for component in COMPONENTS.values() if option in component}


def test_every_topic_it_is_to_read_is_one_the_bridge_speaks_in(heard: dict[str, list[bytes]]) -> None:
    read = (
        topics("state_topic") | topics("json_attributes_topic") | {each["topic"] for each in DOCUMENT["availability"]}
    )
    assert read - heard.keys() == set()


READINGS = {
    "heart_rate": "148",
    "phase": "walk",
    "phase_remaining": "15",
    "trust": "good",
    "strap_battery": "80",
    "rpe": "5",
    "last_session": "40.0",
}


@pytest.mark.parametrize(("key", "shown"), READINGS.items(), ids=READINGS)
def test_a_sensor_shows_the_field_it_is_named_after(key: str, shown: str) -> None:
    name = COMPONENTS[key]["state_topic"].removeprefix("hrbridge/alex/")
    assert rendered(key, msgspec.json.encode(schema.EXAMPLES[name])) == shown


@pytest.mark.parametrize("key", ["heart_rate", "phase_remaining", "strap_battery", "rpe"])
def test_what_nobody_knows_is_unknown_and_not_zero(key: str) -> None:
    """Home Assistant takes the word None for unknown."""
    example = schema.EXAMPLES["state"]
    assert isinstance(example, messages.State)
    nothing = msgspec.structs.replace(
        example, heart_rate_bpm=None, phase_remaining_s=None, battery_percent=None, rpe=None
    )
    assert rendered(key, msgspec.json.encode(nothing)) == "None"


@pytest.mark.parametrize("key", ["heart_rate", "phase_remaining", "strap_battery", "rpe", "last_session"])
def test_numbers_are_numbers_all_through_a_session(heard: dict[str, list[bytes]], key: str) -> None:
    shown = {rendered(key, payload) for payload in heard[COMPONENTS[key]["state_topic"]]} - {"None"}
    assert [text for text in shown if not re.fullmatch(r"\d+(\.\d+)?", text)] == []
    assert len(shown) > 0


@pytest.mark.parametrize("key", ["phase", "trust"])
def test_words_are_among_the_options_all_through_a_session(heard: dict[str, list[bytes]], key: str) -> None:
    shown = {rendered(key, payload) for payload in heard[COMPONENTS[key]["state_topic"]]}
    assert shown - set(COMPONENTS[key]["options"]) == set()


def test_every_cue_is_an_event_of_its_kind_with_all_that_was_said(heard: dict[str, list[bytes]]) -> None:
    payloads = heard["hrbridge/alex/cue"]
    events = [json.loads(rendered("cue", payload)) for payload in payloads]
    cues = [json.loads(payload) for payload in payloads]
    assert events == [{**cue, "event_type": cue["kind"]} for cue in cues]


def test_every_kind_of_cue_and_every_phase_is_expected() -> None:
    assert COMPONENTS["cue"]["event_types"] == [*CueKind]
    assert COMPONENTS["phase"]["options"] == [*Phase]


def test_a_state_that_is_not_renewed_goes_out_for_a_client_that_sees_no_expiry_too() -> None:
    of_state = [each for each in COMPONENTS.values() if each.get("state_topic") == "hrbridge/alex/state"]
    assert {each["expire_after"] for each in of_state if each["platform"] == "sensor"} == {15}


def test_the_last_session_stays_when_the_bridge_has_gone() -> None:
    assert [key for key, each in COMPONENTS.items() if "availability" in each] == ["last_session"]


async def asked_for(broker: Mosquitto, topic: str, payload: str) -> Any:
    """What reaches the run when Home Assistant publishes."""
    wishes: asyncio.Queue[Any] = asyncio.Queue(8)
    async with (
        aiomqtt.Client("127.0.0.1", broker.port) as house,
        coaching(Mqtt(url=broker.url, home_assistant_discovery=True), wishes) as bridge,
    ):
        await house.subscribe(DOCUMENT["availability"][0]["topic"])
        while (await hear(house, "hrbridge/alex/status")).payload != b"online":
            pass
        bridge.take(step())
        await house.publish(topic, payload, qos=DOCUMENT["qos"])
        return await asyncio.wait_for(wishes.get(), 5)


@pytest.mark.parametrize("key", BUTTONS)
async def test_one_press_is_one_command(broker: Mosquitto, key: str) -> None:
    button = COMPONENTS[key]
    assert await asked_for(broker, button["command_topic"], button["payload_press"]) is Action(key)


@pytest.mark.parametrize(("sent", "rpe"), [("7", 7.0), ("0.5", 0.5)])
async def test_effort_comes_in_as_home_assistant_writes_numbers(broker: Mosquitto, sent: str, rpe: float) -> None:
    assert await asked_for(broker, COMPONENTS["rpe"]["command_topic"], sent) == rpe


def test_every_effort_one_can_choose_is_one_that_counts() -> None:
    number = COMPONENTS["rpe"]
    steps = round((number["max"] - number["min"]) / number["step"])
    chosen = [number["min"] + n * number["step"] for n in range(steps + 1)]
    assert [messages.decode_rpe(f"{each:g}".encode()) for each in chosen] == [n / 2 for n in range(21)]


# -- when it is said, and when no longer --


@pytest.fixture(params=[Protocol.V5, Protocol.V311])
def settings(request: pytest.FixtureRequest, needs_tool: Callable[[str], str], tmp_path: Path) -> Iterator[Mqtt]:
    with Mosquitto(needs_tool, tmp_path) as broker:
        yield Mqtt(url=broker.url, protocol=request.param, home_assistant_discovery=True)


def off(settings: Mqtt) -> Mqtt:
    return msgspec.structs.replace(settings, home_assistant_discovery=False)


@asynccontextmanager
async def house(settings: Mqtt, *more: str) -> AsyncIterator[aiomqtt.Client]:
    """What Home Assistant subscribes to; MQTT 3.1.1."""
    async with aiomqtt.Client("127.0.0.1", int(settings.url.rpartition(":")[2])) as client:
        for topic in ("homeassistant/#", *more):
            await client.subscribe(topic, qos=1)
        yield client


def other(settings: Mqtt) -> MqttSink:
    """A bridge that stands in a session before it has ever reached the broker."""
    bridge = MqttSink(settings, RUNNER, HandClock(), asyncio.Queue(8), sensor="Polar H10")
    bridge.begin("run-1", PLAN)
    bridge.take(step())
    return bridge


async def test_the_greeting_is_status_info_discovery_state(settings: Mqtt) -> None:
    async with house(settings, "hrbridge/alex/#") as client, other(settings):
        before = await hear_until(client, "hrbridge/alex/state")
    assert [str(message.topic) for message in before] == ["hrbridge/alex/status", "hrbridge/alex/bridge/info", DEVICE]
    assert json.loads(bytes(before[-1].payload)) == DOCUMENT


async def test_the_device_waits_for_a_home_assistant_that_comes_late(settings: Mqtt) -> None:
    async with coaching(settings):
        async with house(settings) as early:
            await hear(early, DEVICE)
        async with house(settings) as late:
            kept = await hear(late, DEVICE)
    assert (kept.retain, kept.qos, json.loads(bytes(kept.payload))) == (True, 1, DOCUMENT)


async def test_home_assistant_is_told_everything_again_when_it_is_born(settings: Mqtt) -> None:
    async with house(settings, "hrbridge/alex/state") as client, other(settings):
        await hear(client, "hrbridge/alex/state")
        await client.publish(BIRTH, "offline", qos=1)
        await client.publish(BIRTH, "online", qos=1)
        said = [str(message.topic) for message in await hear_until(client, "hrbridge/alex/state")]
    assert said == [BIRTH, BIRTH, DEVICE]


async def test_switched_off_the_device_is_taken_away(settings: Mqtt) -> None:
    async with house(settings) as client:
        async with coaching(settings):
            assert json.loads(bytes((await hear(client, DEVICE)).payload)) == DOCUMENT
        async with coaching(off(settings)):
            assert (await hear(client, DEVICE)).payload == b""
    async with house(settings, "hrbridge/alex/status") as late:
        assert await hear_until(late, "hrbridge/alex/status") == []


async def test_somebody_of_the_same_name_in_another_club_keeps_the_device(settings: Mqtt) -> None:
    theirs = json.dumps(document("club/hrbridge"))
    wishes: asyncio.Queue[Any] = asyncio.Queue(8)
    async with house(settings, "hrbridge/alex/status") as client:
        await client.publish(DEVICE, theirs, qos=1, retain=True)
        async with coaching(off(settings), wishes):
            while (await hear(client, "hrbridge/alex/status")).payload != b"online":
                pass
            await client.publish("hrbridge/alex/rpe/set", "7", qos=1)  # heard after what was kept
            assert await asyncio.wait_for(wishes.get(), 5) == 7
    async with house(settings) as late:
        assert (await hear(late, DEVICE)).payload == theirs.encode()


async def test_without_the_key_nothing_is_said_to_home_assistant(settings: Mqtt) -> None:
    async with house(settings, "hrbridge/alex/#") as client:
        async with coaching(off(settings)) as bridge:
            bridge.take(step())
            await hear(client, "hrbridge/alex/state")
            await client.publish(BIRTH, "online", qos=1)
            assert [str(each.topic) for each in await hear_until(client, BIRTH)] == []
            bridge.take(step(phase=Phase.FINISHED))
        said = [str(message.topic) for message in await hear_until(client, "hrbridge/alex/session/summary")]
    assert said == ["hrbridge/alex/state"]


def test_it_is_off_until_somebody_switches_it_on() -> None:
    assert config.Mqtt().home_assistant_discovery is False


# -- the card and the automation --


def texts(value: Any) -> Iterator[str]:
    """Every text in a document of YAML."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def shipped(name: str) -> Any:
    return yaml.safe_load((CONFIGS / name).read_text(encoding="utf-8"))


CARD, AUTOMATION = shipped("dashboard-card.yaml"), shipped("fan-automation.yaml")
HOT, COOL, BEGUN, OVER = AUTOMATION["triggers"]
MOVING = [Phase.RUN, Phase.SURGE, Phase.WALK]


@pytest.mark.parametrize("name", ["dashboard-card.yaml", "fan-automation.yaml"])
def test_cards_and_automations_name_only_entities_that_are_made(name: str) -> None:
    named = {found for text in texts(shipped(name)) for found in re.findall(r"\w+\.hrbridge_\w+", text)}
    assert named - set(ENTITIES) == set()
    assert len(named) > 0


def test_the_card_shows_every_entity() -> None:
    assert set(re.findall(r"\w+\.hrbridge_\w+", " ".join(texts(CARD)))) == set(ENTITIES)


def test_the_card_asks_before_a_session_is_ended() -> None:
    (grid,) = (card for card in CARD["cards"] if card["type"] == "grid")
    asking = [card["entity"] for card in grid["cards"] if "confirmation" in card.get("tap_action", {})]
    assert asking == ["button.hrbridge_alex_stop"]


def test_the_fan_goes_on_well_above_where_it_goes_off() -> None:
    assert HOT["above"] - COOL["below"] >= 10


def test_the_fan_goes_by_the_same_numbers_in_both_places() -> None:
    on, cool = (branch["conditions"][1] for branch in AUTOMATION["actions"][0]["choose"][1:])
    assert (on["above"], cool["below"]) == (HOT["above"], COOL["below"])


def test_the_fan_knows_every_phase() -> None:
    assert BEGUN["to"] == OVER["from"] == MOVING
    assert set(OVER["to"]) == {*Phase, "unknown", "unavailable"} - set(MOVING)


@pytest.mark.parametrize("name", ["dashboard-card.yaml", "fan-automation.yaml"])
def test_each_file_says_how_to_install_it(name: str) -> None:
    text = (CONFIGS / name).read_text(encoding="utf-8")
    assert re.findall(r"^# (\d)\. ", text, flags=re.MULTILINE) == ["1", "2", "3"]


# -- Home Assistant itself --


@pytest.fixture
def python() -> str:
    """A Python with Home Assistant."""
    path = os.environ.get("HRBRIDGE_HOME_ASSISTANT", "")
    if not path:
        pytest.skip("HRBRIDGE_HOME_ASSISTANT is not set: no Home Assistant to test with")
    return path


def refusals(python: str, *documents: dict[str, Any]) -> list[list[str]]:
    """What its schemas say of each document."""
    done = subprocess.run(
        [python, TESTS / "real_home_assistant.py", "schemas"],
        input=json.dumps(documents),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    said: list[list[str]] = json.loads(done.stdout)
    return said


@pytest.mark.proof
def test_the_schemas_of_home_assistant_have_nothing_to_complain_of(python: str) -> None:
    assert refusals(python, DOCUMENT, document("club/north", "x" * 32)) == [[], []]


@pytest.mark.proof
def test_the_schemas_of_home_assistant_refuse_what_is_wrong(python: str) -> None:
    upside_down = spoilt("components", "rpe", "max", value=-1)
    said = refusals(python, *(wrong for wrong, _ in WRONG.values()), upside_down)
    assert [len(each) for each in said] == [1] * (len(WRONG) + 1)


class RealHouse:
    """A Home Assistant that runs, and the states of its entities as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.states: dict[str, str | None] = {}
        self.attributes: dict[str, dict[str, Any]] = {}
        self.fan: list[str] = []
        self.done = 0

    async def until(self, enough: Callable[[], bool], within_s: float = 20.0) -> None:
        """Read on until it is so."""
        assert self._process.stdout is not None
        async with asyncio.timeout(within_s):
            while not enough():
                told = json.loads(await self._process.stdout.readline())
                self.done += "done" in told
                if "fan" in told:
                    self.fan.append(told["fan"])
                elif "entity_id" in told:
                    self.states[told["entity_id"]] = told["state"]
                    self.attributes[told["entity_id"]] = told["attributes"]

    async def shows(self, **states: str | None) -> None:
        """Until the entities of the keys show this."""
        wanted = {COMPONENTS[key]["default_entity_id"]: state for key, state in states.items()}
        await self.until(lambda: wanted.items() <= self.states.items())

    async def do(self, *calls: tuple[str, str, dict[str, Any]]) -> None:
        """Until the services are called, and all that was going on has come to its end."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(calls).encode() + b"\n")
        done = self.done + 1
        await self.until(lambda: self.done == done)


@asynccontextmanager
async def real_house(python: str, settings: Mqtt) -> AsyncIterator[RealHouse]:
    words = [TESTS / "real_home_assistant.py", "live", settings.url.rpartition(":")[2], CONFIGS / "fan-automation.yaml"]
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    process = await asyncio.create_subprocess_exec(python, *words, **pipes, limit=2**20)
    try:
        yield RealHouse(process)
    finally:
        process.kill()
        await process.wait()


def at(heart_rate_bpm: float, phase: Phase = Phase.RUN, *cues: Cue) -> Any:
    return step(phase=phase, cues=cues, estimate=Estimate(heart_rate_bpm=heart_rate_bpm, trust=Trust.GOOD, rpe=4.0))


@pytest.mark.proof
async def test_home_assistant_shows_the_run(python: str, settings: Mqtt) -> None:
    async with coaching(settings) as bridge:
        bridge.take(at(141.0))
        async with real_house(python, settings) as house:
            await house.shows(heart_rate="141.0", phase="run", phase_remaining="228.0", trust="good", rpe="4.0")
            await house.shows(strap_battery="unknown", skip="unknown", last_session="unknown")
            bridge.take(at(150.0, Phase.WALK, Cue(1, CueKind.WALK, Reason.PLANNED, "Walk a minute.", 5.0, 60.0)))
            await house.until(lambda: "say" in house.attributes["event.hrbridge_alex_cue"])
            cue = house.attributes["event.hrbridge_alex_cue"]
            assert (cue["event_type"], cue["say"], cue["for_s"]) == ("walk", "Walk a minute.", 60.0)
            bridge.take(at(120.0, Phase.FINISHED))
            await house.shows(phase="finished", last_session="0.0")
            assert house.attributes["sensor.hrbridge_alex_last_session"]["plan"] == "easy-4-1"
    assert [entity for entity in house.states if "hrbridge" in entity and entity not in ENTITIES] == []


@pytest.mark.proof
async def test_home_assistant_is_obeyed(python: str, settings: Mqtt) -> None:
    wishes: asyncio.Queue[Any] = asyncio.Queue(8)
    async with coaching(settings, wishes) as bridge, real_house(python, settings) as house:
        bridge.take(at(141.0))
        await house.shows(phase="run", skip="unknown", stop="unknown", rpe="4.0")
        await house.do(("button", "press", {"entity_id": "button.hrbridge_alex_skip"}))
        assert await asyncio.wait_for(wishes.get(), 5) is Action.SKIP
        await house.do(("button", "press", {"entity_id": "button.hrbridge_alex_stop"}))
        assert await asyncio.wait_for(wishes.get(), 5) is Action.STOP
        await house.do(("number", "set_value", {"entity_id": "number.hrbridge_alex_rpe", "value": 7.5}))
        assert await asyncio.wait_for(wishes.get(), 5) == 7.5


@pytest.mark.proof
async def test_home_assistant_sees_the_bridge_go_and_the_device_taken_away(python: str, settings: Mqtt) -> None:
    async with real_house(python, settings) as house:
        async with coaching(settings) as bridge:
            bridge.take(at(141.0))
            await house.shows(phase="run")
        await house.shows(phase="unavailable", skip="unavailable", last_session="0.0")
        async with coaching(off(settings)):
            await house.until(lambda: {house.states[entity] for entity in ENTITIES} == {None})


@pytest.mark.proof
async def test_the_fan_runs_while_the_runner_is_hot(python: str, settings: Mqtt) -> None:
    clock = HandClock()
    async with coaching(settings, clock=clock) as bridge, real_house(python, settings) as house:

        async def goes_on(heart_rate_bpm: float, phase: Phase) -> list[str]:
            """What the fan is told while a state is shown."""
            told = len(house.fan)
            clock.at_s += 5
            bridge.take(at(heart_rate_bpm, phase))
            await house.shows(heart_rate=str(heart_rate_bpm), phase=phase)
            await house.do()
            return house.fan[told:]

        await goes_on(100.0, Phase.WARMUP)
        assert await goes_on(134.0, Phase.WARMUP) == []
        assert await goes_on(135.0, Phase.RUN) == ["turn_on"]
        assert await goes_on(122.0, Phase.WALK) == []
        assert await goes_on(114.0, Phase.WALK) == ["turn_off"]
        assert await goes_on(122.0, Phase.RUN) == []
        assert await goes_on(131.0, Phase.RUN) == ["turn_on"]
        assert await goes_on(131.0, Phase.COOLDOWN) == ["turn_off"]
