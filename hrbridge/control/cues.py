"""When to say what: what must be heard now, what can wait for a quiet moment, and what was said too often."""

from __future__ import annotations

from msgspec import Struct

from hrbridge.decisions import Cue, CueKind, Reason

# Nothing but safety is said this soon after a change of phase, nor this close before the next.
QUIET_AFTER_CHANGE_S = 8.0
QUIET_BEFORE_CHANGE_S = 5.0
BETWEEN_CUES_S = 4.0
# What waits longer than this for a quiet moment is not worth saying any more.
WAIT_AT_MOST_S = 30.0
# The same advice in two runs (or walks) in a row then falls silent for three.
SAME_ADVICE_CYCLES = 2
SILENT_CYCLES = 3

TTL_S: dict[CueKind, float] = {CueKind.COUNTDOWN: 2.0, CueKind.TIP: 10.0, CueKind.RATIO: 15.0, CueKind.FINISH: 30.0}
USUAL_TTL_S = 5.0

# Lower waits longer.
PRIORITY: dict[CueKind, int] = {
    CueKind.WARNING: 9,
    CueKind.EASE_RUN: 7,
    CueKind.EASE_WALK: 7,
    CueKind.SIGNAL_LOST: 6,
    CueKind.SIGNAL_BACK: 6,
    CueKind.RATIO: 5,
    CueKind.BUDGET: 5,
    CueKind.BATTERY: 4,
    CueKind.RPE_PROMPT: 3,
    CueKind.TIP: 1,
}
ADVICE = (CueKind.EASE_RUN, CueKind.EASE_WALK, CueKind.WALK, CueKind.RUN)
# What would be out of place in the next phase.
FOR_THIS_PHASE = (*ADVICE, CueKind.RPE_PROMPT, CueKind.BUDGET)


class Waiting(Struct, frozen=True):
    """A cue that waits for a quiet moment."""

    kind: CueKind
    reason: Reason
    say: str
    for_s: float | None
    until_s: float


class Cues:
    """Collects what is to be said at each step, numbers it and keeps the quiet times."""

    def __init__(self) -> None:
        self._seq = 0
        self._ready: list[Cue] = []
        self._waiting: list[Waiting] = []
        self._last_change_s = float("-inf")
        self._last_cue_s = float("-inf")
        self._cycle = 0
        self._advised: dict[CueKind, list[int]] = {}
        self.said_in_cycle = 0

    def change(self, at_s: float, *, new_cycle: bool) -> None:
        """A new phase begins: what was meant for the last one is forgotten."""
        self._last_change_s = at_s
        if new_cycle:
            self._cycle += 1
            self.said_in_cycle = 0
        self._waiting = [w for w in self._waiting if w.kind not in FOR_THIS_PHASE and not _is_form_tip(w)]

    def say_now(self, kind: CueKind, reason: Reason, say: str, for_s: float | None = None) -> None:
        """Changes, countdowns, extensions and safety: they have their own moment."""
        self._seq += 1
        self._ready.append(Cue(self._seq, kind, reason, say, TTL_S.get(kind, USUAL_TTL_S), _round(for_s)))

    def say_when_quiet(self, at_s: float, kind: CueKind, reason: Reason, say: str, for_s: float | None = None) -> None:
        """Everything else; the newest of a kind replaces the one that still waits."""
        # A walk that the heart asks for is no advice to be tired of.
        is_advice = kind in ADVICE and (kind is not CueKind.WALK or reason is Reason.CUE_IGNORED)
        if is_advice and not self._advice_is_welcome(kind):
            return
        self.forget(kind, reason if kind is CueKind.WARNING else None)  # warnings are of different things
        self._waiting.append(Waiting(kind, reason, say, for_s, at_s + WAIT_AT_MOST_S))
        self._waiting.sort(key=lambda w: -PRIORITY.get(w.kind, 2))

    def forget(self, kind: CueKind, reason: Reason | None = None) -> None:
        """Something better is to be said; with ``reason`` only than what waits for that one."""
        self._waiting = [w for w in self._waiting if w.kind is not kind or reason not in (None, w.reason)]

    def collect(self, at_s: float, next_change_s: float | None, *, trusted: bool, listening: bool) -> tuple[Cue, ...]:
        """The cues of this step; called once per step. Advice does not wait for an untrusted signal."""
        if self._waiting:
            self._waiting = [w for w in self._waiting if w.until_s >= at_s and (trusted or w.kind not in ADVICE)]
            if self._waiting and not self._ready and listening and self._is_quiet(at_s, next_change_s):
                waiting = self._waiting.pop(0)
                if waiting.kind in ADVICE:
                    self._advised.setdefault(waiting.kind, []).append(self._cycle)
                self.said_in_cycle += 1
                self.say_now(waiting.kind, waiting.reason, waiting.say, waiting.for_s)
        if not self._ready:
            return ()
        self._last_cue_s = at_s
        ready, self._ready = tuple(self._ready), []
        return ready

    def _is_quiet(self, at_s: float, next_change_s: float | None) -> bool:
        return (
            at_s - self._last_change_s >= QUIET_AFTER_CHANGE_S
            and at_s - self._last_cue_s >= BETWEEN_CUES_S
            and (next_change_s is None or next_change_s - at_s >= QUIET_BEFORE_CHANGE_S)
        )

    def _advice_is_welcome(self, kind: CueKind) -> bool:
        said = self._advised.get(kind, [])[-SAME_ADVICE_CYCLES:]
        if len(said) < SAME_ADVICE_CYCLES or said[1] - said[0] > 1:
            return True
        return self._cycle - said[1] > SILENT_CYCLES


def _is_form_tip(waiting: Waiting) -> bool:
    return waiting.kind is CueKind.TIP and waiting.reason is Reason.PLANNED


def _round(seconds: float | None) -> float | None:
    return None if seconds is None else float(round(seconds, 3))
