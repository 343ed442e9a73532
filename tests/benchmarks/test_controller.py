"""How fast the coach thinks: steps per second, beside parsing the same trace as JSON in the same run."""

from __future__ import annotations

import time

import msgspec
from benchmarks.conftest import Ledger

from hrbridge import trace, wiring

MOST_TIMES_THE_FLOOR = 60.0


def test_steps_against_parsing_json(ledger: Ledger) -> None:
    session = wiring.simulated_session(None, ["plan.use=one-one", "sensor.runner=novice"])
    steps = list(wiring.steps(session))
    lines = [trace.encode(step) for step in steps]

    started_s = time.perf_counter()
    for line in lines:
        msgspec.json.decode(line)
    floor_s = time.perf_counter() - started_s

    controller = session.controller()
    started_s = time.perf_counter()
    for step in steps:
        controller.step(step.event)
    taken_s = time.perf_counter() - started_s

    print(f"\ncontroller: {len(steps) / taken_s:,.0f} steps/s; {taken_s / floor_s:.1f} times parsing their trace")
    ledger(
        "a step of the controller",
        1e6 * taken_s / len(steps),
        "us",
        1e6 * floor_s / len(steps),
        "parsing its line of trace",
    )
    assert taken_s / floor_s < MOST_TIMES_THE_FLOOR
