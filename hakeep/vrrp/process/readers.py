"""Who reads which descriptor."""

from __future__ import annotations

import select
from collections.abc import Callable
from contextlib import suppress

#: Descriptors looked at in one turn. Of each socket at most a burst is taken in before timers are looked at.
SOCKETS = 64

Ready = list[tuple[int, int]]


class Readers:
    """The descriptors that the loop waits on, each with what reads it."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, Callable[[], None]] = {}

    def watch(self, fd: int, reader: Callable[[], None]) -> None:
        """Have this called when there is something to read."""
        self._readers[fd] = reader
        self._epoll.register(fd, select.EPOLLIN)

    def unwatch(self, fd: int) -> None:
        """No more. The descriptor may be closed already."""
        if self._readers.pop(fd, None) is not None:
            with suppress(OSError):
                self._epoll.unregister(fd)

    def wait(self, seconds: float | None) -> Ready:
        """Wait so long for something to read; None = as long as it takes."""
        return self._epoll.poll(seconds, SOCKETS)

    def read(self, ready: Ready) -> None:
        """Call their readers. A reader may have taken another one's descriptor away."""
        for fd, _ in ready:
            reader = self._readers.get(fd)
            if reader is not None:
                reader()

    def read_what_is_there(self) -> None:
        """Without waiting."""
        self.read(self.wait(0))
