"""A bound configuration, walked in the order in which it was written: what every form that writes one out begins with.

A `Row` is a line of the form being written, with the line of configuration it says again; through that, comments find
their place. `Remarks` are the comments of the text that was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hakeep.config.lexer import quoted
from hakeep.config.line import Line
from hakeep.config.schema import Block, Entries, Keyword, Plain, Repeat, Section
from hakeep.config.values.numbers import Flag
from hakeep.config.values.value import Invalid


class Given(NamedTuple):
    """A keyword that was written, its values (one, unless it can be given more than once) and their lines."""

    keyword: Keyword
    values: tuple[Any, ...]
    lines: tuple[Line | None, ...]

    @property
    def order(self) -> int:
        """Where the first of it stands; -1 if nobody knows."""
        return self.lines[0].order if self.lines and self.lines[0] else -1


def given(section: Section, block: Block) -> list[Given]:
    """What the section holds, in the order in which it was written."""
    found = []
    for name, value in section.given():
        if name == "name" and not isinstance(section, Plain):
            continue
        keyword = _spelled(section, block, name, value)
        places = section.places.get(name, ())
        if isinstance(keyword.value, Entries):
            found.append(_listed(keyword, keyword.value, value, places))
        elif keyword.repeat is Repeat.ADD:
            found.append(Given(keyword, tuple(value), _lines(places, value)))
        else:
            found.append(Given(keyword, (value,), places[-1:] or (None,)))
    if not isinstance(section, Plain):  # its values stand in the order that counts
        found.sort(key=lambda each: each.order)
    return found


def _listed(keyword: Keyword, entries: Entries, values: tuple[Any, ...], places: tuple[Line, ...]) -> Given:
    """The entries of a list. One of which nothing is left, because every word of its line was wrong, is none."""
    both = [(value, line) for value, line in zip(values, _lines(places, values), strict=True)
            if entries.entry.render(value)]
    return Given(keyword, tuple(value for value, _ in both), tuple(line for _, line in both))


def _lines(places: tuple[Line, ...], values: tuple[Any, ...]) -> tuple[Line | None, ...]:
    return places if len(places) == len(values) else (None,) * len(values)


def _spelled(section: Section, block: Block, name: str, value: Any) -> Keyword:
    """The keyword of a field: the one that was written, if several set it."""
    candidates = [
        child for child in block.children
        if child.field == name and (not isinstance(child.value, Flag) or child.value.means == value)]
    lines = section.places.get(name, ())
    words = lines[-1].words[:1] if lines else []
    for child in candidates:
        if words and words[0] in (child.name, *(old.rstrip("!") for old in child.old)):
            return child
    return candidates[0]


def name_of(section: Section, block: Block) -> str:
    """The words after the keyword of a block, as a line writes them; "" if it has none."""
    if not block.name:
        return ""
    if block.head is None:
        return quoted(section.name)
    assert isinstance(section, Plain)
    with suppress(Invalid):
        if block.head.parse(section.name.split(), lambda complaint: None) == section.head:
            return section.name
    return block.head.render(section.head)


# -------------------------------------------------------------------------------------------------------- comments


@dataclass(slots=True)
class Comment:
    """What was remarked about a line: above it, behind it, and below it and its block, before the outer block ends."""

    above: list[str] = field(default_factory=list)
    behind: str = ""
    below: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.above) + bool(self.behind) + len(self.below)


class Remarked(NamedTuple):
    """A line that was read: how deep it stands, what it says, and its comment without the sign."""

    depth: int
    text: str
    comment: str


class Remarks:
    """Comments by file and line. Each is given out once; `left` says how many nobody took."""

    def __init__(self) -> None:
        self.head: list[str] = []
        self.tail: list[str] = []
        self._lines: dict[tuple[str, int], Comment] = {}
        self._before: dict[tuple[str, int], tuple[str, int]] = {}

    def collect(self, name: str, lines: Iterable[Remarked]) -> None:
        """Take the comments of a file."""
        pending: list[tuple[int, str]] = []
        around: list[tuple[int, Comment]] = []  # the last line of each block that is open
        last: tuple[str, int] | None = None
        for number, (depth, text, comment) in enumerate(lines, 1):
            if not text and comment:
                pending.append((depth, comment))
            elif not text and pending and last is None and not self._lines:
                self.head += [*(said for _, said in pending), ""]  # a comment on the whole file
                pending = []
            elif text:
                pending = _below(pending, depth, around)
                if not text.strip("{}, \t"):
                    pending += [(depth, comment)] if comment else []
                    continue
                remark = Comment([said for _, said in pending], comment)
                self._lines[name, number] = remark
                if last:
                    self._before[name, number] = last
                last, pending = (name, number), []
                while around and around[-1][0] >= depth:
                    around.pop()
                around.append((depth, remark))
        self.tail += [said for _, said in _below(pending, 0, around)]

    def take(self, line: Line | None) -> Comment:
        """The comment on a line, which then is gone."""
        return self._take(_place(line))

    def take_before(self, line: Line | None) -> Comment:
        """The comment on the line that stands before that one: the head of the list that begins with it."""
        return self._take(self._before.get(_place(line)))

    def _take(self, place: tuple[str, int] | None) -> Comment:
        return (self._lines.pop(place, None) if place else None) or Comment()

    @property
    def left(self) -> int:
        """How many comments have found no place."""
        return sum(map(len, self._lines.values()))


def _place(line: Line | None) -> tuple[str, int]:
    return line.span()[:2] if line else ("", 0)


def _below(
    pending: list[tuple[int, str]], depth: int, around: list[tuple[int, Comment]]
) -> list[tuple[int, str]]:
    """Give comments that stand deeper than the line after them to what stands above them; the rest is returned."""
    rest = []
    for place, said in pending:
        owner = next((remark for level, remark in reversed(around) if level <= place), None) if place > depth else None
        if owner is None:
            rest.append((place, said))
        else:
            owner.below.append(said)
    return rest


class Row(NamedTuple):
    """A line being written. `line` is what it says again; with `heads` it is the head of a list that begins there."""

    depth: int
    text: str
    line: Line | None = None
    heads: bool = False


def with_remarks(rows: Iterable[Row], remarks: Remarks, indent: str) -> Iterator[str]:
    """The rows as text, with the comments that belong to them."""
    yield from (_remark(text) for text in remarks.head)
    waiting: list[tuple[int, list[str]]] = []
    for depth, text, line, heads in rows:
        comment = remarks.take_before(line) if heads else remarks.take(line)
        while waiting and (waiting[-1][0] > depth or (waiting[-1][0] == depth and text != "}")):
            level, below = waiting.pop()
            yield from (indent * level + _remark(said) for said in below)
        margin = indent * depth
        yield from (margin + _remark(above) for above in comment.above)
        behind = f"  {_remark(comment.behind)}" if comment.behind else ""
        yield f"{margin}{text}{behind}" if text else ""
        if comment.below:
            waiting.append((depth, comment.below))
    for level, below in reversed(waiting):
        yield from (indent * level + _remark(said) for said in below)
    if remarks.tail:
        yield ""
    yield from (_remark(text) for text in remarks.tail)


def _remark(text: str) -> str:
    printable = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return f"# {printable}".rstrip() if text else ""
