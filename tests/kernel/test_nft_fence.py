"""The fence in the kernel: two namespaces and a wire. What the peer can reach, and until when."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import select
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest

from hakeep.kernel.nft import Nft
from hakeep.objects.filter import Device, Fence, FencedRouter, Filter, NoAccept, Sender, VmacReports, to_script

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and iproute2"),
]

COUNT = itertools.count()
LIBC = ctypes.CDLL(None, use_errno=True)
ETH_P_ALL, ETH_P_IP, ETH_P_ARP, ETH_P_IPV6 = 3, 0x0800, 0x0806, 0x86DD
SO_TIMESTAMPNS = 35
CLOCK_MONOTONIC_COARSE = 6

#: The kernel counts in jiffies of at most 10 ms and may close up to two early, never late.
EARLY, LATE = 0.020, 0.005


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """This thread works in the namespace; sockets made here stay there."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        assert LIBC.setns(there, 0x40000000) == 0
        yield
    finally:
        assert LIBC.setns(home, 0x40000000) == 0
        os.close(there)
        os.close(home)


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def advert(version: int, vrid: int, priority: int) -> bytes:
    return struct.pack("!BBBBBBH4s", version << 4 | 1, vrid, priority, 1, 0, 30, 0, bytes(4))


class Wire:
    """`node` has eth0 (10.7.0.1, fd00::1 and a fixed MAC) and eth1, `peer` holds their other ends."""

    MAC = bytes.fromhex("02aa00000001")
    PEER_MAC = bytes.fromhex("02aa00000002")

    def __init__(self) -> None:
        number = next(COUNT)
        self.node, self.peer = (f"hkf{os.getpid()}-{number}{side}" for side in "np")
        for name in (self.node, self.peer):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        for port in ("eth0", "eth1"):
            ip("-n", self.node, "link", "add", port, "type", "veth", "peer", "name", port, "netns", self.peer)
        ip("-n", self.node, "link", "set", "eth0", "address", self.MAC.hex(":"))
        ip("-n", self.peer, "link", "set", "eth0", "address", self.PEER_MAC.hex(":"))
        for name, port in itertools.product((self.node, self.peer), ("eth0", "eth1")):
            for path in ("ipv6/conf/{}/accept_dad", "ipv6/conf/{}/router_solicitations", "ipv4/conf/{}/rp_filter"):
                self.write(name, path.format(port), "0")
            ip("-n", name, "link", "set", port, "up")
        self.add("10.7.0.1/24", "eth0")
        self.add("fd00::1/64", "eth0")
        for address in ("10.7.0.2", "fd00::2"):  # so that an answer needs no ARP
            ip("-n", self.node, "neigh", "add", address, "lladdr", self.PEER_MAC.hex(":"), "dev", "eth0")
        with inside(self.node):
            self.nft = Nft()
            self.nft.run("list tables")  # opens its socket here
        self.have: Filter | None = None

    def add(self, address: str, device: str) -> None:
        nodad = ["nodad"] if ":" in address else []
        ip("-n", self.node, "address", "add", address, "dev", device, *nodad)

    def add_vmac(self) -> None:
        """vrrp.51 on eth0, down."""
        kind = ("address", "00:00:5e:00:01:33", "type", "macvlan", "mode", "private")
        ip("-n", self.node, "link", "add", "link", "eth0", "name", "vrrp.51", *kind)

    def write(self, namespace: str, path: str, value: str) -> None:
        with inside(namespace):
            Path(f"/proc/sys/net/{path}").write_text(value)

    def device(self, name: str) -> Device:
        with inside(self.node):
            return Device(name, socket.if_nametoindex(name))

    def want(self, wanted: Filter) -> None:
        with inside(self.node):
            self.nft.run(to_script(self.have, wanted))
        self.have = wanted

    def sender(self, protocol: int, source: str, device: str = "eth0") -> socket.socket:
        """A raw socket as the daemon has it, for adverts."""
        six = ":" in source
        with inside(self.node):
            sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, protocol)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
            if six:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
                index = socket.if_nametoindex(device)
                sock.bind((source, 0, 0, index if source.startswith("fe80") else 0))
            else:
                sock.setsockopt(socket.IPPROTO_IP, 15, 1)  # IP_FREEBIND
                sock.bind((source, 0))
            return sock

    def close(self) -> None:
        self.nft.close()
        for name in (self.node, self.peer):
            subprocess.run(["ip", "netns", "del", name], check=False)


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    try:
        yield made
    finally:
        made.close()


