"""Posts to web servers that behave, misbehave, or do not behave at all."""

from __future__ import annotations

import time
from typing import Any

import pytest

from hakeep.notify.post import postman
from tests.notify.relay import Certificate, Script, Server, answers, hangs, resets, serving

BODY = '{"version": 1}'


def order(url: str, **more: Any) -> dict[str, Any]:
    return {"do": "webhook", "url": url, "timeout": 5.0, "total": 10.0, "body": BODY,
            "headers": {"Content-Type": "application/json", "X-Hakeep-Signature": "sha256=00"}, **more}


def try_it(
    *scripts: Script, scheme: str = "http", path: str = "/hook?a=1", **more: Any
) -> tuple[dict[str, Any], Server]:
    with serving(*scripts) as server:
        return postman.carry_out(order(f"{scheme}://127.0.0.1:{server.port}{path}", **more)), server


def test_a_post() -> None:
    answer, server = try_it(answers())
    assert answer == {"outcome": "sent"}
    ((head, body),) = server.posts
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /hook?a=1 HTTP/1.1" and body == BODY.encode()
    assert b"X-Hakeep-Signature: sha256=00" in lines and b"Content-Type: application/json" in lines


@pytest.mark.parametrize(("url", "server"), [
    ("https://hooks.example.org/services/T0/secret?token=x", "hooks.example.org"),
    ("http://user:pass@192.0.2.1:8080?token=x", "192.0.2.1:8080"), ("http://[2001:db8::1]:80/x", "[2001:db8::1]:80"),
])
def test_the_log_names_the_server_and_no_secrets(url: str, server: str) -> None:
    assert postman.server(order(url)) == server


def test_user_and_password_of_the_address() -> None:
    with serving(answers()) as server:
        answer = postman.carry_out(order(f"http://us%40er:p%3Aw@127.0.0.1:{server.port}"))
    assert answer == {"outcome": "sent"} and b"Authorization: Basic dXNAZXI6cDp3" in server.posts[0][0]


@pytest.mark.parametrize(("status", "outcome"), [
    (b"200 OK", "sent"), (b"202 Accepted", "sent"), (b"204 No Content", "sent"),
    (b"301 Moved", "refused"), (b"302 Found", "refused"), (b"307 There", "refused"), (b"304 Not Modified", "refused"),
    (b"400 Bad", "refused"), (b"401 Who", "refused"), (b"404 What", "refused"), (b"410 Gone", "refused"),
    (b"408 Slow", "unreachable"), (b"425 Early", "unreachable"), (b"429 Much", "unreachable"),
    (b"500 Oops", "unreachable"), (b"502 Bad", "unreachable"), (b"503 Busy", "unreachable"),
])
def test_statuses(status: bytes, outcome: str) -> None:
    head = b"HTTP/1.1 " + status + b"\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    answer, server = try_it(answers(head))
    assert answer["outcome"] == outcome and server.sessions == 1
    if outcome != "sent":
        assert answer["why"].startswith(f"status {status.decode()}")
        assert ("redirects are not followed" in answer["why"]) is (status[0] == ord("3"))


@pytest.mark.parametrize("script", [
    resets, answers(b""), answers(b"\xff\x00\x1b[2J\r\n\r\n"), answers(b"hello\r\n\r\n"),
    answers(b"HTTP/1.1 xx\r\n\r\n"),
    answers(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000 + b"\r\n"), answers(b"HTTP/1.1 200 " + b"x" * 100_000),
])
def test_what_is_no_answer(script: Script) -> None:
    answer, _ = try_it(script)
    assert answer["outcome"] == "unreachable"
    assert script is resets or answer["why"] in ("what it answers is no HTTP", "it closed the connection")


def test_an_endless_answer_is_not_read() -> None:
    def endless(talk: Any) -> None:
        answers(b"HTTP/1.1 200 OK\r\n\r\n")(talk)
        while True:
            talk.say(b"x" * 65536)

    assert try_it(endless)[0] == {"outcome": "sent"}


def test_a_silent_server() -> None:
    begin = time.monotonic()
    answer, _ = try_it(hangs, timeout=0.3)
    assert answer == {"outcome": "unreachable", "why": "it does not answer in time"}
    assert time.monotonic() - begin < 3


def test_certificates(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    answer, server = try_it(answers(tls=certificate), scheme="https")
    assert answer["outcome"] == "unreachable" and "certificate" in answer["why"] and not server.posts
    monkeypatch.setenv("SSL_CERT_FILE", certificate.file)
    answer, server = try_it(answers(tls=certificate), scheme="https")
    assert answer == {"outcome": "sent"} and len(server.posts) == 1
