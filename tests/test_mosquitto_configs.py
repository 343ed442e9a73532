"""The mosquitto files we ship to be copied: installed by the commands of their page, started, every promise tried."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shlex
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest
from aiomqtt import ProtocolVersion
from brokers import AS_ROOT, Process, free_port
from conversation import coaching, hear, hear_until, step

from hrbridge import messages
from hrbridge.broker import SOCKET_OPTIONS, connection, locate
from hrbridge.config import Mqtt
from hrbridge.decisions import Phase
from hrbridge.errors import BrokerError

FOLDER = Path(__file__).parent.parent / "configs" / "mosquitto"
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
ONE_RUNNER, CLUB, TWO_SITES = PAGE.split("\n## ")[1:]
RUNNER_TOML = re.findall(r"```toml\n(.*?)```", CLUB, re.DOTALL)[0]
AT_THE_CENTRE, AT_THE_SITE = TWO_SITES.split("At the site:")
HRBRIDGE = "import sys; from hrbridge.cli import main; main()"
SHIPPED = ["README.md", "club.acl", "club.conf", "pi.conf", "site-bridge.conf"]

# What Debian's package brings; our files are read from its include_dir.
DEBIAN = """
pid_file {etc}/mosquitto.pid
persistence true
persistence_location {var}/
log_dest file {var}/mosquitto.log
log_dest stderr
include_dir {etc}/conf.d
"""
PORTS = ("1883", "8081", "8883", "8884", "9001")


class Machine(Process):
    """A machine with Debian's mosquitto, on which the commands of the page are run.

    ``ports``: those that are not to be free ones of its own. ``name`` is by
    what it calls the broker of the page.
    """

    def __init__(
        self,
        needs_tool: Callable[[str], str],
        folder: Path,
        ports: dict[str, int] | None = None,
        change: Callable[[str], str] = str,
    ) -> None:
        self.etc, self.home, var = folder / "etc", folder / "home", folder / "var"
        for each in (self.etc / "conf.d", self.etc / "certs", self.etc / "ca_certificates", self.home, var):
            each.mkdir(parents=True)
        self.ports = {number: free_port() for number in PORTS} | (ports or {})
        self._needs_tool = needs_tool
        for name in SHIPPED:
            text = change((FOLDER / name).read_text(encoding="utf-8"))
            (self.home / name).write_text(self.as_here(text), encoding="utf-8")
        main = self.etc / "mosquitto.conf"
        main.write_text(DEBIAN.format(etc=self.etc, var=var) + AS_ROOT, encoding="utf-8")
        super().__init__(needs_tool, main)

    def as_here(self, text: str) -> str:
        """A text of ours with the folders, the name and the ports of this machine."""
        for there, here in (("/etc/mosquitto", str(self.etc)), ("club.local", "localhost"), ("hub.local", "localhost")):
            text = text.replace(there, here)
        return re.sub(r"\b(?:1883|8081|8883|8884|9001)\b", lambda number: str(self.ports[number[0]]), text)

    def run(self, section: str) -> None:
        """Every command of a part of the page; but for the service, and for the owners of files."""
        for command in re.findall(r"^\$ (.*)$", section, flags=re.MULTILINE):
            text = self.as_here(command).removeprefix("sudo ").replace("-g mosquitto ", "")
            program, *words = shlex.split(text)
            if program not in ("systemctl", "chown"):
                passwords = "right\nright\n" if program == "mosquitto_passwd" else ""
                done = subprocess.run(
                    [self._needs_tool(program), *words],
                    cwd=self.home,
                    input=passwords,
                    capture_output=True,
                    text=True,
                    timeout=20,
                )
                assert done.returncode == 0, f"{command}: {done.stderr}"

    @property
    def ca_file(self) -> str:
        return str(self.home / "ca.crt")


class Club(Machine):
    """The broker of a club, with the ways in that its page names."""

    def password(self, name: str) -> Mqtt:
        return Mqtt(
            url=f"mqtts://localhost:{self.ports['8883']}",
            username=name,
            password_file=str(self.home / "password"),
            ca_file=self.ca_file,
        )

    def certificate(self, name: str) -> Mqtt:
        return Mqtt(
            url=f"mqtts://localhost:{self.ports['8884']}",
            ca_file=self.ca_file,
            cert_file=str(self.home / f"{name}.crt"),
            key_file=str(self.home / f"{name}.key"),
        )

    def account(self, name: str) -> Mqtt:
        """By which way the page lets somebody in."""
        return self.certificate(name) if name.startswith("site") else self.password(name)

    def websocket(self, name: str) -> Mqtt:
        return Mqtt(
            url=f"wss://localhost:{self.ports['8081']}",
            username=name,
            password_file=str(self.home / "password"),
            ca_file=self.ca_file,
        )


@pytest.fixture(scope="module")
def club(needs_tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Club]:
    """A club with the runners alex and bob, alex's headset, a coach, and another site."""
    club = Club(needs_tool, tmp_path_factory.mktemp("club"))
    club.run(CLUB)
    club.run(AT_THE_CENTRE)
    for name in ("bob", "home-assistant"):
        club.run(f"$ sudo mosquitto_passwd {club.etc}/hrbridge-passwords {name}")
    (club.home / "password").write_text("right\n", encoding="utf-8")
    with club:
        yield club


