"""One attempt to ask a server something: its time, its socket, and what came of it.

An attempt has two limits. Each step (a connection, a reply, a line) has the probe's timeout, which starts again with
every read, as keepalived's does. The whole has ten times that, or a server that drips a byte a second would be asked
for ever. Both are one cancel scope whose deadline moves: a scope for each step would cost more than the steps.

What the server or the network does wrong is raised as `Failure` or OSError anywhere inside, what we do as `Hindrance`;
the attempt turns them into its result. It also closes what it holds.
"""

from __future__ import annotations

import errno
import os
from types import TracebackType
from typing import Protocol

import trio

from hakeep.lvs.messages import Result

#: How many times a step's timeout an attempt may take as a whole.
PATIENCE = 10

#: Errors that say nothing of the server, whenever they come: we have no descriptors, no memory, or a firewall of our
#: own that lets nothing out. That there is no way to the server from here (ENETUNREACH, EHOSTUNREACH, ENETDOWN) is not
#: among them, although the kernel may have found that out alone: what we forward would not get there either.
OURS = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EPERM))


#: Characters of a reason. Some quote the server.
LONGEST_WHY = 250


class Failure(Exception):
    """The server has not passed. The text is a short sentence."""


class Hindrance(Exception):
    """We could not ask. The text is a short sentence."""


class Witness(Protocol):
    """Who watches what an attempt does. What goes through TLS is seen as it was before and after."""

    def step(self, doing: str) -> None:
        """A step begins."""

    def sent(self, data: bytes) -> None:
        """This was handed to the kernel, or the first part of it."""

    def received(self, data: bytes) -> None:
        """This came; nothing is the end of a connection."""


class Closing(Protocol):
    """What an attempt can hold: a socket, most of all."""

    def close(self) -> object: ...


class Attempt:
    """Use it as ``with Attempt(timeout, witness) as attempt: ...`` and then return `attempt.result`.

    Inside, call `step` before each thing that may take time and `passed` at the end.
    """

    __slots__ = ("_began", "_doing", "_ends", "_held", "_scope", "_timeout", "result", "witness")

    def __init__(self, timeout: float, witness: Witness | None = None) -> None:
        self._timeout = timeout
        self.witness = witness
        self._doing = "starting"
        self._held: list[Closing] = []
        self.result = Result(False, "nothing was asked", local=True)

    def __enter__(self) -> Attempt:
        self._began = trio.current_time()
        self._ends = self._began + PATIENCE * self._timeout
        self._scope = trio.CancelScope(deadline=self._began + self._timeout)
        self._scope.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> bool:
        for thing in self._held:
            thing.close()
        if self._scope.__exit__(kind, value, tb):
            if not self.result.ok:
                self._fail(self._too_slow())
            return True
        if isinstance(value, Failure):
            self._fail(str(value))
        elif isinstance(value, Hindrance):
            self._fail(str(value), local=True)
        elif isinstance(value, OSError):
            self._fail(f"{self._doing}: {reason(value)}", local=value.errno in OURS)
        else:
            return False
        return True

    def hold(self, thing: Closing) -> None:
        """Close this at the end."""
        self._held.append(thing)

    def step(self, doing: str) -> None:
        """From now on we are `doing` this (for sentences), and it has a timeout of its own."""
        self._doing = doing
        self.again()
        if self.witness is not None:
            self.witness.step(doing)

    def again(self) -> None:
        """Something has happened: the step's timeout starts anew."""
        self._scope.deadline = min(trio.current_time() + self._timeout, self._ends)

    def passed(self, why: str, *, weight: int | None = None, drain: bool = False) -> None:
        """All is well. What is done after this may still fail, but it no longer matters if it takes too long."""
        self.result = Result(True, why, trio.current_time() - self._began, weight=weight, drain=drain)

    def _fail(self, why: str, local: bool = False) -> None:
        legible = "".join(letter if letter.isprintable() else "?" for letter in why[:LONGEST_WHY])
        self.result = Result(False, legible, trio.current_time() - self._began, local)

    def _too_slow(self) -> str:
        if self._scope.deadline >= self._ends:
            return f"{self._doing}: not done after {PATIENCE * self._timeout:g} s"
        return f"{self._doing}: nothing came for {self._timeout:g} s"


def reason(error: OSError) -> str:
    """An error of the system in words, such as ``connection refused``."""
    return (os.strerror(error.errno) if error.errno else str(error) or type(error).__name__).lower()
