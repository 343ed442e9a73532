"""The sounds of a headset: short, far apart in pitch and direction, made here so that nothing has to be shipped.

Up means run, down means walk. All lie between 200 and 2000 Hz, which small
earphones and ears of any age have in common; the warning is the highest and
the only one that repeats quickly.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

# What espeak-ng speaks in; more would only cost a small computer, whose tones end at 2 kHz.
RATE_HZ = 22_050
# Of full scale: speech is brought to the same, and a sound server has room to mix in music.
PEAK = 0.8
# A tone that begins or ends at once clicks; with 8 ms of raised cosine nobody hears the edge.
EDGE_S = 0.008
# The octave above, much weaker: a pure sine is hard to place in wind.
OCTAVE_SHARE = 0.2

Samples = NDArray[np.int16]


class Tone(StrEnum):
    """The names of messages.TONES, and two that a headset has for itself."""

    RUN = "run"
    WALK = "walk"
    SURGE = "surge"
    FINISH = "finish"
    WARNING = "warning"
    TICK = "tick"
    NOTE = "note"
    LINK_LOST = "link_lost"
    READY = "ready"


class Beep(Struct, frozen=True):
    """One pitch for a while, and the silence after it."""

    frequency_hz: float
    for_s: float
    gap_s: float = 0.02


# The pitches are notes (equal temperament, a' = 440 Hz), so that they sound like one instrument.
BEEPS: dict[Tone, tuple[Beep, ...]] = {
    Tone.RUN: (Beep(784.0, 0.11), Beep(1174.7, 0.22)),
    Tone.WALK: (Beep(587.3, 0.11), Beep(392.0, 0.26)),
    Tone.SURGE: (Beep(784.0, 0.07), Beep(987.8, 0.07), Beep(1174.7, 0.07), Beep(1568.0, 0.18)),
    Tone.FINISH: (Beep(523.3, 0.12), Beep(659.3, 0.12), Beep(784.0, 0.12), Beep(1046.5, 0.45)),
    Tone.WARNING: (Beep(1760.0, 0.09), Beep(1318.5, 0.09)) * 3,
    Tone.TICK: (Beep(987.8, 0.05),),
    Tone.NOTE: (Beep(659.3, 0.14),),
    Tone.LINK_LOST: (Beep(293.7, 0.2, 0.08), Beep(293.7, 0.2, 0.08), Beep(220.0, 0.35)),
    Tone.READY: (Beep(523.3, 0.1, 0.05), Beep(1046.5, 0.2)),
}


def tone(name: Tone) -> Samples:
    """One channel at RATE_HZ, a gap at its end."""
    return np.concatenate([_beep(beep) for beep in BEEPS[name]])


def _beep(beep: Beep) -> Samples:
    at_s = np.arange(round(beep.for_s * RATE_HZ)) / RATE_HZ
    angle = 2 * np.pi * beep.frequency_hz * at_s
    wave = (np.sin(angle) + OCTAVE_SHARE * np.sin(2 * angle)) / (1 + OCTAVE_SHARE)
    edge = round(EDGE_S * RATE_HZ)
    rise = 0.5 - 0.5 * np.cos(np.pi * np.arange(edge) / edge)
    wave[:edge] *= rise
    wave[-edge:] *= rise[::-1]
    return np.concatenate([as_samples(PEAK * wave), silence(beep.gap_s)])


def silence(for_s: float) -> Samples:
    return np.zeros(round(for_s * RATE_HZ), np.int16)


def as_samples(wave: NDArray[np.float64]) -> Samples:
    """From -1 to 1 into whole numbers."""
    return np.round(np.clip(wave, -1.0, 1.0) * 32_767).astype(np.int16)
