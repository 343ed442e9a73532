"""What would go wrong on a run, each in a sentence with its remedy: ``hrbridge doctor``.

One file for each thing that is looked at, all side by side: a run is not far.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from hrbridge import timeline, wiring
from hrbridge.config import Config, SensorKind
from hrbridge.doctor import configured, machine, network
from hrbridge.doctor.finding import Finding, Result, Tell

__all__ = ["Finding", "Result", "examine", "in_words"]


async def examine(
    path: Path | None, overrides: Sequence[str], look_s: float | None, tell: Tell, *, speak: bool
) -> bool:
    """Tell each finding as it is known; returns whether a run would be the one that was meant."""
    found: list[Finding] = []

    def note(finding: Finding | None) -> None:
        if finding is not None:
            found.append(finding)
            tell(finding)

    settings = configured.look(path, overrides, note)
    if settings is not None:
        async with asyncio.TaskGroup() as looking:
            bridge = looking.create_task(network.look(settings, note))
            if settings.sensor.kind is SensorKind.BLE:
                from hrbridge.doctor import bluetooth

                clock = timeline.MonotonicClock()
                looking.create_task(bluetooth.look(settings.sensor, bridge, clock, note, look_s or bluetooth.LOOK_S))
            looking.create_task(_look_at_machine(settings, note))
        if speak and bridge.result() is None and not settings.mqtt.url.startswith(("none", "embedded")):
            note(await network.speak(settings, in_words(found), timeline.MonotonicClock()))
    return not any(finding.result is Result.FAILS for finding in found)


async def _look_at_machine(settings: Config, tell: Tell) -> None:
    """In threads: a card and a sound server take their time."""
    kept = settings.sensor.kind is SensorKind.BLE or settings.journal.path
    if kept:
        path = wiring.journal_path_of(settings)
        for each in await asyncio.to_thread(lambda: list(machine.journal(path, settings.runner.id))):
            tell(each)
    tell(machine.date(timeline.moment()))
    for finding in (await asyncio.to_thread(machine.sound, settings.headset), await asyncio.to_thread(machine.power)):
        if finding is not None:
            tell(finding)


def in_words(found: Sequence[Finding]) -> str:
    """All of it, short enough to be spoken: "Not ready: strap." """
    failing = [finding.check for finding in found if finding.result is Result.FAILS]
    hinting = [finding.check for finding in found if finding.result is Result.HINT]
    if failing:
        return f"Not ready: {', '.join(failing)}."
    return f"Ready to run. Look at {', '.join(hinting)}." if hinting else "Ready to run."
