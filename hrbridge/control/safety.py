"""Hard limits, applied last. Knows no policy; may only make a decision gentler: walk, or do not run yet.

hrbridge advises a healthy runner on pacing. These lines are about straps that
lie and runs that are too hard for the day; they name nothing else.
"""

from __future__ import annotations

from hrbridge.config import Plan, Purpose, Runner
from hrbridge.control.plan import is_free

# Above the known maximum for this long: the strap or the maximum is wrong, and walking is right in both cases.
ABOVE_MAXIMUM_BPM = 5.0
ABOVE_MAXIMUM_FOR_S = 15.0
# Easy plans are not run near the maximum.
NEAR_MAXIMUM = 0.95
NEAR_MAXIMUM_FOR_S = 90.0
EASY_PURPOSES = (Purpose.EASY, Purpose.LONG, Purpose.RECOVERY, Purpose.RETURN)
CLEAN_FOR_S = 20.0
# A walk in which heart rate hardly falls for two minutes, or stays near the top for three.
STUCK_DROP_BPM = 5.0
STUCK_AFTER_S = 120.0
HIGH_RESERVE = 0.85
HIGH_AFTER_S = 180.0


class Safety:
    """Watches over the whole session; ``forbids_running`` is true from an alarm until 20 s are clean."""

    def __init__(self, runner: Runner, plan: Plan) -> None:
        self._above_bpm = runner.maximum_bpm + ABOVE_MAXIMUM_BPM
        self._near_bpm = NEAR_MAXIMUM * runner.maximum_bpm
        self._high_bpm = runner.resting_bpm + HIGH_RESERVE * runner.reserve_bpm
        # In the plan "free" the effort is the runner's own choice.
        self._easy = plan.purpose in EASY_PURPOSES and not is_free(plan)
        self._above_since_s: float | None = None
        self._near_since_s: float | None = None
        self._clean_since_s: float | None = None
        self.forbids_running = False

    def resume(self) -> None:
        """After a pause: what was counted before it says nothing any more. An alarm stays until 20 s are clean."""
        self._above_since_s = self._near_since_s = self._clean_since_s = None

    def update(self, at_s: float, trusted_bpm: float | None, too_high: bool, *, unsure: bool = False) -> bool:
        """True when an alarm begins: walk, and check the strap or the maximum.

        ``trusted_bpm`` is None without good trust; ``too_high``: a steady
        signal above any valid heart rate; ``unsure``: in doubt for some
        seconds only, which stops the counts and does not begin them anew.
        """
        if unsure and not too_high:
            return False
        above = trusted_bpm is not None and trusted_bpm > self._above_bpm
        near = self._easy and trusted_bpm is not None and trusted_bpm > self._near_bpm
        self._above_since_s = _since(self._above_since_s, above, at_s)
        self._near_since_s = _since(self._near_since_s, near, at_s)
        tripped = (
            too_high
            or (self._above_since_s is not None and at_s - self._above_since_s >= ABOVE_MAXIMUM_FOR_S)
            or (self._near_since_s is not None and at_s - self._near_since_s >= NEAR_MAXIMUM_FOR_S)
        )
        clean = trusted_bpm is not None and not (above or near or too_high)
        self._clean_since_s = _since(self._clean_since_s, clean, at_s)
        if tripped:
            begins = not self.forbids_running
            self.forbids_running = True
            return begins
        if self.forbids_running and self._clean_since_s is not None and at_s - self._clean_since_s >= CLEAN_FOR_S:
            self.forbids_running = False
        return False

    def stuck_in_walk(self, walked_s: float, drop_bpm: float, heart_rate_bpm: float, ready_bpm: float) -> bool:
        """True when a walk that was walked, on a trusted signal, brings so little that the day should end."""
        if heart_rate_bpm <= ready_bpm:
            return False
        return (walked_s >= STUCK_AFTER_S and drop_bpm < STUCK_DROP_BPM) or (
            walked_s >= HIGH_AFTER_S and heart_rate_bpm > self._high_bpm
        )


def _since(since_s: float | None, holds: bool, at_s: float) -> float | None:
    """When a condition began to hold; None when it does not."""
    if not holds:
        return None
    return at_s if since_s is None else since_s
