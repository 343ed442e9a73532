"""Plans of many weeks: from one ratio and length of a run to another, one small step at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise

from msgspec import Struct

from hrbridge import config
from hrbridge.config import SeasonGoal
from hrbridge.control.plan import LADDER
from hrbridge.errors import ConfigError
from hrbridge.history import ladder
from hrbridge.history.ladder import Verdict
from hrbridge.history.progress import total_s
from hrbridge.history.runs import Run

# The minutes of a week grow at most by a fifth: in whole numbers, for 72 minutes are 72 minutes.
GROWTH = (6, 5)
# Runs and walk breaks of one session: shorter ones cannot grow by a fifth in whole minutes, longer ones are races.
MINUTES = (5, 600)
LONGEST_WEEKS = 260  # five years
# A run that is a little short of its step has done it.
DONE_SHARE = 0.9
# The articles on losing weight: 45 to 60 minutes are possible with walk breaks.
DURATION_MINUTES = (45, 60)


class Dose(Struct, frozen=True):
    """What one session asks for: a rung of the ladder, and minutes of runs and walk breaks."""

    rung: int
    minutes: int

    def __str__(self) -> str:
        return f"{ladder.name(self.rung)} for {self.minutes} min"


Weeks = tuple[tuple[Dose, ...], ...]


def dose(ratio: str, minutes: int) -> Dose:
    return Dose(ladder.rung_named(ratio), minutes)


def season(start: Dose, end: Dose, weeks: int, per_week: int, marks: Sequence[tuple[int, Dose]] = ()) -> Weeks:
    """The sessions of each week, from ``start`` in all of the first week to ``end`` in all of the last.

    From one session to the next only the ratio, by one rung, or only the time
    changes, never down; a week has at most a fifth more minutes than the one
    before. ``marks``: what all sessions of a week in between are, as (week,
    dose). Raises ConfigError, which says what would do.
    """
    if per_week < 1 or weeks < 1:
        raise ConfigError(f"[season]: {weeks} weeks of {per_week} runs; allowed: at least one of each")
    for each in (start, end):
        if not (0 <= each.rung < len(LADDER) and MINUTES[0] <= each.minutes <= MINUTES[1]):
            raise ConfigError(
                f"[season]: rung {each.rung} for {each.minutes} min; "
                f"allowed: rungs 0 to {len(LADDER) - 1}, {MINUTES[0]} to {MINUTES[1]} min"
            )
    if end.rung < start.rung or end.minutes < start.minutes:
        least = Dose(max(start.rung, end.rung), max(start.minutes, end.minutes))
        raise ConfigError(f"[season]: leads from {start} to {end}; allowed: up alone, to {least} or more")
    found = _through(((1, start), *marks, (weeks, end)), per_week)
    if found is None:
        raise ConfigError(
            f"[season]: {weeks} weeks with {per_week} runs are short for the way from {start} to {end} "
            f"(one step a run, a fifth more a week): {_weeks_needed(start, end, weeks, per_week, marks)} would do"
        )
    return found


def _weeks_needed(start: Dose, end: Dose, weeks: int, per_week: int, marks: Sequence[tuple[int, Dose]]) -> str:
    for more in range(weeks + 1, LONGEST_WEEKS + 1):
        if _through(((1, start), *marks, (more, end)), per_week) is not None:
            return f"{more} weeks"
    return "more runs a week"


def _through(marks: Sequence[tuple[int, Dose]], per_week: int) -> Weeks | None:
    """The weeks through all of the marks; None where there is no such way."""
    if marks[-1][0] == 1:
        return ((marks[0][1],) * per_week,) if marks[0][1] == marks[-1][1] else None
    weeks = [(marks[0][1],) * per_week]
    for (week, here), (there_week, there) in pairwise(marks):
        between = _between(here, there, there_week - week - 1, weeks[-1])
        if between is None:
            return None
        weeks += [*between, (there,) * per_week]
    return tuple(weeks)


def _between(here: Dose, there: Dose, weeks: int, before: tuple[Dose, ...]) -> list[tuple[Dose, ...]] | None:
    """The weeks between two marks, rungs spread evenly, minutes by equal shares of themselves; None: no way."""
    per_week = len(before)
    changes = weeks * per_week + 1  # the last one leads into the week of the mark
    rungs = there.rung - here.rung
    by_minutes = changes - rungs
    if rungs < 0 or there.minutes < here.minutes or by_minutes < (there.minutes > here.minutes):
        return None
    spread = changes / (rungs + 1)
    rung_changes = {round(n * spread) for n in range(1, rungs + 1)}
    found: list[tuple[Dose, ...]] = []
    now, grown = here, 0
    for week in range(weeks):
        sessions: list[Dose] = []
        for n in range(per_week):
            if week * per_week + n + 1 in rung_changes:
                now = Dose(now.rung + 1, now.minutes)
            else:
                grown += 1
                wanted = here.minutes * (there.minutes / here.minutes) ** (grown / by_minutes)
                most = _most_minutes(found[-1] if found else before, sessions)
                now = Dose(now.rung, min(round(wanted), most))
            sessions.append(now)
        found.append(tuple(sessions))
    last = found[-1] if found else before
    return found if GROWTH[1] * per_week * there.minutes <= GROWTH[0] * minutes(last) else None


def _most_minutes(before: tuple[Dose, ...], sessions: Sequence[Dose]) -> int:
    """The longest next session with which, and the rest of the week as long, the week does not grow too much."""
    up, by = GROWTH
    return (up * minutes(before) - by * minutes(sessions)) // (by * (len(before) - len(sessions)))


def minutes(sessions: Iterable[Dose]) -> int:
    return sum(each.minutes for each in sessions)


# -- the seasons of the articles, and ours --

# Article 003, its table; its text ends on 60 minutes ("triple") where the table has 50.
TABLE = ((1, dose("1:2", 20)), (4, dose("1:1", 30)), (8, dose("2:1", 40)), (12, dose("4:1", 50)))


class Goal(Struct, frozen=True):
    """``marks``: (week, what its runs are), none where the ladder leads. ``long_marks``: of one more, the long run."""

    words: str
    marks: tuple[tuple[int, Dose], ...] = ()
    long_marks: tuple[tuple[int, Dose], ...] = ()


GOALS = {
    SeasonGoal.NONE: Goal("the ladder: three good runs are one rung"),
    SeasonGoal.TWELVE_WEEKS: Goal("twelve weeks to 50 minutes of 4:1", TABLE),
    SeasonGoal.TWELVE_WEEKS_60: Goal("twelve weeks to 60 minutes of 4:1", (*TABLE[:3], (12, dose("4:1", 60)))),
    # Week eight of the table is four miles; a first 5K wants to be finished comfortably.
    SeasonGoal.FIRST_5K: Goal("a first 5K, finished comfortably", TABLE[:3]),
    # The articles: three times half an hour a week. The eight weeks to it are ours.
    SeasonGoal.GENERAL: Goal("half an hour, three times a week", (TABLE[0], (8, dose("2:1", 30)))),
    # 9:1 and 10:1 for runs of 20 miles and more [articles]: 200 minutes at 10 a mile. The sixteen weeks are ours.
    SeasonGoal.MARATHON_LONG: Goal(
        "a marathon, with one long run a week",
        ((1, dose("4:1", 40)), (16, dose("4:1", 40))),
        ((1, dose("9:1", 60)), (16, dose("10:1", 200))),
    ),
    SeasonGoal.DURATION: Goal("45 to 60 minutes, with walk breaks", ((1, dose("1:2", 45)), (12, dose("2:1", 60)))),
    SeasonGoal.RETURN: Goal("back from an injury: by what is felt, not by the calendar"),
}


def of(settings: config.Season) -> Weeks:
    """The weeks of the configured goal, more of them where its start needs more; none where the ladder leads.

    Raises ConfigError where it is to start beyond its end.
    """
    goal = GOALS[settings.goal]
    if not goal.marks:
        return ()
    per_week = settings.runs_per_week - bool(goal.long_marks)
    marks = _from_start(goal.marks, settings, per_week)
    weeks = season(marks[0][1], marks[-1][1], marks[-1][0], per_week, marks[1:-1])
    if not goal.long_marks:
        return weeks
    (_, first), (_, last) = goal.long_marks
    return tuple((*some, *long) for some, long in zip(weeks, season(first, last, len(weeks), 1), strict=True))


Marks = tuple[tuple[int, Dose], ...]


def _from_start(marks: Marks, settings: config.Season, per_week: int) -> Marks:
    """The marks of a goal with the start that is asked for: then on the straight way, in as many weeks as it needs."""
    (_, first), (weeks, last) = marks[0], marks[-1]
    rung = ladder.rung_named(settings.start_ratio) if settings.start_ratio is not None else first.rung
    start = Dose(rung, _clamped(settings.start_minutes or first.minutes, settings.goal))
    if start == first:
        return marks
    if start.rung > last.rung or start.minutes > last.minutes:
        raise ConfigError(
            f"[season]: {settings.goal} ends with {last}, and is to start with {start}: "
            "lower start_ratio or start_minutes, or take another goal"
        )
    for enough in range(weeks, LONGEST_WEEKS):
        if _through(((1, start), (enough, last)), per_week) is not None:
            return (1, start), (enough, last)
    return (1, start), (weeks, last)


def _clamped(length_min: int, goal: SeasonGoal) -> int:
    lowest, highest = DURATION_MINUTES
    return min(max(length_min, lowest), highest) if goal is SeasonGoal.DURATION else length_min


# -- where in it --


def reached(weeks: Weeks, runs: Iterable[Run]) -> int:
    """How many sessions of the season are done, after these runs (newest first).

    A session is done by a run with its ratio, or a harder one, and its minutes;
    a hard one is repeated. Two hard ones in a row, an easy finish, or four
    weeks without a run lead back a week. The calendar leads nowhere.
    """
    sessions = [each for week in weeks for each in week]
    done = hard = 0
    before = None
    for run in ladder.oldest_first(runs):
        back = 0
        done = max(0, done - ladder.rungs_of_rest(before, run) * len(weeks[0]))
        hard = ladder.hard_in_a_row(hard, run)
        if ladder.verdict(run) is Verdict.HARD:
            if ladder.fell(run) or hard == ladder.HARD_TO_FALL:
                back, hard = len(weeks[0]), 0
        elif done < len(sessions) and covers(run, sessions[done]):
            done += 1
        done, before = max(0, done - back), run
    return done


def covers(run: Run, step: Dose) -> bool:
    """Whether a run was at least what a session asks for."""
    on = ladder.rung(run)
    return on is not None and on >= step.rung and total_s(run) >= DONE_SHARE * 60 * step.minutes


def as_table(weeks: Weeks) -> list[str]:
    """A line per week: "week  3  1:1  24 26 28 min"."""
    return [f"week {number:>2}  {_week(week)}" for number, week in enumerate(weeks, start=1)]


def _week(week: tuple[Dose, ...]) -> str:
    same = (
        f"{ladder.name(rung)} {' '.join(str(each.minutes) for each in some)}" for rung, some in groupby(week, _rung)
    )
    return f"{', '.join(same)} min"


def _rung(dose: Dose) -> int:
    return dose.rung
