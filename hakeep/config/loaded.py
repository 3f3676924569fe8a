"""A configuration that was read: the way from lines to settings, and what there is at its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from hakeep.config.advice import walk
from hakeep.config.bind import bind
from hakeep.config.diagnostic import Diagnostic, Verdict, exit_status
from hakeep.config.echoes import once
from hakeep.config.host import Host
from hakeep.config.keywords.static import ROOT, Config
from hakeep.config.line import Line
from hakeep.config.literally import MOST, blamed, literal_tree, misleading
from hakeep.config.reader import Reader
from hakeep.config.rules import check
from hakeep.config.rules.unsupported import unsupported
from hakeep.config.schema import Block, Entries
from hakeep.config.settle import settle
from hakeep.config.settle.names import informed
from hakeep.config.settled import Settings
from hakeep.config.tree import Tree, build


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that was read.

    `settings` is what runs (None when there was nothing to read). `sources` maps file names to their text, for
    rendering diagnostics.
    """

    config: Config
    settings: Settings | None
    diagnostics: tuple[Diagnostic, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def fatal(self) -> bool:
        """True when a daemon must not start with this configuration."""
        return self.settings is None or any(d.stops for d in self.diagnostics)

    def exit_status(self) -> int:
        """What ``-t`` exits with: 0, 2, 4, 5 or 6."""
        return exit_status(self.diagnostics)

    def run_status(self) -> int:
        """What a daemon that does not start exits with: 6 for files and includes, else 2; 0 if it may start."""
        if not self.fatal:
            return 0
        files = (Verdict.FILE_NOT_FOUND, Verdict.INCLUDE)
        return 6 if any(d.stops and d.verdict in files for d in self.diagnostics) else 2

    def unsupported(self) -> list[Diagnostic]:
        """What hakeep does not act on, as warnings."""
        return unsupported(self.config)


def assemble(lines: list[Line], reader: Reader, host: Host) -> Loaded:
    """What `lines` come to. `reader` is who has read them."""
    tree = [build(lines, _is_root_block, _needs_block, _place)]
    few = lines if len(lines) <= MOST else []
    del lines  # what is large is handed on, not kept here
    return conclude(tree.pop(), reader.diagnostics, reader.sources, host, few)


def conclude(
    tree: Tree, read: Iterable[Diagnostic], sources: Mapping[str, str], host: Host, lines: Sequence[Line] = (),
) -> Loaded:
    """The tree bound, settled and checked. `read` is what reading found; diagnostics come in the order of the text.
    `lines` are what the tree was made of, if it was made of lines and they are not too many to be read twice."""
    root, bound = bind(tree, ROOT)
    assert isinstance(root, Config)
    structure = tree.diagnostics
    del tree  # of a large configuration it holds more than all that is made of it
    host = informed(host, root)
    settings, settled = settle(root, host)
    diagnostics = once(gathered([*read, *structure, *bound, *settled, *check(root, settings, host)]))
    if lines and misleading(diagnostics) and not any(d.stops for d in diagnostics):
        diagnostics = _as_keepalived(lines, diagnostics, host)
    order = {name: number for number, name in enumerate(sources)}
    diagnostics.sort(key=lambda d: (order.get(d.span.file, 0), d.span.line) if d.span else (len(order), 0))
    return Loaded(root, settings, tuple(diagnostics), sources)


def _as_keepalived(lines: Sequence[Line], diagnostics: list[Diagnostic], host: Host) -> list[Diagnostic]:
    """The diagnostics; one of them stops if keepalived, which takes the lines in another way, does."""
    root, bound = bind(literal_tree(lines, ROOT), ROOT)
    assert isinstance(root, Config)
    stop = next((d for d in (*bound, *settle(root, host)[1]) if d.stops), None)
    return blamed(diagnostics, stop) if stop else diagnostics


#: Of what a line says again and again because a sequence repeats it, so many are kept.
ALIKE = 3


def gathered(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics, but of those that are alike (one mistake in a line that comes many times) only the first few.
    The last of them tells how many more there are."""
    kept: list[Diagnostic] = []
    alike: dict[tuple[object, ...], list[int]] = {}
    for diagnostic in diagnostics:
        if diagnostic.span and diagnostic.span.via:
            key = (diagnostic.code, diagnostic.verdict, diagnostic.stops, diagnostic.span)
            seen = alike.setdefault(key, [0, 0])
            seen[0] += 1
            if seen[0] > ALIKE:
                continue
            seen[1] = len(kept)
        kept.append(diagnostic)
    for count, last in alike.values():
        if count > ALIKE:
            more = f"and {count - ALIKE} more of this kind, from the same line"
            kept[last] = replace(kept[last], note="\n".join(filter(None, [kept[last].note, more])))
    return kept


#: Blocks of the outermost level only, and whether a name follows their keyword.
_ROOT_BLOCKS = {
    "global_defs": False, "vrrp_instance": True, "vrrp_sync_group": True, "vrrp_script": True, "virtual_server": True,
    "virtual_server_group": True, "bfd_instance": True, "vrrp_track_process": True, "static_ipaddress": False,
    "static_routes": False, "static_rules": False, "garp_group": False,
}


def _is_root_block(words: list[str]) -> bool:
    """Words that can only begin a block at the outermost level, as in ``vrrp_instance VI_1``."""
    return bool(words) and words[0] in _ROOT_BLOCKS and (len(words) > 1) == _ROOT_BLOCKS[words[0]]


def _needs_block(words: list[str]) -> bool:
    """Words that begin with a keyword which has a block wherever it may stand."""
    return bool(words) and words[0] in _block_keywords()


def _place(words: list[str], path: list[str]) -> int:
    """In how many of the open blocks the words stand: in all, unless only one around the innermost knows them. An
    entry of a list may be any word, but for one that begins a block, or a line, of a block around the list."""
    blocks: list[Block | None] = [ROOT]  # None: a list, or a block that nobody knows
    for name in path:
        around = blocks[-1]
        found = around.keywords.get(name) if around else None
        value = found.value if found else None
        if not isinstance(value, Block | Entries):
            return len(path)
        blocks.append(value if isinstance(value, Block) and not value.entries else None)
    word = words[0] if words else ""
    return next((depth for depth in range(len(path), -1, -1)
                 if (block := blocks[depth]) and word in block.keywords), len(path))


@cache
def _block_keywords() -> frozenset[str]:
    with_block: set[str] = set()
    without: set[str] = set()
    for _, keyword in walk(ROOT):
        (with_block if isinstance(keyword.value, Block | Entries) else without).add(keyword.name)
    return frozenset(with_block - without)
