"""What the service manager is told, if there is one (sd_notify(3))."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress


class ServiceManager:
    """READY, RELOADING, STOPPING and the watchdog. Takes NOTIFY_SOCKET out of the environment: it is for us alone."""

    def __init__(self) -> None:
        address = os.environ.pop("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        usec = os.environ.pop("WATCHDOG_USEC", "")
        self._every = int(usec) / 2e6 if usec.isdigit() else 0.0
        self._last = 0.0
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)

    def ready(self) -> None:
        """Started, or reloaded (or the reload was refused and all is as before)."""
        self._say("READY=1")

    def reloading(self) -> None:
        """A reload has begun."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The end has begun."""
        self._say("STOPPING=1")

    def alive(self, now: float) -> None:
        """Call while all is well; says so twice in each WATCHDOG_USEC."""
        if self._every and now - self._last >= self._every:
            self._last = now
            self._say("WATCHDOG=1")

    def leave(self) -> None:
        """In a child: only the parent speaks."""
        self._sock.close()

    def _say(self, state: str) -> None:
        if self._address:
            with suppress(OSError):
                self._sock.sendto(state.encode(), self._address)
