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
        (192, "three minutes ten"),
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


@pytest.mark.parametrize(
    ("metres", "imperial", "spoken"),
    [
        (2433, False, "2.4 kilometres"),
        (2020, False, "two kilometres"),
        (980, False, "one kilometre"),
        (434, False, "430 metres"),
        (2, False, "10 metres"),
        (2433, True, "1.5 miles"),
        (1600, True, "one mile"),
        (434, True, "470 yards"),
    ],
)
def test_what_is_left_of_a_run_is_told_roughly(metres: float, imperial: bool, spoken: str) -> None:
    assert words.about(metres, imperial=imperial) == spoken


@pytest.mark.parametrize(
    ("every_m", "spoken"),
    [
        (1609.344, "to the next mile"),
        (1000, "to the next kilometre"),
        (2000, "to the next mark, 1.9 kilometres"),
        (None, "to the aid station, 1.9 kilometres"),
    ],
)
def test_a_mark_is_told_by_its_name(every_m: float | None, spoken: str) -> None:
    assert words.to_mark(words.mark(every_m), 1900, imperial=False) == spoken


@pytest.mark.parametrize(
    ("incline_percent", "speed_m_s", "imperial", "spoken"),
    [
        (4, None, False, " Incline four percent."),
        (2.5, None, False, " Incline 2.5 percent."),
        (None, 1.7, False, " Speed 6.1 kilometres per hour."),
        (1, 1.7, True, " Incline one percent. Speed 3.8 miles per hour."),
        (None, None, False, ""),
    ],
)
def test_what_to_set_on_a_treadmill(
    incline_percent: float | None, speed_m_s: float | None, imperial: bool, spoken: str
) -> None:
    assert words.treadmill(incline_percent, speed_m_s, imperial=imperial) == spoken


def test_a_sentence_keeps_its_names() -> None:
    assert words.sentence("run with Alex") == "Run with Alex."


@pytest.mark.parametrize("tip", words.TIPS)
def test_a_tip_is_short_and_says_what_to_do(tip: str) -> None:
    assert len(tip) <= 30
    assert not re.search(r"\b(not|no|never|don't|stop)\b", tip, re.IGNORECASE)


@pytest.mark.parametrize(
    ("bpm", "spoken"),
    [
        (58, "fifty-eight"),
        (98.4, "ninety-eight"),
        (100, "one hundred"),
        (104, "one hundred and four"),
        (172, "one hundred and seventy-two"),
    ],
)
def test_a_pulse_is_said_in_words(bpm: float, spoken: str) -> None:
    assert words.pulse(bpm) == spoken
