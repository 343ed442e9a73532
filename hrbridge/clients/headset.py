"""What a runner hears and when: what matters most first, never two at once, and never nothing when the link is lost.

``Headset`` decides and touches nothing: happenings and the time come in, what
to do comes out. ``listen`` is the loop around it, with a voice and a player.

- Safety cuts short everything else; a change of phase what is less; the rest
  waits for its turn, at most until it is worth nothing any more.
- For 8 s after a change only changes, their countdowns, safety and the answer
  to a wish are heard, as the bridge itself has it.
- The end of a phase is beeped here, at its second and once, when the bridge
  cannot be heard: it is known from the last ``state``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from enum import IntEnum

from msgspec import Struct
from msgspec.structs import replace

from hrbridge import config
from hrbridge.clients.follower import Beat, Cued, Follower, Happening, Joined, Left, Silent, Told
from hrbridge.clients.phrases import PHRASES
from hrbridge.clients.player import Player
from hrbridge.clients.tones import Tone, tone
from hrbridge.clients.voice import Voice
from hrbridge.decisions import CueKind, Phase, Reason
from hrbridge.messages import State
from hrbridge.ports import Clock

log = logging.getLogger(__name__)

INF = float("inf")

# As the bridge has it: nothing else is heard so soon after a change.
QUIET_AFTER_CHANGE_S = 8.0
# What waits for its turn; the bridge itself keeps as many cues.
MAX_WAITING = 8
# What the headset says of itself is worth as much as a cue.
OWN_TTL_S = 5.0
# Again a minute after the first, then after two, four, ...: whoever missed it in traffic hears it soon, and whoever
# runs on without the bridge, knowing it, is left in peace.
LINK_LOST_AGAIN_S = 60.0
# The cue of a change may be so late on a good link; readings come every second on one.
END_GRACE_S = 0.5
LINK_QUIET_S = 1.5
# The bridge counts down at 3 s, and in longer phases at 10 s; a sleeping headset is woken a second before.
WAKE_FOR_COUNTDOWN_S = (0.0, 4.0)
WAKE_FOR_NOTICE_S = (10.0, 11.0)
NOTICE_FROM_S = 45.0
# Words that are still being rendered are looked for so often, and after so long are given up.
LOOK_FOR_WORDS_S = 0.02
WORDS_WITHIN_S = 3.0

MOVING = (Phase.WARMUP, Phase.RUN, Phase.SURGE, Phase.WALK, Phase.COOLDOWN)


class Rank(IntEnum):
    TIP = 0
    ADVICE = 1
    # What the headset says of itself: a countdown or a change that comes meanwhile says more.
    PRESENT = 2
    COUNTDOWN = 3
    CHANGE = 4
    SAFETY = 5


RANKS: dict[CueKind, Rank] = {
    CueKind.WARNING: Rank.SAFETY,
    CueKind.WARMUP: Rank.CHANGE,
    CueKind.RUN: Rank.CHANGE,
    CueKind.SURGE: Rank.CHANGE,
    CueKind.WALK: Rank.CHANGE,
    CueKind.COOLDOWN: Rank.CHANGE,
    CueKind.FINISH: Rank.CHANGE,
    CueKind.PAUSE: Rank.CHANGE,
    CueKind.RESUME: Rank.CHANGE,
    CueKind.COUNTDOWN: Rank.COUNTDOWN,
    CueKind.TIP: Rank.TIP,
}
# The tone of a phase that begins without a cue.
PHASE_TONES = {Phase.RUN: Tone.RUN, Phase.SURGE: Tone.SURGE, Phase.WALK: Tone.WALK, Phase.COOLDOWN: Tone.WALK}


class Utterance(Struct, frozen=True):
    """A tone and words, heard as one; not begun after ``until_s``."""

    rank: Rank
    tone: Tone
    say: str
    until_s: float
    # What is acknowledged; None for what the headset says of itself.
    cued: Cued | None = None
    arrived_s: float = 0.0
    # In the quiet after a change.
    may_disturb: bool = True


class Start(Struct, frozen=True):
    """Begin this now."""

    utterance: Utterance


class Cut(Struct, frozen=True):
    """End what is heard."""


class Wake(Struct, frozen=True):
    """Something is about to come."""


class Drop(Struct, frozen=True):
    """A cue that is not heard, and why."""

    cued: Cued
    why: str


Act = Start | Cut | Wake | Drop


class Headset:
    """Give it what happens (``hear``), do what it says (``act``), and tell it how long that is heard (``sounds``)."""

    def __init__(self, settings: config.Headset) -> None:
        self._settings = settings
        self.phrases = PHRASES[settings.language]
        self._waiting: list[Utterance] = []
        self._dropped: list[Drop] = []
        self._sounding: Utterance | None = None
        self._until_s = -INF
        # the last change that was heard, and the last that the bridge told
        self._changed_s = self._cued_change_s = -INF
        # the link
        self._state: State | None = None
        self._greeted = False
        self._heard_s = -INF
        self._link_lost = False
        self._say_lost_s = INF
        self._say_lost_again_s = LINK_LOST_AGAIN_S
        # when the phase ends, and how long before that something is to be expected; infinity where nobody knows
        self._ends_s = INF
        self._wakes_s: tuple[tuple[float, float], ...] = ()

    # -- what happens --

    def hear(self, happening: Happening, now_s: float) -> None:
        match happening:
            case Left():
                self._link_lost = True
            case Silent():
                self._link_lost = True
                self._say_lost_s, self._say_lost_again_s = now_s, LINK_LOST_AGAIN_S
            case Beat():
                self._link_is_good(now_s)
            case Told():
                self._link_is_good(now_s)
                self._hear_state(happening, now_s)
            case Cued():
                self._link_is_good(now_s)
                self._hear_cue(happening, now_s)

    def _link_is_good(self, now_s: float) -> None:
        self._heard_s = now_s
        self._link_lost = False

    def _hear_state(self, told: Told, now_s: float) -> None:
        if told.age_s is None:
            if self._state is None:
                self._state = told.state
            return
        self._state = told.state
        self._say_lost_s = INF
        remaining_s = told.state.phase_remaining_s
        known = remaining_s is not None and told.state.phase in MOVING
        self._ends_s = now_s - told.age_s + (remaining_s or 0.0) if known else INF
        is_long = told.state.phase_elapsed_s + (remaining_s or 0.0) >= NOTICE_FROM_S
        self._wakes_s = (WAKE_FOR_NOTICE_S, WAKE_FOR_COUNTDOWN_S) if is_long else (WAKE_FOR_COUNTDOWN_S,)
        if told.present:
            self._say_present(told.state, now_s)

    def _say_present(self, state: State, now_s: float) -> None:
        """Where the run stands, to whoever is new or was cut off; after a change the cue has just said it."""
        again, self._greeted = self._greeted, True
        if now_s - self._cued_change_s < QUIET_AFTER_CHANGE_S:
            return
        phrases = self.phrases
        words = [phrases.link_back] if again else []
        words.append(phrases.doing[state.phase])
        if self._ends_s < INF:
            words.append(phrases.left(self._ends_s - now_s))
        self._offer(Utterance(Rank.PRESENT, Tone.READY, " ".join(words), now_s + OWN_TTL_S))

    def _hear_cue(self, cued: Cued, now_s: float) -> None:
        cue, verdict = cued.cue, cued.verdict
        if not verdict.play:
            self._dropped.append(Drop(cued, verdict.why))
            return
        if cue.kind in self._settings.leave_out:
            self._dropped.append(Drop(cued, "left out"))
            return
        rank = RANKS.get(cue.kind, Rank.ADVICE)
        if rank is Rank.CHANGE:
            self._ends_s = INF
        self._offer(
            Utterance(
                rank,
                Tone(cue.tone) if cue.tone in {*Tone} else Tone.NOTE,
                "" if cue.kind in self._settings.tone_only else cue.say,
                now_s - verdict.age_s + cue.ttl_s,
                cued,
                now_s,
                rank >= Rank.COUNTDOWN or cue.reason is Reason.COMMAND,
            )
        )

    def _offer(self, utterance: Utterance) -> None:
        if utterance.rank is Rank.CHANGE:
            self._forget([u for u in self._waiting if Rank.PRESENT <= u.rank <= Rank.CHANGE], "overtaken")
        self._waiting.append(utterance)
        if len(self._waiting) > MAX_WAITING:
            self._forget([min(self._waiting, key=lambda u: u.rank)], "too many")

    def _forget(self, utterances: list[Utterance], why: str) -> None:
        for utterance in utterances:
            self._waiting.remove(utterance)
            if utterance.cued is not None:
                self._dropped.append(Drop(utterance.cued, why))

    # -- what to do --

    def act(self, now_s: float) -> Iterator[Act]:
        """To be done in this order; after a Start, ``sounds`` says until when."""
        if now_s >= self._until_s:
            self._sounding = None
        self._mind_the_end(now_s)
        self._mind_the_link(now_s)
        self._forget([u for u in self._waiting if u.until_s < now_s], "waited too long")
        yield from self._dropped
        self._dropped.clear()
        chosen = self._next(now_s)
        if chosen is not None:
            if self._sounding is not None:
                yield Cut()
            self._waiting.remove(chosen)
            self._sounding = chosen
            if chosen.rank is Rank.CHANGE:
                self._changed_s = now_s
                self._cued_change_s = now_s if chosen.cued is not None else self._cued_change_s
            yield Start(chosen)
        elif any(low_s < self._ends_s - now_s <= high_s for low_s, high_s in self._wakes_s):
            yield Wake()

    def sounds(self, until_s: float) -> None:
        """What was started is heard until then; infinity while nobody knows."""
        self._until_s = until_s

    def look_again_s(self, now_s: float) -> float:
        """When ``act`` may have something to do even if nothing happens."""
        moments = [u.until_s for u in self._waiting]
        if self._waiting:
            moments += [self._until_s, self._changed_s + QUIET_AFTER_CHANGE_S]
        moments += [self._end_due_s(), self._say_lost_s, *(self._ends_s - high_s for _, high_s in self._wakes_s)]
        return min((moment_s for moment_s in moments if moment_s > now_s), default=INF)

    def _next(self, now_s: float) -> Utterance | None:
        quiet = now_s - self._changed_s < QUIET_AFTER_CHANGE_S
        may = [u for u in self._waiting if u.may_disturb or not quiet]
        chosen = max(may, key=lambda u: u.rank, default=None)  # of equals the first
        if chosen is None or (self._sounding is not None and chosen.rank <= self._sounding.rank):
            return None
        return chosen

    def _end_due_s(self) -> float:
        if self._link_lost:
            return self._ends_s
        return max(self._ends_s + END_GRACE_S, self._heard_s + LINK_QUIET_S)

    def _mind_the_end(self, now_s: float) -> None:
        """A phase ends, and nobody says so."""
        if self._state is None or now_s < self._end_due_s():
            return
        self._ends_s = INF
        begins = self._state.next_phase
        say = self.phrases.begin.get(begins, "") if begins is not None else ""
        sound = PHASE_TONES.get(begins, Tone.NOTE) if begins is not None else Tone.NOTE
        self._offer(Utterance(Rank.CHANGE, sound, say, now_s + OWN_TTL_S))

    def _mind_the_link(self, now_s: float) -> None:
        if now_s < self._say_lost_s:
            return
        self._say_lost_s = INF
        if self._state is None:
            self._offer(Utterance(Rank.PRESENT, Tone.LINK_LOST, self.phrases.no_bridge, now_s + OWN_TTL_S))
        elif self._state.phase not in (Phase.WAITING, Phase.FINISHED):
            self._offer(Utterance(Rank.PRESENT, Tone.LINK_LOST, self.phrases.link_lost, now_s + OWN_TTL_S))
            self._say_lost_s = now_s + self._say_lost_again_s
            self._say_lost_again_s *= 2


class Mouth:
    """A tone at once, and the words behind it as soon as they are there."""

    def __init__(self, voice: Voice, player: Player) -> None:
        self._voice = voice
        self._player = player
        self._tones = {name: tone(name) for name in Tone}
        self._words = ""
        self._give_up_s = 0.0
        self._until_s = -INF

    @property
    def seeks_words(self) -> bool:
        return self._words != ""

    def begin(self, utterance: Utterance, now_s: float) -> float:
        """Returns until when it is heard; infinity while its words are being rendered."""
        self._until_s = self._player.play(self._tones[utterance.tone], utterance.tone, now_s)
        self._words = utterance.say
        self._give_up_s = now_s + WORDS_WITHIN_S
        return self.go_on(now_s)

    def go_on(self, now_s: float) -> float:
        """The same, later."""
        if not self._words:
            return self._until_s
        samples = self._voice.words(self._words)
        if samples is None and now_s < self._give_up_s:
            return INF
        if samples is not None:
            self._until_s = self._player.play(samples, self._words, now_s)
        self._words = ""
        return max(self._until_s, now_s)

    def cut(self, now_s: float) -> None:
        self._words = ""
        self._player.cut(now_s)


async def listen(follower: Follower, headset: Headset, voice: Voice, player: Player, clock: Clock) -> None:
    """Until it is cancelled. Raises BrokerError when the broker cannot be reached at the start."""
    mouth = Mouth(voice, player)
    voice.prepare(headset.phrases.own())
    # The first sound of all may wait two seconds for a sound server: it shall not be a cue.
    player.wake(clock.now_s())
    await follower.join()
    log.info("connected")
    told = ""  # why the broker is away: once, not at each attempt
    while True:
        now_s = clock.now_s()
        again_s = min(headset.look_again_s(now_s), player.rests_at_s)
        if mouth.seeks_words:
            again_s = min(again_s, now_s + LOOK_FOR_WORDS_S)
        happening = await _next_happening(follower, again_s - now_s)
        now_s = clock.now_s()
        match happening:
            case Left(why=why):
                if why != told:
                    log.info("%s", why)
                told = why
            case Joined():
                log.info("connected again")
                told = ""
            case Told(state=state):
                voice.prepare(headset.phrases.ahead(state))
        if happening is not None:
            headset.hear(happening, now_s)
        if mouth.seeks_words:
            headset.sounds(mouth.go_on(now_s))
        for act in headset.act(now_s):
            match act:
                case Start(utterance=utterance):
                    headset.sounds(mouth.begin(utterance, now_s))
                    await _acknowledge_played(follower, utterance, now_s)
                case Cut():
                    mouth.cut(now_s)
                case Wake():
                    player.wake(now_s)
                case Drop(cued=cued, why=why):
                    await follower.acknowledge(cued, played=False, why=why)
        player.tend(now_s)


async def _next_happening(follower: Follower, within_s: float) -> Happening | None:
    try:
        async with asyncio.timeout(within_s if within_s < INF else None):
            return await anext(follower)
    except TimeoutError:
        return None


async def _acknowledge_played(follower: Follower, utterance: Utterance, now_s: float) -> None:
    """With the age that it had when it was begun."""
    if utterance.cued is not None:
        verdict = utterance.cued.verdict
        waited_s = now_s - utterance.arrived_s
        begun = replace(utterance.cued, verdict=replace(verdict, age_s=verdict.age_s + waited_s))
        await follower.acknowledge(begun, played=True)
