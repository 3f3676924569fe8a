"""Who claims which address, and what became of it in the kernel.

An address is named by one router; by several only if they quarrel, which no configuration should have them do. What a
router does not name any more it has still named: its former addresses are remembered until they are seen to be gone.

The kernel lane asks here what it is to do (`changes`): what the routers hold, compared with what the kernel has, and
cut down to the addresses that somebody names, for what we never named we never touch. What came of it is told to the
`Holding` that it concerns. Meanwhile things may have moved on, so every report is compared with what is wanted now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from hakeep.config.settled import VirtualAddress, VrrpInstance
from hakeep.objects.diff import Change, differences
from hakeep.objects.rtnl import PROTO_KEEPALIVED, Address, AddressKey
from hakeep.vrrp import wanted
from hakeep.vrrp.agenda import Agenda
from hakeep.vrrp.holding import Holding
from hakeep.vrrp.journal import Complaints
from hakeep.vrrp.messages import Applied, Effect, Level, Reconcile, State
from hakeep.vrrp.observe import Host, acceptable
from hakeep.vrrp.router import VirtualRouter


class Claims:
    """The virtual addresses of all `routers` of a worker."""

    def __init__(
        self, host: Host, routers: Mapping[str, VirtualRouter], agenda: Agenda, complaints: Complaints,
        out: list[Effect],
    ) -> None:
        self.host = host
        self.routers = routers
        self.agenda = agenda
        self.complaints = complaints
        self.out = out
        self.named: dict[AddressKey, list[str]] = {}  # by which routers; one, unless they quarrel
        self.shared: dict[AddressKey, list[Holding]] = {}  # what several routers name

    # ------------------------------------------------------------------------------------------------ who has what

    def name(self, instances: Iterable[VrrpInstance], where: Mapping[str, wanted.Devices]) -> None:
        """These instances are what is configured. Former addresses stay named, so that they are seen to be removed."""
        under_way = {key for router in self.routers.values() for key in router.holding.unsettled}
        named: dict[AddressKey, list[str]] = {}
        for key, names in self.named.items():
            if key in self.host.have or key in under_way:
                named[key] = list(names)
        for instance in instances:
            for virtual in wanted.addresses(instance, where[instance.name], None):
                names = named.setdefault(virtual.address.key, [])
                if instance.name not in names:
                    names.append(instance.name)
        self.restore(named)
        for key, address in self.host.have.items():
            if address.proto != PROTO_KEEPALIVED:
                what = f"{address.ip}/{address.prefix} on {address.interface} is there already and not from us"
                self.complaints.make_once(named[key][0], str(key), f"{what}: it is used, and never removed")

    def restore(self, named: dict[AddressKey, list[str]]) -> None:
        """These are the addresses that are named."""
        self.named = named
        self.shared.clear()
        for key, names in named.items():
            if len(names) > 1:
                self.shared[key] = [router.holding for router in self.naming(key)]
        self.host.name(named)

    def naming(self, key: AddressKey) -> list[VirtualRouter]:
        """The routers that have this address in their configuration, or had it."""
        return [router for name in self.named.get(key, ()) if (router := self.routers.get(name)) is not None]

    def holder(self, key: AddressKey) -> VirtualRouter | None:
        """The router that holds this address, as MASTER or while it hands it over."""
        for name in self.named.get(key, ()):
            router = self.routers.get(name)
            if router is not None and key in router.holding.held:
                return router
        return None

    def holding(self) -> frozenset[str]:
        """The routers that hold addresses now, or still have some."""
        return frozenset(
            name for name, router in self.routers.items() if router.holding.held or router.holding.lingering
        )

    # ------------------------------------------------------------------------------------------------ what is to do

    def changes(self, names: Iterable[str]) -> Iterator[Change[AddressKey, Address]]:
        """What the kernel lane must do so that these routers have what they want, and nothing else of ours."""
        routers = [router for name in dict.fromkeys(names) if (router := self.routers.get(name)) is not None]
        wished: dict[AddressKey, VirtualAddress] = {}
        for router in routers:
            wished.update(router.holding.held)
        chosen = {router.name for router in routers}
        have = {
            key: present for key, present in self.host.have.items()
            if not chosen.isdisjoint(self.named.get(key, ()))
            and (key in wished or (present.proto == PROTO_KEEPALIVED and self.holder(key) is None))
        }
        return differences(have, wished, ((key, v.address) for key, v in wished.items()), same=acceptable)

    # ------------------------------------------------------------------------------------------------ what came of it

    def applied(self, now: float, event: Applied) -> None:
        """The kernel has done as it was told."""
        arrived: dict[str, tuple[list[AddressKey], list[AddressKey]]] = {}  # all, and those that are new
        for key in event.added:
            self._added(key, arrived)
        for name, (keys, new) in arrived.items():
            self.routers[name].holding.arrived(keys, new)
            self.agenda.touch(self.routers[name])
        for key in event.removed:
            self.host.drop(key)
            holder = self.holder(key)
            if holder is not None and not holder.holding.leaving:  # it was taken meanwhile
                self.out.append(Reconcile((holder.name,)))
                continue
            for router in self.naming(key):
                router.holding.left(key)
                self.agenda.touch(router)

    def _added(self, key: AddressKey, arrived: dict[str, tuple[list[AddressKey], list[AddressKey]]]) -> None:
        host, holder = self.host, self.holder(key)
        if holder is None:  # it was let go of meanwhile
            host.put_ours(self._as_configured(key))
            self.out.append(Reconcile(tuple(self.named.get(key, ()))))
            return
        holding, wanted_so = holder.holding, holder.holding.held[key].address
        if host.have.get(key) is wanted_so and key not in holding.unsettled:
            return  # a lease that was renewed: no news
        keys, new = arrived.setdefault(holder.name, ([], []))
        keys.append(key)
        if key not in host.have:
            new.append(key)
        host.put_ours(wanted_so)

    def _as_configured(self, key: AddressKey) -> Address:
        """An address that was just added: as we asked for it, as far as we remember."""
        for router in self.naming(key):
            virtual = router.holding.find(key)
            if virtual is not None:
                return virtual.address
        return Address(*key)

    def refused(self, now: float, key: AddressKey, why: str) -> None:
        """The kernel will not."""
        interface, ip, prefix = key
        for router in self.naming(key):
            self.complaints.make(
                now, router.name, str(ip), f"the kernel refused {ip}/{prefix} on {interface}: {why}")
            router.holding.refused(key, now)
            self.agenda.touch(router)

    # ------------------------------------------------------------------------------------------------ others

    def changed_by_others(self, now: float, key: AddressKey, *, present: bool, new: bool, port: int) -> None:
        """A virtual address came (`new` if it was not there) or went, and not by our doing."""
        holder = self.holder(key)
        if present:
            if holder is not None:
                holder.holding.arrived((key,), (key,) if new else ())
        elif holder is not None and holder.state is State.MASTER:
            self._deleted(now, holder, key, port)
        else:
            for router in self.naming(key):
                router.holding.left(key)

    def _deleted(self, now: float, router: VirtualRouter, key: AddressKey, port: int) -> None:
        if not router.holding.held[key].track or now > router.watch.late_at:
            return
        who = f"somebody (netlink port {port}, often the process id)" if port else "the kernel"
        what = f"{key[1]}/{key[2]} from {key[0]}"
        router.counters["put_back"] += 1
        if router.holding.lost(key, now):
            router.journal.log(Level.WARNING, f"{who} removed {what}: putting it back")
        else:
            router.journal.log(Level.ERROR, f"{who} keeps removing {what}: contested, trying less")
        self.agenda.touch(router)
