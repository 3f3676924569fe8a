"""BFD's sockets against the kernel: what is sent is as RFC 5881 wants it, and what is received is told completely."""

from __future__ import annotations

import errno
import socket
import time
from ipaddress import ip_address
from typing import Any

import pytest

from hakeep.config.settled_bfd import BfdInstance
from hakeep.kernel import bfd_socket
from hakeep.kernel.bfd_socket import Ear, open_mouth, send
from hakeep.kernel.mmsg import BURST
from hakeep.wire.bfd import MULTIHOP, SINGLE_HOP

pytestmark = pytest.mark.netns

LEFT = {4: "10.9.0.1", 6: "2001:db8::1"}
RIGHT = {4: "10.9.0.2", 6: "2001:db8::2"}
DATA = b"x" * 24


@pytest.fixture
def ends(lab: Any) -> Any:
    a, b = lab.pair("10.9.0.1/24", "10.9.0.2/24")
    lab.add_ipv6(a, "2001:db8::1")
    lab.add_ipv6(b, "2001:db8::2")
    return a, b


def instance(family: int, **fields: Any) -> BfdInstance:
    return BfdInstance(**{"name": "x", "neighbor_ip": ip_address(RIGHT[family])} | fields)


def received(lab: Any, ear: Ear) -> Any:
    assert lab.readable(ear)
    return ear.read()


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("multihop", [False, True])
def test_a_packet_tells_where_it_came_from(lab: Any, ends: Any, family: int, multihop: bool) -> None:
    a, b = ends
    port = MULTIHOP if multihop else SINGLE_HOP
    ear = lab.keep(b.run(lambda: Ear(family, port)))
    mouth = lab.keep(a.run(lambda: open_mouth(instance(family, multihop=multihop, ttl=200), 50001)))
    before = time.monotonic()
    send(mouth, DATA)
    (packet,) = received(lab, ear)
    assert (packet.data, packet.port, packet.hop_limit) == (DATA, port, 200)
    assert (packet.source, packet.destination) == (ip_address(LEFT[family]).packed, ip_address(RIGHT[family]).packed)
    assert before - 0.001 <= packet.at <= time.monotonic()
    assert mouth.getsockname()[1] == 50001


@pytest.mark.parametrize("family", [4, 6])
def test_the_stamp_is_the_kernel_s(lab: Any, ends: Any, family: int) -> None:
    a, b = ends
    ear = lab.keep(b.run(lambda: Ear(family, SINGLE_HOP)))
    mouth = lab.keep(a.run(lambda: open_mouth(instance(family), 50001)))

    def stamped_when_it_came() -> bool:
        """The kernel begins to stamp packets a moment after it was first asked to."""
        ear.read()
        send(mouth, DATA)
        assert lab.readable(ear)
        after = time.monotonic()
        time.sleep(0.1)
        (packet,) = ear.read()
        return bool(packet.at <= after + 0.001)

    lab.eventually(stamped_when_it_came)


@pytest.mark.parametrize("offset", [3600.0, -3600.0])
def test_a_wall_clock_that_was_set_meanwhile_does_little_harm(
    lab: Any, ends: Any, offset: float, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A packet cannot have come before we last found the socket empty, nor later than now."""
    a, b = ends
    ear = lab.keep(b.run(lambda: Ear(4, SINGLE_HOP)))
    mouth = lab.keep(a.run(lambda: open_mouth(instance(4), 50001)))
    before = time.monotonic()
    assert ear.read() == []
    send(mouth, DATA)
    assert lab.readable(ear)
    real = bfd_socket.clock_gettime
    monkeypatch.setattr(bfd_socket, "clock_gettime", lambda clock: real(clock) + offset)
    (packet,) = ear.read()
    assert before <= packet.at <= time.monotonic()


def test_bursts_are_read_in_order_and_all_of_them(lab: Any, ends: Any) -> None:
    a, b = ends
    ear = lab.keep(b.run(lambda: Ear(4, SINGLE_HOP)))
    mouth = lab.keep(a.run(lambda: open_mouth(instance(4), 50001)))
    count = 3 * BURST + 5
    for number in range(count):
        send(mouth, number.to_bytes(24, "big"))
    found: list[Any] = []
    lab.eventually(lambda: found.extend(ear.read()) or len(found) >= count)
    assert [int.from_bytes(packet.data, "big") for packet in found] == list(range(count))
    stamps = [packet.at for packet in found]
    assert stamps == sorted(stamps) or max(b - a for a, b in zip(stamps[1:], stamps, strict=False)) < 0.001
    assert ear.read() == []


@pytest.mark.parametrize("family", [4, 6])
def test_what_nobody_listens_to_is_sent_all_the_same(ends: Any, lab: Any, family: int) -> None:
    """The kernel would tell us that the port is closed, by failing the next send."""
    a, _ = ends
    mouth = lab.keep(a.run(lambda: open_mouth(instance(family), 50001)))
    for _ in range(5):
        send(mouth, DATA)
        time.sleep(0.02)


def test_a_mouth_is_deaf(ends: Any, lab: Any) -> None:
    a, b = ends
    mouth = lab.keep(a.run(lambda: open_mouth(instance(4), 50001)))
    other = lab.keep(b.run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
    other.bind(("10.9.0.2", SINGLE_HOP))
    for _ in range(10):
        other.sendto(DATA, ("10.9.0.1", 50001))
    assert not lab.readable(mouth, 0.2)


@pytest.mark.parametrize("family", [4, 6])
def test_what_cannot_be_opened_says_why(ends: Any, lab: Any, family: int) -> None:
    a, _ = ends
    absent = ip_address("10.9.0.77" if family == 4 else "2001:db8::77")
    with pytest.raises(OSError) as caught:
        a.run(lambda: open_mouth(instance(family, source_ip=absent), 50001))
    assert caught.value.errno == errno.EADDRNOTAVAIL
    unreachable = ip_address("203.0.113.1" if family == 4 else "2001:db9::1")
    with pytest.raises(OSError) as caught:
        a.run(lambda: open_mouth(instance(family, neighbor_ip=unreachable), 50001))
    assert caught.value.errno == errno.ENETUNREACH
    lab.keep(a.run(lambda: Ear(family, SINGLE_HOP)))
    with pytest.raises(OSError) as caught:
        a.run(lambda: Ear(family, SINGLE_HOP))
    assert caught.value.errno == errno.EADDRINUSE


def test_both_families_have_an_ear_of_their_own(ends: Any, lab: Any) -> None:
    a, _ = ends
    for family in (4, 6):
        lab.keep(a.run(lambda family=family: Ear(family, SINGLE_HOP)))
