"""As much of DNS (RFC 1035 section 4.1) as it takes to ask a question and see whether it was answered.

A query is a header of twelve bytes (id, flags, four counts) and one question: a name, a type, a class. An answer has
the same id, the bit QR, and a code; a check needs no more of it.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

HEADER = struct.Struct("!6H")
QUERY_FLAGS = 0x0100  # RD: recursion desired
IS_ANSWER = 0x8000
CLASS_IN = 1

#: The types that have a name here; others are written as numbers.
TYPES = {
    "A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "NAPTR": 35, "DS": 43,
    "RRSIG": 46, "NSEC": 47, "DNSKEY": 48, "TLSA": 52, "SVCB": 64, "HTTPS": 65, "ANY": 255, "CAA": 257,
}  # fmt: skip

#: RFC 1035 section 4.1.1 and the IANA registry.
CODES = {
    0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN", 7: "YXRRSET",
    8: "NXRRSET", 9: "NOTAUTH", 10: "NOTZONE"}


class Answer(NamedTuple):
    """What a check looks at. `code` is the RCODE, 0 to 15; `truncated`: the rest would have to be asked for by TCP."""

    id: int
    code: int
    truncated: bool

    @property
    def code_name(self) -> str:
        """Such as NXDOMAIN."""
        return CODES.get(self.code, f"code {self.code}")


def type_number(name: str) -> int:
    """The number of a type by its name or as digits. Raises ValueError when it is neither."""
    number = TYPES.get(name.upper())
    if number is None:
        digits = name.upper().removeprefix("TYPE")
        number = int(digits) if digits.isascii() and digits.isdecimal() else 0
        if not 0 < number < 0x10000:
            raise ValueError(f"there is no DNS type {name}")
    return number


def encode_name(name: str) -> bytes:
    """A domain name, with or without its last dot; "." is the root. Raises ValueError when it cannot be one."""
    labels = [label.encode() for label in name.removesuffix(".").split(".")] if name not in ("", ".") else []
    if not all(0 < len(label) < 64 for label in labels):
        raise ValueError(f"{name!r} has a label that is empty or longer than 63 bytes")
    encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    if len(encoded) > 255:
        raise ValueError(f"{name!r} is longer than 255 bytes")
    return encoded


def encode_query(id: int, name: str, type: str) -> bytes:
    """A question with recursion desired. Raises ValueError for a bad name or type."""
    question = encode_name(name) + struct.pack("!2H", type_number(type), CLASS_IN)
    return HEADER.pack(id, QUERY_FLAGS, 1, 0, 0, 0) + question


def decode_answer(data: bytes) -> Answer | None:
    """The header of an answer; None when these bytes are none."""
    if len(data) < HEADER.size:
        return None
    id, flags, *_ = HEADER.unpack_from(data)
    return Answer(id, flags & 0x000F, bool(flags & 0x0200)) if flags & IS_ANSWER else None
