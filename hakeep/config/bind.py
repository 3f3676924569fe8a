"""Binding: the tree against the schema. Words become values, blocks become sections, mistakes become diagnostics.

One mistake gives one diagnostic: a block that is unknown is left out whole, and after a block that was closed too
early, or has no brace, the keywords that belong to it are reported once. Words that merely stand in a wrong block are
as many mistakes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hakeep.config import mistakes
from hakeep.config.advice import Advice
from hakeep.config.astray import LIST, content, home
from hakeep.config.diagnostic import Code, Diagnostic, Severity, Verdict
from hakeep.config.hints import second, surplus
from hakeep.config.lexer import general_words, template_mark
from hakeep.config.line import Line
from hakeep.config.meanings import Content, Meanings, Places, texts_of
from hakeep.config.schema import Block, Entries, Keyword, Missing, Repeat, Section
from hakeep.config.span import Span
from hakeep.config.tree import Node, Tree
from hakeep.config.values.value import NOTHING, Complaint, Invalid, Value


@dataclass(slots=True)
class _Open:
    """A section under construction."""

    block: Block
    path: str
    head: Any = None
    values: dict[str, Any] = field(default_factory=dict)
    lists: dict[str, list[Any]] = field(default_factory=dict)
    places: dict[str, list[Line]] = field(default_factory=dict)
    merged: dict[str, tuple[_Open, Keyword, Line]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)


class Bound(NamedTuple):
    """The root section and what was wrong."""

    root: Section
    diagnostics: list[Diagnostic]


def bind(tree: Tree, root: Block) -> Bound:
    """Bind a whole tree. Never raises, whatever the tree holds."""
    binder = _Binder(root)
    opened = _Open(root, "")
    binder.children(tree.nodes, opened, tree.extra)
    return Bound(binder.close(opened, "", "", None), binder.diagnostics)


class _Binder:
    def __init__(self, root: Block) -> None:
        self.root = root
        self.diagnostics: list[Diagnostic] = []
        self._names: dict[tuple[str, str], Line] = {}
        self._known: dict[Block, Meanings] = {}
        self._advice: Advice | None = None

    # -------------------------------------------------------------------------------------------------- blocks

    def children(self, nodes: Iterable[Node], opened: _Open, extra: Sequence[tuple[int, Line]] = ()) -> None:
        """Bind the nodes of one block. `extra` are closing braces too many, by the number of nodes before each."""
        astray: Block | None = None
        braces = list(extra)
        keywords, known = opened.block.keywords, self._meanings(opened.block).lines
        node: Node | None = None
        for number, following in enumerate(nodes):
            previous, node = node, following
            while braces and braces[0][0] <= number:
                astray = self._extra_brace(braces.pop(0)[1], astray)
            meaning = known.get(node.line.text) if node.children is None and node.line.plain else None
            if meaning:
                astray = None
                self._keep(meaning.keyword, meaning.value, node.line, opened)
                continue
            words = node.line.words
            found = keywords.get(words[0]) if words else None
            if "{" in node.line.text and (mark := template_mark(node.line.text)):
                self._template(mark, found, node.line, opened)
            elif found:
                astray = content(found) if node.children is None else None
                self._node(found, node, words, opened)
            elif not (astray and words and words[0] in astray.keywords):
                astray = self._unknown(node, opened, previous)
        for _, brace in braces:
            astray = self._extra_brace(brace, astray)

    def _meanings(self, block: Block) -> Meanings:
        meanings = self._known.get(block)
        if meanings is None:
            meanings = self._known[block] = Meanings()
        return meanings

    def _node(self, keyword: Keyword, node: Node, words: list[str], opened: _Open) -> None:
        said = len(self.diagnostics)
        if keyword.preferred or keyword.obsolete:
            self.diagnostics.append(mistakes.deprecated(keyword, node.line))
        value = keyword.value
        if isinstance(value, Block):
            self._block(keyword, value, node, words[1:], opened)
        elif isinstance(value, Entries):
            self._entries(keyword, value, node, opened)
        else:
            if node.children is not None and len(words) > value.needs:
                self._error(Code.UNEXPECTED_BRACE, f"{keyword.name} takes no block", node.opened,
                            note=mistakes.synopsis(keyword), verdict=Verdict.BRACES)
            parsed = self._value(keyword, value, node.line, words, opened)
            if parsed is not NOTHING:
                if len(self.diagnostics) == said:
                    self._meanings(opened.block).learn(node.line, keyword, parsed)
                self._keep(keyword, parsed, node.line, opened)

    def _block(self, keyword: Keyword, block: Block, node: Node, names: list[str], opened: _Open) -> None:
        line = node.line
        if block.exact and len(names) != 1:
            much = "exactly one name" if names else "a name"
            wide = any(name[-1] in _WIDE_BRACES for name in names)
            quoted = f"quote it: \"{' '.join(names)}\"" if len(names) > 1 else ""
            self._error(Code.BLOCK_NAME, f"{keyword.name} needs {much}", line, note="the block is left out",
                        fix="write { for the brace of another alphabet" if wide else quoted)
            return
        if block.name and not names:
            self.diagnostics.append(mistakes.missing(keyword, line))
            opened.places.setdefault(keyword.field, [])
            return
        if names and not block.name and node.opened:
            self.diagnostics.append(mistakes.extra_words(keyword, line, names))
        name = " ".join(names if block.head else names[:1])
        if block.longest and len(name.encode("utf-8", "surrogateescape")) > block.longest:
            self._error(Code.TOO_LONG, f"the name of a {keyword.name} has at most {block.longest} characters",
                        line.span(1), note="the block is left out")
            return
        if block.unique and not self._first_of(keyword, block, name, line):
            return
        if node.opened is None:
            self.diagnostics.append(mistakes.no_brace(keyword, node))
        if keyword.repeat is Repeat.LAST:  # given again, such a block goes on with what it held
            inside = _Open(block, f"{opened.path}/{keyword.name}")
            inner, _, _ = opened.merged.setdefault(keyword.field, (inside, keyword, line))
            self.children(node.children or (), inner, node.extra)
            return
        head = self._parse(block.head, names, line, 1, keyword) if block.head else None
        if head is NOTHING:
            return
        section = self._section(keyword, block, name, head, node, opened.path)
        if keyword.repeat is Repeat.ADD:
            opened.lists.setdefault(keyword.field, []).append(section)
            opened.places.setdefault(keyword.field, []).append(line)
        else:
            self._keep(keyword, section, line, opened)

    def _section(self, keyword: Keyword, block: Block, name: str, head: Any, node: Node, outer: str) -> Section:
        """The section of a block and what stands between its braces."""
        called, meanings, texts = keyword.preferred or keyword.name, self._meanings(block), texts_of(node)
        known = meanings.contents.get(texts) if texts is not None else None
        if known:
            places = Places(known, node.children or ())
            return block.build(called, name, node.line, node.closed, known.values, places, head)
        opened, said = _Open(block, f"{outer}/{keyword.name}", head), len(self.diagnostics)
        if block.entries:
            self._lines(block.entries, node, keyword, opened, "entries")
        else:
            self.children(node.children or (), opened, node.extra)
        section = self.close(opened, called, name, node.line, node.closed)
        if texts is not None and len(self.diagnostics) == said:
            meanings.learn_content(texts, Content.of(opened.values, section.places, node.children or ()))
        return section

    def close(self, opened: _Open, keyword: str, name: str, at: Line | None, end: Line | None = None) -> Section:
        """Make the section of what was collected."""
        for key, (inner, inner_keyword, first) in opened.merged.items():
            opened.values[key] = self.close(inner, inner_keyword.name, "", first)
            opened.places[key] = [first]
        for key, items in opened.lists.items():
            opened.values[key] = tuple(items)
        places = {key: tuple(lines) for key, lines in opened.places.items()}
        refused = frozenset(opened.refused) if opened.refused else Section.refused
        return opened.block.build(keyword, name, at, end, opened.values, places, opened.head, refused)

    def _first_of(self, keyword: Keyword, block: Block, name: str, line: Line) -> bool:
        key = (keyword.preferred or keyword.name, name)
        first = self._names.setdefault(key, line)
        if first is line:
            return True
        self.diagnostics.append(Diagnostic(
            Code.DUPLICATE, Severity.WARNING if block.silent else Severity.ERROR,
            f"{key[0]} {name} is defined twice", line.span(1), also=(first.span(1), "first defined here"),
            note="the second one is left out", verdict=Verdict.OK if block.silent else Verdict.GENERAL))
        return False

    # --------------------------------------------------------------------------------------------------- lists

    def _entries(self, keyword: Keyword, entries: Entries, node: Node, opened: _Open) -> None:
        names = node.line.words[1:]
        if names and node.opened:
            self.diagnostics.append(mistakes.extra_words(keyword, node.line, names))
        if node.opened is None:
            self.diagnostics.append(mistakes.no_brace(keyword, node))
            opened.refused.add(keyword.field)
        if keyword.repeat is Repeat.FIRST and keyword.field in opened.values:
            self._error(Code.REPEATED, f"{keyword.name} is given twice; the first one counts", node.line)
            return
        self._lines(entries.entry, node, keyword, opened, keyword.field, words=entries.words)
        if keyword.repeat is Repeat.FIRST:
            opened.values[keyword.field] = ()

    def _lines(
        self, entry: Value[Any], block: Node, keyword: Keyword, opened: _Open, name: str,
        *, words: bool = False,
    ) -> None:
        """Entries of the list `name`, one a line, or with `words` one a word."""
        kept, places = opened.lists.setdefault(name, []), opened.places.setdefault(name, [])
        for _, brace in block.extra:
            self._extra_brace(brace, None)
        for node in block.children or ():
            line = node.line
            if node.children is not None:
                self._error(Code.UNEXPECTED_BRACE, f"an entry of {keyword.name} takes no block", node.opened,
                            verdict=Verdict.BRACES)
            if "{" in line.text and (mark := template_mark(line.text)):
                self._template(mark, None, line, None)
                opened.refused.add(name)
                continue
            if line.open_quote >= 0:
                self.diagnostics.append(mistakes.open_quote(line))
            pieces = [[word] for word in line.words] if words else [line.words] if line.words else []
            for shift, piece in enumerate(pieces):
                value = NOTHING
                if len(piece) >= entry.needs:
                    value = self._parse(entry, piece, line, shift, keyword)
                else:
                    self._error(Code.BAD_ENTRY, f"{keyword.name}: this entry needs more words", line,
                                note=entry.synopsis)
                if value is NOTHING:
                    opened.refused.add(name)
                else:
                    kept.append(value)
                    places.append(line)

    # -------------------------------------------------------------------------------------------------- values

    def _value(self, keyword: Keyword, value: Value[Any], line: Line, words: list[str], opened: _Open) -> Any:
        """The value of a line, NOTHING if it has none."""
        if value.shell:
            read = self._shell_words(line)
            if read is None:
                opened.places.setdefault(keyword.field, [line])  # it was written, though in vain
                return NOTHING
            words = read
        lacks = len(words) - 1 < value.needs
        if line.open_quote >= 0 and not value.shell:
            self.diagnostics.append(mistakes.open_quote(line, fatal=lacks and keyword.missing is Missing.FATAL))
        elif lacks:
            self.diagnostics.append(mistakes.missing(keyword, line))
        parsed = NOTHING if lacks else self._parse(value, words[1:], line, 1, keyword)
        if parsed is NOTHING:
            if keyword.repeat is not Repeat.ADD:
                opened.places.setdefault(keyword.field, [line])  # it was written, though in vain
        elif len(words) - 1 > value.needs and not value.shell:
            self.diagnostics += surplus(keyword, value, words[1:], line, opened.block)
        return parsed

    def _parse(self, value: Value[Any], words: Sequence[str], line: Line, shift: int, keyword: Keyword) -> Any:
        def complain(complaint: Complaint) -> None:
            self._complain(complaint, line, shift, keyword, value)

        try:
            return value.parse(words, complain)
        except Invalid as invalid:
            stops = (keyword.vital and invalid.instead is NOTHING) or (
                invalid.complaint.verdict is Verdict.MISSING_PARAMETER)
            self._complain(invalid.complaint, line, shift, keyword, value, stops=stops)
            return invalid.instead

    def _keep(self, keyword: Keyword, value: Any, line: Line, opened: _Open) -> None:
        name = keyword.field
        if keyword.repeat is Repeat.ADD:
            opened.lists.setdefault(name, []).append(value)
        elif name in opened.values and keyword.repeat is not Repeat.LAST:
            if keyword.repeat is Repeat.FOREMOST and _no_later(keyword, value, opened.values[name]):
                opened.values[name] = value
                opened.places[name].append(line)
                return
            first = opened.places[name][-1]
            stays = keyword.repeat is not Repeat.REPLACE
            self.diagnostics.append(Diagnostic(
                Code.REPEATED, Severity.ERROR,
                f"{keyword.name} is given twice; the {'first' if stays else 'last'} one counts", line.span(),
                also=(first.span(), "first given here")))
            if stays:
                return
            opened.values[name] = value
        else:
            if name in opened.values and opened.values[name] != value:
                self.diagnostics += second(keyword, opened.places[name][-1], line)
            opened.values[name] = value
        opened.places.setdefault(name, []).append(line)

    def _shell_words(self, line: Line) -> list[str] | None:
        problem = line.shell_problem()
        if problem >= 0:
            self._error(Code.QUOTE, "a quote is not terminated; the line is ignored", line.span_from(problem),
                        verdict=Verdict.QUOTE)
            return None
        if line.open_quote >= 0:
            self.diagnostics.append(mistakes.odd_quotes(line))
        return [word.text for word in line.shell_words()]

    # ---------------------------------------------------------------------------------------- unknown keywords

    def _unknown(self, node: Node, opened: _Open, previous: Node | None) -> Block | None:
        """Report a keyword; the block to which it and its neighbours belong, if that was closed too early."""
        line = node.line
        word = line.words[0] if line.words else line.text
        if not line.words and line.open_quote >= 0:
            self.diagnostics.append(mistakes.open_quote(line))
            return None
        if self._advice is None:
            self._advice = Advice(self.root)
        note, fix = self._advice.on(word, opened.path, opened.block)
        belongs = home(line, opened.block, previous, known=bool(note or fix))
        if belongs:
            assert previous is not None and previous.closed is not None
            if belongs is LIST:
                opened.refused.add(opened.block.keywords[previous.line.words[0]].field)
            self.diagnostics.append(Diagnostic(
                Code.MISPLACED_KEYWORD, Severity.ERROR,
                f"{word} stands after the end of {previous.line.words[0]}, where it belongs", line.span(0),
                also=(previous.closed.span(), f"this closes {previous.line.words[0]}"),
                fix="move the closing brace", verdict=Verdict.UNKNOWN_KEYWORD))
            return belongs
        if line.open_quote >= 0:
            self.diagnostics.append(mistakes.open_quote(line))
        if word.startswith("$") and line.words[1:] and line.words[1].startswith("="):
            note, fix = "in a definition no blank stands before the =", f"write {word}{' '.join(line.words[1:])}"
        if node.children is not None:
            note = "\n".join(filter(None, [note, "its whole block is left out"]))
        place = f"in {opened.path.rpartition('/')[2]}" if opened.path else "at the outermost level"
        self._error(Code.UNKNOWN_KEYWORD, f"unknown keyword '{word}' {place}", line.span(0), note=note, fix=fix,
                    verdict=Verdict.UNKNOWN_KEYWORD)
        return None

    def _template(self, mark: tuple[int, int], keyword: Keyword | None, line: Line, opened: _Open | None) -> None:
        """A line with a template's mark in it. keepalived takes the mark's braces for a block's."""
        stops = False
        if keyword and isinstance(keyword.value, Value) and opened:
            lacks = len(general_words(line.text[: mark[0]])[0]) - 1 < keyword.value.needs
            stops = lacks and keyword.missing is Missing.FATAL
            opened.places.setdefault(keyword.field, [line])  # it was written, though in vain
        self.diagnostics.append(mistakes.unfilled(line, mark, stops=stops))

    def _extra_brace(self, brace: Line, astray: Block | None) -> Block | None:
        if astray:  # the block was closed too early: this is its own brace
            return None
        self._error(Code.EXTRA_BRACE, "'}' closes nothing", brace, verdict=Verdict.BRACES)
        return None

    # --------------------------------------------------------------------------------------------- diagnostics

    def _complain(
        self, complaint: Complaint, line: Line, shift: int, keyword: Keyword, value: Value[Any], *, stops: bool = False
    ) -> None:
        if stops or not (line.reported and complaint.severity is Severity.ERROR):
            self.diagnostics.append(mistakes.complained(complaint, line, shift, keyword, value, stops=stops))

    def _error(
        self, code: Code, message: str, at: Line | Span | None, *, note: str = "", fix: str = "",
        verdict: Verdict = Verdict.GENERAL,
    ) -> None:
        span = at.span() if isinstance(at, Line) else at
        self.diagnostics.append(Diagnostic(code, Severity.ERROR, message, span, note=note, fix=fix, verdict=verdict))


#: Braces of other writing systems, and a bracket that is no brace.
_WIDE_BRACES = "\uff5b\u2774\ufe5b("


def _no_later(keyword: Keyword, new: Any, old: Any) -> bool:
    """Whether the usage of the keyword names `new` before `old`, or they are the same."""
    assert isinstance(keyword.value, Value)
    order = keyword.value.complete()
    return order.index(new) <= order.index(old)
