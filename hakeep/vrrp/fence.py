"""Which addresses the kernel shall keep closed when our adverts stop, and after what time.

"Two nodes answer for one address" is the failure that VRRP exists to avoid, and a daemon that hangs causes it: its
addresses stay while a backup takes over. The fence (see `hakeep.objects.filter`) ends that without the daemon's help.
This module decides what it is to hold: it turns settled instances, and where each of them works at the moment, into a
`Filter`. It also says which routers go without a fence and why, because a silent gap would be worse than none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

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


class FilterPlan:
    """The filter for these instances, as they are configured and placed now: `wanted` says it for whoever holds.

    What depends on places is worked out once, because who holds changes often, and for many at a time. `seats` is by
    instance name, `links` are those that exist now, by name. `vmacs` are the links that we put on top of others: what
    leaves them, leaves through the base. `no_fence` is the reason why the kernel cannot have a fence at all ("" = it
    can). `unfenced` has for each router that has no fence the reason (a clause for the log).
    """

    def __init__(
        self,
        instances: Sequence[VrrpInstance],
        seats: Mapping[str, Seat],
        links: Mapping[str, Link],
        *,
        settings: Global | None = None,
        vmacs: Iterable[Macvlan | Ipvlan] = (),
        no_fence: str = "",
    ) -> None:
        self.unfenced: dict[str, str] = {}
        self._settings = settings or Global()
        vmacs = tuple(vmacs)
        self._links = links
        self._bases = {vmac.name: vmac.base for vmac in vmacs}
        self._ingress: set[str] = set()
        self._egress: set[str] = set()
        self._senders: set[Sender] = set()
        self._fenced: list[_Choice[FencedRouter]] = []
        self._refusing: list[_Choice[NoAccept]] = []
        for number, instance in enumerate(instances, 1):
            seat = seats.get(instance.name)
            if no_fence:
                self.unfenced[instance.name] = no_fence
            else:
                self._fence(number, instance, seat)
            if not instance.accept and not instance.owner:
                self._refuse(number, instance, seat)
        self._reports = tuple(
            VmacReports(vmac.name, Device(vmac.base, links[vmac.base].index), vmac.ipv6)
            for vmac in vmacs
            if isinstance(vmac, Macvlan) and vmac.base in links and nameable(vmac.name)
        )
        self._doors = self._devices(self._ingress), self._devices(self._egress)
        self._quarrels = _have_doubles(self._fenced), _have_doubles(self._refusing)

    def wanted(self, holding: Collection[str]) -> Filter:
        """The filter while these routers hold their addresses, or are about to add them: a router enters before its
        first address is added and leaves after its last is gone."""
        return Filter(
            table=table_name(self._settings),
            priority=self._settings.nftables_priority,
            counters=self._settings.nftables_counters,
            fence=Fence(_choose(self._fenced, holding, self._quarrels[0]), *self._doors),
            no_accept=_choose(self._refusing, holding, self._quarrels[1]),
            reports=self._reports,
        )

    def _fence(self, number: int, instance: VrrpInstance, seat: Seat | None) -> None:
        """Put this router behind the fence, or note why not."""
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
            nothing = FencedRouter(number, instance.name, timeout)
            self._fenced.append(_Choice(instance.name, nothing, nothing))
            return
        if sender in self._senders:
            self.unfenced[instance.name] = (
                f"another instance sends adverts of VRID {sender.vrid} from {sender.source} on {sender.device}"
            )
            return
        self._senders.add(sender)
        reached = tuple(dict.fromkeys((self._reached_through(link, sender.device), ip) for link, ip in seat.addresses))
        if strange := [device for device, _ in reached if not nameable(device)]:
            self.unfenced[instance.name] = f"nftables cannot name the interface {strange[0]!r}"
            return
        guarded = {device for device, _ in reached}
        self._ingress |= guarded
        self._egress |= guarded | {sender.device}
        idle = FencedRouter(number, instance.name, timeout, sender)
        self._fenced.append(_Choice(instance.name, idle, replace(idle, vips=reached)))

    def _refuse(self, number: int, instance: VrrpInstance, seat: Seat | None) -> None:
        """Make this router deaf for its VIPs (`no_accept`)."""
        addresses = seat.addresses if seat is not None else ()
        for family in sorted({instance.family} | {ip.version for _, ip in addresses}):
            vips = dict.fromkeys(vip for vip in addresses if vip[1].version == family and nameable(vip[0]))
            idle = NoAccept(number, family)
            self._refusing.append(_Choice(instance.name, idle, replace(idle, vips=tuple(vips))))

    def _devices(self, names: Iterable[str]) -> tuple[Device, ...]:
        """Those of these links that exist: a hook on a missing one would fail the whole transaction."""
        return tuple(Device(name, self._links[name].index) for name in sorted(names) if name in self._links)

    def _open_by_nature(self, instance: VrrpInstance, seat: Seat | None, timeout: float) -> str:
        if not instance.vip_fence:
            return "vip_fence off"
        if not timeout:
            return f"{instance.down_timer_adverts} x advert_int {instance.advert_int:g} s leaves no room for a late one"
        if seat is None or not seat.device:
            return "it is not known from which interface its adverts leave"
        if not nameable(self._bases.get(seat.device, seat.device)):
            return f"nftables cannot name the interface {seat.device!r}"
        return ""

    def _sender(self, instance: VrrpInstance, seat: Seat) -> Sender | None:
        if seat.source is None:
            return None
        return Sender(self._bases.get(seat.device, seat.device), seat.source, instance.virtual_router_id)

    def _reached_through(self, link: str, adverts_leave: str) -> str:
        """The device at which packets for an address on this link come in. Nothing ever comes in at lo or a dummy:
        such an address is reached by routing, through the interface that the router works on."""
        if (known := self._links.get(link)) and (known.loopback or known.kind == "dummy"):
            return adverts_leave
        return self._bases.get(link, link)


T = TypeVar("T", FencedRouter, NoAccept)


@dataclass(frozen=True, slots=True)
class _Choice(Generic[T]):
    """What stands in the filter for a router: `idle` while it holds nothing, else `full`."""

    router: str
    idle: T
    full: T


def _have_doubles(choices: Iterable[_Choice[T]]) -> bool:
    """Whether an address would stand there twice if all held: only then it matters who is first."""
    vips = [vip for choice in choices for vip in choice.full.vips]
    return len(set(vips)) < len(vips)


def _choose(choices: Iterable[_Choice[T]], holding: Collection[str], quarrels: bool) -> tuple[T, ...]:
    if not quarrels:
        return tuple([c.full if c.router in holding else c.idle for c in choices])
    taken: set[Vip] = set()
    return tuple([_without(c.full, taken) if c.router in holding else c.idle for c in choices])


def _without(full: T, taken: set[Vip]) -> T:
    """Without the addresses that a router before this one has on the same device: a map of nftables holds a key
    once."""
    mine = tuple(vip for vip in full.vips if vip not in taken)
    taken.update(mine)
    return replace(full, vips=mine)
