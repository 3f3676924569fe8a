"""Named pipes with the scripts that read them, and scripts that are run when something happens.

What happens is no business of this module: the notifiers of the vrrp and of the lvs worker stand on it. Nothing here
blocks who tells: a FIFO line is one write that never waits, a script is one datagram to the launcher, sent by another
task.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

import trio

from hakeep.config.settled import Fifo, Global, Script
from hakeep.notify.fifo import EventPipe
from hakeep.notify.lane import Lane, Order
from hakeep.notify.script import Command, Execution, Log, Runner, ScriptError
from hakeep.notify.security import resolve_account
from hakeep.vrrp.messages import Level

#: Seconds that a script may hold up the scripts of the next state in its lane.
PATIENCE = 10.0


@dataclass(eq=False)
class Reader:
    """A running `*_fifo_script`."""

    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)


class Herald:
    """Call `update`, keep `run` running, and `write` and `order` at will."""

    def __init__(self, globals: Global, fifos: Iterable[Fifo | None], log: Log) -> None:
        self._log = log
        self._globals = globals
        self._runner = Runner(log)
        self._lanes: dict[Hashable, Lane] = {}
        self._pipes: dict[Fifo, EventPipe] = {}
        self._readers: dict[Fifo, Reader] = {}
        self._unchecked: list[Script] = []
        self._patience = PATIENCE
        self._nursery: trio.Nursery | None = None
        self._open_pipes(fifos)

    # ------------------------------------------------------------------------------------- start, reload, stop

    def update(self, globals: Global, fifos: Iterable[Fifo | None], scripts: Iterable[Script]) -> None:
        """A configuration holds from now on: open its FIFOs, start their scripts anew, examine all scripts.

        Looks up the owners of FIFOs that do not exist yet, so it may block where accounts are not local.
        """
        self._globals = globals
        self._open_pipes(fifos)
        self._lanes = {key: lane for key, lane in self._lanes.items() if not lane.idle.is_set()}
        readers = [fifo.script for fifo in self._pipes if fifo.script is not None]
        self._unchecked = list(dict.fromkeys([*scripts, *readers]))
        if self._nursery is not None:
            self._start_reading_and_checking(self._nursery)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run scripts until cancelled; then those that still run get SIGTERM, and FIFOs that we created go."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._runner.run)
                self._nursery = nursery
                self._start_reading_and_checking(nursery)
                for lane in self._lanes.values():
                    lane.start(nursery)
                task_status.started()
        finally:
            self._nursery = None
            for pipe in self._pipes.values():
                pipe.close()

    async def drain(self, seconds: float) -> None:
        """Give scripts up to `seconds` to end, and the scripts that read FIFOs to read. From now on states do not wait
        for stuck scripts longer than half of that."""
        self._patience = seconds / 2
        with trio.move_on_after(seconds):
            for lane in list(self._lanes.values()):
                lane.hurry()
            for lane in list(self._lanes.values()):
                await lane.idle.wait()
            while any(fifo.script and pipe.unread() for fifo, pipe in self._pipes.items()):
                await trio.sleep(0.01)

    # ------------------------------------------------------------------------------------------------- telling

    def write(self, line: bytes) -> None:
        """One line for every FIFO."""
        for pipe in self._pipes.values():
            pipe.write(line)

    def order(self, key: Hashable, title: str, state: str, commands: Sequence[Command]) -> None:
        """Run these for `state`, after what runs in the lane `key` and in place of what waits there."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(title, self._runner.start, self._log, lambda: self._patience)
        lane.put(Order(state, tuple(commands)), self._nursery)

    def start(self, command: Command) -> Execution:
        """Run a command for somebody who waits for its end."""
        return self._runner.start(command)

    def command(self, script: Script, more: tuple[str, ...] = ()) -> Command:
        """`script` with `more` words, as the account that it is to have."""
        globals = self._globals
        user, group = script.user, script.group
        if user is None:
            user, group = globals.script_user, globals.script_group
        return Command(
            script.argv + more, user, group, globals.enable_script_security, globals.set_supplementary_groups
        )

    # -------------------------------------------------------------------------------------- FIFOs and checks

    def _open_pipes(self, named: Iterable[Fifo | None]) -> None:
        """Open what the configuration names and is not open yet, close the rest."""
        wanted = dict.fromkeys(fifo for fifo in named if fifo is not None)
        for fifo in [fifo for fifo, pipe in self._pipes.items() if fifo not in wanted or not pipe.is_current()]:
            self._pipes.pop(fifo).close()
        self._pipes = {fifo: self._pipes.get(fifo) or self._open_pipe(fifo) for fifo in wanted}

    def _open_pipe(self, fifo: Fifo) -> EventPipe:
        user, group = fifo.user, fifo.group
        if user is None:
            user, group = self._globals.script_user, group or self._globals.script_group
        try:
            owner = resolve_account(user, group)
        except ScriptError as error:
            self._log(Level.ERROR, f"notify FIFO {fifo.path} stays ours: {error}")
            owner = None
        return EventPipe(fifo.path, owner, self._log)

    def _start_reading_and_checking(self, nursery: trio.Nursery) -> None:
        for fifo in [fifo for fifo in self._readers if fifo not in self._pipes]:
            self._readers.pop(fifo).scope.cancel()
        for fifo in self._pipes:
            if fifo.script is not None:
                nursery.start_soon(self._read_with, fifo, fifo.script)
        for script in self._unchecked:
            nursery.start_soon(self._check, script)
        self._unchecked = []

    async def _read_with(self, fifo: Fifo, script: Script) -> None:
        """Run the script that reads a FIFO, after its predecessor has ended: two readers would share the lines."""
        predecessor, reader = self._readers.get(fifo), Reader()
        self._readers[fifo] = reader
        if predecessor is not None:
            predecessor.scope.cancel()
            await predecessor.ended.wait()
        command = self.command(script, (fifo.path,))
        with reader.scope:
            await trio.lowlevel.checkpoint()  # a successor may have come meanwhile: then this one never starts
            try:
                status = await self._runner.execute(command)
            except ScriptError as error:
                self._log(Level.ERROR, f"{command} for notify FIFO {fifo.path}: {error}")
            else:
                self._log(
                    Level.WARNING,
                    f"{command} for notify FIFO {fifo.path} has ended with status {status}; "
                    "it is started again at the next reload",
                )
        reader.ended.set()

    async def _check(self, script: Script) -> None:
        command = self.command(script)
        try:
            await self._runner.check(command)
        except ScriptError as error:
            self._log(Level.ERROR, f"{command} will not run: {error}")
