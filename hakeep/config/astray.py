"""Where lines belong that stand after a block which was closed too early, or has no brace."""

from __future__ import annotations

from hakeep.config.hints import good_for
from hakeep.config.line import Line
from hakeep.config.schema import Block, Entries, Keyword
from hakeep.config.tree import Node


class _AnyWord(dict[str, Keyword]):
    """The keywords of a list, whose entries can begin with any word."""

    def __contains__(self, word: object) -> bool:
        return True


#: Stands for any list, which has entries in place of keywords.
LIST = Block("", [])
LIST.keywords = _AnyWord()


def content(keyword: Keyword) -> Block | None:
    """What stands astray after a keyword whose brace is missing."""
    if isinstance(keyword.value, Block):
        return LIST if keyword.value.entries else keyword.value
    return LIST if isinstance(keyword.value, Entries) else None


def home(line: Line, around: Block, previous: Node | None, *, known: bool) -> Block | None:
    """The block just closed within `around`, if the line belongs to it: it has a keyword of the block, or it is good
    for the first entry of the list (and nothing else is `known` of its first word)."""
    if previous is None or not previous.line.words or previous.closed is None:
        return None
    keyword = around.keywords.get(previous.line.words[0])
    value, words = keyword.value if keyword else None, line.words
    if isinstance(value, Block) and words and words[0] in value.keywords:
        return value
    if isinstance(value, Entries) and not previous.children and not known and good_for(value.entry, words):
        return LIST
    return None
