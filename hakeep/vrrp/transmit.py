"""Adverts on their way out: from settings and a priority to the bytes that a socket takes.

An advert of one priority is always the same but for the identification of its IPv4 header, so the bytes are encoded
once and kept in two pieces, before and behind it. Authentication makes every packet new; then only the PDU is kept.
"""

from __future__ import annotations

from hakeep.config.settled import VrrpInstance
from hakeep.objects.rtnl import IPAddress
from hakeep.vrrp.authentication import Ah, AuthMemory, Hmac
from hakeep.wire import ah, auth_hmac, ip, vrrp
from hakeep.wire.vrrp import Dialect

AUTH_TYPES = {"": vrrp.NO_AUTH, "PASS": vrrp.PASS, "AH": vrrp.AUTH_AH}

#: Where the identification stands in an IPv4 header, and where what follows it begins.
_IDENT_AT = 4
_REST_AT = 6


def uses_ah(settings: VrrpInstance) -> bool:
    """True when adverts of this router travel in AH."""
    return settings.auth_type == "AH" and settings.version == 2 and settings.family == 4


def spoken_dialect(settings: VrrpInstance, memory: AuthMemory) -> Dialect:
    """The checksum dialect in which this router speaks over IPv4, and so the one it expects (IPv6: the kernel's)."""
    if settings.version == 2 or settings.v3_checksum_as_v2:
        return Dialect.BARE
    old = settings.old_unicast_checksum
    if settings.unicast and (old == "on" or (old == "auto" and memory.old_unicast_checksum)):
        return Dialect.GROUP
    return Dialect.DESTINATION


def advertised(settings: VrrpInstance) -> tuple[IPAddress, ...]:
    """The addresses that stand in the adverts, in order."""
    return tuple(entry.address.ip for entry in settings.addresses if entry.advertised)


