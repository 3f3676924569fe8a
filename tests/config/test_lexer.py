"""Words, quotes, comments and braces (grammar section 1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.config.lexer import (
    Unterminated,
    cut_at_brace,
    general_words,
    quoted,
    shell_quoted,
    shell_words,
    without_comment,
)


def words(text: str) -> list[str]:
    return [word.text for word in general_words(text)[0]]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a b # c", "a b"),
        ("a b ! c", "a b"),
        ("ab#c", "ab"),
        ('a "b # c" d # e', 'a "b # c" d'),
        ("a 'b # c'", "a 'b"),
        (r"a \# b # c", r"a \# b"),
        (r"a \! b", r"a \! b"),
        (r'script "a \" b # c \" d"', r'script "a \" b # c \" d"'),
        ("# all", ""),
        ("plain  ", "plain"),
    ],
)
def test_comments_begin_anywhere_but_in_double_quotes_and_after_a_backslash(text: str, left: str) -> None:
    assert without_comment(text) == left


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a  b\tc", ["a", "b", "c"]),
        ('x"a b"y', ["x", "a b", "y"]),
        ('a "" b', ["a", "", "b"]),
        ("it's 'a b'", ["it's", "'a", "b'"]),
        (r"a\b c\#d", [r"a\b", "c#d"]),
        (r'"a\#b"', [r"a\#b"]),
        ("a\u00a0b", ["a\u00a0b"]),
    ],
)
def test_general_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_an_unterminated_quote_drops_its_word_and_says_where() -> None:
    found, open_quote = general_words('un"term inated')
    assert [word.text for word in found] == ["un"]
    assert open_quote == 2


def test_words_know_their_place() -> None:
    found, _ = general_words('x"a b" c')
    assert [(word.start, word.end) for word in found] == [(0, 1), (1, 6), (7, 8)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('notify "/x y z" root', ["notify", "/x y z", "root"]),
        ("a'b c'd", ["ab cd"]),
        (r"a\ b", ["a b"]),
        (r'"q\"q"', ['q"q']),
        (r"\x41\101\t", ["AA\t"]),
        (r"\cA\E\q", ["\x01\x1bq"]),
        ("a ''", ["a", ""]),
    ],
)
def test_shell_words(text: str, expected: list[str]) -> None:
    assert [word.text for word in shell_words(text)] == expected


@pytest.mark.parametrize("text", ["a 'b", 'a "b', r'"a\"'])
def test_an_unterminated_shell_quote_is_refused(text: str) -> None:
    with pytest.raises(Unterminated) as caught:
        shell_words(text)
    assert text[caught.value.start] in "\"'"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a { b", ("a ", "{", " b", 2)),
        ("a}b", ("a", "}", "b", 1)),
        ('a "{" b', ('a "{" b', "", "", 7)),
        (r'"a \" {" b', (r'"a \" {" b', "", "", 10)),
        ("a ${X} {", ("a ${X} ", "{", "", 7)),
    ],
)
def test_lines_are_cut_at_unquoted_braces(text: str, expected: tuple[str, str, str, int]) -> None:
    assert cut_at_brace(text) == expected


@given(st.text(st.characters(blacklist_characters='"\n\r\0', blacklist_categories=["Cs"])))
def test_a_quoted_word_is_read_back(word: str) -> None:
    try:
        text = quoted(word)
    except ValueError:  # blanks and a backslash at its end
        assert word.endswith("\\")
        return
    assert words(text) == [word]
    assert without_comment(f'{text} "#"') == f'{text} "#"'


def test_a_backslash_at_the_end_does_not_protect_the_quote() -> None:
    assert quoted("a\\") == "a\\"
    assert quoted("a b\\\\") == '"a b\\\\"'
    with pytest.raises(ValueError, match="backslash"):
        quoted("a b\\")


def test_a_double_quote_cannot_be_written_in_a_word() -> None:
    with pytest.raises(ValueError, match="double quote"):
        quoted('a"b')


@given(st.text(st.characters(blacklist_categories=["Cs"])))
def test_a_shell_quoted_word_is_read_back(word: str) -> None:
    text = shell_quoted(word)
    assert [found.text for found in shell_words(text)] == [word]
    assert without_comment(text) == text.rstrip()
    assert cut_at_brace(text)[1] == ""


@given(st.text())
def test_lexing_never_fails_otherwise(text: str) -> None:
    general_words(text)
    cut_at_brace(text)
    without_comment(text)
    try:
        shell_words(text)
    except Unterminated as problem:
        assert 0 <= problem.start < len(text)
