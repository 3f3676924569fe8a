"""Every invariant notices when the thing it watches is broken: sabotage is found within a few worlds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hakeep.objects.diff import Remove
from hakeep.vrrp import router as router_
from hakeep.vrrp import timers, wanted
from hakeep.vrrp.engine import Engine
from hakeep.vrrp.holding import Holding
from hakeep.vrrp.messages import Changed, State
from hakeep.vrrp.router import VirtualRouter
from hakeep.vrrp.standing import Standing
from hakeep.vrrp.watch import Watch
from tests.simulation import host as host_
from tests.simulation.invariants import Violated
from tests.simulation.world import run

Patch = pytest.MonkeyPatch


def deaf_masters(patch: Patch) -> None:
    patch.setitem(router_.ANSWERS, (State.MASTER, Standing.BETTER), lambda *_: None)


def a_fence_that_closes_late(patch: Patch) -> None:
    patch.setattr(host_, "fence_timeout", lambda instance: 8 * instance.advert_int)


def leases_that_last(patch: Patch) -> None:
    patch.setattr(wanted, "lease_seconds", lambda instance: 60)


def addresses_that_go_at_once(patch: Patch) -> None:
    patch.setattr(Holding, "hand_over", lambda self, now, limit, at_once: self.release())


def losers_that_let_go_at_once(patch: Patch) -> None:
    step = VirtualRouter.step_down
    patch.setattr(VirtualRouter, "step_down", lambda self, now, why, wait, overlap=0.0: step(self, now, why, wait))


def losers_that_do_not_let_go(patch: Patch) -> None:
    patch.setattr(timers, "overlap", lambda addresses: 0.3)
    patch.setattr(Holding, "announced_elsewhere", lambda self, interface, ip: None)


def backups_that_wait_too_long(patch: Patch) -> None:
    arm = Watch.arm_down
    patch.setattr(Watch, "arm_down", lambda self, at, wait: arm(self, at, 2 * wait))


def nobody_claims(patch: Patch) -> None:
    patch.setattr(Holding, "claim", lambda self, now: None)
    patch.setattr(Holding, "heal", lambda self, now, wait=None: None)


def hands_on_other_peoples_addresses(patch: Patch) -> None:
    changes = Engine.changes

    def greedy(self: Engine, names: Any) -> Any:
        others = [a for per in self.host.others.values() for a in per.values()]
        return [*changes(self, names), *(Remove(a.key, a) for a in others[1:])]

    patch.setattr(Engine, "changes", greedy)


def a_reload_that_says_something(patch: Patch) -> None:
    reload = Engine._install

    def chatty(self: Engine, settings: Any, now: float) -> None:
        reload(self, settings, now)
        if now > 5:
            self.out.append(Changed("V", State.BACKUP))

    patch.setattr(Engine, "_install", chatty)


def addresses_that_stay(patch: Patch) -> None:
    patch.setattr(Holding, "release", lambda self: None)


def nobody_puts_back(patch: Patch) -> None:
    patch.setattr(Holding, "lost", lambda self, key, now: True)


@pytest.mark.parametrize(
    ("sabotage", "letters"),
    [
        (deaf_masters, "ab"),
        (a_fence_that_closes_late, "b"),
        (leases_that_last, "b"),
        (addresses_that_go_at_once, "c"),
        (losers_that_let_go_at_once, "c"),
        (losers_that_do_not_let_go, "b"),
        (backups_that_wait_too_long, "ac"),
        (nobody_claims, "d"),
        (hands_on_other_peoples_addresses, "e"),
        (a_reload_that_says_something, "f"),
        (addresses_that_stay, "g"),
        (nobody_puts_back, "ch"),
    ],
)
def test_sabotage_is_found(sabotage: Callable[[Patch], None], letters: str, monkeypatch: Patch) -> None:
    sabotage(monkeypatch)
    for seed in range(60):
        try:
            run(seed, life=300.0)
        except Violated as violation:
            assert str(violation)[1] in letters
            return
    raise AssertionError("sixty worlds went by and nobody noticed")
