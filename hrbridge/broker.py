"""The way to the MQTT broker: where it is, how to prove who we are, and what went wrong in words."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import random
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiomqtt
from aiomqtt import ProtocolVersion
from aiomqtt.exceptions import MqttConnectError
from msgspec import Struct
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, WebsocketConnectionError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from hrbridge.config import Mqtt, Protocol
from hrbridge.errors import BrokerError, ConfigError

# What the library complains of (a reset connection) is said once, in our words, by whoever has the connection.
library_log = logging.getLogger(f"{__name__}.library")
library_log.setLevel(logging.CRITICAL)

DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
EMBEDDED_PORT = 1883
# A silent link is noticed after one and a half of these; the broker publishes the will after as long.
KEEPALIVE_S = 5
CONNECT_TIMEOUT_S = 5.0
# A will is published at the end of its session at the latest.
SESSION_OUTLIVES_WILL_S = 5
# Heart rate (QoS 0) followed by state (QoS 1) takes 40 ms instead of 1 when TCP waits for more to send.
SOCKET_OPTIONS = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
# What lies unread from the broker: commands come a few a minute, and the sender of more is told "busy".
MAX_INCOMING = 64

# MQTT 5 only: nothing we listen to is larger, and what is stays with the broker.
MAX_PACKET_BYTES = 65_536

# The longest wait and an attempt that is refused take less than the six seconds in which a display goes grey.
BACKOFF_S = (0.5, 1.0, 2.0, 5.0)
# What trying again does not mend; so that a password that was put right is still found.
LASTING_BACKOFF_S = 30.0
# A connection that breaks sooner was never good. Not lasting: it may be a broker that is restarted again and again.
STEADY_S = 3.0
MAX_DROPS = 3

_DROPS = "its log tells why: another program with our client id, or a limit of its own"
_NO_TLS = "is this its port for it?"
_NO_BROKER = "is it a broker, and this a port without TLS?"

UNSUPPORTED_PROTOCOL = (1, 132)
NOT_ALLOWED = (4, 5, 134, 135)
RETAIN_OR_QOS_NOT_SUPPORTED = (154, 155)
UNSPECIFIED = 128  # also what paho says of a connection that just broke


class Will(Struct, frozen=True):
    """What the broker says for us when we vanish; retained, QoS 1."""

    topic: str
    payload: str
    delay_s: int


class Limits(Struct, frozen=True):
    """What a broker takes (MQTT 5, CONNACK). ``packet_bytes``: None where it sets none."""

    qos: int = 1
    retain: bool = True
    packet_bytes: int | None = None
    keepalive_s: int = KEEPALIVE_S


class Broker(Struct, frozen=True):
    """Where a broker is and who we are there. Never holds a password, only the name of its file."""

    host: str
    port: int
    tls: bool
    websockets: bool
    path: str
    username: str
    password_file: str
    ca_file: str
    cert_file: str
    key_file: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def locate(settings: Mqtt, url: str | None = None) -> Broker:
    """The broker of a ``[mqtt]`` table; ``url`` where the table's own is not an address. Raises ConfigError."""
    url = url or settings.url
    if url.startswith("embedded"):
        embedded_port = url.partition(":")[2] or str(EMBEDDED_PORT)
        if embedded_port == "0":
            raise ConfigError("[mqtt] url: embedded:0 has another port each time: give the URL that run printed")
        url = f"mqtt://127.0.0.1:{embedded_port}"
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise ConfigError(f"[mqtt] url: {url}: the port must be a number up to 65535") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ConfigError(f"[mqtt] url: {url}: expected mqtt://HOST, mqtts://HOST, ws://HOST or wss://HOST")
    if parts.username or parts.password:
        raise ConfigError("[mqtt] url: names and passwords do not belong here; use username and password_file")
    for key in ("password_file", "ca_file", "cert_file", "key_file"):
        name = getattr(settings, key)
        if name and not Path(name).is_file():
            raise ConfigError(f"[mqtt] {key}: {name}: no such file")
    tls = parts.scheme in ("mqtts", "wss")
    if not tls and not settings.insecure and not _is_here(parts.hostname):
        raise ConfigError(
            f"[mqtt] url: {parts.hostname} is another machine, and heart rate would travel in the open; "
            f"use {parts.scheme}s://, or set insecure = true"
        )
    return Broker(
        host=parts.hostname,
        port=port or DEFAULT_PORTS[parts.scheme],
        tls=tls,
        websockets=parts.scheme in ("ws", "wss"),
        path=parts.path or "/mqtt",
        username=settings.username,
        password_file=settings.password_file,
        ca_file=settings.ca_file,
        cert_file=settings.cert_file,
        key_file=settings.key_file,
    )


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def protocols(wanted: Protocol) -> tuple[ProtocolVersion, ...]:
    """The versions to try, in this order."""
    match wanted:
        case Protocol.V5:
            return (ProtocolVersion.V5,)
        case Protocol.V311:
            return (ProtocolVersion.V311,)
        case _:
            return (ProtocolVersion.V5, ProtocolVersion.V311)


