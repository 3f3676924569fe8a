"""NAT by nftables as a backend, for kernels without IPVS. What it makes of services stands in `hakeep.lvs.nat`.

Every `apply` is one transaction, in a thread, since the kernel may take its time; only when it is refused as a whole is
it tried again service by service, to find out whose fault it was. What the table holds is remembered, and read again
after the kernel has told of changes that were not ours: so a look at it costs nothing while nobody touches it, and a
service that somebody damaged is no longer there, as far as `read` is concerned, until it is made anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import trio

from hakeep.kernel.nft import Nft, NftError, NftMonitor, reason
from hakeep.lvs.backends import Refusal, TableChange, Unavailable
from hakeep.lvs.backends.forgetting import Forgetting
from hakeep.lvs.ledger import Key, Ledger, service_of
from hakeep.lvs.nat.chain import Entry, numbered
from hakeep.lvs.nat.counting import Meter, count
from hakeep.lvs.nat.limits import cannot, probe
from hakeep.lvs.nat.names import FAMILIES
from hakeep.lvs.nat.reading import details, read
from hakeep.lvs.nat.reading import timeouts as to_timeout_values
from hakeep.lvs.nat.rules import DOORS, to_declaration, to_deletion, to_script, to_timeouts
from hakeep.objects.diff import Remove
from hakeep.objects.ipvs import Destination, Service, ServiceKey, SyncDaemon, Table, Timeouts, Usage

Listed = dict[str, Any]

#: Bytes of notifications: those of our own large batches are among them, and when some are lost all is read again, and
#: that takes longer than the batch. The kernel allows twice as much, and keeps 3 KiB for each real server added.
_NEWS = 64 << 20

#: What libnftables says of a table that is not there (it never asks for another language).
_NO_SUCH = "No such file or directory"

#: Others may be at work at the same time.
_ATTEMPTS = 3

#: The kernel's own timeouts of connections, in the order of Timeouts.
_SYSCTLS = Path("/proc/sys/net/netfilter")
_TIMEOUTS = ("nf_conntrack_tcp_timeout_established", "nf_conntrack_tcp_timeout_fin_wait",
             "nf_conntrack_udp_timeout_stream")


class Nftables:
    """The backend `nftables`; `table` is what its tables are called. Use it in the network namespace where it was
    opened. `culprit` is who changed the table last, such as ``nft[4711]``."""

    name = "nftables"

    def __init__(self, table: str = "hakeep_lvs") -> None:
        self._table = table
        self._nft = Nft()
        self._monitor: NftMonitor | None = None
        self._forgetting: Forgetting | None = None
        self._lacks: dict[int, str] = {}  # families that cannot be had, and why
        self._declared: set[int] = set()
        self._foreign: set[int] = set()  # families whose table an earlier hakeep laid out in another way
        self._ledger = Ledger()
        self._there: dict[ServiceKey, Entry] = {}
        self._broken: dict[ServiceKey, Entry] = {}
        self._known = False  # whether all this is still so
        self._disturbances = self._disturbances_read = 0
        self._disturbance = trio.lowlevel.ParkingLot()
        self._timeouts: Timeouts | None = None
        self._meter = Meter()
        self.culprit = ""

    @property
    def _families(self) -> list[int]:
        return [family for family in FAMILIES if family not in self._lacks]

    async def open(self) -> None:
        """Let the kernel check all that we could ask of it. Raises Unavailable where there is no NAT for IPv4; IPv6 may
        be missing. The sockets are made here and not in a thread, which might live in another namespace."""
        await self.close()
        self._lacks = {}
        for family in FAMILIES:
            try:
                self._nft.check(probe(family))
            except NftError as error:
                self._lacks[family] = reason(error)
        if len(self._lacks) == len(FAMILIES):
            self._nft.close()
            raise Unavailable(
                f"nftables cannot do NAT here ({self._lacks[4]}): it needs Linux 5.10 or later with nf_tables, "
                "nft_nat, nft_numgen, nft_hash, nft_ct and nft_reject, libnftables, and CAP_NET_ADMIN")
        try:
            self._monitor = NftMonitor(self._table, self._nft, _NEWS)
        except OSError as error:
            self._nft.close()
            raise Unavailable(f"nftables does not tell what others do: {error}") from None
        with suppress(OSError):
            self._forgetting = Forgetting()
        self._known = False
        await trio.lowlevel.checkpoint()

    async def close(self) -> None:
        """Close the sockets. The table stays."""
        if self._monitor is not None:
            trio.lowlevel.notify_closing(self._monitor)
            self._monitor.close()
            self._monitor = None
        if self._forgetting is not None:
            forgetting, self._forgetting = self._forgetting, None
            await forgetting.close()
        self._nft.close()
        await trio.lowlevel.checkpoint()

    def cannot(self, service: Service, destinations: Sequence[Destination]) -> str:
        """What needs IPVS, and IPv6 where this kernel cannot do NAT for it."""
        if lack := self._lacks.get(service.key.family):
            return f"nftables cannot do NAT for virtual_server {service.key}: {lack}"
        return cannot(service, destinations)

    async def read(self, only: Collection[ServiceKey] | None = None) -> Table:
        """What is there and whole, of these services or of all."""
        self._disturbed()
        self._disturbances_read = self._disturbances
        await self._learn()
        return self._ledger.table(only)

    async def apply(self, changes: Sequence[TableChange]) -> list[Refusal]:
        """Make the changes in one transaction; those that cannot be had are left out."""
        refusals: list[Refusal] = []
        for _ in range(_ATTEMPTS):
            try:
                refusals = await self._attempt(changes)
            except BaseException:
                self._known = False
                raise
            if not refusals or not self._disturbed():
                break
        return refusals

    async def _attempt(self, changes: Sequence[TableChange]) -> list[Refusal]:
        await self._learn()
        refusals: list[Refusal] = []
        before: dict[ServiceKey, Entry | None] = {}
        for change in changes:
            key = service_of(change.key)
            before.setdefault(key, self._there.get(key))
            if why := self._objection(change) or self._ledger.make(change):
                refusals.append((change.key, why))
        refused = await self._carry_out(before)
        known = {key for key, _ in refusals}
        failed = dict.fromkeys(change.key for change in changes if service_of(change.key) in refused)
        return refusals + [(key, refused[service_of(key)]) for key in failed if key not in known]

    def _objection(self, change: TableChange) -> str:
        if isinstance(change, Remove):
            return ""
        if isinstance(change.wanted, Service):
            return self.cannot(change.wanted, ())
        entry = self._ledger.entry(change.wanted.key.service)
        return self.cannot(entry[0], (change.wanted,)) if entry is not None else ""

    async def _carry_out(self, before: Mapping[ServiceKey, Entry | None]) -> dict[ServiceKey, str]:
        """Bring nftables from `before` to what the ledger says of these services. Returns those for which it refused,
        whose entries in the ledger are as before."""
        after = {key: numbered(entry, _entry(self._ledger, key)) for key, entry in before.items()}
        pairs = [(entry, after[key]) for key, entry in before.items()]
        pairs = [(old, new) for old, new in pairs if old != new]
        broken = [(self._broken[key], None) for key in before if key in self._broken]
        families = {entry.service.key.family for pair in (*broken, *pairs) for entry in pair if entry is not None}
        if not families:
            return {}
        families |= self._foreign
        script = self._declaration(families) + to_script(self._table, broken) + to_script(self._table, pairs)
        try:
            await self._run(script)
        except NftError as error:
            if len(before) == 1:
                return self._undo(before, reason(error))
            return await self._one_by_one(before, families)
        self._are_declared(families)
        for key, entry in after.items():
            self._broken.pop(key, None)
            self._there.pop(key, None)
            if entry is not None:
                self._there[key] = entry
        if self._forgetting is not None:
            self._forgetting.after(pairs)
        return {}

    def _declaration(self, families: Iterable[int]) -> str:
        """What must come first: the tables of these families, if they are not there or not whole. A foreign one is
        replaced in the same transaction."""
        return "".join(
            (to_deletion(self._table, family) if family in self._foreign else "")
            + to_declaration(self._table, family)
            + (to_timeouts(self._table, family, self._timeouts) if self._timeouts is not None else "")
            for family in sorted(families) if family not in self._declared)

    def _are_declared(self, families: Iterable[int]) -> None:
        self._declared.update(families)
        self._foreign.difference_update(families)

    def _undo(self, before: Mapping[ServiceKey, Entry | None], why: str) -> dict[ServiceKey, str]:
        for key, entry in before.items():
            self._ledger.drop(key)
            if entry is not None:
                self._ledger.take(Table.of([entry.service], entry.destinations))
        return dict.fromkeys(before, f"nftables refuses it ({why})")

    async def _one_by_one(
        self, before: Mapping[ServiceKey, Entry | None], families: set[int]
    ) -> dict[ServiceKey, str]:
        """Each in a transaction of its own, unless no service can be had at all (Unavailable)."""
        with _told(f"nftables refuses the table {self._table}"):
            await self._run(self._declaration(families))
        self._are_declared(families)
        refused: dict[ServiceKey, str] = {}
        for key, entry in before.items():
            refused |= await self._carry_out({key: entry})
        return refused

    async def usage(self) -> Mapping[Key, Usage]:
        """New connections, packets and bytes; of clients that stay, how many are remembered. How many connections are
        open at the moment is not known. Rates are those since the last call."""
        await self._learn()
        table = self._ledger.table()
        objects: list[Listed] = []
        with _told("nftables cannot be read"):
            for family in {service.family for service in table.services}:
                objects += await self._list(f"list sets table {FAMILIES[family]} {self._table}", elements=True)
                for door in DOORS:
                    objects += await self._list(f"list map {FAMILIES[family]} {self._table} {door}", elements=True)
        numbers = {key: number for entry in self._there.values() for key, number in entry.numbers.items()}
        return self._meter.usage(table, count(objects), trio.current_time(), numbers)

    async def flush(self) -> None:
        """Delete the tables."""
        with _told("nftables cannot be emptied"):
            await self._run("".join(to_deletion(self._table, family) for family in self._families))
        self._forget()
        self._known = True

    async def set_timeouts(self, timeouts: Timeouts) -> Timeouts:
        """Set those that are not 0, for connections to services only. Returns what they were. Raises Unavailable."""
        await self._learn()
        with _told("nftables cannot be read"):
            objects = [each for family in self._families for each in await self._objects(family)]
        usual = _of_the_kernel()
        before = to_timeout_values(objects, usual)
        wanted = Timeouts(*(new or old for new, old in zip(timeouts, before, strict=True)))
        if wanted == before:
            self._timeouts = wanted if wanted != usual else None  # those in the table are put back with it
            return before
        families = [family for family in self._families if family not in self._foreign]  # which get them with services
        script = self._declaration(families) + "".join(to_timeouts(self._table, family, wanted) for family in families)
        with _told("nftables refuses lvs_timeouts"):
            await self._run(script)
        self._are_declared(families)
        self._timeouts = wanted
        return before

    async def set_daemons(self, wanted: Sequence[SyncDaemon]) -> None:
        """There are none. Raises Unavailable when one is wanted."""
        await trio.lowlevel.checkpoint()
        if wanted:
            raise Unavailable("lvs_sync_daemon needs IPVS: nftables' connections can be copied by conntrackd(8)")

    async def changed(self) -> None:
        """Return when somebody else has changed the table since it was read, whoever may have noticed it first."""
        while not self._disturbed() and self._disturbances == self._disturbances_read:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._news, nursery.cancel_scope)
                await self._disturbance.park()
                nursery.cancel_scope.cancel()

    async def _news(self, scope: trio.CancelScope) -> None:
        if self._monitor is not None:
            with suppress(trio.ClosedResourceError):
                await trio.lowlevel.wait_readable(self._monitor)
        scope.cancel()

    # --------------------------------------------------------------------------------------------- what is there

    def _disturbed(self) -> bool:
        """Whether what we know may be wrong, by all that the kernel has told so far."""
        if self._monitor is None:
            raise Unavailable("the nftables backend is not open")
        for disturbance in self._monitor.receive():
            self._known = False
            self.culprit = disturbance.who or self.culprit
            self._disturbances += 1
            self._disturbance.unpark_all()
        return not self._known

    async def _learn(self) -> None:
        """Read the tables, if they may have changed; and again, if they changed or vanished meanwhile."""
        await trio.lowlevel.checkpoint()
        for attempt in range(1, _ATTEMPTS + 1):
            if not self._disturbed():
                return
            try:
                await self._look()
            except NftError as error:
                self._known = False
                if attempt == _ATTEMPTS:
                    raise Unavailable(f"nftables cannot be read: {reason(error)}") from None
            except BaseException:
                self._known = False
                raise

    async def _look(self) -> None:
        self._known = True  # what happens while we read will be told as well
        found = {family: read(family, await self._objects(family)) for family in self._families}
        self._forget()
        for family, reading in found.items():
            if reading.frame:
                self._declared.add(family)
            if reading.foreign:
                self._foreign.add(family)
            for entry in reading.sound:
                self._ledger.take(Table.of([entry.service], entry.destinations))
                self._there[entry.service.key] = entry
            self._broken.update({entry.service.key: entry for entry in reading.broken})

    def _forget(self) -> None:
        self._ledger.clear()
        self._there.clear()
        self._broken.clear()
        self._declared.clear()
        self._foreign.clear()

    # --------------------------------------------------------------------------------------------------- libnftables

    async def _objects(self, family: int) -> list[Listed]:
        """All that is in a family's table, and the elements of the maps and sets that `read` needs; nothing, if there
        is no table. (To ask for the tables first would take longer: libnftables reads everything for that.)"""
        table = f"{FAMILIES[family]} {self._table}"
        try:
            found = await self._list(f"list table {table}")
        except NftError as error:
            if _NO_SUCH in str(error):
                return []
            raise
        for what in list(details(found)):
            kind, name = what.split()
            found += await self._list(f"list {kind} {table} {name}", elements=True)
        return found

    async def _list(self, command: str, *, elements: bool = False) -> list[Listed]:
        return await trio.to_thread.run_sync(partial(self._nft.listing, command, elements=elements))

    async def _run(self, script: str) -> None:
        """One transaction. Nobody is told whether one that was cancelled took place, so it cannot be."""
        await trio.to_thread.run_sync(self._nft.run, script)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """What makes the backend useless is Unavailable, in words."""
    try:
        yield
    except NftError as error:
        raise Unavailable(f"{what}: {reason(error)}") from None


def _entry(ledger: Ledger, key: ServiceKey) -> Entry | None:
    found = ledger.entry(key)
    return None if found is None else Entry(*found)


def _of_the_kernel() -> Timeouts:
    """What connections get that nobody gave a timeout."""
    return Timeouts(*(_number(_SYSCTLS / name) for name in _TIMEOUTS))


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
