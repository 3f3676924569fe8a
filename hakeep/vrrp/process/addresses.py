"""The kernel lane: address changes on their way to the kernel, a few chunks at a time.

What is to change is worked out when its turn comes, so that a flap which undoes itself costs nothing, and only when
nothing is under way any more, so that what the engine knows is how it is. A courier waits for the kernel; the loop, and
with it every advert, does not.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable

from hakeep.config.settled import VirtualAddress
from hakeep.kernel.address_writer import AddressWriter, Outcome, is_renewal
from hakeep.kernel.monitor import Monitor
from hakeep.kernel.netlink import Netlink
from hakeep.kernel.rtnl import Encoder
from hakeep.objects.rtnl import Address
from hakeep.vrrp import messages as m
from hakeep.vrrp.engine import Engine
from hakeep.vrrp.timers import NEVER
from hakeep.worker import Log

#: Seconds until address changes are tried again when netlink had no room.
NETLINK_RETRY = 0.1

_NOTHING_NEW = Outcome()


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
        self._courier = netlink.courier()
        self._writer = AddressWriter(netlink, self._encoder, self.monitor.index_of, own_removals, self._courier)
        self._netlink = netlink
        self._log = log
        self._dirty = False
        self._answered = False
        self._not_before = 0.0

    @property
    def idle(self) -> bool:
        """True when the kernel has all that is wanted."""
        return self._writer.idle and not self._dirty

    @property
    def due(self) -> float:
        """When `work` should be called, in monotonic seconds."""
        writer = self._writer
        if self._answered or writer.undecided:
            return 0.0
        if writer.ready or (self._dirty and not writer.under_way):
            return self._not_before
        return NEVER  # until it is answered

    def watch(self, watch: Callable[[int, Callable[[], None]], None]) -> None:
        """Have the loop call us when answers are there."""
        watch(self._netlink.fileno(), self._look)
        watch(self._courier.fileno(), self._look)

    def _look(self) -> None:
        self._answered = True
        self._courier.heed()

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
        """Give the courier what it can take, and see what has been answered: returns what to tell the engine."""
        writer = self._writer
        try:
            outcome = self._collect()
            if self._dirty and not writer.under_way and outcome == _NOTHING_NEW:
                self._dirty = False
                self._think(engine)
            while not self._dirty and time.monotonic() >= self._not_before and writer.send_chunk():
                pass  # the courier takes two at a time
        except OSError as error:  # ENOBUFS, ENOMEM: the changes stay in the queue
            self._log(m.Level.ERROR, f"the kernel takes no address changes now: {error}")
            self._not_before = time.monotonic() + NETLINK_RETRY
            return []
        news: list[m.Event] = [m.Refused("", key, errno) for key, errno in outcome.refused]
        if outcome.added or outcome.removed:
            news.insert(0, m.Applied(outcome.added, outcome.removed))
        return news

    def _collect(self) -> Outcome:
        if not (self._answered or self._writer.undecided):
            return _NOTHING_NEW
        self._answered = False
        return self._writer.collect()

    def _think(self, engine: Engine) -> None:
        """Work out what is to change. What is under way is known to the engine by now."""
        writer = self._writer
        renewals = [change for change in writer.withdraw() if is_renewal(change)]
        writer.put(c for c in renewals if engine.holds(c.key))
        writer.put_coming(engine.coming_changes(engine.routers))
