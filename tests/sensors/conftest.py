"""A strap on the fake BlueZ, for whoever asks for it."""

from __future__ import annotations

import pytest
from ble_listener import MINE
from fake_bluez import FakeBluez, Strap, private_bus


@pytest.fixture
def bus(needs_tool, tmp_path, monkeypatch):
    address = f"unix:path={tmp_path}/bus"
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    with private_bus(needs_tool("dbus-daemon"), tmp_path):
        yield address


@pytest.fixture
def strap():
    return Strap(MINE)


@pytest.fixture
async def bluez(bus, strap):
    async with FakeBluez(bus, strap) as bluez:
        yield bluez
