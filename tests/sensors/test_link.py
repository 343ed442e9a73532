"""A strap on a bad day, seen through unmodified Bleak and a BlueZ that can be told to misbehave."""

from __future__ import annotations

import asyncio
import logging
import sys

import pytest
from ble_listener import (
    BEAT,
    FAST,
    IMPATIENT,
    MINE,
    OTHER,
    events_until,
    hear,
    listening,
    next_event,
    open_files,
    send_each_tenth_of_a_second,
    sensor,
    told,
    warnings,
)
from bleak.backends.device import BLEDevice
from fake_bluez import Char, Strap, uuid
from msgspec.structs import replace

from hrbridge.config import Sensor
from hrbridge.errors import SensorError
from hrbridge.events import Sample, SignalBack, SignalLost
from hrbridge.sensors.ble import BleSensor
from hrbridge.sensors.link import Candidate, choose
from hrbridge.timeline import MonotonicClock


class ByHand:
    """A clock that somebody winds."""

    def __init__(self):
        self.at_s = 0.0

    def now_s(self):
        return self.at_s


def keyboard():
    return Strap("11:22:33:44:55:66", "Keyboard", advertised=[uuid(0x1812)], services={})


# finding


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"address": MINE}, id="by-address"),
        pytest.param({"address": MINE.lower()}, id="by-address-in-small-letters"),
        pytest.param({"name": "Polar H10 1234ABCD"}, id="by-name"),
        pytest.param({"name": "polar h10"}, id="by-the-beginning-of-the-name"),
        pytest.param({}, id="the-only-one-in-range"),
    ],
)
async def test_a_strap_is_found(bluez, strap, settings):
    async with sensor(**settings) as ble:
        sample = await hear(ble, bluez, strap)
    assert sample.source == MINE


@pytest.mark.parametrize("settings", [{"address": MINE}, {"name": "Polar"}])
async def test_a_named_strap_is_found_though_it_does_not_announce_heart_rate(bluez, strap, settings):
    strap.advertised = []
    async with sensor(**settings) as ble:
        sample = await hear(ble, bluez, strap)
    assert sample.source == MINE


async def test_my_strap_is_found_among_others(bluez, strap):
    bluez.straps += [Strap(OTHER, "HRM-Dual", rssi_dbm=-40), keyboard()]
    async with sensor(address=MINE) as ble:
        sample = await hear(ble, bluez, strap)
    assert sample.source == MINE


async def test_two_straps_and_none_named_is_refused_with_the_list(bluez):
    bluez.straps.append(Strap(OTHER, "HRM-Dual", rssi_dbm=-65))
    async with sensor() as ble:
        with pytest.raises(SensorError, match="2 straps") as refusal:
            await next_event(ble, Sample)
    assert "Polar H10 1234ABCD (A0:9E:1A:11:22:33) -60 dBm" in str(refusal.value)
    assert "HRM-Dual (C4:00:00:00:00:02) -65 dBm" in str(refusal.value)


async def test_two_straps_of_the_same_name_are_refused(bluez):
    bluez.straps.append(Strap(OTHER, "Polar H10 99999999"))
    async with sensor(name="Polar H10") as ble:
        with pytest.raises(SensorError, match="2 straps"):
            await next_event(ble, Sample)


async def test_of_two_straps_the_much_stronger_is_mine(bluez, strap):
    bluez.straps.append(Strap(OTHER, "HRM-Dual", rssi_dbm=-70))
    async with sensor() as ble:
        sample = await hear(ble, bluez, strap)
    assert sample.source == MINE


@pytest.mark.parametrize(
    ("mine_dbm", "other_dbm"),
    [
        pytest.param([-50, -50], [-80, -80, -80], id="heard-too-seldom"),
        pytest.param([-50, -50, -50], [-59, -59, -59], id="not-strong-enough"),
        pytest.param([-50, -80, -80], [-81, -81, -81], id="strong-only-once"),
        pytest.param([-50, -50, -50], [], id="the-other-is-connected"),
    ],
)
def test_one_strap_of_two_is_not_chosen_lightly(mine_dbm, other_dbm):
    candidates = [Candidate(BLEDevice(MINE, "Mine", {}), mine_dbm), Candidate(BLEDevice(OTHER, "Other", {}), other_dbm)]
    with pytest.raises(SensorError, match=r'name yours, for example \[sensor\] address = "A0:9E:1A:11:22:33"'):
        choose(candidates)


