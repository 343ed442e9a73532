"""Is the runner running or walking, and how far: what speed and cadence say, where there is such a source."""

from __future__ import annotations

from hrbridge.events import Speed

# Running steps come faster than 140 per minute, walking steps rarely pass 130. Cadence is asked first:
# a slow jog and a brisk walk share their speed, never their cadence.
RUNNING_CADENCE_SPM = 140.0
WALKING_CADENCE_SPM = 132.0
# People change from walking to running near 2 m/s (2.0-2.1 on treadmills); who jogs slower says so with both paces.
CHANGE_M_S = 1.9
EITHER_SIDE = 0.05
# A change of gait counts when it has been seen for this long: a glance at the watch is not a walk break.
SEEN_FOR_S = 10.0
# Without news for this long (or three of the source's own intervals) nothing is known.
STALE_S = 15.0


class Movement:
    """Follows ``Speed`` events; ``change_m_s`` lies between this runner's walking and running."""

    def __init__(self, change_m_s: float = CHANGE_M_S) -> None:
        self._change_m_s = change_m_s
        self.running: bool | None = None
        self.since_s = 0.0
        self.distance_m = 0.0
        self.speed_m_s: float | None = None
        self.cadence_spm: float | None = None
        self._candidate: bool | None = None
        self._candidate_since_s = 0.0
        self._last_s: float | None = None
        self._interval_s = 1.0
        self._last_distance_m: float | None = None
        self._measured_s = float("-inf")

    def update(self, event: Speed) -> bool:
        """Take one event; true when it makes a change of gait certain."""
        if self._last_s is not None and event.at_s > self._last_s:
            interval_s = event.at_s - self._last_s
            self._advance(event, interval_s)
            self._interval_s = min(interval_s, 10.0)
        self._last_s = event.at_s
        if event.distance_m is not None:
            self._last_distance_m = event.distance_m
        if event.distance_m is not None or event.speed_m_s is not None:
            self._measured_s = event.at_s
        self.speed_m_s = event.speed_m_s
        self.cadence_spm = event.cadence_spm
        seen = self._gait(event)
        if seen is None:
            return False
        if seen is not self._candidate:
            self._candidate = seen
            self._candidate_since_s = event.at_s
        if self.running is not seen and event.at_s - self._candidate_since_s >= SEEN_FOR_S:
            self.running = seen
            self.since_s = self._candidate_since_s
            return True
        return False

    def expire(self, at_s: float) -> None:
        """Forget the gait when its source has fallen silent."""
        if self._last_s is not None and at_s - self._last_s > max(STALE_S, 3 * self._interval_s):
            self.running = None
            self.speed_m_s = None
            self.cadence_spm = None
            self._candidate = None

    @property
    def gait_now(self) -> bool | None:
        """True for running, False for walking, where the last ten seconds and this moment agree."""
        return self.running if self.running is self._candidate else None

    def measures(self, at_s: float) -> bool:
        """True while the source gives speed or distance."""
        return at_s - self._measured_s <= max(STALE_S, 3 * self._interval_s)

    def _advance(self, event: Speed, interval_s: float) -> None:
        if event.distance_m is not None and self._last_distance_m is not None:
            self.distance_m += max(0.0, event.distance_m - self._last_distance_m)
        elif event.distance_m is None and event.speed_m_s is not None and interval_s <= STALE_S:
            step_m = event.speed_m_s * interval_s
            self.distance_m += step_m
            if self._last_distance_m is not None:  # a counter that leaves out an event has counted these metres too
                self._last_distance_m += step_m

    def _gait(self, event: Speed) -> bool | None:
        """True for running, False for walking; in between, what it was before."""
        if event.cadence_spm:
            if event.cadence_spm >= RUNNING_CADENCE_SPM:
                return True
            if event.cadence_spm <= WALKING_CADENCE_SPM:
                return False
        if event.speed_m_s is None:
            return self._candidate
        if event.speed_m_s >= self._change_m_s * (1 + EITHER_SIDE):
            return True
        if event.speed_m_s <= self._change_m_s * (1 - EITHER_SIDE):
            return False
        return self._candidate
