"""The seams of the live half: what a source of events, a sink of steps and a clock must be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Protocol, runtime_checkable

from hrbridge.decisions import Step
from hrbridge.events import Event


class Clock(Protocol):
    """Monotonic time since the program began, in seconds."""

    def now_s(self) -> float: ...


class Source(Protocol):
    """Events that are all known beforehand or can be computed: a recording, a simulated runner.

    Yields sensor events and commands in order of time, without ticks, after
    ``from_s`` (of a session that is taken up again; 0: all). A simulated runner
    is at the same time a sink: it hears the cues.
    """

    def events(self, from_s: float = 0.0) -> Iterator[Event]: ...


class LiveSensor(Protocol):
    """A sensor that lives in real time: opened with ``async with``, read with ``async for``, never ending by itself."""

    async def __aenter__(self) -> LiveSensor: ...

    async def __aexit__(self, *exc: object) -> None: ...

    def __aiter__(self) -> AsyncIterator[Event]: ...


@runtime_checkable
class Sink(Protocol):
    """Takes every step; must return at once and never await.

    May raise OutputError: it is then told once and left out, and the run goes on.
    """

    def take(self, step: Step) -> None: ...