async def test_what_is_not_a_strap_does_not_count(bluez, strap):
    bluez.straps.append(keyboard())
    async with sensor() as ble:
        sample = await hear(ble, bluez, strap)
    assert sample.source == MINE


async def test_a_device_that_only_announces_heart_rate_is_left_aside(bluez, strap):
    battery_only = {uuid(0x180F): [Char(uuid(0x2A19), ["read"], b"\x50")]}
    strap.advertises = False
    bluez.straps.append(pretender := Strap(OTHER, "Pretender", services=battery_only))
    async with sensor() as ble:
        await bluez.until(lambda: bluez.connected(pretender))
        await bluez.until(lambda: not bluez.connected(pretender))
        strap.advertises = True
        sample = await hear(ble, bluez, strap)
    assert sample.source == MINE


async def test_a_named_device_without_heart_rate_is_an_error(bluez, strap):
    strap.services = {uuid(0x180F): [Char(uuid(0x2A19), ["read"], b"\x50")]}
    async with sensor(address=MINE) as ble:
        with pytest.raises(SensorError, match="measures no heart rate"):
            await next_event(ble, Sample)


async def test_a_strap_that_is_put_on_later_is_found_then(bluez, strap, caplog):
    strap.advertises = False
    async with sensor(address=MINE) as ble:
        await bluez.until(lambda: bluez.calls.count("StartDiscovery") == 3)
        strap.advertises = True
        await hear(ble, bluez, strap)
    assert [r.message for r in caplog.records if r.levelno == logging.WARNING and "worn, wet" in r.message] == [
        f"{MINE} not heard: worn, wet, not connected to a phone or watch? Still looking"
    ]


@pytest.mark.parametrize("settings", [{"address": MINE}, {}])
async def test_a_strap_left_connected_by_a_dead_process_is_taken_over(bluez, strap, settings):
    bluez.link(strap)
    async with sensor(**settings) as ble:
        sample = await hear(ble, bluez, strap)
    assert sample.source == MINE
    assert "Connect" not in bluez.calls


@pytest.mark.parametrize("adapter", ["/org/bluez/hci0", "/org/bluez/hci1"])
async def test_a_strap_left_connected_to_either_of_two_adapters_is_taken_over(bluez, strap, adapter):
    bluez.plug_in("/org/bluez/hci1")
    strap.adapter = adapter
    bluez.link(strap)
    async with sensor(address=MINE) as ble:
        sample = await hear(ble, bluez, strap)
    assert sample.source == MINE


async def test_a_connected_strap_and_another_in_range_is_refused(bluez, strap):
    bluez.link(strap)
    bluez.straps.append(Strap(OTHER, "HRM-Dual"))
    async with sensor() as ble:
        with pytest.raises(SensorError, match="connected already"):
            await next_event(ble, Sample)


# listening


async def test_a_sample_has_all_that_the_packet_says(bluez, strap):
    async with sensor(address=MINE) as ble:
        sample = await hear(ble, bluez, strap, "1e 93 d0 07 72 03 00 02")
    assert (sample.heart_rate_bpm, sample.contact, sample.energy_kj, sample.rr_s) == (147, True, 2000, (0.861, 0.5))


@pytest.mark.parametrize("packet", ["00 00", "00 ff"])
async def test_no_reading_is_a_sample_without_heart_rate(bluez, strap, packet):
    async with sensor(address=MINE) as ble:
        sample = await hear(ble, bluez, strap, packet)
    assert sample.heart_rate_bpm is None


async def test_equal_beats_are_as_many_samples(bluez, strap):
    async with listening(bluez, strap) as ble:
        await bluez.notify(strap, *[BEAT] * 5, "00 79")
        samples = [await next_event(ble, Sample) for _ in range(6)]
    assert [sample.heart_rate_bpm for sample in samples] == [120] * 5 + [121]


