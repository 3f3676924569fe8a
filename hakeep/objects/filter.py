"""What the packet filter should hold, and the nftables script that takes the kernel there.

Three things of ours live in nftables, each in a table of our own name, so that nothing of anybody else is touched:

* The **fence** (family netdev). While this node is MASTER its VIPs are reachable only as long as its own adverts
  really leave. An advert of priority > 0 that passes the egress hook finds its router in the map ``senders`` and
  refreshes the router's number in the set ``alive`` for the router's timeout. A packet to a VIP (IP, ARP or neighbour
  solicitation) that passes the ingress hook finds the router in the map ``vips`` and is dropped when the number is not
  in ``alive``. On the way out the same holds for ARP and neighbour discovery *from* a VIP, because those would move
  the neighbours' caches back to a node that nobody should use. Only VIPs that are held stand in the maps: a BACKUP may
  well have the same address on lo, being a real server of the same service.
* **no_accept** (families ip and ip6): packets to and from VIPs of which we are not the owner are dropped, except
  neighbour discovery (RFC 9568 section 6.1, Accept_Mode).
* **VMAC reports** (same tables): IGMP and MLD reports of a VMAC leave through its base interface instead. Sent from
  the VMAC they would teach every switch on the way that the virtual MAC lives at a BACKUP.

A table has two layers. Its *declaration* (chains, hooks, empty sets) depends on the configuration and on the devices
that exist; when it changes the table is replaced as a whole, in one transaction. Its *elements* depend on who is
MASTER; they are added and deleted one by one. A takeover of one router is a script of two lines.

The scripts are nftables' own language, not its JSON: a timeout in JSON counts whole seconds, and libnftables 1.0.6
silently takes 0.3 for "never expires". What stands here was tested with 1.0.6 and 5000 elements. Two constructions
need a word. ``meta mark & 7 | 7`` is the constant 7 in a place where nft's grammar refuses constants; no mark is
looked at or set. And ``@th,64,128`` is the target of a neighbour solicitation, which older nft cannot name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from hakeep.objects.rtnl import IPAddress

#: Families that may hold a table of ours.
FAMILIES = ("netdev", "ip", "ip6")

#: The kernel refuses the 256th device of a chain (NFT_NETDEVICE_MAX in nf_tables_api.c).
DEVICES_PER_CHAIN = 255

_DEVICE_NAME = re.compile(r"[A-Za-z0-9_.@+:-]{1,15}")
_NOT_IN_A_COMMENT = re.compile(r"[^ -~]|[\"\\]")

Vip = tuple[str, IPAddress]


@dataclass(frozen=True, slots=True)
class Device:
    """A link that is hooked. The index tells a link from a later one of the same name, which has lost our hook."""

    name: str
    index: int


class Sender(NamedTuple):
    """How the adverts of a router look at the egress hook: device, source address, VRID."""

    device: str
    source: IPAddress
    vrid: int


@dataclass(frozen=True, slots=True)
class FencedRouter:
    """One virtual router behind the fence.

    `number` (1..2**32-1, unique in a filter) names its chains and its element in ``alive``. `timeout` is in seconds,
    `vips` are the addresses it holds now and the devices they are reached through: empty while it is not MASTER.
    """

    number: int
    label: str
    timeout: float
    sender: Sender | None = None
    vips: tuple[Vip, ...] = ()


@dataclass(frozen=True, slots=True)
class Fence:
    """All fenced routers, the devices where VIPs are reached and those that adverts (or VIPs' ARP) leave from."""

    routers: tuple[FencedRouter, ...] = ()
    ingress: tuple[Device, ...] = ()
    egress: tuple[Device, ...] = ()


@dataclass(frozen=True, slots=True)
class NoAccept:
    """A router that must not take packets for its VIPs. `vips` (device and address) is empty while it holds none."""

    number: int
    family: int
    vips: tuple[Vip, ...] = ()


@dataclass(frozen=True, slots=True)
class VmacReports:
    """IGMP (or, `ipv6`, MLD) reports of the link `vmac` go out through `base` instead."""

    vmac: str
    base: Device
    ipv6: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """Everything of ours in nftables. `table` is the name in every family, `priority` that of the hooks."""

    table: str = "hakeep"
    priority: int = -1
    counters: bool = False
    fence: Fence = field(default_factory=Fence)
    no_accept: tuple[NoAccept, ...] = ()
    reports: tuple[VmacReports, ...] = ()


class Element(NamedTuple):
    """One element of a set or map as nft writes it; `value` is empty in a set."""

    set: str
    key: str
    value: str = ""


def nameable(device: str) -> bool:
    """Whether nft can name this device: a quote would end the string, an asterisk would match others."""
    return _DEVICE_NAME.fullmatch(device) is not None


def to_script(have: Filter | None, wanted: Filter) -> str:
    """The script, one transaction, that leads from `have` to `wanted`; empty when there is nothing to do.

    None for `have` means that the kernel's state is unknown (start, or somebody disturbed it): the tables that are
    wanted are replaced whatever they hold, all others are left alone (see `to_deletions`). Routers that hold addresses
    start alive, with one full timeout. Two owners must not want the same key of a map.
    """
    lines: list[str] = []
    if have is not None and have.table != wanted.table:
        lines += [_delete(family, have.table) for family in FAMILIES if _shape(have, family) is not None]
        have = None
    for family in FAMILIES:
        lines += _changes(family, have, wanted)
    return "\n".join(lines) + "\n" if lines else ""


def to_deletions(table: str) -> list[str]:
    """Scripts that delete our tables of this name, whether they are there or not: one a family, since a kernel may
    lack a family, which would fail all the others in the same transaction."""
    return [_delete(family, table) for family in FAMILIES]


def _delete(family: str, table: str) -> str:
    return f"add table {family} {table}\ndelete table {family} {table}"


def _changes(family: str, have: Filter | None, wanted: Filter) -> Iterator[str]:
    before = _shape(have, family) if have is not None else None
    after = _shape(wanted, family)
    if after is None:
        if before is not None:
            yield _delete(family, wanted.table)
        return
    if before != after:
        yield _delete(family, wanted.table)
        yield _declaration(family, wanted)
        have = None
    gone: dict[Element, None] = {}
    new: dict[Element, None] = {}
    old = dict(_owners(have, family)) if have is not None else {}
    for key, owner in _owners(wanted, family):
        known = old.pop(key, None)
        if known is not owner and known != owner:
            stays = isinstance(known, FencedRouter) and isinstance(owner, FencedRouter) and known.sender == owner.sender
            gone.update(dict.fromkeys(_elements(known, sender=not stays)))
            new.update(dict.fromkeys(_elements(owner, sender=not stays)))
            if isinstance(owner, FencedRouter) and owner.vips and not (isinstance(known, FencedRouter) and known.vips):
                new[Element("alive", f"{owner.number} timeout {_milliseconds(owner)}")] = None
    for owner in old.values():
        gone.update(dict.fromkeys(_elements(owner)))
    table = f"{family} {wanted.table}"
    yield from _each_set("delete", table, (Element(e.set, e.key) for e in gone if e not in new))
    yield from _each_set("add", table, (e for e in new if e not in gone))


def _each_set(verb: str, table: str, elements: Iterable[Element]) -> Iterator[str]:
    by_set: dict[str, list[str]] = {}
    for name, key, value in elements:
        by_set.setdefault(name, []).append(f"{key} : {value}" if value else key)
    for name, words in by_set.items():
        yield f"{verb} element {table} {name} {{ {', '.join(words)} }}"


# ------------------------------------------------------------------------------------------------ owners of elements

Owner = FencedRouter | NoAccept | VmacReports


def _owners(filter: Filter, family: str) -> Iterator[tuple[object, Owner]]:
    if family == "netdev":
        yield from ((router.number, router) for router in filter.fence.routers)
        return
    number = 6 if family == "ip6" else 4
    yield from ((entry.number, entry) for entry in filter.no_accept if entry.family == number)
    yield from ((entry.vmac, entry) for entry in filter.reports if entry.ipv6 == (number == 6))


def _elements(owner: Owner | None, *, sender: bool = True) -> Iterator[Element]:
    """The elements that stay until they are deleted (a router's number in ``alive`` goes by itself), with or without
    that of a router's `sender`."""
    match owner:
        case FencedRouter():
            if sender:
                yield from _sender_element(owner)
            yield from _vip_elements(owner)
        case NoAccept(vips=vips):
            for device, ip in vips:
                if ip.is_link_local and ip.version == 6:
                    yield Element("link_vips", f'{ip} . "{device}"')
                else:
                    yield Element("vips", str(ip))
        case VmacReports(vmac, base, ipv6):
            yield Element("report_base", f'"{vmac}"', str(base.index))
            if ipv6:
                yield Element("vmacs", f'"{vmac}"')


def _sender_element(router: FencedRouter) -> Iterator[Element]:
    if router.sender is not None:
        device, source, vrid = router.sender
        yield Element(f"senders{source.version}", f'"{device}" . {source} . {vrid}', f"goto sent_{router.number}")


def _vip_elements(router: FencedRouter) -> Iterator[Element]:
    closed = f"goto vip_{router.number}"
    for device, ip in router.vips:
        yield Element(f"vips{ip.version}", f'"{device}" . {ip}', closed)
        if ip.version == 6:
            yield Element("targets6", f'"{device}" . {int(ip):#034x}', closed)


# ------------------------------------------------------------------------------------------------------ declarations


def _shape(filter: Filter, family: str) -> object:
    """What the declaration depends on; None when no table of this family is wanted."""
    common = (filter.priority, filter.counters)
    if family == "netdev":
        fence = filter.fence
        if not fence.routers:
            return None
        routers = tuple((router.number, router.label, router.timeout) for router in fence.routers)
        return (*common, fence.ingress, fence.egress, routers)
    kinds = {type(owner) for _, owner in _owners(filter, family)}
    return (*common, frozenset(kinds)) if kinds else None


def _declaration(family: str, filter: Filter) -> str:
    if family == "netdev":
        return _fence_declaration(filter)
    kinds = {type(owner) for _, owner in _owners(filter, family)}
    parts = (text for kind, text in _HOST_PARTS[family].items() if kind in kinds)
    body = "\n".join(parts).format(priority=filter.priority, drop=_drop(filter))
    return f"table {family} {filter.table} {{\n{body}\n}}"


def _drop(filter: Filter) -> str:
    return "counter drop" if filter.counters else "drop"


def _milliseconds(router: FencedRouter) -> str:
    return f"{max(1, int(router.timeout * 1000))}ms"


def _fence_declaration(filter: Filter) -> str:
    fence = filter.fence
    lines = [_SETS.format(table=filter.table, size=max(64, 4 * len(fence.routers)))]
    for router in fence.routers:
        number, comment = router.number, _NOT_IN_A_COMMENT.sub("?", router.label)[:100]
        lines.append(
            f'\tchain sent_{number} {{ comment "{comment}"; '
            f"update @alive {{ meta mark & {number} | {number} timeout {_milliseconds(router)} }}; }}\n"
            f'\tchain vip_{number} {{ comment "{comment}"; '
            f"meta mark & {number} | {number} != @alive {_drop(filter)}; }}"
        )
    for hook, devices, jump in (("ingress", fence.ingress, "arriving"), ("egress", fence.egress, "leaving")):
        for start in range(0, len(devices), DEVICES_PER_CHAIN):
            names = ", ".join(f'"{device.name}"' for device in devices[start : start + DEVICES_PER_CHAIN])
            lines.append(
                f"\tchain {hook}_{start // DEVICES_PER_CHAIN} {{\n"
                f"\t\ttype filter hook {hook} devices = {{ {names} }} priority {filter.priority};\n"
                f"\t\tjump {jump}\n\t}}"
            )
    return "\n".join([*lines, "}"])


# Adverts come first in `leaving`: those of an address owner may have a VIP as their source. The VRRP header stands at
# the transport header, or 24 bytes later behind AH; its second byte is the VRID, its third the priority. `alive` has
# room for an expired element of each router next to the live one.
_SETS = """\
table netdev {table} {{
	set alive {{ type mark; flags dynamic,timeout; size {size}; }}
	map vips4 {{ type ifname . ipv4_addr : verdict; }}
	map vips6 {{ type ifname . ipv6_addr : verdict; }}
	map targets6 {{ typeof meta iifname . @th,64,128 : verdict; }}
	map senders4 {{ typeof meta oifname . ip saddr . @th,8,8 : verdict; }}
	map senders6 {{ typeof meta oifname . ip6 saddr . @th,8,8 : verdict; }}
	chain arriving {{
		iifname . ip daddr vmap @vips4
		iifname . arp daddr ip vmap @vips4
		iifname . ip6 daddr vmap @vips6
		icmpv6 type nd-neighbor-solicit iifname . @th,64,128 vmap @targets6
	}}
	chain leaving {{
		ip protocol 112 @th,16,8 != 0 oifname . ip saddr . @th,8,8 vmap @senders4
		ip protocol 51 @th,0,8 112 @th,208,8 != 0 oifname . ip saddr . @th,200,8 vmap @senders4
		ip6 nexthdr 112 @th,16,8 != 0 oifname . ip6 saddr . @th,8,8 vmap @senders6
		oifname . arp saddr ip vmap @vips4
		icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} oifname . ip6 saddr vmap @vips6
	}}"""

# The parts of the tables ip and ip6: each stands there only when it is wanted, because a kernel may lack nft_dup.
# A dup without an entry in the map ends its rule, so that only what was sent on from the base is dropped.
_REPORTS_IP = """\
	map report_base {{ type ifname : iface_index; }}
	chain reports {{
		type filter hook output priority {priority};
		ip protocol igmp dup to ip daddr device oifname map @report_base drop
	}}"""

_REPORTS_IP6 = """\
	set vmacs {{ type ifname; }}
	map report_base {{ type ifname : iface_index; }}
	chain reports {{
		type filter hook output priority {priority};
		icmpv6 type {{ mld-listener-report, mld-listener-done, mld2-listener-report }} \
dup to ip6 daddr device oifname map @report_base drop
		icmpv6 type nd-router-solicit oifname @vmacs drop
	}}"""

_NO_ACCEPT_IP = """\
	set vips {{ type ipv4_addr; }}
	chain in {{
		type filter hook input priority {priority};
		ip daddr @vips {drop}
	}}
	chain out {{
		type filter hook output priority {priority};
		ip saddr @vips {drop}
	}}"""

_NO_ACCEPT_IP6 = """\
	set vips {{ type ipv6_addr; }}
	set link_vips {{ type ipv6_addr . ifname; }}
	chain refuse {{
		icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} return
		{drop}
	}}
	chain in {{
		type filter hook input priority {priority};
		ip6 daddr @vips goto refuse
		ip6 daddr . iifname @link_vips goto refuse
	}}
	chain out {{
		type filter hook output priority {priority};
		ip6 saddr @vips goto refuse
		ip6 saddr . oifname @link_vips goto refuse
	}}"""

_HOST_PARTS = {
    "ip": {NoAccept: _NO_ACCEPT_IP, VmacReports: _REPORTS_IP},
    "ip6": {NoAccept: _NO_ACCEPT_IP6, VmacReports: _REPORTS_IP6},
}
