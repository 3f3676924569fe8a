"""Virtual servers as snapshots, from what the LVS engine says of them and what the backend counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from hakeep.lvs.status import CheckStatus, RealStatus, VirtualStatus
from hakeep.objects.ipvs import DestinationKey, ServiceKey, Usage
from hakeep.report.snapshot import CheckSnapshot, RealSnapshot, UsageSnapshot, VirtualSnapshot

Usages = Mapping[ServiceKey | DestinationKey, Usage]


def snapshots(statuses: Iterable[VirtualStatus], usages: Usages, shift: float) -> list[VirtualSnapshot]:
    """`shift` is what turns monotonic seconds into Unix time."""
    by_service: dict[str, list[Usage]] = {}
    by_real: dict[tuple[str, str, int], list[Usage]] = {}
    for key, usage in usages.items():
        if isinstance(key, ServiceKey):
            by_service.setdefault(str(key), []).append(usage)
        else:
            by_real.setdefault((str(key.service), str(key.ip), key.port), []).append(usage)
    return [_virtual(status, by_service, by_real, shift) for status in statuses]


def _virtual(
    status: VirtualStatus, by_service: Mapping[str, list[Usage]], by_real: Mapping[tuple[str, str, int], list[Usage]],
    shift: float,
) -> VirtualSnapshot:
    reals = []
    for real in status.reals:
        ip = str(ip_address(real.ip))
        counted = [usage for service in status.services for usage in by_real.get((service, ip, real.port), ())]
        reals.append(_real(real, _sum(counted), shift))
    counted = [usage for service in status.services for usage in by_service.get(service, ())]
    return VirtualSnapshot(
        name=status.name, label=status.label, state=status.state, since=status.since + shift, quorum=status.quorum,
        hysteresis=status.hysteresis, total=status.total, sorry=status.sorry, sorry_in_use=status.sorry_in_use,
        panic=status.panic, suspended=status.suspended, services=status.services, refused=status.refused,
        reals=tuple(reals), usage=_sum(counted))


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


def _sum(usages: list[Usage]) -> UsageSnapshot | None:
    """Of all services of a group together; None where nothing is counted."""
    if not usages:
        return None
    return UsageSnapshot(
        sum(each.active for each in usages), sum(each.inactive for each in usages),
        sum(each.counts.connections for each in usages), sum(each.counts.connection_rate for each in usages),
        sum(each.counts.in_byte_rate for each in usages), sum(each.counts.out_byte_rate for each in usages))
