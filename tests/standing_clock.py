"""An event loop whose time stands still while anybody works, and leaps to the next appointment when all wait.

So hours of a live run pass in seconds, over real sockets and real processes,
and a busy machine changes nothing: however long dbus-daemon or mosquitto take
for an answer, it comes within the same moment. ``peers`` are the processes
that are waited for: one that is awake still has something to say, one that
sleeps has read all that was sent to it, for on one machine a packet wakes its
receiver before the sender goes on.

Time does not leap over threads either (connecting, DNS). It does over what
others do by their own clocks: mosquitto's keepalive, wills and expiry run in
real seconds and hardly ever happen here.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

# How long a look at the sockets lasts while a peer or a thread works.
LOOK_S = 0.0005
# All the time that work takes: not quite none, or whoever waits for a moment that has nearly come would wait for ever.
STEP_S = 1e-9
# A peer that burns its CPU for ever is none to wait for.
STUCK_AFTER_LOOKS = 40_000


class _Selector(selectors.DefaultSelector):
    """Tells of what can be read and written; with nothing to tell and nobody at work, ``time_s`` leaps."""

    def __init__(self) -> None:
        super().__init__()
        self.time_s = 0.0
        self.peers: dict[int, Path] = {}
        self.threads_at_work = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.time_s += STEP_S
        events = super().select(0)
        if events or timeout == 0:
            return events
        for _ in range(STUCK_AFTER_LOOKS):
            at_work = self.threads_at_work or self._peers_at_work()
            # Again after the question: the last word of somebody who has just fallen asleep.
            events = super().select(LOOK_S if at_work else 0)
            if events:
                return events
            if not at_work:
                break
        else:
            raise RuntimeError("somebody works without end: time cannot go on")
        if timeout is None:
            return super().select(LOOK_S)
        self.time_s += timeout
        return []

    def _peers_at_work(self) -> bool:
        """By proc(5): one that is stopped does nothing."""
        for pid, stat in tuple(self.peers.items()):
            try:
                state = stat.read_text().rpartition(")")[2].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                del self.peers[pid]
                continue
            if state not in "STtZX":
                return True
        return False


class Loop(asyncio.SelectorEventLoop):
    """``time`` begins at 0. ``troubles`` is what nobody caught."""

    def __init__(self) -> None:
        self._standing = _Selector()
        super().__init__(self._standing)
        self.troubles: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _loop, context: self.troubles.append(context))

    def time(self) -> float:
        return self._standing.time_s

    def now_s(self) -> float:
        """As ports.Clock."""
        return self._standing.time_s

    def leap(self, for_s: float) -> None:
        """As if this process had stood still for so long."""
        self._standing.time_s += for_s

    def wait_for_peer(self, pid: int) -> None:
        """Time stands still while this process is awake; one that has ended needs not be taken back."""
        self._standing.peers[pid] = Path(f"/proc/{pid}/stat")

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        self._standing.threads_at_work += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _future: object) -> None:
        self._standing.threads_at_work -= 1

    async def shutdown_default_executor(self, *args: Any) -> None:
        """By a thread of its own, which is waited for."""
        self._standing.threads_at_work += 1
        await super().shutdown_default_executor(*args)
        self._standing.threads_at_work -= 1


def run(main: Callable[[Loop], Coroutine[Any, Any, T]]) -> tuple[T, Loop]:
    """The result of ``main`` and the loop it ran in, closed."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, Loop)
        return runner.run(main(loop)), loop
