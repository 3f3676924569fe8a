"""What the BFD worker runs: sessions after every default and correction has been applied.

The counterpart of `settled` for BFD. Names are the keywords' names. Times are seconds as floats, where the file has
milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hakeep.config.settled_globals import Process
from hakeep.objects.rtnl import IPAddress


@dataclass(frozen=True, slots=True)
class BfdInstance:
    """One session. `source_ip` None is chosen by the kernel. `ttl` is TTL or hop limit; packets are taken that have at
    least `ttl` less `max_hops` of it left. `weight` and `reverse` are what a track_bfd has that gives none. `vrrp` and
    `checker` say who hears of the session."""

    name: str
    neighbor_ip: IPAddress
    source_ip: IPAddress | None = None
    min_rx: float = 0.01
    min_tx: float = 0.01
    idle_tx: float = 1.0
    multiplier: int = 5
    passive: bool = False
    ttl: int = 255
    max_hops: int = 0
    multihop: bool = False
    weight: int = 0
    reverse: bool = False
    vrrp: bool = True
    checker: bool = True

    @property
    def path(self) -> tuple[str, ...]:
        """What makes it the session it is: with another path it is another one, even under the same name."""
        return self.name, str(self.neighbor_ip), str(self.source_ip or ""), "multihop" if self.multihop else ""


@dataclass(frozen=True, slots=True)
class BfdSettings:
    """All sessions, in the order of the file, and how the worker is to run."""

    instances: tuple[BfdInstance, ...] = ()
    process: Process = field(default_factory=Process)
