"""Golden runs: what the coach said to five simulated runners, and would say again.

They change only on purpose: ``pytest tests/test_golden.py --bless`` simulates
them anew, writes them down and shows which cues have changed.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

import pytest

from hrbridge import trace, wiring
from hrbridge.decisions import CueKind, Reason
from hrbridge.sinks.console import cue_line, difference_lines

TRACES = Path(__file__).parent / "traces"
LARGEST_BYTES = 700_000
QUIET = (CueKind.COUNTDOWN, CueKind.WARMUP)


@dataclass(frozen=True)
class Golden:
    """A simulated run: its plan, what is set, and what must be heard in it beside the plan."""

    plan: str
    settings: tuple[str, ...]
    decisions: tuple[tuple[CueKind, Reason], ...] = ()


# Far above what these runs bring, so that only recovery decides.
NO_CEILING = "control.heart_rate_ceiling_hrr=0.95"

GOLDEN = {
    "recovers": Golden("two-rounds", ('sensor.runner="fit"',)),
    "no-recovery": Golden(
        "two-rounds",
        (NO_CEILING, 'sensor.faults=["no_recovery@118+95"]'),
        (
            (CueKind.EASE_WALK, Reason.NOT_RECOVERED),
            (CueKind.EXTEND_WALK, Reason.NOT_RECOVERED),
            (CueKind.EXTEND_WALK, Reason.NOT_RECOVERED),
            (CueKind.RUN, Reason.WALK_CAP),
            (CueKind.RATIO, Reason.WALK_CAP),
        ),
    ),
    "dropout": Golden(
        "two-rounds",
        ('sensor.faults=["dropout@70+60"]',),
        ((CueKind.SIGNAL_LOST, Reason.NO_SIGNAL), (CueKind.SIGNAL_BACK, Reason.RECOVERED)),
    ),
    "spike": Golden("two-rounds", ('sensor.faults=["spike@70"]',)),
    "effort": Golden(
        "hard-day",
        (),
        (
            (CueKind.EXTEND_WALK, Reason.RPE_HIGH),
            (CueKind.RATIO, Reason.RPE_HIGH),
            (CueKind.EXTEND_WALK, Reason.RPE_LIMIT),
            (CueKind.RATIO, Reason.RPE_LIMIT),
        ),
    ),
}


each_golden = pytest.mark.parametrize("name", GOLDEN)


@pytest.fixture
def _blessed(name: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> None:
    """With --bless, the golden run is simulated anew before it is looked at."""
    if request.config.getoption("--bless"):
        with capsys.disabled():
            print(bless(name))


def bless(name: str) -> str:
    """Simulate a golden run anew; returns what has changed in its cues."""
    path, golden = TRACES / f"{name}.jsonl", GOLDEN[name]
    before = cue_lines(path) if path.exists() else []
    plan = TRACES / "plans" / f"{golden.plan}.toml"
    session = wiring.simulated_session(None, wiring.overrides_for(golden.settings, plan=str(plan)))
    wiring.coach_at_once(session, path, [])
    diff = difflib.unified_diff(before, cue_lines(path), f"{name} before", f"{name} now", lineterm="", n=1)
    return "\n" + ("\n".join(diff) or f"{name}: the same cues as before")


def cue_lines(path: Path) -> list[str]:
    return [cue_line(step, cue) for step in trace.read(path).steps for cue in step.cues]


def difference(name: str) -> str:
    """The first difference between a golden run and what this hrbridge makes of it, in words; "" without any."""
    path = TRACES / f"{name}.jsonl"
    first, _, _ = wiring.first_difference(path)
    return difference_lines(path.name, first) if first is not None else ""


@each_golden
@pytest.mark.usefixtures("_blessed")
def test_a_golden_run_is_coached_as_before(name: str) -> None:
    assert difference(name) == ""


@each_golden
def test_a_golden_run_says_what_it_is_there_for(name: str) -> None:
    cues = [cue for step in trace.read(TRACES / f"{name}.jsonl").steps for cue in step.cues]
    decisions = [(cue.kind, cue.reason) for cue in cues if cue.reason is not Reason.PLANNED and cue.kind not in QUIET]
    assert tuple(decisions) == GOLDEN[name].decisions


@each_golden
def test_a_golden_run_is_whole(name: str) -> None:
    assert cue_lines(TRACES / f"{name}.jsonl")[-1].endswith("Done. Well run.")


@each_golden
def test_a_golden_run_is_small(name: str) -> None:
    assert (TRACES / f"{name}.jsonl").stat().st_size < LARGEST_BYTES


def test_there_is_no_golden_run_without_a_name() -> None:
    assert sorted(path.stem for path in TRACES.glob("*.jsonl")) == sorted(GOLDEN)
