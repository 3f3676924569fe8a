"""Pid files: a number, a newline, and a lock that lasts as long as the process."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

_FLOCK = struct.Struct("hhqqi4x")
_F_OFD_SETLK = 37


class AlreadyRunning(Exception):
    """Another process has this pid file; `pid` is what it says (0 = unreadable)."""

    def __init__(self, path: Path, pid: int) -> None:
        super().__init__(f"hakeepd is already running (pid {pid}, {path})" if pid else f"{path} is in use")
        self.pid = pid


class PidFile:
    """A pid file that is ours. Its directory must be there, and symbolic links are not
    followed. Raises AlreadyRunning or OSError."""

    def __init__(self, path: Path, pid: int | None = None) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        os.fchmod(self._fd, 0o644)
        lock = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        try:
            fcntl.fcntl(self._fd, _F_OFD_SETLK, lock)
        except OSError as error:
            said = os.pread(self._fd, 32, 0).strip()
            os.close(self._fd)
            raise AlreadyRunning(path, int(said) if said.isdigit() else 0) from error
        self.write(pid or os.getpid())

    def write(self, pid: int) -> None:
        """Say whose it is now (after a fork)."""
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{pid}\n".encode(), 0)

    def leave(self) -> None:
        """In a child: the lock is the parent's, and must end with it."""
        os.close(self._fd)

    def remove(self) -> None:
        """Remove it, at the end."""
        try:
            self.path.unlink()
        except OSError:
            pass
        os.close(self._fd)
