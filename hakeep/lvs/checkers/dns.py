"""DNS_CHECK: a question is answered without an error code. What the answer is does not count, nor whether all of it
fits: who truncates works."""

from __future__ import annotations

import secrets

from hakeep.config.settled_lvs import DnsProbe
from hakeep.lvs.checkers.attempt import Attempt, Failure
from hakeep.lvs.checkers.kit import Kit
from hakeep.lvs.checkers.udp import open_datagram_socket, receive_datagram, send_datagram
from hakeep.lvs.messages import Result
from hakeep.wire.dns import decode_answer, encode_query


async def probe(probe: DnsProbe, step: int, kit: Kit) -> Result:
    """Ask by UDP. Datagrams that do not answer this question are passed over; they do not lengthen the wait."""
    with Attempt(probe.peer.timeout, kit.witness) as attempt:
        opened = open_datagram_socket(probe.peer, attempt)
        id = secrets.randbits(16)
        attempt.step("waiting for an answer")
        send_datagram(opened, attempt, encode_query(id, probe.name, probe.type))
        while True:
            answer = decode_answer(await receive_datagram(opened, attempt))
            if answer is not None and answer.id == id:
                break
        if answer.code:
            raise Failure(f"answered with {answer.code_name}")
        attempt.passed("answered")
    return attempt.result
