"""The control socket: what the user's tool talks to. Never waits for anybody.

Root's own (mode 0600, in a directory that only root may write). Each connection has a bounded ear and a bounded mouth:
who sends too long a line, or does not read its answers, is dropped.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path

from hakeep.report.protocol import Inbox, Malformed, Request, encode_error

_UNREAD_MAX = 64 << 20
_CONNECTIONS_MAX = 64


class InUse(Exception):
    """Another daemon serves this socket."""


class Connection:
    """One client."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.inbox = Inbox()
        self.out: deque[memoryview] = deque()  # in pieces as they came: moving twenty megabytes takes time
        self._unread = 0
        self.watching = False
        self.closing = False
        self.dead = False

    def fileno(self) -> int:
        return self.sock.fileno()

    def send(self, data: bytes) -> None:
        """Queue an answer and give the socket what it takes."""
        self.out.append(memoryview(data))
        self._unread += len(data)
        if self._unread > _UNREAD_MAX:
            self.dead = True
        self.flush()

    def flush(self) -> None:
        while self.out and not self.dead:
            try:
                sent = self.sock.send(self.out[0])
            except BlockingIOError:
                return
            except OSError:
                self.dead = True
                return
            self._unread -= sent
            if sent == len(self.out[0]):
                self.out.popleft()
            else:
                self.out[0] = self.out[0][sent:]
        if self.closing:
            self.dead = True

    def receive(self) -> list[Request]:
        """The requests that have come in. What is no request is answered at once."""
        try:
            data = self.sock.recv(1 << 16)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            self.dead = True
            return []
        requests: list[Request] = []
        for item in self.inbox.feed(data):
            if isinstance(item, Malformed):
                self.closing = self.closing or item.fatal
                self.send(encode_error(item.sentence))
            else:
                requests.append(item)
        return requests


class ControlSocket:
    """Listens at `path`. Raises InUse when another daemon does, OSError when the path cannot be had."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if self._answers():
            raise InUse(f"the control socket {path} is in use by another hakeepd")
        path.unlink(missing_ok=True)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        before = os.umask(0o177)
        try:
            self.sock.bind(str(path))
        finally:
            os.umask(before)
        self.sock.listen(8)
        self.connections: dict[int, Connection] = {}

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            try:
                probe.connect(str(self.path))
            except OSError:
                return False
            return True

    def accept(self) -> Connection | None:
        try:
            sock, _ = self.sock.accept()
        except OSError:
            return None
        if len(self.connections) >= _CONNECTIONS_MAX:
            sock.close()
            return None
        connection = Connection(sock)
        self.connections[sock.fileno()] = connection
        return connection

    def bury(self, forget: Callable[[int], None]) -> None:
        """Close what is dead."""
        for fd, connection in list(self.connections.items()):
            if connection.dead:
                forget(fd)
                connection.sock.close()
                del self.connections[fd]

    def leave(self) -> None:
        """In a child: these are the parent's, and must end with it."""
        self.sock.close()
        for connection in self.connections.values():
            connection.sock.close()

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self.sock.close()
        for connection in self.connections.values():
            connection.sock.close()
        self.path.unlink(missing_ok=True)
