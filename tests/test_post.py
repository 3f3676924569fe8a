"""The courier with real postmen: whatever relays and web servers do, nobody who has news waits."""

from __future__ import annotations

import hmac
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hakeep import post
from hakeep.config.settled import Global
from hakeep.notify import outbox
from hakeep.notify.news import News
from hakeep.post import Courier, Route
from hakeep.report.snapshot import PostSnapshot
from tests.notify.relay import DEADLINE, Talk, answers, drips, hangs, relay, resets, serving

#: What a turn of the supervisor's loop may take at most, in seconds: to start a process takes some of it.
TURN = 0.5


class Loop:
    """As much of the supervisor as it takes."""

    def __init__(self) -> None:
        self.poll = select.poll()
        self.readers: dict[int, Callable[[], None]] = {}
        self.said: list[str] = []
        self.longest = 0.0
        self.hired: set[int] = set()
        self.it = Courier(lambda level, text: self.said.append(text), self.watch, self.unwatch)

    def watch(self, fd: int, reader: Callable[[], None]) -> None:
        self.readers[fd] = reader
        self.poll.register(fd, select.POLLIN)

    def unwatch(self, fd: int) -> None:
        del self.readers[fd]
        self.poll.unregister(fd)

    def turn(self) -> None:
        pause = min(0.05, max(0.0, self.it.wake_at - time.monotonic()))
        ready = self.poll.poll(pause * 1000)
        begin = time.monotonic()
        for fd, _ in ready:
            if fd in self.readers:
                self.readers[fd]()
        self.it.turn(time.monotonic())
        self.longest = max(self.longest, time.monotonic() - begin)
        self.hired.update(self.pids())
        for pid in list(self.hired):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self.hired.discard(pid)
                self.it.ended(pid, os.waitstatus_to_exitcode(status), time.monotonic())

    @property
    def routes(self) -> tuple[Route, Route]:
        return self.it.mail, self.it.webhook

    def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < end, self.said
            self.turn()

    def news(self, name: str = "VI_1", state: str = "MASTER", **more: Any) -> None:
        self.it.tell(News("INSTANCE", name, state, 150, "because", mail=True)._replace(**more).as_order())

    def pids(self) -> list[int]:
        return [route._pid for route in self.routes if route._pid]


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    """Pauses are a twentieth of what they are."""
    monkeypatch.setattr(outbox, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(post, "RESTART", 0.1)
    loop = Loop()
    yield loop
    loop.it.close()
    for pid in loop.hired | {*loop.pids()}:
        os.waitpid(pid, 0)


def mail(port: int, **more: Any) -> Global:
    return replace(
        Global(router_id="first", smtp_server="127.0.0.1", smtp_port=port, notification_email=("a@example.org",),
               smtp_helo_name="first.example", smtp_connect_timeout=5.0), **more)


def hook(port: int, **more: Any) -> Global:
    return replace(Global(router_id="first", notify_webhook=f"http://127.0.0.1:{port}/hook"), **more)


def subjects(letters: list[bytes]) -> list[str]:
    return [line[9:].decode() for letter in letters for line in letter.split(b"\r\n") if line.startswith(b"Subject:")]


def test_nothing_is_started_without_need(loop: Loop) -> None:
    loop.it.configure(Global())
    loop.news()
    loop.turn()
    assert loop.pids() == [] and loop.it.wake_at == float("inf") and not loop.it.farewell(0.0)


def test_a_mail_and_a_post(loop: Loop) -> None:
    with serving(relay()) as office, serving(answers()) as web:
        both = replace(mail(office.port), notify_webhook=f"http://127.0.0.1:{web.port}/x", notify_webhook_secret="s")
        loop.it.configure(both)
        loop.news()
        loop.news()
        loop.news(name="quiet", mail=False)
        loop.until(lambda: office.letters and len(web.posts) == 2)
        loop.until(lambda: not loop.it.mail.outbox and not loop.it.webhook.outbox)
    assert subjects(office.letters) == ["[first] VRRP Instance VI_1 - Entering MASTER state"]
    head, body = web.posts[0]
    document = json.loads(body)
    assert document.items() >= {"kind": "INSTANCE", "name": "VI_1", "state": "MASTER", "priority": 150}.items()
    signature = hmac.digest(b"s", body, "sha256").hex()
    assert f"X-Hakeep-Signature: sha256={signature}".encode() in head
    assert json.loads(web.posts[1][1])["name"] == "quiet" and loop.said == []


def test_the_postman_is_nobody(loop: Loop) -> None:
    with serving(hangs) as office:
        loop.it.configure(mail(office.port))
        loop.news()
        loop.until(lambda: office.sessions)
        (pid,) = loop.pids()
        status = Path(f"/proc/{pid}/status").read_text()
    uid = next(line.split()[1:] for line in status.splitlines() if line.startswith("Uid:"))
    assert "0" not in uid or os.geteuid() != 0
    password = "sesame"
    assert password not in Path(f"/proc/{pid}/cmdline").read_text()


@pytest.mark.parametrize("misery", [hangs, drips])
def test_who_hangs_delays_nobody(
    loop: Loop, misery: Callable[[Talk], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay that never says what it has to say costs the time that one letter has, and no turn of the loop."""
    monkeypatch.setattr(post, "STEPS", 1)
    with serving(misery, misery, relay()) as office, serving(answers()) as web:
        both = replace(mail(office.port), notify_webhook=f"http://127.0.0.1:{web.port}/x", smtp_connect_timeout=1.0)
        loop.it.configure(both)
        loop.news()
        loop.until(lambda: office.sessions)
        for n in range(50):
            loop.news(name=f"VI_{n}", state="BACKUP")
        loop.until(lambda: len(web.posts) == 51)
        loop.until(lambda: len(office.letters) == 51)
    assert loop.longest < TURN
    assert loop.said == [
        f"alert mail cannot be sent, trying again: 127.0.0.1 port {office.port}: it does not answer in time",
        "alert mail can be sent again"]


def test_mails_of_one_instance_come_in_order_though_the_relay_is_gone_for_a_while(loop: Loop) -> None:
    states = ["BACKUP", "MASTER", "FAULT", "BACKUP", "MASTER"]
    with serving(resets, relay(greeting=b"421 busy"), relay(drop_in_data=True), relay(end=b"451 later"),
                 relay()) as office:
        loop.it.configure(mail(office.port))
        for state in states:
            loop.news(state=state)
        loop.until(lambda: len(office.letters) == 5)
    assert [each.split()[-2] for each in subjects(office.letters)] == states
    assert loop.longest < TURN


def test_of_an_object_a_webhook_gets_the_newest_state(loop: Loop) -> None:
    oops = answers(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
    with serving(oops, resets, answers()) as web:
        loop.it.configure(hook(web.port))
        loop.news(state="BACKUP")
        loop.until(lambda: web.posts)
        for state in ("MASTER", "FAULT", "BACKUP", "MASTER"):
            loop.news(state=state)
        loop.news(name="other")
        loop.until(lambda: not loop.it.webhook.outbox)
    told = [(document["name"], document["state"]) for document in (json.loads(body) for _, body in web.posts[1:])]
    assert sorted(told) == [("VI_1", "MASTER"), ("other", "MASTER")]


def test_the_same_post_is_the_same_document_again(loop: Loop) -> None:
    with serving(answers(b""), answers()) as web:
        loop.it.configure(hook(web.port))
        loop.news()
        loop.until(lambda: len(web.posts) == 2 and not loop.it.webhook.outbox)
    assert web.posts[0][1] == web.posts[1][1]


def test_a_postman_who_dies_loses_no_letter(loop: Loop) -> None:
    with serving(hangs, relay()) as office:
        loop.it.configure(mail(office.port))
        loop.news()
        loop.until(lambda: office.sessions)
        os.kill(loop.pids()[0], signal.SIGKILL)
        loop.until(lambda: office.letters)
    assert loop.said[0] == "alert mail cannot be sent, trying again: the process that sends it died"


def test_a_postman_who_is_stuck_is_killed(loop: Loop) -> None:
    with serving(hangs, relay()) as office:
        loop.it.configure(mail(office.port))
        loop.news()
        loop.until(lambda: office.sessions)
        os.kill(loop.pids()[0], signal.SIGSTOP)
        assert loop.it.mail._kill_at > time.monotonic() + post.GRACE
        loop.it.mail._kill_at = time.monotonic()
        loop.until(lambda: office.letters)
    assert loop.said[0] == "alert mail: the process that sends it is stuck: killing it"
    assert loop.longest < TURN


def test_daemon_signals_are_not_for_the_postman(loop: Loop) -> None:
    """systemd sends SIGTERM to all processes of the service, and the last letters are yet to be written."""
    with serving(hangs) as office:
        loop.it.configure(mail(office.port))
        loop.news()
        loop.until(lambda: office.sessions)
        (pid,) = loop.pids()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(pid, number)
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            loop.turn()
        assert loop.pids() == [pid]


def test_he_is_let_go_when_there_is_nothing_to_do(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post, "IDLE", 0.2)
    with serving(relay()) as office:
        loop.it.configure(mail(office.port))
        loop.news()
        loop.until(lambda: office.letters)
        loop.until(lambda: not loop.pids())
        loop.news(state="BACKUP")
        loop.until(lambda: len(office.letters) == 2)
    assert loop.said == []


def test_a_reload_sends_what_waits_to_the_new_relay_and_drops_what_nobody_wants(loop: Loop) -> None:
    with serving(hangs) as dead, serving(relay()) as office:
        loop.it.configure(mail(dead.port, smtp_connect_timeout=1.0))
        loop.news()
        loop.until(lambda: dead.sessions)
        loop.news(state="BACKUP")
        loop.it.configure(mail(office.port))
        loop.until(lambda: len(office.letters) == 2)
    loop.it.configure(mail(1))
    loop.news(state="FAULT")
    loop.it.configure(Global())
    assert not loop.it.mail.outbox


def test_the_queue_is_bounded(loop: Loop) -> None:
    loop.it.configure(mail(1, smtp_queue_max=5))
    for n in range(100):
        loop.news(name=f"VI_{n}")
    assert len(loop.it.mail.outbox) == 5
    assert loop.said == [
        "alert mail: more than 5 wait, the oldest is dropped: [first] VRRP Instance VI_0 - Entering MASTER state"]


def test_at_the_end_the_last_letters_go_out(loop: Loop) -> None:
    with serving(relay()) as office:
        loop.it.configure(mail(office.port))
        loop.it.stop()
        loop.news(state="STOP")
        begin = time.monotonic()
        while loop.it.farewell(time.monotonic()):
            loop.turn()
        assert len(office.letters) == 1 and time.monotonic() - begin < post.FAREWELL


def test_at_the_end_a_dead_relay_gets_a_few_seconds_and_no_more(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post, "FAREWELL", 0.5)
    with serving(hangs) as office:
        loop.it.configure(mail(office.port))
        loop.it.stop()
        loop.news(state="STOP")
        begin = time.monotonic()
        while loop.it.farewell(time.monotonic()):
            loop.turn()
        assert 0.5 <= time.monotonic() - begin < 5
    loop.it.close()
    assert loop.said == ["alert mail: 1 not sent: no time"]
    (pid,) = loop.hired
    loop.hired.clear()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    loop.it.ended(pid, -9, 0.0)


def test_who_says_stop_twice_waits_for_no_letter(loop: Loop) -> None:
    loop.it.configure(mail(1))
    loop.news(state="STOP")
    loop.it.stop()
    loop.it.stop()
    assert not loop.it.farewell(time.monotonic())


@pytest.mark.parametrize("order", [
    {}, {"do": "news"}, {"do": "news", "kind": "?", "name": "x", "state": "UP", "mail": True},
    {"do": "news", "kind": ["INSTANCE"], "name": {}, "state": 1, "priority": "x"},
])
def test_a_worker_that_says_nonsense_is_no_reason_to_stop(loop: Loop, order: dict[str, Any]) -> None:
    loop.it.configure(replace(mail(1), notify_webhook="http://127.0.0.1:1/"))
    loop.it.tell(order)
    assert not loop.it.mail.outbox


def test_a_postman_that_says_nonsense(loop: Loop) -> None:
    with serving(hangs, relay()) as office:
        loop.it.configure(mail(office.port))
        loop.news()
        loop.until(lambda: office.sessions)
        route = loop.it.mail
        assert route._channel is not None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        loop.unwatch(route._channel.fileno())
        route._channel.close()
        route._channel = ours
        loop.watch(ours.fileno(), route._answered)
        theirs.send(b'["what"]')
        loop.until(lambda: loop.said)
        theirs.close()
        loop.until(lambda: office.letters)
    assert "makes no sense" in loop.said[0]


def test_where_nothing_can_be_started_all_else_goes_on(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post.sys, "executable", "/nowhere/python")
    monkeypatch.setattr(post, "FRESH_PAUSE", 0.2)
    with serving(relay()) as office:
        loop.it.configure(mail(office.port))
        loop.news()
        loop.turn()
        assert len(loop.said) == 1 and "cannot be started, trying again" in loop.said[0]
        monkeypatch.undo()
        loop.until(lambda: office.letters)


def test_what_could_not_be_sent_is_shown_with_its_age_and_why(loop: Loop) -> None:
    loop.it.configure(Global())
    assert loop.it.shown(time.monotonic()) == ()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    loop.it.configure(replace(mail(port), notify_webhook=f"http://127.0.0.1:{port}/x", smtp_queue_max=2))
    assert loop.it.shown(time.monotonic()) == (PostSnapshot("alert mail"), PostSnapshot("webhook"))
    before = time.time()
    for state in ("MASTER", "BACKUP", "FAULT"):
        loop.news(state=state)
    loop.until(lambda: all(post.trouble for post in loop.it.shown(time.monotonic())))
    letters, posts = loop.it.shown(time.monotonic())
    assert (letters.waiting, letters.dropped, posts.waiting, posts.dropped) == (2, 1, 1, 0)
    assert "refused" in letters.trouble and "refused" in posts.trouble
    assert all(before - 0.1 < post.since < time.time() + 0.1 for post in (letters, posts))
    with serving(relay(), on=socket.create_server(("127.0.0.1", port))) as office:
        loop.until(lambda: not loop.it.mail.outbox)
        assert len(office.letters) == 2
    assert loop.it.shown(time.monotonic())[0] == PostSnapshot("alert mail")
