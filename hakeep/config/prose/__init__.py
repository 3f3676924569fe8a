"""What the manual says about each keyword, beyond the one line in the schema.

The schema states facts; these modules explain them to somebody who learns. The daemon never imports them. Each holds
one `TEXT`: a line that starts at the margin names keywords, the indented lines below it are their paragraphs. A name
may be preceded by its block (``vrrp_instance/state``) where the same word means different things in different blocks.
Words in backquotes are set as keywords by whoever renders them.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

#: The modules that hold text.
VOLUMES = ("outermost", "daemon", "vrrp_defaults", "telling", "instance", "tracking", "services", "checkers")

Paragraphs = tuple[str, ...]


def prose(path: str, name: str) -> Paragraphs:
    """The paragraphs about keyword `name` of the block at `path` ("/vrrp_instance"; "" = outermost)."""
    texts = library()
    block = path.rpartition("/")[2]
    return texts.get(f"{block}/{name}") or texts.get(name, ())


@cache
def library() -> dict[str, Paragraphs]:
    """All texts, by NAME or BLOCK/NAME (the outermost level's: /NAME)."""
    texts: dict[str, Paragraphs] = {}
    for volume in VOLUMES:
        for names, paragraphs in read(import_module(f"{__name__}.{volume}").TEXT):
            for name in names:
                if name in texts:
                    raise ValueError(f"{name} is explained twice")
                texts[name] = paragraphs
    return texts


def read(text: str) -> list[tuple[list[str], Paragraphs]]:
    """The entries of a volume: names, and paragraphs each on one line."""
    entries: list[tuple[list[str], Paragraphs]] = []
    names: list[str] = []
    paragraphs: list[list[str]] = [[]]
    for line in [*text.splitlines(), "end"]:
        if line[:1].strip():
            if any(paragraphs):
                entries.append((names, tuple(" ".join(lines) for lines in paragraphs if lines)))
                names, paragraphs = [], [[]]
            names += line.split()
        elif line.strip():
            paragraphs[-1].append(line.strip())
        else:
            paragraphs.append([])
    return entries
