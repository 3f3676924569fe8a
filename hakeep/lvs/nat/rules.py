"""The nftables script, one transaction, that makes services what they should be.

nftables' own language is written, not its JSON: see `hakeep.objects.filter`. What stands here was tested with 1.0.6.
Three habits make a script work whatever it meets. What is there may be added again, and chains are emptied before they
are filled, so that nothing depends on what was there. What goes is added first, since deleting what is gone already
would fail all. And counters and the memory of clients are never emptied by a rewrite: the one would run backwards, the
other send clients elsewhere.

What takes time is what has a name, and what jumps. libnftables reads the names of all chains, sets and objects before
it changes anything, and the kernel follows all jumps from its hooks after rules have changed. So a service is one chain
without jumps (`chain`), a real server is some elements of sets that all services share, and the clients that stay are
in one set of their service.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hakeep.lvs.nat.chain import TRANSPORT, Entry, differ, memory, service_rules
from hakeep.lvs.nat.names import FAMILIES, destination_comment, service_name, timeouts_comment
from hakeep.objects.ipvs import PROTOCOLS, DestinationKey, ServiceKey, Timeouts

#: Before the usual place of address translation (-100), so that others' rules do not get there first.
PRIORITY = -105


def to_script(table: str, changes: Iterable[tuple[Entry | None, Entry | None]]) -> str:
    """The script that leads each service from what it is to what it should be (None = not there), in tables that are
    declared. Empty when there is nothing to do."""
    pairs = list(changes)
    lines: list[str] = []
    made: dict[str, list[str]] = {}
    for before, after in pairs:
        lines += _rewrite(table, before, after, made)
    lines += [f"add element {where} {{ {', '.join(elements)} }}" for where, elements in made.items()]
    for before, after in pairs:
        lines += _removal(table, before, after)
    return "".join(f"{line}\n" for line in lines)


def to_declaration(table: str, family: int) -> str:
    """The script that makes a family's table, or puts right what is in it beside services."""
    return "".join(f"{line}\n" for line in _declaration(family, table))


def to_deletion(table: str, family: int) -> str:
    """The script that deletes a family's table, whether it is there or not."""
    where = f"{FAMILIES[family]} {table}"
    return f"add table {where}\ndelete table {where}\n"


# ----------------------------------------------------------------------------------------------------------- the frame

_ADDRESS_TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}

#: Maps that lead to services, and what their keys are. Each element counts the connections that came.
DOORS = {
    "marks": "mark",
    "services": "inet_proto . {address} . inet_service",
    "addresses": "inet_proto . {address}",
}

#: Sets that say which real servers there are; comments say how much they weigh. No packet is looked up in them.
ROSTERS = {
    "servers": "inet_proto . {address} . inet_service . {address} . inet_service",
    "marked_servers": "mark . {address} . inet_service",
}

#: Sets whose elements count what passes: connections (``new``), packets that come in and that go out.
_METERS = {
    "services": (("new", "in", "out"), "inet_proto . {address} . inet_service . {address} . inet_service"),
    "addresses": (("new", "in", "out"), "inet_proto . {address} . {address}"),
    "marks": (("new", "in"), "mark . {address}"),  # nobody marks packets on their way back
}


def _declaration(family: int, table: str) -> Iterator[str]:
    where, address = f"{FAMILIES[family]} {table}", _ADDRESS_TYPES[family]
    yield f"add table {where}"
    for name, key in DOORS.items():
        yield f"add map {where} {name} {{ type {key.format(address=address)} : verdict; counter; }}"
    for name, key in ROSTERS.items():
        yield f"add set {where} {name} {{ type {key.format(address=address)}; }}"
    for kind, (ways, key) in _METERS.items():
        for way in ways:
            yield f"add set {where} {way}_{kind} {{ type {key.format(address=address)}; counter; }}"
    for name, hook in HOOKS.items():
        yield f"add chain {where} {name} {{ type {hook}; }}"
    yield f"add chain {where} ageing"  # filled by `to_timeouts`
    for name, rules in frame(family).items():
        yield from _filled(where, name, rules)


