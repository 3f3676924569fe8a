from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakeep.report.protocol import (
    LONGEST_LINE,
    OVERRIDES,
    Inbox,
    Malformed,
    Outcome,
    Override,
    ProtocolError,
    Record,
    Refused,
    Reload,
    Reloaded,
    Request,
    Resume,
    Standby,
    Status,
    Watch,
    decode_reloaded,
    decode_reply,
    decode_request,
    decode_status,
    encode_error,
    encode_ok,
    encode_reloaded,
    encode_request,
    encode_status,
    encode_status_around,
    socket_path,
)
from hakeep.report.snapshot import DaemonSnapshot, VirtualSnapshot, to_document

names = st.lists(st.text(min_size=1), max_size=4).map(tuple)
requests = st.one_of(
    st.sampled_from([Status(), Watch(), Record(), Reload()]),
    st.builds(Standby, names, st.none() | st.floats(0.001, 1e8), st.booleans()),
    st.builds(Resume, names),
    st.builds(
        Override, st.sampled_from(OVERRIDES), st.ip_addresses().map(str), st.integers(0, 65535), st.text(),
        st.integers(0, 2**31 - 1)),
)

OVERRIDE = {"do": "override", "what": "drain", "ip": "10.0.0.2", "port": 80}


def test_addresses_have_one_spelling() -> None:
    line = json.dumps({"hakeep": 1} | OVERRIDE | {"ip": "FD00:0::2"}).encode()
    assert decode_request(line) == Override("drain", "fd00::2", 80)


