"""Netlink, as thin as it can be: bytes go out in batches, facts come back.

A netlink message is a 16 byte header (length, type, flags, sequence number, port; <linux/netlink.h>) and a body that
belongs to its protocol. This module knows the header only. Bodies are encoded and decoded elsewhere, with
pyroute2's message classes; its sockets stand on asyncio and are not used.

The kernel works off a request inside the call that sends it, so the acknowledgements of a batch are readable when
`send` returns. What may come later is notifications, and those can get lost: when the receive buffer is full the
kernel drops messages and says ENOBUFS once. `receive` reports that as `Overrun`, a value like any other, because
whoever missed something has to read everything again.

There are no threads and there is no waiting, except in `request`, which is meant for start-up and for tests.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from struct import Struct
from typing import NamedTuple

from hakeep.kernel import bpf
from hakeep.kernel.courier import Courier

NETLINK_ROUTE = 0
NETLINK_NETFILTER = 12

# Message types and flags, from <linux/netlink.h>.
NLMSG_NOOP = 1
NLMSG_ERROR = 2
NLMSG_DONE = 3
NLM_F_REQUEST = 0x001
NLM_F_ACK = 0x004
NLM_F_DUMP_INTR = 0x010
NLM_F_ACK_TLVS = 0x200
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200
NLM_F_DUMP = 0x300
NLM_F_CREATE = 0x400

# Socket options of level SOL_NETLINK.
SOL_NETLINK = 270
NETLINK_CAP_ACK = 10
NETLINK_EXT_ACK = 11
NETLINK_GET_STRICT_CHK = 12
SO_RCVBUFFORCE = 33
MSG_TRUNC = 0x20

#: Length, type, flags, sequence number, port.
HEADER = Struct("=IHHII")
_ERRNO = Struct("=i")
_ATTRIBUTE = Struct("=HH")
_FLAGS = Struct("=H")
_FLAGS_SEQUENCE = Struct("=HI")

#: The kernel fills dump messages up to 32 KiB where the reader has room.
_ROOM = 64 * 1024


class Ack(NamedTuple):
    """The kernel's answer to message `seq`: errno 0 is yes. `text` is its own explanation, where it has one."""

    seq: int
    errno: int
    text: str = ""


class Part(NamedTuple):
    """A message with a body: a piece of a dump (`seq` is the request's) or a notification.

    `port` names the socket on whose behalf it was sent, 0 means the kernel itself. `data` starts at the header.
    """

    seq: int
    type: int
    port: int
    data: bytes


class Done(NamedTuple):
    """The dump `seq` is complete. `interrupted`: things changed meanwhile and it may be inconsistent, ask again."""

    seq: int
    errno: int
    interrupted: bool


class Overrun(NamedTuple):
    """Messages to this socket were lost."""


Incoming = Ack | Part | Done | Overrun


class NetlinkError(OSError):
    """The kernel refused a `request`. `errno` is its errno, `strerror` has its explanation where it gave one."""


