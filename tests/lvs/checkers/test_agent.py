"""AGENT_CHECK."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import Server, ask, replies, serving
from trio.abc import Stream

from hakeep.config.settled_lvs import AgentProbe
from hakeep.lvs.checkers.agent import understand
from hakeep.lvs.checkers.attempt import Failure


@pytest.mark.parametrize(("line", "ok", "drain", "weight"), [
    (b"up\n", True, False, None),
    (b"ready\r\n", True, False, None),
    (b"READY up 75%\n", True, False, 75),
    (b"75%", True, False, 75),
    (b"0%\n", True, False, 0),
    (b"99999%\n", True, False, 25600),
    (b"drain\n", True, True, None),
    (b"up, drain, 10%\n", True, True, 10),
    (b"maxconn:30\n", True, False, None),
    (b"down\n", False, False, None),
    (b"failed # disk is full\n", False, False, None),
    (b"up maint\n", False, False, None),
    (b"stopped", False, False, None),
    (b"", False, False, None),
    (b"\n", False, False, None),
    (b"# up\n", False, False, None),
    (b"perhaps\nup\n", False, False, None),
    (b"\xff\xfe\n", False, False, None),
])
@pytest.mark.trio
async def test_words(line: bytes, ok: bool, drain: bool, weight: int | None) -> None:
    async def handler(stream: Stream, server: Server) -> None:
        await stream.send_all(line)

    async with serving(handler) as server:
        result = await ask(AgentProbe(server.peer()))
    assert (result.ok, result.drain, result.weight, result.local) == (ok, drain, weight, False)


@pytest.mark.trio
async def test_it_is_asked_first() -> None:
    async with serving(replies(b"up\n", stay=True)) as server:
        assert (await ask(AgentProbe(server.peer(), send=b"how?\r\n\r\n"))).ok
    assert server.heard == [b"how?\r\n\r\n"]


@given(st.binary(max_size=30))
def test_any_line(line: bytes) -> None:
    try:
        understand(line)
    except Failure:
        pass
