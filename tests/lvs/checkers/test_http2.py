"""HTTP/2 and GRPC_CHECK against a server made of h2."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted import DEADLINE, SHORT, Certificate, Handler, Server, ask, be_silent, serving

from hakeep.config.settled_lvs import GrpcProbe, HttpProbe, Page, Tls
from hakeep.lvs.checkers import unsupported
from hakeep.lvs.checkers.attempt import PATIENCE
from hakeep.lvs.checkers.grpc import request_message, state_of

pytest.importorskip("h2")

from h2 import events as e
from h2.config import H2Configuration
from h2.connection import H2Connection

from tests.effort import tries

Fields = Sequence[tuple[str, str]]


def answering(headers: Fields, body: bytes = b"", trailers: Fields = (), *, end: bool = True, reset: bool = False,
              goaway: bool = False) -> Handler:  # fmt: skip
    """A server that answers each request with this. `heard` has the header fields of requests, and their bodies."""

    async def handler(stream: trio.abc.Stream, server: Server) -> None:
        connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        await stream.send_all(connection.data_to_send())
        left, answered = b"" if reset or goaway else body, False
        while data := await stream.receive_some():
            if goaway and answered:
                continue
            for event in connection.receive_data(data):
                if isinstance(event, e.RequestReceived):
                    server.heard.append(repr(event.headers).encode())
                elif isinstance(event, e.DataReceived):
                    server.heard.append(bytes(event.data or b""))
                elif isinstance(event, e.StreamEnded):
                    answered = True
                    if reset:
                        connection.reset_stream(1, 2)
                    elif goaway:
                        connection.close_connection(11)
                    else:
                        connection.send_headers(1, headers, end_stream=end and not body and not trailers)
            while answered and left and (room := min(connection.local_flow_control_window(1), 16384)):
                piece, left = left[:room], left[room:]
                connection.send_data(1, piece, end_stream=end and not left and not trailers)
                if not left and trailers:
                    connection.send_headers(1, trailers, end_stream=end)
            if answered and not body and trailers:
                connection.send_headers(1, trailers, end_stream=end)
            await stream.send_all(connection.data_to_send())

    return handler


OK = ((":status", "200"), ("x-up", "yes"))


@pytest.mark.trio
async def test_a_page() -> None:
    body = b"abc" * 100_000  # more than a window
    page = Page(
        "/a?b", "h.example", digest=hashlib.md5(body).hexdigest(), expected_headers=(("X-Up", "yes"),), body=b"hello",
        method="POST", headers=(("X-One", "1"),))  # fmt: skip
    async with serving(answering(OK, body)) as server:
        result = await ask(HttpProbe(server.peer(), (page,), protocol="2"))
    assert (result.ok, result.why) == (True, "status 200")
    for word in (b"(':method', 'POST')", b"(':scheme', 'http')", b"(':authority', 'h.example')", b"(':path', '/a?b')",
                 b"('user-agent', 'KeepAliveClient')", b"('x-one', '1')", b"('content-length', '5')"):
        assert word in server.heard[0]
    assert server.heard[1] == b"hello"


@pytest.mark.trio
async def test_over_tls(certificate: Certificate) -> None:
    context = certificate.context()
    async with serving(answering(OK, b"abc"), context=context) as server:
        probe = HttpProbe(server.peer(), (Page(host="h"),), Tls(alpn=("h2",)), "2")
        assert (await ask(probe)).why == "the server does not speak HTTP/2"
        context.set_alpn_protocols(["h2"])
        assert (await ask(probe)).ok


@pytest.mark.parametrize(("handler", "why"), [
    (answering(((":status", "503"),)), "status 503, not 200-299"),
    (answering(OK, reset=True), "the server reset the stream: internal error"),
    (answering(OK, goaway=True), "the server ended the connection: enhance your calm"),
    (answering(OK, b"abc", end=False), f"waiting for the reply: nothing came for {SHORT:g} s"),
    (answering(OK, b"y" * 5000), "the page is longer than 4000 bytes (body_max)"),
    (be_silent, f"waiting for the reply: nothing came for {SHORT:g} s"),
], ids=range(6))
@pytest.mark.trio
async def test_bad(handler: Handler, why: str) -> None:
    async with serving(handler) as server:
        result = await ask(HttpProbe(server.peer(SHORT), (Page(host="h"),), protocol="2", body_max=4000))
    assert (result.ok, result.local, result.why) == (False, False, why)


def test_what_cannot_be_asked() -> None:
    peer = Server("127.0.0.1", 1).peer()
    assert unsupported(HttpProbe(peer, (Page(body=bytes(70_000)),), protocol="2"))
    assert unsupported(HttpProbe(peer, (Page(path="/\r\nX: y"),)))
    assert unsupported(HttpProbe(peer, (Page(method="CONNECT"),)))
    assert unsupported(HttpProbe(peer, (Page(body=bytes(70_000)),), protocol="1.1")) == ""


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    from hakeep.lvs.checkers import http2

    monkeypatch.setattr(http2, "find_spec", lambda name: None)
    peer = Server("127.0.0.1", 1).peer()
    for probe in (GrpcProbe(peer), HttpProbe(peer, (Page(),), protocol="2")):
        assert "hakeep[checks]" in unsupported(probe)
    assert unsupported(HttpProbe(peer, (Page(),))) == ""


# --------------------------------------------------------------------------------------------------------------- gRPC


SAYS = ((":status", "200"), ("content-type", "application/grpc"))
FINE = (("grpc-status", "0"),)
SERVING = b"\0\0\0\0\x02\x08\x01"


@pytest.mark.parametrize(("handler", "why"), [
    (answering(SAYS, SERVING, FINE), "SERVING"),
    (answering(SAYS, b"\0\0\0\0\x02\x08\x02", FINE), "NOT_SERVING"),
    (answering(SAYS, b"\0\0\0\0\0", FINE), "UNKNOWN"),
    (answering(SAYS, b"\0\0\0\0\x02\x08\x63", FINE), "state 99"),
    (answering(SAYS, b"\1\0\0\0\x02\x08\x01", FINE), "the answer cannot be understood"),
    (answering(SAYS, b"", (("grpc-status", "5"), ("grpc-message", "unknown"))), "gRPC status NOT_FOUND: unknown"),
    (answering((*SAYS, ("grpc-status", "12"))), "gRPC status UNIMPLEMENTED"),
    (answering(((":status", "404"),)), "status 404, not 200"),
    (answering(SAYS, b"\0" * 5000, FINE), "the page is longer than 4096 bytes (body_max)"),
], ids=range(9))
@pytest.mark.trio
async def test_grpc(handler: Handler, why: str) -> None:
    async with serving(handler) as server:
        result = await ask(GrpcProbe(server.peer(), "shop.Cart"))
    assert (result.ok, result.why) == (why == "SERVING", why)
    assert b"(':path', '/grpc.health.v1.Health/Check')" in server.heard[0]
    assert b"('content-type', 'application/grpc')" in server.heard[0]
    assert b"('te', 'trailers')" in server.heard[0]
    assert server.heard[1] == b"\0\0\0\0\x0b\x0a\x09shop.Cart"


@pytest.mark.trio
async def test_grpc_over_tls(certificate: Certificate) -> None:
    context = certificate.context()
    context.set_alpn_protocols(["h2"])
    async with serving(answering(SAYS, SERVING, FINE), context=context) as server:
        assert (await ask(GrpcProbe(server.peer(), tls=Tls()))).ok
    assert server.heard[1] == b"\0\0\0\0\0"


def test_messages() -> None:
    assert request_message("x" * 200)[:8] == b"\0\0\0\0\xcb\x0a\xc8\x01"
    for data in (b"", b"\0\0\0\0", b"\0\0\0\0\1", b"\0\0\0\0\x02\x10\x01", b"\0\0\0\0\x02\x08\x81", SERVING + b"\0"):
        assert state_of(data) is None


FRAMES = st.sampled_from([
    b"\0\0\0\x04\0\0\0\0\0", b"\0\0\0\x04\x01\0\0\0\0", b"\0\0\x01\x01\x05\0\0\0\x01\x88",
    b"\0\0\x03\0\x01\0\0\0\x01abc",
    b"\0\0\x08\x06\0\0\0\0\0pingpong", b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x02", b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0",
    b"\0\0\x01\x01\x04\0\0\0\x01\x82", b"\0\0\x04\x08\0\0\0\0\0\x7f\xff\xff\xff", b"\xff\xff\xff\0\0\0\0\0\x01"])


@given(st.lists(FRAMES | st.binary(max_size=20), max_size=8).map(b"".join))
@settings(max_examples=tries(80), deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_a_server_says(reply: bytes) -> None:
    async def handler(stream: trio.abc.Stream, server: Server) -> None:
        await stream.receive_some()
        await stream.send_all(reply)

    async def main() -> None:
        with trio.fail_after(DEADLINE):
            async with serving(handler) as server:
                peer = server.peer(0.05)
                for probe in (GrpcProbe(peer), HttpProbe(peer, (Page(host="h"),), protocol="2")):
                    result = await ask(probe)
                    assert not result.local and result.latency < 0.05 * PATIENCE + 1

    trio.run(main)
