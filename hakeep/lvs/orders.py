"""What operators have ordered about real servers: one order each, for one virtual server or for all.

Orders outlive reloads and restarts, also for servers that are not configured at the moment: who was taken out for
repair stays out when the configuration is put back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hakeep.lvs.messages import Ordered
from hakeep.objects.rtnl import IPAddress

WORDS = ("ready", "drain", "down", "weight")


class Orders:
    """All orders that hold. An order for all virtual servers takes the place of those for single ones."""

    def __init__(self, orders: Iterable[Ordered] = ()) -> None:
        self._held: dict[tuple[IPAddress, int, str], Ordered] = {}
        for order in orders:
            self.take(order)

    def take(self, order: Ordered) -> bool:
        """Take an order in. False = it makes no sense."""
        if order.what not in WORDS or (order.what == "weight" and order.weight < 0):
            return False
        ip, port, virtual = order.ip, order.port, order.virtual
        if not virtual:
            for key in [key for key in self._held if key[:2] == (ip, port)]:
                del self._held[key]
        if order.what != "ready":
            self._held[ip, port, virtual] = order
        elif (ip, port, "") in self._held:
            self._held[ip, port, virtual] = order  # an exception from what is ordered for all
        else:
            self._held.pop((ip, port, virtual), None)
        return True

    def of(self, ip: IPAddress, port: int, virtual: str) -> Ordered | None:
        """What holds for this real server in this virtual server."""
        if not self._held:
            return None
        order = self._held.get((ip, port, virtual)) or self._held.get((ip, port, ""))
        return order if order is not None and order.what != "ready" else None

    def __iter__(self) -> Iterator[Ordered]:
        return iter(self._held.values())
