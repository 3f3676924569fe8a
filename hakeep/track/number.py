"""The number that a track_file begins with, read as strtol(3) does with base 0.

Blanks, a sign, then ``0x`` and hexadecimal digits, ``0`` and octal digits, or decimal digits; whatever follows does not
matter. No digits at all are 0. A file that is empty or blank says nothing, one that begins with something else says
what nobody understands.
"""

from __future__ import annotations

import re

#: So many bytes of a file are looked at.
LENGTH = 127

_NUMBER = re.compile(rb"[ \t\n\v\f\r]*([+-]?)(?:0[xX]([0-9a-fA-F]+)|0([0-7]*)|([1-9][0-9]*))")


def leading_number(data: bytes) -> int | None:
    """The number; None when it needs more than 32 bits, and the one before it stays in force."""
    found = _NUMBER.match(data[:LENGTH])
    if found is None:
        return 0
    sign, hexadecimal, octal, decimal = found.groups()
    if hexadecimal is not None:
        size = int(hexadecimal, 16)
    elif octal is not None:
        size = int(octal or b"0", 8)
    else:
        size = int(decimal)
    value = -size if sign == b"-" else size
    return value if -(2**31) <= value < 2**31 else None


def is_gibberish(data: bytes) -> bool:
    """It begins with something, and that is no number."""
    return bool(data[:LENGTH].strip()) and _NUMBER.match(data[:LENGTH]) is None