@pytest.fixture
def pi(needs_tool: Callable[[str], str], tmp_path: Path) -> Iterator[Machine]:
    pi = Machine(needs_tool, tmp_path)
    pi.run(ONE_RUNNER)
    with pi:
        yield pi


@asynccontextmanager
async def client(settings: Mqtt, version: ProtocolVersion = ProtocolVersion.V5) -> AsyncIterator[aiomqtt.Client]:
    """A foreign program that comes in by one of the ways."""
    broker = locate(settings)
    async with aiomqtt.Client(
        broker.host,
        broker.port,
        username=broker.username or None,
        password="right",
        protocol=version,
        transport="websockets" if broker.websockets else "tcp",
        websocket_path=broker.path if broker.websockets else None,
        tls_context=secured(settings) if broker.tls else None,
        socket_options=SOCKET_OPTIONS,
    ) as client:
        yield client


def secured(settings: Mqtt) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca_file)
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    return context


def test_the_page_names_every_file() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == SHIPPED
    assert [name for name in SHIPPED[1:] if f"`{name}`" not in PAGE] == []


@pytest.mark.parametrize("name", ["club.conf", "pi.conf", "site-bridge.conf"])
def test_every_setting_is_explained(name: str) -> None:
    paragraphs = (FOLDER / name).read_text(encoding="utf-8").strip().split("\n\n")
    assert [each for each in paragraphs if not each.startswith("# ")] == []


# -- one runner --


