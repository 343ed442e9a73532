"""Past runs as the tests about the ladder, the season and the advice need them: without a step, told by their sum."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from msgspec.structs import replace

from hrbridge.config import Control, Purpose, Runner
from hrbridge.control import plan as plans
from hrbridge.dates import iso
from hrbridge.history.figures import Figures
from hrbridge.history.runs import Run
from hrbridge.journal import End, Kind, Note, Session
from hrbridge.trace import Header

TODAY = date(2026, 11, 22)
NOTHING = Figures(
    steps=0,
    elapsed_s=0,
    main_s=0,
    warmup_s=300,
    run_s=0,
    walk_s=0,
    cooldown_s=120,
    paused_s=0,
    distance_m=None,
    run_distance_m=None,
    walk_distance_m=None,
    mean_heart_rate_bpm=None,
    peak_heart_rate_bpm=None,
    trusted_s=0,
    above_ceiling_s=0,
    longest_run_s=0,
    planned_ratio=None,
    last_ratio=None,
    completion=1.0,
    rpe=None,
    finisher_drop_60_bpm=None,
    drift_bpm_per_10_min=None,
    walks=(),
    walks_recovered=10,
    walks_judged=10,
    walks_extended=0,
    runs_cut=0,
    hilly=False,
    cues={},
    reasons={},
)


def past(
    ratio: str = "1:2",
    minutes: float = 20,
    *,
    days_ago: int | None = 2,
    purpose: Purpose = Purpose.EASY,
    rpe_target: tuple[float, float] = (4, 6),
    kind: Kind = Kind.LIVE,
    source: str = "strap",
    note: Note | None = None,
    **figures: Any,
) -> Run:
    """A run in this ratio, done as planned; a good one, at RPE 5, unless said otherwise. ``days_ago`` at noon."""
    plan = replace(plans.load(ratio), purpose=purpose, rpe_target=rpe_target, total_s=60.0 * minutes)
    run_s, walk_s = plan.block[0].segments[0].for_s, plan.block[0].segments[1].for_s
    assert run_s is not None
    assert walk_s is not None
    main_s = 60 * minutes
    sums: dict[str, Any] = {
        "elapsed_s": main_s + 420,
        "main_s": main_s,
        "run_s": main_s * run_s / (run_s + walk_s),
        "walk_s": main_s * walk_s / (run_s + walk_s),
        "planned_ratio": (run_s, walk_s),
        "last_ratio": (run_s, walk_s),
        **figures,
    }
    began = datetime.combine(TODAY, time(12)) - timedelta(days=days_ago or 0)
    session = Session(
        id=1,
        runner_id="alex",
        kind=kind,
        source=source,
        header=Header(runner=Runner(id="alex", age_years=40), plan=plan, control=Control()),
        began_at_s=0.0,
        started_at=iso(began.astimezone().timestamp()) if days_ago is not None else None,
        date_estimated=False,
        boot_id="",
        boot_s=0.0,
        ended=End.FINISHED,
    )
    return Run(session, replace(NOTHING, **sums), note if note is not None else Note(rpe=5))


def newest_first(*runs: Run) -> list[Run]:
    """Runs told from the oldest to the newest."""
    return list(reversed(runs))
