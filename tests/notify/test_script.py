"""The launcher and its client, with real processes."""

from __future__ import annotations

import os
import pwd
import resource
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from hakeep.notify.script import Command, Runner, ScriptError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to change users")

OURSELVES = pwd.getpwuid(os.geteuid()).pw_name
DEADLINE = 10.0
ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def running() -> AsyncIterator[tuple[Runner, list[str]]]:
    log: list[str] = []
    runner = Runner(lambda level, text: log.append(text))
    with trio.fail_after(DEADLINE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(runner.run)
            yield runner, log
            nursery.cancel_scope.cancel()


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(DEADLINE):
        while not condition():
            await trio.sleep(0.005)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def shell(text: str, **more: object) -> Command:
    return Command(("/bin/sh", "-c", text), user=OURSELVES, **more)  # type: ignore[arg-type]


@pytest.mark.trio
async def test_exit_statuses_come_back() -> None:
    async with running() as (runner, _):
        assert await runner.execute(shell("exit 0")) == 0
        assert await runner.execute(shell("exit 7")) == 7
        assert await runner.execute(shell("kill -9 $$")) == -9


@pytest.mark.trio
async def test_many_run_at_the_same_time() -> None:
    statuses = {}
    async with running() as (runner, _):

        async def one(number: int) -> None:
            statuses[number] = await runner.execute(shell(f"exit {number}"))

        async with trio.open_nursery() as nursery:
            for number in range(40):
                nursery.start_soon(one, number)
    assert statuses == {number: number for number in range(40)}


@pytest.mark.trio
async def test_the_surroundings_of_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IFS", "LD_LIBRARY_PATH", "LD_PRELOAD", "NOTIFY_SOCKET"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("KEPT", "yes")
    out = tmp_path / "out"
    script = f"exec > {out}; env; echo PGID $(cut -d ' ' -f 5 /proc/$$/stat) $$; ls -l /proc/$$/fd"
    script += "; grep Sig /proc/self/status"
    async with running() as (runner, _):
        assert await runner.execute(shell(script)) == 0
    text = out.read_text()
    lines = text.splitlines()
    assert "KEPT=yes" in lines
    assert not [line for line in lines if line.startswith(("LD_PRELOAD", "LD_LIBRARY_PATH", "NOTIFY_SOCKET", "IFS"))]
    (group, pid), = (line.split()[1:] for line in lines if line.startswith("PGID"))
    assert group == pid
    targets = {line.split(" -> ")[0].split()[-1]: line.split(" -> ")[1] for line in lines if " -> " in line}
    assert targets.pop("1") == str(out)
    assert targets.pop("0") == targets.pop("2") == "/dev/null"
    assert not [target for target in targets.values() if "socket" in target or "pipe" in target], "a descriptor leaked"
    assert "SigIgn:\t0000000000000000" in lines
    assert "SigBlk:\t0000000000000000" in lines


@as_root
@pytest.mark.trio
async def test_ids_are_dropped() -> None:
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o777)
        out = Path(directory) / "out"
        async with running() as (runner, _):
            text = f"grep -E '^(Uid|Gid|Groups)' /proc/self/status > {out}"
            assert await runner.execute(Command(("/bin/sh", "-c", text), "nobody", "daemon")) == 0
        rows = {line.split(":")[0]: line.split(":")[1].split() for line in out.read_text().splitlines()}
    assert rows == {"Uid": [str(nobody.pw_uid)] * 4, "Gid": ["1"] * 4, "Groups": ["1"]}


