"""From YAML to the tree that binding takes, by the shape that the schema gives to the YAML form.

    a keyword with a value      key: value          the text that stands after the keyword in the classic form
    a keyword alone             key: true
    a keyword that adds up      key: [value, ...]   or one value
    a list block                key: [entry, ...]   an entry is what a line of the list would be
    a block                     key: {...}
    blocks with names           key: {NAME: {...}}  or a list of {name: NAME, ...}, where names come twice
    blocks without, repeated    key: [{...}, ...]   or one mapping

Values are read by the keyword's own type from their text, whatever YAML would take them for: ``interface: no`` is an
interface called no, ``umask: 0177`` is octal, ``smtp_alert: no`` is false. So one binder reads both forms, with the
same diagnostics; each word knows where in the YAML it stands. The order of blocks has no meaning: what others refer to
is read first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from hakeep.config.diagnostic import Code, Diagnostic, Severity
from hakeep.config.forms.nodes import Items, Mapping, Node, Scalar, compose
from hakeep.config.lexer import Unterminated, Word, general_words, shell_words
from hakeep.config.line import Line
from hakeep.config.schema import Block, Entries, Keyword, Repeat
from hakeep.config.settled import Script
from hakeep.config.span import Span
from hakeep.config.text import Place
from hakeep.config.tree import Node as Branch
from hakeep.config.tree import Tree
from hakeep.config.values import scripts, words
from hakeep.config.values.numbers import FALSE_WORDS, TRUE_WORDS, Flag, OptBool
from hakeep.config.values.value import Value

#: Blocks that others refer to, which must be known before those.
_FIRST = ("global_defs", "vrrp_script", "vrrp_track_process", "track_file", "vrrp_track_file", "bfd_instance")
#: The key of a block's name where blocks are a list.
NAME = "name"
#: The key of the lines of a named list block where such blocks are a list.
ENTRIES = "entries"

#: What cannot stand in a line of the classic form.
_ENDS = re.compile(r"[\x00\n]")
Piece = tuple[str, Span]


class YamlLine(Line):
    """What a line of the classic form would say, and where its words stand in the YAML."""

    __slots__ = ("_spans", "_words")

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._words = [word for word, _ in pieces]
        self._spans = [span for _, span in pieces]
        super().__init__(" ".join(self._words), Place(self._spans[0].file, self._spans[0].line), 0)

    @property
    def brace(self) -> str:
        return ""

    @property
    def words(self) -> list[str]:
        return self._words

    @property
    def open_quote(self) -> int:
        return -1

    def span(self, word: int | None = None, *, shell: bool = False) -> Span:
        if word is not None and word < len(self._spans):
            return self._spans[word]
        first, last = self._spans[0], self._spans[-1]
        if first.line != last.line or last.length == 0:
            return first
        return first._replace(length=max(first.length, last.column + last.length - first.column))

    def span_from(self, position: int, end: int | None = None) -> Span:
        return self.span()

    def shell_words(self) -> list[Word]:
        return [Word(word, 0, 0) for word in self._words]

    def shell_problem(self) -> int:
        return -1


def tree(name: str, text: str, root: Block) -> Tree:
    """The tree of a YAML configuration, with what is wrong in its diagnostics.

    Raises `hakeep.config.forms.nodes.Refused` if the text is not YAML that can be read.
    """
    node, diagnostics = compose(name, text)
    shaper = _Shaper()
    branches = []
    if node is not None:
        with suppress(_Unusable):
            branches = shaper.content(node, root)
    rank = {keyword: number for number, keyword in enumerate(_FIRST)}
    branches.sort(key=lambda branch: rank.get(branch.line.words[0], len(rank)))
    for order, branch in enumerate(_all(branches)):
        branch.line.order = order
    return Tree(branches, diagnostics=[*diagnostics, *shaper.diagnostics])


def _all(branches: Sequence[Branch]) -> Iterator[Branch]:
    for branch in branches:
        yield branch
        yield from _all(branch.children or ())


class _Unusable(Exception):
    """A value that cannot be put into words; the reason is among the diagnostics."""


class _Shaper:
    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []

    # -------------------------------------------------------------------------------------------------- blocks

    def content(self, node: Node, block: Block) -> list[Branch]:
        """The branches of what stands in a block. Raises `_Unusable`."""
        if isinstance(node, Scalar) and node.null:
            return []
        if not isinstance(node, Mapping):
            raise self._unusable("here keywords are wanted, each with its value (KEYWORD: VALUE)", node.span)
        branches: list[Branch] = []
        for key, value in node.pairs:
            keyword = block.keywords.get(key.text)
            if keyword is None:
                branches.append(Branch(_line(key)) if isinstance(value, Scalar) else _opened(_line(key), []))
            elif isinstance(keyword.value, Block):
                with suppress(_Unusable):
                    for found in self._blocks(key, value, keyword.value, several=keyword.repeat is Repeat.ADD):
                        branches.append(found)
            elif isinstance(keyword.value, Entries):
                branches.append(_opened(_line(key), self._entries(key, value, keyword.value.entry)))
            else:
                branches += self._values(key, value, keyword, keyword.value)
        return branches

    def _blocks(self, key: Scalar, node: Node, block: Block, *, several: bool) -> Iterator[Branch]:
        if isinstance(node, Scalar) and node.null:
            if not block.name:
                yield _opened(_line(key), [])
        elif isinstance(node, Items) and (several or block.name):
            for item in node.items:
                with suppress(_Unusable):
                    yield self._listed(key, item, block)
        elif not isinstance(node, Mapping):
            wanted = "a mapping of names to blocks" if block.name else "a mapping of keywords to values"
            self._shape(f"{key.text} takes {wanted}", node.span)
        elif block.name:
            for name, body in node.pairs:
                with suppress(_Unusable):
                    yield self._named(key, name, body, block)
        else:
            yield _opened(_line(key), self.content(node, block))

    def _listed(self, key: Scalar, item: Node, block: Block) -> Branch:
        """A block of a list."""
        if not isinstance(item, Mapping):
            raise self._unusable(f"each {key.text} of the list is a mapping", item.span)
        if not block.name:
            return _opened(_line(key), self.content(item, block))
        name = next((value for known, value in item.pairs if known.text == NAME), None)
        if not isinstance(name, Scalar):
            raise self._unusable(f"each {key.text} of the list needs a name ({NAME}: {block.name})", item.span)
        rest = [pair for pair in item.pairs if pair[0].text != NAME]
        if block.entries:
            listed = next((value for known, value in rest if known.text == ENTRIES), Items([], item.span))
            return self._named(key, name, listed, block)
        return self._named(key, name, Mapping(rest, item.span), block)

    def _named(self, key: Scalar, name: Scalar, body: Node, block: Block) -> Branch:
        pieces = [(name.text, name.span)]
        if block.head:
            pieces = [(word.text, name.part(word.start, word.end)) for word in general_words(name.text)[0]]
        line = YamlLine([(key.text, name.span), *pieces])
        if block.entries:
            return _opened(line, self._entries(name, body, block.entries))
        return _opened(line, self.content(body, block))

    # -------------------------------------------------------------------------------------------------- values

    def _entries(self, key: Scalar, node: Node, entry: Value[Any]) -> list[Branch]:
        if isinstance(node, Scalar):
            items: list[Node] = [] if node.null else [node]
        elif isinstance(node, Items):
            items = node.items
        else:
            self._shape(f"{key.text} takes a list", node.span)
            return []
        branches = []
        for item in items:
            try:
                pieces = self._words(key, item, entry)
            except _Unusable:
                continue
            if pieces:
                branches.append(Branch(YamlLine(pieces)))
        return branches

    def _values(self, key: Scalar, node: Node, keyword: Keyword, value: Value[Any]) -> Iterator[Branch]:
        listed = isinstance(node, Items) and keyword.repeat is Repeat.ADD
        for item in node.items if listed and isinstance(node, Items) else [node]:
            try:
                yield Branch(YamlLine([(key.text, key.span), *self._words(key, item, value)]))
            except _Unusable:
                continue

    def _words(self, key: Scalar, node: Node, value: Value[Any]) -> list[Piece]:
        """The words that stand after the keyword. Raises `_Unusable`."""
        if isinstance(value, scripts.Command) and not isinstance(node, Scalar):
            return self._command(key, node, value)
        if isinstance(node, Items) and isinstance(value, words.Words | words.Cpus):
            return [self._word(item, value) for item in node.items]
        if not isinstance(node, Scalar):
            raise self._unusable(f"{key.text} takes one value: {value.synopsis or 'true'}", node.span)
        if node.null:
            return []
        if isinstance(value, Flag):
            return self._flag(key, node)
        if isinstance(value, OptBool):
            return [(node.text if node.truth is None else str(node.truth).lower(), node.span)]
        if value.needs == 0 and node.truth is not None:
            if node.truth:
                return []
            raise self._unusable(f"{key.text} cannot be false; leave it out", node.span,
                                 "quote it if the word is meant")
        if isinstance(value, words.Word | words.Choice | scripts.Expression):
            return [self._word(node, value)]
        return self._split(node, value)

    def _flag(self, key: Scalar, node: Scalar) -> list[Piece]:
        if node.truth is False or node.text in FALSE_WORDS:
            raise self._unusable(f"{key.text} can only be true; leave it out otherwise", node.span)
        if node.truth is None and node.text not in TRUE_WORDS:
            raise self._unusable(f"{key.text} takes no value; write true", node.span)
        return []

    def _word(self, node: Node, value: Value[Any]) -> Piece:
        if not isinstance(node, Scalar):
            raise self._unusable("here one word is wanted", node.span)
        if not value.shell and (_ENDS.search(node.text) or '"' in node.text):
            raise self._unusable("a word can hold no double quote, line feed or NUL", node.span)
        return node.text, node.span

    def _split(self, node: Scalar, value: Value[Any]) -> list[Piece]:
        """Text of several words, as the classic form writes them."""
        try:
            found, open_quote = (shell_words(node.text), -1) if value.shell else general_words(node.text)
        except Unterminated as problem:
            found, open_quote = [], problem.start
        if open_quote >= 0:
            raise self._unusable("a quote is not terminated", node.span, code=Code.QUOTE)
        if not value.shell and _ENDS.search(node.text):
            raise self._unusable("a value is one line of text", node.span)
        return [(word.text, node.part(word.start, word.end)) for word in found]

    def _command(self, key: Scalar, node: Node, value: scripts.Command) -> list[Piece]:
        """A command as the list of its words, or as a mapping with command, user and group."""
        account: dict[str, str] = {}
        argv: list[Scalar] = []
        parts = [(Scalar("command", node.span), node)] if isinstance(node, Items) else (
            node.pairs if isinstance(node, Mapping) else [])
        for part, given in parts:
            if part.text == "command":
                argv = [self._argument(item) for item in (given.items if isinstance(given, Items) else [given])]
                if isinstance(given, Scalar):
                    argv = [Scalar(word.text, given.span) for word in shell_words(given.text)]
            elif part.text in ("user", "group"):
                account[part.text] = self._argument(given).text
            else:
                raise self._unusable(f"{part.text} is not part of a command (command, user, group are)", part.span)
        if not argv or not argv[0].text:
            raise self._unusable(f"{key.text} needs a command, a list of words", node.span)
        script = Script(tuple(word.text for word in argv), account.get("user"), account.get("group"))
        return [(word.text, argv[0].span if number == 0 else node.span)
                for number, word in enumerate(shell_words(value.render(script)))]

    def _argument(self, node: Node) -> Scalar:
        if not isinstance(node, Scalar):
            raise self._unusable("a command is a list of words", node.span)
        return node

    # --------------------------------------------------------------------------------------------- diagnostics

    def _shape(self, message: str, span: Span, note: str = "", code: Code = Code.SHAPE) -> None:
        self.diagnostics.append(Diagnostic(code, Severity.ERROR, message, span, note=note))

    def _unusable(self, message: str, span: Span, note: str = "", code: Code = Code.SHAPE) -> _Unusable:
        self._shape(message, span, note, code)
        return _Unusable()


def _line(key: Scalar) -> YamlLine:
    return YamlLine([(key.text, key.span)])


def _opened(line: YamlLine, children: list[Branch]) -> Branch:
    return Branch(line, children, opened=line)
