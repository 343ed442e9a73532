"""What hrbridge says: short, speakable, never negative. The only place with sentences for the runner's ear."""

from __future__ import annotations

from hrbridge.decisions import Phase

# fmt: off
_UNITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
          "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
# fmt: on

# Form tips of the walking articles, one at a time.
TIPS = (
    "Stand tall, eyes up.",
    "Elbows bent, arms relaxed.",
    "Short steps, feet under you.",
    "Shoulders loose, breathe out.",
)

NOUN = {
    Phase.WARMUP: "warm-up",
    Phase.RUN: "run",
    Phase.SURGE: "surge",
    Phase.WALK: "walk",
    Phase.COOLDOWN: "easy walk to finish",
    Phase.FINISHED: "done",
}


def number(value: int) -> str:
    """0 to 99 in words, larger in digits: "forty-five"."""
    if not 0 <= value < 100:
        return str(value)
    if value < 20:
        return _UNITS[value]
    tens, units = divmod(value, 10)
    return _TENS[tens] + (f"-{_UNITS[units]}" if units else "")


def duration(seconds: float) -> str:
    """ "four minutes", "ninety seconds", "three minutes twelve"."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    if whole < 60 or whole == 90:
        return f"{number(whole)} second{'s' if whole != 1 else ''}"
    text = f"{number(minutes)} minute{'s' if minutes != 1 else ''}"
    return f"{text} {number(rest)}" if rest else text


def distance(metres: float) -> str:
    """ "one mile" where the plan speaks in miles, else "800 metres" or "two kilometres"."""
    miles = metres / 1609.344
    if abs(miles - round(miles)) < 0.01 and round(miles) >= 1:
        return f"{number(round(miles))} mile{'s' if round(miles) != 1 else ''}"
    if metres >= 1000 and metres % 1000 == 0:
        return f"{number(round(metres / 1000))} kilometre{'s' if metres != 1000 else ''}"
    return f"{round(metres)} metres"


def sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return text[:1].upper() + text[1:] + "."
