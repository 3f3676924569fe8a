"""The ICMPv6 neighbour advertisement (RFC 4861 section 4.4): announcing an IPv6 address, and hearing others do so.

Unsolicited ones go to all nodes, from the announced address itself, with the Override flag so that caches take the new
MAC, and with the Router flag only when this host forwards: hosts forget a default router that says it is none.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from hakeep.wire import Malformed, ip
from hakeep.wire.checksum import filled, is_valid

ETHERTYPE = 0x86DD
NEIGHBOUR_ADVERTISEMENT = 136
TARGET_LINK_ADDRESS = 2

ALL_NODES = bytes.fromhex("ff020000000000000000000000000001")
ALL_NODES_MAC = bytes.fromhex("333300000001")

_ROUTER = 0x80
_SOLICITED = 0x40
_OVERRIDE = 0x20

_ETHERNET = Struct("!6s6sH")
_ADVERTISEMENT = Struct("!BBHB3x16s")
_BODY_AT = _ETHERNET.size + 40
_OPTIONS_AT = _BODY_AT + _ADVERTISEMENT.size


class NeighbourAdvertisement(NamedTuple):
    """A neighbour advertisement in its Ethernet frame. `mac` is the announced link address, empty when left out."""

    frame_destination: bytes
    frame_source: bytes
    source: bytes
    destination: bytes
    target: bytes
    mac: bytes = b""
    router: bool = False
    solicited: bool = False
    override: bool = True

    @property
    def announces(self) -> bool:
        """True when nobody asked: sent to all nodes to change what they think."""
        return not self.solicited and self.destination[:1] == b"\xff"

    def encode(self) -> bytes:
        """The bytes of the frame, checksum filled in."""
        if len(self.frame_destination) != 6 or len(self.frame_source) != 6 or len(self.mac) not in (0, 6):
            raise ValueError("a MAC has 6 bytes")
        if any(len(address) != 16 for address in (self.source, self.destination, self.target)):
            raise ValueError("an IPv6 address has 16 bytes")
        flags = self.router * _ROUTER | self.solicited * _SOLICITED | self.override * _OVERRIDE
        body = _ADVERTISEMENT.pack(NEIGHBOUR_ADVERTISEMENT, 0, 0, flags, self.target)
        if self.mac:
            body += bytes((TARGET_LINK_ADDRESS, 1)) + self.mac
        header = ip.IPv6Header(self.source, self.destination, ip.ICMPV6, len(body))
        body = filled(body, 2, ip.pseudo_header(self.source, self.destination, ip.ICMPV6, len(body)))
        return _ETHERNET.pack(self.frame_destination, self.frame_source, ETHERTYPE) + header.encode() + body


def decode(frame: bytes) -> NeighbourAdvertisement:
    """The neighbour advertisement in an Ethernet frame, if it passes the checks of RFC 4861 section 7.1.2."""
    if len(frame) < _OPTIONS_AT:
        raise Malformed(f"{len(frame)} bytes are too short for a neighbour advertisement")
    to, source_mac, ethertype = _ETHERNET.unpack_from(frame)
    if ethertype != ETHERTYPE:
        raise Malformed(f"Ethernet type {ethertype:#06x} is not IPv6")
    header = ip.decode_ipv6(frame[_ETHERNET.size : _BODY_AT])
    body = frame[_BODY_AT : _BODY_AT + header.payload_length]
    if len(body) < max(header.payload_length, _ADVERTISEMENT.size):
        raise Malformed(f"IPv6 payload length {header.payload_length} in a frame of {len(frame)} bytes")
    if header.next_header != ip.ICMPV6 or body[:2] != bytes((NEIGHBOUR_ADVERTISEMENT, 0)):
        raise Malformed("not a neighbour advertisement")
    if header.hop_limit != 255:
        raise Malformed(f"hop limit {header.hop_limit}: it came through a router")
    if not is_valid(ip.pseudo_header(header.source, header.destination, ip.ICMPV6, len(body)) + body):
        raise Malformed("wrong ICMPv6 checksum")
    _, _, _, flags, target = _ADVERTISEMENT.unpack_from(body)
    if target[0] == 0xFF or (flags & _SOLICITED and header.destination[0] == 0xFF):
        raise Malformed("a neighbour advertisement for a group, or solicited and sent to a group")
    mac = _link_address(body[_ADVERTISEMENT.size :])
    router, solicited, override = bool(flags & _ROUTER), bool(flags & _SOLICITED), bool(flags & _OVERRIDE)
    return NeighbourAdvertisement(
        to, source_mac, header.source, header.destination, target, mac, router, solicited, override
    )  # fmt: skip


def _link_address(options: bytes) -> bytes:
    """The target link-layer address among the options, empty if there is none; the others are passed over."""
    found = b""
    while options:
        size = options[1] * 8 if len(options) > 1 else 0
        if not 0 < size <= len(options):
            raise Malformed("an option of a neighbour advertisement has a bad length")
        if options[0] == TARGET_LINK_ADDRESS and size == 8:
            found = options[2:8]
        options = options[size:]
    return found


def unsolicited(mac: bytes, address: bytes, router: bool = False) -> bytes:
    """The frame to all nodes that announces `address` (16 bytes) at `mac` (6 bytes); `router`: this host forwards."""
    return NeighbourAdvertisement(ALL_NODES_MAC, mac, address, ALL_NODES, address, mac, router).encode()
