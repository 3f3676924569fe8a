"""Text on its way from a file to words, and where every character of it was written.

Reading cuts lines, joins the text of definitions into them and cuts again. A `Text` is a piece of such a line; its
`Place` knows the line it came from and, when definitions were put in, a map from the joined text back to columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hakeep.config.span import Span, Via

#: How many characters are cut into lines at a time.
_STRETCH = 1 << 16


def lines_of(text: str) -> Iterator[str]:
    """The lines of a text, without having all of them at a time."""
    start, end = 0, text.find("\n", _STRETCH)
    while end >= 0:
        yield from text[start:end].split("\n")
        start, end = end + 1, text.find("\n", end + _STRETCH)
    yield from text[start:].split("\n")


class Segment(NamedTuple):
    """`length` characters from `start` on stand for `source_length` characters of the line, from `source` on.

    A verbatim segment maps character by character; any other (put in by a definition) maps as a whole.
    """

    start: int
    length: int
    source: int
    source_length: int
    verbatim: bool


class Place(NamedTuple):
    """A line of a file. No segments: its text is verbatim."""

    file: str
    line: int
    via: tuple[Via, ...] = ()
    segments: tuple[Segment, ...] = ()

    def locate(self, start: int, end: int) -> tuple[int, int]:
        """The column (from 0) and length in the file's line of the characters start..end of the joined text."""
        if not self.segments:
            return start, end - start
        first, last = None, 0
        for segment in self.segments:
            stop = segment.start + segment.length
            if segment.start >= max(end, start + 1) or stop <= start:
                continue
            if segment.verbatim:
                left = segment.source + max(0, start - segment.start)
                right = segment.source + min(end, stop) - segment.start
            else:
                left, right = segment.source, segment.source + segment.source_length
            first = left if first is None else min(first, left)
            last = max(last, right)
        if first is None:
            return 0, 0
        return first, last - first


class Run(NamedTuple):
    """Lines of a file as they stand in it, one after the other. Each knows its order among all lines (see `Line`);
    `before` is how much more its number in the file is."""

    file: str
    before: int
    via: tuple[Via, ...] = ()

    def place(self, order: int) -> Place:
        """The place of one of them."""
        return Place(self.file, order + self.before, self.via)


class Text(NamedTuple):
    """A piece of a line; `shift` is where it begins in the joined text of its place."""

    text: str
    place: Place
    shift: int = 0

    def cut(self, start: int, end: int | None = None) -> Text:
        """The piece start..end, without blanks around it."""
        piece = self.text[start:end]
        stripped = piece.lstrip(" \t\r\v\f\n")
        return Text(stripped.rstrip(" \t\r\v\f\n"), self.place, self.shift + start + len(piece) - len(stripped))

    def span(self, start: int = 0, end: int | None = None) -> Span:
        """Where the characters start..end were written."""
        stop = len(self.text) if end is None else end
        column, length = self.place.locate(self.shift + start, self.shift + stop)
        return Span(self.place.file, self.place.line, column + 1, length, self.place.via)
