"""Can the heart rate be believed? Straps lie: dry electrodes, frozen values, the rhythm of steps taken for beats.

Numbers marked [M] were measured on public recordings of real runs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from hrbridge.config import Control, Runner
from hrbridge.decisions import Trust
from hrbridge.events import Sample

LOWEST_BPM = 35
HIGHEST_BPM = 220
ABOVE_MAXIMUM_BPM = 15
MISSING_BPM = (0, 255)
WINDOW_S = 5.0
# [M] clean 1 Hz recordings have a 99.9th percentile of 1-6 bpm/s, bad ones 15-33.
MAX_STEP_BPM_S = 8.0
NEW_LEVEL_AFTER_S = 5.0
TOO_HIGH_AFTER_S = 15.0
# One sample above the range is a spike like any other.
TOO_HIGH_DOUBT_S = 3.0
# [M] clean recordings stay flat for up to 41 s.
FROZEN_AFTER_S = 60.0
FROZEN_WITH_A_CAUSE_AFTER_S = 20.0
# [M] clean recordings match the cadence in up to 18 % of samples, so a lock also needs a jump at its start.
LOCKED_WITHIN_BPM = 2.0
LOCKED_AFTER_S = 30.0
LOCKED_SHARE = 0.9
UNLOCKED_SHARE = 0.5
LOCK_JUMP_BPM = 15.0
LOCK_JUMP_WITHIN_S = 6.0
RR_WINDOW_S = 10.0
RR_RANGE_S = (0.24, 2.0)
RR_DISAGREES_BY = 0.10
CONTACT_OFF_AFTER_S = 3.0
# Dry electrodes find the skin and lose it again.
CONTACT_LOSSES, CONTACT_LOSSES_WITHIN_S = 3, 30.0
# A second sensor is heard from 5 s of silence of the first on; sensors that have something to say do so every second.
SILENT_AFTER_S = 3.0
NEVER_S = float("-inf")


class SignalMonitor:
    """Follows ``Sample`` events; ``heart_rate_bpm`` is the median of the last 5 s, ``trust`` how far to believe it.

    ``trusted_bpm`` is the same median, None unless trust is good.
    ``source`` is the sensor that is heard, ``strap`` the one of them that goes
    first; both None where samples do not tell. Two sensors may differ by any
    number of beats, so all windows begin anew with another source, and nothing
    is believed before 5 s of it.
    """

    def __init__(self, runner: Runner, settings: Control) -> None:
        self._highest_bpm = min(HIGHEST_BPM, runner.maximum_bpm + ABOVE_MAXIMUM_BPM)
        self._doubt_after_s = settings.doubt_after_s
        self._clock_after_s = settings.clock_after_s
        self.heart_rate_bpm: float | None = None
        self.trusted_bpm: float | None = None
        self.trust = Trust.NONE
        self.doubt = "no heart rate yet"
        self.too_high = False
        self.source: str | None = None
        self.strap: str | None = None
        self._turned_s = NEVER_S
        self._accepted_s = NEVER_S
        self._changed_gait_s = NEVER_S
        self._trust_since_s = 0.0
        self._bad_since_s: float | None = None
        self._listen_anew()

    def _listen_anew(self) -> None:
        """All that is known of one sensor: nothing yet."""
        self._window: deque[tuple[float, int]] = deque()
        self._intervals_s: deque[float] = deque(maxlen=15)
        self._spacing_s = 0.0
        self._last_sample_s: float | None = None
        self._level_bpm = 0
        self._candidates: list[tuple[float, int]] = []
        self._too_high_since_s: float | None = None
        self._too_high_s = NEVER_S
        self._too_high_bpm = 0
        self._flat_since_s = 0.0
        self._rr: deque[tuple[float, float]] = deque()
        self._rr_s = NEVER_S
        self._rr_disagrees = False
        self._contact_off_since_s: float | None = None
        self._contact_losses_s: deque[float] = deque(maxlen=CONTACT_LOSSES)
        self._recent: deque[tuple[float, int, bool]] = deque()
        self._lock_jump_s = NEVER_S
        self._locked = False

    def hear(self, sample: Sample, cadence_spm: float | None) -> None:
        """Take one notification of the sensor."""
        at_s, source = sample.at_s, sample.source
        if source is not None and source != self.source:
            if self.source is not None and not has_reading(sample):
                return  # its contact and its beats would be taken for those of the sensor that is heard
            self._turn_to(source, at_s)
        interval_s = 1.0
        if self._last_sample_s is not None and at_s > self._last_sample_s:
            interval_s = at_s - self._last_sample_s
            self._intervals_s.append(interval_s)
            if interval_s != self._spacing_s:  # else it stays what it is
                self._spacing_s = _median(self._intervals_s)
        self._last_sample_s = at_s
        if sample.contact is not None:
            self._hear_contact(at_s, on=sample.contact)
        if sample.rr_s:
            self._hear_rr(at_s, sample.rr_s)
        bpm = sample.heart_rate_bpm
        if bpm is None or bpm in MISSING_BPM or bpm <= LOWEST_BPM:  # as has_reading, which costs a call
            return
        step_bpm = MAX_STEP_BPM_S * max(interval_s, 1.0)
        if bpm > self._highest_bpm:
            self._hear_too_high(at_s, bpm, step_bpm)
            return
        self._too_high_since_s = None
        self._hear_cadence(at_s, bpm, cadence_spm)
        if self._window and abs(bpm - self._level_bpm) > step_bpm:
            self._consider(at_s, bpm, step_bpm)
            return
        self._candidates.clear()
        self._accept(at_s, bpm)
        self._rr_disagrees = bool(self._rr) and self._compare_rr(at_s)

    def changed_gait(self, at_s: float) -> None:
        """A run or a walk begins: a real heart rate must move soon."""
        self._changed_gait_s = at_s

    def resume(self, at_s: float) -> None:
        """After a pause: its silence is nobody's fault, and what was before it says nothing any more."""
        self._window.clear()
        self._candidates.clear()
        self.heart_rate_bpm = self.trusted_bpm = None
        self._accepted_s = at_s
        self._flat_since_s = at_s
        self._bad_since_s = None

    def update(self, at_s: float) -> None:
        """Judge at ``at_s``; call once per event, after ``hear``."""
        window = self._window
        while len(window) > 1 and window[0][0] <= at_s - WINDOW_S:
            window.popleft()
        missing = not window or at_s - self._accepted_s >= self._at_least(self._doubt_after_s)
        self.too_high = (
            self._too_high_since_s is not None and self._too_high_s - self._too_high_since_s >= TOO_HIGH_AFTER_S
        )
        self.doubt = "no heart rate" if missing else self._find_doubt(at_s)
        self.heart_rate_bpm = None if missing else _median([bpm for _, bpm in window])
        if not self.doubt:
            if self.trust is not Trust.GOOD:
                self.trust, self._trust_since_s = Trust.GOOD, at_s
            self.trusted_bpm, self._bad_since_s = self.heart_rate_bpm, None
            return
        self.trust = Trust.NONE if missing else Trust.DOUBTFUL
        self.trusted_bpm = None
        if self._bad_since_s is None:
            # Missing began with the last good sample, not when it was noticed.
            self._bad_since_s = self._accepted_s if missing and self._accepted_s > NEVER_S else at_s

    def good_for_s(self, at_s: float) -> float:
        """How long the signal has been good."""
        return at_s - self._trust_since_s if self.trust is Trust.GOOD else 0.0

    def bad_for_s(self, at_s: float) -> float:
        """How long the signal has been doubtful or missing."""
        return 0.0 if self._bad_since_s is None else at_s - self._bad_since_s

    @property
    def off_skin(self) -> bool:
        """The strap says so; soon it will be doubted."""
        return self._contact_off_since_s is not None

    def clock_drives(self, at_s: float) -> bool:
        """True when the signal has been away so long that only the clock is left."""
        return self._bad_since_s is not None and self.bad_for_s(at_s) >= self._at_least(self._clock_after_s)

    def _at_least(self, limit_s: float) -> float:
        """Some watches record every 4 to 6 s: a limit is at least three of their intervals."""
        return max(limit_s, 3 * self._spacing_s)

    def _turn_to(self, source: str, at_s: float) -> None:
        """Another sensor is heard. The second one only speaks when the first is silent: who interrupts is the first."""
        if self.source is None or at_s - self._accepted_s < SILENT_AFTER_S:
            self.strap = source
        if self.source is not None:
            self._turned_s = at_s
            self._listen_anew()
        self.source = source

    def _accept(self, at_s: float, bpm: int) -> None:
        if not self._window or bpm != self._level_bpm:
            self._flat_since_s = at_s
        self._level_bpm = bpm
        self._accepted_s = at_s
        self._window.append((at_s, bpm))

    def _consider(self, at_s: float, bpm: int, step_bpm: float) -> None:
        """A jump: refused, until 5 s of samples agree on the new level."""
        if self._candidates and abs(bpm - self._candidates[-1][1]) > step_bpm:
            self._candidates.clear()
        self._candidates.append((at_s, bpm))
        if at_s - self._candidates[0][0] >= NEW_LEVEL_AFTER_S:
            self._window.clear()
            for candidate in self._candidates:
                self._accept(*candidate)
            self._candidates.clear()

    def _hear_too_high(self, at_s: float, bpm: int, step_bpm: float) -> None:
        if self._too_high_since_s is None or abs(bpm - self._too_high_bpm) > step_bpm:
            self._too_high_since_s = at_s
        self._too_high_s = at_s
        self._too_high_bpm = bpm

    def _hear_contact(self, at_s: float, *, on: bool) -> None:
        if on:
            self._contact_off_since_s = None
        elif self._contact_off_since_s is None:
            self._contact_off_since_s = at_s
            self._contact_losses_s.append(at_s)

    def _hear_rr(self, at_s: float, intervals_s: tuple[float, ...]) -> None:
        self._rr_s = at_s
        for rr_s in intervals_s:
            if RR_RANGE_S[0] <= rr_s <= RR_RANGE_S[1]:
                self._rr.append((at_s, rr_s))

    def _hear_cadence(self, at_s: float, bpm: int, cadence_spm: float | None) -> None:
        """A lock begins with a jump onto the cadence, and then nearly every sample for half a minute is a step."""
        recent = self._recent
        while recent and recent[0][0] < at_s - LOCKED_AFTER_S:
            recent.popleft()
        matches = bool(cadence_spm) and abs(bpm - (cadence_spm or 0.0)) <= LOCKED_WITHIN_BPM
        if matches and any(
            abs(bpm - before) >= LOCK_JUMP_BPM
            for before_s, before, _ in recent
            if before_s >= at_s - LOCK_JUMP_WITHIN_S
        ):
            self._lock_jump_s = at_s
        recent.append((at_s, bpm, matches))
        first_s = recent[0][0]
        if not self._locked and self._lock_jump_s < first_s - LOCK_JUMP_WITHIN_S:
            return
        share = sum(match for _, _, match in recent) / len(recent)
        if self._locked:
            # Cadence is told a second late and so misses now and then: a lock holds until most samples differ.
            self._locked = share >= UNLOCKED_SHARE
        else:
            self._locked = share >= LOCKED_SHARE and at_s - first_s >= LOCKED_AFTER_S - 2

    def _find_doubt(self, at_s: float) -> str:
        """Why the signal is doubtful, in words; empty when it is not."""
        contact_off = self._contact_off_since_s is not None and at_s - self._contact_off_since_s >= CONTACT_OFF_AFTER_S
        losses = self._contact_losses_s
        if contact_off or (len(losses) == CONTACT_LOSSES and at_s - losses[0] <= CONTACT_LOSSES_WITHIN_S):
            return "no contact"
        if self._too_high_since_s is not None and self._too_high_s - self._too_high_since_s >= TOO_HIGH_DOUBT_S:
            return "too high"
        flat_s = self._accepted_s - self._flat_since_s
        if flat_s >= FROZEN_AFTER_S:
            return "frozen"
        if flat_s >= FROZEN_WITH_A_CAUSE_AFTER_S:
            rr_stopped = self._rr_s > NEVER_S and at_s - self._rr_s >= FROZEN_WITH_A_CAUSE_AFTER_S
            over_a_change = self._flat_since_s < self._changed_gait_s <= self._accepted_s - FROZEN_WITH_A_CAUSE_AFTER_S
            if rr_stopped or over_a_change:
                return "frozen"
        if self._locked:
            return "cadence"
        if self._accepted_s - self._turned_s < NEW_LEVEL_AFTER_S:
            return "another sensor"
        return "RR intervals disagree" if self._rr_disagrees else ""

    def _compare_rr(self, at_s: float) -> bool:
        """Do ten seconds of beats say something else than ten seconds of heart rate?"""
        while self._rr and self._rr[0][0] < at_s - RR_WINDOW_S:
            self._rr.popleft()
        if len(self._rr) < 5 or self._rr[-1][0] - self._rr[0][0] < RR_WINDOW_S / 2:
            return False
        from_rr_bpm = 60 / _median([rr_s for _, rr_s in self._rr])
        bpm = _median([b for s, b, _ in self._recent if s >= at_s - RR_WINDOW_S] or [self._level_bpm])
        return abs(from_rr_bpm - bpm) > RR_DISAGREES_BY * bpm


def has_reading(sample: Sample) -> bool:
    """Whether there is a heart rate in it, believable or not."""
    bpm = sample.heart_rate_bpm
    return bpm is not None and bpm not in MISSING_BPM and bpm > LOWEST_BPM


def _median(values: Iterable[float]) -> float:
    """Like statistics.median, without its checks: this runs several times a second."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return float(ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2)
