"""A stage for one LVS engine: a clock that the test moves, servers that are well or not, a table in memory.

Everything is deterministic. Time starts at 0. Effects are kept with the time at which they came. A check is answered
`latency` seconds after it was asked, by what `sick`, `local` and `says` hold for its address then. The table is made
what the engine wants in the same moment, unless the backend is `stubborn`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from heapq import heappop, heappush
from ipaddress import ip_address
from typing import Any

from hakeep.config.settled import Script
from hakeep.config.settled_lvs import (
    Check,
    Director,
    HttpProbe,
    Page,
    Peer,
    RealServer,
    SorryServer,
    TcpProbe,
    Timing,
    VirtualServer,
)
from hakeep.lvs import messages as m
from hakeep.lvs.check import Inquiry
from hakeep.lvs.engine import Engine
from hakeep.lvs.pool import Pool
from hakeep.lvs.wanted import TableChange
from hakeep.objects.diff import Remove
from hakeep.objects.ipvs import TCP, DestinationKey, Service, ServiceKey, Table
from hakeep.vrrp.messages import Log

NEVER = float("inf")
VIP = "10.0.0.100"
QUICK = Timing(delay_loop=10.0, warmup=0.0, retry=1, delay_before_retry=2.0)


def script(name: str) -> Script:
    return Script((f"/bin/{name}",))


def tcp(ip: str, port: int = 80, *, timing: Timing = QUICK, **fields: Any) -> Check:
    return Check("TCP_CHECK", TcpProbe(Peer(ip_address(ip), port)), timing, **fields)


def http(ip: str, pages: int = 1, *, timing: Timing = QUICK, fast: bool = False, **fields: Any) -> Check:
    found = tuple(Page(f"/{n}") for n in range(pages))
    return Check("HTTP_GET", HttpProbe(Peer(ip_address(ip), 80), found, fast_recovery=fast), timing, **fields)


def real(ip: str, weight: int = 1, checks: Iterable[Check] | None = None, **fields: Any) -> RealServer:
    given = (tcp(ip),) if checks is None else tuple(checks)
    return RealServer(ip_address(ip), 80, weight, checks=given, **fields)


def sorry(ip: str = "10.0.0.99", **fields: Any) -> SorryServer:
    return SorryServer(ip_address(ip), 80, **fields)


def service(ip: str = VIP, port: int = 80, **fields: Any) -> Service:
    return Service(ServiceKey(4, TCP, ip_address(ip), port), **fields)


def virtual(*reals: RealServer, ip: str = VIP, port: int = 80, **fields: Any) -> VirtualServer:
    given = {"name": f"{ip} {port}", "label": f"[{ip}]:tcp:{port}", "services": (service(ip, port),), **fields}
    return VirtualServer(reals=reals, **given)  # type: ignore[arg-type]


def three(**fields: Any) -> VirtualServer:
    """Three real servers, 10.0.0.1 to 3, of weight 1."""
    return virtual(real("10.0.0.1"), real("10.0.0.2"), real("10.0.0.3"), **fields)


class Stage:
    """One engine and its world."""

    def __init__(
        self, *servers: VirtualServer, memory: Mapping[str, str] | None = None, orders: Iterable[m.Ordered] = (),
        latency: float = 0.0, sick: Iterable[str] = (), local: Iterable[str] = (), start: float = 0.0,
        have: Table | None = None, **director: Any,
    ) -> None:
        self.now = start
        self.latency = latency
        self.sick = set(sick)
        self.local = set(local)
        self.says: dict[str, dict[str, Any]] = {}  # more fields of the results, by address
        self.delay: Callable[[], float] = lambda: self.latency
        self.effects: list[tuple[float, m.Effect]] = []
        self.asked: list[tuple[float, str, int]] = []  # when, whom, which page
        self.memory = dict(memory or {})
        self.stubborn: set[DestinationKey | ServiceKey] = set()
        self.table = Table(dict(have.services), dict(have.destinations)) if have else Table({}, {})
        self.journeys: list[list[Table]] = []  # of each Reconcile: the table before, and after each single change
        self.news = 0  # where the effects since the last reload begin
        self.changes: list[TableChange] = []
        self.under_way = 0  # probes at the time of the last reload
        self._coming: list[tuple[float, int, m.Probed]] = []
        self._forgotten: dict[str, int] = {}
        self._count = 0
        self.director = Director(virtual=servers, **director)
        self.engine = Engine(self.director, start, memory=self.memory, orders=tuple(orders))
        self.take(self.engine.begin())

    # -- acting

    def step(self, event: m.Event) -> list[m.Effect]:
        effects = self.engine.step(self.now, event)
        self.take(effects)
        return effects

    def until(self, time: float) -> Stage:
        """Let time pass."""
        while (at := min(self.engine.deadline, self._coming[0][0] if self._coming else NEVER)) <= time:
            self.now = max(self.now, at)
            if self._coming and self._coming[0][0] <= self.now:
                _, number, probed = heappop(self._coming)
                if number > self._forgotten.get(probed.check, 0):
                    self.step(probed)
            else:
                self.step(m.Ticked())
        self.now = max(self.now, time)
        return self

    def reload(self, *servers: VirtualServer, **director: Any) -> list[m.Effect]:
        self.director = Director(virtual=servers, **director)
        self.news = len(self.effects)
        self.under_way = len(self.engine.flight.asked)
        return self.step(m.Reloaded(self.director))

    def order(self, what: str, ip: str, virtual: str = "", weight: int = 0) -> list[m.Effect]:
        return self.step(m.Ordered(what, ip_address(ip), 80, virtual, weight))

    def take(self, effects: list[m.Effect]) -> None:
        for effect in effects:
            self.effects.append((self.now, effect))
            if isinstance(effect, m.Ask):
                self._ask(effect)
            elif isinstance(effect, m.Forget):
                self._forgotten[effect.key] = self._count
            elif isinstance(effect, m.Remember):
                self.memory[effect.key] = effect.memory
                if not effect.memory:
                    del self.memory[effect.key]
            elif isinstance(effect, m.Reconcile):
                self._reconcile(effect.only)

    def _ask(self, ask: m.Ask) -> None:
        self._count += 1
        self.asked.append((round(self.now, 6), peer(ask.check), ask.step))
        heappush(
            self._coming, (self.now + self.delay(), self._count, m.Probed(ask.key, ask.step, self._answer(ask))))

    def _answer(self, ask: m.Ask) -> m.Result:
        ip = peer(ask.check)
        if ip in self.local:
            return m.Result(False, "no socket", local=True)
        if ip in self.sick or f"{ip}/{ask.step}" in self.sick:
            return m.Result(False, "connection refused", 0.001)
        return m.Result(True, "connected", 0.001, **self.says.get(ip, {}))

    def _reconcile(self, only: tuple[str, ...]) -> None:
        """Do what the worker's lane and a backend do, one change at a time."""
        refused = []
        journey = [self.copy()]
        self.journeys.append(journey)
        for change in self.engine.changes(self.table, only):
            orphan = isinstance(change.key, DestinationKey) and change.key.service not in self.table.services
            if change.key in self.stubborn or orphan:
                refused.append(change.key)
                continue
            self.changes.append(change)
            apply(self.table, change)
            journey.append(self.copy())
        for key in refused:
            self.step(m.Refused(key, "no memory"))
        if not refused:
            self.step(m.Applied())

    # -- looking

    def copy(self) -> Table:
        """The table as it is now."""
        return Table(dict(self.table.services), dict(self.table.destinations))

    @property
    def pool(self) -> Pool:
        return next(iter(self.engine.roster.pools.values()))

    def inquiry(self, ip: str) -> Inquiry:
        return next(one for one in self.engine.roster.inquiries.values() if peer(one.check) == ip)

    def weights(self, name: str = "") -> dict[str, int]:
        """The destinations of the (first) virtual server in the table: address -> weight."""
        pool = self.engine.roster.pools[name] if name else self.pool
        keys = {one.key for one in pool.settings.services}
        return {str(key.ip): one.weight for key, one in self.table.destinations.items() if key.service in keys}

    def told(self, since: float = 0.0) -> list[str]:
        """The FIFO's lines."""
        return [effect.line for at, effect in self.effects if at >= since and isinstance(effect, m.Tell)]

    def scripts(self, since: float = 0.0) -> list[str]:
        return [
            effect.script.argv[0].removeprefix("/bin/") for at, effect in self.effects
            if at >= since and isinstance(effect, m.Tell) and effect.script is not None
        ]

    def logs(self, since: float = 0.0) -> list[str]:
        return [effect.text for at, effect in self.effects if at >= since and isinstance(effect, Log)]

    def logged(self, words: str, since: float = 0.0) -> bool:
        return any(words in text for text in self.logs(since))

    def when(self, ip: str) -> list[float]:
        """When this server was asked."""
        return [at for at, whom, _ in self.asked if whom == ip]


def peer(check: Check) -> str:
    """Whom a check asks."""
    probe: Any = check.probe
    return str(probe.peer.ip) if hasattr(probe, "peer") else check.kind


def apply(table: Table, change: TableChange) -> None:
    """Make one change of a table whose mappings are dictionaries, as a kernel does."""
    services: Any = table.services
    destinations: Any = table.destinations
    key = change.key
    if isinstance(key, ServiceKey):
        if isinstance(change, Remove):
            del services[key]
            for gone in [each for each in destinations if each.service == key]:
                del destinations[gone]
        else:
            services[key] = change.wanted
    elif isinstance(change, Remove):
        del destinations[key]
    else:
        assert key.service in services, "a destination without its service"
        destinations[key] = change.wanted
