"""The nftables script, one transaction, that makes services what they should be.

nftables' own language is written, not its JSON: see `hakeep.objects.filter`. What stands here was tested with 1.0.6.
Three habits make a script work whatever it meets. What is there may be added again, and chains are emptied before they
are filled, so that nothing depends on what was there. What goes is added first, since deleting what is gone already
would fail all. And counters and the memory of clients are never emptied by a rewrite: the one would run backwards, the
other send clients elsewhere.

A map that is used with ``numgen`` or ``jhash`` must be as long as the modulus, which stands in the rule. So it stands
in the rule as well, and both change in one transaction: no connection ever finds a service without its servers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from hakeep.lvs.nat.names import (
    FAMILIES,
    destination_comment,
    destination_name,
    service_comment,
    service_name,
    timeouts_comment,
)
from hakeep.lvs.nat.spread import HASHED, by_hash, round_robin, weighted
from hakeep.objects.ipvs import PROTOCOLS, SCHED2, Destination, DestinationKey, Service, ServiceKey, Timeouts, whole

#: Before the usual place of address translation (-100), so that others' rules do not get there first.
PRIORITY = -105

#: So many clients of one real server are remembered at once.
CLIENTS_MAX = 1 << 20

#: The same everywhere: another director must choose as we do.
_SEED = 0x68616B65


class Entry(NamedTuple):
    """One service with its destinations, in order."""

    service: Service
    destinations: tuple[Destination, ...]


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
_TRANSPORT = "{ tcp, udp, sctp }"


def _declaration(family: int, table: str) -> Iterator[str]:
    where, address = f"{FAMILIES[family]} {table}", _ADDRESS_TYPES[family]
    yield f"add table {where}"
    yield f"add map {where} marks {{ type mark : verdict; }}"
    yield f"add map {where} services {{ type inet_proto . {address} . inet_service : verdict; }}"
    yield f"add map {where} addresses {{ type inet_proto . {address} : verdict; }}"
    for way in ("in", "out"):
        key = f"inet_proto . {address} . inet_service . {address} . inet_service"
        yield f"add set {where} {way}_services {{ type {key}; counter; }}"
        yield f"add set {where} {way}_addresses {{ type inet_proto . {address} . {address}; counter; }}"
    yield f"add set {where} in_marks {{ type mark . {address}; counter; }}"
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
    seen = ["ct status dnat jump ageing", "ct status dnat jump traffic"]
    return {
        "dispatch": [
            f"meta l4proto {_TRANSPORT} meta mark vmap @marks",
            f"meta l4proto . {ip} daddr . th dport vmap @services",
            f"meta l4proto . {ip} daddr vmap @addresses",
        ],
        "traffic": list(_traffic(ip)),
        "prerouting": ["jump dispatch"],
        "output": ["jump dispatch"],
        "arriving": seen,
        "leaving": seen,
    }


def _traffic(ip: str) -> Iterator[str]:
    """The kernel knows the ports of a connection only beside a protocol, hence one rule for each. A packet of a marked
    service is counted on its way in only: on its way back nobody marks it. The sets count for each of their elements:
    named counters would be read anew by libnftables before every change, which took most of its time."""
    virtual, real = f"ct original {ip} daddr", f"ct reply {ip} saddr"
    for way, direction in (("in", "original"), ("out", "reply")):
        counted = f"ct direction {direction}"
        for protocol in ("tcp", "udp", "sctp"):
            key = f"meta l4proto . {virtual} . ct original proto-dst . {real} . ct reply proto-src"
            yield f"meta l4proto {protocol} {counted} {key} @{way}_services return"
        yield f"{counted} meta l4proto . {virtual} . {real} @{way}_addresses return"
    yield f"ct direction original meta mark . {real} @in_marks"


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
    where, name = _where(table, service.key), service_name(service.key)
    present = _chains(before)
    if before is None:
        yield f"add counter {where} {name}.new"
    for destination in after.destinations:
        own = destination_name(destination.key)
        rules = _destination_rules(service, destination)
        if present.get(own) != rules:
            yield from _objects(where, own, service)
            yield from _filled(where, own, rules)
        if service.timeout and destination.weight == 0:
            yield f"flush set {where} {own}"  # its clients are at home elsewhere from now on
    yield from _filled(where, name, _service_rules(after))
    found, wanted = _elements(before), _elements(after)
    for place, value in found.items():
        if wanted.get(place, value) != value:
            yield from _element_gone(where, place, value)
    for (map_, key), value in wanted.items():
        if found.get((map_, key)) != value:
            made.setdefault(f"{where} {map_}", []).append(_element(key, value))


def _removal(table: str, before: Entry | None, after: Entry | None) -> Iterator[str]:
    """What of `before` is not in `after`."""
    if before is None:
        return
    where, name = _where(table, before.service.key), service_name(before.service.key)
    wanted, stay = _elements(after), _chains(after)
    going = [own for own in _chains(before) if own not in stay]
    if after is None:
        yield from (f"add {kind} {where} {name}{suffix}" for kind, suffix in (("chain", ""), ("counter", ".new")))
    for own in going:
        yield from _objects(where, own, before.service)
        yield f"add chain {where} {own}"
    for place, value in _elements(before).items():
        if place not in wanted:
            yield from _element_gone(where, place, value)
    if after is None:
        yield f"flush chain {where} {name}"
        yield f"delete chain {where} {name}"
        yield f"delete counter {where} {name}.new"
    for own in going:
        yield f"flush chain {where} {own}"
        yield f"delete chain {where} {own}"
        if before.service.timeout:
            yield f"delete set {where} {own}"
        yield f"delete counter {where} {own}.new"
    if after is not None and before.service.timeout and not after.service.timeout:
        yield from (f"delete set {where} {own}" for own in stay if own in _chains(before))


def chains(entry: Entry) -> dict[str, list[str]]:
    """All chains of a service, its own last, and their rules."""
    return {**_chains(entry), service_name(entry.service.key): list(_service_rules(entry))}


def _chains(entry: Entry | None) -> dict[str, list[str]]:
    """The chain of each destination, and its rules."""
    if entry is None:
        return {}
    return {destination_name(each.key): _destination_rules(entry.service, each) for each in entry.destinations}


def _objects(where: str, own: str, service: Service) -> Iterator[str]:
    """What a destination's chain stands on."""
    yield f"add counter {where} {own}.new"
    if service.timeout:
        yield (f"add set {where} {own} {{ type {_ADDRESS_TYPES[service.key.family]}; flags dynamic,timeout; "
               f"size {CLIENTS_MAX}; }}")


