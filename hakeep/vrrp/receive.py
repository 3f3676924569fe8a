"""Adverts on their way in: everything that is checked before the state machine believes a packet.

The checks and their order are keepalived's, so that the counters mean the same on both, with these differences:

* A version 2 advert with another interval is dropped, as RFC 3768 wants it, but counted and complained about: it is how
  two masters come about.
* On version 3 over IPv4 the checksum is good with a pseudo header or without (RFC 9568 and older readings disagree);
  the dialect that is not ours is noted.
* A version 3 interval of 0 is refused: learned, it would make a master of everybody at once.

A packet that differs from the last accepted one in nothing but its IPv4 identification says what that one said:
`Receiver.repeat_of_last` knows it by comparing bytes. The engine remembers even that, by the packet's `substance`: for
most packets, looking it up there is all the work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from hakeep.config.settled import Peer, VrrpInstance
from hakeep.objects.rtnl import IPAddress
from hakeep.vrrp.authentication import Ah, AuthMemory, Discard, Hmac, Proof
from hakeep.vrrp.messages import Received
from hakeep.vrrp.transmit import AUTH_TYPES, advertised, spoken_dialect, uses_ah
from hakeep.wire import Malformed, ah, auth_hmac, ip, vrrp
from hakeep.wire.vrrp import Dialect

__all__ = ["COUNTERS", "NOTES", "Advert", "Discard", "Receiver", "virtual_router_id"]

#: What is counted without dropping the packet, and what to say about it.
NOTES = MappingProxyType({
    "addr_list_err": "it lists other addresses than our configuration",
    "pri_zero_rcvd": "the master resigns",
    "checksum_dialect": "its checksum covers another pseudo header than ours (v3_checksum_as_v2, old_unicast_checksum)",
    "auth_ext_unsigned": "it has no auth_hmac trailer (let through by the mode)",
    "auth_ext_skew": "its clock and ours differ by more than half of the auth_hmac time_window",
})

#: All counters that a packet can raise here: those of a `Discard` and those of `Advert.notes`. The names are those of
#: keepalived's statistics in JSON as far as it has them.
COUNTERS: tuple[str, ...] = (
    "malformed", "packet_len_err", "ip_ttl_err", "version_err", "invalid_type_rcvd", "advert_interval_err",
    "checksum_err", "kind_mismatch", "unknown_source", "invalid_authtype", "authtype_mismatch", "auth_failure",
    "auth_ext_missing", "auth_ext_malformed", "auth_ext_unknown_key", "auth_ext_invalid_hmac", "auth_ext_stale",
    "auth_ext_replay", *NOTES,
)  # fmt: skip

#: Ethernet's shortest payload: what a packet may have been padded to.
_SHORTEST_PAYLOAD = 46


class Advert(NamedTuple):
    """A good advert. `interval` is in seconds, `hop_limit` -1 if unknown; `notes` are keys of `NOTES`."""

    source: IPAddress
    priority: int
    interval: float
    addresses: tuple[IPAddress, ...]
    hop_limit: int
    notes: tuple[str, ...] = ()


#: See `substance`.
Substance = tuple[str, int, bytes]


def substance(received: Received) -> Substance:
    """All of a packet but identification and checksum of its IPv4 header: two that are equal in it say the same."""
    data = received.data
    if len(received.source) == 4:
        return received.link, received.hop_limit, data[:4] + data[6:10] + data[12:]
    return received.link, received.hop_limit, data + received.source + received.destination


def virtual_router_id(received: Received) -> int:
    """The VRID of a packet, to find its router with; -1 when it is too short to have one."""
    data = received.data
    at = 1
    if len(received.source) == 4 and len(data) >= 20:
        at += (data[0] & 15) * 4 + (ah.LENGTH if data[9] == ip.AH else 0)
    elif len(received.source) == 4:
        return -1
    return data[at] if at < len(data) else -1


@dataclass(slots=True)
class _Opened:
    """A packet on its way through the checks. `start` is where the PDU begins in `data`, `end` where it ends."""

    data: bytes
    source: bytes
    destination: bytes
    hop_limit: int
    start: int
    header: ip.IPv4Header | None
    end: int = 0
    trailer: bytes = b""
    proof: Proof | None = None
    dialect: Dialect | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def version(self) -> int:
        return self.data[self.start] >> 4

    @property
    def pdu(self) -> bytes:
        return self.data[self.start : self.end]


class Receiver:
    """Judges the packets that a virtual router is sent. Settings never change: after a reload make a new one.

    `memory` is shared with the `Transmitter`. owner_ignore_adverts, and that a router in FAULT does not listen, are the
    engine's business.
    """

    def __init__(self, settings: VrrpInstance, memory: AuthMemory) -> None:
        self._settings = settings
        self._memory = memory
        self._ah = Ah(settings, memory) if uses_ah(settings) else None
        self._hmac = Hmac(settings, settings.auth_hmac, memory) if settings.auth_hmac else None
        self._auth_type = AUTH_TYPES[settings.auth_type]
        self._password = settings.auth_pass[:8].ljust(8, b"\0")
        self._group = settings.multicast.packed if settings.multicast is not None else None
        self._peers: dict[bytes, Peer] = {peer.ip.packed: peer for peer in settings.peers}
        self._addresses = frozenset(address.packed for address in advertised(settings))
        self._count = len(advertised(settings))
        self._last_advert: Advert | None = None
        self._last_seen: Substance | None = None
        self._last_refused: Substance | None = None
        self._last_refusal = Discard("", "")

    def repeat_of_last(self, received: Received) -> Advert | None:
        """What the last accepted packet said, if this one is equal to it in all but IPv4 identification and checksum.

        Never for AH and auth_hmac, where an equal packet is a replayed one.
        """
        last = self._last_advert
        if last is None or substance(received) != self._last_seen:
            return None
        return last

    def check(self, received: Received, *, current_master: IPAddress | None) -> Advert | Discard:
        """All checks, in order: the advert, or why it is none. Never raises, whatever the bytes.

        `current_master` is the router that skip_check_adv_addr spares the comparison of addresses. A bad packet that
        is sent over and over, as in a flood, is judged once: its bytes are as bad the second time.
        """
        if self._ah is not None or self._hmac is not None:
            return self._judge(received, current_master)
        said = substance(received)
        if said == self._last_refused:
            return self._last_refusal
        verdict = self._judge(received, current_master)
        if isinstance(verdict, Discard):
            self._last_refused, self._last_refusal = said, verdict
        else:
            self._last_refused = None
        return verdict

    def _judge(self, received: Received, current_master: IPAddress | None) -> Advert | Discard:
        try:
            packet = self._open(received)
        except Malformed as problem:
            return Discard("malformed", str(problem))
        if len(packet.data) < packet.start + vrrp.HEADER_LENGTH:
            return Discard("packet_len_err", f"{len(packet.data) - packet.start} bytes: too short for a VRRP header")
        refusal = (
            self._check_presence_of_ah(packet)
            or self._check_length(packet)
            or self._check_hop_limit(packet)
            or self._check_version(packet)
            or self._check_hmac(packet, received.wall)
        )
        if refusal is not None:
            return refusal
        pdu = vrrp.decode(packet.pdu, self._settings.family)
        refusal = (
            self._check_auth_type(packet, pdu)
            or self._check_contents(packet, pdu)
            or self._check_checksum(packet, pdu)
            or self._check_addressing(packet)
        )
        if refusal is not None:
            return refusal
        return self._accept(received, packet, pdu, current_master)

    def _open(self, received: Received) -> _Opened:
        """Find the PDU. Raises Malformed for what is no VRRP packet of this router at all."""
        data = received.data
        if self._settings.family == 6:
            if len(received.source) != 16 or len(received.destination) != 16:
                raise Malformed("not an IPv6 packet")
            packet = _Opened(data, received.source, received.destination, received.hop_limit, 0, None)
        else:
            header = ip.decode_ipv4(data)
            if header.protocol not in (ip.VRRP, ip.AH):
                raise Malformed(f"IP protocol {header.protocol}")
            start = header.length
            if header.protocol == ip.AH:
                if ah.decode(data[start:]).next_header != ip.VRRP:
                    raise Malformed("AH that does not hold VRRP")
                start += ah.LENGTH
            packet = _Opened(data, header.source, header.destination, header.ttl, start, header)
        if len(data) < packet.start + 2:
            raise Malformed("too short for a VRID")
        if data[packet.start + 1] != self._settings.virtual_router_id:
            raise Malformed(f"VRID {data[packet.start + 1]} is not ours")
        return packet

    def _check_presence_of_ah(self, packet: _Opened) -> Discard | None:
        in_ah = packet.header is not None and packet.header.protocol == ip.AH
        if in_ah and self._ah is None:
            return Discard("authtype_mismatch", "it is in an AH and ours are not")
        if self._ah is not None and not in_ah:
            return Discard("authtype_mismatch", "it is not in an AH and ours are")
        return None

    def _check_length(self, packet: _Opened) -> Discard | None:
        """The length must be that of the PDU, or with the auth_hmac trailer, or zero padded to Ethernet's minimum."""
        if packet.version not in (2, 3):
            return None  # _check_version has something better to say
        needed = vrrp.length(packet.version, self._settings.family, packet.data[packet.start + 3])
        packet.end = packet.start + needed
        extra = packet.data[packet.end :]
        if self._hmac is not None and len(extra) == auth_hmac.LENGTH:
            packet.trailer = extra
        elif len(packet.data) < packet.end or (extra and not self._is_padding(packet, extra)):
            actual = len(packet.data) - packet.start
            return Discard("packet_len_err", f"{actual} bytes where {needed} are needed for its addresses")
        return None

    def _is_padding(self, packet: _Opened, extra: bytes) -> bool:
        return packet.header is not None and len(packet.data) <= _SHORTEST_PAYLOAD and not any(extra)

    def _check_hop_limit(self, packet: _Opened) -> Discard | None:
        if self._group is not None and packet.hop_limit != 255:
            return Discard("ip_ttl_err", f"TTL or hop limit {packet.hop_limit}, not 255: it is not from this link")
        return None

    def _check_version(self, packet: _Opened) -> Discard | None:
        if packet.version != self._settings.version:
            return Discard("version_err", f"it is VRRP version {packet.version}, ours is {self._settings.version}")
        return None

    def _check_hmac(self, packet: _Opened, wall: float) -> Discard | None:
        if self._hmac is None:
            return None
        if not packet.trailer:
            if self._hmac.required:
                return Discard("auth_ext_missing", "it has no auth_hmac trailer")
            packet.notes.append("auth_ext_unsigned")
            return None
        verdict = self._hmac.verify(packet.source, packet.pdu, packet.trailer, wall)
        if isinstance(verdict, Discard):
            return verdict
        packet.proof = verdict
        if verdict.skewed:
            packet.notes.append("auth_ext_skew")
        return None

    def _check_auth_type(self, packet: _Opened, pdu: vrrp.Pdu) -> Discard | None:
        """Version 2 only: in version 3 these bits are reserved, to be ignored."""
        if pdu.version != 2:
            return None
        if pdu.auth_type > vrrp.AUTH_AH:
            return Discard("invalid_authtype", f"authentication type {pdu.auth_type}")
        if pdu.auth_type != self._auth_type:
            return Discard("authtype_mismatch", f"authentication type {pdu.auth_type}, ours is {self._auth_type}")
        if pdu.auth_type == vrrp.PASS and pdu.auth_data and pdu.auth_data != self._password:
            return Discard("auth_failure", "wrong password")
        if self._ah is not None and packet.header is not None:
            return self._ah.verify(packet.data, packet.header.length)
        return None

    def _check_contents(self, packet: _Opened, pdu: vrrp.Pdu) -> Discard | None:
        """Interval, type, and the length that the IP header claims."""
        own = self._settings.advert_int
        if pdu.version == 2 and pdu.interval != round(own):
            return Discard(
                "advert_interval_err",
                f"its interval is {pdu.interval:g} s and ours {own:g} s: with version 2 they must be equal, "
                "or there will be two masters",
            )
        if not pdu.interval:
            return Discard("advert_interval_err", "its interval is 0")
        if pdu.type != vrrp.ADVERTISEMENT:
            return Discard("invalid_type_rcvd", f"VRRP type {pdu.type}")
        if packet.header is not None:
            claimed = packet.header.total_length
            if claimed != len(packet.data) and claimed != packet.end + len(packet.trailer):
                return Discard("packet_len_err", f"IP total length {claimed}, received {len(packet.data)} bytes")
        return None

    def _check_checksum(self, packet: _Opened, pdu: vrrp.Pdu) -> Discard | None:
        """IPv4 only: over IPv6 the kernel lets no bad one through."""
        if packet.header is None:
            return None
        data = packet.pdu
        ours = spoken_dialect(self._settings, self._memory)
        for dialect in (ours,) if pdu.version == 2 else (ours, *self._other_dialects(ours)):
            if vrrp.adds_up(data, vrrp.pseudo_header(dialect, packet.source, packet.destination, len(data))):
                packet.dialect = dialect
                break
        else:
            return Discard("checksum_err", f"wrong VRRPv{pdu.version} checksum {pdu.checksum:#06x}")
        if packet.dialect is not ours:
            packet.notes.append("checksum_dialect")
        return None

    def _other_dialects(self, ours: Dialect) -> list[Dialect]:
        tolerated = [Dialect.DESTINATION, Dialect.BARE]
        if self._settings.unicast and self._settings.old_unicast_checksum != "never":
            tolerated.append(Dialect.GROUP)
        return [dialect for dialect in tolerated if dialect is not ours]

    def _check_addressing(self, packet: _Opened) -> Discard | None:
        """Sent to our group, or to us alone; from a peer, and not from too near or far, where that is asked for."""
        if self._group is not None:
            if packet.destination != self._group:
                return Discard("kind_mismatch", f"it was sent to {ip.address(packet.destination)}, not to our group")
            return None
        if ip.address(packet.destination).is_multicast:
            return Discard("kind_mismatch", "it is multicast and we are configured for unicast")
        peer = self._peers.get(packet.source)
        if peer is None:
            if self._settings.check_unicast_src:
                return Discard("unknown_source", "the sender is no unicast_peer")
        elif (peer.min_ttl > 0 or peer.max_ttl < 255) and not peer.min_ttl <= packet.hop_limit <= peer.max_ttl:
            wanted = f"{peer.min_ttl} to {peer.max_ttl}"
            return Discard("ip_ttl_err", f"TTL or hop limit {packet.hop_limit}, wanted from this peer: {wanted}")
        return None

    def _accept(
        self, received: Received, packet: _Opened, pdu: vrrp.Pdu, current_master: IPAddress | None
    ) -> Advert:
        """The packet is good: learn from it, and remember it for `repeat_of_last` where that is safe."""
        source = ip.address(packet.source)
        same_list = frozenset(pdu.addresses) == self._addresses
        spared = self._settings.skip_check_adv_addr and source == current_master
        if len(pdu.addresses) != self._count or not (same_list or spared):
            packet.notes.append("addr_list_err")
        if pdu.priority == 0:
            packet.notes.append("pri_zero_rcvd")
        if packet.proof is not None and self._hmac is not None:
            self._hmac.accept(packet.proof)
        switched = self._follow_old_dialect(packet)
        addresses = tuple([ip.address(address) for address in pdu.addresses])
        advert = Advert(source, pdu.priority, pdu.interval, addresses, packet.hop_limit, tuple(packet.notes))
        depends = self._ah or self._hmac or switched or (self._settings.skip_check_adv_addr and not same_list)
        self._last_advert = None if depends else advert
        self._last_seen = None if depends else substance(received)
        return advert

    def _follow_old_dialect(self, packet: _Opened) -> bool:
        """If a peer of ours computes its checksums in the old way, do so too. True when that is news."""
        if packet.dialect is not Dialect.GROUP or self._settings.old_unicast_checksum != "auto":
            return False
        if self._memory.old_unicast_checksum or packet.source not in self._peers:
            return False
        self._memory.old_unicast_checksum = True
        return True
