"""The kernel's IPVS as a backend: the real thing.

The kernel makes changes while we ask for them (39,000 in 0.7 s, even in User Mode Linux), so nothing is awaited here
but the turns of others: after every batch, and every few services of a dump.

Orders are made good on the spot. What is there already is set to what is wanted (keepalived leaves it as it was), what
should be changed and is gone is made anew, what should go and is gone is gone. Only what cannot be had is a refusal.
A service is always replaced by SET, whatever changes of it, so its connections and destinations stay.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import trio

from hakeep.kernel import ipvs as kernel
from hakeep.kernel import ipvs_rows as rows
from hakeep.kernel import netns
from hakeep.kernel.ipvs_refusals import daemon_refusal, refusal, unavailable
from hakeep.kernel.ipvs_rows import Unreadable
from hakeep.kernel.netlink import NetlinkError
from hakeep.lvs.backends import Refusal, TableChange, Unavailable
from hakeep.objects.diff import Add, Remove
from hakeep.objects.ipvs import (
    Destination,
    DestinationKey,
    Encapsulation,
    Forward,
    Service,
    ServiceKey,
    SyncDaemon,
    Table,
    Timeouts,
    Usage,
)

#: So many services are asked for their destinations before others have their turn.
_SERVICES_A_TURN = 32

#: Since when the kernel knows it, else it would make an ipip tunnel of it and say nothing.
_TUNNELS_SINCE = {Encapsulation.GUE: (5, 2), Encapsulation.GRE: (5, 3)}
_TUNNEL_CHECKSUMS_SINCE = (5, 3)

#: So often something else is tried: a service that went comes back, then its destination is found to have gone too.
_ATTEMPTS = 3
_HOPELESS = -1

#: What to send, and what instead when the kernel answers with this errno; None = then it is done.
_INSTEAD: dict[tuple[int, int], int | None] = {
    (rows.NEW_SERVICE, errno.EEXIST): rows.SET_SERVICE,
    (rows.SET_SERVICE, errno.ESRCH): rows.NEW_SERVICE,
    (rows.DEL_SERVICE, errno.ESRCH): None,
    (rows.NEW_DEST, errno.EEXIST): rows.SET_DEST,
    (rows.SET_DEST, errno.ENOENT): rows.NEW_DEST,
    (rows.DEL_DEST, errno.ENOENT): None,
    (rows.DEL_DEST, errno.ESRCH): None,  # its service went, and took it along
}


class _Order(NamedTuple):
    """A change, and the command that it is tried with."""

    change: TableChange
    command: int


class Ipvs:
    """The backend `ipvs`, of the network namespace that has this name (see `netns.visit`; None = the caller's)."""

    name = "ipvs"

    def __init__(self, namespace: str | None = None) -> None:
        self._namespace = namespace
        self._socket: kernel.Ipvs | None = None

    @property
    def _ipvs(self) -> kernel.Ipvs:
        if self._socket is None:
            raise Unavailable("the IPVS backend is not open")
        return self._socket

    async def open(self) -> None:
        """Connect; the module is loaded where that is permitted. Raises Unavailable."""
        await self.close()
        try:
            self._socket = await _connect(self._namespace)
            self._socket.services()  # also what needs a capability
        except NetlinkError as error:
            await self.close()
            raise Unavailable(unavailable(error.errno)) from None
        except (OSError, Unreadable) as error:
            await self.close()
            raise Unavailable(f"IPVS cannot be used: {error}") from None
        await trio.lowlevel.checkpoint()

    async def close(self) -> None:
        """Close the socket. The table stays."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def cannot(self, service: Service, destinations: Sequence[Destination]) -> str:
        """What this kernel cannot do; "" when it can do everything."""
        if service.prefix == 0 and service.key.family == 6:
            return "persistence_granularity of IPv6 goes from 1 to 128 bits: the kernel has no other"
        for destination in destinations:
            if destination.key.ip.version != service.key.family and destination.forward is not Forward.TUNNEL:
                return (f"real_server {destination.key.ip} is of another address family than {service.key}, and is "
                        "only reached with lvs_method TUN")
            if destination.forward is Forward.TUNNEL and (lack := _tunnel_lack(destination)):
                return lack
        return ""

    async def read(self, only: Collection[ServiceKey] | None = None) -> Table:
        """What is there, of these services or of all: destinations in the order in which they were added."""
        ipvs = self._ipvs
        services = []
        destinations: list[Destination] = []
        with _told():
            if only is None:
                services = ipvs.services()
            for count, wanted in enumerate([service.key for service in services] if only is None else only, 1):
                if count % _SERVICES_A_TURN == 0:
                    await trio.lowlevel.checkpoint()
                if only is not None:
                    found = ipvs.service(wanted)
                    if found is None:
                        continue
                    services.append(found)
                destinations += reversed(ipvs.destinations(wanted))  # the kernel's last one first
        await trio.lowlevel.checkpoint()
        return Table.of(services, destinations)

    async def apply(self, changes: Sequence[TableChange]) -> list[Refusal]:
        """Make the changes in this order, some hundred in a call."""
        refusals: list[Refusal] = []
        lost: set[ServiceKey] = set()  # services that could not be had: their destinations need no words
        for batch in _batches(changes):
            orders = [_Order(change, _command(change)) for change in batch]
            lost.difference_update(change.key for change in batch if isinstance(change.key, ServiceKey))
            with _told():
                for order, number in self._made_good(orders):
                    key = order.change.key
                    if isinstance(key, ServiceKey):
                        lost.add(key)
                    elif key.service in lost and number == errno.ESRCH:
                        continue
                    refusals.append((key, refusal(order.command, _subject(order), number)))
            await trio.lowlevel.checkpoint()
        return refusals

    def _made_good(self, orders: Sequence[_Order]) -> list[tuple[_Order, int]]:
        """Send them, and then what must be sent instead of those that were refused. What remains, and its errno."""
        hopeless: list[tuple[_Order, int]] = []
        for attempt in range(1, _ATTEMPTS + 1):
            again: list[_Order] = []
            anew: set[ServiceKey] = set()
            for order, number in self._refused(orders):
                key = order.change.key
                instead: int | None = order.command
                if not (isinstance(key, DestinationKey) and number == errno.ESRCH and key.service in anew):
                    instead = _INSTEAD.get((order.command, number), _HOPELESS)
                if instead is None:
                    continue
                if instead == _HOPELESS or attempt == _ATTEMPTS:
                    hopeless.append((order, number))
                    continue
                again.append(_Order(order.change, instead))
                if isinstance(key, ServiceKey):
                    anew.add(key)
            orders = again
        return hopeless

    def _refused(self, orders: Sequence[_Order]) -> Iterator[tuple[_Order, int]]:
        """Send them; those that were refused, and with which errno."""
        refused = self._ipvs.order([_encode(self._ipvs.family, order) for order in orders])
        return ((orders[place], number) for place, number in sorted(refused.items()))

    async def usage(self) -> Mapping[ServiceKey | DestinationKey, Usage]:
        """What the kernel counts of everything."""
        found: dict[ServiceKey | DestinationKey, Usage] = {}
        with _told():
            services = list(self._ipvs.service_usage())
            for count, (key, usage) in enumerate(services, 1):
                if count % _SERVICES_A_TURN == 0:
                    await trio.lowlevel.checkpoint()
                found[key] = usage
                found.update((destination.key, each) for destination, each in self._ipvs.counted(key))
        await trio.lowlevel.checkpoint()
        return found

    async def flush(self) -> None:
        """Empty the table."""
        with _told():
            self._ipvs.flush()
        await trio.lowlevel.checkpoint()

    async def set_timeouts(self, timeouts: Timeouts) -> Timeouts:
        """Set those that are not 0. Returns what they were."""
        with _told():
            before = self._ipvs.timeouts()
            if any(timeouts):
                self._ipvs.set_timeouts(timeouts)
        await trio.lowlevel.checkpoint()
        return before

    async def set_daemons(self, wanted: Sequence[SyncDaemon]) -> None:
        """Have exactly these run; one that runs as it should is not touched. Raises Unavailable."""
        wishes = {daemon.state: daemon for daemon in wanted}
        ipvs = self._ipvs
        with _told():
            running = {daemon.state: daemon for daemon in ipvs.daemons()}
        for state, daemon in running.items():
            if state not in wishes or not _serves(daemon, wishes[state]):
                with _told(daemon):
                    ipvs.stop(state)
        await trio.lowlevel.checkpoint()
        for state, daemon in wishes.items():
            if state not in running or not _serves(running[state], daemon):
                with _told(daemon):
                    ipvs.start(daemon)
        await trio.lowlevel.checkpoint()

    async def changed(self) -> None:
        """Never returns: IPVS tells nobody of changes."""
        await trio.sleep_forever()


async def _connect(namespace: str | None) -> kernel.Ipvs:
    """A socket; where the kernel has no IPVS yet, its module is loaded. Raises NetlinkError or Unavailable."""
    try:
        return _connection(namespace)
    except NetlinkError as error:
        if error.errno != errno.ENOENT or os.geteuid() != 0:
            raise
    said = await trio.to_thread.run_sync(kernel.load_module)
    try:
        return _connection(namespace)
    except NetlinkError as error:
        raise Unavailable(unavailable(error.errno, said)) from None


def _connection(namespace: str | None) -> kernel.Ipvs:
    try:
        with netns.visit(namespace):
            return kernel.Ipvs()
    except netns.Unreachable as error:
        raise Unavailable(f"net_namespace_ipvs: {error}") from None


@contextmanager
def _told(daemon: SyncDaemon | None = None) -> Iterator[None]:
    """What makes the backend useless is Unavailable, in words; `daemon` is what it was about, if not about all."""
    try:
        yield
    except NetlinkError as error:
        if daemon is not None:
            raise Unavailable(daemon_refusal(daemon.state, daemon.interface, error.errno)) from None
        raise Unavailable(unavailable(error.errno)) from None
    except (OSError, Unreadable) as error:
        raise Unavailable(f"IPVS cannot be used: {error}") from None


def _batches(changes: Sequence[TableChange]) -> Iterator[Sequence[TableChange]]:
    """Parts of the changes in which second attempts at some do not come too late for others.

    So no part has anything twice, nor a service after a destination of it that may have to be tried again.
    """
    start = 0
    touched: set[ServiceKey | DestinationKey] = set()
    for at, change in enumerate(changes):
        if at - start == kernel.BATCH or change.key in touched:
            yield changes[start:at]
            start = at
            touched.clear()
        touched.add(change.key)
        if isinstance(change.key, DestinationKey) and not isinstance(change, Remove):
            touched.add(change.key.service)
    if start < len(changes):
        yield changes[start:]


def _command(change: TableChange) -> int:
    service = isinstance(change.key, ServiceKey)
    if isinstance(change, Add):
        return rows.NEW_SERVICE if service else rows.NEW_DEST
    if isinstance(change, Remove):
        return rows.DEL_SERVICE if service else rows.DEL_DEST
    return rows.SET_SERVICE if service else rows.SET_DEST


def _subject(order: _Order) -> Service | Destination:
    return order.change.have if isinstance(order.change, Remove) else order.change.wanted


def _encode(family: int, order: _Order) -> bytes:
    subject = _subject(order)
    if isinstance(subject, Service):
        if order.command == rows.DEL_SERVICE:
            return rows.encode_service_key(family, order.command, subject.key)
        return rows.encode_service(family, order.command, subject)
    if order.command == rows.DEL_DEST:
        return rows.encode_destination_key(family, subject.key)
    return rows.encode_destination(family, order.command, subject)


def _serves(running: SyncDaemon, wish: SyncDaemon) -> bool:
    """Does it do what is wished? What the wish leaves to the kernel may be anything. A backup takes longer messages
    than it is told to, and a master's are cut to what its interface can send."""
    return (
        running.interface == wish.interface
        and running.sync_id == wish.sync_id
        and wish.group in (None, running.group)
        and wish.port in (0, running.port)
        and wish.ttl in (0, running.ttl)
        and (wish.max_length in (0, running.max_length) or running.state == "backup")
    )


def _tunnel_lack(destination: Destination) -> str:
    """What this kernel cannot do of a tunnel."""
    numbers = re.match(r"(\d+)\.(\d+)", os.uname().release)
    have = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
    tunnel = destination.tunnel
    since = _TUNNELS_SINCE.get(tunnel.type, (0, 0))
    if have < since:
        name = tunnel.type.name.lower()
        return f"lvs_method TUN type {name} needs Linux {since[0]}.{since[1]}, and this is {os.uname().release}"
    if tunnel.checksum and have < _TUNNEL_CHECKSUMS_SINCE:
        return f"checksums of lvs_method TUN need Linux 5.3, and this is {os.uname().release}"
    return ""