def listening(port: int) -> set[str]:
    """The addresses at which a port is open, as the kernel writes them."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
            address, _, number = line.split()[1].partition(":")
            if int(number, 16) == port and line.split()[3] == "0A":
                found.add(address)
    return found


LOOPBACK = {"0100007F"}


def test_a_pi_is_reached_from_the_pi_only(pi: Machine) -> None:
    assert listening(pi.ports["1883"]) == LOOPBACK


async def test_a_pi_needs_no_password(pi: Machine) -> None:
    settings = Mqtt(url=f"mqtt://localhost:{pi.ports['1883']}")
    async with client(settings) as ear, coaching(settings) as bridge:
        await ear.subscribe("hrbridge/alex/state")
        bridge.take(step())
        await hear(ear, "hrbridge/alex/state")


async def test_what_is_retained_on_a_pi_is_there_after_a_restart(pi: Machine) -> None:
    settings = Mqtt(url=f"mqtt://localhost:{pi.ports['1883']}")
    async with client(settings) as mouth:
        await mouth.publish("hrbridge/alex/session/summary", "kept", qos=1, retain=True)
    pi.stop()
    pi.start()
    async with client(settings) as ear:
        await ear.subscribe("hrbridge/alex/#")
        assert (await hear(ear, "hrbridge/alex/session/summary")).payload == b"kept"


@pytest.fixture
def pi_with_a_page(needs_tool: Callable[[str], str], tmp_path: Path) -> Iterator[Machine]:
    """With the lines that pi.conf only suggests switched on."""
    pi = Machine(needs_tool, tmp_path, change=lambda text: re.sub(r"^#(?=\w)", "", text, flags=re.MULTILINE))
    pi.run(ONE_RUNNER)
    with pi:
        yield pi


async def test_a_page_on_the_pi_hears_the_state(pi_with_a_page: Machine) -> None:
    settings = Mqtt(url=f"ws://localhost:{pi_with_a_page.ports['9001']}")
    async with client(settings) as ear, coaching(settings) as bridge:
        await ear.subscribe("hrbridge/alex/state")
        bridge.take(step())
        await hear(ear, "hrbridge/alex/state")


def test_websockets_on_a_pi_are_reached_from_the_pi_only(pi_with_a_page: Machine) -> None:
    assert listening(pi_with_a_page.ports["9001"]) == LOOPBACK


def test_a_place_for_what_is_kept_cannot_be_given_beside_debians(
    needs_tool: Callable[[str], str], tmp_path: Path
) -> None:
    pi = Machine(needs_tool, tmp_path, change=lambda text: text + f"\npersistence_location {tmp_path}/\n")
    pi.run(ONE_RUNNER)
    with pytest.raises(RuntimeError, match="persistence_location"):
        pi.start()
    pi.kill()


# -- a club: ways in --


@pytest.mark.parametrize("way", [Club.password, Club.certificate, Club.websocket])
async def test_a_runner_comes_in_by_every_way_the_page_names(club: Club, way: Callable[[Club, str], Mqtt]) -> None:
    async with client(club.password("coach")) as coach, coaching(way(club, "alex")) as bridge:
        await coach.subscribe("hrbridge/alex/heart_rate")
        await coach.subscribe("hrbridge/alex/state")
        bridge.take(step(phase=Phase.WALK))
        await hear(coach, "hrbridge/alex/state")


async def test_the_configuration_of_the_page_runs(club: Club, tmp_path: Path) -> None:
    text = club.as_here(RUNNER_TOML).replace("/etc/hrbridge/mqtt-password", str(club.home / "password"))
    mine = tmp_path / "alex.toml"
    mine.write_text(text.replace("/etc/hrbridge/ca.crt", club.ca_file), encoding="utf-8")
    async with client(club.password("coach")) as coach:
        await coach.subscribe("hrbridge/alex/heart_rate")
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-c", HRBRIDGE, "run", str(mine), "--sensor", "simulated", "--json", "--speed", "50"
        )
        try:
            await hear(coach, "hrbridge/alex/heart_rate", within_s=20)
        finally:
            program.send_signal(signal.SIGTERM)
            await program.wait()


def nobody(club: Club) -> Mqtt:
    return Mqtt(url=club.password("alex").url, ca_file=club.ca_file)


def nobody_by_websocket(club: Club) -> Mqtt:
    return Mqtt(url=club.websocket("alex").url, ca_file=club.ca_file)


def no_account(club: Club) -> Mqtt:
    return club.password("mallory")


def wrong_password(club: Club) -> Mqtt:
    wrong = club.home / "wrong"
    wrong.write_text("wrong\n", encoding="utf-8")
    return Mqtt(url=club.password("alex").url, username="alex", password_file=str(wrong), ca_file=club.ca_file)


@pytest.mark.parametrize("who", [nobody, nobody_by_websocket, no_account, wrong_password])
async def test_who_is_not_known_stays_outside(club: Club, who: Callable[[Club], Mqtt]) -> None:
    with pytest.raises(BrokerError, match="does not let in"):
        async with connection(locate(who(club)), "mallory", ProtocolVersion.V5):
            pass


def no_certificate(club: Club) -> Mqtt:
    return Mqtt(url=club.certificate("alex").url, ca_file=club.ca_file)


def the_brokers_own_certificate(club: Club) -> Mqtt:
    return club.certificate("broker")


@contextlib.contextmanager
def tls(settings: Mqtt, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    broker = locate(settings)
    with (
        socket.create_connection((broker.host, broker.port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=broker.host) as secured,
    ):
        yield secured


@pytest.mark.parametrize(
    ("who", "why"),
    [(no_certificate, "CERTIFICATE_REQUIRED"), (the_brokers_own_certificate, "UNSUPPORTED_CERTIFICATE")],
)
def test_who_has_no_certificate_of_a_client_stays_outside(club: Club, who: Callable[[Club], Mqtt], why: str) -> None:
    settings = who(club)
    with pytest.raises(ssl.SSLError, match=why), tls(settings, secured(settings)) as shut:
        shut.recv(1)


async def test_a_broker_with_a_certificate_of_another_authority_is_not_trusted(club: Club) -> None:
    with pytest.raises(BrokerError, match="its certificate is not trusted"):
        async with connection(locate(Mqtt(url=club.password("alex").url)), "alex", ProtocolVersion.V5):
            pass


@pytest.mark.parametrize("way", [Club.password, Club.certificate, Club.websocket])
def test_the_certificates_are_good_enough_for_a_strict_client(club: Club, way: Callable[[Club, str], Mqtt]) -> None:
    """Python 3.13 looks closer than 3.11."""
    settings = way(club, "alex")
    strict = secured(settings)
    strict.verify_flags |= ssl.VERIFY_X509_STRICT
    with tls(settings, strict) as opened:
        assert opened.version() == "TLSv1.3"


# -- a club: who may do what --

MINE, OTHERS = "hrbridge/alex", "hrbridge/bob"


def owner(topic: str) -> str:
    """Whose topic it is, and who therefore may both write and read it."""
    found = re.search(r"alex|bob", topic)
    assert found is not None
    return found[0]


@pytest.mark.parametrize(
    ("who", "topic", "allowed"),
    [
        ("alex", f"{MINE}/cue", True),
        ("alex", f"{OTHERS}/cue", False),
        ("alex", f"{OTHERS}/state", False),
        ("alex", f"{OTHERS}/control/set", False),
        ("alex", "homeassistant/device/hrbridge_alex/config", True),
        ("alex", "homeassistant/device/hrbridge_bob/config", False),
        ("alex-ear", f"{MINE}/cue/ack", True),
        ("alex-ear", f"{MINE}/control/set", True),
        ("alex-ear", f"{MINE}/rpe/set", True),
        ("alex-ear", f"{MINE}/client/alex-ear/status", True),
        ("alex-ear", f"{MINE}/client/another/status", False),
        ("alex-ear", f"{MINE}/cue", False),
        ("alex-ear", f"{MINE}/state", False),
        ("alex-ear", f"{OTHERS}/rpe/set", False),
        ("coach", f"{MINE}/cue", False),
        ("coach", f"{MINE}/control/set", False),
        ("home-assistant", f"{MINE}/rpe/set", True),
        ("home-assistant", f"{MINE}/control/set", True),
        ("home-assistant", f"{MINE}/cue", False),
        ("home-assistant", "homeassistant/device/hrbridge_alex/config", False),
        ("site-north", f"{MINE}/status", True),
        ("site-north", f"{MINE}/state", True),
        ("site-north", f"{MINE}/session/summary", True),
        ("site-north", f"{MINE}/cue", False),
        ("site-north", f"{MINE}/control/set", False),
    ],
)
async def test_who_may_write_what(club: Club, who: str, topic: str, allowed: bool) -> None:
    async with client(club.password(owner(topic))) as reader, client(club.account(who)) as writer:
        await reader.subscribe(topic)
        await writer.publish(topic, "written", qos=1)
        end = f"hrbridge/{owner(topic)}/end"
        await reader.subscribe(end)
        await reader.publish(end, qos=1)
        heard = [message.payload for message in await hear_until(reader, end)]
    assert heard.count(b"written") == allowed


@pytest.mark.parametrize(
    ("who", "topic", "allowed"),
    [
        ("alex", f"{MINE}/control/set", True),
        ("alex", f"{OTHERS}/heart_rate", False),
        ("alex", f"{OTHERS}/cue", False),
        ("alex-ear", f"{MINE}/cue", True),
        ("alex-ear", f"{OTHERS}/cue", False),
        ("coach", f"{MINE}/heart_rate", True),
        ("coach", f"{OTHERS}/state", True),
        ("home-assistant", f"{MINE}/state", True),
        ("home-assistant", "homeassistant/device/hrbridge_alex/config", True),
    ],
)
@pytest.mark.parametrize("level", ["exactly", "by #"])
async def test_who_may_read_what(club: Club, who: str, topic: str, allowed: bool, level: str) -> None:
    async with client(club.password(owner(topic))) as writer, client(club.password(who)) as reader:
        await reader.subscribe({"exactly": topic, "by #": "#"}[level])
        await writer.publish(topic, "written", qos=1)
        end = f"hrbridge/{who}/end"  # everybody has a tree of his own name
        await reader.subscribe(end)
        await reader.publish(end, qos=1)
        heard = [str(message.topic) for message in await hear_until(reader, end) if message.payload == b"written"]
    assert heard == [topic] * allowed


async def test_every_runner_hears_that_home_assistant_has_started(club: Club) -> None:
    async with client(club.password("alex")) as alex, client(club.password("home-assistant")) as home_assistant:
        await alex.subscribe("homeassistant/status")
        await home_assistant.publish("homeassistant/status", "online", qos=1)
        assert (await hear(alex, "homeassistant/status")).payload == b"online"


@pytest.mark.parametrize("who", ["alex", "coach", "home-assistant"])
async def test_nobody_reads_about_the_broker(club: Club, who: str) -> None:
    async with client(club.password(who)) as reader:
        await reader.subscribe("$SYS/#")
        await reader.subscribe(f"hrbridge/{who}/end")
        await reader.publish(f"hrbridge/{who}/end", qos=1)
        assert await hear_until(reader, f"hrbridge/{who}/end") == []


async def test_a_certificate_is_worth_its_name_and_no_other(club: Club) -> None:
    async with client(club.password("bob")) as bob, client(club.certificate("alex")) as alex:
        await bob.subscribe("hrbridge/bob/#")
        await alex.publish("hrbridge/bob/cue", "forged", qos=1)
        await bob.publish("hrbridge/bob/end", qos=1)
        assert await hear_until(bob, "hrbridge/bob/end") == []


# -- a club: limits --


@pytest.mark.parametrize(("size", "times"), [(10_240, 1), (10_241, 0)])
async def test_a_message_may_have_ten_kilobytes(club: Club, size: int, times: int) -> None:
    # With MQTT 5, mosquitto 2.0.11 refuses in a way that is none in MQTT 5, and paho waits for ever.
    async with client(club.password("bob"), ProtocolVersion.V311) as bob:
        await bob.subscribe("hrbridge/bob/#")
        await bob.publish("hrbridge/bob/big", b"x" * size, qos=1)
        await bob.publish("hrbridge/bob/end", qos=1)
        assert len(await hear_until(bob, "hrbridge/bob/end")) == times


async def test_a_coach_who_joins_a_hundred_runners_misses_nobody(club: Club) -> None:
    statuses = [f"hrbridge/bob/client/{number}/status" for number in range(500)]
    async with client(club.password("bob")) as bob, client(club.password("coach")) as coach:
        for topic in statuses:
            await bob.publish(topic, "online", qos=1, retain=True)
        heard = set()
        await coach.subscribe("hrbridge/bob/client/#", qos=1)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                async for message in coach.messages:
                    heard.add(str(message.topic))
                    if len(heard) == len(statuses):
                        break
        for topic in statuses:
            await bob.publish(topic, qos=0, retain=True)
    assert heard == set(statuses)


def test_more_connections_than_the_limit_are_turned_away(needs_tool: Callable[[str], str], tmp_path: Path) -> None:
    crowded = Club(needs_tool, tmp_path, change=lambda text: text.replace("max_connections 400", "max_connections 2"))
    crowded.run(CLUB)
    settings = crowded.certificate("alex")
    another = Mqtt(url=crowded.password("alex").url, ca_file=crowded.ca_file)
    with crowded, tls(settings, secured(settings)), tls(settings, secured(settings)):
        with pytest.raises(OSError), tls(settings, secured(settings)):
            pass
        with tls(another, secured(another)) as opened:
            assert opened.version() == "TLSv1.3"


async def test_state_does_not_wait_behind_a_heart_rate(club: Club) -> None:
    """Without set_tcp_nodelay the median is 40 ms."""
    took_s = []
    async with client(club.password("coach")) as ear, client(club.password("bob")) as mouth:
        await ear.subscribe("hrbridge/bob/#", qos=1)
        for _ in range(25):
            began_s = time.monotonic()
            await mouth.publish("hrbridge/bob/heart_rate", "141", qos=0)
            await mouth.publish("hrbridge/bob/state", "run", qos=1)
            await hear(ear, "hrbridge/bob/state")
            took_s.append(time.monotonic() - began_s)
    assert statistics.median(took_s) < 0.02


# -- two sites --


@pytest.fixture(scope="module")
def centre(needs_tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Club]:
    """A club that lets a site do whatever it likes: what does not come over is held back by the bridge."""
    centre = Club(
        needs_tool,
        tmp_path_factory.mktemp("centre"),
        change=lambda text: text.replace("user site-north\n", "user site-north\ntopic readwrite #\n"),
    )
    centre.run(CLUB)
    centre.run(AT_THE_CENTRE)
    (centre.home / "password").write_text("right\n", encoding="utf-8")
    with centre:
        yield centre


@pytest.fixture(scope="module")
def site(needs_tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory, centre: Club) -> Iterator[Machine]:
    """A runner's Pi that hands over to the centre; it comes back after one second instead of five."""
    site = Machine(
        needs_tool,
        tmp_path_factory.mktemp("site"),
        ports={"8884": centre.ports["8884"]},
        change=lambda text: text.replace("restart_timeout 5 60", "restart_timeout 1"),
    )
    for name in ("ca.crt", "site-north.crt", "site-north.key"):
        (site.home / name).write_bytes((centre.home / name).read_bytes())
    site.run(ONE_RUNNER)
    site.run(AT_THE_SITE)
    with site:
        yield site


