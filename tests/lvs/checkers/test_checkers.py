"""The list of checkers, ours and those of others."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from ipaddress import ip_address
from typing import get_args

import pytest
from scripted import ask

from hakeep.config import settled_lvs as s
from hakeep.lvs import checkers
from hakeep.lvs.messages import Result


def test_every_probe_that_asks_something_has_a_checker() -> None:
    asked = {*get_args(s.NetProbe), s.MiscProbe}
    assert set(checkers.CHECKERS) == asked
    assert set(get_args(s.Probe)) - asked == {s.FileProbe, s.BfdProbe}


class Oracle:
    """Somebody else's probe."""


async def consult(probe: Oracle, step: int, kit: checkers.Kit) -> Result:
    return Result(True, "so it is")


#: What the entry point below names.
MORE = {Oracle: consult}


def test_others_can_be_added(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point(EntryPoint):
        def load(self) -> object:
            return MORE

    monkeypatch.setattr(
        checkers, "entry_points", lambda group: EntryPoints([Point("oracle", "oracle:MORE", group)]))
    found = checkers.all_checkers()
    assert found[Oracle] is consult
    assert found[s.TcpProbe] is checkers.CHECKERS[s.TcpProbe]
    assert Oracle not in checkers.CHECKERS


@pytest.mark.trio
async def test_a_defect_of_ours_is_raised_and_not_taken_for_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("hakeep.lvs.checkers.stream.open_socket", broken)
    with pytest.raises(ZeroDivisionError):
        await ask(s.TcpProbe(s.Peer(ip_address("127.0.0.1"), 1)))
