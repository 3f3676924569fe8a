"""The daemon's command line is keepalived's."""

from __future__ import annotations

import gc
import re
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hakeep.cli import hakeepd
from hakeep.cli.daemon_options import OPTIONS, SIGNUMS, UsageError, parse, usage
from hakeep.cli.hakeepd import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["-nlD"], {"dont-fork": "", "log-console": "", "log-detail": ""}),
        (["-n", "-l", "-D", "-f", "x.conf"],
         {"dont-fork": "", "log-console": "", "log-detail": "", "use-file": "x.conf"}),
        (["-fx.conf"], {"use-file": "x.conf"}),
        (["--use-file=x.conf"], {"use-file": "x.conf"}),
        (["--use-file", "x.conf"], {"use-file": "x.conf"}),
        (["-nfx.conf"], {"dont-fork": "", "use-file": "x.conf"}),
        (["-t"], {"config-test": ""}),
        (["-tlog"], {"config-test": "log"}),
        (["--config-test=log"], {"config-test": "log"}),
        (["-P", "-p", "a", "-r", "b"], {"vrrp": "", "pid": "a", "vrrp_pid": "b"}),
        (["--dont-f"], {"dont-fork": ""}),
        (["-DD"], {"log-detail": ""}),
    ],
)  # fmt: skip
def test_options(words: list[str], given: dict[str, str]) -> None:
    assert parse(words).given == given


def test_words_are_left() -> None:
    found = parse(["a", "-n", "--", "-f"])
    assert found.rest == ["a", "-f"]
    assert found.given == {"dont-fork": ""}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--frobnicate"], "Unknown option --frobnicate"),
        (["-Z"], "Unknown option -Z"),
        (["-f"], "--use-file needs an argument: FILE"),
        (["--dont-fork=1"], "takes no argument"),
        (["--log"], "Unknown option --log"),  # several begin so
        (["-x"], "--snmp is not available: SNMP is not supported"),
        (["--all"], "--all is not available"),
    ],
)
def test_mistakes(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=message):
        parse(words)
    assert main(words) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["STOP", "RELOAD", "DATA", "STATS", "STATS_CLEAR", "JSON"])
def test_signum(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"--signum={name}"]) == 0
    assert int(capsys.readouterr().out) in signal.valid_signals()


def test_signum_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--signum=NOTHING"]) == 1
    said = capsys.readouterr().err
    assert all(name in said for name in SIGNUMS), "those that there are"


def test_version_and_help_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-v"]) == 0
    assert capsys.readouterr().err.startswith("hakeep v")
    assert main(["-h"]) == 0
    assert "--use-file=FILE" in capsys.readouterr().err


def test_the_help_tells_of_every_option_there_is() -> None:
    text = usage()
    for option in OPTIONS:
        listed = re.search(rf"--{option.long}(?![\w-])", text)
        assert bool(listed) is not bool(option.absent), option.long
        assert len(option.short) <= 1


def test_no_option_twice() -> None:
    shorts = [option.short for option in OPTIONS if option.short]
    assert len(shorts) == len(set(shorts))
    assert len({option.long for option in OPTIONS}) == len(OPTIONS)


# --- why it does not start


def run(tmp_path: Path, *words: str) -> str:
    """What a daemon that does not start has written into a shell's >file."""
    path = tmp_path / "out"
    with path.open("w") as out:
        done = subprocess.run(
            [sys.executable, "-m", "hakeep.cli.hakeepd", "-n", "-G", "-f", str(tmp_path / "nosuch.conf"), *words],
            stdout=out, stderr=out, cwd=ROOT, timeout=30,
        )
        assert done.returncode not in (0, 1)
        out.write("the shell goes on\n")
    return path.read_text()


