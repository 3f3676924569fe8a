"""Four workers of one parent: each has what is its own, also after all of them had to be replaced."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hosts import HAKEEPD, Daemon, Network, wait_until
from scene import PLAN, V3

pytestmark = pytest.mark.netns

PATIENCE = 20.0
WORKERS = ("hakeepd_vrrp", "hakeepd_lvs", "hakeepd_track", "hakeepd_bfd")

CONFIG = """
global_defs {
    lvs_backend nftables
    notification_email {
        root@example.com
    }
    smtp_server 192.0.2.12
}
vrrp_script ill {
    script "/bin/true"
    interval 0.2
    user root
}
bfd_instance peer {
    neighbor_ip 192.0.2.12
    source_ip 192.0.2.11
}
virtual_server 192.0.2.100 80 {
    lvs_sched rr
    lvs_method NAT
    protocol TCP
    real_server 192.0.2.200 80 {
        weight 1
    }
}
"""

TRACK = """
    smtp_alert
    track_script {
        ill
    }
    track_bfd {
        peer weight 1
    }
"""


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with Network(PLAN, HAKEEPD) as network:
        base = V3.config("a", 100, more=TRACK).split("global_defs {\n    \n}\n", 1)[1]
        daemon = network.add("a", "vrrp", "hakeepd", CONFIG + base)
        daemon.start()
        yield daemon
        print(daemon.log())  # shown when the test fails


def workers(daemon: Daemon) -> dict[str, int]:
    """Their pids, by name."""
    found = {}
    for pid in daemon.processes():
        comm = Path(f"/proc/{pid}/comm")
        if pid != daemon.pid and comm.exists() and (name := comm.read_text().strip()) in WORKERS:
            found[name] = pid
    return found


def held(pid: int) -> set[str]:
    """The sockets and locked files that a process has open."""
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed just now
            target = str(link.readlink())
            if target.startswith("socket:") or target.endswith(".pid"):
                found.add(target)
    return found


def is_apart(daemon: Daemon) -> list[str]:
    """What two of them hold, or one of them and, beside the line between them and what it keeps, the parent."""
    all_of_them = {name: held(pid) for name, pid in workers(daemon).items()}
    assert len(all_of_them) == len(WORKERS)
    names = sorted(all_of_them)
    return [f"{one} and {other}: {thing}" for place, one in enumerate(names) for other in names[place + 1:]
            for thing in sorted(all_of_them[one] & all_of_them[other])]


def test_nobody_holds_what_is_another_s(daemon: Daemon) -> None:
    wait_until(lambda: len(workers(daemon)) == len(WORKERS), PATIENCE, "four workers")
    wait_until(lambda: "Entering MASTER" in daemon.log(), PATIENCE)
    assert not is_apart(daemon)
    for name in (*WORKERS, *reversed(WORKERS)):  # each is forked once while all others are there
        first = workers(daemon)[name]
        os.kill(first, signal.SIGKILL)
        wait_until(lambda name=name, first=first: workers(daemon).get(name) not in (None, first), PATIENCE,
                   f"another {name}")
        wait_until(lambda: not is_apart(daemon), PATIENCE, "nothing is shared")
