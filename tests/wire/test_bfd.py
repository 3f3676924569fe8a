"""The BFD control packet: against scapy, against keepalived's own packets, and against every kind of damage."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.contrib.bfd import BFD

from hakeep.wire import Malformed
from hakeep.wire.bfd import LENGTH, REFUSALS, Diagnostic, Packet, Refusal, State, decode

CAPTURES = Path(__file__).resolve().parents[3] / "shared" / "keepalived" / "captures"

GOOD = Packet(State.UP, 3, 0x1F71E966, 0x2A0B0C0D, 0.2, 0.3, Diagnostic.NONE, poll=True)
GOOD_BYTES = bytes.fromhex("20 e0 03 18 1f71e966 2a0b0c0d 00030d40 000493e0 00000000")

numbers = st.integers(1, 2**32 - 1)
intervals = st.integers(0, 2**32 - 1).map(lambda microseconds: microseconds / 1_000_000)


@st.composite
def packets(draw: st.DrawFn) -> Packet:
    state = draw(st.sampled_from(State))
    poll, final = draw(st.sampled_from([(False, False), (True, False), (False, True)]))
    return Packet(
        state, draw(st.integers(1, 255)), draw(numbers), draw(numbers if state >= State.INIT else numbers | st.just(0)),
        draw(intervals), draw(intervals), draw(st.sampled_from(Diagnostic)), poll, final, draw(st.booleans()),
        draw(st.booleans()), draw(intervals))


@given(packets())
def test_what_is_encoded_is_decoded(packet: Packet) -> None:
    assert decode(packet.encode()) == packet


@given(packets())
def test_scapy_reads_the_same(packet: Packet) -> None:
    theirs = BFD(packet.encode())
    flags = "".join(letter for letter, on in (
        ("P", packet.poll), ("F", packet.final), ("C", packet.control_plane_independent), ("D", packet.demand)) if on)
    assert (theirs.version, theirs.diag, theirs.sta, set(str(theirs.flags))) == (
        1, packet.diagnostic, packet.state, set(flags))
    assert (theirs.detect_mult, theirs.len) == (packet.multiplier, LENGTH)
    assert (theirs.my_discriminator, theirs.your_discriminator) == (packet.my_discriminator, packet.your_discriminator)
    assert (theirs.min_tx_interval, theirs.min_rx_interval, theirs.echo_rx_interval) == tuple(
        round(seconds * 1e6)
        for seconds in (packet.desired_min_tx, packet.required_min_rx, packet.required_min_echo_rx))


@given(st.binary(max_size=60) | st.binary(min_size=24, max_size=24).map(lambda tail: b"\x20\xc0\x03\x18" + tail[4:]))
def test_any_bytes_are_a_packet_or_a_refusal(data: bytes) -> None:
    try:
        packet = decode(data)
    except Malformed as problem:
        assert isinstance(problem, Refusal)
        assert problem.counter in REFUSALS
        assert str(problem)
    else:
        assert packet.encode() == data[:LENGTH]


def test_a_packet_written_by_hand() -> None:
    assert GOOD.encode() == GOOD_BYTES
    assert decode(GOOD_BYTES) == GOOD
    assert decode(GOOD_BYTES + bytes(40)) == GOOD, "padding of RFC 9764"


DAMAGE = {
    "length": [
        b"", GOOD_BYTES[:23], GOOD_BYTES[:3] + b"\x17" + GOOD_BYTES[4:], GOOD_BYTES[:3] + b"\x19" + GOOD_BYTES[4:],
        GOOD_BYTES[:3] + b"\x19" + GOOD_BYTES[4:] + b"\0", GOOD_BYTES + b"\1"],
    "version": [b"\0" + GOOD_BYTES[1:], b"\x40" + GOOD_BYTES[1:], b"\xe0" + GOOD_BYTES[1:]],
    "multiplier": [GOOD_BYTES[:2] + b"\0" + GOOD_BYTES[3:]],
    "multipoint": [GOOD_BYTES[:1] + b"\xe1" + GOOD_BYTES[2:]],
    "authentication": [
        GOOD_BYTES[:1] + b"\xe4" + GOOD_BYTES[2:],
        GOOD_BYTES[:1] + b"\xe4\x03\x1d" + GOOD_BYTES[4:] + b"\1\5\1ab"],  # a password
    "my_discriminator": [GOOD_BYTES[:4] + bytes(4) + GOOD_BYTES[8:]],
    "your_discriminator": [
        GOOD_BYTES[:8] + bytes(4) + GOOD_BYTES[12:], GOOD_BYTES[:1] + b"\x80" + GOOD_BYTES[2:8] + bytes(4)
        + GOOD_BYTES[12:]],
    "poll_and_final": [GOOD_BYTES[:1] + b"\xf0" + GOOD_BYTES[2:]],
    "diagnostic": [b"\x29" + GOOD_BYTES[1:], b"\x3f" + GOOD_BYTES[1:]],
}


def test_there_is_damage_of_every_kind() -> None:
    assert set(DAMAGE) == set(REFUSALS)


@pytest.mark.parametrize(("kind", "data"), [(kind, data) for kind, all_of_it in DAMAGE.items() for data in all_of_it])
def test_damage_is_called_by_its_name(kind: str, data: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        decode(data)
    assert refused.value.counter == kind


@pytest.mark.parametrize("state", [State.DOWN, State.ADMIN_DOWN])
def test_who_is_down_need_not_know_our_number(state: State) -> None:
    packet = GOOD._replace(state=state, your_discriminator=0, poll=False)
    assert decode(packet.encode()) == packet


LINE = re.compile(r"# +\d+ +\S+ BFD6? .* state(\d) flags(\w\w) mult\d+ my(\w{8}) your\w{8} tx(\d+) rx\d+")


@pytest.mark.parametrize("name", ["bfd", "k24_bfd6"])
def test_packets_of_keepalived(name: str) -> None:
    path = CAPTURES / f"{name}.hex"
    if not path.exists():
        pytest.skip("the recordings of keepalived are not on this machine")
    text = path.read_text()
    told = [match.groups() for match in map(LINE.match, text.splitlines()) if match]
    assert len(told) > 20
    frames = re.split(r"^# frame .*$", text, flags=re.MULTILINE)[1:]
    rows = re.compile(r"^[0-9a-f]{4}  ([0-9a-f ]+)$", re.MULTILINE)
    wire = [bytes.fromhex("".join(rows.findall(frame))) for frame in frames]
    payloads = {frame[-LENGTH:] for frame in wire if len(frame) >= 66}
    assert payloads, "no frame was found in the recording"
    seen = set()
    for data in payloads:
        packet = decode(data)
        assert packet.encode() == data
        seen.add((packet.state, packet.poll, packet.final, packet.my_discriminator, packet.desired_min_tx))
    for state, flags, mine, tx in told:
        bits = int(flags, 16)
        assert (int(state), bool(bits & 0x20), bool(bits & 0x10), int(mine, 16), int(tx) / 1e6) in seen
