"""A runner and a board of runners as lines of coloured text, for any size of terminal.

Every colour stands beside its word: nobody has to tell green from blue.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text

from hrbridge.clients import glyphs, labels
from hrbridge.clients.board import LOOKED_AT, Need, Row
from hrbridge.clients.scene import Link, View
from hrbridge.decisions import Phase, Trust

# Dark letters on light bands and light letters on a dark ground: 4.5 to 1 or more, as WCAG wants of small text.
GROUND, INK = "#10141a", "#10141a"
TEXT, QUIET, LOUD, ALARM = "#f2f4f7", "#a9b2bf", "#ffc857", "#ff8080"
GREY, ON_GREY = "#3a414c", "#d5dae1"
PANEL = "#26303d"
BAND = {
    Phase.WAITING: "#c9ced6",
    Phase.WARMUP: "#ffc857",
    Phase.RUN: "#4ade80",
    Phase.SURGE: "#ff8ccf",
    Phase.WALK: "#6cb8ff",
    Phase.COOLDOWN: "#5eead4",
    Phase.PAUSED: "#c9ced6",
    Phase.FINISHED: "#ffffff",
}

NOBODY = {True: "OFFLINE", False: "WAITING"}

# Below that there is no room for large letters, and words have to do: "COOL-DOWN", and at scale 1 a line of keys.
LEAST_COLUMNS, LEAST_ROWS = 55, 16
LARGEST_SCALE = 12
MARGIN = 2
NO_BREAK = "\N{NO-BREAK SPACE}"
# From here on there is room for what comes next in large letters too.
SCALE_WITH_NEXT = 4
# Header, next, last cue and note; the keys come below.
ROWS_OF_TEXT = 4
# Each column of the board, and from which width on it is shown.
NAME_COLUMNS, ZONE_COLUMNS, WIDE_COLUMNS, WIDER_COLUMNS = 14, 70, 90, 120


def runner(
    view: View, width: int, height: int, *, note: str = "", keys: Sequence[str] = (), why: str = "", imperial: bool
) -> list[Text]:
    """A screenful: ``height`` lines, each ``width`` columns."""
    if width < LEAST_COLUMNS or height < LEAST_ROWS:
        return _tiny(view, width, height, note or why)
    word = labels.PHASE[view.phase] if view.phase is not None else NOBODY[view.link is Link.OFFLINE]
    bpm = "--" if view.heart_rate_bpm is None else f"{view.heart_rate_bpm:.0f}"
    time, time_label = _time(view)
    ratio = labels.ratio(view.ratio).rpartition(" ")[2]
    next_word = labels.PHASE[view.next_phase] if view.next_phase is not None else ""
    below = [_line(note, width, f"bold {LOUD}"), *_keys(keys, width)[: height - LEAST_ROWS + 1]]
    rows = height - ROWS_OF_TEXT + 1 - len(below)
    scale, value_scale, next_scale = _scales(width, rows, word, [time, bpm], [next_word, ratio])

    lines = [_sides(f"{view.runner_id}  {view.plan}", _totals(view, imperial=imperial), width, QUIET)]
    lines += _band(view, word, scale, width)
    lines += _pair(time, bpm, value_scale, width, _phase_colour(view), _heart_colour(view))
    lines.append(_sides(time_label, _heart_label(view), width, QUIET, _heart_colour(view)))
    if next_scale:
        lines.append(_line("", width, TEXT))
        lines += _pair(next_word, ratio, next_scale, width, _next_colour(view), QUIET)
    details = "  ".join(filter(None, (_effort(view), _strap(view))))
    lines.append(_sides(_next(view), details, width, _next_colour(view), QUIET))
    lines.append(_line(_said(view), width, f"bold {TEXT if view.fresh else QUIET}"))
    room = height - len(lines) - len(below)
    lines += [_line("", width, TEXT)] * room
    if why:
        panel = [_line(each, width, f"{TEXT} on {PANEL}") for each in _wrapped(why, width - 2 * MARGIN)]
        lines[-len(panel) :] = panel
    return lines + below


def _time(view: View) -> tuple[str, str]:
    """The large number on the left, and what it counts."""
    if view.phase is None or view.phase is Phase.WAITING:
        return "", ""
    if view.phase is Phase.FINISHED:
        return labels.clock(view.elapsed_s), "in all"
    if view.remaining_s is None:
        return labels.clock(view.phase_elapsed_s), "so far"
    return labels.left(view.remaining_s), "seconds left" if view.remaining_s <= 59 else "left"


def _scales(width: int, rows: int, word: str, values: Sequence[str], following: Sequence[str]) -> tuple[int, int, int]:
    """The largest letters that fit: of the phase, of the numbers, and of what comes next (0: in small letters)."""

    def fits(texts: Sequence[str], scale: int) -> bool:
        gaps = 2 * MARGIN + 4 * (len(texts) - 1)
        return sum(scale * glyphs.dots(text) for text in texts if text) + gaps <= width

    for scale in range(LARGEST_SCALE, 1, -1):
        next_scale = scale // 2 if scale >= SCALE_WITH_NEXT else 0
        for value_scale in (scale, scale - 1):
            high = glyphs.rows_high(scale) + 2 + glyphs.rows_high(value_scale) + 1
            high += 1 + glyphs.rows_high(next_scale) if next_scale else 0
            wide = fits([word], scale) and fits(values, value_scale) and fits(following, next_scale)
            if high <= rows and wide:
                return scale, value_scale, next_scale
    return 1, 1, 0


def _band(view: View, word: str, scale: int, width: int) -> list[Text]:
    """The phase across the whole width, in its colour; grey when it may no longer be so, and then with the cause."""
    trouble = labels.link(view)
    ground = BAND[view.phase] if view.fresh and view.phase is not None else GREY
    ink = f"bold {INK}" if ground != GREY else ON_GREY
    # Half a line above and below: a terminal has few.
    above, below = Text().append("▄" * width, ground), Text().append("▀" * width, ground)
    if trouble:
        below = Text().append(_cut(trouble, width - 2 * MARGIN).strip().center(width), f"{ink} on {ground}")
    word_rows = [row.center(width)[:width] for row in glyphs.lines(word, scale)]
    return [above, *(Text().append(row, f"{ink} on {ground}") for row in word_rows), below]


def _pair(left: str, right: str, scale: int, width: int, left_colour: str, right_colour: str) -> list[Text]:
    blank = [""] * glyphs.rows_high(scale)
    left_rows = glyphs.lines(left, scale) if left else blank
    right_rows = glyphs.lines(right, scale) if right else blank
    return [
        _sides(a, b, width, f"bold {left_colour}", f"bold {right_colour}")
        for a, b in zip(left_rows, right_rows, strict=True)
    ]


def _phase_colour(view: View) -> str:
    return BAND[view.phase] if view.fresh and view.phase is not None else QUIET


def _heart_colour(view: View) -> str:
    if not view.fresh or view.heart_rate_bpm is None:
        return QUIET
    return LOUD if view.trust is Trust.DOUBTFUL else TEXT


def _heart_label(view: View) -> str:
    zone = f"zone {view.zone}" if view.zone is not None else ""
    ceiling = f"ceiling {view.ceiling_bpm:.0f}" if view.ceiling_bpm is not None else ""
    return "  ".join(filter(None, ("bpm", zone, ceiling, labels.signal(view))))


def _totals(view: View, *, imperial: bool) -> str:
    if view.phase is None:
        return ""
    parts = (
        labels.distance(view.distance_m, imperial=imperial),
        f"run {labels.clock(view.run_s)}",
        f"walk {labels.clock(view.walk_s)}",
        f"in all {labels.clock(view.elapsed_s)}",
    )
    return "  ".join(filter(None, parts))


def _next(view: View) -> str:
    next_word = f"next {labels.PHASE[view.next_phase]}" if view.next_phase is not None else ""
    return "   ".join(filter(None, (next_word, labels.ratio(view.ratio))))


def _next_colour(view: View) -> str:
    return BAND[view.next_phase] if view.fresh and view.next_phase is not None else QUIET


def _effort(view: View) -> str:
    return f"effort {view.rpe:g}" if view.rpe is not None else ""


def _strap(view: View) -> str:
    return f"strap {view.battery_percent} %" if view.battery_percent is not None else ""


def _said(view: View) -> str:
    if view.phase is Phase.FINISHED and view.summary is not None and view.summary.walks:
        walks, down = view.summary.walks, view.summary.walks_recovered
        came_down = f"; your heart rate came down in {down}" if down else ""
        return f"{walks} walk break{'s' if walks != 1 else ''}{came_down}."
    return labels.said_because(view.said) if view.said is not None else ""


def _tiny(view: View, width: int, height: int, note: str) -> list[Text]:
    """What fits, most important first."""
    style = f"bold {INK} on {BAND[view.phase]}" if view.fresh and view.phase is not None else f"{ON_GREY} on {GREY}"
    rows = _wrapped(labels.one_line(view), width)
    lines = [Text().append(row.ljust(width), style) for row in rows]
    lines += [Text().append(row.ljust(width), f"bold {LOUD}") for row in _wrapped(note, width)]
    return (lines + [Text(" " * width)] * height)[:height]


# -- the board --


def board(
    rows: Sequence[Row], width: int, height: int, *, chosen: str, first: int, trouble: str, keys: Sequence[str]
) -> list[Text]:
    """A screenful of runners from the ``first`` on; ``chosen`` is the name under the cursor, ``trouble`` the link's."""
    shown = rows[first : first + board_rows(height)]
    lines = [_summary(rows, width, trouble), _sides(_columns(width), "", width, QUIET)]
    lines += [board_row(row, width, chosen=row.view.runner_id == chosen) for row in shown]
    lines += [_line("", width, TEXT)] * (height - len(lines) - 1)
    return [*lines[: height - 1], *_keys(keys, width)[:1]]


