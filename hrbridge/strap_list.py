"""What is in range as a table: redrawn in place on a terminal, with a question below it when one is to be chosen."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from io import StringIO
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hrbridge.sensors.survey import Found, Kind, plain

REMEDY = "worn, wet, not connected to a phone or watch? A watch must broadcast its heart rate"
SPEED_HINT = "What tells speed goes into [sensor] speed_address."
# Nobody reads faster, and a Pi has better things to do.
DRAWN_PER_S = 4
# No terminal is that wide: what is piped away is not folded.
PIPED_COLUMNS = 400

_IN_WORDS = {
    Kind.HEART_RATE: "heart rate",
    Kind.TREADMILL: "treadmill or other machine",
    Kind.FOOT_POD: "foot pod",
}


def as_text(found: Sequence[Found]) -> str:
    """The table for whoever is no terminal."""
    console = Console(file=StringIO(), width=PIPED_COLUMNS, color_system=None)
    with console.capture() as capture:
        console.print(*_below(found, numbered=False), sep="\n")
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _below(found: Sequence[Found], *, numbered: bool) -> list[RenderableType]:
    table = Table(box=None, pad_edge=False, header_style="bold")
    if numbered:
        table.add_column("", justify="right")
    for heading in ("bpm", "dBm", "battery"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("name")
    table.add_column("address", no_wrap=True)
    table.add_column("what")
    for number, each in enumerate(found, start=1):
        what = ", ".join(_IN_WORDS[kind] for kind in each.kinds)
        cells = [
            _or_dash(each.heart_rate_bpm),
            _or_dash(each.rssi_dbm),
            _or_dash(each.battery_percent, " %"),
            plain(each.name) or "-",
            each.address,
            plain(": ".join(filter(None, (what, each.why)))),
        ]
        if numbered:
            cells.insert(0, str(number) if each.is_strap else "")
        table.add_row(*map(Text, cells))
    lines: list[RenderableType] = [table]
    if any(set(each.kinds) - {Kind.HEART_RATE} for each in found):
        lines.append(Text(SPEED_HINT))
    return lines


def _or_dash(value: int | None, unit: str = "") -> str:
    return "-" if value is None else f"{value}{unit}"


class Screen:
    """The table on a terminal; with ``asks`` it takes what is typed below it.

    ``answered`` is set once one was chosen (``choice``) or none is wanted.
    """

    def __init__(self, *, asks: bool = False) -> None:
        self._asks = asks
        self._found: list[Found] = []
        self._typed = ""
        self._terminal: list[Any] = []
        self._live = Live(
            console=Console(),
            get_renderable=self._drawing,
            refresh_per_second=DRAWN_PER_S,
            redirect_stdout=False,
            redirect_stderr=sys.stderr.isatty(),  # what is said meanwhile is drawn above the table
        )
        self.answered = asyncio.Event()
        self.choice: Found | None = None

    def __enter__(self) -> Self:
        if self._asks:
            import termios
            import tty

            self._terminal = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
            asyncio.get_running_loop().add_reader(sys.stdin, self._read)
        self._live.start(refresh=True)
        _log_to_stderr()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        _log_to_stderr()
        if self._asks:
            import termios

            asyncio.get_running_loop().remove_reader(sys.stdin)
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._terminal)

    def show(self, found: list[Found]) -> None:
        self._found = found

    def _drawing(self) -> RenderableType:
        if not self._found:
            return Text(f"Looking for straps: {REMEDY}.\n{self._question()}".rstrip())
        return Group(*_below(self._found, numbered=self._asks), Text(self._question()))

    # the question

    @property
    def _only(self) -> Found | None:
        straps = [found for found in self._found if found.is_strap]
        return straps[0] if len(straps) == 1 else None

    def _question(self) -> str:
        if not self._asks:
            return ""
        if self._only is not None:
            return f"Is {self._only} yours? [Y/n] {self._typed}"
        if any(found.is_strap for found in self._found):
            return f"Number of the one that shows your pulse, then Enter: {self._typed}"
        return "Ctrl-C leaves."

    def _read(self) -> None:
        typed = os.read(sys.stdin.fileno(), 64).decode(errors="replace")
        if not typed:  # the terminal is gone
            self.answered.set()
        for key in typed:
            self._take(key)
        self._live.refresh()

    def _take(self, key: str) -> None:
        if key in "\b\x7f":
            self._typed = self._typed[:-1]
        elif key == "\x04":  # Ctrl-D
            self.answered.set()
        elif key not in "\r\n":
            self._typed += plain(key)
        else:
            self._answer(self._typed.strip().casefold())
            self._typed = ""

    def _answer(self, answer: str) -> None:
        if self._only is not None:
            if answer in ("", "y", "yes"):
                self.choice = self._only
            if answer in ("", "y", "yes", "n", "no"):
                self.answered.set()
        elif answer.isdecimal() and 1 <= int(answer) <= len(self._found) and self._found[int(answer) - 1].is_strap:
            self.choice = self._found[int(answer) - 1]
            self.answered.set()


def _log_to_stderr() -> None:
    """Rich puts another stderr in place of the one that the log knows."""
    for handler in logging.root.handlers:
        if type(handler) is logging.StreamHandler:
            handler.setStream(sys.stderr)