async def link(coach: aiomqtt.Client, wanted: bytes) -> None:
    """Wait until the link says so at the centre."""
    await coach.subscribe("hrbridge-site/north", qos=1)
    while (await hear(coach, "hrbridge-site/north")).payload != wanted:
        pass


def at(site: Machine) -> Mqtt:
    return Mqtt(url=f"mqtt://localhost:{site.ports['1883']}")


async def test_only_where_a_run_stands_leaves_the_site(centre: Club, site: Machine) -> None:
    topics = [topic.under("hrbridge", "alex").replace("+", "ear") for topic in messages.TOPICS]
    async with client(centre.password("coach")) as coach, client(at(site)) as runner:
        await link(coach, b"1")
        await coach.subscribe("hrbridge/#", qos=1)
        for topic in topics:
            await runner.publish(topic, "from the site", qos=1)
        await runner.publish("hrbridge/end/state", qos=1)
        heard = await hear_until(coach, "hrbridge/end/state")
    told = {str(message.topic) for message in heard if message.payload == b"from the site"}
    assert told == {"hrbridge/alex/status", "hrbridge/alex/state", "hrbridge/alex/session/summary"}


async def test_nothing_comes_into_the_site(centre: Club, site: Machine) -> None:
    topics = [topic.under("hrbridge", "alex").replace("+", "ear") for topic in messages.TOPICS]
    async with (
        client(centre.password("coach")) as coach,
        client(centre.password("alex")) as elsewhere,
        client(at(site)) as runner,
    ):
        await link(coach, b"1")
        await coach.subscribe("hrbridge/+/state", qos=1)
        await runner.subscribe("#", qos=1)
        for topic in topics:
            await elsewhere.publish(topic, "from elsewhere", qos=1)
        # All the way there, and then at home: whatever was to come has come by then.
        await runner.publish("hrbridge/round/state", qos=1)
        await hear(coach, "hrbridge/round/state")
        await runner.publish("end", qos=1)
        heard = await hear_until(runner, "end")
    assert [message for message in heard if message.payload == b"from elsewhere"] == []


