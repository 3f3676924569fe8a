"""From files to lines: comments, conditions, definitions, sequences and includes are resolved here.

A reader makes `Line`s, each either words or one brace, in the order in which they take effect. The steps for one
physical line follow keepalived's: drop the comment; collect it if a definition is still open; test @ID; take a
definition; repeat for a sequence; put in definitions and start over with what came out; include; cut at braces.
Most lines need none of this, so they are recognised first and cost one regular expression.

The reader opens no files itself: `open_file` does, so reading is a pure function of what it returns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence as Listed
from typing import NoReturn

from hakeep.config.definitions import ASSIGNMENT, Definitions, Pending, Refused, Surroundings
from hakeep.config.diagnostic import Code, Diagnostic, Severity, Verdict
from hakeep.config.extent import extent
from hakeep.config.includes import CHECKS, FILES_LIMIT, OpenFile, checks_after, read_include
from hakeep.config.lexer import BACKSLASH, BLANKS, braces, without_comment
from hakeep.config.line import Line
from hakeep.config.repetition import Part, parts
from hakeep.config.sequences import Row, Sequence, read_sequence
from hakeep.config.shape import Shape, Shapes, shape_of
from hakeep.config.span import Span, Via
from hakeep.config.text import Place, Run, Text, lines_of
from hakeep.config.uses import unused

#: A physical line must be shorter than this, in bytes, or keepalived drops it.
LINE_LIMIT = 1024
#: No configuration may come to more lines than this, whatever its sequences and definitions say.
LINES_LIMIT = 5_000_000
#: Nor to more characters.
LETTERS_LIMIT = 128 << 20
#: After so many lines that grow without bound no more are read.
BOMBS_LIMIT = 100
#: How deep includes may nest, and lines that come out of lines (sequences, definitions of several lines).
DEPTH_LIMIT = 30
NESTING_LIMIT = 100

_CONDITION = re.compile(r"@(\^?)([^ \t]*)[ \t]*")


class _Enough(Exception):
    """The configuration comes to more lines than any may have."""


class Reader:
    """Reads one configuration. `diagnostics` and `sources` (file name -> text) fill up with what `read` reads."""

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
        self._order = 0
        self._letters = 0
        self._derived = 0
        self._bombs = 0
        self._opened = 0
        self._nesting = 0
        self._lines: list[Line] = []
        self._shapes = Shapes(LINE_LIMIT)
        self._told: set[tuple[Span, str]] = set()  # uses that were reported: a line may be expanded again and again
        self.diagnostics: list[Diagnostic] = []
        self.sources: dict[str, str] = {}

    def read(self, name: str, folder: str, text: str) -> list[Line]:
        """The lines of a file and of all that it includes. There are none at all if they are too many."""
        try:
            self._file(name, folder, text, ())
        except _Enough:
            self._files.clear()
            self._lines.clear()
        lines, self._lines = self._lines, []
        return lines

    def _file(self, name: str, folder: str, text: str, via: tuple[Via, ...]) -> None:
        self.sources[name] = text
        outer, self._definitions.folder = self._definitions.folder, folder
        self._files.append(name)
        if text.startswith("\ufeff"):
            text = text[1:]
        run = Run(name, -self._order, via)
        for number, raw in enumerate(lines_of(text), 1):
            self._order += 1
            shape = None if self._unfinished else self._shapes[raw]
            if shape:
                self._put(shape, run, 0)
                continue
            self._unusual(raw, Place(name, number, via))
            if self._order + run.before != number:
                run = run._replace(before=number - self._order)
        self._files.pop()
        self._definitions.folder = outer
        if not self._files and self._unfinished:
            self._finish_definition()

    def _put(self, shape: Shape, place: Place | Run, shift: int) -> None:
        """Take a line that has a shape."""
        words, start, brace, at, size = shape
        if words:
            self._lines.append(Line(words, place, shift + start, self._order, plain=True))
        if brace:
            self._lines.append(Line(brace, place, shift + at, self._order))
            self._depth += 1 if brace == "{" else -1
        self._letters += size
        if len(self._lines) > LINES_LIMIT or self._letters > LETTERS_LIMIT:
            self._too_much(place.place(self._order) if isinstance(place, Run) else place)

    def _unusual(self, raw: str, place: Place) -> None:
        """Take a line of a file that has none, or is part of a definition."""
        if len(raw) >= LINE_LIMIT:  # before anything looks at it: it may have a hundred million characters
            self._too_long(place)
        elif raw.strip(BLANKS):
            self._physical(Text(raw, place).cut(0), raw)
        elif self._unfinished:
            self._finish_definition()

    def _simple(self, text: Text) -> bool:
        """Take a line that has a shape, as most that come out of others have too."""
        shape = shape_of(text.text)
        if shape:
            self._order += 1
            self._put(shape, text.place, text.shift)
        return shape is not None

    def _measure(self, text: str, place: Place) -> None:
        """Count what lines were just made."""
        self._letters += len(text)
        if len(self._lines) > LINES_LIMIT or self._letters > LETTERS_LIMIT:
            self._too_much(place)

    def _derive(self, place: Place, uses: int = 1) -> None:
        """Count a line that comes out of another, whether or not anything comes of it: it takes time, and memory for
        the way by which it came."""
        self._derived += uses
        self._letters += 8 * len(place.via)
        if self._derived > 2 * LINES_LIMIT or self._letters > LETTERS_LIMIT:
            self._too_much(place)

    def _too_much(self, place: Place, what: str = "") -> NoReturn:
        size = f"the configuration comes to more than {LINES_LIMIT} lines or {LETTERS_LIMIT >> 20} MiB of text"
        self.diagnostics.append(Diagnostic(
            Code.TOO_MUCH, Severity.ERROR, what or size, Span(place.file, place.line, via=place.via), stops=True,
            note="nothing of it is used"))
        raise _Enough

    # ------------------------------------------------------------------------------------------- one physical line

    def _physical(self, text: Text, raw: str) -> None:
        if len(raw.encode("utf-8", "surrogateescape")) >= LINE_LIMIT:
            self._too_long(text.place)
            return
        if "\0" in raw:
            self._error(Code.NUL_BYTE, "line with a NUL byte is dropped", text.span())
            return
        kept = without_comment(text.text)
        if len(kept) < len(text.text) and BACKSLASH.search(text.text):
            kept += "\\"  # a comment does not end a definition of several lines, nor hide the backslash elsewhere
        text = text._replace(text=kept)
        if self._unfinished is not None:
            self._continue_definition(text)
        elif text.text:
            self._logical(text, frozenset())

    def _too_long(self, place: Place) -> None:
        self._error(Code.LINE_TOO_LONG, f"line of {LINE_LIMIT} bytes or more is dropped",
                    Span(place.file, place.line, via=place.via))

    def _logical(self, text: Text, active: frozenset[str], *, expanded: bool = False) -> None:
        """One line after comments; `expanded`: definitions have been put in already."""
        if text.text[0] == "@":
            kept = self._condition(text)
            if kept is None:
                return
            text = kept
        if text.text[0] == "$" and self._begin_definition(text):
            return
        if not self._nesting and text.text[0] in "~$":
            self._foresee(text)
        try:
            if text.text[0] == "~":
                sequence = read_sequence(text, self._definitions, active)
                if sequence:
                    self._repeat(sequence, active)
                    return
            if not expanded and "$" in text.text:
                self._expand(text, active)
                return
        except Refused as refused:
            self._refuse(refused)
            return
        if not self._simple(text):
            self._cut(text)

    def _condition(self, text: Text) -> Text | None:
        while match := _CONDITION.match(text.text):
            negated, wanted = match.groups()
            if (wanted == self._surroundings.config_id) == bool(negated):
                return None
            text = text.cut(match.end())
        return text if text.text else None

    def _foresee(self, text: Text) -> None:
        """End at once where it can be known that too much will come of a line."""
        derived, lines = extent(text.text, self._definitions, NESTING_LIMIT)
        if self._derived + derived > 2 * LINES_LIMIT or len(self._lines) + lines > LINES_LIMIT:
            self._too_much(text.place)

    def _repeat(self, sequence: Sequence, active: frozenset[str]) -> None:
        names, rest, opens = sequence.variables, sequence.rest, sequence.opens
        known = parts(sequence, active, self._definitions) if self._nesting < NESTING_LIMIT - 1 else []
        for number, row in enumerate(sequence.rows):
            if number and opens:  # the further blocks would only stand in the first one
                self.diagnostics.append(Diagnostic(
                    Code.SEQUENCE, Severity.ERROR, "a sequence repeats one line, and this line leaves a block open",
                    rest.span(), note="it is taken once", fix="define $BLOCK as the whole block, its lines ending in "
                    "\\, and repeat $BLOCK", verdict=Verdict.BRACES))
                return
            for name, value in zip(names, row, strict=True):
                self._definitions.define(name, (Text(value, rest.place),))
            self._derive(rest.place, 1 + len(known))
            if known:
                self._again(known, row)
            else:
                self._inner(rest, active)

    def _again(self, known: Listed[Part], row: Row) -> None:
        """The lines that one number of a sequence gives."""
        for text, active, straight in known:
            if straight:
                self._order += 1
                line = straight.line(row, self._order)
                self._letters += len(line.text)
                self._lines.append(line)
            else:
                self._inner(text, active)
        self._measure("", known[0].text.place)

    def _inner(self, text: Text, active: frozenset[str]) -> None:
        """A line that came out of another."""
        if self._nesting == NESTING_LIMIT:
            self._error(Code.TOO_MUCH, f"more than {NESTING_LIMIT} sequences and definitions stand in one another",
                        text.span())
        elif text.text:
            self._nesting += 1
            self._logical(text, active)
            self._nesting -= 1

    def _expand(self, text: Text, active: frozenset[str]) -> None:
        definitions = self._definitions
        further: Listed[Pending] | None = None
        if text.text[0] == "$":
            further = definitions.unrolled(text, active)
            if further is None and (leading := definitions.leading_sequence(text, active)):
                further = [(leading[0], leading[2]), *leading[1]]
        if further is None:
            first, further, uses = definitions.expand(text, active)
            self._derive(text.place, uses)
            self._expanded(first, active)
        for line, names in further:
            self._derive(line.place)
            self._inner(line, names)

    def _expanded(self, text: Text, active: frozenset[str]) -> None:
        """A line in which all has been put in that is defined. A comment may have come in, too."""
        line = text.text
        if line and line[0] not in BLANKS and line[-1] not in BLANKS and self._simple(text):
            return
        bare = "$" in text.text and self._report_uses(text)
        if "#" in text.text or "!" in text.text:
            text = text._replace(text=without_comment(text.text))
        if text.text[:1] in BLANKS or text.text[-1:] in BLANKS:
            text = text.cut(0)
        if text.text:
            before = len(self._lines)
            self._logical(text, active, expanded=True)
            if bare:
                for made in self._lines[before:]:
                    made.reported = True

    def _report_uses(self, text: Text) -> bool:
        """Say what looks like a use of a definition but was not replaced; true if there were bare braces."""
        bare = False
        for use, span, in_braces, diagnostic in unused(text, self._definitions):
            bare |= in_braces
            if (span, use) not in self._told:
                self._told.add((span, use))
                self.diagnostics.append(diagnostic)
        return bare

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

    # ------------------------------------------------------------------------------------------- braces and includes

    def _cut(self, text: Text) -> None:
        """A line with braces, quotes, an include: each brace is a line of its own, and so is what is between them."""
        start = 0
        for end in (*braces(text.text), len(text.text)):
            piece = text.cut(start, end)
            if piece.text.startswith("include") and self._include(text.cut(piece.shift - text.shift)):
                break
            if piece.text:
                self._words(piece)
            if end < len(text.text):
                self._depth += 1 if text.text[end] == "{" else -1
                self._order += 1
                self._lines.append(Line(text.text[end], text.place, text.shift + end, self._order))
            start = end + 1
        self._measure(text.text, text.place)

    def _words(self, text: Text) -> None:
        self._order += 1
        line = Line(text.text, text.place, text.shift, self._order)
        self._lines.append(line)
        if text.text.startswith(("instance", "random_seed", "include_check")):
            self._overhear(line.words)

    def _overhear(self, words: Listed[str]) -> None:
        """Keywords that change how the rest is read."""
        keyword, *values = words or [""]
        if keyword == "instance" and values and self._depth == 0 and not self._definitions.instance:
            self._definitions.instance = values[0]
        elif keyword == "random_seed" and values and values[0].isdecimal() and len(values[0]) < 20:
            self._definitions.dice.seed(int(values[0]))
        elif keyword == "include_check":
            self._checks = checks_after(self._checks, values) | (CHECKS if self._all_checks else frozenset())

    def _include(self, text: Text) -> bool:
        """Take a piece of a line that begins with an include, and what stands behind that; false if it does not."""
        include = read_include(text)
        if include is None:
            return False
        pattern = include.pattern
        opened = self._open_file(pattern.text, self._definitions.folder)
        self._opened += max(1, len(opened.files))
        if self._opened > FILES_LIMIT:
            self._too_much(pattern.place, f"the configuration includes more than {FILES_LIMIT} files")
        self.diagnostics += include.complaints(opened, self._checks)
        span = text.span()
        for name, folder, content in opened.files:
            if name in self._files or len(self._files) > DEPTH_LIMIT:
                self._error(Code.INCLUDE_CYCLE, f"{name} includes itself", pattern.span())
                continue
            self._file(name, folder, content, (Via("included from", span.file, span.line), *span.via))
        if include.rest.text:
            self._cut(include.rest)
        return True

    # ------------------------------------------------------------------------------------------------- diagnostics

    def _refuse(self, refused: Refused) -> None:
        if refused.kind == "much":
            self._bombs += 1
            if self._bombs > BOMBS_LIMIT:
                raise _Enough
        if (refused.span, str(refused)) in self._told:
            return
        self._told.add((refused.span, str(refused)))
        code = {"self": Code.SELF_REFERENCE, "much": Code.TOO_MUCH, "follow": Code.DEFINITION}.get(
            refused.kind, Code.SEQUENCE)
        self._error(code, str(refused), refused.span, refused.note)

    def _error(self, code: Code, message: str, span: Span, note: str = "") -> None:
        self.diagnostics.append(Diagnostic(code, Severity.ERROR, message, span, note=note))