async def test_samples_come_in_order_with_the_time_of_their_arrival(bluez, strap):
    clock = MonotonicClock()
    async with BleSensor(Sensor(address=MINE), clock, FAST) as ble:
        await bluez.subscribed(strap)
        before_s = clock.now_s()
        await bluez.notify(strap, "00 64", "00 65", "00 66")
        samples = [await next_event(ble, Sample) for _ in range(3)]
    assert [sample.heart_rate_bpm for sample in samples] == [100, 101, 102]
    assert before_s - 0.001 <= samples[0].at_s <= samples[1].at_s <= samples[2].at_s <= clock.now_s()


async def test_the_battery_is_told_once_after_the_first_beat(bluez, strap):
    async with listening(bluez, strap) as ble:
        await bluez.until(lambda: "ReadValue" in bluez.calls)
        percents = [(await hear(ble, bluez, strap)).battery_percent for _ in range(10)]
    assert [percent for percent in percents if percent is not None] == [87]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(None, id="never-answered"),
        pytest.param(("org.bluez.Error.InProgress", "In Progress"), id="in-progress-for-ever"),
        pytest.param(("org.bluez.Error.NotPermitted", "Read not permitted"), id="refused"),
        pytest.param(b"", id="empty"),
    ],
)
async def test_a_battery_that_cannot_be_read_does_not_disturb(bluez, strap, answer):
    strap.char(0x2A19).value = answer
    async with listening(bluez, strap) as ble:
        await bluez.until(lambda: "ReadValue" in bluez.calls)
        samples = [await hear(ble, bluez, strap) for _ in range(10)]
    assert {sample.battery_percent for sample in samples} == {None}


async def test_packets_that_make_no_sense_never_stop_the_stream(bluez, strap):
    async with listening(bluez, strap) as ble:
        await bluez.notify(strap, "", "00", "01 50", "ff " * 20, "00 79")
        samples = [await next_event(ble, Sample) for _ in range(2)]
    assert [sample.heart_rate_bpm for sample in samples] == [0xFFFF, 121]


async def test_ten_packets_in_a_row_without_sense_reconnect_once(bluez, strap):
    async with listening(bluez, strap) as ble:
        await bluez.notify(strap, *["01 50"] * 10)
        lost = await next_event(ble, SignalLost)
        await bluez.until(lambda: not bluez.connected(strap))
        await bluez.subscribed(strap)
        await bluez.notify(strap, *["01 50"] * 10, BEAT)
        await next_event(ble, Sample)
    assert lost.why == "10 packets in a row make no sense"
    assert bluez.calls.count("Connect") == 2


async def test_a_slow_reader_finds_the_newest_beats(bluez, strap):
    async with listening(bluez, strap) as ble:
        for number in range(300):
            await bluez.notify(strap, f"01 {number % 256:02x} {number // 256:02x}")
        bluez.drop(strap)
        await bluez.subscribed(strap)
        events = await events_until(ble, SignalLost)
    assert events[-2].heart_rate_bpm == 299
    assert len(events) <= 256


# losing it


async def test_a_dropped_link_is_told_and_then_made_anew(bluez, strap):
    async with listening(bluez, strap) as ble:
        bluez.drop(strap)
        lost = await next_event(ble, SignalLost)
        await bluez.subscribed(strap)
        await bluez.notify(strap, "00 79")
        back, sample = await events_until(ble, Sample)
    assert lost.why == "disconnected"
    assert isinstance(back, SignalBack)
    assert (sample.heart_rate_bpm, sample.at_s) == (121, back.at_s)


async def test_after_fifty_losses_every_packet_still_arrives_once_and_nothing_is_left_open(bluez, strap):
    async with listening(bluez, strap) as ble:
        files, clients = open_files(), len(bluez.clients)
        for _ in range(50):
            bluez.drop(strap)
            await next_event(ble, SignalLost)
            await hear(ble, bluez, strap)
        await bluez.notify(strap, "00 79", "00 7a", "00 7b")
        samples = [await next_event(ble, Sample) for _ in range(3)]
        assert open_files() == files
    assert [sample.heart_rate_bpm for sample in samples] == [121, 122, 123]
    assert len(bluez.clients) <= clients


