"""Attributes of rtnetlink's messages (struct rtattr), put together and taken apart.

Routes and rules begin with the same twelve bytes, struct rtmsg and struct fib_rule_hdr: family, dst_len, src_len, tos,
table, protocol, scope, type, flags. Of a rule the protocol and the scope are reserved, and its type is its action.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from socket import AF_INET
from struct import Struct

from hakeep.kernel.netlink import HEADER
from hakeep.objects.routes import Network
from hakeep.objects.rtnl import IPAddress

HEAD = Struct("=BBBBBBBBI")

#: Where attributes begin.
BODY = HEADER.size + HEAD.size

U8, U16, U32 = Struct("=B"), Struct("=H"), Struct("=I")
BE16, BE32, BE64 = Struct(">H"), Struct(">I"), Struct(">Q")

_ATTRIBUTE = Struct("=HH")
_TYPE = 0x3FFF  # the bits of an attribute's type that are the type


def attribute(kind: int, data: bytes) -> bytes:
    """One attribute."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(data), kind) + data + bytes(-len(data) % 4)


def attributes(view: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Type and value of each attribute, as far as they make sense."""
    at = 0
    while at + _ATTRIBUTE.size <= len(view):
        length, kind = _ATTRIBUTE.unpack_from(view, at)
        if length < _ATTRIBUTE.size or at + length > len(view):
            return
        yield kind & _TYPE, view[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3


def u32(data: memoryview | bytes) -> int:
    """The value of an attribute that is a number."""
    number: int = U32.unpack_from(data)[0]
    return number


def message(kind: int, flags: int, head: bytes, values: Iterable[tuple[int, bytes]]) -> bytes:
    """A request with these attributes; the sequence number comes with sending."""
    body = head + b"".join(attribute(number, data) for number, data in values)
    return HEADER.pack(HEADER.size + len(body), kind, flags, 0, 0) + body


def address(data: bytes | memoryview) -> IPAddress:
    """An address, by its length."""
    return IPv4Address(bytes(data)) if len(data) == 4 else IPv6Address(bytes(data))


def network(family: int, data: bytes | memoryview, length: int) -> Network:
    """A prefix. The kernel leaves out an address that is all zeros."""
    if family == AF_INET:
        return IPv4Network((bytes(data).ljust(4, b"\0"), length), strict=False)
    return IPv6Network((bytes(data).ljust(16, b"\0"), length), strict=False)
