"""The display in a browser: serves its page, and carries messages between every open page and the broker.

A page is a client like any other, only with one more network before it: each
has a connection of its own to the broker, with a name, a birth and a will that
last as long as the page. What the broker says goes on as it is, topic, payload
and retained flag, for the page to judge; what the page wants is checked here.

From other web sites the page is closed: a request must call this machine by a
name of its own (against DNS rebinding) and a connection must come from the
page itself. Beyond loopback whoever is to give commands must know a token; it
stands in the fragment of the address, which no browser sends on.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import logging
import os
import secrets
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web
from msgspec import Meta, Struct

from hrbridge import messages
from hrbridge.clients.follower import EVERYBODY, Follower, Heard, Joined, Left
from hrbridge.config import Display, Mqtt
from hrbridge.errors import ConfigError
from hrbridge.events import Action
from hrbridge.messages import AckResult
from hrbridge.ports import Clock

log = logging.getLogger(__name__)

FILES = Path(__file__).parent / "web"
KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# A coach, a treadmill, a phone or two and their forgotten tabs; each is a connection to the broker.
MAX_PAGES = 32
# The page takes a silence of 8 s for a dead connection: two of three beats may be late.
BEAT_S = 2.5
# A page that takes nothing for so long is asleep or out of reach. It is let go, and comes back by itself; until then
# its messages lie in the buffers of one TCP connection and in the follower's queue, which drops the oldest.
SLOW_S = 5.0
GOODBYE_TIMEOUT_S = 1.0
# Nobody guesses 128 bits.
TOKEN_BYTES = 16
MIN_TOKEN = 16  # characters; a shorter one in a file is a word that somebody knows
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
NO_CONNECTION = "no connection to the broker"
ONLY_LOOKS = "this page may only look: open it with the whole address that hrbridge display printed"


# -- what a page says --


class Wish(Struct, frozen=True, tag_field="type", forbid_unknown_fields=True):
    """One message of a page."""


class Introduce(Wish, frozen=True, tag="token"):
    token: str


class Ask(Wish, frozen=True, tag="control"):
    action: Action
    id: Annotated[str, Meta(max_length=64)]


class Report(Wish, frozen=True, tag="rpe"):
    rpe: Annotated[float, Meta(ge=0, le=10, multiple_of=0.5)]
    id: Annotated[str, Meta(max_length=64)]


class Acknowledge(Wish, frozen=True, tag="ack"):
    sid: Annotated[str, Meta(max_length=64)]
    seq: Annotated[int, Meta(ge=0)]
    result: AckResult
    why: Annotated[str, Meta(max_length=200)]
    age_ms: int | None


_wishes = msgspec.json.Decoder(Introduce | Ask | Report | Acknowledge)


# -- what it is told --


class Hello(Struct, frozen=True, tag_field="type", tag="hello"):
    """The first message: as whom the page is known to the bridge, and whether it may command."""

    client: str
    runner: str
    commands: bool


class Broker(Struct, frozen=True, tag_field="type", tag="broker"):
    """The connection to the broker stands, or why not."""

    up: bool
    why: str = ""


class Message(Struct, frozen=True, tag_field="type", tag="message"):
    """One MQTT message; ``topic`` is relative to the runner's base."""

    runner: str
    topic: str
    payload: str
    retained: bool


class Refused(Struct, frozen=True, tag_field="type", tag="refused"):
    """A wish that never reached the bridge."""

    id: str
    why: str


class Beat(Struct, frozen=True, tag_field="type", tag="beat"):
    """Nothing has happened, and the connection stands."""


# -- the server --


