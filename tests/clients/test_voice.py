"""Words into sound: by espeak-ng, by any other program, or, when there is none, not at all and said so."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hrbridge.clients import voice as voices
from hrbridge.clients.tones import PEAK, RATE_HZ, Samples
from hrbridge.clients.voice import NOTHING, Voice
from hrbridge.config import Headset

RUN = "Run four minutes."
# Writes a second of 440 Hz at 16 kHz in silence of half a second, and beside it what it was asked to say.
FLUTE = """
import math, struct, sys, wave
wav, heard, text = sys.argv[1:]
open(heard, "w").write(text + "|" + sys.stdin.read())
with wave.open(wav, "wb") as file:
    file.setparams((1, 2, 16000, 0, "NONE", ""))
    tune = [round(9000 * math.sin(2 * math.pi * 440 * n / 16000)) for n in range(16000)]
    file.writeframes(bytes(16000) + struct.pack("<16000h", *tune) + bytes(16000))
"""


@pytest.fixture
def espeak(needs_tool: Callable[[str], str]) -> Headset:
    needs_tool("espeak-ng")
    return Headset()


def spoken(voice: Voice, text: str) -> Samples:
    """The phrase once it has been rendered."""
    end_s = time.monotonic() + 5
    while (samples := voice.words(text)) is None:
        assert time.monotonic() < end_s
    return samples


def octaves(samples: Samples) -> int:
    """In how many octaves from 125 Hz to 8 kHz there is 1 % of the power or more: one or two for a tone."""
    power = np.abs(np.fft.rfft(samples / 32_768)) ** 2
    frequency_hz = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    bands = [power[(low_hz <= frequency_hz) & (frequency_hz < 2 * low_hz)].sum() for low_hz in 125 * 2 ** np.arange(6)]
    return int(np.sum(np.array(bands) >= 0.01 * power.sum()))


def test_a_phrase_is_speech_of_its_length(espeak: Headset):
    with Voice(espeak) as voice:
        samples = spoken(voice, RUN)
    assert 0.7 < len(samples) / RATE_HZ < 1.6
    assert octaves(samples) >= 3


def test_more_words_take_longer(espeak: Headset):
    with Voice(espeak) as voice:
        assert len(spoken(voice, "Still 148. Fifteen more seconds of walking.")) > 1.7 * len(spoken(voice, RUN))


def test_it_speaks_as_fast_as_it_is_asked_to(espeak: Headset):
    with Voice(espeak) as usual, Voice(Headset(words_per_minute=330)) as hasty:
        assert len(spoken(hasty, RUN)) < 0.75 * len(spoken(usual, RUN))


def test_it_begins_at_once_and_as_loud_as_the_tones(espeak: Headset):
    with Voice(espeak) as voice:
        samples = np.abs(spoken(voice, RUN)) / 32_767
    assert samples[: RATE_HZ // 50].max() > 0.005
    assert samples.max() == pytest.approx(PEAK, abs=0.01)


def test_what_was_prepared_is_there_at_once(espeak: Headset):
    with Voice(espeak) as voice:
        voice.prepare([RUN])
        end_s = time.monotonic() + 5
        while voice.kept_bytes == 0:
            assert time.monotonic() < end_s
        assert voice.words(RUN) is not None


def test_the_words_needed_now_are_rendered_before_those_prepared(espeak: Headset):
    ahead = [f"Still {bpm}." for bpm in range(120, 160)]
    with Voice(espeak) as voice:
        voice.prepare(ahead)
        spoken(voice, RUN)
        assert voice.words(ahead[-1]) is None


def test_what_it_keeps_is_bounded(espeak: Headset, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(voices, "MAX_KEPT_BYTES", 100_000)
    with Voice(espeak) as voice:
        for bpm in range(120, 130):
            spoken(voice, f"Still {bpm}.")
        assert voice.kept_bytes <= 100_000
        assert voice.words("Still 129.") is not None
        assert voice.words("Still 120.") is None


def test_words_that_look_like_an_option_are_words(espeak: Headset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with Voice(Headset(command=("espeak-ng", "--stdout", "{text}"))) as voice:
        assert len(spoken(voice, "-wowned.wav")) > 0
    assert list(tmp_path.iterdir()) == []


def test_another_program_gets_the_words_and_gives_a_wav_of_any_rate(tmp_path: Path):
    (tmp_path / "flute.py").write_text(FLUTE)
    heard = tmp_path / "heard"
    command = (sys.executable, str(tmp_path / "flute.py"), "{wav}", str(heard), "{text}")
    with Voice(Headset(command=command)) as voice:
        samples = spoken(voice, RUN)
    assert heard.read_text() == f"{RUN}|{RUN}"
    assert len(samples) / RATE_HZ == pytest.approx(1.1, abs=0.02)
    assert octaves(samples) == 1


@pytest.mark.parametrize(
    ("program", "complaint"),
    [
        ("import sys; sys.exit('no model')", "ended with 1: no model"),
        ("pass", "gave no wav"),
        ("print('no wav')", "gave no wav"),
    ],
)
def test_a_program_that_fails_is_told_of_once_and_the_tone_stands_alone(
    program: str, complaint: str, caplog: pytest.LogCaptureFixture
):
    with Voice(Headset(command=(sys.executable, "-c", program))) as voice:
        assert len(spoken(voice, RUN)) == 0
        assert len(spoken(voice, RUN)) == 0
    assert [complaint in record.getMessage() for record in caplog.records] == [True]


def test_a_program_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr(voices, "RENDER_TIMEOUT_S", 0.1)
    with Voice(Headset(command=(sys.executable, "-c", "import threading; threading.Event().wait()"))) as voice:
        assert len(spoken(voice, RUN)) == 0
    assert "takes longer than 0.1 s" in caplog.text


def test_without_espeak_the_remedy_is_named_and_nothing_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with caplog.at_level(logging.WARNING), Voice(Headset()) as voice:
        assert voice.words(RUN) is NOTHING
    assert "apt install espeak-ng" in caplog.text


def test_nothing_to_say_is_nothing(espeak: Headset):
    with Voice(espeak) as voice:
        assert voice.words(" ") is NOTHING
