"""What stands where in a YAML configuration: the meaning of its words, what they refer to, and its blocks.

Unlike completion this wants text that is YAML; of any other nothing is known. Lines and columns count from 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hakeep.config.forms.complete import Description, markdown
from hakeep.config.forms.nodes import Items, Mapping, Node, Refused, Scalar, compose
from hakeep.config.forms.outline import Item, Place, Reference
from hakeep.config.forms.shaping import NAME
from hakeep.config.forms.yaml_place import Where
from hakeep.config.lexer import Word, general_words
from hakeep.config.span import Span


class _Spot(NamedTuple):
    """A scalar, and what is inside its key (of a key) or what the value is of (of a value)."""

    scalar: Scalar
    where: Where
    is_key: bool


def describe(text: str, line: int, column: int) -> Description | None:
    """What the word at the place means; None where there is nothing to say."""
    for spot in _spots(text):
        place = _place(spot.scalar.span)
        if spot.where.keyword and place.line == line and place.start <= column <= place.end:
            around = spot.where.path
            if spot.where.block is not None:
                around = around.rpartition("/")[0]
            return Description(markdown(around, spot.where.keyword), *place)
    return None


def reference(text: str, line: int, column: int) -> Reference | None:
    """The block that the word at the place names; None if it names none."""
    for scalar, where, is_key in _spots(text):
        words = [] if is_key else general_words(scalar.text)[0]
        for index, word in enumerate(words):
            place = _place(scalar.part(word.start, word.end))
            if place.line == line and place.start <= column <= place.end:
                kinds = where.named_by([each.text for each in words[:index]])
                return Reference(word.text, kinds) if kinds else None
    return None


def targets(text: str, wanted: Reference) -> list[Place]:
    """Where the blocks of that name are."""
    return [_place(name.span) for kind, name, _ in _named(_root(text)) if (
        kind.text in wanted.kinds and name.text == wanted.name)]


def outline(text: str) -> list[Item]:
    """The outermost blocks: each of those that have names, and the others."""
    root = _root(text)
    items = [_item([kind, name], body) for kind, name, body in _named(root)]
    items += [_item([key], value) for key, value in root.pairs
              if (where := Where().key(key.text)) and where.block and not where.names]
    return sorted(items, key=lambda item: item.place)


def _item(words: list[Scalar], body: Node) -> Item:
    place = _place(words[-1].span)
    return Item([Word(word.text, 0, place.end - place.start) for word in words], place, max(_ends(body)), block=True)


def _ends(node: Node) -> Iterator[tuple[int, int]]:
    yield _place(node.span)[::2]
    children = node.items if isinstance(node, Items) else []
    children = [child for _, child in node.pairs] if isinstance(node, Mapping) else children
    for child in children:
        yield from _ends(child)


def _root(text: str) -> Mapping:
    """The configuration's mapping, an empty one if the text has none."""
    try:
        node, _ = compose("", text)
    except Refused:
        node = None
    return node if isinstance(node, Mapping) else Mapping([], Span("", 1))


def _named(root: Mapping) -> Iterator[tuple[Scalar, Scalar, Node]]:
    """The keyword, the name and the body of each block that has a name."""
    for key, value in root.pairs:
        where = Where().key(key.text)
        if where is None or not where.names:
            continue
        for name, body in value.pairs if isinstance(value, Mapping) else []:
            yield key, name, body
        for body in value.items if isinstance(value, Items) else []:
            for part, given in body.pairs if isinstance(body, Mapping) else []:
                if part.text == NAME and isinstance(given, Scalar):
                    yield key, given, body


def _spots(text: str) -> Iterator[_Spot]:
    yield from _inside(_root(text), Where())


def _inside(node: Node, where: Where) -> Iterator[_Spot]:
    if isinstance(node, Scalar):
        yield _Spot(node, where, is_key=False)
    elif isinstance(node, Items):
        for item in node.items:
            yield from _inside(item, where.item())
    else:
        for key, value in node.pairs:
            inner = where.key(key.text)
            if inner:
                yield _Spot(key, inner, is_key=True)
                yield from _inside(value, inner)


def _place(span: Span) -> Place:
    return Place(span.line - 1, span.column - 1, span.column - 1 + max(span.length, 0))
