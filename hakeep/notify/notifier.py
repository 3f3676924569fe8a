"""Tells the world of state changes: notify scripts, in one lane a router, and lines in named pipes.

`notify` is called from the loop that sends adverts and does nothing that could wait: a FIFO line is one write that
never blocks, a script is one datagram to the launcher, sent by another task.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields

import trio

from hakeep.config.settled import Fifo, Global, Notify, Script, VrrpInstance
from hakeep.notify.fifo import EventPipe, event_line
from hakeep.notify.lane import Lane, Order
from hakeep.notify.script import Command, Log, Runner, ScriptError
from hakeep.notify.security import resolve_account
from hakeep.vrrp.messages import Level, NotifyChange, State

#: Seconds that a script may hold up the scripts of the router's next state.
PATIENCE = 10.0

#: What a FIFO hears of and `fifo_write_vrrp_states_on_reload` repeats: states, not incidents.
STATES = frozenset(State)

#: Not a state: its script has no `notify` beside it, and neither waits for states nor displaces them.
RX_LOWER = "MASTER_RX_LOWER_PRI"


@dataclass(eq=False)
class Reader:
    """A running `*_fifo_script`."""

    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)


class Notifier:
    """Notify scripts and FIFOs of the VRRP worker. Call `update`, keep `run` running, and `notify` at will."""

    def __init__(self, globals: Global, log: Log) -> None:
        self._log = log
        self._globals = globals
        self._runner = Runner(log)
        self._lanes: dict[tuple[str, str, bool], Lane] = {}
        self._pipes: dict[Fifo, EventPipe] = {}
        self._readers: dict[Fifo, Reader] = {}
        self._unchecked: list[Script] = []
        self._told: dict[tuple[str, str], NotifyChange] = {}
        self._patience = PATIENCE
        self._nursery: trio.Nursery | None = None
        self._open_pipes()

    # ------------------------------------------------------------------------------------- start, reload, stop

    def update(self, globals: Global, instances: Iterable[VrrpInstance]) -> None:
        """A configuration holds from now on: open its FIFOs, start their scripts anew, examine all scripts.

        Looks up the owners of FIFOs that do not exist yet, so it may block where accounts are not local.
        """
        self._globals = globals
        self._open_pipes()
        self._lanes = {key: lane for key, lane in self._lanes.items() if not lane.idle.is_set()}
        scripts = [script for instance in instances for script in _scripts(instance.notify)]
        scripts += [fifo.script for fifo in self._pipes if fifo.script is not None]
        self._unchecked = list(dict.fromkeys(scripts))
        if globals.fifo_write_vrrp_states_on_reload:
            for change in self._told.values():
                self._write(change)
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

    # ------------------------------------------------------------------------------------------------- events

    def notify(self, change: NotifyChange, notify: Notify) -> None:
        """Tell FIFOs and scripts of `change`; `notify` has the scripts of the instance or group. Never blocks."""
        if change.what.endswith("_PRIORITY"):
            if notify.priority_changes:
                self._write(change)
            return
        gone = change.what == State.DELETED
        if gone and not notify.deleted_is_a_state:
            change = change._replace(what=State.FAULT)  # what scripts were told before there was notify_deleted
        self._write(change)
        if gone:
            self._told.pop((change.kind, change.name), None)
        elif change.what in STATES:
            self._told[change.kind, change.name] = change
        commands = self._commands(change, notify)
        if commands:
            self._lane(change).put(Order(str(change.what), commands), self._nursery)

    def _commands(self, change: NotifyChange, notify: Notify) -> tuple[Command, ...]:
        """What to run, the script for this very state before the one for all of them."""
        own = {
            State.MASTER: notify.master,
            State.BACKUP: notify.backup,
            State.FAULT: notify.fault,
            State.STOP: notify.stop,
            State.DELETED: notify.deleted,
            RX_LOWER: notify.master_rx_lower_pri,
        }.get(change.what)
        commands = [self._command(own)] if own is not None else []
        if notify.any is not None and change.what in STATES:
            words = (change.kind, change.name, str(change.what), str(change.priority))
            commands.append(self._command(notify.any, words))
        return tuple(commands)

    def _command(self, script: Script, more: tuple[str, ...] = ()) -> Command:
        globals = self._globals
        user, group = script.user, script.group
        if user is None:
            user, group = globals.script_user, globals.script_group
        return Command(
            script.argv + more, user, group, globals.enable_script_security, globals.set_supplementary_groups
        )

    def _lane(self, change: NotifyChange) -> Lane:
        key = (change.kind, change.name, change.what == RX_LOWER)
        lane = self._lanes.get(key)
        if lane is None:
            title = f"({change.name})" if change.kind == "INSTANCE" else f"VRRP_Group({change.name})"
            lane = Lane(title, self._runner.start, self._log, lambda: self._patience)
            self._lanes[key] = lane
        return lane

    # -------------------------------------------------------------------------------------- FIFOs and checks

    def _write(self, change: NotifyChange) -> None:
        line = event_line(change.kind, change.name, change.what, change.priority)
        for pipe in self._pipes.values():
            pipe.write(line)

    def _open_pipes(self) -> None:
        """Open what the configuration names and is not open yet, close the rest."""
        named = (self._globals.notify_fifo, self._globals.vrrp_notify_fifo)
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
        command = self._command(script, (fifo.path,))
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
        command = self._command(script)
        try:
            await self._runner.check(command)
        except ScriptError as error:
            self._log(Level.ERROR, f"{command} will not run: {error}")


def _scripts(notify: Notify) -> list[Script]:
    """All scripts of an instance."""
    found = (getattr(notify, each.name) for each in fields(notify))
    return [value for value in found if isinstance(value, Script)]
