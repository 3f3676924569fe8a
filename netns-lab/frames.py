"""Reads adverts, gratuitous ARPs and neighbour advertisements off Ethernet frames, without any of hakeep's codecs.

Just enough of RFC 3768, 5798, 9568, 826 and 4861 for an observer: it is the second opinion on what the daemons send.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
VRRP, AH, ICMPV6 = 112, 51, 58
NEIGHBOUR_ADVERTISEMENT = 136


@dataclass(frozen=True)
class Advert:
    """A VRRP advertisement. `interval` is in seconds; `intact` says whether its checksum is right."""

    at: float
    host: str
    source: str
    destination: str
    ttl: int
    version: int
    vrid: int
    priority: int
    interval: float
    addresses: tuple[str, ...]
    auth: str  # "" | PASS | AH
    intact: bool
    mac: str

    def __str__(self) -> str:
        return (f"advert v{self.version} vrid {self.vrid} priority {self.priority} from {self.source} every "
                f"{self.interval:g} s for {', '.join(self.addresses)}{'' if self.intact else '  BAD CHECKSUM'}")


@dataclass(frozen=True)
class Announcement:
    """A gratuitous ARP or an unsolicited neighbour advertisement: "`address` is at `mac`"."""

    at: float
    host: str
    address: str
    mac: str

    def __str__(self) -> str:
        return f"announces {self.address} is at {self.mac}"


Frame = Advert | Announcement


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071): 0 over data that contains a right one."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def mac_text(mac: bytes) -> str:
    """The usual spelling."""
    return mac.hex(":")


def read(at: float, host: str, frame: bytes) -> Frame | None:
    """What `host` said at `at`, or None when it is nothing of interest."""
    kind = struct.unpack_from("!H", frame, 12)[0] if len(frame) >= 42 else 0
    if kind == ARP:
        return _read_arp(at, host, frame)
    if kind == IPV4:
        return _read_ipv4(at, host, frame)
    if kind == IPV6 and len(frame) >= 62:
        return _read_ipv6(at, host, frame)
    return None


def _read_arp(at: float, host: str, frame: bytes) -> Frame | None:
    if frame[28:32] != frame[38:42]:  # somebody's question, or the answer to it
        return None
    return Announcement(at, host, str(IPv4Address(frame[28:32])), mac_text(frame[22:28]))


def _read_ipv4(at: float, host: str, frame: bytes) -> Frame | None:
    start = 14 + (frame[14] & 15) * 4
    end = 14 + struct.unpack_from("!H", frame, 16)[0]
    protocol, with_ah = frame[23], False
    if protocol == AH and frame[start] == VRRP:
        start += (frame[start + 1] + 2) * 4
        with_ah = True
    elif protocol != VRRP:
        return None
    pdu = frame[start:end]
    pseudo = frame[26:34] + struct.pack("!HH", VRRP, len(pdu))
    return _read_vrrp(at, host, frame, pdu, pseudo, str(IPv4Address(frame[26:30])), str(IPv4Address(frame[30:34])),
                      frame[22], "AH" if with_ah else "")


def _read_ipv6(at: float, host: str, frame: bytes) -> Frame | None:
    payload = frame[54:54 + struct.unpack_from("!H", frame, 18)[0]]
    if frame[20] == VRRP:
        pseudo = frame[22:54] + struct.pack("!II", len(payload), VRRP)
        return _read_vrrp(at, host, frame, payload, pseudo, str(IPv6Address(frame[22:38])),
                          str(IPv6Address(frame[38:54])), frame[21], "")
    if frame[20] == ICMPV6 and payload[0] == NEIGHBOUR_ADVERTISEMENT and not payload[4] & 0x40:  # unsolicited
        mac = payload[26:32] if payload[24:26] == b"\x02\x01" else frame[6:12]
        return Announcement(at, host, str(IPv6Address(payload[8:24])), mac_text(mac))
    return None


def _read_vrrp(at: float, host: str, frame: bytes, pdu: bytes, pseudo: bytes, source: str, destination: str, ttl: int,
               auth: str) -> Advert | None:
    if len(pdu) < 8 or pdu[0] & 15 != 1:
        return None
    version, count = pdu[0] >> 4, pdu[3]
    kind, size = (IPv6Address, 16) if ":" in source else (IPv4Address, 4)
    if len(pdu) < 8 + count * size:
        return None
    addresses = tuple(str(kind(pdu[8 + i * size:8 + (i + 1) * size])) for i in range(count))
    if version == 2:
        auth = auth or {0: "", 1: "PASS"}.get(pdu[4], str(pdu[4]))
        interval, sums = float(pdu[5]), [checksum(pdu)]
    else:
        interval, sums = (struct.unpack_from("!H", pdu, 4)[0] & 0xFFF) / 100, [checksum(pseudo + pdu)]
        if kind is IPv4Address:
            sums.append(checksum(pdu))  # RFC 9568 has no pseudo header for IPv4
    if ":" in source and version == 2:
        sums = [checksum(pseudo + pdu)]
    return Advert(at, host, source, destination, ttl, version, pdu[1], pdu[2], interval, addresses, auth, 0 in sums,
                  mac_text(frame[6:12]))
