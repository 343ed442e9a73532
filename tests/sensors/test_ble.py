"""A strap, a second one, a treadmill, a foot pod: which is listened to, and that none disturbs another."""

from __future__ import annotations

import logging

import pytest
from ble_listener import (
    BEAT,
    FAST,
    MINE,
    OTHER,
    hear,
    next_event,
    send_each_tenth_of_a_second,
    sensor,
    told,
    warnings,
)
from fake_bluez import Strap, foot_pod_services, treadmill_services, uuid
from msgspec.structs import replace

from hrbridge.events import Sample, SignalBack, SignalLost, Speed
from hrbridge.sensors import ble as module
from hrbridge.sensors import radio
from hrbridge.sensors.ble import Floor
from hrbridge.sensors.link import Role
from hrbridge.sensors.radio import Timings

BELT = "C8:00:00:00:00:03"
TEN_KM_H = "0000 e803"
TEN_SPM_RUNNING = "04 0003 aa"  # 3 m/s, 170 steps a minute


@pytest.fixture
def watch():
    return Strap(OTHER, "Forerunner 255")


@pytest.fixture
def treadmill():
    return Strap(BELT, "Treadmill 7", advertised=[uuid(0x1826)], services=treadmill_services())


@pytest.fixture
def foot_pod():
    return Strap(BELT, "Stryd", advertised=[uuid(0x1814)], services=foot_pod_services())


# two heart-rate sensors: who is listened to


class Talk:
    """Feeds a Floor second by second."""

    def __init__(self):
        self.floor = Floor(Timings())
        self.at_s = 0.0

    def seconds(self, n, *, first=None, second=None):
        """``n`` seconds in which the sensors say so many beats per minute, or nothing; returns what is passed on."""
        passed = []
        for _ in range(n):
            self.at_s += 1.0
            for role, bpm in ((Role.FIRST, first), (Role.SECOND, second)):
                if bpm is not None:
                    passed += self.floor.take(role, Sample(self.at_s, heart_rate_bpm=bpm or None, source=role))
        return passed

    def lose(self, role):
        return self.floor.take(role, SignalLost(self.at_s, why="silent for 5 s"))


def sources(events):
    return [event.source for event in events]


def test_of_two_sensors_that_both_speak_the_first_is_heard():
    assert set(sources(Talk().seconds(60, first=140, second=150))) == {Role.FIRST}


def test_the_second_is_heard_when_the_first_is_silent():
    talk = Talk()
    talk.seconds(10, first=140, second=150)
    quiet = talk.seconds(4, second=150)
    lost = talk.lose(Role.FIRST)
    back, *samples = talk.seconds(20, second=150)
    assert quiet == []
    assert [type(event) for event in (*lost, back)] == [SignalLost, SignalBack]
    assert sources(samples) == [Role.SECOND] * 20


def test_a_first_sensor_that_has_no_reading_is_silent():
    talk = Talk()
    talk.seconds(10, first=140, second=150)
    assert sources(talk.seconds(10, first=0, second=150))[-3:] == [Role.SECOND] * 3


def test_the_first_gets_the_word_back_after_ten_steady_seconds():
    talk = Talk()
    talk.seconds(10, first=140, second=150)
    talk.lose(Role.FIRST)
    talk.seconds(20, second=150)
    heard = talk.seconds(20, first=140, second=150)
    assert sources(heard) == [Role.SECOND] * 10 + [Role.FIRST] * 10


def test_a_first_sensor_that_comes_and_goes_does_not_get_the_word_back():
    talk = Talk()
    talk.seconds(10, first=140, second=150)
    talk.lose(Role.FIRST)
    heard = []
    for _ in range(5):
        heard += talk.seconds(6, second=150)
        heard += talk.seconds(6, first=140, second=150)
        talk.lose(Role.FIRST)
    assert {event.source for event in heard if isinstance(event, Sample)} == {Role.SECOND}


