"""The doctor with each thing broken in turn: one sentence, with its remedy, over the real parts."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiomqtt
import pytest
from brokers import Mosquitto, free_port
from conversation import coaching, step
from fake_bluez import FakeBluez, Strap, heart_rate_services

from hrbridge import doctor
from hrbridge.clients.follower import Cued, Follower
from hrbridge.config import Headset, Mqtt, Plan
from hrbridge.control import plan as plans
from hrbridge.dates import Moment
from hrbridge.decisions import Phase
from hrbridge.doctor import Finding, Result, configured, machine, network
from hrbridge.doctor.bluetooth import daemon, parameters
from hrbridge.journal import Journal
from hrbridge.sensors import survey
from hrbridge.sinks.journal import recording_alone
from hrbridge.timeline import MonotonicClock

ROOT = Path(__file__).parent.parent
MINE = "A0:9E:1A:11:22:33"
OTHER = "C4:00:00:00:00:02"
LOOK_S = 0.8
IN_TIME_S = 15.0
WORN, LOOSE, NOT_WORN = "06 68", "04 68", "00 00"


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fake straps advertise fifty times as often as real ones, and a broker on this machine answers at once."""
    monkeypatch.setattr(survey, "HEAR_FIRST_S", 0.05)
    monkeypatch.setattr(network, "KEPT_WITHIN_S", 0.1)
    monkeypatch.setattr(network, "ANSWERS_WITHIN_S", 0.5)


@pytest.fixture
def strap() -> Strap:
    return Strap(MINE, "Polar OH1", services=heart_rate_services(87))


@pytest.fixture
def alex(tmp_path: Path) -> Path:
    path = tmp_path / "alex.toml"
    path.write_text(
        '[runner]\nid = "alex"\nage_years = 40\nresting_heart_rate_bpm = 60\n'
        f'[sensor]\naddress = "{MINE}"\n[plan]\nuse = "easy-4-1"\n'
        '[mqtt]\nurl = "none"\n[journal]\npath = "journal.sqlite3"\n'
    )
    return path


async def examined(path: Path | None, *settings: str, look_s: float = LOOK_S, speak: bool = False) -> list[Finding]:
    found: list[Finding] = []
    async with asyncio.timeout(IN_TIME_S):
        await doctor.examine(path, settings, look_s, found.append, speak=speak)
    return found


def said(found: list[Finding], check: str) -> tuple[Result, str]:
    """The one thing that is said of it."""
    (finding,) = [each for each in found if each.check == check]
    return finding.result, finding.say


async def beat(bluez: FakeBluez, strap: Strap, packet: str) -> None:
    while True:
        await bluez.subscribed(strap, within_s=IN_TIME_S)
        await bluez.notify(strap, packet)
        await asyncio.sleep(0.05)


@pytest.fixture
async def worn(bluez: FakeBluez, strap: Strap) -> AsyncIterator[FakeBluez]:
    heart = asyncio.create_task(beat(bluez, strap, WORN))
    yield bluez
    heart.cancel()


# -- all is well --


@pytest.mark.usefixtures("worn")
async def test_all_is_well(alex: Path, needs_tool: Callable[[str], str], tmp_path: Path) -> None:
    with Mosquitto(needs_tool, tmp_path) as broker:
        found = await examined(alex, f'mqtt.url="{broker.url}"', look_s=5)
    assert said(found, "strap") == (Result.OK, f"Polar OH1 ({MINE}), 104 bpm, -60 dBm, battery 87 %")
    assert said(found, "pulse") == (Result.OK, "104 bpm")
    assert said(found, "battery") == (Result.OK, "87 %")
    assert said(found, "broker")[0] is Result.OK
    assert said(found, "journal") == (Result.OK, f"{tmp_path}/journal.sqlite3 will be begun with the first run")
    assert not (tmp_path / "journal.sqlite3").exists()
    assert [each.check for each in found if each.result is Result.FAILS] == []


# -- the configuration --


