"""hrbridge next and hrbridge log as a runner types them: before the first run, after it, and what is remembered."""

from __future__ import annotations

import json
import shlex
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import twelve_weeks

from hrbridge import timeline
from hrbridge.config import Season, SeasonGoal
from hrbridge.control.plan import LADDER
from hrbridge.dates import from_iso
from hrbridge.errors import UsageError
from hrbridge.history import said, season
from hrbridge.history.runs import runs
from hrbridge.journal import Day, Energy, Journal, Note, Soreness, Symptoms
from tests.conftest import Hrbridge

SIX_MINUTES = twelve_weeks.plan(season.dose("1:1", 6))
DAY_S = 86_400
CONFIG = '[runner]\nid = "alex"\nage_years = 40\nresting_heart_rate_bpm = 60\n'


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Two short runs of alex, three days ago and yesterday."""
    path = tmp_path / "journal.sqlite3"
    packed = twelve_weeks.packed_run(SIX_MINUTES, 800.0, 145.0, 5.0)
    with Journal(path, create=True) as opened, opened.transaction():
        for days in (3, 1):
            twelve_weeks.add(opened, SIX_MINUTES, packed, timeline.moment().unix_s - days * DAY_S)
    return path


@pytest.fixture
def alex(tmp_path: Path) -> Path:
    path = tmp_path / "alex.toml"
    path.write_text(CONFIG + '[season]\ngoal = "twelve-weeks"\n', encoding="utf-8")
    return path


def notes(path: Path) -> dict[int, Note]:
    with Journal(path) as journal:
        return journal.notes()


def days(path: Path) -> dict[str, Day]:
    with Journal(path) as journal:
        return journal.days("alex")


def today() -> date:
    return said.local_day(timeline.moment().unix_s)


# -- next --


def test_before_the_first_run_there_is_an_answer(hrbridge: Hrbridge, tmp_path: Path) -> None:
    ended = hrbridge("next", "--journal", tmp_path / "none.sqlite3")
    assert ended.code == 0
    assert ended.out.splitlines() == [
        "Today: run 1 minute, walk 2 minutes, for 20 minutes.",
        "  history         no runs here yet: begin with 1:2, for plenty of walking is how it starts well",
        "  terrain         flat ground first",
        "  hrbridge run CONFIG --plan 1:2 --set plan.total_s=1200",
        "CONFIG: your configuration; with --config FILE it stands there.",
        f"Afterwards: hrbridge log --journal {tmp_path / 'none.sqlite3'}",
    ]


def test_a_runner_who_is_not_in_the_journal_is_answered_with_those_who_are(hrbridge: Hrbridge, journal: Path) -> None:
    ended = hrbridge("next", "--journal", journal, "--runner", "alec")
    assert (ended.code, ended.err) == (2, f"hrbridge: {journal}: no run of alec; there are runs of alex\n")


def test_what_to_type_afterwards_is_the_last_line(hrbridge: Hrbridge, alex: Path, journal: Path) -> None:
    last = hrbridge("next", "--config", alex, "--journal", journal, "--runner", "alex").out.splitlines()[-1]
    assert last == f"Afterwards: hrbridge log --config {alex} --journal {journal} --runner alex"


def test_asking_makes_no_journal(hrbridge: Hrbridge, tmp_path: Path) -> None:
    hrbridge("next", "--journal", tmp_path / "none.sqlite3")
    assert not (tmp_path / "none.sqlite3").exists()


def test_the_command_names_the_configuration(hrbridge: Hrbridge, alex: Path, journal: Path) -> None:
    advice = json.loads(hrbridge("next", "--config", alex, "--journal", journal, "--json").out)
    assert shlex.split(advice["command"])[:3] == ["hrbridge", "run", str(alex)]


def test_the_configured_season_leads(hrbridge: Hrbridge, alex: Path, journal: Path) -> None:
    advice = json.loads(hrbridge("next", "--config", alex, "--journal", journal, "--json").out)
    assert (advice["ratio"], advice["minutes"], advice["week"], advice["weeks"]) == ("1:2", 20, 1, 12)


def test_a_goal_on_the_command_line_goes_before_the_configured_one(
    hrbridge: Hrbridge, alex: Path, journal: Path
) -> None:
    advice = json.loads(hrbridge("next", "--config", alex, "--journal", journal, "--goal", "return", "--json").out)
    assert (advice["ratio"], advice["purpose"]) == ("1:4", "return")


def test_the_season_of_the_articles_run_as_it_stands_is_done(season_journal: Path) -> None:
    with Journal(season_journal) as opened:
        ran = runs(opened, "alex")
    weeks = season.of(Season(goal=SeasonGoal.TWELVE_WEEKS))
    assert season.reached(weeks, ran) == 36


def test_low_energy_is_one_rung_easier_and_says_so(hrbridge: Hrbridge, journal: Path) -> None:
    before, after = (
        json.loads(hrbridge("next", "--journal", journal, "--json", *low).out) for low in ([], ["--energy", "low"])
    )
    assert LADDER_NAMES.index(before["ratio"]) - LADDER_NAMES.index(after["ratio"]) == 1
    assert {"factor": "energy", "words": "low: one rung easier today", "rungs": -1} in after["why"]


LADDER_NAMES = [f"{run}:{walk}" for run, walk in LADDER]


def test_all_weeks_of_a_goal_are_shown(hrbridge: Hrbridge) -> None:
    shown = hrbridge("next", "--goal", "twelve-weeks", "--weeks").out.splitlines()
    assert [shown[n - 1] for n in (1, 4, 8, 12)] == [
        "week  1  1:2 20 20 20 min",
        "week  4  1:1 30 30 30 min",
        "week  8  2:1 40 40 40 min",
        "week 12  4:1 50 50 50 min",
    ]


@pytest.mark.parametrize("goal", [SeasonGoal.NONE, SeasonGoal.RETURN])
def test_where_the_ladder_leads_there_are_no_weeks_to_show(hrbridge: Hrbridge, goal: SeasonGoal) -> None:
    assert hrbridge("next", "--goal", goal, "--weeks").out == f"{goal}: no weeks; {season.GOALS[goal].words}.\n"


def test_a_season_that_cannot_be_is_one_line(hrbridge: Hrbridge, tmp_path: Path) -> None:
    path = tmp_path / "alex.toml"
    path.write_text(CONFIG + '[season]\ngoal = "first-5k"\nstart_ratio = "9:1"\n', encoding="utf-8")
    ended = hrbridge("next", "--config", path, "--journal", tmp_path / "none.sqlite3")
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)


def test_an_unknown_energy_is_answered_with_those_there_are(hrbridge: Hrbridge) -> None:
    ended = hrbridge("next", "--energy", "tired")
    assert ended.code == 2
    assert "low" in ended.err


# -- log --


def test_what_is_said_of_a_run_is_kept_and_told_back(hrbridge: Hrbridge, journal: Path) -> None:
    ended = hrbridge("log", "--journal", journal, "--rpe", "6.5", "--soreness", "mild", "--energy", "high")
    assert ended.code == 0
    assert ended.out.endswith(": RPE 6.5, soreness mild, energy high.\n")
    assert notes(journal) == {2: Note(rpe=6.5, soreness=Soreness.MILD, energy=Energy.HIGH)}


def test_what_is_said_later_is_put_to_what_was_said_before(hrbridge: Hrbridge, journal: Path) -> None:
    hrbridge("log", "--journal", journal, "--rpe", "6", "--text", "new shoes")
    hrbridge("log", "--journal", journal, "--symptoms", "none", "--rpe", "5")
    assert notes(journal)[2] == Note(rpe=5, symptoms=Symptoms.NONE, text="new shoes")


def test_an_older_run_is_named_by_its_number(hrbridge: Hrbridge, journal: Path) -> None:
    hrbridge("log", "1", "--journal", journal, "--rpe", "4")
    assert notes(journal) == {1: Note(rpe=4)}


def test_the_two_questions_of_the_articles_are_kept(hrbridge: Hrbridge, journal: Path) -> None:
    ended = hrbridge("log", "--journal", journal, "--stronger", "--no-more-energy")
    assert notes(journal)[2] == Note(stronger=True, more_energy=False)
    assert ended.out.endswith(": legs stronger: yes, more energy: not yet.\n")


def test_next_listens_to_what_was_said(hrbridge: Hrbridge, journal: Path) -> None:
    hrbridge("log", "--journal", journal, "--soreness", "strong")
    advice = json.loads(hrbridge("next", "--journal", journal, "--json").out)
    assert ("soreness", -1) in [(why["factor"], why["rungs"]) for why in advice["why"]]


def test_without_a_terminal_and_without_a_word_it_tells_what_is_known(hrbridge: Hrbridge, journal: Path) -> None:
    ended = hrbridge("log", "--journal", journal)
    assert (ended.code, ended.out.endswith(": nothing said yet.\n")) == (0, True)
    assert notes(journal) == {}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--rpe", "11"], "rpe 11: rpe is a number from 0 to 10 in halves"),
        (["--rpe", "hard"], "rpe hard: rpe is a number from 0 to 10 in halves"),
        (["--walk-m", "nan"], "--walk-m nan: expected metres"),
        (["--date", "2026-11-22"], "--date: goes with --steps or --walk-m; --started-at gives a run its date"),
        (["--started-at", "yesterday"], "--started-at yesterday: expected a time like 2026-11-22T07:30"),
        (["--started-at", "2999-01-01T07:30"], "--started-at 2999-01-01T07:30: is still to come"),
    ],
)
def test_what_cannot_be_is_one_line(hrbridge: Hrbridge, journal: Path, words: list[str], complaint: str) -> None:
    ended = hrbridge("log", "--journal", journal, *words)
    assert (ended.code, ended.out, ended.err) == (2, "", f"hrbridge: {complaint}\n")


def test_words_of_a_terminal_with_other_letters_are_kept_as_far_as_they_can_be_read(
    hrbridge: Hrbridge, journal: Path
) -> None:
    ended = hrbridge("log", "--journal", journal, "--text", b"m\xfcde".decode("utf-8", "surrogateescape"))
    assert ended.code == 0
    assert notes(journal) == {2: Note(text="m?de")}


def test_a_run_that_is_not_there_is_one_line(hrbridge: Hrbridge, journal: Path) -> None:
    ended = hrbridge("log", "9", "--journal", journal, "--rpe", "5")
    assert (ended.code, ended.err) == (1, f"hrbridge: {journal}: no run 9; the newest are 2, 1\n")


def test_without_a_run_there_is_nothing_to_say_of_one(hrbridge: Hrbridge, tmp_path: Path) -> None:
    ended = hrbridge("log", "--journal", tmp_path / "none.sqlite3", "--rpe", "5")
    assert (ended.code, (tmp_path / "none.sqlite3").exists()) == (1, False)


def test_a_date_by_hand_is_the_date_of_the_run_in_local_time(hrbridge: Hrbridge, journal: Path) -> None:
    hrbridge("log", "1", "--journal", journal, "--started-at", "2026-03-04T07:30")
    with Journal(journal) as opened:
        session = opened.session("1")
    local = datetime(2026, 3, 4, 7, 30).astimezone()
    assert from_iso(str(session.started_at)) == local.timestamp()
    assert not session.date_estimated


def test_a_date_with_its_zone_is_taken_as_it_is(hrbridge: Hrbridge, journal: Path) -> None:
    hrbridge("log", "1", "--journal", journal, "--started-at", "2026-03-04T07:30+05:00")
    with Journal(journal) as opened:
        assert opened.session("1").started_at == "2026-03-04T02:30:00Z"


# -- steps of a day --


def test_steps_begin_a_journal_without_a_run(hrbridge: Hrbridge, tmp_path: Path) -> None:
    path = tmp_path / "walker.sqlite3"
    ended = hrbridge("log", "--journal", path, "--runner", "alex", "--steps", "6200")
    assert ended.out.splitlines()[:2] == [
        f"{today().isoformat()}: 6,200 steps.",
        "Steps: next 6,500 a day (6,200 a day this week).",
    ]


def test_steps_and_the_walk_of_a_day_are_put_together(hrbridge: Hrbridge, journal: Path) -> None:
    yesterday = (today() - timedelta(days=1)).isoformat()
    hrbridge("log", "--journal", journal, "--steps", "7000", "--date", yesterday)
    hrbridge("log", "--journal", journal, "--walk-m", "45.72", "--date", yesterday)
    assert days(journal) == {yesterday: Day(steps=7000, walk_m=45.72)}
    assert notes(journal) == {}


@pytest.mark.parametrize(("day", "complaint"), [("22.11.", "expected a day like"), ("2999-01-01", "is still to come")])
def test_a_day_that_cannot_be_is_one_line(hrbridge: Hrbridge, journal: Path, day: str, complaint: str) -> None:
    ended = hrbridge("log", "--journal", journal, "--steps", "7000", "--date", day)
    assert (ended.code, ended.err.startswith(f"hrbridge: --date {day}: {complaint}")) == (2, True)


def test_the_goals_of_a_walker_stand_under_the_advice(hrbridge: Hrbridge, journal: Path) -> None:
    hrbridge("log", "--journal", journal, "--walk-m", "30.48")
    assert "After the run: walk 46 metres." in hrbridge("next", "--journal", journal).out.splitlines()


# -- asked on a terminal --


def answered(*answers: str) -> tuple[dict[str, object], list[str]]:
    """What is understood of these answers, and what was said to them."""
    given, told = iter(answers), list[str]()
    return said.asked(lambda _: next(given), told.append), told


def test_every_question_is_asked_and_its_answer_understood() -> None:
    understood, _ = answered("6", "mild", "same", "high", "yes", "no", "windy")
    assert said.together(Note(), understood) == Note(
        rpe=6,
        soreness=Soreness.MILD,
        symptoms=Symptoms.SAME,
        energy=Energy.HIGH,
        stronger=True,
        more_energy=False,
        text="windy",
    )


def test_enter_skips_a_question() -> None:
    understood, _ = answered("", "", "", "l", "", "", "")
    assert understood == {"energy": Energy.LOW}


def test_an_answer_that_cannot_be_read_is_asked_again() -> None:
    understood, told = answered("eleven", "6", "very", "", "", "", "maybe", "", "", "")
    assert understood == {"rpe": 6.0}
    assert told == [
        "rpe eleven: rpe is a number from 0 to 10 in halves",
        "very: one of none, mild, strong",
        "maybe: yes or no",
    ]


def test_an_answer_that_is_none_of_the_words_is_answered_with_them() -> None:
    with pytest.raises(UsageError, match="one of none, same, worse"):
        said.QUESTIONS[2][2]("x")


def test_what_was_said_before_stays_where_nothing_is_said() -> None:
    assert said.together(Note(rpe=6, text="windy"), {"rpe": None, "soreness": None}) == Note(rpe=6, text="windy")
