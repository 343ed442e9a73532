"""Where a session stands: the phase, when it began and ends, and what has been done about it so far."""

from __future__ import annotations

from dataclasses import dataclass

from hrbridge.control.plan import Cursor, Stretch
from hrbridge.control.recovery import Recovery
from hrbridge.decisions import Phase

# Nothing is adapted in the first two minutes: hearts and straps need them.
NO_ADAPTATION_BEFORE_S = 120.0

ACTIVE = (Phase.WARMUP, Phase.RUN, Phase.SURGE, Phase.WALK, Phase.COOLDOWN)
RUNNING = (Phase.RUN, Phase.SURGE)
MAIN = (*RUNNING, Phase.WALK)
BEFORE_COOLDOWN = (Phase.WARMUP, *MAIN)


@dataclass
class Progress:
    """Where the session stands; all times in seconds of the session. What ``undo`` puts back."""

    cursor: Cursor | None
    phase: Phase = Phase.WAITING
    started_s: float = 0.0
    ends_s: float | None = None
    stretch: Stretch | None = None
    ends_at_m: float | None = None
    next_phase: Phase | None = None
    session_started_s: float = 0.0
    main_started_s: float | None = None
    main_started_m: float = 0.0
    gun_s: float | None = None
    walks: int = 0
    surge_ended_s: float = float("-inf")
    interrupted: bool = False
    paused_phase: Phase | None = None
    paused_s: float = 0.0
    resumed_s: float = float("-inf")
    noticed_end_s: float | None = None
    counted_end_s: float | None = None
    not_walked: bool = False
    prompted: bool = False
    repeated: bool = False
    advised_walk: bool = False
    held_by_safety: bool = False
    held_since_s: float | None = None
    reminded_s: float = 0.0
    willed: bool = False
    heart_first: bool = False
    extended: bool = False
    asked_again: int = 0
    advised_end_walk: int = 0

    def told_home(self, walk: Recovery | None) -> bool:
        """This walk was advised to be the last of the day, and has not brought recovery since."""
        return self.advised_end_walk == self.walks and walk is not None and not walk.recovered
