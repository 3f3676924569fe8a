"""From settings to devices, leases and the addresses that the kernel should have."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from hakeep.config.settled import IpvlanUse, Settings, VirtualAddress, Vmac
from hakeep.objects.rtnl import IFA_F_NODAD, IFA_F_NOPREFIXROUTE, Address
from hakeep.vrrp import wanted
from hakeep.vrrp.wanted import Devices
from tests.vrrp.stage import VIP6, instance, vip


def names(*instances: object) -> list[str]:
    return [where.made for where in wanted.devices(Settings(vrrp=instances)).values()]  # type: ignore[arg-type]


def test_devices_without_a_vmac() -> None:
    assert wanted.devices(Settings(vrrp=(instance(),))) == {"V": Devices("eth0", "eth0", "eth0", "eth0")}


def test_devices_with_a_vmac() -> None:
    assert wanted.devices(Settings(vrrp=(instance(vmac=Vmac()),)))["V"] == Devices(
        "eth0", "vrrp.51", "vrrp.51", "vrrp.51", "vrrp.51"
    )
    assert wanted.devices(Settings(vrrp=(instance(vmac=Vmac(xmit_base=True)),)))["V"] == Devices(
        "eth0", "eth0", "eth0", "vrrp.51", "vrrp.51"
    )
    assert names(instance(ipvlan=IpvlanUse())) == ["vrrp.51"]


def test_generated_names_are_told_apart() -> None:
    made = [instance(f"V{n}", vmac=Vmac()) for n in range(15)]
    found = names(*made)
    assert found[:3] == ["vrrp.51", "vrrp2.51", "vrrp3.51"]
    assert len(set(found)) == 15
    assert names(instance(family=6, vmac=Vmac()), instance("W", family=6, vmac=Vmac()))[:2] == ["vrrp6.51", "vrrp1.51"]
    assert names(instance(vmac=Vmac(prefix="ha"))) == ["ha.51"]


def test_a_name_that_somebody_chose_is_not_generated() -> None:
    assert names(instance(vmac=Vmac()), instance("W", vmac=Vmac(name="vrrp.51"))) == ["vrrp2.51", "vrrp.51"]


def test_addresses_without_an_interface_go_home() -> None:
    settings = instance(addresses=(vip("10.0.0.1"), vip("10.0.0.2", "eth7"), vip("2001:db8::1")), vmac=Vmac())
    where = wanted.devices(Settings(vrrp=(settings,)))["V"]
    found = wanted.addresses(settings, where, 5)
    assert [v.address.interface for v in found] == ["vrrp.51", "eth7", "eth0"], "the VMAC is for one family"
    assert [v.address.valid_lft for v in found] == [5, 5, 5]


def test_lifetimes_and_flags() -> None:
    six, with_dad = vip(VIP6[0]), replace(vip(VIP6[1]), dad=True)
    deprecated = VirtualAddress(Address("", ip_address("2001:db8::7"), 128, preferred_lft=0, flags=IFA_F_NOPREFIXROUTE))
    settings = instance(family=6, addresses=(six, with_dad, deprecated))
    where = Devices("eth0", "eth0", "eth0", "eth0")
    leased = wanted.addresses(settings, where, 5)
    assert [v.address.preferred_lft for v in leased] == [5, 5, 0]
    assert [v.address.flags for v in leased] == [IFA_F_NODAD, 0, IFA_F_NODAD | IFA_F_NOPREFIXROUTE]
    for_ever = wanted.addresses(settings, where, None)
    assert [(v.address.valid_lft, v.address.preferred_lft) for v in for_ever] == [(None, None), (None, None), (None, 0)]


def test_instances_have_a_lease_unless_it_is_off() -> None:
    """The caps on their number are settled with the configuration, see tests/config/test_settle.py."""
    instances = (instance("A", vip_lease=None), instance("B"), instance("C", vip_lease=7.0))
    assert wanted.leases(Settings(vrrp=instances)) == {"B": 2, "C": 7}


def test_addresses_on_other_interfaces_get_vmacs_of_their_own() -> None:
    """use_vmac_addr: one VMAC for each interface, however many addresses it carries."""
    elsewhere = [
        VirtualAddress(Address(interface, ip_address(ip), 32), vmac=True)
        for interface, ip in (("eth1", "10.1.0.1"), ("eth1", "10.1.0.2"), ("eth2", "10.2.0.1"))
    ]
    settled = instance(vmac=Vmac(), addresses=(VirtualAddress(Address("", ip_address("10.0.0.1"), 32)), *elsewhere))
    where = wanted.devices(Settings(vrrp=(settled,)))["V"]
    made, one, two = (f"{prefix}.{settled.virtual_router_id}" for prefix in ("vrrp", "vrrp2", "vrrp3"))
    assert where.made == made
    assert where.elsewhere == (("eth1", one), ("eth2", two))
    interfaces = [v.address.interface for v in wanted.addresses(settled, where, None)]
    assert interfaces == [made, one, one, two]
