"""regex: PCRE2's options on the regex package, within its time."""

from __future__ import annotations

import time

import pytest
import trio

from hakeep.config.settled_lvs import Pattern
from hakeep.lvs import patterns
from hakeep.lvs.checkers import pattern
from hakeep.lvs.checkers.attempt import Failure

pytest.importorskip("regex")

BODY = b"first line\nSecond LINE \xc3\xa4\nthird\n"


@pytest.mark.parametrize(("wanted", "there"), [
    (Pattern("Second"), True),
    (Pattern("second"), False),
    (Pattern("second", ("caseless",)), True),
    (Pattern("line.Second"), False),
    (Pattern("line.Second", ("dotall",)), True),
    (Pattern("^third"), False),
    (Pattern("^third", ("multiline",)), True),
    (Pattern("th ird"), False),
    (Pattern("th ird # comment", ("extended",)), True),
    (Pattern("Second", ("firstline",)), False),
    (Pattern("line", ("firstline",)), True),
    (Pattern("LINE .\n"), False),  # two bytes
    (Pattern("LINE .\n", ("utf",)), True),  # one character
    (Pattern("LINE \\w\n", ("utf",)), False),
    (Pattern("LINE \\w\n", ("utf", "ucp")), True),
    (Pattern("line", earliest=7), False),
    (Pattern("line", earliest=6), True),
    (Pattern("LINE", latest=17), False),
    (Pattern("LINE", latest=18), True),
    (Pattern("third", ("utf",), earliest=26, latest=26), True),
    (Pattern("x", earliest=1000), False),
    (Pattern("(?<name>th)(?<name>ird)", ("dupnames", "no_auto_possess")), True),
    (Pattern("(?i:SECOND) line", ("CASELESS",)), True),
    (Pattern("t(?=hird)", ("never_utf",)), True),
])
def test_search(wanted: Pattern, there: bool) -> None:
    assert patterns.unsupported(wanted) == ""
    assert pattern.search(wanted, BODY, 1.0) is there


@pytest.mark.parametrize(("wanted", "word"), [
    (Pattern("a+", ("ungreedy",)), "ungreedy"),
    (Pattern("a$", ("dollar_endonly",)), "dollar_endonly"),
    (Pattern("(a)\\1", ("no_auto_capture",)), "no_auto_capture"),
    (Pattern("[]", ("allow_empty_class",)), "allow_empty_class"),
    (Pattern("a", ("whatever",)), "whatever"),
    (Pattern("(a"), "cannot be understood"),
    (Pattern("a(?<x"), "cannot be understood"),
    (Pattern("(" * 5000), "cannot be understood"),
])
def test_unsupported(wanted: Pattern, word: str) -> None:
    assert word in patterns.unsupported(wanted)


@pytest.mark.parametrize("option", [
    "allow_empty_class", "alt_bsux", "auto_callout", "caseless", "dollar_endonly", "dotall", "dupnames", "extended",
    "firstline", "match_unset_backref", "multiline", "never_ucp", "never_utf", "no_auto_capture", "no_auto_possess",
    "no_dotstar_anchor", "no_start_optimize", "ucp", "ungreedy", "utf", "never_backslash_c", "alt_circumflex",
    "alt_verbnames", "use_offset_limit"])
def test_every_option_of_keepalived_is_known(option: str) -> None:
    assert patterns.unsupported(Pattern("word", (option,))) == ""


@pytest.mark.trio
async def test_absent() -> None:
    await pattern.judge(Pattern("zzz", absent=True), BODY)
    with pytest.raises(Failure, match="matches"):
        await pattern.judge(Pattern("first", absent=True), BODY)


@pytest.mark.trio
async def test_bad_utf8_is_a_failure() -> None:
    with pytest.raises(Failure, match="not UTF-8"):
        await pattern.judge(Pattern("x", ("utf",)), b"x\xff")


@pytest.mark.trio
async def test_an_expression_that_would_take_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails in time, and holds up nobody meanwhile."""
    monkeypatch.setattr(pattern, "ALTOGETHER", 0.3)
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await trio.sleep(0.01)
            beats += 1

    began = time.monotonic()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(beat)
        with pytest.raises(Failure, match="took longer than"):
            await pattern.judge(Pattern("(x+x+)+y"), b"x" * 3000)
        nursery.cancel_scope.cancel()
    assert 0.3 <= time.monotonic() - began < 2
    assert beats >= 3
