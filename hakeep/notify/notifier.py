"""Tells the world of a router's state changes: notify scripts, in one lane a router, lines in named pipes, and news for
people, who get them from the parent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any

import trio

from hakeep.config.settled import Global, Notify, Script, SyncGroup, VrrpInstance
from hakeep.notify.fifo import event_line
from hakeep.notify.herald import Herald
from hakeep.notify.news import of_change
from hakeep.notify.script import Command, Log
from hakeep.vrrp.messages import NotifyChange, State

#: What a FIFO hears of and `fifo_write_vrrp_states_on_reload` repeats: states, not incidents.
STATES = frozenset(State)

#: Not a state: its script has no `notify` beside it, and neither waits for states nor displaces them.
RX_LOWER = "MASTER_RX_LOWER_PRI"


class Notifier:
    """Notify scripts and FIFOs of the VRRP worker. Call `update`, keep `run` running, and `notify` at will.

    `report` is given what people are to be told (`News.as_order`), if the configuration has mail or a webhook.
    """

    def __init__(
        self, globals: Global, log: Log, report: Callable[[dict[str, Any]], None] = lambda order: None
    ) -> None:
        self._globals = globals
        self._report = report
        self._herald = Herald(globals, (globals.notify_fifo, globals.vrrp_notify_fifo), log)
        self._told: dict[tuple[str, str], NotifyChange] = {}

    def update(self, globals: Global, those: Iterable[VrrpInstance | SyncGroup]) -> None:
        """A configuration holds from now on: see `Herald.update`."""
        self._globals = globals
        scripts = [script for each in those for script in _scripts(each.notify)]
        self._herald.update(globals, (globals.notify_fifo, globals.vrrp_notify_fifo), scripts)
        if globals.fifo_write_vrrp_states_on_reload:
            for change in self._told.values():
                self._write(change)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run scripts until cancelled; then those that still run get SIGTERM, and FIFOs that we created go."""
        await self._herald.run(task_status)

    async def drain(self, seconds: float) -> None:
        """Give scripts and readers of FIFOs up to `seconds` to end: see `Herald.drain`."""
        await self._herald.drain(seconds)

    def notify(self, change: NotifyChange, notify: Notify, why: str = "") -> None:
        """Tell FIFOs, scripts and people of `change`; `notify` has the scripts of the instance or group, and `why` is a
        reason for people. Never blocks."""
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
        if self._globals.tells and (news := of_change(change, notify, why)) is not None:
            self._report(news.as_order())
        commands = self._commands(change, notify)
        if commands:
            title = f"({change.name})" if change.kind == "INSTANCE" else f"VRRP_Group({change.name})"
            key = (change.kind, change.name, change.what == RX_LOWER)
            self._herald.order(key, title, str(change.what), commands)

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
        commands = [self._herald.command(own)] if own is not None else []
        if notify.any is not None and change.what in STATES:
            words = (change.kind, change.name, str(change.what), str(change.priority))
            commands.append(self._herald.command(notify.any, words))
        return tuple(commands)

    def _write(self, change: NotifyChange) -> None:
        self._herald.write(event_line(change.kind, change.name, change.what, change.priority))


def _scripts(notify: Notify) -> list[Script]:
    """All scripts of an instance."""
    found = (getattr(notify, each.name) for each in fields(notify))
    return [value for value in found if isinstance(value, Script)]
