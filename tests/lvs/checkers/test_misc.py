"""MISC_CHECK, with real processes."""

from __future__ import annotations

import os
import pwd
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from scripted import DEADLINE, ask

from hakeep.config.settled import Script
from hakeep.config.settled_lvs import MiscProbe
from hakeep.lvs.checkers import Kit
from hakeep.lvs.checkers.misc import judge
from hakeep.notify.script import Runner

OURSELVES = pwd.getpwuid(os.geteuid()).pw_name


@asynccontextmanager
async def kit() -> AsyncIterator[Kit]:
    runner = Runner(lambda level, text: None)
    with trio.fail_after(DEADLINE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(runner.run)
            yield Kit(start=runner.start)
            nursery.cancel_scope.cancel()


def shell(text: str, timeout: float = DEADLINE, dynamic: bool = False) -> MiscProbe:
    return MiscProbe(Script(("/bin/sh", "-c", text), OURSELVES), timeout, dynamic)


@pytest.mark.parametrize(("status", "dynamic", "ok", "weight"), [
    (0, False, True, None), (1, False, False, None), (2, False, False, None), (255, False, False, None),
    (0, True, True, None), (1, True, False, None), (2, True, True, 0), (12, True, True, 10), (255, True, True, 253),
])
@pytest.mark.trio
async def test_exit_statuses(status: int, dynamic: bool, ok: bool, weight: int | None) -> None:
    async with kit() as tools:
        result = await ask(shell(f"exit {status}", dynamic=dynamic), kit=tools)
    assert (result.ok, result.weight, result.local, result.why) == (ok, weight, False, f"exit status {status}")
    assert result.latency > 0


@pytest.mark.trio
async def test_a_signal() -> None:
    async with kit() as tools:
        result = await ask(shell("kill -SEGV $$"), kit=tools)
    assert (result.ok, result.why) == (False, "the script was ended by SIGSEGV")
    assert judge(-99, shell("", dynamic=True)).why == "the script was ended by signal 99"


@pytest.mark.trio
async def test_a_script_that_does_not_end_goes_with_all_its_children(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    tmp_path.chmod(0o777)
    async with kit() as tools:
        result = await ask(shell(f"sleep 97 & echo $! $$ > {file}; wait", timeout=0.3), kit=tools)
    assert (result.ok, result.local, result.why) == (False, False, "the script did not end within 0.3 s")
    assert 0.3 <= result.latency < 2
    with trio.fail_after(DEADLINE):
        while any(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes()
                  for pid in file.read_text().split()):
            await trio.sleep(0.01)


@pytest.mark.trio
async def test_a_script_that_ignores_sigterm_is_killed() -> None:
    async with kit() as tools:
        result = await ask(shell("trap '' TERM; while :; do sleep 0.05; done", timeout=0.3), kit=tools)
    assert (result.ok, result.why) == (False, "the script did not end within 0.3 s")
    assert 2 <= result.latency < 5


@pytest.mark.parametrize("argv", [("/no/such/script",), ("/etc/passwd",)])
@pytest.mark.trio
async def test_a_script_that_cannot_run_says_nothing_of_the_server(argv: tuple[str, ...]) -> None:
    async with kit() as tools:
        result = await ask(MiscProbe(Script(argv, OURSELVES), 5.0), kit=tools)
    assert (result.ok, result.local) == (False, True)
    assert result.why.startswith("the script cannot run: ")


@pytest.mark.trio
async def test_where_nobody_runs_scripts() -> None:
    assert (await ask(shell("exit 0"))).local
