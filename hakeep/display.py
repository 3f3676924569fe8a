"""What the lvs worker said last about its virtual servers, for those who ask.

There may be ten thousands of servers: twenty megabytes. The supervisor, who guards addresses meanwhile, neither reads
nor builds that: it comes in pieces of JSON text, and goes on as it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Display:
    """`pieces` are JSON documents of virtual servers with commas between them. `reals` has the address and port of
    each real server by the name of its virtual server. Both are of one answer, and whole."""

    def __init__(self) -> None:
        self.backend = ""
        self.pieces: list[bytes] = []
        self.reals: dict[str, set[tuple[str, int]]] = {}
        self._fresh: list[bytes] = []
        self._fresh_reals: dict[str, set[tuple[str, int]]] = {}
        self._next = 0

    def take(self, body: Mapping[str, Any]) -> bool:
        """A piece of an answer: its number from 0, its text, the real servers in it. True when that was the last one.
        What a worker that died did not come to the end of is dropped."""
        number = int(body["piece"])
        if number == 0:
            self._fresh, self._fresh_reals = [], {}
        elif number != self._next:
            return False
        self._next = number + 1
        if body["text"]:
            self._fresh.append(str(body["text"]).encode())
        for name, reals in dict(body["reals"]).items():
            self._fresh_reals[name] = {(str(ip), int(port)) for ip, port in reals}
        if not body["last"]:
            return False
        self.backend = str(body["backend"])
        self.pieces, self.reals = self._fresh, self._fresh_reals
        self._fresh, self._fresh_reals = [], {}
        return True

    def has(self, virtual: str, ip: str, port: int) -> bool:
        """True if there is such a real server, in this virtual server or ("") in any."""
        chosen = self.reals.values() if not virtual else (self.reals.get(virtual, set()),)
        return any((ip, port) in reals for reals in chosen)
