"""Network namespaces by name, as ip-netns(8) keeps them: a file in /run/netns."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DIRECTORY = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_OURS = "/proc/thread-self/ns/net"

class Unreachable(OSError):
    """A network namespace that cannot be visited, in one sentence."""


#: The namespace that this process was started in, since it has left it: an open descriptor, which forks inherit.
_first: int | None = None


def enter(name: str) -> None:
    """Move the calling thread into the namespace `name`, before it opens anything and before it has threads.

    Raises FileNotFoundError when there is no such namespace, PermissionError without CAP_SYS_ADMIN, and ValueError
    for a name that is not a name.
    """
    global _first
    fd = _open(name)
    before = os.open(_OURS, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _move(fd, name)
    except OSError:
        os.close(before)
        raise
    finally:
        os.close(fd)
    if _first is None:
        _first = before
    else:
        os.close(before)


@contextmanager
def visit(name: str | None) -> Iterator[None]:
    """Be in the namespace `name` while something is opened there, and come back: a socket belongs to where it was made.

    "" is the namespace that the process was started in, None is where it is. Only the calling thread goes. Raises
    Unreachable, and OSError if it cannot come back.
    """
    if name is None or (name == "" and _first is None):
        yield
        return
    here = os.open(_OURS, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _go(name)
        try:
            yield
        finally:
            _move(here, _OURS)
    finally:
        os.close(here)


def _go(name: str) -> None:
    try:
        if name == "" and _first is not None:
            _move(_first, "")
            return
        fd = _open(name)
        try:
            _move(fd, name)
        finally:
            os.close(fd)
    except FileNotFoundError:
        raise Unreachable(f"there is no network namespace {name} ('ip netns add {name}' makes it)") from None
    except OSError as error:
        raise Unreachable(f"cannot enter network namespace {name}: {error.strerror}") from None
    except ValueError as error:
        raise Unreachable(str(error)) from None


def _open(name: str) -> int:
    if not name or "/" in name or name in (".", ".."):
        raise ValueError(f"not a network namespace's name: {name!r}")
    return os.open(DIRECTORY / name, os.O_RDONLY | os.O_CLOEXEC)


def _move(fd: int, name: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, _CLONE_NEWNET) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(DIRECTORY / name))
