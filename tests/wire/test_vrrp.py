"""The VRRP PDU: literal packets of keepalived, round trips in all forms, refusals, dialects, and scapy as an oracle."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.vrrp import VRRP, VRRPv3

from hakeep.wire import Malformed, ip, vrrp
from hakeep.wire.vrrp import Dialect, Pdu

SOURCE, GROUP, PEER = (IPv4Address(text).packed for text in ("10.9.0.1", "224.0.0.18", "10.9.0.2"))
VIP, VIP2 = IPv4Address("10.9.0.100").packed, IPv4Address("10.9.0.101").packed
VIP6 = tuple(IPv6Address(text).packed for text in ("fe80::9:100", "2001:db8:9::100", "2001:db8:9::101"))

V2 = bytes.fromhex("21336402000165ee0a0900640a0900650000000000000000")
V2_PASS = bytes.fromhex("21336401010146300a0900643132333461626364")
V3_HALF_SECOND = bytes.fromhex("31336401003275930a090064")
V3_IPV6 = bytes.fromhex("313364030064100e") + b"".join(VIP6)
V2_IPV6 = bytes.fromhex("2133640200014f45") + b"".join(VIP6[:2])


@pytest.mark.parametrize(
    ("data", "family", "pdu"),
    [
        (V2, 4, Pdu(2, 51, 100, 1.0, (VIP, VIP2), auth_data=bytes(8), checksum=0x65EE)),
        (V2_PASS, 4, Pdu(2, 51, 100, 1.0, (VIP,), vrrp.PASS, b"1234abcd", 0x4630)),
        (V3_HALF_SECOND, 4, Pdu(3, 51, 100, 0.5, (VIP,), checksum=0x7593)),
        (V3_IPV6, 6, Pdu(3, 51, 100, 1.0, VIP6, checksum=0x100E)),
        (V2_IPV6, 6, Pdu(2, 51, 100, 1.0, VIP6[:2], checksum=0x4F45)),
    ],
)
def test_real_packets(data: bytes, family: int, pdu: Pdu) -> None:
    assert vrrp.decode(data, family) == pdu
    assert vrrp.decode(data + b"behind it", family) == pdu
    assert pdu.encode() == data


def test_version_2_checksum_covers_the_packet_and_its_password() -> None:
    for data in (V2, V2_PASS):
        assert vrrp.adds_up(data)
        assert vrrp.sealed(data[:6] + b"\xab\xcd" + data[8:]) == data
        assert not vrrp.adds_up(data[:-1] + b"\x01")


@pytest.mark.parametrize(
    ("destination", "dialect", "checksum"),
    [
        (GROUP, Dialect.DESTINATION, "7561"),
        (PEER, Dialect.DESTINATION, "4b69"),
        (PEER, Dialect.GROUP, "7561"),
        (PEER, Dialect.BARE, "5ffa"),
        (GROUP, Dialect.BARE, "5ffa"),
    ],
)
def test_version_3_dialects(destination: bytes, dialect: Dialect, checksum: str) -> None:
    pdu = Pdu(3, 51, 100, 1.0, (VIP,)).encode()
    head = vrrp.pseudo_header(dialect, SOURCE, destination, len(pdu))
    sealed = vrrp.sealed(pdu, head)
    assert sealed[6:8].hex() == checksum
    assert vrrp.adds_up(sealed, head)


def test_ipv6_checksums_of_the_kernel() -> None:
    source, group = IPv6Address("fe80::ff:fe00:a").packed, IPv6Address("ff02::12").packed
    for data in (V3_IPV6, V2_IPV6):
        head = vrrp.pseudo_header(Dialect.DESTINATION, source, group, len(data))
        assert vrrp.sealed(data, head) == data


def pdus(version: int, family: int) -> st.SearchStrategy[Pdu]:
    size = 4 if family == 4 else 16
    ticks = st.integers(0, 255).map(float) if version == 2 else st.integers(0, 4095).map(lambda n: n / 100)
    has_auth = version == 2 and family == 4
    return st.builds(
        Pdu,
        version=st.just(version),
        virtual_router_id=st.integers(0, 255),
        priority=st.integers(0, 255),
        interval=ticks,
        addresses=st.lists(st.binary(min_size=size, max_size=size), max_size=8).map(tuple),
        auth_type=st.integers(0, 255 if version == 2 else 15),
        auth_data=st.binary(min_size=8, max_size=8) if has_auth else st.just(b""),
        checksum=st.integers(0, 0xFFFF),
        type=st.integers(0, 15),
    )


@pytest.mark.parametrize(("version", "family"), [(2, 4), (2, 6), (3, 4), (3, 6)])
def test_round_trip(version: int, family: int) -> None:
    @given(pdus(version, family), st.binary(max_size=30))
    def check(pdu: Pdu, rest: bytes) -> None:
        data = pdu.encode()
        assert len(data) == vrrp.length(version, family, len(pdu.addresses))
        assert vrrp.decode(data + rest, family) == pdu

    check()


def test_every_version_3_interval_survives() -> None:
    for centiseconds in range(4096):
        pdu = Pdu(3, 1, 1, centiseconds / 100, ())
        data = pdu.encode()
        assert data[4:6] == centiseconds.to_bytes(2, "big")
        assert vrrp.decode(data, 4).interval == centiseconds / 100


def test_255_addresses_and_no_more() -> None:
    full = Pdu(2, 1, 1, 1.0, (VIP,) * 255, auth_data=bytes(8))
    assert vrrp.decode(full.encode(), 4) == full
    with pytest.raises(ValueError, match="at most 255"):
        full._replace(addresses=(VIP,) * 256).encode()


@pytest.mark.parametrize(
    "pdu",
    [
        Pdu(2, 1, 1, 256.0, ()),
        Pdu(3, 1, 1, 40.96, ()),
        Pdu(3, 1, 1, 1.0, (), auth_type=16),
        Pdu(2, 1, 1, 1.0, (VIP, VIP6[0])),
        Pdu(2, 1, 1, 1.0, (b"abc",)),
        Pdu(2, 1, 256, 1.0, ()),
        Pdu(2, 1, 1, 1.0, (), auth_data=b"short"),
    ],
)
def test_encode_refuses_what_does_not_fit(pdu: Pdu) -> None:
    with pytest.raises(ValueError, match=r"."):
        pdu.encode()


@pytest.mark.parametrize(
    ("data", "family", "why"),
    [
        (b"", 4, "too short"),
        (V2[:7], 4, "too short"),
        (V2[:-1], 4, "23 bytes where 24 are needed"),
        (V3_HALF_SECOND[:-1], 4, "11 bytes where 12 are needed"),
        (V3_IPV6[:-1], 6, "needed for 3 addresses"),
        (V2, 6, "needed for 2 addresses"),
        (b"\x11" + V2[1:], 4, "version 1"),
        (b"\x41" + V2[1:], 4, "version 4"),
    ],
)
def test_refusals(data: bytes, family: int, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        vrrp.decode(data, family)


@given(st.binary(max_size=80), st.sampled_from([4, 6]))
def test_decode_raises_nothing_but_malformed(data: bytes, family: int) -> None:
    try:
        pdu = vrrp.decode(data, family)
    except Malformed:
        return
    assert data.startswith(pdu.encode())


def test_version_2_against_scapy() -> None:
    theirs = bytes(VRRP(vrid=51, priority=100, adv=1, addrlist=["10.9.0.100", "10.9.0.101"], authtype=0))
    assert theirs == V2
    back = VRRP(vrrp.sealed(Pdu(2, 7, 200, 3.0, (VIP,), vrrp.PASS, b"1234abcd").encode()))
    assert (back.version, back.type, back.vrid, back.priority, back.adv) == (2, 1, 7, 200, 3)
    assert (back.authtype, back.addrlist) == (1, ["10.9.0.100"])
    assert (back.auth1, back.auth2) == (0x31323334, 0x61626364)


@given(
    st.integers(1, 255), st.integers(0, 255), st.integers(1, 4095), st.lists(st.integers(1, 2**32 - 1), max_size=5)
)  # fmt: skip
def test_version_3_over_ipv4_against_scapy(vrid: int, priority: int, ticks: int, numbers: list[int]) -> None:
    texts = [str(IPv4Address(number)) for number in numbers]
    theirs = bytes(
        IP(src="10.9.0.1", dst="224.0.0.18", proto=112)
        / VRRPv3(vrid=vrid, priority=priority, adv=ticks, addrlist=texts)
    )[20:]
    pdu = vrrp.decode(theirs, 4)
    packed = tuple(IPv4Address(text).packed for text in texts)
    assert pdu == Pdu(3, vrid, priority, ticks / 100, packed, checksum=pdu.checksum)
    assert vrrp.sealed(pdu.encode(), vrrp.pseudo_header(Dialect.DESTINATION, SOURCE, GROUP, len(theirs))) == theirs


@given(st.lists(st.integers(1, 2**128 - 1), max_size=4))
def test_version_3_over_ipv6_against_scapy(numbers: list[int]) -> None:
    texts = [str(IPv6Address(number)) for number in numbers]
    theirs = bytes(
        IPv6(src="fe80::1", dst="ff02::12", nh=112, hlim=255) / VRRPv3(vrid=9, priority=7, adv=100, addrlist=texts)
    )[40:]
    ours = Pdu(3, 9, 7, 1.0, tuple(ip_address(text).packed for text in texts)).encode()
    head = ip.pseudo_header(IPv6Address("fe80::1").packed, IPv6Address("ff02::12").packed, ip.VRRP, len(ours))
    assert vrrp.sealed(ours, head) == theirs
