"""A twin of one's own: recordings in, a runner file and advice out.

A composition root like ``past``, for the command ``fit``: what is known of the
heart comes from the configuration, all else from the recordings.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from msgspec import Struct

from hrbridge import config, runner_file
from hrbridge.config import ASSUMED_AGE_YEARS, ASSUMED_RESTING_HEART_RATE_BPM, Runner, Units
from hrbridge.control.adaptation import EASY_CEILING_HRR
from hrbridge.control.plan import METRES_PER_MILE
from hrbridge.errors import InputFileError, UsageError
from hrbridge.studies.advise import Advice, Ratio
from hrbridge.studies.advise import name as name_of
from hrbridge.studies.fit import Fitted, Heart, LeftOut, fit
from hrbridge.studies.track import Track, track

log = logging.getLogger(__name__)

# Of maxima around 208 - 0.7 age, as in the population of runner_model, and of resting heart rates around 60.
MAXIMUM_SD_BPM, RESTING_SD_BPM = 8.0, 8.0
# The least that is above what was held for a minute.
HIGHEST_ASSUMED_BPM = 220.0


class Twin(Struct, frozen=True):
    """What ``hrbridge fit`` has found; ``heart``: what was known beforehand."""

    heart: Heart
    fitted: Fitted
    units: Units


def of_recordings(
    files: Sequence[Path],
    path: Path | None,
    overrides: Sequence[str],
    *,
    lenient: bool = False,
    advance: Callable[[], None] = lambda: None,
) -> Twin:
    """The twin of whoever ran these; ``path`` is a configuration, whose [runner] says what is known.

    Of several files those that tell nothing are named and left out. Raises
    InputFileError where none is left, ConfigError.
    """
    from hrbridge.sensors import activity_files
    from hrbridge.sensors.activity_files import Recording
    from hrbridge.sensors.replay import sustained_maximum_bpm

    known, units = _known(path, overrides)
    recordings: list[tuple[Path, Recording]] = []
    refused: list[InputFileError | UsageError] = []
    for file in files:
        try:
            recording = activity_files.read(file, lenient=lenient)
            if not recording.on_foot:
                what = f"its sport is {recording.sport}" if recording.sport else "nobody runs as fast"
                raise InputFileError(f"{file}: is no run: {what}")
            recordings.append((file, recording))
        except (InputFileError, UsageError) as error:
            refused.append(error)
    tracks: list[Track] = []
    hearts: list[Heart] = []
    for file, recording in recordings:
        heart = _heart(known, sustained_maximum_bpm(recording) or 0.0)
        runner = Runner(
            max_heart_rate_bpm=heart.max_heart_rate_bpm, resting_heart_rate_bpm=heart.resting_heart_rate_bpm
        )
        try:
            tracks.append(track(str(file), recording.events, recording.altitudes_m, runner))
            hearts.append(heart)
        except InputFileError as error:
            refused.append(error)
    if not tracks:
        raise refused[0]
    for each in refused:
        log.warning("left out: %s", each)
    highest_bpm = max(heart.held_bpm for heart in hearts)
    if highest_bpm > hearts[0].max_heart_rate_bpm and "max_heart_rate_bpm" in known:
        log.warning(
            "%.0f bpm was held for a minute: is [runner] max_heart_rate_bpm = %g too low?",
            highest_bpm,
            hearts[0].max_heart_rate_bpm,
        )
    heart = _heart(known, highest_bpm)
    return Twin(heart, fit(tracks, hearts, heart, advance), units)


def _known(path: Path | None, overrides: Sequence[str]) -> tuple[dict[str, Any], Units]:
    """What [runner] says itself, without what is assumed where it is silent."""
    raw: dict[str, Any] = config.read_toml(path) if path is not None else {}
    for override in overrides:
        config.apply_override(raw, override)
    said = raw.get("runner", {})
    needed = {"age_years": ASSUMED_AGE_YEARS} if not {"age_years", "max_heart_rate_bpm"} & set(said) else {}
    whole = {**raw, "runner": {**said, **needed}} if isinstance(said, dict) else raw
    settings = config.convert(whole, config.Config, str(path) if path is not None else "--set")
    return {name: getattr(settings.runner, name) for name in said}, settings.runner.units


def _heart(known: dict[str, Any], held_bpm: float) -> Heart:
    age_years: float | None = known.get("age_years")
    resting_bpm: float = known.get("resting_heart_rate_bpm", float(ASSUMED_RESTING_HEART_RATE_BPM))
    resting_sd_bpm = 0.0 if "resting_heart_rate_bpm" in known else RESTING_SD_BPM
    if "max_heart_rate_bpm" in known:
        max_bpm: float = known["max_heart_rate_bpm"]
        return Heart(max_bpm, 0.0, resting_bpm, resting_sd_bpm, held_bpm, age_years)
    usual_bpm = Runner(age_years=age_years or ASSUMED_AGE_YEARS).maximum_bpm
    held_bpm = min(held_bpm, HIGHEST_ASSUMED_BPM)
    return Heart(max(usual_bpm, held_bpm), MAXIMUM_SD_BPM, resting_bpm, resting_sd_bpm, held_bpm, age_years)


def advise(twin: Twin, ceiling_bpm: float | None, seed: int, advance: Callable[[], None]) -> Advice:
    """Without a ceiling, that of easy runs; raises UsageError for one that is none for this heart."""
    from hrbridge.studies import advise as study

    body = twin.fitted.file.runner
    reserve_bpm = body.max_heart_rate_bpm - body.resting_heart_rate_bpm
    if ceiling_bpm is None:
        ceiling_bpm = round(body.resting_heart_rate_bpm + EASY_CEILING_HRR * reserve_bpm)
    lowest, highest = body.resting_heart_rate_bpm + 20, body.max_heart_rate_bpm
    if not lowest <= ceiling_bpm <= highest:
        raise UsageError(f"--ceiling {ceiling_bpm:g}: allowed for this runner: {lowest:.0f} to {highest:.0f}")
    return study.advise(twin.fitted.file, ceiling_bpm, seed, advance)


class Found(Struct, frozen=True):
    """What ``hrbridge fit --json`` prints: the runner file, and beside it what stands in the table and the advice."""

    recordings: tuple[LeftOut, ...]
    runner: runner_file.Body
    model: runner_file.Kinetics
    sd: runner_file.Spread
    not_told: tuple[str, ...]
    advice: Advised | None


class Advised(Struct, frozen=True):
    """The advice; ``best`` null: no ratio keeps the ceiling at the usual pace."""

    ceiling_bpm: float
    run_speed_m_s: float
    best: Ratio | None
    slower_m_s: float | None
    slower: Ratio | None
    ratios: tuple[Ratio, ...]


def found(twin: Twin, advice: Advice | None) -> Found:
    file, fitted = twin.fitted.file, twin.fitted
    advised = None
    if advice is not None:
        advised = Advised(
            advice.ceiling_bpm, advice.run_speed_m_s, advice.best, advice.slower_m_s, advice.slower, advice.ratios
        )
    return Found(fitted.left_out, file.runner, file.model, file.sd, fitted.untold, advised)


# -- in words --

# Each number with its unit and what it means to somebody who runs.
NUMBERS = {
    "max_heart_rate_bpm": ("maximum heart rate", "bpm"),
    "resting_heart_rate_bpm": ("resting heart rate", "bpm"),
    "vo2max_ml_kg_min": ("fitness, as VO2max at usual economy", "ml/kg/min"),
    "exponent": ("bend from effort to heart rate", ""),
    "delay_s": ("delay of the heart", "s"),
    "tau_on_s": ("rising, two time constants of", "s"),
    "tau_off_s": ("falling, two time constants of", "s"),
    "tau_slow_s": ("slow part, time constant", "s"),
    "fast_share": ("share of the fast part", ""),
    "drift_bpm_per_10_min": ("drift of a brisk run", "bpm/10 min"),
}


def left_out_lines(left_out: Sequence[LeftOut]) -> list[str]:
    """A table: what the halves of each recording foretold of one another."""
    width = max(len("recording"), *(len(_short(each.recording)) for each in left_out))
    lines = [
        "From speed alone, each half foretold by the other; errors in bpm:",
        f"{'recording':<{width}}  minutes   twin: mean   RMSE   one pole: mean   RMSE",
    ]
    lines += [_row(_short(each.recording), width, f"{each.minutes:.0f}", _errors(each)) for each in left_out]
    if len(left_out) > 1:
        medians = [median(column) for column in zip(*(_errors(each) for each in left_out), strict=True)]
        lines.append(_row("median", width, "", medians))
    return lines


def numbers_lines(twin: Twin) -> list[str]:
    """The runner: each number, how sure it is, and where it comes from."""
    file, untold = twin.fitted.file, twin.fitted.untold
    lines = []
    for name, (words, unit) in NUMBERS.items():
        value: float = getattr(file.runner if hasattr(file.runner, name) else file.model, name)
        sd: float = getattr(file.sd, name)
        digits = 2 if value < 2 else 1 if value < 10 else 0
        shown = f"{value:.{digits}f}" if sd == 0 else f"{value:.{digits}f} ± {sd:.{digits}f}"
        origin = (
            "  as given"
            if sd == 0
            else "  much as in most people: the recordings hardly tell"
            if name in untold
            else ""
        )
        lines.append(f"{words:<37}{shown:>12} {unit:<10}{origin}".rstrip())
    for name, words in (("run_speed_m_s", "runs at"), ("walk_speed_m_s", "walks at")):
        speed_m_s = getattr(file.runner, name)
        origin = "  a usual one: too little of it in the recordings" if name in twin.fitted.usual_speeds else ""
        lines.append(f"{words:<37}{pace(speed_m_s, twin.units):>23}{origin}")
    return lines


def beside_lines(advice: Advice, units: Units) -> list[str]:
    """The ratio that is shown, and those one step beside it."""
    head = (
        f"Beside it, running at {pace(advice.shown_m_s, units)}, {advice.ceiling_bpm:.0f} in an hour "
        "(in brackets: in 8 hours of 10):"
    )
    rows = sorted([advice.shown, *advice.neighbours], key=lambda each: -each.running)
    return [head, *(f"{_marked(each, advice.shown)}  {_seconds(each)}" for each in rows)]


def _marked(ratio: Ratio, shown: Ratio) -> str:
    return f"{'>' if ratio == shown else ' '} {name_of(ratio):<24}"


def _seconds(ratio: Ratio) -> str:
    passed = f"{ratio.above_s} s ({ratio.low_s} to {ratio.high_s})"
    return f"passed for {passed:<22} kept in {round(100 * ratio.holds):>3} of 100"


def pace(speed_m_s: float, units: Units) -> str:
    """ "6:40 min/km"."""
    length_m, unit = (METRES_PER_MILE, "mi") if units is Units.IMPERIAL else (1000.0, "km")
    minutes, seconds = divmod(round(length_m / speed_m_s), 60)
    return f"{minutes}:{seconds:02} min/{unit}"


def _errors(each: LeftOut) -> list[float]:
    return [each.twin.mae_bpm, each.twin.rmse_bpm, each.one_pole.mae_bpm, each.one_pole.rmse_bpm]


def _row(name: str, width: int, minutes: str, errors: Sequence[float]) -> str:
    twin_mean, twin_rmse, pole_mean, pole_rmse = (f"{error:.1f}" for error in errors)
    return f"{name:<{width}}  {minutes:>7}   {twin_mean:>10}  {twin_rmse:>5}   {pole_mean:>14}  {pole_rmse:>5}"


def _short(recording: str) -> str:
    return Path(recording).name


def write(path: Path, twin: Twin) -> None:
    """The runner file; raises OutputError."""
    runner_file.write(path, twin.fitted.file)
