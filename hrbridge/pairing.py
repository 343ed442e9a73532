"""Which of the straps in range is mine, and how a configuration remembers it."""

from __future__ import annotations

import contextlib
import os
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Item, Key, Table

from hrbridge import config
from hrbridge.config import Config
from hrbridge.errors import OutputError, SensorError, UsageError
from hrbridge.sensors.survey import Found

# A pulse counted for 10 s is wrong by up to one beat, which makes 6 bpm.
NEAR_BPM = 6.0
LOW_BATTERY_PERCENT = 20


# choosing: each raises SensorError


def choose(found: Sequence[Found], pulse_bpm: float | None, address: str) -> Found:
    """The one with this address, or with this pulse, or the only one."""
    if address:
        return with_address(found, address)
    return only(found) if pulse_bpm is None else with_pulse(found, pulse_bpm)


def with_address(found: Sequence[Found], address: str) -> Found:
    """That one, as far as it was heard and measures heart rate."""
    for each in found:
        if each.address == address.upper():
            if each.kinds and not each.is_strap:
                raise SensorError(f"{each} tells speed: it goes into [sensor] speed_address")
            if each.is_strap:
                return each
            raise SensorError(f"{each}: {each.why}")
    raise SensorError(f"{address} not heard: worn, wet, not connected to a phone or watch?")


def with_pulse(found: Sequence[Found], bpm: float) -> Found:
    """The only one that shows about this pulse."""
    near = [each for each in found if each.heart_rate_bpm and abs(each.heart_rate_bpm - bpm) <= NEAR_BPM]
    if len(near) == 1:
        return near[0]
    shows = f"{len(near)} straps show" if near else "no strap shows"
    raise SensorError(f"{shows} {bpm:g} bpm, give or take {NEAR_BPM:g}: count again, or name yours with --address")


def only(found: Sequence[Found]) -> Found:
    """The only strap in range."""
    straps = [each for each in found if each.is_strap]
    if len(straps) == 1:
        return straps[0]
    raise SensorError(
        f"{len(straps) or 'no'} straps in range: say which is yours with --pulse BPM or --address ADDRESS"
    )


def settled(found: Sequence[Found], address: str) -> bool:
    """Whether more time would tell no more of that one."""
    return any(each.address == address.upper() and (each.heart_rate_bpm or each.in_use) for each in found)


# telling


def in_words(found: Found) -> str:
    """``Polar H10 (A0:9E:1A:11:22:33), 120 bpm, -60 dBm, battery 87 %``."""
    values = ((found.heart_rate_bpm, " bpm"), (found.rssi_dbm, " dBm"))
    words = [str(found), *(f"{value}{unit}" for value, unit in values if value is not None)]
    if found.battery_percent is not None:
        words.append(f"battery {found.battery_percent} %")
    if found.why:
        words.append(found.why)
    return ", ".join(words)


def warnings(found: Found) -> list[str]:
    """What the runner should know before the first run with it."""
    lines = []
    if found.battery_percent is not None and found.battery_percent <= LOW_BATTERY_PERCENT:
        lines.append(f"Its battery is at {found.battery_percent} %: change it before a long run.")
    if found.changes_address and found.name:
        lines.append("It changes its address now and then, so it is remembered by its name.")
    elif found.changes_address:
        lines.append("It changes its address now and then and has no name: this will not hold for long.")
    return lines


def lines(found: Found) -> str:
    """What a configuration says to mean this strap and no other."""
    return tomlkit.dumps({"sensor": _keys(found)}).rstrip()


def _keys(found: Found) -> dict[str, str]:
    by_name = found.changes_address and found.name
    return {"kind": "ble", "name": found.name} if by_name else {"kind": "ble", "address": found.address}


# remembering


def check(path: Path, shipped: Path) -> None:
    """Raises UsageError where there is no configuration, ConfigError for one that is wrong already."""
    if not path.exists():
        raise UsageError(
            f"{path}: no such file: first copy there {shipped / 'pi.toml'} (a Pi with a broker of its own) "
            f"or {shipped / 'treadmill.toml'} (a laptop, no broker)"
        )
    _read(path)


def _read(path: Path) -> dict[str, Any]:
    raw = config.read_toml(path)
    config.convert(raw, Config, str(path))
    return raw


def remember(path: Path, found: Found) -> None:
    """Write the strap into a configuration, and nothing else.

    The file is replaced in one step, by one that was read back and found
    right. Raises ConfigError when it is wrong before, OutputError when it
    cannot be written; it is then as it was.
    """
    target = path.resolve()  # a link stays one
    try:
        changed = _with_strap(path, _keys(found))
        if not os.access(target, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            raise PermissionError(13, "Permission denied")
        _replace(target, changed)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}; put these lines in by hand") from error


def _with_strap(path: Path, keys: dict[str, str]) -> str:
    """The text of a configuration with these keys in ``[sensor]``; all else, comments too, is as before."""
    wanted = _read(path)
    wanted["sensor"] = {k: v for k, v in wanted.get("sensor", {}).items() if k not in ("name", "address")} | keys
    try:
        document = tomlkit.parse(path.read_bytes())
        sensor: Any = document.setdefault("sensor", tomlkit.table())
        before = list(sensor.value.body) if isinstance(sensor, Table) else []
        notes = [_remove(sensor, key) for key in {"name", "address"} - keys.keys()]
        for key, value in keys.items():
            if sensor.get(key) != value:
                sensor[key] = value
        if isinstance(sensor, Table):
            for note in filter(None, notes):
                sensor.add(tomlkit.comment(note))
            _close_up(sensor.value.body, before)
        changed = tomlkit.dumps(document)
        config.convert(tomllib.loads(changed), Config, str(path))
        if tomllib.loads(changed) == wanted:
            return changed
    except (TOMLKitError, tomllib.TOMLDecodeError):
        pass  # a way to write TOML that tomlkit does not know
    raise OutputError(f"{path}: written in a way that cannot be changed here; put these lines in by hand")


def _remove(table: Any, key: str) -> str:
    """Take a key out; returns it with what was noted beside it, if there was something."""
    if key not in table:
        return ""
    old: Item = table[key]
    del table[key]
    return f"{key} = {old.as_string()}  {old.trivia.comment}" if old.trivia.comment else ""


def _close_up(body: list[tuple[Key | None, Item]], before: list[tuple[Key | None, Item]]) -> None:
    """Move what is new behind the last key: tomlkit puts it behind what is said of the next table."""
    keys, items = {key for key, _ in before if key is not None}, {id(item) for _, item in before}
    is_old = [id(item) in items or key in keys for key, item in body]
    new = [entry for entry, old in zip(body, is_old, strict=True) if not old]
    old = [entry for entry, old in zip(body, is_old, strict=True) if old]
    last = max((number for number, (key, _) in enumerate(old, start=1) if key is not None), default=0)
    body[:] = old[:last] + new + old[last:]


def _replace(target: Path, text: str) -> None:
    before = target.stat()
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
        try:
            file.write(text.encode())
            file.flush()
            for owner in ((-1, before.st_gid), (before.st_uid, -1)):
                with contextlib.suppress(OSError):  # only root may give files away
                    os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), before.st_mode & 0o7777)
            os.fsync(file.fileno())
            Path(file.name).replace(target)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
