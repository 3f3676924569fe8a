"""What nftables counts, as the usage of services and destinations.

The first packet of a connection is counted where it is given to a real server, all packets where they pass. A service's
traffic is that of the real servers it has, so it shrinks when one is removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from hakeep.lvs.ledger import Key
from hakeep.lvs.nat.names import FAMILIES, destination_name, service_name
from hakeep.objects.ipvs import Counts, Table, Usage

_FAMILY_NUMBERS = {name: number for number, name in FAMILIES.items()}


class Counted(NamedTuple):
    """By family and name: packets and bytes of counters, and how many clients a set remembers."""

    counters: dict[tuple[int, str], tuple[int, int]]
    clients: dict[tuple[int, str], int]


def count(objects: Iterable[Mapping[str, Any]]) -> Counted:
    """From libnftables-json objects, sets with their elements."""
    counted = Counted({}, {})
    for each in objects:
        if counter := each.get("counter"):
            place = _FAMILY_NUMBERS[counter["family"]], counter["name"]
            counted.counters[place] = counter["packets"], counter["bytes"]
        elif held := each.get("set"):
            counted.clients[_FAMILY_NUMBERS[held["family"]], held["name"]] = len(held.get("elem", ()))
    return counted


class Meter:
    """Makes rates of what is counted now and what was counted before."""

    def __init__(self) -> None:
        self._before: dict[Key, Counts] = {}
        self._then = 0.0

    def usage(self, table: Table, counted: Counted, now: float) -> dict[Key, Usage]:
        """The usage of all that is in the table; `now` in seconds. The first time there are no rates."""
        found: dict[Key, Usage] = {}
        traffic = dict.fromkeys(table.services, (0, 0, 0, 0))
        for key in table.destinations:
            family, name = key.service.family, destination_name(key)
            inward = counted.counters.get((family, f"{name}.in"), (0, 0))
            outward = counted.counters.get((family, f"{name}.out"), (0, 0))
            own = (inward[0], outward[0], inward[1], outward[1])
            a, b, c, d = traffic[key.service]
            traffic[key.service] = a + own[0], b + own[1], c + own[2], d + own[3]
            connections = counted.counters.get((family, f"{name}.new"), (0, 0))[0]
            found[key] = Usage(persistent=counted.clients.get((family, name), 0), counts=Counts(connections, *own))
        for service, sums in traffic.items():
            connections = counted.counters.get((service.family, f"{service_name(service)}.new"), (0, 0))[0]
            found[service] = Usage(counts=Counts(connections, *sums))
        rated = {key: usage._replace(counts=self._rated(key, usage.counts, now)) for key, usage in found.items()}
        self._before, self._then = {key: usage.counts for key, usage in rated.items()}, now
        return rated

    def _rated(self, key: Key, counts: Counts, now: float) -> Counts:
        before, passed = self._before.get(key), now - self._then
        if before is None or passed <= 0:
            return counts
        rates = (max(0, round((new - old) / passed)) for new, old in zip(counts[:5], before[:5], strict=True))
        return Counts(*counts[:5], *rates)
