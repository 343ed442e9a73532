"""The loop: one event in, one step out, every sink told."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Iterator

from hrbridge.control.controller import Controller
from hrbridge.decisions import Phase, Step
from hrbridge.errors import OutputError
from hrbridge.events import Event
from hrbridge.ports import Sink

log = logging.getLogger(__name__)


async def run(controller: Controller, events: AsyncIterator[Event], sinks: Iterable[Sink]) -> None:
    """Coach one session until it is finished or the events end."""
    listening = list(sinks)
    async for event in events:
        step = controller.step(event)
        tell(step, listening)
        if step.phase is Phase.FINISHED:
            return


def follow(controller: Controller, events: Iterable[Event]) -> Iterator[Step]:
    """The same without waiting: the steps of a recording or a simulation."""
    for event in events:
        step = controller.step(event)
        yield step
        if step.phase is Phase.FINISHED:
            return


def tell(step: Step, listening: list[Sink]) -> None:
    """Give a step to every sink; one that cannot write any more is told of once and left out."""
    for sink in tuple(listening):
        try:
            sink.take(step)
        except OutputError as error:
            log.error("%s; the run goes on without it", error)
            listening.remove(sink)
