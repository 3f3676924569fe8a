"""The marks of big groups: one service instead of thousands, and the nftables table that marks its packets.

Every address of a virtual_server_group is a service of the kernel's, in which all real servers stand: twenty addresses
and fifty servers are a thousand destinations, and a server's death is twenty changes. With `nftables_ipvs` a group is
one service by firewall mark for each family and protocol, and a table with two maps gives the mark to the packets for
its addresses. An address that comes or goes is then one element, and connections to the others go on.

The packets get their mark where IPVS looks next: in the input hook, so that the mark changes nothing about routes, and
for the host's own clients in the output hook. Where NAT by nftables takes the place of IPVS, it looks in the
prerouting hook and at a priority of its own, and we must look before it.

An address without a port stands for all of its ports, and one with a port counts for more, as in IPVS. IPVS looks for
marks first: a virtual server of its own at one port of a group's address would get nothing where the group has the
address without a port. There the element of that port says that it has no mark.

What is wanted is a value, and the way from one to the next is a script for one transaction, as in `objects.filter`.
Tested with nft 1.0.6 and 65,536 addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from hakeep.config.settled_lvs import Director, VirtualServer
from hakeep.objects.ipvs import PROTOCOLS, Service, ServiceKey, free_marks
from hakeep.objects.rtnl import IPAddress

#: The tables' families.
FAMILIES = {4: "ip", 6: "ip6"}

#: IPVS takes packets of the host's own clients at -98 (NF_IP_PRI_NAT_DST + 2, ip_vs_core.c).
BEFORE_IPVS = -99

#: NAT by nftables takes all packets at -105 (`nat.rules.PRIORITY`).
BEFORE_NAT = -106


class Target(NamedTuple):
    """What a packet is for; port 0 stands for all of them."""

    protocol: int
    ip: IPAddress
    port: int


@dataclass(frozen=True, slots=True)
class MarkTable:
    """What nftables should hold: the name of the table in both families, the hooks with their priorities, whether the
    rules count, and the marks (0 = packets keep what they have, though their address is marked)."""

    name: str
    hooks: tuple[tuple[str, int], ...] = (("input", -1), ("output", BEFORE_IPVS))
    counters: bool = False
    marks: Mapping[Target, int] = field(default_factory=dict)


def marks(director: Director, backend: str) -> MarkTable | None:
    """The table for this configuration and this backend; None = there is nothing to mark, or nobody who would look.
    Of two groups with the same address the first one has it."""
    found: dict[Target, int] = {}
    for virtual in director.virtual:
        for target in filter(None, map(_target, virtual.marked)):
            found.setdefault(target, virtual.mark)
    if not found or backend == "memory":
        return None
    for virtual in director.virtual:
        for target in filter(None, (_target(service.key) for service in virtual.services)):
            if target._replace(port=0) in found:
                found.setdefault(target, 0)
    priority = director.mark_priority
    hooks = ("input", priority), ("output", min(priority, BEFORE_IPVS))
    if backend == "nftables":
        hooks = ("prerouting", min(priority, BEFORE_NAT)), ("output", min(priority, BEFORE_NAT))
    return MarkTable(table_name(director), hooks, director.globals.nftables_counters, found)


def table_name(director: Director) -> str:
    """`nftables_ipvs`, and the daemon's instance, so that two daemons in one network namespace have two tables."""
    instance = director.globals.instance
    cleaned = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in instance)
    return f"{director.mark_table}_{cleaned}" if cleaned else director.mark_table


def _target(key: ServiceKey) -> Target | None:
    return Target(key.protocol, key.ip, key.port) if key.ip is not None else None


# ------------------------------------------------------------------------------------------------------- who has which


def keep_marks(old: Director | None, new: Director) -> Director:
    """`new`, in which the groups of `old` have the marks that they had, unless `nftables_ipvs_start_fwmark` is another.

    Marks are given in the order of the configuration. A group that comes in between would shift those of all after it,
    and a service by another mark is another service, without connections.
    """
    if old is None or old.mark_first != new.mark_first:
        return new
    before = {virtual.name: virtual.mark for virtual in old.virtual}
    owners = {virtual.mark: virtual.name for virtual in reversed(new.virtual) if virtual.mark}
    written = {service.key.fwmark for virtual in new.virtual for service in virtual.services} - owners.keys()
    kept: dict[int, int] = {}
    for mark, name in owners.items():
        had = before.get(name, 0)
        if had and had not in written and had not in kept.values():
            kept[mark] = had
    free = free_marks(new.mark_first, {*written, *kept.values()})
    given = {mark: kept[mark] if mark in kept else next(free) for mark in sorted(owners)}
    if all(mark == same for mark, same in given.items()):
        return new
    return replace(new, virtual=tuple(
        _marked_anew(virtual, given[virtual.mark]) if virtual.mark else virtual for virtual in new.virtual))


