"""A configuration that was read: the way from lines to settings, and what there is at its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hakeep.config.bind import bind
from hakeep.config.diagnostic import Diagnostic, Verdict, exit_status
from hakeep.config.host import Host
from hakeep.config.keywords.static import ROOT, Config
from hakeep.config.reader import Line, Reader
from hakeep.config.rules import check
from hakeep.config.rules.unsupported import unsupported
from hakeep.config.settle import settle
from hakeep.config.settled import Settings
from hakeep.config.tree import build


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
        """What hakeep does not act on: errors where that is unsafe, else warnings."""
        return unsupported(self.config)


def assemble(lines: Iterable[Line], reader: Reader, host: Host) -> Loaded:
    """The tree of `lines`, bound, settled and checked. Diagnostics come in the order of the text."""
    tree = build(lines, _is_root_block)
    root, bound = bind(tree, ROOT)
    assert isinstance(root, Config)
    settings, settled = settle(root, host)
    diagnostics = [*reader.diagnostics, *tree.diagnostics, *bound, *settled, *check(root, host)]
    order = {name: number for number, name in enumerate(reader.sources)}
    diagnostics.sort(key=lambda d: (order.get(d.span.file, 0), d.span.line) if d.span else (len(order), 0))
    return Loaded(root, settings, tuple(diagnostics), reader.sources)


#: Blocks of the outermost level only, and whether a name follows their keyword.
_ROOT_BLOCKS = {
    "global_defs": False, "vrrp_instance": True, "vrrp_sync_group": True, "vrrp_script": True, "virtual_server": True,
    "virtual_server_group": True, "bfd_instance": True, "vrrp_track_process": True, "static_ipaddress": False,
    "static_routes": False, "static_rules": False, "garp_group": False,
}


def _is_root_block(words: list[str]) -> bool:
    """Words that can only begin a block at the outermost level, as in ``vrrp_instance VI_1``."""
    return bool(words) and words[0] in _ROOT_BLOCKS and (len(words) > 1) == _ROOT_BLOCKS[words[0]]
