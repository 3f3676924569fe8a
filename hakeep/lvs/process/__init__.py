"""The lvs worker: the one place where the LVS engine meets trio, the network and the kernel's table.

`loop` alone talks to the engine. What takes time lives elsewhere: `asking` has the probes under way, `lane` brings the
backend's table to what is wanted, `outside` watches what the configuration makes us follow: addresses and files.
"""

from __future__ import annotations

import gc
from contextlib import suppress
from dataclasses import replace

import trio

from hakeep.config.settled_globals import Process
from hakeep.config.settled_lvs import Director
from hakeep.kernel import sched
from hakeep.lvs.process.loop import LvsProcess
from hakeep.lvs.process.start import Start
from hakeep.worker import INFO, WARNING, Line, Log, no_collection

__all__ = ["LvsProcess", "Start", "main", "ordinary"]


def main(director: Director, line: Line, log: Log, start: Start) -> int:
    """Be the lvs worker until it is stopped. Returns the exit status."""
    with suppress(OSError):
        sched.set_process_name(director.process.name or "hakeepd_lvs")
    try:
        sched.die_with_parent(start.parent)
    except OSError:
        return 0
    if director.process.rt_priority:
        log(INFO, "checker_rt_priority: checks get all that an ordinary process can have (nice -20) instead")
    try:
        sched.schedule(ordinary(director.process))
    except OSError as error:
        log(WARNING, f"cannot set the scheduling of the lvs worker: {error}")
    with no_collection():
        worker = LvsProcess(director, line, log, start)
    gc.freeze()  # what is configured stays: to look for garbage in it again and again takes seconds
    trio.run(worker.run)
    return 0


def ordinary(process: Process) -> Process:
    """The scheduling of an lvs worker, which is never real-time: it must not delay an advert, and the kernel would kill
    it for the seconds that ten thousands of servers take (checker_rlimit_rttime)."""
    return replace(process, rt_priority=0, priority=-20) if process.rt_priority else process
