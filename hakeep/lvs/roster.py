"""Which virtual servers and checks there are, and what a new configuration makes of those that were.

A virtual server whose settings are the same is the same object afterwards: nothing about it is worked out again. Of
the others, checks move over by their keys: who asks the same as before goes on where it was. Nobody gets well by a
reload: where a server's failed check is not among the new ones, those that are new begin as failed, too.

A service belongs to the first virtual server that names it. What was named and is not any more stays known as former,
so that it is removed from the table and not taken for somebody else's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from hakeep.config.settled_lvs import RealServer, VirtualServer
from hakeep.lvs.check import Inquiry, Verdict, key
from hakeep.lvs.messages import CheckKey
from hakeep.lvs.pool import Pool
from hakeep.objects.ipvs import ServiceKey
from hakeep.objects.rtnl import IPAddress


class Turnover(NamedTuple):
    """What a configuration changed. `fresh`: new pools, each with the one whose place it takes; `gone`: pools without
    a successor; `regrouped`: pools that go on with other services, because another one gave them up or took them.
    `born` and `dead` are checks, `touched` are the keys of all whose users are others; `quarrels`: services that two
    virtual servers name, the first of which has it."""

    fresh: list[tuple[Pool, Pool | None]]
    gone: list[Pool]
    regrouped: list[Pool]
    born: list[Inquiry]
    dead: list[Inquiry]
    touched: dict[CheckKey, None]
    quarrels: list[tuple[ServiceKey, str, str]]


class Roster:
    """All that is configured. `users` says which pools go by a check."""

    def __init__(self) -> None:
        self.pools: dict[str, Pool] = {}
        self.inquiries: dict[CheckKey, Inquiry] = {}
        self.users: dict[CheckKey, dict[str, Pool]] = {}
        self.owners: dict[ServiceKey, str] = {}
        self.former: dict[ServiceKey, str] = {}

    def install(self, virtual: Iterable[VirtualServer]) -> Turnover:
        """A configuration holds from now on. The line-ups of fresh pools are not worked out yet."""
        turnover = Turnover([], [], [], [], [], {}, [])
        before, self.pools = self.pools, {}
        for settings in virtual:
            old = before.get(settings.name)
            if old is None or old.settings != settings:
                pool = self._make(settings, old, turnover)
                turnover.fresh.append((pool, old))
                self.pools[settings.name] = pool
            else:
                self.pools[settings.name] = old
        turnover.gone.extend(pool for name, pool in before.items() if name not in self.pools)
        self._link(turnover)
        self._share_out(turnover)
        return turnover

    def _make(self, settings: VirtualServer, old: Pool | None, turnover: Turnover) -> Pool:
        known: dict[tuple[IPAddress, int], tuple[Inquiry, ...]] = {}
        if old is not None:
            known = {
                (server.ip, server.port): several
                for server, several in zip(old.settings.reals, old.inquiries, strict=True)
            }
        return Pool(settings, [
            self._inquiries(server, known.get((server.ip, server.port), ()), turnover) for server in settings.reals
        ])

    def _inquiries(self, server: RealServer, before: tuple[Inquiry, ...], turnover: Turnover) -> tuple[Inquiry, ...]:
        keys = [key(check) for check in server.checks]
        begin: Verdict | None = None
        failing = [inquiry for inquiry in before if not inquiry.verdict.up]
        if failing and not any(inquiry.key in keys for inquiry in failing):
            verdict = failing[0].verdict
            begin = Verdict(False, verdict.proved, f"{verdict.why} (before the reload)")
        found = []
        for name, check in zip(keys, server.checks, strict=True):
            inquiry = self.inquiries.get(name)
            if inquiry is None:
                inquiry = self.inquiries[name] = Inquiry(name, check, begin)
                turnover.born.append(inquiry)
            found.append(inquiry)
        return tuple(found)

    def _link(self, turnover: Turnover) -> None:
        """Who goes by which check, and which of them nobody goes by any more."""
        touched = turnover.touched
        for pool in (*(old for _, old in turnover.fresh if old is not None), *turnover.gone):
            for name in pool.keys:
                del self.users[name][pool.name]
                touched[name] = None
        for pool, _ in turnover.fresh:
            for name in pool.keys:
                touched[name] = None
                self.users.setdefault(name, {})[pool.name] = pool
        for name in touched:
            if not self.users[name]:
                del self.users[name]
                turnover.dead.append(self.inquiries.pop(name))

    def _share_out(self, turnover: Turnover) -> None:
        """Which service is whose."""
        owners: dict[ServiceKey, str] = {}
        fresh = {pool.name for pool, _ in turnover.fresh}
        for name, pool in self.pools.items():
            for service in pool.settings.services:
                owner = owners.setdefault(service.key, name)
                if owner != name and (name in fresh or owner in fresh):
                    turnover.quarrels.append((service.key, owner, name))
            mine = tuple(service for service in pool.settings.services if owners[service.key] == name)
            if mine != pool.rows.services:
                pool.give(mine)
                if name not in fresh:
                    turnover.regrouped.append(pool)
        for service_key, name in self.owners.items():
            if service_key not in owners:
                self.former[service_key] = name
        for service_key in owners:
            self.former.pop(service_key, None)
        self.owners = owners
