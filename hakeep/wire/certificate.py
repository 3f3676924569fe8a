"""The one thing that a check wants to know of a certificate: until when it is valid (RFC 5280 section 4.1).

Python's ssl module tells that only of certificates which it has verified. A certificate begins so, in DER:

    Certificate SEQUENCE { TBSCertificate SEQUENCE {
        [0] version (optional), serial INTEGER, signature SEQUENCE, issuer SEQUENCE,
        validity SEQUENCE { notBefore Time, notAfter Time }, ...

where Time is a UTCTime (YYMMDDHHMMSSZ) or a GeneralizedTime (YYYYMMDDHHMMSSZ).
"""

from __future__ import annotations

from datetime import UTC, datetime

INTEGER, UTC_TIME, GENERALIZED_TIME, SEQUENCE, VERSION = 0x02, 0x17, 0x18, 0x30, 0xA0


class _Malformed(Exception):
    pass


def not_after(der: bytes) -> datetime | None:
    """When this certificate ends; None when these bytes are no certificate."""
    try:
        whole, _ = _take(der, SEQUENCE)
        rest, _ = _take(whole, SEQUENCE)
        if rest[:1] == bytes([VERSION]):
            _, rest = _take(rest, VERSION)
        for tag in (INTEGER, SEQUENCE, SEQUENCE):
            _, rest = _take(rest, tag)
        validity, _ = _take(rest, SEQUENCE)
        _, rest = _take(validity, validity[0] if validity else 0)
        tag = rest[0] if rest else 0
        text, _ = _take(rest, tag)
        return _time(tag, text.decode("ascii"))
    except (_Malformed, ValueError):
        return None


def _take(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """The content of the first element, which must have this tag, and what follows it."""
    if len(data) < 2 or data[0] != tag:
        raise _Malformed
    length, start = data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    if start + length > len(data):
        raise _Malformed
    return data[start : start + length], data[start + length :]


def _time(tag: int, text: str) -> datetime:
    if tag == UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != GENERALIZED_TIME:
        raise _Malformed
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
