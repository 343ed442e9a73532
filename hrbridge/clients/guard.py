"""Which cues may still be spoken: a "run" that comes ten seconds late is worse than silence.

A network can hold messages back and then pour them out all at once, whatever
their expiry: they wait in a socket, where no broker reaches them. And every
receiver has a clock of its own. So age is measured without a common clock:
time of receipt minus ``ts_ms`` is the difference of the two clocks plus the
time on the way, and the smallest ever seen (the offset) belongs to the
quickest message. What another one has above the offset is its age.

That is as good as the quickest message, and the first ones may be old
themselves: a retained state, or the head of a full buffer. So the first
message of a run plays nothing, a second one that agrees with it may; a headset
goes by ``state`` until then. Once there was a reason to doubt, no cue is
played before messages have come for half a second in the rhythm in which they
were sent: what pours out of a buffer has no rhythm.

Keep one guard over all reconnects: what it knows holds as long as the ``sid``
is the same, while a fresh one might begin with what a black hole gave back.

Three things make it doubt and learn anew, with no cue in between:

- a message much quicker than the quickest: then all before were late, or the
  receiver's clock stood still for a while (a phone asleep);
- a receiver's clock that goes back: it is not monotonic;
- a bridge's clock that goes far back and stays there: ``ts_ms`` began anew. An
  old message among new ones is only late.

A new ``sid`` is a new run, with a clock and a sequence of its own; what an
older run still has on the way is dropped.

What no receiver can see: messages that are all equally late, in rhythm, from
the first on. A receiver's clock that leaps ahead looks like a road that became
long for ever, and nothing is played until the next run: late cues are never
forgiven for coming steadily. Hence a monotonic clock, and one that goes on
while the machine sleeps where there is one (CLOCK_BOOTTIME on Linux).

``web/guard.js`` is the same for a page; the same vectors hold both.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import Any, TypeGuard

from msgspec import Struct

from hrbridge.messages import VERSION

# Wi-Fi that saves power and a busy phone take 0.1 to 0.3 s; a cue is worth seconds and can spare as much.
JITTER_S = 0.5
# Less than the second between two readings, so that two are enough; more than a full buffer takes to be read.
RHYTHM_S = 0.5
# Two cheap crystals, each 50 ppm off its own way: 0.36 s in an hour. A black hole of a minute is forgiven 6 ms.
DRIFT = 100e-6
# As long as ``state`` lives: a run that says nothing for so long is over, a clock so far back is another clock.
STALE_S = 15.0
# "Finished." lives longest, 30 s; what is to live for more than an hour was given in other units.
MAX_TTL_S = 3600.0
# Whole numbers up to here are the same in every language, JavaScript too; as milliseconds, 285,000 years.
MAX_INTEGER = 2**53 - 1
# Runs of which something may still be on its way; nobody starts more in a minute.
MAX_PAST_RUNS = 8


class Verdict(Struct, frozen=True):
    """What becomes of a cue, and the words for its ack.

    ``why``: "fresh"; or "retained", "malformed: FIELD", "old run", "seen
    before", "not yet in step", "too late". ``age_s``: how much longer the cue
    took than the quickest message, the least its age can be; 0.0 where nothing
    is known.
    """

    play: bool
    why: str
    age_s: float


class CueGuard:
    """One for each runner who is listened to; no I/O, no clock.

    ``received_at_s`` is the receiver's monotonic clock at the moment a message
    comes in, not when there is time for it. Whatever is delivered, nothing
    raises.
    """

    _seq: int  # the newest seen in this run, -1 before any

    def __init__(self) -> None:
        self._past_sids: deque[str] = deque(maxlen=MAX_PAST_RUNS)
        self._begin("", -inf)

    def observe(self, sid: str, ts_ms: int, received_at_s: float) -> None:
        """Any message that bears ``sid`` and ``ts_ms``; those that are no cues come here. Nonsense is passed over."""
        if _is_sid(sid) and _is_number(ts_ms, 0, MAX_INTEGER) and _is_time(received_at_s):
            self._hear(sid, ts_ms / 1000, received_at_s)

    def accept(self, cue: dict[str, Any], received_at_s: float, retained: bool) -> Verdict:
        """Judge one message of the topic ``cue``, decoded; once each, as they arrive."""
        # Somebody else kept it: it is no evidence of anything, not even of its number.
        if retained:
            return Verdict(False, "retained", 0.0)
        fault = _fault(cue) if _is_time(received_at_s) else "received_at_s"
        if fault is not None:
            return Verdict(False, f"malformed: {fault}", 0.0)
        age_s = self._hear(cue["sid"], cue["ts_ms"] / 1000, received_at_s)
        if age_s is None:
            return Verdict(False, "old run", 0.0)
        # One that is dropped counts as seen: its duplicate must not be played in its place.
        seen_before = cue["seq"] <= self._seq
        self._seq = max(self._seq, cue["seq"])
        if seen_before:
            return Verdict(False, "seen before", age_s)
        if not self._in_step:
            return Verdict(False, "not yet in step", age_s)
        if age_s > cue["ttl_s"]:
            return Verdict(False, "too late", age_s)
        return Verdict(True, "fresh", age_s)

    def _begin(self, sid: str, received_at_s: float) -> None:
        """A run of which nothing is known."""
        self._sid = sid
        self._seq = -1
        self._received_at_s = received_at_s
        self._newest_sent_s = -inf
        self._learn_anew()
        self._doubts = False

    def _learn_anew(self) -> None:
        self._in_step = False
        self._doubts = True
        self._offset_s = inf
        # What a message must not be much quicker than: the first one, and once there is a rhythm the quickest.
        self._believed_lag_s = inf
        # A rhythm goes on while messages come with the lag of its first one.
        self._rhythm_lag_s = inf
        self._rhythm_since_s = inf

    def _hear(self, sid: str, sent_s: float, received_at_s: float) -> float | None:
        """Learn from a message; its age, or None when its run is over."""
        if sid != self._sid:
            if sid not in self._past_sids:
                self._past_sids.append(self._sid)
            elif received_at_s - self._received_at_s <= STALE_S:
                return None
            # Else the one that was taken for newer is silent and the older is not: it was a straggler.
            self._begin(sid, received_at_s)

        passed_s = received_at_s - self._received_at_s
        self._received_at_s = received_at_s
        if passed_s < -JITTER_S:
            self._learn_anew()

        first = self._offset_s == inf
        lag_s = received_at_s - sent_s
        if abs(lag_s - self._rhythm_lag_s) > JITTER_S:
            self._rhythm_lag_s = lag_s
            self._rhythm_since_s = received_at_s
        received_for_s = received_at_s - self._rhythm_since_s
        sent_for_s = received_for_s - (lag_s - self._rhythm_lag_s)

        if self._newest_sent_s - sent_s > STALE_S and received_for_s > STALE_S:
            self._newest_sent_s = sent_s
            self._offset_s = lag_s
        self._newest_sent_s = max(self._newest_sent_s, sent_s)

        self._offset_s += DRIFT * passed_s
        self._believed_lag_s += DRIFT * passed_s
        if first or lag_s < self._believed_lag_s - JITTER_S:
            self._in_step = False
            self._doubts = self._doubts or not first
            self._believed_lag_s = lag_s
        self._offset_s = min(self._offset_s, lag_s)
        age_s = lag_s - self._offset_s
        in_rhythm = min(received_for_s, sent_for_s) >= RHYTHM_S
        if age_s <= JITTER_S and (in_rhythm or not (first or self._doubts)):
            self._in_step = True
        if in_rhythm:
            self._believed_lag_s = min(self._believed_lag_s, self._offset_s)
        return age_s


def _fault(cue: object) -> str | None:
    """The first field of a cue that cannot be believed; other fields are the headset's affair."""
    if not isinstance(cue, dict):
        return "not an object"
    # A change of meaning raises v.
    if not _is_number(cue.get("v", VERSION), VERSION, VERSION):
        return "v"
    if not _is_sid(cue.get("sid")):
        return "sid"
    seq = cue.get("seq")
    if not _is_number(seq, 0, MAX_INTEGER) or seq != int(seq):
        return "seq"
    if not _is_number(cue.get("ts_ms"), 0, MAX_INTEGER):
        return "ts_ms"
    if not _is_number(cue.get("ttl_s"), 0, MAX_TTL_S):
        return "ttl_s"
    return None


def _is_sid(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_time(value: object) -> bool:
    return _is_number(value, -MAX_INTEGER, MAX_INTEGER)


def _is_number(value: object, least: float, most: float) -> TypeGuard[float]:
    """NaN lies in no range; true is not 1."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
