"""What to run today: where one stands, what the day says, and every reason named."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace as other
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from hrbridge import config
from hrbridge.config import Purpose, Season, SeasonGoal
from hrbridge.control import plan as plans
from hrbridge.history import advice, habits, ladder
from hrbridge.history.advice import Advice, Factor, Said
from hrbridge.history.runs import Run
from hrbridge.journal import Day, Energy, Kind, Note, Soreness, Symptoms

from .past_runs import TODAY, newest_first, past

LADDER_ALONE = Season()
HARD = Note(rpe=8)
# A month at 2:1, three times 30 minutes a week, each without its last walks; the last run three days ago.
STEADY = [past("2:1", 30, days_ago=n, completion=0.8) for n in (3, 5, 8, 10, 12, 15, 17, 19, 22, 24, 26)]
STEADY.append(past("2:1", 30, days_ago=29))


def advised(*runs: Run, settings: Season = LADDER_ALONE, **said: Any) -> Advice:
    """For a runner of these runs, told from the newest on."""
    return advice.advise(runs, settings, TODAY, Said(**said), {})


def reason(given: Advice, factor: Factor) -> str:
    return "; ".join(why.words for why in given.why if why.factor is factor)


def rungs(given: Advice, factor: Factor) -> int:
    return sum(why.rungs for why in given.why if why.factor is factor)


# -- from where --


def test_the_first_run_of_all_is_one_to_two_for_twenty_minutes() -> None:
    first = advised()
    assert (first.ratio, first.minutes, first.command) == (
        "1:2",
        20,
        "hrbridge run CONFIG --plan 1:2 --set plan.total_s=1200",
    )


def test_the_first_run_of_all_says_why_and_where() -> None:
    assert [why.factor for why in advised().why] == [Factor.HISTORY, Factor.TERRAIN]


def test_runs_of_which_nothing_is_known_change_nothing() -> None:
    assert advised(past("4:1", kind=Kind.IMPORTED, source="run.hrm")).ratio == "1:2"


def test_who_only_has_recordings_hears_why_they_do_not_count() -> None:
    told = reason(advised(past("4:1", kind=Kind.IMPORTED, source="run.hrm")), Factor.HISTORY)
    assert "recordings and free runs have no ratio; [season] start_ratio begins elsewhere" in told


def test_where_one_stands_is_what_one_runs() -> None:
    steady = advised(*STEADY)
    assert (steady.ratio, steady.minutes) == ("2:1", 30)


def test_three_good_runs_lead_one_rung_up_and_the_time_stays() -> None:
    risen = advised(*[past("1:2", 24)] * 3)
    assert (risen.ratio, risen.minutes) == ("1:1", 24)


@pytest.mark.parametrize(("before", "now"), [(20, 22), (29, 30), (30, 30), (45, 45), (200, 60), (12, 14)])
def test_between_two_rungs_the_time_grows_to_half_an_hour(before: int, now: int) -> None:
    assert advised(past("1:2", before)).minutes == now


def test_one_short_run_among_the_last_three_makes_none_shorter() -> None:
    assert advised(past("2:1", 12), *STEADY).minutes == 30


def test_after_a_short_run_the_next_is_as_long_as_before_and_no_longer() -> None:
    assert advised(past("1:2", 12), past("1:2", 20)).minutes == 20


def test_after_a_hard_run_the_same_is_run_again() -> None:
    again = advised(past("1:2", 22, note=HARD), past("1:2", 22, days_ago=4))
    assert (again.ratio, again.minutes) == ("1:2", 22)


def test_two_hard_runs_ask_for_more_walking() -> None:
    given = advised(past("2:1", note=HARD), past("2:1", days_ago=4, note=HARD), past("2:1", days_ago=6))
    assert (given.ratio, reason(given, Factor.HISTORY)) == ("1:1", "the last runs ask for more walking: 1:1 for now")


def test_a_hilly_run_is_said_to_be_left_out() -> None:
    assert "hilly" in reason(advised(past("2:1", hilly=True)), Factor.TERRAIN)


def test_a_start_that_was_configured_is_where_one_starts() -> None:
    first = advised(settings=Season(start_ratio="2:1", start_minutes=30))
    assert (first.ratio, first.minutes) == ("2:1", 30)


def test_runs_before_the_configured_beginning_do_not_count() -> None:
    assert advised(past("4:1", 40, days_ago=9), settings=Season(begin=TODAY)).ratio == "1:3"


# -- by the season --

TWELVE = Season(goal=SeasonGoal.TWELVE_WEEKS)


def test_a_season_leads_from_run_to_run() -> None:
    given = advised(*newest_first(*[past("1:2", 20)] * 3, past("1:2", 21)), settings=TWELVE)
    assert (given.ratio, given.minutes, given.week, given.weeks, given.run_of_week) == ("1:2", 23, 2, 12, 2)


def test_the_place_in_the_season_is_said() -> None:
    assert reason(advised(settings=TWELVE), Factor.GOAL).endswith("week 1 of 12, run 1 of 3: one step a run")


def test_who_has_done_the_season_stays_at_its_end() -> None:
    short = Season(goal=SeasonGoal.GENERAL)
    weeks = advice.season.of(short)
    runs = [past(ladder.name(each.rung), each.minutes) for week in weeks for each in week]
    given = advised(*newest_first(*runs), settings=short)
    assert (given.ratio, given.minutes, given.week, given.run_of_week) == ("2:1", 30, 8, 3)
    assert "all 24 runs" in reason(given, Factor.GOAL)


def test_a_marathon_begins_when_the_ladder_has_led_to_it() -> None:
    given = advised(past("2:1", 30), settings=Season(goal=SeasonGoal.MARATHON_LONG))
    assert (given.ratio, given.week) == ("2:1", None)
    assert "begins with 4:1" in reason(given, Factor.GOAL)


def test_the_long_run_of_the_week_is_run_as_one() -> None:
    runs = [past("4:1", 40, days_ago=4), past("4:1", 40, days_ago=6)]
    given = advised(*runs, settings=Season(goal=SeasonGoal.MARATHON_LONG))
    assert (given.ratio, given.minutes, given.purpose) == ("9:1", 60, Purpose.LONG)


def test_a_day_made_easier_is_not_a_step_of_the_season() -> None:
    easier = advised(settings=TWELVE, energy=Energy.LOW)
    ran = past(easier.ratio, easier.minutes, days_ago=2)
    assert advised(ran, settings=TWELVE).run_of_week == 1


# -- after an injury --

RETURN = Season(goal=SeasonGoal.RETURN)


def after_injury(*symptoms: Symptoms | None) -> list[Run]:
    """Newest last."""
    note = [Note(rpe=4, symptoms=each) for each in symptoms]
    return newest_first(*[past("1:4", purpose=Purpose.RETURN, note=each, rpe_target=(3, 5)) for each in note])


def test_a_return_begins_with_the_most_walking_and_a_softer_effort() -> None:
    given = advised(past("4:1", 40), settings=RETURN)
    assert (given.ratio, given.purpose) == ("1:4", Purpose.RETURN)
    assert "plan.rpe_target=[3,5]" in given.overrides


def test_none_twice_leads_one_rung_up() -> None:
    assert advised(*after_injury(Symptoms.NONE, Symptoms.NONE), settings=RETURN).ratio == "1:3"


def test_what_is_said_today_belongs_to_the_last_run() -> None:
    runs = after_injury(Symptoms.NONE, None)
    assert advised(*runs, settings=RETURN, symptoms=Symptoms.NONE).ratio == "1:3"


def test_of_two_words_on_the_same_run_the_worse_one_counts() -> None:
    runs = after_injury(Symptoms.NONE, Symptoms.SAME)
    assert advised(*runs, settings=RETURN, symptoms=Symptoms.NONE).ratio == "1:4"


def test_worse_leads_one_rung_down_and_is_counted_once() -> None:
    start = other_start("1:1")
    runs = [past("1:1", purpose=Purpose.RETURN, note=Note(rpe=4, symptoms=Symptoms.WORSE))]
    given = advised(*runs, settings=start, symptoms=Symptoms.WORSE)
    assert (given.ratio, rungs(given, Factor.SYMPTOMS)) == ("1:2", 0)


def other_start(ratio: str) -> Season:
    return Season(goal=SeasonGoal.RETURN, start_ratio=ratio)


def test_worse_before_the_first_run_leads_down_too() -> None:
    assert advised(settings=other_start("1:1"), symptoms=Symptoms.WORSE).ratio == "1:2"


def test_worse_in_a_season_is_an_easier_day() -> None:
    assert advised(past("1:2", 20), settings=TWELVE, symptoms=Symptoms.WORSE).ratio == "1:3"


def test_with_more_symptoms_a_walk_is_offered() -> None:
    given = advised(*after_injury(None), settings=RETURN, symptoms=Symptoms.WORSE)
    assert str(given.walk_instead).endswith("--set plan.walk_instead=time")


@pytest.mark.parametrize("said", [{"energy": Energy.HIGH}, {"purpose": Purpose.TEMPO}])
def test_a_return_is_never_made_harder(said: dict[str, Any]) -> None:
    given = advised(*after_injury(None), settings=RETURN, **said)
    assert (given.ratio, given.purpose) == ("1:4", Purpose.RETURN)


# -- the day --


@pytest.mark.parametrize(
    ("said", "ratio"),
    [
        ({"energy": Energy.LOW}, "1:1"),
        ({"energy": Energy.OK}, "2:1"),
        ({"energy": Energy.HIGH}, "3:1"),
        ({"soreness": Soreness.NONE}, "2:1"),
        ({"soreness": Soreness.MILD}, "2:1"),
        ({"soreness": Soreness.STRONG}, "1:1"),
        ({"soreness": Soreness.STRONG, "energy": Energy.LOW}, "1:1"),
        ({"soreness": Soreness.STRONG, "energy": Energy.HIGH}, "1:1"),
        ({"purpose": Purpose.RECOVERY}, "1:1"),
        ({"purpose": Purpose.RECOVERY, "soreness": Soreness.STRONG, "energy": Energy.LOW}, "1:1"),
        ({"purpose": Purpose.TEMPO}, "3:1"),
        ({"purpose": Purpose.TEMPO, "energy": Energy.HIGH}, "3:1"),
        ({"purpose": Purpose.TEMPO, "soreness": Soreness.STRONG}, "1:1"),
    ],
)
def test_the_day_moves_the_rung(said: dict[str, Any], ratio: str) -> None:
    assert advised(*STEADY, **said).ratio == ratio


def test_low_energy_is_named_as_the_reason() -> None:
    assert reason(advised(*STEADY, energy=Energy.LOW), Factor.ENERGY) == "low: one rung easier today"


def test_high_energy_makes_nothing_harder_for_who_is_not_known() -> None:
    assert advised(energy=Energy.HIGH).ratio == "1:2"


def test_a_tempo_run_may_feel_like_one() -> None:
    given = advised(*STEADY, purpose=Purpose.TEMPO)
    assert given.overrides[1:] == ("plan.purpose=tempo", "plan.rpe_target=[7,8]")


def test_a_tempo_run_waits_for_another_day_where_something_asks_for_an_easy_one() -> None:
    assert advised(*STEADY, purpose=Purpose.TEMPO, energy=Energy.LOW).purpose is Purpose.EASY


@pytest.mark.parametrize(
    "yesterday", [past("2:1", 30, days_ago=1, note=HARD), past("2:1", 30, days_ago=1, purpose=Purpose.RACE)]
)
def test_the_day_after_a_hard_run_is_for_recovery(yesterday: Run) -> None:
    given = advised(yesterday, *STEADY[1:])
    assert (given.ratio, given.purpose) == ("1:1", Purpose.RECOVERY)


def test_the_gentlest_ratio_has_no_easier_one_and_a_walk_is_offered() -> None:
    given = advised(past("1:4", 20, purpose=Purpose.RETURN), energy=Energy.LOW)
    assert (given.ratio, given.walk_instead is None) == ("1:4", False)


def test_one_thing_that_makes_it_easier_offers_no_walk() -> None:
    assert advised(*STEADY, energy=Energy.LOW).walk_instead is None


def test_two_of_them_do() -> None:
    assert advised(*STEADY, energy=Energy.LOW, soreness=Soreness.STRONG).walk_instead is not None


def test_a_walk_instead_is_as_long_or_three_minutes_for_each_of_running() -> None:
    given = advised(*STEADY, energy=Energy.LOW, soreness=Soreness.STRONG)
    assert (given.ratio, given.minutes) == ("1:1", 30)
    assert "Or a brisk walk instead: 30 minutes, as long; or 45, three for each of running." in advice.lines(given)


def test_low_energy_after_the_run_of_yesterday_is_still_low() -> None:
    tired = past("2:1", 30, days_ago=1, note=Note(rpe=5, energy=Energy.LOW))
    assert rungs(advised(tired, *STEADY[1:]), Factor.ENERGY) == -1


@pytest.mark.parametrize(("days_ago", "ratio"), [(0, "1:1"), (1, "1:1"), (2, "2:1")])
def test_legs_remember_a_run_until_the_next_day(days_ago: int, ratio: str) -> None:
    sore = past("2:1", 5, days_ago=days_ago, note=Note(rpe=5, soreness=Soreness.STRONG))
    assert advised(sore, *STEADY[1:]).ratio == ratio


# -- days without a run --


@pytest.mark.parametrize(
    ("days", "ratio"), [(6, "4:1"), (7, "3:1"), (27, "3:1"), (28, "2:1"), (56, "1:1"), (84, "1:2"), (999, "1:2")]
)
def test_a_week_without_a_run_is_a_rung_easier_and_four_weeks_another(days: int, ratio: str) -> None:
    assert advised(past("4:1", 30, days_ago=days)).ratio == ratio


def test_the_way_back_after_a_month_is_a_rung_at_a_time() -> None:
    month = past("4:1", 30, days_ago=32)
    first = advised(month).ratio
    second = advised(past(first, 30, days_ago=2), month).ratio
    assert (first, second) == ("2:1", "3:1")


def test_days_without_a_run_are_told_kindly() -> None:
    said = reason(advised(past("4:1", 30, days_ago=9)), Factor.RECOVERY)
    assert said == "9 days since the last run: one rung easier and 29 minutes, to come back gently"


def test_a_first_run_after_a_week_is_as_short_as_before() -> None:
    said = reason(advised(past("4:1", 20, days_ago=9)), Factor.RECOVERY)
    assert said == "9 days since the last run: one rung easier, to come back gently"


def test_a_run_without_a_date_says_nothing_of_days() -> None:
    assert reason(advised(past("4:1", 30, days_ago=None)), Factor.RECOVERY) == ""


def test_a_run_of_tomorrow_is_the_clock_and_no_gap() -> None:
    assert reason(advised(past("4:1", 30, days_ago=-3)), Factor.RECOVERY) == ""


# -- a second workout --


def test_a_second_workout_is_easier_than_the_first_and_stays_below_its_heart_rate() -> None:
    given = advised(past("2:1", 30, days_ago=0, mean_heart_rate_bpm=138.6), *STEADY[1:])
    assert given.ratio == "1:1"
    assert given.overrides[-1] == "control.first_workout_mean_bpm=138"


def test_a_second_workout_is_easier_than_an_easy_first_one() -> None:
    first = past("1:2", 10, days_ago=0, mean_heart_rate_bpm=130.0)
    assert advised(first, *STEADY).ratio == "1:3"


def test_the_first_of_three_workouts_is_the_measure() -> None:
    runs = [past("1:1", 20, days_ago=0, mean_heart_rate_bpm=bpm) for bpm in (120.0, 135.0)]
    assert advised(*runs, *STEADY).overrides[-1] == "control.first_workout_mean_bpm=135"


def test_ten_minutes_are_a_workout_and_less_is_none() -> None:
    short = past("2:1", 9, days_ago=0, mean_heart_rate_bpm=138.0)
    assert reason(advised(short, *STEADY), Factor.SECOND_WORKOUT) == ""


def test_without_a_heart_rate_a_second_workout_is_only_easier() -> None:
    given = advised(past("2:1", 30, days_ago=0), *STEADY[1:])
    assert (given.ratio, given.overrides) == ("1:1", ("plan.total_s=900",))


# -- no longer on a day that asks for less --


@pytest.mark.parametrize(
    "said",
    [
        {"energy": Energy.LOW},
        {"soreness": Soreness.STRONG},
        {"symptoms": Symptoms.WORSE},
        {"purpose": Purpose.RECOVERY},
    ],
)
def test_on_a_day_made_easier_the_run_does_not_grow(said: dict[str, Any]) -> None:
    given = advised(past("1:2", 22), past("1:2", 20, days_ago=4), **said)
    assert (given.minutes, reason(given, Factor.LONGEST)) == (22, "")


def test_on_a_day_made_easier_a_season_grows_no_run_either() -> None:
    ran = newest_first(*[past("1:2", 20)] * 3, past("1:2", 21))
    assert advised(*ran, settings=TWELVE, energy=Energy.LOW).minutes == 21


def test_a_second_workout_is_half_as_long_as_the_first() -> None:
    assert advised(past("2:1", 30, days_ago=0), *STEADY[1:]).minutes == 15


@pytest.mark.parametrize(("days", "minutes"), [(6, 60), (7, 60), (14, 47), (21, 33), (28, 20), (424, 20), (3083, 20)])
def test_a_rest_shortens_the_run_and_after_four_weeks_it_is_the_first_week_again(days: int, minutes: int) -> None:
    assert advised(past("4:1", 60, days_ago=days)).minutes == minutes


def test_after_four_weeks_the_run_grows_from_there() -> None:
    assert advised(past("2:1", 20), past("4:1", 60, days_ago=40)).minutes == 22


def test_after_four_weeks_a_season_grows_from_there_too() -> None:
    ran = newest_first(*[past("1:2", 40, days_ago=50)] * 6, past("1:2", 20))
    assert advised(*ran, settings=Season(goal=SeasonGoal.DURATION)).minutes == 22


# -- days of running in a row --


@pytest.mark.parametrize(("row", "rest"), [(1, False), (2, True), (6, True)])
def test_after_two_days_in_a_row_a_rest_or_a_walk_comes_first(row: int, rest: bool) -> None:
    given = advised(*[past("1:2", 20, days_ago=n + 1) for n in range(row)])
    assert (given.rest, given.command == given.walk_instead) == (rest, rest)


def test_whoever_asks_for_six_runs_a_week_is_asked_to_rest_after_six() -> None:
    runs = [past("1:2", 20, days_ago=n + 1) for n in range(6)]
    assert [advised(*runs[:n], settings=Season(runs_per_week=6)).rest for n in (5, 6)] == [False, True]


def test_more_days_than_a_week_has_runs_ask_for_a_rest() -> None:
    given = advised(*[past("1:2", 20, days_ago=n) for n in (2, 3, 5, 6)])
    assert "four days of running in the last six: a rest or a walk today" in reason(given, Factor.RECOVERY)


def test_a_walk_is_rest_enough() -> None:
    walk = past("1:2", 20, days_ago=1, planned_ratio=(0.0, 1200.0), run_s=0.0)
    assert not advised(walk, past("1:2", 20, days_ago=2), past("1:2", 20, days_ago=3)).rest


def test_a_rest_day_is_told_kindly() -> None:
    told = advice.lines(advised(past("1:2", 20, days_ago=1), past("1:2", 20, days_ago=2)))
    assert told[0] == "Today: a rest, or a brisk walk of 20 minutes."


# -- one rung at a time --


def test_after_an_easy_day_the_way_back_is_a_rung_at_a_time() -> None:
    given = advised(past("1:2", 30, days_ago=2), *STEADY[1:])
    assert (given.ratio, "one rung at a time" in reason(given, Factor.HISTORY)) == ("1:1", True)


def test_a_rung_down_and_an_easier_day_are_one_rung_together() -> None:
    ran = [past("2:1", 20, purpose=Purpose.RETURN, note=Note(rpe=4, symptoms=Symptoms.WORSE))]
    assert advised(*ran, settings=other_start("2:1"), energy=Energy.LOW).ratio == "1:1"


def test_a_rung_that_is_reached_is_not_told_as_today_where_today_is_easier() -> None:
    risen = advised(*[past("1:2", 24)] * 3, energy=Energy.LOW, soreness=Soreness.STRONG)
    assert (risen.ratio, reason(risen, Factor.HISTORY)) == ("1:3", "the last runs went well: 1:1 comes next; today 1:3")


def test_a_season_leads_alone() -> None:
    assert reason(advised(past("1:2", 20), settings=TWELVE), Factor.HISTORY) == ""


# -- runs that the ceiling made shorter --


def cut(ratio: str, run_s: float, **more: Any) -> Run:
    walk_s = past(ratio).figures.planned_ratio[1]  # type: ignore[index]
    return past(ratio, last_ratio=(run_s, walk_s), reasons={"heart_rate_ceiling": 3}, **more)


def test_runs_that_met_the_ceiling_are_told_with_what_would_let_them_hold() -> None:
    assert "in your last run heart rate met the ceiling after 35 s: a slower run, or 1:3 until it holds" in reason(
        advised(cut("1:2", 35)), Factor.HISTORY
    )


def test_three_of_them_lead_to_the_easier_ratio() -> None:
    given = advised(*[cut("1:2", 35)] * 3)
    assert (given.ratio, reason(given, Factor.HISTORY)) == (
        "1:3",
        "in your last run heart rate met the ceiling after 35 s: a slower run, or 1:3 until it holds",
    )


def test_with_the_most_walking_shorter_runs_are_offered() -> None:
    given = advised(cut("1:4", 35), settings=Season(start_ratio="1:4"))
    assert "--set plan.scale=0.5" in reason(given, Factor.HISTORY)


def test_only_an_empty_journal_has_no_runs() -> None:
    left_early = advised(past("1:2", completion=0.4))
    assert (
        reason(left_early, Factor.HISTORY)
        == "you stand at 1:2, where everybody begins, with 0 of 3 runs for the next rung"
    )


# -- symptoms that stay --


def test_worse_where_no_ratio_is_easier_is_a_shorter_walk() -> None:
    given = advised(*after_injury(Symptoms.WORSE), settings=RETURN)
    assert (given.command, given.rest, given.minutes) == (given.walk_instead, False, 10)
    assert advice.lines(given)[0] == "Today: a walk of 10 minutes."
    assert reason(given, Factor.SYMPTOMS).startswith("a walk, until it is quiet again")


def test_worse_twice_is_a_walk_on_every_rung() -> None:
    worse = past("2:1", 30, note=Note(rpe=4, symptoms=Symptoms.WORSE))
    assert advised(worse, worse).command == advised(worse, worse).walk_instead


def test_a_walk_without_symptoms_leads_back_to_running() -> None:
    quiet = past("1:4", planned_ratio=(0.0, 600.0), note=Note(symptoms=Symptoms.NONE), purpose=Purpose.RETURN)
    given = advised(quiet, *after_injury(Symptoms.WORSE), settings=RETURN)
    assert (given.ratio, given.walk_instead) == ("1:4", None)


def test_what_is_said_here_alone_is_not_kept_and_says_so() -> None:
    given = advised(*after_injury(None), settings=RETURN, symptoms=Symptoms.NONE)
    assert (
        reason(given, Factor.SYMPTOMS)
        == "none (hrbridge log --symptoms none keeps it, and what it keeps is what leads up)"
    )


# -- what is remembered --


def test_a_hard_run_is_remembered_for_days() -> None:
    ran = [past("1:2", 20, days_ago=3, note=HARD), past("1:2", 20, days_ago=5)]
    assert "a hard one (RPE 8)" in reason(advised(*ran), Factor.RECOVERY)


def test_a_long_run_of_ones_own_is_a_fifth_longer() -> None:
    given = advised(*[past("2:1", 30, days_ago=n) for n in (2, 4)], purpose=Purpose.LONG)
    assert (given.minutes, given.purpose) == (36, Purpose.LONG)
    assert reason(given, Factor.PURPOSE) == "long: 36 minutes where 30 are usual, easy all the way"


def test_a_long_run_keeps_for_another_day_where_today_is_an_easy_one() -> None:
    assert advised(*STEADY, purpose=Purpose.LONG, energy=Energy.LOW).purpose is Purpose.EASY


# -- the load of a week --


def test_a_usual_week_is_as_usual() -> None:
    assert rungs(advised(*STEADY), Factor.LOAD) == 0


def test_a_week_far_above_the_usual_makes_today_shorter_and_keeps_the_ratio() -> None:
    given = advised(past("2:1", 30, days_ago=2), *STEADY)
    assert (given.ratio, given.minutes) == ("2:1", 18)
    assert reason(given, Factor.LOAD) == "18 minutes in place of 30: a fifth more than a usual week, and no more"


def test_a_week_without_a_run_makes_no_week_less_usual() -> None:
    weeks = [past("2:1", 30, days_ago=n) for n in (5, 22, 24, 26, 29, 31, 33)]
    assert reason(advised(*weeks), Factor.LOAD) == "300 in seven days with this run, 450 in those before"


def test_where_the_week_has_no_room_a_rest_or_a_walk_comes_first() -> None:
    given = advised(past("2:1", 60, days_ago=2), *STEADY)
    assert (given.rest, given.command) == (True, given.walk_instead)


def test_the_load_of_a_run_without_an_effort_is_that_of_an_easy_one() -> None:
    silent = [other(run, note=Note()) for run in STEADY]
    assert reason(advised(*silent), Factor.LOAD) == "450 in seven days with this run, 450 in those before"


def test_two_weeks_of_running_are_needed_to_know_a_usual_one() -> None:
    assert reason(advised(*[past("2:1", 30, days_ago=n) for n in (1, 2, 3, 9, 12)]), Factor.LOAD) == ""


def test_a_season_run_as_it_stands_is_never_too_much() -> None:
    weeks = advice.season.of(TWELVE)
    doses = [
        (each, 7 * week + day) for week, doses in enumerate(weeks) for each, day in zip(doses, (0, 2, 4), strict=True)
    ]
    for done in range(1, len(doses)):
        today = doses[done][1]
        runs = [past(ladder.name(each.rung), each.minutes, days_ago=today - on) for each, on in doses[:done]]
        given = advised(*newest_first(*runs), settings=TWELVE)
        assert (given.ratio, given.minutes) == (ladder.name(doses[done][0].rung), doses[done][0].minutes)


# -- how it is told --


def test_a_longest_run_is_named_with_the_longest_so_far() -> None:
    said = reason(advised(past("1:2", 20, distance_m=3100.0)), Factor.LONGEST)
    assert said == "will be your longest so far; until now 20 min, 3.1 kilometres"


def test_a_run_no_longer_than_the_longest_is_not() -> None:
    assert reason(advised(*STEADY), Factor.LONGEST) == ""


def test_the_command_can_be_typed_as_it_stands() -> None:
    given = advice.advise(after_injury(None), RETURN, TODAY, Said(), {}, config_path="my runs/alex.toml")
    hrbridge, run, path, option, ratio, *settings = shlex.split(given.command)
    assert (hrbridge, run, path, option) == ("hrbridge", "run", "my runs/alex.toml", "--plan")
    plan = plans.resolve(config.load(None, [f"plan.use={ratio}", *settings[1::2]]).plan)
    assert (plan.name, plan.total_s, plan.purpose, plan.rpe_target) == ("1:4", 1200, Purpose.RETURN, (3, 5))


def test_the_walk_instead_can_be_typed_as_it_stands() -> None:
    given = advised(*STEADY, energy=Energy.LOW, soreness=Soreness.STRONG)
    *_, ratio = shlex.split(str(given.walk_instead))[:5]
    settings = shlex.split(str(given.walk_instead))[6::2]
    plan = plans.resolve(config.load(None, [f"plan.use={ratio}", *settings]).plan)
    assert [segment.kind for segment in plan.block[0].segments] == ["walk"]


def test_every_ratio_is_told_in_minutes() -> None:
    first = advice.lines(advised(past("10:1", 30)))[0]
    assert first == "Today: run 10 minutes, walk 1 minute, for 30 minutes."


def test_every_reason_stands_in_its_own_line() -> None:
    given = advised(*STEADY, energy=Energy.LOW)
    assert [line.split()[0] for line in advice.lines(given)[1:-1]] == [why.factor for why in given.why]


def test_the_advice_is_json() -> None:
    given = advised(*STEADY, energy=Energy.LOW)
    assert msgspec.json.decode(msgspec.json.encode(given), type=Advice) == given


NEVER = re.compile(
    r"\b(bad|fail\w*|wrong|poor\w*|lazy|weak\w*|missed|too (much|slow|little)|must|injur\w+ risk|unfit|lost)\b"
)


@pytest.mark.parametrize("goal", list(SeasonGoal))
def test_nothing_it_says_is_negative(goal: SeasonGoal) -> None:
    said = [
        line
        for energy in Energy
        for soreness in Soreness
        for symptoms in Symptoms
        for purpose in (None, Purpose.RECOVERY, Purpose.TEMPO)
        for runs in (
            [],
            [past("2:1", note=HARD)] * 3,
            [past("1:4", 20, days_ago=40)],
            [past("2:1", days_ago=0)],
            STEADY,
        )
        for line in advice.lines(
            advised(
                *runs, settings=Season(goal=goal), energy=energy, soreness=soreness, symptoms=symptoms, purpose=purpose
            )
        )
    ]
    assert [line for line in said if NEVER.search(line)] == []


# -- steps of a day, and the walk after a run --


def days(**said: Day) -> dict[str, Day]:
    """Said so many days ago: d1, d2."""
    return {(TODAY - timedelta(days=int(name[1:]))).isoformat(): day for name, day in said.items()}


def test_a_thousand_more_every_week_are_ten_thousand_steps_in_week_six() -> None:
    assert habits.steps_by_week(5_000, 1_000, 1) == (5_000, 6_000, 7_000, 8_000, 9_000, 10_000)


def test_five_hundred_more_every_two_weeks_are_ten_thousand_in_week_twenty_one() -> None:
    by_week = habits.steps_by_week(5_000, 500, 2)
    assert (len(by_week), by_week[:4], by_week[-1]) == (21, (5_000, 5_000, 5_500, 5_500), 10_000)


def test_who_never_counted_steps_is_not_asked_for_any() -> None:
    assert habits.steps_goal(days(d1=Day(walk_m=40)), TODAY) is None


@pytest.mark.parametrize(
    ("steps", "goal"),
    [(0, 5_000), (4_999, 5_000), (5_000, 5_500), (9_900, 10_000), (10_000, 12_000), (16_000, 20_000), (30_000, 20_000)],
)
def test_the_next_goal_lies_above_the_steps_of_this_week(steps: int, goal: int) -> None:
    assert habits.steps_goal(days(d1=Day(steps=steps)), TODAY) == goal


def test_steps_of_a_week_are_the_mean_of_the_days_that_were_said() -> None:
    said = days(d0=Day(steps=4_000), d6=Day(steps=8_000), d7=Day(steps=20_000), d3=Day(walk_m=30))
    assert habits.steps_of_week(said, TODAY) == 6_000


def test_who_has_not_counted_for_a_week_begins_with_the_first_goal() -> None:
    assert habits.steps_goal(days(d9=Day(steps=9_000)), TODAY) == 5_000


@pytest.mark.parametrize(("walked_m", "goal_m"), [(30.48, 45.72), (0, 30.48), (2_000, 2_682.24), (9_000, 2_682.24)])
def test_the_walk_after_a_run_grows_by_half_up_to_five_miles_a_week(walked_m: float, goal_m: float) -> None:
    assert habits.walk_goal_m(days(d3=Day(walk_m=500), d1=Day(walk_m=walked_m))) == pytest.approx(goal_m)


def test_a_walk_of_100_feet_is_followed_by_150() -> None:
    said = habits.lines(days(d1=Day(walk_m=30.48)), TODAY, imperial=True)
    assert said == ["After the run: walk 150 feet."]


def test_eight_thousand_steps_are_told_as_what_an_article_says() -> None:
    _, info = habits.lines(days(d1=Day(steps=6_000)), TODAY, imperial=False)
    assert info.startswith("For information: the article on why runners should walk names 8,000 steps a day")


def test_whoever_walks_eight_thousand_is_not_told() -> None:
    assert habits.lines(days(d1=Day(steps=8_200)), TODAY, imperial=False) == [
        "Steps: next 8,500 a day (8,200 a day this week)."
    ]


def test_the_advice_carries_both_goals() -> None:
    given = advice.advise([], LADDER_ALONE, TODAY, Said(), days(d1=Day(steps=5_000, walk_m=30.48)))
    assert (given.steps_goal, given.walk_goal_m) == (5_500, pytest.approx(45.72))
