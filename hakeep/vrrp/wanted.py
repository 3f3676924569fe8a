"""What a virtual router wants of the kernel: on which devices it lives and which addresses it should have there.

Pure functions of the settings and of what the router holds. Start, takeover, release, reload and repair all compare
their result with what the kernel has; none of them has commands of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain, count

from hakeep.config.settled import Settings, VirtualAddress, VrrpInstance
from hakeep.objects.rtnl import IFA_F_NODAD, Address, Ipvlan, Macvlan
from hakeep.vrrp.timers import lease_seconds


@dataclass(frozen=True, slots=True)
class Devices:
    """The interfaces of one virtual router, by name; "" where it has none.

    `base` is the configured interface, `link` the one adverts are received on, `out` the one they leave from, and
    `home` the one that carries addresses without a `dev`. `made` is the VMAC or ipvlan that is ours to make, and
    `elsewhere` has the VMACs of addresses on other interfaces (use_vmac_addr), as (interface, VMAC).
    """

    base: str
    link: str
    out: str
    home: str
    made: str = ""
    elsewhere: tuple[tuple[str, str], ...] = ()

    @property
    def all_made(self) -> tuple[str, ...]:
        """The names of all links that are ours to make."""
        return tuple(name for name in (self.made, *(vmac for _, vmac in self.elsewhere)) if name)


def devices(settings: Settings) -> dict[str, Devices]:
    """The devices of every instance. Generated VMAC names are told apart as keepalived does: vrrp.51, vrrp2.51 ..."""
    taken = {given.name for instance in settings.vrrp for given in (instance.vmac, instance.ipvlan) if given}
    found: dict[str, Devices] = {}
    for instance in settings.vrrp:
        made = _made_name(instance, taken)
        if made:
            taken.add(made)
        base = instance.interface
        link = base if instance.vmac and instance.vmac.xmit_base else made or base
        found[instance.name] = Devices(base, link, link, made or base, made, _vmacs_elsewhere(instance, taken))
    return found


def _vmacs_elsewhere(instance: VrrpInstance, taken: set[str]) -> tuple[tuple[str, str], ...]:
    interfaces = dict.fromkeys(v.address.interface for v in instance.addresses if v.vmac and v.address.interface)
    found = []
    for interface in interfaces:
        name = _generated_name(instance, instance.vmac.prefix if instance.vmac else "vrrp", taken)
        taken.add(name)
        found.append((interface, name))
    return tuple(found)


def virtual_links(settings: Settings) -> tuple[Macvlan | Ipvlan, ...]:
    """The VMACs and ipvlans that this configuration needs, in its order."""
    found: list[Macvlan | Ipvlan] = []
    where = devices(settings)
    for instance in settings.vrrp:
        made, elsewhere = where[instance.name].made, where[instance.name].elsewhere
        six = instance.family == 6
        mac = bytes((0, 0, 0x5E, 0, 2 if six else 1, instance.virtual_router_id))  # RFC 9568 section 7.3
        if instance.ipvlan is not None:
            found.append(Ipvlan(made, instance.interface, instance.ipvlan.mode))
        elif instance.vmac is not None:
            found.append(Macvlan(made, instance.interface, instance.vmac.mac or mac, six))
        found += [Macvlan(name, base, mac, six) for base, name in elsewhere]
    return tuple(found)


def _made_name(instance: VrrpInstance, taken: set[str]) -> str:
    if instance.ipvlan is not None:
        given, prefix = instance.ipvlan.name, "vrrp"
    elif instance.vmac is not None:
        given, prefix = instance.vmac.name, instance.vmac.prefix
    else:
        return ""
    return given or _generated_name(instance, prefix, taken)


def _generated_name(instance: VrrpInstance, prefix: str, taken: set[str]) -> str:
    first, then = ("6", count(1)) if instance.family == 6 else ("", count(2))
    names = (f"{prefix}{number}.{instance.virtual_router_id}" for number in chain((first,), then))
    return next(name for name in names if name not in taken)


def leases(settings: Settings) -> dict[str, int]:
    """The lease of each instance that has one, in seconds. (That there are not too many was settled before.)"""
    return {i.name: length for i in settings.vrrp if (length := lease_seconds(i)) is not None}


def addresses(instance: VrrpInstance, where: Devices, lease: int | None) -> tuple[VirtualAddress, ...]:
    """The virtual addresses of an instance as the kernel should have them while it is MASTER, in config order."""
    vmacs = dict(where.elsewhere)
    found = []
    for virtual in instance.addresses:
        home = where.home if virtual.address.ip.version == instance.family else where.base
        interface = virtual.address.interface
        found.append(_wanted(virtual, vmacs[interface] if virtual.vmac and interface else interface or home, lease))
    return tuple(found)


def _wanted(virtual: VirtualAddress, interface: str, lease: int | None) -> VirtualAddress:
    address = virtual.address
    flags = address.flags
    if address.ip.version == 6 and not virtual.dad:
        flags |= IFA_F_NODAD
    preferred = address.preferred_lft
    if lease is not None:
        preferred = lease if preferred is None else min(preferred, lease)
    wanted: Address = replace(
        address, interface=interface, flags=flags, valid_lft=lease, preferred_lft=preferred
    )
    return replace(virtual, address=wanted)


def overlapping(virtuals: Iterable[VirtualAddress]) -> list[VirtualAddress]:
    """Those that may stay for a moment beside the new master's: not on a VMAC of their own, whose frames would pull
    the virtual MAC back to our switch port, and not an IPv6 address that would fail its DAD there."""
    return [v for v in virtuals if not v.vmac and not (v.address.ip.version == 6 and v.dad)]
