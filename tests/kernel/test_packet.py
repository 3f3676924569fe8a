from __future__ import annotations

import errno
import socket
import struct
import time
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from hakeep.kernel.packet import AnnouncementListener, FrameSender

pytestmark = pytest.mark.netns

MAC = bytes.fromhex("00005e000107")
VIP = IPv4Address("10.0.0.100")
VIP6 = IPv6Address("2001:db8::100")
BROADCAST = b"\xff" * 6


def garp(ip: IPv4Address = VIP) -> bytes:
    ethernet = BROADCAST + MAC + b"\x08\x06"
    return ethernet + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + MAC + ip.packed + BROADCAST + ip.packed


def ipv6(next_header: int, payload: bytes) -> bytes:
    header = struct.pack("!IHBB", 6 << 28, len(payload), next_header, 255)
    header += VIP6.packed + IPv6Address("ff02::1").packed
    return bytes.fromhex("333300000001") + MAC + b"\x86\xdd" + header + payload


def advertisement(icmp_type: int = 136) -> bytes:
    return ipv6(58, struct.pack("!BBHI", icmp_type, 0, 0, 0x20000000) + VIP6.packed + b"\x02\x01" + MAC)


def ipv4() -> bytes:
    return BROADCAST + MAC + b"\x08\x00" + bytes([0x45]) + bytes(40)


class Ends:
    """A sender on one side, a listener on the other."""

    def __init__(self, lab: Any) -> None:
        self.lab = lab
        self.left, self.right = lab.pair()
        self.sender: FrameSender = lab.keep(self.left.run(FrameSender))
        self.listener: AnnouncementListener = lab.keep(self.right.run(lambda: AnnouncementListener("eth0")))
        self.index: int = self.left.run(lambda: socket.if_nametoindex("eth0"))

    def send(self, *frames: bytes) -> list[tuple[int, int]]:
        return self.sender.send_many([(self.index, frame) for frame in frames])

    def heard(self) -> list[tuple[bytes, bytes]]:
        """What our MAC has said; the kernel sends its own router and neighbour messages."""
        found: list[tuple[bytes, bytes]] = []
        while got := self.listener.receive():
            found += got
        return [(mac, frame) for mac, frame in found if mac == MAC]


@pytest.fixture
def ends(lab: Any) -> Ends:
    return Ends(lab)


def test_announcements_are_seen_at_the_other_end(ends: Ends) -> None:
    assert ends.send(garp(), advertisement()) == []
    assert ends.heard() == [(MAC, garp()), (MAC, advertisement())]
    assert ends.heard() == []


def test_the_neighbour_learns_from_it(ends: Ends) -> None:
    ends.right.ip("addr add 10.0.0.2/24 dev eth0")
    ends.right.ip(f"neigh add {VIP} lladdr 02:00:00:00:00:99 dev eth0 nud stale")
    ends.send(garp())
    ends.lab.eventually(lambda: MAC.hex(":") in ends.right.ip(f"neigh show {VIP}"))


@pytest.mark.parametrize("other", [ipv4(), advertisement(135), ipv6(112, bytes(40)), ipv6(0, bytes(40)), garp()[:12]])
def test_the_listener_hears_nothing_else(ends: Ends, other: bytes) -> None:
    frame = other.ljust(14, b"\x90")
    assert ends.send(frame, garp()) == []
    assert ends.heard() == [(MAC, garp())]


def test_the_listener_does_not_hear_its_own_host(ends: Ends) -> None:
    ear = ends.lab.keep(ends.left.run(lambda: AnnouncementListener("eth0")))
    ends.send(garp())
    assert len(ends.heard()) == 1
    assert [frame for mac, frame in ear.receive() if mac == MAC] == []


def test_the_listener_does_not_hear_vlans(ends: Ends) -> None:
    """A packet socket on the physical interface sees tagged frames as well, and sees them without their tag."""
    frame = garp()
    assert ends.send(frame[:12] + b"\x81\x00\x00\x07" + frame[12:], garp(VIP + 1)) == []
    assert ends.heard() == [(MAC, garp(VIP + 1))]


def test_a_thousand_frames_on_two_interfaces_in_order(ends: Ends) -> None:
    ends.left.ip(f"link add eth1 type veth peer name eth1 netns {ends.right.name}")
    for namespace in (ends.left, ends.right):
        namespace.ip("link set eth1 up")
    ends.lab.eventually(lambda: ends.left.is_ready("eth1") and ends.right.is_ready("eth1"))
    second = ends.lab.keep(ends.right.run(lambda: AnnouncementListener("eth1")))
    indexes = [ends.index, ends.left.run(lambda: socket.if_nametoindex("eth1"))]
    frames = [(indexes[n % 2], garp(VIP + n)) for n in range(300)]
    started = time.perf_counter()
    assert ends.sender.send_many(frames) == []
    print(f"300 frames: {(time.perf_counter() - started) * 1000:.2f} ms")
    assert [frame for _, frame in ends.heard()] == [frame for _, frame in frames[::2]]
    found: list[bytes] = []
    while got := second.receive():
        assert len(got) <= 64
        found += [frame for mac, frame in got if mac == MAC]
    assert found == [frame for _, frame in frames[1::2]]


def test_a_refused_frame_does_not_keep_the_others(ends: Ends) -> None:
    frames = [(ends.index, garp(VIP + n)) for n in range(200)]
    bad = (0, 5, 63, 64, 65, 199)
    for position in bad:
        frames[position] = (9999, garp())
    assert ends.sender.send_many(frames) == [(position, errno.ENXIO) for position in bad]
    assert len(ends.heard()) == 200 - len(bad)


def test_a_link_that_is_down_refuses(ends: Ends) -> None:
    ends.left.ip("link set eth0 down")
    assert ends.send(garp()) == [(0, errno.ENETDOWN)]
    assert ends.sender.send_many([]) == []


def test_frames_of_any_content_and_size(ends: Ends) -> None:
    """A zero byte does not end a frame, and a longer one leaves nothing behind for a shorter one."""
    long = garp() + bytes(range(256)) * 5
    assert ends.send(long, garp()) == []
    assert [frame for _, frame in ends.heard()] == [long, garp()]


def test_listening_to_no_interface_is_an_error(ends: Ends) -> None:
    with pytest.raises(OSError) as raised:
        ends.right.run(lambda: AnnouncementListener("none"))
    assert raised.value.errno == errno.ENODEV


def test_the_listener_says_that_its_interface_went_down(ends: Ends) -> None:
    ends.right.ip("link set eth0 down")
    ends.lab.readable(ends.listener)
    with pytest.raises(OSError) as raised:
        while ends.listener.receive():
            pass
    assert raised.value.errno == errno.ENETDOWN
