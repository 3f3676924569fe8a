from __future__ import annotations

import errno
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from hakeep.kernel import rtnl
from hakeep.kernel.netlink import HEADER, NLM_F_ACK, NLM_F_REPLACE, NLM_F_REQUEST, Netlink, NetlinkError
from hakeep.objects.rtnl import (
    IFA_F_NODAD,
    IFA_F_NOPREFIXROUTE,
    IFA_F_PERMANENT,
    PROTO_KEEPALIVED,
    SCOPE_LINK,
    Address,
    Ipvlan,
    Macvlan,
    serves,
)

pytestmark = pytest.mark.netns

MAC = bytes.fromhex("00005e000133")

ADDRESSES = {
    "plain": Address("eth0", IPv4Address("10.1.0.1"), 24),
    "host": Address("eth0", IPv4Address("10.1.0.2"), 32),
    "broadcast": Address("eth0", IPv4Address("10.2.0.1"), 24, broadcast=IPv4Address("10.2.0.255")),
    "label": Address("eth0", IPv4Address("10.3.0.1"), 24, label="eth0:7"),
    "peer": Address("eth0", IPv4Address("10.4.0.1"), 30, peer=IPv4Address("10.5.0.2")),
    "scope": Address("eth0", IPv4Address("10.6.0.1"), 24, scope=SCOPE_LINK),
    "no route": Address("eth0", IPv4Address("10.7.0.1"), 24, flags=IFA_F_NOPREFIXROUTE),
    "lease": Address("eth0", IPv4Address("10.8.0.1"), 24, valid_lft=100, preferred_lft=50),
    "valid only": Address("eth0", IPv4Address("10.8.1.1"), 24, valid_lft=100),
    "deprecated": Address("eth0", IPv4Address("10.9.0.1"), 24, preferred_lft=0),
    "unmarked": Address("eth0", IPv4Address("10.9.1.1"), 24, proto=0),
    "v6": Address("eth0", IPv6Address("2001:db8:1::1"), 64, flags=IFA_F_NODAD),
    "v6 host": Address("eth0", IPv6Address("2001:db8:1::2"), 128, flags=IFA_F_NODAD, preferred_lft=0),
    "v6 peer": Address("eth0", IPv6Address("2001:db8:2::1"), 64, peer=IPv6Address("2001:db8:3::2"), flags=IFA_F_NODAD),
    "v6 lease": Address("eth0", IPv6Address("2001:db8:4::1"), 64, flags=IFA_F_NODAD, valid_lft=100, preferred_lft=50),
    "v6 no route": Address("eth0", IPv6Address("2001:db8:5::1"), 64, flags=IFA_F_NODAD | IFA_F_NOPREFIXROUTE),
}


class Kernel:
    """One namespace with a veth link, seen through our codec and through ip(8)."""

    def __init__(self, lab: Any) -> None:
        self.namespace, _ = lab.pair()
        self.netlink: Netlink = lab.keep(self.namespace.run(Netlink))
        self.links = {link.name: link for link in rtnl.read_links(self.netlink)}
        self.index = self.links["eth0"].index
        self.encoder = rtnl.Encoder()

    def addresses(self) -> dict[str, Address]:
        found = rtnl.read_addresses(self.netlink, {self.index: "eth0"})
        return {str(address.ip): address for address in found if not address.ip.is_link_local}

    def add(self, address: Address) -> None:
        self.netlink.request(self.encoder.add(address, self.index))

    def replace(self, address: Address) -> None:
        self.netlink.request(self.encoder.replace(address, self.index))

    def delete(self, address: Address) -> None:
        self.netlink.request(self.encoder.delete(address, self.index))


@pytest.fixture
def kernel(lab: Any) -> Kernel:
    return Kernel(lab)


@pytest.mark.parametrize("wanted", ADDRESSES.values(), ids=ADDRESSES.keys())
def test_an_address_comes_and_goes_as_asked(kernel: Kernel, wanted: Address) -> None:
    kernel.add(wanted)
    have = kernel.addresses()[str(wanted.ip)]
    assert have.key == wanted.key
    assert serves(have, wanted)
    if rtnl.kernel_reports_proto():
        assert have.proto == wanted.proto
    if wanted.valid_lft is not None:
        assert have.valid_lft in (99, 100)
        assert have.preferred_lft in ((49, 50) if wanted.preferred_lft else (99, 100))
    kernel.delete(wanted)
    assert kernel.addresses() == {}


def test_ip_sees_what_we_meant(kernel: Kernel) -> None:
    for name in ("label", "peer", "broadcast", "v6 host", "lease"):
        kernel.add(ADDRESSES[name])
    shown = kernel.namespace.ip("addr show dev eth0")
    (line,) = [line for line in shown.splitlines() if "inet 10.3.0.1/24" in line]
    assert line.endswith("eth0:7")
    assert "inet 10.4.0.1 peer 10.5.0.2/30" in shown
    assert "inet 10.2.0.1/24 brd 10.2.0.255" in shown
    (line,) = [line for line in shown.splitlines() if "inet6 2001:db8:1::2/128" in line]
    assert "deprecated" in line and "nodad" in line
    assert "valid_lft 100sec preferred_lft 50sec" in shown


