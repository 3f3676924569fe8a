"""The gate: what nftables should hold, kept up with the engine, and put back when somebody takes it away."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from hakeep.kernel.filter_lane import FilterLane
from hakeep.kernel.nft import NftMonitor, Support
from hakeep.kernel.quarrel import Quarrel
from hakeep.report.routers import bounds
from hakeep.vrrp import fence, wanted
from hakeep.vrrp import messages as m
from hakeep.vrrp.engine import Engine
from hakeep.worker import Log


class Gate:
    """Call `places_changed` when routers, links or source addresses are others, `holders_changed` when only who holds
    addresses is, and `wish` when there is time for it: places are worked out anew only in the first case.

    `advertise(router, priority)` sends an advert, `watch(fd, reader)` tells the loop of a descriptor.
    """

    def __init__(
        self,
        engine: Engine,
        support: Support,
        log: Log,
        advertise: Callable[[str, int], int],
        watch: Callable[[int, Callable[[], None]], None],
    ) -> None:
        self.lane = FilterLane(log, self._done)
        self._stale = True
        self._engine = engine
        self._support = support
        self._log = log
        self._advertise = advertise
        self._watch = watch
        self._monitor: NftMonitor | None = None
        self._plan = fence.FilterPlan((), {}, {})
        self._moved = True
        self._told: tuple[object, ...] = ()
        self._bounds: set[str] = set()
        self._quarrel = Quarrel()

    def places_changed(self) -> None:
        """Routers, links or source addresses are others."""
        self._moved = self._stale = True

    def holders_changed(self) -> None:
        """Others hold addresses, or nobody does."""
        self._stale = True

    def wish(self) -> bool:
        """Want of the filter lane what is right now; True if that may be something else than before.

        While a transaction runs there is no hurry: what changes meanwhile will be one wish.
        """
        if not self._stale or self.lane.busy:
            return False
        self._stale = False
        if self._moved:
            self._moved = False
            self._plan = self._planned()
        self.lane.want(self._plan.wanted(self._engine.masters()))
        return True

    async def release(self) -> None:
        """Delete our tables."""
        if self.lane.nft.port:
            await self.lane.release(fence.table_name(self._engine.settings.globals))

    def _planned(self) -> fence.FilterPlan:
        routers = self._engine.routers.values()
        seats = {
            router.name: fence.Seat(
                router.devices.out, router.source,
                tuple((v.address.interface, v.address.ip) for v in router.holding.addresses),
            )
            for router in routers
        }
        settings = self._engine.settings
        return fence.FilterPlan(
            [router.settings for router in routers], seats, self._engine.host.links, settings=settings.globals,
            vmacs=wanted.virtual_links(settings), no_fence="" if self._support.fence else self._support.reason,
        )

    @property
    def unfenced(self) -> Mapping[str, str]:
        """Why a router has no fence at this moment."""
        known = self._plan.unfenced
        if self.lane.error:
            return {**dict.fromkeys(self._engine.routers, f"nftables refuses: {self.lane.error}"), **known}
        if not self._quarrel.over(time.monotonic()):
            return {**dict.fromkeys(self._engine.routers, self._quarrel.reason), **known}
        return known

    def tell_bounds(self) -> None:
        """Log what is guaranteed, once for each set of bounds. Call it when it is known whether the fence holds."""
        told = (self._engine.settings, self._plan, self.lane.error)
        if told == self._told:
            return
        self._told = told
        unfenced, routers = self.unfenced, self._engine.routers
        for router in routers.values():
            text = bounds(router, router.name in unfenced)
            if text not in self._bounds:
                self._bounds.add(text)
                why = f" (no fence: {unfenced[router.name]})" if router.name in unfenced else ""
                router_and_like = f"({router.name}) and instances like it: " if len(routers) > 1 else ""
                self._log(m.Level.INFO, f"{router_and_like}bounds: {text}{why}")

    def _done(self, declared: bool) -> None:
        self.tell_bounds()
        if self._monitor is None and self.lane.nft.port:
            with suppress(OSError):
                self._monitor = NftMonitor(fence.table_name(self._engine.settings.globals), self.lane.nft)
                self._watch(self._monitor.fileno(), self._disturbed)
        if declared:
            for router in self._engine.routers.values():
                if router.state is m.State.MASTER:
                    self._advertise(router.name, router.rank.priority)

    def _disturbed(self) -> None:
        assert self._monitor is not None
        if disturbances := self._monitor.receive():
            gone = all(disturbance.gone for disturbance in disturbances)
            self._put_back(disturbances[-1].who or "somebody", time.monotonic(), gone)

    def _put_back(self, who: str, now: float, gone: bool) -> None:
        """`who` changed our table: put it back, at once unless that has become a quarrel."""
        news = self._quarrel.over(now)
        pause = self._quarrel.blame(who, now, gone)
        if not pause:
            self._log(m.Level.WARNING, f"{who} changed our nftables table: putting it back")
        elif news:
            back = f"putting it back every {pause:.0f} s"
            self._log(m.Level.ERROR, f"{who} keeps changing our nftables table: {back}; {self._quarrel.cure}")
        self.lane.lost(pause)
