"""The pure heart of the vrrp worker: one door, `step(now, event) -> effects`, and one `deadline`.

The engine owns the virtual routers, the announcements and the view of the host. It does no I/O and asks no clock, so
that a recorded run, a simulation and the daemon are the same thing. The driver calls `step` with every fact, and with
`Ticked` once `deadline` has passed; it carries the effects out in their order.

Each kind of fact has somebody who knows whom it concerns:

* packets: `reception`;
* links, addresses of the host, tracked things: `surroundings`;
* virtual addresses, and what the kernel made of our changes: `claims`;
* time: the `agenda`, on which all timers stand, and the `announcer`;
* settings and orders: the engine itself. Here routers come to be, wait for what they go by, begin and leave.

When a fact has had its effect, the sync groups of those that have moved settle, and the answer is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from errno import EADDRNOTAVAIL, ENETDOWN, ENETUNREACH, ENODEV, ENXIO, errorcode
from typing import Any, NamedTuple

from hakeep.config.settled import Settings, VrrpInstance
from hakeep.objects.diff import Change
from hakeep.objects.rtnl import Address, AddressKey, Link
from hakeep.vrrp import messages as m
from hakeep.vrrp import revision, standby, wanted
from hakeep.vrrp.agenda import Agenda
from hakeep.vrrp.announce import Announcer
from hakeep.vrrp.authentication import AuthMemory
from hakeep.vrrp.claims import Claims
from hakeep.vrrp.debounce import Debounce
from hakeep.vrrp.group import SyncGroup
from hakeep.vrrp.journal import Complaints
from hakeep.vrrp.observe import Host
from hakeep.vrrp.reception import Reception
from hakeep.vrrp.refusals import refusal
from hakeep.vrrp.router import VirtualRouter
from hakeep.vrrp.surroundings import Surroundings

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
        self.agenda = Agenda(self.routers)
        self.complaints = Complaints(self.out)
        self.reception = Reception(self.agenda, self.complaints, hold_until)
        self.claims = Claims(self.host, self.routers, self.agenda, self.complaints, self.out)
        self.surroundings = Surroundings(self.host, self.debounce, self.routers, self.agenda, self.out)
        self.surroundings.known = {(known.kind, known.name): known for known in tracked}  # type: ignore[misc]
        self._marks = dict(marks or {})
        self._standby = dict(standby or {})
        self._departing: list[VirtualRouter] = []  # those that a reload has removed
        self._stirred: list[SyncGroup] = []  # those with a member that has moved
        self._held_back: list[VirtualRouter] = []  # those that wait for what they go by to become known
        self._stopping = False
        self._finished = False
        self._concerned: dict[type, Callable[[float, Any], None]] = {
            m.Received: self.reception.receive,
            m.Ticked: self._ticked,
            m.Woken: self._woken,
            m.LinkChanged: self.surroundings.link_changed,
            m.AddressChanged: self._address_changed,
            m.Resync: self._resync,
            m.Heard: self._heard,
            m.Applied: self.claims.applied,
            m.Refused: self._refused,
            m.Tracked: self.surroundings.tracked,
            m.Reloaded: self._reloaded,
            m.Commanded: self._commanded,
            m.Stopped: self._stopped,
        }
        self.debounce.configure(settings.link_delays)
        self.host.replace_all([self.debounce.hear(now, link) for link in links], addresses)
        self._install(settings, now)

    # ------------------------------------------------------------------------------------------------ the door

    @property
    def deadline(self) -> float:
        """When `Ticked` is due, in monotonic seconds; inf when nothing is."""
        if self._departing and any(router.finished for router in self._departing):
            return 0.0
        return min(self.agenda.first, self.announcer.deadline, self.debounce.deadline)

    @property
    def soonest(self) -> float:
        """No deadline is earlier than this. It may be of a timer that has moved on since, so it costs nothing."""
        if self._departing:
            return self.deadline
        return min(self.agenda.soonest, self.announcer.deadline, self.debounce.deadline)

    @property
    def takes_over_next(self) -> bool:
        """True when the next deadline may make a BACKUP MASTER: the one moment when a tenth of a millisecond counts."""
        return self.agenda.takes_over_next

    def step(self, now: float, event: m.Event) -> list[m.Effect]:
        """Tell the engine a fact; it answers with orders, to be carried out in this order."""
        if self._departing:
            self._drop_departed()
        self._concerned[type(event)](now, event)
        if self._held_back:
            self._held_back, routers = [], self._held_back
            self._begin([router for router in routers if router.state is m.State.INIT], now)
        if self._stirred:
            self._settle_groups(now)
        if self._stopping and not self._finished and all(r.finished for r in self.routers.values()):
            self._finished = True
            self.out.append(m.Finished())
        return self._answer() if self.out else []

    def begin(self) -> list[m.Effect]:
        """The effects of construction: what the routers do at start."""
        return self._answer()

    def _answer(self) -> list[m.Effect]:
        effects = self.out[:]
        self.out.clear()
        return effects

    def changes(self, names: Iterable[str]) -> list[Change[AddressKey, Address]]:
        """What the kernel lane must do now so that these routers have what they want, and nothing else of ours."""
        return list(self.coming_changes(names))

    def coming_changes(self, names: Iterable[str]) -> Iterator[Change[AddressKey, Address]]:
        """The same, worked out one by one: thousands of addresses take milliseconds, and the first need not wait for
        the last. They are those of the moment of the call; whoever orders `Reconcile` wants them worked out anew."""
        return self.claims.changes(names)

    def masters(self) -> frozenset[str]:
        """The routers that hold addresses now, or still have some: what the fence and the packet filter go by."""
        return self.claims.holding()

    def holds(self, key: AddressKey) -> bool:
        """Whether a router holds this address, as MASTER or while it hands it over: only then its lease may be renewed,
        because a renewal brings an address back that is gone."""
        return self.claims.holder(key) is not None

    def concerns(self, interface: str) -> bool:
        """Whether a router works on this interface or has addresses there."""
        return bool(self.surroundings.on(interface))

    # ------------------------------------------------------------------------------------------------ facts

    def _ticked(self, now: float, _: m.Ticked) -> None:
        if self.debounce.deadline <= now:
            self.surroundings.links_settle(now)
        agenda = self.agenda
        for router in agenda.take(now):
            if router.rank.steady_at <= now:
                self.surroundings.look_at(router, now)
            if router.standby_until <= now:
                standby.expire(router, now)
            if router.deadline <= now:
                router.due(now)
            agenda.touch(router)
        if self.announcer.deadline <= now:
            self.out += self.announcer.due(now)

    def _woken(self, now: float, event: m.Woken) -> None:
        for router in self.routers.values():
            if event.seconds >= router.watch.patience - router.watch.master_interval:
                router.overslept(now)
                self.agenda.touch(router)

    def _address_changed(self, now: float, event: m.AddressChanged) -> None:
        key = event.address.key
        new = key not in self.host.have
        if event.present:
            self.host.put(event.address)
        else:
            self.host.drop(key)
        if key in self.claims.named:
            self.claims.changed_by_others(now, key, present=event.present, new=new, port=event.port)
        else:
            self.surroundings.sources_changed(now, event.address.interface)

    def _resync(self, now: float, event: m.Resync) -> None:
        self.surroundings.resync(now, event)
        self.out.append(m.Reconcile(tuple(self.routers)))

    def _heard(self, now: float, event: m.Heard) -> None:
        for router in self.surroundings.on(event.interface):
            if router.holding.leaving:
                router.holding.announced_elsewhere(event.interface, event.ip)
                self.agenda.touch(router)

    def _refused(self, now: float, event: m.Refused) -> None:
        why = errorcode.get(event.errno, str(event.errno))
        if event.what is not None:
            self.claims.refused(now, event.what, why)
            return
        router = self.routers.get(event.router)
        if router is not None:
            self.complaints.make(now, router.name, "send", f"cannot send adverts: {refusal(event.errno)}")
            link_down = event.errno in _NO_LINK and not self.surroundings.can_send(router)
            router.advert_refused(now, why, link_down=link_down)
            self.agenda.touch(router)

    def _settle_groups(self, now: float) -> None:
        """Groups whose members have moved become of one mind; people hear of it once the members have told theirs."""
        groups = self._stirred[:]
        for group in groups:
            group.settle(now)
            group.tell()
            for member in group.members:
                self.agenda.touch(member)
        self._stirred[:] = [group for group in self._stirred if group.untold]

    # ------------------------------------------------------------------------------------------------ orders

    def _commanded(self, now: float, event: m.Commanded) -> None:
        for router in self._ordered(event.routers):
            if router.state in (m.State.STOP, m.State.DELETED):
                continue
            if event.command == "standby":
                standby.begin(router, now, event.until, event.even_if_alone)
            else:
                standby.end(router, now)
            self.agenda.touch(router)

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

    def _stopped(self, now: float, event: m.Stopped) -> None:
        self._stopping = True
        limit = max(0.0, self.settings.globals.child_wait_time - 0.5)
        for router in self.routers.values():
            if event.keep:
                router.abandon()
            else:
                router.stop(now, at_once=event.at_once, limit=limit)
            self.agenda.touch(router)

    # ------------------------------------------------------------------------------------------------ settings

    def _reloaded(self, now: float, event: m.Reloaded) -> None:
        if not self._stopping:
            free = self.debounce.configure(event.settings.link_delays)
            self._install(event.settings, now)
            for link in free:
                self.surroundings.link_counts(now, link)

    def _install(self, settings: Settings, now: float) -> None:
        """Make the routers what the settings say: go on with those that stay, stop and start the others."""
        self.settings = settings
        self.announcer.configure(settings.globals.garp_limits)
        self.reception.log_unknown_vrids = settings.globals.log_unknown_vrids
        where = wanted.devices(settings)
        leases = wanted.leases(settings)
        known = {identity(r.settings): r for r in self.routers.values() if r.state is not m.State.DELETED}
        stay = {i.name: known[identity(i)] for i in settings.vrrp if identity(i) in known}
        self._remove_others(stay, {i.name for i in settings.vrrp}, now)
        routers: dict[str, VirtualRouter] = {}
        for instance in settings.vrrp:
            name = instance.name
            routers[name] = stay.get(name) or self._new_router(instance, where[name], leases.get(name))
        self._replace_routers({**routers, **{router.name: router for router in self._departing}})
        self.claims.name(settings.vrrp, where)
        self.surroundings.track(settings.vrrp, now)
        for instance in settings.vrrp:
            if router := stay.get(instance.name):
                self.surroundings.rebind(router, instance, where[instance.name])
                revision.reload(router, instance, where[instance.name], leases.get(instance.name), now)
        self._index()
        self._group(routers)
        for router in routers.values():
            self.surroundings.look_at(router, now)
        for group in self.groups.values():
            group.share_faults(now)
        self._held_back = []
        self._begin([router for router in routers.values() if router.state is m.State.INIT], now)
        self._settle_groups(now)
        for router in self.routers.values():
            self.agenda.touch(router)

    def _replace_routers(self, routers: Mapping[str, VirtualRouter]) -> None:
        """In place: everybody here looks into the same dictionary."""
        self.routers.clear()
        self.routers.update(routers)

    def _index(self) -> None:
        self.reception.index(self.routers.values())
        self.surroundings.index()

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
                router.watch.wants = ""
        self._stirred[:] = groups.values()

    # ------------------------------------------------------------------------------------------------ coming and going

    def _new_router(self, instance: VrrpInstance, where: wanted.Devices, lease: int | None) -> VirtualRouter:
        mark = self._marks.get(instance.name)
        return VirtualRouter(
            instance, where, lease, have=self.host.have, shared=self.claims.shared, out=self.out,
            announcer=self.announcer, memory=AuthMemory.from_dict(mark.memory) if mark is not None else None,
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
                router.hold_back(now if mark is None else mark.last_sent + router.watch.down_interval / 2)
                self.agenda.touch(router)
        resuming = {router.name for router in ready if self._may_resume(router, now)}
        for router in ready:
            group = router.group
            together = group is None or all(member.name in resuming for member in group.members)
            self._start(router, now, resume=router.name in resuming and together)
            self.agenda.touch(router)
        for group in self.groups.values():
            group.admit({router.name for router in ready}, now)

    def _may_resume(self, router: VirtualRouter, now: float) -> bool:
        mark = self._marks.get(router.name)
        return mark is not None and not router.faults and now - mark.last_sent < router.watch.down_interval / 2

    def _start(self, router: VirtualRouter, now: float, *, resume: bool) -> None:
        order = self._standby.pop(router.name, None)
        if order is not None:
            standby.begin_before_start(router, order.until, order.even_if_alone)
        mark = self._marks.pop(router.name, None)
        if mark is not None and resume:
            router.resume(now, mark.last_sent, mark.since)
            return
        router.start(now, self.reception.hold_until)
        self.out.append(m.Reconcile((router.name,)))

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

    def _drop_departed(self) -> None:
        """Forget the routers that have left, once what they had to say has been said."""
        done = [router for router in self._departing if router.finished]
        for router in done:
            self._departing.remove(router)
            del self.routers[router.name]
            self.surroundings.forget(router)
            self.agenda.forget(router.name)
        if done:
            self._index()


def identity(instance: VrrpInstance) -> object:
    """What makes an instance of a new configuration the same virtual router as one of the old."""
    return (
        instance.virtual_router_id, instance.family, instance.interface, instance.multicast, instance.vmac is not None,
        instance.ipvlan is not None, instance.name,
    )
