"""What others do to routes and rules that are ours, or might be.

The kernel tells of every change, and on a router with the whole Internet in its tables that is thousands in a second.
So its own filter lets through only what can concern us: routes of our protocols that come or go, whatever replaces
another route (which may have been ours; of that the kernel says nothing), and all rules, of which there are few. While
a route of somebody else stands in for one of ours, all routes that go are let through as well.

Our own changes are not reported: their acknowledgements have told us. Routes that go with their link or their source
address go without a word on IPv4, so that one has to look after such an event: links and addresses that go are
reported, too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from socket import AF_UNSPEC
from struct import Struct
from typing import NamedTuple

from hakeep.kernel import bpf
from hakeep.kernel.attributes import attributes
from hakeep.kernel.netlink import HEADER, NETLINK_ROUTE, NLM_F_REPLACE, Netlink, Overrun, Part
from hakeep.kernel.policy_rules import RTM_DELRULE, RTM_NEWRULE, RTMGRP_IPV4_RULE, RTMGRP_IPV6_RULE, decode_rule
from hakeep.kernel.routes import (
    RTM_DELROUTE,
    RTM_NEWROUTE,
    RTMGRP_IPV4_ROUTE,
    RTMGRP_IPV6_ROUTE,
    decode_route,
    may_be,
    prefixes,
)
from hakeep.kernel.rtnl import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTMGRP_IPV4_IFADDR,
    RTMGRP_IPV6_IFADDR,
    RTMGRP_LINK,
    address_index,
    decode_address,
    encode_dump_links,
)
from hakeep.objects.routes import Route, Rule, Slot
from hakeep.objects.rtnl import Address

RECEIVE_BUFFER = 1 << 20

#: Messages in one `receive`: the loop has adverts to send as well.
MOST_READS = 64


_LINK = Struct("=B3xiI")  # struct ifinfomsg, without its end
_LINK_SIZE = 16
_IFNAME = 3
_IFF_UP = 1


class RouteNews(NamedTuple):
    """A route has come or gone. `port` is the netlink port of who did it, 0 the kernel itself. `replaces`: it took the
    place of another one."""

    route: Route
    present: bool
    port: int
    replaces: bool = False


class RuleNews(NamedTuple):
    """A rule has come or gone; `port` as for routes."""

    rule: Rule
    present: bool
    port: int


class LinkNews(NamedTuple):
    """An interface (by its number) has come or changed (`up` is IFF_UP), or is gone (None)."""

    number: int
    name: str
    up: bool | None


class AddressGone(NamedTuple):
    """An address has gone; `port` as for routes, but always 0 for IPv6."""

    address: Address
    port: int


RoutingNews = RouteNews | RuleNews | LinkNews | AddressGone | Overrun


class RouteMonitor:
    """Listens in the caller's network namespace. `own_ports` are not reported."""

    def __init__(self, own_ports: Collection[int], rcvbuf: int = 0) -> None:
        groups = RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE | RTMGRP_IPV6_RULE
        groups |= RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR
        self._netlink = Netlink(NETLINK_ROUTE, groups, rcvbuf or RECEIVE_BUFFER)
        self._own_ports = frozenset(own_ports)
        self._prefixes: frozenset[tuple[int, int, bytes]] = frozenset()
        self._heeded: tuple[frozenset[int], bool] = frozenset(), False
        self._netlink.attach(_heed(frozenset(), False))

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._netlink.fileno()

    def close(self) -> None:
        """Stop listening."""
        self._netlink.close()

    def heed(self, slots: Collection[Slot], protocols: Collection[int], *, every_removal: bool) -> None:
        """From now on routes of these slots count, if they have one of these protocols or replace another one; with
        `every_removal` also when others go."""
        self._prefixes = prefixes(slots)
        heeded = frozenset(protocols), every_removal
        if heeded != self._heeded:
            self._heeded = heeded
            self._netlink.attach(_heed(*heeded))

    def receive(self, names: Mapping[int, str]) -> list[RoutingNews]:
        """What has come, in order; empty when nothing of interest did. Never blocks. `names` are the interfaces."""
        news: list[RoutingNews] = []
        for _ in range(MOST_READS):
            items = self._netlink.receive()
            if not items:
                break
            for item in items:
                if isinstance(item, Overrun):
                    news.append(item)
                elif isinstance(item, Part) and item.port not in self._own_ports:
                    news += self._decoded(item, names)
        return news

    def _decoded(self, part: Part, names: Mapping[int, str]) -> list[RoutingNews]:
        if part.type in (RTM_NEWLINK, RTM_DELLINK):
            link = link_state(part.data)
            if link is None:
                return []
            return [link if part.type == RTM_NEWLINK else link._replace(up=None)]
        if part.type == RTM_DELADDR:
            name = names.get(address_index(part.data))
            return [AddressGone(decode_address(part.data, name), part.port)] if name else []
        if part.type in (RTM_NEWRULE, RTM_DELRULE):
            rule = decode_rule(part.data)
            return [] if rule is None else [RuleNews(rule, part.type == RTM_NEWRULE, part.port)]
        if part.type not in (RTM_NEWROUTE, RTM_DELROUTE) or not may_be(part.data, (), self._prefixes):
            return []
        route = decode_route(part.data, names)
        if route is None:
            return []
        replaces = bool(HEADER.unpack_from(part.data)[2] & NLM_F_REPLACE)
        return [RouteNews(route, part.type == RTM_NEWROUTE, part.port, replaces)]


def _heed(protocols: frozenset[int], every_removal: bool) -> bpf.Program:
    return bpf.routes(
        RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWADDR, NLM_F_REPLACE, sorted(protocols), every_removal=every_removal)


def link_state(data: bytes) -> LinkNews | None:
    """What an RTM_NEWLINK or RTM_DELLINK message says of its link; None for what a bridge says of its ports."""
    family, index, flags = _LINK.unpack_from(data, HEADER.size)
    if family != AF_UNSPEC:
        return None
    found = dict(attributes(memoryview(data)[HEADER.size + _LINK_SIZE :]))
    name = bytes(found.get(_IFNAME, b"")).rstrip(b"\0").decode("utf-8", "surrogateescape")
    return LinkNews(index, name, bool(flags & _IFF_UP))


def read_link_states(netlink: Netlink) -> list[LinkNews]:
    """All interfaces. Blocks."""
    states = [link_state(part.data) for part in netlink.request(encode_dump_links())]
    return [state for state in states if state is not None]
