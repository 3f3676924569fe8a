from __future__ import annotations

import errno
import socket
import struct
import time
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest

from hakeep.kernel import bpf, mmsg, vrrp_socket
from hakeep.kernel.vrrp_socket import AdvertReader, open_receive, open_send, send
from hakeep.objects.rtnl import IPAddress
from hakeep.vrrp.messages import Received

pytestmark = pytest.mark.netns

GROUP4 = IPv4Address("224.0.0.18")
GROUP6 = IPv6Address("ff02::12")
A4, B4 = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")
A6, B6 = IPv6Address("fe80::a"), IPv6Address("fe80::b")
AH = bytes([112, 4]) + bytes(22)


def ip4(destination: IPv4Address, payload: bytes, *, protocol: int = 112, ttl: int = 255, ident: int = 1) -> bytes:
    length = 20 + len(payload)
    header = struct.pack("!BBHHHBBH4s", 0x45, 0xC0, length, ident, 0, ttl, protocol, 0, A4.packed)
    return header + destination.packed + payload


def advert(vrid: int, *, checksum: int = 0) -> bytes:
    return struct.pack("!BBBBHH", 0x31, vrid, 100, 0, 100, checksum)


READER = AdvertReader()


def receive(sock: socket.socket, link: str) -> Received | None:
    """The next advert, when it is the only one."""
    found = READER.read(sock, link)
    assert len(found) <= 1
    return found[0] if found else None


class Wire:
    """A sender in one namespace, receivers in the other."""

    def __init__(self, lab: Any) -> None:
        self.lab = lab
        self.left, self.right = lab.pair(f"{A4}/24 {A6}/64", f"{B4}/24 {B6}/64")

    def sender(self, family: int, protocol: int = 112, **options: Any) -> socket.socket:
        return self.lab.keep(self.left.run(lambda: open_send(family, protocol, **options)))

    def receiver(self, family: int, protocol: int = 112, **options: Any) -> socket.socket:
        return self.lab.keep(self.right.run(lambda: open_receive(family, protocol, **options)))

    def next(self, sock: socket.socket) -> Received:
        assert self.lab.readable(sock)
        got = receive(sock, "eth0")
        assert got is not None
        return got


@pytest.fixture
def wire(lab: Any) -> Wire:
    return Wire(lab)


def test_multicast_over_ipv4(wire: Wire) -> None:
    receiver = wire.receiver(socket.AF_INET, interface="eth0", group=GROUP4)
    sender = wire.sender(socket.AF_INET, interface="eth0")
    assert receive(receiver, "eth0") is None
    before, wall_before = time.monotonic(), time.time()
    send(sender, GROUP4, ip4(GROUP4, advert(7), ident=77))
    got = wire.next(receiver)
    assert (got.link, got.source, got.destination, got.hop_limit) == ("eth0", A4.packed, GROUP4.packed, 255)
    assert got.data[20:] == advert(7)
    assert got.data[1] == 0xC0 and got.data[4:6] == (77).to_bytes(2) and got.data[6:8] == bytes(2)
    assert before <= got.at <= time.monotonic() and wall_before <= got.wall <= time.time()
    assert receive(receiver, "eth0") is None


def test_multicast_over_ipv6(wire: Wire) -> None:
    receiver = wire.receiver(socket.AF_INET6, interface="eth0", group=GROUP6)
    sender = wire.sender(socket.AF_INET6, interface="eth0", source=A6)
    before = time.monotonic()
    send(sender, GROUP6, advert(7))
    got = wire.next(receiver)
    assert (got.source, got.destination, got.hop_limit) == (A6.packed, GROUP6.packed, 255)
    assert got.data[:6] == advert(7)[:6]
    pseudo = A6.packed + GROUP6.packed + struct.pack("!IxxxB", 8, 112)
    assert ones_complement_sum(pseudo + got.data) == 0xFFFF
    assert before <= got.at <= time.monotonic()


def ones_complement_sum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def test_the_source_is_the_one_that_was_chosen(wire: Wire) -> None:
    wire.lab.add_ipv6(wire.left, "fe80::c")
    receiver = wire.receiver(socket.AF_INET6, interface="eth0", group=GROUP6)
    for source in (IPv6Address("fe80::c"), A6):
        send(wire.sender(socket.AF_INET6, interface="eth0", source=source), GROUP6, advert(7))
        assert wire.next(receiver).source == source.packed


