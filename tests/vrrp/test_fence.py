"""What the packet filter is to hold, from instances and where they work."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.config.settled import Global, VirtualAddress, VrrpInstance
from hakeep.objects.filter import Device, FencedRouter, Filter, NoAccept, Sender, VmacReports, to_script
from hakeep.objects.rtnl import Address, Ipvlan, Link, Macvlan
from hakeep.vrrp.fence import FilterPlan, Seat, fence_timeout, table_name

MAC = bytes.fromhex("00005e000133")
LINKS = {
    "lo": Link(1, "lo", loopback=True),
    "eth0": Link(2, "eth0"),
    "eth1": Link(3, "eth1"),
    "dummy0": Link(4, "dummy0", kind="dummy"),
    "vrrp.51": Link(5, "vrrp.51", kind="macvlan", base_index=2),
}
VIP = IPv4Address("192.0.2.100")
SOURCE = IPv4Address("192.0.2.1")
ONE = VrrpInstance(
    "VI_1", 51, "eth0", addresses=(VirtualAddress(Address("", VIP, 32)),)
)
SEAT = Seat("eth0", SOURCE, (("eth0", VIP),))


class Found(NamedTuple):
    filter: Filter
    unfenced: dict[str, str]


def wanted(
    *instances: VrrpInstance, holding: str = "VI_1", seats: dict[str, Seat] | None = None, **more: object
) -> Found:
    plan = FilterPlan(
        instances or (ONE,), {"VI_1": SEAT} if seats is None else seats, LINKS, **more  # type: ignore[arg-type]
    )
    return Found(plan.wanted(holding.split()), plan.unfenced)


def test_timeout_is_just_below_the_shortest_takeover() -> None:
    assert fence_timeout(ONE) == pytest.approx(2.99)
    assert fence_timeout(replace(ONE, version=3, advert_int=0.1)) == pytest.approx(0.29)
    assert fence_timeout(replace(ONE, version=3, advert_int=0.02)) == pytest.approx(0.055)
    assert fence_timeout(replace(ONE, down_timer_adverts=2)) == pytest.approx(1.99)


@pytest.mark.parametrize(("adverts", "interval"), [(1, 1.0), (1, 40.0), (3, 0.01), (2, 0.03)])
def test_no_timeout_where_one_late_advert_would_close(adverts: int, interval: float) -> None:
    instance = replace(ONE, version=3, down_timer_adverts=adverts, advert_int=interval)
    assert fence_timeout(instance) == 0.0
    found = wanted(instance)
    assert found.filter.fence.routers == ()
    assert "no room" in found.unfenced["VI_1"]


@given(st.integers(1, 100), st.floats(0.01, 40.95))
def test_timeout_bounds(adverts: int, interval: float) -> None:
    timeout = fence_timeout(replace(ONE, down_timer_adverts=adverts, advert_int=interval))
    assert timeout == 0.0 or interval + 0.03 <= timeout < adverts * interval
    assert timeout == 0.0 or timeout >= adverts * interval - 0.010001


def test_a_holder() -> None:
    found = wanted()
    assert found.unfenced == {}
    assert found.filter.fence.routers == (
        FencedRouter(1, "VI_1", fence_timeout(ONE), Sender("eth0", SOURCE, 51), (("eth0", VIP),)),
    )
    assert found.filter.fence.ingress == found.filter.fence.egress == (Device("eth0", 2),)
    assert found.filter.no_accept == ()


def test_a_backup_has_no_addresses_but_the_same_declaration() -> None:
    backup, master = wanted(holding="").filter, wanted().filter
    assert backup.fence.routers[0].vips == ()
    assert to_script(backup, master).splitlines() == [
        'add element netdev hakeep vips4 { "eth0" . 192.0.2.100 : goto vip_1 }',
        "add element netdev hakeep alive { 1 timeout 2990ms }",
    ]


def test_addresses_elsewhere() -> None:
    seat = Seat("eth0", SOURCE, (("eth1", VIP), ("lo", VIP + 1), ("dummy0", VIP + 2)))
    fence = wanted(seats={"VI_1": seat}).filter.fence
    assert fence.routers[0].vips == (("eth1", VIP), ("eth0", VIP + 1), ("eth0", VIP + 2))
    assert [device.name for device in fence.ingress] == ["eth0", "eth1"]
    only = replace(seat, addresses=(("eth1", VIP),))
    fence = wanted(seats={"VI_1": only}).filter.fence
    assert [device.name for device in fence.ingress] == ["eth1"]
    assert [device.name for device in fence.egress] == ["eth0", "eth1"]


def test_vmac_and_ipvlan_are_fenced_on_their_base() -> None:
    seat = Seat("vrrp.51", SOURCE, (("vrrp.51", VIP),))
    for vmac in (Macvlan("vrrp.51", "eth0", MAC), Ipvlan("vrrp.51", "eth0")):
        found = wanted(seats={"VI_1": seat}, vmacs=[vmac]).filter
        (router,) = found.fence.routers
        assert router.sender == Sender("eth0", SOURCE, 51)
        assert router.vips == (("eth0", VIP),)
        assert found.fence.ingress == found.fence.egress == (Device("eth0", 2),)
        expected = (VmacReports("vrrp.51", Device("eth0", 2)),) if isinstance(vmac, Macvlan) else ()
        assert found.reports == expected


def test_a_link_of_somebody_else_is_no_vmac_of_ours() -> None:
    """The base of a container's macvlan is in another namespace; its index means nothing here."""
    seat = Seat("vrrp.51", SOURCE, (("vrrp.51", VIP),))
    assert wanted(seats={"VI_1": seat}).filter.fence.ingress == (Device("vrrp.51", 5),)


