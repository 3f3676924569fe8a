"""track_route: is there a route to a network?

The kernel tells of routes that come and go, and the tables are read again then. It does not tell of IPv4 routes that go
with a link or with their source address; so changes of these make us read, too.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from socket import if_indextoname

import trio

from hakeep.config.settled_track import Tracking, TrackRoute, Watched
from hakeep.kernel.netlink import HEADER, NETLINK_ROUTE, Netlink, Overrun, Part
from hakeep.kernel.route_table import RTM_DELROUTE, RTM_NEWROUTE, Prefix, Way, of_message, prefix, read_ways
from hakeep.kernel.rtnl import RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR, RTMGRP_LINK
from hakeep.track.standing import Key, Standing
from hakeep.track.telling import Teller

_RTMGRP_IPV4_ROUTE, _RTMGRP_IPV6_ROUTE = 0x40, 0x400
_GROUPS = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | _RTMGRP_IPV4_ROUTE | _RTMGRP_IPV6_ROUTE

#: Room for the news of a routing daemon that loads a table.
RECEIVE_BUFFER = 8 << 20

#: Messages that are read before others have their turn.
MOST_READS = 64

#: After a reading, others have so many times as long as it took.
FAIR = 4.0


@dataclass(slots=True, eq=False)
class Sought:
    """A route that is asked after."""

    thing: TrackRoute
    prefix: Prefix
    standing: Standing


class Routes:
    """The room of routes. Without any nothing is opened."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._sought: dict[Key, Sought] = {}
        self._news = trio.Event()

    def follow(self, tracking: Tracking, things: Iterable[tuple[Key, Watched]]) -> None:
        """Watch these. What stays as it is goes on as it was."""
        wanted = {key: thing for key, thing in things if isinstance(thing, TrackRoute)}
        for key, sought in list(self._sought.items()):
            if wanted.get(key) != sought.thing:
                del self._sought[key]
        for key, thing in wanted.items():
            if key not in self._sought:
                place = prefix(thing.network, thing.family, thing.table)
                self._sought[key] = Sought(thing, place, self._teller.begin(key))
        self._news.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            self._news = trio.Event()
            if not self._sought:
                await self._news.wait()
                continue
            with Netlink(NETLINK_ROUTE, _GROUPS, RECEIVE_BUFFER) as netlink:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._read_again)
                    await self._hear(netlink)

    async def _hear(self, netlink: Netlink) -> None:
        while True:
            await trio.lowlevel.wait_readable(netlink.fileno())
            wanted = {sought.prefix for sought in self._sought.values()}
            for _ in range(MOST_READS):
                items = netlink.receive()
                if not items:
                    break
                if any(_concerns(item, wanted) for item in items):
                    self._news.set()

    async def _read_again(self) -> None:
        while True:
            self._news = trio.Event()
            began = time.monotonic()
            if self._sought:
                wanted = {sought.prefix for sought in self._sought.values()}
                ways = await trio.to_thread.run_sync(read_ways, wanted, abandon_on_cancel=True)
                self._judge(ways, time.monotonic() - began)
            await trio.sleep(FAIR * (time.monotonic() - began))
            await self._news.wait()

    def _judge(self, ways: list[Way], latency: float) -> None:
        found: dict[Prefix, Way] = {}
        for way in ways:
            found.setdefault(way.prefix, way)
        for sought in self._sought.values():
            best = found.get(sought.prefix)
            why = f"there is a route{_where(best)}" if best else "there is no such route"
            sought.standing.looked(best is not None, why, latency)
            self._teller.judge(sought.standing, best is not None, why)
        self._teller.counted()


def _concerns(item: object, wanted: set[Prefix]) -> bool:
    """Whether this may have changed one of the routes."""
    if isinstance(item, Part):
        if item.type not in (RTM_NEWROUTE, RTM_DELROUTE):
            return len(item.data) > HEADER.size
        return of_message(item.data) in wanted
    return isinstance(item, Overrun)


def _where(way: Way) -> str:
    """In words: where it leads to."""
    said = f" via {way.gateway}" if way.gateway is not None else ""
    return f"{said} dev {name}" if (name := interface(way.link)) else said


def interface(index: int) -> str:
    """The name of an interface, "" where there is none of this number."""
    try:
        return if_indextoname(index) if index else ""
    except OSError:
        return ""
