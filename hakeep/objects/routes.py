"""Routes and policy rules of the kernel, as values.

The kernel has no name for a route. It tells routes apart by table, destination, source prefix, TOS and metric: that is
a route's `slot`. But several routes may share a slot (IPv4 asks the first of them, IPv6 spreads packets over them), and
so `key` has the type and the next hops as well. Whose a route is, its protocol says, and that is no part of the key:
one that somebody else has added serves as well.

What a configuration leaves open the kernel fills in: an interface that follows from the gateway, a scope. So a route
that is there cannot be compared with one that is wanted field by field: see `fits` and `serves`.

Rules are what they are, there is nothing about them that can change. Their key is all they say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import TypeVar

from hakeep.objects.diff import Add, Change, Remove, Replace, diff
from hakeep.objects.rtnl import PROTO_KEEPALIVED, IPAddress

Network = IPv4Network | IPv6Network

TABLE_DEFAULT = 253
TABLE_MAIN = 254
TABLE_LOCAL = 255

#: The metric of an IPv6 route without one (IP6_RT_PRIO_USER of <net/ip6_route.h>).
METRIC6 = 1024

#: Types of routes that lead nowhere: they have no next hop.
DEAD_ENDS = frozenset({"blackhole", "unreachable", "prohibit", "throw"})

#: Flags of RTAX_FEATURES that can be asked for; above them the kernel keeps its own.
FEATURES = 0xF
FEATURE_ECN = 1

_NAMED_TABLES = {TABLE_DEFAULT: "default", TABLE_MAIN: "main", TABLE_LOCAL: "local"}

Slot = tuple[int, int, Network, Network | None, int, int]
"""Family, table, destination, source prefix, TOS, metric."""

RouteKey = tuple[object, ...]
RuleKey = tuple[object, ...]


class _Remembering(tuple[object, ...]):
    """A tuple that remembers its hash: `ipaddress` makes its hashes in Python, and a key is looked up often."""

    _hash: int

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            self._hash = found = super().__hash__()
            return found


class _Keyed:
    """Keeps what a route or rule is known by, which is no field."""

    __slots__ = ("_key", "_slot")
    _key: tuple[object, ...]
    _slot: Slot


@dataclass(frozen=True, slots=True)
class Encap:
    """A light-weight tunnel (lwtunnel): `kind` is mpls, ip, ip6 or ila.

    `options` are (name, value) in the order of names: for ip id, dst, src, tos, ttl, flags; for ip6 id, dst, src,
    tc, hoplimit, flags; for mpls labels (a tuple of numbers) and ttl; for ila locator. What is zero is left out.
    """

    kind: str
    options: tuple[tuple[str, int | IPAddress | tuple[int, ...]], ...] = ()

    def __str__(self) -> str:
        words = (f"{name} " + ("/".join(map(str, value)) if isinstance(value, tuple) else str(value))
                 for name, value in self.options)
        return f"encap {self.kind} " + " ".join(words)


@dataclass(frozen=True, slots=True)
class Nexthop:
    """Where packets go: to a router (`via`), out of an interface (`dev`), or both.

    An empty `dev` leaves the interface to the kernel, who finds it by the gateway. `weight` is 1 to 256. `realm` is
    RTA_FLOW: the realm of the source in the upper half, that of the destination in the lower.
    """

    via: IPAddress | None = None
    dev: str = ""
    weight: int = 1
    onlink: bool = False
    realm: int = 0
    encap: Encap | None = None

    def __str__(self) -> str:
        words = [str(self.encap)] if self.encap else []
        words += [f"via {self.via}"] if self.via else []
        words += [f"dev {self.dev}"] if self.dev else []
        words += [f"weight {self.weight}"] if self.weight != 1 else []
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Route(_Keyed):
    """One route (struct rtmsg and its attributes).

    `kind` is its type by iproute2's name. A dead end has no next hop, every other route at least one. `scope` counts
    for IPv4 only, `pref` (-1, 0, 1: low, medium, high) and `expires` (seconds, 0 = never) for IPv6 only. `metrics` are
    RTAX_* by iproute2's names in the order of names, times as the kernel has them: rtt in 1/8 ms, rttvar in 1/4 ms;
    those in `locked` path MTU discovery and the like must not change. `insert` says where it goes among others of its
    slot, prepend or append, or that there must be none (add).
    """

    family: int
    to: Network
    nexthops: tuple[Nexthop, ...] = ()
    table: int = TABLE_MAIN
    kind: str = "unicast"
    metric: int = 0
    tos: int = 0
    source: Network | None = None
    src: IPAddress | None = None
    protocol: int = PROTO_KEEPALIVED
    scope: int = 0
    metrics: tuple[tuple[str, int | str], ...] = ()
    locked: tuple[str, ...] = ()
    pref: int = 0
    ttl_propagate: bool | None = None
    expires: int = field(default=0, compare=False)
    insert: str = field(default="prepend", compare=False)

    @property
    def slot(self) -> Slot:
        """What the kernel finds a route by."""
        try:
            return self._slot
        except AttributeError:
            slot = _Remembering((self.family, self.table, self.to, self.source, self.tos, self.metric))
            object.__setattr__(self, "_slot", slot)
            return self._slot

    @property
    def key(self) -> RouteKey:
        """What one route is told from another by."""
        try:
            return self._key
        except AttributeError:
            object.__setattr__(self, "_key", _Remembering((self.slot, self.kind, self.nexthops)))
            return self._key

    def __str__(self) -> str:
        words = [] if self.kind == "unicast" else [self.kind]
        words.append("default" if self.to.prefixlen == 0 else str(self.to) if self.to.prefixlen < self.to.max_prefixlen
                     else str(self.to.network_address))
        words += [f"from {self.source}"] if self.source else []
        words += [f"tos {self.tos:#x}"] if self.tos else []
        several = len(self.nexthops) > 1
        words += [f"nexthop {hop}" if several else str(hop) for hop in self.nexthops]
        words += [f"table {_NAMED_TABLES.get(self.table, self.table)}"] if self.table != TABLE_MAIN else []
        words += [f"metric {self.metric}"] if self.metric != (METRIC6 if self.family == 6 else 0) else []
        if self.family == 6 and self.to.prefixlen == 0:
            words.insert(0, "inet6")
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Rule(_Keyed):
    """One policy rule (struct fib_rule_hdr and its attributes).

    `action` is table, goto, nop, l3mdev, blackhole, unreachable or prohibit. `mark` is (value, mask), ranges are
    (first, last). `suppress_prefixlength` and `suppress_ifgroup` are None when they are not asked for.
    """

    family: int
    priority: int
    source: Network | None = None
    to: Network | None = None
    action: str = "table"
    table: int = 0
    goto: int = 0
    inverted: bool = False
    iif: str = ""
    oif: str = ""
    tos: int = 0
    mark: tuple[int, int] | None = None
    realms: int = 0
    suppress_prefixlength: int | None = None
    suppress_ifgroup: int | None = None
    tunnel_id: int = 0
    uids: tuple[int, int] | None = None
    ip_protocol: int = 0
    sport: tuple[int, int] | None = None
    dport: tuple[int, int] | None = None
    protocol: int = field(default=PROTO_KEEPALIVED, compare=False)

    @property
    def key(self) -> RuleKey:
        """All that it says."""
        try:
            return self._key
        except AttributeError:
            object.__setattr__(self, "_key", _Remembering(self._all()))
            return self._key

    def _all(self) -> RuleKey:
        return (
            self.family, self.priority, self.source, self.to, self.action, self.table, self.goto, self.inverted,
            self.iif, self.oif, self.tos, self.mark, self.realms, self.suppress_prefixlength, self.suppress_ifgroup,
            self.tunnel_id, self.uids, self.ip_protocol, self.sport, self.dport,
        )  # fmt: skip

    def __str__(self) -> str:
        words = [f"{self.priority}:"] + ["not"] * self.inverted + [f"from {self.source or 'all'}"]
        words += [f"to {self.to}"] if self.to else []
        words += [f"tos {self.tos:#x}"] if self.tos else []
        words += [f"fwmark {_pair(self.mark, 0xFFFFFFFF)}"] if self.mark else []
        words += [f"iif {self.iif}"] if self.iif else []
        words += [f"oif {self.oif}"] if self.oif else []
        words += [f"uidrange {self.uids[0]}-{self.uids[1]}"] if self.uids else []
        words += [f"ipproto {self.ip_protocol}"] if self.ip_protocol else []
        words += [f"{name} {_range(ports)}" for name, ports in (("sport", self.sport), ("dport", self.dport)) if ports]
        if self.action == "table":
            words.append(f"lookup {_NAMED_TABLES.get(self.table, self.table)}")
        else:
            words.append(f"goto {self.goto}" if self.action == "goto" else self.action)
        if self.suppress_prefixlength is not None:
            words.append(f"suppress_prefixlength {self.suppress_prefixlength}")
        if self.family == 6 and not (self.source or self.to):
            words.insert(0, "inet6")
        return " ".join(words)


def _pair(mark: tuple[int, int], whole: int) -> str:
    return f"{mark[0]:#x}" if mark[1] == whole else f"{mark[0]:#x}/{mark[1]:#x}"


def _range(ports: tuple[int, int]) -> str:
    return str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"


# ------------------------------------------------------------------------------------------------------- comparing


def fits(have: Route, wanted: Route) -> bool:
    """True when the route that is there leads where `wanted` leads, whatever else is said of it."""
    if (have.slot, have.kind, len(have.nexthops)) != (wanted.slot, wanted.kind, len(wanted.nexthops)):
        return False
    left = list(have.nexthops)
    for hop in sorted(wanted.nexthops, key=lambda hop: not hop.dev):  # those that leave nothing open choose first
        match = next((other for other in left if _leads(other, hop)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _leads(have: Nexthop, wanted: Nexthop) -> bool:
    return (
        have.via == wanted.via
        and (not wanted.dev or have.dev == wanted.dev)
        and have.weight == wanted.weight
        and have.encap == wanted.encap
    )


def serves(have: Route, wanted: Route) -> bool:
    """True when the route that is there is as `wanted` asks: the `same` for a diff of routes."""
    return (
        fits(have, wanted)
        and have.src == wanted.src
        and (have.family == 6 or have.scope == wanted.scope)
        and (have.family == 4 or have.pref == wanted.pref)
        and _asked(have) == _asked(wanted)
        and set(have.locked) == set(wanted.locked)
        and sorted(hop.realm for hop in have.nexthops) == sorted(hop.realm for hop in wanted.nexthops)
        and have.ttl_propagate == wanted.ttl_propagate
    )


def _asked(route: Route) -> dict[str, int | str]:
    """Metrics, without the features that the kernel sets itself."""
    found = dict(route.metrics)
    features = found.pop("features", 0)
    if isinstance(features, int) and features & FEATURES:
        found["features"] = features & FEATURES
    return found


# ---------------------------------------------------------------------------------------------------------- diffing

C = TypeVar("C")
K = TypeVar("K", bound=Hashable)


def in_order(routes: Iterable[C], rules: Iterable[C]) -> list[C]:
    """Changes of both kinds in an order without a wrong moment.

    What comes is there before what goes has gone, and no rule sends packets to a table that has not all its routes:
    routes come before rules and go after them.
    """
    routes, rules = list(routes), list(rules)
    return [
        *(change for change in routes if not isinstance(change, Remove)),
        *(change for change in rules if not isinstance(change, Remove)),
        *(change for change in rules if isinstance(change, Remove)),
        *(change for change in routes if isinstance(change, Remove)),
    ]


def route_changes(
    have: Mapping[K, Route], wanted: Mapping[K, Route], crowded: Callable[[Slot], bool] = lambda _: False
) -> list[Change[K, Route]]:
    """What leads from `have`, which may all be touched, to `wanted`.

    A new route takes over its slot from one that leaves it in one step. Not so where the slot is `crowded` with others:
    the kernel would replace the first of them, whosever it is. Then it comes first, and the other goes.
    """
    found: list[Change[K, Route]] = []
    changes = diff(have, wanted, same=serves)
    coming = Counter(change.wanted.slot for change in changes if isinstance(change, Add))
    going = Counter(change.have.slot for change in changes if isinstance(change, Remove))
    staying = Counter(route.slot for key, route in have.items() if key in wanted)
    leaving = {change.have.slot: change for change in changes if isinstance(change, Remove)}
    for change in changes:
        slot = change.have.slot if isinstance(change, Remove) else change.wanted.slot
        one_for_one = coming[slot] == going[slot] == 1 and not staying[slot] and not crowded(slot)
        if isinstance(change, Add) and one_for_one:
            found.append(Replace(change.key, leaving[slot].have, change.wanted))
        elif isinstance(change, Replace) and (staying[slot] > 1 or coming[slot] or going[slot] or crowded(slot)):
            if change.wanted.family == 4:
                found.append(Add(change.key, change.wanted))
            found.append(Remove(change.key, change.have))  # IPv6 has no room for both: it is added when this has gone
        elif not (isinstance(change, Remove) and one_for_one):
            found.append(change)
    return found
