"""A recording as a source of events: the same run again, as often and as fast as one likes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from hrbridge.events import Action, Command, Event, Sample, order
from hrbridge.sensors.activity_files import Recording

HELD_S = 60.0  # a rate held this long is the heart's; spikes of a dry strap are shorter
SHORT_GAP_S = 15.0  # smart recording leaves up to about 10 s between records
PLAUSIBLE_BPM = (35, 205)


class Replay:
    """The events of a recording, with a start at 0 where it does not bring its own."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording

    def events(self, from_s: float = 0.0) -> Iterator[Event]:
        """Sensor events and commands in order of time, without ticks; a session taken up again hears what follows."""
        if from_s > 0:
            yield from (event for event in self.recording.events if event.at_s > from_s)
            return
        started = any(isinstance(event, Command) and event.action is Action.START for event in self.recording.events)
        start = Command(0.0, Action.START)
        for event in self.recording.events:
            if not started and order(event) >= order(start):
                yield start
                started = True
            yield event
        if not started:
            yield start


def sustained_maximum_bpm(recording: Recording) -> float | None:
    """The highest heart rate that was held for 60 s; None where none was.

    Over all stretches of 60 s, the highest of their lowest values. Missing and
    implausible values (outside 35 to 205 bpm) are passed over; a hole of more
    than 15 s ends the stretch.
    """
    best_bpm: float | None = None
    stretch: deque[tuple[float, int]] = deque()  # the last 60 s or a little more
    lowest: deque[tuple[float, int]] = deque()  # of them, each that is lower than all after it
    for event in recording.events:
        if not isinstance(event, Sample) or event.heart_rate_bpm is None:
            continue
        now = (event.at_s, event.heart_rate_bpm)
        if not PLAUSIBLE_BPM[0] <= event.heart_rate_bpm <= PLAUSIBLE_BPM[1]:
            continue
        if stretch and event.at_s - stretch[-1][0] > SHORT_GAP_S:
            stretch.clear()
            lowest.clear()
        stretch.append(now)
        while lowest and lowest[-1][1] >= event.heart_rate_bpm:
            lowest.pop()
        lowest.append(now)
        while len(stretch) > 1 and event.at_s - stretch[1][0] >= HELD_S:
            stretch.popleft()
        while lowest[0][0] < stretch[0][0]:
            lowest.popleft()
        if event.at_s - stretch[0][0] >= HELD_S and (best_bpm is None or lowest[0][1] > best_bpm):
            best_bpm = float(lowest[0][1])
    return best_bpm
