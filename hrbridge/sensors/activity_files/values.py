"""What files write, as text, numbers and times; what is none of them is None or a ValueError."""

from __future__ import annotations

import codecs
import math
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text(data: bytes) -> str:
    """Text of any sort; what is not Unicode is Western European, as old software on Windows wrote it."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def finite(value: object) -> float | None:
    """A number that a decoder or a text gave; None for all else, also for nan and infinities."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def seconds(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 time, UTC where no zone is given; raises ValueError in words for the user."""
    try:
        moment = datetime.fromisoformat(text.strip().upper())
        if not 1971 <= moment.year <= 2999:
            raise ValueError
    except ValueError:
        raise ValueError(f"{text[:40]!r} is no time in ISO 8601, 1971 to 2999") from None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH) / timedelta(seconds=1)


def iso(time_s: float) -> str:
    moment = EPOCH + timedelta(seconds=round(time_s, 3))
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
