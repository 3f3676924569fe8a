"""How the lvs worker is scheduled."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from hakeep.config.settled_globals import Process
from hakeep.config.settled_lvs import Director
from hakeep.kernel import sched
from hakeep.lvs import process
from hakeep.lvs.process import Start, main, ordinary
from hakeep.worker import Line, Log


def test_what_the_configuration_says_holds_but_it_is_never_real_time() -> None:
    asked = Process(name="x", priority=5, no_swap=True, cpu_affinity=(1,))
    assert ordinary(asked) == asked
    got = ordinary(Process(rt_priority=50, no_swap=True))
    assert (got.rt_priority, got.priority, got.no_swap) == (0, -20, True)


def test_the_worker_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Process] = []
    monkeypatch.setattr(sched, "schedule", found.append)
    monkeypatch.setattr(sched, "die_with_parent", lambda parent: None)
    monkeypatch.setattr(sched, "set_process_name", lambda name: None)
    monkeypatch.setattr(process.trio, "run", lambda run: None)
    line = Line(socket.socketpair()[0], trusting=True)
    log = Log("test", console=False, facility=None, detail=False)
    assert main(Director(process=Process(rt_priority=50)), line, log, Start(os.getppid())) == 0
    assert [each.rt_priority for each in found] == [0]


def test_why_the_kernel_kills_who_computes_for_long_in_real_time() -> None:
    """What it is spared: 10 ms, keepalived's default, are over before a big configuration is read."""
    code = ("from hakeep.kernel import sched\n"
            "import sys\n"
            "try: sched.set_realtime(1, 10000)\n"
            "except OSError: sys.exit(77)\n"
            "sum(range(10**9))\n")
    ended = subprocess.run([sys.executable, "-c", code], timeout=60).returncode
    if ended == 77:
        pytest.skip("not permitted to run real-time here")
    assert ended == -24, "SIGXCPU"
