"""What happens around the routers, and whom it concerns: links, addresses of the host, and the things that are tracked.

News go into the view of the host, or into what is known of a tracked thing; then every router that they concern is
looked at anew (`look_at`): its source address, its sockets, its priority, and the faults for which it cannot take part.
An interface is a tracked thing, too, but one that we watch ourselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from hakeep.config.settled import Garp, Notify, VrrpInstance
from hakeep.objects.rtnl import IPAddress, Link
from hakeep.vrrp import revision, wanted
from hakeep.vrrp.agenda import Agenda
from hakeep.vrrp.debounce import Debounce
from hakeep.vrrp.messages import Effect, LinkChanged, Rebind, Resync, State, Tracked
from hakeep.vrrp.observe import Host
from hakeep.vrrp.router import VirtualRouter
from hakeep.vrrp.tracking import Key


class Surroundings:
    """Of all `routers` of a worker. `known` is what is known of the tracked things."""

    def __init__(
        self, host: Host, debounce: Debounce, routers: Mapping[str, VirtualRouter], agenda: Agenda, out: list[Effect]
    ) -> None:
        self.host = host
        self.debounce = debounce
        self.routers = routers
        self.agenda = agenda
        self.out = out
        self.known: dict[Key, Tracked] = {}
        self._followers: dict[Key, list[VirtualRouter]] = {}  # whom a tracked thing concerns
        self._on: dict[str, list[VirtualRouter]] = {}  # whom an interface concerns
        self._bound: dict[str, object] = {}  # what its sockets depend on, for each router

    # ------------------------------------------------------------------------------------------------ whom it concerns

    def index(self) -> None:
        """The routers are others."""
        self._on = {}
        for router in self.routers.values():
            for interface in _interfaces(router):
                self._on.setdefault(interface, []).append(router)

    def on(self, interface: str) -> list[VirtualRouter]:
        """The routers that work on this interface or have addresses there."""
        return self._on.get(interface, [])

    def track(self, instances: Iterable[VrrpInstance], now: float) -> None:
        """These instances are what is configured: let each go by what it tracks."""
        instances = tuple(instances)
        self.name_followers(instances)
        self.known = {key: known for key, known in self.known.items() if key in self._followers}
        for kind, name in self._followers:
            if kind == "interface":
                self.known[kind, name] = self._link_as_tracked(name)
        for instance in instances:
            tracking = self.routers[instance.name].rank.tracking
            tracking.configure(instance.tracks, instance.hold_down, self.known, now)

    def name_followers(self, instances: Iterable[VrrpInstance]) -> None:
        """Whom the news of a thing concern."""
        self._followers = {}
        for instance in instances:
            for track in instance.tracks:
                self._followers.setdefault((track.kind, track.name), []).append(self.routers[instance.name])

    # ------------------------------------------------------------------------------------------------ news

    def link_changed(self, now: float, event: LinkChanged) -> None:
        """An interface appeared, changed or went away."""
        if event.link is not None:
            self.link_counts(now, self.debounce.hear(now, event.link))
            return
        self.debounce.lose(event.name)
        self.host.drop_link(event.name)
        self._track_link(event.name, now)
        for router in self.on(event.name):
            self.look_at(router, now)
            router.holding.recount()
            self.agenda.touch(router)

    def link_counts(self, now: float, link: Link) -> None:
        """This is what a link is like now, once delays are over."""
        before = self.host.links.get(link.name)
        self.host.links[link.name] = link
        came_back = link.usable and (before is None or not before.usable)
        self._track_link(link.name, now)
        for router in self.on(link.name):
            self.look_at(router, now)
            if came_back and router.state is State.MASTER:
                router.holding.announce_again()
            self.agenda.touch(router)

    def links_settle(self, now: float) -> None:
        """Changes of links that have lasted count now."""
        for link in self.debounce.due(now):
            self.link_counts(now, link)

    def sources_changed(self, now: float, interface: str) -> None:
        """An address that is none of ours came or went."""
        for router in self.routers.values():
            if router.devices.base == interface or router.settings.track_src_ip:
                self.look_at(router, now)
                self.agenda.touch(router)

    def resync(self, now: float, event: Resync) -> None:
        """News were lost; this is all there is."""
        for name in self.host.links.keys() - {link.name for link in event.links}:
            self.debounce.lose(name)
        self.host.replace_all([self.debounce.hear(now, link) for link in event.links], event.addresses)
        for kind, name in list(self._followers):
            if kind == "interface":
                self._track_link(name, now)
        for router in self.routers.values():
            self.look_at(router, now)
            router.holding.recount()
            router.holding.announce_again()
            self.agenda.touch(router)

    def tracked(self, now: float, event: Tracked) -> None:
        """Something new is known of a tracked thing."""
        key: Key = (event.kind, event.name)  # type: ignore[assignment]
        if self.known.get(key) == event:
            return
        self.known[key] = event
        for router in self._followers.get(key, ()):
            router.rank.tracking.hear(now, event)
            self.look_at(router, now)
            self.agenda.touch(router)

    def _track_link(self, name: str, now: float) -> None:
        if ("interface", name) in self._followers:
            self.tracked(now, self._link_as_tracked(name))

    def _link_as_tracked(self, name: str) -> Tracked:
        link = self.host.links.get(name)
        why = "missing" if link is None else "" if link.usable else "down"
        return Tracked("interface", name, link is not None and link.usable, 0, why)

    # ------------------------------------------------------------------------------------------------ what it means

    def look_at(self, router: VirtualRouter, now: float) -> None:
        """Let a router know what the host and the tracked things mean for it."""
        if router.state in (State.STOP, State.DELETED):
            return
        router.source = self.rebind(router, router.settings, router.devices)
        revision.judge(router, now)
        rank = router.rank
        failed = frozenset() if rank.impaired else rank.verdict.faults
        if router.state is State.FAULT:
            failed |= {f"{what} is not known yet" for what in rank.verdict.waiting}
        router.own_faults = self.host.faults(router.settings, router.devices, router.source) | failed
        if router.group is not None:
            router.group.stir()
        else:
            router.set_faults(router.own_faults, now)

    def can_send(self, router: VirtualRouter) -> bool:
        """Whether the interfaces that its adverts leave by are there and up."""
        return all(
            (link := self.host.links.get(name)) is not None and link.usable
            for name in (router.devices.base, router.devices.out) if name
        )

    def rebind(self, router: VirtualRouter, settings: VrrpInstance, where: wanted.Devices) -> IPAddress | None:
        """Have its sockets opened anew if what they depend on has changed. Returns the source address."""
        source = self.host.source(settings, where)
        links = [self.host.links.get(name) for name in sorted({where.link, where.out} - {""})]
        missing = source is None or any(link is None for link in links)
        bound = None if missing else (source, [link.index for link in links if link], _on_the_wire(settings))
        if bound != self._bound.get(router.name):
            self._bound[router.name] = bound
            self.out.append(Rebind(router.name, source, missing))
        return source

    def forget(self, router: VirtualRouter) -> None:
        """It is gone for good: its sockets are closed."""
        self.out.append(Rebind(router.name, None, True))
        self._bound.pop(router.name, None)


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


def _interfaces(router: VirtualRouter) -> set[str]:
    where = router.devices
    addresses = (v.address.interface for v in router.holding.addresses)
    routes = (hop.dev for entry in router.settings.routes if entry.track for hop in entry.route.nexthops if hop.dev)
    elsewhere = (base for base, _ in where.elsewhere)
    return {where.base, where.link, where.out, where.home, *addresses, *routes, *elsewhere}
