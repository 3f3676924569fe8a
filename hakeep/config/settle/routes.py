"""Routes, rules and static addresses, from the words of iproute2 to what the kernel can hold.

An entry that cannot be understood is left out, with an error; so is one whose names nobody knows. Without a host that
knows its names nothing is said of them, but such an entry cannot run either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from hakeep.config.diagnostic import Code, Findings, Verdict
from hakeep.config.host import Host
from hakeep.config.keywords.global_defs import GlobalDefs
from hakeep.config.keywords.static import Config
from hakeep.config.schema import Section
from hakeep.config.settle.addresses import address_of
from hakeep.config.settle.names import UnknownName
from hakeep.config.settle.route_words import Nowhere, Unsettled, route_of
from hakeep.config.settle.rule_words import rule_of
from hakeep.config.settled import VrrpInstance
from hakeep.config.settled_routes import RouteEntry, RuleEntry, Static, StaticAddress
from hakeep.config.settled_track import Track
from hakeep.config.values.options import Pairs

#: Rules without a preference get the next one below, the first of each family this one.
FIRST_PREFERENCE = 16384

E = TypeVar("E", RouteEntry, RuleEntry)
Place = tuple[Section, str, int]


def settle_routing(
    config: Config, instances: tuple[VrrpInstance, ...], host: Host, findings: Findings
) -> tuple[tuple[VrrpInstance, ...], Static | None]:
    """The instances with their routes and rules, and what is static, None when nothing is."""
    routes = _settled(config, "routes", findings, lambda pairs, _: _route(pairs, host))
    preferences = dict(_preferences(config))
    rules = _settled(config, "rules", findings, lambda pairs, place: _rule(pairs, preferences.get(place, 0), host))
    addresses = tuple(
        StaticAddress(address_of(entry, entry.dev or (config.global_defs or GlobalDefs()).default_interface or "eth0"),
                      not entry.no_track, entry.track_group)
        for entry in config.static_ipaddress)
    named = {a.group for a in addresses} | {r.group for r in routes[""]} | {r.group for r in rules[""]}
    groups = _groups(config, named)
    moving = tuple(
        replace(instance, routes=routes[instance.name], rules=rules[instance.name], tracks=(
            *instance.tracks, *(Track("group", group) for group, members in groups if instance.name in members)))
        for instance in instances)
    static = Static(addresses, routes[""], rules[""], groups)
    return moving, static if addresses or routes[""] or rules[""] else None


def _groups(config: Config, named: set[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The track_groups that something names."""
    return tuple((group.name, tuple(group.get("group", ()))) for group in config.track_group if group.name in named)


def _places(config: Config, kind: str) -> Iterator[tuple[str, Place]]:
    """Every entry of routes or rules: whose it is, and where it stands."""
    owners: list[tuple[Section, str]] = [(config, f"static_{kind}")]
    owners += [(instance, f"virtual_{kind}") for instance in config.vrrp_instance]
    for section, keyword in owners:
        name = "" if section is config else section.name
        yield from ((name, (section, keyword, index)) for index in range(len(getattr(section, keyword))))


def _settled(
    config: Config, kind: str, findings: Findings, settle: Callable[[Pairs, tuple[int, str, int]], E]
) -> dict[str, tuple[E, ...]]:
    """All entries of a kind that can run, by the instance that they belong to; "" has the static ones."""
    found: dict[str, list[E]] = {"": [], **{instance.name: [] for instance in config.vrrp_instance}}
    for owner, (section, keyword, index) in _places(config, kind):
        span = section.span(keyword, index)
        try:
            found[owner].append(settle(getattr(section, keyword)[index], (id(section), keyword, index)))
        except Nowhere:
            pass  # that it has no destination is told by a rule
        except UnknownName as unknown:
            if unknown.told and unknown.file != "rt_tables":  # of tables a rule tells
                findings.error(Code.BAD_ENTRY, f"nobody knows the name {unknown.name}", span, verdict=Verdict.OK,
                               fix=f"write its number, or put it into {unknown.path}")
        except Unsettled as problem:
            findings.error(Code.BAD_ENTRY, str(problem), span, note="the entry is left out", verdict=Verdict.OK)
    return {owner: tuple(entries) for owner, entries in found.items()}


def _route(pairs: Pairs, host: Host) -> RouteEntry:
    words = dict(pairs)
    return RouteEntry(route_of(pairs, host), "no_track" not in words, words.get("track_group", ""))


def _rule(pairs: Pairs, preference: int, host: Host) -> RuleEntry:
    words = dict(pairs)
    return RuleEntry(rule_of(pairs, preference, host), "no_track" not in words, words.get("track_group", ""))


def _preferences(config: Config) -> Iterator[tuple[tuple[int, str, int], int]]:
    """What rules without a preference get, as keepalived does it: counted down in the order of the file."""
    lacking = [place for _, place in _places(config, "rules") if "preference" not in dict(_entry(place))]
    left = {4: FIRST_PREFERENCE, 6: FIRST_PREFERENCE}
    for section, keyword, index in sorted(lacking, key=lambda place: place[0].order(place[1], place[2])):
        family = 6 if _is_six(_entry((section, keyword, index))) else 4
        yield (id(section), keyword, index), left[family]
        left[family] -= 1


def _entry(place: Place) -> Pairs:
    section, keyword, index = place
    pairs: Pairs = getattr(section, keyword)[index]
    return pairs


def _is_six(pairs: Pairs) -> bool:
    words = dict(pairs)
    return "inet6" in words or any(":" in words.get(name, "") for name in ("from", "to"))
