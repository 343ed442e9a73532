"""The server of the page, spoken to as a browser and as worse would: who may look, who may ask, what it costs it."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import aiomqtt
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType
from brokers import Mosquitto, free_port
from conversation import BASE, HandClock, coaching, cue, hear, hear_json, step

from hrbridge.clients import web_server
from hrbridge.clients.follower import EVERYBODY, MAX_HAPPENINGS
from hrbridge.clients.web_server import FILES, MAX_PAGES, WebDisplay, reach
from hrbridge.config import Display, Mqtt
from hrbridge.errors import BrokerError, ConfigError
from hrbridge.events import Action, Command, Sample

ANYWHERE = Display(host="0.0.0.0", port=0, insecure=True)
HERE = Display(port=0)


@pytest.fixture
def mosquitto(needs_tool: Callable[[str], str], tmp_path: Path) -> Any:
    with Mosquitto(needs_tool, tmp_path) as broker:
        yield broker


@asynccontextmanager
async def serving(
    broker: Mosquitto | None = None, settings: Display = HERE, runner_id: str = "alex"
) -> AsyncIterator[tuple[WebDisplay, ClientSession, str]]:
    """The server, a browser without manners, and where on the loopback the server is."""
    url = f"mqtt://127.0.0.1:{broker.port if broker else free_port()}"
    async with WebDisplay(settings, Mqtt(url=url), runner_id, HandClock()) as display, ClientSession() as browser:
        yield display, browser, re.sub(r"//[^/]*:(\d+)/.*", r"//127.0.0.1:\1", display.url)


@asynccontextmanager
async def page(browser: ClientSession, url: str) -> AsyncIterator[ClientWebSocketResponse]:
    async with browser.ws_connect(f"{url}/messages", origin=url) as opened:
        yield opened


async def told(opened: ClientWebSocketResponse, kind: str, **wanted: Any) -> dict[str, Any]:
    """The next thing of a kind with these values that a page is told."""
    async with asyncio.timeout(8):
        while True:
            message = await opened.receive_json()
            if message["type"] == kind and wanted.items() <= message.items():
                return message


# -- what is served --


async def test_the_page_may_load_nothing_from_elsewhere():
    async with serving() as (_, browser, url), browser.get(url) as answer:
        policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
        assert policy == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "connect-src": "'self'",
            "img-src": "'self' data:",
            "manifest-src": "'self'",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        }


@pytest.mark.parametrize("path", ["/", "/style.css", "/nothing-of-the-kind", "/messages"])
async def test_whatever_is_answered_is_neither_kept_nor_guessed_at(path: str):
    async with serving() as (_, browser, url), browser.get(url + path) as answer:
        wanted = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
        assert wanted.items() <= dict(answer.headers).items()


@pytest.mark.parametrize("name", sorted(file.name for file in FILES.iterdir()))
async def test_every_file_of_the_page_is_served_as_what_it_is(name: str):
    async with serving() as (_, browser, url), browser.get(f"{url}/{name}") as answer:
        assert (answer.content_type, await answer.read()) == (
            web_server.KINDS[Path(name).suffix],
            (FILES / name).read_bytes(),
        )


@pytest.mark.parametrize(
    "path",
    [
        "/../follower.py",
        "/%2e%2e/follower.py",
        "/..%2ffollower.py",
        "/web/style.css",
        "//etc/passwd",
        "/style.css/",
        "/.",
    ],
)
async def test_nothing_else_is_served(path: str):
    async with serving() as (_, _browser, url):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        assert answer.split(b"\r\n")[0] == b"HTTP/1.1 404 Not Found"


async def test_the_board_is_another_page():
    async with serving(runner_id=EVERYBODY) as (_, browser, url), browser.get(url) as answer:
        assert await answer.read() == (FILES / "board.html").read_bytes()


# -- who may come --


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:80", "[::1]:8765", "LOCALHOST:1"])
async def test_this_machine_is_known_by_its_own_names(host: str):
    async with serving() as (_, browser, url), browser.get(url, headers={"Host": host}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "192.168.1.7", "", "[::1", "127.0.0.1.nip.io"]
)
async def test_a_web_site_that_bends_its_name_to_this_machine_sees_nothing(host: str):
    async with serving() as (_, browser, url), browser.get(url, headers={"Host": host}) as answer:
        assert answer.status in (400, 421)


async def test_in_the_network_an_address_and_the_names_of_the_configuration_are_enough():
    settings = Display(host="0.0.0.0", port=0, insecure=True, names=("Pi.lan",))
    async with serving(None, settings) as (_, browser, url):
        answers = []
        for host in ("192.168.1.7:8765", "pi.lan", "pi.evil.example"):
            async with browser.get(url, headers={"Host": host}) as answer:
                answers.append(answer.status)
        assert answers == [200, 200, 421]


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", "http://localhost.evil.example", "http://127.0.0.1"]
)
async def test_another_web_site_cannot_listen(origin: str):
    async with serving() as (_, browser, url):
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            async with browser.ws_connect(f"{url}/messages", headers={"Origin": origin}):
                pass


async def test_whoever_names_no_origin_is_no_page():
    async with serving() as (_, browser, url):
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            async with browser.ws_connect(f"{url}/messages"):
                pass


async def test_pages_are_not_without_number():
    async with serving() as (_, browser, url):
        pages = [await browser.ws_connect(f"{url}/messages", origin=url) for _ in range(MAX_PAGES)]
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            await browser.ws_connect(f"{url}/messages", origin=url)
        assert all([await told(each, "hello") for each in pages])


# -- what a page hears --


async def test_a_page_hears_a_message_as_it_came_and_whether_it_was_kept(mosquitto: Mosquitto):
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as stranger:
        await stranger.publish(f"{BASE}/state", '{"any":"thing"}', qos=1, retain=True)
        async with serving(mosquitto) as (_, browser, url), page(browser, url) as opened:
            assert await told(opened, "message") == {
                "type": "message",
                "runner": "alex",
                "topic": "state",
                "payload": '{"any":"thing"}',
                "retained": True,
            }
            await stranger.publish(f"{BASE}/cue", b"\xff", qos=1)
            assert (await told(opened, "message", topic="cue"))["retained"] is False


async def test_a_page_is_born_and_dies_as_a_headset_would(mosquitto: Mosquitto):
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as stranger:
        await stranger.subscribe(f"{BASE}/client/+/status")
        async with serving(mosquitto) as (_, browser, url):
            async with page(browser, url) as opened:
                name = (await told(opened, "hello"))["client"]
                assert (await hear(stranger, f"{BASE}/client/{name}/status")).payload == b"online"
            assert (await hear(stranger, f"{BASE}/client/{name}/status")).payload == b"offline"


async def test_without_a_broker_a_page_is_told_why_and_stays(mosquitto: Mosquitto):
    async with serving(mosquitto) as (_, browser, url), page(browser, url) as opened:
        await told(opened, "broker", up=True)
        mosquitto.kill()
        assert "connection was lost" in (await told(opened, "broker", up=False))["why"]
        mosquitto.start()
        await told(opened, "broker", up=True)


async def test_a_page_that_hears_nothing_else_hears_that_the_connection_stands(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(web_server, "BEAT_S", 0.05)
    async with serving(mosquitto) as (_, browser, url), page(browser, url) as opened:
        assert (await told(opened, "beat")) == {"type": "beat"}


async def test_a_board_hears_everybody(mosquitto: Mosquitto):
    async with (
        aiomqtt.Client("127.0.0.1", mosquitto.port) as stranger,
        serving(mosquitto, runner_id=EVERYBODY) as (_, browser, url),
        page(browser, url) as opened,
    ):
        await told(opened, "broker", up=True)
        for runner in ("kim", "alex"):
            await stranger.publish(f"hrbridge/{runner}/status", "online", qos=1)
            assert (await told(opened, "message"))["runner"] == runner


async def test_a_page_that_takes_nothing_is_let_go_and_its_birth_taken_back(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(web_server, "SLOW_S", 0.2)
    async with (
        aiomqtt.Client("127.0.0.1", mosquitto.port) as stranger,
        serving(mosquitto) as (_, browser, url),
    ):
        await stranger.subscribe(f"{BASE}/client/+/status")
        opened = await browser.ws_connect(f"{url}/messages", origin=url)
        await told(opened, "broker", up=True)
        transport = opened._response.connection.transport
        transport.pause_reading()
        topic = (await anext(aiter(stranger.messages))).topic
        flood = b"x" * 60_000
        for _ in range(2 * MAX_HAPPENINGS):
            await stranger.publish(f"{BASE}/state", flood, qos=1)
        # Sooner than an unanswered ping would tell.
        assert (await hear(stranger, str(topic), within_s=2.0)).payload == b"offline"
        transport.abort()


# -- what a page asks for --


async def test_what_a_page_asks_for_reaches_the_bridge_and_is_answered(mosquitto: Mosquitto):
    wishes: asyncio.Queue[Any] = asyncio.Queue(8)
    async with (
        coaching(Mqtt(url=mosquitto.url), wishes) as bridge,
        serving(mosquitto) as (_, browser, url),
        page(browser, url) as opened,
    ):
        await told(opened, "message", topic="status", payload="online")
        await opened.send_json({"type": "rpe", "rpe": 7.5, "id": "p1"})
        await opened.send_json({"type": "control", "action": "stop", "id": "p2"})
        async with asyncio.timeout(5):
            assert [await wishes.get(), await wishes.get()] == [7.5, Action.STOP]
        bridge.take(step(Command(12.0, Action.STOP)))
        answer = json.loads((await told(opened, "message", topic="control/result"))["payload"])
        assert (answer["id"], answer["ok"]) == ("p2", True)


async def test_what_a_page_has_shown_is_acknowledged_in_its_name(mosquitto: Mosquitto):
    async with (
        aiomqtt.Client("127.0.0.1", mosquitto.port) as stranger,
        serving(mosquitto) as (_, browser, url),
        page(browser, url) as opened,
    ):
        await stranger.subscribe(f"{BASE}/cue/ack")
        name = (await told(opened, "hello"))["client"]
        await told(opened, "broker", up=True)
        await opened.send_json({"type": "ack", "sid": "run-1", "seq": 7, "result": "played", "why": "", "age_ms": 12})
        assert await hear_json(stranger, f"{BASE}/cue/ack") == {
            "v": 1,
            "client": name,
            "sid": "run-1",
            "seq": 7,
            "result": "played",
            "why": "",
            "age_ms": 12,
        }


async def test_without_a_broker_nothing_is_asked_for_later():
    async with serving() as (_, browser, url), page(browser, url) as opened:
        await opened.send_json({"type": "control", "action": "pause", "id": "p1"})
        assert (await told(opened, "refused"))["id"] == "p1"


@pytest.mark.parametrize(
    "nonsense",
    [
        "",
        "pause",
        "[]",
        '{"type":"shutdown"}',
        '{"type":"rpe","rpe":11,"id":"a"}',
        '{"type":"rpe","rpe":7.3,"id":"a"}',
        '{"type":"control","action":"dance","id":"a"}',
        '{"type":"control","action":"pause","id":"a","topic":"hrbridge/kim/control/set"}',
        '{"type":"control","action":"pause"}',
        "[" * 900,
    ],
)
async def test_a_page_that_talks_nonsense_is_closed(nonsense: str):
    async with serving() as (_, browser, url), page(browser, url) as opened:
        await opened.send_str(nonsense)
        async with asyncio.timeout(5):
            while (last := await opened.receive()).type is WSMsgType.TEXT:
                pass
        assert (last.type, last.data) == (WSMsgType.CLOSE, 1008)


async def test_bytes_are_no_words():
    async with serving() as (_, browser, url), page(browser, url) as opened:
        await opened.send_bytes(b'{"type":"rpe","rpe":7,"id":"a"}')
        async with asyncio.timeout(5):
            while (last := await opened.receive()).type is WSMsgType.TEXT:
                pass
        assert last.data == 1008


async def test_more_than_a_kilobyte_at_once_is_too_much():
    async with serving() as (_, browser, url), page(browser, url) as opened:
        await opened.send_str(" " * 2000)
        async with asyncio.timeout(5):
            while (last := await opened.receive()).type is WSMsgType.TEXT:
                pass
        assert last.data == 1009


@pytest.mark.parametrize("wish", [{"type": "control", "action": "stop"}, {"type": "rpe", "rpe": 3}])
async def test_a_board_only_looks(mosquitto: Mosquitto, wish: dict[str, Any]):
    async with serving(mosquitto, runner_id=EVERYBODY) as (_, browser, url), page(browser, url) as opened:
        assert (await told(opened, "hello"))["commands"] is False
        await told(opened, "broker", up=True)
        await opened.send_json({**wish, "id": "p1"})
        assert (await told(opened, "refused"))["id"] == "p1"


# -- beyond loopback --


async def test_in_the_network_a_page_without_the_token_only_looks(mosquitto: Mosquitto):
    async with serving(mosquitto, ANYWHERE) as (display, browser, url), page(browser, url) as opened:
        assert (await told(opened, "hello"))["commands"] is False
        await told(opened, "broker", up=True)
        for token in ("", "guessed", display.url.rpartition("=")[2][:-1], "é"):
            await opened.send_json({"type": "token", "token": token})
            assert (await told(opened, "hello"))["commands"] is False
        await opened.send_json({"type": "control", "action": "stop", "id": "p1"})
        assert (await told(opened, "refused", id="p1"))["why"] == web_server.ONLY_LOOKS


async def test_in_the_network_the_address_that_was_printed_may_command(mosquitto: Mosquitto):
    wishes: asyncio.Queue[Any] = asyncio.Queue(8)
    async with (
        coaching(Mqtt(url=mosquitto.url), wishes),
        serving(mosquitto, ANYWHERE) as (display, browser, url),
        page(browser, url) as opened,
    ):
        await told(opened, "message", topic="status", payload="online")
        await opened.send_json({"type": "token", "token": display.url.rpartition("#token=")[2]})
        await told(opened, "hello", commands=True)
        await opened.send_json({"type": "control", "action": "pause", "id": "p1"})
        async with asyncio.timeout(5):
            assert await wishes.get() is Action.PAUSE


def make(settings: Display) -> WebDisplay:
    return WebDisplay(settings, Mqtt(), "alex", HandClock())


def test_heart_rate_in_the_open_has_to_be_wanted():
    with pytest.raises(ConfigError, match=r"\[display\] host: 0.0.0.0 lets other machines in.*insecure = true"):
        make(Display(host="0.0.0.0"))


async def test_the_token_of_a_file_is_not_printed(tmp_path: Path):
    file = tmp_path / "token"
    file.write_text("correct-horse-battery\n")
    settings = Display(host="0.0.0.0", port=0, insecure=True, token_file=str(file))
    async with serving(None, settings) as (display, browser, url), page(browser, url) as opened:
        assert "token" not in display.url
        await opened.send_json({"type": "token", "token": "correct-horse-battery"})
        await told(opened, "hello", commands=True)


@pytest.mark.parametrize(("content", "said"), [("short", "at least 16"), ("", "at least 16"), ("é" * 16, "letters")])
def test_a_token_that_can_be_guessed_is_refused(tmp_path: Path, content: str, said: str):
    file = tmp_path / "token"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"\[display\] token_file .*{said}"):
        make(Display(host="0.0.0.0", insecure=True, token_file=str(file)))


async def test_over_tls_the_same_page_is_shown(needs_tool: Callable[[str], str], tmp_path: Path):
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")]
    subprocess.run([needs_tool("openssl"), *words, *files], check=True, capture_output=True)
    settings = Display(host="0.0.0.0", port=0, cert_file=str(tmp_path / "cert"), key_file=str(tmp_path / "key"))
    async with serving(None, settings) as (_, browser, url), browser.get(url, ssl=False) as answer:
        assert (url[:6], answer.status) == ("https:", 200)


def test_a_certificate_that_is_none_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"\[display\] cert_file .*none.pem: cannot be used"):
        make(Display(cert_file=str(tmp_path / "none.pem")))


# -- beginning --


async def test_an_address_that_is_taken_is_told_with_the_remedy():
    async with serving() as (_, _browser, url):
        with pytest.raises(ConfigError, match=r"port \d+: .*in use.*--port 0"):
            await make(Display(port=int(url.rpartition(":")[2]))).__aenter__()


async def test_without_a_broker_it_does_not_begin():
    with pytest.raises(BrokerError, match="nothing listens there"):
        await reach(Mqtt(url=f"mqtt://127.0.0.1:{free_port()}"), HandClock())


async def test_the_demo_shows_its_page_and_the_first_cue_within_ten_seconds():
    program = "import sys; from hrbridge.cli import main; main()"
    words = [sys.executable, "-c", program, "run"]
    run = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert run.stderr is not None
    async with asyncio.timeout(10), ClientSession() as browser:
        async for line in run.stderr:
            if found := re.fullmatch(r"display in the browser: (http://127\.0\.0\.1:\d+)/", line.decode().strip()):
                break
        async with page(browser, found[1]) as opened:
            cue_or_state = await told(opened, "message", topic="cue")
            assert cue_or_state["runner"] == "demo"
    run.terminate()
    await run.communicate()
    assert run.returncode == 0


async def test_a_run_goes_on_when_its_page_cannot_be_shown(caplog: pytest.LogCaptureFixture):
    async with serving() as (_, _browser, url):
        taken = Display(port=int(url.rpartition(":")[2]))
        async with web_server.beside(taken, Mqtt(), "alex", HandClock()):
            assert "the run goes on without its page" in caplog.text


async def test_a_cue_goes_from_the_bridge_to_the_page(mosquitto: Mosquitto):
    async with (
        coaching(Mqtt(url=mosquitto.url)) as bridge,
        serving(mosquitto) as (_, browser, url),
        page(browser, url) as opened,
    ):
        await told(opened, "message", topic="status", payload="online")
        bridge.take(step(Sample(12.0, 141), cues=(cue(7),)))
        assert json.loads((await told(opened, "message", topic="cue"))["payload"])["say"] == "Run four minutes."
