"""The page in a real Chromium over a real broker: what a runner sees, presses and hears; time is the test's."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from math import ceil
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import pytest_asyncio
from brokers import Mosquitto
from conversation import BASE, PLAN, RUNNER, HandClock, coaching, hear, hear_json
from npm_packages import installed
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from hrbridge import trace
from hrbridge.clients import web_server
from hrbridge.clients.follower import EVERYBODY
from hrbridge.clients.web_server import WebDisplay
from hrbridge.config import Display, Mqtt, Runner
from hrbridge.decisions import Cue, CueKind, Estimate, Phase, Ratio, Reason, Step, Trust
from hrbridge.events import Action, Command, Event, Rpe, Sample
from hrbridge.sinks.mqtt import MqttSink

pytestmark = pytest.mark.asyncio(loop_scope="module")

AXE = "axe-core@4.14.1"
# Nothing but this machine can be reached, and nothing of the browser's own is fetched.
ALONE = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
PHONE, LAPTOP, WIDE = (360, 740), (1280, 800), (1920, 1080)
# On a screen of 30 cm by 19 cm: 2.4 cm, four times the letters that good eyes read at 2 m.
LARGE_PX = 100
HERE = Display(port=0)
EVERYTHING = ("#phase-word", "#left", "#bpm", "#say", "#elapsed", "#scale button >> nth=10", "#main", "#stop")
SPILLED = """[...document.querySelectorAll("main *:not(.unseen)")]
    .filter(each => each.checkVisibility() && !each.closest("svg"))
    .filter(each => each.getBoundingClientRect().right > innerWidth + 1 || each.scrollWidth > each.clientWidth + 1
        && getComputedStyle(each).display !== "inline").map(each => each.id || each.tagName)"""
HRBRIDGE = "import sys; from hrbridge.cli import main; main()"
COMPLAINTS = """
window.complaints = [];
document.addEventListener("securitypolicyviolation", event => complaints.push(event.violatedDirective));
"""
BEEPS = """
window.beeps = [];
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (at) {
  beeps.push(Math.round(this.frequency.value));
  return start.call(this, at);
};
"""
SHAKES = "window.shakes = []; navigator.vibrate = pattern => shakes.push(pattern);"
# What is said aloud to whoever cannot see the page, in order.
READ_OUT = """
window.readOut = [];
document.addEventListener("DOMContentLoaded", () => new MutationObserver(() =>
  readOut.push(document.querySelector("[role=status]").textContent)
).observe(document.querySelector("[role=status]"), { childList: true, characterData: true, subtree: true }));
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium(needs_tool: Callable[[str], str]) -> AsyncIterator[BrowserContext]:
    program = needs_tool("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=ALONE)
        context = await browser.new_context()
        context.set_default_timeout(5000)
        await context.add_init_script(COMPLAINTS + BEEPS + SHAKES + READ_OUT)
        await context.clock.install(time="2026-11-22T00:00:00Z")
        await context.clock.pause_at("2026-11-22T00:00:01Z")
        yield context
        await browser.close()


@pytest.fixture
def mosquitto(needs_tool: Callable[[str], str], tmp_path: Path) -> Any:
    with Mosquitto(needs_tool, tmp_path) as broker:
        yield broker


@pytest.fixture(scope="module")
def axe(needs_tool: Callable[[str], str]) -> str:
    return (installed(needs_tool, AXE) / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def quick_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's time is real, the page's is not: it must not take a silence of the test's making for a dead link."""
    monkeypatch.setattr(web_server, "BEAT_S", 0.05)


class Stage:
    """A bridge, the server and pages, whose time passes by ``pass_s``."""

    def __init__(self, bridge: MqttSink, clock: HandClock, url: str, mqtt: Mqtt, chromium: BrowserContext) -> None:
        self.bridge, self.clock, self.url, self.mqtt = bridge, clock, url, mqtt
        self.at_s = 12.0
        self._chromium = chromium
        self._pages: dict[Page, asyncio.Event] = {}
        self._requested: list[str] = []
        self._errors: list[str] = []

    async def open(self, size: tuple[int, int] = LAPTOP, scheme: Any = "dark") -> Page:
        """A page whose clock stands still."""
        page, heard = await self._chromium.new_page(), asyncio.Event()
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        await page.emulate_media(color_scheme=scheme)
        page.on("request", lambda request: self._requested.append(request.url))
        page.on("pageerror", lambda error: self._errors.append(str(error)))
        page.on("websocket", lambda socket: socket.on("framereceived", lambda _: heard.set()))
        await page.goto(self.url)
        await expect(page.locator("#trouble")).to_have_text(re.compile("Waiting for|Nobody"))  # it hears everything now
        self._pages[page] = heard
        return page

    async def pass_s(self, seconds: float) -> None:
        """For bridge and pages alike; each page hears of the server in between, as it would."""
        parts = ceil(seconds / 2)
        for _ in range(parts):
            for page, heard in self._pages.items():
                await page.clock.run_for(round(1000 * seconds / parts))
                heard.clear()
                async with asyncio.timeout(5):
                    await heard.wait()
            self.clock.at_s += seconds / parts

    def say(self, phase: Phase = Phase.RUN, event: Event | None = None, cue: Cue | None = None, **keys: Any) -> None:
        """A second of the run, as the controller makes them."""
        bpm = keys.pop("bpm", 141.0)
        estimate = Estimate(
            heart_rate_bpm=bpm, trust=keys.pop("trust", Trust.GOOD), ceiling_bpm=150.0, rpe=keys.pop("rpe", None)
        )
        ratio = Ratio(planned_run_s=240, planned_walk_s=60, run_s=240, walk_s=75)
        following = Phase.WALK if phase is Phase.RUN else Phase.RUN
        happened = event or Sample(self.at_s, None if bpm is None else round(bpm))
        cues = () if cue is None else (cue,)
        left_s = keys.pop("left_s", 228.0)
        self.bridge.take(Step(happened, phase, 12.0, left_s, 1, 1, estimate, ratio, cues, next_phase=following))
        self.at_s += 1

    async def get_in_step(self, page: Page) -> None:
        """A second in which messages come as they are sent: from then on their age is known."""
        for bpm in (140.0, 141.0):
            self.say(bpm=bpm)
            await expect(page.locator("#bpm")).to_have_text(f"{bpm:.0f}")
            await self.pass_s(1)

    async def close(self) -> None:
        complaints = [await page.evaluate("complaints") for page in self._pages]
        for page in self._pages:
            await page.close()
        assert self._errors == []
        assert [each for each in complaints if each] == []
        assert [url for url in self._requested if not url.startswith(self.url)] == []


@asynccontextmanager
async def stage(
    mosquitto: Mosquitto,
    chromium: BrowserContext,
    wishes: asyncio.Queue[Any] | None = None,
    settings: Display = HERE,
    runner_id: str = RUNNER.id,
) -> AsyncIterator[Stage]:
    clock, mqtt = HandClock(), Mqtt(url=f"mqtt://127.0.0.1:{mosquitto.port}")
    async with coaching(mqtt, wishes, clock) as bridge, WebDisplay(settings, mqtt, runner_id, clock) as display:
        set_up = Stage(bridge, clock, re.sub(r"//[^/]*:(\d+)/.*", r"//127.0.0.1:\1/", display.url), mqtt, chromium)
        yield set_up
        await set_up.close()


async def violations(page: Page, axe: str) -> list[str]:
    await page.evaluate(axe + ";0")
    looking = asyncio.create_task(page.evaluate("axe.run()"))
    while not looking.done():
        await page.clock.run_for(1)  # axe waits by the clock of the page
    found = looking.result()
    return [f"{each['id']}: {node['html']}" for each in found["violations"] for node in each["nodes"]]


def a_cue(
    seq: int, kind: CueKind = CueKind.WALK, say: str = "Walk one minute.", reason: Reason = Reason.PLANNED
) -> Cue:
    return Cue(seq, kind, reason, say, 5.0, 60.0)


# -- what there is to see --


async def test_the_phase_its_time_the_heart_and_the_plan_are_shown(mosquitto: Mosquitto, chromium: BrowserContext):
    async with stage(mosquitto, chromium) as on:
        page = await on.open()
        on.say(Phase.RUN)
        await expect(page.locator("#phase-word")).to_have_text("Run")
        await expect(page.locator("#left")).to_have_text("3:48")
        await expect(page.locator("#bpm")).to_have_text("141")
        await expect(page.locator("#trust")).to_have_text("signal good")
        await expect(page.locator("#next")).to_have_text("next walk 1:15")
        await expect(page.locator("#ratio")).to_have_text("4:00 / 1:00 → 4:00 / 1:15")
        await expect(page.locator("#ceiling")).to_have_text("ceiling 150")
        await expect(page.locator("#plan")).to_have_text("easy-4-1")


async def test_between_two_states_the_page_counts_by_itself(mosquitto: Mosquitto, chromium: BrowserContext):
    async with stage(mosquitto, chromium) as on:
        page = await on.open()
        on.say(Phase.RUN)
        await expect(page.locator("#left")).to_have_text("3:48")
        shown = []
        for _ in range(4):
            await page.clock.run_for(1000)
            shown.append(await page.locator("#left").text_content())
        assert shown == ["3:47", "3:46", "3:45", "3:44"]


async def test_every_phase_is_a_word_of_its_own(mosquitto: Mosquitto, chromium: BrowserContext):
    async with stage(mosquitto, chromium) as on:
        page, words = await on.open(), []
        for phase in Phase:
            on.say(phase)
            await expect(page.locator("#phase")).to_have_class(phase)
            words.append(await page.locator("#phase-word").text_content())
        assert words == ["Waiting", "Warm-up", "Run", "Surge", "Walk", "Cool-down", "Paused", "Done"]


async def test_without_a_signal_no_number_is_shown(mosquitto: Mosquitto, chromium: BrowserContext):
    async with stage(mosquitto, chromium) as on:
        page = await on.open()
        on.say(bpm=None, trust=Trust.NONE)
        await expect(page.locator("#phase-word")).to_have_text("Run")
        assert await page.locator("#heart p").all_inner_texts() == ["–", "bpm\nno signal\nceiling 150"]


async def test_a_cue_is_shown_with_its_reason_read_out_and_acknowledged(mosquitto: Mosquitto, chromium: BrowserContext):
    async with stage(mosquitto, chromium) as on, aiomqtt.Client("127.0.0.1", mosquitto.port) as stranger:
        await stranger.subscribe(f"{BASE}/cue/ack")
        page = await on.open()
        await on.get_in_step(page)
        held = a_cue(7, CueKind.EXTEND_WALK, "Still 148. Fifteen more seconds.", Reason.NOT_RECOVERED)
        on.say(Phase.WALK, cue=held)
        await expect(page.locator("#say")).to_have_text("Still 148. Fifteen more seconds.")
        await expect(page.locator("#because")).to_have_text("Your heart rate takes a little longer to come down.")
        ack = await hear_json(stranger, f"{BASE}/cue/ack")
        assert (ack["seq"], ack["result"], ack["client"][:5]) == (7, "played", "page-")
        assert (await page.evaluate("readOut"))[-1] == "Still 148. Fifteen more seconds."


async def test_who_listens_is_not_told_every_second(mosquitto: Mosquitto, chromium: BrowserContext):
    async with stage(mosquitto, chromium) as on:
        page = await on.open()
        await on.get_in_step(page)
        before = await page.evaluate("readOut.length")
        for bpm in range(142, 147):
            on.say(bpm=float(bpm))
            await expect(page.locator("#bpm")).to_have_text(str(bpm))
            await page.clock.run_for(1000)
        assert await page.evaluate("readOut.length") == before


async def test_a_page_out_of_sight_and_silent_owns_up_to_it(mosquitto: Mosquitto, chromium: BrowserContext):
    async with stage(mosquitto, chromium) as on, aiomqtt.Client("127.0.0.1", mosquitto.port) as stranger:
        await stranger.subscribe(f"{BASE}/cue/ack")
        page = await on.open()
        await on.get_in_step(page)
        await page.evaluate("Object.defineProperty(document, 'visibilityState', { value: 'hidden' })")
        on.say(cue=a_cue(7))
        ack = await hear_json(stranger, f"{BASE}/cue/ack")
        assert (ack["result"], ack["why"]) == ("dropped", "page out of sight")


async def test_after_a_tap_on_sound_a_cue_is_heard_and_felt(mosquitto: Mosquitto, chromium: BrowserContext):
    async with stage(mosquitto, chromium) as on:
        page = await on.open(PHONE)
        await on.get_in_step(page)
        await page.click("#sound")
        await expect(page.locator("#sound")).to_have_attribute("aria-pressed", "true")
        assert await page.evaluate("beeps.splice(0)") == [523, 1047]
        on.say(Phase.WALK, cue=a_cue(7))
        await expect(page.locator("#say")).to_have_text("Walk one minute.")
        assert await page.evaluate("[beeps, shakes.at(-1)]") == [[587, 392], [150, 100, 150]]


async def test_whoever_comes_is_told_the_present_phase_once(mosquitto: Mosquitto, chromium: BrowserContext):
    async with stage(mosquitto, chromium) as on:
        page = await on.open()
        await on.get_in_step(page)
        for left_s, shown in ((226.0, "3:46"), (220.0, "3:40")):
            await on.pass_s(5)
            on.say(left_s=left_s)
            await expect(page.locator("#left")).to_have_text(shown)
        assert [each for each in await page.evaluate("readOut") if "left" in each] == ["Run, 3 minutes 46 left"]


# -- what there is to press --


async def test_a_tap_on_an_effort_reaches_the_bridge_and_is_shown_when_it_counts(
    mosquitto: Mosquitto, chromium: BrowserContext
):
    wishes: asyncio.Queue[Any] = asyncio.Queue(8)
    async with stage(mosquitto, chromium, wishes) as on:
        page = await on.open(PHONE)
        on.say()
        await expect(page.locator("#phase-word")).to_have_text("Run")
        seven = page.get_by_role("button", name="7, very hard")
        await seven.click()
        async with asyncio.timeout(5):
            assert await wishes.get() == 7
        on.say(event=Rpe(13.0, 7.0), rpe=7.0)
        await expect(seven).to_have_attribute("aria-pressed", "true")
        await expect(page.locator("#told")).to_have_text("Effort 7: done.")


BUTTONS = [
    (Phase.WAITING, "Start", Action.START),
    (Phase.RUN, "Pause", Action.PAUSE),
    (Phase.PAUSED, "Resume", Action.RESUME),
    (Phase.WALK, "+15 s, walk longer", Action.EXTEND),
    (Phase.RUN, "Skip", Action.SKIP),
    (Phase.WALK, "Undo", Action.UNDO),
]


async def test_a_button_asks_for_what_it_says(mosquitto: Mosquitto, chromium: BrowserContext):
    wishes: asyncio.Queue[Any] = asyncio.Queue(8)
    async with stage(mosquitto, chromium, wishes) as on:
        page, asked = await on.open(PHONE), []
        for phase, name, _ in BUTTONS:
            on.say(phase)
            await expect(page.locator("#phase")).to_have_class(phase)
            await page.get_by_role("button", name=name, exact=True).click()
            async with asyncio.timeout(5):
                asked.append(await wishes.get())
            on.clock.at_s += 1  # a stuck button is not obeyed
        assert asked == [action for *_, action in BUTTONS]


async def test_stop_asks_twice_and_says_what_became_of_it(mosquitto: Mosquitto, chromium: BrowserContext):
    wishes: asyncio.Queue[Any] = asyncio.Queue(8)
    async with stage(mosquitto, chromium, wishes) as on:
        page = await on.open()
        on.say()
        await expect(page.locator("#phase-word")).to_have_text("Run")
        await page.click("#stop")
        await page.clock.run_for(6000)
        await page.click("#stop")
        await expect(page.locator("#stop")).to_have_text("Stop now?")
        assert wishes.empty()
        await page.click("#stop")
        async with asyncio.timeout(5):
            assert await wishes.get() is Action.STOP
        on.say(Phase.FINISHED, event=Command(14.0, Action.STOP))
        await expect(page.locator("#told")).to_have_text("Stop: done.")


async def test_on_a_keyboard_space_pauses_and_a_digit_is_an_effort(mosquitto: Mosquitto, chromium: BrowserContext):
    wishes: asyncio.Queue[Any] = asyncio.Queue(8)
    async with stage(mosquitto, chromium, wishes) as on:
        page = await on.open()
        on.say()
        await expect(page.locator("#phase-word")).to_have_text("Run")
        await page.click("#skip")  # the space bar is not for this button then
        for key in (" ", "4", "+", "u", "n"):
            await page.keyboard.press(key)
        async with asyncio.timeout(5):
            asked = [await wishes.get() for _ in range(6)]
        assert asked == [Action.SKIP, Action.PAUSE, 4.0, Action.EXTEND, Action.UNDO, Action.SKIP]
        on.clock.at_s += 1  # no more than five commands a second are obeyed
        for key in ("t", "s", "s"):
            await page.keyboard.press(key)
        async with asyncio.timeout(5):
            assert [await wishes.get(), await wishes.get()] == [10.0, Action.STOP]


async def test_keys_can_be_turned_off_and_buttons_still_be_reached(mosquitto: Mosquitto, chromium: BrowserContext):
    wishes: asyncio.Queue[Any] = asyncio.Queue(8)
    async with stage(mosquitto, chromium, wishes) as on:
        page = await on.open()
        on.say()
        await expect(page.locator("#phase-word")).to_have_text("Run")
        await page.click("#keys")
        await page.keyboard.press("n")
        await page.focus("#extend")
        await page.keyboard.press("Shift+Tab")
        assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        await page.keyboard.press("Enter")
        async with asyncio.timeout(5):
            assert await wishes.get() is Action.PAUSE


async def test_in_the_network_a_page_without_the_token_has_no_buttons(mosquitto: Mosquitto, chromium: BrowserContext):
    async with stage(mosquitto, chromium, settings=Display(host="0.0.0.0", port=0, insecure=True)) as on:
        page = await on.open()
        on.say()
        await expect(page.locator("#phase-word")).to_have_text("Run")
        await expect(page.locator("#controls, #effort")).to_have_count(2)
        assert [await each.is_visible() for each in await page.locator("#controls, #effort").all()] == [False, False]


# -- when something is gone --


async def test_when_the_broker_is_gone_the_page_says_so_and_goes_on_when_it_is_back(
    mosquitto: Mosquitto, chromium: BrowserContext
):
    async with stage(mosquitto, chromium) as on:
        page = await on.open()
        await on.get_in_step(page)
        mosquitto.kill()
        await expect(page.locator("#trouble")).to_contain_text("The broker is out of reach.")
        mosquitto.start()
        await expect(page.locator("#trouble")).to_be_hidden()
        on.say(Phase.WALK)
        await expect(page.locator("#phase-word")).to_have_text("Walk")


async def test_a_link_that_has_fallen_silent_is_given_up_and_made_anew(
    mosquitto: Mosquitto, chromium: BrowserContext, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(web_server, "BEAT_S", 1000)  # as behind a Wi-Fi that swallows everything
    async with stage(mosquitto, chromium) as on:
        page = await on.open()
        on.say()
        await expect(page.locator("#phase-word")).to_have_text("Run")
        async with page.expect_websocket():
            await page.clock.run_for(10_000)
        on.say(Phase.WALK)
        await expect(page.locator("#phase-word")).to_have_text("Walk")


async def test_data_older_than_ten_seconds_is_grey_and_said_to_be(mosquitto: Mosquitto, chromium: BrowserContext):
    async with stage(mosquitto, chromium) as on:
        page = await on.open()
        await on.get_in_step(page)
        await on.pass_s(7)  # the state is two seconds old by then
        assert await page.locator("body").get_attribute("class") == "display"
        await on.pass_s(2)
        await expect(page.locator("body")).to_have_class(re.compile("grey"))
        await expect(page.locator("#trouble")).to_have_text("No news for 11 s.")
        assert await page.locator("#left").text_content() == "3:37"
        await on.pass_s(1)
        assert await page.locator("#bpm").text_content() == "–"
        assert (await page.evaluate("readOut"))[-1] == "Link lost. The times go on by themselves."


async def test_what_comes_out_of_a_black_hole_is_not_played_and_the_present_is_told(
    mosquitto: Mosquitto, chromium: BrowserContext
):
    async with stage(mosquitto, chromium) as on, aiomqtt.Client("127.0.0.1", mosquitto.port) as stranger:
        await stranger.subscribe(f"{BASE}/cue/ack")
        page = await on.open()
        await on.get_in_step(page)
        mosquitto.freeze()
        on.say(Phase.WALK, cue=a_cue(7))
        await on.pass_s(20)
        mosquitto.thaw()
        ack = await hear_json(stranger, f"{BASE}/cue/ack")
        assert (ack["seq"], ack["result"], ack["why"]) == (7, "dropped", "too late")
        assert ack["age_ms"] == pytest.approx(20_000, abs=50)
        on.say(Phase.RUN, left_s=100.0)
        await expect(page.locator("#left")).to_have_text("1:40")
        await expect(page.locator("#say")).to_have_text("Walk one minute.")  # what was said last, to be read
        read = await page.evaluate("readOut")
        assert read[-2:] == ["Link lost. The times go on by themselves.", "Run, 1 minute 40 left"]


async def test_a_page_whose_date_is_wrong_plays_what_is_in_time(mosquitto: Mosquitto, chromium: BrowserContext):
    async with stage(mosquitto, chromium) as on, aiomqtt.Client("127.0.0.1", mosquitto.port) as stranger:
        await stranger.subscribe(f"{BASE}/cue/ack")
        page = await on.open()
        await page.clock.set_system_time("1999-12-31T23:59:58Z")
        await on.get_in_step(page)
        await page.clock.set_system_time("2038-01-19T03:14:08Z")
        on.say(Phase.WALK, cue=a_cue(7), left_s=60.0)
        assert (await hear_json(stranger, f"{BASE}/cue/ack"))["result"] == "played"
        await expect(page.locator("#left")).to_have_text("1:00")


async def test_what_the_broker_kept_is_grey_until_something_comes_live(mosquitto: Mosquitto, chromium: BrowserContext):
    async with stage(mosquitto, chromium) as on:
        on.say()
        async with aiomqtt.Client("127.0.0.1", mosquitto.port) as stranger:
            await stranger.subscribe(f"{BASE}/state")
            await hear(stranger, f"{BASE}/state")
        page = await on.open()
        await expect(page.locator("#trouble")).to_have_text("Waiting for news.")
        assert await page.locator("body").get_attribute("class") == "display grey"
        on.say()
        await expect(page.locator("body")).to_have_class("display")


NONSENSE = ["", "nonsense", "[]", "null", "1", "{}", '{"sid":"run-1","seq":999,"ts_ms":1,"ratio":{}}']


async def test_nonsense_does_not_stop_a_page(mosquitto: Mosquitto, chromium: BrowserContext):
    async with stage(mosquitto, chromium) as on, aiomqtt.Client("127.0.0.1", mosquitto.port) as stranger:
        page = await on.open()
        await on.get_in_step(page)
        for name in ("state", "cue", "heart_rate", "bridge/info", "control/result", "session/summary", "status", "x"):
            for payload in NONSENSE:
                await stranger.publish(f"{BASE}/{name}", payload, qos=1)
        on.say(bpm=150.0)
        await expect(page.locator("#bpm")).to_have_text("150")


# -- whoever looks --


async def test_everything_is_on_the_screen(mosquitto: Mosquitto, chromium: BrowserContext):
    async with stage(mosquitto, chromium) as on:
        page = await on.open()
        await on.get_in_step(page)
        on.say(Phase.WALK, cue=a_cue(7, CueKind.EXTEND_WALK, "Still 148. Fifteen more seconds.", Reason.NOT_RECOVERED))
        await expect(page.locator("#say")).to_have_text("Still 148. Fifteen more seconds.")
        for width, height in (PHONE, LAPTOP, WIDE):
            await page.set_viewport_size({"width": width, "height": height})
            for element in EVERYTHING:
                await expect(page.locator(element)).to_be_in_viewport(ratio=1)
            assert await page.evaluate(SPILLED) == []


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "light"), (LAPTOP, "dark")], ids=["light", "dark"])
async def test_axe_finds_nothing_neither_live_nor_in_grey(
    mosquitto: Mosquitto, chromium: BrowserContext, axe: str, size: tuple[int, int], scheme: str
):
    async with stage(mosquitto, chromium) as on:
        page = await on.open(size, scheme)
        await on.get_in_step(page)
        on.say(Phase.WALK, cue=a_cue(7, CueKind.EXTEND_WALK, "Still 148. Fifteen more seconds.", Reason.NOT_RECOVERED))
        await expect(page.locator("#say")).to_have_text("Still 148. Fifteen more seconds.")
        assert await violations(page, axe) == []
        await on.pass_s(12)
        await expect(page.locator("body")).to_have_class("display grey")
        assert await violations(page, axe) == []


