"""Checks that could never pass are mistakes with a place and a cure, and nothing starts with them."""

from __future__ import annotations

from typing import Any

import pytest

from hakeep.cli import hakeepd
from hakeep.config.diagnostic import Code, Diagnostic, Severity
from hakeep.config.files import pattern_problem, this_host
from hakeep.config.host import Host
from hakeep.config.loaded import Loaded
from hakeep.config.settled_lvs import BfdProbe, HttpProbe, Pattern
from hakeep.config.witness import Witness
from hakeep.lvs import patterns

SERVER = """\
virtual_server 192.0.2.100 80 {
    protocol TCP
    lvs_sched rr
    lvs_method NAT
    real_server 192.0.2.21 80 {
        %s
    }
}
"""
PAGE = SERVER % "HTTP_GET {\nurl {\npath /\n%s\n}\n}"
FOLLOWS = SERVER % "BFD_CHECK {\n%s\n}"
PEER = "bfd_instance peer {\nneighbor_ip 192.0.2.1\n%s\n}\n"
INSTANCE = """\
vrrp_instance V {
    interface eth0
    virtual_router_id 7
    track_bfd {
        peer
    }
    virtual_ipaddress {
        192.0.2.100
    }
}
"""


def marked(loaded: Loaded, found: Diagnostic) -> str:
    """What the caret is under."""
    span = found.span
    assert span is not None
    return loaded.sources[span.file].splitlines()[span.line - 1][span.column - 1 : span.column - 1 + span.length]


def of(loaded: Loaded, code: Code) -> list[Diagnostic]:
    return [each for each in loaded.diagnostics if each.code is code]


# ------------------------------------------------------------------------------------------------------------- regex


@pytest.mark.parametrize(("lines", "words", "place"), [
    ('regex "(a"', "cannot be understood: missing )", '"(a"'),
    ('regex "(a b" # and more', "cannot be understood: missing )", '"(a b"'),
    ("regex a+\nregex_options caseless ungreedy", "ungreedy cannot be had for an expression with +", "caseless"),
])
def test_an_expression_that_cannot_be_looked_for(load: Any, lines: str, words: str, place: str) -> None:
    pytest.importorskip("regex")
    loaded = load(PAGE % lines, Host(pattern_problem=pattern_problem))
    (found,) = of(loaded, Code.CHECK_PATTERN)
    assert words in found.message and found.fix
    assert marked(loaded, found) == place
    assert found.severity is Severity.ERROR
    assert not loaded.fatal and loaded.exit_status() == loaded.run_status() == 0, "as keepalived's"


def test_one_without_its_engine(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "find_spec", lambda name: None)
    loaded = load(PAGE % "regex a", Host(pattern_problem=pattern_problem))
    (found,) = of(loaded, Code.CHECK_PATTERN)
    assert "package regex" in found.message and found.fix == "pip install 'hakeep[checks]'"
    assert not loaded.fatal and marked(loaded, found) == "a"


@pytest.mark.parametrize("line", ['regex "[(]a"', r'regex "\\(a"', "digest 0123456789abcdef0123456789abcdef", ""])
def test_what_can_be_looked_for(load: Any, line: str) -> None:
    pytest.importorskip("regex")
    loaded = load(PAGE % line, Host(pattern_problem=pattern_problem))
    assert not of(loaded, Code.CHECK_PATTERN) and not loaded.fatal


def test_bytes_that_are_no_utf8_can_be_looked_for(load: Any) -> None:
    """Files are read with surrogateescape."""
    pytest.importorskip("regex")
    loaded = load(PAGE % "regex caf\udce9", Host(pattern_problem=pattern_problem))
    assert not of(loaded, Code.CHECK_PATTERN)
    probe = loaded.settings.lvs.virtual[0].reals[0].checks[0].probe
    assert isinstance(probe, HttpProbe) and probe.pages[0].pattern is not None
    assert patterns.compiled(probe.pages[0].pattern).search(b"un caf\xe9")


