"""Which ratio of running to walking keeps this runner's heart rate under a ceiling, with the least walking.

Every ratio is run for an hour by runners who could all be this one: drawn from
what the runner file says of its own uncertainty, each with a day of his own on
top. They go by the clock, as the policy ``fixed`` has them go: then nothing a
heart does changes what is said, and the model alone is the closed loop. The
controller would tell the same at the same seconds (tests/studies/test_advise.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from msgspec import Struct

from hrbridge.runner_file import RunnerFile
from hrbridge.runner_model import Array, RunnerModel

# Round numbers people set on a watch.
RUNS_S = (30, 60, 90, 120, 180, 240, 300, 480, 600, 900)
WALKS_S = (30, 60, 90, 120)
HOUR_S = 3600
WARMUP_S = 300
# From a cue to the doing, as in studies/population.py.
REACTION_S = 2
RUNNERS = 100
# One per cent of the hour: a crossing of some seconds at the end of a run is no harm.
PASSED_S = 36
# Of the imagined hours; fewer would be a promise that is broken every third day.
LIKELY = 0.80
# Of the imagined hours, the range that is told.
RANGE_PERCENT = (10, 90)
# What a slower running pace is tried in, down to where most people would rather walk.
SLOWER = (0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6)
MOST_PACES = 1 + len(SLOWER).bit_length()
SLOWEST_RUN_M_S, LEAST_FASTER_M_S = 1.6, 0.1
# With less running than this it is a walk: then slower running is the better advice.
LEAST_RUNNING = 1 / 3


class Ratio(Struct, frozen=True):
    """One ratio, and the seconds of the hour in which the ceiling is passed: median, and 10 to 90 % of the hours.

    ``holds``: the share of hours in which it is kept, but for 36 s at most.
    ``walk_s`` 0 is running without a break, ``run_s`` 0 walking alone.
    """

    run_s: int
    walk_s: int
    above_s: int
    low_s: int
    high_s: int
    holds: float

    @property
    def running(self) -> float:
        """The share of running in a cycle."""
        return self.run_s / (self.run_s + self.walk_s)


@dataclass(frozen=True)
class Advice:
    """``best`` is None where no ratio keeps the ceiling at this pace; ``slower``: at which pace one does.

    ``shown`` is the best of them, else the slower one, else the nearest to it;
    ``ratios`` are those at its pace, ``shown_m_s``, and ``heart_rate_bpm``
    (3, 3601) is its hour second by second: 10, 50 and 90 % of the runners.
    """

    ceiling_bpm: float
    run_speed_m_s: float
    ratios: tuple[Ratio, ...]
    walking: Ratio
    best: Ratio | None
    slower_m_s: float | None
    slower: Ratio | None
    shown: Ratio
    shown_m_s: float
    heart_rate_bpm: Array

    @property
    def neighbours(self) -> list[Ratio]:
        """One step of the watch to either side of what is shown: a shorter or longer run, a longer or shorter walk."""
        beside = []
        for run_step, walk_step in ((1, 0), (0, -1), (0, 1), (-1, 0)):
            run = _beside(RUNS_S, self.shown.run_s, run_step)
            walk = _beside(WALKS_S, self.shown.walk_s, walk_step)
            beside += [each for each in self.ratios if (each.run_s, each.walk_s) == (run, walk)]
        return [each for each in dict.fromkeys(beside) if each != self.shown]


def advise(file: RunnerFile, ceiling_bpm: float, seed: int = 1, advance: Callable[[], None] = lambda: None) -> Advice:
    """Seeded: the same runners and days for every ratio and pace. ``advance`` is called after each pace."""
    walking, *ratios = _tried(file, file.runner.run_speed_m_s, ceiling_bpm, seed)
    advance()
    best = _best(ratios)
    slower_m_s = slower = None
    shown_m_s = file.runner.run_speed_m_s
    # Also where there is a ratio, but little running in it; where walking alone is too much, no pace helps.
    if (best is None or best.running < LEAST_RUNNING) and walking.holds >= LIKELY:
        for speed_m_s, tried in _slower_paces(file, ceiling_bpm, seed, advance):
            slower_m_s, slower = speed_m_s, _best(tried, LEAST_RUNNING)
            if best is None:
                ratios, shown_m_s = tried, speed_m_s
    shown = best or slower or min(ratios, key=lambda each: (-each.holds, each.above_s, -each.running))
    heard = _hour(file, shown_m_s, [(shown.run_s, shown.walk_s)], seed, every_second=True)
    band_bpm: Array = np.percentile(heard[:, 0], (RANGE_PERCENT[0], 50, RANGE_PERCENT[1]), axis=-1)
    return Advice(
        ceiling_bpm=ceiling_bpm,
        run_speed_m_s=file.runner.run_speed_m_s,
        ratios=tuple(ratios),
        walking=walking,
        best=best,
        slower_m_s=slower_m_s,
        slower=slower,
        shown=shown,
        shown_m_s=shown_m_s,
        heart_rate_bpm=band_bpm,
    )


def _slower_paces(
    file: RunnerFile, ceiling_bpm: float, seed: int, advance: Callable[[], None]
) -> Iterator[tuple[float, list[Ratio]]]:
    """Each faster than the one before, the last the fastest that leaves a third of running: by halving what is left."""
    lowest_m_s = max(SLOWEST_RUN_M_S, file.runner.walk_speed_m_s + LEAST_FASTER_M_S)
    paces_m_s = [pace for share in SLOWER if (pace := share * file.runner.run_speed_m_s) >= lowest_m_s]
    while paces_m_s:
        middle = len(paces_m_s) // 2
        _, *tried = _tried(file, paces_m_s[middle], ceiling_bpm, seed)
        advance()
        if _best(tried, LEAST_RUNNING) is not None:
            yield paces_m_s[middle], tried
            paces_m_s = paces_m_s[:middle]
        else:
            paces_m_s = paces_m_s[middle + 1 :]


def grid() -> Iterator[tuple[int, int]]:
    """Walking alone, running alone, and every ratio between."""
    yield 0, WALKS_S[0]
    yield HOUR_S, 0
    yield from ((run_s, walk_s) for run_s in RUNS_S for walk_s in WALKS_S)


def is_running(run_s: int, walk_s: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """The gait in each second of the hour, shape (3600,): the warm-up, then run, walk, run, ... as the clock says."""
    since_s = np.arange(HOUR_S) - WARMUP_S - REACTION_S
    return (since_s >= 0) & (since_s % (run_s + walk_s) < run_s)


def _tried(file: RunnerFile, run_speed_m_s: float, ceiling_bpm: float, seed: int) -> list[Ratio]:
    ratios = list(grid())
    above_s = _hour(file, run_speed_m_s, ratios, seed, ceiling_bpm=ceiling_bpm)
    found = []
    for (run_s, walk_s), each_s in zip(ratios, above_s, strict=True):
        low_s, median_s, high_s = np.percentile(each_s, (RANGE_PERCENT[0], 50, RANGE_PERCENT[1]))
        holds = float(np.mean(each_s <= PASSED_S))
        found.append(Ratio(run_s, walk_s, round(median_s), round(low_s), round(high_s), holds))
    return found


def _hour(
    file: RunnerFile,
    run_speed_m_s: float,
    ratios: Sequence[tuple[int, int]],
    seed: int,
    *,
    ceiling_bpm: float = 0.0,
    every_second: bool = False,
) -> Array:
    """Seconds above the ceiling, shape (ratios, runners); or every heart rate, shape (3601, ratios, runners)."""
    drawn = RunnerModel.like(file, RUNNERS, seed).traits
    # One day of each kind, evenly through a normal distribution: a hundred by chance would differ by a tenth or two.
    kinds = np.array([NormalDist().inv_cdf((n + 0.5) / RUNNERS) for n in range(RUNNERS)])
    day_bpm = file.sd.day_bpm * np.random.default_rng([seed, RUNNERS]).permutation(kinds)
    many = len(ratios)
    model = RunnerModel(type(drawn)(**{name: np.tile(values, many) for name, values in vars(drawn).items()}))
    running = np.repeat(np.array([is_running(*each) for each in ratios]), RUNNERS, axis=0).T
    speed_m_s = np.where(running, run_speed_m_s, file.runner.walk_speed_m_s)
    limit_bpm = ceiling_bpm - np.tile(day_bpm, many)
    above_s = np.zeros(many * RUNNERS)
    heard = [model.heart_rate_bpm]
    for second in range(HOUR_S):
        bpm = model.step(speed_m_s[second], running[second])
        above_s += bpm > limit_bpm
        if every_second:
            heard.append(bpm)
    if every_second:
        return np.array(heard).reshape(HOUR_S + 1, many, RUNNERS) + day_bpm
    return above_s.reshape(many, RUNNERS)


def _best(ratios: Sequence[Ratio], least_running: float = 0.0) -> Ratio | None:
    """Of those that hold, the one with the least walking; of equals the surer one, and then the longer run."""
    holding = [each for each in ratios if each.holds >= LIKELY and each.running >= least_running]
    return max(holding, key=lambda each: (each.running, each.holds, each.run_s), default=None)


def _beside(steps: Sequence[int], value: int, by: int) -> int | None:
    if value not in steps:
        return None
    at = steps.index(value) + by
    return steps[at] if 0 <= at < len(steps) else None


# -- in words --


def in_words(advice: Advice, pace: Callable[[float], str]) -> list[str]:
    """The answer, one sentence a line; ``pace`` says a speed as the runner says it."""
    ceiling, best = f"{advice.ceiling_bpm:.0f}", advice.best
    said = []
    if best is not None:
        said.append(f"{name(best)}: {_kept(best, ceiling)}")
    elif advice.walking.holds < LIKELY:
        said.append(f"{ceiling} is near what walking alone asks of this heart: {_kept(advice.walking, ceiling)}")
        return [*said, "A higher ceiling, or a slower walk, leaves room for running."]
    else:
        said.append(f"At {pace(advice.run_speed_m_s)} no ratio is likely to stay under {ceiling} for an hour.")
    if advice.slower is not None and advice.slower_m_s is not None:
        more = "Slower running gives more of it" if best is not None else "Slower running helps"
        said.append(
            f"{more}. At {pace(advice.slower_m_s)}, {_lower(name(advice.slower))}: {_kept(advice.slower, ceiling)}"
        )
    elif best is None:
        nearest = f"The nearest to it is {_lower(name(advice.shown))}: {_kept(advice.shown, ceiling)}"
        said += [
            nearest,
            "What helps is brisk walking with a little running on days that feel easy, or a higher ceiling.",
        ]
    return said


def name(ratio: Ratio) -> str:
    """ "Run 3 min, walk 1 min"."""
    if ratio.walk_s == 0:
        return "Run without a break"
    return f"Run {length(ratio.run_s)}, walk {length(ratio.walk_s)}"


def _kept(ratio: Ratio, ceiling: str) -> str:
    hours = round(100 * ratio.holds)
    return (
        f"{ceiling} is passed for {ratio.above_s} s ({ratio.low_s} to {ratio.high_s}) in an hour, "
        f"and kept in {hours} of 100 such hours."
    )


def length(seconds: int) -> str:
    """ "30 s", "2 min"."""
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