class Asker:
    """Asks for one address from the peer's side, again and again, and keeps when it asked and when it was answered."""

    def __init__(self, wire: Wire, question: bytes, is_answer: Callable[[bytes], bool], device: str = "eth0") -> None:
        self.question, self.is_answer = question, is_answer
        with inside(wire.peer):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.socket.bind((device, ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 1 << 22)  # SO_RCVBUFFORCE
        self.asked: list[float] = []
        self.answered: list[float] = []
        self.behind = 0.0
        """How far the kernel's ticks, by which it counts timeouts, were behind its clock at worst: a virtual processor
        that the machine below did not run for some time makes no ticks."""

    def ask(self) -> None:
        self.behind = max(self.behind, time.monotonic() - time.clock_gettime(CLOCK_MONOTONIC_COARSE))
        self.asked.append(time.time())
        self.socket.send(self.question)

    def read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                data, extra, _, _ = self.socket.recvmsg(2048, 64, socket.MSG_DONTWAIT)
                if self.is_answer(data):
                    seconds, nanoseconds = struct.unpack("qq", extra[0][2])
                    self.answered.append(seconds + nanoseconds / 1e9)

    def ask_until(self, end: float) -> None:
        while time.time() < end:
            self.ask()
            select.select([], [], [], 0.001)
            self.read()  # at once: a packet that the kernel has not stamped yet is stamped when it is read
        select.select([], [], [], 0.02)
        self.read()

    def answers(self, tries: int = 10) -> int:
        """How many of some questions are answered; waits a little for each."""
        got = 0
        for _ in range(tries):
            self.read()  # late answers to somebody else's questions
            before = len(self.answered)
            self.ask()
            deadline = time.time() + 0.05
            while len(self.answered) == before and time.time() < deadline:
                select.select([self.socket], [], [], 0.005)
                self.read()
            got += len(self.answered) > before
        return got

    def close(self) -> None:
        self.socket.close()


def arp(wire: Wire, target: str, device: str = "eth0") -> Asker:
    packed, own = IPv4Address(target).packed, IPv4Address("10.7.0.2").packed
    body = struct.pack("!HHBBH", 1, ETH_P_IP, 6, 4, 1) + wire.PEER_MAC + own + bytes(6) + packed
    frame = b"\xff" * 6 + wire.PEER_MAC + struct.pack("!H", ETH_P_ARP) + body
    return Asker(
        wire, frame,
        lambda data: data[12:14] == b"\x08\x06" and data[20:22] == b"\0\2" and data[28:32] == packed, device,
    )


def ping(wire: Wire, target: str, mac: bytes = Wire.MAC, device: str = "eth0") -> Asker:
    packed, own = IPv4Address(target).packed, IPv4Address("10.7.0.2").packed
    echo = struct.pack("!BBHHH", 8, 0, 0, 1, 1)
    echo = echo[:2] + struct.pack("!H", checksum(echo)) + echo[4:]
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(echo), 1, 0, 64, 1, 0, own, packed)
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    frame = mac + wire.PEER_MAC + struct.pack("!H", ETH_P_IP) + header + echo
    return Asker(
        wire, frame, lambda data: data[12:14] == b"\x08\0" and data[23] == 1 and data[26:30] == packed and not data[34],
        device,
    )


def icmp6(wire: Wire, source: str, destination: str, to: bytes, body: bytes) -> bytes:
    addresses = IPv6Address(source).packed + IPv6Address(destination).packed
    pseudo = addresses + struct.pack("!II", len(body), 58)
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    header = struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + addresses
    return to + wire.PEER_MAC + struct.pack("!H", ETH_P_IPV6) + header + body


