"""The contract as documents for other programs: JSON Schemas of what is read and written, AsyncAPI of the topics.

Everything comes from the structs and from the one table of topics; the few
things said here are those that no type says: which cue may carry which
reason, what may also be sent as a bare word, and examples.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, get_args

import msgspec

from hrbridge import __version__, home_assistant, messages, trace
from hrbridge.broker import KEEPALIVE_S, SESSION_OUTLIVES_WILL_S
from hrbridge.config import Config, Plan
from hrbridge.decisions import REASONS, Cue, CueKind, Phase, Ratio, Reason, Step, Trust
from hrbridge.events import Action, Event
from hrbridge.messages import Direction, Payload, Topic
from hrbridge.sinks.mqtt import WILL_DELAY_S

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ASYNCAPI = "3.0.0"
MQTT_BINDING = "0.2.0"
SESSION_EXPIRY_S = WILL_DELAY_S + SESSION_OUTLIVES_WILL_S

STATUS: Schema = {
    "title": "Status",
    "description": "Birth and last will; plain text, no JSON.",
    "type": "string",
    "enum": [messages.ONLINE.decode(), messages.OFFLINE.decode()],
}
# What may be sent without an object around it: the value of this field.
BARE = {messages.RPE_SET.name: "rpe", messages.CONTROL_SET.name: "action"}
SAYS_A_CUE = (Cue, messages.CueMessage, messages.LastCue)

_SID = "5f3a9c01"
EXAMPLES: dict[str, Payload | messages.Discovery | str] = {
    messages.STATUS.name: "online",
    messages.INFO.name: messages.Info(
        sid=_SID, version=__version__, sensor="heart-rate strap", plan="easy-4-1", capabilities=tuple(Action)
    ),
    messages.STATE.name: messages.State(
        sid=_SID,
        seq=141,
        ts_ms=672_013,
        phase=Phase.WALK,
        phase_elapsed_s=60,
        phase_remaining_s=15,
        next_phase=Phase.RUN,
        heart_rate_bpm=148,
        trust=Trust.GOOD,
        zone=4,
        battery_percent=80,
        rpe=5,
        ratio=Ratio(planned_run_s=240, planned_walk_s=60, run_s=240, walk_s=75),
        last_cue=messages.LastCue(
            seq=17, kind=CueKind.EXTEND_WALK, reason=Reason.NOT_RECOVERED, say="Still 148. Fifteen more seconds."
        ),
        headsets=1,
        elapsed_s=612,
        run_s=240,
        walk_s=60,
        distance_m=None,
        ceiling_bpm=150,
    ),
    messages.HEART_RATE.name: messages.HeartRate(
        sid=_SID, ts_ms=672_011, heart_rate_bpm=148, rr_s=(0.405, 0.407), contact=True, trust=Trust.GOOD
    ),
    messages.CUE.name: messages.CueMessage(
        sid=_SID,
        seq=17,
        ts_ms=672_012,
        ttl_s=5,
        kind=CueKind.EXTEND_WALK,
        reason=Reason.NOT_RECOVERED,
        say="Still 148. Fifteen more seconds.",
        tone=messages.tone(CueKind.EXTEND_WALK),
        for_s=15,
        heart_rate_bpm=148,
    ),
    messages.CUE_ACK.name: messages.CueAck(
        client="ear", sid=_SID, seq=17, result=messages.AckResult.PLAYED, age_ms=140
    ),
    messages.RPE_SET.name: messages.RpeSet(rpe=7),
    messages.CONTROL_SET.name: messages.ControlSet(action=Action.PAUSE, id="button-3"),
    messages.CONTROL_RESULT.name: messages.ControlResult(id="button-3", ok=True),
    messages.SUMMARY.name: messages.Summary(
        sid=_SID,
        plan="easy-4-1",
        elapsed_s=2_400,
        run_s=1_440,
        walk_s=390,
        walks=6,
        walks_recovered=5,
        distance_m=None,
    ),
    messages.CLIENT_STATUS.name: "online",
    messages.DISCOVERY.name: home_assistant.discovery("hrbridge", "alex"),
    messages.HOME_ASSISTANT_STATUS.name: "online",
}


# -- JSON Schema --


def json_schemas() -> dict[str, Any]:
    """JSON Schemas (2020-12), each complete in itself: ``mqtt`` by topic, ``config``, ``plan``, ``trace`` by line."""
    return {
        "mqtt": {topic.name: _topic(topic) for topic in messages.TOPICS},
        "config": _document(Config),
        "plan": _document(Plan),
        "trace": {"header": _trace_header(), "step": _trace_step()},
    }


def _topic(topic: Topic) -> Schema:
    if topic.payload is None:
        return {"$schema": DIALECT, **STATUS}
    document = _document(topic.payload)
    if topic.name not in BARE:
        return document
    definitions = document.pop("$defs")
    bare = document["properties"][BARE[topic.name]]
    return {"$schema": DIALECT, "anyOf": [document, bare], "$defs": definitions}


def _trace_header() -> Schema:
    header = _document(trace.Header)
    header["properties"]["format"]["const"] = trace.FORMAT
    header["properties"]["version"]["const"] = trace.VERSION
    header["required"] += ["format", "version"]
    return header


def _trace_step() -> Schema:
    """``at_s`` stands at the front of the line, as trace.encode writes it, and not in the event."""
    step = _document(Step)
    for kind in get_args(Event):
        event = step["$defs"][kind.__name__]
        at_s = event["properties"].pop("at_s")
        event["required"].remove("at_s")
    at_s["description"] = "seconds since the session began, to the millisecond"
    step["properties"] = {"at_s": at_s, **step["properties"]}
    step["required"].append("at_s")
    return step


def _document(kind: type) -> Schema:
    """One struct as a schema that needs no other."""
    definitions = _define([kind], "#/$defs/")
    return {"$schema": DIALECT, **definitions.pop(kind.__name__), "$defs": definitions}


def _define(kinds: Iterable[type], place: str) -> dict[str, Schema]:
    """The schemas of structs and of all that stands in them, by name; they refer to one another at ``place``."""
    kinds = tuple(kinds)
    _, definitions = msgspec.json.schema_components(kinds, ref_template=place + "{name}")
    for schema in definitions.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"]).replace("``", "`")
    for kind in SAYS_A_CUE:
        if kind.__name__ in definitions:
            definitions[kind.__name__]["allOf"] = [{"$ref": f"{place}CueReasons"}]
            definitions["CueReasons"] = _cue_reasons()
    if messages.CueMessage in kinds:
        definitions["CueMessage"]["properties"]["tone"]["enum"] = sorted(
            {messages.READY_TONE, *map(messages.tone, CueKind)}
        )
    for topic in messages.TOPICS:
        if topic.payload in kinds:
            _complete(definitions[topic.payload.__name__], topic.direction)
    return definitions


def _cue_reasons() -> Schema:
    """decisions.REASONS as a constraint on ``kind`` and ``reason``."""
    return {
        "title": "CueReasons",
        "description": "Which kinds of cue may carry which reasons.",
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind.value}}},
                "then": {"properties": {"reason": {"enum": sorted(reason.value for reason in reasons)}}},
            }
            for kind, reasons in REASONS.items()
        ],
    }


def _complete(payload: Schema, direction: Direction) -> None:
    """What a payload is over MQTT: of this version, and from the bridge with every field, null where it is unknown."""
    if "v" in payload["properties"]:  # what others have laid down has none
        payload["properties"]["v"]["const"] = messages.VERSION
    if direction is Direction.FROM_BRIDGE:
        payload["required"] = list(payload["properties"])


# -- AsyncAPI --


def asyncapi() -> dict[str, Any]:
    """An AsyncAPI 3 document whose application is the bridge: it sends state and cues, and receives commands."""
    payloads = [topic.payload for topic in messages.TOPICS if topic.payload is not None]
    return {
        "asyncapi": ASYNCAPI,
        "info": {
            "title": "hrbridge",
            "version": __version__,
            "description": _INFO,
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "broker": {
                "host": "localhost:1883",
                "protocol": "mqtt",
                "protocolVersion": "5.0",
                "description": "Where `[mqtt] url` points. With MQTT 3.1.1 the same, without expiry and will delay.",
                "bindings": {"mqtt": _connect()},
            }
        },
        "channels": {_key(topic): _channel(topic) for topic in messages.TOPICS},
        "operations": {f"{_action(topic)}_{_key(topic)}": _operation(topic) for topic in messages.TOPICS},
        "components": {
            "messages": {name: message for topic in messages.TOPICS for name, message in _messages(topic).items()},
            "schemas": {"Status": STATUS, **_define(payloads, "#/components/schemas/")},
            "parameters": {
                "runner": {"description": "`[runner] id`: 1 to 32 of a-z 0-9 _ -", "examples": ["alex"]},
                "client": {
                    "description": "What a headset or display calls itself; one topic level",
                    "examples": ["ear"],
                },
            },
        },
    }


_INFO = f"""Live heart-rate coach for run-walk training. The application described is the bridge: what it sends, a
headset or display receives, and the other way round. `hrbridge` at the front of each topic is `[mqtt] base_topic`.

