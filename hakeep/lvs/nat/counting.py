"""What nftables counts, as the usage of services and destinations.

A connection is counted where it comes to its service and where it has been given to a real server, all packets where
they pass. The kernel keeps these counters as long as a service is there, or a real server is in it; whatever else
changes, they go on. A service's traffic is all that has passed through its real servers, those that are gone among
them. Rates are made of what has passed, not of what the counters say: so a counter that is made anew, or gone, is no
leap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from operator import add, sub
from types import MappingProxyType
from typing import Any, NamedTuple

from hakeep.lvs.ledger import Key
from hakeep.lvs.nat.names import FAMILIES, service_name
from hakeep.lvs.nat.rules import ROSTERS, Place, door, meters
from hakeep.objects.ipvs import PROTOCOLS, Counts, DestinationKey, ServiceKey, Table, Usage

_FAMILY_NUMBERS = {name: number for number, name in FAMILIES.items()}


class Counted(NamedTuple):
    """Packets and bytes of each element that counts, by family and place, and how many clients a service's set
    remembers, by family, name and number."""

    passed: dict[tuple[int, Place], tuple[int, int]]
    clients: Counter[tuple[int, str, int]]


def count(objects: Iterable[Mapping[str, Any]]) -> Counted:
    """From libnftables-json objects, maps and sets with their elements."""
    counted = Counted({}, Counter())
    for each in objects:
        held = each.get("set") or each.get("map")
        if not held:
            continue
        family, name, elements = _FAMILY_NUMBERS[held["family"]], held["name"], held.get("elem", ())
        if "stmt" not in held:
            if name not in ROSTERS:
                counted.clients.update((family, name, each["elem"]["val"]["concat"][-1]) for each in elements)
            continue
        for found in elements:
            element = (found[0] if "map" in each else found)["elem"]
            counter = element["counter"]
            counted.passed[family, (name, _key(name, element["val"]))] = counter["packets"], counter["bytes"]
    return counted


def _key(name: str, said: Any) -> str:
    """The key of an element as `rules` writes it. A protocol is a number where the host lacks /etc/protocols."""
    first, *rest = said["concat"] if isinstance(said, dict) else [said]
    if not name.endswith("marks") and isinstance(first, int):
        first = PROTOCOLS[first].lower()
    return " . ".join(map(str, (first, *rest)))


#: Seconds that rates are of, at least: of a moment in which one packet passed, there would be thousands a second.
WINDOW = 1.0

#: Connections, packets in and out, bytes in and out.
Sums = tuple[int, ...]
_NOTHING: Sums = (0, 0, 0, 0, 0)


class Meter:
    """Adds up what passes between two looks. Rates are those of the time since the look before, or of the last WINDOW
    when that was just now."""

    def __init__(self) -> None:
        self._seen: dict[Key, Sums] = {}  # by the counters, when we last looked
        self._traffic: dict[ServiceKey, Sums] = {}
        self._passed: dict[Key, Sums] = {}  # since the window began
        self._rates: dict[Key, Sums] = {}
        self._began: float | None = None

    def usage(
        self, table: Table, counted: Counted, now: float, numbers: Mapping[DestinationKey, int] = MappingProxyType({})
    ) -> dict[Key, Usage]:
        """The usage of all that is in the table; `now` in seconds, `numbers` those under which clients are remembered.
        The first time there are no rates. How many connections are open is not known."""
        seen: dict[Key, Sums] = {key: _service_sums(key, counted) for key in table.services}
        seen |= {key: _destination_sums(key, counted) for key in table.destinations}
        grown = {key: _grown(self._seen.get(key, _NOTHING), sums) for key, sums in seen.items()}
        for key in table.destinations:
            _, *passed = grown[key]
            grown[key.service] = _sum(grown[key.service], (0, *passed))
        self._traffic = {key: _sum(self._traffic.get(key, _NOTHING), grown[key]) for key in table.services}
        self._seen = seen
        self._rate(grown, now)
        clients = counted.clients
        found: dict[Key, Usage] = {
            key: Usage(None, None, 0, self._counts(key, sums)) for key, sums in self._traffic.items()}
        for key in table.destinations:
            remembered = clients[key.service.family, service_name(key.service), numbers.get(key, 0)]
            found[key] = Usage(None, None, remembered, self._counts(key, seen[key]))
        return found

    def _counts(self, key: Key, sums: Sums) -> Counts:
        return Counts(*sums, *self._rates.get(key, _NOTHING))

    def _rate(self, grown: dict[Key, Sums], now: float) -> None:
        if self._began is None:
            self._began = now
            return
        self._passed = {key: _sum(self._passed.get(key, _NOTHING), sums) for key, sums in grown.items()}
        window = now - self._began
        if window >= WINDOW:
            self._rates = {key: tuple(round(each / window) for each in sums) for key, sums in self._passed.items()}
            self._passed, self._began = {}, now


def _destination_sums(key: DestinationKey, counted: Counted) -> Sums:
    # What several have in common, being one server on several ports of a mark, is the first one's.
    passed = [counted.passed.pop((key.service.family, place), (0, 0)) for place in meters(key)]
    new, inward, outward = (*passed, (0, 0))[:3]
    return new[0], inward[0], outward[0], inward[1], outward[1]


def _service_sums(key: ServiceKey, counted: Counted) -> Sums:
    """Connections only: packets are those of its destinations."""
    return (counted.passed.get((key.family, door(key)), (0, 0))[0], 0, 0, 0, 0)


def _grown(before: Sums, now: Sums) -> Sums:
    """What has passed between two looks. Counters run forwards: those that do not were made anew meanwhile."""
    grown = tuple(map(sub, now, before))
    return now if min(grown) < 0 else grown


def _sum(one: Sums, other: Sums) -> Sums:
    return tuple(map(add, one, other))
