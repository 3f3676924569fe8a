"""The difference between what is only kept: keywords that hakeep reads but does not act on, as they are written.

A default written out is no difference here either, as far as the keyword's own words say what the default is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hakeep.config.difference.change import Change, Effect
from hakeep.config.forms.written import name_of
from hakeep.config.keywords.static import ROOT, Config
from hakeep.config.schema import Block, Entries, Keyword, Plain, Repeat, Section, Support
from hakeep.config.values.numbers import Flag, OptBool
from hakeep.config.values.value import Invalid, Value

#: Blocks of which settings hold all that hakeep acts on; of those only the rest is compared here.
_SETTLED = ("global_defs", "vrrp_instance", "garp_group")
_SETTLED_WHOLE = (
    "virtual_server", "virtual_server_group", "SSL", "vrrp_sync_group", "vrrp_script", "vrrp_track_process",
    "track_file", "interface_up_down_delays", "linkbeat_interfaces", "bfd_instance")
_ABSENT = object()


def kept_changes(old: Config, new: Config) -> Iterator[Change]:
    """The differences, block by block."""
    for keyword in ROOT.fields.values():
        one, other = (getattr(each, keyword.field) for each in (old, new))
        if keyword.name in _SETTLED_WHOLE:
            continue
        if isinstance(keyword.value, Block) and keyword.name in _SETTLED:
            yield from _within(keyword, keyword.value, one, other)
        elif isinstance(keyword.value, Block):
            yield from _blocks(keyword, keyword.value, one, other)
        elif isinstance(keyword.value, Entries) or keyword.support is not Support.FULL:
            yield from _changed("", keyword, _said(keyword, one), _said(keyword, other))


def _within(keyword: Keyword, block: Block, old: Any, new: Any) -> Iterator[Change]:
    """What hakeep does not act on in blocks that both sides have."""
    sides = [{section.name: section for section in _sections(keyword, each)} for each in (old, new)]
    names = {**sides[0], **sides[1]} if keyword.repeat is not Repeat.ADD else sides[0].keys() & sides[1].keys()
    for name in sorted(names):
        given = [dict(side[name].given()) if name in side else {} for side in sides]
        for child in block.fields.values():
            if child.support is not Support.FULL:
                one, other = (_said(child, each.get(child.field, _ABSENT)) for each in given)
                yield from _changed(f"{keyword.name} {name}".rstrip(), child, one, other)


def _blocks(keyword: Keyword, block: Block, old: Any, new: Any) -> Iterator[Change]:
    """Blocks that are kept as a whole."""
    sides = []
    for each in (old, new):
        named: dict[str, list[str]] = {}
        for section in _sections(keyword, each):
            named.setdefault(name_of(section, block), []).extend(_lines(section, block))
        sides.append(named)
    for name in {**sides[0], **sides[1]}:
        where = f"{keyword.name} {name}".rstrip()
        one, other = (side.get(name) for side in sides)
        if one is None or other is None:
            yield Change(where, "", None if one is None else "", None if other is None else "", Effect.NOTHING)
            continue
        yield from (Change(where, "", line, None, Effect.NOTHING) for line in one if line not in other)
        yield from (Change(where, "", None, line, Effect.NOTHING) for line in other if line not in one)


def _sections(keyword: Keyword, value: Any) -> tuple[Section, ...]:
    return () if value is None else value if keyword.repeat is Repeat.ADD else (value,)


def _changed(where: str, keyword: Keyword, old: list[str], new: list[str]) -> Iterator[Change]:
    if len(old) == len(new) == 1 and old != new and not isinstance(keyword.value, Entries):
        yield Change(where, keyword.name, old[0], new[0], Effect.NOTHING)
        return
    yield from (Change(where, keyword.name, line, None, Effect.NOTHING) for line in old if line not in new)
    yield from (Change(where, keyword.name, None, line, Effect.NOTHING) for line in new if line not in old)


def _lines(section: Section, block: Block) -> Iterator[str]:
    """What a block says, a keyword a line; what stands in blocks within it has their heads before it."""
    if block.entries:
        yield from (block.entries.render(item) for item in dict(section.given()).get("entries", ()))
        return
    for field, value in section.given():
        keyword = block.fields.get(field)
        if keyword is None or (field == "name" and not isinstance(section, Plain)):
            continue
        if not isinstance(keyword.value, Block):
            yield from (f"{keyword.name} {said}".rstrip() for said in _said(keyword, value))
            continue
        for inner in _sections(keyword, value):
            head = f"{keyword.name} {name_of(inner, keyword.value)}".rstrip()
            yield head
            yield from (f"{head}: {line}" for line in _lines(inner, keyword.value))


def _said(keyword: Keyword, value: Any) -> list[str]:
    """The values of a keyword as they are written; [] where there is none but the default."""
    if value is _ABSENT or value is None or _is_default(keyword, value):
        return []
    kind = keyword.value
    assert not isinstance(kind, Block)
    several = isinstance(kind, Entries) or keyword.repeat is Repeat.ADD
    entry = kind.entry if isinstance(kind, Entries) else kind
    return [entry.render(item) or "on" for item in (value if several else (value,))]


def _is_default(keyword: Keyword, value: Any) -> bool:
    kind = keyword.value
    if isinstance(kind, Flag | OptBool):
        return value is False and keyword.default in ("off", "false")
    if not isinstance(kind, Value) or not keyword.default:
        return False
    try:
        return bool(kind.read(keyword.default) == value)
    except Invalid:
        return False
