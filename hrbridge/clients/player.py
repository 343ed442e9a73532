"""Plays what it is given, one thing after the other: to the sound card, to nobody, or into a file.

A Bluetooth headset that has heard nothing for a while sleeps, and swallows what
comes while it wakes: after a silence every sound is preceded by a primer of
faint noise. While nothing is to be heard the card rests, so that a sound server
that lowers music for us brings it back, and the headset may sleep.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import wave
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from msgspec import Struct

from hrbridge.clients.tones import RATE_HZ, Samples, silence
from hrbridge.errors import OutputError, UsageError

log = logging.getLogger(__name__)

# Sound servers let go of a Bluetooth headset after 5 s of silence; before that it needs no primer.
AWAKE_S = 4.0
# Of full scale, -60 dB: digital silence would let some headsets sleep on, and nobody hears this.
PRIMER_PEAK = 0.001
# Short enough to give way at once, long enough not to click.
FADE_S = 0.02
# The card asks for so much at a time, and holds three of them: what begins while it is awake begins that much later.
PERIOD_S = 0.025
# A file is written in pieces of so much: hours of silence need no memory.
PIECE_S = 1.0


class Output(Protocol):
    """Where the sound goes: it takes from a track what is heard as time passes."""

    def until(self, now_s: float) -> None:
        """It is ``now_s``: what was to be heard until then has been."""

    def resume(self) -> None: ...

    def rest(self) -> None: ...

    def tell(self, begin_s: float, end_s: float, what: str) -> None:
        """``what`` was heard from ``begin_s`` to ``end_s``."""

    def close(self) -> None: ...


class Track:
    """What is still to be heard, sample after sample; silence when there is nothing. Filled and read by two threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces: deque[Samples] = deque()

    def append(self, samples: Samples) -> None:
        with self._lock:
            if len(samples):
                self._pieces.append(samples)

    def cut(self) -> None:
        """Fade out, and forget the rest."""
        with self._lock:
            rest = self._take(round(FADE_S * RATE_HZ))
            self._pieces.clear()
            if len(rest):
                self._pieces.append((rest * np.linspace(1.0, 0.0, len(rest))).astype(np.int16))

    def clear(self) -> None:
        with self._lock:
            self._pieces.clear()

    @property
    def is_empty(self) -> bool:
        with self._lock:
            return not self._pieces

    def read(self, frames: int) -> Samples:
        with self._lock:
            taken = self._take(frames)
        return np.concatenate([taken, np.zeros(frames - len(taken), np.int16)])

    def _take(self, frames: int) -> Samples:
        taken = []
        while frames > 0 and self._pieces:
            piece = self._pieces.popleft()
            taken.append(piece[:frames])
            if len(piece) > frames:
                self._pieces.appendleft(piece[frames:])
            frames -= len(taken[-1])
        return np.concatenate(taken) if taken else silence(0)


class OnAir(Struct, frozen=True):
    begin_s: float
    end_s: float
    what: str