class BrokerTrouble(BrokerError):
    """``lasting``: trying again soon will not help. ``protocol``: another version of MQTT may help.

    A broker that knows only 3.1.1 should refuse MQTT 5; some hang up instead,
    some fall silent. ``will``: one that asks for less may be taken.
    """

    def __init__(self, message: str, *, lasting: bool = False, protocol: bool = False, will: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting
        self.protocol = protocol
        self.will = will


class Attempts:
    """How and when to try again, from what became of the attempts before."""

    def __init__(self, versions: tuple[ProtocolVersion, ...]) -> None:
        self._versions = versions
        self._tried = 0
        self._failures = 0
        self.drops = 0  # connections in a row that were lost before they were steady
        self.modest = False  # whether the will may ask neither for QoS 1 nor to be kept

    @property
    def version(self) -> ProtocolVersion:
        """The one to speak now."""
        return self._versions[self._tried]

    def succeeded(self) -> None:
        """The version that was answered is the first to be tried from now on."""
        self._versions = self._versions[self._tried :] + self._versions[: self._tried]
        self._tried = 0

    def failed(self, trouble: BrokerTrouble, lasted_s: float | None) -> tuple[BrokerTrouble | None, float]:
        """What is to be said now, if anything, and how long to wait, s.

        ``lasted_s``: how long the connection held; None where there was none.
        """
        if lasted_s is None:
            if trouble.will and not self.modest:
                self.modest = True
                return None, 0.0
            if trouble.protocol and self._tried + 1 < len(self._versions):
                self._tried += 1
                return None, 0.0
            self._tried = self.drops = 0
        elif lasted_s < STEADY_S:
            self.drops += 1
        else:
            self._failures = self.drops = 0
        if self.drops >= MAX_DROPS:
            trouble = BrokerTrouble(f"{trouble}, as soon as it stood, {MAX_DROPS} times and more; {_DROPS}")
        wait_s = LASTING_BACKOFF_S if trouble.lasting else BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)]
        self._failures += 1
        return trouble, wait_s * random.uniform(0.6, 1.0)  # noqa: S311 - so that a club does not come at once


class NoMqttError(aiomqtt.MqttError):
    """The other side hung up, or said something else, where it should have let us in or refused us."""


