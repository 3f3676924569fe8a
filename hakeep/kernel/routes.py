"""Routes and policy rules, between our values and rtnetlink's messages.

The layouts are those of <linux/rtnetlink.h>, <linux/lwtunnel.h> and their likes. pyroute2's classes are not used here:
they know neither tunnels of IP in IP nor ttl-propagate nor fastopen_no_cookie, and they take 100 microseconds for a
route, of which a router may have a million that are not ours. Of one that cannot concern us only the first bytes are
looked at here.

What the kernel does that one would not expect:

* IPv4: RTM_NEWROUTE with NLM_F_CREATE alone puts the route before others of the same destination, TOS and metric.
  NLM_F_REPLACE replaces the first of those, whosever it is. Routes that go with a link or with their source address
  go without a word.
* IPv6: a second route of the same destination and metric becomes one more next hop of the first (ECMP).
* RTM_DELROUTE removes the first route that is as it says. It always says the protocol, so that it cannot hit what is
  not ours.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address
from socket import AF_INET, AF_INET6
from struct import Struct

from hakeep.kernel.attributes import (
    BE16,
    BE32,
    BE64,
    BODY,
    HEAD,
    U8,
    U16,
    U32,
    address,
    attribute,
    attributes,
    message,
    network,
    u32,
)
from hakeep.kernel.netlink import (
    HEADER,
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    NLM_F_REQUEST,
    Netlink,
    NetlinkError,
)
from hakeep.objects.routes import DEAD_ENDS, Encap, Nexthop, Route, Slot
from hakeep.objects.rtnl import IPAddress

# Message types and notification groups (as bits), from <linux/rtnetlink.h>.
RTM_NEWROUTE = 24
RTM_DELROUTE = 25
RTM_GETROUTE = 26
RTMGRP_IPV4_ROUTE = 0x40
RTMGRP_IPV6_ROUTE = 0x400

NLM_F_APPEND = 0x800
_RTM_F_CLONED = 0x200
_RTNH_F_ONLINK = 4
_SCOPE_NOWHERE = 255
_NO_TABLE = 0  # RT_TABLE_UNSPEC: see the attribute, where a byte is too small

#: Seconds that reading a table may take.
PATIENCE = 30.0

_NEXTHOP = Struct("=HBBi")

(_DST, _SRC, _OIF, _GATEWAY, _PRIORITY, _PREFSRC, _METRICS, _MULTIPATH, _FLOW, _TABLE, _VIA, _PREF, _ENCAP_TYPE, _ENCAP,
 _EXPIRES, _TTL_PROPAGATE, _NH_ID) = 1, 2, 4, 5, 6, 7, 8, 9, 11, 15, 18, 20, 21, 22, 23, 26, 30
_KINDS = {"unicast": 1, "local": 2, "broadcast": 3, "multicast": 5, "blackhole": 6, "unreachable": 7, "prohibit": 8,
          "throw": 9, "nat": 10}
_KIND_NAMES = {number: name for name, number in _KINDS.items()}
_LOCK, _CONGCTL = 1, 16
_METRIC_NUMBERS = {
    "mtu": 2, "window": 3, "rtt": 4, "rttvar": 5, "ssthresh": 6, "cwnd": 7, "advmss": 8, "reordering": 9,
    "hoplimit": 10, "initcwnd": 11, "features": 12, "rto_min": 13, "initrwnd": 14, "quickack": 15, "congctl": _CONGCTL,
    "fastopen_no_cookie": 17}
_METRIC_NAMES = {number: name for name, number in _METRIC_NUMBERS.items()}
#: ICMPV6_ROUTER_PREF_*, by our -1, 0, 1.
_PREFS = {-1: 3, 0: 0, 1: 1}
_PREF_NAMES = {number: pref for pref, number in _PREFS.items()}

_ENCAP_TYPES = {"mpls": 1, "ip": 2, "ila": 3, "ip6": 4}
_ENCAP_NAMES = {number: name for name, number in _ENCAP_TYPES.items()}
#: Of each tunnel: the option, its attribute and how it is written; None stands for an address.
_ENCAP_OPTIONS: dict[str, dict[str, tuple[int, Struct | None]]] = {
    "ip": {"id": (1, BE64), "dst": (2, None), "src": (3, None), "ttl": (4, U8), "tos": (5, U8), "flags": (6, BE16)},
    "ip6": {"id": (1, BE64), "dst": (2, None), "src": (3, None), "hoplimit": (4, U8), "tc": (5, U8),
            "flags": (6, BE16)},
    "ila": {"locator": (1, BE64)},
}
_BOTTOM_OF_STACK = 0x100


# ---------------------------------------------------------------------------------------------------------- routes


def encode_add(route: Route, index_of: Callable[[str], int | None]) -> bytes:
    """RTM_NEWROUTE: add it where it says. EEXIST when it is there.

    `index_of` gives the number of an interface; all of these raise `LookupError` when there is no such interface.
    """
    flags = {"append": NLM_F_APPEND, "add": NLM_F_EXCL}.get(route.insert, 0)
    return _route_message(RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | flags, route, index_of)


def encode_replace(route: Route, index_of: Callable[[str], int | None]) -> bytes:
    """RTM_NEWROUTE: in place of the first of its slot, or add it."""
    return _route_message(RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, route, index_of)


def encode_remove(route: Route, index_of: Callable[[str], int | None]) -> bytes:
    """RTM_DELROUTE of this route and protocol. ESRCH when there is none."""
    return _route_message(RTM_DELROUTE, NLM_F_REQUEST | NLM_F_ACK, route, index_of)


def _route_message(kind: int, flags: int, route: Route, index_of: Callable[[str], int | None]) -> bytes:
    family = AF_INET if route.family == 4 else AF_INET6
    values: list[tuple[int, bytes]] = [(_TABLE, U32.pack(route.table)), (_DST, route.to.network_address.packed)]
    if route.source is not None:
        values.append((_SRC, route.source.network_address.packed))
    if route.metric:
        values.append((_PRIORITY, U32.pack(route.metric)))
    if route.src is not None:
        values.append((_PREFSRC, route.src.packed))
    onlink = 0
    if len(route.nexthops) == 1:
        onlink = _RTNH_F_ONLINK if route.nexthops[0].onlink else 0
        values += _hop_attributes(route.nexthops[0])
        if route.nexthops[0].dev:
            values.append((_OIF, U32.pack(_index(route.nexthops[0].dev, index_of))))
    elif route.nexthops:
        values.append((_MULTIPATH, b"".join(_hop(hop, index_of) for hop in route.nexthops)))
    if kind == RTM_NEWROUTE:
        values += _manner(route)
    head = HEAD.pack(
        family, route.to.prefixlen, route.source.prefixlen if route.source else 0, route.tos,
        route.table if route.table < 256 else _NO_TABLE, route.protocol,
        route.scope if kind == RTM_NEWROUTE else _SCOPE_NOWHERE, _KINDS[route.kind], onlink)
    return message(kind, flags, head, values)


def _manner(route: Route) -> Iterator[tuple[int, bytes]]:
    """How the route is, beside where it leads."""
    if route.metrics or route.locked:
        yield _METRICS, _encoded_metrics(route)
    if route.family == 6 and route.pref:
        yield _PREF, U8.pack(_PREFS[route.pref])
    if route.family == 6 and route.expires:
        yield _EXPIRES, U32.pack(route.expires)
    if route.ttl_propagate is not None:
        yield _TTL_PROPAGATE, U8.pack(route.ttl_propagate)


def _encoded_metrics(route: Route) -> bytes:
    lock = sum(1 << _METRIC_NUMBERS[name] for name in route.locked)
    found = [attribute(_LOCK, U32.pack(lock))] if lock else []
    for name, value in route.metrics:
        data = value.encode() + b"\0" if isinstance(value, str) else U32.pack(value)
        found.append(attribute(_METRIC_NUMBERS[name], data))
    return b"".join(found)


def _hop(hop: Nexthop, index_of: Callable[[str], int | None]) -> bytes:
    """struct rtnexthop with its attributes."""
    data = b"".join(attribute(number, value) for number, value in _hop_attributes(hop))
    flags = _RTNH_F_ONLINK if hop.onlink else 0
    index = _index(hop.dev, index_of) if hop.dev else 0
    return _NEXTHOP.pack(_NEXTHOP.size + len(data), flags, hop.weight - 1, index) + data


def _hop_attributes(hop: Nexthop) -> Iterator[tuple[int, bytes]]:
    if hop.via is not None:
        yield _GATEWAY, hop.via.packed
    if hop.realm:
        yield _FLOW, U32.pack(hop.realm)
    if hop.encap is not None:
        yield _ENCAP_TYPE, U16.pack(_ENCAP_TYPES[hop.encap.kind])
        yield _ENCAP, _encoded_encap(hop.encap)


def _encoded_encap(encap: Encap) -> bytes:
    options = dict(encap.options)
    if encap.kind == "mpls":
        labels = options["labels"]
        assert isinstance(labels, tuple)
        stack = [label << 12 for label in labels]
        stack[-1] |= _BOTTOM_OF_STACK
        return attribute(1, b"".join(map(BE32.pack, stack)))
    found = []
    for name, (number, form) in _ENCAP_OPTIONS[encap.kind].items():
        value = options.get(name)
        if isinstance(value, IPv4Address | IPv6Address):
            found.append(attribute(number, value.packed))
        elif form is not None and value is not None:
            found.append(attribute(number, form.pack(value)))
    return b"".join(found)


def _index(name: str, index_of: Callable[[str], int | None]) -> int:
    index = index_of(name)
    if index is None:
        raise LookupError(name)
    return index


def decode_route(data: bytes, names: Mapping[int, str]) -> Route | None:
    """An RTM_NEWROUTE or RTM_DELROUTE message; `names` are the interfaces by their numbers.

    None for what nobody can ask for in a configuration: a cached entry, a next hop of the other family or by number,
    an interface without a name.
    """
    family, to_length, from_length, tos, table, protocol, scope, kind, flags = HEAD.unpack_from(data, HEADER.size)
    found = dict(attributes(memoryview(data)[BODY:]))
    if flags & _RTM_F_CLONED or kind not in _KIND_NAMES or _NH_ID in found or family not in (AF_INET, AF_INET6):
        return None
    name = _KIND_NAMES[kind]
    hops = () if name in DEAD_ENDS else _decoded_hops(found, flags, names)
    if hops is None:
        return None
    metrics, locked = _decoded_metrics(found[_METRICS]) if _METRICS in found else ((), ())
    return Route(
        4 if family == AF_INET else 6, network(family, found.get(_DST, b""), to_length), hops,
        table=u32(found[_TABLE]) if _TABLE in found else table,
        kind=name,
        metric=u32(found[_PRIORITY]) if _PRIORITY in found else 0,
        tos=tos,
        source=network(family, found.get(_SRC, b""), from_length) if from_length else None,
        src=address(found[_PREFSRC]) if _PREFSRC in found else None,
        protocol=protocol, scope=scope, metrics=metrics, locked=locked,
        pref=_PREF_NAMES.get(found[_PREF][0], 0) if _PREF in found else 0,
        ttl_propagate=bool(found[_TTL_PROPAGATE][0]) if _TTL_PROPAGATE in found else None,
    )


def _decoded_hops(
    found: Mapping[int, memoryview], flags: int, names: Mapping[int, str]
) -> tuple[Nexthop, ...] | None:
    if _MULTIPATH not in found:
        hop = _decoded_hop(found, u32(found[_OIF]) if _OIF in found else 0, flags, 1, names)
        return None if hop is None else (hop,)
    view, hops = found[_MULTIPATH], []
    while len(view) >= _NEXTHOP.size:
        length, hop_flags, above_one, index = _NEXTHOP.unpack_from(view)
        if not _NEXTHOP.size <= length <= len(view):
            return None
        hop = _decoded_hop(dict(attributes(view[_NEXTHOP.size : length])), index, hop_flags, above_one + 1, names)
        if hop is None:
            return None
        hops.append(hop)
        view = view[(length + 3) & ~3 :]
    return tuple(hops)


def _decoded_hop(
    found: Mapping[int, memoryview], index: int, flags: int, weight: int, names: Mapping[int, str]
) -> Nexthop | None:
    if _VIA in found or (index and index not in names):
        return None
    encap = None
    if _ENCAP_TYPE in found:
        encap = _decoded_encap(U16.unpack_from(found[_ENCAP_TYPE])[0], found.get(_ENCAP, memoryview(b"")))
        if encap is None:
            return None
    return Nexthop(
        address(found[_GATEWAY]) if _GATEWAY in found else None, names.get(index, ""), weight,
        bool(flags & _RTNH_F_ONLINK), u32(found[_FLOW]) if _FLOW in found else 0, encap)


def _decoded_metrics(view: memoryview) -> tuple[tuple[tuple[str, int | str], ...], tuple[str, ...]]:
    metrics: dict[str, int | str] = {}
    lock = 0
    for number, data in attributes(view):
        if number == _LOCK:
            lock = u32(data)
        elif number == _CONGCTL:
            metrics["congctl"] = bytes(data).rstrip(b"\0").decode("ascii", "replace")
        elif number in _METRIC_NAMES:
            metrics[_METRIC_NAMES[number]] = u32(data)
    locked = tuple(sorted(name for name, number in _METRIC_NUMBERS.items() if lock >> number & 1))
    return tuple(sorted(metrics.items())), locked


def _decoded_encap(kind: int, view: memoryview) -> Encap | None:
    name = _ENCAP_NAMES.get(kind)
    if name is None:
        return None
    found = dict(attributes(view))
    if name == "mpls":
        stack = found.get(1, memoryview(b""))
        labels = tuple(BE32.unpack_from(stack, at)[0] >> 12 for at in range(0, len(stack), 4))
        return Encap(name, (("labels", labels),))
    options: dict[str, int | IPAddress | tuple[int, ...]] = {}
    for option, (number, form) in _ENCAP_OPTIONS[name].items():
        if number in found:
            value = address(found[number]) if form is None else form.unpack_from(found[number])[0]
            if int(value):
                options[option] = value
    return Encap(name, tuple(sorted(options.items())))


def may_be(data: bytes, protocols: Collection[int], prefixes: Collection[tuple[int, int, bytes]]) -> bool:
    """Whether a route message may concern us, at a glance: it has one of these protocols, or leads to one of these
    destinations, given as family, length and address (without zeros at its end)."""
    family, length = data[HEADER.size], data[HEADER.size + 1]
    if data[HEADER.size + 5] in protocols:
        return True
    if not any(family == wanted and length == bits for wanted, bits, _ in prefixes):
        return False
    to = next((bytes(value) for number, value in attributes(memoryview(data)[BODY:]) if number == _DST), b"")
    return (family, length, to.rstrip(b"\0")) in prefixes


def prefixes(slots: Iterable[Slot]) -> frozenset[tuple[int, int, bytes]]:
    """The destinations of these, as `may_be` takes them."""
    return frozenset(
        (AF_INET if family == 4 else AF_INET6, to.prefixlen, to.network_address.packed.rstrip(b"\0"))
        for family, _, to, *_ in slots)


# ------------------------------------------------------------------------------------------------------------ read


def encode_dump_routes(family: int, protocol: int = 0, table: int = 0) -> bytes:
    """RTM_GETROUTE of a family (4 or 6). Protocol and table, 0 = all, count on a `strict` socket only."""
    head = HEAD.pack(AF_INET if family == 4 else AF_INET6, 0, 0, 0, 0, protocol, 0, 0, 0)
    return message(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, head, [(_TABLE, U32.pack(table))] if table else [])


def read_routes(
    netlink: Netlink, names: Mapping[int, str], slots: Collection[Slot], protocols: Collection[int], *,
    others: bool = True,
) -> list[Route]:
    """The routes of these slots, in the kernel's order; only those of `protocols`, unless the `others` count as well.

    Blocks. Where the kernel can, it looks through the tables itself (Linux 4.20).
    """
    found: list[Route] = []
    netlink.strict()
    for family, table in dict.fromkeys((slot[0], slot[1]) for slot in slots):
        ours = [slot for slot in slots if slot[:2] == (family, table)]
        for protocol in (0,) if others else protocols:
            found += _read_table(netlink, family, table, protocol, names, ours)
    return found if others else [route for route in found if route.protocol in protocols]


def _read_table(
    netlink: Netlink, family: int, table: int, protocol: int, names: Mapping[int, str], slots: Collection[Slot]
) -> Iterator[Route]:
    wanted, places = frozenset(slots), prefixes(slots)
    try:
        parts = netlink.request(
            encode_dump_routes(family, protocol, table), timeout=PATIENCE, keep=lambda data: may_be(data, (), places))
    except NetlinkError:
        return  # there is no such table
    for part in parts:
        route = decode_route(part.data, names)
        if route is not None and route.slot in wanted:
            yield route
