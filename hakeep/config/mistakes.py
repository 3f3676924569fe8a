"""What is wrong with a line that is bound: for each mistake the diagnostic that tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hakeep.config.cures import VALUES
from hakeep.config.diagnostic import Code, Diagnostic, Severity, Verdict
from hakeep.config.line import Line
from hakeep.config.schema import Block, Entries, Keyword, Missing
from hakeep.config.tree import Node
from hakeep.config.values.value import Complaint, Value


def complained(
    complaint: Complaint, line: Line, shift: int, keyword: Keyword, value: Value[Any], *, stops: bool = False
) -> Diagnostic:
    """What a value complains of, whose words stand behind `shift` others."""
    span = line.span(complaint.word + shift, shell=value.shell)
    entry = isinstance(keyword.value, Entries) or value is getattr(keyword.value, "entries", None)
    usage = f"{keyword.name} entry: {value.synopsis}" if entry else synopsis(keyword)
    about = "" if complaint.message.startswith(keyword.name) else f"{keyword.name}: "
    return Diagnostic(
        complaint.code, complaint.severity, about + complaint.message, span,
        note="\n".join(filter(None, [complaint.note, usage])),
        fix=complaint.fix or VALUES.get(" ".join(line.words), ""), verdict=complaint.verdict, stops=stops)


def deprecated(keyword: Keyword, line: Line) -> Diagnostic:
    """An old spelling, or a keyword that should not be used any more."""
    reported = keyword.warns or bool(keyword.obsolete)
    message = f"{keyword.name} is the old spelling of {keyword.preferred}"
    return Diagnostic(
        Code.DEPRECATED, Severity.WARNING if reported else Severity.NOTE,
        f"{keyword.name} should not be used any more" if keyword.obsolete else message, line.span(0),
        fix=keyword.obsolete or f"write {keyword.preferred}", verdict=Verdict.DEPRECATED if reported else Verdict.OK)


def missing(keyword: Keyword, line: Line) -> Diagnostic:
    """A keyword without the word that it needs."""
    fatal = keyword.missing is Missing.FATAL
    return Diagnostic(
        Code.MISSING_PARAMETER, Severity.ERROR, f"{keyword.name} needs a word after it", line.span(),
        note=synopsis(keyword), verdict=Verdict.MISSING_PARAMETER if fatal else Verdict.GENERAL, stops=fatal)


def no_brace(keyword: Keyword, node: Node) -> Diagnostic:
    """A block without its brace."""
    words = node.line.words
    named = isinstance(keyword.value, Block) and keyword.value.name
    note = "it is taken for an empty one" if node.children is None else "keepalived takes it for an empty one"
    return Diagnostic(
        Code.MISSING_BRACE, Severity.ERROR, f"{keyword.name} needs a block in braces", node.line.span(), note=note,
        fix=f"write {' '.join(words)} {{ ... }}" if named else
        f"write {keyword.name} {{ {' '.join(words[1:]) or '...'} }}",
        verdict=Verdict.BRACES, stops=not node.children and _vital_when_empty(keyword))


def _vital_when_empty(keyword: Keyword) -> bool:
    """Whether nothing starts when the block is taken for an empty one (or for what follows it)."""
    if isinstance(keyword.value, Block):
        return any(child.vital and child.required for child in keyword.value.children)
    return keyword.vital


def extra_words(keyword: Keyword, line: Line, words: Sequence[str]) -> Diagnostic:
    """Words before the brace of a block that has no name."""
    listed = isinstance(keyword.value, Entries)  # of other blocks keepalived says nothing
    return Diagnostic(
        Code.EXTRA_WORDS, Severity.ERROR if listed else Severity.WARNING,
        f"{keyword.name} takes no words before its '{{'", line.span(1), note=f"ignored: {' '.join(words)}",
        verdict=Verdict.GENERAL if listed else Verdict.OK)


def open_quote(line: Line, *, fatal: bool = False) -> Diagnostic:
    """A double quote that nothing ends."""
    return Diagnostic(
        Code.QUOTE, Severity.ERROR, "a quote is not terminated; the rest of the line is ignored",
        line.span_from(line.open_quote), verdict=Verdict.MISSING_PARAMETER if fatal else Verdict.QUOTE, stops=fatal)


def odd_quotes(line: Line) -> Diagnostic:
    """Quotes that are well for a command, but that keepalived counts."""
    return Diagnostic(
        Code.QUOTE, Severity.WARNING, "an odd number of double quotes, which keepalived refuses", line.span(),
        verdict=Verdict.QUOTE, fix=r'write \x22 for a double quote inside quotes')


def unfilled(line: Line, mark: tuple[int, int], *, stops: bool) -> Diagnostic:
    """A template's mark."""
    return Diagnostic(
        Code.UNDEFINED, Severity.ERROR, "this mark of a template was not filled in", line.span_from(*mark),
        note="the line is left out", fix="have the template's tool write the file",
        verdict=Verdict.MISSING_PARAMETER if stops else Verdict.BRACES, stops=stops)


def synopsis(keyword: Keyword) -> str:
    """How the keyword is used, for a note."""
    return f"usage: {keyword.synopsis}"
