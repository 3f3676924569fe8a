"""The rarer IPVS messages, byte by byte, and what a kernel answers to them."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.kernel import ipvs_messages as rare
from hakeep.kernel.ipvs_rows import Unreadable, message
from hakeep.objects.ipvs import SyncDaemon, Timeouts

FAMILY = 29


def attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def u32(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


@st.composite
def daemons(draw: st.DrawFn) -> SyncDaemon:
    return SyncDaemon(
        draw(st.sampled_from(("master", "backup"))), draw(st.text("abcdefgh0123456789.-", min_size=1, max_size=15)),
        draw(st.integers(0, 255)), draw(st.integers(0, 65507)),
        draw(st.none() | st.ip_addresses(network="224.0.0.0/8") | st.ip_addresses(network="ff02::/16")),
        draw(st.integers(0, 65535)), draw(st.integers(0, 255)),
    )  # fmt: skip


@given(daemons())
def test_a_daemon_comes_back_as_it_went(daemon: SyncDaemon) -> None:
    assert rare.decode_daemon(rare.encode_start(FAMILY, daemon)) == daemon


def test_a_daemon_is_started_by_name_and_number() -> None:
    bare = attribute(3, u32(1, 1) + attribute(2, b"eth1\0") + u32(3, 51))
    assert rare.encode_start(FAMILY, SyncDaemon("master", "eth1", 51)) == message(FAMILY, 9, bare)
    full = attribute(3, u32(1, 2) + attribute(2, b"eth1\0") + u32(3, 0) + attribute(4, struct.pack("=H", 1000))
                     + attribute(5, IPv4Address("224.0.0.99").packed) + attribute(7, struct.pack("=H", 8849))
                     + attribute(8, b"\x03"))
    daemon = SyncDaemon("backup", "eth1", 0, 1000, ip_address("224.0.0.99"), 8849, 3)
    assert rare.encode_start(FAMILY, daemon) == message(FAMILY, 9, full)
    six = rare.encode_start(FAMILY, SyncDaemon("backup", "eth1", 0, 0, ip_address("ff02::99")))
    assert attribute(6, IPv6Address("ff02::99").packed) in six


def test_a_daemon_is_stopped_by_its_state() -> None:
    assert rare.encode_stop(FAMILY, "backup") == message(FAMILY, 10, attribute(3, u32(1, 2)))


def test_timeouts_of_nought_are_not_sent() -> None:
    """As keepalived was seen to send them (captures: SET_CONFIG)."""
    assert rare.encode_set_timeouts(FAMILY, Timeouts(100, 20, 30)) == message(
        FAMILY, 12, u32(4, 100) + u32(5, 20) + u32(6, 30))
    assert rare.encode_set_timeouts(FAMILY, Timeouts(udp=30)) == message(FAMILY, 12, u32(6, 30))
    assert rare.decode_timeouts(rare.encode_set_timeouts(FAMILY, Timeouts(900, 120, 300))) == Timeouts(900, 120, 300)


def test_questions() -> None:
    assert rare.encode_get_timeouts(FAMILY) == message(FAMILY, 13)
    assert rare.encode_get_info(FAMILY) == message(FAMILY, 15)
    assert rare.encode_dump_daemons(FAMILY) == message(FAMILY, 11, flags=0x300)
    assert rare.encode_get_family() == message(16, 3, attribute(2, b"IPVS\0"))


def test_the_version_has_three_numbers() -> None:
    assert rare.decode_info(message(FAMILY, 14, u32(1, 0x010201) + u32(2, 4096))) == ((1, 2, 1), 4096)


def test_the_number_of_the_family() -> None:
    answer = message(16, 1, attribute(2, b"IPVS\0") + attribute(1, struct.pack("=H", 33)))
    assert rare.decode_family(answer) == 33
    with pytest.raises(Unreadable):
        rare.decode_family(message(16, 1, attribute(2, b"IPVS\0")))


@given(st.binary(max_size=120))
def test_nothing_but_unreadable_escapes(body: bytes) -> None:
    for decode in (rare.decode_daemon, rare.decode_info, rare.decode_timeouts, rare.decode_family):
        for data in (message(FAMILY, 1, body), message(FAMILY, 1, attribute(3, body))):
            try:
                decode(data)
            except Unreadable:
                pass
