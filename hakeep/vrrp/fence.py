"""Which addresses the kernel shall keep closed when our adverts stop, and after what time.

"Two nodes answer for one address" is the failure that VRRP exists to avoid, and a daemon that hangs causes it: its
addresses stay while a backup takes over. The fence (see `hakeep.objects.filter`) ends that without the daemon's help.
This module decides what it is to hold: it turns settled instances, and where each of them works at the moment, into a
`Filter`. It also says which routers go without a fence and why, because a silent gap would be worse than none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hakeep.config.settled import Global, VrrpInstance
from hakeep.objects.filter import (
    Device,
    Fence,
    FencedRouter,
    Filter,
    NoAccept,
    Sender,
    Vip,
    VmacReports,
    nameable,
)
from hakeep.objects.rtnl import IPAddress, Ipvlan, Link, Macvlan

#: Seconds that the fence closes before a backup can take over, at most a quarter of the advert interval.
#:
#: A backup waits `down_timer_adverts` intervals from the arrival of our last advert, and a skew > 0 on top. We count
#: from its departure and the kernel never rounds a timeout up, so even a margin of 0 would close in time. The margin
#: is for what was let in at the last moment and is still being answered, for a backup's clock that runs faster than
#: ours (0.5 ms in 3 s at 170 ppm) and for timers that fire early by their granularity.
MARGIN = 0.010

#: Seconds that must lie between two adverts' distance and the timeout. nftables counts in jiffies and may close up to
#: two of them early (20 ms at 100 Hz); 10 ms more is what an advert may be late on a busy host. With less the fence
#: would open and close in normal operation.
ROOM = 0.030


@dataclass(frozen=True, slots=True)
class Seat:
    """Where one virtual router works at the moment.

    `device` is the link that its adverts leave from: the interface, or its VMAC or ipvlan ("" = not known, adverts go
    where the routing table says). `source` is their source address. `addresses` are the links and addresses of its
    VIPs, advertised or not, as they are (or would be) configured.
    """

    device: str
    source: IPAddress | None
    addresses: tuple[Vip, ...] = ()


@dataclass(frozen=True, slots=True)
class WantedFilter:
    """What nftables should hold, and for each router that has no fence the reason (a clause for the log)."""

    filter: Filter
    unfenced: Mapping[str, str] = field(default_factory=dict)


def fence_timeout(instance: VrrpInstance) -> float:
    """Seconds after our last advert at which the kernel closes the VIPs: a little under the shortest time in which a
    backup may take over, `down_timer_adverts` x `advert_int` (RFC 9568 section 6.1 adds a skew, which depends on the
    backup). 0.0 when that leaves no room: then a single late advert would cut off the service."""
    timeout = instance.down_timer_adverts * instance.advert_int - min(MARGIN, instance.advert_int / 4)
    return timeout if timeout >= instance.advert_int + ROOM else 0.0


def table_name(settings: Global) -> str:
    """Our table's name: `nftables_table` or ``hakeep``, and the daemon's instance, so that two daemons in one network
    namespace do not take each other's tables for their own."""
    table = settings.nftables_table or "hakeep"
    if settings.instance:
        table += "_" + "".join(c if c.isascii() and c.isalnum() else "_" for c in settings.instance)
    return table


def wanted_filter(
    instances: Sequence[VrrpInstance],
    holding: Collection[str],
    seats: Mapping[str, Seat],
    links: Mapping[str, Link],
    *,
    settings: Global | None = None,
    vmacs: Iterable[Macvlan | Ipvlan] = (),
    no_fence: str = "",
) -> WantedFilter:
    """The filter for these instances.

    `holding` names the routers that hold their addresses, or are about to add them: a router enters before its first
    address is added and leaves after its last is gone. `seats` is by instance name, `links` are those that exist now,
    by name. `vmacs` are the links that we put on top of others: what leaves them, leaves through the base. `no_fence`
    is the reason why the kernel cannot have a fence at all ("" = it can).
    """
    settings = settings or Global()
    vmacs = tuple(vmacs)
    bases = {vmac.name: vmac.base for vmac in vmacs}
    plan = _Plan(holding, seats, links, bases)
    for number, instance in enumerate(instances, 1):
        if no_fence:
            plan.unfenced[instance.name] = no_fence
        else:
            plan.fence(number, instance)
        if not instance.accept and not instance.owner:
            plan.refuse(number, instance)
    reports = tuple(
        VmacReports(vmac.name, Device(vmac.base, links[vmac.base].index), vmac.ipv6)
        for vmac in vmacs
        if isinstance(vmac, Macvlan) and vmac.base in links and nameable(vmac.name)
    )
    return WantedFilter(
        Filter(
            table=table_name(settings),
            priority=settings.nftables_priority,
            counters=settings.nftables_counters,
            fence=Fence(tuple(plan.routers), plan.devices(plan.ingress), plan.devices(plan.egress)),
            no_accept=tuple(plan.refusing),
            reports=reports,
        ),
        plan.unfenced,
    )


