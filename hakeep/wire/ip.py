"""IPv4 and IPv6 headers, as far as a VRRP router needs them.

Raw IPv4 sockets deliver the header with the packet and, with IP_HDRINCL, want it from the sender, who leaves the header
checksum to the kernel. Raw IPv6 sockets do neither; the IPv6 header appears only in captured Ethernet frames.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from struct import Struct
from typing import NamedTuple

from hakeep.objects.rtnl import IPAddress
from hakeep.wire import Malformed
from hakeep.wire.checksum import filled

VRRP = 112
AH = 51
ICMPV6 = 58

#: Internetwork control (RFC 2474 class selector 6): what routing protocols mark their packets with.
TOS_CONTROL = 0xC0

#: More Fragments, and the 13 bits of the offset.
_IS_FRAGMENT = 0x3FFF

_IPV4 = Struct("!BBHHHBBH4s4s")
_IPV6 = Struct("!IHBB16s16s")


class IPv4Header(NamedTuple):
    """An IPv4 header (RFC 791). `flags` is the 16 bit field of flags and fragment offset; `options` is padded to 4."""

    source: bytes
    destination: bytes
    protocol: int
    total_length: int
    ident: int = 0
    ttl: int = 255
    tos: int = TOS_CONTROL
    flags: int = 0
    checksum: int = 0
    options: bytes = b""

    @property
    def length(self) -> int:
        """Bytes of the header itself, 20 to 60."""
        return 20 + len(self.options)

    def encode(self) -> bytes:
        """The header's bytes, with `checksum` as it stands: 0 lets a kernel that gets it by IP_HDRINCL fill it."""
        if len(self.source) != 4 or len(self.destination) != 4 or len(self.options) % 4 or len(self.options) > 40:
            raise ValueError("an address or the options of an IPv4 header have the wrong length")
        fixed = _IPV4.pack(
            0x40 | self.length // 4, self.tos, self.total_length, self.ident, self.flags, self.ttl, self.protocol,
            self.checksum, self.source, self.destination,
        )  # fmt: skip
        return fixed + self.options


def decode_ipv4(data: bytes) -> IPv4Header:
    """The header at the start of `data`. Its checksum is the kernel's business. Refuses fragments."""
    if len(data) < 20:
        raise Malformed(f"{len(data)} bytes are too short for an IPv4 header")
    first, tos, total_length, ident, flags, ttl, protocol, checksum, source, destination = _IPV4.unpack_from(data)
    length = (first & 15) * 4
    if first >> 4 != 4:
        raise Malformed(f"IP version {first >> 4} where 4 was expected")
    if length < 20 or length > len(data):
        raise Malformed(f"an IPv4 header cannot be {length} bytes long here")
    if total_length < length:
        raise Malformed(f"IPv4 total length {total_length} is less than that of the header")
    if flags & _IS_FRAGMENT:
        raise Malformed("a fragment of an IPv4 packet")
    return IPv4Header(
        source, destination, protocol, total_length, ident, ttl, tos, flags, checksum, data[20:length]
    )  # fmt: skip


def with_header_checksum(packet: bytes) -> bytes:
    """An IPv4 packet with the header checksum filled in, as a kernel does it on its way out."""
    length = (packet[0] & 15) * 4
    return filled(packet[:length], 10) + packet[length:]


class IPv6Header(NamedTuple):
    """An IPv6 header (RFC 8200)."""

    source: bytes
    destination: bytes
    next_header: int
    payload_length: int
    hop_limit: int = 255
    traffic_class: int = 0
    flow_label: int = 0

    def encode(self) -> bytes:
        """The 40 bytes of the header."""
        if len(self.source) != 16 or len(self.destination) != 16:
            raise ValueError("an IPv6 address has 16 bytes")
        if not 0 <= self.traffic_class <= 0xFF or not 0 <= self.flow_label <= 0xFFFFF:
            raise ValueError("traffic class or flow label out of range")
        first = 6 << 28 | self.traffic_class << 20 | self.flow_label
        return _IPV6.pack(
            first, self.payload_length, self.next_header, self.hop_limit, self.source, self.destination
        )  # fmt: skip


def decode_ipv6(data: bytes) -> IPv6Header:
    """The header at the start of `data`; extension headers are not followed."""
    if len(data) < 40:
        raise Malformed(f"{len(data)} bytes are too short for an IPv6 header")
    first, payload_length, next_header, hop_limit, source, destination = _IPV6.unpack_from(data)
    if first >> 28 != 6:
        raise Malformed(f"IP version {first >> 28} where 6 was expected")
    return IPv6Header(
        source, destination, next_header, payload_length, hop_limit, first >> 20 & 0xFF, first & 0xFFFFF
    )  # fmt: skip


def pseudo_header(source: bytes, destination: bytes, protocol: int, length: int) -> bytes:
    """What an upper-layer checksum covers besides the packet: RFC 768 for IPv4, RFC 8200 section 8.1 for IPv6."""
    if len(source) == 4:
        return source + destination + bytes((0, protocol)) + length.to_bytes(2, "big")
    return source + destination + length.to_bytes(4, "big") + bytes((0, 0, 0, protocol))


@lru_cache(maxsize=4096)
def address(packed: bytes) -> IPAddress:
    """4 or 16 packed bytes as an address object. Remembered, since the same few come with every packet."""
    return ip_address(packed)
