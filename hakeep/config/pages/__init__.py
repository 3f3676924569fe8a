"""What `hakeep explain` says about each kind of diagnostic: why it matters, a configuration that has it, and the cure.

A rule's page is its docstring. What is noticed on the way to the rules, in reading, binding and settling, has its pages
in the modules beside this one, in the same form:

    The title, on one line

    Why it matters, in paragraphs.

    Example::

        a configuration that has it

    Cure::

        the same, put right

Lines of an example that begin with ``$`` are commands for a shell: some mistakes are in no text. A test reads all
examples and cures and holds the code to them. Nothing but the tools imports this package.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from inspect import cleandoc

from hakeep.config.diagnostic import Code
from hakeep.config.pages.blocks import BLOCKS
from hakeep.config.pages.conduct import CONDUCT
from hakeep.config.pages.instances import INSTANCES
from hakeep.config.pages.reading import READING
from hakeep.config.pages.values import VALUES
from hakeep.config.rules import RULES


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `why` holds paragraphs without line breaks of their own, `example` and `cure` are configurations."""

    code: Code
    title: str
    why: tuple[str, ...]
    example: str
    cure: str

    def render(self, width: int = 100) -> str:
        """The page as text of at most `width` columns, but for examples."""
        parts = [f"{self.code.value}: {self.title}", *(textwrap.fill(part, width) for part in self.why),
                 "Example:", textwrap.indent(self.example, "    "), "Cure:", textwrap.indent(self.cure, "    ")]
        return "\n\n".join(parts)


def parse_page(code: Code, text: str) -> Page:
    """The page that `text` (a docstring of the form above) is. Raises ValueError if it is not of that form."""
    title, _, rest = cleandoc(text).partition("\n")
    why, found, rest = rest.partition("\nExample::\n")
    example, found_cure, cure = rest.partition("\nCure::\n")
    page = Page(code, title, tuple(" ".join(part.split()) for part in why.strip().split("\n\n")),
                textwrap.dedent(example).strip("\n"), textwrap.dedent(cure).strip("\n"))
    if not (found and found_cure and page.why[0] and page.example and page.cure):
        raise ValueError(f"the page of {code.value} lacks a part")
    return page


def pages() -> dict[Code, Page]:
    """Every page of this package and of the rules, in the order of their codes."""
    texts = {code: each.look.__doc__ or "" for code, each in RULES.items()}
    texts |= READING | BLOCKS | VALUES | INSTANCES | CONDUCT
    return {code: parse_page(code, texts[code]) for code in sorted(texts)}
