"""A headset at a broker that plays into a file, for the tests."""

from __future__ import annotations

import asyncio
import contextlib
import wave
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import numpy as np

from hrbridge.clients.follower import Follower
from hrbridge.clients.headset import Headset, listen
from hrbridge.clients.player import Player, Track, open_output
from hrbridge.clients.tones import RATE_HZ, Samples
from hrbridge.clients.voice import Voice
from hrbridge.config import Headset as Settings
from hrbridge.config import Mqtt
from hrbridge.ports import Clock


class Listening:
    """Opened with ``async with listening.to(...)``; times are seconds since the opening."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "heard.wav"

    @contextlib.asynccontextmanager
    async def to(self, port: int, clock: Clock, rendered: Iterable[str] = ()) -> AsyncIterator[Follower]:
        """With these phrases already rendered."""
        track, sound = Track(), Settings()
        player = Player(open_output(str(self.path), track, clock.now_s()), track)
        with Voice(sound) as voice:
            for say in rendered:
                while voice.words(say) is None:
                    pass
            async with Follower(Mqtt(url=f"mqtt://127.0.0.1:{port}"), "alex", "headset", clock) as follower:
                task = asyncio.create_task(listen(follower, Headset(sound), voice, player, clock))
                try:
                    yield follower
                finally:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
        player.close(clock.now_s() + 10)

    @property
    def labels(self) -> list[tuple[float, float, str]]:
        lines = (line.split("\t") for line in self.path.with_suffix(".txt").read_text().splitlines())
        return [(float(begin), float(end), what) for begin, end, what in lines]

    def part(self, begin_s: float, end_s: float) -> Samples:
        with wave.open(str(self.path)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return samples[round(begin_s * RATE_HZ) : round(end_s * RATE_HZ)]
