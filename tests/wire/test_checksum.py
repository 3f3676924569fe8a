"""The checksum by arithmetic equals the checksum by the book."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hakeep.wire.checksum import checksum, filled, is_valid


def by_the_book(data: bytes) -> int:
    """RFC 1071, literally: add 16 bit words, fold the carries, complement."""
    if len(data) % 2:
        data += b"\0"
    total = 0
    for at in range(0, len(data), 2):
        total += data[at] << 8 | data[at + 1]
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


few_values = st.lists(st.sampled_from([0, 1, 0xFE, 0xFF]), max_size=12).map(bytes)


@given(st.binary(max_size=80) | few_values)
def test_equals_the_definition(data: bytes) -> None:
    assert checksum(data) == by_the_book(data)


def test_the_example_of_rfc_1071() -> None:
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2


def test_both_zeros() -> None:
    assert checksum(b"") == 0xFFFF
    assert checksum(bytes(8)) == 0xFFFF
    assert checksum(b"\xff\xff") == 0
    assert checksum(b"\xff\xff\xff\xff") == 0
    assert not is_valid(bytes(8))
    assert is_valid(b"\xff\xff")


def test_a_long_packet() -> None:
    data = bytes(range(256)) * 36 + b"\x07"
    assert checksum(data) == by_the_book(data)


@given(st.binary(min_size=2, max_size=60), st.binary(max_size=20), st.data())
def test_filled_is_valid_until_a_bit_flips(data: bytes, head: bytes, draw: st.DataObject) -> None:
    head = head[: len(head) & ~1]
    at = draw.draw(st.integers(0, (len(data) - 2) // 2)) * 2
    good = filled(data, at, head)
    assert len(good) == len(data)
    assert is_valid(head + good)
    bit = draw.draw(st.integers(0, len(good) * 8 - 1))
    spoilt = bytearray(good)
    spoilt[bit // 8] ^= 0x80 >> bit % 8
    assert not is_valid(head + bytes(spoilt))