#: Chains that the kernel calls, and where.
HOOKS = {
    "prerouting": f"nat hook prerouting priority {PRIORITY}",
    "output": f"nat hook output priority {PRIORITY}",
    "arriving": "filter hook prerouting priority 0",
    "leaving": "filter hook output priority 0",
}


def frame(family: int) -> dict[str, list[str]]:
    """The chains that no single service owns, and their rules."""
    ip = FAMILIES[family]
    seen = [f"ct status dnat {jump}"
            for jump in ("jump ageing", "ct status ! confirmed jump opening", "jump traffic")]
    return {
        "dispatch": [
            f"meta l4proto {TRANSPORT} meta mark vmap @marks",
            f"meta l4proto . {ip} daddr . th dport vmap @services",
            f"meta l4proto . {ip} daddr vmap @addresses",
        ],
        "opening": list(_counted(ip, "new")),
        "traffic": [*_counted(ip, "in", "ct direction original "), *_counted(ip, "out", "ct direction reply ")],
        "prerouting": ["jump dispatch"],
        "output": ["jump dispatch"],
        "arriving": seen,
        "leaving": seen,
    }


def _counted(ip: str, way: str, condition: str = "") -> Iterator[str]:
    """The kernel knows the ports of a connection only beside a protocol, hence one rule for each. A connection is not
    confirmed before its first packet leaves the kernel: so that packet, and no repetition of it, opens it."""
    virtual, real = f"ct original {ip} daddr", f"ct reply {ip} saddr"
    for protocol in ("tcp", "udp", "sctp"):
        key = f"meta l4proto . {virtual} . ct original proto-dst . {real} . ct reply proto-src"
        yield f"meta l4proto {protocol} {condition}{key} @{way}_services return"
    yield f"{condition}meta l4proto . {virtual} . {real} @{way}_addresses return"
    if way in _METERS["marks"][0]:
        yield f"{condition}meta mark . {real} @{way}_marks"


def to_timeouts(table: str, family: int, timeouts: Timeouts) -> str:
    """The script that gives connections to services these timeouts, all of them; others keep theirs. The table must be
    declared. Connections that there are already go by the rules of all others from then on."""
    where = f"{FAMILIES[family]} {table}"
    lines = [f"flush chain {where} ageing"]
    for protocol, policy in (
        ("tcp", {"established": timeouts.tcp, "fin_wait": timeouts.tcp_fin}),
        ("udp", {"unreplied": timeouts.udp, "replied": timeouts.udp}),
    ):
        name = f"{protocol}_timeouts"
        policies = ", ".join(f"{state} : {seconds}" for state, seconds in policy.items())
        words = f"protocol {protocol}; l3proto {FAMILIES[family]}; policy = {{ {policies} }};"
        comment = timeouts_comment(**policy)
        lines += [
            f"add ct timeout {where} {name} {{ {words} }}",
            f"delete ct timeout {where} {name}",
            f"add ct timeout {where} {name} {{ {words} }}",
            f'add rule {where} ageing meta l4proto {protocol} ct timeout set "{name}" comment "{comment}"',
        ]
    return "".join(f"{line}\n" for line in lines)


# --------------------------------------------------------------------------------------------------------- one service


def _where(table: str, key: ServiceKey) -> str:
    return f"{FAMILIES[key.family]} {table}"


def _rewrite(
    table: str, before: Entry | None, after: Entry | None, made: dict[str, list[str]]
) -> Iterator[str]:
    """All of a change but what goes. Elements to add are collected in `made`, by map."""
    if after is None:
        return
    service = after.service
    where = _where(table, service.key)
    if _remembers(after) and not _remembers(before):
        yield _memory(where, service.key)
    if before is None or differ(before, after):
        yield from _filled(where, service_name(service.key), service_rules(after))
    found, wanted = (_elements(entry) for entry in _moved(before, after))
    for place, value in found.items():
        if wanted.get(place, value) != value:
            yield from _element_gone(where, place, value)
    for (set_, key), value in wanted.items():
        if found.get((set_, key)) != value:
            made.setdefault(f"{where} {set_}", []).append(f"{key}{value}")