def test_a_missing_device_is_not_hooked() -> None:
    seat = Seat("eth7", SOURCE, (("eth7", VIP), ("eth0", VIP + 1)))
    fence = wanted(seats={"VI_1": seat}).filter.fence
    assert fence.ingress == fence.egress == (Device("eth0", 2),)
    assert wanted(vmacs=[Macvlan("v", "eth7", MAC)]).filter.reports == ()


@pytest.mark.parametrize(
    ("instance", "seat", "more", "reason"),
    [
        (replace(ONE, vip_fence=False), SEAT, {}, "vip_fence off"),
        (ONE, None, {}, "not known"),
        (ONE, replace(SEAT, device=""), {}, "not known"),
        (ONE, replace(SEAT, source=None), {}, "no source address"),
        (ONE, replace(SEAT, device='e"'), {}, "cannot name"),
        (ONE, replace(SEAT, addresses=(("eth*", VIP),)), {}, "cannot name"),
        (ONE, SEAT, {"no_fence": "kernel 4.19"}, "kernel 4.19"),
    ],
)
def test_unfenced(instance: VrrpInstance, seat: Seat | None, more: dict[str, object], reason: str) -> None:
    found = wanted(instance, seats={"VI_1": seat} if seat else {}, **more)
    assert reason in found.unfenced["VI_1"]
    assert all(router.vips == () for router in found.filter.fence.routers), "unfenced means always open"


def test_two_routers_with_the_same_adverts() -> None:
    """They differ in where they send to: the second would be kept open by the first, so it has no fence."""
    two = replace(ONE, name="VI_2", multicast=None)
    seats = {"VI_1": SEAT, "VI_2": replace(SEAT, addresses=(("eth0", VIP + 1),))}
    found = wanted(ONE, two, holding="VI_1 VI_2", seats=seats)
    assert [router.label for router in found.filter.fence.routers] == ["VI_1"]
    assert "another instance sends" in found.unfenced["VI_2"]


def test_an_address_that_two_routers_hold_stands_in_the_map_once() -> None:
    two = replace(ONE, name="VI_2", virtual_router_id=52)
    seats = {"VI_1": SEAT, "VI_2": SEAT}
    both = wanted(ONE, two, holding="VI_1 VI_2", seats=seats).filter.fence.routers
    assert [router.vips for router in both] == [(("eth0", VIP),), ()]
    second = wanted(ONE, two, holding="VI_2", seats=seats).filter.fence.routers
    assert [router.vips for router in second] == [(), (("eth0", VIP),)]


def test_no_accept() -> None:
    deaf = replace(ONE, accept=False)
    mixed = replace(SEAT, addresses=(("eth0", VIP), ("vrrp.51", IPv6Address("fe80::1"))))
    found = wanted(deaf, seats={"VI_1": mixed}, holding="")
    assert found.filter.no_accept == (NoAccept(1, 4), NoAccept(1, 6))
    found = wanted(deaf, seats={"VI_1": mixed})
    assert found.filter.no_accept == (
        NoAccept(1, 4, (("eth0", VIP),)), NoAccept(1, 6, (("vrrp.51", IPv6Address("fe80::1")),))
    )
    assert wanted(replace(deaf, priority=255)).filter.no_accept == ()
    assert wanted(replace(deaf, vip_fence=False)).filter.no_accept != ()


def test_globals() -> None:
    found = wanted(settings=Global(nftables_table="fw", instance="web 1", nftables_priority=7, nftables_counters=True))
    assert (found.filter.table, found.filter.priority, found.filter.counters) == ("fw_web_1", 7, True)
    assert table_name(Global()) == "hakeep"
    assert table_name(Global(instance="a")) != table_name(Global(instance="b"))


@given(st.data())
def test_a_hold_changes_elements_only(data: st.DataObject) -> None:
    """Whoever becomes or ceases to be MASTER, no chain is touched."""
    addresses = [ip_address(text) for text in ("192.0.2.100", "192.0.2.101", "fe80::100", "2001:db8::1")]
    instances, seats = [], {}
    for n in range(1, 5):
        name = f"VI_{n}"
        instances.append(VrrpInstance(name, n, "eth0", accept=data.draw(st.booleans())))
        mine = data.draw(st.lists(st.tuples(st.sampled_from(["eth0", "eth1"]), st.sampled_from(addresses))))
        seats[name] = Seat("eth0", SOURCE, tuple(mine))
    holders = st.sets(st.sampled_from([instance.name for instance in instances]))
    plan = FilterPlan(instances, seats, LINKS)
    before, after = plan.wanted(data.draw(holders)), plan.wanted(data.draw(holders))
    assert all(" element " in line for line in to_script(before, after).splitlines())
    keys = [(router.number, *vip) for router in after.fence.routers for vip in router.vips]
    assert len({key[1:] for key in keys}) == len(keys)


def test_a_takeover_of_a_thousand_costs_little() -> None:
    """Who holds changes in the middle of a takeover: what does not depend on it is not worked out again."""
    instances = [VrrpInstance(f"VI_{n}", n % 255 + 1, f"eth{n // 255}") for n in range(1000)]
    seats = {
        f"VI_{n}": Seat(f"eth{n // 255}", SOURCE, ((f"eth{n // 255}", IPv4Address(0x0A000000 + n)),))
        for n in range(1000)
    }
    plan = FilterPlan(instances, seats, LINKS)
    none, every = plan.wanted(()), plan.wanted(frozenset(seats))
    assert [len(f.vips) for f in every.fence.routers] == [1] * 1000
    again = plan.wanted(frozenset(seats))
    assert all(one is other for one, other in zip(again.fence.routers, every.fence.routers, strict=True))
    assert all(one is other for one, other in zip(plan.wanted(()).fence.routers, none.fence.routers, strict=True))
