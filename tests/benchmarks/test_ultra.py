"""A day and a night of run-walk: memory at the end beside memory after two hours."""

from __future__ import annotations

import dataclasses
import gc
import os
from pathlib import Path

import numpy as np
import pytest

from hrbridge import timeline
from hrbridge.bridge import follow
from hrbridge.config import Control, Runner
from hrbridge.control.controller import Controller
from hrbridge.control.plan import load
from hrbridge.decisions import CueKind
from hrbridge.runner_model import RunnerModel
from hrbridge.sensors.simulated import Simulated
from hrbridge.sinks.summary import Tally

HOUR_S = 3600.0
STATM = Path("/proc/self/statm")
MOST_GROWTH_BYTES = 2_000_000


def resident_bytes() -> int:
    gc.collect()
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.skipif(not STATM.exists(), reason="memory is read from /proc, which is not there")
def test_a_day_and_a_night_need_no_more_memory_than_two_hours() -> None:
    plan = load("ultra")
    # Without drift: the model's, made for an hour or two, would carry any heart to its maximum in a night.
    traits = RunnerModel.named("fit", 1).traits
    model = RunnerModel(dataclasses.replace(traits, drift_bpm_per_10_min=np.zeros(1)), seed=1)
    runner = Simulated(model, max_s=24 * HOUR_S)
    coach = Controller(plan, Runner(max_heart_rate_bpm=186, resting_heart_rate_bpm=50), Control())
    tally = Tally(plan)
    walks, cues, early_bytes, early_walks = 0, 0, 0, 0
    for step in follow(coach, timeline.merge(runner.events())):
        runner.take(step)
        tally.take(step)
        cues += len(step.cues)
        walks += sum(cue.kind is CueKind.WALK for cue in step.cues)
        if step.at_s == 2 * HOUR_S and not early_bytes:
            early_bytes, early_walks = resident_bytes(), walks
    late_bytes = resident_bytes()
    print(
        f"\nultra: {step.at_s / HOUR_S:.1f} h, {walks} walks, {cues} cues; resident {early_bytes / 1e6:.1f} MB "
        f"after 2 h, {late_bytes / 1e6:.1f} MB at the end"
    )
    assert step.at_s >= 24 * HOUR_S - 1
    assert walks > 10 * early_walks
    assert late_bytes - early_bytes < MOST_GROWTH_BYTES
