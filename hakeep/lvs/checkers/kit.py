"""What checkers work with beside their probe: who runs scripts, and what is remembered of TLS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from hakeep.config.settled import Script
from hakeep.lvs.checkers.attempt import Witness
from hakeep.lvs.checkers.tls import Sessions
from hakeep.lvs.messages import Result
from hakeep.notify.script import Command, Execution


@dataclass(slots=True)
class Kit:
    """One for all checks of a worker.

    `start` has a command run (`Runner.start`, whose `run` must be running) and `command` says under which account a
    script runs (`Herald.command`); both are for MISC_CHECK. After a reload put a new `Sessions` in place: certificates
    and keys may have changed. `witness` watches, for `hakeep probe`.
    """

    start: Callable[[Command], Execution] | None = None
    command: Callable[[Script], Command] = lambda script: Command(script.argv, script.user, script.group)
    sessions: Sessions = field(default_factory=Sessions)
    witness: Witness | None = None


#: A checker: the probe, the step of it (the page of an HTTP check, else 0), and the kit.
Checker = Callable[[Any, int, Kit], Awaitable[Result]]
