"""track_ping, track_tcp and track_http: what is asked again and again over the network.

The questions are those of the checkers of real servers. A question that takes too long is given up: `timeout` holds for
all of it. The next one comes `interval` after the start of this one, or when it is over.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

import trio

from hakeep.config.settled_lvs import HttpProbe, Page, Peer, PingProbe, TcpProbe, Tls
from hakeep.config.settled_track import TrackHttp, Tracking, TrackPing, TrackTcp, Watched
from hakeep.kernel.route_table import prefix, read_ways
from hakeep.lvs.checkers import http, ping, tcp
from hakeep.lvs.checkers.kit import Kit
from hakeep.lvs.messages import Result
from hakeep.objects.routes import TABLE_MAIN
from hakeep.objects.rtnl import IPAddress
from hakeep.track.echoes import judge
from hakeep.track.rota import first_starts, next_beat
from hakeep.track.routes import interface
from hakeep.track.standing import Key, Standing
from hakeep.track.streak import Streak
from hakeep.track.telling import Teller
from hakeep.worker import INFO

Probed = TrackPing | TrackTcp | TrackHttp

#: Seconds between the echo requests of one ping, unless that takes too much of its time.
ECHO_GAP = 0.01

#: Seconds for which we wait on, when a question's time is over, for what it has to say about that.
MARGIN = 0.1

#: Characters of a reason.
LONGEST_WHY = 200


@dataclass(slots=True, eq=False)
class Asking:
    """A thing that is asked."""

    thing: Probed
    standing: Standing
    streak: Streak
    delay: float
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


class Probes:
    """The room of questions over the network."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._asked: dict[Key, Asking] = {}
        self._kit = Kit()
        self._nursery: trio.Nursery | None = None

    def follow(self, tracking: Tracking, things: Iterable[tuple[Key, Watched]]) -> None:
        """Ask these. What stays as it is goes on as it was."""
        wanted = {key: thing for key, thing in things if isinstance(thing, TrackPing | TrackTcp | TrackHttp)}
        for key, asking in list(self._asked.items()):
            if wanted.get(key) != asking.thing:
                del self._asked[key]
                asking.scope.cancel()
        fresh = [(key, thing) for key, thing in wanted.items() if key not in self._asked]
        delays = first_starts([thing.rhythm.interval for _, thing in fresh])
        for (key, thing), delay in zip(fresh, delays, strict=True):
            streak = Streak(thing.rhythm.rise, thing.rhythm.fall)
            asking = self._asked[key] = Asking(thing, self._teller.resume(key, streak), streak, delay)
            if self._nursery is not None:
                self._nursery.start_soon(self._ask_on, asking)
        self._kit = Kit()  # authorities may have changed

    async def run(self) -> None:
        """Ask until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                for asking in self._asked.values():
                    asking.scope = trio.CancelScope()
                    nursery.start_soon(self._ask_on, asking)
                await trio.sleep_forever()
        finally:
            self._nursery = None

    async def _ask_on(self, asking: Asking) -> None:
        rhythm = asking.thing.rhythm
        with asking.scope:
            await trio.sleep(asking.delay)
            planned = time.monotonic()
            while True:
                await self._ask_once(asking)
                planned = next_beat(planned, rhythm.interval, time.monotonic())
                await trio.sleep(max(0.0, planned - time.monotonic()))

    async def _ask_once(self, asking: Asking) -> None:
        began = time.monotonic()
        asking.standing.running = True
        well, why = False, f"no answer within {asking.thing.rhythm.timeout:g} s"
        try:
            with trio.move_on_after(_limit(asking.thing)):
                well, why = await self._answer(asking.thing)
        except Exception as error:
            well, why = False, f"cannot be asked: {error!r}"
        why = why[:LONGEST_WHY]
        asking.standing.looked(well, why, time.monotonic() - began)
        self._teller.counted()
        if self._teller.count(asking.standing, asking.streak, well, why):
            kind, name = asking.standing.key
            self._teller.log(INFO, f"track_{kind} {name} {'succeeded' if well else 'failed'} ({why})")

    async def _answer(self, thing: Probed) -> tuple[bool, str]:
        """Whether it is well, and a sentence."""
        if isinstance(thing, TrackPing):
            return await _ping(thing, self._kit)
        if isinstance(thing, TrackTcp):
            result = await tcp.probe(TcpProbe(Peer(thing.address, thing.port, thing.rhythm.timeout)), 0, self._kit)
        else:
            result = await _fetch(thing, self._kit)
        return result.ok, result.why


def _limit(thing: Probed) -> float:
    """Seconds for all of it. A ping knows itself when its time is over, and the echoes that came back by then count."""
    return float("inf") if isinstance(thing, TrackPing) else thing.rhythm.timeout + MARGIN


# ---------------------------------------------------------------------------------------------------------------- ping


async def _ping(thing: TrackPing, kit: Kit) -> tuple[bool, str]:
    """Send the echoes, a little apart, and wait for all that come back in time."""
    address, link = thing.address, thing.interface
    if address is None:
        gateway = await trio.to_thread.run_sync(find_gateway, thing.family, link, abandon_on_cancel=True)
        if gateway is None:
            return False, "there is no default gateway"
        address, link = gateway
    peer = Peer(address, 0, thing.rhythm.timeout, bind_ip=thing.source, bind_if=link)
    results: list[Result] = []

    async def one(delay: float) -> None:
        await trio.sleep(delay)
        results.append(await ping.probe(PingProbe(peer), 0, kit))

    gap = min(ECHO_GAP, thing.rhythm.timeout / 2 / thing.count)
    with trio.move_on_after(thing.rhythm.timeout):
        async with trio.open_nursery() as nursery:
            for place in range(thing.count):
                nursery.start_soon(one, place * gap)
    returned = sum(result.ok for result in results)
    reason = next((result.why for result in results if not result.ok), "")
    return judge(thing.count, returned, thing.loss, reason)


def find_gateway(family: int, link: str) -> tuple[IPAddress, str] | None:
    """The default gateway of the moment, on this interface or on any (""), and the interface to it where its address
    alone does not say that. Raises OSError."""
    for way in read_ways([prefix("default", family, TABLE_MAIN)]):
        name = interface(way.link)
        if way.gateway is not None and (not link or link == name):
            return way.gateway, name if way.gateway.is_link_local else link
    return None


# ---------------------------------------------------------------------------------------------------------------- http


async def _fetch(thing: TrackHttp, kit: Kit) -> Result:
    url = urlsplit(thing.url)
    secure = url.scheme == "https"
    host, port = url.hostname or "", url.port or (443 if secure else 80)
    address = await _find(host, port)
    if address is None:
        return Result(False, f"there is no address of {host}")
    page = Page(
        path=(url.path or "/") + (f"?{url.query}" if url.query else ""), host=url.netloc.rpartition("@")[2],
        statuses=thing.status, user=url.username or "", password=url.password or "")  # fmt: skip
    name = "" if _literal(host) else host
    tls = Tls(server_name=name, verify=thing.verify) if secure else None
    peer = Peer(address, port, thing.rhythm.timeout)
    return await http.probe(HttpProbe(peer, (page,), tls, protocol="1.1"), 0, kit)


async def _find(host: str, port: int) -> IPAddress | None:
    """The first address of a host."""
    literal = _literal(host)
    if literal is not None:
        return literal
    try:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return None
    return ip_address(found[0][4][0]) if found else None


def _literal(host: str) -> IPAddress | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
