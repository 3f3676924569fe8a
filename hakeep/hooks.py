"""startup_script and shutdown_script: run by the supervisor before the first worker and after the last.

Here waiting is right: nothing is served yet, or any more.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress

from hakeep.config.settled import Global, Script
from hakeep.notify.launcher import usual_files
from hakeep.notify.security import ScriptError, check_path, find_script, resolve_account


def run(what: str, script: Script | None, timeout: float, settings: Global, log: Callable[[int, str], None]) -> None:
    """Run `script` to its end, or for `timeout` seconds. What goes wrong is logged and never stops the daemon."""
    if script is None:
        return
    try:
        path = find_script(script.argv)
        account = resolve_account(
            script.user or settings.script_user, script.group or settings.script_group,
            settings.set_supplementary_groups,
        )
        if settings.enable_script_security and account.uid == 0:
            check_path(path)
        process = subprocess.Popen(
            script.argv, executable=path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, process_group=0, user=account.uid, group=account.gid,
            extra_groups=account.groups, preexec_fn=usual_files,
        )
    except (ScriptError, OSError) as error:
        log(3, f"{what} {script.argv[0]}: {error}")
        return
    try:
        status = process.wait(timeout)
        if status:
            log(4, f"{what} {script.argv[0]} ended with status {status}")
    except subprocess.TimeoutExpired:
        log(4, f"{what} {script.argv[0]} did not end within {timeout:g} s: killing it")
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
