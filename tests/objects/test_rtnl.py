from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from hakeep.objects import rtnl
from hakeep.objects.rtnl import Address, serves

V4 = Address("eth0", IPv4Address("192.0.2.1"), 24)
V6 = Address("eth0", IPv6Address("2001:db8::1"), 64, flags=rtnl.IFA_F_NODAD)


def test_the_key_is_what_the_kernel_tells_addresses_apart_by() -> None:
    assert V4.key == ("eth0", IPv4Address("192.0.2.1"), 24)
    assert replace(V4, label="eth0:1", valid_lft=3).key == V4.key
    assert replace(V4, prefix=32).key != V4.key


@pytest.mark.parametrize("wanted", [V4, V6, replace(V4, valid_lft=3, preferred_lft=3), replace(V6, preferred_lft=0)])
def test_what_the_kernel_adds_by_itself_makes_no_difference(wanted: Address) -> None:
    have = replace(wanted, flags=wanted.flags | rtnl.IFA_F_PERMANENT | rtnl.IFA_F_SECONDARY, proto=0)
    assert serves(have, wanted)
    assert serves(wanted, wanted)


@pytest.mark.parametrize(
    "change",
    [
        {"label": "eth0:1"},
        {"broadcast": IPv4Address("192.0.2.255")},
        {"peer": IPv4Address("192.0.2.9")},
        {"scope": rtnl.SCOPE_LINK},
        {"flags": rtnl.IFA_F_NOPREFIXROUTE},
        {"valid_lft": 5},
        {"preferred_lft": 0},
    ],
)
def test_what_somebody_asked_for_does(change: dict[str, object]) -> None:
    assert not serves(V4, replace(V4, **change))  # type: ignore[arg-type]
    assert not serves(replace(V4, **change), V4)  # type: ignore[arg-type]


def test_lifetimes_run_down() -> None:
    wanted = replace(V4, valid_lft=10, preferred_lft=5)
    assert serves(replace(V4, valid_lft=7, preferred_lft=2), wanted)
    assert not serves(replace(V4, valid_lft=3, preferred_lft=0), wanted)  # deprecated, and should not be


def test_the_kernel_chooses_scope_and_label_of_ipv6_addresses() -> None:
    assert serves(replace(V6, scope=rtnl.SCOPE_LINK), replace(V6, label="x"))
