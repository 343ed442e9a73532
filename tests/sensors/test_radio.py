"""Adapter, bluetoothd and D-Bus come and go; the run goes on."""

from __future__ import annotations

import asyncio
import logging

import pytest
from ble_listener import FAST, IMPATIENT, MINE, OTHER, SWITCHED_OFF, hear, listening, next_event, sensor, told, warnings
from fake_bluez import FakeBluez, Strap, private_bus, uuid
from msgspec.structs import replace

from hrbridge.events import SignalLost
from hrbridge.sensors import radio as module
from hrbridge.sensors.radio import Radio
from hrbridge.timeline import MonotonicClock


async def test_a_radio_switched_off_is_waited_for_and_told_once(bluez, strap, caplog):
    bluez.power(False)
    async with sensor(address=MINE) as ble:
        await told(SWITCHED_OFF)
        bluez.power(True)
        sample = await hear(ble, bluez, strap)
    assert sample.heart_rate_bpm == 120
    assert [message.partition(": ")[2] for message in warnings(caplog)] == [SWITCHED_OFF]


@pytest.mark.parametrize("pull", [lambda bluez: bluez.power(False), lambda bluez: bluez.unplug()], ids=["off", "gone"])
async def test_a_radio_that_goes_in_mid_run_and_comes_back_is_used_again(bluez, strap, pull):
    async with listening(bluez, strap) as ble:
        pull(bluez)
        lost = await next_event(ble, SignalLost)
        bluez.plug_in()
        sample = await hear(ble, bluez, strap)
    assert lost.why == "disconnected"
    assert sample.heart_rate_bpm == 120


async def test_a_crash_of_bluetoothd_is_survived(bluez, strap):
    async with listening(bluez, strap) as ble:
        await bluez.crash()
        lost = await next_event(ble, SignalLost)
        await bluez.start()
        sample = await hear(ble, bluez, strap)
    assert lost.why == "bluetoothd ended"
    assert sample.heart_rate_bpm == 120


async def test_bluetoothd_may_start_after_us(bus, strap):
    async with sensor(address=MINE) as ble:
        await told("bluetoothd does not answer: sudo systemctl start bluetooth")
        async with FakeBluez(bus, strap) as bluez:
            sample = await hear(ble, bluez, strap)
    assert sample.heart_rate_bpm == 120


async def test_dbus_may_start_after_us(needs_tool, tmp_path, monkeypatch, strap):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address := f"unix:path={tmp_path}/bus")
    async with sensor(address=MINE) as ble:
        await told("no D-Bus: sudo systemctl start dbus")
        with private_bus(needs_tool("dbus-daemon"), tmp_path):
            async with FakeBluez(address, strap) as bluez:
                sample = await hear(ble, bluez, strap)
    assert sample.heart_rate_bpm == 120


async def test_a_restart_of_dbus_is_survived(needs_tool, tmp_path, monkeypatch, strap):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address := f"unix:path={tmp_path}/bus")
    async with sensor(address=MINE) as ble:
        with private_bus(needs_tool("dbus-daemon"), tmp_path):
            async with FakeBluez(address, strap) as bluez:
                await hear(ble, bluez, strap)
        lost = await next_event(ble, SignalLost)
        with private_bus(needs_tool("dbus-daemon"), tmp_path):
            async with FakeBluez(address, strap) as bluez:
                sample = await hear(ble, bluez, strap)
    assert lost.why == "bluetoothd ended"
    assert sample.heart_rate_bpm == 120


async def test_a_radio_switched_off_and_on_in_mid_scan_is_scanned_with_again(bluez, strap):
    strap.advertises = False
    async with sensor(address=MINE) as ble:
        await bluez.until(lambda: "StartDiscovery" in bluez.calls)
        bluez.power(False)
        bluez.power(True)  # BlueZ has ended the scan and says nothing
        strap.advertises = True
        sample = await hear(ble, bluez, strap)
    assert sample.heart_rate_bpm == 120


