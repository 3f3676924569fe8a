"""`hakeep drain|ready|down|weight` against a daemon that is a thread: what it asks, what it prints, what it refuses."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hakeep.cli import hakeep as tool
from hakeep.report.protocol import (
    Inbox,
    Malformed,
    Override,
    Request,
    Status,
    encode_error,
    encode_ok,
    encode_status,
)
from hakeep.report.snapshot import DaemonSnapshot, RealSnapshot, VirtualSnapshot

REALS = (RealSnapshot("10.0.0.2", 80, state="UP", wanted=1, configured=1), RealSnapshot("fd00::2", 443, state="UP"))
WEB = VirtualSnapshot("10.0.0.1 80", state="UP", reals=REALS)
SHOP = VirtualSnapshot("group shop", state="UP", reals=REALS[:1])


class Director:
    """A daemon with two virtual servers: it does as it is told, and shows it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.orders: list[Override] = []
        self.refusal = ""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                inbox = Inbox()
                while not (requests := inbox.feed(data := connection.recv(4096))) and data:
                    pass
                for request in requests:
                    assert not isinstance(request, Malformed)
                    connection.sendall(self._answer(request))

    def _answer(self, request: Request) -> bytes:
        if isinstance(request, Override):
            self.orders.append(request)
            return encode_error(self.refusal) if self.refusal else encode_ok()
        assert request == Status()
        virtuals = tuple(replace(each, reals=tuple(self._obeyed(each, real) for real in each.reals))
                         for each in (WEB, SHOP))
        return encode_status(DaemonSnapshot("0.1.0", 42, backend="ipvs", virtual_servers=virtuals))

    def _obeyed(self, virtual: VirtualSnapshot, real: RealSnapshot) -> RealSnapshot:
        for order in self.orders:
            if (order.ip, order.port) == (real.ip, real.port) and order.virtual in ("", virtual.name):
                out = {"down": None, "drain": 0, "weight": order.weight, "ready": 1}[order.what]
                state = "DOWN" if order.what == "down" else "UP"
                real = replace(real, order=order.what if order.what != "ready" else "", wanted=out, state=state)
        return real

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


@pytest.fixture
def director(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Director]:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "dumb")
    it = Director(tmp_path / "control.sock")
    yield it
    it.close()


def run(director: Director, *words: str) -> int:
    return tool.main([words[0], "--socket", str(director.path), *words[1:]])


@pytest.mark.parametrize(
    ("words", "order"),
    [
        (["drain", "10.0.0.2:80"], Override("drain", "10.0.0.2", 80)),
        (["drain", "10.0.0.2", "80"], Override("drain", "10.0.0.2", 80)),
        (["drain", "10.0.0.2 80"], Override("drain", "10.0.0.2", 80)),
        (["drain", "10.0.0.2"], Override("drain", "10.0.0.2", 80)),
        (["down", "[fd00::2]:443"], Override("down", "fd00::2", 443)),
        (["down", "10.0.0.2:80", "group", "shop"], Override("down", "10.0.0.2", 80, "group shop")),
        (["down", "10.0.0.2:80", "group shop"], Override("down", "10.0.0.2", 80, "group shop")),
        (["down", "10.0.0.2", "80", "10.0.0.1", "80"], Override("down", "10.0.0.2", 80, "10.0.0.1 80")),
        (["ready", "10.0.0.2:80", "10.0.0.1:80"], Override("ready", "10.0.0.2", 80, "10.0.0.1 80")),
        (["weight", "10.0.0.2:80", "5"], Override("weight", "10.0.0.2", 80, "", 5)),
        (["weight", "10.0.0.2", "5"], Override("weight", "10.0.0.2", 80, "", 5)),
        (["weight", "10.0.0.2", "80", "5"], Override("weight", "10.0.0.2", 80, "", 5)),
        (["weight", "10.0.0.2:80", "0", "10.0.0.1", "80"], Override("weight", "10.0.0.2", 80, "10.0.0.1 80", 0)),
        (["weight", "10.0.0.2", "5", "group", "shop"], Override("weight", "10.0.0.2", 80, "group shop", 5)),
    ],
)
def test_what_is_ordered(director: Director, words: list[str], order: Override) -> None:
    assert run(director, *words) == 0
    assert director.orders == [order]


def test_it_prints_what_is_so_now(director: Director, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(director, "drain", "10.0.0.2:80") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines if line[0] != " "] == ["VIRTUAL SERVER", "10.0.0.1 80", "group shop"]
    assert [line.split()[:4] for line in lines if line[0] == " "] == [["10.0.0.2:80", "drained", "by", "order"]] * 2
    assert run(director, "weight", "10.0.0.2:80", "7", "group shop") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:6] for line in lines[2:]] == [["10.0.0.2:80", "weight", "by", "order", "-", "7/1"]]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["drain", "10.0.0.9:80"], "there is no real server '10.0.0.9:80'; there are 10.0.0.2:80, [fd00::2]:443"),
        (["drain", "[fd00::2]:443", "group", "shop"],
         "there is no real server '[fd00::2]:443' in virtual server group shop; there are 10.0.0.2:80"),
        (["down", "10.0.0.2:80", "10.0.0.1", "81"],
         "there is no virtual server '10.0.0.1 81'; there are 10.0.0.1 80, group shop"),
        (["ready", "web1"], "there is no real server 'web1'; there are 10.0.0.2:80, [fd00::2]:443"),
    ],
)
def test_what_is_not_there(
    director: Director, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert run(director, *words) == 1
    assert capsys.readouterr().err == f"hakeep: {sentence}\n"
    assert director.orders == []


def test_an_order_for_a_server_that_is_gone_can_be_undone(
    director: Director, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(director, "ready", "10.0.0.9:80") == 0
    assert director.orders == [Override("ready", "10.0.0.9", 80)]
    assert capsys.readouterr().out == "no virtual server has 10.0.0.9:80 now; what was ordered is undone\n"


def test_the_daemon_has_the_last_word(director: Director, capsys: pytest.CaptureFixture[str]) -> None:
    director.refusal = "the lvs worker is dead"
    assert run(director, "down", "10.0.0.2:80") == 1
    assert capsys.readouterr() == ("", "hakeep: the lvs worker is dead\n")


@pytest.mark.parametrize("words", [["10.0.0.2:80", "x"], ["10.0.0.2:80", "-1"], ["10.0.0.2:80", "2147483648"],
                                   ["10.0.0.2:80", "group", "shop"], ["10.0.0.2:80", "²"]])
def test_a_weight_that_is_none(director: Director, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(director, "weight", *words)
    assert caught.value.code == 2
    assert director.orders == []
    capsys.readouterr()


def test_status_of_some_virtual_servers(director: Director, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(director, "status", "10.0.0.1:80") == 0
    out = capsys.readouterr().out
    assert "10.0.0.1 80" in out
    assert "group shop" not in out
    assert run(director, "status", "group") == 1
    assert capsys.readouterr().err == (
        "hakeep: there is no instance or virtual server 'group'; there are 10.0.0.1 80, group shop\n")


def test_real_servers_are_completed(director: Director, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["completion", "--words", "real_servers", "--socket"]
    assert tool.main([*words, str(director.path)]) == 0
    assert capsys.readouterr().out == "10.0.0.2:80\n[fd00::2]:443\n"
    assert tool.main([*words, str(tmp_path / "nobody")]) == 0
    assert capsys.readouterr().out == ""
