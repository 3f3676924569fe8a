"""Where recordings of the flight recorder lie: a few files in the daemon's own directory, whole or not at all.

They are root's alone, no link is ever followed, and the oldest make room for the newest.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from time import gmtime, strftime

#: How many are kept.
KEPT = 5

_PREFIX, _SUFFIX = "record-", ".jsonl"


def file_name(pid: int, wall: float) -> str:
    """The name of a recording that this process begins at this Unix time; a process never uses one twice."""
    return f"{_PREFIX}{pid}-{strftime('%Y%m%dT%H%M%S', gmtime(wall))}.{int(wall * 1e6) % 1_000_000:06}{_SUFFIX}"


def store(directory: Path, name: str, lines: Iterable[str]) -> Path:
    """Write a recording and remove the oldest if there are more than `KEPT`. Returns its path; raises OSError."""
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    unfinished = f".{name}"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(unfinished, flags, 0o600, dir_fd=folder)
        try:
            with os.fdopen(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.writelines(f"{line}\n" for line in lines)
            os.rename(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            os.unlink(unfinished, dir_fd=folder)
            raise
        _drop_oldest(folder)
    finally:
        os.close(folder)
    return directory / name


def _drop_oldest(folder: int) -> None:
    """All but the newest `KEPT` go, and what a writer that was killed has left unfinished."""
    found = []
    for name in os.listdir(folder):
        if name.lstrip(".").startswith(_PREFIX) and name.endswith(_SUFFIX):
            with suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    found.append((status.st_mtime_ns, name))
    for _, name in sorted(found)[:-KEPT]:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
