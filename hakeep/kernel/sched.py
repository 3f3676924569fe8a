"""How the kernel runs this process: priority, memory, CPUs, name, capabilities.

None of this is needed to be correct. Each function raises OSError when the kernel refuses; the caller decides
whether that is worth a warning.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from collections.abc import Collection
from pathlib import Path

from hakeep.config.settled_globals import Process

_MCL_CURRENT = 1
_MCL_FUTURE = 2
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_RLIMIT_RTTIME = 15  # <asm-generic/resource.h>; Python does not name it
_STATUS = Path("/proc/self/status")

#: The capabilities that VRRP cannot do without: bit (<linux/capability.h>), name, what for.
_NEEDED = (
    (12, "CAP_NET_ADMIN", "to add and remove addresses"),
    (13, "CAP_NET_RAW", "to send and receive VRRP packets and gratuitous ARP"),
)


def set_nice(value: int) -> None:
    """Set the nice value of this process, -20 (most) to 19 (least favoured)."""
    os.setpriority(os.PRIO_PROCESS, 0, value)


def set_realtime(priority: int, cpu_microseconds: int = 0) -> None:
    """Run with SCHED_RR at `priority` (1 to 99); children run as usual.

    `cpu_microseconds` (RLIMIT_RTTIME) is how long the process may run without ever sleeping before the kernel kills
    it: the net under an endless loop, which at real-time priority would freeze the host. 0 = leave that limit alone.
    """
    if cpu_microseconds:
        hard = resource.getrlimit(_RLIMIT_RTTIME)[1]
        soft = cpu_microseconds if hard == resource.RLIM_INFINITY else min(cpu_microseconds, hard)
        resource.setrlimit(_RLIMIT_RTTIME, (soft, hard))
    os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(priority))


def lock_memory() -> None:
    """Keep all memory of this process, present and future, out of the swap (mlockall)."""
    _call(_libc.mlockall(_MCL_CURRENT | _MCL_FUTURE))


def set_cpu_affinity(cpus: Collection[int]) -> None:
    """Run on these CPUs only, counted from 0."""
    os.sched_setaffinity(0, cpus)


def schedule(process: Process) -> None:
    """All that the configuration says of a worker but its name. Raises OSError."""
    if process.priority:
        set_nice(process.priority)
    if process.no_swap:
        lock_memory()
    if process.cpu_affinity:
        set_cpu_affinity(process.cpu_affinity)
    if process.rt_priority:
        set_realtime(process.rt_priority, process.rlimit_rttime)


def set_process_name(name: str) -> None:
    """The name that ps and top show; the kernel keeps 15 bytes."""
    _call(_libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0))


def die_with_parent(parent: int, signal_number: int = signal.SIGTERM) -> None:
    """Have the kernel send us a signal when our parent, whose pid is `parent`, dies.

    Raises ProcessLookupError if it has died before this call: then no signal will come.
    """
    _call(_libc.prctl(_PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0))
    if os.getppid() != parent:
        raise ProcessLookupError(f"the parent process {parent} is gone")


def missing_capabilities() -> list[str]:
    """What this process is not permitted to do and must be, in words for the log; empty when all is well."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("CapEff:"))
    effective = int(line.split()[1], 16)
    missing = [(name, purpose) for bit, name, purpose in _NEEDED if not effective >> bit & 1]
    return [f"{name} is missing, which is needed {purpose}" for name, purpose in missing]


_libc = ctypes.CDLL(None, use_errno=True)


def _call(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
