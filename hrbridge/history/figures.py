"""What one run adds up to: times, distance, heart rate, each walk break judged, what was done of the plan."""

from __future__ import annotations

from msgspec import Struct

# Raised whenever the arithmetic changes: what the journal keeps of an older one is worked out anew.
VERSION = 1


class WalkFigures(Struct, frozen=True):
    """One walk break. Everything from heart rate is null where it could not be trusted over the whole of its span.

    ``drop_30_bpm`` and ``drop_60_bpm``: what the heart rate had fallen from its
    peak (CONTROLLER.md, section 2) by 30 and 60 s after the walk cue; null in
    walks that were shorter. ``ready_after_s``: until recovered. ``drop_bpm`` and
    ``required_drop_bpm`` stand at its end, ``recovered`` is the judgement there.
    ``walked`` is false where the runner ran through it. ``overrun_s``: how much
    longer than 10 s after the cue the runner was seen running on; null without
    a source of speed. ``hill``: 4 % or more, not to be compared.
    """

    at_s: float
    planned_s: float | None
    for_s: float
    peak_bpm: float | None
    end_bpm: float | None
    drop_30_bpm: float | None
    drop_60_bpm: float | None
    drop_bpm: float | None
    required_drop_bpm: float | None
    ready_after_s: float | None
    recovered: bool | None
    walked: bool | None
    overrun_s: float | None
    hill: bool


class Figures(Struct, frozen=True):
    """The sum of a session; bpm only from trusted heart rate, metres and their shares null without a source.

    ``mean_heart_rate_bpm`` is that of runs and walk breaks, without warm-up and
    cool-down; ``peak_heart_rate_bpm`` the highest 5 s median. ``elapsed_s``
    counts from the start to the end, pauses not; ``main_s`` runs and walk breaks
    alone. ``planned_ratio`` and ``last_ratio`` are (run, walk) in seconds, of
    the first and as it stood in the last cycle; null in plan ``free``.
    ``completion`` is the share of the planned structure that was done, 0 to 1;
    a walk made longer or a run made shorter by hrbridge takes nothing away, null
    without an end in the plan. ``rpe`` is the mean of what was reported during
    the run. ``finisher_drop_60_bpm``: what heart rate falls in the first
    minute of the cool-down. ``drift_bpm_per_10_min``: how run-end heart rates
    rise over the main part (at least 4 runs over 15 min, of one length).
    """

    steps: int
    elapsed_s: float
    main_s: float
    warmup_s: float
    run_s: float
    walk_s: float
    cooldown_s: float
    paused_s: float
    distance_m: float | None
    run_distance_m: float | None
    walk_distance_m: float | None
    mean_heart_rate_bpm: float | None
    peak_heart_rate_bpm: float | None
    trusted_s: float
    above_ceiling_s: float
    longest_run_s: float
    planned_ratio: tuple[float, float] | None
    last_ratio: tuple[float, float] | None
    completion: float | None
    rpe: float | None
    finisher_drop_60_bpm: float | None
    drift_bpm_per_10_min: float | None
    walks: tuple[WalkFigures, ...]
    walks_recovered: int
    walks_judged: int
    walks_extended: int
    runs_cut: int
    hilly: bool
    cues: dict[str, int]
    reasons: dict[str, int]
