"""One virtual server that runs: its configuration, the checks of its real servers, and who stands in its pool.

The line-up is worked out by a pure function (`lvs.lineup`) whenever something is learned; what there is to say about
the difference is read off it (`lvs.telling`). This class only holds what belongs together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence

from hakeep.config.settled_lvs import RealServer, VirtualServer
from hakeep.lvs import words
from hakeep.lvs.check import Inquiry
from hakeep.lvs.lineup import SORRY_WEIGHT, Health, Lineup, Standing, health, line_up
from hakeep.lvs.messages import CheckKey, Ordered
from hakeep.lvs.orders import Orders
from hakeep.lvs.status import CheckStatus, RealStatus, VirtualStatus
from hakeep.lvs.wanted import Rows
from hakeep.objects.ipvs import Destination, DestinationKey, Service, ServiceKey, Table
from hakeep.objects.rtnl import IPAddress

MEMORY = "virtual "
"""What a pool is remembered by: this and its name. A check's key never has a blank."""


class Pool:
    """The running object behind one virtual server. `inquiries` are those of each real server, in their order."""

    def __init__(self, settings: VirtualServer, inquiries: Sequence[tuple[Inquiry, ...]]) -> None:
        self.settings = settings
        self.name = settings.name
        self.inquiries = tuple(inquiries)
        self.rows = Rows(settings, ())
        self.suspended = False
        self.healths: list[Health] = []
        self.lineup: Lineup | None = None
        self.refused: dict[ServiceKey | DestinationKey, str] = {}

    @property
    def keys(self) -> dict[CheckKey, None]:
        """The checks that this pool goes by, in their order."""
        return {inquiry.key: None for several in self.inquiries for inquiry in several}

    def give(self, services: tuple[Service, ...]) -> None:
        """These services are this pool's: those of its settings that no other virtual server named before."""
        self.rows = Rows(self.settings, services)

    @property
    def now(self) -> Lineup:
        """The line-up; there is one since the pool was first worked out."""
        assert self.lineup is not None
        return self.lineup

    def observe(self, orders: Orders) -> None:
        """Take in what is known of the real servers now."""
        self.healths = [
            health(server, (inquiry.verdict for inquiry in several), orders.of(server.ip, server.port, self.name))
            for server, several in zip(self.settings.reals, self.inquiries, strict=True)
        ]

    def work_out(self, now: float, before: Lineup | None) -> Lineup:
        """The line-up that follows from what was observed. It is set by it, too."""
        self.lineup = line_up(self.settings, self.healths, before, now)
        return self.lineup

    def carried(self, now: float, old: Pool | None, quorum: bool, panic: bool) -> Lineup:
        """A line-up of this configuration as it would have been before: servers that are new stand as they will."""
        known: dict[tuple[IPAddress, int], Standing] = {}
        sorry, since = None, now
        if old is not None:
            known = {
                (server.ip, server.port): standing
                for server, standing in zip(old.settings.reals, old.now.reals, strict=True)
            }
            since = old.now.since
            if old.settings.sorry is not None and old.settings.sorry == self.settings.sorry:
                sorry = old.now.sorry
        elif self.settings.sorry is not None and not quorum:
            sorry = SORRY_WEIGHT
        reals = tuple(
            known.get((server.ip, server.port)) or Standing(one.up, one.failed, one.weight, None, now)
            for server, one in zip(self.settings.reals, self.healths, strict=True)
        )
        return Lineup(quorum, panic, 0, reals, sorry, since)

    def table(self) -> Table:
        """What it wants in the kernel's table."""
        destinations: dict[DestinationKey, Destination] = {}
        self.rows.fill(self.now, destinations)
        return Table({service.key: service for service in self.rows.services}, destinations)

    # ------------------------------------------------------------------------------------------------- memory

    def memory(self) -> str:
        """What a successor must know beyond the checks: where the hystereses stand."""
        lineup = self.now
        return json.dumps({"quorum": lineup.quorum, "panic": lineup.panic}, separators=(",", ":"))

    # ------------------------------------------------------------------------------------------------- reports

    def status(self, orders: Orders, running: Callable[[CheckKey], bool]) -> VirtualStatus:
        """For reports."""
        settings, lineup = self.settings, self.now
        refused: dict[tuple[IPAddress, int], str] = {}
        service_refused = ""
        for key, why in self.refused.items():
            if isinstance(key, DestinationKey):
                refused[key.ip, key.port] = why
            else:
                service_refused = why
        return VirtualStatus(
            name=settings.name, label=settings.label, state="UP" if lineup.quorum else "DOWN", since=lineup.since,
            quorum=settings.quorum, hysteresis=settings.hysteresis, total=lineup.total,
            sorry=words.real(settings, settings.sorry) if settings.sorry is not None else "",
            sorry_in_use=bool(lineup.sorry), panic=lineup.panic, suspended=self.suspended,
            services=tuple(str(service.key) for service in self.rows.services), refused=service_refused,
            reals=tuple(
                self._real(n, orders.of(server.ip, server.port, self.name), refused, running)
                for n, server in enumerate(settings.reals)
            ),
        )

    def _real(
        self, n: int, order: Ordered | None, refused: dict[tuple[IPAddress, int], str],
        running: Callable[[CheckKey], bool],
    ) -> RealStatus:
        server, several = self.settings.reals[n], self.inquiries[n]
        one, standing = self.healths[n], self.now.reals[n]
        return RealStatus(
            ip=str(server.ip), port=server.port, name=words.real(self.settings, server),
            state="UP" if standing.up else "DOWN", since=standing.since, why=why(server, several, order),
            wanted=standing.present, weight=standing.weight, configured=server.weight, drained=one.drained,
            order=order.what if order is not None else "",
            slow_start=standing.slow_since is not None and (standing.present or 0) < standing.weight,
            refused=refused.get((server.ip, server.port), ""),
            checks=tuple(_check(inquiry, running(inquiry.key)) for inquiry in several),
        )


def why(server: RealServer, inquiries: Iterable[Inquiry], order: Ordered | None) -> str:
    """Why a real server is up or down, in one sentence."""
    if order is not None and order.what == "down":
        return "taken out by order"
    reason = "no checks"
    for inquiry in inquiries:
        if not inquiry.verdict.up:
            return f"{inquiry.check.kind}: {inquiry.verdict.why}"
        reason = f"{inquiry.check.kind}: {inquiry.latest.why if inquiry.latest is not None else inquiry.verdict.why}"
    return reason


def _check(inquiry: Inquiry, running: bool) -> CheckStatus:
    verdict, latest = inquiry.verdict, inquiry.latest
    return CheckStatus(
        key=inquiry.key, kind=inquiry.check.kind, asked=words.asked(inquiry.check), up=verdict.up,
        proved=verdict.proved, running=running, ok=latest.ok if latest is not None else verdict.up,
        why=latest.why if latest is not None else verdict.why,
        latency=latest.latency if latest is not None else 0.0, at=inquiry.latest_at, tries_left=inquiry.tries_left,
    )


def quorum_of(memory: str) -> tuple[bool, bool] | None:
    """Quorum and panic of a pool's `memory()`; None if it cannot be understood."""
    try:
        known = json.loads(memory)
        return bool(known["quorum"]), bool(known["panic"])
    except (ValueError, TypeError, LookupError):
        return None