def test_when_both_are_silent_the_first_that_speaks_is_heard_at_once():
    talk = Talk()
    talk.seconds(10, first=140, second=150)
    talk.lose(Role.FIRST)
    talk.seconds(10, second=150)
    lost = talk.lose(Role.SECOND)
    talk.seconds(30)
    back, sample = talk.seconds(1, first=140)
    assert [type(event) for event in (*lost, back)] == [SignalLost, SignalBack]
    assert sample.source == Role.FIRST


def test_the_end_of_a_sensor_that_nobody_listens_to_is_no_loss():
    talk = Talk()
    talk.seconds(10, first=140, second=150)
    assert talk.lose(Role.SECOND) == []


def test_at_the_start_the_first_sensor_has_half_a_minute_to_be_found():
    talk = Talk()
    assert talk.seconds(29, second=150) == []
    assert sources(talk.seconds(10, second=150))[-5:] == [Role.SECOND] * 5


def test_the_battery_of_the_second_sensor_is_not_taken_for_the_straps():
    floor = Floor(Timings(first_choice_s=0.0))
    (sample,) = floor.take(Role.SECOND, Sample(1.0, heart_rate_bpm=150, battery_percent=5))
    assert sample.battery_percent is None


def test_a_battery_read_while_nobody_listens_is_told_with_the_next_beat_that_is():
    talk = Talk()
    talk.seconds(10, first=140, second=150)
    talk.lose(Role.FIRST)
    talk.seconds(10, second=150)
    talk.floor.take(Role.FIRST, Sample(talk.at_s + 0.5, heart_rate_bpm=140, battery_percent=15))
    heard = talk.seconds(20, first=140, second=150)
    told = [(event.source, event.battery_percent) for event in heard if event.battery_percent is not None]
    assert told == [(Role.FIRST, 15)]


async def test_every_session_is_told_of_the_battery(bluez, strap):
    async with sensor(address=MINE) as ble:
        await hear(ble, bluez, strap)
        await bluez.until(lambda: "ReadValue" in bluez.calls)
        first = [(await hear(ble, bluez, strap)).battery_percent for _ in range(10)]
        aiter(ble)
        second = [(await hear(ble, bluez, strap)).battery_percent for _ in range(10)]
    assert [percent for percent in first if percent is not None] == [87]
    assert second == [87] + [None] * 9


async def test_a_watch_takes_over_and_the_strap_gets_the_word_back(bluez, strap, watch):
    bluez.straps.append(watch)
    quick = replace(FAST, lost_after_s=0.3, reconnect_after_s=0.6, give_back_s=0.3)
    async with sensor(quick, address=MINE, fallback_address=OTHER) as ble:
        await hear(ble, bluez, strap)
        await bluez.subscribed(watch)
        strap.advertises = False
        bluez.drop(strap)
        lost = await next_event(ble, SignalLost)
        send_each_tenth_of_a_second(bluez, watch, [BEAT] * 30)
        back, taken_over = await next_event(ble, SignalBack), await next_event(ble, Sample)
        strap.advertises = True
        await bluez.subscribed(strap)
        send_each_tenth_of_a_second(bluez, strap, [BEAT] * 30)
        given_back = taken_over
        while given_back.source != MINE:
            given_back = await next_event(ble, Sample)
    assert lost.why == "disconnected"
    assert taken_over.source == OTHER
    assert lost.at_s <= back.at_s <= taken_over.at_s <= given_back.at_s


@pytest.mark.parametrize("settings", [{"fallback_address": OTHER}, {"fallback_name": "forerunner"}])
async def test_an_unnamed_strap_is_not_confused_with_the_named_second_one(bluez, strap, watch, settings):
    bluez.straps.append(watch)
    async with sensor(**settings) as ble:
        sample = await hear(ble, bluez, strap)
    assert sample.source == MINE


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"name": "Polar", "fallback_address": OTHER}, id="the-first-could-be-both"),
        pytest.param({"address": MINE, "fallback_name": "Polar"}, id="the-second-could-be-both"),
        pytest.param({"name": "Polar H10", "fallback_name": "Polar"}, id="the-longer-name-says-more"),
        pytest.param({"name": "Polar", "fallback_name": "Polar Verity"}, id="the-other-way-round"),
    ],
)
async def test_two_whose_names_begin_alike_are_told_apart(bluez, strap, watch, caplog, settings):
    watch.name = "Polar Verity"
    bluez.straps.append(watch)
    async with sensor(**settings) as ble:
        sample = await hear(ble, bluez, strap)
        await bluez.subscribed(watch)
    assert sample.source == MINE
    assert warnings(caplog) == []


