"""What to run today, and why: from the season or the ladder, eased by what the day and the last runs say."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from itertools import count, pairwise
from math import floor, inf
from statistics import mean, median

from msgspec import Struct
from msgspec.structs import replace

from hrbridge import config
from hrbridge.config import Plan, PlanTable, Purpose, SeasonGoal, WalkInstead
from hrbridge.control import plan as plans
from hrbridge.control import words
from hrbridge.control.plan import LADDER
from hrbridge.decisions import Reason
from hrbridge.history import habits, ladder, season
from hrbridge.history.ladder import Standing, Verdict
from hrbridge.history.progress import GAP_DAYS, planned_s, total_s
from hrbridge.history.runs import Run
from hrbridge.history.season import Dose
from hrbridge.journal import Day, Energy, Soreness, Symptoms

# Week one of the articles; their habit is three times half an hour, and up to it the ladder's runs grow.
FIRST_MINUTES = 20
HABIT_MINUTES = 30
USUAL_RUNS = 3  # of which one may have been a short one
LONGER_BY_MINUTES = 2  # a tenth (more of longer ones), so that even the third run of a week is within a fifth
# After four weeks without a run the first week comes again.
FROM_ANEW_DAYS = ladder.REST_DAYS_PER_RUNG
# A rest day after two days of running, as with three or four runs a week; whoever asks for more has chosen.
DAYS_IN_A_ROW = 2
USUAL_PER_WEEK = 4
# Symptoms that got worse again, on an easier ratio, ask for walking alone.
WORSE_TO_WALK = 2
# A long run of one's own is as much longer as a week may be.
LONG_GROWTH = 1.2
# What the ladder leads to is an easy run, however long the last one was.
LADDER_MINUTES = (10, 60)
# All that the day says together makes it at most so much easier: beyond that a walk is the better choice.
MOST_RUNGS_EASIER = 2
# Legs remember a run until the next day.
CARRIED_DAYS = 1
# A first workout of the day has a mean heart rate worth the name from here on.
WORKOUT_S = 600.0
# A week may weigh a fifth more than the one before, or than the usual one of the last four.
LOAD_GROWTH = 1.2
WEEKS_OF_LOAD = 4
# The middle of the easy band, for a run of which nobody said how it felt.
USUAL_RPE = 5.0
# Effort as the articles have it; of return plans one softer, as in those that are shipped.
RPE_TARGET = {Purpose.TEMPO: (7, 8), Purpose.RACE: (7, 8), Purpose.RETURN: (3, 5)}
LONG_RUNG = LADDER.index((9, 1))


class Factor(StrEnum):
    HISTORY = "history"
    GOAL = "goal"
    TERRAIN = "terrain"
    RECOVERY = "recovery"
    SYMPTOMS = "symptoms"
    SORENESS = "soreness"
    ENERGY = "energy"
    LOAD = "load"
    SECOND_WORKOUT = "second_workout"
    PURPOSE = "purpose"
    LONGEST = "longest"


class Why(Struct, frozen=True):
    """One thing that was looked at. ``rungs``: what it asks for, easier below 0, harder above."""

    factor: Factor
    words: str
    rungs: int = 0


class Said(Struct, frozen=True):
    """What the runner says today; None: nothing."""

    energy: Energy | None = None
    soreness: Soreness | None = None
    symptoms: Symptoms | None = None
    purpose: Purpose | None = None


class Advice(Struct, frozen=True):
    """What to run today. ``minutes`` are those of runs and walk breaks; ``overrides`` as for ``--set``.

    ``week`` of ``weeks`` and ``run_of_week`` where a season leads, else null.
    ``walk_instead``: a command for a brisk walk as long, where a rest is wise, else null; where the walk is the
    advice, ``command`` is the same. ``rest``: a rest would do as well.
    ``steps_goal`` of a day and ``walk_goal_m`` after a run: null for whoever never said any.
    """

    ratio: str
    minutes: int
    purpose: Purpose
    overrides: tuple[str, ...]
    why: tuple[Why, ...]
    command: str
    walk_instead: str | None
    rest: bool
    week: int | None
    weeks: int | None
    run_of_week: int | None
    steps_goal: int | None
    walk_goal_m: float | None


def advise(
    runs: Sequence[Run],
    settings: config.Season,
    today: date,
    said: Said,
    days: Mapping[str, Day],
    *,
    config_path: str = "CONFIG",
    imperial: bool = False,
) -> Advice:
    """What to run ``today`` (local) after these runs, newest first. Raises ConfigError for a season that cannot be."""
    given, noted = said.symptoms, runs[0].note.symptoms if runs else None
    counted, said = _carried([run for run in runs if run.counts], said, today)
    told = _that_tell(counted, settings)
    standing = ladder.standing(
        told,
        start=ladder.rung_named(settings.start_ratio) if settings.start_ratio is not None else None,
        by_symptoms=settings.goal is SeasonGoal.RETURN,
    )
    weeks = season.of(settings)
    leads = bool(weeks) and weeks[0][0].rung <= standing.rung
    goal = _goal(settings, standing, leads=leads)
    week = run_of_week = None
    if leads:
        done, per_week = season.reached(weeks, told), len(weeks[0])
        week, run_of_week = (part + 1 for part in divmod(min(done, per_week * len(weeks) - 1), per_week))
        asked = weeks[week - 1][run_of_week - 1]
        goal.append(_place(weeks, done))
    else:
        asked = Dose(standing.rung, _usual_minutes(told, today) or settings.start_minutes or FIRST_MINUTES)
    wanted = _wanted(said, settings, counted, asked, today, leads=leads)
    last = next((on for run in told if (on := ladder.rung(run)) is not None), None)
    if last is not None and asked.rung > last + 1 and not (leads and wanted is Purpose.LONG):
        asked = replace(asked, rung=last + 1)
        goal.append(Why(Factor.HISTORY, f"one rung at a time: the last run was {ladder.name(last)}"))
    first = _first_workout(counted, today)
    quiet = not _walk_until_quiet(counted, said, standing, today)
    rest = _rest_day(counted, settings, today)
    day = [
        *_terrain(counted, standing),
        *_rest(counted, asked, standing, today),
        *rest,
        *_felt(said, settings, already=bool(told) and not leads, quiet=quiet, unkept=given if given != noted else None),
        *_second(first, asked),
    ]
    eased = bool(rest) or said.symptoms is Symptoms.WORSE or standing.moved < 0 or any(why.rungs < 0 for why in day)
    eased |= wanted is Purpose.RECOVERY or _days_off(counted, today) >= GAP_DAYS
    asked = replace(asked, minutes=_minutes(asked, told, standing, settings, today, leads=leads, eased=eased))
    most = _most_minutes(counted, today)
    if asked.minutes > most:  # then what is usual is enough
        eased = True
        asked = replace(asked, minutes=min(asked.minutes, _usual_minutes(told, today) or asked.minutes))
    if first is not None:
        asked = replace(asked, minutes=max(min(asked.minutes, floor(_planned_min(first) / 2)), 1))
    if not quiet:
        asked = replace(asked, minutes=max(asked.minutes // 2, min(asked.minutes, LADDER_MINUTES[0])))
    fits = asked.minutes <= most
    may_be_harder = fits and not eased and standing.known
    purpose, asked, of_purpose = _purpose(wanted, asked, may_be_harder=may_be_harder, said=said.purpose, most=most)
    day += [*_load(counted, asked, today), *of_purpose]
    too_little_left = most < LADDER_MINUTES[0]
    if not fits:
        asked = replace(asked, minutes=max(floor(most), min(asked.minutes, LADDER_MINUTES[0])))
    day += _high_energy(said, purpose, may_be_harder=may_be_harder and (last is None or asked.rung <= last))
    rungs = _together(day)
    asked = replace(asked, rung=_eased(asked.rung, rungs, last, day))
    longest = _longest(counted, asked, imperial=imperial) if fits and not eased else []
    why = [*_history(standing, runs, told, asked, leads=leads), *goal, *day, *longest]
    overrides = _overrides(asked, purpose, first)
    command = _command(config_path, asked, overrides)
    walk = f"{command} --set plan.walk_instead={WalkInstead.TIME}"
    walk_first = bool(rest) or too_little_left or not quiet
    wise = rungs <= -MOST_RUNGS_EASIER or said.symptoms is Symptoms.WORSE or (rungs < 0 and asked.rung == 0)
    return Advice(
        ratio=ladder.name(asked.rung),
        minutes=asked.minutes,
        purpose=purpose,
        overrides=overrides,
        why=tuple(why),
        command=walk if walk_first else command,
        walk_instead=walk if walk_first or wise else None,
        rest=walk_first and quiet,
        week=week,
        weeks=len(weeks) if leads else None,
        run_of_week=run_of_week,
        steps_goal=habits.steps_goal(days, today),
        walk_goal_m=habits.walk_goal_m(days),
    )


# -- where one stands --


def _carried(runs: list[Run], said: Said, today: date) -> tuple[list[Run], Said]:
    """What was said of the last run holds until the next, of legs and energy for a day; of symptoms the worse word."""
    if not runs:
        return runs, said
    newest, *older = runs
    both = [each for each in (newest.note.symptoms, said.symptoms) if each is not None]
    symptoms = max(both, key=list(Symptoms).index, default=None)
    said = replace(said, symptoms=symptoms)
    if newest.day is not None and (today - newest.day).days <= CARRIED_DAYS:
        note = newest.note
        said = replace(said, energy=said.energy or note.energy, soreness=said.soreness or note.soreness)
    return [Run(newest.session, newest.figures, replace(newest.note, symptoms=symptoms)), *older], said


def _that_tell(runs: Sequence[Run], settings: config.Season) -> list[Run]:
    """Those since the beginning; of a return without one, those that were run as such, not those of before."""
    if settings.begin is not None:
        return [run for run in runs if run.day is not None and run.day >= settings.begin]
    if settings.goal is SeasonGoal.RETURN:
        return [run for run in runs if run.session.header.plan.purpose is Purpose.RETURN]
    return list(runs)


def _planned_min(run: Run) -> float:
    return (run.session.header.plan.total_s or run.figures.main_s) / 60


def _easy_minutes(runs: Sequence[Run]) -> list[int]:
    """Of the easy ones, newest first, within what the ladder leads to."""
    lowest, highest = LADDER_MINUTES
    of_the_ladder = (Purpose.EASY, Purpose.RETURN)
    easy = [run for run in runs if run.session.header.plan.purpose in of_the_ladder and not ladder.walked_only(run)]
    return [min(max(round(_planned_min(run)), lowest), highest) for run in easy]


def _usual_minutes(runs: Sequence[Run], today: date) -> int | None:
    """As long as the last easy runs since the last week without one; None where there are none."""
    since = runs if _days_off(runs, today) >= FROM_ANEW_DAYS else _since_break(runs, GAP_DAYS)
    return max(_easy_minutes(since)[:USUAL_RUNS], default=None)


def _since_break(runs: Sequence[Run], days: int) -> list[Run]:
    """Those of them (newest first) after the last so many days without one."""
    for n, (after, before) in enumerate(pairwise(runs), start=1):
        if after.day is not None and before.day is not None and (after.day - before.day).days >= days:
            return list(runs[:n])
    return list(runs)


def _days_off(runs: Sequence[Run], today: date) -> int:
    """The days since the last run; 0 where nobody knows."""
    return (today - runs[0].day).days if runs and runs[0].day is not None else 0


def _minutes(
    asked: Dose,
    runs: Sequence[Run],
    standing: Standing,
    settings: config.Season,
    today: date,
    *,
    leads: bool,
    eased: bool,
) -> int:
    """A little longer up to half an hour, or what was usual, where the ratio stays and it went well; else no longer."""
    if (days := _days_off(runs, today)) >= GAP_DAYS:
        return _after_days_off(asked.minutes, days)
    if eased:
        return min(asked.minutes, _usual_minutes(runs, today) or asked.minutes)
    since = _since_break(runs, FROM_ANEW_DAYS)
    if leads:  # after a long rest it is reached again step by step
        longest = max((round(_planned_min(run)) for run in since), default=0)
        return asked.minutes if len(since) == len(runs) else min(asked.minutes, _longer(longest))
    easy = _easy_minutes(runs)
    newest = runs[0] if runs else None
    went_well = newest is not None and ladder.verdict(newest) is Verdict.GOOD and easy[:1] == [asked.minutes]
    if settings.goal is SeasonGoal.RETURN:
        went_well &= newest is not None and newest.note.symptoms is Symptoms.NONE
    before = max(HABIT_MINUTES, *easy, asked.minutes)
    return min(_longer(asked.minutes), before) if went_well and standing.moved == 0 else asked.minutes


def _longer(minutes: int) -> int:
    return minutes + max(LONGER_BY_MINUTES, minutes // 10)


def _after_days_off(minutes: int, days: int) -> int:
    """From a week without a run on in proportion shorter; after four weeks as in the first week."""
    share = min((days - GAP_DAYS) / (FROM_ANEW_DAYS - GAP_DAYS), 1)
    return round(minutes - max(minutes - FIRST_MINUTES, 0) * share)


def _history(
    standing: Standing, all_runs: Sequence[Run], runs: Sequence[Run], asked: Dose, *, leads: bool
) -> list[Why]:
    """Where one stands, and that today is another day where it is. A season that leads says that itself."""
    here, now = ladder.name(standing.rung), ladder.name(asked.rung)
    today = "" if here == now else f"; today {now}"
    short = _came_short(runs[0]) if runs and ladder.came_out_short(runs[0]) else []
    if not all_runs:
        return [
            Why(Factor.HISTORY, f"no runs here yet: begin with {here}, for plenty of walking is how it starts well")
        ]
    if standing.moved < 0 and not short:
        again = "some of the season once more" if leads else f"{now} for now"
        return [Why(Factor.HISTORY, f"the last runs ask for more walking: {again}")]
    if leads or standing.moved < 0:
        return short
    if standing.moved > 0:
        risen = f"one rung up, to {here}" if not today else f"{here} comes next{today}"
        return [Why(Factor.HISTORY, f"the last runs went well: {risen}"), *short]
    begins = "" if standing.known else ", where everybody begins"
    if begins and all(ladder.rung(run) is None for run in all_runs):
        begins += " (recordings and free runs have no ratio; [season] start_ratio begins elsewhere)"
    towards = f"{standing.towards} of {standing.needed} runs for the next rung"
    return [Why(Factor.HISTORY, f"you stand at {here}{begins}, with {towards}{today}"), *short]


def _came_short(run: Run) -> list[Why]:
    """What shortened the runs of the last one, and what would let them hold."""
    on, done, planned = ladder.rung(run), ladder.came_out(run), run.figures.planned_ratio
    if on is None or done is None or planned is None:
        return []
    met = sum(run.figures.reasons.get(reason, 0) for reason in (Reason.HEART_RATE_CEILING, Reason.FORECAST_CEILING))
    if done[0] >= ladder.HELD_SHARE * planned[0]:
        seen = f"the walk breaks of your last run came out at {done[1]:.0f} s"
    elif met:
        seen = f"in your last run heart rate met the ceiling after {done[0]:.0f} s"
    else:
        seen = f"the runs of your last one came out at {done[0]:.0f} s"
    other = ladder.name(on - 1) if on else "runs and walks half as long (--set plan.scale=0.5)"
    return [Why(Factor.HISTORY, f"{seen}: a slower run, or {other} until it holds")]


def _goal(settings: config.Season, standing: Standing, *, leads: bool) -> list[Why]:
    goal = season.GOALS[settings.goal]
    if settings.goal is SeasonGoal.NONE:
        return []
    if leads or not goal.marks:
        return [Why(Factor.GOAL, f"{settings.goal}: {goal.words}")]
    first = ladder.name(goal.marks[0][1].rung)
    return [
        Why(
            Factor.GOAL,
            f"{settings.goal}: begins with {first}, the ladder leads there from {ladder.name(standing.rung)}",
        )
    ]


def _place(weeks: season.Weeks, done: int) -> Why:
    per_week = len(weeks[0])
    if done >= per_week * len(weeks):
        return Why(
            Factor.GOAL, f"all {per_week * len(weeks)} runs of the season are done: enjoy it, or choose another goal"
        )
    return Why(
        Factor.GOAL,
        f"week {done // per_week + 1} of {len(weeks)}, run {done % per_week + 1} of {per_week}: one step a run",
    )


# -- what the day says --


def _terrain(runs: Sequence[Run], standing: Standing) -> list[Why]:
    if runs and runs[0].figures.hilly:
        return [Why(Factor.TERRAIN, "the last run was hilly: it is not compared with others")]
    return [] if standing.known else [Why(Factor.TERRAIN, "flat ground first")]


def _rest(runs: Sequence[Run], asked: Dose, standing: Standing, today: date) -> list[Why]:
    """The days since the last run: from a week on a rung easier, and one more for every four weeks."""
    if (days := _days_off(runs, today)) < 1:
        return []
    since = f"{days} day{'s' if days > 1 else ''} since the last run"
    if days < GAP_DAYS:
        sore = runs[0].note.soreness is Soreness.STRONG
        if standing.moved < 0 or not (sore or ladder.over_target(runs[0])):
            return [Why(Factor.RECOVERY, since)]
        effort = f"RPE {runs[0].rpe:g}" if ladder.over_target(runs[0]) else "strong soreness"
        return [Why(Factor.RECOVERY, f"{since}, a hard one ({effort}): today no more than that, and gladly less")]
    lowest = min(asked.rung, ladder.UNKNOWN)
    easier = min(1 + days // ladder.REST_DAYS_PER_RUNG, max(asked.rung - lowest, 1))
    gently = [f"{_rungs(easier)} easier"] if asked.rung else []
    if (shorter := _after_days_off(asked.minutes, days)) < asked.minutes:
        gently.append(f"{shorter} minutes")
    return [
        Why(
            Factor.RECOVERY,
            f"{since}: {' and '.join(gently) or 'plenty of time'}, to come back gently",
            -easier,
        )
    ]


def _rest_day(runs: Sequence[Run], settings: config.Season, today: date) -> list[Why]:
    """Days in a row, and days of a week, after which legs like a rest; walks are rest enough."""
    ran = {(today - run.day).days for run in runs if run.day is not None and run.figures.run_s > 0}
    row = next(n for n in count(1) if n not in ran) - 1
    week = len(ran & set(range(1, 7)))
    if row >= (DAYS_IN_A_ROW if settings.runs_per_week <= USUAL_PER_WEEK else settings.runs_per_week):
        return [Why(Factor.RECOVERY, f"{words.number(row)} days of running in a row: a rest or a walk today")]
    if week > settings.runs_per_week:
        return [Why(Factor.RECOVERY, f"{words.number(week)} days of running in the last six: a rest or a walk today")]
    return []


def _walk_until_quiet(runs: Sequence[Run], said: Said, standing: Standing, today: date) -> bool:
    """Whether symptoms got worse twice, or once where no ratio is easier, and no run since then was without."""
    if not runs:
        return said.symptoms is Symptoms.WORSE and standing.rung == 0
    worse = 0
    for run in runs:
        old = run.day is not None and (today - run.day).days > FROM_ANEW_DAYS
        if old or run.note.symptoms is Symptoms.NONE:
            break
        if run.note.symptoms is Symptoms.WORSE:
            worse += WORSE_TO_WALK if ladder.rung(run) == 0 or ladder.walked_only(run) else 1
    return worse >= WORSE_TO_WALK


def _rungs(number: int) -> str:
    return f"{words.number(number)} rung{'s' if number > 1 else ''}"


def _felt(said: Said, settings: config.Season, *, already: bool, quiet: bool, unkept: Symptoms | None) -> list[Why]:
    """``already``: what was said of symptoms is in the standing. ``unkept``: it is said here, and nowhere kept."""
    why: list[Why] = []
    leads_up = ", and what it keeps is what leads up" if settings.goal is SeasonGoal.RETURN else ""
    keep = f" (hrbridge log --symptoms {unkept} keeps it{leads_up})" if unkept is not None else ""
    match said.symptoms:
        case _ if not quiet:
            tell = keep or " (hrbridge log --symptoms none tells it)"
            why.append(Why(Factor.SYMPTOMS, f"a walk, until it is quiet again{tell}"))
        case Symptoms.WORSE:
            why.append(Why(Factor.SYMPTOMS, f"more than before: a rung with more walking{keep}", 0 if already else -1))
        case Symptoms.SAME:
            why.append(Why(Factor.SYMPTOMS, f"as before: the same again{keep}"))
        case Symptoms.NONE:
            why.append(Why(Factor.SYMPTOMS, f"none{keep}"))
    match said.soreness:
        case Soreness.STRONG:
            why.append(Why(Factor.SORENESS, "strong: one rung easier today", -1))
        case Soreness.MILD:
            why.append(Why(Factor.SORENESS, "mild, as it may be: ready for the next"))
    match said.energy:
        case Energy.LOW:
            why.append(Why(Factor.ENERGY, "low: one rung easier today", -1))
        case Energy.OK:
            why.append(Why(Factor.ENERGY, "as usual"))
    return why


def _first_workout(runs: Sequence[Run], today: date) -> Run | None:
    """The first run of today that was one."""
    return next((run for run in reversed(runs) if run.day == today and run.figures.main_s >= WORKOUT_S), None)


def _second(first: Run | None, asked: Dose) -> list[Why]:
    if first is None:
        return []
    on = ladder.rung(first)
    easier = 1 if on is None else max(1, asked.rung - (on - 1))
    below = f", below {floor(bpm)} bpm" if (bpm := first.figures.mean_heart_rate_bpm) is not None else ""
    return [
        Why(
            Factor.SECOND_WORKOUT, f"your second today: easier than the first, half as long as its plan{below}", -easier
        )
    ]


def _weeks_of_load(runs: Sequence[Run], today: date) -> tuple[float, float | None, float]:
    """Minutes times RPE of the six days before today; of a usual week, None for unknown; and the usual RPE."""
    dated = [(run, (today - run.day).days) for run in runs if run.day is not None]
    oldest = max((ago for _, ago in dated), default=0)
    week = [sum(_load_of(run) for run, ago in dated if ago // 7 == n and ago >= 0) for n in range(WEEKS_OF_LOAD + 1)]
    ran = [load for n, load in enumerate(week) if n > 0 and oldest >= 7 * n + 6 and load]
    usual_rpe = median([run.rpe if run.rpe is not None else USUAL_RPE for run, _ in dated[:USUAL_RUNS]] or [USUAL_RPE])
    return week[0], max(week[1], mean(ran)) if ran else None, usual_rpe


def _most_minutes(runs: Sequence[Run], today: date) -> float:
    """With which this week weighs a fifth more than a usual one; infinity where nobody knows."""
    so_far, usual, usual_rpe = _weeks_of_load(runs, today)
    return (LOAD_GROWTH * usual - so_far) / max(usual_rpe, 1.0) if usual is not None else inf


def _load(runs: Sequence[Run], asked: Dose, today: date) -> list[Why]:
    """The seven days up to and with today's run, against the weeks before that had one."""
    so_far, usual, usual_rpe = _weeks_of_load(runs, today)
    if usual is None:
        return []
    most = _most_minutes(runs, today)
    if asked.minutes <= most:
        now = so_far + asked.minutes * usual_rpe
        return [Why(Factor.LOAD, f"{now:.0f} in seven days with this run, {usual:.0f} in those before")]
    if most < LADDER_MINUTES[0]:
        return [Why(Factor.LOAD, "the last six days had plenty for one week: a rest or a walk today")]
    return [
        Why(
            Factor.LOAD,
            f"{floor(most)} minutes in place of {asked.minutes}: a fifth more than a usual week, and no more",
        )
    ]


