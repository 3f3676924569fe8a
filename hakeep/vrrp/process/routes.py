"""The routing lane: routes, rules and static addresses on their way to the kernel, and put back when others take them.

What is to change is worked out when there is a reason to, and goes out in chunks of about a millisecond: from the loop,
so that a route is gone before the address that it stands on. To read what there is takes longer on a router with many
routes, and is done in a thread; a result that was overtaken by changes of ours is thrown away, and it is read again.

Without anything to look after, this costs nothing: no socket, no thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from errno import EEXIST
from typing import NamedTuple

import trio

from hakeep.config.settled_routes import Static
from hakeep.kernel.netlink import Netlink, Overrun
from hakeep.kernel.policy_rules import read_rules
from hakeep.kernel.route_monitor import (
    AddressGone,
    LinkNews,
    RouteMonitor,
    RouteNews,
    RuleNews,
    read_link_states,
)
from hakeep.kernel.route_writer import RoutingWriter
from hakeep.kernel.routes import read_routes
from hakeep.kernel.rtnl import read_addresses
from hakeep.objects.routes import Route, Rule
from hakeep.objects.rtnl import Address
from hakeep.vrrp import messages as m
from hakeep.vrrp.engine import Engine
from hakeep.vrrp.routing import AnyChange, Line, Routing, Standing
from hakeep.vrrp.timers import NEVER
from hakeep.worker import Log

#: Seconds until changes are tried again when netlink had no room.
NETLINK_RETRY = 0.1

#: Seconds after which all is given up at the end.
LAST = 2.0


class _Reading(NamedTuple):
    """All there is of what is named."""

    links: list[LinkNews]
    addresses: list[Address]
    routes: list[Route]
    rules: list[Rule]


class RoutingLane:
    """Call `begin` once the engine has begun, `holders_changed` when routers hold other addresses or change their
    state, `settings_changed` after a reload, and `work` in each turn; keep `run` running. `watch(fd, reader)` tells the
    loop of a descriptor; `room` is the size of the monitor's receive buffer in bytes, 0 = ours.
    """

    def __init__(
        self, engine: Engine, log: Log, watch: Callable[[int, Callable[[], None]], None], room: int = 0
    ) -> None:
        self.routing = Routing()
        self.changed = False  # something that status shows; who has shown it says so
        self._engine = engine
        self._log = log
        self._watch = watch
        self._room = room
        self._writer: RoutingWriter | None = None
        self._reader: Netlink | None = None
        self._monitor: RouteMonitor | None = None
        self._links: dict[int, LinkNews] = {}
        self._indexes: dict[str, int] = {}
        self._queue: list[AnyChange] = []
        self._needed = False  # there is something to look after, or was
        self._moved = False  # how routers stand
        self._stood: tuple[Static | None, list[Standing]] | None = None
        self._stale = False  # what is to change
        self._blind = True  # nobody has looked what others have, since the configuration is this one
        self._doubt = False
        self._generation = 0
        self._again = NEVER
        self._not_before = 0.0
        self._news = trio.Event()
        self._closed = False

    def begin(self) -> None:
        """Look what there is, and adopt or remove it. Blocks; the engine has begun."""
        self._needed = self._something()
        self._stand()
        if self._writer is not None:
            self._take(self._read(True), True)

    def holders_changed(self) -> None:
        """Others hold addresses, or nobody does."""
        self._moved = self._needed

    def settings_changed(self) -> None:
        """There is a new configuration."""
        self._needed = self._needed or self._something()
        if self._needed:
            self._moved = self._blind = True
            self._look_again()

    def keep(self) -> None:
        """Let the kernel have what it has, for good."""
        self._closed = True

    @property
    def due(self) -> float:
        """When `work` should be called, in monotonic seconds."""
        if self._closed or not (self._needed and (self._moved or self._writer is not None)):
            return NEVER
        return self._not_before if self._moved or self._stale or self._queue else self._again

    def work(self) -> list[m.Tracked]:
        """Make the next changes, a millisecond's worth. Returns what the engine should know of track_groups."""
        if self._closed:
            return []
        if self._moved:
            self._stand()
        now = time.monotonic()
        if self._writer is None or now < self._not_before:
            return []
        if self._stale or now >= self._again:
            self._think(now)
            if not self._queue:
                return self.routing.tidings()
        if self._queue:
            self._apply(self._writer, now)
        return []

    def release(self) -> None:
        """Remove all that is ours. Blocks, for some seconds at most; nothing works afterwards."""
        self.routing.leave()
        deadline = time.monotonic() + LAST
        while self._writer is not None and not self._closed and (now := time.monotonic()) < deadline:
            self._think(now)
            if not self._queue:
                break
            self._apply(self._writer, now)
        self._closed = True

    async def run(self) -> None:
        """Look again when there is reason to, for ever."""
        while True:
            await self._news.wait()
            self._news = trio.Event()
            while self._doubt and not self._closed:
                self._doubt, complete, generation = False, self._blind, self._generation
                reading = await trio.to_thread.run_sync(self._read, complete)
                if generation == self._generation:
                    self._take(reading, complete)
                else:
                    self._doubt = True

    # -------------------------------------------------------------------------------------------------- what to do

    def _something(self) -> bool:
        settings = self._engine.settings
        return settings.static is not None or any(instance.routes or instance.rules for instance in settings.vrrp)

    def _stand(self) -> None:
        self._moved = False
        standings = [
            Standing(
                router.name, router.state is m.State.MASTER,
                not router.holding.unsettled.isdisjoint(router.holding.held), router.holding.leaving,
                router.settings.routes, router.settings.rules)
            for router in self._engine.routers.values() if router.settings.routes or router.settings.rules
        ]
        static = self._engine.settings.static
        if (static, standings) == self._stood:
            return
        self._stood = static, standings
        self.routing.stand(static or Static(), standings)
        self._stale = True
        if self._writer is None and not self.routing.idle:
            self._writer, self._reader = RoutingWriter(self._indexes.get), Netlink()
            self._monitor = RouteMonitor({self._writer.port}, self._room)
            self._watch(self._monitor.fileno(), self._readable)
            self._look_again()
        self._heed()

    def _heed(self) -> None:
        routing = self.routing
        if self._monitor is not None:
            self._monitor.heed(routing.slots, routing.protocols, every_removal=routing.borrows)

    def _think(self, now: float) -> None:
        self._stale = False
        self._queue = self.routing.changes(now, blind=self._blind) if self._links else []
        self._again = self.routing.due(now)
        self._say(self.routing.strangers())
        self._say(self.routing.waiting() if self._links else [])

    def _apply(self, writer: RoutingWriter, now: float) -> None:
        try:
            outcomes = writer.apply(self._queue)  # type: ignore[arg-type]
        except OSError as error:  # ENOBUFS, ENOMEM: the changes stay in the queue
            self._say([(m.Level.ERROR, f"the kernel takes no changes of routes now: {error}")])
            self._not_before = now + NETLINK_RETRY
            return
        self._generation += 1
        del self._queue[: len(outcomes)]
        self.changed = self.changed or bool(outcomes)
        for change, errno, text in outcomes:
            self._say(self.routing.done(change, errno, text, now))  # type: ignore[arg-type]
            if errno == EEXIST:  # whose is it?
                self._look_again()
        self._stale = not self._queue
        self._heed()

    def _say(self, lines: list[Line]) -> None:
        for level, text in lines:
            self._log(level, text)

    # ------------------------------------------------------------------------------------------------- what there is

    def _look_again(self) -> None:
        self._doubt = True
        self._news.set()

    def _read(self, complete: bool) -> _Reading:
        routing, reader = self.routing, self._reader
        assert reader is not None
        links = read_link_states(reader)
        names = {link.number: link.name for link in links}
        addresses: list[Address] = []
        wanted = routing.address_keys
        if wanted:
            places = {interface for interface, _, _ in wanted}
            here = {index: name for index, name in names.items() if name in places}
            addresses = [address for address in read_addresses(reader, here) if address.key in wanted]
        routes = read_routes(reader, names, list(routing.slots), routing.protocols, others=complete)
        return _Reading(links, addresses, routes, read_rules(reader, routing.families))

    def _take(self, reading: _Reading, complete: bool) -> None:
        if complete:
            self._blind = False
        self._links = {link.number: link for link in reading.links}
        self._indexes.clear()
        self._indexes.update((link.name, link.number) for link in reading.links)
        self.routing.found(self._up, reading.addresses, reading.routes, reading.rules, complete=complete)
        self._generation += 1
        self._stale = self.changed = True
        self._heed()

    @property
    def _up(self) -> Mapping[str, bool]:
        return {link.name: bool(link.up) for link in self._links.values()}

    def _readable(self) -> None:
        """Somebody did something that may concern us."""
        assert self._monitor is not None
        now = time.monotonic()
        names = {index: link.name for index, link in self._links.items()}
        for news in self._monitor.receive(names):
            self._generation += 1
            if isinstance(news, Overrun):
                self._blind = True
                self._look_again()
            elif isinstance(news, LinkNews):
                self._link_changed(news)
            elif isinstance(news, AddressGone):
                self._say(self.routing.gone(news.address, news.port, now))
                if self.routing.concerns(news.address.interface):
                    self._look_again()
            else:
                self._heard(news, now)
            self._stale = self.changed = True

    def _link_changed(self, link: LinkNews) -> None:
        before = self._links.get(link.number)
        if link.up is None:
            self._links.pop(link.number, None)
        else:
            self._links[link.number] = link
        if before != link and any(self.routing.concerns(name) for name in {link.name, before.name if before else ""}):
            self._look_again()
        if before is None or before.name != link.name or link.up is None:
            self._indexes.clear()
            self._indexes.update((link.name, link.number) for link in self._links.values())

    def _heard(self, news: RouteNews | RuleNews, now: float) -> None:
        thing = news.route if isinstance(news, RouteNews) else news.rule
        if not news.present:
            self._say(self.routing.gone(thing, news.port, now))
            return
        if isinstance(news, RouteNews) and news.replaces:
            self._say(self.routing.overwritten(news.route, news.port, now))
        self.routing.came(thing)
