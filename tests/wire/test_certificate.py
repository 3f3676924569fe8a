"""When certificates end."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.wire.certificate import not_after


def element(tag: int, content: bytes) -> bytes:
    """DER."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    return bytes([tag, 0x82]) + size.to_bytes(2, "big") + content


def made(times: bytes, *, version: bytes = element(0xA0, b"\x02\x01\x02")) -> bytes:
    """A certificate as far as it matters."""
    serial, sequence = element(2, b"\1" * 20), element(0x30, b"x" * 200)
    return element(0x30, element(0x30, version + serial + sequence * 2 + element(0x30, times) + sequence) + sequence)


BEFORE = element(0x17, b"200101000000Z")


@pytest.mark.parametrize(("after", "expected"), [
    (element(0x17, b"261121050000Z"), datetime(2026, 11, 21, 5, tzinfo=UTC)),
    (element(0x17, b"491231235959Z"), datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
    (element(0x17, b"500101000000Z"), datetime(1950, 1, 1, tzinfo=UTC)),
    (element(0x18, b"99991231235959Z"), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    (element(0x17, b"269921050000Z"), None),
    (element(0x17, b""), None),
    (element(0x17, b"\xff" * 13), None),
    (element(0x04, b"261121050000Z"), None),
    (b"", None),
])
def test_times(after: bytes, expected: datetime | None) -> None:
    assert not_after(made(BEFORE + after)) == expected
    assert not_after(made(BEFORE + after, version=b"")) == expected


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    not_after(data)


@given(st.data())
def test_damaged(data: st.DataObject) -> None:
    whole = made(BEFORE + element(0x17, b"261121050000Z"))
    at = data.draw(st.integers(0, len(whole) - 1))
    not_after(whole[:at])
    not_after(whole[:at] + data.draw(st.binary(min_size=1, max_size=1)) + whole[at + 1 :])


def test_a_real_one(tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("the program openssl is not installed")
    file = tmp_path / "c.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "9",
         "-subj", "/CN=x", "-keyout", tmp_path / "k.pem", "-out", file], check=True, capture_output=True)  # fmt: skip
    ends = not_after(ssl.PEM_cert_to_DER_cert(file.read_text()))
    assert ends is not None
    assert abs(ends - datetime.now(UTC) - timedelta(days=9)) < timedelta(minutes=5)
