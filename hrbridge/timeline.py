"""The clock: the only file that reads one, and the place where events of all kinds become one ordered stream."""

from __future__ import annotations

import asyncio
import ctypes
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from functools import cache
from math import floor
from pathlib import Path
from typing import Self

from msgspec.structs import replace

from hrbridge.dates import Moment, iso
from hrbridge.events import Action, Command, Event, Rpe, Sample, Tick, order
from hrbridge.ports import Clock

# How long a session that a power cut has ended is offered again.
OFFERED_FOR_S = 600.0
# Longer than any hiccup of the radio, and nobody changes straps in less.
TAKEN_OFF_S = 10.0


class MonotonicClock:
    """Seconds since it was made; never jumps, whatever happens to the date."""

    def __init__(self) -> None:
        self._start_ns = time.monotonic_ns()

    def now_s(self) -> float:
        return (time.monotonic_ns() - self._start_ns) / 1e9


def utc_now() -> str:
    """The wall time in ISO 8601, written down once per run."""
    return iso(time.time())


def moment() -> Moment:
    """Now."""
    boot_s = time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()
    return Moment(time.time(), _date_is_right(), _boot_id(), boot_s)


# Boards without a clock describe themselves so; a computer with one keeps the date while it is off.
BOARD = Path("/proc/device-tree")
TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


def _date_is_right() -> bool:
    """Synchronised, as the kernel says, whoever did it (timesyncd, chrony); only boards are asked."""
    if sys.platform != "linux" or not BOARD.exists():
        return True
    timex = ctypes.create_string_buffer(512)  # larger than struct timex; all zero: only ask
    return ctypes.CDLL(None).adjtimex(timex) not in (-1, TIME_ERROR)


@cache
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def merge(events: Iterable[Event], from_s: float = 0.0) -> Iterator[Event]:
    """Add one tick per whole second after ``from_s``; ``events`` come in order of time.

    At equal times the order is sensor, command, tick. Lazy: a simulated runner
    is asked for its next event only after it has heard what followed from the
    last one.
    """
    tick_s = floor(from_s) + 1
    last_s = from_s
    for event in events:
        last_s = event.at_s
        while order(Tick(tick_s)) < order(event):
            yield Tick(tick_s)
            tick_s += 1
        yield event
    if last_s >= tick_s:
        yield Tick(tick_s)


async def paced(
    events: Iterable[Event], clock: Clock, speed: float, wishes: asyncio.Queue[Action | float], from_s: float = 0.0
) -> AsyncIterator[Event]:
    """Deliver events that are known beforehand at their own time, ``speed`` times as fast; wishes come in between.

    The order and the stamps of ``events`` do not depend on ``speed``; it is ``from_s`` now.
    """
    started_s = clock.now_s() - from_s / speed
    last_s = from_s
    for event in events:
        due_s = started_s + event.at_s / speed
        while True:
            try:
                async with asyncio.timeout(max(0.0, due_s - clock.now_s())):
                    wish = await wishes.get()
            except TimeoutError:
                break
            last_s = min(max(last_s + 0.001, (clock.now_s() - started_s) * speed), event.at_s)
            yield stamp(wish, last_s)
        last_s = event.at_s
        yield event


class Live:
    """A live sensor, the wishes of the runner and a tick per second, as one stream of events.

    Opened with ``async with``, read with ``async for``; ``at_s`` counts on from
    ``from_s`` at the opening. Holds 256 events: only a loop that has stood still for minutes
    would lose any, and then the oldest.
    """

    def __init__(
        self,
        sensor: AsyncIterator[Event],
        clock: Clock,
        wishes: asyncio.Queue[Action | float],
        from_s: float = 0.0,
    ) -> None:
        self._from_s = from_s
        self._sensor = sensor
        self._clock = clock
        self._wishes = wishes
        self._queue: asyncio.Queue[Event | BaseException] = asyncio.Queue(256)
        self._tasks: list[asyncio.Task[None]] = []
        self._started_s = 0.0
        self._last_s = from_s

    async def __aenter__(self) -> Self:
        self._started_s = self._clock.now_s() - self._from_s
        pumps = {"sensor": self._pump_sensor(), "wishes": self._pump_wishes(), "ticks": self._pump_ticks()}
        self._tasks = [asyncio.create_task(self._guard(pump), name=name) for name, pump in pumps.items()]
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        event = await self._queue.get()
        if isinstance(event, BaseException):
            raise event
        self._last_s = max(self._last_s, event.at_s)
        return event if event.at_s == self._last_s else replace(event, at_s=self._last_s)

    async def _guard(self, pump: Coroutine[None, None, None]) -> None:
        """What breaks in a pump is raised where the events are read."""
        try:
            await pump
        except Exception as error:
            self._put(error)

    def _put(self, event: Event | BaseException) -> None:
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(event)

    async def _pump_sensor(self) -> None:
        async for event in self._sensor:
            self._put(replace(event, at_s=event.at_s - self._started_s))

    async def _pump_wishes(self) -> None:
        while True:
            wish = await self._wishes.get()
            self._put(stamp(wish, self._clock.now_s() - self._started_s))

    async def _pump_ticks(self) -> None:
        tick_s = floor(self._from_s)
        while True:
            elapsed_s = self._clock.now_s() - self._started_s
            # Seconds that a sleeping machine missed are not made up for: a burst of them helps nobody.
            tick_s = max(tick_s + 1, int(elapsed_s))
            await asyncio.sleep(tick_s - elapsed_s)
            self._put(Tick(tick_s))


def stamp(wish: Action | float, at_s: float) -> Event:
    """A command or an RPE as an event."""
    return Command(at_s, wish) if isinstance(wish, Action) else Rpe(at_s, wish)


async def between_runs(events: AsyncIterator[Event], wishes: asyncio.Queue[Action | float]) -> AsyncIterator[Event]:
    """The events after a run, until the strap was taken off or the next run is asked for, a wish that is passed on.

    Whoever walks home with the strap on does not want another run to begin by itself.
    """
    heard_s = 0.0
    async for event in events:
        if isinstance(event, Command) and event.action is Action.START:
            wishes.put_nowait(event.action)
            return
        yield event
        if isinstance(event, Sample) and event.heart_rate_bpm is not None and event.contact is not False:
            heard_s = event.at_s
        elif event.at_s - heard_s >= TAKEN_OFF_S:
            return


async def taken_up(pause: Command, events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    """The events of a session that was cut off and is offered again, paused.

    Whoever does not resume it within ten minutes has gone home: it is stopped.
    """
    yield pause
    waits = True
    async for event in events:
        yield event
        if isinstance(event, Command) and event.action in (Action.RESUME, Action.UNDO, Action.STOP):
            waits = False
        elif waits and event.at_s - pause.at_s >= OFFERED_FOR_S:
            waits = False
            yield Command(event.at_s, Action.STOP)
