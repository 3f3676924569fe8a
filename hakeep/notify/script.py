"""The worker's side of the launcher: ``await runner.execute(command)`` runs a script and costs one datagram.

The launcher process (see `launcher`) is started with the first request, so that a daemon without scripts has none, and
again should it die. Cancelling `execute` ends the script: SIGTERM to its process group, SIGKILL two seconds later, and
the cancellation completes when it is gone. With `trio.move_on_after` around it that is a timeout.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import trio

from hakeep.notify.launcher import GRACE, LARGEST
from hakeep.notify.security import ScriptError
from hakeep.vrrp.messages import Level

__all__ = ["Command", "Execution", "Log", "Runner", "ScriptError"]

Log = Callable[[int, str], None]

#: What the launcher's interpreter runs: nothing of the environment or the site, only our own package.
PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from hakeep.notify.launcher import main; main(int(sys.argv[2]))"
PACKAGE_PARENT = Path(__file__).resolve().parents[2]

#: Seconds before a launcher that died is started again.
RESTART_DELAY = 1.0


@dataclass(frozen=True, slots=True)
class Command:
    """Something to run. `user` None = the default script user. `secure`: refuse unsafe paths when run as root."""

    argv: tuple[str, ...]
    user: str | None = None
    group: str | None = None
    secure: bool = False
    supplementary: bool = False

    def __str__(self) -> str:
        return f"'{self.argv[0]}'" if self.argv else "an empty command"


@dataclass(eq=False)
class Execution:
    """A command that has been handed to the launcher."""

    _stop: Callable[[], None]
    _answered: trio.Event = field(default_factory=trio.Event)
    _status: int | None = None
    _error: str = ""

    async def ended(self) -> int:
        """Wait for its end: its exit status, or minus the signal that ended it. Cancelling this ends the script.

        Raises ScriptError if it could not or must not be started.
        """
        try:
            await self._answered.wait()
        except trio.Cancelled:
            self._stop()
            with trio.move_on_after(GRACE + 1, shield=True):
                await self._answered.wait()
            raise
        if self._status is None:
            raise ScriptError(self._error)
        return self._status

    def settle(self, status: int | None, error: str = "") -> None:
        """For the runner: this is how it went."""
        self._status, self._error = status, error
        self._answered.set()


class Runner:
    """Runs scripts through a launcher process. `run` must be running, in any task, for anything to happen."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._executions: dict[int, Execution] = {}
        self._last_id = 0
        self._unsent: deque[tuple[int, bytes]] = deque()
        self._more = trio.Event()
        self._closed = False

    def start(self, command: Command) -> Execution:
        """Have `command` run. Commands start in the order of these calls; a call never blocks and never raises."""
        return self._request("run", command)

    async def execute(self, command: Command) -> int:
        """`start` and `Execution.ended` in one."""
        return await self.start(command).ended()

    async def check(self, command: Command) -> None:
        """Raise ScriptError if `execute` would."""
        await self._request("check", command).ended()

    def _request(self, do: str, command: Command) -> Execution:
        self._last_id = number = self._last_id + 1
        execution = Execution(lambda: self._send(number, do="end"))
        if self._closed:
            execution.settle(None, "the daemon is stopping")
        else:
            self._executions[number] = execution
            self._send(
                number, do=do, argv=command.argv, user=command.user, group=command.group, secure=command.secure,
                supplementary=command.supplementary,
            )  # fmt: skip
        return execution

    def _send(self, number: int, **request: object) -> None:
        """Queue a datagram. The queue is bounded by its users: each waits for the answer before it asks again."""
        self._unsent.append((number, json.dumps({"id": number, **request}).encode()))
        self._more.set()

    async def run(self) -> None:
        """Keep a launcher for as long as this runs. When it is cancelled, scripts get SIGTERM and waiters an error."""
        try:
            while True:
                await self._more.wait()
                await self._with_launcher()
                self._log(Level.ERROR, "the script launcher died; starting another one")
                self._fail_all("the script launcher died")
                await trio.sleep(RESTART_DELAY)
        finally:
            self._closed = True
            self._fail_all("the daemon is stopping")

    def _fail_all(self, reason: str) -> None:
        self._unsent.clear()
        self._more = trio.Event()
        for number in list(self._executions):
            self._settle(number, None, reason)

    def _settle(self, number: int, status: int | None, error: str = "") -> None:
        execution = self._executions.pop(number, None)
        if execution is not None:
            execution.settle(status, error)

    async def _with_launcher(self) -> None:
        """Start a launcher and talk to it until it closes its end."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with trio.socket.from_stdlib_socket(ours) as channel:
            with theirs:
                # A thread starts it and vfork makes it cheap: the loop stops for 0.15 ms, once.
                process = await trio.lowlevel.open_process(
                    [sys.executable, "-I", "-S", "-B", "-c", PROGRAM, str(PACKAGE_PARENT), str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write, channel)
                    await self._read(channel)
                    nursery.cancel_scope.cancel()
            finally:
                channel.close()  # this is what tells it to go; with scripts that do not end it takes GRACE
                with trio.move_on_after(RESTART_DELAY, shield=True):
                    await process.wait()

    async def _write(self, channel: trio.socket.SocketType) -> None:
        while True:
            while self._unsent:
                number, datagram = self._unsent.popleft()
                try:
                    await channel.send(datagram)
                except ConnectionError:
                    return  # the reader sees it too and ends this launcher
                except OSError as error:
                    self._settle(number, None, f"it cannot be handed to the launcher: {error.strerror}")
            self._more = trio.Event()
            await self._more.wait()

    async def _read(self, channel: trio.socket.SocketType) -> None:
        while True:
            try:
                data = await channel.recv(LARGEST)
            except ConnectionError:
                return
            if not data:
                return
            answer = json.loads(data)
            self._settle(answer["id"], answer.get("status"), answer.get("error", ""))
