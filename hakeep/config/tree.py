"""Lines put together to blocks, before anybody asks what the words mean.

A `{` opens a block for the line before it, a `}` closes it. That alone needs no knowledge of the language, so an
unknown block is one node that can be left out whole. Only when braces do not balance the words are asked: a keyword
that can stand at the outermost level only shows where a forgotten `}` belongs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hakeep.config.diagnostic import Code, Diagnostic, Severity, Verdict
from hakeep.config.reader import Line


@dataclass(slots=True)
class Node:
    """A line and, if braces followed it, the nodes between them (None: no braces)."""

    line: Line
    children: list[Node] | None = None
    opened: Line | None = None
    closed: Line | None = None


@dataclass(slots=True)
class Tree:
    """The outermost nodes, and closing braces that close nothing, each with the number of nodes before it."""

    nodes: list[Node] = field(default_factory=list)
    extra: list[tuple[int, Line]] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)


def build(lines: Iterable[Line], is_root_block: Callable[[list[str]], bool]) -> Tree:
    """The tree of `lines`. `is_root_block` says of words whether they begin a block of the outermost level and none
    of an inner one; it is asked only if blocks are left open at the end."""
    lines = list(lines)
    for number, line in enumerate(lines):
        line.order = number
    tree, unclosed = _build(lines, None)
    if unclosed:
        repaired, still_open = _build(lines, is_root_block)
        if not still_open and not repaired.extra:
            return repaired
        for node in unclosed:
            assert node.opened is not None
            tree.diagnostics.append(_unclosed(node, node.opened))
    return tree


def _build(lines: list[Line], is_root_block: Callable[[list[str]], bool] | None) -> tuple[Tree, list[Node]]:
    """The tree, and blocks still open at the end, outermost first. With `is_root_block`, missing braces are put in
    before such words."""
    tree = Tree()
    stack: list[Node | None] = []  # None: an anonymous block, whose content counts as that of the block around it
    current = tree.nodes
    outer: list[list[Node]] = []
    last: Node | None = None  # the node a `{` would belong to
    for line in lines:
        if not line.brace:
            if stack and is_root_block and is_root_block(line.words):
                for node in reversed(stack):
                    if node:
                        tree.diagnostics.append(_unclosed(node, line))
                stack.clear()
                outer.clear()
                current = tree.nodes
            last = Node(line)
            current.append(last)
        elif line.brace == "{":
            outer.append(current)
            stack.append(last)
            if last:
                last.children, last.opened = [], line
                current = last.children
            else:
                tree.diagnostics.append(Diagnostic(
                    Code.UNEXPECTED_BRACE, Severity.ERROR, "'{' without a keyword before it", line.span(),
                    verdict=Verdict.BRACES))
            last = None
        elif stack:
            node = stack.pop()
            if node:
                node.closed = line
            current = outer.pop()
            last = None
        else:
            tree.extra.append((len(tree.nodes), line))
            last = None
    return tree, [node for node in stack if node]


def _unclosed(node: Node, before: Line) -> Diagnostic:
    assert node.opened is not None
    also = None if before is node.opened else (before.span(0), "it should be closed before this")
    return Diagnostic(
        Code.UNCLOSED_BLOCK, Severity.ERROR, f"'{{' of {node.line.words[0] if node.line.words else ''} is never closed",
        node.opened.span(), also=also, verdict=Verdict.BRACES,
    )
