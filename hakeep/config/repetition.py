"""Lines that a sequence of numbers makes: what is the same every time is worked out once.

A text like ``virtual_router_id ${ID}`` gives another line for every number. What kind of line that is does not change,
and where its words were written depends on the length of the number only. So such a line costs a tenth of one that is
read anew, which counts where there are millions.
"""

from __future__ import annotations

from operator import itemgetter
from typing import NamedTuple

from hakeep.config.definitions import LONGEST, Definitions, Pending
from hakeep.config.lexer import BLANKS
from hakeep.config.line import SPECIAL, Line
from hakeep.config.sequences import Row, Sequence
from hakeep.config.text import Place, Text

#: Shorter sequences are not worth it.
FEW = 16
#: What a text may begin with, or be, that changes how those after it are read.
_CHANGES = ("$", "@", "~")


class Part(NamedTuple):
    """A text that every number gives a line of. Without `straight` the line must be read anew each time."""

    text: Text
    active: frozenset[str]
    straight: Straight | None


class Straight:
    """Makes the lines of a text of which nothing but words comes, whatever the numbers are."""

    __slots__ = ("_active", "_definitions", "_form", "_pick", "_places", "_text")

    def __init__(
        self, text: Text, active: frozenset[str], definitions: Definitions, form: str, picked: list[int]
    ) -> None:
        self._text, self._active, self._definitions, self._form = text, active, definitions, form
        self._pick = itemgetter(*picked) if picked else _nothing
        self._places: dict[tuple[int, ...], tuple[Place, int]] = {}

    def line(self, row: Row, order: int) -> Line:
        """The line of a row, whose values are defined."""
        lengths = tuple(map(len, row))
        known = self._places.get(lengths)
        if known is None:
            _, place, shift = self._definitions.expand(self._text, self._active)[0]
            known = self._places[lengths] = place, shift
        return Line(self._form % self._pick(row), known[0], known[1], order, plain=True)


def _nothing(row: Row) -> Row:
    return ()


def parts(sequence: Sequence, active: frozenset[str], definitions: Definitions) -> list[Part]:
    """What each number of the sequence gives lines of; [] if it is not worth it, or if the line must be read whole."""
    if not sequence.numeric or sequence.count < FEW or not sequence.rest.text:
        return []
    texts: list[Pending] = [(sequence.rest, active)]
    if sequence.rest.text[0] == "$":
        texts = definitions.unrolled(sequence.rest, active) or []
    found = []
    for text, names in texts:
        filled = None if text.text[:1] in _CHANGES else _filled(text, names, sequence.variables, definitions)
        if filled is None:
            return []
        form, picked = filled
        sample = form % (("0",) * len(picked))
        if "include" in sample:
            return []
        found.append(Part(text, names, Straight(text, names, definitions, *filled) if _simple(sample) else None))
    return found if any(part.straight for part in found) else []


def _filled(
    text: Text, active: frozenset[str], variables: Row, definitions: Definitions
) -> tuple[str, list[int]] | None:
    """The text with %s in place of its variables, and which they are; None if it uses what is not that simple."""
    names, spots = definitions.taken_apart(text.text)
    form, picked, position = [], [], 0
    for name, (start, end) in zip(names, spots, strict=True):
        form.append(text.text[position:start].replace("%", "%%"))
        value = "" if name in variables else definitions.plain(name)
        if value is None or name in active:
            return None
        if name in variables:
            picked.append(variables.index(name))
        form.append("%s" if name in variables else value.replace("%", "%%"))
        position = end
    form.append(text.text[position:].replace("%", "%%"))
    return "".join(form), picked


def _simple(sample: str) -> bool:
    """Whether it is nothing but words."""
    blank = sample[:1] in BLANKS or sample[-1:] in BLANKS
    return not blank and not SPECIAL.search(sample) and len(sample) <= LONGEST // 2
