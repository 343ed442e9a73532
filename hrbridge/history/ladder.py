"""Where a runner stands on the ladder of ratios: up by good runs, down by hard ones, by symptoms after an injury."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from itertools import pairwise
from statistics import median

from msgspec import Struct
from msgspec.structs import replace

from hrbridge.config import Purpose
from hrbridge.control.plan import LADDER
from hrbridge.history.runs import Run, coached
from hrbridge.journal import Soreness, Symptoms

# The articles: too little walking is the commonest mistake, so whoever is not known begins with 1:2.
UNKNOWN = LADDER.index((1, 2))
# After an injury 1:4 or 1:3: the gentler one.
RETURN = LADDER.index((1, 4))
# What a recording shows beyond this was nobody's plan: the articles give it to those who run regularly.
KNOWN_BY_RECORDING = LADDER.index((4, 1))
# So many runs that went well are one rung; so many hard ones in a row take one back.
GOOD_TO_RISE = 3
HARD_TO_FALL = 2
# So many in a row whose runs came out much shorter, or their walks longer, than the ratio asks for, take one back too.
SHORT_TO_FALL = 3
# After an injury: so many runs in a row without symptoms.
WITHOUT_SYMPTOMS_TO_RISE = 2
# One walk of five may fail for reasons of its own: a hill, a chat, a shoe.
RECOVERED_SHARE = 0.8
# Done is done, if the last walk was left out.
DONE_SHARE = 0.9
# The ceiling may shorten runs somewhat: a ratio is held from three quarters of its running for each of its walking.
HELD_SHARE = 0.75
# Four weeks without a run cost a rung, eight two.
REST_DAYS_PER_RUNG = 28


class Verdict(StrEnum):
    """What a run says about its ratio; ``open``: nothing either way."""

    GOOD = "good"
    HARD = "hard"
    OPEN = "open"


class Standing(Struct, frozen=True):
    """A rung, and how many runs of the ``needed`` ones for the next are there.

    ``moved``: rungs up or down by the newest run. ``known``: some run, or the
    runner, has said where to stand. ``hard`` and ``short``: so many in a row
    were hard, or did not hold their ratio.
    """

    rung: int
    towards: int = 0
    needed: int = GOOD_TO_RISE
    moved: int = 0
    known: bool = False
    hard: int = 0
    short: int = 0


def name(rung: int) -> str:
    """ "4:1"."""
    run, walk = LADDER[rung]
    return f"{run}:{walk}"


def rung_named(ratio: str) -> int:
    """The rung of "4:1"; raises ValueError."""
    run, _, walk = ratio.partition(":")
    return LADDER.index((int(run), int(walk)))


def rung(run: Run) -> int | None:
    """The rung a run was on, between two the lower one; None for walks, and where nobody knows what was run.

    Whoever made a recording heard no cues: what was done counts, as far as
    speed shows it, and not the plan it was stepped with. A trace has its own.
    """
    figures = run.figures
    ratio, highest = figures.planned_ratio, len(LADDER) - 1
    if ratio is None or not coached(run.session):
        if ratio is not None and not any(walk.walked for walk in figures.walks):
            return None
        ratio, highest = (figures.run_s, figures.walk_s), KNOWN_BY_RECORDING
    run_s, walk_s = ratio
    below = [
        n for n, (run_part, walk_part) in enumerate(LADDER[: highest + 1]) if run_s * walk_part >= walk_s * run_part
    ]
    return max(below) if run_s > 0 and below else None


def walked_only(run: Run) -> bool:
    """Whether its plan was a walk."""
    return run.figures.planned_ratio is not None and run.figures.planned_ratio[0] == 0


def over_target(run: Run) -> bool:
    """Whether it felt harder than its plan wanted."""
    return run.rpe is not None and run.rpe > run.session.header.plan.rpe_target[1]


def recovered(run: Run) -> bool | None:
    """Whether its walk breaks brought the heart rate down; None where none could be judged."""
    if not run.figures.walks_judged:
        return None
    return run.figures.walks_recovered >= RECOVERED_SHARE * run.figures.walks_judged


def ended_easily(run: Run) -> bool:
    """Whether hrbridge offered an easy finish, and the walks after it show why."""
    return run.figures.reasons.get("easy_finish", 0) > 0 and not recovered(run)


def fell(run: Run) -> bool:
    """Whether this run alone leads a step back: symptoms that got worse, or an easy finish."""
    return run.note.symptoms is Symptoms.WORSE or ended_easily(run)


def verdict(run: Run) -> Verdict:
    """Good: done as planned, on target, recovered, and where it can be compared. Without a heart rate, by effort."""
    if over_target(run) or run.note.soreness is Soreness.STRONG or fell(run):
        return Verdict.HARD
    on = rung(run)
    return Verdict.GOOD if _went_well(run) and (on is None or holds(run, on)) else Verdict.OPEN


def _went_well(run: Run) -> bool:
    """As ``Verdict.GOOD``, whichever ratio came out."""
    figures = run.figures
    done = figures.completion is None or figures.completion >= DONE_SHARE
    said = run.rpe is not None or recovered(run) is not None
    return done and said and recovered(run) is not False and not figures.hilly


def hard_in_a_row(before: int, run: Run) -> int:
    """How many there are with this one; a run for recovery in between is no answer, any other one is."""
    if verdict(run) is Verdict.HARD:
        return before + 1
    return before if run.session.header.plan.purpose is Purpose.RECOVERY else 0


def came_out(run: Run) -> tuple[float, float] | None:
    """(run, walk) in seconds, the medians of what was done; None where there was no ratio to hold."""
    figures = run.figures
    if figures.planned_ratio is None:
        return None
    runs_s = [after.at_s - before.at_s - before.for_s for before, after in pairwise(figures.walks)]
    if not runs_s:
        return figures.last_ratio
    return median(runs_s), median(walk.for_s for walk in figures.walks)


def holds(run: Run, rung: int) -> bool:
    """Whether what was done is about the ratio of this rung, or a harder one: the run that comes out is what counts."""
    done, (run_part, walk_part) = came_out(run), LADDER[rung]
    return done is None or done[0] * walk_part >= HELD_SHARE * done[1] * run_part


def came_out_short(run: Run) -> bool:
    """Whether its ratio was not held, where that can be said: not on hills, nor below the ceiling of a second run."""
    on = rung(run)
    second = run.session.header.control.first_workout_mean_bpm is not None
    return on is not None and not holds(run, on) and not run.figures.hilly and not second


def standing(runs: Iterable[Run], *, start: int | None = None, by_symptoms: bool = False) -> Standing:
    """Where the runner of these runs (newest first) stands today.

    ``start``: where the runner wants to begin; None: at 1:2 until a good run
    has shown another ratio, or with ``by_symptoms`` at 1:4. ``by_symptoms``:
    only what was said of them leads up, two runs without any, never the
    calendar nor how well it went. Symptoms that got worse lead down in any case.
    """
    here = _start(start, by_symptoms=by_symptoms)
    before = None
    for run in oldest_first(runs):
        if rested := rungs_of_rest(before, run):
            here = _at(here, max(here.rung - rested, min(here.rung, UNKNOWN)))
        was = here.rung
        here = _after(here, run, by_symptoms=by_symptoms)
        here, before = replace(here, moved=here.rung - was), run
    return here


def oldest_first(runs: Iterable[Run]) -> list[Run]:
    """Those of them that count."""
    return [run for run in reversed(list(runs)) if run.counts]


def rungs_of_rest(before: Run | None, run: Run) -> int:
    """What the days between two runs cost."""
    if before is None or before.day is None or run.day is None:
        return 0
    return (run.day - before.day).days // REST_DAYS_PER_RUNG


def _start(start: int | None, *, by_symptoms: bool) -> Standing:
    needed = WITHOUT_SYMPTOMS_TO_RISE if by_symptoms else GOOD_TO_RISE
    if start is not None:
        return Standing(start, needed=needed, known=True)
    return Standing(RETURN if by_symptoms else UNKNOWN, needed=needed, known=by_symptoms)


def _at(here: Standing, rung: int, towards: int = 0) -> Standing:
    return Standing(min(max(rung, 0), len(LADDER) - 1), towards, here.needed, known=True)


def _after(here: Standing, run: Run, *, by_symptoms: bool) -> Standing:
    """Where one stands after one more run."""
    if fell(run):
        return _at(here, here.rung - 1)
    said, on = verdict(run), rung(run)
    here = replace(here, hard=hard_in_a_row(here.hard, run))
    if said is Verdict.HARD:
        return _at(here, here.rung - 1) if here.hard == HARD_TO_FALL else replace(here, towards=0)
    if by_symptoms:
        if run.note.symptoms is Symptoms.SAME:
            return replace(here, towards=0)
        good = run.note.symptoms is Symptoms.NONE and (on is None or on >= here.rung) and not walked_only(run)
    elif run.session.header.plan.purpose is Purpose.RETURN and on is not None and on < here.rung:
        return _at(here, on)  # whoever comes back from an injury stands where that has led
    elif said is Verdict.GOOD and on is not None and on >= here.rung and not here.known:
        return _at(here, on, 1)
    else:
        good = _went_well(run) and on is not None and on >= here.rung and holds(run, here.rung)
        if not good and on is not None and on <= here.rung and came_out_short(run):
            return _at(here, here.rung - 1) if here.short + 1 == SHORT_TO_FALL else replace(here, short=here.short + 1)
    if not good:
        return here
    risen = here.towards + 1 == here.needed
    return _at(here, here.rung + risen, 0 if risen else here.towards + 1)
