"""A bound configuration as text of the classic form, the one with braces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from hakeep.config.forms.layout import INDENT
from hakeep.config.forms.written import Given, Remarked, Remarks, Row, given, name_of, with_remarks
from hakeep.config.keywords.static import ROOT, Config
from hakeep.config.lexer import BLANKS, braces, without_comment
from hakeep.config.line import Line
from hakeep.config.schema import Block, Entries, Keyword, Section


def render(config: Config, remarks: Remarks | None = None) -> str:
    """The text that `config` is read from. Raises ValueError if it holds what this form cannot say.

    Definitions, includes and conditions are not made again: they went when it was read.
    """
    items = [
        (line.order if line else each.order, each.keyword, value, line)
        for each in given(config, ROOT) for value, line in _single(each)
    ]
    items.sort(key=lambda item: item[0])
    rows: list[Row] = []
    for _, keyword, value, line in items:
        block = isinstance(keyword.value, Block | Entries)
        if rows and (block or rows[-1].text == "}"):
            rows.append(Row(0, ""))
        rows += _keyword(keyword, value, line, 0)
    return "".join(f"{text}\n" for text in with_remarks(rows, remarks or Remarks(), INDENT))


def _single(each: Given) -> Iterable[tuple[Any, Line | None]]:
    """What gets lines of its own: every value, or a list as a whole."""
    if isinstance(each.keyword.value, Entries):
        return [((each.values, each.lines), each.lines[0] if each.lines else None)]
    return zip(each.values, each.lines, strict=True)


def _keyword(keyword: Keyword, value: Any, line: Line | None, depth: int) -> Iterator[Row]:
    if isinstance(keyword.value, Entries):
        entry = keyword.value.entry
        first = value[1][0] if value[1] else None
        yield Row(depth, f"{keyword.name} {{", first, heads=True)
        for item, place in zip(*value, strict=True):
            yield Row(depth + 1, entry.render(item), place)
        yield Row(depth, "}")
    elif isinstance(keyword.value, Block):
        yield from _block(keyword, keyword.value, value, line, depth)
    else:
        yield Row(depth, f"{keyword.name} {keyword.value.render(value)}".rstrip(" "), line)


def _block(keyword: Keyword, block: Block, section: Section, line: Line | None, depth: int) -> Iterator[Row]:
    yield Row(depth, " ".join(filter(None, (keyword.name, name_of(section, block), "{"))), line)
    if block.entries:
        places = section.places.get("entries", ())
        for index, item in enumerate(dict(section.given()).get("entries", ())):
            yield Row(depth + 1, block.entries.render(item), places[index] if index < len(places) else None)
    else:
        for each in given(section, block):
            for value, place in _single(each):
                yield from _keyword(each.keyword, value, place, depth + 1)
    yield Row(depth, "}")


def comments(text: str) -> Iterator[Remarked]:
    """The lines of such a text with their comments."""
    depth = 0
    for raw in text.removeprefix("\ufeff").split("\n"):
        line = raw.strip(BLANKS)
        kept = without_comment(line)
        signs = [kept[position] for position in braces(kept)]
        closed = signs.count("}") if kept.startswith("}") else 0
        depth = max(0, depth - closed)
        comment = line[len(kept) :].strip(BLANKS)
        yield Remarked(depth, kept, comment and (comment.lstrip("#!").strip(BLANKS) or " "))
        depth = max(0, depth + signs.count("{") - signs.count("}") + closed)
