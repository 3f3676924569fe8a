"""Which routers are in standby by an operator's order: kept over a restart of the daemon, not of the host.

The file lies under /run, which is empty after a boot, and times in it are CLOCK_BOOTTIME.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from hakeep.whole_file import read_json, write_json


@dataclass(frozen=True, slots=True)
class Order:
    """Standby until `until` (CLOCK_BOOTTIME seconds; None = until resumed)."""

    until: float | None
    even_if_alone: bool

    @property
    def seconds(self) -> float | None:
        """What is left of it, None = no end."""
        return None if self.until is None else self.until - time.clock_gettime(time.CLOCK_BOOTTIME)


class Orders:
    """The orders in force, in memory and in `file`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._orders: dict[str, Order] = {}
        try:
            for name, order in (read_json(file) or {}).items():
                until = order["until"]
                self._orders[str(name)] = Order(None if until is None else float(until), bool(order["even_if_alone"]))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            pass  # none, or not ours: nobody is in standby

    def put(self, names: Iterable[str], seconds: float | None, even_if_alone: bool) -> Order:
        """These are in standby from now on, for `seconds` (None = until resumed)."""
        until = None if seconds is None else time.clock_gettime(time.CLOCK_BOOTTIME) + seconds
        order = Order(until, even_if_alone)
        self._orders.update(dict.fromkeys(names, order))
        return order

    def drop(self, names: Iterable[str]) -> None:
        """These are not in standby any more."""
        for name in names:
            self._orders.pop(name, None)

    def current(self) -> Iterator[tuple[str, Order]]:
        """Those that still hold."""
        for name, order in list(self._orders.items()):
            if order.seconds is None or order.seconds > 0:
                yield name, order

    def save(self) -> None:
        """Write the file, whole or not at all. Raises OSError."""
        write_json(self._file, {name: asdict(order) for name, order in self.current()})
