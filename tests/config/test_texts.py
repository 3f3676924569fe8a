"""Texts with escapes, headers and JSON paths: what can be written, and what is refused with which words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.config.values.texts import Header, JsonPath, Text
from hakeep.config.values.value import Invalid, Value

TEXT, HEADER = Text(), Header(optional=True, example="A b")


@pytest.mark.parametrize(("written", "value"), [
    ("PING", b"PING"), (r'"a b\r\n"', b"a b\r\n"), (r"\t\\\x00\xfF", b"\t\\\0\xff"), ('"é"', "é".encode()),
    (r"\\n", rb"\n"), ('"#!{}"', b"#!{}"), ('""', b""),
])
def test_texts(written: str, value: bytes) -> None:
    assert TEXT.read(written) == value


@given(st.binary(max_size=60))
def test_every_text_can_be_written(value: bytes) -> None:
    assert TEXT.read(TEXT.render(value)) == value
    assert TEXT.from_plain(TEXT.to_plain(value)) == value


def test_texts_are_written_so_that_people_can_read_them() -> None:
    assert TEXT.render('say "é" for $1\r\n\x00'.encode()) == r'"say \x22é\x22 for \x241\r\n\x00"'


@pytest.mark.parametrize(("kind", "written", "message"), [
    (TEXT, r'"a\q"', "no escape"), (TEXT, r'"\x4"', "no escape"), (TEXT, '"a\\x"', "no escape"),
    (HEADER, "Host: x", "not a name of a header"), (HEADER, '"a b" c', "not a name of a header"),
    (Header(example="A b"), "Host", "missing"),
    (JsonPath(), "status ok", "no path"), (JsonPath(), ".a..b ok", "no path"), (JsonPath(), ".a[b] ok", "no path"),
    (JsonPath(), ".a", "missing"),
])
def test_what_is_refused(kind: Value[Any], written: str, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        kind.read(written)


def test_fixes() -> None:
    for kind, written, fix in ((HEADER, "Host: x", "write Host"), (JsonPath(), "status.a ok", "write .status.a")):
        with pytest.raises(Invalid) as caught:
            kind.parse(written.split(), lambda complaint: None)
        assert caught.value.complaint.fix == fix


@pytest.mark.parametrize(("kind", "plain"), [
    (HEADER, ["Host:", "x"]), (HEADER, ["A", "b", "c"]), (HEADER, []), (JsonPath(), [".a"]), (TEXT, 7), (TEXT, r"\q"),
    (HEADER, ["A", "b\r\nC: d"]),
])
def test_plain_data_is_judged_too(kind: Value[Any], plain: Any) -> None:
    with pytest.raises(Invalid):
        kind.from_plain(plain)