class Netlink:
    """One netlink socket: non-blocking, close-on-exec, in the network namespace of the caller.

    `groups` is the bit mask of notification groups to listen to. `rcvbuf` is the size of the receive buffer in bytes
    (0 = the system's); the system's limit is overridden where that is permitted.
    """

    def __init__(self, family: int = NETLINK_ROUTE, groups: int = 0, rcvbuf: int = 0) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, family
        )
        try:
            for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK):
                self._socket.setsockopt(SOL_NETLINK, option, 1)
            if rcvbuf:
                set_rcvbuf(self._socket, rcvbuf)
            self._socket.bind((0, groups))
        except OSError:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[0]
        self._last_seq = 0
        self._room = bytearray(_ROOM)
        self._interrupted: set[int] = set()

    def fileno(self) -> int:
        """The descriptor to wait on: readable when `receive` has something."""
        return self._socket.fileno()

    def attach(self, program: bpf.Program) -> None:
        """Filter what this socket receives."""
        bpf.attach(self._socket, program)

    def strict(self) -> None:
        """Have the kernel heed what a request for a dump says of it, where it can (Linux 4.20)."""
        with suppress(OSError):
            self._socket.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, batch: Sequence[bytes], *, quiet: bool = False) -> range:
        """Hand encoded messages to the kernel in one call; returns their sequence numbers.

        It works them off in order. With `quiet` only refusals and the last message are answered, so that an answer
        means that all before it were done; reading an answer costs as much as a quarter of adding an address.
        Raises OSError when none of them was taken: EMSGSIZE (batch above the send buffer), ENOBUFS, ENOMEM.
        """
        data, sequence = self.compose(batch, quiet=quiet)
        if batch:
            try:
                self._socket.sendto(data, (0, 0))
            except OSError:
                self._last_seq = sequence.start - 1
                raise
        return sequence

    @property
    def next_sequence(self) -> int:
        """The sequence number of the next message."""
        return self._last_seq + 1

    def compose(self, batch: Sequence[bytes], *, quiet: bool = False) -> tuple[bytearray, range]:
        """What `send` would hand to the kernel, for a `courier` to do it, and the sequence numbers."""
        first = self._last_seq + 1
        sequence = range(first, first + len(batch))
        data = bytearray().join(batch)
        if not batch:
            return data, sequence
        at, last = 0, sequence[-1]
        mask = ~NLM_F_ACK if quiet else -1
        for seq, message in zip(sequence, batch, strict=True):
            flags = _FLAGS.unpack_from(message, 6)[0]
            _FLAGS_SEQUENCE.pack_into(data, at + 6, flags & mask if seq != last else flags, seq)
            at += len(message)
        self._last_seq = sequence[-1] if sequence[-1] < 0x80000000 else 0  # 0 itself is what notifications have
        return data, sequence

    def courier(self) -> Courier:
        """A courier that sends through this socket."""
        return Courier(self._socket)

    def receive(self) -> list[Incoming]:
        """What one read brings; empty when there is nothing to read. Never blocks.

        Raises OSError only for a socket that can no longer be used.
        """
        try:
            length, _, flags, sender = self._socket.recvmsg_into([self._room])
        except BlockingIOError:
            return []
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                return [Overrun()]
            raise
        if sender[0] != 0:  # only the kernel is believed; any process may write to our port
            return []
        incoming = list(self._split(memoryview(self._room)[:length]))
        if flags & MSG_TRUNC:
            incoming.append(Overrun())
        return incoming

    def _split(self, view: memoryview) -> Iterator[Incoming]:
        at = 0
        while at + HEADER.size <= len(view):
            length, kind, flags, seq, port = HEADER.unpack_from(view, at)
            if length < HEADER.size or at + length > len(view):
                return
            message = view[at : at + length]
            at += (length + 3) & ~3
            if flags & NLM_F_DUMP_INTR:
                self._interrupted.add(seq)
            if kind == NLMSG_ERROR:
                yield _ack(message, seq, flags)
            elif kind == NLMSG_DONE:
                number = -_ERRNO.unpack_from(message, HEADER.size)[0] if length >= HEADER.size + 4 else 0
                yield Done(seq, number, seq in self._interrupted)
                self._interrupted.discard(seq)
            elif kind != NLMSG_NOOP:
                yield Part(seq, kind, port, bytes(message))

    def request(
        self, message: bytes, *, timeout: float = 5.0, keep: Callable[[bytes], bool] | None = None
    ) -> list[Part]:
        """Send one message and wait for its answer: the parts of a dump, or none. An interrupted dump starts again.
        Of a long dump only what is to be kept takes room.

        For start-up and tests. The message must ask for an ACK or a dump. Raises NetlinkError when the kernel says
        no and TimeoutError after `timeout` seconds. Notifications that arrive meanwhile are dropped, so do not use
        it on a socket that listens to groups.
        """
        deadline = time.monotonic() + timeout
        while True:
            parts = self._answer(message, deadline, keep)
            if parts is not None:
                return parts

    def _answer(
        self, message: bytes, deadline: float, keep: Callable[[bytes], bool] | None
    ) -> list[Part] | None:
        """One attempt of `request`; None when it has to be repeated."""
        (seq,) = self.send([message])
        parts: list[Part] = []
        while True:
            for incoming in self.receive() or self._wait(deadline):
                if isinstance(incoming, Overrun):
                    return None
                if incoming.seq != seq:
                    continue
                if isinstance(incoming, Part):
                    if keep is None or keep(incoming.data):
                        parts.append(incoming)
                    continue
                if incoming.errno:
                    text = incoming.text if isinstance(incoming, Ack) else ""
                    raise NetlinkError(incoming.errno, text or os.strerror(incoming.errno))
                return None if isinstance(incoming, Done) and incoming.interrupted else parts

    def _wait(self, deadline: float) -> tuple[()]:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError("the kernel did not answer a netlink request")
        return ()


def _ack(message: memoryview, seq: int, flags: int) -> Ack:
    """Decode NLMSG_ERROR (struct nlmsgerr). With NETLINK_CAP_ACK only the header of the request is repeated."""
    number = -_ERRNO.unpack_from(message, HEADER.size)[0]
    text = ""
    if number and flags & NLM_F_ACK_TLVS:
        at = HEADER.size + _ERRNO.size + HEADER.size
        while at + _ATTRIBUTE.size <= len(message):
            length, kind = _ATTRIBUTE.unpack_from(message, at)
            if length < _ATTRIBUTE.size:
                break
            if kind == 1:  # NLMSGERR_ATTR_MSG
                text = bytes(message[at + _ATTRIBUTE.size : at + length]).rstrip(b"\0").decode(errors="replace")
            at += (length + 3) & ~3
    return Ack(seq, number, text)


def set_rcvbuf(sock: socket.socket, size: int) -> None:
    """Set the receive buffer to `size` bytes, above net.core.rmem_max where CAP_NET_ADMIN permits it."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, size)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
