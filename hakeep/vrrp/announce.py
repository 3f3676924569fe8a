"""When to send which gratuitous ARP or unsolicited neighbour advertisement.

Everybody who wants an address announced asks this queue; it decides when each frame may go. One queue serves one
interface, or the interfaces of one garp_group, because those share a rate limit. Inside a queue addresses take turns
(A B C A B C ...), and one that has not been announced since it was asked for goes before all repetitions: with a
thousand addresses what counts is when each is announced *first*.

A queue without a rate limit still yields after a batch, so that an advert never waits for announcements.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import groupby

from hakeep.config.settled import GarpLimit, VirtualAddress
from hakeep.objects.rtnl import AddressKey
from hakeep.vrrp.messages import Announce
from hakeep.vrrp.timers import NEVER

#: Frames in one turn of the loop: about half a millisecond of work.
BATCH = 128


class Wish:
    """One address of one router that waits to be announced `left` more times; 0 = it does not any more."""

    __slots__ = ("address", "left", "router")

    def __init__(self, router: str, address: VirtualAddress, left: int) -> None:
        self.router = router
        self.address = address
        self.left = left


class Queue:
    """Announcements that wait for their turn on one interface or group of interfaces."""

    def __init__(self, garp_interval: float = 0.0, gna_interval: float = 0.0) -> None:
        self.intervals = {4: garp_interval, 6: gna_interval}
        self.first: deque[Wish] = deque()
        self.again: deque[Wish] = deque()
        self.waiting: dict[str, dict[AddressKey, Wish]] = {}
        self.free_at = 0.0

    def ask(self, router: str, addresses: Iterable[VirtualAddress], times: int) -> None:
        """Let these addresses wait for `times` announcements, or for more than they wait for already."""
        of_router = self.waiting.setdefault(router, {})
        for address in addresses:
            key = address.address.key
            wish = of_router.get(key)
            if wish is None:
                wish = of_router[key] = Wish(router, address, times)
                self.first.append(wish)
            else:
                wish.address = address
                wish.left = max(wish.left, times)

    def forget(self, router: str) -> None:
        """Nothing of this router waits any longer. Its wishes are passed over when their turn comes."""
        for wish in self.waiting.pop(router, {}).values():
            wish.left = 0
        if not self.waiting:
            self.first.clear()
            self.again.clear()

    def deadline(self, repeats: bool = True) -> float:
        """When `take` is due: at once where nothing limits the rate."""
        return self.free_at if self.first or (repeats and self.again) else NEVER

    def take(self, now: float, most: int = BATCH, repeats: bool = True) -> list[Wish]:
        """What may go out now; at most `most`, and with a rate limit one frame."""
        taken: list[Wish] = []
        while now >= self.free_at and len(taken) < most:
            line = self.first or (self.again if repeats else None)
            if not line:
                break
            wish = line.popleft()
            if not wish.left:
                continue
            wish.left -= 1
            if wish.left:
                self.again.append(wish)
            else:
                self._done(wish)
            taken.append(wish)
            interval = self.intervals[wish.address.address.ip.version]
            if interval:
                self.free_at = now + interval
        return taken

    def _done(self, wish: Wish) -> None:
        of_router = self.waiting[wish.router]
        del of_router[wish.address.address.key]
        if not of_router:
            del self.waiting[wish.router]


def _interface(virtual: VirtualAddress) -> str:
    return virtual.address.interface


class Announcer:
    """All queues of a worker."""

    def __init__(self, limits: tuple[GarpLimit, ...] = ()) -> None:
        self.limits = limits
        self.queues: deque[Queue] = deque()
        self.by_interface: dict[str, Queue] = {}
        self.by_router: dict[str, set[Queue]] = {}
        self.deadline = NEVER
        self._busy: set[str] = set()

    def wait_for(self, router: str, unsettled: bool) -> None:
        """While a router's addresses are on their way to the kernel, nothing is announced twice: first everybody's
        first announcement."""
        if unsettled:
            self._busy.add(router)
        elif router in self._busy:
            self._busy.remove(router)
            if not self._busy:
                self._reckon()

    def _reckon(self) -> None:
        self.deadline = min((queue.deadline(not self._busy) for queue in self.queues), default=NEVER)

    def configure(self, limits: tuple[GarpLimit, ...]) -> None:
        """Take new rate limits. What waits is asked for again under the new ones."""
        if limits == self.limits:
            return
        waiting = [
            wish for queue in self.queues for of_router in queue.waiting.values() for wish in of_router.values()
        ]
        self.limits = limits
        self.queues.clear()
        self.by_interface.clear()
        self.by_router.clear()
        for wish in waiting:
            self.ask(wish.router, (wish.address,), wish.left)

    def ask(self, router: str, addresses: Iterable[VirtualAddress], times: int) -> None:
        """Announce each of these addresses `times` times, as soon as the rate limit of its interface allows."""
        if times <= 0:
            return
        queues = self.by_router.setdefault(router, set())
        for interface, those in groupby(addresses, key=_interface):
            queue = self._queue(interface)
            queue.ask(router, those, times)
            queues.add(queue)
            self.deadline = min(self.deadline, queue.free_at)

    def forget(self, router: str) -> None:
        """Drop what this router still has waiting: it is not the holder any more."""
        for queue in self.by_router.pop(router, ()):
            queue.forget(router)

    def due(self, now: float) -> list[Announce]:
        """The announcements that may go out now, a batch at most, grouped by router, in order."""
        effects: list[Announce] = []
        room = BATCH
        for _ in range(len(self.queues)):
            taken = self.queues[0].take(now, room, not self._busy)
            for router, run in groupby(taken, key=lambda wish: wish.router):
                effects.append(Announce(router, tuple([wish.address for wish in run])))
            room -= len(taken)
            self.queues.rotate(-1)  # the next batch begins with another queue
            if not room:
                break
        self._reckon()
        return effects

    def _queue(self, interface: str) -> Queue:
        if interface not in self.by_interface:
            limit = next((one for one in self.limits if interface in one.interfaces), None)
            if limit is None:
                limit = next((one for one in self.limits if not one.interfaces), GarpLimit(()))
            queue = Queue(limit.garp_interval, limit.gna_interval)
            self.queues.append(queue)
            for member in limit.interfaces or (interface,):  # a group's interfaces share one queue
                self.by_interface[member] = queue
        return self.by_interface[interface]
