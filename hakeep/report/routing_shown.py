"""Routes, rules and static addresses as status shows them: whether the kernel has them, and if not, why not.

Their texts are the same until the next reload, and are written once: see `report.routers.Lines`.
"""

from __future__ import annotations

from collections.abc import Iterable

from hakeep.config.settled import VirtualAddress
from hakeep.config.settled_routes import RouteEntry, Static, StaticAddress
from hakeep.report.address_text import address_text
from hakeep.report.routing_text import route_text, rule_text
from hakeep.report.snapshot import RoutingSnapshot
from hakeep.vrrp.routing import Entry, Key, Routing, thing_of

#: One thing: its key, then how it is shown without and with the kernel having it.
Shown = tuple[Key, RoutingSnapshot, RoutingSnapshot]


def written(entries: Iterable[Entry]) -> tuple[Shown, ...]:
    """The texts of these."""
    found = []
    for entry in entries:
        kind, text = _text(entry)
        absent, there = (RoutingSnapshot(kind, text, present) for present in (False, True))
        found.append((thing_of(entry).key, absent, there))
    return tuple(found)


def written_static(static: Static | None) -> tuple[Shown, ...]:
    """The texts of all that is static."""
    return written((*static.addresses, *static.routes, *static.rules)) if static is not None else ()


def standing(shown: Iterable[Shown], routing: Routing) -> tuple[RoutingSnapshot, ...]:
    """How they are now."""
    found = []
    for key, absent, there in shown:
        here = there if key in routing.have or key in routing.lent else absent
        why = routing.trouble(key)
        found.append(RoutingSnapshot(here.kind, here.text, here.present, why) if why else here)
    return tuple(found)


def _text(entry: Entry) -> tuple[str, str]:
    if isinstance(entry, StaticAddress):
        address = VirtualAddress(entry.address, track=entry.track or bool(entry.group))
        return "address", address_text(address, entry.address.interface)
    return ("route", route_text(entry)) if isinstance(entry, RouteEntry) else ("rule", rule_text(entry))
