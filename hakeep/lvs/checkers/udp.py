"""UDP_CHECK: a datagram is not refused; on request it is answered, and in the right way.

Silence is a good sign here unless an answer is asked for: most UDP services do not answer what they do not understand.
"""

from __future__ import annotations

import socket

import trio

from hakeep.config.settled_lvs import Peer, UdpProbe
from hakeep.lvs.checkers.attempt import Attempt, Failure
from hakeep.lvs.checkers.kit import Kit
from hakeep.lvs.checkers.stream import open_socket, shown, start_connecting
from hakeep.lvs.messages import Result

#: What is sent when nothing is configured, and again and again in a ping.
TEXT = b"keepalived check - "
PAYLOAD = (TEXT * 2)[:32]

#: The largest datagram.
LARGEST = 65535


def open_datagram_socket(peer: Peer, attempt: Attempt, protocol: int = 0) -> socket.socket:
    """A socket that hears only this peer, and of the errors that ICMP reports of it. The attempt closes it."""
    opened = open_socket(peer, socket.SOCK_DGRAM, protocol)
    attempt.hold(opened)
    start_connecting(peer, opened)
    return opened


def send_datagram(opened: socket.socket, attempt: Attempt, data: bytes) -> None:
    """Raises OSError."""
    opened.send(data)
    if attempt.witness is not None:
        attempt.witness.sent(data)


async def receive_datagram(opened: socket.socket, attempt: Attempt) -> bytes:
    """The next one. Raises OSError, which is how a refusal arrives."""
    while True:
        await trio.lowlevel.wait_readable(opened)
        try:
            data = opened.recv(LARGEST)
        except BlockingIOError:
            continue
        if attempt.witness is not None:
            attempt.witness.received(data)
        return data


async def probe(probe: UdpProbe, step: int, kit: Kit) -> Result:
    """Send the payload and see what happens until the timeout."""
    with Attempt(probe.peer.timeout, kit.witness) as attempt:
        opened = open_datagram_socket(probe.peer, attempt)
        attempt.step("waiting for an answer")
        send_datagram(opened, attempt, PAYLOAD if probe.payload is None else probe.payload)
        if probe.reply is None:
            attempt.passed("not refused")
        answer = await receive_datagram(opened, attempt)
        if probe.reply is not None:
            _judge(probe, probe.reply, answer)
        attempt.passed(f"{len(answer)} bytes came back")
    return attempt.result


def _judge(probe: UdpProbe, pattern: tuple[int | None, ...], answer: bytes) -> None:
    """Raises Failure when the answer is not as it should be."""
    if not probe.reply_min <= len(answer) <= probe.reply_max:
        raise Failure(f"an answer of {len(answer)} bytes, not {probe.reply_min} to {probe.reply_max}")
    masks = probe.masks or (0xFF,) * len(pattern)
    if len(answer) < len(pattern) or any(
            want is not None and (want ^ got) & mask
            for want, got, mask in zip(pattern, answer, masks, strict=False)):
        raise Failure(f"the answer {shown(answer)} does not match")
