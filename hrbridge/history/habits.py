"""Small daily goals of the walking articles: steps of a day, and a walk after the run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from hrbridge.control.plan import METRES_PER_MILE
from hrbridge.journal import Day

# Article 004: begin with 5,000 to 6,000, 500 or 1,000 more every week or two, 10,000 first, then these.
FIRST_STEPS, FIRST_GOAL_STEPS = 5_000, 10_000
STEPS_GOALS: tuple[int, ...] = (*range(FIRST_STEPS, FIRST_GOAL_STEPS + 1, 500), 12_000, 15_000, 20_000)
WEEK_DAYS = 7
# Article 002: 100 feet after a run, then 150, in the long run five miles a week more: over three runs, so far each.
FOOT_M = 0.3048
FIRST_WALK_M = 100 * FOOT_M
WALK_GROWTH = 1.5
LONGEST_WALK_M = 5 * METRES_PER_MILE / 3
ENOUGH_STEPS = 8_000
ABOUT_ENOUGH_STEPS = (
    f"For information: the article on why runners should walk names {ENOUGH_STEPS:,} steps a day, "
    "from which an hour of exercise does the more."
)


def steps_by_week(start: int = FIRST_STEPS, more: int = 1_000, every_weeks: int = 1) -> tuple[int, ...]:
    """The goal of each week, up to the first one of 10,000; ``more`` and ``every_weeks`` are 1 or greater."""
    weeks = [min(start, FIRST_GOAL_STEPS)]
    while weeks[-1] < FIRST_GOAL_STEPS:
        weeks.append(min(start + len(weeks) // every_weeks * more, FIRST_GOAL_STEPS))
    return tuple(weeks)


def steps_of_week(days: Mapping[str, Day], today: date) -> float | None:
    """The mean of the days of the last seven for which steps were said; None for none."""
    said = [
        day.steps
        for on, day in days.items()
        if day.steps is not None and 0 <= (today - date.fromisoformat(on)).days < WEEK_DAYS
    ]
    return sum(said) / len(said) if said else None


def steps_goal(days: Mapping[str, Day], today: date) -> int | None:
    """The next goal above the steps of this week; None for whoever never said any."""
    if all(day.steps is None for day in days.values()):
        return None
    now = steps_of_week(days, today) or 0
    return min((goal for goal in STEPS_GOALS if goal > now), default=STEPS_GOALS[-1])


def walk_goal_m(days: Mapping[str, Day]) -> float | None:
    """How far to walk after the next run: half as far again as the last time; None for whoever never said."""
    walked = [day.walk_m for _, day in sorted(days.items()) if day.walk_m is not None]
    return min(max(WALK_GROWTH * walked[-1], FIRST_WALK_M), LONGEST_WALK_M) if walked else None


def lines(days: Mapping[str, Day], today: date, *, imperial: bool) -> list[str]:
    """The goals in words; none where nothing was said."""
    said: list[str] = []
    if (goal := steps_goal(days, today)) is not None:
        now = steps_of_week(days, today)
        so_far = f" ({now:,.0f} a day this week)" if now is not None else ""
        said.append(f"Steps: next {goal:,} a day{so_far}.")
        if goal <= ENOUGH_STEPS:
            said.append(ABOUT_ENOUGH_STEPS)
    if (walk_m := walk_goal_m(days)) is not None:
        how_far = f"{walk_m / FOOT_M:,.0f} feet" if imperial else f"{walk_m:,.0f} metres"
        said.append(f"After the run: walk {how_far}.")
    return said