def _removal(table: str, before: Entry | None, after: Entry | None) -> Iterator[str]:
    """What of `before` is not in `after`."""
    if before is None:
        return
    where, name = _where(table, before.service.key), service_name(before.service.key)
    found, wanted = (_elements(entry) for entry in _moved(before, after))
    if after is None:
        yield f"add chain {where} {name}"
    for place, value in found.items():
        if place not in wanted:
            yield from _element_gone(where, place, value)
    if after is None:
        yield f"flush chain {where} {name}"
        yield f"delete chain {where} {name}"
    if _remembers(before) and not _remembers(after):
        yield _memory(where, before.service.key)
        yield f"delete set {where} {name}"


def _remembers(entry: Entry | None) -> bool:
    return entry is not None and entry.service.timeout > 0


def _memory(where: str, key: ServiceKey) -> str:
    return f"add set {where} {service_name(key)} {{ {memory(key)} }}"


def _filled(where: str, name: str, rules: Iterable[str]) -> Iterator[str]:
    yield f"add chain {where} {name}"
    yield f"flush chain {where} {name}"
    yield from (f"add rule {where} {name} {rule}" for rule in rules)


# ------------------------------------------------------------------------------------------- elements of maps and sets

Place = tuple[str, str]
"""The map or set, and the key in it."""


def _elements(entry: Entry | None) -> dict[Place, str]:
    """What stands in maps and sets for this service and its destinations, and what follows each key there."""
    if entry is None:
        return {}
    found = {door(entry.service.key): f" : goto {service_name(entry.service.key)}"}
    for destination in entry.destinations:
        comment = destination_comment(destination, entry.numbers.get(destination.key, 0))
        found[_roster(destination.key)] = f' comment "{comment}"'
        found |= dict.fromkeys(meters(destination.key), "")
    return found


def door(key: ServiceKey) -> Place:
    """What leads to a service."""
    if key.fwmark:
        return "marks", str(key.fwmark)
    place = f"{PROTOCOLS[key.protocol].lower()} . {key.ip}"
    return ("services", f"{place} . {key.port}") if key.port else ("addresses", place)


def _moved(before: Entry | None, after: Entry | None) -> tuple[Entry | None, Entry | None]:
    """A change without the destinations that it leaves alone, but for those that share a meter with one of the others:
    who has hundreds must not wait for their names to be written."""
    if before is None or after is None or before.service.timeout != after.service.timeout:
        return before, after
    same = {id(each) for each in before.destinations} & {id(each) for each in after.destinations}
    moved = {each.key.ip for entry in (before, after) for each in entry.destinations if id(each) not in same}
    one, other = (
        entry._replace(destinations=tuple(each for each in entry.destinations if each.key.ip in moved))
        for entry in (before, after))
    return one, other


def _roster(key: DestinationKey) -> Place:
    service = key.service
    if service.fwmark:
        return "marked_servers", f"{service.fwmark} . {key.ip} . {key.port}"
    place = f"{PROTOCOLS[service.protocol].lower()} . {service.ip} . {service.port} . {key.ip} . {key.port}"
    return "servers", place


def meters(key: DestinationKey) -> tuple[Place, ...]:
    """Where a destination's connections are counted, its packets that come in and, if these can be told, those that go
    out."""
    kind, place = door(key.service)
    ways, _ = _METERS[kind]
    reached = f"{place} . {key.ip}" + (f" . {key.port or key.service.port}" if kind == "services" else "")
    return tuple((f"{way}_{kind}", reached) for way in ways)


def _element_gone(where: str, place: Place, value: str) -> Iterator[str]:
    set_, key = place
    yield f"add element {where} {set_} {{ {key}{value} }}"
    yield f"delete element {where} {set_} {{ {key} }}"
