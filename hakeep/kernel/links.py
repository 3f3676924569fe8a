"""Virtual links: a VMAC is made, put in order, and taken away without a trace.

A virtual router's MAC (RFC 9568 section 7.3) lives on a macvlan in private mode over the router's interface. Two
links with one network behind them make the kernel's generosity harmful, so a VMAC comes with settings:

* on the VMAC: answer ARP only for its own addresses (arp_ignore), accept packets whose source is the base's address
  (accept_local, and no rp_filter), let a second address of a network outlive the first (promote_secondaries);
* on the base: answer ARP neither for the VMAC's addresses (arp_ignore) nor for what is reached by another link
  (arp_filter);
* rp_filter is the greater of the interface's and ``all``'s, so a value of ``all`` is first handed down to every
  other interface and to ``default``, and then ``all`` is set to 0;
* no IPv6 on the VMAC of an IPv4 router, and no address that the kernel makes by itself: it would betray the MAC.

What is set on the VMAC goes with it. Everything else is borrowed (see `sysctl`) and given back when the last link
that needs it is gone. Our links carry a mark, their alias, by which a later process knows them; a link that is there
already, is just what we would have made and has no mark, is somebody's own: it is used and left.
"""

from __future__ import annotations

import errno
import socket
from ipaddress import IPv6Address
from pathlib import Path
from typing import NamedTuple

from hakeep.kernel import sysctl
from hakeep.kernel.netlink import Netlink, NetlinkError
from hakeep.kernel.rtnl import (
    Encoder,
    decode_link,
    describes,
    encode_create,
    encode_delete_link,
    encode_dump_links,
    encode_get_link,
    encode_link_alias,
    encode_link_up,
    link_alias,
    read_addresses,
)
from hakeep.kernel.sysctl import SysctlKeeper
from hakeep.objects.rtnl import IFA_F_NODAD, SCOPE_LINK, Address, Ipvlan, Link, Macvlan

_ON_VMAC = (("arp_ignore", "1"), ("accept_local", "1"), ("rp_filter", "0"), ("promote_secondaries", "1"))
_ADDR_GEN_MODE_NONE = "1"
_ON_BASE = (("arp_ignore", "1"), ("arp_filter", "1"))
_LENT = ("/rp_filter", "/arp_ignore", "/arp_filter")
_IPV4 = Path("/proc/sys/net/ipv4/conf")
_IPV6 = Path("/proc/sys/net/ipv6/conf")


class _Made(NamedTuple):
    """A link in our care: whether it goes when we go, and the borrowed settings that it needs."""

    ours: bool
    needs: frozenset[str]


