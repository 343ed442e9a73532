"""Everybody's straps in one room: what each shows, and whom the survey leaves alone."""

from __future__ import annotations

import asyncio

import pytest
from ble_listener import BEAT, FAST, MINE, OTHER
from fake_bluez import Char, Strap, foot_pod_services, treadmill_services, uuid
from msgspec.structs import replace

from hrbridge.sensors import survey as module
from hrbridge.sensors.claim import claimed
from hrbridge.sensors.survey import NO_HEART_RATE, NO_PULSE, SILENT, TOO_MANY, Found, Kind, Survey
from hrbridge.timeline import MonotonicClock

IN_USE = "in use by another program"


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """Fake straps advertise fifty times as often as real ones."""
    monkeypatch.setattr(module, "HEAR_FIRST_S", 0.06)


def survey(timings=FAST, address=""):
    return Survey(MonotonicClock(), timings, address=address)


async def seen(survey, condition, address=MINE, within_s=3.0):
    """What is found of a device once something holds for it; whatever it is then, when it never does."""

    def enough(found):
        return any(condition(each) for each in found if each.address == address)

    await survey.until(enough, within_s)
    (found,) = [each for each in survey.found() if each.address == address]
    return found


def has_pulse(found):
    return found.heart_rate_bpm is not None


async def pulse(survey, bluez, strap, packet=BEAT):
    """The strap once it shows a pulse."""
    await bluez.subscribed(strap)
    await bluez.notify(strap, packet)
    return await seen(survey, has_pulse, strap.address)


def band(number, rssi_dbm):
    return Strap(f"C4:00:00:00:00:{number:02X}", f"Band {number}", rssi_dbm=rssi_dbm)


# what is listed


async def test_a_strap_shows_pulse_strength_battery_name_and_address(bluez, strap):
    async with survey() as around:
        found = await pulse(around, bluez, strap)
    assert found == Found(
        address=MINE,
        name="Polar H10 1234ABCD",
        kinds=(Kind.HEART_RATE,),
        rssi_dbm=-60,
        heart_rate_bpm=120,
        battery_percent=87,
        contact=True,
    )


async def test_the_pulse_is_live(bluez, strap):
    async with survey() as around:
        await pulse(around, bluez, strap)
        await bluez.notify(strap, "00 7b")
        found = await seen(around, lambda found: found.heart_rate_bpm == 123)
    assert found.heart_rate_bpm == 123


@pytest.mark.parametrize(
    ("service", "services", "kind"),
    [(0x1826, treadmill_services, Kind.TREADMILL), (0x1814, foot_pod_services, Kind.FOOT_POD)],
)
async def test_what_tells_speed_is_listed_and_not_called(bluez, strap, service, services, kind):
    bluez.straps.append(Strap(OTHER, "Speedy", advertised=[uuid(service)], services=services()))
    async with survey() as around:
        await pulse(around, bluez, strap)
        found = await seen(around, lambda found: True, OTHER)
    assert (found.kinds, found.why) == ((kind,), "")
    assert bluez.calls.count("Connect") == 1


async def test_what_has_nothing_to_do_with_running_is_not_listed(bluez, strap):
    bluez.straps.insert(0, Strap(OTHER, "Keyboard", advertised=[uuid(0x1812)], services={}))
    async with survey() as around:
        await pulse(around, bluez, strap)
        addresses = [found.address for found in around.found()]
    assert addresses == [MINE]


async def test_a_watch_that_changes_its_address_is_known_as_one(bluez, strap):
    bluez.straps.append(Strap("5B:00:00:00:00:07", "Forerunner 255", address_type="random"))
    async with survey() as around:
        watch = await seen(around, lambda found: True, "5B:00:00:00:00:07")
        other = await seen(around, lambda found: True)
    assert (watch.changes_address, other.changes_address) == (True, False)


async def test_a_watch_that_does_not_announce_heart_rate_is_found_by_its_address(bluez, strap):
    strap.advertised = []
    async with survey(address=MINE.lower()) as around:
        found = await pulse(around, bluez, strap)
    assert found.is_strap


async def test_a_named_device_without_heart_rate_says_so_and_is_called_once(bluez, strap):
    strap.advertised = []
    strap.services = {uuid(0x180F): [Char(uuid(0x2A19), ["read"], b"\x50")]}
    async with survey(address=MINE) as around:
        found = await seen(around, lambda found: found.why == NO_HEART_RATE)
        await bluez.until(lambda: bluez.calls.count("StartDiscovery") == 3)
    assert (found.why, found.is_strap) == (NO_HEART_RATE, False)
    assert bluez.calls.count("Connect") == 1


# calling


async def test_of_seven_straps_the_five_strongest_are_called_one_at_a_time(bluez):
    bluez.straps[:] = bands = [band(number, -90 + 5 * number) for number in range(7)]
    async with survey() as around:
        for each in bands[2:]:
            await pulse(around, bluez, each)
        weak = [await seen(around, lambda found: found.why == TOO_MANY, each.address) for each in bands[:2]]
    assert [found.why for found in weak] == [TOO_MANY, TOO_MANY]
    assert bluez.calls.count("Connect") == 5
    assert bluez.called_at_once == 1
    assert not bluez.called_while_scanning


async def test_a_strap_that_refuses_stays_listed_with_the_reason_and_is_called_again(bluez, strap):
    strap.connect_errors = [("org.bluez.Error.Failed", "le-connection-refused")]
    async with survey() as around:
        refused = await seen(around, lambda found: "refused" in found.why)
        found = await pulse(around, bluez, strap)
    assert refused.why.endswith("le-connection-refused")
    assert (found.heart_rate_bpm, found.why) == (120, "")


