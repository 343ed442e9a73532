"""Who counts as a headset, and when a runner is told that nobody hears."""

from __future__ import annotations

import json

import pytest

from hrbridge.sinks.listeners import MAX_CLIENTS, MAX_NAME, MAX_UNANSWERED, NOBODY_AFTER_S, Listeners


class HandClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.at_s = 100.0

    def now_s(self) -> float:
        return self.at_s


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def listeners(clock: HandClock) -> Listeners:
    """Of a bridge that has just reached its broker."""
    made = Listeners("hrbridge/alex", clock)
    made.begin()
    made.connected()
    return made


def ack(client: str = "ear", **keys: object) -> bytes:
    return json.dumps({"v": 1, "client": client, "sid": "run-1", "seq": 1, "result": "played", **keys}).encode()


def alone_for(listeners: Listeners, clock: HandClock, seconds: float) -> None:
    clock.at_s += seconds
    listeners.watch()


def test_a_birth_counts_and_a_will_does_no_longer(listeners: Listeners) -> None:
    listeners.hear_status("ear", b"online", kept=False)
    assert len(listeners) == 1
    listeners.hear_status("ear", b"offline", kept=False)
    assert len(listeners) == 0


def test_whoever_has_gone_without_a_will_is_forgotten_with_the_connection(listeners: Listeners) -> None:
    listeners.hear_status("ear", b"online", kept=False)
    listeners.connected()
    assert len(listeners) == 0


def test_a_birth_that_outlived_its_headset_does_not_count_for_ever(listeners: Listeners) -> None:
    listeners.hear_status("ghost", b"online", kept=True)
    counted = [len(listeners)]
    for _ in range(MAX_UNANSWERED):
        listeners.sent_cue()
        counted.append(len(listeners))
    assert counted == [1] * MAX_UNANSWERED + [0]


def test_a_headset_that_was_there_before_us_stays_when_it_answers(listeners: Listeners) -> None:
    listeners.hear_status("ear", b"online", kept=True)
    listeners.sent_cue()
    listeners.hear_ack(ack())
    for _ in range(2 * MAX_UNANSWERED):
        listeners.sent_cue()
    assert len(listeners) == 1


def test_one_that_was_given_up_counts_again_when_it_answers(listeners: Listeners) -> None:
    listeners.hear_status("ear", b"online", kept=True)
    for _ in range(MAX_UNANSWERED):
        listeners.sent_cue()
    listeners.hear_ack(ack())
    assert len(listeners) == 1


def test_a_display_that_never_answers_counts_as_long_as_its_birth_is_fresh(listeners: Listeners) -> None:
    listeners.hear_status("wall", b"online", kept=False)
    for _ in range(2 * MAX_UNANSWERED):
        listeners.sent_cue()
    assert len(listeners) == 1


@pytest.mark.parametrize("payload", [b"", b"null", b"{}", b"\xff", ack(result="eaten"), ack(v=2), b"[" * 1000])
def test_an_ack_that_is_none_is_passed_over(listeners: Listeners, payload: bytes) -> None:
    listeners.hear_status("ear", b"online", kept=True)
    listeners.hear_ack(payload)
    for _ in range(MAX_UNANSWERED):
        listeners.sent_cue()
    assert len(listeners) == 0


def test_an_ack_is_kept_in_the_log(listeners: Listeners, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    listeners.hear_ack(ack(age_ms=43))
    assert caplog.messages == ["cue 1 of run-1: played by 'ear', 43 ms old "]


def test_whoever_makes_up_births_fills_no_memory(listeners: Listeners) -> None:
    for n in range(10 * MAX_CLIENTS):
        listeners.hear_status(f"ear-{n}", b"online", kept=False)
    assert len(listeners) == MAX_CLIENTS


def test_a_name_that_fills_a_page_is_none(listeners: Listeners) -> None:
    listeners.hear_status("x" * (MAX_NAME + 1), b"online", kept=False)
    assert len(listeners) == 0


def test_a_runner_whom_nobody_hears_is_told_once(
    listeners: Listeners, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    alone_for(listeners, clock, NOBODY_AFTER_S - 0.1)
    assert caplog.messages == []
    alone_for(listeners, clock, 0.1)
    alone_for(listeners, clock, 60)
    assert [message.split(":")[0] for message in caplog.messages] == ["no headset is listening to hrbridge/alex/cue"]


def test_the_first_that_comes_after_that_is_told_too(
    listeners: Listeners, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    alone_for(listeners, clock, NOBODY_AFTER_S)
    listeners.hear_status("ear", b"online", kept=False)
    listeners.hear_status("wall", b"online", kept=False)
    assert caplog.messages[1:] == ["hrbridge/alex: 'ear' is listening now"]


def test_a_headset_that_loses_its_way_in_mid_run_is_missed(
    listeners: Listeners, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    listeners.hear_status("ear", b"online", kept=False)
    alone_for(listeners, clock, 60)
    listeners.hear_status("ear", b"offline", kept=False)
    alone_for(listeners, clock, NOBODY_AFTER_S)
    assert len(caplog.messages) == 1


def test_one_that_is_back_at_once_is_not_missed(
    listeners: Listeners, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    for status in (b"online", b"offline", b"online"):
        listeners.hear_status("ear", status, kept=False)
        alone_for(listeners, clock, NOBODY_AFTER_S - 1)
    alone_for(listeners, clock, 60)
    assert caplog.messages == []


def test_without_a_broker_nobody_is_missed(
    listeners: Listeners, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    listeners.disconnected()
    alone_for(listeners, clock, 60)
    assert caplog.messages == []


def test_every_run_is_told_anew(listeners: Listeners, clock: HandClock, caplog: pytest.LogCaptureFixture) -> None:
    alone_for(listeners, clock, 60)
    listeners.begin()
    alone_for(listeners, clock, 1)
    assert len(caplog.messages) == 2
