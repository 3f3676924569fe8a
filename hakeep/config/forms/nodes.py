"""YAML text as nodes that know where they stand: the part of YAML that a configuration needs, and no more.

Scalars stay text. Whether `no` is a word or a truth value, and 0177 a number in base 8 or 10, is decided by the keyword
it stands with and not by YAML's rules, which differ from version to version. What could do harm or surprise is refused:
tags, several documents, a key given twice, nesting without end, and aliases that unfold to more than they should.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from hakeep.config.diagnostic import Code, Diagnostic, Severity
from hakeep.config.span import Span

#: How deep nodes may nest; the language itself needs a dozen levels.
DEEPEST = 40
#: How many nodes all aliases together may stand for.
MOST_ALIASED = 100_000

_TRUE = ("true", "True", "TRUE")
_FALSE = ("false", "False", "FALSE")
_NULL = ("", "~", "null", "Null", "NULL")


@dataclass(slots=True)
class Scalar:
    """A scalar. `plain` says that it was written without quotes, `shift` is where its text begins within `span` (-1: it
    does not stand there letter by letter)."""

    text: str
    span: Span
    plain: bool = True
    shift: int = 0
    size: int = 1

    @property
    def truth(self) -> bool | None:
        """What it is if it is one of YAML's truth values."""
        return self.text in _TRUE if self.plain and self.text in _TRUE + _FALSE else None

    @property
    def null(self) -> bool:
        """Whether there is nothing."""
        return self.plain and self.text in _NULL

    def part(self, start: int, end: int) -> Span:
        """Where the characters start..end of the text stand; the whole scalar if that cannot be said."""
        if self.shift < 0:
            return self.span
        return self.span._replace(column=self.span.column + self.shift + start, length=end - start)


@dataclass(slots=True)
class Items:
    """A sequence."""

    items: list[Node]
    span: Span
    size: int = 1


@dataclass(slots=True)
class Mapping:
    """A mapping. Keys are scalars, and different from each other."""

    pairs: list[tuple[Scalar, Node]]
    span: Span
    size: int = 1
    keys: dict[str, Scalar] = field(default_factory=dict, repr=False)


Node = Scalar | Items | Mapping


class Refused(ValueError):
    """Text that is not YAML, or YAML that is not wanted here."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


def compose(name: str, text: str) -> tuple[Node | None, list[Diagnostic]]:
    """The one document of `text` (None: there is nothing in it), and keys that were given twice.

    Raises `Refused`. Bytes that are no UTF-8 and control characters are not YAML.
    """
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        events = yaml.parse(text.replace("\r\n", "\n").removeprefix("\ufeff"), Loader=loader)
        composer = _Composer(name, text, events)
        return composer.document(), composer.diagnostics
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Span(name, mark.line + 1, mark.column + 1, 1) if mark else Span(name, 1)
        raise Refused(_bad(_sentence(error), where)) from None
    except yaml.YAMLError as error:  # a character that no YAML text may hold
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise Refused(_bad("there is a character that YAML does not allow", Span(name, line))) from None
    except UnicodeError:
        raise Refused(_bad("the text is not UTF-8", Span(name, 1))) from None


def _sentence(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or error.context or "it cannot be read"
    if "cannot start any token" in problem and "\\t" in problem:
        return "this is not YAML: a tab cannot indent"
    return f"this is not YAML: {problem}"


def _bad(message: str, span: Span, note: str = "") -> Diagnostic:
    return Diagnostic(Code.YAML, Severity.ERROR, message, span, note=note, stops=True)


@dataclass
class _Composer:
    """Nodes made of events. Unlike PyYAML's own, it keeps count."""

    name: str
    text: str
    events: Iterator[Any]
    diagnostics: list[Diagnostic] = field(default_factory=list)
    anchors: dict[str, Node] = field(default_factory=dict)
    aliased: int = 0

    def document(self) -> Node | None:
        root: Node | None = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise Refused(_bad("a configuration is one YAML document; here begins another", self._span(event)))
                root = self._node(next(self.events), 0)
        return None if isinstance(root, Scalar) and root.null else root

    def _span(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        length = end.column - start.column if end.line == start.line else 0
        return Span(self.name, start.line + 1, start.column + 1, max(length, 0))

    def _node(self, event: Any, depth: int) -> Node:
        span = self._span(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, span)
        if event.tag is not None and event.tag not in ("tag:yaml.org,2002:str", "!"):
            raise Refused(_bad("a tag has no meaning here", span, "what a value is, its keyword says"))
        if depth > DEEPEST:
            raise Refused(_bad(f"more than {DEEPEST} levels stand in one another", span))
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, span)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._collected(Items([], span), yaml.SequenceEndEvent, lambda items, first: items.items.append(
                self._node(first, depth + 1)))
        else:
            node = self._collected(Mapping([], span), yaml.MappingEndEvent, lambda mapping, first: self._pair(
                mapping, first, depth + 1))
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def _collected(self, node: Any, end: type, take: Callable[[Any, Any], None]) -> Any:
        for event in self.events:
            if isinstance(event, end):
                break
            take(node, event)
        children = node.items if isinstance(node, Items) else [child for _, child in node.pairs]
        node.size = 1 + sum(child.size for child in children)
        return node

    def _pair(self, mapping: Mapping, event: Any, depth: int) -> None:
        key = self._node(event, depth)
        if not isinstance(key, Scalar):
            raise Refused(_bad("a key must be a word", key.span))
        value = self._node(next(self.events), depth)
        first = mapping.keys.setdefault(key.text, key)
        if first is not key:
            self.diagnostics.append(Diagnostic(
                Code.REPEATED, Severity.ERROR, f"the key {key.text} is given twice; the first one counts", key.span,
                also=(first.span, "first given here"), stops=True))
            return
        mapping.pairs.append((key, value))

    def _scalar(self, event: Any, span: Span) -> Scalar:
        plain = not event.style and event.implicit[0]
        written = event.end_mark.column - event.start_mark.column
        quotes = {"": 0, '"': 2, "'": 2}.get(event.style or "", -1)
        direct = span.length and quotes >= 0 and written == len(event.value) + quotes
        return Scalar(event.value, span, plain, quotes // 2 if direct else -1)

    def _alias(self, event: Any, span: Span) -> Node:
        node = self.anchors.get(event.anchor)
        if node is None:
            raise Refused(_bad(f"there is no anchor &{event.anchor} before this", span))
        self.aliased += node.size
        if self.aliased > MOST_ALIASED:
            raise Refused(_bad(f"the aliases stand for more than {MOST_ALIASED} values", span))
        return node