def solicit(wire: Wire, target: str) -> Asker:
    packed = IPv6Address(target).packed
    group = IPv6Address(b"\xff\2" + bytes(9) + b"\1\xff" + packed[13:])
    body = struct.pack("!BBHI", 135, 0, 0, 0) + packed + b"\1\1" + wire.PEER_MAC
    frame = icmp6(wire, "fd00::2", str(group), b"\x33\x33\xff" + packed[13:], body)
    return Asker(wire, frame, lambda data: data[12:14] == b"\x86\xdd" and data[54] == 136 and data[62:78] == packed)


def ping6(wire: Wire, target: str) -> Asker:
    packed = IPv6Address(target).packed
    frame = icmp6(wire, "fd00::2", target, wire.MAC, struct.pack("!BBHHH", 128, 0, 0, 1, 1))
    return Asker(wire, frame, lambda data: data[12:14] == b"\x86\xdd" and data[54] == 129 and data[22:38] == packed)


def fenced(
    wire: Wire, *vips: str, source: str = "10.7.0.1", vrid: int = 51, timeout: float = 0.3, number: int = 1,
    advert_device: str = "eth0", device: str = "eth0",
) -> Filter:
    router = FencedRouter(
        number, "VI_1", timeout, Sender(advert_device, ip_address(source), vrid),
        tuple((device, ip_address(vip)) for vip in vips),
    )
    hooked = tuple(wire.device(name) for name in sorted({advert_device, device}))
    return Filter(counters=True, fence=Fence((router,), hooked, hooked))


def fire(sender: socket.socket, datagram: bytes, to: str, seconds: float, every: float = 0.1) -> float:
    """Send adverts for so long; when the last one had certainly left."""
    end = time.time() + seconds
    while True:
        sender.sendto(datagram, (to, 0))
        last = time.time()
        if last + every > end:
            return last
        time.sleep(every)


ADVERTS = {
    "multicast": (112, "10.7.0.1", "224.0.0.18", advert(2, 51, 100)),
    "unicast": (112, "10.7.0.1", "10.7.0.2", advert(3, 51, 1)),
    "AH": (51, "10.7.0.1", "224.0.0.18", struct.pack("!BBHII12s", 112, 4, 0, 1, 1, bytes(12)) + advert(2, 51, 100)),
    "IPv6": (112, "fd00::1", "ff02::12", advert(3, 51, 254)),
    "IPv6 unicast": (112, "fd00::1", "fd00::2", advert(3, 51, 254)),
}


@pytest.mark.parametrize("form", ADVERTS)
@pytest.mark.parametrize("question", [arp, ping, solicit, ping6])
def test_falls_silent_in_time(wire: Wire, form: str, question: Callable[[Wire, str], Asker]) -> None:
    protocol, source, to, datagram = ADVERTS[form]
    vip = "fd00::100" if "6" in question.__name__ or question is solicit else "10.7.0.100"
    wire.add(f"{vip}/{128 if ':' in vip else 32}", "eth0")
    wire.want(fenced(wire, vip, source=source))
    asker = question(wire, vip)
    sender = wire.sender(protocol, source)
    left = []
    thread = threading.Thread(target=lambda: left.append(fire(sender, datagram, to, 0.6)))
    began = time.time()
    thread.start()
    asker.ask_until(began + 1.2)
    thread.join()
    last = left[0]
    open_questions = [at for at in asker.asked if at < last + 0.3 - EARLY - 0.005]
    assert [at for at in asker.asked if at > last + 0.3 + LATE], "asked after the fence closed"
    assert len(asker.answered) >= len(open_questions) > 100, "all are answered while adverts leave"
    assert max(asker.answered) < last + 0.3 + LATE + asker.behind
    # and it opens again with the next advert
    assert asker.answers(3) == 0
    sender.sendto(datagram, (to, 0))
    assert asker.answers(3) == 3
    sender.close()
    asker.close()


