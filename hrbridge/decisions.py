"""What follows from an event: the phase the runner is in, what to say, and the numbers behind it."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from hrbridge.events import Event


class Phase(StrEnum):
    WAITING = "waiting"
    WARMUP = "warmup"
    RUN = "run"
    SURGE = "surge"
    WALK = "walk"
    COOLDOWN = "cooldown"
    PAUSED = "paused"
    FINISHED = "finished"


class Trust(StrEnum):
    """How far the heart rate can be believed; only ``good`` may change the plan."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    NONE = "none"


class CueKind(StrEnum):
    WARMUP = "warmup"
    RUN = "run"
    SURGE = "surge"
    WALK = "walk"
    EASE_RUN = "ease_run"
    EASE_WALK = "ease_walk"
    EXTEND_WALK = "extend_walk"
    COUNTDOWN = "countdown"
    NEXT = "next"
    RPE_PROMPT = "rpe_prompt"
    SIGNAL_LOST = "signal_lost"
    SIGNAL_BACK = "signal_back"
    WARNING = "warning"
    RATIO = "ratio"
    BUDGET = "budget"
    TIP = "tip"
    COOLDOWN = "cooldown"
    BATTERY = "battery"
    PAUSE = "pause"
    RESUME = "resume"
    FINISH = "finish"


class Reason(StrEnum):
    PLANNED = "planned"
    RECOVERED = "recovered"
    NOT_RECOVERED = "not_recovered"
    WALK_CAP = "walk_cap"
    HEART_RATE_CEILING = "heart_rate_ceiling"
    FORECAST_CEILING = "forecast_ceiling"
    RPE_HIGH = "rpe_high"
    RPE_LIMIT = "rpe_limit"
    TREND = "trend"
    RESTORED = "restored"
    EASY_FINISH = "easy_finish"
    NO_SIGNAL = "no_signal"
    CUE_IGNORED = "cue_ignored"
    BUDGET = "budget"
    BATTERY = "battery"
    SAFETY = "safety"
    COMMAND = "command"


# Which kinds of cue may carry which reasons; published in the schema, held by the tests of the controller.
R = Reason
REASONS: dict[CueKind, frozenset[Reason]] = {
    CueKind.WARMUP: frozenset({R.PLANNED, R.COMMAND}),
    CueKind.RUN: frozenset(
        {R.PLANNED, R.RECOVERED, R.WALK_CAP, R.NO_SIGNAL, R.CUE_IGNORED, R.HEART_RATE_CEILING, R.COMMAND}
    ),
    CueKind.SURGE: frozenset({R.PLANNED, R.COMMAND}),
    CueKind.WALK: frozenset(
        {
            R.PLANNED,
            R.HEART_RATE_CEILING,
            R.FORECAST_CEILING,
            R.RPE_LIMIT,
            R.CUE_IGNORED,
            R.NO_SIGNAL,
            R.SAFETY,
            R.COMMAND,
        }
    ),
    CueKind.EASE_RUN: frozenset({R.HEART_RATE_CEILING, R.FORECAST_CEILING}),
    CueKind.EASE_WALK: frozenset({R.NOT_RECOVERED, R.HEART_RATE_CEILING}),
    CueKind.EXTEND_WALK: frozenset({R.NOT_RECOVERED, R.HEART_RATE_CEILING, R.RPE_HIGH, R.RPE_LIMIT, R.COMMAND}),
    CueKind.COUNTDOWN: frozenset({R.PLANNED, R.RECOVERED, R.WALK_CAP, R.HEART_RATE_CEILING, R.NO_SIGNAL}),
    CueKind.NEXT: frozenset({R.PLANNED}),
    CueKind.RPE_PROMPT: frozenset({R.PLANNED}),
    CueKind.SIGNAL_LOST: frozenset({R.NO_SIGNAL}),
    CueKind.SIGNAL_BACK: frozenset({R.RECOVERED}),
    CueKind.WARNING: frozenset({R.SAFETY, R.NO_SIGNAL, R.PLANNED}),
    CueKind.RATIO: frozenset(
        {R.NOT_RECOVERED, R.WALK_CAP, R.HEART_RATE_CEILING, R.RPE_HIGH, R.RPE_LIMIT, R.TREND, R.RESTORED, R.PLANNED}
    ),
    CueKind.BUDGET: frozenset({R.BUDGET}),
    CueKind.TIP: frozenset({R.PLANNED, R.EASY_FINISH, R.HEART_RATE_CEILING}),
    CueKind.COOLDOWN: frozenset({R.PLANNED, R.EASY_FINISH, R.COMMAND, R.SAFETY}),
    CueKind.BATTERY: frozenset({R.BATTERY}),
    CueKind.PAUSE: frozenset({R.COMMAND}),
    CueKind.RESUME: frozenset({R.COMMAND}),
    CueKind.FINISH: frozenset({R.PLANNED, R.COMMAND, R.SAFETY}),
}


class Estimate(Struct, frozen=True, forbid_unknown_fields=True):
    """What the controller believes, and the numbers its decisions rest on.

    ``heart_rate_bpm`` is the median of the last 5 s, null without a usable
    signal. ``drop_bpm`` and ``required_drop_bpm`` stand in a walk: what heart
    rate has fallen since its peak and what it should have by now;
    ``recovered`` says whether that has been judged good (null before 30 s,
    without trust, or when the runner did not walk). ``walked`` is false once
    speed or cadence show that the runner runs through this walk, null without
    such a source. ``rpe`` is the last report that still counts.

    ``forecast_bpm`` is the heart rate to come: while walking in 30 s (from
    15 s of the walk on), while running in 10 s; four in five lie between
    ``forecast_low_bpm`` and ``forecast_high_bpm``. ``ready_in_s`` is how much
    longer this walk must last until it has brought enough, null when that is
    more than two minutes.
    """

    heart_rate_bpm: float | None = None
    trust: Trust = Trust.NONE
    drop_bpm: float | None = None
    required_drop_bpm: float | None = None
    forecast_bpm: float | None = None
    ready_in_s: float | None = None
    ceiling_bpm: float | None = None
    recovered: bool | None = None
    walked: bool | None = None
    rpe: float | None = None
    forecast_low_bpm: float | None = None
    forecast_high_bpm: float | None = None


class Ratio(Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds of running and walking in this cycle: what the plan says, and what holds now."""

    planned_run_s: float
    planned_walk_s: float
    run_s: float
    walk_s: float


class Cue(Struct, frozen=True, forbid_unknown_fields=True):
    """One thing to tell the runner; worthless ``ttl_s`` seconds after it was given."""

    seq: int
    kind: CueKind
    reason: Reason
    say: str
    ttl_s: float
    for_s: float | None = None


class Step(Struct, frozen=True, forbid_unknown_fields=True):
    """All that follows from one event.

    ``phase_remaining_s`` is null where nobody can know it (plan ``free``,
    waiting, a walk held beyond its cap). ``refused`` says why a command could
    not be obeyed.
    """

    event: Event
    phase: Phase
    phase_elapsed_s: float
    phase_remaining_s: float | None
    block: int
    repeat: int
    estimate: Estimate
    ratio: Ratio
    cues: tuple[Cue, ...] = ()
    next_phase: Phase | None = None
    refused: str | None = None

    @property
    def at_s(self) -> float:
        """Seconds since the session began."""
        return self.event.at_s
