"""What happens to links and addresses, as events.

The kernel announces every change on its notification groups. On IPv4 changes it puts the netlink port of whoever
made them, on IPv6 changes it always puts 0. Our own changes are announced too, though their acknowledgements have
told us already and so it is only after them that we read it: by then an address that was deleted may be wanted and
added again. So they are dropped, before anything is decoded: additions that carry our port, and removals that are in
`own_removals`, where the writer counts what it asks for. A removal with our port that nobody asked for does get
through: that is an address which the kernel took along with the one we removed. IPv6 additions get through, too.

Notifications get lost when we read too slowly. Then `receive` says Overrun, and what `resync` reads is the truth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from socket import AF_UNSPEC, if_indextoname

from hakeep.kernel import bpf
from hakeep.kernel.netlink import HEADER, NETLINK_ROUTE, Netlink, Overrun, Part
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
    decode_link,
    read_addresses,
    read_links,
    removal,
)
from hakeep.vrrp.messages import AddressChanged, LinkChanged, Resync

#: Room for the news of some thousand changes at once; it is used only while we are busy.
RECEIVE_BUFFER = 8 << 20

#: Messages in one `receive`: the loop has adverts to send as well.
MOST_READS = 256

Noticed = LinkChanged | AddressChanged | Overrun


class Monitor:
    """Listens to links and addresses in the caller's network namespace.

    `own_ports` holds the netlink ports whose address changes are our own and are not reported; it may be changed by
    its owner at any time. `own_removals` is shared with the `AddressWriter`; without it every removal that carries
    one of our ports is taken for an own one, and no IPv6 removal is. `rcvbuf` is in bytes, 0 = the system's size.
    """

    def __init__(
        self, own_ports: Collection[int] = (), rcvbuf: int = 0, own_removals: Counter[bytes] | None = None
    ) -> None:
        groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR
        self._netlink = Netlink(NETLINK_ROUTE, groups, rcvbuf or RECEIVE_BUFFER)
        self._own_ports = own_ports
        self._own_removals = own_removals
        self._names: dict[int, str] = {}
        self._indexes: dict[str, int] = {}

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._netlink.fileno()

    def close(self) -> None:
        """Stop listening."""
        self._netlink.close()

    def index_of(self, name: str) -> int | None:
        """The number of an interface, as far as has been heard; None when there is no such interface."""
        return self._indexes.get(name)

    def mute(self, port: int) -> None:
        """Let the kernel keep additions by this port of ours to itself: a lease is renewed every second, and the news
        of that would wake us each time. (IPv6 news carry no port and still come.)"""
        self._netlink.attach(bpf.all_but(RTM_NEWADDR, port))

    def receive(self) -> list[Noticed]:
        """What has come, in order, up to some hundred messages; empty when nothing of interest did. Never blocks."""
        noticed: list[Noticed] = []
        for _ in range(MOST_READS):
            items = self._netlink.receive()
            if not items:
                break
            for item in items:
                if isinstance(item, Part):
                    noticed += self._notice(item)
                elif isinstance(item, Overrun):
                    noticed.append(item)
        return noticed

    def _notice(self, part: Part) -> list[Noticed]:
        if part.type in (RTM_NEWADDR, RTM_DELADDR):
            if self._is_own(part):
                return []
            name = self._name(address_index(part.data))
            if not name:
                return []  # its link is gone, and with it all its addresses
            return [AddressChanged(decode_address(part.data, name), part.type == RTM_NEWADDR, part.port)]
        # A bridge announces the coming and going of its ports with the same types and family AF_BRIDGE.
        if part.type not in (RTM_NEWLINK, RTM_DELLINK) or part.data[HEADER.size] != AF_UNSPEC:
            return []
        link = decode_link(part.data)
        before = self._forget(link.index)
        if part.type == RTM_DELLINK:
            return [LinkChanged(before or link.name, None)]
        self._remember(link.index, link.name)
        news: list[Noticed] = [LinkChanged(link.name, link)]
        if before and before != link.name:  # renamed: gone under its old name
            news.insert(0, LinkChanged(before, None))
        return news

    def _is_own(self, part: Part) -> bool:
        expected = self._own_removals
        if part.type == RTM_NEWADDR or expected is None:
            return part.port in self._own_ports
        if part.port != 0 and part.port not in self._own_ports:
            return False
        signature = removal(part.data)
        if expected[signature] <= 0:
            return False
        expected[signature] -= 1
        return True

    def _remember(self, index: int, name: str) -> None:
        self._names[index] = name
        self._indexes[name] = index

    def _forget(self, index: int) -> str:
        name = self._names.pop(index, "")
        if self._indexes.get(name) == index:
            del self._indexes[name]
        return name

    def _name(self, index: int) -> str:
        """A link that we have not heard of is new, or we were not asked to `resync` yet."""
        name = self._names.get(index, "")
        if not name:
            try:
                name = if_indextoname(index)
            except OSError:
                return ""
            self._remember(index, name)
        return name

    def resync(self) -> Resync:
        """Read everything, with a socket of its own. Blocks for some microseconds a link or address.

        What the monitor has heard and not told by now is older than what is read here, and dropped.
        """
        while self._netlink.receive():
            pass
        if self._own_removals is not None:
            self._own_removals.clear()
        with Netlink(NETLINK_ROUTE) as netlink:
            links = read_links(netlink)
            self._names = {link.index: link.name for link in links}
            self._indexes = {link.name: link.index for link in links}
            return Resync(links, read_addresses(netlink, self._names))
