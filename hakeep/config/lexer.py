"""The words of a line: comments, quotes, braces, and the second way of reading that script keywords have.

Two grammars live in one file format. Most lines are *general*: blanks separate words, a double quote ends a running
word and starts a quoted one, nothing is escaped inside it. Lines whose keyword takes a command are read *shell-like*:
both quote kinds group, adjacent pieces join, a backslash escapes. Comments and braces are found before anybody knows
which kind of line it is; there a backslash protects the next character, so that \\# and \\" are never misread.

Blanks are the ASCII ones only: a no-break space is part of a word, as in C.
"""

from __future__ import annotations

import re
from typing import NamedTuple

BLANKS = " \t\n\r\v\f"

#: Of a line: it ends in a backslash that protects nothing.
BACKSLASH = re.compile(r"(?<!\\)(?:\\\\)*\\\Z")

_GENERAL = re.compile(r'"([^"]*)"|"(.*)|([^ \t\n\r\v\f"]+)', re.DOTALL)
_NOTABLE = re.compile(r'\\.|["#!]', re.DOTALL)
_ENDS_WELL = re.compile(r"(?:\\.|[^\\])*", re.DOTALL)
_BRACE = re.compile(r'\\.|\$\{\w+[^{}"]*\}|\{\{[^{}"]*\}\}|\{%[^{}"]*%\}|["{}]', re.DOTALL)
_PROTECTED = re.compile(r"\\([#!])")

_ESCAPES = {"a": "\a", "b": "\b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_NUMERIC = re.compile(r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|c(.))", re.DOTALL)


class Word(NamedTuple):
    """A word and where it stands in the text of its line (`start` counts from 0; quotes are within start..end)."""

    text: str
    start: int
    end: int


class Unterminated(ValueError):
    """A quote that nothing ends. `start` is its place in the text."""

    def __init__(self, start: int) -> None:
        super().__init__("unterminated quote")
        self.start = start


def without_comment(text: str) -> str:
    """`text` up to an unprotected # or !, without trailing blanks. Escapes stay: reading words takes them away."""
    if "#" not in text and "!" not in text:
        return text.rstrip(BLANKS)
    quoted = False
    for match in _NOTABLE.finditer(text):
        found = match.group()
        if found == '"':
            quoted = not quoted
        elif not quoted and found in "#!":
            return text[: match.start()].rstrip(BLANKS)
    return text.rstrip(BLANKS)


def braces(text: str) -> list[int]:
    """Where the unquoted braces are. Those of an undefined ${NAME} are none, nor those of a template: {{ }}, {% %}."""
    found = []
    quoted = False
    for match in _BRACE.finditer(text):
        sign = match.group()
        if sign == '"':
            quoted = not quoted
        elif not quoted and sign in "{}":
            found.append(match.start())
    return found


def template_mark(text: str) -> tuple[int, int] | None:
    """Start and end of the first unquoted {{ mark }} or {% mark %} of a template."""
    if "{{" in text or "{%" in text:
        quoted = False
        for match in _BRACE.finditer(text):
            quoted ^= match.group() == '"'
            if not quoted and match.group()[:2] in ("{{", "{%"):
                return match.span()
    return None


def cut_at_brace(text: str) -> tuple[str, str, str, int]:
    """Cut at the first of those: (before, brace, after, where). No brace: (text, "", "", len(text))."""
    for position in braces(text):
        return text[:position], text[position], text[position + 1 :], position
    return text, "", "", len(text)


def general_words(text: str) -> tuple[list[Word], int]:
    """Words of a general line, and the place of an unterminated quote (-1: none), whose word is dropped."""
    words: list[Word] = []
    for match in _GENERAL.finditer(text):
        if match.lastindex == 2:
            return words, match.start()
        word = match.group(match.lastindex or 0)
        if match.lastindex == 3 and "\\" in word:
            word = _PROTECTED.sub(r"\1", word)
        words.append(Word(word, match.start(), match.end()))
    return words, -1


def shell_words(text: str) -> list[Word]:
    """Words of a script line. Raises `Unterminated`."""
    words: list[Word] = []
    position, end = 0, len(text)
    while True:
        while position < end and text[position] in BLANKS:
            position += 1
        if position == end:
            return words
        start = position
        pieces: list[str] = []
        while position < end and text[position] not in BLANKS:
            piece, position = _piece(text, position)
            pieces.append(piece)
        words.append(Word("".join(pieces), start, position))


def _piece(text: str, position: int) -> tuple[str, int]:
    """One quoted string, one escape or one plain character, and the place after it."""
    char = text[position]
    if char in "\"'":
        return _quoted(text, position)
    if char == "\\":
        return _escape(text, position)
    return char, position + 1


def _quoted(text: str, start: int) -> tuple[str, int]:
    quote, position = text[start], start + 1
    pieces: list[str] = []
    while position < len(text):
        char = text[position]
        if char == quote:
            return "".join(pieces), position + 1
        if char == "\\":
            piece, position = _escape(text, position)
            pieces.append(piece)
        else:
            pieces.append(char)
            position += 1
    raise Unterminated(start)


def _escape(text: str, position: int) -> tuple[str, int]:
    numeric = _NUMERIC.match(text, position)
    if numeric:
        octal, hexadecimal, control = numeric.groups()
        if control:
            return chr(ord(control.upper()) ^ 0x40 if control.isascii() else ord(control)), numeric.end()
        return chr(int(octal, 8) & 0xFF if octal else int(hexadecimal, 16)), numeric.end()
    if position + 1 == len(text):
        return "", position + 1
    char = text[position + 1]
    return _ESCAPES.get(char, char), position + 2


def quoted(word: str) -> str:
    """A word as a general line writes it: quoted when it is empty or holds a blank, a brace or a comment sign.

    A word with a double quote in it cannot be written in this grammar, nor one that needs quotes and whose last
    backslash would protect the second of them; ValueError.
    """
    if '"' in word:
        raise ValueError("a double quote cannot be part of a word")
    bare = word and not any(c in word for c in BLANKS + "{}#!$@~")
    if _ENDS_WELL.fullmatch(word):
        return word if bare and "\\" not in word else f'"{word}"'
    if not bare:
        raise ValueError("a backslash cannot be the end of a word that needs quotes")
    return word


def shell_quoted(word: str) -> str:
    """A word as a script line writes it, safe from the general stages too (comments, braces, definitions)."""
    if word and all(c.isalnum() or c in "/._-+=:,%" for c in word):
        return word
    return '"' + "".join(f"\\{ord(c):03o}" if c in '\\"$' or ord(c) < 32 else c for c in word) + '"'
