"""Adverts leave the moment they are ordered."""

from __future__ import annotations

from collections.abc import Callable

from hakeep.vrrp import messages as m


class Outbox(list[m.Effect]):
    """Where the engine puts its orders. An advert leaves the moment it is ordered, before the rest of the step is
    thought through: to take a thousand addresses is a millisecond of work, and backups are waiting.

    Only an order to open sockets may stand before it, then it waits for its turn in `Driver.perform`.
    """

    def __init__(self, send: Callable[[m.Advertise], int]) -> None:
        super().__init__()
        self._send = send
        self._results: dict[int, int] = {}
        self._ready: dict[int, int] = {}
        self._sockets_first = False

    def append(self, effect: m.Effect) -> None:
        kind = type(effect)
        if kind is m.Advertise and not self._sockets_first:
            self._results[len(self)] = self._send(effect)  # type: ignore[arg-type]
        elif kind is m.Rebind:
            self._sockets_first = True
        super().append(effect)

    def clear(self) -> None:
        self._ready, self._results = self._results, {}
        self._sockets_first = False
        super().clear()

    def pick_up(self) -> dict[int, int]:
        """The adverts among the orders of the last step that are out already, by position, with their errno or 0."""
        ready, self._ready = self._ready, {}
        return ready
