"""A thread that stands in the kernel so that nobody else has to.

To add a thousand addresses keeps the kernel busy for 15 milliseconds, and whoever asked for it. Here that is a thread
which does nothing else: meanwhile the loop sends adverts, and announces what has been acknowledged already. Nobody
waits for the thread, and it touches nothing but the socket; the answers arrive there, for the loop to read.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from contextlib import suppress
from queue import SimpleQueue
from time import monotonic
from typing import NamedTuple


class _Parcel(NamedTuple):
    data: bytes | bytearray
    messages: int


class Courier:
    """Hands datagrams to the kernel through `sock`, one by one, in the order of `carry`.

    When the kernel does not take one, none that follows is handed over either, until `resume`: order matters.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._parcels = SimpleQueue[_Parcel | None]()
        self._waiting = 0  # counted up here, down by the thread
        self._done = 0
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.errno = 0
        self.pace = 0.0
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """Readable when something could not be delivered."""
        return self._bell

    @property
    def idle(self) -> bool:
        """True when all that was given is delivered, or dropped after a failure."""
        return self._done == self._waiting

    def carry(self, data: bytes | bytearray, messages: int) -> None:
        """Deliver this when its turn comes. It holds so many messages; `pace` is how long one took the last time, in
        seconds."""
        self._waiting += 1
        self._parcels.put(_Parcel(data, messages))

    def resume(self) -> int:
        """What the kernel said (an errno, 0 = nothing went wrong), once `idle`; from now on it is tried again."""
        said, self.errno = self.errno, 0
        return said

    def heed(self) -> None:
        """Take note that `fileno` is readable."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._bell)

    def close(self) -> None:
        """Deliver what was given, then end. The socket is not closed."""
        self._parcels.put(None)
        self._thread.join()
        os.close(self._bell)

    def _run(self) -> None:
        while (parcel := self._parcels.get()) is not None:
            if not self.errno:
                began = monotonic()
                try:
                    self._socket.sendto(parcel.data, (0, 0))
                except (OSError, MemoryError) as error:  # a thread that dies would never be heard of again
                    self.errno = getattr(error, "errno", None) or errno.ENOMEM
                self.pace = (monotonic() - began) / parcel.messages
            self._done += 1
            if self.errno and self.idle:
                os.eventfd_write(self._bell, 1)
