"""The keywords as a table: for programs, for the list of what is not acted on, and for the README."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hakeep.config.advice import walk
from hakeep.config.forms.man import left_out, old_name, what_instead
from hakeep.config.keywords.static import ROOT
from hakeep.config.schema import Block, Keyword, Support
from hakeep.config.values.value import Plain


class Row(NamedTuple):
    """A keyword and the path of the block that it stands in ("" = outside all blocks)."""

    path: str
    keyword: Keyword


def rows(block: str = "") -> list[Row]:
    """All keywords but old spellings, or those of the blocks called `block`."""
    found: dict[str, list[Row]] = {}
    for path, keyword in walk(ROOT):
        if not keyword.preferred and not old_name(path) and (not block or block in path.split("/")):
            found.setdefault(path, []).append(Row(path, keyword))
    return [row for rows in found.values() for row in rows]


def not_acted_on() -> list[Row]:
    """Keywords that hakeep knows and does not act on. Of a block that is not acted on, only the block."""
    marked = [row for row in rows() if row.keyword.support is not Support.FULL]
    blocks = {f"{row.path}/{row.keyword.name}" for row in marked}
    return [row for row in marked if not any(f"{row.path}/".startswith(f"{block}/") for block in blocks)]


def as_plain(row: Row) -> Plain:
    """A row as data."""
    keyword = row.keyword
    marked = left_out(row.path) or keyword
    return {
        "block": row.path.lstrip("/"), "name": keyword.name, "syntax": keyword.synopsis, "meaning": keyword.doc,
        "default": keyword.default, "required": keyword.required, "since": keyword.since, "hakeep_only": keyword.own,
        "reload": str(keyword.reload), "process": str(keyword.process), "example": keyword.example,
        "old_spellings": [name.rstrip("!") for name in keyword.old], "support": marked.support.name.lower(),
        "instead": marked.instead,
    }


def markdown() -> str:
    """What is not acted on, as a table for the README: keywords with the same consequence share a row."""
    lines = ["| where | keyword | what happens instead |", "|---|---|---|"]
    for (where, instead), names in _grouped(not_acted_on()).items():
        lines.append(f"| {where} | {', '.join(f'`{name}`' for name in names)} | {instead} |")
    return "\n".join(lines) + "\n"


def _grouped(some: list[Row]) -> dict[tuple[str, str], list[str]]:
    groups: dict[tuple[str, str], list[str]] = {}
    for row in some:
        groups.setdefault((_where(row.path), _instead(row.keyword)), []).append(row.keyword.name)
    return groups


def _where(path: str) -> str:
    return path.lstrip("/").replace("/", " / ") or "outside all blocks"


def _instead(keyword: Keyword) -> str:
    return what_instead(keyword).removeprefix("Not acted on: ")


def listing(some: list[Row], *, instead: bool = False) -> Iterator[str]:
    """Lines for people: a heading for each block, then its keywords with what they mean, or what happens instead."""
    last = None
    for path, keyword in some:
        if path != last:
            yield f"{_where(path)}:"
            last = path
        name = f"{keyword.name} {{ }}" if isinstance(keyword.value, Block) else keyword.name
        yield f"  {name:<36} {_instead(keyword) if instead else keyword.doc}"
