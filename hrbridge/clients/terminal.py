"""The display in a terminal: one runner as large as it will go, or a board of all; keys ask the bridge for things.

What is to be seen comes from scene.py and board.py, how it looks from
painting.py; here are the screen, the keys and the answers to them.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Coroutine
from typing import Any, ClassVar

from msgspec import Struct
from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from hrbridge.clients import labels, painting
from hrbridge.clients.board import Board, Row
from hrbridge.clients.follower import EVERYBODY, Answered, Cued, Follower, Happening, Joined, Told
from hrbridge.clients.scene import Link, View
from hrbridge.decisions import Phase
from hrbridge.events import Action
from hrbridge.messages import STOP_CONFIRM_S
from hrbridge.ports import Clock

# A countdown that is drawn so often is never seen to lag; a board of a hundred is read, not watched.
DRAWN_EVERY_S, BOARD_DRAWN_EVERY_S = 0.1, 0.25
# The bridge answers within milliseconds; what it has not answered by then it did not get.
ANSWER_WITHIN_S = 2.0
NOTE_FOR_S, WHY_FOR_S = 5.0, 20.0
WISHES = {
    Action.START: "Start",
    Action.PAUSE: "Pause",
    Action.RESUME: "Resume",
    Action.SKIP: "Next",
    Action.EXTEND: "15 seconds more walk",
    Action.UNDO: "Undo",
    Action.STOP: "Stop",
}
UNDOABLE = (Action.PAUSE, Action.SKIP, Action.EXTEND)
ON_GROUND = Style(color=painting.TEXT, bgcolor=painting.GROUND)
TEN = "t"  # there is no key for ten
EFFORT_KEYS = {**{str(digit): float(digit) for digit in range(10)}, TEN: 10.0}


class Asked(Struct, frozen=True):
    """A wish that is on its way; ``rpe`` where it is an effort, which only the state confirms."""

    id: str
    what: str
    at_s: float
    action: Action | None = None
    rpe: float | None = None


class Canvas(Widget):
    """The whole screen, line by line; only lines that have changed are drawn again."""

    DEFAULT_CSS = "Canvas { width: 100%; height: 100%; }"

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[Text] = []

    def show(self, lines: list[Text]) -> None:
        before, self._lines = self._lines, lines
        if len(before) != len(lines):
            self.refresh()
            return
        changed = [y for y, (old, new) in enumerate(zip(before, lines, strict=True)) if old != new]
        if changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def render_line(self, y: int) -> Strip:
        line = self._lines[y] if y < len(self._lines) else Text()
        return Strip(line.render(self.app.console)).adjust_cell_length(self.size.width).apply_style(ON_GROUND)


class Display(App[None]):
    """Shows what a follower that has joined hears, until it is left with q.

    ``following`` holds what went wrong, if anything did.
    """

    CSS = f"Screen {{ background: {painting.GROUND}; }}"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "quit", priority=True, show=False)]

    def __init__(self, follower: Follower, clock: Clock, *, imperial: bool = False) -> None:
        super().__init__()
        self._follower = follower
        self._clock = clock
        self._imperial = imperial
        self._everybody = follower.runner_id == EVERYBODY
        self._board = Board()
        self._board.take(Joined(), clock.now_s())
        # Whose picture fills the screen; None: the board.
        self._scene = None if self._everybody else self._board.scene(follower.runner_id)
        self._canvas = Canvas()
        self.following: asyncio.Task[None] | None = None
        self._asking: set[asyncio.Task[None]] = set()
        # What the keys have led to.
        self._note, self._note_until_s = "", float("-inf")
        self._why_until_s = self._stop_until_s = float("-inf")
        self._asked: dict[str, Asked] = {}
        self._chosen = ""
        self._first = 0

    # -- what is heard --

    def compose(self) -> ComposeResult:
        yield self._canvas

    def on_mount(self) -> None:
        self.following = asyncio.create_task(self._follow(), name="following")
        self.following.add_done_callback(lambda _: self.exit())
        self.set_interval(BOARD_DRAWN_EVERY_S if self._everybody else DRAWN_EVERY_S, self._draw)
        self._draw()

    async def on_unmount(self) -> None:
        for task in (self.following, *self._asking):
            if task is not None:
                task.cancel()

    async def _follow(self) -> None:
        async for happening in self._follower:
            self._take(happening)

    def _take(self, happening: Happening) -> None:
        now_s = self._clock.now_s()
        self._board.take(happening, now_s)
        if self._everybody:
            return
        match happening:
            case Answered(result=result) if result.id in self._asked:
                asked = self._asked.pop(result.id)
                undo = "   u takes it back" if result.ok and asked.action in UNDOABLE else ""
                self._tell(f"{asked.what}: done.{undo}" if result.ok else f"{asked.what}: not done, {result.error}.")
            case Told(state=state):
                for asked in [each for each in self._asked.values() if each.rpe is not None]:
                    if asked.rpe == state.rpe:
                        del self._asked[asked.id]
                        self._tell(f"{asked.what}: noted.")
            case Cued(verdict=verdict):
                # To a display, shown is played.
                self._start(self._follower.acknowledge(happening, played=verdict.play))
        self._draw()

    # -- what is shown --

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        now_s, (width, height) = self._clock.now_s(), self.size
        self._give_up(now_s)
        if self._scene is None:
            self._canvas.show(self._board_lines(now_s, width, height))
            return
        view = self._scene.view(now_s)
        self._canvas.show(
            painting.runner(
                view,
                width,
                height,
                note=self._note if now_s < self._note_until_s else "",
                keys=self._keys(view),
                why=labels.why(view) if now_s < self._why_until_s else "",
                imperial=self._imperial,
            )
        )

    def _board_lines(self, now_s: float, width: int, height: int) -> list[Text]:
        rows = self._board.rows(now_s)
        self._scroll(rows, painting.board_rows(height))
        return painting.board(
            rows,
            width,
            height,
            chosen=self._chosen,
            first=self._first,
            trouble="" if self._board.joined else Link.NO_BROKER.value,
            keys=("↑ ↓ choose", "Enter look", "q quit"),
        )

    def _scroll(self, rows: list[Row], fit: int) -> None:
        """Keeps the chosen runner in sight."""
        names = [row.view.runner_id for row in rows]
        if self._chosen in names:
            at = names.index(self._chosen)
            self._first = min(max(self._first, at - fit + 1), at)
        self._first = max(0, min(self._first, len(rows) - fit))

    def _keys(self, view: View) -> tuple[str, ...]:
        """Those that do something now."""
        if self._everybody:
            return ("Esc back", "w why", "q quit")
        match view.phase:
            case None | Phase.FINISHED:
                return ("q quit",)
            case Phase.WAITING:
                return ("s start", "q quit")
            case Phase.PAUSED:
                return ("space resume", "s s stop", "w why", "u undo", "q quit")
        return (
            "space pause",
            "+ 15 s more walk",
            "n next",
            "s s stop",
            f"0-9 effort, {TEN} ten",
            "w why",
            "u undo",
            "q quit",
        )

    def _tell(self, note: str, for_s: float = NOTE_FOR_S) -> None:
        self._note, self._note_until_s = note, self._clock.now_s() + for_s

    # -- what is asked for --

    def on_key(self, event: events.Key) -> None:
        key = event.character if event.character is not None and event.is_printable else event.key
        if key == "q":
            self.exit()
        elif self._scene is None:
            self._choose(key)
        elif key == "w":
            now_s = self._clock.now_s()
            self._why_until_s = float("-inf") if now_s < self._why_until_s else now_s + WHY_FOR_S
        elif self._everybody:
            if key == "escape":
                self._scene = None
        else:
            self._wish(key, self._scene.view(self._clock.now_s()))
        self._draw()

    def _choose(self, key: str) -> None:
        names = [row.view.runner_id for row in self._board.rows(self._clock.now_s())]
        page = painting.board_rows(self.size.height)
        by = {"up": -1, "down": 1, "pageup": -page, "pagedown": page, "home": -len(names), "end": len(names)}.get(key)
        if by is not None and names:
            at = names.index(self._chosen) + by if self._chosen in names else 0
            self._chosen = names[max(0, min(at, len(names) - 1))]
        elif key == "enter" and self._chosen:
            self._scene = self._board.scene(self._chosen)

    def _wish(self, key: str, view: View) -> None:
        if key in EFFORT_KEYS:
            self._ask(view, f"Effort {EFFORT_KEYS[key]:g}", rpe=EFFORT_KEYS[key])
            return
        paused, waiting = view.phase is Phase.PAUSED, view.phase is Phase.WAITING
        match key:
            case " ":
                action = Action.RESUME if paused else Action.PAUSE
            case "+" | "=":  # the same key on most keyboards
                action = Action.EXTEND
            case "n":
                action = Action.SKIP
            case "u":
                action = Action.UNDO
            case "s" if waiting:
                action = Action.START
            case "s":
                now_s = self._clock.now_s()
                if now_s >= self._stop_until_s:
                    self._stop_until_s = now_s + STOP_CONFIRM_S
                    self._tell("Stop the run? Press s again.", STOP_CONFIRM_S)
                    return
                self._stop_until_s = float("-inf")
                action = Action.STOP
            case _:
                return
        self._ask(view, WISHES[action], action=action)

    def _ask(self, view: View, what: str, *, action: Action | None = None, rpe: float | None = None) -> None:
        """Send it, or say at once that it cannot be."""
        if view.link in (Link.NO_BROKER, Link.OFFLINE):
            self._tell(f"{what}: not sent, {view.link.value}.")
            return
        asked = Asked(secrets.token_hex(4), what, self._clock.now_s(), action, rpe)
        self._asked[asked.id] = asked
        self._tell(f"{what} …")
        self._start(self._send(asked))

    async def _send(self, asked: Asked) -> None:
        if asked.action is not None:
            sent = await self._follower.ask(asked.action, message_id=asked.id)
        else:
            sent = await self._follower.report(asked.rpe or 0.0, message_id=asked.id)
        if not sent and self._asked.pop(asked.id, None) is not None:
            self._tell(f"{asked.what}: not sent, the broker does not answer.")
            self._draw()

    def _give_up(self, now_s: float) -> None:
        """Of what nobody has answered; an effort that changes nothing is not always answered."""
        late = [each for each in self._asked.values() if now_s - each.at_s >= ANSWER_WITHIN_S]
        for asked in late:
            del self._asked[asked.id]
            if asked.action is not None:
                self._tell(f"{asked.what}: no answer from the bridge.")

    def _start(self, doing: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(doing)
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)


async def show(follower: Follower, clock: Clock, *, imperial: bool) -> None:
    """The display, until it is left with q."""
    app = Display(follower, clock, imperial=imperial)
    await app.run_async()
    if app.following is not None:
        with contextlib.suppress(asyncio.CancelledError):
            await app.following
