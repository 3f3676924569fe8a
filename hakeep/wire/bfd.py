"""The BFD control packet (RFC 5880 section 4.1), 24 bytes in one UDP datagram.

A session has two ends, and each numbers it for itself: the packet carries the sender's number (`my_discriminator`) and,
once it is known, the receiver's. The intervals say what the sender would like to do, and what it can bear.

Authentication (section 4.2 to 4.4) is not spoken: a packet that has it is refused, as the RFC wants it from who is not
configured for it. Bytes behind the packet are padding (RFC 9764) and must be zero.

Times are seconds here and microseconds on the wire. A microsecond survives the way there and back.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from hakeep.wire import Malformed

VERSION = 1
LENGTH = 24

#: UDP ports that packets go to: over one hop (RFC 5881 section 4), and over several (RFC 5883 section 5).
SINGLE_HOP, MULTIHOP = 3784, 4784

#: UDP ports that they may come from (RFC 5881 section 4): the first one, and how many.
FIRST_SOURCE_PORT, SOURCE_PORTS = 49152, 16384

_PACKET = Struct("!BBBBIIIII")
_POLL, _FINAL, _INDEPENDENT, _AUTHENTICATED, _DEMAND, _MULTIPOINT = 0x20, 0x10, 0x08, 0x04, 0x02, 0x01
_MICROSECONDS = 1_000_000


class State(IntEnum):
    """Where an end of a session is (RFC 5880 section 4.1)."""

    ADMIN_DOWN = 0
    DOWN = 1
    INIT = 2
    UP = 3

    def __str__(self) -> str:
        return _STATE_NAMES[self]


_STATE_NAMES = ("AdminDown", "Down", "Init", "Up")


class Diagnostic(IntEnum):
    """Why an end last left Up (RFC 5880 section 4.1)."""

    NONE = 0
    EXPIRED = 1
    ECHO_FAILED = 2
    NEIGHBOR_DOWN = 3
    FORWARDING_RESET = 4
    PATH_DOWN = 5
    CONCATENATED_DOWN = 6
    ADMIN_DOWN = 7
    REVERSE_CONCATENATED_DOWN = 8

    def __str__(self) -> str:
        return _DIAGNOSTIC_NAMES[self]


_DIAGNOSTIC_NAMES = (
    "No Diagnostic", "Control Detection Time Expired", "Echo Function Failed", "Neighbor Signaled Session Down",
    "Forwarding Plane Reset", "Path Down", "Concatenated Path Down", "Administratively Down",
    "Reverse Concatenated Path Down",
)


class Refusal(Malformed):
    """This is no packet that a session may be told of. `counter` names the kind of mistake, one of `REFUSALS`."""

    def __init__(self, counter: str, reason: str) -> None:
        super().__init__(reason)
        self.counter = counter


#: What a packet may be refused for by its bytes alone, in the order in which that is looked for.
REFUSALS = (
    "length", "version", "multiplier", "multipoint", "authentication", "my_discriminator", "your_discriminator",
    "poll_and_final", "diagnostic",
)


class Packet(NamedTuple):
    """One control packet. Intervals are in seconds, whole microseconds, below 4295.

    `required_min_rx` 0 asks for no periodic packets at all, `required_min_echo_rx` 0 says that there is no echo
    function.
    """

    state: State
    multiplier: int
    my_discriminator: int
    your_discriminator: int
    desired_min_tx: float
    required_min_rx: float
    diagnostic: Diagnostic = Diagnostic.NONE
    poll: bool = False
    final: bool = False
    demand: bool = False
    control_plane_independent: bool = False
    required_min_echo_rx: float = 0.0

    def encode(self) -> bytes:
        """The 24 bytes. Raises struct.error for what does not fit."""
        flags = self.state << 6
        flags |= _POLL * self.poll | _FINAL * self.final | _DEMAND * self.demand
        flags |= _INDEPENDENT * self.control_plane_independent
        return _PACKET.pack(
            VERSION << 5 | self.diagnostic, flags, self.multiplier, LENGTH, self.my_discriminator,
            self.your_discriminator, round(self.desired_min_tx * _MICROSECONDS),
            round(self.required_min_rx * _MICROSECONDS), round(self.required_min_echo_rx * _MICROSECONDS))


def decode(data: bytes) -> Packet:
    """The packet in a datagram. Raises Refusal for all that RFC 5880 section 6.8.6 discards by its bytes alone, for P
    and F in one packet (section 6.5), and for diagnostics that do not exist."""
    if len(data) < LENGTH:
        raise Refusal("length", f"{len(data)} bytes are too short for a BFD packet")
    first, flags, multiplier, length, mine, yours, tx, rx, echo = _PACKET.unpack_from(data)
    state = State(flags >> 6)
    if first >> 5 != VERSION:
        raise Refusal("version", f"it is BFD version {first >> 5}, not {VERSION}")
    if flags & _AUTHENTICATED:
        raise Refusal("authentication", "it is authenticated, which is not supported")
    if length != LENGTH or any(data[LENGTH:]):
        raise Refusal("length", f"it says that it has {length} bytes, of {len(data)}, where {LENGTH} are wanted")
    if not multiplier:
        raise Refusal("multiplier", "its multiplier is 0")
    if flags & _MULTIPOINT:
        raise Refusal("multipoint", "its multipoint bit is set")
    if not mine:
        raise Refusal("my_discriminator", "the sender's discriminator is 0")
    if not yours and state >= State.INIT:
        raise Refusal("your_discriminator", f"our discriminator is 0, yet its state is {state}")
    if flags & _POLL and flags & _FINAL:
        raise Refusal("poll_and_final", "it is poll and final at once")
    if first & 0x1F > max(Diagnostic):
        raise Refusal("diagnostic", f"there is no diagnostic {first & 0x1F}")
    return Packet(
        state, multiplier, mine, yours, tx / _MICROSECONDS, rx / _MICROSECONDS, Diagnostic(first & 0x1F),
        bool(flags & _POLL), bool(flags & _FINAL), bool(flags & _DEMAND), bool(flags & _INDEPENDENT),
        echo / _MICROSECONDS)