async def test_one_strap_is_never_first_and_second_at_once(bluez, strap, watch):
    watch.name = "Polar Verity"
    async with sensor(name="Polar", fallback_name="Polar") as ble:
        await hear(ble, bluez, strap)
        bluez.straps.append(watch)
        await bluez.subscribed(watch)
        sample = await hear(ble, bluez, strap)
    assert sample.source == MINE
    assert bluez.calls.count("StartNotify") == 2


async def test_a_second_sensor_that_does_not_answer_does_not_keep_the_strap_waiting(bluez, strap, watch):
    strap.advertises = watch.answers = False
    bluez.straps.append(watch)
    async with sensor(replace(FAST, connect_s=30.0), address=MINE, fallback_address=OTHER) as ble:
        await bluez.until(lambda: "Connect" in bluez.calls)
        strap.advertises = True
        sample = await hear(ble, bluez, strap)
    assert sample.source == MINE


async def test_a_watch_that_broadcasts_only_later_is_the_second_sensor_then(bluez, strap, watch):
    broadcast, watch.services = watch.services, {uuid(0x180F): []}
    bluez.straps.append(watch)
    async with sensor(replace(FAST, left_out_s=0.02), address=MINE, fallback_address=OTHER) as ble:
        await told("the run goes on without second heart rate")
        await bluez.until(lambda: not bluez.connected(watch))
        bluez.forget(watch)
        watch.services = broadcast
        await bluez.subscribed(watch)
        sample = await hear(ble, bluez, strap)
    assert sample.source == MINE


async def test_a_second_sensor_that_is_not_there_does_not_disturb(bluez, strap, caplog):
    async with sensor(address=MINE, fallback_address=OTHER) as ble:
        await told("not connected to a phone or watch? Still looking")
        await hear(ble, bluez, strap)
        await bluez.notify(strap, *[BEAT] * 10)
        samples = [await next_event(ble, Sample) for _ in range(10)]
    assert len(samples) == 10
    assert len(warnings(caplog)) == 1


async def test_a_second_sensor_that_is_not_there_does_not_keep_the_strap_waiting(bluez, strap):
    async with sensor(replace(FAST, scan_s=30.0), address=MINE, fallback_address=OTHER) as ble:
        sample = await hear(ble, bluez, strap)
    assert sample.source == MINE


async def test_a_second_sensor_that_is_not_there_is_not_looked_for_without_a_pause(bluez, strap):
    async with sensor(
        replace(FAST, retry_first_s=60.0, strap_retry_max_s=60.0), address=MINE, fallback_address=OTHER
    ) as ble:
        await told("not connected to a phone or watch? Still looking")
        await bluez.until(lambda: bluez.calls.count("StopDiscovery") == bluez.calls.count("StartDiscovery"))
        scans = bluez.calls.count("StartDiscovery")
        await hear(ble, bluez, strap)
        await bluez.notify(strap, *[BEAT] * 50)
        assert bluez.calls.count("StartDiscovery") == scans


async def test_a_second_sensor_without_heart_rate_is_left_out_and_the_run_goes_on(bluez, strap, watch):
    watch.services = {uuid(0x180F): []}
    bluez.straps.append(watch)
    async with sensor(address=MINE, fallback_address=OTHER) as ble:
        await told("the run goes on without second heart rate")
        sample = await hear(ble, bluez, strap)
    assert sample.heart_rate_bpm == 120


async def test_never_two_calls_at_once_and_none_in_mid_scan(bluez, strap, watch, treadmill):
    bluez.straps += [watch, treadmill]
    async with sensor(address=MINE, fallback_address=OTHER, speed_address=BELT) as ble:
        await hear(ble, bluez, strap)
        await bluez.subscribed(watch)
        await bluez.subscribed(treadmill, 0x2ACD)
    assert bluez.called_at_once == 1
    assert not bluez.called_while_scanning


