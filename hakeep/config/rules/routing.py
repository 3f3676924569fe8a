"""Routes and rules that come and go with the master, or stay."""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.config.diagnostic import Code, Verdict
from hakeep.config.rules.rule import Found, error, rule, warning
from hakeep.config.rules.view import View
from hakeep.config.schema import Section
from hakeep.config.span import Span
from hakeep.config.values.addresses import parse_ip
from hakeep.config.values.options import Pairs

#: Types of routes that lead nowhere on purpose.
_NO_WAY = frozenset({"blackhole", "unreachable", "prohibit", "throw"})


@rule(Code.ROUTE_UNTRACKED)
def untracked(view: View) -> Iterator[Found]:
    """A route without an interface

    A route is watched by its interface: while that is down the instance is in FAULT. Without dev no interface is
    watched; a keepalived does not put such a route back either when somebody removes it (hakeep does). Say which
    interface, or no_track if that is meant.

    Example::

        static_routes { 203.0.113.0/24 via 192.0.2.1 }

    Cure::

        static_routes { 203.0.113.0/24 via 192.0.2.1 dev eth0 }
    """
    for _, route, span in _entries(view, "routes"):
        names = dict(route)
        if "dev" not in names and "no_track" not in names:
            fix = "add dev IFNAME, or no_track" if _NO_WAY.isdisjoint(names) else "add no_track"
            yield warning(f"the route to {names.get('to', 'nowhere')} has no dev, so no interface is watched", span,
                          fix=fix, verdict=Verdict.WARNING)


@rule(Code.ROUTE_TARGET)
def target(view: View) -> Iterator[Found]:
    """A route without a destination

    A route needs to say where it leads: a network, an address, or default.

    Example::

        static_routes { via 192.0.2.1 dev eth0 }

    Cure::

        static_routes { default via 192.0.2.1 dev eth0 }
    """
    for _, route, span in _entries(view, "routes"):
        if "to" not in dict(route):
            yield error("this route has no destination", span)


@rule(Code.RULE_PREFERENCE)
def preference(view: View) -> Iterator[Found]:
    """A policy rule without a preference

    Rules are asked in the order of their preference. Those without one get 16384 and the numbers below it, in the order
    of the file: the last is asked first, which is hardly what is meant, and on a router with another file it is another
    number.

    Example::

        static_rules { from 192.0.2.100 table 100 }

    Cure::

        static_rules { from 192.0.2.100 table 100 preference 1000 }
    """
    for _, entry, span in _entries(view, "rules"):
        if "preference" not in dict(entry):
            yield error("this rule has no preference", span, fix="add preference N",
                        note="it gets 16384, or the next number below it")


@rule(Code.ROUTE_SOURCE)
def source(view: View) -> Iterator[Found]:
    """A virtual route with a source address that does not move along

    `src` must be an address of this machine at the moment when the route is added. In a virtual route it is usually
    one of the instance's own; an address that is not among them must be there on every router all the time, or the
    route cannot be added. With --host this machine's addresses are known too.

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            virtual_routes { 203.0.113.0/24 via 192.0.2.1 dev eth0 src 192.0.2.101 }
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            virtual_routes { 203.0.113.0/24 via 192.0.2.1 dev eth0 src 192.0.2.100 }
        }
    """
    moving = {vip.entry.ip for vip in view.vips}
    for section, route, span in _entries(view, "routes"):
        names = dict(route)
        ip = parse_ip(names.get("src", "")) if "src" in names and section is not view.config else None
        if ip is None or ip in moving:
            continue
        own = view.host.subnets(names["dev"]) if view.host.subnets and "dev" in names else None
        if own is None or all(subnet.ip != ip for subnet in own):
            yield warning(f"{section.name}: the route's src {ip} is none of its addresses", span)


@rule(Code.ROUTE_TABLE)
def table(view: View) -> Iterator[Found]:
    """A routing table whose name is not known

    The kernel knows tables by their numbers. Names other than main, local and default come from
    /etc/iproute2/rt_tables (see iproute_etc_dir), which must be the same on every router. A route or rule with an
    unknown one is left out.
    Known only with --host, and to the daemon itself.

    Example::

        static_routes { 203.0.113.0/24 via 192.0.2.1 dev eth0 table uplink2 }

    Cure::

        static_routes { 203.0.113.0/24 via 192.0.2.1 dev eth0 table 102 }
    """
    for kind in ("routes", "rules"):
        for _, entry, span in _entries(view, kind):
            name = dict(entry).get("table", "")
            if view.host.tables is not None and name and not name[0].isdecimal() and name not in view.host.tables:
                yield error(f"there is no routing table {name}", span, note=f"this {kind[:-1]} is left out",
                            fix=f"write its number, or put it into {view.host.folders.etc}/rt_tables")


def _entries(view: View, kind: str) -> Iterator[tuple[Section, Pairs, Span | None]]:
    owners: list[tuple[Section, str]] = [(view.config, f"static_{kind}")]
    owners += [(instance, f"virtual_{kind}") for instance in view.config.vrrp_instance]
    for section, keyword in owners:
        for index, entry in enumerate(getattr(section, keyword)):
            yield section, entry, section.span(keyword, index)
