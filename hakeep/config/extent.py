"""How much a line comes to at the least, known before any of it is made.

One line can stand for a million million: sequences multiply, and so do definitions of several lines that use each
other. Made one by one they would take half a minute until there are too many; counted, they take none. What cannot be
known without making it (the end of a sequence that depends on another one, a definition that is made on the way)
counts for nothing here. Reading itself counts all that it makes, so nothing gets past it.
"""

from __future__ import annotations

from typing import NamedTuple

from hakeep.config.definitions import ASSIGNMENT, DEEPEST, SEQUENCES, Definitions, Refused
from hakeep.config.sequences import read_sequence
from hakeep.config.text import Place, Text

_NOWHERE = Place("", 0)


class Extent(NamedTuple):
    """`derived` lines come out of others, `lines` of words and braces come of them. There are no fewer than these."""

    derived: int = 0
    lines: int = 0


class _Unknowable(Exception):
    """Only reading can tell."""


def extent(text: str, definitions: Definitions, deepest: int) -> Extent:
    """What a line comes to that is read with those definitions. Lines that come out of lines stand in one another no
    deeper than `deepest`."""
    try:
        return _Count(definitions, deepest).of(text, frozenset(), 0)
    except (_Unknowable, Refused):
        return Extent()


class _Count:
    def __init__(self, definitions: Definitions, deepest: int) -> None:
        self._definitions = definitions
        self._deepest = deepest
        self._variables: set[str] = set()  # of the sequences on the way: what they stand for changes
        self._followed: set[str] = set()
        self._known: dict[str, tuple[int, Extent]] = {}  # of definitions of several lines, and how deep they stood

    def of(self, text: str, active: frozenset[str], depth: int) -> Extent:
        """Of one text. `active` are the definitions, `depth` is the number of lines, that it stands in."""
        if depth > self._deepest or len(active) == DEEPEST:
            return Extent()
        if text.startswith(SEQUENCES):
            return self._sequence(text, active, depth)
        if text[:1] == "@" or ASSIGNMENT.match(text):
            raise _Unknowable  # what follows may be read with other definitions
        if not text.startswith("$"):
            return Extent(0, self._is_line(text))
        name, end, lines = self._definitions.at_head(text)
        if not lines or name in self._variables:
            return Extent()
        if name in active:
            raise _Unknowable
        self._followed.add(name)
        if len(lines) == 1:
            return self.of(lines[0].text + text[end:], active | {name}, depth + 1)
        return self._lines(name, lines, active, depth) if end == len(text) else Extent()

    def _sequence(self, text: str, active: frozenset[str], depth: int) -> Extent:
        if "$" in text.partition(")")[0]:
            raise _Unknowable
        sequence = read_sequence(Text(text, _NOWHERE), self._definitions, active)
        if sequence is None or not self._followed.isdisjoint(sequence.variables):
            raise _Unknowable
        self._variables.update(sequence.variables)
        inner = self.of(sequence.rest.text, active, depth + 1)
        count = 1 if sequence.opens else sequence.count
        return Extent(count * (1 + inner.derived), count * inner.lines)

    def _lines(self, name: str, lines: tuple[Text, ...], active: frozenset[str], depth: int) -> Extent:
        at, known = self._known.get(name, (-1, Extent()))
        if depth > at:  # where it stands deeper than before, less may come of it
            inner = [self.of(line.text, active | {name}, depth + 1) for line in lines]
            known = Extent(len(lines) + sum(each.derived for each in inner), sum(each.lines for each in inner))
            self._known[name] = depth, known
        return known

    def _is_line(self, text: str) -> bool:
        """Whether a line with words comes of a text, whatever its variables are."""
        first = text.partition(" ")[0]
        known = first[:1].isalpha() and "$" not in first and not first.startswith("include")
        return known and self._variables.issuperset(self._definitions.taken_apart(text)[0])