async def test_a_busy_adapter_is_waited_for_and_told_once(bluez, strap, caplog):
    bluez.discovery_errors = [("org.bluez.Error.InProgress", "Operation already in progress")] * 4
    async with sensor(address=MINE) as ble:
        await hear(ble, bluez, strap)
    assert warnings(caplog) == [
        "look for sensors: the adapter is busy, or hangs: does another program scan, or a second hrbridge run?"
    ]


async def test_a_bluetoothd_that_has_no_adapter_for_a_moment_after_it_came_is_asked_again_at_once(bluez, strap, caplog):
    slow = replace(FAST, retry_first_s=0.2, radio_retry_max_s=60.0)
    async with listening(bluez, strap, slow) as ble:
        await bluez.crash()
        for _ in range(3):
            await told("bluetoothd has ended: sudo systemctl start bluetooth", level=logging.DEBUG)
        bluez.discovery_errors = [("org.freedesktop.DBus.Error.UnknownObject", "no such\nmethod\n")]
        await bluez.start()
        await told("look for sensors: the adapter is not ready yet", level=logging.DEBUG)
        sample = await hear(ble, bluez, strap, within_s=0.5)
    assert sample.heart_rate_bpm == 120
    assert warnings(caplog) == ["bluetoothd has ended: sudo systemctl start bluetooth"]


async def test_a_restart_of_bluetoothd_that_passes_is_not_worth_a_word(bluez, strap, caplog):
    async with listening(bluez, strap) as ble:
        await bluez.crash()
        await bluez.start()
        bluez.discovery_errors = [("org.freedesktop.DBus.Error.UnknownObject", "no such method")]
        await hear(ble, bluez, strap)
    assert warnings(caplog) == []


async def test_a_crash_of_bluetoothd_is_known_at_once(bluez, strap):
    """Not after seconds of silence: the bus tells who has left it."""
    async with listening(bluez, strap, replace(FAST, lost_after_s=60.0, reconnect_after_s=60.0)) as ble:
        await bluez.crash()
        lost = await next_event(ble, SignalLost, within_s=1.0)
        await bluez.start()
        sample = await hear(ble, bluez, strap)
    assert lost.why == "bluetoothd ended"
    assert sample.heart_rate_bpm == 120


async def test_the_scan_begins_again_when_bluetoothd_comes_not_when_the_pause_is_over(bus, strap):
    slow = replace(FAST, retry_first_s=60.0, radio_retry_max_s=60.0)
    why = "bluetoothd does not answer: sudo systemctl start bluetooth"
    tried = asyncio.create_task(told(why, level=logging.DEBUG))  # it is told while the sensor is being opened
    async with sensor(slow, address=MINE) as ble:
        await tried
        async with FakeBluez(bus, strap) as bluez:
            sample = await hear(ble, bluez, strap)
    assert sample.heart_rate_bpm == 120


async def test_once_opened_it_looks_already(bluez):
    async with sensor(address=MINE):
        assert bluez._scanning


class Fast:
    """A clock for which every look is twenty seconds later."""

    def __init__(self):
        self.at_s = 0.0

    def now_s(self):
        self.at_s += 20.0
        return self.at_s


