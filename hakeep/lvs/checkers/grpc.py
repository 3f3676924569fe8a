"""GRPC_CHECK: the health service of gRPC, version 1 (grpc.health.v1.Health/Check), says SERVING.

The two messages are so small that no protobuf library is needed: a HealthCheckRequest has one string, field 1, a
HealthCheckResponse one enum, field 1. In front of each stand a byte, 0 = not compressed, and a length of four bytes.
"""

from __future__ import annotations

from dataclasses import replace

from hakeep.config.settled_lvs import GrpcProbe
from hakeep.lvs.checkers import http2
from hakeep.lvs.checkers.attempt import Attempt, Failure
from hakeep.lvs.checkers.kit import Kit
from hakeep.lvs.checkers.page import Body, Reply
from hakeep.lvs.checkers.stream import Stream, connect
from hakeep.lvs.checkers.tls import secure
from hakeep.lvs.messages import Result

PATH = "/grpc.health.v1.Health/Check"
HEADERS = (("te", "trailers"), ("content-type", "application/grpc"), ("user-agent", "KeepAliveClient"))

#: Bytes of an answer, which has seven.
LONGEST_ANSWER = 4096

SERVING = 1
STATES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}

#: Status codes of gRPC that a health service answers with.
CODES = {"5": "NOT_FOUND", "12": "UNIMPLEMENTED", "14": "UNAVAILABLE", "16": "UNAUTHENTICATED"}


async def probe(probe: GrpcProbe, step: int, kit: Kit) -> Result:
    """Ask for the health of `service`, "" = of the server as a whole."""
    with Attempt(probe.peer.timeout, kit.witness) as attempt:
        stream = await connect(probe.peer, attempt)
        warning = ""
        if probe.tls is None:
            reply = await _ask(probe, stream, attempt, "http")
        else:
            tls = probe.tls if probe.tls.alpn else replace(probe.tls, alpn=("h2",))
            secured = await secure(stream, attempt, probe.peer, tls, kit.sessions)
            reply = await _ask(probe, secured, attempt, "https")
            warning = await secured.finish(probe.peer, kit.sessions)
        judge(reply)
        attempt.passed("SERVING" + (f"; {warning}" if warning else ""))
    return attempt.result


async def _ask(probe: GrpcProbe, stream: Stream, attempt: Attempt, scheme: str) -> Reply:
    attempt.step("waiting for the reply")
    host = probe.tls.server_name if probe.tls and probe.tls.server_name else _authority(probe)
    fields = http2.request("POST", scheme, host, PATH, HEADERS)
    return await http2.exchange(
        stream, fields, request_message(probe.service), Body(LONGEST_ANSWER, keep=True, digest=False))


def _authority(probe: GrpcProbe) -> str:
    ip = str(probe.peer.ip)
    return f"[{ip}]:{probe.peer.port}" if probe.peer.ip.version == 6 else f"{ip}:{probe.peer.port}"


def request_message(service: str) -> bytes:
    """A HealthCheckRequest with its prefix."""
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return b"\0" + len(message).to_bytes(4, "big") + message


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def judge(reply: Reply) -> None:
    """Raises Failure unless it says SERVING."""
    if reply.status != 200:
        raise Failure(f"status {reply.status}, not 200")
    code = reply.header("grpc-status") or "0"
    if code != "0":
        said = reply.header("grpc-message")
        raise Failure(f"gRPC status {CODES.get(code, code[:10])}" + (f": {said[:100]}" if said else ""))
    state = state_of(reply.body.kept)
    if state != SERVING:
        raise Failure("the answer cannot be understood" if state is None else STATES.get(state, f"state {state}"))


def state_of(data: bytes) -> int | None:
    """The state in a HealthCheckResponse with its prefix; None when it cannot be read."""
    if len(data) < 5 or data[0] or int.from_bytes(data[1:5], "big") != len(data) - 5:
        return None
    message = data[5:]
    if not message:
        return 0  # what has the default value is left out
    if len(message) != 2 or message[0] != 0x08 or message[1] > 0x7F:
        return None
    return message[1]
