"""Bytes on the network <-> values, one module a protocol.

Everything here is a pure function or an immutable value. A decoder takes any bytes whatever and either returns a value
or raises `Malformed`, never anything else: what comes off a network was written by a stranger. An encoder trusts its
caller: a value that does not fit its field raises ValueError, OverflowError or struct.error.

Addresses are packed (4 or 16 bytes, network order) on this floor, because that is what the packets hold; times are
seconds, and the centiseconds, tenths and 65536ths of the formats exist nowhere else.
"""

from __future__ import annotations


class Malformed(ValueError):
    """These bytes are not what they should be; the message says in plain words why."""
