"""Address lines, against what keepalived 2.2.7 wrote for the same configuration."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

import pytest

from hakeep.config.settled import VirtualAddress
from hakeep.objects import rtnl
from hakeep.objects.rtnl import Address
from hakeep.report.address_text import address_text


def entry(ip: str, prefix: int, track: bool = True, dad: bool = False, **more: object) -> VirtualAddress:
    return VirtualAddress(Address("", ip_address(ip), prefix, **more), track=track, dad=dad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "line"),
    [
        (entry("10.9.0.50", 24, label="eth0:1"), "10.9.0.50/24 dev eth0 scope global label eth0:1"),
        (entry("10.9.0.50", 32, track=False, label="eth0:1"), "10.9.0.50 dev eth0 scope global label eth0:1 no_track"),
        (entry("10.9.0.51", 32, scope=253), "10.9.0.51 dev eth0 scope link"),
        (
            entry("10.9.0.52", 24, scope=254, broadcast=IPv4Address("10.9.0.255")),
            "10.9.0.52/24 brd 10.9.0.255 dev eth0 scope host",
        ),
        (entry("10.9.0.54", 24, scope=200), "10.9.0.54/24 dev eth0 scope site"),
        (
            entry("10.9.0.55", 24, scope=77, flags=rtnl.IFA_F_NOPREFIXROUTE | rtnl.IFA_F_MCAUTOJOIN),
            "10.9.0.55/24 dev eth0 scope 77 noprefixroute autojoin",
        ),
        (entry("10.9.0.53", 32, preferred_lft=40), "10.9.0.53 dev eth0 scope global"),
        (entry("fd00::9", 128, preferred_lft=0, flags=rtnl.IFA_F_NODAD), "fd00::9 dev eth0 scope global deprecated"),
        (
            entry("fd00::a", 64, dad=True, flags=rtnl.IFA_F_HOMEADDRESS | rtnl.IFA_F_MANAGETEMPADDR),
            "fd00::a/64 dev eth0 scope global home -nodad mngtmpaddr preferred_lft forever",
        ),
        (
            entry("fd00::b", 64, preferred_lft=0, flags=rtnl.IFA_F_NOPREFIXROUTE | rtnl.IFA_F_MCAUTOJOIN),
            "fd00::b/64 dev eth0 scope global noprefixroute autojoin deprecated",
        ),
        (entry("fd00::c", 64, preferred_lft=77), "fd00::c/64 dev eth0 scope global preferred_lft 77"),
        (entry("10.9.0.5", 24, peer=IPv4Address("10.7.0.5")), "10.9.0.5 peer 10.7.0.5/24 dev eth0 scope global"),
    ],
)
def test_lines(address: VirtualAddress, line: str) -> None:
    assert address_text(address, "eth0") == line


def test_on_a_vmac_the_base_follows() -> None:
    text = address_text(entry("fd00::53", 64), "vrrp.53", "eth0")
    assert text == "fd00::53/64 dev vrrp.53@eth0 scope global preferred_lft forever"