async def test_a_wrong_configuration_is_all_that_is_told(alex: Path) -> None:
    found = await examined(alex, "control.min_drop_bmp=12")
    assert [(each.check, each.result) for each in found] == [("configuration", Result.FAILS)]
    assert "did you mean min_drop_bpm?" in found[0].say


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ('plan.use="no-such-plan"', "no-such-plan"),
        ('sensor={kind="replay", file="gone.fit"}', "gone.fit"),
        ('sensor={kind="simulated", faults=["thunder@10"]}', "thunder"),
        ('mqtt.url="mqtt://elsewhere.local"', "elsewhere.local is another machine"),
    ],
)
async def test_what_a_configuration_names_is_opened(alex: Path, setting: str, says: str) -> None:
    result, say = (await examined(alex, setting))[-1].result, (await examined(alex, setting))[-1].say
    assert result is Result.FAILS
    assert says in say


async def test_a_simulated_runner_needs_no_bluetooth(alex: Path) -> None:
    found = await examined(alex, 'sensor={kind="simulated"}')
    assert said(found, "sensor") == (Result.OK, "simulated runner typical; no strap is needed")
    assert "bluetooth" not in [each.check for each in found]


def test_a_plan_by_distance_wants_to_know_how_far(alex: Path) -> None:
    from hrbridge import config

    settings = config.load(alex)
    by_distance = plans.load("race-miles")
    blind = Plan(distance_m=5000, block=by_distance.block)
    assert "goes by distance, and no treadmill or foot pod is named" in configured.plan(blind, settings).say
    assert configured.plan(plans.load("easy-4-1"), settings).result is Result.OK


async def test_a_service_has_no_sudo(alex: Path) -> None:
    with_sudo = 'sensor={kind="simulated", recovery_command=["sudo", "systemctl", "restart", "bluetooth"]}'
    result, say = said(await examined(alex, with_sudo), "recovery")
    assert result is Result.HINT
    assert "a service has no sudo" in say


async def test_restarting_bluetooth_without_sudo_is_passed_over(alex: Path) -> None:
    without = 'sensor={kind="simulated", recovery_command=["systemctl", "restart", "bluetooth"]}'
    assert "recovery" not in [each.check for each in await examined(alex, without)]


# -- the broker --


async def test_no_broker(alex: Path) -> None:
    port = free_port()
    found = await examined(alex, f'mqtt.url="mqtt://localhost:{port}"', 'sensor={kind="simulated"}')
    says = f"MQTT broker localhost:{port}: nothing listens there: start the broker, or the run that brings one"
    assert said(found, "broker") == (Result.FAILS, says)


@pytest.fixture
def club(needs_tool: Callable[[str], str], tmp_path: Path) -> Callable[[str], Mosquitto]:
    """The broker of a club, whose access list is the shipped one."""

    def start(acl: str) -> Mosquitto:
        accounts, rules, secret = tmp_path / "accounts", tmp_path / "acl", tmp_path / "password"
        accounts.touch(mode=0o600)
        subprocess.run([needs_tool("mosquitto_passwd"), "-c", "-b", str(accounts), "alex", "right"], check=True)
        secret.write_text("right\n")
        rules.write_text(acl)
        return Mosquitto(needs_tool, tmp_path, [f"password_file {accounts}", f"acl_file {rules}"], anonymous=False)

    return start


def as_alex(broker: Mosquitto, folder: Path, runner: str = "alex") -> list[str]:
    return [
        f'mqtt={{url="{broker.url}", username="alex", password_file="{folder}/password"}}',
        f'runner.id="{runner}"',
        'sensor={kind="simulated"}',
    ]


async def test_the_access_list_of_a_club_lets_a_runner_through(
    alex: Path, club: Callable[[str], Mosquitto], tmp_path: Path
) -> None:
    with club((ROOT / "configs/mosquitto/club.acl").read_text()) as broker:
        found = await examined(alex, *as_alex(broker, tmp_path))
    assert said(found, "broker") == (
        Result.OK,
        f'localhost:{broker.port} lets user "alex" in, and their messages through',
    )


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_runner_who_is_not_called_by_his_name_is_told_what_the_access_list_must_say(
    alex: Path, club: Callable[[str], Mosquitto], tmp_path: Path, protocol: str
) -> None:
    with club((ROOT / "configs/mosquitto/club.acl").read_text()) as broker:
        settings = [*as_alex(broker, tmp_path, "sam"), f'mqtt.protocol="{protocol}"']
        result, say = said(await examined(alex, *settings), "broker")
    assert result is Result.FAILS
    assert say.endswith('; its access list must let user "alex" read and write hrbridge/sam/#')


