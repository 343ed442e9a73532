"""The heart of runners who do not exist: how heart rate follows running and walking, for many of them at once.

Oxygen uptake from speed and grade (ACSM metabolic equations), as a share of
the runner's maximum, gives the share of heart-rate reserve that would be
reached in the end. Heart rate gets there in two parts: a fast one (a pure
delay, then two equal poles) and a slow one (one pole, quicker in rising than
in falling). Drift comes on top and never goes back within a run.

What the description of this model leaves open, decided so that its check
values come out. They were published to 0.1 bpm; ``reference()``, stepped by
1 s, is exact in the steady heart rates and within 0.1 bpm of all the others:
165.0 at the end of 10 min of running, and then, counted from that value,
13.3/31.7/42.6/48.1/56.4 bpm of drop after 30/60/90/120/300 s of walking.

- The delay belongs to the fast part alone; rising and falling are told by
  each pole from its own input.
- Drift runs with the square of the effort, in full at 74 % of VO2 reserve:
  brisk runs drift, walks hardly do. Heat counts twice, in the effort and here.
- Effort ends at the maximum: a pace beyond it costs no more heart beats.
- The second pole sees the first as it has just become. Seen in finer steps
  (0.1 s) the drops are up to 0.3 bpm smaller.

Where it is too kind: the reference comes down faster than people do. After
30/45/60/90 s of walking it has lost 13.4/23.4/31.7/42.6 bpm; the medians of 64
walk breaks in 14 public recordings of real runs are 7.6/13.4/21.1/24.3. The
check values stay as they were published. With tau_off 1.6 times as long it
would be 7.6/14.2/20.8/32.3, which fits them for a minute; nothing here fits
them at 90 s. What a coach reaches is therefore to be told for both, and
``unfit`` is a runner of that kind.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import ceil, exp, inf

import numpy as np
from msgspec.structs import asdict
from numpy.typing import NDArray

from hrbridge import runner_file
from hrbridge.errors import ConfigError
from hrbridge.runner_file import RunnerFile

Array = NDArray[np.float64]
Floats = float | Array
Bools = bool | NDArray[np.bool_]

# ACSM metabolic equations, in ml/kg/min: at rest, per m/s on the flat, per m/s and grade.
RESTING_VO2 = 3.5
WALKING_VO2, WALKING_GRADE_VO2 = 6.0, 108.0
RUNNING_VO2, RUNNING_GRADE_VO2 = 12.0, 54.0

COMFORTABLE_C = 15.0
EFFORT_PER_C = 0.0045
# Our choice: at 35 °C the drift is twice that of a cool day (besides what the effort adds).
DRIFT_PER_C = 0.05
FULL_DRIFT_EFFORT = 0.74

RISING_SLOW_SHARE = 0.35
NOISE_KEPT_PER_S = 0.97
LONGEST_DELAY_S = 12.0
# The step of the integration; longer steps are cut into pieces.
LONGEST_STEP_S = 1.0
LOWEST_BELOW_REST_BPM = 5.0

TAU_ON_S, TAU_ON_LOG_SD = 13.0, 0.25
TAU_OFF_S, TAU_OFF_LOG_SD = 26.0, 0.30
# Half of the spread of the fast poles goes with fitness: one sd of VO2max above the mean is half a log-sd faster.
FITNESS_CORRELATION = 0.5
MEAN_VO2MAX_ML_KG_MIN, SD_VO2MAX_ML_KG_MIN = 40.0, 8.0

RPE_FATIGUE_FROM_HRR = 0.60
REPORT_NOISE_RPE = 0.7

# Self-chosen paces of people who jog (m/s).
SLOWEST_RUN_M_S, FASTEST_RUN_M_S = 1.9, 4.0
# Whoever hears "A little slower." and does it: 8 % slower.
EASED_RUN = 0.92


@dataclass(frozen=True)
class Traits:
    """What makes one runner differ from another; each an array of shape (runners,).

    ``economy`` multiplies the cost of moving; ``exponent`` bends effort into
    heart rate; ``fast_share`` of heart rate follows after ``delay_s`` (0 to
    12 s), the rest with ``tau_slow_s``; ``rpe_offset`` is how far a person's
    reports lie above what the model expects.
    """

    age_years: Array
    max_heart_rate_bpm: Array
    resting_heart_rate_bpm: Array
    vo2max_ml_kg_min: Array
    economy: Array
    exponent: Array
    delay_s: Array
    tau_on_s: Array
    tau_off_s: Array
    tau_slow_s: Array
    fast_share: Array
    drift_bpm_per_10_min: Array
    noise_bpm: Array
    rpe_offset: Array

    @property
    def reserve_bpm(self) -> Array:
        """Maximum minus resting heart rate."""
        return self.max_heart_rate_bpm - self.resting_heart_rate_bpm


@dataclass(frozen=True)
class Person:
    """A runner by description: median in all that is not said here.

    ``recovery`` stretches the time that the fast part takes to fall;
    the rest is as in Traits. The two fast time constants go with VO2max where
    they are not said.
    """

    age_years: float
    max_heart_rate_bpm: float
    resting_heart_rate_bpm: float
    vo2max_ml_kg_min: float
    run_speed_m_s: float
    walk_speed_m_s: float
    recovery: float = 1.0
    rpe_offset: float = 0.0
    exponent: float = 0.80
    delay_s: float = 5.0
    tau_on_s: float | None = None
    tau_off_s: float | None = None
    tau_slow_s: float = 240.0
    fast_share: float = 0.72
    drift_bpm_per_10_min: float = 3.0


UNTOLD_AGE_YEARS = 40.0

NAMED = {
    "novice": Person(50, 173, 75, 28, run_speed_m_s=1.7, walk_speed_m_s=1.3),
    "typical": Person(40, 180, 60, 42, run_speed_m_s=2.2, walk_speed_m_s=1.5),
    "fit": Person(32, 186, 50, 54, run_speed_m_s=2.8, walk_speed_m_s=1.6),
    # Runs like the novice, and takes much longer to come down.
    "unfit": Person(45, 176, 72, 30, run_speed_m_s=1.8, walk_speed_m_s=1.4, recovery=1.6),
}


def person(name: str) -> Person:
    """The named runner, or the one of a runner file; raises ConfigError with the names there are."""
    if runner_file.is_file(name):
        return person_of(runner_file.read(name))
    if name not in NAMED:
        allowed = ", ".join(f'"{known}"' for known in NAMED)
        raise ConfigError(
            f'[sensor] runner: "{name}" is not allowed; allowed: {allowed}, or a file of hrbridge fit (.toml)'
        )
    return NAMED[name]


def person_of(file: RunnerFile) -> Person:
    """The runner that a runner file describes; where it tells no age, one of 40."""
    body = asdict(file.runner)
    return Person(**{**body, "age_years": body["age_years"] or UNTOLD_AGE_YEARS}, **asdict(file.model))


class RunnerModel:
    """The state of ``runners`` hearts, moved on by ``step``. All of them begin standing, rested.

    With a seed the heart rate that ``step`` returns is what a strap would
    say: noisy and rounded to 1 bpm. Without one nothing is random, and it is
    the true heart rate. Each runner has random numbers of its own, so it
    makes no difference in what company one is computed: ``first`` is the
    number of the first of these runners.
    """

    def __init__(self, traits: Traits, seed: int | None = None, first: int = 0) -> None:
        self.traits = traits
        self.runners = len(traits.age_years)
        t = traits
        self._reserve_bpm = t.reserve_bpm
        self._vo2_reserve = t.vo2max_ml_kg_min - RESTING_VO2
        # The states of the two parts are shares of heart-rate reserve.
        self._first_pole = np.zeros(self.runners)
        self._second_pole = np.zeros(self.runners)
        self._slow = np.zeros(self.runners)
        self._drift_bpm = np.zeros(self.runners)
        self._fatigue = np.zeros(self.runners)
        self._true_bpm = t.resting_heart_rate_bpm.copy()
        # What was asked for in the last steps, a ring that ends at the head.
        self._line = np.zeros((1, self.runners))
        self._head = 0
        self._dt_s = LONGEST_STEP_S
        self._set_step(LONGEST_STEP_S)
        self._heart_noise: Noise | None = None
        if seed is not None:
            self._heart_noise = Noise(_generators(seed, first, self.runners, stream=1))
            self._report_noise = Noise(_generators(seed, first, self.runners, stream=2))
            self._noise_bpm = t.noise_bpm * self._heart_noise.draw()

    @classmethod
    def reference(cls) -> RunnerModel:
        """The one runner of the check values: medians in everything, without noise or rounding."""
        return cls(_median(35, 183.5, 62, 42, TAU_ON_S, TAU_OFF_S))

    @classmethod
    def named(cls, name: str, seed: int) -> RunnerModel:
        """One runner of ``NAMED``; the seed changes the noise only. Raises ConfigError for an unknown name."""
        return cls.of(person(name), seed)

    @classmethod
    def of(cls, who: Person, seed: int | None = None) -> RunnerModel:
        """The runner who is described; the seed changes the noise only."""
        tau_on_s, tau_off_s = _fast_taus_s(who.vo2max_ml_kg_min, 0.0, 0.0)
        traits = _median(
            who.age_years,
            who.max_heart_rate_bpm,
            who.resting_heart_rate_bpm,
            who.vo2max_ml_kg_min,
            who.tau_on_s or tau_on_s,
            (who.tau_off_s or tau_off_s) * who.recovery,
        )
        own = ("rpe_offset", "exponent", "delay_s", "tau_slow_s", "fast_share", "drift_bpm_per_10_min")
        return cls(replace(traits, **{name: np.array([getattr(who, name)]) for name in own}), seed)

    @classmethod
    def like(cls, file: RunnerFile, runners: int, seed: int, first: int = 0) -> RunnerModel:
        """Runners who could all be the one of the file: drawn from what it says of its own uncertainty.

        ``first`` as in ``population``; with the noise of a strap.
        """
        values, vectors = np.linalg.eigh(file.covariance)
        spread = vectors * np.sqrt(np.maximum(values, 0))  # rounded correlations may be a little impossible
        drawn = np.array([rng.standard_normal(len(values)) for rng in _generators(seed, first, runners, stream=0)])
        limits = np.array([runner_file.LIMITS[name] for name in runner_file.DRAWN])
        numbers = np.clip(file.means + drawn.reshape(runners, -1) @ spread.T, limits[:, 0], limits[:, 1])
        told = dict(zip(runner_file.DRAWN, numbers.T.copy(), strict=True))
        lowest_max_bpm = told["resting_heart_rate_bpm"] + runner_file.LEAST_RESERVE_BPM
        told["max_heart_rate_bpm"] = np.maximum(told["max_heart_rate_bpm"], lowest_max_bpm)
        alike = cls.of(person_of(file)).traits
        same = {field.name: np.repeat(getattr(alike, field.name), runners) for field in fields(Traits)}
        return cls(Traits(**{**same, **told}), seed, first)

    @classmethod
    def population(cls, runners: int, seed: int, first: int = 0) -> RunnerModel:
        """Runners number ``first``, ``first + 1``, ... of the population that belongs to the seed."""
        people = [_anybody(rng) for rng in _generators(seed, first, runners, stream=0)]
        columns = (np.concatenate([getattr(one, field.name) for one in people]) for field in fields(Traits))
        return cls(Traits(*columns), seed, first)

    def begin_at(self, heart_rate_bpm: Floats) -> None:
        """Begin with this heart rate, shape (runners,), as if it had stood there for long."""
        share = (np.asarray(heart_rate_bpm) - self.traits.resting_heart_rate_bpm) / self._reserve_bpm
        for state in (self._first_pole, self._second_pole, self._slow, self._line):
            state[...] = share
        self._true_bpm = self.traits.resting_heart_rate_bpm + self._reserve_bpm * share

    @property
    def heart_rate_bpm(self) -> Array:
        """The true heart rate after the last step, shape (runners,): no noise, no rounding, never above the maximum."""
        return self._true_bpm.copy()

    def steady_heart_rate_bpm(
        self, speed_m_s: Floats, running: Bools, grade: Floats = 0.0, temperature_c: Floats = COMFORTABLE_C
    ) -> Array:
        """Where heart rate would settle without drift, shape (runners,)."""
        share = self._effort(speed_m_s, running, grade, temperature_c) ** self.traits.exponent
        return self.traits.resting_heart_rate_bpm + self._reserve_bpm * share

    def self_paced_speed_m_s(self, effort: Floats) -> Array:
        """The running speed on the flat that costs this share of VO2 reserve, shape (runners,), 1.9 to 4.0 m/s."""
        vo2 = RESTING_VO2 + effort * (self.traits.vo2max_ml_kg_min - RESTING_VO2)
        return np.clip((vo2 / self.traits.economy - RESTING_VO2) / RUNNING_VO2, SLOWEST_RUN_M_S, FASTEST_RUN_M_S)

    def step(
        self,
        speed_m_s: Floats,
        running: Bools,
        dt_s: float = 1.0,
        *,
        grade: Floats = 0.0,
        temperature_c: Floats = COMFORTABLE_C,
    ) -> Array:
        """Move on by ``dt_s`` seconds at this speed; returns the heart rate at its end, shape (runners,).

        ``grade`` is rise over run (0.05 = 5 %). Raises ValueError unless dt_s is above 0 and finite.
        """
        if not 0 < dt_s < inf:
            raise ValueError(f"dt_s must be above 0 and finite, not {dt_s}")
        effort = self._effort(speed_m_s, running, grade, temperature_c)
        share = effort**self.traits.exponent
        drift_bpm_s = self.traits.drift_bpm_per_10_min / 600 * np.square(effort / FULL_DRIFT_EFFORT)
        drift_bpm_s *= 1 + DRIFT_PER_C * np.maximum(temperature_c - COMFORTABLE_C, 0)
        pieces = ceil(dt_s / LONGEST_STEP_S)
        for _ in range(pieces):
            self._advance(share, drift_bpm_s, dt_s / pieces)
        return self._measured(dt_s)

    def rpe(self) -> Array:
        """True exertion now on the scale 0 to 10, shape (runners,): effort of the heart, and fatigue."""
        return np.clip(0.5 + 8.5 * self._hrr() ** 1.8 + 0.25 * self._fatigue, 0, 10)

    def report_rpe(self) -> Array:
        """What the runners would say when asked now: in halves, in their own way, noisy where there is a seed."""
        said = self.rpe() + self.traits.rpe_offset
        if self._heart_noise is not None:
            said = said + REPORT_NOISE_RPE * self._report_noise.draw()
        return np.clip(np.round(said * 2) / 2, 0, 10)

    def _effort(self, speed_m_s: Floats, running: Bools, grade: Floats, temperature_c: Floats) -> Array:
        """Share of VO2 reserve, 0 to 1, shape (runners,)."""
        per_m_s = np.where(running, RUNNING_VO2 + RUNNING_GRADE_VO2 * grade, WALKING_VO2 + WALKING_GRADE_VO2 * grade)
        vo2 = (RESTING_VO2 + per_m_s * speed_m_s) * self.traits.economy
        heat = 1 + EFFORT_PER_C * np.maximum(temperature_c - COMFORTABLE_C, 0)
        effort: Array = np.minimum(np.maximum((vo2 - RESTING_VO2) * heat / self._vo2_reserve, 0), 1)
        return effort

    def _advance(self, share: Array, drift_bpm_s: Array, dt_s: float) -> None:
        """One piece of at most LONGEST_STEP_S; ``share`` of reserve is where heart rate is heading."""
        if dt_s != self._dt_s:
            self._set_step(dt_s)
        t = self.traits
        self._head = (self._head + 1) % len(self._line)
        self._line[self._head] = share
        # What was asked for between delay and delay + dt_s ago: a mean of two entries of the line.
        delayed = self._head * self.runners + self._delay_offset
        newer, older = self._line.take(delayed), self._line.take(delayed - self.runners)
        asked = newer + self._delay_rest * (older - newer)
        _follow(self._first_pole, asked, self._on, self._off)
        _follow(self._second_pole, self._first_pole, self._on, self._off)
        _follow(self._slow, share, self._slow_on, self._slow_off)
        self._drift_bpm += drift_bpm_s * dt_s
        level = self._slow + t.fast_share * (self._second_pole - self._slow)
        bpm = t.resting_heart_rate_bpm + self._reserve_bpm * level + self._drift_bpm
        self._true_bpm = np.minimum(bpm, t.max_heart_rate_bpm)
        self._fatigue *= 1 - dt_s / 7200
        self._fatigue += np.maximum(self._hrr() - RPE_FATIGUE_FROM_HRR, 0) * (dt_s / 60)

    def _set_step(self, dt_s: float) -> None:
        """Gains of the poles for steps of this length, exact for a constant input; the line keeps its times."""
        t = self.traits
        self._on, self._off = -np.expm1(-dt_s / t.tau_on_s), -np.expm1(-dt_s / t.tau_off_s)
        self._slow_on, self._slow_off = (-np.expm1(-dt_s / (k * t.tau_slow_s)) for k in (RISING_SLOW_SHARE, 1.0))
        steps, self._delay_rest = np.divmod(t.delay_s / dt_s, 1)
        # Places in the flattened line, counted back from the head; where they are negative the ring closes.
        self._delay_offset = np.arange(self.runners) - steps.astype(np.intp) * self.runners
        length = ceil(LONGEST_DELAY_S / dt_s) + 2
        ago_s = np.arange(length - 1, -1, -1) * dt_s
        ago_steps = np.minimum(np.round(ago_s / self._dt_s).astype(np.intp), len(self._line) - 1)
        self._line = self._line[self._head - ago_steps]
        self._head = length - 1
        self._dt_s = dt_s

    def _measured(self, dt_s: float) -> Array:
        if self._heart_noise is None:
            return self._true_bpm.copy()
        t = self.traits
        kept = NOISE_KEPT_PER_S**dt_s
        self._noise_bpm = kept * self._noise_bpm + t.noise_bpm * (1 - kept**2) ** 0.5 * self._heart_noise.draw()
        # Noise bends back at the maximum: cut off there, the signal would look frozen.
        bpm = t.max_heart_rate_bpm - np.abs(t.max_heart_rate_bpm - self._true_bpm - self._noise_bpm)
        lowest_bpm = np.ceil(t.resting_heart_rate_bpm - LOWEST_BELOW_REST_BPM)
        measured: Array = np.clip(np.rint(bpm), lowest_bpm, np.floor(t.max_heart_rate_bpm))
        return measured

    def _hrr(self) -> Array:
        return (self._true_bpm - self.traits.resting_heart_rate_bpm) / self._reserve_bpm


class Noise:
    """Standard normal numbers, one generator for each runner, drawn in blocks because calls are dear."""

    BLOCK = 512

    def __init__(self, generators: list[np.random.Generator]) -> None:
        self._generators = generators
        self._block = np.empty((0, len(generators)))
        self._used = 0

    def draw(self) -> Array:
        """Shape (runners,)."""
        if self._used == len(self._block):
            rows = np.empty((len(self._generators), self.BLOCK))
            for row, rng in zip(rows, self._generators, strict=True):
                rng.standard_normal(out=row)
            self._block = np.ascontiguousarray(rows.T)
            self._used = 0
        self._used += 1
        drawn: Array = self._block[self._used - 1]
        return drawn


def _follow(state: Array, towards: Array, on: Array, off: Array) -> None:
    """Move one pole; rising and falling have gains of their own."""
    gap = towards - state
    state += gap * np.where(gap > 0, on, off)


def _generators(seed: int, first: int, runners: int, *, stream: int) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, number, stream]) for number in range(first, first + runners)]


def _fast_taus_s(vo2max_ml_kg_min: float, on_noise: float, off_noise: float) -> tuple[float, float]:
    """Time constants of rising and falling; the noises are standard normal. Fitter is faster."""
    fitness = (vo2max_ml_kg_min - MEAN_VO2MAX_ML_KG_MIN) / SD_VO2MAX_ML_KG_MIN
    own = (1 - FITNESS_CORRELATION**2) ** 0.5
    slowness_on, slowness_off = (own * noise - FITNESS_CORRELATION * fitness for noise in (on_noise, off_noise))
    return TAU_ON_S * exp(TAU_ON_LOG_SD * slowness_on), TAU_OFF_S * exp(TAU_OFF_LOG_SD * slowness_off)


def _median(
    age_years: float, max_bpm: float, resting_bpm: float, vo2max_ml_kg_min: float, tau_on_s: float, tau_off_s: float
) -> Traits:
    """One runner who is median in everything else."""
    return _one(
        age_years=age_years,
        max_heart_rate_bpm=max_bpm,
        resting_heart_rate_bpm=resting_bpm,
        vo2max_ml_kg_min=vo2max_ml_kg_min,
        economy=1.0,
        exponent=0.80,
        delay_s=5.0,
        tau_on_s=tau_on_s,
        tau_off_s=tau_off_s,
        tau_slow_s=240.0,
        fast_share=0.72,
        drift_bpm_per_10_min=3.0,
        noise_bpm=1.6,
        rpe_offset=0.0,
    )


def _anybody(rng: np.random.Generator) -> Traits:
    """One runner drawn from the population; what is normal is cut off at three to four sd, or where it turns absurd."""

    def normal(mean: float, sd: float, low: float, high: float) -> float:
        return float(np.clip(rng.normal(mean, sd), low, high))

    age_years = rng.triangular(18, 35, 70)
    at_35_ml_kg_min = 45.0 if rng.random() < 0.5 else 38.0
    vo2max_ml_kg_min = normal(at_35_ml_kg_min - 0.30 * (age_years - 35), 6, 22, 75)
    tau_on_s, tau_off_s = _fast_taus_s(vo2max_ml_kg_min, normal(0, 1, -3, 3), normal(0, 1, -3, 3))
    return _one(
        age_years=age_years,
        max_heart_rate_bpm=normal(208 - 0.7 * age_years, 8, 140, 215),
        resting_heart_rate_bpm=normal(78 - 0.38 * (vo2max_ml_kg_min - 35), 7, 40, 100),
        vo2max_ml_kg_min=vo2max_ml_kg_min,
        economy=normal(1, 0.07, 0.8, 1.2),
        exponent=normal(0.80, 0.10, 0.5, 1.1),
        delay_s=normal(5, 2, 1, LONGEST_DELAY_S),
        tau_on_s=tau_on_s,
        tau_off_s=tau_off_s,
        tau_slow_s=normal(240, 60, 90, 420),
        fast_share=normal(0.72, 0.08, 0.45, 0.95),
        drift_bpm_per_10_min=normal(3, 2, 0, 9),
        noise_bpm=normal(1.6, 0.4, 0.4, 2.8),
        rpe_offset=normal(0, 1, -3, 3),
    )


def _one(**numbers: float) -> Traits:
    return Traits(**{name: np.array([number], dtype=np.float64) for name, number in numbers.items()})
