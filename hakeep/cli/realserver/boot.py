"""Over a reboot: one unit of systemd that says `hakeep realserver add` again for each address.

One file and its link in multi-user.target, no settings elsewhere: so there is one place to look at, and the order of
things at boot is that of the command, which makes the host quiet before it has the address.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from hakeep.objects.rtnl import IPAddress

NAME = "hakeep-realserver.service"

_HEAD = """\
# Written by `hakeep realserver add --persist`; `hakeep realserver remove` takes addresses out, and the file at the end.
[Unit]
Description=Virtual addresses on this real server (hakeep realserver)
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
"""
_TAIL = """
[Install]
WantedBy=multi-user.target
"""


def unit(etc: Path) -> Path:
    """Where the unit lies."""
    return etc / "systemd/system" / NAME


def keep(etc: Path, ips: Iterable[IPAddress], options: Iterable[str]) -> Path:
    """From the next boot on `ips` are added with these options. Returns the unit's file. Raises OSError."""
    words = tuple(options)
    lines = _lines(etc)
    lines |= {str(ip): shlex.join([*_tool(), "realserver", "add", *words, str(ip)]) for ip in ips}
    return _write(etc, lines)


def forget(etc: Path, ips: Iterable[IPAddress]) -> Path | None:
    """From the next boot on `ips` are not added any more. Returns the unit's file if there is or was one that named any
    of them. Raises OSError."""
    lines = _lines(etc)
    kept = {ip: line for ip, line in lines.items() if ip not in set(map(str, ips))}
    return _write(etc, kept) if kept != lines else None


def _lines(etc: Path) -> dict[str, str]:
    """Address -> its command line in the unit that is there."""
    try:
        text = unit(etc).read_text()
    except FileNotFoundError:
        return {}
    commands = [line.partition("=")[2] for line in text.splitlines() if line.startswith("ExecStart=")]
    return {command.split()[-1]: command for command in commands if command.split()}


def _write(etc: Path, lines: dict[str, str]) -> Path:
    file = unit(etc)
    link = file.parent / "multi-user.target.wants" / NAME
    if not lines:
        link.unlink(missing_ok=True)
        file.unlink(missing_ok=True)
        return file
    link.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{NAME}.new")
    fresh.write_text(_HEAD + "".join(f"ExecStart={line}\n" for line in lines.values()) + _TAIL)
    fresh.rename(file)
    if not link.is_symlink():
        link.symlink_to(file)
    return file


def _tool() -> list[str]:
    """How to start this tool from anywhere."""
    path = shutil.which("hakeep")
    return [path] if path else [sys.executable, "-m", "hakeep.cli.hakeep"]
