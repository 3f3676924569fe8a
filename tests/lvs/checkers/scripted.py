"""Servers on loopback that do exactly what a test says, and remember what they heard."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import NamedTuple

import trio

from hakeep.config.settled_lvs import Peer, Probe
from hakeep.lvs.checkers import CHECKERS, Kit
from hakeep.lvs.messages import Result

#: Seconds that a step may take in tests where something is slow, and in those where nothing is.
SHORT, LONG = 0.15, 5.0

#: Seconds after which a test that hangs is a failure.
DEADLINE = 20.0


class Certificate(NamedTuple):
    file: str
    key: str

    def context(self) -> ssl.SSLContext:
        """A server's context."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


@dataclass
class Server:
    ip: str
    port: int
    heard: list[bytes] = field(default_factory=list)
    callers: list[tuple[str, int]] = field(default_factory=list)

    @property
    def connections(self) -> int:
        return len(self.callers)

    def peer(self, timeout: float = LONG, **more: object) -> Peer:
        return Peer(ip_address(self.ip), self.port, timeout, **more)  # type: ignore[arg-type]


Handler = Callable[[trio.abc.Stream, Server], Awaitable[None]]


@asynccontextmanager
async def serving(
    handler: Handler, *, ip: str = "127.0.0.1", context: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """A TCP server that treats each connection with `handler`, and closes it then."""
    with trio.socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET) as listening:
        await listening.bind((ip, 0))
        listening.listen(64)
        server = Server(ip, listening.getsockname()[1])

        async def serve(stream: trio.abc.Stream) -> None:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                try:
                    await handler(stream, server)
                finally:
                    await stream.aclose()

        async def accept() -> None:
            while True:
                accepted, caller = await listening.accept()
                server.callers.append(caller[:2])
                stream: trio.abc.Stream = trio.SocketStream(accepted)
                if context is not None:
                    stream = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
                nursery.start_soon(serve, stream)

        with trio.fail_after(DEADLINE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(accept)
                yield server
                nursery.cancel_scope.cancel()


async def read_request(stream: trio.abc.Stream, server: Server, end: bytes = b"\r\n\r\n", size: int = 0) -> None:
    """Hear up to `end` and at least `size` bytes more."""
    heard = b""
    while end not in heard or len(heard.partition(end)[2]) < size:
        data = await stream.receive_some()
        if not data:
            break
        heard += data
    server.heard.append(heard)


def replies(*pieces: bytes, pause: float = 0.0, stay: bool = False, size: int = 0) -> Handler:
    """Hears a request with a body of `size`, sends the pieces with pauses between; closes, or else stays."""

    async def handler(stream: trio.abc.Stream, server: Server) -> None:
        await read_request(stream, server, size=size)
        for number, piece in enumerate(pieces):
            if number:
                await trio.sleep(pause)
            await stream.send_all(piece)
        if stay:
            await trio.sleep_forever()

    return handler


async def be_silent(stream: trio.abc.Stream, server: Server) -> None:
    """Accept and say nothing."""
    await trio.sleep_forever()


def reset_after(data: bytes) -> Handler:
    """Sends this and then resets the connection."""

    async def handler(stream: trio.abc.Stream, server: Server) -> None:
        assert isinstance(stream, trio.SocketStream)
        await read_request(stream, server)
        await stream.send_all(data)
        await trio.sleep(0.02)
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.socket.close()

    return handler


async def ask(probe: Probe, step: int = 0, kit: Kit | None = None) -> Result:
    """What the checker of this probe finds."""
    result = await CHECKERS[type(probe)](probe, step, kit or Kit())
    assert isinstance(result, Result)
    assert result.why and "\n" not in result.why and len(result.why) < 300
    return result


Datagrams = Callable[[bytes], list[bytes]]


@asynccontextmanager
async def answering(answers: Datagrams) -> AsyncIterator[Server]:
    """A UDP server."""
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        await listening.bind(("127.0.0.1", 0))
        server = Server("127.0.0.1", listening.getsockname()[1])

        async def serve() -> None:
            while True:
                data, sender = await listening.recvfrom(65535)
                server.heard.append(data)
                for answer in answers(data):
                    await listening.sendto(answer, sender)

        with trio.fail_after(DEADLINE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve)
                yield server
                nursery.cancel_scope.cancel()


def closed_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port of loopback where nobody listens."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
