"""Routes, rules and static things, from what became of them to the lines that people read."""

from __future__ import annotations

from dataclasses import replace
from errno import EHOSTUNREACH
from ipaddress import ip_address, ip_network

from hakeep.config.settled import Global, Settings, VrrpInstance
from hakeep.config.settled_routes import RouteEntry, RuleEntry, Static, StaticAddress
from hakeep.objects.routes import Nexthop, Route, Rule
from hakeep.objects.rtnl import Address, Link
from hakeep.report.routers import Lines, snapshots
from hakeep.report.routing_shown import standing, written_static
from hakeep.report.snapshot import DaemonSnapshot, RouterSnapshot, RoutingSnapshot
from hakeep.report.status import render_status
from hakeep.vrrp.engine import Engine
from hakeep.vrrp.routing import Routing, Standing

ROUTE = RouteEntry(Route(4, ip_network("198.51.100.0/24"), (Nexthop(ip_address("10.9.0.254"), "eth0"),)))
RULE = RuleEntry(Rule(4, 1000, table=100))
STATIC = Static((StaticAddress(Address("eth9", ip_address("10.2.0.1"), 24)),))
INSTANCE = VrrpInstance("VI_1", 51, "eth0", routes=(ROUTE,), rules=(RULE,))
ETH0 = Link(2, "eth0", up=True, running=True, mac=bytes(6))
WHY = "EHOSTUNREACH (its gateway cannot be reached from here)"
TEXT = "prepend 198.51.100.0/24 via inet 10.9.0.254 dev eth0 proto 18"


def engine() -> Engine:
    found = Engine(
        Settings(Global(), (INSTANCE,)), 0.0, links=(ETH0,),
        addresses=(Address("eth0", ip_address("10.9.0.5"), 24, proto=0),))
    found.begin()
    return found


def refused() -> Routing:
    """The kernel has the rule, refuses the route, and lacks the interface of the static address."""
    routing = Routing()
    routing.stand(STATIC, [Standing("VI_1", True, False, False, (ROUTE,), (RULE,))])
    routing.found({"eth0": True}, (), (), (), complete=True)
    for change, errno in zip(routing.changes(0), (EHOSTUNREACH, 0), strict=True):
        routing.done(change, errno, "", 0)
    return routing


def test_snapshots_say_what_the_kernel_has_and_why_not() -> None:
    (router,) = snapshots(engine(), 0, 1e6, {}, routing=refused())
    assert router.routes == (RoutingSnapshot("route", TEXT, False, WHY),)
    assert [(rule.kind, rule.present, rule.why) for rule in router.rules] == [("rule", True, "")]
    (address,) = standing(written_static(STATIC), refused())
    assert (address.kind, address.present, address.why) == ("address", False, "interface eth9 missing")


def test_their_texts_are_written_once() -> None:
    known: dict[str, Lines] = {}
    running, routing = engine(), Routing()
    (before,) = snapshots(running, 0, 1e6, {}, known, routing)
    (after,) = snapshots(running, 1, 1e6, {}, known, routing)
    assert before.routes[0] is after.routes[0] and before.rules[0] is after.rules[0]


def shown(router: RouterSnapshot, *static: RoutingSnapshot, verbose: bool = False) -> str:
    return render_status(DaemonSnapshot("1", routers=(router,), static=static), 10, verbose=verbose)


def test_what_is_refused_has_a_line_and_what_is_well_only_with_v() -> None:
    (router,) = snapshots(engine(), 0, 1e6, {}, routing=refused())
    waits = RoutingSnapshot("address", "10.2.0.1/24 dev eth9 scope global", False, "interface eth9 missing")
    text = shown(router, waits)
    assert f"\n! VI_1: route {TEXT}: not set ({WHY})\n" in text
    assert "\n! static: address 10.2.0.1/24 dev eth9 scope global: not set (interface eth9 missing)\n" in text
    assert "rule" not in text
    detailed = shown(router, waits, verbose=True)
    assert f"\n  route:      {TEXT}: not set ({WHY})\n" in detailed
    assert "\n  rule:       from all priority 1000" in detailed and "lookup 100: set\n" in detailed
    assert "\nstatic\n  address:    10.2.0.1/24 dev eth9" in detailed
    well = replace(router, routes=(RoutingSnapshot("route", TEXT, True),))
    assert TEXT not in shown(well) and f"{TEXT}: set\n" in shown(well, verbose=True)


def test_many_are_counted() -> None:
    router = RouterSnapshot("VI", routes=tuple(RoutingSnapshot("route", f"r{n}", False, "no") for n in range(12)))
    assert "r9: not set" in shown(router) and "r10:" not in shown(router)
    assert "! and 2 more routes, rules or static addresses: see -v" in shown(router)
