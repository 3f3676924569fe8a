"""A table in memory: for tests, and to see what would be done without doing it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import trio

from hakeep.lvs.backends import Refusal, TableChange, Unavailable
from hakeep.lvs.ledger import Key, Ledger
from hakeep.objects.ipvs import Destination, Service, ServiceKey, SyncDaemon, Table, Timeouts, Usage


class Memory:
    """The backend `memory`. It does all that a kernel does but forward packets, and tests can play with it.

    Keys in `refusals` are refused with their sentence, by `apply` and, for services, `cannot`. While `unavailable` says
    something, everything that asks the kernel raises it. `counted` is what `usage` says of single keys.
    """

    name = "memory"

    def __init__(self) -> None:
        self.refusals: dict[Key, str] = {}
        self.unavailable = ""
        self.counted: dict[Key, Usage] = {}
        self.timeouts = Timeouts(900, 120, 300)
        self.daemons: tuple[SyncDaemon, ...] = ()
        self._ledger = Ledger()
        self._altered = trio.Event()

    def alter(self, table: Table) -> None:
        """Somebody else makes the table this one."""
        self._ledger = Ledger(table)
        self._altered.set()

    async def open(self) -> None:
        """Raises Unavailable when told to."""
        await self._turn()

    async def close(self) -> None:
        """Nothing to let go of."""
        await trio.lowlevel.checkpoint()

    def cannot(self, service: Service, destinations: Sequence[Destination]) -> str:
        """What the test says."""
        keys: tuple[Key, ...] = (service.key, *(destination.key for destination in destinations))
        return next((self.refusals[key] for key in keys if key in self.refusals), "")

    async def read(self, only: Collection[ServiceKey] | None = None) -> Table:
        """What is there."""
        await self._turn()
        return self._ledger.table(only)

    async def apply(self, changes: Sequence[TableChange]) -> list[Refusal]:
        """Make the changes in this order."""
        await self._turn()
        return [(change.key, why) for change in changes
                if (why := self.refusals.get(change.key) or self._ledger.make(change))]

    async def usage(self) -> Mapping[Key, Usage]:
        """What was counted of all that is there."""
        await self._turn()
        table = self._ledger.table()
        there: list[Key] = [*table.services, *table.destinations]
        return {key: self.counted.get(key, Usage()) for key in there}

    async def flush(self) -> None:
        """Empty the table."""
        await self._turn()
        self._ledger.clear()

    async def set_timeouts(self, timeouts: Timeouts) -> Timeouts:
        """Set those that are not 0. Returns what they were."""
        await self._turn()
        before = self.timeouts
        self.timeouts = Timeouts(*(new or old for new, old in zip(timeouts, before, strict=True)))
        return before

    async def set_daemons(self, wanted: Sequence[SyncDaemon]) -> None:
        """Remember them."""
        await self._turn()
        self.daemons = tuple(wanted)

    async def changed(self) -> None:
        """Return when a test has altered the table."""
        await self._altered.wait()
        self._altered = trio.Event()

    async def _turn(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.unavailable:
            raise Unavailable(self.unavailable)
