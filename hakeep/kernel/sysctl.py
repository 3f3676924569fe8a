"""Settings under /proc/sys/net, borrowed and given back.

Interface names may contain dots, so settings are named by their path, such as ``ipv4/conf/eth0.7/arp_ignore``. What
/proc/sys/net shows is the network namespace of the thread that looks.

A setting that is not ours is saved before we write it the first time, in memory and, if asked for, in a file, because
the process that gives it back may be another one than the one that took it. It is given back only if it still has
the value that we wrote: whoever changed it since then meant it.
"""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_ROOT = Path("/proc/sys/net")


def _file(path: str) -> Path:
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"not a setting below /proc/sys/net: {path!r}")
    return _ROOT / path


def read(path: str) -> str:
    """The value of a setting, without the line end. Raises FileNotFoundError (no such interface or kernel feature)."""
    return _file(path).read_text().strip()


def write(path: str, value: str) -> None:
    """Set a setting. Raises OSError: FileNotFoundError, EACCES or EROFS (a container), EINVAL (a bad value)."""
    fd = os.open(_file(path), os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode() + b"\n")
    finally:
        os.close(fd)


class _Borrowed(NamedTuple):
    before: str
    ours: str


class SysctlKeeper:
    """Writes settings and knows how they were.

    `file` is where saved values live across processes, an absolute path in a directory that only root can write;
    what an earlier process left there is taken over. Raises OSError if that is a symbolic link or unreadable. May be
    called from several threads.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._path = file
        self._borrowed = {} if file is None else _load(file)
        self._turn = threading.Lock()

    def borrowed(self) -> list[str]:
        """The settings that are not as they were, in the order in which they were first written."""
        with self._turn:
            return list(self._borrowed)

    def set(self, path: str, value: str) -> None:
        """Write a setting if it differs, saving it first. Raises OSError."""
        with self._turn:
            self._set(path, value)

    def _set(self, path: str, value: str) -> None:
        now = read(path)
        known = self._borrowed.get(path)
        if known is not None and now != known.ours:  # changed by somebody, or the interface was made anew
            del self._borrowed[path]
            known = None
        if now != value:
            self._borrowed[path] = _Borrowed(now if known is None else known.before, value)
            self._save()  # before the write: a crash in between must not lose the old value
            write(path, value)

    def restore(self, paths: Iterable[str] | None = None) -> list[str]:
        """Give settings back, last written first; all by default. Returns those that somebody else has changed.

        A setting whose interface is gone needs nothing. Raises OSError for what can not be written.
        """
        with self._turn:
            return self._restore(paths)

    def _restore(self, paths: Iterable[str] | None) -> list[str]:
        chosen = set(self._borrowed if paths is None else paths)
        foreign = []
        for path in [path for path in reversed(self._borrowed) if path in chosen]:
            borrowed = self._borrowed[path]
            try:
                if read(path) == borrowed.ours:
                    write(path, borrowed.before)
                else:
                    foreign.append(path)
            except FileNotFoundError:
                pass
            del self._borrowed[path]
        self._save()
        return foreign

    def _save(self) -> None:
        """Write the file anew, complete or not at all; without anything borrowed there is none."""
        if self._path is None:
            return
        directory = _open_directory(self._path.parent)
        try:
            name = self._path.name
            if not self._borrowed:
                _unlink(name, directory)
                return
            fresh = f".{name}.{os.getpid()}"
            _unlink(fresh, directory)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(fresh, flags, 0o600, dir_fd=directory), "w") as file:
                json.dump(self._borrowed, file)
            os.rename(fresh, name, src_dir_fd=directory, dst_dir_fd=directory)
        finally:
            os.close(directory)


def _open_directory(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _unlink(name: str, directory: int) -> None:
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        pass


def _load(path: Path) -> dict[str, _Borrowed]:
    """What an earlier process saved. A file that is not ours or makes no sense is not believed: it is an OSError."""
    directory = _open_directory(path.parent)
    try:
        fd = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except FileNotFoundError:
        return {}
    finally:
        os.close(directory)
    with os.fdopen(fd) as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise PermissionError(f"{path} is not a plain file of ours")
        try:
            saved = {str(key): _Borrowed(str(before), str(ours)) for key, (before, ours) in json.load(file).items()}
            for key in saved:
                _file(key)
        except (ValueError, TypeError, AttributeError) as error:
            raise OSError(f"{path} is damaged: {error}") from error
    return saved