class Client(aiomqtt.Client):
    """A connection, with what aiomqtt hears and keeps to itself: limits of the broker, refused messages, a hang-up."""

    limits = Limits()
    refusal: str | None = None

    @property
    def v5(self) -> bool:
        return bool(self._client.protocol == ProtocolVersion.V5.value)

    def expiring(self, expiry_s: int | None) -> Properties | None:
        """What a message carries that is worth nothing after so long; MQTT 3.1.1 cannot say it."""
        if not self.v5 or expiry_s is None:
            return None
        return properties(PacketTypes.PUBLISH, MessageExpiryInterval=expiry_s)

    def _on_connect(
        self, client: Any, userdata: Any, flags: Any, reason_code: ReasonCode, properties: Properties | None = None
    ) -> None:
        self.limits = Limits(
            qos=getattr(properties, "MaximumQoS", 1),
            retain=bool(getattr(properties, "RetainAvailable", True)),
            packet_bytes=getattr(properties, "MaximumPacketSize", None),
            keepalive_s=getattr(properties, "ServerKeepAlive", KEEPALIVE_S),
        )
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_publish(
        self, client: Any, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        if reason_code.is_failure:
            self.refusal = str(reason_code)
        super()._on_publish(client, userdata, mid, reason_code, properties)

    def _on_disconnect(
        self, client: Any, userdata: Any, flags: Any, reason_code: ReasonCode, properties: Properties | None = None
    ) -> None:
        # aiomqtt would go on waiting for an answer that cannot come. paho may be in another thread here.
        self._loop.call_soon_threadsafe(self._give_up)
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
        # aiomqtt lets the loop wait for its number, a moment later: by then it may be closed, or somebody else's.
        self._loop.call_soon_threadsafe(self._write_when_there_is_room, sock)

    def _write_when_there_is_room(self, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.add_writer(sock.fileno(), self._write)

    def _write(self) -> None:
        try:
            self._client.loop_write()
        except Exception as error:
            if not self._disconnected.done():
                self._disconnected.set_exception(error)

    def _give_up(self) -> None:
        if self._lock.locked() and not self._connected.done():
            self._connected.set_exception(NoMqttError())


@contextlib.asynccontextmanager
async def connection(
    broker: Broker, client_id: str, version: ProtocolVersion, will: Will | None = None, *, modest: bool = False
) -> AsyncIterator[Client]:
    """A connected client. Raises BrokerTrouble, also from within.

    Whoever comes back comes back with the same ``client_id``: the broker then
    drops the will of the connection that broke, which it would publish later.
    ``modest``: the will asks neither for QoS 1 nor to be kept.
    """
    v5 = version is ProtocolVersion.V5
    stood = False
    try:
        client = Client(
            broker.host,
            broker.port,
            username=broker.username or None,
            password=_password(broker),
            logger=library_log,
            identifier=client_id,
            protocol=version,
            will=_will(will, v5=v5, modest=modest),
            clean_session=None if v5 else True,
            clean_start=True if v5 else MQTT_CLEAN_START_FIRST_ONLY,
            properties=_wants(will) if v5 and will is not None else None,
            transport="websockets" if broker.websockets else "tcp",
            websocket_path=broker.path if broker.websockets else None,
            tls_context=_tls(broker) if broker.tls else None,
            timeout=CONNECT_TIMEOUT_S,
            keepalive=KEEPALIVE_S,
            max_queued_incoming_messages=MAX_INCOMING,
            socket_options=SOCKET_OPTIONS,
        )
        try:
            async with client:
                stood = True
                yield client
        finally:
            # aiomqtt leaves the reason of a lost connection in a future; unread, asyncio complains of it later.
            if client._disconnected.done():
                client._disconnected.exception()
    except (aiomqtt.MqttError, OSError, UnicodeError) as error:
        raise _in_words(error, broker, stood=stood) from error


def properties(packet: int, **values: object) -> Properties:
    """MQTT 5 properties of one packet."""
    made = Properties(packet)  # type: ignore[no-untyped-call]
    for key, value in values.items():
        setattr(made, key, value)
    return made


def _will(will: Will | None, *, v5: bool, modest: bool) -> aiomqtt.Will | None:
    if will is None:
        return None
    delay = properties(PacketTypes.WILLMESSAGE, WillDelayInterval=will.delay_s) if v5 else None
    return aiomqtt.Will(will.topic, will.payload, qos=0 if modest else 1, retain=not modest, properties=delay)


def _wants(will: Will) -> Properties:
    """What a client that stays asks of the broker."""
    session_s = will.delay_s + SESSION_OUTLIVES_WILL_S
    return properties(PacketTypes.CONNECT, SessionExpiryInterval=session_s, MaximumPacketSize=MAX_PACKET_BYTES)


def _password(broker: Broker) -> str | None:
    if not broker.password_file:
        return None
    place = f"[mqtt] password_file: {broker.password_file}"
    try:
        password = Path(broker.password_file).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise BrokerTrouble(f"{place} cannot be read: {error.strerror}", lasting=True) from error
    except UnicodeDecodeError as error:
        raise BrokerTrouble(f"{place} is not text in UTF-8", lasting=True) from error
    if not password:
        raise BrokerTrouble(f"{place} is empty; write the password into it", lasting=True)
    return password


def _tls(broker: Broker) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=broker.ca_file or None)
        if broker.cert_file:
            context.load_cert_chain(broker.cert_file, broker.key_file or None)
    except (ssl.SSLError, OSError) as error:
        raise BrokerTrouble(f"MQTT broker {broker}: the certificates cannot be used: {error}", lasting=True) from error
    return context


def _in_words(error: Exception, broker: Broker, *, stood: bool) -> BrokerTrouble:
    """What went wrong. aiomqtt keeps the cause only as the context of its own error."""
    place = f"MQTT broker {broker}"
    if isinstance(error, MqttConnectError):
        return _refused(error, broker, place)
    if str(error) == "Operation timed out":
        more = "" if stood else f", though somebody is there; {_NO_BROKER}"
        return BrokerTrouble(f"{place} does not answer{more}", protocol=True)
    cause = error.__context__ if isinstance(error, aiomqtt.MqttError) else error
    match cause:
        case ssl.SSLCertVerificationError():
            why = cause.verify_message.rstrip(".")
            return BrokerTrouble(f"{place}: its certificate is not trusted: {why}; {_remedy(why)}", lasting=True)
        case ssl.SSLError(reason="WRONG_VERSION_NUMBER"):
            return BrokerTrouble(f"{place} does not speak TLS; {_NO_TLS}", lasting=True)
        # Also what comes of a broker that is killed at this moment.
        case ssl.SSLEOFError() | ConnectionResetError() if broker.tls:
            return BrokerTrouble(f"{place} hangs up on TLS; {_NO_TLS}")
        case ssl.SSLError():
            return BrokerTrouble(f"{place}: TLS failed: {cause.reason or cause}", lasting=True)
        case socket.gaierror() | UnicodeError():
            return BrokerTrouble(f"{place}: there is no machine of this name, or no name service")
        case ConnectionRefusedError():
            return BrokerTrouble(f"{place}: nothing listens there: start the broker, or the run that brings one")
        case TimeoutError():
            return BrokerTrouble(f"{place} does not answer", protocol=True)
        case WebsocketConnectionError():
            return BrokerTrouble(f"{place} speaks no MQTT over websockets under {broker.path}", lasting=True)
    if isinstance(error, NoMqttError):
        wants = "does it want a certificate of ours, cert_file and key_file?" if broker.tls else _NO_BROKER
        return BrokerTrouble(f"{place} does not answer in MQTT; {wants}", protocol=True)
    return BrokerTrouble(f"{place}: the connection was lost{_reason(error)}", protocol=True)


def _refused(error: MqttConnectError, broker: Broker, place: str) -> BrokerTrouble:
    """What CONNACK said."""
    code = getattr(error.rc, "value", error.rc)
    if code in UNSUPPORTED_PROTOCOL:
        return BrokerTrouble(f"{place} does not speak this version of MQTT; set protocol", protocol=True)
    if code in NOT_ALLOWED:
        who = f'user "{broker.username}"' if broker.username else "clients without a name"
        return BrokerTrouble(f"{place} does not let in {who}; check username and password_file", lasting=True)
    return BrokerTrouble(f"{place} refuses: {error}", will=code in RETAIN_OR_QOS_NOT_SUPPORTED)


def _remedy(why: str) -> str:
    """Whose certificate is to be mended, and how."""
    if "expired" in why or "not yet valid" in why:
        return "renew it, or is the date of this machine wrong?"
    if "mismatch" in why:
        return "use the name that stands in it"
    return "check ca_file"


def _reason(error: Exception) -> str:
    """What the broker said as it hung up, in brackets; nothing where it did not tell."""
    for told in (error, error.__cause__):
        rc = getattr(told, "rc", None)
        if isinstance(rc, ReasonCode) and rc.is_failure and rc.value != UNSPECIFIED:
            return f" ({rc})"
    return ""
