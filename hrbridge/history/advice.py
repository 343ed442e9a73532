"""What to run today, and why: from the season or the ladder, eased by what the day and the last runs say."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from math import floor
from statistics import mean, median

from msgspec import Struct
from msgspec.structs import replace

from hrbridge import config
from hrbridge.config import Plan, PlanTable, Purpose, SeasonGoal, WalkInstead
from hrbridge.control import plan as plans
from hrbridge.control import words
from hrbridge.control.plan import LADDER
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
LONGER_BY_MINUTES = 2  # a tenth, so that even the third run of a week is within a fifth
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
    ``walk_instead``: a command for a brisk walk as long, where a rest is wise, else null.
    ``steps_goal`` of a day and ``walk_goal_m`` after a run: null for whoever never said any.
    """

    ratio: str
    minutes: int
    purpose: Purpose
    overrides: tuple[str, ...]
    why: tuple[Why, ...]
    command: str
    walk_instead: str | None
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
    counted, said = _carried([run for run in runs if run.counts], said, today)
    told = _that_tell(counted, settings)
    standing = ladder.standing(
        told,
        start=ladder.rung_named(settings.start_ratio) if settings.start_ratio is not None else None,
        by_symptoms=settings.goal is SeasonGoal.RETURN,
    )
    weeks = season.of(settings)
    leads = bool(weeks) and weeks[0][0].rung <= standing.rung
    why = [_history(standing, told), *_goal(settings, standing, leads=leads)]
    week = run_of_week = None
    if leads:
        done, per_week = season.reached(weeks, told), len(weeks[0])
        week, run_of_week = (part + 1 for part in divmod(min(done, per_week * len(weeks) - 1), per_week))
        asked = weeks[week - 1][run_of_week - 1]
        why.append(_place(weeks, done))
    else:
        asked = Dose(standing.rung, _minutes(told, standing, settings))
    first = _first_workout(counted, today)
    day = [
        *_terrain(counted, standing),
        *_rest(counted, asked, today),
        *_felt(said, already=bool(told) and not leads),
        *_second(first, asked),
        *_load(counted, asked, today),
    ]
    purpose, day = _purpose(_wanted(said, settings, counted, asked, today), day, standing)
    day += _high_energy(said, day, standing, purpose)
    rungs = _together(day)
    asked = replace(asked, rung=min(max(asked.rung + rungs, 0), len(LADDER) - 1))
    why += [*day, *_longest(counted, asked, imperial=imperial)]
    overrides = _overrides(asked, purpose, first)
    command = _command(config_path, asked, overrides)
    wise = rungs <= -MOST_RUNGS_EASIER or said.symptoms is Symptoms.WORSE or (rungs < 0 and asked.rung == 0)
    return Advice(
        ratio=ladder.name(asked.rung),
        minutes=asked.minutes,
        purpose=purpose,
        overrides=overrides,
        why=tuple(why),
        command=command,
        walk_instead=f"{command} --set plan.walk_instead={WalkInstead.TIME}" if wise else None,
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


def _minutes(runs: Sequence[Run], standing: Standing, settings: config.Season) -> int:
    """As long as the last easy runs, or a little longer up to half an hour: where the ratio stays, and it went well."""
    usual = [run for run in runs if run.session.header.plan.purpose in (Purpose.EASY, Purpose.RETURN)][:USUAL_RUNS]
    if not usual:
        return settings.start_minutes or FIRST_MINUTES
    lowest, highest = LADDER_MINUTES
    lengths_s = [run.session.header.plan.total_s or run.figures.main_s for run in usual]
    longest = min(max(round(max(lengths_s) / 60), lowest), highest)
    went_well = ladder.verdict(usual[0]) is Verdict.GOOD and lengths_s[0] == max(lengths_s)
    if settings.goal is SeasonGoal.RETURN:
        went_well &= usual[0].note.symptoms is Symptoms.NONE
    if went_well and standing.moved == 0 and longest < HABIT_MINUTES:
        return min(longest + LONGER_BY_MINUTES, HABIT_MINUTES)
    return longest


def _history(standing: Standing, runs: Sequence[Run]) -> Why:
    here = ladder.name(standing.rung)
    if not standing.known:
        before = "no run here has told yet" if runs else "no runs here yet"
        return Why(Factor.HISTORY, f"{before}: begin with {here}, for plenty of walking is how it starts well")
    if standing.moved > 0:
        return Why(Factor.HISTORY, f"the last runs went well: one rung up, to {here}")
    if standing.moved < 0:
        return Why(Factor.HISTORY, f"the last runs ask for more walking: {here} for now")
    return Why(
        Factor.HISTORY, f"you stand at {here}, with {standing.towards} of {standing.needed} runs for the next rung"
    )


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


def _rest(runs: Sequence[Run], asked: Dose, today: date) -> list[Why]:
    """The days since the last run: from a week on a rung easier, and one more for every four weeks."""
    if not runs or runs[0].day is None or (days := (today - runs[0].day).days) < 1:
        return []
    since = f"{days} day{'s' if days > 1 else ''} since the last run"
    if days < GAP_DAYS:
        return [Why(Factor.RECOVERY, since)]
    lowest = min(asked.rung, ladder.UNKNOWN)
    easier = min(1 + days // ladder.REST_DAYS_PER_RUNG, max(asked.rung - lowest, 1))
    return [Why(Factor.RECOVERY, f"{since}: {_rungs(easier)} easier, to come back gently", -easier)]


def _rungs(number: int) -> str:
    return f"{words.number(number)} rung{'s' if number > 1 else ''}"


def _felt(said: Said, *, already: bool) -> list[Why]:
    """``already``: what was said of symptoms is in the standing."""
    why: list[Why] = []
    match said.symptoms:
        case Symptoms.WORSE:
            why.append(Why(Factor.SYMPTOMS, "more than before: a rung with more walking", 0 if already else -1))
        case Symptoms.SAME:
            why.append(Why(Factor.SYMPTOMS, "as before: the same again"))
        case Symptoms.NONE:
            why.append(Why(Factor.SYMPTOMS, "none"))
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
    return [Why(Factor.SECOND_WORKOUT, f"your second today: easier than the first{below}", -easier)]


def _load(runs: Sequence[Run], asked: Dose, today: date) -> list[Why]:
    """Minutes times RPE of the seven days up to and with today's run, against the weeks before."""
    dated = [(run, (today - run.day).days) for run in runs if run.day is not None]
    oldest = max((ago for _, ago in dated), default=0)
    week = [sum(_load_of(run) for run, ago in dated if ago // 7 == n and ago >= 0) for n in range(WEEKS_OF_LOAD + 1)]
    before = [load for n, load in enumerate(week) if n > 0 and oldest >= 7 * n + 6]
    if not before or before[0] == 0:
        return []
    usual_rpe = median(run.rpe if run.rpe is not None else USUAL_RPE for run, _ in dated[:USUAL_RUNS])
    now, usual = week[0] + asked.minutes * usual_rpe, max(before[0], mean(before))
    if now <= LOAD_GROWTH * usual:
        return [Why(Factor.LOAD, f"{now:.0f} in seven days with this run, {usual:.0f} in those before")]
    grown = round(100 * (now / usual - 1))
    return [Why(Factor.LOAD, f"{grown} % more than in the weeks before: the easier choice", -1)]


def _load_of(run: Run) -> float:
    return total_s(run) / 60 * (run.rpe if run.rpe is not None else USUAL_RPE)


def _wanted(said: Said, settings: config.Season, runs: Sequence[Run], asked: Dose, today: date) -> Purpose:
    if settings.goal is SeasonGoal.RETURN:
        return Purpose.RETURN
    if said.purpose is not None:
        return said.purpose
    yesterday = [run for run in runs if run.day is not None and (today - run.day).days == 1]
    if any(ladder.over_target(run) or _was_meant_hard(run) for run in yesterday):
        return Purpose.RECOVERY
    return Purpose.LONG if asked.rung >= LONG_RUNG else Purpose.EASY


def _was_meant_hard(run: Run) -> bool:
    return run.session.header.plan.purpose in (Purpose.TEMPO, Purpose.RACE)


def _purpose(purpose: Purpose, day: list[Why], standing: Standing) -> tuple[Purpose, list[Why]]:
    """The purpose of today's run, with what it asks for: more walks to recover, longer runs for tempo."""
    match purpose:
        case Purpose.RECOVERY:
            return purpose, [*day, Why(Factor.PURPOSE, "recovery: one rung easier, more walks", -1)]
        case Purpose.TEMPO if _may_be_harder(day, standing):
            return purpose, [*day, Why(Factor.PURPOSE, "tempo: longer runs, effort 7 to 8", 1)]
        case Purpose.TEMPO:
            return Purpose.EASY, [*day, Why(Factor.PURPOSE, "tempo keeps for another day: easy today")]
        case Purpose.EASY:
            return purpose, day
    return purpose, [*day, Why(Factor.PURPOSE, purpose)]


def _may_be_harder(day: Sequence[Why], standing: Standing) -> bool:
    return standing.known and not any(each.rungs < 0 for each in day)


def _together(day: Sequence[Why]) -> int:
    """What the day asks for: a long rest and a second workout all they ask, the others two rungs at most."""
    whole = sum(each.rungs for each in day if each.factor in (Factor.RECOVERY, Factor.SECOND_WORKOUT))
    others = sum(each.rungs for each in day) - whole
    return whole + max(others, -MOST_RUNGS_EASIER)


def _high_energy(said: Said, day: Sequence[Why], standing: Standing, purpose: Purpose) -> list[Why]:
    if said.energy is not Energy.HIGH:
        return []
    held = said.symptoms in (Symptoms.SAME, Symptoms.WORSE) or purpose is not Purpose.EASY
    if held or not _may_be_harder(day, standing):
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
    """What the command runs, as a plan."""
    return plans.resolve(PlanTable(use=advice.ratio, total_s=60 * advice.minutes, purpose=advice.purpose))


def lines(advice: Advice) -> list[str]:
    """The advice in words."""
    run, walk = advice.ratio.split(":")
    minutes_walk = "1 minute" if walk == "1" else f"{walk} minutes"
    minutes_run = "1 minute" if run == "1" else f"{run} minutes"
    said = [
        f"Today: run {minutes_run}, walk {minutes_walk}, for {advice.minutes} minutes.",
        *(f"  {each.factor:<15} {each.words}" for each in advice.why),
        f"  {advice.command}",
    ]
    if advice.walk_instead is not None:
        spent = planned_s(plan(advice))
        running_min = spent[0] / 60 if spent is not None else 0.0
        said += [
            f"Or a brisk walk instead: {advice.minutes} minutes, as long; "
            f"or {plans.WALK_FOR_RUN * running_min:.0f}, three for each of running.",
            f"  {advice.walk_instead}",
        ]
    return said
