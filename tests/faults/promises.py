"""When faults strike, and what holds whatever strikes."""

from __future__ import annotations

from enum import StrEnum

from hrbridge.decisions import Cue, CueKind, Reason, Step, Trust


class When(StrEnum):
    WAITING = "before the start"
    WARMUP = "in the warm-up"
    RUN = "in a run"
    CHANGE = "at a change"
    PAUSED = "in a pause"
    WALK = "in a walk"
    COOLDOWN = "on the way home"


ON_THE_MOVE = (When.WARMUP, When.RUN, When.CHANGE, When.WALK, When.COOLDOWN)
ABOUT_THE_SIGNAL = (CueKind.SIGNAL_LOST, CueKind.SIGNAL_BACK, CueKind.WARNING)
# What only a heart rate can be the reason of.
FROM_HEART_RATE = (
    Reason.RECOVERED,
    Reason.NOT_RECOVERED,
    Reason.WALK_CAP,
    Reason.HEART_RATE_CEILING,
    Reason.FORECAST_CEILING,
    Reason.TREND,
    Reason.RESTORED,
)
# These tell, at the next quiet moment, what has been concluded while heart rate was trusted.
SAID_LATER = (CueKind.SIGNAL_BACK, CueKind.RATIO)


def rash_cues(step: Step) -> list[Cue]:
    """What is said because of a heart rate that is not trusted."""
    if step.estimate.trust is Trust.GOOD:
        return []
    return [cue for cue in step.cues if cue.reason in FROM_HEART_RATE and cue.kind not in SAID_LATER]
