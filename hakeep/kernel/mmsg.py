"""Many datagrams in one system call: recvmmsg, which Python lacks.

A BACKUP of many instances hears its masters' adverts in bursts, and most of what one costs is to ask for it: 4 µs by
`socket.recvmsg`, which allocates for the largest packet there could be. Here the kernel fills memory that is made once,
as many datagrams as there are, and Python only takes them out.

The memory is an anonymous map, because a slice of one is `bytes` at once, and because what no datagram ever reached is
never backed by a page.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from collections.abc import Iterator
from socket import CMSG_LEN, MSG_DONTWAIT
from struct import Struct
from typing import NamedTuple

#: Datagrams in one system call.
BURST = 64

#: struct cmsghdr, <sys/socket.h>: length with header, level, type.
CONTROL_HEADER = Struct("@Nii")


class Piece(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class Header(ctypes.Structure):
    """struct msghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("pieces", ctypes.POINTER(Piece)),
        ("piece_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class Message(ctypes.Structure):
    """struct mmsghdr, <sys/socket.h>. The kernel says in `length` how many bytes were sent or received."""

    _fields_ = (("header", Header), ("length", ctypes.c_uint))


libc = ctypes.CDLL(None, use_errno=True)

_SIZE = ctypes.sizeof(Message)
_ALIGNED = ctypes.sizeof(ctypes.c_size_t)  # where ancillary messages begin


#: There is nothing to read now, or a signal came first.
_NOTHING = frozenset({errno.EAGAIN, errno.EINTR})


class Burst(NamedTuple):
    """Datagrams that were received together: their bytes, their ancillary data (see `ancillary`), and the senders'
    socket addresses where these were asked for."""

    data: list[bytes]
    controls: list[bytes]
    names: list[bytes]


class Reader:
    """Memory for one burst. It may serve any number of sockets, one after another.

    `room` is for the bytes of a datagram, `control_room` for its ancillary data, `name_room` for the sender's address
    (0 = not wanted), all in bytes. What is longer is cut off.
    """

    def __init__(self, room: int, control_room: int, name_room: int = 0) -> None:
        self._sizes = room, control_room, name_room
        self._data, self._controls, self._names = (_memory(max(1, size) * BURST) for size in self._sizes)
        self._messages = (Message * BURST)()
        self._pieces = (Piece * BURST)()
        data, controls, names = map(_address, (self._data, self._controls, self._names))
        for at, (message, piece) in enumerate(zip(self._messages, self._pieces, strict=True)):
            piece.base, piece.length = data + at * room, room
            header = message.header
            header.pieces, header.piece_count = ctypes.pointer(piece), 1
            header.control, header.control_length = controls + at * control_room, control_room
            if name_room:
                header.name, header.name_length = names + at * name_room, name_room
        self._fresh = bytes(self._messages)  # the kernel writes into it what it used of each length
        self._pointer = ctypes.byref(self._messages)
        words = memoryview(self._messages).cast("B").cast("I")
        self._lengths = words[Message.length.offset // 4 :: _SIZE // 4]
        sizes = memoryview(self._messages).cast("B").cast("L")
        self._control_lengths = sizes[Header.control_length.offset // sizes.itemsize :: _SIZE // sizes.itemsize]

    def read(self, fd: int) -> Burst | None:
        """What the socket `fd` has, at most `BURST` datagrams; None when it has none. Never blocks. Raises OSError."""
        count: int = libc.recvmmsg(fd, self._pointer, BURST, MSG_DONTWAIT, None)
        if count <= 0:
            number = ctypes.get_errno()
            if count == 0 or number in _NOTHING:
                return None
            raise OSError(number, os.strerror(number))
        room, control_room, name_room = self._sizes
        data, controls, names = self._data, self._controls, self._names
        burst = Burst(
            [data[at * room : at * room + length] for at, length in enumerate(self._lengths[:count].tolist())],
            [
                controls[at * control_room : at * control_room + length]
                for at, length in enumerate(self._control_lengths[:count].tolist())
            ],
            [names[at : at + name_room] for at in range(0, count * name_room, name_room)] if name_room else [],
        )
        ctypes.memmove(self._pointer, self._fresh, count * _SIZE)
        return burst


def ancillary(control: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The (level, type, content) of each message in ancillary data."""
    at, begin = 0, CMSG_LEN(0)
    while at + begin <= len(control):
        length, level, kind = CONTROL_HEADER.unpack_from(control, at)
        if length < begin:
            return
        yield level, kind, control[at + begin : at + length]
        at += -(-length // _ALIGNED) * _ALIGNED


def _memory(size: int) -> mmap.mmap:
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def _address(memory: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
