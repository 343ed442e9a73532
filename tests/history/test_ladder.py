"""The ladder of ratios: what three good runs bring, what two hard ones take, and who asks the calendar."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from hrbridge.config import Control, Purpose
from hrbridge.control.plan import LADDER
from hrbridge.history import ladder
from hrbridge.history.figures import WalkFigures
from hrbridge.history.ladder import Verdict
from hrbridge.history.runs import Run
from hrbridge.journal import Kind, Note, Soreness, Symptoms

from .past_runs import newest_first, past

HARD = Note(rpe=7)
GOOD = Note(rpe=5)


def stands_at(*runs: Run, **options: Any) -> str:
    """The ratio after these runs, told from the oldest on."""
    return ladder.name(ladder.standing(newest_first(*runs), **options).rung)


def in_return(*symptoms: Symptoms | None, ratio: str = "1:4") -> list[Run]:
    """Runs after an injury, told by what was said of it."""
    return [past(ratio, purpose=Purpose.RETURN, note=Note(rpe=4, symptoms=each)) for each in symptoms]


# -- up --


def test_who_is_not_known_begins_with_one_minute_of_running_to_two_of_walking() -> None:
    assert stands_at() == "1:2"


@pytest.mark.parametrize(("good", "ratio"), [(1, "1:2"), (2, "1:2"), (3, "1:1"), (5, "1:1")])
def test_three_good_runs_are_one_rung(good: int, ratio: str) -> None:
    assert stands_at(*[past("1:2")] * good) == ratio


def test_nobody_skips_a_rung_however_hard_the_ratio_that_went_well() -> None:
    assert stands_at(*[past("1:2")] * 3, *[past("4:1")] * 3) == "2:1"


def test_a_good_run_in_another_ratio_shows_where_an_unknown_runner_stands() -> None:
    assert stands_at(past("4:1")) == "4:1"


def test_a_gentle_first_day_makes_nobody_stand_lower() -> None:
    assert stands_at(past("1:3")) == "1:2"


def test_easier_runs_than_the_rung_lead_nowhere() -> None:
    assert stands_at(past("2:1"), *[past("1:1")] * 6) == "2:1"


def test_the_top_of_the_ladder_stays() -> None:
    assert stands_at(*[past("10:1")] * 9) == "10:1"


def test_it_is_told_how_far_the_next_rung_is() -> None:
    standing = ladder.standing([past("1:1")] * 2)
    assert (standing.towards, standing.needed) == (2, 3)


def test_the_rung_is_told_when_the_newest_run_has_moved_it() -> None:
    assert ladder.standing([past("1:1")] * 3).moved == 1


@pytest.mark.parametrize(
    "wanting",
    [
        {"completion": 0.5},
        {"walks_recovered": 7},
        {"hilly": True},
        {"last_ratio": (44.0, 120.0)},
        {"last_ratio": (60.0, 165.0)},
        {"walks_judged": 0, "walks_recovered": 0, "note": Note()},
    ],
    ids=["left early", "heart stayed up", "hills", "runs made shorter", "walks made longer", "nobody knows"],
)
def test_what_does_not_count_as_good_takes_nothing_either(wanting: dict[str, Any]) -> None:
    assert ladder.verdict(past("1:2", **wanting)) is Verdict.OPEN


@pytest.mark.parametrize(
    "enough",
    [
        {"walks_recovered": 8},
        {"completion": 0.95},
        {"completion": None},
        {"walks_judged": 0, "walks_recovered": 0},
        {"note": Note()},
        {"note": Note(rpe=6)},
        {"note": Note(rpe=5, soreness=Soreness.MILD)},
    ],
    ids=["one walk of five", "last walk left out", "no end", "no heart rate", "no effort", "top of the band", "mild"],
)
def test_good_is_done_on_target_and_recovered(enough: dict[str, Any]) -> None:
    assert ladder.verdict(past("1:2", **enough)) is Verdict.GOOD


@pytest.mark.parametrize(("rpe_target", "verdict"), [((4, 6), Verdict.HARD), ((7, 8), Verdict.GOOD)])
def test_effort_is_measured_by_the_plan_of_the_run(rpe_target: tuple[float, float], verdict: Verdict) -> None:
    assert ladder.verdict(past(rpe_target=rpe_target, note=Note(rpe=7))) is verdict


def test_hilly_runs_do_not_count_for_the_next_rung() -> None:
    assert stands_at(*[past("1:2")] * 2, past("1:2", hilly=True)) == "1:2"


def test_a_run_broken_off_in_its_first_minutes_tells_nothing() -> None:
    assert not ladder.standing([past("1:1", minutes=0)]).known


@pytest.mark.parametrize(("run_s", "good"), [(45.0, True), (44.0, False)])
def test_three_quarters_of_the_run_are_enough(run_s: float, good: bool) -> None:
    ran = past("1:2", walks=walks(run_s, 120.0))
    assert (ladder.verdict(ran) is Verdict.GOOD) is good


def walks(run_s: float, walk_s: float) -> tuple[WalkFigures, ...]:
    """As the cues came: six runs and walks of these seconds, the third run interrupted."""
    return tuple(
        WalkFigures(n * (run_s + walk_s) + 300 * (n > 2), walk_s, walk_s, *[None] * 7, True, True, None, False)
        for n in range(6)
    )


def test_a_harder_ratio_counts_for_the_rung_even_where_its_own_was_not_held() -> None:
    shortened = past("2:1", last_ratio=(60.0, 60.0))
    assert stands_at(*[past("1:1")] * 2, shortened) == "2:1"


def test_three_runs_that_came_out_short_are_a_rung_down() -> None:
    short = past("1:2", last_ratio=(35.0, 120.0))
    assert [stands_at(*[short] * n) for n in (2, 3)] == ["1:2", "1:3"]


def test_a_second_run_below_the_heart_rate_of_the_first_says_nothing_of_its_ratio() -> None:
    ran = past("1:2", last_ratio=(24.0, 120.0))
    header = replace(ran.session.header, control=Control(first_workout_mean_bpm=118))
    second = Run(replace(ran.session, header=header), ran.figures, ran.note)
    assert [ladder.came_out_short(each) for each in (ran, second)] == [True, False]


# -- down --


def test_two_hard_runs_in_a_row_are_a_rung_down() -> None:
    assert stands_at(past("2:1"), past("2:1", note=HARD), past("2:1", note=HARD)) == "1:1"


def test_one_hard_run_takes_no_rung() -> None:
    assert stands_at(past("2:1"), past("2:1", note=HARD)) == "2:1"


def test_a_good_run_between_two_hard_ones_forgives_the_first() -> None:
    assert stands_at(past("2:1"), past("2:1", note=HARD), past("2:1"), past("2:1", note=HARD)) == "2:1"


def test_a_hard_run_lets_the_three_good_ones_begin_anew() -> None:
    assert stands_at(past("1:2"), past("1:2"), past("1:2", note=HARD), past("1:2"), past("1:2")) == "1:2"


def test_strong_soreness_counts_as_hard() -> None:
    sore = past("2:1", note=Note(rpe=5, soreness=Soreness.STRONG))
    assert stands_at(past("2:1"), sore, sore) == "1:1"


def test_an_easy_finish_is_a_rung_down_at_once() -> None:
    finish = past("2:1", reasons={"easy_finish": 1}, walks_recovered=3)
    assert stands_at(past("2:1"), finish) == "1:1"


def test_an_easy_finish_that_was_only_offered_takes_nothing() -> None:
    assert stands_at(past("2:1"), past("2:1", reasons={"easy_finish": 1})) == "2:1"


def test_hard_first_runs_leave_an_unknown_runner_to_be_known_by_a_good_one() -> None:
    assert stands_at(past("2:1", note=HARD), past("2:1")) == "2:1"


def test_hard_runs_with_another_between_them_are_not_in_a_row() -> None:
    assert stands_at(past("2:1"), past("2:1", note=HARD), past("1:2"), past("2:1", note=HARD)) == "2:1"


def test_a_run_for_recovery_between_two_hard_ones_is_no_answer() -> None:
    recovery = past("1:1", purpose=Purpose.RECOVERY)
    assert stands_at(past("2:1"), past("2:1", note=HARD), recovery, past("2:1", note=HARD)) == "1:1"


def test_the_gentlest_ratio_stays() -> None:
    assert stands_at(*[past("1:4", note=HARD)] * 6, start=0) == "1:4"


@pytest.mark.parametrize(("days", "ratio"), [(27, "4:1"), (28, "3:1"), (56, "2:1"), (365, "1:2")])
def test_four_weeks_without_a_run_cost_a_rung_and_none_below_the_first(days: int, ratio: str) -> None:
    assert stands_at(past("4:1", days_ago=400 + days), past("1:4", days_ago=400)) == ratio


# -- after an injury --


def test_a_return_begins_with_the_most_walking() -> None:
    assert stands_at(by_symptoms=True) == "1:4"


def test_two_runs_without_symptoms_are_one_rung() -> None:
    assert stands_at(*in_return(Symptoms.NONE, Symptoms.NONE), by_symptoms=True) == "1:3"


def test_symptoms_as_before_keep_the_rung_and_let_the_two_begin_anew() -> None:
    said = in_return(Symptoms.NONE, Symptoms.SAME, Symptoms.NONE)
    assert stands_at(*said, by_symptoms=True) == "1:4"


def test_symptoms_that_got_worse_are_a_rung_down() -> None:
    said = in_return(Symptoms.WORSE, ratio="1:2")
    assert stands_at(*said, start=ladder.rung_named("1:2"), by_symptoms=True) == "1:3"


def test_symptoms_that_got_worse_are_a_rung_down_for_everybody() -> None:
    assert stands_at(past("2:1"), past("2:1", note=Note(rpe=5, symptoms=Symptoms.WORSE))) == "1:1"


def test_weeks_alone_never_lead_up() -> None:
    year = [past("1:4", days_ago=3 * n, purpose=Purpose.RETURN) for n in range(120, 0, -1)]
    assert stands_at(*year, by_symptoms=True) == "1:4"


def test_an_easier_run_than_the_rung_without_symptoms_does_not_lead_up() -> None:
    said = in_return(Symptoms.NONE, Symptoms.NONE)
    assert stands_at(*said, start=ladder.rung_named("1:2"), by_symptoms=True) == "1:2"


def test_after_the_return_one_stands_where_it_has_led() -> None:
    assert stands_at(past("4:1"), past("1:3", purpose=Purpose.RETURN)) == "1:3"


# -- what was run --


def test_between_two_rungs_the_lower_one_counts() -> None:
    assert ladder.rung(past("150/60s")) == ladder.rung_named("2:1")


def test_a_plan_in_half_minutes_is_on_its_rung() -> None:
    assert ladder.rung(past("30/60s")) == ladder.rung_named("1:2")


def test_a_walk_is_on_no_rung() -> None:
    assert ladder.rung(past("1:2", planned_ratio=(0.0, 180.0))) is None


def test_a_recording_without_speed_says_nothing_of_the_ratio() -> None:
    assert ladder.rung(past("4:1", kind=Kind.IMPORTED, source="run.hrm")) is None


def test_a_trace_that_was_imported_says_its_ratio() -> None:
    assert ladder.rung(past("4:1", kind=Kind.IMPORTED, source="run.jsonl")) == ladder.rung_named("4:1")


def test_in_a_recording_what_was_run_counts() -> None:
    ran = past("4:1", kind=Kind.IMPORTED, planned_ratio=None, last_ratio=None, run_s=700.0, walk_s=600.0)
    assert ladder.rung(ran) == ladder.rung_named("1:1")


def test_a_recording_without_a_walk_is_taken_for_four_to_one() -> None:
    ran = past("4:1", kind=Kind.IMPORTED, planned_ratio=None, last_ratio=None, run_s=1800.0, walk_s=0.0)
    assert ladder.rung(ran) == ladder.rung_named("4:1")


def test_every_rung_has_its_name() -> None:
    assert [ladder.rung_named(ladder.name(rung)) for rung in range(len(LADDER))] == list(range(len(LADDER)))
