"""A runner in a file: what ``hrbridge fit`` has learnt of one person, for everything that simulates.

TOML with the tables ``[runner]``, ``[model]``, ``[sd]`` and ``[correlation]``.
It holds numbers of a body and nothing else: no name, no date, no place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta
from msgspec.structs import asdict
from numpy.typing import NDArray

from hrbridge.config import Table, convert, read_toml
from hrbridge.errors import ConfigError, OutputError

ENDING = ".toml"
# Below it nothing could be told from heart rate.
LEAST_RESERVE_BPM = 30.0

MaximumBpm = Annotated[float, Meta(ge=100, le=240)]
RestingBpm = Annotated[float, Meta(ge=25, le=120)]
# Not negative, and not so wide that the rest of the range would be all there is.
Sd = Annotated[float, Meta(ge=0, le=100)]
Correlations = tuple[float, ...]


class Body(Table, frozen=True):
    """``[runner]``: what one can measure without hrbridge; the speeds are those this person usually runs and walks."""

    max_heart_rate_bpm: MaximumBpm
    resting_heart_rate_bpm: RestingBpm
    run_speed_m_s: Annotated[float, Meta(ge=1, le=7)]
    walk_speed_m_s: Annotated[float, Meta(ge=0.5, le=2.5)]
    age_years: Annotated[float, Meta(ge=10, le=100)] | None = None


class Kinetics(Table, frozen=True):
    """``[model]``: the traits of ``runner_model.Traits`` that recordings can tell.

    ``vo2max_ml_kg_min`` has this runner's economy in it: cost and maximum
    cannot be told apart by heart rate.
    """

    vo2max_ml_kg_min: Annotated[float, Meta(ge=15, le=90)]
    exponent: Annotated[float, Meta(ge=0.3, le=1.2)]
    delay_s: Annotated[float, Meta(ge=0, le=12)]
    tau_on_s: Annotated[float, Meta(ge=3, le=60)]
    tau_off_s: Annotated[float, Meta(ge=5, le=120)]
    tau_slow_s: Annotated[float, Meta(ge=60, le=600)]
    fast_share: Annotated[float, Meta(ge=0.3, le=1)]
    drift_bpm_per_10_min: Annotated[float, Meta(ge=0, le=15)]


class Spread(Table, frozen=True, omit_defaults=True):
    """``[sd]``: one standard deviation of each number; absent or 0: it is known.

    ``day_bpm`` is how far a whole half of a recording lay beside what the
    other half foretold.
    """

    max_heart_rate_bpm: Sd = 0.0
    resting_heart_rate_bpm: Sd = 0.0
    vo2max_ml_kg_min: Sd = 0.0
    exponent: Sd = 0.0
    delay_s: Sd = 0.0
    tau_on_s: Sd = 0.0
    tau_off_s: Sd = 0.0
    tau_slow_s: Sd = 0.0
    fast_share: Sd = 0.0
    drift_bpm_per_10_min: Sd = 0.0
    day_bpm: Sd = 0.0


# Whatever can be drawn, in the order of rows and columns of [correlation].
DRAWN = tuple(name for name in Spread.__struct_fields__ if name != "day_bpm")


def _limits(*tables: type[Table]) -> dict[str, tuple[float, float]]:
    described: Any = [msgspec.inspect.type_info(table) for table in tables]
    return {f.name: (f.type.ge, f.type.le) for table in described for f in table.fields if f.name != "age_years"}


# What may stand in the file, for whoever estimates or draws it: lowest and highest. Age is only handed on.
LIMITS = _limits(Body, Kinetics)


class RunnerFile(Table, frozen=True):
    """The whole file. ``correlation``: of each number with those above it in ``[sd]``; absent: none."""

    runner: Body
    model: Kinetics
    sd: Spread = Spread()
    correlation: dict[str, Correlations] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.runner.max_heart_rate_bpm < self.runner.resting_heart_rate_bpm + LEAST_RESERVE_BPM:
            raise ValueError("max_heart_rate_bpm must be at least 30 above resting_heart_rate_bpm")
        for name, row in self.correlation.items():
            if name not in DRAWN[1:]:
                raise ValueError(f"correlation: {name} is not allowed; allowed: {', '.join(DRAWN[1:])}")
            if len(row) != DRAWN.index(name):
                raise ValueError(f"correlation: {name} needs {DRAWN.index(name)} numbers, has {len(row)}")
            if not all(-1 <= number <= 1 for number in row):
                raise ValueError(f"correlation: {name} is not allowed; allowed: each from -1 to 1")

    @property
    def means(self) -> NDArray[np.float64]:
        """Shape (10,), in the order of DRAWN."""
        values = {**asdict(self.runner), **asdict(self.model)}
        return np.array([values[name] for name in DRAWN])

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Shape (10, 10), in the order of DRAWN."""
        matrix = np.eye(len(DRAWN))
        for name, row in self.correlation.items():
            at = DRAWN.index(name)
            matrix[at, :at] = matrix[:at, at] = row
        sd = np.array([getattr(self.sd, name) for name in DRAWN])
        covariance: NDArray[np.float64] = matrix * np.outer(sd, sd)
        return covariance


def is_file(name: str) -> bool:
    """Whether this names a runner file rather than one of the named runners."""
    return name.endswith(ENDING)


def read(path: str | Path) -> RunnerFile:
    """Raises ConfigError: file, table, key and what is allowed."""
    raw = read_toml(Path(path))
    if "model" not in raw:
        raise ConfigError(f"{path}: no [model]: not a runner's file; hrbridge fit RECORDING --out FILE writes one")
    return convert(raw, RunnerFile, str(path))


HEAD = """\
# A runner, fitted to recordings by hrbridge fit:
#   hrbridge simulate --runner FILE, or [sensor] runner = "FILE" with kind = "simulated".
# These are numbers of a body, which are health data: keep them where you keep your own.
"""
MEANS = {
    "vo2max_ml_kg_min": "with this runner's economy in it: not what a laboratory would measure",
    "exponent": "bends the share of effort into the share of heart-rate reserve",
    "fast_share": "of heart rate follows within a minute or two, the rest slowly",
    "day_bpm": "how far another part of a run lay beside what was foretold",
}


def text(runner: RunnerFile) -> str:
    """The file, with a comment where a name does not say enough."""
    tables = {"runner": asdict(runner.runner), "model": asdict(runner.model), "sd": asdict(runner.sd)}
    parts = [HEAD]
    for table, numbers in tables.items():
        parts.append(f"\n[{table}]\n")
        for name, number in numbers.items():
            if number is None or (table == "sd" and number == 0):
                continue
            note = f"  # {MEANS[name]}" if name in MEANS and (table != "sd" or name == "day_bpm") else ""
            parts.append(f"{name} = {float(number):.4g}{note}\n")
    if runner.correlation:
        parts.append("\n[correlation]  # with each of [sd] above it\n")
        parts += [f"{name} = [{', '.join(f'{x:.2f}' for x in row)}]\n" for name, row in runner.correlation.items()]
    return "".join(parts)


def write(path: Path, runner: RunnerFile) -> None:
    """Raises OutputError."""
    try:
        path.write_text(text(runner), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from None
