"""Does Bluetooth work, is the strap there, is it worn, and how long will its battery last?"""

from __future__ import annotations

import asyncio
import configparser
import re
import shutil
import sys
from collections.abc import Awaitable
from pathlib import Path

from bleak import BleakAdapter

from hrbridge.config import Sensor
from hrbridge.doctor.finding import Finding, Tell, fails, hint, ok
from hrbridge.doctor.network import Bridge
from hrbridge.ports import Clock
from hrbridge.sensors.ble import all_wanted
from hrbridge.sensors.calls import Trouble, bounded
from hrbridge.sensors.gatt import HEART_RATE_SERVICE
from hrbridge.sensors.link import OWN_STRAP_LEAD_DB, PARAMETERS_HINT, Role, Wanted
from hrbridge.sensors.survey import Found, Survey

ANSWER_S = 5.0
# The first BlueZ that Bleak supports.
OLDEST_BLUEZ = 5.55
# A pulse comes within three seconds, five after a call that failed, and an unnamed strap may have rivals.
LOOK_S = 10.0
MAIN_CONF = Path("/etc/bluetooth/main.conf")
# Straps that were seen to drop every 30 or 150 s (see link.py), and what keeps them.
DROPPING = ("Polar H7", "Polar H9", "Polar H10")
PARAMETERS = ("MinConnectionInterval", "MaxConnectionInterval", "ConnectionSupervisionTimeout")


async def look(settings: Sensor, bridge: Awaitable[Bridge | None], clock: Clock, tell: Tell, look_s: float) -> None:
    try:
        await bounded("look for Bluetooth", BleakAdapter.get(), ANSWER_S)
    except Trouble as trouble:
        tell(fails("bluetooth", str(trouble)))
        return
    tell(daemon(await _version()))
    wanted, *others = all_wanted(settings)

    def enough(found: list[Found]) -> bool:
        mine = [each for each in found if _is(wanted, each)]
        known = wanted.address or wanted.name
        heard = all(any(_is(other, each) for each in found) for other in others)
        return bool(known and heard and mine and (mine[0].heart_rate_bpm or mine[0].in_use))

    async with Survey(clock, address=settings.address) as survey:
        await survey.until(enough, look_s)
        found = survey.found()
        if not survey.radio_works and not found:  # what is held already is found before the scan
            tell(fails("bluetooth", "the adapter was lost meanwhile: is something else resetting it?"))
            return
        # Told before hanging up, which takes seconds.
        mine = await strap(wanted, found, bridge, tell)
        if mine is not None and not mine.in_use:
            tell(pulse(mine))
            tell(battery(mine))
            if (advice := parameters(mine.name, MAIN_CONF)) is not None:
                tell(advice)
        for other in others:
            tell(second(other, found))


def _is(wanted: Wanted, found: Found) -> bool:
    return wanted.fits(found.address, found.name, (HEART_RATE_SERVICE,) if found.is_strap else ())


# the daemon


async def _version() -> str:
    """Of BlueZ; empty where nobody tells."""
    program = shutil.which("bluetoothctl")
    if sys.platform != "linux" or program is None:
        return ""
    process = await asyncio.create_subprocess_exec(
        program, "--version", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    number = re.search(r"\d+\.\d+", said.decode(errors="replace"))
    return number[0] if number is not None else ""


def daemon(version: str) -> Finding:
    if version and float(version) < OLDEST_BLUEZ:
        return hint("bluetooth", f"BlueZ {version} is older than {OLDEST_BLUEZ}: sudo apt upgrade bluez")
    return ok("bluetooth", f"BlueZ {version or 'runs'}, with an adapter that is switched on")


# the strap


async def strap(wanted: Wanted, found: list[Found], bridge: Awaitable[Bridge | None], tell: Tell) -> Found | None:
    """The runner's own, as far as that can be known."""
    from hrbridge.pairing import in_words
    from hrbridge.strap_list import REMEDY

    mine = [each for each in found if _is(wanted, each)]
    if not mine:
        others = [each for each in found if each.is_strap]
        if others and (wanted.address or wanted.name):
            there = "; ".join(in_words(each) for each in others)
            isare = "another is" if len(others) == 1 else f"{len(others)} others are"
            tell(fails("strap", f"your strap ({wanted}) isn't here; {isare}: {there}; hrbridge pair takes another"))
        else:
            tell(fails("strap", f"{wanted} not heard: {REMEDY}"))
        return None
    if len(mine) > 1 and not _is_clear(mine):
        there = "; ".join(in_words(each) for each in mine)
        tell(fails("strap", f"{len(mine)} straps in range: {there}; say which is yours: hrbridge pair CONFIG"))
        return None
    chosen = max(mine, key=lambda each: each.rssi_dbm or 0)
    if not chosen.in_use:
        tell(ok("strap", in_words(chosen)))
    elif (running := await bridge) is not None:
        tell(ok("strap", f"{chosen}, held by the hrbridge that runs: {running}"))
    elif "hrbridge" in chosen.why:
        tell(fails("strap", f"{chosen}: {chosen.why}: stop that one first"))
    else:
        tell(hint("strap", f"{chosen}: {chosen.why}; hrbridge takes over a link that was left, and shares no other"))
    return chosen


def _is_clear(rivals: list[Found]) -> bool:
    """Whether a run would know the strongest for the runner's own."""
    strengths = sorted(each.rssi_dbm for each in rivals if each.rssi_dbm is not None)
    return len(strengths) == len(rivals) and strengths[-1] - strengths[-2] >= OWN_STRAP_LEAD_DB


def pulse(mine: Found) -> Finding:
    if mine.heart_rate_bpm is None:
        return fails("pulse", f"none: {mine.why or 'is the strap worn, and wet?'}")
    if mine.contact is False:
        return hint("pulse", f"{mine.heart_rate_bpm} bpm, but no contact with the skin: wet the strap, and tighten it")
    return ok("pulse", f"{mine.heart_rate_bpm} bpm")


def battery(mine: Found) -> Finding:
    from hrbridge.pairing import warnings

    if said := warnings(mine):
        return hint("battery", " ".join(said))
    if mine.battery_percent is None:
        return ok("battery", "this strap does not tell")
    return ok("battery", f"{mine.battery_percent} %")


def parameters(name: str, main_conf: Path) -> Finding | None:
    """For a strap that some adapters lose every half minute or so."""
    if not name.startswith(DROPPING):
        return None
    conf = configparser.ConfigParser(strict=False, interpolation=None)
    conf.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        conf.read(main_conf)
    except configparser.Error:
        return hint("main.conf", f"{main_conf} cannot be read; bluetoothd reads none of it either")
    if all(conf.has_option("LE", key) for key in PARAMETERS):
        return ok("main.conf", "the connection of this strap is set")
    return hint("main.conf", f"only if it drops every 30 or 150 s: {PARAMETERS_HINT}")


def second(wanted: Wanted, found: list[Found]) -> Finding:
    """Another sensor of ``[sensor]``; a run goes on without it."""
    check = "second strap" if wanted.role is Role.SECOND else "speed"
    for each in found:
        if _is(wanted, each):
            return ok(check, f"{each} is there")
    return hint(
        check, f"{wanted} not heard: switched on, and not connected to something else? A run goes on without it"
    )
