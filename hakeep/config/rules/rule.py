"""What a rule is: one function that looks at a whole configuration for one kind of trouble.

    @rule(Code.PEER_IS_SELF)
    def own_address_as_peer(view: View) -> Iterator[Found]:
        '''A unicast peer that is this router itself

        Why it matters, in a few sentences.

        Example::

            (a configuration that has it)

        Cure::

            (the same, put right)
        '''

The docstring is the page that `hakeep explain` prints; a test reads example and cure and holds the rule to them. A rule
says what it found with `error`, `warning` or `advice`; its code is added by the registry. Rules change nothing, and
they know nothing of one another. Advice that keepalived does not give has `Verdict.OK` and leaves the status of ``-t``
alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from hakeep.config.diagnostic import Code, Diagnostic, Severity, Verdict
from hakeep.config.rules.view import View
from hakeep.config.span import Span


class Found(NamedTuple):
    """A diagnostic that still lacks its code. See `Diagnostic` for the parts."""

    severity: Severity
    message: str
    span: Span | None
    also: tuple[Span, str] | None = None
    note: str = ""
    fix: str = ""
    verdict: Verdict = Verdict.OK
    stops: bool = False


Look = Callable[[View], Iterator[Found]]


class Rule(NamedTuple):
    """One rule: its code and its function, whose docstring is its page."""

    code: Code
    look: Look

    def findings(self, view: View) -> Iterator[Diagnostic]:
        """What it finds in a configuration."""
        for found in self.look(view):
            yield Diagnostic(self.code, *found)


#: Every rule by its code, in the order in which they were registered.
RULES: dict[Code, Rule] = {}


def rule(code: Code) -> Callable[[Look], Look]:
    """Register a function as the rule with this code. A code has one rule."""

    def register(look: Look) -> Look:
        assert code not in RULES, f"{code} has a rule already"
        RULES[code] = Rule(code, look)
        return look

    return register


def error(
    message: str, span: Span | None, *, also: tuple[Span | None, str] | None = None, note: str = "", fix: str = "",
    verdict: Verdict = Verdict.GENERAL, stops: bool = False,
) -> Found:
    """A mistake; by default keepalived reports it too. `stops`: a daemon must not start on it."""
    return Found(Severity.ERROR, message, span, _second(also), note, fix, verdict, stops)


def warning(
    message: str, span: Span | None, *, also: tuple[Span | None, str] | None = None, note: str = "", fix: str = "",
    verdict: Verdict = Verdict.OK,
) -> Found:
    """Something that is probably not meant; by default keepalived says nothing."""
    return Found(Severity.WARNING, message, span, _second(also), note, fix, verdict)


def advice(
    message: str, span: Span | None, *, also: tuple[Span | None, str] | None = None, note: str = "", fix: str = "",
) -> Found:
    """Something good to know."""
    return Found(Severity.NOTE, message, span, _second(also), note, fix)


def _second(also: tuple[Span | None, str] | None) -> tuple[Span, str] | None:
    """The second place, if it is known where it was written."""
    return (also[0], also[1]) if also and also[0] else None
