"""`hakeep man` and `hakeep keywords`: what they print, what a terminal shows, and pages in the package."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hakeep.cli import hakeep
from tests.cli.program import call

REPOSITORY = Path(__file__).resolve().parents[2]


def tool(*words: str) -> subprocess.CompletedProcess[str]:
    return call(*words, folder=REPOSITORY)


def at_a_terminal(*words: str, path: str, **more: str) -> str:
    """What a terminal shows."""
    command = [sys.executable, "-m", "hakeep.cli.hakeep", *words]
    child, fd = pty.fork()
    if child == 0:
        os.chdir(REPOSITORY)
        os.execve(command[0], command, {"PATH": path, "TERM": "vt100", "PYTHONPATH": str(REPOSITORY), **more})
    shown = b""
    while True:
        try:
            piece = os.read(fd, 65536)
        except OSError:  # EIO: the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(fd)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return shown.decode()


def test_the_whole_page_as_plain_text() -> None:
    shown = tool("man")
    assert shown.returncode == 0
    assert shown.stdout.startswith("HAKEEP.CONF(5)")
    for words in (
        "A FIRST PAIR", "HOW THE FILE IS READ", "  vrrp_instance NAME { ... }", "DIFFERENCES FROM KEEPALIVED",
    ):
        assert f"\n{words}\n" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 110
    assert shown.stderr == ""


def test_the_entry_of_a_keyword() -> None:
    shown = tool("man", "virtual_ipaddress")
    assert shown.returncode == 0
    assert shown.stdout.startswith("in vrrp_instance\n")
    assert "192.0.2.10/24" in shown.stdout
    assert tool("man", "connect_port").stdout.startswith("in SMTP_CHECK, in host, in TCP_CHECK, ")


def test_searching() -> None:
    shown = tool("man", "/persist")
    assert shown.returncode == 0
    assert shown.stdout.startswith("persistence_engine ")
    nothing = tool("man", "/no such text")
    assert (nothing.returncode, nothing.stdout) == (1, "")


@pytest.mark.parametrize(("word", "meant"), [("weigth", "weight"), ("vritual_ipaddress", "virtual_ipaddress"),
                                             ("garp_delay", "garp_master_delay")])
def test_unknown_words(word: str, meant: str) -> None:
    shown = tool("man", word)
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr.startswith(f"hakeep: there is no keyword '{word}'; did you mean ")
    assert meant in shown.stderr


def test_a_word_like_no_other() -> None:
    assert "hakeep man /qqqqq" in tool("man", "qqqqq").stderr


def test_man_is_used_at_a_terminal(tmp_path: Path) -> None:
    fake = tmp_path / "man"
    fake.write_text('#!/bin/sh\nread -r first\nread -r second\necho "man got $* and $second"\ncat > /dev/null\n')
    fake.chmod(0o755)
    assert "man got -l - and .Dd " in at_a_terminal("man", path=f"{tmp_path}:{os.environ['PATH']}")


def test_the_pager_is_used_without_man(tmp_path: Path) -> None:
    pager = tmp_path / "show"
    pager.write_text('#!/bin/sh\nread -r first\necho "pager got $first"\n')
    pager.chmod(0o755)
    (tmp_path / "sh").symlink_to("/bin/sh")
    shown = at_a_terminal("man", path=str(tmp_path), PAGER=str(pager))
    assert "pager got HAKEEP.CONF(5)" in shown


def test_keywords() -> None:
    shown = tool("keywords", "garp_group")
    assert shown.stdout.splitlines()[0] == "garp_group:"
    assert len(shown.stdout.splitlines()) == 5
    assert tool("keywords", "nonsense").returncode == 1


def test_keywords_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert hakeep.main(["keywords", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    by_name = {(row["block"], row["name"]): row for row in rows}
    assert len(by_name) == len(rows) > 490
    priority = by_name["vrrp_instance", "priority"]
    assert priority["syntax"] == "priority PRIO (1..255)"
    assert (priority["reload"], priority["support"], priority["example"]) == ("hot", "full", "priority 150")
    assert by_name["global_defs", "vip_lease"]["hakeep_only"]


def test_unsupported_keywords(capsys: pytest.CaptureFixture[str]) -> None:
    assert hakeep.main(["keywords", "--unsupported", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows
    assert all(row["instead"] and row["support"] != "full" for row in rows)
    assert hakeep.main(["keywords", "--unsupported"]) == 0
    assert "there is no SNMP agent" in capsys.readouterr().out


def test_the_package_installs_the_pages(tmp_path: Path) -> None:
    """Where `man 5 hakeep.conf` finds them: in share/man below the prefix."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    for name in ("hakeep", "conf"):
        shutil.copytree(REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    prefix = tmp_path / "prefix"
    done = subprocess.run(
        [sys.executable, "-c", "import setuptools; setuptools.setup()", "-q", "install_data",
         f"--install-dir={prefix}"],
        cwd=source, capture_output=True, text=True, timeout=300)
    if "No module named 'setuptools'" in done.stderr:
        pytest.skip("setuptools is not in this environment")
    assert done.returncode == 0, done.stderr
    for page in ("man1/hakeep.1", "man5/hakeep.conf.5", "man8/hakeepd.8"):
        installed = prefix / "share" / "man" / page
        assert installed.read_text() == (REPOSITORY / "conf" / Path(page).name).read_text()
