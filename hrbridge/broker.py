"""The way to the MQTT broker: where it is, how to prove who we are, and what went wrong in words."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aiomqtt
from aiomqtt import ProtocolVersion
from aiomqtt.exceptions import MqttConnectError
from msgspec import Struct
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

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
# Heart rate (QoS 0) followed by state (QoS 1) takes 40 ms instead of 1 when TCP waits for more to send.
SOCKET_OPTIONS = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
# What lies unread from the broker: commands come a few a minute, and the sender of more is told "busy".
MAX_INCOMING = 64

UNSUPPORTED_PROTOCOL = (1, 132)
NOT_ALLOWED = (4, 5, 134, 135)


class Will(Struct, frozen=True):
    """What the broker says for us when we vanish; retained, QoS 1."""

    topic: str
    payload: str
    delay_s: int


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
            f"use mqtts://, or set insecure = true"
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
    some fall silent.
    """

    def __init__(self, message: str, *, lasting: bool = False, protocol: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting
        self.protocol = protocol


@contextlib.asynccontextmanager
async def connection(
    broker: Broker, client_id: str, version: ProtocolVersion, will: Will | None = None
) -> AsyncIterator[aiomqtt.Client]:
    """A connected client. Raises BrokerTrouble, also from within.

    Whoever comes back comes back with the same ``client_id``: the broker then
    drops the will of the connection that broke, which it would publish later.
    """
    v5 = version is ProtocolVersion.V5
    try:
        client = aiomqtt.Client(
            broker.host,
            broker.port,
            username=broker.username or None,
            password=_password(broker),
            logger=library_log,
            identifier=client_id,
            protocol=version,
            will=_will(will, v5=v5),
            clean_session=None if v5 else True,
            clean_start=True if v5 else MQTT_CLEAN_START_FIRST_ONLY,
            # A will is published at the end of its session at the latest: the session must outlive the delay.
            properties=properties(PacketTypes.CONNECT, SessionExpiryInterval=will.delay_s + 5) if v5 and will else None,
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
                yield client
        finally:
            # aiomqtt leaves the reason of a lost connection in a future; unread, asyncio complains of it later.
            if client._disconnected.done():
                client._disconnected.exception()
    except (aiomqtt.MqttError, OSError) as error:
        raise _in_words(error, broker) from error


def properties(packet: int, **values: object) -> Properties:
    """MQTT 5 properties of one packet."""
    made = Properties(packet)  # type: ignore[no-untyped-call]
    for key, value in values.items():
        setattr(made, key, value)
    return made


def _will(will: Will | None, *, v5: bool) -> aiomqtt.Will | None:
    if will is None:
        return None
    delay = properties(PacketTypes.WILLMESSAGE, WillDelayInterval=will.delay_s) if v5 else None
    return aiomqtt.Will(will.topic, will.payload, qos=1, retain=True, properties=delay)


def _password(broker: Broker) -> str | None:
    if not broker.password_file:
        return None
    try:
        return Path(broker.password_file).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BrokerTrouble(
            f"{broker.password_file}: the MQTT password cannot be read: {error}", lasting=True
        ) from error


def _tls(broker: Broker) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=broker.ca_file or None)
        if broker.cert_file:
            context.load_cert_chain(broker.cert_file, broker.key_file or None)
    except (ssl.SSLError, OSError) as error:
        raise BrokerTrouble(f"MQTT broker {broker}: the certificates cannot be used: {error}", lasting=True) from error
    return context


def _in_words(error: Exception, broker: Broker) -> BrokerTrouble:
    """What went wrong. aiomqtt keeps the cause only as the context of its own error."""
    place = f"MQTT broker {broker}"
    cause = error if isinstance(error, OSError) else error.__context__
    if isinstance(error, MqttConnectError):
        code = getattr(error.rc, "value", error.rc)
        if code in UNSUPPORTED_PROTOCOL:
            return BrokerTrouble(f"{place} does not speak this version of MQTT; set protocol", protocol=True)
        if code in NOT_ALLOWED:
            who = f'user "{broker.username}"' if broker.username else "clients without a name"
            return BrokerTrouble(f"{place} does not let in {who}; check username and password_file", lasting=True)
        return BrokerTrouble(f"{place} refuses: {error}")
    match cause:
        case ssl.SSLCertVerificationError():
            why = f"its certificate is not trusted: {cause.verify_message}; check ca_file"
            return BrokerTrouble(f"{place}: {why}", lasting=True)
        case ssl.SSLError():
            return BrokerTrouble(f"{place}: TLS failed: {cause.reason or cause}", lasting=True)
        case socket.gaierror():
            return BrokerTrouble(f"{place}: there is no machine of this name, or no name service")
        case ConnectionRefusedError():
            return BrokerTrouble(f"{place}: nothing listens there; is the broker running?")
        case TimeoutError():
            return BrokerTrouble(f"{place} does not answer", protocol=True)
    text = str(error)
    if "timed out" in text:
        return BrokerTrouble(f"{place} does not answer", protocol=True)
    return BrokerTrouble(f"{place}: the connection was lost ({text or type(error).__name__})", protocol=True)