async def test_at_two_metres_the_word_and_the_time_are_large(mosquitto: Mosquitto, chromium: BrowserContext):
    async with stage(mosquitto, chromium) as on:
        page = await on.open(LAPTOP)
        on.say()
        heights_px = [
            await page.locator(each).evaluate("each => parseFloat(getComputedStyle(each).fontSize)")
            for each in ("#phase-word", "#left", "#bpm")
        ]
        assert min(heights_px) >= LARGE_PX


# -- the board --


def crowd() -> dict[str, Step]:
    """By name what a runner does who needs a look, or not."""
    ratio = Ratio(planned_run_s=240, planned_walk_s=60, run_s=240, walk_s=60)

    def runner(phase: Phase = Phase.RUN, *cues: Cue, **keys: Any) -> Step:
        estimate = Estimate(**{"heart_rate_bpm": 141.0, "trust": Trust.GOOD, "ceiling_bpm": 150.0, **keys})
        bpm = None if estimate.heart_rate_bpm is None else round(estimate.heart_rate_bpm)
        return Step(Sample(12.0, bpm), phase, 12.0, 228.0, 1, 1, estimate, ratio, cues, Phase.WALK)

    held = a_cue(1, CueKind.EXTEND_WALK, "Fifteen more seconds.", Reason.NOT_RECOVERED)
    return {
        "ann": runner(),
        "bea": runner(Phase.WALK, held),
        "cy": runner(heart_rate_bpm=None, trust=Trust.NONE),
        "dan": runner(heart_rate_bpm=158.0),
        "eve": runner(Phase.WARMUP),
        "fay": runner(Phase.FINISHED),
    }


