"""Boots User Mode Linux, lets it play the scenes, and brings their records home.

UML is a Linux kernel that runs as an ordinary process of ours, without root and without KVM, and takes the machine's
own files for its disk. Here it gets them read-only: the one place that it can write to is a folder made for it. Debian
packs it as `user-mode-linux`, version 6.1 in Debian 12, with its modules where modprobe does not look for them.
"""

from __future__ import annotations

import compileall
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import groundwork

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

#: What is needed, program by program, and the Debian package of each.
TOOLS = {"linux.uml": "user-mode-linux", "modprobe": "kmod", "ip": "iproute2", "nsenter": "util-linux"}

#: Kernel modules that are loaded.
MODULES = ("ipv6", "veth", "macvlan", "nf_tables")

#: Seconds for the boot, and for everything from the boot to the halt.
BOOT_LIMIT, LIMIT = 30.0, 300.0

#: The first process. /run is its own; the folder for results is the outer one. Whatever goes wrong, it halts.
_INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 PYTHONPATH={root} PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mkdir -p /run/netns /run/results /run/modules/lib/modules
mount -t hostfs hostfs /run/results -o {results}
uname -r >/run/results/booted
ln -s /usr/lib/uml/modules/$(uname -r) /run/modules/lib/modules/
for module in {modules}; do modprobe -d /run/modules $module; done
ip link set lo up
cd /
{python} {inside} /run/results {scenes} >/run/results/output 2>&1
{python} -c 'import ctypes, os; os.sync(); ctypes.CDLL(None).reboot(0x4321fedc)'
"""


class CannotBoot(Exception):
    """There is no UML here, or it does not come up; the text says why."""


class Broken(Exception):
    """It came up, and did not do what it was told; the text is what it said."""


def play(
    folder: Path, scenes: Sequence[str], limit: float = LIMIT, *, player: str = "inside.py",
    modules: Sequence[str] = MODULES, tools: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, dict[str, Any]]:
    """Boots, plays, halts; the record of each scene. `folder` is empty, and stays as a witness.

    `player` is the script of this folder that plays; it needs these `modules` of the kernel, and `tools` besides TOOLS.
    Raises CannotBoot or Broken. When it is over, or `limit` seconds have gone, no process is left.
    """
    lacking = groundwork.missing_packages({**TOOLS, **tools})
    if lacking:
        raise CannotBoot(f"not installed: {', '.join(lacking)}")
    for source in ("hakeep", "tests/uml"):  # inside nothing can be written: there each process would do it again
        compileall.compile_dir(ROOT / source, quiet=2)
    results = folder / "results"
    results.mkdir()
    init = folder / "init"
    quoted = {name: shlex.quote(str(value)) for name, value in {
        "root": ROOT, "results": results, "python": sys.executable, "inside": HERE / player}.items()}
    init.write_text(_INIT.format(**quoted, scenes=shlex.join(scenes), modules=" ".join(modules)))
    init.chmod(0o755)
    in_time = _run(folder, init, results / "booted", limit)
    said = "\n".join((folder / "console").read_text(errors="replace").splitlines()[-10:])
    if not (results / "booted").exists():
        raise CannotBoot(f"linux.uml does not boot: {said or 'it said nothing'}")
    found = {name: results / f"{name}.json" for name in scenes}
    if missing := [name for name, path in found.items() if not path.exists()]:
        output = results / "output"
        heard = output.read_text(errors="replace") if output.exists() else ""
        raise Broken(f"no record of {', '.join(missing)}{'' if in_time else f' within {limit:g} s'}\n{heard}\n{said}")
    return {name: json.loads(path.read_text()) for name, path in found.items()}


def _run(folder: Path, init: Path, booted: Path, limit: float) -> bool:
    """The life of one UML. False when it had to be ended: not `booted` in time, or not done in `limit` seconds."""
    words = [groundwork.find_program("linux.uml"), "mem=512M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/",
             "ro", "quiet", f"init={init}", f"uml_dir={folder}/", "con=null", "con0=fd:0,fd:1"]
    with (folder / "console").open("wb") as console:
        uml = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True)
    try:
        for patience in (min(BOOT_LIMIT, limit), limit - BOOT_LIMIT):
            with contextlib.suppress(subprocess.TimeoutExpired):
                uml.wait(max(0.0, patience))
                return True
            if not booted.exists():
                break
        return False
    finally:
        with contextlib.suppress(ProcessLookupError):  # a process inside is a process out here, of the same group
            os.killpg(uml.pid, signal.SIGKILL)
        uml.wait()
