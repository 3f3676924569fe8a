"""Work that may take long, done by a short-lived child: parsing a configuration, writing a dump.

The parent never waits for it, and never unpickles what comes back: it gets bytes.
"""

from __future__ import annotations

import os
import resource
import signal
import struct
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

#: Limits of a child: bytes of memory, and seconds of a processor.
MEMORY = 2 << 30
TIME = 30.0

#: It gets out of the way of those who have adverts and checks to send (nice). On a busy machine it takes longer then:
#: so many seconds at most.
NICE = 10
PATIENCE = 60.0


_LENGTH = struct.Struct("!Q")


class Errands:
    """All children on an errand. `watch(fd, reader)` and `unwatch(fd)` tell the loop of their pipes."""

    def __init__(
        self,
        watch: Callable[[int, Callable[[], None]], None],
        unwatch: Callable[[int], None],
        log: Callable[[int, str], None],
    ) -> None:
        self._watch = watch
        self._unwatch = unwatch
        self._log = log
        self._out: dict[int, tuple[int, Callable[[bytes], None], bytearray, float]] = {}

    def __len__(self) -> int:
        return len(self._out)

    def send(
        self, name: str, work: Callable[[], bytes], done: Callable[[bytes], None], signals: Iterable[int]
    ) -> None:
        """Let a child do `work`; `done` is called with what it returns, b"" when it failed. `signals` are those that
        the parent handles: the child takes them as any process does."""
        try:
            reader, writer = os.pipe2(os.O_CLOEXEC)
            pid = os.fork()
        except OSError as error:
            self._log(3, f"{name}: {error}")
            done(b"")
            return
        os.set_blocking(reader, False)
        if pid == 0:
            os._exit(self._work(name, work, writer, signals))
        os.close(writer)
        self._out[reader] = (pid, done, bytearray(), time.monotonic() + PATIENCE)
        self._watch(reader, lambda: self._read(reader))

    def _work(self, name: str, work: Callable[[], bytes], writer: int, signals: Iterable[int]) -> int:
        try:
            signal.set_wakeup_fd(-1)
            for number in signals:
                signal.signal(number, signal.SIG_DFL)
            os.nice(NICE)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            resource.setrlimit(resource.RLIMIT_CPU, (int(TIME), int(TIME)))
            result = work()
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(_LENGTH.pack(len(result)) + result)
        except BaseException as error:
            self._log(3, f"{name}: {type(error).__name__}: {error}")
            return 1
        return 0

    def _read(self, reader: int) -> None:
        _, done, buffer, _ = self._out[reader]
        with suppress(BlockingIOError):
            data = os.read(reader, 1 << 20)
            if data:
                buffer += data
                return
            self._unwatch(reader)
            os.close(reader)
            del self._out[reader]
            whole = len(buffer) >= _LENGTH.size and _LENGTH.unpack_from(buffer)[0] == len(buffer) - _LENGTH.size
            done(bytes(buffer[_LENGTH.size :]) if whole else b"")

    def end_overdue(self, now: float) -> None:
        """Kill children that take too long; their errand then fails."""
        for pid, _, _, until in self._out.values():
            if now > until:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
