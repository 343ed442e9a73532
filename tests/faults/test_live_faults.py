"""Every fault of the radio, the broker, the disk and the clock, in every phase of a live run.

One run per fault, from the strap to the headset (live_run.py): the fault
strikes before the start, in the warm-up, in a run, at the change to a walk, in
a pause, in a walk and on the way home.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise

import pytest
import standing_clock
from standing_clock import Loop

from hrbridge import trace
from hrbridge.clients.follower import Silent, Told
from hrbridge.decisions import CueKind, Phase, Step, Trust
from hrbridge.events import Action, Command, Rpe, Sample, Tick
from hrbridge.journal import Journal

from .catalogue import FAULTS, LINK_LOST, STANDS_STILL_S, Fault, Layer
from .live_run import OTHER_BPM, RUNNER, SID, HeardCue, LiveRun, Stage, coached, standing
from .promises import ABOUT_THE_SIGNAL, ON_THE_MOVE, When, rash_cues


@dataclass(frozen=True)
class Strike:
    """From when to when, and until the next one, s."""

    when: When
    from_s: float
    until_s: float
    next_s: float


@dataclass(frozen=True)
class Lived:
    """What is known of a run when it is over; times are seconds since it was opened."""

    fault: Fault
    strikes: list[Strike]
    steps: list[tuple[float, Step]]
    cues: list[HeardCue]
    happened: list[tuple[float, object]]
    stored: list[bytes]
    said: list[logging.LogRecord]
    troubles: list[dict[str, object]]
    left_over: list[str]

    def during(self, strike: Strike, *, afterwards: bool = True) -> list[tuple[float, Step]]:
        until_s = strike.next_s if afterwards else strike.until_s
        return [(at_s, step) for at_s, step in self.steps if strike.from_s <= at_s < until_s]

    def strike(self, when: When) -> Strike:
        return next(strike for strike in self.strikes if strike.when is when)


async def run_through(run: LiveRun, fault: Fault) -> list[Strike]:
    """The whole run, with the fault at each of its moments."""
    assert fault.strikes is not None
    times: list[tuple[When, float, float]] = []

    async def strike(when: When) -> None:
        from_s = run.loop.now_s()
        async with fault.strikes(run):
            await asyncio.sleep(fault.for_s)
        times.append((when, from_s, run.loop.now_s()))

    def well_into(phase: Phase) -> Callable[[Step], bool]:
        return lambda step: step.phase is phase and step.phase_elapsed_s >= 12

    await run.until(lambda step: step.at_s >= 10)
    await strike(When.WAITING)
    await run.until(lambda step: step.at_s >= times[-1][2] + 30)
    run.wishes.put_nowait(Action.START)
    for phase, when in ((Phase.WARMUP, When.WARMUP), (Phase.RUN, When.RUN)):
        await run.until(well_into(phase))
        await strike(when)
    await run.until(lambda step: step.phase is Phase.RUN and step.repeat == 2)
    await run.until(lambda step: step.phase is Phase.WALK)
    await strike(When.CHANGE)
    await run.until(well_into(Phase.RUN))
    run.wishes.put_nowait(Action.PAUSE)
    await run.until(well_into(Phase.PAUSED))
    await strike(When.PAUSED)
    await asyncio.sleep(10.0)
    run.wishes.put_nowait(Action.RESUME)
    for phase, when in ((Phase.WALK, When.WALK), (Phase.COOLDOWN, When.COOLDOWN)):
        await run.until(well_into(phase))
        await strike(when)
    await run.until(lambda step: step.phase is Phase.FINISHED)
    await asyncio.sleep(1.0)  # for the last words to be heard
    ends = [from_s for _, from_s, _ in times[1:]] + [run.loop.now_s() + 1]
    return [Strike(*time, next_s) for time, next_s in zip(times, ends, strict=True)]


# One or two of each layer; all of them take a minute, and are left to `make proof`.
EVERY_DAY = (
    "the strap is out of range for 40 s",
    "it sends nonsense for 40 s",
    "bluetoothd is killed for 40 s",
    "the broker is stopped for 40 s",
    "it hangs for 40 s",
    "nonsense and far too much comes over MQTT",
    "the way to the headset stalls for 7 s",
    "the disk is full for 40 s",
    "the machine stands still for 40 s",
)
PLAYED = [
    pytest.param(fault, marks=[] if fault.name in EVERY_DAY else pytest.mark.proof, id=fault.name)
    for fault in FAULTS
    if fault.strikes is not None
]


@pytest.fixture(scope="module", params=PLAYED)
def lived(request: pytest.FixtureRequest, stages: Callable[[], AbstractContextManager[Stage]]) -> Lived:
    fault: Fault = request.param
    said: list[logging.LogRecord] = []
    listener = logging.Handler(logging.WARNING)
    listener.emit = said.append  # type: ignore[method-assign]
    logging.getLogger().addHandler(listener)

    async def live(loop: Loop) -> tuple[LiveRun, list[Strike], list[str]]:
        with standing(loop, stage):
            async with coached(loop, stage) as run:
                strikes = await run_through(run, fault)
            ours = asyncio.current_task()
            tasks = [repr(task) for task in asyncio.all_tasks() if task is not ours]
            # Bleak keeps one per loop.
            return run, strikes, [task for task in tasks if "bleak" not in task]

    with stages() as stage:
        (run, strikes, left_over), loop = standing_clock.run(live)
        with Journal(run.journal.path) as journal:
            stored = list(journal.lines(journal.sessions(RUNNER.id)[0].id))
    logging.getLogger().removeHandler(listener)
    return Lived(fault, strikes, run.steps, run.cues, run.happened, stored, said, loop.troubles, left_over)


# -- time --


def test_every_second_ticks_once(lived: Lived) -> None:
    """A machine that stands still makes up for no second: a burst of them helps nobody."""
    # One that comes late bears the time of the beat before it.
    ticks = [step.at_s for _, step in lived.steps if isinstance(step.event, Tick) and step.at_s.is_integer()]
    asleep_s = STANDS_STILL_S if lived.fault.layer is Layer.CLOCK else 0
    missed = sorted({float(second) for second in range(1, 1 + round(ticks[-1]))} - set(ticks))
    assert ticks == sorted(set(ticks))
    assert [second for second in missed if not in_a_strike(lived, second, asleep_s)] == []


def test_the_time_of_the_session_is_that_of_the_clock(lived: Lived) -> None:
    opened_s = lived.steps[0][0] - lived.steps[0][1].at_s
    astray = [(at_s, step.at_s) for at_s, step in lived.steps if abs(at_s - opened_s - step.at_s) > 0.01]
    # The last tick before the machine stood still is made when it goes on.
    late_s = 0.0 if lived.fault.layer is Layer.CLOCK else None
    assert [each for each in astray if not in_a_strike(lived, each[0], late_s)] == []


def test_the_run_is_neither_begun_anew_nor_thrown_out_of_its_course(lived: Lived) -> None:
    phases = [step.phase for _, step in lived.steps if step.phase is not Phase.PAUSED]
    changes = [now for before, now in pairwise(phases) if now is not before]
    assert changes == [Phase.WARMUP, *3 * [Phase.RUN, Phase.WALK], Phase.COOLDOWN, Phase.FINISHED]


def test_it_is_one_session_for_whoever_listens(lived: Lived) -> None:
    told = {each.state.sid for _, each in lived.happened if isinstance(each, Told)}
    assert {sid for sid in told if not sid.startswith("rival")} == {SID}


# -- what is said --


def test_nothing_is_concluded_from_a_heart_rate_that_is_not_trusted(lived: Lived) -> None:
    assert [cue for _, step in lived.steps for cue in rash_cues(step)] == []


@pytest.mark.parametrize("kind", [CueKind.SIGNAL_LOST, CueKind.SIGNAL_BACK])
@pytest.mark.parametrize("when", When)
def test_loss_and_return_are_told_once_each(lived: Lived, when: When, kind: CueKind) -> None:
    steps = lived.during(lived.strike(when))
    assert len([cue for _, step in steps for cue in step.cues if cue.kind is kind]) <= 1


@pytest.mark.parametrize("when", ON_THE_MOVE)
def test_the_runner_hears_what_the_table_says_and_no_more(lived: Lived, when: When) -> None:
    strike = lived.strike(when)
    steps = lived.during(strike)
    heard = [cue.say for _, step in steps for cue in step.cues if cue.kind in ABOUT_THE_SIGNAL]
    silent = [at_s for at_s, each in lived.happened if strike.from_s <= at_s < strike.next_s and each == Silent()]
    assert [*heard, *[LINK_LOST for _ in silent]] == list(lived.fault.hears)


def test_no_cue_is_played_that_is_older_than_it_is_worth(lived: Lived) -> None:
    played = [each for each in lived.cues if each.cued.verdict.play]
    assert [each for each in played if each.age_s > each.cued.cue.ttl_s] == []
    assert len(played) > 5


def test_every_cue_is_played_unless_the_way_to_the_headset_is_broken(lived: Lived) -> None:
    played = {each.cued.cue.seq for each in lived.cues if each.cued.verdict.play}
    missed = [(at_s, cue.say) for at_s, step in lived.steps for cue in step.cues if cue.seq not in played]
    assert [each for each in missed if not in_a_strike(lived, each[0], lived.fault.away_s)] == []


# -- the heart rate comes back --


@pytest.mark.parametrize("when", When)
def test_heart_rate_is_back_in_time(lived: Lived, when: When) -> None:
    strike = lived.strike(when)
    trusted = [(at_s, step.estimate.trust is Trust.GOOD) for at_s, step in lived.during(strike)]
    if lived.fault.back_s is None:
        expected = [True] * len(trusted)
        assert [good for _, good in trusted] == expected
    else:
        back_s = next(at_s for at_s, good in trusted if good and at_s >= strike.until_s) - strike.until_s
        assert back_s <= lived.fault.back_s


def test_no_other_strap_is_ever_believed(lived: Lived) -> None:
    assert OTHER_BPM not in {step.event.heart_rate_bpm for _, step in lived.steps if isinstance(step.event, Sample)}


# -- what nobody asked for is not done --


def test_nothing_but_the_runners_own_wishes_is_obeyed(lived: Lived) -> None:
    wishes = [step.event for _, step in lived.steps if isinstance(step.event, Command | Rpe)]
    asked = [wish.action for wish in wishes if isinstance(wish, Command) and wish.action is not Action.ADAPT_ON]
    assert asked == [Action.START, Action.PAUSE, Action.RESUME]
    assert [wish for wish in wishes if isinstance(wish, Rpe)] == []


# -- nothing is lost, broken or left behind --


def test_the_journal_has_every_step(lived: Lived) -> None:
    assert lived.stored == [trace.encode(step) for _, step in lived.steps]


def test_nothing_is_raised_and_nothing_left_over(lived: Lived) -> None:
    assert lived.troubles == []
    assert lived.left_over == []
    assert [record for record in lived.said if record.exc_info] == []


def in_a_strike(lived: Lived, at_s: float, and_s: float | None) -> bool:
    """Whether it is in a strike, as it begins, or so long after one; never for None."""
    return and_s is not None and any(each.from_s - 0.01 <= at_s <= each.until_s + and_s for each in lived.strikes)
