"""HTTP/2 for checks, on h2: one request, one reply, one connection.

Without TLS the server must know beforehand that we speak it (RFC 9113 section 3.3); with TLS it says so by ALPN. The h2
package is needed only where somebody asks for this, and imported then.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

import trio

from hakeep.lvs.checkers.attempt import Failure
from hakeep.lvs.checkers.page import Body, Reply
from hakeep.lvs.checkers.stream import Stream
from hakeep.lvs.checkers.tls import TlsStream

#: The longest body of a request: what may be sent before the server gives more room.
LONGEST_REQUEST = 65535

#: The largest frame that every server takes.
FRAME = 16384

#: Events of one connection: a server that sends more talks for its own sake.
MOST_EVENTS = 20_000

Fields = list[tuple[bytes, bytes]]


def missing() -> str:
    """Why HTTP/2 cannot be had, as a sentence; "" = it can."""
    return "" if find_spec("h2") else "HTTP/2 needs the Python package h2: pip install 'hakeep[checks]'"


def request(method: str, scheme: str, host: str, path: str, headers: Iterable[tuple[str, str]]) -> Fields:
    """The header fields of a request. Names must be in lower case."""
    fields = [(":method", method), (":scheme", scheme), (":authority", host), (":path", path), *headers]
    return [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in fields]


async def exchange(stream: Stream, fields: Fields, content: bytes, body: Body) -> Reply:
    """Send a request and collect the reply; trailers are among its headers. Raises Failure or OSError."""
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.exceptions import H2Error

    if isinstance(stream, TlsStream) and stream.protocol != "h2":
        raise Failure("the server does not speak HTTP/2")
    connection = H2Connection(H2Configuration(client_side=True, header_encoding=None))
    connection.initiate_connection()
    connection.send_headers(1, fields, end_stream=not content)
    for start in range(0, len(content), FRAME):
        connection.send_data(1, content[start : start + FRAME], end_stream=start + FRAME >= len(content))
    await stream.send(connection.data_to_send())
    reply, events = Reply(0, [], body), 0
    while True:
        data = await stream.receive()
        if not data:
            raise Failure("the server closed the connection before the end of its reply")
        try:
            for event in connection.receive_data(data):
                events += 1
                if _take(reply, connection, event):
                    return reply
        except H2Error as error:
            raise Failure(f"bad HTTP/2: {error}") from None
        if events > MOST_EVENTS:
            raise Failure(f"the reply comes in more than {MOST_EVENTS} pieces")
        answer = connection.data_to_send()
        if answer:
            await stream.send(answer)
        await trio.lowlevel.checkpoint()


def _take(reply: Reply, connection: object, event: object) -> bool:
    """What an event adds to the reply; True at its end."""
    from h2 import events as e
    from h2.connection import H2Connection

    assert isinstance(connection, H2Connection)
    match event:
        case e.ResponseReceived() | e.TrailersReceived():
            fields = [(bytes(name), bytes(value)) for name, value in event.headers or ()]
            if isinstance(event, e.ResponseReceived):
                reply.status = _status(fields)
            reply.headers = [*reply.headers, *fields]
        case e.DataReceived(data=data, flow_controlled_length=length):
            reply.body.add(data or b"")
            if length:
                connection.acknowledge_received_data(length, 1)
        case e.StreamEnded():
            return True
        case e.StreamReset(error_code=code):
            raise Failure(f"the server reset the stream: {_name(code)}")
        case e.ConnectionTerminated(error_code=code):
            raise Failure(f"the server ended the connection: {_name(code)}")
    return False


def _status(fields: Fields) -> int:
    text = dict(fields).get(b":status", b"")
    if len(text) != 3 or not text.isdigit():
        raise Failure("the reply has no status")
    return int(text)


def _name(code: object) -> str:
    return str(getattr(code, "name", code)).lower().replace("_", " ")
