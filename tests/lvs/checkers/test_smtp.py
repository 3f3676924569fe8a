"""SMTP_CHECK."""

from __future__ import annotations

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted import DEADLINE, LONG, SHORT, Handler, Server, ask, be_silent, serving

from hakeep.config.settled_lvs import SmtpProbe
from hakeep.lvs.checkers.attempt import PATIENCE
from hakeep.lvs.messages import Result
from tests.effort import tries


def talking(*replies: bytes, stay: bool = False, close_after: int = 99) -> Handler:
    """Greets, then answers each line."""

    async def handler(stream: trio.abc.Stream, server: Server) -> None:
        for number, reply in enumerate(replies):
            if number:
                server.heard.append(await stream.receive_some())
            await stream.send_all(reply)
            if number == close_after:
                return
        if stay:
            await trio.sleep_forever()
        server.heard.append(await stream.receive_some())

    return handler


async def check(handler: Handler, timeout: float = LONG) -> tuple[Result, list[bytes]]:
    async with serving(handler) as server:
        result = await ask(SmtpProbe(server.peer(timeout), "me.example"))
        if result.ok:
            with trio.move_on_after(0.3):
                while len(server.heard) < 2:
                    await trio.sleep(0.001)
    return result, server.heard


@pytest.mark.trio
async def test_the_dialogue() -> None:
    result, heard = await check(talking(b"220 hi\r\n", b"250 you\r\n", b"221 bye\r\n"))
    assert (result.ok, result.why) == (True, "250 after HELO")
    assert heard[:2] == [b"HELO me.example\r\n", b"QUIT\r\n"]


@pytest.mark.trio
async def test_the_name_that_keepalived_gives() -> None:
    async with serving(talking(b"220 hi\r\n", b"250 you\r\n", b"221 bye\r\n")) as server:
        assert (await ask(SmtpProbe(server.peer()))).ok
    assert server.heard[0] == b"HELO smtpchecker.keepalived.org\r\n"


@pytest.mark.parametrize("handler", [
    talking(b"220-first\r\n220-\r\n220 last\r\n", b"250-a\n250 b\n", b"221 bye\r\n"),
    talking(b"220\r\n", b"250\r\n", b"500 what?\r\n"),
    talking(b"220 hi\r\n", b"250 you\r\n", close_after=1),
    talking(b"220 hi\r\n", b"250 you\r\n", stay=True),
], ids=["multi-line", "bare", "no-answer-to-QUIT", "silence-after-QUIT"])
@pytest.mark.trio
async def test_good(handler: Handler) -> None:
    result, _ = await check(handler, timeout=0.5)
    assert (result.ok, result.why) == (True, "250 after HELO")
    assert result.latency < 0.5


@pytest.mark.parametrize(("handler", "why"), [
    (talking(b"554 no\r\n"), "greeting: '554 no', not 220"),
    (talking(b"220-a\r\n550 b\r\n"), "greeting: '550 b', not 220"),
    (talking(b"2200 a\r\n"), "greeting: '2200 a', not 220"),
    (talking(b"220 hi\r\n", b"421 \xff\x00\r\n"), "answer to HELO: '421 \\\\xff\\x00', not 250"),
    (talking(b"", close_after=0), "greeting: the server closed the connection"),
    (talking(b"220 hi\r\n", b"", close_after=1), "answer to HELO: the server closed the connection"),
    (talking(b"220-again\r\n" * 200), "greeting: more than 100 lines"),
    (talking(b"2" * 100_000), "more than 65536 bytes without a line end"),
    (be_silent, f"greeting: nothing came for {SHORT:g} s"),
    (talking(b"220-more\r\n", stay=True), "greeting: nothing came for"),
], ids=range(10))
@pytest.mark.trio
async def test_bad(handler: Handler, why: str) -> None:
    result, _ = await check(handler, SHORT)
    assert not result.ok and not result.local
    assert result.why.startswith(why)


WORDS = st.sampled_from([b"220 x\r\n", b"220-", b"250 y\r\n", b"\n", b"\r"])


@given(st.lists(WORDS | st.binary(max_size=9), max_size=9))
@settings(max_examples=tries(60), deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_a_server_says(replies: list[bytes]) -> None:
    async def main() -> None:
        with trio.fail_after(DEADLINE):
            async with serving(talking(*replies)) as server:
                result = await ask(SmtpProbe(server.peer(0.02)))
            assert not result.local and result.latency < 0.02 * PATIENCE + 1

    trio.run(main)