def board_rows(height: int) -> int:
    """How many runners a screen shows."""
    return max(1, height - 3)


def _columns(width: int) -> str:
    text = f"{'runner':<{NAME_COLUMNS}} {'phase':<10} {'left':>6}{'bpm':>6}"
    if width >= ZONE_COLUMNS:
        text += " zone"
    if width >= WIDE_COLUMNS:
        text += f"{'time':>9}  {'effort':>6}"
    if width >= WIDER_COLUMNS:
        text += f"  {'planned → now':<23}"
    return f"{text}  why"


def board_row(row: Row, width: int, *, chosen: bool) -> Text:
    """``! alex   WALK  0:45  148  4  walk made longer: not recovered``."""
    view, need = row.view, row.attention.need
    lively = TEXT if view.fresh and need <= Need.NONE else QUIET
    line = Text().append("! " if need in LOOKED_AT else "  ", f"bold {ALARM if need <= Need.SIGNAL else LOUD}")
    line.append(_cut(view.runner_id, NAME_COLUMNS), lively)
    word = labels.PHASE[view.phase] if view.phase is not None else "-"
    bright = view.fresh and view.phase is not None
    phase_style = f"bold {INK} on {BAND[view.phase]}" if bright and view.phase is not None else f"{ON_GREY} on {GREY}"
    line.append(f" {word:<10}", phase_style)
    left = labels.left(view.remaining_s) if view.remaining_s is not None and view.phase is not Phase.FINISHED else ""
    line.append(f" {left:>6}", lively)
    line.append(f"{labels.heart_rate(view):>6}", LOUD if view.trust is Trust.DOUBTFUL and view.fresh else lively)
    if width >= ZONE_COLUMNS:
        line.append(f"{view.zone or '':>5}", lively)
    if width >= WIDE_COLUMNS:
        effort = f"{view.rpe:g}" if view.rpe is not None else ""
        line.append(f"{labels.clock(view.elapsed_s) if view.phase else '':>9}  {effort:>6}", lively)
    if width >= WIDER_COLUMNS:
        line.append(f"  {labels.ratio(view.ratio):<23}", lively)
    why_colour = ALARM if need <= Need.SIGNAL else LOUD if need in LOOKED_AT else QUIET
    line.append(f"  {row.attention.why}", f"bold {why_colour}" if need in LOOKED_AT else why_colour)
    line.truncate(width, overflow="ellipsis", pad=True)
    if chosen:
        line.stylize(f"on {PANEL}", 0, 2 + NAME_COLUMNS)
        line.stylize(f"on {PANEL}", 2 + NAME_COLUMNS + 11, width)
    return line


