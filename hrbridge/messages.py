"""What goes over MQTT: the one table of topics and the payloads in it, as any other program sees them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from hrbridge.decisions import CueKind, Phase, Ratio, Reason, Trust
from hrbridge.events import Action

VERSION = 1
MAX_INPUT_BYTES = 1024
STOP_CONFIRM_S = 5.0

# The payloads of the two kinds of status, the bridge's and a client's; plain words, so that a will can say them.
ONLINE = b"online"
OFFLINE = b"offline"


class Payload(Struct, frozen=True, kw_only=True):
    """Readers ignore fields they do not know; a change of meaning raises ``v``."""

    v: int = VERSION


class Info(Payload, frozen=True, kw_only=True):
    """Who this bridge is. ``sid`` names the run; ``capabilities`` are the actions it obeys."""

    sid: str
    version: str
    sensor: str
    plan: str
    capabilities: tuple[str, ...]


class LastCue(Struct, frozen=True):
    seq: int
    kind: CueKind
    reason: Reason
    say: str


class State(Payload, frozen=True, kw_only=True):
    """Where the run stands; retained, so that whoever joins can play the present phase once.

    ``ts_ms`` is real time since the bridge began. ``heart_rate_bpm`` is null
    without a believable signal.
    """

    sid: str
    seq: int
    ts_ms: int
    phase: Phase
    phase_elapsed_s: float
    phase_remaining_s: float | None
    next_phase: Phase | None
    heart_rate_bpm: float | None
    trust: Trust
    zone: int | None
    battery_percent: int | None
    rpe: float | None
    ratio: Ratio
    last_cue: LastCue | None
    headsets: int
    elapsed_s: float
    run_s: float
    walk_s: float
    distance_m: float | None


class HeartRate(Payload, frozen=True, kw_only=True):
    """One reading, as it came; ``rr_s`` in seconds, oldest first."""

    sid: str
    ts_ms: int
    heart_rate_bpm: int | None
    rr_s: tuple[float, ...]
    contact: bool | None
    trust: Trust


class CueMessage(Payload, frozen=True, kw_only=True):
    """One cue. Drop it when ``seq`` is not newer or when it is older than ``ttl_s``."""

    sid: str
    seq: int
    ts_ms: int
    ttl_s: float
    kind: CueKind
    reason: Reason
    say: str
    tone: str
    for_s: float | None
    heart_rate_bpm: float | None


class AckResult(StrEnum):
    PLAYED = "played"
    DROPPED = "dropped"


class CueAck(Payload, frozen=True, kw_only=True):
    """A headset or display says what became of a cue."""

    client: str
    sid: str
    seq: int
    result: AckResult
    why: str = ""
    age_ms: int | None = None


class RpeSet(Payload, frozen=True, kw_only=True):
    """Perceived exertion, 0 to 10 in halves; ``id`` comes back when it is refused."""

    rpe: Annotated[float, Meta(ge=0, le=10, multiple_of=0.5)]
    id: str | None = None


class ControlSet(Payload, frozen=True, kw_only=True):
    """A command; ``id`` comes back in the result. ``stop`` wants ``confirm``, or a second stop within 5 s."""

    action: Action
    id: str | None = None
    confirm: bool = False


class ControlResult(Payload, frozen=True, kw_only=True):
    """What became of a ``control/set``, or why an ``rpe/set`` was refused; ``id`` is the one it came with."""

    id: str | None
    ok: bool
    error: str | None = None


class Summary(Payload, frozen=True, kw_only=True):
    """The last session, small; never the heart-rate trace."""

    sid: str
    plan: str
    elapsed_s: float
    run_s: float
    walk_s: float
    walks: int
    walks_recovered: int
    distance_m: float | None


class Direction(StrEnum):
    FROM_BRIDGE = "bridge"
    FROM_CLIENT = "client"


class Topic(Struct, frozen=True):
    """One row of the contract; ``name`` is relative to ``base/runner/``, ``+`` stands for a client's name."""

    name: str
    direction: Direction
    qos: int
    retain: bool
    expiry_s: int | None
    payload: type | None

    def under(self, base_topic: str, runner_id: str) -> str:
        """The whole topic of one runner."""
        return f"{base_topic}/{runner_id}/{self.name}"


