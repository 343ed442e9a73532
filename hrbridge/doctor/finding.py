"""What a check has found: its result, and one sentence that names the remedy."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct


class Result(StrEnum):
    """``hint``: a run would go on, but not as it could. ``fails``: it would not be the run that was meant."""

    OK = "ok"
    HINT = "hint"
    FAILS = "fails"


class Finding(Struct, frozen=True):
    """One line of the doctor; ``check`` names what was looked at."""

    check: str
    result: Result
    say: str


Tell = Callable[[Finding], None]


def ok(check: str, say: str) -> Finding:
    return Finding(check, Result.OK, say)


def hint(check: str, say: str) -> Finding:
    return Finding(check, Result.HINT, say)


def fails(check: str, say: str) -> Finding:
    return Finding(check, Result.FAILS, say)
