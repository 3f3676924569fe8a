"""Tables for terminals: cells with colours, columns as wide as they must be, and the last one as wide as there is room.

Pure: the width is an argument, and nothing of what others have named can command the terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hakeep.report.duration import render_duration

#: Below this the last column does not fit beside the others and goes under them.
NARROWEST_LAST = 16

#: SGR parameters (ECMA-48).
BOLD, RED, GREEN, YELLOW, DIM = "1", "1;31", "1;32", "33", "2"


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in one place of the table, its colour ("" = none), and whether it stands at the right, as numbers."""

    text: str
    color: str = ""
    right: bool = False


def table(rows: Sequence[Sequence[Cell]], width: int, color: bool) -> list[list[str]]:
    """The lines of each row, of which the first is the heading. Lines are cut to `width` where that is possible."""
    last = len(rows[0]) - 1
    widths = [max(len(row[column].text) for row in rows) for column in range(last)]
    room = width - sum(widths) - 2 * last
    found = []
    for row in rows:
        *cells, tail = row
        line = "  ".join(_padded(cell, size, color) for cell, size in zip(cells, widths, strict=True))
        if room >= NARROWEST_LAST:
            found.append([f"{line}  {paint(cut(tail.text, room), tail.color, color)}".rstrip()])
            continue
        found.append([line.rstrip()])
        if row is not rows[0] and tail.text:
            found[-1].append("    " + paint(cut(tail.text, max(width - 4, NARROWEST_LAST)), tail.color, color))
    return found


def printable(text: str) -> str:
    """`text` without anything that a terminal could take for an order."""
    return "".join(char if char.isprintable() else "?" for char in text)


def ago(since: float, now: float) -> str:
    """How long it is, "-" when it never was."""
    return render_duration(now - since) if since else "-"


def cut(text: str, room: int) -> str:
    """`text` in `room` columns; two dots say that there is more."""
    return text if len(text) <= room else text[: room - 2] + ".."


def paint(text: str, sgr: str, color: bool) -> str:
    """`text` in this colour, if there are to be colours."""
    return f"\x1b[{sgr}m{text}\x1b[0m" if color and sgr and text else text


def flow(items: Sequence[str], width: int) -> list[str]:
    """`items`, separated by commas, in lines of at most `width`."""
    lines: list[str] = []
    for item in items:
        if lines and len(lines[-1]) + len(item) + 2 <= width:
            lines[-1] += f", {item}"
        else:
            lines.append(item)
    return lines


def _padded(cell: Cell, width: int, color: bool) -> str:
    space = " " * (width - len(cell.text))
    return space + paint(cell.text, cell.color, color) if cell.right else paint(cell.text, cell.color, color) + space