async def test_leaving_disconnects_all_of_them(bluez, strap, watch, treadmill):
    bluez.straps += [watch, treadmill]
    async with sensor(address=MINE, fallback_address=OTHER, speed_address=BELT) as ble:
        await hear(ble, bluez, strap)
        await bluez.subscribed(watch)
        await bluez.subscribed(treadmill, 0x2ACD)
    assert [bluez.connected(each) for each in bluez.straps] == [False] * 3


# speed


async def test_a_treadmill_tells_speed_beside_the_heart_rate(bluez, strap, treadmill):
    bluez.straps.append(treadmill)
    async with sensor(address=MINE, speed_address=BELT) as ble:
        await hear(ble, bluez, strap)
        await bluez.subscribed(treadmill, 0x2ACD)
        await bluez.notify(treadmill, TEN_KM_H, short=0x2ACD)
        speed = await next_event(ble, Speed)
    assert (speed.speed_m_s, speed.source) == (2.778, BELT)


async def test_a_foot_pod_is_found_by_its_name(bluez, strap, foot_pod):
    bluez.straps.append(foot_pod)
    async with sensor(address=MINE, speed_name="stryd") as ble:
        await hear(ble, bluez, strap)
        await bluez.subscribed(foot_pod, 0x2A53)
        await bluez.notify(foot_pod, TEN_SPM_RUNNING, short=0x2A53)
        speed = await next_event(ble, Speed)
    assert (speed.speed_m_s, speed.cadence_spm) == (3.0, 170)


async def test_a_treadmill_that_is_switched_off_is_no_loss_of_heart_rate(bluez, strap, treadmill):
    bluez.straps.append(treadmill)
    async with sensor(address=MINE, speed_address=BELT) as ble:
        await hear(ble, bluez, strap)
        await bluez.subscribed(treadmill, 0x2ACD)
        await bluez.notify(treadmill, TEN_KM_H, short=0x2ACD)
        await next_event(ble, Speed)
        bluez.drop(treadmill)
        await told("speed lost: disconnected", level=logging.INFO)
        await bluez.subscribed(treadmill, 0x2ACD)
        await bluez.notify(treadmill, TEN_KM_H, short=0x2ACD)
        event = await anext(ble)
    assert isinstance(event, Speed)


async def test_a_treadmill_that_stands_still_is_not_asked_whether_it_is_worn(bluez, strap, treadmill, monkeypatch):
    monkeypatch.setattr(module, "SPEED_LOST_AFTER_S", 0.1)
    monkeypatch.setattr(module, "SPEED_RECONNECT_AFTER_S", 0.1)
    strap.advertises = False
    bluez.straps.append(treadmill)
    async with sensor(address=MINE, speed_address=BELT):
        await told("connected, then silent for 0.1 s")
    assert bluez.powered == []


async def test_a_device_that_knows_no_speed_is_left_out_and_the_run_goes_on(bluez, strap, watch):
    bluez.straps.append(watch)
    async with sensor(address=MINE, speed_address=OTHER) as ble:
        await told("the run goes on without speed")
        sample = await hear(ble, bluez, strap)
    assert sample.heart_rate_bpm == 120


async def test_nothing_is_ever_written_to_a_treadmill(bluez, strap, treadmill):
    bluez.straps.append(treadmill)
    async with sensor(address=MINE, speed_address=BELT) as ble:
        await hear(ble, bluez, strap)
        await bluez.subscribed(treadmill, 0x2ACD)
    assert "WriteValue" not in bluez.calls


# our own mistakes


async def test_a_mistake_of_ours_in_the_radio_is_heard(bluez, monkeypatch):
    monkeypatch.setattr(radio, "BleakScanner", None)
    async with sensor(address=MINE) as ble:
        with pytest.raises(ExceptionGroup, match="unhandled errors in a TaskGroup"):
            await next_event(ble, Sample)
