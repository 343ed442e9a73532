"""Letters that can be read from two metres: drawn with the half blocks that every terminal has, at any whole scale.

A dot is one column wide and half a line high at scale 1, which is about square.
"""

from __future__ import annotations

DOTS_HIGH = 7

# Below each character its drawing, and a gap to the next one. Digits are as wide as one another: a countdown stands.
_DRAWN = """
A     C     D     E     F     G     I     K     L     M     N     O     P     R     S     T     U     W
 ###   #### ####  ##### #####  ####  ###  #   # #     #   # #   #  ###  ####  ####   #### ##### #   # #   #
#   # #     #   # #     #     #       #   #  #  #     ## ## ##  # #   # #   # #   # #       #   #   # #   #
#   # #     #   # #     #     #       #   # #   #     # # # # # # #   # #   # #   # #       #   #   # #   #
##### #     #   # ####  ####  #  ##   #   ##    #     # # # #  ## #   # ####  ####   ###    #   #   # # # #
#   # #     #   # #     #     #   #   #   # #   #     #   # #   # #   # #     # #       #   #   #   # # # #
#   # #     #   # #     #     #   #   #   #  #  #     #   # #   # #   # #     #  #      #   #   #   # ## ##
#   #  #### ####  ##### #      ####  ###  #   # ##### #   # #   #  ###  #     #   # ####    #    ###  #   #
0    1    2    3    4    5    6    7    8    9    :    /    -
 ##    #   ##  ###  #  # ####  ##  ####  ##   ##
#  #  ##  #  #    # #  # #    #       # #  # #  #          #
#  #   #     #    # #  # ###  #       # #  # #  #   #      #
#  #   #    #   ##  ####    # ###    #   ##   ###         #   ####
#  #   #   #      #    #    # #  #   #  #  #    #        #
#  #   #  #       #    # #  # #  #  #   #  #    #   #   #
 ##   ### #### ###     #  ##   ##   #    ##   ##        #
"""


def _cut() -> dict[str, list[str]]:
    """The rows of dots of each character; punctuation and I without the blank dots around them."""
    lines = _DRAWN.strip("\n").split("\n")
    cut = {}
    for first in range(0, len(lines), 1 + DOTS_HIGH):
        heading, rows = lines[first], lines[first + 1 : first + 1 + DOTS_HIGH]
        starts = [at for at, each in enumerate(heading) if each != " "]
        cell = starts[1]
        for start in starts:
            dots = [row[start : start + cell - 1].ljust(cell - 1) for row in rows]
            used = [column for column in range(cell - 1) if any(row[column] == "#" for row in dots)]
            narrow = heading[start] in "I:/"
            cut[heading[start]] = [row[used[0] : used[-1] + 1] if narrow else row for row in dots]
    return cut


GLYPHS = _cut()
_BLANK = ["    "] * DOTS_HIGH


def dots(text: str) -> int:
    """How wide it is, in dots; a character that is not drawn is a gap."""
    return sum(len(GLYPHS.get(each, _BLANK)[0]) for each in text) + len(text) - 1


def lines(text: str, scale: int) -> list[str]:
    """The text in rows of equal width: ``scale`` columns for each dot, and half as many rows."""
    rows = [" ".join(GLYPHS.get(each, _BLANK)[row] for each in text) for row in range(DOTS_HIGH)]
    wide = ["".join(dot * scale for dot in row) for row in rows for _ in range(scale)]
    if len(wide) % 2:
        wide.append(" " * len(wide[0]))
    return ["".join(map(_half_blocks, wide[at], wide[at + 1])) for at in range(0, len(wide), 2)]


def rows_high(scale: int) -> int:
    """Of what ``lines`` makes."""
    return -(-DOTS_HIGH * scale // 2)


def _half_blocks(upper: str, lower: str) -> str:
    return {"  ": " ", "# ": "▀", " #": "▄", "##": "█"}[upper + lower]