async def test_on_the_board_whoever_needs_a_look_stands_first(mosquitto: Mosquitto, chromium: BrowserContext, axe: str):
    async with (
        stage(mosquitto, chromium, runner_id=EVERYBODY) as on,
        aiomqtt.Client("127.0.0.1", mosquitto.port) as stranger,
        AsyncExitStack() as stack,
    ):
        page = await on.open(WIDE)
        bridges = {}
        for name in crowd():
            runner = Runner(id=name, max_heart_rate_bpm=180, resting_heart_rate_bpm=60)
            sink = MqttSink(on.mqtt, runner, on.clock, asyncio.Queue(8), sensor="strap")
            bridges[name] = await stack.enter_async_context(sink)
            bridges[name].begin(f"run-{name}", PLAN)
            await stranger.publish(f"hrbridge/{name}/client/ear/status", "online", qos=1, retain=True)
        for _ in range(4):  # whoever is well has been so for ten seconds
            for name, did in crowd().items():
                bridges[name].take(did)
            await on.pass_s(5)
        await expect(page.locator("#count")).to_have_text("7 runners, 3 to look at")
        shown = [await page.locator(f"{each} .name").all_text_contents() for each in ("#looks", "#well", "#others")]
        looks, well, others = shown
        # Who is well stays where they stood, so that nothing jumps.
        assert (looks, sorted(well), sorted(others)) == (["cy", "dan", "bea"], ["ann", "eve"], ["alex", "fay"])
        assert await violations(page, axe) == []


# -- all of it --


async def test_a_tap_in_the_browser_stands_in_the_trace_of_the_run(
    mosquitto: Mosquitto, chromium: BrowserContext, tmp_path: Path
):
    where = ["--mqtt", f"mqtt://127.0.0.1:{mosquitto.port}"]
    written = tmp_path / "run.jsonl"
    async with (
        program("run", *where, "--speed", "10", "--trace", str(written), "--set", "runner.id='alex'"),
        program("display", "--web", "--port", "0", "--runner", "alex", *where) as display,
    ):
        assert display.stdout is not None
        page = await chromium.new_page()
        await page.goto((await display.stdout.readline()).decode().strip())
        await page.get_by_role("button", name="7, very hard").click()
        async with asyncio.timeout(10):
            while b'"type":"rpe"' not in written.read_bytes():
                await page.clock.run_for(100)
        await page.close()
    assert [step.event.rpe for step in trace.read(written).steps if isinstance(step.event, Rpe)] == [7]


@asynccontextmanager
async def program(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HRBRIDGE, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.terminate()
        await process.communicate()
    assert process.returncode == 0
