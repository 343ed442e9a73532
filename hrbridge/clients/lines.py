"""The display where there is no screen: a line for each change and every few seconds, for a pipe or a log."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TextIO

from hrbridge.clients import labels
from hrbridge.clients.board import LOOKED_AT, Board
from hrbridge.clients.follower import EVERYBODY, Cued, Follower, Happening, Joined
from hrbridge.clients.scene import Scene
from hrbridge.errors import OutputError
from hrbridge.ports import Clock

# As often as a state comes; a board has more to say at once.
EVERY_S, BOARD_EVERY_S = 5.0, 10.0


class RunnerLines:
    """Of one runner; no I/O, no clock."""

    every_s = EVERY_S

    def __init__(self, runner_id: str) -> None:
        self._scene = Scene(runner_id)

    def take(self, happening: Happening, now_s: float) -> None:
        self._scene.take(happening, now_s)

    def now(self, now_s: float) -> tuple[object, str]:
        """What makes a change, and the line."""
        view = self._scene.view(now_s)
        seq = view.said.seq if view.said is not None else None
        time = "" if view.phase is None else f"{labels.clock(view.elapsed_s)}  "
        return (view.phase, view.link, view.trust, view.ratio, view.rpe, seq), f"{time}{labels.one_line(view)}"


class BoardLines:
    """Of all runners: who needs a look; no I/O, no clock."""

    every_s = BOARD_EVERY_S

    def __init__(self) -> None:
        self._board = Board()

    def take(self, happening: Happening, now_s: float) -> None:
        self._board.take(happening, now_s)

    def now(self, now_s: float) -> tuple[object, str]:
        rows = self._board.rows(now_s)
        looked_at = [row for row in rows if row.attention.need in LOOKED_AT]
        change = tuple((row.view.runner_id, row.attention.need) for row in looked_at)
        whom = "; ".join(f"{row.view.runner_id}: {row.attention.why}" for row in looked_at)
        calm = "all well" if rows else "nobody is here yet"
        trouble = "" if self._board.joined else "  no broker"
        count = f"{len(rows)} runner{'s' if len(rows) != 1 else ''}"
        return (self._board.joined, len(rows), change), f"{count}  {whom or calm}{trouble}"


async def write(follower: Follower, clock: Clock, out: TextIO) -> None:
    """Write for ever what a follower that has joined hears; raises OutputError when nobody can read it."""
    everybody = follower.runner_id == EVERYBODY
    lines = BoardLines() if everybody else RunnerLines(follower.runner_id)
    lines.take(Joined(), clock.now_s())
    shown: object = None
    written_s = float("-inf")
    while True:
        now_s = clock.now_s()
        change, line = lines.now(now_s)
        if change != shown or now_s - written_s >= lines.every_s:
            shown, written_s = change, now_s
            _write(out, line)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, written_s + lines.every_s - clock.now_s())):
                happening = await anext(follower)
                lines.take(happening, clock.now_s())
                if isinstance(happening, Cued):
                    await follower.acknowledge(happening, played=happening.verdict.play)


def _write(out: TextIO, line: str) -> None:
    try:
        out.write(f"{line}\n")
        out.flush()
    except OSError as error:
        raise OutputError(f"standard output: {error.strerror}") from error
