"""A new configuration: what is the same goes on as if nothing had happened, the rest changes as little as it can."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from hakeep.config.settled import Garp, GarpLimit, Notify
from hakeep.objects.rtnl import Address
from hakeep.vrrp import messages as m
from tests.vrrp.stage import ADMIN4, ETH0, VIP4, Stage, instance, vip

BACKUP, MASTER = m.State.BACKUP, m.State.MASTER
THREE = tuple(vip(text) for text in VIP4)
ONE = instance(priority=150, addresses=THREE[:2])


def master(*instances: object, lane: float = 0.0) -> Stage:
    s = Stage(*(instances or (ONE,)), lane=lane)  # type: ignore[arg-type]
    s.until(s.router().watch.timer + 16.5)
    assert s.state is MASTER
    s.effects.clear()
    s.touched.clear()
    return s


@pytest.mark.parametrize("when", [1.0, 30.0], ids=["BACKUP", "MASTER"])
def test_the_same_again_does_nothing_at_all(when: float) -> None:
    s = Stage(ONE, instance("W", virtual_router_id=52, family=6))
    s.until(when)
    s.effects.clear()
    deadline = s.engine.deadline
    effects = s.step(m.Reloaded(copy.deepcopy(s.settings)))
    assert effects == []
    assert s.engine.deadline == deadline


def test_the_same_again_in_fault() -> None:
    s = Stage(ONE, links=())
    assert s.step(m.Reloaded(copy.deepcopy(s.settings))) == []


@pytest.mark.parametrize(
    "change",
    [{"garp": Garp(master_repeat=1)}, {"notify": Notify(priority_changes=True)}, {"nopreempt": True},
     {"higher_prio_send_advert": True}],
)
def test_what_the_wire_does_not_show_changes_silently(change: dict[str, object]) -> None:
    s = master()
    effects = s.reload(replace(ONE, **change))  # type: ignore[arg-type]
    assert s.kinds(effects) == ["Changed"]
    assert s.touched == []


def test_an_address_more_and_one_less() -> None:
    """Sockets first (the advert has the new list), then the advert, then the kernel; only the new one is announced."""
    s = master()
    at = s.now
    effects = s.reload(replace(ONE, addresses=THREE[1:]))
    assert s.kinds(effects)[:3] == ["Rebind", "Advertise", "Reconcile"]
    s.until(at + 0.1)
    assert s.touched == [(at, "-", THREE_KEYS[0]), (at, "+", THREE_KEYS[2])]
    assert {ip for _, ip in s.announced()} == {VIP4[2]}
    assert s.told() == []


THREE_KEYS = [("eth0", v.address.ip, 32) for v in THREE]


def test_a_label_is_changed_in_place() -> None:
    s = master()
    changed = replace(THREE[0], address=replace(THREE[0].address, label="eth0:1"))
    s.reload(replace(ONE, addresses=(changed, THREE[1])))
    assert s.touched == [(s.now, "+", THREE_KEYS[0])]
    assert s.kernel[THREE_KEYS[0]].label == "eth0:1"


def test_a_new_lease_is_put_on_by_the_next_renewal() -> None:
    s = master()
    s.reload(replace(ONE, vip_lease=7.0))
    assert s.touched == []
    s.until(s.now + 5)
    renewal = next(e for _, e in s.effects if isinstance(e, m.Renew))
    assert {address.valid_lft for address in renewal.addresses} == {7}


def test_leases_off_makes_addresses_that_last() -> None:
    s = master()
    s.reload(replace(ONE, vip_lease=None))
    assert [address.valid_lft for address in s.kernel.values() if address.proto == 18] == [None, None]
    s.until(s.now + 5)
    assert s.renewed() == []


def test_a_master_says_its_new_priority_at_once() -> None:
    s = master()
    at = s.now
    s.reload(replace(ONE, priority=120, notify=Notify(priority_changes=True)))
    assert s.sent() == [(pytest.approx(at, abs=1e-5), 120)]
    assert s.told() == ["MASTER_PRIORITY"]
    s.until(at + 0.99)
    assert len(s.sent()) == 1
    s.until(at + 1.01)
    assert len(s.sent()) == 2


def test_a_backup_moves_its_timer_by_the_difference() -> None:
    s = Stage(ONE)
    s.hear(200, 1.0)
    s.reload(replace(ONE, priority=100, notify=Notify(priority_changes=True)))
    assert s.router().watch.timer == pytest.approx(1 + 3 + 156 / 256)
    assert s.told() == ["BACKUP", "BACKUP_PRIORITY"]
    s.hear(0, 1.5)
    s.reload(replace(ONE, priority=200))
    assert s.router().watch.timer == pytest.approx(1.5 + 56 / 256)


def test_a_backup_that_is_better_no_more_follows_whom_it_was_about_to_preempt() -> None:
    """One lost advert after that must not make it take over from a master that is well (seed 11467)."""
    s = Stage(instance(priority=1))
    s.hear(100, 1.0)
    s.reload(instance(priority=200))
    s.hear(100, 2.0)
    s.hear(100, 3.0)
    s.reload(instance(priority=1))
    assert s.router().watch.timer == pytest.approx(3 + 3 + 255 / 256)
    assert s.router().watch.master_priority == 100


def test_a_backup_with_a_new_interval_waits_from_now() -> None:
    """From 5 s to 1 s: what was heard 4 s ago is no reason to take over at once."""
    s = Stage(instance(version=3, advert_int=5.0))
    s.until(4.0)
    s.reload(instance(version=3, advert_int=1.0))
    assert s.router().watch.timer == pytest.approx(4 + 3 + 156 / 256)
    assert s.router().counters["late_wakeups"] == 0


def test_a_backup_keeps_the_interval_that_it_learned() -> None:
    s = Stage(instance(version=3, advert_int=1.0))
    s.hear(200, 0.5, advert_int=3.0)
    s.reload(instance(version=3, advert_int=0.5))
    assert s.router().watch.timer == pytest.approx(0.5 + 9 + 3 * 156 / 256)


def test_an_ended_preempt_delay_ends_waiting() -> None:
    s = Stage(instance(priority=150, preempt_delay=100.0))
    s.hear(100, 1.0)
    s.reload(instance(priority=150))
    s.hear(100, 1.5)
    s.until(6)
    assert s.sent()[0][0] == pytest.approx(1 + 3 + 106 / 256, abs=1e-5)


def test_a_removed_backup_is_gone_with_its_sockets() -> None:
    s = Stage(ONE)
    s.reload()
    s.until(s.now + 0.01)
    assert s.engine.routers == {}
    assert s.effects[-1][1] == m.Rebind("V", None, True)
    assert s.sent() == []
    assert s.told() == ["BACKUP", "FAULT"]


def test_a_removed_master_hands_over() -> None:
    s = master()
    at = s.now
    s.reload()
    assert s.sent() == [(pytest.approx(at, abs=1e-5), 0)]
    s.until(at + 0.2)
    assert s.has(VIP4[0]) and s.told() == []
    s.hear(99, at + 0.3)
    s.until(at + 0.4)
    assert not s.has(VIP4[0]) and not s.has(VIP4[1])
    assert s.told() == ["FAULT"]
    assert s.engine.routers == {}


def test_a_removed_router_does_not_touch_another_ones_address() -> None:
    """Both name it; the one that stays is MASTER."""
    other = instance("W", virtual_router_id=52, priority=255, addresses=THREE[1:])
    s = master(ONE, other)
    s.reload(other)
    s.until(s.now + 3)
    assert not s.has(VIP4[0]) and s.has(VIP4[1]) and s.has(VIP4[2])
    assert s.told() == ["FAULT"]


def test_a_new_router_starts() -> None:
    s = master()
    at = s.now
    s.reload(ONE, instance("W", virtual_router_id=52, addresses=(vip("10.9.0.110"),)))
    assert s.router("W").state is BACKUP and s.state is MASTER
    s.until(at + 10)
    assert s.sent(router="W")[0][0] == pytest.approx(at + 3 + 156 / 256, abs=1e-4)


def test_another_virtual_router_under_the_same_name() -> None:
    """A new VRID: priority 0 on the old one, then a new start; scripts hear both, sockets are opened anew."""
    s = master()
    at = s.now
    effects = s.reload(replace(ONE, virtual_router_id=77))
    kinds = s.kinds(effects)
    assert kinds[0] == "Advertise" and s.sent() == [(pytest.approx(at, abs=1e-5), 0)]
    assert "Rebind" in kinds
    assert s.told() == ["FAULT", "BACKUP"]
    assert not s.has(VIP4[0])
    s.until(at + 5)
    assert s.state is MASTER and s.has(VIP4[0])
    assert s.sent(at + 1)[0][0] == pytest.approx(at + 3 + 106 / 256, abs=1e-4)
    assert list(s.engine.routers) == ["V"]


def test_a_removed_router_that_comes_back_while_it_hands_over() -> None:
    s = master()
    at = s.now
    s.reload()
    s.reload(ONE)
    assert not s.has(VIP4[0]), "it starts anew"
    assert [e.on for _, e in s.effects if isinstance(e, m.Listen)] == [True, False]
    assert s.told() == ["FAULT", "BACKUP"]
    s.until(at + 5)
    assert s.state is MASTER and s.has(VIP4[0])


def test_a_new_name_is_a_new_router() -> None:
    s = master()
    s.reload(replace(ONE, name="W"))
    assert s.router("W").state is BACKUP
    s.until(s.now + 2)
    assert not s.has(VIP4[0]) and list(s.engine.routers) == ["W"]
    s.until(s.now + 5)
    assert s.has(VIP4[0])


def test_an_address_moves_from_one_router_to_another() -> None:
    first, second = instance("A", priority=255, addresses=THREE[:1]), instance(
        "B", virtual_router_id=52, priority=255, addresses=THREE[1:2]
    )
    s = master(first, second)
    s.reload(replace(first, addresses=THREE[1:2]), replace(second, addresses=THREE[:1]))
    assert s.touched == [], "the kernel has both already"


def test_an_address_that_was_on_its_way_when_it_was_removed() -> None:
    """The addition is acknowledged after the reload: it must not stay for ever."""
    s = master(lane=0.2)
    s.reload(replace(ONE, addresses=THREE))
    s.reload(ONE)
    s.kernel[THREE_KEYS[2]] = Address(*THREE_KEYS[2])
    s.step(m.Applied((THREE_KEYS[2],), ()))
    s.until(s.now + 0.5)
    assert not s.has(VIP4[2])


def test_dev_changes_the_address_moves() -> None:
    s = Stage(ONE, links=(ETH0, replace(ETH0, index=3, name="eth1")))
    s.until(20)
    s.reload(replace(ONE, addresses=(vip(VIP4[0], "eth1"), THREE[1])))
    assert {key[:2] for key in s.kernel if key[1] in (THREE_KEYS[0][1], THREE_KEYS[1][1])} == {
        ("eth1", THREE_KEYS[0][1]), ("eth0", THREE_KEYS[1][1])
    }


def test_a_reload_while_stopping_is_too_late() -> None:
    s = master()
    s.step(m.Stopped())
    assert s.reload(replace(ONE, priority=7)) == []


def test_new_rate_limits() -> None:
    s = master()
    s.reload(ONE, garp_limits=(GarpLimit((), 1.0),))
    s.router().holding.announce_again()
    at = s.now
    s.until(at + 3)
    assert [round(when - at, 3) for when, _ in s.announced()] == [0.0, 1.0]


def test_a_source_address_may_be_a_former_virtual_one() -> None:
    own = Address("eth0", THREE[0].address.ip, 24, proto=0)
    s = Stage(ONE, addresses=(own,))
    assert s.router().why == "no source address"
    s.reload(replace(ONE, addresses=THREE[1:2]))
    assert s.router().source == own.ip and s.state is BACKUP
    assert ADMIN4.key not in s.kernel
