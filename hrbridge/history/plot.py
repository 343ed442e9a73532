"""Drawings for a page: matplotlib inside, out comes SVG whose text is text and whose colours are those of the page.

Each is drawn twice, for a desk and for a phone, and the page shows one of
them: a drawing that is only shrunk has letters nobody can read.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterable
from html import escape
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from hrbridge.errors import UsageError
from hrbridge.history.page import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What matplotlib draws with: the colours of light paper, which the page then names and may change for dark.
INK, MUTED, GRID, PAPER = (COLOURS[name][0] for name in ("ink", "muted", "grid", "paper"))
RUN, WALK, SURGE, EASY = (COLOURS[name][0] for name in ("run", "walk", "surge", "easy"))

# Of a page in points, 72 to the inch: one point of the drawing is one pixel of the page.
POINTS_PER_INCH = 72.0
WIDE_PT, NARROW_PT = 804.0, 358.0
LEFT_PT, RIGHT_PT, TOP_PT, BOTTOM_PT = 34.0, 12.0, 22.0, 24.0
FONT_PT = 12.0

RULES: Any = {
    "svg.fonttype": "none",
    "font.size": FONT_PT,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 4.0,
    "ytick.major.size": 0.0,
    "lines.solid_capstyle": "round",
    "path.simplify_threshold": 0.4,
}


# Behind words that a line may cross.
CLEAR = {"facecolor": PAPER, "alpha": 0.8, "linewidth": 0, "pad": 1.5}


class Sheet(Struct, frozen=True):
    """What is drawn on: the axes, how large they are in points, and whether for a phone."""

    axes: Axes
    width_pt: float
    height_pt: float
    narrow: bool


class Key(Struct, frozen=True):
    """One entry below a drawing: a sign in its colour (a name of ``COLOURS``), and what it means."""

    sign: str
    colour: str
    means: str


def require() -> None:
    """Raises UsageError without matplotlib; before work that would be in vain."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it would speak of its caches
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise UsageError("a report needs matplotlib: pip install 'hrbridge[report]'") from error


def drawing(
    name: str,
    told: str,
    draw: Callable[[Sheet], None],
    *,
    height_pt: float = 240.0,
    unit: str = "",
    keys: Iterable[Key] = (),
) -> str:
    """A ``<figure>``: ``told`` is read aloud in its place, ``unit`` stands above the axis of numbers.

    ``name`` must be the only one of its page.
    """
    shown = "".join(
        f'<div class="{kind}">{_svg(f"{name}-{kind}", told, draw, width_pt, height_pt, unit)}</div>\n'
        for kind, width_pt in (("wide", WIDE_PT), ("narrow", NARROW_PT))
    )
    listed = "".join(
        f'<span><i style="color:var(--{key.colour})" aria-hidden="true">{escape(key.sign)}</i>'
        f"{escape(key.means)}</span>"
        for key in keys
    )
    caption = f"<figcaption>{listed}</figcaption>\n" if listed else ""
    return f'<figure id="{name}">\n{shown}{caption}</figure>\n'


def boxes(axes: Axes, spans: Iterable[tuple[float, float, float, float]], **style: Any) -> None:
    """Rectangles (left, right, bottom, top) of one colour as one shape: hundreds must not make a page of megabytes."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    corners = [[(left, low), (right, low), (right, top), (left, top), (left, low)] for left, right, low, top in spans]
    if corners:
        axes.add_patch(PathPatch(Path.make_compound_path(*(Path(each, closed=True) for each in corners)), **style))


def strokes(axes: Axes, lines: Iterable[tuple[float, float, float, float]], **style: Any) -> None:
    """Lines from (x, y) to (x, y) of one colour, as one shape."""
    nowhere = float("nan")
    points = [point for x0, y0, x1, y1 in lines for point in ((x0, y0), (x1, y1), (nowhere, nowhere))]
    axes.plot([x for x, _ in points], [y for _, y in points], solid_capstyle="butt", **style)


def count_axis(sheet: Sheet, count: int, noun: str) -> None:
    """1 to ``count``, as many numbers as have room."""
    most = max(int(sheet.width_pt / 34), 2)
    each = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, count) if count / n <= most)
    ticks = list(range(1, count + 1, each)) if each <= 2 else [1, *range(each, count + 1, each)]
    labels = [f"{tick}" for tick in ticks]
    labels[0] = f"{noun} 1"
    sheet.axes.set_xticks(ticks, labels)
    sheet.axes.set_xlim(0.4, max(count, 6) + 0.6)


def _svg(name: str, told: str, draw: Callable[[Sheet], None], width_pt: float, height_pt: float, unit: str) -> str:
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    out = io.StringIO()
    inside_pt = width_pt - LEFT_PT - RIGHT_PT
    with mpl.rc_context(RULES):
        figure = Figure(figsize=(width_pt / POINTS_PER_INCH, height_pt / POINTS_PER_INCH))
        FigureCanvasSVG(figure)
        box = (LEFT_PT / width_pt, BOTTOM_PT / height_pt, inside_pt / width_pt)
        axes = figure.add_axes((*box, 1 - (TOP_PT + BOTTOM_PT) / height_pt))
        axes.tick_params(pad=5)
        axes.locator_params("y", integer=True)
        draw(Sheet(axes, inside_pt, height_pt - TOP_PT - BOTTOM_PT, width_pt == NARROW_PT))
        if unit:
            axes.annotate(
                unit, (0, 1), (-LEFT_PT, 9), xycoords="axes fraction", textcoords="offset points", color=MUTED
            )
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    told = escape(told)
    return (
        f'<svg viewBox="0 0 {width_pt:g} {height_pt:g}" role="img" aria-label="{told}">{_tidied(out.getvalue(), name)}'
    )


def _tidied(svg: str, name: str) -> str:
    """What a page needs of an SVG file: hundredths of a pixel, each style once, and no names of other places.

    ``name`` begins the names inside, for those of a page stand beside one another.
    """
    svg = svg[svg.index(">", svg.index("<svg")) + 1 :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.S)
    used = {old: f"{name}-{n}" for n, old in enumerate(dict.fromkeys(re.findall(r'(?:href="|url\()#([^")]+)', svg)))}
    svg = re.sub(r' id="([^"]+)"', lambda found: f' id="{used[found[1]]}"' if found[1] in used else "", svg)
    svg = re.sub(r'(href="|url\()#([^")]+)', lambda found: f"{found[1]}#{used[found[2]]}", svg)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    svg = re.sub(r" transform=\"rotate\(-?0 [^\"]*\"", "", svg)
    svg = re.sub(r"(\d\.\d\d)\d+", r"\1", svg)
    svg = re.sub(r"\s*\n\s*", "\n", svg)
    for colour, (light, _) in COLOURS.items():
        svg = svg.replace(light, f"var(--{colour})")
    styles = {text: f"{name}-s{n}" for n, text in enumerate(dict.fromkeys(re.findall(r'style="([^"]*)"', svg)))}
    svg = re.sub(r'style="([^"]*)"', lambda found: f'class="{styles[found[1]]}"', svg)
    sheet = "".join(f".{short}{{{text}}}" for text, short in styles.items())
    return f"<style>{sheet}</style>{svg}".strip()
