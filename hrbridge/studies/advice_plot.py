"""The advice as a picture: every ratio with how surely it keeps the ceiling, and the hour of the one that is shown."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hrbridge.errors import OutputError, UsageError
from hrbridge.studies.advise import HOUR_S, RUNS_S, WALKS_S, WARMUP_S, Advice, is_running, length, name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, GRID, RUN, WALK = "#1b1f24", "#59626d", "#dfe3e8", "#b85000", "#006d99"
SIZE_IN, DOTS_PER_INCH = (9.0, 8.2), 150
RULES: Any = {
    "font.size": 11.0,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.titlelocation": "left",
    "axes.titlesize": 12.0,
    "axes.titlepad": 10.0,
    "axes.axisbelow": True,
}


def require() -> None:
    """Raises UsageError without matplotlib; before work that would be in vain."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it would speak of its caches
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise UsageError("--plot needs matplotlib: pip install 'hrbridge[report]'") from error


def draw(advice: Advice, path: Path, pace: Callable[[float], str]) -> None:
    """``pace`` says a speed as the runner says it. PNG, SVG or PDF by the ending of the name; raises OutputError."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with mpl.rc_context(RULES):
        figure = Figure(figsize=SIZE_IN, layout=ConstrainedLayoutEngine(h_pad=0.16, w_pad=0.16))
        above, below = figure.subplots(2, 1, height_ratios=(1, 1.15))
        _ratios(above, advice, pace(advice.shown_m_s))
        _hour(below, advice)
        try:
            figure.savefig(path, dpi=DOTS_PER_INCH, facecolor="white", metadata={})
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror}") from None
        except ValueError:
            raise OutputError(f"{path}: a picture ends in .png, .svg or .pdf") from None


def _ratios(axes: Axes, advice: Advice, pace: str) -> None:
    """A table whose colours, light for sure, also differ in grey; the numbers say the same."""
    holds = np.zeros((len(WALKS_S), len(RUNS_S)))
    for each in advice.ratios:
        if each.walk_s in WALKS_S and each.run_s in RUNS_S:
            holds[WALKS_S.index(each.walk_s), RUNS_S.index(each.run_s)] = 100 * each.holds
    axes.pcolormesh(holds, cmap="cividis", vmin=0, vmax=100, edgecolors="white", linewidth=2)
    for (row, column), value in np.ndenumerate(holds):
        colour = INK if value > 55 else "white"
        axes.text(column + 0.5, row + 0.5, f"{value:.0f}", ha="center", va="center", color=colour)
    shown = advice.shown
    if shown.walk_s in WALKS_S and shown.run_s in RUNS_S:
        corner = (RUNS_S.index(shown.run_s), WALKS_S.index(shown.walk_s))
        from matplotlib.patches import Rectangle

        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=RUN, linewidth=3.5, clip_on=False, zorder=3))
    axes.set_xticks(np.arange(len(RUNS_S)) + 0.5, [length(each) for each in RUNS_S])
    axes.set_yticks(np.arange(len(WALKS_S)) + 0.5, [length(each) for each in WALKS_S])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="run", ylabel="walk")
    axes.set_title(f"In how many of 100 such hours {advice.ceiling_bpm:.0f} bpm is kept, running at {pace}")


def _hour(axes: Axes, advice: Advice) -> None:
    minutes = np.arange(HOUR_S + 1) / 60
    low_bpm, median_bpm, high_bpm = advice.heart_rate_bpm
    shown = advice.shown
    axes.fill_between(minutes, low_bpm, high_bpm, color=WALK, alpha=0.22, linewidth=0, label="8 of 10 such hours")
    axes.plot(minutes, median_bpm, color=WALK, linewidth=1.6, label="the middle one")
    axes.axhline(advice.ceiling_bpm, color=RUN, linewidth=1.8, linestyle=(0, (5, 3)), label="ceiling")
    bottom_bpm = 10 * np.floor((low_bpm.min() - 4) / 10)
    top_bpm = 10 * np.ceil((max(high_bpm.max(), advice.ceiling_bpm) + 4) / 10)
    strip_bpm = (top_bpm - bottom_bpm) / 28
    running = np.append(is_running(shown.run_s, shown.walk_s), False)
    axes.fill_between(
        minutes, bottom_bpm, bottom_bpm + strip_bpm, where=running.tolist(), color=MUTED, linewidth=0, label="running"
    )
    axes.axvline(WARMUP_S / 60, color=GRID, linewidth=1)
    axes.set(xlim=(0, HOUR_S / 60), ylim=(bottom_bpm, top_bpm), xlabel="minutes", ylabel="heart rate (bpm)")
    axes.set_xticks(range(0, HOUR_S // 60 + 1, 10))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.tick_params(axis="y", length=0)
    axes.set_title(f"The hour: {name(shown)}, after {WARMUP_S // 60} min of walking")
    axes.legend(loc="upper left", bbox_to_anchor=(0.0, -0.17), ncols=4, frameon=False, borderaxespad=0)