async def test_silence_is_told_and_a_beat_in_time_brings_the_signal_back(bluez, strap):
    async with listening(bluez, strap, replace(FAST, lost_after_s=0.2)) as ble:
        lost = await next_event(ble, SignalLost)
        await bluez.notify(strap, BEAT)
        back, _sample = await events_until(ble, Sample)
    assert lost.why == "silent for 0.2 s"
    assert isinstance(back, SignalBack)
    assert bluez.calls.count("Connect") == 1


async def test_a_strap_that_stays_silent_is_connected_anew(bluez, strap):
    async with listening(bluez, strap, IMPATIENT) as ble:
        lost = await next_event(ble, SignalLost)
        await bluez.until(lambda: not bluez.connected(strap))
        sample = await hear(ble, bluez, strap)
    assert lost.why == "silent for 0.2 s"
    assert sample.heart_rate_bpm == 120


async def test_a_strap_that_is_silent_from_the_start_is_told(bluez, strap):
    async with sensor(IMPATIENT, address=MINE) as ble:
        await told("connected, then silent for 0.4 s: is it worn, and wet?")
        await bluez.subscribed(strap)
        await bluez.notify(strap, BEAT)
        events = await events_until(ble, Sample)
    assert len(events) == 1  # what was never there is neither lost nor back


async def test_a_strap_that_drops_again_and_again_is_called_back_at_once(bluez, strap):
    async with listening(bluez, strap, replace(FAST, retry_first_s=0.02, strap_retry_max_s=30.0)) as ble:
        for _ in range(10):
            bluez.drop(strap)
            sample = await hear(ble, bluez, strap)
    assert sample.heart_rate_bpm == 120


async def test_no_reading_is_not_silence(bluez, strap):
    async with listening(bluez, strap, replace(FAST, lost_after_s=0.3)) as ble:
        send_each_tenth_of_a_second(bluez, strap, ["00 00"] * 5)
        *samples, _lost = await events_until(ble, SignalLost)
    assert len(samples) == 5


async def test_nonsense_is_silence(bluez, strap):
    async with listening(bluez, strap, replace(FAST, lost_after_s=0.2)) as ble:
        sent = send_each_tenth_of_a_second(bluez, strap, ["01 50"] * 9)
        await next_event(ble, SignalLost)
        assert len(sent) < 9


async def test_a_disconnect_that_never_ends_is_left_behind(bluez, strap):
    strap.disconnect_hangs = True
    async with listening(bluez, strap, IMPATIENT) as ble:
        await bluez.until(lambda: "Disconnect" in bluez.calls)
        bluez.drop(strap)
        sample = await hear(ble, bluez, strap)
    assert sample.heart_rate_bpm == 120


async def test_a_device_that_bluez_forgets_is_found_again(bluez, strap):
    async with listening(bluez, strap, IMPATIENT) as ble:
        bluez.forget(strap)
        lost = await next_event(ble, SignalLost)
        sample = await hear(ble, bluez, strap)
    assert lost.why == "silent for 0.2 s"
    assert sample.heart_rate_bpm == 120


async def test_in_mid_run_no_other_strap_is_taken(bluez, strap):
    async with listening(bluez, strap, name="Polar") as ble:
        strap.advertises = False
        bluez.straps.append(Strap(OTHER, strap.name, rssi_dbm=-30))
        bluez.drop(strap)
        scans = bluez.calls.count("StartDiscovery")
        await bluez.until(lambda: bluez.calls.count("StartDiscovery") == scans + 2)
        strap.advertises = True
        sample = await hear(ble, bluez, strap)
    assert sample.source == MINE


