"""The sequences ~SEQ, ~SEQx and ~LST: a line that stands for many, one for each value of its variables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hakeep.config.definitions import SEQUENCES, Definitions, Refused
from hakeep.config.lexer import braces
from hakeep.config.span import Span
from hakeep.config.text import Text

_SEQUENCE = re.compile(r"~(SEQx?|LST)\(([^)]*)\)[ \t]*")
_UNOPENED = re.compile(r"~(SEQ|LST)")
_COMMA = re.compile(r",(?![^{}]*\})")  # not those within braces
_GROUP = re.compile(r"\{[^{}]*\}|[^{}]*")
_SYNOPSIS = (
    "~SEQ(VAR, [START, [STEP,]] END), ~SEQx(...) for hexadecimal, ~LST(VAR, VALUE, ...) or ~LST({A,B}, {1,2}, ...)"
)

#: One value for each variable.
Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    """One sequence at the head of a line: its variables, their values by repetition, how many there are, whether the
    values are numbers, and the rest of the line."""

    variables: tuple[str, ...]
    rows: Iterable[Row]
    count: int
    numeric: bool
    rest: Text

    @property
    def opens(self) -> bool:
        """Whether the rest of the line leaves a block open."""
        text = self.rest.text
        return "{" in text and sum(1 if text[brace] == "{" else -1 for brace in braces(text)) > 0


def read_sequence(text: Text, definitions: Definitions, active: frozenset[str]) -> Sequence | None:
    """The sequence that `text` begins with, or None. Raises `Refused`. It may be longer than anybody has time for."""
    if not text.text.startswith(SEQUENCES):
        if _UNOPENED.match(text.text):
            raise Refused("sequence", "this sequence has no '(' right after its name", text.span(), _SYNOPSIS)
        return None
    match = _SEQUENCE.match(text.text)
    if not match:
        raise Refused("sequence", "this sequence has no closing ')'", text.span(), _SYNOPSIS)
    kind = match.group(1)
    arguments, _, _ = definitions.expand(Text(match.group(2), text.place, text.shift + match.start(2)), active)
    span = text.span(0, match.end(2) + 1)
    read = _read_lists if kind == "LST" else _read_numbers
    variables, rows, count = read(arguments.text, span, kind)
    return Sequence(variables, rows, count, kind != "LST", text.cut(match.end()))


def _read_numbers(arguments: str, span: Span, kind: str) -> tuple[Row, Iterable[Row], int]:
    variable, *words = (word.strip() for word in arguments.split(","))
    if not _is_name(variable) or not 1 <= len(words) <= 3:
        raise Refused("sequence", f"~{kind} needs a variable and one to three numbers", span, _SYNOPSIS)
    try:
        numbers = [_number(word) for word in words]
    except ValueError:
        raise Refused("sequence", f"~{kind} takes whole numbers", span, _SYNOPSIS) from None
    end = numbers[-1]
    start = numbers[0] if len(numbers) > 1 else (-1 if end < 0 else 1)
    step = numbers[1] if len(numbers) == 3 else (1 if end >= start else -1)
    if step == 0 or (end - start) * step < 0:
        raise Refused("sequence", f"step {step} never leads from {start} to {end}", span, _SYNOPSIS)
    values = range(start, end + (1 if step > 0 else -1), step)
    rows = ((f"{v:x}" if kind == "SEQx" else str(v),) for v in values)
    return (variable,), rows, (end - start) // step + 1


def _number(word: str) -> int:
    """An integer with its base in the prefix, as C's strtol reads it with base 0."""
    sign = -1 if word.startswith("-") else 1
    digits = word[1:] if word[:1] in ("+", "-") else word
    if not digits.isalnum() or not digits.isascii() or len(digits) > 20:
        raise ValueError(word)
    base = 16 if digits[:2] in ("0x", "0X") else 8 if digits.startswith("0") and len(digits) > 1 else 10
    return sign * int(digits, base)


def _read_lists(arguments: str, span: Span, _kind: str) -> tuple[Row, Iterable[Row], int]:
    groups = [group.strip() for group in _COMMA.split(arguments)]
    if not all(_GROUP.fullmatch(group) for group in groups) or len(groups) < 2:
        raise Refused("sequence", "~LST needs variables and values, with commas between them", span, _SYNOPSIS)
    lists = [[word.strip() for word in group.strip("{}").split(",")] for group in groups]
    if not all(_is_name(name) for name in lists[0]):
        raise Refused("sequence", "~LST needs the name of a variable first", span, _SYNOPSIS)
    names, *rows = lists
    for row in rows:
        if len(row) > len(names):
            raise Refused("sequence", f"~LST has {len(row)} values for {len(names)} variables", span, _SYNOPSIS)
        if any(" " in value or "\t" in value for value in row):
            raise Refused("sequence", "a value of ~LST cannot hold a blank", span, _SYNOPSIS)
    return tuple(names), [tuple(row + [""] * (len(names) - len(row))) for row in rows], len(rows)


def _is_name(word: str) -> bool:
    return word.isidentifier() and word.isascii()
