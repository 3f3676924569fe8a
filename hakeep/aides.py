"""The workers that only look: the track worker and the bfd worker.

They hold nothing. What they find out (a script failed, a session came up) goes through the supervisor to those who act
on it, and is kept here, so that a worker that starts later knows it at once. When one of them dies, what it said last
goes on to count, and another one is started, at once and then with growing pauses: a tracker that cannot be asked is
no reason to move addresses.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hakeep.offspring import fork_worker, note_pid
from hakeep.pidfile import PidFile
from hakeep.worker import ERROR, INFO, WARNING, Line, Log

NEVER = float("inf")

#: Seconds without a death after which the next one is a first one again, and the longest pause.
STEADY = 30.0
BACKOFF_MAX = 60.0

#: Seconds that a worker may take to stop: scripts are given their time.
STOP_MAX = 5.0

#: Seconds that a worker may be silent (it says something every second), and that we look on after that: all of us may
#: have stood still.
SILENT_MAX, LOOK_ON = 15.0, 5.0


class Aide:
    """One such worker, and those that come after it. `name` is what people call it, `pid_path` where its pid is noted.

    `be(blob, line)` is the child's side of the fork; `hear(body)` is called with what a worker says that is not for us,
    `watch` and `unwatch` belong to the loop, `leave()` lets a child go of what is the parent's. Without `respawn` the
    daemon ends with its first worker (--dont-respawn).
    """

    def __init__(
        self, name: str, pid_path: Path, log: Log, *, be: Callable[[bytes, Line], int],
        watch: Callable[[int, Callable[[], None]], None], unwatch: Callable[[int], None],
        hear: Callable[[dict[str, Any]], None], leave: Callable[[], None], respawn: bool = True,
    ) -> None:
        self.name = name
        self._pid_path = pid_path
        self._log = log
        self._be = be
        self._watch, self._unwatch = watch, unwatch
        self._hear = hear
        self._leave = leave
        self._respawn = respawn
        self._blob = b""
        self._pid_file: PidFile | None = None
        self._backoff = 0.0
        self._born = self._heard_at = 0.0
        self._respawn_at = self._stopped_at = self._silent_at = NEVER
        self._killed = self._stopping = False
        self.line: Line | None = None
        self.pid = 0
        self.restarts = 0
        self.parent = os.getpid()

    @property
    def working(self) -> bool:
        """True while there is a worker."""
        return self.line is not None

    @property
    def wanted(self) -> bool:
        """True while there is something to look at, and we are not stopping."""
        return bool(self._blob) and not self._stopping

    @property
    def wake_at(self) -> float:
        """When to turn at the latest."""
        if self.line is None:
            return self._respawn_at
        soon = time.monotonic() + 0.01 if self.line.waiting and not self.line.closed else NEVER
        return min(soon, NEVER if self._killed else self._stopped_at + STOP_MAX)

    def order(self, order: dict[str, Any]) -> bool:
        """Tell the worker. False when there is none."""
        if self.line is None:
            return False
        self.line.send(order)
        return True

    def deliver(self, blob: bytes) -> None:
        """Pickled settings are in force; empty = there is nothing to look at any more."""
        if blob == self._blob or self._stopping:
            return
        self._blob = blob
        if not blob:
            self._dismiss()
        elif self.line is None:
            self._spawn()
        elif self._stopped_at == NEVER:
            self.line.send_blob(blob)

    # ------------------------------------------------------------------------------------------------- birth

    def _spawn(self) -> None:
        self._respawn_at = NEVER
        self.parent = os.getpid()  # not who made us: that was before the daemon went into the background
        try:
            self.pid, self.line = fork_worker(self._live, self._log)
        except OSError as error:
            self._log(ERROR, f"cannot start the {self.name} worker, trying again: {error}")
            self._respawn_at = time.monotonic() + max(1.0, self._backoff)
            return
        self._born = self._heard_at = time.monotonic()
        self._stopped_at = self._silent_at = NEVER
        self._killed = False
        self._watch(self.line.fileno(), self._readable)
        self._pid_file = note_pid(self._pid_file, self._pid_path, self.pid, self._log, self.name)

    def _live(self, line: Line) -> int:
        """The child's side. `leave` lets go of the lines and locks of all aides, and so of the one before us."""
        self._leave()
        return self._be(self._blob, line)

    def leave(self) -> None:
        """In a child that is somebody else: a line or a lock that it kept would outlive the worker's."""
        if self.line is not None:
            self.line.close()
        if self._pid_file is not None:
            self._pid_file.leave()

    # ------------------------------------------------------------------------------------------------- life

    def _readable(self) -> None:
        line = self.line
        if line is None:
            return
        self._heard_at = time.monotonic()
        try:
            for message in line.receive():
                if message.body.get("do") == "started":
                    self._log(INFO, f"{self.name} start-up complete", True)
                elif message.body.get("do") not in ("alive", "finished"):
                    self._hear(message.body)
        except Exception as error:  # whatever it says: we have addresses to look after
            self._log(ERROR, f"the {self.name} worker says what makes no sense, killing it: {error!r}")
            self._kill()
        if line.closed:
            self._unwatch(line.fileno())

    def turn(self, now: float) -> None:
        """Look after everything once."""
        if now >= self._respawn_at:
            self.restarts += 1
            self._spawn()
        if self.line is None:
            return
        self.line.flush()
        if now - self._stopped_at > STOP_MAX and not self._killed:
            self._log(WARNING, f"the {self.name} worker does not stop: killing it")
            self._kill()
        elif self._killed or now - self._heard_at <= SILENT_MAX:
            self._silent_at = NEVER
        else:
            self._silent_at = min(self._silent_at, now)
            if now - self._silent_at > LOOK_ON:
                self._log(ERROR, f"the {self.name} worker has not moved for {now - self._heard_at:.0f} s: killing it")
                self._kill()

    def _kill(self) -> None:
        if not self._killed:
            self._killed = True
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    # ------------------------------------------------------------------------------------------------- death

    def ended(self, pid: int, code: int, now: float) -> None:
        """A child has ended: was it ours?"""
        line = self.line
        if line is None or pid != self.pid:
            return
        self._killed = True  # its number may be another's soon
        if not line.closed:
            self._readable()
            self._unwatch(line.fileno())
            line.close()
        self.line = None
        if not self._blob or self._stopping:
            return
        if self._stopped_at < NEVER:  # it was to go, and is wanted again
            self._respawn_at = now
            return
        how = f"was killed by signal {-code}" if code < 0 else f"exited with status {code}"
        if not self._respawn:
            self._log(ERROR, f"the {self.name} worker {how}: it is not to be respawned")
            signal.raise_signal(signal.SIGTERM)  # to us, as an operator would
            return
        pause = 0.0 if now - self._born > STEADY else self._backoff
        self._backoff = min(BACKOFF_MAX, max(1.0, 2 * pause))
        again = f"another one starts in {pause:g} s" if pause else "starting another one"
        self._log(ERROR, f"the {self.name} worker {how}: {again}; what it said last counts meanwhile")
        self._respawn_at = now + pause

    # ------------------------------------------------------------------------------------------------- the end

    def stop(self) -> None:
        """Have the worker stop; called again: at once."""
        if self._stopping and self.line is not None:
            self._kill()
        self._stopping = True
        self._dismiss()

    def _dismiss(self) -> None:
        self._respawn_at = NEVER
        if self.line is not None and self._stopped_at == NEVER:
            self._stopped_at = time.monotonic()
            self.order({"do": "stop"})

    def remove_files(self) -> None:
        """All has ended."""
        if self._pid_file is not None:
            self._pid_file.remove()
