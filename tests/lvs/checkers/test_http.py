"""HTTP_GET: the request to the byte, and every way in which a reply can be odd."""

from __future__ import annotations

import gzip
import hashlib
import re
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted import DEADLINE, LONG, SHORT, Handler, Server, ask, be_silent, read_request, replies, reset_after, serving

from hakeep.config.settled_lvs import HttpProbe, Page, Pattern
from hakeep.lvs.checkers import http
from hakeep.lvs.checkers.attempt import PATIENCE, Failure
from hakeep.lvs.checkers.http import LONGEST_HEADER, request_bytes
from hakeep.lvs.checkers.page import judge
from hakeep.lvs.messages import Result
from tests.effort import tries

CAPTURE = Path(__file__).resolve().parents[4] / "shared/keepalived/captures/checkers-raw.txt"

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
ABC = hashlib.md5(b"abc").hexdigest()


async def fetch(
    handler: Handler, page: Page | None = None, timeout: float = LONG, **more: object
) -> tuple[Result, Server]:
    async with serving(handler) as server:
        probe = HttpProbe(server.peer(timeout), (page or Page(host="h"),), **more)  # type: ignore[arg-type]
        return await ask(probe), server


# ------------------------------------------------------------------------------------------------------------ request


@pytest.mark.parametrize(("protocol", "expected"), [
    ("1.0", b"GET /a?x=1 HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: vs.example\r\n\r\n"),
    ("1.0C", b"GET /a?x=1 HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: vs.example\r\n\r\n"),
    ("1.1", b"GET /a?x=1 HTTP/1.1\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: vs.example\r\n\r\n"),
])
@pytest.mark.trio
async def test_the_request_is_keepaliveds(protocol: str, expected: bytes) -> None:
    result, server = await fetch(replies(OK), Page("/a?x=1", "vs.example"), protocol=protocol)
    assert (result.ok, result.why) == (True, "status 200")
    assert server.heard == [expected]


def test_the_requests_of_a_real_keepalived() -> None:
    if not CAPTURE.exists():
        pytest.skip("the captures of a real keepalived are not here")
    requests = {eval(found) for found in re.findall(r" REQ (b'.*')$", CAPTURE.read_text(), re.MULTILINE)}
    ours = {request_bytes(Page(path, host), protocol) for path, host, protocol in (
        ("/a?x=1", "vs.example", "1.1"), ("/b", "url.example", "1.1"), ("/", "vs.example", "1.0"),
        ("/", "vs.example", "1.0C"), ("/s", "sni.example", "1.0"))}
    assert requests == ours


@pytest.mark.trio
async def test_a_request_with_more() -> None:
    headers = (("X-One", "1"), ("User-Agent", "me"))
    page = Page("/", "h", method="POST", body=b"{}\n", headers=headers, user="u", password="p:w")
    result, server = await fetch(replies(OK, size=3), page, protocol="1.1")
    assert result.ok
    assert server.heard == [
        b"POST / HTTP/1.1\r\nConnection: close\r\nHost: h\r\nX-One: 1\r\nUser-Agent: me\r\n"
        b"Authorization: Basic dTpwOnc=\r\nContent-Length: 3\r\n\r\n{}\n"]


def test_no_host_no_header() -> None:
    assert request_bytes(Page(), "1.0") == b"GET / HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\n\r\n"


@pytest.mark.trio
async def test_the_step_is_the_page() -> None:
    async with serving(replies(OK)) as server:
        probe = HttpProbe(server.peer(), (Page("/a"), Page("/b")))
        for step in (1, 0):
            assert (await ask(probe, step)).ok
    assert [heard.split()[1] for heard in server.heard] == [b"/b", b"/a"]


# ------------------------------------------------------------------------------------------------ where a reply ends