def test_traffic_class_and_hop_limit_on_the_wire(wire: Wire) -> None:
    tap = wire.lab.keep(wire.right.run(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86DD))))
    send(wire.sender(socket.AF_INET6, interface="eth0", source=A6), GROUP6, advert(7))
    send(wire.sender(socket.AF_INET6, interface="eth0", source=A6, multicast=False, hop_limit=9), B6, advert(8))
    seen: dict[int, bytes] = {}
    while len(seen) < 2:
        assert wire.lab.readable(tap)
        frame = tap.recv(2048)
        if frame[20] == 112:
            seen[frame[55]] = frame
    assert seen[7][:6] == bytes.fromhex("333300000012")
    assert [(f[14] & 15) << 4 | f[15] >> 4 for f in seen.values()] == [0xC0, 0xC0]
    assert (seen[7][21], seen[8][21]) == (255, 9)


@pytest.mark.parametrize("interface", ["eth0", None])
def test_unicast_over_ipv4(wire: Wire, interface: str | None) -> None:
    receiver = wire.receiver(socket.AF_INET, interface=interface, source=B4)
    sender = wire.sender(socket.AF_INET, interface=interface, source=A4, multicast=False)
    send(sender, B4, ip4(B4, advert(7)))
    got = wire.next(receiver)
    assert (got.source, got.destination, got.data[20:]) == (A4.packed, B4.packed, advert(7))


@pytest.mark.parametrize(("left", "right", "interface"), [
    ("fe80::a", "fe80::b", "eth0"),
    ("2001:db8::a", "2001:db8::b", "eth0"),
    ("2001:db8::a", "2001:db8::b", None),
])
def test_unicast_over_ipv6(wire: Wire, left: str, right: str, interface: str | None) -> None:
    for namespace, address in ((wire.left, left), (wire.right, right)):
        if address.startswith("2001"):
            wire.lab.add_ipv6(namespace, address)
    source, destination = IPv6Address(left), IPv6Address(right)
    receiver = wire.receiver(socket.AF_INET6, interface=interface, source=destination)
    sender = wire.sender(socket.AF_INET6, interface=interface, source=source, multicast=False)
    send(sender, destination, advert(7))
    got = wire.next(receiver)
    assert (got.source, got.destination, got.hop_limit) == (source.packed, destination.packed, 255)


@pytest.mark.parametrize("address", [IPv4Address("10.0.0.77"), IPv6Address("2001:db8::77")])
def test_a_source_may_come_later(wire: Wire, address: IPAddress) -> None:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    receiver = wire.receiver(family, interface="eth0", source=address)
    if family == socket.AF_INET:
        wire.right.ip(f"addr add {address}/24 dev eth0")
    else:
        wire.lab.add_ipv6(wire.right, str(address))
        wire.lab.add_ipv6(wire.left, "2001:db8::a")
    data = ip4(address, advert(7)) if isinstance(address, IPv4Address) else advert(7)
    send(wire.sender(family, interface="eth0", multicast=False), address, data)
    assert wire.next(receiver).destination == address.packed


def test_ah_is_a_protocol_of_its_own(wire: Wire) -> None:
    receiver = wire.receiver(socket.AF_INET, 51, interface="eth0", group=GROUP4, vrids=[7])
    plain = wire.receiver(socket.AF_INET, 112, interface="eth0", group=GROUP4)
    sender = wire.sender(socket.AF_INET, 51, interface="eth0")
    for vrid in (8, 7):
        send(sender, GROUP4, ip4(GROUP4, AH + advert(vrid), protocol=51))
    assert wire.next(receiver).data[20:] == AH + advert(7)
    assert receive(receiver, "eth0") is None
    assert receive(plain, "eth0") is None


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_unknown_vrids_never_reach_user_space(wire: Wire, family: int) -> None:
    group = GROUP4 if family == socket.AF_INET else GROUP6
    receiver = wire.receiver(family, interface="eth0", group=group, vrids=[7, 200])
    sender = wire.sender(family, interface="eth0", source=A6 if family == socket.AF_INET6 else A4)

    def say(*vrids: int) -> None:
        for vrid in vrids:
            send(sender, group, ip4(GROUP4, advert(vrid)) if family == socket.AF_INET else advert(vrid))

    def heard() -> list[int]:
        return [got.data[-7] for got in READER.read(receiver, "eth0")]

    say(*range(1, 256))
    assert heard() == [7, 200]
    bpf.attach(receiver, bpf.vrids([9], family))  # as a reload does
    say(7, 9)
    assert heard() == [9]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_flood_with_a_wrong_hop_limit_is_dropped(wire: Wire, family: int) -> None:
    group = GROUP4 if family == socket.AF_INET else GROUP6
    receiver = wire.receiver(family, interface="eth0", group=group)
    bpf.attach(receiver, bpf.flood([7], family))
    for hop_limit in (255, 254):
        sender = wire.sender(family, interface="eth0", hop_limit=hop_limit)
        send(sender, group, ip4(GROUP4, advert(7), ttl=hop_limit) if family == socket.AF_INET else advert(7))
    assert wire.next(receiver).hop_limit == 255
    assert receive(receiver, "eth0") is None


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_every_interface_has_its_own_ear(wire: Wire, family: int) -> None:
    wire.left.ip(f"link add eth1 type veth peer name eth1 netns {wire.right.name}")
    for namespace, number in ((wire.left, 1), (wire.right, 2)):
        namespace.ip(f"addr add 10.0.1.{number}/24 dev eth1")
        namespace.ip("link set eth1 up")
    wire.lab.eventually(lambda: wire.left.is_ready("eth1") and wire.right.is_ready("eth1"))
    group = GROUP4 if family == socket.AF_INET else GROUP6
    ears = {name: wire.receiver(family, interface=name, group=group) for name in ("eth0", "eth1")}
    for vrid, name in ((1, "eth0"), (2, "eth1")):
        data = ip4(GROUP4, advert(vrid)) if family == socket.AF_INET else advert(vrid)
        send(wire.sender(family, interface=name), group, data)
    assert [wire.next(ears[name]).data[-7] for name in ("eth0", "eth1")] == [1, 2]
    assert [receive(ear, "") for ear in ears.values()] == [None, None]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_we_do_not_hear_ourselves(wire: Wire, family: int) -> None:
    group = GROUP4 if family == socket.AF_INET else GROUP6
    own_ear = wire.lab.keep(wire.left.run(lambda: open_receive(family, 112, interface="eth0", group=group)))
    ear = wire.receiver(family, interface="eth0", group=group)
    sender = wire.sender(family, interface="eth0")
    send(sender, group, ip4(GROUP4, advert(7)) if family == socket.AF_INET else advert(7))
    wire.next(ear)
    assert receive(own_ear, "eth0") is None


