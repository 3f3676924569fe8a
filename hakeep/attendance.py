"""What is particular to the lvs worker; its life is that of all workers in a `seat`.

No address hangs on it. When it dies the kernel's table stays as it was, and so does what clients get: only a server
that fails meanwhile is not taken out.

What is known of each check is kept here while there is nobody to know it, and given to the next one, which so does not
begin with all servers up. So is what the one before made of the table, if nobody wants that any more.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hakeep.options import Options
from hakeep.parcel import Parcel
from hakeep.seat import Plumbing, Seat, Terms, Worker
from hakeep.worker import Line, Log

if TYPE_CHECKING:
    from hakeep.in_force import InForce
    from hakeep.lvs.messages import Ordered

#: Seconds that a worker may take to empty the table: ten thousands of servers take a while.
STOP_MAX = 15.0

#: Seconds that a worker may be silent: it may be busy with ten thousands of servers. How long it takes to start with
#: them is not limited.
SILENT_MAX = 30.0


class Attendance:
    """`hear(body)` is called with what a worker says that is not for us, `orders()` has what operators want.
    `in_force`, where it is set, is told what became of a configuration."""

    in_force: InForce | None = None

    def __init__(
        self, options: Options, log: Log, plumbing: Plumbing, *, hear: Callable[[dict[str, Any]], None],
        orders: Callable[[], Iterable[Ordered]],
    ) -> None:
        self._options = options
        self._log = log
        self._hear = hear
        self._orders = orders
        self._given: deque[Parcel] = deque()  # what the worker got and has not taken up yet
        self._held = Parcel()  # what a worker took up last: the table may still be as that wants it
        self._half = Parcel()  # what one that died was about to take up: the table may have some of it
        self._memory: dict[str, str] = {}
        self._routers: dict[str, str] = {}
        self._sessions: dict[str, bool] = {}
        remains = "the kernel's table stays as it is"
        terms = Terms(
            "lvs", options.lvs_pid_file, stop_max=STOP_MAX, silent_max=SILENT_MAX, start_max=float("inf"), label="LVS",
            remains=remains, meanwhile=f"{remains} meanwhile", respawn=options.respawn,
        )
        self.seat = Seat(
            terms, log, plumbing, be=self._be_worker, hear=self._listen, born=self._born, gone=self._gone,
            died=self._died,
        )

    @property
    def before(self) -> Parcel | None:
        """What the next worker has to clear away, because nobody wants it any more."""
        return next((each for each in (self._half, self._held) if each and each != self.seat.parcel), None)

    def router_is(self, name: str, state: str) -> None:
        """A vrrp_instance reached a state; one that is started later is told as well."""
        if self._routers.get(name) != state:
            self._routers[name] = state
            self.seat.order({"do": "router", "name": name, "state": state})

    def session_is(self, name: str, up: bool) -> None:
        """A BFD session came up or went down; a worker that is started later is told as well."""
        if self._sessions.get(name) is not up:
            self._sessions[name] = up
            self.seat.order({"do": "session", "name": name, "up": up})

    def deliver(self, parcel: Parcel) -> None:
        """A Director is in force; empty = there is nothing to direct any more."""
        if parcel == self.seat.parcel or self.seat.stopping:
            return
        if not parcel:
            self._dismiss()  # who is to empty the table needs the old one
        if self.seat.deliver(parcel):
            self._given.append(parcel)
        elif not parcel and self.seat.worker is None:
            self._taken_over()

    def _taken_over(self) -> None:
        """What was delivered last is done."""
        if self.in_force is not None:
            self.in_force.taken_over(time.monotonic(), "lvs")

    # ------------------------------------------------------------------------------------------------- its life

    def _be_worker(self, line: Line) -> int:
        """The child. Beside VRRP, which must not wait for HTTP, what only it uses is not imported before."""
        from hakeep.lvs import process

        start = process.Start(
            parent=self.seat.parent, memory=self._memory, orders=tuple(self._orders()), routers=self._routers,
            sessions=self._sessions, keep=self._options.keep_ipvs, flush=not self.seat.filled,
            alone=not self._options.vrrp,
        )
        if self.before is not None:
            start = replace(start, before=self.before.value)
        return process.main(self.seat.parcel.value, line, self._log.child("hakeepd_lvs"), start)

    def _born(self) -> None:
        self._given = deque((self.seat.parcel,))

    def _listen(self, body: dict[str, Any]) -> None:
        match body.get("do"):
            case "remember":
                for check, memory in dict(body.get("checks", {})).items():
                    if memory:
                        self._memory[str(check)] = str(memory)
                    else:
                        self._memory.pop(str(check), None)
            case "taken":
                self._held, self._half = self._given.popleft(), Parcel()
                worker = self.seat.worker
                if not self._given and worker is not None and not worker.leaving:
                    self._taken_over()
            case _:
                self._hear(body)

    def _gone(self) -> None:
        if not self.seat.parcel and not self.seat.stopping:
            self._taken_over()

    def _died(self, worker: Worker, how: str, now: float) -> None:
        """The configuration before is in force again if this one is to blame."""
        self._half = self._given[-1] if self._given and worker.started else Parcel()
        if self.in_force is not None:
            self.in_force.crashed(how, now, "lvs")

    # ------------------------------------------------------------------------------------------------- the end

    def stop(self) -> None:
        """Have the worker stop; called again: at once. Told twice it does not wait for an empty table."""
        hurry, self.seat.stopping = self.seat.stopping, True
        self._dismiss(hurry)

    def _dismiss(self, hurry: bool = False) -> None:
        """Have the worker go. One that died has left the table as it was: then it is for another one to empty it."""
        keep = self._options.keep_ipvs and self.seat.stopping
        if self.seat.awaited and not keep:
            self.seat.fill()
        self.seat.dismiss(hurry, keep=keep)