@pytest.mark.parametrize("name", ["plain", "v6"])
def test_adding_twice_changes_nothing_and_says_so(kernel: Kernel, name: str) -> None:
    address = ADDRESSES[name]
    kernel.add(address)
    for again in (address, replace(address, valid_lft=50)):
        with pytest.raises(NetlinkError) as raised:
            kernel.add(again)
        assert raised.value.errno == errno.EEXIST
    assert kernel.addresses()[str(address.ip)].valid_lft is None


@pytest.mark.parametrize("name", ["plain", "peer", "v6", "v6 peer"])
def test_deleting_what_is_not_there_says_so(kernel: Kernel, name: str) -> None:
    with pytest.raises(NetlinkError) as raised:
        kernel.delete(ADDRESSES[name])
    assert raised.value.errno == errno.EADDRNOTAVAIL


@pytest.mark.parametrize("name", ["lease", "v6 lease"])
def test_replace_renews_and_brings_back(kernel: Kernel, name: str) -> None:
    address = ADDRESSES[name]
    kernel.add(replace(address, valid_lft=10, preferred_lft=5))
    kernel.replace(address)
    assert kernel.addresses()[str(address.ip)].valid_lft in (99, 100)
    kernel.delete(address)
    kernel.replace(address)
    assert serves(kernel.addresses()[str(address.ip)], address)


@pytest.mark.parametrize("name", ["lease", "v6 lease"])
def test_the_kernel_removes_what_is_not_renewed(kernel: Kernel, lab: Any, name: str) -> None:
    kernel.add(replace(ADDRESSES[name], valid_lft=1, preferred_lft=1))
    assert len(kernel.addresses()) == 1
    lab.eventually(lambda: not kernel.addresses(), timeout=4)


def test_a_lifetime_can_be_taken_off_again(kernel: Kernel) -> None:
    for name in ("lease", "v6 lease"):
        address = ADDRESSES[name]
        kernel.add(address)
        kernel.replace(replace(address, valid_lft=None, preferred_lft=None))
        have = kernel.addresses()[str(address.ip)]
        assert have.valid_lft is None and have.flags & IFA_F_PERMANENT


def test_addresses_of_other_interfaces_are_left_out(kernel: Kernel) -> None:
    kernel.namespace.ip("addr add 10.77.0.1/24 dev lo")
    kernel.add(ADDRESSES["plain"])
    assert list(kernel.addresses()) == ["10.1.0.1"]


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_filled_template_is_what_would_have_been_made(name: str) -> None:
    address = ADDRESSES[name]
    another = replace(address, ip=address.ip + 1)
    encoder = rtnl.Encoder()
    for asked, made in (
        (encoder.add, rtnl._encode_add), (encoder.replace, rtnl._encode_replace), (encoder.delete, rtnl._encode_delete)
    ):
        for one in (address, another, address):
            assert asked(one, 3) == made(one, 3)
        assert asked(replace(address, valid_lft=7, preferred_lft=7), 4) == made(
            replace(address, valid_lft=7, preferred_lft=7), 4
        )


def test_what_is_ready_is_made_anew_for_another_lifetime_and_another_interface() -> None:
    encoder = rtnl.Encoder()
    address = ADDRESSES["plain"]
    leased = replace(address, valid_lft=2, preferred_lft=2)
    for one, index in ((address, 3), (leased, 3), (leased, 4), (address, 3), (address, 3)):
        assert encoder.add(one, index) == rtnl._encode_add(one, index)
        assert encoder.replace(one, index) == rtnl._encode_replace(one, index)


def test_only_so_much_is_kept_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtnl, "_READY_MAX", 3)
    encoder = rtnl.Encoder()
    for n in range(10):
        one = replace(ADDRESSES["plain"], ip=ADDRESSES["plain"].ip + n)
        assert encoder.add(one, 3) == rtnl._encode_add(one, 3)
        assert len(encoder._ready) <= 3


def test_an_addition_neither_creates_nor_replaces_and_carries_nothing_unasked() -> None:
    message = rtnl.Encoder().add(Address("x", IPv4Address("10.0.0.1"), 24, proto=0), 3)
    assert HEADER.unpack_from(message)[2] == NLM_F_REQUEST | NLM_F_ACK
    assert message[HEADER.size + 8 :] == bytes.fromhex("08000200 0a000001")  # IFA_LOCAL and no more
    message = rtnl.Encoder().replace(Address("x", IPv4Address("10.0.0.1"), 24, proto=0), 3)
    assert HEADER.unpack_from(message)[2] == NLM_F_REQUEST | NLM_F_ACK | NLM_F_REPLACE


def test_a_preferred_life_is_never_longer_than_the_valid_one(kernel: Kernel) -> None:
    for name in ("lease", "v6 lease"):
        kernel.add(replace(ADDRESSES[name], valid_lft=20, preferred_lft=60))
        assert kernel.addresses()[str(ADDRESSES[name].ip)].preferred_lft in (19, 20)


