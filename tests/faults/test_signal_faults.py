"""Every fault of the signal and every deaf ear, in every phase, with nothing but the controller and a simulated runner.

hrbridge simulate --fault NAME@T+FOR
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import pytest

from hrbridge import bridge, timeline
from hrbridge.control.controller import Controller
from hrbridge.decisions import CueKind, Phase, Reason, Step, Trust
from hrbridge.events import Action, Command, Event, Tick
from hrbridge.sensors.simulated import Simulated

from .catalogue import FAULTS, Fault
from .live_run import CONTROL, PLAN, RUNNER
from .promises import ABOUT_THE_SIGNAL, When, rash_cues

PAUSED_FOR_S = 90.0
# After the end of a fault: for the signal to be believed, and for a quiet moment to say so.
SETTLES_S = 90.0
DEAF = {"ignore_walk": Phase.WALK, "ignore_run": Phase.RUN}


@dataclass(frozen=True)
class Lived:
    fault: Fault
    when: When
    from_s: float
    steps: tuple[Step, ...]

    @property
    def until_s(self) -> float:
        return self.from_s + self.fault.for_s

    @property
    def heard(self) -> list[str]:
        cues = [cue for step in self.steps if step.at_s >= self.from_s for cue in step.cues]
        return [
            cue.say for cue in cues if cue.kind in ABOUT_THE_SIGNAL or cue.reason in (Reason.SAFETY, Reason.CUE_IGNORED)
        ]


def coached(faults: list[str], until_s: float, pause_s: float | None) -> Iterator[Step]:
    """The steps of a run with these faults; who pauses does so for 90 s."""
    runner = Simulated("novice", 1, faults)

    def events() -> Iterator[Event]:
        wishes = [Command(pause_s, Action.PAUSE), Command(pause_s + PAUSED_FOR_S, Action.RESUME)] if pause_s else []
        for event in runner.events():
            while wishes and wishes[0].at_s < event.at_s:
                yield wishes.pop(0)
            yield event

    for step in bridge.follow(Controller(PLAN, RUNNER, CONTROL), timeline.merge(events())):
        if step.at_s > until_s:
            return
        runner.take(step)
        yield step


@cache
def begins_s(phase: Phase) -> float:
    """When it begins for the first time in a run that nothing disturbs."""
    return next(step.at_s for step in coached([], 1000.0, None) if step.phase is phase)


def moments(fault: Fault) -> dict[When, tuple[float, float | None]]:
    """When it strikes, and when the runner pauses, if at all."""
    if fault.spec in DEAF:  # for the change that comes
        return {When.CHANGE: (begins_s(DEAF[fault.spec]) - 5, None)}
    return {
        When.WARMUP: (20.0, None),
        When.RUN: (begins_s(Phase.RUN) + 10, None),
        When.CHANGE: (begins_s(Phase.WALK), None),
        When.PAUSED: (begins_s(Phase.RUN) + 20, begins_s(Phase.RUN) + 10),
        When.WALK: (begins_s(Phase.WALK) + 10, None),
        When.COOLDOWN: (begins_s(Phase.COOLDOWN) + 10, None),
    }


@cache
def live(fault: Fault, when: When) -> Lived:
    from_s, pause_s = moments(fault)[when]
    spec = f"{fault.spec}@{from_s:g}+{fault.for_s:g}"
    return Lived(fault, when, from_s, tuple(coached([spec], from_s + fault.for_s + SETTLES_S, pause_s)))


STRIKES = [(fault, when) for fault in FAULTS if fault.spec for when in moments(fault)]


@pytest.fixture(params=STRIKES, ids=lambda strike: f"{strike[0]}, {strike[1]}")
def lived(request: pytest.FixtureRequest) -> Lived:
    return live(*request.param)


def test_every_second_ticks_once(lived: Lived) -> None:
    ticks = [step.at_s for step in lived.steps if isinstance(step.event, Tick)]
    assert ticks == [float(second) for second in range(1, len(ticks) + 1)]


def test_the_phases_go_on(lived: Lived) -> None:
    phases = [step.phase for step in lived.steps if step.phase is not Phase.PAUSED]
    changes = [now for before, now in pairwise(phases) if now is not before]
    usual = [Phase.WARMUP, Phase.RUN, *2 * [Phase.WALK, Phase.RUN], Phase.WALK, Phase.COOLDOWN, Phase.FINISHED]
    assert changes == usual[: len(changes)]


def test_nothing_is_concluded_from_a_heart_rate_that_is_not_trusted(lived: Lived) -> None:
    assert [cue for step in lived.steps for cue in rash_cues(step)] == []


@pytest.mark.parametrize("kind", [CueKind.SIGNAL_LOST, CueKind.SIGNAL_BACK])
def test_loss_and_return_are_told_once_each(lived: Lived, kind: CueKind) -> None:
    assert len([cue for step in lived.steps for cue in step.cues if cue.kind is kind]) <= 1


def test_nothing_is_heard_that_the_table_does_not_say(lived: Lived) -> None:
    assert [say for say in lived.heard if not any(words.endswith(say) for words in lived.fault.hears)] == []


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.spec], ids=str)
def test_what_the_table_says_is_heard(fault: Fault) -> None:
    when = When.CHANGE if fault.spec in DEAF else When.RUN
    assert live(fault, when).heard == list(fault.hears)


def test_heart_rate_is_back_in_time(lived: Lived) -> None:
    trusted = [(step.at_s, step.estimate.trust is Trust.GOOD) for step in lived.steps]
    if lived.fault.back_s is None:
        doubts = [at_s for at_s, good in trusted if not good and at_s >= lived.from_s]
        assert doubts == []
    else:
        back_s = next(at_s for at_s, good in trusted if good and at_s >= lived.until_s) - lived.until_s
        assert back_s <= lived.fault.back_s


def test_whoever_resumes_has_time_to_get_going_before_the_cue_counts_as_ignored() -> None:
    run_s = begins_s(Phase.RUN)
    steps = coached([], run_s + 18 + PAUSED_FOR_S + 30, run_s + 18)
    assert [cue.say for step in steps for cue in step.cues if cue.reason is Reason.CUE_IGNORED] == []
