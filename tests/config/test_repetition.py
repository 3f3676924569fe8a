"""Sequences in a hurry: what is worked out once gives the same lines, what is known beforehand is never too much."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hakeep.config import reader, repetition
from hakeep.config.definitions import Surroundings
from hakeep.config.diagnostic import Code
from hakeep.config.extent import Extent, extent
from hakeep.config.includes import Opened
from hakeep.config.reader import Reader
from tests.effort import tries

PIECES = (
    "foo", "a-b 100%", "%s", "$I", "${I}", "x${J}y", "$J", "$A", "${B}", "$C", "$D", "$NONE", '"q $I"', "$I-", "{", "}",
    "# gone", "\\#", "é", "instance", "include none", "@here", "@other", "$A=", "$I=7", "${_RANDOM}", "~SEQ(J, 1, 3)",
    "~SEQ(I, 18, 1)", "~SEQx(J, 0, 30)", "~SEQ(J, $I)", "~LST(J, p, q$I, r)", "~SEQ(A, 1, 2)",
)
texts = st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map(" ".join)
definitions = st.lists(st.tuples(st.sampled_from("ABCD"), st.lists(texts, min_size=1, max_size=3)), max_size=4)
heads = st.sampled_from(("~SEQ(I, 1, 20) ", "~SEQ(I, 98, 120) ~SEQ(J, 7, 12) ", "~SEQ(J, 2) ~SEQx(I, 20, 1) ", ""))


def program(made: list[tuple[str, list[str]]], lines: list[tuple[str, str]]) -> str:
    return "".join(f"${name}= {f' {chr(92)}{chr(10)} '.join(each)}\n" for name, each in made) + "".join(
        f"{head}{rest}\n" for head, rest in lines)


def read(text: str) -> Reader:
    made = Reader(lambda pattern, folder: Opened(), Surroundings("here", seed=1))
    made.lines = made.read("main.conf", "/", text)  # type: ignore[attr-defined]
    return made


def told(made: Any) -> list[Any]:
    return [(line.text, line.words, line.reported, line.span(), line.span(0), line.span(1)) for line in made.lines]


@pytest.mark.thorough
@settings(max_examples=tries(400), deadline=None, suppress_health_check=list(HealthCheck))
@given(definitions, st.lists(st.tuples(heads, texts), min_size=1, max_size=3))
def test_what_is_worked_out_once_gives_the_same_lines(
    made: list[tuple[str, list[str]]], lines: list[tuple[str, str]]
) -> None:
    text = program(made, lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "LINES_LIMIT", 20_000)
        quick = read(text)
        patch.setattr(repetition, "FEW", 1 << 60)
        slow = read(text)
    if Code.TOO_MUCH not in [d.code for d in (*quick.diagnostics, *slow.diagnostics)]:
        assert told(quick) == told(slow)
        assert quick.diagnostics == slow.diagnostics


@settings(max_examples=tries(400), deadline=None, suppress_health_check=list(HealthCheck))
@given(definitions, st.tuples(heads, texts))
def test_no_more_is_known_beforehand_than_there_is(made: list[tuple[str, list[str]]], line: tuple[str, str]) -> None:
    text = program(made, [])
    before = read(text)
    known = extent("".join(line).strip(), before._definitions, reader.NESTING_LIMIT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reader, "_foresee", lambda self, text: None)
        patch.setattr(reader, "LINES_LIMIT", 20_000)
        done = read(text + "".join(line))
    if Code.TOO_MUCH not in [d.code for d in done.diagnostics]:
        assert known.derived <= done._derived
        assert known.lines <= len(done.lines)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("text", "expected"), [
    ("~SEQ(I, 10) a $I", Extent(10, 10)),
    ("~SEQ(I, 10) ~SEQ(J, 0, 4) a $I $J", Extent(60, 50)),
    ("~LST(I, a, b) x", Extent(2, 2)),
    ("~SEQ(I, 3) $SEQ", Extent(15, 12)),
    ("~SEQ(I, 3) $LINES", Extent(9, 6)),
    ("$DOUBLE", Extent(6, 4)),
    ("~SEQ(I, 3) ~SEQ(J, $I) a", Extent()),
    ("~SEQ(I, 10) $NONE", Extent(10, 0)),
    ("~SEQ(I, 10) include x", Extent(10, 0)),
    ("~SEQ(I, 10) @here x", Extent()),
    ("~SEQ(I, 10) x { y", Extent(1, 1)),
    ("~SEQ(LINES, 10) $LINES", Extent(10, 0)),
    ("$SELF", Extent()),
])
def test_what_is_known_beforehand(text: str, expected: Extent) -> None:
    made = read(
        "$SEQ=~SEQ(J, 4) b $J\n$LINES= \\\n a \\\n b $I\n$DOUBLE= \\\n $TWO \\\n $TWO\n$TWO= \\\n c \\\n d\n"
        "$SELF=$SELF\n")
    assert extent(text, made._definitions, 100) == expected
