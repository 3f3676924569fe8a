"""The daemon's command line is keepalived's."""

from __future__ import annotations

import re
import signal

import pytest

from hakeep.cli.hakeepd import OPTIONS, UsageError, main, parse, usage


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
        (["-C"], "--check is not available"),
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


def test_signum_of_nothing() -> None:
    assert main(["--signum=NOTHING"]) == 1


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
