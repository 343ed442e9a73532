"""The picture: right at every size, and readable for every eye."""

from __future__ import annotations

from typing import Any

import pytest
from rich.cells import cell_len
from scenes import last_cue, told

from hrbridge.clients import painting
from hrbridge.clients.board import Board
from hrbridge.clients.follower import Joined, Left, Status, Summed
from hrbridge.clients.scene import Scene, View
from hrbridge.decisions import CueKind, Phase, Ratio, Reason, Trust
from hrbridge.messages import Summary


def view(*, after_s: float = 0.0, **fields: Any) -> View:
    scene = Scene("alex")
    for happening in (Joined(), told(**fields)):
        scene.take(happening, 500.0)
    return scene.view(500.0 + after_s)


def text(seen: View, width: int = 80, height: int = 24, **more: Any) -> str:
    return "\n".join(line.plain for line in painting.runner(seen, width, height, imperial=False, **more))


EVERYTHING = {
    "phase": Phase.COOLDOWN,
    "phase_remaining_s": 4321.0,
    "ratio": Ratio(3600.0, 600.0, 3000.0, 615.0),
    "rpe": 7.5,
    "last_cue": last_cue(CueKind.RATIO, Reason.HEART_RATE_CEILING, "A long sentence for the ear. " * 9),
}


@pytest.mark.parametrize("height", [1, 3, 15, 16, 20, 24, 50, 90])
@pytest.mark.parametrize("width", [1, 12, 54, 55, 60, 80, 200, 400])
@pytest.mark.parametrize("fields", [{}, EVERYTHING, {"trust": Trust.NONE, "phase_remaining_s": None}])
def test_the_picture_fills_the_screen_and_no_more(width: int, height: int, fields: dict[str, Any]) -> None:
    lines = painting.runner(
        view(**fields),
        width,
        height,
        note="Next: done.",
        keys=("space pause", "q quit"),
        why="Why. " * 9,
        imperial=False,
    )
    assert len(lines) == height
    assert {cell_len(line.plain) for line in lines} == {width}


@pytest.mark.parametrize("height", [3, 4, 24, 50])
@pytest.mark.parametrize("width", [20, 60, 90, 120, 200])
def test_so_does_the_board(width: int, height: int) -> None:
    board = Board()
    for happening in (Joined(), told(**EVERYTHING), told(runner_id="x" * 32), Status("kim", False)):
        board.take(happening, 500.0)
    lines = painting.board(
        board.rows(500.0), width, height, chosen="alex", first=0, trouble="no broker", keys=("q quit",)
    )
    assert len(lines) == height
    assert {cell_len(line.plain) for line in lines} == {width}


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("size", [(60, 20), (80, 24), (200, 50)])
def test_every_phase_is_written_large(phase: Phase, size: tuple[int, int]) -> None:
    rows = text(view(phase=phase), *size).split("\n")
    assert sum("█" in row for row in rows[:12]) >= 2


@pytest.mark.parametrize(("size", "scale"), [((60, 20), 2), ((80, 24), 2), ((200, 50), 5)])
def test_the_letters_are_as_large_as_there_is_room(size: tuple[int, int], scale: int) -> None:
    rows = text(view(phase=Phase.WALK), *size, keys=("space pause",)).split("\n")
    assert any("██" * scale in row and "█" * (5 * scale) in row for row in rows[2:20])


def test_what_comes_next_is_large_where_there_is_room() -> None:
    assert len([row for row in text(view(), 200, 50).split("\n") if "██" in row]) > len(
        [row for row in text(view(next_phase=None, ratio=Ratio(0, 0, 0, 0)), 200, 50).split("\n") if "██" in row]
    )


def test_a_time_that_nobody_knows_counts_up() -> None:
    assert "so far" in text(view(phase_remaining_s=None))


def test_the_last_minute_is_counted_in_seconds() -> None:
    assert "seconds left" in text(view(phase_remaining_s=45.0))
    assert "seconds left" not in text(view(phase_remaining_s=61.0))


def test_why_takes_the_place_of_what_can_wait() -> None:
    shown = text(view(), why="Because of this.", note="Next: done.", keys=("q quit",))
    assert "Because of this." in shown
    assert "Next: done." in shown
    assert "q quit" in shown


def test_no_key_is_parted_from_its_word() -> None:
    shown = text(view(), 60, 20, keys=("space pause", "+ 15 s more walk", "n next", "s s stop", "0-9 effort, t ten"))
    assert "0-9 effort, t ten" in shown


def test_the_end_tells_of_the_walks_and_never_of_what_was_missed() -> None:
    scene = Scene("alex")
    for walks_recovered, words in ((5, "6 walk breaks; your heart rate came down in 5."), (0, "6 walk breaks.")):
        summary = Summary(
            sid="run-1",
            plan="",
            elapsed_s=1,
            run_s=1,
            walk_s=1,
            walks=6,
            walks_recovered=walks_recovered,
            distance_m=None,
        )
        for happening in (Joined(), told(phase=Phase.FINISHED), Summed("alex", summary)):
            scene.take(happening, 500.0)
        assert f"{words} " in text(scene.view(500.0))


def test_grey_says_whose_silence_it_is() -> None:
    scene = Scene("alex")
    for happening in (Joined(), told(), Left("lost")):
        scene.take(happening, 500.0)
    lines = painting.runner(scene.view(512.0), 80, 24, imperial=False)
    assert any("no broker, last news 12 s ago" in line.plain for line in lines)
    assert painting.BAND[Phase.RUN] not in str([line.spans for line in lines])


def _luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        *((painting.INK, band) for band in painting.BAND.values()),
        *((band, painting.GROUND) for band in painting.BAND.values()),
        *((each, painting.GROUND) for each in (painting.TEXT, painting.QUIET, painting.LOUD, painting.ALARM)),
        *((each, painting.PANEL) for each in (painting.TEXT, painting.QUIET, painting.LOUD, painting.ALARM)),
        (painting.ON_GREY, painting.GREY),
    ],
)
def test_letters_stand_out_from_their_ground(ink: str, ground: str) -> None:
    light, dark = sorted((_luminance(ink), _luminance(ground)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5
