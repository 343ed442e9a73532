"""The clock: events of all kinds in one order, at the runner's own speed or a thousand times faster."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrbridge.errors import SensorError
from hrbridge.events import Action, Command, Event, Rpe, Sample, Speed, Tick, order
from hrbridge.timeline import (
    OFFERED_FOR_S,
    TAKEN_OFF_S,
    Live,
    MonotonicClock,
    between_runs,
    merge,
    moment,
    paced,
    taken_up,
    utc_now,
)

Wish = Action | float
IN_TIME_S = 5.0  # a test that waits longer than this has failed


class HandClock:
    """A clock that stands until a test moves it."""

    def __init__(self, time_s: float = 0.0) -> None:
        self.time_s = time_s

    def now_s(self) -> float:
        return self.time_s


# -- merging with the seconds --


def test_at_the_same_time_the_sensor_comes_first_then_the_runner_then_the_second() -> None:
    merged = list(merge([Sample(1, 120), Speed(1, 2.5), Command(1, Action.WALK), Rpe(1, 5)]))
    assert merged == [Sample(1, 120), Speed(1, 2.5), Command(1, Action.WALK), Rpe(1, 5), Tick(1)]


def test_that_order_can_be_sorted_by() -> None:
    in_order = [Sample(1, 120), Command(1, Action.WALK), Tick(1), Sample(1.5, 121)]
    assert sorted([in_order[n] for n in (3, 1, 0, 2)], key=order) == in_order


def test_every_whole_second_ticks_once() -> None:
    merged = list(merge([Sample(0, 120), Sample(3.5, 121)]))
    assert merged == [Sample(0, 120), Tick(1), Tick(2), Tick(3), Sample(3.5, 121)]


def test_the_last_second_ticks_too() -> None:
    assert list(merge([Sample(2, 120)])) == [Tick(1), Sample(2, 120), Tick(2)]


def test_nothing_happens_at_second_zero_but_what_happens() -> None:
    assert list(merge([Sample(0, 120)])) == [Sample(0, 120)]


def test_without_events_there_is_no_time() -> None:
    assert list(merge([])) == []


happenings = st.lists(
    st.one_of(
        st.builds(Sample, st.floats(0, 30)),
        st.builds(Command, st.floats(0, 30), st.sampled_from(Action)),
        st.builds(Sample, st.integers(0, 30)),
        st.builds(Rpe, st.integers(0, 30), st.just(5)),
    )
)


@settings(deadline=None)
@given(happenings)
def test_ticks_are_sorted_in_and_nothing_else_changes(events: list[Event]) -> None:
    events = sorted(events, key=order)
    last_s = max((event.at_s for event in events), default=0)
    ticks = [Tick(second) for second in range(1, int(last_s) + 1)]
    assert list(merge(events)) == sorted(events + ticks, key=order)


def test_a_runner_who_never_ends_is_asked_no_further_than_needed() -> None:
    asked: list[int] = []

    def heart() -> Iterator[Event]:
        for second in range(1_000_000):
            asked.append(second)
            yield Sample(second, 120)

    heard = list(islice(merge(heart()), 20))
    assert asked[-1] - heard[-1].at_s <= 1


# -- a recording, at its own pace or faster --


RUN = list(merge([Sample(0, 120), Command(0, Action.START), Sample(1, 121), Rpe(1.5, 4), Sample(3, 122)]))


async def delivered(speed: float) -> list[Event]:
    return [event async for event in paced(RUN, MonotonicClock(), speed, asyncio.Queue())]


@pytest.mark.parametrize("speed", [100, 5_000, 100_000])
async def test_the_same_events_come_whatever_the_speed(speed: float) -> None:
    assert await delivered(speed) == RUN


async def test_nothing_comes_before_its_time() -> None:
    clock, early = MonotonicClock(), []
    async for event in paced(RUN, clock, 100, asyncio.Queue()):
        early += [event] * (clock.now_s() < event.at_s / 100)
    assert early == []


async def with_wishes(
    events: list[Event], speed: float, moves: dict[Event, Callable[[HandClock, asyncio.Queue[Wish]], None]]
) -> list[Event]:
    """What is delivered when a test moves the clock, or the runner wishes something, after certain events."""
    clock, wishes = HandClock(), asyncio.Queue[Wish]()
    heard = []
    async with asyncio.timeout(IN_TIME_S):
        async for event in paced(events, clock, speed, wishes):
            heard.append(event)
            if event in moves:
                moves[event](clock, wishes)
    return heard


def then(time_s: float, *wished: Wish) -> Callable[[HandClock, asyncio.Queue[Wish]], None]:
    """Time goes on to ``time_s``, where the runner wishes something."""

    def move(clock: HandClock, wishes: asyncio.Queue[Wish]) -> None:
        clock.time_s = time_s
        for wish in wished:
            wishes.put_nowait(wish)

    return move


async def test_a_wish_comes_between_with_the_time_at_which_it_was_made() -> None:
    heard = await with_wishes(
        [Sample(0), Sample(10)], 1, {Sample(0): then(7.25, Action.WALK), Command(7.25, Action.WALK): then(10)}
    )
    assert heard == [Sample(0), Command(7.25, Action.WALK), Sample(10)]


async def test_an_effort_comes_between_too() -> None:
    heard = await with_wishes([Sample(0), Sample(10)], 1, {Sample(0): then(7, 6.5), Rpe(7, 6.5): then(10)})
    assert heard == [Sample(0), Rpe(7, 6.5), Sample(10)]


async def test_a_wish_is_stamped_with_the_time_of_the_run_not_of_the_watch() -> None:
    heard = await with_wishes(
        [Sample(0), Sample(10)], 100, {Sample(0): then(0.07, Action.WALK), Command(7, Action.WALK): then(0.1)}
    )
    assert heard == [Sample(0), Command(7, Action.WALK), Sample(10)]


async def test_two_wishes_of_one_moment_keep_their_order() -> None:
    heard = await with_wishes(
        [Sample(0), Sample(10)],
        1,
        {Sample(0): then(7, Action.WALK, Action.UNDO), Command(7.001, Action.UNDO): then(10)},
    )
    assert heard == [Sample(0), Command(7, Action.WALK), Command(7.001, Action.UNDO), Sample(10)]


async def test_a_wish_that_comes_late_does_not_overtake_the_recording() -> None:
    heard = await with_wishes([Sample(0), Sample(10), Tick(11)], 1, {Sample(0): then(60, Action.WALK)})
    assert heard == [Sample(0), Command(10, Action.WALK), Sample(10), Tick(11)]


async def test_a_wish_made_before_the_first_beat_is_heard() -> None:
    wishes = asyncio.Queue[Wish]()
    wishes.put_nowait(Action.START)
    heard = [event async for event in paced([Sample(0), Tick(1)], HandClock(), 100_000, wishes)]
    assert heard == [Command(0, Action.START), Sample(0), Tick(1)]


# -- live: strap, wishes and seconds in one stream --


async def strap(*events: Event, breaks: Exception | None = None) -> AsyncIterator[Event]:
    """A strap that sends these events, and then nothing or an error."""
    for event in events:
        yield event
    if breaks is not None:
        raise breaks
    await asyncio.Event().wait()


async def read(live: Live, count: int) -> list[Event]:
    async with asyncio.timeout(IN_TIME_S):
        return [await anext(live) for _ in range(count)]


async def test_heart_runner_and_second_come_in_one_stream() -> None:
    clock, wishes = HandClock(100), asyncio.Queue[Wish]()
    wishes.put_nowait(Action.WALK)
    async with Live(strap(Sample(100.25, 140)), clock, wishes) as live:
        clock.time_s = 101
        assert await read(live, 3) == [Sample(0.25, 140), Command(1, Action.WALK), Tick(1)]


async def test_what_was_sent_before_the_run_began_counts_from_its_beginning() -> None:
    async with Live(strap(Sample(99, 140)), HandClock(100), asyncio.Queue()) as live:
        assert await read(live, 1) == [Sample(0, 140)]


async def test_time_does_not_run_back_when_a_packet_was_late() -> None:
    async with Live(strap(Sample(103, 140), Sample(102, 141)), HandClock(100), asyncio.Queue()) as live:
        assert await read(live, 2) == [Sample(3, 140), Sample(3, 141)]


async def test_the_seconds_of_a_machine_that_slept_are_not_made_up_for() -> None:
    clock = HandClock()
    async with Live(strap(), clock, asyncio.Queue()) as live:
        clock.time_s = 61.5
        assert await read(live, 1) == [Tick(61)]


async def test_who_does_not_read_loses_the_oldest() -> None:
    beats = [Sample(second, 140) for second in range(300)]
    async with Live(strap(*beats), HandClock(), asyncio.Queue()) as live:
        assert await read(live, 256) == beats[-256:]


async def test_a_strap_that_breaks_is_told_where_events_are_read() -> None:
    broken = strap(Sample(0, 140), breaks=SensorError("the adapter is gone"))
    async with Live(broken, HandClock(), asyncio.Queue()) as live:
        assert await read(live, 1) == [Sample(0, 140)]
        with pytest.raises(SensorError, match="the adapter is gone"):
            await read(live, 1)


async def test_nothing_is_left_running_after_the_run() -> None:
    async with Live(strap(Sample(0, 140)), HandClock(), asyncio.Queue()) as live:
        await read(live, 1)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_strap_is_let_go_after_the_run() -> None:
    let_go = []

    async def borrowed() -> AsyncIterator[Event]:
        try:
            yield Sample(0, 140)
            await asyncio.Event().wait()
        finally:
            let_go.append(True)

    async with Live(borrowed(), HandClock(), asyncio.Queue()) as live:
        await read(live, 1)
    assert let_go == [True]


# -- the two clocks --


def test_the_clock_of_a_run_begins_at_nought_and_goes_on() -> None:
    clock = MonotonicClock()
    first_s, second_s = clock.now_s(), clock.now_s()
    assert 0 <= first_s <= second_s < IN_TIME_S


def test_the_date_is_written_in_utc() -> None:
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", utc_now())


# -- a session that is taken up again --


def test_the_seconds_count_on_from_where_a_run_was_cut_off() -> None:
    assert list(merge([Sample(61.2, 120), Sample(63, 121)], from_s=60.4)) == [
        Tick(61),
        Sample(61.2, 120),
        Tick(62),
        Sample(63, 121),
        Tick(63),
    ]


async def test_a_recording_goes_on_at_once_not_after_the_time_it_had_run() -> None:
    events = paced([Tick(60)], HandClock(1000.0), 1.0, asyncio.Queue(), from_s=60.0)
    async with asyncio.timeout(IN_TIME_S):
        assert await anext(events) == Tick(60)


async def sensor_at(*events: Event) -> AsyncIterator[Event]:
    for event in events:
        yield event
    await asyncio.Event().wait()


async def test_a_live_run_counts_on_from_where_it_was_cut_off() -> None:
    clock = HandClock(1000.0)
    async with asyncio.timeout(IN_TIME_S), Live(sensor_at(Sample(1002, 120)), clock, asyncio.Queue(), 60.5) as live:
        assert await anext(live) == Sample(62.5, 120)


async def test_what_the_sensor_told_before_does_not_run_back() -> None:
    clock = HandClock(1000.0)
    async with asyncio.timeout(IN_TIME_S), Live(sensor_at(Sample(990, 120)), clock, asyncio.Queue(), 60.5) as live:
        assert await anext(live) == Sample(60.5, 120)


async def test_its_seconds_are_the_whole_ones_that_come_next() -> None:
    async with asyncio.timeout(IN_TIME_S), Live(sensor_at(), HandClock(1000.0), asyncio.Queue(), 60.999) as live:
        assert await anext(live) == Tick(61)


PAUSE = Command(100.001, Action.PAUSE, "Power was lost.")


async def offered(*events: Event) -> list[Event]:
    return [event async for event in taken_up(PAUSE, stream(*events))]


async def stream(*events: Event) -> AsyncIterator[Event]:
    for event in events:
        yield event


async def test_a_run_that_was_cut_off_begins_with_a_pause() -> None:
    assert await offered(Tick(101)) == [PAUSE, Tick(101)]


async def test_whoever_does_not_come_back_has_gone_home() -> None:
    gone_s = 101 + OFFERED_FOR_S
    assert await offered(Tick(101), Tick(gone_s), Tick(gone_s + 1)) == [
        PAUSE,
        Tick(101),
        Tick(gone_s),
        Command(gone_s, Action.STOP),
        Tick(gone_s + 1),
    ]


@pytest.mark.parametrize("action", [Action.RESUME, Action.UNDO, Action.STOP])
async def test_whoever_has_answered_is_not_sent_home(action: Action) -> None:
    events = [Command(110, action), Tick(101 + OFFERED_FOR_S)]
    assert await offered(*events) == [PAUSE, *events]


# -- between two runs --


async def rested(*events: Event) -> tuple[list[Event], asyncio.Queue[Action | float]]:
    """What is passed on until the next run may begin, and what is wished of that."""
    wishes: asyncio.Queue[Action | float] = asyncio.Queue()
    return [event async for event in between_runs(stream(*events), wishes)], wishes


async def test_with_the_strap_still_on_nothing_ends_the_rest() -> None:
    worn = [event for second in range(1, 3600) for event in (Sample(second - 0.5, 90), Tick(second))]
    assert (await rested(*worn))[0] == worn


@pytest.mark.parametrize("off", [[], [Sample(5, None)], [Sample(5, 90, contact=False)]])
async def test_a_strap_that_was_taken_off_ends_it(off: list[Event]) -> None:
    events = [Sample(0.5, 90), *off, *(Tick(second) for second in range(6, 30))]
    assert (await rested(*events))[0][-1] == Tick(1 + TAKEN_OFF_S)


async def test_the_next_run_that_is_asked_for_ends_it_and_is_told_of_it() -> None:
    events, wishes = await rested(Tick(1), Command(2, Action.START), Tick(3))
    assert events == [Tick(1)]
    assert wishes.get_nowait() is Action.START


# -- what time it is --


def test_a_moment_tells_the_date_and_how_long_the_machine_has_been_on() -> None:
    first, second = moment(), moment()
    assert second.boot_s >= first.boot_s > 0
    assert second.unix_s >= first.unix_s > 1.7e9
    assert first.boot_id == second.boot_id
