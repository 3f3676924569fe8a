"""Where the table of services lives: the kernel's IPVS, its nftables, or nothing but memory.

A backend reads what is there and makes changes. It decides nothing: what to change is the work of `lvs.changes`, and
when, that of the worker. All backends pass one contract suite (tests/lvs/backends/contract.py). A package of somebody
else adds one with the entry point group ``hakeep.backends``, whose name is what `lvs_backend` says and whose value is
called like the classes here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from hakeep.objects.diff import Change
from hakeep.objects.ipvs import Destination, DestinationKey, Service, ServiceKey, SyncDaemon, Table, Timeouts, Usage

ServiceChange = Change[ServiceKey, Service]
DestinationChange = Change[DestinationKey, Destination]
TableChange = ServiceChange | DestinationChange

Refusal = tuple[ServiceKey | DestinationKey, str]


class Unavailable(Exception):
    """This backend cannot work here; the text is a sentence that says why and what would help."""


class Backend(Protocol):
    """One place for tables. Methods may be awaited from one task at a time. Errors of single changes are returned, not
    raised; a backend that can do nothing at all raises Unavailable."""

    #: What `lvs_backend` calls it.
    name: str

    async def open(self) -> None:
        """Find out whether it can work here. Raises Unavailable."""

    async def close(self) -> None:
        """Let go of descriptors. The table stays."""

    def cannot(self, service: Service, destinations: Sequence[Destination]) -> str:
        """Why this service cannot be had here, as a sentence that names the keyword; "" = it can."""

    async def read(self, only: Collection[ServiceKey] | None = None) -> Table:
        """What is there, of these services or of all, also what others made."""

    async def apply(self, changes: Sequence[TableChange]) -> list[Refusal]:
        """Make the changes in this order, in as few transactions as can be. What is there already and what is gone
        already is no refusal."""

    async def usage(self) -> Mapping[ServiceKey | DestinationKey, Usage]:
        """Connections and counts of all that is there."""

    async def flush(self) -> None:
        """Empty the table: everything, also what others made (lvs_flush)."""

    async def set_timeouts(self, timeouts: Timeouts) -> Timeouts:
        """Set those that are not 0. Returns what they were."""

    async def set_daemons(self, wanted: Sequence[SyncDaemon]) -> None:
        """Have exactly these connection synchronisation daemons run. Raises Unavailable."""

    async def changed(self) -> None:
        """Return when somebody else may have changed the table. May never return where nothing tells; then the worker
        looks now and then."""


Making = Callable[[], Backend]
