"""The display in a terminal, driven by its keys, over a real broker; and once in a real terminal."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from brokers import Mosquitto
from conftest import Hrbridge
from conversation import BASE, HandClock, coaching, cue, hear_json, step
from textual.pilot import Pilot

from hrbridge.clients.follower import EVERYBODY, Follower, Joined
from hrbridge.clients.painting import BAND, GREY
from hrbridge.clients.terminal import Canvas, Display
from hrbridge.config import Mqtt
from hrbridge.decisions import CueKind, Estimate, Phase, Trust
from hrbridge.events import Action, Command, Sample
from hrbridge.sinks.mqtt import MqttSink
from hrbridge.timeline import MonotonicClock


@pytest.fixture
def mosquitto(needs_tool: Callable[[str], str], tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(needs_tool, tmp_path) as broker:
        yield broker


class Screen:
    """What stands on the screen of a display that is driven by ``press``."""

    def __init__(self, pilot: Pilot[None], clock: Any) -> None:
        self._pilot = pilot
        self.clock = clock

    @property
    def lines(self) -> list[str]:
        canvas = self._pilot.app.query_one(Canvas)
        return [canvas.render_line(y).text for y in range(canvas.size.height)]

    @property
    def band(self) -> str:
        """The colour behind the phase."""
        (colour,) = {str(segment.style.bgcolor.name) for segment in self._pilot.app.query_one(Canvas).render_line(4)}
        return colour

    async def press(self, *keys: str) -> None:
        await self._pilot.press(*keys)

    async def shows(self, text: str) -> None:
        """Returns once it does."""
        try:
            async with asyncio.timeout(5):
                while not any(text in line for line in self.lines):
                    await self._pilot.pause()
        except TimeoutError:
            raise AssertionError(f"{text!r} is not shown:\n" + "\n".join(self.lines)) from None

    async def turns(self, colour: str) -> None:
        async with asyncio.timeout(5):
            while self.band != colour:
                await self._pilot.pause()


@asynccontextmanager
async def display(
    broker: Mosquitto, clock: HandClock, runner_id: str = "alex", size: tuple[int, int] = (80, 24)
) -> AsyncIterator[Screen]:
    settings = Mqtt(url=f"mqtt://127.0.0.1:{broker.port}")
    async with Follower(settings, runner_id, "display", clock) as follower:
        assert isinstance(await anext(follower), Joined)
        async with Display(follower, clock).run_test(size=size) as pilot:
            yield Screen(pilot, clock)


@asynccontextmanager
async def a_run(
    broker: Mosquitto, phase: Phase = Phase.RUN, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[Screen, MqttSink, asyncio.Queue[Any]]]:
    """A bridge in this phase, a display that shows it, and what the bridge is asked for."""
    clock = HandClock()
    wishes: asyncio.Queue[Any] = asyncio.Queue(32)
    async with (
        coaching(Mqtt(url=broker.url), wishes, clock) as bridge,
        display(broker, clock, size=size) as screen,
    ):
        await screen.shows("nothing heard of alex")
        bridge.take(step(Sample(12.0, 141), phase, next_phase=Phase.WALK))
        await screen.shows("bpm  zone")
        yield screen, bridge, wishes


async def next_wish(wishes: asyncio.Queue[Any]) -> Any:
    async with asyncio.timeout(5):
        return await wishes.get()


# -- what is seen --


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (200, 50)])
async def test_phase_time_heart_rate_next_and_ratio_are_seen(mosquitto: Mosquitto, size: tuple[int, int]) -> None:
    async with a_run(mosquitto, size=size) as (screen, bridge, _):
        assert screen.band == BAND[Phase.RUN]
        await screen.shows("bpm  zone 2  ceiling 150  signal good")
        await screen.shows("next WALK   4:00/1:00")
        bridge.take(step(Sample(13.0, 141), Phase.WALK, (cue(7, CueKind.WALK),)))
        await screen.turns(BAND[Phase.WALK])
        await screen.shows("Run four minutes.")


async def test_a_few_columns_show_one_line_of_words(mosquitto: Mosquitto) -> None:
    clock = HandClock()
    async with (
        coaching(Mqtt(url=mosquitto.url), clock=clock) as bridge,
        display(mosquitto, clock, size=(30, 4)) as screen,
    ):
        bridge.take(step(Sample(12.0, 141), next_phase=Phase.WALK))
        await screen.shows("RUN 3:48 141 bpm next walk")


async def test_what_is_older_than_ten_seconds_turns_grey_and_says_so(mosquitto: Mosquitto) -> None:
    async with a_run(mosquitto) as (screen, bridge, _):
        screen.clock.at_s += 11
        await screen.shows("no news for 11 s")
        assert screen.band == GREY
        bridge.take(step(Sample(24.0, 141)))
        await screen.turns(BAND[Phase.RUN])


async def test_a_lost_broker_is_said_and_comes_back(mosquitto: Mosquitto) -> None:
    async with a_run(mosquitto) as (screen, bridge, _):
        mosquitto.kill()
        await screen.shows("no broker")
        mosquitto.start()
        screen.clock.at_s += 20
        await screen.shows("no news for 20 s")
        bridge.take(step(Sample(33.0, 141), Phase.WALK))
        await screen.turns(BAND[Phase.WALK])


async def test_what_is_shown_of_a_cue_is_acknowledged_as_played(mosquitto: Mosquitto) -> None:
    async with (
        aiomqtt.Client("127.0.0.1", mosquitto.port) as stranger,
        a_run(mosquitto) as (screen, bridge, _),
    ):
        await stranger.subscribe(f"{BASE}/cue/ack")
        screen.clock.at_s += 1
        bridge.take(step(Sample(13.0, 141), cues=(cue(7),)))
        ack = await hear_json(stranger, f"{BASE}/cue/ack", seq=7)
        assert ack["result"] == "played"
        await screen.shows("Run four minutes.")


# -- the keys --


@pytest.mark.parametrize(
    ("phase", "key", "action"),
    [
        (Phase.RUN, "space", Action.PAUSE),
        (Phase.PAUSED, "space", Action.RESUME),
        (Phase.WALK, "plus", Action.EXTEND),
        (Phase.RUN, "n", Action.SKIP),
        (Phase.WAITING, "s", Action.START),
        (Phase.RUN, "u", Action.UNDO),
    ],
)
async def test_a_key_is_asked_for_and_the_answer_shown(
    mosquitto: Mosquitto, phase: Phase, key: str, action: Action
) -> None:
    async with a_run(mosquitto, phase) as (screen, bridge, wishes):
        await screen.press(key)
        assert await next_wish(wishes) is action
        bridge.take(step(Command(13.0, action), phase))
        await screen.shows(": done.")


async def test_what_the_bridge_refuses_is_said_in_its_words(mosquitto: Mosquitto) -> None:
    async with a_run(mosquitto) as (screen, bridge, wishes):
        await screen.press("u")
        await next_wish(wishes)
        bridge.take(step(Command(13.0, Action.UNDO), refused="nothing to undo within 5 s"))
        await screen.shows("Undo: not done, nothing to undo within 5 s.")


async def test_one_press_stops_nothing_and_two_stop_the_run(mosquitto: Mosquitto) -> None:
    async with a_run(mosquitto) as (screen, _, wishes):
        await screen.press("s")
        await screen.shows("Stop the run? Press s again.")
        screen.clock.at_s += 5.1
        await screen.press("s", "n")
        assert await next_wish(wishes) is Action.SKIP
        await screen.press("s")
        assert await next_wish(wishes) is Action.STOP


@pytest.mark.parametrize(("key", "rpe"), [("0", 0.0), ("7", 7.0), ("t", 10.0)])
async def test_a_digit_is_an_effort_and_noted_once_the_state_has_it(mosquitto: Mosquitto, key: str, rpe: float) -> None:
    async with a_run(mosquitto) as (screen, bridge, wishes):
        await screen.press(key)
        assert await next_wish(wishes) == rpe
        bridge.take(step(Sample(13.0, 141), estimate=Estimate(heart_rate_bpm=141.0, trust=Trust.GOOD, rpe=rpe)))
        await screen.shows(f"Effort {rpe:g}: noted.")


async def test_what_nobody_answers_is_said(mosquitto: Mosquitto) -> None:
    async with a_run(mosquitto) as (screen, _, wishes):
        await screen.press("n")
        await next_wish(wishes)
        screen.clock.at_s += 2.1
        await screen.shows("Next: no answer from the bridge.")


async def test_without_a_broker_nothing_is_sent_and_that_is_said_at_once(mosquitto: Mosquitto) -> None:
    async with a_run(mosquitto) as (screen, _, wishes):
        mosquitto.kill()
        await screen.shows("no broker")
        await screen.press("n")
        await screen.shows("Next: not sent, no broker.")
        mosquitto.start()
        screen.clock.at_s += 30
        await screen.shows("no news for 30 s")
        assert wishes.empty()


async def test_why_tells_the_last_decision_in_plain_words(mosquitto: Mosquitto) -> None:
    async with a_run(mosquitto) as (screen, bridge, _):
        screen.clock.at_s += 1
        bridge.take(step(Sample(13.0, 141), cues=(cue(7),)))
        await screen.shows("Run four minutes.")
        await screen.press("w")
        await screen.shows("“Run four minutes.” That is the plan.")
        await screen.press("w")
        assert not any("That is the plan." in line for line in screen.lines)


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_it_is_left_and_its_status_taken_back(mosquitto: Mosquitto, key: str) -> None:
    settings = Mqtt(url=f"mqtt://127.0.0.1:{mosquitto.port}")
    clock = HandClock()
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as stranger:
        await stranger.subscribe(f"{BASE}/client/+/status")
        async with Follower(settings, "alex", "display", clock) as follower:
            assert isinstance(await anext(follower), Joined)
            async with asyncio.timeout(5) as limit:
                await Display(follower, clock).run_async(headless=True, auto_pilot=lambda pilot: pilot.press(key))
            assert not limit.expired()
        said = [bytes((await anext(stranger.messages)).payload) for _ in range(2)]
        assert said == [b"online", b"offline"]


# -- the board --


async def test_a_board_shows_everybody_and_one_of_them_on_enter(mosquitto: Mosquitto) -> None:
    clock = HandClock()
    async with (
        coaching(Mqtt(url=mosquitto.url), clock=clock) as bridge,
        aiomqtt.Client("127.0.0.1", mosquitto.port) as other,
        display(mosquitto, clock, EVERYBODY, (100, 24)) as screen,
    ):
        await other.publish("hrbridge/kim/status", b"offline", retain=True)
        bridge.take(step(Sample(12.0, 141), next_phase=Phase.WALK))
        await screen.shows("2 runners  1 running")
        assert [line.split()[0] for line in screen.lines[2:4]] == ["alex", "kim"]
        await screen.press("down", "enter")
        await screen.shows("next WALK   4:00/1:00")
        await screen.press("n", "escape")
        await screen.shows("2 runners  1 running")


async def test_the_chosen_runner_stays_in_sight(mosquitto: Mosquitto) -> None:
    clock = HandClock()
    async with (
        aiomqtt.Client("127.0.0.1", mosquitto.port) as other,
        display(mosquitto, clock, EVERYBODY, (60, 13)) as screen,
    ):
        for number in range(40):
            await other.publish(f"hrbridge/r{number}/status", b"online")
        await screen.shows("40 runners")
        await screen.press("end", "end")
        await screen.shows("r39")
        await screen.press("home")
        await screen.shows("r0 ")


# -- a real terminal --


class Tmux:
    """A terminal of its own, on a private socket."""

    def __init__(self, program: str, folder: Path, command: str, columns: int, lines: int) -> None:
        self._words = [program, "-S", str(folder / "tmux"), "-f", os.devnull]
        size = ("-x", str(columns), "-y", str(lines))
        self("new-session", "-d", *size, f"{command}; echo left with $?; cat")

    def __call__(self, *words: str) -> str:
        return subprocess.run([*self._words, *words], check=True, capture_output=True, text=True).stdout

    def shows(self, text: str, *how: str) -> None:
        """Returns once it does; asked again and again, for a terminal tells nobody."""
        for _ in range(2000):
            if text in self("capture-pane", "-p", *how):
                return
        raise AssertionError(f"{text!r} is not shown:\n" + self("capture-pane", "-p"))


async def test_in_a_real_terminal(mosquitto: Mosquitto, needs_tool: Callable[[str], str], tmp_path: Path) -> None:
    clock = HandClock()
    program = f"{sys.executable} -c 'from hrbridge.cli import main; main()' display"
    command = f"env TERM=screen-256color COLORTERM=truecolor {program} --runner alex --mqtt {mosquitto.url}"
    async with coaching(Mqtt(url=mosquitto.url), clock=clock) as bridge:
        bridge.take(step(Sample(12.0, 141), next_phase=Phase.WALK))
        tmux = Tmux(needs_tool("tmux"), tmp_path, command, 80, 24)
        try:
            # It came before the display, so that its age is not known.
            await asyncio.to_thread(tmux.shows, "waiting for news")
            bridge.take(step(Sample(12.0, 142), Phase.WALK, next_phase=Phase.RUN))
            await asyncio.to_thread(tmux.shows, "next RUN   4:00/1:00")
            await asyncio.to_thread(tmux.shows, "48;2;108;184;255", "-e")  # the blue of a walk
            tmux("send-keys", "q")
            await asyncio.to_thread(tmux.shows, "left with 0")
        finally:
            tmux("kill-server")


@pytest.mark.proof
async def test_a_black_hole_of_twenty_seconds(mosquitto: Mosquitto) -> None:
    clock = MonotonicClock()
    settings = Mqtt(url=f"mqtt://127.0.0.1:{mosquitto.port}")
    async with coaching(settings, clock=clock) as bridge, Follower(settings, "alex", "display", clock) as follower:
        assert isinstance(await anext(follower), Joined)
        async with Display(follower, clock).run_test(size=(80, 24)) as pilot:
            screen = Screen(pilot, clock)
            for second in range(40):
                bridge.take(step(Sample(float(second), 141)))
                if second == 5:
                    assert screen.band == BAND[Phase.RUN]
                    mosquitto.freeze()
                elif second == 16:
                    assert screen.band == GREY
                elif second == 25:
                    mosquitto.thaw()
                await pilot.pause(1.0)
            assert screen.band == BAND[Phase.RUN]


# -- the command --


@pytest.mark.parametrize("words", [(), ("--all",)])
def test_without_a_broker_it_says_so_and_ends(mosquitto: Mosquitto, hrbridge: Hrbridge, words: tuple[str, ...]) -> None:
    mosquitto.kill()
    ended = hrbridge("display", "--mqtt", mosquitto.url, *words)
    assert ended.code == 1
    assert "nothing listens there" in ended.err


@pytest.mark.parametrize(("words", "why"), [(("--port", "1"), "--web"), (("--all", "--runner", "kim"), "--all")])
def test_words_that_do_not_go_together(hrbridge: Hrbridge, words: tuple[str, ...], why: str) -> None:
    ended = hrbridge("display", *words)
    assert ended.code == 2
    assert why in ended.err
