"""How the supervisor gets a worker: a fork with a line to it, and a file with its pid."""

from __future__ import annotations

import os
import signal
import socket
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hakeep.pidfile import AlreadyRunning, PidFile
from hakeep.worker import ERROR, WARNING, Line, Log

#: Exit status of a worker that died of a defect of ours (EX_SOFTWARE of sysexits.h).
DEFECT = 70


@dataclass
class Child:
    """A worker process as its parent knows it; `started` when it has said so. `born` is in monotonic seconds."""

    pid: int
    line: Line
    born: float
    started: bool = False
    killed: bool = False

    def kill(self) -> None:
        """Kill it, once."""
        if not self.killed:
            self.killed = True
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def manner(code: int) -> str:
    """How a process ended, by its exit code as of os.waitstatus_to_exitcode."""
    return f"was killed by signal {-code}" if code < 0 else f"exited with status {code}"


def fork_worker(be: Callable[[Line], int], log: Log) -> tuple[int, Line]:
    """Fork; the child is what `be` does with its end of the line, and exits with what that returns.

    `log` is where the child's last words go. Returns its pid and our end. Raises OSError.
    """
    ours, theirs = socket.socketpair()
    try:
        pid = os.fork()
    except OSError:
        ours.close()
        theirs.close()
        raise
    if pid == 0:
        status = DEFECT
        with suppress(BaseException):
            ours.close()
            status = _live(be, Line(theirs, trusting=True), log)
        os._exit(status)
    theirs.close()
    return pid, Line(ours, trusting=False)


def _live(be: Callable[[Line], int], line: Line, log: Log) -> int:
    try:
        return be(line)
    except BaseException:
        for text in traceback.format_exc().splitlines():
            log(ERROR, text)
        return DEFECT


def note_pid(file: PidFile | None, path: Path, pid: int, log: Log, what: str) -> PidFile | None:
    """Write the pid file of a worker, `file` if there is one already. The worker is more important: without its file it
    goes on, but not in silence."""
    try:
        if file is None:
            return PidFile(path, pid)
        file.write(pid)
    except AlreadyRunning as error:
        log(WARNING, f"no pid file of the {what} worker: {error}")
    except OSError as error:
        log(WARNING, f"no pid file of the {what} worker: cannot write {path}: {error.strerror}")
    return file
