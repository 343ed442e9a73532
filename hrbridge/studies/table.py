"""An evaluation for people: a table with a column for each policy, and what was simulated."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from textwrap import wrap

from rich.console import Console
from rich.table import Table

from hrbridge.studies.evaluate import Evaluation, Summary
from hrbridge.studies.population import Work

WIDTH = 100


def _share(value: float) -> str:
    return f"{100 * value:.1f}"


def _seconds(value: float) -> str:
    return f"{value:.0f}"


def _one_digit(value: float) -> str:
    return f"{value:.1f}"


def _two_digits(value: float) -> str:
    return f"{value:.2f}"


def _three_digits(value: float) -> str:
    return f"{value:.3f}"


# The figures in the order of their importance; those without the 1.5 bpm in brackets.
ROWS: dict[str, tuple[str, Callable[[float], str]]] = {
    "seconds_above_ceiling": ("above the ceiling, s", _seconds),
    "above_ceiling_against_fixed": ("  against fixed, %", _share),
    "overshoot_p95_bpm": ("overshoot, bpm (p95)", _one_digit),
    "running_s": ("running, s", _seconds),
    "running_lost_per_second_avoided": ("price, s lost/s avoided", _two_digits),
    "recovered": ("walks recovered, %", _share),
    "false_extensions": ("false extensions, %", _share),
    "false_extensions_at_all": ("  by any margin, %", _share),
    "missed_non_recoveries": ("missed non-recoveries, %", _share),
    "missed_non_recoveries_at_all": ("  by any margin, %", _share),
    "runs_cut": ("runs cut, %", _share),
    "runs_cut_of_all_runs": ("  of all runs, %", _share),
    "changes_per_cycle": ("changes per cycle", _three_digits),
    "cues_per_10_min": ("cues per 10 min", _one_digit),
    "back_to_plan_s": ("back to plan, s", _seconds),
}


def table(evaluation: Evaluation, work: Work, seed: int) -> str:
    """At most 100 columns wide; each figure that any policy has, with its 95 % interval below it."""
    shown = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    shown.add_column("mean, 95 % interval", no_wrap=True)
    for policy in evaluation.policies:
        shown.add_column(policy, justify="right", no_wrap=True)
    for name, (label, written) in ROWS.items():
        if all(getattr(each, name) is None for each in evaluation.policies.values()):
            continue
        shown.add_row(label, *(_cell(each, name, written) for each in evaluation.policies.values()))
    text = StringIO()
    Console(file=text, width=WIDTH, color_system=None).print(shown)
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    return "\n".join([*lines, "", described(evaluation.runners, work, seed)])


def _cell(summary: Summary, name: str, written: Callable[[float], str]) -> str:
    value, interval = getattr(summary, name), summary.ci95[name]
    if value is None or interval is None:
        return "-\n"
    return f"{written(value)}\n{written(interval[0])} to {written(interval[1])}"


def described(runners: int, work: Work, seed: int) -> str:
    """What was simulated, and where it is kinder than life."""
    who = f"{runners} simulated runner{'s' if runners != 1 else ''} (seed {seed})"
    pace = (
        f"{100 * work.effort:.0f} % of VO2 reserve" if work.like is None else f"{work.like.runner.run_speed_m_s:g} m/s"
    )
    warmup = f" after {work.warmup_s:.0f} s of warm-up" if work.warmup_s else ""
    slower = "run 8 % slower when asked to" if work.obeys_ease_run else "do not run slower when asked to"
    effort = "tell their effort" if work.answers_rpe else "are not asked for their effort"
    hearts = "their hearts recover faster than people's: 31.7 bpm in a minute of walking, where real ones lose 21.1."
    if work.like is not None:
        hearts = "they all could be the runner of the file: what differs is what it is unsure of."
    if work.recovery != 1:
        hearts = f"their hearts take {work.recovery:g} times as long to fall as the model's, which recover too fast."
    return "\n".join(
        wrap(
            f"{who} for {work.total_s / 60:.0f} min: run {work.run_s:.0f} s at {pace}, walk {work.walk_s:.0f} s "
            f"at {work.walk_speed_m_s:g} m/s{warmup}; they {slower} and {effort}; {hearts}",
            WIDTH,
        )
    )
