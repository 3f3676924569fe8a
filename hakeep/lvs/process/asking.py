"""The probes that are under way.

The engine says how many there may be and never asks the same twice at a time, so there is nothing to queue here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import trio

from hakeep.lvs import messages as m
from hakeep.lvs.checkers import CHECKERS, Checker, Kit, all_checkers
from hakeep.worker import ERROR, Log


class Asking:
    """Runs probes in `nursery`; their answers go to `told`. `kit` is what checkers work with."""

    def __init__(self, nursery: trio.Nursery, kit: Kit, told: Callable[[m.Probed], None], log: Log) -> None:
        self.kit = kit
        self._checkers = _checkers(log)
        self._nursery = nursery
        self._told = told
        self._log = log
        self._running: dict[m.CheckKey, trio.CancelScope] = {}

    def ask(self, effect: m.Ask) -> None:
        """Begin a probe."""
        scope = self._running[effect.key] = trio.CancelScope()
        self._nursery.start_soon(self._probe, effect, scope)

    def forget(self, effect: m.Forget) -> None:
        """Nobody waits for this answer any more."""
        scope = self._running.pop(effect.key, None)
        if scope is not None:
            scope.cancel()

    async def _probe(self, effect: m.Ask, scope: trio.CancelScope) -> None:
        key, check, step = effect
        with scope:
            try:
                result = await self._checkers[type(check.probe)](check.probe, step, self.kit)
            except Exception as error:  # a defect of ours must not take all other checks with it, nor the server out
                self._log(ERROR, f"the checker of {check.kind} failed, a defect of hakeep: {error!r}")
                result = m.Result(False, "our own checker failed", local=True)
            if self._running.get(key) is scope:
                del self._running[key]
                self._told(m.Probed(key, step, result))


def _checkers(log: Log) -> Mapping[type, Checker]:
    """All there are; only ours when one of somebody else's cannot be imported."""
    try:
        return all_checkers()
    except Exception as error:  # whatever a package does when it is imported
        log(ERROR, f"checkers of other packages cannot be loaded, only ours are there: {error!r}")
        return CHECKERS
