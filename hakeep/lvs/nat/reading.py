"""Back from nftables to services: what libnftables lists, checked against what we would have written.

Names and comments say what a chain is. That it still does what they say, since anybody may have laid hands on it, is
seen by where its rules lead: to which chains, in which order, to which addresses. How nft words them is not compared,
for that differs between its versions. Where a service or any of its real servers is not as it should be, all of it is
*broken*: then it is to be made anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from hakeep.lvs.nat.names import parse, parse_name, service_name, words
from hakeep.lvs.nat.rules import HOOKS, Entry, chains, frame
from hakeep.objects.ipvs import Destination, Service, ServiceKey, Timeouts

#: Maps whose elements lead to services.
_DOORS = ("marks", "services", "addresses")


@dataclass(slots=True)
class Reading:
    """What a family's table holds. Without a sound `frame` no service works."""

    frame: bool = False
    sound: list[Entry] = field(default_factory=list)
    broken: list[Entry] = field(default_factory=list)


def doors(family: int, objects: Iterable[Mapping[str, Any]]) -> set[str]:
    """The maps that lead to the services among these objects: `read` must have them with their elements."""
    found = set()
    for each in objects:
        key = parse_name(each["chain"]["name"], family) if "chain" in each else None
        if isinstance(key, ServiceKey):
            found.add("marks" if key.fwmark else "services" if key.port else "addresses")
    return found


def read(family: int, objects: Iterable[Mapping[str, Any]]) -> Reading:
    """A table of libnftables-json objects, its `doors` among them."""
    rules: dict[str, list[Mapping[str, Any]]] = {}
    hooks: dict[str, str] = {}
    reached: set[str] = set()
    for each in objects:
        if chain := each.get("chain"):
            rules.setdefault(chain["name"], [])
            hooks[chain["name"]] = f"{chain.get('type')} hook {chain.get('hook')} priority {chain.get('prio')}"
        elif rule := each.get("rule"):
            rules.setdefault(rule["chain"], []).append(rule)
        elif (map_ := each.get("map")) and map_["name"] in _DOORS:
            reached.update(_leads(map_.get("elem", ())))
    reading = Reading(all(hooks.get(name) == hook for name, hook in HOOKS.items()) and _agree(rules, frame(family)))
    for entry in _entries(family, rules):
        whole = reading.frame and service_name(entry.service.key) in reached and _agree(rules, chains(entry))
        (reading.sound if whole else reading.broken).append(entry)
    return reading


def timeouts(objects: Iterable[Mapping[str, Any]], otherwise: Timeouts) -> Timeouts:
    """The timeouts that a table of libnftables-json objects sets, `otherwise` where it sets none."""
    said: dict[str, str] = {}
    for each in objects:
        rule = each.get("rule", {})
        if rule.get("chain") == "ageing":
            said |= words(rule.get("comment", ""))
    found = zip((said.get(name, "") for name in ("established", "fin_wait", "replied")), otherwise, strict=True)
    return Timeouts(*(int(seconds) if seconds.isdecimal() else usual for seconds, usual in found))


def _entries(family: int, rules: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Entry]:
    services: dict[ServiceKey, Service] = {}
    destinations: dict[ServiceKey, list[Destination]] = {}
    for name, held in rules.items():
        comment = next((rule["comment"] for rule in held if "comment" in rule), "")
        found = parse(name, comment, family)
        if isinstance(found, Service):
            services[found.key] = found
        elif found is not None:
            destinations.setdefault(found.key.service, []).append(found)
    return (Entry(service, tuple(destinations.get(key, ()))) for key, service in services.items())


def _agree(rules: Mapping[str, Sequence[Mapping[str, Any]]], wanted: Mapping[str, Sequence[str]]) -> bool:
    """Whether these chains lead where they should."""
    return all(
        [tuple(_leads(rule["expr"])) for rule in rules.get(name, ())] == [tuple(_said(text)) for text in texts]
        for name, texts in wanted.items()
    )


_WORDS = re.compile(
    r"(?:goto|jump) ([^ ,}]+)|dnat to (?:\[(\S+)\]|([^ :]+|\S+))(?::(\d+))?(?= )|(@(?:in|out)_\w+)|mod (\d+)"
    r"|timeout (\d+)s|\b(reject)\b"
)


def _said(rule: str) -> Iterator[str]:
    """Where a rule as we write it leads."""
    for chain, bracketed, address, port, map_, modulus, timeout, reject in _WORDS.findall(rule):
        yield chain or map_ or modulus or timeout or reject or _place(bracketed or address, port)


def _leads(expression: Any) -> Iterator[str]:
    """The same of a rule (or of the elements of a map) as libnftables lists it."""
    if isinstance(expression, list):
        for each in expression:
            yield from _leads(each)
    elif isinstance(expression, dict):
        for key, value in expression.items():
            if key in ("target", "mod", "timeout") or (
                key == "right" and str(value).startswith(("@in_", "@out_"))
            ):
                yield str(value)
            elif key == "dnat":
                yield _place(value["addr"], value.get("port", ""))
            elif key == "reject":
                yield key
            elif key == "set" and isinstance(value, list):
                yield from _leads(sorted(value, key=_slot))
            else:
                yield from _leads(value)


def _slot(element: Any) -> tuple[int, str]:
    """The order of an anonymous set's elements, whatever order they are listed in."""
    slot = element[0] if isinstance(element, list) else element
    return (slot, "") if isinstance(slot, int) else (0, str(slot))


def _place(address: str, port: str | int) -> str:
    return f"{ip_address(address)} {port}"
