"""Plans of many weeks: one step a run, a fifth more a week at most, the table of the articles to the minute."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from hrbridge.config import Season, SeasonGoal
from hrbridge.control.plan import LADDER
from hrbridge.errors import ConfigError
from hrbridge.history import season
from hrbridge.history.season import Dose, Weeks, dose
from hrbridge.journal import Note

from .past_runs import newest_first, past

DOSES = st.builds(Dose, st.integers(0, len(LADDER) - 1), st.integers(5, 240))
GOALS = [goal for goal in SeasonGoal if season.GOALS[goal].marks]
ONE_KIND = [goal for goal in GOALS if not season.GOALS[goal].long_marks]
HARD = Note(rpe=7)


def assert_small_steps(weeks: Weeks) -> None:
    """One variable a step, one rung at once, never down, a fifth more a week at most."""
    for before, after in pairwise(chain.from_iterable(weeks)):
        assert after.rung - before.rung in (0, 1)
        assert after.minutes >= before.minutes
        assert after.rung == before.rung or after.minutes == before.minutes
    for week, next_week in pairwise(weeks):
        assert 5 * season.minutes(next_week) <= 6 * season.minutes(week)


def made(goal: SeasonGoal, **start: object) -> Weeks:
    return season.of(Season(goal=goal, **start))  # type: ignore[arg-type]


def made_or_refused(make: Callable[[], Weeks]) -> tuple[Weeks, str]:
    """A season, or why there is none, in a line."""
    try:
        return make(), ""
    except ConfigError as error:
        (line,) = str(error).splitlines()
        return (), line


# -- any season --


@given(DOSES, DOSES, st.integers(1, 60), st.integers(1, 7))
@example(dose("1:2", 20), dose("4:1", 50), 12, 3)
@example(dose("1:2", 20), dose("4:1", 60), 12, 3)
@example(dose("1:4", 5), dose("10:1", 5), 10, 1)
@example(dose("1:2", 5), dose("1:2", 240), 40, 1)
def test_a_season_goes_in_small_steps_or_says_how_many_weeks_would_do(
    one: Dose, other: Dose, weeks: int, per_week: int
) -> None:
    start = Dose(min(one.rung, other.rung), min(one.minutes, other.minutes))
    end = Dose(max(one.rung, other.rung), max(one.minutes, other.minutes))
    made, complaint = made_or_refused(lambda: season.season(start, end, weeks, per_week))
    if complaint:
        enough = int(complaint.removesuffix(" weeks would do").rpartition(" ")[2])
        assert enough > weeks
        made, weeks = season.season(start, end, enough, per_week), enough
    assert (len(made), {len(week) for week in made}) == (weeks, {per_week})
    assert set(made[0]) == {start}
    assert set(made[-1]) == {end}
    assert_small_steps(made)


@given(DOSES, DOSES, st.integers(1, 30), st.integers(1, 7))
def test_a_season_that_leads_down_is_refused_in_one_line(start: Dose, end: Dose, weeks: int, per_week: int) -> None:
    assume(end.rung < start.rung or end.minutes < start.minutes)
    with pytest.raises(ConfigError, match=r"^\[season\]: leads from .* up alone, to .* or more$"):
        season.season(start, end, weeks, per_week)


@pytest.mark.parametrize(
    ("start", "end", "weeks", "per_week", "said"),
    [
        (dose("1:2", 20), dose("1:2", 20), 0, 3, "0 weeks of 3 runs; allowed: at least one of each"),
        (dose("1:2", 20), dose("1:2", 20), 3, 0, "3 weeks of 0 runs; allowed: at least one of each"),
        (dose("1:2", 4), dose("1:2", 20), 3, 3, "rung 2 for 4 min; allowed: rungs 0 to 9, 5 to 600 min"),
        (dose("1:2", 20), dose("1:2", 601), 3, 3, "rung 2 for 601 min; allowed: rungs 0 to 9, 5 to 600 min"),
        (Dose(-1, 20), dose("1:2", 20), 3, 3, "rung -1 for 20 min; allowed: rungs 0 to 9, 5 to 600 min"),
        (dose("1:2", 20), Dose(10, 20), 3, 3, "rung 10 for 20 min; allowed: rungs 0 to 9, 5 to 600 min"),
        (
            dose("1:2", 20),
            dose("4:1", 60),
            3,
            3,
            "3 weeks with 3 runs are short for the way from 1:2 for 20 min to 4:1 for 60 min "
            "(one step a run, a fifth more a week): 8 weeks would do",
        ),
    ],
)
def test_what_cannot_be_is_told_with_what_would_do(
    start: Dose, end: Dose, weeks: int, per_week: int, said: str
) -> None:
    with pytest.raises(ConfigError) as error:
        season.season(start, end, weeks, per_week)
    assert str(error.value) == f"[season]: {said}"


def test_a_season_of_one_week_is_that_week() -> None:
    assert season.season(dose("1:2", 20), dose("1:2", 20), 1, 2) == ((dose("1:2", 20),) * 2,)


def test_where_only_the_ratio_changes_every_run_may_be_a_rung() -> None:
    weeks = season.season(dose("1:4", 20), dose("10:1", 20), 10, 1)
    assert [each.rung for week in weeks for each in week] == list(range(10))


# -- the seasons of the articles --


@pytest.mark.parametrize(("week", "each"), [(1, "1:2 20"), (4, "1:1 30"), (8, "2:1 40"), (12, "4:1 50")])
def test_the_table_of_the_articles_comes_out(week: int, each: str) -> None:
    ratio, minutes = each.split()
    assert set(made(SeasonGoal.TWELVE_WEEKS)[week - 1]) == {dose(ratio, int(minutes))}


@pytest.mark.parametrize(("week", "each"), [(1, "1:2 20"), (4, "1:1 30"), (8, "2:1 40"), (12, "4:1 60")])
def test_their_text_ends_on_an_hour(week: int, each: str) -> None:
    ratio, minutes = each.split()
    assert set(made(SeasonGoal.TWELVE_WEEKS_60)[week - 1]) == {dose(ratio, int(minutes))}


@pytest.mark.parametrize("per_week", range(2, 8))
@pytest.mark.parametrize("goal", ONE_KIND)
def test_every_season_goes_in_small_steps_however_often_one_runs(goal: SeasonGoal, per_week: int) -> None:
    assert_small_steps(made(goal, runs_per_week=per_week))


@pytest.mark.parametrize("per_week", range(2, 8))
def test_on_the_way_to_a_marathon_the_long_runs_go_in_small_steps(per_week: int) -> None:
    weeks = made(SeasonGoal.MARATHON_LONG, runs_per_week=per_week)
    assert_small_steps(tuple((week[-1],) for week in weeks))
    assert {each for week in weeks for each in week[:-1]} == {dose("4:1", 40)}
    assert {len(week) for week in weeks} == {per_week}
    assert (weeks[0][-1], weeks[-1][-1]) == (dose("9:1", 60), dose("10:1", 200))


def test_a_first_5k_begins_with_one_to_two() -> None:
    assert made(SeasonGoal.FIRST_5K)[0][0] == dose("1:2", 20)


def test_a_first_5k_begins_with_one_to_one_where_that_is_asked_for() -> None:
    assert made(SeasonGoal.FIRST_5K, start_ratio="1:1")[0][0] == dose("1:1", 20)


@pytest.mark.parametrize(("asked", "given"), [(None, 45), (20, 45), (50, 50), (90, 60)])
def test_the_goal_of_a_duration_stays_between_45_and_60_minutes(asked: int | None, given: int) -> None:
    weeks = made(SeasonGoal.DURATION, start_minutes=asked)
    assert (weeks[0][0].minutes, weeks[-1][-1].minutes) == (given, 60)


@pytest.mark.parametrize("goal", [SeasonGoal.NONE, SeasonGoal.RETURN])
def test_the_ladder_and_the_return_have_no_calendar(goal: SeasonGoal) -> None:
    assert made(goal) == ()


@given(
    st.sampled_from(GOALS),
    st.integers(2, 7),
    st.sampled_from(["1:4", "1:2", "2:1", "4:1", "10:1", None]),
    st.none() | st.integers(10, 240),
)
def test_a_season_begins_where_one_likes_or_says_that_this_is_beyond_its_end(
    goal: SeasonGoal, per_week: int, ratio: str | None, minutes: int | None
) -> None:
    start = {"runs_per_week": per_week, "start_ratio": ratio, "start_minutes": minutes}
    weeks, complaint = made_or_refused(lambda: made(goal, **start))
    assert complaint == "" or complaint.endswith("lower start_ratio or start_minutes, or take another goal")
    kept = slice(0, -1) if season.GOALS[goal].long_marks else slice(0, None)
    assert_small_steps(tuple(week[kept] for week in weeks))


def test_a_start_beyond_the_end_is_told_in_one_line() -> None:
    with pytest.raises(ConfigError) as error:
        made(SeasonGoal.FIRST_5K, start_ratio="4:1")
    assert str(error.value) == (
        "[season]: first-5k ends with 2:1 for 40 min, and is to start with 4:1 for 20 min: "
        "lower start_ratio or start_minutes, or take another goal"
    )


def test_a_season_is_shown_week_by_week() -> None:
    assert season.as_table(made(SeasonGoal.TWELVE_WEEKS))[2:6] == [
        "week  3  1:1 24 26 28 min",
        "week  4  1:1 30 30 30 min",
        "week  5  1:1 31 32 33 min",
        "week  6  1:1 34, 2:1 34 35 min",
    ]


# -- where in it --

WEEKS = made(SeasonGoal.TWELVE_WEEKS)
WEEK_ONE = [past("1:2", 20)] * 3


def test_a_season_begins_with_its_first_run() -> None:
    assert season.reached(WEEKS, []) == 0


def test_each_run_that_was_asked_for_is_a_step() -> None:
    assert season.reached(WEEKS, WEEK_ONE) == 3


def test_the_whole_season_run_as_asked_is_done() -> None:
    ran = [past(f"{LADDER[each.rung][0]}:{LADDER[each.rung][1]}", each.minutes) for week in WEEKS for each in week]
    assert season.reached(WEEKS, newest_first(*ran)) == 36


def test_more_runs_than_the_season_has_end_it_once() -> None:
    assert season.reached(WEEKS[:1], WEEK_ONE * 2) == 3


def test_a_shorter_run_is_no_step() -> None:
    assert season.reached(WEEKS, [past("1:2", 17)]) == 0


def test_an_easier_ratio_is_no_step() -> None:
    assert season.reached(WEEKS, [past("1:3", 20)]) == 0


def test_a_harder_and_longer_run_is_one_step() -> None:
    assert season.reached(WEEKS, [past("4:1", 50)]) == 1


def test_a_hard_run_is_repeated() -> None:
    assert season.reached(WEEKS, newest_first(*WEEK_ONE, past("1:2", 21, note=HARD))) == 3


def test_two_hard_runs_lead_back_a_week() -> None:
    hard = past("1:2", 21, note=HARD)
    assert season.reached(WEEKS, newest_first(*WEEK_ONE, past("1:2", 21), hard, hard)) == 1


def test_two_hard_runs_with_another_between_lead_nowhere() -> None:
    hard = past("1:2", 21, note=HARD)
    assert season.reached(WEEKS, newest_first(*WEEK_ONE, hard, past("1:3", 20), hard)) == 3


def test_four_weeks_without_a_run_lead_back_a_week() -> None:
    ran = [past("1:2", 30, days_ago=40)] * 4
    assert season.reached(WEEKS, newest_first(*ran, past("1:4", 5, days_ago=12))) == 1
