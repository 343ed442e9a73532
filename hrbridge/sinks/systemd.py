"""A sink that tells systemd how its service is: ready, alive, waiting or running, about to stop.

The sign of life goes out with each second that has passed through the loop,
never by a timer of its own: what hangs anywhere on the way of a heartbeat is
noticed. A line of text on a socket (sd_notify(3)) needs no library.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Self

from hrbridge.decisions import Phase, Step, Trust
from hrbridge.events import Tick


class Systemd:
    """Opened with ``with`` when all else is open; ``address`` is what systemd calls NOTIFY_SOCKET.

    Ready is the first second that was stepped. What systemd shows of a service
    every user of the machine may read: no number of a heart is in it.
    """

    def __init__(self, address: str) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._tell("STOPPING=1", "STATUS=Stopping.")
        self._socket.close()

    def take(self, step: Step) -> None:
        if isinstance(step.event, Tick):
            self._tell("READY=1", f"STATUS={in_words(step)}", "WATCHDOG=1")

    def _tell(self, *news: str) -> None:
        # All is said anew a second later, also to a systemd that was just being replaced.
        with contextlib.suppress(OSError):
            self._socket.sendto("\n".join(news).encode(), self._address)


def in_words(step: Step) -> str:
    """What the session is doing."""
    heard = step.estimate.trust is not Trust.NONE
    match step.phase:
        case Phase.WAITING:
            return "Waiting for the start." if heard else "Waiting for the strap."
        case Phase.PAUSED:
            return "Paused."
        case Phase.FINISHED:
            return "Finished."
        case _:
            return "Running." if heard else "Running by the clock, without heart rate."
