"""Completion, asked of the real shells."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hakeep.cli import hakeep
from hakeep.cli.shells import SHELLS, script

Complete = Callable[..., list[str]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the scripts, some files, and `hakeep` in bin."""
    directory = tmp_path_factory.mktemp("home")
    for shell in SHELLS:
        (directory / f"completion.{shell}").write_text(script(shell))
    (directory / "bin").mkdir()
    tool = directory / "bin" / "hakeep"
    tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hakeep.cli.hakeep "$@"\n')
    tool.chmod(0o755)
    (directory / "my hosts.conf").write_text("")
    (directory / "folder").mkdir()
    return directory


def environment(home: Path) -> dict[str, str]:
    path = f"{home / 'bin'}:{os.environ['PATH']}"
    source = str(Path(hakeep.__file__).resolve().parents[2])
    return {**os.environ, "PATH": path, "HOME": str(home), "PYTHONPATH": source, "TERM": "dumb"}


def shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(home: Path, *command: str) -> list[str]:
    done = subprocess.run(command, cwd=home, env=environment(home), capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.stdout.splitlines()


def bash(home: Path, *words: str) -> list[str]:
    typed = " ".join(map(repr, words))
    ask = (f"source ./completion.bash; COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _{words[0]}; "
           "printf '%s\\n' \"${COMPREPLY[@]}\"")
    return [line for line in run(home, shell("bash"), "--norc", "-c", ask) if line]


def fish(home: Path, *words: str) -> list[str]:
    ask = f"source completion.fish; complete -C {' '.join(words)!r}"
    return [line.partition("\t")[0] for line in run(home, shell("fish"), "--no-config", "-c", ask)]


@pytest.mark.parametrize("complete", [bash, fish])
class TestEveryShell:
    def test_subcommands(self, home: Path, complete: Complete) -> None:
        assert set(complete(home, "hakeep", "")) >= set(hakeep.COMMANDS)
        assert complete(home, "hakeep", "rec") == ["record"]

    def test_options_of_a_subcommand(self, home: Path, complete: Complete) -> None:
        found = complete(home, "hakeep", "standby", "--")
        assert {"--all", "--for", "--even-if-alone"} <= set(found)
        assert "--json" not in found

    def test_words_that_follow_an_option(self, home: Path, complete: Complete) -> None:
        assert set(complete(home, "hakeep", "status", "--color", "")) >= {
            "auto", "always", "never"}
        assert "JSON" in complete(home, "hakeepd", "--signum", "")

    def test_keywords_and_blocks(self, home: Path, complete: Complete) -> None:
        assert complete(home, "hakeep", "man", "virtual_ipaddress_") == [
            "virtual_ipaddress_excluded"]
        assert complete(home, "hakeep", "keywords", "garp") == ["garp_group"]

    def test_files(self, home: Path, complete: Complete) -> None:
        found = complete(home, "hakeepd", "--use-file", "my")
        assert [name.replace("\\", "") for name in found] == ["my hosts.conf"]
        assert "my hosts.conf" in [
            name.replace("\\", "") for name in complete(home, "hakeep", "check", "my")]

    def test_options_of_the_daemon(self, home: Path, complete: Complete) -> None:
        assert complete(home, "hakeepd", "--dont-f") == ["--dont-fork"]
        assert complete(home, "hakeepd", "--snm") == []  # we do not have it


class Terminal:
    """zsh at a pseudo-terminal."""

    def __init__(self, home: Path) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(home)
            os.execve(shell("zsh"), ["zsh", "-f", "-i"], {**environment(home), "PS1": "> ", "TERM": "vt100"})
        self.text = ""

    def type(self, text: str) -> None:
        self.text = ""
        os.write(self.fd, text.encode())

    def see(self, pattern: str, limit: float = 20.0) -> str:
        """Wait until the pattern is on the screen."""
        end = time.monotonic() + limit
        while not re.search(pattern, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\0", "", self.text)):
            left = end - time.monotonic()
            assert left > 0, f"{pattern} is not in {self.text!r}"
            if select.select([self.fd], [], [], left)[0]:
                self.text += os.read(self.fd, 4096).decode(errors="replace")
        return self.text

    def close(self) -> None:
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def test_zsh(home: Path) -> None:
    shell("zsh")
    terminal = Terminal(home)
    try:
        terminal.type("PS1='> ' RPS1= LISTMAX=1000; unset zle_bracketed_paste; autoload -Uz compinit; compinit -u -D; "
                      "source ./completion.zsh; echo rea''dy\n")
        terminal.see("ready\r\n")
        for typed, expected in (
            ("hakeep rec\t", "record"), ("hakeep standby --ev\t", "--even-if-alone"),
            ("hakeep status --color nev\t", "--color never"), ("hakeep man virtual_ipaddress_\t", "_excluded"),
            ("hakeepd --dont-f\t", "--dont-fork"), ("hakeepd --use-file my\t", r"my\\ hosts.conf"),
        ):
            terminal.type(typed)
            terminal.see(expected)
            terminal.type("\x15")  # clear the line
    finally:
        terminal.close()


@pytest.mark.parametrize("name", SHELLS)
def test_scripts_are_good_syntax(home: Path, name: str) -> None:
    run(home, shell(name), "-n", f"completion.{name}")


def test_names_of_instances_are_not_missed_without_a_daemon(home: Path) -> None:
    """Completion in an editor line must not print errors."""
    assert run(home, str(home / "bin" / "hakeep"), "completion", "--words", "instances", "--socket",
               str(home / "nobody")) == []


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        hakeep.main(["completion"])
    assert stopped.value.code == 2
    assert hakeep.main(["completion", "--words", "blocks"]) == 0
    assert "vrrp_instance\n" in capsys.readouterr().out
