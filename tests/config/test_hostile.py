"""Files that are no configurations, through the installed commands: a clear error, soon, in little memory."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

COMMANDS = Path(sys.executable).parent
#: A thousand million million lines by definitions that use each other, and such by sequences.
DEFINITIONS = "$A0= \\\n x \\\n y\n" + "".join(
    f"$A{n}= \\\n $A{n - 1} \\\n $A{n - 1}\n" for n in range(1, 60)) + "$A59\n"
SEQUENCES = "$A=~SEQ(I, 0, 9999) x$I\n~SEQ(I, 0, 9999) ~SEQ(J, 0, 9999) foo $I $J\n"

#: Bytes of address space, and seconds of processor time, that a command may take. The clock may go slower on a busy
#: machine, so the processor's is asked. Starting takes some 0.1 s of it.
MEMORY = 512 << 20
SECONDS = 1.0
BOMB_MEMORY = 1 << 30
BOMB_SECONDS = 40

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(not (COMMANDS / "hakeep").exists(), reason="the commands are not installed here"),
]


def _write(text: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(text)
        path.chmod(0o644)
    return make


def _long_line(path: Path) -> None:
    with path.open("wb") as file:
        for _ in range(100):
            file.write(b"x{\"$A" * 200_000)
    path.chmod(0o644)


def _garbage(path: Path) -> None:
    dice = random.Random(1)
    with path.open("wb") as file:
        for _ in range(20):
            file.write(dice.randbytes(1 << 20))
    path.chmod(0o644)


def _newlines(path: Path) -> None:
    with path.open("wb") as file:
        for _ in range(100):
            file.write(b"\n" * 1_000_000)
    path.chmod(0o644)


def _loop(path: Path) -> None:
    _write(f"include {path.name}.other\n".encode())(path)
    _write(f"include {path.name}\n".encode())(path.with_name(f"{path.name}.other"))


def _include_bomb(path: Path) -> None:
    _write(f"include {path.name}.other\n".encode() * 2000)(path)
    _write(f"include {path.name}.l*\n".encode() * 50)(path.with_name(f"{path.name}.other"))
    _write(b"# nothing\n")(path.with_name(f"{path.name}.leaf"))


def _unreadable_include(path: Path) -> None:
    _write(f"includea {path.name}.folder\n".encode())(path)
    path.with_name(f"{path.name}.folder").mkdir()


HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "garbage": (_garbage, "is not text"),
    "program": (lambda path: _write(Path(sys.executable).resolve().read_bytes()[:1_000_000])(path), "is not text"),
    "utf-16": (_write("global_defs {\n}\n".encode("utf-16")), "UTF-16"),
    "line of 100 MB": (_long_line, "line of 1024 bytes or more"),
    "100 million lines": (_newlines, "more than 5000000 lines"),
    "nested braces": (_write(b"{\n" * 10_000 + b"}\n" * 10_000), "'{' without a keyword"),
    "nested blocks": (_write(b"vrrp_instance a {\n" * 10_000), "'{' of vrrp_instance is never closed"),
    "nested and open": (_write(b"a {\nb\n" * 5_000), "'{' of a is never closed"),
    "nested and closed": (_write(b"a {\n" * 10_000 + b"}\n" * 10_000), "unknown keyword 'a'"),
    "closing braces": (_write(b"}" * 1000 + b"\n}" * 10_000), "'}' closes nothing"),
    "include loop": (_loop, "includes itself"),
    "unreadable include": (_unreadable_include, "is not a regular file"),
    "directory": (Path.mkdir, "is not a regular file"),
    "FIFO": (os.mkfifo, "is not a regular file"),
    "missing": (lambda path: None, "does not exist"),
    "self reference": (_write(b"$R=$R\n$A=$B\n$B=$A\n$R\n$A\n"), "refers to itself"),
    "brace bomb": (_write(b"includea " + b"{a,b}" * 24), "more than 5000 files"),
    "include bomb": (_include_bomb, "more than 5000 files"),
    "sequence bomb": (_write(b"~SEQ(a, 1000000000000) x $a\n"), "more than 5000000 lines"),
    "bomb of sequences": (_write(SEQUENCES.encode()), "more than 5000000 lines"),
    "definition bomb": (_write(DEFINITIONS.encode()), "more than 5000000 lines"),
    "growing line": (_write(b"$A0=ha\n" + b"".join(b"$A%d=${A%d}${A%d}\n" % (n, n - 1, n - 1) for n in range(1, 60))
                            + b"$A59\n"), "grows beyond"),
}


def run(*words: str, memory: int) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run a command with little memory; also the seconds of processor time that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [str(COMMANDS / words[0]), *words[1:]], capture_output=True, text=True, errors="replace", timeout=600,
        check=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory)))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("command", [("hakeep", "check"), ("hakeepd", "-t", "-f")], ids=["check", "-t"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_an_error(tmp_path: Path, name: str, command: tuple[str, ...]) -> None:
    path = tmp_path / "main.conf"
    make, says = HOSTILE[name]
    make(path)
    done, seconds = run(*command, str(path), memory=MEMORY)
    output = done.stdout + done.stderr
    assert says in output
    assert "Traceback" not in output
    assert done.returncode in (0, 1) if command[0] == "hakeep" else done.returncode in (4, 5, 6)
    assert len(output) < 20_000
    assert seconds < SECONDS


@pytest.mark.parametrize(
    "text",
    [
        "~SEQ(I, 0, 9999) ~SEQ(J, 0, $I) foo $I $J\n",
        "$A= \\\n foo $J bar \\\n x $I \n~SEQ(I, 0, 9999) ~SEQ(J, 0, $I) $A\n",
        DEFINITIONS.replace(" x ", " $X=x "),
    ],
    ids=["sequence", "definition", "definitions"],
)
def test_a_bomb_ends(tmp_path: Path, text: str) -> None:
    """One that cannot be known for what it is before it has gone off."""
    path = tmp_path / "main.conf"
    _write(text.encode())(path)
    done, seconds = run("hakeepd", "-t", "-f", str(path), memory=BOMB_MEMORY)
    assert "more than 5000000 lines" in done.stdout + done.stderr
    assert done.returncode == 5
    assert seconds < BOMB_SECONDS
