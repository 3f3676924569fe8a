"""Letters to relays that behave, misbehave, or do not behave at all."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from hakeep.notify.post import postman, smtp
from tests.notify.relay import Certificate, Script, Server, hangs, relay, resets, serving

LOGIN = ["user", "sesame"]


def order(relay: Server | None, **more: Any) -> dict[str, Any]:
    to = more.pop("to", ["a@example.org"])
    return {
        "do": "mail", "server": "127.0.0.1", "port": relay.port if relay else 0, "timeout": 5.0, "total": 10.0,
        "helo": "first.example", "starttls": "auto", "login": [], "from": "root@first.example", "to": to, "left": to,
        "subject": "[first] VRRP Instance VI_1 - Entering MASTER state", "body": "=> it <=", "time": 1_800_000_000.0,
        "id": "abc-1", **more,
    }


def try_it(*scripts: Script, **more: Any) -> tuple[dict[str, Any], Server]:
    with serving(*scripts) as server:
        return postman.carry_out(order(server, **more)), server


def test_a_letter() -> None:
    answer, server = try_it(relay(), to=["a@example.org", "b@example.org"])
    assert answer == {"outcome": "sent"}
    assert server.heard[:5] == [
        b"ehlo first.example", b"mail FROM:<root@first.example>", b"rcpt TO:<a@example.org>",
        b"rcpt TO:<b@example.org>", b"data"]
    assert server.heard[-1] == b"quit"
    (letter,) = server.letters
    assert b"Subject: [first] VRRP Instance VI_1 - Entering MASTER state\r\n" in letter
    assert b"To: a@example.org, b@example.org\r\n" in letter and letter.endswith(b"\r\n\r\n=> it <=")


def test_a_relay_that_knows_helo_only() -> None:
    answer, server = try_it(relay(ehlo=b"502 what?"))
    assert answer == {"outcome": "sent"} and server.heard[1] == b"helo first.example"


@pytest.mark.parametrize(("script", "outcome", "why"), [
    (relay(greeting=b"554 go away"), "unreachable", "554 go away"),
    (relay(greeting=b"421 busy"), "unreachable", "421 busy"),
    (relay(greeting=b"hello"), "unreachable", ""),
    (relay(sender=b"451 not now"), "later", "451 not now"),
    (relay(sender=b"550 who are you"), "refused", "550 who are you"),
    (relay(recipients={"a@example.org": b"450 greylisted"}), "later", "a@example.org: 450 greylisted"),
    (relay(recipients={"a@example.org": b"550 no such user"}), "refused", "a@example.org: 550 no such user"),
    (relay(recipients={"a@example.org": b"421 closing"}), "unreachable", "421 closing"),
    (relay(data=b"452 disk full"), "later", "452 disk full"),
    (relay(data=b"554 no"), "refused", "554 no"),
    (relay(end=b"451 try again"), "later", "451 try again"),
    (relay(end=b"554 spam"), "refused", "554 spam"),
    (relay(end=b"421 closing"), "unreachable", "421 closing"),
    (relay(drop_in_data=True), "unreachable", "it closed the connection"),
    (relay(end=b"\x00\xff\x1b[2J"), "unreachable", ""),
    (resets, "unreachable", ""),
])
def test_answers(script: Script, outcome: str, why: str) -> None:
    answer, server = try_it(script)
    assert answer["outcome"] == outcome and why in answer["why"] and answer["why"].isprintable()
    assert not server.letters


def test_of_several_only_those_that_were_put_off_are_left() -> None:
    to = ["a@example.org", "b@example.org", "c@example.org"]
    answer, server = try_it(relay(recipients={to[0]: b"450 later", to[2]: b"550 never"}), to=to)
    assert answer["outcome"] == "later" and answer["left"] == (to[0],)
    assert "450 later" in answer["why"] and "550 never" in answer["why"]
    assert len(server.letters) == 1


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    answer = postman.carry_out(order(None, port=port))
    assert answer == {"outcome": "unreachable", "why": "connection refused"}


def test_a_slow_relay_is_waited_for() -> None:
    def slow(talk: Any) -> None:
        time.sleep(0.3)
        relay()(talk)

    assert try_it(slow, timeout=5.0)[0] == {"outcome": "sent"}


def test_a_silent_relay_is_not() -> None:
    begin = time.monotonic()
    answer, _ = try_it(hangs, timeout=0.3)
    assert answer == {"outcome": "unreachable", "why": "it does not answer in time"}
    assert time.monotonic() - begin < 3


@pytest.mark.parametrize(("to", "sender"), [
    (["a@example.org\r\nRCPT TO:<evil@example.org>"], "root@first"), (["ü@example.org"], "root@first"), ([""], "root"),
    (["a@example.org"], "root\r\nDATA"), (["a@example.org"], "ü"),
])
def test_addresses_that_are_none_say_nothing_else(to: list[str], sender: str) -> None:
    answer, server = try_it(relay(recipients={"": b"501 no"}), to=to, **{"from": sender})
    # what is left of one with a line break in it may be an address: that depends on the version of Python
    assert answer["outcome"] in ("refused", *(["sent"] if "\r\n" in to[0] + sender else []))
    commands = [line[:4].lower() for line in server.heard]
    assert all(commands.count(each) <= 1 for each in (b"rcpt", b"data")) and not any(b"evil" in x for x in server.heard)
    assert len(server.letters) == (answer["outcome"] == "sent")


# ----------------------------------------------------------------------------------------------------------------- TLS


@pytest.fixture
def trusted(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Certificate:
    """This host trusts it."""
    monkeypatch.setenv("SSL_CERT_FILE", certificate.file)
    return certificate


@pytest.mark.parametrize(("mode", "login", "offered", "known", "outcome", "why"), [
    # without a password
    ("off", False, True, True, "sent", ""),
    ("auto", False, True, True, "sent encrypted", ""),
    ("auto", False, True, False, "sent encrypted", ""),  # whoever it is: listeners hear nothing
    ("auto", False, False, False, "sent", ""),
    ("require", False, True, True, "sent encrypted", ""),
    ("require", False, True, False, "unreachable", "its certificate is not good"),
    ("require", False, False, False, "unreachable", "does not offer STARTTLS"),
    # with one
    ("auto", True, True, True, "sent encrypted", ""),
    ("auto", True, True, False, "unreachable", "its certificate is not good"),
    ("auto", True, False, False, "unreachable", "not for everybody to hear"),
    ("require", True, True, False, "unreachable", "its certificate is not good"),
    ("off", True, False, False, "sent", ""),
])
def test_encryption(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch, mode: str, login: bool, offered: bool, known: bool,
    outcome: str, why: str,
) -> None:
    if known:
        monkeypatch.setenv("SSL_CERT_FILE", certificate.file)
    script = relay(tls=certificate if offered else None, auth=True)
    answer, server = try_it(script, starttls=mode, login=LOGIN if login else [])
    assert answer["outcome"] == outcome.partition(" ")[0] and why in answer.get("why", "")
    encrypted = b"(encrypted)" in server.heard
    assert encrypted is outcome.endswith("encrypted")
    spoken = [line for line in server.heard if line.upper().startswith(b"AUTH")]
    assert bool(spoken) is (login and answer["outcome"] == "sent")
    if spoken and encrypted:
        assert server.heard.index(b"(encrypted)") < server.heard.index(spoken[0])


def test_a_certificate_for_somebody_else(trusted: Certificate) -> None:
    answer, _ = try_it(relay(tls=trusted), starttls="require", server="127.0.0.2")
    assert answer["outcome"] == "unreachable"


def test_a_wrong_password_is_never_repeated_in_the_log(trusted: Certificate) -> None:
    answer, _ = try_it(relay(tls=trusted, auth=True), login=["user", "wrong"])
    assert answer == {"outcome": "unreachable", "why": "the relay refuses our login (code 535)"}


def test_a_relay_whose_tls_is_broken_gets_the_letter_in_the_clear() -> None:
    def broken(talk: Any) -> None:
        talk.say(b"220 relay\r\n")
        talk.line()
        talk.say(b"250-relay\r\n250 STARTTLS\r\n")
        talk.line()
        talk.say(b"220 go on\r\n")
        talk.sock.recv(4096)
        talk.say(b"this is no TLS, I am afraid\r\n" * 10)

    answer, server = try_it(broken, relay())
    assert answer == {"outcome": "sent"} and len(server.letters) == 1
    answer, _ = try_it(broken, relay(), starttls="require")
    assert answer["outcome"] == "unreachable"


@pytest.mark.parametrize(("refusal", "why"), [
    (b"454 no TLS today", "454 no TLS today"), (b"\x16\xffno\x00answer", "what it answers is no SMTP")])
def test_a_relay_that_offers_tls_and_refuses_it_gets_the_letter_in_the_clear(refusal: bytes, why: str) -> None:
    def refusing(talk: Any) -> None:
        talk.say(b"220 relay\r\n")
        talk.line()
        talk.say(b"250-relay\r\n250 STARTTLS\r\n")
        talk.line()
        talk.say(refusal + b"\r\n")

    answer, server = try_it(refusing, relay())
    assert answer == {"outcome": "sent"} and len(server.letters) == 1
    for more in ({"starttls": "require"}, {"login": LOGIN}):
        answer, server = try_it(refusing, relay(), **more)
        said = f"the relay offers STARTTLS but does not do it: {why}"
        assert answer == {"outcome": "unreachable", "why": said} and not server.letters


@pytest.mark.parametrize("place", ["greeting", "hello", "sender", "data", "end"])
def test_what_is_no_smtp_is_not_repeated_for_it_may_change_each_time(place: str) -> None:
    answer, _ = try_it(relay(**{place: b"\xf0\x9f nonsense \x01"}))  # type: ignore[arg-type]
    assert answer == {"outcome": "unreachable", "why": "what it answers is no SMTP"}


def test_a_recipient_that_is_answered_with_nonsense_is_not_refused() -> None:
    answer, _ = try_it(relay(recipients={"a@example.org": b"\x01\x02"}))
    assert answer == {"outcome": "unreachable", "why": "what it answers is no SMTP"}


def test_encrypted_from_the_start(trusted: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    def encrypted(talk: Any) -> None:
        talk.encrypt(trusted)
        relay(auth=True)(talk)

    with serving(encrypted) as server:
        monkeypatch.setattr(smtp, "SUBMISSIONS", server.port)
        answer = postman.carry_out(order(server, login=LOGIN, starttls="require"))
    assert answer == {"outcome": "sent"} and len(server.letters) == 1