async def test_a_state_is_worth_as_long_at_the_centre(centre: Club, site: Machine) -> None:
    async with client(centre.password("coach")) as coach, coaching(at(site)) as bridge:
        await link(coach, b"1")
        await coach.subscribe("hrbridge/alex/state", qos=1)
        bridge.take(step(phase=Phase.WALK))
        while (message := await hear(coach, "hrbridge/alex/state")).retain:
            pass
    assert message.properties.MessageExpiryInterval in (14, 15)  # mosquitto counts whole seconds


async def test_the_centre_is_told_that_a_link_was_lost_and_is_back(centre: Club, site: Machine) -> None:
    async with client(centre.password("coach")) as coach:
        await link(coach, b"1")
        site.kill()
        await link(coach, b"0")
        site.start()
        await link(coach, b"1")


@pytest.mark.proof  # mosquitto looks every five seconds
async def test_a_link_that_is_back_tells_the_present_and_nothing_that_was_missed(centre: Club, site: Machine) -> None:
    async with client(at(site)) as runner:
        async with client(centre.password("coach")) as coach:
            await link(coach, b"1")
        centre.kill()
        for state in ("missed", "missed too", "present"):
            await runner.publish("hrbridge/alex/state", state, qos=1, retain=True)
        centre.start()
        async with client(centre.password("coach")) as coach:
            await coach.subscribe("hrbridge/alex/state", qos=1)
            await link(coach, b"1")
            assert (await hear(coach, "hrbridge/alex/state")).payload == b"present"
