"""Is a brisk walk brisk? What the walking speed says against the band of the plan, once in each walk."""

from __future__ import annotations

from collections import deque

# Speed must lie outside the band for this long; foot pods and satellites wander for some seconds.
SEEN_FOR_S = 15.0
# Nobody asked for so long: a pause, or a walk that was not to be brisk.
HOLE_S = 5.0
FASTER, SLOWER = "A little brisker.", "Ease off a little."


class WalkPace:
    """Follows one walk after the other; ``lower_m_s`` to ``upper_m_s`` is the band."""

    def __init__(self, lower_m_s: float, upper_m_s: float) -> None:
        self._lower_m_s, self._upper_m_s = lower_m_s, upper_m_s
        self._seen: deque[tuple[float, float]] = deque()
        self._said = False

    def begin(self) -> None:
        """Another stretch: what was seen and said belongs to the last one."""
        self._seen.clear()
        self._said = False

    def advice(self, at_s: float, speed_m_s: float | None) -> str | None:
        """What to say, or None; to be asked at least every ``HOLE_S`` with the present speed (None: unknown)."""
        seen = self._seen
        if self._said or speed_m_s is None or (seen and at_s - seen[-1][0] < 1):
            return None
        if seen and at_s - seen[-1][0] > HOLE_S:
            seen.clear()
        seen.append((at_s, speed_m_s))
        while len(seen) > 1 and at_s - seen[1][0] >= SEEN_FOR_S:
            seen.popleft()
        if at_s - seen[0][0] < SEEN_FOR_S:
            return None
        mean_m_s = sum(speed for _, speed in seen) / len(seen)
        # Both count: the mean, for single readings scatter, and the present one, for it may have been put right.
        if max(mean_m_s, speed_m_s) < self._lower_m_s:
            say = FASTER
        elif min(mean_m_s, speed_m_s) > self._upper_m_s:
            say = SLOWER
        else:
            return None
        self._said = True
        return say
