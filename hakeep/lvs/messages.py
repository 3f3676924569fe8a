"""The vocabulary of the LVS engine: the facts it is told (events) and the orders it gives (effects).

The counterpart of `vrrp.messages`. Everything is immutable and can be written down. Times are seconds as floats on the
monotonic clock.

Checks are told apart by a `CheckKey`, a short text that is made from all that the check says: the same in every process
and in every start, so that what is known of a check can be handed to a successor, and two that ask the same are one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hakeep.config.settled_globals import Script
from hakeep.objects.rtnl import IPAddress
from hakeep.vrrp.messages import Log

if TYPE_CHECKING:  # the supervisor knows these words as well, and has no use for what they carry
    from hakeep.config.settled_lvs import Check, Director
    from hakeep.objects.ipvs import DestinationKey, ServiceKey

CheckKey = str


class Result(NamedTuple):
    """What a probe found out. `why` is a short sentence for people, also when all is well (``status 200``).

    `local` means that we could not ask (no socket, no memory, address not ours): that is nobody's failure, and it is
    tried again. `weight` is what the server asks for, None = it does not say. `drain`: it wants no new connections.
    """

    ok: bool
    why: str
    latency: float = 0.0
    local: bool = False
    weight: int | None = None
    drain: bool = False


# ---------------------------------------------------------------------------------------------------------- events


class Probed(NamedTuple):
    """The answer to an `Ask`."""

    check: CheckKey
    step: int
    result: Result


class Ticked(NamedTuple):
    """Time has passed: act on all that is due now."""


class Reloaded(NamedTuple):
    """A new configuration holds from now on."""

    director: Director


class AddressSeen(NamedTuple):
    """A virtual server's address came to this host or left it (ha_suspend)."""

    ip: IPAddress
    present: bool


class RouterIs(NamedTuple):
    """A vrrp_instance reached a state (lvs_sync_daemon): MASTER, BACKUP, FAULT ..."""

    instance: str
    state: str


class FileSays(NamedTuple):
    """The number in a track_file; None = there is none."""

    path: str
    value: int | None


class SessionIs(NamedTuple):
    """A bfd_instance went up or down."""

    name: str
    up: bool


class Ordered(NamedTuple):
    """An operator's order: `what` is ready (undo), drain (weight 0), down (out) or weight (with `weight`).

    `real` is the real server; `virtual` names one virtual server (VirtualServer.name) or is "" for all of them. Orders
    hold until they are undone, over restarts.
    """

    what: str
    ip: IPAddress
    port: int
    virtual: str = ""
    weight: int = 0


class Applied(NamedTuple):
    """The backend's table is as wanted."""


class Refused(NamedTuple):
    """The backend said no to this service or destination; it will be tried again."""

    what: ServiceKey | DestinationKey
    why: str


class Restored(NamedTuple):
    """Somebody else changed the table; these were put back (for counters and the log)."""

    what: tuple[ServiceKey | DestinationKey, ...]


class Stopped(NamedTuple):
    """Stop: down scripts where `omega` asks for them, then an empty table. `keep` leaves it as it is."""

    keep: bool = False


Event = (
    Probed | Ticked | Reloaded | AddressSeen | RouterIs | FileSays | SessionIs | Ordered | Applied | Refused | Restored
    | Stopped
)


# --------------------------------------------------------------------------------------------------------- effects


class Ask(NamedTuple):
    """Make this check now and answer with `Probed(key, step, ...)`. `step` is the page of an HTTP check, else 0."""

    key: CheckKey
    check: Check
    step: int = 0


class Forget(NamedTuple):
    """An answer is no longer waited for: cancel the probe if it runs."""

    key: CheckKey


class Reconcile(NamedTuple):
    """`wanted()` has changed: compare and apply. `only`: the virtual servers (by name) that it concerns, () = all."""

    only: tuple[str, ...] = ()


class Tell(NamedTuple):
    """Tell a script (if any) and the FIFO: `line` without its newline, such as ``VS [10.0.0.1]:tcp:80 UP``."""

    line: str
    script: Script | None = None


class Report(NamedTuple):
    """Have people told, by mail or webhook (see notify.news.News, whose fields these are)."""

    kind: str  # RS | VS
    name: str
    state: str
    why: str
    mail: bool
    virtual: str
    says: str
    check: str = ""


class SyncChanged(NamedTuple):
    """`daemons()` says something else than before."""


class Remember(NamedTuple):
    """What a successor must know of a check, as JSON text ("" = forget it).

    Virtual servers are remembered as well, for their hystereses: their `key` is ``virtual NAME``.
    """

    key: CheckKey
    memory: str


class Changed(NamedTuple):
    """A virtual server's visible state changed."""

    virtual: str


class Finished(NamedTuple):
    """After Stopped: nothing more will come but what `wanted()` says now."""


Effect = Ask | Forget | Reconcile | Tell | Report | SyncChanged | Remember | Changed | Log | Finished
