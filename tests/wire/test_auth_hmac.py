"""The auth_hmac trailer: a packet of keepalived 2.4.3 computed again, byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.wire import Malformed, auth_hmac
from hakeep.wire.auth_hmac import Trailer

KEY = bytes(range(32))
SOURCE = bytes((10, 9, 0, 1))
PDU = bytes.fromhex("3133640100644b690a090064")
TRAILER = bytes.fromhex("01010000" "6b00a86ab1c20000" "45902ad8fc0b5da775e1d0aa0608457b")


def test_a_real_trailer() -> None:
    trailer = auth_hmac.decode(TRAILER)
    assert trailer == Trailer(1, 0x6B00A86A_B1C2_0000, TRAILER[12:])
    assert trailer.encode() == TRAILER
    assert trailer.seconds == 0x6B00A86A
    assert auth_hmac.code(KEY, auth_hmac.covered(SOURCE, PDU, TRAILER)) == trailer.code


def test_layout_of_the_signed_bytes() -> None:
    covered = auth_hmac.covered(SOURCE, PDU, TRAILER)
    assert covered[:4] == bytes((4, 3, 51, 0))
    assert covered[4:20] == SOURCE + bytes(12)
    assert covered[20:32] == PDU[:6] + bytes(2) + PDU[8:]
    assert covered[32:] == TRAILER[:12] + bytes(16)
    six = auth_hmac.covered(bytes(range(16)), PDU, TRAILER)
    assert six[:20] == bytes((6, 3, 51, 0)) + bytes(range(16))
    assert auth_hmac.covered(SOURCE, b"\x21\x07" + PDU[2:], TRAILER)[:4] == bytes((4, 2, 7, 0))


@pytest.mark.parametrize(
    ("wall", "sequence"),
    [
        (0.0, 0),
        (-5.0, 0),
        (1.0, 1 << 32),
        (1.5, 1 << 32 | 0x8000 << 16),
        (0x6B00A86A + 0xB1C2 / 0x10000, 0x6B00A86A_B1C2_0000),
        (5e9, 0xFFFFFFFF_FFFF_0000),
    ],
)
def test_the_clock_as_a_sequence(wall: float, sequence: int) -> None:
    assert auth_hmac.sequence_at(wall) == sequence


@given(
    st.builds(
        Trailer,
        key_id=st.integers(0, 255),
        sequence=st.integers(0, 2**64 - 1),
        code=st.binary(min_size=16, max_size=16),
        type=st.integers(0, 255),
        reserved=st.integers(0, 0xFFFF),
    )
)
def test_round_trip(trailer: Trailer) -> None:
    assert auth_hmac.decode(trailer.encode()) == trailer


@given(st.binary(max_size=40))
def test_decode_raises_nothing_but_malformed(data: bytes) -> None:
    if len(data) == auth_hmac.LENGTH:
        assert auth_hmac.decode(data).encode() == data
    else:
        with pytest.raises(Malformed, match="28"):
            auth_hmac.decode(data)


def test_encode_refuses_what_does_not_fit() -> None:
    for trailer in (Trailer(256, 0), Trailer(1, 1 << 64), Trailer(1, 0, b"short")):
        with pytest.raises(ValueError, match="wrong size"):
            trailer.encode()
