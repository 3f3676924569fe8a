"""The pure heart of the lvs worker: one door, `step(now, event) -> effects`, and one `deadline`.

The engine decides which checks are made when, what their answers mean for each pool, and what is said about it. It
does no I/O and asks no clock: a recorded run, a simulation and the daemon are the same thing.

How a fact travels
------------------
A `Probed` goes to its `Inquiry` (lvs.check). If its verdict is a new one, each `Pool` that goes by this check, and no
other, is worked out anew (lvs.lineup). If places in the table have changed, that is a `Reconcile` for these virtual
servers; it comes before all other effects of the step, because clients wait for it. Then follows what is said
(lvs.telling) and what a successor must know.

All timers but one stand in one heap: checks by their keys, pools with a slow start by their names. The one is for a
line of the log that is due (lvs.hands).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from hakeep.config.settled_lvs import Director
from hakeep.lvs import messages as m
from hakeep.lvs import reporting, telling
from hakeep.lvs.agenda import Agenda, InFlight
from hakeep.lvs.check import Inquiry, Verdict
from hakeep.lvs.hands import OtherHands, row
from hakeep.lvs.hearsay import Hearsay
from hakeep.lvs.ledger import Ledger
from hakeep.lvs.orders import Orders
from hakeep.lvs.pool import MEMORY, Pool, quorum_of
from hakeep.lvs.roster import Roster, Turnover
from hakeep.lvs.status import DirectorStatus, OrderStatus
from hakeep.lvs.sync import daemons
from hakeep.lvs.wanted import TableChange, changes, held
from hakeep.objects.ipvs import Destination, DestinationKey, Service, ServiceKey, SyncDaemon, Table
from hakeep.objects.rtnl import IPAddress
from hakeep.vrrp.messages import Level, Log
from hakeep.vrrp.timers import NEVER

_NOTHING: Mapping[m.CheckKey, str] = MappingProxyType({})


class Engine:
    """All virtual servers of a worker.

    `memory` are the texts of the `Remember` effects of a worker that died: what it knew to be down is down from the
    first moment. `orders` are those that operators gave and did not undo. Call `begin` once for the first effects.
    """

    def __init__(
        self, director: Director, now: float, *, memory: Mapping[m.CheckKey, str] = _NOTHING,
        orders: Sequence[m.Ordered] = (),
    ) -> None:
        self.director = director
        self.roster = Roster()
        self.orders = Orders(orders)
        self.agenda = Agenda()
        self.flight = InFlight(max(1, director.checks_max))
        self.hearsay = Hearsay()
        self.running: set[m.CheckKey] = set()
        self.hands = OtherHands()
        self._out: list[m.Effect] = []
        self._dirty: dict[str, None] = {}
        self._present: set[IPAddress] = set()
        self._routers: dict[str, str] = {}
        self._waiting_for: dict[IPAddress, list[str]] = {}  # pools with ha_suspend, by address
        self._applied = False
        self._stopped = False
        self._emptied = False
        self._install(director, now, memory)
        self._dirty.clear()
        self._out.insert(0, m.Reconcile())

    # ------------------------------------------------------------------------------------------------ the door

    @property
    def deadline(self) -> float:
        """When `Ticked` is due, in monotonic seconds; inf when nothing is."""
        return min(self.agenda.deadline, self.hands.due)

    def begin(self) -> list[m.Effect]:
        """The effects of construction."""
        effects, self._out = self._out, []
        return effects

    def step(self, now: float, event: m.Event) -> list[m.Effect]:
        """Tell the engine a fact; it answers with orders, to be carried out in this order."""
        if self._stopped:
            return []
        _HANDLERS[type(event)](self, now, event)
        if self._dirty:
            self._out.insert(0, m.Reconcile(tuple(self._dirty)))
            self._dirty.clear()
        effects, self._out = self._out, []
        return effects

    def wanted(self, only: Iterable[str] = ()) -> Table:
        """What the table should hold: of these virtual servers, or of all."""
        services: dict[ServiceKey, Service] = {}
        destinations: dict[DestinationKey, Destination] = {}
        if not self._emptied:
            for pool in self._chosen(only):
                for service in pool.rows.services:
                    services[service.key] = service
                pool.rows.fill(pool.now, destinations)
        return Table(services, destinations)

    def named(self, only: Iterable[str] = ()) -> set[ServiceKey]:
        """The services that are ours to change: those that these virtual servers (or all) name, or named before a
        reload. Whatever else is in the table is somebody else's."""
        chosen = set(only)
        if not chosen:
            return {*self.roster.owners, *self.roster.former}
        found = {service.key for pool in self._chosen(chosen) for service in pool.rows.services}
        found.update(key for key, name in self.roster.former.items() if name in chosen)
        return found

    def changes(self, have: Table | Ledger, only: Iterable[str] = ()) -> list[TableChange]:
        """What to do now so that these virtual servers (or all) have what they want; `have` is what is there. A Ledger
        finds single services at once, a Table must be gone through."""
        chosen = tuple(only)
        names = self.named(chosen)
        return changes(held(have, names) if isinstance(have, Ledger) else have, self.wanted(chosen), names)

    def daemons(self) -> list[SyncDaemon]:
        """The connection synchronisation daemons that should run."""
        return [] if self._emptied else daemons(self.director.sync, self._routers)

    def snapshot(self, now: float, only: Iterable[str] = ()) -> DirectorStatus:
        """What is known, of these virtual servers or of all, for reports."""
        return DirectorStatus(
            now=now, checks=len(self.roster.inquiries), in_flight=len(self.flight.asked),
            waiting=len(self.flight.waiting), restored=self.hands.count,
            sync=tuple(daemon.state for daemon in self.daemons()),
            orders=tuple(
                OrderStatus(order.what, str(order.ip), order.port, order.virtual, order.weight)
                for order in self.orders
            ),
            virtual=tuple(pool.status(self.orders, self.running.__contains__) for pool in self._chosen(only)),
        )

    def _chosen(self, only: Iterable[str]) -> Iterable[Pool]:
        names = tuple(only)
        if not names:
            return self.roster.pools.values()
        return [pool for name in names if (pool := self.roster.pools.get(name)) is not None]

    # ------------------------------------------------------------------------------------------------ checks

    def _ticked(self, now: float, _: m.Ticked) -> None:
        for key in self.agenda.due(now):
            inquiry = self.roster.inquiries.get(key)
            if inquiry is None:
                self._work_out(self.roster.pools[key.removeprefix(MEMORY)], now)
            elif self.flight.take(key):
                self._out.append(m.Ask(key, inquiry.check, inquiry.page))
        self._out += self.hands.tell(now)

    def _probed(self, now: float, event: m.Probed) -> None:
        inquiry = self.roster.inquiries.get(event.check)
        if inquiry is None or event.step != inquiry.page or not self.flight.landed(event.check):
            return  # nobody waits for it: the answer crossed our Forget
        before = inquiry.verdict
        self._out += inquiry.answered(now, event.result, log_all=self.director.log_all_failures)
        self.agenda.put(inquiry.key, inquiry.due)
        if inquiry.verdict is not before:
            self._verdict(inquiry, now, before)
        self._ask_next()

    def _ask_next(self) -> None:
        while (name := self.flight.next()) is not None:
            inquiry = self.roster.inquiries[name]
            self._out.append(m.Ask(name, inquiry.check, inquiry.page))

    def _verdict(self, inquiry: Inquiry, now: float, said: Verdict) -> None:
        """A check says something else than it said before."""
        for pool in self.roster.users[inquiry.key].values():
            before = pool.now
            self._work_out(pool, now)
            if said.up != inquiry.verdict.up:
                self._report(reporting.checked(pool, before, inquiry))
        self._out.append(m.Remember(inquiry.key, inquiry.memory()))

    def _file_says(self, now: float, event: m.FileSays) -> None:
        self._inform(self.hearsay.file(event.path, event.value), now)

    def _session_is(self, now: float, event: m.SessionIs) -> None:
        self._inform(self.hearsay.session(event.name, event.up), now)

    def _inform(self, inquiries: Iterable[Inquiry], now: float) -> None:
        for inquiry in inquiries:
            before = inquiry.verdict
            self._out += self.hearsay.inform(inquiry)
            if inquiry.verdict is not before:
                self._verdict(inquiry, now, before)

    def _set_running(self, inquiry: Inquiry, now: float, *, resume: bool = False) -> None:
        """A check is made while one of its virtual servers is not suspended."""
        key = inquiry.key
        wanted = inquiry.asks and not all(pool.suspended for pool in self.roster.users[key].values())
        if wanted == (key in self.running):
            return
        if wanted:
            self.running.add(key)
            if resume:
                inquiry.resume(now)
            else:
                inquiry.begin(now)
            self.agenda.put(key, inquiry.due)
        else:
            self._quit(key)

    def _quit(self, key: m.CheckKey) -> None:
        self.running.discard(key)
        self.agenda.drop(key)
        if self.flight.drop(key):
            self._out.append(m.Forget(key))

    # ------------------------------------------------------------------------------------------------ pools

    def _work_out(self, pool: Pool, now: float) -> None:
        """Something about this pool may be new."""
        before = pool.now
        pool.observe(self.orders)
        after = pool.work_out(now, before)
        if after == before:
            return
        self._out += telling.difference(pool.settings, before, after, pool.healths)
        self._report(reporting.difference(pool, before, self.orders))
        if before.places != after.places:
            self._dirty[pool.name] = None
        if (before.quorum, before.panic) != (after.quorum, after.panic):
            self._out.append(m.Remember(MEMORY + pool.name, pool.memory()))
        self._wake(pool)
        self._out.append(m.Changed(pool.name))

    def _report(self, reports: Iterable[m.Report]) -> None:
        """Have people told, where somebody wants to know."""
        if self.director.globals.tells:
            self._out += reports

    def _wake(self, pool: Pool) -> None:
        if pool.now.wake == NEVER:
            self.agenda.drop(MEMORY + pool.name)
        else:
            self.agenda.put(MEMORY + pool.name, pool.now.wake)

    def _ordered(self, now: float, event: m.Ordered) -> None:
        if not self.orders.take(event):
            self._out.append(Log(Level.WARNING, f"order not understood: {event.what} {event.weight}"))
            return
        where = f" in {event.virtual}" if event.virtual else ""
        what = f"weight {event.weight}" if event.what == "weight" else event.what
        affected = [pool for pool in self._chosen((event.virtual,) if event.virtual else ()) if _has(pool, event)]
        note = "" if affected else " (no such real server is configured now; the order is kept)"
        self._out.append(Log(Level.NOTICE, f"ordered: {what} [{event.ip}]:{event.port}{where}{note}"))
        for pool in affected:
            self._work_out(pool, now)
            if (changed := m.Changed(pool.name)) not in self._out:
                self._out.append(changed)

    def _address_seen(self, now: float, event: m.AddressSeen) -> None:
        if event.present:
            self._present.add(event.ip)
        else:
            self._present.discard(event.ip)
        for name in self._waiting_for.get(event.ip, ()):
            pool = self.roster.pools[name]
            before = pool.suspended
            self._suspend(pool)
            if pool.suspended == before:
                continue
            what = "its address has left: its checks rest" if pool.suspended else "its address is here: its checks run"
            self._out.append(Log(Level.INFO, f"VS {pool.settings.label}: {what} (ha_suspend)"))
            for key in pool.keys:
                self._set_running(self.roster.inquiries[key], now, resume=True)
            self._out.append(m.Changed(name))
        self._ask_next()

    def _suspend(self, pool: Pool) -> None:
        settings = pool.settings
        pool.suspended = settings.ha_suspend and bool(settings.addresses) and not settings.addresses & self._present

    # ------------------------------------------------------------------------------------------------ the backend

    def _applied_(self, now: float, _: m.Applied) -> None:
        self._applied = True
        for pool in self.roster.pools.values():
            if pool.refused:
                pool.refused.clear()
                self._out.append(Log(Level.NOTICE, f"VS {pool.settings.label}: the table is as wanted again"))
                self._out.append(m.Changed(pool.name))

    def _refused(self, now: float, event: m.Refused) -> None:
        service = event.what.service if isinstance(event.what, DestinationKey) else event.what
        pool = self.roster.pools.get(self.roster.owners.get(service, ""))
        if pool is not None and pool.refused.get(event.what) != event.why:
            said = event.why in pool.refused.values()  # of another server of it: once is enough
            pool.refused[event.what] = event.why
            if not said:
                what = f"{row(event.what)} is refused: {event.why}"
                self._out.append(Log(Level.ERROR, f"VS {pool.settings.label}: {what}"))
            self._out.append(m.Changed(pool.name))

    def _restored(self, now: float, event: m.Restored) -> None:
        self.hands.note(now, event.what)
        self._out += self.hands.tell(now)

    def _router_is(self, now: float, event: m.RouterIs) -> None:
        before = self.daemons()
        self._routers[event.instance] = event.state
        after = self.daemons()
        if after != before:
            states = ", ".join(daemon.state for daemon in after)
            self._out.append(Log(Level.INFO, f"connection synchronisation: {states} ({event.instance})"))
            self._out.append(m.SyncChanged())

    # ------------------------------------------------------------------------------------------------ reload, stop

    def _reloaded(self, now: float, event: m.Reloaded) -> None:
        sync = self.daemons()
        self.director = event.director
        if self._applied:
            self.roster.former.clear()  # what an earlier reload gave up is gone
        turnover = self._install(event.director, now, _NOTHING)
        self.flight.limit = max(1, event.director.checks_max)
        self._ask_next()
        if sync != self.daemons():
            self._out.append(m.SyncChanged())
        added = sum(old is None for _, old in turnover.fresh)
        changed, removed = len(turnover.fresh) - added, len(turnover.gone)
        if turnover.fresh or turnover.gone:
            self._applied = False
            text = f"reload: virtual servers: {added} new, {changed} changed, {removed} removed"
            self._out.append(Log(Level.INFO, text))

    def _install(self, director: Director, now: float, memory: Mapping[m.CheckKey, str]) -> Turnover:
        turnover = self.roster.install(director.virtual)
        for service, owner, other in turnover.quarrels:
            text = f"virtual servers {owner!r} and {other!r} both name {service}: the first one has it"
            self._out.append(Log(Level.WARNING, text))
        for inquiry in turnover.dead:
            key = inquiry.key
            self.running.discard(key)
            self.agenda.drop(key)
            self.flight.drop(key)
            self._out.append(m.Forget(key))
            if inquiry.memory():
                self._out.append(m.Remember(key, ""))
        for inquiry in turnover.born:
            remembered = memory.get(inquiry.key, "")
            if remembered:
                inquiry.restore(remembered)
            self.hearsay.inform(inquiry)
            if (known := inquiry.memory()) != remembered:
                self._out.append(m.Remember(inquiry.key, known))
        for pool in turnover.gone:
            self._dirty[pool.name] = None
            self.agenda.drop(MEMORY + pool.name)
            self._out.append(m.Remember(MEMORY + pool.name, ""))
        for pool, old in turnover.fresh:
            self._suspend(pool)
            self._set_up(pool, old, now, memory.get(MEMORY + pool.name, ""))
        self._dirty.update(dict.fromkeys(pool.name for pool in turnover.regrouped))
        if turnover.fresh or turnover.gone:
            self._index()
            self.hearsay.follow(self.roster.inquiries.values())
        for key in turnover.touched:
            if key in self.roster.inquiries:
                self._set_running(self.roster.inquiries[key], now)
        self._out += [m.Remember(key, "") for key in memory if not self._knows(key)]
        return turnover

    def _set_up(self, pool: Pool, old: Pool | None, now: float, memory: str) -> None:
        """Work out a pool that is new, or that takes the place of another."""
        settings, init_notifies = pool.settings, self.director.rs_init_notifies
        pool.observe(self.orders)
        known = (old.now.quorum, old.now.panic) if old is not None else quorum_of(memory)
        if known is None:
            self._out += telling.beginning(settings, pool.work_out(now, None), init_notifies=init_notifies)
            self._report(reporting.beginning(pool))
            self._dirty[pool.name] = None
        else:
            before = pool.carried(now, old, *known)
            after = pool.work_out(now, before)
            if old is not None:
                self._out += telling.replaced(settings, after, old.settings, old.now, init_notifies=init_notifies)
                if old.table() != pool.table():
                    self._dirty[pool.name] = None
            self._out += telling.difference(settings, before, after, pool.healths)
            self._report(reporting.difference(pool, before, self.orders))
        if known != (pool.now.quorum, pool.now.panic):
            self._out.append(m.Remember(MEMORY + pool.name, pool.memory()))
        self._wake(pool)
        self._out.append(m.Changed(pool.name))

    def _index(self) -> None:
        """Who waits for which address."""
        self._waiting_for = {}
        for name, pool in self.roster.pools.items():
            if pool.settings.ha_suspend:
                for ip in pool.settings.addresses:
                    self._waiting_for.setdefault(ip, []).append(name)

    def _knows(self, key: str) -> bool:
        return key in self.roster.inquiries or key.removeprefix(MEMORY) in self.roster.pools

    def _stopped_(self, now: float, event: m.Stopped) -> None:
        for pool in self.roster.pools.values():
            self._out += telling.ending(pool.settings, pool.now)
            self._report(reporting.ending(pool))
        self._out += [m.Forget(key) for key in sorted(self.flight.asked)]
        self.agenda.clear()
        if not event.keep:
            self._emptied = True
            self._out.append(m.Reconcile())
        self._dirty.clear()
        self._stopped = True
        self._out.append(m.Finished())


def _has(pool: Pool, order: m.Ordered) -> bool:
    return any(server.ip == order.ip and server.port == order.port for server in pool.settings.reals)


_HANDLERS: dict[type, Callable[[Engine, float, Any], None]] = {
    m.Probed: Engine._probed,
    m.Ticked: Engine._ticked,
    m.Reloaded: Engine._reloaded,
    m.AddressSeen: Engine._address_seen,
    m.RouterIs: Engine._router_is,
    m.FileSays: Engine._file_says,
    m.SessionIs: Engine._session_is,
    m.Ordered: Engine._ordered,
    m.Applied: Engine._applied_,
    m.Refused: Engine._refused,
    m.Restored: Engine._restored,
    m.Stopped: Engine._stopped_,
}
