"""The TOML a runner writes: its tables as structs, read once and strictly."""

from __future__ import annotations

import difflib
import logging
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from hrbridge.decisions import CueKind
from hrbridge.errors import ConfigError

log = logging.getLogger(__name__)

Bpm = Annotated[float, Meta(ge=30, le=240)]
Seconds = Annotated[float, Meta(ge=0, le=172_800)]
PositiveSeconds = Annotated[float, Meta(gt=0, le=172_800)]
Metres = Annotated[float, Meta(gt=0, le=1_000_000)]
Pace = Annotated[float, Meta(ge=120, le=1_800)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
RpeValue = Annotated[float, Meta(ge=0, le=10)]
# From a stroll to race walking.
WalkSpeed = Annotated[float, Meta(ge=0.3, le=3)]
Scale = Annotated[float, Meta(ge=0.1, le=10)]
Rung = Annotated[int, Meta(ge=-1, le=1)]

# A user and a password have keys of their own, for a URL stands in logs.
_BROKER = r"^(embedded(:\d{1,5})?|none|(mqtts?|wss?)://[^\s@]+)$"
# The ratios of control.plan.LADDER.
_ON_LADDER = r"^(1:4|1:3|1:2|1:1|2:1|3:1|4:1|5:1|9:1|10:1)$"

ASSUMED_AGE_YEARS = 40
ASSUMED_RESTING_HEART_RATE_BPM = 60


class Units(StrEnum):
    METRIC = "metric"
    IMPERIAL = "imperial"


class SensorKind(StrEnum):
    BLE = "ble"
    SIMULATED = "simulated"
    REPLAY = "replay"


class PolicyName(StrEnum):
    ADAPTIVE = "adaptive"
    FIXED = "fixed"
    GATE = "gate"
    REST51 = "rest51"
    REST118 = "rest118"


class Purpose(StrEnum):
    EASY = "easy"
    LONG = "long"
    RECOVERY = "recovery"
    TEMPO = "tempo"
    RACE = "race"
    RETURN = "return"


class SegmentKind(StrEnum):
    RUN = "run"
    SURGE = "surge"
    WALK = "walk"


class WalkInstead(StrEnum):
    RATIO = "ratio"
    TIME = "time"


class SeasonGoal(StrEnum):
    NONE = "none"
    TWELVE_WEEKS = "twelve-weeks"
    TWELVE_WEEKS_60 = "twelve-weeks-60"
    FIRST_5K = "first-5k"
    GENERAL = "general"
    MARATHON_LONG = "marathon-long"
    DURATION = "duration"
    RETURN = "return"


class Protocol(StrEnum):
    AUTO = "auto"
    V5 = "5"
    V311 = "3.1.1"


class Language(StrEnum):
    EN = "en"


class Table(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One table of the configuration; unknown keys are errors."""


class Runner(Table, frozen=True):
    """``[runner]``: whose heart it is. Maximum defaults to 208 - 0.7 age (Tanaka 2001), resting to 60 bpm."""

    id: Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,32}$")] = "runner"
    age_years: Annotated[float, Meta(ge=10, le=100)] | None = None
    max_heart_rate_bpm: Annotated[float, Meta(ge=100, le=240)] | None = None
    resting_heart_rate_bpm: Annotated[float, Meta(ge=25, le=120)] | None = None
    units: Units = Units.METRIC

    def __post_init__(self) -> None:
        if self.max_heart_rate_bpm is None:
            if self.age_years is None:
                raise ValueError("needs max_heart_rate_bpm (100-240) or age_years (10-100)")
            force_setattr(self, "max_heart_rate_bpm", round(208 - 0.7 * self.age_years, 1))
        if self.resting_heart_rate_bpm is None:
            force_setattr(self, "resting_heart_rate_bpm", float(ASSUMED_RESTING_HEART_RATE_BPM))
        if self.reserve_bpm < 30:
            raise ValueError("max_heart_rate_bpm must be at least 30 above resting_heart_rate_bpm")

    @property
    def maximum_bpm(self) -> float:
        return self.max_heart_rate_bpm or 0.0

    @property
    def resting_bpm(self) -> float:
        return self.resting_heart_rate_bpm or 0.0

    @property
    def reserve_bpm(self) -> float:
        """Heart-rate reserve: maximum minus resting."""
        return self.maximum_bpm - self.resting_bpm


class Sensor(Table, frozen=True):
    """``[sensor]``: where the heart rate comes from.

    ``kind = "ble"``: the strap with ``address``, or whose name begins with
    ``name``. ``fallback_*``: a second one, heard when the first is silent.
    ``speed_*``: a treadmill (FTMS) or foot pod (RSC), read and never driven.
    ``bond``: exchange keys with the straps when they ask for it.
    ``recovery_command``: program and arguments, run when the adapter has not
    worked for a minute, at most every five.

    ``kind = "simulated"``: the ``runner``, by name or a file that ``hrbridge
    fit`` has written (``mine.toml``), changed by what else is said here.
    Maximum and resting heart rate are those of the simulated body;
    ``[runner]`` says what the coach believes of it. ``rpe_offset``: how much
    harder than it is a run is reported (0 to 10 scale). ``obedience``: share
    of cues to run or walk that are followed; ``obeys_ease_run``: 8 % slower
    when asked to, or not at all. ``reaction_s``: from a cue to the doing.
    ``hilly_walks``: share of walk breaks that go 4 to 10 % uphill, 0.15 on a
    hilly route. Defaults and ranges are ours; above 15 °C heat costs.
    """

    kind: SensorKind = SensorKind.BLE
    address: str = ""
    name: str = ""
    fallback_address: str = ""
    fallback_name: str = ""
    speed_address: str = ""
    speed_name: str = ""
    bond: bool = False
    recovery_command: tuple[str, ...] = ()
    runner: str = "typical"
    seed: Annotated[int, Meta(ge=0)] = 1
    faults: tuple[str, ...] = ()
    # None: that of the named runner
    max_heart_rate_bpm: Annotated[float, Meta(ge=100, le=240)] | None = None
    resting_heart_rate_bpm: Annotated[float, Meta(ge=25, le=120)] | None = None
    vo2max_ml_kg_min: Annotated[float, Meta(ge=15, le=90)] | None = None
    run_speed_m_s: Annotated[float, Meta(ge=1, le=7)] | None = None
    walk_speed_m_s: Annotated[float, Meta(ge=0.5, le=2.5)] | None = None
    rpe_offset: Annotated[float, Meta(ge=-5, le=5)] = 0.0
    obedience: Fraction = 1.0
    obeys_ease_run: bool = True
    reaction_s: Annotated[float, Meta(ge=1, le=60)] = 2.0
    hilly_walks: Fraction = 0.0
    temperature_c: Annotated[float, Meta(ge=-20, le=45)] = 15.0
    file: str = ""

    def __post_init__(self) -> None:
        given = [each.upper() for each in (self.address, self.fallback_address, self.speed_address) if each]
        if len(set(given)) < len(given):
            raise ValueError("address, fallback_address and speed_address must be three devices")


class Segment(Table, frozen=True, omit_defaults=True):
    """One stretch of a block: running, a surge, or walking, for a time, a distance or up to a mark on the course.

    Marks are for runs, in metres from the start of the main part: ``every_m``
    runs to the next multiple (100 to 100 000), ``at_m`` to the next of a rising
    list and after its last one to the end. One that the walk before has passed
    counts as passed. ``incline_percent`` (0 to 15) and ``speed_m_s`` (0.3 to
    3) are for walks on a treadmill, and only said.
    """

    kind: SegmentKind
    for_s: PositiveSeconds | None = None
    for_m: Metres | None = None
    every_m: Annotated[float, Meta(ge=100, le=100_000)] | None = None
    at_m: Annotated[tuple[Metres, ...], Meta(min_length=1, max_length=100)] | None = None
    incline_percent: Annotated[float, Meta(ge=0, le=15)] | None = None
    speed_m_s: WalkSpeed | None = None

    def __post_init__(self) -> None:
        if sum(x is not None for x in (self.for_s, self.for_m, self.every_m, self.at_m)) != 1:
            raise ValueError("needs one of for_s, for_m, every_m and at_m")
        if self.at_m is not None and list(self.at_m) != sorted(set(self.at_m)):
            raise ValueError("at_m must rise")
        walking = self.kind == SegmentKind.WALK
        if walking and self.marked:
            raise ValueError("every_m and at_m are for runs")
        if not walking and (self.incline_percent is not None or self.speed_m_s is not None):
            raise ValueError("incline_percent and speed_m_s are for walks")

    @property
    def marked(self) -> bool:
        """True when this run ends at a mark on the course."""
        return self.every_m is not None or self.at_m is not None


class Block(Table, frozen=True):
    """Segments repeated until ``until`` ("50%" of the whole, "30min", "5km") or for ``repeats`` cycles."""

    segments: Annotated[tuple[Segment, ...], Meta(min_length=1, max_length=100)]
    until: Annotated[str, Meta(pattern=r"^\d+(\.\d+)?(%|min|s|km|m)$")] | None = None
    repeats: Annotated[int, Meta(ge=1, le=10_000)] | None = None

    def __post_init__(self) -> None:
        if self.until is not None and self.repeats is not None:
            raise ValueError("takes until or repeats, not both")


class Plan(Table, frozen=True):
    """A session as a runner writes it down. Without blocks the phases are the runner's own (plan ``free``).

    ``total_s``, ``repeats`` or ``distance_m`` count without warm-up and
    cool-down; none of them: until the runner stops. The two limits belong to
    safety: the longest total time, and the longest stretch of running blocks
    without a trusted heart rate. ``walk_speed_m_s``: the band of a brisk walk,
    [lower, upper], each 0.3 to 3; absent: nothing is said of the walking pace.

    With ``goal_time_s``, from the gun, over ``goal_distance_m`` (absent:
    ``distance_m``) the runner is told what may be walked. ``run_pace_s_per_km``
    (120 to 1800; needed) is the pace that can be held to the end,
    ``walk_pace_s_per_km`` (absent: 667) must be slower.

    Three keys make another plan of this one when it is read, and are spent
    then. ``rung``: one step easier (-1) or harder (1) on the ladder of ratios.
    ``scale`` (0.1 to 10): every segment by time becomes so much longer.
    ``walk_instead``: a brisk walk, three times as long as the running
    ("ratio") or as long as the whole ("time").
    """

    name: str = "my-plan"
    purpose: Purpose = Purpose.EASY
    rpe_target: tuple[RpeValue, RpeValue] = (4.0, 6.0)
    warmup_s: Seconds = 0.0
    cooldown: Seconds | Annotated[str, Meta(pattern="^finisher$")] = 0.0
    total_s: PositiveSeconds | None = None
    repeats: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    distance_m: Metres | None = None
    goal_time_s: PositiveSeconds | None = None
    goal_distance_m: Metres | None = None
    run_pace_s_per_km: Pace | None = None
    walk_pace_s_per_km: Pace | None = None
    max_total_s: PositiveSeconds = 21_600.0
    max_without_heart_rate_s: PositiveSeconds = 3_600.0
    walk_speed_m_s: tuple[WalkSpeed, WalkSpeed] | None = None
    rung: Rung = 0
    scale: Scale = 1.0
    walk_instead: WalkInstead | None = None
    block: tuple[Block, ...] = ()

    def __post_init__(self) -> None:
        if sum(x is not None for x in (self.total_s, self.repeats, self.distance_m)) > 1:
            raise ValueError("takes one of total_s, repeats and distance_m")
        if self.rpe_target[0] > self.rpe_target[1]:
            raise ValueError("rpe_target is [lower, upper]")
        if self.walk_speed_m_s is not None and self.walk_speed_m_s[0] >= self.walk_speed_m_s[1]:
            raise ValueError("walk_speed_m_s is [lower, upper]")
        for block in self.block[:-1]:
            if block.until is None and block.repeats is None:
                raise ValueError("every block but the last needs until or repeats")


class PlanTable(Table, frozen=True):
    """``[plan]``: a plan by name or path in ``use``; any other key given here replaces the plan's own.

    The keys of Plan; None where a key is not given, for ``warmup_s = 0`` says something.
    """

    use: str = ""
    name: str | None = None
    purpose: Purpose | None = None
    rpe_target: tuple[RpeValue, RpeValue] | None = None
    warmup_s: Seconds | None = None
    cooldown: Seconds | Annotated[str, Meta(pattern="^finisher$")] | None = None
    total_s: PositiveSeconds | None = None
    repeats: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    distance_m: Metres | None = None
    goal_time_s: PositiveSeconds | None = None
    goal_distance_m: Metres | None = None
    run_pace_s_per_km: Pace | None = None
    walk_pace_s_per_km: Pace | None = None
    max_total_s: PositiveSeconds | None = None
    max_without_heart_rate_s: PositiveSeconds | None = None
    walk_speed_m_s: tuple[WalkSpeed, WalkSpeed] | None = None
    rung: Rung | None = None
    scale: Scale | None = None
    walk_instead: WalkInstead | None = None
    block: tuple[Block, ...] | None = None

    def __post_init__(self) -> None:
        Plan(**self.given)  # what contradicts itself there does so here

    @property
    def given(self) -> dict[str, Any]:
        """The keys of a plan that stand here."""
        return {key: value for key in Plan.__struct_fields__ if (value := getattr(self, key)) is not None}


class Control(Table, frozen=True):
    """``[control]``: the numbers of the controller. [M] measured on real walk breaks, [P] published, else our choice.

    Ceiling: ``heart_rate_ceiling_bpm``, or ``heart_rate_ceiling_hrr`` as a
    fraction of heart-rate reserve (0.75, in return plans 0.70). A second
    workout must be easier than the day's first [articles]: with the mean heart
    rate of that one in ``first_workout_mean_bpm`` no ceiling, not even a
    surge's, lies above it, and the effort may reach one less than the plan says.
    """

    policy: PolicyName = PolicyName.ADAPTIVE
    start_after_s: Seconds = 20.0
    heart_rate_ceiling_bpm: Bpm | None = None
    heart_rate_ceiling_hrr: Annotated[float, Meta(ge=0.3, le=1)] | None = None
    first_workout_mean_bpm: Bpm | None = None
    surge_allowance_bpm: Annotated[float, Meta(ge=0, le=30)] = 10.0
    ceiling_forecast_margin_bpm: Annotated[float, Meta(ge=0, le=20)] = 0.0
    # recovery: the drop of heart rate that a walk must bring [M: 75 % of walks reach 12 bpm at 60 s]
    min_drop_bpm: Annotated[float, Meta(ge=1, le=40)] = 10.0
    max_drop_bpm: Annotated[float, Meta(ge=1, le=60)] = 15.0
    unknown_amplitude_drop_bpm: Annotated[float, Meta(ge=1, le=60)] = 12.0
    ready_hrr: Annotated[float, Meta(ge=0.3, le=1)] = 0.65
    # a walk that has recovered before its time may end: off, for the plan's walking is there to be walked
    allow_early_run: bool = False
    # signal: how long without a trusted heart rate until nothing is adapted, until the clock alone drives
    doubt_after_s: Annotated[float, Meta(ge=1, le=60)] = 10.0
    clock_after_s: Annotated[float, Meta(ge=1, le=300)] = 30.0
    # cues
    countdown: bool = True
    notice: bool = True
    tips: bool = True
    rpe_prompts: bool = True

    def __post_init__(self) -> None:
        if self.heart_rate_ceiling_bpm is not None and self.heart_rate_ceiling_hrr is not None:
            raise ValueError("takes heart_rate_ceiling_bpm or heart_rate_ceiling_hrr, not both")
        if self.min_drop_bpm > self.max_drop_bpm:
            raise ValueError("min_drop_bpm must not exceed max_drop_bpm")
        if self.doubt_after_s > self.clock_after_s:
            raise ValueError("doubt_after_s must not exceed clock_after_s")


class Mqtt(Table, frozen=True):
    """``[mqtt]``: the broker; passwords only as the name of a file."""

    url: Annotated[str, Meta(pattern=_BROKER)] = "mqtt://localhost:1883"
    base_topic: Annotated[str, Meta(pattern=r"^[^+#\s/]+(/[^+#\s/]+)*$")] = "hrbridge"
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    protocol: Protocol = Protocol.AUTO
    home_assistant_discovery: bool = False
    insecure: bool = False


class Display(Table, frozen=True):
    """``[display]``: where the page of ``hrbridge display --web`` is found; port 0 takes any that is free.

    ``host`` beyond loopback lets other machines look, over TLS (``cert_file``,
    ``key_file``) unless ``insecure``. Commands then need a token: that of
    ``token_file``, or a new one with each start. ``names``: by which, besides
    its own, this machine may be called. ``beside_run``: with the embedded
    broker ``hrbridge run`` shows the page as well.
    """

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8765
    names: tuple[str, ...] = ()
    token_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    insecure: bool = False
    beside_run: bool = False


class Journal(Table, frozen=True):
    """``[journal]``: where past runs are kept; empty: the XDG state directory."""

    path: str = ""


class Season(Table, frozen=True):
    """``[season]``: what ``hrbridge next`` leads to over weeks.

    Without a goal the ladder of ratios leads, and so it does with ``return``:
    after an injury by what is felt, never by the calendar. ``twelve-weeks``
    ends on 50 minutes as in the table of the articles, ``twelve-weeks-60`` on
    60 as in their text. ``start_ratio`` and ``start_minutes`` (10 to 240,
    without warm-up and cool-down): where to start, absent: where the goal
    does. ``begin``: runs of earlier days do not count.
    """

    goal: SeasonGoal = SeasonGoal.NONE
    runs_per_week: Annotated[int, Meta(ge=2, le=7)] = 3
    start_ratio: Annotated[str, Meta(pattern=_ON_LADDER)] | None = None
    start_minutes: Annotated[int, Meta(ge=10, le=240)] | None = None
    begin: date | None = None


class Headset(Table, frozen=True):
    """``[headset]``: what ``hrbridge headset`` sounds like.

    ``voice`` is one of espeak-ng --voices, at so many ``words_per_minute`` (80
    to 450). ``command`` is another program with its arguments, for example
    ["piper", "--model", "en.onnx", "--output_file", "{wav}"]: the words stand
    in place of {text} and on its standard input, its wav comes from {wav} or
    from its standard output. ``language`` is that of the headset's own words.

    Kinds of cue in ``tone_only`` are not spoken, those in ``leave_out`` not
    even heard; ``warning`` always is. ``primer_s`` (0 to 3): how long to wake a
    Bluetooth headset, which would swallow the first sound; 0 for one with a
    wire. ``device``: part of the name of a sound card, empty: the default.
    """

    volume_percent: Annotated[float, Meta(ge=0, le=100)] = 100.0
    voice: str = "en"
    words_per_minute: Annotated[int, Meta(ge=80, le=450)] = 165
    language: Language = Language.EN
    command: tuple[str, ...] = ()
    tone_only: tuple[CueKind, ...] = ()
    leave_out: tuple[CueKind, ...] = ()
    primer_s: Annotated[float, Meta(ge=0, le=3)] = 0.7
    device: str = ""

    def __post_init__(self) -> None:
        if CueKind.WARNING in (*self.tone_only, *self.leave_out):
            raise ValueError("warning is always heard: neither tone_only nor leave_out may name it")


class Config(Table, frozen=True):
    """The whole file. Relative paths in it start where it lies."""

    runner: Runner
    sensor: Sensor = Sensor()
    plan: PlanTable = PlanTable()
    control: Control = Control()
    mqtt: Mqtt = Mqtt()
    display: Display = Display()
    journal: Journal = Journal()
    season: Season = Season()
    headset: Headset = Headset()


def load(path: str | Path | None = None, overrides: Iterable[str] = ()) -> Config:
    """Read a configuration; ``overrides`` are ``table.key=value`` as given to ``--set``.

    Without a path: the defaults, for a runner of 40 years, which is said.
    Raises ConfigError, one line with file, table, key and what is allowed.
    """
    if path is None:
        place = "defaults"
        raw: dict[str, Any] = {}
    else:
        place = str(path)
        raw = read_toml(Path(path))
        for table in ("mqtt", "display", "journal"):
            _start_where_it_lies(raw.get(table), Path(path).parent)
        _find_runner_file(raw.get("sensor"), Path(path).parent)
    for override in overrides:
        apply_override(raw, override)
    assumed = []
    runner = raw.setdefault("runner", {})
    if isinstance(runner, dict):
        if path is None and not runner.keys() & {"age_years", "max_heart_rate_bpm"}:
            runner["age_years"] = ASSUMED_AGE_YEARS
            assumed.append(f"age_years = {ASSUMED_AGE_YEARS}")
        if "resting_heart_rate_bpm" not in runner:
            assumed.append(f"resting_heart_rate_bpm = {ASSUMED_RESTING_HEART_RATE_BPM}")
    config = convert(raw, Config, place)
    if assumed:
        log.warning("%s: [runner] assuming %s", place, " and ".join(assumed))
    return config


def _start_where_it_lies(table: Any, folder: Path) -> None:
    """Files of a table are credentials of this service, or else looked for beside the configuration that names them."""
    for key in ("password_file", "token_file", "ca_file", "cert_file", "key_file", "path"):
        if isinstance(table, dict) and isinstance(table.get(key), str) and table[key]:
            table[key] = str(_credential(table[key]) or folder / Path(table[key]).expanduser())


def _find_runner_file(sensor: Any, folder: Path) -> None:
    """``runner`` may be a name, which stays one, or a file beside the configuration."""
    if isinstance(sensor, dict) and isinstance(sensor.get("runner"), str) and sensor["runner"].endswith(".toml"):
        sensor["runner"] = str(folder / Path(sensor["runner"]).expanduser())


def _credential(name: str) -> Path | None:
    """The file of this name that systemd has loaded for this service (LoadCredential=), unless that is empty.

    What only root may read is so named as ever, and read by a service that is not root.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    loaded = Path(folder or ".", Path(name).name)
    return loaded if folder and loaded.is_file() and loaded.read_bytes().strip() else None


def override(config: Config, overrides: Iterable[str]) -> Config:
    """``config`` with ``table.key=value`` put over it; raises ConfigError."""
    raw = msgspec.to_builtins(config)
    for text in overrides:
        apply_override(raw, text)
    return convert(raw, Config, "--set")


def read_toml(path: Path) -> dict[str, Any]:
    """The raw tables of a TOML file; raises ConfigError."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not valid TOML: the file is not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # a NUL in the name; brackets without end
        raise ConfigError(f"{str(path)!r}: cannot be read: {error}") from None


def apply_override(raw: dict[str, Any], override: str) -> None:
    """Put ``table.key=value`` into ``raw``, or a whole ``table={...}``; the value is TOML, or else plain text."""
    key, equals, text = override.partition("=")
    tables = key.strip().split(".")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    if not equals or not all(tables) or (len(tables) == 1 and not isinstance(value, dict)):
        raise ConfigError(f"--set {override}: expected table.key=value, for example control.min_drop_bpm=12")
    for table in tables[:-1]:
        raw = raw.setdefault(table, {})
        if not isinstance(raw, dict):
            raise ConfigError(f"--set {override}: {table} is not a table")
    raw[tables[-1]] = value


T = TypeVar("T")


def convert(raw: Mapping[str, Any], into: type[T], place: str) -> T:
    """Turn raw tables into the struct ``into``; raises ConfigError with place, table, key and what is allowed."""
    try:
        return msgspec.convert(raw, into)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{place}: {explain(str(error), raw, into)}") from None


def explain(message: str, raw: Mapping[str, Any], into: type) -> str:
    """A msgspec message as one line in the words of the file.

    msgspec names the path (``$.control.policy``) but neither the allowed
    words, nor both ends of a range, nor the known keys: those are looked up in
    the types.
    """
    what, _, path = message.partition(" - at `$")
    where = [part for part in re.split(r"[.\[\]`]+", path) if part]
    unknown = re.search(r"unknown field `([^`]+)`", what)
    missing = re.search(r"missing required field `([^`]+)`", what)
    if unknown:
        where.append(unknown[1])
    if missing:
        where.append(missing[1])
    # In a union with a string ("cooldown") msgspec points at the union itself, which is what we want.
    table, key = where[:-1], where[-1] if where else ""
    kind = _type_at(msgspec.inspect.type_info(into), table)
    head = _spoken(where, raw)
    if unknown:
        known = [field.encode_name for field in getattr(kind, "fields", ())]
        close = difflib.get_close_matches(key, known, 1) or [name for name in known if key in name]
        hint = f"did you mean {' or '.join(close)}?" if close else f"allowed: {', '.join(known)}"
        return f"{head}: unknown {'table' if isinstance(_value_at(raw, where), Mapping) else 'key'}; {hint}"
    if missing:
        return f"{head}: missing"
    value = _value_at(raw, where)
    allowed = _allowed(_type_at(kind, [key])) if key else ""
    if what.startswith(("Expected", "Invalid enum", "Invalid RFC3339", "Object missing")) and allowed:
        shown = re.sub(r"//\S*@", "//...@", repr(value))  # a password must not stand in a log
        return f"{head}: {shown} is not allowed; allowed: {allowed}"
    return f"{head}: {what}"


def _type_at(kind: Any, where: Iterable[str]) -> Any:
    """The msgspec type at a path of keys ("..." is an index into an array)."""
    for part in where:
        if isinstance(kind, msgspec.inspect.UnionType):
            kind = next((t for t in kind.types if isinstance(t, _CONTAINERS)), None)
        if isinstance(kind, msgspec.inspect.VarTupleType):
            kind = kind.item_type
        elif isinstance(kind, msgspec.inspect.TupleType):
            kind = kind.item_types[0]
        elif isinstance(kind, msgspec.inspect.StructType):
            kind = next((f.type for f in kind.fields if f.encode_name == part), None)
    return kind


def _spoken(where: Iterable[str], raw: Mapping[str, Any]) -> str:
    """A path of keys as a person would name it: ``[plan.block 1] until``, for people count from 1."""
    words: list[str] = []
    for part in where:
        if part.isdecimal() and words:
            words[-1] += f" {int(part) + 1}"
        else:
            words.append(part)
    *table, key = words or [""]
    if table:
        return f"[{'.'.join(table)}] {key}"
    return f"[{key}]" if isinstance(raw.get(key), dict) else key


_CONTAINERS = (msgspec.inspect.StructType, msgspec.inspect.VarTupleType, msgspec.inspect.TupleType)


def _value_at(raw: Any, where: Iterable[str]) -> Any:
    for part in where:
        if isinstance(raw, Mapping):
            raw = raw.get(part)
        elif isinstance(raw, list | tuple) and part.isdecimal():
            raw = raw[int(part)]
    return raw


def _allowed(kind: Any) -> str:
    """What a value of this type may be, in words."""
    match kind:
        case msgspec.inspect.UnionType():
            return " or ".join(filter(None, (_allowed(t) for t in kind.types)))
        case msgspec.inspect.EnumType():
            return ", ".join(f'"{member.value}"' for member in kind.cls)
        case msgspec.inspect.DateType():
            return "a date like 2026-11-22"
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.StrType(pattern=None):
            return "text in quotes"
        case msgspec.inspect.StrType():
            return _PATTERNS.get(str(kind.pattern), f"text like {kind.pattern}")
        case msgspec.inspect.FloatType() | msgspec.inspect.IntType():
            noun = "a number" if isinstance(kind, msgspec.inspect.FloatType) else "a whole number"
            low = next((f"{word} {x:g}" for word, x in (("from", kind.ge), ("above", kind.gt)) if x is not None), "")
            high = f"to {kind.le:g}" if kind.le is not None else ""
            return " ".join(filter(None, (noun, low, high)))
        case msgspec.inspect.VarTupleType():
            length = f" of {kind.min_length} to {kind.max_length}" if kind.min_length else ""
            return f"a list{length}, each {_allowed(kind.item_type)}"
        case msgspec.inspect.TupleType():
            return f"a list of {len(kind.item_types)}, each {_allowed(kind.item_types[0])}"
        case msgspec.inspect.StructType():
            return "a table with " + ", ".join(field.encode_name for field in kind.fields)
        case _:
            return ""


_PATTERNS = {
    r"^[a-z0-9_-]{1,32}$": "1 to 32 of a-z 0-9 _ -",
    r"^\d+(\.\d+)?(%|min|s|km|m)$": 'text like "50%", "30min" or "5km"',
    "^finisher$": '"finisher"',
    _ON_LADDER: '"1:4", "1:3", "1:2", "1:1", "2:1", "3:1", "4:1", "5:1", "9:1" or "10:1"',
    _BROKER: '"embedded", "embedded:PORT", "none" or a URL mqtt:// mqtts:// ws:// wss:// without user and password',
    r"^[^+#\s/]+(/[^+#\s/]+)*$": "topic levels without + # or blanks",
}