STATUS = Topic("status", Direction.FROM_BRIDGE, 1, True, None, None)
INFO = Topic("bridge/info", Direction.FROM_BRIDGE, 1, True, None, Info)
STATE = Topic("state", Direction.FROM_BRIDGE, 1, True, 15, State)
HEART_RATE = Topic("heart_rate", Direction.FROM_BRIDGE, 0, False, 5, HeartRate)
# The expiry of a cue is its own ttl_s.
CUE = Topic("cue", Direction.FROM_BRIDGE, 1, False, None, CueMessage)
CUE_ACK = Topic("cue/ack", Direction.FROM_CLIENT, 0, False, 10, CueAck)
RPE_SET = Topic("rpe/set", Direction.FROM_CLIENT, 1, False, 120, RpeSet)
CONTROL_SET = Topic("control/set", Direction.FROM_CLIENT, 1, False, 10, ControlSet)
CONTROL_RESULT = Topic("control/result", Direction.FROM_BRIDGE, 1, False, 10, ControlResult)
SUMMARY = Topic("session/summary", Direction.FROM_BRIDGE, 1, True, 7 * 86_400, Summary)
CLIENT_STATUS = Topic("client/+/status", Direction.FROM_CLIENT, 1, True, None, None)

TOPICS = (
    STATUS,
    INFO,
    STATE,
    HEART_RATE,
    CUE,
    CUE_ACK,
    RPE_SET,
    CONTROL_SET,
    CONTROL_RESULT,
    SUMMARY,
    CLIENT_STATUS,
)

# The sound that goes with a cue: a headset may play it instead of, or before, the words.
TONES: dict[CueKind, str] = {
    CueKind.RUN: "run",
    CueKind.SURGE: "surge",
    CueKind.WALK: "walk",
    CueKind.WARMUP: "walk",
    CueKind.COOLDOWN: "walk",
    CueKind.FINISH: "finish",
    CueKind.WARNING: "warning",
    CueKind.SIGNAL_LOST: "warning",
    CueKind.COUNTDOWN: "tick",
}


def tone(kind: CueKind) -> str:
    """The name of the tone for a kind of cue; "note" where it has none of its own."""
    return TONES.get(kind, "note")


P = TypeVar("P", bound=Payload)


class RefusedInputError(Exception):
    """A message from outside that is not acted on; ``str()`` says why, ``message_id`` is the one it came with."""

    def __init__(self, why: str, message_id: str | None = None) -> None:
        super().__init__(why)
        self.message_id = message_id


def decode_rpe(payload: bytes) -> float:
    """``7``, ``7.5`` or ``{"v":1,"rpe":7}``; raises RefusedInputError."""
    return _decode(payload, RpeSet, "rpe", "rpe is a number from 0 to 10 in halves").rpe


def decode_control(payload: bytes) -> ControlSet:
    """``pause`` or ``{"v":1,"action":"pause","id":"..."}``; raises RefusedInputError."""
    return _decode(payload, ControlSet, "action", f"action is one of {', '.join(Action)}")


def _decode(payload: bytes, into: type[P], field: str, allowed: str) -> P:
    """A JSON object, or the bare value of its one required field."""
    if len(payload) > MAX_INPUT_BYTES:
        raise RefusedInputError(f"over {MAX_INPUT_BYTES} bytes")
    message_id = None
    try:
        text = payload.decode().strip()
        try:
            value = msgspec.json.decode(text)
        except msgspec.DecodeError:
            value = text
        fields = value if isinstance(value, dict) else {field: value}
        given_id = fields.get("id")
        if isinstance(given_id, str):
            message_id = given_id
        message = msgspec.convert(fields, into)
    except (UnicodeDecodeError, msgspec.ValidationError, RecursionError):
        raise RefusedInputError(allowed, message_id) from None
    if message.v != VERSION:
        raise RefusedInputError(f"v is {message.v}; this bridge speaks {VERSION}", message_id)
    return message