async def test_a_list_that_lets_no_cue_out_is_noticed(
    alex: Path, club: Callable[[str], Mosquitto], tmp_path: Path
) -> None:
    rules = ("topic read #", "topic write hrbridge/alex/status", "topic write hrbridge/alex/bridge/info")
    with club("\n".join(["user alex", *rules, "topic write hrbridge/alex/heart_rate\n"])) as broker:
        _, say = said(await examined(alex, *as_alex(broker, tmp_path)), "broker")
    assert "refuses what goes out on hrbridge/alex/cue (Not authorized)" in say


async def test_nothing_of_the_test_is_kept_and_nobody_is_called_online(
    alex: Path, needs_tool: Callable[[str], str], tmp_path: Path
) -> None:
    with Mosquitto(needs_tool, tmp_path) as broker:
        await examined(alex, f'mqtt.url="{broker.url}"', 'sensor={kind="simulated"}')
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.subscribe("hrbridge/#")
            await client.subscribe("end")
            await client.publish("end", "end", qos=1)
            kept = [(str(each.topic), each.payload) async for each in until_end(client)]
    assert kept == [("hrbridge/alex/status", b"offline")]


async def until_end(client: aiomqtt.Client) -> AsyncIterator[aiomqtt.Message]:
    async for message in client.messages:
        if str(message.topic) == "end":
            return
        yield message


async def test_a_broker_that_hrbridge_shall_bring_along_and_another_has_the_port(
    alex: Path, needs_tool: Callable[[str], str], tmp_path: Path
) -> None:
    with Mosquitto(needs_tool, tmp_path) as broker:
        found = await examined(alex, f'mqtt.url="embedded:{broker.port}"', 'sensor={kind="simulated"}')
    assert said(found, "broker")[0] is Result.FAILS
    assert f"cannot use port {broker.port}" in said(found, "broker")[1]


# -- who listens, and who runs already --


async def test_nobody_listens(alex: Path, needs_tool: Callable[[str], str], tmp_path: Path) -> None:
    with Mosquitto(needs_tool, tmp_path) as broker:
        found = await examined(alex, f'mqtt.url="{broker.url}"', 'sensor={kind="simulated"}')
    assert said(found, "headset") == (
        Result.HINT,
        "none listens to hrbridge/alex/cue: nobody would hear the cues; start hrbridge headset",
    )


async def answering(follower: Follower, *, playing: bool) -> list[Cued]:
    """What a headset does with cues."""
    cues: list[Cued] = []
    async with asyncio.timeout(IN_TIME_S):
        async for happened in follower:
            if isinstance(happened, Cued):
                cues.append(happened)
                await follower.acknowledge(happened, played=happened.verdict.play)
                if happened.verdict.play or not playing:
                    break
    return cues


async def test_a_headset_answers_and_plays_nothing_of_the_test(
    alex: Path, needs_tool: Callable[[str], str], tmp_path: Path
) -> None:
    with Mosquitto(needs_tool, tmp_path) as broker:
        async with Follower(Mqtt(url=broker.url), "alex", "headset", MonotonicClock()) as headset:
            answers = asyncio.create_task(answering(headset, playing=False))
            found = await examined(alex, f'mqtt.url="{broker.url}"', 'sensor={kind="simulated"}')
            (cued,) = await answers
    assert said(found, "headset") == (Result.OK, f"{headset.name} answers")
    assert cued.verdict.why == "malformed: v"


