"""The simulated heart does what hearts of runners do, and what its description says to 0.1 bpm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrbridge.errors import ConfigError
from hrbridge.runner_model import NAMED, Person, RunnerModel, Traits

# Published to 0.1 bpm; docs of the model say how close it comes.
CHECKED_WITHIN_BPM = 0.11


def walk(model: RunnerModel, for_s: int, speed_m_s: float = 1.5):
    for _ in range(for_s):
        heart_rate_bpm = model.step(speed_m_s, False)
    return heart_rate_bpm


def run(model: RunnerModel, for_s: int, speed_m_s: float = 2.5):
    for _ in range(for_s):
        heart_rate_bpm = model.step(speed_m_s, True)
    return heart_rate_bpm


@pytest.mark.parametrize(
    ("speed_m_s", "running", "heart_rate_bpm"),
    [(1.5, False, 100.0), (1.7, False, 104.0), (2.0, True, 145.2), (2.5, True, 161.5), (3.0, True, 177.1)],
)
def test_a_steady_pace_has_its_heart_rate(speed_m_s, running, heart_rate_bpm):
    steady_bpm = RunnerModel.reference().steady_heart_rate_bpm(speed_m_s, running)
    assert steady_bpm == pytest.approx([heart_rate_bpm], abs=CHECKED_WITHIN_BPM)


def test_ten_minutes_of_running_bring_heart_rate_to_165():
    model = RunnerModel.reference()
    walk(model, 300)
    assert run(model, 600) == pytest.approx([165.0], abs=CHECKED_WITHIN_BPM)


@pytest.mark.parametrize(("after_s", "drop_bpm"), [(30, 13.3), (60, 31.7), (90, 42.6), (120, 48.1), (300, 56.4)])
def test_heart_rate_falls_in_the_walk_after_it(after_s, drop_bpm):
    model = RunnerModel.reference()
    walk(model, 300)
    end_of_run_bpm = run(model, 600)
    assert end_of_run_bpm - walk(model, after_s) == pytest.approx([drop_bpm], abs=CHECKED_WITHIN_BPM)


@pytest.mark.parametrize("later_s", [1, 2.5, 5, 9])
def test_a_longer_delay_tells_the_same_later(later_s):
    prompt_traits = replace(RunnerModel.reference().traits, fast_share=np.ones(1), drift_bpm_per_10_min=np.zeros(1))
    prompt, slow = (RunnerModel(replace(prompt_traits, delay_s=np.array([3.0 + more_s]))) for more_s in (0, later_s))
    curves = []
    for model in (prompt, slow):
        curve_bpm = [run(model, 1).item() for _ in range(100)] + [walk(model, 1).item() for _ in range(100)]
        curves.append(np.interp(np.arange(10.0, 180.0) + (later_s if model is slow else 0), np.arange(200), curve_bpm))
    np.testing.assert_allclose(curves[0], curves[1], atol=0.15)


def test_the_reference_is_neither_noisy_nor_rounded():
    model = RunnerModel.reference()
    measured_bpm = run(model, 100)
    assert measured_bpm == model.heart_rate_bpm
    assert measured_bpm % 1 != 0


def reference_with(**numbers: float) -> RunnerModel:
    """The runner of the check values, but for these traits."""
    traits = RunnerModel.reference().traits
    return RunnerModel(replace(traits, **{name: np.array([number]) for name, number in numbers.items()}))


@pytest.mark.parametrize(("after_s", "drop_bpm"), [(30, 7.6), (45, 13.4), (60, 21.1)])
def test_with_a_slow_recovery_it_falls_as_in_the_recordings(after_s, drop_bpm):
    model = reference_with(tau_off_s=1.6 * 26)
    walk(model, 300)
    end_of_run_bpm = run(model, 600)
    assert end_of_run_bpm - walk(model, after_s) == pytest.approx([drop_bpm], abs=1)


@pytest.mark.parametrize(
    ("speed_m_s", "running", "grade", "vo2_ml_kg_min"),
    [(1.5, False, 0.06, 3.5 + 9 + 9.72), (1.5, False, 0.10, 3.5 + 9 + 16.2), (2.0, True, 0.05, 3.5 + 24 + 5.4)],
)
def test_uphill_costs_what_the_equations_say(speed_m_s, running, grade, vo2_ml_kg_min):
    effort = (vo2_ml_kg_min - 3.5) / 38.5
    steady_bpm = RunnerModel.reference().steady_heart_rate_bpm(speed_m_s, running, grade=grade)
    assert steady_bpm == pytest.approx([62 + 121.5 * effort**0.8])


def test_heat_costs_half_a_percent_of_effort_per_degree():
    steady_bpm = RunnerModel.reference().steady_heart_rate_bpm(2.5, True, temperature_c=30.0)
    assert steady_bpm == pytest.approx([62 + 121.5 * (1.0675 * 30 / 38.5) ** 0.8])


def test_a_costly_stride_costs_heart_beats():
    steady_bpm = reference_with(economy=1.1).steady_heart_rate_bpm(2.0, True)
    assert steady_bpm == pytest.approx([62 + 121.5 * ((27.5 * 1.1 - 3.5) / 38.5) ** 0.8])


def test_each_heart_bends_effort_in_its_own_way():
    assert reference_with(exponent=1.0).steady_heart_rate_bpm(2.0, True) == pytest.approx([62 + 121.5 * 24 / 38.5])


def test_in_the_delay_the_fast_part_does_not_stir():
    model = reference_with(fast_share=1.0, drift_bpm_per_10_min=0.0)
    assert run(model, 5) == [62.0]
    assert run(model, 1) > 62.0


def test_the_slow_part_rises_three_times_as_fast_as_it_falls():
    model = reference_with(fast_share=0.0, drift_bpm_per_10_min=0.0)
    reached = (run(model, 84) - 62) / (model.steady_heart_rate_bpm(2.5, True) - 62)
    assert reached == pytest.approx([1 - np.exp(-1)], abs=0.001)
    top_bpm = model.heart_rate_bpm - 62
    model.step(0.0, False, 240.0)
    assert (model.heart_rate_bpm - 62) / top_bpm == pytest.approx([np.exp(-1)], abs=0.001)


def test_cold_is_no_help():
    model = RunnerModel.reference()
    assert model.steady_heart_rate_bpm(2.5, True, temperature_c=0.0) == model.steady_heart_rate_bpm(2.5, True)


def test_no_pace_takes_heart_rate_beyond_the_maximum():
    assert RunnerModel.reference().steady_heart_rate_bpm(6.0, True) == pytest.approx([183.5])


def test_a_hill_and_heat_act_while_running_too():
    flat, hill, heat = (RunnerModel.reference() for _ in range(3))
    for _ in range(300):
        flat.step(2.0, True)
        hill.step(2.0, True, grade=0.05)
        heat.step(2.0, True, temperature_c=30.0)
    assert hill.heart_rate_bpm > flat.heart_rate_bpm + 5
    assert heat.heart_rate_bpm > flat.heart_rate_bpm + 3


def test_drift_lifts_heart_rate_in_a_long_run_and_more_in_heat():
    cool, hot = RunnerModel.reference(), RunnerModel.reference()
    gained_bpm = {}
    for name, model, temperature_c in (("cool", cool, 15.0), ("hot", hot, 30.0)):
        model.step(2.0, True, 600.0, temperature_c=temperature_c)
        early_bpm = model.heart_rate_bpm
        model.step(2.0, True, 1200.0, temperature_c=temperature_c)
        gained_bpm[name] = (model.heart_rate_bpm - early_bpm).item()
    assert gained_bpm["cool"] == pytest.approx(4.2, abs=0.5)
    assert gained_bpm["hot"] > 1.5 * gained_bpm["cool"]


@pytest.mark.parametrize(
    ("speed_m_s", "running", "temperature_c", "drift_bpm"),
    [
        (0.74 * 38.5 / 12, True, 15.0, 3.0),
        (1.5, False, 15.0, 3.0 * (9 / 38.5 / 0.74) ** 2),
        (2.0, True, 35.0, 2 * 3.0 * (1.09 * 24 / 38.5 / 0.74) ** 2),
    ],
    ids=["a brisk run", "a walk", "a run at 35 degrees"],
)
def test_ten_minutes_drift_by_effort_and_heat(speed_m_s, running, temperature_c, drift_bpm):
    drifting, steady = RunnerModel.reference(), reference_with(drift_bpm_per_10_min=0.0)
    for model in (drifting, steady):
        model.step(speed_m_s, running, 600.0, temperature_c=temperature_c)
    assert drifting.heart_rate_bpm - steady.heart_rate_bpm == pytest.approx([drift_bpm])


def test_a_runner_is_the_same_alone_and_in_company():
    together = RunnerModel.population(5, seed=3)
    alone = [RunnerModel.population(1, seed=3, first=number) for number in range(5)]
    for second in range(400):
        speed_m_s, running = (2.4, True) if second < 250 else (1.5, False)
        all_bpm = together.step(speed_m_s, running)
        single_bpm = np.concatenate([model.step(speed_m_s, running) for model in alone])
        np.testing.assert_array_equal(all_bpm, single_bpm)
    np.testing.assert_array_equal(together.report_rpe(), np.concatenate([model.report_rpe() for model in alone]))


def test_each_runner_can_go_at_a_pace_of_their_own():
    traits = RunnerModel.reference().traits
    pair = RunnerModel(Traits(*(np.repeat(column, 2) for column in vars(traits).values())))
    walker, runner = RunnerModel.reference(), RunnerModel.reference()
    for _ in range(200):
        slopes, heats_c = np.array([0.08, 0.0]), np.array([15.0, 28.0])
        pair.step(np.array([1.5, 2.5]), np.array([False, True]), grade=slopes, temperature_c=heats_c)
        walker.step(1.5, False, grade=0.08)
        runner.step(2.5, True, temperature_c=28.0)
    assert pair.heart_rate_bpm.tolist() == [walker.heart_rate_bpm.item(), runner.heart_rate_bpm.item()]


def test_the_same_seed_is_the_same_day():
    first, again = (RunnerModel.population(20, seed=5) for _ in range(2))
    np.testing.assert_array_equal(run(first, 100), run(again, 100))


def test_another_seed_is_other_people():
    first, other = RunnerModel.population(20, seed=5), RunnerModel.population(20, seed=6)
    assert (first.traits.vo2max_ml_kg_min != other.traits.vo2max_ml_kg_min).all()


def test_another_seed_is_another_day_of_the_same_person():
    today, tomorrow = RunnerModel.named("typical", 1), RunnerModel.named("typical", 2)
    assert today.traits.tau_off_s == tomorrow.traits.tau_off_s
    assert [run(today, 10).item() for _ in range(20)] != [run(tomorrow, 10).item() for _ in range(20)]


STRETCHES = st.lists(
    st.tuples(st.floats(0, 6), st.booleans(), st.floats(-0.1, 0.15), st.integers(1, 90)), min_size=1, max_size=6
)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), stretches=STRETCHES)
def test_heart_rate_stays_between_rest_and_maximum(seed, stretches):
    model = RunnerModel.population(30, seed)
    lowest_bpm, highest_bpm = model.traits.resting_heart_rate_bpm - 5, model.traits.max_heart_rate_bpm
    for speed_m_s, running, grade, for_s in stretches:
        for _ in range(for_s):
            measured_bpm = model.step(speed_m_s, running, grade=grade)
            assert (measured_bpm >= lowest_bpm).all()
            assert (measured_bpm <= highest_bpm).all()
        assert (model.heart_rate_bpm >= model.traits.resting_heart_rate_bpm).all()
        assert (model.heart_rate_bpm <= highest_bpm).all()


def test_a_strap_shows_whole_beats():
    measured_bpm = run(RunnerModel.population(50, seed=1), 60)
    np.testing.assert_array_equal(measured_bpm, np.round(measured_bpm))


def test_the_noise_of_a_strap_is_that_of_its_runner_and_slow():
    model = RunnerModel.population(300, seed=2)
    noise_bpm = np.array([model.step(1.5, False) - model.heart_rate_bpm for _ in range(1200)])[200:]
    # Rounding adds a variance of 1/12.
    expected_bpm = np.sqrt(np.mean(model.traits.noise_bpm**2) + 1 / 12)
    assert noise_bpm.std() == pytest.approx(expected_bpm, rel=0.05)
    correlation = np.mean(noise_bpm[1:] * noise_bpm[:-1]) / noise_bpm.var()
    assert 0.90 < correlation < 0.98


def test_at_the_maximum_the_signal_does_not_look_frozen():
    model = RunnerModel.named("novice", seed=4)
    run(model, 300, 4.0)
    shown_bpm = [model.step(4.0, True).item() for _ in range(300)]
    longest = max(len(list(flat)) for flat in np.split(shown_bpm, np.flatnonzero(np.diff(shown_bpm)) + 1))
    assert longest < 41


def test_the_fitter_recover_faster():
    model = RunnerModel.population(600, seed=8)
    traits = model.traits
    pace_m_s = model.self_paced_speed_m_s(0.6)
    run(model, 360, pace_m_s)
    end_bpm = model.heart_rate_bpm
    walk(model, 60, 1.3)
    to_fall_bpm = end_bpm - model.steady_heart_rate_bpm(1.3, False)
    fallen = (end_bpm - model.heart_rate_bpm) / to_fall_bpm
    by_fitness = np.argsort(traits.vo2max_ml_kg_min)
    assert fallen[by_fitness[-200:]].mean() > fallen[by_fitness[:200]].mean() + 0.05


@pytest.fixture(scope="module")
def people() -> Traits:
    return RunnerModel.population(1500, seed=9).traits


def test_the_population_is_spread_as_described(people):
    traits = people
    assert traits.age_years.mean() == pytest.approx(41, abs=1)
    assert (traits.max_heart_rate_bpm - 208 + 0.7 * traits.age_years).std() == pytest.approx(8, rel=0.1)
    assert np.log(traits.tau_on_s / 13).std() == pytest.approx(0.25, rel=0.1)
    assert np.log(traits.tau_off_s / 26).std() == pytest.approx(0.30, rel=0.1)
    assert traits.fast_share.mean() == pytest.approx(0.72, abs=0.01)
    assert traits.tau_slow_s.std() == pytest.approx(60, rel=0.1)
    # Men and women lie 3.5 above and below the middle.
    fitness_ml_kg_min = traits.vo2max_ml_kg_min - 41.5 + 0.30 * (traits.age_years - 35)
    assert fitness_ml_kg_min.std() == pytest.approx((6**2 + 3.5**2) ** 0.5, rel=0.1)


@pytest.mark.parametrize(
    ("trait", "mean", "sd"),
    [
        ("economy", 1.0, 0.07),
        ("exponent", 0.80, 0.10),
        ("delay_s", 5.0, 2.0),
        ("tau_slow_s", 240.0, 60.0),
        ("fast_share", 0.72, 0.08),
        ("drift_bpm_per_10_min", 3.0, 2.0),
        ("noise_bpm", 1.6, 0.4),
        ("rpe_offset", 0.0, 1.0),
    ],
)
def test_each_trait_is_spread_as_described(people, trait, mean, sd):
    column = getattr(people, trait)
    # What would be absurd is cut off, which draws the ends in a little.
    assert column.mean() == pytest.approx(mean, abs=0.1 * sd)
    assert column.std() == pytest.approx(sd, rel=0.1)


def test_the_fitter_have_a_lower_resting_heart_rate(people):
    beside_fitness_bpm = people.resting_heart_rate_bpm - 78 + 0.38 * (people.vo2max_ml_kg_min - 35)
    assert beside_fitness_bpm.mean() == pytest.approx(0, abs=0.7)
    assert beside_fitness_bpm.std() == pytest.approx(7, rel=0.1)


def test_nobody_is_absurd():
    traits = RunnerModel.population(3000, seed=10).traits
    assert (traits.reserve_bpm > 50).all()
    assert (traits.delay_s >= 1).all()
    assert (traits.drift_bpm_per_10_min >= 0).all()
    assert (traits.fast_share < 1).all()


def test_a_self_chosen_pace_costs_what_was_asked():
    model = RunnerModel.reference()
    speed_m_s = model.self_paced_speed_m_s(0.62)
    assert model.steady_heart_rate_bpm(speed_m_s, True) == pytest.approx([62 + 121.5 * 0.62**0.8])


def test_nobody_jogs_slower_than_jogging():
    assert RunnerModel.named("novice", 1).self_paced_speed_m_s(0.3) == [1.9]


def test_half_seconds_and_seconds_tell_the_same_run():
    whole, halves = RunnerModel.reference(), RunnerModel.reference()
    for second in range(600):
        speed_m_s, running = (2.5, True) if second % 180 < 120 else (1.5, False)
        whole.step(speed_m_s, running)
        halves.step(speed_m_s, running, 0.5)
        halves.step(speed_m_s, running, 0.5)
        assert halves.heart_rate_bpm == pytest.approx(whole.heart_rate_bpm, abs=0.5)


def test_a_long_step_is_many_short_ones():
    long, short = RunnerModel.reference(), RunnerModel.reference()
    run(short, 37)
    assert long.step(2.5, True, 37.0) == short.heart_rate_bpm


def test_what_was_asked_before_a_change_of_step_is_not_forgotten():
    fine, changing = RunnerModel.reference(), RunnerModel.reference()
    for speed_m_s, running, for_s in ((2.5, True, 300), (1.5, False, 3)):
        for _ in range(for_s):
            changing.step(speed_m_s, running)
            for _ in range(4):
                fine.step(speed_m_s, running, 0.25)
    for _ in range(40):
        fine.step(1.5, False, 0.25)
        changing.step(1.5, False, 0.25)
        assert changing.heart_rate_bpm == pytest.approx(fine.heart_rate_bpm, abs=0.15)


@pytest.mark.parametrize("dt_s", [0.0, -1.0, float("nan"), float("inf")])
def test_time_only_goes_on(dt_s):
    with pytest.raises(ValueError, match="dt_s"):
        RunnerModel.reference().step(1.5, False, dt_s)


def test_exertion_at_rest_is_next_to_nothing():
    assert RunnerModel.reference().rpe() == [0.5]


def test_running_feels_harder_than_walking():
    walker, runner = RunnerModel.reference(), RunnerModel.reference()
    walk(walker, 300)
    run(runner, 300)
    assert runner.rpe() > walker.rpe() + 3


def test_a_long_run_feels_harder_at_the_same_heart_rate():
    model = RunnerModel.reference()
    run(model, 300)
    early_rpe = model.rpe() - by_heart_alone(model)
    run(model, 1500)
    assert model.rpe() - by_heart_alone(model) > early_rpe + 1


def by_heart_alone(model: RunnerModel):
    return 0.5 + 8.5 * ((model.heart_rate_bpm - 62) / 121.5) ** 1.8


def hold(model: RunnerModel, share: float, for_s: int) -> None:
    """Run at the pace that keeps heart rate at this share of reserve, slower as it drifts."""
    asked = share
    for _ in range(for_s):
        model.step(model.self_paced_speed_m_s(asked ** (1 / 0.80)), True)
        reached = (model.heart_rate_bpm - model.traits.resting_heart_rate_bpm) / model.traits.reserve_bpm
        asked += 0.01 * (share - reached.item())


def said_at_the_start_and_after_an_hour(share: float) -> tuple[float, float]:
    """What the fit runner reports when the run has settled, and an hour later."""
    model = RunnerModel.of(NAMED["fit"])
    hold(model, share, 900)
    start = model.report_rpe().item()
    hold(model, share, 3600)
    return start, model.report_rpe().item()


def test_an_hour_at_80_percent_of_reserve_feels_harder_at_its_end():
    start, end = said_at_the_start_and_after_an_hour(0.80)
    assert end >= start + 1.5


def test_an_hour_at_60_percent_of_reserve_does_not():
    start, end = said_at_the_start_and_after_an_hour(0.60)
    assert end <= start + 0.5


def test_a_report_is_off_by_chance_by_two_thirds():
    model = RunnerModel.population(300, seed=1)
    run(model, 120, 2.2)
    by_chance = np.array([model.report_rpe() for _ in range(30)]) - model.rpe() - model.traits.rpe_offset
    # Rounding to halves adds a variance of 0.25/12.
    assert by_chance.std() == pytest.approx((0.7**2 + 0.25 / 12) ** 0.5, rel=0.03)


def test_who_complains_reports_more_than_there_is():
    stoic, complaining = (RunnerModel.of(Person(40, 180, 60, 42, 2.2, 1.5, rpe_offset=offset)) for offset in (0, 2))
    run(stoic, 300, 2.2)
    run(complaining, 300, 2.2)
    assert complaining.report_rpe() == stoic.report_rpe() + 2
    assert complaining.rpe() == stoic.rpe()


def test_fatigue_goes_with_rest_in_hours():
    model = RunnerModel.reference()
    run(model, 1800)
    tired_rpe = model.rpe() - by_heart_alone(model)
    model.step(0.0, False, 3600.0)
    assert model.rpe() - by_heart_alone(model) == pytest.approx(tired_rpe * np.exp(-0.5), rel=0.02)


def test_reports_come_in_halves_from_0_to_10():
    model = RunnerModel.population(200, seed=1)
    run(model, 900, 3.5)
    reports = np.array([model.report_rpe() for _ in range(10)])
    np.testing.assert_array_equal(reports * 2, np.round(reports * 2))
    assert reports.min() >= 0
    assert reports.max() <= 10


def test_people_report_in_their_own_way():
    model = RunnerModel.population(400, seed=1)
    run(model, 120, 2.2)
    away = np.mean([model.report_rpe() - model.rpe() for _ in range(30)], axis=0)
    assert np.corrcoef(away, model.traits.rpe_offset)[0, 1] > 0.9


def test_asking_for_exertion_changes_no_heartbeat():
    asked, left_alone = RunnerModel.named("typical", 1), RunnerModel.named("typical", 1)
    heard_bpm = []
    for _ in range(100):
        asked.report_rpe()
        heard_bpm.append(asked.step(2.2, True).item())
    assert heard_bpm == [left_alone.step(2.2, True).item() for _ in range(100)]


def test_the_unfit_come_down_slower_than_all_others():
    fallen = {}
    for name, person in NAMED.items():
        model = RunnerModel.named(name, seed=1)
        run(model, 600, person.run_speed_m_s)
        end_bpm = model.heart_rate_bpm
        walk(model, 60, person.walk_speed_m_s)
        to_fall_bpm = end_bpm - model.steady_heart_rate_bpm(person.walk_speed_m_s, False)
        fallen[name] = ((end_bpm - model.heart_rate_bpm) / to_fall_bpm).item()
    others = [share for name, share in fallen.items() if name != "unfit"]
    assert fallen["unfit"] < 0.8 * min(others)


def test_the_novice_is_the_one_of_the_articles():
    traits = RunnerModel.named("novice", seed=1).traits
    assert (traits.max_heart_rate_bpm.item(), traits.resting_heart_rate_bpm.item(), traits.vo2max_ml_kg_min.item()) == (
        173,
        75,
        28,
    )


def test_a_misspelt_name_is_answered_with_those_there_are():
    with pytest.raises(
        ConfigError, match=r"\[sensor\] runner: \"novize\".*\"novice\", \"typical\", \"fit\", \"unfit\""
    ):
        RunnerModel.named("novize", seed=1)


def test_what_the_model_returns_is_not_its_state():
    model = RunnerModel.reference()
    run(model, 100)[:] = 0
    assert model.heart_rate_bpm > 100
    model.heart_rate_bpm[:] = 0
    assert model.heart_rate_bpm > 100
