"""A run as other programs know it: a record a second, a lap per phase, pauses in which the timer stands."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import pairwise
from math import floor

from msgspec import Struct
from msgspec.structs import replace

from hrbridge.config import Plan
from hrbridge.control.progress import ACTIVE
from hrbridge.dates import from_iso
from hrbridge.decisions import Cue, Phase, Step
from hrbridge.errors import UsageError
from hrbridge.events import Rpe, Sample, Speed
from hrbridge.journal import Energy, Kind, Note, Session
from hrbridge.stretches import Stretch, Stretches
from hrbridge.trace import Header

# The date of a run without one: other programs need a date, and nobody takes this one for the day it was run.
UNDATED_UNIX_S = from_iso("2000-01-01")
# Speed is that of the last news, up to this old; slow watches write every 10 s.
HELD_S = 15.0
# 0 and 255 are what sensors send for none, and the formats keep a heart rate in one byte.
HEART_RATE_BPM = (1, 254)


class Record(Struct, frozen=True):
    """What was known ``at_s`` seconds after the start; ``rr_s`` and ``cues`` of the second that ends there.

    ``heart_rate_bpm`` is as the sensor sent it; in a second without news the
    last one, as long as hrbridge believed it. ``distance_m`` counts while the
    timer runs. ``required_drop_bpm``: in a walk, what heart rate should have
    fallen by now.
    """

    at_s: int
    heart_rate_bpm: int | None
    rr_s: tuple[float, ...]
    speed_m_s: float | None
    cadence_spm: float | None
    incline_percent: float | None
    distance_m: float | None
    required_drop_bpm: float | None
    cues: tuple[Cue, ...]


class Lap(Struct, frozen=True):
    """One phase from ``start_s`` to ``end_s``; ``timer_s`` is its length without pauses."""

    phase: Phase
    start_s: float
    end_s: float
    timer_s: float
    distance_m: float | None
    records: tuple[Record, ...]

    @property
    def heart_rates_bpm(self) -> list[int]:
        return [record.heart_rate_bpm for record in self.records if record.heart_rate_bpm is not None]


class Activity(Struct, frozen=True):
    """One run; all seconds count from its start. ``pauses`` are (start, end) in seconds.

    ``started_unix_s`` is 2000-01-01 for a run that is not ``dated``. ``rpe`` is
    what the runner said afterwards, else the mean of what was said on the way.
    """

    run_id: int
    plan: str
    sensor: str
    battery_percent: int | None
    started_unix_s: float
    dated: bool
    laps: tuple[Lap, ...]
    pauses: tuple[tuple[float, float], ...]
    rpe: float | None
    energy: Energy | None
    text: str

    @property
    def records(self) -> list[Record]:
        return [record for lap in self.laps for record in lap.records]

    @property
    def end_s(self) -> float:
        return self.laps[-1].end_s

    @property
    def timer_s(self) -> float:
        return round(sum(lap.timer_s for lap in self.laps), 3)

    @property
    def distance_m(self) -> float | None:
        """None where no sensor knew it."""
        known = [lap.distance_m for lap in self.laps if lap.distance_m is not None]
        return round(sum(known), 1) if known else None


def activity(session: Session, header: Header, steps: Iterable[Step], note: Note | None = None) -> Activity:
    """What one run of the journal is to other programs; raises UsageError where nothing was run."""
    watch = _Watch(header.plan, session.began_at_s)
    for step in steps:
        watch.take(step)
    laps = watch.laps()
    if not laps:
        raise UsageError(f"run {session.id}: it was never started: there is nothing to export")
    said = note or Note()
    return Activity(
        run_id=session.id,
        plan=header.plan.name,
        sensor=session.source if session.kind is not Kind.IMPORTED else "",  # else a file, whose name is its owner's
        battery_percent=watch.battery_percent,
        started_unix_s=UNDATED_UNIX_S if session.started_at is None else from_iso(session.started_at),
        dated=session.started_at is not None,
        laps=laps,
        pauses=watch.pauses(),
        rpe=said.rpe if said.rpe is not None else watch.mean_rpe,
        energy=said.energy,
        text=said.text,
    )


class _Watch:
    """Follows the steps as a sports watch follows a run; ``began_at_s`` on their clock becomes 0."""

    def __init__(self, plan: Plan, began_at_s: float) -> None:
        self.battery_percent: int | None = None
        self._began_at_s = began_at_s
        self._at_s = 0.0
        self._course = Stretches(plan)
        self._stretches: list[Stretch] = []
        self._timer_runs = False
        self._stopped_s: list[float] = []
        self._started_again_s: list[float] = []
        self._second = 0  # of the next record
        self._records: list[Record] = []
        self._rr_s: list[float] = []
        self._cues: list[Cue] = []
        self._efforts: list[float] = []
        self._sample = Sample(0.0)
        self._sampled_s = 0.0
        self._speed = Speed(0.0)
        self._moved_s = 0.0
        self._believed = False
        self._required_drop_bpm: float | None = None

    def take(self, step: Step) -> None:
        at_s = round(step.at_s - self._began_at_s, 3)
        self._record_until(at_s)
        self._at_s = at_s
        match step.event:
            case Sample() as sample:
                self._hear(sample)
            case Speed() as speed:
                self._speed, self._moved_s = speed, at_s
            case Rpe() as report if self._timer_runs:
                self._efforts.append(report.rpe)
        self._follow_timer(step)
        self._stretches += self._course.take(step)
        if self._course.now is not None:
            self._cues += step.cues
        self._believed = step.estimate.heart_rate_bpm is not None
        self._required_drop_bpm = step.estimate.required_drop_bpm

    def _hear(self, sample: Sample) -> None:
        self._sample, self._sampled_s = sample, self._at_s
        if sample.battery_percent is not None:
            self.battery_percent = sample.battery_percent
        if self._timer_runs:
            self._rr_s += sample.rr_s

    def _follow_timer(self, step: Step) -> None:
        if self._timer_runs and step.phase not in ACTIVE:
            self._timer_runs = False
            self._stopped_s.append(self._at_s)
        elif not self._timer_runs and step.phase in ACTIVE:
            self._timer_runs = True
            self._started_again_s += [self._at_s] if self._stopped_s else []

    @property
    def mean_rpe(self) -> float | None:
        return sum(self._efforts) / len(self._efforts) if self._efforts else None

    def pauses(self) -> tuple[tuple[float, float], ...]:
        """Where the timer stood for good, the run was over."""
        return tuple(zip(self._stopped_s, self._started_again_s, strict=False))

    def laps(self) -> tuple[Lap, ...]:
        """Every phase that lasted, or the only one; the run is over."""
        self._record_until(floor(self._at_s) + 1)
        if self._records and (self._rr_s or self._cues):  # of the last part of a second
            last = self._records[-1]
            self._records[-1] = replace(last, rr_s=(*last.rr_s, *self._rr_s), cues=(*last.cues, *self._cues))
        self._stretches += self._course.rest()
        phases = [stretch for stretch in self._stretches if stretch.phase is not Phase.FINISHED]
        phases = [stretch for stretch in phases if stretch.for_s > 0] or phases[:1]
        ends_s = [round(stretch.ended_s - self._began_at_s, 3) for stretch in phases]
        seconds = [record.at_s for record in self._records]
        firsts = [0, *(bisect_left(seconds, end_s) for end_s in ends_s[:-1])]
        return tuple(
            Lap(
                phase=stretch.phase,
                start_s=start_s,
                end_s=end_s,
                timer_s=stretch.for_s,
                distance_m=round(stretch.metres, 3) if self._course.measured else None,
                records=tuple(self._records[first:end]),
            )
            for stretch, (start_s, end_s), (first, end) in zip(
                phases, pairwise([0.0, *ends_s]), pairwise([*firsts, len(seconds)]), strict=False
            )
        )

    # -- a record a second --

    def _record_until(self, at_s: float) -> None:
        """All whole seconds before ``at_s``: whatever happened in them has been told by now."""
        while self._second < at_s:
            # Where the timer stops at a whole second, this one still belongs to it.
            if self._timer_runs or (self._stopped_s and self._stopped_s[-1] == self._second):
                self._record(self._second)
            self._second += 1

    def _record(self, second: int) -> None:
        bpm = self._sample.heart_rate_bpm
        is_fresh = second - self._sampled_s < 1
        is_rate = bpm is not None and HEART_RATE_BPM[0] <= bpm <= HEART_RATE_BPM[1] and (is_fresh or self._believed)
        speed = self._speed if second - self._moved_s <= HELD_S else Speed(second)
        self._records.append(
            Record(
                at_s=second,
                heart_rate_bpm=bpm if is_rate else None,
                rr_s=tuple(self._rr_s),
                speed_m_s=speed.speed_m_s,
                cadence_spm=speed.cadence_spm,
                incline_percent=speed.incline_percent,
                distance_m=round(self._course.metres, 1) if self._course.measured else None,
                required_drop_bpm=self._required_drop_bpm,
                cues=tuple(self._cues),
            )
        )
        self._rr_s.clear()
        self._cues.clear()