@pytest.mark.parametrize("console", [True, False])
def test_why_it_does_not_start_is_said_once_and_nothing_is_written_over(tmp_path: Path, console: bool) -> None:
    text = run(tmp_path, *(["-l"] if console else []), "-u", "rubbish", "word")
    lines = text.splitlines()
    assert lines[0] == "Unexpected argument(s): word"
    reasons = [line for line in lines if "not starting" in line or "not permitted" in line]
    assert len(reasons) == 1
    assert reasons[0].startswith("hakeepd: ") is not console, "the log has stamps"
    assert any("umask rubbish is not octal" in line for line in lines) is console
    assert "\0" not in text and all(len(line) > 10 for line in lines)


def test_a_thousand_complaints_are_enough(tmp_path: Path) -> None:
    (tmp_path / "many.conf").write_text("nonsense 1\n" * 1500)
    words = [sys.executable, "-m", "hakeep.cli.hakeepd", "-t", "-f", str(tmp_path / "many.conf")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 5
    assert done.stderr.count("error[HK101]") == 1000
    assert done.stderr.endswith("^^^^^^^^\nand 500 more: 500 errors\n")


def test_open_files_are_many_and_not_millions(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = (1024, resource.RLIM_INFINITY)
    said: list[tuple[int, int]] = []
    monkeypatch.setattr(hakeepd.resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(hakeepd.resource, "setrlimit", lambda _, pair: said.append(pair))
    hakeepd._raise_file_limit()
    limits = (1024, 4096)
    hakeepd._raise_file_limit()
    limits = (200_000, 300_000)
    hakeepd._raise_file_limit()
    assert said == [(65_536, resource.RLIM_INFINITY), (4096, 4096)]


# --- what hakeepd does not do


@pytest.mark.parametrize("more", [(), ("--strict",)])
def test_the_test_mode_tells_of_what_hakeepd_does_not_do(
    tmp_path: Path, more: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.conf"
    path.write_text("""global_defs {
    dynamic_interfaces
}
namespace_with_ipsets
vrrp_instance web {
    interface lo
    virtual_router_id 51
    virtual_ipaddress {
        192.0.2.100
    }
}
""")
    assert main(["-t", "-f", str(path), *more]) == 0
    said = capsys.readouterr().err
    assert said.count("HK902") == 1 and f"{path}:4" in said


def test_two_daemons_make_the_run_directory_at_the_same_time(tmp_path: Path) -> None:
    start = threading.Barrier(2)
    failed: list[OSError] = []

    def make(rounds: int) -> None:
        for number in range(rounds):
            start.wait()
            try:
                hakeepd._make_run_directory(tmp_path / str(number) / "run")
            except OSError as error:
                failed.append(error)

    threads = [threading.Thread(target=make, args=(300,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_the_run_directory_is_never_somebodys_link(tmp_path: Path) -> None:
    link = tmp_path / "run"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="not a directory of ours"):
        hakeepd._make_run_directory(link)
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(PermissionError, match="not a directory of ours"):
        hakeepd._make_run_directory(link)


def test_what_was_read_goes_when_nobody_needs_it_any_more(tmp_path: Path) -> None:
    """It is frozen before a worker is forked, and no collection would find it then."""
    path = tmp_path / "many.conf"
    real = "real_server 10.1.0.%d 80 {\nTCP_CHECK {\nconnect_timeout 3\n}\n}\n"
    path.write_text("".join(
        f"virtual_server 10.0.0.{n} 80 {{\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\n{real % n}}}\n"
        for n in range(1, 200)))
    arguments = parse(["-f", str(path)])
    assert hakeepd._usable(arguments, hakeepd._load(arguments))[0] is not None  # all modules are there now
    gc.collect()
    gc.disable()
    try:
        loaded = hakeepd._load(arguments)
        read = hakeepd._usable(arguments, loaded)
        assert read[0] is not None and read[0].lvs is not None and len(read[0].lvs.virtual) == 199
        del loaded, read
        assert gc.collect() < 100
    finally:
        gc.enable()
