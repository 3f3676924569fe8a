"""The process connector: the kernel tells of every fork, exec, change of name and exit (<linux/cn_proc.h>).

It speaks to the initial network and PID namespaces only, and to root. In another network namespace there is no such
socket, so it is opened in the initial one, where that can be entered. In another PID namespace it can be opened and
stays silent: who listens must see that the kernel says `Confirmed`, which it does at once or never.

News get lost when they are read too slowly; then `receive` says Overrun.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from hakeep.kernel.netlink import HEADER, NLMSG_DONE, Overrun, set_rcvbuf

NETLINK_CONNECTOR = 11
_IDX_PROC = 1
_VAL_PROC = 1
_LISTEN = 1
_CLONE_NEWNET = 0x40000000

# enum proc_cn_event
_NONE, _FORK, _EXEC, _COMM, _EXIT = 0, 0x1, 0x2, 0x200, 0x80000000

#: struct cn_msg: index, value, sequence number, acknowledgement, length, flags. After it struct proc_event: what, CPU,
#: time, and then what depends on the kind of event.
_MESSAGE = Struct("=IIIIHH")
_WHAT = Struct("=IIQ")
_WHAT_AT = HEADER.size + _MESSAGE.size
_DATA_AT = _WHAT_AT + _WHAT.size
_NUMBER = Struct("=I")
_TWO = Struct("=II")
_FOUR = Struct("=IIII")
_NAME = Struct("=II16s")

#: Messages in one `receive`, and bytes in one message at most.
_MOST, _ROOM = 256, 4096


class Confirmed(NamedTuple):
    """The kernel has heard that somebody listens; errno 0 is yes."""

    errno: int


class Forked(NamedTuple):
    """A process has a child."""

    pid: int
    parent: int


class Executed(NamedTuple):
    """A process runs another program."""

    pid: int


class Renamed(NamedTuple):
    """A process has another name (PR_SET_NAME)."""

    pid: int
    comm: str


class Exited(NamedTuple):
    """A process has ended."""

    pid: int


News = Confirmed | Forked | Executed | Renamed | Exited | Overrun


class ProcConnector:
    """Listens, with a receive buffer of `rcvbuf` bytes (0 = the system's). Raises OSError where there is none."""

    def __init__(self, rcvbuf: int = 0) -> None:
        self._socket = _open()
        try:
            if rcvbuf:
                set_rcvbuf(self._socket, rcvbuf)
            self._socket.bind((0, _IDX_PROC))
            self._socket.send(_order(_LISTEN))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def close(self) -> None:
        """Stop listening. The kernel notices by itself (since 6.6; before, it counts one listener too many)."""
        self._socket.close()

    def receive(self) -> list[News]:
        """What has come, in order; empty when nothing has. Never blocks."""
        news: list[News] = []
        for _ in range(_MOST):
            try:
                data, _, _, sender = self._socket.recvmsg(_ROOM)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                news.append(Overrun())
                break
            if sender[0] == 0:  # any process may write to our port, only the kernel is believed
                news += decode(data)
        return news


def decode(data: bytes) -> Iterator[News]:
    """What a message says of processes; threads other than the first are left out."""
    if len(data) < _DATA_AT + _TWO.size:
        return
    index, value, *_ = _MESSAGE.unpack_from(data, HEADER.size)
    what, _, _ = _WHAT.unpack_from(data, _WHAT_AT)
    if (index, value) != (_IDX_PROC, _VAL_PROC):
        return
    if what == _NONE:
        yield Confirmed(_TWO.unpack_from(data, _DATA_AT)[0])
    elif what == _FORK and len(data) >= _DATA_AT + _FOUR.size:
        _, parent, pid, group = _FOUR.unpack_from(data, _DATA_AT)
        if pid == group:
            yield Forked(pid, parent)
    else:
        pid, group = _TWO.unpack_from(data, _DATA_AT)
        if pid != group:
            return
        if what == _EXEC:
            yield Executed(pid)
        elif what == _EXIT:
            yield Exited(pid)
        elif what == _COMM and len(data) >= _DATA_AT + _NAME.size:
            name = _NAME.unpack_from(data, _DATA_AT)[2]
            yield Renamed(pid, os.fsdecode(name.partition(b"\0")[0]))


def _order(operation: int) -> bytes:
    body = _MESSAGE.pack(_IDX_PROC, _VAL_PROC, 0, 0, 4, 0) + _NUMBER.pack(operation)
    return HEADER.pack(HEADER.size + len(body), NLMSG_DONE, 0, 0, 0) + body


def _open() -> socket.socket:
    kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    try:
        return socket.socket(socket.AF_NETLINK, kind, NETLINK_CONNECTOR)
    except OSError as error:
        if error.errno != errno.EPROTONOSUPPORT:
            raise
        with _InitialNamespace():
            return socket.socket(socket.AF_NETLINK, kind, NETLINK_CONNECTOR)


class _InitialNamespace:
    """While this is entered the calling thread is in the network namespace of the host's first process."""

    def __enter__(self) -> None:
        self._ours = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            first = os.open("/proc/1/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                _enter(first)
            finally:
                os.close(first)
        except OSError:
            os.close(self._ours)
            raise

    def __exit__(self, *_: object) -> None:
        try:
            _enter(self._ours)
        finally:
            os.close(self._ours)


_libc = ctypes.CDLL(None, use_errno=True)


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
