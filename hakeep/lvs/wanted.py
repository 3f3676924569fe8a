"""What the table should hold, and the changes that lead there without a gap.

`Rows` turns a line-up into services and destinations. `changes` says what lies between two tables. It is not the
general `objects.diff`, because here the order matters in another way: clients come at every moment between two
changes, and none of these moments may find a service without somebody who serves.

Rules of the order:

1. What is there and wanted otherwise is replaced in place, never removed and added.
2. Within a service, first those come in who serve, and weights above 0 are set; then come weights of 0; only then
   somebody goes.
3. A service that goes takes its destinations with it: one change.
4. A service that neither the old nor the new configuration names is somebody else's, and so are its destinations.
   All destinations of a service that is ours are ours: what we do not want there goes.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from hakeep.config.settled_lvs import RealServer, SorryServer, VirtualServer
from hakeep.lvs.ledger import Ledger
from hakeep.lvs.lineup import Lineup
from hakeep.objects.diff import Add, Change, Remove, Replace
from hakeep.objects.ipvs import (
    WANTED_FLAGS,
    Destination,
    DestinationKey,
    Forward,
    Service,
    ServiceKey,
    Table,
)

TableChange = Change[ServiceKey, Service] | Change[DestinationKey, Destination]


class Rows:
    """The services and destinations of one virtual server. What does not change is made once: a group multiplies."""

    __slots__ = ("_made", "services", "settings")

    def __init__(self, settings: VirtualServer, services: tuple[Service, ...]) -> None:
        self.settings = settings
        self.services = services
        self._made: dict[int, tuple[int, tuple[Destination, ...]]] = {}

    def fill(self, lineup: Lineup, into: dict[DestinationKey, Destination]) -> None:
        """Put the destinations that this line-up wants into a table, those of a sorry server last."""
        for n, (server, standing) in enumerate(zip(self.settings.reals, lineup.reals, strict=True)):
            if standing.present is not None:
                for row in self._of(n, server, standing.present):
                    into[row.key] = row
        sorry = self.settings.sorry
        if sorry is not None and lineup.sorry is not None:
            for row in self._of(-1, sorry, lineup.sorry):
                there = into.get(row.key)  # a real server may be its own sorry server
                if there is None or not there.weight:
                    into[row.key] = row

    def _of(self, n: int, server: RealServer | SorryServer, weight: int) -> tuple[Destination, ...]:
        made = self._made.get(n)
        if made is None or made[0] != weight:
            made = weight, tuple(
                destination(service.key, server, weight) for service in self.services if reaches(server, service.key))
            self._made[n] = made
        return made[1]


def reaches(server: RealServer | SorryServer, service: ServiceKey) -> bool:
    """Whether a server can serve there. A group may have both families; only tunnels lead from one to the other."""
    return server.forward is Forward.TUNNEL or server.ip.version == service.family


def destination(service: ServiceKey, server: RealServer | SorryServer, weight: int) -> Destination:
    """A server as a destination of a service. Only NAT can change the port: else it is that of the service."""
    port = server.port if server.forward is Forward.MASQ else service.port
    key = DestinationKey(service, server.ip, port)
    if isinstance(server, SorryServer):
        return Destination(key, weight, server.forward, server.tunnel)
    return Destination(key, weight, server.forward, server.tunnel, server.upper, server.lower)


def same_service(present: Service, wished: Service) -> bool:
    """Whether a service that is there will do. The kernel adds flags of its own."""
    return (
        present.scheduler == wished.scheduler
        and present.flags & WANTED_FLAGS == wished.flags & WANTED_FLAGS
        and present.timeout == wished.timeout
        and present.prefix == wished.prefix
        and present.engine == wished.engine
    )


def same_destination(present: Destination, wished: Destination) -> bool:
    """Whether a destination that is there will do. Of an address of its own the kernel says LOCAL, whatever it was
    told; how a tunnel is made matters only where there is one."""
    return (
        present.weight == wished.weight
        and (present.forward == wished.forward or present.forward == Forward.LOCAL)
        and (present.tunnel == wished.tunnel or present.forward != Forward.TUNNEL)
        and present.upper == wished.upper
        and present.lower == wished.lower
    )


def changes(have: Table, wanted: Table, names: Container[ServiceKey] = ()) -> list[TableChange]:
    """The changes that lead from `have` to `wanted`, in the order in which to make them.

    `names` are the services that are ours, or were: of the others only those that are wanted are touched. What of it
    is not wanted goes, after all else.
    """
    ours: list[TableChange] = []
    present = _by_service(have, wanted.services)
    wishes = _by_service(wanted, wanted.services)
    for key, service in wanted.services.items():
        there = have.services.get(key)
        if there is None:
            ours.append(Add(key, service))
        elif not same_service(there, service):
            ours.append(Replace(key, there, service))
        _among(present.get(key, {}) if there is not None else {}, wishes.get(key, {}), ours)
    for key, gone in have.services.items():
        if key not in wanted.services and key in names:
            ours.append(Remove(key, gone))
    return ours


def _by_service(table: Table, of: Container[ServiceKey]) -> dict[ServiceKey, dict[DestinationKey, Destination]]:
    found: dict[ServiceKey, dict[DestinationKey, Destination]] = {}
    last: ServiceKey | None = None  # they come together, mostly, and addresses are slow to look up
    rows: dict[DestinationKey, Destination] | None = None
    for key, one in table.destinations.items():
        if key.service is not last:
            last = key.service
            rows = found.setdefault(last, {}) if last in of else None
        if rows is not None:
            rows[key] = one
    return found


def held(ledger: Ledger, names: Iterable[ServiceKey]) -> Table:
    """What a ledger holds of these services; the others are not looked at."""
    services: dict[ServiceKey, Service] = {}
    destinations: dict[DestinationKey, Destination] = {}
    for name in names:
        if (entry := ledger.entry(name)) is not None:
            services[name], rows = entry
            destinations.update((row.key, row) for row in rows)
    return Table(services, destinations)


def _among(
    present: dict[DestinationKey, Destination], wishes: dict[DestinationKey, Destination], into: list[TableChange]
) -> None:
    """The changes among the destinations of one service (rule 2)."""
    quiet: list[TableChange] = []
    for key, wish in wishes.items():
        there = present.get(key) if present else None  # addresses are slow to look up
        change: TableChange
        if there is None:
            change = Add(key, wish)
        elif not same_destination(there, wish):
            change = Replace(key, there, wish)
        else:
            continue
        (into if wish.weight else quiet).append(change)
    into += quiet
    for key, gone in present.items():
        if key not in wishes:
            into.append(Remove(key, gone))
