"""The lines of a configuration taken apart into pieces, each of which is to be a line of its own.

Nothing is expanded. The meaning of a line can depend on text that stands elsewhere: a definition may bring in a quote,
a comment sign or a sequence. So a line is taken apart only if all that it uses is known to be tame; any other line is
one piece whose inside stays as it is ("wild").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hakeep.config.definitions import ASSIGNMENT
from hakeep.config.lexer import BACKSLASH, BLANKS, Unterminated, cut_at_brace, shell_words, without_comment
from hakeep.config.reader import LINE_LIMIT

_CONDITION = re.compile(r"@(\^?)([^ \t]*)[ \t]*")
INCLUDE = re.compile(r"(include[rmwba]?)[ \t]+")
_SEQUENCE = re.compile(r"~(?:SEQx?|LST)\(([^)]*)\)[ \t]*")
_USE = re.compile(r"\$(?:\{([A-Za-z_]\w*)(?:[ \t]+[^{}]*)?\}|([A-Za-z_]\w*)(?=$|[ \t,)]))", re.ASCII)
#: What would become the use of a definition if the line were cut at the brace, and one whose brace is none by then.
_TREACHEROUS = re.compile(r"\$[A-Za-z_]\w*[{}]|\\\$", re.ASCII)
_TAME = re.compile(r"[^\"'#!\\~@{}\x00-\x08\x0a-\x1f]*")
_GAP = re.compile(r"[ \t]+")
_GENERAL_QUOTE = re.compile(r'"[^"]*"')
_SHELL_QUOTE = re.compile(r"""\\c.|\\.|'(?:\\c.|\\.|[^'\\])*'|"(?:\\c.|\\.|[^"\\])*\"""", re.DOTALL)
_PROTECTED = re.compile(r'\\.|(")', re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f]")


@dataclass(slots=True)
class Piece:
    """What will be one line.

    `conditions` are (negated, id) of its @ID prefixes. `defines` is the name that the line defines, `body` says that it
    goes on with a definition begun before, `unfinished` that the definition goes on after it.
    """

    number: int
    text: str = ""
    comment: str = ""
    conditions: tuple[tuple[bool, str], ...] = ()
    uses: tuple[str, ...] = ()
    defines: str = ""
    body: bool = False
    unfinished: bool = False
    verbatim: bool = False  # not even its indentation may change
    wild: bool = False  # its inside may not change
    depth: int = 0

    @property
    def blank(self) -> bool:
        return not self.text and not self.comment

    @property
    def bare(self) -> str:
        """The text without its conditions."""
        return _conditions(self.text)[2]

    @property
    def joins(self) -> bool:
        """Whether a brace may be put after its words."""
        return bool(self.text) and not (
            self.wild or self.verbatim or self.defines or self.body or self.text[-1] in "{}"
            or self.bare.startswith("~") or INCLUDE.match(self.bare))


def take_apart(text: str) -> list[Piece]:
    """The lines of the text, taken apart where that is safe."""
    lines = text.split("\n")
    tame = _tame_names(lines)
    pieces: list[Piece] = []
    unfinished = False
    for number, raw in enumerate(lines, 1):
        line = raw.strip(BLANKS)
        if not line:
            pieces.append(Piece(number, body=unfinished))
            unfinished = False
        elif len(raw.encode("utf-8", "surrogateescape")) >= LINE_LIMIT or "\0" in raw:  # will be dropped: so it stays
            pieces.append(Piece(number, raw, verbatim=True, wild=True, unfinished=unfinished, body=unfinished))
        else:
            found = [_continuation(line, number)] if unfinished else list(_taken_apart(line, number, tame))
            unfinished = found[-1].unfinished
            pieces += _fitting(found, raw, number)
    return pieces


def _fitting(found: list[Piece], raw: str, number: int) -> list[Piece]:
    """The pieces, unless one of them became longer than a line may be."""
    if any(len(f"{p.text}  {p.comment}".encode("utf-8", "surrogateescape")) >= LINE_LIMIT for p in found):
        return [Piece(number, raw.strip(BLANKS), wild=True, uses=tuple(_uses(raw)), unfinished=found[-1].unfinished)]
    return found


