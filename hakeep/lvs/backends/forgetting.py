"""Connections that must not stay where they are: forgotten beside the work.

A look at all connections of the kernel takes longer than a change of its rules (see `kernel.conntrack`), and the next
change must not wait for it. So it is done afterwards, in a thread, in a task of its own. It is a favour: where the
kernel cannot do it, clients stay where they are until they pause.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress

import trio

from hakeep.kernel.conntrack import Conntrack, Pair, Place
from hakeep.lvs.nat.chain import Entry
from hakeep.objects.ipvs import TCP, UDP, Destination, ServiceKey

Step = tuple[Entry | None, Entry | None]


class Forgetting:
    """Has a socket to the kernel's connections, in the network namespace where it was made. Raises OSError."""

    def __init__(self) -> None:
        self._conntrack = Conntrack()
        self._removed: set[Pair] = set()
        self._servers: dict[Place, Collection[Place]] = {}
        self._idle = trio.Event()
        self._idle.set()

    def after(self, steps: Iterable[Step]) -> None:
        """Services have become what the second of a pair says. Senders of datagrams that go to a server no more, or
        that came before their service did, are to be given one; of other clients those that a server which was removed
        has nothing to say to any more, or never had."""
        for before, now in steps:
            if now is None or not (place := _place(now.service.key)):
                continue
            present, past = _servers(now), _servers(before)
            if now.service.key.protocol == TCP:
                self._removed.difference_update((place, server) for server in present)
                self._removed.update((place, server) for server in past - present)
            elif now.service.key.protocol == UDP and (before is None or past != present):
                self._servers[place] = present
        if self._idle.is_set() and (self._removed or self._servers):
            self._idle = trio.Event()
            trio.lowlevel.spawn_system_task(self._work)

    async def close(self) -> None:
        """Bring to an end what was begun."""
        with trio.CancelScope(shield=True):  # a thread may be using the socket, for some milliseconds
            await self._idle.wait()
        self._conntrack.close()

    async def _work(self) -> None:
        while self._removed or self._servers:
            removed, self._removed = self._removed, set()
            servers, self._servers = self._servers, {}
            with suppress(Exception):  # whatever it was, it was a favour: and the end of this task is that of all
                if removed:
                    await trio.to_thread.run_sync(self._conntrack.forget_idle, removed)
                if servers:
                    await trio.to_thread.run_sync(self._conntrack.forget_others, UDP, servers)
        self._idle.set()


def _place(key: ServiceKey) -> Place | None:
    """Where its clients go. Those of a firewall mark, or of all ports, go to many places."""
    return (key.ip, key.port) if key.ip is not None and key.port else None


def _servers(entry: Entry | None) -> set[Place]:
    return set() if entry is None else {_at(each, entry.service.key) for each in entry.destinations}


def _at(destination: Destination, service: ServiceKey) -> Place:
    return destination.key.ip, destination.key.port or service.port
