"""One mistake, one message, where two steps find the same words wrong.

A name that is not defined is found by reading, and the value that it spoils by binding or settling. What is said of a
use with braces is enough, as keepalived takes its braces for those of a block and never sees the value. Of a plain
$NAME the value is what keepalived complains about, and that the name is not defined is why. And of a tracker that is
left out because it is given twice nobody need know what is wrong with its further words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hakeep.config.diagnostic import Code, Diagnostic, Severity
from hakeep.config.span import Span


def once(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics, each mistake told once."""
    names = [d for d in diagnostics if d.code is Code.UNDEFINED and d.span]
    twice = [d for d in diagnostics if d.code is Code.TRACKED_TWICE and d.span]
    if not names and not twice:
        return diagnostics
    values: dict[tuple[str, int], list[Diagnostic]] = {}
    for diagnostic in diagnostics:
        if diagnostic.span and diagnostic.severity is Severity.ERROR and diagnostic.code not in _FIRST:
            values.setdefault((diagnostic.span.file, diagnostic.span.line), []).append(diagnostic)
    instead: dict[int, Diagnostic | None] = {}
    for left_out in twice:
        assert left_out.span
        for value in values.get((left_out.span.file, left_out.span.line), ()):
            if value.code in _OF_A_WORD:
                instead[id(value)] = None
    for name in names:
        assert name.span
        spoilt = [d for d in values.get((name.span.file, name.span.line), ()) if d.span and _within(name.span, d.span)]
        if spoilt:
            instead |= _merged(name, spoilt)
    return [kept for d in diagnostics if (kept := instead.get(id(d), d))]


#: What is known to be the cause, and so is no echo of anything.
_FIRST = frozenset({Code.UNDEFINED, Code.TRACKED_TWICE})
_OF_A_WORD = frozenset({Code.BAD_NUMBER, Code.OUT_OF_RANGE, Code.BAD_WORD, Code.BAD_ENTRY, Code.UNKNOWN_OPTION})


def _merged(name: Diagnostic, spoilt: Iterable[Diagnostic]) -> dict[int, Diagnostic | None]:
    """What stands for each of these, by its identity: nothing (None), or itself with what is known of the other."""
    if name.severity is Severity.ERROR:
        stops = name.stops or any(d.stops for d in spoilt)
        return {id(name): replace(name, stops=stops), **{id(d): None for d in spoilt}}
    why = {id(d): replace(d, note="\n".join(filter(None, [name.message, d.note]))) for d in spoilt}
    return {id(name): None, **why}


def _within(inner: Span, outer: Span) -> bool:
    """Whether one place, of two in one line, is in the other."""
    return outer.column <= inner.column and inner.column + inner.length <= outer.column + outer.length