def _load_of(run: Run) -> float:
    return total_s(run) / 60 * (run.rpe if run.rpe is not None else USUAL_RPE)


def _wanted(
    said: Said, settings: config.Season, runs: Sequence[Run], asked: Dose, today: date, *, leads: bool
) -> Purpose:
    if settings.goal is SeasonGoal.RETURN:
        return Purpose.RETURN
    if said.purpose is not None:
        return said.purpose
    yesterday = [run for run in runs if run.day is not None and (today - run.day).days == 1]
    if any(ladder.over_target(run) or _was_meant_hard(run) for run in yesterday):
        return Purpose.RECOVERY
    return Purpose.LONG if leads and asked.rung >= LONG_RUNG else Purpose.EASY


def _was_meant_hard(run: Run) -> bool:
    return run.session.header.plan.purpose in (Purpose.TEMPO, Purpose.RACE)


def _purpose(
    wanted: Purpose, asked: Dose, *, may_be_harder: bool, said: Purpose | None, most: float
) -> tuple[Purpose, Dose, list[Why]]:
    """The purpose of today's run, with what it asks for: more walks to recover, longer runs for tempo, more time."""
    match wanted:
        case Purpose.EASY:
            return wanted, asked, []
        case Purpose.RECOVERY:
            return wanted, asked, [Why(Factor.PURPOSE, "recovery: one rung easier, more walks", -1)]
        case Purpose.RETURN:
            return wanted, asked, [Why(Factor.PURPOSE, "return: by what is felt, effort 3 to 5")]
        case Purpose.LONG if said is None:
            return wanted, asked, [Why(Factor.PURPOSE, "long: the long one of the week, easy all the way")]
        case _ if not may_be_harder:
            return Purpose.EASY, asked, [Why(Factor.PURPOSE, f"{wanted} keeps for another day: easy today")]
        case Purpose.TEMPO:
            return wanted, asked, [Why(Factor.PURPOSE, "tempo: longer runs, effort 7 to 8", 1)]
        case Purpose.RACE:
            return wanted, asked, [Why(Factor.PURPOSE, "race: the ratio of your runs, effort 7 to 8")]
    longer = max(min(round(LONG_GROWTH * asked.minutes), floor(min(most, season.MINUTES[1]))), asked.minutes)
    why = Why(Factor.PURPOSE, f"long: {longer} minutes where {asked.minutes} are usual, easy all the way")
    return wanted, replace(asked, minutes=longer), [why]


