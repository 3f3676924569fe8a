"""HTTP_GET and SSL_GET: a page is asked for and judged.

The request is keepalived's, byte for byte, unless the configuration says more. h11 reads the reply, but does not write
the request: it would not say HTTP/1.0. The reply ends where its length or its last chunk says so, else at the end of
the connection; keepalived waits for that always, and so fails servers that keep connections open. A page that ends
before its Content-Length is judged as it is, with a remark, as in keepalived.

A redirect is followed on the same server: another one's health is not the question.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from urllib.parse import urljoin, urlsplit

import h11
import trio

from hakeep.config.settled_lvs import HttpProbe, Page
from hakeep.lvs.checkers import http2
from hakeep.lvs.checkers.attempt import Attempt, Failure
from hakeep.lvs.checkers.kit import Kit
from hakeep.lvs.checkers.page import Reply, empty_body, judge
from hakeep.lvs.checkers.stream import Stream, connect
from hakeep.lvs.checkers.tls import TlsStream, secure
from hakeep.lvs.messages import Result

#: Bytes of the status line and all headers.
LONGEST_HEADER = 65536

#: So many pieces may a reply have: bodies of very small chunks cost more time than they are worth.
MOST_PIECES = 20_000

#: After so many pieces others have their turn.
FAIR = 200

MOVED = frozenset((301, 302, 303, 307, 308))

USER_AGENT = ("User-Agent", "KeepAliveClient")


async def probe(probe: HttpProbe, step: int, kit: Kit) -> Result:
    """Ask for the page number `step`."""
    page = probe.pages[step]
    with Attempt(probe.peer.timeout, kit.witness) as attempt:
        left = page.redirects
        while True:
            reply, warning = await fetch(probe, page, attempt, kit)
            target = reply.header("location") if left and reply.status in MOVED else None
            if target is None:
                break
            page = redirected(page, target, reply.status, secure=probe.tls is not None)
            left -= 1
        await judge(page, reply)
        attempt.passed("; ".join(filter(None, (f"status {reply.status}", reply.remark, warning))))
    return attempt.result


async def fetch(probe: HttpProbe, page: Page, attempt: Attempt, kit: Kit) -> tuple[Reply, str]:
    """One request on a connection of its own: the reply, and a warning about the certificate. Raises what an attempt
    understands."""
    stream = await connect(probe.peer, attempt)
    if probe.tls is None:
        return await _exchange(probe, page, stream, attempt), ""
    secured = await secure(stream, attempt, probe.peer, probe.tls, kit.sessions)
    reply = await _exchange(probe, page, secured, attempt)
    return reply, await secured.finish(probe.peer, kit.sessions, closing=secured.protocol != "h2")


async def _exchange(probe: HttpProbe, page: Page, stream: Stream, attempt: Attempt) -> Reply:
    attempt.step("waiting for the reply")
    if probe.protocol == "2" or (isinstance(stream, TlsStream) and stream.protocol == "h2"):
        scheme = "https" if probe.tls else "http"
        names = [(name.lower(), value) for name, value in _headers(page, [USER_AGENT])
                 if name.lower() not in ("host", "connection")]
        return await http2.exchange(
            stream, http2.request(page.method, scheme, page.host, page.path, names), page.body,
            empty_body(page, probe.body_max))  # fmt: skip
    await stream.send(request_bytes(page, probe.protocol))
    return await _read_reply(stream, page, probe.body_max)


# ------------------------------------------------------------------------------------------------------------ request


def request_bytes(page: Page, protocol: str) -> bytes:
    """The request, in keepalived's order. A header of the configuration takes the place of ours of that name."""
    version = "1.1" if protocol == "1.1" else "1.0"
    own = [USER_AGENT]
    if protocol.lower() in ("1.0c", "1.1"):
        own.append(("Connection", "close"))
    if page.host:
        own.append(("Host", page.host))
    lines = [f"{page.method} {page.path} HTTP/{version}"]
    lines += [f"{name}: {value}" for name, value in _headers(page, own)]
    return "\r\n".join([*lines, "\r\n"]).encode("utf-8", "surrogateescape") + page.body


def _headers(page: Page, own: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Our `own` headers without those that the page replaces, then what the page wants to be said."""
    if not page.headers and not page.user and not page.body:
        return own
    given = {name.lower() for name, _ in page.headers}
    more = [header for header in own if header[0].lower() not in given] + list(page.headers)
    if page.user and "authorization" not in given:
        word = b64encode(f"{page.user}:{page.password}".encode()).decode()
        more.append(("Authorization", f"Basic {word}"))
    if page.body and "content-length" not in given:
        more.append(("Content-Length", str(len(page.body))))
    return more


def redirected(page: Page, target: str, status: int, *, secure: bool) -> Page:
    """The page that `target` (a Location) names. Raises Failure when that is not the same server and scheme."""
    here = f"{'https' if secure else 'http'}://{page.host or 'host'}{page.path}"
    try:
        there = urlsplit(urljoin(here, target))
        same = (there.scheme, there.netloc) == urlsplit(here)[:2]
    except ValueError:
        same = False
    if not same or any(character <= " " or character == "\x7f" for character in target):
        raise Failure(f"status {status} sends us to {target[:100]!r}, not to a page of this server")
    path = (there.path or "/") + (f"?{there.query}" if there.query else "")
    if status == 303 or (status in (301, 302) and page.method == "POST"):
        return replace(page, path=path, method="GET", body=b"")
    return replace(page, path=path)


# -------------------------------------------------------------------------------------------------------------- reply


#: What h11 must believe that we sent, to know what may come. Only HEAD makes a difference.
_ASKED = {
    method: h11.Request(method=method, target="/", headers=[("Host", "host")]) for method in ("GET", "HEAD")}
_ASKED_ALL = h11.EndOfMessage()


async def _read_reply(stream: Stream, page: Page, most: int) -> Reply:
    """Raises Failure for what is no HTTP, is too long, or ends too soon."""
    connection = h11.Connection(h11.CLIENT, LONGEST_HEADER)
    connection.send(_ASKED["HEAD" if page.method == "HEAD" else "GET"])
    connection.send(_ASKED_ALL)
    reply, pieces = None, 0
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                data = await stream.receive()
                if not data and reply is not None and (length := reply.header("content-length")):
                    reply.remark = f"{reply.body.size} bytes came, not the {length} of Content-Length"
                    return reply
                if not data and reply is None:
                    cut = "in the middle of its header" if connection.trailing_data[0] else "without a reply"
                    raise Failure(f"the server closed the connection {cut}")
                connection.receive_data(data)
            elif isinstance(event, h11.Data):
                assert reply is not None
                reply.body.add(bytes(event.data))
            elif isinstance(event, h11.Response):
                reply = Reply(event.status_code, event.headers, empty_body(page, most))
            elif isinstance(event, h11.EndOfMessage):
                assert reply is not None
                return reply
            pieces += 1
            if pieces > MOST_PIECES:
                raise Failure(f"the reply comes in more than {MOST_PIECES} pieces")
            if not pieces % FAIR:
                await trio.lowlevel.checkpoint()
    except h11.RemoteProtocolError as error:
        raise Failure(f"bad HTTP: {error}") from None
