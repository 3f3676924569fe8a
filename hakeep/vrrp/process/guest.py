"""Trio as a guest of the loop: scripts, links and nftables are its business, adverts are not.

Trio's own loop would stand between a packet and the engine; as a guest it gets its turn when there is something to do
for it, like every other reader.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio
from outcome import Outcome


class Guest:
    """Runs `tasks`. When `fileno()` is readable call `read`; when `outcome` is there it has ended."""

    def __init__(self) -> None:
        self.outcome: Outcome[None] | None = None
        self._work: deque[Callable[[], object]] = deque()
        self._in, self._out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._in

    def start(self, tasks: Callable[[], Awaitable[None]]) -> None:
        """Begin. The loop must be awake to `fileno()`."""
        trio.lowlevel.start_guest_run(
            tasks, run_sync_soon_threadsafe=self._soon, done_callback=self._ended, host_uses_signal_set_wakeup_fd=True
        )

    def read(self) -> None:
        """Do what trio wants done."""
        with suppress(BlockingIOError):
            os.read(self._in, 4096)
        while self._work:
            self._work.popleft()()

    def _soon(self, work: Callable[[], object]) -> None:
        """Trio, perhaps in a thread of its, wants this done in the loop."""
        self._work.append(work)
        with suppress(BlockingIOError):
            os.write(self._out, b"x")

    def _ended(self, outcome: Outcome[None]) -> None:
        self.outcome = outcome
