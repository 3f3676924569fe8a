"""What an unknown keyword may have been meant to be: a word known from elsewhere, a typo, a keyword of another block.

Built when the first unknown keyword is met, so that a good configuration pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.config.schema import Block, Keyword

#: How many different words get advice. To look for what is like a word takes a millisecond, and a file of another kind
#: may hold nothing but unknown words.
MOST = 100


def walk(block: Block, path: str = "") -> Iterator[tuple[str, Keyword]]:
    """Every keyword of the language with the path of the block it stands in ("" = root), old spellings included."""
    for keyword in block.keywords.values():
        yield path, keyword
        if isinstance(keyword.value, Block):
            yield from walk(keyword.value, f"{path}/{keyword.name}")


class Advice:
    """Knows where every keyword belongs."""

    def __init__(self, root: Block) -> None:
        self._paths: dict[str, list[str]] = {}
        self._given: dict[tuple[str, str], tuple[str, str]] = {}
        for path, keyword in walk(root):
            self._paths.setdefault(keyword.name, []).append(path)

    def on(self, word: str, path: str, block: Block) -> tuple[str, str]:
        """A note and a fix for a word that `block`, at `path`, does not know; both may be empty."""
        key = word, path
        if key not in self._given:
            if len(self._given) >= MOST:
                return "", ""
            self._given[key] = self._on(word, path, block)
        return self._given[key]

    def _on(self, word: str, path: str, block: Block) -> tuple[str, str]:
        from hakeep.config.cures import cure

        known = cure(word, path.rpartition("/")[2])
        if known:
            return known
        homes = [home for home in self._paths.get(word, []) if home != path]
        if homes:
            return f"{word} is a keyword of {', '.join(_name(home) for home in homes[:4])}", ""
        if not word.isascii():
            head, *rest = word.split() or [word]  # at blanks of any kind, of which none is a blank here
            if head in block.keywords and rest:
                return f"the blank after {head} is not a plain one", f"write {head} {' '.join(rest)}"
            plain = "".join(char for char in word if char.isascii())
            if plain in block.keywords:
                return "there are characters in it that look like blanks, or like nothing", f"write {plain}"
            return "", ""
        if word.lower() != word and word.lower() in block.keywords:
            return "keywords are lower case", f"write {word.lower()}"
        stripped = word.strip("%:=,;'*-\\")
        if stripped != word and stripped in block.keywords:
            return "", f"write {stripped}"
        for like in (word.replace("-", "_"), word.replace("_", "-")):
            if like != word and like in block.keywords:
                return "", f"write {like}"
        head, sign, _ = word.partition("=")
        if sign and head in block.keywords:
            return "there is no = between a keyword and its value", f"write {head}, a blank, and the value"
        return self._like(word, block)

    def _like(self, word: str, block: Block) -> tuple[str, str]:
        """What the word may be a slip of."""
        from difflib import get_close_matches

        if len(word) > 40:
            return "", ""
        close = get_close_matches(word, block.keywords, n=1, cutoff=0.75)
        if close:
            return "", f"did you mean {close[0]}?"
        close = get_close_matches(word, self._paths, n=1, cutoff=0.85)
        return (f"there is {close[0]} in {_name(self._paths[close[0]][0])}", "") if close else ("", "")


def _name(path: str) -> str:
    return path.rpartition("/")[2] or "the outermost level"
