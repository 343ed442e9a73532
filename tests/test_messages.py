"""The contract of topics and payloads, and that no input from outside can do harm."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrbridge import messages
from hrbridge.decisions import CueKind
from hrbridge.events import Action
from hrbridge.messages import RefusedInputError, decode_control, decode_rpe

TABLE = {
    # name: QoS, retained, seconds until it is worthless
    "status": (1, True, None),
    "bridge/info": (1, True, None),
    "state": (1, True, 15),
    "heart_rate": (0, False, 5),
    "cue": (1, False, None),
    "cue/ack": (0, False, 10),
    "rpe/set": (1, False, 120),
    "control/set": (1, False, 10),
    "control/result": (1, False, 10),
    "session/summary": (1, True, 604_800),
    "client/+/status": (1, True, None),
    "homeassistant/device/hrbridge_{runner}/config": (1, True, None),
    "homeassistant/status": (1, False, None),
}


def test_the_topics_are_those_of_the_contract() -> None:
    assert {t.name: (t.qos, t.retain, t.expiry_s) for t in messages.TOPICS} == TABLE


@pytest.mark.parametrize("payload", [b"7", b" 7 ", b"7.0", b'{"rpe":7}', b'{"v":1,"rpe":7,"extra":true}'])
def test_an_effort_may_be_written_in_many_ways(payload: bytes) -> None:
    assert decode_rpe(payload) == 7.0


@pytest.mark.parametrize(
    "payload", [b"11", b"-1", b"7.3", b"", b"hard", b"null", b"[7]", b'{"rpe":"7"}', b"NaN", b"\xff"]
)
def test_an_effort_off_the_scale_is_refused(payload: bytes) -> None:
    with pytest.raises(RefusedInputError, match="0 to 10 in halves"):
        decode_rpe(payload)


@pytest.mark.parametrize("payload", [b"pause", b'"pause"', b" pause\n", b'{"v":1,"action":"pause"}'])
def test_a_command_may_be_a_bare_word(payload: bytes) -> None:
    assert decode_control(payload).action is Action.PAUSE


def test_a_command_in_a_newer_version_is_refused() -> None:
    with pytest.raises(RefusedInputError, match="v is 2"):
        decode_control(b'{"v":2,"action":"pause"}')


@given(st.binary(max_size=1200))
def test_any_bytes_are_taken_or_refused_and_nothing_else(payload: bytes) -> None:
    for decode in (decode_rpe, decode_control):
        with contextlib.suppress(RefusedInputError):
            decode(payload)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(RefusedInputError):
        decode_control(b"[" * 1000)


def test_every_kind_of_cue_has_a_tone() -> None:
    assert {messages.tone(kind) for kind in CueKind} == {"run", "surge", "walk", "finish", "warning", "tick", "note"}


@pytest.mark.parametrize("kind", [CueKind.NEXT, CueKind.SIGNAL_BACK])
def test_the_strap_that_is_waited_for_has_a_tone_of_its_own(kind: CueKind) -> None:
    assert messages.tone(kind, waiting=True) == "ready"


def test_what_is_missing_sounds_no_better_before_the_start() -> None:
    assert messages.tone(CueKind.SIGNAL_LOST, waiting=True) == "warning"
