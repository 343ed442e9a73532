"""The twelve weeks of article 003 as they would stand in a journal: every run stepped by the controller."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

from hrbridge import config, trace
from hrbridge.config import Control, Plan, Runner
from hrbridge.control import plan as plans
from hrbridge.control.controller import Controller
from hrbridge.control.plan import METRES_PER_MILE
from hrbridge.dates import Moment, from_iso, iso
from hrbridge.decisions import Phase, Step
from hrbridge.events import Action, Command, Rpe, Sample, Speed, Tick
from hrbridge.history import ladder, progress, season
from hrbridge.journal import End, Journal, Kind, pack

# week: miles, mean heart rate, RPE; ratio and minutes are those of the season itself.
TABLE = {1: (1.5, 145, 5), 4: (2.5, 148, 5), 8: (4.0, 150, 6), 12: (5.5, 152, 6)}
FIRST_RUN_S = from_iso("2026-08-31T07:00:00Z")  # a Monday; then Wednesday and Friday
DAY_S = 86_400
RUNNER = Runner(id="alex", max_heart_rate_bpm=195, resting_heart_rate_bpm=65, units=config.Units.IMPERIAL)
CONTROL = Control(rpe_prompts=False)
WALK_M_S = 1.5
SWING_BPM = 9.0


def fill(path: Path) -> None:
    """Three runs a week for twelve weeks."""
    weeks = season.of(config.Season(goal=config.SeasonGoal.TWELVE_WEEKS))
    with Journal(path, create=True) as journal, journal.transaction():
        for number, doses in enumerate(weeks, start=1):
            miles, mean_bpm, rpe = between(number)
            for dose, day in zip(doses, (0, 2, 4), strict=True):
                ran = packed_run(plan(dose), miles * METRES_PER_MILE, mean_bpm, rpe)
                add(journal, plan(dose), ran, FIRST_RUN_S + (7 * (number - 1) + day) * DAY_S)


def between(week: int) -> tuple[float, ...]:
    """Miles, heart rate and RPE of a week, straight from row to row of the table."""
    for (first, here), (last, there) in pairwise(TABLE.items()):
        if week <= last:
            share = (week - first) / (last - first)
            return tuple(a + share * (b - a) for a, b in zip(here, there, strict=True))
    raise ValueError(week)


def plan(dose: season.Dose) -> Plan:
    return config.convert({"name": ladder.name(dose.rung), "total_s": 60 * dose.minutes, **_blocks(dose)}, Plan, "")


def _blocks(dose: season.Dose) -> dict[str, object]:
    ratio = plans.ratio_s(ladder.name(dose.rung))
    segments = [{"kind": kind, "for_s": for_s} for kind, for_s in zip(("run", "walk"), ratio, strict=True)]
    return {"block": [{"segments": segments}]}


@cache
def packed_run(plan: Plan, metres: float, mean_bpm: float, rpe: float) -> bytes:
    """As the journal keeps it; runs of one dose are the same."""
    return pack(map(trace.encode, run(plan, metres, mean_bpm, rpe)))


def run(plan: Plan, metres: float, mean_bpm: float, rpe: float) -> Iterator[Step]:
    """Heart rate rises in each run and falls in each walk, as far above the mean as below it; from a coarse strap."""
    run_s, walk_s = progress.planned_s(plan)
    speed_m_s = {Phase.RUN: (metres - WALK_M_S * walk_s) / run_s, Phase.WALK: WALK_M_S}
    controller = Controller(plan, RUNNER, CONTROL)
    step = controller.step(Command(0.0, Action.START))
    yield step
    covered_m = 0.0
    at_s = 0
    while step.phase is not Phase.FINISHED:
        at_s += 1
        up = 1 if step.phase is Phase.RUN else -1
        length_s = step.ratio.planned_run_s if step.phase is Phase.RUN else step.ratio.planned_walk_s
        swing_bpm = up * SWING_BPM * (2 * step.phase_elapsed_s / length_s - 1)
        covered_m += speed_m_s[step.phase]
        events = [Tick(at_s)]
        if at_s % 3 == 0:
            events.insert(0, Sample(at_s, round(mean_bpm + swing_bpm)))
        if at_s % 10 == 0:
            events.insert(0, Speed(at_s, speed_m_s=speed_m_s[step.phase], distance_m=covered_m))
        if at_s == 600:
            events.insert(0, Rpe(at_s, round(2 * rpe) / 2))
        for event in events:
            step = controller.step(event)
            yield step


def add(journal: Journal, plan: Plan, packed: bytes, started_s: float) -> int:
    """One finished run, inside a transaction; returns its number."""
    header = trace.Header(started_at=iso(started_s), runner=RUNNER, plan=plan, control=CONTROL)
    now = Moment(started_s, right=True, boot_id="", boot_s=0.0)
    number = journal.begin(header, Kind.SIMULATED, "generated", began_at_s=0.0, started_at=iso(started_s), now=now)
    journal.append_packed(number, 0, packed)
    journal.end(number, End.FINISHED)
    return number