def test_each_expression_is_judged_once(load: Any) -> None:
    asked: list[Pattern] = []
    load(PAGE % "regex a\n}\nurl {\npath /b\nregex a\n}\nurl {\npath /c\nregex b",
         Host(pattern_problem=lambda pattern: str(asked.append(pattern) or "")))
    assert [each.text for each in asked] == ["a", "b"]


def test_this_host_knows_its_engine() -> None:
    host = this_host()
    assert host.pattern_problem is not None and host.pattern_problem(Pattern("(a"))


# --------------------------------------------------------------------------------------------------------------- BFD


@pytest.mark.parametrize(("text", "code", "words", "place"), [
    (FOLLOWS % "name peer", Code.UNKNOWN_REFERENCE, "there is no bfd_instance peer", "peer"),
    (FOLLOWS % "name peer" + PEER % "", Code.UNKNOWN_REFERENCE, "bfd_instance peer is not defined yet", "peer"),
    (PEER % "vrrp" + FOLLOWS % "name peer", Code.UNKNOWN_REFERENCE, "bfd_instance peer tells only VRRP", "peer"),
    (PEER % "" + FOLLOWS % "", Code.CHECK_INCOMPLETE, "BFD_CHECK has no name", "}"),
    (PEER % "source_ip 2001:db8::1" + FOLLOWS % "name peer", Code.SESSION_ABSENT, "which is left out", "peer"),
])
def test_a_bfd_check_without_a_session_stops(load: Any, text: str, code: Code, words: str, place: str) -> None:
    loaded = load(text)
    (found,) = of(loaded, code)
    assert words in found.message and found.stops and marked(loaded, found) == place
    assert loaded.fatal and loaded.exit_status() == 5, "keepalived's status"


def test_a_bfd_check_with_its_session(load: Any) -> None:
    loaded = load(PEER % "" + FOLLOWS % "name peer")
    assert not loaded.fatal and loaded.exit_status() == 0
    (check,) = loaded.settings.lvs.virtual[0].reals[0].checks
    assert check.probe == BfdProbe("peer") and check.alpha


@pytest.mark.parametrize(("text", "words"), [
    (PEER % "" + FOLLOWS % "name peer", "the BFD_CHECK of 192.0.2.21 80 goes by bfd_instance peer"),
    (PEER % "" + INSTANCE, "V: track_bfd goes by bfd_instance peer"),
])
def test_without_bfd_nothing_can_go_by_a_session(load: Any, text: str, words: str) -> None:
    loaded = load(text, Host(bfd=False))
    (found,) = of(loaded, Code.SESSION_ABSENT)
    assert found.message == f"{words}, and -B (--no_bfd) wants no BFD"
    assert loaded.fatal and marked(loaded, found) == "peer"
    assert not load(text, Host()).fatal


def test_without_bfd_a_session_that_nobody_goes_by_is_no_mistake(load: Any) -> None:
    assert not load(PEER % "" + INSTANCE.replace("peer", "").replace("track_bfd {", "track_script {"),
                    Host(bfd=False)).fatal


@pytest.mark.parametrize(("words", "wanted"), [([], True), (["-B"], False), (["--no_bfd"], False)])
def test_the_command_line_says_whether_there_is_bfd(load: Any, words: list[str], wanted: bool) -> None:
    arguments = hakeepd.parse(words)
    assert hakeepd._host(arguments).bfd is wanted
    assert hakeepd._options(arguments, load(PEER % "").settings, None, Witness()).bfd is wanted


def test_config_test_with_no_bfd(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "hakeep.conf"
    path.write_text(PEER % "" + FOLLOWS % "name peer")
    assert hakeepd.main(["-t", "-f", str(path)]) == 0
    assert hakeepd.main(["-B", "-t", "-f", str(path)]) == 5
    assert "-B (--no_bfd)" in capsys.readouterr().err
