"""The vocabulary of the VRRP engine: the facts it is told (events) and the orders it gives (effects).

RFC 9568 says Active Router where this code, like its users' logs, scripts and MIBs, says MASTER.

Everything is immutable and can be written down, so that a run can be recorded, replayed and compared. Times are
seconds as floats; `at` and `now` are monotonic, `wall` is Unix time and only auth_hmac looks at it.

The messages of the hot path (one per packet) are named tuples, because those cost a third of a frozen dataclass.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import NamedTuple

from hakeep.config.settled import Settings, VirtualAddress
from hakeep.objects.rtnl import Address, AddressKey, IPAddress, Link


class State(StrEnum):
    """Where a virtual router is. The values are what logs, scripts and FIFOs say."""

    INIT = "INIT"
    BACKUP = "BACKUP"
    MASTER = "MASTER"
    FAULT = "FAULT"
    STOP = "STOP"
    DELETED = "DELETED"


# ---------------------------------------------------------------------------------------------------------- events


class Received(NamedTuple):
    """A datagram of IP protocol 112 or 51 that a VRRP socket delivered.

    `link` is the interface it was received on ("" for a socket that is bound to an address only). `data` starts with
    the IP header for IPv4 and with the VRRP header for IPv6. `source` and `destination` are packed addresses.
    `hop_limit` is TTL or hop limit, -1 when the kernel did not say. `at` is the kernel's receive stamp.
    """

    link: str
    data: bytes
    source: bytes
    destination: bytes
    hop_limit: int
    at: float
    wall: float


class Ticked(NamedTuple):
    """Time has passed: act on all that is due now."""


class Woken(NamedTuple):
    """The process could not run, or the host slept, for about `seconds` (BOOTTIME ran ahead of MONOTONIC)."""

    seconds: float


class LinkChanged(NamedTuple):
    """An interface appeared, changed, or (link is None) went away."""

    name: str
    link: Link | None


class AddressChanged(NamedTuple):
    """The kernel's address list changed. `port` is the netlink port of who did it; 0 = the kernel itself (expiry)."""

    address: Address
    present: bool
    port: int


class Resync(NamedTuple):
    """The monitor lost messages; here is all there is."""

    links: tuple[Link, ...]
    addresses: tuple[Address, ...]


class Heard(NamedTuple):
    """Somebody else announced this address (gratuitous ARP or unsolicited NA) on this interface."""

    interface: str
    ip: bytes
    mac: bytes


class Applied(NamedTuple):
    """The kernel acknowledged these address changes."""

    added: tuple[AddressKey, ...]
    removed: tuple[AddressKey, ...]


class Refused(NamedTuple):
    """The kernel said no to `what`: an address, or None for an advert of `router`."""

    router: str
    what: AddressKey | None
    errno: int


class Tracked(NamedTuple):
    """What is known now of a thing that instances go by (see `settled_track.Track`).

    `well` is None as long as nothing is known. Of a file `value` is the number in it, and `well` only says that it is
    known. `why` is for people: "exited with status 1", "2 processes".
    """

    kind: str
    name: str
    well: bool | None
    value: int = 0
    why: str = ""


class Reloaded(NamedTuple):
    """A new configuration holds from now on."""

    settings: Settings


class Commanded(NamedTuple):
    """An operator's order: `standby` (until monotonic `until`; inf = until resumed) or `resume`.

    `routers` are instance names; `even_if_alone` forbids serving again when no other router is heard.
    """

    command: str
    routers: tuple[str, ...]
    until: float = float("inf")
    even_if_alone: bool = False


class Stopped(NamedTuple):
    """Stop: hand over (make before break) and go. `at_once` skips the wait. `keep` leaves addresses where they are."""

    at_once: bool = False
    keep: bool = False


Event = (
    Received | Ticked | Woken | LinkChanged | AddressChanged | Resync | Heard | Applied | Refused | Tracked | Reloaded
    | Commanded | Stopped
)


# --------------------------------------------------------------------------------------------------------- effects


class Advertise(NamedTuple):
    """Send an advert of this router with this priority (0 = resign), now.

    It counts as sent unless the driver answers with `Refused(router, None, errno)`; a `Renew` that follows in the
    same list must then not be carried out.
    """

    router: str
    priority: int


class Reconcile(NamedTuple):
    """What these routers want of the kernel has changed: compare and apply (kernel lane)."""

    routers: tuple[str, ...]


class Renew(NamedTuple):
    """Add these addresses again with a fresh lifetime (lease)."""

    router: str
    addresses: tuple[Address, ...]


class Announce(NamedTuple):
    """Send one gratuitous ARP or unsolicited NA for each, in this order, now."""

    router: str
    addresses: tuple[VirtualAddress, ...]


class Listen(NamedTuple):
    """Open (or close) the ear for announcements of this router's addresses by others: wanted while handing over."""

    router: str
    on: bool


class Rebind(NamedTuple):
    """This router's sockets must be opened again, or (`close`) closed: its interface or source address changed."""

    router: str
    source: IPAddress | None
    close: bool = False


class NotifyChange(NamedTuple):
    """Tell scripts and FIFOs. `kind` is INSTANCE or GROUP; `what` a State, MASTER_RX_LOWER_PRI or ..._PRIORITY."""

    kind: str
    name: str
    what: str
    priority: int


class Changed(NamedTuple):
    """A router's visible state changed: status and the shared page follow."""

    router: str
    state: State


class Level(int, Enum):
    """syslog severities."""

    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7


@dataclass(frozen=True, slots=True)
class Log:
    """A line for the log. `detail` lines appear with -D only."""

    level: Level
    text: str
    detail: bool = False


class Finished(NamedTuple):
    """After Stopped: all is handed over and released; the worker may exit once the kernel lane is empty."""


Effect = (
    Advertise | Reconcile | Renew | Announce | Listen | Rebind | NotifyChange | Changed | Log | Finished
)
