"""The kernel's memory of connections (ctnetlink), as far as it must be told to forget some.

Address translation is decided for the first packet of a connection and then remembered until the connection is quiet
for a while. A UDP client that always sends from the same port, a resolver say, or a phone, is never quiet: it would be
sent for ever to the server that it had when it began, dead or not.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Collection, Iterator, Mapping
from ipaddress import ip_address
from typing import NamedTuple

from hakeep.kernel.nft import NETLINK_NETFILTER
from hakeep.objects.rtnl import IPAddress

Place = tuple[IPAddress, int]  # address and port

# <linux/netfilter/nfnetlink_conntrack.h>
_GET, _DELETE = 1 << 8 | 1, 1 << 8 | 2  # NFNL_SUBSYS_CTNETLINK and IPCTNL_MSG_CT_*
_CTA_TUPLE_ORIG, _CTA_TUPLE_REPLY, _CTA_ID, _CTA_FILTER = 1, 2, 12, 25
_CTA_TUPLE_IP, _CTA_TUPLE_PROTO = 1, 2
_CTA_IP = {4: (1, 2), 6: (3, 4)}  # source, destination
_CTA_PROTO_NUM, _CTA_PROTO_SRC_PORT, _CTA_PROTO_DST_PORT = 1, 2, 3
_CTA_FILTER_ORIG_FLAGS, _CTA_FILTER_REPLY_FLAGS = 1, 2
_DESTINATION, _PROTOCOL, _DESTINATION_PORT = 1 << 1, 1 << 3, 1 << 5  # CTA_FILTER_F_*, nf_conntrack_netlink.c

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
        for each in lost:
            try:
                list(self._ask(_DELETE, _REQUEST | _ACK, each.destination[0].version, each.name))
            except OSError as error:
                if error.errno != errno.ENOENT:  # it ended by itself
                    raise
        return len(lost)

    def connections(self, protocol: int, places: Collection[Place]) -> list[Connection]:
        """Those of this protocol to one of these places. The kernel (since 5.8) picks them out where it can."""
        found: list[Connection] = []
        for family in {ip.version for ip, _ in places}:
            asked = {place for place in places if place[0].version == family}
            wanted = _wanted(protocol, next(iter(asked)) if len(asked) == 1 else None)
            for attributes in self._ask(_GET, _REQUEST | _DUMP, family, wanted):
                connection = _connection(attributes, protocol, family)
                if connection is not None and connection.destination in asked:
                    found.append(connection)
        return found

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


def _wanted(protocol: int, place: Place | None) -> bytes:
    """A filter for connections of this protocol, and to this place if there is one.

    Not by IPv6 addresses: there Linux (seen with 6.18) takes what does not match, and leaves out what does.
    """
    flags, address = _PROTOCOL, b""
    transport = _attribute(_CTA_PROTO_NUM, bytes([protocol]))
    if place is not None:
        ip, port = place
        transport += _attribute(_CTA_PROTO_DST_PORT, port.to_bytes(2, "big"))
        address = _attribute(_CTA_IP[ip.version][1], ip.packed)
        flags |= _DESTINATION_PORT | (_DESTINATION if ip.version == 4 else 0)
    example = _nest(_CTA_TUPLE_IP, address) + _nest(_CTA_TUPLE_PROTO, transport)
    matched = _attribute(_CTA_FILTER_ORIG_FLAGS, struct.pack("=I", flags)) + _attribute(
        _CTA_FILTER_REPLY_FLAGS, struct.pack("=I", 0))
    return _nest(_CTA_TUPLE_ORIG, example) + _nest(_CTA_FILTER, matched)


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
