"""Lines put together to blocks, before anybody asks what the words mean.

A `{` opens a block for the line before it, a `}` closes it. That alone needs no knowledge of the language, so an
unknown block is one node that can be left out whole.

Only when braces do not balance we guess what was meant, by what people see: by indentation, by keywords that an
open block does not know but one around it does, by keywords that can begin a block at the outermost level only, by
keywords that need a block and have none. A guess is believed only if it
makes the braces balance; then each brace that is missing or too many is one message, and nothing follows from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from hakeep.config.diagnostic import Code, Diagnostic, Severity, Verdict
from hakeep.config.line import Line
from hakeep.config.span import Span


@dataclass(slots=True)
class Node:
    """A line and, if braces followed it, the nodes between them (None: no braces).

    Children without `opened` belong to a block whose `{` is missing. `extra` are closing braces among the children that
    close nothing, each with the number of children before it.
    """

    line: Line
    children: list[Node] | None = None
    opened: Line | None = None
    closed: Line | None = None
    extra: tuple[tuple[int, Line], ...] = ()


@dataclass(slots=True)
class Tree:
    """The outermost nodes (which may be made only while they are walked through, once), and closing braces that close
    nothing, each with the number of nodes before it."""

    nodes: Iterable[Node] = field(default_factory=list)
    extra: list[tuple[int, Line]] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)


#: No block that means anything stands deeper, so nothing is guessed there: with thousands open it would take long.
DEEPEST = 16

#: Says of a line's words whether they begin a block.
Judge = Callable[[list[str]], bool]


#: Of a line's words and the keywords of the open blocks, outermost first: how many of these the line stands in.
Place = Callable[[list[str], list[str]], int]


def build(
    lines: list[Line], is_root_block: Judge, needs_block: Judge = lambda words: False,
    place: Place = lambda words, path: len(path),
) -> Tree:
    """The tree of `lines`. The judges are asked only if braces do not balance: `is_root_block` of words that begin a
    block at the outermost level and none of an inner one, `needs_block` of a keyword that cannot be without, `place`
    of words that may not belong to the innermost block."""
    if _balanced(lines):
        return Tree(_nodes(lines))
    builder = _Builder()
    builder.take(lines)
    if builder.balanced:
        return builder.tree
    for guess in (_ByKeyword(needs_block), _ByIndent(place), _ByPlace(place), _ByRoot(is_root_block)):
        guess.take(lines)
        if guess.balanced and guess.mistakes <= builder.mistakes:
            return guess.tree
    builder.give_up()
    return builder.tree


def _balanced(lines: Iterable[Line]) -> bool:
    """Whether each { belongs to a keyword and to a }, as in most configurations."""
    depth, head = 0, False
    for line in lines:
        text = line.text
        if text == "{":
            if not head:
                return False
            depth += 1
            head = False
        elif text == "}":
            depth -= 1
            if depth < 0:
                return False
            head = False
        else:
            head = True
    return depth == 0


def _nodes(lines: Iterable[Line]) -> Iterator[Node]:
    """The outermost nodes of lines whose braces are balanced. Each is made when it is asked for: with ten thousands of
    servers the nodes take as much memory as what they come to, so none is kept longer than it is needed."""
    outermost: Node | None = None
    last: Node | None = None
    around: list[Node] = []
    for line in lines:
        brace = line.brace
        if brace == "{":
            assert last
            last.opened, last.children = line, []
            around.append(last)
        elif brace:
            last = around.pop()
            last.closed = line
        else:
            last = Node(line)
            if around:
                children = around[-1].children
                assert children is not None
                children.append(last)
            else:
                if outermost:
                    yield outermost
                outermost = last
    if outermost:
        yield outermost


class _Builder:
    """Takes the braces as they are, and tells what is wrong with them."""

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self.tree = Tree(self._nodes)
        self._stack: list[Node | None] = []  # None: an anonymous block, whose content counts as its surroundings'
        self._outer: list[list[Node]] = []
        self._current = self._nodes
        self._last: Node | None = None  # the node that a `{` would belong to
        self._extra = 0
        self._repaired = 0

    @property
    def balanced(self) -> bool:
        return not self._stack and not self.tree.extra

    @property
    def mistakes(self) -> int:
        """How many braces are missing or too many."""
        return len(self._stack) + self._extra + self._repaired

    def take(self, lines: list[Line]) -> None:
        for line in lines:
            brace = line.brace
            if not brace:
                self.words(line)
            elif brace == "{":
                self.open(line)
            else:
                self.close(line)

    def words(self, line: Line) -> None:
        self._last = Node(line)
        self._current.append(self._last)

    def open(self, brace: Line) -> None:
        last = self._last
        if last:
            last.opened = brace
            self._enter(last)
        else:
            if None not in self._stack[-1:]:  # one stray brace is a mistake, those within it are the same one
                self._error(Code.UNEXPECTED_BRACE, "'{' without a keyword before it", brace)
            self._outer.append(self._current)
            self._stack.append(None)

    def close(self, brace: Line) -> None:
        if self._stack:
            self._leave(brace)
        else:
            self._extra += 1
            if not self.tree.extra or self._last:  # as above: }}} is one mistake
                self.tree.extra.append((len(self._nodes), brace))
        self._last = None

    def _enter(self, node: Node) -> None:
        node.children = []
        self._outer.append(self._current)
        self._stack.append(node)
        self._current = node.children
        self._last = None

    def _leave(self, brace: Line | None) -> None:
        node = self._stack.pop()
        if node:
            node.closed = brace
        self._current = self._outer.pop()
        self._last = None

    def _leave_open(self, before: Line) -> None:
        """The innermost block has no }, but ends here."""
        self._repaired += 1
        node = self._stack[-1]
        self._leave(None)
        if node and node.opened:
            word = _first_word(node)
            self._error(Code.UNCLOSED_BLOCK, f"'{{' of {word} is never closed", node.opened,
                        also=(before.span(), "it should be closed before this"))

    def give_up(self) -> None:
        """Report what is still open."""
        nodes = [node for node in self._stack if node and node.opened]
        if nodes and (first := nodes[0]).opened:
            self._error(Code.UNCLOSED_BLOCK, f"'{{' of {_first_word(first)} is never closed", first.opened,
                        note=f"{len(nodes)} closing braces are missing" if len(nodes) > 1 else "")

    def _error(
        self, code: Code, message: str, at: Line, *, note: str = "", also: tuple[Span, str] | None = None
    ) -> None:
        self.tree.diagnostics.append(Diagnostic(
            code, Severity.ERROR, message, at.span(), also=also, note=note, verdict=Verdict.BRACES))


class _ByPlace(_Builder):
    """A block ends before a line that cannot stand in it, but can in one around it."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    def words(self, line: Line) -> None:
        if 0 < len(self._stack) <= DEEPEST and None not in self._stack:
            depth = self._place(line.words, [_first_word(node) for node in self._stack if node])
            while len(self._stack) > depth:
                self._leave_open(line)
        super().words(line)