@pytest.mark.parametrize("form", ADVERTS)
def test_only_our_adverts_of_a_living_priority_count(wire: Wire, form: str) -> None:
    protocol, source, to, datagram = ADVERTS[form]
    wire.add("10.7.0.100/32", "eth0")
    wire.add("10.7.0.3/24", "eth0")
    wire.add("fd00::3/64", "eth0")
    wire.want(fenced(wire, "10.7.0.100", source=source, timeout=0.1))
    asker = arp(wire, "10.7.0.100")
    sender = wire.sender(protocol, source)
    stranger = wire.sender(protocol, "fd00::3" if ":" in source else "10.7.0.3")
    at = len(datagram) - len(advert(3, 51, 1))
    resign = datagram[: at + 2] + b"\0" + datagram[at + 3 :]
    other_router = datagram[: at + 1] + b"\x34" + datagram[at + 2 :]
    deadline = time.time() + 5
    while asker.answers(1):
        assert time.time() < deadline, "the first timeout ends without any advert"
    for _ in range(5):
        sender.sendto(resign, (to, 0))
        sender.sendto(other_router, (to, 0))
        stranger.sendto(datagram, (to, 0))
        assert asker.answers(1) == 0
    sender.sendto(datagram, (to, 0))
    assert asker.answers(1) == 1
    for open_socket in (sender, stranger, asker):
        open_socket.close()


def closed(wire: Wire, *vips: str, **more: object) -> Filter:
    """A fence whose first timeout has run out."""
    wanted = fenced(wire, *vips, timeout=0.02, **more)  # type: ignore[arg-type]
    wire.want(wanted)
    deadline = time.time() + 5
    while "expires" in wire.nft.read(f"list set netdev {wanted.table} alive"):
        assert time.time() < deadline
        time.sleep(0.005)
    return wanted


def test_other_addresses_are_never_affected(wire: Wire) -> None:
    wire.add("10.7.0.100/32", "eth0")
    wire.add("10.7.0.101/32", "eth0")
    wire.add("fd00::100/128", "eth0")
    closed(wire, "10.7.0.100", "fd00::100")
    four, six = "10.7.0.100", "fd00::100"
    for silent in (arp(wire, four), ping(wire, four), solicit(wire, six), ping6(wire, six)):
        assert silent.answers(3) == 0
    for target in ("10.7.0.1", "10.7.0.101"):
        assert arp(wire, target).answers() == 10
        assert ping(wire, target).answers() == 10
    assert solicit(wire, "fd00::1").answers() == 10
    assert ping6(wire, "fd00::1").answers() == 10


def test_a_backup_that_has_the_address_on_lo_answers(wire: Wire) -> None:
    """A real server of a service that is switched by direct routing."""
    wire.add("10.7.0.100/32", "lo")
    wanted = closed(wire, "10.7.0.100")
    asker = ping(wire, "10.7.0.100")
    assert asker.answers(3) == 0
    (router,) = wanted.fence.routers
    wire.want(replace(wanted, fence=replace(wanted.fence, routers=(replace(router, vips=()),))))
    assert asker.answers(3) == 3


def test_taking_over_starts_alive(wire: Wire) -> None:
    wire.add("10.7.0.100/32", "eth0")
    idle = fenced(wire, timeout=5)
    (router,) = idle.fence.routers
    wire.want(idle)
    holder = replace(router, vips=(("eth0", IPv4Address("10.7.0.100")),))
    holding = replace(idle, fence=replace(idle.fence, routers=(holder,)))
    wire.want(holding)
    assert arp(wire, "10.7.0.100").answers(3) == 3
    for _ in range(3):  # with the old element still there
        wire.want(idle)
        wire.want(holding)
    assert arp(wire, "10.7.0.100").answers(3) == 3


