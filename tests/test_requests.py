"""What users ask about virtual servers, without processes: the workers are lists of orders."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hakeep import requests as module
from hakeep.options import Options
from hakeep.post import Courier
from hakeep.report import protocol
from hakeep.requests import Requests
from hakeep.worker import Log, SharedPage


class Room:
    """A worker's room."""

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []
        self.worker: Any = SimpleNamespace(pid=1, started=True)
        self.wanted, self.restarts, self.stopping = True, 0, False
        self.seats, self.things, self.sessions = (), (), ()
        self.seat = self

    def order(self, order: dict[str, Any]) -> bool:
        self.orders.append(order)
        return True

    def asked(self) -> int:
        return sum(order["do"] == "snapshot" for order in self.orders)


class Client:
    """A connection."""

    def __init__(self) -> None:
        self.data = b""
        self.watching, self.out = False, b""

    def send(self, data: bytes) -> None:
        self.data += data

    def flush(self) -> None:
        pass

    @property
    def answers(self) -> list[Any]:
        return [json.loads(line)["status"]["virtual_servers"] for line in self.data.splitlines()]


class Desk:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.monotonic()
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(module, "state_file", lambda instance: folder / "overrides.json")
        paths = {each.name: folder for each in fields(Options) if each.type == "Path"}
        options = Options(config="", dump_stem="", **paths)
        in_force = SimpleNamespace(facts=SimpleNamespace(globals=SimpleNamespace(instance="")))
        control = SimpleNamespace(connections={}, bury=lambda forget: None)
        nothing: Callable[..., None] = lambda *_: None  # noqa: E731
        self.page = SharedPage()
        self.connections = control.connections
        self.it = Requests(
            options, in_force, control, self.page, None,  # type: ignore[arg-type]
            Log("test", console=False, facility=None, detail=False), watch=nothing, unwatch=nothing, signals=())
        self.vrrp, self.lvs = Room(), Room()
        self.it.succession, self.it.attendance = self.vrrp, self.lvs  # type: ignore[assignment]
        self.it.lookout = Room()  # type: ignore[assignment]
        self.it.courier = Courier(nothing, nothing, nothing)
        self.it.lookout.bfd = SimpleNamespace(order=lambda order: False)  # type: ignore[assignment]

    def client(self, request: protocol.Request) -> Client:
        client = Client()
        self.connections[len(self.connections)] = client
        self.it._obey(client, request)  # type: ignore[arg-type]
        return client

    def answers(self, *texts: str) -> None:
        """Both workers."""
        self.it.hear({"do": "snapshot", "routers": []})
        for number, text in enumerate(texts):
            self.piece(number, text, number == len(texts) - 1)

    def piece(self, number: int, text: str, last: bool) -> None:
        self.it.hear({"do": "lvs_snapshot", "piece": number, "text": text, "last": last, "backend": "ipvs",
                      "reals": {"web": [["10.0.0.1", 80]]}})

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.page.beat(self.now)
        self.it.turn(self.now)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def test_what_the_lvs_worker_says_goes_on_as_it_came(desk: Desk) -> None:
    client = desk.client(protocol.Status())
    desk.answers('"one",2', '{"three":3}')
    assert client.answers == [["one", 2, {"three": 3}]]
    client = desk.client(protocol.Status())
    desk.answers("this is no JSON")
    assert b'"virtual_servers":[this is no JSON]' in client.data, "nobody has looked into it"


def test_who_asks_waits_while_pieces_come(desk: Desk) -> None:
    client = desk.client(protocol.Status())
    desk.it.hear({"do": "snapshot", "routers": []})
    for number in range(2):
        desk.passes(module.LVS_FRESH - 0.1)
        desk.piece(number, str(number), False)
    assert client.data == b""
    desk.passes(module.LVS_FRESH + 0.1)
    assert client.answers == [[]] and b"does not answer" in client.data


def test_who_asks_does_not_wait_for_ever(desk: Desk) -> None:
    client = desk.client(protocol.Status())
    desk.it.hear({"do": "snapshot", "routers": []})
    for number in range(100):
        desk.piece(number, str(number), False)
        desk.passes(module.LVS_LONGEST / 100 + 0.001)
    assert len(client.answers) == 1


def test_who_asks_waits_for_the_bfd_worker(desk: Desk) -> None:
    desk.it.lookout.bfd = SimpleNamespace(order=lambda order: True)  # type: ignore[assignment]
    client = desk.client(protocol.Status())
    desk.answers('{"name":"web"}')
    assert not client.answers
    desk.it.hear({"do": "sessions"})
    assert len(client.answers) == 1


def test_quorums_go_to_the_lookout(desk: Desk) -> None:
    heard: list[object] = []
    desk.it.lookout.hear = heard.append  # type: ignore[method-assign]
    said = {"do": "quorums", "states": [["192.0.2.1 80", True, ""]]}
    desk.it.hear(said)
    assert heard == [said]


def test_who_watches_is_told_of_news_of_virtual_servers(desk: Desk) -> None:
    client = desk.client(protocol.Watch())
    desk.now += 0.1
    desk.answers("1")
    assert client.answers[-1] == [1]
    desk.passes(module.LEISURE * 0.1 + 0.1)
    asked, told = desk.lvs.asked(), len(client.answers)
    desk.it.hear({"do": "lvs_changed"})
    assert desk.it.wake_at <= desk.now
    desk.passes(0.0)
    assert desk.lvs.asked() == asked + 1
    desk.now += 0.1
    desk.piece(0, "2", True)
    assert len(client.answers) == told + 1 and client.answers[-1] == [2]


def test_the_worker_has_leisure_between_two_answers(desk: Desk) -> None:
    desk.client(protocol.Watch())
    desk.now += 0.3
    desk.answers("1")
    asked = desk.lvs.asked()
    desk.it.hear({"do": "lvs_changed"})
    for _ in range(29):
        desk.passes(0.1)
    assert desk.lvs.asked() == asked and desk.it.wake_at > desk.now
    desk.passes(0.2)
    assert desk.lvs.asked() == asked + 1


def test_nobody_asks_where_nobody_watches(desk: Desk) -> None:
    desk.client(protocol.Status())
    desk.answers("1")
    asked = desk.lvs.asked()
    desk.it.hear({"do": "lvs_changed"})
    desk.passes(100.0)
    assert desk.lvs.asked() == asked and desk.it.wake_at == float("inf")


def test_orders_are_for_real_servers_that_there_are(desk: Desk) -> None:
    desk.client(protocol.Status())
    desk.answers("1")
    assert b"there is no real_server" in desk.client(protocol.Override("drain", "10.0.0.2", 80)).data
    assert b"there is no virtual_server" in desk.client(protocol.Override("drain", "10.0.0.1", 80, "shop")).data
    assert b'"ok":true' in desk.client(protocol.Override("drain", "10.0.0.1", 80, "web")).data
    assert desk.lvs.orders[-1]["do"] == "order"
