"""What should be there, who may touch what, and when something is tried again: without a kernel."""

from __future__ import annotations

from dataclasses import replace
from errno import EEXIST, EHOSTUNREACH, ENETUNREACH, ESRCH
from ipaddress import IPv4Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.config.settled_routes import RouteEntry, RuleEntry, Static, StaticAddress
from hakeep.objects.diff import Add, Remove, Replace
from hakeep.objects.routes import Nexthop, Route, Rule
from hakeep.objects.rtnl import Address
from hakeep.vrrp.messages import Tracked
from hakeep.vrrp.routing import LOSSES_MAX, NEVER, Routing, Standing, serving, wished

ADDRESS = Address("eth0", IPv4Address("10.2.0.1"), 24)
GATEWAY = IPv4Address("10.1.0.254")
ONE = Route(4, ip_network("198.51.100.0/24"), (Nexthop(GATEWAY, "eth0"),), table=100)
TWO = replace(ONE, to=ip_network("198.51.101.0/24"))
RULE = Rule(4, 1000, table=100)
STATIC = Static((StaticAddress(ADDRESS),), (RouteEntry(ONE),), (RuleEntry(RULE),))
MASTER = Standing("VI", True, False, False, (RouteEntry(TWO),), (RuleEntry(replace(RULE, priority=1001)),))
UP = {"eth0": True, "eth1": True}


def routing(
    static: Static = STATIC, *standings: Standing, links: dict[str, bool] | None = None, there: tuple = ()
) -> Routing:
    found = Routing()
    found.stand(static, standings)
    report(found, there, links)
    return found


def report(state: Routing, there: tuple = (), links: dict[str, bool] | None = None, *, complete: bool = True) -> None:
    state.found(
        UP if links is None else links, [t for t in there if isinstance(t, Address)],
        [t for t in there if isinstance(t, Route)], [t for t in there if isinstance(t, Rule)], complete=complete)


def carry_out(state: Routing, now: float = 0.0) -> list[str]:
    """Do all that is due, as a kernel that says yes, and tell what it was."""
    said = []
    while changes := state.changes(now):
        for change in changes:
            said.append(f"{'-' if isinstance(change, Remove) else '+'} "
                        f"{change.have if isinstance(change, Remove) else change.wanted}")
            assert state.done(change, 0, "", now) == []
    return said


# ---------------------------------------------------------------------------------------------------- who serves


@pytest.mark.parametrize(
    ("master", "arriving", "leaving", "before", "serves"),
    [
        (True, False, False, False, True), (True, True, False, False, False), (True, True, False, True, True),
        (False, False, True, True, True), (False, False, True, False, False), (False, False, False, True, False),
    ],
)
def test_routes_go_with_the_addresses(master: bool, arriving: bool, leaving: bool, before: bool, serves: bool) -> None:
    standing = Standing("VI", master, arriving, leaving)
    assert serving([standing], {"VI"} if before else ()) == ({"VI"} if serves else set())


def test_of_two_that_want_the_same_the_first_says_how() -> None:
    other = Standing("VJ", True, False, False, (RouteEntry(replace(TWO, metrics=(("mtu", 1400),))),))
    found = wished(Static(), (MASTER, other), {"VI", "VJ"})
    assert found[TWO.key] == ("VI", RouteEntry(TWO))
    assert wished(Static(), (MASTER, other), {"VJ"})[TWO.key][0] == "VJ"


def test_what_comes_comes_in_order_and_goes_the_other_way_round() -> None:
    state = routing(STATIC, MASTER)
    assert carry_out(state) == [f"+ {ADDRESS}", f"+ {ONE}", f"+ {TWO}", f"+ {RULE}", f"+ {MASTER.rules[0].rule}"]
    state.stand(STATIC, [MASTER._replace(master=False)])
    assert carry_out(state) == [f"- {MASTER.rules[0].rule}", f"- {TWO}"]
    state.leave()
    assert carry_out(state) == [f"- {RULE}", f"- {ONE}", f"- {ADDRESS}"]
    assert carry_out(state) == []