def _marked_anew(virtual: VirtualServer, mark: int) -> VirtualServer:
    services = tuple(_by(mark, service) if service.key.fwmark == virtual.mark else service
                     for service in virtual.services)
    return replace(virtual, mark=mark, services=services)


def _by(mark: int, service: Service) -> Service:
    return replace(service, key=service.key._replace(fwmark=mark))


# -------------------------------------------------------------------------------------------------------------- scripts


def to_script(have: MarkTable | None, wanted: MarkTable) -> str:
    """The script, one transaction, that leads from `have` to `wanted`; "" when there is nothing to do. None for `have`
    means that nobody knows what is there: then the table is made anew. One of another name stays as it is."""
    if have is not None and have.name != wanted.name:
        have = None
    return "".join(f"{line}\n" for family in FAMILIES for line in _changes(family, have, wanted))


def to_deletions(name: str, wanted: MarkTable | None = None) -> list[str]:
    """Scripts that delete the tables of this name, whether they are there or not, but for those that are wanted. One
    for each family, since a kernel may lack one of them."""
    return [f"{_deletion(family, name)}\n" for family in FAMILIES
            if wanted is None or wanted.name != name or not _of(wanted, family)]


def _changes(family: int, have: MarkTable | None, wanted: MarkTable) -> Iterator[str]:
    before, after = _of(have, family), _of(wanted, family)
    if not after:
        if before:
            yield _deletion(family, wanted.name)
        return
    if have is None or not before or (have.hooks, have.counters) != (wanted.hooks, wanted.counters):
        yield _deletion(family, wanted.name)
        yield from _declaration(family, wanted)
        before = {}
    where = f"{FAMILIES[family]} {wanted.name}"
    yield from _each_map("delete", where, (
        (target, "") for target, mark in before.items() if after.get(target) != mark))
    yield from _each_map("add", where, (
        (target, f" : {mark:#x}") for target, mark in after.items() if before.get(target) != mark))


def _of(table: MarkTable | None, family: int) -> dict[Target, int]:
    """The marks for packets of a family."""
    if table is None:
        return {}
    return {target: mark for target, mark in table.marks.items() if target.ip.version == family}


def _deletion(family: int, name: str) -> str:
    where = f"{FAMILIES[family]} {name}"
    return f"add table {where}\ndelete table {where}"


def _each_map(verb: str, where: str, elements: Iterable[tuple[Target, str]]) -> Iterator[str]:
    by_map: dict[str, list[str]] = {}
    for target, value in elements:
        port = f" . {target.port}" if target.port else ""
        word = f"{PROTOCOLS[target.protocol].lower()} . {target.ip}{port}{value}"
        by_map.setdefault("services" if target.port else "addresses", []).append(word)
    for name, words in by_map.items():
        yield f"{verb} element {where} {name} {{ {', '.join(words)} }}"


def _declaration(family: int, table: MarkTable) -> Iterator[str]:
    """Maps, rules and hooks. A rule ends where its map has no entry: the packet keeps the mark that it has."""
    where, ip = f"{FAMILIES[family]} {table.name}", FAMILIES[family]
    address = {4: "ipv4_addr", 6: "ipv6_addr"}[family]
    count = " counter" if table.counters else ""
    yield f"add table {where}"
    yield f"add map {where} services {{ type inet_proto . {address} . inet_service : mark; }}"
    yield f"add map {where} addresses {{ type inet_proto . {address} : mark; }}"
    yield f"add chain {where} marking"
    yield f"add rule {where} marking meta mark set meta l4proto . {ip} daddr map @addresses{count}"
    yield (f"add rule {where} marking meta l4proto {{ tcp, udp, sctp }} "
           f"meta mark set meta l4proto . {ip} daddr . th dport map @services{count}")
    for hook, priority in table.hooks:
        yield f"add chain {where} {hook} {{ type filter hook {hook} priority {priority}; }}"
        yield f"add rule {where} {hook} jump marking"