async def test_asked_to_speak_the_headset_plays_what_was_found(
    alex: Path, needs_tool: Callable[[str], str], tmp_path: Path
) -> None:
    with Mosquitto(needs_tool, tmp_path) as broker:
        async with Follower(Mqtt(url=broker.url), "alex", "headset", MonotonicClock()) as headset:
            answers = asyncio.create_task(answering(headset, playing=True))
            settings = [f'mqtt.url="{broker.url}"', 'sensor={kind="simulated"}', 'headset.device="none such"']
            found = await examined(alex, *settings, speak=True)
            spoken = (await answers)[-1].cue.say
    assert said(found, "spoken") == (Result.OK, f'{headset.name} played "{spoken}"')
    assert spoken.startswith("Ready to run.")


async def test_an_hrbridge_that_runs_already_is_asked_and_not_disturbed(
    alex: Path, needs_tool: Callable[[str], str], tmp_path: Path
) -> None:
    with Mosquitto(needs_tool, tmp_path) as broker:
        async with coaching(Mqtt(url=broker.url)) as bridge, aiomqtt.Client("127.0.0.1", broker.port) as client:
            bridge.take(step(phase=Phase.WAITING))
            await client.subscribe("hrbridge/alex/state")
            await anext(aiter(client.messages))
            await client.subscribe("hrbridge/alex/#")
            found = await examined(alex, f'mqtt.url="{broker.url}"', 'sensor={kind="simulated"}')
            await client.publish("hrbridge/alex/end", "end", qos=1)
            heard = {}
            async for message in client.messages:
                heard[str(message.topic).removeprefix("hrbridge/alex/")] = bytes(message.payload)
                if "end" in heard:
                    break
    assert said(found, "bridge") == (
        Result.HINT,
        "hrbridge runs for alex already: waiting, 141 bpm, trust good; "
        "to run by hand, first sudo systemctl stop hrbridge@alex",
    )
    assert heard["status"] == b"online"
    assert "cue" not in heard


# -- Bluetooth and the strap --


