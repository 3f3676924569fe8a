"""What an editor may put right by itself.

A fix is a sentence for people. Where it names the word to write, or says to take something out, that can be tried. It
is offered only if a check of the text so changed finds that complaint no more, and no more errors than before.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from hakeep.config.diagnostic import Diagnostic, Severity
from hakeep.config.lexer import cut_at_brace, without_comment

_WRITE = re.compile(r"(?:write|did you mean) ([^\s,;?…]+(?: [^\s,;?…]+)*)\??")
#: What stands for something that only a person knows.
_PLACEHOLDER = re.compile(r"\b[A-Z][A-Z_]+\b|\.\.\.|[{}]$")
_TAKE_OUT = "take it out"


class Change(NamedTuple):
    """Put `new` in place of the characters `start` to `end` of the text. `title` says it to a person."""

    title: str
    start: int
    end: int
    new: str


def changes(
    diagnostic: Diagnostic, path: str, text: str, found: tuple[Diagnostic, ...],
    check: Callable[[str], tuple[Diagnostic, ...]],
) -> Iterator[Change]:
    """What cures the diagnostic, which is one of those `found`. `check` finds what is wrong with another text."""
    for change in _candidates(diagnostic, path, text):
        after = check(text[: change.start] + change.new + text[change.end :])
        if _kinds(after)[_kind(diagnostic)] < _kinds(found)[_kind(diagnostic)] and _serious(after) <= _serious(found):
            yield change


def _kind(diagnostic: Diagnostic) -> tuple[str, str]:
    return diagnostic.code.value, diagnostic.message


def _kinds(diagnostics: tuple[Diagnostic, ...]) -> Counter[tuple[str, str]]:
    return Counter(map(_kind, diagnostics))


def _serious(diagnostics: tuple[Diagnostic, ...]) -> int:
    return sum(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)


def _candidates(diagnostic: Diagnostic, path: str, text: str) -> Iterator[Change]:
    span = diagnostic.span
    if span is None or not span.length or os.path.realpath(span.file) != path:
        return
    lines = text.split("\n")
    if span.line > len(lines):
        return
    line_start = sum(len(line) + 1 for line in lines[: span.line - 1])
    start = line_start + span.column - 1
    for sentence in diagnostic.fix.splitlines():
        match = _WRITE.fullmatch(sentence)
        if match and not _PLACEHOLDER.search(match.group(1)):
            word = match.group(1)
            yield Change(f"Write {word}", start, start + span.length, word)
        elif sentence == _TAKE_OUT and not cut_at_brace(without_comment(lines[span.line - 1]))[1]:
            end = line_start + len(lines[span.line - 1]) + (span.line < len(lines))
            yield Change(f"Take {text[start : start + span.length]} out", line_start, end, "")
