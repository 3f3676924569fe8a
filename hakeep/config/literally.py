"""How keepalived takes lines whose braces or blocks are not right: word for word.

We leave an unknown block out whole, and guess which brace is missing, so that one mistake is one message and what
stands around it keeps its meaning. keepalived looks at one line at a time: it passes over an unknown keyword and over
the brace behind it, reads on inside as if nothing had been, and takes the next closing brace for the end of the block
that was open before. What it then lacks may be what nothing can start without, and what it refuses we refuse.

So a configuration with such a mistake is read a second time, as keepalived would. Of that reading nothing is used but
whether it stops.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from hakeep.config.diagnostic import Code, Diagnostic, Severity, Verdict
from hakeep.config.line import Line
from hakeep.config.schema import Block, Entries, Keyword
from hakeep.config.tree import Node, Tree

#: Mistakes after which keepalived may take lines for something else than we do.
_MISTAKES = frozenset({
    Code.UNKNOWN_KEYWORD, Code.MISPLACED_KEYWORD, Code.MISSING_BRACE, Code.UNEXPECTED_BRACE, Code.UNCLOSED_BLOCK,
    Code.EXTRA_BRACE, Code.UNDEFINED,
})
#: What is missing in a block stands behind its beginning, and so does what ended the block too early.
_LACKING = frozenset({Code.NO_VRID, Code.NO_INTERFACE, Code.NO_VIP})
#: Longer configurations are not read twice.
MOST = 100_000

_BRACE = re.compile(r'"[^"]*"|\\.|([{}])')


def misleading(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether keepalived may read the lines in another way than we do."""
    return any(d.code in _MISTAKES and d.severity is Severity.ERROR for d in diagnostics)


def literal_tree(lines: Iterable[Line], root: Block) -> Tree:
    """The blocks that keepalived makes of `lines`, without what it does not know."""
    nodes: list[Node] = []
    reading = _Reading(root, nodes)
    for line in _cut(lines):
        reading.take(line)
    return Tree(nodes)


def blamed(diagnostics: Sequence[Diagnostic], stop: Diagnostic) -> list[Diagnostic]:
    """The diagnostics, of which the one that is the cause of keepalived's `stop` stops us too and says why."""
    mistakes = [d for d in diagnostics if d.code in _MISTAKES and d.severity is Severity.ERROR and d.span]
    if not mistakes:
        return list(diagnostics)
    at = stop.span.line if stop.span else 0
    later = [d for d in mistakes if d.span and d.span.line >= at]
    before = [d for d in mistakes if d.span and d.span.line <= at]
    cause = (later or before)[0] if stop.code in _LACKING else (before or later)[-1]
    fatal = stop.verdict is Verdict.MISSING_PARAMETER
    blame = replace(
        cause, stops=True, verdict=stop.verdict if fatal else cause.verdict,
        note="\n".join(filter(None, [cause.note, f"keepalived reads on all the same, and then stops: {stop.message}"])))
    return [blame if d is cause else d for d in diagnostics]


@dataclass(slots=True)
class _Open:
    """A block that keepalived is in. `block` None: a list, whose lines are entries until the next closing brace."""

    block: Block | None
    nodes: list[Node]
    due: bool = False  # its {
    left_out: bool = False  # with the braces in it
    depth: int = 0  # of these


class _Reading:
    """Takes line by line."""

    def __init__(self, root: Block, nodes: list[Node]) -> None:
        self._stack = [_Open(root, nodes)]
        self._names: set[tuple[str, ...]] = set()

    def take(self, line: Line) -> None:
        inner, brace = self._stack[-1], line.brace
        if inner.left_out and self._passed(inner, brace):
            return
        inner = self._stack[-1]
        due, inner.due = inner.due, False
        if brace == "{" and (due or inner.block):
            return
        if brace == "}":
            if len(self._stack) > 1:
                self._stack.pop()
        elif inner.block is None:
            inner.nodes.append(Node(line))
        else:
            self._keyword(line, inner.block, inner.nodes)

    def _passed(self, inner: _Open, brace: str) -> bool:
        """Count the braces of a block that is left out; false when the line is none of it, as it had no {."""
        begins = inner.due and brace != "{"
        inner.due = False
        inner.depth += {"{": 1, "}": -1}.get(brace, 0)
        if begins or not inner.depth:
            self._stack.pop()
        return not begins

    def _keyword(self, line: Line, block: Block, nodes: list[Node]) -> None:
        words = line.words
        keyword = block.keywords.get(words[0]) if words else None
        if keyword is None:
            return
        node = Node(line)
        nodes.append(node)
        opens, content = _content(keyword)
        if opens:
            node.children, node.opened = [], line
            self._stack.append(_Open(content, node.children, due=True, left_out=self._leaves_out(keyword, words)))

    def _leaves_out(self, keyword: Keyword, words: list[str]) -> bool:
        """Whether the block has a name that it cannot have."""
        block = keyword.value
        if not isinstance(block, Block):
            return False
        if block.exact and len(words) != 2:
            return True
        name = (keyword.preferred or keyword.name, *words[1:])
        again = block.unique and name in self._names
        self._names.add(name)
        return again


def _content(keyword: Keyword) -> tuple[bool, Block | None]:
    """Whether a block follows the keyword, and of which keywords; None for a list."""
    value = keyword.value
    if isinstance(value, Block):
        return True, None if value.entries else value
    return isinstance(value, Entries), None


def _cut(lines: Iterable[Line]) -> Iterator[Line]:
    """The lines cut at all braces, also at those of a template or of a definition that there is not."""
    for line in lines:
        if line.brace or not ("{" in line.text or "}" in line.text):
            yield line
            continue
        start = 0
        for match in _BRACE.finditer(line.text):
            if match.group(1):
                yield from _pieces(line, start, match.start())
                yield line.part(match.start(), match.end())
                start = match.end()
        yield from _pieces(line, start, len(line.text))


def _pieces(line: Line, start: int, end: int) -> Iterator[Line]:
    if line.text[start:end].strip():
        yield line.part(start, end)
