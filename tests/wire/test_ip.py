"""IP headers: literal bytes, round trips, refusals, and scapy's opinion."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6

from hakeep.wire import Malformed, ip

#: The header of an advert from 10.9.0.1 to 224.0.0.18 as it was on the wire, checksum and all.
ON_THE_WIRE = bytes.fromhex("45c0002000010000ff70d0900a090001e0000012")

headers = st.builds(
    ip.IPv4Header,
    source=st.binary(min_size=4, max_size=4),
    destination=st.binary(min_size=4, max_size=4),
    protocol=st.integers(0, 255),
    total_length=st.integers(60, 0xFFFF),
    ident=st.integers(0, 0xFFFF),
    ttl=st.integers(0, 255),
    tos=st.integers(0, 255),
    flags=st.sampled_from([0, 0x4000, 0x8000]),
    checksum=st.integers(0, 0xFFFF),
    options=st.integers(0, 10).flatmap(lambda words: st.binary(min_size=4 * words, max_size=4 * words)),
)


def test_a_real_header() -> None:
    header = ip.decode_ipv4(ON_THE_WIRE + b"payload")
    assert header == ip.IPv4Header(
        source=bytes((10, 9, 0, 1)), destination=bytes((224, 0, 0, 18)), protocol=112, total_length=32, ident=1,
        ttl=255, tos=0xC0, flags=0, checksum=0xD090,
    )  # fmt: skip
    assert header.encode() == ON_THE_WIRE
    assert ip.with_header_checksum(header._replace(checksum=0).encode() + b"payload") == ON_THE_WIRE + b"payload"


def test_what_we_send_by_default() -> None:
    header = ip.IPv4Header(bytes((10, 9, 0, 1)), bytes((224, 0, 0, 18)), ip.VRRP, 32, ident=1)
    assert header.encode() == ON_THE_WIRE[:10] + b"\0\0" + ON_THE_WIRE[12:]


@given(headers, st.binary(max_size=10))
def test_round_trip(header: ip.IPv4Header, payload: bytes) -> None:
    data = header.encode()
    assert len(data) == header.length
    assert ip.decode_ipv4(data + payload) == header


def test_a_header_alone() -> None:
    header = ip.IPv4Header(bytes(4), bytes(4), 112, 20)
    assert ip.decode_ipv4(header.encode()) == header


@given(
    st.builds(
        ip.IPv6Header,
        source=st.binary(min_size=16, max_size=16),
        destination=st.binary(min_size=16, max_size=16),
        next_header=st.integers(0, 255),
        payload_length=st.integers(0, 0xFFFF),
        hop_limit=st.integers(0, 255),
        traffic_class=st.sampled_from([0, 1, 0xC0, 0xFF]),
        flow_label=st.sampled_from([0, 1, 0xFFFFF]),
    )
)
def test_ipv6_round_trip(header: ip.IPv6Header) -> None:
    assert ip.decode_ipv6(header.encode()) == header


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "too short"),
        (ON_THE_WIRE[:19], "too short"),
        (b"\x65" + ON_THE_WIRE[1:], "IP version 6"),
        (b"\x44" + ON_THE_WIRE[1:], "16 bytes long"),
        (b"\x46" + ON_THE_WIRE[1:], "24 bytes long"),
        (ON_THE_WIRE[:2] + b"\0\x13" + ON_THE_WIRE[4:], "total length 19"),
        (ON_THE_WIRE[:6] + b"\x20\x00" + ON_THE_WIRE[8:], "fragment"),
        (ON_THE_WIRE[:6] + b"\x00\x01" + ON_THE_WIRE[8:], "fragment"),
    ],
)
def test_refusals(data: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        ip.decode_ipv4(data)


@given(st.binary(max_size=70))
def test_decoders_raise_nothing_but_malformed(data: bytes) -> None:
    for decode in (ip.decode_ipv4, ip.decode_ipv6):
        try:
            decode(data)
        except Malformed:
            pass


def test_encoders_refuse_what_does_not_fit() -> None:
    four, sixteen = bytes(4), bytes(16)
    for header in (
        ip.IPv4Header(b"abc", four, 112, 20),
        ip.IPv4Header(four, four, 112, 20, options=b"abc"),
        ip.IPv4Header(four, four, 112, 20, options=bytes(44)),
        ip.IPv6Header(sixteen, sixteen, 58, 0, flow_label=1 << 20),
        ip.IPv6Header(four, sixteen, 58, 0),
        ip.IPv6Header(sixteen, sixteen, 58, 0, traffic_class=256),
    ):
        with pytest.raises(ValueError, match=r"."):
            header.encode()


@given(headers)
def test_scapy_reads_what_we_write(header: ip.IPv4Header) -> None:
    if header.options:
        header = header._replace(options=b"\x94\x04\0\0")  # router alert: scapy re-arranges random ones
    packet = ip.with_header_checksum(header._replace(checksum=0).encode())
    theirs = IP(packet)
    assert (theirs.src, theirs.dst) == (str(IPv4Address(header.source)), str(IPv4Address(header.destination)))
    assert (theirs.proto, theirs.len, theirs.id, theirs.ttl) == header[2:6]
    assert (theirs.tos, theirs.ihl * 4) == (header.tos, header.length)
    right = theirs.chksum
    del theirs.chksum
    assert bytes(theirs)[10:12] == right.to_bytes(2, "big")


def test_ipv6_against_scapy() -> None:
    ours = ip.IPv6Header(IPv6Address("fe80::1").packed, IPv6Address("ff02::12").packed, 112, 24, 255, 0xC0, 0xA6CC5)
    theirs = bytes(IPv6(src="fe80::1", dst="ff02::12", nh=112, plen=24, hlim=255, tc=0xC0, fl=0xA6CC5))
    assert ours.encode() == theirs
    assert ip.decode_ipv6(theirs) == ours
    with pytest.raises(Malformed, match="version 4"):
        ip.decode_ipv6(b"\x45" + theirs[1:])


def test_pseudo_headers() -> None:
    four, group = bytes((10, 9, 0, 1)), bytes((224, 0, 0, 18))
    assert ip.pseudo_header(four, group, 112, 12) == bytes.fromhex("0a090001e00000120070000c")
    six, all_nodes = IPv6Address("fe80::1").packed, IPv6Address("ff02::1").packed
    assert ip.pseudo_header(six, all_nodes, 58, 32) == six + all_nodes + bytes.fromhex("000000200000003a")


def test_addresses_are_remembered() -> None:
    assert ip.address(bytes((10, 9, 0, 1))) == IPv4Address("10.9.0.1")
    assert ip.address(bytes((10, 9, 0, 1))) is ip.address(bytes((10, 9, 0, 1)))
    assert ip.address(IPv6Address("fe80::1").packed) == IPv6Address("fe80::1")
