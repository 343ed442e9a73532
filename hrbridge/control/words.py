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
    Phase.COOLDOWN: "cool-down",
    Phase.PAUSED: "pause",
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


def pulse(bpm: float) -> str:
    """ "ninety-eight", "one hundred and four": all in words, for it is all that is said."""
    hundreds, rest = divmod(round(bpm), 100)
    if not hundreds:
        return number(rest)
    return f"{number(hundreds)} hundred" + (f" and {number(rest)}" if rest else "")


def duration(seconds: float) -> str:
    """ "four minutes", "ninety seconds", "three minutes ten": nobody listens to odd seconds of minutes."""
    step_s = 1 if seconds < 60 else 5 if seconds < 600 else 60
    whole = step_s * round(seconds / step_s)
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


def about(metres: float, *, imperial: bool) -> str:
    """A distance still to go, to the nearest tenth or ten: "2.4 kilometres", "430 metres", "1.5 miles"."""
    length_m, noun = (1609.344, "mile") if imperial else (1000, "kilometre")
    small_m, small = (0.9144, "yards") if imperial else (1, "metres")
    tenths = round(10 * metres / length_m)
    if tenths < 10:
        return f"{10 * max(round(metres / small_m / 10), 1)} {small}"
    if tenths % 10:
        return f"{tenths / 10:g} {noun}s"
    return f"{number(tenths // 10)} {noun}{'s' if tenths > 10 else ''}"


# What a run leads to.
FINISH, END = "finish", "end"


def mark(every_m: float | None) -> str:
    """ "next mile" where the marks are a mile or a kilometre apart, "next mark", or "aid station" of a list."""
    if every_m is None:
        return "aid station"
    how_far = distance(every_m)
    return f"next {how_far.removeprefix('one ')}" if how_far.startswith("one ") else "next mark"


def to_mark(name: str, left_m: float | None, *, imperial: bool) -> str:
    """ "to the next mile", "to the aid station, two kilometres"."""
    if left_m is None or name in ("next mile", "next kilometre"):
        return f"to the {name}"
    return f"to the {name}, {about(left_m, imperial=imperial)}"


def treadmill(incline_percent: float | None, speed_m_s: float | None, *, imperial: bool) -> str:
    """What to set for a walk: " Incline four percent. Speed 5.4 kilometres per hour."; may be nothing."""
    say = ""
    if incline_percent is not None:
        whole = incline_percent == round(incline_percent)
        say += f" Incline {number(round(incline_percent)) if whole else f'{incline_percent:g}'} percent."
    if speed_m_s is not None:
        per_hour = speed_m_s * 3600 / (1609.344 if imperial else 1000)
        say += f" Speed {per_hour:.1f} {'miles' if imperial else 'kilometres'} per hour."
    return say


def sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return text[:1].upper() + text[1:] + "."
