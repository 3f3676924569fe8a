"""A table that changes are made to: what they mean, without a kernel.

Making a change is forgiving in what is done already: adding what is there sets it, removing what is gone is nothing.
It is strict in what makes no sense: a destination without its service is refused.
"""

from __future__ import annotations

from collections.abc import Collection

from hakeep.objects.diff import Change, Remove
from hakeep.objects.ipvs import Destination, DestinationKey, Service, ServiceKey, Table

Key = ServiceKey | DestinationKey
TableChange = Change[ServiceKey, Service] | Change[DestinationKey, Destination]


class Ledger:
    """Services, each with its destinations, in the order in which they came."""

    def __init__(self, table: Table | None = None) -> None:
        self._services: dict[ServiceKey, Service] = {}
        self._destinations: dict[ServiceKey, dict[DestinationKey, Destination]] = {}
        if table is not None:
            self.take(table)

    def take(self, table: Table) -> None:
        """Hold what is in `table`, on top of what is held."""
        for service in table.services.values():
            self.put(service)
        for destination in table.destinations.values():
            self.put(destination)

    def put(self, wanted: Service | Destination) -> None:
        """Add this, or have it as it says now. A destination must have its service."""
        if isinstance(wanted, Service):
            self._services[wanted.key] = wanted
            self._destinations.setdefault(wanted.key, {})
        else:
            self._destinations[wanted.key.service][wanted.key] = wanted

    def drop(self, key: Key) -> None:
        """Have this no more; a service goes with its destinations."""
        if isinstance(key, ServiceKey):
            self._services.pop(key, None)
            self._destinations.pop(key, None)
        else:
            self._destinations.get(key.service, {}).pop(key, None)

    def make(self, change: TableChange) -> str:
        """Make one change; a sentence when it makes no sense, else ""."""
        if isinstance(change, Remove):
            self.drop(change.key)
        elif isinstance(change.wanted, Destination) and change.wanted.key.service not in self._services:
            return f"there is no service {change.wanted.key.service} that it could belong to"
        else:
            self.put(change.wanted)
        return ""

    def entry(self, key: ServiceKey) -> tuple[Service, tuple[Destination, ...]] | None:
        """A service and its destinations; None when there is none."""
        service = self._services.get(key)
        return None if service is None else (service, tuple(self._destinations[key].values()))

    def table(self, only: Collection[ServiceKey] | None = None) -> Table:
        """What is held, of these services or of all."""
        return Table(
            {key: service for key, service in self._services.items() if only is None or key in only},
            {key: destination for owner, held in self._destinations.items() if only is None or owner in only
             for key, destination in held.items()},
        )

    def clear(self) -> None:
        """Hold nothing."""
        self._services.clear()
        self._destinations.clear()


def service_of(key: Key) -> ServiceKey:
    """The service that a key is, or belongs to."""
    return key if isinstance(key, ServiceKey) else key.service