def test_a_route_takes_over_in_one_step_but_not_before_others_are_known() -> None:
    state = routing(Static(routes=(RouteEntry(ONE),)))
    carry_out(state)
    other = replace(ONE, nexthops=(Nexthop(GATEWAY, "eth1"),))
    state.stand(Static(routes=(RouteEntry(other),)), ())
    assert state.changes(0, blind=True) == []
    assert state.changes(0) == [Replace(other.key, ONE, other)]
    carry_out(state)
    assert list(state.have.values()) == [other]


# ------------------------------------------------------------------------------------------------ ours and others'


def test_leftovers_are_adopted_changed_or_removed() -> None:
    stale = replace(TWO, nexthops=(Nexthop(GATEWAY, "eth1"),))
    state = routing(STATIC, MASTER._replace(master=False), there=(ADDRESS, ONE, stale, RULE))
    assert carry_out(state) == [f"- {stale}"]
    assert carry_out(routing(STATIC, MASTER, there=(ADDRESS, ONE, stale, RULE, MASTER.rules[0].rule))) == [f"+ {TWO}"]


def test_what_we_do_not_name_is_not_ours_whoever_made_it() -> None:
    strangers = (replace(ONE, table=5), replace(RULE, priority=7), replace(ADDRESS, prefix=25))
    state = routing(there=(ADDRESS, ONE, RULE, *strangers))
    state.leave()
    assert carry_out(state) == [f"- {RULE}", f"- {ONE}", f"- {ADDRESS}"]


def test_what_others_have_is_used_and_never_removed_and_ours_comes_when_it_goes() -> None:
    theirs = (replace(ADDRESS, proto=0), replace(ONE, protocol=4), replace(RULE, protocol=4))
    state = Routing()
    state.stand(STATIC, ())
    report(state, theirs)
    assert len(state.strangers()) == 3
    report(state, theirs)
    assert state.strangers() == [], "it is told once"
    assert state.borrows and carry_out(state) == []
    for thing in theirs:
        assert state.gone(thing, 4711, 0) == []
    assert carry_out(state) == [f"+ {ADDRESS}", f"+ {ONE}", f"+ {RULE}"]


def test_beside_what_others_have_in_its_slot_ours_is_added_and_theirs_is_not_replaced() -> None:
    theirs = replace(ONE, protocol=4, nexthops=(Nexthop(GATEWAY, "eth1"),))
    other = replace(ONE, nexthops=(Nexthop(IPv4Address("10.1.0.1"), "eth0"),))
    state = routing(Static(routes=(RouteEntry(other),)), there=(ONE, theirs))
    assert state.changes(0) == [Add(other.key, other), Remove(ONE.key, ONE)]


def test_with_a_protocol_of_its_own_it_is_ours_only_if_we_made_it() -> None:
    marked = replace(ONE, protocol=77)
    state = routing(Static(routes=(RouteEntry(marked, track=False),)), there=(marked,))
    state.leave()
    assert carry_out(state) == []
    state = routing(Static(routes=(RouteEntry(marked, track=False),)))
    carry_out(state)
    report(state, (marked,))
    state.leave()
    assert carry_out(state) == [f"- {marked}"]


def test_what_was_there_already_is_taken_away_in_the_end_if_it_is_ours_after_all() -> None:
    """The kernel removes it only if it has our protocol: an IPv6 route among the next hops of somebody else's."""
    state = routing(Static(routes=(RouteEntry(ONE),)))
    (change,) = state.changes(0)
    assert state.done(change, EEXIST, "", 0) == [] and state.changes(0) == []
    state.leave()
    (removal,) = state.changes(0)
    assert removal == Remove(ONE.key, ONE)
    state.done(removal, ESRCH, "", 0)


# ------------------------------------------------------------------------------------------------------ put back


