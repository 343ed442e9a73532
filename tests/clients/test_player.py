"""What comes out of the headset: the file holds exactly what would have been heard, sample for sample."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from hrbridge.clients.player import AWAKE_S, FADE_S, PRIMER_PEAK, Player, Track, open_output
from hrbridge.clients.tones import RATE_HZ, Samples
from hrbridge.errors import OutputError, UsageError

# Half a second, as loud as can be: easy to find again.
LOUD = np.full(RATE_HZ // 2, 30_000, np.int16)
PRIMER_S = 0.7


class Recording:
    """A player into a file, whose clock is in the hand of the test."""

    def __init__(self, folder: Path, **settings: float) -> None:
        self.path = folder / "heard.wav"
        track = Track()
        self.player = Player(open_output(str(self.path), track, 100.0), track, **settings)

    def close(self, now_s: float) -> None:
        self.player.close(now_s)
        with wave.open(str(self.path)) as file:
            self.samples: Samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)

    def part(self, begin_s: float, end_s: float) -> Samples:
        """What was heard from ``begin_s`` to ``end_s`` after the opening."""
        return self.samples[round(begin_s * RATE_HZ) : round(end_s * RATE_HZ)]

    @property
    def labels(self) -> list[tuple[float, float, str]]:
        lines = (line.split("\t") for line in self.path.with_suffix(".txt").read_text().splitlines())
        return [(float(begin), float(end), what) for begin, end, what in lines]


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return Recording(tmp_path)


def test_after_silence_a_primer_of_faint_noise_comes_first(recording: Recording):
    recording.player.play(LOUD, "run", 101.0)
    recording.close(103.0)
    primer = recording.part(1.0, 1.0 + PRIMER_S)
    assert 0 < np.abs(primer).max() / 32_768 < 1.1 * PRIMER_PEAK
    assert np.count_nonzero(primer) > 0.9 * len(primer)
    assert recording.part(1.7, 2.2).tolist() == LOUD.tolist()


def test_before_it_there_was_silence(recording: Recording):
    recording.player.play(LOUD, "run", 101.0)
    recording.close(103.0)
    assert not recording.part(0.0, 1.0).any()


def test_a_headset_that_is_awake_needs_no_primer(recording: Recording):
    recording.player.play(LOUD, "run", 101.0)
    assert recording.player.play(LOUD, "run", 105.0) == 105.5
    recording.close(107.0)
    assert [what for _, _, what in recording.labels] == ["primer", "run", "run"]


def test_after_four_seconds_it_sleeps_again(recording: Recording):
    end_s = recording.player.play(LOUD, "run", 101.0)
    recording.player.play(LOUD, "run", end_s + AWAKE_S)
    recording.close(110.0)
    assert [what for _, _, what in recording.labels] == ["primer", "run", "primer", "run"]


def test_woken_before_it_plays_at_once(recording: Recording):
    recording.player.wake(101.0)
    assert recording.player.play(LOUD, "run", 102.0) == 102.5
    recording.close(103.0)


def test_woken_again_it_stays_awake(recording: Recording):
    recording.player.wake(101.0)
    recording.player.wake(105.0)
    assert recording.player.play(LOUD, "run", 108.0) == 108.5
    recording.close(109.0)


def test_without_a_primer_it_plays_at_once(tmp_path: Path):
    recording = Recording(tmp_path, primer_s=0.0)
    assert recording.player.play(LOUD, "run", 101.0) == 101.5
    recording.close(102.0)


def test_one_sound_follows_the_other(recording: Recording):
    recording.player.play(LOUD, "run", 101.0)
    recording.player.play(LOUD // 2, "Run four minutes.", 101.1)
    recording.close(104.0)
    assert recording.labels == [(1.0, 1.7, "primer"), (1.7, 2.2, "run"), (2.2, 2.7, "Run four minutes.")]
    assert set(recording.part(2.2, 2.7).tolist()) == {15_000}


def test_what_is_cut_short_fades_out_in_twenty_milliseconds_and_takes_the_rest_with_it(tmp_path: Path):
    recording = Recording(tmp_path, primer_s=0.0)
    recording.player.play(LOUD, "note", 101.0)
    recording.player.play(LOUD, "A little slower.", 101.0)
    recording.player.cut(101.2)
    recording.player.play(LOUD // 2, "warning", 101.2)
    recording.close(103.0)
    fade = recording.part(1.2, 1.2 + FADE_S)
    assert (np.diff(fade.astype(int)) < 0).all()
    assert np.abs(np.diff(fade.astype(int))).max() < 100
    assert fade[-1] == 0
    assert set(recording.part(1.22, 1.72).tolist()) == {15_000}
    assert recording.labels == [(1.0, 1.22, "note"), (1.22, 1.72, "warning")]


def test_as_loud_as_the_runner_wants_it(tmp_path: Path):
    recording = Recording(tmp_path, volume_percent=50, primer_s=0.0)
    recording.player.play(LOUD, "run", 100.0)
    recording.close(101.0)
    assert recording.samples.max() == 15_000


def test_a_file_of_an_hour_is_an_hour_long(recording: Recording):
    recording.player.tend(3700.0)
    recording.close(3700.0)
    assert len(recording.samples) == pytest.approx(3600 * RATE_HZ, abs=RATE_HZ)


def test_nobody_hears_it_and_it_passes_in_its_own_time():
    track = Track()
    output = open_output("null", track, 0.0)
    player = Player(output, track, primer_s=0.0)
    began_s = time.monotonic()
    player.play(LOUD[: RATE_HZ // 5], "note", 0.0)
    while not track.is_empty:
        assert time.monotonic() < began_s + 5
    player.close(1.0)
    assert 0.1 < time.monotonic() - began_s < 1


def test_a_computer_without_a_sound_card_is_told_so_in_one_line_without_the_noise_of_alsa(tmp_path: Path):
    program = """
from hrbridge.clients.player import Track, open_output
from hrbridge.errors import OutputError
try:
    open_output("auto", Track(), 0.0)
except OutputError as error:
    print(error)
"""
    nowhere = {"PULSE_SERVER": "unix:/nowhere", "ALSA_CONFIG_PATH": "/nowhere", "PIPEWIRE_REMOTE": "nowhere"}
    ended = subprocess.run([sys.executable, "-c", program], env={**os.environ, **nowhere}, capture_output=True)
    assert ended.stdout.startswith(b"no sound card: plug one in or start PulseAudio or PipeWire")
    assert ended.stderr == b""


def test_a_card_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(OutputError, match='no sound card is called "a card that nobody has"; there are: '):
        open_output("auto", Track(), 0.0, device="a card that nobody has")


def test_a_file_of_another_kind_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="a file that ends in"):
        open_output(str(tmp_path / "heard.mp3"), Track(), 0.0)


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path):
    with pytest.raises(OutputError, match="cannot be written: No such file or directory"):
        open_output(str(tmp_path / "nowhere" / "heard.wav"), Track(), 0.0)
