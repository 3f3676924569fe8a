"""AH and auth_hmac: what is signed verifies, and what is replayed, stale, tampered with or unknown does not."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.config.settled import HmacAuth, Peer, VrrpInstance
from hakeep.vrrp.authentication import LAST_AH_SEQUENCE, MULTICAST_MARKS, Ah, AuthMemory, Discard, Hmac, Proof
from hakeep.wire import auth_hmac, ip, vrrp

SETTINGS = VrrpInstance("V1", 51, "eth1", auth_type="AH", auth_pass=b"secret")
SOURCE = IPv4Address("10.9.0.1").packed
GROUP = IPv4Address("224.0.0.18").packed
PDU = vrrp.sealed(vrrp.Pdu(2, 51, 100, 1.0, (bytes((10, 9, 0, 100)),), vrrp.AUTH_AH, bytes(8)).encode())
HEADER = ip.IPv4Header(SOURCE, GROUP, ip.AH, 20 + 24 + len(PDU), 1).encode()

WALL = 1_700_000_000.0
KEY1, KEY2 = bytes(range(32)), bytes(range(100, 148))
AUTH = HmacAuth(((1, KEY1), (2, KEY2)), 1, 5)


# ------------------------------------------------------------------------------------------------------------- AH


def test_ah_each_packet_counts_on_for_both_directions() -> None:
    ours, theirs = AuthMemory(), AuthMemory()
    a, b = Ah(SETTINGS, ours), Ah(SETTINGS, theirs)
    assert a.next_sequence() == 1
    assert b.verify(a.sign(HEADER, PDU, 1), 20) is None
    assert theirs.ah_sequence == 1
    assert b.next_sequence() == 2
    assert a.verify(b.sign(HEADER, PDU, 2), 20) is None
    assert ours.ah_sequence == 2


def test_ah_is_what_keepalived_sends() -> None:
    signed = Ah(SETTINGS, AuthMemory()).sign(HEADER, PDU, 1)
    assert signed[20:44].hex() == "700400000a0900010000000134e23a8c5e068820eaa8cc1f"
    assert signed[44:] == PDU


@pytest.mark.parametrize("last", [7, 8, 0xFFFFFFFF])
def test_ah_refuses_old_sequences(last: int) -> None:
    memory = AuthMemory(ah_sequence=last)
    verdict = Ah(SETTINGS, memory).verify(Ah(SETTINGS, AuthMemory()).sign(HEADER, PDU, 7), 20)
    assert verdict is not None
    assert verdict.counter == "auth_failure"
    assert "AH sequence 7" in verdict.reason
    assert memory.ah_sequence == last


def test_ah_refuses_a_foreign_spi() -> None:
    signed = Ah(SETTINGS, AuthMemory()).sign(HEADER, PDU, 7)
    forged = signed[:12] + bytes((10, 9, 0, 9)) + signed[16:]
    verdict = Ah(SETTINGS, AuthMemory()).verify(forged, 20)
    assert verdict is not None
    assert "SPI" in verdict.reason


@given(st.integers(0, 8 * (44 + len(PDU)) - 1))
def test_ah_notices_every_bit_that_routers_must_not_change(bit: int) -> None:
    signed = bytearray(Ah(SETTINGS, AuthMemory()).sign(HEADER, PDU, 7))
    signed[bit // 8] ^= 0x80 >> bit % 8
    memory = AuthMemory()
    verdict = Ah(SETTINGS, memory).verify(bytes(signed), 20) if bit // 8 != 21 else Discard("auth_failure", "")
    if bit // 8 in (1, 6, 7, 10, 11):
        assert verdict is None
    else:
        assert verdict is not None
        assert verdict.counter == "auth_failure"
        assert memory.ah_sequence == 0


def test_ah_ttl_is_covered_in_multicast_and_not_in_unicast() -> None:
    unicast = replace(SETTINGS, multicast=None)
    for settings, refused in ((SETTINGS, True), (unicast, False)):
        signed = Ah(settings, AuthMemory()).sign(HEADER, PDU, 1)
        routed = signed[:8] + b"\x3f" + signed[9:]
        assert (Ah(settings, AuthMemory()).verify(routed, 20) is not None) is refused


@pytest.mark.parametrize(("password", "as_good_as"), [(b"1234abcdXYZ", b"1234abcd"), (b"ab", b"ab\0\0\0\0\0\0")])
def test_ah_password_is_cut_or_padded(password: bytes, as_good_as: bytes) -> None:
    a, b = replace(SETTINGS, auth_pass=password), replace(SETTINGS, auth_pass=as_good_as)
    assert Ah(b, AuthMemory()).verify(Ah(a, AuthMemory()).sign(HEADER, PDU, 1), 20) is None


def test_ah_runs_out_and_begins_again_after_leaving_master() -> None:
    memory = AuthMemory(ah_sequence=LAST_AH_SEQUENCE - 1)
    ah = Ah(SETTINGS, memory)
    assert not ah.exhausted
    assert ah.next_sequence() == 0xFFFFFFFD
    assert ah.exhausted
    memory.restart_ah_sequence()
    assert not ah.exhausted
    assert ah.next_sequence() == 1
    memory.restart_ah_sequence()
    assert memory.ah_sequence == 1, "only an exhausted counter restarts"


def test_a_restarted_ah_master_catches_up_with_those_it_outranks() -> None:
    others = AuthMemory(ah_sequence=100)
    restarted = AuthMemory()
    owner, backup = Ah(SETTINGS, restarted), Ah(SETTINGS, others)
    assert backup.verify(owner.sign(HEADER, PDU, owner.next_sequence()), 20) is not None
    assert owner.verify(backup.sign(HEADER, PDU, backup.next_sequence()), 20) is None
    restarted.skip_ah_sequence()
    assert owner.next_sequence() == 103
    assert backup.verify(owner.sign(HEADER, PDU, 103), 20) is None


# ------------------------------------------------------------------------------------------------------ auth_hmac


def hmac(memory: AuthMemory | None = None, unicast: tuple[str, ...] = (), **changes: object) -> Hmac:
    auth = replace(AUTH, **changes)  # type: ignore[arg-type]
    peers = tuple(Peer(ip_address(text)) for text in unicast)
    settings = replace(SETTINGS, auth_type="", auth_hmac=auth, peers=peers)
    if peers:
        settings = replace(settings, multicast=None)
    return Hmac(settings, auth, memory or AuthMemory())


def verdict(of: Hmac, trailer: bytes, wall: float = WALL, source: bytes = SOURCE) -> str:
    """The counter of the refusal, or "" for a packet that is accepted (and remembered)."""
    outcome = of.verify(source, PDU, trailer, wall)
    if isinstance(outcome, Discard):
        return outcome.counter
    of.accept(outcome)
    return ""


def test_hmac_signed_is_verified() -> None:
    trailer = hmac().sign(SOURCE, PDU, WALL)
    proof = hmac().verify(SOURCE, PDU, trailer, WALL + 1)
    assert proof == Proof(SOURCE, int(WALL) << 32, skewed=False)


def test_hmac_clock_gives_fresh_values_and_the_counter_helps_out() -> None:
    sender = hmac()
    sequences = [auth_hmac.decode(sender.sign(SOURCE, PDU, wall)).sequence for wall in (WALL, WALL, WALL, WALL + 1)]
    start = int(WALL) << 32
    assert sequences == [start, start + 1, start + 2, start + (1 << 32)]


@given(st.lists(st.floats(0, 4e9), min_size=2, max_size=20))
def test_hmac_monotonic_sequences_always_grow(walls: list[float]) -> None:
    sender = hmac(anti_replay="monotonic")
    sequences = [auth_hmac.decode(sender.sign(SOURCE, PDU, wall)).sequence for wall in walls]
    assert all(later > earlier for earlier, later in pairwise(sequences))


def test_hmac_sequence_when_the_clock_is_set_back() -> None:
    """Within the window it goes on counting; beyond it, time mode begins afresh or all would call it stale."""
    for mode, back, expected in (
        ("time", 5, int(WALL) << 32 | 1),
        ("time", 6, int(WALL) - 6 << 32),
        ("monotonic", 6, int(WALL) << 32 | 1),
    ):
        sender = hmac(anti_replay=mode)
        sender.sign(SOURCE, PDU, WALL)
        assert auth_hmac.decode(sender.sign(SOURCE, PDU, WALL - back)).sequence == expected


def test_hmac_replay() -> None:
    sender, receiver = hmac(), hmac()
    first, second = sender.sign(SOURCE, PDU, WALL), sender.sign(SOURCE, PDU, WALL)
    assert verdict(receiver, second) == ""
    assert verdict(receiver, second) == "auth_ext_replay"
    assert verdict(receiver, first) == "auth_ext_replay"
    assert verdict(receiver, sender.sign(SOURCE, PDU, WALL)) == ""


def test_hmac_verify_alone_uses_nothing_up() -> None:
    memory = AuthMemory()
    receiver, trailer = hmac(memory), hmac().sign(SOURCE, PDU, WALL)
    assert isinstance(receiver.verify(SOURCE, PDU, trailer, WALL), Proof)
    assert memory.hmac_marks == {}
    assert isinstance(receiver.verify(SOURCE, PDU, trailer, WALL), Proof)


@pytest.mark.parametrize(
    ("late", "expected"), [(0, ""), (5, ""), (5.9, ""), (6, "auth_ext_stale"), (-5, ""), (-6, "auth_ext_stale")]
)
def test_hmac_window(late: float, expected: str) -> None:
    trailer = hmac().sign(SOURCE, PDU, WALL)
    assert verdict(hmac(), trailer, WALL + late) == expected
    assert verdict(hmac(anti_replay="monotonic"), trailer, WALL + late) == ""


@pytest.mark.parametrize(("late", "skewed"), [(0, False), (2, False), (3, True), (-2, False), (-3, True)])
def test_hmac_skew_is_noticed(late: int, skewed: bool) -> None:
    trailer = hmac().sign(SOURCE, PDU, WALL)
    proof = hmac().verify(SOURCE, PDU, trailer, WALL + late)
    assert isinstance(proof, Proof)
    assert proof.skewed is skewed
    timeless = hmac(anti_replay="monotonic").verify(SOURCE, PDU, trailer, WALL + late)
    assert isinstance(timeless, Proof)
    assert not timeless.skewed


@pytest.mark.parametrize(("late", "skewed"), [(2, False), (3, True)])
def test_hmac_half_of_an_even_window_is_no_skew(late: int, skewed: bool) -> None:
    proof = hmac(time_window=4).verify(SOURCE, PDU, hmac().sign(SOURCE, PDU, WALL), WALL + late)
    assert isinstance(proof, Proof)
    assert proof.skewed is skewed


def test_hmac_key_rotation() -> None:
    old, both, new = ((1, KEY1),), ((1, KEY1), (2, KEY2)), ((2, KEY2),)
    by_new = hmac(keys=new, active_key=2).sign(SOURCE, PDU, WALL)
    by_old = hmac(keys=old).sign(SOURCE, PDU, WALL)
    assert verdict(hmac(keys=both), by_new) == ""
    assert verdict(hmac(keys=both, active_key=2), by_old) == ""
    assert verdict(hmac(keys=old), by_new) == "auth_ext_unknown_key"
    assert verdict(hmac(keys=((1, KEY2),)), by_old) == "auth_ext_invalid_hmac"


def test_hmac_order_of_the_checks() -> None:
    """Everything is wrong with it; what is repaired uncovers the next refusal."""
    sender, memory = hmac(), AuthMemory()
    receiver = hmac(memory)
    good = auth_hmac.decode(sender.sign(SOURCE, PDU, WALL))
    memory.hmac_marks[SOURCE] = good.sequence
    trailer = good._replace(type=7, key_id=9, sequence=good.sequence + (6 << 32), reserved=1)
    assert verdict(receiver, trailer.encode()) == "auth_ext_malformed"
    trailer = trailer._replace(type=1)
    assert verdict(receiver, trailer.encode()) == "auth_ext_malformed"
    trailer = trailer._replace(reserved=0)
    assert verdict(receiver, trailer.encode()) == "auth_ext_stale"
    trailer = trailer._replace(sequence=good.sequence)
    assert verdict(receiver, trailer.encode()) == "auth_ext_unknown_key"
    trailer = trailer._replace(key_id=2)
    assert verdict(receiver, trailer.encode()) == "auth_ext_invalid_hmac"
    assert verdict(receiver, good.encode()) == "auth_ext_replay"
    assert verdict(receiver, good.encode()[:-1]) == "auth_ext_malformed"


@given(st.integers(0, (len(PDU) + 28) * 8 - 1))
def test_hmac_notices_every_bit_but_the_checksum(bit: int) -> None:
    packet = bytearray(PDU + hmac().sign(SOURCE, PDU, WALL))
    packet[bit // 8] ^= 0x80 >> bit % 8
    outcome = hmac().verify(SOURCE, bytes(packet[: len(PDU)]), bytes(packet[len(PDU) :]), WALL)
    assert isinstance(outcome, Proof) == (bit // 8 in (6, 7))


def test_hmac_source_is_covered() -> None:
    trailer = hmac().sign(SOURCE, PDU, WALL)
    assert verdict(hmac(), trailer, source=bytes((10, 9, 0, 2))) == "auth_ext_invalid_hmac"
    assert verdict(hmac(), trailer, source=SOURCE + bytes(12)) == "auth_ext_invalid_hmac"


def test_hmac_unicast_senders_must_be_peers() -> None:
    trailer = hmac().sign(SOURCE, PDU, WALL)
    assert verdict(hmac(unicast=("10.9.0.9",)), trailer) == "unknown_source"
    assert verdict(hmac(unicast=("10.9.0.9", "10.9.0.1")), trailer) == ""


def test_hmac_multicast_marks_are_few_and_the_least_recently_heard_goes() -> None:
    assert MULTICAST_MARKS == 4
    memory = AuthMemory()
    receiver = hmac(memory)
    sources = [bytes((10, 9, 0, last)) for last in range(1, MULTICAST_MARKS + 2)]
    trailers = {source: hmac().sign(source, PDU, WALL) for source in sources}
    for source in sources[:MULTICAST_MARKS]:
        assert verdict(receiver, trailers[source], source=source) == ""
    assert verdict(receiver, hmac().sign(sources[0], PDU, WALL + 1), source=sources[0]) == ""
    assert verdict(receiver, trailers[sources[-1]], source=sources[-1]) == ""
    assert list(memory.hmac_marks) == [*sources[2:MULTICAST_MARKS], sources[0], sources[-1]]
    assert verdict(receiver, trailers[sources[0]], source=sources[0]) == "auth_ext_replay"


def test_hmac_unicast_marks_are_one_for_each_peer() -> None:
    texts = [f"10.9.0.{last}" for last in range(1, 21)]
    memory = AuthMemory()
    receiver = hmac(memory, unicast=tuple(texts))
    for text in texts:
        source = ip_address(text).packed
        assert verdict(receiver, hmac().sign(source, PDU, WALL), source=source) == ""
    assert len(memory.hmac_marks) == 20


@pytest.mark.parametrize(("mode", "expected"), [("time", ""), ("monotonic", "auth_ext_replay")])
def test_hmac_a_mark_does_not_outlive_the_clock_it_was_made_by(mode: str, expected: str) -> None:
    """All clocks were an hour ahead and are set right: senders begin afresh, so their marks must not stand."""
    ahead = AuthMemory(hmac_marks={SOURCE: int(WALL) + 3600 << 32})
    assert verdict(hmac(ahead, anti_replay=mode), hmac().sign(SOURCE, PDU, WALL)) == expected


@pytest.mark.parametrize("mode", ["time", "monotonic"])
def test_hmac_a_mark_stands_through_the_window(mode: str) -> None:
    trailer = hmac().sign(SOURCE, PDU, WALL)
    for wall in (WALL - 5, WALL, WALL + 5):
        memory = AuthMemory(hmac_marks={SOURCE: int(WALL) << 32})
        assert verdict(hmac(memory, anti_replay=mode), trailer, wall) == "auth_ext_replay"


@pytest.mark.parametrize(("mode", "required"), [("enforce", True), ("permissive", False), ("receive-only", False)])
def test_hmac_modes(mode: str, required: bool) -> None:
    assert hmac(mode=mode).required is required


# --------------------------------------------------------------------------------------------------------- memory


@given(
    st.builds(
        AuthMemory,
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**64 - 1),
        st.dictionaries(st.binary(min_size=4, max_size=4), st.integers(0, 2**64 - 1), max_size=6),
        st.booleans(),
    )
)
def test_memory_survives_being_written_down(memory: AuthMemory) -> None:
    again = AuthMemory.from_dict(json.loads(json.dumps(memory.as_dict())))
    assert again == memory
    assert list(again.hmac_marks) == list(memory.hmac_marks), "the order is who was heard least recently"


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"ah_sequence": "7", "hmac_last_sent": None, "hmac_marks": 3, "old_unicast_checksum": "yes"},
        {"ah_sequence": -1, "hmac_last_sent": 1 << 64, "hmac_marks": [[], [1, 2], ["zz", 3], None, ["0a"]]},
        {"ah_sequence": True},
    ],
)
def test_memory_begins_afresh_where_it_makes_no_sense(stored: dict[str, object]) -> None:
    assert AuthMemory.from_dict(stored) == AuthMemory()


def test_memory_limits() -> None:
    full = AuthMemory(0xFFFFFFFF, 2**64 - 1, {SOURCE: 2**64 - 1})
    assert AuthMemory.from_dict(full.as_dict()) == full
    over = AuthMemory(1 << 32, 1 << 64, {SOURCE: 1 << 64})
    assert AuthMemory.from_dict(over.as_dict()) == AuthMemory(hmac_marks={SOURCE: 0})


def test_a_respawned_worker_still_knows_what_it_heard() -> None:
    memory = AuthMemory()
    trailer = hmac().sign(SOURCE, PDU, WALL)
    assert verdict(hmac(memory), trailer) == ""
    assert verdict(hmac(AuthMemory.from_dict(memory.as_dict())), trailer) == "auth_ext_replay"
