"""AGENT_CHECK: a server's agent says in words how it is, as HAProxy's agent-check does.

The agent sends one line of words between blanks or commas, and closes. ``up`` and ``ready``: it is well. ``down``,
``failed``, ``stopped`` (with ``#`` and a reason after it) and ``maint``: it is not. ``drain``: it wants no new
connections. ``75%``: its weight, of the one configured. ``maxconn:30`` is understood and means nothing here.
"""

from __future__ import annotations

from hakeep.config.settled_lvs import AgentProbe
from hakeep.lvs.checkers.attempt import Attempt, Failure
from hakeep.lvs.checkers.kit import Kit
from hakeep.lvs.checkers.stream import connect, shown
from hakeep.lvs.messages import Result

WELL = frozenset(("up", "ready"))
ILL = frozenset(("down", "fail", "failed", "stopped", "maint"))

#: The largest percentage that is believed.
MOST_PERCENT = 25600


async def probe(probe: AgentProbe, step: int, kit: Kit) -> Result:
    """Read the line. `Result.weight` is the percentage that the agent asks for."""
    with Attempt(probe.peer.timeout, kit.witness) as attempt:
        stream = await connect(probe.peer, attempt)
        if probe.send:
            attempt.step("sending")
            await stream.send(probe.send)
        attempt.step("waiting for the agent's words")
        line = await stream.receive_line()
        ill, drain, percent = understand(line)
        if ill:
            raise Failure(f"the agent says {shown(line)}")
        attempt.passed(f"the agent says {shown(line)}", weight=percent, drain=drain)
    return attempt.result


def understand(line: bytes) -> tuple[bool, bool, int | None]:
    """Whether the server is ill, whether it drains, and the percentage. Raises Failure when no word is known."""
    words, _, _ = line.decode("ascii", "replace").partition("#")
    ill, drain, percent, known = False, False, None, False
    for word in words.lower().replace(",", " ").split():
        if word in WELL or word.startswith("maxconn:"):
            known = True
        elif word in ILL:
            ill = known = True
        elif word == "drain":
            drain = known = True
        elif word.endswith("%") and word[:-1].isdecimal() and len(word) < 8:
            percent, known = min(int(word[:-1]), MOST_PERCENT), True
    if not known:
        raise Failure(f"the agent says nothing that we know: {shown(line)}")
    return ill, drain, percent
