"""From files to lines: comments, conditions, definitions, sequences and includes are resolved here.

A reader yields `Line`s, each either words or one brace, in the order in which they take effect. The steps for one
physical line follow keepalived's: drop the comment; collect it if a definition is still open; test @ID; take a
definition; repeat for a sequence; put in definitions and start over with what came out; include; cut at braces.
Most lines need none of this, so they are recognised first and cost one regular expression.

The reader opens no files itself: `open_file` does, so reading is a pure function of what it returns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hakeep.config.definitions import ASSIGNMENT, Definitions, Refused, Surroundings, read_sequence
from hakeep.config.diagnostic import Code, Diagnostic, Severity, Verdict
from hakeep.config.lexer import BLANKS, Unterminated, Word, cut_at_brace, general_words, shell_words, without_comment
from hakeep.config.span import Span, Via
from hakeep.config.text import Place, Text

#: A physical line must be shorter than this, in bytes, or keepalived drops it.
LINE_LIMIT = 1024
#: No configuration may come to more lines than this, whatever its sequences and definitions say.
LINES_LIMIT = 200_000
#: How deep includes may nest, and lines that come out of lines (sequences, definitions of several lines).
DEPTH_LIMIT = 30
NESTING_LIMIT = 100

_SPECIAL = re.compile(r"[#!\"\\@$~{}\x00\x1c-\x1f]|[^\x00-\x7f]|\Ain(?:clude|stance)|\Arandom_seed")
_BRACES = ("{", "}")
_CONDITION = re.compile(r"@(\^?)([^ \t]*)[ \t]*")
_INCLUDE = re.compile(r"include([rmwba]?)[ \t]+(.+)", re.DOTALL)

CHECKS = frozenset({"read", "match", "wildcard_match", "brace_match"})
_SUFFIXES = {
    "": frozenset[str](), "r": frozenset({"read"}), "m": frozenset({"match"}), "w": frozenset({"wildcard_match"}),
    "b": frozenset({"brace_match"}), "a": CHECKS,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Something an include could not do: `kind` is one of CHECKS, `what` says it to a person."""

    kind: str
    what: str


@dataclass(frozen=True, slots=True)
class Opened:
    """What a pattern led to: files as (name, folder, text), in order, and failures."""

    files: tuple[tuple[str, str, str], ...] = ()
    failures: tuple[Failure, ...] = ()


#: (pattern, folder of the including file) -> what was found.
OpenFile = Callable[[str, str], Opened]


class Line:
    """Words, or a brace (`words` is ["{"] or ["}"] and `brace` says which), and where they were written."""

    __slots__ = ("_text", "brace", "open_quote", "order", "reported", "words")

    def __init__(self, words: list[str], text: Text, brace: str = "", open_quote: int = -1) -> None:
        self.words = words
        self.order = 0  # which line of the configuration it is, when all has been read; see tree.build
        self.reported = False  # true when a value is bad only because a definition is missing, which was reported
        self._text = text
        self.brace = brace
        self.open_quote = open_quote

    def __repr__(self) -> str:
        return f"Line({self.words!r}, {self.span()})"

    @property
    def text(self) -> str:
        """The line after all substitution."""
        return self._text.text

    def span(self, word: int | None = None, *, shell: bool = False) -> Span:
        """Where the word of that index stands; the whole line if None or if there is no such word."""
        if word is not None and not self.brace:
            words = self.shell_words() if shell else general_words(self._text.text)[0]
            if word < len(words):
                return self._text.span(words[word].start, words[word].end)
        return self._text.span()

    def span_from(self, position: int) -> Span:
        """From a position in the text to its end."""
        return self._text.span(position)

    def shell_words(self) -> list[Word]:
        """The line's words read the shell-like way; [] when a quote is unterminated (see `shell_problem`)."""
        try:
            return shell_words(self._text.text)
        except Unterminated:
            return []

    def shell_problem(self) -> int:
        """Where an unterminated quote of the shell-like reading starts, -1 if there is none."""
        try:
            shell_words(self._text.text)
        except Unterminated as problem:
            return problem.start
        return -1


