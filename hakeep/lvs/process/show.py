"""The answer to who asks how the virtual servers are: in pieces, with a turn for all others after each.

Ten thousands of servers take seconds. No answer of a server waits for that, and the parent gets no more at a time than
it can pass on in no time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import trio

from hakeep.lvs.engine import Engine
from hakeep.objects.ipvs import DestinationKey, ServiceKey, Usage
from hakeep.report.snapshot import to_document
from hakeep.report.virtual import Counted, snapshots
from hakeep.worker import ERROR, Log

#: Seconds of work after which the others get a turn, and letters of a piece.
SLICE = 0.005
LETTERS = 1 << 16


class Show:
    """One answer. `say` sends a message to the parent."""

    def __init__(self, engine: Engine, backend: str, say: Callable[[dict[str, Any]], None], log: Log) -> None:
        self._engine = engine
        self._backend = backend
        self._say = say
        self._log = log
        self._texts: list[str] = []
        self._reals: dict[str, list[tuple[str, int]]] = {}
        self._letters = self._number = 0
        self._since = time.monotonic()

    async def run(self, usage: Mapping[ServiceKey | DestinationKey, Usage]) -> None:
        """Tell of all virtual servers, and what was counted."""
        counted = Counted()
        for key, each in usage.items():
            counted.add(key, each)
            await self._pause()
        shift = time.time() - time.monotonic()
        for name in list(self._engine.roster.pools):
            status = self._engine.snapshot(time.monotonic(), (name,))  # nothing of what a reload has just removed
            for found in snapshots(status.virtual, counted, shift):
                try:
                    text = json.dumps(to_document(found), separators=(",", ":"), allow_nan=False)
                except ValueError as error:  # a checker of somebody else's package
                    self._log(ERROR, f"virtual server {name} cannot be shown: {error}")
                    continue
                self._texts.append(text)
                self._letters += len(text)
                self._reals[found.name] = [(real.ip, real.port) for real in found.reals]
            if self._letters >= LETTERS:
                self._send(last=False)
            await self._pause()
        self._send(last=True)

    def _send(self, *, last: bool) -> None:
        self._say({"do": "lvs_snapshot", "piece": self._number, "last": last, "backend": self._backend,
                   "text": ",".join(self._texts), "reals": self._reals})
        self._number, self._letters = self._number + 1, 0
        self._texts, self._reals = [], {}

    async def _pause(self) -> None:
        """Let the others work when it is time for that."""
        if time.monotonic() - self._since > SLICE:
            await trio.lowlevel.checkpoint()
            self._since = time.monotonic()
