"""What there is to see of one runner: all that a follower hears, reduced to one view; for the display and the board.

No I/O and no clock: the moment comes in. How old a state is can be told
without a common clock, as in guard.py: time of receipt minus ``ts_ms``, above
the least of it ever seen in this run. What the broker kept may be of any age,
until another message of the run has told the difference of the clocks.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from hrbridge.clients.follower import About, Answered, Beat, Cued, Happening, Joined, Left, Status, Summed, Told
from hrbridge.clients.guard import DRIFT, STALE_S
from hrbridge.decisions import CueKind, Phase, Ratio, Reason, Trust
from hrbridge.messages import CueMessage, HeartRate, LastCue, State, Summary

# Two states were missed: what is shown is no longer the present.
GREY_AFTER_S = 10.0
# A strap tells once a second, some only every other: an older reading is shown with its age.
AGED_S = 3.0
# Over so many seconds a rehearsal (run --speed 10) can be told from life, whose states come when ticks do.
PACE_OVER_S = 4.0
# Reading and state of one step: the reading is sent after the state and stamped before it.
SAME_STEP_MS = 100
REHEARSAL = 1.5
TIMED = (Phase.WARMUP, Phase.RUN, Phase.SURGE, Phase.WALK, Phase.COOLDOWN)
# Said in between; what was decided last stands behind them.
PASSING = (CueKind.COUNTDOWN, CueKind.NEXT, CueKind.TIP, CueKind.RPE_PROMPT, CueKind.BATTERY)


class Link(StrEnum):
    """Whether what is shown is the present, and if not, whose silence it is."""

    LIVE = "live"
    NO_BROKER = "no broker"
    OFFLINE = "bridge offline"
    NOTHING = "nothing heard"
    UNSURE = "waiting for news"
    STALE = "no news"


class Said(Struct, frozen=True):
    """A cue; ``heart_rate_bpm`` and ``for_s`` are None where only ``state`` has told of it."""

    seq: int
    kind: CueKind
    reason: Reason
    say: str
    heart_rate_bpm: float | None = None
    for_s: float | None = None


class View(Struct, frozen=True, kw_only=True):
    """One runner at one moment, bridge's numbers brought forward to it.

    ``fresh``: believable as the present; all else is to be shown in grey.
    ``age_s`` is that of the state, ``heart_age_s`` that of the reading.
    ``remaining_s`` is None where nobody can know it; ``said`` is the last cue,
    ``decided`` the last one that changed something.
    """

    runner_id: str
    plan: str
    link: Link
    fresh: bool
    age_s: float | None
    phase: Phase | None = None
    phase_elapsed_s: float = 0.0
    remaining_s: float | None = None
    next_phase: Phase | None = None
    elapsed_s: float = 0.0
    run_s: float = 0.0
    walk_s: float = 0.0
    distance_m: float | None = None
    heart_rate_bpm: float | None = None
    heart_age_s: float | None = None
    trust: Trust = Trust.NONE
    zone: int | None = None
    ceiling_bpm: float | None = None
    battery_percent: int | None = None
    rpe: float | None = None
    headsets: int = 0
    ratio: Ratio | None = None
    said: Said | None = None
    decided: Said | None = None
    summary: Summary | None = None


class _Offset:
    """The difference between our clock and the bridge's in one run, as its quickest message tells it."""

    def __init__(self) -> None:
        self.sid = ""
        self._offset_s = 0.0
        self._newest_s = 0.0
        self._learned_s = 0.0

    def learn(self, sid: str, ts_ms: int, now_s: float) -> None:
        """From a message that has just come."""
        sent_s = ts_ms / 1000
        lag_s = now_s - sent_s
        began_anew = sid != self.sid or sent_s < self._newest_s - STALE_S
        crept_s = self._offset_s + DRIFT * (now_s - self._learned_s)
        self._offset_s = lag_s if began_anew else min(lag_s, crept_s)
        self._newest_s = sent_s if began_anew else max(sent_s, self._newest_s)
        self.sid, self._learned_s = sid, now_s

    def age_s(self, sid: str, ts_ms: int, now_s: float) -> float | None:
        """None where nothing of that run has come live."""
        return max(0.0, now_s - ts_ms / 1000 - self._offset_s) if sid == self.sid else None