def _together(day: Sequence[Why]) -> int:
    """What the day asks for: a long rest and a second workout all they ask, the others two rungs at most."""
    whole = sum(each.rungs for each in day if each.factor in (Factor.RECOVERY, Factor.SECOND_WORKOUT))
    others = sum(each.rungs for each in day) - whole
    return whole + max(others, -MOST_RUNGS_EASIER)


def _eased(rung: int, rungs: int, last: int | None, day: Sequence[Why]) -> int:
    """What the day makes of a rung: at most one beside the last run, but for a long rest and a second workout."""
    lowest, highest = 0, len(LADDER) - 1
    if last is not None:
        highest = max(min(last + 1, highest), rung)
        whole = any(each.rungs < 0 for each in day if each.factor in (Factor.RECOVERY, Factor.SECOND_WORKOUT))
        lowest = 0 if whole else max(last - 1 if rung >= last - 1 else rung - 1, 0)
    return min(max(rung + rungs, lowest), highest)


def _high_energy(said: Said, purpose: Purpose, *, may_be_harder: bool) -> list[Why]:
    if said.energy is not Energy.HIGH:
        return []
    if said.symptoms in (Symptoms.SAME, Symptoms.WORSE) or purpose is not Purpose.EASY or not may_be_harder:
        return [Why(Factor.ENERGY, "high: enjoy it, and keep some")]
    return [Why(Factor.ENERGY, "high: one rung harder, if you like", 1)]


