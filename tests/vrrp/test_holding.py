"""Addresses: taken, leased, put back, handed over. And who is told when."""

from __future__ import annotations

from dataclasses import replace
from errno import EBUSY
from ipaddress import ip_address

import pytest

from hakeep.config.settled import Garp, Global, Vmac
from hakeep.objects.rtnl import Address, Link
from hakeep.vrrp import messages as m
from tests.vrrp.stage import ADMIN4, ETH0, ETH1, VIP4, VIP6, Stage, instance, vip

BACKUP, MASTER = m.State.BACKUP, m.State.MASTER
THREE = tuple(vip(text) for text in VIP4)
KEYS = [("eth0", ip_address(text), 32) for text in VIP4]


def master(
    lane: float = 0.0, globals_: Global | None = None, links: tuple[Link, ...] = (ETH0, ETH1), **fields: object
) -> Stage:
    s = Stage(instance(**{"addresses": THREE, **fields}), lane=lane, globals_=globals_, links=links)
    s.until(s.router().watch.timer + 16.5)
    assert s.state is MASTER
    s.effects.clear()
    s.touched.clear()
    return s


def gone(s: Stage, since: float) -> dict[str, float]:
    """How long after `since` each address was taken from the kernel."""
    return {str(key[1]): round(at - since, 4) for at, what, key in s.touched if what == "-"}


def heard(s: Stage, ip: str, interface: str = "eth0") -> list[m.Effect]:
    return s.step(m.Heard(interface, ip_address(ip).packed, b"\2\0\0\0\0\7"))


# --------------------------------------------------------------------------------------------------------- taking


def test_addresses_are_added_in_config_order_and_announced_when_the_kernel_has_them() -> None:
    s = Stage(instance(addresses=THREE), lane=0.02)
    at = s.router().watch.timer
    s.until(at + 0.01)
    assert s.announced() == []
    s.until(at + 0.03)
    assert [key for _, _, key in s.touched] == KEYS
    assert [ip for _, ip in s.announced()] == [*VIP4] * 5


def test_an_address_that_is_there_is_announced_at_once() -> None:
    """An owner's own address, say: it needs no lane. Its repetitions wait for the first ones of the others."""
    own = Address("eth0", ip_address(VIP4[0]), 32, proto=0)
    s = Stage(instance(addresses=THREE), lane=0.02, addresses=(ADMIN4, own))
    at = s.router().watch.timer
    s.until(at + 0.01)
    assert [ip for _, ip in s.announced()] == [VIP4[0]]
    s.until(at + 0.03)
    assert [ip for _, ip in s.announced()][:3] == list(VIP4)
    assert len(s.announced()) == 15


def test_start_removes_what_an_earlier_life_left_and_nothing_else() -> None:
    left = Address("eth0", ip_address(VIP4[0]), 32)
    foreign = Address("eth0", ip_address(VIP4[1]), 32, proto=0)
    s = Stage(instance(addresses=THREE), addresses=(ADMIN4, left, foreign))
    s.until(0.0)
    assert s.touched == [(0.0, "-", KEYS[0])]
    assert s.logged(f"{VIP4[1]}/32 on eth0 is there already and not from us")


def test_an_address_that_is_not_from_us_is_used_and_never_touched() -> None:
    foreign = Address("eth0", ip_address(VIP4[0]), 32, proto=0)
    s = Stage(instance(), addresses=(ADMIN4, foreign))
    s.until(20)
    assert s.state is MASTER and s.announced()
    assert s.renewed() == []
    s.step(m.Stopped())
    s.until(30)
    assert s.kernel[foreign.key] is foreign and s.touched == []


# --------------------------------------------------------------------------------------------------------- leases


def test_a_renewal_follows_its_advert() -> None:
    s = master()
    s.until(s.now + 10)
    order = [type(e).__name__ for _, e in s.effects if isinstance(e, m.Advertise | m.Renew)]
    assert order == ["Advertise", "Renew"] * 10


