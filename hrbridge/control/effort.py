"""Perceived exertion: the last report, how long it counts, and how often to ask."""

from __future__ import annotations

ASK_EVERY_WALKS = 3


class Effort:
    """A report counts until one walk after the next prompt; ``rpe`` is None before the first and after that."""

    def __init__(self, upper_rpe: float) -> None:
        self.rpe: float | None = None
        self._upper_rpe = upper_rpe
        self._over_in_row = 0
        self._until_walk: int | None = None
        self._asked_walk = 0

    def report(self, rpe: float) -> None:
        self.rpe = rpe
        self._over_in_row = self._over_in_row + 1 if rpe > self._upper_rpe else 0
        self._until_walk = None

    def is_due(self, walk: int) -> bool:
        """Every third walk; after a report over target every walk, after two in a row every third again."""
        return walk - self._asked_walk >= (1 if self._over_in_row == 1 else ASK_EVERY_WALKS)

    def asked(self, walk: int) -> None:
        self._asked_walk = walk
        if self._until_walk is None:
            self._until_walk = walk + 1

    def walk_begins(self, walk: int) -> None:
        """Forget a report that nobody has renewed."""
        if self._until_walk is not None and walk > self._until_walk:
            self.rpe = self._until_walk = None
            self._over_in_row = 0