def test_a_closed_router_does_not_speak_for_its_address(wire: Wire) -> None:
    """The kernel's own ARP and ND from a VIP would bring the neighbours back to a frozen node."""
    wire.add("10.7.0.100/24", "eth0")
    wire.add("fd00::100/64", "eth0")
    closed(wire, "10.7.0.100", "fd00::100")
    with inside(wire.peer):
        ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        ear.bind(("eth0", ETH_P_ALL))
    with inside(wire.node):
        for source, unknown in (
            ("10.7.0.100", "10.7.0.200"), ("fd00::100", "fd00::200"),
            ("10.7.0.1", "10.7.0.201"), ("fd00::1", "fd00::201"),
        ):
            with socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind((source, 0))
                sock.sendto(b"x", (unknown, 9))
    heard = set()
    deadline = time.time() + 5
    while not {"10.7.0.201", "fd00::201"} <= heard:
        assert select.select([ear], [], [], deadline - time.time())[0], f"only heard of {heard}"
        frame = ear.recv(2048)
        if frame[12:14] == b"\x08\x06":
            heard.add(str(IPv4Address(frame[38:42])))
        elif frame[12:14] == b"\x86\xdd" and frame[54] == 135:
            heard.add(str(IPv6Address(frame[62:78])))
    assert not heard & {"10.7.0.200", "fd00::200"}
    ear.close()


@pytest.mark.parametrize("adverts_from", ["vrrp.51", "eth0"])
def test_vmac(wire: Wire, adverts_from: str) -> None:
    """Only the base is hooked: what a VMAC receives passes there, and what it (or, vmac_xmit_base, its base) sends."""
    wire.add_vmac()
    ip("-n", wire.node, "link", "set", "vrrp.51", "up")
    wire.add("10.7.0.100/32", "vrrp.51")
    wire.write(wire.node, "ipv4/conf/all/rp_filter", "0")
    wire.write(wire.node, "ipv4/conf/vrrp.51/rp_filter", "0")
    mac = bytes.fromhex("00005e000133")
    askers = arp(wire, "10.7.0.100"), ping(wire, "10.7.0.100", mac), ping(wire, "10.7.0.100")
    assert [asker.answers(3) for asker in askers] == [3, 3, 3]
    closed(wire, "10.7.0.100")
    assert [asker.answers(3) for asker in askers] == [0, 0, 0]
    wire.want(fenced(wire, "10.7.0.100", timeout=0.5))
    sender = wire.sender(112, "10.7.0.1", adverts_from)
    asker = askers[0]
    deadline = time.time() + 5
    while asker.answers(1):
        assert time.time() < deadline
    sender.sendto(advert(2, 51, 100), ("224.0.0.18", 0))
    assert [asker.answers(1) for asker in askers] == [1, 1, 1]
    sender.close()


def test_address_on_another_device(wire: Wire) -> None:
    wire.add("10.7.0.100/32", "eth1")
    wire.add("10.7.0.101/32", "eth1")
    closed(wire, "10.7.0.100", device="eth1")
    assert arp(wire, "10.7.0.100", "eth1").answers(3) == 0
    assert arp(wire, "10.7.0.101", "eth1").answers(3) == 3
    wire.want(fenced(wire, "10.7.0.100", device="eth1", timeout=0.3))
    asker = arp(wire, "10.7.0.100", "eth1")
    deadline = time.time() + 5
    while asker.answers(1):
        assert time.time() < deadline
    sender = wire.sender(112, "10.7.0.1")
    sender.sendto(advert(2, 51, 100), ("224.0.0.18", 0))
    assert asker.answers(1) == 1


def test_the_table_is_replaced_without_a_gap(wire: Wire) -> None:
    """A reload that changes every chain, again and again, loses no packet to an open VIP."""
    wire.add("10.7.0.100/32", "eth0")
    wanted = fenced(wire, "10.7.0.100", timeout=60)
    wire.want(wanted)
    asker = ping(wire, "10.7.0.100")
    thread = threading.Thread(target=asker.ask_until, args=(time.time() + 1,))
    thread.start()
    turns = 0
    while thread.is_alive():
        turns += 1
        wire.want(replace(wanted, priority=turns % 2))
    assert turns > 5
    assert len(asker.answered) == len(asker.asked)