def _longest(runs: Sequence[Run], asked: Dose, *, imperial: bool) -> list[Why]:
    longest = max(runs, key=total_s, default=None)
    if longest is None or 60 * asked.minutes <= total_s(longest):
        return []
    farthest_m = max((run.distance_m for run in runs if run.distance_m is not None), default=None)
    how_far = f", {words.about(farthest_m, imperial=imperial)}" if farthest_m else ""
    return [Why(Factor.LONGEST, f"will be your longest so far; until now {total_s(longest) / 60:.0f} min{how_far}")]


# -- how to run it --


def _overrides(asked: Dose, purpose: Purpose, first: Run | None) -> tuple[str, ...]:
    settings = [f"plan.total_s={60 * asked.minutes}"]
    if purpose is not Purpose.EASY:
        settings.append(f"plan.purpose={purpose}")
    if purpose in RPE_TARGET:
        lower, upper = RPE_TARGET[purpose]
        settings.append(f"plan.rpe_target=[{lower},{upper}]")
    if first is not None and first.figures.mean_heart_rate_bpm is not None:
        settings.append(f"control.first_workout_mean_bpm={floor(first.figures.mean_heart_rate_bpm)}")
    return tuple(settings)


def _command(config_path: str, asked: Dose, overrides: Sequence[str]) -> str:
    settings = [part for override in overrides for part in ("--set", override)]
    return shlex.join(["hrbridge", "run", config_path, "--plan", ladder.name(asked.rung), *settings])


def plan(advice: Advice) -> Plan:
    """The run that is advised, as a plan."""
    return plans.resolve(PlanTable(use=advice.ratio, total_s=60 * advice.minutes, purpose=advice.purpose))


def lines(advice: Advice) -> list[str]:
    """The advice in words."""
    run, walk = (f"{each} minute{'s' if each != '1' else ''}" for each in advice.ratio.split(":"))
    length = f"{advice.minutes} minute{'s' if advice.minutes > 1 else ''}"
    reasons = [f"  {each.factor:<15} {each.words}" for each in advice.why]
    if advice.command == advice.walk_instead:
        first = f"a rest, or a brisk walk of {length}" if advice.rest else f"a walk of {length}"
        return [f"Today: {first}.", *reasons, f"  {advice.command}"]
    said = [f"Today: run {run}, walk {walk}, for {length}.", *reasons, f"  {advice.command}"]
    if advice.walk_instead is not None:
        spent = planned_s(plan(advice))
        running_min = spent[0] / 60 if spent is not None else 0.0
        said += [
            f"Or a brisk walk instead: {length}, as long; "
            f"or {plans.WALK_FOR_RUN * running_min:.0f}, three for each of running.",
            f"  {advice.walk_instead}",
        ]
    return said