class WebDisplay:
    """Opened with ``async with``; ``url`` is where the page is found then.

    ``runner_id`` "+" shows the board of everybody, which takes no commands.
    Raises ConfigError for settings that cannot work, and when the address is
    taken. ``url`` has the token only when it was made here; whoever keeps one
    in a file knows it.
    """

    def __init__(self, settings: Display, mqtt: Mqtt, runner_id: str, clock: Clock) -> None:
        self._settings = settings
        self._mqtt = mqtt
        self._runner_id = runner_id
        self._clock = clock
        self._local = _is_loopback(settings.host)
        self._tls = _tls(settings)
        self._token = None if self._local else _token(settings)
        self._names = (
            LOCAL_NAMES
            | {each.lower() for each in (settings.host, *settings.names)}
            | (set() if self._local else _own_names())
        )
        self._pages: set[web.WebSocketResponse] = set()
        index = "board.html" if runner_id == EVERYBODY else "display.html"
        self._files = {f"/{file.name}": (KINDS[file.suffix], file.read_bytes()) for file in FILES.iterdir()}
        self._files["/"] = self._files[f"/{index}"]
        self.url = ""

    async def __aenter__(self) -> WebDisplay:
        app = web.Application(middlewares=[self._admit])
        app.on_response_prepare.append(_protect)
        app.router.add_get("/messages", self._converse)
        for path in self._files:
            app.router.add_get(path, self._serve)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        host, port = self._settings.host, self._settings.port
        try:
            await web.TCPSite(self._runner, host, port, ssl_context=self._tls).start()
        except OSError as error:
            await self._runner.cleanup()
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)
            raise ConfigError(f"[display] host {host}, port {port}: {why}; --port 0 takes any free port") from error
        self.url = self._address(self._runner.addresses[0][1])
        return self

    async def __aexit__(self, *exc: object) -> None:
        for page in list(self._pages):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_TIMEOUT_S):
                    await page.close(code=WSCloseCode.GOING_AWAY)
        await self._runner.cleanup()

    def _address(self, port: int) -> str:
        host = self._settings.host
        if not self._local and ipaddress.ip_address(host if _is_address(host) else "::1").is_unspecified:
            host = _own_address()
        shown = f"[{host}]" if ":" in host else host
        fragment = f"#token={self._token}" if self._token is not None and not self._settings.token_file else ""
        return f"{'https' if self._tls else 'http'}://{shown}:{port}/{fragment}"

    # -- who may come --

    @web.middleware
    async def _admit(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Against DNS rebinding: an address cannot be bent, a name can be anybody's, unless it is ours."""
        name = _host_name(request.host)
        if not (name in self._names or (not self._local and _is_address(name))):
            raise web.HTTPMisdirectedRequest(
                text="This machine is not known by that name: open it by its address, or add the name to [display] "
                "names.\n"
            )
        response: web.StreamResponse = await handler(request)
        return response

    async def _serve(self, request: web.Request) -> web.Response:
        kind, content = self._files[request.path]
        return web.Response(body=content, content_type=kind, charset="utf-8")

    # -- one page --

    async def _converse(self, request: web.Request) -> web.WebSocketResponse:
        if urlsplit(request.headers.get("Origin", "")).netloc != request.host:
            raise web.HTTPForbidden(text="Only the page of this display may talk to it.\n")
        if len(self._pages) >= MAX_PAGES:
            raise web.HTTPServiceUnavailable(text=f"{MAX_PAGES} pages are open: close one.\n")
        # A phone that has walked out of reach is noticed as a broker would notice it.
        page = web.WebSocketResponse(heartbeat=5.0, max_msg_size=messages.MAX_INPUT_BYTES, compress=False)
        self._pages.add(page)
        try:
            await page.prepare(request)
            follower = Follower(self._mqtt, self._runner_id, "page", self._clock, judges=False)
            async with follower, asyncio.TaskGroup() as group:
                pouring = group.create_task(_pour(page, follower, commands=self._may_command))
                pouring.add_done_callback(lambda _: _hang_up(request))
                await self._listen(page, follower)
                pouring.cancel()
        finally:
            self._pages.discard(page)
        return page

    @property
    def _may_command(self) -> bool:
        """Whoever comes, before any token."""
        return self._token is None and self._runner_id != EVERYBODY

    async def _listen(self, page: web.WebSocketResponse, follower: Follower) -> None:
        """Obey a page until it leaves, or says something that ours never says."""
        commands = self._may_command
        async for message in page:
            try:
                if message.type is not WSMsgType.TEXT:
                    raise msgspec.ValidationError
                wish = _wishes.decode(message.data)
            except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
                await page.close(code=WSCloseCode.POLICY_VIOLATION, message=b"not understood")
                return
            match wish:
                case Introduce(token=token):
                    commands = commands or self._is_token(token)
                    await _tell(page, Hello(follower.name, self._runner_id, commands))
                case Acknowledge():
                    await _acknowledge(follower, wish)
                case _ if not commands:
                    await _tell(page, Refused(wish.id, ONLY_LOOKS))
                case Ask(action=action) if not await follower.ask(action, message_id=wish.id):
                    await _tell(page, Refused(wish.id, NO_CONNECTION))
                case Report(rpe=rpe) if not await follower.report(rpe, message_id=wish.id):
                    await _tell(page, Refused(wish.id, NO_CONNECTION))

    def _is_token(self, token: str) -> bool:
        if self._token is None or self._runner_id == EVERYBODY:
            return False
        return hmac.compare_digest(token.encode(), self._token.encode())


async def _pour(page: web.WebSocketResponse, follower: Follower, *, commands: bool) -> None:
    """Everything the broker says, until the page has gone or has become too slow."""
    with contextlib.suppress(TimeoutError, ConnectionError):
        await _tell(page, Hello(follower.name, follower.runner_id, commands))
        while True:
            try:
                async with asyncio.timeout(BEAT_S):
                    happened = await anext(follower)
            except TimeoutError:
                await _tell(page, Beat())
                continue
            match happened:
                case Joined():
                    await _tell(page, Broker(up=True))
                case Left(why=why):
                    await _tell(page, Broker(up=False, why=why))
                case Heard(runner_id, name, payload, retained):
                    await _tell(page, Message(runner_id, name, payload.decode(errors="replace"), retained))


async def _tell(page: web.WebSocketResponse, told: Struct) -> None:
    """Raises TimeoutError where the page takes nothing any more."""
    async with asyncio.timeout(SLOW_S):
        await page.send_str(msgspec.json.encode(told).decode())


def _hang_up(request: web.Request) -> None:
    """Without a good-bye, which would wait behind all the rest."""
    if request.transport is not None:
        request.transport.abort()


async def _acknowledge(follower: Follower, wish: Acknowledge) -> None:
    if follower.runner_id != EVERYBODY:
        ack = messages.CueAck(
            client=follower.name, sid=wish.sid, seq=wish.seq, result=wish.result, why=wish.why, age_ms=wish.age_ms
        )
        await follower.publish(follower.runner_id, messages.CUE_ACK, msgspec.json.encode(ack))


async def _protect(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


async def reach(mqtt: Mqtt, clock: Clock) -> Mqtt:
    """How this broker is spoken to; raises BrokerError where there is none: the pages would come back for ever."""
    async with Follower(mqtt, EVERYBODY, "display", clock, judges=False) as follower:
        await follower.join()
        return follower.settings


@contextlib.asynccontextmanager
async def beside(settings: Display, mqtt: Mqtt, runner_id: str, clock: Clock) -> AsyncIterator[None]:
    """The page for as long as a session lasts that does well without it."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            display = await stack.enter_async_context(WebDisplay(settings, mqtt, runner_id, clock))
        except ConfigError as error:
            log.warning("%s; the run goes on without its page", error)
        else:
            log.info("display in the browser: %s", display.url)
        yield


# -- addresses and secrets --


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _host_name(host: str) -> str:
    """The name or address in a Host header."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _own_names() -> set[str]:
    """As others in the same network call this machine."""
    name = socket.gethostname().lower()
    return {name, f"{name.partition('.')[0]}.local"}


def _own_address() -> str:
    """As others in the same network reach this machine; nothing is sent to find it out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737: an address that is nobody's
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()


def _tls(settings: Display) -> ssl.SSLContext | None:
    if not settings.cert_file:
        if not _is_loopback(settings.host) and not settings.insecure:
            raise ConfigError(
                f"[display] host: {settings.host} lets other machines in, and heart rate would travel in the open; "
                "set cert_file and key_file, or insecure = true"
            )
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.cert_file, settings.key_file or None)
    except (ssl.SSLError, OSError) as error:
        why = error.strerror or str(error)
        raise ConfigError(f"[display] cert_file {settings.cert_file}: cannot be used: {why}") from error
    return context


def _token(settings: Display) -> str:
    if not settings.token_file:
        return secrets.token_urlsafe(TOKEN_BYTES)
    place = f"[display] token_file {settings.token_file}"
    try:
        token = Path(settings.token_file).read_text(encoding="ascii").strip()
    except OSError as error:
        raise ConfigError(f"{place}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{place}: a token is letters and digits") from error
    if len(token) < MIN_TOKEN:
        raise ConfigError(f"{place}: a token has at least {MIN_TOKEN} characters, and nobody should guess it")
    return token