async def test_no_d_bus(alex: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    found = await examined(alex)
    assert said(found, "bluetooth") == (Result.FAILS, "look for Bluetooth: no D-Bus: sudo systemctl start dbus")


async def test_no_bluetoothd(alex: Path, bluez: FakeBluez) -> None:
    await bluez.crash()
    says = "look for Bluetooth: bluetoothd does not answer: sudo systemctl start bluetooth"
    assert said(await examined(alex), "bluetooth") == (Result.FAILS, says)


async def test_bluetooth_is_switched_off(alex: Path, bluez: FakeBluez) -> None:
    bluez.power(False)
    result, say = said(await examined(alex), "bluetooth")
    assert (
        result,
        say.endswith("Bluetooth is switched off: bluetoothctl power on; if that fails rfkill unblock bluetooth"),
    ) == (Result.FAILS, True)


async def test_no_adapter(alex: Path, bluez: FakeBluez) -> None:
    bluez.unplug()
    says = "look for Bluetooth: no Bluetooth adapter: is the dongle plugged in?"
    assert said(await examined(alex), "bluetooth") == (Result.FAILS, says)


def test_an_old_bluez_is_named() -> None:
    assert daemon("5.50").say == "BlueZ 5.50 is older than 5.55: sudo apt upgrade bluez"
    assert daemon("5.66").result is Result.OK


async def test_no_strap(alex: Path, bluez: FakeBluez, strap: Strap) -> None:
    strap.advertises = False
    result, say = said(await examined(alex), "strap")
    assert (result, say.split("?")[0]) == (
        Result.FAILS,
        f"{MINE} not heard: worn, wet, not connected to a phone or watch",
    )


async def test_another_strap_is_here(alex: Path, bluez: FakeBluez, strap: Strap) -> None:
    strap.advertises = False
    bluez.straps.append(Strap(OTHER, "HRM-Dual", rssi_dbm=-70))
    result, say = said(await examined(alex, look_s=1.5), "strap")
    assert result is Result.FAILS
    assert say.startswith(f"your strap ({MINE}) isn't here; another is: HRM-Dual ({OTHER})")


async def test_of_two_straps_none_is_guessed(alex: Path, worn: FakeBluez) -> None:
    worn.straps.append(Strap(OTHER, "HRM-Dual", rssi_dbm=-62))
    result, say = said(await examined(alex, 'sensor.address=""'), "strap")
    assert result is Result.FAILS
    assert say.startswith("2 straps in range: ")
    assert say.endswith("say which is yours: hrbridge pair CONFIG")


async def test_a_strap_by_its_name(alex: Path, worn: FakeBluez) -> None:
    found = await examined(alex, 'sensor.address=""', 'sensor.name="Polar"', look_s=5)
    assert said(found, "pulse") == (Result.OK, "104 bpm")


@pytest.mark.parametrize(
    ("packet", "result", "says"),
    [
        (NOT_WORN, Result.FAILS, "none: connected, but without a pulse: worn, and wet?"),
        (LOOSE, Result.HINT, "104 bpm, but no contact with the skin: wet the strap, and tighten it"),
    ],
)
async def test_a_strap_that_is_not_worn(
    alex: Path, bluez: FakeBluez, strap: Strap, packet: str, result: Result, says: str
) -> None:
    heart = asyncio.create_task(beat(bluez, strap, packet))
    found = await examined(alex)
    heart.cancel()
    assert said(found, "pulse") == (result, says)


async def test_a_battery_that_is_low(alex: Path, worn: FakeBluez, strap: Strap) -> None:
    strap.services = heart_rate_services(12)
    found = await examined(alex, look_s=5)
    assert said(found, "battery") == (Result.HINT, "Its battery is at 12 %: change it before a long run.")


async def test_a_strap_that_something_else_holds(alex: Path, bluez: FakeBluez, strap: Strap) -> None:
    bluez.link(strap)
    result, say = said(await examined(alex, look_s=5), "strap")
    assert result is Result.HINT
    assert "in use by another program" in say


async def test_a_second_strap_and_a_treadmill_that_are_not_there(alex: Path, worn: FakeBluez) -> None:
    found = await examined(alex, f'sensor.fallback_address="{OTHER}"', 'sensor.speed_name="FitRun"')
    assert said(found, "second strap")[0] is Result.HINT
    assert said(found, "speed")[1].startswith("FitRun not heard")


def test_a_strap_that_is_known_to_drop_gets_the_advice_until_it_is_followed(tmp_path: Path) -> None:
    conf = tmp_path / "main.conf"
    conf.write_text("[General]\nName = BlueZ\n[LE]\n#MinConnectionInterval=\n")
    advice = parameters("Polar H10 1234ABCD", conf)
    assert advice is not None
    assert "MinConnectionInterval=6, MaxConnectionInterval=3200, ConnectionSupervisionTimeout=1000" in advice.say
    conf.write_text("[LE]\nMinConnectionInterval=6\nMaxConnectionInterval=3200\nConnectionSupervisionTimeout=1000\n")
    followed = parameters("Polar H10 1234ABCD", conf)
    assert followed is not None
    assert followed.result is Result.OK
    assert parameters("HRM-Dual", conf) is None


# -- the machine --


def test_a_journal_of_runs(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    Journal(path, create=True).close()
    found = list(machine.journal(path, "alex"))
    assert said(found, "journal") == (Result.OK, f"{path}: 0 runs")
    assert said(found, "disk")[0] is Result.OK


def test_a_journal_that_is_none_any_more(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    path.write_bytes(b"not a database at all" * 100)
    result, say = said(list(machine.journal(path, "alex")), "journal")
    assert result is Result.HINT
    assert say.endswith("; a run would set it aside and begin a new one")


def test_a_journal_of_a_newer_hrbridge(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    with Journal(path, create=True) as journal:
        journal._db.execute("PRAGMA user_version = 99")
    result, say = said(list(machine.journal(path, "alex")), "journal")
    assert (result, say) == (Result.FAILS, f"{path}: written by a newer hrbridge (schema 99): use that one")


def test_a_journal_that_another_hrbridge_writes(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    with recording_alone(path, "alex"):
        found = list(machine.journal(path, "alex"))
    says = "another hrbridge records the runs of alex: a second one would not be kept"
    assert said(found, "recording") == (Result.HINT, says)


@pytest.fixture
def small_disk(tmp_path: Path) -> AsyncIterator[Path]:
    """Of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("may not mount a disk here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_disk_that_is_full(small_disk: Path) -> None:
    with pytest.raises(OSError, match="No space"):
        (small_disk / "filler").write_bytes(bytes(2_000_000))
    result, say = said(list(machine.journal(small_disk / "journal.sqlite3", "alex")), "disk")
    assert result is Result.FAILS
    assert "No space left on device: free some space" in say


def test_a_disk_that_is_too_small_for_a_run(small_disk: Path) -> None:
    found = list(machine.journal(small_disk / "journal.sqlite3", "alex"))
    says = f"{small_disk}: 1 MB are free, not enough for a run: free some space"
    assert said(found, "disk") == (Result.FAILS, says)


def test_a_disk_that_may_only_be_read(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    result, say = said(list(machine.journal(small_disk / "journal.sqlite3", "alex")), "disk")
    assert result is Result.FAILS
    assert "Read-only file system" in say


def test_room_is_told_in_hours() -> None:
    free_bytes = machine.BESIDE_BYTES + 10 * machine.BYTES_PER_HOUR
    assert machine.room(free_bytes, Path("/")).say == "/: room for 10 hours of running: free some space soon"
    assert machine.room(free_bytes + 100 * machine.BYTES_PER_HOUR, Path("/")).say == "/: room for 110 hours"


def test_a_board_that_does_not_know_the_date() -> None:
    assert machine.date(Moment(0.0, right=True, boot_id="", boot_s=1.0)).result is Result.OK
    assert machine.date(Moment(0.0, right=False, boot_id="", boot_s=1.0)).say == (
        "not known yet, for nobody has told this board: runs are dated as soon as a network does"
    )


def test_a_sound_card_that_is_not_there() -> None:
    pytest.importorskip("miniaudio")
    finding = machine.sound(Headset(device="no such card"))
    assert finding is not None
    assert finding.result is Result.HINT


@pytest.mark.parametrize(("alarm", "result"), [("0", Result.OK), ("1", Result.HINT)])
def test_a_supply_that_is_too_weak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alarm: str, result: Result) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for number, name in enumerate(("cpu_thermal", "rpi_volt")):
        (tmp_path / f"hwmon{number}").mkdir()
        (tmp_path / f"hwmon{number}" / "name").write_text(f"{name}\n")
    (tmp_path / "hwmon1" / "in0_lcrit_alarm").write_text(f"{alarm}\n")
    finding = machine.power(tmp_path)
    assert finding is not None
    assert finding.result is result


def test_a_supply_that_was_too_weak_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vcgencmd").write_text("#!/bin/sh\necho throttled=0x50000\n")
    (tmp_path / "vcgencmd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    finding = machine.power(tmp_path)
    assert finding is not None
    assert finding.say.startswith("was too weak since this machine was switched on")


def test_a_machine_that_cannot_tell_of_its_supply_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.power(tmp_path) is None


# -- the command --


def test_the_command_tells_and_ends_with_one_when_a_run_would_fail(
    hrbridge: Callable[..., object], alex: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    ended = hrbridge("doctor", alex)
    assert (ended.code, ended.err) == (1, "")
    assert "fails  bluetooth      look for Bluetooth: no D-Bus: sudo systemctl start dbus\n" in ended.out
    assert ended.out.endswith("Not ready: bluetooth.\n")


def test_the_command_as_json(
    hrbridge: Callable[..., object], alex: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    ended = hrbridge("doctor", "--config", alex, "--json", "--runner", "sam")
    document = json.loads(ended.out)
    assert (ended.code, document["ready"]) == (1, False)
    assert document["checks"][0]["check"] == "configuration"
    assert document["checks"][0]["say"].startswith("Runner sam,")
    assert {each["result"] for each in document["checks"]} <= {"ok", "hint", "fails"}


def test_the_findings_in_a_breath() -> None:
    fine, low = Finding("broker", Result.OK, ""), Finding("battery", Result.HINT, "")
    gone = Finding("strap", Result.FAILS, "")
    assert doctor.in_words([fine]) == "Ready to run."
    assert doctor.in_words([fine, low]) == "Ready to run. Look at battery."
    assert doctor.in_words([fine, low, gone]) == "Not ready: strap."
