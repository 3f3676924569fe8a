"""The kernel lane: address changes on their way to the kernel, a chunk a turn.

What is to change is worked out when its turn comes, so that a flap which undoes itself costs nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

from hakeep.config.settled import VirtualAddress
from hakeep.kernel.address_writer import AddressWriter
from hakeep.kernel.monitor import Monitor
from hakeep.kernel.netlink import Netlink
from hakeep.kernel.rtnl import Encoder
from hakeep.objects.diff import Replace
from hakeep.objects.rtnl import Address
from hakeep.vrrp import messages as m
from hakeep.vrrp.engine import Engine
from hakeep.vrrp.timers import NEVER
from hakeep.worker import Log

#: Seconds until address changes are tried again when netlink had no room.
NETLINK_RETRY = 0.1


class AddressLane:
    """What the engine wants of the kernel's addresses, and the `monitor` of what the kernel has.

    `room` is the size of the monitor's receive buffer in bytes, 0 = ours.
    """

    def __init__(self, room: int, log: Log) -> None:
        own_removals = Counter[bytes]()
        netlink = Netlink()
        self.monitor = Monitor({netlink.port}, room, own_removals)
        self.monitor.mute(netlink.port)
        self._encoder = Encoder()
        self._writer = AddressWriter(netlink, self._encoder, self.monitor.index_of, own_removals)
        self._log = log
        self._dirty = False
        self._not_before = 0.0

    @property
    def idle(self) -> bool:
        """True when the kernel has all that is wanted."""
        return self._writer.idle and not self._dirty

    @property
    def due(self) -> float:
        """When `work` should be called, in monotonic seconds."""
        return NEVER if self.idle else self._not_before

    def reconcile(self) -> None:
        """Something else may be wanted than before."""
        self._dirty = True

    def renew(self, addresses: Iterable[Address]) -> None:
        """Give these their lifetimes anew."""
        self._writer.put_renewals(addresses)

    def prepare(self, addresses: Iterable[VirtualAddress]) -> None:
        """Make the messages for these now, so that a takeover need not."""
        for virtual in addresses:
            index = self.monitor.index_of(virtual.address.interface)
            if index is not None:
                self._encoder.add(virtual.address, index)

    def work(self, engine: Engine) -> list[m.Event]:
        """Carry one chunk to the kernel. It answers within the call: returns what to tell the engine."""
        writer = self._writer
        if self._dirty:
            renewals = [c for c in writer.withdraw() if isinstance(c, Replace) and c.have is c.wanted]
            writer.put(c for c in renewals if engine.holds(c.key))
            writer.put(engine.changes(engine.routers))
            self._dirty = False
        if writer.idle or time.monotonic() < self._not_before:
            return []
        try:
            writer.send_chunk()
            outcome = writer.collect()
        except OSError as error:  # ENOBUFS, ENOMEM: the changes stay in the queue
            self._log(m.Level.ERROR, f"the kernel takes no address changes now: {error}")
            self._not_before = time.monotonic() + NETLINK_RETRY
            return []
        news: list[m.Event] = [m.Refused("", key, errno) for key, errno in outcome.refused]
        if outcome.added or outcome.removed:
            news.insert(0, m.Applied(outcome.added, outcome.removed))
        return news
