"""Routes and rules: what keepalived reports when it puts one together."""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.config.diagnostic import Code, Findings, Verdict
from hakeep.config.keywords.static import Config
from hakeep.config.schema import Section
from hakeep.config.span import Span
from hakeep.config.values.options import Pairs


def check_routing(config: Config, findings: Findings) -> None:
    """Static and virtual routes and rules."""
    for route, span in _entries(config, "routes"):
        names = dict(route)
        if "dev" not in names and "no_track" not in names:
            findings.warning(
                Code.INCOMPLETE, f"the route to {names.get('to', 'nowhere')} has no dev, so it is not watched", span,
                fix="add dev IFNAME, or no_track", verdict=Verdict.WARNING)
        if "to" not in names:
            findings.error(Code.INCOMPLETE, "this route has no destination", span)
    for rule, span in _entries(config, "rules"):
        if "preference" not in dict(rule):
            findings.error(Code.INCOMPLETE, "this rule has no preference", span, fix="add preference N",
                           note="it gets the next free one below 16384")


def _entries(config: Config, kind: str) -> Iterator[tuple[Pairs, Span | None]]:
    owners: list[tuple[Section, str]] = [(config, f"static_{kind}")]
    owners += [(instance, f"virtual_{kind}") for instance in config.vrrp_instance]
    for section, keyword in owners:
        for index, entry in enumerate(getattr(section, keyword)):
            yield entry, section.span(keyword, index)