def test_multicast_never_follows_a_gateway(wire: Wire) -> None:
    wire.left.ip("route add 239.0.0.0/8 via 10.0.0.254")
    group = IPv4Address("239.1.1.1")
    receiver = wire.receiver(socket.AF_INET, interface="eth0", group=group)
    send(wire.sender(socket.AF_INET, interface="eth0"), group, ip4(group, advert(7)))
    assert wire.next(receiver).destination == group.packed


def test_a_socket_is_deaf_until_it_is_bound(wire: Wire) -> None:
    unbound = wire.lab.keep(wire.right.run(lambda: vrrp_socket._raw_socket(socket.AF_INET, 112, None)))
    bound = wire.receiver(socket.AF_INET, interface="eth0", group=GROUP4)
    send(wire.sender(socket.AF_INET, interface="eth0"), GROUP4, ip4(GROUP4, advert(7)))
    wire.next(bound)
    assert receive(unbound, "") is None


def test_the_sending_socket_is_deaf(wire: Wire) -> None:
    deaf = wire.lab.keep(wire.right.run(lambda: open_send(socket.AF_INET, 112, interface="eth0")))
    receiver = wire.receiver(socket.AF_INET, interface="eth0", group=GROUP4)
    send(wire.sender(socket.AF_INET, interface="eth0"), GROUP4, ip4(GROUP4, advert(7)))
    wire.next(receiver)
    with pytest.raises(BlockingIOError):
        deaf.recv(100)


def test_a_bad_ipv6_checksum_never_arrives(wire: Wire) -> None:
    receiver = wire.receiver(socket.AF_INET6, interface="eth0", group=GROUP6)

    def broken() -> socket.socket:  # without IPV6_CHECKSUM nobody fills the field in
        sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 112)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("eth0"))
        return sock

    sock = wire.lab.keep(wire.left.run(broken))
    sock.sendto(advert(7, checksum=1), (str(GROUP6), 0))
    send(wire.sender(socket.AF_INET6, interface="eth0"), GROUP6, advert(8))
    assert wire.next(receiver).data[1] == 8


def test_the_receive_stamp_is_the_kernels(wire: Wire) -> None:
    """A packet that waits to be read says when it came, not when it was read.

    The kernel starts stamping a moment after the first socket has asked for it.
    """
    receiver = wire.receiver(socket.AF_INET, interface="eth0", group=GROUP4)
    sender = wire.sender(socket.AF_INET, interface="eth0")

    def is_stamped_on_arrival() -> bool:
        send(sender, GROUP4, ip4(GROUP4, advert(7)))
        sent = time.monotonic()
        while time.monotonic() < sent + 0.1:
            pass
        return abs(wire.next(receiver).at - sent) < 0.05

    wire.lab.eventually(is_stamped_on_arrival)