def _continuation(line: str, number: int) -> Piece:
    """A line of a definition that was begun before."""
    kept = without_comment(line)
    more = kept.endswith("\\") or line.endswith("\\")
    if kept != line:
        return Piece(number, line, body=True, unfinished=more, uses=tuple(_uses(kept)), wild=True)
    text = f"{kept[:-1].rstrip(BLANKS)} \\".lstrip(BLANKS) if more else kept
    return Piece(number, text, body=True, unfinished=more, uses=tuple(_uses(kept)), wild=True)


def _taken_apart(line: str, number: int, tame: frozenset[str]) -> Iterator[Piece]:
    """The pieces of a line that stands for itself."""
    kept = without_comment(line)
    comment = line[len(kept) :].strip(BLANKS)
    stays = bool(comment) and bool(BACKSLASH.search(line))  # it counts, behind its comment, with what stands before
    if not kept:
        yield Piece(number, line, wild=True) if stays else Piece(number, comment=comment)
        return
    prefix, conditions, rest = _conditions(kept)
    assignment = ASSIGNMENT.match(rest)
    if assignment:
        yield _definition(line, kept, comment, number, prefix, conditions, assignment)
        return
    if stays:
        yield Piece(number, line, "", conditions, tuple(_uses(rest)), wild=True)
        return
    if not rest or _is_wild(rest, tame):
        yield Piece(number, f"{prefix} {rest}".strip(" "), comment, conditions, tuple(_uses(rest)), wild=True)
        return
    parts = _parts(rest)
    if len(parts) > 1 and any(part[0] in "@~" or ASSIGNMENT.match(part) for part in parts[1:]):
        parts = [_spaced(rest)]  # at the head of a line these would mean something else
    last = parts[0] == "}"  # the comment is about what follows
    for index, part in enumerate(parts):
        said = comment if index == (len(parts) - 1 if last else 0) else ""
        yield Piece(number, f"{prefix} {part}" if prefix else part, said, conditions, tuple(_uses(part)))


def _definition(
    line: str, kept: str, comment: str, number: int, prefix: str, conditions: tuple[tuple[bool, str], ...],
    assignment: re.Match[str],
) -> Piece:
    value = assignment.string[assignment.end() :]
    uses = tuple(_uses(value))
    name = assignment.group(1)
    if kept.startswith("$") and line.endswith("\\") and not kept.endswith("\\"):  # goes on behind its comment
        return Piece(number, line, "", conditions, uses, name, unfinished=True, wild=True)
    more = value.endswith("\\")
    if more:
        value = f"{value[:-1].strip(BLANKS)} \\".lstrip(BLANKS)
    text = f"${name}={value}"
    return Piece(number, f"{prefix} {text}" if prefix else text, comment, conditions, uses, name, unfinished=more,
                  wild=True)


def _conditions(text: str) -> tuple[str, tuple[tuple[bool, str], ...], str]:
    """The @ID prefixes, canonical and as (negated, id), and what stands after them."""
    found = []
    position = 0
    while text.startswith("@", position):
        match = _CONDITION.match(text, position)
        assert match
        found.append((bool(match.group(1)), match.group(2)))
        position = match.end()
    prefix = " ".join(f"@{'^' * negated}{name}" for negated, name in found)
    return prefix, tuple(found), text[position:]


def _parts(rest: str) -> list[str]:
    """The lines that a line makes: heads with their brace, closing braces, the words between."""
    head = "".join(match.group().rstrip(BLANKS) + " " for match in _heads(rest))
    if head:
        return [head + _spaced(rest[sum(len(match.group()) for match in _heads(rest)) :])]
    parts: list[str] = []
    while rest:
        include = INCLUDE.match(rest)
        if include:
            end = _pattern_end(rest, include.end())
            parts.append(f"{include.group(1)} {rest[include.end() : end].strip(BLANKS)}")
            rest = rest[end:].lstrip(BLANKS)
            continue
        before, brace, after, _ = cut_at_brace(rest)
        words = _spaced(before.strip(BLANKS))
        if brace == "{":
            parts.append(f"{words} {{".lstrip(BLANKS))
        else:
            parts += filter(None, (words, brace))
        rest = after.strip(BLANKS)
    return parts


