"""What keeps us from the broker, in words that name the remedy; and when we try again."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiomqtt import ProtocolVersion
from brokers import Mosquitto, free_port
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hrbridge import broker
from hrbridge.broker import (
    BACKOFF_S,
    LASTING_BACKOFF_S,
    MAX_DROPS,
    STEADY_S,
    Attempts,
    BrokerTrouble,
    Limits,
    connection,
    locate,
    protocols,
)
from hrbridge.config import Mqtt, Protocol

MAY_SIGN = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


class Authority:
    """Somebody who signs certificates into a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        own = self._made(self._name, self._key.public_key(), valid_days=10)
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        own = own.add_extension(MAY_SIGN, critical=True)
        self.file.write_bytes(self._signed(own))

    def lines(self, host: str, *, valid_days: int = 10) -> list[str]:
        """A certificate for ``host``, as lines of mosquitto's configuration; ``valid_days`` may lie in the past."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        made = self._made(name, key.public_key(), valid_days)
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        (self._folder / "broker.pem").write_bytes(self._signed(made))
        (self._folder / "broker.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return [f"cafile {self.file}", f"certfile {self._folder}/broker.pem", f"keyfile {self._folder}/broker.key"]

    def _made(self, name: x509.Name, key: ec.EllipticCurvePublicKey, valid_days: int) -> x509.CertificateBuilder:
        begins = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
        ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=valid_days)
        made = x509.CertificateBuilder(self._name, name, key, x509.random_serial_number())
        # Without these Python 3.13 trusts no certificate (RFC 5280, 4.2.1.1 and 4.2.1.2).
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return made.add_extension(signer, critical=False).not_valid_before(begins).not_valid_after(ends)

    def _signed(self, made: x509.CertificateBuilder) -> bytes:
        return made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "club")


@pytest.fixture
def start(needs_tool: Callable[[str], str], tmp_path: Path) -> Any:
    """Starts a mosquitto with these lines in its configuration."""
    started: list[Mosquitto] = []

    def run(*lines: str, scheme: str = "mqtt", anonymous: bool = True) -> Mosquitto:
        started.append(Mosquitto(needs_tool, tmp_path, lines, scheme=scheme, anonymous=anonymous))
        return started[-1].__enter__()

    yield run
    for each in started:
        each.__exit__()


@asynccontextmanager
async def somebody(answer: bytes | None) -> AsyncIterator[int]:
    """At a port: who answers the first packet with these bytes and hangs up; None: never."""
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if answer is None:
            await done.wait()
        else:
            writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        done.set()


async def trouble(version: ProtocolVersion = ProtocolVersion.V5, **settings: Any) -> BrokerTrouble:
    """What a connection with these settings fails of."""
    with pytest.raises(BrokerTrouble) as told:
        async with connection(locate(Mqtt(**settings)), "hrbridge-alex", version):
            pass
    return told.value


# -- nobody, or somebody else --


async def test_a_name_that_nobody_has() -> None:
    told = await trouble(url="mqtts://no-such-host.invalid")
    assert "there is no machine of this name, or no name service" in str(told)


async def test_a_name_that_cannot_be_one() -> None:
    assert "no machine of this name" in str(await trouble(url=f"mqtts://{'a' * 64}.example"))


async def test_a_broker_that_does_not_run() -> None:
    assert "nothing listens there: start the broker" in str(await trouble(url=f"mqtt://localhost:{free_port()}"))


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"\0" * 300, b""])
async def test_somebody_who_is_no_broker(answer: bytes) -> None:
    async with somebody(answer) as port:
        told = await trouble(url=f"mqtt://localhost:{port}")
    assert "does not answer in MQTT; is it a broker, and this a port without TLS?" in str(told)


async def test_somebody_who_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "CONNECT_TIMEOUT_S", 0.2)
    async with somebody(None) as port:
        told = await trouble(url=f"mqtt://localhost:{port}")
    assert "does not answer, though somebody is there; is it a broker" in str(told)


async def test_a_web_server_is_no_broker() -> None:
    async with somebody(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as port:
        told = await trouble(url=f"ws://localhost:{port}/live")
    assert "speaks no MQTT over websockets under /live" in str(told)


# -- TLS --


async def test_tls_to_a_port_without_it(start: Callable[..., Mosquitto]) -> None:
    told = await trouble(url=start(scheme="mqtts").url)
    assert "hangs up on TLS; is this its port for it?" in str(told)


async def test_tls_to_a_web_server() -> None:
    async with somebody(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        told = await trouble(url=f"mqtts://localhost:{port}")
    assert "does not speak TLS; is this its port for it?" in str(told)


async def test_no_tls_to_a_port_for_it(start: Callable[..., Mosquitto], authority: Authority) -> None:
    told = await trouble(url=start(*authority.lines("localhost")).url)
    assert "does not answer in MQTT; is it a broker, and this a port without TLS?" in str(told)


async def test_a_certificate_of_an_authority_we_do_not_know(
    start: Callable[..., Mosquitto], authority: Authority
) -> None:
    told = await trouble(url=start(*authority.lines("localhost"), scheme="mqtts").url)
    assert "is not trusted: self-signed certificate in certificate chain; check ca_file" in str(told)


async def test_a_certificate_that_has_expired(start: Callable[..., Mosquitto], authority: Authority) -> None:
    url = start(*authority.lines("localhost", valid_days=-1), scheme="mqtts").url
    told = await trouble(url=url, ca_file=str(authority.file))
    assert "certificate has expired; renew it, or is the date of this machine wrong?" in str(told)


async def test_a_certificate_of_another_machine(start: Callable[..., Mosquitto], authority: Authority) -> None:
    url = start(*authority.lines("elsewhere.example"), scheme="mqtts").url
    told = await trouble(url=url, ca_file=str(authority.file))
    assert "is not valid for 'localhost'; use the name that stands in it" in str(told)


async def test_a_broker_that_wants_to_see_a_certificate_of_ours(
    start: Callable[..., Mosquitto], authority: Authority
) -> None:
    url = start(*authority.lines("localhost"), "require_certificate true", scheme="mqtts").url
    told = await trouble(url=url, ca_file=str(authority.file))
    assert "does it want a certificate of ours, cert_file and key_file?" in str(told)


async def test_a_file_that_is_no_certificate(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    told = await trouble(url="mqtts://localhost", ca_file=str(tmp_path / "ca.pem"))
    assert "the certificates cannot be used" in str(told)


# -- who we are --


@pytest.fixture
def guarded(start: Callable[..., Mosquitto], needs_tool: Callable[[str], str], tmp_path: Path) -> Mosquitto:
    """A broker that lets in only alex."""
    accounts = tmp_path / "accounts"
    subprocess.run([needs_tool("mosquitto_passwd"), "-c", "-b", str(accounts), "alex", "right"], check=True)
    return start(f"password_file {accounts}", anonymous=False)


@pytest.mark.parametrize("version", [ProtocolVersion.V5, ProtocolVersion.V311])
async def test_a_wrong_password(guarded: Mosquitto, tmp_path: Path, version: ProtocolVersion) -> None:
    (tmp_path / "password").write_text("wrong\n")
    told = await trouble(version, url=guarded.url, username="alex", password_file=str(tmp_path / "password"))
    assert 'does not let in user "alex"; check username and password_file' in str(told)


async def test_no_name_where_one_is_wanted(guarded: Mosquitto) -> None:
    assert "does not let in clients without a name" in str(await trouble(url=guarded.url))


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "is empty; write the password into it"), (b"\xff", "is not text in UTF-8")]
)
async def test_a_password_file_without_a_password(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "password").write_bytes(content)
    told = await trouble(username="alex", password_file=str(tmp_path / "password"))
    assert str(told) == f"[mqtt] password_file: {tmp_path}/password {says}"


async def test_a_password_file_that_has_gone(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("right")
    where = locate(Mqtt(username="alex", password_file=str(password)))
    password.unlink()
    with pytest.raises(BrokerTrouble, match="password cannot be read: No such file or directory"):
        async with connection(where, "hrbridge-alex", ProtocolVersion.V5):
            pass


# -- what a broker can do less --


@pytest.mark.parametrize(
    ("connack", "limits"),
    [
        (b"\x20\x03\x00\x00\x00", Limits()),
        (b"\x20\x05\x00\x00\x02\x24\x00", Limits(qos=0)),
        (b"\x20\x05\x00\x00\x02\x25\x00", Limits(retain=False)),
        (b"\x20\x06\x00\x00\x03\x13\x00\x3c", Limits(keepalive_s=60)),
        (b"\x20\x08\x00\x00\x05\x27\x00\x00\x01\x00", Limits(packet_bytes=256)),
    ],
    ids=["none", "qos", "retain", "keepalive", "packets"],
)
async def test_limits_are_read_from_what_the_broker_answers(connack: bytes, limits: Limits) -> None:
    """Sections 3.2.2.3.3 to 14 of MQTT 5."""
    told: list[Limits] = []
    async with somebody(connack) as port:
        where = locate(Mqtt(url=f"mqtt://localhost:{port}"))
        with contextlib.suppress(BrokerTrouble):  # who answers so has gone already
            async with connection(where, "hrbridge-alex", ProtocolVersion.V5) as client:
                told.append(client.limits)
    assert told == [limits]


# -- when we try again --

SILENT = BrokerTrouble("does not answer", protocol=True)
ABSENT = BrokerTrouble("nothing listens there")
LOST = BrokerTrouble("the connection was lost", protocol=True)
WRONG = BrokerTrouble("does not let us in", lasting=True)
BOTH = protocols(Protocol.AUTO)


def test_the_other_version_of_mqtt_is_tried_at_once() -> None:
    attempts = Attempts(BOTH)
    assert attempts.failed(SILENT, None) == (None, 0.0)
    assert attempts.version is ProtocolVersion.V311


def test_a_version_that_was_answered_is_the_first_from_then_on() -> None:
    attempts = Attempts(BOTH)
    attempts.failed(SILENT, None)
    attempts.succeeded()
    attempts.failed(LOST, 100.0)
    assert attempts.version is ProtocolVersion.V311


def test_a_broker_that_dies_in_the_midst_of_a_greeting_is_greeted_in_mqtt_5_again() -> None:
    attempts = Attempts(BOTH)
    attempts.failed(SILENT, None)
    attempts.failed(ABSENT, None)
    assert attempts.version is ProtocolVersion.V5


def test_whoever_wants_one_version_gets_no_other() -> None:
    attempts = Attempts(protocols(Protocol.V5))
    assert attempts.failed(SILENT, None)[0] is SILENT


def test_we_come_back_soon_and_then_at_least_every_five_seconds() -> None:
    attempts = Attempts(BOTH)
    waits_s = [attempts.failed(ABSENT, None)[1] for _ in range(6)]
    longest_s = [*BACKOFF_S, BACKOFF_S[-1], BACKOFF_S[-1]]
    assert all(most_s / 2 < wait_s <= most_s for wait_s, most_s in zip(waits_s, longest_s, strict=True))


def test_a_wrong_password_is_not_tried_every_second() -> None:
    assert LASTING_BACKOFF_S / 2 < Attempts(BOTH).failed(WRONG, None)[1] <= LASTING_BACKOFF_S


def dropped(attempts: Attempts, lasted_s: float) -> tuple[BrokerTrouble | None, float]:
    attempts.succeeded()
    return attempts.failed(LOST, lasted_s)


def test_whoever_is_thrown_out_again_and_again_comes_back_less_often_and_says_why() -> None:
    attempts = Attempts(BOTH)
    said, waits_s = zip(*(dropped(attempts, STEADY_S - 1) for _ in range(len(BACKOFF_S) + 1)), strict=True)
    assert ["another program with our client id" in str(trouble) for trouble in said] == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert waits_s[-1] > BACKOFF_S[-1] / 2


@pytest.mark.parametrize("between", [(ABSENT, None), (LOST, STEADY_S)], ids=["a-restart", "a-good-while"])
def test_a_broker_that_is_restarted_now_and_then_throws_nobody_out(
    between: tuple[BrokerTrouble, float | None],
) -> None:
    attempts = Attempts(BOTH)
    for _ in range(MAX_DROPS):
        said, _ = dropped(attempts, 0.1)
        assert said is LOST
        attempts.failed(*between)


def test_a_connection_that_held_well_is_tried_again_soon() -> None:
    attempts = Attempts(BOTH)
    for _ in range(10):
        attempts.failed(ABSENT, None)
    assert dropped(attempts, STEADY_S)[1] <= BACKOFF_S[0]


def test_a_broker_that_keeps_nothing_gets_a_will_it_can_take() -> None:
    attempts = Attempts(BOTH)
    refused = BrokerTrouble("refuses", will=True)
    assert attempts.failed(refused, None) == (None, 0.0)
    assert attempts.modest
    assert attempts.failed(refused, None)[0] is refused


async def test_a_socket_that_is_closed_at_once_is_not_waited_for(
    needs_tool: Callable[[str], str], tmp_path: Path
) -> None:
    """Else asyncio complains of its number, or waits for whoever has that number next."""
    troubles: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: troubles.append(context))
    with Mosquitto(needs_tool, tmp_path) as mosquitto:
        async with connection(locate(Mqtt(url=mosquitto.url)), "hasty", ProtocolVersion.V5) as client:
            gone, _ = socket.socketpair()
            client._on_socket_register_write(client._client, None, gone)
            gone.close()
            await client.publish("a", "b", qos=1)  # so that the loop has been round
    assert troubles == []