def test_a_clock_that_was_set_back_makes_no_packet_from_the_future(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = wire.receiver(socket.AF_INET, interface="eth0", group=GROUP4)
    send(wire.sender(socket.AF_INET, interface="eth0"), GROUP4, ip4(GROUP4, advert(7)))
    monkeypatch.setattr(vrrp_socket, "clock_gettime", lambda _: time.time() - 3600)
    assert wire.next(receiver).at <= time.monotonic()


def test_what_cannot_be_opened_says_why(wire: Wire) -> None:
    for family in (socket.AF_INET, socket.AF_INET6):
        with pytest.raises(OSError) as raised:
            wire.receiver(family, interface="none", group=GROUP4)
        assert raised.value.errno == errno.ENODEV
        with pytest.raises(OSError) as raised:
            wire.sender(family, interface="none")
        assert raised.value.errno == errno.ENODEV


def test_what_cannot_be_sent_says_why(wire: Wire) -> None:
    sender = wire.sender(socket.AF_INET, interface="eth0")
    wire.left.ip("link set eth0 down")
    with pytest.raises(OSError) as raised:
        send(sender, GROUP4, ip4(GROUP4, advert(7)))
    assert raised.value.errno in (errno.ENETDOWN, errno.ENETUNREACH)


def test_the_buffer_has_the_size_asked_for(wire: Wire) -> None:
    receiver = wire.receiver(socket.AF_INET, interface="eth0", group=GROUP4, rcvbuf=8 << 20)
    assert receiver.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 16 << 20  # the kernel doubles it


@pytest.mark.parametrize("text", ["224.0.0.99", "ff02::99"])
def test_groups_can_be_others(wire: Wire, text: str) -> None:
    group = ip_address(text)
    family = socket.AF_INET if group.version == 4 else socket.AF_INET6
    receiver = wire.receiver(family, interface="eth0", group=group)
    data = ip4(group, advert(7)) if isinstance(group, IPv4Address) else advert(7)
    send(wire.sender(family, interface="eth0"), group, data)
    assert wire.next(receiver).destination == group.packed


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_burst_is_read_at_once_and_in_order(wire: Wire, family: int) -> None:
    group = GROUP4 if family == socket.AF_INET else GROUP6
    receiver = wire.receiver(family, interface="eth0", group=group)
    source = A4 if family == socket.AF_INET else A6
    senders = [wire.sender(family, interface="eth0", source=source) for _ in range(2)]
    for vrid in range(1, 101):
        data = ip4(GROUP4, advert(vrid)) if family == socket.AF_INET else advert(vrid)
        send(senders[vrid % 2], group, data)
    bursts = [READER.read(receiver, "eth0") for _ in range(3)]
    assert [len(burst) for burst in bursts] == [64, 36, 0]
    heard = [got for burst in bursts for got in burst]
    assert [got.data[-7] for got in heard] == list(range(1, 101))
    assert {(got.source, got.destination, got.hop_limit) for got in heard} == {(source.packed, group.packed, 255)}
    assert [got.at for got in heard] == sorted(got.at for got in heard)


def test_what_is_longer_than_any_advert_is_cut_off(wire: Wire) -> None:
    """It is refused for its length then, as it would be whole."""
    receiver = wire.receiver(socket.AF_INET, interface="eth0", group=GROUP4)
    sender = wire.sender(socket.AF_INET, interface="eth0")
    for rest in (1000, 1400):
        send(sender, GROUP4, ip4(GROUP4, advert(7) + bytes(rest)))
    assert [len(got.data) for got in READER.read(receiver, "eth0")] == [1028, 1428]
    long = AdvertReader()
    long._ipv4 = mmsg.Reader(100, 64)
    send(sender, GROUP4, ip4(GROUP4, advert(7) + bytes(1000)))
    ((_, data, source, destination, *_),) = long.read(receiver, "eth0")
    assert (len(data), source, destination) == (100, A4.packed, GROUP4.packed)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_packet_without_a_stamp_came_just_now(wire: Wire, family: int) -> None:
    group = GROUP4 if family == socket.AF_INET else GROUP6
    receiver = wire.receiver(family, interface="eth0", group=group)
    receiver.setsockopt(socket.SOL_SOCKET, vrrp_socket.SO_TIMESTAMPNS, 0)
    data = ip4(GROUP4, advert(7)) if family == socket.AF_INET else advert(7)
    send(wire.sender(family, interface="eth0"), group, data)
    before, wall_before = time.monotonic(), time.time()
    got = wire.next(receiver)
    assert before <= got.at <= time.monotonic() and wall_before <= got.wall <= time.time()
    assert (got.destination, got.hop_limit) == (group.packed, 255)
