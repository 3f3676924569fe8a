"""TCP connections, as checks use them: bare sockets that wait on trio's epoll.

A check opens a connection, asks a thing or two and closes it. trio's own streams would cost as much again as that work,
for guards that a check has no use for: nobody else ever has its socket.
"""

from __future__ import annotations

import errno
import os
import socket
from ipaddress import IPv4Address

import trio

from hakeep.config.settled_lvs import Peer
from hakeep.lvs.checkers.attempt import Attempt, Failure, Hindrance, reason
from hakeep.objects.rtnl import IPAddress

#: Bytes asked for at once.
PIECE = 32768

#: Bytes of a line, and of what comes before something that is waited for.
LONGEST_LINE = 65536

#: Errors of opening a socket that are our own, beside those that always are: an address or a port that is not free or
#: not ours, an interface that is not there, a family that the kernel has not, a route that forbids it.
OURS_TO_OPEN = frozenset((
    errno.EADDRNOTAVAIL, errno.EADDRINUSE, errno.ENODEV, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EACCES,
    errno.EAGAIN))

Address = tuple[str, int] | tuple[str, int, int, int]


def address(ip: IPAddress, port: int, interface: str) -> Address:
    """As sockets take it. A link-local address without a scope is on `interface`. Raises Hindrance."""
    if isinstance(ip, IPv4Address):
        return str(ip), port
    link = ip.scope_id or (interface if ip.is_link_local else "")
    if not link:
        return str(ip), port
    try:
        scope = int(link) if link.isdecimal() else socket.if_nametoindex(link)
    except OSError:
        raise Hindrance(f"there is no interface {link}") from None
    return str(ip).partition("%")[0], port, 0, scope


def open_socket(peer: Peer, kind: int, protocol: int = 0) -> socket.socket:
    """A socket that does not block, bound as the peer says. Raises Hindrance."""
    family = socket.AF_INET if peer.ip.version == 4 else socket.AF_INET6
    try:
        opened = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
    except OSError as error:
        raise Hindrance(f"opening a socket: {reason(error)}") from None
    try:
        if peer.fwmark:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, peer.fwmark)
        if peer.bind_if:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, peer.bind_if.encode() + b"\0")
        if peer.bind_ip is not None or peer.bind_port:
            # A fixed port would else be busy for a minute after each check.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(("", peer.bind_port) if peer.bind_ip is None else
                        address(peer.bind_ip, peer.bind_port, peer.bind_if))
    except Hindrance:
        opened.close()
        raise
    except OSError as error:
        opened.close()
        raise Hindrance(f"binding a socket: {reason(error)}") from None
    return opened


def start_connecting(peer: Peer, opened: socket.socket) -> bool:
    """Begin to connect; True when that is done already. Raises Hindrance, or OSError when the peer is to blame."""
    try:
        opened.connect(address(peer.ip, peer.port, peer.bind_if))
    except BlockingIOError as error:
        if error.errno == errno.EAGAIN:
            raise Hindrance(f"connecting: {reason(error)}") from None
        return False
    except OSError as error:
        if error.errno in OURS_TO_OPEN:
            raise Hindrance(f"connecting: {reason(error)}") from None
        raise
    return True


async def connect(peer: Peer, attempt: Attempt) -> Stream:
    """A connection to the peer. The attempt closes it. Raises what an attempt understands."""
    attempt.step("connecting")
    opened = open_socket(peer, socket.SOCK_STREAM)
    attempt.hold(opened)
    if not start_connecting(peer, opened):
        await trio.lowlevel.wait_writable(opened)
        error = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
    return Stream(opened, attempt)


class Stream:
    """A connection that is open. `send` and `receive` raise OSError; each wait that ends restarts the step's time."""

    __slots__ = ("_attempt", "_early", "_socket")

    def __init__(self, connected: socket.socket, attempt: Attempt) -> None:
        self._socket = connected
        self._attempt = attempt
        self._early = b""

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        if self._attempt.witness is not None:
            self._attempt.witness.sent(data)
        await self._send(data)

    async def _send(self, data: bytes) -> None:
        while True:
            try:
                sent = self._socket.send(data)
            except BlockingIOError:
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
            await trio.lowlevel.wait_writable(self._socket)
            self._attempt.again()

    async def receive(self) -> bytes:
        """What comes next, at most PIECE bytes; nothing at the end."""
        if self._early:
            data, self._early = self._early, b""
            return data
        data = await self._receive()
        if self._attempt.witness is not None:
            self._attempt.witness.received(data)
        return data

    async def _receive(self) -> bytes:
        """Waits first: an answer that is there before we look is rare."""
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            try:
                data = self._socket.recv(PIECE)
            except BlockingIOError:
                continue
            self._attempt.again()
            return data

    async def receive_line(self) -> bytes:
        """The next line without its end, which is CR LF or LF; at the end what there is. Raises Failure: too long."""
        return (await self.receive_until(b"\n")).removesuffix(b"\n").removesuffix(b"\r")

    async def receive_until(self, mark: bytes) -> bytes:
        """All up to and including `mark`, or without it up to the end. Raises Failure when there is too much before."""
        collected = bytearray()
        while True:
            data = await self.receive()
            start = max(0, len(collected) - len(mark) + 1)
            collected += data
            at = collected.find(mark, start)
            if at >= 0:
                self._early = bytes(collected[at + len(mark) :])
                return bytes(collected[: at + len(mark)])
            if not data:
                return bytes(collected)
            if len(collected) > LONGEST_LINE:
                raise Failure(f"more than {LONGEST_LINE} bytes without {_shown(mark)}")


def _shown(mark: bytes) -> str:
    return "a line end" if mark == b"\n" else repr(mark.decode(errors="backslashreplace"))


def shown(data: bytes, most: int = 60) -> str:
    """Bytes of a server for a sentence: in quotes, without control characters, cut."""
    text = data[: most * 2].decode("utf-8", "backslashreplace")
    return ascii(text[:most]) + ("…" if len(text) > most or len(data) > most * 2 else "")
