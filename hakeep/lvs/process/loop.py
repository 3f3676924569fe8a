"""The loop: the one task that touches the LVS engine.

News come from everywhere (answers of probes, the parent, the kernel, the lane) and are put into one inbox; the loop
takes them out, tells the engine, and does what the engine orders. Nothing that it does itself waits for anything.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import trio

from hakeep.config.settled import Fifo, Script
from hakeep.config.settled_lvs import Director, FileProbe
from hakeep.lvs import messages as m
from hakeep.lvs.backends import Backend
from hakeep.lvs.backends.choice import choose
from hakeep.lvs.checkers import Kit, unsupported
from hakeep.lvs.checkers.tls import Sessions
from hakeep.lvs.engine import Engine
from hakeep.lvs.marks import marks, table_name
from hakeep.lvs.process.asking import Asking
from hakeep.lvs.process.lane import TableLane
from hakeep.lvs.process.marking import MarkLane
from hakeep.lvs.process.outside import Addresses, Files
from hakeep.lvs.process.show import Show
from hakeep.lvs.process.start import Start
from hakeep.lvs.words import asked
from hakeep.notify.herald import Herald
from hakeep.objects.ipvs import Timeouts
from hakeep.vrrp.messages import Log as Said
from hakeep.worker import ERROR, WARNING, Line, Log

#: News that are taken out of the inbox before others get their turn.
BURST = 64

#: What ends a line of a FIFO: keepalived's checkers write the NUL of the string as well, and readers count on it.
FIFO_END = b"\n\0"

#: Seconds that the table has to become what is wanted at the end, and scripts have to finish.
LAST_CHANGES, SCRIPTS = 12.0, 1.0

#: Under this key the successor is told, among what is known of checks, which timeouts the kernel had before us.
BORROWED = "timeouts before"

#: Virtual servers in one message that tells of their quorums.
QUORUMS = 200

#: Seconds between two words to the parent that we are alive.
PULSE = 2.0


class LvsProcess:
    """Everything the worker has. `line` connects it to the parent."""

    def __init__(self, director: Director, line: Line, log: Log, start: Start) -> None:
        self.director = director
        self.home = director.backend  # as long as we live: the table of another one would stay behind
        self.line = line
        self.log = log
        self.start = start
        self.keep = start.keep
        self.inbox: deque[m.Event] = deque()
        self.news = trio.Event()
        self.stoppers: set[str] = set()
        self.parent = os.getppid()
        self.finished = False
        self.last_moments: trio.CancelScope | None = None
        self.memory: dict[m.CheckKey, str] = {}
        self.unsent = trio.Event()
        self.showing = self.stirred = False
        self.changed: set[str] = set()  # virtual servers of which something is new
        self.quorums: dict[str, bool] = {}  # what the parent was told of each
        self.herald = Herald(director.globals, self._fifos(), log)
        self.addresses = Addresses(self.tell)
        self.files = Files(self.tell)
        now = time.monotonic()
        memory = dict(start.memory)
        self.borrowed = memory.pop(BORROWED, "")
        self.engine = Engine(start.before or director, now, memory=memory, orders=start.orders)
        self.lane = TableLane(self.engine, self._choose, self.tell, log, start.flush, _timeouts(self.borrowed))
        left = table_name(start.before) if start.before and start.before.mark_table else ""
        self.marking = MarkLane(log, left, director.globals.net_namespace_ipvs)
        self.asking: Asking
        self.nursery: trio.Nursery

    def tell(self, event: m.Event) -> None:
        """Something has happened: the engine will be told in the order of these calls."""
        self.inbox.append(event)
        self.news.set()

    # ------------------------------------------------------------------------------------------------- life

    async def run(self) -> None:
        """Serve until stopped."""
        async with trio.open_nursery() as nursery:
            self.nursery = nursery
            self.asking = Asking(nursery, Kit(self.herald.start, self.herald.command), self.tell, self.log)
            self.herald.update(self.director.globals, self._fifos(), _scripts(self.director))
            await nursery.start(self.herald.run)
            for task in (self._listen, self._speak, self._pulse, self._signals):
                nursery.start_soon(task)
            for room in (self.addresses, self.files, self.lane, self.marking):
                nursery.start_soon(room.run)
            self._follow()
            for name, state in self.start.routers.items():
                self.tell(m.RouterIs(name, state))
            for name, up in self.start.sessions.items():
                self.tell(m.SessionIs(name, up))
            self._say({"do": "started"})
            self._perform(self.engine.begin())
            self._tell_quorums()
            if self.start.before is not None:
                self.tell(m.Reloaded(self.director))
            else:
                nursery.start_soon(self._take_up)
            await self._drive()
            await self._wind_up()
            nursery.cancel_scope.cancel()

    async def _drive(self) -> None:
        """Until the engine has finished."""
        while not self.finished:
            if not self.inbox:
                wait = self.engine.deadline - time.monotonic()
                if wait > 0:
                    with trio.move_on_after(wait):
                        await self.news.wait()
            self.news = trio.Event()
            for _ in range(min(BURST, len(self.inbox))):
                event = self.inbox.popleft()
                self._perform(self.engine.step(time.monotonic(), event))
                if isinstance(event, m.Reloaded):
                    self.lane.retime()
                    self.nursery.start_soon(self._take_up)
            now = time.monotonic()
            if self.engine.deadline <= now:
                self._perform(self.engine.step(now, m.Ticked()))
            self._remember()
            self._tell_quorums()
            await trio.lowlevel.checkpoint()

    async def _wind_up(self) -> None:
        """The engine wants an empty table, or what it had (`keep`). A second order to stop does not wait for it."""
        with trio.move_on_after(LAST_CHANGES) as self.last_moments:
            if not self.keep:
                await self._last_changes()
            await self.herald.drain(SCRIPTS)
        if self.last_moments.cancelled_caught:
            self.log(WARNING, "there was no time for the table, or for scripts, to come to their end")
        self._remember()
        self.line.flush()

    async def _last_changes(self) -> None:
        try:
            await self.lane.finish()
            await self.marking.release()
        except Exception as error:  # whatever a backend does: scripts are still to end, and the parent is waiting
            self.log(ERROR, f"the table may not be as it should be at the end: {error}")

    # ------------------------------------------------------------------------------------------------- effects

    def _perform(self, effects: list[m.Effect]) -> None:
        for effect in effects:
            _PERFORM[type(effect)](self, effect)

    def _ask(self, effect: m.Ask) -> None:
        self.asking.ask(effect)

    def _forget(self, effect: m.Forget) -> None:
        self.asking.forget(effect)

    def _reconcile(self, effect: m.Reconcile) -> None:
        self.lane.want(effect.only)

    def _tell_others(self, effect: m.Tell) -> None:
        self.herald.write(effect.line.encode(errors="surrogateescape") + FIFO_END)
        if effect.script is not None:
            subject, _, state = effect.line.rpartition(" ")
            self.herald.order(subject, subject, state, (self.herald.command(effect.script),))

    def _tell_people(self, effect: m.Report) -> None:
        self._say({"do": "news", **effect._asdict()})

    def _note_memory(self, effect: m.Remember) -> None:
        self.memory[effect.key] = effect.memory

    def _changed(self, effect: m.Changed) -> None:
        """Who looks at our status asks for it, and is told once that it is worth while."""
        self.changed.add(effect.virtual)
        if not self.stirred:
            self.stirred = True
            self._say({"do": "lvs_changed"})

    def _write_log(self, effect: Said) -> None:
        self.log(effect.level, effect.text, effect.detail)

    def _finish(self, _: m.Finished) -> None:
        self.finished = True

    def _synchronise(self, _: m.SyncChanged) -> None:
        self.lane.synchronise()

    def _remember(self) -> None:
        """Send what a successor must know, once a turn."""
        borrowed = json.dumps(self.lane.borrowed) if self.lane.borrowed is not None else ""
        if borrowed != self.borrowed:
            self.borrowed = self.memory[BORROWED] = borrowed
        if self.memory:
            self._say({"do": "remember", "checks": self.memory})
            self.memory = {}

    def _tell_quorums(self) -> None:
        """Tell which virtual servers have a quorum now, or have it no more, once a turn: instances may go by it."""
        states = []
        for name in self.changed:
            pool = self.engine.roster.pools.get(name)
            if pool is None:
                self.quorums.pop(name, None)
            elif self.quorums.get(name) is not pool.now.quorum:
                up = self.quorums[name] = pool.now.quorum
                states.append([name, up, "" if up else f"weights {pool.now.total}, quorum {pool.settings.quorum}"])
        self.changed.clear()
        for begin in range(0, len(states), QUORUMS):
            self._say({"do": "quorums", "states": states[begin : begin + QUORUMS]})

    # ------------------------------------------------------------------------------------------------- the parent

    async def _signals(self) -> None:
        with trio.open_signal_receiver(signal.SIGTERM) as received:
            async for _ in received:
                self._stop("signal")

    def _say(self, body: dict[str, Any]) -> None:
        self.line.send(body)
        self.unsent.set()

    async def _speak(self) -> None:
        """Send on what the line had no room for: all servers together may be megabytes."""
        while not self.line.closed:
            self.unsent = trio.Event()
            if self.line.waiting:
                await trio.lowlevel.wait_writable(self.line.fileno())
                self.line.flush()
            else:
                await self.unsent.wait()

    async def _pulse(self) -> None:
        """Show the parent that we turn. It needs no more than one such word at a time."""
        while True:
            if not self.line.waiting:
                self._say({"do": "alive"})
            await trio.sleep(PULSE)

    async def _listen(self) -> None:
        while not self.line.closed:
            await trio.lowlevel.wait_readable(self.line.fileno())
            for message in self.line.receive():
                if isinstance(message.body, Director):
                    self._reload(message.body)
                else:
                    self._obey(message.body)
        if not self.stoppers:
            self.log(WARNING, "the supervisor is gone: stopping")
            self._stop("line")

    def _obey(self, order: dict[str, Any]) -> None:
        match order.get("do"):
            case "stop":
                self.keep = self.keep and bool(order.get("keep"))
                self._stop("order")
            case "snapshot" if not self.showing:  # who asks while that takes its time gets the same answer
                self.showing = True
                self.nursery.start_soon(self._show)
            case "router":
                self.tell(m.RouterIs(str(order["name"]), str(order["state"])))
            case "session":
                self.tell(m.SessionIs(str(order["name"]), bool(order["up"])))
            case "order":
                self.tell(m.Ordered(
                    str(order["what"]), ip_address(order["ip"]), int(order["port"]), str(order.get("virtual", "")),
                    int(order.get("weight", 0))))

    def _stop(self, who: str) -> None:
        """Stop, as `who` wants. Only who says so twice is in a hurry: when the supervisor goes, the end of its line and
        the kernel's signal both come, and mean the same."""
        again = who in self.stoppers and os.getppid() == self.parent
        if not self.stoppers:
            self.tell(m.Stopped(self.keep))
        self.stoppers.add(who)
        if again and self.last_moments is not None:
            self.last_moments.cancel()

    async def _show(self) -> None:
        """Tell the parent what we know, with what the backend counts."""
        self.stirred = False
        usage = await self.lane.usage()
        name = self.lane.backend.name if self.lane.backend is not None else ""
        await Show(self.engine, name, self._say, self.log).run(usage)
        self.showing = False

    def _reload(self, director: Director) -> None:
        if director.backend not in (self.home, self.director.backend):
            text = f"lvs_backend {director.backend} counts from the next start: until then it is {self.home}"
            self.log(WARNING, text)
        self.director = director
        self.tell(m.Reloaded(director))
        self.herald.update(director.globals, self._fifos(), _scripts(director))
        self.asking.kit.sessions = Sessions()
        self._follow()

    async def _take_up(self) -> None:
        """The engine has what the parent gave us; tell it once the table is as that wants it, as far as can be."""
        await self.lane.settled()
        self._say({"do": "taken"})

    def _follow(self) -> None:
        """Watch what the configuration makes us follow, and say which checks cannot be made here."""
        virtual = self.director.virtual
        said: set[object] = set()
        for check in (check for each in virtual for real in each.reals for check in real.checks):
            if check.probe not in said:
                said.add(check.probe)
                why = unsupported(check.probe)
                if why:
                    self.log(ERROR, f"{asked(check)}: {why}")
        self.addresses.follow(ip for each in virtual if each.ha_suspend for ip in each.addresses)
        self.files.follow(dict.fromkeys(
            check.probe.path for each in virtual for real in each.reals for check in real.checks
            if isinstance(check.probe, FileProbe)))
        if self.lane.backend is not None:
            self.marking.want(marks(self.director, self.lane.backend.name))

    def _fifos(self) -> tuple[Fifo | None, ...]:
        """The general one, and ours. The script that reads the general one is the vrrp worker's, if there is one."""
        general = self.director.globals.notify_fifo
        if general is not None and not self.start.alone:
            general = replace(general, script=None)
        return general, self.director.lvs_notify_fifo

    async def _choose(self) -> Backend:
        backend = await choose(self.home, self.log, self.director.globals.net_namespace_ipvs)
        self.marking.want(marks(self.director, backend.name))
        return backend


def _timeouts(memory: str) -> Timeouts | None:
    """The inverse of what `_remember` makes of them."""
    return Timeouts(*json.loads(memory)) if memory else None


def _scripts(director: Director) -> list[Script]:
    found = [script for each in director.virtual for script in (each.quorum_up, each.quorum_down)]
    found += [script for each in director.virtual for real in each.reals
              for script in (real.notify_up, real.notify_down)]
    return [script for script in dict.fromkeys(found) if script is not None]


_PERFORM: dict[type, Callable[[LvsProcess, Any], None]] = {
    m.Ask: LvsProcess._ask,
    m.Forget: LvsProcess._forget,
    m.Reconcile: LvsProcess._reconcile,
    m.Tell: LvsProcess._tell_others,
    m.Report: LvsProcess._tell_people,
    m.Remember: LvsProcess._note_memory,
    m.Changed: LvsProcess._changed,
    m.SyncChanged: LvsProcess._synchronise,
    Said: LvsProcess._write_log,
    m.Finished: LvsProcess._finish,
}