def _filled(where: str, name: str, rules: Iterable[str]) -> Iterator[str]:
    yield f"add chain {where} {name}"
    yield f"flush chain {where} {name}"
    yield from (f"add rule {where} {name} {rule}" for rule in rules)


def _service_rules(entry: Entry) -> Iterator[str]:
    service, name = entry.service, service_name(entry.service.key)
    yield f'counter name {name}.new comment "{service_comment(service)}"'
    names = [destination_name(each.key) for each in entry.destinations]
    weights = [each.weight for each in entry.destinations]
    if service.timeout:
        client = _client(service)
        yield from (f"{client} @{own} goto {own}" for own, weight in zip(names, weights, strict=True) if weight)
    slots = _slots(service, names, weights)
    if len(set(slots)) > 1:
        elements = ", ".join(f"{at} : goto {names[slot]}" for at, slot in enumerate(slots))
        yield f"{_number(service, len(slots))} vmap {{ {elements} }}"
    elif slots:
        yield f"goto {names[slots[0]]}"
    else:
        yield "reject"  # with port unreachable, as IPVS does; else whoever listens here would answer


def _slots(service: Service, names: list[str], weights: list[int]) -> tuple[int, ...]:
    if service.scheduler == "sh":
        return by_hash(names, weights)
    return (weighted if service.scheduler == "wrr" else round_robin)(weights)


def _number(service: Service, slots: int) -> str:
    """The number of a new connection that chooses its slot."""
    if service.scheduler != "sh":
        return f"numgen inc mod {slots}"
    source = f"{FAMILIES[service.key.family]} saddr"
    asked = f"{source} . th sport" if service.flags & SCHED2 else source
    return f"jhash {asked} mod {HASHED} seed {_SEED:#x}"


def _client(service: Service) -> str:
    """What counts of a client's address."""
    family, bits = service.key.family, whole(service.key.family)
    source = f"{FAMILIES[family]} saddr"
    if service.prefix >= bits:
        return source
    mask = (1 << bits) - (1 << bits - service.prefix)
    return f"{source} & {_text(mask, family)}"


def _text(number: int, family: int) -> str:
    """A number as an address."""
    if family == 4:
        return ".".join(str(part) for part in number.to_bytes(4, "big"))
    return ":".join(f"{number >> shift & 0xFFFF:x}" for shift in range(112, -1, -16))


def _destination_rules(service: Service, destination: Destination) -> list[str]:
    own, ip, port = destination_name(destination.key), destination.key.ip, destination.key.port
    rules = []
    if service.timeout:
        rules.append(f"update @{own} {{ {_client(service)} timeout {service.timeout}s }}")
    rules.append(f"counter name {own}.new")
    protocol = _TRANSPORT if service.key.fwmark else PROTOCOLS[service.key.protocol].lower()
    to = str(ip) if not port else f"{ip}:{port}" if ip.version == 4 else f"[{ip}]:{port}"
    rules.append(f'meta l4proto {protocol} dnat to {to} comment "{destination_comment(destination)}"')
    return rules


# ------------------------------------------------------------------------------------------- elements of maps and sets

_Place = tuple[str, str]  # the map or set, the key in it


def _elements(entry: Entry | None) -> Mapping[_Place, str]:
    """What stands in maps for this service, its own chain, and in the sets that count its destinations' packets."""
    if entry is None:
        return {}
    key = entry.service.key
    name = service_name(key)
    protocol = "" if key.fwmark else PROTOCOLS[key.protocol].lower()
    found: dict[_Place, str] = {}
    if key.fwmark:
        found["marks", str(key.fwmark)] = f"goto {name}"
    elif key.port:
        found["services", f"{protocol} . {key.ip} . {key.port}"] = f"goto {name}"
    else:
        found["addresses", f"{protocol} . {key.ip}"] = f"goto {name}"
    for destination in entry.destinations:
        found |= dict.fromkeys(traffic(destination.key), "")
    return found


def traffic(key: DestinationKey) -> tuple[_Place, ...]:
    """Where a destination's packets are counted: those that come in, then those that go out, if these can be told."""
    service = key.service
    if service.fwmark:
        return (("in_marks", f"{service.fwmark} . {key.ip}"),)
    protocol = PROTOCOLS[service.protocol].lower()
    if service.port:
        kind, place = "services", f"{protocol} . {service.ip} . {service.port} . {key.ip} . {key.port or service.port}"
    else:
        kind, place = "addresses", f"{protocol} . {service.ip} . {key.ip}"
    return (f"in_{kind}", place), (f"out_{kind}", place)


def _element(key: str, value: str) -> str:
    """Of a map, or of a set."""
    return f"{key} : {value}" if value else key


def _element_gone(where: str, place: _Place, value: str) -> Iterator[str]:
    map_, key = place
    yield f"add element {where} {map_} {{ {_element(key, value)} }}"
    yield f"delete element {where} {map_} {{ {key} }}"