class Player:
    """Never two at once; times are those of the caller's clock."""

    def __init__(self, output: Output, track: Track, *, volume_percent: float = 100.0, primer_s: float = 0.7) -> None:
        self._output = output
        self._track = track
        self._volume = volume_percent / 100
        self._primer = _noise(primer_s)
        self._until_s = self._woken_s = float("-inf")
        self._rests = True
        self._on_air: deque[OnAir] = deque()

    def play(self, samples: Samples, what: str, now_s: float) -> float:
        """After what is still to be heard; returns when it will have been."""
        self.wake(now_s)
        return self._append((samples * self._volume).astype(np.int16), what, now_s)

    def wake(self, now_s: float) -> None:
        """Something is to come: begin to wake a headset that sleeps, keep one awake that does not."""
        self.tend(now_s)
        self._woken_s = now_s
        if self._rests:
            self._append(self._primer, "primer", now_s)

    def cut(self, now_s: float) -> None:
        """What is heard fades out, what was to follow is forgotten."""
        self._output.until(now_s)
        self._until_s = min(self._until_s, now_s + FADE_S)
        self._track.cut()
        while self._on_air and self._on_air[-1].begin_s >= now_s:
            self._on_air.pop()
        if self._on_air:
            cut = self._on_air.pop()
            self._on_air.append(OnAir(cut.begin_s, min(cut.end_s, self._until_s), cut.what))

    def tend(self, now_s: float) -> None:
        """Let the card rest when it has been silent for long."""
        self._output.until(now_s)
        while self._on_air and self._on_air[0].end_s <= now_s:
            heard = self._on_air.popleft()
            self._output.tell(heard.begin_s, heard.end_s, heard.what)
        if not self._rests and now_s >= self.rests_at_s:
            self._rests = True
            self._output.rest()

    @property
    def rests_at_s(self) -> float:
        """When ``tend`` is next of use; infinity while the card rests."""
        return float("inf") if self._rests else max(self._until_s, self._woken_s) + AWAKE_S

    def close(self, now_s: float) -> None:
        self.cut(now_s)
        self.tend(now_s + FADE_S)
        self._output.close()

    def _append(self, samples: Samples, what: str, now_s: float) -> float:
        begin_s = max(now_s, self._until_s)
        self._until_s = begin_s + len(samples) / RATE_HZ
        self._track.append(samples)
        if len(samples):
            self._on_air.append(OnAir(begin_s, self._until_s, what))
        if self._rests:
            self._rests = False
            self._output.resume()
        return self._until_s


def _noise(for_s: float) -> Samples:
    noise = np.random.default_rng(1).uniform(-PRIMER_PEAK, PRIMER_PEAK, round(for_s * RATE_HZ))
    return np.round(noise * 32_767).astype(np.int16)


def open_output(output: str, track: Track, now_s: float, *, device: str = "") -> Output:
    """``auto``: the sound card; ``null``: nobody; else the name of a .wav file. Raises OutputError, UsageError."""
    if output in ("auto", "null"):
        return Card(track, device, silent=output == "null")
    if not output.lower().endswith(".wav"):
        raise UsageError(f"--output {output}: allowed: auto, null, or a file that ends in .wav")
    return WavFile(Path(output), track, now_s)


class WavFile:
    """Exactly what would have been heard, from ``now_s`` on; beside it a ``.txt`` of what was heard when.

    Its lines are those of Audacity's label tracks: begin and end in seconds and
    a label, parted by tabs. An hour has 159 MB.
    """

    def __init__(self, path: Path, track: Track, now_s: float) -> None:
        self._track = track
        self._began_s = now_s
        self._frames = 0
        try:
            self._labels = path.with_suffix(".txt").open("w", encoding="utf-8", buffering=1)
            self._file = wave.open(str(path), "wb")  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
        self._file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))

    def until(self, now_s: float) -> None:
        due = round((now_s - self._began_s) * RATE_HZ) - self._frames
        while due > 0:
            frames = min(due, round(PIECE_S * RATE_HZ))
            try:
                self._file.writeframesraw(self._track.read(frames).tobytes())
            except OSError as error:
                raise OutputError(f"the sound file cannot be written: {error.strerror}") from error
            self._frames += frames
            due -= frames

    def resume(self) -> None:
        pass

    def rest(self) -> None:
        pass

    def tell(self, begin_s: float, end_s: float, what: str) -> None:
        self._labels.write(f"{begin_s - self._began_s:.3f}\t{end_s - self._began_s:.3f}\t{what}\n")

    def close(self) -> None:
        self._file.close()
        self._labels.close()


