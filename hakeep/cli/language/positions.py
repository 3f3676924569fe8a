"""Places as editors count them, and as we do.

We count lines by line feeds and columns by characters. An editor also ends a line at a lone carriage return, and counts
columns in units of the encoding that it has agreed on with us: UTF-16 unless both know better.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from lsprotocol.types import Position, PositionEncodingKind, Range

_END = re.compile(r"\r\n|\n|\r")
_LONE = re.compile(r"[\ud800-\udfff]")

Encoding = PositionEncodingKind | str


def whole(text: str) -> str:
    """`text` with U+FFFD for halves of characters, which nothing could write into a file."""
    return _LONE.sub("\ufffd", text)


class Positions:
    """The places of one text."""

    def __init__(self, text: str, encoding: Encoding = PositionEncodingKind.Utf16) -> None:
        self._text = text
        self._encoding = encoding
        self._ours = [0, *(match.end() for match in re.finditer("\n", text))]
        self._theirs = [0, *(match.end() for match in _END.finditer(text))]

    def position(self, line: int, column: int) -> Position:
        """The editor's for ours. What lies outside of the text becomes the nearest place in it."""
        if line >= len(self._ours):
            return self._position(len(self._text))
        start = self._ours[max(0, line)]
        end = self._ours[line + 1] - 1 if line + 1 < len(self._ours) else len(self._text)
        return self._position(min(start + max(0, column), end))

    def _position(self, offset: int) -> Position:
        line = bisect_right(self._theirs, offset) - 1
        return Position(line, self._units(self._text[self._theirs[line] : offset]))

    def range(self, line: int, start: int, end: int) -> Range:
        """A piece of one of our lines."""
        return Range(self.position(line, start), self.position(line, end))

    def between(self, start: int, end: int) -> Range:
        """What lies between two numbers of characters from the beginning."""
        return Range(self._position(start), self._position(end))

    def all(self) -> Range:
        """The whole text."""
        return self.between(0, len(self._text))

    def place(self, position: Position) -> tuple[int, int]:
        """Our line and column for the editor's."""
        offset = self.offset(position)
        line = bisect_right(self._ours, offset) - 1
        return line, offset - self._ours[line]

    def offset(self, position: Position) -> int:
        """The number of characters before it."""
        if position.line >= len(self._theirs):
            return len(self._text)
        offset = self._theirs[position.line]
        end = self._theirs[position.line + 1] if position.line + 1 < len(self._theirs) else len(self._text)
        units = position.character
        while offset < end and units > 0 and self._text[offset] not in "\r\n":
            units -= self._units(self._text[offset])
            offset += 1
        return offset

    def _units(self, text: str) -> int:
        if self._encoding == PositionEncodingKind.Utf32 or text.isascii():
            return len(text)
        if self._encoding == PositionEncodingKind.Utf8:
            return len(text.encode("utf-8", "replace"))
        return len(text) + sum(char > "\uffff" for char in text)