@pytest.mark.trio
@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (Command(("/nonexistent/script",)), "no such file or directory"),
        (Command(("no-such-program-anywhere",)), "it is in no directory of PATH"),
        (Command(("/etc/passwd",)), "it is not executable"),
        (Command(("/etc",)), "it is not a regular file"),
        (Command(()), "the command is empty"),
        (Command(("/bin/true", "a\0b")), "the command has a zero byte in it"),
        (Command(("/bin/true",), user="nobody-has-this-name"), "there is no user 'nobody-has-this-name'"),
        (Command(("/bin/true",), group="no-such-group"), "there is no group 'no-such-group'"),
        (Command(("/bin/true", "x" * 300000)), "cannot be handed to the launcher"),
    ],
)
async def test_what_cannot_run_says_why_in_a_sentence(command: Command, sentence: str) -> None:
    async with running() as (runner, _):
        for method in (runner.check, runner.execute):
            with pytest.raises(ScriptError, match=sentence):
                await method(command)
        assert await runner.execute(shell("exit 3")) == 3


@as_root
@pytest.mark.trio
async def test_a_file_that_its_user_may_not_execute(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o700)
    async with running() as (runner, _):
        with pytest.raises(ScriptError, match=r"cannot be executed as user \d+: permission denied"):
            await runner.execute(Command((str(script),), "nobody"))
        script.chmod(0o755)
        script.write_text("no interpreter line")
        with pytest.raises(ScriptError, match="exec format error"):
            await runner.execute(Command((str(script),), "root"))


@as_root
@pytest.mark.trio
async def test_script_security_refuses_what_others_can_change(tmp_path: Path) -> None:
    script = tmp_path / "script"  # below /tmp, which everybody can write
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    async with running() as (runner, _):
        with pytest.raises(ScriptError, match="can be written by others than root"):
            await runner.execute(Command((str(script),), "root", secure=True))
        assert await runner.execute(Command((str(script),), "root")) == 0
        assert await runner.execute(Command(("/usr/bin/true",), "root", secure=True)) == 0
        assert await runner.execute(Command(("true",), "root", secure=True)) == 0


@pytest.mark.trio
async def test_cancelling_ends_the_whole_group(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    async with running() as (runner, _):
        with trio.move_on_after(DEADLINE) as scope:

            async def cancel_when_started() -> None:
                await until(lambda: pids.exists() and pids.read_text().count("\n") == 2)
                scope.cancel()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancel_when_started)
                await runner.execute(shell(f"sleep 60 & echo $! >> {pids}; echo $$ >> {pids}; wait"))
        assert scope.cancelled_caught
        leader = int(pids.read_text().split()[1])
        assert not alive(leader), "cancellation completes when the script is gone"
        await until(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()))


@pytest.mark.trio
async def test_a_script_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    async with running() as (runner, _):
        with trio.move_on_after(DEADLINE) as scope:

            async def cancel_when_started() -> None:
                await until(lambda: pid.exists() and pid.read_text().strip())
                scope.cancel()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancel_when_started)
                before = trio.current_time()
                await runner.execute(shell(f"trap '' TERM; echo $$ > {pid}; while :; do sleep 0.1; done"))
        assert 1.9 < trio.current_time() - before < 4
        assert not alive(int(pid.read_text()))


WORKER = """
import sys, trio
from hakeep.notify.script import Command, Runner

async def main():
    runner = Runner(print)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.run)
        await runner.execute(Command(("/bin/sh", "-c", sys.argv[1]), sys.argv[2]))
        nursery.cancel_scope.cancel()

trio.run(main)
"""


@pytest.mark.trio
async def test_when_the_worker_is_killed_scripts_get_sigterm(tmp_path: Path) -> None:
    out, pid = tmp_path / "out", tmp_path / "pid"
    text = f"trap 'echo TERM > {out}; exit' TERM; echo $$ > {pid}; while :; do sleep 0.05; done"
    worker = subprocess.Popen([sys.executable, "-c", WORKER, text, OURSELVES], cwd=ROOT)
    try:
        await until(lambda: pid.exists() and pid.read_text().strip())
        launcher = parent_of(int(pid.read_text()))
        assert launcher != worker.pid
    finally:
        worker.kill()
        worker.wait()
    await until(lambda: out.exists() and not alive(int(pid.read_text())))
    await until(lambda: not alive(launcher))


