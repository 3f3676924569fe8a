"""`hakeep watch` with virtual servers: it asks again, prints what is news, and shows what the screen has room for."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from hakeep.cli import hakeep as tool
from hakeep.cli import hakeep_watch
from hakeep.report.protocol import Inbox, Watch, encode_status
from hakeep.report.snapshot import CheckSnapshot, DaemonSnapshot, RealSnapshot, UsageSnapshot, VirtualSnapshot

REAL = RealSnapshot(
    "10.0.0.2", 80, state="UP", since=5.0, wanted=1, configured=1,
    checks=(CheckSnapshot("TCP_CHECK", up=True, proved=True, at=9.0),))
WEB = VirtualSnapshot("10.0.0.1 80", state="UP", since=5.0, reals=(REAL,))
START = DaemonSnapshot("0.1.0", 42, backend="ipvs", virtual_servers=(WEB,))


def with_real(real: RealSnapshot, usage: UsageSnapshot | None = None) -> DaemonSnapshot:
    return replace(START, virtual_servers=(replace(WEB, reals=(real,), usage=usage),))


COUNTED = with_real(
    replace(REAL, usage=UsageSnapshot(1), since=5.1, checks=(replace(REAL.checks[0], at=12.0),)), UsageSnapshot(1))
DOWN = with_real(replace(REAL, state="DOWN", wanted=None, why="TCP_CHECK: refused"))


def test_each_second_it_asks_and_prints_only_news(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(hakeep_watch, "REDRAW", 0.01)
    heard: list[object] = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "control.sock"))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            inbox = Inbox()
            with connection:
                for snapshot in (START, COUNTED, DOWN, DOWN):
                    while not (requests := inbox.feed(connection.recv(4096))):
                        pass
                    heard.extend(requests)
                    connection.sendall(encode_status(snapshot))

        server = threading.Thread(target=serve)
        server.start()
        assert tool.main(["watch", "--socket", str(tmp_path / "control.sock")]) == 3
        server.join(10)
    assert set(heard) == {Watch()}
    assert len(heard) >= 4
    tables = capsys.readouterr().out.split("hakeep 0.1.0  ")[1:]
    assert ["DOWN !" in table for table in tables] == [False, True]


def test_what_a_screen_has_no_room_for_is_counted() -> None:
    text = "".join(f"{n}\n" for n in range(10))
    assert hakeep_watch._fitting(text, 11) == text
    assert hakeep_watch._fitting(text, 10) == (
        "".join(f"{n}\n" for n in range(8)) + "... 2 more lines; name what you want to see\n")
    assert hakeep_watch._fitting(text, 1) == "... 10 more lines; name what you want to see\n"