@settings(deadline=None)
@given(requests)
def test_a_request_survives_the_journey(request: Request) -> None:
    line = encode_request(request)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode_request(line) == request


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (Status(), {"do": "status"}),
        (Watch(), {"do": "watch"}),
        (Record(), {"do": "record"}),
        (Reload(), {"do": "reload"}),
        (Standby(("VI_1",), 600), {"do": "standby", "routers": ["VI_1"], "for": 600, "even_if_alone": False}),
        (Standby(even_if_alone=True), {"do": "standby", "all": True, "for": None, "even_if_alone": True}),
        (Resume(("a", "b")), {"do": "resume", "routers": ["a", "b"]}),
        (Resume(), {"do": "resume", "all": True}),
        (
            Override("weight", "10.0.0.2", 80, "10.0.0.1 80", 5),
            {"do": "override", "what": "weight", "ip": "10.0.0.2", "port": 80, "virtual": "10.0.0.1 80", "weight": 5},
        ),
        (
            Override("drain", "fd00::2", 0),
            {"do": "override", "what": "drain", "ip": "fd00::2", "port": 0, "virtual": "", "weight": 0},
        ),
    ],
)
def test_what_requests_look_like(request_: Request, fields: dict[str, object]) -> None:
    """Other programs speak this protocol: its words must not change."""
    assert json.loads(encode_request(request_)) == {"hakeep": 1, **fields}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"do": "explode"}, "there is no request 'explode'"),
        ({}, "there is no request None"),
        ({"do": ["status"]}, "there is no request"),
        ({"do": "standby"}, "name the routers"),
        ({"do": "standby", "routers": []}, "name the routers"),
        ({"do": "standby", "routers": ["a"], "all": True}, "name the routers"),
        ({"do": "standby", "routers": "VI_1"}, "name the routers"),
        ({"do": "standby", "routers": [1]}, "name the routers"),
        ({"do": "resume", "routers": [""]}, "name the routers"),
        ({"do": "resume", "all": 1}, "name the routers"),
        ({"do": "standby", "all": True, "for": 0}, "for must be a number of seconds"),
        ({"do": "standby", "all": True, "for": -1}, "for must be a number of seconds"),
        ({"do": "standby", "all": True, "for": True}, "for must be a number of seconds"),
        ({"do": "standby", "all": True, "for": "10m"}, "for must be a number of seconds"),
        ({"do": "standby", "all": True, "for": 1e300}, "for must be a number of seconds"),
        ({"do": "standby", "all": True, "even_if_alone": 1}, "even_if_alone must be"),
        (OVERRIDE | {"what": "explode"}, "what must be one of ready, drain, down, weight"),
        (OVERRIDE | {"what": ["drain"]}, "what must be one of"),
        (OVERRIDE | {"ip": "web"}, "ip must be an IP address"),
        (OVERRIDE | {"ip": 1}, "ip must be an IP address"),
        (OVERRIDE | {"ip": None}, "ip must be an IP address"),
        (OVERRIDE | {"port": "80"}, "port must be a number from 0 to 65535"),
        (OVERRIDE | {"port": True}, "port must be a number"),
        (OVERRIDE | {"port": 65536}, "port must be a number"),
        (OVERRIDE | {"weight": -1}, "weight must be a number from 0 to 2147483647"),
        (OVERRIDE | {"weight": 2**31}, "weight must be a number"),
        (OVERRIDE | {"weight": 1.5}, "weight must be a number"),
        (OVERRIDE | {"virtual": None}, "virtual must be the name"),
        ({"hakeep": 2, "do": "status"}, "this daemon speaks version 1"),
        ({"hakeep": "1", "do": "status"}, "this daemon speaks version 1"),
    ],
)
def test_what_is_wrong_with_a_request(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(ProtocolError, match=sentence):
        decode_request(json.dumps({"hakeep": 1} | fields).encode())


@pytest.mark.parametrize(
    "line", [b"", b"\xff\xfe", b"GET / HTTP/1.0", b"[]", b"1", b"null", b"[" * 60000, b'{"a":NaN}']
)
def test_what_is_no_request_at_all(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_request(line)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_do_harm(data: bytes) -> None:
    inbox = Inbox()
    for item in inbox.feed(data) + inbox.feed(b"\n"):
        assert isinstance(item, Malformed)
    assert inbox.feed(encode_request(Status())) == [Status()]


def test_replies() -> None:
    assert encode_ok() == b'{"hakeep":1,"ok":true}\n'
    assert decode_reply(encode_ok(paths=["/run/x"])) == {"paths": ["/run/x"]}
    with pytest.raises(Refused, match=r"^no router is called VI_9$"):
        decode_reply(encode_error("no router is called VI_9"))
    for wrong in (b'{"hakeep":1}', b'{"hakeep":1,"ok":1}', b'{"hakeep":1,"ok":false}', b'{"ok":true}'):
        with pytest.raises(ProtocolError):
            decode_reply(wrong)


def test_a_status_reply_has_the_snapshot() -> None:
    snapshot = DaemonSnapshot(version="1", pid=7)
    assert decode_status(encode_status(snapshot)) == snapshot
    virtuals = tuple(VirtualSnapshot(name=name) for name in ("web", "shop", "mail"))
    first, *rest = (json.dumps(to_document(each)).encode() for each in virtuals)
    for texts, there in (((), ()), ((first,), virtuals[:1]), ((first, b",".join(rest)), virtuals)):
        line = b"".join(encode_status_around(snapshot, texts))
        assert decode_status(line) == replace(snapshot, virtual_servers=there)
    with pytest.raises(ProtocolError, match="not a hakeep document"):
        decode_status(encode_ok())
    with pytest.raises(Refused, match="sorry"):
        decode_status(encode_error("sorry"))


@settings(deadline=None)
@given(st.lists(requests, max_size=6), st.data())
def test_pieces_of_any_size_give_the_same_requests(wanted: list[Request], data: st.DataObject) -> None:
    stream = b"".join(encode_request(request) + data.draw(st.sampled_from([b"", b"\n", b"\r\n"])) for request in wanted)
    inbox = Inbox()
    found: list[object] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += inbox.feed(stream[:size])
        stream = stream[size:]
    assert found == wanted


def test_a_mistake_does_not_end_the_conversation() -> None:
    inbox = Inbox()
    first, second, third = inbox.feed(b'{"hakeep":1,"do":"x"}\nrubbish\n' + encode_request(Watch()))
    assert first == Malformed("there is no request 'x'")
    assert isinstance(second, Malformed)
    assert not second.fatal
    assert third == Watch()


def test_an_endless_line_does() -> None:
    inbox = Inbox()
    piece = b"x" * 1000
    answers = [item for _ in range(200) for item in inbox.feed(piece)]
    assert answers == [Malformed(f"a request is longer than {LONGEST_LINE} bytes", fatal=True)]
    assert inbox.feed(b"\n" + encode_request(Status())) == []


def test_a_line_that_ends_but_is_too_long() -> None:
    inbox = Inbox()
    assert inbox.feed(encode_request(Status()) + b"x" * (LONGEST_LINE + 1) + b"\n" + encode_request(Status())) == [
        Status(),
        Malformed(f"a request is longer than {LONGEST_LINE} bytes", fatal=True),
    ]
    assert inbox.feed(encode_request(Status())) == []


def test_the_longest_line_is_heard() -> None:
    padding = b" " * (LONGEST_LINE - len(encode_request(Status())) + 1)
    assert Inbox().feed(padding + encode_request(Status())) == [Status()]


def test_where_it_listens() -> None:
    assert socket_path() == "/run/hakeep/control.sock"
    assert socket_path("blue") == "/run/hakeep/control_blue.sock"


@given(st.builds(Reloaded, st.sampled_from(Outcome), st.lists(st.tuples(st.integers(0, 7), st.text())).map(tuple)))
def test_what_became_of_a_reload_survives_the_journey(reloaded: Reloaded) -> None:
    assert decode_reloaded(encode_reloaded(reloaded)) == reloaded


@pytest.mark.parametrize("fields", [{}, {"outcome": "fine"}, {"outcome": "taken", "said": [3]},
                                    {"outcome": "taken", "said": [["x", "y"]]}, {"outcome": "taken", "said": 3}])
def test_a_reply_that_does_not_say_it_is_no_reply(fields: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        decode_reloaded(encode_ok(**fields))
