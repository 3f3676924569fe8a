"""The trailer that keepalived 2.4's auth_hmac puts behind a VRRP packet: HMAC-SHA256 cut to 128 bits.

28 bytes directly after the PDU: type, key id, two reserved bytes, a sequence of 64 bits, and the code. The sequence is
Unix time in 32.16 bits with a 16 bit counter behind it, so it can be compared as one number and read as a clock. The
code covers who speaks (family, version, VRID, source), the PDU with its checksum field zero, and the trailer with its
code zero. The destination is not covered: all peers get the same trailer.
"""

from __future__ import annotations

import hmac
from struct import Struct
from typing import NamedTuple

from hakeep.wire import Malformed

LENGTH = 28
CODE_LENGTH = 16
SIGNED_LENGTH = LENGTH - CODE_LENGTH

#: ext_type of HMAC-SHA256-128, the only one there is.
HMAC_SHA256_128 = 1

_TRAILER = Struct("!BBHQ16s")
_NO_CODE = bytes(CODE_LENGTH)


class Trailer(NamedTuple):
    """An auth_hmac trailer. `sequence` has 64 bits: seconds << 32 | 65536ths << 16 | counter."""

    key_id: int
    sequence: int
    code: bytes = _NO_CODE
    type: int = HMAC_SHA256_128
    reserved: int = 0

    @property
    def seconds(self) -> int:
        """The Unix time in the sequence."""
        return self.sequence >> 32

    def encode(self) -> bytes:
        """The 28 bytes."""
        if len(self.code) != CODE_LENGTH or not 0 <= self.sequence < 1 << 64 or not 0 <= self.key_id <= 255:
            raise ValueError("a field of an auth_hmac trailer has the wrong size")
        return _TRAILER.pack(self.type, self.key_id, self.reserved, self.sequence, self.code)


def decode(data: bytes) -> Trailer:
    """The trailer that `data` is, exactly. Type and reserved bytes are the caller's to judge."""
    if len(data) != LENGTH:
        raise Malformed(f"{len(data)} bytes where an auth_hmac trailer has {LENGTH}")
    kind, key_id, reserved, sequence, code = _TRAILER.unpack(data)
    return Trailer(key_id, sequence, code, kind, reserved)


def sequence_at(wall: float) -> int:
    """The sequence that the clock gives at this Unix time: counter 0."""
    return min(max(int(wall * 0x10000), 0), 0xFFFFFFFFFFFF) << 16


def covered(source: bytes, pdu: bytes, trailer: bytes) -> bytes:
    """The bytes that the code is computed over. `source` is packed; version and VRID are read from the PDU."""
    family = 4 if len(source) == 4 else 6
    who = bytes((family, pdu[0] >> 4, pdu[1], 0)) + source.ljust(16, b"\0")
    return who + pdu[:6] + b"\0\0" + pdu[8:] + trailer[:SIGNED_LENGTH] + _NO_CODE


def code(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA256-128 of `data`."""
    return hmac.digest(key, data, "sha256")[:CODE_LENGTH]
