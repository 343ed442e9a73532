"""The walk budget of a runner with a goal time: how long may still be walked, and when that is worth saying.

Walking covers ground, so a second of it loses only 1 - run pace / walk pace of
a second. What has been lost or won against the run pace, by walking, by
running slower or faster, is in the budget at once, for it is reckoned anew
from time and distance at every event.

The clock starts at the gun: when the main part begins, after the warm-up if
the plan has one; in the plan ``free`` when the first run is seen. From then on
it runs through pauses too, as it does in a race. The promise is as good as the
distance: a sensor that measures a course long makes it too large by the time
that the missing metres take.
"""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct

from hrbridge.control import words
from hrbridge.control.cues import QUIET_AFTER_CHANGE_S

# Kept back for hearing it and running on; before a walk also for its first seconds, in which nothing is said.
RESERVE_S = 5.0
RESERVE_BEFORE_WALK_S = RESERVE_S + QUIET_AFTER_CHANGE_S
# Nobody begins a walk with the finish line this near.
LAST_S = 20.0
# While there is plenty, every third walk and only what a minute has changed; then every walk and ten seconds.
PLENTY_S = 300.0
PLENTY_EVERY_WALKS = 3
PLENTY_CHANGED_S = 60.0
CHANGED_S = 10.0
STEP_S = 5.0
# Less is not offered: that nothing is left will be said in a moment.
LEAST_OFFER_S = 10.0
# The second walk, the fifth, ...: the others have a tip (first, fourth) or ask for the effort (third, sixth).
BEFORE_FIRST_WALK = -1
# Used up at the edge of the run pace, it must have come back this far before that is said again.
BACK_S = 30.0

NONE_LEFT = "No walking time left. Run on, or take a later finish."
NONE_AT_ALL = "At your run pace this goal leaves no time to walk."
ALL_THE_WAY = "You can walk all the way and still make it."


class Goal(Struct, frozen=True):
    """A distance in a time from the gun, and the speeds it is to be done with; running is faster than walking."""

    time_s: float
    distance_m: float
    run_m_s: float
    walk_m_s: float

    def slack_s(self, elapsed_s: float, distance_m: float) -> float:
        """What would be left of the time after running all the rest; negative: late."""
        return self.time_s - elapsed_s - (self.distance_m - distance_m) / self.run_m_s

    def allowed_s(self, elapsed_s: float, distance_m: float) -> float:
        """The walking that still fits in, at most all the rest of the way; from 0."""
        slack_s = self.slack_s(elapsed_s, distance_m)
        return max(0.0, min(slack_s / (1 - self.walk_m_s / self.run_m_s), self.walk_home_s(distance_m)))

    def walk_home_s(self, distance_m: float) -> float:
        """How long the rest of the way takes at a walk."""
        return (self.distance_m - distance_m) / self.walk_m_s

    @property
    def in_words(self) -> str:
        """ "goal 3:25:00 with two minutes thirty to walk"."""
        slack_s = self.slack_s(0, 0)
        text = f"goal {timedelta(seconds=round(self.time_s))}"
        if slack_s < 0:
            return f"{text}, {words.duration(-slack_s)} faster than running all the way"
        return f"{text} with {words.duration(self.allowed_s(0, 0))} to walk"


class Budget:
    """Knows what the runner has been told."""

    def __init__(self, goal: Goal) -> None:
        self._goal = goal
        # What was there at the beginning of the last walk in which it was told, 0 where nothing was left.
        self._told_s: float | None = None
        self._told_walk = BEFORE_FIRST_WALK
        self._none_told = False
        # The present walk: what was there at its beginning, and whether that is to be told.
        self._walk = 0
        self._begun_s = 0.0
        self._is_news = False

    def due(self, elapsed_s: float, distance_m: float, walk: int | None, *, begun: bool) -> tuple[str, float] | None:
        """What should be said now, with the seconds of walking it speaks of; None: nothing.

        Time and distance count from the gun; ``walk`` is the number of the
        present walk, None in a run, and ``begun`` tells that it has just
        begun. Ask again at the next event until it is said (``told``): nobody
        should hear an old number.
        """
        left_m = self._goal.distance_m - distance_m
        if left_m <= 0 or (walk is None and left_m < LAST_S * self._goal.run_m_s):
            return None
        allowed_s = self._goal.allowed_s(elapsed_s, distance_m)
        spoken_s = _rounded_down_s(allowed_s - (RESERVE_BEFORE_WALK_S if walk is None else RESERVE_S))
        if walk is not None and walk != self._walk:
            self._walk, self._begun_s, self._is_news = walk, spoken_s, self._matters(spoken_s, walk)
        if spoken_s >= BACK_S:
            self._none_told = False
        if spoken_s == 0:
            hopeless = self._told_s is None and self._goal.slack_s(0, 0) <= 0
            return None if self._none_told else (NONE_AT_ALL if hopeless else NONE_LEFT, 0.0)
        if walk is None or not begun or not self._is_news or spoken_s < LEAST_OFFER_S:
            return None
        if allowed_s == self._goal.walk_home_s(distance_m):
            return ALL_THE_WAY, spoken_s
        return f"You can walk {words.duration(spoken_s)} and still make it.", spoken_s

    def told(self, spoken_s: float, walk: int) -> None:
        """The runner has heard it, in or after this walk."""
        self._none_told = spoken_s == 0
        if self._none_told:
            self._told_s = 0.0
        else:
            self._told_s, self._told_walk, self._is_news = self._begun_s, walk, False

    def _matters(self, spoken_s: float, walk: int) -> bool:
        changed_s = float("inf") if self._told_s is None else abs(spoken_s - self._told_s)
        if spoken_s >= PLENTY_S:
            return walk - self._told_walk >= PLENTY_EVERY_WALKS and changed_s >= PLENTY_CHANGED_S
        return changed_s >= CHANGED_S


def _rounded_down_s(seconds: float) -> float:
    """As one says it, and never more than there is: five seconds, with plenty whole minutes; from 0."""
    step_s = STEP_S if seconds < PLENTY_S else 60.0
    return max(0.0, step_s * (seconds // step_s))