def test_no_renewal_without_a_lease_and_none_for_the_addresses_of_others() -> None:
    s = master(vip_lease=None)
    s.until(s.now + 10)
    assert s.renewed() == []
    assert all(address.valid_lft is None for address in s.kernel.values())

    s = master()
    s.step(m.AddressChanged(replace(s.kernel[KEYS[1]], proto=0, valid_lft=None), True, 99))  # an admin took it over
    s.until(s.now + 2)
    renewal = next(e for _, e in s.effects if isinstance(e, m.Renew))
    assert [address.key for address in renewal.addresses] == [KEYS[0], KEYS[2]]


def test_no_lease_is_put_on_an_address_that_has_none() -> None:
    """Ours, but without a lifetime (an older configuration): it is replaced, and not renewed before."""
    left = Address("eth0", ip_address(VIP4[0]), 32, valid_lft=None)
    s = Stage(instance(priority=255), addresses=(ADMIN4, left))
    renewals = [e for _, e in s.effects if isinstance(e, m.Renew)]
    assert renewals == []
    s.until(0.5)
    assert s.kernel[KEYS[0]].valid_lft == 2


def test_a_renewal_is_no_reason_to_announce() -> None:
    s = master()
    s.step(m.Applied((KEYS[0],), ()))
    s.until(s.now + 0.1)
    assert s.announced() == []


def test_taking_back_at_once_renews_what_is_still_there() -> None:
    """The lane has not removed it yet; its lease began long ago."""
    s = master(lane=0.9)
    s.hear(101)
    s.hear(0)
    s.until(s.now + 0.62)
    assert s.state is MASTER and s.has()
    assert s.renewed()[-1] == pytest.approx(s.sent()[-1][0])


def test_a_router_that_hands_over_renews_what_it_still_holds() -> None:
    """Its lease would end before the next holder has come: the renewal must not be dropped on its way to the kernel."""
    s = master()
    s.until(s.now + 5)
    s.until(s.router().beat.last_sent + 0.97)
    s.step(m.Commanded("standby", ("V",), 1e9, True))
    assert s.router().holding.leaving
    renewal = next(e for at, e in s.effects if at == s.now and isinstance(e, m.Renew))
    assert [a.valid_lft for a in renewal.addresses] == [2] * len(KEYS)
    assert all(s.engine.holds(key) for key in KEYS)
    s.until(s.now + 2)
    assert not any(s.engine.holds(key) for key in KEYS), "a renewal would bring it back"


def test_who_hands_over_does_not_cut_the_lease_of_who_serves() -> None:
    """Two instances name the same address, and one of them goes."""
    one, two = instance("A"), instance("B", virtual_router_id=52, vip_lease=30.0)
    s = Stage(one, two)
    s.until(20)
    s.until(s.router("A").beat.last_sent + 0.97)
    assert {r.state for r in s.engine.routers.values()} == {MASTER}
    s.step(m.Commanded("standby", ("A",), 1e9, True))
    assert s.router("A").holding.leaving
    assert [e for at, e in s.effects if at == s.now and isinstance(e, m.Renew)] == []
    s.step(m.Commanded("resume", ("A",), 1e9, True))
    s.until(40)
    s.until(s.router("A").beat.last_sent + 0.97)
    s.step(m.Commanded("standby", ("B",), 1e9, True))
    s.step(m.Commanded("standby", ("A",), 1e9, True))
    renewals = [e for at, e in s.effects if at == s.now and isinstance(e, m.Renew)]
    assert [e.router for e in renewals] == ["A"], "the last one keeps it until its successor is there"


# ------------------------------------------------------------------------------------------------------- put back


def test_a_deleted_address_is_put_back_without_an_advert_of_priority_0() -> None:
    """keepalived sends priority 0 and is MASTER again after the skew."""
    s = master()
    at = s.now
    s.steal(VIP4[1], port=4711)
    s.until(at + 0.01)
    assert s.touched == [(at, "+", KEYS[1])]
    assert s.sent() == [] and s.state is MASTER
    assert [ip for _, ip in s.announced()] == [VIP4[1]] * 5
    assert s.logged("netlink port 4711") and s.router().counters["put_back"] == 1


