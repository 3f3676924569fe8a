"""A bound configuration as YAML, and the comments of YAML. `shaping` says what the form is like, and reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

import yaml

from hakeep.config.forms.shaping import ENTRIES, NAME
from hakeep.config.forms.written import Given, Remarked, Remarks, Row, given, name_of, with_remarks
from hakeep.config.keywords.static import ROOT, Config
from hakeep.config.line import Line
from hakeep.config.schema import Block, Entries, Repeat, Section
from hakeep.config.values import numbers, scripts, words
from hakeep.config.values.value import Value

INDENT = "  "

_PLAIN = re.compile(r"[A-Za-z0-9_/.+][\w/.+:%=@()|;~^$<> -]*", re.ASCII)
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_ODD = re.compile(r"0o?[0-7]+|0x[0-9a-fA-F]+|[-+]?[0-9][0-9_]*(\.[0-9]*)?", re.ASCII)
#: What no YAML text may hold as it is, and what would end a line. Values escape it; here it can be in comments only.
_FOREIGN = re.compile("[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = {'"': r"\"", "\\": r"\\", "\n": r"\n", "\t": r"\t"}
#: Characters that a key may have, as it is written: readers of YAML look no further for its colon.
_KEY_LIMIT = 1000


def render(config: Config, remarks: Remarks | None = None) -> str:
    """The YAML that `config` is read from. Raises ValueError if it holds what this form cannot say."""
    rows: list[Row] = []
    for each in given(config, ROOT):
        block = isinstance(each.keyword.value, Block | Entries)
        more = list(_given(each, 0))
        if rows and more and (block or rows[-1].depth):
            rows.append(Row(0, ""))
        rows += more
    text = "".join(f"{text}\n" for text in with_remarks(rows, remarks or Remarks(), INDENT))
    return _FOREIGN.sub("\ufffd", text)


def _given(each: Given, depth: int) -> Iterator[Row]:
    key, value = each.keyword.name, each.keyword.value
    if isinstance(value, Block):
        yield from _blocks(each, value, depth)
    elif isinstance(value, Entries):
        yield from _list(key, [scalar(value.entry, item) for item in each.values], each.lines, depth)
    elif each.keyword.repeat is Repeat.ADD:
        yield from _list(key, [scalar(value, item) for item in each.values], each.lines, depth)
    else:
        yield Row(depth, f"{key}: {scalar(value, each.values[0])}", each.lines[0])


def _list(key: str, items: list[str], lines: Sequence[Line | None], depth: int) -> Iterator[Row]:
    yield Row(depth, f"{key}:" if items else f"{key}: []", lines[0] if lines else None, heads=True)
    for item, line in zip_longest(items, lines):
        yield Row(depth + 1, f"- {item}", line)


def _blocks(each: Given, block: Block, depth: int) -> Iterator[Row]:
    """Blocks of one kind: by name, or as a list where names come twice or are no keys, or where there are none."""
    key = each.keyword.name
    names = [_name(section, block) for section in each.values]
    if not block.name and len(names) == 1:
        yield from _mapping(key, each.values[0], block, each.lines[0], depth)
    elif block.name and len(set(names)) == len(names) and all(len(_text(name)) < _KEY_LIMIT for name in names):
        yield Row(depth, f"{key}:")
        for name, section, line in zip(names, each.values, each.lines, strict=True):
            yield from _mapping(_text(name), section, block, line, depth + 1)
    else:
        yield Row(depth, f"{key}:")
        for name, section, line in zip(names, each.values, each.lines, strict=True):
            body = list(_content(section, block, depth + 2))
            if block.name:
                body.insert(0, Row(depth + 2, f"{NAME}: {_text(name)}", line))
                if block.entries:
                    body[1:] = _list(ENTRIES, [row.text.removeprefix("- ") for row in body[1:]], (), depth + 2)
            first = body[0] if body else Row(depth + 2, "{}", line)
            yield Row(depth + 1, f"- {first.text}", first.line or line)
            yield from body[1:]


def _name(section: Section, block: Block) -> str:
    return name_of(section, block) if block.head else section.name


def _mapping(key: str, section: Section, block: Block, line: Line | None, depth: int) -> Iterator[Row]:
    body = list(_content(section, block, depth + 1))
    empty = " []" if block.entries else " {}"
    yield Row(depth, f"{key}:{'' if body else empty}", line)
    yield from body


def _content(section: Section, block: Block, depth: int) -> Iterator[Row]:
    if block.entries:
        items = dict(section.given()).get("entries", ())
        for item, line in zip_longest(items, section.places.get("entries", ())[: len(items)]):
            yield Row(depth, f"- {scalar(block.entries, item)}", line)
        return
    for each in given(section, block):
        yield from _given(each, depth)


# --------------------------------------------------------------------------------------------------------- scalars


def scalar(value: Value[Any], item: Any) -> str:
    """A value of a keyword as it is written in YAML."""
    if value.needs == 0 and not value.render(item):  # the keyword alone
        return "true"
    match value:
        case words.Words():
            return f"[{', '.join(_text(word, flow=True) for word in item)}]"
        case words.Cpus():
            return f"[{', '.join(map(str, item))}]"
        case scripts.Command():
            return _command(item.argv, item.user, item.group)
        case words.Word() | words.Choice() | scripts.Expression():
            return _text(item)
        case words.Umask():
            return _text(value.render(item))
    text = value.render(item)
    typed = isinstance(value, numbers.OptBool) or _NUMBER.fullmatch(text)
    return text if typed else _text(text)


def _command(argv: tuple[str, ...], user: str | None, group: str | None) -> str:
    listed = f"[{', '.join(_text(word, flow=True) for word in argv)}]"
    if not user:
        simple = len(argv) == 1 and re.fullmatch(r"[\w/.+:%=@-]+", argv[0], re.ASCII)
        return _text(argv[0]) if simple else listed
    parts = [f"command: {listed}", f"user: {_text(user, flow=True)}"]
    parts += [f"group: {_text(group, flow=True)}"] if group else []
    return f"{{{', '.join(parts)}}}"


def _text(text: str, *, flow: bool = False) -> str:
    """A string, quoted if YAML could take it for something else."""
    plain = (
        _PLAIN.fullmatch(text) and ": " not in text and text[-1] not in ": " and not (flow and ":" in text)
        and not _ODD.fullmatch(text) and not _resolves(text))
    if plain:
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    """A character between double quotes. Raises ValueError for a byte that is not UTF-8."""
    code = ord(char)
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    if 0xD800 <= code < 0xE000:
        raise ValueError("a word has a byte in it that is not UTF-8, and YAML has no others")
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _resolves(text: str) -> bool:
    """Whether a reader of YAML 1.1 would take the plain text for anything but a string."""
    resolvers = yaml.SafeLoader.yaml_implicit_resolvers.get(text[0], ())
    return any(pattern.match(text) for _, pattern in resolvers)


# -------------------------------------------------------------------------------------------------------- comments


def comments(text: str) -> Iterator[Remarked]:
    """The lines of such a text with their comments. Raises yaml.YAMLError."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    ends = [0] * (len(lines) + 2)  # where the last token of a line ends
    for token in yaml.scan("\n".join(lines), Loader=yaml.SafeLoader):
        start, end = token.start_mark, token.end_mark
        for number in range(start.line, end.line):
            ends[number] = len(lines[number])
        if end.line > start.line or end.column > start.column:
            ends[end.line] = max(ends[end.line], end.column)
    for raw, end in zip(lines, ends, strict=False):
        found = re.compile(r"(?:^|[ \t])#").search(raw, max(0, end - 1) if end else 0)
        kept = raw[: found.start()] if found else raw
        margin = len(raw) - len(raw.lstrip())
        yield Remarked(margin, kept.strip(), (raw[found.end() :].strip() or " ") if found else "")
