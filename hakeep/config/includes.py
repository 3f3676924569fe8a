"""Includes: what a line asks for that begins with the word, and which of its failures count.

A plain `include` may find nothing. The letter behind the word, or `include_check`, makes that an error: `r` that a file
cannot be read, `m` that there is none, `w` and `b` that for patterns with wildcards and braces, `a` all of these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hakeep.config.diagnostic import Code, Diagnostic, Severity, Verdict
from hakeep.config.text import Text

#: No pattern may mean more files than this, nor may a configuration read more, or look for them more often.
FILES_LIMIT = 5_000

CHECKS = frozenset({"read", "match", "wildcard_match", "brace_match"})
_SUFFIXES = {
    "": frozenset[str](), "r": frozenset({"read"}), "m": frozenset({"match"}), "w": frozenset({"wildcard_match"}),
    "b": frozenset({"brace_match"}), "a": CHECKS,
}
_INCLUDE = re.compile(r"include([rmwba]?)[ \t]+(.+)", re.DOTALL)


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


class Include(NamedTuple):
    """One include: its pattern, the checks that it asks for itself, and what stands behind it in its line."""

    pattern: Text
    checks: frozenset[str]
    rest: Text

    def complaints(self, opened: Opened, checks: frozenset[str]) -> Iterator[Diagnostic]:
        """What to say of the failures, where these checks are made beside the include's own."""
        for what in dict.fromkeys(failure.what for failure in opened.failures):
            counts = any(failure.kind in checks | self.checks for failure in opened.failures if failure.what == what)
            yield Diagnostic(
                Code.INCLUDE_FAILED, Severity.ERROR if counts else Severity.WARNING, what, self.pattern.span(),
                note="" if counts else "a plain include that fails is not an error; includea makes it one",
                verdict=Verdict.INCLUDE if counts else Verdict.OK, stops=counts)


def read_include(text: Text) -> Include | None:
    """The include that the text begins with, None if it does not begin with one."""
    match = _INCLUDE.match(text.text)
    if match is None:
        return None
    end = _pattern_end(text.text, match.start(2))
    return Include(text.cut(match.start(2), end), _SUFFIXES[match.group(1)], text.cut(end))


def _pattern_end(text: str, start: int) -> int:
    """The pattern of an include is the rest of the line, braces and all, up to a } that no { in it opened."""
    depth = 0
    for position in range(start, len(text)):
        depth += (text[position] == "{") - (text[position] == "}")
        if depth < 0:
            return position
    return len(text)


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
