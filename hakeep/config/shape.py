"""The shape of a line: nothing but words, a brace, or words and the { that opens their block. Most lines have one.

A line that is written again has the shape that it had before. So a configuration with ten thousands of servers, whose
lines differ in their addresses only, costs one look for each of the others, and keeps their text once.
"""

from __future__ import annotations

from typing import NamedTuple

from hakeep.config.lexer import BLANKS
from hakeep.config.line import SPECIAL

#: So many shapes are remembered before all are forgotten: what comes again comes again soon.
_REMEMBERED = 10_000


class Shape(NamedTuple):
    """Words ("" = none) and where they begin, the brace after them ("" = none) and where that stands, and how long all
    of it is without the blanks around it."""

    words: str
    start: int
    brace: str
    at: int
    size: int


def shape_of(text: str) -> Shape | None:
    """The shape of a text, None if there is more to it: comments, quotes, definitions, several braces."""
    line = text.strip(BLANKS)
    start = text.index(line[0]) if line else 0
    found = SPECIAL.search(line)
    if found is None:
        return Shape(line, start, "", 0, len(line))
    if line in ("{", "}"):
        return Shape("", 0, line, start, 1)
    if found.group() == "{" and found.end() == len(line):
        return Shape(line[:-1].rstrip(BLANKS), start, "{", start + found.start(), len(line))
    return None


class Shapes(dict[str, Shape]):
    """Shapes by text. Of texts shorter than `limit`: none is longer that means anything."""

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def __missing__(self, text: str) -> Shape | None:
        shape = shape_of(text) if len(text) < self._limit else None
        if shape:
            if len(self) == _REMEMBERED:
                self.clear()
            self[text] = shape
        return shape
