"""TCP_CHECK: a connection can be opened. On request more: TLS, something sent, something expected."""

from __future__ import annotations

from hakeep.config.settled_lvs import TcpProbe
from hakeep.lvs.checkers.attempt import Attempt, Failure
from hakeep.lvs.checkers.kit import Kit
from hakeep.lvs.checkers.stream import Stream, connect, shown
from hakeep.lvs.checkers.tls import secure
from hakeep.lvs.messages import Result


async def probe(probe: TcpProbe, step: int, kit: Kit) -> Result:
    """Connect, and close again; with `send` and `expect` a few words between the two."""
    with Attempt(probe.peer.timeout, kit.witness) as attempt:
        stream = await connect(probe.peer, attempt)
        if probe.tls is None:
            why = await _converse(probe, stream, attempt)
        else:
            secured = await secure(stream, attempt, probe.peer, probe.tls, kit.sessions)
            why = await _converse(probe, secured, attempt)
            why = "; ".join(filter(None, (why, await secured.finish(probe.peer, kit.sessions))))
        attempt.passed(why)
    return attempt.result


async def _converse(probe: TcpProbe, stream: Stream, attempt: Attempt) -> str:
    if probe.send:
        attempt.step("sending")
        await stream.send(probe.send)
    if not probe.expect:
        return "connected"
    attempt.step("waiting for the answer")
    answer = await stream.receive_until(probe.expect)
    if not answer:
        raise Failure("the server closed the connection without an answer")
    if not answer.endswith(probe.expect):
        raise Failure(f"the answer {shown(answer)} has no {shown(probe.expect)}")
    return "answered as expected"
