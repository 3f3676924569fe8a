"""Unsolicited neighbour advertisements: keepalived's frame exactly, the checks of RFC 4861, scapy as an oracle."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import Ether

from hakeep.wire import Malformed, ip, ndp
from hakeep.wire.checksum import filled

MAC = bytes.fromhex("02000000000a")
VIP = IPv6Address("fe80::9:100").packed
FRAME = bytes.fromhex(
    "33330000000102000000000a86dd6000000000203aff"
    "fe800000000000000000000000090100ff020000000000000000000000000001"
    "8800558220000000fe800000000000000000000000090100020102000000000a"
)


def resealed(frame: bytes) -> bytes:
    """The frame with a right ICMPv6 checksum over all that is behind its IPv6 header."""
    body = frame[54:]
    return frame[:54] + filled(body, 2, ip.pseudo_header(frame[22:38], frame[38:54], 58, len(body)))


def with_options(options: bytes) -> bytes:
    return resealed(FRAME[:18] + (24 + len(options)).to_bytes(2, "big") + FRAME[20:78] + options)


def patched(at: int, value: int) -> bytes:
    return resealed(FRAME[:at] + bytes((value,)) + FRAME[at + 1 :])


def test_the_frame_of_keepalived() -> None:
    assert ndp.unsolicited(MAC, VIP) == FRAME
    message = ndp.decode(FRAME)
    assert message == ndp.NeighbourAdvertisement(ndp.ALL_NODES_MAC, MAC, VIP, ndp.ALL_NODES, VIP, MAC)
    assert message.announces


def test_the_router_flag() -> None:
    assert ndp.unsolicited(MAC, VIP, router=True) == patched(58, 0xA0)
    assert ndp.decode(ndp.unsolicited(MAC, VIP, router=True)).router


def test_padding_behind_it_is_ignored() -> None:
    assert ndp.decode(FRAME + bytes(7)) == ndp.decode(FRAME)


def test_against_scapy() -> None:
    theirs = (
        Ether(src="02:00:00:00:00:0a", dst="33:33:00:00:00:01")
        / IPv6(src="2001:db8::7", dst="ff02::1", hlim=255)
        / ICMPv6ND_NA(tgt="2001:db8::7", R=1, S=0, O=1)
        / ICMPv6NDOptDstLLAddr(lladdr="02:00:00:00:00:0a")
    )
    address = IPv6Address("2001:db8::7").packed
    assert ndp.unsolicited(MAC, address, router=True) == bytes(theirs)
    back = Ether(ndp.unsolicited(MAC, address))[ICMPv6ND_NA]
    assert (back.R, back.S, back.O, back.tgt) == (0, 0, 1, "2001:db8::7")
    assert back[ICMPv6NDOptDstLLAddr].lladdr == "02:00:00:00:00:0a"


@pytest.mark.parametrize(
    ("solicited", "to", "announces"),
    [(False, ndp.ALL_NODES, True), (False, VIP, False), (True, VIP, False)],
)
def test_what_is_said_to_one_host_is_no_announcement(solicited: bool, to: bytes, announces: bool) -> None:
    message = ndp.NeighbourAdvertisement(MAC, MAC, VIP, to, VIP, MAC, solicited=solicited)
    assert ndp.decode(message.encode()) == message
    assert message.announces is announces


def test_an_answer_is_no_announcement() -> None:
    theirs = (
        Ether(src="02:00:00:00:00:0b", dst="02:00:00:00:00:0a")
        / IPv6(src="fe80::b", dst="fe80::a", hlim=255)
        / ICMPv6ND_NA(tgt="fe80::9:100", R=0, S=1, O=1)
    )
    message = ndp.decode(bytes(theirs))
    assert (message.solicited, message.mac, message.announces) == (True, b"", False)


def test_other_options_are_passed_over() -> None:
    nonce, too_long = bytes((14, 1, 9, 9, 9, 9, 9, 9)), bytes((2, 2)) + bytes(range(14))
    for options in (nonce + FRAME[-8:], FRAME[-8:] + nonce, FRAME[-8:] + too_long):
        assert ndp.decode(with_options(options)).mac == MAC
    for options in (b"", nonce, too_long):
        assert ndp.decode(with_options(options)).mac == b""


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (FRAME[:77], "too short"),
        (FRAME[:12] + b"\x08\x00" + FRAME[14:], "not IPv6"),
        (patched(14, 0x45), "IP version 4"),
        (patched(19, 33), "payload length 33"),
        (patched(19, 23), "payload length 23"),
        (patched(20, 17), "not a neighbour advertisement"),
        (patched(54, 135), "not a neighbour advertisement"),
        (patched(55, 1), "not a neighbour advertisement"),
        (patched(21, 254), "hop limit 254"),
        (FRAME[:57] + b"\x83" + FRAME[58:], "checksum"),
        (patched(62, 0xFF), "for a group"),
        (patched(58, 0x60), "solicited"),
        (patched(79, 0), "option"),
        (patched(79, 2), "option"),
        (with_options(b"\x02"), "option"),
        (with_options(FRAME[-8:] + b"\x02"), "option"),
        (with_options(b"\x02\x00"), "option"),
    ],
)
def test_refusals(frame: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        ndp.decode(frame)


@given(st.binary(max_size=100) | st.binary(max_size=40).map(lambda body: resealed(FRAME[:54] + body.ljust(2, b"\0"))))
def test_decode_raises_nothing_but_malformed(frame: bytes) -> None:
    try:
        ndp.decode(frame)
    except Malformed:
        pass


@given(
    st.binary(min_size=16, max_size=16).filter(lambda target: target[0] != 0xFF),
    st.booleans(),
    st.booleans(),
    st.sampled_from([b"", MAC]),
)
def test_round_trip(target: bytes, router: bool, override: bool, mac: bytes) -> None:
    message = ndp.NeighbourAdvertisement(
        ndp.ALL_NODES_MAC, MAC, VIP, ndp.ALL_NODES, target, mac, router, False, override
    )  # fmt: skip
    assert ndp.decode(message.encode()) == message


def test_encode_refuses_wrong_sizes() -> None:
    with pytest.raises(ValueError, match="6 bytes"):
        ndp.unsolicited(b"short", VIP)
    with pytest.raises(ValueError, match="16 bytes"):
        ndp.unsolicited(MAC, bytes(4))
