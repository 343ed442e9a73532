"""Dates as text, and what is known of an instant on a machine that may have no clock. Reads none itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Moment:
    """One instant as the date tells it, and as seconds since the machine was switched on.

    ``right``: the date can be believed. A Raspberry Pi has no clock of its own:
    until it has heard the time from a network it goes on from the date at which
    it was switched off. ``boot_id`` tells two lives of the machine apart, empty
    where the system does not tell; ``boot_s`` counts on while the machine sleeps.
    """

    unix_s: float
    right: bool
    boot_id: str
    boot_s: float


def iso(unix_s: float) -> str:
    """Seconds since 1970 as UTC in ISO 8601, to the second."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def from_iso(text: str) -> float:
    """Seconds since 1970 of a time in ISO 8601; without a zone it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
