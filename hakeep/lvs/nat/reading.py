"""Back from nftables to services: what libnftables lists, checked against what we would have written.

Names and comments say what a chain is, and the roster which real servers belong to it. That it still does what they
say, since anybody may have laid hands on it, is seen by where its rules lead: to which chains and sets, in which order,
to which addresses. How nft words them is not compared, for that differs between its versions. Where a service or any
of its real servers is not as it should be, all of it is *broken*: then it is to be made anew. A table of an earlier
hakeep, which was laid out in another way, is *foreign* as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from operator import itemgetter
from typing import Any

from hakeep.lvs.nat.chain import Entry, in_order, service_rules
from hakeep.lvs.nat.names import number, parse_destination, parse_name, parse_service, service_name, words
from hakeep.lvs.nat.rules import DOORS, HOOKS, ROSTERS, frame
from hakeep.objects.ipvs import Destination, Service, ServiceKey, Timeouts


@dataclass(slots=True)
class Reading:
    """What a family's table holds. Without a sound `frame` no service works; a `foreign` table cannot be put right, and
    nothing of it is told."""

    frame: bool = False
    foreign: bool = False
    sound: list[Entry] = field(default_factory=list)
    broken: list[Entry] = field(default_factory=list)


def details(objects: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """What `read` must have with its elements, of these objects: such as ``map services``."""
    for each in objects:
        for kind, names in (("map", DOORS), ("set", ROSTERS)):
            if each.get(kind, {}).get("name") in names:
                yield f"{kind} {each[kind]['name']}"


def read(family: int, objects: Iterable[Mapping[str, Any]]) -> Reading:
    """A table of libnftables-json objects, its `details` among them."""
    rules: dict[str, list[Mapping[str, Any]]] = {}
    hooks: dict[str, str] = {}
    reached: set[str] = set()
    enlisted: dict[ServiceKey, _Numbers] = {}
    rosters = set()
    for each in objects:
        if chain := each.get("chain"):
            rules.setdefault(chain["name"], [])
            hooks[chain["name"]] = f"{chain.get('type')} hook {chain.get('hook')} priority {chain.get('prio')}"
        elif rule := each.get("rule"):
            rules.setdefault(rule["chain"], []).append(rule)
        elif (map_ := each.get("map")) and map_["name"] in DOORS:
            reached.update(_leads(map_.get("elem", ())))
        elif (set_ := each.get("set")) and set_["name"] in ROSTERS:
            rosters.add(set_["name"])
            for found, given in _enlisted(family, set_):
                enlisted.setdefault(found.key.service, {})[found] = given
    if rosters != set(ROSTERS):
        return Reading(foreign=bool(rules or reached))
    reading = Reading(all(hooks.get(name) == hook for name, hook in HOOKS.items()) and _agree(rules, frame(family)))
    for entry in _entries(family, rules, enlisted):
        name = service_name(entry.service.key)
        whole = reading.frame and name in reached and _agree(rules, {name: service_rules(entry)})
        (reading.sound if whole else reading.broken).append(entry)
    return reading


_Numbers = dict[Destination, int]
"""The destinations of a service, and under which number each remembers clients, 0 = under none."""


def _enlisted(family: int, roster: Mapping[str, Any]) -> Iterator[tuple[Destination, int]]:
    """The real servers on a roster, and their numbers. An entry that does not say what its server weighs is none."""
    for each in roster.get("elem", ()):
        element = each.get("elem", {})
        comment = element.get("comment", "")
        if comment and (found := parse_destination(element["val"]["concat"], comment, family)):
            yield found, number(comment, "number")


def timeouts(objects: Iterable[Mapping[str, Any]], otherwise: Timeouts) -> Timeouts:
    """The timeouts that a table of libnftables-json objects sets, `otherwise` where it sets none."""
    said: dict[str, str] = {}
    for each in objects:
        rule = each.get("rule", {})
        if rule.get("chain") == "ageing":
            said |= words(rule.get("comment", ""))
    found = zip((said.get(name, "") for name in ("established", "fin_wait", "replied")), otherwise, strict=True)
    return Timeouts(*(int(seconds) if seconds.isdecimal() else usual for seconds, usual in found))


def _entries(
    family: int, rules: Mapping[str, Sequence[Mapping[str, Any]]], enlisted: dict[ServiceKey, _Numbers]
) -> Iterator[Entry]:
    """The services that have a chain, then those of which there are only real servers left. Where nothing says what
    they are, they may have clients that stay."""
    for name, held in rules.items():
        if key := parse_name(name, family):
            comment = next((rule["comment"] for rule in held if "comment" in rule), "")
            service = parse_service(key, comment) or Service(key, timeout=1)
            yield _entry(service, enlisted.pop(key, {}), number(comment, "given"))
    for key, left in enlisted.items():
        yield _entry(Service(key, timeout=1), left)


def _entry(service: Service, enlisted: _Numbers, given: int = 0) -> Entry:
    destinations = in_order(enlisted)
    return Entry(service, destinations, {each.key: enlisted[each] for each in destinations if enlisted[each]}, given)


def _agree(rules: Mapping[str, Sequence[Mapping[str, Any]]], wanted: Mapping[str, Sequence[str]]) -> bool:
    """Whether these chains lead where they should."""
    return all(
        [tuple(_leads(rule["expr"])) for rule in rules.get(name, ())] == [tuple(_said(text)) for text in texts]
        for name, texts in wanted.items()
    )


_WORDS = re.compile(
    r"(?:goto|jump) (\S+)|(@\S+)|timeout (\d+)s|\b(reject)\b|mod 1 offset (\d+)"
    r"|mod (\d+)(?: seed \w+)?(?: (?:\{ )?(\d[\d, ]*))?"
    r"|(?:dnat to|(\d+) :) (?:\[(\S+)\]|(\d+(?:\.\d+){3}|[\da-f:.]+))(?:(?::| \. )(\d+))?"
)


def _said(rule: str) -> Iterator[str]:
    """Where a rule as we write it leads."""
    for chain, set_, timeout, reject, constant, modulus, numbers, slot, *place in _WORDS.findall(rule):
        if slot:
            yield slot
        bracketed, address, port = place
        if bracketed or address:
            yield _place(bracketed or address, port)
        else:
            yield chain or set_ or timeout or reject or constant or modulus
            yield from numbers.replace(",", " ").split()


def _leads(said: Any) -> Iterator[str]:
    """The same of a rule (or of the elements of a map) as libnftables lists it."""
    match said:
        case list():
            for each in said:
                yield from _leads(each)
        case {"match": {"left": left, "right": right}}:
            numbers = list(_modulus(left))
            yield from numbers
            if isinstance(right, str) and right.startswith("@"):
                yield right
            elif numbers:
                yield from map(str, sorted(right["set"] if isinstance(right, dict) else [right]))
        case {"set": {"set": name, "elem": {"elem": {"val": value, "timeout": timeout}}}}:
            yield name
            yield from _modulus(value)
            yield str(timeout)
        case {"vmap": {"data": str(name)}}:
            yield name
        case {"goto": {"target": chain}} | {"jump": {"target": chain}}:
            yield chain
        case {"dnat": {"addr": {"map": {"key": key, "data": {"set": slots}}}}}:
            yield from _modulus(key)
            for slot, place in sorted(slots, key=itemgetter(0)):
                yield str(slot)
                yield _place(*place["concat"]) if isinstance(place, dict) else _place(place)
        case {"dnat": {"addr": str(address)}}:
            yield _place(address, said["dnat"].get("port", ""))
        case {"reject": _}:
            yield "reject"


def _modulus(said: Any) -> Iterator[str]:
    """That of the number of a connection, if it is one; or the constant in what is looked up."""
    match said:
        case {"concat": [_, {"numgen": {"mod": 1, "offset": constant}}]}:
            yield str(constant)
        case {"numgen": {"mod": modulus}} | {"jhash": {"mod": modulus}}:
            yield str(modulus)


def _place(address: str, port: str | int = "") -> str:
    return f"{ip_address(address)} {port}"
