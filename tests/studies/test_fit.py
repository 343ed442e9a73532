"""Is the twin the runner whose recordings it has seen?"""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest
from msgspec.structs import replace

from hrbridge import twin
from hrbridge.config import Runner
from hrbridge.events import Event, Sample
from hrbridge.runner_model import NAMED, Person, RunnerModel, person_of
from hrbridge.studies.fit import ROUNDS, Fitted, Heart, fit
from hrbridge.studies.track import Track, track
from tests.studies.imagined_runs import SOMEBODY, VARIED, run, with_spikes

KNOWN = Heart(178, 0, 58, 0, age_years=44)
UNKNOWN = Heart(180, 8, 60, 8)
SHORT = run(VARIED[:4])


def tracked(events: list[Event]) -> Track:
    return track("run.fit", events, (), Runner(max_heart_rate_bpm=185, resting_heart_rate_bpm=60))


def fitted(events: list[Event], heart: Heart = KNOWN) -> Fitted:
    return fit([tracked(events)], [heart], heart)


@pytest.fixture(scope="module")
def found() -> Fitted:
    return fitted(run(VARIED))


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("vo2max_ml_kg_min", 2.0), ("tau_on_s", 3.0), ("tau_off_s", 5.0), ("drift_bpm_per_10_min", 1.2)],
)
def test_a_runner_is_recovered_from_a_run(found: Fitted, name: str, tolerance: float) -> None:
    assert getattr(found.file.model, name) == pytest.approx(getattr(SOMEBODY, name), abs=tolerance)


@pytest.mark.parametrize(("speed_m_s", "running"), [(1.4, False), (2.0, True), (2.6, True)])
def test_the_twin_has_the_same_steady_heart_rate(found: Fitted, speed_m_s: float, running: bool) -> None:
    twin_bpm = RunnerModel.of(person_of(found.file)).steady_heart_rate_bpm(speed_m_s, running).item()
    assert twin_bpm == pytest.approx(RunnerModel.of(SOMEBODY).steady_heart_rate_bpm(speed_m_s, running).item(), abs=3)


def test_what_is_known_stays_known(found: Fitted) -> None:
    assert found.file.runner.max_heart_rate_bpm == 178
    assert found.file.runner.resting_heart_rate_bpm == 58
    assert found.file.sd.max_heart_rate_bpm == 0
    assert found.file.runner.age_years == 44


def test_what_is_not_known_is_estimated_with_its_uncertainty() -> None:
    found = fitted(run(VARIED), UNKNOWN)
    assert abs(found.file.runner.resting_heart_rate_bpm - 58) < 2 * found.file.sd.resting_heart_rate_bpm
    assert abs(found.file.runner.max_heart_rate_bpm - 178) < 2 * found.file.sd.max_heart_rate_bpm


def test_the_maximum_is_not_below_what_was_held() -> None:
    heart = Heart(185, 8, 60, 8, held_bpm=184)
    hard = run([(300, 2.2), (60, 1.4), (600, 3.4)])
    assert fitted(hard, heart).file.runner.max_heart_rate_bpm >= 184


def test_a_run_without_a_walk_tells_nothing_of_recovery() -> None:
    found = fitted(run([(1200, 2.4)]))
    assert "tau_off_s" in found.untold
    assert found.file.model.tau_off_s == pytest.approx(26, abs=3)
    assert found.usual_speeds == ("walk_speed_m_s",)


def test_a_run_with_breaks_tells_of_recovery(found: Fitted) -> None:
    assert not {"tau_on_s", "tau_off_s", "vo2max_ml_kg_min"} & set(found.untold)


def test_the_halves_foretell_one_another_to_the_noise_of_the_strap(found: Fitted) -> None:
    assert found.left_out[0].twin.mae_bpm < 2.5


def test_a_half_that_is_foretold_has_not_been_seen() -> None:
    theirs = run(VARIED[:5], NAMED["unfit"])
    another = [replace(event, at_s=event.at_s + theirs[-1].at_s + 1) for event in run(VARIED[:5], NAMED["fit"])]
    assert fitted([*theirs, *another], UNKNOWN).left_out[0].twin.mae_bpm > 15


def test_a_champion_is_found() -> None:
    champion = Person(25, 190, 45, 75, run_speed_m_s=4.6, walk_speed_m_s=1.6)
    found = fitted(run([(600, 4.4)], champion), Heart(190, 0, 45, 0))
    assert found.file.model.vo2max_ml_kg_min == pytest.approx(75, abs=8)


def test_one_pole_is_a_worse_runner(found: Fitted) -> None:
    assert found.left_out[0].one_pole.mae_bpm > 1.5 * found.left_out[0].twin.mae_bpm


def test_spikes_change_little(found: Fitted) -> None:
    spiked = fitted(with_spikes(run(VARIED))).file.model
    assert spiked.vo2max_ml_kg_min == pytest.approx(found.file.model.vo2max_ml_kg_min, rel=0.03)
    assert spiked.tau_off_s == pytest.approx(found.file.model.tau_off_s, rel=0.15)


def test_a_stretch_of_believable_nonsense_changes_little(found: Fitted) -> None:
    low = [
        replace(event, heart_rate_bpm=(event.heart_rate_bpm or 0) - 45)
        if isinstance(event, Sample) and 1000 < event.at_s < 1160
        else event
        for event in run(VARIED)
    ]
    nonsense = fitted(low).file.model
    assert nonsense.vo2max_ml_kg_min == pytest.approx(found.file.model.vo2max_ml_kg_min, rel=0.03)
    assert nonsense.tau_off_s == pytest.approx(found.file.model.tau_off_s, rel=0.1)


def test_several_runs_make_one_twin_that_is_surer(found: Fitted) -> None:
    tracks = [tracked(run(VARIED, seed=seed)) for seed in (5, 6)]
    both = fit(tracks, [KNOWN, KNOWN], KNOWN)
    assert both.file.sd.tau_off_s < 0.85 * found.file.sd.tau_off_s
    assert [each.recording for each in both.left_out] == ["run.fit", "run.fit"]


def test_the_same_recording_gives_the_same_twin() -> None:
    assert fitted(SHORT) == fitted(SHORT)


def test_every_round_is_told() -> None:
    rounds: list[int] = []
    fit([tracked(SHORT)], [KNOWN], KNOWN, lambda: rounds.append(len(rounds)))
    assert 3 <= len(rounds) <= ROUNDS


def test_twins_of_real_runners_foretell_better_than_one_pole(traces: Path) -> None:
    files = [
        traces / name for name in ("run_fenix2.fit", "run_fenix5x_rr_walkbreaks.fit", "runwalk_fr110_smartrec.fit")
    ]
    left_out = twin.of_recordings(files, None, ()).fitted.left_out
    assert median(each.twin.mae_bpm for each in left_out) < median(each.one_pole.mae_bpm for each in left_out)
    assert median(each.twin.mae_bpm for each in left_out) < 7
