"""The vrrp worker: the one place where the engine meets trio and Linux.

`loop` is the heart: it alone talks to the engine, and whatever takes time lives elsewhere and cannot hold it up. The
other rooms each keep one thing up with the engine: `addresses` what the kernel has, `gate` the packet filter, `links`
VMACs, `testament` the shared page; `outbox` lets adverts leave at once, `guest` is where trio runs, `flight` the
recorder, and `start` what a worker begins with.
"""

from __future__ import annotations

from contextlib import suppress

from hakeep.config.settled import Settings
from hakeep.kernel import sched
from hakeep.vrrp import messages as m
from hakeep.vrrp.process.loop import VrrpProcess
from hakeep.vrrp.process.start import Start
from hakeep.worker import Line, Log, SharedPage

__all__ = ["Start", "VrrpProcess", "main"]


def main(settings: Settings, line: Line, page: SharedPage, log: Log, start: Start) -> int:
    """Be the vrrp worker until it is stopped. Returns the exit status: 0, or 4 without permission."""
    process = settings.globals.vrrp_process
    with suppress(OSError):
        sched.set_process_name(process.name or "hakeepd_vrrp")
    try:
        sched.die_with_parent(start.parent)
    except OSError:
        return 0
    missing = sched.missing_capabilities()
    if missing:
        log(m.Level.ERROR, "; ".join(missing))
        return 4
    try:
        sched.schedule(process)
    except OSError as error:
        log(m.Level.WARNING, f"cannot set the scheduling of the vrrp worker: {error}")
    worker = VrrpProcess(settings, line, page, log, start)
    worker.set_up()
    try:
        worker.run()
    except BaseException:
        with suppress(OSError):
            worker.record("because the worker dies")
        raise
    return 0
