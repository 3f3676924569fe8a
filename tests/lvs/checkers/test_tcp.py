"""TCP_CHECK, and what all checks by TCP have in common: binding, errors, time."""

from __future__ import annotations

import errno
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
import trio
from scripted import LONG, SHORT, Server, ask, be_silent, closed_port, replies, reset_after, serving

from hakeep.config.settled_lvs import Peer, TcpProbe
from hakeep.lvs.checkers import stream as streams
from hakeep.lvs.checkers.attempt import PATIENCE

LOOPBACK = ip_address("127.0.0.1")

pytestmark = pytest.mark.trio


async def test_a_connection_is_enough_and_nothing_is_sent() -> None:
    heard = trio.Event()

    async def handler(stream: trio.abc.Stream, server: Server) -> None:
        server.heard.append(await stream.receive_some())
        heard.set()

    async with serving(handler) as server:
        result = await ask(TcpProbe(server.peer()))
        await heard.wait()
    assert (result.ok, result.why, result.local) == (True, "connected", False)
    assert 0 < result.latency < LONG
    assert server.heard == [b""]


async def test_over_ipv6() -> None:
    if not Path("/proc/sys/net/ipv6/conf/lo/disable_ipv6").exists() or "1" in Path(
            "/proc/sys/net/ipv6/conf/lo/disable_ipv6").read_text():
        pytest.skip("there is no IPv6 here")
    async with serving(be_silent, ip="::1") as server:
        assert (await ask(TcpProbe(server.peer()))).ok


async def test_refused() -> None:
    result = await ask(TcpProbe(Peer(LOOPBACK, closed_port())))
    assert (result.ok, result.local, result.why) == (False, False, "connecting: connection refused")


async def test_nobody_accepts_and_the_backlog_is_full() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = []
        for _ in range(3):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(listening.getsockname())
        await trio.sleep(0.05)
        result = await ask(TcpProbe(Peer(LOOPBACK, listening.getsockname()[1], SHORT)))
        for each in waiting:
            each.close()
    assert (result.ok, result.local, result.why) == (False, False, f"connecting: nothing came for {SHORT:g} s")
    assert SHORT <= result.latency < SHORT + 1


async def test_it_comes_from_where_it_is_told_to() -> None:
    port = closed_port()
    async with serving(be_silent) as server:
        for _ in range(2):  # the second time the port is in TIME_WAIT with the same peer
            result = await ask(TcpProbe(server.peer(bind_ip=ip_address("127.0.0.9"), bind_port=port)))
        while not server.callers:
            await trio.sleep(0.001)
    assert result.ok or result.local
    assert server.callers[0] == ("127.0.0.9", port)


@pytest.mark.parametrize(("more", "word"), [
    ({"bind_ip": ip_address("192.0.2.1")}, "cannot assign requested address"),
    ({"bind_if": "no-such-if"}, "no such device"),
])
async def test_what_we_cannot_do_is_not_the_servers_fault(more: dict[str, object], word: str) -> None:
    async with serving(be_silent) as server:
        result = await ask(TcpProbe(server.peer(**more)))
    assert (result.ok, result.local) == (False, True)
    assert word in result.why


@contextmanager
def no_more_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = os.dup(0)
    os.close(highest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_without_descriptors_nobody_is_down() -> None:
    with no_more_files():
        result = await ask(TcpProbe(Peer(LOOPBACK, 1)))
    assert (result.ok, result.local, result.why) == (False, True, "opening a socket: too many open files")


@pytest.mark.parametrize(("number", "local"), [
    (errno.EADDRNOTAVAIL, True), (errno.ENOBUFS, True), (errno.EPERM, True), (errno.ENETUNREACH, False),
    (errno.EHOSTUNREACH, False), (errno.ENETDOWN, False), (errno.ECONNREFUSED, False),
])
async def test_whose_fault_an_error_is(number: int, local: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(socket.socket):
        def connect(self, address: object) -> None:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(streams.socket, "socket", Refusing)
    result = await ask(TcpProbe(Peer(LOOPBACK, 9)))
    assert (result.ok, result.local) == (False, local)
    assert os.strerror(number).lower() in result.why


async def test_what_comes_later_is_the_servers_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ICMP error that says administratively prohibited arrives as EACCES, which is ours only at the start."""

    class Failing(socket.socket):
        def getsockopt(self, *arguments: int) -> int:  # type: ignore[override]
            return errno.EACCES

    monkeypatch.setattr(streams.socket, "socket", Failing)
    async with serving(be_silent) as server:
        result = await ask(TcpProbe(server.peer()))
    assert (result.ok, result.local, result.why) == (False, False, "connecting: permission denied")


async def test_send_and_expect() -> None:
    async with serving(replies(b"+PO", b"NG\r\n+more", pause=0.02)) as server:
        result = await ask(TcpProbe(server.peer(), send=b"PING\r\n\r\n", expect=b"+PONG\r\n"))
    assert (result.ok, result.why) == (True, "answered as expected")
    assert server.heard == [b"PING\r\n\r\n"]


async def test_expect_something_else() -> None:
    async with serving(replies(b"-ERR \x00\xff\n")) as server:
        result = await ask(TcpProbe(server.peer(), send=b"\r\n\r\n", expect=b"+PONG"))
    assert not result.ok
    assert "-ERR" in result.why and "+PONG" in result.why


async def test_expect_and_hear_nothing() -> None:
    async with serving(replies()) as server:
        result = await ask(TcpProbe(server.peer(), send=b"\r\n\r\n", expect=b"x"))
    assert (result.ok, result.why) == (False, "the server closed the connection without an answer")


async def test_expect_and_be_flooded() -> None:
    async with serving(replies(b"y" * 200_000, stay=True)) as server:
        result = await ask(TcpProbe(server.peer(), send=b"\r\n\r\n", expect=b"x"))
    assert not result.ok
    assert "65536 bytes" in result.why


async def test_reset_instead_of_an_answer() -> None:
    async with serving(reset_after(b"+P")) as server:
        result = await ask(TcpProbe(server.peer(), send=b"\r\n\r\n", expect=b"+PONG"))
    assert (result.ok, result.local, result.why) == (False, False, "waiting for the answer: connection reset by peer")


async def test_a_step_has_its_timeout_again_with_each_byte_and_the_whole_has_an_end() -> None:
    drip = replies(*[b"y"] * 100, pause=SHORT / 2)
    async with serving(drip) as server:
        result = await ask(TcpProbe(server.peer(SHORT), send=b"\r\n\r\n", expect=b"x"))
    assert not result.ok
    assert result.why == f"waiting for the answer: not done after {SHORT * PATIENCE:g} s"
    assert SHORT * PATIENCE <= result.latency < SHORT * PATIENCE + 1


async def test_to_forget_an_attempt_is_no_result_and_leaves_nothing() -> None:
    async with serving(be_silent) as server:
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        finished = False
        with trio.move_on_after(0.05):
            await ask(TcpProbe(server.peer(), expect=b"x"))
            finished = True
        assert not finished
        while server.connections == 0:
            await trio.sleep(0.001)
        assert len(os.listdir("/proc/self/fd")) <= before + 1  # noqa: PTH208 - the server's end
