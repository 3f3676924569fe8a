"""Places in configuration text: where a word stands, and by which way it came there.

A word may be written in the main file, in a file that was included, or in the text of a definition; `via` tells the
way, nearest step first, so that a diagnostic can say "in the expansion of $VIP, defined in hakeep.conf:3".
"""

from __future__ import annotations

from typing import NamedTuple


class Via(NamedTuple):
    """One step of the way: `how` reads like "included from" or "in the text of $VIP, defined at"."""

    how: str
    file: str
    line: int


class Span(NamedTuple):
    """`length` characters from `column` on in a line. Lines and columns count from 1; length 0 means the whole line."""

    file: str
    line: int
    column: int = 1
    length: int = 0
    via: tuple[Via, ...] = ()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"