def _heads(text: str) -> list[re.Match[str]]:
    """The sequences at the head of a line."""
    found: list[re.Match[str]] = []
    while match := _SEQUENCE.match(text, found[-1].end() if found else 0):
        found.append(match)
    return found


def _pattern_end(text: str, start: int) -> int:
    """Where the pattern of an include ends: at a } that no { in it opened."""
    depth = 0
    for position in range(start, len(text)):
        depth += (text[position] == "{") - (text[position] == "}")
        if depth < 0:
            return position
    return len(text)


def _spaced(text: str) -> str:
    """One blank between words. Blanks that either way of reading a line takes for quoted stay."""
    quoted = [match.span() for pattern in (_GENERAL_QUOTE, _SHELL_QUOTE) for match in pattern.finditer(text)]

    def gap(match: re.Match[str]) -> str:
        start, end = match.span()
        return match.group() if any(start < stop and begin < end for begin, stop in quoted) else " "

    return _GAP.sub(gap, text)


# ------------------------------------------------------------------------------------------------ what may be changed


def _uses(text: str) -> Iterator[str]:
    return (match.group(1) or match.group(2) for match in _USE.finditer(text))


def _is_wild(text: str, tame: frozenset[str]) -> bool:
    """Whether the text could mean something else if its inside changed."""
    if not tame.issuperset(_uses(text)) or _CONTROL.search(text) or _TREACHEROUS.search(text):
        return True
    if text.startswith("~"):
        heads = _heads(text)
        rest = text[heads[-1].end() :] if heads else ""
        if not rest or rest[0] in "@~$" or INCLUDE.match(rest):
            return True
    return not _quotes_balance(text)


def _quotes_balance(text: str) -> bool:
    """Whether every quote is terminated, in each of the ways in which lines are read."""
    if text.count('"') % 2 or sum(match.group(1) is not None for match in _PROTECTED.finditer(text)) % 2:
        return False
    if "'" not in text and '"' not in text:
        return True
    try:
        shell_words(text)
    except Unterminated:
        return False
    return True


def _tame_names(lines: list[str]) -> frozenset[str]:
    """Names of definitions that are plain words wherever the file defines them: no quotes, braces, comments, lines."""
    values: dict[str, list[str]] = {"_RANDOM": []}
    for raw in lines:
        _, _, rest = _conditions(without_comment(raw.strip(BLANKS)))
        for match in _heads(rest):
            names, listed = _sequence_names(match)
            for name in names:
                values.setdefault(name, []).append(listed)
        assignment = ASSIGNMENT.match(rest)
        if assignment:
            values.setdefault(assignment.group(1), []).append(rest[assignment.end() :])
    tame = {name for name, texts in values.items()
            if all(_TAME.fullmatch(text) and not text.startswith("include") for text in texts)}
    uses = {name: {use for text in values[name] for use in _uses(text)} for name in tame}
    while True:
        still = {name for name in tame if uses[name] <= tame}
        if still == tame:
            return frozenset(tame)
        tame = still


def _sequence_names(match: re.Match[str]) -> tuple[list[str], str]:
    """The variables of a sequence, and what they can be."""
    arguments = match.group(1)
    if not match.group().startswith("~LST"):
        return [arguments.partition(",")[0].strip(BLANKS)], ""
    first = re.match(r"\s*\{([^{}]*)\}", arguments)
    names = first.group(1) if first else arguments.partition(",")[0]
    return [name.strip(BLANKS) for name in names.split(",")], arguments.replace("{", "").replace("}", "")
