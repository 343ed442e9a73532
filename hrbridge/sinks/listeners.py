"""Who listens to the cues: births, wills and acknowledgements of headsets and displays, and a word when nobody does.

What they report goes to ``state`` and to the log, never to the controller:
decisions do not depend on who listens.
"""

from __future__ import annotations

import logging

from msgspec import Struct

from hrbridge import messages
from hrbridge.messages import CueAck, RefusedInputError
from hrbridge.ports import Clock

log = logging.getLogger(__name__)

# A headset that comes back over Wi-Fi, or starts together with the bridge, needs about as long.
NOBODY_AFTER_S = 5.0
# A birth that the broker kept may be that of a headset which died with it: no will is ever sent for that one.
MAX_UNANSWERED = 5
# Births are kept by the broker and may come from anybody: more are not counted.
MAX_CLIENTS = 64
MAX_NAME = 64  # characters


class _Listener(Struct):
    """``unanswered``: cues since a birth that is not known to be fresh; None once it has shown to be alive."""

    unanswered: int | None

    @property
    def counts(self) -> bool:
        return self.unanswered is None or self.unanswered < MAX_UNANSWERED


class Listeners:
    """The clients of one runner; ``len()`` is how many are believed to be there."""

    def __init__(self, base: str, clock: Clock) -> None:
        self._base = base
        self._clock = clock
        self._clients: dict[str, _Listener] = {}
        self._alone_since_s = float("inf")
        self._told = False

    def __len__(self) -> int:
        return sum(client.counts for client in self._clients.values())

    def connected(self) -> None:
        """The broker begins to tell who is there; what was known may have changed meanwhile."""
        self._clients.clear()
        self._alone_since_s = self._clock.now_s()

    def disconnected(self) -> None:
        """Nobody can know who is there."""
        self._alone_since_s = float("inf")

    def begin(self) -> None:
        """A session begins: whoever runs it is told again."""
        self._told = False

    def hear_status(self, name: str, payload: bytes, *, kept: bool) -> None:
        """A birth or a will; ``kept``: by the broker, nobody knows since when."""
        if payload != messages.ONLINE:
            self._clients.pop(name, None)
        elif len(name) <= MAX_NAME and (name in self._clients or len(self._clients) < MAX_CLIENTS):
            self._clients[name] = _Listener(unanswered=0 if kept else None)
        self._noticed(name)

    def hear_ack(self, payload: bytes) -> CueAck | None:
        """What became of a cue; None for one that cannot be read."""
        try:
            ack = messages.decode_ack(payload)
        except RefusedInputError as refusal:
            log.debug("%s/%s: passed over: %s", self._base, messages.CUE_ACK.name, refusal)
            return None
        log.debug("cue %d of %s: %s by %r, %s ms old %s", ack.seq, ack.sid, ack.result, ack.client, ack.age_ms, ack.why)
        client = self._clients.get(ack.client)
        if client is not None:
            client.unanswered = None
            self._noticed(ack.client)
        return ack

    def sent_cue(self) -> None:
        """A cue has gone out, which a headset acknowledges."""
        for name, client in self._clients.items():
            if client.unanswered is not None and client.counts:
                client.unanswered += 1
                if not client.counts:
                    log.info("%s: client %r has left %d cues unanswered: not counted", self._base, name, MAX_UNANSWERED)
        self._noticed("")

    def watch(self) -> None:
        """Say, once, that nobody hears the cues; to be asked every second or so while somebody runs."""
        if not self._told and self._clock.now_s() - self._alone_since_s >= NOBODY_AFTER_S:
            self._told = True
            log.warning(
                "no headset is listening to %s/%s: nobody hears the cues; start one, on this broker, for this runner",
                self._base,
                messages.CUE.name,
            )

    def _noticed(self, name: str) -> None:
        """Somebody came or went."""
        alone = len(self) == 0
        if alone and self._alone_since_s == float("inf"):
            self._alone_since_s = self._clock.now_s()
        elif not alone:
            self._alone_since_s = float("inf")
            if self._told:
                self._told = False
                log.info("%s: %r is listening now", self._base, name)
