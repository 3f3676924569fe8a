"""The vocabulary of the BFD engine: the facts it is told (events) and the orders it gives (effects).

The counterpart of `vrrp.messages`. Everything is immutable and can be written down. Times are seconds as floats on the
monotonic clock.

A session is told apart by its own discriminator, which is never 0 and no other session of this worker has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hakeep.config.settled_bfd import BfdInstance, BfdSettings
from hakeep.vrrp.messages import Level, Log

__all__ = [
    "Changed", "Close", "Draw", "Effect", "Event", "Failed", "Finished", "Level", "Log", "Memory", "Open", "Received",
    "Reloaded", "Remember", "Send", "Stopped", "Tell", "Ticked",
]

#: A number from 0 to below the one given, each as likely as the others, and which nobody can foresee.
Draw = Callable[[int], int]


class Memory(NamedTuple):
    """What a successor must know of a session to go on with it. `path` is that of its instance, the other names are
    those of `Session`."""

    path: tuple[str, ...]
    discriminator: int
    source_port: int
    up: bool
    told: bool
    remote_discriminator: int
    remote_multiplier: int
    remote_min_tx: float
    remote_min_rx: float


# ---------------------------------------------------------------------------------------------------------- events


class Received(NamedTuple):
    """A datagram to one of BFD's ports, `port`. Addresses are packed, `hop_limit` is -1 when the kernel did not say.
    `at` is the kernel's receive stamp."""

    data: bytes
    source: bytes
    destination: bytes
    port: int
    hop_limit: int
    at: float


class Ticked(NamedTuple):
    """Time has passed: act on all that is due now. All that was received before has been told."""


class Failed(NamedTuple):
    """A session's socket cannot be opened, or (`open` False) does not send."""

    session: int
    why: str
    open: bool


class Reloaded(NamedTuple):
    """A new configuration holds from now on."""

    settings: BfdSettings


class Stopped(NamedTuple):
    """Stop: say goodbye and go."""


Event = Received | Ticked | Failed | Reloaded | Stopped


# --------------------------------------------------------------------------------------------------------- effects


class Open(NamedTuple):
    """Open the session's socket, instead of what it had. `source_port` is ours. It counts as open unless the driver
    answers with `Failed`."""

    session: int
    instance: BfdInstance
    source_port: int


class Close(NamedTuple):
    """This session has ended."""

    session: int


class Send(NamedTuple):
    """Send a packet, now."""

    session: int
    data: bytes


class Tell(NamedTuple):
    """VRRP and the checkers, if they hear of this session, are to know that it is up or down. `why` is for people."""

    instance: BfdInstance
    up: bool
    why: str


class Changed(NamedTuple):
    """The session of this name has another state: status follows."""

    name: str


class Remember(NamedTuple):
    """What a successor must know of the session of this name; None = nothing any more."""

    name: str
    memory: Memory | None


class Finished(NamedTuple):
    """After Stopped: there is nothing left to do."""


Effect = Open | Close | Send | Tell | Changed | Remember | Log | Finished
