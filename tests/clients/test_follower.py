"""A stranger follows a runner over a real broker: what it is told, once, in time; and what the bridge hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import aiomqtt
import pytest
from brokers import Mosquitto, Relay
from conversation import BASE, RUNNER, HandClock, coaching, cue, hear, hear_json, step
from msgspec.structs import replace

from hrbridge.clients.follower import (
    EVERYBODY,
    LINK_LOST_S,
    Answered,
    Beat,
    Cued,
    Follower,
    Happening,
    Joined,
    Left,
    Silent,
    Status,
    Told,
    find_runner,
)
from hrbridge.config import Mqtt, Protocol
from hrbridge.decisions import Phase
from hrbridge.errors import UsageError
from hrbridge.events import Action, Command, Sample

H = TypeVar("H", bound=Happening)


@pytest.fixture
def mosquitto(needs_tool: Callable[[str], str], tmp_path: Path) -> Any:
    with Mosquitto(needs_tool, tmp_path) as broker:
        yield broker


@pytest.fixture
async def relay(mosquitto: Mosquitto) -> AsyncIterator[Relay]:
    async with Relay(mosquitto.port) as relay:
        yield relay


async def next_of(follower: Follower, kind: type[H], **wanted: object) -> H:
    """The next happening of a kind with these values."""
    async with asyncio.timeout(10):
        async for happening in follower:
            if isinstance(happening, kind) and all(getattr(happening, key) == value for key, value in wanted.items()):
                return happening
    raise AssertionError


def follow(port: int, clock: HandClock, runner_id: str = "alex", kind: str = "headset") -> Follower:
    return Follower(Mqtt(url=f"mqtt://127.0.0.1:{port}"), runner_id, kind, clock)


async def test_its_birth_is_kept_and_taken_back_when_it_leaves(mosquitto: Mosquitto):
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as stranger:
        await stranger.subscribe(f"{BASE}/client/+/status")
        async with follow(mosquitto.port, HandClock()) as follower:
            birth = await hear(stranger, f"{BASE}/client/{follower.name}/status")
            assert birth.payload == b"online"
        assert (await hear(stranger, f"{BASE}/client/{follower.name}/status")).payload == b"offline"


async def test_the_bridge_counts_it(mosquitto: Mosquitto):
    clock = HandClock()
    async with coaching(Mqtt(url=mosquitto.url), clock=clock) as bridge, follow(mosquitto.port, clock) as follower:
        await next_of(follower, Status, online=True)
        bridge.take(step())
        while (await next_of(follower, Told)).state.headsets != 1:
            clock.at_s += 5
            bridge.take(step())


async def test_whoever_joins_is_told_the_present_phase_once(mosquitto: Mosquitto):
    clock = HandClock()
    async with coaching(Mqtt(url=mosquitto.url), clock=clock) as bridge, follow(mosquitto.port, clock) as follower:
        await next_of(follower, Status, online=True)
        told = []
        for _ in range(4):
            bridge.take(step(Sample(12.0, 141)))
            told.append((await next_of(follower, Told)).present)
            clock.at_s += 5
        assert told == [False, True, False, False]


async def test_after_a_lost_connection_the_present_phase_is_told_again(mosquitto: Mosquitto, relay: Relay):
    clock = HandClock()
    async with coaching(Mqtt(url=mosquitto.url), clock=clock) as bridge, follow(relay.port, clock) as follower:
        await next_of(follower, Status, online=True)
        for _ in range(3):
            bridge.take(step(Sample(12.0, 141)))
            await next_of(follower, Told)
            clock.at_s += 5
        relay.cut()
        await next_of(follower, Left)
        await next_of(follower, Joined)
        await next_of(follower, Told)  # what the broker kept
        bridge.take(step(Sample(12.0, 141), Phase.WALK))
        told = await next_of(follower, Told)
        assert (told.present, told.state.phase) == (True, Phase.WALK)


async def test_a_cue_in_time_is_to_be_played_and_the_bridge_hears_that_it_was(mosquitto: Mosquitto):
    clock = HandClock()
    async with (
        coaching(Mqtt(url=mosquitto.url), clock=clock) as bridge,
        aiomqtt.Client("127.0.0.1", mosquitto.port) as stranger,
        follow(mosquitto.port, clock) as follower,
    ):
        await stranger.subscribe(f"{BASE}/cue/ack")
        await next_of(follower, Status, online=True)
        bridge.take(step(Sample(12.0, 141)))
        await next_of(follower, Beat)
        clock.at_s += 1
        bridge.take(step(Sample(13.0, 141), cues=(cue(7),)))
        cued = await next_of(follower, Cued)
        assert (cued.cue.say, cued.verdict.play) == ("Run four minutes.", True)
        await follower.acknowledge(cued, played=True)
        ack = await hear_json(stranger, f"{BASE}/cue/ack")
        assert (ack["seq"], ack["client"], ack["result"]) == (7, follower.name, "played")


async def test_a_cue_that_somebody_kept_is_not_to_be_played(mosquitto: Mosquitto):
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as stranger:
        await stranger.publish(
            f"{BASE}/cue",
            b'{"v":1,"sid":"a","seq":1,"ts_ms":1,"ttl_s":5,"kind":"run","reason":"planned","say":"Run.","tone":"run",'
            b'"for_s":null,"heart_rate_bpm":null}',
            retain=True,
        )
        async with follow(mosquitto.port, HandClock()) as follower:
            cued = await next_of(follower, Cued)
            assert (cued.verdict.play, cued.verdict.why) == (False, "retained")


async def test_eight_seconds_without_a_state_are_told_once(mosquitto: Mosquitto):
    clock = HandClock()
    async with follow(mosquitto.port, clock) as follower:
        await next_of(follower, Joined)
        clock.at_s += LINK_LOST_S
        assert isinstance(await next_of(follower, Silent), Silent)
        clock.at_s += 100
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await anext(follower)


async def test_when_the_state_is_back_the_present_phase_is_told_again(mosquitto: Mosquitto):
    clock = HandClock()
    async with coaching(Mqtt(url=mosquitto.url), clock=clock) as bridge, follow(mosquitto.port, clock) as follower:
        await next_of(follower, Status, online=True)
        for _ in range(3):
            bridge.take(step(Sample(12.0, 141)))
            await next_of(follower, Told)
            clock.at_s += 5
        clock.at_s += LINK_LOST_S
        await next_of(follower, Silent)
        bridge.take(step(Sample(12.0, 141), Phase.WALK))
        assert (await next_of(follower, Told)).present


async def test_what_it_asks_is_done_and_answered(mosquitto: Mosquitto):
    clock = HandClock()
    wishes: asyncio.Queue[Any] = asyncio.Queue(8)
    async with (
        coaching(Mqtt(url=mosquitto.url), wishes, clock) as bridge,
        follow(mosquitto.port, clock, kind="display") as follower,
    ):
        await next_of(follower, Status, online=True)
        assert await follower.report(7.5)
        assert await follower.ask(Action.STOP, message_id="a7")
        async with asyncio.timeout(5):
            assert [await wishes.get(), await wishes.get()] == [7.5, Action.STOP]
        bridge.take(step(Command(12.0, Action.STOP)))
        answered = await next_of(follower, Answered)
        assert (answered.result.id, answered.result.ok) == ("a7", True)


async def test_what_it_asks_expires_before_it_would_surprise(mosquitto: Mosquitto):
    async with (
        aiomqtt.Client("127.0.0.1", mosquitto.port, protocol=aiomqtt.ProtocolVersion.V5) as stranger,
        follow(mosquitto.port, HandClock()) as follower,
    ):
        await stranger.subscribe([(f"{BASE}/control/set", 1), (f"{BASE}/rpe/set", 1)])
        await follower.join()
        assert await follower.ask(Action.PAUSE)
        assert await follower.report(7)
        command = await hear(stranger, f"{BASE}/control/set")
        effort = await hear(stranger, f"{BASE}/rpe/set")
        assert command.properties.MessageExpiryInterval == pytest.approx(10, abs=1)
        assert effort.properties.MessageExpiryInterval == pytest.approx(120, abs=1)


async def test_a_broker_that_takes_no_qos_1_is_asked_without(needs_tool: Callable[[str], str], tmp_path: Path):
    with Mosquitto(needs_tool, tmp_path, ["max_qos 0"]) as broker:
        async with aiomqtt.Client("127.0.0.1", broker.port) as stranger, follow(broker.port, HandClock()) as follower:
            await stranger.subscribe(f"{BASE}/control/set")
            await follower.join()
            assert await follower.ask(Action.PAUSE)
            assert b"pause" in (await hear(stranger, f"{BASE}/control/set")).payload


async def test_without_a_connection_nothing_is_asked_for_later(mosquitto: Mosquitto):
    async with follow(mosquitto.port, HandClock()) as follower:
        await next_of(follower, Joined)
        mosquitto.kill()
        assert "connection was lost" in (await next_of(follower, Left)).why
        assert not await follower.ask(Action.PAUSE)


async def test_a_wrong_address_is_told_in_words_and_tried_again(mosquitto: Mosquitto):
    mosquitto.kill()
    async with follow(mosquitto.port, HandClock()) as follower:
        for _ in range(2):
            assert "nothing listens there" in (await next_of(follower, Left)).why


async def test_whoever_is_alone_on_the_broker_is_found(mosquitto: Mosquitto):
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as stranger:
        for runner_id, status in (("alex", b"online"), ("gone", b"offline"), ("N\x1b[2J", b"online")):
            await stranger.publish(f"hrbridge/{runner_id}/status", status, retain=True)
        settings = Mqtt(url=mosquitto.url)
        assert await find_runner(settings, HandClock()) == ("alex", replace(settings, protocol=Protocol.V5))


async def test_of_several_none_is_guessed(mosquitto: Mosquitto):
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as stranger:
        for runner_id in ("kim", "alex"):
            await stranger.publish(f"hrbridge/{runner_id}/status", b"online", retain=True)
        with pytest.raises(UsageError, match=r"--runner ID .* alex, kim"):
            await find_runner(Mqtt(url=mosquitto.url), HandClock())


async def test_when_nobody_is_there_the_first_who_comes_is_found(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hrbridge.clients.follower.KEPT_WITHIN_S", 0.0)
    settings, clock = Mqtt(url=mosquitto.url), HandClock()
    finding = asyncio.create_task(find_runner(settings, clock))
    async with asyncio.timeout(5):
        while "nobody is on the broker yet" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0)
        async with coaching(settings, clock=clock):
            runner_id, _ = await finding
    assert runner_id == RUNNER.id


async def test_a_board_hears_everybody_and_is_no_headset(mosquitto: Mosquitto):
    clock = HandClock()
    async with (
        follow(mosquitto.port, clock, EVERYBODY, "board") as board,
        coaching(Mqtt(url=mosquitto.url), clock=clock) as bridge,
        aiomqtt.Client("127.0.0.1", mosquitto.port) as other,
    ):
        await next_of(board, Joined)
        await other.publish("hrbridge/kim/status", b"online")
        assert (await next_of(board, Status, runner_id="kim")).online
        bridge.take(step())
        told = await next_of(board, Told, runner_id=RUNNER.id)
        assert told.state.headsets == 0


@pytest.mark.parametrize("name", ["state", "heart_rate", "cue", "bridge/info", "control/result", "session/summary"])
@pytest.mark.parametrize("payload", [b"", b"nonsense", b"[1]", b"\xff", b'{"sid":1}', b"[" * 20_000])
async def test_nonsense_is_passed_over(mosquitto: Mosquitto, name: str, payload: bytes):
    async with (
        follow(mosquitto.port, HandClock()) as follower,
        aiomqtt.Client("127.0.0.1", mosquitto.port) as stranger,
    ):
        await next_of(follower, Joined)
        await stranger.publish(f"{BASE}/{name}", payload, qos=1)
        await stranger.publish(f"{BASE}/status", b"online", qos=1)
        async with asyncio.timeout(5):
            assert isinstance(await anext(follower), Status)