@pytest.mark.parametrize("settings", [{"name": "Polar"}, {"address": "4A:00:00:00:00:01"}, {}])
async def test_a_watch_that_changes_its_address_is_found_by_its_name(bluez, strap, settings):
    strap.address, strap.address_type = "4A:00:00:00:00:01", "random"
    async with sensor(**settings) as ble:
        await hear(ble, bluez, strap)
        strap.advertises = False
        bluez.straps.append(same := Strap("4A:00:00:00:00:02", strap.name, "random"))
        bluez.drop(strap)
        sample = await hear(ble, bluez, same)
    assert sample.heart_rate_bpm == 120
    assert sample.source == strap.address  # still the same sensor


async def test_a_nameless_watch_that_changes_its_address_is_not_confused_with_a_telephone(bluez, strap):
    strap.address, strap.address_type, strap.name = "4A:00:00:00:00:01", "random", "4A-00-00-00-00-01"
    async with sensor() as ble:
        await hear(ble, bluez, strap)
        strap.advertises = False
        telephone = Strap("5A:00:00:00:00:02", "5A-00-00-00-00-02", "random", advertised=[], services={})
        bluez.straps.append(telephone)
        bluez.drop(strap)
        scans = bluez.calls.count("StartDiscovery")
        await bluez.until(lambda: bluez.calls.count("StartDiscovery") == scans + 2)
        strap.advertises = True
        await hear(ble, bluez, strap)
    assert bluez.calls.count("Connect") == 2


async def test_troubles_that_take_turns_are_told_once_each(bluez, strap, caplog):
    strap.connect_errors = [("org.bluez.Error.Failed", "first"), ("org.bluez.Error.Failed", "second")] * 3
    async with sensor(address=MINE) as ble:
        await hear(ble, bluez, strap)
    assert [message.rpartition(" ")[2] for message in warnings(caplog)] == ["first", "second"]


async def test_a_loss_is_told_before_the_hanging_up_is_done(bluez, strap):
    strap.disconnect_hangs = True
    async with listening(bluez, strap, replace(FAST, disconnect_s=60.0, leave_s=0.1)) as ble:
        await bluez.notify(strap, *["01 50"] * 10)
        lost = await next_event(ble, SignalLost)
    assert lost.why == "10 packets in a row make no sense"


@pytest.mark.parametrize(
    "errors",
    [
        pytest.param([("org.bluez.Error.Failed", "le-connection-create-socket")] * 2, id="failed"),
        pytest.param([("org.bluez.Error.InProgress", "Operation already in progress")] * 2, id="in-progress"),
        pytest.param([("org.freedesktop.DBus.Error.UnknownObject", "no object")] * 2, id="forgotten"),
        pytest.param([("org.bluez.Error.Failed", "le-connection-abort-by-local")] * 2, id="disturbed-by-wi-fi"),
    ],
)
async def test_a_connection_that_fails_is_tried_again(bluez, strap, errors):
    strap.connect_errors = errors
    async with sensor(address=MINE) as ble:
        sample = await hear(ble, bluez, strap)
    assert sample.heart_rate_bpm == 120


async def test_a_strap_that_never_answers_the_call_is_given_up_and_called_again(bluez, strap):
    async with sensor(address=MINE) as ble:
        await bluez.until(lambda: "StartDiscovery" in bluez.calls)
        strap.answers = False
        await bluez.until(lambda: bluez.calls.count("Connect") == 2)
        strap.answers = True
        sample = await hear(ble, bluez, strap)
    assert sample.heart_rate_bpm == 120