class _Plan:
    """The parts of a filter while they are collected."""

    def __init__(
        self, holding: Collection[str], seats: Mapping[str, Seat], links: Mapping[str, Link], bases: Mapping[str, str]
    ) -> None:
        self.holding, self.seats, self.links, self.bases = holding, seats, links, bases
        self.routers: list[FencedRouter] = []
        self.refusing: list[NoAccept] = []
        self.unfenced: dict[str, str] = {}
        self.ingress: set[str] = set()
        self.egress: set[str] = set()
        self._senders: set[Sender] = set()
        self._fenced: set[tuple[str, int, int]] = set()
        self._refused: set[tuple[str, int, int]] = set()

    def fence(self, number: int, instance: VrrpInstance) -> None:
        """Put this router behind the fence, or note why not."""
        seat = self.seats.get(instance.name)
        timeout = fence_timeout(instance)
        if reason := self._open_by_nature(instance, seat, timeout):
            self.unfenced[instance.name] = reason
            return
        assert seat is not None
        sender = self._sender(instance, seat)
        if sender is None:
            # It cannot send an advert either, so this passes; the place in the table stays, so that it needs no
            # new declaration when the source address comes.
            self.unfenced[instance.name] = "it has no source address yet"
            self.routers.append(FencedRouter(number, instance.name, timeout))
            return
        if sender in self._senders:
            self.unfenced[instance.name] = (
                f"another instance sends adverts of VRID {sender.vrid} from {sender.source} on {sender.device}"
            )
            return
        self._senders.add(sender)
        reached = [(self._reached_through(link, sender.device), ip) for link, ip in seat.addresses]
        if strange := [device for device, _ in reached if not nameable(device)]:
            self.unfenced[instance.name] = f"nftables cannot name the interface {strange[0]!r}"
            return
        guarded = {device for device, _ in reached}
        self.ingress |= guarded
        self.egress |= guarded | {sender.device}
        vips = _untaken(reached, self._fenced) if instance.name in self.holding else ()
        self.routers.append(FencedRouter(number, instance.name, timeout, sender, vips))

    def refuse(self, number: int, instance: VrrpInstance) -> None:
        """Make this router deaf for its VIPs (`no_accept`)."""
        seat = self.seats.get(instance.name)
        vips: tuple[Vip, ...] = ()
        if seat is not None and instance.name in self.holding:
            vips = _untaken((vip for vip in seat.addresses if nameable(vip[0])), self._refused)
        families = {instance.family} | {ip.version for _, ip in (seat.addresses if seat else ())}
        for family in sorted(families):
            self.refusing.append(NoAccept(number, family, tuple(vip for vip in vips if vip[1].version == family)))

    def devices(self, names: Iterable[str]) -> tuple[Device, ...]:
        """Those of these links that exist: a hook on a missing one would fail the whole transaction."""
        return tuple(Device(name, self.links[name].index) for name in sorted(names) if name in self.links)

    def _open_by_nature(self, instance: VrrpInstance, seat: Seat | None, timeout: float) -> str:
        if not instance.vip_fence:
            return "vip_fence off"
        if not timeout:
            return f"{instance.down_timer_adverts} x advert_int {instance.advert_int:g} s leaves no room for a late one"
        if seat is None or not seat.device:
            return "it is not known from which interface its adverts leave"
        if not nameable(self.bases.get(seat.device, seat.device)):
            return f"nftables cannot name the interface {seat.device!r}"
        return ""

    def _sender(self, instance: VrrpInstance, seat: Seat) -> Sender | None:
        if seat.source is None:
            return None
        return Sender(self.bases.get(seat.device, seat.device), seat.source, instance.virtual_router_id)

    def _reached_through(self, link: str, adverts_leave: str) -> str:
        """The device at which packets for an address on this link come in. Nothing ever comes in at lo or a dummy:
        such an address is reached by routing, through the interface that the router works on."""
        if (known := self.links.get(link)) and (known.loopback or known.kind == "dummy"):
            return adverts_leave
        return self.bases.get(link, link)


def _untaken(vips: Iterable[Vip], taken: set[tuple[str, int, int]]) -> tuple[Vip, ...]:
    """Those that no router before this one has on the same device: a map of nftables holds a key once."""
    mine = []
    for device, ip in vips:
        key = (device, ip.version, int(ip))
        if key not in taken:
            taken.add(key)
            mine.append((device, ip))
    return tuple(mine)
