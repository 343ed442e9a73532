"""The runner's Bluetooth sensors as one stream of events: a strap, a second one for when it is silent, a speed source.

Each is held by a link of its own (link.py) over the one adapter (radio.py).
Nothing but leaving the ``async with`` or a configuration that cannot be meant
ends it; a speed source or second sensor that is of no use is told, left out,
and asked again now and then: a service runs for weeks.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from typing import Self

from msgspec.structs import replace

from hrbridge.config import Sensor
from hrbridge.errors import SensorError
from hrbridge.events import Event, Sample, SignalBack, SignalLost
from hrbridge.ports import Clock
from hrbridge.sensors.calls import put, tell, wait
from hrbridge.sensors.footsteps import FootPod, Treadmill
from hrbridge.sensors.gatt import (
    HEART_RATE_MEASUREMENT,
    RSC_MEASUREMENT,
    TREADMILL_DATA,
    decode_heart_rate_measurement,
)
from hrbridge.sensors.link import Link, News, Read, Role, Wanted
from hrbridge.sensors.radio import Radio, Timings

log = logging.getLogger(__name__)

# What a strap may send for "no reading": 0 by the specification, 255 is the largest value of one byte.
NO_READING_BPM = (0, 255)
# Four minutes of a strap. When the reader is slower than that the oldest event is dropped: what counts is the newest.
EVENTS_KEPT = 256
# Foot pods may send nothing while one stands still.
SPEED_LOST_AFTER_S, SPEED_RECONNECT_AFTER_S = 15.0, 60.0


class BleSensor:
    """The sensors of ``[sensor]``: ``address`` or ``name``, else the only strap in range; ``fallback_*``; ``speed_*``.

    Gives Sample and Speed for every packet, stamped with ``clock`` on arrival,
    SignalLost when heart rate is gone, SignalBack before the first sample
    after that. Raises SensorError from the iteration when it would have to
    guess between straps, when the named device has no heart rate, and when
    another process holds it.
    """

    def __init__(self, settings: Sensor, clock: Clock, timings: Timings | None = None) -> None:
        timings = timings or Timings()
        self._timings = timings
        self._news: asyncio.Queue[News] = asyncio.Queue(EVENTS_KEPT)
        self._ready: deque[Event] = deque()
        self._floor = Floor(timings)
        self._radio = Radio(clock, timings, settings.recovery_command)
        self._tasks: list[asyncio.Task[None]] = []
        brief = replace(timings, connect_s=timings.connect_other_s)
        patience = {
            Role.FIRST: timings,
            Role.SECOND: timings if settings.bond else brief,  # to be bonded waits for a person
            Role.SPEED: replace(brief, lost_after_s=SPEED_LOST_AFTER_S, reconnect_after_s=SPEED_RECONNECT_AFTER_S),
        }
        self._links = []
        for each in all_wanted(settings):
            readers: dict[str, Read] = {HEART_RATE_MEASUREMENT: read_heart_rate}
            if each.role is Role.SPEED:
                readers = {TREADMILL_DATA: Treadmill().read, RSC_MEASUREMENT: FootPod().read}
            self._links.append(Link(each, readers, self._radio, clock, patience[each.role], self._news))

    async def __aenter__(self) -> Self:
        """Looks for the devices from here on, whatever else there is to load."""
        self._tasks = [asyncio.create_task(self._guard(self._radio.keep()), name="radio")]
        self._tasks += [asyncio.create_task(self._guard(self._keep(link)), name=link.role) for link in self._links]
        await wait(self._radio.tried, self._timings.begin_s)
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        # What hangs longer is left behind: with us go our D-Bus connections, and all that BlueZ does for them.
        await asyncio.wait(self._tasks, timeout=self._timings.leave_s)

    def __aiter__(self) -> AsyncIterator[Event]:
        """The events of one session; it is told of the battery anew."""
        self._floor.battery_told = False
        return self

    async def __anext__(self) -> Event:
        while not self._ready:
            news = await self._news.get()
            if isinstance(news.event, BaseException):
                raise news.event
            self._ready.extend(self._floor.take(news.role, news.event))
        return self._ready.popleft()

    async def _keep(self, link: Link) -> None:
        told: set[str] = set()
        while True:
            try:
                await link.keep()
            except SensorError as error:
                if link.role is Role.FIRST:
                    raise
                tell(log, f"{error}; the run goes on without {link.role}", told)
            await asyncio.sleep(self._timings.left_out_s)

    async def _guard(self, work: Coroutine[None, None, None]) -> None:
        """What ends it is raised where the events are read."""
        try:
            await work
        except Exception as error:
            put(self._news, News(Role.FIRST, error))


def all_wanted(settings: Sensor) -> list[Wanted]:
    """The strap, and what else ``[sensor]`` names."""
    first = Wanted(role=Role.FIRST, address=settings.address, name=settings.name, bond=settings.bond)
    second = Wanted(
        role=Role.SECOND, address=settings.fallback_address, name=settings.fallback_name, bond=settings.bond
    )
    speed = Wanted(role=Role.SPEED, address=settings.speed_address, name=settings.speed_name)
    named = [first, *(each for each in (second, speed) if each.address or each.name)]
    return [replace(each, others=tuple(other for other in named if other is not each)) for each in named]


class Floor:
    """Which of two heart-rate sensors is listened to: the first, as long as it has something to say.

    The second is heard when the first has given no heart rate for as long as
    makes a signal lost, and until the first has given one steadily for a while.
    """

    def __init__(self, timings: Timings) -> None:
        self._timings = timings
        self._speaker: Role | None = None
        self._lost = False
        self._first_heard_s: float | None = None
        self._first_since_s = 0.0  # without a break as long as makes a signal lost
        self._opened_s: float | None = None
        self._battery_percent: int | None = None  # of the first
        self.battery_told = False

    def take(self, role: Role, event: Event) -> list[Event]:
        """What of it is passed on."""
        if role is Role.SPEED:
            return [] if isinstance(event, SignalLost) else [event]
        if self._opened_s is None:
            self._opened_s = event.at_s
        if isinstance(event, Sample):
            return self._take_sample(role, event)
        if role is not self._speaker:
            return []
        self._speaker = None
        self._lost = True
        return [event]

    def _take_sample(self, role: Role, sample: Sample) -> list[Event]:
        if role is Role.FIRST:
            self._hear_first(sample)
            if sample.battery_percent is not None:
                self._battery_percent, self.battery_told = sample.battery_percent, False
            if self._speaker is Role.SECOND and not self._first_is_steady(sample.at_s):
                return []
        elif self._speaker is not Role.SECOND and not (sample.heart_rate_bpm and self._first_is_silent(sample.at_s)):
            return []
        if role is not self._speaker and self._speaker is not None:
            log.info("heart rate is taken from the %s sensor now", "second" if role is Role.SECOND else "first")
        self._speaker = role
        percent = None  # what is said of the battery is said of the strap
        if role is Role.FIRST and not self.battery_told:
            percent, self.battery_told = self._battery_percent, True
        if percent != sample.battery_percent:
            sample = replace(sample, battery_percent=percent)
        if not self._lost:
            return [sample]
        self._lost = False
        return [SignalBack(sample.at_s), sample]

    def _hear_first(self, sample: Sample) -> None:
        if sample.heart_rate_bpm is None:
            return
        if self._first_heard_s is None or sample.at_s - self._first_heard_s > self._timings.lost_after_s:
            self._first_since_s = sample.at_s
        self._first_heard_s = sample.at_s

    def _first_is_steady(self, at_s: float) -> bool:
        return (
            self._first_heard_s is not None
            and at_s - self._first_heard_s <= self._timings.lost_after_s
            and at_s - self._first_since_s >= self._timings.give_back_s
        )

    def _first_is_silent(self, at_s: float) -> bool:
        if self._first_heard_s is None:
            return at_s - (self._opened_s or 0.0) >= self._timings.first_choice_s
        return at_s - self._first_heard_s >= self._timings.lost_after_s


def read_heart_rate(at_s: float, packet: bytes, source: str) -> Sample:
    """A packet of characteristic 2A37 as an event; raises MalformedPacket."""
    measurement = decode_heart_rate_measurement(packet)
    bpm = measurement.heart_rate_bpm
    return Sample(
        at_s,
        heart_rate_bpm=None if bpm in NO_READING_BPM else bpm,
        rr_s=measurement.rr_s,
        contact=measurement.contact,
        energy_kj=measurement.energy_kj,
        source=source,
    )
