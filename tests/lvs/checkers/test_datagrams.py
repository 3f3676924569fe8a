"""UDP_CHECK and DNS_CHECK."""

from __future__ import annotations

import socket
from dataclasses import replace
from ipaddress import ip_address

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted import DEADLINE, LONG, SHORT, answering, ask, closed_port

from hakeep.config.settled_lvs import DnsProbe, Peer, UdpProbe
from hakeep.lvs.checkers import unsupported
from tests.effort import tries

CLOSED = Peer(ip_address("127.0.0.1"), 0, LONG)


def refused() -> Peer:
    return Peer(ip_address("127.0.0.1"), closed_port(socket.SOCK_DGRAM), LONG)


# ---------------------------------------------------------------------------------------------------------------- UDP


@pytest.mark.trio
async def test_silence_is_golden_and_the_payload_is_keepaliveds() -> None:
    async with answering(lambda data: []) as server:
        result = await ask(UdpProbe(server.peer(SHORT)))
    assert (result.ok, result.why) == (True, "not refused")
    assert server.heard == [bytes.fromhex("6b656570616c6976656420636865636b202d206b656570616c69766564206368")]


@pytest.mark.trio
async def test_an_answer_ends_the_wait() -> None:
    async with answering(lambda data: [data[::-1]]) as server:
        result = await ask(UdpProbe(server.peer(), payload=b"\x01\x02"))
    assert (result.ok, result.why) == (True, "2 bytes came back")
    assert result.latency < LONG
    assert server.heard == [b"\x01\x02"]


@pytest.mark.parametrize("reply", [None, ()])
@pytest.mark.trio
async def test_refused(reply: tuple[int | None, ...] | None) -> None:
    result = await ask(UdpProbe(refused(), reply=reply))
    assert (result.ok, result.local, result.why) == (False, False, "waiting for an answer: connection refused")


@pytest.mark.parametrize(("answer", "probe", "ok"), [
    (b"abc", UdpProbe(CLOSED, reply=()), True),
    (b"", UdpProbe(CLOSED, reply=()), True),
    (b"abc", UdpProbe(CLOSED, reply=(0x61, None, 0x63)), True),
    (b"abcd", UdpProbe(CLOSED, reply=(0x61, None, 0x63)), True),
    (b"abc", UdpProbe(CLOSED, reply=(0x61, None, 0x64)), False),
    (b"ab", UdpProbe(CLOSED, reply=(0x61, None, 0x63)), False),
    (b"abc", UdpProbe(CLOSED, reply=(0x60, None, 0x03), masks=(0xF0, 0, 0x0F)), True),
    (b"abc", UdpProbe(CLOSED, reply=(0x61, None, 0x04), masks=(0xFF, 0, 0x0F)), False),
    (b"abc", UdpProbe(CLOSED, reply=(), reply_min=4), False),
    (b"abc", UdpProbe(CLOSED, reply=(), reply_max=2), False),
    (b"y" * 1000, UdpProbe(CLOSED, reply=()), False),
])
@pytest.mark.trio
async def test_the_answer_that_is_asked_for(answer: bytes, probe: UdpProbe, ok: bool) -> None:
    async with answering(lambda data: [answer]) as server:
        assert (await ask(replace(probe, peer=server.peer()))).ok is ok


@pytest.mark.trio
async def test_an_answer_is_asked_for_and_does_not_come() -> None:
    async with answering(lambda data: []) as server:
        result = await ask(UdpProbe(server.peer(SHORT), reply=()))
    assert (result.ok, result.why) == (False, f"waiting for an answer: nothing came for {SHORT:g} s")


@pytest.mark.trio
async def test_too_large_a_payload_is_told() -> None:
    async with answering(lambda data: []) as server:
        result = await ask(UdpProbe(server.peer(SHORT), payload=bytes(70_000)))
    assert (result.ok, result.why) == (False, "waiting for an answer: message too long")


# ---------------------------------------------------------------------------------------------------------------- DNS


def answer(query: bytes, flags: int = 0x8180, id: int | None = None) -> bytes:
    return (query[:2] if id is None else id.to_bytes(2, "big")) + flags.to_bytes(2, "big") + query[4:]


@pytest.mark.parametrize(("probe", "question"), [
    (DnsProbe(CLOSED), "0100 0001 0000 0000 0000 00 0006 0001"),
    (DnsProbe(CLOSED, "AAAA", "www.example.com"), "0100000100000000000003777777076578616d706c6503636f6d00001c0001"),
    (DnsProbe(CLOSED, "TYPE65", "x."), "0100000100000000000001780000410001"),
])
@pytest.mark.trio
async def test_the_question_is_keepaliveds(probe: DnsProbe, question: str) -> None:
    assert unsupported(probe) == ""
    async with answering(lambda data: [answer(data)]) as server:
        for _ in range(2):
            result = await ask(DnsProbe(server.peer(), probe.type, probe.name))
            assert (result.ok, result.why) == (True, "answered")
    assert [heard[2:] for heard in server.heard] == [bytes.fromhex(question)] * 2
    assert server.heard[0][:2] != server.heard[1][:2] or server.heard[0][:2] != b"\0\0"


@pytest.mark.parametrize(("flags", "why"), [
    (0x8183, "answered with NXDOMAIN"), (0x8182, "answered with SERVFAIL"), (0x8185, "answered with REFUSED"),
    (0x818F, "answered with code 15"), (0x8380, "answered"),
])
@pytest.mark.trio
async def test_codes_and_truncation(flags: int, why: str) -> None:
    async with answering(lambda data: [answer(data, flags)]) as server:
        result = await ask(DnsProbe(server.peer()))
    assert (result.ok, result.why) == (why == "answered", why)


@pytest.mark.trio
async def test_what_is_no_answer_to_it_is_passed_over() -> None:
    def answers(query: bytes) -> list[bytes]:
        other = int.from_bytes(query[:2], "big") ^ 1
        return [b"", b"\0" * 11, query, answer(query, 0x8183, other), answer(query)]

    async with answering(answers) as server:
        assert (await ask(DnsProbe(server.peer()))).ok


@pytest.mark.trio
async def test_wrong_answers_do_not_lengthen_the_wait() -> None:
    async with answering(lambda data: [data] * 20) as server:
        result = await ask(DnsProbe(server.peer(SHORT)))
    assert (result.ok, result.why) == (False, f"waiting for an answer: nothing came for {SHORT:g} s")
    assert SHORT <= result.latency < SHORT + 1


@pytest.mark.trio
async def test_dns_refused() -> None:
    assert (await ask(DnsProbe(refused()))).why == "waiting for an answer: connection refused"


@pytest.mark.parametrize("probe", [
    DnsProbe(CLOSED, name="a..b"), DnsProbe(CLOSED, name="x" * 64), DnsProbe(CLOSED, name="x." * 200),
    DnsProbe(CLOSED, type="WHAT"), DnsProbe(CLOSED, type="0"), DnsProbe(CLOSED, type="65536")])
def test_questions_that_cannot_be_asked(probe: DnsProbe) -> None:
    assert unsupported(probe)


@given(st.binary(max_size=40), st.booleans())
@settings(max_examples=tries(60), deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_comes_back(data: bytes, echo_id: bool) -> None:
    async def main() -> None:
        with trio.fail_after(DEADLINE):
            async with answering(lambda query: [query[:2] * echo_id + data]) as server:
                await ask(DnsProbe(server.peer(0.02)))
                await ask(UdpProbe(server.peer(0.02), reply=(1, None)))

    trio.run(main)
