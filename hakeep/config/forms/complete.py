"""What an editor wants to know about a place in a configuration: what may be written there, and what the word means.

Pure functions of the text as it is being typed, so nothing here needs it to be right. Lines and columns count from 0;
columns are characters. Includes are not followed and sequences not unrolled: that would cost more than it gives.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from hakeep.config.forms.man import entry
from hakeep.config.forms.page import Code
from hakeep.config.keywords.static import ROOT
from hakeep.config.lexer import BLANKS, cut_at_brace, general_words, without_comment
from hakeep.config.schema import Block, Entries, Keyword
from hakeep.config.values.value import Value

#: Where names of blocks are used: BLOCK/KEYWORD or KEYWORD -> the blocks that define them.
NAMED_BY = {
    "track_script": ("vrrp_script",), "track_process": ("vrrp_track_process",), "track_bfd": ("bfd_instance",),
    "track_file": ("track_file", "vrrp_track_file"), "group": ("vrrp_instance",), "BFD_CHECK/name": ("bfd_instance",),
    "track_virtual_server": ("virtual_server",),
}
#: Words within a line after which the name of such a block follows.
NAMED_AFTER = {
    ("virtual_server", "group"): ("virtual_server_group",),
    ("track_virtual_server", "group"): ("virtual_server_group",), ("lvs_sync_daemon", "inst"): ("vrrp_instance",),
    ("static_ipaddress", "track_group"): ("track_group",), ("static_routes", "track_group"): ("track_group",),
    ("static_rules", "track_group"): ("track_group",),
}
CONDITION = re.compile(r"[ \t]*@\^?[^ \t]*[ \t]+")
DEFINITION = re.compile(r"[ \t]*\$([A-Za-z_]\w*)=[ \t]*")
USE = re.compile(r"\$(?:\{(\w+)\}?|(\w*))")
#: A use at the end of what is typed, with the rest of its word.
_BEGUN = re.compile(r"([^ \t{}]*)\$(\{?)(\w*)\Z")
_PREDEFINED = ("_PWD", "_INSTANCE", "_RANDOM", "_ENV", "_HASH", "_BANG")


class Completion(NamedTuple):
    """A word that fits: `insert` is what to write in place of the word that ends at the cursor (from the last blank
    or brace on), `doc` Markdown. Kinds: keyword, block, value, name, definition."""

    label: str
    insert: str
    kind: str
    doc: str = ""


class Description(NamedTuple):
    """What a word means, as Markdown, and the columns `start` to `end` of its line where it stands."""

    text: str
    line: int
    start: int
    end: int


class _Statement(NamedTuple):
    """A line, or the piece of one between braces, and the heads of the blocks around it, outermost first."""

    line: int
    start: int
    text: str
    around: tuple[tuple[str, ...], ...]


class _Place(NamedTuple):
    """What the blocks around a statement allow in it."""

    path: str
    block: Block | None = None
    listed: Keyword | None = None  # the keyword whose list block this is


def complete(text: str, line: int, column: int) -> list[Completion]:
    """What may stand at the place, by what is written there up to it."""
    lines = text.split("\n")
    if not 0 <= line < len(lines):
        return []
    before = lines[line][:column]
    if len(without_comment(before)) < len(before.rstrip(BLANKS)):
        return []
    begun = _BEGUN.search(before)
    if begun:
        return _definitions(text, begun)
    statement = _current("\n".join([*lines[:line], before]))
    words = [word.text for word in general_words(statement.text)[0]]
    typed = "" if not statement.text or statement.text[-1] in BLANKS or not words else words.pop()
    place = _place(statement.around)
    if place is None:
        return []
    found = _keywords(place) if place.block and not place.block.entries and not words else _values(text, place, words)
    return [item for item in found if item.label.startswith(typed)]


def describe(text: str, line: int, column: int) -> Description | None:
    """What the word at the place means; None where there is nothing to say."""
    lines = text.split("\n")
    if not 0 <= line < len(lines):
        return None
    for use in USE.finditer(without_comment(lines[line])):
        if use.start() <= column < use.end():
            defined = _defined(text).get(use.group(1) or use.group(2) or "")
            return Description(f"```\n{defined}\n```", line, use.start(), use.end()) if defined is not None else None
    for statement in _statements(f"{text}\n"):
        if statement.line == line and statement.start <= column <= statement.start + len(statement.text):
            return _about(statement, column)
    return None


def _about(statement: _Statement, column: int) -> Description | None:
    place = _place(statement.around)
    words = general_words(statement.text)[0]
    if place is None or not words:
        return None
    keyword = place.listed or (place.block.keywords.get(words[0].text) if place.block else None)
    for word in words:
        if keyword and statement.start + word.start <= column <= statement.start + word.end:
            path = place.path.rpartition("/")[0] if place.listed else place.path
            return Description(markdown(path, keyword), statement.line, statement.start + word.start,
                               statement.start + word.end)
    return None


def markdown(path: str, keyword: Keyword) -> str:
    """The entry of a keyword, for an editor."""
    item = entry(path, keyword)
    parts = [f"**{item.term}** {item.rest}".rstrip()]
    parts += [f"```\n{part.text}\n```" if isinstance(part, Code) else part.text for part in item.body]
    return "\n\n".join(parts)


# -------------------------------------------------------------------------------------------------------------- where


def _statements(text: str) -> Iterator[_Statement]:
    """All of them, in order. A statement may be empty: at the end of a text there always is one."""
    around: list[tuple[str, ...]] = []
    head: tuple[str, ...] = ()
    unfinished = False
    lines = text.split("\n")
    for number, raw in enumerate(lines):
        start, rest = 0, without_comment(raw) if number + 1 < len(lines) else raw
        defines = unfinished or DEFINITION.match(rest) is not None
        unfinished = defines and rest.endswith("\\")
        condition = CONDITION.match(rest)
        if condition and not defines:
            start, rest = condition.end(), rest[condition.end():]
        while not defines:
            piece, brace, after, where = cut_at_brace(rest)
            words = tuple(word.text for word in general_words(piece)[0])
            if piece.strip(BLANKS) or not brace:
                yield _Statement(number, start, piece, tuple(around))
            head = words or head
            if not brace:
                break
            if brace == "{":
                around.append(head)
            elif around:
                around.pop()
            head = ()
            start, rest = start + where + 1, after
        else:
            yield _Statement(number, len(rest), "", tuple(around))


def _current(text: str) -> _Statement:
    """The statement at the end of the text."""
    return deque(_statements(text), maxlen=1)[0]


def _place(around: Sequence[tuple[str, ...]]) -> _Place | None:
    """What the blocks mean; None inside an unknown one."""
    place = _Place("", ROOT)
    for head in around:
        keyword = place.block.keywords.get(head[0]) if place.block and head else None
        if keyword is None or not isinstance(keyword.value, Block | Entries):
            return None
        path = f"{place.path}/{keyword.name}"
        inner = keyword.value if isinstance(keyword.value, Block) else None
        place = _Place(path, inner, keyword if inner is None or inner.entries else None)
    return place


# --------------------------------------------------------------------------------------------------------------- what


def _keywords(place: _Place) -> Iterator[Completion]:
    assert place.block is not None
    for keyword in place.block.children:
        if keyword.obsolete:
            continue
        value = keyword.value
        if isinstance(value, Value):
            kind, insert = "keyword", f"{keyword.name} " if value.synopsis else keyword.name
        else:
            named = isinstance(value, Block) and value.name
            kind, insert = "block", f"{keyword.name} " if named else f"{keyword.name} {{"
        yield Completion(keyword.name, insert, kind, markdown(place.path, keyword))


def _values(text: str, place: _Place, words: list[str]) -> Iterator[Completion]:
    """Words of a list's line, or those behind a keyword."""
    keyword = place.listed or (place.block.keywords.get(words[0]) if place.block and words else None)
    if keyword is None:
        return
    given = words if place.listed else words[1:]
    for name in _names(text, place, keyword, given):
        yield Completion(name, name, "name")
    value = _value_type(keyword)
    if value is not None:
        for word in value.further() if given else value.complete():
            yield Completion(word, word, "value", keyword.doc)


