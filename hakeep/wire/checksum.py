"""The Internet checksum (RFC 1071): the ones' complement of the ones' complement sum of all 16 bit words.

Adding with end-around carry is arithmetic modulo 65535, because 65536 leaves a remainder of 1. So the sum of the words
of a packet is the packet, read as one big number, modulo 65535: one C call instead of a loop. The one ambiguity is
that ones' complement has two zeros: a sum is 0 only when every word is, otherwise it is written 0xFFFF.
"""

from __future__ import annotations


def checksum(data: bytes) -> int:
    """The checksum of these bytes, whose own checksum field must be zero. An odd last byte is padded with zero."""
    number = int.from_bytes(data, "big")
    if len(data) & 1:
        number <<= 8
    if not number:
        return 0xFFFF
    return 0xFFFF - (number % 0xFFFF or 0xFFFF)


def is_valid(data: bytes) -> bool:
    """True when these bytes, checksum field included, add up.

    An odd number of them needs no padding here: 256 and 65535 have no common factor, so a zero byte changes nothing.
    """
    number = int.from_bytes(data, "big")
    return number != 0 and number % 0xFFFF == 0


def filled(data: bytes, at: int, pseudo_header: bytes = b"") -> bytes:
    """`data` with the two bytes at `at` replaced by the checksum over `pseudo_header` (even length) and `data`."""
    before, after = data[:at], data[at + 2 :]
    value = checksum(pseudo_header + before + b"\0\0" + after)
    return before + value.to_bytes(2, "big") + after