class Card:
    """The sound card through miniaudio (PulseAudio, PipeWire's, ALSA); ``silent``: a clock that nobody hears.

    ``device``: part of its name, empty: the default one. Starting and stopping
    may take as long as a sound server likes, so a thread does it. One that went
    away is opened again at the next sound.
    """

    def __init__(self, track: Track, device: str = "", *, silent: bool = False) -> None:
        try:
            import miniaudio
        except ImportError as error:
            raise UsageError("a headset needs miniaudio: pip install 'hrbridge[headset]'") from error
        self._miniaudio = miniaudio
        self._track = track
        self._name = device
        self._silent = silent
        # PulseAudio and PipeWire lower music (or not, as they are configured) for a stream with this role.
        os.environ.setdefault("PULSE_PROP", "media.role=announce")
        self._thread = ThreadPoolExecutor(1, "sound card")
        self._said = False
        self._device: Any = self._open()

    def until(self, now_s: float) -> None:
        pass

    def tell(self, begin_s: float, end_s: float, what: str) -> None:
        pass

    def resume(self) -> None:
        self._thread.submit(self._start)

    def rest(self) -> None:
        left_over = not self._track.is_empty
        self._track.clear()
        self._thread.submit(self._stop, left_over)

    def close(self) -> None:
        self._thread.submit(self._close)
        self._thread.shutdown()

    def _open(self) -> Any:
        miniaudio = self._miniaudio
        backends = [miniaudio.Backend.NULL] if self._silent else None
        with _without_noise():
            try:
                device_id = self._find(miniaudio.Devices().get_playbacks()) if self._name else None
                device = miniaudio.PlaybackDevice(
                    miniaudio.SampleFormat.SIGNED16,
                    1,
                    RATE_HZ,
                    round(1000 * PERIOD_S),
                    device_id,
                    3,
                    backends,
                    # On Linux it stands for "leave the priority alone"; to raise it a service is not allowed.
                    miniaudio.ThreadPriority.IDLE if sys.platform == "linux" else miniaudio.ThreadPriority.HIGHEST,
                )
            except miniaudio.MiniaudioError as error:
                raise OutputError(f"no sound card: {_NO_CARD}") from error
        if device.backend == "Null" and not self._silent:
            device.close()
            raise OutputError(f"no sound card: {_NO_CARD}")
        device.stop_callback = lambda: None  # without one miniaudio does not notice that a device has stopped
        return device

    def _find(self, cards: list[dict[str, Any]]) -> Any:
        for card in cards:
            if self._name.lower() in card["name"].lower():
                return card["id"]
        names = ", ".join(f'"{card["name"]}"' for card in cards) or "none"
        raise OutputError(f'[headset] device: no sound card is called "{self._name}"; there are: {names}')

    def _start(self) -> None:
        try:
            try:
                self._run()
            except self._miniaudio.MiniaudioError:  # its sound server was started anew
                self._close()
                self._run()
            self._said = False
        except self._miniaudio.MiniaudioError:
            self._track.clear()
            self._lose("the sound card does not start")
        except OutputError as error:
            self._track.clear()
            self._lose(str(error))

    def _run(self) -> None:
        if self._device is None:
            self._device = self._open()
        if not self._device.running:
            self._device.callback_generator = None
            feed = self._feed()
            next(feed)
            self._device.start(feed)

    def _stop(self, left_over: bool) -> None:
        if left_over:
            self._lose("the sound card has stopped")
            return
        try:
            if self._device is not None:
                self._device.stop()
        except self._miniaudio.MiniaudioError:
            self._lose("the sound card does not stop")

    def _lose(self, why: str) -> None:
        self._close()
        if not self._said:
            self._said = True
            log.warning("%s; it is tried again with the next sound", why)

    def _close(self) -> None:
        if self._device is not None:
            self._device.close()
            self._device = None

    def _feed(self) -> Generator[bytes, int, None]:
        frames = yield b""
        while True:
            frames = yield self._track.read(frames).tobytes()


_NO_CARD = "plug one in or start PulseAudio or PipeWire; --output FILE.wav writes what would be heard"


@contextlib.contextmanager
def _without_noise() -> Iterator[None]:
    """ALSA tells standard error about every card that it does not find."""
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