A receiver needs no synchronised clock. `ts_ms` is real time since the bridge began, and the least of (own clock -
`ts_ms`) ever seen is the offset between the two. It drops a cue that carries the retain flag, whose `seq` is not
newer than the last of this `sid`, or that is older than `ttl_s`: message expiry alone cannot stop a late cue. After
a reconnect it plays the present phase once, from `state`.

Commands that were retained are ignored; more than {messages.MAX_INPUT_BYTES} bytes are refused. Fields, kinds and
reasons may be added: ignore those you do not know.
"""


def _connect() -> Schema:
    """The bridge's CONNECT packet."""
    return {
        "cleanSession": True,
        "keepAlive": KEEPALIVE_S,
        "sessionExpiryInterval": SESSION_EXPIRY_S,
        "lastWill": {
            "topic": _address(messages.STATUS),
            "qos": messages.STATUS.qos,
            "retain": messages.STATUS.retain,
            "message": messages.OFFLINE.decode(),
        },
        "bindingVersion": MQTT_BINDING,
    }


def _key(topic: Topic) -> str:
    """``client/+/status`` as a name: ``client_status``."""
    return topic.name.replace("/+", "").replace("_{runner}", "").replace("/", "_")


def _address(topic: Topic) -> str:
    return topic.under("hrbridge", "{runner}").replace("+", "{client}")