class _ByIndent(_ByPlace):
    """A line that is indented no deeper than an open block's head stands after that block, and a } that is indented
    deeper than the head of the block that it would close is too many. What is not indented is judged by its place."""

    def words(self, line: Line) -> None:
        column = line.span().column
        while self._stack and (top := self._stack[-1]) and column <= top.line.span().column and _own(line, top.line):
            if not _indented(top):
                super().words(line)
                return
            self._leave_open(line)
        _Builder.words(self, line)

    def close(self, brace: Line) -> None:
        column = brace.span().column
        while self._stack and (top := self._stack[-1]) and column < top.line.span().column and _own(brace, top.line):
            self._leave_open(brace)
        top = self._stack[-1] if self._stack else None
        if top and column > top.line.span().column and _own(brace, top.line):
            top.extra += (len(self._current), brace),
            self._repaired += 1
            self._last = None
        else:
            super().close(brace)


class _ByRoot(_Builder):
    """Before words that can only stand at the outermost level, all blocks are closed."""

    def __init__(self, is_root_block: Judge) -> None:
        super().__init__()
        self._is_root_block = is_root_block

    def words(self, line: Line) -> None:
        if self._stack and self._is_root_block(line.words):
            while len(self._stack) > 1:
                self._repaired += 1
                self._leave(None)
            self._leave_open(line)
        super().words(line)


class _ByKeyword(_Builder):
    """A keyword that needs a block and has no { begins one all the same."""

    def __init__(self, needs_block: Judge) -> None:
        super().__init__()
        self._needs_block = needs_block

    def words(self, line: Line) -> None:
        self._imply()
        super().words(line)

    def close(self, brace: Line) -> None:
        self._imply()
        super().close(brace)

    def _imply(self) -> None:
        if self._last and self._needs_block(self._last.line.words):
            self._repaired += 1
            self._enter(self._last)


def _indented(node: Node) -> bool:
    """Whether what a block begins with stands deeper than its head: if not, indentation says nothing in it."""
    first = node.children[0].line if node.children else None
    return first is not None and (first.span().column > node.line.span().column or not _own(first, node.line))


def _first_word(node: Node) -> str:
    words = node.line.words
    return words[0] if words else ""


def _own(line: Line, other: Line) -> bool:
    """Whether the two stand in lines of their own of one file, so that their columns say something."""
    ours, theirs = line.span(), other.span()
    return ours.file == theirs.file and ours.line != theirs.line and not (ours.via or theirs.via)
