"""A rule about two routers of one virtual router: a function whose docstring is its page.

A rule looks at one pair of sides. Diagnostics point at the second host's file, and with `also` at the first one's. In
the examples `a:` and `b:` are the two hosts' files; each is an instance in which only what is shown differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from hakeep.config.diagnostic import Code, Diagnostic, Severity, Verdict
from hakeep.vrrp.pair.lineup import Side

Found = Iterator[Diagnostic]


class Rule(NamedTuple):
    """`look` says what does not fit between two sides, under this code."""

    code: Code
    look: Callable[[Side, Side], Found]


def rule(code: Code) -> Callable[[Callable[[Side, Side], Found]], Rule]:
    """Makes a rule of a function."""

    def of(look: Callable[[Side, Side], Found]) -> Rule:
        return Rule(code, look)

    return of


def differ(
    code: Code, one: Side, other: Side, message: str, *keywords: str, first: str, severity: Severity = Severity.ERROR,
    note: str = "", fix: str = "",
) -> Diagnostic:
    """Something that stands otherwise in the two files; `first` says how it stands in the first one."""
    place = one.span(*keywords)
    return Diagnostic(
        code, severity, f"{other.name}: {message}", other.span(*keywords), (place, f"{one.host}: {first}") if place
        else None, note, fix, Verdict.OK)
