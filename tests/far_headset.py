"""A headset behind a bad network, as a process: prints what it would play, one JSON object a line.

``python far_headset.py HOST PORT KEEPALIVE_S STEP_S``: its clock is 37 s off,
and steps by ``STEP_S`` when it is sent SIGUSR1. A second guard looks after
``state``, whose phase it says once when the link is new or was silent.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time

import aiomqtt

from hrbridge.clients.guard import CueGuard

HOST, PORT, KEEPALIVE_S, STEP_S = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
BASE = "hrbridge/alex/"
LINK_LOST_S = 8.0
STATE_TTL_S = 5.0


class Headset:
    """One life, over all its connections."""

    def __init__(self) -> None:
        self.ahead_s = 37.0
        self.cues, self.states = CueGuard(), CueGuard()
        self.behind = True
        self.heard_s = time.monotonic()

    def step(self) -> None:
        self.ahead_s += STEP_S

    def hear(self, message: aiomqtt.Message) -> None:
        real_s = time.monotonic()
        now_s = real_s + self.ahead_s
        said = json.loads(bytes(message.payload))
        name = str(message.topic).removeprefix(BASE)
        if name == "cue":
            verdict = self.cues.accept(said, now_s, message.retain)
            self.tell(real_s, said, what="cue", played=verdict.play, why=verdict.why)
        else:
            self.cues.observe(said["sid"], said["ts_ms"], now_s)
        if name != "state":
            self.states.observe(said["sid"], said["ts_ms"], now_s)
            return
        self.behind |= real_s - self.heard_s > LINK_LOST_S
        self.heard_s = real_s
        if self.states.accept({**said, "ttl_s": STATE_TTL_S}, now_s, message.retain).play and self.behind:
            self.behind = False
            self.tell(real_s, said, what="phase", played=True, phase=said["phase"])

    def tell(self, real_s: float, said: dict[str, object], **what: object) -> None:
        print(json.dumps({"heard_s": real_s, "ts_ms": said["ts_ms"], **what}), flush=True)

    async def live(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self.step)
        while True:
            try:
                async with aiomqtt.Client(HOST, PORT, keepalive=KEEPALIVE_S, timeout=2) as client:
                    for name in ("cue", "state", "heart_rate"):
                        await client.subscribe(BASE + name, qos=1)
                    self.behind = True
                    print(json.dumps({"what": "listening"}), flush=True)
                    async for message in client.messages:
                        self.hear(message)
            except aiomqtt.MqttError:
                await asyncio.sleep(0.2)


asyncio.run(Headset().live())
