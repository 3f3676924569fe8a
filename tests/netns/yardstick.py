"""How long a death and a new birth take on this machine at this moment, for a process that has nothing else to do.

A parent with one child. When the child is killed the parent forks another one, which asks the kernel for the links of
a host, works for as long as a new vrrp worker does (WORK), and says so. On a quiet machine that takes little more than
the work; what it takes more is the machine's, and nobody's merit or fault.

    yardstick.py      prints the pid of each child and the time when it has what it asked for
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

#: Seconds of a processor's time that it takes to be born and to begin.
WORK = 0.015

RTM_GETLINK, NLM_F_REQUEST_DUMP, NLMSG_DONE = 18, 0x301, 3  # linux/rtnetlink.h, linux/netlink.h


class Yardstick:
    """The pair, running in a network namespace."""

    def __init__(self, network: Path) -> None:
        self._parent = subprocess.Popen(["nsenter", f"--net={network}", "--", sys.executable, "-S", __file__],
                                        stdout=subprocess.PIPE, text=True, start_new_session=True)
        self._child, _ = self._hear()
        self._killed = 0.0

    def __enter__(self) -> Yardstick:
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._parent.pid, signal.SIGKILL)
        self._parent.communicate()

    def _hear(self) -> tuple[int, float]:
        """The next child, and when it was there."""
        assert self._parent.stdout
        child, at = self._parent.stdout.readline().split()
        return int(child), float(at)

    def kill(self) -> None:
        """Kills the child."""
        self._killed = time.time()
        os.kill(self._child, signal.SIGKILL)

    def read(self) -> float:
        """How many seconds later than on a machine that has nothing else to do the next child had done its work."""
        self._child, at = self._hear()
        return max(0.0, at - self._killed - WORK)


def live() -> None:
    """A child's life: ask for the links, say when they are there, and wait."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asking:
        asking.send(struct.pack("=IHHIIBxxxIII", 32, RTM_GETLINK, NLM_F_REQUEST_DUMP, 1, 0, 0, 0, 0, 0))
        while struct.unpack_from("=IH", asking.recv(1 << 16))[1] != NLMSG_DONE:
            pass
    while time.process_time() < WORK:
        pass
    print(os.getpid(), time.time(), flush=True)
    signal.pause()


def main() -> None:
    while True:
        child = os.fork()
        if child == 0:
            live()
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