def test_a_contested_address_is_put_back_five_times_and_then_with_pauses() -> None:
    s = master()
    at = s.now
    while s.now < at + 60:
        if s.has(VIP4[0]):
            s.steal(VIP4[0])
        s.until(s.now + 0.05)
    back = [when - at for when, what, key in s.touched if what == "+" and key == KEYS[0]]
    assert all(when < 1 for when in back[:5])
    assert back[5] >= 1.0
    for start in back:
        assert len([when for when in back if start <= when < start + 10]) <= 10
    assert len(back) <= 40, "about as often as it may be"
    assert s.logged("contested")
    assert s.state is MASTER


def test_contested_is_over_when_the_others_stop() -> None:
    s = master()
    for _ in range(8):
        if s.has(VIP4[0]):
            s.steal(VIP4[0])
    assert s.router().holding.contested
    s.until(s.now + 30)
    assert s.has(VIP4[0])
    assert not s.router().holding.contested or s.router().holding._losses[-1] < s.now - 10
    s.steal(VIP4[0])
    assert s.has(VIP4[0]), "put back at once"


def test_no_track_addresses_are_not_missed() -> None:
    s = master(addresses=(replace(THREE[0], track=False), *THREE[1:]))
    s.steal(VIP4[0])
    s.until(s.now + 5)
    assert not s.has(VIP4[0]) and s.router().counters["put_back"] == 0


def test_what_expired_while_we_were_frozen_is_not_put_back() -> None:
    s = master()
    s.freeze(s.now + 60)
    s.steal(VIP4[0], port=0)
    assert s.router().counters["put_back"] == 0
    s.until(s.now + 1)
    assert not s.has(VIP4[0]) and not s.has(VIP4[1]) and s.state is BACKUP


def test_the_kernel_refuses_and_is_asked_again_later() -> None:
    s = Stage(instance(addresses=THREE))
    s.stubborn[KEYS[1]] = EBUSY
    at = s.router().watch.timer
    s.until(at + 6.5)
    assert s.told() == ["BACKUP", "MASTER"], "nobody waits for ever"
    assert s.has(VIP4[0]) and s.has(VIP4[2]) and not s.has(VIP4[1])
    del s.stubborn[KEYS[1]]
    s.until(at + 20)
    assert s.has(VIP4[1])
    assert VIP4[1] in {ip for _, ip in s.announced()}


def test_a_refused_removal_is_tried_again() -> None:
    s = master()
    s.stubborn[KEYS[0]] = EBUSY
    s.hear(200)
    s.until(s.now + 0.06)
    assert s.has(VIP4[0]) and not s.has(VIP4[1])
    assert s.engine.masters() == {"V"}, "the fence must go on watching it"
    del s.stubborn[KEYS[0]]
    s.until(s.now + 1.1)
    assert not s.has(VIP4[0]) and s.engine.masters() == frozenset()


def test_a_renewal_that_revives_a_released_address_is_cleaned_up() -> None:
    """It was on its way when the address expired and we stepped down."""
    s = master()
    s.kernel.pop(KEYS[0])
    s.step(m.AddressChanged(Address(*KEYS[0]), False, 0))
    s.hear(200)
    s.until(s.now + 0.06)
    s.kernel[KEYS[0]] = Address(*KEYS[0], valid_lft=2)
    s.step(m.Applied((KEYS[0],), ()))
    assert not s.has(VIP4[0])


def test_an_address_that_was_removed_after_it_had_been_taken_again_comes_back() -> None:
    s = master()
    s.kernel.pop(KEYS[0])
    s.step(m.Applied((), (KEYS[0],)))
    assert s.has(VIP4[0])


# ------------------------------------------------------------------------------------------------- make before break


def stopped(s: Stage, **order: bool) -> float:
    at = s.now
    effects = s.step(m.Stopped(**order))
    assert s.kinds(effects)[0] == "Advertise"
    assert s.sent() == [(pytest.approx(at, abs=1e-5), 0)]
    return at


