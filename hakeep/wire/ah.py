"""The IP Authentication Header (RFC 2402) as VRRP version 2 over IPv4 uses it: HMAC-MD5 cut to 96 bits.

24 bytes between the IP header and the PDU. The key is the password, cut or zero padded to 8 bytes; the SPI is the
sender's address. The code covers the IP header with what routers may change set to zero, the AH with its own code set
to zero, and the PDU. One deviation of keepalived is needed to be understood by it: the TTL counts as changeable in
unicast packets only, and is covered as it stands (255) in multicast ones.
"""

from __future__ import annotations

from hashlib import md5
from struct import Struct
from typing import NamedTuple

from hakeep.wire import Malformed, ip

LENGTH = 24
ICV_LENGTH = 12

#: Length of the header in 32 bit words, less two.
_WORDS = 4

_HEADER = Struct("!BBH4sI12s")
_BLOCK = 64
_IPAD = bytes(value ^ 0x36 for value in range(256))
_OPAD = bytes(value ^ 0x5C for value in range(256))


class AuthenticationHeader(NamedTuple):
    """An AH. `spi` is 4 bytes, `icv` 12; `sequence` has 32 bits."""

    spi: bytes
    sequence: int
    icv: bytes = bytes(ICV_LENGTH)
    next_header: int = ip.VRRP
    reserved: int = 0

    def encode(self) -> bytes:
        """The 24 bytes."""
        if len(self.spi) != 4 or len(self.icv) != ICV_LENGTH or not 0 <= self.sequence <= 0xFFFFFFFF:
            raise ValueError("a field of an authentication header has the wrong size")
        return _HEADER.pack(self.next_header, _WORDS, self.reserved, self.spi, self.sequence, self.icv)


def decode(data: bytes) -> AuthenticationHeader:
    """The AH at the start of `data`."""
    if len(data) < LENGTH:
        raise Malformed(f"{len(data)} bytes are too short for an authentication header")
    next_header, words, reserved, spi, sequence, icv = _HEADER.unpack_from(data)
    if words != _WORDS:
        raise Malformed(f"an authentication header of length {words} where {_WORDS} was expected")
    return AuthenticationHeader(spi, sequence, icv, next_header, reserved)


def covered(packet: bytes, header_length: int, unicast: bool) -> bytes:
    """The bytes that the ICV of this IPv4 packet is computed over. `header_length` is that of its IP header."""
    icv_at = header_length + LENGTH - ICV_LENGTH
    return b"".join((
        packet[:1], b"\0",  # TOS
        packet[2:6], b"\0\0",  # flags and fragment offset
        b"\0" if unicast else packet[8:9],  # TTL
        packet[9:10], b"\0\0",  # checksum
        packet[12:icv_at], bytes(ICV_LENGTH), packet[icv_at + ICV_LENGTH :],
    ))  # fmt: skip


def icv(key: bytes, data: bytes) -> bytes:
    """HMAC-MD5-96 (RFC 2403) of `data`; a key is at most 64 bytes.

    Spelled out because hosts in FIPS mode refuse MD5 unless it is declared not to be a matter of security, which the
    library's HMAC has no way to say. AH in VRRP is an old format to be understood, not a protection to rely on.
    """
    block = key.ljust(_BLOCK, b"\0")
    inner = md5(block.translate(_IPAD) + data, usedforsecurity=False).digest()
    return md5(block.translate(_OPAD) + inner, usedforsecurity=False).digest()[:ICV_LENGTH]
