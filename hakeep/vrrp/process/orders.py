"""What the parent tells the worker to do, by its line or by a signal; and what it means when the line ends."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hakeep.config.settled import Settings
from hakeep.vrrp import messages as m
from hakeep.vrrp.process.driver import Driver
from hakeep.vrrp.process.flight import SIGNALS
from hakeep.vrrp.process.readers import Readers
from hakeep.vrrp.timers import NEVER
from hakeep.worker import Line

#: `record(why, done)` writes the flight recorder, see `flight.write_recording`.
Record = Callable[[str, Callable[[bytes], None] | None], None]


class Orders:
    """Obeys them. `keep` is whether addresses stay where they are at the end, `parent` the pid of the supervisor.

    `take_up` is called with settings once the links are there that they need.
    """

    def __init__(
        self, line: Line, readers: Readers, driver: Driver, record: Record, take_up: Callable[[Settings], None], *,
        parent: int, keep: bool,
    ) -> None:
        self.keep = keep
        self._line = line
        self._readers = readers
        self._driver = driver
        self._record = record
        self._take_up = take_up
        self._stoppers: set[str] = set()
        self._parent = parent
        self._signals_in, self._signals_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        readers.watch(line.fileno(), self._line_readable)
        readers.watch(self._signals_in, self._signalled)

    def catch_signals(self) -> None:
        """SIGQUIT has the flight recorder written, at once: a loop that does not turn any more is when it is wanted
        most. The others wait for their turn."""
        signal.signal(signal.SIGQUIT, lambda *_: self._record("on SIGQUIT", None))
        for number in SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _: object) -> None:
        with suppress(OSError):
            os.write(self._signals_out, bytes([number]))

    def _signalled(self) -> None:
        for number in os.read(self._signals_in, 64):
            if number == signal.SIGTERM:
                self._stop("signal")

    def _stop(self, who: str, keep: bool = False) -> None:
        """Stop, as `who` wants. Only who says so twice is in a hurry: when the supervisor goes, the end of its line,
        its last order and the kernel's signal may all come, and mean the same."""
        again = who in self._stoppers and os.getppid() == self._parent
        self._stoppers.add(who)
        self.keep = self.keep or keep
        if self.keep:
            self._driver.routes.keep()
        self._driver.step(m.Stopped(at_once=again, keep=self.keep))

    def _line_readable(self) -> None:
        for message in self._line.receive():
            if isinstance(message.body, Settings):
                self._reload(message.body)
            else:
                self._obey(message.body)
        if self._line.closed:
            self._readers.unwatch(self._line.fileno())
            if not self._stoppers:
                self._driver.log(m.Level.WARNING, "the supervisor is gone: stopping")
                self._stop("line")

    def _obey(self, order: dict[str, Any]) -> None:
        engine = self._driver.engine
        match order.get("do"):
            case "stop":
                self._stop("order", bool(order.get("keep")))
            case "snapshot":
                self._driver.upward.show(time.monotonic())
            case "record":
                self._record("as ordered", self._recorded)
            case "clear":
                for router in engine.routers.values():
                    router.counters.update(dict.fromkeys(router.counters, 0))
            case "tracked":
                well, value = order.get("well"), int(order.get("value", 0))
                tracked = m.Tracked(order["kind"], order["name"], well, value, str(order.get("why", "")))
                self._driver.step(tracked)
            case "standby" | "resume":
                seconds = order.get("seconds")
                until = NEVER if seconds is None else time.monotonic() + seconds
                names = tuple(order.get("routers") or engine.routers)
                self._driver.step(m.Commanded(order["do"], names, until, bool(order.get("even_if_alone"))))

    def _recorded(self, path: bytes) -> None:
        self._line.send({"do": "recorded", "path": os.fsdecode(path)})

    def _reload(self, settings: Settings) -> None:
        """Take up new settings, once the links are there that they need; meanwhile nothing changes for anybody."""
        self._driver.links.prepare(settings, lambda: self._links_are_there(settings))

    def _links_are_there(self, settings: Settings) -> None:
        if not self._stoppers:
            self._take_up(settings)
            self._line.send({"do": "reloaded"})
