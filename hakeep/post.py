"""Who has people told: alert mail and webhooks, from the news that the workers send up.

The supervisor owns it and never waits for it. What is to be said is decided by `notify.mail` and `notify.webhook`, what
waits stands in an `Outbox` for each of the two, and a postman (`notify.post.postman`), a process of its own for each,
is given one letter at a time. It is started with the first letter and let go when there has been nothing to do for a
while. If it hangs it is killed, and if it dies its letter waits for the next one: a letter may come twice, but none is
lost that the configured room was enough for.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hakeep.config.settled import Global
from hakeep.notify import mail, webhook
from hakeep.notify.news import News, Told
from hakeep.notify.outbox import FRESH_PAUSE, NEVER, Letter, Outbox, Outcome
from hakeep.report.snapshot import PostSnapshot
from hakeep.worker import ERROR, WARNING

#: What the postman's interpreter runs: nothing of the environment or the site, only our own package.
PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from hakeep.notify.post.postman import main; main(int(sys.argv[2]))")
PACKAGE_PARENT = Path(__file__).resolve().parents[1]
LARGEST = 1 << 18

#: Seconds that a step, and all, of a post to a webhook may take; how many steps a mail may have, and its longest total.
WEBHOOK_STEP, WEBHOOK_TOTAL = 10.0, 30.0
STEPS, MAIL_TOTAL = 4, 600.0

#: Seconds beyond its time after which a postman is killed, until it is let go when there is nothing, and until another
#: one is started after one that died.
GRACE, IDLE, RESTART = 10.0, 60.0, 2.0

#: Why a letter has to wait that was with a postman who died.
DIED = "the process that sends it died"

#: Seconds that the last letters have when all else has ended.
FAREWELL = 3.0

#: So many objects can have news that wait for a webhook.
POSTS_MAX = 10_000

Log = Callable[[int, str], None]
Watch = Callable[[int, Callable[[], None]], None]


class Route:
    """One way out: what waits, and the postman who takes it. `order` makes an order of a letter's content."""

    def __init__(
        self, outbox: Outbox, order: Callable[[dict[str, Any]], dict[str, Any]], log: Log, watch: Watch,
        unwatch: Callable[[int], None],
    ) -> None:
        self.outbox = outbox
        self._order = order
        self._log = log
        self._watch, self._unwatch = watch, unwatch
        self._pid = 0  # of the postman, until somebody has waited for him
        self._channel: socket.socket | None = None
        self._kill_at = NEVER
        self._idle_at = NEVER
        self._start_at = 0.0

    @property
    def wake_at(self) -> float:
        """When to turn at the latest."""
        return min(self.next_at, self._kill_at, self._idle_at)

    @property
    def next_at(self) -> float:
        """When the next letter can go, NEVER while one is on the way."""
        return max(self.outbox.due_at(), self._start_at)

    def turn(self, now: float) -> None:
        """Give the postman what is due. Let him go when there is nothing, and kill him when he is late."""
        if now >= self._kill_at:
            self._log(ERROR, f"{self.outbox.what}: the process that sends it is stuck: killing it")
            self._dismiss(kill=True)
            self._settle(Outcome.UNREACHABLE, "it does not answer in time")
        if now >= self.next_at and (self._channel is not None or self._hire(now)):
            letter = self.outbox.take(now)
            if letter is not None:
                self._hand_over(letter, now)
        if now >= self._idle_at:
            self._dismiss()

    def _hire(self, now: float) -> bool:
        try:
            self._pid, self._channel = _start_postman()
        except OSError as error:
            self._start_at = now + FRESH_PAUSE
            self._log(ERROR, f"{self.outbox.what}: the process that sends it cannot be started, trying again: {error}")
            return False
        self._watch(self._channel.fileno(), self._answered)
        return True

    def _hand_over(self, letter: Letter, now: float) -> None:
        assert self._channel is not None
        order = self._order(letter.content)
        self._idle_at = NEVER
        self._kill_at = now + order["total"] + GRACE
        try:
            self._channel.send(json.dumps(order).encode())
        except (BlockingIOError, ConnectionError):
            self._dismiss(kill=True)
            self._settle(Outcome.UNREACHABLE, DIED)
        except OSError as error:
            self._settle(Outcome.REFUSED, f"it cannot be handed over: {error.strerror}")

    def _answered(self) -> None:
        assert self._channel is not None
        try:
            data = self._channel.recv(LARGEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._dismiss(kill=True)
            if self.outbox.on_the_way is not None:
                self._start_at = time.monotonic() + RESTART
                self._settle(Outcome.UNREACHABLE, DIED)
            return
        try:
            answer = json.loads(data)
            outcome, why = Outcome(answer["outcome"]), str(answer.get("why", ""))
            left = [str(address) for address in answer.get("left", ())]
        except (ValueError, TypeError, LookupError, AttributeError):
            outcome, why, left = Outcome.UNREACHABLE, "the process that sends it says what makes no sense", []
        letter = self.outbox.on_the_way
        if letter is not None and left:
            letter.content["left"] = left
        self._settle(outcome, why)

    def _settle(self, outcome: Outcome, why: str) -> None:
        now = time.monotonic()
        self._kill_at, self._idle_at = NEVER, now + IDLE if self._channel is not None else NEVER
        self.outbox.settle(now, outcome, why)

    def _dismiss(self, *, kill: bool = False) -> None:
        """Let the postman go; without his socket he ends."""
        self._kill_at = self._idle_at = NEVER
        if self._channel is not None:
            self._unwatch(self._channel.fileno())
            with suppress(OSError):  # a child that was forked meanwhile may have it as well
                self._channel.shutdown(socket.SHUT_RDWR)
            self._channel.close()
            self._channel = None
        if kill and self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    def ended(self, pid: int) -> None:
        """A child has ended, and has been waited for: was it ours?"""
        if pid != self._pid:
            return
        self._pid = 0  # it may be another's soon
        if self._channel is not None:
            self._answered()

    def leave(self) -> None:
        """In a child that is somebody else: his socket is the parent's."""
        if self._channel is not None:
            self._channel.close()

    def close(self) -> None:
        """All is over."""
        self._dismiss(kill=True)
        if self.outbox:
            self._log(WARNING, f"{self.outbox.what}: {len(self.outbox)} not sent: {self.outbox.trouble or 'no time'}")


def _start_postman() -> tuple[int, socket.socket]:
    """A new one: his pid and our end of the socket. Raises OSError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", "-c", PROGRAM, str(PACKAGE_PARENT), str(theirs.fileno())],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, start_new_session=True,
            )
        except OSError:
            ours.close()
            raise
    process.returncode = 0  # it is the supervisor who waits for children, and tells us by `ended`
    ours.setblocking(False)
    return process.pid, ours


class Courier:
    """Takes news, and has them delivered as the configuration says. `watch` and `unwatch` belong to the loop.

    Call `configure` with each configuration that comes into force, `tell` with each order ``{"do": "news", ...}`` of a
    worker, `turn` in each turn of the loop (by `wake_at` at the latest) and `ended` for each child that was waited for.
    At the end: `stop` when the daemon begins to stop (again: at once), `farewell` in place of a pause while it is true
    after the last worker has ended, `close`.
    """

    def __init__(self, log: Log, watch: Watch, unwatch: Callable[[int], None]) -> None:
        self._settings = Global()
        self._host = os.uname().nodename
        self._series = os.urandom(8).hex()
        self._count = 0
        self._hurry = self._stopping = False
        self._until = NEVER
        self._mailed, self._posted = Told(), Told()
        self.mail = Route(Outbox("alert mail", log), self._mail_order, log, watch, unwatch)
        posts = Outbox("webhook: news", log, POSTS_MAX, newest_only=True)
        self.webhook = Route(posts, self._post_order, log, watch, unwatch)

    # ------------------------------------------------------------------------------------------------- news

    def configure(self, settings: Global) -> None:
        """This configuration is in force. What waits goes where it says."""
        self._settings = settings
        self.mail.outbox.shrink(settings.smtp_queue_max if settings.mails else 0)
        self.webhook.outbox.shrink(POSTS_MAX if settings.notify_webhook else 0)

    def tell(self, order: dict[str, Any]) -> None:
        """A worker has news. What makes no sense is left out: a worker is no reason to stop."""
        try:
            news = News.of_order(order)
            letter = mail.wanted(news, self._settings) and self._mailed.fresh(news)
            post = bool(self._settings.notify_webhook) and not news.check and self._posted.fresh(news)
            if letter:
                self._write_letter(news)
            if post:
                self._write_post(news)
        except (TypeError, ValueError, LookupError):
            return

    def _write_letter(self, news: News) -> None:
        subject = mail.subject(news, self._router_id)
        content = {
            "subject": subject, "body": mail.body(news), "time": time.time(), "id": self._number(),
            "to": list(self._settings.notification_email),
        }
        self.mail.outbox.put(Letter(news.about, subject, content, time.monotonic()))

    def _write_post(self, news: News) -> None:
        found = webhook.document(news, router_id=self._router_id, number=self._number(), at=time.time())
        title = f"{news.kind} {news.name} {news.state}"
        self.webhook.outbox.put(Letter(news.about, title, found, time.monotonic()))

    @property
    def _router_id(self) -> str:
        return self._settings.router_id or self._host

    def _number(self) -> str:
        """One that nothing else in the world has."""
        self._count += 1
        return f"{self._series}-{self._count}"

    # ------------------------------------------------------------------------------------------------- orders

    def _mail_order(self, content: dict[str, Any]) -> dict[str, Any]:
        settings, timeout = self._settings, max(1.0, self._settings.smtp_connect_timeout)
        return {
            "do": "mail", "server": settings.smtp_server, "port": settings.smtp_port, "timeout": timeout,
            "total": min(STEPS * timeout, MAIL_TOTAL), "helo": settings.smtp_helo_name,
            "starttls": settings.smtp_starttls, "login": list(settings.smtp_login),
            "from": settings.notification_email_from or f"{_user()}@{self._host}", "left": content["to"], **content,
        }

    def _post_order(self, content: dict[str, Any]) -> dict[str, Any]:
        body = webhook.encode(content)
        return {
            "do": "webhook", "url": self._settings.notify_webhook, "timeout": WEBHOOK_STEP, "total": WEBHOOK_TOTAL,
            "headers": webhook.headers(body, self._settings.notify_webhook_secret), "body": body.decode(),
        }

    # ------------------------------------------------------------------------------------------------- life

    @property
    def _routes(self) -> tuple[Route, ...]:
        return self.mail, self.webhook

    @property
    def wake_at(self) -> float:
        """When to turn at the latest."""
        return min(route.wake_at for route in self._routes)

    def shown(self, now: float) -> tuple[PostSnapshot, ...]:
        """For status: each way that the configuration has, or on which something still waits."""
        settings, ago = self._settings, time.time() - now
        return tuple(
            PostSnapshot(kind, len(outbox), ago + (outbox.oldest_at or 0.0) if outbox else 0.0, outbox.dropped,
                         outbox.last_error)
            for kind, outbox, used in (
                ("alert mail", self.mail.outbox, bool(settings.mails)),
                ("webhook", self.webhook.outbox, bool(settings.notify_webhook)))
            if used or outbox)

    def turn(self, now: float) -> None:
        """Look after everything once."""
        for route in self._routes:
            route.turn(now)

    def ended(self, pid: int, code: int, now: float) -> None:
        """A child has ended: was it one of ours?"""
        for route in self._routes:
            route.ended(pid)

    # ------------------------------------------------------------------------------------------------- the end

    def stop(self) -> None:
        """The daemon stops; called again: at once. News that come meanwhile are still taken."""
        self._hurry, self._stopping = self._stopping, True

    def farewell(self, now: float) -> bool:
        """All workers have ended: True while there are letters that may still go out, for FAREWELL seconds at most."""
        if self._until == NEVER:
            self._until = now + FAREWELL
        if self._hurry or now >= self._until:
            return False
        return any(route.outbox.on_the_way is not None or route.next_at < self._until for route in self._routes)

    def leave(self) -> None:
        """In a child that is somebody else: what is the parent's."""
        for route in self._routes:
            route.leave()

    def close(self) -> None:
        """All is over: say what was not sent."""
        for route in self._routes:
            route.close()


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return "hakeep"