def test_each_address_stays_until_its_next_holder_announces_it() -> None:
    s = master()
    at = stopped(s)
    s.until(at + 0.3)
    assert all(s.has(ip) for ip in VIP4)
    heard(s, VIP4[1])
    assert [s.has(ip) for ip in VIP4] == [True, False, True]
    heard(s, VIP4[0], "eth1")
    assert s.has(VIP4[0]), "another interface is another address"
    heard(s, VIP4[0])
    heard(s, VIP4[2])
    assert not s.has(VIP4[2])
    assert s.kinds(e for _, e in s.effects)[-2:] == ["NotifyChange", "Finished"]
    assert [(e.on) for _, e in s.effects if isinstance(e, m.Listen)] == [True, False]


def test_the_addresses_stay_for_a_moment_after_the_next_masters_first_advert() -> None:
    """50 ms and 0.3 ms an address: it may send that advert before it has any of them."""
    s = master()
    at = stopped(s)
    s.hear(99, at + 0.2)
    s.hear(99, at + 0.22)
    s.until(at + 2)
    assert gone(s, at) == dict.fromkeys(VIP4, pytest.approx(0.2 + 0.0509, abs=1e-3))


def test_the_addresses_go_when_even_the_worst_backup_would_have_taken_over() -> None:
    s = master()
    at = stopped(s)
    s.until(at + 2)
    assert gone(s, at) == dict.fromkeys(VIP4, pytest.approx(255 / 256 + 0.05, abs=1e-3))


@pytest.mark.parametrize(("wait", "seconds"), [(1.0, 0.5), (0.6, 0.1), (0.0, 0.0), (600.0, 255 / 256 + 0.05)])
def test_child_wait_time_caps_the_wait(wait: float, seconds: float) -> None:
    s = master(globals_=Global(child_wait_time=wait))
    at = stopped(s)
    s.until(at + 3)
    assert gone(s, at) == dict.fromkeys(VIP4, pytest.approx(seconds, abs=1e-3))


def test_a_short_interval_makes_a_short_wait() -> None:
    s = master(version=3, advert_int=0.1)
    at = stopped(s)
    s.until(at + 3)
    assert gone(s, at) == dict.fromkeys(VIP4, pytest.approx(0.1 * 255 / 256 + 0.05, abs=1e-3))


def test_a_second_stop_skips_the_wait() -> None:
    s = master()
    at = stopped(s)
    s.step(m.Stopped(at_once=True), at + 0.1)
    s.until(at + 0.1)
    assert gone(s, at) == dict.fromkeys(VIP4, 0.1)
    assert [p for _, p in s.sent()] == [0], "priority 0 was sent already"
    assert isinstance(s.effects[-1][1], m.Finished)


def test_a_stop_at_once() -> None:
    s = master()
    at = stopped(s, at_once=True)
    assert gone(s, at) == dict.fromkeys(VIP4, 0.0)


def test_a_stop_that_keeps_everything() -> None:
    s = master()
    s.step(m.Stopped(keep=True))
    assert isinstance(s.effects[-1][1], m.Finished)
    s.until(s.now + 60)
    assert s.sent() == [] and s.touched == [] and all(s.has(ip) for ip in VIP4)


def test_nothing_stays_on_a_vmac_after_priority_0() -> None:
    """Its frames would pull the virtual MAC back to our switch port."""
    vmac = Link(9, "vrrp.51", up=True, running=True, mac=b"\0\0\x5e\0\1\x33", base_index=2)
    s = master(vmac=Vmac(), links=(ETH0, vmac))
    at = stopped(s)
    s.until(at + 3)
    assert gone(s, at) == dict.fromkeys(VIP4, 0.0)
    assert s.announced() == []


def test_an_address_with_a_vmac_of_its_own_goes_at_once_and_the_others_stay() -> None:
    s = master(addresses=(THREE[0], replace(THREE[1], vmac=True)))
    at = stopped(s)
    s.until(at + 0.1)
    assert gone(s, at) == {VIP4[1]: 0.0}


