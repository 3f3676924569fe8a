"""The only part of reading a configuration that touches the world: files, patterns, environment, this host.

Patterns follow keepalived: braces are expanded first, then each alternative is matched by glob; a relative name starts
from the folder of the file that includes it. A file must be regular and have no execute permission.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping
from dataclasses import replace
from glob import escape, glob, has_magic
from itertools import pairwise
from pathlib import Path

from hakeep.config.definitions import Surroundings
from hakeep.config.diagnostic import Code, Diagnostic, Severity, Verdict
from hakeep.config.host import Host
from hakeep.config.keywords.static import Config
from hakeep.config.loaded import Loaded, assemble
from hakeep.config.reader import CHECKS, Failure, Line, Opened, Reader
from hakeep.config.settled import Script

__all__ = ["DEFAULT_PATHS", "Host", "Loaded", "load", "this_host"]

#: Where the configuration is looked for when the command line names none.
DEFAULT_PATHS = ("/etc/hakeep/hakeep.conf", "/etc/keepalived/keepalived.conf")


def load(
    path: str, *, config_id: str | None = None, all_config: bool = False, host: Host | None = None,
    environment: Mapping[str, str] | None = None,
) -> Loaded:
    """Read, bind, settle and check the configuration at `path` (which may be a pattern). Never raises for its content.

    `config_id` decides @ID lines; None: the host name up to its first dot. `all_config` makes every failed include an
    error. `host` holds facts to judge by; `this_host` has those of the machine we are on.
    """
    surroundings = Surroundings(
        config_id=os.uname().nodename.partition(".")[0] if config_id is None else config_id,
        environment=os.environ if environment is None else environment, seed=time.time_ns())
    reader = Reader(open_files, surroundings, checks=CHECKS if all_config else frozenset())
    opened = open_files(path, os.curdir)
    if not opened.files:
        reason = opened.failures[0].what if opened.failures else f"{path} does not exist"
        missing = Diagnostic(Code.FILE_MISSING, Severity.ERROR, reason, verdict=Verdict.FILE_NOT_FOUND, stops=True,
                             note="this is the main configuration file")
        return Loaded(Config(), None, (missing,))
    lines: list[Line] = []
    for name, folder, text in opened.files:
        lines += reader.read(name, folder, text)
    for failure in opened.failures:
        reader.diagnostics.append(Diagnostic(Code.FILE_UNUSABLE, Severity.ERROR, failure.what,
                                             verdict=Verdict.INCLUDE if all_config else Verdict.OK))
    host = host or Host()
    return assemble(lines, reader, host if host.read_file else replace(host, read_file=read_file))


# ------------------------------------------------------------------------------------------------------------ files


def open_files(pattern: str, folder: str) -> Opened:
    """The files that a pattern means, read, and what failed. See the module's docstring for the rules."""
    found: list[str] = []
    failures: list[Failure] = []
    alternatives = expand_braces(pattern)
    for alternative in alternatives:
        matches = sorted(glob(str(Path(escape(folder)) / alternative)))  # noqa: PTH207
        found += [match for match in matches if match not in found]
        if not matches and has_magic(alternative):
            failures.append(Failure("wildcard_match", f"no file matches {alternative}"))
        elif not matches and len(alternatives) > 1:
            failures.append(Failure("brace_match", f"{alternative} does not exist"))
    if not found:
        failures.insert(0, Failure("match", f"no file matches {pattern}" if len(alternatives) > 1 or has_magic(pattern)
                                   else f"{pattern} does not exist"))
    files: list[tuple[str, str, str]] = []
    for name in found:
        text = _read_text(name)
        if isinstance(text, Failure):
            failures.append(text)
        else:
            files.append((name, str(Path(name).absolute().parent), text))
    return Opened(tuple(files), tuple(failures))


def _read_text(name: str) -> str | Failure:
    try:
        # O_NONBLOCK: opening a FIFO must not wait for a writer
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        return Failure("read", f"{name} cannot be read: {error.strerror}")
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        return Failure("read", f"{name} is not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        if mode & 0o111:
            return Failure("read", f"{name} has execute permission, so it is not taken for a configuration file")
        try:
            return file.read().decode("utf-8", "surrogateescape")
        except OSError as error:
            return Failure("read", f"{name} cannot be read: {error.strerror}")


def expand_braces(pattern: str) -> list[str]:
    """``a{b,c}`` as ``ab`` and ``ac``, innermost braces last, as GLOB_BRACE does."""
    start = pattern.find("{")
    while start >= 0:
        depth, cuts = 0, [start]
        for position in range(start, len(pattern)):
            char = pattern[position]
            depth += (char == "{") - (char == "}")
            if char == "," and depth == 1:
                cuts.append(position)
            if depth == 0:
                cuts.append(position)
                parts = [pattern[a + 1 : b] for a, b in pairwise(cuts)]
                head, tail = pattern[:start], pattern[position + 1 :]
                return [one for part in parts for one in expand_braces(head + part + tail)]
        start = pattern.find("{", start + 1)
    return [pattern]


def read_file(path: str) -> bytes | None:
    """A small file's bytes, None if it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return file.read(4096)
    except OSError:
        return None


# ------------------------------------------------------------------------------------------------------------- host


def this_host() -> Host:
    """The facts of the machine we are on, as they are now."""
    import grp
    import pwd
    import socket

    try:
        # Not /sys/class/net: that shows the namespace it was mounted in, which need not be the one we are in.
        interfaces: frozenset[str] | None = frozenset(name for _, name in socket.if_nameindex())
    except OSError:
        interfaces = None
    return Host(
        known_interfaces=interfaces,
        users=frozenset(account.pw_name for account in pwd.getpwall()),
        groups=frozenset(group.gr_name for group in grp.getgrall()),
        cpus=os.cpu_count(),
        script_problem=script_problem,
        read_file=read_file,
    )


def script_problem(script: Script) -> str:
    """What keeps the script from running, "" if nothing does. A bare name is looked for in PATH."""
    name = script.argv[0]
    if "/" not in name:
        for folder in os.environ.get("PATH", os.defpath).split(":"):
            if not _file_problem(Path(folder or ".") / name):
                return ""
        return f"{name} is not in PATH"
    return _file_problem(Path(name))


def _file_problem(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"{path}: {error.strerror}"
    if not stat.S_ISREG(mode):
        return f"{path} is not a regular file"
    return "" if mode & 0o111 else f"{path} is not executable"