def test_a_device_that_comes_back_is_hooked_again(wire: Wire) -> None:
    wire.add("10.7.0.100/32", "eth0")
    first = closed(wire, "10.7.0.100")
    ip("-n", wire.node, "link", "del", "eth0")
    other_end = ("type", "veth", "peer", "name", "eth0", "netns", wire.peer)
    ip("-n", wire.node, "link", "add", "eth0", "index", "4711", *other_end)
    ip("-n", wire.node, "link", "set", "eth0", "address", wire.MAC.hex(":"))
    ip("-n", wire.node, "link", "set", "eth0", "up")
    ip("-n", wire.peer, "link", "set", "eth0", "up")
    wire.add("10.7.0.100/32", "eth0")
    again = closed(wire, "10.7.0.100")
    assert again.fence.ingress != first.fence.ingress
    assert arp(wire, "10.7.0.100").answers(3) == 0


def test_no_accept(wire: Wire) -> None:
    vips = ("10.7.0.100", "fd00::100", "fe80::100")
    for vip in vips:
        wire.add(f"{vip}/{128 if ':' in vip else 32}", "eth0")
    askers = [ping(wire, vips[0]), ping6(wire, vips[1]), ping6(wire, vips[2])]
    idle = Filter(no_accept=(NoAccept(1, 4), NoAccept(1, 6)))
    wire.want(idle)
    assert [asker.answers(2) for asker in askers] == [2, 2, 2]
    v4, *v6 = (("eth0", ip_address(vip)) for vip in vips)
    wire.want(replace(idle, no_accept=(NoAccept(1, 4, (v4,)), NoAccept(1, 6, tuple(v6)))))
    assert [asker.answers(2) for asker in askers] == [0, 0, 0]
    assert arp(wire, vips[0]).answers(2) == 2
    assert [solicit(wire, vip).answers(2) for vip in vips[1:]] == [2, 2], "neighbour discovery passes"
    assert [ping(wire, "10.7.0.1").answers(2), ping6(wire, "fd00::1").answers(2)] == [2, 2]
    with inside(wire.node), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((vips[0], 0))
        with pytest.raises(PermissionError):
            sock.sendto(b"x", ("10.7.0.2", 9))
    wire.want(idle)
    assert [asker.answers(2) for asker in askers] == [2, 2, 2]


def test_vmac_reports_leave_through_the_base(wire: Wire) -> None:
    wire.add_vmac()
    base = wire.device("eth0")
    wire.want(Filter(reports=(VmacReports("vrrp.51", base), VmacReports("vrrp.51", base, ipv6=True))))
    with inside(wire.peer):
        ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        ear.bind(("eth0", ETH_P_ALL))
    ip("-n", wire.node, "link", "set", "vrrp.51", "up")
    wire.add("10.7.0.9/24", "vrrp.51")
    wire.add("fe80::9/64", "vrrp.51")
    with inside(wire.node):
        index = socket.if_nametoindex("vrrp.51")
        four = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        group = socket.inet_aton("224.0.0.18") + bytes(4) + struct.pack("=i", index)
        four.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        group = IPv6Address("ff02::12").packed + struct.pack("=i", index)
        six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    wanted = {IPv4Address("224.0.0.18").packed, IPv6Address("ff02::12").packed}
    deadline = time.time() + 10
    while wanted:
        assert select.select([ear], [], [], max(0, deadline - time.time()))[0], f"no report of {wanted}"
        frame = ear.recv(2048)
        igmp = frame[12:14] == b"\x08\0" and frame[23] == 2
        mld = frame[12:14] == b"\x86\xdd" and frame[20] == 0
        if (igmp or mld) and frame[6:12] != wire.PEER_MAC:  # the ear hears its own host's too
            assert frame[6:12] == wire.MAC, "a report came from the virtual MAC"
            wanted -= {group for group in wanted if group in frame}
    for sock in (four, six, ear):
        sock.close()
