"""Network namespaces by name, as ip-netns(8) keeps them: a file in /run/netns."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

DIRECTORY = Path("/run/netns")
_CLONE_NEWNET = 0x40000000


def enter(name: str) -> None:
    """Move the calling thread into the namespace `name`, before it opens anything and before it has threads.

    Raises FileNotFoundError when there is no such namespace, PermissionError without CAP_SYS_ADMIN, and ValueError
    for a name that is not a name.
    """
    if not name or "/" in name or name in (".", ".."):
        raise ValueError(f"not a network namespace's name: {name!r}")
    fd = os.open(DIRECTORY / name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(fd, _CLONE_NEWNET) < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(DIRECTORY / name))
    finally:
        os.close(fd)
