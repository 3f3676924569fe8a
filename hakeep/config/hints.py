"""Hints: what a line says that keepalived passes over in silence, and that is hardly meant.

Words that nobody reads and values that another line replaces. They change neither what runs nor an exit status.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hakeep.config.diagnostic import Code, Diagnostic, Severity, Verdict
from hakeep.config.line import Line
from hakeep.config.schema import Block, Keyword
from hakeep.config.values.value import Complaint, Invalid, Value


def surplus(
    keyword: Keyword, value: Value[Any], words: Sequence[str], line: Line, block: Block
) -> Iterator[Diagnostic]:
    """A hint if words behind the value (all are `words`) mean nothing: if any other word might stand for them."""
    count = max(value.needs, 1)
    if len(words) <= count:
        return
    try:
        taken = value.parse(words[:count], _refuse)
        if taken != value.parse([*words[:count], "\0"], _refuse) or taken != value.parse(words, _refuse):
            return
    except Invalid:
        return
    rest = " ".join(words[count:])
    yield Diagnostic(
        Code.EXTRA_WORDS, Severity.WARNING, f"{rest} after {keyword.name} has no effect", line.span(count + 1),
        note=f"usage: {keyword.synopsis}", verdict=Verdict.OK,
        fix=f"write {rest} on a line of its own" if words[count] in block.keywords else "")


def second(keyword: Keyword, first: Line, line: Line) -> Iterator[Diagnostic]:
    """A hint that `line` replaces what `first` says; none where that came from a definition or another file, whose
    words are often defaults."""
    one, other = first.span(), line.span()
    if one.file != other.file or one.via or other.via:
        return
    same = first.words[0] in (keyword.name, keyword.preferred)
    message = "is given twice; the last one counts" if same else f"takes the place of {first.words[0]}"
    yield Diagnostic(
        Code.REPEATED, Severity.WARNING, f"{keyword.name} {message}", other, also=(one, "first given here"),
        verdict=Verdict.OK)


def good_for(value: Value[Any], words: Sequence[str]) -> bool:
    """Whether the words make a value without any complaint."""
    try:
        return len(words) >= value.needs and value.parse(words, _refuse) is not None
    except Invalid:
        return False


def _refuse(complaint: Complaint) -> None:
    raise Invalid(complaint.message)
