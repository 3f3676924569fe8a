"""A line of configuration after all that reading does to it, and the way back to where its words were written.

There can be millions of them, so a line keeps only its text and where that came from. Words and places are worked out
when somebody asks: binding asks for the words once, and for places only where something is wrong.
"""

from __future__ import annotations

import re

from hakeep.config.lexer import Unterminated, Word, general_words, shell_words
from hakeep.config.span import Span
from hakeep.config.text import Place, Run, Text

#: What is in no line that is nothing but words. The keywords are those that change how the rest is read.
SPECIAL = re.compile(r"[#!\"\\@$~{}\x00\x1c-\x1f]|[^\x00-\x7f]|\Ain(?:clude|stance)|\Arandom_seed")


class Line:
    """Words, or a brace (`brace` says which; it is the only word), and where they were written.

    `place` is where it was written, `shift` where it begins there. `order` counts the lines of a configuration in the
    order in which they take effect; a brace may have that of the words before it. `plain` promises that blanks alone
    separate the words. `reported` is true when a value can only be bad because a definition is missing, which was
    reported already.
    """

    __slots__ = ("_place", "_shift", "order", "plain", "reported", "text")

    def __init__(self, text: str, place: Place | Run, shift: int, order: int = 0, *, plain: bool = False) -> None:
        self.text = text
        self.order = order
        self.plain = plain
        self.reported = False
        self._place = place
        self._shift = shift

    def __repr__(self) -> str:
        return f"Line({self.words!r}, {self.span()})"

    @property
    def brace(self) -> str:
        """The brace that the line is, or ""."""
        return self.text if self.text in ("{", "}") else ""

    @property
    def words(self) -> list[str]:
        """The words, read the general way. What an unterminated quote begins is no word."""
        if self.plain:
            return self.text.split()
        return [word.text for word in general_words(self.text)[0]]

    @property
    def open_quote(self) -> int:
        """Where an unterminated double quote stands in the text; -1: there is none."""
        return -1 if self.plain else general_words(self.text)[1]

    def span(self, word: int | None = None, *, shell: bool = False) -> Span:
        """Where the word of that index stands; the whole line if None or if there is no such word."""
        if word is not None and not self.brace:
            words = self.shell_words() if shell else general_words(self.text)[0]
            if word < len(words):
                return self._piece.span(words[word].start, words[word].end)
        return self._piece.span()

    def span_from(self, position: int, end: int | None = None) -> Span:
        """From a position in the text to another, or to its end."""
        return self._piece.span(position, end)

    def part(self, start: int, end: int) -> Line:
        """What stands from a position in the text to another, as a line of its own."""
        piece = self._piece.cut(start, end)
        return Line(piece.text, piece.place, piece.shift, self.order)

    @property
    def _piece(self) -> Text:
        place = self._place.place(self.order) if isinstance(self._place, Run) else self._place
        return Text(self.text, place, self._shift)

    def shell_words(self) -> list[Word]:
        """The line's words read the shell-like way; [] when a quote is unterminated (see `shell_problem`)."""
        try:
            return shell_words(self.text)
        except Unterminated:
            return []

    def shell_problem(self) -> int:
        """Where an unterminated quote of the shell-like reading starts, -1 if there is none."""
        try:
            shell_words(self.text)
        except Unterminated as problem:
            return problem.start
        return -1
