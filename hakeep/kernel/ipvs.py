"""A conversation with the kernel's IPVS: what its table holds, and orders by the hundred.

Like everything in netlink the kernel does its work inside the call that asks for it, so nothing here waits: whoever
must let others have their turn asks in pieces, as `backends.ipvs` does.

A batch of orders goes out in one call and only what was refused is answered, and the last. A dump of destinations is
a question for each service, because the kernel has no other.
"""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator, Sequence

from hakeep.kernel import ipvs_messages as rare
from hakeep.kernel import ipvs_rows as rows
from hakeep.kernel.ipvs_messages import Info
from hakeep.kernel.netlink import Ack, Netlink, NetlinkError, Overrun
from hakeep.objects.ipvs import (
    Destination,
    Service,
    ServiceKey,
    SyncDaemon,
    Table,
    Timeouts,
    Usage,
)

NETLINK_GENERIC = 16

#: Messages in one call: some 20 KiB, and answers that the receive buffer has room for if each of them is refused.
BATCH = 128
_RECEIVE_BUFFER = 1 << 20

#: Seconds for modprobe.
_PATIENCE = 30


def load_module() -> str:
    """Have modprobe(8) load the kernel's module. What it complains about."""
    try:
        done = subprocess.run(
            ("modprobe", "ip_vs"), env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, stdin=subprocess.DEVNULL,
            capture_output=True, check=False, timeout=_PATIENCE)  # fmt: skip
    except OSError as error:
        return f"modprobe: {error.strerror}"
    except subprocess.TimeoutExpired:
        return "modprobe does not end"
    return done.stderr.decode(errors="replace").strip().replace("\n", "; ")


class Ipvs:
    """One socket to the IPVS of the caller's network namespace, and the orders that it takes.

    Opening raises NetlinkError: ENOENT when the kernel has no IPVS, or its module is not loaded. Every other method
    raises NetlinkError when the kernel says no, EPERM without CAP_NET_ADMIN, and Unreadable for an answer that makes
    no sense.
    """

    def __init__(self) -> None:
        self._netlink = Netlink(NETLINK_GENERIC, rcvbuf=_RECEIVE_BUFFER)
        try:
            (answer,) = self._netlink.request(rare.encode_get_family())
            #: The number of the family, which the kernel gives out when the module is loaded.
            self.family = rare.decode_family(answer.data)
        except BaseException:
            self._netlink.close()
            raise

    def close(self) -> None:
        """Close the socket. The table stays."""
        self._netlink.close()

    def __enter__(self) -> Ipvs:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---------------------------------------------------------------------------------------------------- questions

    def info(self) -> Info:
        """The version of IPVS."""
        (answer,) = self._netlink.request(rare.encode_get_info(self.family))
        return rare.decode_info(answer.data)

    def services(self) -> list[Service]:
        """All services, in the kernel's order."""
        return [rows.decode_service(data) for data in self._services()]

    def service(self, key: ServiceKey) -> Service | None:
        """One service; None when it is not there."""
        data = self._one_service(key)
        return None if data is None else rows.decode_service(data)

    def destinations(self, key: ServiceKey) -> list[Destination]:
        """The destinations of one service, in the kernel's order; none when there is no such service."""
        return [rows.decode_destination(data, key) for data in self._destinations(key)]

    def table(self) -> Table:
        """All that is there."""
        services = self.services()
        return Table.of(services, (each for service in services for each in self.destinations(service.key)))

    def service_usage(self) -> Iterator[tuple[ServiceKey, Usage]]:
        """What is counted of each service."""
        return ((rows.decode_service(data).key, rows.decode_service_usage(data)) for data in self._services())

    def usage_of(self, key: ServiceKey) -> Usage:
        """What is counted of one service; nothing when it is not there."""
        data = self._one_service(key)
        return Usage() if data is None else rows.decode_service_usage(data)

    def counted(self, key: ServiceKey) -> list[tuple[Destination, Usage]]:
        """The destinations of one service, each with what is counted of it."""
        return [rows.decode_destination_usage(data, key) for data in self._destinations(key)]

    def timeouts(self) -> Timeouts:
        """The timeouts of connections."""
        (answer,) = self._netlink.request(rare.encode_get_timeouts(self.family))
        return rare.decode_timeouts(answer.data)

    def daemons(self) -> list[SyncDaemon]:
        """The synchronisation daemons that run."""
        return [rare.decode_daemon(part.data) for part in self._netlink.request(rare.encode_dump_daemons(self.family))]

    def _services(self) -> list[bytes]:
        return [part.data for part in self._netlink.request(rows.encode_dump_services(self.family))]

    def _one_service(self, key: ServiceKey) -> bytes | None:
        try:
            (answer,) = self._netlink.request(rows.encode_service_key(self.family, rows.GET_SERVICE, key))
        except NetlinkError as refusal:
            if refusal.errno == errno.ESRCH:
                return None
            raise
        return answer.data

    def _destinations(self, key: ServiceKey) -> list[bytes]:
        return [part.data for part in self._netlink.request(rows.encode_dump_destinations(self.family, key))]

    # ------------------------------------------------------------------------------------------------------- orders

    def order(self, messages: Sequence[bytes]) -> dict[int, int]:
        """Send at most `BATCH` messages that were made for this `family`. The errno of each that was refused, by its
        place; the others were done. Raises OSError when none of them was taken."""
        if not messages:
            return {}
        sequence = self._netlink.send(messages, quiet=True)
        refused: dict[int, int] = {}
        while True:
            incoming = self._netlink.receive()
            if not incoming:
                raise NetlinkError(errno.EIO, "the kernel left netlink requests unanswered")
            for each in incoming:
                if isinstance(each, Overrun):
                    raise NetlinkError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
                if isinstance(each, Ack) and each.seq in sequence:
                    if each.errno:
                        refused[each.seq - sequence.start] = each.errno
                    if each.seq == sequence[-1]:
                        return refused

    def zero(self, key: ServiceKey | None = None) -> None:
        """Set the counts of one service or of all to 0. ESRCH when it is not there."""
        if key is None:
            self._netlink.request(rows.message(self.family, rows.ZERO))
        else:
            self._netlink.request(rows.encode_service_key(self.family, rows.ZERO, key))

    def flush(self) -> None:
        """Empty the table."""
        self._netlink.request(rows.message(self.family, rows.FLUSH))

    def set_timeouts(self, timeouts: Timeouts) -> None:
        """Set those that are not 0."""
        self._netlink.request(rare.encode_set_timeouts(self.family, timeouts))

    def start(self, daemon: SyncDaemon) -> None:
        """Start a synchronisation daemon. EEXIST when one of that state runs."""
        self._netlink.request(rare.encode_start(self.family, daemon))

    def stop(self, state: str) -> None:
        """Stop one. ESRCH when none of that state runs.

        The kernel leaves it unanswered when the daemon's thread has not run yet (its EINTR means no answer to netlink),
        so a question that is always answered follows.
        """
        refused = self.order([rare.encode_stop(self.family, state), rare.encode_get_info(self.family)])
        for number in refused.values():
            raise NetlinkError(number, os.strerror(number))
