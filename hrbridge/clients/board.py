"""Every runner of a broker in the order in which a coach should look: whoever needs it on top, and why in words.

No I/O and no clock, as scene.py. A runner goes up at once, and down only once
calm for ten seconds, so that nobody jumps about while a heart rate wavers
around its ceiling; those with the same need stand in the order of their names.
"""

from __future__ import annotations

import re
from enum import IntEnum

from msgspec import Struct

from hrbridge.clients.follower import RUNNER_ID, Happening, Heard, Joined, Left, Silent
from hrbridge.clients.scene import Link, Scene, View
from hrbridge.decisions import CueKind, Phase, Reason, Trust

CALM_AFTER_S = 10.0
# Whoever vanished in the middle of a run is looked for; after that they have gone home.
VANISHED_FOR_S = 300.0
HIGHEST_ZONE = 5
# CR-10: "very strong"; what the plan wants of a run is not told over MQTT, but none wants more.
HARD_RPE = 8.0
LOW_BATTERY_PERCENT = 15
MOVING = (Phase.RUN, Phase.SURGE, Phase.WALK)
ACTIVE = (*MOVING, Phase.WARMUP, Phase.COOLDOWN)


class Need(IntEnum):
    """Who is looked at first."""

    SAFETY = 0
    SIGNAL = 1
    NEWS = 2
    HIGH = 3
    HELD = 4
    EFFORT = 5
    SMALL = 6
    NONE = 7
    PAUSED = 8
    WAITING = 9
    FINISHED = 10
    GONE = 11


# What a coach would go and see about; small matters stand just below.
LOOKED_AT = frozenset(need for need in Need if need < Need.SMALL)


class Attention(Struct, frozen=True):
    """How much somebody needs a look, and why; ``why`` is empty where all is well."""

    need: Need
    why: str = ""


class Row(Struct, frozen=True):
    """One line of the board. ``attention`` is that of now; the order may still remember an earlier one."""

    view: View
    attention: Attention


def attention(view: View) -> Attention:
    """Whether a coach should go and see, by what is known of this runner alone."""
    if view.phase is None:
        return Attention(Need.GONE if view.link is Link.OFFLINE else Need.WAITING, "not started")
    if view.phase is Phase.FINISHED:
        return Attention(Need.FINISHED, "finished")
    if view.link is Link.OFFLINE:
        vanished = view.phase in ACTIVE and view.age_s is not None and view.age_s <= VANISHED_FOR_S
        return Attention(Need.NEWS, "left in the middle of a run") if vanished else Attention(Need.GONE, "offline")
    if view.link is Link.NO_BROKER or view.age_s is None:
        return Attention(Need.NONE, "")  # of all alike: the head of the board says so
    if view.link is Link.STALE:
        return Attention(Need.NEWS, f"no news for {_in_short(view.age_s)}")
    if view.phase is Phase.WAITING:
        return Attention(Need.WAITING, "not started")
    return _of_the_run(view)


def _of_the_run(view: View) -> Attention:
    said, bpm = view.decided, view.heart_rate_bpm
    reason = said.reason if said is not None else None
    if reason is Reason.SAFETY and said is not None:
        return Attention(Need.SAFETY, said.say)
    if view.phase is Phase.PAUSED:
        return Attention(Need.PAUSED, "paused")
    if view.phase in MOVING and bpm is None:
        return Attention(Need.SIGNAL, "no heart rate")
    if view.phase in ACTIVE and view.zone is not None and view.zone >= HIGHEST_ZONE:
        return Attention(Need.HIGH, f"zone {view.zone}")
    if view.phase is Phase.RUN and bpm is not None and view.ceiling_bpm is not None and bpm > view.ceiling_bpm:
        return Attention(Need.HIGH, f"{bpm - view.ceiling_bpm:.0f} above ceiling")
    if view.phase is Phase.WALK and said is not None and said.kind is CueKind.EXTEND_WALK:
        return Attention(Need.HELD, f"walk made longer: {said.reason.value.replace('_', ' ')}")
    if view.phase is Phase.WALK and view.remaining_s is None and view.next_phase is not None:
        return Attention(Need.HELD, "walk held until recovered")
    if (
        view.phase in ACTIVE
        and view.rpe is not None
        and (view.rpe >= HARD_RPE or reason in (Reason.RPE_HIGH, Reason.RPE_LIMIT))
    ):
        return Attention(Need.EFFORT, f"effort {view.rpe:g}")
    return _small(view)


def _small(view: View) -> Attention:
    small = []
    if view.phase in ACTIVE and view.trust is Trust.DOUBTFUL:
        small.append("signal doubtful")
    if view.headsets == 0:
        small.append("nobody listens")
    if view.battery_percent is not None and view.battery_percent <= LOW_BATTERY_PERCENT:
        small.append(f"strap {view.battery_percent} %")
    return Attention(Need.SMALL, ", ".join(small)) if small else Attention(Need.NONE)


def _in_short(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _by_number(name: str) -> str:
    """So that r2 stands before r10."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(32), name)


class Board:
    """Takes the happenings of all runners, in order; ``rows`` at any time."""

    def __init__(self) -> None:
        self.joined = False
        self._scenes: dict[str, Scene] = {}
        # By runner the need that the order goes by, and when it was last felt.
        self._felt: dict[str, tuple[Need, float]] = {}

    def take(self, happening: Happening, now_s: float) -> None:
        match happening:
            case Joined() | Left():
                self.joined = isinstance(happening, Joined)
                for scene in self._scenes.values():
                    scene.take(happening, now_s)
            case Silent() | Heard():
                pass  # of one runner, and for a page
            case _ if RUNNER_ID.fullmatch(happening.runner_id):
                self.scene(happening.runner_id).take(happening, now_s)

    def scene(self, runner_id: str) -> Scene:
        """Of whom nothing has come yet is new."""
        if runner_id not in self._scenes:
            self._scenes[runner_id] = scene = Scene(runner_id)
            if self.joined:
                scene.take(Joined(), 0.0)
        return self._scenes[runner_id]

    def rows(self, now_s: float) -> list[Row]:
        """Whoever needs a look first."""
        ranked = []
        for runner_id, scene in self._scenes.items():
            view = scene.view(now_s)
            row = Row(view, attention(view))
            ranked.append((self._rank(row, now_s), _by_number(runner_id), row))
        ranked.sort(key=lambda each: each[:2])
        return [row for *_, row in ranked]

    def _rank(self, row: Row, now_s: float) -> Need:
        runner_id, need = row.view.runner_id, row.attention.need
        felt, last_s = self._felt.get(runner_id, (need, now_s))
        if need > felt and need <= Need.NONE and now_s - last_s < CALM_AFTER_S:
            return felt
        self._felt[runner_id] = (need, now_s)
        return need
