"""The spawner: a small process that starts the commands of trackers, a thousand a second if need be.

To start a command must be cheap, must not stop whoever watches everything else (a program may lie on a file server that
does not answer), and must not depend on how big the daemon has grown. So the worker starts this once and then only says
which command: one datagram for all that are due. The command is started by posix_spawn(3), which borrows the memory of
its caller instead of copying it. It cannot change the user; but the spawner can, before, and back afterwards: what is
executed inherits its real and effective user and loses the saved one, which is what brings us back (execve(2)).

Both directions are datagrams on a SOCK_SEQPACKET pair, each a JSON list of what follows. Slots are never used twice.

    ["define", slot, argv, user, group, supplementary, secure]     ["run", slot]     ["end", slot]     ["forget", slot]

    ["began", slot, pid]     ["ended", slot, status]     ["refused", slot, "it is not executable"]

A command runs under its account, in a process group of its own, with /dev/null for its three streams and without the
variables that could turn a shell or the dynamic linker against it. ``end`` sends SIGTERM to its group and SIGKILL two
seconds later, also to what the command leaves behind then. When the worker goes the channel closes: all groups
get the same, and the spawner goes too. Only the channel decides that; signals for the daemon leave it alone.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from hakeep.notify.launcher import DROPPED_VARIABLES, GRACE, calm_down, usual_files
from hakeep.notify.security import Account, ScriptError, check_path, find_script, resolve_account

#: Largest datagram, and how many are read before children are looked after.
LARGEST, BURST = 1 << 18, 8

#: Records in one datagram.
MOST_RECORDS = 500

NEVER = float("inf")

#: What Python has done to signals, and what we catch, is undone in commands.
USUAL_SIGNALS = tuple(number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP))

_NULL_STREAMS = (
    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
    (os.POSIX_SPAWN_DUP2, 1, 2),
)


@dataclass(frozen=True, slots=True)
class Definition:
    """A command that may be run: who runs it, and whether its path has to be safe."""

    argv: list[str]
    account: Account
    secure: bool


@dataclass(slots=True)
class Running:
    """A command that has been started. `kill_at` is monotonic, NEVER until it has to end; `over`: it has ended, but
    its group may have members, and its number is kept until they are gone, too."""

    slot: int
    pid: int
    kill_at: float = NEVER
    over: bool = False


class Spawner:
    """The loop. `channel` is this process's end of the socket pair."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._defined: dict[int, Definition | str] = {}
        self._running: dict[int, Running] = {}  # by pid
        self._by_slot: dict[int, Running] = {}
        self._ending: dict[int, Running] = {}  # by pid: those that have been asked to end
        self._environment = {key: value for key, value in os.environ.items() if key not in DROPPED_VARIABLES}
        self._account = lru_cache(maxsize=256)(resolve_account)
        self._news: list[list[Any]] = []

    def serve(self) -> None:
        """Work until the other end is closed; then end what still runs."""
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
                if self._channel.fileno() in ready and not self._listen():
                    return
                self._tell()
        except ConnectionError:
            return
        finally:
            self._end_all()

    def _timeout(self) -> float | None:
        due = min((each.kill_at for each in self._ending.values()), default=NEVER)
        return None if due == NEVER else max(0.0, due - time.monotonic()) * 1000 + 1

    # ------------------------------------------------------------------------------------------------- the worker

    def _listen(self) -> bool:
        """Do what the worker says. False when it says no more."""
        for _ in range(BURST):
            try:
                data = self._channel.recv(LARGEST, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return True
            if not data:
                return False
            for order in json.loads(data):
                self._orders[order[0]](self, *order[1:])
        return True

    def _tell(self) -> None:
        while self._news:
            self._channel.send(json.dumps(self._news[:MOST_RECORDS]).encode())
            del self._news[:MOST_RECORDS]

    def _define(
        self, slot: int, argv: list[str], user: str | None, group: str | None, supplementary: bool, secure: bool
    ) -> None:
        try:
            self._defined[slot] = Definition(argv, self._account(user, group, supplementary), secure)
        except ScriptError as error:
            self._defined[slot] = str(error)

    def _forget(self, slot: int) -> None:
        self._defined.pop(slot, None)

    def _run(self, slot: int) -> None:
        """A command that still runs is not started again; the worker knows, so this is not answered."""
        definition = self._defined.get(slot)
        if definition is None or slot in self._by_slot:
            return
        try:
            if isinstance(definition, str):
                raise ScriptError(definition)
            pid = self._start(definition)
        except ScriptError as error:
            self._news.append(["refused", slot, str(error)])
        else:
            self._running[pid] = self._by_slot[slot] = Running(slot, pid)
            self._news.append(["began", slot, pid])

    def _end(self, slot: int) -> None:
        running = self._by_slot.get(slot)
        if running is not None and running.kill_at == NEVER:
            _signal_group(running.pid, signal.SIGTERM)
            running.kill_at = time.monotonic() + GRACE
            self._ending[running.pid] = running

    _orders: ClassVar[dict[str, Callable[..., None]]] = {"define": _define, "forget": _forget, "run": _run, "end": _end}

    # ------------------------------------------------------------------------------------------------- the commands

    def _start(self, definition: Definition) -> int:
        """Raises ScriptError."""
        path = find_script(definition.argv)
        if definition.secure and definition.account.uid == 0:
            check_path(path)
        try:
            with _Guise(definition.account):
                return os.posix_spawn(
                    path, definition.argv, self._environment, file_actions=_NULL_STREAMS, setpgroup=0, setsigmask=(),
                    setsigdef=USUAL_SIGNALS)  # fmt: skip
        except OSError as error:
            reason = (error.strerror or "unknown error").lower()
            raise ScriptError(f"it cannot be executed as user {definition.account.uid}: {reason}") from None

    def _reap(self) -> None:
        """Tell of those that have ended. Where one has to end, its number is kept for its group, so that nobody else
        is killed in its place; then each child is asked for by its own number, else for any."""
        if self._ending:
            for pid in list(self._running):
                self._collect(os.P_PID, pid)
        else:
            while self._collect(os.P_ALL, 0):
                pass

    def _collect(self, kind: int, pid: int) -> bool:
        """One that has ended; False when none has."""
        keep = os.WNOWAIT if pid in self._ending else 0
        try:
            found = os.waitid(kind, pid, os.WEXITED | os.WNOHANG | keep)
        except ChildProcessError:
            return False
        if found is None:
            return False
        running = self._running.get(found.si_pid)
        if running is not None and not running.over:
            running.over = True
            status = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
            self._news.append(["ended", running.slot, status])
            del self._by_slot[running.slot]
            if not keep:
                del self._running[found.si_pid]
        return True

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for running in [each for each in self._ending.values() if each.kill_at <= now]:
            _signal_group(running.pid, signal.SIGKILL)
            del self._ending[running.pid]
            running.kill_at = now
            if running.over:
                del self._running[running.pid]
                os.waitid(os.P_PID, running.pid, os.WEXITED)

    def _end_all(self) -> None:
        """Nobody waits for them now: SIGTERM, and SIGKILL when all have ended or after GRACE seconds, for what they
        leave behind or for themselves."""
        for pid in self._running:
            _signal_group(pid, signal.SIGTERM)
        end = time.monotonic() + GRACE
        while time.monotonic() < end and not all(_is_over(pid) for pid in self._running):
            time.sleep(0.02)
        for pid in self._running:
            _signal_group(pid, signal.SIGKILL)


class _Guise:
    """While this is entered we are somebody else; only the saved user remembers who we were. Raises ScriptError when
    we must not."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._changed = False

    def __enter__(self) -> None:
        account = self._account
        if os.geteuid() != 0:
            if account.uid != os.geteuid():
                raise ScriptError(f"it cannot be executed as user {account.uid}: we are not root")
        elif account != _OURSELVES:
            self._changed = True
            try:
                os.setgroups(account.groups)
                os.setresgid(account.gid, account.gid, _OURSELVES.gid)
                os.setresuid(account.uid, account.uid, _OURSELVES.uid)
            except OSError as error:
                self.__exit__()
                reason = (error.strerror or "unknown error").lower()
                raise ScriptError(f"it cannot be executed as user {account.uid}: {reason}") from None

    def __exit__(self, *_: object) -> None:
        if self._changed:
            ours = _OURSELVES
            os.setresuid(ours.uid, ours.uid, ours.uid)
            os.setresgid(ours.gid, ours.gid, ours.gid)
            os.setgroups(ours.groups)


_OURSELVES = Account(os.geteuid(), os.getegid(), tuple(os.getgroups()))


def _is_over(pid: int) -> bool:
    """Whether this child has ended. It is not reaped."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to a command's processes. It has not been reaped, so its group's number is still its own."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def _catch_signals() -> socket.socket:
    """Make signals harmless, and SIGCHLD a byte on the socket returned."""
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)
    for name in ("CHLD", "TERM", "INT", "HUP", "QUIT", "USR1", "USR2"):
        signal.signal(getattr(signal, f"SIG{name}"), lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return reading


def main(descriptor: int) -> None:
    """Be the spawner, on the socket with this file descriptor."""
    os.set_inheritable(descriptor, False)
    calm_down()
    usual_files()
    with socket.socket(fileno=descriptor) as channel:
        Spawner(channel).serve()
