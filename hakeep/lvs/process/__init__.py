"""The lvs worker: the one place where the LVS engine meets trio, the network and the kernel's table.

`loop` alone talks to the engine. What takes time lives elsewhere: `asking` has the probes under way, `lane` brings the
backend's table to what is wanted, `outside` watches what the configuration makes us follow: addresses and files.
"""

from __future__ import annotations

from contextlib import suppress

import trio

from hakeep.config.settled_lvs import Director
from hakeep.kernel import sched
from hakeep.lvs.process.loop import LvsProcess
from hakeep.lvs.process.start import Start
from hakeep.worker import WARNING, Line, Log

__all__ = ["LvsProcess", "Start", "main"]


def main(director: Director, line: Line, log: Log, start: Start) -> int:
    """Be the lvs worker until it is stopped. Returns the exit status."""
    with suppress(OSError):
        sched.set_process_name(director.process.name or "hakeepd_lvs")
    try:
        sched.die_with_parent(start.parent)
    except OSError:
        return 0
    try:
        sched.schedule(director.process)
    except OSError as error:
        log(WARNING, f"cannot set the scheduling of the lvs worker: {error}")
    trio.run(LvsProcess(director, line, log, start).run)
    return 0
