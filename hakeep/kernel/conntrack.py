"""The kernel's memory of connections (ctnetlink), as far as it must be told to forget some.

Address translation is decided for the first packet of a connection and then remembered until the connection is quiet
for a while. A UDP client that always sends from the same port, a resolver say, or a phone, is never quiet: it would be
sent for ever to the server that it had when it began, dead or not. And who repeats a SYN that a dead server does not
answer, or begins anew from a port that was in use a minute ago, would be sent to that server again.

A look at all connections takes 10 ms where the kernel has room for many (262,144 buckets), even if there are none.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Collection, Container, Iterator, Mapping
from ipaddress import ip_address
from typing import NamedTuple

from hakeep.kernel.nft import NETLINK_NETFILTER
from hakeep.objects.rtnl import IPAddress

Place = tuple[IPAddress, int]  # address and port
Pair = tuple[Place, Place]  # where clients go, and who answers

# <linux/netfilter/nfnetlink_conntrack.h>
_GET, _DELETE = 1 << 8 | 1, 1 << 8 | 2  # NFNL_SUBSYS_CTNETLINK and IPCTNL_MSG_CT_*
_CTA_TUPLE_ORIG, _CTA_TUPLE_REPLY, _CTA_PROTOINFO, _CTA_ID, _CTA_FILTER = 1, 2, 4, 12, 25
_CTA_TUPLE_IP, _CTA_TUPLE_PROTO = 1, 2
_CTA_IP = {4: (1, 2), 6: (3, 4)}  # source, destination
_CTA_PROTO_NUM, _CTA_PROTO_SRC_PORT, _CTA_PROTO_DST_PORT = 1, 2, 3
_CTA_FILTER_ORIG_FLAGS, _CTA_FILTER_REPLY_FLAGS = 1, 2
# CTA_FILTER_F_*, nf_conntrack_netlink.c: of an address and of a port, first the source's
_PROTOCOL, _ADDRESS_FLAGS, _PORT_FLAGS = 1 << 3, (1 << 0, 1 << 1), (1 << 4, 1 << 5)
_CTA_PROTOINFO_TCP, _CTA_PROTOINFO_TCP_STATE = 1, 1

_TCP = 6
#: TCP_CONNTRACK_* (linux/netfilter/nf_conntrack_tcp.h) in which a connection has no data to lose, being over or not yet
#: answered: SYN_SENT, TIME_WAIT, CLOSE, SYN_SENT2. One that is half closed, or about to be used, is none of them.
_IDLE = frozenset({1, 7, 8, 9})

#: So many questions about single servers take no longer than one about all connections of a protocol.
_QUESTIONS_MAX = 8

# <linux/netlink.h>
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_NESTED = 0x8000

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class Connection(NamedTuple):
    """One that began with a packet for `destination` and is answered by `answering`. `name` is what the kernel calls
    it: attributes to give back."""

    destination: Place
    answering: Place
    name: bytes


class Conntrack:
    """A socket to it, in the network namespace where it was made. Not for two threads at a time."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def forget_others(self, protocol: int, servers: Mapping[Place, Collection[Place]]) -> int:
        """Forget connections of this protocol to one of these places that none of its servers answers. Returns how many
        they were. The next packet of each begins a new one. Raises OSError."""
        lost = [each for each in self.connections(protocol, servers) if each.answering not in servers[each.destination]]
        self._forget(lost)
        return len(lost)

    def _forget(self, lost: Collection[Connection]) -> None:
        for each in lost:
            try:
                list(self._ask(_DELETE, _REQUEST | _ACK, each.destination[0].version, each.name))
            except OSError as error:
                if error.errno != errno.ENOENT:  # it ended by itself
                    raise

    def forget_idle(self, removed: Collection[Pair]) -> int:
        """Forget TCP connections to the first of a pair of places that the second answers, as far as they have no data
        to lose: they are over, or not answered yet. Returns how many they were. Raises OSError."""
        pairs = set(removed)
        lost: list[Connection] = []
        if len(pairs) <= _QUESTIONS_MAX:
            for destination, server in pairs:
                wanted = _wanted(_TCP, destination, server)
                lost += self._found(_TCP, destination[0].version, wanted, _IDLE)
        else:
            for family in {destination[0].version for destination, _ in pairs}:
                lost += self._found(_TCP, family, _wanted(_TCP, None), _IDLE)
        lost = [each for each in lost if (each.destination, each.answering) in pairs]
        self._forget(lost)
        return len(lost)

    def connections(self, protocol: int, places: Collection[Place]) -> list[Connection]:
        """Those of this protocol to one of these places. The kernel (since 5.8) picks them out where it can."""
        found: list[Connection] = []
        for family in {ip.version for ip, _ in places}:
            asked = {place for place in places if place[0].version == family}
            wanted = _wanted(protocol, next(iter(asked)) if len(asked) == 1 else None)
            found += (each for each in self._found(protocol, family, wanted) if each.destination in asked)
        return found

    def _found(
        self, protocol: int, family: int, wanted: bytes, states: Container[int] | None = None
    ) -> Iterator[Connection]:
        """What the kernel finds by a filter, as far as it understands that; in these states of TCP, if any are given.
        They are seen first: most connections are in others, and there may be many."""
        for attributes in self._ask(_GET, _REQUEST | _DUMP, family, wanted):
            if states is None or _state(attributes) in states:
                connection = _connection(attributes, protocol, family)
                if connection is not None:
                    yield connection

    def _ask(self, kind: int, flags: int, family: int, attributes: bytes) -> Iterator[Mapping[int, bytes]]:
        """The attributes of all answers."""
        self._sequence += 1
        body = struct.pack("=BBH", _FAMILIES[family], 0, 0) + attributes
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, self._sequence, 0) + body)
        while True:
            data = self._socket.recv(1 << 18)
            offset = 0
            while offset + _HEADER.size <= len(data):
                length, answer, _, sequence, _ = _HEADER.unpack_from(data, offset)
                message = data[offset + _HEADER.size : offset + length]
                offset += max(length + 3 & ~3, _HEADER.size)
                if sequence != self._sequence:
                    continue  # of a question whose answers nobody wanted to the end
                if answer in (_ERROR, _DONE):
                    number = -struct.unpack_from("=i", message)[0] if len(message) >= 4 else 0
                    if number:
                        raise OSError(number, os.strerror(number))
                    return
                yield _attributes(message[4:])