async def test_a_device_that_bluez_forgets_before_it_is_called_is_looked_for_again(bluez, strap):
    async with sensor(address=MINE) as ble:
        await bluez.until(lambda: "StopDiscovery" in bluez.calls)
        bluez.forget(strap)
        sample = await hear(ble, bluez, strap)
    assert sample.heart_rate_bpm == 120


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(
            ("org.bluez.Error.NotPaired", "Not Paired"),
            "it wants to be bonded: set [sensor] bond = true; if it is, bluetoothctl remove ADDRESS and start again",
            id="not-paired",
        ),
        pytest.param(
            ("org.bluez.Error.Failed", "Operation failed with ATT error: 0x05"),
            "it wants to be bonded: set [sensor] bond = true; if it is, bluetoothctl remove ADDRESS and start again",
            id="authentication",
        ),
        pytest.param(
            ("org.bluez.Error.NotPermitted", "Notify acquired"),
            "[org.bluez.Error.NotPermitted] Notify acquired",
            id="taken",
        ),
    ],
)
async def test_a_subscription_that_is_refused_is_told_once_and_tried_again(bluez, strap, caplog, error, words):
    strap.subscribe_error = error
    async with sensor(replace(FAST, bond_retry_s=0.02), address=MINE):
        await bluez.until(lambda: bluez.calls.count("StartNotify") == 3)
    assert warnings(caplog) == [f"subscribe to Polar H10 1234ABCD (A0:9E:1A:11:22:33): {words}"]


async def test_a_strap_that_wants_to_be_bonded_is_when_the_configuration_says_so(bluez, strap):
    strap.wants_bond = True
    async with sensor(address=MINE, bond=True) as ble:
        sample = await hear(ble, bluez, strap)
    assert sample.heart_rate_bpm == 120
    assert bluez.calls.count("Pair") == 1


async def test_nobody_is_bonded_unasked(bluez, strap):
    async with listening(bluez, strap):
        pass
    assert "Pair" not in bluez.calls


async def test_a_bond_that_is_refused_is_told_in_words(bluez, strap, caplog):
    strap.wants_bond = True
    strap.pair_error = ("org.bluez.Error.AuthenticationFailed", "Authentication Failed")
    async with sensor(replace(FAST, bond_retry_s=0.02), address=MINE, bond=True):
        await bluez.until(lambda: bluez.calls.count("Pair") == 3)
    assert [message.partition(": ")[2][:24] for message in warnings(caplog)] == ["it wants to be bonded: s"]


async def test_a_strap_that_knows_no_bond_is_used_without_one(bluez, strap, caplog):
    strap.pair_error = ("org.bluez.Error.AuthenticationFailed", "Authentication Failed")
    async with sensor(address=MINE, bond=True) as ble:
        sample = await hear(ble, bluez, strap)
    assert sample.heart_rate_bpm == 120
    assert bluez.calls.count("Pair") == 1
    assert warnings(caplog) == []


async def test_a_bond_that_nobody_confirmed_in_time_is_asked_for_again(bluez, strap):
    strap.pair_error = ("org.bluez.Error.AuthenticationTimeout", "Authentication Timeout")
    strap.connect_errors = [("org.bluez.Error.Failed", "a watch hangs up on strangers")]
    strap.wants_bond = True
    async with sensor(address=MINE, bond=True) as ble:
        await bluez.until(lambda: "Connect" in bluez.calls)
        strap.pair_error = None
        await hear(ble, bluez, strap)
    assert [call for call in bluez.calls if call in ("Pair", "Connect")] == ["Pair", "Connect", "Pair"]


async def test_a_strap_that_drops_at_equal_intervals_gets_a_hint(bluez, strap, monkeypatch, caplog):
    clock = ByHand()
    async with BleSensor(Sensor(address=MINE), clock, FAST) as ble:
        for life_s in (150.0, 148.0, 151.0):
            await hear(ble, bluez, strap)
            clock.at_s += life_s
            bluez.drop(strap)
            await next_event(ble, SignalLost)
        await hear(ble, bluez, strap)
    assert [message.partition(": ")[0] for message in warnings(caplog)] == [
        "Polar H10 1234ABCD (A0:9E:1A:11:22:33) ends the connection every 150 s"
    ]


@pytest.mark.parametrize("lives_s", [(150.0, 90.0, 151.0), (2.0, 2.0, 2.0)], ids=["by-chance", "in-bad-air"])
async def test_a_strap_that_drops_now_and_then_gets_none(bluez, strap, caplog, lives_s):
    clock = ByHand()
    async with BleSensor(Sensor(address=MINE), clock, FAST) as ble:
        for life_s in lives_s:
            await hear(ble, bluez, strap)
            clock.at_s += life_s
            bluez.drop(strap)
            await next_event(ble, SignalLost)
        await hear(ble, bluez, strap)
    assert warnings(caplog) == []


