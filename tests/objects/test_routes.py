"""What tells routes apart, and changes without a wrong moment, tried on a model of the kernel's tables."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.objects.diff import Add, Change, Remove, Replace, diff
from hakeep.objects.routes import (
    Encap,
    Nexthop,
    Route,
    RouteKey,
    Rule,
    RuleKey,
    fits,
    in_order,
    route_changes,
    serves,
)

NET = ip_network("198.51.100.0/24")
GATEWAYS = [IPv4Address(f"10.1.0.{number}") for number in (1, 2, 3)]
PLAIN = Route(4, NET, (Nexthop(GATEWAYS[0], "eth0"),))


def test_what_is_left_open_may_be_anything() -> None:
    asked = replace(PLAIN, nexthops=(Nexthop(GATEWAYS[0]),))
    assert fits(PLAIN, asked) and serves(PLAIN, asked) and not fits(asked, PLAIN)


@pytest.mark.parametrize(
    "other",
    [
        {"table": 100}, {"metric": 5}, {"tos": 4}, {"to": ip_network("198.51.101.0/24")}, {"kind": "local"},
        {"nexthops": (Nexthop(GATEWAYS[1], "eth0"),)}, {"nexthops": (Nexthop(GATEWAYS[0], "eth1"),)},
        {"nexthops": (Nexthop(GATEWAYS[0], "eth0", 2),)}, {"nexthops": PLAIN.nexthops * 2},
        {"nexthops": (replace(PLAIN.nexthops[0], encap=Encap("mpls", (("labels", (16,)),))),)},
    ],
)
def test_another_way_is_another_route(other: dict[str, object]) -> None:
    changed = replace(PLAIN, **other)  # type: ignore[arg-type]
    assert changed.key != PLAIN.key
    assert not fits(changed, PLAIN) and not serves(changed, PLAIN)


@pytest.mark.parametrize(
    "other",
    [{"src": GATEWAYS[2]}, {"metrics": (("mtu", 1400),)}, {"locked": ("mtu",)}, {"scope": 253},
     {"ttl_propagate": True}],
)
def test_the_same_way_in_another_manner(other: dict[str, object]) -> None:
    changed = replace(PLAIN, **other)  # type: ignore[arg-type]
    assert changed.key == PLAIN.key
    assert fits(changed, PLAIN) and not serves(changed, PLAIN)


def test_what_the_kernel_adds_by_itself_does_not_count() -> None:
    assert serves(replace(PLAIN, metrics=(("features", 1 << 31),), protocol=4, expires=7), PLAIN)
    six = Route(6, ip_network("2001:db8::/64"), (Nexthop(IPv6Address("fe80::1"), "eth0"),), metric=1024)
    assert serves(replace(six, scope=253), six) and not serves(replace(six, pref=1), six)


def test_the_order_of_next_hops_does_not_count() -> None:
    hops = (Nexthop(GATEWAYS[0], "eth0", 2), Nexthop(GATEWAYS[1], "eth0"))
    assert serves(replace(PLAIN, nexthops=hops[::-1]), replace(PLAIN, nexthops=hops))
    open_and_not = (Nexthop(None, ""), Nexthop(None, "eth1"))
    assert fits(replace(PLAIN, nexthops=(Nexthop(None, "eth1"), Nexthop(None, "eth0"))),
                replace(PLAIN, nexthops=open_and_not))


def test_texts() -> None:
    assert str(PLAIN) == "198.51.100.0/24 via 10.1.0.1 dev eth0"
    hops = (Nexthop(GATEWAYS[0]), Nexthop(GATEWAYS[1], weight=2))
    several = replace(PLAIN, to=ip_network("0.0.0.0/0"), nexthops=hops)
    assert str(replace(several, table=100, metric=5)) == \
        "default nexthop via 10.1.0.1 nexthop via 10.1.0.2 weight 2 table 100 metric 5"
    assert str(replace(PLAIN, kind="blackhole", nexthops=())) == "blackhole 198.51.100.0/24"
    rule = Rule(4, 1000, source=NET, mark=(1, 0xFF), sport=(5, 9), table=254)
    assert str(rule) == "1000: from 198.51.100.0/24 fwmark 0x1/0xff sport 5-9 lookup main"


# ------------------------------------------------------------------------------------------------------- properties

ROUTES = st.builds(
    lambda table, to, gateway, metric, mtu: Route(
        4, to, (Nexthop(gateway, "eth0"),), table=table, metric=metric, metrics=(("mtu", mtu),) if mtu else ()),
    st.sampled_from([100, 101]), st.sampled_from([NET, ip_network("0.0.0.0/0")]), st.sampled_from(GATEWAYS),
    st.sampled_from([0, 5]), st.sampled_from([0, 1400]))
RULES = st.builds(
    lambda table, priority: Rule(4, priority, table=table), st.sampled_from([100, 101]), st.sampled_from([7, 8, 9]))
ROUTE_SETS = st.lists(ROUTES, max_size=6).map(lambda found: {route.key: route for route in found})
RULE_SETS = st.lists(RULES, max_size=4).map(lambda found: {rule.key: rule for rule in found})


@dataclass
class Kernel:
    """Tables as Linux keeps them, for IPv4."""

    routes: list[Route]
    rules: set[Rule] = field(default_factory=set)

    def apply(self, change: Change[RouteKey, Route] | Change[RuleKey, Rule]) -> None:
        thing = change.have if isinstance(change, Remove) else change.wanted
        if isinstance(thing, Rule):
            assert not isinstance(change, Replace), "the kernel cannot replace rules"
            assert (thing in self.rules) == isinstance(change, Remove)
            self.rules ^= {thing}
            return
        first = next((at for at, other in enumerate(self.routes) if other.slot == thing.slot), len(self.routes))
        if isinstance(change, Replace):
            self.routes[first : first + 1] = [thing]
        elif isinstance(change, Add):
            assert thing not in self.routes
            self.routes.insert(first, thing)
        else:
            self.routes.remove(thing)


def our(routes: list[Route]) -> dict[RouteKey, Route]:
    return {route.key: route for route in reversed(routes) if route.protocol == 18}


@given(ROUTE_SETS, ROUTE_SETS, RULE_SETS, RULE_SETS, st.lists(ROUTES, max_size=3, unique=True))
def test_no_wrong_moment(
    before: dict[RouteKey, Route], after: dict[RouteKey, Route], rules_before: dict[RuleKey, Rule],
    rules_after: dict[RuleKey, Rule], others: list[Route],
) -> None:
    theirs = [replace(route, protocol=4) for route in others]
    kernel = Kernel([*before.values(), *theirs], set(rules_before.values()))
    crowded = {route.slot for route in theirs}
    staying = [route for key, route in after.items() if key in before]
    for _ in range(3):  # what cannot be done in one go is done in the next
        changes = in_order(
            route_changes(our(kernel.routes), after, crowded.__contains__),
            diff({rule.key: rule for rule in kernel.rules}, rules_after))
        for change in changes:
            known = set(kernel.rules)
            kernel.apply(change)
            for route in staying:
                assert any(fits(have, route) for have in kernel.routes), f"{route} is missing after {change}"
            for rule in kernel.rules - known:
                lacking = [route for route in after.values()
                           if route.table == rule.table and route not in kernel.routes]
                assert not lacking, f"{rule} is there before its routes"
            for rule in known & kernel.rules - set(rules_after.values()):
                lost = [route for route in before.values() if route.table == rule.table
                        and not any(have.slot == route.slot for have in kernel.routes)]
                assert not lost, f"{rule} is there after its routes"
            assert [route for route in kernel.routes if route.protocol == 4] == theirs
    assert {route.key: route for route in kernel.routes if route.protocol == 18} == after
    assert kernel.rules == set(rules_after.values())


@given(ROUTE_SETS)
def test_what_is_there_is_left_alone(routes: dict[RouteKey, Route]) -> None:
    assert route_changes(routes, routes) == []


def test_one_gateway_takes_over_from_another_in_one_step() -> None:
    other = replace(PLAIN, nexthops=(Nexthop(GATEWAYS[1], "eth0"),))
    assert route_changes({PLAIN.key: PLAIN}, {other.key: other}) == [Replace(other.key, PLAIN, other)]
    crowded = route_changes({PLAIN.key: PLAIN}, {other.key: other}, lambda slot: True)
    assert in_order(crowded, []) == [Add(other.key, other), Remove(PLAIN.key, PLAIN)]