def _wanted(protocol: int, place: Place | None, server: Place | None = None) -> bytes:
    """A filter for connections of this protocol, and to this place if there is one, and answered by this server.

    Not by IPv6 addresses: there Linux (seen with 6.18) takes what does not match, and leaves out what does.
    """
    began, flags = _example(protocol, place, 1)
    answer, reply_flags = _example(protocol, server, 0) if server is not None else (b"", 0)
    matched = _attribute(_CTA_FILTER_ORIG_FLAGS, struct.pack("=I", flags)) + _attribute(
        _CTA_FILTER_REPLY_FLAGS, struct.pack("=I", reply_flags))
    return (_nest(_CTA_TUPLE_ORIG, began) + (_nest(_CTA_TUPLE_REPLY, answer) if answer else b"")
            + _nest(_CTA_FILTER, matched))


def _example(protocol: int, place: Place | None, end: int) -> tuple[bytes, int]:
    """A tuple with this place at one of its ends (0 source, 1 destination), and the flags of what counts of it."""
    flags, address = _PROTOCOL, b""
    transport = _attribute(_CTA_PROTO_NUM, bytes([protocol]))
    if place is not None:
        ip, port = place
        transport += _attribute((_CTA_PROTO_SRC_PORT, _CTA_PROTO_DST_PORT)[end], port.to_bytes(2, "big"))
        address = _attribute(_CTA_IP[ip.version][end], ip.packed)
        flags |= _PORT_FLAGS[end] | (_ADDRESS_FLAGS[end] if ip.version == 4 else 0)
    return _nest(_CTA_TUPLE_IP, address) + _nest(_CTA_TUPLE_PROTO, transport), flags


def _state(attributes: Mapping[int, bytes]) -> int:
    """The state of a TCP connection; 0 when it has none."""
    of_tcp = _attributes(_attributes(attributes.get(_CTA_PROTOINFO, b"")).get(_CTA_PROTOINFO_TCP, b""))
    return int.from_bytes(of_tcp.get(_CTA_PROTOINFO_TCP_STATE, b""), "big")


def _connection(attributes: Mapping[int, bytes], protocol: int, family: int) -> Connection | None:
    """None when it is of another protocol or family."""
    began = _tuple(attributes.get(_CTA_TUPLE_ORIG, b""), protocol, family)
    answer = _tuple(attributes.get(_CTA_TUPLE_REPLY, b""), protocol, family)
    if began is None or answer is None or _CTA_ID not in attributes:
        return None
    name = _nest(_CTA_TUPLE_ORIG, attributes[_CTA_TUPLE_ORIG]) + _attribute(_CTA_ID, attributes[_CTA_ID])
    return Connection(began[1], answer[0], name)


def _tuple(data: bytes, protocol: int, family: int) -> tuple[Place, Place] | None:
    """Source and destination."""
    parts = _attributes(data)
    addresses = _attributes(parts.get(_CTA_TUPLE_IP, b""))
    transport = _attributes(parts.get(_CTA_TUPLE_PROTO, b""))
    if transport.get(_CTA_PROTO_NUM) != bytes([protocol]) or not addresses.keys() >= set(_CTA_IP[family]):
        return None
    places = []
    for kind, port in zip(_CTA_IP[family], (_CTA_PROTO_SRC_PORT, _CTA_PROTO_DST_PORT), strict=True):
        places.append((ip_address(addresses[kind]), int.from_bytes(transport.get(port, b""), "big")))
    return places[0], places[1]


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            break
        found[kind & 0x3FFF] = data[offset + _ATTRIBUTE.size : offset + length]
        offset += length + 3 & ~3
    return found


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def _nest(kind: int, value: bytes) -> bytes:
    return _attribute(kind | _NESTED, value)
