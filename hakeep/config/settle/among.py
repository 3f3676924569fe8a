"""What instances have to settle among themselves: who uses which VRID, and how many leases there may be."""

from __future__ import annotations

from dataclasses import replace

from hakeep.config.diagnostic import Code, Findings
from hakeep.config.keywords.vrrp import VrrpInstance as Written
from hakeep.config.settled import VrrpInstance

#: Addresses of one process that may have a lifetime: above these, leases cost more than they protect. Each renewal is
#: a netlink message, and an IPv6 renewal walks a list: of 1000 it takes the kernel a quarter of a second.
LEASES = {4: 1000, 6: 64}


def check_among(pairs: list[tuple[Written, VrrpInstance]], findings: Findings) -> tuple[VrrpInstance, ...]:
    """The instances that can run beside each other, with leases off where there are too many addresses."""
    kept: dict[tuple[object, ...], Written] = {}
    instances = []
    for written, instance in pairs:
        destination = frozenset(peer.ip for peer in instance.peers) if instance.unicast else instance.multicast
        key = (instance.virtual_router_id, instance.interface or instance.source, instance.family, destination)
        first = kept.setdefault(key, written)
        if first is written:
            instances.append(instance)
            continue
        span = first.span("virtual_router_id")
        findings.error(
            Code.VRID_CLASH, f"{first.name} and {written.name} have the same VRID {instance.virtual_router_id}, "
            f"interface, family and destination", written.span("virtual_router_id"), stops=True,
            also=(span, "the other one") if span else None)
    return _leases(instances, findings)


def _leases(instances: list[VrrpInstance], findings: Findings) -> tuple[VrrpInstance, ...]:
    """Turn leases off for a family that has more addresses than can be renewed in time."""
    counts = {4: 0, 6: 0}
    for instance in instances:
        if instance.vip_lease is not None:
            for address in instance.addresses:
                counts[address.address.ip.version] += 1
    crowded = {family for family, count in counts.items() if count > LEASES[family]}
    if not crowded:
        return tuple(instances)
    for family in sorted(crowded):
        findings.warning(
            Code.LEASE, f"{counts[family]} IPv{family} addresses are too many for leases (at most {LEASES[family]})",
            None, note="their instances go without vip_lease; vip_fence still guards them")
    return tuple(
        replace(instance, vip_lease=None)
        if any(virtual.address.ip.version in crowded for virtual in instance.addresses)
        else instance
        for instance in instances
    )
