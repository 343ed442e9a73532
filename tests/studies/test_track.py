"""What a recording tells about speed, gait, slope and heart rate, second by second."""

from __future__ import annotations

import re

import numpy as np
import pytest

from hrbridge.config import Runner
from hrbridge.errors import InputFileError
from hrbridge.events import Action, Command, Event, Sample, Speed
from hrbridge.studies.track import Track, track
from tests.studies.imagined_runs import VARIED, run, with_spikes

RUNNER = Runner(max_heart_rate_bpm=178, resting_heart_rate_bpm=58)
FLAT: tuple[tuple[float, float], ...] = ()


def tracked(events: list[Event], altitudes_m: tuple[tuple[float, float], ...] = FLAT) -> Track:
    return track("run.fit", events, altitudes_m, RUNNER)


@pytest.fixture(scope="module")
def varied() -> list[Event]:
    return run(VARIED)


def test_every_second_has_a_speed_and_a_gait(varied: list[Event]) -> None:
    seen = tracked(varied)
    seconds = sum(for_s for for_s, _ in VARIED)
    assert seen.speed_m_s.shape == seen.running.shape == seen.grade.shape == (seconds,)
    assert seen.speed_m_s[400] == pytest.approx(2.2)
    assert seen.running[400]
    assert not seen.running[100]


def test_heart_rate_is_a_mean_of_five_seconds_that_count_after_the_first_fifteen(varied: list[Event]) -> None:
    seen = tracked(varied)
    heard = {event.at_s: event.heart_rate_bpm for event in varied if isinstance(event, Sample)}
    assert seen.heard_s[0] == 17
    assert seen.heard_bpm[0] == np.mean([heard[at_s] for at_s in range(15, 20)])


def test_the_usual_paces_are_those_of_running_and_walking(varied: list[Event]) -> None:
    seen = tracked(varied)
    assert seen.run_speed_m_s == pytest.approx(2.2, abs=0.01)
    assert seen.walk_speed_m_s == pytest.approx(1.3, abs=0.01)


def test_who_never_walks_has_no_walking_pace() -> None:
    assert tracked(run([(900, 2.2)])).walk_speed_m_s is None


def test_steps_tell_a_slow_jog_from_a_walk() -> None:
    events = [Speed(e.at_s, 1.7, 165) if isinstance(e, Speed) else e for e in run([(600, 2.2)])]
    assert tracked(events).running.all()


def test_without_steps_speed_decides() -> None:
    events = [Speed(e.at_s, e.speed_m_s) if isinstance(e, Speed) else e for e in run([(300, 1.4), (300, 2.4)])]
    seen = tracked(events)
    assert not seen.running[:280].any()
    assert seen.running[320:].all()


def test_spikes_are_not_believed(varied: list[Event]) -> None:
    clean, spiked = tracked(varied), tracked(with_spikes(varied))
    both = np.isin(clean.heard_s, spiked.heard_s)
    assert np.abs(clean.heard_bpm[both] - spiked.heard_bpm).max() < 5


def test_in_a_pause_of_the_recording_one_stands(varied: list[Event]) -> None:
    paused = [e for e in varied if not 600 < e.at_s < 700]
    at = next(n for n, e in enumerate(paused) if e.at_s > 600)
    paused[at:at] = [Command(600, Action.PAUSE), Command(700, Action.RESUME)]
    seen = tracked(paused)
    assert seen.speed_m_s[610:690].max() == 0
    assert not ((seen.heard_s > 602) & (seen.heard_s < 700)).any()


def test_a_hill_is_seen_in_the_altitude() -> None:
    events = run([(1200, 2.5)])
    uphill = tuple((float(at_s), 100 + max(0.0, at_s - 600) * 2.5 * 0.05) for at_s in range(1200))
    grade = tracked(events, uphill).grade
    assert grade[300] == pytest.approx(0, abs=0.001)
    assert grade[900] == pytest.approx(0.05, abs=0.002)


def test_a_treadmill_knows_its_own_incline() -> None:
    events = [Speed(e.at_s, 2.5, incline_percent=4) if isinstance(e, Speed) else e for e in run([(600, 2.5)])]
    assert tracked(events, ((0.0, 10.0), (600.0, 10.0))).grade[300] == pytest.approx(0.04)


def test_noise_of_a_satellite_makes_no_hill() -> None:
    rng = np.random.default_rng(1)
    noisy = tuple((float(at_s), 50 + rng.normal(0, 2)) for at_s in range(1200))
    assert np.abs(tracked(run([(1200, 2.5)]), noisy).grade).max() < 0.02


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([e for e in run([(900, 2.2)]) if isinstance(e, Sample)], "run.fit: it tells no speed"),
        ([Speed(e.at_s, 0.0) if isinstance(e, Speed) else e for e in run([(900, 2.2)])], "run.fit: it tells no speed"),
        (run([(300, 2.2)]), "run.fit: 5 min of heart rate that can be believed: at least 8 are needed"),
        ([Sample(0, 90), Speed(0, 2.0)], "run.fit: 0 min of heart rate"),
        ([Sample(0), Speed(0, 2.0)], "run.fit: 0 min of heart rate"),
        ([Sample(0, 90), Speed(0, 2.0), Sample(90_000, 90)], "run.fit: it is longer than a day"),
    ],
)
def test_what_tells_too_little_is_refused_in_a_line(events: list[Event], told: str) -> None:
    with pytest.raises(InputFileError, match=re.escape(told)):
        tracked(events)
