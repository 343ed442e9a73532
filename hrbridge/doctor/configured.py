"""Is the configuration right, with all that it names: plan, recording, faults, devices?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hrbridge import config, wiring
from hrbridge.config import Config, Plan, SensorKind
from hrbridge.control import plan as plans
from hrbridge.doctor.finding import Finding, Tell, fails, hint, ok
from hrbridge.errors import HrbridgeError

NONE_GIVEN = "none given: looked at any strap and a broker on this machine; hrbridge doctor CONFIG looks at yours"

NO_SUDO = (
    "[sensor] recovery_command: a service has no sudo; without it, hrbridge install-service --config FILE "
    "gives it leave to restart Bluetooth"
)


def look(path: Path | None, overrides: Sequence[str], tell: Tell) -> Config | None:
    """What is to be looked at; None where no run could begin. Without ``path`` what most have."""
    if path is None:
        tell(hint("configuration", NONE_GIVEN))
        return config.load(None, ["runner.age_years=40", "runner.resting_heart_rate_bpm=60", *overrides])
    try:
        session = wiring.session(path, overrides, sensor=None)
        settings = session.config
        tell(ok("configuration", wiring.in_words(settings, path)))
    except HrbridgeError as error:
        tell(fails("configuration", str(error)))
        return None
    tell(plan(session.plan, settings))
    if settings.sensor.recovery_command[:1] == ("sudo",):
        tell(hint("recovery", NO_SUDO))
    if settings.sensor.kind is not SensorKind.BLE:
        tell(ok("sensor", f"{session.sensor}; no strap is needed"))
    return settings


def plan(chosen: Plan, settings: Config) -> Finding:
    """What will be run, and whether anybody can know how far."""
    sensor = settings.sensor
    has_distance = sensor.kind is not SensorKind.BLE or sensor.speed_address or sensor.speed_name
    if plans.needs_distance(chosen) and not has_distance and chosen.run_pace_s_per_km is None:
        return hint(
            "plan",
            f"{chosen.name} goes by distance, and no treadmill or foot pod is named: a usual pace stands for it; "
            "set [sensor] speed_address, or run_pace_s_per_km in [plan]",
        )
    return ok("plan", f"{chosen.name}: {plans.describe(chosen)}")