class VirtualLinks:
    """Makes and removes VMACs and ipvlans in the caller's network namespace. Every call blocks for the kernel.

    `netlink` is used for requests only, by nobody else meanwhile. `mark` tells the links of this daemon from those
    of another one on the same host.
    """

    def __init__(self, netlink: Netlink, sysctls: SysctlKeeper, mark: str = "hakeep") -> None:
        self._netlink = netlink
        self._sysctls = sysctls
        self._mark = mark
        self._made: dict[str, _Made] = {}

    def make(self, link: Macvlan | Ipvlan, *, ipv6: bool | None = None) -> Link:
        """Make the link, or take over an equal one that exists, set it up, and return what the kernel has.

        `ipv6`: will the link carry IPv6 addresses? By default what the VMAC is for. Raises OSError: ENODEV without
        the base, EEXIST when the name belongs to a different link, EOPNOTSUPP when the kernel has no such links.
        On an error nothing is left behind.
        """
        base_index = decode_link(self._demand(link.base)).index
        present = self._get(link.name)
        if present is None:
            self._netlink.request(encode_create(link, base_index))
            index, ours = socket.if_nametoindex(link.name), True
        elif describes(present, link, base_index):
            index, ours = decode_link(present).index, link_alias(present) == self._mark
        else:
            raise NetlinkError(errno.EEXIST, f"{link.name} exists and is a different link")
        self._made[link.name] = _Made(ours, frozenset())
        try:
            if ours:
                self._netlink.request(encode_link_alias(index, self._mark))
            if isinstance(link, Macvlan):
                self._set_up_vmac(link, index, base_index, link.ipv6 if ipv6 is None else ipv6)
            else:
                self._netlink.request(encode_link_up(index))
        except OSError:
            self.remove(link.name)
            raise
        return decode_link(self._demand(link.name))

    def _set_up_vmac(self, vmac: Macvlan, index: int, base_index: int, ipv6: bool) -> None:
        """All steps behind the making, in an order in which no packet meets a VMAC that is half set up."""
        ours = self._made[vmac.name].ours
        borrowed = [*self._rp_filter(), *((f"ipv4/conf/{vmac.base}/{name}", value) for name, value in _ON_BASE)]
        own = [(f"ipv4/conf/{vmac.name}/{name}", value) for name, value in _ON_VMAC]
        if ours and _IPV6.exists():  # somebody else's may have IPv6 addresses, and would lose them for good
            own.append((f"ipv6/conf/{vmac.name}/addr_gen_mode", _ADDR_GEN_MODE_NONE))
            if not ipv6:
                own.append((f"ipv6/conf/{vmac.name}/disable_ipv6", "1"))
        if not ours:
            borrowed += own
        rp_filter = (path for path in self._sysctls.borrowed() if path.endswith("/rp_filter"))
        self._made[vmac.name] = _Made(ours, frozenset({*rp_filter, *(path for path, _ in borrowed)}))
        for path, value in borrowed:
            self._sysctls.set(path, value)
        if ours:
            for path, value in own:
                sysctl.write(path, value)
        self._netlink.request(encode_link_up(index))
        if vmac.ipv6:
            self._copy_link_local(vmac, index, base_index)

    def _rp_filter(self) -> list[tuple[str, str]]:
        """What to write so that rp_filter can be off on the VMACs and is what it was everywhere else."""
        overall = sysctl.read("ipv4/conf/all/rp_filter")
        if overall == "0":
            return []
        lower = []
        for interface in sorted(entry.name for entry in _IPV4.iterdir()):
            path = f"ipv4/conf/{interface}/rp_filter"
            if interface not in ("all", "default", *self._made) and int(sysctl.read(path)) < int(overall):
                lower.append((path, overall))
        # An interface that was never set follows `default`, so that comes after them; `all` must be last.
        if int(sysctl.read("ipv4/conf/default/rp_filter")) < int(overall):
            lower.append(("ipv4/conf/default/rp_filter", overall))
        return [*lower, ("ipv4/conf/all/rp_filter", "0")]

    def _copy_link_local(self, vmac: Macvlan, index: int, base_index: int) -> None:
        """Give the VMAC the base's link-local address, so that adverts have their source where they leave."""
        for address in read_addresses(self._netlink, {base_index: vmac.base}):
            if isinstance(address.ip, IPv6Address) and address.ip.is_link_local:
                copy = Address(
                    vmac.name, address.ip, 64, scope=SCOPE_LINK, flags=IFA_F_NODAD, preferred_lft=0
                )
                try:
                    self._netlink.request(Encoder().add(copy, index))
                except NetlinkError as error:
                    if error.errno != errno.EEXIST:
                        raise
                return

    def remove(self, name: str) -> list[str]:
        """Remove a link, unless it is somebody's own, and give back the settings that no other link needs.

        Returns the settings that somebody else has changed meanwhile, which stay. Raises OSError.
        """
        made = self._made.pop(name, None)
        if made is None:
            return []
        if made.ours:
            self._delete(name)
        still_needed = frozenset[str]().union(*(other.needs for other in self._made.values()))
        return self._sysctls.restore(made.needs - still_needed)

    def remove_all(self) -> list[str]:
        """Remove every link that was made, last first; as `remove`."""
        changed = []
        for name in reversed(list(self._made)):
            changed += self.remove(name)
        return changed

    def sweep(self) -> list[str]:
        """Remove what an earlier process of this mark left behind, and give back what it had borrowed.

        To be called when all links that are wanted have been made. Returns the names of the links removed.
        """
        strays = [
            decode_link(part.data).name
            for part in self._netlink.request(encode_dump_links())
            if link_alias(part.data) == self._mark
        ]
        strays = [name for name in strays if name not in self._made]
        for name in strays:
            self._delete(name)
        needed = frozenset[str]().union(*(made.needs for made in self._made.values()))
        lent = {path for path in self._sysctls.borrowed() if path.endswith(_LENT)}  # the keeper serves others, too
        self._sysctls.restore(lent - needed)
        return strays

    def _delete(self, name: str) -> None:
        present = self._get(name)
        if present is None or link_alias(present) != self._mark:
            return  # gone, and perhaps somebody made another one
        try:
            self._netlink.request(encode_delete_link(decode_link(present).index))
        except NetlinkError as error:
            if error.errno != errno.ENODEV:
                raise

    def _get(self, name: str) -> bytes | None:
        """The kernel's RTM_NEWLINK message of an interface, None when there is none."""
        try:
            return self._netlink.request(encode_get_link(name))[0].data
        except NetlinkError as error:
            if error.errno != errno.ENODEV:
                raise
            return None

    def _demand(self, name: str) -> bytes:
        message = self._get(name)
        if message is None:
            raise NetlinkError(errno.ENODEV, f"there is no interface {name}")
        return message
