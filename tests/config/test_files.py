"""Files, patterns and this host (grammar section 4)."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hakeep.config.diagnostic import Code, Verdict
from hakeep.config.files import Host, expand_braces, load, open_files, script_problem, this_host
from hakeep.config.settled import Script


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o644)
    return path


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a", ["a"]),
        ("a{b,c}d", ["abd", "acd"]),
        ("{a,b}{c,d}", ["ac", "ad", "bc", "bd"]),
        ("a{b{c,d},e}", ["abc", "abd", "ae"]),
        ("a{,b}", ["a", "ab"]),
        ("a{b", ["a{b"]),
        ("a}b", ["a}b"]),
        ("{a,b}{", ["a{", "b{"]),
    ],
)
def test_braces(pattern: str, expected: list[str]) -> None:
    assert expand_braces(pattern) == expected


def test_braces_do_not_grow_without_bound(tmp_path: Path) -> None:
    for pattern in ("{a,b}" * 40, "{a,b}" * 5000):
        opened = open_files(pattern, str(tmp_path))
        assert opened.files == ()
        assert [failure.kind for failure in opened.failures] == ["match"]
        assert "more than" in opened.failures[0].what


def test_a_pattern_that_means_too_many_files_means_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hakeep.config.files.FILES_LIMIT", 2)
    for name in "abc":
        write(tmp_path / f"{name}.conf", "")
    assert "more than 2 files" in open_files("*.conf", str(tmp_path)).failures[0].what
    assert len(open_files("{a,b}.conf", str(tmp_path)).files) == 2


def test_a_failure_is_told_once(tmp_path: Path) -> None:
    for line, status in (("include none/*.conf", 0), ("includem none/*.conf", 6), ("includew none/*.conf", 6)):
        loaded = load(str(write(tmp_path / "main.conf", line)))
        assert [d.code for d in loaded.diagnostics] == [Code.INCLUDE_FAILED]
        assert loaded.exit_status() == status


def test_a_file_that_has_nothing_to_be_read_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As /proc/kmsg, which is a regular file and says EAGAIN."""
    main = write(tmp_path / "main.conf", "include other.conf\n")
    write(tmp_path / "other.conf", "")

    class Slow(io.BytesIO):
        def peek(self, size: int) -> bytes:
            return b""

        def read(self, size: int | None = -1) -> bytes:
            return None  # type: ignore[return-value]

    actual = os.fdopen

    def fdopen(descriptor: int, mode: str) -> Any:
        if Path(f"/proc/self/fd/{descriptor}").readlink().name == "other.conf":
            os.close(descriptor)
            return Slow()
        return actual(descriptor, mode)

    monkeypatch.setattr(os, "fdopen", fdopen)
    assert load(str(main)).diagnostics == ()


def test_a_name_must_not_be_empty() -> None:
    (diagnostic,) = load("").diagnostics
    assert "empty" in diagnostic.message


def test_a_configuration_with_includes(tmp_path: Path) -> None:
    write(tmp_path / "sub" / "one.conf", "include deeper/*.conf\nvrrp_version 3")
    write(tmp_path / "sub" / "deeper" / "two.conf", "router_id ${_PWD}")
    main = write(tmp_path / "main.conf", "global_defs {\ninclude sub/{one,none}.conf\n}\n")
    loaded = load(str(main), environment={})
    assert loaded.settings is not None
    assert loaded.settings.globals.router_id == str(tmp_path / "sub" / "deeper")
    assert loaded.config.global_defs.vrrp_version == 3
    assert set(loaded.sources) == {str(main), str(tmp_path / "sub/one.conf"), str(tmp_path / "sub/deeper/two.conf")}
    assert [(d.code, d.verdict) for d in loaded.diagnostics] == [(Code.INCLUDE_FAILED, Verdict.OK)]
    assert loaded.exit_status() == 0


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("include nothing", "match"),
        ("include noth*", "wildcard_match"),
        ("include {a,nothing}.conf", "brace_match"),
        ("include folder", "read"),
        ("include script.conf", "read"),
    ],
)
def test_what_can_fail_and_the_option_that_makes_it_an_error(tmp_path: Path, line: str, kind: str) -> None:
    write(tmp_path / "a.conf", "")
    (tmp_path / "folder").mkdir()
    write(tmp_path / "script.conf", "").chmod(0o755)
    main = write(tmp_path / "main.conf", line + "\n")
    assert load(str(main)).exit_status() == 0
    strict = load(str(main), all_config=True)
    assert (strict.exit_status(), strict.fatal, strict.run_status()) == (6, True, 6)
    letter = {"match": "m", "wildcard_match": "w", "brace_match": "b", "read": "r"}[kind]
    write(main, line.replace("include", f"include{letter}") + "\n")
    assert load(str(main)).exit_status() == 6
    other = "b" if letter == "r" else "r"
    write(main, line.replace("include", f"include{other}") + "\n")
    assert load(str(main)).exit_status() == 0


