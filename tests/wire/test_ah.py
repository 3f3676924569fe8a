"""AH: a frame of keepalived computed again, and the library's HMAC as an oracle."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.wire import Malformed, ah

#: From 10.9.0.1 to the group, first sequence, password "secret".
MULTICAST = bytes.fromhex(
    "45c0004000010000ff33d0ad0a090001e0000012"
    "700400000a0900010000000134e23a8c5e068820eaa8cc1f"
    "2133640102016e5d0a0900640000000000000000"
)
KEY = b"secret\0\0"


def test_a_real_frame() -> None:
    header = ah.decode(MULTICAST[20:])
    assert header == ah.AuthenticationHeader(bytes((10, 9, 0, 1)), 1, bytes.fromhex("34e23a8c5e068820eaa8cc1f"))
    assert header.encode() == MULTICAST[20:44]
    assert ah.icv(KEY, ah.covered(MULTICAST, 20, unicast=False)) == header.icv


@pytest.mark.parametrize("sequence", [0, 1, 0xFFFFFFFF])
def test_nothing_behind_it_is_needed(sequence: int) -> None:
    header = ah.AuthenticationHeader(bytes((10, 9, 0, 1)), sequence)
    assert ah.decode(header.encode()) == header


def test_what_routers_may_change_is_not_covered() -> None:
    for at in (1, 6, 7, 10, 11, *range(32, 44)):
        changed = MULTICAST[:at] + bytes((MULTICAST[at] ^ 0xFF,)) + MULTICAST[at + 1 :]
        assert ah.covered(changed, 20, False) == ah.covered(MULTICAST, 20, False)
    for at in (0, 2, 4, 9, 12, 16, 20, 22, 24, 28, 44, 63):
        changed = MULTICAST[:at] + bytes((MULTICAST[at] ^ 0xFF,)) + MULTICAST[at + 1 :]
        assert ah.covered(changed, 20, False) != ah.covered(MULTICAST, 20, False)


def test_the_ttl_counts_in_multicast_only() -> None:
    routed = MULTICAST[:8] + b"\x40" + MULTICAST[9:]
    assert ah.covered(routed, 20, unicast=True) == ah.covered(MULTICAST, 20, unicast=True)
    assert ah.covered(routed, 20, unicast=False) != ah.covered(MULTICAST, 20, unicast=False)


@given(st.binary(max_size=64), st.binary(max_size=200))
def test_icv_is_hmac_md5(key: bytes, data: bytes) -> None:
    assert ah.icv(key, data) == hmac.new(key, data, hashlib.md5).digest()[:12]


@given(st.binary(max_size=40))
def test_decode_raises_nothing_but_malformed(data: bytes) -> None:
    try:
        header = ah.decode(data)
    except Malformed:
        return
    assert data.startswith(header.encode())


@pytest.mark.parametrize(
    ("data", "why"), [(MULTICAST[20:43], "too short"), (b"\x70\x05" + MULTICAST[22:], "length 5")]
)
def test_refusals(data: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        ah.decode(data)


def test_encode_refuses_what_does_not_fit() -> None:
    for header in (
        ah.AuthenticationHeader(b"abc", 1),
        ah.AuthenticationHeader(bytes(4), 1 << 32),
        ah.AuthenticationHeader(bytes(4), 1, b"short"),
    ):
        with pytest.raises(ValueError, match="wrong size"):
            header.encode()
