"""A page that stands alone: one HTML file with its style in it, which asks nobody for anything and needs no script."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape

from msgspec import Struct

from hrbridge import __version__
from hrbridge.control.plan import METRES_PER_MILE

# On light and on dark paper. Orange and blue stay apart in every kind of colour vision; text has 4.5:1 or more on both.
COLOURS = {
    "paper": ("#ffffff", "#15181c"),
    "card": ("#f4f5f7", "#1f242a"),
    "ink": ("#1b1f24", "#e9ecf0"),
    "muted": ("#59626d", "#a3adb8"),
    "grid": ("#dfe3e8", "#333a42"),
    "run": ("#b85000", "#f5a656"),
    "walk": ("#006d99", "#63c1ea"),
    "surge": ("#7a3fb0", "#c49cf2"),
    "easy": ("#76808c", "#8b95a1"),
}

STYLE = """
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
-webkit-text-size-adjust:100%}
main,footer{max-width:852px;margin:0 auto;padding:0 1.5rem}
header{padding-top:2.5rem}
.whole{white-space:nowrap}
.above{margin:0;max-width:none;color:var(--muted);font-size:.9rem}
h1{font-size:1.75rem;line-height:1.25;font-weight:650;letter-spacing:-.015em;margin:.35rem 0 1.25rem;text-wrap:balance}
h2{font-size:1.2rem;line-height:1.3;font-weight:650;letter-spacing:-.01em;margin:3rem 0 .25rem}
p{margin:.25rem 0 .75rem;max-width:44rem;text-wrap:pretty}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:.6rem;margin:0;padding:0}
.three{grid-template-columns:repeat(3,1fr)}
.tiles div{background:var(--card);border-radius:.6rem;padding:.65rem .85rem}
.tiles dt{color:var(--muted);font-size:.8rem}
.tiles dd{margin:0;font-size:1.35rem;font-weight:650;letter-spacing:-.01em;font-variant-numeric:tabular-nums;
white-space:nowrap}
.tiles small{font-size:.8rem;font-weight:400;color:var(--muted);letter-spacing:0}
blockquote{margin:1.25rem 0 0;padding:.1rem 0 .1rem 1rem;border-left:3px solid var(--walk);white-space:pre-line;
overflow-wrap:anywhere}
figure{margin:.75rem 0 0}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{font-family:inherit}
.narrow{display:none;max-width:30rem}
figcaption{display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;margin-top:.4rem;color:var(--muted);font-size:.85rem}
figcaption i{font-style:normal;margin-right:.4em}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;margin-top:.6rem;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.4rem .55rem;text-align:right;vertical-align:top;border-bottom:1px solid var(--grid)}
th{color:var(--muted);font-weight:500;font-size:.8rem;vertical-align:bottom;line-height:1.25}
th:first-child,td:first-child{padding-left:0}
th:last-child,td:last-child{padding-right:0}
.words{text-align:left}
td:not(.words){white-space:nowrap}
tbody tr:last-child td{border-bottom:0}
footer{margin-top:3.5rem;padding-top:1rem;padding-bottom:2.5rem;color:var(--muted);font-size:.85rem}
@media (max-width:640px){
main,footer{padding-left:1rem;padding-right:1rem}
header{padding-top:1.5rem}
h1{font-size:1.4rem}
h2{margin-top:2.25rem}
.tiles{grid-template-columns:repeat(3,1fr);gap:.5rem}
.tiles dd{font-size:1.15rem}
table{font-size:.82rem}
th{font-size:.74rem}
th,td{padding:.35rem .3rem}
}
@media screen and (max-width:640px){.wide,.extra{display:none}.narrow{display:block}}
@media print{
@page{margin:14mm}
body{font-size:11pt}
main,footer{max-width:none;padding:0}
header{padding-top:0}
h2{break-after:avoid;margin-top:1.75rem}
figure,tr,.tiles{break-inside:avoid}
.scroll{overflow:visible}
}
"""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# fmt: off
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")
# fmt: on


class Section(Struct, frozen=True):
    """A heading, a sentence that says what there is to see, and HTML below it."""

    title: str
    words: str
    body: str = ""


class Tile(Struct, frozen=True):
    """One number that counts, with its name; ``unit`` stands small behind it."""

    name: str
    value: str
    unit: str = ""


class Column(Struct, frozen=True):
    """Of a table; words stand left, numbers right. ``extra``: left out where there is no room for it, on a phone."""

    title: str
    words: bool = False
    extra: bool = False

    @property
    def attribute(self) -> str:
        kinds = [name for name in ("words", "extra") if getattr(self, name)]
        return f' class="{" ".join(kinds)}"' if kinds else ""


def page(
    title: str, above: str, first_line: str, tiles: Sequence[Tile], quote: str, sections: Iterable[Section]
) -> str:
    """The whole document; every argument is plain text but the ``body`` of a section."""
    quoted = f"<blockquote>{escape(quote)}</blockquote>" if quote else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        # Heart rate is the runner's own: the browser itself is told to fetch nothing.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none';style-src 'unsafe-inline';img-src data:\">\n"
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>{_colours()}{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<header>\n<p class="above">{_unbroken(above)}</p>\n<h1>{_unbroken(first_line)}</h1>\n'
        f"{_tiles(tiles)}{quoted}</header>\n"
        f"{''.join(_section(section) for section in sections)}</main>\n"
        f"<footer>hrbridge {escape(__version__)}. This file is all there is: nothing in it leads anywhere else. "
        "hrbridge advises healthy people on pacing; it is not a medical device.</footer>\n</body>\n</html>\n"
    )


def _unbroken(text: str) -> str:
    """Escaped, and without a break in what has hyphens, as names of plans: long ones would be wider than a phone."""
    return re.sub(
        r"[\w:-]*-[\w:-]*",
        lambda found: f'<span class="whole">{found[0]}</span>' if len(found[0]) <= 24 else found[0],
        escape(text),
    )


def _colours() -> str:
    light, dark = (";".join(f"--{name}:{pair[n]}" for name, pair in COLOURS.items()) for n in (0, 1))
    return f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"


def _tiles(tiles: Sequence[Tile]) -> str:
    """In rows of four, or of three where that leaves none half empty."""
    columns = " three" if len(tiles) in (3, 5, 6) else ""
    each = "".join(
        f"<div><dt>{escape(tile.name)}</dt><dd>{escape(tile.value)}"
        f"{f' <small>{escape(tile.unit)}</small>' if tile.unit else ''}</dd></div>\n"
        for tile in tiles
    )
    return f'<dl class="tiles{columns}">\n{each}</dl>\n' if each else ""


def _section(section: Section) -> str:
    return f"<section>\n<h2>{escape(section.title)}</h2>\n<p>{escape(section.words)}</p>\n{section.body}</section>\n"


def table(name: str, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> str:
    """Plain text in, a table out, whose name is read aloud."""
    kinds = [column.attribute for column in columns]
    head = "".join(
        f'<th scope="col"{kind}>{escape(column.title)}</th>' for column, kind in zip(columns, kinds, strict=True)
    )
    body = "".join(
        f"<tr>{''.join(f'<td{kind}>{escape(cell)}</td>' for cell, kind in zip(row, kinds, strict=True))}</tr>\n"
        for row in rows
    )
    # A region that can be scrolled must be reachable with the keyboard.
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(name)}">\n<table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n</div>\n"
    )


# -- numbers in words --


def clock(seconds: float) -> str:
    """``4:05`` minutes and seconds, or ``1:02:05``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def length(metres: float, *, imperial: bool) -> tuple[str, str]:
    """Kilometres or miles, and which."""
    return (f"{metres / METRES_PER_MILE:.2f}", "mi") if imperial else (f"{metres / 1000:.2f}", "km")


def day_and_time(started: datetime | None, *, estimated: bool) -> str:
    """ "Sunday 22 November 2026, 08:00", and that it is estimated where no clock had told."""
    if started is None:
        return "without a date"
    day = f"{WEEKDAYS[started.weekday()]} {started.day} {MONTHS[started.month - 1]} {started.year}"
    return f"{day}, {started:%H:%M}{' (date estimated)' if estimated else ''}"
