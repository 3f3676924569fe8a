"""Where one is in a YAML configuration: what a key or an item means there, in the shape that `shaping` gives to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hakeep.config.forms.complete import NAMED_AFTER, NAMED_BY
from hakeep.config.forms.shaping import ENTRIES
from hakeep.config.keywords.static import ROOT
from hakeep.config.schema import Block, Entries, Keyword
from hakeep.config.values.value import Value


class Where(NamedTuple):
    """The inside of a key's value. `path` leads to the block there, or around the keyword, as in the manual.

    With a `block`, keys are its keywords; with `names`, they are names of such blocks. With none there is a value of
    the `keyword`, or a list of values.
    """

    path: str = ""
    keyword: Keyword | None = None
    block: Block | None = ROOT
    names: bool = False

    @property
    def keywords(self) -> bool:
        """Whether keys are keywords here."""
        return self.block is not None and not self.names

    def key(self, word: str) -> Where | None:
        """The inside of a key's value here; None if the key means nothing."""
        if self.block is None:
            return None
        if self.names:
            return self._inside(self.block)
        keyword = self.block.keywords.get(word)
        if keyword is None:
            return self._inside(self.block) if self.block.entries and word == ENTRIES else None
        if not isinstance(keyword.value, Block):
            return Where(self.path, keyword, None)
        inner = Where(f"{self.path}/{keyword.name}", keyword, keyword.value, names=bool(keyword.value.name))
        return inner if inner.names else inner._inside(keyword.value)

    def item(self) -> Where:
        """The inside of an item of a list here: one of the blocks, or one of the values."""
        return self._replace(names=False)

    def _inside(self, block: Block) -> Where:
        if block.entries:
            return Where(self.path.rpartition("/")[0], self.keyword, None)
        return self._replace(names=False)

    @property
    def value(self) -> Value[Any] | None:
        """The type of the values here."""
        kind = self.keyword.value if self.keyword and self.block is None else None
        if isinstance(kind, Block):
            return kind.entries
        return kind.entry if isinstance(kind, Entries) else kind

    def named_by(self, given: Sequence[str]) -> tuple[str, ...]:
        """The blocks that have the name which may stand here behind the words that are `given`."""
        if self.keyword is None or self.block is not None:
            return ()
        if given and not (isinstance(self.keyword.value, Entries) and self.keyword.value.words):
            return NAMED_AFTER.get((self.keyword.name, given[-1]), ())
        around = self.path.rpartition("/")[2]
        return NAMED_BY.get(f"{around}/{self.keyword.name}") or NAMED_BY.get(self.keyword.name, ())