def test_matches_come_in_order_and_once(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        write(tmp_path / f"{name}.conf", name)
    opened = open_files("{*,a}.conf", str(tmp_path))
    assert [Path(name).name for name, _, _ in opened.files] == ["a.conf", "b.conf", "c.conf"]
    assert opened.failures == ()


@pytest.mark.parametrize("kind", ["missing", "folder", "executable", "pattern", "fifo"])
def test_the_main_file_must_be_there(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "main.conf"
    if kind == "folder":
        path.mkdir()
    elif kind == "executable":
        write(path, "").chmod(0o744)
    elif kind == "fifo":
        os.mkfifo(path)
    loaded = load(str(tmp_path / "*.none") if kind == "pattern" else str(path))
    assert (loaded.exit_status(), loaded.fatal, loaded.run_status()) == (4, True, 6)
    assert loaded.settings is None
    assert [d.code for d in loaded.diagnostics] == [Code.FILE_MISSING]


def test_the_main_file_may_be_a_pattern(tmp_path: Path) -> None:
    write(tmp_path / "1.conf", "global_defs {\nrouter_id a\n")
    write(tmp_path / "2.conf", "}\n")
    loaded = load(str(tmp_path / "?.conf"))
    assert loaded.diagnostics == ()
    assert loaded.settings.globals.router_id == "a"


def test_bytes_of_any_kind(tmp_path: Path) -> None:
    main = tmp_path / "main.conf"
    main.write_bytes(b"\xef\xbb\xbfglobal_defs {\r\n router_id \xff\xfe\r\n}\r\n")
    main.chmod(0o644)
    loaded = load(str(main))
    assert loaded.diagnostics == ()
    assert os.fsencode(loaded.settings.globals.router_id) == b"\xff\xfe"


def test_the_config_id_and_the_environment(tmp_path: Path) -> None:
    main = write(tmp_path / "main.conf", "global_defs {\n@one router_id ${_ENV WHO}1\n@two router_id ${_ENV WHO}2\n}\n")
    loaded = load(str(main), config_id="two", environment={"WHO": "me"})
    assert loaded.settings.globals.router_id == "me2"
    host_name = os.uname().nodename.partition(".")[0]
    write(main, f"global_defs {{\n@{host_name} router_id here\n}}\n")
    assert load(str(main)).settings.globals.router_id == "here"


def test_a_key_file_is_read(tmp_path: Path) -> None:
    write(tmp_path / "key", "k" * 40 + "\n")
    main = write(tmp_path / "main.conf", f"""vrrp_instance A {{
        interface eth0\nvirtual_router_id 1\nvirtual_ipaddress {{\n10.0.0.1\n}}
        auth_hmac {{\nkey 1 file:{tmp_path}/key\nactive_key 1\n}}\n}}\n""")
    loaded = load(str(main))
    assert loaded.diagnostics == ()
    assert loaded.settings.vrrp[0].auth_hmac.keys == ((1, b"k" * 40),)


def test_this_host() -> None:
    host = this_host()
    assert host.known_interfaces is None or "lo" in host.known_interfaces
    assert "root" in host.users and "root" in host.groups
    assert host.cpus >= 1


def test_scripts_are_looked_for(tmp_path: Path) -> None:
    good = write(tmp_path / "good", "#!/bin/sh\n")
    good.chmod(0o755)
    bad = write(tmp_path / "bad", "")
    assert script_problem(Script((str(good),))) == ""
    assert "not executable" in script_problem(Script((str(bad),)))
    assert "not a regular file" in script_problem(Script((str(tmp_path),)))
    assert "No such file" in script_problem(Script((str(tmp_path / "none"),)))
    assert script_problem(Script(("sh",))) == ""
    assert "not in PATH" in script_problem(Script(("no-such-command-here",)))


def test_importing_is_light() -> None:
    """What slows a start down is imported when it is needed, not before."""
    program = "import sys, hakeep.config.files; print(*sys.modules)"
    modules = set(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
                  .stdout.split())
    assert not modules & {"difflib", "yaml", "json", "trio", "pyroute2", "subprocess", "socket", "decimal", "random"}


def test_host_can_be_given(tmp_path: Path) -> None:
    main = write(tmp_path / "main.conf", "linkbeat_interfaces {\neth0\n}\n")
    assert load(str(main), host=Host(known_interfaces=frozenset())).exit_status() == 4
    assert load(str(main)).exit_status() == 0
