"""Real runs of real people, with the faults their straps really had. Named by HRBRIDGE_TRACES; not ours to publish."""

from __future__ import annotations

import logging
from itertools import pairwise
from pathlib import Path

import pytest

from hrbridge import trace, wiring
from hrbridge.decisions import CueKind, Phase, Reason, Step, Trust
from hrbridge.errors import HrbridgeError

KINDS = (".fit", ".tcx", ".gpx", ".hrm")
FROM_HEART_RATE = (Reason.NOT_RECOVERED, Reason.WALK_CAP, Reason.HEART_RATE_CEILING, Reason.TREND, Reason.RESTORED)
CHANGING = (CueKind.EXTEND_WALK, CueKind.EASE_WALK, CueKind.EASE_RUN, CueKind.WALK)
PERSON_A = "runwalk_person_A_day1.tcx"


def replay(path: Path, plan: str | None = None) -> list[Step]:
    """Every step of a recording, with its own plan or by the clock."""
    overrides = wiring.overrides_for((), plan=plan)
    return list(wiring.steps(wiring.replay_session(path, None, overrides)))


def recordings(traces: Path) -> list[Path]:
    return sorted(path for path in traces.iterdir() if path.suffix.lower() in KINDS)


@pytest.mark.parametrize("plan", [None, "one-one"])
def test_every_recording_replays_and_only_a_trusted_heart_rate_changes_anything(
    traces: Path, plan: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    for path in recordings(traces):
        wrong = [
            (path.name, step.at_s, cue.kind)
            for step in replay(path, plan)
            for cue in step.cues
            if cue.kind in CHANGING and cue.reason in FROM_HEART_RATE and step.estimate.trust is not Trust.GOOD
        ]
        assert wrong == []


@pytest.mark.parametrize("plan", [None, "one-one"])
def test_the_clock_takes_over_once_per_loss(traces: Path, plan: str | None) -> None:
    for path in recordings(traces):
        said = [
            c.kind for s in replay(path, plan) for c in s.cues if c.kind in (CueKind.SIGNAL_LOST, CueKind.SIGNAL_BACK)
        ]
        doubled = [(path.name, kind) for kind, after in pairwise(said) if kind is after]
        assert doubled == []


def test_missing_heart_rate_is_announced(traces: Path) -> None:
    said = [cue.kind for step in replay(traces / "run_310xt_hr_missing.tcx") for cue in step.cues]
    assert said.count(CueKind.SIGNAL_LOST) == 1


def test_spikes_beyond_any_heart_are_never_believed(traces: Path) -> None:
    steps = replay(traces / "run_310xt_hr_spikes.tcx")
    assert max(step.estimate.heart_rate_bpm or 0 for step in steps) <= 220


def walks(steps: list[Step]) -> list[tuple[float, float, bool | None]]:
    """Start, length and judgement of each walk break of 45 s or more."""
    found: list[tuple[float, float, bool | None]] = []
    for before, step in pairwise(steps):
        if before.phase is Phase.WALK and step.phase is not Phase.WALK:
            started_s = before.at_s - before.phase_elapsed_s
            length_s = step.at_s - step.phase_elapsed_s - started_s
            if length_s >= 45:
                found.append((started_s, length_s, before.estimate.recovered))
    return found


def test_the_walk_breaks_of_a_real_run_walk_session_are_found_and_judged(traces: Path) -> None:
    found = walks(replay(traces / PERSON_A))
    # Five breaks of about a minute at a high heart rate, by hand from speed: none brings it down enough.
    assert [round(started_s) for started_s, _, _ in found[:5]] == [1083, 1699, 1941, 2155, 2307]
    assert [judged for _, _, judged in found[:5]] == [False] * 5


def test_by_the_clock_the_walks_that_were_run_through_are_not_judged(traces: Path) -> None:
    steps = replay(traces / PERSON_A, "one-one")
    judged_while_running = [s.at_s for s in steps if s.estimate.walked is False and s.estimate.recovered is not None]
    assert judged_while_running == []


def test_twice_the_same_bytes(traces: Path) -> None:
    first, second = (b"".join(map(trace.encode, replay(traces / PERSON_A))) for _ in range(2))
    assert first == second


def test_what_lies_beside_the_recordings_is_refused_in_one_line(traces: Path) -> None:
    with pytest.raises(HrbridgeError) as refused:
        replay(traces / "PROVENANCE.md")
    assert "\n" not in str(refused.value)
