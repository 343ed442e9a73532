"""What is told before the start, to whoever has no screen: is the strap heard, and when does the run begin?"""

from __future__ import annotations

from math import ceil

from hrbridge.control import words
from hrbridge.control.cues import Cues
from hrbridge.control.signal import NEVER_S, SignalMonitor
from hrbridge.decisions import CueKind, Reason, Trust

# Putting on a strap and wetting it takes less.
NO_STRAP_AFTER_S = 60.0
# A strap that slips while it is put right is not worth a word.
LOST_AFTER_S = 5.0
# Once it has slipped, the next pulse is believed after so long.
STEADY_S = 5.0
# A loose strap could be told of eight times in a minute.
LOST_AGAIN_AFTER_S = 60.0
# The words take as long: of a start that is nearer only the pulse is told.
WORTH_TELLING_S = 3.0


class Waiting:
    """Asked once a second before the start. Whoever was told of a start is told when it is off, and on again."""

    def __init__(self, cues: Cues, signal: SignalMonitor, start_after_s: float) -> None:
        self._cues = cues
        self._signal = signal
        self._start_after_s = start_after_s
        self._heard = False  # as far as the runner was told
        self._lost_told_s = NEVER_S

    def tell(self, at_s: float) -> None:
        bpm, good_for_s = self._signal.heart_rate_bpm, self._signal.good_for_s(at_s)
        if bpm is not None and self._signal.trust is Trust.GOOD and not self._signal.off_skin:
            was_lost = self._lost_told_s > NEVER_S
            if not self._heard and (good_for_s >= STEADY_S or not was_lost):
                self._heard = True
                kind, reason = CueKind.NEXT, Reason.PLANNED
                if was_lost:
                    kind, reason = CueKind.SIGNAL_BACK, Reason.RECOVERED
                self._cues.say_now(
                    kind, reason, f"{words.sentence(words.pulse(bpm))} {self._start(good_for_s)}".strip()
                )
        elif self._heard:
            if self._signal.bad_for_s(at_s) >= LOST_AFTER_S and at_s - self._lost_told_s >= LOST_AGAIN_AFTER_S:
                self._heard = False
                self._lose(at_s, "Waiting.")
        elif at_s >= NO_STRAP_AFTER_S and self._lost_told_s == NEVER_S:
            self._lose(at_s, "Start runs by the clock.")

    def _start(self, good_for_s: float) -> str:
        if self._start_after_s == 0:
            return "Ready to start."
        left_s = ceil(self._start_after_s - good_for_s)
        return f"Starting in {words.duration(left_s)}." if left_s >= WORTH_TELLING_S else ""

    def _lose(self, at_s: float, what_now: str) -> None:
        self._lost_told_s = at_s
        if self._signal.source is None:
            say = "No strap yet."
        else:
            say = "No heart rate." if self._signal.trust is Trust.NONE else "Check the strap."
        self._cues.say_now(CueKind.SIGNAL_LOST, Reason.NO_SIGNAL, f"{say} {what_now}")
