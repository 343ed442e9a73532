"""A runner who exists only in arithmetic: wears strap and foot pod, hears the cues and mostly does what they say.

Source and sink at once. Made for ``timeline.merge``, which asks for the
events of the next second before it hands out the tick of this one: a cue can
therefore be heard a second late, and every reaction takes longer than that.

Faults are written ``NAME@T[+FOR]``: from second T, for FOR seconds or to the end.

==============  ==================================================================================
dropout         no samples; the foot pod goes on
zero            the strap finds no heart rate
frozen          the strap repeats its last value, without RR intervals
spike           single samples, or two or three in a row, lie 20-60 bpm too high; RR intervals stay right
cadence_lock    the strap counts steps for beats, in the RR intervals too
dry_start       dry electrodes: values near the maximum, contact comes and goes (FOR: 180 s)
stuck_high      35 bpm above the maximum, steady, RR intervals agree
no_recovery     walking costs the heart as much as running
contact_off     the strap says it has no contact
wrong_strap     the strap of another runner, who runs without walk breaks
ignore_walk     keeps running when told to walk
ignore_run      keeps walking when told to run
hill            6 % uphill, told by ``incline_percent``
heat            35 °C
clock_jump      the machine sleeps: no event at all, the runner runs on and hears nothing (FOR: 60 s)
==============  ==================================================================================
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import Enum, StrEnum, auto
from math import floor, inf

import numpy as np
from msgspec import Struct

from hrbridge.config import Sensor
from hrbridge.decisions import CueKind, Phase, Step
from hrbridge.errors import ConfigError
from hrbridge.events import Action, Command, Event, Rpe, Sample, Speed
from hrbridge.runner_model import COMFORTABLE_C, EASED_RUN, Person, RunnerModel, person

MAX_S = 12 * 3600.0
# An easy effort for somebody without a pace of their own.
OWN_EFFORT = 0.65
WALK_SPEED_M_S = 1.5

REACTION_S, REACTION_SD_S = 2.0, 0.4
QUICKEST_REACTION_S = 1.05
RPE_ANSWER_S = (5.0, 10.0)
LEAVES_AFTER_S = 5
# As in [runner]: below it nothing could be told from heart rate.
LEAST_RESERVE_BPM = 30
# How hard people speed up and slow down.
ACCELERATION_M_S2 = 0.8

SURGE = 1.15
EASED_WALK = 0.85
COOLDOWN_WALK = 0.90

HILL_GRADE = 0.06
# The slopes of hilly walks: from a ramp to what still lets people walk at their pace.
HILLY_WALK_GRADE = (0.04, 0.10)
HEAT_C = 35.0
STUCK_ABOVE_MAX_BPM = 35
# One byte on the air, and 255 means no value.
HIGHEST_SENT_BPM = 250
BATTERY_EVERY_S = 300


class FaultName(StrEnum):
    DROPOUT = "dropout"
    ZERO = "zero"
    FROZEN = "frozen"
    SPIKE = "spike"
    CADENCE_LOCK = "cadence_lock"
    DRY_START = "dry_start"
    STUCK_HIGH = "stuck_high"
    NO_RECOVERY = "no_recovery"
    CONTACT_OFF = "contact_off"
    WRONG_STRAP = "wrong_strap"
    IGNORE_WALK = "ignore_walk"
    IGNORE_RUN = "ignore_run"
    HILL = "hill"
    HEAT = "heat"
    CLOCK_JUMP = "clock_jump"


# These two end by their nature; all others last until the run does.
LASTS_S = {FaultName.DRY_START: 180.0, FaultName.CLOCK_JUMP: 60.0}


class Fault(Struct, frozen=True):
    """Holds from ``from_s`` until just before ``until_s`` (may be infinite)."""

    name: FaultName
    from_s: float
    until_s: float


def parse_fault(spec: str) -> Fault:
    """``NAME@T[+FOR]`` in seconds; raises ConfigError with the names there are."""
    match = re.fullmatch(r"([^@]*)@(\d+(?:\.\d+)?)(?:\+(\d+(?:\.\d+)?))?", spec.strip())
    if match is None:
        raise ConfigError(
            f'[sensor] faults: "{spec}" is not allowed; allowed: NAME@T or NAME@T+FOR in seconds, '
            f'for example "dropout@300+20"; names: {", ".join(FaultName)}'
        )
    name, from_text, for_text = match.groups()
    if name not in list(FaultName):
        raise ConfigError(f'[sensor] faults: "{spec}": there is no fault "{name}"; allowed: {", ".join(FaultName)}')
    from_s = float(from_text)
    for_s = float(for_text) if for_text else LASTS_S.get(FaultName(name), inf)
    if for_s == 0:
        raise ConfigError(f'[sensor] faults: "{spec}" lasts 0 s; allowed: FOR above 0, or none for "to the end"')
    return Fault(FaultName(name), from_s, from_s + for_s)


# What ``[sensor]`` may say about the body of the named runner.
DESCRIBED = (
    "max_heart_rate_bpm",
    "resting_heart_rate_bpm",
    "vo2max_ml_kg_min",
    "run_speed_m_s",
    "walk_speed_m_s",
    "rpe_offset",
)


def described(settings: Sensor) -> Person:
    """The named runner of ``[sensor]`` with what else is said there; raises ConfigError."""
    said = {key: value for key in DESCRIBED if (value := getattr(settings, key)) is not None}
    who = replace(person(settings.runner), **said)
    if who.max_heart_rate_bpm < who.resting_heart_rate_bpm + LEAST_RESERVE_BPM:
        raise ConfigError(
            f"[sensor] max_heart_rate_bpm: {who.max_heart_rate_bpm:g} is not allowed; "
            f"allowed: at least {LEAST_RESERVE_BPM} above resting_heart_rate_bpm, {who.resting_heart_rate_bpm:g}"
        )
    return who


class Activity(Enum):
    STAND = auto()
    WALK = auto()
    COOLDOWN = auto()
    RUN = auto()
    SURGE = auto()


class Ease(Enum):
    """Advice that changes the pace and not the gait."""

    RUN = auto()
    WALK = auto()


WALKING = frozenset({Activity.WALK, Activity.COOLDOWN})
RUNNING = frozenset({Activity.RUN, Activity.SURGE})

SAID = {
    CueKind.WARMUP: Activity.WALK,
    CueKind.RUN: Activity.RUN,
    CueKind.SURGE: Activity.SURGE,
    CueKind.WALK: Activity.WALK,
    CueKind.COOLDOWN: Activity.COOLDOWN,
    CueKind.PAUSE: Activity.STAND,
    CueKind.FINISH: Activity.STAND,
}
# What a runner does who missed the words but sees the display.
SHOWN = {
    Phase.WAITING: Activity.STAND,
    Phase.WARMUP: Activity.WALK,
    Phase.RUN: Activity.RUN,
    Phase.SURGE: Activity.SURGE,
    Phase.WALK: Activity.WALK,
    Phase.COOLDOWN: Activity.COOLDOWN,
    Phase.PAUSED: Activity.STAND,
    Phase.FINISHED: Activity.STAND,
}


class Simulated:
    """One runner for one run; a Source and a Sink (ports).

    ``runner`` is a name of ``runner_model.NAMED``, a description or a model of
    one runner. Speeds default to those of the person. ``reaction_s`` is the
    mean time from a cue to the doing, ``obedience`` the share of cues to run
    or walk that are followed at all (a repeated cue is a new chance); without
    ``obeys_ease_run`` "A little slower." is heard and not done.
    ``hilly_walks`` is the share of walks after a run that go uphill, by 4 to
    10 % and told by ``incline_percent``, until the next run.
    ``own_rhythm_s`` (seconds of running, of walking), for the plan ``free``:
    runs and walks like this and minds only start, pause and finish.
    Raises ConfigError for an unknown name or fault.
    """

    def __init__(
        self,
        runner: str | Person | RunnerModel = "typical",
        seed: int = 1,
        faults: Sequence[str] = (),
        *,
        run_speed_m_s: float | None = None,
        walk_speed_m_s: float | None = None,
        reaction_s: float = REACTION_S,
        obedience: float = 1.0,
        obeys_ease_run: bool = True,
        hilly_walks: float = 0.0,
        temperature_c: float = COMFORTABLE_C,
        own_rhythm_s: tuple[float, float] | None = None,
        max_s: float = MAX_S,
    ) -> None:
        if isinstance(runner, str):
            runner = person(runner)
        if isinstance(runner, Person):
            self.model = RunnerModel.of(runner, seed)
            speeds_m_s = runner.run_speed_m_s, runner.walk_speed_m_s
        else:
            if runner.runners != 1:
                raise ValueError(f"a simulated sensor is worn by 1 runner, not {runner.runners}")
            self.model = runner
            speeds_m_s = runner.self_paced_speed_m_s(OWN_EFFORT).item(), WALK_SPEED_M_S
        self.run_speed_m_s = speeds_m_s[0] if run_speed_m_s is None else run_speed_m_s
        self.walk_speed_m_s = speeds_m_s[1] if walk_speed_m_s is None else walk_speed_m_s
        self.max_heart_rate_bpm: float = self.model.traits.max_heart_rate_bpm.item()
        self.resting_heart_rate_bpm: float = self.model.traits.resting_heart_rate_bpm.item()
        self._faults = [parse_fault(spec) for spec in faults]
        self._reaction_s = reaction_s
        self._obedience = obedience
        self._obeys_ease_run = obeys_ease_run
        self._hilly_walks = hilly_walks
        self._temperature_c = temperature_c
        self._own_rhythm_s = own_rhythm_s
        self._max_s = max_s
        # Sources of chance of their own, so that a missed cue does not change every step after it, nor a hill a cue.
        self._mind_chance, self._pace_chance = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
        self._hill_chance = np.random.default_rng([seed, 4])
        # What the runner has understood, what is still to be done about it (when, what), and what is being done.
        self._intent = Activity.STAND
        self._to_do: deque[tuple[float, Activity | Ease]] = deque()
        self._activity = Activity.STAND
        self._pace_share = 1.0
        self._walk_grade = 0.0
        self._speed_m_s = 0.0
        self._distance_m = 0.0
        self._phase = Phase.WAITING
        self._answer_rpe_s: float | None = None
        self._leaves_s = inf
        self._strap = Strap(self.max_heart_rate_bpm, seed)

    @classmethod
    def of(
        cls, settings: Sensor, *, own_rhythm_s: tuple[float, float] | None = None, max_s: float = MAX_S
    ) -> Simulated:
        """The runner of ``[sensor]``; raises ConfigError."""
        return cls(
            described(settings),
            settings.seed,
            settings.faults,
            reaction_s=settings.reaction_s,
            obedience=settings.obedience,
            obeys_ease_run=settings.obeys_ease_run,
            hilly_walks=settings.hilly_walks,
            temperature_c=settings.temperature_c,
            own_rhythm_s=own_rhythm_s,
            max_s=max_s,
        )

    def events(self, from_s: float = 0.0) -> Iterator[Event]:
        """One Sample and one Speed per second from 0 on, the start, and answers to RPE prompts.

        Ends some seconds after ``finish`` was heard, or at ``max_s``. To be
        read once: the runner has run. Who comes back to a session that was cut
        off, after ``from_s``, is rested, and does not start again.
        """
        at_s = floor(from_s) + 1 if from_s > 0 else 0
        started = from_s > 0
        self._strap.put_on(at_s)
        while at_s <= min(self._leaves_s, self._max_s):
            faults = self._faults_at(at_s)
            self._do(at_s)
            measured_bpm = self._live(faults)
            speed = self._speed(at_s, faults)
            sample = self._strap.sample(at_s, measured_bpm, speed.cadence_spm or 0.0, faults)
            if FaultName.CLOCK_JUMP not in faults:
                if sample is not None:
                    yield sample
                yield speed
                if not started:
                    yield Command(at_s, Action.START)
                    started = True
                if self._answer_rpe_s is not None and self._answer_rpe_s < at_s + 1:
                    yield Rpe(max(self._answer_rpe_s, at_s), self.model.report_rpe().item())
                    self._answer_rpe_s = None
            at_s += 1

    def take(self, step: Step) -> None:
        """Hear the cues of a step and see its phase."""
        at_s = step.at_s
        kinds = [cue.kind for cue in step.cues]
        wishes = [SAID[kind] for kind in kinds if kind in SAID]
        if not wishes and step.phase is not self._phase:
            wishes = [SHOWN[step.phase]]
        self._phase = step.phase
        if wishes:
            self._understand(wishes[-1], at_s)
        if CueKind.EASE_RUN in kinds:
            self._plan(Ease.RUN, at_s)
        if CueKind.EASE_WALK in kinds:
            self._plan(Ease.WALK, at_s)
        if CueKind.RPE_PROMPT in kinds:
            # To the millisecond of events: rounded up later, it would be ahead of the sample of that second.
            self._answer_rpe_s = round(at_s + self._mind_chance.uniform(*RPE_ANSWER_S), 3)
        if step.phase is Phase.FINISHED or CueKind.FINISH in kinds:
            self._leaves_s = min(self._leaves_s, at_s + LEAVES_AFTER_S)

    def _understand(self, wish: Activity, at_s: float) -> None:
        """Make the wish the intent, unless the runner goes by another will."""
        if self._own_rhythm_s is not None:
            return
        refused = False
        if wish in RUNNING and self._intent not in RUNNING:
            refused = FaultName.IGNORE_RUN in self._faults_at(at_s) or self._mind_chance.random() >= self._obedience
        elif wish in WALKING and self._intent in RUNNING:
            refused = FaultName.IGNORE_WALK in self._faults_at(at_s) or self._mind_chance.random() >= self._obedience
        if refused:
            wish = Activity.WALK if wish in RUNNING else self._intent
        if wish is not self._intent:
            self._intent = wish
            self._plan(wish, at_s)

    def _plan(self, what: Activity | Ease, at_s: float) -> None:
        """Put it on the list of things to do: after the reaction time, and after what is already there."""
        due_s = at_s + max(QUICKEST_REACTION_S, self._mind_chance.normal(self._reaction_s, REACTION_SD_S))
        self._to_do.append((due_s, what))

    def _do(self, at_s: float) -> None:
        """Begin what is due. Advice for a gait that is over is forgotten."""
        if self._own_rhythm_s is not None:
            run_s, walk_s = self._own_rhythm_s
            own = Activity.RUN if at_s % (run_s + walk_s) < run_s else Activity.WALK
            self._begin(Activity.STAND if SHOWN[self._phase] is Activity.STAND else own)
        while self._to_do and self._to_do[0][0] <= at_s:
            _, what = self._to_do.popleft()
            if isinstance(what, Activity):
                self._begin(what)
            elif what is Ease.RUN and self._activity in RUNNING and self._obeys_ease_run:
                self._pace_share = EASED_RUN
            elif what is Ease.WALK and self._activity in WALKING:
                self._pace_share = EASED_WALK

    def _begin(self, activity: Activity) -> None:
        if activity is self._activity:
            return
        if activity in WALKING and self._activity in RUNNING:
            uphill = self._hill_chance.random() < self._hilly_walks
            grade = self._hill_chance.uniform(*HILLY_WALK_GRADE)
            self._walk_grade = grade if uphill else 0.0
        elif activity in RUNNING:
            self._walk_grade = 0.0
        self._activity = activity
        self._pace_share = 1.0

    def _faults_at(self, at_s: float) -> frozenset[FaultName]:
        return frozenset(fault.name for fault in self._faults if fault.from_s <= at_s < fault.until_s)

    def _live(self, faults: frozenset[FaultName]) -> float:
        """One second of moving; returns the heart rate that a good strap measures."""
        running = self._activity in RUNNING
        match self._activity:
            case Activity.STAND:
                wanted_m_s = 0.0
            case Activity.WALK:
                wanted_m_s = self.walk_speed_m_s
            case Activity.COOLDOWN:
                wanted_m_s = self.walk_speed_m_s * COOLDOWN_WALK
            case Activity.RUN:
                wanted_m_s = self.run_speed_m_s
            case Activity.SURGE:
                wanted_m_s = self.run_speed_m_s * SURGE
        change_m_s = wanted_m_s * self._pace_share - self._speed_m_s
        self._speed_m_s += min(max(change_m_s, -ACCELERATION_M_S2), ACCELERATION_M_S2)
        self._distance_m += self._speed_m_s
        felt_m_s, felt_running = self._speed_m_s, running
        if FaultName.NO_RECOVERY in faults and self._activity in WALKING:
            felt_m_s, felt_running = self.run_speed_m_s, True
        grade = self._grade(faults)
        temperature_c = max(self._temperature_c, HEAT_C) if FaultName.HEAT in faults else self._temperature_c
        return self.model.step(felt_m_s, felt_running, grade=grade, temperature_c=temperature_c).item()

    def _grade(self, faults: frozenset[FaultName]) -> float:
        return HILL_GRADE if FaultName.HILL in faults else self._walk_grade

    def _speed(self, at_s: float, faults: frozenset[FaultName]) -> Speed:
        """What a foot pod says: within about 1 % in speed and 1 step per minute."""
        wobble, stagger = self._pace_chance.standard_normal(2)
        # People run at 155 to 175 steps per minute and walk at 100 to 120, quicker at speed; nobody is between.
        if self._speed_m_s == 0:
            cadence_spm = 0.0
        elif self._activity in RUNNING:
            cadence_spm = 165 + 10 * (self._speed_m_s - 2.3) + stagger
        else:
            cadence_spm = 110 + 30 * (min(self._speed_m_s, 1.8) - 1.5) + stagger
        return Speed(
            at_s,
            speed_m_s=self._speed_m_s * (1 + 0.01 * wobble),
            cadence_spm=round(cadence_spm),
            distance_m=self._distance_m,
            incline_percent=100 * self._grade(faults) or None,
        )


class Strap:
    """Turns a heart rate into what a chest strap sends, once a second, with what may be wrong with it."""

    def __init__(self, max_heart_rate_bpm: float, seed: int) -> None:
        self._max_bpm = round(max_heart_rate_bpm)
        self._beats = Beats(seed)
        self._chance = np.random.default_rng([seed, 2])
        self._seed = seed
        self._neighbour: RunnerModel | None = None
        self._last_bpm: int | None = None
        self._spikes_bpm: list[int] = []
        self._contact = True

    def put_on(self, at_s: float) -> None:
        """The first beat it hears comes after ``at_s``."""
        self._beats.begin(at_s)

    def sample(
        self, at_s: float, measured_bpm: float, cadence_spm: float, faults: frozenset[FaultName]
    ) -> Sample | None:
        """None where nothing is sent. Where several faults hold, the last one here wins."""
        bpm = rr_bpm = round(measured_bpm)
        contact = self._flap(FaultName.DRY_START in faults)
        sends_rr = contact
        if FaultName.SPIKE in faults:
            bpm = min(bpm + self._spike_bpm(), HIGHEST_SENT_BPM)
        if FaultName.CADENCE_LOCK in faults and cadence_spm > 0:
            bpm = rr_bpm = round(cadence_spm)
        if FaultName.DRY_START in faults:
            bpm = rr_bpm = self._max_bpm - int(self._chance.integers(2, 15))
        if FaultName.STUCK_HIGH in faults:
            bpm = rr_bpm = self._max_bpm + STUCK_ABOVE_MAX_BPM + int(self._chance.integers(-1, 2))
        if FaultName.WRONG_STRAP in faults:
            bpm = rr_bpm = self._neighbour_bpm()
        if FaultName.FROZEN in faults:
            bpm, sends_rr = self._last_bpm or bpm, False
        if FaultName.ZERO in faults:
            sends_rr = False
        rr_s = self._beats.until(at_s, rr_bpm)
        self._last_bpm = bpm
        if FaultName.DROPOUT in faults:
            return None
        return Sample(
            at_s,
            heart_rate_bpm=None if FaultName.ZERO in faults else bpm,
            rr_s=rr_s if sends_rr else (),
            contact=contact and FaultName.CONTACT_OFF not in faults,
            battery_percent=max(1, 96 - int(at_s / 1800)) if at_s % BATTERY_EVERY_S == 0 else None,
        )

    def _neighbour_bpm(self) -> int:
        """The heart rate of somebody fit nearby, who has been running for ten minutes when it is first asked for."""
        speed_m_s = person("fit").run_speed_m_s
        if self._neighbour is None:
            self._neighbour = RunnerModel.named("fit", self._seed + 1)
            self._neighbour.step(speed_m_s, True, 600.0)
        return round(self._neighbour.step(speed_m_s, True).item())

    def _flap(self, dry: bool) -> bool:
        """Contact of the electrodes; dry ones find it for 2 s and lose it for 5 s, on average."""
        if not dry:
            self._contact = True
        elif self._chance.random() < (0.5 if self._contact else 0.2):
            self._contact = not self._contact
        return self._contact

    def _spike_bpm(self) -> int:
        """How much too high: one to three samples of 20 to 60 bpm, then 5 to 15 clean ones, and again."""
        if not self._spikes_bpm:
            size_bpm, length, gap = (int(self._chance.integers(*span)) for span in ((20, 61), (1, 4), (5, 16)))
            self._spikes_bpm = [0] * gap + [size_bpm] * length
        return self._spikes_bpm.pop()


class Beats:
    """The beats of a heart, one after another, with the small irregularity of a heart that works."""

    def __init__(self, seed: int) -> None:
        self._chance = np.random.default_rng([seed, 3])
        self._last_s = 0.0
        self._stretch = 1.0

    def begin(self, at_s: float) -> None:
        """The last beat was at ``at_s``."""
        self._last_s = at_s

    def until(self, at_s: float, rate_bpm: float) -> tuple[float, ...]:
        """RR intervals in seconds of the beats up to ``at_s``, oldest first, at this rate since the last call."""
        rr_s = []
        while self._last_s + self._stretch * 60 / rate_bpm <= at_s:
            rr_s.append(self._stretch * 60 / rate_bpm)
            self._last_s += rr_s[-1]
            self._stretch = 1 + 0.01 * self._chance.standard_normal()
        return tuple(rr_s)
