"""Which mark stands for which group of addresses (nftables_ipvs)."""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.config.keywords.global_defs import GlobalDefs
from hakeep.config.keywords.static import Config
from hakeep.objects.ipvs import free_marks

#: The name of the table, and the first mark that is given out, unless others are said.
MARK_TABLE, FIRST_MARK = "hakeep_ipvs", 1000


class Marks:
    """Gives a mark to each group and protocol, in the order in which they are asked for; 0 = none, when marks are not
    wanted. A mark that stands somewhere in the configuration is not given out."""

    def __init__(self, config: Config, written: GlobalDefs) -> None:
        self._free = free_marks(first_mark(written), _written(config)) if written.nftables_ipvs is not None else None
        self._given: dict[tuple[str, int], int] = {}

    def of(self, group: str, protocol: int) -> int:
        """The mark for packets of this protocol to addresses of this group."""
        if self._free is None:
            return 0
        if (group, protocol) not in self._given:
            self._given[group, protocol] = next(self._free)
        return self._given[group, protocol]


def first_mark(written: GlobalDefs) -> int:
    """nftables_ipvs_start_fwmark."""
    return written.nftables_ipvs_start_fwmark or FIRST_MARK


def _written(config: Config) -> Iterator[int]:
    for group in config.virtual_server_group:
        yield from (entry.fwmark for entry in group.get("entries", ()))
    yield from (block.head.fwmark for block in config.virtual_server)
