"""What a follower tells of a runner, for the tests of the displays: a state in the middle of a run, and cues."""

from __future__ import annotations

from typing import Any

from hrbridge.clients.follower import Beat, Cued, Told
from hrbridge.clients.guard import Verdict
from hrbridge.decisions import CueKind, Phase, Ratio, Reason, Trust
from hrbridge.messages import CueMessage, HeartRate, LastCue, State

RATIO = Ratio(240.0, 60.0, 240.0, 60.0)


def state(ts_s: float = 60.0, **fields: Any) -> State:
    """``ts_s`` on the clock of the bridge; a run with 192 s left."""
    given: dict[str, Any] = {
        "sid": "run-1",
        "seq": 1,
        "phase": Phase.RUN,
        "phase_elapsed_s": 48.0,
        "phase_remaining_s": 192.0,
        "next_phase": Phase.WALK,
        "heart_rate_bpm": 148.0,
        "trust": Trust.GOOD,
        "zone": 3,
        "battery_percent": 80,
        "rpe": None,
        "ratio": RATIO,
        "last_cue": None,
        "headsets": 1,
        "elapsed_s": 1880.0,
        "run_s": 1200.0,
        "walk_s": 300.0,
        "distance_m": 3210.0,
        "ceiling_bpm": 155.0,
    }
    return State(ts_ms=round(1000 * ts_s), **given | fields)


def told(ts_s: float = 60.0, runner_id: str = "alex", *, kept: bool = False, **fields: Any) -> Told:
    return Told(runner_id, state(ts_s, **fields), present=True, kept=kept)


def beat(ts_s: float, bpm: int | None = 150, trust: Trust = Trust.GOOD, sid: str = "run-1") -> Beat:
    reading = HeartRate(sid=sid, ts_ms=round(1000 * ts_s), heart_rate_bpm=bpm, rr_s=(), contact=None, trust=trust)
    return Beat("alex", reading)


def cued(seq: int, kind: CueKind, say: str, ts_s: float = 60.0, *, play: bool = True, **fields: Any) -> Cued:
    given: dict[str, Any] = {"reason": Reason.PLANNED, "for_s": None, "heart_rate_bpm": None}
    cue = CueMessage(
        sid="run-1",
        seq=seq,
        ts_ms=round(1000 * ts_s),
        ttl_s=5.0,
        kind=kind,
        say=say,
        tone="note",
        **given | fields,
    )
    return Cued("alex", cue, Verdict(play, "fresh" if play else "too late", 0.0))


def last_cue(kind: CueKind, reason: Reason, say: str = "Run four minutes.", seq: int = 3) -> LastCue:
    return LastCue(seq, kind, reason, say)
