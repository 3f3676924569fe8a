"""The BFD worker: the one place where the BFD engine meets the network and the parent.

`loop` alone talks to the engine; `sockets` has what it hears and speaks with.

What it says to the parent, besides ``started``, ``alive`` and ``finished``: ``session``, what VRRP and the checkers are
to know of a session (`vrrp` and `checker` say who of them hears of it), at the start and whenever it changes;
``remember``, what a successor must know of sessions (None = nothing any more); ``snapshot``, for status; ``reloaded``.
"""

from __future__ import annotations

from contextlib import suppress

from hakeep.bfd.process.loop import BfdProcess
from hakeep.bfd.process.start import Start
from hakeep.config.settled_bfd import BfdSettings
from hakeep.kernel import sched
from hakeep.worker import WARNING, Line, Log

__all__ = ["BfdProcess", "Start", "main"]


def main(settings: BfdSettings, line: Line, log: Log, start: Start) -> int:
    """Be the BFD worker until it is stopped. Returns the exit status. For a reload, other settings are sent down."""
    with suppress(OSError):
        sched.set_process_name(settings.process.name or "hakeepd_bfd")
    try:
        sched.die_with_parent(start.parent)
    except OSError:
        return 0
    try:
        sched.schedule(settings.process)
    except OSError as error:
        log(WARNING, f"cannot set the scheduling of the BFD worker: {error}")
    BfdProcess(settings, line, log, start).run()
    return 0