class Scene:
    """Takes the happenings of one runner, in order; ``view`` at any time. See the head of this file."""

    def __init__(self, runner_id: str) -> None:
        self.runner_id = runner_id
        self._offset = _Offset()
        self._joined = False
        self._online: bool | None = None
        self._plan = ""
        self._state: State | None = None
        self._beat: HeartRate | None = None
        self._said: Said | None = None
        self._decided: Said | None = None
        self._summary: Summary | None = None
        self._pace = 1.0
        self._paced_from: State | None = None

    def take(self, happening: Happening, now_s: float) -> None:
        match happening:
            case Joined():
                self._joined = True
            case Left():
                self._joined = False
            case Status(online=online):
                self._online = online
            case About(info=info):
                self._plan = _plain(info.plan)
            case Told(state=state, kept=kept):
                self._take_state(state, now_s, kept=kept)
            case Beat(heart_rate=beat):
                self._offset.learn(beat.sid, beat.ts_ms, now_s)
                self._beat = beat
            case Cued(cue=cue, verdict=verdict) if verdict.why != "retained":
                self._offset.learn(cue.sid, cue.ts_ms, now_s)
                if verdict.play:
                    self._take_cue(_said(cue))
            case Summed(summary=summary):
                self._summary = summary
            case Answered():
                pass  # for whoever asked

    def _take_state(self, state: State, now_s: float, *, kept: bool) -> None:
        if not kept:
            self._offset.learn(state.sid, state.ts_ms, now_s)
            self._online = True
            self._learn_pace(state)
        if self._state is None or self._state.sid != state.sid:
            self._said = self._decided = None
        self._state = state
        cue = state.last_cue
        # The cue itself has told more, and comes first.
        if cue is not None and (self._said is None or self._said.seq < cue.seq):
            self._take_cue(_said(cue))

    def _take_cue(self, said: Said) -> None:
        self._said = said
        if said.kind not in PASSING or self._decided is None:
            self._decided = said

    def _learn_pace(self, state: State) -> None:
        """How many seconds of the run pass in a second: one, except in a rehearsal."""
        before = self._paced_from
        if before is None or before.sid != state.sid or state.phase not in TIMED:
            self._paced_from, self._pace = state, 1.0
            return
        passed_s = (state.ts_ms - before.ts_ms) / 1000
        if passed_s >= PACE_OVER_S:
            pace = (state.elapsed_s - before.elapsed_s) / passed_s
            self._pace = pace if pace > REHEARSAL else 1.0
            self._paced_from = state

    def view(self, now_s: float) -> View:
        state = self._state
        if state is None:
            link = self._link(None)
            return View(runner_id=self.runner_id, plan=self._plan, link=link, fresh=False, age_s=None)
        age_s = self._offset.age_s(state.sid, state.ts_ms, now_s)
        link = self._link(age_s)
        here = self._online is not False
        # Our own timer: it goes on through a silence, and stands when the bridge has gone.
        passes = state.phase in TIMED and age_s is not None and here
        passed_s = self._pace * age_s if passes and age_s is not None else 0.0
        left_s = state.phase_remaining_s
        bpm, trust, heart_age_s = self._heart(state, now_s)
        return View(
            runner_id=self.runner_id,
            plan=self._plan,
            link=link,
            fresh=here and age_s is not None and age_s <= GREY_AFTER_S,
            age_s=age_s,
            phase=state.phase,
            phase_elapsed_s=state.phase_elapsed_s + passed_s,
            remaining_s=None if left_s is None else max(0.0, left_s - passed_s),
            next_phase=state.next_phase,
            elapsed_s=state.elapsed_s + passed_s,
            run_s=state.run_s + (passed_s if state.phase in (Phase.RUN, Phase.SURGE) else 0.0),
            walk_s=state.walk_s + (passed_s if state.phase is Phase.WALK else 0.0),
            distance_m=state.distance_m,
            heart_rate_bpm=bpm,
            heart_age_s=heart_age_s,
            trust=trust,
            zone=state.zone if bpm is not None else None,
            ceiling_bpm=state.ceiling_bpm,
            battery_percent=state.battery_percent,
            rpe=state.rpe,
            headsets=state.headsets,
            ratio=state.ratio,
            said=self._said,
            decided=self._decided,
            summary=self._summary if self._summary is not None and self._summary.sid == state.sid else None,
        )

    def _link(self, age_s: float | None) -> Link:
        if not self._joined:
            return Link.NO_BROKER
        if self._online is False:
            return Link.OFFLINE
        if self._state is None:
            return Link.NOTHING
        if age_s is None:
            return Link.UNSURE
        return Link.STALE if age_s > GREY_AFTER_S else Link.LIVE

    def _heart(self, state: State, now_s: float) -> tuple[float | None, Trust, float | None]:
        """The newest of reading and state: heart rate, trust and age; no rate where it is not believed."""
        beat = self._beat
        newest: State | HeartRate = state
        if beat is not None and beat.sid == state.sid and beat.ts_ms >= state.ts_ms - SAME_STEP_MS:
            newest = beat
        age_s = self._offset.age_s(newest.sid, newest.ts_ms, now_s)
        believed = newest.trust is not Trust.NONE and age_s is not None and age_s <= GREY_AFTER_S
        return newest.heart_rate_bpm if believed else None, newest.trust, age_s


def _said(cue: CueMessage | LastCue) -> Said:
    if isinstance(cue, LastCue):
        return Said(cue.seq, cue.kind, cue.reason, _plain(cue.say))
    return Said(cue.seq, cue.kind, cue.reason, _plain(cue.say), cue.heart_rate_bpm, cue.for_s)


def _plain(text: str) -> str:
    """Without what would move the cursor of a terminal: anybody may write to a broker."""
    return "".join(each if each.isprintable() else " " for each in text)