def test_what_others_delete_is_put_back_with_growing_pauses() -> None:
    state = routing(Static(routes=(RouteEntry(ONE),)))
    now = 100.0
    for number in range(LOSSES_MAX + 1):
        assert carry_out(state, now) == [f"+ {ONE}"]
        ((_, line),) = state.gone(ONE, 4711, now)
        assert ("contested" in line) == (number == LOSSES_MAX) and "4711" in line
        now += 0.1
    pauses = []
    for _ in range(4):
        assert state.changes(now) == []
        pauses.append(round(state.due(now) - now + 0.1, 1))
        now = state.due(now)
        assert carry_out(state, now) == [f"+ {ONE}"]
        for _ in range(LOSSES_MAX + 1):  # and again
            state.gone(ONE, 4711, now)
            if state.due(now) != NEVER:
                break
            carry_out(state, now)
        now += 0.1
    assert pauses == sorted(pauses) and pauses[0] == 1.0 and pauses[-1] > 2


def test_the_kernel_itself_is_nobody_to_blame() -> None:
    state = routing(Static(routes=(RouteEntry(ONE),)))
    for _ in range(20):
        carry_out(state)
        assert state.gone(ONE, 0, 0.0) == []
    assert carry_out(state) == [f"+ {ONE}"]


def test_what_is_not_tracked_comes_back_with_the_next_master() -> None:
    moving = MASTER._replace(routes=(RouteEntry(TWO, track=False),), rules=())
    state = routing(Static(), moving)
    carry_out(state)
    assert state.gone(TWO, 4711, 0) == [] and carry_out(state) == []
    state.stand(Static(), [moving._replace(master=False)])
    state.stand(Static(), [moving])
    assert carry_out(state) == [f"+ {TWO}"]


def test_who_overwrites_ours_deletes_it() -> None:
    state = routing(Static(routes=(RouteEntry(ONE),)))
    carry_out(state)
    theirs = replace(ONE, protocol=4, nexthops=(Nexthop(GATEWAY, "eth1"),))
    assert len(state.overwritten(theirs, 4711, 0)) == 1
    state.came(theirs)
    assert carry_out(state) == [f"+ {ONE}"]


def test_a_refusal_is_told_once_and_tried_again_later_or_when_the_link_comes_back() -> None:
    state = routing(Static(routes=(RouteEntry(ONE),)))
    now = 0.0
    told = []
    for _ in range(5):
        (change,) = state.changes(now)
        told += state.done(change, ENETUNREACH, "Nexthop has invalid gateway", now)
        assert state.changes(now) == [] and state.due(now) > now
        now = state.due(now)
    assert len(told) == 1 and now == 1 + 2 + 4 + 8 + 16
    (change,) = state.changes(now)
    state.done(change, ENETUNREACH, "Nexthop has invalid gateway", now)
    report(state, links={"eth0": False})
    report(state)
    (change,) = state.changes(now)
    assert change.wanted == ONE and len(state.done(change, 0, "", now)) == 1, "and it is told that it is set"


def test_a_refusal_has_its_reason_until_the_kernel_takes_it_after_all_and_that_is_told() -> None:
    state = routing(Static(), MASTER)
    assert (state.trouble(TWO.key), state.trouble(MASTER.rules[0].rule.key)) == ("", "")
    route, rule = state.changes(0)
    (line,) = state.done(route, EHOSTUNREACH, "", 0)
    assert "EHOSTUNREACH (its gateway cannot be reached from here)" in line[1]
    state.done(rule, 0, "", 0)
    assert state.trouble(TWO.key) == "EHOSTUNREACH (its gateway cannot be reached from here)"
    report(state, (MASTER.rules[0].rule,), {"eth0": False})
    assert state.trouble(TWO.key) == "interface eth0 down"
    report(state, (MASTER.rules[0].rule,))
    assert "EHOSTUNREACH" in state.trouble(TWO.key), "the link is back, and it was not yet tried again"
    (again,) = state.changes(9)
    (line,) = state.done(again, 0, "", 9)
    assert line[1] == f"(VI) route {TWO} is set now, after all"
    assert state.trouble(TWO.key) == ""


