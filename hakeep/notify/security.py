"""Who runs a script, and whether it is safe that he does.

This code may block: a user may be in LDAP, a script on a file server that is gone. So the launcher process runs it, and
never the process that sends adverts.

With `enable_script_security` a script that would run as root is refused when anybody else could have replaced it: when
a directory on its path, a link, or the file itself belongs to another user, or may be written by a group other than
root's or by everybody. That is stricter than it looks at first: /tmp is out, sticky or not.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: Accounts that run scripts when none is configured, if they exist.
DEFAULT_USERS = ("hakeep_script", "keepalived_script")

#: As many symbolic links as the kernel follows in one path (MAXSYMLINKS in <linux/namei.h>).
MOST_LINKS = 40

ROOT = 0


class ScriptError(Exception):
    """A script cannot or must not run. The text is a sentence for the log, without the script's name."""


@dataclass(frozen=True, slots=True)
class Account:
    """The ids that a script runs with."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def resolve_account(user: str | None, group: str | None, supplementary: bool = False) -> Account:
    """The ids of `user`, with `group` in place of his own group; None = the default script user, else ourselves.

    Names and numbers are both accepted. With `supplementary` he is in all his groups (set_supplementary_groups),
    else in one. Raises ScriptError for a name that does not exist.
    """
    if user is None:
        user = next((name for name in DEFAULT_USERS if _exists(name)), None)
    if user is None:
        uid, gid, name = os.geteuid(), os.getegid(), None
    else:
        uid, gid, name = _user(user)
    if group is not None:
        gid = _group(group)
    groups = os.getgrouplist(name, gid) if supplementary and name is not None else [gid]
    return Account(uid, gid, tuple(groups))


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _user(user: str) -> tuple[int, int, str | None]:
    try:
        entry = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except (KeyError, OverflowError):
        raise ScriptError(f"there is no user {user!r}") from None
    return entry.pw_uid, entry.pw_gid, entry.pw_name


def _group(group: str) -> int:
    try:
        return (grp.getgrgid(int(group)) if group.isdecimal() else grp.getgrnam(group)).gr_gid
    except (KeyError, OverflowError):
        raise ScriptError(f"there is no group {group!r}") from None


def find_script(argv: Sequence[str]) -> str:
    """The path of the file to execute: names without a slash are looked for in PATH.

    Raises ScriptError when it is missing, not a regular file, or executable for nobody, or when the interpreter that
    its first line names is missing: of that the kernel only says that there is no such file.
    """
    name = argv[0] if argv else ""
    if not name:
        raise ScriptError("the command is empty")
    if "\0" in "".join(argv):
        raise ScriptError("the command has a zero byte in it")
    if "/" in name:
        return _executable(name)
    for directory in os.environ.get("PATH", os.defpath).split(":"):
        try:
            return _executable(f"{directory or '.'}/{name}")
        except ScriptError:
            continue
    raise ScriptError("it is in no directory of PATH")


def _executable(path: str) -> str:
    try:
        status = os.stat(path)  # noqa: PTH116 - the path must stay as it was written
    except OSError as error:
        raise ScriptError(_reason(error)) from None
    if not stat.S_ISREG(status.st_mode):
        raise ScriptError("it is not a regular file")
    if not status.st_mode & 0o111:
        raise ScriptError("it is not executable")
    interpreter = _interpreter(path)
    if interpreter.startswith("/") and not Path(interpreter).exists():
        raise ScriptError(f"{interpreter}, which its first line (#!) names, is not there")
    return path


def _interpreter(path: str) -> str:
    """What a script is to be run by; "" for other files, and those that we cannot read."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - as it was written
            first = file.read(256)
    except OSError:
        return ""
    words = first.removeprefix(b"#!").split(b"\n")[0].split() if first.startswith(b"#!") else []
    return os.fsdecode(words[0]) if words else ""


def check_path(path: str) -> None:
    """Raise ScriptError if anybody but root could change what is found under the absolute `path`.

    The path is walked as the kernel walks it: every directory, every link and what the link points to.
    """
    if not path.startswith("/"):
        raise ScriptError("its path is not absolute")
    todo = list(reversed(Path(path).parts[1:]))
    here = "/"
    links = 0
    _check_owner(here)
    while todo:
        part = todo.pop()
        if part == "..":
            here = os.path.dirname(here)  # noqa: PTH120 - `here` is free of links: its parent is a matter of text
            continue
        step = f"{here.rstrip('/')}/{part}"
        if not _check_owner(step):
            here = step
            continue
        links += 1
        if links > MOST_LINKS:
            raise ScriptError("its path has too many symbolic links")
        target = Path(step).readlink()
        if target.is_absolute():
            here = "/"
        todo += reversed([piece for piece in target.parts if piece != "/"])


def _check_owner(path: str) -> bool:
    """Check one component, and say whether it is a symbolic link (whose mode means nothing: its directory decides)."""
    try:
        status = os.lstat(path)
    except OSError as error:
        raise ScriptError(_reason(error)) from None
    if status.st_uid != ROOT:
        raise ScriptError(f"{path} belongs to another user than root")
    if stat.S_ISLNK(status.st_mode):
        return True
    if status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and status.st_gid != ROOT):
        raise ScriptError(f"{path} can be written by others than root")
    return False


def _reason(error: OSError) -> str:
    return (error.strerror or "unknown error").lower()
