"""The pure heart of the vrrp worker: one door, `step(now, event) -> effects`, and one `deadline`.

The engine owns the virtual routers, the announcements and the view of the host. It does no I/O and asks no clock, so
that a recorded run, a simulation and the daemon are the same thing. The driver calls `step` with every fact, and with
`Ticked` once `deadline` has passed; it carries the effects out in their order.

All timers stand in one heap. An entry may be out of date: a router whose deadline moved on is put back when its old
entry comes up, so that hearing an advert, which happens all the time, never touches the heap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from errno import EADDRNOTAVAIL, ENETDOWN, ENETUNREACH, ENODEV, ENXIO, errorcode
from heapq import heappop, heappush, heapreplace
from ipaddress import ip_address
from typing import Any, NamedTuple

from hakeep.config.settled import Garp, Notify, Settings, VirtualAddress, VrrpInstance
from hakeep.objects.diff import Change, differences
from hakeep.objects.rtnl import PROTO_KEEPALIVED, Address, AddressKey, IPAddress, Link
from hakeep.vrrp import messages as m
from hakeep.vrrp import wanted
from hakeep.vrrp.announce import Announcer
from hakeep.vrrp.authentication import AuthMemory
from hakeep.vrrp.debounce import Debounce
from hakeep.vrrp.group import SyncGroup
from hakeep.vrrp.holding import Holding
from hakeep.vrrp.observe import Host, acceptable
from hakeep.vrrp.receive import Advert, Discard, Substance, substance
from hakeep.vrrp.router import VirtualRouter
from hakeep.vrrp.timers import NEVER
from hakeep.vrrp.tracking import Key

_AH = 51

#: A refused packet of the same kind is logged again after this long.
QUIET = 60.0

#: What the kernel says of an advert when the link is down or gone.
_NO_LINK = frozenset({EADDRNOTAVAIL, ENETDOWN, ENETUNREACH, ENODEV, ENXIO})


class Mark(NamedTuple):
    """What a dead worker left on the shared page about a router: enough to go on as MASTER. `since` is when it became
    that, 0 if that is not known."""

    last_sent: float
    memory: Mapping[str, Any]
    since: float = 0.0


class Engine:
    """All virtual routers of a worker.

    `hold_until` is the monotonic time before which there are no elections (vrrp_startup_delay). `marks` are routers
    that were MASTER in a worker that died; those whose last advert is young enough resume. `tracked` is what was known
    before of the things that are tracked.
    """

    def __init__(
        self,
        settings: Settings,
        now: float,
        *,
        links: Iterable[Link] = (),
        addresses: Iterable[Address] = (),
        hold_until: float = 0.0,
        marks: Mapping[str, Mark] | None = None,
        out: list[m.Effect] | None = None,
        standby: Mapping[str, m.Commanded] | None = None,
        tracked: Iterable[m.Tracked] = (),
    ) -> None:
        self.out: list[m.Effect] = [] if out is None else out
        self.host = Host()
        self.announcer = Announcer(settings.globals.garp_limits)
        self.debounce = Debounce()
        self.routers: dict[str, VirtualRouter] = {}
        self.groups: dict[str, SyncGroup] = {}
        self.tracked: dict[Key, m.Tracked] = {(t.kind, t.name): t for t in tracked}  # type: ignore[misc]
        self.unknown_vrids = 0
        self.discarded = 0
        self.malformed = 0
        self.hold_until = hold_until
        self._marks = dict(marks or {})
        self._standby = dict(standby or {})
        self._heap: list[tuple[float, str]] = []
        self._scheduled: dict[str, float] = {}
        self._by_wire: dict[tuple[str, int, int], list[VirtualRouter]] = {}
        self._repeats: dict[Substance, tuple[VirtualRouter, Advert]] = {}  # what needs no second thought
        self._repeated: dict[str, Substance] = {}  # and which of it is for which router
        self._owners: dict[AddressKey, list[str]] = {}  # who names an address; one, unless they quarrel
        self._keys: dict[str, list[AddressKey]] = {}  # and which addresses somebody names
        self._shared: dict[AddressKey, list[Holding]] = {}  # those that several routers name
        self._on: dict[str, list[VirtualRouter]] = {}  # whom an interface concerns
        self._departing: list[VirtualRouter] = []  # those that a reload has removed
        self._going_by: dict[Key, list[VirtualRouter]] = {}  # whom a tracked thing concerns
        self._stirred: list[SyncGroup] = []  # those with a member that has moved
        self._held_back: list[VirtualRouter] = []  # those that wait for what they go by to become known
        self._bound: dict[str, object] = {}
        self._logged: dict[tuple[str, str], float] = {}
        self._stopping = False
        self._finished = False
        self.debounce.configure(settings.link_delays)
        self.host.replace_all([self.debounce.hear(now, link) for link in links], addresses)
        self._install(settings, now)

    # ------------------------------------------------------------------------------------------------ the door

    @property
    def deadline(self) -> float:
        """When `Ticked` is due, in monotonic seconds; inf when nothing is."""
        if self._departing and any(router.finished for router in self._departing):
            return 0.0
        return min(self._next_timer(), self.announcer.deadline, self.debounce.deadline)

    def _next_timer(self) -> float:
        """The first entry of the heap, once those that are out of date have been put where they belong."""
        heap = self._heap
        while heap:
            at, name = heap[0]
            if self._scheduled.get(name) != at:
                heappop(heap)  # of a router that is gone, or that has an earlier entry
                continue
            deadline = self.routers[name].deadline
            if deadline <= at:
                return at
            self._scheduled[name] = deadline
            if deadline == NEVER:
                heappop(heap)
            else:
                heapreplace(heap, (deadline, name))
        return NEVER

    @property
    def soonest(self) -> float:
        """No deadline is earlier than this. It may be of a timer that has moved on since, so it costs nothing."""
        if self._departing:
            return self.deadline
        timer = self._heap[0][0] if self._heap else NEVER
        return min(timer, self.announcer.deadline, self.debounce.deadline)

    @property
    def takes_over_next(self) -> bool:
        """True when the next deadline may make a BACKUP MASTER: the one moment when a tenth of a millisecond counts."""
        heap = self._heap
        if not heap:
            return False
        router = self.routers.get(heap[0][1])
        return router is not None and router.state is m.State.BACKUP and router.deadline <= heap[0][0]

    def step(self, now: float, event: m.Event) -> list[m.Effect]:
        """Tell the engine a fact; it answers with orders, to be carried out in this order."""
        if self._departing:
            self._drop_departed()
        _HANDLERS[type(event)](self, now, event)
        if self._held_back:
            self._held_back, routers = [], self._held_back
            self._begin([router for router in routers if router.state is m.State.INIT], now)
        if self._stirred:
            self._settle_groups(now)
        if self._stopping and not self._finished and all(r.finished for r in self.routers.values()):
            self._finished = True
            self.out.append(m.Finished())
        if not self.out:
            return []
        effects = self.out[:]
        self.out.clear()
        return effects

    def begin(self) -> list[m.Effect]:
        """The effects of construction: what the routers do at start."""
        effects = self.out[:]
        self.out.clear()
        return effects

    def changes(self, names: Iterable[str]) -> list[Change[AddressKey, Address]]:
        """What the kernel lane must do now so that these routers have what they want, and nothing else of ours."""
        return list(self.coming_changes(names))

    def coming_changes(self, names: Iterable[str]) -> Iterator[Change[AddressKey, Address]]:
        """The same, worked out one by one: thousands of addresses take milliseconds, and the first need not wait for
        the last. They are those of the moment of the call; whoever orders `Reconcile` wants them worked out anew."""
        routers = [router for name in dict.fromkeys(names) if (router := self.routers.get(name)) is not None]
        wished: dict[AddressKey, VirtualAddress] = {}
        for router in routers:
            wished.update(router.holding.held)
        chosen = {router.name for router in routers}
        have = {
            key: present for key, present in self.host.have.items()
            if not chosen.isdisjoint(self._owners.get(key, ()))
            and (key in wished or (present.proto == PROTO_KEEPALIVED and self._holder(key) is None))
        }
        return differences(have, wished, ((key, v.address) for key, v in wished.items()), same=acceptable)

    def masters(self) -> frozenset[str]:
        """The routers that hold addresses now, or still have some: what the fence and the packet filter go by."""
        return frozenset(
            name for name, router in self.routers.items() if router.holding.held or router.holding.lingering
        )

    def concerns(self, interface: str) -> bool:
        """Whether a router works on this interface or has addresses there."""
        return interface in self._on

    def _naming(self, key: AddressKey) -> list[VirtualRouter]:
        """The routers that have this address in their configuration, or had it."""
        return [router for name in self._owners.get(key, ()) if (router := self.routers.get(name)) is not None]

    def holds(self, key: AddressKey) -> bool:
        """Whether a router holds this address, as MASTER or while it hands it over: only then its lease may be renewed,
        because a renewal brings an address back that is gone."""
        return self._holder(key) is not None

    def _holder(self, key: AddressKey) -> VirtualRouter | None:
        for name in self._owners.get(key, ()):
            router = self.routers.get(name)
            if router is not None and key in router.holding.held:
                return router
        return None

    # ------------------------------------------------------------------------------------------------ facts

    def _ticked(self, now: float, _: m.Ticked) -> None:
        if self.debounce.deadline <= now:
            for link in self.debounce.due(now):
                self._link_counts(now, link)
        heap = self._heap
        while heap and heap[0][0] <= now:
            at, name = heappop(heap)
            if self._scheduled.get(name) != at:
                continue
            router = self.routers[name]
            self._scheduled[name] = NEVER
            if router.steady_at <= now:
                self._observe(router, now)
            if router.deadline <= now:
                router.due(now)
            self._touch(router)
        if self.announcer.deadline <= now:
            self.out += self.announcer.due(now)

    def _received(self, now: float, packet: m.Received) -> None:
        """The hot path of every BACKUP is one look into a dictionary: between two adverts all memory grows cold, and
        what is not looked at need not be fetched."""
        said = substance(packet)
        known = self._repeats.get(said)
        if known is not None and known[0].followed is known[1] and now >= self.hold_until:
            known[0].hear_again(packet.at if packet.at < now else now)
        else:
            self._think(now, packet, said)

    def _think(self, now: float, packet: m.Received, said: Substance) -> None:
        data = packet.data
        if len(packet.source) == 4:
            start = (data[0] & 15) * 4 + (24 if data[9] == _AH else 0) if len(data) >= 20 else 20
            family = 4
        else:
            start, family = 0, 6
        if len(data) < start + 2:
            self._malformed(now, packet)
            return
        routers = self._by_wire.get((packet.link, family, data[start + 1]))
        if routers is None:
            self._unknown_vrid(now, packet, data[start + 1])
            return
        router = routers[0] if len(routers) == 1 else _addressee(routers, packet)
        if now < self.hold_until or router.state in _DEAF:
            return
        followed = router.followed
        if followed is not None and router.receiver.repeat_of_last(packet) is followed:
            if len(routers) == 1:
                self._repeats.pop(self._repeated.get(router.name, said), None)
                self._repeats[said], self._repeated[router.name] = (router, followed), said
            router.hear_again(min(packet.at, now))
            return
        verdict = router.receiver.check(packet, current_master=router.master)
        if isinstance(verdict, Discard):
            self.discarded += 1
            if verdict.counter:
                router.counters[verdict.counter] = router.counters.get(verdict.counter, 0) + 1
            source = ip_address(packet.source)
            self._log_seldom(now, router.name, verdict.counter, f"discarding advert from {source}: {verdict.reason}")
            if verdict.counter == "auth_failure" and router.settings.auth_type == "AH":
                router.outcount(data[start + 2], source, now)
                self._touch(router)
            return
        router.hear(verdict, now, min(packet.at, now))  # a stamp of the future would put off the next election
        self._touch(router)

    def _malformed(self, now: float, packet: m.Received) -> None:
        """Too short to say which router it is for."""
        self.discarded += 1
        self.malformed += 1
        source = ip_address(packet.source)
        self._log_seldom(now, packet.link, "malformed", f"discarding packet from {source}: too short for a VRID")

    def _unknown_vrid(self, now: float, packet: m.Received, vrid: int) -> None:
        self.unknown_vrids += 1
        if self.settings.globals.log_unknown_vrids:
            source = ip_address(packet.source)
            self._log_seldom(now, packet.link, f"vrid {vrid}", f"advert from {source} for unknown VRID {vrid}")

    def _log_seldom(self, now: float, who: str, kind: str, text: str) -> None:
        if now - self._logged.get((who, kind), -NEVER) >= QUIET:
            self._logged[who, kind] = now
            self.out.append(m.Log(m.Level.WARNING, f"({who}) {text}"))

    def _woken(self, now: float, event: m.Woken) -> None:
        for router in self.routers.values():
            if event.seconds >= router.patience - router.master_interval:
                router.overslept(now)
                self._touch(router)

    def _link_changed(self, now: float, event: m.LinkChanged) -> None:
        if event.link is not None:
            self._link_counts(now, self.debounce.hear(now, event.link))
            return
        self.debounce.lose(event.name)
        self.host.drop_link(event.name)
        self._track_link(event.name, now)
        for router in self._on.get(event.name, ()):
            self._observe(router, now)
            router.holding.recount()
            self._touch(router)

    def _link_counts(self, now: float, link: Link) -> None:
        before = self.host.links.get(link.name)
        self.host.links[link.name] = link
        came_back = link.usable and (before is None or not before.usable)
        self._track_link(link.name, now)
        for router in self._on.get(link.name, ()):
            self._observe(router, now)
            if came_back and router.state is m.State.MASTER:
                router.holding.announce_again()
            self._touch(router)

    def _address_changed(self, now: float, event: m.AddressChanged) -> None:
        key = event.address.key
        new = key not in self.host.have
        if event.present:
            self.host.put(event.address)
        else:
            self.host.drop(key)
        if key not in self._owners:
            self._sources_changed(now, event.address.interface)
            return
        holder = self._holder(key)
        if event.present:
            if holder is not None:
                holder.holding.arrived((key,), (key,) if new else ())
        elif holder is not None and holder.state is m.State.MASTER:
            self._deleted_by_others(now, holder, key, event.port)
        else:
            for router in self._naming(key):
                router.holding.left(key)

    def _deleted_by_others(self, now: float, router: VirtualRouter, key: AddressKey, port: int) -> None:
        if not router.holding.held[key].track or now > router.late_at:
            return
        who = f"somebody (netlink port {port}, often the process id)" if port else "the kernel"
        router.counters["put_back"] += 1
        if router.holding.lost(key, now):
            router.log(m.Level.WARNING, f"{who} removed {key[1]}/{key[2]} from {key[0]}: putting it back")
        else:
            router.log(m.Level.ERROR, f"{who} keeps removing {key[1]}/{key[2]} from {key[0]}: contested, trying less")
        self._touch(router)

    def _sources_changed(self, now: float, interface: str) -> None:
        for router in self.routers.values():
            if router.devices.base == interface or router.settings.track_src_ip:
                self._observe(router, now)
                self._touch(router)

    def _resync(self, now: float, event: m.Resync) -> None:
        for name in self.host.links.keys() - {link.name for link in event.links}:
            self.debounce.lose(name)
        self.host.replace_all([self.debounce.hear(now, link) for link in event.links], event.addresses)
        for kind, name in list(self._going_by):
            if kind == "interface":
                self._track_link(name, now)
        for router in self.routers.values():
            self._observe(router, now)
            router.holding.recount()
            router.holding.announce_again()
            self._touch(router)
        self.out.append(m.Reconcile(tuple(self.routers)))

    def _heard(self, now: float, event: m.Heard) -> None:
        for router in self._on.get(event.interface, ()):
            if router.holding.leaving:
                router.holding.announced_elsewhere(event.interface, event.ip)
                self._touch(router)

    def _applied(self, now: float, event: m.Applied) -> None:
        host = self.host
        arrived: dict[str, tuple[list[AddressKey], list[AddressKey]]] = {}  # all, and those that are new
        for key in event.added:
            holder = self._holder(key)
            if holder is None:  # it was let go of meanwhile
                host.put_ours(self._as_configured(key))
                self.out.append(m.Reconcile(tuple(self._owners.get(key, ()))))
                continue
            holding, wanted_so = holder.holding, holder.holding.held[key].address
            if host.have.get(key) is wanted_so and key not in holding.unsettled:
                continue  # a lease that was renewed: no news
            keys, new = arrived.setdefault(holder.name, ([], []))
            keys.append(key)
            if key not in host.have:
                new.append(key)
            host.put_ours(wanted_so)
        for name, (keys, new) in arrived.items():
            self.routers[name].holding.arrived(keys, new)
            self._touch(self.routers[name])
        for key in event.removed:
            self.host.drop(key)
            holder = self._holder(key)
            if holder is not None and not holder.holding.leaving:  # it was taken meanwhile
                self.out.append(m.Reconcile((holder.name,)))
                continue
            for router in self._naming(key):
                router.holding.left(key)
                self._touch(router)

    def _as_configured(self, key: AddressKey) -> Address:
        """An address that was just added: as we asked for it, as far as we remember."""
        for router in self._naming(key):
            virtual = router.holding.find(key)
            if virtual is not None:
                return virtual.address
        return Address(*key)

    def _refused(self, now: float, event: m.Refused) -> None:
        why = errorcode.get(event.errno, str(event.errno))
        if event.what is None:
            router = self.routers.get(event.router)
            if router is not None:
                self._log_seldom(now, router.name, "send", f"cannot send adverts: {why}")
                router.advert_refused(now, why, link_down=event.errno in _NO_LINK and not self._can_send(router))
                self._touch(router)
            return
        interface, ip, prefix = event.what
        for router in self._naming(event.what):
            self._log_seldom(now, router.name, str(ip), f"the kernel refused {ip}/{prefix} on {interface}: {why}")
            router.holding.refused(event.what, now)
            self._touch(router)

    def _can_send(self, router: VirtualRouter) -> bool:
        return all(
            (link := self.host.links.get(name)) is not None and link.usable
            for name in (router.devices.base, router.devices.out) if name
        )

    def _commanded(self, now: float, event: m.Commanded) -> None:
        for router in self._ordered(event.routers):
            if router.state in (m.State.STOP, m.State.DELETED):
                continue
            if event.command == "standby":
                router.stand_by(now, event.until, event.even_if_alone)
            else:
                router.end_standby(now)
            self._touch(router)

    def _ordered(self, names: Iterable[str]) -> list[VirtualRouter]:
        """The routers that an order is for: those of this name, with the rest of their groups, and groups."""
        found: dict[str, VirtualRouter] = {}
        for name in names:
            router = self.routers.get(name)
            if router is not None:
                found[name] = router
            for group in self.groups.values():
                if name == group.name or router in group.members:
                    found |= {member.name: member for member in group.members}
        return list(found.values())

    def _tracked(self, now: float, event: m.Tracked) -> None:
        key: Key = (event.kind, event.name)  # type: ignore[assignment]
        if self.tracked.get(key) == event:
            return
        self.tracked[key] = event
        for router in self._going_by.get(key, ()):
            router.tracking.hear(now, event)
            self._observe(router, now)
            self._touch(router)

    def _track_link(self, name: str, now: float) -> None:
        """An interface is a tracked thing, too, but one that we watch ourselves."""
        if ("interface", name) in self._going_by:
            self._tracked(now, self._link_as_tracked(name))

    def _link_as_tracked(self, name: str) -> m.Tracked:
        link = self.host.links.get(name)
        why = "missing" if link is None else "" if link.usable else "down"
        return m.Tracked("interface", name, link is not None and link.usable, 0, why)

    def _settle_groups(self, now: float) -> None:
        """Groups whose members have moved become of one mind; people hear of it once the members have told theirs."""
        groups = self._stirred[:]
        for group in groups:
            group.settle(now)
            group.tell()
            for member in group.members:
                self._touch(member)
        self._stirred[:] = [group for group in self._stirred if group.untold]

    def _stopped(self, now: float, event: m.Stopped) -> None:
        self._stopping = True
        limit = max(0.0, self.settings.globals.child_wait_time - 0.5)
        for router in self.routers.values():
            if event.keep:
                router.abandon()
            else:
                router.stop(now, at_once=event.at_once, limit=limit)
            self._touch(router)

    # ------------------------------------------------------------------------------------------------ settings

    def _reloaded(self, now: float, event: m.Reloaded) -> None:
        if not self._stopping:
            free = self.debounce.configure(event.settings.link_delays)
            self._install(event.settings, now)
            for link in free:
                self._link_counts(now, link)

    def _install(self, settings: Settings, now: float) -> None:
        """Make the routers what the settings say: go on with those that stay, stop and start the others."""
        self.settings = settings
        self.announcer.configure(settings.globals.garp_limits)
        where = wanted.devices(settings)
        leases = wanted.leases(settings)
        known = {identity(r.settings): r for r in self.routers.values() if r.state is not m.State.DELETED}
        stay = {i.name: known[identity(i)] for i in settings.vrrp if identity(i) in known}
        self._remove_others(stay, {i.name for i in settings.vrrp}, now)
        routers: dict[str, VirtualRouter] = {}
        for instance in settings.vrrp:
            name = instance.name
            routers[name] = stay.get(name) or self._new_router(instance, where[name], leases.get(name))
        self.routers = {**routers, **{router.name: router for router in self._departing}}
        self._name_addresses(where)
        self._name_tracked(routers, now)
        for instance in settings.vrrp:
            if router := stay.get(instance.name):
                self._rebind(router, instance, where[instance.name])
                router.reload(instance, where[instance.name], leases.get(instance.name), now)
        self._index()
        self._group(routers)
        for router in routers.values():
            self._observe(router, now)
        for group in self.groups.values():
            group.share_faults(now)
        self._held_back = []
        self._begin([router for router in routers.values() if router.state is m.State.INIT], now)
        self._settle_groups(now)
        for router in self.routers.values():
            self._touch(router)

    def _group(self, routers: Mapping[str, VirtualRouter]) -> None:
        """Put the routers into their sync groups. A group that stays remembers what people were told of it."""
        groups: dict[str, SyncGroup] = {}
        for settings in self.settings.groups:
            group = self.groups.get(settings.name) or SyncGroup(settings, self.out, self._stirred)
            group.settings = settings
            group.members = [routers[name] for name in settings.members if name in routers]
            groups[settings.name] = group
        self.groups = groups
        member_of = {member.name: group for group in groups.values() for member in group.members}
        for router in routers.values():
            router.group = member_of.get(router.name)
            if router.group is None:
                router.wants = ""
        self._stirred[:] = groups.values()

    def _name_tracked(self, routers: Mapping[str, VirtualRouter], now: float) -> None:
        """What every router goes by."""
        self._name_followers(routers)
        self.tracked = {key: known for key, known in self.tracked.items() if key in self._going_by}
        for kind, name in self._going_by:
            if kind == "interface":
                self.tracked[kind, name] = self._link_as_tracked(name)
        for instance in self.settings.vrrp:
            routers[instance.name].tracking.configure(instance.tracks, instance.hold_down, self.tracked, now)

    def _name_followers(self, routers: Mapping[str, VirtualRouter]) -> None:
        """Whom the news of a thing concern."""
        self._going_by = {}
        for instance in self.settings.vrrp:
            for track in instance.tracks:
                self._going_by.setdefault((track.kind, track.name), []).append(routers[instance.name])

    def _remove_others(self, stay: Mapping[str, VirtualRouter], incoming: set[str], now: float) -> None:
        """Stop the routers that are configured no more. Whose name is taken by another one goes at once."""
        limit = self.settings.globals.child_wait_time
        for router in list(self.routers.values()):
            if router is stay.get(router.name):
                continue
            replaced = router.name in incoming
            if router.state is not m.State.DELETED:
                router.stop(now, deleted=True, at_once=replaced, limit=limit)
                self._departing.append(router)
            if replaced:
                router.holding.let_go()
                router.holding.tell_all()
                self._departing.remove(router)

    def _new_router(self, instance: VrrpInstance, where: wanted.Devices, lease: int | None) -> VirtualRouter:
        mark = self._marks.get(instance.name)
        return VirtualRouter(
            instance, where, lease, have=self.host.have, shared=self._shared, out=self.out, announcer=self.announcer,
            memory=AuthMemory.from_dict(mark.memory) if mark is not None else None,
        )

    def _begin(self, routers: Iterable[VirtualRouter], now: float) -> None:
        """Start these routers, but for those that have to wait until something that they go by is known.

        A group resumes as a whole or not at all: half of it is no MASTER.
        """
        ready: list[VirtualRouter] = []
        for router in routers:
            waits = router.waiting if router.group is None else router.group.waiting
            (self._held_back if waits else ready).append(router)
            if waits:
                mark = self._marks.get(router.name)
                router.hold_back(now if mark is None else mark.last_sent + router.down_interval / 2)
                self._touch(router)
        resuming = {router.name for router in ready if self._may_resume(router, now)}
        for router in ready:
            group = router.group
            together = group is None or all(member.name in resuming for member in group.members)
            self._start(router, now, resume=router.name in resuming and together)
            self._touch(router)
        for group in self.groups.values():
            group.admit({router.name for router in ready}, now)

    def _may_resume(self, router: VirtualRouter, now: float) -> bool:
        mark = self._marks.get(router.name)
        return mark is not None and not router.faults and now - mark.last_sent < router.down_interval / 2

    def _start(self, router: VirtualRouter, now: float, *, resume: bool) -> None:
        order = self._standby.pop(router.name, None)
        if order is not None:
            router.begin_standby(order.until, order.even_if_alone)
        mark = self._marks.pop(router.name, None)
        if mark is not None and resume:
            router.resume(now, mark.last_sent, mark.since)
            return
        router.start(now, self.hold_until)
        self.out.append(m.Reconcile((router.name,)))

    def _name_addresses(self, where: Mapping[str, wanted.Devices]) -> None:
        """Which router an address belongs to. Former addresses stay named, so that they are seen to be removed."""
        under_way = {key for router in self.routers.values() for key in router.holding.unsettled}
        owners: dict[AddressKey, list[str]] = {}
        for key, names in self._owners.items():
            if key in self.host.have or key in under_way:
                owners[key] = list(names)
        for instance in self.settings.vrrp:
            for virtual in wanted.addresses(instance, where[instance.name], None):
                names = owners.setdefault(virtual.address.key, [])
                if instance.name not in names:
                    names.append(instance.name)
        self._owners = owners
        self._keys = {}
        for key, names in owners.items():
            for name in names:
                self._keys.setdefault(name, []).append(key)
        self._share()
        self.host.name(owners)
        for key, address in self.host.have.items():
            name = owners[key][0]
            if address.proto != PROTO_KEEPALIVED and (name, str(key)) not in self._logged:
                self._logged[name, str(key)] = 0.0
                what = f"{address.ip}/{address.prefix} on {address.interface} is there already and not from us"
                self.out.append(m.Log(m.Level.WARNING, f"({name}) {what}: it is used, and never removed"))

    def _share(self) -> None:
        self._shared.clear()
        for key, names in self._owners.items():
            if len(names) > 1:
                self._shared[key] = [router.holding for router in self._naming(key)]

    def _index(self) -> None:
        self._by_wire = {}
        self._repeats.clear()
        self._repeated.clear()
        self._on = {}
        for router in self.routers.values():
            settings = router.settings
            key = (router.devices.link, settings.family, settings.virtual_router_id)
            self._by_wire.setdefault(key, []).append(router)
            for interface in _interfaces(router):
                self._on.setdefault(interface, []).append(router)

    def _drop_departed(self) -> None:
        """Forget the routers that have left, once what they had to say has been said."""
        done = [router for router in self._departing if router.finished]
        for router in done:
            self.out.append(m.Rebind(router.name, None, True))
            self._departing.remove(router)
            del self.routers[router.name]
            self._bound.pop(router.name, None)
            self._scheduled.pop(router.name, None)
        if done:
            self._index()

    def _observe(self, router: VirtualRouter, now: float) -> None:
        """Let a router know what the host means for it."""
        if router.state in (m.State.STOP, m.State.DELETED):
            return
        router.source = self._rebind(router, router.settings, router.devices)
        router.judge(now)
        failed = frozenset() if router.impaired else router.verdict.faults
        if router.state is m.State.FAULT:
            failed |= {f"{what} is not known yet" for what in router.verdict.waiting}
        router.own_faults = self.host.faults(router.settings, router.devices, router.source) | failed
        if router.group is not None:
            router.group.stir()
        else:
            router.set_faults(router.own_faults, now)

    def _rebind(self, router: VirtualRouter, settings: VrrpInstance, where: wanted.Devices) -> IPAddress | None:
        """Have its sockets opened anew if what they depend on has changed. Returns the source address."""
        source = self.host.source(settings, where)
        links = [self.host.links.get(name) for name in sorted({where.link, where.out} - {""})]
        missing = source is None or any(link is None for link in links)
        bound = None if missing else (source, [link.index for link in links if link], _on_the_wire(settings))
        if bound != self._bound.get(router.name):
            self._bound[router.name] = bound
            self.out.append(m.Rebind(router.name, source, missing))
        return source

    def _touch(self, router: VirtualRouter) -> None:
        deadline = router.deadline
        if deadline < self._scheduled.get(router.name, NEVER):
            self._scheduled[router.name] = deadline
            heappush(self._heap, (deadline, router.name))


_DEAF = (m.State.INIT, m.State.FAULT)


def _on_the_wire(settings: VrrpInstance) -> VrrpInstance:
    """The settings without those that neither sockets nor packets depend on."""
    return replace(
        settings, state="", priority=1, down_timer_adverts=3, track_src_ip=False, nopreempt=False, preempt_delay=0.0,
        lower_prio_no_advert=False, higher_prio_send_advert=False, owner_ignore_adverts=False, config_fault="",
        dont_track_primary=False, promote_secondaries=False, timer_expired_backup=None, garp=_ANY_GARP,
        notify=_ANY_NOTIFY, vip_fence=True, vip_lease=None, tracks=(), sync_group="", hold_down=0.0,
        last_standing=False,
    )


_ANY_GARP = Garp()
_ANY_NOTIFY = Notify()


def identity(instance: VrrpInstance) -> object:
    """What makes an instance of a new configuration the same virtual router as one of the old."""
    return (
        instance.virtual_router_id, instance.family, instance.interface, instance.multicast, instance.vmac is not None,
        instance.ipvlan is not None, instance.name,
    )


def _interfaces(router: VirtualRouter) -> set[str]:
    where = router.devices
    addresses = (v.address.interface for v in router.holding.addresses)
    routes = (hop.dev for entry in router.settings.routes if entry.track for hop in entry.route.nexthops if hop.dev)
    elsewhere = (base for base, _ in where.elsewhere)
    return {where.base, where.link, where.out, where.home, *addresses, *routes, *elsewhere}


def _addressee(routers: list[VirtualRouter], packet: m.Received) -> VirtualRouter:
    """Several routers share VRID and interface: they differ in the group, or in unicast."""
    for router in routers:
        group = router.settings.multicast
        if group is not None and group.packed == packet.destination:
            return router
        if group is None and router.source is not None and router.source.packed == packet.destination:
            return router
    return routers[0]


_HANDLERS: dict[type, Callable[[Engine, float, Any], None]] = {
    m.Received: Engine._received,
    m.Ticked: Engine._ticked,
    m.Woken: Engine._woken,
    m.LinkChanged: Engine._link_changed,
    m.AddressChanged: Engine._address_changed,
    m.Resync: Engine._resync,
    m.Heard: Engine._heard,
    m.Applied: Engine._applied,
    m.Refused: Engine._refused,
    m.Tracked: Engine._tracked,
    m.Reloaded: Engine._reloaded,
    m.Commanded: Engine._commanded,
    m.Stopped: Engine._stopped,
}
