"""Where a runner stands on the ladder of ratios: up by good runs, down by hard ones, by symptoms after an injury."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from hrbridge.config import Purpose
from hrbridge.control.plan import LADDER
from hrbridge.history.runs import Run
from hrbridge.journal import Kind, Soreness, Symptoms

# The articles: too little walking is the commonest mistake, so whoever is not known begins with 1:2.
UNKNOWN = LADDER.index((1, 2))
# After an injury 1:4 or 1:3: the gentler one.
RETURN = LADDER.index((1, 4))
# What a recording shows beyond this was nobody's plan: the articles give it to those who run regularly.
KNOWN_BY_RECORDING = LADDER.index((4, 1))
# So many runs that went well are one rung; so many hard ones in a row take one back.
GOOD_TO_RISE = 3
HARD_TO_FALL = 2
# After an injury: so many runs in a row without symptoms.
WITHOUT_SYMPTOMS_TO_RISE = 2
# What hrbridge --trace writes.
TRACE = ".jsonl"
# One walk of five may fail for reasons of its own: a hill, a chat, a shoe.
RECOVERED_SHARE = 0.8
# Done is done, if the last walk was left out.
DONE_SHARE = 0.9
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
    runner, has said where to stand.
    """

    rung: int
    towards: int = 0
    needed: int = GOOD_TO_RISE
    moved: int = 0
    known: bool = False


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
    figures, session = run.figures, run.session
    ratio, highest = figures.planned_ratio, len(LADDER) - 1
    recording = session.kind in (Kind.IMPORTED, Kind.REPLAYED) and not session.source.endswith(TRACE)
    if ratio is None or recording:
        if ratio is not None and not any(walk.walked for walk in figures.walks):
            return None
        ratio, highest = (figures.run_s, figures.walk_s), KNOWN_BY_RECORDING
    run_s, walk_s = ratio
    below = [
        n for n, (run_part, walk_part) in enumerate(LADDER[: highest + 1]) if run_s * walk_part >= walk_s * run_part
    ]
    return max(below) if run_s > 0 and below else None


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
    figures = run.figures
    if over_target(run) or run.note.soreness is Soreness.STRONG or fell(run):
        return Verdict.HARD
    done = figures.completion is None or figures.completion >= DONE_SHARE
    said = run.rpe is not None or recovered(run) is not None
    if done and said and recovered(run) is not False and _held(run) and not figures.hilly:
        return Verdict.GOOD
    return Verdict.OPEN


def _held(run: Run) -> bool:
    """Whether the ratio in the end was still the planned one."""
    if run.figures.planned_ratio is None or run.figures.last_ratio is None:
        return True
    (planned_run_s, planned_walk_s), (run_s, walk_s) = run.figures.planned_ratio, run.figures.last_ratio
    return run_s * planned_walk_s >= planned_run_s * walk_s


def standing(runs: Iterable[Run], *, start: int | None = None, by_symptoms: bool = False) -> Standing:
    """Where the runner of these runs (newest first) stands today.

    ``start``: where the runner wants to begin; None: at 1:2 until a good run
    has shown another ratio, or with ``by_symptoms`` at 1:4. ``by_symptoms``:
    only what was said of them leads up, two runs without any, never the
    calendar nor how well it went. Symptoms that got worse lead down in any case.
    """
    here = _start(start, by_symptoms=by_symptoms)
    hard, before = 0, None
    for run in oldest_first(runs):
        if rested := rungs_of_rest(before, run):
            here, hard = _at(here, max(here.rung - rested, min(here.rung, UNKNOWN))), 0
        was = here.rung
        here, hard = _after(here, hard, run, by_symptoms=by_symptoms)
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


def _after(here: Standing, hard: int, run: Run, *, by_symptoms: bool) -> tuple[Standing, int]:
    """Where one stands after one more run, and how many hard ones there were in a row."""
    if fell(run):
        return _at(here, here.rung - 1), 0
    said, on = verdict(run), rung(run)
    if said is Verdict.HARD:
        return (_at(here, here.rung - 1), 0) if hard + 1 == HARD_TO_FALL else (replace(here, towards=0), hard + 1)
    if by_symptoms:
        if run.note.symptoms is Symptoms.SAME:
            return replace(here, towards=0), hard
        good = run.note.symptoms is Symptoms.NONE and (on is None or on >= here.rung)
    elif run.session.header.plan.purpose is Purpose.RETURN and on is not None and on < here.rung:
        return _at(here, on), 0  # whoever comes back from an injury stands where that has led
    elif said is Verdict.GOOD and on is not None and on >= here.rung and not here.known:
        return _at(here, on, 1), 0
    else:
        good = said is Verdict.GOOD and on is not None and on >= here.rung
    if not good:
        return here, hard
    risen = here.towards + 1 == here.needed
    return _at(here, here.rung + risen, 0 if risen else here.towards + 1), 0
