"""Words into sound: by espeak-ng or any other program, rendered ahead in a thread and kept.

The program is given the words on standard input, and in place of ``{text}`` in
its arguments; its wav is read from the file in place of ``{wav}``, or from
standard output.
"""

from __future__ import annotations

import itertools
import logging
import queue
import shutil
import subprocess
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from hrbridge.clients.tones import PEAK, RATE_HZ, Samples, as_samples, silence
from hrbridge.config import Headset
from hrbridge.errors import UsageError

log = logging.getLogger(__name__)

# Six minutes of speech: more than the phrases of any plan, and little for 512 MB.
MAX_KEPT_BYTES = 16 * 2**20
# espeak-ng takes 15 ms on a PC and a neural voice some seconds on a Pi; one that takes longer has got stuck.
RENDER_TIMEOUT_S = 10.0
# Whoever presses Ctrl-C does not wait for the words.
LEAVE_WITHIN_S = 1.0
# A cue has a few words; what is longer would be in the way of the next.
MAX_CHARACTERS = 300
MAX_WORDS_S = 15.0
# What waits to be rendered ahead; the rest is rendered when it is needed.
MAX_AHEAD = 64
# Below this part of its loudest moment speech has not begun, or is over.
SILENT_SHARE = 0.01
# So much of that silence stays at the end, for the breath before the next.
BREATH_S = 0.1

NOTHING = silence(0)
_END, _NEEDED_NOW, _AHEAD, _NEVER = range(4)


class Voice:
    """Opened with ``with``; without its program it says so once, and every phrase is silence."""

    def __init__(self, settings: Headset) -> None:
        try:
            import miniaudio
        except ImportError as error:
            raise UsageError("a headset needs miniaudio: pip install 'hrbridge[headset]'") from error
        self._miniaudio = miniaudio
        self._command = settings.command or (
            "espeak-ng",
            "--stdin",
            "--stdout",
            *("-v", settings.voice),
            *("-s", str(settings.words_per_minute)),
        )
        self._mute = shutil.which(self._command[0]) is None
        if self._mute:
            remedy = "check [headset] command" if settings.command else "apt install espeak-ng"
            log.warning("%s is not installed: tones without words; %s", self._command[0], remedy)
        self._kept: OrderedDict[str, Samples] = OrderedDict()
        self.kept_bytes = 0
        self._asked: dict[str, int] = {}
        self._failed: set[str] = set()
        self._told: set[str] = set()
        self._lock = threading.Lock()
        self._queue: queue.PriorityQueue[tuple[int, int, str]] = queue.PriorityQueue()
        self._order = itertools.count()

    def __enter__(self) -> Voice:
        self._folder = tempfile.TemporaryDirectory(prefix="hrbridge-voice-")
        self._thread = threading.Thread(target=self._work, name="voice", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._queue.put((_END, 0, ""))
        self._thread.join(LEAVE_WITHIN_S)
        self._folder.cleanup()

    def words(self, text: str) -> Samples | None:
        """The phrase as sound, at once; None while it is being rendered. Empty where that failed."""
        if self._mute or not text.strip():
            return NOTHING
        with self._lock:
            if text in self._kept:
                self._kept.move_to_end(text)
                return self._kept[text]
            if text in self._failed:
                self._failed.remove(text)
                return NOTHING
            self._ask(text, _NEEDED_NOW)
            return None

    def prepare(self, texts: Iterable[str]) -> None:
        """Render these when there is time."""
        with self._lock:
            for text in texts:
                wanted = text not in self._kept and text not in self._failed
                if wanted and not self._mute and len(self._asked) < MAX_AHEAD:
                    self._ask(text, _AHEAD)

    def _ask(self, text: str, urgency: int) -> None:
        if self._asked.get(text, _NEVER) > urgency:
            self._asked[text] = urgency
            self._queue.put((urgency, next(self._order), text))

    def _work(self) -> None:
        while True:
            urgency, _, text = self._queue.get()
            if urgency == _END:
                return
            with self._lock:
                done = text not in self._asked
            if done:  # asked for twice: ahead, and when it was needed
                continue
            try:
                samples = self._render(text)
            except _CannotSpeak as error:
                self._complain(str(error))
                with self._lock:
                    del self._asked[text]
                    self._failed.add(text)
                    if len(self._failed) > MAX_AHEAD:
                        self._failed.pop()
                continue
            with self._lock:
                del self._asked[text]
                self._keep(text, samples)

    def _keep(self, text: str, samples: Samples) -> None:
        self._kept[text] = samples
        self.kept_bytes += samples.nbytes
        while self.kept_bytes > MAX_KEPT_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self.kept_bytes -= oldest.nbytes

    def _render(self, text: str) -> Samples:
        # A first word with a hyphen would be an option of the program.
        spoken = " ".join(text.split()).lstrip("- ")[:MAX_CHARACTERS]
        wav = Path(self._folder.name) / "words.wav"
        command = [part.replace("{wav}", str(wav)).replace("{text}", spoken) for part in self._command]
        try:
            done = subprocess.run(  # noqa: S603 - the runner's own program
                command, input=spoken.encode(), capture_output=True, timeout=RENDER_TIMEOUT_S, check=False
            )
            sound = wav.read_bytes() if any("{wav}" in part for part in self._command) else done.stdout
        except OSError as error:
            raise _CannotSpeak(f"{command[0]}: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:  # its own text has the words in it, and they may be a heart rate
            raise _CannotSpeak(f"{command[0]} takes longer than {RENDER_TIMEOUT_S:g} s") from error
        finally:
            wav.unlink(missing_ok=True)
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise _CannotSpeak(f"{command[0]} ended with {done.returncode}: {said[0] if said else 'no word why'}")
        return self._trimmed(sound)

    def _trimmed(self, wav: bytes) -> Samples:
        """One channel, without the silence around it, and as loud as the tones."""
        miniaudio = self._miniaudio
        try:
            decoded = miniaudio.decode(wav, miniaudio.SampleFormat.SIGNED16, 1, RATE_HZ)
        except miniaudio.DecodeError as error:
            raise _CannotSpeak(f"{self._command[0]} gave no wav") from error
        wave = np.frombuffer(decoded.samples, np.int16)[: round(MAX_WORDS_S * RATE_HZ)] / 32_768
        loudness = np.abs(wave)
        peak = loudness.max(initial=0.0)
        if peak == 0:
            return NOTHING
        loud = np.flatnonzero(loudness >= SILENT_SHARE * peak)
        return np.concatenate([as_samples(PEAK / peak * wave[loud[0] : loud[-1] + 1]), silence(BREATH_S)])

    def _complain(self, complaint: str) -> None:
        """Once of each kind."""
        if complaint not in self._told and len(self._told) < MAX_AHEAD:
            self._told.add(complaint)
            log.warning("the voice fails: %s", complaint)


class _CannotSpeak(Exception):
    """Why a phrase could not be rendered."""
