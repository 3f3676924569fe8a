"""What may be written at a place of a YAML configuration that is being typed.

While one types, the text is hardly ever right; so this goes by indentation and dashes alone, line by line. What stands
in braces is not looked into, a list in brackets is. Lines and columns count from 0; columns are characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hakeep.config.forms.complete import Completion, markdown
from hakeep.config.forms.shaping import NAME
from hakeep.config.forms.yaml_place import Where
from hakeep.config.schema import Block, Entries
from hakeep.config.values.numbers import Flag, OptBool

#: Blanks, dashes of lists, and a key with its colon.
_LINE = re.compile(r"([ ]*)((?:-[ ]+)*)(?:([^\s#'\"\[{-][^#\[{]*?|(?:'[^']*'|\"[^\"]*\")[ ]*):(?=[ ]|\Z)[ ]*)?")
_COMMENT = re.compile(r"(?:\A|[ \t])#")
#: The last item of a list in brackets, as far as it is written.
_LAST = re.compile(r"(?:.*[\[,])?[ ]*(.*)\Z", re.DOTALL)
#: A step into a key (its word) or into an item of a list (None), and the column where it stands.
_Step = tuple[int, str | None]


def complete(text: str, line: int, column: int) -> list[Completion]:
    """What may stand at the place, by what is written there up to it and above. What has been typed of it is the part
    from the last blank, comma or bracket on."""
    lines = text.replace("\r\n", "\n").split("\n")
    if not 0 <= line < len(lines) or _COMMENT.search(lines[line][:column]):
        return []
    steps: list[_Step] = []
    for raw in lines[:line]:
        if raw.strip() and not raw.lstrip().startswith("#"):
            _take(steps, raw)
    before, behind = lines[line][:column], lines[line][column:]
    begun, written = _take(steps, before)
    where: Where | None = Where()
    for _, key in steps:
        where = where and (where.item() if key is None else where.key(key))
    if where is None or "{" in written:
        return []
    if where.value:
        return list(_values(where, written, text))
    if begun or not where.keywords:
        return []  # keywords stand below the key of their block, and names are for people to give
    listed = bool(steps) and steps[-1][1] is None
    return list(_keywords(where, written, listed=listed, colon=not behind.lstrip().startswith(":")))


def _take(steps: list[_Step], line: str) -> tuple[str, str]:
    """Leave the steps that the line ends, go those that it makes. Its key, and what stands behind all that."""
    match = _LINE.match(line)
    assert match  # everything in it may be missing
    blanks, dashes, key = match.groups()
    for column in [len(blanks) + at for at, char in enumerate(dashes) if char == "-"]:
        while steps and (steps[-1][0] > column or (steps[-1][0] == column and steps[-1][1] is None)):
            steps.pop()
        steps.append((column, None))
    column = len(blanks) + len(dashes)
    while steps and steps[-1][0] >= column:
        steps.pop()
    if key:
        steps.append((column, key.strip(" '\"")))
    return key or "", line[match.end() :]


def _keywords(where: Where, typed: str, *, listed: bool, colon: bool) -> Iterator[Completion]:
    assert where.block is not None
    if listed and where.block.name and NAME.startswith(typed):
        yield Completion(NAME, f"{NAME}: " if colon else NAME, "keyword", "The block's name, where blocks are a list.")
    for keyword in where.block.children:
        if keyword.obsolete or not keyword.name.startswith(typed):
            continue
        value = keyword.value
        alone = "true" if isinstance(value, Flag) else ""
        inside = not isinstance(value, Block | Entries)
        insert = f"{keyword.name}:{' ' if inside else ''}{alone}" if colon else keyword.name
        yield Completion(keyword.name, insert, "keyword" if inside else "block", markdown(where.path, keyword))


def _values(where: Where, written: str, text: str) -> Iterator[Completion]:
    """Words that go on with what is written of a value."""
    last = _LAST.match(written)
    *given, typed = (last.group(1) if last else "").split(" ")
    assert where.value is not None and where.keyword is not None
    words = where.value.further() if given else where.value.complete()
    if isinstance(where.value, Flag | OptBool):
        words = ("true",) if isinstance(where.value, Flag) else ("true", "false")
    found = [Completion(name, name, "name") for name in _names(text, where.named_by(given))]
    found += [Completion(word, word, "value", where.keyword.doc) for word in words]
    yield from (each for each in found if each.label.startswith(typed))


def _names(text: str, kinds: tuple[str, ...]) -> list[str]:
    """Names of blocks of these kinds, in the text as it is written."""
    steps: list[_Step] = []
    found: dict[str, None] = {}
    for raw in text.replace("\r\n", "\n").split("\n") if kinds else ():
        if not raw.strip() or raw.lstrip().startswith("#"):
            continue
        _, value = _take(steps, raw)
        match [key for _, key in steps]:
            case [kind, str(name)] if kind in kinds:
                found[name] = None
            case [kind, None, key] if kind in kinds and key == NAME:
                found[value.partition(" #")[0].strip(" '\"")] = None
    return list(found)