def test_an_ipv6_address_that_the_next_holder_checks_for_duplicates_goes_at_once() -> None:
    """With -nodad given it would find ours and give up."""
    s = master(family=6, addresses=(vip(VIP6[0]), replace(vip(VIP6[1]), dad=True)))
    at = stopped(s)
    s.until(at + 0.1)
    assert gone(s, at) == {VIP6[1]: 0.0}


def test_an_address_that_vanishes_while_handing_over_is_not_put_back() -> None:
    s = master()
    stopped(s)
    s.steal(VIP4[0], port=0)
    heard(s, VIP4[1])
    assert [s.has(ip) for ip in VIP4] == [False, False, True]
    s.steal(VIP4[2])
    s.until(s.now + 0.1)
    assert not any(s.has(ip) for ip in VIP4)
    assert isinstance(s.effects[-1][1], m.Finished)


def test_stop_is_not_finished_before_the_kernel_has_taken_everything() -> None:
    s = master(lane=0.03)
    at = stopped(s, at_once=True)
    assert not isinstance(s.effects[-1][1], m.Finished)
    s.until(at + 0.04)
    assert isinstance(s.effects[-1][1], m.Finished)


def test_stop_is_finished_when_somebody_else_took_the_last_address() -> None:
    s = master(lane=0.03, addresses=THREE[:1])
    stopped(s, at_once=True)
    s.steal(VIP4[0])
    assert isinstance(s.effects[-1][1], m.Finished)


def test_stop_is_finished_even_when_the_interface_vanishes() -> None:
    s = master(lane=0.03)
    stopped(s)
    s.link(None)
    s.until(s.now + 2)
    assert isinstance(s.effects[-1][1], m.Finished)


# --------------------------------------------------------------------------------------------------------- telling


def test_scripts_hear_of_master_when_the_addresses_are_there_and_of_the_rest_when_they_are_gone() -> None:
    s = Stage(instance(addresses=THREE, priority=100), lane=0.02)
    at = s.router().watch.timer
    s.until(at + 0.019)
    assert s.told() == ["BACKUP"]
    s.until(at + 0.021)
    assert s.told() == ["BACKUP", "MASTER"]
    s.hear(200, at + 1.5)
    assert s.told() == ["BACKUP", "MASTER"]
    s.until(at + 1.56)
    assert s.told() == ["BACKUP", "MASTER"]
    s.until(at + 1.58)
    assert s.told() == ["BACKUP", "MASTER", "BACKUP"]


def test_nothing_is_lost_and_nothing_overtaken_when_states_change_faster_than_the_kernel() -> None:
    s = Stage(instance(addresses=THREE), lane=0.5)
    s.until(s.router().watch.timer)
    s.hear(50)
    s.hear(200)
    s.link(replace(ETH0, running=False))
    s.link(ETH0)
    s.until(s.now + 1)
    assert s.told() == ["BACKUP", "MASTER", "MASTER_RX_LOWER_PRI", "BACKUP", "FAULT", "BACKUP"]


def test_a_flap_that_undoes_itself_costs_the_kernel_nothing() -> None:
    s = master(lane=0.1, priority=254)
    s.hear(255)
    s.hear(0)
    s.until(s.now + 1)
    assert s.state is MASTER and s.touched == []
    assert s.told() == ["BACKUP", "MASTER"]


# ------------------------------------------------------------------------------------------------------- announcing


def test_second_burst_and_refresh() -> None:
    s = Stage(instance(garp=Garp(master_delay=5.0, master_repeat=2, master_refresh=10.0, master_refresh_repeat=1)))
    at = s.router().watch.timer
    s.until(at + 40)
    assert [round(when - at, 3) for when, _ in s.announced()] == [0, 0, 5, 5, 15, 25, 35]


def test_vrrp_min_garp() -> None:
    s = Stage(instance(garp=Garp(master_delay=0.0, master_repeat=1)))
    s.until(100)
    assert len(s.announced()) == 1


