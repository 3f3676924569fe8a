"""One lane a virtual router or group: its scripts run one state after the other, and the newest state wins.

keepalived starts a script for each change at once, so that on a flapping router the script for BACKUP may finish after
the one for MASTER and leave a service in the wrong state. Here a change that comes while scripts run waits, and one
that comes after it takes its place: what is run last is always what the router is. Only the states in between are lost,
and a FIFO still has them.

A script that never ends must not keep the router's next state from its own script for ever. After `patience` seconds
the newer one is started beside it, as keepalived would have done at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from hakeep.notify.script import Command, Execution, Log, ScriptError
from hakeep.vrrp.messages import Level

Start = Callable[[Command], Execution]


@dataclass(frozen=True, slots=True)
class Order:
    """The commands of one state. They are started in this order and run in parallel."""

    state: str
    commands: tuple[Command, ...]


@dataclass(eq=False)
class Batch:
    """The commands of an order that still run."""

    order: Order
    started: float
    left: int


@dataclass(eq=False)
class Lane:
    """`title` begins its log lines, such as ``(VI_1)``; `begin` starts a command; `patience` is asked anew each time.

    `put` never blocks; the tasks are children of `nursery`. `idle` is set while nothing runs and nothing waits.
    """

    title: str
    begin: Start
    log: Log
    patience: Callable[[], float]
    idle: trio.Event = field(default_factory=trio.Event)
    _pending: Order | None = None
    _batches: list[Batch] = field(default_factory=list)
    _working: bool = False
    _news: trio.Event = field(default_factory=trio.Event)

    def __post_init__(self) -> None:
        self.idle.set()

    def put(self, order: Order, nursery: trio.Nursery | None) -> None:
        """Run this next, in place of what was to run next. Without a nursery it waits for `start`."""
        self._pending = order
        if self.idle.is_set():
            self.idle = trio.Event()
        self._news.set()
        if nursery is not None:
            self.start(nursery)

    def start(self, nursery: trio.Nursery) -> None:
        """Begin to work on what `put` left, unless that goes on already."""
        if self._pending is not None and not self._working:
            self._working = True
            nursery.start_soon(self._work, nursery)

    def hurry(self) -> None:
        """Patience has changed: look at the clock again."""
        self._news.set()

    async def _work(self, nursery: trio.Nursery) -> None:
        while self._pending is not None:
            order, self._pending = self._pending, None
            batch = Batch(order, trio.current_time(), len(order.commands))
            self._batches.append(batch)
            for command in order.commands:
                nursery.start_soon(self._follow, command, self.begin(command), batch)
            await self._until_free(batch)
        self._working = False
        self._rest()

    async def _until_free(self, batch: Batch) -> None:
        """Return when the batch has ended, or when a newer state has waited long enough."""
        while batch.left:
            limit = batch.started + self.patience()
            if self._pending is not None and trio.current_time() >= limit:
                stuck = " and ".join(str(command) for command in batch.order.commands)
                self.log(
                    Level.WARNING,
                    f"{self.title} {stuck} for {batch.order.state} has not ended; "
                    f"starting the scripts for {self._pending.state} beside it",
                )
                return
            self._news = trio.Event()
            with trio.move_on_at(limit if self._pending is not None else float("inf")):
                await self._news.wait()

    async def _follow(self, command: Command, execution: Execution, batch: Batch) -> None:
        what = f"{self.title} {command} for {batch.order.state}"
        try:
            status = await execution.ended()
        except ScriptError as error:
            self.log(Level.ERROR, f"{what}: {error}")
        else:
            if status:
                how = f"exited with status {status}" if status > 0 else f"was ended by signal {-status}"
                self.log(Level.WARNING, f"{what} {how}")
        batch.left -= 1
        if not batch.left:
            self._batches.remove(batch)
            self._news.set()
            self._rest()

    def _rest(self) -> None:
        if not self._working and not self._batches:
            self.idle.set()
