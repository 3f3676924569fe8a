"""Ethernet frames, past the IP stack: announcements sent and heard.

`FrameSender` sends ready-made frames, each on an interface of its own choice, 64 in one system call (sendmmsg, which
Python lacks): a takeover of a thousand addresses is a thousand frames, which take 1.5 ms so, and 2.3 ms by
`socket.sendto`, which also looks up the interface's name each time.

`AnnouncementListener` hears what others announce on one interface. It is wanted only for the moment of a handover,
when it tells that the new holder of an address is there.
"""

from __future__ import annotations

import ctypes
import socket
from collections.abc import Sequence

from hakeep.kernel import bpf

_ETH_P_ALL = 0x0003
_BATCH = 64
_SEND_BUFFER = 4 << 20  # a burst of announcements, on a slow interface
_LARGEST = 2048
_MOST_AT_ONCE = 64


class _Address(ctypes.Structure):
    """struct sockaddr_ll, <linux/if_packet.h>. For sending only family and interface count."""

    _fields_ = (
        ("family", ctypes.c_ushort),
        ("protocol", ctypes.c_ushort),
        ("index", ctypes.c_int),
        ("hatype", ctypes.c_ushort),
        ("pkttype", ctypes.c_ubyte),
        ("halen", ctypes.c_ubyte),
        ("address", ctypes.c_ubyte * 8),
    )


class _Piece(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_char_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """struct msghdr."""

    _fields_ = (
        ("name", ctypes.POINTER(_Address)),
        ("name_length", ctypes.c_uint),
        ("pieces", ctypes.POINTER(_Piece)),
        ("piece_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """struct mmsghdr, <sys/socket.h>."""

    _fields_ = (("header", _Header), ("sent", ctypes.c_uint))


_libc = ctypes.CDLL(None, use_errno=True)


class FrameSender:
    """One packet socket that sends on every interface of its namespace and receives nothing.

    `inherited` is the descriptor of such a socket, to be used instead of a new one.
    """

    def __init__(self, inherited: int | None = None) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_PACKET, kind, 0, inherited)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._messages = (_Message * _BATCH)()
        self._addresses = (_Address * _BATCH)()
        self._pieces = (_Piece * _BATCH)()
        # Wrapped once: every look into a ctypes array makes a new object.
        self._slots = list(zip(self._addresses, self._pieces, strict=True))
        for message, (address, piece) in zip(self._messages, self._slots, strict=True):
            address.family = socket.AF_PACKET
            header = message.header
            header.name, header.name_length = ctypes.pointer(address), ctypes.sizeof(address)
            header.pieces, header.piece_count = ctypes.pointer(piece), 1

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def send_many(self, frames: Sequence[tuple[int, bytes]]) -> list[tuple[int, int]]:
        """Send these (interface number, frame) pairs in order, now; never blocks.

        Returns (position, errno) of those that the kernel refused, such as ENXIO (no such interface), ENETDOWN or
        ENOBUFS; the others went out.
        """
        refused: list[tuple[int, int]] = []
        for start in range(0, len(frames), _BATCH):
            chunk = frames[start : start + _BATCH]
            for (index, frame), (address, piece) in zip(chunk, self._slots, strict=False):
                address.index = index
                piece.base = frame
                piece.length = len(frame)
            done = 0
            while done < len(chunk):
                rest = ctypes.byref(self._messages, done * ctypes.sizeof(_Message))
                sent = _libc.sendmmsg(self._socket.fileno(), rest, len(chunk) - done, 0)
                if sent > 0:
                    done += sent
                else:  # it stops at the first that fails, and says why when that one is the first
                    refused.append((start + done, ctypes.get_errno()))
                    done += 1
        return refused


class AnnouncementListener:
    """Hears ARP and neighbour advertisements that arrive on one interface, whoever they are for.

    Raises OSError when there is no such interface.
    """

    def __init__(self, interface: str) -> None:
        # Protocol 0 hears nothing: not before the filter is in place and the interface is chosen.
        self._socket = socket.socket(
            socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0
        )
        try:
            bpf.attach(self._socket, bpf.announcements())
            self._socket.bind((interface, _ETH_P_ALL))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

    def receive(self) -> list[tuple[bytes, bytes]]:
        """What has arrived, as (source MAC, whole frame), at most 64 of it; empty when nothing has. Never blocks.

        Raises OSError: ENETDOWN, once, when the interface went down.
        """
        heard: list[tuple[bytes, bytes]] = []
        while len(heard) < _MOST_AT_ONCE:
            try:
                frame = self._socket.recv(_LARGEST)
            except BlockingIOError:
                break
            heard.append((frame[6:12], frame))
        return heard
