"""Accounts and paths, on a file tree of our own."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hakeep.notify import security
from hakeep.notify.security import Account, ScriptError, check_path, find_script, resolve_account

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")


@pytest.fixture
def tree() -> Iterator[Path]:
    """A directory that only root can change, on every component of its path."""
    with tempfile.TemporaryDirectory(dir="/root") as directory:
        yield Path(directory)


def script(path: Path, mode: int = 0o755) -> Path:
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


@as_root
def test_a_path_that_only_root_can_change_is_safe(tree: Path) -> None:
    check_path(str(script(tree / "script")))


@as_root
def test_everybody_may_write_the_file(tree: Path) -> None:
    path = script(tree / "script", 0o757)
    with pytest.raises(ScriptError, match=f"^{path} can be written"):
        check_path(str(path))


@as_root
@pytest.mark.parametrize(("gid", "safe"), [(0, True), (1, False)])
def test_only_roots_group_may_write(tree: Path, gid: int, safe: bool) -> None:
    path = script(tree / "script", 0o775)
    os.chown(path, 0, gid)
    if safe:
        check_path(str(path))
    else:
        with pytest.raises(ScriptError, match="can be written"):
            check_path(str(path))


@as_root
def test_an_owner_could_write_even_without_permission(tree: Path) -> None:
    path = script(tree / "script", 0o555)
    os.chown(path, 65534, 0)
    with pytest.raises(ScriptError, match="belongs to another user"):
        check_path(str(path))


@as_root
def test_directories_count_too(tree: Path) -> None:
    (tree / "open").mkdir()
    path = script(tree / "open" / "script")
    check_path(str(path))
    (tree / "open").chmod(0o1777)
    with pytest.raises(ScriptError, match=f"^{tree}/open can be written"):
        check_path(str(path))


@as_root
def test_links_are_followed_component_by_component(tree: Path) -> None:
    (tree / "open").mkdir()
    script(tree / "open" / "script")
    (tree / "dir").symlink_to("open")
    (tree / "abs").symlink_to(tree / "dir" / "script")
    (tree / "up").symlink_to("../" + tree.name + "/abs")
    for name in ("dir/script", "abs", "up", "open/../up"):
        check_path(f"{tree}/{name}")
    (tree / "open").chmod(0o777)
    for name in ("dir/script", "abs", "up"):
        with pytest.raises(ScriptError, match=f"^{tree}/open can be written"):
            check_path(f"{tree}/{name}")


@as_root
def test_a_link_of_somebody_else(tree: Path) -> None:
    script(tree / "script")
    (tree / "link").symlink_to("script")
    os.chown(tree / "link", 65534, 0, follow_symlinks=False)
    with pytest.raises(ScriptError, match="link belongs to another user"):
        check_path(f"{tree}/link")


@as_root
def test_circles_and_dead_ends(tree: Path) -> None:
    (tree / "a").symlink_to("b")
    (tree / "b").symlink_to("a")
    with pytest.raises(ScriptError, match="too many symbolic links"):
        check_path(f"{tree}/a")
    with pytest.raises(ScriptError, match="no such file"):
        check_path(f"{tree}/nothing")
    with pytest.raises(ScriptError, match="not absolute"):
        check_path("script")


def test_bare_names_are_found_in_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    script(tmp_path / "1" / "program", 0o644)
    wanted = script(tmp_path / "2" / "program")
    monkeypatch.setenv("PATH", f"{tmp_path}/0:{tmp_path}/1:{tmp_path}/2")
    assert find_script(["program", "x"]) == str(wanted)
    assert find_script([str(wanted)]) == str(wanted)
    with pytest.raises(ScriptError, match="in no directory"):
        find_script(["programme"])


@pytest.mark.parametrize(("first", "problem"), [
    ("#!/nowhere/sh -x\n", "/nowhere/sh, which its first line (#!) names, is not there"), ("#! /bin/sh\n", ""),
    ("#!/bin/sh", ""), ("#!\n", ""), ("#!sh\n", ""), ("\x7fELF", ""), ("", ""),
])
def test_a_script_without_its_interpreter(tmp_path: Path, first: str, problem: str) -> None:
    path = tmp_path / "script"
    path.write_text(first)
    path.chmod(0o755)
    if not problem:
        assert find_script([str(path)]) == str(path)
        return
    with pytest.raises(ScriptError) as raised:
        find_script([str(path)])
    assert str(raised.value) == problem


def test_accounts_by_name_and_number() -> None:
    nobody = pwd.getpwnam("nobody")
    expected = Account(nobody.pw_uid, nobody.pw_gid, (nobody.pw_gid,))
    assert resolve_account("nobody", None) == expected
    assert resolve_account(str(nobody.pw_uid), None) == expected
    assert resolve_account("nobody", "daemon") == Account(nobody.pw_uid, 1, (1,))
    assert resolve_account("nobody", "1") == Account(nobody.pw_uid, 1, (1,))


def test_supplementary_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getgrouplist", lambda name, gid: [gid, 7, 9])
    assert resolve_account("daemon", None, supplementary=True).groups == (1, 7, 9)
    assert resolve_account("daemon", None).groups == (1,)


def test_the_default_user_is_the_first_that_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Account(os.geteuid(), os.getegid(), (os.getegid(),))
    monkeypatch.setattr(security, "DEFAULT_USERS", ("no-such-user-1", "no-such-user-2"))
    assert resolve_account(None, None) == ours
    monkeypatch.setattr(security, "DEFAULT_USERS", ("no-such-user-1", "daemon", "nobody"))
    assert resolve_account(None, None).uid == 1
    monkeypatch.undo()
    assert security.DEFAULT_USERS == ("hakeep_script", "keepalived_script")


@pytest.mark.parametrize("name", ["no-such-user-1", "4294967290", "9" * 40, ""])
def test_unknown_users(name: str) -> None:
    with pytest.raises(ScriptError, match="there is no user"):
        resolve_account(name, None)