class Transmitter:
    """Makes the adverts of one virtual router. Settings never change: after a reload make a new one.

    `source` is the address adverts come from. `ident` is the identification of the last IPv4 packet; it can be read to
    be saved, and given to the next Transmitter to go on counting. `memory` is shared with the `Receiver`: if that finds
    out that a peer speaks the old checksum dialect, the very next advert follows.

    Raises ValueError at once for settings that no packet can hold (over 255 addresses, mixed families, an interval
    that does not fit), so that `packets` never does.
    """

    def __init__(self, settings: VrrpInstance, source: IPAddress, memory: AuthMemory, ident: int = 0) -> None:
        self.ident = ident
        self._settings = settings
        self._source = source.packed
        self._memory = memory
        self._ah = Ah(settings, memory) if uses_ah(settings) else None
        auth = settings.auth_hmac
        self._hmac = Hmac(settings, auth, memory) if auth and auth.mode != "receive-only" else None
        targets = [settings.multicast] if settings.multicast is not None else [peer.ip for peer in settings.peers]
        self._targets = [(str(target), target.packed) for target in targets]
        self._pdus: dict[int, bytes] = {}
        self._halves: dict[tuple[int, bool], list[tuple[str, bytes, bytes]]] = {}
        if any(len(packed) != len(self._source) for _, packed in self._targets) or source.version != settings.family:
            raise ValueError(f"{settings.name}: source and destinations must be IPv{settings.family}")
        self._pdu(0)

    @property
    def exhausted(self) -> bool:
        """True when AH has no sequence number left: no advert goes out until this router has left MASTER."""
        return self._ah is not None and self._ah.exhausted

    def prepare(self, priority: int) -> None:
        """Encode the adverts of this priority now, so that the first one need not wait for it."""
        self._pdu(priority)
        if self._ah is None and self._hmac is None:
            key = priority, self._memory.old_unicast_checksum
            if key not in self._halves:
                self._prepare(key)

    def packets(self, priority: int, wall: float) -> list[tuple[str, bytes]]:
        """One advert: the destination as text and the bytes to send there, for each destination.

        `priority` is 0..255, 0 resigns. `wall` is Unix time; only auth_hmac reads it. For IPv4 the bytes begin with the
        IP header (for a socket with IP_HDRINCL), for IPv6 with the VRRP header, its checksum 0 for the kernel to fill
        (IPV6_CHECKSUM at `wire.vrrp.CHECKSUM_OFFSET`). All destinations get the same identification. Empty when
        `exhausted`.
        """
        if self._ah is not None:
            return self._in_ah(self._ah, priority)
        if self._hmac is not None:
            return self._with_trailer(self._hmac, priority, wall)
        key = priority, self._memory.old_unicast_checksum
        halves = self._halves.get(key) or self._prepare(key)
        if self._settings.family == 6:
            return [(to, pdu) for to, pdu, _ in halves]
        ident = self._next_ident().to_bytes(2, "big")
        return [(to, head + ident + rest) for to, head, rest in halves]

    def take_back(self) -> None:
        """The advert of the last call of `packets` reached nobody: AH's sequence number, which every router of the
        group counts, is still to be used. A link that is down for an hour must not cost thousands of them."""
        if self._ah is not None:
            self._ah.take_back()

    def _next_ident(self) -> int:
        """1, 2, 3 .. 65535, 1: zero would make the kernel choose."""
        self.ident = self.ident + 1 & 0xFFFF or 1
        return self.ident

    def _prepare(self, key: tuple[int, bool]) -> list[tuple[str, bytes, bytes]]:
        pdu = self._pdu(key[0])
        halves = []
        for to, packed in self._targets:
            if self._settings.family == 6:
                halves.append((to, pdu, b""))
            else:
                packet = self._header(packed, ip.VRRP, len(pdu), 0) + self._sealed(pdu, packed)
                halves.append((to, packet[:_IDENT_AT], packet[_REST_AT:]))
        self._halves[key] = halves
        return halves

    def _in_ah(self, authentication: Ah, priority: int) -> list[tuple[str, bytes]]:
        if authentication.exhausted:
            return []
        pdu = vrrp.sealed(self._pdu(priority))
        sequence, ident = authentication.next_sequence(), self._next_ident()
        return [
            (to, authentication.sign(self._header(packed, ip.AH, ah.LENGTH + len(pdu), ident), pdu, sequence))
            for to, packed in self._targets
        ]

    def _with_trailer(self, authentication: Hmac, priority: int, wall: float) -> list[tuple[str, bytes]]:
        """The trailer is the same for all; the VRRP checksum covers it over IPv6 only, where the kernel does that."""
        pdu = self._pdu(priority)
        trailer = authentication.sign(self._source, pdu, wall)
        if self._settings.family == 6:
            return [(to, pdu + trailer) for to, _ in self._targets]
        size, ident = len(pdu) + auth_hmac.LENGTH, self._next_ident()
        return [
            (to, self._header(packed, ip.VRRP, size, ident) + self._sealed(pdu, packed) + trailer)
            for to, packed in self._targets
        ]

    def _pdu(self, priority: int) -> bytes:
        """The PDU with its checksum 0."""
        known = self._pdus.get(priority)
        if known is None:
            settings = self._settings
            has_auth_data = settings.version == 2 and settings.family == 4
            password = settings.auth_pass if settings.auth_type == "PASS" else b""
            known = self._pdus[priority] = vrrp.Pdu(
                settings.version,
                settings.virtual_router_id,
                priority,
                settings.advert_int,
                tuple(address.packed for address in advertised(settings)),
                AUTH_TYPES[settings.auth_type] if settings.version == 2 else 0,
                password[:8].ljust(8, b"\0") if has_auth_data else b"",
            ).encode()
            if len(known) != vrrp.length(settings.version, settings.family, known[3]):
                raise ValueError(f"{settings.name}: advertised addresses must be IPv{settings.family}")
        return known

    def _sealed(self, pdu: bytes, destination: bytes) -> bytes:
        dialect = spoken_dialect(self._settings, self._memory)
        return vrrp.sealed(pdu, vrrp.pseudo_header(dialect, self._source, destination, len(pdu)))

    def _header(self, destination: bytes, protocol: int, payload: int, ident: int) -> bytes:
        ttl = self._settings.unicast_ttl
        if ttl is None or not self._settings.unicast:
            ttl = 255
        return ip.IPv4Header(self._source, destination, protocol, 20 + payload, ident, ttl).encode()
