"""A manual page as data, and its two looks: mdoc(7) for man, and plain text where there is no man.

Text is plain, but for `backquotes` around words that are to be set as keywords. `chapter` makes elements of text that
a person wrote: paragraphs are separated by empty lines, and what is indented by four blanks is shown as it is.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True)
class Section:
    """A heading."""

    title: str


@dataclass(frozen=True, slots=True)
class Subsection:
    """A heading below a section's."""

    title: str


@dataclass(frozen=True, slots=True)
class Para:
    """A paragraph, on one line."""

    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """Lines that are shown as they are."""

    text: str


@dataclass(frozen=True, slots=True)
class Item:
    """A keyword or option with what may follow it, and its explanation. A row of items is a list."""

    term: str
    rest: str
    body: tuple[Para | Code, ...]


Element = Section | Subsection | Para | Code | Item


@dataclass(frozen=True, slots=True)
class Page:
    """A manual page: `purpose` is the line of NAME, `usage` those of SYNOPSIS."""

    name: str
    section: int
    purpose: str
    usage: tuple[str, ...]
    body: tuple[Element, ...]
    see: tuple[tuple[str, int], ...] = ()


def chapter(text: str) -> Iterator[Para | Code]:
    """Elements of a text that a person wrote."""
    for shown, pieces in groupby(text.strip("\n").split("\n\n"), lambda piece: piece.startswith("    ")):
        if shown:
            yield Code(textwrap.dedent("\n\n".join(pieces)).rstrip())
        else:
            yield from (Para(" ".join(piece.split())) for piece in pieces if piece.strip())


# ------------------------------------------------------------------------------------------------------------- plain


def plain(page: Page, width: int = 80) -> str:
    """The page as text of that many columns."""
    usage: list[Element] = [Section("SYNOPSIS"), *(Code(line) for line in page.usage)] if page.usage else []
    body: list[Element] = [Section("NAME"), Para(f"{page.name} - {page.purpose}"), *usage, *page.body]
    if page.see:
        body += [Section("SEE ALSO"), Para(", ".join(f"{name}({number})" for name, number in page.see))]
    title = f"{page.name.upper()}({page.section})"
    return f"{title}{title.rjust(max(width - len(title), len(title) + 1))}\n\n" + plain_elements(body, width)


def plain_elements(elements: Iterable[Element], width: int = 80, margin: int = 4) -> str:
    """Elements as text; paragraphs are indented by `margin`."""
    lines: list[str] = []
    for element in elements:
        match element:
            case Section():
                lines += [element.title, ""]
            case Subsection():
                lines += [f"{' ' * (margin // 2)}{element.title}", ""]
            case Item():
                lines += [*_wrapped(f"{element.term} {element.rest}".rstrip(), width, margin, margin + 8)]
                for part in element.body:
                    lines += [*_plain_part(part, width, margin + 4), ""]
                if not element.body:
                    lines.append("")
            case _:
                lines += [*_plain_part(element, width, margin), ""]
    return "\n".join(lines).rstrip() + "\n"


def _plain_part(part: Para | Code, width: int, margin: int) -> list[str]:
    if isinstance(part, Code):
        return [f"{' ' * (margin + 4)}{line}".rstrip() for line in part.text.splitlines()]
    return _wrapped(part.text.replace("`", ""), width, margin, margin)


def _wrapped(text: str, width: int, first: int, others: int) -> list[str]:
    return textwrap.wrap(text, max(width, others + 20), initial_indent=" " * first, subsequent_indent=" " * others,
                         break_on_hyphens=False, break_long_words=False)


# -------------------------------------------------------------------------------------------------------------- mdoc

#: Bytes of a line of source, two less than mandoc finds too long: a line may have to begin with an escape.
_LONGEST = 78


def mdoc(page: Page, date: str) -> str:
    """The page as mdoc(7) source. `date` is that of the last change, as in ``November 21, 2026``."""
    lines = [
        '.\\" Generated from the schema: python -m hakeep.cli.manual --write conf', f".Dd {date}",
        f".Dt {page.name.upper()} {page.section}", ".Os", ".Sh NAME", f".Nm {page.name}", f".Nd {page.purpose}",
    ]
    if page.usage:
        lines.append(".Sh SYNOPSIS")
        lines += _usage(page)
    in_list = False
    fresh = True  # right after a heading, where a paragraph needs no break
    for element in page.body:
        if isinstance(element, Item) != in_list:
            lines.append(".El" if in_list else ".Bl -tag -width Ds")
            in_list = not in_list
        if isinstance(element, Item):
            lines += _mdoc_item(element)
        elif isinstance(element, Section | Subsection):
            macro = "Sh" if isinstance(element, Section) else "Ss"
            lines.append(f".{macro} {_argument_words(element.title)}")
        else:
            lines += _mdoc_part(element, fresh=fresh)
        fresh = isinstance(element, Section | Subsection)
    if in_list:
        lines.append(".El")
    if page.see:
        lines.append(".Sh SEE ALSO")
        lines += [f".Xr {name} {number}{' ,' if index + 1 < len(page.see) else ''}"
                  for index, (name, number) in enumerate(page.see)]
    return "\n".join(lines) + "\n"


def _usage(page: Page) -> Iterator[str]:
    for index, line in enumerate(page.usage):
        if index:
            yield ".Pp"
        head, _, rest = line.partition(" ")
        if head == page.name:
            yield ".Nm" if not rest else f".Nm {page.name}"
        else:
            yield f".Pa {head}"
        if rest:
            yield f".Ar {_argument(rest)}"


def _mdoc_item(item: Item) -> Iterator[str]:
    yield f".It Ic {_argument(item.term)}" + (f" Ar {_argument(item.rest)}" if item.rest else "")
    for index, part in enumerate(item.body):
        yield from _mdoc_part(part, fresh=not index)


def _mdoc_part(part: Para | Code, *, fresh: bool) -> Iterator[str]:
    if isinstance(part, Code):
        lines = part.text.splitlines()
        if len(lines) == 1:
            yield f".Dl {_argument_words(lines[0])}"
            return
        yield ".Bd -literal -offset indent"
        yield from (_safe(line) for line in lines)
        yield ".Ed"
        return
    if not fresh:
        yield ".Pp"
    for sentence in re.split(r"(?<=[.!?:;]) (?=[A-Z`(])", part.text):
        marked = re.sub(r"`([^`]*)`", r"\\fB\1\\fP", _unescaped(sentence))
        for line in textwrap.wrap(marked, _LONGEST, break_on_hyphens=False, break_long_words=False):
            yield _no_request(line)


def _safe(line: str) -> str:
    """A text line that says what it says: no escapes, no requests."""
    return _no_request(_unescaped(line))


def _unescaped(text: str) -> str:
    return text.replace("\\", "\\e")


def _no_request(line: str) -> str:
    return f"\\&{line}" if line[:1] in (".", "'") else line


def _argument(text: str) -> str:
    """One argument of a macro, quoted."""
    return '"' + text.replace("\\", "\\e").replace('"', '""') + '"'


def _argument_words(text: str) -> str:
    """All that follows a macro which takes a whole line; words that would be macros themselves are made harmless."""
    words = []
    for word in text.replace("\\", "\\e").replace('"', "\\(dq").split(" "):
        words.append(f"\\&{word}" if re.fullmatch(r"[A-Z][a-z]|[A-Z]", word) or word in _PUNCTUATION else word)
    return " ".join(words)


#: Single characters that mdoc takes for punctuation when they stand alone in a macro's line.
_PUNCTUATION = frozenset("|()[].,:;?!")
