"""What the worker knows of its host, and what follows from it for a router: its source address and its faults.

The view is cut down to what the configuration names. Addresses that it names as virtual ones are in `have`; all others
are kept per interface, because the source address of adverts is chosen among them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hakeep.config.settled import VrrpInstance
from hakeep.objects.rtnl import PROTO_KEEPALIVED, SCOPE_LINK, Address, AddressKey, IPAddress, Link, serves
from hakeep.vrrp.wanted import Devices


class Host:
    """Links and addresses as the kernel last reported them."""

    def __init__(self) -> None:
        self.links: dict[str, Link] = {}
        self.have: dict[AddressKey, Address] = {}
        self.others: dict[str, dict[AddressKey, Address]] = {}
        self._named: frozenset[AddressKey] = frozenset()
        self._virtual: frozenset[tuple[str, IPAddress]] = frozenset()
        self._told_whose = False  # Linux 5.18 and later: IFA_PROTO says who made an address

    def name(self, keys: Iterable[AddressKey]) -> None:
        """These are the virtual addresses; sort what is known anew."""
        known = [*self.have.values(), *(a for per in self.others.values() for a in per.values())]
        self._named = frozenset(keys)
        self._virtual = frozenset((interface, ip) for interface, ip, _ in self._named)
        self.have.clear()
        self.others.clear()
        for address in known:
            self._sort(address)

    def put(self, address: Address) -> None:
        """The kernel has this address. If it never says whose an address is, we remember which are ours."""
        if address.proto:
            self._told_whose = True
        before = self.have.get(address.key)
        if before is not None and not self._told_whose:
            address = replace(address, proto=before.proto)
        self._sort(address)

    def _sort(self, address: Address) -> None:
        if address.key in self._named:
            self.have[address.key] = address
        else:
            self.others.setdefault(address.interface, {})[address.key] = address

    def put_ours(self, address: Address) -> None:
        """The kernel has acknowledged this address of ours."""
        if address.key in self._named:
            self.have[address.key] = address

    def drop(self, key: AddressKey) -> None:
        """The kernel has it no more."""
        self.have.pop(key, None)
        if key[0] in self.others:
            self.others[key[0]].pop(key, None)

    def drop_link(self, name: str) -> None:
        """The interface is gone, and its addresses with it."""
        self.links.pop(name, None)
        self.others.pop(name, None)
        for key in [key for key in self.have if key[0] == name]:
            del self.have[key]

    def replace_all(self, links: Iterable[Link], addresses: Iterable[Address]) -> None:
        """Forget what was known; this is all there is."""
        self.links = {link.name: link for link in links}
        self.others.clear()
        addresses = tuple(addresses)
        for address in addresses:
            self.put(address)
        for key in self.have.keys() - {address.key for address in addresses}:
            del self.have[key]

    def source(self, instance: VrrpInstance, where: Devices) -> IPAddress | None:
        """The source address of adverts: the configured one, else the interface's first that is no virtual address.

        For IPv6 that must be a link-local one (RFC 9568 section 5.1.2.1). None when there is none. An owner may have
        no address but the virtual one, which then is its own and not from us.
        """
        if instance.source is not None:
            return instance.source
        own = [
            address for address in (*self.others.get(where.base, {}).values(), *self._lent(instance, where.base))
            if address.ip.version == instance.family
            and (instance.family == 4 or address.scope == SCOPE_LINK or address.ip.is_link_local)
        ]
        for address in own:
            if (address.interface, address.ip) not in self._virtual:
                return address.ip
        return own[0].ip if own and instance.owner else None

    def _lent(self, instance: VrrpInstance, interface: str) -> list[Address]:
        """An owner's addresses that the configuration names as virtual ones, and that were there before us."""
        if not instance.owner:
            return []
        return [a for a in self.have.values() if a.interface == interface and a.proto != PROTO_KEEPALIVED]

    def holds(self, ip: IPAddress) -> bool:
        """Whether any interface has this address."""
        return any(key[1] == ip for keys in (self.have, *self.others.values()) for key in keys)

    def faults(self, instance: VrrpInstance, where: Devices, source: IPAddress | None) -> frozenset[str]:
        """Why this router cannot take part; empty = it can."""
        found = set()
        if instance.config_fault:
            found.add(instance.config_fault)
        if instance.unicast_fault_no_peer and instance.unicast and not instance.peers:
            found.add("no unicast peers")
        for interface, tracked in self._needed(instance, where).items():
            link = self.links.get(interface)
            if link is None:
                found.add(f"interface {interface} missing")
            elif tracked and not link.usable:
                found.add(f"interface {interface} down")
        if source is None and not any(reason.endswith("missing") for reason in found):
            found.add("no source address")
        if instance.track_src_ip and instance.source is not None and not self.holds(instance.source):
            found.add(f"source address {instance.source} missing")
        return frozenset(found)

    @staticmethod
    def _needed(instance: VrrpInstance, where: Devices) -> dict[str, bool]:
        """The interfaces it cannot do without, and whether their being down matters."""
        needed = {v.address.interface: True for v in instance.addresses if v.address.interface and v.track}
        needed |= {hop.dev: True for entry in instance.routes if entry.track for hop in entry.route.nexthops if hop.dev}
        for interface in (where.made, where.base):
            if interface:
                needed[interface] = not instance.dont_track_primary
        return needed


def acceptable(have: Address, wanted: Address) -> bool:
    """Whether the address that is there will do.

    One that is not ours always does: it is used, never changed. Of ours, how long a lifetime runs does not matter here
    (renewals see to that), only whether it has one.
    """
    return have.proto != PROTO_KEEPALIVED or serves(have, wanted)
