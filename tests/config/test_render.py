"""Diagnostics as text: golden, so that a change of their look is seen."""

from __future__ import annotations

import json
from textwrap import dedent
from typing import Any

import pytest

from hakeep.config.diagnostic import Code, Diagnostic, Severity, Verdict, exit_status
from hakeep.config.render import render, render_all, render_json, summary
from hakeep.config.span import Span, Via

CONF = """\
global_defs {
\trouter_idd x
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 256
    virtual_ipaddress {
        10.0.0.1/24 dev
    }
}
vrrp_instance VI_1 {
}
"""

GOLDEN = """\
error[HK101]: unknown keyword 'router_idd' in global_defs
 --> main.conf:2:2
  |
2 | \trouter_idd x
  | \t^^^^^^^^^^
  = fix: did you mean router_id?
error[HK202]: virtual_router_id: 256 is outside 1..255
 --> main.conf:6:23
  |
6 |     virtual_router_id 256
  |                       ^^^
  = note: usage: virtual_router_id VRID (1..255)
error[HK109]: vrrp_instance VI_1 is defined twice
  --> main.conf:11:15
   |
11 | vrrp_instance VI_1 {
   |               ^^^^
  ::: main.conf:4:15 (first defined here)
   |
 4 | vrrp_instance VI_1 {
   |               ----
   = note: the second one is left out
"""


def test_the_long_form(load: Any) -> None:
    loaded = load(CONF)
    shown = [d for d in loaded.diagnostics if d.code is not Code.BAD_ENTRY and d.code is not Code.NO_VIP]
    assert "\n".join(render(d, loaded.sources) for d in shown) + "\n" == GOLDEN


def test_the_concise_form(load: Any) -> None:
    loaded = load(CONF)
    assert render(loaded.diagnostics[0], loaded.sources, concise=True) == (
        "main.conf:2:2: error: unknown keyword 'router_idd' in global_defs [HK101]")


def test_the_way_to_a_word(desk: Any) -> None:
    desk.files["more.conf"] = "$ID=x\n\nvirtual_router_id $ID\n"
    loaded = desk.load("vrrp_instance A {\n  include more.conf\n}\n")
    diagnostic = next(d for d in loaded.diagnostics if d.code is Code.BAD_NUMBER)
    assert render(diagnostic, loaded.sources) == dedent("""\
        error[HK201]: virtual_router_id: 'x' is not a whole number
         --> more.conf:3:19
          |
        3 | virtual_router_id $ID
          |                   ^^^
          = with $ID as defined at more.conf:1
          = included from main.conf:2
          = note: usage: virtual_router_id VRID (1..255)""")


def test_colors(load: Any) -> None:
    loaded = load(CONF)
    colored = render(loaded.diagnostics[0], loaded.sources, color=True)
    assert "\x1b[1;31merror[HK101]\x1b[0m" in colored
    plain = "".join(part.partition("m")[2] if n else part for n, part in enumerate(colored.split("\x1b[")))
    assert plain == render(loaded.diagnostics[0], loaded.sources)


def test_a_place_without_text_and_no_place() -> None:
    span = Span("gone.conf", 7, 3, 2, (Via("included from", "main.conf", 1),))
    diagnostic = Diagnostic(Code.UNKNOWN_KEYWORD, Severity.WARNING, "m", span, note="one\ntwo")
    assert render(diagnostic, {}) == (
        "warning[HK101]: m\n --> gone.conf:7:3\n  = included from main.conf:1\n  = note: one\n  = note: two")
    assert render(Diagnostic(Code.FILE_MISSING, Severity.ERROR, "gone"), {}) == "error[HK001]: gone"
    assert render(Diagnostic(Code.FILE_MISSING, Severity.ERROR, "gone"), {}, concise=True) == "error: gone [HK001]"


def test_wide_and_wild_characters() -> None:
    source = "键 \x1b[31m值\n"
    shown = render(Diagnostic(Code.BAD_WORD, Severity.ERROR, "m\x07", Span("f", 1, 3, 6)), {"f": source})
    assert shown == "error[HK203]: m?\n --> f:1:3\n  |\n1 | 键 ?[31m值\n  |    ^^^^^^^"


def test_long_lines_are_shown_around_the_mark() -> None:
    source = "x" * 500 + " bad " + "y" * 500
    shown = render(Diagnostic(Code.BAD_WORD, Severity.ERROR, "m", Span("f", 1, 502, 3)), {"f": source})
    line, marks = shown.splitlines()[-2:]
    assert line[marks.index("^") :].startswith("bad")
    assert len(line) < 200


def test_json_lines(load: Any) -> None:
    loaded = load(CONF)
    lines = render_json(loaded.diagnostics, "main.conf").splitlines()
    assert len(lines) == len(loaded.diagnostics)
    first = json.loads(lines[0])
    assert first == {
        "code": "HK101", "severity": "error", "message": "unknown keyword 'router_idd' in global_defs",
        "keepalived_class": "unknown_keyword", "stops": False, "file": "main.conf", "line": 2, "column": 2,
        "length": 10, "fix": "did you mean router_id?",
    }
    assert json.loads(lines[-1])["also"] == {
        "file": "main.conf", "line": 4, "column": 15, "label": "first defined here"}


def test_all_of_them_up_to_a_limit(load: Any) -> None:
    loaded = load("nonsense 1\n" * 5)
    whole = [render(each, loaded.sources) for each in loaded.diagnostics]
    assert list(render_all(loaded.diagnostics, loaded.sources)) == whole
    assert list(render_all(loaded.diagnostics, loaded.sources, most=5)) == whole
    assert list(render_all(loaded.diagnostics, loaded.sources, most=3)) == [*whole[:3], "and 2 more: 2 errors"]


def test_summary() -> None:
    def one(severity: Severity) -> Diagnostic:
        return Diagnostic(Code.UNUSED, severity, "")

    assert summary([]) == "no problems found"
    assert summary([one(Severity.ERROR)] * 2 + [one(Severity.WARNING)]) == "2 errors, 1 warning"


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ([], 0),
        ([Verdict.OK], 0),
        ([Verdict.FILE_NOT_FOUND], 4),
        ([Verdict.BAD_INTERFACE], 4),
        ([Verdict.FATAL], 4),
        ([Verdict.FATAL, Verdict.UNKNOWN_KEYWORD], 5),
        ([Verdict.GENERAL], 5),
        ([Verdict.DEPRECATED, Verdict.BAD_INTERFACE], 5),
        ([Verdict.SECURITY, Verdict.GENERAL], 6),
        ([Verdict.INCLUDE], 6),
        ([Verdict.MISSING_PARAMETER, Verdict.SECURITY], 2),
    ],
)
def test_exit_status(verdicts: list[Verdict], status: int) -> None:
    assert exit_status(Diagnostic(Code.UNUSED, Severity.ERROR, "", verdict=v) for v in verdicts) == status


def test_codes_are_unique() -> None:
    assert len({code.value for code in Code}) == len(Code)
    assert all(code.value[:2] == "HK" and code.value[2:].isdecimal() and len(code.value) == 5 for code in Code)
