"""What the BFD worker runs. A session that cannot be (see `rules.bfd`) is left out here without a word.

Where keepalived sends IPv6 packets with hop limit 64, we send 255, as RFC 5881 section 5 wants it: a neighbor that
keeps to that takes no others. Nor do we, so to hear keepalived over IPv6 its hop limit must be allowed by hoplimit or
max_hops.
"""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.config.keywords.global_defs import GlobalDefs
from hakeep.config.keywords.static import Config
from hakeep.config.schema import Plain
from hakeep.config.settle.globals import settle_process
from hakeep.config.settled_bfd import BfdInstance, BfdSettings
from hakeep.objects.rtnl import IPAddress

_MILLISECOND = 1000
_FARTHEST = 255


def settle_bfd(config: Config) -> BfdSettings | None:
    """The sessions of a configuration; None when it has none that can run."""
    instances = tuple(_instances(config))
    if not instances:
        return None
    return BfdSettings(instances, settle_process(config.global_defs or GlobalDefs(), "bfd", "bfd"))


def _instances(config: Config) -> Iterator[BfdInstance]:
    neighbors: set[IPAddress] = set()
    for block in config.bfd_instance:
        neighbor, source = block.get("neighbor_ip"), block.get("source_ip")
        one_family = neighbor is not None and (source is None or source.version == neighbor.version)
        if one_family and neighbor not in neighbors:
            neighbors.add(neighbor)
            yield _instance(block)


def _instance(block: Plain) -> BfdInstance:
    ttl = block.get("ttl", _FARTHEST)
    hops = block.get("max_hops", 0)
    weight, reverse = block.get("weight", (0, False))
    vrrp, checker = listeners(block)
    return BfdInstance(
        name=block.name,
        neighbor_ip=block.get("neighbor_ip"),
        source_ip=block.get("source_ip"),
        min_rx=block.get("min_rx", 10) / _MILLISECOND,
        min_tx=block.get("min_tx", 10) / _MILLISECOND,
        idle_tx=block.get("idle_tx", 1000) / _MILLISECOND,
        multiplier=block.get("multiplier", 5),
        passive=bool(block.get("passive")),
        ttl=ttl,
        max_hops=min(_FARTHEST if hops < 0 else hops, ttl),
        multihop=bool(block.get("multihop")),
        weight=weight,
        reverse=reverse,
        vrrp=vrrp,
        checker=checker,
    )


def listeners(block: Plain) -> tuple[bool, bool]:
    """Whether VRRP hears of a session, and whether checkers do. Without a word on it both do."""
    vrrp, checker = bool(block.get("vrrp")), bool(block.get("checker"))
    return vrrp or not checker, checker or not vrrp
