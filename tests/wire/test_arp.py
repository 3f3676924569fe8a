"""Gratuitous ARP: keepalived's frame exactly, and what counts as an announcement."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import ARP, Ether

from hakeep.wire import Malformed, arp

MAC = bytes.fromhex("02000000000a")
VIP = bytes((10, 9, 0, 100))
GRATUITOUS = bytes.fromhex(
    "ffffffffffff02000000000a0806" "0001080006040001" "02000000000a0a090064" "ffffffffffff0a090064"
)


def test_the_frame_of_keepalived() -> None:
    assert arp.gratuitous(MAC, VIP) == GRATUITOUS
    assert arp.decode(GRATUITOUS) == arp.Arp(arp.BROADCAST, MAC, arp.REQUEST, MAC, VIP, arp.BROADCAST, VIP)
    assert arp.decode(GRATUITOUS + bytes(18)).announces


@given(
    st.builds(
        arp.Arp,
        *[st.binary(min_size=size, max_size=size) for size in (6, 6)],
        st.integers(0, 0xFFFF),
        *[st.binary(min_size=size, max_size=size) for size in (6, 4, 6, 4)],
    )
)
def test_round_trip(message: arp.Arp) -> None:
    assert arp.decode(message.encode()) == message


@given(st.binary(max_size=60))
def test_decode_raises_nothing_but_malformed(data: bytes) -> None:
    try:
        message = arp.decode(data)
    except Malformed:
        return
    assert message.encode() == data[: arp.LENGTH]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (GRATUITOUS[:41], "too short"),
        (GRATUITOUS[:12] + b"\x08\x00" + GRATUITOUS[14:], "not ARP"),
        (GRATUITOUS[:14] + b"\x00\x06" + GRATUITOUS[16:], "Ethernet"),
        (GRATUITOUS[:18] + b"\x08" + GRATUITOUS[19:], "IPv4"),
    ],
)
def test_refusals(data: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        arp.decode(data)


@pytest.mark.parametrize(
    ("operation", "sender", "target", "announces"),
    [
        ("who-has", "10.9.0.100", "10.9.0.100", True),
        ("is-at", "10.9.0.100", "10.9.0.100", True),
        ("who-has", "10.9.0.1", "10.9.0.100", False),
        ("who-has", "0.0.0.0", "10.9.0.100", False),  # a probe (RFC 5227)
        ("who-has", "0.0.0.0", "0.0.0.0", False),
    ],
)
def test_announcements_made_by_scapy(operation: str, sender: str, target: str, announces: bool) -> None:
    frame = Ether(src="02:00:00:00:00:0b", dst="ff:ff:ff:ff:ff:ff") / ARP(
        op=operation, hwsrc="02:00:00:00:00:0b", psrc=sender, pdst=target
    )
    message = arp.decode(bytes(frame))
    assert message.sender_mac == bytes.fromhex("02000000000b")
    assert message.announces is announces


def test_scapy_reads_ours() -> None:
    theirs = Ether(arp.gratuitous(MAC, VIP))
    assert (theirs.dst, theirs.src, theirs.type) == ("ff:ff:ff:ff:ff:ff", "02:00:00:00:00:0a", 0x0806)
    inner = theirs[ARP]
    assert (inner.op, inner.hwsrc, inner.psrc) == (1, "02:00:00:00:00:0a", "10.9.0.100")
    assert (inner.hwdst, inner.pdst) == ("ff:ff:ff:ff:ff:ff", "10.9.0.100")


def test_encode_refuses_wrong_sizes() -> None:
    with pytest.raises(ValueError, match="6 bytes"):
        arp.gratuitous(b"short", VIP)
    with pytest.raises(ValueError, match="4"):
        arp.gratuitous(MAC, bytes(16))
