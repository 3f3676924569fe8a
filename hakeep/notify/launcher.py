"""The launcher: a small process that starts scripts so that the process that sends adverts never has to.

To fork a grown Python process takes milliseconds (measured: 2.6 at 50 MiB, 8 at 200, once a user change forbids vfork),
a user may have to be looked up in LDAP, and a script may lie on a file server that does not answer. None of that may
hold up an advert. So the worker starts this once, and from then on a script costs it one datagram.

Requests and answers are JSON datagrams on a SOCK_SEQPACKET pair:

    {"id": 1, "do": "run", "argv": [...], "user": "u"|null, "group": null, "secure": true, "supplementary": false}
    {"id": 2, "do": "check", ...}           the same examination without running anything
    {"id": 1, "do": "end"}                  SIGTERM to its process group, SIGKILL two seconds later

    {"id": 1, "status": 0}                  it has ended; negative = by that signal. A check that passed is 0 too
    {"id": 2, "error": "it is not executable"}

A script runs under its account, in a process group of its own, with /dev/null for its three streams, and without the
variables that could turn a shell or the dynamic linker against it. When the worker dies the socket closes: the
launcher sends SIGTERM to every group, SIGKILL to what is left two seconds later, and goes. Should the launcher be
killed itself, PR_SET_PDEATHSIG sends SIGTERM.

It ignores the signals that are meant for the daemon: the socket alone decides when it ends.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from hakeep.notify.security import Account, ScriptError, check_path, find_script, resolve_account

#: Variables that scripts do not get: the first three change what a shell or a program does, the others are our own
#: conversation with systemd.
DROPPED_VARIABLES = (
    "IFS", "LD_PRELOAD", "LD_LIBRARY_PATH", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC",
)  # fmt: skip

#: Seconds between SIGTERM and SIGKILL for a script that has to end.
GRACE = 2.0

#: Largest datagram. Linux allows about 200 KiB on such a socket; command lines are shorter.
LARGEST = 1 << 18

#: How many files a script may open before it asks for more: FD_SETSIZE, and the kernel's own default.
USUAL_FILES = 1024

#: From <sys/prctl.h>.
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Running:
    """A script that has been started. `kill_at` is monotonic, infinite until it has been asked to end."""

    process: subprocess.Popen[bytes]
    kill_at: float = float("inf")


class Launcher:
    """The loop of the launcher process. `channel` is its end of the socket pair."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._running: dict[int, Running] = {}
        self._environment = {k: v for k, v in os.environ.items() if k not in DROPPED_VARIABLES}
        self._account = lru_cache(resolve_account)

    def serve(self) -> None:
        """Answer requests until the other end is closed; then end what still runs."""
        wakeup = _catch_signals()
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        poll.register(wakeup, select.POLLIN)
        try:
            while True:
                ready = {fd for fd, _ in poll.poll(self._timeout())}
                if wakeup.fileno() in ready:
                    wakeup.recv(4096)
                self._reap()
                self._kill_overdue()
                if self._channel.fileno() in ready and not self._answer():
                    return
        except ConnectionError:
            return
        finally:
            self._end_all()

    def _end_all(self) -> None:
        """SIGTERM to every group, and SIGKILL to what has not gone after GRACE seconds. Nobody waits for us now."""
        for running in self._running.values():
            _signal_group(running.process, signal.SIGTERM)
        end = time.monotonic() + GRACE
        while self._running and time.monotonic() < end:
            self._running = {key: each for key, each in self._running.items() if each.process.poll() is None}
            time.sleep(0.02)
        for running in self._running.values():
            _signal_group(running.process, signal.SIGKILL)

    def _timeout(self) -> float | None:
        """Milliseconds until the next SIGKILL is due, None when none is."""
        due = min((running.kill_at for running in self._running.values()), default=float("inf"))
        return None if due == float("inf") else max(0.0, due - time.monotonic()) * 1000 + 1

    def _answer(self) -> bool:
        """Do what one request says. False when there will be no more."""
        data = self._channel.recv(LARGEST)
        if not data:
            return False
        request = json.loads(data)
        try:
            self._obey(request)
        except ScriptError as error:
            self._send(id=request["id"], error=str(error))
        return True

    def _obey(self, request: dict[str, Any]) -> None:
        if request["do"] == "end":
            running = self._running.get(request["id"])
            if running is not None:
                _signal_group(running.process, signal.SIGTERM)
                running.kill_at = time.monotonic() + GRACE
            return
        if request["do"] == "check":
            self._account.cache_clear()  # checks come with a reload, and with it perhaps new accounts
        account = self._account(request["user"], request["group"], request["supplementary"])
        path = find_script(request["argv"])
        if request["secure"] and account.uid == 0:
            check_path(path)
        if request["do"] == "check":
            self._send(id=request["id"], status=0)
        else:
            self._running[request["id"]] = Running(_start(path, request["argv"], account, self._environment))

    def _reap(self) -> None:
        for number, running in list(self._running.items()):
            status = running.process.poll()
            if status is not None:
                del self._running[number]
                self._send(id=number, status=status)

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for running in self._running.values():
            if running.kill_at <= now:
                _signal_group(running.process, signal.SIGKILL)
                running.kill_at = float("inf")

    def _send(self, **answer: object) -> None:
        self._channel.send(json.dumps(answer).encode())


def _start(path: str, argv: list[str], account: Account, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start it. The ids are dropped in the child, in the only safe order: groups, group, user."""
    drop: dict[str, Any] = {}
    if os.geteuid() == 0 or account.uid != os.geteuid():
        drop = {"user": account.uid, "group": account.gid, "extra_groups": account.groups}
    try:
        return subprocess.Popen(
            argv,
            executable=path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
            preexec_fn=_die_with(os.getpid()),
            **drop,
        )
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise ScriptError(f"it cannot be executed as user {account.uid}: {reason}") from None
    except subprocess.SubprocessError:
        raise ScriptError("the launcher died while it was starting it") from None


def _die_with(parent: int) -> Callable[[], None]:
    """For the child, after its user has changed (that would clear the setting): SIGTERM when the launcher dies."""

    def ask() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return ask


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to all of a script's processes. It has not been reaped, so its group's id is still its own."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass


def _catch_signals() -> socket.socket:
    """Make signals harmless, and SIGCHLD a byte on the socket returned.

    They are caught rather than ignored because what is ignored, also by the worker, stays ignored in the scripts.
    """
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)
    caught = {getattr(signal, f"SIG{name}") for name in ("CHLD", "TERM", "INT", "HUP", "QUIT", "USR1", "USR2")}
    inherited = {number for number in signal.valid_signals() if signal.getsignal(number) == signal.SIG_IGN}
    for number in caught | inherited - {signal.SIGPIPE, signal.SIGXFSZ}:  # subprocess restores those two itself
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return reading


def calm_down() -> None:
    """Give back what the worker may have and scripts must not: real-time scheduling, priority, being spared by OOM."""
    try:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, 0, 0)
        score = Path("/proc/self/oom_score_adj")
        if int(score.read_text()) < 0:
            score.write_text("0")
    except PermissionError:
        pass  # not root: then nothing was raised


def usual_files() -> None:
    """For scripts: no more open files than usual. The daemon wants many, but select(2) knows no more than 1024, and
    some programs begin by closing all that they might have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft > USUAL_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (USUAL_FILES, hard))


def main(descriptor: int) -> None:
    """Be the launcher, on the socket with this file descriptor."""
    os.set_inheritable(descriptor, False)
    calm_down()
    usual_files()
    with socket.socket(fileno=descriptor) as channel:
        Launcher(channel).serve()
