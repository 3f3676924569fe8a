"""Each test does it in a process of its own: there is no way back from most of this."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable

import pytest

from hakeep.kernel import sched

Run = Callable[[str], str]


@pytest.fixture
def run() -> Run:
    def call(code: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", "import os\nfrom hakeep.kernel import sched\n" + textwrap.dedent(code)],
            check=True, stdout=subprocess.PIPE, text=True,
        ).stdout.strip()

    return call


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_nice(run: Run) -> None:
    assert run("sched.set_nice(7); print(os.nice(0))") == "7"


@needs_root
def test_realtime_is_for_this_process_and_has_a_limit(run: Run) -> None:
    told = run("""
        import resource
        sched.set_realtime(3, 200000)
        print(os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR, os.sched_getparam(0).sched_priority,
              resource.getrlimit(15)[0])
        pid = os.fork()
        if pid == 0:
            os._exit(os.sched_getscheduler(0))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == os.SCHED_OTHER)
    """)
    assert told == "True 3 200000\nTrue"


@needs_root
def test_the_limit_ends_an_endless_loop() -> None:
    code = """
        import signal, time
        from hakeep.kernel import sched
        signal.alarm(20)
        sched.set_realtime(1, 50000)
        while True:
            pass
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(code)])
    assert ended.returncode == -24  # SIGXCPU


@needs_root
def test_realtime_without_a_limit_leaves_the_limit(run: Run) -> None:
    assert run("""
        import resource
        before = resource.getrlimit(15)
        sched.set_realtime(1)
        print(resource.getrlimit(15) == before)
    """) == "True"


@needs_root
def test_memory_is_locked(run: Run) -> None:
    told = run("""
        sched.lock_memory()
        print(next(line for line in open("/proc/self/status") if line.startswith("VmLck")).split()[1])
    """)
    assert int(told) > 1000


def test_cpu_affinity(run: Run) -> None:
    cpu = min(os.sched_getaffinity(0))
    assert run(f"sched.set_cpu_affinity([{cpu}]); print(os.sched_getaffinity(0))") == f"{{{cpu}}}"


def test_the_name_in_ps(run: Run) -> None:
    code = "sched.set_process_name('hakeep_vrrp_and_more'); print(open('/proc/self/comm').read())"
    assert run(code) == "hakeep_vrrp_and"


def test_what_the_kernel_refuses_is_an_error(run: Run) -> None:
    assert run("""
        for call in (lambda: sched.set_realtime(100), lambda: sched.set_cpu_affinity([4000])):
            try:
                call()
            except OSError as error:
                print(error.errno)
    """) == "22\n22"


def test_a_child_dies_with_its_parent(run: Run) -> None:
    told = run("""
        import signal, time
        read, write = os.pipe()
        middle = os.fork()
        if middle == 0:
            if os.fork() == 0:
                sched.die_with_parent(os.getppid(), signal.SIGKILL)
                os.write(write, str(os.getpid()).encode())
                time.sleep(60)
            time.sleep(60)
        os.close(write)
        child = int(os.read(read, 20))
        os.kill(middle, signal.SIGKILL)
        os.waitpid(middle, 0)
        print(os.read(read, 1) == b"", child > 0)  # its end of the pipe is closed: it is dead
    """)
    assert told == "True True"


def test_a_parent_that_is_gone_is_noticed(run: Run) -> None:
    assert run("""
        try:
            sched.die_with_parent(os.getppid() + 1)
        except ProcessLookupError:
            print("gone")
    """) == "gone"


@pytest.mark.parametrize(
    ("mask", "missing"),
    [
        ("000001ffffffffff", []),
        ("0000000000003000", []),
        ("0000000000001000", ["CAP_NET_RAW"]),
        ("0000000000002000", ["CAP_NET_ADMIN"]),
        ("0000000000000000", ["CAP_NET_ADMIN", "CAP_NET_RAW"]),
    ],
)
def test_capabilities(monkeypatch: pytest.MonkeyPatch, tmp_path: object, mask: str, missing: list[str]) -> None:
    status = tmp_path / "status"  # type: ignore[operator]
    status.write_text(f"Name:\tx\nCapPrm:\tffff\nCapEff:\t{mask}\nCapBnd:\t0\n")
    monkeypatch.setattr(sched, "_STATUS", status)
    assert [line.split()[0] for line in sched.missing_capabilities()] == missing
    assert all(" is missing, which is needed to " in line for line in sched.missing_capabilities())


@needs_root
def test_root_has_them() -> None:
    assert sched.missing_capabilities() == []
