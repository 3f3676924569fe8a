"""What hakeep does not do, read off the schema's marks: one warning for each such thing. None is an error: the file is
right, the lack is ours."""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.config.diagnostic import Code, Diagnostic, Severity, Verdict
from hakeep.config.keywords.static import ROOT, Config
from hakeep.config.schema import Block, Entries, Keyword, Section, Support
from hakeep.config.span import Span

#: Settling tells of these, as keepalived does; once is enough.
_TOLD = ("vrrp_iptables", "vrrp_ipsets")


def unsupported(config: Config) -> list[Diagnostic]:
    """A warning for each thing that is not done, at the first keyword that asks for it."""
    ignored: dict[str, list[tuple[str, Span | None]]] = {}
    for keyword, section in sorted(_used(config, ROOT), key=lambda use: use[1].order(use[0].field, 0)):
        span = section.span(keyword.field, 0)
        ignored.setdefault(keyword.instead, []).append((keyword.name, span))
    return [
        Diagnostic(Code.IGNORED, Severity.WARNING, f"{_names(uses)}: {instead}", uses[0][1], verdict=Verdict.OK)
        for instead, uses in ignored.items()
    ]


def _names(uses: list[tuple[str, Span | None]]) -> str:
    names = list(dict.fromkeys(name for name, _ in uses))
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def _used(section: Section, block: Block) -> Iterator[tuple[Keyword, Section]]:
    """Keywords with a mark that are in use, outermost first. What stands in a marked block is not looked at."""
    for field, value in section.given():
        keyword = block.fields.get(field)
        if keyword is None or value is None or keyword.name in _TOLD:
            continue
        if value == () and isinstance(keyword.value, Block | Entries):
            continue
        if keyword.support is not Support.FULL:
            yield keyword, section
        elif isinstance(keyword.value, Block):
            for inner in value if isinstance(value, tuple) else (value,):
                yield from _used(inner, keyword.value)
