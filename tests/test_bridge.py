"""The loop: every step reaches every listener, one that fails is left behind, and a finished run is over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from hrbridge import bridge
from hrbridge.config import Block, Control, Plan, Runner, Segment
from hrbridge.control.controller import Controller
from hrbridge.decisions import Phase, Step
from hrbridge.errors import OutputError
from hrbridge.events import Action, Command, Event, Tick

EVENTS: list[Event] = [Command(0, Action.START), *(Tick(second) for second in range(1, 20))]


def controller() -> Controller:
    """A plan of five seconds running and five walking."""
    segments = (Segment(kind="run", for_s=5.0), Segment(kind="walk", for_s=5.0))
    return Controller(Plan(repeats=1, block=(Block(segments=segments),)), Runner(age_years=40), Control())


async def live(events: list[Event]) -> AsyncIterator[Event]:
    for event in events:
        yield event


class Listener:
    """Keeps every step."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def take(self, step: Step) -> None:
        self.steps.append(step)


class FullDisk(Listener):
    """Takes two steps and cannot write the third."""

    def take(self, step: Step) -> None:
        super().take(step)
        if len(self.steps) == 3:
            raise OutputError("run.jsonl: the trace is incomplete: No space left on device")


class Broken(Listener):
    """Has a bug."""

    def take(self, step: Step) -> None:
        raise ZeroDivisionError


# -- a recording or a simulation --


def test_a_run_that_is_finished_is_not_followed_further() -> None:
    steps = list(bridge.follow(controller(), EVENTS))
    assert [step.at_s for step in steps if step.phase is Phase.FINISHED] == [10]
    assert steps[-1].phase is Phase.FINISHED


def test_a_recording_that_ends_early_ends_the_run() -> None:
    assert [step.event for step in bridge.follow(controller(), EVENTS[:4])] == EVENTS[:4]


def test_a_step_is_there_before_the_next_event_is_asked_for() -> None:
    def only_the_start() -> Iterator[Event]:
        yield EVENTS[0]
        raise AssertionError("asked for more than the start")

    assert next(bridge.follow(controller(), only_the_start())).phase is Phase.RUN


# -- live --


async def test_every_listener_hears_every_step() -> None:
    one, other = Listener(), Listener()
    await bridge.run(controller(), live(EVENTS), [one, other])
    assert one.steps == other.steps == list(bridge.follow(controller(), EVENTS))


async def test_a_finished_run_is_over_although_the_strap_goes_on() -> None:
    listener = Listener()
    await bridge.run(controller(), live(EVENTS), [listener])
    assert listener.steps[-1].at_s == 10


async def test_a_listener_that_cannot_write_is_left_out() -> None:
    disk, other = FullDisk(), Listener()
    await bridge.run(controller(), live(EVENTS), [disk, other])
    assert (len(disk.steps), len(other.steps)) == (3, 11)


async def test_who_stands_behind_a_listener_that_fails_misses_no_step() -> None:
    behind = Listener()
    await bridge.run(controller(), live(EVENTS), [FullDisk(), FullDisk(), behind])
    assert [step.at_s for step in behind.steps] == list(range(11))


async def test_that_a_listener_cannot_write_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    await bridge.run(controller(), live(EVENTS), [FullDisk()])
    assert caplog.messages == [
        "run.jsonl: the trace is incomplete: No space left on device; the run goes on without it"
    ]


async def test_a_bug_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        await bridge.run(controller(), live(EVENTS), [Broken()])
