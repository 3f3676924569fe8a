"""MISC_CHECK: a command of the user's says how a server is, by its exit status.

The launcher process runs it, as it runs notify scripts: under its account, in a process group of its own. At the
timeout the whole group gets SIGTERM, and SIGKILL two seconds later.
"""

from __future__ import annotations

import signal

import trio

from hakeep.config.settled_lvs import MiscProbe
from hakeep.lvs.checkers.kit import Kit
from hakeep.lvs.messages import Result
from hakeep.notify.script import ScriptError


async def probe(probe: MiscProbe, step: int, kit: Kit) -> Result:
    """Run the command. With `dynamic` 0 is well with the configured weight, 1 is not well, and 2 to 255 are well
    with a weight that is 2 less (keepalived 2.2.7, seen there)."""
    began = trio.current_time()
    if kit.start is None:
        return Result(False, "nobody runs scripts here", local=True)
    status = None
    with trio.move_on_after(probe.timeout):
        try:
            status = await kit.start(kit.command(probe.script)).ended()
        except ScriptError as error:
            return Result(False, f"the script cannot run: {error}", trio.current_time() - began, local=True)
    return judge(status, probe)._replace(latency=trio.current_time() - began)


def judge(status: int | None, probe: MiscProbe) -> Result:
    """What an exit status means; None = it did not end in time, negative = ended by that signal."""
    if status is None:
        return Result(False, f"the script did not end within {probe.timeout:g} s")
    if status < 0:
        return Result(False, f"the script was ended by {_signal_name(-status)}")
    if status == 0 or (probe.dynamic and status >= 2):
        return Result(True, f"exit status {status}", weight=status - 2 if status else None)
    return Result(False, f"exit status {status}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
