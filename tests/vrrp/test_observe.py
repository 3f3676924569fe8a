"""What the host means for a router: which address is its source, which address will do, what is whose."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from hakeep.objects.rtnl import IFA_F_NODAD, IFA_F_PERMANENT, IFA_F_SECONDARY, Address
from hakeep.vrrp import messages as m
from hakeep.vrrp.observe import Host, acceptable
from hakeep.vrrp.wanted import Devices
from tests.vrrp.stage import ADMIN4, ADMIN6, ETH0, OWN4, OWN6, VIP4, Stage, instance, vip

HERE = Devices("eth0", "eth0", "eth0", "eth0")
VIP = Address("eth0", ip_address(VIP4[0]), 32)


def host(*addresses: Address, named: tuple[Address, ...] = (VIP,)) -> Host:
    made = Host()
    made.replace_all((ETH0,), addresses)
    made.name(address.key for address in named)
    return made


def test_the_source_is_the_first_address_that_is_not_virtual() -> None:
    assert host(VIP, ADMIN6, ADMIN4).source(instance(), HERE) == OWN4
    assert host(replace(VIP, prefix=24, proto=0), ADMIN4).source(instance(), HERE) == OWN4, "whatever its prefix"
    assert host(replace(ADMIN4, interface="eth1")).source(instance(), HERE) is None


def test_the_source_for_ipv6_is_link_local() -> None:
    wide = Address("eth0", ip_address("2001:db8::5"), 64, proto=0)
    assert host(ADMIN4, wide, ADMIN6).source(instance(family=6), HERE) == OWN6
    assert host(ADMIN4, wide).source(instance(family=6), HERE) is None


def test_a_configured_source_needs_no_address() -> None:
    assert host().source(instance(source=OWN4), HERE) == OWN4


@pytest.mark.parametrize("prefix", [24, 32])
def test_an_owner_may_have_nothing_but_the_virtual_address(prefix: int) -> None:
    own = replace(VIP, prefix=prefix, proto=0)
    assert host(own).source(instance(priority=255), HERE) == own.ip
    assert host(own).source(instance(priority=100), HERE) is None
    assert host(own, ADMIN4).source(instance(priority=255), HERE) == OWN4
    assert host(VIP).source(instance(priority=255), HERE) is None, "not one that we added ourselves"


def test_what_the_configuration_names_is_told_from_the_rest() -> None:
    h = host(VIP, ADMIN4)
    assert list(h.have) == [VIP.key] and list(h.others["eth0"]) == [ADMIN4.key]
    h.name(())
    assert not h.have and set(h.others["eth0"]) == {VIP.key, ADMIN4.key}
    assert h.holds(VIP.ip)
    h.drop_link("eth0")
    assert not h.links and not h.holds(VIP.ip) and not h.holds(OWN4)


def test_an_old_kernel_does_not_say_whose_an_address_is_so_we_remember() -> None:
    h = host(replace(ADMIN4, proto=0))
    h.put_ours(VIP)
    h.put(replace(VIP, proto=0, valid_lft=3))
    assert h.have[VIP.key].proto == 18 and h.have[VIP.key].valid_lft == 3
    h.replace_all((ETH0,), (replace(VIP, proto=0), replace(ADMIN4, proto=0)))
    assert h.have[VIP.key].proto == 18


def test_a_new_kernel_says_whose_an_address_is_and_is_believed() -> None:
    h = host(ADMIN6)  # the kernel marks its own link-local address
    h.put_ours(VIP)
    h.put(replace(VIP, proto=0))
    assert h.have[VIP.key].proto == 0


def test_resync_forgets_what_is_gone() -> None:
    h = host(VIP, ADMIN4)
    h.replace_all((), (ADMIN6,))
    assert not h.have and not h.links and list(h.others["eth0"]) == [ADMIN6.key]


@pytest.mark.parametrize(
    ("change", "will_do"),
    [
        ({"flags": IFA_F_PERMANENT | IFA_F_SECONDARY}, True),
        ({"valid_lft": 7, "preferred_lft": 7}, True),
        ({"valid_lft": None, "preferred_lft": None}, False),
        ({"scope": 254}, False),
        ({"label": "eth0:1"}, False),
        ({"proto": 0, "valid_lft": None, "preferred_lft": None, "scope": 254}, True),
    ],
)
def test_whether_what_is_there_will_do(change: dict[str, object], will_do: bool) -> None:
    wish = replace(VIP, valid_lft=9, preferred_lft=9)
    assert acceptable(replace(wish, **change), wish) is will_do  # type: ignore[arg-type]


def test_an_ipv6_address_must_have_the_flags_that_were_asked_for() -> None:
    wish = Address("eth0", ip_address("2001:db8::1"), 128, flags=IFA_F_NODAD)
    assert acceptable(replace(wish, flags=IFA_F_NODAD | IFA_F_PERMANENT), wish)
    assert not acceptable(replace(wish, flags=0), wish)


def test_a_lost_monitor_costs_nothing_but_a_look() -> None:
    s = Stage(instance(addresses=(vip(VIP4[0]), vip(VIP4[1]))))
    s.until(20)
    del s.kernel[("eth0", ip_address(VIP4[0]), 32)]
    s.step(m.Resync((ETH0,), tuple(s.kernel.values())))
    assert s.has(VIP4[0]), "put back"
    s.until(20.5)
    assert s.told() == ["BACKUP", "MASTER"]
    s.step(m.Resync((), ()))
    assert s.state is m.State.FAULT


def test_a_new_source_address_is_taken_and_the_sockets_follow() -> None:
    s = Stage(instance())
    s.until(20)
    effects = s.step(m.AddressChanged(ADMIN4, False, 99))
    assert s.state is m.State.FAULT
    assert m.Rebind("V", None, True) in effects
    other = replace(ADMIN4, ip=ip_address("10.9.0.6"))
    effects = s.step(m.AddressChanged(other, True, 99))
    assert m.Rebind("V", other.ip) in effects
    assert s.router().source == other.ip


def test_an_interface_that_is_made_anew_has_new_sockets() -> None:
    s = Stage(instance())
    s.link(None)
    assert s.state is m.State.FAULT
    effects = s.link(replace(ETH0, index=77))
    assert s.state is m.State.FAULT and s.router().why == "no source address", "its addresses went with it"
    effects = s.step(m.AddressChanged(ADMIN4, True, 99))
    assert m.Rebind("V", OWN4) in effects and s.state is m.State.BACKUP
