"""Raw sockets for adverts: IP protocol 112, or 51 where they travel inside AH.

There is one pair for each (family, protocol, interface, group or own address), whatever the number of virtual routers
behind it; the receiving side tells them apart by VRID, in the kernel (see `bpf`).

The receiving socket is deaf until it is bound: between the moment it is made and the moment it is bound, the kernel
would give it adverts of every interface. The sending socket is deaf for ever.

IPv4 packets are sent with a header of our own making, for the identification field is ours to count and the kernel
fills in the checksum only. IPv6 packets are sent from the VRRP header on, and the kernel does the rest, the VRRP
checksum included. In both directions: an IPv6 advert with a bad checksum never arrives here.
"""

from __future__ import annotations

import socket
from collections.abc import Collection
from ipaddress import IPv4Address
from struct import Struct
from time import CLOCK_REALTIME, clock_gettime, monotonic

from hakeep.kernel import bpf, mmsg
from hakeep.kernel.netlink import set_rcvbuf
from hakeep.objects.rtnl import IPAddress
from hakeep.vrrp.messages import Received

# Options that Python's socket module does not name, from <linux/in.h>, <linux/in6.h> and <asm-generic/socket.h>.
IP_FREEBIND = 15
IP_MULTICAST_ALL = 49
IPV6_FREEBIND = 78
IPV6_MULTICAST_ALL = 29
IPV6_HDR_CHECKSUM = 7  # IPV6_CHECKSUM
SO_TIMESTAMPNS = 35

#: Precedence 6, internetwork control, for IPv4's TOS and IPv6's traffic class.
TRAFFIC_CLASS = 0xC0
#: Where the checksum stands in a VRRP header.
CHECKSUM_OFFSET = 6

_MREQN = Struct("=4s4si")
_MREQ6 = Struct("=16si")
_TIMESPEC = Struct("@ll")
_INT = Struct("@i")
_PKTINFO6 = Struct("=16sI")
_SOCKADDR6 = Struct("=8x16s4x")
#: More than any advert: 255 IPv6 addresses make 4088 bytes, and over IPv4 there are headers and a trailer besides.
_ROOM = 4608
_ANCILLARY_ROOM = (
    socket.CMSG_SPACE(_TIMESPEC.size) + socket.CMSG_SPACE(_INT.size) + socket.CMSG_SPACE(_PKTINFO6.size)
)
#: How ancillary data begin that hold the receive stamp, which the kernel puts first, and where that stands.
_STAMPED = mmsg.CONTROL_HEADER.pack(socket.CMSG_LEN(_TIMESPEC.size), socket.SOL_SOCKET, SO_TIMESTAMPNS)
_STAMP_AT = socket.CMSG_LEN(0)


def open_receive(
    family: int,
    protocol: int,
    *,
    interface: str | None = None,
    group: IPAddress | None = None,
    source: IPAddress | None = None,
    rcvbuf: int = 0,
    vrids: Collection[int] | None = None,
) -> socket.socket:
    """A non-blocking socket for adverts to `group` on `interface`, or to our own address `source` (unicast).

    `family` is AF_INET or AF_INET6, `protocol` 112 or 51. `source` need not exist yet. `rcvbuf` is in bytes, 0 = the
    system's. With `vrids` only adverts of these are received. Raises OSError: EPERM, ENODEV, EADDRNOTAVAIL ...
    """
    sock = _raw_socket(family, protocol, interface)
    try:
        index = socket.if_nametoindex(interface) if interface else 0
        if family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_HDR_CHECKSUM, CHECKSUM_OFFSET)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        if rcvbuf:
            set_rcvbuf(sock, rcvbuf)
        if group is not None:
            _join(sock, group, index)
            _bind(sock, group, index)
        elif source is not None:
            _bind(sock, source, index)
        if vrids is None:
            bpf.detach(sock)
        else:
            bpf.attach(sock, bpf.vrids(vrids, family, protocol))
    except (OSError, ValueError):
        sock.close()
        raise
    return sock