def test_the_mark_is_keepaliveds() -> None:
    assert PROTO_KEEPALIVED == 18
    assert ADDRESSES["plain"].proto == 18


# ----------------------------------------------------------------------------------------------------------- links


def test_links_are_read_as_they_are(kernel: Kernel) -> None:
    lo, eth0 = kernel.links["lo"], kernel.links["eth0"]
    assert (lo.loopback, lo.up, lo.kind, lo.multicast) == (True, True, "", False)
    assert (eth0.kind, eth0.mtu, eth0.arp, eth0.multicast, eth0.loopback) == ("veth", 1500, True, True, False)
    assert eth0.base_index == 0  # its peer lives elsewhere, and that number means something else here
    assert len(eth0.mac) == 6
    kernel.namespace.ip("link set eth0 down mtu 1400 arp off")
    eth0 = next(link for link in rtnl.read_links(kernel.netlink) if link.name == "eth0")
    assert (eth0.up, eth0.running, eth0.usable, eth0.mtu, eth0.arp) == (False, False, False, 1400, False)


def test_a_macvlan_comes_up_private_and_goes(kernel: Kernel) -> None:
    vmac = Macvlan("vrrp.51", "eth0", MAC)
    kernel.netlink.request(rtnl.encode_create(vmac, kernel.index))
    (part,) = kernel.netlink.request(rtnl.encode_get_link("vrrp.51"))
    link = rtnl.decode_link(part.data)
    assert (link.kind, link.mac, link.base_index, link.up) == ("macvlan", MAC, kernel.index, False)
    assert "macvlan mode private" in kernel.namespace.ip("-d link show vrrp.51")
    assert rtnl.describes(part.data, vmac, kernel.index)
    assert not rtnl.describes(part.data, vmac, kernel.index + 1)
    assert not rtnl.describes(part.data, replace(vmac, mac=bytes(5) + b"\1"), kernel.index)
    assert not rtnl.describes(part.data, Ipvlan("vrrp.51", "eth0"), kernel.index)
    with pytest.raises(NetlinkError) as raised:
        kernel.netlink.request(rtnl.encode_create(vmac, kernel.index))
    assert raised.value.errno == errno.EEXIST

    kernel.netlink.request(rtnl.encode_link_alias(link.index, "ours"))
    kernel.netlink.request(rtnl.encode_link_up(link.index))
    (part,) = kernel.netlink.request(rtnl.encode_get_link("vrrp.51"))
    assert rtnl.decode_link(part.data).usable
    assert rtnl.link_alias(part.data) == "ours"
    kernel.netlink.request(rtnl.encode_link_up(link.index, False))

    kernel.netlink.request(rtnl.encode_delete_link(link.index))
    with pytest.raises(NetlinkError) as raised:
        kernel.netlink.request(rtnl.encode_delete_link(link.index))
    assert raised.value.errno == errno.ENODEV


def test_a_macvlan_of_another_mode_is_not_ours(kernel: Kernel) -> None:
    kernel.namespace.ip(f"link add link eth0 name vrrp.51 address {MAC.hex(':')} type macvlan mode bridge")
    (part,) = kernel.netlink.request(rtnl.encode_get_link("vrrp.51"))
    assert not rtnl.describes(part.data, Macvlan("vrrp.51", "eth0", MAC), kernel.index)
    (part,) = kernel.netlink.request(rtnl.encode_get_link("eth0"))
    assert not rtnl.describes(part.data, Macvlan("eth0", "eth0", MAC), 0)
    assert rtnl.link_alias(part.data) == ""


@pytest.mark.parametrize(("mode", "flags"), [("bridge", 0), ("private", 1), ("vepa", 2)])
def test_an_ipvlan_is_asked_for_in_its_mode(kernel: Kernel, mode: str, flags: int) -> None:
    message = rtnl.encode_create(Ipvlan("ipvl0", "eth0", mode), kernel.index)
    assert b"ipvlan\0" in message
    assert bytes.fromhex("06000100 00000000") in message  # IFLA_IPVLAN_MODE: L2
    assert bytes.fromhex("06000200") + flags.to_bytes(2, "little") in message
    try:
        kernel.netlink.request(message)
    except NetlinkError as error:
        if error.errno == errno.EOPNOTSUPP:
            pytest.skip("this kernel has no ipvlan")
        raise
    (part,) = kernel.netlink.request(rtnl.encode_get_link("ipvl0"))
    assert rtnl.describes(part.data, Ipvlan("ipvl0", "eth0", mode), kernel.index)
    assert rtnl.decode_link(part.data).mac == kernel.links["eth0"].mac


@pytest.mark.parametrize(
    ("release", "answer"),
    [("5.17.9", False), ("5.18.0-rc1", True), ("6.1.0-18-amd64", True), ("4.19", False), ("10.0", True), ("x", False)],
)
def test_which_kernels_report_the_mark(monkeypatch: pytest.MonkeyPatch, release: str, answer: bool) -> None:
    monkeypatch.setattr(rtnl.os, "uname", lambda: type("Uname", (), {"release": release}))
    assert rtnl.kernel_reports_proto() is answer

