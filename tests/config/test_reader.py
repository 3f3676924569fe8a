"""Lines out of files: physical lines, includes, conditions, definitions, sequences (grammar sections 1, 4, 5)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakeep.config.definitions import Dice, Surroundings
from hakeep.config.diagnostic import Code, Severity, Verdict
from hakeep.config.includes import CHECKS, Opened, checks_after
from hakeep.config.reader import Reader
from tests.effort import tries


def codes(desk: Any) -> list[Code]:
    return [diagnostic.code for diagnostic in desk.reader.diagnostics]


# -------------------------------------------------------------------------------------------------- physical lines


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b\n\n  c\t\n", [["a", "b"], ["c"]]),
        ("a\r\nb\r\n", [["a"], ["b"]]),
        ("\ufeffa b", [["a", "b"]]),
        ("# x\n! y\na # z", [["a"]]),
        ("no newline at the end", [["no", "newline", "at", "the", "end"]]),
        ("a { b c }", [["a"], ["{"], ["b", "c"], ["}"]]),
        ("a\n{\nb }} c", [["a"], ["{"], ["b"], ["}"], ["}"], ["c"]]),
        ("a{", [["a"], ["{"]]),
        ("a {\nb\n}", [["a"], ["{"], ["b"], ["}"]]),
        ('a "x { y" z', [["a", "x { y", "z"]]),
        ("ä ö", [["ä", "ö"]]),
    ],
)
def test_lines(desk: Any, text: str, expected: list[list[str]]) -> None:
    assert desk.words(text) == expected
    assert codes(desk) == []


def test_a_line_of_1024_bytes_is_dropped(desk: Any) -> None:
    fits, too_long = "a " + "x" * 1021, "b " + "x" * 1022
    assert [words[0] for words in desk.words(f"{fits}\n{too_long}\nc")] == ["a", "c"]
    assert codes(desk) == [Code.LINE_TOO_LONG]


def test_bytes_count_not_characters(desk: Any) -> None:
    assert desk.words("é" * 512) == []
    assert codes(desk) == [Code.LINE_TOO_LONG]


def test_a_line_with_a_nul_byte_is_dropped(desk: Any) -> None:
    assert desk.words("a\0b\nc") == [["c"]]
    assert codes(desk) == [Code.NUL_BYTE]


def test_an_open_quote_is_marked_on_the_line(desk: Any) -> None:
    (line,) = desk.lines('key "value')
    assert line.words == ["key"]
    assert line.open_quote == 4


# ------------------------------------------------------------------------------------------------------------ places


def test_a_word_knows_its_place(desk: Any) -> None:
    line = desk.lines("x\n   key  value { }")[1]
    span = line.span(1)
    assert (span.file, span.line, span.column, span.length) == ("main.conf", 2, 9, 5)
    assert str(span) == "main.conf:2:9"


def test_a_replaced_word_points_to_its_use_and_its_definition(desk: Any) -> None:
    (line,) = desk.lines("$VIP=10.0.0.1\n  key ${VIP}/24 after")
    assert line.words == ["key", "10.0.0.1/24", "after"]
    span = line.span(1)
    assert (span.line, span.column, span.length) == (2, 7, len("${VIP}/24"))
    assert [(via.line, "$VIP" in via.how) for via in span.via] == [(1, True)]
    assert (line.span(2).column, line.span(2).length) == (17, 5)


def test_lines_of_a_long_definition_point_into_it(desk: Any) -> None:
    lines = desk.lines("$M= \\\n a b \\\n c d\n$M")
    assert (lines[1].span(1).line, lines[1].span(1).column) == (3, 4)
    assert [(via.line, "$M" in via.how) for via in lines[1].span(1).via] == [(4, True)]


def test_an_included_line_points_to_the_include(desk: Any) -> None:
    desk.files["more.conf"] = "\nx y"
    (line,) = desk.lines("include more.conf")
    assert (line.span(1).file, line.span(1).line) == ("more.conf", 2)
    assert [(via.how, via.file, via.line) for via in line.span(1).via] == [("included from", "main.conf", 1)]


# ---------------------------------------------------------------------------------------------------------- includes


def test_includes_may_stand_anywhere_and_nest(desk: Any) -> None:
    desk.files = {"a.conf": "in-a\ninclude b.conf", "b.conf": "in-b }"}
    assert desk.words("block {\ninclude a.conf\nlast") == [["block"], ["{"], ["in-a"], ["in-b"], ["}"], ["last"]]


def test_the_rest_of_the_line_is_the_pattern(desk: Any) -> None:
    desk.files = {"with blank.conf": "x"}
    assert desk.words("include with blank.conf # comment") == [["x"]]
    assert desk.words('include "with blank.conf"') == []


def test_an_include_on_the_line_of_a_block(desk: Any) -> None:
    desk.files = {"a.conf": "x"}
    assert desk.words("b { include a.conf }") == [["b"], ["{"], ["x"], ["}"]]


@pytest.mark.parametrize(
    ("keyword", "checks", "verdict"),
    [
        ("include", frozenset(), Verdict.OK),
        ("includer", frozenset(), Verdict.OK),
        ("includem", frozenset(), Verdict.INCLUDE),
        ("includea", frozenset(), Verdict.INCLUDE),
        ("include", CHECKS, Verdict.INCLUDE),
    ],
)
def test_a_failed_include_counts_if_its_class_is_enabled(
    desk: Any, keyword: str, checks: frozenset[str], verdict: Verdict
) -> None:
    desk.checks = checks
    assert desk.words(f"{keyword} nothing.conf\nx") == [["x"]]
    (diagnostic,) = desk.reader.diagnostics
    assert (diagnostic.code, diagnostic.verdict, diagnostic.stops) == (
        Code.INCLUDE_FAILED, verdict, verdict is Verdict.INCLUDE)


def test_include_check_enables_classes_for_later_includes(desk: Any) -> None:
    desk.words("include a\nglobal_defs {\ninclude_check match\n}\ninclude b")
    assert [diagnostic.verdict for diagnostic in desk.reader.diagnostics] == [Verdict.OK, Verdict.INCLUDE]


@pytest.mark.parametrize(
    ("before", "words", "after"),
    [
        ((), [], CHECKS),
        ((), ["match"], {"read", "match"}),
        (("read", "match"), ["-match"], {"read"}),
        (("read",), ["+brace_match"], {"read", "brace_match"}),
        (("match",), ["wildcard_match", "-read"], {"wildcard_match"}),
        (("match",), ["nonsense"], {"match"}),
    ],
)
def test_include_check_words(before: tuple[str, ...], words: list[str], after: set[str]) -> None:
    assert checks_after(frozenset(before), words) == after


def test_files_nest_only_so_deep(desk: Any) -> None:
    desk.files = {f"{n}.conf": f"~SEQ(i, 1) ~SEQ(j, 1) include {n + 1}.conf" for n in range(200)}
    desk.files["200.conf"] = "end"
    assert desk.words("include 0.conf") == []
    assert len(codes(desk)) == 1


def test_a_file_that_includes_itself_is_an_error(desk: Any) -> None:
    desk.files = {"a.conf": "x\ninclude a.conf\ny"}
    assert desk.words("include a.conf") == [["x"], ["y"]]
    assert codes(desk) == [Code.INCLUDE_CYCLE]


# -------------------------------------------------------------------------------------------------------- conditions


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@here a", [["a"]]),
        ("@there a", []),
        ("@^here a", []),
        ("@^there a", [["a"]]),
        ("@her a", []),
        ("@here", []),
        ("@there block {", []),
        ("@here block {", [["block"], ["{"]]),
        ("@here @there a", []),
        ("@here @^there a", [["a"]]),
        ("$C=@here\n$C a", [["a"]]),
        ("@there $X=1\n@here $X=2\n$X", [["2"]]),
    ],
)
def test_conditions(desk: Any, text: str, expected: list[list[str]]) -> None:
    assert desk.words(text) == expected


# ------------------------------------------------------------------------------------------------------- definitions


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$A=1\n$A", [["1"]]),
        ("  $A=  two words\n$A x", [["two", "words", "x"]]),
        ("$A=1\n$A=2\n$A", [["2"]]),
        ("$A=1\nx$A $A,$A)", [["x1", "1,1)"]]),
        ("$A=1\n$A.2 $A-3 $A/4 $A]", [["$A.2", "$A-3", "$A/4", "$A]"]]),
        ("$A=1\nx${A}y ${A}.2", [["x1y", "1.2"]]),
        ('$A=1\n"x ${A} # y"', [["x 1 # y"]]),
        ("$A=$B\n$B=2\n$A", [["2"]]),
        ("$A = 1", [["$A", "=", "1"]]),
        ("$1=2", [["$1=2"]]),
        ("$A=\nx${A}y", [["xy"]]),
        ("$A=b {\na $A\n}", [["a", "b"], ["{"], ["}"]]),
        ("$A=x # comment\n$A", [["x"]]),
        ("$I=include\nb", [["b"]]),
        ("a ${_HASH} b", [["a"]]),
        ('a "${_HASH} b"', [["a", "# b"]]),
        ("a${_BANG}b", [["a"]]),
        (r"$A=\#" + "\n$A", [["#"]]),
        ("${_PWD}", [["/etc/hakeep"]]),
        ("instance web\nx${_INSTANCE}y", [["instance", "web"], ["xweby"]]),
        ("x${_INSTANCE}y", [["xy"]]),
        ("$_HASH=own\n${_HASH}", [["own"]]),
    ],
)
def test_definitions(desk: Any, text: str, expected: list[list[str]]) -> None:
    assert desk.words(text) == expected


def test_the_environment(desk: Any) -> None:
    desk.environment = {"WHO": "me"}
    assert desk.words("a ${_ENV WHO} b${_ENV NOBODY}c ${_ENV}") == [["a", "me", "bc"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$M= \\\n a b \\\n c\n$M\nd", [["a", "b"], ["c"], ["d"]]),
        ("$M=x \\\n y\npre $M", [["pre", "x"], ["y"]]),
        ("$M= \\\n @here a \\\n @there b\n$M", [["a"]]),
        ("$M= \\\n $Q=5 \\\n x$Q\n$M", [["x5"]]),
        ("$M= \\\n a { \\\n b }\n$M", [["a"], ["{"], ["b"], ["}"]]),
        ("$M= \\ # comment\n a \\ # another\n b\n$M", [["a"], ["b"]]),
        ("$M= \\\n a \\\n# b \\\n c\n$M", [["a"], ["c"]]),
        ("$M= \\\n a \\\n\nb\n$M", [["b"], ["a"]]),
        ("$M= \\\n a", []),
        ("$I=eth0\n$M= \\\n x $I \\\n y $I\n$M", [["x", "eth0"], ["y", "eth0"]]),
        ("$N= \\\n c \\\n d\n$M= \\\n a \\\n $N \\\n b\n$M", [["a"], ["c"], ["d"], ["b"]]),
    ],
)
def test_definitions_of_several_lines(desk: Any, text: str, expected: list[list[str]]) -> None:
    assert desk.words(text) == expected
    assert codes(desk) == []


def test_nothing_may_follow_a_definition_of_several_lines(desk: Any) -> None:
    assert desk.words("$M= \\\n a \\\n b\n$M x\ny") == [["y"]]
    assert codes(desk) == [Code.DEFINITION]


@pytest.mark.parametrize(
    "text",
    ["$R=$R\n$R", "$A=$B\n$B=x$A\n$A", "$M= \\\n a \\\n $M\n$M", "$S=~SEQ(i, 2) $S\n$S"],
)
def test_a_definition_that_refers_to_itself_is_an_error(desk: Any, text: str) -> None:
    desk.words(text)
    assert set(codes(desk)) == {Code.SELF_REFERENCE}


def test_expansion_has_an_end(desk: Any) -> None:
    bomb = "$A0=ha\n" + "".join(f"$A{n}=$A{n - 1} $A{n - 1}\n" for n in range(1, 40))
    assert desk.words(bomb + "$A39\nend") == [["end"]]
    assert codes(desk) == [Code.TOO_MUCH]
    empty = "$A0=\n" + "".join(f"$A{n}=$A{n - 1} $A{n - 1}\n" for n in range(1, 40))
    desk.words(empty + "$A39")
    assert codes(desk) == [Code.TOO_MUCH]


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"$A{n}=$A{n + 1}\n" for n in range(3000)) + "$A0",
        "".join(f"$A{n}= \\\n x \\\n $A{n + 1}\n" for n in range(3000)) + "$A0",
        "$A0=~SEQ(i, 1)\n" + "".join(f"$A{n}=$A{n - 1} $A{n - 1}\n" for n in range(1, 12)) + "$A11 x",
        "~SEQ(i, 1) " * 90 + "x",
        "".join(f"$A{n}= \\\n ~SEQ(i, 1) $A{n + 1}\n" for n in range(3000)) + "$A0",
    ],
)
def test_nesting_has_an_end(desk: Any, text: str) -> None:
    assert desk.words(text + "\nend")[-1] == ["end"]
    assert set(codes(desk)) <= {Code.TOO_MUCH, Code.SELF_REFERENCE, Code.UNDEFINED}


def test_an_undefined_name_stays_and_is_noted(desk: Any) -> None:
    assert desk.words('a $X "b ${Y}" c') == [["a", "$X", "b ${Y}", "c"]]
    assert [diagnostic.severity for diagnostic in desk.reader.diagnostics] == [Severity.NOTE, Severity.NOTE]


def test_bare_braces_of_an_undefined_name_are_an_error_but_no_block(desk: Any) -> None:
    assert desk.words("a ${X} { b }") == [["a", "${X}"], ["{"], ["b"], ["}"]]
    (diagnostic,) = desk.reader.diagnostics
    assert (diagnostic.code, diagnostic.severity) == (Code.UNDEFINED, Severity.ERROR)


def test_random_numbers_come_from_the_seed(desk: Any) -> None:
    text = "random_seed 7\n" + "x${_RANDOM} " * 3 + "\n" + "y${_RANDOM 5 9} " * 20 + "\nz${_RANDOM 9 5}"
    first = desk.words(text)
    assert first == desk.words(text)
    assert all(0 <= int(word[1:]) <= 32767 for word in first[1])
    assert {int(word[1:]) for word in first[2]} == {5, 6, 7, 8, 9}
    assert first[3] == ["z9"]
    assert first[1] != desk.words("random_seed 8\n" + "x${_RANDOM} " * 3)[1]


def test_dice_are_even() -> None:
    dice = Dice(1)
    rolls = [dice.roll(1, 6) for _ in range(6000)]
    assert all(800 < rolls.count(face) < 1200 for face in range(1, 7))


# --------------------------------------------------------------------------------------------------------- sequences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~SEQ(x, 3) a$x", "a1 a2 a3"),
        ("~SEQ(x, -2) a$x", "a-1 a-2"),
        ("~SEQ(x, 0) a$x", "a1 a0"),
        ("~SEQ(x, 3, 1) a$x", "a3 a2 a1"),
        ("~SEQ(x, 1, 2, 6) a$x", "a1 a3 a5"),
        ("~SEQ(x, 0x10, 0x11) a$x", "a16 a17"),
        ("~SEQ(x, 010, 9) a$x", "a8 a9"),
        ("~SEQx(x, 9, 11) a${x}b", "a9b aab abb"),
        ("~LST(x, p, q) a$x", "ap aq"),
        ("~LST({x,y}, {1,2}, {3,4}, {5}) a${x}-${y}", "a1-2 a3-4 a5-"),
        ("~SEQ(i, 2) ~SEQ(j, 2) a${i}${j}", "a11 a12 a21 a22"),
        ("$N=2\n~SEQ(i, $N) a$i", "a1 a2"),
        ("~SEQ(i, 2) a$i\nb$i", "a1 a2 b2"),
        ("$i=7\n~SEQ(i, 2) a$i", "a1 a2"),
        ("@here ~SEQ(i, 2) a$i", "a1 a2"),
        ("$S=~SEQ(i, 2)\n$S a$i", "a1 a2"),
        ("$M= \\\n a$i \\\n b$i\n$S=~SEQ(i, 2) $M\n$S", "a1 b1 a2 b2"),
        ("~FOO(i, 2) x", "~FOO(i, 2) x"),
    ],
)
def test_sequences(desk: Any, text: str, expected: str) -> None:
    assert " ".join(word for words in desk.words(text) for word in words) == expected
    assert codes(desk) == []


@pytest.mark.parametrize(
    "text",
    ["~SEQ(x, 1, -2, 6) a", "~SEQ(x, 1, 0, 6) a", "~SEQ(x) a", "~SEQ(x, 2 a", "~SEQ(1, 2) a", "~SEQ(x, one) a",
     "~LST({a,b}, {1,2,3}) x", "~LST(x, a b) y"],
)
def test_bad_sequences(desk: Any, text: str) -> None:
    assert desk.words(f"{text}\nend") == [["end"]]
    assert codes(desk) == [Code.SEQUENCE]


@pytest.mark.parametrize(
    "text",
    [
        "~SEQ(x, 1000000000) a",
        "~SEQ(x, 100000) ~SEQ(y, 100000) a $x $y",
        "~SEQ(x, 1000000000) @nobody a",
        "~SEQ(x, 1000000000) a { }",
        "$A0= \\\n x \\\n y\n" + "".join(f"$A{n}= \\\n $A{n - 1} \\\n $A{n - 1}\n" for n in range(1, 60)) + "$A59",
        "$A=" + "x" * 900 + "\n$B=${A}${A}${A}${A}${A}${A}${A}${A}\n~SEQ(x, 1000000) $B",
    ],
)
def test_bombs_have_an_end(desk: Any, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hakeep.config.reader.LINES_LIMIT", 20_000)
    monkeypatch.setattr("hakeep.config.reader.LETTERS_LIMIT", 4 << 20)
    assert desk.words(f"first\n{text}\nend") == []
    assert codes(desk) == [Code.TOO_MUCH]
    assert desk.reader.diagnostics[0].stops


@pytest.mark.thorough
def test_a_million_lines_are_not_too_many(desk: Any) -> None:
    assert len(desk.lines("~SEQ(x, 300000) a $x")) == 300_000
    assert codes(desk) == []


# ------------------------------------------------------------------------------------------ spans survive all of it

#: Text with one word BAD in what comes of it; where that is written (line, column), and the lines by which it came.
WAYS = [
    ("x BAD", (1, 3), []),
    ("$A=BAD\nx $A", (2, 3), [1]),
    ("$A=BAD\nx ${A}", (2, 3), [1]),
    ("$B=BAD\n$A=$B\n  x $A y", (3, 5), [2]),
    ("$M= \\\n  a \\\n  x BAD\n$M", (3, 5), [4]),
    ("$M= \\\n  x BAD \\\n  b\n$M", (2, 5), [4]),
    ("$B=BAD\n$M= \\\n  a \\\n  x $B\n$M", (4, 5), [1, 5]),
    ("$N= \\\n  c \\\n  x BAD\n$M= \\\n  a \\\n  $N\n$M", (3, 5), [6, 7]),
    ("~LST(v, good, BAD) x $v", (1, 22), []),
    ("~SEQ(i, 1, 2) ~LST(v, BAD) x $v", (1, 30), []),
    ("$S=~LST(v, BAD)\n$S x $v", (2, 6), [1]),
    ("@here x BAD", (1, 9), []),
    ("$M= \\\n  a \\\n  @here x BAD\n$M", (3, 11), [4]),
    ("\tx { y BAD }", (1, 8), []),
    ("include inner", (1, 3), [1]),
    ("$I=inner\ninclude $I", (1, 3), [2, 1]),
    ("$V=BAD\ninclude using", (2, 5), [1, 2]),
    ("~SEQ(i, 1, 1) include inner", (1, 3), [1]),
    ("\ufeffx BAD", (1, 3), []),
    ("x BAD\r\n", (1, 3), []),
    ('x "BAD"', (1, 3), []),
    ("\tx\t\tBAD # comment", (1, 5), []),
]


@pytest.mark.parametrize(("text", "place", "ways"), WAYS, ids=[text[:30] for text, _, _ in WAYS])
def test_every_word_knows_where_it_was_written(
    desk: Any, text: str, place: tuple[int, int], ways: list[int]
) -> None:
    desk.files = {"inner": "x BAD", "using": "\n  x $V"}
    found = [line.span(index) for line in desk.lines(text) for index, word in enumerate(line.words) if word == "BAD"]
    assert found
    for span in found:
        assert (span.line, span.column) == place
        assert [via.line for via in span.via] == ways


def test_a_name_that_is_not_replaced_is_pointed_at(desk: Any) -> None:
    assert desk.words("$DIR=/opt\nscript $DIR/x") == [["script", "$DIR/x"]]
    (diagnostic,) = desk.reader.diagnostics
    assert (diagnostic.code, diagnostic.severity, diagnostic.fix) == (
        Code.UNDEFINED, Severity.WARNING, "write ${DIR}")
    assert (diagnostic.span.line, diagnostic.span.column, diagnostic.span.length) == (2, 8, 4)


# ---------------------------------------------------------------------------------------------------------- anything

PIECES = ["$A=", "$A", "${A}", "${_ENV X}", "~SEQ(i,3)", "~SEQ(", "~LST({a,b},{1,2})", "@here", "@^here", "include ",
          "includea x", "{", "}", '"', "'", "\\", "\n", " ", "#", "\\\n", "$M= \\\n", "$A=$A", "key", "\0", "ä",
          "\ufeff", "instance", "random_seed 3", "include_check -match", ")", ","]


@settings(max_examples=tries(300), deadline=None)
@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=30).map("".join)))
def test_reading_never_fails(text: str) -> None:
    def open_file(pattern: str, folder: str) -> Opened:
        return Opened(((pattern, folder, "$A\nx {\ninclude x"),)) if pattern == "x" else Opened()

    reader = Reader(open_file, Surroundings("here", {"X": "$A"}))
    for line in reader.read("main", "/", text):
        for word in range(len(line.words) + 1):
            span = line.span(word)
            assert span.line >= 1 and span.column >= 1
        assert line.brace or line.words or line.open_quote >= 0


# ------------------------------------------------------------------------------------------- sequences: what is wrong


def test_a_sequence_without_parenthesis(desk: Any) -> None:
    desk.lines("~SEQ I 1 2 x\n~LSTx(A,1) y\n")
    assert [d.code for d in desk.reader.diagnostics] == [Code.SEQUENCE] * 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [("A,", ["y"]), ("A,1,", ["y1", "y"]), ("A,1,,2", ["y1", "y", "y2"]), ("{A,B},{1,2},", ["y1", "y"]),
     ("{A},1,2", ["y1", "y2"]), ("{A,B},1,{2,3}", ["y1", "y2"]), ("A", []), ("A{1,2}", []), ("{A,B}{1,2}", [])],
)
def test_every_place_of_a_list_counts(desk: Any, arguments: str, expected: list[str]) -> None:
    assert [line.text for line in desk.lines(f"~LST({arguments}) y$A")] == expected
    assert bool(desk.reader.diagnostics) == (not expected)


def test_a_sequence_does_not_repeat_a_block_that_goes_on(desk: Any) -> None:
    assert desk.words("~SEQ(I, 1, 3) a$I {\nb\n}") == [["a1"], ["{"], ["b"], ["}"]]
    (found,) = desk.reader.diagnostics
    assert (found.code, found.verdict) == (Code.SEQUENCE, Verdict.BRACES)
    assert len(desk.lines("~SEQ(I, 1, 3) a$I { b }")) == 12
    assert len(desk.lines("~SEQ(I, 1, 1) a$I {\n}")) == 3
    assert not desk.reader.diagnostics


def test_a_blank_before_the_sign_of_a_definition_is_told_once(desk: Any) -> None:
    loaded = desk.load("$B = 6\n")
    assert [d.code for d in loaded.diagnostics] == [Code.UNKNOWN_KEYWORD]
    assert loaded.diagnostics[0].fix == "write $B= 6"


def test_what_is_included_has_bounds(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hakeep.config.reader.FILES_LIMIT", 10)
    desk.files = {"a": "include none\n" * 3}
    assert desk.lines("include a\n" * 3) == []
    assert desk.reader.diagnostics[-1].code is Code.TOO_MUCH
    assert desk.reader.diagnostics[-1].stops
