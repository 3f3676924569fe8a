"""DNS questions and the heads of answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.wire.dns import Answer, decode_answer, encode_name, encode_query, type_number


@pytest.mark.parametrize(("id", "name", "type", "expected"), [
    (0x03C9, ".", "SOA", "03c9010000010000000000000000060001"),
    (0xFE21, "www.example.com", "AAAA", "fe210100000100000000000003777777076578616d706c6503636f6d00001c0001"),
    (0, "a.", "type257", "0000010000010000000000000161000101" "0001"),
])
def test_queries_of_a_real_keepalived(id: int, name: str, type: str, expected: str) -> None:
    assert encode_query(id, name, type).hex() == expected


@pytest.mark.parametrize(("data", "expected"), [
    ("03c981800001000000000000", Answer(0x03C9, 0, False)),
    ("03c983830001000000000000", Answer(0x03C9, 3, True)),
    ("03c901000001000000000000", None),
    ("03c9818000010000000000", None),
    ("", None),
])
def test_answers(data: str, expected: Answer | None) -> None:
    assert decode_answer(bytes.fromhex(data)) == expected


def test_names_of_codes() -> None:
    assert [Answer(1, code, False).code_name for code in (0, 3, 15)] == ["NOERROR", "NXDOMAIN", "code 15"]


@pytest.mark.parametrize("name", ["a..b", ".a", "x" * 64, "x." * 127 + "xx"])
def test_bad_names(name: str) -> None:
    with pytest.raises(ValueError, match="byte"):
        encode_name(name)


def test_the_longest_name() -> None:
    assert len(encode_name("x." * 127)) == 255


@pytest.mark.parametrize("name", ["", "0", "65536", "X", "TYPE", "-1", "١"])
def test_bad_types(name: str) -> None:
    with pytest.raises(ValueError, match="no DNS type"):
        type_number(name)


@given(st.binary(max_size=40))
def test_any_bytes(data: bytes) -> None:
    answer = decode_answer(data)
    assert (answer is not None) == (len(data) >= 12 and data[2] >= 0x80)