async def test_a_watch_whose_broadcast_ends_is_asked_for_and_comes_back(bluez, strap, caplog):
    async with listening(bluez, strap, name="Polar") as ble:
        strap.advertises = False
        bluez.drop(strap)
        await next_event(ble, SignalLost)
        await told("If it is a watch: does it still broadcast? Still looking")
        strap.advertises = True
        sample = await hear(ble, bluez, strap)
    assert sample.heart_rate_bpm == 120


async def test_a_watch_pinned_by_an_address_that_will_change_is_told_once(bluez, strap, caplog):
    strap.address, strap.address_type = "4A:00:00:00:00:01", "random"
    async with sensor(address=strap.address) as ble:
        await hear(ble, bluez, strap)
        bluez.drop(strap)
        await next_event(ble, SignalLost)
        await hear(ble, bluez, strap)
    assert warnings(caplog) == [
        "Polar H10 1234ABCD (4A:00:00:00:00:01) changes its address now and then: "
        "let the configuration say name = 'Polar H10 1234ABCD' instead"
    ]


# leaving


async def test_leaving_disconnects(bluez, strap):
    async with listening(bluez, strap):
        pass
    assert not bluez.connected(strap)
    assert bluez.calls.count("Disconnect") == 1


async def test_leaving_in_mid_scan_stops_the_scan(bluez, caplog):
    caplog.set_level(logging.INFO)
    async with sensor(replace(FAST, choose_s=30.0)):
        await told("heard Polar H10 1234ABCD (A0:9E:1A:11:22:33) -60 dBm")
    assert bluez.calls.count("StopDiscovery") == 1


async def test_leaving_in_mid_call_hangs_up(bluez, strap):
    strap.answers = False
    async with sensor(address=MINE):
        await bluez.until(lambda: "Connect" in bluez.calls)
    assert "Disconnect" in bluez.calls


async def test_leaving_while_it_hangs_up_already_waits_for_that(bluez, strap):
    async with listening(bluez, strap, replace(IMPATIENT, disconnect_s=3.0)):
        strap.disconnect_hangs = True
        await bluez.until(lambda: "Disconnect" in bluez.calls)
        asyncio.get_running_loop().call_later(0.1, bluez.drop, strap)
    assert not bluez.connected(strap)


async def test_leaving_with_a_bluetoothd_that_hangs_ends_in_time(bluez, strap):
    async with asyncio.timeout(2.0):
        async with listening(bluez, strap):
            strap.disconnect_hangs = True
    assert "Disconnect" in bluez.calls


async def test_leaving_takes_four_seconds_at_most_whatever_hangs(bluez, strap):
    strap.disconnect_hangs = True
    async with asyncio.timeout(3.0):
        async with listening(bluez, strap, replace(FAST, disconnect_s=60.0, leave_s=0.5)):
            pass
    assert "Disconnect" in bluez.calls


# one process per strap

HOLDER = """
import sys, time
from hrbridge.sensors.claim import claimed
with claimed(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
async def holder(bus):
    """Another process that holds the strap."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, MINE, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    await process.stdout.readline()
    yield process
    if process.returncode is None:
        process.kill()
        await process.wait()


async def test_a_strap_that_another_hrbridge_holds_is_refused_and_left_alone(bluez, strap, holder):
    bluez.link(strap)
    async with sensor(address=MINE) as ble:
        with pytest.raises(SensorError) as refusal:
            await next_event(ble, Sample)
    assert str(refusal.value) == (
        f"A0:9E:1A:11:22:33 is in use by another hrbridge (process {holder.pid}): stop that one first"
    )
    assert "Disconnect" not in bluez.calls


async def test_a_strap_whose_holder_was_killed_is_free(bluez, strap, holder):
    holder.kill()
    await holder.wait()
    async with sensor(address=MINE) as ble:
        sample = await hear(ble, bluez, strap)
    assert sample.heart_rate_bpm == 120
