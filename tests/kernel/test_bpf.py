"""The programs run in the kernel: packets go in over a socket pair or a network, and what comes out is looked at."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hakeep.kernel import bpf
from tests.effort import tries

AH = bytes([112, 4]) + bytes(22)
VRIDS = st.sets(st.integers(1, 255))


def ip4(payload: bytes, *, ttl: int = 255, options: bytes = b"") -> bytes:
    words = 5 + len(options) // 4
    header = struct.pack("!BBHHHBBH4s4s", 0x40 | words, 0, 0, 0, 0, ttl, 112, 0, bytes(4), bytes(4))
    return header + options + payload


def advert(vrid: int, first: int = 0x31) -> bytes:
    return bytes([first, vrid, 100, 0, 0, 100, 0, 0])


@pytest.fixture(scope="module")
def passes() -> Iterator[Callable[[bpf.Program, bytes], bool]]:
    """Does this program let this packet through? A datagram socket pair shows filters the whole of it."""
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def try_it(program: bpf.Program, packet: bytes) -> bool:
        bpf.attach(right, program)
        try:
            left.send(packet)
        except PermissionError:  # how a filter's refusal looks to an AF_UNIX sender
            return False
        try:
            return right.recv(4096) == packet
        except BlockingIOError:
            return False

    with left, right:
        yield try_it


Passes = Callable[[bpf.Program, bytes], bool]
kernel_settings = settings(max_examples=tries(60), suppress_health_check=[HealthCheck.function_scoped_fixture])


@kernel_settings
@given(wanted=VRIDS, vrid=st.integers(0, 255), words=st.integers(0, 10))
def test_vrids_are_told_apart_behind_any_ipv4_header(passes: Passes, wanted: set[int], vrid: int, words: int) -> None:
    program = bpf.vrids(wanted, socket.AF_INET)
    assert passes(program, ip4(advert(vrid), options=bytes(4 * words))) is (vrid in wanted)


@kernel_settings
@given(wanted=VRIDS, vrid=st.integers(0, 255))
def test_vrids_are_told_apart_without_a_header(passes: Passes, wanted: set[int], vrid: int) -> None:
    assert passes(bpf.vrids(wanted, socket.AF_INET6), advert(vrid)) is (vrid in wanted)


@kernel_settings
@given(wanted=VRIDS, vrid=st.integers(0, 255), words=st.integers(0, 10))
def test_vrids_are_told_apart_inside_ah(passes: Passes, wanted: set[int], vrid: int, words: int) -> None:
    program = bpf.vrids(wanted, socket.AF_INET, 51)
    assert passes(program, ip4(AH + advert(vrid), options=bytes(4 * words))) is (vrid in wanted)


def test_all_of_them(passes: Passes) -> None:
    program = bpf.vrids(range(1, 256), socket.AF_INET)
    assert [vrid for vrid in range(256) if passes(program, ip4(advert(vrid)))] == list(range(1, 256))
    assert len(program) < 40


@pytest.mark.parametrize("other", [bytes([6, 4]) + bytes(22), bytes([112, 5]) + bytes(26), bytes([112, 4])])
def test_other_uses_of_ah_are_dropped(passes: Passes, other: bytes) -> None:
    program = bpf.vrids(range(1, 256), socket.AF_INET, 51)
    assert passes(program, ip4(AH + advert(7)))
    assert not passes(program, ip4(other + advert(7)))


@pytest.mark.parametrize("length", range(22))
def test_what_is_too_short_is_dropped(passes: Passes, length: int) -> None:
    assert not passes(bpf.vrids(range(1, 256), socket.AF_INET), ip4(advert(7))[:length] or b"\0")


@pytest.mark.parametrize("vrid", [0, 256, -1])
def test_what_is_no_vrid_is_an_error(vrid: int) -> None:
    with pytest.raises(ValueError, match="not a virtual router id"):
        bpf.vrids([vrid], socket.AF_INET)


def test_nothing_passes_drop_all(passes: Passes) -> None:
    assert not passes(bpf.DROP_ALL, b"x" * 100)


@pytest.mark.parametrize("versions", [(2,), (3,), (2, 3)])
@pytest.mark.parametrize("protocol", [112, 51])
def test_in_a_flood_the_first_byte_and_the_ttl_count(passes: Passes, versions: tuple[int, ...], protocol: int) -> None:
    program = bpf.flood([7, 200], socket.AF_INET, protocol, versions)
    ah = AH if protocol == 51 else b""
    for first in range(256):
        assert passes(program, ip4(ah + advert(7, first))) is (first & 15 == 1 and first >> 4 in versions)
    good = versions[0] << 4 | 1
    assert passes(program, ip4(ah + advert(200, good)))
    assert not passes(program, ip4(ah + advert(201, good)))
    assert not passes(program, ip4(ah + advert(7, good), ttl=254))


def test_a_filter_can_be_taken_off(passes: Passes) -> None:
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with left, right:
        bpf.attach(right, bpf.DROP_ALL)
        bpf.detach(right)
        left.send(b"x")
        assert right.recv(9) == b"x"
