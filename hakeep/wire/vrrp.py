"""The VRRP advertisement: version 2 (RFC 3768), version 3 (RFC 9568), and what keepalived made of them.

Version 2 carries whole seconds and, over IPv4, always 8 bytes of authentication data after the addresses. keepalived
also speaks version 2 over IPv6, which no RFC knows: like version 3, that form has no authentication data. Version 3
counts in centiseconds, 12 bits of them.

The checksum comes in dialects. Version 2 covers the packet alone, IPv6 the pseudo header too (by the kernel), and on
version 3 over IPv4 the world disagrees: see `Dialect`.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from hakeep.wire import Malformed, ip
from hakeep.wire.checksum import filled, is_valid

ADVERTISEMENT = 1

# Authentication types of version 2.
NO_AUTH = 0
PASS = 1
AUTH_AH = 2

#: Where the checksum stands in a PDU: what IPV6_CHECKSUM wants to know.
CHECKSUM_OFFSET = 6

HEADER_LENGTH = 8
AUTH_DATA_LENGTH = 8

MAX_ADDRESSES = 255
GROUP4 = bytes((224, 0, 0, 18))


class Dialect(Enum):
    """What the checksum covers besides the PDU.

    DESTINATION: a pseudo header with the packet's own addresses (keepalived and FRR on version 3; all of IPv6).
    BARE: nothing (version 2; RFC 9568 reads so for version 3 over IPv4, and Cisco and Arista do it).
    GROUP: a pseudo header with 224.0.0.18 even when the packet is unicast (old keepalived).
    """

    DESTINATION = "destination"
    BARE = "bare"
    GROUP = "group"


class Pdu(NamedTuple):
    """One VRRP message. `interval` is in seconds; addresses are packed and all of one length.

    `auth_type` is the reserved half byte in version 3. `auth_data` is empty where the format has none.
    """

    version: int
    virtual_router_id: int
    priority: int
    interval: float
    addresses: tuple[bytes, ...]
    auth_type: int = NO_AUTH
    auth_data: bytes = b""
    checksum: int = 0
    type: int = ADVERTISEMENT

    def encode(self) -> bytes:
        """The bytes of the PDU with `checksum` as it stands (`sealed` computes it)."""
        count = len(self.addresses)
        size = len(self.addresses[0]) if count else 4
        if count > MAX_ADDRESSES or size not in (4, 16) or any(len(a) != size for a in self.addresses):
            raise ValueError("a VRRP packet holds at most 255 addresses, all of one family")
        if len(self.auth_data) not in (0, AUTH_DATA_LENGTH):
            raise ValueError("VRRP authentication data has 8 bytes")
        if self.version == 2:
            ticks = round(self.interval)
            timing = self.auth_type << 8 | ticks
            fits = 0 <= ticks <= 0xFF and self.auth_type <= 0xFF
        else:
            ticks = round(self.interval * 100)
            timing = self.auth_type << 12 | ticks
            fits = 0 <= ticks <= 0xFFF and self.auth_type <= 0xF
        if not fits:
            raise ValueError(f"interval {self.interval} or authentication type {self.auth_type} does not fit VRRP")
        first = bytes((self.version << 4 | self.type, self.virtual_router_id, self.priority, count))
        fields = timing.to_bytes(2, "big") + self.checksum.to_bytes(2, "big")
        return first + fields + b"".join(self.addresses) + self.auth_data


def length(version: int, family: int, count: int) -> int:
    """Bytes of a PDU of this version (2 or 3) over this family (4 or 6) with `count` addresses."""
    if family == 6:
        return HEADER_LENGTH + 16 * count
    return HEADER_LENGTH + 4 * count + (AUTH_DATA_LENGTH if version == 2 else 0)


def decode(data: bytes, family: int) -> Pdu:
    """The PDU at the start of `data`, which may go on behind it (padding, a trailer). Any type, any priority."""
    if len(data) < HEADER_LENGTH:
        raise Malformed(f"{len(data)} bytes are too short for a VRRP header")
    first, vrid, priority, count, high, low = data[:6]
    version = first >> 4
    if version not in (2, 3):
        raise Malformed(f"VRRP version {version}")
    needed = length(version, family, count)
    if len(data) < needed:
        raise Malformed(f"{len(data)} bytes where {needed} are needed for {count} addresses")
    size = 4 if family == 4 else 16
    end = HEADER_LENGTH + count * size
    addresses = tuple([data[at : at + size] for at in range(HEADER_LENGTH, end, size)])
    auth_type, interval = (high, float(low)) if version == 2 else (high >> 4, ((high & 15) << 8 | low) / 100)
    checksum = data[6] << 8 | data[7]
    return Pdu(version, vrid, priority, interval, addresses, auth_type, data[end:needed], checksum, first & 15)


def sealed(pdu: bytes, pseudo_header: bytes = b"") -> bytes:
    """An encoded PDU with its checksum filled in, over `pseudo_header` too if there is one."""
    return filled(pdu, CHECKSUM_OFFSET, pseudo_header)


def pseudo_header(dialect: Dialect, source: bytes, destination: bytes, size: int) -> bytes:
    """What goes before a PDU of `size` bytes when its checksum is computed in this dialect."""
    if dialect is Dialect.BARE:
        return b""
    return ip.pseudo_header(source, GROUP4 if dialect is Dialect.GROUP else destination, ip.VRRP, size)


def adds_up(pdu: bytes, pseudo_header: bytes = b"") -> bool:
    """True when the checksum in this PDU (exactly its bytes) is right."""
    return is_valid(pseudo_header + pdu)
