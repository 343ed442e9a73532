"""Whom a coach should look at first, and why."""

from __future__ import annotations

from typing import Any

import pytest
from scenes import last_cue, told

from hrbridge.clients.board import Attention, Board, Need, attention
from hrbridge.clients.follower import Happening, Joined, Left, Status
from hrbridge.decisions import CueKind, Phase, Reason, Trust


def a_board(*happenings: Happening, at_s: float = 500.0) -> Board:
    board = Board()
    for happening in (Joined(), *happenings):
        board.take(happening, at_s)
    return board


def names(board: Board, at_s: float) -> list[str]:
    return [row.view.runner_id for row in board.rows(at_s)]


def of(after_s: float = 0.0, *more: Happening, **fields: Any) -> Attention:
    """The attention for one runner in this state, so long after it."""
    (row,) = a_board(told(**fields), *more).rows(500.0 + after_s)
    return row.attention


WALK = {"phase": Phase.WALK, "next_phase": Phase.RUN}


@pytest.mark.parametrize(
    ("need", "why", "fields"),
    [
        (Need.NONE, "", {}),
        (Need.NONE, "", WALK),
        (
            Need.SAFETY,
            "Walk now. Check the strap or your maximum.",
            {**WALK, "last_cue": last_cue(CueKind.WALK, Reason.SAFETY, "Walk now. Check the strap or your maximum.")},
        ),
        (Need.SIGNAL, "no heart rate", {"heart_rate_bpm": None, "trust": Trust.NONE, "zone": None}),
        (Need.HIGH, "zone 5", {"zone": 5}),
        (Need.HIGH, "3 above ceiling", {"heart_rate_bpm": 158.0}),
        (Need.NONE, "", {**WALK, "heart_rate_bpm": 158.0}),  # it comes down in the walk
        (
            Need.HELD,
            "walk made longer: not recovered",
            {**WALK, "last_cue": last_cue(CueKind.EXTEND_WALK, Reason.NOT_RECOVERED)},
        ),
        (Need.HELD, "walk held until recovered", {**WALK, "phase_remaining_s": None}),
        (Need.NONE, "", {**WALK, "phase_remaining_s": None, "next_phase": None}),  # the plan "free"
        (Need.EFFORT, "effort 8", {"rpe": 8.0}),
        (Need.EFFORT, "effort 6", {"rpe": 6.0, "last_cue": last_cue(CueKind.RATIO, Reason.RPE_HIGH)}),
        (Need.NONE, "", {"rpe": 6.0}),
        (Need.SMALL, "signal doubtful", {"trust": Trust.DOUBTFUL}),
        (Need.SMALL, "nobody listens, strap 15 %", {"headsets": 0, "battery_percent": 15}),
        (Need.PAUSED, "paused", {"phase": Phase.PAUSED}),
        (Need.WAITING, "not started", {"phase": Phase.WAITING, "heart_rate_bpm": None, "trust": Trust.NONE}),
        (Need.FINISHED, "finished", {"phase": Phase.FINISHED}),
    ],
)
def test_who_needs_a_look_and_why(need: Need, why: str, fields: dict[str, Any]) -> None:
    assert of(**fields) == Attention(need, why)


def test_whoever_is_silent_for_more_than_ten_seconds_is_looked_for() -> None:
    assert of(12.0) == Attention(Need.NEWS, "no news for 12 s")
    assert of(600.0) == Attention(Need.NEWS, "no news for 10 min")


def test_whoever_vanished_in_the_middle_of_a_run_is_looked_for_for_five_minutes() -> None:
    gone = Status("alex", False)
    assert of(200.0, gone) == Attention(Need.NEWS, "left in the middle of a run")
    assert of(301.0, gone) == Attention(Need.GONE, "offline")


def test_whoever_left_before_the_run_is_gone() -> None:
    assert of(1.0, Status("alex", False), phase=Phase.WAITING).need is Need.GONE


def test_who_finished_is_not_looked_for_when_the_program_ends() -> None:
    assert of(1.0, Status("alex", False), phase=Phase.FINISHED).need is Need.FINISHED


def test_without_a_broker_nobody_in_particular_is_looked_for() -> None:
    assert of(60.0, Left("lost")).need is Need.NONE


def test_of_whom_there_is_only_a_name() -> None:
    (row,) = a_board(Status("kim", False)).rows(500.0)
    assert attention(row.view).need is Need.GONE


def test_the_order_is_by_need_and_then_by_name() -> None:
    board = a_board(
        told(runner_id="done", phase=Phase.FINISHED),
        told(runner_id="r10"),
        told(runner_id="r2"),
        told(runner_id="zoe", zone=5),
        Status("away", False),
        told(runner_id="blind", heart_rate_bpm=None, trust=Trust.NONE, zone=None),
    )
    assert names(board, 500.0) == ["blind", "zoe", "r2", "r10", "done", "away"]


def test_who_needs_a_look_goes_up_at_once_and_down_only_once_calm() -> None:
    board = a_board(told(runner_id="alex"), told(runner_id="zoe"))
    assert names(board, 500.0) == ["alex", "zoe"]
    board.take(told(61.0, "zoe", heart_rate_bpm=156.0), 501.0)
    assert names(board, 501.0) == ["zoe", "alex"]
    for second in range(2, 6):
        board.take(told(60.0 + second, "zoe", heart_rate_bpm=154.0), 500.0 + second)
        assert names(board, 500.0 + second) == ["zoe", "alex"]
    board.take(told(69.0, "zoe"), 509.0)
    board.take(told(69.0, "alex"), 509.0)
    assert names(board, 511.0) == ["alex", "zoe"]


def test_who_has_finished_goes_down_at_once() -> None:
    board = a_board(told(runner_id="alex"), told(runner_id="zoe", zone=5))
    assert names(board, 500.0) == ["zoe", "alex"]
    board.take(told(61.0, "zoe", phase=Phase.FINISHED), 501.0)
    assert names(board, 501.0) == ["alex", "zoe"]


@pytest.mark.parametrize("name", ["Alex", "a b", "\x1b[2J", "", "x" * 33, "$SYS"])
def test_what_is_no_name_of_a_runner_is_passed_over(name: str) -> None:
    assert a_board(told(runner_id=name)).rows(500.0) == []


def test_whoever_comes_later_has_the_broker_too() -> None:
    board = a_board(told(runner_id="alex"))
    board.take(Left("lost"), 500.0)
    board.take(Joined(), 501.0)
    board.take(told(61.0, "kim"), 501.0)
    assert [row.attention.need for row in board.rows(502.0)] == [Need.NONE, Need.NONE]
