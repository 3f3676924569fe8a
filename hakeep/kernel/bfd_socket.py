"""UDP sockets for BFD (RFC 5881): one ear for each family and port, and one mouth for each session.

A session's packets come from a port of its own, so it has a socket of its own, connected to the neighbor and deaf. What
the neighbors send goes to the well-known port, whoever it is from, and the engine finds out which session it is for.

Detection is about when a packet was received, not about when we came to read it, so the kernel says when that was. It
says it in wall clock time. If somebody sets that clock while a packet waits, the packet must not seem to be an hour
old: what we read now came after we last found the socket empty.
"""

from __future__ import annotations

import errno
import socket
from struct import Struct
from time import CLOCK_REALTIME, clock_gettime, monotonic

from hakeep.bfd.messages import Received
from hakeep.config.settled_bfd import BfdInstance
from hakeep.kernel import bpf, mmsg
from hakeep.kernel.netlink import set_rcvbuf
from hakeep.wire.bfd import MULTIHOP, SINGLE_HOP

# Options that Python's socket module does not name, from <linux/in.h> and <asm-generic/socket.h>.
IP_PKTINFO = 8
IP_RECVTTL = 12
SO_TIMESTAMPNS = 35

#: Precedence 6, internetwork control, for IPv4's TOS and IPv6's traffic class.
TRAFFIC_CLASS = 0xC0

#: Bytes that may wait while we cannot run: a thousand packets and more.
ROOM_TO_WAIT = 4 << 20

_TIMESPEC = Struct("@ll")
_INT = Struct("@i")
_PKTINFO = Struct("=i4s4s")
_PKTINFO6 = Struct("=16sI")
_SOCKADDR = Struct("=4x4s8x")
_SOCKADDR6 = Struct("=8x16s4x")
#: A packet has 24 bytes; of what is longer enough is read to see that it is padding, or is not.
_ROOM = 2048
_CONTROL_ROOM = socket.CMSG_SPACE(_TIMESPEC.size) + socket.CMSG_SPACE(_INT.size) + socket.CMSG_SPACE(_PKTINFO6.size)


class Ear:
    """The socket that receives what is sent to `port` over one family (4 or 6). Raises OSError (EADDRINUSE when another
    BFD daemon runs)."""

    def __init__(self, family: int, port: int) -> None:
        self.family, self.port = family, port
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        self.sock = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, kind)
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            set_rcvbuf(self.sock, ROOM_TO_WAIT)
            if family == 4:
                self.sock.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
                self.sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
            else:
                self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
                self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            self.sock.bind(("" if family == 4 else "::", port))
        except OSError:
            self.sock.close()
            raise
        self._reader = mmsg.Reader(_ROOM, _CONTROL_ROOM, (_SOCKADDR if family == 4 else _SOCKADDR6).size)
        self._empty_at = monotonic()

    def fileno(self) -> int:
        return self.sock.fileno()

    def close(self) -> None:
        """Receive nothing any more."""
        self.sock.close()

    def read(self) -> list[Received]:
        """What waits, at most `mmsg.BURST` packets, in order. `at` is when the kernel received it. Raises OSError."""
        after, began = self._empty_at, monotonic()
        burst = self._reader.read(self.sock.fileno())
        if burst is None or len(burst.data) < mmsg.BURST:
            self._empty_at = began
        if burst is None:
            return []
        wall_now = clock_gettime(CLOCK_REALTIME)
        now = monotonic()  # after the other clock: if we lose the processor in between, packets seem younger
        received = []
        for data, control, name in zip(*burst, strict=True):
            wall, hop_limit, destination = wall_now, -1, b""
            for level, kind, content in mmsg.ancillary(control):
                if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                    seconds, nanoseconds = _TIMESPEC.unpack(content)
                    wall = seconds + nanoseconds / 1e9
                elif (level, kind) in _HOP_LIMITS:
                    hop_limit = _INT.unpack(content)[0]
                elif (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
                    destination = _PKTINFO.unpack(content)[2]
                elif (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
                    destination = _PKTINFO6.unpack(content)[0]
            at = min(now, max(after, now - (wall_now - wall)))
            source = (_SOCKADDR if self.family == 4 else _SOCKADDR6).unpack(name)[0]
            received.append(Received(data, source, destination, self.port, hop_limit, at))
        return received


_HOP_LIMITS = ((socket.IPPROTO_IP, socket.IP_TTL), (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT))


def open_mouth(instance: BfdInstance, source_port: int) -> socket.socket:
    """The socket that a session sends from; see `send`. Raises OSError: EADDRNOTAVAIL when `source_ip` is not here,
    EADDRINUSE, ENETUNREACH when no route leads to the neighbor ..."""
    ipv4 = instance.neighbor_ip.version == 4
    kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    sock = socket.socket(socket.AF_INET if ipv4 else socket.AF_INET6, kind)
    try:
        bpf.attach(sock, bpf.DROP_ALL)
        if ipv4:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, instance.ttl)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, TRAFFIC_CLASS)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, instance.ttl)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, TRAFFIC_CLASS)
        sock.bind((str(instance.source_ip or ("0.0.0.0" if ipv4 else "::")), source_port))
        sock.connect((str(instance.neighbor_ip), MULTIHOP if instance.multihop else SINGLE_HOP))
    except OSError:
        sock.close()
        raise
    return sock


def send(sock: socket.socket, data: bytes) -> None:
    """Send a packet, now. Raises OSError. That nobody listened to an earlier one (ICMP says so, or somebody who forges
    it) is not looked at."""
    try:
        sock.send(data)
    except OSError as error:
        if error.errno != errno.ECONNREFUSED:
            raise
        sock.send(data)
