"""What stands where in a configuration as it is being typed: its blocks, and what a word in one of them refers to.

Like completion this is about the text alone, right or wrong. Lines and columns count from 0; columns are characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from hakeep.config.forms.complete import CONDITION, DEFINITION, NAMED_AFTER, NAMED_BY, USE
from hakeep.config.lexer import Word, cut_at_brace, general_words, without_comment

#: Blocks in blocks are told apart up to this depth.
DEEPEST = 16

_INCLUDE = re.compile(r"include[rmwba]?[ \t]+(.*)", re.DOTALL)


class Place(NamedTuple):
    """Characters `start` to `end` of a line."""

    line: int
    start: int
    end: int


@dataclass(slots=True)
class Item:
    """A line, or the piece of one between braces: a keyword with its words, and what its block holds.

    `last` is where it ends, its block included. `defines` is set for the definition of a $NAME.
    """

    words: list[Word]
    place: Place
    last: tuple[int, int]
    block: bool = False
    defines: str = ""
    children: list[Item] = field(default_factory=list)

    def place_of(self, word: Word) -> Place:
        """Where one of its words stands."""
        return Place(self.place.line, self.place.start + word.start, self.place.start + word.end)


def outline(text: str) -> list[Item]:
    """The outermost items."""
    root = Item([], Place(0, 0, 0), (0, 0), block=True)
    around = [root]
    too_deep = 0
    for item, brace, line, column in _pieces(text):
        inside = around[-1]
        if item is not None:
            inside.children.append(item)
        if brace == "{" and len(around) < DEEPEST:
            head = inside.children[-1] if inside.children and not inside.children[-1].block else None
            opened = head or Item([], Place(line, column, column + 1), (line, column + 1))
            opened.block = True
            around.append(opened)
        elif brace == "{":
            too_deep += 1
        elif brace == "}" and too_deep:
            too_deep -= 1
        elif brace == "}" and len(around) > 1:
            around.pop().last = (line, column + 1)
    end = (text.count("\n"), len(text) - text.rfind("\n") - 1)
    for item in around[1:]:
        item.last = end
    return root.children


def _pieces(text: str) -> Iterator[tuple[Item | None, str, int, int]]:
    """Each item, or None where none stands before a brace, with the brace that follows it and the brace's place."""
    unfinished = False
    for number, raw in enumerate(text.split("\n")):
        rest = without_comment(raw)
        start = 0
        if condition := CONDITION.match(rest):
            start, rest = condition.end(), rest[condition.end():]
        definition = None if unfinished else DEFINITION.match(rest)
        if unfinished or definition:
            unfinished = rest.endswith("\\")
            if definition:
                place = Place(number, start + rest.index("$"), start + definition.end(1))
                yield Item([], place, (number, len(raw)), defines=definition.group(1)), "", number, 0
            continue
        while rest.strip():
            piece, brace, after, where = (rest, "", "", 0) if _INCLUDE.match(rest.strip()) else cut_at_brace(rest)
            words = general_words(piece)[0]
            place = Place(number, start, start + len(piece.rstrip()))
            item = Item(words, place, (number, place.end)) if words else None
            if item or brace:
                yield item, brace, number, start + where
            start, rest = start + where + 1, after


# ------------------------------------------------------------------------------------------------------ references


class Reference(NamedTuple):
    """What the word at a place refers to: the definition of `name` if `kinds` is empty, a file if `kinds` is
    ("include",), else a block of one of those kinds that has that name."""

    name: str
    kinds: tuple[str, ...] = ()


def reference(text: str, line: int, column: int) -> Reference | None:
    """What the word at the place refers to; None if to nothing."""
    lines = text.split("\n")
    if not 0 <= line < len(lines):
        return None
    for use in USE.finditer(without_comment(lines[line])):
        if use.start() <= column <= use.end() and (name := use.group(1) or use.group(2)):
            return Reference(name)
    for item, around in _walk(outline(text), ()):
        if item.place.line == line and item.place.start <= column <= item.place.end:
            return _of_item(item, around, lines[line], column)
    return None


def _of_item(item: Item, around: tuple[str, ...], line: str, column: int) -> Reference | None:
    include = _INCLUDE.match(line[item.place.start : item.place.end].strip())
    if include:
        return Reference(include.group(1), ("include",))
    for index, word in enumerate(item.words):
        if item.place_of(word).start <= column <= item.place_of(word).end:
            kinds = _kinds([each.text for each in item.words], index, around)
            return Reference(word.text, kinds) if kinds else None
    return None


def _kinds(words: list[str], index: int, around: tuple[str, ...]) -> tuple[str, ...]:
    """The blocks that define what the word of that index may name."""
    block = around[-1] if around else ""
    if block in NAMED_BY:
        return NAMED_BY[block]
    if index == 0:
        return ()
    after = NAMED_AFTER.get((words[0], words[index - 1]), ())
    return after or NAMED_BY.get(f"{block}/{words[0]}") or NAMED_BY.get(words[0], ())


def _walk(items: list[Item], around: tuple[str, ...]) -> Iterator[tuple[Item, tuple[str, ...]]]:
    for item in items:
        yield item, around
        if item.children:
            yield from _walk(item.children, (*around, item.words[0].text if item.words else ""))


def targets(text: str, wanted: Reference) -> list[Place]:
    """Where that is defined in a text: the names of the blocks, or the definitions."""
    if not wanted.kinds:
        return [item.place for item, _ in _walk(outline(text), ()) if item.defines == wanted.name]
    return [
        item.place_of(item.words[1]) for item in outline(text)
        if len(item.words) > 1 and item.words[0].text in wanted.kinds and item.words[1].text == wanted.name
    ]
