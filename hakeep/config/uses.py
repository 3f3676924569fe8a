"""What looks like the use of a definition but stays as it is written, and what to say about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from hakeep.config.definitions import Definitions
from hakeep.config.diagnostic import Code, Diagnostic, Severity, Verdict
from hakeep.config.span import Span
from hakeep.config.text import Text

_BLANK_BEFORE_SIGN = re.compile(r"\$\w+[ \t]+=")


class Unused(NamedTuple):
    """A use that is none: as it is written, where, whether it has bare braces (which keepalived takes for those of a
    block), and what to say."""

    use: str
    span: Span
    in_braces: bool
    diagnostic: Diagnostic


def unused(text: Text, definitions: Definitions) -> Iterator[Unused]:
    """Those in a text whose definitions have been put in."""
    for use, span, in_braces in definitions.undefined(text):
        if _BLANK_BEFORE_SIGN.match(text.text):
            continue  # a definition is meant; binding tells it as an unknown keyword
        if in_braces:
            diagnostic = Diagnostic(
                Code.UNDEFINED, Severity.ERROR, f"{use} is not defined", span,
                note="keepalived takes its braces for a block's")
        else:
            diagnostic = Diagnostic(
                Code.UNDEFINED, Severity.NOTE, f"{use} is not defined here, so it stays as it is written", span,
                verdict=Verdict.OK)
        yield Unused(use, span, in_braces, diagnostic)
    for name, span in definitions.stuck(text):
        yield Unused(name, span, False, Diagnostic(
            Code.UNDEFINED, Severity.WARNING, f"${name} stays as it is written, because of what follows it", span,
            note="only the end of the line, a blank, a comma or ) may follow a name without braces",
            fix=f"write ${{{name}}}", verdict=Verdict.OK))
