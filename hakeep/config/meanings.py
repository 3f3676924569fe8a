"""What lines and blocks mean that were bound before.

What a line means depends on its words and on the block that it stands in, and on nothing else; so does a block of such
lines. Of ten thousand real servers nearly all have the same check. So whatever was bound without a word about it is
bound once: who writes it again gets the same values, and only the places are its own. What there was something to say
about is bound anew each time, so that it is said each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from hakeep.config.line import Line
from hakeep.config.schema import Keyword
from hakeep.config.tree import Node

#: So many lines, or blocks, of one kind are remembered before all are forgotten: what comes again comes again soon.
_REMEMBERED = 10_000
#: Blocks of more lines are hardly written twice.
_LONGEST = 50

Texts = tuple[str, ...]


class Meaning(NamedTuple):
    """What a line means."""

    keyword: Keyword
    value: Any


class Content(NamedTuple):
    """What a block of lines means: its values, and of which of its lines each field comes."""

    values: Mapping[str, Any]
    where: Mapping[str, Sequence[int]]

    @classmethod
    def of(cls, values: Mapping[str, Any], places: Mapping[str, Sequence[Line]], nodes: Sequence[Node]) -> Content:
        """That of a block of those nodes, of which this came."""
        numbers = {id(node.line): number for number, node in enumerate(nodes)}
        return cls(values, {field: [numbers[id(line)] for line in written] for field, written in places.items()})


class Places(Mapping[str, tuple[Line, ...]]):
    """The lines of each field in a block that has the content of another one."""

    __slots__ = ("_lines", "_where")

    def __init__(self, content: Content, nodes: Sequence[Node]) -> None:
        self._where = content.where
        self._lines = tuple([node.line for node in nodes])

    def __getitem__(self, field: str) -> tuple[Line, ...]:
        return tuple([self._lines[number] for number in self._where[field]])

    def __contains__(self, field: object) -> bool:
        return field in self._where

    def __iter__(self) -> Iterator[str]:
        return iter(self._where)

    def __len__(self) -> int:
        return len(self._where)


class Meanings:
    """What is known of the `lines` and of the `contents` of one kind of block."""

    __slots__ = ("contents", "lines")

    def __init__(self) -> None:
        self.lines: dict[str, Meaning] = {}
        self.contents: dict[Texts, Content] = {}

    def learn(self, line: Line, keyword: Keyword, value: Any) -> None:
        """What a line means of which nothing was said."""
        if line.plain and not line.reported:
            if len(self.lines) == _REMEMBERED:
                self.lines.clear()
            self.lines[line.text] = Meaning(keyword, value)

    def learn_content(self, texts: Texts, content: Content) -> None:
        """What a block of lines means of which nothing was said."""
        if len(self.contents) == _REMEMBERED:
            self.contents.clear()
        self.contents[texts] = content


def texts_of(node: Node) -> Texts | None:
    """The lines of a block, if these texts say all that there is to it; else None."""
    nodes = node.children or ()
    if node.extra or len(nodes) > _LONGEST:
        return None
    for each in nodes:
        if each.children is not None or not each.line.plain or each.line.reported:
            return None
    return tuple([each.line.text for each in nodes])