def test_extra_announcements_on_other_interfaces() -> None:
    s = Stage(
        instance(
            addresses=(vip(VIP4[0]), vip(VIP4[1], "eth1")), garp=Garp(0.0, 1, extra_if=3.0, extra_if_all=True)
        ),
        links=(ETH0, ETH1),
    )
    at = s.router().watch.timer
    s.until(at + 7)
    assert [(round(when - at), ip) for when, ip in s.announced()] == [
        (0, VIP4[0]), (0, VIP4[1]), (3, VIP4[1]), (6, VIP4[1]),
    ]


def test_the_last_word_is_ours_when_the_carrier_comes_back() -> None:
    s = master(dont_track_primary=True)
    s.link(replace(ETH0, running=False))
    s.until(s.now + 3)
    s.link(ETH0)
    s.until(s.now + 0.1)
    assert {ip for _, ip in s.announced()} == set(VIP4)


def test_who_is_not_master_announces_nothing() -> None:
    s = Stage(instance(addresses=THREE, garp=Garp(master_refresh=1.0)))
    s.until(s.router().watch.timer)
    s.hear(200)
    s.effects.clear()
    for _ in range(30):
        s.hear(200, s.now + 1)
    assert s.announced() == []


# ------------------------------------------------------------------------------------- giving way to a better master


def test_who_gives_way_is_silent_at_once_and_serves_until_the_better_one_does() -> None:
    s = master()
    at = s.now
    s.hear(200)
    assert s.state is BACKUP and s.has(VIP4[0])
    s.step(m.Heard("eth0", KEYS[1][1].packed, b"\2" * 6), at + 0.002)
    assert s.has(VIP4[0]) and not s.has(VIP4[1]), "each address goes when it is announced"
    s.until(at + 0.05)
    assert s.has(VIP4[0])
    s.until(at + 0.052)
    assert not s.has(VIP4[0]), "and all of them when the better one should have them"
    assert s.sent(at) == [] and s.announced(at) == []


def test_nobody_serves_beside_a_better_one_on_a_vmac_or_where_duplicates_are_looked_for() -> None:
    vmac = replace(ETH0, index=7, name="vrrp.51", kind="macvlan", base_index=2)
    s = Stage(instance(priority=100, vmac=Vmac()), links=(ETH0, vmac))
    s.until(10)
    assert s.state is MASTER and s.has()
    s.hear(200)
    assert s.state is BACKUP and not s.has()
    six = tuple(replace(vip(text), dad=True) for text in VIP6)
    s = Stage(instance(priority=100, family=6, addresses=six))
    s.until(10)
    assert s.state is MASTER and s.has(VIP6[0])
    s.hear(200)
    assert s.state is BACKUP and not s.has(VIP6[0])


def test_who_gave_way_to_one_that_vanishes_takes_back_what_it_still_has() -> None:
    s = Stage(instance(version=3, advert_int=0.01, priority=254))
    s.until(1)
    assert s.state is MASTER
    at = s.now
    s.hear(255, advert_int=0.01)
    s.hear(0, advert_int=0.01)
    s.until(at + 0.04)
    assert s.state is MASTER and not s.router().holding.leaving
    s.until(at + 1)
    assert s.has() and [what for when, what, _ in s.touched if when >= at] == []


def test_who_may_have_overslept_does_not_serve_beside_anybody() -> None:
    s = master()
    s.freeze(s.router().watch.late_at + 0.1)
    s.hear(200)
    assert s.state is BACKUP and not s.has()


@pytest.mark.parametrize(("last", "more"), [(0, 1), (200, 0)], ids=["it resigned", "it fell silent"])
def test_who_takes_over_from_a_living_router_announces_again_when_that_has_let_go(last: int, more: int) -> None:
    """The old holder keeps the addresses for a moment, and may answer a question after our announcement."""
    s = Stage(instance(priority=150))
    s.hear(200, 1.0)
    s.hear(last, 1.5)
    while s.state is not m.State.MASTER:
        s.until(s.router().watch.timer)
    at = s.now
    s.until(at + 0.04)
    before = len(s.announced(at))
    s.until(at + 0.3)
    assert len(s.announced(at)) - before == more * len(s.router().holding.held)
