"""Whether there is a route: what a tracker asks the kernel's routing tables.

`kernel.routes` knows routes in every detail, for those that we make ourselves. Here a table may be another's, with a
million routes in it, of which one or two matter: so of each only the first bytes are looked at, and nothing is kept.
"""

from __future__ import annotations

import errno
import os
import select
import time
from collections.abc import Collection, Iterator
from ipaddress import IPv4Network, IPv6Network
from socket import AF_INET, AF_INET6
from struct import Struct
from typing import NamedTuple

from hakeep.kernel.attributes import BODY, HEAD, address, attributes, message, u32
from hakeep.kernel.netlink import (
    HEADER,
    NETLINK_ROUTE,
    NLM_F_DUMP,
    NLM_F_REQUEST,
    Done,
    Netlink,
    NetlinkError,
    Overrun,
    Part,
)
from hakeep.objects.rtnl import IPAddress

RTM_NEWROUTE = 24
RTM_DELROUTE = 25
_RTM_GETROUTE = 26
_DST, _OIF, _GATEWAY, _PRIORITY, _MULTIPATH, _TABLE, _VIA = 1, 4, 5, 6, 9, 15, 18
_RTNH_F_DEAD = 1
_RTM_F_CLONED = 0x200

#: Types of routes that packets can take: unicast, local, broadcast, anycast, multicast. The others lead nowhere.
_WAYS = frozenset((1, 2, 3, 4, 5))

#: struct rtnexthop: its length, flags, hops, interface.
_HOP = Struct("=HBBi")

#: Seconds that reading a table may take, and how often it is read again because it changed meanwhile.
PATIENCE, AGAIN = 30.0, 5


class Prefix(NamedTuple):
    """A destination in a table. `network` has all its bytes, and the host's bits are zero."""

    family: int
    table: int
    network: bytes
    length: int


class Way(NamedTuple):
    """A route to a prefix. `gateway` None: the destination is on the link; `link`: the number of the interface,
    0 = none."""

    prefix: Prefix
    gateway: IPAddress | None
    link: int
    metric: int


def prefix(network: str, family: int, table: int) -> Prefix:
    """A prefix by its text; "default" is all of the family (4 or 6)."""
    if network == "default":
        network = "0.0.0.0/0" if family == 4 else "::/0"
    found = IPv4Network(network, strict=False) if family == 4 else IPv6Network(network, strict=False)
    return Prefix(family, table, found.network_address.packed, found.prefixlen)


def of_message(data: bytes) -> Prefix | None:
    """Which prefix a message about a route is about; None for what is no route of a table."""
    family, length, source, _, table, _, _, _, flags = HEAD.unpack_from(data, HEADER.size)
    if family not in (AF_INET, AF_INET6) or flags & _RTM_F_CLONED or source:
        return None
    network = bytes(4 if family == AF_INET else 16)
    for kind, value in attributes(memoryview(data)[BODY:]):
        if kind == _DST:
            network = bytes(value)
        elif kind == _TABLE:
            table = u32(value)
    return Prefix(4 if family == AF_INET else 6, table, network, length)


def read_ways(wanted: Collection[Prefix]) -> list[Way]:
    """All routes to these prefixes, those with the smallest metric first. Blocks while the kernel lists its tables.

    Raises OSError.
    """
    families = {each.family for each in wanted}
    found = [way for family in families for way in _read_family(family, frozenset(wanted))]
    return sorted(found, key=lambda way: way.metric)


def _read_family(family: int, wanted: frozenset[Prefix]) -> list[Way]:
    lengths = {each.length for each in wanted if each.family == family}
    number = AF_INET if family == 4 else AF_INET6
    for _ in range(AGAIN):
        with Netlink(NETLINK_ROUTE) as netlink:
            netlink.send([message(_RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, HEAD.pack(number, *[0] * 8), [])])
            found: list[Way] = []
            consistent = True
            for item in _answers(netlink):
                if isinstance(item, Part) and item.data[HEADER.size + 1] in lengths:
                    way = _way(item.data)
                    if way is not None and way.prefix in wanted:
                        found.append(way)
                elif isinstance(item, Overrun):
                    consistent = False
                elif isinstance(item, Done):
                    consistent = consistent and not item.interrupted
        if consistent:
            break
    return found


def _answers(netlink: Netlink) -> Iterator[Part | Done | Overrun]:
    """The parts of a dump, to its end."""
    poll = select.poll()
    poll.register(netlink, select.POLLIN)
    deadline = time.monotonic() + PATIENCE
    while True:
        for item in netlink.receive():
            if isinstance(item, Part | Overrun):
                yield item
            elif item.errno:
                raise NetlinkError(item.errno, os.strerror(item.errno))
            elif isinstance(item, Done):
                yield item
                return
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError(errno.ETIMEDOUT, "the kernel did not list its routes")


def _way(data: bytes) -> Way | None:
    """None for what leads nowhere."""
    *_, kind, flags = HEAD.unpack_from(data, HEADER.size)
    about = of_message(data)
    if about is None or kind not in _WAYS or flags & _RTNH_F_DEAD:
        return None
    found = dict(attributes(memoryview(data)[BODY:]))
    metric = u32(found[_PRIORITY]) if _PRIORITY in found else 0
    index = u32(found[_OIF]) if _OIF in found else 0
    if _MULTIPATH in found and len(found[_MULTIPATH]) >= _HOP.size:
        length, _, _, index = _HOP.unpack_from(found[_MULTIPATH])
        found = dict(attributes(found[_MULTIPATH][_HOP.size : length]))
    gateway = address(found[_GATEWAY]) if _GATEWAY in found else None
    if _VIA in found:  # a router of the other family: family, address
        gateway = address(found[_VIA][2:])
    return Way(about, gateway, index, metric)
