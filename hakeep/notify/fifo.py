"""Named pipes that get a line for every event: ``INSTANCE "VI_1" MASTER 150``.

The pipe is opened for reading and writing, so that opening needs no reader and writing never raises SIGPIPE, and it
does not block: nobody who fails to read can stop the daemon. When it is full a line is lost and counted; the log says
so at the first, and how many there were when it takes lines again. A line is shorter than PIPE_BUF, therefore it is
written whole or not at all.
"""

from __future__ import annotations

import array
import fcntl
import os
import stat
import termios
from dataclasses import dataclass, field

from hakeep.notify.script import Log
from hakeep.notify.security import Account
from hakeep.vrrp.messages import Level

#: Permissions of a pipe that we create; the process's umask takes its part.
MODE = 0o644


def event_line(kind: str, name: str, what: str, priority: int) -> bytes:
    """The line of one event. `kind` is INSTANCE or GROUP."""
    return f'{kind} "{name}" {what} {priority}\n'.encode("utf-8", "surrogateescape")


@dataclass(eq=False)
class EventPipe:
    """The writing end of a FIFO. It opens itself; where that fails the log says why and lines go nowhere.

    `owner` (None = ourselves) gets a pipe that did not exist. `lost` counts lines since the start.
    """

    path: str
    owner: Account | None
    log: Log
    lost: int = 0
    _fd: int = -1
    _created: bool = False
    _full_since: int = field(default=-1)  # value of `lost` when the pipe became full, -1 = it is not

    def __post_init__(self) -> None:
        try:
            self._open()
        except OSError as error:
            self._say(Level.ERROR, f"cannot be used: {error.strerror}")

    def _open(self) -> None:
        try:
            os.mkfifo(self.path, MODE)
            self._created = True
        except FileExistsError:
            if not stat.S_ISFIFO(os.lstat(self.path).st_mode):
                self._say(Level.ERROR, "cannot be used: it exists and is not a named pipe")
                return
        fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        if not stat.S_ISFIFO(os.fstat(fd).st_mode):  # somebody has put something else there meanwhile
            os.close(fd)
            self._say(Level.ERROR, "cannot be used: it is not a named pipe")
            return
        self._fd = fd
        if self._created and self.owner is not None:
            os.fchown(fd, self.owner.uid, self.owner.gid)

    def write(self, line: bytes) -> None:
        """Write one line, or lose it."""
        if self._fd < 0:
            return
        try:
            os.write(self._fd, line)
        except OSError as error:
            if self._full_since < 0:
                self._full_since = self.lost
                reason = "is full" if isinstance(error, BlockingIOError) else f"fails ({error.strerror})"
                self._say(Level.WARNING, f"{reason}: nobody reads it, lines are lost")
            self.lost += 1
            return
        if self._full_since >= 0:
            self._say(Level.WARNING, f"takes lines again; {self.lost - self._full_since} were lost")
            self._full_since = -1

    def unread(self) -> int:
        """Bytes that nobody has read yet."""
        if self._fd < 0:
            return 0
        count = array.array("i", [0])
        fcntl.ioctl(self._fd, termios.FIONREAD, count)
        return count[0]

    def is_current(self) -> bool:
        """False when the path no longer leads to the pipe that we write to, or it could not be opened."""
        try:
            found = os.lstat(self.path)
        except OSError:
            return False
        return self._fd >= 0 and os.path.samestat(found, os.fstat(self._fd))

    def close(self) -> None:
        """Close it, and remove it if we created it and it is still there."""
        if self._created and self.is_current():
            os.unlink(self.path)  # noqa: PTH108
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _say(self, level: Level, text: str) -> None:
        self.log(level, f"notify FIFO {self.path} {text}")
