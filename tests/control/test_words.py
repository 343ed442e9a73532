"""What is spoken: numbers as one says them, times and distances as runners know them."""

from __future__ import annotations

import re

import pytest

from hrbridge.control import words


@pytest.mark.parametrize(
    ("value", "spoken"),
    [
        (0, "zero"),
        (12, "twelve"),
        (19, "nineteen"),
        (20, "twenty"),
        (45, "forty-five"),
        (99, "ninety-nine"),
        (148, "148"),
    ],
)
def test_small_numbers_are_words_and_large_ones_digits(value: int, spoken: str) -> None:
    assert words.number(value) == spoken


@pytest.mark.parametrize(
    ("seconds", "spoken"),
    [
        (1, "one second"),
        (15, "fifteen seconds"),
        (59.6, "one minute"),
        (60, "one minute"),
        (75, "one minute fifteen"),
        (90, "ninety seconds"),
        (240, "four minutes"),
        (192, "three minutes twelve"),
        (3600, "sixty minutes"),
    ],
)
def test_times_are_told_as_runners_tell_them(seconds: float, spoken: str) -> None:
    assert words.duration(seconds) == spoken


@pytest.mark.parametrize(
    ("metres", "spoken"),
    [
        (1609.344, "one mile"),
        (3218.688, "two miles"),
        (1000, "one kilometre"),
        (5000, "five kilometres"),
        (400, "400 metres"),
        (1500, "1500 metres"),
        (1700, "1700 metres"),
    ],
)
def test_a_round_distance_is_told_in_its_own_unit(metres: float, spoken: str) -> None:
    assert words.distance(metres) == spoken


def test_a_sentence_keeps_its_names() -> None:
    assert words.sentence("run with Alex") == "Run with Alex."


@pytest.mark.parametrize("tip", words.TIPS)
def test_a_tip_is_short_and_says_what_to_do(tip: str) -> None:
    assert len(tip) <= 30
    assert not re.search(r"\b(not|no|never|don't|stop)\b", tip, re.IGNORECASE)
