"""SMTP_CHECK: a greeting, HELO, QUIT (RFC 5321).

A reply may have several lines, ``220-...`` up to ``220 ...``; keepalived looks at the first and fails. What QUIT is
answered with, if at all, does not count.
"""

from __future__ import annotations

import errno

from hakeep.config.settled_lvs import SmtpProbe
from hakeep.lvs.checkers.attempt import Attempt, Failure
from hakeep.lvs.checkers.kit import Kit
from hakeep.lvs.checkers.stream import Stream, connect, shown
from hakeep.lvs.messages import Result

#: Lines of one reply.
MOST_LINES = 100

#: What a server that hangs up instead of answering QUIT leaves us with.
GONE = frozenset((errno.ECONNRESET, errno.EPIPE))


async def probe(probe: SmtpProbe, step: int, kit: Kit) -> Result:
    """The greeting must be 220 and the answer to HELO 250."""
    with Attempt(probe.peer.timeout, kit.witness) as attempt:
        stream = await connect(probe.peer, attempt)
        await _expect(stream, attempt, "220", "greeting")
        await stream.send(b"HELO " + probe.helo_name.encode() + b"\r\n")
        await _expect(stream, attempt, "250", "answer to HELO")
        attempt.step("QUIT")
        attempt.passed("250 after HELO")
        try:
            await stream.send(b"QUIT\r\n")
            await stream.receive()
        except OSError as error:
            if error.errno not in GONE:
                raise
    return attempt.result


async def _expect(stream: Stream, attempt: Attempt, code: str, what: str) -> None:
    attempt.step(what)
    for _ in range(MOST_LINES):
        line = await stream.receive_line()
        if not line:
            raise Failure(f"{what}: the server closed the connection")
        if line[:3] != code.encode() or line[3:4] not in (b" ", b"-", b""):
            raise Failure(f"{what}: {shown(line)}, not {code}")
        if line[3:4] != b"-":
            return
    raise Failure(f"{what}: more than {MOST_LINES} lines")
