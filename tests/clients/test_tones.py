"""The sounds of the headset: each is told from the others by its pitch and direction, and none of them clicks."""

from __future__ import annotations

import numpy as np
import pytest

from hrbridge import messages
from hrbridge.clients.tones import BEEPS, EDGE_S, PEAK, RATE_HZ, Samples, Tone, tone
from hrbridge.decisions import CueKind

EVERY_TONE = pytest.mark.parametrize("name", Tone)


def beeps(name: Tone) -> list[Samples]:
    """The sound of each beep of a tone, cut at its documented length."""
    cut, samples = [], tone(name)
    for beep in BEEPS[name]:
        length = round(beep.for_s * RATE_HZ)
        cut.append(samples[:length])
        samples = samples[length + round(beep.gap_s * RATE_HZ) :]
    return cut


def pitch_hz(samples: Samples) -> float:
    """The loudest frequency."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 2**17))
    return float(np.argmax(spectrum)) * RATE_HZ / 2**17


@EVERY_TONE
def test_each_beep_has_the_pitch_it_is_said_to_have(name: Tone):
    heard = [pitch_hz(samples) for samples in beeps(name)]
    assert heard == pytest.approx([beep.frequency_hz for beep in BEEPS[name]], rel=0.01)


@EVERY_TONE
def test_small_earphones_can_play_it(name: Tone):
    assert all(200 <= beep.frequency_hz <= 2000 for beep in BEEPS[name])


@EVERY_TONE
def test_it_begins_and_ends_without_a_click(name: Tone):
    edge = round(EDGE_S * RATE_HZ / 8)
    for samples in beeps(name):
        assert max(np.abs(samples[:edge]).max(), np.abs(samples[-edge:]).max()) < 0.05 * PEAK * 32_767


@EVERY_TONE
def test_it_is_loud_and_never_too_loud(name: Tone):
    assert 0.7 * PEAK <= np.abs(tone(name)).max() / 32_767 <= PEAK


@EVERY_TONE
def test_it_is_over_in_a_second(name: Tone):
    assert len(tone(name)) < RATE_HZ


def test_no_two_tones_have_the_same_tune():
    tunes = {tuple(beep.frequency_hz for beep in BEEPS[name]) for name in Tone}
    assert len(tunes) == len(Tone)


def test_run_goes_up():
    first_hz, last_hz = (pitch_hz(samples) for samples in beeps(Tone.RUN))
    assert last_hz > 1.3 * first_hz


def test_walk_goes_down_below_run():
    first_hz, last_hz = (pitch_hz(samples) for samples in beeps(Tone.WALK))
    assert last_hz < 0.75 * first_hz < 0.75 * pitch_hz(beeps(Tone.RUN)[0])


def test_the_warning_is_the_highest():
    assert max(Tone, key=lambda name: max(beep.frequency_hz for beep in BEEPS[name])) is Tone.WARNING


@pytest.mark.parametrize("kind", CueKind)
def test_every_cue_has_a_sound(kind: CueKind):
    assert Tone(messages.tone(kind)) in BEEPS


def test_the_strap_that_is_waited_for_has_a_sound():
    assert Tone(messages.READY_TONE) in BEEPS
