"""What the headset says of itself, and what the bridge is likely to say next; one table for each language.

The words of a cue come from the bridge. Guessing them only gets them rendered
ahead: a wrong guess costs a moment of a quiet processor, a missing one delays
the words by it, behind the tone.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from msgspec import Struct

from hrbridge.config import Language
from hrbridge.decisions import Phase
from hrbridge.messages import State


class Phrases(Struct, frozen=True):
    """``doing``: where the run stands; ``begin``: what to do now; ``left``: of so many seconds."""

    doing: dict[Phase, str]
    begin: dict[Phase, str]
    left: Callable[[float], str]
    link_lost: str
    link_back: str
    no_bridge: str
    fixed: tuple[str, ...]
    next: Callable[[State], tuple[str, ...]]

    def own(self) -> tuple[str, ...]:
        """All that the headset may say without a number, and the bridge in every run."""
        links = (self.link_lost, self.link_back, self.no_bridge)
        return (*links, *self.begin.values(), *self.doing.values(), *self.fixed)

    def ahead(self, state: State) -> tuple[str, ...]:
        """What may come next, the likeliest first."""
        return self.next(state)


# fmt: off
_UNITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
          "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
# fmt: on
_NOUNS = {Phase.RUN: "run", Phase.SURGE: "surge", Phase.WALK: "walk", Phase.COOLDOWN: "cool-down"}


def _number(value: int) -> str:
    if value < 20:
        return _UNITS[value]
    tens, units = divmod(value, 10)
    return _TENS[tens] + (f"-{_UNITS[units]}" if units else "")


def _duration(seconds: float) -> str:
    """ "forty seconds", "ninety seconds", "four minutes", "three minutes ten"."""
    step_s = 1 if seconds < 60 else 5 if seconds < 600 else 60
    whole = step_s * round(seconds / step_s)
    minutes, rest = divmod(whole, 60)
    if whole < 60 or whole == 90:
        return f"{_number(whole)} second{'s' if whole != 1 else ''}"
    text = f"{_number(minutes) if minutes < 100 else minutes} minute{'s' if minutes != 1 else ''}"
    return f"{text} {_number(rest)}" if rest else text


def _left(seconds: float) -> str:
    """To the next five seconds: the words themselves take two."""
    return f"{_duration(max(5, 5 * ceil(seconds / 5 - 0.5))).capitalize()} left."


def _next(state: State) -> tuple[str, ...]:
    if state.next_phase not in _NOUNS:
        return ()
    noun = _NOUNS[state.next_phase].capitalize()
    guesses = [f"{noun} in three, two, one.", f"{noun} in ten seconds."]
    if state.next_phase is not Phase.COOLDOWN:
        length_s = state.ratio.walk_s if state.next_phase is Phase.WALK else state.ratio.run_s
        guesses.insert(0, f"{noun} {_duration(length_s)}.")
    if state.next_phase is Phase.WALK:
        guesses.append(f"High enough. {guesses[0]}")
    else:
        guesses.append(f"{noun} in five seconds.")
    return tuple(guesses)


_ENGLISH = Phrases(
    doing={
        Phase.WAITING: "Ready.",
        Phase.WARMUP: "Warming up.",
        Phase.RUN: "Running.",
        Phase.SURGE: "Surging.",
        Phase.WALK: "Walking.",
        Phase.COOLDOWN: "Cooling down.",
        Phase.PAUSED: "Paused.",
        Phase.FINISHED: "Ready.",
    },
    begin={Phase.RUN: "Run.", Phase.SURGE: "Surge.", Phase.WALK: "Walk.", Phase.COOLDOWN: "Easy walk to finish."},
    left=_left,
    link_lost="Connection lost.",
    link_back="Connected again.",
    no_bridge="Waiting for hrbridge.",
    fixed=(
        "Warm-up: walk five minutes.",
        "A little slower.",
        "Jog slower.",
        "Slower walk.",
        "Effort, zero to ten?",
        "Fifteen more seconds.",
        "Fifteen more seconds of walking.",
        "Stand tall, eyes up.",
        "Elbows bent, arms relaxed.",
        "Short steps, feet under you.",
        "Shoulders loose, breathe out.",
        "Done. Well run.",
        "Drink something, and eat soon.",
    ),
    next=_next,
)

PHRASES: dict[Language, Phrases] = {Language.EN: _ENGLISH}
