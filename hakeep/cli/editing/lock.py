"""Who edits a file locks it. The lock is a hidden file beside it, and is gone with the process, however that ends."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path


class Locked(Exception):
    """Somebody else edits the file: the process `pid` (0 = it does not say)."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"process {pid}" if pid else "another process")
        self.pid = pid


class Lock:
    """The lock for editing `target`, held from now on. Raises Locked, or OSError."""

    def __init__(self, target: Path) -> None:
        self._path = target.with_name(f".{target.name}.lock")
        while True:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                said = os.pread(self._fd, 32, 0).strip()
                os.close(self._fd)
                if not isinstance(error, BlockingIOError):
                    raise
                raise Locked(int(said) if said.isdigit() else 0) from None
            if self._is_ours():
                break
            os.close(self._fd)  # the one who had it has just removed it
        with suppress(OSError):  # a full disk
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def _is_ours(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._fd), self._path.lstat())
        except OSError:
            return False

    def release(self) -> None:
        """Let others edit."""
        with suppress(OSError):
            self._path.unlink()
        os.close(self._fd)
