"""startup_script and shutdown_script: run to their end, or not for ever, under their account."""

from __future__ import annotations

import os
import pwd
import resource
import time
from pathlib import Path

import pytest

from hakeep import hooks
from hakeep.config.settled import Global, Script

OURSELVES = pwd.getpwuid(os.geteuid()).pw_name


def run(text: str, timeout: float = 10.0, settings: Global | None = None, **script: str) -> list[str]:
    """What was logged."""
    said: list[str] = []
    command = Script(("/bin/sh", "-c", text), **script)
    hooks.run("shutdown_script", command, timeout, settings or Global(script_user=OURSELVES),
              lambda level, line: said.append(line))
    return said


def test_it_is_waited_for(tmp_path: Path) -> None:
    assert run(f"sleep 0.2; ulimit -n > {tmp_path}/done") == []
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert int((tmp_path / "done").read_text()) == min(soft, 1024), "as many files as usual"


def test_no_script_is_no_work() -> None:
    hooks.run("shutdown_script", None, 1.0, Global(), lambda level, line: pytest.fail(line))


def test_a_failure_is_logged() -> None:
    assert run("exit 3") == ["shutdown_script /bin/sh ended with status 3"]


def test_one_that_takes_too_long_is_killed_with_all_its_processes(tmp_path: Path) -> None:
    begun = time.monotonic()
    said = run(f"(sleep 60; touch {tmp_path}/late) & sleep 60", timeout=0.3)
    assert time.monotonic() - begun < 10
    assert len(said) == 1 and "did not end within 0.3 s: killing it" in said[0]


def test_an_account_that_is_not_there(tmp_path: Path) -> None:
    said = run(f"touch {tmp_path}/done", user="no_such_user_at_all")
    assert len(said) == 1 and "no_such_user_at_all" in said[0]
    assert not (tmp_path / "done").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to change users")
def test_its_own_account_goes_before_script_user() -> None:
    assert run('test "$(id -un)" = nobody', user="nobody") == []
    assert run('test "$(id -un)" = nobody', settings=Global(script_user="nobody")) == []
    assert run('test "$(id -un)" = root', user="root", settings=Global(script_user="nobody")) == []
