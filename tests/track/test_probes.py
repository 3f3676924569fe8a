"""track_tcp, track_http and track_ping over loopback: servers that answer, refuse, hang and come back."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from ipaddress import ip_address

import pytest

from hakeep.config.settled_track import Rhythm, TrackHttp, TrackPing, TrackTcp
from hakeep.track.streak import Memory
from tests.track.stage import Parent

pytestmark = pytest.mark.trio

LOOPBACK = ip_address("127.0.0.1")
QUICK = Rhythm(interval=0.1, timeout=0.5)


class Server:
    """Accepts, reads a request and says `reply`; None says nothing, and closes nothing."""

    def __init__(self, port: int = 0, reply: bytes | None = b"") -> None:
        self.listening = socket.create_server(("127.0.0.1", port))
        self.port = self.listening.getsockname()[1]
        self.reply = reply
        self.asked: list[bytes] = []
        self._held: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                accepted, _ = self.listening.accept()
            except OSError:
                return
            reply = self.reply
            if reply is None:
                self._held.append(accepted)
                continue
            with accepted:
                if reply:
                    self.asked.append(accepted.recv(4096))
                    accepted.sendall(reply)

    def close(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        for each in self._held:
            each.close()


def page(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok".encode()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers = []

    def make(port: int = 0, reply: bytes | None = b"") -> Server:
        servers.append(Server(port, reply))
        return servers[-1]

    yield make
    for server in servers:
        if server.listening.fileno() >= 0:
            server.close()


async def test_a_tcp_server_goes_and_comes_back(serve: Callable[..., Server]) -> None:
    server = serve()
    parent = Parent(TrackTcp("t", LOOPBACK, server.port, QUICK))
    async with parent.running():
        await parent.until(lambda: parent.judgements("t") == [True])
        server.close()
        await parent.until(lambda: parent.judgements("t") == [True, False])
        assert "connection refused" in parent.why("t")
        serve(server.port)
        await parent.until(lambda: parent.judgements("t") == [True, False, True])
    assert parent.logged("track_tcp t failed") and parent.logged("track_tcp t succeeded")


async def test_a_tcp_server_that_accepts_nothing_any_more() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        parent = Parent(TrackTcp("t", LOOPBACK, full.getsockname()[1], QUICK))
        async with parent.running():
            await parent.until(lambda: parent.judgements("t") == [False])
        for each in waiting:
            each.close()


async def test_http_by_its_status(serve: Callable[..., Server]) -> None:
    server = serve(0, page("200 OK"))
    url = f"http://127.0.0.1:{server.port}/a/b?c=d"
    parent = Parent(TrackHttp("h", url, rhythm=QUICK), TrackHttp("gone", url, ((404, 404), (500, 599)), rhythm=QUICK))
    async with parent.running():
        await parent.until(lambda: parent.judgements("h") == [True] and parent.judgements("gone") == [False])
        server.reply = page("503 No")
        await parent.until(lambda: parent.judgements("h") == [True, False])
        await parent.until(lambda: parent.judgements("gone") == [False, True])
        assert "503" in parent.why("h")
    request = server.asked[0].decode()
    assert request.startswith("GET /a/b?c=d HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{server.port}\r\n" in request


async def test_an_http_server_that_hangs_or_talks_nonsense(serve: Callable[..., Server]) -> None:
    hanging, talking, other = serve(0, None), serve(0, b"\x00\xff nonsense\r\n\r\n"), serve(0, page("200 OK"))
    things = [TrackHttp(name, f"http://127.0.0.1:{server.port}/", rhythm=QUICK)
              for name, server in (("hangs", hanging), ("talks", talking), ("well", other))]
    parent = Parent(*things, TrackHttp("tls", f"https://127.0.0.1:{other.port}/", rhythm=QUICK),
                    TrackHttp("nowhere", "http://no-such-host.invalid./", rhythm=QUICK),
                    TrackHttp("odd", "http://[::1/", rhythm=QUICK))
    async with parent.running():
        for name in ("hangs", "talks", "tls", "nowhere", "odd"):
            await parent.until(lambda name=name: parent.judgements(name) == [False])
        await parent.until(lambda: parent.judgements("well") == [True])
        await parent.until(lambda: parent.thing("odd").get("runs", 0) > 5)
        hanging.reply = page("200 OK")
        await parent.until(lambda: parent.judgements("hangs") == [False, True])
    assert len(parent.logged("cannot be asked")) == 1, parent.logged("cannot be asked")


async def test_a_host_by_its_name(serve: Callable[..., Server]) -> None:
    server = serve(0, page("200 OK"))
    parent = Parent(TrackHttp("h", f"http://localhost:{server.port}/", rhythm=Rhythm(0.2, 5.0)))
    async with parent.running():
        await parent.until(lambda: parent.judgements("h") == [True])
    assert f"Host: localhost:{server.port}\r\n" in server.asked[0].decode()


async def test_rise_and_fall_count(serve: Callable[..., Server]) -> None:
    server = serve()
    parent = Parent(TrackTcp("t", LOOPBACK, server.port, Rhythm(0.05, 0.5, rise=3, fall=4)))
    async with parent.running():
        await parent.until(lambda: parent.judgements("t") == [True])
        server.close()
        await parent.until(lambda: parent.judgements("t") == [True, False])
        await parent.until(lambda: parent.thing("t").get("failures", 0) >= 4)


async def test_loopback_answers_pings() -> None:
    parent = Parent(TrackPing("p", LOOPBACK, count=5, rhythm=QUICK),
                    TrackPing("six", ip_address("::1"), 6, rhythm=QUICK),
                    TrackPing("link", LOOPBACK, interface="no-such-link", rhythm=QUICK))
    async with parent.running():
        await parent.until(lambda: parent.judgements("p") == [True] and parent.judgements("six") == [True])
        await parent.until(lambda: parent.judgements("link") == [False])
        assert parent.why("p") == "0 of 5 echoes lost"


async def test_what_asks_goes_on_where_another_worker_or_another_definition_was(serve: Callable[..., Server]) -> None:
    """One refusal after two is the third. A reload that changes how often it is asked changes nothing in that."""
    server = serve()
    server.close()
    slow = Rhythm(interval=0.3, timeout=0.5, rise=2, fall=3)
    parent = Parent(TrackTcp("t", LOOPBACK, server.port, rhythm=slow), memory={("tcp", "t"): Memory(True, 2, "", 5.0)})
    async with parent.running():
        await parent.until(lambda: parent.judgements("t") == [True, False])
        await parent.until(lambda: parent.thing("t").get("runs", 0) >= 1)
        assert parent.memory()["tcp", "t"][:2] == (False, 0)
        serve(server.port)
        parent.reload(TrackTcp("t", LOOPBACK, server.port, rhythm=Rhythm(0.2, 0.5, rise=3)))
        await parent.until(lambda: parent.judgements("t") == [True, False, False, True])
        assert [memory[1] for body in parent.said("remember") for _, _, memory in body["streaks"]][-3:] == [1, 2, 0]