def _summary(rows: Sequence[Row], width: int, trouble: str) -> Text:
    count = {need: sum(row.attention.need is need for row in rows) for need in Need}
    looked_at = sum(count[need] for need in LOOKED_AT)
    walking = sum(row.view.phase is Phase.WALK and row.view.fresh for row in rows)
    running = sum(row.view.phase in (Phase.RUN, Phase.SURGE) and row.view.fresh for row in rows)
    parts = [
        f"{len(rows)} runner{'s' if len(rows) != 1 else ''}",
        f"{looked_at} to look at" if looked_at else "",
        f"{running} running",
        f"{walking} walking",
        f"{count[Need.FINISHED]} finished" if count[Need.FINISHED] else "",
    ]
    return _sides("  ".join(filter(None, parts)), trouble, width, f"bold {TEXT}", f"bold {ALARM}")


# -- lines --


def _line(text: str, width: int, style: str) -> Text:
    return _sides(text, "", width, style)


def _sides(left: str, right: str, width: int, style: str, right_style: str | None = None) -> Text:
    """Both at their edges; where they do not fit, the left one is cut."""
    right = right[: max(0, width - 2 * MARGIN)]
    gap = 2 if right else 0
    room = width - 2 * MARGIN - len(right) - gap
    line = Text().append(" " * MARGIN + _cut(left, room) + " " * gap, style)
    line.append(right, right_style or style)
    return line.append(" " * (width - len(line)), style)


def _cut(text: str, columns: int) -> str:
    """Exactly so wide."""
    if columns <= 0:
        return ""
    return text.ljust(columns) if len(text) <= columns else f"{text[: columns - 1]}…"


def _keys(keys: Iterable[str], width: int) -> list[Text]:
    """In as many lines as they need; no key is parted from its word."""
    bound = "   ".join(key.replace(" ", NO_BREAK) for key in keys)
    return [_line(row.replace(NO_BREAK, " "), width, QUIET) for row in _wrapped(bound, width - 2 * MARGIN, "   ")]


def _wrapped(text: str, width: int, gap: str = " ") -> list[str]:
    rows: list[str] = []
    for word in filter(None, text.split(" ")):
        if rows and len(rows[-1]) + len(gap) + len(word) <= width:
            rows[-1] += gap + word
        else:
            rows.append(word[:width])
    return rows
