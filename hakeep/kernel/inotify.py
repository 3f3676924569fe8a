"""inotify(7): the kernel tells of what happens to the entries of a directory.

A watch belongs to the directory itself, not to its name: one that is moved away is still watched. There is one watch
for a directory, whatever it is asked for; `Inotify.watch` adds to what is asked.
"""

from __future__ import annotations

import ctypes
import os
from struct import Struct
from typing import NamedTuple

# From <linux/inotify.h>.
ATTRIB = 0x0004
CLOSE_WRITE = 0x0008
MOVED_FROM = 0x0040
MOVED_TO = 0x0080
CREATE = 0x0100
DELETE = 0x0200
DELETE_SELF = 0x0400
MOVE_SELF = 0x0800
UNMOUNT = 0x2000
OVERFLOW = 0x4000
IGNORED = 0x8000
_ONLYDIR = 0x01000000
_MASK_ADD = 0x20000000

_EVENT = Struct("=iIII")  # watch, mask, cookie, length of the name

#: Bytes of events in one read.
_ROOM = 64 * 1024

#: File systems whose files change without a word (<linux/magic.h>).
_SILENT = {
    0x9FA0: "proc", 0x62656572: "sysfs", 0x64626720: "debugfs", 0x74726163: "tracefs", 0x27E0EB: "cgroup",
    0x63677270: "cgroup2", 0x1CD1: "devpts", 0x73636673: "securityfs", 0x62656570: "configfs", 0x6165676C: "pstore",
    0xCAFE4A11: "bpf", 0x19800202: "mqueue",
}  # fmt: skip

_libc = ctypes.CDLL(None, use_errno=True)


class Happened(NamedTuple):
    """Something happened in the directory of `watch`, to the entry `name` ("" = to itself). With OVERFLOW in `mask`
    `watch` is -1: news were lost."""

    watch: int
    mask: int
    name: str


class Inotify:
    """One instance. Raises OSError when the kernel has no more of them (fs.inotify.max_user_instances)."""

    def __init__(self) -> None:
        self._fd = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._fd

    def close(self) -> None:
        """Stop watching."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def watch(self, directory: str, mask: int) -> int:
        """Tell of these, too; returns the number of the watch. Raises OSError: no such directory, not permitted, or no
        more watches (fs.inotify.max_user_watches). May block where a file server does not answer."""
        path = os.fsencode(directory)
        return _checked(_libc.inotify_add_watch(self._fd, path, mask | _ONLYDIR | _MASK_ADD), directory)

    def forget(self, watch: int) -> None:
        """End a watch; one that the kernel has ended already does no harm."""
        _libc.inotify_rm_watch(self._fd, watch)

    def receive(self) -> list[Happened]:
        """What has happened, in order; empty when nothing has. Never blocks."""
        try:
            data = os.read(self._fd, _ROOM)
        except BlockingIOError:
            return []
        return decode(data)


def decode(data: bytes) -> list[Happened]:
    """The events of one read."""
    found, at = [], 0
    while at + _EVENT.size <= len(data):
        watch, mask, _, length = _EVENT.unpack_from(data, at)
        at += _EVENT.size
        found.append(Happened(watch, mask, os.fsdecode(data[at : at + length].partition(b"\0")[0])))
        at += length
    return found


def silent_file_system(path: str) -> str:
    """The name of the file system that `path` lies on, if it is of those that tell nothing of changes; else "". Raises
    OSError. May block where a file server does not answer."""
    status = (ctypes.c_ulong * 64)()  # struct statfs is shorter; f_type comes first
    _checked(_libc.statfs(os.fsencode(path), ctypes.byref(status)), path)
    return _SILENT.get(status[0] & 0xFFFFFFFF, "")


def _checked(result: int, path: str | None = None) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result
