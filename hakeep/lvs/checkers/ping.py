"""PING_CHECK: an echo comes back (RFC 792, RFC 4443).

It takes the kernel's ping sockets, which need no privilege but a group within net.ipv4.ping_group_range. The kernel
chooses the identifier, computes checksums, and hands us only what answers it.
"""

from __future__ import annotations

import os
import secrets
import socket
import struct
from contextlib import suppress

from hakeep.config.settled_lvs import Peer, PingProbe
from hakeep.kernel import sysctl
from hakeep.lvs.checkers.attempt import Attempt, Hindrance
from hakeep.lvs.checkers.kit import Kit
from hakeep.lvs.checkers.udp import TEXT, open_datagram_socket, receive_datagram, send_datagram
from hakeep.lvs.messages import Result

HEADER = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence number
REQUEST, REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}
DATA = (TEXT * 7)[:128]
RANGE = "ipv4/ping_group_range"


async def probe(probe: PingProbe, step: int, kit: Kit) -> Result:
    """Send one echo request; the reply to it must come within the timeout."""
    with Attempt(probe.peer.timeout, kit.witness) as attempt:
        opened = _open(probe.peer, attempt)
        version, sequence = probe.peer.ip.version, secrets.randbits(16)
        attempt.step("waiting for an echo")
        send_datagram(opened, attempt, HEADER.pack(REQUEST[version], 0, 0, 0, sequence) + DATA)
        while not _answers(await receive_datagram(opened, attempt), REPLY[version], sequence):
            pass
        attempt.passed("an echo came back")
    return attempt.result


def _open(peer: Peer, attempt: Attempt) -> socket.socket:
    protocol = socket.IPPROTO_ICMP if peer.ip.version == 4 else socket.IPPROTO_ICMPV6
    try:
        return open_datagram_socket(peer, attempt, protocol)
    except Hindrance:
        if not permit():
            raise
        return open_datagram_socket(peer, attempt, protocol)


def permit() -> bool:
    """Have the kernel permit our group to ping, as keepalived does; False when it does already, or we must not."""
    group = os.getegid()
    with suppress(OSError, ValueError):
        low, high = map(int, sysctl.read(RANGE).split())
        if not low <= group <= high:
            wide = (group, group) if low > high else (min(low, group), max(high, group))
            sysctl.write(RANGE, f"{wide[0]}\t{wide[1]}")
            return True
    return False


def _answers(packet: bytes, kind: int, sequence: int) -> bool:
    if len(packet) < HEADER.size:
        return False
    got, code, _, _, number = HEADER.unpack_from(packet)
    return got == kind and code == 0 and number == sequence and packet[HEADER.size :] == DATA
