"""From the engine's running objects to snapshots: what status, dumps and metrics are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hakeep.config.settled import VirtualAddress, VrrpInstance
from hakeep.objects.rtnl import AddressKey
from hakeep.report.address_text import address_text
from hakeep.report.routing_shown import Shown, standing, written
from hakeep.report.snapshot import AddressSnapshot, GroupSnapshot, RouterSnapshot, TrackSnapshot
from hakeep.vrrp import wanted
from hakeep.vrrp.engine import Engine
from hakeep.vrrp.messages import State
from hakeep.vrrp.router import VirtualRouter
from hakeep.vrrp.routing import Routing
from hakeep.vrrp.tracking import Watched


@dataclass(frozen=True, slots=True)
class Lines:
    """The addresses, routes and rules of a router as they are shown: first without, then with the kernel having them.

    A thousand of them take some milliseconds to write, and are the same until the next reload.
    """

    settings: VrrpInstance
    devices: wanted.Devices
    lines: tuple[tuple[AddressKey, AddressSnapshot, AddressSnapshot], ...]
    routes: tuple[Shown, ...]
    rules: tuple[Shown, ...]


def snapshots(
    engine: Engine, now: float, wall: float, unfenced: Mapping[str, str], known: dict[str, Lines] | None = None,
    routing: Routing | None = None,
) -> tuple[RouterSnapshot, ...]:
    """All routers at `now` (monotonic), which is `wall` in Unix time. `unfenced`: why a router has no fence. `known` is
    kept by the caller from one time to the next: what is in it need not be written anew. `routing` knows what
    became of routes and rules."""
    known = {} if known is None else known
    routing = Routing() if routing is None else routing
    for name in known.keys() - engine.routers.keys():
        del known[name]
    return tuple(snapshot(engine, router, now, wall, unfenced, known, routing) for router in engine.routers.values())


def snapshot(
    engine: Engine, router: VirtualRouter, now: float, wall: float, unfenced: Mapping[str, str],
    known: dict[str, Lines], routing: Routing,
) -> RouterSnapshot:
    """One router, see `snapshots`."""
    settings, holding = router.settings, router.holding
    other = router.watch.master if router.watch.master != router.source else None  # a MASTER follows itself
    fence = unfenced.get(router.name)
    lease, lease_text = _lease(router, now)
    shown = _shown(router, known)
    have = engine.host.have
    return RouterSnapshot(
        name=router.name,
        interface=router.devices.base,
        virtual_router_id=settings.virtual_router_id,
        family=settings.family,
        version=settings.version,
        state=router.state.value,
        since=wall - (now - router.since),
        why=router.reason,
        vmac=router.devices.made,
        source=str(router.source) if router.source else "",
        priority=settings.priority,
        base_priority=router.rank.base,
        effective_priority=router.rank.priority,
        master=str(other) if other else None,
        master_priority=router.watch.master_priority if other else 0,
        master_advert_int=router.watch.master_interval,
        addresses=tuple([there if key in have else absent for key, absent, there in shown.lines]),
        routes=standing(shown.routes, routing),
        rules=standing(shown.rules, routing),
        lease=lease,
        lease_text=lease_text,
        fence=f"off: {fence}" if fence else "active",
        standby=router.rank.standby,
        impaired=router.rank.impaired,
        contested=holding.contested,
        group=router.group.name if router.group is not None else "",
        tracks=tuple(_track(watched, now) for watched in router.rank.tracking),
        bounds=bounds(router, bool(fence)),
        counters=dict(router.counters),
    )


def groups(engine: Engine) -> tuple[GroupSnapshot, ...]:
    """All sync groups."""
    return tuple(
        GroupSnapshot(group.name, group.state.value if group.state else "", tuple(m.name for m in group.members))
        for group in engine.groups.values()
    )


def _track(watched: Watched, now: float) -> TrackSnapshot:
    track, known, verdict = watched.track, watched.known, watched.judge(now)
    return TrackSnapshot(
        kind=track.kind, name=track.name, weight=track.weight, reverse=track.reverse, group=track.group,
        well=known.well if known is not None else None, value=known.value if known is not None else 0,
        why=known.why if known is not None else "", effect=verdict.adjustment, fault=bool(verdict.faults),
        flaps=watched.flaps, steady_in=round(watched.counts_at - now, 3) if watched.held(now) else 0.0,
    )


def packets(engine: Engine, floods: int) -> dict[str, int]:
    """What the worker counts for all routers together: `discarded` packets, of which `malformed` are those too short to
    say for which router they are; those of `unknown_vrids`; and how many `floods` of bad packets there were."""
    return {
        "discarded": engine.reception.discarded, "malformed": engine.reception.malformed,
        "unknown_vrids": engine.reception.unknown_vrids, "floods": floods,
    }


def _shown(router: VirtualRouter, known: dict[str, Lines]) -> Lines:
    shown = known.get(router.name)
    if shown is None or shown.settings is not router.settings or shown.devices != router.devices:
        settings = router.settings
        shown = known[router.name] = Lines(
            settings, router.devices, _lines(router), written(settings.routes), written(settings.rules))
    return shown


def _lines(router: VirtualRouter) -> tuple[tuple[AddressKey, AddressSnapshot, AddressSnapshot], ...]:
    found = []
    for virtual in wanted.addresses(router.settings, router.devices, None):  # as configured: a lease is our own affair
        text = address_text(virtual, virtual.address.interface, _under(router, virtual))
        absent, there = (AddressSnapshot(text, virtual.advertised, present) for present in (False, True))
        found.append((virtual.address.key, absent, there))
    return tuple(found)


def _lease(router: VirtualRouter, now: float) -> tuple[float | None, str]:
    length = router.holding.lease
    if length is None:
        return None, "off"
    if router.state is not State.MASTER:
        return None, f"{length} s while MASTER"
    left = max(0.0, length - (now - router.holding.renewed))
    return round(left, 3), f"{left:.1f} of {length} s"


def bounds(router: VirtualRouter, unfenced: bool) -> str:
    """In words: how long nobody may hold the addresses after a crash, and how long two may."""
    settings = router.settings
    down = settings.down_timer_adverts * settings.advert_int
    nobody = f"without a holder for at most {router.watch.down_interval + 0.2:.2f} s after a crash"
    if not unfenced:
        return f"{nobody}, with two for at most 5 ms"
    if router.holding.lease is None:
        return f"{nobody}, with two until this host is repaired if it hangs (no fence, no lease)"
    return f"{nobody}, with two for at most {max(0.0, router.holding.lease + 1.05 - down):.2f} s"


def _under(router: VirtualRouter, virtual: VirtualAddress) -> str:
    """The link under the address's own, when that is our VMAC."""
    return router.devices.base if virtual.address.interface == router.devices.made else ""
