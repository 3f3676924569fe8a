"""The wire lane without a network: what becomes of an advert that nobody takes."""

from __future__ import annotations

from dataclasses import replace
from errno import ENETDOWN
from ipaddress import ip_address
from typing import Any

from hakeep.config.settled import Peer, VirtualAddress, VrrpInstance
from hakeep.kernel.wire_lane import Mouth, WireLane
from hakeep.objects.rtnl import Address
from hakeep.vrrp.authentication import AuthMemory
from hakeep.vrrp.transmit import Transmitter

PEERS = ("10.9.0.2", "10.9.0.3")
AH = replace(
    VrrpInstance("V", 51, "eth0", addresses=(VirtualAddress(Address("eth0", ip_address("10.9.0.100"), 24)),)),
    auth_type="AH", auth_pass=b"secret", multicast=None, peers=tuple(Peer(ip_address(text)) for text in PEERS),
)


class Socket:
    """Takes datagrams, but not for those that cannot be reached."""

    def __init__(self) -> None:
        self.unreachable: set[str] = set()
        self.sent: list[str] = []

    def sendto(self, data: bytes, flags: int, to: tuple[str, int]) -> None:
        if to[0] in self.unreachable:
            raise OSError(ENETDOWN, "down")
        self.sent.append(to[0])


def lane(memory: AuthMemory) -> tuple[WireLane, Any]:
    made, sock = WireLane(lambda ear: None, lambda ear: None), Socket()
    transmitter = Transmitter(AH, ip_address("10.9.0.1"), memory)
    targets = {peer: ((peer, 0), 0) for peer in PEERS}
    made.mouths["V"] = Mouth(transmitter, sock, "", targets)  # type: ignore[arg-type]
    return made, sock


def test_an_advert_that_nobody_took_uses_up_no_sequence_of_ah() -> None:
    memory = AuthMemory(ah_sequence=41)
    wire, sock = lane(memory)
    sock.unreachable = set(PEERS)
    assert [wire.advertise("V", 100) for _ in range(3)] == [ENETDOWN] * 3
    assert memory.ah_sequence == 41
    sock.unreachable = set(PEERS[:1])
    assert wire.advertise("V", 100) == 0
    assert (memory.ah_sequence, sock.sent) == (42, [PEERS[1]]), "one peer has seen this one"


def test_nothing_is_taken_back_when_ah_has_run_out() -> None:
    memory = AuthMemory(ah_sequence=0xFFFFFFFD)
    wire, sock = lane(memory)
    wire.advertise("V", 100)
    assert (memory.ah_sequence, sock.sent) == (0xFFFFFFFD, [])