def _action(topic: Topic) -> str:
    return "send" if topic.direction is Direction.FROM_BRIDGE else "receive"


def _ref(*path: str) -> Schema:
    return {"$ref": "#/" + "/".join(path)}


def _channel(topic: Topic) -> Schema:
    address = _address(topic)
    return {
        "address": address,
        "messages": {name: _ref("components", "messages", name) for name in _messages(topic)},
        "parameters": {
            name: _ref("components", "parameters", name) for name in ("runner", "client") if f"{{{name}}}" in address
        },
    }


def _operation(topic: Topic) -> Schema:
    binding: Schema = {"qos": topic.qos, "retain": topic.retain, "bindingVersion": MQTT_BINDING}
    if topic is messages.CUE:
        binding["messageExpiryInterval"] = {"type": "integer", "description": "`ttl_s` of the cue"}
    elif topic.expiry_s is not None:
        binding["messageExpiryInterval"] = topic.expiry_s
    key = _key(topic)
    operation = {
        "action": _action(topic),
        "channel": _ref("channels", key),
        "messages": [_ref("channels", key, "messages", name) for name in _messages(topic)],
        "bindings": {"mqtt": binding},
    }
    if topic is messages.CONTROL_SET:
        operation["description"] = "The answer goes to an MQTT 5 response topic too, with its correlation data."
        operation["reply"] = {"channel": _ref("channels", _key(messages.CONTROL_RESULT))}
    return operation


def _messages(topic: Topic) -> dict[str, Schema]:
    """What may travel in a topic, by name: one message, or an object and the bare word that stands for it."""
    key = _key(topic)
    example = msgspec.json.decode(msgspec.json.encode(EXAMPLES[topic.name]))
    if topic.payload is None:
        return {key: _message("text/plain", _ref("components", "schemas", "Status"), example)}
    name = topic.payload.__name__
    found = {key: _message("application/json", _ref("components", "schemas", name), example)}
    if topic.name in BARE:
        field = BARE[topic.name]
        value = _ref("components", "schemas", name, "properties", field)
        found[f"{key}_bare"] = _message("text/plain", value, example[field])
    return found


def _message(content_type: str, payload: Schema, example: Any) -> Schema:
    return {"contentType": content_type, "payload": payload, "examples": [{"payload": example}]}