@pytest.mark.trio
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["the worker is killed", "it ends"])
async def test_a_script_that_ignores_sigterm_does_not_survive_the_worker(tmp_path: Path, number: int) -> None:
    pid = tmp_path / "pid"
    text = f"trap '' TERM; echo $$ > {pid}; while :; do sleep 0.05; done"
    worker = subprocess.Popen([sys.executable, "-c", WORKER, text, OURSELVES], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        await until(lambda: pid.exists() and pid.read_text().strip())
        launcher = parent_of(int(pid.read_text()))
        worker.send_signal(number)
        await until(lambda: not alive(int(pid.read_text())))
        await until(lambda: not alive(launcher))
    finally:
        worker.kill()
        worker.wait()


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


@pytest.mark.trio
async def test_a_killed_launcher_takes_its_scripts_along_and_is_replaced(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    async with running() as (runner, log):

        async def fails() -> None:
            with pytest.raises(ScriptError, match="launcher died"):
                await runner.execute(shell(f"echo $$ > {pid}; exec sleep 60"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails)
            await until(lambda: pid.exists() and pid.read_text().strip())
            os.kill(parent_of(int(pid.read_text())), signal.SIGKILL)
        await until(lambda: not alive(int(pid.read_text())))
        assert log == ["the script launcher died; starting another one"]
        assert await runner.execute(shell("exit 5")) == 5


@pytest.mark.trio
async def test_the_launcher_outlives_signals_for_the_daemon(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    async with running() as (runner, log):
        assert await runner.execute(shell(f"echo $PPID > {pid}")) == 0
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            os.kill(int(pid.read_text()), number)
        assert await runner.execute(shell("exit 4")) == 4
        assert log == []


@pytest.mark.trio
async def test_without_scripts_there_is_no_launcher() -> None:
    async with running():
        await trio.testing.wait_all_tasks_blocked()
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        launchers = [c for c in children if b"hakeep.notify.launcher" in Path(f"/proc/{c}/cmdline").read_bytes()]
        assert launchers == []


@as_root
@pytest.mark.trio
async def test_scripts_do_not_inherit_what_the_worker_is_privileged_with(tmp_path: Path) -> None:
    """A notify script at real-time priority, spared by the OOM killer, could stop the host."""
    out = tmp_path / "out"
    raised = (
        "import os; os.setpriority(os.PRIO_PROCESS, 0, -5); os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1));"
        "open('/proc/self/oom_score_adj', 'w').write('-500');"
    )
    text = f"cat /proc/self/oom_score_adj > {out}; cut -d' ' -f19,41 /proc/self/stat >> {out}"
    subprocess.run([sys.executable, "-c", raised + WORKER, text, OURSELVES], cwd=ROOT, check=True, timeout=DEADLINE)
    assert out.read_text().split() == ["0", "0", "0"]


@pytest.mark.trio
async def test_scripts_hear_the_signals_that_the_worker_does_not(tmp_path: Path) -> None:
    out = tmp_path / "out"
    deaf = (
        "import signal; [signal.signal(n, signal.SIG_IGN) for n in (signal.SIGHUP, signal.SIGWINCH, 36, 63)];"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM});"
    )
    text = f"grep -E '^Sig(Ign|Blk)' /proc/self/status > {out}"
    subprocess.run([sys.executable, "-c", deaf + WORKER, text, OURSELVES], cwd=ROOT, check=True, timeout=DEADLINE)
    assert out.read_text().split() == ["SigBlk:", "0" * 16, "SigIgn:", "0" * 16]


@pytest.mark.trio
async def test_files_of_scripts_follow_the_umask(tmp_path: Path) -> None:
    out = tmp_path / "out"
    previous = os.umask(0o177)
    try:
        async with running() as (runner, _):
            await runner.execute(shell(f"echo > {out}"))
    finally:
        os.umask(previous)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


@pytest.mark.trio
async def test_a_script_may_open_as_many_files_as_usual(tmp_path: Path) -> None:
    """Whatever the daemon may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    try:
        async with running() as (runner, _):
            assert await runner.execute(shell(f"ulimit -n > {tmp_path}/files")) == 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (tmp_path / "files").read_text() == "1024\n"
