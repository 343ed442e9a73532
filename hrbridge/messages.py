"""What goes over MQTT: the one table of topics and the payloads in it, as any other program sees them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, TypeVar

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


def _said(description: str) -> Meta:
    """What the schemas say of a field beyond its name and its unit."""
    return Meta(description=description)


Sid = Annotated[str, _said("names the run; with a new one, forget seq and clock of the old")]
TsMs = Annotated[int, _said("milliseconds since the bridge began, in real time; only differences mean something")]
MessageId = Annotated[str | None, _said("any text; comes back in control/result")]


class Payload(Struct, frozen=True, kw_only=True):
    """Readers ignore fields they do not know; a change of meaning raises ``v``."""

    v: Annotated[int, _said("version of this contract")] = VERSION


class Info(Payload, frozen=True, kw_only=True):
    """Who this bridge is. ``sid`` names the run; ``capabilities`` are the actions it obeys."""

    sid: Sid
    version: Annotated[str, _said("of hrbridge")]
    sensor: Annotated[str, _said("what is listened to, in words")]
    plan: Annotated[str, _said("name of the plan")]
    capabilities: tuple[str, ...]


class LastCue(Struct, frozen=True):
    """What was said last; ``seq`` is that of the cue."""

    seq: int
    kind: CueKind
    reason: Reason
    say: str


class State(Payload, frozen=True, kw_only=True):
    """Where the run stands; retained, so that whoever joins can play the present phase once.

    ``ts_ms`` is real time since the bridge began. ``heart_rate_bpm`` is null
    without a believable signal.
    """

    sid: Sid
    seq: Annotated[int, _said("rises with every state; another count than that of the cues")]
    ts_ms: TsMs
    phase: Phase
    phase_elapsed_s: float
    phase_remaining_s: Annotated[float | None, _said("null where nobody can know it")]
    next_phase: Annotated[Phase | None, _said("null where nobody can know it, and at the end")]
    heart_rate_bpm: Annotated[float | None, _said("median of the last 5 s; null without a believable signal")]
    trust: Trust
    zone: Annotated[int | None, _said("1 to 5: share of heart-rate reserve, 2 from 60 %, then one every 10 %")]
    battery_percent: Annotated[int | None, _said("of the strap; null until it has told")]
    rpe: Annotated[float | None, _said("the last perceived exertion that still counts, 0 to 10")]
    ratio: Ratio
    last_cue: Annotated[LastCue | None, _said("null before the first")]
    headsets: Annotated[int, _said("clients whose client/+/status is online")]
    elapsed_s: Annotated[float, _said("since the start, pauses included")]
    run_s: Annotated[float, _said("run so far")]
    walk_s: Annotated[float, _said("walked so far")]
    distance_m: Annotated[float | None, _said("null without a source that knows it")]
    ceiling_bpm: Annotated[float | None, _said("where running is eased or ended; null where there is none")] = None


class HeartRate(Payload, frozen=True, kw_only=True):
    """One reading, as it came; ``rr_s`` in seconds, oldest first."""

    sid: Sid
    ts_ms: TsMs
    heart_rate_bpm: Annotated[int | None, _said("null where the strap had no reading")]
    rr_s: tuple[float, ...]
    contact: Annotated[bool | None, _said("with the skin; null where the strap does not tell")]
    trust: Trust


class CueMessage(Payload, frozen=True, kw_only=True):
    """One cue. Drop it when ``seq`` is not newer or when it is older than ``ttl_s``."""

    sid: Sid
    seq: Annotated[int, _said("rises with every cue of the run")]
    ts_ms: TsMs
    ttl_s: Annotated[float, _said("how long after ts_ms it is worth anything")]
    kind: Annotated[CueKind, _said("ignore one you do not know")]
    reason: Annotated[Reason, _said("why; CueReasons says which kinds may carry which")]
    say: Annotated[str, _said("the words for the runner")]
    tone: Annotated[str, _said("the sound instead of, or before, the words")]
    for_s: Annotated[float | None, _said("how long to do what it says; null where it asks for nothing that lasts")]
    heart_rate_bpm: Annotated[float | None, _said("behind the decision; null without a signal")]


class AckResult(StrEnum):
    PLAYED = "played"
    DROPPED = "dropped"


class CueAck(Payload, frozen=True, kw_only=True):
    """A headset or display says what became of a cue."""

    client: Annotated[str, _said("the name in its client/+/status")]
    sid: Annotated[str, _said("of the cue")]
    seq: Annotated[int, _said("of the cue")]
    result: AckResult
    why: Annotated[str, _said("why it was dropped, in words")] = ""
    age_ms: Annotated[int | None, _said("how old the cue was, by the receiver's own clock")] = None


class RpeSet(Payload, frozen=True, kw_only=True):
    """Perceived exertion, 0 to 10 in halves; ``id`` comes back when it is refused."""

    rpe: Annotated[float, Meta(ge=0, le=10, multiple_of=0.5, description="how hard it feels")]
    id: MessageId = None


class ControlSet(Payload, frozen=True, kw_only=True):
    """A command; ``id`` comes back in the result. ``stop`` wants ``confirm``, or a second stop within 5 s."""

    action: Action
    id: MessageId = None
    confirm: bool = False


class ControlResult(Payload, frozen=True, kw_only=True):
    """What became of a ``control/set``, or why an ``rpe/set`` was refused; ``id`` is the one it came with."""

    id: str | None
    ok: Annotated[bool, _said("whether it was done")]
    error: Annotated[str | None, _said("why not, in words")] = None


class Summary(Payload, frozen=True, kw_only=True):
    """The last session, small; never the heart-rate trace."""

    sid: Sid
    plan: Annotated[str, _said("name of the plan")]
    elapsed_s: Annotated[float, _said("from start to end, pauses included")]
    run_s: float
    walk_s: float
    walks: Annotated[int, _said("walk breaks")]
    walks_recovered: Annotated[int, _said("those that brought heart rate down as they should")]
    distance_m: Annotated[float | None, _said("null without a source that knows it")]


class Discovery(Struct, frozen=True, kw_only=True):
    """A runner as a device of Home Assistant, in the words of its MQTT discovery; an empty message removes it."""

    device: Annotated[dict[str, str | list[str]], _said("the runner's device: its name, what made it")]
    origin: Annotated[dict[str, str], _said("who publishes this")]
    availability: Annotated[list[dict[str, str]], _said("where status says whether the bridge is there")]
    qos: Annotated[int, _said("for what Home Assistant subscribes to and sends")]
    components: Annotated[dict[str, dict[str, Any]], _said("its entities: sensors, an event, a number, buttons")]


class Direction(StrEnum):
    FROM_BRIDGE = "bridge"
    FROM_CLIENT = "client"


class Topic(Struct, frozen=True):
    """One row of the contract; ``name`` is relative to ``base/runner/``, ``+`` stands for a client's name.

    ``whole``: the name stands by itself, in the tree of Home Assistant.
    """

    name: str
    direction: Direction
    qos: int
    retain: bool
    expiry_s: int | None
    payload: type | None
    whole: bool = False

    def under(self, base_topic: str, runner_id: str) -> str:
        """The whole topic of one runner."""
        if self.whole:
            return self.name.format(runner=runner_id)
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
DISCOVERY = Topic(
    "homeassistant/device/hrbridge_{runner}/config", Direction.FROM_BRIDGE, 1, True, None, Discovery, whole=True
)
HOME_ASSISTANT_STATUS = Topic("homeassistant/status", Direction.FROM_CLIENT, 1, False, None, None, whole=True)

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
    DISCOVERY,
    HOME_ASSISTANT_STATUS,
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


# What a cue says while the start is waited for, when the strap is heard at last.
READY_TONE = "ready"


def tone(kind: CueKind, *, waiting: bool = False) -> str:
    """The name of the tone for a kind of cue; "note" where it has none of its own."""
    if waiting and kind in (CueKind.NEXT, CueKind.SIGNAL_BACK):
        return READY_TONE
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


def decode_ack(payload: bytes) -> CueAck:
    """What became of a cue; raises RefusedInputError."""
    return _decode(payload, CueAck, "client", "an ack has client, sid, seq and result, which is played or dropped")


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
