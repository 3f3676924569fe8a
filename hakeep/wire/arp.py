"""ARP over Ethernet (RFC 826): announcing an address, and spotting when another host does.

The gratuitous ARP of keepalived is a request that asks for the address it comes from, with ff:ff:ff:ff:ff:ff as
target hardware address; others send replies, or requests with a target of zero. All say the same: this address lives
at this MAC now.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from hakeep.wire import Malformed

ETHERTYPE = 0x0806
REQUEST = 1
REPLY = 2
BROADCAST = b"\xff" * 6

_FRAME = Struct("!6s6sHHHBBH6s4s6s4s")
LENGTH = _FRAME.size


class Arp(NamedTuple):
    """An ARP message about IPv4 in its Ethernet frame. MACs have 6 bytes, addresses 4."""

    frame_destination: bytes
    frame_source: bytes
    operation: int
    sender_mac: bytes
    sender_ip: bytes
    target_mac: bytes
    target_ip: bytes

    @property
    def announces(self) -> bool:
        """True for a gratuitous ARP: the sender asks for, or answers with, its own address."""
        return self.sender_ip == self.target_ip and self.sender_ip != bytes(4)

    def encode(self) -> bytes:
        """The 42 bytes of the frame."""
        macs = (self.frame_destination, self.frame_source, self.sender_mac, self.target_mac)
        if any(len(mac) != 6 for mac in macs) or len(self.sender_ip) != 4 or len(self.target_ip) != 4:
            raise ValueError("a MAC has 6 bytes and an IPv4 address 4")
        return _FRAME.pack(
            self.frame_destination, self.frame_source, ETHERTYPE, 1, 0x0800, 6, 4, self.operation,
            self.sender_mac, self.sender_ip, self.target_mac, self.target_ip,
        )  # fmt: skip


def decode(frame: bytes) -> Arp:
    """The ARP message in an Ethernet frame; padding behind it is ignored."""
    if len(frame) < LENGTH:
        raise Malformed(f"{len(frame)} bytes are too short for an ARP frame")
    to, source, ethertype, hardware, protocol, mac_size, ip_size, operation, *parties = _FRAME.unpack_from(frame)
    if ethertype != ETHERTYPE:
        raise Malformed(f"Ethernet type {ethertype:#06x} is not ARP")
    if (hardware, protocol, mac_size, ip_size) != (1, 0x0800, 6, 4):
        raise Malformed("ARP that is not about IPv4 on Ethernet")
    return Arp(to, source, operation, *parties)


def gratuitous(mac: bytes, address: bytes) -> bytes:
    """The broadcast frame that announces `address` (4 bytes) at `mac` (6 bytes)."""
    return Arp(BROADCAST, mac, REQUEST, mac, address, BROADCAST, address).encode()