def _value_type(keyword: Keyword) -> Value[Any] | None:
    value = keyword.value
    if isinstance(value, Block):
        return value.entries or value.head
    return value.entry if isinstance(value, Entries) else value


def _names(text: str, place: _Place, keyword: Keyword, given: list[str]) -> list[str]:
    """Names of blocks of this text that fit."""
    block = place.path.rpartition("/")[2]
    kinds: tuple[str, ...] = ()
    listed_words = isinstance(keyword.value, Entries) and keyword.value.words
    if listed_words or not (given or isinstance(keyword.value, Block)):
        kinds = NAMED_BY.get(f"{block}/{keyword.name}") or NAMED_BY.get(keyword.name, ())
    if given:
        kinds = kinds or NAMED_AFTER.get((keyword.name, given[-1]), ())
    if not kinds:
        return []
    heads = [general_words(statement.text)[0] for statement in _statements(text) if not statement.around]
    return list(dict.fromkeys(head[1].text for head in heads if len(head) > 1 and head[0].text in kinds))


def _definitions(text: str, begun: re.Match[str]) -> list[Completion]:
    """Definitions that the use which has been begun may be of."""
    head, braces, wanted = begun.groups()
    known = {name: f"```\n{value}\n```" for name, value in _defined(text).items()}
    if braces:  # those that are always there must have them
        known = dict.fromkeys(_PREDEFINED, "") | known
    uses = {name: f"${{{name}}}" if braces else f"${name}" for name in known if name.startswith(wanted)}
    return [Completion(use, head + use, "definition", known[name]) for name, use in uses.items()]


def _defined(text: str) -> dict[str, str]:
    """The text's definitions, as they are written; of several of a name the last."""
    found: dict[str, str] = {}
    unfinished = ""
    for raw in text.split("\n"):
        kept = without_comment(raw)
        condition = CONDITION.match(kept)
        match = DEFINITION.match(kept, condition.end() if condition else 0)
        if unfinished:
            found[unfinished] += "\n" + kept.strip(BLANKS)
        elif match:
            unfinished = match.group(1)
            found[unfinished] = kept[match.end():]
        if not kept.endswith("\\"):
            unfinished = ""
    return found
