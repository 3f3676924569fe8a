"""Routes and policy rules as keepalived's dumps write them: ``prepend 10.0.0.0/8 via inet 192.0.2.1 dev x proto 18``.

The order of the words is that of keepalived 2.2.7, like the one of `address_text`. Where it writes what is not so (it
shows rtt as rttvar, labels of MPLS shifted, and no protocol of a route that is not tracked) the true value stands here.
"""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.config.settled_routes import RouteEntry, RuleEntry, StaticAddress
from hakeep.objects.routes import DEAD_ENDS, METRIC6, TABLE_MAIN, Encap, Network, Nexthop, Route, Rule
from hakeep.objects.rtnl import SCOPE_LINK, IPAddress

#: The metrics of a route in their order.
_METRICS = (
    "congctl", "rtt", "rttvar", "rto_min", "features", "mtu", "window", "ssthresh", "cwnd", "advmss", "reordering",
    "hoplimit", "initcwnd", "initrwnd", "quickack", "fastopen_no_cookie")  # fmt: skip

#: How many of the kernel's units a millisecond has.
_PER_MILLISECOND = {"rtt": 8, "rttvar": 4, "rto_min": 1}

_ENCAP = ("labels", "id", "dst", "src", "tos", "tc", "ttl", "hoplimit", "locator", "flags")
_PREFS = {-1: "low", 1: "high"}


def route_text(entry: RouteEntry) -> str:
    """A line of virtual_routes or static_routes."""
    return " ".join((*_route(entry.route), *_tracking(entry)))


def rule_text(entry: RuleEntry) -> str:
    """A line of virtual_rules or static_rules."""
    return " ".join((*_rule(entry.rule), *_tracking(entry)))


def _tracking(entry: RouteEntry | RuleEntry | StaticAddress) -> Iterator[str]:
    if entry.group:
        yield f"track_group {entry.group}"
    elif not entry.track:
        yield "no_track"


# -------------------------------------------------------------------------------------------------------------- routes


def _route(route: Route) -> Iterator[str]:
    only = route.nexthops[0] if len(route.nexthops) == 1 else Nexthop()
    yield "add" if route.kind in DEAD_ENDS and route.insert == "prepend" else route.insert
    if route.kind != "unicast":
        yield route.kind
    yield _network(route.to)
    yield from [f"from {_network(route.source)}"] if route.source else []
    yield from [_encap(only.encap)] if only.encap else []
    yield from [f"src {route.src}"] if route.src else []
    yield from [f"tos {route.tos}"] if route.tos else []
    yield from _way(only)
    yield from [f"table {route.table}"] if route.table != TABLE_MAIN else []
    yield f"proto {route.protocol}"
    if route.scope and not (route.scope == SCOPE_LINK and only.via is None):  # the usual one
        yield f"scope {route.scope}"
    if route.metric and not (route.family == 6 and route.metric == METRIC6):
        yield f"metric {route.metric}"
    yield from ["onlink"] if only.onlink else []
    yield from _realm(only.realm)
    if route.ttl_propagate is not None:
        yield f"ttl-propagate {'enabled' if route.ttl_propagate else 'disabled'}"
    yield from [f"expires {route.expires}sec"] if route.expires else []
    yield from _metrics(route)
    yield from [f"pref {_PREFS[route.pref]}"] if route.pref in _PREFS else []
    for hop in route.nexthops if len(route.nexthops) > 1 else ():
        yield " ".join(_nexthop(hop))


def _network(network: Network) -> str:
    """A host's prefix length is left out."""
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _way(hop: Nexthop) -> Iterator[str]:
    if hop.via is not None:
        yield f"via {'inet6' if hop.via.version == 6 else 'inet'} {hop.via}"
    if hop.dev:
        yield f"dev {hop.dev}"


def _nexthop(hop: Nexthop) -> Iterator[str]:
    yield "nexthop"
    yield from _way(hop)
    yield from [f"weight {hop.weight}"] if hop.weight != 1 else []
    yield from ["onlink"] if hop.onlink else []
    yield from _realm(hop.realm)
    yield from [_encap(hop.encap)] if hop.encap else []


def _realm(realm: int) -> Iterator[str]:
    source, destination = divmod(realm, 1 << 16)
    if realm:
        yield f"realms {source}/{destination}" if source else f"realm {destination}"


def _metrics(route: Route) -> Iterator[str]:
    given = dict(route.metrics)
    for name in _METRICS:
        value = given.get(name)
        if value is None:
            continue
        if name in _PER_MILLISECOND:
            value = f"{int(value) // _PER_MILLISECOND[name]}ms"
        elif name == "features":
            value = "ecn"
        yield f"{name} {'lock ' if name in route.locked else ''}{value}"


def _encap(encap: Encap) -> str:
    options = dict(encap.options)
    words = [_option(encap.kind, name, options[name]) for name in _ENCAP if name in options]
    return " ".join(("encap", encap.kind, *words))


def _option(kind: str, name: str, value: int | IPAddress | tuple[int, ...]) -> str:
    said = "/".join(map(str, value)) if isinstance(value, tuple) else str(value)
    if isinstance(value, int) and name == "flags":
        said = hex(value)
    return said if (kind, name) in (("mpls", "labels"), ("ila", "locator")) else f"{name} {said}"


# --------------------------------------------------------------------------------------------------------------- rules


def _rule(rule: Rule) -> Iterator[str]:
    if rule.inverted:
        yield "not"
    yield f"from {_network(rule.source) if rule.source else 'all'}"
    yield from [f"to {_network(rule.to)}"] if rule.to else []
    yield f"priority {rule.priority}"
    yield f"tos {rule.tos:#x}"
    if rule.mark is not None:
        value, mask = rule.mark
        yield f"fwmark {value:#x}" if mask == 0xFFFFFFFF else f"fwmark {value:#x}/{mask:#x}"
    yield from [f"iif {rule.iif}"] if rule.iif else []
    yield from [f"oif {rule.oif}"] if rule.oif else []
    if rule.suppress_prefixlength is not None:
        yield f"suppress_prefixlen {rule.suppress_prefixlength}"
    if rule.suppress_ifgroup is not None:
        yield f"suppress_ifgroup {rule.suppress_ifgroup}"
    yield from [f"tunnel-id {rule.tunnel_id}"] if rule.tunnel_id else []
    yield from [f"uidrange {rule.uids[0]}-{rule.uids[1]}"] if rule.uids else []
    yield from ["l3mdev"] if rule.action == "l3mdev" else []
    yield f"protocol {rule.protocol}"
    yield from [f"ipproto {rule.ip_protocol}"] if rule.ip_protocol else []
    for name, ports in (("sport", rule.sport), ("dport", rule.dport)):
        yield from [f"{name} {ports[0]}-{ports[1]}"] if ports else []
    yield from _realm(rule.realms)
    yield _verdict(rule)


def _verdict(rule: Rule) -> str:
    if rule.action in ("table", "l3mdev"):
        return f"lookup {rule.table}"
    if rule.action == "goto":
        return f"goto {rule.goto}"
    return "nop" if rule.action == "nop" else f"type {rule.action}"
