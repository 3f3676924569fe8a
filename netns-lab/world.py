"""A world of one's own: processes, network, mounts and /run that vanish together.

Whatever the lab and the tests make (namespaces, links, daemons, pid files) they make inside a *world*: one set of
user, process, mount and network namespaces. Its first process does nothing but reap; when it dies, for whatever
reason, the kernel kills all others and takes the links and mounts away. So nothing of the lab can stay behind, even
after kill -9, and it can never meet something of the machine's own. Root and others get the same; others by a user
namespace, where the kernel lets them.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)

# linux/sched.h, sys/mount.h, linux/prctl.h
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = (
    0x20000, 0x4000000, 0x10000000, 0x20000000, 0x40000000)
MS_REC, MS_PRIVATE = 0x4000, 0x40000
PR_SET_PDEATHSIG = 1

_RELAYED = (signal.SIGTERM, signal.SIGHUP)


def _check(result: int, what: str) -> None:
    if result:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def _mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    _check(_libc.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode()), f"mount {target}")


@contextlib.contextmanager
def network_namespace(path: str | Path) -> Iterator[None]:
    """The calling thread is in the network namespace at `path` within the block; sockets made there stay there."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    inside = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(inside, CLONE_NEWNET), f"setns {path}")
        yield
    finally:
        _check(_libc.setns(before, CLONE_NEWNET), "setns back")
        os.close(inside)
        os.close(before)


def _unshare() -> None:
    """New namespaces for us; with a user namespace when it takes one: for users, and for root in a container."""
    uid, gid = os.geteuid(), os.getegid()
    flags = CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWNET
    if uid == 0 and _libc.unshare(flags) == 0:
        return
    _check(_libc.unshare(flags | CLONE_NEWUSER), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def _furnish() -> None:
    """As the first process of the world: its own /proc and /run, its loopback up."""
    _check(_libc.unshare(CLONE_NEWNS), "unshare")  # only now, so that whoever waits outside keeps the outer /proc
    _mount("none", "/", "", MS_REC | MS_PRIVATE)
    _mount("proc", "/proc", "proc")
    _mount("tmpfs", "/run", "tmpfs", data="mode=755")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True, capture_output=True)


def _relay(pid: int) -> int:
    """Waits for `pid`, reaping others and passing signals on; returns the exit status as a shell would."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends ^C to the inner process as well
    for number in _RELAYED:
        signal.signal(number, lambda got, _: os.kill(pid, got))
    while True:
        ended, status = os.wait()
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def enter(tell_first: Callable[[int], None] = lambda pid: None) -> None:
    """Returns in a new world, as an ordinary process of it; the world ends when that process ends.

    The calling process stays outside, passes signals on and exits with the inner one's status. `tell_first` is called
    there with the pid of the world's first process, by which others can join. To be called before any thread is
    started. Raises OSError where the kernel refuses.
    """
    _unshare()
    outside = os.getpid()
    first = os.fork()
    if first:
        tell_first(first)
        os._exit(_relay(first))
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    _furnish()
    ordinary = os.fork()
    if ordinary:
        os._exit(_relay(ordinary))
    os.environ["HAKEEP_WORLD"] = str(outside)


def joining(first: int) -> list[str]:
    """The beginning of a command line: what follows it runs in the world whose first process is `first`."""
    same = Path("/proc/self/ns/user").stat().st_ino == Path(f"/proc/{first}/ns/user").stat().st_ino
    user = [] if same else ["--user", "--preserve-credentials"]
    spaces = ["--mount", "--root", "--net", "--pid", "--uts"]
    return ["nsenter", f"--target={first}", *user, *spaces, f"--wd={Path.cwd()}", "--"]


def inside() -> bool:
    """True in a process that lives in a world."""
    return "HAKEEP_WORLD" in os.environ


@functools.cache
def refusal() -> str | None:
    """Why no world can be made here; None when one can. Found out by making one, with a link in it."""
    if inside():
        return None
    tried = subprocess.run([sys.executable, __file__], capture_output=True, text=True)
    if tried.returncode == 0:
        return None
    reason = (tried.stderr.strip().splitlines() or ["no reason given"])[-1]
    return f"the kernel refuses {'network' if os.geteuid() == 0 else 'user and network'} namespaces here ({reason})"


if __name__ == "__main__":
    enter()
    sys.exit(subprocess.run(["ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1"]).returncode)
