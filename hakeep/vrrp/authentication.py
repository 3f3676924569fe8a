"""Who may speak for a virtual router: the two authentications that need a memory, AH and auth_hmac.

(The third, PASS, is a word in clear text that is compared; `receive` does that in a line.)

Both keep an observer from sending an old packet again, and for that both sides must remember where they were. `AH` has
one counter for both directions: every router of the group goes on counting where the last advert stopped. `Hmac` reads
a clock: each sender's sequence only grows, and each receiver keeps a mark per sender, the last sequence it accepted.

`AuthMemory` is that memory. It outlives sockets, reloads and, as a dictionary on a shared page, the process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import NamedTuple

from hakeep.config.settled import HmacAuth, VrrpInstance
from hakeep.wire import Malformed, ah, auth_hmac

#: The last AH sequence that may be sent (two are kept back, as keepalived does).
LAST_AH_SEQUENCE = 0xFFFFFFFD

#: How many senders of a multicast group have a mark; the one heard least recently loses it to a new one.
MULTICAST_MARKS = 4


@dataclass(slots=True)
class AuthMemory:
    """What one virtual router has to remember from packet to packet.

    `ah_sequence` is the last AH sequence sent or accepted. `hmac_last_sent` is the last auth_hmac sequence sent (64
    bits), `hmac_marks` the last one accepted by packed source address, least recently heard first.
    `old_unicast_checksum` is no secret, but has the same life: a peer was heard that computes checksums in the old way
    (`wire.vrrp.Dialect.GROUP`), so we do too from now on.
    """

    ah_sequence: int = 0
    hmac_last_sent: int = 0
    hmac_marks: dict[bytes, int] = field(default_factory=dict)
    old_unicast_checksum: bool = False

    def skip_ah_sequence(self) -> None:
        """Count on by one beyond an accepted advert: for a MASTER that was sent one of lower priority.

        That heals a master which was restarted and began at 1: the others refuse what is not above their counter.
        """
        self.ah_sequence += 1

    def restart_ah_sequence(self) -> None:
        """Begin again at 1 if the counter has run out: for a router that leaves MASTER."""
        if self.ah_sequence >= LAST_AH_SEQUENCE:
            self.ah_sequence = 0

    def as_dict(self) -> dict[str, object]:
        """Everything, as JSON can hold it."""
        return {
            "ah_sequence": self.ah_sequence,
            "hmac_last_sent": self.hmac_last_sent,
            "hmac_marks": [[source.hex(), mark] for source, mark in self.hmac_marks.items()],
            "old_unicast_checksum": self.old_unicast_checksum,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, object]) -> AuthMemory:
        """The memory that `as_dict` wrote down. What is missing or makes no sense begins afresh."""
        memory = cls(
            _within(stored.get("ah_sequence"), 0xFFFFFFFF),
            _within(stored.get("hmac_last_sent"), 0xFFFFFFFFFFFFFFFF),
            old_unicast_checksum=stored.get("old_unicast_checksum") is True,
        )
        marks = stored.get("hmac_marks")
        for entry in marks if isinstance(marks, list) else ():
            try:
                source, mark = bytes.fromhex(entry[0]), entry[1]
            except (TypeError, ValueError, LookupError):
                continue
            memory.hmac_marks[source] = _within(mark, 0xFFFFFFFFFFFFFFFF)
        return memory


def _within(value: object, limit: int) -> int:
    return value if type(value) is int and 0 <= value <= limit else 0


class Discard(NamedTuple):
    """Why a packet is dropped: the counter to raise ("" = none) and words that go on after "advert dropped: "."""

    counter: str
    reason: str


class Ah:
    """AH for one virtual router (version 2, IPv4): see `hakeep.wire.ah` for the format."""

    def __init__(self, settings: VrrpInstance, memory: AuthMemory) -> None:
        self._key = settings.auth_pass[:8].ljust(8, b"\0")
        self._unicast = settings.unicast
        self._memory = memory

    @property
    def exhausted(self) -> bool:
        """True when all sequence numbers are used up: nothing can be sent until the counter restarts."""
        return self._memory.ah_sequence >= LAST_AH_SEQUENCE

    def next_sequence(self) -> int:
        """Count on, once for each advert; the caller has looked at `exhausted`."""
        self._memory.ah_sequence += 1
        return self._memory.ah_sequence

    def take_back(self) -> None:
        """The sequence that `next_sequence` gave last was never seen by anybody, and nothing was heard since."""
        self._memory.ah_sequence -= 1

    def sign(self, header: bytes, pdu: bytes, sequence: int) -> bytes:
        """The whole packet: an IPv4 header of 20 bytes that says protocol 51, the AH, the PDU."""
        before = header + ah.AuthenticationHeader(header[12:16], sequence).encode()
        code = ah.icv(self._key, ah.covered(before + pdu, len(header), self._unicast))
        return before[: -ah.ICV_LENGTH] + code + pdu

    def verify(self, packet: bytes, header_length: int) -> Discard | None:
        """Judge an IPv4 packet that holds an AH after `header_length` bytes; a good one moves the counter."""
        received = ah.decode(packet[header_length:])
        if received.spi != packet[12:16]:
            return Discard("auth_failure", "the SPI in the AH is not the sender's address")
        last = self._memory.ah_sequence
        if received.sequence <= last:
            return Discard("auth_failure", f"AH sequence {received.sequence} is not above {last}, the last one")
        if not compare_digest(ah.icv(self._key, ah.covered(packet, header_length, self._unicast)), received.icv):
            return Discard("auth_failure", "wrong AH code: another password, or a forged packet")
        self._memory.ah_sequence = received.sequence
        return None


class Proof(NamedTuple):
    """A trailer that proves its sender: to be handed to `Hmac.accept` once the rest of the packet is found good."""

    source: bytes
    sequence: int
    skewed: bool


class Hmac:
    """auth_hmac for one virtual router: see `hakeep.wire.auth_hmac` for the format.

    Any configured key verifies and one signs, so keys can be exchanged one router at a time. In time mode sequences
    must be near our clock; in monotonic mode no clock is trusted, and only a mark tells an old packet.
    """

    def __init__(self, settings: VrrpInstance, auth: HmacAuth, memory: AuthMemory) -> None:
        self._auth = auth
        self._keys = dict(auth.keys)
        self._by_time = auth.anti_replay == "time"
        self._peers = frozenset(peer.ip.packed for peer in settings.peers) if settings.unicast else None
        self._memory = memory

    def sign(self, source: bytes, pdu: bytes, wall: float) -> bytes:
        """The trailer for an advert that leaves at `wall` (Unix time) from `source` (packed)."""
        now = auth_hmac.sequence_at(wall)
        last = self._memory.hmac_last_sent
        if self._by_time and (last >> 32) - (now >> 32) > self._auth.time_window:
            last = 0  # the clock was set back: others would call us stale until it catches up
        sequence = min(max(now, last + 1), 0xFFFFFFFFFFFFFFFF)
        self._memory.hmac_last_sent = sequence
        unsigned = auth_hmac.Trailer(self._auth.active_key, sequence)
        code = auth_hmac.code(self._keys[self._auth.active_key], auth_hmac.covered(source, pdu, unsigned.encode()))
        return unsigned._replace(code=code).encode()

    @property
    def required(self) -> bool:
        """False while unsigned adverts are let through, as a network is converted."""
        return self._auth.mode == "enforce"

    def verify(self, source: bytes, pdu: bytes, data: bytes, wall: float) -> Proof | Discard:
        """Judge the trailer `data` of a PDU that came from `source` (packed) at `wall` (Unix time)."""
        if self._peers is not None and source not in self._peers:
            return Discard("unknown_source", "the sender is no unicast_peer")
        try:
            trailer = auth_hmac.decode(data)
        except Malformed as problem:
            return Discard("auth_ext_malformed", str(problem))
        if trailer.type != auth_hmac.HMAC_SHA256_128 or trailer.reserved:
            return Discard("auth_ext_malformed", f"auth_hmac trailer of type {trailer.type}")
        ahead = trailer.seconds - int(wall)
        if self._by_time and abs(ahead) > self._auth.time_window:
            return Discard("auth_ext_stale", f"auth_hmac time {ahead:+d} s from ours: an old packet, or a wrong clock")
        key = self._keys.get(trailer.key_id)
        if key is None:
            return Discard("auth_ext_unknown_key", f"auth_hmac key {trailer.key_id} is not configured")
        if not compare_digest(auth_hmac.code(key, auth_hmac.covered(source, pdu, data)), trailer.code):
            return Discard("auth_ext_invalid_hmac", f"wrong auth_hmac code for key {trailer.key_id}")
        if trailer.sequence <= self._mark(source, wall):
            return Discard("auth_ext_replay", "this auth_hmac sequence was seen before")
        return Proof(source, trailer.sequence, self._by_time and 2 * abs(ahead) > self._auth.time_window)

    def _mark(self, source: bytes, wall: float) -> int:
        """The last sequence accepted from this sender, -1 if none counts any more.

        In time mode a mark counts as long as its own packet would not be stale. Before that, staleness refuses what it
        would have refused; and one that is ahead was made before the clocks were set back, and would lock the sender,
        which begins afresh then, out until they are there again.
        """
        mark = self._memory.hmac_marks.get(source, -1)
        if self._by_time and abs((mark >> 32) - int(wall)) > self._auth.time_window:
            return -1
        return mark

    def accept(self, proof: Proof) -> None:
        """Remember that this packet was used, so that it never is again.

        Apart from `verify` because the code does not cover the whole packet: a copy of it with, say, a spoilt checksum
        must not use up the sequence of the true one.
        """
        marks = self._memory.hmac_marks
        marks.pop(proof.source, None)
        marks[proof.source] = proof.sequence
        if self._peers is None and len(marks) > MULTICAST_MARKS:
            del marks[next(iter(marks))]