def test_what_is_not_wanted_or_lent_is_no_trouble() -> None:
    state = routing(Static(), MASTER)
    state.done(state.changes(0)[0], EHOSTUNREACH, "", 0)
    state.came(replace(TWO, protocol=4))
    assert state.trouble(TWO.key) == "", "somebody else's serves"
    state.gone(replace(TWO, protocol=4), 1, 0)
    assert state.trouble(TWO.key) != ""
    state.stand(Static(), [MASTER._replace(master=False)])
    assert state.trouble(TWO.key) == "", "a BACKUP does not want it"
    state.stand(Static(), [MASTER])
    assert state.trouble(TWO.key) == "", "and a new MASTER has not tried yet"


def test_static_things_that_wait_for_their_interface_are_told_of_once_for_each_reason() -> None:
    state = routing(STATIC, links={"lo": True})
    (line,) = state.waiting()
    assert line[1] == f"static address {ADDRESS} and 1 more: interface eth0 missing, waiting for it"
    assert state.waiting() == []
    assert state.trouble(ONE.key) == state.trouble(ADDRESS.key) == "interface eth0 missing"
    report(state)
    assert state.waiting() == [] and state.trouble(ONE.key) == ""
    report(state, links={"lo": True})
    assert len(state.waiting()) == 1, "it went again"
    assert routing(Static(), MASTER, links={"lo": True}).waiting() == [], "what is virtual is its router's affair"


def test_without_its_link_nothing_is_tried_and_nothing_is_said() -> None:
    state = routing(Static(routes=(RouteEntry(ONE),)), links={"eth0": False})
    assert state.changes(0) == [] and state.due(0) == NEVER
    report(state)
    assert carry_out(state) == [f"+ {ONE}"]
    report(state, links={})  # it went with its link
    assert state.changes(0) == []


def test_a_track_group_is_well_while_all_its_things_are_there() -> None:
    static = Static((), (RouteEntry(ONE, group="G"),), (RuleEntry(RULE),), (("G", ("VI",)),))
    state = routing(static)
    assert state.tidings() == [], "nothing is known yet"
    carry_out(state)
    assert state.tidings() == [Tracked("group", "G", True)]
    assert state.tidings() == []
    report(state, links={"eth0": False})
    (told,) = state.tidings()
    assert (told.name, told.well) == ("G", False) and "interface eth0 down" in told.why
    report(state)
    carry_out(state)
    assert [told.well for told in state.tidings()] == [True]


# ------------------------------------------------------------------------------------------------------- property

ROUTES = st.lists(st.builds(
    lambda table, gateway, last: RouteEntry(replace(
        ONE, table=table, to=ip_network(f"198.51.{last}.0/24"), nexthops=(Nexthop(gateway, "eth0"),))),
    st.sampled_from([100, 101]), st.sampled_from([GATEWAY, IPv4Address("10.1.0.1")]), st.integers(1, 3)),
    max_size=4, unique_by=lambda entry: entry.route.key)
RULES = st.lists(st.builds(lambda table, priority: RuleEntry(Rule(4, priority, table=table)),
                           st.sampled_from([100, 101]), st.integers(1, 3)), max_size=3, unique_by=lambda e: e.rule.key)


@given(st.lists(st.tuples(ROUTES, RULES, st.booleans()), min_size=1, max_size=4), st.data())
def test_whatever_happens_in_the_end_all_is_there_and_in_between_no_rule_is_too_early(
    steps: list[tuple[list[RouteEntry], list[RuleEntry], bool]], data: st.DataObject
) -> None:
    state = routing(Static())
    now = 0.0
    for routes, rules, master in steps:
        state.stand(Static(), [Standing("VI", master, False, False, tuple(routes), tuple(rules))])
        now += 1000
        while changes := state.changes(now):
            for change in changes:
                state.done(change, 0, "", now)
                if isinstance(change, Add) and isinstance(change.wanted, Rule):
                    there = {thing.key for thing in state.have.values() if isinstance(thing, Route)}
                    assert all(entry.route.key in there for entry in routes if entry.route.table == change.wanted.table)
        if state.have and data.draw(st.booleans()):
            state.gone(data.draw(st.sampled_from(list(state.have.values()))), data.draw(st.sampled_from([0, 7])), now)
            carry_out(state, now)
        wanted = [thing for thing in (*(e.route for e in routes), *(e.rule for e in rules)) if master]
        assert set(state.have) == {thing.key for thing in wanted}