@pytest.mark.parametrize("handler", [
    replies(OK, stay=True),
    replies(*[bytes([byte]) for byte in OK], pause=0.001, stay=True),
    replies(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n2\r\nbc\r\n0\r\nT: x\r\n\r\n",
            stay=True),
    replies(b"HTTP/1.0 200 OK\r\n\r\nabc"),
    replies(b"HTTP/1.1 200 OK\r\n\r\n", b"abc", pause=0.02),
    replies(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, stay=True),
    replies(b"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc", stay=True),
    replies(OK + b"more than was promised", stay=True),
    replies(b"HTTP/1.1 200 \r\nContent-Length: 3\r\n\r\nabc"),
    replies(b"HTTP/1.1 200 OK\r\nX: \xff\xfe\r\nContent-Length: 3\r\n\r\nabc"),
], ids=["length", "drip", "chunked", "end", "end-1.1", "100-continue", "bare-lf", "more", "no-reason", "bad-utf8"])
@pytest.mark.trio
async def test_good_replies(handler: Handler) -> None:
    result, _ = await fetch(handler, Page(host="h", digest=ABC.upper()), timeout=1.0)
    assert (result.ok, result.why) == (True, "status 200")
    assert result.latency < 1.0


@pytest.mark.parametrize(("handler", "why"), [
    (replies(), "the server closed the connection without a reply"),
    (replies(b"HTTP/1.1 200 OK\r\nContent-Le"), "the server closed the connection in the middle of its header"),
    (replies(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabd"), "digest"),
    (replies(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc"), "bad HTTP: "),
    (replies(b"HTTP/1.1 200 OK\r\nContent-Length: 9" + b"9" * 5000 + b"\r\n\r\nabc"), "bad HTTP: "),
    (replies(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc"), "bad HTTP: "),
    (replies(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"), "bad HTTP: "),
    (replies(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc"), "bad HTTP: "),
    (replies(b"<html>HTTP/0.9 lives</html>\r\n\r\n"), "bad HTTP: "),
    (replies(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"), "bad HTTP: "),
    (replies(b"SSH-2.0-OpenSSH_9.2\r\n"), "the server closed the connection in the middle of its header"),
    (replies(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, stay=True), "bad HTTP: "),
    (replies(b"\x16\x03\x01\x00\x05hello"), "bad HTTP: "),
    (reset_after(b""), "waiting for the reply: connection reset by peer"),
    (reset_after(OK[:-2]), "waiting for the reply: connection reset by peer"),
    (replies(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), "status 503, not 200-299"),
    (replies(b"HTTP/1.1 204 None\r\n\r\n", stay=True), None),
    (replies(OK.replace(b"abc", b"abd")), f"digest {hashlib.md5(b'abd').hexdigest()}, not {ABC}"),
], ids=lambda value: None if callable(value) else str(value)[:30])
@pytest.mark.trio
async def test_bad_replies(handler: Handler, why: str | None) -> None:
    page = Page(host="h", digest=ABC) if why else Page(host="h")
    result, _ = await fetch(handler, page)
    assert result.ok is (why is None)
    assert not result.local
    assert why is None or result.why.startswith(why)


@pytest.mark.trio
async def test_a_page_that_ends_too_soon_is_judged_as_it_is() -> None:
    """As in keepalived: a server that miscounts has always been good enough."""
    result, _ = await fetch(replies(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), Page(host="h", digest=ABC))
    assert (result.ok, result.why) == (True, "status 200; 3 bytes came, not the 10 of Content-Length")


@pytest.mark.trio
async def test_half_closed() -> None:
    """The server ends its side and still listens: what it said counts."""

    async def handler(stream: trio.abc.Stream, server: Server) -> None:
        assert isinstance(stream, trio.SocketStream)
        await read_request(stream, server)
        await stream.send_all(b"HTTP/1.0 200 OK\r\n\r\nabc")
        await stream.send_eof()
        server.heard.append(await stream.receive_some())

    result, server = await fetch(handler, Page(host="h", digest=ABC))
    assert result.ok
    assert server.heard[1:] in ([], [b""])


@pytest.mark.trio
async def test_stuck_after_accept() -> None:
    result, _ = await fetch(be_silent, timeout=SHORT)
    assert (result.ok, result.why) == (False, f"waiting for the reply: nothing came for {SHORT:g} s")
    assert result.latency < SHORT + 1


@pytest.mark.trio
async def test_stuck_in_the_middle() -> None:
    result, _ = await fetch(replies(OK[:-1], stay=True), timeout=SHORT)
    assert (result.ok, result.why) == (False, f"waiting for the reply: nothing came for {SHORT:g} s")


@pytest.mark.trio
async def test_a_drip_without_end() -> None:
    handler = replies(b"HTTP/1.0 200 OK\r\n\r\n", *[b"y"] * 100, pause=SHORT / 2)
    result, _ = await fetch(handler, timeout=SHORT)
    assert (result.ok, result.why) == (False, f"waiting for the reply: not done after {SHORT * PATIENCE:g} s")


@pytest.mark.trio
async def test_headers_without_end() -> None:
    """Also when each alone is short: memory is bounded."""
    sent = 0

    async def handler(stream: trio.abc.Stream, server: Server) -> None:
        nonlocal sent
        await read_request(stream, server)
        await stream.send_all(b"HTTP/1.1 200 OK\r\n")
        while True:
            await stream.send_all(b"X: y\r\n" * 1000)
            sent += 6000

    result, _ = await fetch(handler)
    assert not result.ok and result.why.startswith("bad HTTP: ")
    assert sent < 16 * 1024 * 1024 + LONGEST_HEADER  # the rest is in the buffers of the kernel


@pytest.mark.trio
async def test_a_hundred_continues_without_end() -> None:
    async def handler(stream: trio.abc.Stream, server: Server) -> None:
        await read_request(stream, server)
        while True:
            await stream.send_all(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    result, _ = await fetch(handler)
    assert not result.ok and "pieces" in result.why


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.trio
async def test_a_body_without_end(chunked: bool) -> None:
    async def handler(stream: trio.abc.Stream, server: Server) -> None:
        await read_request(stream, server)
        await stream.send_all(b"HTTP/1.1 200 OK\r\n" + b"Transfer-Encoding: chunked\r\n" * chunked + b"\r\n")
        while True:
            await stream.send_all((b"400\r\n" + b"y" * 1024 + b"\r\n") if chunked else b"y" * 1024)

    result, _ = await fetch(handler, body_max=100_000)
    assert (result.ok, result.why) == (False, "the page is longer than 100000 bytes (body_max)")


@pytest.mark.trio
async def test_chunks_of_one_byte_without_end() -> None:
    async def handler(stream: trio.abc.Stream, server: Server) -> None:
        await read_request(stream, server)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await stream.send_all(b"1\r\ny\r\n" * 1000)

    result, _ = await fetch(handler)
    assert not result.ok and "pieces" in result.why


@pytest.mark.trio
async def test_a_body_as_long_as_may_be() -> None:
    body = bytes(range(256)) * 4096
    handler = replies(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    page = Page(host="h", digest=hashlib.md5(body).hexdigest())
    assert (await fetch(handler, page, body_max=len(body)))[0].ok
    assert not (await fetch(handler, page, body_max=len(body) - 1))[0].ok


@pytest.mark.trio
async def test_a_compressed_body_is_digested_as_it_came() -> None:
    body = gzip.compress(b"abc")
    handler = replies(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert (await fetch(handler, Page(host="h", digest=hashlib.md5(body).hexdigest())))[0].ok


@pytest.mark.trio
async def test_head_has_no_body() -> None:
    handler = replies(b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n", stay=True)
    result, server = await fetch(handler, Page(host="h", method="HEAD"))
    assert result.ok
    assert server.heard[0].startswith(b"HEAD / ")


# ---------------------------------------------------------------------------------------------------------- judgement


@pytest.mark.parametrize(("statuses", "status", "why"), [
    (((200, 204), (301, 301)), 301, "status 301"),
    (((200, 204), (301, 301)), 302, "status 302, not 200-204 301"),
    (((404, 404),), 404, "status 404"),
])
@pytest.mark.trio
async def test_statuses(statuses: tuple[tuple[int, int], ...], status: int, why: str) -> None:
    reply = b"HTTP/1.1 %d X\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n" % status
    result, server = await fetch(replies(reply), Page(host="h", statuses=statuses))
    assert result.why == why
    assert len(server.heard) == 1


@pytest.mark.parametrize(("expected", "why"), [
    ((("Content-length", "3"), ("connection", "")), "status 200"),
    ((("x-Up", ""),), "there is no header x-Up"),
    ((("Connection", "keep-alive"),), "the header Connection says 'close', not 'keep-alive'"),
])
@pytest.mark.trio
async def test_expected_headers(expected: tuple[tuple[str, str], ...], why: str) -> None:
    assert (await fetch(replies(OK), Page(host="h", expected_headers=expected)))[0].why == why


@pytest.mark.parametrize(("body", "path", "value", "why"), [
    (b'{"status": {"healthy": true}}', ".status.healthy", "true", "status 200"),
    (b'{"status": {"healthy": null}}', "status.healthy", "", "status 200"),
    (b'{"nodes": [{"n": 1}, {"n": "\xc3\xa4"}]}', ".nodes[1].n", "ä", "status 200"),
    (b"[[1.5]]", "[0][0]", "1.5", "status 200"),
    (b'{"a": 1}', "$.a", "1", "status 200"),
    (b'{"status": "up"}', ".status", "down", ".status is 'up', not 'down'"),
    (b'{"status": "up"}', ".status.x", "", "there is no .status.x"),
    (b"[1]", "[1]", "", "there is no [1]"),
    (b"[1]", "[-1]", "", "there is no [-1]"),
    (b"<html>", ".x", "", "the page is not JSON: '<html>'"),
    (b"[" * 100_000, ".x", "", "the page is not JSON: '[[[[[[[[[[[[[[[[[[[[[[[[[[[[[['…"),
    (b'{"x": ' + b"9" * 5000 + b"}", ".x", "", None),
    (b"\xff\xfe\x00", ".x", "", None),
    (b" " * (1 << 20) + b"1", ".x", "", "1048577 bytes are too much to be examined as JSON (at most 1048576)"),
], ids=range(14))
@pytest.mark.trio
async def test_json(body: bytes, path: str, value: str, why: str | None) -> None:
    page = Page(host="h", json_path=path, json_value=value)
    result, _ = await fetch(replies(b"HTTP/1.0 200 OK\r\n\r\n" + body), page)
    assert result.ok is (why == "status 200")
    assert why is None or result.why == why


@pytest.mark.trio
async def test_a_pattern_decides() -> None:
    pytest.importorskip("regex")
    assert (await fetch(replies(OK), Page(host="h", pattern=Pattern("a.c"))))[0].ok
    result, _ = await fetch(replies(OK), Page(host="h", pattern=Pattern("a.d")))
    assert (result.ok, result.why) == (False, "the regular expression does not match")


# ---------------------------------------------------------------------------------------------------------- redirects


def redirecting(*targets: bytes, status: int = 302) -> Handler:
    """Sends from one page to the next, then says 200."""

    async def handler(stream: trio.abc.Stream, server: Server) -> None:
        number = len(server.heard)
        await read_request(stream, server)
        if number < len(targets):
            reply = b"HTTP/1.1 %d X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"
            await stream.send_all(reply % (status, targets[number]))
        else:
            await stream.send_all(OK)

    return handler


@pytest.mark.trio
async def test_redirects_are_followed_on_the_same_server() -> None:
    page = Page("/dir/", "h", redirects=3, digest=ABC)
    result, server = await fetch(redirecting(b"a?b=c", b"http://h/d", b"/e"), page)
    assert result.ok
    assert [heard.split()[1] for heard in server.heard] == [b"/dir/", b"/dir/a?b=c", b"/d", b"/e"]


@pytest.mark.trio
async def test_too_many_redirects() -> None:
    result, server = await fetch(redirecting(*[b"/x"] * 50), Page(host="h", redirects=5))
    assert (result.ok, result.why) == (False, "status 302, not 200-299")
    assert len(server.heard) == 6


@pytest.mark.parametrize("target", [b"http://other/", b"https://h/", b"//x/", b"http://[::/", b"/a b", b"file:///x"])
@pytest.mark.trio
async def test_redirects_elsewhere_are_not_followed(target: bytes) -> None:
    result, server = await fetch(redirecting(target), Page(host="h", redirects=5))
    assert not result.ok and result.why.startswith("status 302 sends us to ")
    assert len(server.heard) == 1


@pytest.mark.parametrize(("status", "method", "then"), [
    (303, "PUT", "GET"), (302, "POST", "GET"), (307, "POST", "POST")])
@pytest.mark.trio
async def test_what_a_redirect_does_to_the_method(status: int, method: str, then: str) -> None:
    page = Page(host="h", redirects=1, method=method)
    result, server = await fetch(redirecting(b"/x", status=status), page)
    assert result.ok
    assert [heard.split()[0].decode() for heard in server.heard] == [method, then]


# ------------------------------------------------------------------------------------------------------ any bytes


PIECES = st.sampled_from([
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"Content-Length: 3\r\n",
    b"\r\n", b"\n", b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n", b"abc", b"Location: /x\r\n",
    b": \r\n", b" folded\r\n",
    b"HTTP/1.1 302 Found\r\n", b"Content-Length: -1\r\n", b"ffffffffffffffff\r\n", b"\x00", b"{}", b"a" * 3000])


@given(st.lists(PIECES | st.binary(max_size=20), max_size=12).map(b"".join), st.booleans())
@settings(max_examples=tries(150), deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_a_server_says_there_is_a_result_in_time(reply: bytes, stay: bool) -> None:
    page = Page(host="h", digest=ABC, redirects=2, json_path=".x", expected_headers=(("Location", ""),))

    async def main() -> None:
        with trio.fail_after(DEADLINE):
            result, _ = await fetch(replies(reply, stay=stay), page, timeout=0.02)
            assert not result.local
            assert result.latency < 0.02 * PATIENCE + 1

    trio.run(main)


class Pieces:
    """A stream that brings these and then its end."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._left = pieces

    async def receive(self) -> bytes:
        return self._left.pop(0) if self._left else b""

    async def send(self, data: bytes) -> None:
        """Of no interest."""


SEEDS = [
    OK, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n2\r\nbc\r\n0\r\nT: x\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 302 Found\r\nLocation: /x?y#z\r\nX: a\r\n b\r\n\r\n{}"]

DAMAGE = st.tuples(st.integers(0, 200), st.integers(0, 5), st.binary(max_size=5))


@given(st.sampled_from(SEEDS), st.lists(DAMAGE, max_size=5), st.lists(st.integers(0, 200), max_size=3))
@settings(max_examples=tries(400), deadline=None)
def test_replies_with_damage(reply: bytes, damage: list[tuple[int, int, bytes]], cuts: list[int]) -> None:
    """As above without a network, so that there can be many."""
    for at, length, instead in damage:
        reply = reply[:at] + instead + reply[at + length :]
    ends = [0, *sorted(cuts), len(reply)]
    pieces = [reply[start:end] for start, end in pairwise(ends) if start < end]
    page = Page(host="h", digest=ABC, json_path=".x")

    async def main() -> None:
        try:
            found = await http._read_reply(Pieces(pieces), page, 1000)  # type: ignore[arg-type]
            assert 0 <= found.status <= 999
            await judge(page, found)
            if target := found.header("location"):
                http.redirected(page, target, 302, secure=False)
        except Failure as failure:
            assert str(failure)

    trio.run(main)
