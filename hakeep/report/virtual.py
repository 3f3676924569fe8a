"""Virtual servers as snapshots, from what the LVS engine says of them and what the backend counts."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from hakeep.lvs.status import CheckStatus, RealStatus, VirtualStatus
from hakeep.objects.ipvs import DestinationKey, ServiceKey, Usage
from hakeep.report.snapshot import CheckSnapshot, RealSnapshot, UsageSnapshot, VirtualSnapshot


class Counted:
    """What the backend counts, to be found by the names that statuses have: of services, of real servers, and of all
    real servers of a service."""

    def __init__(self) -> None:
        self.services: dict[str, list[Usage]] = {}
        self.reals: dict[tuple[str, str, int], list[Usage]] = {}
        self.held: dict[str, list[Usage]] = {}

    def add(self, key: ServiceKey | DestinationKey, usage: Usage) -> None:
        """One row of the table."""
        if isinstance(key, ServiceKey):
            self.services.setdefault(str(key), []).append(usage)
        else:
            self.held.setdefault(str(key.service), []).append(usage)
            self.reals.setdefault((str(key.service), str(key.ip), key.port), []).append(usage)


def snapshots(statuses: Iterable[VirtualStatus], counted: Counted, shift: float) -> list[VirtualSnapshot]:
    """`shift` is what turns monotonic seconds into Unix time."""
    return [_virtual(status, counted, shift) for status in statuses]


def _virtual(status: VirtualStatus, usages: Counted, shift: float) -> VirtualSnapshot:
    """The connections of a virtual server are those of all that serve there: the kernel counts no others."""
    reals = []
    for real in status.reals:
        ip = str(ip_address(real.ip))
        counted = [usage for service in status.services for usage in usages.reals.get((service, ip, real.port), ())]
        reals.append(_real(real, _sum(counted, counted), shift))
    counted = [usage for service in status.services for usage in usages.services.get(service, ())]
    there = [usage for service in status.services for usage in usages.held.get(service, ())]
    return VirtualSnapshot(
        name=status.name, label=status.label, state=status.state, since=status.since + shift, quorum=status.quorum,
        hysteresis=status.hysteresis, total=status.total, sorry=status.sorry, sorry_in_use=status.sorry_in_use,
        panic=status.panic, suspended=status.suspended, services=status.services, refused=status.refused,
        reals=tuple(reals), usage=_sum(counted, there))


def _real(status: RealStatus, usage: UsageSnapshot | None, shift: float) -> RealSnapshot:
    return RealSnapshot(
        ip=status.ip, port=status.port, name=status.name, state=status.state, since=status.since + shift,
        why=status.why,
        wanted=status.wanted, weight=status.weight, configured=status.configured, drained=status.drained,
        order=status.order, slow_start=status.slow_start, refused=status.refused,
        checks=tuple(_check(check, shift) for check in status.checks), usage=usage)


def _check(status: CheckStatus, shift: float) -> CheckSnapshot:
    return CheckSnapshot(
        kind=status.kind, asked=status.asked, up=status.up, proved=status.proved, running=status.running,
        ok=status.ok, why=status.why, latency=status.latency, at=status.at + shift if status.proved else 0.0,
        tries_left=status.tries_left)


def _sum(usages: list[Usage], holding: list[Usage]) -> UsageSnapshot | None:
    """Of all services of a group together, with the connections of those that are `holding` some; None where nothing
    is counted."""
    if not usages:
        return None
    return UsageSnapshot(
        _total(each.active for each in holding), _total(each.inactive for each in holding),
        sum(each.counts.connections for each in usages), sum(each.counts.connection_rate for each in usages),
        sum(each.counts.in_byte_rate for each in usages), sum(each.counts.out_byte_rate for each in usages))


def _total(counts: Iterable[int | None]) -> int | None:
    """The sum; None where one of them is not known."""
    known = list(counts)
    return None if None in known else sum(count for count in known if count is not None)
