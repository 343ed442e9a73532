"""Letters of half blocks, at any scale."""

from __future__ import annotations

import pytest

from hrbridge.clients import glyphs, labels
from hrbridge.clients.painting import NOBODY


def test_a_letter_as_it_is_drawn() -> None:
    assert glyphs.lines("L7", 1) == ["█     ▀▀▀█", "█       ▄▀", "█      ▄▀ ", "▀▀▀▀▀  ▀  "]


@pytest.mark.parametrize("scale", range(1, 9))
def test_its_size_is_as_foretold(scale: int) -> None:
    lines = glyphs.lines("WALK 12:45", scale)
    assert {len(line) for line in lines} == {scale * glyphs.dots("WALK 12:45")}
    assert len(lines) == glyphs.rows_high(scale)


def test_twice_as_large_is_the_same_picture() -> None:
    small = glyphs.lines("R", 1)
    dots = [[(cell in "█▀", cell in "█▄") for cell in row] for row in small]
    upper, lower = ([pair[half] for pair in dots[0]] for half in (0, 1))
    large = glyphs.lines("R", 2)
    assert large[0] == "".join("██" if dot else "  " for dot in upper)
    assert large[1] == "".join("██" if dot else "  " for dot in lower)


@pytest.mark.parametrize("text", [*labels.PHASE.values(), *NOBODY.values(), "0123456789:/-"])
def test_all_that_a_display_writes_large_is_drawn(text: str) -> None:
    assert set(text) <= glyphs.GLYPHS.keys()


def test_digits_are_as_wide_as_one_another() -> None:
    assert len({glyphs.dots(digit) for digit in "0123456789"}) == 1