def open_send(
    family: int,
    protocol: int,
    *,
    interface: str | None = None,
    source: IPAddress | None = None,
    multicast: bool = True,
    hop_limit: int | None = 255,
) -> socket.socket:
    """A non-blocking socket to `send` adverts with; it receives nothing.

    `source` is the sender's address; IPv4 packets carry it in their own header. `hop_limit` counts for IPv6 only:
    IPv4 has it in the header too; None leaves the system's for unicast. Raises OSError.
    """
    sock = _raw_socket(family, protocol, interface)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        index = socket.if_nametoindex(interface) if interface else 0
        if family == socket.AF_INET:
            ip = socket.IPPROTO_IP
            sock.setsockopt(ip, socket.IP_HDRINCL, 1)
            sock.setsockopt(ip, socket.IP_TOS, TRAFFIC_CLASS)
            if multicast:
                sock.setsockopt(ip, socket.IP_MULTICAST_LOOP, 0)
                sock.setsockopt(ip, socket.IP_MULTICAST_IF, _MREQN.pack(bytes(4), bytes(4), index))
            return sock
        ip = socket.IPPROTO_IPV6
        sock.setsockopt(ip, IPV6_HDR_CHECKSUM, CHECKSUM_OFFSET)
        sock.setsockopt(ip, socket.IPV6_TCLASS, TRAFFIC_CLASS)
        if multicast:
            sock.setsockopt(ip, socket.IPV6_MULTICAST_LOOP, 0)
            sock.setsockopt(ip, socket.IPV6_MULTICAST_IF, index)
            sock.setsockopt(ip, socket.IPV6_MULTICAST_HOPS, 255 if hop_limit is None else hop_limit)
        elif hop_limit is not None:
            sock.setsockopt(ip, socket.IPV6_UNICAST_HOPS, hop_limit)
        if source is not None:
            _bind(sock, source, index)
    except OSError:
        sock.close()
        raise
    return sock


def _raw_socket(family: int, protocol: int, interface: str | None) -> socket.socket:
    """A raw socket that lets nothing in yet."""
    sock = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
    try:
        bpf.attach(sock, bpf.DROP_ALL)
        if interface:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    except OSError:
        sock.close()
        raise
    return sock


def _join(sock: socket.socket, group: IPAddress, index: int) -> None:
    if isinstance(group, IPv4Address):
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, _MREQN.pack(group.packed, bytes(4), index))
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, _MREQ6.pack(group.packed, index))


def _bind(sock: socket.socket, address: IPAddress, index: int) -> None:
    """Bind, whether the address exists already or not."""
    if isinstance(address, IPv4Address):
        sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        sock.bind((str(address), 0))
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        sock.bind((str(address), 0, 0, index))


def send(sock: socket.socket, destination: IPAddress, data: bytes) -> None:
    """Send one advert, now. `data` starts with the IP header for IPv4 and with the VRRP header for IPv6.

    Multicast goes to the interface and no further, whatever the routes say. Raises OSError.
    """
    flags = socket.MSG_DONTROUTE if destination.is_multicast else 0
    sock.sendto(data, flags, (str(destination), 0))


class AdvertReader:
    """Reads adverts from any number of receiving sockets, a burst at a time."""

    def __init__(self) -> None:
        self._ipv4 = mmsg.Reader(_ROOM, _ANCILLARY_ROOM)
        self._ipv6 = mmsg.Reader(_ROOM, _ANCILLARY_ROOM, _SOCKADDR6.size)

    def read(self, sock: socket.socket, link: str) -> list[Received]:
        """The adverts that wait in `sock`, at most `mmsg.BURST`, in order. `link` is the interface's name for them.

        `wall` is the kernel's receive stamp, `at` the same moment on the monotonic clock. What is longer than any
        advert is cut off. Raises OSError (ENETDOWN when the interface went down).
        """
        ipv4 = sock.family == socket.AF_INET
        burst = (self._ipv4 if ipv4 else self._ipv6).read(sock.fileno())
        if burst is None:
            return []
        clocks = monotonic(), clock_gettime(CLOCK_REALTIME)
        return _over_ipv4(burst, link, *clocks) if ipv4 else _over_ipv6(burst, link, *clocks)


def _over_ipv4(burst: mmsg.Burst, link: str, now: float, wall_now: float) -> list[Received]:
    """Every datagram begins with an IPv4 header, which the kernel has checked."""
    received = []
    ends = source = destination = b""
    for data, control in zip(burst.data, burst.controls, strict=True):
        if data[12:20] != ends:  # mostly they come from one router
            ends, source, destination = data[12:20], data[12:16], data[16:20]
        wall = wall_now
        if control.startswith(_STAMPED):
            seconds, nanoseconds = _TIMESPEC.unpack_from(control, _STAMP_AT)
            wall = seconds + nanoseconds / 1e9
        # A clock that was set back makes no packet come from the future.
        at = now - (wall_now - wall) if wall < wall_now else now
        received.append(Received(link, data, source, destination, data[8], at, wall))
    return received


def _over_ipv6(burst: mmsg.Burst, link: str, now: float, wall_now: float) -> list[Received]:
    received = []
    for data, control, name in zip(*burst, strict=True):
        wall, hop_limit, destination = wall_now, -1, b""
        for level, kind, content in mmsg.ancillary(control):
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = _TIMESPEC.unpack(content)
                wall = seconds + nanoseconds / 1e9
            elif level == socket.IPPROTO_IPV6 and kind == socket.IPV6_HOPLIMIT:
                hop_limit = _INT.unpack(content)[0]
            elif level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
                destination = _PKTINFO6.unpack(content)[0]
        at = now - max(0.0, wall_now - wall)
        received.append(Received(link, data, _SOCKADDR6.unpack(name)[0], destination, hop_limit, at, wall))
    return received
