"""Runs of runners who are known to the last number, as recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hrbridge.events import Event, Sample, Speed
from hrbridge.runner_model import Person, RunnerModel

# Somebody whom no named runner resembles, slow to come down.
SOMEBODY = Person(
    44, 178, 58, 36, run_speed_m_s=2.3, walk_speed_m_s=1.4, tau_on_s=15, tau_off_s=38, drift_bpm_per_10_min=4
)
# Seconds and m/s: running at several paces, walking and standing.
VARIED = ((240, 1.3), (300, 2.2), (90, 1.4), (240, 2.6), (90, 1.4), (420, 2.0), (60, 0.0), (300, 2.4), (120, 1.2))


def run(pieces: Sequence[tuple[int, float]], who: Person = SOMEBODY, seed: int = 5) -> list[Event]:
    """What strap and watch of this person recorded; above 1.8 m/s he runs."""
    model = RunnerModel.of(who, seed)
    events: list[Event] = []
    at_s = 0
    for for_s, speed_m_s in pieces:
        running = speed_m_s > 1.8
        for _ in range(for_s):
            bpm = int(model.step(speed_m_s, running).item())
            cadence_spm = 165.0 if running else 110.0 if speed_m_s else 0.0
            events += [Sample(at_s, bpm), Speed(at_s, speed_m_s, cadence_spm)]
            at_s += 1
    return events


def as_csv(path: Path, events: Sequence[Event], *, speed: bool = True) -> Path:
    """The same as a file, with or without its speed."""
    speeds = {event.at_s: event for event in events if isinstance(event, Speed)}
    lines = ["at_s,heart_rate_bpm" + (",speed_m_s,cadence_spm" if speed else "")]
    for event in events:
        if isinstance(event, Sample):
            moved = speeds[event.at_s]
            lines.append(
                f"{event.at_s:g},{event.heart_rate_bpm}" + (f",{moved.speed_m_s},{moved.cadence_spm}" if speed else "")
            )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def with_spikes(events: Sequence[Event], every_s: int = 40) -> list[Event]:
    """Three seconds of nonsense every now and then."""
    rng = np.random.default_rng(3)
    return [
        Sample(event.at_s, (event.heart_rate_bpm or 0) + int(rng.integers(25, 60)))
        if isinstance(event, Sample) and event.at_s % every_s < 3
        else event
        for event in events
    ]