class Reader:
    """Reads one configuration. `diagnostics` and `sources` (file name -> text) fill up while `read` is consumed."""

    def __init__(
        self, open_file: OpenFile, surroundings: Surroundings | None = None, *, checks: frozenset[str] = frozenset()
    ) -> None:
        self._open_file = open_file
        self._surroundings = surroundings or Surroundings()
        self._definitions = Definitions(self._surroundings)
        self._checks = checks
        self._all_checks = checks == CHECKS
        self._files: list[str] = []
        self._unfinished: tuple[str, list[Text]] | None = None
        self._depth = 0
        self._count = 0
        self._nesting = 0
        self.diagnostics: list[Diagnostic] = []
        self.sources: dict[str, str] = {}
        self.include_failed = False

    def read(self, name: str, folder: str, text: str, via: tuple[Via, ...] = ()) -> Iterator[Line]:
        """The lines of a file and of all that it includes."""
        self.sources[name] = text
        outer, self._definitions.folder = self._definitions.folder, folder
        self._files.append(name)
        special = _SPECIAL.search
        if text.startswith("\ufeff"):
            text = text[1:]
        for number, raw in enumerate(text.split("\n"), 1):
            line = raw.strip(BLANKS)
            if not line:
                if self._unfinished:
                    self._finish_definition()
                continue
            place = Place(name, number, via)
            found = special(line)
            if len(raw) >= LINE_LIMIT or self._unfinished is not None or self._count >= LINES_LIMIT:
                yield from self._physical(Text(raw, place).cut(0), raw)
            elif not found:
                self._count += 1
                yield Line(line.split(), Text(line, place, raw.index(line[0])))
            elif line in _BRACES or (found.group() == "{" and found.end() == len(line)):
                yield from self._with_brace(line, place, raw)
            else:
                yield from self._physical(Text(raw, place).cut(0), raw)
        self._files.pop()
        self._definitions.folder = outer
        if not self._files and self._unfinished:
            self._finish_definition()

    def _with_brace(self, line: str, place: Place, raw: str) -> Iterator[Line]:
        """The commonest lines that are not mere words: a brace, or words and the { that opens their block."""
        self._count += 1
        shift = raw.index(line[0])
        words = line[:-1].split()
        if words:
            yield Line(words, Text(line[:-1].rstrip(BLANKS), place, shift))
        self._depth += 1 if line[-1] == "{" else -1
        yield Line([line[-1]], Text(line[-1], place, shift + len(line) - 1), line[-1])

    # ------------------------------------------------------------------------------------------- one physical line

    def _physical(self, text: Text, raw: str) -> Iterator[Line]:
        if len(raw.encode("utf-8", "surrogateescape")) >= LINE_LIMIT:
            self._error(Code.LINE_TOO_LONG, f"line of {LINE_LIMIT} bytes or more is dropped", text.span())
            return
        if "\0" in raw:
            self._error(Code.NUL_BYTE, "line with a NUL byte is dropped", text.span())
            return
        kept = without_comment(text.text)
        if text.text.endswith("\\") and (self._unfinished or kept.startswith("$")) and not kept.endswith("\\"):
            kept += "\\"  # a comment does not end a definition of several lines
        text = text._replace(text=kept)
        if self._unfinished is not None:
            self._continue_definition(text)
        elif text.text:
            yield from self._logical(text, frozenset(), expanded=False)

    def _logical(self, text: Text, active: frozenset[str], *, expanded: bool) -> Iterator[Line]:
        """One line after comments; `expanded`: definitions have been put in already."""
        if text.text.startswith("@"):
            kept = self._condition(text)
            if kept is None:
                return
            text = kept
        if text.text.startswith("$") and self._begin_definition(text):
            return
        try:
            sequence = read_sequence(text, self._definitions, active)
            if sequence:
                yield from self._repeat(sequence.variables, sequence.rows, sequence.rest, active)
                return
            if not expanded and "$" in text.text:
                yield from self._expand(text, active)
                return
        except Refused as refused:
            self._refuse(refused)
            return
        yield from self._cut(text)

    def _condition(self, text: Text) -> Text | None:
        while match := _CONDITION.match(text.text):
            negated, wanted = match.groups()
            if (wanted == self._surroundings.config_id) == bool(negated):
                return None
            text = text.cut(match.end())
        return text if text.text else None

    def _repeat(
        self, names: tuple[str, ...], rows: tuple[tuple[str, ...], ...], rest: Text, active: frozenset[str]
    ) -> Iterator[Line]:
        for row in rows:
            for name, value in zip(names, row, strict=True):
                self._definitions.define(name, (Text(value, rest.place),))
            if not self._room(rest):
                return
            yield from self._inner(rest, active)

    def _inner(self, text: Text, active: frozenset[str]) -> Iterator[Line]:
        """A line that came out of another."""
        if self._nesting == NESTING_LIMIT:
            self._error(Code.TOO_MUCH, f"more than {NESTING_LIMIT} sequences and definitions stand in one another",
                        text.span())
        elif text.text:
            self._nesting += 1
            yield from self._logical(text, active, expanded=False)
            self._nesting -= 1

    def _expand(self, text: Text, active: frozenset[str]) -> Iterator[Line]:
        leading = self._definitions.leading_sequence(text, active)
        if leading:
            yield from self._inner(leading[0], leading[2])
            for line, names in leading[1]:
                yield from self._inner(line, names)
            return
        first, further = self._definitions.expand(text, active)
        for use, span, braces in self._definitions.undefined(text):
            self._report_undefined(use, span, braces=braces)
        first = first._replace(text=without_comment(first.text)).cut(0)
        if first.text:
            bare = any(braces for _, _, braces in self._definitions.undefined(text))
            for read in self._logical(first, active, expanded=True):
                read.reported = bare
                yield read
        for line, names in further:
            if self._room(line):
                yield from self._inner(line, names)

    def _room(self, text: Text) -> bool:
        self._count += 1
        if self._count == LINES_LIMIT:
            self._error(Code.TOO_MUCH, f"the configuration comes to more than {LINES_LIMIT} lines", text.span())
        return self._count < LINES_LIMIT

    # ------------------------------------------------------------------------------------------------- definitions

    def _begin_definition(self, text: Text) -> bool:
        match = ASSIGNMENT.match(text.text)
        if not match:
            return False
        value = text.cut(match.end())
        if value.text.endswith("\\"):
            first = value._replace(text=value.text[:-1]).cut(0)
            self._unfinished = (match.group(1), [first] if first.text else [])
        else:
            self._definitions.define(match.group(1), (value,))
        return True

    def _continue_definition(self, text: Text) -> None:
        assert self._unfinished is not None
        _, lines = self._unfinished
        more = text.text.endswith("\\")
        if more:
            text = text._replace(text=text.text[:-1]).cut(0)
        if text.text:
            lines.append(text)
        if not more:
            self._finish_definition()

    def _finish_definition(self) -> None:
        assert self._unfinished is not None
        name, lines = self._unfinished
        self._unfinished = None
        self._definitions.define(name, tuple(lines) or (Text("", Place("", 0)),))

    def _report_undefined(self, use: str, span: Span, *, braces: bool) -> None:
        if braces:
            self._error(Code.UNDEFINED, f"{use} is not defined", span, "keepalived takes its braces for a block's")
        else:
            self.diagnostics.append(Diagnostic(
                Code.UNDEFINED, Severity.NOTE, f"{use} is not defined here, so it stays as it is written", span,
                verdict=Verdict.OK,
            ))

    # ------------------------------------------------------------------------------------------- braces and includes

    def _cut(self, text: Text) -> Iterator[Line]:
        while text.text:
            include = _INCLUDE.match(text.text)
            if include:
                rest = self._pattern_end(text, include.start(2))
                yield from self._include(include.group(1), text.cut(include.start(2), rest), text)
                text = text.cut(rest)
                continue
            before, brace, _, position = cut_at_brace(text.text)
            if before.strip(BLANKS):
                yield self._line(text.cut(0, position))
            if brace:
                self._depth += 1 if brace == "{" else -1
                yield Line([brace], text.cut(position, position + 1), brace)
            text = text.cut(position + 1)

    def _pattern_end(self, text: Text, start: int) -> int:
        """The pattern of an include is the rest of the line, braces and all, up to a } that no { in it opened."""
        depth = 0
        for position in range(start, len(text.text)):
            if text.text[position] == "{":
                depth += 1
            elif text.text[position] == "}":
                depth -= 1
                if depth < 0:
                    return position
        return len(text.text)

    def _line(self, text: Text) -> Line:
        words, open_quote = general_words(text.text)
        line = Line([word.text for word in words], text, open_quote=open_quote)
        if line.words and line.words[0] in ("instance", "random_seed", "include_check"):
            self._overhear(line.words)
        return line

    def _overhear(self, words: Sequence[str]) -> None:
        """Keywords that change how the rest is read."""
        keyword, *values = words
        if keyword == "instance" and values and self._depth == 0 and not self._definitions.instance:
            self._definitions.instance = values[0]
        elif keyword == "random_seed" and values and values[0].isdecimal() and len(values[0]) < 20:
            self._definitions.dice.seed(int(values[0]))
        elif keyword == "include_check":
            self._checks = checks_after(self._checks, values) | (CHECKS if self._all_checks else frozenset())

    def _include(self, suffix: str, pattern: Text, whole: Text) -> Iterator[Line]:
        enabled = self._checks | _SUFFIXES[suffix]
        opened = self._open_file(pattern.text, self._definitions.folder)
        for failure in opened.failures:
            counts = failure.kind in enabled
            self.diagnostics.append(Diagnostic(
                Code.INCLUDE_FAILED, Severity.ERROR if counts else Severity.WARNING, failure.what, pattern.span(),
                note="" if counts else "a plain include that fails is not an error; includea makes it one",
                verdict=Verdict.INCLUDE if counts else Verdict.OK, stops=counts,
            ))
        span = whole.span()
        for name, folder, content in opened.files:
            if name in self._files or len(self._files) > DEPTH_LIMIT:
                self._error(Code.INCLUDE_CYCLE, f"{name} includes itself", pattern.span())
                continue
            yield from self.read(name, folder, content, (Via("included from", span.file, span.line), *span.via))

    # ------------------------------------------------------------------------------------------------- diagnostics

    def _refuse(self, refused: Refused) -> None:
        code = {"self": Code.SELF_REFERENCE, "much": Code.TOO_MUCH, "follow": Code.DEFINITION}.get(
            refused.kind, Code.SEQUENCE)
        self._error(code, str(refused), refused.span, refused.note)

    def _error(self, code: Code, message: str, span: Span, note: str = "") -> None:
        self.diagnostics.append(Diagnostic(code, Severity.ERROR, message, span, note=note))


def checks_after(checks: frozenset[str], words: Sequence[str]) -> frozenset[str]:
    """What include_check with these words leaves enabled. No words: all. Unknown words change nothing."""
    if not words:
        return CHECKS
    for number, word in enumerate(words):
        sign, name = (word[0], word[1:]) if word[:1] in ("+", "-") else ("", word)
        if name not in CHECKS:
            continue
        if sign == "-":
            checks -= {name}
        elif sign == "+":
            checks |= {name}
        elif number == 0:
            checks = frozenset({"read", name})
    return checks