async def test_a_strap_that_does_not_answer_holds_nobody_up_for_long(bluez, strap):
    strap.answers = False
    bluez.straps.append(other := band(1, -80))
    async with survey() as around:
        await pulse(around, bluez, other)
        found = await seen(around, lambda found: "no answer" in found.why)
    assert found.why == "connect: no answer"


async def test_a_device_that_wants_to_be_bonded_says_so(bluez, strap):
    strap.wants_bond = True
    async with survey() as around:
        found = await seen(around, lambda found: "bond" in found.why)
    assert found.why.startswith("subscribe: it wants to be bonded: set [sensor] bond = true")


async def test_a_battery_that_cannot_be_read_is_left_out(bluez, strap):
    strap.char(0x2A19).value = None
    async with survey() as around:
        found = await pulse(around, bluez, strap)
    assert (found.heart_rate_bpm, found.battery_percent) == (120, None)


@pytest.mark.parametrize(
    ("packets", "why"),
    [(["00 00"], NO_PULSE), ([], SILENT), (["", "01 50"], SILENT)],
    ids=["off-body", "silent", "junk"],
)
async def test_a_strap_without_a_pulse_says_why(bluez, strap, packets, why):
    async with survey(replace(FAST, lost_after_s=0.2)) as around:
        await bluez.subscribed(strap)
        await bluez.notify(strap, *packets)
        found = await seen(around, lambda found: found.why == why)
    assert (found.heart_rate_bpm, found.why) == (None, why)


async def test_a_pulse_that_ends_is_not_shown_any_longer(bluez, strap):
    async with survey(replace(FAST, lost_after_s=0.2)) as around:
        await pulse(around, bluez, strap)
        found = await seen(around, lambda found: not has_pulse(found))
    assert (found.heart_rate_bpm, found.why) == (None, SILENT)


async def test_a_strap_that_is_lost_is_called_again(bluez, strap):
    async with survey() as around:
        await pulse(around, bluez, strap)
        bluez.drop(strap)
        lost = await seen(around, lambda found: not has_pulse(found))
        found = await pulse(around, bluez, strap)
    assert lost.why == "disconnected"
    assert found.heart_rate_bpm == 120


async def test_a_crash_of_bluetoothd_is_survived(bluez, strap):
    async with survey() as around:
        await pulse(around, bluez, strap)
        await bluez.crash()
        lost = await seen(around, lambda found: not has_pulse(found))
        await bluez.start()
        found = await pulse(around, bluez, strap)
    assert lost.why == "bluetoothd ended"
    assert found.heart_rate_bpm == 120


async def test_without_bluetooth_nothing_is_found(bluez):
    bluez.power(False)
    async with survey() as around:
        await around.until(bool, 0.1)
        assert (around.found(), around.radio_works) == ([], False)


# what is in use


async def test_a_strap_that_was_connected_before_is_listed_and_left_alone(bluez, strap):
    bluez.link(strap)
    bluez.straps.append(other := band(1, -80))
    async with survey() as around:
        await pulse(around, bluez, other)
        found = await seen(around, lambda found: found.in_use)
    assert (found.rssi_dbm, found.heart_rate_bpm, found.why) == (None, None, IN_USE)
    assert bluez.connected(strap)
    assert bluez.calls.count("Connect") == bluez.calls.count("Disconnect") == 1


async def test_a_strap_that_somebody_connects_before_we_call_is_left_alone(bluez, strap, monkeypatch):
    monkeypatch.setattr(module, "HEAR_FIRST_S", 0.3)
    async with survey() as around:
        await seen(around, lambda found: True)
        bluez.link(strap)
        found = await seen(around, lambda found: found.in_use)
    assert found.why == IN_USE
    assert bluez.connected(strap)
    assert "Disconnect" not in bluez.calls


async def test_a_strap_that_another_hrbridge_holds_is_listed_and_left_alone(bluez, strap, monkeypatch):
    monkeypatch.setattr(module, "ASK_AGAIN_S", 0.1)
    async with survey() as around:
        with claimed(MINE):
            held = await seen(around, lambda found: found.in_use)
            await bluez.until(lambda: bluez.calls.count("StartDiscovery") == 2)
            assert "Connect" not in bluez.calls
        found = await pulse(around, bluez, strap)
    assert (held.rssi_dbm, held.why) == (-60, "in use by another hrbridge")
    assert (found.in_use, found.heart_rate_bpm) == (False, 120)


# leaving


async def test_leaving_disconnects_every_strap(bluez):
    bluez.straps[:] = bands = [band(number, -60) for number in range(5)]
    async with survey() as around:
        for each in bands:
            await pulse(around, bluez, each)
    assert not any(bluez.connected(each) for each in bands)
    assert bluez.calls.count("Disconnect") == 5


async def test_leaving_in_mid_call_hangs_up(bluez, strap):
    strap.answers = False
    async with survey(replace(FAST, connect_s=30.0)):
        await bluez.until(lambda: "Connect" in bluez.calls)
    assert "Disconnect" in bluez.calls


async def test_leaving_while_one_strap_does_not_let_go_ends_in_time(bluez, strap):
    bluez.straps.append(other := band(1, -80))
    async with survey(replace(FAST, disconnect_s=30.0, leave_s=0.3)) as around:
        await pulse(around, bluez, strap)
        await pulse(around, bluez, other)
        strap.disconnect_hangs = True
        left_s = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - left_s < 1.0
    assert not bluez.connected(other)