async def test_the_runners_own_command_resets_a_dead_adapter_and_not_too_often(bluez, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    reset = tmp_path / "reset"
    bluez.power(False)
    clock = Fast()
    radio = Radio(clock, FAST, ("sh", "-c", f"echo once >>{reset}"))
    keeping = asyncio.create_task(radio.keep())
    with radio.listening(every=False):
        await told("[sensor] recovery_command ended with 0")
        first_s = clock.at_s
        await told("[sensor] recovery_command ended with 0")
        second_s = clock.at_s
    keeping.cancel()
    await asyncio.wait({keeping})
    assert reset.read_text() == "once\nonce\n"
    assert first_s >= 60
    assert second_s - first_s >= 300


async def test_a_recovery_command_that_does_not_exist_is_told(bluez, tmp_path):
    bluez.power(False)
    radio = Radio(Fast(), FAST, ("/no/such/command",))
    keeping = asyncio.create_task(radio.keep())
    with radio.listening(every=False):
        await told("[sensor] recovery_command: /no/such/command: No such file or directory")
    keeping.cancel()
    await asyncio.wait({keeping})
    assert "StartDiscovery" not in bluez.calls


async def test_who_listens_on_and_on_hears_again_after_the_radio_was_off_and_on(bluez, strap):
    radio = Radio(MonotonicClock(), FAST)
    keeping = asyncio.create_task(radio.keep())
    with radio.listening(every=True) as ear:
        async with asyncio.timeout(3.0):
            await ear.get()
            bluez.power(False)
            bluez.power(True)  # BlueZ has ended the scan and says nothing
            bluez.forget(strap)
            while not ear.empty():
                ear.get_nowait()
            heard = await ear.get()
    keeping.cancel()
    await asyncio.wait({keeping})
    assert heard.device.address == MINE


async def test_an_adapter_whose_firmware_hung_is_switched_off_and_on(bluez, strap):
    """As seen on a real kernel: it goes on holding a link that BlueZ believes ended, so the strap is not heard."""
    async with listening(bluez, strap, replace(IMPATIENT, mute_s=0.1, scan_s=30.0)) as ble:
        strap.advertises = False
        await next_event(ble, SignalLost)
        bluez.when_powered_on = lambda: setattr(strap, "advertises", True)
        await bluez.until(lambda: not bluez.connected(strap))
        sample = await hear(ble, bluez, strap)
    assert sample.heart_rate_bpm == 120


async def test_an_adapter_whose_firmware_hung_and_refuses_to_connect_is_switched_off_and_on(bluez, strap):
    async with listening(bluez, strap, replace(IMPATIENT, mute_s=30.0)) as ble:
        strap.connect_errors = [("org.bluez.Error.Failed", "Input/output error")] * 1000
        await next_event(ble, SignalLost)
        bluez.when_powered_on = strap.connect_errors.clear
        await bluez.until(lambda: not bluez.connected(strap))
        sample = await hear(ble, bluez, strap)
    assert sample.heart_rate_bpm == 120


async def test_one_connection_that_fails_after_a_silence_is_no_hung_firmware(bluez, strap):
    async with listening(bluez, strap, replace(IMPATIENT, mute_s=30.0)) as ble:
        await next_event(ble, SignalLost)
        strap.connect_errors = [("org.bluez.Error.Failed", "Input/output error")]
        await bluez.until(lambda: not bluez.connected(strap))
        await hear(ble, bluez, strap)
    assert bluez.powered == []


async def test_an_adapter_that_something_else_is_connected_to_is_never_switched_off(bluez, strap):
    headphones = Strap(OTHER, "Headphones", advertised=[uuid(0x110B)], services={})
    bluez.straps.append(headphones)
    bluez.link(headphones)
    async with listening(bluez, strap, replace(IMPATIENT, mute_s=0.1, scan_s=0.1)) as ble:
        strap.advertises = False
        await next_event(ble, SignalLost)
        await told("does it still broadcast? Still looking")
        strap.advertises = True
        await hear(ble, bluez, strap)
    assert bluez.powered == []


async def test_an_adapter_is_never_switched_off_for_a_strap_that_just_went_away(bluez, strap):
    async with listening(bluez, strap, replace(FAST, mute_s=0.05, scan_s=0.1)) as ble:
        strap.advertises = False
        bluez.drop(strap)
        await next_event(ble, SignalLost)
        await told("does it still broadcast? Still looking")
        strap.advertises = True
        await hear(ble, bluez, strap)
    assert bluez.powered == []


async def test_an_adapter_that_refuses_to_be_switched_off_is_switched_on(bluez, strap):
    """While the firmware hangs BlueZ refuses; nothing may leave the adapter off."""
    bluez.refuses_power_off = True
    async with listening(bluez, strap, replace(IMPATIENT, mute_s=0.1, scan_s=0.1)) as ble:
        strap.advertises = False
        await next_event(ble, SignalLost)
        await bluez.until(lambda: bluez.powered)
        strap.advertises = True
        await hear(ble, bluez, strap)
    assert bluez.powered == [True]


async def test_an_adapter_is_not_switched_off_for_a_strap_that_is_not_worn(bluez, strap, caplog):
    async with sensor(replace(IMPATIENT, mute_s=0.05), address=MINE):
        await bluez.until(lambda: bluez.calls.count("StartNotify") == 3)
    assert bluez.powered == []


async def test_an_adapter_is_switched_off_once_for_a_strap_that_was_taken_off(bluez, strap, monkeypatch):
    monkeypatch.setattr(module, "POWER_CYCLE_EVERY_S", 0.0)
    async with listening(bluez, strap, replace(IMPATIENT, mute_s=0.05, scan_s=0.1)) as ble:
        strap.advertises = False
        await next_event(ble, SignalLost)
        await bluez.until(lambda: bluez.powered)
        scans = bluez.calls.count("StartDiscovery")
        await bluez.until(lambda: bluez.calls.count("StartDiscovery") == scans + 5)
    assert bluez.powered == [False, True]


async def test_an_adapter_that_refuses_to_be_switched_on_is_asked_again(bluez, strap):
    bluez.power_on_errors = [("org.bluez.Error.Busy", "busy")]
    async with listening(bluez, strap, replace(IMPATIENT, mute_s=0.1, scan_s=30.0)) as ble:
        strap.advertises = False
        await next_event(ble, SignalLost)
        bluez.when_powered_on = lambda: setattr(strap, "advertises", True)
        await bluez.until(lambda: not bluez.connected(strap))
        sample = await hear(ble, bluez, strap)
    assert sample.heart_rate_bpm == 120


async def test_a_bluetoothd_that_comes_while_an_attempt_fails_is_asked_again_at_once(bluez):
    bluez.discovery_errors = [("org.bluez.Error.NotReady", "Resource Not Ready")]
    radio = Radio(MonotonicClock(), replace(FAST, retry_first_s=60.0, radio_retry_max_s=60.0))
    keeping = asyncio.create_task(radio.keep())
    with radio.listening(every=False):
        await bluez.until(lambda: "StartDiscovery" in bluez.calls)
        radio.bluetoothd.came.set()
        await bluez.until(lambda: bluez.calls.count("StartDiscovery") == 2)
    keeping.cancel()
    await asyncio.wait({keeping})
    assert bluez.discovery_errors == []


async def test_an_adapter_that_hangs_for_long_is_switched_off_and_on_soon_after(bluez, strap, monkeypatch):
    monkeypatch.setattr(module, "POWER_CYCLE_EVERY_S", 0.0)
    bluez.refuses_power_off = True
    async with listening(bluez, strap, replace(IMPATIENT, mute_s=0.1, scan_s=30.0)) as ble:
        strap.advertises = False
        await next_event(ble, SignalLost)
        await bluez.until(lambda: bluez.powered)
        bluez.refuses_power_off = False
        bluez.when_powered_on = lambda: setattr(strap, "advertises", True)
        sample = await hear(ble, bluez, strap)
    assert sample.heart_rate_bpm == 120


async def test_two_that_call_one_after_the_other_do_not_wait_for_a_scan_in_between(bluez):
    radio = Radio(MonotonicClock(), replace(FAST, scan_s=30.0))
    keeping = asyncio.create_task(radio.keep())

    async def call():
        async with radio.calling():
            await bluez.until(lambda: True)

    with radio.listening(every=False):
        await bluez.until(lambda: "StartDiscovery" in bluez.calls)
        async with asyncio.timeout(3.0):  # a scan takes 30 s
            async with radio.calling():
                second = asyncio.create_task(call())
                await asyncio.sleep(0)  # it waits now, behind the next scan
            await second
    keeping.cancel()
    await asyncio.wait({keeping})
    assert second.done()
